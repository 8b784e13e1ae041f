/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/msm.c - Pippenger's method.
 *
 * Scalars are made smaller in size than r/2 by negating points, and cut into signed digits. For each
 * window the points are sorted by digit, and each digit's points (its bucket) are summed by a tree of
 * pairwise affine additions: all pairs of a level are independent, so thousands share one inversion,
 * no order of points is a bad one, and the levels cost n - buckets additions in all. The weighted sum
 * of the buckets then comes from the sums of the rows and columns of a square of buckets: twice as
 * many of the same cheap additions instead of two long chains of dear ones.
 * Scalars 1 and -1 go to a tree of their own.
 * Sources: Pippenger (1976); Bernstein et al., "Faster batch forgery identification" (2012) for
 * signed digits. */
#include "crypto/msm.h"

#include "core/alloc.h"
#include "core/status.h"
#include "crypto/vec_int.h"

#define SMALL_N 12         /* below: one product after the other */
#define PREPARE_CHUNK 2048 /* points to a job */
#define ONES_CHUNK 16384

const struct sn_msm_engine *sn_msm_engine_of(const struct sn_group *g)
{
    const struct sn_msm_engine *e = sn_field_vec ? sn_field_vec->msm_engine(g) : NULL;
    return e ? e : g->ops->engine;
}

/* What one job works in. */
struct work {
    uint32_t *items;   /* places in the source, sorted by segment */
    uint32_t *start;   /* of each segment in items; one more at the end */
    uint32_t *slot;    /* of each segment in points */
    char *points;      /* sums in the making */
    uint32_t *items2, *start2, *slot2;
    char *points2;     /* the same for rows and columns */
    struct sn_pair *pairs;
    char *scratch;
    void *block;
};
enum { CLASS_NONE, CLASS_ONE, CLASS_MINUS_ONE, CLASS_FULL };

struct msm {
    const struct sn_group *g;
    const struct sn_msm_engine *e;
    const char *affine;
    const struct sn_fe *scalars;
    bool montgomery;
    size_t n;
    char *points;
    struct sn_fe *plain;
    uint8_t *class;
    int16_t *digits; /* [window * n + i] */
    uint32_t *ones;
    size_t n_ones, n_full, ones_jobs;
    uint64_t any[4]; /* the or of all magnitudes: how long they get */
    unsigned c, windows;
    size_t buckets, capacity; /* segments and items of a job at most */
    unsigned pool_size;
    struct work *pool;
    bool *taken;
    struct sn_point *sums; /* of windows, then of chunks of ones */
    int err;
};

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
/* The sum of each of n segments of `items` (places in src) to points[slot[s]]; an empty segment has
 * slot[s] == slot[s + 1]. */
static void tree_sum(const struct sn_msm_engine *e, struct work *w, const void *src,
                     const uint32_t *items, const uint32_t *start, size_t n, uint32_t *slot,
                     char *points)
{
    struct tree t = {e, w->pairs, 0, points, src, w->scratch};
    size_t longest = 0;
    uint32_t at = 0;
    for (size_t s = 0; s < n; s++) {
        uint32_t i = start[s], end = start[s + 1];
        slot[s] = at;
        for (; i + 1 < end; i += 2) tree_pair(&t, items[i], items[i + 1], at++);
        if (i < end) {
            const char *p = (const char *)src + (size_t)(items[i] & ~SN_PAIR_MINUS) * e->point_size;
            if (items[i] & SN_PAIR_MINUS)
                e->neg(points + (size_t)at * e->point_size, p);
            else
                memcpy(points + (size_t)at * e->point_size, p, e->point_size);
            at++;
        }
        longest = SN_MAX(longest, (size_t)(at - slot[s]));
    }
    slot[n] = at;
    tree_flush(&t);
    t.src = points;
    for (uint32_t step = 1; step < longest; step *= 2) {
        for (size_t s = 0; s < n; s++)
            for (uint32_t i = slot[s]; i + step < slot[s + 1]; i += 2 * step)
                tree_pair(&t, i, i + step, i);
        tree_flush(&t);
    }
}

