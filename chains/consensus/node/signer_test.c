/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/signer_test.c - messages, and a node and a signer on two hosts of the simulator:
 * restarts, partitions, refusals, liars. */
#include "consensus/hash.h"
#include "consensus/key.h"
#include "consensus/node/signer_link.h"
#include "consensus/node/signer_remote.h"
#include "consensus/node/signer_serve.h"
#include "core/torture.h"
#include "fiber/os.h"
#include "fiber/sim.h"
#include "harness/test.h"

#define CHAIN SN_STR("signer-test")

static struct sn_cons_vote a_vote(uint8_t type, int64_t height, uint8_t block)
{
    struct sn_cons_vote v = {.type = type, .height = height, .round = 1, .index = 3,
                             .time = {1700000000, 5}, .addr = {1, 2, 3}};
    if (block) {
        v.block_id.hash.len = v.block_id.parts.hash.len = 32;
        memset(v.block_id.hash.b, block, 32);
        memset(v.block_id.parts.hash.b, block + 1, 32);
        v.block_id.parts.total = 1;
    }
    return v;
}
static struct sn_cons_proposal a_proposal(int64_t height)
{
    return (struct sn_cons_proposal){.height = height, .round = 1, .pol_round = -1,
                                     .block_id = a_vote(SN_CONS_PREVOTE, 1, 9).block_id,
                                     .time = {1700000000, 0}};
}

/* ---- messages ---- */

static struct sn_signer_msg sample(enum sn_signer_msg_kind kind, bool refused)
{
    struct sn_signer_msg m = {.kind = kind};
    bool request = kind == SN_SIGNER_PUB_KEY_REQUEST || kind == SN_SIGNER_SIGN_VOTE_REQUEST ||
                   kind == SN_SIGNER_SIGN_PROPOSAL_REQUEST;
    if (request) m.chain_id = CHAIN;
    if (kind == SN_SIGNER_SIGN_VOTE_REQUEST || kind == SN_SIGNER_SIGNED_VOTE_RESPONSE) {
        m.vote = a_vote(SN_CONS_PRECOMMIT, 7, 8);
        m.vote.ext = SN_STR("extension");
    }
    if (kind == SN_SIGNER_SIGN_PROPOSAL_REQUEST || kind == SN_SIGNER_SIGNED_PROPOSAL_RESPONSE)
        m.proposal = a_proposal(7);
    if (kind == SN_SIGNER_SIGNED_VOTE_RESPONSE)
        m.vote.sig.len = m.vote.ext_sig.len = m.vote.sig.b[0] = 64;
    if (kind == SN_SIGNER_SIGNED_PROPOSAL_RESPONSE) m.proposal.sig.len = 64;
    if (kind == SN_SIGNER_PUB_KEY_RESPONSE)
        m.key = (struct sn_cons_key){.type = SN_CONS_ED25519, .len = 32, .b = {4}};
    if (refused) {
        m.refused = true;
        m.code = -5;
        m.why = SN_STR("no");
    }
    return m;
}

SN_TEST(signer_messages)
{
    struct sn_arena a;
    struct sn_buf b, again;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&b, 0);
    sn_buf_init(&again, 0);
    for (int kind = SN_SIGNER_PUB_KEY_REQUEST; kind <= SN_SIGNER_PING_RESPONSE; kind++)
        for (int refused = 0; refused <= (kind % 2 == 0 && kind != SN_SIGNER_PING_RESPONSE);
             refused++) {
            struct sn_signer_msg m = sample((enum sn_signer_msg_kind)kind, refused), got;
            sn_test_row("kind %d refused %d", kind, refused);
            sn_buf_reset(&b);
            sn_buf_reset(&again);
            T_EQ(sn_signer_msg_put(&m, &b), 0);
            for (size_t n = 0; n < b.len; n++)
                T_EQ(sn_signer_msg_get(sn_str_sub(sn_buf_view(&b), 0, n), &a, &got), 0);
            sn_buf_cstr(&b, "behind");
            T_EQ(sn_signer_msg_get(sn_buf_view(&b), &a, &got), (long long)b.len - 6);
            T_EQ(got.kind, kind);
            T_EQ(got.refused, refused);
            if (refused) T_EQ(got.code, -5);
            T_EQ(sn_signer_msg_put(&got, &again), 0);
            T_ASSERT(sn_str_eq(sn_buf_view(&again), sn_str_sub(sn_buf_view(&b), 0, b.len - 6)));
        }
    sn_buf_done(&b);
    sn_buf_done(&again);
    sn_arena_done(&a);
}

