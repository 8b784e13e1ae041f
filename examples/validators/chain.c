/* SPDX-License-Identifier: Apache-2.0 */
#include "validators/chain.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/buf.h"
#include "core/status.h"
#include "wire/json.h"

#define COMMAND_NS (20 * SN_SEC)
#define ANSWER_NS (2 * SN_SEC)
#define ANSWER_MAX (1u << 20)

/* ---- commands ---- */

/* Runs a command; its standard output goes to `out`, a file, or nowhere. */
static int command(const char *const *argv, const char *out)
{
    struct sn_proc p;
    int fd = -1, code = 0;
    int r = out ? sn_file_open(out, O_CREAT | O_TRUNC | O_WRONLY, 0600, &fd) : 0;
    if (r < 0) return r;
    r = sn_proc_start(&(struct sn_proc_opts){.argv = argv, .fds = {-1, fd, -2}}, &p);
    if (r >= 0) {
        int64_t prev = sn_deadline_tighten(sn_now() + COMMAND_NS);
        r = sn_proc_wait(&p, &code);
        sn_deadline_restore(prev);
    }
    if (fd >= 0) sn_file_close(fd);
    if (r >= 0 && code)
        return sn_fail(SN_E_FAILED_PRECONDITION, "%s %s ended with status %d", argv[0], argv[2],
                       code);
    return r < 0 ? r : 0;
}

static int find_id(struct chain *c, struct chain_node *n, unsigned i)
{
    char file[SN_FILE_PATH_MAX + 8];
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_str id;
    sn_arena_init(&a, NULL, 0);
    snprintf(file, sizeof(file), "%s/id", n->home);
    const char *argv[] = {c->sennit, "chain", "show-node-id", "--home", n->home, NULL};
    int r = command(argv, file);
    if (r >= 0) r = sn_file_read(&a, file, 256, &id);
    if (r < 0) return r;
    id = sn_str_trim(id);
    snprintf(n->peer, sizeof(n->peer), "%.*s@127.0.0.1:%u", SN_STR_ARG(id), c->port + 10 + i);
    return 0;
}

int chain_open(struct chain *c)
{
    struct stat st;
    char genesis[SN_FILE_PATH_MAX];
    snprintf(genesis, sizeof(genesis), "%s/node0/config/genesis.json", c->dir);
    const char *argv[] = {c->sennit, "chain", "testnet", "--v", "4", "--o", c->dir, NULL};
    int r = sn_mkdirs(c->dir, 0700);
    if (r >= 0 && sn_file_stat(genesis, &st) < 0) r = command(argv, NULL);
    for (unsigned i = 0; i < CHAIN_NODES && r >= 0; i++) {
        struct chain_node *n = &c->nodes[i];
        snprintf(n->home, sizeof(n->home), "%s/node%u", c->dir, i);
        snprintf(n->rpc, sizeof(n->rpc), "127.0.0.1:%u", c->port + i);
        r = find_id(c, n, i);
    }
    return r;
}

/* ---- processes ---- */

extern char **environ;
#define ENV_MAX 512

