/* SPDX-License-Identifier: Apache-2.0 */
/* abci/kvstore_test.c - what the kvstore answers, keeps, and gives away as snapshots. */
#include "abci/kvstore.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "abci/client.h"
#include "core/torture.h"
#include "fiber/os.h"
#include "tests/harness/test.h"

struct rig {
    struct sn_kvstore_opts o;
    struct sn_kvstore *kv;
    struct sn_abci_client *c;
    struct sn_arena a;
    int64_t height;
};

static void up(struct rig *g)
{
    int r = sn_kvstore_open(&g->o, &g->kv);
    T_ASSERTF(r >= 0, "%s", sn_diag_str(r));
    T_OK(sn_abci_client_local(sn_kvstore_app(g->kv), "test", NULL, &g->c));
    sn_arena_init(&g->a, NULL, 0);
}
static void down(struct rig *g)
{
    sn_abci_client_close(g->c);
    sn_kvstore_close(g->kv);
    sn_arena_done(&g->a);
}
static struct tendermint_abci_response_finalize_block *finalize(struct rig *g, struct sn_str *txs,
                                                                uint32_t n)
{
    struct tendermint_abci_request_finalize_block q = {.txs = {txs, n, 0}, .height = ++g->height};
    struct tendermint_abci_response_finalize_block *s;
    int r = sn_abci_finalize_block(g->c, &q, &g->a, &s);
    T_ASSERTF(r >= 0, "%s", sn_diag_str(r));
    return s;
}
static void commit(struct rig *g)
{
    struct tendermint_abci_response_commit *s;
    T_OK(sn_abci_commit(g->c, &(struct tendermint_abci_request_commit){}, &g->a, &s));
}
static void block(struct rig *g, struct sn_str *txs, uint32_t n)
{
    finalize(g, txs, n);
    commit(g);
}
static struct tendermint_abci_response_query *ask(struct rig *g, const char *key)
{
    struct tendermint_abci_response_query *s;
    T_OK(sn_abci_query(g->c, &(struct tendermint_abci_request_query){.data = sn_str(key)}, &g->a,
                       &s));
    return s;
}
static struct tendermint_abci_response_info *info(struct rig *g)
{
    struct tendermint_abci_response_info *s;
    T_OK(sn_abci_info(g->c, &(struct tendermint_abci_request_info){}, &g->a, &s));
    return s;
}

#define KEY "3C1TnMm2PZ6qzqdGgxDsSCBjcCUyrAhV2/o9L8LIMZk="

static int transactions(void *arg)
{
    static const struct {
        const char *tx;
        unsigned code;
    } rows[] = {{"a=b", 0},
                {"a:b", 0},
                {"ab", 2},
                {"", 2},
                {"=b", 2},
                {"a=", 2},
                {"a=b=c", 2},
                {"a:b=c", 2},
                {":b", 2},
                {"val=ed25519!" KEY "!10", 0},
                {"val=!" KEY "!0", 0},
                {"val=ed25519!" KEY "!+3", 0},
                {"val=ed25519!" KEY, 2},
                {"val=ed25519!" KEY "!1!2", 2},
                {"val=bls!" KEY "!1", 2},
                {"val=secp256k1!" KEY "!1", 2},
                {"val=ed25519!AAAA!1", 2},
                {"val=ed25519!***!1", 2},
                {"val=ed25519!" KEY "!-1", 2},
                {"val=ed25519!" KEY "!x", 2},
                {"val=ed25519!" KEY "!1152921504606846976", 2},
                {"val=ed25519!" KEY KEY KEY "!1", 2},
                {"val=x", 2}};
    struct rig g = {0};
    up(&g);
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct tendermint_abci_response_check_tx *s;
        sn_test_row("%s", rows[i].tx);
        T_OK(sn_abci_check_tx(g.c,
                              &(struct tendermint_abci_request_check_tx){.tx = sn_str(rows[i].tx)},
                              &g.a, &s));
        T_EQ(s->code, rows[i].code);
        T_EQ(s->gas_wanted, !s->code);
    }
    struct sn_str txs[] = {SN_STR_INIT("a:1"), SN_STR_INIT("bad"), SN_STR_INIT("b=2")};
    struct tendermint_abci_response_prepare_proposal *pp;
    T_OK(sn_abci_prepare_proposal(
        g.c, &(struct tendermint_abci_request_prepare_proposal){.txs = {txs, 3, 0}}, &g.a, &pp));
    T_EQ(pp->txs.len, 2);
    T_STR(pp->txs.ptr[0], "a=1");
    T_STR(pp->txs.ptr[1], "b=2");
    struct tendermint_abci_response_process_proposal *ps;
    T_OK(sn_abci_process_proposal(
        g.c, &(struct tendermint_abci_request_process_proposal){.txs = {txs, 1, 0}}, &g.a, &ps));
    T_EQ(ps->status, TENDERMINT_ABCI_RESPONSE_PROCESS_PROPOSAL_PROPOSAL_STATUS_REJECT);
    T_OK(sn_abci_process_proposal(
        g.c, &(struct tendermint_abci_request_process_proposal){.txs = {txs + 2, 1, 0}}, &g.a,
        &ps));
    T_EQ(ps->status, TENDERMINT_ABCI_RESPONSE_PROCESS_PROPOSAL_PROPOSAL_STATUS_ACCEPT);
    down(&g);
    return 0;
}
SN_TEST(transactions_that_are_and_are_not)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, transactions, NULL));
}

