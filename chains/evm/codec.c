/* SPDX-License-Identifier: Apache-2.0 */
/* evm/codec.c - encoding and strict decoding.
 *
 * A strict decoder needs no budget against shared tails: each offset must be the one the encoder
 * would have written, so every byte is read once. A failure is found deep inside; its path is put
 * together on the way out, so success pays nothing for it. */
#include "core/status.h"
#include "crypto/keccak.h"
#include "evm/codec.h"

void sn_abi_put_address(uint8_t word[SN_ABI_WORD], const uint8_t address[SN_ADDRESS_LEN])
{
    memset(word, 0, SN_ABI_WORD - SN_ADDRESS_LEN);
    memcpy(word + SN_ABI_WORD - SN_ADDRESS_LEN, address, SN_ADDRESS_LEN);
}
int sn_abi_u64(const struct sn_abi_value *v, uint64_t *ret)
{
    struct sn_u256 x = sn_u256_load(v->bytes);
    if (sn_u256_bits(x) > 64) return SN_E_OUT_OF_RANGE;
    *ret = x.w[0];
    return 0;
}

static inline uint64_t load64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return __builtin_bswap64(v);
}
static inline bool all_bytes(const uint8_t *p, size_t n, uint8_t value)
{
    uint8_t diff = 0;
    for (size_t i = 0; i < n; i++) diff |= p[i] ^ value;
    return diff == 0;
}
/* Whether the word is one that the type has. */
static inline bool word_fits(const struct sn_abi_type *t, const uint8_t *w)
{
    uint8_t fill = 0;
    switch (t->kind) {
    case SN_ABI_UINT:
    case SN_ABI_UFIXED: break;
    case SN_ABI_INT:
    case SN_ABI_FIXED:
        fill = t->bits < 256 && w[SN_ABI_WORD - t->bits / 8] & 0x80 ? 0xff : 0;
        break;
    case SN_ABI_ADDRESS: return (load64(w) | (load64(w + 8) >> 32)) == 0;
    case SN_ABI_BOOL:
        return (load64(w) | load64(w + 8) | load64(w + 16)) == 0 && load64(w + 24) <= 1;
    case SN_ABI_FUNCTION: return load64(w + 24) == 0;
    default: return all_bytes(w + t->count, SN_ABI_WORD - t->count, 0);
    }
    return t->bits == 256 || all_bytes(w, SN_ABI_WORD - t->bits / 8u, fill);
}
static inline bool is_word(const struct sn_abi_type *t) { return t->kind < SN_ABI_BYTES; }
static inline size_t padded(size_t n) { return (n + 31) & ~(size_t)31; }

/* "amounts[3]" in front of what failed. */
static int at_component(int r, const struct sn_abi_type *t, size_t i)
{
    struct sn_str name = t->kind == SN_ABI_TUPLE ? t->components[i].name : SN_STR("");
    if (r == SN_E_NOMEM) return r;
    if (name.len) return sn_wrap(r, "%.*s", (int)SN_MIN(name.len, (size_t)60), name.ptr);
    return sn_wrap(r, "[%zu]", i);
}
static inline const struct sn_abi_type *child(const struct sn_abi_type *t, size_t i)
{
    return t->kind == SN_ABI_TUPLE ? t->components[i].type : t->elem;
}

/* ---- encoding ---- */

static int check_count(const struct sn_abi_type *t, const struct sn_abi_value *v)
{
    uint64_t want = t->kind == SN_ABI_TUPLE ? t->n_components
                    : t->kind == SN_ABI_ARRAY ? t->count : v->len;
    if (want == v->len) return 0;
    return sn_fail(SN_E_INVALID_ARGUMENT, "%.100s: expected %llu values, got %u", t->canonical.ptr,
                   (unsigned long long)want, v->len);
}
static int encode_word(const struct sn_abi_type *t, const struct sn_abi_value *v, uint8_t *out)
{
    if (v->len != SN_ABI_WORD || !word_fits(t, v->bytes))
        return sn_fail(SN_E_OUT_OF_RANGE, "not a value of %.20s", t->canonical.ptr);
    memcpy(out, v->bytes, SN_ABI_WORD);
    return 0;
}
static void put_number(uint8_t *out, uint64_t n)
{
    memset(out, 0, 24);
    n = __builtin_bswap64(n);
    memcpy(out + 24, &n, 8);
}
static int grow(struct sn_buf *b, size_t n)
{
    if (n > SN_ABI_DATA_MAX || b->len > SN_ABI_DATA_MAX - n)
        return sn_fail(SN_E_TOO_LARGE, "encoding beyond %u bytes", SN_ABI_DATA_MAX);
    if (b->cap - b->len < n || b->err < 0) {
        int r = sn_buf_reserve(b, n);
        if (r < 0) return r;
    }
    b->len += n;
    return 0;
}
static int encode_children(const struct sn_abi_type *t, const struct sn_abi_value *v, size_t at,
                           struct sn_buf *out);

