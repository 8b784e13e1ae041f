/* SPDX-License-Identifier: Apache-2.0 */
/* sennit up - one node: the gateway in this process, the processes behind it supervised, traffic if
 * asked for, and the board. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fiber/net.h"
#include "fiber/os.h"
#include "gateway/gateway.h"
#include "kit/log.h"
#include "kit/prof.h"
#include "sennit/board.h"
#include "sennit/commands.h"
#include "sennit/up_conf.h"
#include "wire/json.h"

SN_LOG_MODULE("up");

#define CONFIG_BYTES_MAX (1u << 20)
/* Processes that do not listen by then get their traffic all the same. */
#define READY_NS_MAX (5 * SN_SEC)

struct up_opts {
    struct sn_str config, board, data;
    bool tour, no_traffic, no_exhibits;
};
static const struct sn_conf_field fields[] = {
    SN_CONF_BOOL(struct up_opts, tour, "tour",
                 .help = "Run the tour: examples/tour of the source tree, or the installed one."),
    SN_CONF_STRING(struct up_opts, config, "config", .letter = 'c', .metavar = "FILE",
                   .help = "What to run; up.yaml in FOLDER by default."),
    SN_CONF_STRING(struct up_opts, board, "board", .metavar = "ADDRESS",
                   .help = "Where the board listens, instead of the file's."),
    SN_CONF_STRING(struct up_opts, data, "data", .letter = 'd', .metavar = "FOLDER",
                   .help = "Logs go here; ~/.local/state/sennit/NAME by default."),
    SN_CONF_BOOL(struct up_opts, no_traffic, "no-traffic", .help = "Do not start the traffic."),
    SN_CONF_BOOL(struct up_opts, no_exhibits, "no-exhibits", .help = "Do not start the exhibits."),
};
static const struct sn_conf_table table = SN_CONF_TABLE(struct up_opts, fields);

struct up {
    const struct up_opts *o;
    struct sn_arena *a;
    const char *file; /* of the configuration, inside the working directory */
    struct sn_up_places places;
    struct sn_up_plan plan;
    struct sn_supervisor processes, traffic;
    struct sn_exhibits exhibits;
    struct sn_contracts *contracts;
    struct sn_log *log;
    struct sn_board *board;
    struct sn_gateway *gw;
    bool stopping;
};

static void on_event(void *arg, const char *level, const char *text)
{
    struct up *u = arg;
    if (u->board) sn_board_event(u->board, level, text);
    if (level[0] == 'e')
        SN_LOG_ERROR("event", SN_L("text", text));
    else if (level[0] == 'w')
        SN_LOG_WARN("event", SN_L("text", text));
    else
        SN_LOG_INFO("event", SN_L("text", text));
}

/* ---- before the runtime: files and folders ---- */

static bool has_up_yaml(const char *dir)
{
    char path[2048];
    struct stat st;
    int n = snprintf(path, sizeof(path), "%s/up.yaml", dir);
    return n < (int)sizeof(path) && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* The source tree around the working directory or around the binary, else what is installed. */
static const char *find_tour(struct up *u)
{
    struct sn_str exe = u->places.sennit;
    struct sn_str bin = sn_str_sub(exe, 0, (size_t)SN_MAX(sn_str_rchr(exe, '/'), 0));
    const char *const tries[] = {
        "examples/tour",
        sn_arena_printf(u->a, "%.*s/../../../examples/tour", SN_STR_ARG(bin)).ptr,
        sn_arena_printf(u->a, "%.*s/../share/sennit/tour", SN_STR_ARG(bin)).ptr,
    };
    for (size_t i = 0; i < SN_COUNT_OF(tries); i++)
        if (tries[i] && has_up_yaml(tries[i])) return tries[i];
    return NULL;
}

/* Where the example programs are: of the build this binary belongs to, or installed. */
static int find_examples(struct up *u)
{
    struct sn_str exe = u->places.sennit;
    struct sn_str bin = sn_str_sub(exe, 0, (size_t)SN_MAX(sn_str_rchr(exe, '/'), 0));
    struct stat st;
    struct sn_str built = sn_arena_printf(u->a, "%.*s/../../examples", SN_STR_ARG(bin));
    if (!built.ptr) return SN_E_NOMEM;
    u->places.examples = stat(built.ptr, &st) == 0 && S_ISDIR(st.st_mode)
                             ? built
                             : sn_arena_printf(u->a, "%.*s/../libexec/sennit", SN_STR_ARG(bin));
    return u->places.examples.ptr ? 0 : SN_E_NOMEM;
}

/* PATH of exhibits: ours, and what npm put beside the configuration or in a folder above it. */
static int find_path(struct up *u)
{
    const char *path = getenv("PATH");
    struct sn_str dir = u->places.dir;
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 64u << 10);
    sn_buf_cstr(&b, path && *path ? path : "/usr/local/bin:/usr/bin:/bin");
    for (ssize_t slash = (ssize_t)dir.len; slash > 0; slash = sn_str_rchr(dir, '/')) {
        dir = sn_str_sub(dir, 0, (size_t)slash);
        sn_buf_printf(&b, ":%.*s/node_modules/.bin", SN_STR_ARG(dir));
    }
    if (b.err < 0) return b.err;
    u->places.path = sn_arena_str(u->a, sn_buf_view(&b));
    return u->places.path.ptr ? 0 : SN_E_NOMEM;
}