/* What differs from config.toml, which is left as `testnet` wrote it. */
static const char *const settings[] = {
    "CMT_CONSENSUS_TIMEOUT_COMMIT=" CHAIN_BLOCK_TIME,
    "CMT_CONSENSUS_TIMEOUT_PROPOSE=1s",
    "CMT_P2P_ALLOW_DUPLICATE_IP=true",
    "CMT_P2P_ADDR_BOOK_STRICT=false",
};
struct env {
    const char *list[ENV_MAX];
    size_t n;
    char trust[4][160];
};
static void build_env(struct env *e, const struct chain *c, unsigned i, const struct chain_trust *t)
{
    e->n = 0;
    for (char **p = environ; *p && e->n < ENV_MAX - 12; p++) e->list[e->n++] = *p;
    for (size_t k = 0; k < SN_COUNT_OF(settings); k++) e->list[e->n++] = settings[k];
    if (t) {
        snprintf(e->trust[0], sizeof(e->trust[0]), "CMT_STATESYNC_RPC_SERVERS=http://%s,http://%s",
                 c->nodes[(i + 1) % CHAIN_NODES].rpc, c->nodes[(i + 2) % CHAIN_NODES].rpc);
        snprintf(e->trust[1], sizeof(e->trust[1]), "CMT_STATESYNC_TRUST_HEIGHT=%lld",
                 (long long)t->height);
        snprintf(e->trust[2], sizeof(e->trust[2]), "CMT_STATESYNC_TRUST_HASH=%s", t->hash);
        snprintf(e->trust[3], sizeof(e->trust[3]), "CMT_STATESYNC_DISCOVERY_TIME=5s");
        e->list[e->n++] = "CMT_STATESYNC_ENABLE=true";
        for (size_t k = 0; k < SN_COUNT_OF(e->trust); k++) e->list[e->n++] = e->trust[k];
    }
    e->list[e->n] = NULL;
}

int chain_start(struct chain *c, unsigned i, const struct chain_trust *sync)
{
    static struct env env; /* one fiber starts nodes, one after the other */
    struct chain_node *n = &c->nodes[i];
    char rpc[80], p2p[64], peers[4 * sizeof(n->peer)] = "";
    for (unsigned k = 0; k < CHAIN_NODES; k++) {
        size_t at = strlen(peers);
        if (k != i)
            snprintf(peers + at, sizeof(peers) - at, "%s%s", at ? "," : "", c->nodes[k].peer);
    }
    snprintf(rpc, sizeof(rpc), "tcp://%s", n->rpc);
    snprintf(p2p, sizeof(p2p), "tcp://127.0.0.1:%u", c->port + 10 + i);
    build_env(&env, c, i, sync);
    const char *argv[] = {c->sennit,
                          "chain",
                          "start",
                          "--home",
                          n->home,
                          "--proxy_app",
                          "persistent_kvstore",
                          "--kvstore-snapshots",
                          CHAIN_SNAPSHOT_BLOCKS,
                          "--rpc.laddr",
                          rpc,
                          "--p2p.laddr",
                          p2p,
                          "--p2p.persistent_peers",
                          peers,
                          "--log_level",
                          "error",
                          "--workers",
                          "1",
                          NULL};
    int r = sn_proc_start(&(struct sn_proc_opts){.argv = argv,
                                                 .env = env.list,
                                                 .fds = {-1, -1, -2},
                                                 .die_with_parent = true},
                          &n->proc);
    n->up = r >= 0;
    return r;
}

static int end(struct chain_node *n, int sig)
{
    int code;
    if (!n->up) return 0;
    n->up = false;
    (void)sn_proc_signal(&n->proc, sig);
    int64_t prev = sn_deadline_tighten(sn_now() + 5 * SN_SEC);
    int r = sn_proc_wait(&n->proc, &code);
    sn_deadline_restore(prev);
    if (r != SN_E_DEADLINE_EXCEEDED) return r;
    (void)sn_proc_signal(&n->proc, SIGKILL);
    return sn_proc_wait(&n->proc, &code);
}
int chain_kill(struct chain *c, unsigned i) { return end(&c->nodes[i], SIGKILL); }
void chain_stop(struct chain *c)
{
    for (unsigned i = 0; i < CHAIN_NODES; i++) (void)end(&c->nodes[i], SIGTERM);
}

int chain_wipe(struct chain *c, unsigned i)
{
    char app[SN_FILE_PATH_MAX + 16];
    snprintf(app, sizeof(app), "%s/data/kvstore", c->nodes[i].home);
    const char *reset[] = {c->sennit, "chain", "reset-state", "--home", c->nodes[i].home, NULL};
    const char *gone[] = {"rm", "-r", "-f", app, NULL};
    int r = command(reset, NULL);
    return r < 0 ? r : command(gone, NULL);
}

/* ---- RPC ---- */

