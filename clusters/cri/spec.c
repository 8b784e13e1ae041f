/* SPDX-License-Identifier: Apache-2.0 */
/* cri/spec.c - from CRI's container configuration to the runtime's. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "clusters/cri/cri_int.h"

#define DEVICES_MAX 256u
#define MOUNTS_MAX 512u

static const char *const cap_names[] = {"CAP_CHOWN",
                                        "CAP_DAC_OVERRIDE",
                                        "CAP_DAC_READ_SEARCH",
                                        "CAP_FOWNER",
                                        "CAP_FSETID",
                                        "CAP_KILL",
                                        "CAP_SETGID",
                                        "CAP_SETUID",
                                        "CAP_SETPCAP",
                                        "CAP_LINUX_IMMUTABLE",
                                        "CAP_NET_BIND_SERVICE",
                                        "CAP_NET_BROADCAST",
                                        "CAP_NET_ADMIN",
                                        "CAP_NET_RAW",
                                        "CAP_IPC_LOCK",
                                        "CAP_IPC_OWNER",
                                        "CAP_SYS_MODULE",
                                        "CAP_SYS_RAWIO",
                                        "CAP_SYS_CHROOT",
                                        "CAP_SYS_PTRACE",
                                        "CAP_SYS_PACCT",
                                        "CAP_SYS_ADMIN",
                                        "CAP_SYS_BOOT",
                                        "CAP_SYS_NICE",
                                        "CAP_SYS_RESOURCE",
                                        "CAP_SYS_TIME",
                                        "CAP_SYS_TTY_CONFIG",
                                        "CAP_MKNOD",
                                        "CAP_LEASE",
                                        "CAP_AUDIT_WRITE",
                                        "CAP_AUDIT_CONTROL",
                                        "CAP_SETFCAP",
                                        "CAP_MAC_OVERRIDE",
                                        "CAP_MAC_ADMIN",
                                        "CAP_SYSLOG",
                                        "CAP_WAKE_ALARM",
                                        "CAP_BLOCK_SUSPEND",
                                        "CAP_AUDIT_READ",
                                        "CAP_PERFMON",
                                        "CAP_BPF",
                                        "CAP_CHECKPOINT_RESTORE"};
/* What a container has without being asked: as Docker and containerd give. */
#define CAPS_DEFAULT                                                                     \
    (1ull << 0 | 1ull << 1 | 1ull << 3 | 1ull << 4 | 1ull << 5 | 1ull << 6 | 1ull << 7 | \
     1ull << 8 | 1ull << 10 | 1ull << 13 | 1ull << 18 | 1ull << 27 | 1ull << 29 | 1ull << 31)

const char *cri_cap_name(unsigned i) { return i < SN_COUNT_OF(cap_names) ? cap_names[i] : NULL; }

/* What this process may give on: a bounding set that asks for more is refused by the kernel. */
static uint64_t caps_here(void)
{
    char text[4096];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    text[n > 0 ? n : 0] = 0;
    const char *at = strstr(text, "CapBnd:");
    return at ? strtoull(at + 7, NULL, 16) : (1ull << SN_COUNT_OF(cap_names)) - 1;
}

static int cap_bit(struct sn_str name, uint64_t *ret)
{
    bool prefixed = name.len > 4 && sn_str_ieq(sn_str_sub(name, 0, 4), SN_STR("CAP_"));
    struct sn_str s = prefixed ? sn_str_from(name, 4) : name;
    if (sn_str_ieq(s, SN_STR("ALL"))) {
        *ret = (1ull << SN_COUNT_OF(cap_names)) - 1;
        return 0;
    }
    for (unsigned i = 0; i < SN_COUNT_OF(cap_names); i++)
        if (sn_str_ieq(s, sn_str(cap_names[i] + 4))) {
            *ret = 1ull << i;
            return 0;
        }
    return sn_fail(SN_E_INVALID_ARGUMENT, "capabilities: \"%.*s\" is no capability",
                   SN_STR_ARG(name));
}

