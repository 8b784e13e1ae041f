/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/msm.c - Pippenger's method.
 *
 * Scalars are made smaller in size than r/2 by negating points, and cut into signed digits. For each
 * window the points are sorted by digit, and each digit's points (its bucket) are summed by a tree of
 * pairwise affine additions: all pairs of a level are independent, so thousands share one inversion,
 * no order of points is a bad one, and the levels cost n - buckets additions in all. A job takes as many
 * windows at once as it needs to have thousands of pairs.
 * The weighted sum of the buckets comes from the sums of the rows and columns of a square of buckets,
 * twice as many of the same cheap additions, and from these by the bits of their numbers: in the end
 * one point stands for each bit of the scalars, and a chain of doublings takes them in.
 * Scalars 1 and -1 go to a tree of their own.
 * Sources: Pippenger (1976); Bernstein et al., "Faster batch forgery identification" (2012) for
 * signed digits. */
#include "crypto/msm.h"

#include "core/alloc.h"
#include "core/status.h"
#include "crypto/vec_int.h"

#define SMALL_N 12         /* below: one product after the other */
#define PREPARE_CHUNK 1024 /* scalars to a job */
#define ONES_CHUNK 16384
#define JOB_ITEMS 16384 /* points of a job's windows together, about */

const struct sn_msm_engine *sn_msm_engine_of(const struct sn_group *g)
{
    const struct sn_msm_engine *e = sn_field_vec ? sn_field_vec->msm_engine(g) : NULL;
    return e ? e : g->ops->engine;
}

/* Segments of points: what is to be summed, and the sums. */
struct layer {
    uint32_t *items; /* places in a source, segment after segment */
    uint32_t *end;   /* of each segment in items */
    uint32_t *slot;  /* of each segment's sum in points; one more at the end */
    char *points;
};
/* What one job works in: buckets, then rows and columns, then bits again in the first. */
struct work {
    struct layer a, b;
    struct sn_pair *pairs;
    char *scratch;
    void *block;
};
struct msm {
    struct sn_msm_sum *sum;
    const struct sn_msm_engine *e;
    const char *points;
    char *copy;            /* of the points, where the engine cannot read them in place */
    struct sn_fe *plain;   /* the sizes of full scalars, their signs in the top bits */
    uint32_t *full, *ones; /* the places of those and of 1 and -1 */
    size_t n_full, n_ones;
    uint64_t any[4]; /* the or of all sizes: how long they get */
    unsigned c, windows, per_job;
    size_t buckets, n_bits, ones_jobs;
    uint16_t *digits; /* [window * row + i]: size << 1 | sign */
    size_t row;       /* not a power of two: the digits of a scalar should not share a cache set */
    char *parts;      /* affine: for each bit of the scalars, then for each chunk of ones */
    size_t from, left; /* its first job of the phase; jobs that are not done */
};
struct many {
    struct msm *m;
    size_t n;
    const struct sn_par *par;
    unsigned pool_size;
    struct work *pool;
    bool *taken;
    int err;
};
/* Whose job number i is; *i becomes its number there. */
static struct msm *owner(const struct many *all, size_t *i)
{
    struct msm *m = &all->m[all->n - 1];
    while (m->from > *i) m--;
    *i -= m->from;
    return m;
}

/* --- trees ---------------------------------------------------------------------------------- */

