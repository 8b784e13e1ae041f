/* SPDX-License-Identifier: Apache-2.0 */
/* sennit chain debug dump, kill - what a node says of itself, its log and its configuration, in an
 * archive to hand over. For CometBFT's nodes and ours. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "consensus/home/zip.h"
#include "core/status.h"
#include "core/time.h"
#include "fiber/os.h"
#include "kit/http.h"
#include "sennit/chain_home.h"
#include "wire/json.h"

#define FILE_BYTES_MAX (256u << 20)
#define STACK_BYTES_MAX (4u << 20)
#define ASK_NS (30 * SN_SEC)
#define DYING_NS (5 * SN_SEC) /* a node has so long to print its stacks */

struct debug_opts {
    struct sn_home_flags home;
    struct sn_str rpc_laddr, pprof_laddr;
    uint64_t frequency;
};
#define SHARED_FIELDS                                                                         \
    SN_CONF_STRING(struct debug_opts, rpc_laddr, "rpc-laddr", .def = "tcp://localhost:26657", \
                   .help = "The node's RPC."),                                                \
        SN_CONF_STRING(struct debug_opts, pprof_laddr, "pprof-laddr",                         \
                       .help = "Its profiler's address: fibers (goroutines) and heap, too."), \
        SN_HOME_FLAGS(struct debug_opts, home)
static const struct sn_conf_field kill_fields[] = {SHARED_FIELDS};
static const struct sn_conf_table kill_table = SN_CONF_TABLE(struct debug_opts, kill_fields);
static const struct sn_conf_field dump_fields[] = {
    SN_CONF_UINT(struct debug_opts, frequency, "frequency", .def = "30", .min = 1, .max = 86400,
                 .metavar = "SECONDS", .help = "The time between two archives."),
    SHARED_FIELDS,
};
static const struct sn_conf_table dump_table = SN_CONF_TABLE(struct debug_opts, dump_fields);

struct work {
    const struct sn_cli_call *call;
    const struct debug_opts *o;
    struct sn_home_config c;
    struct chain_home_log log;
    struct sn_http_client *http;
    char base[128]; /* the archive's name: the folder its members are in */
    pid_t pid;
};

static void say(struct work *w, const char *what)
{
    static const char *const none[] = {NULL};
    w->log.log.line(w->log.log.arg, false, what, none);
    (void)fflush(stdout);
}

static int add(struct work *w, struct sn_zip *z, const char *name, struct sn_str data)
{
    char path[SN_ZIP_NAME_MAX + 1];
    snprintf(path, sizeof(path), "%s/%s", w->base, name);
    return sn_zip_add(z, path, data, sn_wall_now());
}

/* ---- what is asked ---- */

/* "tcp://HOST:PORT", "HOST:PORT" or a URL, and a path, as a URL. */
static struct sn_str url_of(struct sn_arena *a, struct sn_str addr, const char *path)
{
    ssize_t at = sn_str_find(addr, SN_STR("://"));
    struct sn_str scheme = at < 0 ? SN_STR("tcp") : sn_str_sub(addr, 0, (size_t)at);
    if (at >= 0) addr = sn_str_from(addr, (size_t)at + 3);
    bool http = !sn_str_eqc(scheme, "https");
    return sn_arena_printf(a, "%s://%.*s%.*s%s", http ? "http" : "https",
                           addr.len && addr.ptr[0] == ':' ? 9 : 0, "127.0.0.1", SN_STR_ARG(addr),
                           path);
}

static int get(struct work *w, struct sn_arena *a, struct sn_str addr, const char *path,
               struct sn_str *ret)
{
    int status = 0;
    struct sn_str url = url_of(a, addr, path);
    if (!url.ptr) return SN_E_NOMEM;
    int64_t d = sn_deadline_tighten(sn_now() + ASK_NS);
    int r = sn_http_get(w->http, url, a, &status, ret);
    sn_deadline_restore(d);
    if (r >= 0 && status != 200)
        r = sn_fail(SN_E_UNAVAILABLE, "%.*s answers with status %d", SN_STR_ARG(url), status);
    return r;
}

static int add_rpc(struct work *w, struct sn_zip *z, const char *path, const char *name)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    const struct sn_json *root, *result;
    struct sn_str text;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&b, 0);
    int r = get(w, &a, w->o->rpc_laddr, path, &text);
    if (r >= 0) r = sn_json_parse(&a, text, NULL, &root);
    if (r < 0) return r;
    result = sn_json_get(root, "result");
    if (!result) return sn_fail(SN_E_UNAVAILABLE, "the node answers %s with an error", path);
    r = sn_json_write(&b, result, &(struct sn_json_style){.indent = 2});
    return r < 0 ? r : add(w, z, name, sn_buf_view(&b));
}

