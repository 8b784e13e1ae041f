/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/ed25519_batch.c - many signatures by one sum.
 *
 * With random z_i the sum of z_i (s_i B - k_i A_i - R_i), times eight, vanishes for good
 * signatures, and for others with a chance of 2^-127. It is a sum of 2n+1 multiples whose doublings
 * are shared. Kept keys have tables of their 2^128-fold too, so that all scalars are short and the
 * doublings half as many.
 *
 * Source: Bernstein, Duif, Lange, Schwabe, Yang, "High-speed high-security signatures" (2011),
 * section 5; Straus, "Addition chains of vectors" (1964). */
#include <openssl/rand.h>

#include "core/alloc.h"
#include "core/status.h"
#include "crypto/ed25519_batch_int.h"

#define HALF_BITS 128u
#define HALF_DIGITS 26u /* of five bits: 128 and a carry */
#define Z_BITS 127u     /* leaves the top digit of four bits room for a carry */
#define Z_DIGITS 32u
/* Signatures from which on buckets are cheaper than digits of each term: measured, with all keys
 * kept and with one that is not (its windows are twice as many). */
#define BUCKETS_MIN 112u
#define BUCKETS_MIN_LONG 192u
#define SINGLES_MAX 8u /* so few that are not good together are looked at one by one */

struct item {
    struct ed_terms t;
    struct ed_affine a;               /* where key is NULL */
    const struct sn_ed25519_key *key; /* from the cache */
    struct sn_fe z;                   /* plain, Z_BITS */
    unsigned a_table;                 /* where key is NULL: among the tables */
    bool good;                        /* so far */
};
struct batch {
    const struct sn_ed25519_item *in;
    struct item *item;
    struct ed_point_table *table; /* of each R, then of the keys that were not kept */
    struct ed_group *group;
    struct ed_bucket_term *term; /* NULL where the batch is too small for buckets */
    struct ed_point *bucket;
    size_t n, groups_max;
    bool all_kept; /* keys */
    bool stop;     /* the first bad one is enough */
};

