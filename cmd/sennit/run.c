/* SPDX-License-Identifier: Apache-2.0 */
/* sennit run, ps, logs, exec, stop, rm, stats - containers for people.
 *
 * They speak to `sennit cri` over its socket, as a kubelet does: one process knows what runs, whoever asks, and what
 * `run` starts is seen by crictl. Where none listens, `run` starts one, which stays. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "clusters/cri/cri.h"
#include "clusters/cri/logline.h"
#include "clusters/image/image.h"
#include "core/time.h"
#include "fiber/os.h"
#include "kit/grpc.h"
#include "runtime/v1/api.grpc.h"
#include "sennit/commands.h"

#define LOG_DIR "/var/log/sennit/run"
#define WAIT_DAEMON_NS (10 * SN_SEC)
#define LABEL_NAME "io.sennit.run"
#define FOLLOW_NS (20 * SN_MS) /* between looks at a log that has ended for now */
#define MEGABYTE 1e6

struct run_opts {
    struct sn_str socket, image_root, name, network, workdir, user;
    struct sn_str *ports, *volumes, *env;
    size_t n_ports, n_volumes, n_env;
    uint64_t memory, tail;
    double cpus;
    int64_t time;
    bool input, tty, detach, rm, follow, all, privileged, read_only;
};
#define SOCKET_FIELD                                                                                            \
    SN_CONF_STRING(struct run_opts, socket, "socket", .def = SN_CRI_SOCKET_DEFAULT, .metavar = "PATH", \
                   .help = "Where `sennit cri` serves.")

struct job {
    const struct sn_cli_call *call;
    const struct run_opts *o;
    struct sn_arena *a;
    struct sn_grpc_channel *ch;
    struct sn_http_client *http;
    int (*work)(struct job *j);
};

/* ---- the daemon ---- */

static int ask_version(struct job *j)
{
    struct runtime_v1_version_request q = {0};
    struct runtime_v1_version_response *v;
    return runtime_v1_runtime_service_version_call(j->ch, &q, j->a, &v, &(struct sn_grpc_opts){.timeout_ns = 5 * SN_SEC});
}

static int start_daemon(struct job *j)
{
    char self[512];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0) return sn_fail_errno(errno, "/proc/self/exe");
    self[n] = 0;
    const char *argv[] = {self, "cri", "--listen", sn_arena_str(j->a, j->o->socket).ptr, NULL, NULL, NULL};
    if (j->o->image_root.len) {
        argv[4] = "--image-root";
        argv[5] = sn_arena_str(j->a, j->o->image_root).ptr;
    }
    struct sn_proc p;
    struct stat st;
    int r = sn_proc_start(&(struct sn_proc_opts){.argv = argv, .fds = {-1, -1, -1}, .new_group = true}, &p);
    if (r < 0) return r;
    int64_t until = sn_now() + WAIT_DAEMON_NS;
    while (stat(argv[3], &st) < 0 && sn_now() < until && r >= 0) r = sn_sleep(10 * SN_MS);
    return r < 0 ? r : stat(argv[3], &st) < 0 ? sn_fail(SN_E_UNAVAILABLE, "sennit cri did not start; try it by hand") : 0;
}

static int open_channel(struct job *j, bool may_start)
{
    struct stat st;
    struct sn_str target = sn_arena_printf(j->a, "unix:%.*s", SN_STR_ARG(j->o->socket));
    if (stat(target.ptr + 5, &st) < 0 && may_start) {
        int r = start_daemon(j);
        if (r < 0) return r;
    }
    int r = sn_grpc_channel_new(target.ptr, &(struct sn_grpc_channel_opts){.authority = "localhost"}, &j->ch);
    if (r < 0) return r;
    r = ask_version(j);
    if (r >= 0) return 0;
    if (may_start && start_daemon(j) >= 0 && ask_version(j) >= 0) return 0;
    return sn_wrap(r, "sennit cri at %.*s", SN_STR_ARG(j->o->socket));
}

static int with_daemon(void *arg)
{
    struct job *j = arg;
    int r = open_channel(j, j->call->command == &sn_cmd_run);
    if (r >= 0) r = j->work(j);
    if (j->http) sn_http_client_free(j->http);
    if (j->ch) sn_grpc_channel_free(j->ch);
    return r;
}

static int start_job(const struct sn_cli_call *call, int (*work)(struct job *j))
{
    struct job j = {.call = call, .o = call->opts, .a = call->arena, .work = work};
    return sn_rt_run(&(struct sn_rt_opts){.workers = 1, .stack_bytes = 128u << 10}, with_daemon, &j);
}

/* ---- finding containers ---- */

static bool label_is(const struct runtime_v1_container *c, struct sn_str value)
{
    for (uint32_t i = 0; i < c->labels.len; i++)
        if (sn_str_eqc(c->labels.ptr[i]->key, LABEL_NAME) && sn_str_eq(c->labels.ptr[i]->value, value)) return true;
    return false;
}