SN_TEST(signer_messages_refused)
{
    static const struct { const char *bytes; size_t n; int code; } rows[] = {
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10, SN_E_SYNTAX},
        {"\xff\xff\xff\x7f", 4, SN_E_TOO_LARGE}, {"\x02\x0a\x05", 3, SN_E_SYNTAX},
        {"\x00", 1, SN_E_INVALID_ARGUMENT}, {"\x02\x1a\x00", 3, SN_E_INVALID_ARGUMENT},
        {"\x02\x2a\x00", 3, SN_E_INVALID_ARGUMENT}, {"\x02\x12\x00", 3, SN_E_INVALID_ARGUMENT},
        {"\x06\x1a\x04\x0a\x02\x08\x07", 7, SN_E_INVALID_ARGUMENT},
    };
    struct sn_arena a;
    struct sn_signer_msg m;
    sn_arena_init(&a, NULL, 0);
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%zu", i);
        T_EQ(sn_signer_msg_get(sn_str_of(rows[i].bytes, rows[i].n), &a, &m), rows[i].code);
    }
    sn_arena_done(&a);
}

static int torture(void *arg)
{
    struct sn_arena a;
    struct sn_buf b;
    struct sn_signer_msg m = sample(SN_SIGNER_SIGNED_VOTE_RESPONSE, arg != NULL), got;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&b, 0);
    int r = sn_signer_msg_put(&m, &b);
    if (r == 0) r = (int)sn_signer_msg_get(sn_buf_view(&b), &a, &got);
    sn_buf_done(&b);
    sn_arena_done(&a);
    return r;
}
SN_TEST(signer_torture)
{
    int n = sn_torture(torture, NULL);
    T_ASSERTF(n >= 3, "%d: %s", n, sn_diag_str(n));
}

SN_TEST(signer_addresses)
{
    char out[32];
    T_EQ(sn_signer_addr("tcp://1.2.3.4:5", out, sizeof(out)), 0);
    T_STR(sn_str(out), "tcp:1.2.3.4:5");
    T_ASSERT(sn_signer_addr_is_tcp(out));
    T_EQ(sn_signer_addr("unix:///x/y", out, sizeof(out)), 0);
    T_STR(sn_str(out), "unix:/x/y");
    T_ASSERT(!sn_signer_addr_is_tcp(out));
    T_EQ(sn_signer_addr("1.2.3.4:5", out, sizeof(out)), 0);
    T_STR(sn_str(out), "tcp:1.2.3.4:5");
    T_EQ(sn_signer_addr("http://x", out, sizeof(out)), SN_E_SYNTAX);
    T_EQ(sn_signer_addr("tcp://a.very.long.name.of.a.host:1", out, sizeof(out)), SN_E_TOO_LARGE);
}

/* ---- two hosts ---- */

static struct world {
    struct sn_sim_host *node, *signer;
    char addr[64];
    uint8_t node_key[64], signer_key[64];
    struct sn_signer_remote *remote;
    struct sn_signer *s;
    struct sn_scope *scope;
    const char *key_path; /* the key the signer uses at its next start */
    const char *node_id;
    struct sn_str chain;
    unsigned links, refusals;
    int (*body)(struct world *w);
    int result;
    bool done;
} *world;

