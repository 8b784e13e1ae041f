/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/group_mul.c - many points, each times a scalar of its own, in affine coordinates.
 * All points of a batch double together and share the inversion; the same for those that add a
 * table entry at a bit. A doubling costs 7 products of coordinates and an addition 6, less than in
 * any projective form, and the engine takes eight lanes at a time. Scalars are halved by the
 * endomorphism: 130 doublings, 22 additions for each half. */
#include "core/alloc.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "crypto/msm_int.h"

#define TABLE 8       /* 1, 3, .. 15 times a point */
#define WIDTH 5       /* of signed digits */
#define BITS_MAX 132  /* of a half: below 2^129, and a carry */
#define MUL_FEW 48    /* fewer points are multiplied one by one */

static size_t carve(size_t *at, size_t bytes)
{
    size_t here = *at;
    *at += (bytes + 63) & ~(size_t)63;
    return here;
}
int sn_mul_batch_init(struct sn_mul_batch *b, const struct sn_group *g)
{
    const struct sn_msm_engine *e = sn_msm_engine_of(g);
    /* The tables of a batch stay in the second cache. */
    size_t cap = e->point_size <= 96 ? 1024 : 512, at = 0, row = cap * e->point_size;
    size_t rows = carve(&at, (2 * TABLE + 2) * row), k = carve(&at, cap * sizeof(struct sn_fe));
    size_t digits = carve(&at, 2 * BITS_MAX * cap), started = carve(&at, cap);
    size_t pairs = carve(&at, SN_PAIR_BATCH * sizeof(struct sn_pair));
    size_t scratch = carve(&at, e->scratch_size);
    char *p = sn_aligned_alloc(64, at);
    if (!p) return SN_E_NOMEM;
    *b = (struct sn_mul_batch){
        .g = g, .e = e, .cap = cap, .in = p + rows, .out = p + rows + 2 * TABLE * row,
        .k = (struct sn_fe *)(p + k), .extra = p + rows + (2 * TABLE + 1) * row,
        .digits = (int8_t *)(p + digits), .started = (bool *)(p + started),
        .pairs = (struct sn_pair *)(p + pairs), .scratch = p + scratch, .block = p};
    return 0;
}
void sn_mul_batch_done(struct sn_mul_batch *b) { sn_free(b->block); }

static unsigned bits_at(const uint64_t k[4], unsigned bit, unsigned n)
{
    uint64_t x = k[bit / 64] >> (bit % 64);
    if (bit % 64 + n > 64 && bit / 64 < 3) x |= k[bit / 64 + 1] << (64 - bit % 64);
    return (unsigned)x & ((1u << n) - 1);
}
/* Odd digits below 16 in size, at least four zeros after each; digit of bit i to out[i * stride]. */
static void recode(int8_t *out, size_t stride, const uint64_t k[4], bool neg)
{
    unsigned carry = 0;
    for (unsigned bit = 0; bit < BITS_MAX;) {
        if (bits_at(k, bit, 1) == carry) {
            bit++;
            continue;
        }
        int d = (int)(bits_at(k, bit, WIDTH) + carry);
        carry = (unsigned)d >> (WIDTH - 1);
        d -= (int)carry << WIDTH;
        out[bit * stride] = (int8_t)(neg ? -d : d);
        bit += WIDTH;
    }
}
static void recode_all(struct sn_mul_batch *b, size_t n)
{
    memset(b->digits, 0, 2 * BITS_MAX * b->cap);
    for (size_t i = 0; i < n; i++) {
        uint64_t k1[4], k2[4];
        bool neg1, neg2;
        sn_glv_split(b->g->ops->glv, b->g->fr, &b->k[i], k1, &neg1, k2, &neg2);
        recode(b->digits + i, b->cap, k1, neg1);
        recode(b->digits + BITS_MAX * b->cap + i, b->cap, k2, neg2);
    }
}
/* Rows of odd multiples from the first, then their images. `count` is a multiple of eight. */
static void make_table(struct sn_mul_batch *b, size_t count)
{
    size_t row = b->cap * b->e->point_size;
    memcpy(b->extra, b->in, count * b->e->point_size);
    b->e->double_all(b->extra, count, b->scratch);
    for (unsigned t = 1; t < TABLE; t++) {
        for (size_t i = 0; i < count; i++)
            b->pairs[i] = (struct sn_pair){(uint32_t)((t - 1) * b->cap + i),
                                           (uint32_t)((2 * TABLE + 1) * b->cap + i),
                                           (uint32_t)(t * b->cap + i)};
        b->e->add_pairs(b->in, b->in, b->pairs, count, b->scratch);
    }
    for (unsigned t = 0; t < TABLE; t++)
        b->e->image(b->in + (TABLE + t) * row, b->in + t * row, count);
}
/* Adds each point's table entry for a bit of one half to its product. */
static void add_digits(struct sn_mul_batch *b, size_t n, unsigned half, unsigned bit)
{
    const int8_t *digits = b->digits + ((size_t)half * BITS_MAX + bit) * b->cap;
    size_t count = 0, size = b->e->point_size;
    for (size_t i = 0; i < n; i++) {
        int d = digits[i];
        if (d == 0) continue;
        uint32_t from = (uint32_t)((half * TABLE + ((unsigned)(d < 0 ? -d : d) >> 1)) * b->cap + i);
        if (b->started[i]) {
            uint32_t acc = (uint32_t)(2 * TABLE * b->cap + i);
            b->pairs[count++] = (struct sn_pair){acc, from | (d < 0 ? SN_PAIR_MINUS : 0), acc};
            continue;
        }
        b->started[i] = true;
        if (d < 0)
            b->e->neg(b->out + i * size, b->in + from * size);
        else
            memcpy(b->out + i * size, b->in + from * size, size);
    }
    if (count) b->e->add_pairs(b->in, b->in, b->pairs, count, b->scratch);
}
void sn_mul_batch_run(struct sn_mul_batch *b, size_t n)
{
    size_t size = b->e->point_size, count = (n + 7) & ~(size_t)7;
    SN_ASSERT(n <= b->cap);
    memset(b->in + n * size, 0, (count - n) * size);
    memset(b->out, 0, count * size);
    memset(b->started, 0, b->cap);
    recode_all(b, n);
    make_table(b, count);
    bool any = false;
    for (unsigned bit = BITS_MAX; bit-- > 0;) {
        if (any) b->e->double_all(b->out, count, b->scratch);
        add_digits(b, n, 0, bit);
        add_digits(b, n, 1, bit);
        for (size_t i = 0; i < n && !any; i++) any = b->started[i];
    }
}

