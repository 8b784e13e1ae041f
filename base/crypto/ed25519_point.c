/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/ed25519_point.c - the curve and its scalars in portable C.
 *
 * Source: Hisil, Wong, Carter, Dawson, "Twisted Edwards Curves Revisited" (2008), complete formulas
 * for a = -1; RFC 8032 for constants and encodings; ZIP 215 for which encodings have a point. */
#include "crypto/ed25519_int.h"
#include "crypto/hash.h"

const struct fe51 ed_d = {
    {0x34dca135978a3, 0x1a8283b156ebd, 0x5e7a26001c029, 0x739c663a03cbb, 0x52036cee2b6ff}};
const struct fe51 ed_d2 = {
    {0x69b9426b2f159, 0x35050762add7a, 0x3cf44c0038052, 0x6738cc7407977, 0x2406d9dc56dff}};
const struct fe51 ed_sqrt_m1 = {
    {0x61b274a0ea0b0, 0x0d5a5fc8f189d, 0x7ef5e9cbd0c60, 0x78595a6804c9e, 0x2b8324804fc1d}};
const struct ed_affine ed_base = {
    {{0x62d608f25d51a, 0x412a4b4f6592a, 0x75b7171a4b31d, 0x1ff60527118fe, 0x216936d3cd6e5}},
    {{0x6666666666658, 0x4cccccccccccc, 0x1999999999999, 0x3333333333333, 0x6666666666666}},
};
const struct sn_field ed_scalars = {
    .name = "ed25519.scalars",
    .p = {{0x5812631a5cf5d3ed, 0x14def9dea2f79cd6, 0x0000000000000000, 0x1000000000000000}},
    .one = {{0xd6ec31748d98951d, 0xc6ef5bf4737dcf70, 0xfffffffffffffffe, 0x0fffffffffffffff}},
    .r2 = {{0xa40611e3449c0f01, 0xd00e1ba768859347, 0xceec73d217f5be65, 0x0399411b7c309a3d}},
    .nqr = {{0x55c5ffcebe3b564d, 0x78ffbe0a4404020b, 0xfffffffffffffffd, 0x0fffffffffffffff}},
    .root = {{0x7c790e32b42f0e7d, 0x4c8ce706a7ae2cc8, 0xd73823cc921779ad, 0x05599959893f562a}},
    .inv = 0xd2b51da312547e1b,
    .bits = 253,
    .two_adicity = 2,
};

bool ed_scalar_load(struct sn_fe *ret, const uint8_t in[32])
{
    struct sn_fe x;
    memcpy(x.v, in, sizeof(x.v));
    for (unsigned i = 0; i < 4; i++) x.v[i] = le64toh(x.v[i]);
    if (sn_fe_cmp(&x, &ed_scalars.p) >= 0) return false;
    *ret = x;
    return true;
}
void ed_scalar_reduce(struct sn_fe *ret, const uint8_t in[64])
{
    /* Montgomery forms of 2^252 and 2^504: the input is taken in pieces that are below the order.
     */
    static const struct sn_fe mid = {
        {0xd6cd05405432c2a3, 0x6b5a2d8386929507, 0xdceec73d217f5be6, 0x0b399411b7c309a3}};
    static const struct sn_fe high = {
        {0xdac469f6fb8f8555, 0x6731498ba4992644, 0xc78065dc6c04ec5b, 0x019e530b773599ce}};
    uint64_t w[8];
    memcpy(w, in, sizeof(w));
    for (unsigned i = 0; i < 8; i++) w[i] = le64toh(w[i]);
    struct sn_fe a = {{w[0], w[1], w[2], w[3] & ((1ull << 60) - 1)}}, b, c = {{w[7] >> 56}};
    for (unsigned i = 0; i < 4; i++) b.v[i] = w[3 + i] >> 60 | w[4 + i] << 4;
    b.v[3] &= (1ull << 60) - 1;
    sn_fe_mul(&ed_scalars, &b, &b, &mid);
    sn_fe_mul(&ed_scalars, &c, &c, &high);
    sn_fe_add(&ed_scalars, &a, &a, &b);
    sn_fe_add(&ed_scalars, ret, &a, &c);
}
void ed_recode(struct ed_group *g, unsigned lane, const struct sn_fe *x, unsigned from, unsigned n)
{
    const unsigned w = g->window;
    const int half = 1 << (w - 1);
    int carry = 0;
    for (unsigned i = 0; i < g->digits; i++) {
        unsigned at = from + i * w, have = i * w < n ? SN_MIN(w, n - i * w) : 0;
        uint64_t bits = 0;
        if (have > 0) {
            bits = x->v[at / 64] >> (at % 64);
            if (at % 64 + have > 64) bits |= x->v[at / 64 + 1] << (64 - at % 64);
            bits &= (1u << have) - 1;
        }
        int d = (int)bits + carry;
        carry = d > half;
        g->digit[i][lane] = (int8_t)(d - (carry << w));
    }
    SN_DCHECK(carry == 0);
}