/* --- one window ------------------------------------------------------------------------------- */

/* Sorts the points of a window by digit: segment d - 1 for digits d and -d. */
static void sort_digits(const struct msm *m, struct work *w, const int16_t *digits)
{
    uint32_t *start = w->start;
    memset(start, 0, (m->buckets + 1) * sizeof(*start));
    for (size_t i = 0; i < m->n; i++) {
        int d = digits[i];
        if (d) start[(d < 0 ? -d : d) - 1]++;
    }
    uint32_t sum = 0;
    for (size_t b = 0; b < m->buckets; b++) {
        uint32_t count = start[b];
        start[b] = sum;
        sum += count;
    }
    for (size_t i = 0; i < m->n; i++) {
        int d = digits[i];
        if (d) w->items[start[(d < 0 ? -d : d) - 1]++] = (uint32_t)i | (d < 0 ? SN_PAIR_MINUS : 0);
    }
    /* Each start has moved to its segment's end. */
    memmove(start + 1, start, m->buckets * sizeof(*start));
    start[0] = 0;
}
/* sum of i * segment i, by sums of tails. With `total`, also the plain sum. */
static void weigh(const struct msm *m, const struct work *w, size_t n, struct sn_point *ret,
                  struct sn_point *total)
{
    const struct sn_group *g = m->g;
    struct sn_point tail, acc;
    char affine[SN_AFFINE_MAX] SN_ALIGNED(8);
    sn_point_zero(g, &tail);
    sn_point_zero(g, &acc);
    for (size_t i = n; i-- > 0;) {
        if (w->slot2[i] != w->slot2[i + 1]) {
            m->e->export(affine, w->points2 + (size_t)w->slot2[i] * m->e->point_size);
            g->ops->add_affine(&tail, &tail, affine);
        }
        if (i > 0) g->ops->add(&acc, &acc, &tail);
    }
    *ret = acc;
    if (total) *total = tail;
}
/* sum of (t + 1) * bucket t: with t = side * row + column. */
static void reduce_buckets(const struct msm *m, struct work *w, struct sn_point *ret)
{
    const struct sn_group *g = m->g;
    unsigned bits = (m->c - 1) / 2;
    size_t side = (size_t)1 << bits, rows = (m->buckets + side - 1) / side;
    struct sn_point rows_sum, all, cols_sum;
    uint32_t used = 0;
    for (size_t r = 0; r < rows; r++) {
        w->start2[r] = used;
        for (size_t b = r * side; b < SN_MIN((r + 1) * side, m->buckets); b++)
            if (w->slot[b] != w->slot[b + 1]) w->items2[used++] = w->slot[b];
    }
    w->start2[rows] = used;
    tree_sum(m->e, w, w->points, w->items2, w->start2, rows, w->slot2, w->points2);
    weigh(m, w, rows, &rows_sum, &all);
    used = 0;
    for (size_t c = 0; c < side; c++) {
        w->start2[c] = used;
        for (size_t b = c; b < m->buckets; b += side)
            if (w->slot[b] != w->slot[b + 1]) w->items2[used++] = w->slot[b];
    }
    w->start2[side] = used;
    tree_sum(m->e, w, w->points, w->items2, w->start2, side, w->slot2, w->points2);
    weigh(m, w, side, &cols_sum, NULL);
    for (unsigned i = 0; i < bits; i++) g->ops->dbl(&rows_sum, &rows_sum);
    g->ops->add(&rows_sum, &rows_sum, &cols_sum);
    g->ops->add(ret, &rows_sum, &all);
}

/* --- work space ------------------------------------------------------------------------------- */

