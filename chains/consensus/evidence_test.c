/* SPDX-License-Identifier: Apache-2.0 */
/* Evidence against a past that the test makes up: double votes and light client attacks, each valid once
 * and then with one thing wrong; and the pool's life: report, block, expiry. */
#include "consensus/evidence.h"

#include "consensus/hash.h"
#include "consensus/sim_world_test.h"
#include "consensus/valset.h"
#include "harness/test.h"

#define N 4
#define CHAIN SN_STR("sim")

/* A chain of empty blocks by four validators; only headers and commits exist. */
struct past {
    struct sn_cons_valset *vals;
    struct sn_cons_header headers[32];
    int64_t latest;
    struct sn_cons_state state;
    struct sn_cons_history history;
};
static struct past past;

static void sign_commit(struct sn_cons_commit *c, const struct sn_cons_valset *vals, uint64_t who,
                        struct sn_arena *a)
{
    c->n = vals->n;
    c->sigs = SN_ARENA_ARRAY(a, struct sn_cons_commit_sig, vals->n);
    for (uint32_t i = 0; i < vals->n; i++) {
        struct sn_cons_commit_sig *s = &c->sigs[i];
        struct sn_cons_vote v;
        struct sn_buf buf;
        s->flag = who >> i & 1 ? SN_CONS_COMMIT : SN_CONS_ABSENT;
        s->time = SN_CONS_TIME_ZERO;
        if (s->flag == SN_CONS_ABSENT) continue;
        s->time = sn_cons_time_of_ns(5 * SN_SEC);
        memcpy(s->addr, vals->vals[i].addr, 20);
        sn_cons_commit_vote(c, i, &v);
        sn_buf_init(&buf, 0);
        T_OK(sn_cons_vote_sign_bytes(CHAIN, &v, &buf));
        sim_sign(&vals->vals[i].key, sn_buf_view(&buf), &s->sig);
        sn_buf_done(&buf);
    }
}
static int get_header(void *arg, int64_t height, struct sn_cons_header *ret)
{
    if (height < 1 || height > past.latest) return SN_E_NOT_FOUND;
    *ret = past.headers[height];
    return 0;
}
static int get_commit(void *arg, int64_t height, struct sn_arena *a, struct sn_cons_commit *ret)
{
    if (height < 1 || height > past.latest) return SN_E_NOT_FOUND;
    *ret = (struct sn_cons_commit){.height = height, .block_id.parts = {1, {32, {1}}}};
    T_OK(sn_cons_header_hash(&past.headers[height], &ret->block_id.hash));
    sign_commit(ret, past.vals, 15, a);
    return 0;
}
static int get_validators(void *arg, int64_t height, struct sn_cons_valset **ret)
{
    *ret = sn_cons_valset_ref(past.vals);
    return 0;
}
static int64_t get_latest(void *arg) { return past.latest; }

static void open_past(int64_t latest)
{
    struct sn_cons_validator v[N] = {0};
    for (int i = 0; i < N; i++)
        v[i] = (struct sn_cons_validator){.key = {SN_CONS_ED25519, 32, {(uint8_t)(i + 1)}}, .power = 10 + i};
    past = (struct past){.latest = latest};
    T_OK(sn_cons_valset_new(v, N, &past.vals));
    for (int64_t h = 1; h <= latest; h++) {
        struct sn_cons_header *x = &past.headers[h];
        *x = (struct sn_cons_header){.block_version = 11, .chain_id_len = 3, .chain_id = "sim", .height = h,
                                     .time = sn_cons_time_of_ns(h * SN_SEC), .proposer_len = 20,
                                     .app_hash = {1, {(uint8_t)h}}};
        T_OK(sn_cons_valset_hash(past.vals, &x->validators_hash));
        x->next_validators_hash = x->validators_hash;
    }
    past.state = (struct sn_cons_state){.refs = 1, .chain_id_len = 3, .chain_id = "sim",
                                        .last_height = latest, .params = sn_cons_params_default(),
                                        .last_time = sn_cons_time_of_ns(latest * SN_SEC)};
    past.history = (struct sn_cons_history){NULL, get_header, get_commit, get_validators, get_latest};
}
static void close_past(void) { sn_cons_valset_unref(past.vals); }
static int check(const struct sn_cons_evidence *ev)
{
    return sn_cons_evidence_verify(ev, &past.state, &past.history, &sim_verifier);
}

static struct sn_cons_vote vote(int who, uint8_t block)
{
    struct sn_cons_vote v = {.refs = 1, .type = SN_CONS_PREVOTE, .height = 3, .round = 1, .index = who,
                             .block_id = {{32, {block}}, {1, {32, {block}}}}};
    struct sn_buf buf;
    memcpy(v.addr, past.vals->vals[who].addr, 20);
    sn_buf_init(&buf, 0);
    T_OK(sn_cons_vote_sign_bytes(CHAIN, &v, &buf));
    sim_sign(&past.vals->vals[who].key, sn_buf_view(&buf), &v.sig);
    sn_buf_done(&buf);
    return v;
}