void ed_point_zero(struct ed_point *r)
{
    memset(r, 0, sizeof(*r));
    r->y.v[0] = r->z.v[0] = 1;
}
void ed_point_of_affine(struct ed_point *r, const struct ed_affine *a)
{
    r->x = a->x;
    r->y = a->y;
    fe51_set(&r->z, 1);
    fe51_mul(&r->t, &a->x, &a->y);
}
void ed_point_dbl(struct ed_point *r, const struct ed_point *p)
{
    struct fe51 a, b, c, e, f, g, h;
    fe51_sqr(&a, &p->x);
    fe51_sqr(&b, &p->y);
    fe51_sqr(&c, &p->z);
    fe51_add(&e, &p->x, &p->y);
    fe51_sqr(&e, &e);
    fe51_add(&h, &a, &b);
    fe51_sub(&e, &e, &h);
    fe51_sub(&g, &b, &a);
    fe51_carry(&g);
    fe51_add(&f, &c, &c);
    fe51_sub(&f, &f, &g);
    fe51_mul(&r->x, &e, &f);
    fe51_mul(&r->y, &g, &h);
    fe51_mul(&r->z, &f, &g);
    fe51_mul(&r->t, &e, &h);
}
void ed_point_add_row(struct ed_point *r, const struct ed_point *p, const uint64_t *row, bool kept,
                      bool negative)
{
    struct fe51 n[4], a, b, c, d, e, f, g, h;
    memcpy(&n[negative], row, sizeof(n[0])); /* y+x and y-x change places for -x */
    memcpy(&n[!negative], row + 5, sizeof(n[0]));
    memcpy(&n[2], row + 10, sizeof(n[0]));
    fe51_sub(&a, &p->y, &p->x);
    fe51_mul(&a, &a, &n[1]);
    fe51_add(&b, &p->y, &p->x);
    fe51_mul(&b, &b, &n[0]);
    fe51_mul(&c, &p->t, &n[2]);
    if (kept) {
        fe51_add(&d, &p->z, &p->z);
    } else {
        memcpy(&n[3], row + 15, sizeof(n[0]));
        fe51_mul(&d, &p->z, &n[3]);
    }
    fe51_sub(&e, &b, &a);
    fe51_add(&h, &b, &a);
    fe51_sub(negative ? &g : &f, &d, &c);
    fe51_add(negative ? &f : &g, &d, &c);
    fe51_mul(&r->x, &e, &f);
    fe51_mul(&r->y, &g, &h);
    fe51_mul(&r->z, &f, &g);
    fe51_mul(&r->t, &e, &h);
}
void ed_point_row(uint64_t row[ED_POINT_ROW], const struct ed_point *p)
{
    struct fe51 n[4];
    fe51_add(&n[0], &p->y, &p->x);
    fe51_sub(&n[1], &p->y, &p->x);
    fe51_mul(&n[2], &p->t, &ed_d2);
    fe51_add(&n[3], &p->z, &p->z);
    for (unsigned i = 0; i < 4; i++) {
        fe51_carry(&n[i]);
        memcpy(row + 5 * i, &n[i], sizeof(n[i]));
    }
}
bool ed_point_is_small(const struct ed_point *p)
{
    struct ed_point q = *p;
    struct fe51 e;
    for (unsigned i = 0; i < 3; i++) ed_point_dbl(&q, &q);
    fe51_sub(&e, &q.y, &q.z);
    return fe51_is_zero(&q.x) && fe51_is_zero(&e);
}