static int validators(void *arg)
{
    struct rig g = {.o.dir = sn_test_tmpdir()};
    struct tendermint_abci_response_query *q;
    up(&g);
    struct sn_str key = SN_STR("abcdefghijklmnopqrstuvwxyz012345");
    struct tendermint_crypto_public_key pk = {.sum_case = TENDERMINT_CRYPTO_PUBLIC_KEY_SUM_ED25519,
                                              .ed25519 = key};
    struct tendermint_abci_validator_update v = {.pub_key = &pk, .power = 10}, *vs[] = {&v};
    struct tendermint_abci_response_init_chain *ic;
    T_OK(sn_abci_init_chain(g.c,
                            &(struct tendermint_abci_request_init_chain){.validators = {vs, 1, 0}},
                            &g.a, &ic));
    T_EQ(ic->app_hash.len, 8);
    struct tendermint_abci_request_query vq = {.path = SN_STR("/val"), .data = key};
    T_OK(sn_abci_query(g.c, &vq, &g.a, &q));
    T_EQ(q->value.len, 39); /* length, key, power */
    T_EQ((uint8_t)q->value.ptr[0], 38);
    /* Twice in one block is one update; nobody that is not there is removed. */
    struct sn_str txs[] = {SN_STR_INIT("val=ed25519!" KEY "!10"),
                           SN_STR_INIT("val=ed25519!" KEY "!20"),
                           SN_STR_INIT(
                               "val=ed25519!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=!0"),
                           SN_STR_INIT("no pair")};
    struct tendermint_abci_response_finalize_block *fb = finalize(&g, txs, 4);
    T_EQ(fb->validator_updates.len, 1);
    T_EQ(fb->validator_updates.ptr[0]->power, 20);
    T_EQ(fb->tx_results.ptr[0]->code, 0);
    T_EQ(fb->tx_results.ptr[2]->code, 2);
    T_EQ(fb->tx_results.ptr[3]->code, 2);
    commit(&g);
    struct sn_kvstore_stats st;
    sn_kvstore_stats(g.kv, &st);
    T_EQ(st.validators, 2);
    /* Who votes twice loses one. Its address is the beginning of the key's SHA-256. */
    static const uint8_t addr[20] = {0xe7, 0xa9, 0x43, 0xc1};
    struct tendermint_abci_validator who = {.address = sn_str_of((const char *)addr, 20),
                                            .power = 10};
    struct tendermint_abci_misbehavior m = {.type = TENDERMINT_ABCI_MISBEHAVIOR_TYPE_DUPLICATE_VOTE,
                                            .validator = &who},
                                       *ms[] = {&m};
    struct tendermint_abci_request_finalize_block fq = {.misbehavior = {ms, 1, 0}, .height = 2};
    T_EQ(sn_abci_finalize_block(g.c, &fq, &g.a, &fb), SN_E_FAILED_PRECONDITION);
    down(&g);
    return 0;
}
SN_TEST(validators_come_and_go)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, validators, NULL));
}

