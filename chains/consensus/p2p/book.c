/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/p2p/book.h"

#include <math.h>

#include "consensus/p2p/book_int.h"
#include "core/alloc.h"
#include "core/enc.h"
#include "core/rand.h"
#include "core/status.h"
#include "crypto/hash.h"

#define DAY (24 * SN_HOUR)
#define MISSING_NS (7 * DAY) /* not heard of for so long: gone */
#define RETRIES 3            /* failures of a node that never answered */
#define FAILURES 10          /* failures since it last did, if that is long ago */
#define FRESH_NS SN_MINUTE   /* tried so lately: not judged yet */
#define SELECT_PERCENT 23u
#define SELECT_MIN 32u
/* Buckets that one network, or one teller's network, reaches. */
#define OLD_PER_GROUP 4u
#define NEW_PER_TELLER 32u

int sn_book_new(const struct sn_book_opts *o, struct sn_book **ret)
{
    uint8_t raw[SN_BOOK_KEY_LEN / 2];
    struct sn_book *b = SN_NEW(struct sn_book);
    if (!b) return SN_E_NOMEM;
    sn_rand_seed(&b->rand, o->seed);
    sn_map_init(&b->known, sn_rand_u64(&b->rand), false);
    b->strict = o->strict;
    if (!o->key) {
        sn_rand_bytes(&b->rand, raw, sizeof(raw));
        sn_hex_encode(raw, sizeof(raw), b->key);
    } else if (strlen(o->key) == SN_BOOK_KEY_LEN && sn_hex_decode(sn_str(o->key), raw) >= 0) {
        memcpy(b->key, o->key, SN_BOOK_KEY_LEN);
    } else {
        sn_book_free(b);
        return sn_fail(SN_E_INVALID_ARGUMENT, "address book: the key is not %d hexadecimal digits",
                       SN_BOOK_KEY_LEN);
    }
    *ret = b;
    return 0;
}
void sn_book_free(struct sn_book *b)
{
    if (!b) return;
    size_t it = 0;
    struct sn_map_slot *s;
    while ((s = sn_map_next(&b->known, &it)) != NULL) sn_free(s->value);
    sn_map_done(&b->known);
    sn_free(b->bans);
    sn_free(b);
}
static struct sn_str id_of(const char *id) { return sn_str_of(id, SN_NODE_ID_LEN); }
static struct book_entry *find(const struct sn_book *b, const char *id)
{
    return sn_map_get(&b->known, id_of(id));
}
int sn_book_keep_out(struct sn_book *b, const char id[SN_NODE_ID_LEN + 1])
{
    if (b->n_own == SN_BOOK_OWN_MAX)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "address book: more than %u ids to keep out",
                       SN_BOOK_OWN_MAX);
    memcpy(b->own[b->n_own++], id, SN_NODE_ID_LEN + 1);
    return 0;
}
static bool is_kept_out(const struct sn_book *b, const char *id)
{
    for (unsigned i = 0; i < b->n_own; i++)
        if (memcmp(b->own[i], id, SN_NODE_ID_LEN) == 0) return true;
    return false;
}

/* ---- buckets --------------------------------------------------------------------------------- */