static struct sn_str name_of(const struct runtime_v1_container *c)
{
    for (uint32_t i = 0; i < c->labels.len; i++)
        if (sn_str_eqc(c->labels.ptr[i]->key, LABEL_NAME)) return c->labels.ptr[i]->value;
    return c->metadata ? c->metadata->name : (struct sn_str){0};
}

static int list(struct job *j, struct runtime_v1_list_containers_response **ret)
{
    struct runtime_v1_list_containers_request q = {0};
    return runtime_v1_runtime_service_list_containers_call(j->ch, &q, j->a, ret, NULL);
}

/* By name, or by the beginning of an id. */
static int find(struct job *j, struct sn_str what, struct runtime_v1_container **ret)
{
    struct runtime_v1_list_containers_response *all;
    struct runtime_v1_container *hit = NULL;
    int r = list(j, &all);
    if (r < 0) return r;
    for (uint32_t i = 0; i < all->containers.len; i++)
        if (label_is(all->containers.ptr[i], what)) hit = all->containers.ptr[i];
    for (uint32_t i = 0; !hit && i < all->containers.len; i++)
        if (what.len >= 4 && sn_str_starts(all->containers.ptr[i]->id, what)) hit = all->containers.ptr[i];
    if (!hit) return sn_fail(SN_E_NOT_FOUND, "no container \"%.*s\"; `sennit ps -a` lists them", SN_STR_ARG(what));
    *ret = hit;
    return 0;
}

static int status_of(struct job *j, struct sn_str id, struct runtime_v1_container_status **ret)
{
    struct runtime_v1_container_status_request q = {.container_id = id};
    struct runtime_v1_container_status_response *s;
    int r = runtime_v1_runtime_service_container_status_call(j->ch, &q, j->a, &s, NULL);
    if (r >= 0) *ret = s->status;
    return r;
}

/* ---- logs ---- */

static void print_log(struct sn_str *text)
{
    struct sn_cri_log_record rec;
    int r;
    while ((r = sn_cri_log_next(text, &rec)) != 0) {
        if (r < 0) continue;
        FILE *f = sn_str_eqc(rec.stream, "stderr") ? stderr : stdout;
        fwrite(rec.text.ptr, 1, rec.text.len, f);
        if (!rec.partial) fputc('\n', f);
        fflush(f);
    }
}

struct follower {
    struct job *j;
    struct sn_str path, id;
    bool follow;
};

/* What the log has; with `follow` until the container has ended and the log with it. */
static int print_logs(struct follower *f)
{
    struct sn_buf b = {0};
    int fd = -1, r = 0;
    bool over = !f->follow;
    for (;;) {
        if (fd < 0) fd = open(f->path.ptr, O_RDONLY | O_CLOEXEC);
        ssize_t n = 0;
        if (fd >= 0 && sn_buf_reserve(&b, 32u << 10) == 0) n = read(fd, b.ptr + b.len, b.cap - b.len);
        if (n > 0) {
            b.len += (size_t)n;
            struct sn_str rest = sn_buf_view(&b);
            print_log(&rest);
            sn_buf_consume(&b, b.len - rest.len);
            continue;
        }
        if (over) break;
        struct runtime_v1_container_status *st;
        struct sn_arena tmp, *keep = f->j->a;
        sn_arena_init(&tmp, NULL, 0);
        f->j->a = &tmp;
        r = status_of(f->j, f->id, &st);
        over = r < 0 || st->state == RUNTIME_V1_CONTAINER_STATE_CONTAINER_EXITED;
        f->j->a = keep;
        sn_arena_done(&tmp);
        if (!over && (r = sn_sleep(FOLLOW_NS)) < 0) break;
    }
    if (fd >= 0) close(fd);
    sn_buf_done(&b);
    return r == SN_E_NOT_FOUND ? 0 : r;
}

static int logs(struct job *j)
{
    struct runtime_v1_container *c;
    struct runtime_v1_container_status *st;
    int r = find(j, j->call->args[0], &c);
    if (r >= 0) r = status_of(j, c->id, &st);
    if (r < 0) return r;
    return print_logs(&(struct follower){j, sn_arena_str(j->a, st->log_path), c->id, j->o->follow});
}

/* ---- terminals and streams ---- */

static struct termios saved;
static bool is_raw;

static void restore_terminal(void)
{
    if (is_raw) (void)tcsetattr(0, TCSANOW, &saved);
    is_raw = false;
}

static void raw_terminal(void)
{
    struct termios t;
    if (tcgetattr(0, &saved) < 0) return;
    t = saved;
    cfmakeraw(&t);
    is_raw = tcsetattr(0, TCSANOW, &t) == 0;
    atexit(restore_terminal);
}

struct streaming {
    struct sn_ws *ws;
    bool tty, in;
    struct sn_scope *scope;
    int code;
};

