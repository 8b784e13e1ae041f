/* SPDX-License-Identifier: Apache-2.0 */
/* sennit cri - the container runtime that a kubelet, or crictl, talks to. */
#include "clusters/cri/cri.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "fiber/os.h"
#include "kit/log.h"
#include "sennit/commands.h"

SN_LOG_MODULE("cri");

struct cri_cli {
    struct sn_str listen, run_dir, state_dir, image_root, certs, keeper, cgroup_root, seccomp_dir;
    struct sn_str cni_conf, cni_bin, cni_state, subnet, bridge, stream, runtime, debug;
    uint64_t workers, netns;
    int64_t cni_timeout;
    bool insecure;
};
static const struct sn_conf_field fields[] = {
    SN_CONF_STRING(struct cri_cli, listen, "listen", .def = SN_CRI_SOCKET_DEFAULT,
                   .metavar = "PATH",
                   .help = "The Unix socket to serve on; only root may connect."),
    SN_CONF_STRING(struct cri_cli, run_dir, "run-dir", .def = SN_CRI_RUN_DEFAULT,
                   .metavar = "FOLDER",
                   .help = "Sockets, bundles and files of pods: what a reboot may forget."),
    SN_CONF_STRING(struct cri_cli, state_dir, "state-dir", .def = SN_CRI_STATE_DEFAULT,
                   .metavar = "FOLDER", .help = "What is known of pods and containers."),
    SN_CONF_STRING(struct cri_cli, image_root, "image-root", .metavar = "FOLDER",
                   .help = "The image store; default as `sennit pull`."),
    SN_CONF_STRING(struct cri_cli, certs, "registry-config", .metavar = "FOLDER",
                   .help = "HOST/hosts.toml: mirrors and certificates of registries; default "
                           "/etc/containerd/certs.d."),
    SN_CONF_STRING(struct cri_cli, keeper, "keeper", .metavar = "PROGRAM",
                   .help = "sennit-keeper, if it is not beside this program."),
    SN_CONF_STRING(struct cri_cli, cgroup_root, "cgroup-root", .def = "/sennit", .metavar = "PATH",
                   .help = "Control group for pods that name no parent."),
    SN_CONF_STRING(struct cri_cli, seccomp_dir, "seccomp-dir", .def = "/var/lib/kubelet/seccomp",
                   .metavar = "FOLDER",
                   .help = "Localhost seccomp profiles with relative names are looked for there."),
    SN_CONF_STRING(
        struct cri_cli, cni_conf, "cni-conf-dir", .def = "/etc/cni/net.d", .metavar = "FOLDER",
        .help = "Network configurations; the first by name counts, without one there is a bridge."),
    SN_CONF_STRING(struct cri_cli, cni_bin, "cni-bin-dirs", .def = "/opt/cni/bin:/usr/lib/cni",
                   .metavar = "FOLDERS", .help = "Network plugins that are not built in."),
    SN_CONF_STRING(struct cri_cli, cni_state, "cni-state-dir", .def = "/var/lib/cni",
                   .metavar = "FOLDER",
                   .help = "Addresses given out and results of network plugins."),
    SN_CONF_DURATION(struct cri_cli, cni_timeout, "cni-timeout", .def = "1m",
                     .help = "A network plugin that takes longer is killed."),
    SN_CONF_STRING(struct cri_cli, subnet, "pod-subnet", .def = "10.88.0.0/16", .metavar = "PREFIX",
                   .help = "Addresses of pods where no network is configured."),
    SN_CONF_STRING(struct cri_cli, bridge, "bridge", .def = "sennit0", .metavar = "NAME",
                   .help = "The bridge of that network."),
    SN_CONF_STRING(struct cri_cli, stream, "stream", .def = "127.0.0.1:0", .metavar = "ADDRESS",
                   .help = "Where exec, attach and port-forward are served."),
    SN_CONF_STRING(struct cri_cli, runtime, "runtime", .metavar = "NAME=PROGRAM,...",
                   .help = "Further runtime handlers: programs with runc's command line. NAME may "
                           "be empty: the default one."),
    SN_CONF_UINT(struct cri_cli, netns, "netns-ready", .def = "8", .max = 64,
                 .help = "Network namespaces made ahead of need."),
    SN_CONF_BOOL(struct cri_cli, insecure, "insecure-registry",
                 .help = "Plain http also to registries beyond loopback."),
    SN_CONF_STRING(struct cri_cli, debug, "debug", .metavar = "ADDRESS",
                   .help = "Serve /metrics, /healthz and /debug/pprof/ there."),
    SN_CONF_UINT(struct cri_cli, workers, "workers", .letter = 'w', .max = 1024,
                 .help = "Threads; 0 = one per processor this process may run on."),
};
static const struct sn_conf_table table = SN_CONF_TABLE(struct cri_cli, fields);

