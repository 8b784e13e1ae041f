/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/engine_app.c - questions to the application, and its answers.
 *
 * Proposals and blocks go one after the other, in the order the core asked, by a fiber that waits in
 * the engine's stead. Extensions of votes are independent of each other and go at once, each in a
 * fiber of its own; a block is not executed before they are answered, so that the application never
 * sees a question about a height behind it. */
#include "consensus/node/engine_int.h"
#include "core/alloc.h"

void sn_engine_job_free(struct sn_engine_job *j)
{
    sn_list_del(&j->link);
    sn_cons_action_done(&j->act);
    sn_cons_state_unref(j->state);
    sn_exec_proposal_done(&j->proposal);
    sn_arena_done(&j->arena);
    sn_free(j);
}

/* ---- asking: in a fiber of the application's ---- */

static int ask(struct sn_engine_job *j)
{
    struct sn_engine *e = j->e;
    struct sn_exec *x = e->o.exec;
    const struct sn_cons_state *s = j->state;
    switch (j->act.kind) {
    case SN_CONS_ACT_PREPARE: return sn_exec_prepare(x, s, &j->last, e->addr, &j->proposal);
    case SN_CONS_ACT_PROCESS: return sn_exec_process(x, s, j->act.block, &j->ok);
    case SN_CONS_ACT_EXTEND: return sn_exec_extend(x, s, j->act.block, &j->arena, &j->extension);
    case SN_CONS_ACT_VERIFY_EXTENSION: return sn_exec_verify(x, j->act.vote, &j->ok);
    case SN_CONS_ACT_FINALIZE:
        return sn_exec_finalize(x, s->last_vals, s->initial_height, j->act.block, true, &e->run);
    case SN_CONS_ACT_COMMIT: return sn_exec_commit(x, j->act.block, &e->run, j->act.state);
    default: return sn_fail(SN_E_INTERNAL, "action %d is no question", j->act.kind);
    }
}
static void answer(struct sn_engine_job *j)
{
    j->result = ask(j);
    if (j->result < 0) sn_diag_format(j->result, j->why, sizeof(j->why));
}

static int concurrent_run(void *arg)
{
    struct sn_engine_job *j = arg;
    struct sn_engine *e = j->e;
    answer(j);
    sn_waitgroup_done(&e->concurrent);
    return sn_chan_send(e->answers, &j);
}

int sn_engine_ordered_run(void *engine)
{
    struct sn_engine *e = engine;
    for (;;) {
        struct sn_engine_job *j;
        int r = sn_chan_recv(e->ordered, &j);
        if (r >= 0 && j->act.kind == SN_CONS_ACT_FINALIZE) r = sn_waitgroup_wait(&e->concurrent);
        if (r < 0) return r;
        answer(j);
        r = sn_chan_send(e->answers, &j);
        if (r < 0) return r;
    }
}

/* ---- the engine's side ---- */

/* Takes the action's references. */
int sn_engine_ask(struct sn_engine *e, struct sn_cons_action *a)
{
    struct sn_engine_job *j = SN_NEW(struct sn_engine_job);
    if (!j) return SN_E_NOMEM;
    j->e = e;
    sn_arena_init(&j->arena, NULL, SN_EXEC_ANSWER_MAX);
    sn_list_push_back(&e->jobs, &j->link);
    j->act = *a;
    *a = (struct sn_cons_action){0};
    j->state = sn_cons_state_ref(sn_cons_core_state(e->core));
    int r = 0;
    if (j->act.kind == SN_CONS_ACT_PREPARE) {
        r = sn_cons_core_last_commit(e->core, &j->arena, &j->last);
        /* Extensions belong to votes that the core may let go of before the application answers. */
        for (uint32_t i = 0; r >= 0 && i < j->last.n; i++) {
            struct sn_cons_commit_sig *sig = &j->last.sigs[i];
            if (sig->ext.len && !(sig->ext = sn_arena_str(&j->arena, sig->ext)).ptr) r = SN_E_NOMEM;
        }
    }
    if (r < 0) return r;
    if (j->act.kind != SN_CONS_ACT_EXTEND && j->act.kind != SN_CONS_ACT_VERIFY_EXTENSION)
        return sn_chan_send(e->ordered, &j);
    sn_waitgroup_add(&e->concurrent, 1);
    r = sn_scope_go(e->scope, "extension", concurrent_run, j);
    if (r < 0) sn_waitgroup_done(&e->concurrent);
    return r;
}

/* COMMIT has been answered: the block is part of the past. */
static int committed(struct sn_engine *e, const struct sn_engine_job *j)
{
    int r = sn_exec_evidence(e->o.exec, j->act.state, j->act.block);
    if (r < 0) return r;
    return sn_engine_input(e, &(struct sn_cons_input){.kind = SN_CONS_IN_COMMITTED});
}

static int put_in(struct sn_engine *e, struct sn_engine_job *j)
{
    struct sn_cons_input in = {.height = j->act.height, .round = j->act.round, .ok = j->ok};
    switch (j->act.kind) {
    case SN_CONS_ACT_PREPARE:
        in.kind = SN_CONS_IN_PREPARED;
        in.content = &j->proposal.content;
        break;
    case SN_CONS_ACT_PROCESS: in.kind = SN_CONS_IN_PROCESSED; break;
    case SN_CONS_ACT_EXTEND:
        in.kind = SN_CONS_IN_EXTENDED;
        in.extension = j->extension;
        break;
    case SN_CONS_ACT_VERIFY_EXTENSION:
        in.kind = SN_CONS_IN_EXTENSION_VERIFIED;
        in.vote = j->act.vote;
        break;
    case SN_CONS_ACT_FINALIZE:
        in.kind = SN_CONS_IN_FINALIZED;
        in.result = &e->run.result;
        break;
    default: return committed(e, j);
    }
    int r = sn_engine_input(e, &in);
    if (r >= 0 || sn_engine_fatal(r)) return r;
    /* A vote that came another way since, or conflicts with one that did. */
    if (in.kind == SN_CONS_IN_EXTENSION_VERIFIED) return 0;
    return sn_wrap(r, "the application's answer at %lld/%d", (long long)j->act.height,
                   j->act.round);
}

int sn_engine_answer(struct sn_engine *e, struct sn_engine_job *j)
{
    int r = j->result < 0 ? sn_fail(j->result, "%s", j->why) : put_in(e, j);
    sn_engine_job_free(j);
    return r;
}