SN_TEST(evidence_double_votes)
{
    open_past(10);
    struct sn_cons_vote x = vote(1, 9), y = vote(1, 4), z = vote(2, 4), forged = vote(1, 5);
    struct sn_cons_evidence ev, bad;
    T_OK(sn_cons_evidence_of_votes(&x, &y, past.headers[3].time, past.vals, &ev));
    T_ASSERT(ev.vote_a == &y); /* sorted by block id */
    T_OK(check(&ev));
    forged.sig.b[0] ^= 1;
    struct sn_cons_vote later = y;
    later.height = 4;
    for (int i = 0; i < 7; i++) {
        sn_test_row("fault %d", i);
        bad = ev;
        if (i == 0) bad.time.sec++;
        if (i == 1) bad.total_power++;
        if (i == 2) bad.validator_power++;
        if (i == 3) bad.vote_b = &z;
        if (i == 4) bad.vote_b = bad.vote_a;
        if (i == 5) bad.vote_b = &forged;
        if (i == 6) bad.vote_b = &later;
        T_EQ(check(&bad), SN_E_INVALID_ARGUMENT);
    }
    past.state.params.evidence_max_blocks = 5;
    T_OK(check(&ev)); /* old by blocks alone */
    past.state.params.evidence_max_ns = 5 * SN_SEC;
    T_EQ(check(&ev), SN_E_FAILED_PRECONDITION);
    past.latest = 2;
    T_EQ(check(&ev), SN_E_NOT_FOUND);
    close_past();
}

/* A forged block of height 8 (lunatic), or a second block of height 8 with our state (equivocation,
 * amnesia), signed by `who` in `round`. */
static void attack(struct sn_cons_evidence *ev, struct sn_cons_light_block *lb, bool forged, uint64_t who,
                   int32_t round, int64_t common, struct sn_arena *a)
{
    *lb = (struct sn_cons_light_block){.header = past.headers[8], .vals = past.vals};
    if (forged) lb->header.app_hash.b[0] ^= 1;
    lb->header.data_hash = (struct sn_cons_hash){32, {7}};
    lb->commit = (struct sn_cons_commit){.height = 8, .round = round, .block_id.parts = {1, {32, {7}}}};
    T_OK(sn_cons_header_hash(&lb->header, &lb->commit.block_id.hash));
    sign_commit(&lb->commit, past.vals, who, a);
    *ev = (struct sn_cons_evidence){.kind = SN_CONS_LIGHT_ATTACK, .conflicting = lb, .common_height = common,
                                    .total_power = past.vals->total, .time = past.headers[common].time};
    struct sn_cons_commit ours;
    T_OK(get_commit(NULL, 8, a, &ours));
    T_OK(sn_cons_evidence_byzantine(ev, past.vals, &past.headers[8], &ours, a, &ev->byzantine,
                                    &ev->n_byzantine));
}

SN_TEST(evidence_light_client_attacks)
{
    struct sn_arena a;
    struct sn_cons_evidence ev, bad;
    struct sn_cons_light_block lb;
    sn_arena_init(&a, NULL, 0);
    open_past(10);
    attack(&ev, &lb, true, 13, 0, 4, &a); /* lunatic: who signed is to blame */
    T_EQ(ev.n_byzantine, 3);
    T_OK(check(&ev));
    /* #5638: whom evidence names is made anew and compared. */
    for (int i = 0; i < 7; i++) {
        sn_test_row("fault %d", i);
        bad = ev;
        struct sn_cons_validator accused[4] = {0};
        memcpy(accused, ev.byzantine, 3 * sizeof(accused[0]));
        bad.byzantine = accused;
        if (i == 0) bad.n_byzantine--;
        if (i == 1) accused[1].power++;
        if (i == 2) accused[1].addr[0] ^= 1;
        if (i == 3) accused[1].key.b[0] ^= 1; /* an address without its key */
        if (i == 4) bad.total_power--;
        if (i == 5) bad.n_byzantine++; /* by one that has neither key nor address */
        if (i == 6) bad.n_byzantine = 0;
        T_EQ(check(&bad), SN_E_INVALID_ARGUMENT);
    }
    attack(&ev, &lb, true, 13, 0, 8, &a); /* forged at the common height: that cannot be */
    T_EQ(check(&ev), SN_E_INVALID_ARGUMENT);
    attack(&ev, &lb, true, 1, 0, 4, &a); /* not even a third of ours signed */
    T_ASSERT(check(&ev) < 0);
    attack(&ev, &lb, false, 7, 0, 8, &a); /* equivocation in one round */
    T_EQ(ev.n_byzantine, 3);
    T_OK(check(&ev));
    attack(&ev, &lb, false, 7, 1, 8, &a); /* amnesia: nobody can be named */
    T_EQ(ev.n_byzantine, 0);
    T_OK(check(&ev));
    lb.commit.sigs[0].sig.b[3] ^= 1;
    T_EQ(check(&ev), SN_E_INVALID_ARGUMENT);
    close_past();
    sn_arena_done(&a);
}

