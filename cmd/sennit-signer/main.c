/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-signer - a validator's key in a process, and on a machine, of its own: dials a node's
 * priv_validator_laddr and signs what its memory allows. For CometBFT 0.38's nodes and ours. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "confine.h"
#include "consensus/home/files.h"
#include "consensus/node/signer_serve.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "fiber/os.h"
#include "kit/cli.h"
#include "kit/log.h"

SN_LOG_MODULE("signer");

#define FOLDER_MAX 1024

struct opts {
    struct sn_str node, chain_id, key, state, identity, node_id, log_level;
    bool init, insist;
};
static const struct sn_conf_field fields[] = {
    SN_CONF_STRING(struct opts, node, "node", .required = true, .metavar = "ADDRESS",
                   .help = "The node's priv_validator_laddr: `tcp://HOST:PORT` or `unix://PATH`."),
    SN_CONF_STRING(struct opts, chain_id, "chain-id", .required = true, .metavar = "ID",
                   .help = "The only chain anything is signed for."),
    SN_CONF_STRING(struct opts, key, "key", .def = "priv_validator_key.json", .metavar = "FILE",
                   .help = "The validator's key."),
    SN_CONF_STRING(struct opts, state, "state", .def = "priv_validator_state.json",
                   .metavar = "FILE",
                   .help = "What was signed last. It belongs to the key: never copy it back."),
    SN_CONF_BOOL(struct opts, init, "init", .help = "Make key and state where neither is there."),
    SN_CONF_STRING(struct opts, identity, "identity", .metavar = "FILE",
                   .help = "The key a node sees over tcp, as node_key.json has it, made where it is "
                           "missing; without it a new one at each start."),
    SN_CONF_STRING(struct opts, node_id, "node-id", .metavar = "ID",
                   .help = "Serve only the node with this ID, over tcp. Not for CometBFT's own "
                           "nodes: they listen with a new key at each start."),
    SN_CONF_BOOL(struct opts, insist, "insist",
                 .help = "Do not run where memory cannot be locked or the kernel cannot confine "
                         "this process."),
    SN_CONF_STRING(struct opts, log_level, "log-level", .def = "info",
                   .help = "error, warn, info or debug. No level shows a key."),
};
static const struct sn_conf_table table = SN_CONF_TABLE(struct opts, fields);

struct run {
    const struct sn_cli_call *call;
    const struct opts *o;
    uint8_t identity[SN_ED25519_SECRET_LEN];
    struct sn_signer_serve_opts serve;
    int lock; /* of the state; -1: not yet */
};

static const char *text(struct run *x, struct sn_str s)
{
    return s.len ? sn_arena_str(x->call->arena, s).ptr : NULL;
}

static void on_link(void *arg, bool up, int error)
{
    if (up) SN_LOG_INFO("connected to the node");
    else SN_LOG_WARN("no connection to the node", SN_L_ERR(error));
}

static int load_identity(struct run *x)
{
    char id[SN_NODE_ID_LEN + 1];
    const char *path = text(x, x->o->identity);
    if (!path) return sn_ed25519_generate(x->identity);
    int r = sn_home_node_key_read(path, x->identity, id);
    if (r == SN_E_NOT_FOUND) {
        r = sn_home_node_key_make(path, id);
        if (r == 0) r = sn_home_node_key_read(path, x->identity, id);
    }
    if (r == 0) SN_LOG_INFO("identity", SN_L("id", (const char *)id));
    return r;
}

/* Two signers on one state would each remember half of what was signed. The state file itself is
 * replaced at each signature, so the lock is on a file beside it, held until the process ends. */
