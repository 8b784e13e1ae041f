/* SPDX-License-Identifier: Apache-2.0 */
/* sennit chain kvstore - the example application as a process. */
#include "abci/kvstore.h"

#include "abci/server.h"
#include "sennit/chain_cmd.h"

struct opts {
    struct sn_str address, persist, debug;
    uint32_t transport, chunk_bytes;
    int64_t snapshot_interval, retain_blocks;
    uint64_t workers, snapshot_keep;
    bool vote_extensions;
};
static const struct sn_conf_field fields[] = {
    CHAIN_ADDRESS_FIELDS(struct opts),
    SN_CONF_STRING(struct opts, persist, "persist", .metavar = "FOLDER",
                   .help = "The state is kept there; without it, it dies with the process."),
    SN_CONF_INT(
        struct opts, snapshot_interval, "snapshot-interval", .min = 0, .max = INT64_MAX,
        .metavar = "BLOCKS",
        .help =
            "A snapshot after every so many blocks, for nodes that begin by state sync; 0: none."),
    SN_CONF_UINT(struct opts, snapshot_keep, "snapshot-keep", .def = "2", .min = 1,
                 .max = SN_KVSTORE_SNAPSHOTS_MAX, .help = "How many snapshots are kept."),
    SN_CONF_UINT(struct opts, chunk_bytes, "chunk-bytes", .def = "65536", .min = 1024,
                 .max = 4 << 20, .help = "A snapshot's chunks are about that long."),
    SN_CONF_INT(struct opts, retain_blocks, "retain-blocks", .min = 0, .max = INT64_MAX,
                .metavar = "BLOCKS", .help = "Blocks the node is told to keep; 0: all."),
    SN_CONF_BOOL(struct opts, vote_extensions, "vote-extensions",
                 .help = "Extend votes, and want them extended."),
    SN_CONF_STRING(struct opts, debug, "debug", .metavar = "ADDRESS",
                   .help = "Serve /metrics, /healthz and /debug/pprof/ there."),
    SN_CONF_UINT(struct opts, workers, "workers", .letter = 'w', .max = 1024,
                 .help = "Threads; 0 = one per processor this process may run on."),
};
static const struct sn_conf_table table = SN_CONF_TABLE(struct opts, fields);

static int kvstore_main(void *arg)
{
    const struct sn_cli_call *call = arg;
    const struct opts *o = call->opts;
    struct sn_kvstore *kv;
    struct sn_kvstore_opts ko = {.dir = o->persist.len ? sn_arena_str(call->arena, o->persist).ptr
                                                       : NULL,
                                 .snapshot_interval = o->snapshot_interval,
                                 .snapshot_keep = (unsigned)o->snapshot_keep,
                                 .chunk_bytes = o->chunk_bytes,
                                 .retain_blocks = o->retain_blocks,
                                 .vote_extensions = o->vote_extensions};
    struct sn_abci_server_opts so = {.addr = sn_arena_str(call->arena, o->address).ptr,
                                     .grpc = o->transport == CHAIN_GRPC};
    if (!so.addr || (o->persist.len && !ko.dir)) return SN_E_NOMEM;
    int r = o->debug.len ? sn_cmd_debug(sn_arena_str(call->arena, o->debug).ptr) : 0;
    if (r >= 0) r = sn_kvstore_open(&ko, &kv);
    if (r < 0) return r;
    r = sn_abci_serve(sn_kvstore_app(kv), &so);
    sn_kvstore_close(kv);
    return r;
}

static int run(const struct sn_cli_call *call)
{
    struct sn_rt_opts rt = {.workers = (unsigned)((const struct opts *)call->opts)->workers};
    sn_cmd_raise_files();
    return sn_rt_run(&rt, kvstore_main, (void *)call);
}

const struct sn_cli_command sn_cmd_chain_kvstore = {
    .name = "kvstore",
    .brief = "Serves CometBFT's example application, with snapshots.",
    .about = "Transactions are \"key=value\", or \"val=ed25519!KEY!POWER\" for a validator. Start "
             "a node with\n"
             "--proxy_app ADDRESS, and --abci grpc where this has it.",
    .table = &table,
    .run = run,
};
