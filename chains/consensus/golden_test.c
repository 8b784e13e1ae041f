/* SPDX-License-Identifier: Apache-2.0 */
/* What CometBFT 0.38.25's own library printed (tests/interop/consensus): every encoding decodes and
 * encodes to the same bytes, every hash and sign byte is equal, every commit gets the same verdict. */
#include <stdlib.h>

#include "consensus/codec.h"
#include "consensus/commit.h"
#include "consensus/genesis.h"
#include "consensus/hash.h"
#include "consensus/key.h"
#include "consensus/part_set.h"
#include "consensus/state.h"
#include "consensus/valset.h"
#include "crypto/hash.h"
#include "harness/test.h"
/* Needs the harness. */
#include "consensus/golden_test.h"
#include "crypto/ed25519.h"
#include "crypto/hash.h"
#include "crypto/secp256k1.h"

#define CHAIN SN_STR("golden-chain")

const char *golden_dir(void)
{
    const char *dir = getenv("SN_CONS_GOLDEN");
    return dir ? dir : SN_CONS_GOLDEN;
}

static void expect(const struct sn_buf *got, struct sn_str want, const char *what)
{
    T_ASSERTF(got->err == 0 && sn_str_eq(sn_buf_view(got), want), "%s: %zu bytes, expected %zu%s",
              what, got->len, want.len, got->len == want.len ? " others" : "");
}
static void expect_hash(const struct sn_cons_hash *got, struct sn_str want, const char *what)
{
    T_ASSERTF(sn_str_eq(sn_str_of((const char *)got->b, got->len), want), "%s differs", what);
}

/* ---- one function per kind of line; f[0] is the kind ---- */

static void key_line(const struct sn_str *f, struct sn_buf *b)
{
    struct sn_cons_key k;
    uint8_t addr[20];
    struct sn_cons_sig sig = {.len = 64};
    unsigned type = sn_str_eqc(f[1], "ed25519") ? SN_CONS_ED25519 : SN_CONS_SECP256K1;
    T_OK(sn_cons_key_set(&k, type, golden_bytes(f[2])));
    T_OK(sn_cons_key_addr(&k, addr));
    T_ASSERT(memcmp(addr, golden_bytes(f[3]).ptr, 20) == 0);
    memcpy(sig.b, golden_bytes(f[4]).ptr, 64);
    T_EQ(sn_cons_verify(&sn_cons_verifier_zip215, &k, SN_STR("sennit"), &sig), 1);
    T_EQ(sn_cons_verify(&sn_cons_verifier_zip215, &k, SN_STR("Sennit"), &sig), 0);
    sig.b[40] ^= 1;
    T_EQ(sn_cons_verify(&sn_cons_verifier_zip215, &k, SN_STR("sennit"), &sig), 0);
}

