/* SPDX-License-Identifier: Apache-2.0 */
/* sennit gateway - the HTTP gateway as a process of its own. */
#include "gateway/gateway.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "core/alloc.h"
#include "fiber/fiber.h"
#include "fiber/os.h"
#include "gateway/config.h"
#include "govern/cpu.h"
#include "kit/debug.h"
#include "kit/log.h"
#include "kit/prof.h"
#include "sennit/commands.h"

SN_LOG_MODULE("gateway");

#define ARGS_MAX 64u /* words of our own command line */

struct gateway_opts {
    struct sn_str config, debug;
    uint64_t workers;
    int64_t idle_poll;
    bool check, print_config, schema, reference, io_uring, upgrade;
};

static const struct sn_conf_field fields[] = {
    SN_CONF_STRING(struct gateway_opts, config, "config", .letter = 'c', .metavar = "FILE",
                   .def = "gateway.yaml", .help = "Configuration file."),
    SN_CONF_UINT(struct gateway_opts, workers, "workers", .letter = 'w', .max = 1024,
                 .help = "Threads; 0 = one per processor this process may run on."),
    SN_CONF_DURATION(struct gateway_opts, idle_poll, "idle-poll", .def = "50us", .max = SN_MS,
                     .help = "A thread without work looks for new work so long before it sleeps, "
                             "while it tends to find some: shorter waits for more processor time. "
                             "0 = sleeps at once, as always under a CPU quota."),
    SN_CONF_STRING(struct gateway_opts, debug, "debug", .metavar = "ADDRESS",
                   .help = "Serve /debug/pprof/, /metrics and /healthz there, profiles to loopback "
                           "only; switches profiling on."),
    SN_CONF_BOOL(struct gateway_opts, io_uring, "io-uring",
                 .help =
                     "Learn of readiness by io_uring instead of epoll, where the kernel has it."),
    SN_CONF_BOOL(
        struct gateway_opts, upgrade, "upgrade",
        .help = "Take over from the gateway that runs: its listening sockets and tunnels, by the "
                "configuration's upgrade_socket; that one then ends."),
    SN_CONF_BOOL(struct gateway_opts, check, "check",
                 .help = "Check the configuration, print every problem, start nothing."),
    SN_CONF_BOOL(struct gateway_opts, print_config, "print-config",
                 .help = "Print the configuration with all defaults filled in."),
    SN_CONF_BOOL(struct gateway_opts, schema, "schema",
                 .help = "Print a JSON Schema of the configuration file."),
    SN_CONF_BOOL(struct gateway_opts, reference, "reference",
                 .help = "Print every configuration key as Markdown."),
};
static const struct sn_conf_table table = SN_CONF_TABLE(struct gateway_opts, fields);

struct job {
    const struct gateway_opts *o;
    const char *debug; /* NULL = none */
    struct sn_gateway_opts gateway;
    struct sn_gateway *gw;
};

static void on_event(void *arg, const char *level, const char *text)
{
    if (level[0] == 'e')
        SN_LOG_ERROR("gateway", SN_L("event", text));
    else if (level[0] == 'w')
        SN_LOG_WARN("gateway", SN_L("event", text));
    else
        SN_LOG_INFO("gateway", SN_L("event", text));
}

/* The same command once more, with --upgrade, of the program that lies at our path by now. It takes
 * over from us, or fails and leaves us in service. */
static void successor(struct job *j)
{
    struct sn_arena a;
    struct sn_str text;
    char exe[1024];
    struct sn_proc p;
    sn_arena_init(&a, NULL, 0);
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    int r = n > 0 ? sn_file_read(&a, "/proc/self/cmdline", 1 << 20, &text) : SN_E_NOT_FOUND;
    const char **argv = SN_ARENA_ARRAY(&a, const char *, ARGS_MAX + 3);
    if (r == 0 && !argv) r = SN_E_NOMEM;
    if (r == 0) {
        /* A program that was replaced shows as deleted; its successor has the same path. */
        struct sn_str path = sn_str_of(exe, (size_t)n), gone = SN_STR(" (deleted)");
        if (sn_str_ends(path, gone)) path.len -= gone.len;
        exe[path.len] = 0;
        unsigned k = 0;
        for (size_t at = 0; at < text.len && k < ARGS_MAX; at += strlen(text.ptr + at) + 1)
            if (strcmp(text.ptr + at, "--upgrade") != 0) argv[k++] = text.ptr + at;
        argv[0] = exe;
        argv[k++] = "--upgrade";
        struct sn_proc_opts o = {.argv = argv, .fds = {-1, -2, -2}};
        r = sn_proc_start(&o, &p);
    }
    if (r == 0)
        SN_LOG_INFO("successor started", SN_L("pid", (int64_t)p.pid));
    else
        SN_LOG_ERROR("successor", SN_L_ERR(r));
    sn_arena_done(&a);
    int code;
    if (r == 0 && sn_proc_wait(&p, &code) == 0)
        SN_LOG_WARN("successor ended", SN_L("code", (int64_t)code));
}