/* A static value to offset `at`, whose room is there already. */
static int encode_static(const struct sn_abi_type *t, const struct sn_abi_value *v, size_t at,
                         struct sn_buf *out)
{
    if (is_word(t)) return encode_word(t, v, out->ptr + at);
    int r = check_count(t, v);
    return r < 0 ? r : encode_children(t, v, at, out);
}
static int encode_tail(const struct sn_abi_type *t, const struct sn_abi_value *v,
                       struct sn_buf *out)
{
    size_t at = out->len;
    int r;
    if (t->kind == SN_ABI_BYTES || t->kind == SN_ABI_STRING) {
        r = grow(out, SN_ABI_WORD + padded(v->len));
        if (r < 0) return r;
        uint8_t *p = out->ptr + at;
        put_number(p, v->len);
        if (v->len) memcpy(p + SN_ABI_WORD, v->bytes, v->len);
        memset(p + SN_ABI_WORD + v->len, 0, padded(v->len) - v->len);
        return 0;
    }
    r = check_count(t, v);
    if (r < 0) return r;
    size_t head = 0;
    if (t->kind == SN_ABI_TUPLE)
        for (size_t i = 0; i < t->n_components; i++) head += t->components[i].type->head;
    else
        head = (size_t)t->elem->head * v->len;
    bool list = t->kind == SN_ABI_LIST;
    r = grow(out, head + (list ? SN_ABI_WORD : 0));
    if (r < 0) return r;
    if (list) put_number(out->ptr + at, v->len);
    return encode_children(t, v, list ? at + SN_ABI_WORD : at, out);
}
/* Heads from offset `base` on, tails appended. */
static int encode_children(const struct sn_abi_type *t, const struct sn_abi_value *v, size_t base,
                           struct sn_buf *out)
{
    size_t at = base;
    for (size_t i = 0; i < v->len; i++) {
        const struct sn_abi_type *c = child(t, i);
        int r;
        if (is_word(c)) {
            r = encode_word(c, &v->items[i], out->ptr + at);
        } else if (c->dynamic) {
            put_number(out->ptr + at, out->len - base);
            r = encode_tail(c, &v->items[i], out);
        } else {
            r = encode_static(c, &v->items[i], at, out);
        }
        if (r < 0) return at_component(r, t, i);
        at += c->head;
    }
    return 0;
}
int sn_abi_encode(const struct sn_abi_type *t, const struct sn_abi_value *v, struct sn_buf *out)
{
    size_t before = out->len;
    if (t->kind != SN_ABI_TUPLE) return sn_fail(SN_E_INVALID_ARGUMENT, "no tuple");
    int r = encode_tail(t, v, out);
    if (r < 0) out->len = before;
    return r;
}

/* ---- packed, and the in-place encoding of indexed parameters ---- */