static unsigned n_votes, n_proposals;
static struct sn_str chain_of(char mem[8], unsigned i)
{
    snprintf(mem, 8, "c%u", i);
    return sn_str(mem);
}
static void vote_line(const struct sn_str *f, struct sn_buf *b)
{
    struct sn_cons_vote *v;
    char mem[8];
    struct sn_str chain = chain_of(mem, n_votes++);
    T_OK(sn_cons_vote_decode(golden_bytes(f[1]), &v));
    T_OK(sn_cons_vote_encode(v, b));
    expect(b, golden_bytes(f[1]), "encoding");
    sn_buf_reset(b);
    T_OK(sn_cons_vote_sign_bytes(chain, v, b));
    expect(b, golden_bytes(f[2]), "sign bytes");
    sn_buf_reset(b);
    T_OK(sn_cons_extension_sign_bytes(chain, v, b));
    expect(b, golden_bytes(f[3]), "extension sign bytes");
    sn_cons_vote_unref(v);
}
static void proposal_line(const struct sn_str *f, struct sn_buf *b)
{
    struct sn_cons_proposal p;
    char mem[8];
    T_OK(sn_cons_proposal_decode(golden_bytes(f[1]), &p));
    T_OK(sn_cons_proposal_encode(&p, b));
    expect(b, golden_bytes(f[1]), "encoding");
    sn_buf_reset(b);
    T_OK(sn_cons_proposal_sign_bytes(chain_of(mem, n_proposals++), &p, b));
    expect(b, golden_bytes(f[2]), "sign bytes");
}
static void commit_line(const struct sn_str *f, struct sn_buf *b)
{
    struct sn_arena a;
    struct sn_cons_commit c;
    struct sn_cons_hash h;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_cons_commit_decode(golden_bytes(f[1]), &a, &c));
    T_OK(sn_cons_commit_encode(&c, b));
    expect(b, golden_bytes(f[1]), "encoding");
    T_OK(sn_cons_commit_hash(&c, &h));
    expect_hash(&h, golden_bytes(f[2]), "hash");
    sn_arena_done(&a);
}
static void ext_commit_line(const struct sn_str *f, struct sn_buf *b)
{
    struct sn_arena a;
    struct sn_cons_commit c;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_cons_ext_commit_decode(golden_bytes(f[1]), &a, &c));
    T_OK(sn_cons_ext_commit_encode(&c, b));
    expect(b, golden_bytes(f[1]), "encoding");
    sn_arena_done(&a);
}
static void header_line(const struct sn_str *f, struct sn_buf *b)
{
    struct sn_cons_header x;
    struct sn_cons_hash h;
    T_OK(sn_cons_header_decode(golden_bytes(f[1]), &x));
    T_OK(sn_cons_header_encode(&x, b));
    expect(b, golden_bytes(f[1]), "encoding");
    T_OK(sn_cons_header_hash(&x, &h));
    expect_hash(&h, golden_bytes(f[2]), "hash");
}
static void valset_line(const struct sn_str *f, struct sn_buf *b)
{
    struct sn_cons_valset *s;
    struct sn_cons_hash h;
    T_OK(sn_cons_valset_decode(golden_bytes(f[1]), &s));
    T_OK(sn_cons_valset_encode(s, b));
    expect(b, golden_bytes(f[1]), "encoding");
    T_OK(sn_cons_valset_hash(s, &h));
    expect_hash(&h, golden_bytes(f[2]), "hash");
    sn_cons_valset_unref(s);
}
static void light_block_line(const struct sn_str *f, struct sn_buf *b)
{
    struct sn_arena a;
    struct sn_cons_light_block x;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_cons_light_block_decode(golden_bytes(f[1]), &a, &x));
    T_OK(sn_cons_light_block_encode(&x, b));
    expect(b, golden_bytes(f[1]), "encoding");
    sn_arena_done(&a);
}
static void evidence_line(const struct sn_str *f, struct sn_buf *b)
{
    struct sn_arena a;
    struct sn_cons_evidence ev, *list = &ev;
    struct sn_cons_hash h;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_cons_evidence_decode(golden_bytes(f[1]), &a, &ev));
    T_OK(sn_cons_evidence_encode(&ev, b));
    expect(b, golden_bytes(f[1]), "encoding");
    T_OK(sn_cons_evidence_id(&ev, &h));
    expect_hash(&h, golden_bytes(f[2]), "id");
    T_OK(sn_cons_evidence_hash(&list, 1, &h));
    expect_hash(&h, golden_bytes(f[3]), "hash of the list");
    sn_arena_done(&a);
}
static void results_line(const struct sn_str *f, struct sn_buf *b)
{
    struct sn_cons_tx_result t[16];
    size_t n = 0;
    struct sn_cons_hash h;
    for (size_t i = 2; f[i].ptr; i += 4)
        t[n++] = (struct sn_cons_tx_result){(uint32_t)golden_i64(f[i]), golden_bytes(f[i + 1]),
                                            golden_i64(f[i + 2]), golden_i64(f[i + 3])};
    T_OK(sn_cons_results_hash(t, n, &h));
    expect_hash(&h, golden_bytes(f[1]), "results hash");
}
static void params_line(const struct sn_str *f, struct sn_buf *b)
{
    struct sn_cons_params p = sn_cons_params_default();
    struct sn_cons_hash h;
    p.block_max_bytes = golden_i64(f[1]);
    p.block_max_gas = golden_i64(f[2]);
    T_OK(sn_cons_params_hash(&p, &h));
    expect_hash(&h, golden_bytes(f[3]), "parameters' hash");
}
static void block_line(const struct sn_str *f, struct sn_buf *b)
{
    struct sn_cons_block *x;
    struct sn_cons_part_set *parts;
    T_OK(sn_cons_block_decode(golden_bytes(f[1]), &x));
    T_OK(sn_cons_block_encode(x, b));
    expect(b, golden_bytes(f[1]), "encoding");
    expect_hash(&x->hash, golden_bytes(f[2]), "hash");
    T_OK(sn_cons_part_set_split(sn_buf_view(b), &parts));
    T_EQ(parts->header.total, golden_i64(f[3]));
    expect_hash(&parts->header.hash, golden_bytes(f[4]), "part set hash");
    sn_cons_part_set_unref(parts);
    sn_cons_block_unref(x);
}