/* x = sqrt((y^2-1)/(dy^2+1)) by one power. Any 255 bits stand for a y, and a sign without an x to
 * carry it is no error: what distinguishes ZIP-215 from RFC 8032. */
static bool decompress_one(struct ed_affine *ret, const uint8_t in[32])
{
    struct fe51 one, u, v, v3, x, t;
    fe51_load(&ret->y, in);
    fe51_set(&one, 1);
    fe51_sqr(&u, &ret->y);
    fe51_mul(&v, &u, &ed_d);
    fe51_sub(&u, &u, &one);
    fe51_carry(&u);
    fe51_add(&v, &v, &one);
    fe51_sqr(&v3, &v);
    fe51_mul(&v3, &v3, &v);
    fe51_sqr(&x, &v3);
    fe51_mul(&x, &x, &v);
    fe51_mul(&x, &x, &u);
    fe51_pow_p58(&x, &x);
    fe51_mul(&x, &x, &v3);
    fe51_mul(&x, &x, &u);
    fe51_sqr(&t, &x);
    fe51_mul(&t, &t, &v);
    fe51_sub(&v3, &t, &u);
    if (!fe51_is_zero(&v3)) {
        fe51_add(&t, &t, &u);
        if (!fe51_is_zero(&t)) return false;
        fe51_mul(&x, &x, &ed_sqrt_m1);
    }
    if (fe51_is_odd(&x) != in[31] >> 7) fe51_neg(&x, &x);
    ret->x = x;
    return true;
}
static void decompress(struct ed_affine *ret, bool *ok, const uint8_t *const *enc, size_t n)
{
    for (size_t i = 0; i < n; i++) ok[i] = decompress_one(&ret[i], enc[i]);
}
static void tables(struct ed_point_table *ret, const struct ed_affine *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct ed_point q;
        ed_point_of_affine(&q, &p[i]);
        for (unsigned k = 0;; k++) {
            ed_point_row(ret[i].row[k], &q);
            if (k + 1 == ED_POINT_ENTRIES) break;
            ed_point_add_row(&q, &q, ret[i].row[0], false, false);
        }
    }
}
static void sum(struct ed_point *ret, const struct ed_group *g, size_t n, unsigned top)
{
    struct ed_point p;
    ed_point_zero(&p);
    for (unsigned bit = top; bit-- > 0;) {
        if (bit + 1 < top) ed_point_dbl(&p, &p);
        for (size_t i = 0; i < n; i++) {
            unsigned k = bit / g[i].window;
            if (bit % g[i].window != 0 || k >= g[i].digits) continue;
            size_t row = g[i].kept ? ED_KEY_ROW : ED_POINT_ROW;
            for (unsigned j = 0; j < ED_LANES; j++) {
                int d = g[i].digit[k][j];
                if (d == 0) continue;
                ed_point_add_row(&p, &p, g[i].table[j] + ((size_t)(d < 0 ? -d : d) - 1) * row,
                                 g[i].kept, d < 0);
            }
        }
    }
    *ret = p;
}
unsigned ed_windows(const struct ed_bucket_term *t, size_t n)
{
    unsigned most = 0;
    for (size_t i = 0; i < n; i++) most = SN_MAX(most, (unsigned)t[i].windows);
    return most;
}
/* Every bucket times its digit: sums of sums from the top. */
static void join_buckets(struct ed_point *ret, const struct ed_point *slot)
{
    struct ed_point run;
    uint64_t row[ED_POINT_ROW];
    ed_point_zero(ret);
    ed_point_zero(&run);
    for (unsigned d = ED_BUCKET_SLOTS - 1; d > 0; d--) {
        ed_point_row(row, &slot[d]);
        ed_point_add_row(&run, &run, row, false, false);
        ed_point_row(row, &run);
        ed_point_add_row(ret, ret, row, false, false);
    }
}
static void buckets(struct ed_point *ret, const struct ed_bucket_term *t, size_t n,
                    struct ed_point *mem)
{
    unsigned windows = ed_windows(t, n);
    for (size_t i = 0; i < (size_t)windows * ED_BUCKET_SLOTS; i++) ed_point_zero(&mem[i]);
    for (size_t i = 0; i < n; i++)
        for (unsigned w = 0; w < t[i].windows; w++) {
            int d = t[i].digit[w];
            struct ed_point *slot = &mem[w * ED_BUCKET_SLOTS + (unsigned)(d < 0 ? -d : d)];
            if (d != 0) ed_point_add_row(slot, slot, t[i].row, t[i].kept, d < 0);
        }
    ed_point_zero(ret);
    for (unsigned w = windows; w-- > 0;) {
        struct ed_point sum;
        uint64_t row[ED_POINT_ROW];
        for (unsigned i = 0; i < ED_BUCKET_BITS; i++) ed_point_dbl(ret, ret);
        join_buckets(&sum, mem + (size_t)w * ED_BUCKET_SLOTS);
        ed_point_row(row, &sum);
        ed_point_add_row(ret, ret, row, false, false);
    }
}
static int hash(uint8_t (*ret)[64], const struct ed_hash_in *in, size_t n)
{
    struct sn_hasher h;
    int r = sn_hasher_init(&h, SN_SHA512);
    if (r < 0) return r;
    for (size_t i = 0; i < n && r == 0; i++) {
        sn_hasher_put(&h, in[i].r, 32);
        sn_hasher_put(&h, in[i].key, 32);
        sn_hasher_put(&h, in[i].msg, in[i].msg_len);
        r = sn_hasher_final(&h, ret[i]);
    }
    sn_hasher_done(&h);
    return r;
}