static int add_profile(struct work *w, struct sn_zip *z, const char *profile)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    char path[64], name[64];
    struct sn_str text;
    sn_arena_init(&a, NULL, 0);
    snprintf(path, sizeof(path), "/debug/pprof/%s?debug=2", profile);
    snprintf(name, sizeof(name), "%s.out", profile);
    int r = get(w, &a, w->o->pprof_laddr, path, &text);
    return r < 0 ? r : add(w, z, name, text);
}

static int add_file(struct work *w, struct sn_zip *z, const char *path, const char *name,
                    struct sn_str secret)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    struct sn_str text;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&b, 0);
    int r = sn_file_read(&a, path, FILE_BYTES_MAX, &text);
    if (r < 0) return r;
    for (ssize_t at; secret.len && (at = sn_str_find(text, secret)) >= 0;
         text = sn_str_from(text, (size_t)at + secret.len)) {
        sn_buf_put(&b, text.ptr, (size_t)at);
        sn_buf_cstr(&b, "***");
    }
    sn_buf_str(&b, text);
    return b.err < 0 ? b.err : add(w, z, name, sn_buf_view(&b));
}

static int add_state(struct work *w, struct sn_zip *z)
{
    static const struct {
        const char *path, *name, *what;
    } rows[] = {{"/status", "status.json", "getting node status..."},
                {"/net_info", "net_info.json", "getting node network info..."},
                {"/dump_consensus_state", "consensus_state.json", "getting node consensus state..."}};
    struct sn_str wal = sn_home_path(w->call->arena, &w->c, w->c.consensus.wal_file);
    int r = wal.ptr ? 0 : SN_E_NOMEM;
    for (size_t i = 0; i < SN_COUNT_OF(rows) && r >= 0; i++) {
        say(w, rows[i].what);
        r = add_rpc(w, z, rows[i].path, rows[i].name);
    }
    if (r < 0) return r;
    say(w, "copying node WAL...");
    r = add_file(w, z, wal.ptr, "wal", SN_STR(""));
    if (r >= 0 && w->o->pprof_laddr.len) {
        say(w, "getting node goroutine and heap profiles...");
        r = add_profile(w, z, "goroutine");
        if (r >= 0) r = add_profile(w, z, "heap");
    }
    return r;
}

/* ---- the end of a node ---- */

/* What the node writes to its standard error from now on, where that is a file; else why not. */
static int add_last_words(struct work *w, struct sn_zip *z)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    char path[64];
    struct stat st;
    sn_buf_init(&b, STACK_BYTES_MAX);
    snprintf(path, sizeof(path), "/proc/%d/fd/2", (int)w->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool file = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    int64_t at = file ? st.st_size : 0;
    /* Ours prints its fibers for QUIT and goes on; Go's prints its goroutines for ABRT and ends. */
    (void)kill(w->pid, SIGQUIT);
    int r = sn_sleep(DYING_NS / 5);
    if (kill(w->pid, SIGABRT) < 0 && errno != ESRCH)
        r = sn_fail_errno(errno, "signal process %d", (int)w->pid);
    for (int64_t until = sn_now() + DYING_NS; r >= 0 && sn_now() < until && kill(w->pid, 0) == 0;)
        r = sn_sleep(50 * SN_MS);
    if (r >= 0 && kill(w->pid, 0) == 0) (void)kill(w->pid, SIGKILL);
    while (r >= 0 && file && sn_buf_reserve(&b, 65536) >= 0) {
        ssize_t n = pread(fd, b.ptr + b.len, 65536, at);
        if (n <= 0) break;
        b.len += (size_t)n;
        at += n;
    }
    if (fd >= 0) (void)close(fd);
    if (!file) sn_buf_cstr(&b, "the node's standard error is no file: what it printed is there\n");
    return r < 0 ? r : add(w, z, "stacktrace.out", sn_buf_view(&b));
}

static int write_archive(struct sn_zip *z, const char *path)
{
    int r = sn_zip_finish(z);
    return r < 0 ? r : sn_file_write(path, sn_buf_view(&z->out), 0600);
}

/* The archive's members are in a folder of its name without ".zip". */
static void name_base(struct work *w, struct sn_str file)
{
    ssize_t slash = sn_str_rchr(file, '/');
    if (slash >= 0) file = sn_str_from(file, (size_t)slash + 1);
    if (sn_str_ends(file, SN_STR(".zip"))) file = sn_str_sub(file, 0, file.len - 4);
    snprintf(w->base, sizeof(w->base), "%.*s", SN_STR_ARG(file));
}