struct tree {
    const struct sn_msm_engine *e;
    struct sn_pair *pairs;
    size_t n;
    void *ret;
    const void *src;
    void *scratch;
};
static void tree_flush(struct tree *t)
{
    if (t->n) t->e->add_pairs(t->ret, t->src, t->pairs, t->n, t->scratch);
    t->n = 0;
}
static inline void tree_pair(struct tree *t, uint32_t a, uint32_t b, uint32_t out)
{
    t->pairs[t->n++] = (struct sn_pair){a, b, out};
    if (t->n == SN_PAIR_BATCH) tree_flush(t);
}
/* The sum of each of n segments of places in src; an empty one has slot[s] == slot[s + 1]. */
static void tree_sum(const struct sn_msm_engine *e, const struct work *w, const void *src,
                     struct layer *l, size_t n)
{
    struct tree t = {e, w->pairs, 0, l->points, src, w->scratch};
    size_t longest = 0;
    uint32_t at = 0, i = 0;
    for (size_t s = 0; s < n; s++) {
        uint32_t end = l->end[s];
        l->slot[s] = at;
        for (; i + 1 < end; i += 2) tree_pair(&t, l->items[i], l->items[i + 1], at++);
        if (i < end) {
            char *to = l->points + (size_t)at++ * e->point_size;
            const char *p = (const char *)src + (size_t)(l->items[i] & ~SN_PAIR_MINUS) * e->point_size;
            if (l->items[i++] & SN_PAIR_MINUS)
                e->neg(to, p);
            else
                memcpy(to, p, e->point_size);
        }
        longest = SN_MAX(longest, (size_t)(at - l->slot[s]));
    }
    l->slot[n] = at;
    tree_flush(&t);
    t.src = l->points;
    for (uint32_t step = 1; step < longest; step *= 2) {
        for (size_t s = 0; s < n; s++)
            for (uint32_t k = l->slot[s]; k + step < l->slot[s + 1]; k += 2 * step)
                tree_pair(&t, k, k + step, k);
        tree_flush(&t);
    }
}

/* --- windows ---------------------------------------------------------------------------------- */

/* Sorts the points of a window by digit, from `at` on: segment d - 1 of its own for digits d and -d.
 * Returns where they end. */
