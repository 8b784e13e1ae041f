/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/home/chain_test.c - rollback and replay of a chain in memory, whose log is written from its
 * blocks. Signatures are not checked: the chain's commits have none. */
#include "consensus/home/replay.h"
#include "consensus/home/rollback.h"
#include "consensus/node/evidence_chain_test.h"
#include "consensus/wal_file.h"
#include "core/torture.h"
#include "fiber/fiber.h"
#include "harness/test.h"

#define HEIGHTS 6

static int accept_all(const struct sn_cons_verifier *v, struct sn_cons_check *checks, size_t n)
{
    for (size_t i = 0; i < n; i++) checks[i].ok = true;
    return v ? 0 : -1;
}
static const struct sn_cons_verifier trusting = {.verify = accept_all};

static void encode(const struct sn_cons_state *s, struct sn_buf *out)
{
    sn_buf_reset(out);
    T_OK(sn_cons_state_encode(s, out));
}
static void run(int (*fn)(void *), void *arg)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, fn, arg));
}

/* ---- rollback ---- */

static void expect_state(const struct sn_cons_state *s, const struct sn_buf *want)
{
    struct sn_buf got;
    sn_buf_init(&got, 0);
    encode(s, &got);
    T_ASSERTF(sn_str_eq(sn_buf_view(&got), sn_buf_view(want)), "the state of height %lld differs",
              (long long)s->last_height);
    sn_buf_done(&got);
}

static int rollback_main(void *arg)
{
    (void)arg;
    struct evidence_chain c;
    struct sn_cons_state *s, *p;
    struct sn_buf states[HEIGHTS + 1];
    evidence_chain_open(&c, NULL);
    T_EQ(sn_home_rollback(c.blocks, c.states, false, &s), SN_E_NOT_FOUND);
    for (int h = 0; h <= HEIGHTS; h++) {
        if (h) evidence_chain_grow(&c, NULL, 0);
        sn_buf_init(&states[h], 0);
        encode(c.state, &states[h]);
    }
    /* In memory, one after the other. */
    s = sn_cons_state_ref(c.state);
    for (int h = HEIGHTS - 1; h >= 1; h--) {
        T_OK(sn_home_state_before(c.blocks, c.states, s, &p));
        expect_state(p, &states[h]);
        sn_cons_state_unref(s);
        s = p;
    }
    T_EQ(sn_home_state_before(c.blocks, c.states, s, &p), SN_E_NOT_FOUND);
    sn_cons_state_unref(s);
    /* On disk: soft, then again, which only drops the block that was not applied. */
    T_OK(sn_home_rollback(c.blocks, c.states, false, &s));
    expect_state(s, &states[HEIGHTS - 1]);
    T_EQ(sn_cons_block_store_height(c.blocks), HEIGHTS);
    sn_cons_state_unref(s);
    T_OK(sn_home_rollback(c.blocks, c.states, true, &s));
    expect_state(s, &states[HEIGHTS - 1]);
    T_EQ(sn_cons_block_store_height(c.blocks), HEIGHTS - 1);
    sn_cons_state_unref(s);
    T_OK(sn_home_rollback(c.blocks, c.states, true, &s));
    expect_state(s, &states[HEIGHTS - 2]);
    T_EQ(sn_cons_block_store_height(c.blocks), HEIGHTS - 2);
    /* Stores that do not belong together. */
    T_OK(sn_cons_block_store_drop(c.blocks));
    struct sn_cons_state *none;
    T_EQ(sn_home_rollback(c.blocks, c.states, false, &none), SN_E_FAILED_PRECONDITION);
    sn_cons_state_unref(s);
    for (int h = 0; h <= HEIGHTS; h++) sn_buf_done(&states[h]);
    evidence_chain_close(&c);
    return 0;
}
SN_TEST(home_rollback) { run(rollback_main, NULL); }

/* ---- replay ---- */

static void log_msg(struct sn_cons_wal *w, const struct sn_cons_msg *m)
{
    struct sn_cons_wal_record rec = {.kind = SN_CONS_WAL_MSG, .msg = *m, .time = {1767225700, 0},
                                     .peer = {.len = 4, .b = "peer"}};
    T_OK(sn_cons_wal_append(w, &rec));
}