/* Goes to the configuration's folder: paths in it, and the static files of the gateway, are
 * relative to that. */
static int enter_folder(struct up *u, const struct sn_cli_call *call)
{
    const char *dir = ".";
    u->file = "up.yaml";
    if (u->o->config.ptr) {
        ssize_t slash = sn_str_rchr(u->o->config, '/');
        if (slash >= 0)
            dir = sn_arena_str(u->a, sn_str_sub(u->o->config, 0, (size_t)slash + 1)).ptr;
        u->file = sn_arena_str(u->a, sn_str_from(u->o->config, (size_t)(slash + 1))).ptr;
    } else if (u->o->tour) {
        dir = find_tour(u);
        if (!dir) return sn_fail(SN_E_NOT_FOUND, "the tour's files (examples/tour) were not found");
    } else if (call->n_args) {
        dir = sn_arena_str(u->a, call->args[0]).ptr;
    }
    if (!dir || !u->file) return SN_E_NOMEM;
    char *path = sn_arena_alloc(u->a, PATH_MAX);
    if (!path) return SN_E_NOMEM;
    if (chdir(dir) < 0 || !getcwd(path, PATH_MAX)) return sn_fail_errno(errno, "folder %s", dir);
    u->places.dir = sn_str(path);
    return 0;
}

static int enter_data(struct up *u)
{
    const char *home = getenv("HOME"), *state = getenv("XDG_STATE_HOME");
    struct sn_str data = u->o->data, name = u->plan.conf.name;
    if (!data.ptr && state && state[0] == '/')
        data = sn_arena_printf(u->a, "%s/sennit/%.*s", state, SN_STR_ARG(name));
    else if (!data.ptr && home && home[0] == '/')
        data = sn_arena_printf(u->a, "%s/.local/state/sennit/%.*s", home, SN_STR_ARG(name));
    else if (!data.ptr)
        data = sn_arena_printf(u->a, "/tmp/sennit-%u/%.*s", getuid(), SN_STR_ARG(name));
    data = sn_arena_str(u->a, data);
    if (!data.ptr) return SN_E_NOMEM;
    u->places.data = data;
    return sn_mkdirs(data.ptr, 0755);
}

