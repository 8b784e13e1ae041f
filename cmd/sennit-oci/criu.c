/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-oci/criu.c - checkpoint and restore. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clusters/oci/checkpoint.h"
#include "cmd.h"

#define DEFAULT_IMAGES "checkpoint" /* in the working directory */

struct criu_args {
    struct sn_oci_criu_opts o;
    const char *mode, *server;
    struct opt_list empty_ns;
    unsigned status_fd;
};
#define CRIU_OPTS(k)                                                                           \
    {"image-path", 0, OPT_STR, &(k).o.images, "folder of the images (default: checkpoint)"},   \
        {"work-path", 0, OPT_STR, &(k).o.work, "folder of logs (default: the images')"},       \
        {"tcp-established", 0, OPT_FLAG, &(k).o.tcp_established, "carry TCP connections over"}, \
        {"ext-unix-sk", 0, OPT_FLAG, &(k).o.ext_unix_sk, "allow sockets with an end outside"}, \
        {"shell-job", 0, OPT_FLAG, &(k).o.shell_job, "allow a terminal of the caller's"},      \
        {"file-locks", 0, OPT_FLAG, &(k).o.file_locks, "carry file locks over"},               \
        {"lazy-pages", 0, OPT_FLAG, &(k).o.lazy_pages, "fetch memory when it is touched"},     \
        {"auto-dedup", 0, OPT_FLAG, &(k).o.auto_dedup, "drop duplicates from the images"},     \
        {"manage-cgroups-mode", 0, OPT_STR, &(k).mode, "soft, full, strict or ignore"},        \
    {                                                                                          \
        "empty-ns", 0, OPT_LIST, &(k).empty_ns,                                                \
            "network: the namespace's contents are not restored (they never are)"              \
    }

static int criu_mode(const char *mode, enum sn_oci_criu_cgroups *ret)
{
    static const char *const names[] = {"", "soft", "full", "strict", "ignore"};
    for (size_t i = 0; i < SN_COUNT_OF(names); i++)
        if (strcmp(mode ? mode : "", names[i]) == 0) {
            *ret = (enum sn_oci_criu_cgroups)i;
            return 0;
        }
    return sn_fail(SN_E_INVALID_ARGUMENT,
                   "invalid manage-cgroups-mode value \"%.32s\": soft, full, strict or ignore",
                   mode);
}

static int page_server(struct app *app, struct criu_args *k)
{
    uint64_t port;
    const char *colon = strrchr(k->server, ':');
    if (!colon || colon == k->server || !colon[1])
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "Use --page-server ADDRESS:PORT to specify page server");
    if (sn_str_to_u64(sn_str(colon + 1), &port) < 0 || port == 0 || port > UINT16_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "Invalid port number \"%.16s\"", colon + 1);
    struct sn_str host = sn_str_of(k->server, (size_t)(colon - k->server));
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = sn_str_sub(host, 1, host.len - 1);
    host = sn_arena_str(&app->arena, host);
    k->o.page_server = host.ptr;
    k->o.page_server_port = (uint16_t)port;
    return host.ptr ? 0 : SN_E_NOMEM;
}

static int finish_opts(struct app *app, struct criu_args *k)
{
    int e = criu_mode(k->mode, &k->o.cgroups);
    k->o.criu = app->criu;
    if (!k->o.images || !k->o.images[0]) k->o.images = DEFAULT_IMAGES;
    for (size_t i = 0; i < k->empty_ns.n && e == 0; i++)
        if (strcmp(k->empty_ns.v[i], "network") != 0)
            e = sn_fail(SN_E_INVALID_ARGUMENT, "namespace \"%.32s\" is not supported",
                        k->empty_ns.v[i]);
    if (e == 0 && k->server) e = page_server(app, k);
    if (geteuid() != 0) app_warn(app, "checkpoint and restore are untested with rootless containers");
    return e;
}

/* Checked where it is a descriptor at all: criu works for a while before it would be written to. */
static int check_status_fd(const struct criu_args *k)
{
    if (k->status_fd == 0) return 0;
    int flags = fcntl((int)k->status_fd, F_GETFL);
    if (flags < 0) return sn_fail_errno(errno, "invalid --status-fd argument %u", k->status_fd);
    if ((flags & O_ACCMODE) == O_RDONLY)
        return sn_fail(SN_E_INVALID_ARGUMENT, "invalid --status-fd argument %u: not writable",
                       k->status_fd);
    return 0;
}

