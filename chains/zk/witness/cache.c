/* SPDX-License-Identifier: Apache-2.0 */
/* zk/witness/cache.c - witnesses that were computed before, the least recently used going first. */
#include "core/alloc.h"
#include "core/map.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "zk/witness/prog.h"

#define KEY_BYTES 32u

struct entry {
    struct entry *newer, *older;
    uint8_t key[KEY_BYTES];
    struct sn_fe wires[];
};
struct sn_witness_cache {
    const struct sn_witness_prog *p;
    struct sn_map of; /* by key; keys lie in the entries */
    struct entry *newest, *oldest;
    struct sn_hasher hasher;
    size_t entry_bytes;
    struct sn_witness_cache_stats stats;
};

static struct sn_str key_of(const struct entry *e)
{
    return sn_str_of((const char *)e->key, KEY_BYTES);
}
static void detach(struct sn_witness_cache *c, struct entry *e)
{
    *(e->newer ? &e->newer->older : &c->newest) = e->older;
    *(e->older ? &e->older->newer : &c->oldest) = e->newer;
}
static void attach(struct sn_witness_cache *c, struct entry *e)
{
    e->newer = NULL;
    e->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = e;
    c->newest = e;
}
/* Takes an entry out; its memory is the caller's. */
static void take_out(struct sn_witness_cache *c, struct entry *e)
{
    detach(c, e);
    (void)sn_map_del(&c->of, key_of(e));
    c->stats.bytes -= c->entry_bytes;
}
static void discard(struct sn_witness_cache *c, struct entry *e)
{
    if (e) sn_wipe(e, c->entry_bytes);
    sn_free(e);
}

int sn_witness_cache_new(const struct sn_witness_prog *p, size_t bytes_max,
                         struct sn_witness_cache **ret)
{
    int r = sn_witness_verify(p);
    if (r < 0) return r;
    struct sn_witness_cache *c = SN_NEW(struct sn_witness_cache);
    if (!c) return SN_E_NOMEM;
    c->p = p;
    c->stats.bytes_max = bytes_max;
    c->entry_bytes = sizeof(struct entry) + sn_witness_n_wires(p) * sizeof(struct sn_fe);
    sn_map_init(&c->of, 1, false);
    r = sn_hasher_init(&c->hasher, SN_SHA256);
    if (r < 0) {
        sn_witness_cache_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

void sn_witness_cache_free(struct sn_witness_cache *c)
{
    if (!c) return;
    for (struct entry *e; (e = c->oldest) != NULL; discard(c, e)) take_out(c, e);
    sn_hasher_done(&c->hasher);
    sn_map_done(&c->of);
    sn_free(c);
}

/* SHA-256 of the circuit's digest and the inputs; elements have one form only. */
static int make_key(struct sn_witness_cache *c, const struct sn_fe *inputs, uint8_t key[KEY_BYTES])
{
    sn_hasher_put(&c->hasher, c->p->digest, sizeof(c->p->digest));
    sn_hasher_put(&c->hasher, inputs, c->p->n_inputs * sizeof(*inputs));
    return sn_hasher_final(&c->hasher, key);
}

/* Keeps the witness if it fits, in the memory of the one that goes: fresh pages cost as much as a third of a witness.
 * Without memory it is not kept, which is no failure. */
static void keep(struct sn_witness_cache *c, const uint8_t key[KEY_BYTES], const struct sn_fe *wires)
{
    struct entry *e = NULL;
    if (c->entry_bytes > c->stats.bytes_max) return;
    while (c->stats.bytes + c->entry_bytes > c->stats.bytes_max) {
        discard(c, e);
        e = c->oldest;
        take_out(c, e);
        c->stats.evicted++;
    }
    if (!e) e = sn_alloc(c->entry_bytes);
    if (!e) return;
    memcpy(e->key, key, KEY_BYTES);
    if (sn_map_put(&c->of, key_of(e), e, NULL) < 0) {
        discard(c, e);
        return;
    }
    memcpy(e->wires, wires, sn_witness_n_wires(c->p) * sizeof(*wires));
    attach(c, e);
    c->stats.bytes += c->entry_bytes;
}

int sn_witness_cache_run(struct sn_witness_cache *c, const struct sn_fe *inputs,
                         const struct sn_witness_opts *o, struct sn_fe *ret)
{
    uint8_t key[KEY_BYTES];
    int r = make_key(c, inputs, key);
    if (r < 0) return r;
    struct entry *e = sn_map_get(&c->of, sn_str_of((const char *)key, KEY_BYTES));
    if (e) {
        detach(c, e);
        attach(c, e);
        memcpy(ret, e->wires, sn_witness_n_wires(c->p) * sizeof(*ret));
        c->stats.hits++;
        return 0;
    }
    c->stats.misses++;
    r = sn_witness_run_wires(c->p, inputs, o, ret);
    if (r == 0) keep(c, key, ret);
    return r;
}

void sn_witness_cache_stats(const struct sn_witness_cache *c, struct sn_witness_cache_stats *ret)
{
    *ret = c->stats;
}