int cri_caps(const struct runtime_v1_linux_container_security_context *sc, struct cri_caps *ret)
{
    uint64_t here = caps_here(), caps = CAPS_DEFAULT, ambient = 0, bit = 0;
    const struct runtime_v1_capability *c = sc ? sc->capabilities : NULL;
    if (sc && sc->privileged) caps = here;
    int r = 0;
    /* "ALL" first, so that the others refine it. */
    for (int all = 1; all >= 0 && c; all--) {
        for (unsigned i = 0; i < c->add_capabilities.len && r >= 0; i++)
            if ((r = cap_bit(c->add_capabilities.ptr[i], &bit)) >= 0 &&
                (__builtin_popcountll(bit) > 1) == all)
                caps |= bit;
        for (unsigned i = 0; i < c->drop_capabilities.len && r >= 0; i++)
            if ((r = cap_bit(c->drop_capabilities.ptr[i], &bit)) >= 0 &&
                (__builtin_popcountll(bit) > 1) == all)
                caps &= ~bit;
    }
    for (unsigned i = 0; c && i < c->add_ambient_capabilities.len && r >= 0; i++)
        if ((r = cap_bit(c->add_ambient_capabilities.ptr[i], &bit)) >= 0)
            ambient |= bit, caps |= bit;
    if (r < 0) return r;
    *ret = (struct cri_caps){caps & here, ambient & here};
    return 0;
}

int cri_signal_number(struct sn_str name)
{
    static const struct {
        const char *name;
        int n;
    } all[] = {{"ABRT", SIGABRT}, {"ALRM", SIGALRM}, {"BUS", SIGBUS},       {"CHLD", SIGCHLD},
               {"CONT", SIGCONT}, {"FPE", SIGFPE},   {"HUP", SIGHUP},       {"ILL", SIGILL},
               {"INT", SIGINT},   {"IO", SIGIO},     {"KILL", SIGKILL},     {"PIPE", SIGPIPE},
               {"PROF", SIGPROF}, {"PWR", SIGPWR},   {"QUIT", SIGQUIT},     {"SEGV", SIGSEGV},
               {"STOP", SIGSTOP}, {"SYS", SIGSYS},   {"TERM", SIGTERM},     {"TRAP", SIGTRAP},
               {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU},     {"URG", SIGURG},
               {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"VTALRM", SIGVTALRM}, {"WINCH", SIGWINCH},
               {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ}, {"CLD", SIGCHLD},      {"IOT", SIGABRT},
               {"POLL", SIGIO},   {"STKFLT", 16}};
    uint64_t n;
    if (sn_str_to_u64(name, &n) == 0) return n > 0 && n <= 64 ? (int)n : SIGTERM;
    if (sn_str_starts(name, SN_STR("SIG"))) name = sn_str_from(name, 3);
    if (sn_str_starts(name, SN_STR("RTMIN"))) {
        struct sn_str rest = sn_str_from(name, 5);
        if (!rest.len) return 34;
        rest = sn_str_from(rest, rest.ptr[0] == '+' ? 1 : 4); /* "+3", or the enum's "PLUS3" */
        return sn_str_to_u64(rest, &n) == 0 && n <= 30 ? 34 + (int)n : SIGTERM;
    }
    if (sn_str_starts(name, SN_STR("RTMAX"))) {
        struct sn_str rest = sn_str_from(name, 5);
        if (!rest.len) return 64;
        rest = sn_str_from(rest, rest.ptr[0] == '-' ? 1 : 5);
        return sn_str_to_u64(rest, &n) == 0 && n <= 30 ? 64 - (int)n : SIGTERM;
    }
    for (size_t i = 0; i < SN_COUNT_OF(all); i++)
        if (sn_str_eqc(name, all[i].name)) return all[i].n;
    return SIGTERM;
}

struct sn_str cri_ctr_cgroup(const struct cri_ctr *c, struct sn_arena *a)
{
    return sn_arena_printf(a, "%.*s/%s", SN_STR_ARG(c->pod->cgroup), c->id);
}

/* ---- process ---- */

static const struct runtime_v1_linux_container_security_context *security(const struct cri_ctr *c)
{
    return c->config->linux_ ? c->config->linux_->security_context : NULL;
}

static void write_caps(struct sn_jsonw *w, const struct cri_caps *caps, bool root)
{
    static const char *const sets[] = {"bounding", "effective", "permitted", "inheritable",
                                       "ambient"};
    sn_jsonw_key(w, SN_STR("capabilities"));
    sn_jsonw_object(w);
    for (unsigned k = 0; k < SN_COUNT_OF(sets); k++) {
        /* A user other than root keeps only what is ambient: nobody is left with it by accident. */
        uint64_t bits = k == 0   ? caps->bounding
                        : k >= 3 ? caps->ambient
                        : root   ? caps->bounding
                                 : caps->ambient;
        sn_jsonw_key(w, sn_str(sets[k]));
        sn_jsonw_array(w);
        for (unsigned i = 0; i < SN_COUNT_OF(cap_names); i++)
            if (bits >> i & 1) sn_jsonw_str(w, sn_str(cap_names[i]));
        sn_jsonw_array_end(w);
    }
    sn_jsonw_object_end(w);
}

