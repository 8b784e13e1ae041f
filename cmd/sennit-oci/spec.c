/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-oci/spec.c - spec: a configuration to start from; features: what this runtime can. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "core/buf.h"

/* ---- spec --------------------------------------------------------------------------------------
 */

static void strings(struct sn_jsonw *w, const char *key, const char *const *list)
{
    sn_jsonw_key(w, sn_str(key));
    sn_jsonw_array(w);
    for (; *list; list++) sn_jsonw_str(w, sn_str(*list));
    sn_jsonw_array_end(w);
}

static void process(struct sn_jsonw *w)
{
    static const char *const args[] = {"sh", NULL};
    static const char *const env[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm", NULL};
    static const char *const caps[] = {"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE", NULL};
    sn_jsonw_key(w, SN_STR("process"));
    sn_jsonw_object(w);
    sn_jsonw_kbool(w, "terminal", true);
    sn_jsonw_key(w, SN_STR("user"));
    sn_jsonw_object(w);
    sn_jsonw_ki64(w, "uid", 0);
    sn_jsonw_ki64(w, "gid", 0);
    sn_jsonw_object_end(w);
    strings(w, "args", args);
    strings(w, "env", env);
    sn_jsonw_kstr(w, "cwd", SN_STR("/"));
    sn_jsonw_key(w, SN_STR("capabilities"));
    sn_jsonw_object(w);
    strings(w, "bounding", caps);
    strings(w, "effective", caps);
    strings(w, "permitted", caps);
    sn_jsonw_object_end(w);
    sn_jsonw_key(w, SN_STR("rlimits"));
    sn_jsonw_array(w);
    sn_jsonw_object(w);
    sn_jsonw_kstr(w, "type", SN_STR("RLIMIT_NOFILE"));
    sn_jsonw_ki64(w, "hard", 1024);
    sn_jsonw_ki64(w, "soft", 1024);
    sn_jsonw_object_end(w);
    sn_jsonw_array_end(w);
    sn_jsonw_kbool(w, "noNewPrivileges", true);
    sn_jsonw_object_end(w);
}

static void mounts(struct sn_jsonw *w, bool rootless)
{
    static const struct {
        const char *destination, *type, *source, *options[8];
    } all[] = {
        {"/proc", "proc", "proc", {NULL}},
        {"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
        {"/dev/pts",
         "devpts",
         "devpts",
         {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
        {"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
        {"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}},
        {"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}},
        {"/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}},
    };
    sn_jsonw_key(w, SN_STR("mounts"));
    sn_jsonw_array(w);
    for (size_t i = 0; i < SN_COUNT_OF(all); i++) {
        bool sys = rootless && strcmp(all[i].type, "sysfs") == 0;
        if (rootless && strcmp(all[i].type, "cgroup") == 0) continue;
        sn_jsonw_object(w);
        sn_jsonw_kstr(w, "destination", sn_str(all[i].destination));
        sn_jsonw_kstr(w, "type", sn_str(sys ? "none" : all[i].type));
        sn_jsonw_kstr(w, "source", sn_str(sys ? "/sys" : all[i].source));
        if (all[i].options[0]) {
            sn_jsonw_key(w, SN_STR("options"));
            sn_jsonw_array(w);
            if (sys) sn_jsonw_str(w, SN_STR("rbind"));
            for (size_t k = 0; all[i].options[k]; k++)
                if (!rootless || strcmp(all[i].options[k], "gid=5") != 0)
                    sn_jsonw_str(w, sn_str(all[i].options[k]));
            sn_jsonw_array_end(w);
        }
        sn_jsonw_object_end(w);
    }
    sn_jsonw_array_end(w);
}

static void mapping(struct sn_jsonw *w, const char *key, uint32_t host)
{
    sn_jsonw_key(w, sn_str(key));
    sn_jsonw_array(w);
    sn_jsonw_object(w);
    sn_jsonw_ki64(w, "containerID", 0);
    sn_jsonw_ku64(w, "hostID", host);
    sn_jsonw_ki64(w, "size", 1);
    sn_jsonw_object_end(w);
    sn_jsonw_array_end(w);
}

static void linux_part(struct sn_jsonw *w, bool rootless)
{
    static const char *const masked[] = {"/proc/acpi",
                                         "/proc/asound",
                                         "/proc/kcore",
                                         "/proc/keys",
                                         "/proc/latency_stats",
                                         "/proc/timer_list",
                                         "/proc/timer_stats",
                                         "/proc/sched_debug",
                                         "/sys/firmware",
                                         "/proc/scsi",
                                         NULL};
    static const char *const readonly[] = {"/proc/bus",           "/proc/fs",
                                           "/proc/irq",           "/proc/sys",
                                           "/proc/sysrq-trigger", NULL};
    static const char *const ns[] = {"pid", "network", "ipc", "uts", "mount", "cgroup", NULL};
    sn_jsonw_key(w, SN_STR("linux"));
    sn_jsonw_object(w);
    if (rootless) {
        mapping(w, "uidMappings", geteuid());
        mapping(w, "gidMappings", getegid());
    } else {
        sn_jsonw_key(w, SN_STR("resources"));
        sn_jsonw_raw(w, SN_STR("{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]}"));
    }
    sn_jsonw_key(w, SN_STR("namespaces"));
    sn_jsonw_array(w);
    for (size_t i = 0; ns[i]; i++) {
        if (rootless && strcmp(ns[i], "network") == 0) continue;
        sn_jsonw_object(w);
        sn_jsonw_kstr(w, "type", sn_str(ns[i]));
        sn_jsonw_object_end(w);
    }
    if (rootless) {
        sn_jsonw_object(w);
        sn_jsonw_kstr(w, "type", SN_STR("user"));
        sn_jsonw_object_end(w);
    }
    sn_jsonw_array_end(w);
    strings(w, "maskedPaths", masked);
    strings(w, "readonlyPaths", readonly);
    sn_jsonw_object_end(w);
}

static int write_new(const char *path, struct sn_str text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST)
        return sn_fail(SN_E_ALREADY_EXISTS, "file %s exists. Remove it first", path);
    if (fd < 0) return sn_fail_errno(errno, "create %s", path);
    while (text.len) {
        ssize_t n = write(fd, text.ptr, text.len);
        if (n < 0 && errno != EINTR) break;
        if (n > 0) text = sn_str_from(text, (size_t)n);
    }
    int e = text.len ? sn_fail_errno(errno, "write %s", path) : 0;
    close(fd);
    return e;
}

int cmd_spec(struct app *app, int argc, char **argv)
{
    const char *bundle = NULL, *file = "config.json";
    bool rootless = false;
    const struct opt opts[] = {{"bundle", 'b', OPT_STR, &bundle, "folder of the new config.json"},
                               {"config", 'f', OPT_STR, &file, "another name than config.json"},
                               {"rootless", 0, OPT_FLAG, &rootless, "for a user without privilege"},
                               {NULL, 0, OPT_FLAG, NULL, NULL}};
    if (help("spec", opts, argc, argv)) return 0;
    argc--, argv++;
    int e = opts_parse(opts, false, &argc, &argv);
    if (e < 0) return e;
    if (argc) return usage("spec");
    if (bundle && chdir(bundle) < 0) return sn_fail_errno(errno, "chdir %s", bundle);
    struct sn_buf b = {0};
    struct sn_jsonw w;
    sn_jsonw_init(&w, &b, &(struct sn_json_style){.indent = 4});
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "ociVersion", SN_STR(SN_OCI_VERSION));
    process(&w);
    sn_jsonw_key(&w, SN_STR("root"));
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "path", SN_STR("rootfs"));
    sn_jsonw_kbool(&w, "readonly", true);
    sn_jsonw_object_end(&w);
    sn_jsonw_kstr(&w, "hostname", SN_STR("sennit"));
    mounts(&w, rootless);
    linux_part(&w, rootless);
    sn_jsonw_object_end(&w);
    sn_buf_cstr(&b, "\n");
    e = b.err < 0                ? b.err
        : strcmp(file, "-") == 0 ? out_text(sn_buf_view(&b))
                                 : write_new(file, sn_buf_view(&b));
    sn_buf_done(&b);
    return e;
}

/* ---- features ----------------------------------------------------------------------------------
 */

int cmd_features(struct app *app, int argc, char **argv)
{
    static const struct opt none[] = {{NULL, 0, OPT_FLAG, NULL, NULL}};
    if (help("features", none, argc, argv)) return 0;
    if (argc != 1) return usage("features");
    struct sn_buf b = {0};
    int e = sn_oci_features(&b, 2);
    sn_buf_cstr(&b, "\n");
    if (e == 0) e = b.err < 0 ? b.err : out_text(sn_buf_view(&b));
    sn_buf_done(&b);
    return e;
}