/* Groups under construction: one of each kind is open. */
struct fill {
    struct batch *b;
    struct ed_group *open[3];
    unsigned used[3];
    size_t groups;
};
enum kind { KEPT, SHORT, LONG };
static struct ed_group *lane_of(struct fill *f, enum kind kind, unsigned *ret_lane)
{
    static const struct {
        bool kept;
        uint8_t window, digits;
    } shapes[] = {{true, ED_KEY_WINDOW, HALF_DIGITS},
                  {false, ED_POINT_WINDOW, Z_DIGITS},
                  {false, ED_POINT_WINDOW, ED_DIGITS_MAX}};
    struct ed_group *g = f->open[kind];
    if (!g || f->used[kind] == ED_LANES) {
        SN_ASSERT(f->groups < f->b->groups_max);
        g = f->open[kind] = &f->b->group[f->groups++];
        f->used[kind] = 0;
        g->kept = shapes[kind].kept;
        g->window = shapes[kind].window;
        g->digits = shapes[kind].digits;
        memset(g->digit, 0, sizeof(g->digit));
        for (unsigned i = 0; i < ED_LANES; i++) g->table[i] = ed_base_key.row[0][0];
    }
    *ret_lane = f->used[kind]++;
    return g;
}
static void put(struct fill *f, enum kind kind, const uint64_t *table, const struct sn_fe *x,
                unsigned from, unsigned bits)
{
    unsigned lane;
    struct ed_group *g = lane_of(f, kind, &lane);
    g->table[lane] = table;
    ed_recode(g, lane, x, from, bits);
}
static void put_kept(struct fill *f, const struct sn_ed25519_key *key, const struct sn_fe *x)
{
    put(f, KEPT, key->row[0][0], x, 0, HALF_BITS);
    put(f, KEPT, key->row[2][0], x, HALF_BITS, HALF_BITS);
}
/* What z_i multiplies the key by; adds the base point's part to base. */
static void scale(const struct item *it, struct sn_fe *ret_key, struct sn_fe *base)
{
    struct sn_fe z, x;
    sn_fe_to_mont(&ed_scalars, &z, &it->z);
    sn_fe_mul(&ed_scalars, &x, &z, &it->t.s);
    sn_fe_add(&ed_scalars, base, base, &x);
    sn_fe_mul(&ed_scalars, ret_key, &z, &it->t.k);
}
static void sum_by_digits(struct batch *b, size_t lo, size_t hi, struct ed_point *ret)
{
    struct fill f = {.b = b};
    struct sn_fe base = {{0}};
    for (size_t i = lo; i < hi; i++) {
        const struct item *it = &b->item[i];
        struct sn_fe x;
        if (!it->good) continue;
        scale(it, &x, &base);
        put(&f, SHORT, b->table[i].row[0], &it->z, 0, Z_BITS);
        if (it->key)
            put_kept(&f, it->key, &x);
        else
            put(&f, LONG, b->table[it->a_table].row[0], &x, 0, 256);
    }
    bool any_long = f.open[LONG] != NULL;
    sn_fe_neg(&ed_scalars, &base, &base);
    put_kept(&f, &ed_base_key, &base);
    ed_engine->sum(ret, b->group, f.groups,
                   any_long ? ED_DIGITS_MAX * ED_POINT_WINDOW : HALF_DIGITS * ED_KEY_WINDOW);
}
/* Digits -127..128 of the bytes of x; x below 2^255, so that the last one needs no carry. */
static void recode_bytes(int16_t digit[ED_BUCKET_WINDOWS], const struct sn_fe *x)
{
    int carry = 0;
    for (unsigned i = 0; i < ED_BUCKET_WINDOWS; i++) {
        int d = (int)(x->v[i / 8] >> (i % 8 * 8) & 255) + carry;
        carry = d > 128;
        digit[i] = (int16_t)(d - carry * 256);
    }
}
static struct ed_bucket_term *put_term(struct ed_bucket_term *t, const uint64_t *row,
                                       const struct sn_fe *x, unsigned windows)
{
    *t = (struct ed_bucket_term){.row = row, .windows = (uint8_t)windows};
    recode_bytes(t->digit, x);
    return t + 1;
}
/* The upper half of the digits goes with the 2^128-fold. */
static struct ed_bucket_term *
put_kept_terms(struct ed_bucket_term *t, const struct sn_ed25519_key *key, const struct sn_fe *x)
{
    const unsigned half = ED_BUCKET_WINDOWS / 2;
    int16_t digit[ED_BUCKET_WINDOWS];
    recode_bytes(digit, x);
    for (unsigned i = 0; i < 2; i++) {
        t[i] = (struct ed_bucket_term){.row = key->row[2 * i][0],
                                       .kept = true,
                                       .windows = (uint8_t)half};
        memcpy(t[i].digit, digit + (size_t)i * half, half * sizeof(digit[0]));
    }
    return t + 2;
}
static void sum_by_buckets(struct batch *b, size_t lo, size_t hi, struct ed_point *ret)
{
    struct ed_bucket_term *t = b->term;
    struct sn_fe base = {{0}};
    for (size_t i = lo; i < hi; i++) {
        const struct item *it = &b->item[i];
        struct sn_fe x;
        if (!it->good) continue;
        scale(it, &x, &base);
        t = put_term(t, b->table[i].row[0], &it->z, ED_BUCKET_WINDOWS / 2);
        t = it->key ? put_kept_terms(t, it->key, &x)
                    : put_term(t, b->table[it->a_table].row[0], &x, ED_BUCKET_WINDOWS);
    }
    sn_fe_neg(&ed_scalars, &base, &base);
    t = put_kept_terms(t, &ed_base_key, &base);
    ed_engine->buckets(ret, b->term, (size_t)(t - b->term), b->bucket);
}
/* Whether the good ones of items lo..hi-1 are good together. */
static bool sum_vanishes(struct batch *b, size_t lo, size_t hi)
{
    struct ed_point p;
    if (b->term && hi - lo >= BUCKETS_MIN)
        sum_by_buckets(b, lo, hi, &p);
    else
        sum_by_digits(b, lo, hi, &p);
    return ed_point_is_small(&p);
}
/* Names the bad ones among lo..hi-1: halves that are good together need no further look. */
static void search(struct batch *b, size_t lo, size_t hi)
{
    if (sum_vanishes(b, lo, hi)) return;
    if (b->stop) {
        b->item[lo].good = false;
        return;
    }
    if (hi - lo <= SINGLES_MAX) {
        for (size_t i = lo; i < hi; i++) {
            struct item *it = &b->item[i];
            if (it->good) it->good = ed_check_one(it->key, &it->a, &it->t) == 0;
        }
        return;
    }
    size_t mid = lo + (hi - lo) / 2;
    search(b, lo, mid);
    search(b, mid, hi);
}

