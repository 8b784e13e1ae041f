/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/run.c - sennit run: a pod with one container, and this terminal with it. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "core/str.h"
#include "fiber/os.h"
#include "sennit/run_int.h"

#define STOP_S 10          /* from Ctrl-C to SIGKILL */
#define NAME_MAX_BYTES 63u /* it is a host name, too */

/* ---- in the foreground ---- */

static int attach(struct run_job *j, struct sn_str id, struct run_stream *s)
{
    struct runtime_v1_attach_request q = {.container_id = id,
                                          .stdin_ = j->o->input,
                                          .tty = j->o->tty,
                                          .stdout_ = j->o->tty};
    struct runtime_v1_attach_response *a;
    int r = runtime_v1_runtime_service_attach_call(j->ch, &q, j->a, &a, NULL);
    return r < 0 ? r : run_stream(j, a->url, s);
}

struct attaching {
    struct run_job *j;
    struct sn_str id;
    struct run_stream s;
};
static int attach_fiber(void *arg)
{
    struct attaching *at = arg;
    int r = attach(at->j, at->id, &at->s);
    return r == SN_E_FAILED_PRECONDITION ? 0 : r; /* it has ended already: the log has everything */
}

static int stop_at_once(void *arg)
{
    static const int wanted[] = {SIGINT, SIGTERM, 0};
    struct attaching *at = arg;
    struct runtime_v1_stop_container_request q = {.container_id = at->id};
    struct runtime_v1_stop_container_response *r;
    if (sn_signal_wait(wanted) > 0)
        (void)!runtime_v1_runtime_service_stop_container_call(at->j->ch, &q, at->j->a, &r, NULL);
    return 0;
}

/* Ctrl-C stops it as `sennit stop` does; a second one does not wait. */
static int stop_on_signal(void *arg)
{
    static const int wanted[] = {SIGINT, SIGTERM, 0};
    struct attaching *at = arg;
    struct runtime_v1_stop_container_request q = {.container_id = at->id, .timeout = STOP_S};
    struct runtime_v1_stop_container_response *r;
    struct sn_scope_storage mem;
    if (sn_signal_wait(wanted) <= 0) return 0;
    struct sn_scope *sc = sn_scope_begin(&mem);
    (void)!sn_scope_go(sc, "stop at once", stop_at_once, at);
    (void)!runtime_v1_runtime_service_stop_container_call(at->j->ch, &q, at->j->a, &r, NULL);
    sn_scope_cancel(sc);
    return sn_scope_end(sc);
}

static void say_oom(struct run_job *j)
{
    fprintf(stderr, "sennit run: out of memory: killed");
    if (j->o->memory)
        fprintf(stderr, " at its limit of %.0f MB; -m sets it", (double)j->o->memory / 1e6);
    fputc('\n', stderr);
}

/* In the foreground: output comes from the log, which misses nothing; a terminal's from the
 * attached stream. */
static int foreground(struct run_job *j, struct sn_str id, struct sn_str log)
{
    struct sn_scope_storage mem;
    struct attaching at = {j, id, {.tty = j->o->tty, .in = j->o->input}};
    struct run_follower f = {j, log, id, true};
    struct runtime_v1_container_status *st;
    struct sn_scope *sc = sn_scope_begin(&mem);
    int r = j->o->tty ? 0 : sn_scope_go(sc, "stop", stop_on_signal, &at);
    if (r >= 0 && (j->o->tty || j->o->input)) r = sn_scope_go(sc, "attached", attach_fiber, &at);
    if (r >= 0 && j->o->tty) {
        do r = run_status(j, id, &st);
        while (r >= 0 && st->state != RUNTIME_V1_CONTAINER_STATE_CONTAINER_EXITED &&
               (r = sn_sleep(RUN_LOOK_NS)) >= 0);
        if (r >= 0) r = sn_sleep(RUN_LOOK_NS);
    } else if (r >= 0) {
        r = run_print_logs(&f);
    }
    sn_scope_cancel(sc);
    (void)sn_scope_end(sc);
    if (r >= 0) r = run_status(j, id, &st);
    if (r < 0) return r;
    if (sn_str_eqc(st->reason, "OOMKilled")) say_oom(j);
    return st->exit_code;
}