static void send_size(struct streaming *s)
{
    struct winsize ws;
    char text[64];
    if (!s->tty || ioctl(0, TIOCGWINSZ, &ws) < 0) return;
    int n = snprintf(text, sizeof text, "%c{\"Width\":%u,\"Height\":%u}", 4, ws.ws_col, ws.ws_row);
    (void)!sn_ws_write(s->ws, SN_WS_BINARY, sn_str_of(text, (size_t)n));
}

static int resizer(void *arg)
{
    static const int wanted[] = {SIGWINCH, 0};
    struct streaming *s = arg;
    send_size(s);
    while (sn_signal_wait(wanted) > 0) send_size(s);
    return 0;
}

static int typist(void *arg)
{
    struct streaming *s = arg;
    char buf[2049] = {0};
    for (;;) {
        ssize_t n = read(0, buf + 1, sizeof buf - 1);
        if (n < 0 && errno == EAGAIN) {
            if (sn_fd_wait(0, EPOLLIN) < 0) break;
            continue;
        }
        if (n <= 0) break;
        if (sn_ws_write(s->ws, SN_WS_BINARY, sn_str_of(buf, (size_t)n + 1)) < 0) break;
    }
    static const char end[2] = {(char)255, 0};
    (void)!sn_ws_write(s->ws, SN_WS_BINARY, sn_str_of(end, 2));
    return 0;
}

static int read_status(struct streaming *s, struct sn_str text)
{
    struct sn_arena a;
    const struct sn_json *v;
    sn_arena_init(&a, NULL, 0);
    int r = sn_json_parse(&a, text, NULL, &v);
    if (r >= 0 && !sn_str_eqc(sn_json_str(sn_json_get(v, "status")), "Success")) {
        uint64_t code;
        struct sn_str num = sn_json_str(sn_json_path(v, "details.causes.0.message")), msg = sn_json_str(sn_json_get(v, "message"));
        if (sn_str_to_u64(num, &code) == 0) s->code = (int)code;
        else r = sn_fail(SN_E_UNAVAILABLE, "%.*s", SN_STR_ARG(msg));
    }
    sn_arena_done(&a);
    return r;
}

/* Carries standard streams to and from a URL of the daemon until the other side ends. */
static int stream(struct job *j, struct sn_str url, struct streaming *s)
{
    struct sn_scope_storage mem;
    struct sn_buf m = {0};
    struct sn_str ws_url = sn_arena_printf(j->a, "ws%.*s", (int)url.len - 4, url.ptr + 4);
    int r = j->http ? 0 : sn_http_client_new(&(struct sn_http_client_opts){.h2_off = true}, &j->http);
    if (r >= 0) r = sn_ws_dial(j->http, ws_url, &(struct sn_ws_opts){.subprotocol = SN_STR("v5.channel.k8s.io"), .message_bytes_max = 1u << 20}, &s->ws);
    if (r < 0) return r;
    s->scope = sn_scope_begin(&mem);
    if (s->tty) {
        raw_terminal();
        r = sn_scope_go(s->scope, "resize", resizer, s);
    }
    int flags = fcntl(0, F_GETFL);
    if (s->in && r >= 0) {
        (void)fcntl(0, F_SETFL, flags | O_NONBLOCK);
        r = sn_scope_go(s->scope, "stdin", typist, s);
    }
    int end;
    while (r >= 0 && (end = sn_ws_read(s->ws, &m)) >= 0) {
        struct sn_str data = sn_str_from(sn_buf_view(&m), 1);
        if (!m.len) continue;
        if (m.ptr[0] == 3) r = read_status(s, data);
        else if (m.ptr[0] == 1 || m.ptr[0] == 2) (void)!write(m.ptr[0], data.ptr, data.len);
    }
    sn_scope_cancel(s->scope);
    (void)sn_scope_end(s->scope);
    if (s->in) (void)fcntl(0, F_SETFL, flags);
    restore_terminal();
    sn_ws_close(s->ws, 1000, (struct sn_str){0});
    sn_buf_done(&m);
    return r;
}

static int exec_in(struct job *j)
{
    struct runtime_v1_container *c;
    struct runtime_v1_exec_response *e;
    int r = find(j, j->call->args[0], &c);
    if (r < 0) return r;
    struct runtime_v1_exec_request q = {.container_id = c->id, .tty = j->o->tty, .stdin_ = j->o->input, .stdout_ = true, .stderr_ = !j->o->tty};
    q.cmd.ptr = j->call->args + 1;
    q.cmd.len = (uint32_t)j->call->n_args - 1;
    r = runtime_v1_runtime_service_exec_call(j->ch, &q, j->a, &e, NULL);
    struct streaming s = {.tty = j->o->tty, .in = j->o->input};
    if (r >= 0) r = stream(j, e->url, &s);
    return r < 0 ? r : s.code;
}

/* ---- run ---- */

static void on_progress(const struct sn_image_progress *p, void *arg)
{
    char line[120];
    if (!p->bytes_total) return;
    snprintf(line, sizeof line, "pulling  %.1f of %.1f MB  %u/%u layers", (double)p->bytes / MEGABYTE, (double)p->bytes_total / MEGABYTE,
             p->layers_done, p->layers);
    sn_progress_text(arg, line);
}

