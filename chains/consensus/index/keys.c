/* SPDX-License-Identifier: Apache-2.0 */
/* index/keys.c - see keys_int.h. */
#include "consensus/index/keys_int.h"

#include "core/map.h"

#define SEQ "$es$"

/* ---- parts that sort ---- */

void sn_index_put_text(struct sn_buf *out, struct sn_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = (uint8_t)s.ptr[i];
        sn_buf_byte(out, c);
        if (c == 0x00 || c == 0xff) sn_buf_byte(out, (uint8_t)~c);
    }
    sn_buf_put(out, "\x00\x01", 2);
}

bool sn_index_take_text(struct sn_str *in, struct sn_buf *out)
{
    for (size_t i = 0; i + 1 < in->len; i++) {
        uint8_t c = (uint8_t)in->ptr[i], next = (uint8_t)in->ptr[i + 1];
        if (c == 0x00 && next == 0x01) {
            *in = sn_str_from(*in, i + 2);
            return true;
        }
        if (c == 0x00 || c == 0xff) {
            if ((next ^ c) != 0xff) return false;
            i++;
        }
        sn_buf_byte(out, c);
    }
    return false;
}

/* A number of n bytes: n ones and a zero, then 7n bits, beginning in the same byte. */
void sn_index_put_i64(struct sn_buf *out, int64_t v)
{
    uint8_t bytes[10];
    uint64_t x = v < 0 ? ~(uint64_t)v : (uint64_t)v, flip = v < 0 ? 0xff : 0;
    unsigned n = 1;
    while (n < 10 && 7 * n - 1 < 64 && x >> (7 * n - 1)) n++;
    for (unsigned i = 0; i < n; i++) {
        unsigned shift = 8 * (n - 1 - i);
        bytes[i] = shift < 64 ? (uint8_t)(x >> shift) : 0;
    }
    /* The sign bit is the first of the ones. */
    for (unsigned bit = 0; bit < n; bit++) bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    for (unsigned i = 0; i < n; i++) bytes[i] ^= (uint8_t)flip;
    sn_buf_put(out, bytes, n);
}

bool sn_index_take_i64(struct sn_str *in, int64_t *ret)
{
    if (in->len == 0) return false;
    uint8_t flip = (uint8_t)in->ptr[0] & 0x80 ? 0 : 0xff;
    unsigned n = 0;
    while (n < 10 && n / 8 < in->len && ((uint8_t)in->ptr[n / 8] ^ flip) & (uint8_t)(0x80 >> n % 8))
        n++;
    if (n == 0 || n > 10 || in->len < n) return false;
    uint64_t x = 0;
    for (unsigned i = 0; i < n; i++) {
        uint8_t c = (uint8_t)in->ptr[i] ^ flip;
        for (unsigned bit = 8 * i; bit < 8 * i + 8 && bit <= n; bit++)
            if (bit < n) c &= (uint8_t) ~(0x80 >> bit % 8);
        if (x >> 56) return false;
        x = x << 8 | c;
    }
    if (x > INT64_MAX) return false;
    *ret = flip ? (int64_t)~x : (int64_t)x;
    *in = sn_str_from(*in, n);
    return true;
}

/* ---- keys ---- */

void sn_index_tx_key(struct sn_buf *out, struct sn_str tag, const struct sn_index_key *k)
{
    sn_buf_str(out, tag);
    sn_buf_byte(out, '/');
    sn_buf_str(out, k->value);
    sn_buf_byte(out, '/');
    sn_buf_i64(out, k->height);
    sn_buf_byte(out, '/');
    sn_buf_u64(out, k->index);
    sn_buf_cstr(out, SEQ);
    sn_buf_u64(out, k->seq);
}

void sn_index_block_key(struct sn_buf *out, struct sn_str tag, const struct sn_index_key *k)
{
    sn_buf_str(out, SN_INDEX_BLOCK_PREFIX);
    sn_index_put_text(out, tag);
    sn_index_put_text(out, k->value);
    sn_index_put_i64(out, k->height);
    sn_index_put_i64(out, (int64_t)k->seq);
}

void sn_index_block_height_key(struct sn_buf *out, int64_t height)
{
    sn_buf_str(out, SN_INDEX_BLOCK_PREFIX);
    sn_index_put_text(out, SN_INDEX_BLOCK_HEIGHT);
    sn_index_put_i64(out, height);
}

/* What stands for an event where the text is no number: equal texts are equal events. */
static uint64_t seq_of(struct sn_str text)
{
    uint64_t seq;
    return sn_str_to_u64(text, &seq) == 0 ? seq : sn_hash(text.ptr, text.len, 0) | 1ull << 63;
}

bool sn_index_tx_key_parse(struct sn_str key, struct sn_str tag, struct sn_index_key *ret)
{
    if (key.len <= tag.len || !sn_str_starts(key, tag) || key.ptr[tag.len] != '/') return false;
    struct sn_str rest = sn_str_from(key, tag.len + 1);
    ssize_t last = sn_str_rchr(rest, '/');
    if (last < 0) return false;
    ssize_t before = sn_str_rchr(sn_str_sub(rest, 0, (size_t)last), '/');
    if (before < 0) return false;
    struct sn_str tail = sn_str_from(rest, (size_t)last + 1);
    ssize_t es = sn_str_find(tail, SN_STR(SEQ));
    uint64_t index;
    if (sn_str_to_i64(sn_str_sub(rest, (size_t)before + 1, (size_t)last), &ret->height) < 0 ||
        sn_str_to_u64(es < 0 ? tail : sn_str_sub(tail, 0, (size_t)es), &index) < 0 ||
        index > UINT32_MAX)
        return false;
    ret->value = sn_str_sub(rest, 0, (size_t)before);
    ret->index = (uint32_t)index;
    ret->seq = es < 0 ? 0 : seq_of(sn_str_from(tail, (size_t)es + sizeof(SEQ) - 1));
    return true;
}

bool sn_index_block_key_parse(struct sn_str key, struct sn_buf *scratch, struct sn_index_key *ret)
{
    int64_t seq;
    sn_buf_reset(scratch);
    if (!sn_index_take_text(&key, scratch)) return false;
    sn_buf_reset(scratch);
    if (!sn_index_take_text(&key, scratch) || !sn_index_take_i64(&key, &ret->height) ||
        scratch->err < 0)
        return false;
    ret->value = sn_buf_view(scratch);
    ret->index = 0;
    /* Older versions have the function's name first, and the oldest nothing else. */
    struct sn_str rest = key;
    if (!(sn_index_take_i64(&rest, &seq) && rest.len == 0)) {
        struct sn_buf name SN_CLEANUP(sn_buf_done) = {0};
        seq = 0;
        if (sn_index_take_text(&key, &name) && !sn_index_take_i64(&key, &seq)) seq = 0;
    }
    ret->seq = (uint64_t)seq;
    return true;
}
