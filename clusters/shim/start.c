/* SPDX-License-Identifier: Apache-2.0 */
/* shim/start.c - "start", "delete" and "-info": what containerd runs the program for. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "clusters/shim/shim_int.h"
#include "crypto/blake2b.h"
#include "wire/json.h"

#define VERSION_MAX 3 /* of the interface: containerd.task.v3 */

/* ---- input and output --------------------------------------------------------------------------
 */

static int write_out(struct sn_str s)
{
    while (s.len) {
        ssize_t n = write(STDOUT_FILENO, s.ptr, s.len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return sn_fail_errno(errno, "standard output");
        s = sn_str_from(s, (size_t)n);
    }
    return 0;
}

static int read_file(int fd, struct sn_buf *b)
{
    for (;;) {
        if (sn_buf_reserve(b, 4096) < 0) return sn_wrap(b->err, "input");
        ssize_t n = read(fd, b->ptr + b->len, b->cap - b->len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return sn_fail_errno(errno, "read");
        if (n == 0) return 0;
        b->len += (size_t)n;
    }
}

static int complain(int r)
{
    dprintf(STDERR_FILENO, "containerd-shim-sennit-v2: %s\n", sn_diag_str(r));
    return 1;
}

/* ---- the socket --------------------------------------------------------------------------------
 */

/* group_of - the containers of a pod share a shim: its name stands in the bundle's annotations. */
static struct sn_str group_of(struct sn_arena *a, const char *id)
{
    static const char *const labels[] = {"io.containerd.runc.v2.group",
                                         "io.kubernetes.cri.sandbox-id"};
    struct sn_buf b;
    const struct sn_json *j = NULL;
    struct sn_str group = sn_str(id);
    sn_buf_init(&b, SN_OCI_CONFIG_BYTES_MAX);
    int fd = open("config.json", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read_file(fd, &b) >= 0 && sn_json_parse(a, sn_buf_view(&b), NULL, &j) >= 0) {
        for (size_t i = SN_COUNT_OF(labels); i-- > 0;) {
            struct sn_str v = sn_json_str(sn_json_get(sn_json_get(j, "annotations"), labels[i]));
            if (v.len) group = v;
        }
        group = sn_arena_str(a, group);
    }
    if (fd >= 0) close(fd);
    sn_buf_done(&b);
    return group;
}

/* socket_name - folder and a hash of who it is for, as names may be longer than a socket's. */
static int socket_name(const char *dir, const char *address, const char *ns, struct sn_str group,
                       char *out, size_t cap)
{
    uint8_t sum[64];
    struct sn_blake2b h;
    const struct sn_str parts[] = {SN_STR("sennit"), sn_str(address), sn_str(ns), group};
    sn_blake2b_init(&h);
    for (size_t i = 0; i < SN_COUNT_OF(parts); i++) {
        sn_blake2b_put(&h, "/", 1);
        sn_blake2b_put(&h, parts[i].ptr, parts[i].len);
    }
    sn_blake2b_final(&h, sum);
    int n = snprintf(out, cap, "%s/", dir);
    for (size_t i = 0; i < 32 && n < (int)cap; i++)
        n += snprintf(out + n, cap - (size_t)n, "%02x", sum[i]);
    return n < (int)cap ? 0 : sn_fail(SN_E_TOO_LARGE, "socket folder %s: too long", dir);
}

static int address_of(const char *path, struct sockaddr_un *ret)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    return sn_str_cz(sn_str(path), ret->sun_path, sizeof(ret->sun_path)) >= 0
               ? 0
               : sn_fail(SN_E_TOO_LARGE, "socket %s: too long", path);
}

static bool somebody_listens(const struct sockaddr_un *un)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); /* banned: no runtime yet */
    bool yes = fd >= 0;
    if (yes) yes = connect(fd, (const void *)un, sizeof(*un)) == 0; /* banned: no runtime yet */
    if (fd >= 0) close(fd);
    return yes;
}

