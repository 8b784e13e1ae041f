/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/privval.h"

#include <stdio.h>
#include <stdlib.h>

#include "consensus/hash.h"
#include "consensus/key.h"
#include "core/rand.h"
#include "core/torture.h"
#include "crypto/ed25519.h"
#include "fiber/fiber.h"
#include "fiber/os.h"
#include "fiber/sim.h"
#include "harness/test.h"

static const struct sn_str chain = SN_STR_INIT("test-chain");
static char key_path[300], state_path[300];

static void paths(const char *dir)
{
    snprintf(key_path, sizeof(key_path), "%s/priv_validator_key.json", dir);
    snprintf(state_path, sizeof(state_path), "%s/priv_validator_state.json", dir);
}
static struct sn_privval_opts files(bool make)
{
    return (struct sn_privval_opts){.key_path = key_path, .state_path = state_path, .make = make};
}
static void run(int (*fn)(void *), void *arg)
{
    paths(sn_test_tmpdir());
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, fn, arg));
}
static struct sn_privval *open_it(bool make)
{
    struct sn_privval *pv;
    struct sn_privval_opts o = files(make);
    T_OK(sn_privval_open(&o, &pv));
    return pv;
}

static struct sn_cons_vote vote(uint8_t type, int64_t height, int32_t round, uint8_t block,
                                int64_t sec)
{
    struct sn_cons_vote v = {.type = type, .height = height, .round = round, .time = {sec, 5}};
    if (!block) return v;
    v.block_id = (struct sn_cons_block_id){.hash.len = 32, .parts = {.total = 1, .hash.len = 32}};
    v.block_id.hash.b[0] = block;
    return v;
}
static bool good(struct sn_privval *pv, const struct sn_cons_vote *v)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    T_OK(sn_cons_vote_sign_bytes(chain, v, &b));
    return sn_ed25519_verify(sn_privval_key(pv)->b, b.ptr, b.len, v->sig.b) == 0;
}

static int rules_main(void *arg)
{
    struct sn_privval *pv = open_it(true);
    struct sn_cons_vote v = vote(SN_CONS_PREVOTE, 5, 1, 7, 100), w;
    T_EQ(sn_privval_height(pv), 0);
    T_OK(sn_privval_sign_vote(pv, chain, &v));
    T_ASSERT(good(pv, &v));
    /* The same again, also at another time: one signature. */
    w = vote(SN_CONS_PREVOTE, 5, 1, 7, 200);
    T_OK(sn_privval_sign_vote(pv, chain, &w));
    T_ASSERT(memcmp(w.sig.b, v.sig.b, 64) == 0 && w.time.sec == 100 && w.time.nsec == 5);
    /* Something else for the place. */
    w = vote(SN_CONS_PREVOTE, 5, 1, 8, 100);
    T_EQ(sn_privval_sign_vote(pv, chain, &w), SN_E_FAILED_PRECONDITION);
    T_CSTR(sn_diag_str(SN_E_FAILED_PRECONDITION),
           "conflicting data: 5/1/2 has been signed for something else");
    T_EQ(w.sig.len, 0);
    w = vote(SN_CONS_PREVOTE, 5, 1, 0, 100);
    T_EQ(sn_privval_sign_vote(pv, chain, &w), SN_E_FAILED_PRECONDITION);
    w = vote(SN_CONS_PREVOTE, 5, 1, 7, 100);
    T_EQ(sn_privval_sign_vote(pv, SN_STR("other"), &w), SN_E_FAILED_PRECONDITION);
    /* Back in step, round, height. */
    struct sn_cons_proposal p = {
        .height = 5, .round = 1, .pol_round = -1, .block_id = v.block_id, .time = {100, 0}};
    T_EQ(sn_privval_sign_proposal(pv, chain, &p), SN_E_FAILED_PRECONDITION);
    T_CSTR(sn_diag_str(SN_E_FAILED_PRECONDITION),
           "step regression at height 5 round 1. Got 1, last step 2");
    w = vote(SN_CONS_PRECOMMIT, 5, 0, 7, 100);
    T_EQ(sn_privval_sign_vote(pv, chain, &w), SN_E_FAILED_PRECONDITION);
    w = vote(SN_CONS_PRECOMMIT, 4, 9, 7, 100);
    T_EQ(sn_privval_sign_vote(pv, chain, &w), SN_E_FAILED_PRECONDITION);
    T_CSTR(sn_diag_str(SN_E_FAILED_PRECONDITION), "height regression. Got 4, last height 5");
    /* Forward, with an extension; it is signed each time. */
    w = vote(SN_CONS_PRECOMMIT, 5, 1, 7, 100);
    w.ext = SN_STR("price=5");
    T_OK(sn_privval_sign_vote(pv, chain, &w));
    T_ASSERT(good(pv, &w) && w.ext_sig.len == 64);
    w.ext = SN_STR("price=6");
    struct sn_cons_sig before = w.ext_sig;
    T_OK(sn_privval_sign_vote(pv, chain, &w));
    T_ASSERT(memcmp(before.b, w.ext_sig.b, 64) != 0);
    w = vote(SN_CONS_PREVOTE, 6, 0, 7, 100);
    w.ext = SN_STR("x");
    T_EQ(sn_privval_sign_vote(pv, chain, &w), SN_E_INVALID_ARGUMENT);
    p.height = 6;
    p.round = 0;
    T_OK(sn_privval_sign_proposal(pv, chain, &p));
    T_EQ(sn_privval_height(pv), 6);
    sn_privval_close(pv);
    /* The memory is in the file. */
    pv = open_it(false);
    T_EQ(sn_privval_height(pv), 6);
    struct sn_cons_proposal q = p;
    q.time.sec = 999;
    T_OK(sn_privval_sign_proposal(pv, chain, &q));
    T_ASSERT(memcmp(q.sig.b, p.sig.b, 64) == 0 && q.time.sec == 100);
    q.pol_round = 0;
    T_EQ(sn_privval_sign_proposal(pv, chain, &q), SN_E_FAILED_PRECONDITION);
    T_OK(sn_privval_forget(pv));
    v = vote(SN_CONS_PREVOTE, 1, 0, 3, 1);
    T_OK(sn_privval_sign_vote(pv, chain, &v));
    sn_privval_close(pv);
    return 0;
}
SN_TEST(privval_rules)
{
    run(rules_main, NULL);
}