/* Half of the rows, which hold x, y and z, become rows with z = 1: the divisions share one
 * inversion. */
#define NORMALISED (ED_KEY_PIECES / 2 * ED_KEY_ENTRIES)
static SN_NOINLINE void normalise(struct sn_ed25519_key *k, unsigned half)
{
    uint64_t *row[NORMALISED];
    struct fe51 before[NORMALISED + 1], inv;
    fe51_set(&before[0], 1);
    for (unsigned i = 0; i < NORMALISED; i++) {
        struct fe51 z;
        row[i] = k->row[half * (ED_KEY_PIECES / 2) + i / ED_KEY_ENTRIES][i % ED_KEY_ENTRIES];
        memcpy(&z, row[i] + 10, sizeof(z));
        fe51_mul(&before[i + 1], &before[i], &z);
    }
    fe51_inv(&inv, &before[NORMALISED]);
    for (unsigned i = NORMALISED; i-- > 0;) {
        uint64_t to[ED_POINT_ROW];
        struct fe51 p[3], z;
        struct ed_affine a;
        struct ed_point q;
        memcpy(p, row[i], sizeof(p));
        fe51_mul(&z, &inv, &before[i]);
        fe51_mul(&inv, &inv, &p[2]);
        fe51_mul(&a.x, &p[0], &z);
        fe51_mul(&a.y, &p[1], &z);
        ed_point_of_affine(&q, &a);
        ed_point_row(to, &q);
        memcpy(row[i], to, 15 * sizeof(to[0]));
    }
}
static void put_xyz(uint64_t *row, const struct ed_point *p)
{
    memcpy(row, &p->x, sizeof(p->x));
    memcpy(row + 5, &p->y, sizeof(p->y));
    memcpy(row + 10, &p->z, sizeof(p->z));
    row[15] = 0;
}
void ed_key_tables(struct sn_ed25519_key *ret, const struct ed_affine *a)
{
    struct ed_point p, q;
    ed_point_of_affine(&q, a);
    for (unsigned piece = 0; piece < ED_KEY_PIECES; piece++) {
        uint64_t row[ED_POINT_ROW];
        for (unsigned i = 0; piece > 0 && i < 64; i++) ed_point_dbl(&q, &q);
        ed_point_row(row, &q);
        put_xyz(ret->row[piece][0], &q);
        p = q;
        for (unsigned k = 1; k < ED_KEY_ENTRIES; k++) {
            ed_point_add_row(&p, &p, row, false, false);
            put_xyz(ret->row[piece][k], &p);
        }
    }
    for (unsigned half = 0; half < 2; half++) normalise(ret, half);
}

const struct ed_engine ed_portable = {
    .name = "portable",
    .decompress = decompress,
    .tables = tables,
    .sum = sum,
    .buckets = buckets,
    .hash = hash,
};