static int read_config(struct up *u, struct sn_str *ret)
{
    char *text = sn_arena_alloc(u->a, CONFIG_BYTES_MAX + 1);
    if (!text) return SN_E_NOMEM;
    int fd = open(u->file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return sn_fail_errno(errno, "%.*s/%s", SN_STR_ARG(u->places.dir), u->file);
    size_t len = 0;
    ssize_t n;
    while (len <= CONFIG_BYTES_MAX && (n = read(fd, text + len, CONFIG_BYTES_MAX + 1 - len)) > 0)
        len += (size_t)n;
    close(fd);
    if (len > CONFIG_BYTES_MAX) return sn_fail(SN_E_TOO_LARGE, "%s: larger than 1 MiB", u->file);
    *ret = sn_str_of(text, len);
    return 0;
}

/* {data} appears in commands, so the folder is known before they are expanded: the name comes from
 * a first reading. */
static int load_plan(struct up *u)
{
    struct sn_str text;
    struct sn_buf errors;
    sn_buf_init(&errors, 0);
    int r = read_config(u, &text);
    if (r < 0) return r;
    u->places.data = SN_STR(".");
    r = sn_up_plan_read(u->a, u->file, text, &u->places, &u->plan, &errors);
    if (r >= 0) r = enter_data(u);
    if (r >= 0) r = sn_up_plan_read(u->a, u->file, text, &u->places, &u->plan, &errors);
    /* The first problem is the diagnostic, which the caller of the command prints. */
    struct sn_str rest = sn_buf_view(&errors);
    if (rest.len) (void)sn_str_cut(&rest, '\n');
    if (rest.len) fwrite(rest.ptr, 1, rest.len, stderr);
    sn_buf_done(&errors);
    return r;
}

/* The log of this run: an older one goes. */
static int open_log(struct up *u, const char *name, int flags)
{
    struct sn_str path = sn_arena_printf(u->a, "%.*s/%s.log", SN_STR_ARG(u->places.data), name);
    if (!path.ptr) return SN_E_NOMEM;
    int fd = open(path.ptr, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | flags, 0644);
    return fd < 0 ? sn_fail_errno(errno, "%s", path.ptr) : fd;
}

static int open_logs(struct up *u, struct sn_up_unit *units, size_t n, struct sn_supervisor *sup)
{
    for (size_t i = 0; i < n; i++) {
        int r = open_log(u, units[i].s.name, O_APPEND);
        if (r < 0) return r;
        units[i].s.out_fd = r;
        r = sn_vec_push(&sup->procs, &units[i].s);
        if (r < 0) return r;
    }
    sup->grace_ns = u->plan.conf.grace;
    sup->on_event = on_event;
    sup->arg = u;
    return 0;
}

static int prepare_exhibits(struct up *u)
{
    u->exhibits = (struct sn_exhibits){.list = u->plan.exhibits,
                                       .path = u->places.path.ptr,
                                       .grace_ns = u->plan.conf.grace,
                                       .on_event = on_event,
                                       .arg = u};
    if (u->o->no_exhibits) return 0;
    u->exhibits.n = u->plan.n_exhibits;
    for (size_t i = 0; i < u->exhibits.n; i++) {
        int r = open_log(u, u->exhibits.list[i].name, 0);
        if (r < 0) return r;
        u->exhibits.list[i].log_fd = r;
    }
    return 0;
}

/* ---- on the runtime ---- */

static int port_of(struct sn_str address)
{
    uint64_t port;
    ssize_t colon = sn_str_rchr(address, ':');
    return sn_str_to_u64(sn_str_from(address, (size_t)(colon + 1)), &port) < 0 ? 0 : (int)port;
}

/* A process would fail to bind, be restarted and fail again: said here once, with the port. */
static int check_ports(struct up *u)
{
    for (size_t i = 0; i < u->plan.n_processes; i++) {
        struct sn_up_unit *p = &u->plan.processes[i];
        char addr[32];
        struct sn_listener *l;
        if (!p->port) continue;
        snprintf(addr, sizeof(addr), "127.0.0.1:%u", p->port);
        int r = sn_listen(addr, NULL, &l);
        if (r == SN_E_ALREADY_EXISTS)
            return sn_fail(r, "port %u, which %s needs, is in use by another program", p->port,
                           p->s.name);
        if (r < 0) return sn_wrap(r, "process %s", p->s.name);
        sn_listener_close(l);
    }
    return 0;
}

static int open_board(struct up *u)
{
    struct sn_board_opts o = {
        .node_name = sn_arena_str(u->a, u->plan.conf.name).ptr,
        .version = SN_VERSION,
        .address = sn_arena_str(u->a, u->o->board.ptr ? u->o->board : u->plan.conf.board).ptr,
        .supervisors = {&u->processes, u->o->no_traffic ? NULL : &u->traffic},
        .exhibits = &u->exhibits,
        .contracts = u->contracts};
    if (!o.node_name || !o.address) return SN_E_NOMEM;
    int r = sn_board_new(&o, &u->board);
    if (r == SN_E_ALREADY_EXISTS)
        return sn_fail(
            r, "the board's port %d is in use by another program (%s); choose another with --board",
            port_of(sn_str(o.address)), o.address);
    return r < 0 ? sn_wrap(r, "board") : 0;
}

static int open_gateway(struct up *u)
{
    struct sn_gateway_opts o = {.config_path = sn_arena_str(u->a, u->plan.conf.gateway).ptr,
                                .on_event = on_event,
                                .arg = u};
    int r = o.config_path ? sn_gateway_new(&o, &u->gw, NULL) : SN_E_NOMEM;
    if (r >= 0) sn_board_set_gateway(u->board, u->gw);
    return r < 0 ? sn_wrap(r, "gateway") : 0;
}

static int board_main(void *arg) { return sn_board_serve(((struct up *)arg)->board); }
static int processes_main(void *arg) { return sn_supervisor_run(&((struct up *)arg)->processes); }
static int traffic_main(void *arg) { return sn_supervisor_run(&((struct up *)arg)->traffic); }
static int exhibits_main(void *arg) { return sn_exhibits_run(&((struct up *)arg)->exhibits); }
static int gateway_main(void *arg)
{
    struct up *u = arg;
    int64_t cut = sn_gateway_run(u->gw);
    if (cut > 0) SN_LOG_WARN("connections cut at the end", SN_L("count", cut));
    return cut < 0 ? (int)cut : u->stopping ? 0 : sn_fail(SN_E_UNAVAILABLE, "the gateway ended");
}

static void wait_ready(struct up *u)
{
    int64_t until = sn_now() + READY_NS_MAX, prev = sn_deadline_tighten(until);
    for (size_t i = 0; i < u->plan.n_processes; i++) {
        char addr[32];
        if (!u->plan.processes[i].port) continue;
        snprintf(addr, sizeof(addr), "127.0.0.1:%u", u->plan.processes[i].port);
        struct sn_stream *st;
        while (sn_dial(addr, NULL, &st) < 0)
            if (sn_sleep(20 * SN_MS) < 0) goto out;
        sn_stream_close(st);
    }
out:
    sn_deadline_restore(prev);
}

static void print_names(const struct sn_supervisor *sup)
{
    SN_VEC_EACH (&sup->procs, p) printf("%s%s", p == sup->procs.ptr ? "" : ", ", (*p)->name);
    putchar('\n');
}

static void print_listeners(struct up *u)
{
    struct sn_buf text;
    const struct sn_json *all;
    sn_buf_init(&text, 0);
    if (sn_gateway_stats_json(u->gw, &text) >= 0 &&
        sn_json_parse(u->a, sn_buf_view(&text), NULL, &all) >= 0) {
        for (SN_JSON_EACH(sn_json_get(all, "listeners"), l)) {
            struct sn_str addr = sn_json_str(sn_json_get(l, "addr"));
            struct sn_str name = sn_json_str(sn_json_get(l, "name"));
            printf("  gateway    http://%.*s/  (%.*s)\n", SN_STR_ARG(addr), SN_STR_ARG(name));
        }
        printf("  routes     ");
        const char *sep = "";
        for (SN_JSON_EACH(sn_json_get(all, "routes"), r)) {
            printf("%s%.*s", sep, SN_STR_ARG(sn_json_str(sn_json_get(r, "match"))));
            sep = ", ";
        }
        putchar('\n');
    }
    sn_buf_done(&text);
}

static void print_welcome(struct up *u)
{
    printf("\nSennit %s: %.*s is up\n\n", SN_VERSION, SN_STR_ARG(u->plan.conf.name));
    printf("  board      http://%s/\n", sn_board_address(u->board));
    print_listeners(u);
    if (u->processes.procs.len) {
        printf("  processes  ");
        print_names(&u->processes);
    }
    if (!u->o->no_traffic && u->traffic.procs.len) {
        printf("  traffic    ");
        print_names(&u->traffic);
    }
    if (u->exhibits.n) {
        printf("  exhibits   ");
        for (size_t i = 0; i < u->exhibits.n; i++)
            printf("%s%s", i ? ", " : "", u->exhibits.list[i].name);
        putchar('\n');
    }
    if (u->plan.conf.n_contracts)
        printf("  contracts  http://%s/contracts\n", sn_board_address(u->board));
    printf("  profiles   go tool pprof http://%s/debug/pprof/profile?seconds=5\n",
           sn_board_address(u->board));
    printf("  logs       %.*s\n\n", SN_STR_ARG(u->places.data));
    printf("Stop with Ctrl-C or kill %d. After a change of %.*s/%.*s: kill -HUP %d\n\n",
           (int)getpid(), SN_STR_ARG(u->places.dir), SN_STR_ARG(u->plan.conf.gateway),
           (int)getpid());
    fflush(stdout);
}

/* Ends at once when asked a second time; the kernel then kills the children. */
static void impatient(void *arg)
{
    if (sn_signal_wait((const int[]){SIGTERM, SIGINT, 0}) > 0) {
        fprintf(stderr, "stopping at once\n");
        _exit(130);
    }
}

/* Until told to stop. Returns 0, or SN_E_CANCELLED when a part failed. */
static int obey_signals(struct up *u)
{
    for (;;) {
        int sig = sn_signal_wait((const int[]){SIGTERM, SIGINT, SIGHUP, 0});
        if (sig < 0) return sig;
        if (sig != SIGHUP) break;
        on_event(u, "info", "SIGHUP: reading the gateway's configuration again");
        int r = sn_gateway_reload(u->gw);
        if (r == SN_E_CANCELLED) return r;
    }
    u->stopping = true;
    on_event(u, "info", "stopping: traffic, exhibits, gateway, processes, board");
    return sn_go("impatient", impatient, NULL);
}

/* Each part has a scope inside the one before, so the ends come in the opposite order of the
 * starts: traffic and exhibits first, then the gateway with what is in flight, then the processes
 * behind it, the board last. A part that fails cancels its own scope and those inside it. */
static int run_traffic(struct up *u)
{
    struct sn_scope_storage mem;
    struct sn_scope *scope = sn_scope_begin(&mem);
    int r = 0;
    if (!u->o->no_traffic) r = sn_scope_go(scope, "traffic", traffic_main, u);
    if (r >= 0) r = sn_scope_go(scope, "exhibits", exhibits_main, u);
    if (r >= 0) {
        print_welcome(u);
        r = obey_signals(u);
    }
    sn_scope_cancel(scope);
    int end = sn_scope_end(scope);
    return end < 0 && end != SN_E_CANCELLED ? end : r;
}

static int run_gateway(struct up *u)
{
    struct sn_scope_storage mem;
    struct sn_scope *scope = sn_scope_begin(&mem);
    wait_ready(u);
    int r = sn_scope_go(scope, "gateway", gateway_main, u);
    if (r >= 0) r = run_traffic(u);
    u->stopping = true;
    sn_gateway_stop(u->gw);
    int end = sn_scope_end(scope);
    return end < 0 && end != SN_E_CANCELLED ? end : r;
}

static int run_processes(struct up *u)
{
    struct sn_scope_storage mem;
    struct sn_scope *scope = sn_scope_begin(&mem);
    int r = sn_scope_go(scope, "supervisor", processes_main, u);
    if (r >= 0) r = run_gateway(u);
    sn_scope_cancel(scope);
    int end = sn_scope_end(scope);
    return end < 0 && end != SN_E_CANCELLED ? end : r;
}

static int run_board(struct up *u)
{
    struct sn_scope_storage mem;
    struct sn_scope *scope = sn_scope_begin(&mem);
    int r = sn_scope_go(scope, "board", board_main, u);
    if (r >= 0) r = run_processes(u);
    sn_board_drain(u->board, SN_SEC);
    int end = sn_scope_end(scope);
    return end < 0 && end != SN_E_CANCELLED ? end : r;
}

static int up_main(void *arg)
{
    struct up *u = arg;
    int r = open_board(u);
    if (r >= 0) r = open_gateway(u);
    if (r >= 0) r = check_ports(u);
    if (r >= 0) r = run_board(u);
    if (u->gw) sn_gateway_free(u->gw);
    sn_board_free(u->board);
    u->board = NULL;
    return r;
}

/* ---- the command ---- */

static int find_self(struct up *u)
{
    char path[2048];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path));
    if (n < 0) return sn_fail_errno(errno, "/proc/self/exe");
    u->places.sennit = sn_arena_str(u->a, sn_str_of(path, (size_t)n));
    return u->places.sennit.ptr ? 0 : SN_E_NOMEM;
}