static void write_user(struct sn_jsonw *w, const struct cri_ctr *c)
{
    sn_jsonw_key(w, SN_STR("user"));
    sn_jsonw_object(w);
    sn_jsonw_ku64(w, "uid", c->user.uid);
    sn_jsonw_ku64(w, "gid", c->user.gid);
    sn_jsonw_key(w, SN_STR("additionalGids"));
    sn_jsonw_array(w);
    for (size_t i = 0; i < c->user.n_groups; i++) sn_jsonw_u64(w, c->user.groups[i]);
    sn_jsonw_array_end(w);
    sn_jsonw_object_end(w);
}

static bool env_names(struct sn_str entry, struct sn_str name)
{
    return sn_str_starts(entry, name) && entry.len > name.len && entry.ptr[name.len] == '=';
}

static bool env_given(const struct cri_ctr *c, struct sn_str name)
{
    for (unsigned i = 0; i < c->config->envs.len; i++)
        if (sn_str_eq(c->config->envs.ptr[i]->key, name)) return true;
    return false;
}

static void write_env(struct sn_jsonw *w, const struct cri_ctr *c, bool tty, struct sn_arena *a)
{
    bool path = env_given(c, SN_STR("PATH")), home = env_given(c, SN_STR("HOME"));
    sn_jsonw_key(w, SN_STR("env"));
    sn_jsonw_array(w);
    for (size_t i = 0; i < c->image.n_env; i++) {
        struct sn_str e = c->image.env[i],
                      name = sn_str_sub(e, 0, (size_t)SN_MAX(sn_str_chr(e, '='), 0));
        if (env_given(c, name)) continue;
        path |= env_names(e, SN_STR("PATH"));
        home |= env_names(e, SN_STR("HOME"));
        sn_jsonw_str(w, e);
    }
    if (!path)
        sn_jsonw_str(w,
                     SN_STR("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
    if (!home)
        sn_jsonw_str(w, sn_arena_printf(a, "HOME=%.*s",
                                        SN_STR_ARG(c->user.home.len ? c->user.home : SN_STR("/"))));
    sn_jsonw_str(w, sn_arena_printf(a, "HOSTNAME=%.*s", SN_STR_ARG(c->pod->config->hostname)));
    if (tty) sn_jsonw_str(w, SN_STR("TERM=xterm"));
    for (unsigned i = 0; i < c->config->envs.len; i++)
        sn_jsonw_str(w, sn_arena_printf(a, "%.*s=%.*s", SN_STR_ARG(c->config->envs.ptr[i]->key),
                                        SN_STR_ARG(c->config->envs.ptr[i]->value)));
    sn_jsonw_array_end(w);
}

static void write_args(struct sn_jsonw *w, const struct cri_ctr *c)
{
    const struct runtime_v1_container_config *cfg = c->config;
    const struct sn_str *cmd = cfg->command.len ? cfg->command.ptr : c->image.entrypoint;
    size_t n_cmd = cfg->command.len ? cfg->command.len : c->image.n_entrypoint;
    /* A command replaces the image's arguments, too. */
    bool own = cfg->args.len || cfg->command.len;
    const struct sn_str *args = own ? cfg->args.ptr : c->image.cmd;
    size_t n_args = own ? cfg->args.len : c->image.n_cmd;
    for (size_t i = 0; i < n_cmd; i++) sn_jsonw_str(w, cmd[i]);
    for (size_t i = 0; i < n_args; i++) sn_jsonw_str(w, args[i]);
}

/* labels: of the container's first process; an exec has its container's without being told. */
static int write_process(struct sn_jsonw *w, const struct cri_ctr *c, const struct sn_str *cmd,
                         size_t n_cmd, bool tty, const struct cri_labels *labels,
                         struct sn_arena *a)
{
    const struct runtime_v1_linux_container_security_context *sc = security(c);
    struct cri_caps caps;
    int r = cri_caps(sc, &caps);
    if (r < 0) return r;
    sn_jsonw_object(w);
    sn_jsonw_kbool(w, "terminal", tty);
    write_user(w, c);
    sn_jsonw_key(w, SN_STR("args"));
    sn_jsonw_array(w);
    if (cmd)
        for (size_t i = 0; i < n_cmd; i++) sn_jsonw_str(w, cmd[i]);
    else
        write_args(w, c);
    sn_jsonw_array_end(w);
    write_env(w, c, tty, a);
    struct sn_str cwd = c->config->working_dir.len ? c->config->working_dir : c->image.working_dir;
    sn_jsonw_kstr(w, "cwd", cwd.len ? cwd : SN_STR("/"));
    write_caps(w, &caps, c->user.uid == 0);
    if (sc && sc->no_new_privs) sn_jsonw_kbool(w, "noNewPrivileges", true);
    if (c->resources) sn_jsonw_ki64(w, "oomScoreAdj", c->resources->oom_score_adj);
    if (labels && labels->apparmor.len) sn_jsonw_kstr(w, "apparmorProfile", labels->apparmor);
    if (labels && labels->selinux.len) sn_jsonw_kstr(w, "selinuxLabel", labels->selinux);
    sn_jsonw_object_end(w);
    return w->out->err;
}

int cri_process_write(const struct cri_ctr *c, const struct sn_str *cmd, size_t n, bool tty,
                      struct sn_arena *a, struct sn_buf *out)
{
    struct sn_jsonw w;
    sn_jsonw_init(&w, out, NULL);
    return write_process(&w, c, cmd, n, tty, NULL, a);
}

/* ---- mounts ---- */

/* The object stays open. */
static void mount_begin(struct sn_jsonw *w, const char *to, const char *type, const char *source,
                        const char *options)
{
    sn_jsonw_object(w);
    sn_jsonw_kstr(w, "destination", sn_str(to));
    sn_jsonw_kstr(w, "type", sn_str(type));
    sn_jsonw_kstr(w, "source", sn_str(source));
    sn_jsonw_key(w, SN_STR("options"));
    sn_jsonw_array(w);
    struct sn_str all = sn_str(options);
    while (all.ptr && *options) sn_jsonw_str(w, sn_str_cut(&all, ','));
    sn_jsonw_array_end(w);
}

static void mount(struct sn_jsonw *w, const char *to, const char *type, const char *source,
                  const char *options)
{
    mount_begin(w, to, type, source, options);
    sn_jsonw_object_end(w);
}

static void write_maps(struct sn_jsonw *w, const char *key, struct runtime_v1_id_mapping *const *m,
                       uint32_t n)
{
    sn_jsonw_key(w, sn_str(key));
    sn_jsonw_array(w);
    for (uint32_t i = 0; i < n; i++) {
        sn_jsonw_object(w);
        sn_jsonw_ku64(w, "containerID", m[i]->container_id);
        sn_jsonw_ku64(w, "hostID", m[i]->host_id);
        sn_jsonw_ku64(w, "size", m[i]->length);
        sn_jsonw_object_end(w);
    }
    sn_jsonw_array_end(w);
}

static bool mounted_by_client(const struct cri_ctr *c, const char *to)
{
    for (unsigned i = 0; i < c->config->mounts.len; i++) {
        struct sn_str at = c->config->mounts.ptr[i]->container_path;
        while (at.len > 1 && at.ptr[at.len - 1] == '/') at.len--;
        if (sn_str_eqc(at, to)) return true;
    }
    return false;
}

static void pod_file(struct sn_jsonw *w, const struct cri_spec *sp, const char *to,
                     const char *file, bool ro)
{
    struct sn_str from = sn_arena_printf(sp->a, "%s/%s", sp->dir, file);
    if (!mounted_by_client(sp->ctr, to) && from.ptr)
        mount(w, to, "bind", from.ptr, ro ? "rbind,rprivate,ro" : "rbind,rprivate,rw");
}

/* The host's path of a mount, with links resolved; a missing folder is made, as the kubelet
 * expects. */
static int host_path(struct sn_arena *a, unsigned i, struct sn_str from, struct sn_str *ret)
{
    struct sn_str path = sn_arena_str(a, from);
    char *real = path.ptr ? realpath(path.ptr, NULL) : NULL;
    if (!real && path.ptr) {
        for (char *p = (char *)path.ptr + 1; *p; p++)
            if (*p == '/') {
                *p = 0;
                (void)mkdir(path.ptr, 0755);
                *p = '/';
            }
        if (mkdir(path.ptr, 0755) < 0 && errno != EEXIST)
            return sn_fail_errno(errno, "mounts[%u].host_path %s", i, path.ptr);
        real = realpath(path.ptr, NULL);
    }
    if (!real) return sn_fail_errno(errno, "mounts[%u].host_path %.*s", i, SN_STR_ARG(from));
    *ret = sn_arena_str(a, sn_str(real));
    free(real); /* banned: realpath allocates */
    return ret->ptr ? 0 : SN_E_NOMEM;
}

/* A path below the image's root, judged as text: nothing is joined to it that could lead out. */
static bool goes_down(struct sn_str path)
{
    if (path.len && path.ptr[0] == '/') return false;
    while (path.ptr && path.len)
        if (sn_str_eqc(sn_str_cut(&path, '/'), "..")) return false;
    return true;
}

int cri_check_mounts(const struct runtime_v1_container_config *cfg)
{
    if (cfg->mounts.len > MOUNTS_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "mounts: at most %u", MOUNTS_MAX);
    for (unsigned i = 0; i < cfg->mounts.len; i++) {
        const struct runtime_v1_mount *m = cfg->mounts.ptr[i];
        bool image = m->image && m->image->image.len;
        if (!m->container_path.len || (!m->host_path.len && !image))
            return sn_fail(SN_E_INVALID_ARGUMENT,
                           "mounts[%u]: expected container_path, and host_path or image", i);
        if (!m->uidMappings.len != !m->gidMappings.len)
            return sn_fail(SN_E_INVALID_ARGUMENT,
                           "mounts[%u]: expected both of uidMappings and gidMappings, or none", i);
        if (image && !m->readonly)
            return sn_fail(SN_E_INVALID_ARGUMENT,
                           "mounts[%u].image: an image is mounted readonly only", i);
        if (image && !goes_down(m->image_sub_path))
            return sn_fail(SN_E_INVALID_ARGUMENT,
                           "mounts[%u].image_sub_path \"%.*s\": expected a path in the image, "
                           "relative and without ..",
                           i, SN_STR_ARG(m->image_sub_path));
        if (m->recursive_read_only && !m->readonly)
            return sn_fail(SN_E_INVALID_ARGUMENT, "mounts[%u]: recursive_read_only needs readonly",
                           i);
        if (m->recursive_read_only &&
            m->propagation != RUNTIME_V1_MOUNT_PROPAGATION_PROPAGATION_PRIVATE)
            return sn_fail(SN_E_INVALID_ARGUMENT,
                           "mounts[%u]: recursive_read_only needs propagation PRIVATE", i);
    }
    return 0;
}

struct sn_str cri_volume_key(const struct cri_ctr *c, unsigned i, struct sn_arena *a)
{
    return sn_arena_printf(a, "%s-v%u", c->id, i);
}

static int client_mount(struct sn_jsonw *w, const struct cri_spec *sp, unsigned i)
{
    const struct runtime_v1_mount *m = sp->ctr->config->mounts.ptr[i];
    char opts[128];
    struct sn_str path = {0};
    int r = 0;
    if (m->image && m->image->image.len) {
        struct sn_str key = cri_volume_key(sp->ctr, i, sp->a), sub = m->image_sub_path;
        path = sn_arena_printf(sp->a, "%s/mounts/%.*s/rootfs%s%.*s",
                               sn_image_store_root(sp->ctr->pod->s->images), SN_STR_ARG(key),
                               sub.len ? "/" : "", SN_STR_ARG(sub));
    } else {
        r = host_path(sp->a, i, m->host_path, &path);
    }
    if (r < 0) return r;
    const char *prop =
        m->propagation == RUNTIME_V1_MOUNT_PROPAGATION_PROPAGATION_BIDIRECTIONAL       ? "rshared"
        : m->propagation == RUNTIME_V1_MOUNT_PROPAGATION_PROPAGATION_HOST_TO_CONTAINER ? "rslave"
                                                                                       : "rprivate";
    snprintf(opts, sizeof opts, "rbind,%s,%s%s", prop, m->readonly ? "ro" : "rw",
             m->recursive_read_only ? ",rro" : "");
    mount_begin(w, sn_arena_str(sp->a, m->container_path).ptr, "bind", path.ptr, opts);
    if (m->uidMappings.len && !(m->image && m->image->image.len)) { /* an image is mapped already */
        write_maps(w, "uidMappings", m->uidMappings.ptr, m->uidMappings.len);
        write_maps(w, "gidMappings", m->gidMappings.ptr, m->gidMappings.len);
    }
    sn_jsonw_object_end(w);
    return 0;
}

static int write_mounts(struct sn_jsonw *w, const struct cri_spec *sp)
{
    const struct cri_ctr *c = sp->ctr;
    const struct runtime_v1_linux_container_security_context *sc = security(c);
    bool priv = sc && sc->privileged, ro = sc && sc->readonly_rootfs;
    int r = 0;
    sn_jsonw_key(w, SN_STR("mounts"));
    sn_jsonw_array(w);
    mount(w, "/proc", "proc", "proc", "nosuid,noexec,nodev");
    mount(w, "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k");
    mount(w, "/dev/pts", "devpts", "devpts",
          "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5");
    mount(w, "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev");
    if (!mounted_by_client(c, "/sys"))
        mount(w, "/sys", "sysfs", "sysfs",
              priv ? "nosuid,noexec,nodev,rw" : "nosuid,noexec,nodev,ro");
    if (!mounted_by_client(c, "/sys/fs/cgroup"))
        mount(w, "/sys/fs/cgroup", "cgroup", "cgroup",
              priv ? "nosuid,noexec,nodev,relatime,rw" : "nosuid,noexec,nodev,relatime,ro");
    pod_file(w, sp, "/etc/hostname", "hostname", ro);
    pod_file(w, sp, "/etc/hosts", "hosts", ro);
    pod_file(w, sp, "/etc/resolv.conf", "resolv.conf", ro);
    if (!mounted_by_client(c, "/dev/shm")) {
        struct sn_str shm =
            c->pod->shm ? sn_arena_printf(sp->a, "%s/shm", sp->dir) : SN_STR("/dev/shm");
        mount(w, "/dev/shm", "bind", shm.ptr, "rbind,rprivate,rw");
    }
    for (unsigned i = 0; i < c->config->mounts.len && r >= 0; i++) r = client_mount(w, sp, i);
    sn_jsonw_array_end(w);
    return r;
}

/* ---- linux ---- */

static void write_limit(struct sn_jsonw *w, const char *key, int64_t v)
{
    if (v) sn_jsonw_ki64(w, key, v);
}

static void write_limits(struct sn_jsonw *w, const struct runtime_v1_linux_container_resources *r)
{
    if (r->cpu_period || r->cpu_quota || r->cpu_shares || r->cpuset_cpus.len ||
        r->cpuset_mems.len) {
        sn_jsonw_key(w, SN_STR("cpu"));
        sn_jsonw_object(w);
        write_limit(w, "period", r->cpu_period);
        write_limit(w, "quota", r->cpu_quota);
        write_limit(w, "shares", r->cpu_shares);
        if (r->cpuset_cpus.len) sn_jsonw_kstr(w, "cpus", r->cpuset_cpus);
        if (r->cpuset_mems.len) sn_jsonw_kstr(w, "mems", r->cpuset_mems);
        sn_jsonw_object_end(w);
    }
    if (r->memory_limit_in_bytes || r->memory_swap_limit_in_bytes) {
        sn_jsonw_key(w, SN_STR("memory"));
        sn_jsonw_object(w);
        write_limit(w, "limit", r->memory_limit_in_bytes);
        write_limit(w, "swap", r->memory_swap_limit_in_bytes);
        sn_jsonw_object_end(w);
    }
    if (r->hugepage_limits.len) {
        sn_jsonw_key(w, SN_STR("hugepageLimits"));
        sn_jsonw_array(w);
        for (unsigned i = 0; i < r->hugepage_limits.len; i++) {
            sn_jsonw_object(w);
            sn_jsonw_kstr(w, "pageSize", r->hugepage_limits.ptr[i]->page_size);
            sn_jsonw_ku64(w, "limit", r->hugepage_limits.ptr[i]->limit);
            sn_jsonw_object_end(w);
        }
        sn_jsonw_array_end(w);
    }
    if (r->unified.len) {
        sn_jsonw_key(w, SN_STR("unified"));
        sn_jsonw_object(w);
        for (unsigned i = 0; i < r->unified.len; i++) {
            sn_jsonw_key(w, r->unified.ptr[i]->key);
            sn_jsonw_str(w, r->unified.ptr[i]->value);
        }
        sn_jsonw_object_end(w);
    }
}

int cri_resources_write(struct sn_jsonw *w, const struct runtime_v1_linux_container_resources *r)
{
    sn_jsonw_object(w);
    write_limits(w, r);
    sn_jsonw_object_end(w);
    return w->out->err;
}

struct device {
    struct sn_str path;
    char type, access[4];
    unsigned major, minor, mode, uid, gid;
};

static int read_device(struct sn_arena *a, const char *host, struct sn_str inside,
                       struct sn_str access, struct device *ret)
{
    struct stat st;
    if (stat(host, &st) < 0) return sn_fail_errno(errno, "device %s", host);
    if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)) return 0;
    *ret = (struct device){.path = sn_arena_str(a, inside),
                           .type = S_ISCHR(st.st_mode) ? 'c' : 'b',
                           .major = major(st.st_rdev),
                           .minor = minor(st.st_rdev),
                           .mode = st.st_mode & 0777,
                           .uid = st.st_uid,
                           .gid = st.st_gid};
    (void)!sn_str_cz(access.len && access.len < 4 ? access : SN_STR("rwm"), ret->access,
                     sizeof ret->access);
    return 1;
}