/* A keyed hash of up to two groups and a number. */
static int keyed(const struct sn_book *b, const void *x, size_t n, uint64_t more, uint64_t *ret)
{
    uint8_t in[SN_BOOK_KEY_LEN + SN_NODE_ADDR_TEXT_MAX + 8], out[32];
    SN_ASSERT(n <= SN_NODE_ADDR_TEXT_MAX);
    memcpy(in, b->key, SN_BOOK_KEY_LEN);
    memcpy(in + SN_BOOK_KEY_LEN, x, n);
    memcpy(in + SN_BOOK_KEY_LEN + n, &more, 8);
    int r = sn_hash_once(SN_SHA256, in, SN_BOOK_KEY_LEN + n + 8, out);
    if (r == 0) memcpy(ret, out, sizeof(*ret));
    return r;
}
/* The teller's network has NEW_PER_TELLER buckets; the address's network says which. */
static int new_bucket(const struct sn_book *b, const struct book_entry *e, unsigned *ret)
{
    uint8_t groups[2 * SN_NODE_ADDR_GROUP];
    uint64_t h;
    sn_node_addr_group(&e->from, groups);
    sn_node_addr_group(&e->addr, groups + SN_NODE_ADDR_GROUP);
    int r = keyed(b, groups, sizeof(groups), 0, &h);
    if (r == 0) r = keyed(b, groups, SN_NODE_ADDR_GROUP, 1 + h % NEW_PER_TELLER, &h);
    if (r == 0) *ret = (unsigned)(h % SN_BOOK_NEW_BUCKETS);
    return r;
}
static int old_bucket(const struct sn_book *b, const struct book_entry *e, unsigned *ret)
{
    char text[SN_NODE_ADDR_TEXT_MAX];
    uint8_t group[SN_NODE_ADDR_GROUP];
    uint64_t h;
    int r = keyed(b, text, sn_node_addr_text(&e->addr, text), 0, &h);
    sn_node_addr_group(&e->addr, group);
    if (r == 0) r = keyed(b, group, sizeof(group), 1 + h % OLD_PER_GROUP, &h);
    if (r == 0) *ret = (unsigned)(h % SN_BOOK_OLD_BUCKETS);
    return r;
}
static struct book_bucket *bucket_of(struct sn_book *b, const struct book_entry *e)
{
    return e->old ? &b->old[e->bucket] : &b->fresh[e->bucket];
}
static void take_out(struct sn_book *b, struct book_entry *e)
{
    struct book_bucket *k = bucket_of(b, e);
    unsigned i = 0;
    while (k->entry[i] != e) i++;
    k->entry[i] = k->entry[--k->n];
    if (e->old)
        b->n_old--;
    else
        b->n_fresh--;
}
static void put_in(struct sn_book *b, struct book_entry *e)
{
    struct book_bucket *k = bucket_of(b, e);
    SN_ASSERT(k->n < SN_BOOK_BUCKET);
    k->entry[k->n++] = e;
    if (e->old)
        b->n_old++;
    else
        b->n_fresh++;
}
static void forget(struct sn_book *b, struct book_entry *e)
{
    take_out(b, e);
    (void)sn_map_del(&b->known, id_of(e->addr.id));
    sn_free(e);
}
/* A new address that is not worth its place. */
static bool is_bad(const struct book_entry *e, int64_t now)
{
    if (e->old || e->tried > now - FRESH_NS) return false;
    if (e->tried > now + FRESH_NS || e->tried < now - MISSING_NS) return true;
    if (e->success == 0) return e->attempts >= RETRIES;
    return e->success < now - MISSING_NS && e->attempts >= FAILURES;
}
static struct book_entry *oldest(const struct book_bucket *k)
{
    struct book_entry *o = k->entry[0];
    for (unsigned i = 1; i < k->n; i++)
        if (k->entry[i]->tried < o->tried) o = k->entry[i];
    return o;
}
/* Into its new bucket, where one leaves that has less right to be there. */
static void place_new(struct sn_book *b, struct book_entry *e, unsigned bucket, int64_t now)
{
    struct book_bucket *k = &b->fresh[bucket];
    e->old = false;
    e->bucket = (uint16_t)bucket;
    if (k->n == SN_BOOK_BUCKET) {
        struct book_entry *leaves = NULL;
        for (unsigned i = 0; i < k->n && !leaves; i++)
            if (is_bad(k->entry[i], now)) leaves = k->entry[i];
        forget(b, leaves ? leaves : oldest(k));
    }
    put_in(b, e);
}

/* ---- what is known --------------------------------------------------------------------------- */