static uint32_t sort_digits(const struct msm *m, struct layer *l, uint32_t *end, unsigned window,
                            uint32_t at)
{
    const uint16_t *digits = m->digits + window * m->row;
    memset(end, 0, m->buckets * sizeof(*end));
    for (size_t i = 0; i < m->n_full; i++) {
        unsigned d = digits[i] >> 1;
        if (d) end[d - 1]++;
    }
    for (size_t b = 0; b < m->buckets; b++) {
        uint32_t count = end[b];
        end[b] = at;
        at += count;
    }
    for (size_t i = 0; i < m->n_full; i++) {
        unsigned d = digits[i] >> 1;
        if (d) l->items[end[d - 1]++] = m->full[i] | (uint32_t)(digits[i] & 1) << 31;
    }
    return at;
}
/* A digit t is side * row + column; neither row 0 nor column 0 weighs anything. */
struct square {
    unsigned col_bits, row_bits;
    size_t side, rows; /* rows 1 .. rows, columns 1 .. side - 1 */
};
static struct square square_of(unsigned c)
{
    unsigned bits = (c - 1) / 2;
    return (struct square){bits, c - bits, (size_t)1 << bits, (size_t)1 << (c - 1 - bits)};
}
static inline void take(struct layer *to, uint32_t *used, const struct layer *from, size_t segment)
{
    if (from->slot[segment] != from->slot[segment + 1]) to->items[(*used)++] = from->slot[segment];
}
/* Rows, then columns, of each window's buckets. Returns how many segments. */
static size_t cut_squares(const struct msm *m, struct work *w, unsigned windows)
{
    struct square q = square_of(m->c);
    size_t n = 0;
    uint32_t used = 0;
    for (size_t g = 0; g < windows; g++) {
        size_t first = g * m->buckets - 1; /* of digit 0, which has none */
        for (size_t r = 1; r <= q.rows; r++) {
            for (size_t t = r * q.side; t < SN_MIN((r + 1) * q.side, m->buckets + 1); t++)
                take(&w->b, &used, &w->a, first + t);
            w->b.end[n++] = used;
        }
        for (size_t c = 1; c < q.side; c++) {
            for (size_t t = c; t <= m->buckets; t += q.side) take(&w->b, &used, &w->a, first + t);
            w->b.end[n++] = used;
        }
    }
    return n;
}
/* For each window and each bit of a digit, the columns or rows whose numbers have it. */
static size_t cut_bits(const struct msm *m, struct work *w, unsigned windows)
{
    struct square q = square_of(m->c);
    size_t n = 0, per = q.rows + q.side - 1;
    uint32_t used = 0;
    for (size_t g = 0; g < windows; g++) {
        for (unsigned bit = 0; bit < q.col_bits; bit++) {
            for (size_t c = 1; c < q.side; c++)
                if (c >> bit & 1) take(&w->a, &used, &w->b, g * per + q.rows + c - 1);
            w->a.end[n++] = used;
        }
        for (unsigned bit = 0; bit < q.row_bits; bit++) {
            for (size_t r = 1; r <= q.rows; r++)
                if (r >> bit & 1) take(&w->a, &used, &w->b, g * per + r - 1);
            w->a.end[n++] = used;
        }
    }
    return n;
}
/* The sum of a segment of the first layer to part number `part`. */
static void put_part(const struct msm *m, const struct work *w, size_t segment, size_t part)
{
    char *to = m->parts + part * m->e->point_size;
    uint32_t at = w->a.slot[segment];
    if (at == w->a.slot[segment + 1])
        memset(to, 0, m->e->point_size);
    else
        m->e->export(to, w->a.points + at * m->e->point_size);
}
static void sum_windows(const struct msm *m, struct work *w, unsigned from, unsigned n)
{
    uint32_t at = 0;
    for (unsigned g = 0; g < n; g++)
        at = sort_digits(m, &w->a, w->a.end + g * m->buckets, from + g, at);
    tree_sum(m->e, w, m->points, &w->a, n * m->buckets);
    tree_sum(m->e, w, w->a.points, &w->b, cut_squares(m, w, n));
    size_t bits = cut_bits(m, w, n);
    tree_sum(m->e, w, w->b.points, &w->a, bits);
    for (size_t b = 0; b < bits; b++) put_part(m, w, b, from * m->c + b);
}
static void sum_ones(const struct msm *m, struct work *w, size_t chunk)
{
    size_t from = chunk * ONES_CHUNK;
    struct layer l = w->a;
    l.items = m->ones + from;
    l.end[0] = (uint32_t)SN_MIN(m->n_ones - from, (size_t)ONES_CHUNK);
    tree_sum(m->e, w, m->points, &l, 1);
    put_part(m, w, 0, m->n_bits + chunk);
}
static void finish(const struct msm *m)
{
    const struct sn_group *g = m->sum->g;
    struct sn_point acc;
    sn_point_zero(g, &acc);
    for (size_t i = m->n_bits; i-- > 0;) {
        g->ops->dbl(&acc, &acc);
        g->ops->add_affine(&acc, &acc, m->parts + i * m->e->point_size);
    }
    for (size_t i = 0; i < m->ones_jobs; i++)
        g->ops->add_affine(&acc, &acc, m->parts + (m->n_bits + i) * m->e->point_size);
    m->sum->ret = acc;
}

/* --- work space ------------------------------------------------------------------------------- */