static void log_votes(struct sn_cons_wal *w, const struct sn_cons_commit *seen, uint8_t type)
{
    for (uint32_t i = 0; i < seen->n; i++) {
        struct sn_cons_vote v = {.refs = 1, .type = type, .height = seen->height,
                                 .block_id = seen->block_id, .time = seen->sigs[i].time,
                                 .index = (int32_t)i, .sig = {.len = 64}};
        memcpy(v.addr, seen->sigs[i].addr, sizeof(v.addr));
        log_msg(w, &(struct sn_cons_msg){.kind = SN_CONS_MSG_VOTE, .vote = &v});
    }
}

/* The log as a node that follows the chain would have written it. */
static void log_height(struct sn_cons_wal *w, struct evidence_chain *c, int64_t h)
{
    struct sn_arena a;
    struct sn_cons_block *b;
    struct sn_cons_part_set *parts;
    struct sn_cons_commit seen;
    struct sn_buf buf;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&buf, 0);
    T_OK(sn_cons_block_store_block(c->blocks, h, &b));
    T_OK(sn_cons_block_store_seen(c->blocks, h, &a, &seen));
    T_OK(sn_cons_block_encode(b, &buf));
    T_OK(sn_cons_part_set_split(sn_buf_view(&buf), &parts));
    struct sn_cons_wal_record rec = {.kind = SN_CONS_WAL_TIMEOUT, .time = {1767225700, 0},
                                     .timeout = {1, h, 0, SN_CONS_STEP_NEW_HEIGHT}};
    T_OK(sn_cons_wal_append(w, &rec));
    struct sn_cons_msg m = {.kind = SN_CONS_MSG_PROPOSAL,
                            .proposal = {.height = h, .pol_round = -1, .block_id = seen.block_id,
                                         .time = b->header.time, .sig = {.len = 64}}};
    log_msg(w, &m);
    for (uint32_t i = 0; i < parts->header.total; i++)
        log_msg(w, &(struct sn_cons_msg){.kind = SN_CONS_MSG_BLOCK_PART, .height = h,
                                         .part = *parts->parts[i]});
    log_votes(w, &seen, SN_CONS_PREVOTE);
    log_votes(w, &seen, SN_CONS_PRECOMMIT);
    rec = (struct sn_cons_wal_record){.kind = SN_CONS_WAL_END_HEIGHT, .height = h};
    T_OK(sn_cons_wal_append(w, &rec));
    T_OK(sn_cons_wal_sync(w));
    sn_cons_part_set_unref(parts);
    sn_cons_block_unref(b);
    sn_buf_done(&buf);
    sn_arena_done(&a);
}

struct fixture {
    struct evidence_chain c;
    char wal[512];
    struct sn_home_replay_opts o;
};

static void begin(struct fixture *f, int64_t head_bytes)
{
    struct sn_cons_wal *w;
    snprintf(f->wal, sizeof(f->wal), "%s/cs.wal/wal", sn_test_tmpdir());
    evidence_chain_open(&f->c, NULL);
    T_OK(sn_cons_wal_open(f->wal, &(struct sn_cons_wal_opts){.head_bytes_max = head_bytes}, NULL, &w));
    for (int64_t h = 1; h <= HEIGHTS; h++) {
        evidence_chain_grow(&f->c, NULL, 0);
        /* An answer with one event: what changes nothing. */
        T_OK(sn_cons_state_store_save_answer(f->c.states, h, SN_STR("\x0a\x03\x0a\x01"
                                                                    "e")));
        log_height(w, &f->c, h);
    }
    sn_cons_wal_close(w);
    f->o = (struct sn_home_replay_opts){.blocks = f->c.blocks, .states = f->c.states,
                                        .verifier = &trusting, .wal_path = f->wal, .height = 2,
                                        .config = sn_cons_config_default()};
}

static int play(struct sn_home_replay *r, struct sn_buf *out)
{
    int x;
    while ((x = sn_home_replay_next(r, out)) == 1) continue;
    return x;
}
static unsigned count(const struct sn_buf *b, const char *word)
{
    unsigned n = 0;
    struct sn_str rest = sn_buf_view(b);
    for (ssize_t at; (at = sn_str_find(rest, sn_str(word))) >= 0; n++)
        rest = sn_str_from(rest, (size_t)at + 1);
    return n;
}