static int keeps(void *arg)
{
    struct rig g = {.o = {.dir = sn_test_tmpdir(), .compact_bytes = 2000}};
    struct sn_str one[] = {SN_STR_INIT("a=1"), SN_STR_INIT("b=2")};
    up(&g);
    T_EQ(info(&g)->last_block_height, 0);
    block(&g, one, 2);
    finalize(&g, one, 1); /* decided, and not committed: gone with the process */
    down(&g);
    up(&g);
    T_EQ(info(&g)->last_block_height, 1);
    T_STR(info(&g)->data, "{\"size\":2}");
    T_EQ((uint8_t)info(&g)->last_block_app_hash.ptr[0], 4);
    T_STR(ask(&g, "a")->value, "1");
    T_STR(ask(&g, "none")->log, "does not exist");
    /* The same key over and over: the file is written anew, and stays short. */
    for (int i = 0; i < 300; i++) {
        char tx[30];
        struct sn_str t = sn_str_of(tx, (size_t)snprintf(tx, sizeof(tx), "again=%d", i));
        block(&g, &t, 1);
        sn_arena_reset(&g.a);
    }
    down(&g);
    char path[300];
    struct stat st;
    snprintf(path, sizeof(path), "%s/kvstore.log", g.o.dir);
    T_OK(sn_file_stat(path, &st));
    T_ASSERTF(st.st_size < 2200, "%lld", (long long)st.st_size);
    up(&g);
    T_STR(ask(&g, "again")->value, "299");
    T_STR(info(&g)->data, "{\"size\":302}");
    down(&g);
    return 0;
}
SN_TEST(what_is_committed_is_kept)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, keeps, NULL));
}

/* The file cut at each byte: the blocks that are whole in it, or all refused; never an invention.
 */
static int torn(void *arg)
{
    struct rig g = {.o.dir = sn_test_tmpdir()};
    char path[300], tx[30];
    snprintf(path, sizeof(path), "%s/kvstore.log", g.o.dir);
    up(&g);
    for (int i = 1; i <= 5; i++) {
        struct sn_str t = sn_str_of(tx, (size_t)snprintf(tx, sizeof(tx), "k%d=%d", i, i));
        block(&g, &t, 1);
    }
    down(&g);
    struct sn_str all;
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_file_read(&a, path, 0, &all));
    int64_t last = -1;
    for (size_t n = 8; n <= all.len; n++) {
        T_OK(sn_file_write(path, sn_str_sub(all, 0, n), 0600));
        up(&g);
        int64_t h = info(&g)->last_block_height;
        T_ASSERT(h >= last && h <= last + 1);
        last = h;
        for (int i = 1; i <= 5; i++) {
            snprintf(tx, sizeof(tx), "k%d", i);
            T_EQ(ask(&g, tx)->value.len, i <= h);
        }
        down(&g);
    }
    T_EQ(last, 5);
    /* A flipped bit with a whole record behind it is damage, and said to be. */
    char *copy = malloc(all.len);
    memcpy(copy, all.ptr, all.len);
    copy[8 + 8 + 20] ^= 1;
    T_OK(sn_file_write(path, sn_str_of(copy, all.len), 0600));
    T_EQ(sn_kvstore_open(&g.o, &g.kv), SN_E_DATA_LOSS);
    T_ASSERT(strstr(sn_diag_str(SN_E_DATA_LOSS), "damaged"));
    T_OK(sn_file_write(path, SN_STR("not a kvstore at all"), 0600));
    T_EQ(sn_kvstore_open(&g.o, &g.kv), SN_E_DATA_LOSS);
    free(copy);
    sn_arena_done(&a);
    return 0;
}
SN_TEST_SLOW(a_file_cut_anywhere, 120)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, torn, NULL));
}

/* ---- snapshots ---------------------------------------------------------------------------------
 */