static size_t carve(size_t *at, size_t bytes)
{
    size_t here = *at;
    *at += (bytes + 63) & ~(size_t)63;
    return here;
}
static bool work_init(const struct msm *m, struct work *w)
{
    size_t at = 0, b = m->buckets, slots = m->capacity / 2 + SN_MIN(b, m->capacity) + 1;
    size_t items = carve(&at, m->capacity * 4), start = carve(&at, (b + 2) * 4);
    size_t slot = carve(&at, (b + 2) * 4), points = carve(&at, slots * m->e->point_size);
    size_t items2 = carve(&at, b * 4), start2 = carve(&at, (b + 2) * 4);
    size_t slot2 = carve(&at, (b + 2) * 4), points2 = carve(&at, (b + 1) * m->e->point_size);
    size_t pairs = carve(&at, SN_PAIR_BATCH * sizeof(struct sn_pair));
    size_t scratch = carve(&at, m->e->scratch_size);
    char *p = sn_aligned_alloc(64, at);
    if (!p) return false;
    *w = (struct work){(uint32_t *)(p + items),   (uint32_t *)(p + start), (uint32_t *)(p + slot),
                       p + points,                (uint32_t *)(p + items2), (uint32_t *)(p + start2),
                       (uint32_t *)(p + slot2),   p + points2,             (struct sn_pair *)(p + pairs),
                       p + scratch,               p};
    return true;
}
/* One of the pool's, else a fresh one (`own` is filled): more jobs may run at once than promised. */
static struct work *work_take(struct msm *m, struct work *own)
{
    for (unsigned i = 0; i < m->pool_size; i++)
        if (!__atomic_test_and_set(&m->taken[i], __ATOMIC_ACQUIRE)) return &m->pool[i];
    return work_init(m, own) ? own : NULL;
}
static void work_give(struct msm *m, struct work *w, struct work *own)
{
    if (w == own)
        sn_free(own->block);
    else
        __atomic_clear(&m->taken[w - m->pool], __ATOMIC_RELEASE);
}
static void msm_job(void *arg, size_t i)
{
    struct msm *m = arg;
    struct work own, *w = work_take(m, &own);
    if (!w) {
        __atomic_store_n(&m->err, SN_E_NOMEM, __ATOMIC_RELAXED);
        return;
    }
    if (i < m->windows) {
        sort_digits(m, w, m->digits + i * m->n);
        tree_sum(m->e, w, m->points, w->items, w->start, m->buckets, w->slot, w->points);
        reduce_buckets(m, w, &m->sums[i]);
    } else {
        size_t from = (i - m->windows) * ONES_CHUNK;
        char affine[SN_AFFINE_MAX] SN_ALIGNED(8);
        w->start[0] = 0;
        w->start[1] = (uint32_t)SN_MIN(m->n_ones - from, (size_t)ONES_CHUNK);
        tree_sum(m->e, w, m->points, m->ones + from, w->start, 1, w->slot, w->points);
        m->e->export(affine, w->points);
        m->g->ops->from_affine(&m->sums[i], affine);
    }
    work_give(m, w, &own);
}

/* --- preparation -------------------------------------------------------------------------------- */

/* The scalar to the size it has up to sign. */
static uint8_t classify(const struct msm *m, struct sn_fe *k, bool *neg)
{
    static const struct sn_fe one = {{1}};
    const struct sn_field *f = m->g->fr;
    struct sn_fe minus;
    uint64_t borrow = 0;
    if (sn_fe_is_zero(k)) return CLASS_NONE;
    for (unsigned i = 0; i < 4; i++) minus.v[i] = fx_sbb(f->p.v[i], k->v[i], &borrow);
    *neg = sn_fe_cmp(&minus, k) < 0;
    if (*neg) *k = minus;
    if (sn_fe_equal(k, &one)) return *neg ? CLASS_MINUS_ONE : CLASS_ONE;
    return CLASS_FULL;
}
/* Points in, scalars plain; the sign of a full scalar waits in the top bit of its words (free: the
 * size is below 2^254). */