static size_t carve(size_t *at, size_t bytes)
{
    size_t here = *at;
    *at += (bytes + 63) & ~(size_t)63;
    return here;
}
/* The largest that jobs of any sum need. */
struct room {
    size_t items[2], segments[2], points[2], scratch;
};
static void room_for(const struct msm *m, struct room *r)
{
    struct square q = square_of(m->c);
    size_t g = m->per_job, buckets = g * m->buckets, lines = g * (q.rows + q.side);
    size_t items = SN_MAX(g * m->n_full, lines * m->c), segments = SN_MAX(buckets, g * m->c);
    if (m->ones_jobs) items = SN_MAX(items, SN_MIN(m->n_ones, (size_t)ONES_CHUNK));
    size_t sums = items / 2 + SN_MIN(segments, items) + 1;
    r->items[0] = SN_MAX(r->items[0], items), r->segments[0] = SN_MAX(r->segments[0], segments + 2);
    r->points[0] = SN_MAX(r->points[0], sums * m->e->point_size);
    r->items[1] = SN_MAX(r->items[1], 2 * buckets), r->segments[1] = SN_MAX(r->segments[1], lines + 2);
    r->points[1] = SN_MAX(r->points[1], (buckets + lines + 1) * m->e->point_size);
    r->scratch = SN_MAX(r->scratch, m->e->scratch_size);
}
static bool work_init(const struct many *all, struct work *w)
{
    struct room r = {0};
    size_t at = 0, items[2], end[2], slot[2], points[2];
    for (size_t i = 0; i < all->n; i++) room_for(&all->m[i], &r);
    for (unsigned l = 0; l < 2; l++) {
        items[l] = carve(&at, r.items[l] * 4), end[l] = carve(&at, r.segments[l] * 4);
        slot[l] = carve(&at, r.segments[l] * 4), points[l] = carve(&at, r.points[l]);
    }
    size_t pairs = carve(&at, SN_PAIR_BATCH * sizeof(struct sn_pair)), scratch = carve(&at, r.scratch);
    char *p = sn_aligned_alloc(64, at);
    if (!p) return false;
    struct layer *layers[2] = {&w->a, &w->b};
    for (unsigned l = 0; l < 2; l++)
        *layers[l] = (struct layer){(uint32_t *)(p + items[l]), (uint32_t *)(p + end[l]),
                                    (uint32_t *)(p + slot[l]), p + points[l]};
    w->pairs = (struct sn_pair *)(p + pairs), w->scratch = p + scratch, w->block = p;
    return true;
}
/* One of the pool's, else a fresh one (`own` is filled): more jobs may run at once than promised. */
static struct work *work_take(struct many *all, struct work *own)
{
    for (unsigned i = 0; i < all->pool_size; i++)
        if (!__atomic_test_and_set(&all->taken[i], __ATOMIC_ACQUIRE)) {
            struct work *w = &all->pool[i];
            if (w->block || work_init(all, w)) return w;
            __atomic_clear(&all->taken[i], __ATOMIC_RELEASE);
            return NULL;
        }
    return work_init(all, own) ? own : NULL;
}
static void work_give(struct many *all, struct work *w, struct work *own)
{
    if (w == own)
        sn_free(own->block);
    else
        __atomic_clear(&all->taken[w - all->pool], __ATOMIC_RELEASE);
}
static void sum_job(void *arg, size_t i)
{
    struct many *all = arg;
    struct msm *m = owner(all, &i);
    size_t window = i * m->per_job;
    struct work own, *w = work_take(all, &own);
    if (!w) {
        __atomic_store_n(&all->err, SN_E_NOMEM, __ATOMIC_RELAXED);
        return;
    }
    size_t jobs = m->windows ? (m->windows + m->per_job - 1) / m->per_job : 0;
    if (i < jobs)
        sum_windows(m, w, (unsigned)window, (unsigned)SN_MIN(m->windows - window, (size_t)m->per_job));
    else
        sum_ones(m, w, i - jobs);
    work_give(all, w, &own);
    if (__atomic_sub_fetch(&m->left, 1, __ATOMIC_ACQ_REL) == 0) finish(m);
}

/* --- preparation -------------------------------------------------------------------------------- */

enum class { CLASS_NONE, CLASS_ONE, CLASS_MINUS_ONE, CLASS_FULL };