/* Files of a few records each, so that the replay begins in one of several. */
static int replay_main(void *arg)
{
    struct fixture f;
    struct sn_home_replay *r;
    struct sn_buf out, again;
    begin(&f, *(const int64_t *)arg);
    sn_buf_init(&out, 0);
    sn_buf_init(&again, 0);
    T_OK(sn_home_replay_new(&f.o, &r));
    T_EQ(play(r, &out), 0);
    T_ASSERTF(count(&out, "    refused") == 0, "%s", sn_buf_cz(&out));
    T_EQ(count(&out, "    stores block"), HEIGHTS - 1);
    T_EQ(count(&out, "end of height"), 2 * (HEIGHTS - 1));
    uint64_t n = sn_home_replay_count(r);
    sn_buf_reset(&out);
    T_OK(sn_home_replay_show(r, SN_STR("short"), &out));
    T_STR(sn_buf_view(&out), "7/0/RoundStepNewHeight\n");
    T_EQ(sn_home_replay_show(r, SN_STR("nonsense"), &out), SN_E_INVALID_ARGUMENT);
    /* Back and forth again: the same end, by the same lines. */
    T_OK(sn_home_replay_back(r, n - 5));
    T_EQ(sn_home_replay_count(r), 5);
    T_EQ(play(r, &again), 0);
    T_EQ(sn_home_replay_count(r), n);
    sn_buf_reset(&out);
    T_OK(sn_home_replay_back(r, n - 5));
    T_EQ(play(r, &out), 0);
    T_ASSERT(sn_str_eq(sn_buf_view(&out), sn_buf_view(&again)));
    sn_buf_reset(&out);
    T_OK(sn_home_replay_show(r, SN_STR(""), &out));
    T_EQ(count(&out, "validator "), EVIDENCE_CHAIN_VALIDATORS);
    sn_home_replay_free(r);
    sn_buf_done(&out);
    sn_buf_done(&again);
    evidence_chain_close(&f.c);
    return 0;
}
SN_TEST(home_replay) { run(replay_main, &(int64_t){0}); }
SN_TEST(home_replay_files) { run(replay_main, &(int64_t){600}); }

static int edges_main(void *arg)
{
    struct fixture f;
    struct sn_home_replay *r;
    struct sn_buf out;
    begin(&f, 0);
    sn_buf_init(&out, 0);
    f.o.height = 0; /* what a start would replay: nothing, the last height is whole */
    T_OK(sn_home_replay_new(&f.o, &r));
    T_EQ(play(r, &out), 0);
    T_EQ(sn_home_replay_count(r), 0);
    sn_home_replay_free(r);
    f.o.height = HEIGHTS + 2;
    T_EQ(sn_home_replay_new(&f.o, &r), SN_E_NOT_FOUND);
    f.o.height = 1;
    T_EQ(sn_home_replay_new(&f.o, &r), SN_E_NOT_FOUND);
    f.o.height = 3;
    f.o.wal_path = "/nowhere/wal";
    T_EQ(sn_home_replay_new(&f.o, &r), SN_E_NOT_FOUND);
    /* The log's last record cut off: said, and the end. A byte of it turned over: refused. */
    FILE *file = fopen(f.wal, "r+");
    T_ASSERT(file && fseek(file, -3, SEEK_END) == 0);
    int c = fgetc(file);
    T_ASSERT(fseek(file, -3, SEEK_END) == 0 && fputc(c ^ 1, file) != EOF && fclose(file) == 0);
    f.o.wal_path = f.wal;
    T_OK(sn_home_replay_new(&f.o, &r));
    T_EQ(play(r, &out), SN_E_DATA_LOSS);
    sn_home_replay_free(r);
    sn_buf_done(&out);
    evidence_chain_close(&f.c);
    return arg != NULL;
}
SN_TEST(home_replay_edges) { run(edges_main, NULL); }

static struct fixture *tortured;
static int torture(void *arg)
{
    struct sn_home_replay *r;
    struct sn_buf out;
    int x = sn_home_replay_new(&tortured->o, &r);
    if (x < 0) return x;
    sn_buf_init(&out, 0);
    x = play(r, &out);
    sn_buf_done(&out);
    sn_home_replay_free(r);
    return arg ? -1 : x;
}
static int torture_main(void *arg)
{
    struct fixture f;
    begin(&f, 0);
    f.o.height = HEIGHTS - 1;
    tortured = &f;
    int n = sn_torture_lenient(torture, arg);
    T_ASSERTF(n > 50, "%d: %s", n, sn_diag_str(n));
    evidence_chain_close(&f.c);
    return 0;
}
SN_TEST_SLOW(home_replay_torture, 120) { run(torture_main, NULL); }