/* Points of the signatures, and of the keys the cache does not hold: these follow behind. */
struct decoding {
    const uint8_t **enc;
    struct ed_affine *point;
    bool *ok;
    struct ed_hash_in *in;
    uint8_t (*digest)[64];
    uint64_t (*random)[2];
};
static void decoding_done(struct decoding *d)
{
    sn_free(d->enc);
    sn_free(d->point);
    sn_free(d->ok);
    sn_free(d->in);
    sn_free(d->digest);
    sn_free(d->random);
}
static int decoding_init(struct decoding *d, size_t n)
{
    d->enc = sn_alloc(2 * n * sizeof(*d->enc));
    d->point = sn_alloc(2 * n * sizeof(*d->point));
    d->ok = sn_alloc(2 * n * sizeof(*d->ok));
    d->in = sn_alloc(n * sizeof(*d->in));
    d->digest = sn_alloc(n * sizeof(*d->digest));
    d->random = sn_alloc(n * sizeof(*d->random));
    if (d->enc && d->point && d->ok && d->in && d->digest && d->random) return 0;
    return sn_fail(SN_E_NOMEM, "ed25519 batch of %zu", n);
}
/* Random factors: the top bit stays free. */
static int choose(struct batch *b, uint64_t (*w)[2])
{
    if (RAND_bytes((uint8_t *)w, (int)(b->n * sizeof(w[0]))) != 1)
        return sn_fail(SN_E_INTERNAL, "ed25519 batch: no random numbers");
    for (size_t i = 0; i < b->n; i++) b->item[i].z = (struct sn_fe){{w[i][0], w[i][1] >> 1}};
    return 0;
}
static int decode(struct batch *b, struct sn_ed25519_cache *c, struct decoding *d)
{
    size_t n = b->n, points = n;
    ed_cache_begin(c);
    for (size_t i = 0; i < n; i++) {
        const struct sn_ed25519_item *in = &b->in[i];
        struct item *it = &b->item[i];
        it->good = ed_scalar_load(&it->t.s, in->sig + 32);
        it->key = ed_cache_get(c, in->key);
        d->enc[i] = in->sig;
        if (!it->key) {
            it->a_table = (unsigned)points;
            d->enc[points++] = in->key;
        }
        d->in[i] = (struct ed_hash_in){in->sig, in->key, in->msg, in->msg_len};
    }
    b->all_kept = points == n;
    ed_engine->decompress(d->point, d->ok, d->enc, points);
    for (size_t i = 0; i < points; i++)
        if (!d->ok[i]) d->point[i] = ed_base; /* any point: its item is bad already */
    ed_engine->tables(b->table, d->point, points);
    int r = ed_engine->hash(d->digest, d->in, n);
    if (r < 0) return r;
    for (size_t i = 0; i < n; i++) {
        struct item *it = &b->item[i];
        it->t.r = d->point[i];
        it->good = it->good && d->ok[i] && (it->key || d->ok[it->a_table]);
        if (!it->key) it->a = d->point[it->a_table];
        ed_scalar_reduce(&it->t.k, d->digest[i]);
    }
    return choose(b, d->random);
}
static void batch_done(struct batch *b)
{
    sn_free(b->item);
    sn_free(b->table);
    sn_free(b->group);
    sn_free(b->term);
    sn_free(b->bucket);
}
static int batch_init(struct batch *b, size_t n)
{
    /* Two terms of each kept key and of the base point, one of each R: and a group begun of each
     * kind. */
    b->groups_max = (2 * n + 2 + n + n) / ED_LANES + 3;
    b->item = sn_aligned_alloc(64, n * sizeof(*b->item));
    b->table = sn_aligned_alloc(64, 2 * n * sizeof(*b->table));
    b->group = sn_aligned_alloc(64, b->groups_max * sizeof(*b->group));
    bool all = b->item && b->table && b->group;
    if (n >= BUCKETS_MIN) {
        b->term = sn_alloc((3 * n + 2) * sizeof(*b->term));
        b->bucket =
            sn_aligned_alloc(64, (size_t)ED_BUCKET_WINDOWS * ED_BUCKET_SLOTS * sizeof(*b->bucket));
        all = all && b->term && b->bucket;
    }
    if (all) return 0;
    batch_done(b);
    return sn_fail(SN_E_NOMEM, "ed25519 batch of %zu", n);
}
/* At most SN_ED25519_BATCH_MAX signatures with memory for them. Returns 0, SN_E_UNAUTHENTICATED
 * without a diagnostic, others. */