static int opening(const char *key, const char *state, const char *want)
{
    struct sn_privval *pv = NULL;
    struct sn_privval_opts o = files(false);
    if (key) T_OK(sn_file_write(key_path, sn_str(key), 0600));
    if (state) T_OK(sn_file_write(state_path, sn_str(state), 0600));
    int r = sn_privval_open(&o, &pv);
    if (r == 0) sn_privval_close(pv);
    const char *text = sn_diag_str(r);
    if (want) T_ASSERTF(r < 0 && strstr(text, want), "'%s' is not in '%s' (%d)", want, text, r);
    return r;
}
/* Of 32 zero bytes. */
#define KEY                                                                     \
    "{\"priv_key\":{\"type\":\"tendermint/"                                     \
    "PrivKeyEd25519\",\"value\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA7" \
    "aie8zrakLWKjqNAqbw1zZTIVdx3iQ6Y6wEihi1naKQ==\"}}"
static int files_main(void *arg)
{
    const char *zero = "{\"height\":\"0\",\"round\":0,\"step\":0}";
    struct sn_privval *pv;
    struct sn_privval_opts o = files(true);
    T_EQ(opening(NULL, NULL, "priv_validator_key.json"), SN_E_NOT_FOUND);
    T_OK(opening(KEY, zero, NULL));
    opening("{", NULL, "priv_validator_key.json");
    opening("{\"priv_key\":{\"type\":\"x\",\"value\":\"\"}}", NULL,
            "priv_key.type: expected tendermint/PrivKeyEd25519");
    opening("{\"priv_key\":{\"type\":\"tendermint/PrivKeyEd25519\",\"value\":\"AAAA\"}}", NULL,
            "priv_key.value: expected base64 of 64");
    opening("{\"priv_key\":{\"type\":\"tendermint/"
            "PrivKeyEd25519\",\"value\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\"}}",
            NULL, "a seed and its own public key");
    opening("{\"address\":\"00\",\"priv_key\":{\"type\":\"tendermint/PrivKeySecp256k1\",\"value\":"
            "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=\"}}",
            NULL, "address: expected the address of priv_key");
    opening(KEY, "{\"height\":5}", "height: expected a height in a string");
    opening(KEY, "{\"height\":\"5\",\"round\":\"1\"}", "round: expected a number");
    opening(KEY, "{\"height\":\"5\",\"round\":1,\"step\":4}", "step: expected 0 to 3");
    opening(KEY, "{\"height\":\"5\",\"round\":1,\"step\":3,\"signbytes\":\"0x\"}",
            "signbytes: expected");
    opening(KEY, "{\"height\":\"5\",\"round\":1,\"step\":3,\"signbytes\":\"00\"}",
            "signature: expected base64 of 64");
    /* A place that is taken, with nothing known of it. */
    T_OK(opening(KEY, "{\"height\":\"5\",\"round\":1,\"step\":2}", NULL));
    pv = open_it(false);
    struct sn_cons_vote v = vote(SN_CONS_PREVOTE, 5, 1, 7, 100);
    T_EQ(sn_privval_sign_vote(pv, chain, &v), SN_E_FAILED_PRECONDITION);
    T_CSTR(sn_diag_str(SN_E_FAILED_PRECONDITION), "no SignBytes found");
    sn_privval_close(pv);
    /* Only one of the two: nothing is made, nothing is signed. */
    T_OK(sn_file_remove(state_path));
    T_EQ(sn_privval_open(&o, &pv), SN_E_NOT_FOUND);
    T_OK(sn_file_remove(key_path));
    T_OK(sn_privval_open(&o, &pv));
    sn_privval_close(pv);
    /* The making was cut short: a memory of nothing, no key. */
    T_OK(sn_file_remove(key_path));
    T_OK(sn_privval_open(&o, &pv));
    T_OK(sn_privval_sign_vote(pv, chain, &v));
    sn_privval_close(pv);
    /* But a memory of something, and its key is gone. */
    T_OK(sn_file_remove(key_path));
    T_EQ(sn_privval_open(&o, &pv), SN_E_NOT_FOUND);
    return 0;
}
SN_TEST(privval_files)
{
    run(files_main, NULL);
}

