/* SPDX-License-Identifier: Apache-2.0 */
/* sennit chain light - the light client's proxy: a node's RPC at which only verified answers come.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "consensus/light/proxy.h"
#include "core/enc.h"
#include "fiber/fiber.h"
#include "fiber/os.h"
#include "kit/log.h"
#include "sennit/chain_cmd.h"

SN_LOG_MODULE("light-proxy");

struct opts {
    struct sn_str primary, witnesses, hash, level, laddr, dir;
    int64_t height, trusting, drift;
    uint64_t workers, connections;
    bool sequential, verbose;
};
static const struct sn_conf_field fields[] = {
    SN_CONF_STRING(struct opts, primary, "primary", .letter = 'p', .metavar = "URL",
                   .help = "The node that is asked; without it those of the last run are."),
    SN_CONF_STRING(struct opts, witnesses, "witnesses", .letter = 'w', .metavar = "URL,...",
                   .help = "Nodes that every new header is compared with."),
    SN_CONF_INT(struct opts, height, "height", .min = 0, .max = INT64_MAX,
                .help =
                    "Height of the block that is trusted to begin with; 0: as the folder has it."),
    SN_CONF_STRING(struct opts, hash, "hash", .metavar = "HEX", .help = "That block's hash."),
    SN_CONF_DURATION(struct opts, trusting, "trusting-period", .def = "168h",
                     .help = "How long a header is trusted; well below the time validators need to "
                             "leave with their stake."),
    SN_CONF_STRING(struct opts, level, "trust-level", .def = "1/3",
                   .help =
                       "Share of the trusted validators' power that must have signed; 1/3 to 1."),
    SN_CONF_DURATION(struct opts, drift, "max-clock-drift", .def = "10s",
                     .help = "How far ahead of ours a header's time may be."),
    SN_CONF_BOOL(struct opts, sequential, "sequential",
                 .help = "Verify every header on the way, instead of skipping."),
    SN_CONF_STRING(struct opts, laddr, "laddr", .def = "tcp://localhost:8888", .metavar = "ADDRESS",
                   .help = "Where the proxy listens."),
    SN_CONF_STRING(struct opts, dir, "home-dir", .metavar = "FOLDER",
                   .help = "Trusted blocks are kept there; CometBFT's folder will do. Default: "
                           "~/.cometbft-light."),
    SN_CONF_UINT(struct opts, connections, "max-open-connections", .def = "900", .min = 1,
                 .max = 1000000, .help = "Connections to the proxy at a time."),
    SN_CONF_BOOL(struct opts, verbose, "verbose", .help = "Log each block that is verified."),
    SN_CONF_UINT(struct opts, workers, "workers", .max = 1024,
                 .help = "Threads; 0 = one per processor this process may run on."),
};
static const struct sn_conf_table table = SN_CONF_TABLE(struct opts, fields);

struct light {
    const struct sn_cli_call *call;
    const struct opts *o;
    struct sn_str chain_id, primary, witnesses;
    struct sn_kv *kv;
    struct sn_scope *scope;
    struct sn_light_client *client; /* freed where nobody cancels */
};

/* ---- the folder ---- */

static const char *folder(struct light *l)
{
    const char *home = getenv("HOME");
    struct sn_str s =
        l->o->dir.len ? sn_arena_str(l->call->arena, l->o->dir)
                      : sn_arena_printf(l->call->arena, "%s/.cometbft-light", home ? home : ".");
    return s.ptr;
}
static int kept(struct light *l, const char *key, struct sn_str *ret)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    int r = sn_kv_get(l->kv, sn_str(key), &b);
    if (r <= 0) return r;
    *ret = sn_arena_str(l->call->arena, sn_buf_view(&b));
    return ret->ptr ? 1 : SN_E_NOMEM;
}
static int keep(struct light *l)
{
    struct sn_kv_batch b SN_CLEANUP(sn_kv_batch_done) = {0};
    int r = sn_kv_batch_put(&b, SN_STR("primary"), l->primary);
    if (r >= 0) r = sn_kv_batch_put(&b, SN_STR("witnesses"), l->witnesses);
    return r < 0 ? r : sn_kv_write(l->kv, &b, true);
}
/* The nodes: of the command line, else of the last run. */
static int nodes(struct light *l)
{
    l->primary = l->o->primary;
    l->witnesses = l->o->witnesses.ptr ? l->o->witnesses : SN_STR("");
    if (l->primary.len) return keep(l);
    int r = kept(l, "primary", &l->primary);
    if (r > 0) r = kept(l, "witnesses", &l->witnesses);
    if (r == 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "no node to ask: expected --primary and --witnesses");
    return r < 0 ? r : 0;
}

/* ---- the client ---- */