/* Of a privileged container: every device of the host's /dev. */
static int host_devices(struct sn_arena *a, struct device *d, unsigned *io_n)
{
    static const char *const skip[] = {"pts",  "shm",   "fd",     "mqueue", "console",
                                       "ptmx", "stdin", "stdout", "stderr", "core"};
    struct sn_str *names;
    size_t n;
    int r = sn_dir_list(a, "/dev", &names, &n);
    for (size_t i = 0; r >= 0 && i < n && *io_n < DEVICES_MAX; i++) {
        bool no = false;
        for (size_t k = 0; k < SN_COUNT_OF(skip); k++) no |= sn_str_eqc(names[i], skip[k]);
        struct sn_str path = sn_arena_printf(a, "/dev/%.*s", SN_STR_ARG(names[i]));
        if (!no && read_device(a, path.ptr, path, (struct sn_str){0}, &d[*io_n]) > 0) (*io_n)++;
    }
    return r;
}

static int write_devices(struct sn_jsonw *w, const struct cri_spec *sp, const struct device *d,
                         unsigned n)
{
    if (!n) return 0;
    sn_jsonw_key(w, SN_STR("devices"));
    sn_jsonw_array(w);
    for (unsigned i = 0; i < n; i++) {
        sn_jsonw_object(w);
        sn_jsonw_kstr(w, "path", d[i].path);
        sn_jsonw_kstr(w, "type", sn_str_of(&d[i].type, 1));
        sn_jsonw_ku64(w, "major", d[i].major);
        sn_jsonw_ku64(w, "minor", d[i].minor);
        sn_jsonw_ku64(w, "fileMode", d[i].mode);
        sn_jsonw_ku64(w, "uid", d[i].uid);
        sn_jsonw_ku64(w, "gid", d[i].gid);
        sn_jsonw_object_end(w);
    }
    sn_jsonw_array_end(w);
    return 0;
}