/* #5777: votes, validators and blocks that are left out of what must have them. */
SN_TEST(evidence_of_nothing)
{
    static const struct {
        const char *what, *bytes;
        size_t n;
        bool msg;
    } rows[] = {
        {"no evidence", "", 0, false},
        {"two votes, none there", "\x0a\x00", 2, false},
        {"empty votes", "\x0a\x04\x0a\x00\x12\x00", 6, false},
        {"an attack without a block", "\x12\x00", 2, false},
        {"an attack by an empty validator", "\x12\x06\x0a\x00\x10\x01\x1a\x00", 8, false},
        {"a vote message without a vote", "\x32\x00", 2, true},
        {"a proposal message without one", "\x1a\x00", 2, true},
        {"a part message without a part", "\x2a\x00", 2, true},
    };
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_str in = sn_str_of(rows[i].bytes, rows[i].n);
        struct sn_cons_evidence ev;
        struct sn_cons_msg m;
        sn_test_row("%s", rows[i].what);
        T_EQ(rows[i].msg ? sn_cons_msg_decode(in, &a, &m) : sn_cons_evidence_decode(in, &a, &ev),
             SN_E_INVALID_ARGUMENT);
    }
    sn_arena_done(&a);
}

SN_TEST(evidence_pool)
{
    struct sn_arena a;
    struct sn_cons_evpool *p;
    struct sn_cons_evidence **list;
    uint32_t n;
    int64_t bytes;
    struct sn_cons_block *b = sn_cons_block_new(0);
    sn_arena_init(&a, NULL, 0);
    open_past(10);
    struct sn_cons_vote x = vote(1, 9), y = vote(1, 4), z = vote(2, 9), w = vote(2, 4);
    T_OK(sn_cons_evpool_new(&past.state, &past.history, &sim_verifier, &p));
    struct sn_cons_vote *keep[4] = {sn_cons_vote_new(&x), sn_cons_vote_new(&y), sn_cons_vote_new(&z),
                                    sn_cons_vote_new(&w)};
    T_OK(sn_cons_evpool_report(p, keep[0], keep[1]));
    T_OK(sn_cons_evpool_report(p, keep[2], keep[3]));
    T_OK(sn_cons_evpool_pending(p, 1 << 20, &a, &list, &n, &bytes));
    T_EQ(n, 0); /* not before their height has its block */
    T_OK(sn_cons_evpool_update(p, &past.state, b));
    T_OK(sn_cons_evpool_pending(p, 1 << 20, &a, &list, &n, &bytes));
    T_EQ(n, 2);
    T_EQ(sn_cons_evpool_add(p, list[0]), 0); /* known */
    uint32_t fewer;
    int64_t half;
    struct sn_cons_evidence **part;
    T_OK(sn_cons_evpool_pending(p, bytes - 1, &a, &part, &fewer, &half));
    T_EQ(fewer, 1);
    /* A block with both; twice the same is refused. */
    struct sn_cons_evidence *same[2] = {list[0], list[0]};
    b->evidence = same;
    b->n_evidence = 2;
    T_EQ(sn_cons_evpool_check(p, &past.state, b), SN_E_INVALID_ARGUMENT);
    b->evidence = list;
    T_OK(sn_cons_evpool_check(p, &past.state, b));
    struct sn_cons_evidence ev;
    T_OK(sn_cons_evidence_of_votes(keep[0], keep[1], past.headers[3].time, past.vals, &ev));
    struct sn_cons_evidence ev2;
    T_OK(sn_cons_evidence_of_votes(keep[2], keep[3], past.headers[3].time, past.vals, &ev2));
    struct sn_cons_evidence *own[2] = {&ev, &ev2};
    b->evidence = own;
    T_OK(sn_cons_evpool_update(p, &past.state, b));
    T_OK(sn_cons_evpool_pending(p, 1 << 20, &a, &list, &n, &bytes));
    T_EQ(n, 0);
    T_EQ(sn_cons_evpool_check(p, &past.state, b), SN_E_INVALID_ARGUMENT); /* committed before */
    T_EQ(sn_cons_evpool_add(p, &ev), 0);
    b->n_evidence = 0;
    sn_cons_evpool_free(p);
    for (int i = 0; i < 4; i++) sn_cons_vote_unref(keep[i]);
    sn_cons_block_unref(b);
    close_past();
    sn_arena_done(&a);
}
