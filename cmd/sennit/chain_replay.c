/* SPDX-License-Identifier: Apache-2.0 */
/* sennit chain replay, replay-console - what the log of consensus says, put through the core again. */
#include <stdio.h>
#include <unistd.h>

#include "consensus/home/replay.h"
#include "consensus/key.h"
#include "consensus/privval.h"
#include "core/status.h"
#include "fiber/fiber.h"
#include "sennit/chain_home.h"

#define LINE_MAX 256

struct replay_opts {
    struct sn_home_flags home;
    int64_t height;
};
static const struct sn_conf_field fields[] = {
    SN_CONF_INT(struct replay_opts, height, "height", .min = 0, .max = INT64_MAX,
                .help = "The first height to replay; 0: the one a start would replay."),
    SN_HOME_FLAGS(struct replay_opts, home),
};
static const struct sn_conf_table table = SN_CONF_TABLE(struct replay_opts, fields);

struct session {
    const struct sn_cli_call *call;
    bool console;
    struct sn_home_config c;
    struct chain_home_log log;
    struct sn_home_replay *r;
};

/* ---- what is typed ---- */

static int step(struct session *s, uint64_t n)
{
    struct sn_buf out SN_CLEANUP(sn_buf_done);
    int r = 1;
    sn_buf_init(&out, 0);
    for (; n > 0 && r == 1; n--) {
        sn_buf_reset(&out);
        r = sn_home_replay_next(s->r, &out);
        fwrite(out.ptr, 1, out.len, stdout);
    }
    return r;
}

static int back(struct session *s, uint64_t n)
{
    uint64_t at = sn_home_replay_count(s->r);
    if (n > at) {
        printf("argument to back must not be larger than the current count (%llu)\n",
               (unsigned long long)at);
        return 0;
    }
    printf("Resetting from %llu to %llu\n", (unsigned long long)at, (unsigned long long)(at - n));
    return sn_home_replay_back(s->r, n);
}

static void show(struct session *s, struct sn_str what)
{
    struct sn_buf out SN_CLEANUP(sn_buf_done);
    sn_buf_init(&out, 0);
    int r = sn_home_replay_show(s->r, what, &out);
    if (r < 0) printf("%s\n", sn_diag_str(r));
    else fwrite(out.ptr, 1, out.len, stdout);
}

/* One line. Returns < 0 to end the session. */
static int obey(struct session *s, struct sn_str line)
{
    struct sn_str rest = sn_str_trim(line), word = sn_str_cut(&rest, ' ');
    uint64_t n = 1;
    bool number = !rest.ptr || sn_str_to_u64(rest, &n) == 0;
    if (!word.len) return 0;
    if (sn_str_eqc(word, "next") || sn_str_eqc(word, "back")) {
        if (!number) {
            printf("%.*s takes an integer argument\n", SN_STR_ARG(word));
            return 0;
        }
        return word.ptr[0] == 'n' ? step(s, n) : back(s, n);
    }
    if (sn_str_eqc(word, "rs")) show(s, rest.ptr ? rest : SN_STR(""));
    else if (sn_str_eqc(word, "n"))
        printf("%llu\n", (unsigned long long)sn_home_replay_count(s->r));
    else printf("next [N], back [N], rs [short|validators|proposal|proposal_block|locked_round|"
                "locked_block|votes], n\n");
    return 0;
}

struct typed {
    char line[LINE_MAX];
    bool end;
};
static int type(void *arg)
{
    struct typed *t = arg;
    t->end = !fgets(t->line, sizeof(t->line), stdin);
    return 0;
}

static int talk(struct session *s)
{
    int r = 0;
    while (r >= 0) {
        struct typed t;
        printf("> ");
        (void)fflush(stdout);
        r = sn_offload(type, &t);
        if (r < 0 || t.end) break;
        r = obey(s, sn_str(t.line));
    }
    printf("\n");
    return SN_MIN(r, 0);
}

/* ---- */

/* Replays as this validator where its public key is here; a follower's replay shows the same but for
 * what would be signed. */
static void find_key(struct session *s, struct sn_home_replay_opts *o)
{
    struct sn_arena *a = s->call->arena;
    struct sn_str key = sn_home_path(a, &s->c, s->c.priv_validator_key_file),
                  state = sn_home_path(a, &s->c, s->c.priv_validator_state_file);
    struct sn_privval *pv;
    if (!key.ptr || !state.ptr ||
        sn_privval_open(&(struct sn_privval_opts){.key_path = key.ptr, .state_path = state.ptr},
                        &pv) < 0)
        return;
    o->has_key = sn_cons_key_addr(sn_privval_key(pv), o->addr) == 0;
    sn_privval_close(pv);
}

static int replay_main(void *arg)
{
    struct session *s = arg;
    const struct sn_home_consensus *cc = &s->c.consensus;
    struct chain_stores stores;
    struct sn_str wal = sn_home_path(s->call->arena, &s->c, cc->wal_file);
    if (!wal.ptr) return SN_E_NOMEM;
    int r = chain_home_stores(s->call->arena, &s->c, &stores);
    if (r < 0) return r;
    struct sn_home_replay_opts o = {
        .blocks = stores.blocks, .states = stores.states, .verifier = &sn_cons_verifier_zip215,
        .wal_path = wal.ptr, .height = ((const struct replay_opts *)s->call->opts)->height,
        .config = {.propose_ns = cc->timeout_propose, .propose_delta_ns = cc->timeout_propose_delta,
                   .prevote_ns = cc->timeout_prevote, .prevote_delta_ns = cc->timeout_prevote_delta,
                   .precommit_ns = cc->timeout_precommit,
                   .precommit_delta_ns = cc->timeout_precommit_delta,
                   .commit_ns = cc->timeout_commit, .skip_commit_timeout = cc->skip_timeout_commit,
                   .no_empty_blocks = !cc->create_empty_blocks,
                   .empty_blocks_interval_ns = cc->create_empty_blocks_interval}};
    find_key(s, &o);
    r = sn_home_replay_new(&o, &s->r);
    if (r >= 0) {
        r = s->console ? talk(s) : SN_MIN(step(s, UINT64_MAX), 0);
        if (r >= 0 && !s->console)
            printf("%llu records\n", (unsigned long long)sn_home_replay_count(s->r));
        if (r >= 0 && !s->console) show(s, SN_STR(""));
        sn_home_replay_free(s->r);
    }
    chain_stores_close(&stores);
    return r;
}

static int run(const struct sn_cli_call *call, bool console)
{
    struct session s = {.call = call, .console = console};
    const struct replay_opts *o = call->opts;
    int r = chain_home_load(call, &o->home, &s.c, &s.log);
    return r < 0 ? r : sn_rt_run(&(struct sn_rt_opts){.workers = 1}, replay_main, &s);
}
static int replay_run(const struct sn_cli_call *call) { return run(call, false); }
static int console_run(const struct sn_cli_call *call) { return run(call, true); }

const struct sn_cli_command sn_cmd_chain_replay = {
    .name = "replay",
    .brief = "Puts the log of consensus through the core again and prints what each record does.",
    .about = "Nothing is written, nobody is asked: blocks are executed by the answers that are "
             "stored. The\nnode must not run.",
    .table = &table,
    .run = replay_run,
};
const struct sn_cli_command sn_cmd_chain_replay_console = {
    .name = "replay-console",
    .alias = "replay_console",
    .brief = "The same, step by step: next [N], back [N], rs [WHAT], n.",
    .table = &table,
    .run = console_run,
};
