/* SPDX-License-Identifier: Apache-2.0 */
/* kit/kv.c - batches, answers, and the way to the blocking pool. */
#include "kit/kv.h"

#include "core/alloc.h"
#include "core/status.h"
#include "fiber/fiber.h"
#include "kit/kv_int.h"

#define N_MAX 1000
#define BYTES_MAX (16u << 20)
#define DELETION UINT32_MAX

/* ---- batches: lengths of key and value, then their bytes ---- */

/* len: of the parts together, or DELETION without any. */
static int batch_op(struct sn_kv_batch *b, struct sn_str key, const struct sn_str *parts, size_t n,
                    size_t len)
{
    uint32_t lens[2] = {(uint32_t)key.len, (uint32_t)len};
    if (key.len > SN_KV_KEY_MAX || (n && len > SN_KV_VALUE_MAX))
        return sn_fail(SN_E_TOO_LARGE, "key of %zu bytes, value of %zu; at most %d, %u", key.len, len,
                       SN_KV_KEY_MAX, SN_KV_VALUE_MAX);
    int r = sn_buf_reserve(&b->ops, sizeof(lens) + key.len + (n ? len : 0));
    if (r < 0) return r;
    (void)!sn_buf_put(&b->ops, lens, sizeof(lens));
    (void)!sn_buf_str(&b->ops, key);
    for (size_t i = 0; i < n; i++) (void)!sn_buf_str(&b->ops, parts[i]);
    b->n++;
    return 0;
}

int sn_kv_batch_put(struct sn_kv_batch *b, struct sn_str key, struct sn_str value)
{
    return batch_op(b, key, &value, 1, value.len);
}

int sn_kv_batch_put_parts(struct sn_kv_batch *b, struct sn_str key, const struct sn_str *parts,
                          size_t n)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) len += parts[i].len;
    return batch_op(b, key, parts, n, len);
}

int sn_kv_batch_del(struct sn_kv_batch *b, struct sn_str key)
{
    return batch_op(b, key, NULL, 0, DELETION);
}

void sn_kv_batch_reset(struct sn_kv_batch *b)
{
    sn_buf_reset(&b->ops);
    b->n = 0;
}

void sn_kv_batch_done(struct sn_kv_batch *b)
{
    sn_buf_done(&b->ops);
    b->n = 0;
}

size_t kv_op(const char *op, struct sn_str *ret_key, struct sn_str *ret_value)
{
    uint32_t lens[2];
    memcpy(lens, op, sizeof(lens));
    bool deletion = lens[1] == DELETION;
    *ret_key = sn_str_of(op + sizeof(lens), lens[0]);
    *ret_value = deletion ? (struct sn_str){0} : sn_str_of(op + sizeof(lens) + lens[0], lens[1]);
    return sizeof(lens) + lens[0] + (deletion ? 0 : lens[1]);
}
bool kv_next_op(const struct sn_kv_batch *b, size_t *at, struct sn_str *ret_key,
                struct sn_str *ret_value)
{
    if (*at == b->ops.len) return false;
    *at += kv_op((const char *)b->ops.ptr + *at, ret_key, ret_value);
    return true;
}

/* ---- answers ---- */

static size_t or_default(size_t n, size_t otherwise) { return n ? n : otherwise; }

bool kv_full(const struct kv_answer *out, struct sn_str key, struct sn_str value)
{
    return out->n &&
           (out->n >= or_default(out->range->n_max, N_MAX) ||
            out->bytes + key.len + value.len > or_default(out->range->bytes_max, BYTES_MAX));
}

int kv_take(struct kv_answer *out, struct sn_str key, struct sn_str value)
{
    if (out->n == out->cap) {
        size_t cap = SN_MAX((size_t)16, out->cap * 2);
        struct sn_kv_pair *more = sn_arena_alloc(out->arena, cap * sizeof(*more));
        if (!more) return SN_E_NOMEM;
        if (out->n) memcpy(more, out->pairs, out->n * sizeof(*more));
        out->pairs = more;
        out->cap = cap;
    }
    struct sn_kv_pair p = {sn_arena_str(out->arena, key), sn_arena_str(out->arena, value)};
    if (!p.key.ptr || !p.value.ptr) return SN_E_NOMEM;
    out->pairs[out->n++] = p;
    out->bytes += key.len + value.len;
    return 0;
}

/* ---- calls ---- */

struct call {
    struct sn_kv *kv;
    int (*fn)(struct call *c);
    struct sn_str key, to;
    struct sn_buf *out;
    const struct sn_kv_batch *batch;
    bool sync;
    const struct sn_kv_range *range;
    struct sn_arena *arena;
    struct sn_kv_pair **ret;
    size_t *ret_n;
};
static int do_get(struct call *c) { return c->kv->kind->get(c->kv, c->key, c->out); }
static int do_write(struct call *c) { return c->kv->kind->write(c->kv, c->batch, c->sync); }
static int do_scan(struct call *c)
{
    return c->kv->kind->scan(c->kv, c->range, c->arena, c->ret, c->ret_n);
}
static int do_compact(struct call *c) { return c->kv->kind->compact(c->kv, c->key, c->to); }
static int do_close(struct call *c)
{
    c->kv->kind->close(c->kv);
    return 0;
}

static int there(void *arg)
{
    struct call *c = arg;
    return c->fn(c);
}
static int make(struct call *c) { return c->kv->kind->blocks ? sn_offload(there, c) : c->fn(c); }

int sn_kv_get(struct sn_kv *kv, struct sn_str key, struct sn_buf *out)
{
    return make(&(struct call){.kv = kv, .fn = do_get, .key = key, .out = out});
}

int sn_kv_write(struct sn_kv *kv, const struct sn_kv_batch *b, bool sync)
{
    return make(&(struct call){.kv = kv, .fn = do_write, .batch = b, .sync = sync});
}

int sn_kv_scan(struct sn_kv *kv, const struct sn_kv_range *range, struct sn_arena *a,
               struct sn_kv_pair **ret, size_t *ret_n)
{
    return make(&(struct call){
        .kv = kv, .fn = do_scan, .range = range, .arena = a, .ret = ret, .ret_n = ret_n});
}

int sn_kv_compact(struct sn_kv *kv, struct sn_str from, struct sn_str to)
{
    return make(&(struct call){.kv = kv, .fn = do_compact, .key = from, .to = to});
}

void sn_kv_close(struct sn_kv *kv)
{
    if (!kv) return;
    struct call c = {.kv = kv, .fn = do_close};
    /* A cancelled fiber closes too. */
    if (make(&c) < 0) (void)do_close(&c);
}