/* ---- run ---- */

static int check_name(struct run_job *j, struct sn_str name)
{
    struct runtime_v1_list_containers_response *all;
    bool fits = name.len > 0 && name.len <= NAME_MAX_BYTES;
    for (size_t i = 0; i < name.len && fits; i++) {
        char c = name.ptr[i], low = sn_ascii_lower(c);
        fits = (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') ||
               (i && (c == '-' || c == '_' || c == '.'));
    }
    if (!fits)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "--name \"%.*s\": expected 1 to %u letters, digits, and - _ . after the first",
                       SN_STR_ARG(name), NAME_MAX_BYTES);
    int r = run_list(j, &all);
    for (uint32_t i = 0; r >= 0 && i < all->containers.len; i++)
        if (sn_str_eq(run_name(all->containers.ptr[i]), name))
            return sn_fail(SN_E_ALREADY_EXISTS, "there is a container \"%.*s\" already; `sennit rm%s "
                           "%.*s` removes it", SN_STR_ARG(name),
                           all->containers.ptr[i]->state == RUNTIME_V1_CONTAINER_STATE_CONTAINER_RUNNING
                               ? " -f" : "", SN_STR_ARG(name));
    return r;
}

struct running {
    struct sn_str name, pod, ctr, log;
};

static int bring_up(struct run_job *j, struct running *ru)
{
    struct runtime_v1_run_pod_sandbox_request pq = {
        .config = SN_ARENA_NEW(j->a, struct runtime_v1_pod_sandbox_config)};
    struct runtime_v1_create_container_request cq = {
        .config = SN_ARENA_NEW(j->a, struct runtime_v1_container_config)};
    struct runtime_v1_run_pod_sandbox_response *pod;
    struct runtime_v1_create_container_response *ctr;
    struct runtime_v1_start_container_response *started;
    if (!pq.config || !cq.config) return SN_E_NOMEM;
    int r = run_build_pod(j, ru->name, pq.config);
    if (r >= 0) r = run_build_ctr(j, ru->name, cq.config);
    if (r >= 0) r = check_name(j, ru->name);
    if (r >= 0) r = run_image(j, j->call->args[0], &cq.config->image->image);
    if (r >= 0) r = sn_mkdirs(RUN_LOG_DIR, 0755);
    if (r >= 0) r = runtime_v1_runtime_service_run_pod_sandbox_call(j->ch, &pq, j->a, &pod, NULL);
    if (r < 0) return r;
    ru->pod = cq.pod_sandbox_id = pod->pod_sandbox_id;
    ru->log = sn_arena_printf(j->a, "%s/%.*s", RUN_LOG_DIR, SN_STR_ARG(cq.config->log_path));
    (void)unlink(ru->log.ptr);
    cq.sandbox_config = pq.config;
    r = runtime_v1_runtime_service_create_container_call(j->ch, &cq, j->a, &ctr, NULL);
    if (r < 0) return r;
    ru->ctr = ctr->container_id;
    struct runtime_v1_start_container_request sq = {.container_id = ru->ctr};
    return runtime_v1_runtime_service_start_container_call(j->ch, &sq, j->a, &started, NULL);
}

static int run_work(struct run_job *j)
{
    struct running ru = {
        .name = j->o->name.len ? j->o->name
                               : sn_arena_printf(j->a, "run-%08x", (unsigned)sn_random())};
    int r = bring_up(j, &ru);
    bool started = r >= 0;
    if (started && j->o->detach) {
        printf("%.*s\n", SN_STR_ARG(ru.name));
        return 0;
    }
    if (started) r = foreground(j, ru.ctr, ru.log);
    if (ru.pod.len && (!started || r < 0 || j->o->rm)) {
        struct sn_diag keep = *sn_diag();
        (void)!run_remove_pod(j, ru.pod);
        (void)unlink(ru.log.ptr);
        *sn_diag() = keep;
    }
    if (!started && ru.ctr.len && (r == SN_E_NOT_FOUND || r == SN_E_PERMISSION_DENIED)) {
        fprintf(stderr, "sennit run: %s\n", sn_diag_str(r));
        return r == SN_E_NOT_FOUND ? RUN_EXIT_NOT_FOUND : RUN_EXIT_CANNOT_RUN;
    }
    return r;
}