/* ---- a disk that crashes: no two signatures for one place ---- */

#define PLACES 400

struct world {
    struct sn_sim_host *host;
    unsigned signed_at[PLACES]; /* the block of the signature that left; 0: none */
    unsigned done, refused;
    uint64_t seed;
};

/* Signs for places in order, each for a block chosen anew after a crash. */
static void signer(void *arg)
{
    struct world *w = arg;
    struct sn_rand rnd;
    struct sn_privval *pv;
    struct sn_privval_opts o = files(true);
    sn_rand_seed(&rnd, sn_random());
    int r = sn_privval_open(&o, &pv);
    T_ASSERTF(r == 0, "%s", sn_diag_str(r));
    for (unsigned h = (unsigned)SN_MAX(sn_privval_height(pv), (int64_t)1); h < PLACES; h++) {
        uint8_t block = (uint8_t)(1 + sn_rand_below(&rnd, 3));
        struct sn_cons_vote v =
            vote(SN_CONS_PRECOMMIT, h, 0, block, (int64_t)sn_rand_below(&rnd, 1000));
        r = sn_privval_sign_vote(pv, chain, &v);
        if (r == 0) {
            T_ASSERTF(!w->signed_at[h] || w->signed_at[h] == block, "height %u: blocks %u and %u",
                      h, w->signed_at[h], block);
            T_ASSERT(good(pv, &v));
            w->signed_at[h] = block;
        } else {
            w->refused++;
        }
        w->done = h;
        (void)!sn_sleep(SN_MS);
    }
    sn_privval_close(pv);
}
static int crash_main(void *arg)
{
    struct world *w = arg;
    struct sn_rand rnd;
    sn_rand_seed(&rnd, w->seed);
    paths("/");
    w->host = sn_sim_host_new("validator");
    while (w->done < PLACES - 1) {
        T_OK(sn_sim_host_go(w->host, "signer", signer, w));
        T_OK(sn_sleep((int64_t)sn_rand_below(&rnd, 60 * SN_MS)));
        if (w->done < PLACES - 1) sn_sim_crash(w->host);
    }
    T_OK(sn_sleep(SN_SEC));
    return 0;
}
SN_TEST_SLOW(privval_crashes, 60)
{
    unsigned refused = 0;
    sn_test_allow_crash_leaks();
    for (unsigned i = 0; i < sn_test_cases(20); i++) {
        struct world w = {.seed = sn_test_seed() + i};
        sn_test_row("case %u", i);
        T_OK(sn_sim_run(&(struct sn_sim_opts){.seed = w.seed}, crash_main, &w, NULL));
        refused += w.refused;
    }
    T_ASSERTF(refused > 0, "no crash fell between a signature and its going out");
}

static int no_memory(void *arg)
{
    struct sn_privval *pv;
    struct sn_privval_opts o = files(false);
    int r = sn_privval_open(&o, &pv);
    if (r < 0) return r;
    struct sn_cons_vote v = vote(SN_CONS_PRECOMMIT, 5, 0, 1, 1);
    r = sn_privval_sign_vote(pv, chain, &v);
    if (r == 0) r = sn_privval_forget(pv);
    sn_privval_close(pv);
    return r;
}
static int torture_main(void *arg)
{
    sn_privval_close(open_it(true));
    T_OK(no_memory(NULL));
    int n = sn_torture_lenient(no_memory, NULL);
    T_ASSERTF(n >= 4, "%d failures injected: %s", n, sn_diag_str(n));
    return 0;
}
SN_TEST(privval_torture)
{
    run(torture_main, NULL);
}