static int packed_word(const struct sn_abi_type *t, const struct sn_abi_value *v,
                       struct sn_buf *out)
{
    uint8_t w[SN_ABI_WORD];
    int r = encode_word(t, v, w);
    if (r < 0) return r;
    if (t->kind == SN_ABI_FIXED_BYTES) return sn_buf_put(out, w, t->count);
    if (t->kind == SN_ABI_FUNCTION) return sn_buf_put(out, w, 24);
    size_t n = t->kind == SN_ABI_ADDRESS ? SN_ADDRESS_LEN : t->kind == SN_ABI_BOOL ? 1 : t->bits / 8;
    return sn_buf_put(out, w + SN_ABI_WORD - n, n);
}
/* Everything in place and padded to words, without offsets and lengths. */
static int in_place(const struct sn_abi_type *t, const struct sn_abi_value *v, struct sn_buf *out)
{
    size_t at = out->len;
    int r;
    if (is_word(t)) {
        r = grow(out, SN_ABI_WORD);
        return r < 0 ? r : encode_word(t, v, out->ptr + at);
    }
    if (t->kind == SN_ABI_BYTES || t->kind == SN_ABI_STRING) {
        r = grow(out, padded(v->len));
        if (r < 0) return r;
        if (v->len) memcpy(out->ptr + at, v->bytes, v->len);
        memset(out->ptr + at + v->len, 0, padded(v->len) - v->len);
        return 0;
    }
    r = check_count(t, v);
    for (size_t i = 0; i < v->len && r == 0; i++) {
        r = in_place(child(t, i), &v->items[i], out);
        if (r < 0) r = at_component(r, t, i);
    }
    return r;
}
static int packed(const struct sn_abi_type *t, const struct sn_abi_value *v, struct sn_buf *out)
{
    if (is_word(t)) return packed_word(t, v, out);
    if (t->kind == SN_ABI_BYTES || t->kind == SN_ABI_STRING)
        return sn_buf_put(out, v->bytes, v->len);
    const struct sn_abi_type *base = t;
    while (base->elem) base = base->elem;
    if (t->elem && is_word(base)) return in_place(t, v, out);
    return sn_fail(SN_E_INVALID_ARGUMENT, "%.100s has no packed encoding", t->canonical.ptr);
}
int sn_abi_encode_packed(const struct sn_abi_type *t, const struct sn_abi_value *v,
                         struct sn_buf *out)
{
    size_t before = out->len;
    if (t->kind != SN_ABI_TUPLE) return sn_fail(SN_E_INVALID_ARGUMENT, "no tuple");
    int r = check_count(t, v);
    for (size_t i = 0; i < v->len && r == 0; i++) {
        r = packed(child(t, i), &v->items[i], out);
        if (r < 0) r = at_component(r, t, i);
    }
    if (r < 0) out->len = before;
    return r;
}
int sn_abi_topic(const struct sn_abi_type *t, const struct sn_abi_value *v,
                 uint8_t ret[SN_ABI_TOPIC_LEN])
{
    uint8_t word[SN_ABI_WORD];
    int r;
    if (is_word(t)) {
        r = encode_word(t, v, word);
        if (r == 0) memcpy(ret, word, sizeof(word));
        return r;
    }
    struct sn_buf b;
    sn_buf_init(&b, 0);
    if (t->kind == SN_ABI_BYTES || t->kind == SN_ABI_STRING) { /* at the top: not padded */
        sn_keccak256(v->bytes, v->len, ret);
        return 0;
    }
    r = in_place(t, v, &b);
    if (r == 0) sn_keccak256(b.ptr, b.len, ret);
    sn_buf_done(&b);
    return r;
}

/* ---- decoding ---- */

struct decoder {
    struct sn_arena *a;
    const uint8_t *data;
    size_t len;
    size_t next; /* strict: where the next tail must begin, lenient: unused */
    uint64_t work;
    bool lenient;
};
static int SN_COLD SN_NOINLINE bad(struct decoder *d, int code, size_t at, const char *what)
{
    return sn_fail(code, "byte %zu of %zu: %s", at, d->len, what);
}
static inline bool has(const struct decoder *d, size_t at, size_t n)
{
    return at <= d->len && n <= d->len - at;
}
/* A word that counts or points. */
static inline int take_number(struct decoder *d, size_t at, const char *what, size_t *ret)
{
    if (!has(d, at, SN_ABI_WORD)) return bad(d, SN_E_EOF, at, "data ends in a head");
    const uint8_t *w = d->data + at;
    uint64_t n = load64(w + 24);
    if ((load64(w) | load64(w + 8) | load64(w + 16)) != 0 || n > SN_ABI_DATA_MAX)
        return bad(d, SN_E_SYNTAX, at, what);
    *ret = n;
    return 0;
}
static int decode_children(struct decoder *d, const struct sn_abi_type *t, size_t n, size_t base,
                           struct sn_abi_value *ret);