static void successor_main(void *arg) { successor(arg); }

/* SIGHUP reloads, SIGUSR2 starts a successor; the first SIGTERM or SIGINT drains, a second one ends
 * at once. */
static void signals(void *arg)
{
    struct job *j = arg;
    static const int wanted[] = {SIGHUP, SIGUSR2, SIGTERM, SIGINT, 0};
    bool stopping = false;
    for (;;) {
        int sig = sn_signal_wait(wanted);
        if (sig < 0) return;
        if (sig == SIGHUP) {
            (void)!sn_gateway_reload(j->gw);
            continue;
        }
        if (sig == SIGUSR2) {
            (void)!sn_go("successor", successor_main, j);
            continue;
        }
        if (stopping) {
            (void)signal(sig, SIG_DFL);
            raise(SIGKILL);
        }
        stopping = true;
        SN_LOG_INFO("draining", SN_L("signal", sig == SIGTERM ? "SIGTERM" : "SIGINT"));
        sn_gateway_stop(j->gw);
    }
}

static int print_text(int r, struct sn_buf *b)
{
    if (r >= 0 && b->err == 0) fwrite(b->ptr, 1, b->len, stdout);
    if (r >= 0) r = b->err;
    sn_buf_done(b);
    return r < 0 ? r : 0;
}

static int check(const struct sn_gateway_opts *given)
{
    struct sn_buf errors = {0}, status = {0};
    struct sn_gateway_opts opts = *given, *o = &opts;
    opts.ret_status = &status;
    int r = sn_gateway_check(o, &errors);
    fwrite(status.ptr, 1, status.len, stdout);
    sn_buf_done(&status);
    if (r < 0)
        fwrite(errors.ptr, 1, errors.len, stderr);
    else
        printf("%s: good\n", o->config_path);
    sn_buf_done(&errors);
    return r < 0 ? SN_EXIT_FAILED : SN_EXIT_OK;
}

static int serve(struct job *j)
{
    struct sn_buf errors = {0};
    int r = sn_gateway_new(&j->gateway, &j->gw, &errors);
    if (r < 0) {
        fwrite(errors.ptr, 1, errors.len, stderr);
        sn_buf_done(&errors);
        return SN_EXIT_FAILED;
    }
    sn_buf_done(&errors);
    struct sn_buf list = {0};
    if (sn_gateway_listeners(j->gw, &list) == 0)
        SN_LOG_INFO("listening", SN_L("addresses", sn_buf_cz(&list)));
    sn_buf_done(&list);
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    r = sn_go("signals", signals, j);
    int64_t cut = r < 0 ? r : sn_gateway_run(j->gw);
    if (cut >= 0) SN_LOG_INFO("drained", SN_L("cut", cut));
    sn_scope_cancel(s);
    (void)!sn_scope_end(s);
    sn_gateway_free(j->gw);
    return cut < 0 ? (int)cut : SN_EXIT_OK;
}

static int job_main(void *arg)
{
    struct job *j = arg;
    struct sn_buf text = {0};
    int r;
    if (j->o->check) return check(&j->gateway);
    if (j->debug && (r = sn_cmd_debug(j->debug)) < 0) return r;
    if (j->o->print_config) return print_text(sn_gateway_print(&j->gateway, &text), &text);
    return serve(j);
}

static int run_gateway(const struct sn_cli_call *call)
{
    const struct gateway_opts *o = call->opts;
    struct sn_buf text = {0};
    if (o->schema) return print_text(sn_conf_schema(&sn_gw_conf_table, &text), &text);
    if (o->reference) return print_text(sn_conf_reference(&sn_gw_conf_table, &text), &text);
    struct sn_str path = sn_arena_str(call->arena, o->config);
    if (!path.ptr) return SN_E_NOMEM;
    struct job j = {
        .o = o, .gateway = {.config_path = path.ptr, .on_event = on_event, .upgrade = o->upgrade}};
    if (o->debug.len && !(j.debug = sn_arena_str(call->arena, o->debug).ptr)) return SN_E_NOMEM;
    struct sn_rt_opts rt = {.workers = (unsigned)o->workers, .io_uring = o->io_uring,
                            .idle_poll_ns = sn_gov_cpu_limited("") ? 0 : o->idle_poll};
    if (j.debug) sn_prof_start(NULL);
    int r = sn_rt_run(&rt, job_main, &j);
    if (j.debug) sn_prof_stop();
    return r;
}

const struct sn_cli_command sn_cmd_gateway = {
    .name = "gateway",
    .brief = "Runs the HTTP gateway: reverse proxy and static files, reloaded without a cut.",
    .about = "Routes HTTP/1.1 and HTTP/2 to upstreams, files, redirects and fixed answers.\n"
             "The configuration is read again when its file changes and on SIGHUP; a bad one is "
             "refused with every problem named, and the old one stays in force. SIGTERM drains.",
    .table = &table,
    .run = run_gateway,
};