static void on_link(void *arg, bool up, int error)
{
    struct world *w = arg;
    if (up) w->links++;
    else if (error == SN_E_PERMISSION_DENIED) w->refusals++;
}
static void signer_main(void *arg)
{
    struct world *w = arg;
    struct sn_privval *pv;
    struct sn_privval_opts o = {.key_path = w->key_path, .state_path = "state.json", .make = true};
    if (sn_privval_open(&o, &pv) < 0) return;
    struct sn_signer_serve_opts so = {.addr = w->addr, .chain_id = w->chain, .pv = pv,
                                      .key = w->signer_key, .node_id = w->node_id,
                                      .on_link = on_link, .arg = w};
    (void)!sn_signer_serve(&so);
    sn_privval_close(pv);
}
static void start_signer(struct world *w)
{
    T_OK(sn_sim_host_go(w->signer, "signer", signer_main, w));
}
static int run_remote(void *arg)
{
    struct world *w = arg;
    int r = sn_signer_remote_run(w->remote);
    return r == SN_E_CANCELLED ? 0 : r;
}
static void node_main(void *arg)
{
    struct world *w = arg;
    struct sn_scope_storage mem;
    struct sn_signer_remote_opts o = {.laddr = w->addr, .chain_id = CHAIN, .node_key = w->node_key,
                                      .verifier = &sn_cons_verifier_zip215, .retries = 5};
    T_OK(sn_signer_remote_new(&o, &w->remote));
    w->scope = sn_scope_begin(&mem);
    T_OK(sn_scope_go(w->scope, "remote", run_remote, w));
    w->result = w->body(w);
    sn_scope_cancel(w->scope);
    T_OK(sn_scope_end(w->scope));
    sn_signer_remote_free(w->remote);
    w->done = true;
}
static int world_main(void *arg)
{
    struct world *w = arg;
    w->node = sn_sim_host_new("node");
    w->signer = sn_sim_host_new("signer");
    snprintf(w->addr, sizeof(w->addr), "tcp://%s:26659", sn_sim_host_addr(w->node));
    T_OK(sn_ed25519_generate(w->node_key));
    T_OK(sn_ed25519_generate(w->signer_key));
    T_OK(sn_sim_host_go(w->node, "node", node_main, w));
    start_signer(w);
    while (!w->done) T_OK(sn_sleep(SN_SEC));
    sn_sim_crash(w->signer);
    return w->result;
}
static void run(int (*body)(struct world *w), uint64_t seed)
{
    struct world w = {.body = body, .key_path = "key.json", .chain = CHAIN};
    struct sn_sim_opts o = {.seed = seed};
    world = &w;
    T_OK(sn_sim_run(&o, world_main, &w, NULL));
}

static bool valid_vote(struct world *w, const struct sn_cons_vote *v)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    T_OK(sn_cons_vote_sign_bytes(CHAIN, v, &b));
    int r = sn_cons_verify(&sn_cons_verifier_zip215, &w->s->key, sn_buf_view(&b), &v->sig);
    sn_buf_done(&b);
    return r == 1;
}

static int sign_all(struct world *w)
{
    T_OK(sn_signer_remote_wait(w->remote, 10 * SN_SEC, &w->s));
    struct sn_cons_proposal p = a_proposal(5);
    T_OK(w->s->sign_proposal(w->s, CHAIN, &p));
    T_EQ(p.sig.len, 64);
    struct sn_cons_vote v = a_vote(SN_CONS_PREVOTE, 5, 1), first;
    T_OK(w->s->sign_vote(w->s, CHAIN, &v));
    T_ASSERT(valid_vote(w, &v));
    v = a_vote(SN_CONS_PRECOMMIT, 5, 1);
    v.ext = SN_STR("ext");
    T_OK(w->s->sign_vote(w->s, CHAIN, &v));
    T_ASSERT(valid_vote(w, &v) && v.ext_sig.len == 64);
    T_STR(v.ext, "ext");
    /* The same again, later: the first signature and its time. Something else: refused. */
    first = v;
    v = a_vote(SN_CONS_PRECOMMIT, 5, 1);
    v.ext = SN_STR("ext");
    v.time.sec += 3;
    T_OK(w->s->sign_vote(w->s, CHAIN, &v));
    T_EQ(v.time.sec, first.time.sec);
    T_ASSERT(valid_vote(w, &v));
    v = a_vote(SN_CONS_PRECOMMIT, 5, 2);
    int r = w->s->sign_vote(w->s, CHAIN, &v);
    T_EQ(r, SN_E_ABORTED);
    T_ASSERTF(strstr(sn_diag_str(r), "conflicting data"), "%s", sn_diag_str(r));
    T_EQ(v.sig.len, 0);
    v = a_vote(SN_CONS_PREVOTE, 4, 0);
    T_EQ(w->s->sign_vote(w->s, CHAIN, &v), SN_E_ABORTED);
    v = a_vote(SN_CONS_PREVOTE, 6, 0);
    T_EQ(w->s->sign_vote(w->s, SN_STR("other"), &v), SN_E_ABORTED);
    T_OK(w->s->sign_vote(w->s, CHAIN, &v));
    return 0;
}
SN_TEST(signer_signs)
{
    sn_test_allow_crash_leaks();
    run(sign_all, sn_test_seed());
}

/* The signer crashes and comes back, between and amid questions, over many seeds: never two
 * signatures for different things, and every answer is valid. */
