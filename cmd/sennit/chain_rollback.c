/* SPDX-License-Identifier: Apache-2.0 */
/* sennit chain rollback, experimental-compact-goleveldb - on the databases of a node that is stopped. */
#include <stdio.h>

#include "consensus/home/rollback.h"
#include "core/status.h"
#include "fiber/fiber.h"
#include "kit/kv.h"
#include "sennit/chain_home.h"

int chain_home_stores(struct sn_arena *a, const struct sn_home_config *c, struct chain_stores *ret)
{
    struct sn_kv *kv;
    *ret = (struct chain_stores){0};
    int r = chain_home_db(a, c, "blockstore", false, &kv);
    if (r < 0) return r;
    r = sn_cons_block_store_new(kv, &ret->blocks);
    if (r < 0) {
        sn_kv_close(kv);
        return r;
    }
    r = chain_home_db(a, c, "state", false, &kv);
    if (r >= 0 && !(ret->states = sn_cons_state_store_new(kv, false))) {
        sn_kv_close(kv);
        r = SN_E_NOMEM;
    }
    if (r < 0) chain_stores_close(ret);
    return r;
}

void chain_stores_close(struct chain_stores *s)
{
    sn_cons_block_store_free(s->blocks);
    sn_cons_state_store_free(s->states);
    *s = (struct chain_stores){0};
}

/* ---- rollback ---- */

struct rollback_opts {
    struct sn_home_flags home;
    bool hard;
};
static const struct sn_conf_field fields[] = {
    SN_CONF_BOOL(struct rollback_opts, hard, "hard", .help = "The last block goes, too."),
    SN_HOME_FLAGS(struct rollback_opts, home),
};
static const struct sn_conf_table table = SN_CONF_TABLE(struct rollback_opts, fields);

struct rollback {
    const struct sn_cli_call *call;
    struct sn_home_config c;
    struct chain_home_log log;
};

static int rollback_main(void *arg)
{
    struct rollback *b = arg;
    const struct rollback_opts *o = b->call->opts;
    struct chain_stores stores;
    struct sn_cons_state *s;
    int r = chain_home_stores(b->call->arena, &b->c, &stores);
    if (r >= 0) {
        r = sn_home_rollback(stores.blocks, stores.states, o->hard, &s);
        chain_stores_close(&stores);
    }
    if (r < 0) return sn_wrap(r, "failed to rollback state");
    printf("Rolled back %s to height %lld and hash ", o->hard ? "both state and block" : "state",
           (long long)s->last_height);
    for (unsigned i = 0; i < s->app_hash.len; i++) printf("%02X", s->app_hash.b[i]);
    printf("\n");
    sn_cons_state_unref(s);
    return 0;
}

static int rollback_run(const struct sn_cli_call *call)
{
    struct rollback b = {.call = call};
    const struct rollback_opts *o = call->opts;
    int r = chain_home_load(call, &o->home, &b.c, &b.log);
    return r < 0 ? r : sn_rt_run(&(struct sn_rt_opts){.workers = 1}, rollback_main, &b);
}

const struct sn_cli_command sn_cmd_chain_rollback = {
    .name = "rollback",
    .brief = "Takes the state one height back, after a wrong application hash.",
    .about = "The application has to go back by itself. Without --hard the block stays, and is "
             "executed\n"
             "again at the next start. The node must not run. Can be done several times.",
    .table = &table,
    .run = rollback_run,
};

/* ---- compact ---- */

static int compact_main(void *arg)
{
    static const char *const names[] = {"state", "blockstore"};
    struct rollback *b = arg;
    for (size_t i = 0; i < SN_COUNT_OF(names); i++) {
        struct sn_kv *kv;
        const char *pairs[] = {"db", names[i], NULL};
        int r = chain_home_db(b->call->arena, &b->c, names[i], false, &kv);
        if (r < 0) return r;
        b->log.log.line(b->log.log.arg, false, "starting compaction...", pairs);
        r = sn_kv_compact(kv, SN_STR(""), SN_STR(""));
        sn_kv_close(kv);
        if (r < 0) return sn_wrap(r, "compact %s", names[i]);
    }
    return 0;
}

static int compact_run(const struct sn_cli_call *call)
{
    struct rollback b = {.call = call};
    const struct chain_home_opts *o = call->opts;
    int r = chain_home_load(call, &o->home, &b.c, &b.log);
    return r < 0 ? r : sn_rt_run(&(struct sn_rt_opts){.workers = 1}, compact_main, &b);
}

const struct sn_cli_command sn_cmd_chain_compact = {
    .name = "experimental-compact-goleveldb",
    .alias = "compact-goleveldb",
    .brief = "Gives back the space of what was pruned. The node must not run.",
    .table = &chain_home_table,
    .run = compact_run,
};