int sn_book_add(struct sn_book *b, int64_t now, const struct sn_node_addr *addr,
                const struct sn_node_addr *from)
{
    unsigned bucket;
    if (!sn_node_addr_is_valid(addr) || (b->strict && !sn_node_addr_is_routable(addr)))
        return sn_fail(SN_E_INVALID_ARGUMENT, "peer address: not reachable by others");
    if (is_kept_out(b, addr->id) || is_kept_out(b, from->id) || sn_book_is_banned(b, now, addr->id))
        return sn_fail(SN_E_PERMISSION_DENIED, "node %s is kept out of the address book", addr->id);
    if (find(b, addr->id)) return 0;
    struct book_entry *e = SN_NEW(struct book_entry);
    if (!e) return SN_E_NOMEM;
    *e = (struct book_entry){.addr = *addr, .from = *from, .tried = now};
    int r = new_bucket(b, e, &bucket);
    if (r == 0) r = sn_map_put(&b->known, id_of(e->addr.id), e, NULL);
    if (r < 0) {
        sn_free(e);
        return r;
    }
    place_new(b, e, bucket, now);
    return 1;
}
void sn_book_tried(struct sn_book *b, int64_t now, const char id[SN_NODE_ID_LEN + 1])
{
    struct book_entry *e = find(b, id);
    if (!e) return;
    e->tried = now;
    if (e->attempts < INT32_MAX) e->attempts++;
}
int sn_book_good(struct sn_book *b, int64_t now, const char id[SN_NODE_ID_LEN + 1])
{
    struct book_entry *e = find(b, id);
    unsigned to = 0, back = 0;
    if (!e) return 0;
    e->tried = e->success = now;
    e->attempts = 0;
    if (e->old) return 0;
    int r = old_bucket(b, e, &to);
    if (r < 0) return r;
    struct book_bucket *k = &b->old[to];
    struct book_entry *leaves = k->n == SN_BOOK_BUCKET ? oldest(k) : NULL;
    if (leaves && (r = new_bucket(b, leaves, &back)) < 0) return r;
    take_out(b, e);
    if (leaves) {
        take_out(b, leaves);
        place_new(b, leaves, back, now);
    }
    e->old = true;
    e->bucket = (uint16_t)to;
    put_in(b, e);
    return 0;
}
void sn_book_remove(struct sn_book *b, const char id[SN_NODE_ID_LEN + 1])
{
    struct book_entry *e = find(b, id);
    if (e) forget(b, e);
}
int sn_book_ban(struct sn_book *b, const char id[SN_NODE_ID_LEN + 1], int64_t until)
{
    sn_book_remove(b, id);
    if (!b->bans) {
        b->bans = SN_NEW_ARRAY(struct book_ban, SN_BOOK_BANS_MAX);
        if (!b->bans) return SN_E_NOMEM;
    }
    struct book_ban *to = NULL, *first = &b->bans[0];
    for (unsigned i = 0; i < b->n_bans; i++) {
        struct book_ban *x = &b->bans[i];
        if (memcmp(x->id, id, SN_NODE_ID_LEN) == 0) to = x;
        if (x->until < first->until) first = x;
    }
    if (to)
        until = SN_MAX(until, to->until);
    else
        to = b->n_bans < SN_BOOK_BANS_MAX ? &b->bans[b->n_bans++] : first;
    memcpy(to->id, id, SN_NODE_ID_LEN);
    to->until = until;
    return 0;
}
bool sn_book_is_banned(const struct sn_book *b, int64_t now, const char id[SN_NODE_ID_LEN + 1])
{
    for (unsigned i = 0; i < b->n_bans; i++)
        if (memcmp(b->bans[i].id, id, SN_NODE_ID_LEN) == 0) return b->bans[i].until > now;
    return false;
}
void sn_book_counts(const struct sn_book *b, struct sn_book_counts *ret)
{
    *ret = (struct sn_book_counts){b->n_fresh, b->n_old, b->n_bans};
}

/* ---- choosing -------------------------------------------------------------------------------- */

bool sn_book_pick(struct sn_book *b, unsigned new_percent, struct sn_node_addr *ret)
{
    unsigned p = SN_MIN(new_percent, 100u);
    if (b->n_fresh + b->n_old == 0) return false;
    /* Many addresses of a kind weigh less than their number: they cost an attacker little. */
    double old = sqrt((double)b->n_old) * (100 - p), fresh = sqrt((double)b->n_fresh) * p;
    bool from_old = sn_rand_double(&b->rand) * (old + fresh) < old;
    if (b->n_old == 0) from_old = false;
    if (b->n_fresh == 0) from_old = true;
    const struct book_bucket *table = from_old ? b->old : b->fresh, *k;
    unsigned n = from_old ? SN_BOOK_OLD_BUCKETS : SN_BOOK_NEW_BUCKETS;
    /* From a bucket on, the first that is not empty: there is one. */
    unsigned at = (unsigned)sn_rand_below(&b->rand, n);
    while ((k = &table[at])->n == 0) at = (at + 1) % n;
    *ret = k->entry[sn_rand_below(&b->rand, k->n)]->addr;
    return true;
}
size_t sn_book_select(struct sn_book *b, struct sn_node_addr ret[SN_BOOK_SELECT_MAX])
{
    size_t all = b->n_fresh + b->n_old, want = all * SELECT_PERCENT / 100, left = all, n = 0;
    want = SN_MIN(SN_MAX(want, SN_MIN(all, (size_t)SELECT_MIN)), (size_t)SN_BOOK_SELECT_MAX);
    /* Each with the chance that what is still wanted has among what is left. */
    size_t it = 0;
    struct sn_map_slot *s;
    while (n < want && (s = sn_map_next(&b->known, &it)) != NULL) {
        const struct book_entry *e = s->value;
        if (sn_rand_below(&b->rand, left--) < want - n) ret[n++] = e->addr;
    }
    return n;
}
/* For loading: an entry where the file says it is. */
int book_restore(struct sn_book *b, const struct book_entry *from)
{
    struct book_bucket *k = bucket_of(b, from);
    if (k->n == SN_BOOK_BUCKET || find(b, from->addr.id)) return SN_E_ALREADY_EXISTS;
    struct book_entry *e = SN_NEW(struct book_entry);
    if (!e) return SN_E_NOMEM;
    *e = *from;
    int r = sn_map_put(&b->known, id_of(e->addr.id), e, NULL);
    if (r < 0) {
        sn_free(e);
        return r;
    }
    put_in(b, e);
    return 0;
}