static void device_rule(struct sn_jsonw *w, bool allow, const struct device *d)
{
    sn_jsonw_object(w);
    sn_jsonw_kbool(w, "allow", allow);
    if (d) {
        sn_jsonw_kstr(w, "type", sn_str_of(&d->type, 1));
        sn_jsonw_ku64(w, "major", d->major);
        sn_jsonw_ku64(w, "minor", d->minor);
    }
    sn_jsonw_kstr(w, "access", d ? sn_str(d->access) : SN_STR("rwm"));
    sn_jsonw_object_end(w);
}

static void write_resources(struct sn_jsonw *w, const struct cri_spec *sp, const struct device *d,
                            unsigned n)
{
    const struct runtime_v1_linux_container_security_context *sc = security(sp->ctr);
    sn_jsonw_key(w, SN_STR("resources"));
    sn_jsonw_object(w);
    sn_jsonw_key(w, SN_STR("devices"));
    sn_jsonw_array(w);
    device_rule(w, sc && sc->privileged, NULL);
    for (unsigned i = 0; i < n && !(sc && sc->privileged); i++) device_rule(w, true, &d[i]);
    sn_jsonw_array_end(w);
    if (sp->ctr->resources) write_limits(w, sp->ctr->resources);
    sn_jsonw_object_end(w);
}