static void prepare_chunk(void *arg, size_t chunk)
{
    struct msm *m = arg;
    size_t from = chunk * PREPARE_CHUNK, n = SN_MIN(m->n - from, (size_t)PREPARE_CHUNK), full = 0;
    uint64_t any[4] = {0};
    const char *affine = m->affine + from * m->g->affine_size;
    m->e->import(m->points + from * m->e->point_size, affine, n);
    if (m->montgomery)
        sn_fe_from_mont_many(m->g->fr, m->plain + from, m->scalars + from, n);
    else
        for (size_t i = 0; i < n; i++)
            sn_fe_reduce(m->g->fr, &m->plain[from + i], &m->scalars[from + i]);
    for (size_t i = 0; i < n; i++) {
        struct sn_fe *k = &m->plain[from + i];
        bool neg = false;
        uint8_t class = classify(m, k, &neg);
        if (class != CLASS_NONE && sn_affine_is_zero(m->g, affine + i * m->g->affine_size))
            class = CLASS_NONE;
        m->class[from + i] = class;
        if (class != CLASS_FULL) continue;
        for (unsigned j = 0; j < 4; j++) any[j] |= k->v[j];
        if (neg) k->v[3] |= (uint64_t)1 << 63;
        full++;
    }
    for (unsigned j = 0; j < 4; j++) __atomic_fetch_or(&m->any[j], any[j], __ATOMIC_RELAXED);
    __atomic_fetch_add(&m->n_full, full, __ATOMIC_RELAXED);
}
/* Digits in [-2^(c-1), 2^(c-1)), then the sign of the scalar: up to c = 15 int16_t holds both. */
static void digits_chunk(void *arg, size_t chunk)
{
    struct msm *m = arg;
    size_t from = chunk * PREPARE_CHUNK, end = SN_MIN(m->n, from + PREPARE_CHUNK);
    int half = 1 << (m->c - 1), mask = 2 * half - 1;
    for (unsigned w = 0; w < m->windows; w++)
        memset(m->digits + w * m->n + from, 0, (end - from) * sizeof(int16_t));
    for (size_t i = from; i < end; i++) {
        if (m->class[i] != CLASS_FULL) continue;
        const uint64_t *k = m->plain[i].v;
        bool neg = k[3] >> 63;
        uint64_t top = k[3] & ~((uint64_t)1 << 63);
        int carry = 0;
        for (unsigned w = 0; w < m->windows; w++) {
            unsigned bit = w * m->c, j = bit / 64, s = bit % 64;
            if (j > 3) { /* beyond the words: what is left is the carry */
                m->digits[w * m->n + i] = (int16_t)(neg ? -carry : carry);
                break;
            }
            uint64_t x = (j == 3 ? top : k[j]) >> s;
            if (s + m->c > 64 && j < 3) x |= (j == 2 ? top : k[j + 1]) << (64 - s);
            int d = (int)(x & (uint64_t)mask) + carry;
            carry = d >= half;
            if (carry) d -= 2 * half;
            m->digits[w * m->n + i] = (int16_t)(neg ? -d : d);
        }
    }
}
/* Windows so that the last digit cannot carry, and their width for the least work: additions to
 * buckets, additions of buckets, and chains of scalar ones (each as dear as ten of the others). */
static void choose_window(struct msm *m, unsigned wanted)
{
    unsigned bits = 0, best = 0;
    double least = 0;
    for (unsigned i = 0; i < 256; i++)
        if (m->any[i / 64] >> (i % 64) & 1) bits = i + 1;
    for (unsigned c = 2; c <= SN_MSM_WINDOW_MAX; c++) {
        unsigned windows = (bits + 2 + c - 1) / c;
        double buckets = (double)(1u << (c - 1)), side = (double)(1u << (c / 2));
        double cost = windows * ((double)m->n_full + 2 * buckets + 40 * side);
        if (wanted ? c == wanted : best == 0 || cost < least) best = c, least = cost;
    }
    m->c = best;
    m->windows = m->n_full ? (bits + 2 + best - 1) / best : 0;
    m->buckets = m->windows ? (size_t)1 << (best - 1) : 1;
}