/* The image is pulled here, into the daemon's store, so that its progress is seen. */
static int need_image(struct job *j, struct sn_str name)
{
    struct sn_image_store *st;
    struct sn_image img;
    struct sn_progress bar;
    int r = sn_image_store_open(&(struct sn_image_store_opts){.root = j->o->image_root.len ? sn_arena_str(j->a, j->o->image_root).ptr : NULL}, &st);
    if (r < 0) return r;
    r = sn_image_find(st, name, j->a, &img);
    if (r == SN_E_NOT_FOUND) {
        sn_progress_begin(&bar, "pull", 0);
        r = sn_image_pull(st, name, &(struct sn_image_pull_opts){.progress = on_progress, .arg = &bar}, j->a, &img);
        sn_progress_end(&bar);
    }
    sn_image_store_close(st);
    return r;
}

static int parse_port(struct job *j, struct sn_str s, struct runtime_v1_port_mapping *ret)
{
    struct sn_str whole = s, proto = {0};
    ssize_t slash = sn_str_chr(s, '/'), colon;
    uint64_t host, inside;
    if (slash >= 0) {
        proto = sn_str_from(s, (size_t)slash + 1);
        s = sn_str_sub(s, 0, (size_t)slash);
    }
    colon = sn_str_rchr(s, ':');
    struct sn_str left = colon < 0 ? s : sn_str_sub(s, 0, (size_t)colon), right = colon < 0 ? s : sn_str_from(s, (size_t)colon + 1);
    ssize_t ip = sn_str_rchr(left, ':');
    if (ip >= 0) {
        ret->host_ip = sn_str_sub(left, 0, (size_t)ip);
        left = sn_str_from(left, (size_t)ip + 1);
    }
    if (sn_str_to_u64(left, &host) < 0 || sn_str_to_u64(right, &inside) < 0 || !host || !inside || host > 65535 || inside > 65535 ||
        (proto.len && !sn_str_eqc(proto, "tcp") && !sn_str_eqc(proto, "udp")))
        return sn_fail(SN_E_INVALID_ARGUMENT, "-p %.*s: expected [IP:]HOST:CONTAINER[/tcp|/udp]", SN_STR_ARG(whole));
    ret->protocol = sn_str_eqc(proto, "udp") ? RUNTIME_V1_PROTOCOL_UDP : RUNTIME_V1_PROTOCOL_TCP;
    ret->host_port = (int32_t)host;
    ret->container_port = (int32_t)inside;
    return 0;
}

static int parse_volume(struct sn_str s, struct runtime_v1_mount *ret)
{
    struct sn_str whole = s, from = sn_str_cut(&s, ':'), to = s.ptr ? sn_str_cut(&s, ':') : (struct sn_str){0};
    if (!from.len || from.ptr[0] != '/' || !to.len || to.ptr[0] != '/' || (s.ptr && !sn_str_eqc(s, "ro") && !sn_str_eqc(s, "rw")))
        return sn_fail(SN_E_INVALID_ARGUMENT, "-v %.*s: expected /HOST:/CONTAINER[:ro]", SN_STR_ARG(whole));
    ret->host_path = from;
    ret->container_path = to;
    ret->readonly = sn_str_eqc(s, "ro");
    return 0;
}