static void fill(struct rig *g, int from, int to, const char *value)
{
    struct sn_str txs[200];
    char text[200][64];
    while (from < to) {
        uint32_t n = 0;
        for (; from < to && n < 200; n++, from++)
            txs[n] = sn_str_of(text[n],
                               (size_t)snprintf(text[n], 64, "key%05d=%s-%d", from, value, from));
        block(g, txs, n);
        sn_arena_reset(&g->a);
    }
}
static struct tendermint_abci_response_list_snapshots *list(struct rig *g)
{
    struct tendermint_abci_response_list_snapshots *s;
    T_OK(sn_abci_list_snapshots(g->c, &(struct tendermint_abci_request_list_snapshots){}, &g->a,
                                &s));
    return s;
}
static int offer(struct rig *g, const struct tendermint_abci_snapshot *s, struct sn_str app_hash)
{
    struct tendermint_abci_request_offer_snapshot q = {.snapshot =
                                                           (struct tendermint_abci_snapshot *)s,
                                                       .app_hash = app_hash};
    struct tendermint_abci_response_offer_snapshot *res;
    T_OK(sn_abci_offer_snapshot(g->c, &q, &g->a, &res));
    return res->result;
}
static struct sn_str load(struct rig *g, const struct tendermint_abci_snapshot *s, uint32_t i)
{
    struct tendermint_abci_request_load_snapshot_chunk q = {.height = s->height,
                                                            .format = s->format,
                                                            .chunk = i};
    struct tendermint_abci_response_load_snapshot_chunk *res;
    T_OK(sn_abci_load_snapshot_chunk(g->c, &q, &g->a, &res));
    return res->chunk;
}
static struct tendermint_abci_response_apply_snapshot_chunk *apply(struct rig *g, uint32_t i,
                                                                   struct sn_str chunk)
{
    struct tendermint_abci_request_apply_snapshot_chunk q = {.index = i,
                                                             .chunk = chunk,
                                                             .sender = SN_STR("peer1")};
    struct tendermint_abci_response_apply_snapshot_chunk *res;
    T_OK(sn_abci_apply_snapshot_chunk(g->c, &q, &g->a, &res));
    return res;
}
#define OFFER(x) TENDERMINT_ABCI_RESPONSE_OFFER_SNAPSHOT_RESULT_##x
#define APPLY(x) TENDERMINT_ABCI_RESPONSE_APPLY_SNAPSHOT_CHUNK_RESULT_##x