static int crashes(struct world *w)
{
    T_OK(sn_signer_remote_wait(w->remote, 10 * SN_SEC, &w->s));
    for (int64_t h = 1; h <= 20; h++) {
        if (sn_sim_rand() % 3 == 0) {
            sn_sim_crash(w->signer);
            T_OK(sn_sleep((int64_t)(sn_sim_rand() % (uint64_t)SN_SEC)));
            start_signer(w);
        }
        struct sn_cons_vote v = a_vote(SN_CONS_PREVOTE, h, 1), other = a_vote(SN_CONS_PREVOTE, h, 2);
        T_OK(w->s->sign_vote(w->s, CHAIN, &v));
        T_ASSERT(valid_vote(w, &v));
        if (sn_sim_rand() % 4 == 0) {
            sn_sim_crash(w->signer);
            start_signer(w);
        }
        T_EQ(w->s->sign_vote(w->s, CHAIN, &other), SN_E_ABORTED);
    }
    return 0;
}
SN_TEST_SLOW(signer_crashes, 120)
{
    unsigned n = sn_test_cases(20);
    sn_test_allow_crash_leaks();
    for (unsigned i = 0; i < n; i++) run(crashes, sn_test_seed() + i);
}

static int absent(struct world *w)
{
    T_OK(sn_signer_remote_wait(w->remote, 10 * SN_SEC, &w->s));
    sn_sim_crash(w->signer);
    struct sn_cons_vote v = a_vote(SN_CONS_PREVOTE, 1, 1);
    int64_t t = sn_now();
    T_EQ(w->s->sign_vote(w->s, CHAIN, &v), SN_E_UNAVAILABLE);
    T_ASSERT(sn_now() - t < 30 * SN_SEC);
    /* With another key it is not the validator any more. */
    w->key_path = "other.json";
    start_signer(w);
    T_EQ(w->s->sign_vote(w->s, CHAIN, &v), SN_E_UNAVAILABLE);
    sn_sim_crash(w->signer);
    w->key_path = "key.json";
    start_signer(w);
    T_OK(w->s->sign_vote(w->s, CHAIN, &v));
    /* A cut that lasts: pings find out, and afterwards all is well. */
    sn_sim_partition(w->node, w->signer, true);
    T_OK(sn_sleep(60 * SN_SEC));
    sn_sim_partition(w->node, w->signer, false);
    T_OK(sn_sleep(10 * SN_SEC));
    v = a_vote(SN_CONS_PREVOTE, 2, 1);
    unsigned links = w->links;
    T_OK(w->s->sign_vote(w->s, CHAIN, &v));
    T_ASSERT(links >= 3);
    /* Nothing to sign for long: pings keep the link. */
    T_OK(sn_sleep(120 * SN_SEC));
    T_EQ(w->links, links);
    return 0;
}
SN_TEST(signer_absent)
{
    sn_test_allow_crash_leaks();
    run(absent, sn_test_seed());
}

static int nobody(struct world *w)
{
    T_EQ(sn_signer_remote_wait(w->remote, 20 * SN_SEC, &w->s), SN_E_DEADLINE_EXCEEDED);
    if (w->node_id) T_ASSERT(w->refusals > 0);
    return 0;
}
static int nobody_named(struct world *w)
{
    return nobody(w);
}
static void run_with(struct sn_str chain, const char *node_id, int (*body)(struct world *w))
{
    struct world w = {.body = body, .key_path = "key.json", .chain = chain, .node_id = node_id};
    struct sn_sim_opts o = {.seed = sn_test_seed()};
    world = &w;
    T_OK(sn_sim_run(&o, world_main, &w, NULL));
}
SN_TEST(signer_other_chain)
{
    sn_test_allow_crash_leaks();
    run_with(SN_STR("another-chain"), NULL, nobody);
}
SN_TEST(signer_other_node)
{
    sn_test_allow_crash_leaks();
    run_with(CHAIN, "0000000000000000000000000000000000000000", nobody_named);
}

/* ---- a liar for a signer ---- */