/* The parts of the block that a "parts" line announced. */
static struct sn_cons_part_set *collecting;
static struct sn_cons_hash collected_hash;
static void parts_line(const struct sn_str *f, struct sn_buf *b)
{
    struct sn_cons_part_set_header h = {.total = (uint32_t)golden_i64(f[2]), .hash.len = 32};
    memcpy(h.hash.b, golden_bytes(f[3]).ptr, 32);
    T_OK(sn_cons_part_set_new(&h, &collecting));
    collected_hash.len = 32;
    memcpy(collected_hash.b, golden_bytes(f[1]).ptr, 32);
}
static void collect(const struct sn_cons_part *p)
{
    struct sn_cons_part wrong = *p;
    wrong.leaf_hash[3] ^= 1;
    T_EQ(sn_cons_part_set_add(collecting, &wrong), SN_E_INVALID_ARGUMENT);
    T_EQ(sn_cons_part_set_add(collecting, p), 1);
    T_EQ(sn_cons_part_set_add(collecting, p), 0);
    if (!sn_cons_part_set_complete(collecting)) return;
    struct sn_buf b;
    struct sn_cons_block *x;
    struct sn_cons_part_set *again;
    sn_buf_init(&b, 0);
    T_OK(sn_cons_part_set_join(collecting, &b));
    T_OK(sn_cons_block_decode(sn_buf_view(&b), &x));
    T_ASSERT(sn_cons_hash_eq(&x->hash, &collected_hash));
    T_OK(sn_cons_part_set_split(sn_buf_view(&b), &again));
    T_ASSERT(sn_cons_part_set_header_eq(&again->header, &collecting->header));
    for (uint32_t i = 0; i < again->header.total; i++)
        T_ASSERT(again->parts[i]->n_aunts == collecting->parts[i]->n_aunts &&
                 memcmp(again->parts[i]->aunts, collecting->parts[i]->aunts,
                        again->parts[i]->n_aunts * 32) == 0);
    sn_cons_part_set_unref(again);
    sn_cons_block_unref(x);
    sn_buf_done(&b);
    sn_cons_part_set_unref(collecting);
}
static void msg_line(const struct sn_str *f, struct sn_buf *b)
{
    struct sn_arena a;
    struct sn_cons_msg m;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_cons_msg_decode(golden_bytes(f[1]), &a, &m));
    T_OK(sn_cons_msg_encode(&m, b));
    expect(b, golden_bytes(f[1]), "encoding");
    if (m.kind == SN_CONS_MSG_BLOCK_PART) collect(&m.part);
    sn_arena_done(&a);
}
static void state_line(const struct sn_str *f, struct sn_buf *b)
{
    struct sn_cons_state *s;
    T_OK(sn_cons_state_decode(golden_bytes(f[1]), &s));
    T_OK(sn_cons_state_encode(s, b));
    expect(b, golden_bytes(f[1]), "encoding");
    sn_cons_state_unref(s);
}
static void median_line(const struct sn_str *f, struct sn_buf *b)
{
    struct sn_arena a;
    struct sn_cons_valset *s;
    struct sn_cons_commit c;
    struct sn_cons_time t;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_cons_valset_decode(golden_bytes(f[1]), &s));
    T_OK(sn_cons_commit_decode(golden_bytes(f[2]), &a, &c));
    T_OK(sn_cons_median_time(&c, s, false, &t));
    T_EQ(t.sec, golden_i64(f[3]));
    T_EQ(t.nsec, golden_i64(f[4]));
    sn_cons_valset_unref(s);
    sn_arena_done(&a);
}