/* The scalar to the size it has up to sign. */
static enum class classify(const struct sn_field *f, struct sn_fe *k, bool *neg)
{
    static const struct sn_fe one = {{1}};
    struct sn_fe minus;
    uint64_t borrow = 0;
    if (sn_fe_is_zero(k)) return CLASS_NONE;
    for (unsigned i = 0; i < 4; i++) minus.v[i] = fx_sbb(f->p.v[i], k->v[i], &borrow);
    *neg = sn_fe_cmp(&minus, k) < 0;
    if (*neg) *k = minus;
    if (sn_fe_equal(k, &one)) return *neg ? CLASS_MINUS_ONE : CLASS_ONE;
    return CLASS_FULL;
}
static bool is_infinity(const struct sn_msm_sum *s, size_t i)
{
    uint64_t w[SN_AFFINE_MAX / 8], any = 0;
    memcpy(w, (const char *)s->points + i * s->g->affine_size, s->g->affine_size);
    for (size_t k = 0; k < s->g->affine_size / 8; k++) any |= w[k];
    return any == 0;
}
/* Scalars plain; which are full and which are one. Zeros and infinite points are gone from here on. */
static void prepare_chunk(void *arg, size_t i)
{
    struct many *all = arg;
    struct msm *m = owner(all, &i);
    const struct sn_msm_sum *s = m->sum;
    const struct sn_field *f = s->g->fr;
    size_t from = i * PREPARE_CHUNK, n = SN_MIN(s->n - from, (size_t)PREPARE_CHUNK);
    uint16_t places[PREPARE_CHUNK]; /* full ones from the front, ones from the back */
    size_t full = 0, ones = 0;
    uint64_t any[4] = {0}, minus[PREPARE_CHUNK / 64] = {0};
    if (s->montgomery) sn_fe_from_mont_many(f, m->plain + from, s->scalars + from, n);
    for (size_t j = 0; j < n; j++) {
        struct sn_fe *k = &m->plain[from + j];
        bool neg = false;
        if (!s->montgomery) sn_fe_reduce(f, k, &s->scalars[from + j]);
        enum class class = classify(f, k, &neg);
        if (class == CLASS_NONE || is_infinity(s, from + j)) continue;
        if (class == CLASS_FULL) {
            for (unsigned w = 0; w < 4; w++) any[w] |= k->v[w];
            if (neg) k->v[3] |= (uint64_t)1 << 63; /* free: the size is below 2^255 */
            places[full++] = (uint16_t)j;
        } else {
            if (class == CLASS_MINUS_ONE) minus[j / 64] |= (uint64_t)1 << (j % 64);
            places[PREPARE_CHUNK - ++ones] = (uint16_t)j;
        }
    }
    for (unsigned j = 0; j < 4; j++) __atomic_fetch_or(&m->any[j], any[j], __ATOMIC_RELAXED);
    uint32_t *to = m->full + __atomic_fetch_add(&m->n_full, full, __ATOMIC_RELAXED);
    for (size_t j = 0; j < full; j++) to[j] = (uint32_t)(from + places[j]);
    to = m->ones + __atomic_fetch_add(&m->n_ones, ones, __ATOMIC_RELAXED);
    for (size_t j = 0; j < ones; j++) {
        size_t at = places[PREPARE_CHUNK - 1 - j];
        to[j] = (uint32_t)(from + at) | (minus[at / 64] >> (at % 64) & 1 ? SN_PAIR_MINUS : 0);
    }
}
/* Digits in [-2^(c-1), 2^(c-1)), then the sign of the scalar. */
static void digits_chunk(void *arg, size_t chunk)
{
    struct many *all = arg;
    struct msm *m = owner(all, &chunk);
    size_t from = chunk * PREPARE_CHUNK, end = SN_MIN(m->n_full, from + PREPARE_CHUNK);
    unsigned half = 1u << (m->c - 1), mask = 2 * half - 1;
    for (size_t i = from; i < end; i++) {
        const uint64_t *k = m->plain[m->full[i]].v;
        unsigned neg = k[3] >> 63, carry = 0;
        uint64_t top = k[3] & ~((uint64_t)1 << 63);
        for (unsigned w = 0; w < m->windows; w++) {
            unsigned bit = w * m->c, j = bit / 64, s = bit % 64;
            uint64_t x = j > 3 ? 0 : (j == 3 ? top : k[j]) >> s; /* beyond the words is the carry */
            if (s + m->c > 64 && j < 3) x |= (j == 2 ? top : k[j + 1]) << (64 - s);
            unsigned d = ((unsigned)x & mask) + carry;
            carry = d >= half;
            m->digits[w * m->row + i] =
                (uint16_t)(carry ? (2 * half - d) << 1 | (neg ^ 1) : d << 1 | neg);
        }
    }
}
/* Windows so that the last digit cannot carry, and their width for the least work: additions to
 * buckets, of buckets to rows and columns, of these to bits. */
