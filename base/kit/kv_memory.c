/* SPDX-License-Identifier: Apache-2.0 */
/* kit/kv_memory.c - a sorted array: for tests, simulations and nodes that keep nothing. */
#include "core/alloc.h"
#include "core/status.h"
#include "core/vec.h"
#include "fiber/sync.h"
#include "kit/kv_int.h"

struct memory {
    struct sn_kv kv;
    struct sn_mutex lock;
    SN_VEC(struct sn_kv_pair) pairs; /* key and value of one are one block */
};

/* Index of the first pair whose key is not below. */
static size_t lower_bound(const struct memory *m, struct sn_str key)
{
    size_t from = 0, to = m->pairs.len;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (sn_str_cmp(m->pairs.ptr[mid].key, key) < 0)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

static bool is_at(const struct memory *m, size_t i, struct sn_str key)
{
    return i < m->pairs.len && sn_str_eq(m->pairs.ptr[i].key, key);
}

static int memory_get(struct sn_kv *kv, struct sn_str key, struct sn_buf *out)
{
    struct memory *m = SN_CONTAINER_OF(kv, struct memory, kv);
    sn_mutex_lock_always(&m->lock);
    size_t i = lower_bound(m, key);
    int r = !is_at(m, i, key) ? 0 : sn_buf_str(out, m->pairs.ptr[i].value) < 0 ? SN_E_NOMEM : 1;
    sn_mutex_unlock(&m->lock);
    return r;
}

static void put(struct memory *m, struct sn_kv_pair p)
{
    size_t i = lower_bound(m, p.key);
    if (is_at(m, i, p.key)) {
        sn_free((void *)m->pairs.ptr[i].key.ptr);
    } else {
        memmove(m->pairs.ptr + i + 1, m->pairs.ptr + i, (m->pairs.len - i) * sizeof(p));
        m->pairs.len++;
    }
    m->pairs.ptr[i] = p;
}

static void del(struct memory *m, struct sn_str key)
{
    size_t i = lower_bound(m, key);
    if (!is_at(m, i, key)) return;
    sn_free((void *)m->pairs.ptr[i].key.ptr);
    m->pairs.len--;
    memmove(m->pairs.ptr + i, m->pairs.ptr + i + 1, (m->pairs.len - i) * sizeof(m->pairs.ptr[0]));
}

/* All memory is taken before anything changes. */
static int memory_write(struct sn_kv *kv, const struct sn_kv_batch *b, bool sync)
{
    struct memory *m = SN_CONTAINER_OF(kv, struct memory, kv);
    struct sn_str key, value;
    char **blocks = SN_NEW_ARRAY(char *, b->n + 1);
    size_t at = 0, i = 0;
    int r = blocks ? 0 : SN_E_NOMEM;
    for (; r == 0 && kv_next_op(b, &at, &key, &value); i++) {
        if (!value.ptr) continue;
        if (!(blocks[i] = sn_alloc(key.len + value.len + 1))) r = SN_E_NOMEM;
        if (r == 0)
            memcpy(blocks[i], key.ptr, key.len), memcpy(blocks[i] + key.len, value.ptr, value.len);
    }
    sn_mutex_lock_always(&m->lock);
    if (r == 0) r = sn_vec_reserve(&m->pairs, m->pairs.len + b->n);
    for (at = 0, i = 0; r == 0 && kv_next_op(b, &at, &key, &value); i++) {
        if (!value.ptr)
            del(m, key);
        else
            put(m, (struct sn_kv_pair){sn_str_of(blocks[i], key.len),
                                       sn_str_of(blocks[i] + key.len, value.len)});
    }
    sn_mutex_unlock(&m->lock);
    for (i = 0; r < 0 && blocks && i < b->n; i++) sn_free(blocks[i]);
    sn_free(blocks);
    return r;
}

static int memory_scan(struct sn_kv *kv, const struct sn_kv_range *range, struct sn_arena *a,
                       struct sn_kv_pair **ret, size_t *ret_n)
{
    struct memory *m = SN_CONTAINER_OF(kv, struct memory, kv);
    struct kv_answer out = {.range = range, .arena = a};
    int r = 0;
    sn_mutex_lock_always(&m->lock);
    size_t from = lower_bound(m, range->from),
           to = range->to.len ? lower_bound(m, range->to) : m->pairs.len;
    for (size_t k = 0; r == 0 && from + k < to; k++) {
        const struct sn_kv_pair *p = &m->pairs.ptr[range->backwards ? to - 1 - k : from + k];
        r = kv_full(&out, p->key, p->value) ? 1 : kv_take(&out, p->key, p->value);
    }
    sn_mutex_unlock(&m->lock);
    if (r < 0) return r;
    *ret = out.pairs;
    *ret_n = out.n;
    return r;
}

static int memory_compact(struct sn_kv *kv, struct sn_str from, struct sn_str to) { return 0; }

static void memory_close(struct sn_kv *kv)
{
    struct memory *m = SN_CONTAINER_OF(kv, struct memory, kv);
    for (size_t i = 0; i < m->pairs.len; i++) sn_free((void *)m->pairs.ptr[i].key.ptr);
    sn_vec_done(&m->pairs);
    sn_free(m);
}

int sn_kv_open_memory(struct sn_kv **ret)
{
    static const struct kv_kind kind = {.close = memory_close,
                                        .get = memory_get,
                                        .write = memory_write,
                                        .scan = memory_scan,
                                        .compact = memory_compact};
    struct memory *m = SN_NEW(struct memory);
    if (!m) return SN_E_NOMEM;
    m->kv.kind = &kind;
    *ret = &m->kv;
    return 0;
}