static int kill_main(void *arg)
{
    struct work *w = arg;
    struct sn_zip *z = SN_ARENA_NEW(w->call->arena, struct sn_zip);
    struct sn_str out = sn_arena_str(w->call->arena, w->call->args[1]),
                  config = sn_home_path(w->call->arena, &w->c, SN_STR("config/config.toml"));
    if (!z || !out.ptr || !config.ptr) return SN_E_NOMEM;
    int r = sn_http_client_new(NULL, &w->http);
    if (r < 0) return r;
    sn_zip_init(z);
    name_base(w, out);
    r = add_state(w, z);
    if (r >= 0) {
        say(w, "copying node configuration...");
        r = add_file(w, z, config.ptr, "config.toml", w->c.tx_index.psql_conn);
    }
    if (r >= 0) {
        say(w, "killing CometBFT process");
        r = add_last_words(w, z);
    }
    if (r >= 0) {
        say(w, "archiving and compressing debug directory...");
        r = write_archive(z, out.ptr);
    }
    sn_zip_done(z);
    sn_http_client_free(w->http);
    return r;
}

static int kill_run(const struct sn_cli_call *call)
{
    struct work w = {.call = call, .o = call->opts};
    int64_t pid;
    if (sn_str_to_i64(call->args[0], &pid) < 0 || pid <= 1 || pid > INT32_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "PID: expected a process, got \"%.*s\"",
                       SN_STR_ARG(call->args[0]));
    if (kill((pid_t)pid, 0) < 0) return sn_fail_errno(errno, "process %lld", (long long)pid);
    w.pid = (pid_t)pid;
    int r = chain_home_load(call, &w.o->home, &w.c, &w.log);
    return r < 0 ? r : sn_rt_run(&(struct sn_rt_opts){.workers = 1}, kill_main, &w);
}

static const struct sn_cli_command kill_command = {
    .name = "kill",
    .brief = "Kills a node and packs what it said into an archive.",
    .usage = "PID OUTPUT.zip",
    .about = "status.json, net_info.json, consensus_state.json, the log, config.toml (without a "
             "database's\npassword), stacktrace.out: what the node prints when it dies.",
    .table = &kill_table,
    .args_min = 2,
    .args_max = 2,
    .run = kill_run,
};

/* ---- dump ---- */

static int dump_once(struct work *w, struct sn_str dir)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    char time[SN_RFC3339_MAX];
    sn_arena_init(&a, NULL, 0);
    struct sn_zip *z = SN_ARENA_NEW(&a, struct sn_zip);
    sn_time_rfc3339(sn_wall_now(), 0, time);
    struct sn_str path = sn_arena_printf(&a, "%.*s/%s.zip", SN_STR_ARG(dir), time);
    if (!z || !path.ptr) return SN_E_NOMEM;
    sn_zip_init(z);
    name_base(w, path);
    int r = add_state(w, z);
    if (r >= 0) r = write_archive(z, path.ptr);
    sn_zip_done(z);
    return r;
}

static int dump_main(void *arg)
{
    struct work *w = arg;
    struct sn_str dir = sn_arena_str(w->call->arena, w->call->args[0]);
    int r = dir.ptr ? sn_mkdirs(dir.ptr, 0777) : SN_E_NOMEM;
    if (r >= 0) r = sn_http_client_new(NULL, &w->http);
    if (r < 0) return r;
    while (r >= 0) {
        int x = dump_once(w, dir);
        if (x < 0) { /* the node may come back */
            char why[SN_DIAG_BYTES];
            const char *pairs[] = {"error", sn_diag_format(x, why, sizeof(why)), NULL};
            w->log.log.line(w->log.log.arg, true, "failed to dump", pairs);
        }
        (void)fflush(stdout);
        r = sn_sleep((int64_t)w->o->frequency * SN_SEC);
    }
    sn_http_client_free(w->http);
    return r;
}

static int dump_run(const struct sn_cli_call *call)
{
    struct work w = {.call = call, .o = call->opts};
    int r = chain_home_load(call, &w.o->home, &w.c, &w.log);
    return r < 0 ? r : sn_rt_run(&(struct sn_rt_opts){.workers = 1}, dump_main, &w);
}

static const struct sn_cli_command dump_command = {
    .name = "dump",
    .brief = "Packs what a running node says into an archive, again and again.",
    .usage = "FOLDER",
    .table = &dump_table,
    .args_min = 1,
    .args_max = 1,
    .run = dump_run,
};

static const struct sn_cli_command *const subs[] = {&kill_command, &dump_command, NULL};
const struct sn_cli_command sn_cmd_chain_debug = {
    .name = "debug",
    .brief = "Archives of what a node knows, for those who look for its fault.",
    .subs = subs,
};
