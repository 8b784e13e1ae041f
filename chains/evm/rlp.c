/* SPDX-License-Identifier: Apache-2.0 */
/* evm/rlp.c - strict reading, and writing with prefixes inserted once a list's length is known. */
#include "core/status.h"
#include "evm/rlp.h"

/* Prefixes: below STR a byte is itself; then strings and lists, short (length in the prefix) and
 * long (length of the length in the prefix). */
enum { STR = 0x80, STR_LONG = 0xb7, LIST = 0xc0, LIST_LONG = 0xf7, SHORT_MAX = 55 };

int sn_rlp_next(struct sn_str *in, struct sn_rlp *ret)
{
    const uint8_t *p = (const uint8_t *)in->ptr;
    if (in->len == 0) return SN_E_EOF;
    bool list = p[0] >= LIST;
    size_t head = p[0] < STR ? 0 : 1, n;
    unsigned base = list ? LIST : STR, long_base = list ? LIST_LONG : STR_LONG;
    if (p[0] < STR) {
        n = 1;
    } else if (p[0] <= long_base) {
        n = p[0] - base;
    } else {
        size_t bytes = p[0] - long_base;
        if (bytes > in->len - 1) return sn_fail(SN_E_SYNTAX, "RLP: a length is cut short");
        if (p[1] == 0) return sn_fail(SN_E_SYNTAX, "RLP: a length with leading zeros");
        n = 0;
        for (size_t i = 0; i < bytes; i++) n = n << 8 | p[1 + i];
        head += bytes;
        if (n <= SHORT_MAX) return sn_fail(SN_E_SYNTAX, "RLP: a long form where the short one fits");
    }
    if (n > in->len - head) return sn_fail(SN_E_SYNTAX, "RLP: a length beyond the data");
    if (!list && head == 1 && n == 1 && p[1] < STR)
        return sn_fail(SN_E_SYNTAX, "RLP: a prefix before a byte that needs none");
    *ret = (struct sn_rlp){list, sn_str_sub(*in, head, head + n), sn_str_sub(*in, 0, head + n)};
    *in = sn_str_from(*in, head + n);
    return 0;
}
int sn_rlp_one(struct sn_str in, struct sn_rlp *ret)
{
    int r = sn_rlp_next(&in, ret);
    if (r == SN_E_EOF) return sn_fail(SN_E_SYNTAX, "RLP: no data");
    if (r == 0 && in.len) return sn_fail(SN_E_SYNTAX, "RLP: %zu bytes behind the item", in.len);
    return r;
}
static int take(struct sn_str *in, const char *what, bool list, struct sn_str *ret)
{
    struct sn_rlp it = {0};
    int r = sn_rlp_next(in, &it);
    if (r == SN_E_EOF) return sn_fail(SN_E_SYNTAX, "%s: missing", what);
    if (r < 0) return sn_wrap(r, "%s", what);
    if (it.list != list)
        return sn_fail(SN_E_SYNTAX, "%s: expected a %s", what, list ? "list" : "string");
    *ret = it.data;
    return 0;
}
int sn_rlp_take_list(struct sn_str *in, const char *what, struct sn_str *ret)
{
    return take(in, what, true, ret);
}
int sn_rlp_take_str(struct sn_str *in, const char *what, struct sn_str *ret)
{
    return take(in, what, false, ret);
}
int sn_rlp_take_fixed(struct sn_str *in, const char *what, void *ret, size_t n)
{
    struct sn_str s = {0};
    int r = take(in, what, false, &s);
    if (r < 0) return r;
    if (s.len != n) return sn_fail(SN_E_SYNTAX, "%s: %zu bytes, expected %zu", what, s.len, n);
    memcpy(ret, s.ptr, n);
    return 0;
}
int sn_rlp_take_u256(struct sn_str *in, const char *what, struct sn_u256 *ret)
{
    struct sn_str s = {0};
    uint8_t word[32] = {0};
    int r = take(in, what, false, &s);
    if (r < 0) return r;
    if (s.len && s.ptr[0] == 0) return sn_fail(SN_E_SYNTAX, "%s: a number with leading zeros", what);
    if (s.len > sizeof(word)) return sn_fail(SN_E_OUT_OF_RANGE, "%s: more than 256 bits", what);
    if (s.len) memcpy(word + sizeof(word) - s.len, s.ptr, s.len);
    *ret = sn_u256_load(word);
    return 0;
}
int sn_rlp_take_u64(struct sn_str *in, const char *what, uint64_t *ret)
{
    struct sn_u256 v;
    int r = sn_rlp_take_u256(in, what, &v);
    if (r < 0) return r;
    if (sn_u256_bits(v) > 64) return sn_fail(SN_E_OUT_OF_RANGE, "%s: more than 64 bits", what);
    *ret = v.w[0];
    return 0;
}

static size_t prefix(size_t n, unsigned base, uint8_t out[9])
{
    if (n <= SHORT_MAX) {
        out[0] = (uint8_t)(base + n);
        return 1;
    }
    unsigned bytes = (71u - (unsigned)__builtin_clzll(n)) / 8;
    out[0] = (uint8_t)(base + SHORT_MAX + bytes);
    for (unsigned i = 0; i < bytes; i++) out[1 + i] = (uint8_t)(n >> (8 * (bytes - 1 - i)));
    return 1 + bytes;
}
void sn_rlp_put_str(struct sn_buf *b, struct sn_str s)
{
    uint8_t p[9];
    if (s.len != 1 || (uint8_t)s.ptr[0] >= STR) sn_buf_put(b, p, prefix(s.len, STR, p));
    sn_buf_str(b, s);
}
void sn_rlp_put_u256(struct sn_buf *b, struct sn_u256 v)
{
    uint8_t word[32];
    unsigned bytes = (sn_u256_bits(v) + 7) / 8;
    sn_u256_store(v, word);
    sn_rlp_put_str(b, sn_str_of((char *)word + sizeof(word) - bytes, bytes));
}
void sn_rlp_put_u64(struct sn_buf *b, uint64_t v) { sn_rlp_put_u256(b, sn_u256(v)); }
size_t sn_rlp_list_begin(struct sn_buf *b) { return b->len; }
void sn_rlp_list_end(struct sn_buf *b, size_t mark)
{
    uint8_t p[9];
    if (b->err < 0) return;
    size_t n = b->len - mark, head = prefix(n, LIST, p);
    if (sn_buf_put(b, p, head) < 0) return; /* for the room; the bytes go in front */
    memmove(b->ptr + mark + head, b->ptr + mark, n);
    memcpy(b->ptr + mark, p, head);
}