static int fraction(struct sn_str s, struct sn_cons_fraction *ret)
{
    struct sn_str den = s, num = sn_str_cut(&den, '/');
    if (sn_str_to_u64(num, &ret->num) < 0 || !den.ptr || sn_str_to_u64(den, &ret->den) < 0 ||
        ret->den == 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "--trust-level: expected a fraction such as 1/3");
    return 0;
}
static int open_client(struct light *l, struct sn_light_client **ret)
{
    struct sn_light_provider *w[SN_LIGHT_WITNESSES_MAX] = {0};
    const struct opts *o = l->o;
    struct sn_light_client_opts c = {.chain_id = l->chain_id,
                                     .sequential = o->sequential,
                                     .trust_height = o->hash.len ? o->height : 0,
                                     .witnesses = w,
                                     .rules = {.verifier = &sn_cons_verifier_zip215,
                                               .trusting_ns = o->trusting,
                                               .drift_ns = o->drift}};
    int r = fraction(o->level, &c.rules.level);
    if (r >= 0 && o->hash.len) {
        ssize_t n =
            o->hash.len == 2 * SN_CONS_HASH_LEN ? sn_hex_decode(o->hash, c.trust_hash.b) : -1;
        c.trust_hash.len = SN_CONS_HASH_LEN;
        if (n < 0)
            r = sn_fail(SN_E_INVALID_ARGUMENT, "--hash: expected 64 hex digits");
        else if (c.trust_height == 0)
            c.trust_height = 1;
    }
    if (r >= 0)
        r = sn_light_http(sn_arena_str(l->call->arena, l->primary).ptr, l->chain_id, &c.primary);
    for (struct sn_str rest = l->witnesses; r >= 0 && rest.len;) {
        struct sn_str url = sn_str_trim(sn_str_cut(&rest, ','));
        if (c.n_witnesses == SN_LIGHT_WITNESSES_MAX)
            r = sn_fail(SN_E_INVALID_ARGUMENT, "more than %d witnesses", SN_LIGHT_WITNESSES_MAX);
        else if (url.len)
            r = sn_light_http(sn_arena_str(l->call->arena, url).ptr, l->chain_id,
                              &w[c.n_witnesses]);
        if (r >= 0 && url.len) c.n_witnesses++;
        if (!rest.ptr) break;
    }
    if (r < 0) {
        if (c.primary) c.primary->close(c.primary);
        for (unsigned i = 0; i < c.n_witnesses; i++) w[i]->close(w[i]);
        return r;
    }
    c.kv = l->kv;
    l->kv = NULL; /* the client's from here on */
    return sn_light_client_new(&c, ret);
}

/* ---- the process ---- */

static int wait_signal(void *arg)
{
    struct light *l = arg;
    int r = sn_signal_wait((const int[]){SIGTERM, SIGINT, 0});
    if (r > 0) sn_scope_cancel(l->scope);
    return r < 0 ? r : 0;
}
static void ready(void *arg, const char *addr)
{
    SN_LOG_INFO("light proxy ready", SN_L("address", addr));
}
static int serve(void *arg)
{
    struct light *l = arg;
    struct sn_light_proxy_opts p = {.primary = sn_arena_str(l->call->arena, l->primary).ptr,
                                    .listen = sn_arena_str(l->call->arena, l->o->laddr).ptr,
                                    .connections_max = l->o->connections,
                                    .on_ready = ready};
    if (!p.primary || !p.listen) return SN_E_NOMEM;
    int r = open_client(l, &l->client);
    p.client = l->client;
    return r < 0 ? r : sn_light_proxy_run(&p);
}
static int light_main(void *arg)
{
    struct light *l = arg;
    struct sn_scope_storage mem;
    const char *dir = folder(l);
    if (!dir) return SN_E_NOMEM;
    struct sn_str path = sn_arena_printf(l->call->arena, "%s/light-client-db.db", dir);
    int r = path.ptr ? sn_mkdirs(dir, 0700) : SN_E_NOMEM;
    if (r >= 0) r = sn_kv_open(path.ptr, NULL, &l->kv);
    if (r >= 0) r = nodes(l);
    if (r >= 0) {
        l->scope = sn_scope_begin(&mem);
        r = sn_scope_go(l->scope, "signals", wait_signal, l);
        if (r >= 0) r = sn_scope_go(l->scope, "light", serve, l);
        int ended = sn_scope_end(l->scope);
        if (r >= 0) r = ended == SN_E_CANCELLED ? 0 : ended;
    }
    struct sn_diag why = *sn_diag();
    sn_light_client_free(l->client);
    sn_kv_close(l->kv);
    *sn_diag() = why;
    return r;
}
static int run(const struct sn_cli_call *call)
{
    struct light l = {.call = call, .o = call->opts, .chain_id = call->args[0]};
    struct sn_rt_opts rt = {.workers = (unsigned)l.o->workers};
    int r = l.o->verbose ? sn_log_set_levels(SN_STR("light=debug")) : 0;
    if (r < 0) return r;
    sn_cmd_raise_files();
    return sn_rt_run(&rt, light_main, &l);
}

const struct sn_cli_command sn_cmd_chain_light = {
    .name = "light",
    .brief = "A light client's proxy: a node's RPC with verified answers.",
    .usage = "CHAIN",
    .about = "The first run needs --primary, --witnesses, --height and --hash; later ones only the "
             "chain.\n"
             "Verified are block, header, commit, validators, block_results, consensus_params, "
             "blockchain,\n"
             "tx with a proof, and abci_query (path /store/NAME/key, proofs of kind simple:v).",
    .table = &table,
    .args_min = 1,
    .args_max = 1,
    .run = run,
};
