/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/checked.c - a table of digests in buckets of four; a new one takes the place of
 * the bucket's oldest. It begins small and grows with the commits that are seen: digests fall all
 * over it, so that a table for 10,000 validators would be touched whole by four of them in time. */
#include "consensus/node/checked.h"

#include <stdatomic.h>

#include "core/alloc.h"
#include "core/arena.h"
#include "crypto/hash.h"
#include "fiber/wait.h"

#define WAYS 4
#define DIGEST 32
#define ENTRIES_FIRST 1024u
#define ENTRIES_PER_VALIDATOR \
    64u /* heights and rounds of votes, and room for who votes too often */

struct digest {
    uint8_t b[DIGEST]; /* zero: none */
};
struct sn_checked {
    struct sn_cons_verifier v;
    const struct sn_cons_verifier *inner;
    uint32_t n_max; /* buckets */
    struct sn_spin lock;
    uint32_t mask;                  /* of buckets; it and they under the lock */
    struct digest (*buckets)[WAYS]; /* newest first */
    _Atomic uint64_t known, checked;
};

static bool digest_of(const struct sn_cons_check *k, struct digest *ret)
{
    uint8_t all[1 + SN_CONS_KEY_MAX + 1 + SN_CONS_SIG_MAX + SN_CHECKED_MSG_MAX];
    size_t n = 0;
    if (k->msg.len > SN_CHECKED_MSG_MAX) return false;
    all[n++] = k->key->type;
    memcpy(all + n, k->key->b, k->key->len);
    n += k->key->len;
    all[n++] = k->sig->len;
    memcpy(all + n, k->sig->b, k->sig->len);
    n += k->sig->len;
    if (k->msg.len) memcpy(all + n, k->msg.ptr, k->msg.len);
    return sn_hash_once(SN_SHA256, all, n + k->msg.len, ret->b) == 0;
}

static struct digest *bucket_of(struct sn_checked *c, const struct digest *d)
{
    uint32_t at;
    memcpy(&at, d->b, sizeof(at));
    return c->buckets[at & c->mask];
}
static bool find(struct sn_checked *c, const struct digest *d)
{
    bool found = false;
    sn_spin_lock(&c->lock);
    const struct digest *b = bucket_of(c, d);
    for (unsigned i = 0; i < WAYS; i++) found |= memcmp(b[i].b, d->b, DIGEST) == 0;
    sn_spin_unlock(&c->lock);
    return found;
}
static void keep(struct sn_checked *c, const struct digest *d)
{
    sn_spin_lock(&c->lock);
    struct digest *b = bucket_of(c, d);
    memmove(b + 1, b, (WAYS - 1) * sizeof(*b));
    b[0] = *d;
    sn_spin_unlock(&c->lock);
}

/* Makes room for the votes of n validators. What was remembered is forgotten, which costs one more
 * check of each; without memory it stays as it is. */
static void make_room(struct sn_checked *c, size_t n)
{
    uint32_t want = 1;
    while (want < c->n_max && want < n * ENTRIES_PER_VALIDATOR / WAYS) want *= 2;
    sn_spin_lock(&c->lock);
    bool enough = c->mask + 1 >= want;
    sn_spin_unlock(&c->lock);
    struct digest(*more)[WAYS] = enough ? NULL : sn_zalloc(want, sizeof(*more)),
           (*old)[WAYS] = more;
    if (!more) return;
    sn_spin_lock(&c->lock);
    if (c->mask + 1 < want) {
        old = c->buckets;
        c->buckets = more;
        c->mask = want - 1;
    }
    sn_spin_unlock(&c->lock);
    sn_free(old);
}

/* Asks about what is not known, all at a time: inner may have a quicker way for many. */
static int check(struct sn_checked *c, struct sn_cons_check *checks, size_t n, struct sn_arena *a)
{
    struct digest *d = SN_ARENA_ARRAY(a, struct digest, n);
    struct sn_cons_check *left = SN_ARENA_ARRAY(a, struct sn_cons_check, n);
    size_t *from = SN_ARENA_ARRAY(a, size_t, n), n_left = 0;
    if (!d || !left || !from) return SN_E_NOMEM;
    make_room(c, n);
    for (size_t i = 0; i < n; i++) {
        bool short_one = digest_of(&checks[i], &d[i]);
        if (!short_one) d[i] = (struct digest){0};
        checks[i].ok = short_one && find(c, &d[i]);
        if (checks[i].ok) continue;
        from[n_left] = i;
        left[n_left++] = checks[i];
    }
    c->known += n - n_left;
    c->checked += n_left;
    int r = n_left ? c->inner->verify(c->inner, left, n_left) : 0;
    static const struct digest none;
    for (size_t k = 0; r >= 0 && k < n_left; k++) {
        checks[from[k]].ok = left[k].ok;
        if (left[k].ok && memcmp(&d[from[k]], &none, sizeof(none)) != 0) keep(c, &d[from[k]]);
    }
    return r;
}
/* A vote's: nothing is allocated. */
static int check_one(struct sn_checked *c, struct sn_cons_check *k)
{
    struct digest d;
    bool short_one = digest_of(k, &d);
    k->ok = short_one && find(c, &d);
    atomic_fetch_add(k->ok ? &c->known : &c->checked, 1);
    if (k->ok) return 0;
    int r = c->inner->verify(c->inner, k, 1);
    if (r >= 0 && k->ok && short_one) keep(c, &d);
    return r;
}
static int verify(const struct sn_cons_verifier *v, struct sn_cons_check *checks, size_t n)
{
    if (n == 1) return check_one(SN_CONTAINER_OF(v, struct sn_checked, v), checks);
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    return check(SN_CONTAINER_OF(v, struct sn_checked, v), checks, n, &a);
}

int sn_checked_new(const struct sn_cons_verifier *inner, uint32_t entries, struct sn_checked **ret)
{
    if (entries == 0) entries = SN_CHECKED_DEFAULT;
    if (entries < WAYS || (entries & (entries - 1)))
        return sn_fail(SN_E_INVALID_ARGUMENT, "%u remembered signatures: expected a power of two",
                       entries);
    struct sn_checked *c = SN_NEW(struct sn_checked);
    if (!c) return SN_E_NOMEM;
    c->v.verify = verify;
    c->inner = inner;
    c->n_max = entries / WAYS;
    c->mask = SN_MIN(entries, ENTRIES_FIRST) / WAYS - 1;
    c->buckets = sn_zalloc(c->mask + 1, sizeof(*c->buckets));
    if (!c->buckets) {
        sn_free(c);
        return SN_E_NOMEM;
    }
    *ret = c;
    return 0;
}
void sn_checked_free(struct sn_checked *c)
{
    if (!c) return;
    sn_free(c->buckets);
    sn_free(c);
}
const struct sn_cons_verifier *sn_checked_verifier(struct sn_checked *c) { return &c->v; }
void sn_checked_stats(const struct sn_checked *c, struct sn_checked_stats *ret)
{
    *ret = (struct sn_checked_stats){c->known, c->checked};
}