static int snapshots(void *arg)
{
    char one[300], two[300];
    struct sn_kvstore_stats st;
    snprintf(one, sizeof(one), "%s/one", sn_test_tmpdir());
    snprintf(two, sizeof(two), "%s/two", sn_test_tmpdir());
    struct rig g = {.o = {.dir = one, .snapshot_interval = 10, .chunk_bytes = 2048}},
               h = {.o = {.dir = two, .chunk_bytes = 2048}};
    up(&g);
    fill(&g, 0, 2000, "first"); /* ten blocks */
    sn_kvstore_stats(g.kv, &st);
    T_EQ(st.snapshots, 1);
    uint64_t first = st.chunks_written;
    T_ASSERTF(first > 15, "%llu", (unsigned long long)first);
    fill(&g, 500, 510, "second"); /* ten changes in a row, in nine more blocks of nothing */
    for (int i = 0; i < 9; i++) block(&g, NULL, 0);
    sn_kvstore_stats(g.kv, &st);
    T_EQ(st.snapshots, 2);
    T_ASSERTF(st.chunks_written - first <= 5, "%llu new of %llu",
              (unsigned long long)(st.chunks_written - first), (unsigned long long)first);
    T_ASSERT(st.chunks_reused >= first - 5);

    up(&h);
    struct tendermint_abci_snapshot s =
        *list(&g)->snapshots.ptr[1]; /* the older; its neighbour is the newest */
    T_EQ(s.height, 10);
    uint8_t want[8] = {0xa0, 0x1f}; /* 2000 */
    struct sn_str hash = sn_str_of((char *)want, 8);
    struct tendermint_abci_snapshot bad = s;
    bad.format = 7;
    T_EQ(offer(&h, &bad, hash), OFFER(REJECT_FORMAT));
    bad = s;
    bad.chunks++;
    T_EQ(offer(&h, &bad, hash), OFFER(REJECT));
    bad = s;
    bad.metadata = sn_str_sub(s.metadata, 0, s.metadata.len - 1);
    T_EQ(offer(&h, &bad, hash), OFFER(REJECT));
    T_EQ(apply(&h, 0, SN_STR("x"))->result, APPLY(ABORT)); /* nothing was offered */
    T_EQ(offer(&h, &s, hash), OFFER(ACCEPT));
    T_ASSERT(!sn_kvstore_app(h.kv)->snapshot_chunk_known(sn_kvstore_app(h.kv), 3));
    T_EQ(load(&g, &s, s.chunks).len, 0);
    for (uint32_t i = s.chunks; i-- > 0;) { /* in any order */
        if (i == 7) {                       /* a peer that lies */
            struct tendermint_abci_response_apply_snapshot_chunk *lie =
                apply(&h, i, load(&g, &s, 3));
            T_EQ(lie->result, APPLY(RETRY));
            T_EQ(lie->refetch_chunks.ptr[0], 7);
            T_STR(lie->reject_senders.ptr[0], "peer1");
        }
        T_EQ(info(&h)->last_block_height, 0);
        T_EQ(apply(&h, i, load(&g, &s, i))->result, APPLY(ACCEPT));
    }
    T_EQ(info(&h)->last_block_height, 10);
    T_STR(ask(&h, "key00505")->value, "first-505");
    down(&h);
    up(&h); /* kept, and served by who has it now */
    T_EQ(info(&h)->last_block_height, 10);
    T_EQ(list(&h)->snapshots.len, 1);
    T_EQ(load(&h, &s, 1).len, load(&g, &s, 1).len);

    /* The next one: only what is new is wanted. */
    s = *list(&g)->snapshots.ptr[0];
    T_EQ(s.height, 20);
    want[0] = 0xb4; /* 2010 */
    T_EQ(offer(&h, &s, hash), OFFER(ACCEPT));
    uint32_t fetched = 0;
    for (uint32_t i = 0; i < s.chunks; i++) {
        if (sn_kvstore_app(h.kv)->snapshot_chunk_known(sn_kvstore_app(h.kv), i)) continue;
        T_EQ(apply(&h, i, load(&g, &s, i))->result, APPLY(ACCEPT));
        fetched++;
    }
    T_ASSERTF(fetched <= 5 && fetched >= 2, "%u", fetched);
    T_EQ(info(&h)->last_block_height, 20);
    T_STR(ask(&h, "key00505")->value, "second-505");
    T_STR(ask(&h, "key01999")->value, "first-1999");

    /* A whole snapshot of another state than the chain's. */
    want[0] = 2;
    T_EQ(offer(&h, &s, hash), OFFER(ACCEPT));
    T_EQ(apply(&h, 0, load(&g, &s, 0))->result, APPLY(REJECT_SNAPSHOT));
    T_EQ(info(&h)->last_block_height, 20);

    /* Old ones go, with their chunks. */
    for (int i = 0; i < 20; i++) block(&g, NULL, 0);
    T_EQ(list(&g)->snapshots.len, 2);
    T_EQ(list(&g)->snapshots.ptr[1]->height, 30);
    struct sn_str *names;
    size_t n;
    char chunks[400];
    snprintf(chunks, sizeof(chunks), "%s/snapshots/chunks", one);
    T_OK(sn_dir_list(&g.a, chunks, &names, &n));
    T_EQ(n, list(&g)->snapshots.ptr[0]->chunks + 1u); /* two heads, one set of pairs */
    /* A chunk that went bad on disk is not served. */
    s = *list(&g)->snapshots.ptr[0];
    for (size_t i = 0; i < n; i++) {
        snprintf(chunks, sizeof(chunks), "%s/snapshots/chunks/%.*s", one, SN_STR_ARG(names[i]));
        T_OK(sn_file_write(chunks, SN_STR("rot"), 0600));
    }
    T_EQ(load(&g, &s, 1).len, 0);
    down(&g);
    down(&h);
    return 0;
}
SN_TEST_SLOW(snapshots_are_taken_served_and_restored, 120)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, snapshots, NULL));
}

static int extensions(void *arg)
{
    struct rig g = {.o.vote_extensions = true};
    struct sn_kvstore_stats st;
    up(&g);
    struct tendermint_abci_response_extend_vote *ev;
    T_OK(sn_abci_extend_vote(g.c, &(struct tendermint_abci_request_extend_vote){.height = 12}, &g.a,
                             &ev));
    T_STR(ev->vote_extension, "12");
    struct tendermint_abci_request_verify_vote_extension vq = {.height = 12,
                                                               .vote_extension = SN_STR("12")};
    struct tendermint_abci_response_verify_vote_extension *vs;
    T_OK(sn_abci_verify_vote_extension(g.c, &vq, &g.a, &vs));
    T_EQ(vs->status, TENDERMINT_ABCI_RESPONSE_VERIFY_VOTE_EXTENSION_VERIFY_STATUS_ACCEPT);
    vq.height = 13;
    T_OK(sn_abci_verify_vote_extension(g.c, &vq, &g.a, &vs));
    T_EQ(vs->status, TENDERMINT_ABCI_RESPONSE_VERIFY_VOTE_EXTENSION_VERIFY_STATUS_REJECT);
    struct tendermint_abci_extended_vote_info with = {.vote_extension = SN_STR("12")},
                                              without = {0}, *votes[] = {&with, &without, &with};
    struct tendermint_abci_extended_commit_info ci = {.votes = {votes, 3, 0}};
    struct tendermint_abci_response_prepare_proposal *pp;
    T_OK(sn_abci_prepare_proposal(
        g.c, &(struct tendermint_abci_request_prepare_proposal){.local_last_commit = &ci}, &g.a,
        &pp));
    sn_kvstore_stats(g.kv, &st);
    T_EQ(st.vote_extensions, 2);
    down(&g);
    return 0;
}
SN_TEST(votes_are_extended_and_counted)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, extensions, NULL));
}