static int check_parent(struct app *app, const struct criu_args *k)
{
    struct stat st;
    if (!k->o.parent || !k->o.parent[0] || k->o.parent[0] == '/') return 0;
    struct sn_str at = sn_arena_printf(&app->arena, "%s/%s", k->o.images, k->o.parent);
    if (!at.ptr) return SN_E_NOMEM;
    if (stat(at.ptr, &st) < 0) return sn_fail_errno(errno, "invalid --parent-path: %s", at.ptr);
    if (!S_ISDIR(st.st_mode))
        return sn_fail(SN_E_INVALID_ARGUMENT, "invalid --parent-path: %s: not a directory", at.ptr);
    return 0;
}

int cmd_checkpoint(struct app *app, int argc, char **argv)
{
    struct criu_args k = {0};
    const struct opt opts[] = {
        CRIU_OPTS(k),
        {"parent-path", 0, OPT_STR, &k.o.parent, "folder of a pre-dump, relative to the images'"},
        {"leave-running", 0, OPT_FLAG, &k.o.leave_running, "the container goes on"},
        {"tcp-skip-in-flight", 0, OPT_FLAG, &k.o.tcp_skip_in_flight,
         "drop connections that are being made"},
        {"link-remap", 0, OPT_FLAG, &k.o.link_remap, "give files without a name one for the time"},
        {"status-fd", 0, OPT_UINT, &k.status_fd, "gets a zero byte when lazy-pages listens"},
        {"page-server", 0, OPT_STR, &k.server, "ADDRESS:PORT that gets the memory"},
        {"pre-dump", 0, OPT_FLAG, &k.o.pre_dump, "memory only, the container goes on"},
        {NULL, 0, OPT_FLAG, NULL, NULL}};
    if (help("checkpoint", opts, argc, argv)) return 0;
    argc--, argv++;
    int e = opts_parse(opts, true, &argc, &argv);
    if (e < 0) return e;
    if (argc != 1) return usage("checkpoint");
    struct sn_oci_container *c;
    if ((e = open_container(app, argv[0], &c)) < 0) return e;
    e = finish_opts(app, &k);
    if (e == 0) e = check_status_fd(&k);
    if (e == 0 && mkdir(k.o.images, 0700) < 0 && errno != EEXIST)
        e = sn_fail_errno(errno, "image path %s", k.o.images);
    if (e == 0) e = check_parent(app, &k);
    k.o.status_fd = (int)k.status_fd;
    if (e == 0) e = sn_oci_checkpoint(c, &k.o);
    if (e == 0 && !k.o.leave_running && !k.o.pre_dump) {
        /* As runc: what was checkpointed is gone. */
        int d = sn_oci_delete(c, true);
        if (d < 0) app_warn(app, sn_diag_str(d));
    }
    sn_oci_close(c);
    return e;
}

int cmd_restore(struct app *app, int argc, char **argv)
{
    struct criu_args k = {0};
    struct sn_oci_create_opts o = {0};
    bool no_subreaper = false, keep = false;
    const struct opt opts[] = {
        CRIU_OPTS(k),
        {"bundle", 'b', OPT_STR, &o.bundle, "folder of config.json (default: working directory)"},
        {"detach", 'd', OPT_FLAG, &o.detach, "do not wait for its end"},
        {"pid-file", 0, OPT_STR, &o.pid_file, "file that gets the process id"},
        {"pidfd-socket", 0, OPT_STR, &o.pidfd_socket, "AF_UNIX socket that gets a pidfd"},
        {"console-socket", 0, OPT_STR, &o.console_socket,
         "AF_UNIX socket that gets the terminal's master end"},
        {"no-subreaper", 0, OPT_FLAG, &no_subreaper, "leave orphans to the system"},
        {"no-pivot", 0, OPT_FLAG, &o.no_pivot, "accepted: criu makes the root"},
        {"keep", 0, OPT_FLAG, &keep, "do not delete it afterwards"},
        {"lsm-profile", 0, OPT_STR, &k.o.lsm_profile, "TYPE:NAME of another profile"},
        {"lsm-mount-context", 0, OPT_STR, &k.o.lsm_mount_context, "another label of mounts"},
        {NULL, 0, OPT_FLAG, NULL, NULL}};
    if (help("restore", opts, argc, argv)) return 0;
    argc--, argv++;
    int e = opts_parse(opts, true, &argc, &argv);
    if (e < 0) return e;
    if (argc != 1) return usage("restore");
    if ((e = finish_opts(app, &k)) < 0) return e;
    o.id = argv[0];
    int master = -1;
    if (!o.detach && !o.console_socket) o.ret_console = &master;
    if (!o.detach && !no_subreaper) prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    if (!o.detach) foreground_prepare();
    struct sn_oci_container *c;
    if ((e = sn_oci_restore(&app->host, &o, &k.o, &c)) < 0) return e;
    if (!o.detach) e = stay(app, c, 0, master, keep);
    if (master >= 0) close(master);
    sn_oci_close(c);
    return e;
}