static void choose_window(struct msm *m, const struct many *all, unsigned wanted)
{
    unsigned bits = 0, best = 0, width = sn_par_width(all->par);
    double least = 0;
    for (unsigned i = 0; i < 256; i++)
        if (m->any[i / 64] >> (i % 64) & 1) bits = i + 1;
    for (unsigned c = 2; c <= SN_MSM_WINDOW_MAX; c++) {
        unsigned windows = (bits + 2 + c - 1) / c;
        double buckets = (double)(1u << (c - 1)), side = (double)(1u << (c / 2));
        double cost = windows * ((double)m->n_full + 2 * buckets + c * side / 2);
        if (wanted ? c == wanted : best == 0 || cost < least) best = c, least = cost;
    }
    m->c = best;
    m->windows = m->n_full ? (bits + 2 + best - 1) / best : 0;
    m->buckets = m->windows ? (size_t)1 << (best - 1) : 1;
    m->n_bits = (size_t)m->windows * best;
    m->ones_jobs = (m->n_ones + ONES_CHUNK - 1) / ONES_CHUNK;
    size_t together = m->n_full ? JOB_ITEMS / m->n_full : 0, share = (m->windows + width - 1) / width;
    m->per_job = (unsigned)SN_MAX(SN_MIN(together, share), (size_t)1);
}