static int decode_content(struct decoder *d, size_t at, struct sn_abi_value *ret)
{
    size_t n = 0;
    int r = take_number(d, at, "a length beyond the data", &n);
    if (r < 0) return r;
    at += SN_ABI_WORD;
    if (!has(d, at, d->lenient ? n : padded(n))) return bad(d, SN_E_EOF, at, "content is cut short");
    if (!d->lenient && !all_bytes(d->data + at + n, padded(n) - n, 0))
        return bad(d, SN_E_SYNTAX, at + n, "padding is not zero");
    d->next = at + padded(n);
    *ret = (struct sn_abi_value){.bytes = d->data + at, .len = (uint32_t)n};
    return 0;
}
/* What stands behind an offset. */
static int decode_tail(struct decoder *d, const struct sn_abi_type *t, size_t at,
                       struct sn_abi_value *ret)
{
    if (t->kind == SN_ABI_BYTES || t->kind == SN_ABI_STRING) return decode_content(d, at, ret);
    size_t n = t->kind == SN_ABI_TUPLE ? t->n_components : t->count;
    if (t->kind == SN_ABI_LIST) {
        int r = take_number(d, at, "a length beyond the data", &n);
        if (r < 0) return r;
        at += SN_ABI_WORD;
    }
    return decode_children(d, t, n, at, ret);
}
static inline int decode_one(struct decoder *d, const struct sn_abi_type *c, size_t base, size_t at,
                             struct sn_abi_value *ret)
{
    if (is_word(c)) {
        if (SN_UNLIKELY(!word_fits(c, d->data + at)))
            return bad(d, SN_E_SYNTAX, at, "not a value of the type");
        *ret = sn_abi_word(d->data + at);
        return 0;
    }
    if (!c->dynamic)
        return decode_children(d, c, c->kind == SN_ABI_TUPLE ? c->n_components : c->count, at, ret);
    size_t offset = 0;
    int r = take_number(d, at, "an offset beyond the data", &offset);
    if (r < 0) return r;
    if (!d->lenient && base + offset != d->next)
        return bad(d, SN_E_SYNTAX, at, "an offset that is not where the value must begin");
    if (!has(d, base, offset)) return bad(d, SN_E_EOF, at, "an offset beyond the data");
    return decode_tail(d, c, base + offset, ret);
}
/* n children whose heads begin at `base`. */
static int decode_children(struct decoder *d, const struct sn_abi_type *t, size_t n, size_t base,
                           struct sn_abi_value *ret)
{
    size_t head = 0;
    if (t->kind == SN_ABI_TUPLE)
        for (size_t i = 0; i < n; i++) head += t->components[i].type->head;
    else
        head = (size_t)t->elem->head * n; /* both below 2^31: fits */
    if (!has(d, base, head)) return bad(d, SN_E_EOF, base, "data ends in a head");
    /* Strictly, each byte is read once, and only what has no bytes costs its sender nothing. */
    if (d->lenient || head == 0) {
        if (n > d->work)
            return bad(d, SN_E_TOO_LARGE, base, "more values than this much data may hold");
        d->work -= n;
    }
    struct sn_abi_value *items = sn_arena_alloc(d->a, n * sizeof(*items));
    if (!items) return SN_E_NOMEM;
    /* In place of a static parent this moves backwards, to where the parent's tails begin. */
    if (t->dynamic) d->next = base + head;
    size_t at = base;
    for (size_t i = 0; i < n; i++) {
        const struct sn_abi_type *c = child(t, i);
        int r = decode_one(d, c, base, at, &items[i]);
        if (SN_UNLIKELY(r < 0)) return at_component(r, t, i);
        at += c->head;
    }
    *ret = sn_abi_items(items, (uint32_t)n);
    return 0;
}
int sn_abi_decode(struct sn_arena *a, const struct sn_abi_type *t, struct sn_str data,
                  const struct sn_abi_decode_opts *opts, struct sn_abi_value *ret)
{
    struct decoder d = {
        .a = a, .data = (const uint8_t *)data.ptr, .len = data.len,
        .lenient = opts && opts->lenient,
    };
    if (t->kind != SN_ABI_TUPLE) return sn_fail(SN_E_INVALID_ARGUMENT, "no tuple");
    if (data.len > SN_ABI_DATA_MAX)
        return sn_fail(SN_E_TOO_LARGE, "data beyond %u bytes", SN_ABI_DATA_MAX);
    if (data.len == 0 && t->head)
        return sn_fail(SN_E_EOF, "no data, expected %.100s", t->canonical.ptr);
    d.work = opts && opts->work_max ? opts->work_max : SN_ABI_WORK_DEFAULT;
    if (d.lenient) d.work += (uint64_t)(data.len / SN_ABI_WORD) * t->depth;
    struct sn_abi_value v;
    int r = decode_tail(&d, t, 0, &v);
    if (r < 0) return r;
    if (!d.lenient && (t->dynamic ? d.next : t->head) != data.len)
        return bad(&d, SN_E_SYNTAX, t->dynamic ? d.next : t->head, "bytes behind the last value");
    *ret = v;
    return 0;
}