static int lock_state(struct run *x)
{
    struct sn_str path = sn_arena_printf(x->call->arena, "%.*s.lock", SN_STR_ARG(x->o->state));
    if (!path.ptr) return SN_E_NOMEM;
    x->lock = open(path.ptr, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (x->lock < 0) return sn_fail_errno(errno, "open %s", path.ptr);
    if (flock(x->lock, LOCK_EX | LOCK_NB) == 0) return 0;
    return errno == EWOULDBLOCK
               ? sn_fail(SN_E_BUSY, "%s: another signer runs with this state", path.ptr)
               : sn_fail_errno(errno, "lock %s", path.ptr);
}

static int serve(void *arg)
{
    struct run *x = arg;
    int r = sn_signer_serve(&x->serve);
    return r == SN_E_CANCELLED ? 0 : r;
}
static int wait_signal(void *arg)
{
    int r = sn_signal_wait((const int[]){SIGINT, SIGTERM, 0});
    sn_scope_cancel(arg);
    return r == SN_E_CANCELLED ? 0 : SN_MIN(r, 0);
}

static int signer_main(void *arg)
{
    struct run *x = arg;
    const struct opts *o = x->o;
    struct sn_scope_storage mem;
    struct sn_privval_opts po = {.key_path = text(x, o->key), .state_path = text(x, o->state),
                                 .make = o->init};
    x->serve = (struct sn_signer_serve_opts){.addr = text(x, o->node), .chain_id = o->chain_id,
                                             .key = x->identity, .node_id = text(x, o->node_id),
                                             .on_link = on_link};
    if (!po.key_path || !po.state_path || !x->serve.addr) return SN_E_NOMEM;
    int r = lock_state(x);
    if (r >= 0) r = load_identity(x);
    if (r >= 0) r = sn_privval_open(&po, &x->serve.pv);
    if (r < 0) return r;
    SN_LOG_INFO("ready", SN_L("chain", o->chain_id), SN_L("node", x->serve.addr),
                SN_L("height", sn_privval_height(x->serve.pv)));
    struct sn_scope *scope = sn_scope_begin(&mem);
    r = sn_scope_go(scope, "serve", serve, x);
    if (r >= 0) r = sn_scope_go(scope, "signals", wait_signal, scope);
    if (r < 0) sn_scope_cancel(scope);
    int ended = sn_scope_end(scope);
    sn_privval_close(x->serve.pv);
    sn_wipe(x->identity, sizeof(x->identity));
    return r < 0 ? r : ended == SN_E_CANCELLED ? 0 : ended;
}

/* The folder a file is in. */
static void folder_of(struct sn_str file, char out[FOLDER_MAX])
{
    ssize_t slash = sn_str_rchr(file, '/');
    struct sn_str dir = slash < 0 ? SN_STR(".") : sn_str_sub(file, 0, SN_MAX((size_t)slash, 1u));
    if (sn_str_cz(dir, out, FOLDER_MAX) < 0) out[0] = 0; /* its file will not open either */
}

static int confine_all(const struct opts *o)
{
    char key[FOLDER_MAX], state[FOLDER_MAX], identity[FOLDER_MAX];
    struct confine_result done;
    folder_of(o->key, key);
    folder_of(o->state, state);
    folder_of(o->identity.len ? o->identity : o->key, identity);
    int r = confine((const char *const[]){key, state, identity, NULL}, &done);
    if (r < 0) return r;
    bool all = done.memory_locked && done.not_dumpable && done.files_confined && done.calls_filtered;
    if (all) return 0;
    if (o->insist)
        return sn_fail(SN_E_PERMISSION_DENIED, "--insist:%s%s%s%s",
                       done.memory_locked ? "" : " memory cannot be locked (ulimit -l)",
                       done.not_dumpable ? "" : " core files cannot be forbidden",
                       done.files_confined ? "" : " the kernel has no Landlock",
                       done.calls_filtered ? "" : " the kernel has no seccomp");
    SN_LOG_WARN("not wholly confined", SN_L("memory_locked", done.memory_locked),
                SN_L("not_dumpable", done.not_dumpable),
                SN_L("files_confined", done.files_confined),
                SN_L("calls_filtered", done.calls_filtered));
    return 0;
}

static int signer_run(const struct sn_cli_call *call)
{
    struct run x = {.call = call, .o = call->opts, .lock = -1};
    struct sn_rt_opts rt = {.workers = 1, .offload_max = 2};
    if (!x.o->node.len || !x.o->chain_id.len)
        return sn_fail(SN_E_INVALID_ARGUMENT, "--node and --chain-id: expected both");
    int r = sn_log_set_levels(x.o->log_level);
    if (r >= 0) r = confine_all(x.o);
    if (r >= 0) r = sn_rt_run(&rt, signer_main, &x);
    if (x.lock >= 0) (void)close(x.lock);
    return r;
}

static const struct sn_cli_command signer = {
    .name = "sennit-signer",
    .brief = "Signs for a CometBFT validator whose node runs elsewhere.",
    .about = "Set priv_validator_laddr in the node's config.toml, start the node, and point this at "
             "it.\n"
             "It locks its memory, cannot be traced or dumped, writes only in the folders of its "
             "files,\n"
             "starts no programs and listens nowhere.",
    .table = &table,
    .run = signer_run,
};
static const struct sn_cli_command *const commands[] = {&signer, NULL};

int main(int argc, char **argv)
{
    static const struct sn_cli_program program = {
        .name = "sennit-signer", .version = SN_VERSION, .about = "A remote signer.",
        .commands = commands};
    return sn_cli_main(&program, argc, argv);
}
