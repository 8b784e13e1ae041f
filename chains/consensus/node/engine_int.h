/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/engine_int.h - the engine's inside, in three files: engine.c (inbox, timer, the
 * loop, start), engine_act.c (what actions say), engine_app.c (questions to the application).
 *
 * The core is touched by one fiber, with the lock held, so that others may look in between. Disk,
 * signer and application are waited for without it. Blocks, votes and states are counted by that
 * fiber alone; the fibers that talk to the application only read what the engine holds for them. */
#pragma once
#include <stdatomic.h>

#include "consensus/node/checked.h"
#include "consensus/node/engine.h"
#include "consensus/node/exec_int.h"
#include "core/list.h"
#include "core/vec.h"
#include "fiber/chan.h"
#include "fiber/sync.h"

/* A peer's message, decoded where it came in. */
struct sn_engine_item {
    struct sn_cons_peer_id peer;
    struct sn_arena arena; /* of msg */
    struct sn_cons_msg msg;
    int64_t bytes; /* of room it takes */
};
/* Our own message, logged: a vote, or a proposal with its parts. */
struct sn_engine_own {
    struct sn_cons_vote *vote;
    struct sn_cons_proposal proposal;
    struct sn_cons_part_set *parts;
};

/* A question to the application. It belongs to the engine's fiber before and after the call. */
struct sn_engine_job {
    struct sn_engine *e;
    struct sn_list link; /* of e->jobs */
    struct sn_cons_action act;
    struct sn_cons_state *state; /* the core's at that time, one reference */
    struct sn_arena arena;
    struct sn_cons_commit last; /* PREPARE; the arena's */
    /* The answer. */
    int result;
    char why[SN_DIAG_BYTES];
    bool ok;
    struct sn_str extension;
    struct sn_exec_proposal proposal;
};

struct sn_engine {
    struct sn_engine_opts o;
    struct sn_cons_wal *wal;
    struct sn_checked *checked;
    uint8_t addr[SN_CONS_ADDR_LEN];
    void (*on_event)(void *arg, const struct sn_cons_action *a,
                     const struct sn_cons_round_state *rs);
    void *event_arg;
    void (*on_fault)(void *arg, const struct sn_cons_peer_id *peer, int error);
    void *fault_arg;

    struct sn_mutex lock;
    struct sn_cons_core *core; /* NULL while it does not run */
    _Atomic bool running;
    struct sn_cons_state *last; /* where it ended: one reference */

    struct sn_chan *inbox;   /* of struct sn_engine_item * */
    struct sn_sem room;      /* bytes that may still wait in it */
    struct sn_chan *answers; /* of struct sn_engine_job * */
    struct sn_chan *wake;
    _Atomic bool txs_available;

    /* The engine's fiber alone. */
    struct sn_chan *ordered; /* of struct sn_engine_job *: one after the other */
    struct sn_waitgroup concurrent; /* extensions at the application */
    struct sn_scope *scope;
    struct sn_list jobs;
    SN_VEC(struct sn_engine_own) own;
    size_t own_done;
    bool dirty; /* inputs are logged that are not on the disk */
    bool replaying;
    struct sn_cons_timeout timer; /* step 0: none */
    int64_t timer_at;             /* sn_now */
    struct sn_exec_run run;       /* of the height that is being executed */
    struct sn_cons_block *block;  /* likewise, one reference */
    struct sn_cons_block_id block_id;

    _Atomic uint64_t n_heights, n_log_syncs, n_signatures, n_messages, n_faults, n_stores;
};

int64_t sn_engine_now(void);
/* engine_act.c */
int sn_engine_act(struct sn_engine *e, struct sn_cons_action *a) SN_MUST_CHECK;
int sn_engine_log(struct sn_engine *e, struct sn_cons_wal_record *rec) SN_MUST_CHECK;
int sn_engine_sync(struct sn_engine *e) SN_MUST_CHECK;
void sn_engine_own_done(struct sn_engine_own *own);
/* engine_app.c */
int sn_engine_ask(struct sn_engine *e, struct sn_cons_action *a) SN_MUST_CHECK;
int sn_engine_answer(struct sn_engine *e, struct sn_engine_job *j) SN_MUST_CHECK;
int sn_engine_ordered_run(void *engine);
void sn_engine_job_free(struct sn_engine_job *j);
/* engine.c: as sn_cons_core_input. */
int sn_engine_input(struct sn_engine *e, const struct sn_cons_input *in) SN_MUST_CHECK;
/* Whether an error of an input ends the engine: the core has halted. */
static inline bool sn_engine_fatal(int r)
{
    return r == SN_E_NOMEM || r == SN_E_INTERNAL || r == SN_E_DATA_LOSS;
}