/* socket_listen - *ret: the descriptor, or -1 where the pod's shim is there already. */
static int socket_listen(const char *path, int *ret)
{
    struct sockaddr_un un;
    int r = address_of(path, &un);
    if (r < 0) return r;
    char dir[sizeof(un.sun_path)];
    snprintf(dir, sizeof(dir), "%s", path);
    *strrchr(dir, '/') = 0;
    for (char *p = strchr(dir + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = 0;
        if (mkdir(dir, 0711) < 0 && errno != EEXIST) return sn_fail_errno(errno, "mkdir %s", dir);
        *p = '/';
    }
    if (mkdir(dir, 0711) < 0 && errno != EEXIST) return sn_fail_errno(errno, "mkdir %s", dir);
    int kind = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    int fd = socket(AF_UNIX, kind, 0); /* banned: no runtime yet */
    if (fd < 0) return sn_fail_errno(errno, "socket");
    mode_t mask = umask(0177);
    for (int tries = 0; tries < 3; tries++) {
        if (bind(fd, (struct sockaddr *)&un, sizeof(un)) == 0) {
            umask(mask);
            *ret = fd;
            return listen(fd, 128) == 0 ? 0 : sn_fail_errno(errno, "listen on %s", path);
        }
        if (errno != EADDRINUSE) break;
        if (somebody_listens(&un)) {
            umask(mask);
            close(fd);
            *ret = -1;
            return 0;
        }
        unlink(path); /* of a shim that was killed */
        errno = EADDRINUSE;
    }
    int err = errno;
    umask(mask);
    close(fd);
    return sn_fail_errno(err, "bind %s", path);
}

/* ---- start -------------------------------------------------------------------------------------
 */

struct start {
    const struct sn_shim_opts *o;
    struct sn_arena arena;
    struct sn_buf input;
    const struct containerd_runtime_bootstrap_v1_bootstrap_params
        *params; /* NULL: an older containerd */
    struct shim_options options;
    char socket[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* read_options - an older containerd sends nothing else, a newer one among its extensions. */
static int read_options(struct start *s)
{
    struct google_protobuf_any *any = NULL;
    if (!s->params) {
        if (google_protobuf_any_parse(sn_buf_view(&s->input), 0, &s->arena, &any) >= 0)
            return shim_options(any, &s->arena, &s->options);
        sn_diag_clear();
        return 0;
    }
    int r = 0;
    for (uint32_t i = 0; i < s->params->extensions.len && r >= 0; i++) {
        struct shim_options o;
        r = shim_options(s->params->extensions.ptr[i]->value, &s->arena, &o);
        if (r >= 0 && o.cgroup) s->options = o;
    }
    return r;
}

/* read_params - older containerds send other things, which may look like these. */
static int read_params(struct start *s)
{
    struct stat st;
    struct containerd_runtime_bootstrap_v1_bootstrap_params *p;
    sn_buf_init(&s->input, SN_SHIM_INPUT_MAX);
    if (fstat(STDIN_FILENO, &st) < 0 || isatty(STDIN_FILENO)) return 0;
    int r = read_file(STDIN_FILENO, &s->input);
    if (r < 0) return r;
    r = containerd_runtime_bootstrap_v1_bootstrap_params_parse(sn_buf_view(&s->input), 0, &s->arena,
                                                               &p);
    if (r >= 0 && sn_str_eqc(p->instance_id, s->o->id) && sn_str_eqc(p->namespace, s->o->ns))
        s->params = p;
    if (r < 0) sn_diag_clear();
    return read_options(s);
}

/* reply - where we listen: as a protobuf message (from 2.3), as JSON (from 1.7, which says by its
 * environment what it understands), as the bare address. */
static int reply(struct start *s)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    const char *max = s->o->max_version;
    uint64_t version = 2;
    if (max && sn_str_to_u64(sn_str(max), &version) < 0) version = 2;
    struct sn_str address = sn_arena_printf(&s->arena, "unix://%s", s->socket);
    if (s->params) {
        struct containerd_runtime_bootstrap_v1_bootstrap_result res = {.version = VERSION_MAX,
                                                                       .address = address,
                                                                       .protocol = SN_STR("ttrpc")};
        ssize_t n = containerd_runtime_bootstrap_v1_bootstrap_result_encode(&res, &b);
        if (n < 0) return (int)n;
    } else if (max) {
        sn_buf_printf(&b, "{\"version\":%u,\"address\":\"%s\",\"protocol\":\"ttrpc\"}",
                      (unsigned)SN_MIN(version, (uint64_t)VERSION_MAX), address.ptr);
    } else {
        sn_buf_str(&b, address);
    }
    int r = b.err < 0 ? b.err : write_out(sn_buf_view(&b));
    sn_buf_done(&b);
    return r;
}

/* note_address - before there is a socket, so that "delete" can find one whenever we are killed;
 * containerd 1.6 reads it too, when it comes back. */
static void note_address(const struct start *s)
{
    int fd = open("address", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0) {
        dprintf(fd, "unix://%s", s->socket);
        close(fd);
    }
}

/* adjust_oom - killed for memory a little sooner than containerd, and far later than any container.
 */
static void adjust_oom(void)
{
    char path[64], text[32];
    int score = 0;
    snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)getppid());
    FILE *f = fopen(path, "re");
    if (f && fscanf(f, "%d", &score) != 1) score = 0;
    if (f) fclose(f);
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    int n = snprintf(text, sizeof(text), "%d", SN_MIN(score + 1, 1000));
    if (write(fd, text, (size_t)n) < 0) sn_diag_clear(); /* unprivileged: as it was */
    close(fd);
}