static int up_prepare(struct up *u, const struct sn_cli_call *call)
{
    int r = find_self(u);
    /* A relative --data is the caller's, whose folder is about to be left. */
    if (r >= 0 && u->o->data.ptr && !sn_str_starts(u->o->data, SN_STR("/"))) {
        char *cwd = sn_arena_alloc(u->a, PATH_MAX);
        if (!cwd) return SN_E_NOMEM;
        if (!getcwd(cwd, PATH_MAX)) return sn_fail_errno(errno, "working directory");
        struct sn_str data = sn_arena_printf(u->a, "%s/%.*s", cwd, SN_STR_ARG(u->o->data));
        struct up_opts *o = sn_arena_alloc(u->a, sizeof(*o));
        if (!data.ptr || !o) return SN_E_NOMEM;
        *o = *u->o;
        o->data = data;
        u->o = o;
    }
    if (r >= 0) r = enter_folder(u, call);
    if (r >= 0) r = find_examples(u);
    if (r >= 0) r = find_path(u);
    if (r >= 0) r = load_plan(u);
    if (r >= 0) r = open_logs(u, u->plan.processes, u->plan.n_processes, &u->processes);
    if (r >= 0 && !u->o->no_traffic)
        r = open_logs(u, u->plan.traffic, u->plan.n_traffic, &u->traffic);
    if (r >= 0) r = prepare_exhibits(u);
    if (r >= 0)
        r = sn_contracts_new(u->plan.conf.contracts, u->plan.conf.n_contracts, &u->contracts);
    if (r < 0) return r;
    struct sn_log_opts lo = {
        .path = sn_arena_printf(u->a, "%.*s/sennit.log", SN_STR_ARG(u->places.data)).ptr,
        .format = SN_LOG_JSON};
    return lo.path ? sn_log_new(&lo, &u->log) : SN_E_NOMEM;
}