static int ask(struct chain *c, const char *base, const char *what, struct sn_arena *a,
               const struct sn_json **ret)
{
    char url[512];
    struct sn_str body;
    const struct sn_json *answer;
    int status;
    snprintf(url, sizeof(url), "%s/%s", base, what);
    int64_t prev = sn_deadline_tighten(sn_now() + ANSWER_NS);
    int r = sn_http_get(c->http, sn_str(url), a, &status, &body);
    sn_deadline_restore(prev);
    if (r < 0) return r;
    if (status != 200) return sn_fail(SN_E_UNAVAILABLE, "%s: status %d", url, status);
    r = sn_json_parse(a, body, NULL, &answer);
    if (r < 0) return r;
    *ret = sn_json_get(answer, "result");
    return *ret ? 0 : sn_fail(SN_E_PROTOCOL, "%s: no result", url);
}
static int ask_node(struct chain *c, unsigned i, const char *what, struct sn_arena *a,
                    const struct sn_json **ret)
{
    char base[80];
    snprintf(base, sizeof(base), "http://%s", c->nodes[i].rpc);
    return ask(c, base, what, a, ret);
}
static const struct sn_json *member(const struct sn_json *v, const char *const *path)
{
    for (; v && *path; path++) v = sn_json_get(v, *path);
    return v;
}
static int64_t number(const struct sn_json *v, const char *name)
{
    uint64_t n = 0;
    const struct sn_json *m = v ? sn_json_get(v, name) : NULL;
    return m && sn_str_to_u64(sn_json_str(m), &n) >= 0 ? (int64_t)n : 0;
}
static int text(const struct sn_json *v, char ret[65])
{
    struct sn_str s = v ? sn_json_str(v) : (struct sn_str){0};
    if (!s.len || s.len > 64) return sn_fail(SN_E_PROTOCOL, "a node's answer lacks a hash");
    snprintf(ret, 65, "%.*s", SN_STR_ARG(s));
    return 0;
}

int chain_status(struct chain *c, unsigned i, struct chain_status *ret)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    const struct sn_json *v;
    sn_arena_init(&a, NULL, ANSWER_MAX);
    int r = ask_node(c, i, "status", &a, &v);
    if (r < 0) return r;
    const struct sn_json *sync = sn_json_get(v, "sync_info");
    ret->height = number(sync, "latest_block_height");
    ret->earliest = number(sync, "earliest_block_height");
    ret->catching_up = !sync || sn_json_bool_or(sn_json_get(sync, "catching_up"), true);
    return 0;
}

static int header_of(struct chain *c, unsigned i, int64_t height, const char *const *path,
                     char ret[65])
{
    char what[64];
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    const struct sn_json *v;
    sn_arena_init(&a, NULL, ANSWER_MAX);
    snprintf(what, sizeof(what), "commit?height=%lld", (long long)height);
    int r = ask_node(c, i, what, &a, &v);
    return r < 0 ? r : text(member(v, path), ret);
}
int chain_trust(struct chain *c, unsigned i, int64_t height, struct chain_trust *ret)
{
    static const char *const path[] = {"signed_header", "commit", "block_id", "hash", NULL};
    ret->height = height;
    return header_of(c, i, height, path, ret->hash);
}
int chain_app_hash(struct chain *c, unsigned i, int64_t height, char ret[65])
{
    static const char *const path[] = {"signed_header", "header", "app_hash", NULL};
    return header_of(c, i, height, path, ret);
}

int chain_send(struct chain *c, const char *base, const char *tx)
{
    char what[128];
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    const struct sn_json *v;
    sn_arena_init(&a, NULL, ANSWER_MAX);
    snprintf(what, sizeof(what), "broadcast_tx_sync?tx=%%22%s%%22", tx);
    int r = ask(c, base, what, &a, &v);
    if (r < 0) return r;
    int64_t code = sn_json_i64_or(sn_json_get(v, "code"), -1);
    return code == 0
               ? 0
               : sn_fail(SN_E_ABORTED, "the transaction was refused, code %lld", (long long)code);
}