static int msm_alloc(struct msm *m, const struct sn_par *par)
{
    size_t jobs = m->windows + m->ones_jobs;
    m->capacity = SN_MAX(m->n_full, SN_MIN(m->n_ones, (size_t)ONES_CHUNK));
    m->pool_size = (unsigned)SN_MIN((size_t)sn_par_width(par), jobs);
    m->digits = sn_alloc(m->windows * m->n * sizeof(int16_t));
    m->sums = sn_alloc(jobs * sizeof(struct sn_point));
    m->pool = sn_zalloc(m->pool_size, sizeof(struct work));
    m->taken = sn_zalloc(m->pool_size, sizeof(bool));
    if (!m->digits || !m->sums || !m->pool || !m->taken) return SN_E_NOMEM;
    for (unsigned i = 0; i < m->pool_size; i++)
        if (!work_init(m, &m->pool[i])) return SN_E_NOMEM;
    return 0;
}
static void collect_ones(struct msm *m)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->class[i] == CLASS_ONE)
            m->ones[m->n_ones++] = (uint32_t)i;
        else if (m->class[i] == CLASS_MINUS_ONE)
            m->ones[m->n_ones++] = (uint32_t)i | SN_PAIR_MINUS;
    m->ones_jobs = (m->n_ones + ONES_CHUNK - 1) / ONES_CHUNK;
}
static int msm_run(struct msm *m, struct sn_point *ret, const struct sn_msm_opts *o)
{
    size_t chunks = (m->n + PREPARE_CHUNK - 1) / PREPARE_CHUNK;
    m->points = sn_aligned_alloc(64, (m->n * m->e->point_size + 63) & ~(size_t)63);
    m->plain = sn_alloc(m->n * sizeof(struct sn_fe));
    m->class = sn_alloc(m->n);
    m->ones = sn_alloc(m->n * sizeof(uint32_t));
    if (!m->points || !m->plain || !m->class || !m->ones) return SN_E_NOMEM;
    sn_par_run(o->par, prepare_chunk, m, chunks);
    collect_ones(m);
    choose_window(m, o->window_bits);
    int r = msm_alloc(m, o->par);
    if (r < 0) return r;
    if (m->windows) sn_par_run(o->par, digits_chunk, m, chunks);
    sn_par_run(o->par, msm_job, m, m->windows + m->ones_jobs);
    if (m->err) return m->err;
    struct sn_point acc;
    sn_point_zero(m->g, &acc);
    for (unsigned w = m->windows; w-- > 0;) {
        for (unsigned i = 0; i < m->c && w + 1 < m->windows; i++) m->g->ops->dbl(&acc, &acc);
        m->g->ops->add(&acc, &acc, &m->sums[w]);
    }
    for (size_t i = 0; i < m->ones_jobs; i++)
        m->g->ops->add(&acc, &acc, &m->sums[m->windows + i]);
    *ret = acc;
    return 0;
}
static void one_by_one(const struct msm *m, struct sn_point *ret)
{
    struct sn_point acc, t;
    sn_point_zero(m->g, &acc);
    for (size_t i = 0; i < m->n; i++) {
        struct sn_fe k = m->scalars[i];
        if (m->montgomery) sn_fe_from_mont(m->g->fr, &k, &k);
        m->g->ops->from_affine(&t, m->affine + i * m->g->affine_size);
        m->g->ops->mul(&t, &t, &k);
        m->g->ops->add(&acc, &acc, &t);
    }
    *ret = acc;
}

int sn_msm(const struct sn_group *g, struct sn_point *ret, const void *points,
           const struct sn_fe *scalars, size_t n, const struct sn_msm_opts *o)
{
    static const struct sn_msm_opts defaults;
    if (!o) o = &defaults;
    if (n >= SN_PAIR_MINUS) return sn_fail(SN_E_TOO_LARGE, "%s: sum of %zu products", g->name, n);
    struct msm m = {.g = g, .e = sn_msm_engine_of(g), .affine = points, .scalars = scalars,
                    .montgomery = o->montgomery, .n = n};
    if (n < SMALL_N && o->window_bits == 0) {
        one_by_one(&m, ret);
        return 0;
    }
    int r = msm_run(&m, ret, o);
    sn_free(m.points);
    sn_free(m.plain);
    sn_free(m.class);
    sn_free(m.ones);
    sn_free(m.digits);
    sn_free(m.sums);
    for (unsigned i = 0; i < m.pool_size && m.pool; i++) sn_free(m.pool[i].block);
    sn_free(m.pool);
    sn_free(m.taken);
    return r;
}
