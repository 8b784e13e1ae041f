/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/light/light_chain_test.c - a chain is a table of light blocks in one arena. */
#include "consensus/light/light_chain_test.h"

#include <stdlib.h>

#include "consensus/hash.h"
#include "consensus/key.h"
#include "consensus/state.h"
#include "consensus/valset.h"
#include "core/alloc.h"
#include "crypto/hash.h"
#include "fiber/fiber.h"
#include "harness/test.h"

/* ---- signatures ---- */

static void sign(const struct sn_cons_key *key, struct sn_str msg, struct sn_cons_sig *ret)
{
    *ret = (struct sn_cons_sig){.len = 64};
    (void)!sn_hmac_once(SN_SHA256, key->b, key->len, msg.ptr, msg.len, ret->b);
}
static int verify(const struct sn_cons_verifier *v, struct sn_cons_check *checks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct sn_cons_sig want;
        sign(checks[i].key, checks[i].msg, &want);
        checks[i].ok = checks[i].sig->len == 64 && memcmp(want.b, checks[i].sig->b, 64) == 0;
    }
    return 0;
}
const struct sn_cons_verifier chain_verifier = {verify};

/* ---- building ---- */

static struct sn_cons_time plus(struct sn_cons_time t, int64_t ns)
{
    int64_t n = t.nsec + ns;
    return (struct sn_cons_time){t.sec + n / SN_SEC, (int32_t)(n % SN_SEC)};
}
static struct sn_cons_hash some_hash(uint8_t salt)
{
    struct sn_cons_hash h = {.len = 32};
    memset(h.b, salt, 32);
    return h;
}
static struct sn_cons_valset *set_copy(struct chain *c, const struct sn_cons_valset *s)
{
    struct sn_cons_valset *n = SN_ARENA_NEW(&c->arena, struct sn_cons_valset);
    *n = *s;
    n->vals = SN_ARENA_ARRAY(&c->arena, struct sn_cons_validator, s->n);
    memcpy(n->vals, s->vals, s->n * sizeof(*s->vals));
    return n;
}
static struct sn_cons_valset *set_of(struct chain *c, uint64_t mask)
{
    struct sn_cons_validator list[CHAIN_KEYS];
    struct sn_cons_valset *s, *kept;
    uint32_t n = 0;
    for (uint32_t i = 0; i < CHAIN_KEYS; i++)
        if (mask >> i & 1) list[n++] = c->keys[i];
    T_OK(sn_cons_valset_new(list, n, &s));
    kept = set_copy(c, s);
    sn_cons_valset_unref(s);
    return kept;
}
static uint64_t churned(struct chain *c, uint64_t mask, unsigned churn)
{
    while (sn_rand_u64(&c->rand) % 100 < churn) {
        uint64_t add = 1ull << sn_rand_u64(&c->rand) % CHAIN_KEYS;
        uint64_t del = 1ull << sn_rand_u64(&c->rand) % CHAIN_KEYS;
        if (mask & add || !(mask & del)) continue;
        mask = (mask | add) & ~del;
        churn -= churn / 4;
    }
    return mask;
}

/* Signed by all of the set but `lazy` of them. */
static void seal(struct chain *c, struct sn_cons_light_block *b, int32_t round, uint32_t lazy)
{
    struct sn_cons_commit *m = &b->commit;
    *m = (struct sn_cons_commit){.height = b->header.height,
                                 .round = round,
                                 .n = b->vals->n,
                                 .block_id.parts = {1, some_hash(9)}};
    T_OK(sn_cons_header_hash(&b->header, &m->block_id.hash));
    m->sigs = SN_ARENA_ARRAY(&c->arena, struct sn_cons_commit_sig, m->n);
    for (uint32_t i = 0; i < m->n; i++) {
        struct sn_cons_commit_sig *s = &m->sigs[i];
        struct sn_cons_vote v;
        struct sn_buf msg;
        s->flag = i < m->n - lazy ? SN_CONS_COMMIT : SN_CONS_ABSENT;
        s->time = SN_CONS_TIME_ZERO;
        if (s->flag == SN_CONS_ABSENT) continue;
        s->time = plus(b->header.time, (int64_t)i * SN_MS);
        memcpy(s->addr, b->vals->vals[i].addr, SN_CONS_ADDR_LEN);
        sn_cons_commit_vote(m, i, &v);
        sn_buf_init(&msg, 0);
        T_OK(sn_cons_vote_sign_bytes(SN_STR(CHAIN_ID), &v, &msg));
        sign(&b->vals->vals[i].key, sn_buf_view(&msg), &s->sig);
        sn_buf_done(&msg);
    }
}
static void head(struct chain *c, int64_t h, struct sn_cons_valset *next, uint8_t salt)
{
    struct sn_cons_light_block *b = &c->blocks[h], *before = h > 1 ? &c->blocks[h - 1] : NULL;
    struct sn_cons_header *x = &b->header;
    *x = (struct sn_cons_header){.block_version = SN_CONS_BLOCK_PROTOCOL,
                                 .app_version = 1,
                                 .height = h,
                                 .chain_id_len = sizeof(CHAIN_ID) - 1,
                                 .time = plus(c->start, h * CHAIN_BLOCK_NS),
                                 .last_commit_hash = some_hash(1),
                                 .data_hash = some_hash(salt),
                                 .last_results_hash = some_hash(3),
                                 .evidence_hash = some_hash(4),
                                 .app_hash = {32, {salt ? 5 : 6}},
                                 .proposer_len = SN_CONS_ADDR_LEN};
    memcpy(x->chain_id, CHAIN_ID, sizeof(CHAIN_ID) - 1);
    memcpy(x->proposer, b->vals->vals[0].addr, SN_CONS_ADDR_LEN);
    if (c->app_hash) c->app_hash(c->arg, h - 1, &x->app_hash);
    if (before) x->last_block_id = before->commit.block_id;
    T_OK(sn_cons_params_hash(&c->params, &x->consensus_hash));
    T_OK(sn_cons_valset_hash(b->vals, &x->validators_hash));
    T_OK(sn_cons_valset_hash(next, &x->next_validators_hash));
}