#define ADD(array, type, m) type *m = SN_ARENA_NEW(j->a, type), **m##_at = sn_pb_array_add(&(array), sizeof *m##_at, j->a); \
    if (!m || !m##_at) return SN_E_NOMEM; \
    *m##_at = m

static int build_pod(struct job *j, struct sn_str name, struct runtime_v1_pod_sandbox_config *pod)
{
    pod->metadata = SN_ARENA_NEW(j->a, struct runtime_v1_pod_sandbox_metadata);
    pod->linux_ = SN_ARENA_NEW(j->a, struct runtime_v1_linux_pod_sandbox_config);
    struct runtime_v1_linux_sandbox_security_context *sc = SN_ARENA_NEW(j->a, struct runtime_v1_linux_sandbox_security_context);
    struct runtime_v1_namespace_option *ns = SN_ARENA_NEW(j->a, struct runtime_v1_namespace_option);
    if (!pod->metadata || !pod->linux_ || !sc || !ns) return SN_E_NOMEM;
    pod->metadata->name = pod->metadata->uid = pod->hostname = name;
    pod->metadata->namespace = SN_STR("run");
    pod->log_directory = SN_STR(LOG_DIR);
    ns->pid = RUNTIME_V1_NAMESPACE_MODE_CONTAINER;
    if (sn_str_eqc(j->o->network, "host")) ns->network = RUNTIME_V1_NAMESPACE_MODE_NODE;
    else if (j->o->network.len && !sn_str_eqc(j->o->network, "bridge"))
        return sn_fail(SN_E_INVALID_ARGUMENT, "--network %.*s: expected bridge or host", SN_STR_ARG(j->o->network));
    sc->namespace_options = ns;
    pod->linux_->security_context = sc;
    for (size_t i = 0; i < j->o->n_ports; i++) {
        ADD(pod->port_mappings, struct runtime_v1_port_mapping, m);
        int r = parse_port(j, j->o->ports[i], m);
        if (r < 0) return r;
    }
    return 0;
}

static int build_limits(struct job *j, struct runtime_v1_linux_container_config *l)
{
    struct runtime_v1_linux_container_resources *res = SN_ARENA_NEW(j->a, struct runtime_v1_linux_container_resources);
    if (!res) return SN_E_NOMEM;
    res->memory_limit_in_bytes = (int64_t)j->o->memory;
    if (j->o->cpus > 0) {
        res->cpu_period = 100000;
        res->cpu_quota = (int64_t)(j->o->cpus * 100000);
    }
    l->resources = res;
    return 0;
}

static int build_ctr(struct job *j, struct sn_str name, struct runtime_v1_container_config *c)
{
    c->metadata = SN_ARENA_NEW(j->a, struct runtime_v1_container_metadata);
    c->image = SN_ARENA_NEW(j->a, struct runtime_v1_image_spec);
    c->linux_ = SN_ARENA_NEW(j->a, struct runtime_v1_linux_container_config);
    struct runtime_v1_linux_container_security_context *sc = SN_ARENA_NEW(j->a, struct runtime_v1_linux_container_security_context);
    if (!c->metadata || !c->image || !c->linux_ || !sc) return SN_E_NOMEM;
    c->metadata->name = name;
    c->image->image = j->call->args[0];
    c->args.ptr = j->call->args + 1;
    c->args.len = (uint32_t)j->call->n_args - 1;
    c->log_path = sn_arena_printf(j->a, "%.*s.log", SN_STR_ARG(name));
    c->tty = j->o->tty;
    c->stdin_ = j->o->input;
    c->stdin_once = true;
    c->working_dir = j->o->workdir;
    sc->privileged = j->o->privileged;
    sc->readonly_rootfs = j->o->read_only;
    sc->run_as_username = j->o->user;
    sc->namespace_options = SN_ARENA_NEW(j->a, struct runtime_v1_namespace_option);
    sc->seccomp = SN_ARENA_NEW(j->a, struct runtime_v1_security_profile); /* the runtime's default */
    if (!sc->namespace_options || !sc->seccomp) return SN_E_NOMEM;
    sc->namespace_options->pid = RUNTIME_V1_NAMESPACE_MODE_CONTAINER;
    if (sn_str_eqc(j->o->network, "host")) sc->namespace_options->network = RUNTIME_V1_NAMESPACE_MODE_NODE;
    c->linux_->security_context = sc;
    ADD(c->labels, struct runtime_v1_container_config_labels_entry, label);
    label->key = SN_STR(LABEL_NAME);
    label->value = name;
    for (size_t i = 0; i < j->o->n_env; i++) {
        ADD(c->envs, struct runtime_v1_key_value, kv);
        struct sn_str value = j->o->env[i];
        kv->key = sn_str_cut(&value, '=');
        kv->value = value.ptr ? value : sn_str(getenv(sn_arena_str(j->a, kv->key).ptr));
    }
    for (size_t i = 0; i < j->o->n_volumes; i++) {
        ADD(c->mounts, struct runtime_v1_mount, m);
        int r = parse_volume(j->o->volumes[i], m);
        if (r < 0) return r;
    }
    return build_limits(j, c->linux_);
}

static int remove_pod(struct job *j, struct sn_str pod)
{
    struct runtime_v1_remove_pod_sandbox_request q = {.pod_sandbox_id = pod};
    struct runtime_v1_remove_pod_sandbox_response *r;
    return runtime_v1_runtime_service_remove_pod_sandbox_call(j->ch, &q, j->a, &r, NULL);
}

static int attach(struct job *j, struct sn_str id, struct streaming *s)
{
    struct runtime_v1_attach_request q = {.container_id = id, .stdin_ = j->o->input, .tty = j->o->tty, .stdout_ = j->o->tty};
    struct runtime_v1_attach_response *a;
    int r = runtime_v1_runtime_service_attach_call(j->ch, &q, j->a, &a, NULL);
    return r < 0 ? r : stream(j, a->url, s);
}

struct attaching {
    struct job *j;
    struct sn_str id;
    struct streaming s;
};
static int attach_fiber(void *arg)
{
    struct attaching *at = arg;
    int r = attach(at->j, at->id, &at->s);
    return r == SN_E_FAILED_PRECONDITION ? 0 : r; /* it has ended already: the log has everything */
}

static int stop_on_signal(void *arg)
{
    static const int wanted[] = {SIGINT, SIGTERM, 0};
    struct attaching *at = arg;
    struct runtime_v1_stop_container_request q = {.container_id = at->id, .timeout = 10};
    struct runtime_v1_stop_container_response *r;
    if (sn_signal_wait(wanted) > 0) (void)!runtime_v1_runtime_service_stop_container_call(at->j->ch, &q, at->j->a, &r, NULL);
    return 0;
}

/* In the foreground: output comes from the log, which misses nothing; a terminal's from the attached stream. */
static int foreground(struct job *j, struct sn_str id, struct sn_str log)
{
    struct sn_scope_storage mem;
    struct attaching at = {j, id, {.tty = j->o->tty, .in = j->o->input}};
    struct follower f = {j, log, id, true};
    struct runtime_v1_container_status *st;
    struct sn_scope *sc = sn_scope_begin(&mem);
    int r = j->o->tty ? 0 : sn_scope_go(sc, "stop", stop_on_signal, &at);
    if (r >= 0 && (j->o->tty || j->o->input)) r = sn_scope_go(sc, "attached", attach_fiber, &at);
    if (r >= 0 && j->o->tty) {
        do r = status_of(j, id, &st);
        while (r >= 0 && st->state != RUNTIME_V1_CONTAINER_STATE_CONTAINER_EXITED && (r = sn_sleep(FOLLOW_NS)) >= 0);
        if (r >= 0) r = sn_sleep(FOLLOW_NS);
    } else if (r >= 0) {
        r = print_logs(&f);
    }
    sn_scope_cancel(sc);
    (void)sn_scope_end(sc);
    if (r >= 0) r = status_of(j, id, &st);
    return r < 0 ? r : st->exit_code;
}

static int run_work(struct job *j)
{
    struct runtime_v1_run_pod_sandbox_request pq = {.config = SN_ARENA_NEW(j->a, struct runtime_v1_pod_sandbox_config)};
    struct runtime_v1_create_container_request cq = {.config = SN_ARENA_NEW(j->a, struct runtime_v1_container_config)};
    struct runtime_v1_run_pod_sandbox_response *pod;
    struct runtime_v1_create_container_response *ctr;
    struct runtime_v1_start_container_response *started;
    struct sn_str name = j->o->name.len ? j->o->name : sn_arena_printf(j->a, "run-%08x", (unsigned)sn_random());
    if (!pq.config || !cq.config) return SN_E_NOMEM;
    int r = build_pod(j, name, pq.config);
    if (r >= 0) r = build_ctr(j, name, cq.config);
    if (r >= 0) r = sn_mkdirs(LOG_DIR, 0755);
    if (r >= 0) r = need_image(j, j->call->args[0]);
    if (r >= 0) r = runtime_v1_runtime_service_run_pod_sandbox_call(j->ch, &pq, j->a, &pod, NULL);
    if (r < 0) return r;
    struct sn_str log = sn_arena_printf(j->a, "%s/%.*s", LOG_DIR, SN_STR_ARG(cq.config->log_path));
    (void)unlink(log.ptr);
    cq.pod_sandbox_id = pod->pod_sandbox_id;
    cq.sandbox_config = pq.config;
    r = runtime_v1_runtime_service_create_container_call(j->ch, &cq, j->a, &ctr, NULL);
    if (r >= 0) {
        struct runtime_v1_start_container_request sq = {.container_id = ctr->container_id};
        r = runtime_v1_runtime_service_start_container_call(j->ch, &sq, j->a, &started, NULL);
    }
    if (r >= 0 && j->o->detach) {
        printf("%.*s\n", SN_STR_ARG(name));
        return 0;
    }
    if (r >= 0) r = foreground(j, ctr->container_id, log);
    if (r < 0 || j->o->rm) {
        struct sn_diag keep = *sn_diag();
        (void)!remove_pod(j, pod->pod_sandbox_id);
        (void)unlink(log.ptr);
        *sn_diag() = keep;
    }
    return r;
}

/* ---- ps, stop, rm, stats ---- */

static int ps(struct job *j)
{
    static const char *const states[] = {"created", "running", "exited", "unknown"};
    struct runtime_v1_list_containers_response *all;
    int r = list(j, &all);
    if (r < 0) return r;
    printf("%-14s %-20s %-8s %-21s %s\n", "ID", "NAME", "STATE", "CREATED", "IMAGE");
    for (uint32_t i = 0; i < all->containers.len; i++) {
        const struct runtime_v1_container *c = all->containers.ptr[i];
        char at[SN_RFC3339_MAX];
        if (!j->o->all && c->state != RUNTIME_V1_CONTAINER_STATE_CONTAINER_RUNNING) continue;
        sn_time_rfc3339(c->created_at, 0, at);
        struct sn_str name = name_of(c), image = c->image ? c->image->image : (struct sn_str){0};
        printf("%-14.12s %-20.*s %-8s %-21s %.*s\n", c->id.ptr, SN_STR_ARG(name), states[c->state & 3], at, SN_STR_ARG(image));
    }
    return 0;
}

static int stop(struct job *j)
{
    int result = 0;
    for (size_t i = 0; i < j->call->n_args; i++) {
        struct runtime_v1_container *c;
        struct runtime_v1_stop_container_response *s;
        int r = find(j, j->call->args[i], &c);
        struct runtime_v1_stop_container_request q = {.container_id = r < 0 ? (struct sn_str){0} : c->id, .timeout = j->o->time / SN_SEC};
        if (r >= 0) r = runtime_v1_runtime_service_stop_container_call(j->ch, &q, j->a, &s, NULL);
        if (r < 0) result = r;
        else printf("%.*s\n", SN_STR_ARG(j->call->args[i]));
    }
    return result;
}

static int rm(struct job *j)
{
    int result = 0;
    for (size_t i = 0; i < j->call->n_args; i++) {
        struct runtime_v1_container *c;
        int r = find(j, j->call->args[i], &c);
        if (r >= 0 && c->state == RUNTIME_V1_CONTAINER_STATE_CONTAINER_RUNNING && !j->o->all)
            r = sn_fail(SN_E_FAILED_PRECONDITION, "%.*s runs; stop it first, or rm -f", SN_STR_ARG(j->call->args[i]));
        if (r >= 0) r = remove_pod(j, c->pod_sandbox_id);
        if (r < 0) result = r;
        else printf("%.*s\n", SN_STR_ARG(j->call->args[i]));
    }
    return result;
}

static uint64_t value(const struct runtime_v1_u_int64_value *v) { return v ? v->value : 0; }

static int stats(struct job *j)
{
    struct runtime_v1_list_container_stats_request q = {0};
    struct runtime_v1_list_container_stats_response *s;
    /* Twice, so that there is a rate. */
    int r = runtime_v1_runtime_service_list_container_stats_call(j->ch, &q, j->a, &s, NULL);
    if (r >= 0) r = sn_sleep(500 * SN_MS);
    if (r >= 0) r = runtime_v1_runtime_service_list_container_stats_call(j->ch, &q, j->a, &s, NULL);
    if (r < 0) return r;
    printf("%-14s %-20s %8s %10s %10s\n", "ID", "NAME", "CPU", "MEMORY", "DISK");
    for (uint32_t i = 0; i < s->stats.len; i++) {
        const struct runtime_v1_container_stats *m = s->stats.ptr[i];
        double cpu = m->cpu ? (double)value(m->cpu->usage_nano_cores) / 1e7 : 0;
        double mem = m->memory ? (double)value(m->memory->working_set_bytes) / MEGABYTE : 0;
        double disk = m->writable_layer ? (double)value(m->writable_layer->used_bytes) / MEGABYTE : 0;
        struct sn_str name = m->attributes->metadata->name;
        printf("%-14.12s %-20.*s %7.2f%% %8.2fMB %8.2fMB\n", m->attributes->id.ptr, SN_STR_ARG(name), cpu, mem, disk);
    }
    return 0;
}

/* ---- tables ---- */

static const struct sn_conf_field run_fields[] = {
    SOCKET_FIELD,
    SN_CONF_STRING(struct run_opts, image_root, "image-root", .metavar = "FOLDER", .help = "The image store of the daemon."),
    SN_CONF_BOOL(struct run_opts, input, "interactive", .letter = 'i', .help = "Standard input goes to the program."),
    SN_CONF_BOOL(struct run_opts, tty, "tty", .letter = 't', .help = "The program gets a terminal."),
    SN_CONF_BOOL(struct run_opts, detach, "detach", .letter = 'd', .help = "Print the name and leave it running."),
    SN_CONF_BOOL(struct run_opts, rm, "rm", .help = "Remove everything when it has ended."),
    SN_CONF_STRING(struct run_opts, name, "name", .metavar = "NAME", .help = "Its name and host name."),
    SN_CONF_LIST(struct run_opts, ports, n_ports, "publish", SN_CONF_T_STRING, .letter = 'p', .metavar = "[IP:]HOST:CONTAINER",
                 .help = "A port of this machine leads to one of the container's."),
    SN_CONF_LIST(struct run_opts, volumes, n_volumes, "volume", SN_CONF_T_STRING, .letter = 'v', .metavar = "/HOST:/CONTAINER[:ro]",
                 .help = "A folder or file of this machine is seen inside."),
    SN_CONF_LIST(struct run_opts, env, n_env, "env", SN_CONF_T_STRING, .letter = 'e', .metavar = "NAME[=VALUE]",
                 .help = "A variable; without a value, ours."),
    SN_CONF_BYTES(struct run_opts, memory, "memory", .letter = 'm', .help = "Limit of memory."),
    SN_CONF_DOUBLE(struct run_opts, cpus, "cpus", .help = "Limit of processors, 0.5 for half of one."),
    SN_CONF_STRING(struct run_opts, network, "network", .metavar = "bridge|host", .help = "Its own network on a bridge, or this machine's."),
    SN_CONF_STRING(struct run_opts, workdir, "workdir", .letter = 'w', .metavar = "FOLDER", .help = "Where the program starts."),
    SN_CONF_STRING(struct run_opts, user, "user", .letter = 'u', .metavar = "USER", .help = "Who runs it, by name of the image's /etc/passwd."),
    SN_CONF_BOOL(struct run_opts, privileged, "privileged", .help = "All capabilities and devices, no seccomp."),
    SN_CONF_BOOL(struct run_opts, read_only, "read-only", .help = "The root filesystem cannot be written."),
};
static const struct sn_conf_table run_table = SN_CONF_TABLE(struct run_opts, run_fields);
static const struct sn_conf_field plain_fields[] = {SOCKET_FIELD};
static const struct sn_conf_table plain_table = SN_CONF_TABLE(struct run_opts, plain_fields);
static const struct sn_conf_field ps_fields[] = {SOCKET_FIELD, SN_CONF_BOOL(struct run_opts, all, "all", .letter = 'a', .help = "Also those that have ended.")};
static const struct sn_conf_table ps_table = SN_CONF_TABLE(struct run_opts, ps_fields);
static const struct sn_conf_field rm_fields[] = {SOCKET_FIELD, SN_CONF_BOOL(struct run_opts, all, "force", .letter = 'f', .help = "Also what runs.")};
static const struct sn_conf_table rm_table = SN_CONF_TABLE(struct run_opts, rm_fields);
static const struct sn_conf_field logs_fields[] = {SOCKET_FIELD, SN_CONF_BOOL(struct run_opts, follow, "follow", .letter = 'f', .help = "Until the container ends.")};
static const struct sn_conf_table logs_table = SN_CONF_TABLE(struct run_opts, logs_fields);
static const struct sn_conf_field exec_fields[] = {
    SOCKET_FIELD, SN_CONF_BOOL(struct run_opts, input, "interactive", .letter = 'i', .help = "Standard input goes to the program."),
    SN_CONF_BOOL(struct run_opts, tty, "tty", .letter = 't', .help = "The program gets a terminal.")};
static const struct sn_conf_table exec_table = SN_CONF_TABLE(struct run_opts, exec_fields);
static const struct sn_conf_field stop_fields[] = {
    SOCKET_FIELD, SN_CONF_DURATION(struct run_opts, time, "time", .letter = 't', .def = "10s", .help = "From the signal to SIGKILL.")};
static const struct sn_conf_table stop_table = SN_CONF_TABLE(struct run_opts, stop_fields);

static int run_run(const struct sn_cli_call *c) { return start_job(c, run_work); }
static int ps_run(const struct sn_cli_call *c) { return start_job(c, ps); }
static int logs_run(const struct sn_cli_call *c) { return start_job(c, logs); }
static int exec_run(const struct sn_cli_call *c) { return start_job(c, exec_in); }
static int stop_run(const struct sn_cli_call *c) { return start_job(c, stop); }
static int rm_run(const struct sn_cli_call *c) { return start_job(c, rm); }
static int stats_run(const struct sn_cli_call *c) { return start_job(c, stats); }

const struct sn_cli_command sn_cmd_run = {
    .name = "run", .brief = "Run a program in a container.", .usage = "IMAGE [COMMAND [ARGUMENT]...]",
    .about = "The image is pulled if it is missing. Without -d output is shown and the exit status is the program's.\n\n"
             "  sennit run --rm busybox echo hello\n"
             "  sennit run -it --rm -v /srv:/srv:ro busybox sh\n"
             "  sennit run -d --name web -p 127.0.0.1:8080:80 nginx",
    .table = &run_table, .args_min = 1, .args_max = 256, .args_own = 1, .run = run_run};
const struct sn_cli_command sn_cmd_ps = {.name = "ps", .brief = "List containers.", .table = &ps_table, .run = ps_run};
const struct sn_cli_command sn_cmd_logs = {.name = "logs", .brief = "Show what a container wrote.", .usage = "CONTAINER",
    .table = &logs_table, .args_min = 1, .args_max = 1, .run = logs_run};
const struct sn_cli_command sn_cmd_exec = {.name = "exec", .brief = "Run a program in a running container.",
    .usage = "CONTAINER COMMAND [ARGUMENT]...", .table = &exec_table, .args_min = 2, .args_max = 256, .args_own = 1, .run = exec_run};
const struct sn_cli_command sn_cmd_stop = {.name = "stop", .brief = "Stop containers.", .usage = "CONTAINER...", .table = &stop_table,
    .args_min = 1, .args_max = 256, .run = stop_run};
const struct sn_cli_command sn_cmd_rm = {.name = "rm", .brief = "Remove containers and their pods.", .usage = "CONTAINER...",
    .table = &rm_table, .args_min = 1, .args_max = 256, .run = rm_run};
const struct sn_cli_command sn_cmd_stats = {.name = "stats", .brief = "Show what containers use.", .table = &plain_table, .run = stats_run};