static const struct {
    const char *kind;
    unsigned min; /* lines there must be */
    void (*fn)(const struct sn_str *f, struct sn_buf *b);
} kinds[] = {{"key", 16, key_line},          {"vote", 40, vote_line},
             {"proposal", 20, proposal_line}, {"commit", 8, commit_line},
             {"ext_commit", 8, ext_commit_line}, {"header", 8, header_line},
             {"valset", 8, valset_line},     {"light_block", 8, light_block_line},
             {"evidence", 12, evidence_line}, {"results", 4, results_line},
             {"params", 4, params_line},     {"block", 5, block_line},
             {"parts", 1, parts_line},       {"msg", 10, msg_line},
             {"state", 2, state_line},       {"median", 1, median_line}};

SN_TEST(golden_values)
{
    struct golden g;
    unsigned seen[SN_COUNT_OF(kinds)] = {0}, lines = 0;
    struct sn_buf b;
    sn_buf_init(&b, 0);
    golden_open(&g, "values.txt");
    for (struct sn_str *f; (f = golden_line(&g)); lines++) {
        size_t k = 0;
        while (k < SN_COUNT_OF(kinds) && !sn_str_eqc(f[0], kinds[k].kind)) k++;
        T_ASSERTF(k < SN_COUNT_OF(kinds), "line %u has an unknown kind", lines);
        sn_test_row("line %u, %s %u", lines + 1, kinds[k].kind, seen[k]);
        sn_buf_reset(&b);
        kinds[k].fn(f, &b);
        seen[k]++;
    }
    for (size_t k = 0; k < SN_COUNT_OF(kinds); k++)
        T_ASSERTF(seen[k] >= kinds[k].min, "%u lines of %s", seen[k], kinds[k].kind);
    sn_buf_done(&b);
    golden_close(&g);
}

SN_TEST(golden_commit_verdicts)
{
    struct golden g;
    unsigned cases = 0, accepted = 0;
    golden_open(&g, "commits.txt");
    for (struct sn_str *f; (f = golden_line(&g)); cases++) {
        sn_test_row("case %u", cases);
        struct sn_arena a;
        struct sn_cons_valset *vals, *trusted;
        struct sn_cons_commit c;
        struct sn_cons_block_id id = {.hash.len = 32, .parts.hash.len = 32};
        sn_arena_init(&a, NULL, 0);
        T_OK(sn_cons_valset_decode(golden_bytes(f[1]), &vals));
        T_OK(sn_cons_valset_decode(golden_bytes(f[2]), &trusted));
        T_OK(sn_cons_commit_decode(golden_bytes(f[3]), &a, &c));
        int64_t height = golden_i64(f[4]);
        memcpy(id.hash.b, golden_bytes(f[5]).ptr, 32);
        id.parts.total = (uint32_t)golden_i64(f[6]);
        memcpy(id.parts.hash.b, golden_bytes(f[7]).ptr, 32);
        const struct sn_cons_verifier *v = &sn_cons_verifier_zip215;
        int got[] = {
            sn_cons_commit_verify(v, CHAIN, vals, &c, height, &id),
            sn_cons_commit_verify_light(v, CHAIN, vals, &c, height, &id, 0),
            sn_cons_commit_verify_light(v, CHAIN, vals, &c, height, &id, SN_CONS_ALL_SIGNATURES),
            sn_cons_commit_verify_trusting(v, CHAIN, trusted, &c, (struct sn_cons_fraction){1, 3}, 0),
            sn_cons_commit_verify_trusting(v, CHAIN, trusted, &c, (struct sn_cons_fraction){2, 3},
                                           SN_CONS_ALL_SIGNATURES)};
        for (size_t i = 0; i < SN_COUNT_OF(got); i++) {
            T_ASSERTF((got[i] == 0) == golden_i64(f[8 + i]), "rule %zu: %d, expected %s", i, got[i],
                      golden_i64(f[8 + i]) ? "acceptance" : "refusal");
            accepted += got[i] == 0;
        }
        sn_cons_valset_unref(vals);
        sn_cons_valset_unref(trusted);
        sn_arena_done(&a);
    }
    T_ASSERTF(cases > 80 && accepted > 100 && accepted < 5 * cases - 100, "%u of %u", accepted, cases);
    golden_close(&g);
}

/* ---- lives of validator sets; the same numbers are drawn in tests/interop/consensus ---- */

