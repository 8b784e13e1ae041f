/* SPDX-License-Identifier: Apache-2.0 */
/* sennit chain start - a CometBFT node: CometBFT's home folder, flags, peers and RPC. */
#include "consensus/daemon/daemon.h"
#include "core/buf.h"
#include "kit/log.h"
#include "sennit/chain_cmd.h"

struct opts {
    struct sn_home_flags home;
    struct sn_str debug;
    uint64_t workers, kvstore_snapshots;
};
#define LOG_RING_BYTES (256u << 10) /* some 1,500 lines; in time all of it is touched */

static const struct sn_conf_field fields[] = {
    SN_HOME_FLAGS(struct opts, home),
    SN_HOME_START_FLAGS(struct opts, home),
    SN_CONF_UINT(struct opts, kvstore_snapshots, "kvstore-snapshots", .metavar = "BLOCKS",
                 .max = INT32_MAX,
                 .help = "persistent_kvstore takes a snapshot every so many blocks; 0: none."),
    SN_CONF_STRING(struct opts, debug, "debug", .metavar = "ADDRESS",
                   .help = "Serve /metrics, /healthz and /debug/pprof/ there."),
    SN_CONF_UINT(struct opts, workers, "workers", .letter = 'w', .max = 1024,
                 .help = "Threads; 0 = one per processor this process may run on."),
};
static const struct sn_conf_table table = SN_CONF_TABLE(struct opts, fields);

struct start {
    const struct sn_cli_call *call;
    struct sn_home_config config;
};
static int start_main(void *arg)
{
    struct start *s = arg;
    const struct opts *o = s->call->opts;
    struct sn_daemon_opts d = {.config = &s->config, .genesis_hash = o->home.genesis_hash,
                              .kvstore_snapshots = (int64_t)o->kvstore_snapshots};
    int r = o->debug.len ? sn_cmd_debug(sn_arena_str(s->call->arena, o->debug).ptr) : 0;
    return r < 0 ? r : sn_daemon_run(&d);
}

/* ---- CometBFT's log levels ---- */

/* The modules that do here what CometBFT's do there. */
static const char *module_of(struct sn_str name)
{
    static const char *const names[][2] = {{"main", "node"}, {"state", "exec"},
                                           {"rpc-server", "rpc"}, {"txindex", "indexer"},
                                           {"abci-client", "abci"}};
    static const char *const same[] = {"abci", "blocksync", "consensus", "evidence", "light",
                                       "mempool", "p2p", "pex", "privval", "rpc", "statesync"};
    for (size_t i = 0; i < SN_COUNT_OF(names); i++)
        if (sn_str_eqc(name, names[i][0])) return names[i][1];
    for (size_t i = 0; i < SN_COUNT_OF(same); i++)
        if (sn_str_eqc(name, same[i])) return same[i];
    return NULL;
}
/* "info", "none", or "consensus:debug,*:error": to the logger's own "error,consensus=debug".
 * Modules that are not here are left out. */
static int set_levels(struct sn_str spec)
{
    struct sn_buf all SN_CLEANUP(sn_buf_done), rest SN_CLEANUP(sn_buf_done);
    struct sn_str every = SN_STR("error");
    sn_buf_init(&all, 4096);
    sn_buf_init(&rest, 4096);
    while (spec.ptr) {
        struct sn_str level = sn_str_trim(sn_str_cut(&spec, ',')), name = {0};
        if (sn_str_chr(level, ':') >= 0) name = sn_str_cut(&level, ':');
        if (sn_str_eqc(level, "none")) level = SN_STR("off");
        if (level.len == 0) continue;
        if (!name.ptr || sn_str_eqc(name, "*"))
            every = level;
        else if (module_of(name))
            sn_buf_printf(&rest, ",%s=%.*s", module_of(name), SN_STR_ARG(level));
    }
    sn_buf_str(&all, every);
    int r = sn_buf_str(&all, sn_buf_view(&rest));
    r = r < 0 ? r : sn_log_set_levels(sn_buf_view(&all));
    return r < 0 ? sn_wrap(r, "log_level") : 0;
}

static int run(const struct sn_cli_call *call)
{
    const struct opts *o = call->opts;
    struct start s = {.call = call};
    struct sn_rt_opts rt = {.workers = (unsigned)o->workers};
    struct sn_log *log;
    int r = sn_home_config_load(call->arena, &o->home, true, &s.config);
    if (r < 0) return r;
    if ((r = set_levels(s.config.log_level)) < 0) return r;
    bool json = sn_str_eqc(s.config.log_format, "json");
    r = sn_log_new(&(struct sn_log_opts){.format = json ? SN_LOG_JSON : SN_LOG_LOGFMT,
                                         .ring_bytes = LOG_RING_BYTES},
                   &log);
    if (r < 0) return r;
    sn_log_set_default(log);
    sn_cmd_raise_files();
    r = sn_rt_run(&rt, start_main, &s);
    sn_log_set_default(NULL);
    sn_log_free(log);
    return r;
}

const struct sn_cli_command sn_cmd_chain_start = {
    .name = "start",
    .alias = "node run",
    .brief = "Runs a node on a home folder as CometBFT has it.",
    .about = "The folder, its config.toml and the flags are CometBFT 0.38's; either program goes "
             "on where the\n"
             "other stopped. SIGTERM and SIGINT end the node; a failure ends it with status 1 and "
             "the reason.",
    .table = &table,
    .run = run,
};
