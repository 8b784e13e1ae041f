/* SPDX-License-Identifier: Apache-2.0 */
/* examples/pod - a pod started in front of the reader, again and again, with what it took.
 *
 *   pod --sennit FILE --dir /tmp/pod            one after the other, until it is interrupted
 *
 * It runs a container runtime of its own (`sennit cri`) in the folder, and asks it as a kubelet would: a sandbox with a network of
 * its own on a bridge, a container on an overlay of this machine's root filesystem, its output, and everything removed. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/status.h"
#include "exhibit/card.h"
#include "fiber/os.h"
#include "kit/cli.h"
#include "kit/grpc.h"
#include "runtime/v1/api.grpc.h"

#define DAEMON_NS (15 * SN_SEC)
#define OUTPUT_NS (10 * SN_SEC)
#define LAST 32u /* pods whose times are looked at */

struct opts {
    struct sn_str sennit, dir;
    uint64_t rounds;
    int64_t every;
};
static const struct sn_conf_field fields[] = {
    SN_CONF_STRING(struct opts, sennit, "sennit", .def = "sennit", .metavar = "FILE", .help = "The program."),
    SN_CONF_STRING(struct opts, dir, "dir", .required = true, .help = "Where everything of the runtime is."),
    SN_CONF_UINT(struct opts, rounds, "rounds", .max = 1000000, .help = "End after so many pods; 0: never."),
    SN_CONF_DURATION(struct opts, every, "every", .def = "10s", .min = 100 * SN_MS, .max = SN_HOUR, .help = "From a pod to the next one."),
};
static const struct sn_conf_table table = SN_CONF_TABLE(struct opts, fields);

struct app {
    const struct opts *o;
    char dir[200], sock[240], logs[240];
    struct sn_proc daemon;
    struct sn_grpc_channel *ch;
    uint64_t pods;
    double ms[LAST];
};
struct times {
    double sandbox, create, start, total, remove;
};

static double since(int64_t *t)
{
    int64_t now = sn_now();
    double d = (double)(now - *t) / (double)SN_MS;
    *t = now;
    return d;
}

static int start_daemon(struct app *app, struct sn_arena *a)
{
    struct stat st;
    const char *argv[] = {sn_arena_str(a, app->o->sennit).ptr, "cri", "--listen", app->sock, "--run-dir", sn_arena_printf(a, "%s/run", app->dir).ptr,
                          "--state-dir", sn_arena_printf(a, "%s/state", app->dir).ptr, "--image-root", sn_arena_printf(a, "%s/images", app->dir).ptr,
                          "--cni-conf-dir", sn_arena_printf(a, "%s/net.d", app->dir).ptr, "--cni-state-dir", sn_arena_printf(a, "%s/cni", app->dir).ptr,
                          "--pod-subnet", "10.89.0.0/24", "--bridge", "sennit-tour", "--cgroup-root", "/sennit-tour", "--netns-ready", "2", NULL};
    (void)unlink(app->sock);
    int r = sn_mkdirs(app->logs, 0755);
    if (r >= 0) r = sn_proc_start(&(struct sn_proc_opts){.argv = argv, .fds = {-1, 2, 2}, .die_with_parent = true}, &app->daemon);
    if (r < 0) return sn_wrap(r, "sennit cri");
    int64_t until = sn_now() + DAEMON_NS;
    while (r >= 0 && stat(app->sock, &st) < 0 && sn_now() < until) r = sn_sleep(10 * SN_MS);
    if (r >= 0 && stat(app->sock, &st) < 0) r = sn_fail(SN_E_UNAVAILABLE, "sennit cri does not start; it says why in the log");
    if (r >= 0) r = sn_grpc_channel_new(sn_arena_printf(a, "unix:%s", app->sock).ptr, &(struct sn_grpc_channel_opts){.authority = "localhost"}, &app->ch);
    return r;
}

static int remove_pod(struct app *app, struct sn_arena *a, struct sn_str id)
{
    struct runtime_v1_remove_pod_sandbox_request q = {.pod_sandbox_id = id};
    struct runtime_v1_remove_pod_sandbox_response *r;
    return runtime_v1_runtime_service_remove_pod_sandbox_call(app->ch, &q, a, &r, NULL);
}

