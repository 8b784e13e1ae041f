/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/light/store.c - keys are "lb/CHAIN/" and 20 digits of the height; "size" counts them in
 * two bytes. */
#include "consensus/light/store.h"

#include <stdio.h>

#include "consensus/codec.h"
#include "consensus/light/rpc_int.h"

#define KEY_MAX (SN_CONS_CHAIN_ID_MAX + 40)
#define COUNT_MAX 65535u /* what CometBFT's counter holds */

static struct sn_str key_of(const struct sn_light_store *s, int64_t height, char out[KEY_MAX])
{
    int n = snprintf(out, KEY_MAX, "%s%020lld", s->prefix, (long long)height);
    return sn_str_of(out, (size_t)n);
}
/* Height of a key; 0 where it is none of ours. */
static int64_t height_of(const struct sn_light_store *s, struct sn_str key)
{
    int64_t h;
    struct sn_str digits = sn_str_from(key, strlen(s->prefix));
    if (!sn_str_starts(key, sn_str(s->prefix)) || digits.len != 20) return 0;
    return sn_str_to_i64(digits, &h) == 0 ? h : 0;
}

/* The first pair from..to (exclusive), or the last. */
static int edge(struct sn_light_store *s, int64_t from, int64_t to, bool backwards, int64_t *ret)
{
    char a_key[KEY_MAX], b_key[KEY_MAX];
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_kv_pair *pairs;
    size_t n;
    sn_arena_init(&a, NULL, 0);
    struct sn_kv_range range = {.from = key_of(s, from, a_key),
                                .to = key_of(s, to, b_key),
                                .backwards = backwards,
                                .n_max = 1,
                                .bytes_max = 1};
    *ret = 0;
    if (from >= to) return 0;
    int r = sn_kv_scan(s->kv, &range, &a, &pairs, &n);
    if (r >= 0 && n) *ret = height_of(s, pairs[0].key);
    return r < 0 ? r : 0;
}
int sn_light_store_below(struct sn_light_store *s, int64_t height, int64_t *ret)
{
    return edge(s, 1, height, true, ret);
}
int sn_light_store_above(struct sn_light_store *s, int64_t height, int64_t *ret)
{
    if (height == INT64_MAX) return *ret = 0;
    return edge(s, height + 1, INT64_MAX, false, ret);
}

int sn_light_store_open(struct sn_kv *kv, struct sn_str chain_id, struct sn_light_store *ret)
{
    struct sn_light_store s = {.kv = kv};
    snprintf(s.prefix, sizeof(s.prefix), "lb/%.*s/", SN_STR_ARG(chain_id));
    int r = sn_light_store_above(&s, 0, &s.first);
    if (r >= 0) r = sn_light_store_below(&s, INT64_MAX, &s.last);
    /* Counted, not read: a counter that is wrong would prune for ever. */
    for (int64_t h = s.first; r >= 0 && h; s.count++) r = sn_light_store_above(&s, h, &h);
    if (r < 0) return sn_wrap(r, "light store");
    *ret = s;
    return 0;
}

int sn_light_store_get(struct sn_light_store *s, int64_t height, struct sn_arena *a,
                       struct sn_cons_light_block *ret)
{
    char key[KEY_MAX];
    struct sn_buf value SN_CLEANUP(sn_buf_done);
    sn_buf_init(&value, SN_KV_VALUE_MAX);
    int r = sn_kv_get(s->kv, key_of(s, height, key), &value);
    if (r == 0) return SN_E_NOT_FOUND;
    if (r >= 0) r = sn_cons_light_block_decode(sn_buf_view(&value), a, ret);
    if (r == SN_E_NOMEM || r >= 0) return r < 0 ? r : 0;
    return light_recode(r, r == SN_E_IO ? r : SN_E_DATA_LOSS, "light store");
}

static int put_size(struct sn_kv_batch *b, uint32_t count)
{
    uint32_t n = SN_MIN(count, COUNT_MAX);
    char size[2] = {(char)(n >> 8), (char)n};
    return sn_kv_batch_put(b, SN_STR("size"), sn_str_of(size, sizeof(size)));
}
static int del(struct sn_light_store *s, struct sn_kv_batch *b, int64_t height)
{
    char key[KEY_MAX];
    return sn_kv_batch_del(b, key_of(s, height, key));
}

int sn_light_store_put(struct sn_light_store *s, const struct sn_cons_light_block *b, uint32_t keep)
{
    char key[KEY_MAX];
    struct sn_buf value SN_CLEANUP(sn_buf_done), old SN_CLEANUP(sn_buf_done);
    struct sn_kv_batch batch SN_CLEANUP(sn_kv_batch_done) = {0};
    int64_t height = b->header.height, next = s->first;
    sn_buf_init(&value, 0);
    sn_buf_init(&old, 0);
    struct sn_str k = key_of(s, height, key);
    int r = sn_kv_get(s->kv, k, &old);
    uint32_t count = s->count + (r == 0);
    if (r >= 0) r = sn_cons_light_block_encode(b, &value);
    if (r >= 0) r = sn_kv_batch_put(&batch, k, sn_buf_view(&value));
    while (r >= 0 && next && count > SN_MAX(keep, 1u)) {
        if (next != height) {
            r = del(s, &batch, next);
            count--;
        }
        if (r >= 0) r = sn_light_store_above(s, next, &next);
    }
    if (r >= 0) r = put_size(&batch, count);
    if (r >= 0) r = sn_kv_write(s->kv, &batch, true);
    if (r < 0) return sn_wrap(r, "light store: %s", key);
    s->count = count;
    s->first = next ? SN_MIN(next, height) : height;
    s->last = SN_MAX(s->last, height);
    return 0;
}

int sn_light_store_clear(struct sn_light_store *s)
{
    struct sn_kv_batch batch SN_CLEANUP(sn_kv_batch_done) = {0};
    int r = 0;
    for (int64_t h = s->first; r >= 0 && h;) {
        r = del(s, &batch, h);
        if (r >= 0) r = sn_light_store_above(s, h, &h);
    }
    if (r >= 0) r = put_size(&batch, 0);
    if (r >= 0) r = sn_kv_write(s->kv, &batch, true);
    if (r < 0) return sn_wrap(r, "light store");
    s->count = 0;
    s->first = s->last = 0;
    return 0;
}