static int verify_some(struct batch *b, struct sn_ed25519_cache *c, bool *ok)
{
    struct decoding d SN_CLEANUP(decoding_done) = {0};
    int r = decoding_init(&d, b->n);
    if (r == 0) r = decode(b, c, &d);
    if (r < 0) return r;
    bool all = true;
    for (size_t i = 0; i < b->n; i++) all = all && b->item[i].good;
    if (all || !b->stop) search(b, 0, b->n);
    for (size_t i = 0; i < b->n; i++) {
        if (!b->item[i].good) r = SN_E_UNAUTHENTICATED;
        if (ok) ok[i] = b->item[i].good;
    }
    return r;
}
static size_t first_bad(const bool *ok, size_t n)
{
    size_t i = 0;
    while (i < n && ok[i]) i++;
    return i;
}
int sn_ed25519_verify_batch(struct sn_ed25519_cache *c, const struct sn_ed25519_item *items,
                            size_t n, bool *ret_ok)
{
    struct batch b = {.stop = !ret_ok};
    bool bad = false;
    if (n == 0) return 0;
    if (n == 1) {
        int r = sn_ed25519_cache_verify(c, items->key, items->msg, items->msg_len, items->sig);
        if (ret_ok && (r == 0 || r == SN_E_UNAUTHENTICATED)) *ret_ok = r == 0;
        return r;
    }
    int r = batch_init(&b, SN_MIN(n, SN_ED25519_BATCH_MAX));
    if (r < 0) return r;
    for (size_t at = 0; at < n; at += b.n) {
        b.in = items + at;
        b.n = SN_MIN(n - at, SN_ED25519_BATCH_MAX);
        r = verify_some(&b, c, ret_ok ? ret_ok + at : NULL);
        bad = bad || r == SN_E_UNAUTHENTICATED;
        if (r < 0 && (r != SN_E_UNAUTHENTICATED || b.stop)) break;
    }
    batch_done(&b);
    if (r < 0 && r != SN_E_UNAUTHENTICATED) return r;
    if (!bad) return 0;
    if (!ret_ok) return sn_fail(SN_E_UNAUTHENTICATED, "a signature among %zu is bad", n);
    return sn_fail(SN_E_UNAUTHENTICATED, "signature %zu of %zu is bad", first_bad(ret_ok, n), n);
}