/* What the program wrote, once it has written a line. */
static int read_output(struct app *app, struct sn_arena *a, struct sn_str *ret)
{
    struct sn_str path = sn_arena_printf(a, "%s/c.log", app->logs), text;
    int64_t until = sn_now() + OUTPUT_NS;
    int r;
    while (((r = sn_file_read(a, path.ptr, 64u << 10, &text)) < 0 || !text.len) && sn_now() < until)
        if ((r = sn_sleep(5 * SN_MS)) < 0) return r;
    if (r < 0 || !text.len) return r < 0 ? r : sn_fail(SN_E_DEADLINE_EXCEEDED, "the pod wrote nothing");
    for (int i = 0; i < 3; i++) (void)sn_str_cut(&text, ' '); /* time, stream, tag */
    *ret = sn_str_cut(&text, '\n');
    (void)unlink(path.ptr);
    return 0;
}

static int one_pod(struct app *app, struct sn_arena *a, struct times *t, struct sn_str *ret_said, struct sn_str *ret_ip)
{
    static struct sn_str cmd[] = {SN_STR_INIT("/bin/sh"), SN_STR_INIT("-c"), SN_STR_INIT("echo \"I am process $$ of $(hostname)\"; exec sleep 1000")};
    struct runtime_v1_pod_sandbox_metadata pm = {.name = SN_STR("exhibit"), .uid = SN_STR("1"), .namespace = SN_STR("tour")};
    struct runtime_v1_linux_pod_sandbox_config lx = {0};
    struct runtime_v1_namespace_option ns = {.pid = RUNTIME_V1_NAMESPACE_MODE_CONTAINER};
    struct runtime_v1_linux_container_security_context sc = {.namespace_options = &ns};
    struct runtime_v1_pod_sandbox_config pc = {.metadata = &pm, .hostname = SN_STR("a-pod"), .linux_ = &lx, .log_directory = sn_str(app->logs)};
    struct runtime_v1_container_metadata cm = {.name = SN_STR("c")};
    struct runtime_v1_image_spec image = {.image = SN_STR("host")};
    struct runtime_v1_linux_container_config lc = {.security_context = &sc};
    struct runtime_v1_container_config cc = {.metadata = &cm, .image = &image, .linux_ = &lc, .log_path = SN_STR("c.log"), .command = {cmd, 3, 0}};
    struct runtime_v1_run_pod_sandbox_request rq = {.config = &pc};
    struct runtime_v1_run_pod_sandbox_response *rr;
    struct runtime_v1_create_container_response *cr;
    struct runtime_v1_start_container_response *sr;
    struct runtime_v1_pod_sandbox_status_response *st;
    int64_t at = sn_now(), t0 = at;
    int r = runtime_v1_runtime_service_run_pod_sandbox_call(app->ch, &rq, a, &rr, NULL);
    if (r < 0) return r;
    t->sandbox = since(&at);
    struct runtime_v1_create_container_request cq = {.pod_sandbox_id = rr->pod_sandbox_id, .config = &cc, .sandbox_config = &pc};
    r = runtime_v1_runtime_service_create_container_call(app->ch, &cq, a, &cr, NULL);
    t->create = since(&at);
    if (r >= 0) {
        struct runtime_v1_start_container_request sq = {.container_id = cr->container_id};
        r = runtime_v1_runtime_service_start_container_call(app->ch, &sq, a, &sr, NULL);
        t->start = since(&at);
        t->total = since(&t0);
    }
    if (r >= 0) r = read_output(app, a, ret_said);
    struct runtime_v1_pod_sandbox_status_request q = {.pod_sandbox_id = rr->pod_sandbox_id};
    if (r >= 0) r = runtime_v1_runtime_service_pod_sandbox_status_call(app->ch, &q, a, &st, NULL);
    if (r >= 0 && st->status && st->status->network) *ret_ip = st->status->network->ip;
    at = sn_now();
    int end = remove_pod(app, a, rr->pod_sandbox_id);
    t->remove = since(&at);
    return r < 0 ? r : end;
}