#define POOL 24
struct rng {
    uint64_t s;
};
static uint64_t rng_next(struct rng *r)
{
    uint64_t z = (r->s += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}
static uint64_t rng_below(struct rng *r, uint64_t n) { return rng_next(r) % n; }
static struct sn_cons_validator pool_validator(uint64_t i, int64_t power)
{
    struct sn_cons_validator v = {.key = {.type = SN_CONS_ED25519, .len = 32}, .power = power};
    for (unsigned k = 0; k < 8; k++) v.key.b[k] = (uint8_t)((i + 1) >> (8 * k));
    return v;
}
static int64_t draw_power(struct rng *r, uint64_t style)
{
    if (style == 0) return (int64_t)(1 + rng_below(r, 100));
    if (style == 1) return (int64_t)(1 + rng_below(r, 1ull << 40));
    if (style == 2) return (int64_t)(1 + rng_below(r, SN_CONS_POWER_MAX / POOL));
    if (rng_below(r, 4) == 0) return (int64_t)(1 + rng_below(r, SN_CONS_POWER_MAX));
    return (int64_t)(1 + rng_below(r, 1000));
}
static void put_be(struct sn_hasher *h, int64_t v)
{
    uint8_t b[8];
    for (unsigned i = 0; i < 8; i++) b[i] = (uint8_t)((uint64_t)v >> (56 - 8 * i));
    sn_hasher_put(h, b, 8);
}
static void digest(struct sn_hasher *h, const struct sn_cons_valset *s, int err)
{
    uint8_t failed = err < 0;
    sn_hasher_put(h, &failed, 1);
    for (uint32_t i = 0; i < s->n; i++) {
        sn_hasher_put(h, s->vals[i].addr, 20);
        put_be(h, s->vals[i].power);
        put_be(h, s->vals[i].priority);
    }
    const struct sn_cons_validator *p = sn_cons_valset_proposer(s);
    if (p) sn_hasher_put(h, p->addr, 20);
}
static int change(struct rng *r, uint64_t style, struct sn_cons_valset **s)
{
    struct sn_cons_validator c[5];
    uint32_t k = (uint32_t)(1 + rng_below(r, 5));
    for (uint32_t i = 0; i < k; i++) {
        int64_t p = draw_power(r, style);
        if (rng_below(r, 3) == 0) p = 0;
        c[i] = pool_validator(rng_below(r, POOL), p);
    }
    struct sn_cons_valset *n = sn_cons_valset_copy(*s);
    T_ASSERT(n);
    int err = sn_cons_valset_update(n, c, k);
    if (err < 0) {
        sn_cons_valset_unref(n);
        return err;
    }
    sn_cons_valset_advance(n, 1);
    sn_cons_valset_unref(*s);
    *s = n;
    return 0;
}
static void life(uint64_t seed, char out[17])
{
    struct rng r = {seed};
    struct sn_hasher h;
    struct sn_cons_validator start[12];
    struct sn_cons_valset *s;
    struct sn_cons_hash vh;
    uint8_t d[32];
    T_OK(sn_hasher_init(&h, SN_SHA256));
    uint64_t style = rng_below(&r, 4);
    uint32_t n = (uint32_t)(1 + rng_below(&r, 12));
    for (uint32_t i = 0; i < n; i++) start[i] = pool_validator(i, draw_power(&r, style % 2));
    T_OK(sn_cons_valset_new(start, n, &s));
    digest(&h, s, 0);
    for (uint64_t steps = 1 + rng_below(&r, 30); steps > 0; steps--) {
        int err = 0;
        uint64_t op = rng_below(&r, 4);
        if (op == 0) err = change(&r, style, &s);
        else sn_cons_valset_advance(s, op == 1 ? (int32_t)(1 + rng_below(&r, 200)) : 1);
        digest(&h, s, err);
    }
    T_OK(sn_cons_valset_hash(s, &vh));
    sn_hasher_put(&h, vh.b, vh.len);
    T_OK(sn_hasher_final(&h, d));
    sn_hex_encode(d, 8, out);
    out[16] = 0;
    sn_hasher_done(&h);
    sn_cons_valset_unref(s);
}

SN_TEST_SLOW(golden_validator_sets, 120)
{
    struct golden g;
    char got[17];
    unsigned n = 0;
    golden_open(&g, "valsets.txt");
    for (struct sn_str *f; (f = golden_line(&g)); n++) {
        sn_test_row("seed %.*s", SN_STR_ARG(f[0]));
        life((uint64_t)golden_i64(f[0]), got);
        T_STR(f[1], got);
    }
    T_ASSERT(n >= 2000);
    golden_close(&g);
}

SN_TEST(golden_genesis)
{
    struct golden g;
    struct sn_arena a;
    struct sn_cons_genesis doc;
    struct sn_buf b;
    struct sn_cons_state *s;
    golden_open(&g, "genesis.json");
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&b, 0);
    T_OK(sn_cons_genesis_parse(g.text, &a, &doc));
    T_OK(sn_cons_genesis_print(&doc, &b));
    expect(&b, g.text, "genesis.json");
    T_EQ(doc.n_validators, 4);
    T_ASSERT(sn_str_starts(doc.app_state, SN_STR("{\n    \"b\": [")));
    T_OK(sn_cons_genesis_state(&doc, &s));
    sn_cons_state_unref(s);
    static const struct {
        const char *json, *want;
    } bad[] = {{"{\"chain_id\":\"\"}", "chain_id"},
               {"{\"chain_id\":\"c\",\"initial_height\":\"-1\"}", "initial_height"},
               {"{\"chain_id\":\"c\",\"initial_height\":\"x\"}", "initial_height"},
               {"{\"chain_id\":\"c\",\"genesis_time\":\"2026-02-30T00:00:00Z\"}", "genesis_time"},
               {"{\"chain_id\":\"c\",\"validators\":[{\"power\":\"1\"}]}", "validators[0]"},
               {"{\"chain_id\":\"c\",\"consensus_params\":{\"block\":{\"max_bytes\":\"0\"}}}",
                "block.max_bytes"},
               {"{\"chain_id\":\"c\",\"app_hash\":\"0g\"}", "app_hash"}};
    for (size_t i = 0; i < SN_COUNT_OF(bad); i++) {
        sn_test_row("%s", bad[i].json);
        int r = sn_cons_genesis_parse(sn_str(bad[i].json), &a, &doc);
        T_EQ(r, SN_E_INVALID_ARGUMENT);
        T_ASSERTF(strstr(sn_diag_str(r), bad[i].want), "%s", sn_diag_str(r));
    }
    sn_buf_done(&b);
    sn_arena_done(&a);
    golden_close(&g);
}