static void prepare(struct chain *c, uint64_t seed, int64_t n, struct sn_cons_time start)
{
    *c = (struct chain){.n = n, .start = start, .params = sn_cons_params_default()};
    sn_arena_init(&c->arena, NULL, 0);
    sn_rand_seed(&c->rand, seed);
    c->blocks = SN_ARENA_ARRAY(&c->arena, struct sn_cons_light_block, (size_t)n + 2);
    for (uint32_t i = 0; i < CHAIN_KEYS; i++) {
        struct sn_cons_validator *v = &c->keys[i];
        *v = (struct sn_cons_validator){.power = 10 + i % 5};
        uint8_t raw[32] = {(uint8_t)(i + 1), 77};
        T_OK(sn_cons_key_set(&v->key, SN_CONS_ED25519, sn_str_of((char *)raw, 32)));
        T_OK(sn_cons_key_addr(&v->key, v->addr));
    }
}
void chain_build(struct chain *c, uint64_t seed, int64_t n, unsigned churn,
                 struct sn_cons_time start)
{
    *c = (struct chain){0};
    chain_build_app(c, seed, n, churn, start);
}
void chain_build_app(struct chain *c, uint64_t seed, int64_t n, unsigned churn,
                     struct sn_cons_time start)
{
    struct chain keep = *c;
    prepare(c, seed, n, start);
    c->app_hash = keep.app_hash;
    c->arg = keep.arg;
    uint64_t mask = 0x3ff;
    struct sn_cons_valset *next = set_of(c, mask);
    for (int64_t h = 1; h <= n; h++) {
        uint64_t then = churned(c, mask, churn);
        c->blocks[h].vals = next;
        if (then != mask) next = set_of(c, then);
        mask = then;
        head(c, h, next, 2);
        seal(c, &c->blocks[h], 0, (uint32_t)(sn_rand_u64(&c->rand) % 3));
    }
    c->blocks[n + 1].vals = next;
}
void chain_done(struct chain *c) { sn_arena_done(&c->arena); }

void chain_fork(struct chain *f, const struct chain *c, int64_t at, int64_t n, enum fork_kind kind)
{
    prepare(f, (uint64_t)at, n, c->start);
    for (int64_t h = 1; h <= at; h++) f->blocks[h] = c->blocks[h];
    struct sn_cons_valset *set = c->blocks[at].vals;
    for (int64_t h = at + 1; h <= n; h++) {
        bool known = h <= c->n;
        f->blocks[h].vals = kind == LUNATIC || !known ? set : c->blocks[h].vals;
        struct sn_cons_valset *next =
            kind == LUNATIC || h >= c->n ? f->blocks[h].vals : c->blocks[h + 1].vals;
        head(f, h, next, kind == LUNATIC ? 0 : 8);
        /* Only the block right after the fork can be blamed on its validators by its form alone. */
        seal(f, &f->blocks[h], kind == AMNESIA, 0);
    }
    f->blocks[n + 1].vals = f->blocks[n].vals;
}
void chain_hash(const struct chain *c, int64_t height, struct sn_cons_hash *ret)
{
    T_OK(sn_cons_header_hash(&c->blocks[height].header, ret));
}

/* ---- a full node's view ---- */