static int show(struct app *app, const struct times *t, struct sn_str said, struct sn_str ip)
{
    struct card c;
    char num[32];
    app->ms[app->pods++ % LAST] = t->total;
    double best = t->total;
    for (unsigned i = 0; i < LAST && i < app->pods; i++) best = SN_MIN(best, app->ms[i]);
    card_begin(&c, "ok", "A pod with its own network was up in %.1f ms, and said: %.*s.", t->total, SN_STR_ARG(said));
    card_fact(&c, "From the request to a running program", "ms", "sandbox, container, start", "%.1f", t->total);
    card_fact(&c, "Sandbox with network", "ms", NULL, "%.1f", t->sandbox);
    card_fact(&c, "Container made and started", "ms", NULL, "%.1f", t->create + t->start);
    card_fact(&c, "Fastest of late", "ms", NULL, "%.1f", best);
    card_fact(&c, "Its address", "", NULL, "%.*s", SN_STR_ARG(ip));
    card_fact(&c, "Removed in", "ms", NULL, "%.1f", t->remove);
    card_fact(&c, "Pods so far", "", NULL, "%s", card_number(app->pods, num));
    return card_end(&c, NULL, NULL);
}

static int loop(struct app *app)
{
    int r = 0;
    while (r >= 0 && (!app->o->rounds || app->pods < app->o->rounds)) {
        struct sn_arena a;
        struct times t = {0};
        struct sn_str said = {0}, ip = {0};
        sn_arena_init(&a, NULL, 0);
        r = one_pod(app, &a, &t, &said, &ip);
        if (r >= 0) r = show(app, &t, said, ip);
        sn_arena_done(&a);
        if (r >= 0 && (!app->o->rounds || app->pods < app->o->rounds)) r = sn_sleep(app->o->every);
    }
    return r;
}

static int stop(void *arg)
{
    static const int wanted[] = {SIGINT, SIGTERM, 0};
    int r = sn_signal_wait(wanted);
    if (r > 0) sn_scope_cancel(arg);
    return 0;
}

static int end_daemon(void *arg)
{
    struct app *app = arg;
    int code;
    (void)sn_proc_signal(&app->daemon, SIGTERM);
    return sn_proc_wait(&app->daemon, &code);
}

static int say(const char *state, const char *text)
{
    struct card c;
    card_begin(&c, state, "%s", text);
    return card_end(&c, NULL, NULL);
}

static int app_main(void *arg)
{
    const struct sn_cli_call *call = arg;
    struct app app = {.o = call->opts};
    struct sn_scope_storage mem;
    if (geteuid() != 0) return say("warn", "Pods need root here: start the tour as root to see one.");
    snprintf(app.dir, sizeof app.dir, "%.*s", SN_STR_ARG(app.o->dir));
    snprintf(app.sock, sizeof app.sock, "%s/cri.sock", app.dir);
    snprintf(app.logs, sizeof app.logs, "%s/logs", app.dir);
    struct sn_scope *sc = sn_scope_begin(&mem);
    int r = sn_scope_go(sc, "signals", stop, sc);
    if (r >= 0) r = start_daemon(&app, call->arena);
    if (r >= 0) r = loop(&app);
    bool asked = r == SN_E_CANCELLED;
    if (app.ch) sn_grpc_channel_free(app.ch);
    if (app.daemon.pid) (void)sn_shield(10 * SN_SEC, end_daemon, &app);
    if (r < 0 && !asked) (void)say("error", sn_diag_str(r));
    sn_scope_cancel(sc);
    (void)sn_scope_end(sc);
    return asked ? 0 : r;
}

static int run(const struct sn_cli_call *call)
{
    return sn_rt_run(&(struct sn_rt_opts){.workers = 1}, app_main, (void *)call);
}

static const struct sn_cli_command cmd = {.name = "pod", .brief = "Starts pods and says how long they took.", .table = &table, .run = run};
static const struct sn_cli_command *const commands[] = {&cmd, NULL};

int main(int argc, char **argv)
{
    static const struct sn_cli_program program = {.name = "pod", .version = SN_VERSION, .about = "A pod in front of the reader.", .commands = commands};
    return sn_cli_main(&program, argc, argv);
}