static void namespace(struct sn_jsonw *w, const char *type, int pid, const char *file,
                      struct sn_arena *a)
{
    sn_jsonw_object(w);
    sn_jsonw_kstr(w, "type", sn_str(type));
    if (pid) sn_jsonw_kstr(w, "path", sn_arena_printf(a, "/proc/%d/ns/%s", pid, file));
    sn_jsonw_object_end(w);
}

static void write_namespaces(struct sn_jsonw *w, const struct cri_spec *sp)
{
    const struct cri_pod *p = sp->ctr->pod;
    const struct runtime_v1_linux_container_security_context *sc = security(sp->ctr);
    const struct runtime_v1_namespace_option *ns = sc ? sc->namespace_options : NULL;
    int keeper = cri_pod_holder(p), pid_mode = ns ? ns->pid : RUNTIME_V1_NAMESPACE_MODE_POD;
    sn_jsonw_key(w, SN_STR("namespaces"));
    sn_jsonw_array(w);
    if (cri_pod_userns(p)) namespace(w, "user", keeper, "user", sp->a);
    namespace(w, "mount", 0, NULL, sp->a);
    if (!p->host_network) {
        namespace(w, "network", keeper, "net", sp->a);
        namespace(w, "uts", keeper, "uts", sp->a);
    }
    if (!ns || ns->ipc != RUNTIME_V1_NAMESPACE_MODE_NODE) namespace(w, "ipc", keeper, "ipc", sp->a);
    if (pid_mode == RUNTIME_V1_NAMESPACE_MODE_CONTAINER)
    namespace(w, "pid", 0, NULL, sp->a);
    else if (pid_mode == RUNTIME_V1_NAMESPACE_MODE_TARGET) namespace(w, "pid", sp->target_pid,
                                                                     "pid", sp->a);
    else if (pid_mode == RUNTIME_V1_NAMESPACE_MODE_POD) namespace(w, "pid", p->keeper.pause, "pid",
                                                                  sp->a);
    if (sp->cgroup_v2) namespace(w, "cgroup", 0, NULL, sp->a);
    sn_jsonw_array_end(w);
}