/* ---- arrays of affine points ------------------------------------------------------------------- */

struct mul_job {
    const struct sn_group *g;
    char *ret;
    const char *points;
    const struct sn_fe *scalars;
    size_t n, step, per; /* step 0: one scalar for all; points to a job */
    int err;
};
static void mul_chunk(void *arg, size_t chunk)
{
    struct mul_job *j = arg;
    struct sn_mul_batch b;
    size_t from = chunk * j->per, end = SN_MIN(from + j->per, j->n), size = j->g->affine_size;
    int r = sn_mul_batch_init(&b, j->g);
    if (r < 0) {
        __atomic_store_n(&j->err, r, __ATOMIC_RELAXED);
        return;
    }
    for (size_t n; from < end; from += n) {
        n = SN_MIN(end - from, b.cap);
        memcpy(b.in, j->points + from * size, n * size);
        for (size_t i = 0; i < n; i++) b.k[i] = j->scalars[(from + i) * j->step];
        sn_mul_batch_run(&b, n);
        for (size_t i = 0; i < n; i++)
            b.e->export(j->ret + (from + i) * size, b.out + i * b.e->point_size);
    }
    sn_wipe(b.k, b.cap * sizeof(*b.k));
    sn_wipe(b.digits, 2 * BITS_MAX * b.cap);
    sn_mul_batch_done(&b);
}
static void mul_few(const struct mul_job *j)
{
    size_t size = j->g->affine_size;
    struct sn_point t;
    for (size_t i = 0; i < j->n; i++) {
        uint64_t point[SN_AFFINE_MAX / 8];
        memcpy(point, j->points + i * size, size);
        j->g->ops->from_affine(&t, point);
        j->g->ops->mul(&t, &t, &j->scalars[i * j->step]);
        j->g->ops->to_affine(j->ret + i * size, &t, sizeof(t), 1);
    }
}
int sn_group_mul_many(const struct sn_group *g, void *ret_affine, const void *points,
                      const struct sn_fe *scalars, bool same, size_t n, const struct sn_par *par)
{
    size_t width = sn_par_width(par), per = SN_MAX((n + 4 * width - 1) / (4 * width), (size_t)256);
    struct mul_job j = {g, ret_affine, points, scalars, n, same ? 0 : 1, SN_MIN(per, (size_t)4096), 0};
    if (n < MUL_FEW)
        mul_few(&j);
    else
        sn_par_run(par, mul_chunk, &j, (n + j.per - 1) / j.per);
    return j.err;
}