static int get_header(void *arg, int64_t height, struct sn_cons_header *ret)
{
    struct chain *c = arg;
    if (height < 1 || height > c->n) return SN_E_NOT_FOUND;
    *ret = c->blocks[height].header;
    return 0;
}
static int get_commit(void *arg, int64_t height, struct sn_arena *a, struct sn_cons_commit *ret)
{
    struct chain *c = arg;
    if (height < 1 || height > c->n) return SN_E_NOT_FOUND;
    *ret = c->blocks[height].commit;
    return 0;
}
static int get_validators(void *arg, int64_t height, struct sn_cons_valset **ret)
{
    struct chain *c = arg;
    if (height < 1 || height > c->n) return SN_E_NOT_FOUND;
    *ret = sn_cons_valset_copy(c->blocks[height].vals);
    return *ret ? 0 : SN_E_NOMEM;
}
static int64_t get_latest(void *arg) { return ((struct chain *)arg)->n; }

int chain_evidence(struct chain *c, const struct sn_cons_evidence *ev)
{
    struct sn_cons_history h = {c, get_header, get_commit, get_validators, get_latest};
    struct sn_cons_state s = {.refs = 1,
                              .last_height = c->n,
                              .params = c->params,
                              .last_time = c->blocks[c->n].header.time,
                              .chain_id_len = sizeof(CHAIN_ID) - 1};
    memcpy(s.chain_id, CHAIN_ID, sizeof(CHAIN_ID) - 1);
    return sn_cons_evidence_verify(ev, &s, &h, &chain_verifier);
}

/* ---- providers ---- */

static struct mock *mock_of(struct sn_light_provider *p)
{
    return SN_CONTAINER_OF(p, struct mock, p);
}

static int serve(struct mock *m, int64_t height, struct sn_cons_light_block *ret)
{
    unsigned call = ++m->calls;
    struct chain *c = m->swap && call >= (unsigned)m->swap_from ? m->swap : m->chain;
    if (m->delay_max_ns) {
        int r = sn_sleep((int64_t)(sn_random() % (uint64_t)m->delay_max_ns));
        if (r < 0) return r;
    }
    int64_t latest = m->latest ? m->latest : c->n;
    if (m->grow_ns) {
        int64_t now = sn_cons_time_sub(sn_cons_time_of_ns(sn_wall_now()), c->start);
        latest = SN_MIN(c->n, now / m->grow_ns);
    }
    if (m->fail && (!m->fail_at || m->fail_at == height)) return sn_fail(m->fail, "as told");
    if (height == 0) height = latest;
    if (height > latest) return sn_fail(SN_E_OUT_OF_RANGE, "height %lld", (long long)height);
    *ret = c->blocks[height];
    return 0;
}
/* The same validators, another order of proposers: with the same sum, as a set must have. */
static int make_up(struct sn_arena *a, struct sn_cons_valset **vals)
{
    struct sn_cons_valset *s = SN_ARENA_NEW(a, struct sn_cons_valset);
    struct sn_cons_validator *v = SN_ARENA_ARRAY(a, struct sn_cons_validator, (*vals)->n);
    if (!s || !v) return SN_E_NOMEM;
    *s = **vals;
    s->vals = memcpy(v, (*vals)->vals, s->n * sizeof(*v));
    v[0].priority += 7;
    v[1].priority -= 7;
    *vals = s;
    return 0;
}
static int mock_block(struct sn_light_provider *p, int64_t height, struct sn_arena *a,
                      struct sn_cons_light_block *ret)
{
    struct mock *m = mock_of(p);
    int r = serve(m, height, ret);
    if (r >= 0 && m->priorities) r = make_up(a, &ret->vals);
    if (r < 0 || ret->header.height != m->corrupt_at) return r;
    struct sn_cons_commit_sig *sigs = SN_ARENA_ARRAY(a, struct sn_cons_commit_sig, ret->commit.n);
    if (!sigs) return SN_E_NOMEM;
    memcpy(sigs, ret->commit.sigs, ret->commit.n * sizeof(*sigs));
    for (uint32_t i = 0; i < ret->commit.n; i++) sigs[i].sig.b[0] ^= 1;
    ret->commit.sigs = sigs;
    return 0;
}
static int mock_signed_header(struct sn_light_provider *p, int64_t height, struct sn_arena *a,
                              struct sn_cons_light_block *ret)
{
    int r = mock_block(p, height, a, ret);
    ret->vals = NULL;
    return r;
}
static int mock_report(struct sn_light_provider *p, const struct sn_cons_evidence *ev)
{
    struct mock *m = mock_of(p);
    m->reports++;
    int r = chain_evidence(m->chain, ev);
    m->valid += r == 0;
    return r;
}
static int mock_params(struct sn_light_provider *p, int64_t height, struct sn_cons_params *ret)
{
    *ret = mock_of(p)->chain->params;
    return 0;
}
static void mock_close(struct sn_light_provider *p) { mock_of(p)->closed++; }

void mock_init(struct mock *m, const char *name, struct chain *c)
{
    *m = (struct mock){.p = {.name = name,
                             .block = mock_block,
                             .report = mock_report,
                             .close = mock_close,
                             .signed_header = mock_signed_header,
                             .params = mock_params},
                       .chain = c};
}