/* More than one batch, with bad ones among them: each gets its own verdict. */
SN_TEST(verifier_batches)
{
    enum { N = 150 };
    static struct sn_cons_key keys[N];
    static struct sn_cons_sig sigs[N];
    static struct sn_cons_check checks[N];
    uint8_t secret[SN_ED25519_SECRET_LEN], seed[SN_ED25519_SEED_LEN] = {0}, digest[32];
    unsigned recovery;
    const struct sn_str msg = SN_STR("vote");
    for (unsigned i = 0; i < N; i++) {
        seed[0] = (uint8_t)i;
        T_OK(sn_ed25519_from_seed(secret, seed));
        keys[i] = (struct sn_cons_key){.type = SN_CONS_ED25519, .len = 32};
        memcpy(keys[i].b, secret + 32, 32);
        sigs[i].len = 64;
        T_OK(sn_ed25519_sign(secret, msg.ptr, msg.len, sigs[i].b));
        checks[i] = (struct sn_cons_check){.key = &keys[i], .msg = msg, .sig = &sigs[i]};
    }
    sigs[3].b[5] ^= 1;
    sigs[70].len = 0;
    checks[100].msg = SN_STR("other");
    keys[140] = keys[141] = (struct sn_cons_key){.type = SN_CONS_SECP256K1, .len = 33};
    seed[0] = 1;
    T_OK(sn_secp256k1_compressed(seed, keys[141].b));
    T_OK(sn_hash_once(SN_SHA256, msg.ptr, msg.len, digest));
    T_OK(sn_secp256k1_sign(seed, digest, sigs[141].b, &recovery));
    T_OK(sn_cons_verifier_zip215.verify(&sn_cons_verifier_zip215, checks, N));
    for (unsigned i = 0; i < N; i++) {
        sn_test_row("%u", i);
        T_EQ(checks[i].ok, i != 3 && i != 70 && i != 100 && i != 140);
    }
    T_OK(sn_cons_verifier_zip215.verify(&sn_cons_verifier_zip215, checks, 0));
}