/* ---- logs and reverts ---- */

static int split_log(const struct sn_abi_item *event, struct sn_abi_param *plain, size_t *ret_n)
{
    size_t n = 0;
    for (size_t i = 0; i < event->in.len; i++)
        if (!event->in.ptr[i].indexed) plain[n++] = event->in.ptr[i];
    *ret_n = n;
    return (int)(event->in.len - n);
}
int sn_abi_decode_log(struct sn_arena *a, const struct sn_abi_item *event, const uint8_t *topics,
                      size_t n, struct sn_str data, const struct sn_abi_decode_opts *opts,
                      struct sn_abi_value *ret)
{
    struct sn_abi_param *plain = SN_ARENA_ARRAY(a, struct sn_abi_param, event->in.len);
    struct sn_abi_value *out = SN_ARENA_ARRAY(a, struct sn_abi_value, event->in.len), rest;
    const struct sn_abi_type *t;
    size_t n_plain, skip = event->anonymous ? 0 : 1;
    if (!plain || !out) return SN_E_NOMEM;
    int want = split_log(event, plain, &n_plain);
    if (n >= skip && skip && memcmp(topics, event->topic, SN_ABI_TOPIC_LEN) != 0)
        return sn_fail(SN_E_NOT_FOUND, "the log is not of %.100s", event->signature.ptr);
    if (n != (size_t)want + skip)
        return sn_fail(SN_E_SYNTAX, "%.100s: expected %zu topics, got %zu", event->signature.ptr,
                       (size_t)want + skip, n);
    int r = sn_abi_params_type(a, (struct sn_abi_params){plain, n_plain}, &t);
    if (r == 0) r = sn_abi_decode(a, t, data, opts, &rest);
    const uint8_t *topic = topics + skip * SN_ABI_TOPIC_LEN;
    for (size_t i = 0, k = 0; i < event->in.len && r == 0; i++) {
        const struct sn_abi_type *pt = event->in.ptr[i].type;
        if (!event->in.ptr[i].indexed) {
            out[i] = rest.items[k++];
            continue;
        }
        out[i] = sn_abi_word(topic);
        out[i].hashed = sn_abi_is_hashed(pt);
        if (!out[i].hashed && !word_fits(pt, topic))
            r = sn_fail(SN_E_SYNTAX, "parameter %zu: the topic is no %.20s", i, pt->canonical.ptr);
        topic += SN_ABI_TOPIC_LEN;
    }
    if (r == 0) *ret = sn_abi_items(out, (uint32_t)event->in.len);
    return r;
}
int sn_abi_decode_error(struct sn_arena *a, const struct sn_abi *abi, struct sn_str data,
                        const struct sn_abi_item **ret_item, struct sn_abi_value *ret)
{
    const struct sn_abi_item *it = NULL;
    const struct sn_abi_type *t;
    const uint8_t *p = (const uint8_t *)data.ptr;
    if (data.len < SN_ABI_SELECTOR_LEN)
        return sn_fail(SN_E_EOF, "%zu bytes of revert data are no error", data.len);
    if (abi) it = sn_abi_by_selector(abi, SN_ABI_ERROR, p);
    if (!it) it = sn_abi_by_selector(sn_abi_builtin_errors(), SN_ABI_ERROR, p);
    if (!it)
        return sn_fail(SN_E_NOT_FOUND, "unknown error 0x%02x%02x%02x%02x", p[0], p[1], p[2], p[3]);
    int r = sn_abi_params_type(a, it->in, &t);
    if (r == 0) r = sn_abi_decode(a, t, sn_str_from(data, SN_ABI_SELECTOR_LEN), NULL, ret);
    if (r < 0) return sn_wrap(r, "%.*s", SN_STR_ARG(it->name));
    *ret_item = it;
    return 0;
}
const char *sn_abi_panic_text(uint64_t code)
{
    switch (code) {
    case 0x00: return "generic panic";
    case 0x01: return "assertion failed";
    case 0x11: return "arithmetic overflow";
    case 0x12: return "division by zero";
    case 0x21: return "a number that is no value of the enum";
    case 0x22: return "storage byte array is encoded wrongly";
    case 0x31: return "pop from an empty array";
    case 0x32: return "array index out of range";
    case 0x41: return "too much memory allocated";
    case 0x51: return "call of an uninitialised internal function";
    default: return NULL;
    }
}