static int up_run(const struct sn_cli_call *call)
{
    struct up u = {.o = call->opts, .a = call->arena};
    int r = up_prepare(&u, call);
    if (r >= 0) {
        sn_log_set_default(u.log);
        sn_cmd_raise_files();
        sn_prof_start(NULL);
        r = sn_rt_run(NULL, up_main, &u);
        sn_prof_stop();
        sn_log_set_default(NULL);
    }
    sn_log_free(u.log);
    SN_VEC_EACH (&u.processes.procs, p) close((*p)->out_fd);
    SN_VEC_EACH (&u.traffic.procs, p) close((*p)->out_fd);
    sn_exhibits_done(&u.exhibits);
    sn_contracts_free(u.contracts);
    sn_vec_done(&u.processes.procs);
    sn_vec_done(&u.traffic.procs);
    return r;
}

const struct sn_cli_command sn_cmd_up = {
    .name = "up",
    .brief = "Runs one node: gateway, the processes behind it, traffic, and the board.",
    .usage = "[FOLDER]",
    .about =
        "FOLDER has an up.yaml that names the gateway's configuration and the processes to run.\n"
        "`sennit up --tour` runs the tour. SIGHUP reads the gateway's configuration again, a bad\n"
        "one leaves the old in force. SIGTERM and Ctrl-C answer what is in flight, then stop "
        "every\n"
        "process.",
    .table = &table,
    .args_max = 1,
    .run = up_run,
};