/* ---- table ---- */

static const struct sn_conf_field run_fields[] = {
    RUN_SOCKET_FIELD,
    SN_CONF_STRING(struct run_opts, image_root, "image-root", .metavar = "FOLDER",
                   .help = "The image store of the daemon."),
    SN_CONF_STRING(struct run_opts, certs, "registry-config", .metavar = "FOLDER",
                   .help = "HOST/hosts.toml: mirrors and certificates of registries; default "
                           "/etc/containerd/certs.d."),
    SN_CONF_BOOL(struct run_opts, plain_http, "plain-http",
                 .help = "Pull by http, also from hosts that are not loopback."),
    SN_CONF_BOOL(struct run_opts, input, "interactive", .letter = 'i',
                 .help = "Standard input goes to the program."),
    SN_CONF_BOOL(struct run_opts, tty, "tty", .letter = 't',
                 .help = "The program gets a terminal."),
    SN_CONF_BOOL(struct run_opts, detach, "detach", .letter = 'd',
                 .help = "Print the name and leave it running."),
    SN_CONF_BOOL(struct run_opts, rm, "rm", .help = "Remove everything when it has ended."),
    SN_CONF_STRING(struct run_opts, name, "name", .metavar = "NAME",
                   .help = "Its name and host name."),
    SN_CONF_LIST(struct run_opts, ports, n_ports, "publish", SN_CONF_T_STRING, .letter = 'p',
                 .metavar = "[IP:]HOST:CONTAINER",
                 .help = "A port of this machine leads to one of the container's."),
    SN_CONF_LIST(struct run_opts, volumes, n_volumes, "volume", SN_CONF_T_STRING, .letter = 'v',
                 .metavar = "/HOST:/CONTAINER[:ro]",
                 .help = "A folder or file of this machine is seen inside."),
    SN_CONF_LIST(struct run_opts, env, n_env, "env", SN_CONF_T_STRING, .letter = 'e',
                 .metavar = "NAME[=VALUE]", .help = "A variable; without a value, ours."),
    SN_CONF_BYTES(struct run_opts, memory, "memory", .letter = 'm', .help = "Limit of memory."),
    SN_CONF_DOUBLE(struct run_opts, cpus, "cpus",
                   .help = "Limit of processors, 0.5 for half of one."),
    SN_CONF_STRING(struct run_opts, network, "network", .metavar = "bridge|host",
                   .help = "Its own network on a bridge, or this machine's."),
    SN_CONF_STRING(struct run_opts, workdir, "workdir", .letter = 'w', .metavar = "FOLDER",
                   .help = "Where the program starts."),
    SN_CONF_STRING(struct run_opts, user, "user", .letter = 'u', .metavar = "USER",
                   .help = "Who runs it, by name of the image's /etc/passwd."),
    SN_CONF_BOOL(struct run_opts, privileged, "privileged",
                 .help = "All capabilities and devices, no seccomp."),
    SN_CONF_BOOL(struct run_opts, read_only, "read-only",
                 .help = "The root filesystem cannot be written."),
};
static const struct sn_conf_table run_table = SN_CONF_TABLE(struct run_opts, run_fields);
static int run_run(const struct sn_cli_call *c) { return run_job(c, run_work, true); }

const struct sn_cli_command sn_cmd_run = {
    .name = "run",
    .brief = "Run a program in a container.",
    .usage = "IMAGE [COMMAND [ARGUMENT]...]",
    .about = "The image is pulled if it is missing; a path that begins with / or . is an OCI layout or "
             "an archive, and `host` is\n"
             "this machine's own root, which what runs sees and does not change. Without -d output "
             "is shown and the exit\n"
             "status is the program's; 126 and 127: it could not be run.\n\n"
             "  sennit run --rm busybox echo hello\n"
             "  sennit run -it --rm -v /srv:/srv:ro busybox sh\n"
             "  sennit run -d --name web -p 127.0.0.1:8080:80 nginx",
    .table = &run_table,
    .args_min = 1,
    .args_max = 256,
    .args_own = 1,
    .run = run_run};