/* join_cgroup - in the shim, before all else: the group of the options must be there. */
static int join_cgroup(const char *path)
{
    struct sn_cgroup_host h;
    struct sn_cgroup *cg = NULL;
    int r = sn_cgroup_probe(&h, NULL);
    if (r < 0) return r;
    r = sn_cgroup_open(&h, path, &cg);
    if (r >= 0) r = sn_cgroup_attach_prepare(cg);
    if (r >= 0) {
        int e = sn_cgroup_attach(cg, 0, false);
        if (e < 0) r = sn_fail_errno(-e, "join");
    }
    sn_cgroup_close(cg);
    sn_cgroup_host_done(&h);
    return r < 0 ? sn_wrap(r, "options: shim_cgroup %s", path) : 0;
}

/* keep_only - of what we were started with, the line to "start": a descriptor that our caller's
 * caller forgot would stay open as long as the pod. */
static int keep_only(int line)
{
    int to = line == 3 ? 3 : dup3(line, 3, O_CLOEXEC);
    if (to < 0) return line;
    close_range(4, ~0u, 0);
    return to;
}

/* What the shim tells "start" over the line, and then "start" the shim: SAID and its end mean that
 * containerd knows where the shim is, the end alone that "start" was killed before. */
enum word { LISTENING = 'l', FOUND = 'f', FAILED = 'x', SAID = 's' };

static void tell(int line, enum word w, const char *text) { dprintf(line, "%c%s", w, text); }

/* into_shim - the socket is made here and not before the fork: there is always a process that
 * removes it, whichever of the two is killed. */
static int into_shim(struct start *s, int line)
{
    int fd = -1, null = open("/dev/null", O_RDWR | O_CLOEXEC);
    setsid();
    for (int i = 0; i < 3 && null >= 0; i++) dup2(null, i);
    line = keep_only(line);
    int r = s->options.cgroup ? join_cgroup(s->options.cgroup) : 0;
    if (r >= 0) r = socket_listen(s->socket, &fd);
    tell(line, r < 0 ? FAILED : fd < 0 ? FOUND : LISTENING, r < 0 ? sn_diag_str(r) : "");
    sn_buf_done(&s->input);
    sn_arena_done(&s->arena);
    if (r < 0 || fd < 0) return 0;
    return shim_serve(s->o, fd, line, s->socket);
}

bool shim_start_said(int line)
{
    char c = 0;
    ssize_t n;
    do n = read(line, &c, 1);
    while (n < 0 && errno == EINTR);
    close(line);
    return n == 1 && c == SAID;
}

/* forget - the socket of a shim that was killed. */
static void forget(const char *path)
{
    struct sockaddr_un un;
    if (address_of(path, &un) == 0 && !somebody_listens(&un)) unlink(path);
}

/* hear - the shim's word. Returns 0 where somebody listens, else why not. */
static int hear(const struct start *s, int line)
{
    char text[SN_DIAG_BYTES + 1];
    ssize_t n;
    do n = read(line, text, sizeof(text) - 1);
    while (n < 0 && errno == EINTR);
    if (n > 0 && (text[0] == LISTENING || text[0] == FOUND)) return 0;
    text[n > 0 ? n : 0] = 0;
    if (n > 0) return sn_fail(SN_E_UNAVAILABLE, "%s", text + 1);
    forget(s->socket);
    return sn_fail(SN_E_ABORTED, "the shim's process ended before it listened on %s", s->socket);
}

static int start_run(struct start *s, int *ret_code)
{
    int r = read_params(s);
    if (r < 0) return r;
    const char *dir = SN_SHIM_SOCKETS;
    if (s->params && s->params->socket_dir.len)
        dir = sn_arena_str(&s->arena, s->params->socket_dir).ptr;
    if (!dir) return SN_E_NOMEM;
    if (s->o->socket)
        r = snprintf(s->socket, sizeof(s->socket), "%s", s->o->socket) < (int)sizeof(s->socket)
                ? 0
                : SN_E_TOO_LARGE;
    else
        r = socket_name(dir, s->o->address, s->o->ns, group_of(&s->arena, s->o->id), s->socket,
                        sizeof(s->socket));
    if (r < 0) return r;
    note_address(s);
    struct sockaddr_un un;
    if ((r = address_of(s->socket, &un)) < 0) return r;
    if (somebody_listens(&un)) return reply(s);
    int line[2];
    const int kind = SOCK_SEQPACKET | SOCK_CLOEXEC;
    if (socketpair(AF_UNIX, kind, 0, line) < 0) return sn_fail_errno(errno, "socketpair");
    adjust_oom();
    int pid = fork(); /* banned: the shim itself, before its runtime starts */
    if (pid == 0) {
        *ret_code = into_shim(s, line[1]);
        return 1;
    }
    close(line[1]);
    r = pid < 0 ? sn_fail_errno(errno, "fork") : hear(s, line[0]);
    if (r >= 0) r = reply(s);
    if (r >= 0) tell(line[0], SAID, "");
    close(line[0]); /* without a word the shim ends */
    return r;
}