static int prepare(struct many *all)
{
    size_t jobs = 0;
    for (size_t i = 0; i < all->n; i++) {
        struct msm *m = &all->m[i];
        size_t n = m->sum->n, bytes = n * m->e->point_size;
        m->plain = sn_alloc(n * sizeof(struct sn_fe));
        m->full = sn_alloc(n * sizeof(uint32_t));
        m->ones = sn_alloc(n * sizeof(uint32_t));
        if (!m->plain || !m->full || !m->ones) return SN_E_NOMEM;
        m->points = m->sum->points;
        if (!m->e->any_address && (uintptr_t)m->points % 8) {
            m->copy = sn_alloc(bytes);
            if (!m->copy) return SN_E_NOMEM;
            memcpy(m->copy, m->points, bytes);
            m->points = m->copy;
        }
        m->from = jobs;
        jobs += (n + PREPARE_CHUNK - 1) / PREPARE_CHUNK;
    }
    sn_par_run(all->par, prepare_chunk, all, jobs);
    return 0;
}
static int cut_digits(struct many *all, unsigned window_bits)
{
    size_t jobs = 0;
    for (size_t i = 0; i < all->n; i++) {
        struct msm *m = &all->m[i];
        choose_window(m, all, window_bits);
        m->row = ((m->n_full + 31) & ~(size_t)31) + 32;
        m->digits = sn_alloc(m->windows * m->row * sizeof(*m->digits));
        m->parts = sn_alloc((m->n_bits + m->ones_jobs) * m->e->point_size);
        if (!m->digits || !m->parts) return SN_E_NOMEM;
        m->from = jobs;
        jobs += (m->n_full + PREPARE_CHUNK - 1) / PREPARE_CHUNK;
    }
    sn_par_run(all->par, digits_chunk, all, jobs);
    return 0;
}
static int sum_up(struct many *all)
{
    size_t jobs = 0;
    for (size_t i = 0; i < all->n; i++) {
        struct msm *m = &all->m[i];
        m->from = jobs;
        m->left = (m->windows + m->per_job - 1) / m->per_job + m->ones_jobs;
        jobs += m->left;
        if (m->left == 0) finish(m);
    }
    all->pool_size = (unsigned)SN_MIN((size_t)sn_par_width(all->par), jobs);
    all->pool = sn_zalloc(all->pool_size, sizeof(*all->pool));
    all->taken = sn_zalloc(all->pool_size, sizeof(*all->taken));
    if (!all->pool || !all->taken) return SN_E_NOMEM;
    sn_par_run(all->par, sum_job, all, jobs);
    return all->err;
}
static void one_by_one(struct sn_msm_sum *s)
{
    const struct sn_group *g = s->g;
    struct sn_point acc, t;
    uint64_t affine[SN_AFFINE_MAX / 8];
    sn_point_zero(g, &acc);
    for (size_t i = 0; i < s->n; i++) {
        struct sn_fe k = s->scalars[i];
        if (s->montgomery) sn_fe_from_mont(g->fr, &k, &k);
        memcpy(affine, (const char *)s->points + i * g->affine_size, g->affine_size);
        g->ops->from_affine(&t, affine);
        g->ops->mul(&t, &t, &k);
        g->ops->add(&acc, &acc, &t);
    }
    s->ret = acc;
}
static void many_done(struct many *all)
{
    for (size_t i = 0; i < all->n; i++) {
        struct msm *m = &all->m[i];
        /* What tells the scalars, which may be a witness. */
        if (m->plain) explicit_bzero(m->plain, m->sum->n * sizeof(*m->plain));
        if (m->digits) explicit_bzero(m->digits, m->windows * m->row * sizeof(*m->digits));
        void *own[] = {m->copy, m->plain, m->full, m->ones, m->digits, m->parts};
        for (size_t k = 0; k < SN_COUNT_OF(own); k++) sn_free(own[k]);
    }
    for (unsigned i = 0; i < all->pool_size && all->pool; i++) sn_free(all->pool[i].block);
    sn_free(all->pool);
    sn_free(all->taken);
}

int sn_msm_many(struct sn_msm_sum *sums, size_t n, const struct sn_msm_opts *o)
{
    static const struct sn_msm_opts defaults;
    struct msm m[SN_MSM_SUMS_MAX] = {0};
    if (!o) o = &defaults;
    struct many all = {.m = m, .par = o->par};
    SN_ASSERT(n <= SN_MSM_SUMS_MAX);
    for (size_t i = 0; i < n; i++) {
        struct sn_msm_sum *s = &sums[i];
        if (s->n >= SN_PAIR_MINUS)
            return sn_fail(SN_E_TOO_LARGE, "%s: sum of %zu products", s->g->name, s->n);
        if (s->n < SMALL_N && o->window_bits == 0)
            one_by_one(s);
        else
            m[all.n++] = (struct msm){.sum = s, .e = sn_msm_engine_of(s->g)};
    }
    if (all.n == 0) return 0;
    int r = prepare(&all);
    if (r == 0) r = cut_digits(&all, o->window_bits);
    if (r == 0) r = sum_up(&all);
    many_done(&all);
    return r;
}
int sn_msm(const struct sn_group *g, struct sn_point *ret, const void *points,
           const struct sn_fe *scalars, size_t n, const struct sn_msm_opts *o)
{
    struct sn_msm_sum s = {.g = g, .points = points, .scalars = scalars, .n = n,
                           .montgomery = o && o->montgomery};
    int r = sn_msm_many(&s, 1, o);
    if (r == 0) *ret = s.ret;
    return r;
}
