/* SPDX-License-Identifier: Apache-2.0 */
/* A real node's log, and single rules of the machine that simulation reaches only by luck. */
#include "consensus/core.h"

#include <stdlib.h>

#include "consensus/genesis.h"
#include "consensus/valset.h"
#include "consensus/wal.h"
#include "harness/test.h"
/* Needs the harness. */
#include "consensus/golden_test.h"

/* ---- the log of a CometBFT node ---- */

struct follower {
    struct sn_cons_core *core;
    int64_t ended; /* height whose END_HEIGHT the core asked for last */
    unsigned saved;
    struct sn_cons_block_id ids[16];
};
static void in(struct follower *f, const struct sn_cons_input *input)
{
    T_ASSERTF(sn_cons_core_input(f->core, input, 1) == 0, "%s", sn_diag_str(SN_E_UNKNOWN));
}
/* Plays the application of the node that wrote the log: no transactions, eight zero bytes as hash. */
static void obey(struct follower *f)
{
    struct sn_cons_action a;
    struct sn_cons_block_result res = {.app_hash.len = 8};
    while (sn_cons_core_action(f->core, &a)) {
        if (a.kind == SN_CONS_ACT_END_HEIGHT) f->ended = a.height;
        if (a.kind == SN_CONS_ACT_SAVE_BLOCK)
            f->ids[f->saved++] = (struct sn_cons_block_id){a.block->hash, a.parts->header};
        if (a.kind == SN_CONS_ACT_FINALIZE)
            in(f, &(struct sn_cons_input){.kind = SN_CONS_IN_FINALIZED, .result = &res});
        if (a.kind == SN_CONS_ACT_COMMIT)
            in(f, &(struct sn_cons_input){.kind = SN_CONS_IN_COMMITTED});
        if (a.kind == SN_CONS_ACT_PROCESS)
            in(f, &(struct sn_cons_input){.kind = SN_CONS_IN_PROCESSED, .height = a.height,
                                          .round = a.round, .ok = true});
        sn_cons_action_done(&a);
    }
}
static void feed(struct follower *f, const struct sn_cons_wal_record *rec)
{
    if (rec->kind == SN_CONS_WAL_MSG)
        in(f, &(struct sn_cons_input){.kind = SN_CONS_IN_MSG, .msg = &rec->msg,
                                      .peer = rec->peer.len ? &rec->peer : NULL});
    if (rec->kind == SN_CONS_WAL_TIMEOUT)
        in(f, &(struct sn_cons_input){.kind = SN_CONS_IN_TIMEOUT, .timeout = rec->timeout});
    obey(f);
    if (rec->kind == SN_CONS_WAL_END_HEIGHT) T_EQ(f->ended, rec->height);
    /* That node logs its steps while it takes them; we have taken them all by now. */
    if (rec->kind == SN_CONS_WAL_ROUND_STATE && !sn_str_eqc(rec->step, "RoundStepCommit")) {
        T_EQ(sn_cons_core_round(f->core)->height, rec->height);
        T_EQ(sn_cons_core_round(f->core)->round, rec->round);
    }
}

SN_TEST(core_follows_a_cometbft_log)
{
    struct golden doc, log;
    struct sn_arena a;
    struct sn_cons_genesis genesis;
    struct sn_cons_state *state;
    struct sn_cons_wal_record rec;
    struct follower f = {0};
    struct sn_cons_core_opts o = {.config = sn_cons_config_default(),
                                  .verifier = &sn_cons_verifier_zip215};
    golden_open(&doc, "wal_genesis.json");
    golden_open(&log, "wal");
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_cons_genesis_parse(doc.text, &a, &genesis));
    T_OK(sn_cons_genesis_state(&genesis, &state));
    state->app_version = 1; /* the generator's node has the kvstore's without InitChain */
    T_OK(sn_cons_core_new(&o, state, NULL, 0, &f.core));
    int r;
    struct sn_str rest = log.text;
    for (unsigned n = 0; (r = sn_cons_wal_next(&rest, &a, &rec)) == 0; n++) {
        sn_test_row("record %u", n);
        feed(&f, &rec);
    }
    T_EQ(r, SN_E_EOF);
    T_ASSERTF(f.saved >= 5, "%u blocks", f.saved);
    const struct sn_cons_state *end = sn_cons_core_state(f.core);
    T_EQ(end->last_height, f.saved);
    T_ASSERT(sn_cons_block_id_eq(&end->last_block_id, &f.ids[f.saved - 1]));
    sn_cons_core_free(f.core);
    sn_cons_state_unref(state);
    sn_arena_done(&a);
    golden_close(&doc);
    golden_close(&log);
}