struct cri_job {
    const struct sn_cli_call *call;
    struct sn_cri *cri;
    char addr[256];
};

static const char *text(const struct sn_cli_call *call, struct sn_str s)
{
    return s.len ? sn_arena_str(call->arena, s).ptr : NULL;
}

static int serve(void *arg)
{
    struct cri_job *j = arg;
    int r = sn_cri_serve(j->cri, j->addr);
    return r == SN_E_CANCELLED ? 0 : r;
}

static int read_handlers(const struct sn_cli_call *call, struct sn_str spec,
                         struct sn_cri_handler *h, unsigned *ret_n)
{
    unsigned n = 0;
    while (spec.ptr && spec.len) {
        struct sn_str one = sn_str_cut(&spec, ',');
        ssize_t eq = sn_str_chr(one, '=');
        if (eq < 0 || (size_t)eq + 1 == one.len)
            return sn_fail(SN_E_INVALID_ARGUMENT, "--runtime: \"%.*s\": expected NAME=PROGRAM",
                           SN_STR_ARG(one));
        if (n == SN_CRI_HANDLERS_MAX - 1)
            return sn_fail(SN_E_INVALID_ARGUMENT, "--runtime: at most %u", SN_CRI_HANDLERS_MAX - 1);
        h[n].name = sn_arena_str(call->arena, sn_str_sub(one, 0, (size_t)eq)).ptr;
        h[n++].program = text(call, sn_str_from(one, (size_t)eq + 1));
    }
    *ret_n = n;
    return 0;
}

static int run_main(void *arg)
{
    struct cri_job *j = arg;
    const struct cri_cli *o = j->call->opts;
    struct sn_cri_handler handlers[SN_CRI_HANDLERS_MAX];
    struct sn_cri_opts co = {.run_dir = text(j->call, o->run_dir),
                             .state_dir = text(j->call, o->state_dir),
                             .image_root = text(j->call, o->image_root),
                             .certs_dir = text(j->call, o->certs),
                             .keeper = text(j->call, o->keeper),
                             .cgroup_root = text(j->call, o->cgroup_root),
                             .seccomp_dir = text(j->call, o->seccomp_dir),
                             .cni_conf_dir = text(j->call, o->cni_conf),
                             .cni_bin_dirs = text(j->call, o->cni_bin),
                             .cni_state_dir = text(j->call, o->cni_state),
                             .cni_plugin_ns_max = o->cni_timeout,
                             .pod_subnet = text(j->call, o->subnet),
                             .bridge = text(j->call, o->bridge),
                             .stream_addr = text(j->call, o->stream),
                             .netns_ready = (unsigned)o->netns,
                             .insecure_registry = o->insecure,
                             .handlers = handlers};
    int r = read_handlers(j->call, o->runtime, handlers, &co.n_handlers);
    if (r >= 0 && o->debug.len) r = sn_cmd_debug(text(j->call, o->debug));
    if (r >= 0) r = sn_cri_open(&co, &j->cri);
    if (r < 0) return r;
    snprintf(j->addr, sizeof j->addr, "unix:%.*s", SN_STR_ARG(o->listen));
    struct sn_scope_storage mem;
    struct sn_scope *sc = sn_scope_begin(&mem);
    r = sn_scope_go(sc, "cri server", serve, j);
    if (r >= 0) {
        fprintf(stderr, "sennit cri: serving CRI v1 on %.*s\n", SN_STR_ARG(o->listen));
        static const int stop[] = {SIGTERM, SIGINT, 0};
        int sig = sn_signal_wait(stop);
        if (sig > 0) SN_LOG_INFO("stopping; pods run on", SN_L("signal", sig));
        sn_scope_cancel(sc);
    }
    int end = sn_scope_end(sc);
    sn_cri_close(j->cri);
    return r < 0 ? r : end;
}

static int run(const struct sn_cli_call *call)
{
    const struct cri_cli *o = call->opts;
    struct cri_job j = {.call = call};
    sn_cmd_raise_files();
    return sn_rt_run(&(struct sn_rt_opts){.workers = (unsigned)o->workers,
                                          .stack_bytes = 128u << 10},
                     run_main, &j);
}

const struct sn_cli_command sn_cmd_cri = {
    .name = "cri",
    .brief = "The container runtime of a Kubernetes node (CRI v1).",
    .about = "Pods, containers and images for a kubelet or crictl:\n\n"
             "  sennit cri &\n"
             "  crictl -r unix:///run/sennit/cri.sock info\n\n"
             "Pods outlive the daemon: it may be stopped, killed and started again at any time.",
    .table = &table,
    .run = run,
};