static void write_paths(struct sn_jsonw *w, const char *key, const struct sn_str *p, uint32_t n)
{
    if (!n) return;
    sn_jsonw_key(w, sn_str(key));
    sn_jsonw_array(w);
    for (uint32_t i = 0; i < n; i++) sn_jsonw_str(w, p[i]);
    sn_jsonw_array_end(w);
}

static int write_linux(struct sn_jsonw *w, const struct cri_spec *sp)
{
    const struct cri_ctr *c = sp->ctr;
    const struct runtime_v1_linux_container_security_context *sc = security(c);
    struct device *d = SN_ARENA_ARRAY(sp->a, struct device, DEVICES_MAX);
    unsigned n = 0;
    int r = d ? 0 : SN_E_NOMEM;
    if (r >= 0 && sc && sc->privileged) r = host_devices(sp->a, d, &n);
    for (unsigned i = 0; i < c->config->devices.len && r >= 0; i++) {
        const struct runtime_v1_device *dev = c->config->devices.ptr[i];
        if (n == DEVICES_MAX) return sn_fail(SN_E_TOO_LARGE, "devices: at most %u", DEVICES_MAX);
        r = read_device(sp->a, sn_arena_str(sp->a, dev->host_path).ptr, dev->container_path,
                        dev->permissions, &d[n]);
        if (r > 0) n++;
    }
    if (r < 0) return r;
    bool shared = false;
    for (unsigned i = 0; i < c->config->mounts.len; i++)
        shared |= c->config->mounts.ptr[i]->propagation ==
                  RUNTIME_V1_MOUNT_PROPAGATION_PROPAGATION_BIDIRECTIONAL;
    sn_jsonw_key(w, SN_STR("linux"));
    sn_jsonw_object(w);
    write_namespaces(w, sp);
    sn_jsonw_kstr(w, "cgroupsPath", cri_ctr_cgroup(c, sp->a));
    (void)write_devices(w, sp, d, n);
    write_resources(w, sp, d, n);
    bool slave = false;
    for (unsigned i = 0; i < c->config->mounts.len; i++)
        slave |= c->config->mounts.ptr[i]->propagation ==
                 RUNTIME_V1_MOUNT_PROPAGATION_PROPAGATION_HOST_TO_CONTAINER;
    if (shared || slave)
        sn_jsonw_kstr(w, "rootfsPropagation", shared ? SN_STR("rshared") : SN_STR("rslave"));
    if (sc && !sc->privileged) {
        write_paths(w, "maskedPaths", sc->masked_paths.ptr, sc->masked_paths.len);
        write_paths(w, "readonlyPaths", sc->readonly_paths.ptr, sc->readonly_paths.len);
    }
    if (sp->seccomp.ptr) {
        sn_jsonw_key(w, SN_STR("seccomp"));
        sn_jsonw_raw(w, sp->seccomp);
    }
    sn_jsonw_object_end(w);
    return 0;
}

int cri_spec_write(struct cri_spec *sp, struct sn_buf *out)
{
    const struct cri_ctr *c = sp->ctr;
    const struct runtime_v1_linux_container_security_context *sc = security(c);
    struct sn_jsonw w;
    sn_jsonw_init(&w, out, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "ociVersion", SN_STR("1.1.0"));
    sn_jsonw_key(&w, SN_STR("process"));
    int r = write_process(&w, c, NULL, 0, c->config->tty, &sp->labels, sp->a);
    if (r < 0) return r;
    sn_jsonw_key(&w, SN_STR("root"));
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "path", c->rootfs);
    sn_jsonw_kbool(&w, "readonly", sc && sc->readonly_rootfs);
    sn_jsonw_object_end(&w);
    r = write_mounts(&w, sp);
    if (r >= 0) r = write_linux(&w, sp);
    if (r < 0) return r;
    sn_jsonw_key(&w, SN_STR("annotations"));
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "io.kubernetes.cri.container-type", SN_STR("container"));
    sn_jsonw_kstr(&w, "io.kubernetes.cri.sandbox-id", sn_str(c->pod->id));
    sn_jsonw_object_end(&w);
    sn_jsonw_object_end(&w);
    return out->err;
}