static unsigned lie;
static int lie_once(struct world *w, struct sn_signer_link *l, const uint8_t *key)
{
    struct sn_arena a;
    struct sn_signer_msg q, m;
    sn_arena_init(&a, NULL, 0);
    int r = sn_signer_link_recv(l, &a, &q);
    if (r >= 0) {
        m = (struct sn_signer_msg){.kind = q.kind + 1, .vote = q.vote, .proposal = q.proposal};
        m.key = (struct sn_cons_key){.type = SN_CONS_ED25519, .len = 32};
        memcpy(m.key.b, key + 32, 32);
        m.vote.sig.len = m.proposal.sig.len = 64;
        if (q.kind != SN_SIGNER_PUB_KEY_REQUEST && q.kind != SN_SIGNER_PING_REQUEST) {
            if (lie == 1) m.kind = SN_SIGNER_PING_RESPONSE;
            if (lie == 2) m.vote.sig.b[0] = 1;
        }
        r = sn_signer_link_send(l, &m);
    }
    sn_arena_done(&a);
    return r;
}
static void liar_main(void *arg)
{
    struct world *w = arg;
    char addr[64];
    T_OK(sn_signer_addr(w->addr, addr, sizeof(addr)));
    for (;;) {
        struct sn_stream *s;
        struct sn_signer_link *l;
        int r = sn_dial(addr, NULL, &s);
        if (r >= 0) r = sn_signer_link_new(s, w->signer_key, &l);
        if (r >= 0) {
            while (lie_once(w, l, w->signer_key) >= 0) continue;
            sn_signer_link_free(l);
        }
        if (sn_sleep(100 * SN_MS) < 0) return;
    }
}
static int lies(struct world *w)
{
    sn_sim_crash(w->signer);
    T_OK(sn_sim_host_go(w->signer, "liar", liar_main, w));
    T_OK(sn_signer_remote_wait(w->remote, 20 * SN_SEC, &w->s));
    struct sn_cons_vote v = a_vote(SN_CONS_PREVOTE, 1, 1);
    struct sn_cons_proposal p = a_proposal(1);
    lie = 1;
    T_EQ(w->s->sign_vote(w->s, CHAIN, &v), SN_E_UNAVAILABLE);
    lie = 2;
    T_EQ(w->s->sign_vote(w->s, CHAIN, &v), SN_E_DATA_LOSS);
    T_EQ(w->s->sign_proposal(w->s, CHAIN, &p), SN_E_DATA_LOSS);
    T_EQ(v.sig.len + p.sig.len, 0);
    return 0;
}
SN_TEST(signer_lies)
{
    sn_test_allow_crash_leaks();
    run_with(SN_STR("another-chain"), NULL, lies);
}

/* ---- the machine's own sockets: a Unix one, no SecretConnection ---- */

static int unix_remote(void *arg)
{
    int r = sn_signer_remote_run(arg);
    return r == SN_E_CANCELLED ? 0 : r;
}
static int unix_serve(void *arg)
{
    int r = sn_signer_serve(arg);
    return r == SN_E_CANCELLED ? 0 : r;
}
static int unix_main(void *arg)
{
    char addr[256], key[256], state[256];
    const char *dir = arg;
    struct sn_scope_storage mem;
    struct sn_signer_remote *remote;
    struct sn_signer *s;
    struct sn_privval *pv;
    snprintf(addr, sizeof(addr), "unix://%s/sock", dir);
    snprintf(key, sizeof(key), "%s/key.json", dir);
    snprintf(state, sizeof(state), "%s/state.json", dir);
    T_OK(sn_privval_open(&(struct sn_privval_opts){.key_path = key, .state_path = state,
                                                   .make = true}, &pv));
    struct sn_signer_serve_opts so = {.addr = addr, .chain_id = CHAIN, .pv = pv};
    T_OK(sn_signer_remote_new(
        &(struct sn_signer_remote_opts){.laddr = addr, .chain_id = CHAIN,
                                        .verifier = &sn_cons_verifier_zip215}, &remote));
    struct sn_scope *scope = sn_scope_begin(&mem);
    T_OK(sn_scope_go(scope, "remote", unix_remote, remote));
    T_OK(sn_scope_go(scope, "serve", unix_serve, &so));
    T_OK(sn_signer_remote_wait(remote, 10 * SN_SEC, &s));
    struct sn_cons_vote v = a_vote(SN_CONS_PREVOTE, 1, 1);
    T_OK(s->sign_vote(s, CHAIN, &v));
    T_EQ(v.sig.len, 64);
    sn_scope_cancel(scope);
    T_OK(sn_scope_end(scope));
    sn_signer_remote_free(remote);
    sn_privval_close(pv);
    return 0;
}
SN_TEST(signer_unix)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, unix_main, (void *)sn_test_tmpdir()));
}