int sn_shim_start(const struct sn_shim_opts *o)
{
    struct start s = {.o = o};
    int code = 0;
    sn_arena_init(&s.arena, NULL, 0);
    signal(SIGPIPE, SIG_IGN); /* also the shim's: the one may tell the other when it is gone */
    int r = start_run(&s, &code);
    if (r == 1) return code; /* in the shim, at its end */
    if (r < 0) code = complain(r);
    sn_buf_done(&s.input);
    sn_arena_done(&s.arena);
    return code;
}

/* ---- delete ------------------------------------------------------------------------------------
 */

static int64_t wall(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t); /* banned: "delete" has no runtime */
    return t.tv_sec * SN_SEC + t.tv_nsec;
}

static int delete_container(const struct sn_shim_opts *o, const struct shim_record *rec,
                            uint32_t *ret_pid)
{
    char root[SHIM_PATH_MAX];
    int r = 0;
    if (rec->root[0])
        snprintf(root, sizeof(root), "%s", rec->root);
    else
        r = shim_root(NULL, o->ns, root, sizeof(root));
    struct sn_oci_host h = {.root = root};
    struct sn_oci_container *c;
    if (r >= 0) r = sn_oci_open(&h, o->id, &c);
    if (r == SN_E_NOT_FOUND) return 0; /* create had not come so far, or delete had */
    if (r < 0) return r;
    if (sn_oci_pid(c) > 0) *ret_pid = (uint32_t)sn_oci_pid(c);
    r = sn_oci_delete(c, true);
    sn_oci_close(c);
    return r;
}

/* forget_socket - that of a shim which is gone. */
static void forget_socket(void)
{
    char text[256] = {0};
    int fd = open("address", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
    if (fd >= 0) close(fd);
    if (n > 0 && sn_str_starts(sn_str(text), SN_STR("unix:///")))
        forget(text + sizeof("unix://") - 1);
}

int sn_shim_delete(const struct sn_shim_opts *o)
{
    char cwd[SHIM_PATH_MAX], rootfs[SHIM_PATH_MAX + 16];
    struct shim_record rec;
    const char *bundle = o->bundle && *o->bundle ? o->bundle : getcwd(cwd, sizeof(cwd));
    if (!bundle) return complain(sn_fail_errno(errno, "getcwd"));
    shim_record_read(bundle, &rec);
    uint32_t pid = rec.pid;
    int r = delete_container(o, &rec, &pid);
    if (r < 0) complain(r); /* what is left to do is done nevertheless */
    snprintf(rootfs, sizeof(rootfs), "%s/rootfs", bundle);
    int r2 = shim_unmount_all(rootfs);
    if (r2 < 0) complain(r2);
    forget_socket();
    int64_t at = rec.exited_ns ? rec.exited_ns : wall();
    struct google_protobuf_timestamp t = {.seconds = at / SN_SEC, .nanos = (int32_t)(at % SN_SEC)};
    struct containerd_task_v2_delete_response rep = {.pid = pid,
                                                     .exit_status =
                                                         rec.exited_ns ? rec.status : 128 + SIGKILL,
                                                     .exited_at = &t};
    struct sn_buf b;
    sn_buf_init(&b, 0);
    ssize_t n = containerd_task_v2_delete_response_encode(&rep, &b);
    r = n < 0 ? (int)n : write_out(sn_buf_view(&b));
    sn_buf_done(&b);
    return r < 0 ? complain(r) : 0;
}

int sn_shim_info(void)
{
    struct containerd_types_runtime_version v = {.version = SN_STR(SN_VERSION)};
    struct sn_buf features, b;
    sn_buf_init(&features, 0);
    sn_buf_init(&b, 0);
    int r = sn_oci_features(&features, 0);
    struct google_protobuf_any any = {
        .type_url = SN_STR("types.containerd.io/opencontainers/runtime-spec/1/features/Features"),
        .value = sn_buf_view(&features)};
    struct containerd_types_runtime_info info = {.name = SN_STR("io.containerd.sennit.v2"),
                                                 .version = &v,
                                                 .features = &any};
    ssize_t n = r < 0 ? r : containerd_types_runtime_info_encode(&info, &b);
    r = n < 0 ? (int)n : write_out(sn_buf_view(&b));
    sn_buf_done(&features);
    sn_buf_done(&b);
    return r < 0 ? complain(r) : 0;
}