SN_TEST(options_that_make_no_sense)
{
    struct sn_kvstore *kv;
    T_EQ(sn_kvstore_open(&(struct sn_kvstore_opts){.snapshot_interval = 1}, &kv),
         SN_E_INVALID_ARGUMENT);
    T_EQ(sn_kvstore_open(&(struct sn_kvstore_opts){.snapshot_keep = 11}, &kv),
         SN_E_INVALID_ARGUMENT);
    T_EQ(sn_kvstore_open(&(struct sn_kvstore_opts){.chunk_bytes = 5}, &kv), SN_E_INVALID_ARGUMENT);
}

/* ---- every allocation fails once ---------------------------------------------------------------
 */

static int life(struct sn_kvstore *kv)
{
    struct sn_abci_client *c;
    struct sn_arena a;
    struct sn_str txs[] = {SN_STR_INIT("a=1"), SN_STR_INIT("val=ed25519!" KEY "!10")};
    void *res;
    int r = sn_abci_client_local(sn_kvstore_app(kv), "t", NULL, &c);
    if (r < 0) return r;
    sn_arena_init(&a, NULL, 0);
    for (int h = 1; h <= 2 && r >= 0; h++) {
        struct tendermint_abci_request_prepare_proposal pq = {.txs = {txs, 2, 0}};
        struct tendermint_abci_request_finalize_block q = {.txs = {txs, 2, 0}, .height = h};
        r = sn_abci_client_call(c, SN_ABCI_PREPARE_PROPOSAL, &pq, &a, &res);
        if (r >= 0) r = sn_abci_client_call(c, SN_ABCI_FINALIZE_BLOCK, &q, &a, &res);
        if (r >= 0)
            r = sn_abci_client_call(c, SN_ABCI_COMMIT, &(struct tendermint_abci_request_commit){},
                                    &a, &res);
    }
    struct tendermint_abci_request_query q = {.data = SN_STR("a")};
    if (r >= 0) r = sn_abci_client_call(c, SN_ABCI_QUERY, &q, &a, &res);
    if (r >= 0)
        r = sn_abci_client_call(c, SN_ABCI_LIST_SNAPSHOTS,
                                &(struct tendermint_abci_request_list_snapshots){}, &a, &res);
    sn_arena_done(&a);
    sn_abci_client_close(c);
    return r;
}
static int a_life(void *arg)
{
    struct sn_kvstore_opts o = {.dir = arg, .snapshot_interval = arg ? 2 : 0};
    struct sn_kvstore *kv;
    char path[300];
    snprintf(path, sizeof(path), "%s/kvstore.log", arg ? (char *)arg : "/nonexistent");
    (void)unlink(path); /* each life is the first, or they would grow longer and longer */
    int r = sn_kvstore_open(&o, &kv);
    if (r < 0) return r;
    r = life(kv);
    sn_kvstore_close(kv);
    return r;
}
/* In memory a failed allocation fails the call; with a folder a snapshot may fail and the block
 * not. The folder is in memory, too: a disk's syncs would take minutes. */
static int torture(void *arg)
{
    int n = sn_torture(a_life, NULL);
    T_ASSERTF(n > 10, "%d: %s", n, sn_diag_str(n));
    char dir[] = "/dev/shm/sennit-kvstore-XXXXXX", cmd[100];
    if (!mkdtemp(dir)) sn_test_skip("no /dev/shm");
    n = sn_torture_lenient(a_life, dir);
    snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
    (void)!system(cmd);
    T_ASSERTF(n > 20, "%d: %s", n, sn_diag_str(n));
    return 0;
}
SN_TEST_SLOW(kvstore_torture, 120)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, torture, NULL));
}
