/* SPDX-License-Identifier: Apache-2.0 */
/* cri/cri_int.h - between the files of this folder. */
#pragma once
#include "clusters/cgroup/cgroup.h"
#include "clusters/cni/cni.h"
#include "clusters/cri/cri.h"
#include "clusters/image/image.h"
#include "clusters/netlink/netns.h"
#include "core/alloc.h"
#include "core/list.h"
#include "core/map.h"
#include "core/status.h"
#include "fiber/os.h"
#include "fiber/sync.h"
#include "kit/grpc.h"
#include "runtime/v1/api.grpc.h"
#include "wire/json.h"

#define CRI_ID_LEN 64u
#define CRI_IPS_MAX 4u
#define CRI_KEEPER_MESSAGE_MAX (160u << 10)
#define CRI_STOP_NS (10 * SN_SEC) /* until a killed container that does not end is an error */
#define CRI_EXEC_SYNC_BYTES_MAX (16u << 20) /* of each stream of an ExecSync */
#define CRI_STREAMS_MAX 1024u               /* open tokens of Exec, Attach, PortForward */
#define CRI_SHM_BYTES (64u << 20) /* of a pod's /dev/shm */
#define CRI_TOKEN_NS (60 * SN_SEC)

struct cri_pod;

/* ---- the keeper, from the daemon's side ---- */
struct cri_keeper {
    int fd, pid, pause;
    bool shm; /* it holds the pod's /dev/shm: nothing is mounted in the pod's folder */
    bool dead;
    struct sn_mutex call; /* one request at a time */
    uint32_t seq;
    struct sn_event *waiting; /* of the request under way */
    struct sn_buf reply;
    int reply_fd;
    struct cri_pod *pod;
};
/* An exec whose end somebody waits for. */
struct cri_exec {
    struct sn_list link;
    char key[20];
    struct sn_event ended;
    int code;
};

enum cri_state {
    CRI_CREATED,
    CRI_RUNNING,
    CRI_EXITED,
    CRI_UNKNOWN
}; /* numbers of ContainerState */

struct cri_ctr {
    char id[CRI_ID_LEN + 1];
    struct sn_arena arena;
    struct cri_pod *pod;
    struct sn_list link; /* of the pod's containers */
    const struct runtime_v1_container_config *config;
    struct sn_str image_ref, image_id, rootfs, log_path;
    struct sn_image_config image;
    struct sn_image_user user;
    struct sn_str stop_signal;
    enum cri_state state;
    bool starting, removed, oom;
    int pid, exit_code;
    int root_fd; /* its root, mounted nowhere, until the keeper has it; -1 */
    int64_t created_ns, started_ns, finished_ns;
    struct sn_str reason, message;
    struct sn_event ended;
    const struct runtime_v1_linux_container_resources *resources;
    uint64_t cpu_ns; /* as of the statistics before, for the rate */
    int64_t cpu_at;
    uint64_t nano_cores;
    unsigned refs;
};
struct cri_pod {
    char id[CRI_ID_LEN + 1];
    struct sn_arena arena;
    struct sn_cri *s;
    struct sn_mutex op; /* one change at a time */
    const struct runtime_v1_pod_sandbox_config *config;
    struct sn_str handler;
    const char *program; /* of the handler */
    bool made; /* false until RunPodSandbox has succeeded */
    bool ready, removed, host_network, networked, shm;
    int64_t created_ns;
    struct sn_ip ips[CRI_IPS_MAX];
    unsigned n_ips;
    struct cri_keeper keeper;
    struct sn_list ctrs, execs;
    struct sn_str cgroup; /* parent of its containers' */
    bool own_cgroup;
    unsigned refs;
};

struct cri_watcher { /* one who reads GetContainerEvents */
    struct sn_list link;
    struct sn_chan *queue;
    bool overrun;
};
struct cri_stream { /* a URL that was given out */
    char token[44];
    int64_t until_ns;
    enum { CRI_STREAM_EXEC, CRI_STREAM_ATTACH, CRI_STREAM_FORWARD } kind;
    char id[CRI_ID_LEN + 1]; /* container's or pod's */
    bool in, out, err, tty;
    struct sn_str *cmd;
    size_t n_cmd;
    struct sn_arena arena;
};

struct sn_cri {
    struct sn_mutex mu; /* guards the maps and every field of pods and containers that changes */
    struct sn_map pods, ctrs; /* by id */
    struct sn_map names;      /* "name_namespace_uid_attempt" of a pod to its id */
    char *run_dir, *state_dir, *keeper, *cgroup_root, *seccomp_dir;
    struct sn_cri_handler handlers[SN_CRI_HANDLERS_MAX];
    unsigned n_handlers;
    struct sn_image_store *images;
    struct sn_cni *cni;
    struct sn_netns_pool *pool;
    struct sn_cgroup_host cgroups;
    bool insecure;
    bool userns; /* pods with user namespaces work here; else why not */
    char userns_why[SN_DIAG_BYTES];
    struct sn_list watchers;
    struct cri_stream *streams[CRI_STREAMS_MAX];
    char stream_base[96]; /* "http://127.0.0.1:41234" */
    struct sn_listener *stream_listener;
    struct sn_http_server *stream_http;
    struct sn_scope_storage scope_mem;
    struct sn_scope *scope; /* of the keepers' readers, the pool's filler, the streams */
    struct sn_str pod_cidr;
};

/* ---- objects (state.c) ---- */
void cri_new_id(char out[CRI_ID_LEN + 1]);
/* Find by full id or a unique beginning; the caller has a reference. The message goes to the
 * client. */
int cri_pod_get(struct sn_cri *s, struct sn_grpc_call *c, struct sn_str id,
                struct cri_pod **ret) SN_MUST_CHECK;
int cri_ctr_get(struct sn_cri *s, struct sn_grpc_call *c, struct sn_str id,
                struct cri_ctr **ret) SN_MUST_CHECK;
struct cri_pod *cri_pod_ref(struct cri_pod *p);
void cri_pod_unref(struct cri_pod *p);
void cri_ctr_unref(struct cri_ctr *c);
struct cri_pod *cri_pod_new(struct sn_cri *s, const char *id);
struct cri_ctr *cri_ctr_new(struct cri_pod *p, const char *id);
int cri_pod_link(struct cri_pod *p) SN_MUST_CHECK; /* into the maps; takes a reference */
int cri_ctr_link(struct cri_ctr *c) SN_MUST_CHECK;
void cri_pod_unlink(struct cri_pod *p);
void cri_ctr_unlink(struct cri_ctr *c);
int cri_pod_save(struct cri_pod *p) SN_MUST_CHECK;
int cri_ctr_save(struct cri_ctr *c) SN_MUST_CHECK;
void cri_ctr_exited(struct cri_ctr *c, int code, int64_t at_ns, bool oom);
int cri_restore(struct sn_cri *s) SN_MUST_CHECK;
/* The failure `r` with its diagnostic as the call's message. */
int cri_fail(struct sn_grpc_call *c, int r);
struct sn_str cri_path(struct sn_arena *a, const char *dir, const char *kind, const char *id,
                       const char *file);
int cri_remove_tree(const char *path);

/* ---- keeper (keeper_client.c) ---- */
int cri_keeper_start(struct cri_pod *p, int netns_fd) SN_MUST_CHECK;
int cri_keeper_connect(struct cri_pod *p) SN_MUST_CHECK;
void cri_keeper_stop(struct cri_pod *p);
struct cri_msg {
    struct sn_buf b;
    struct sn_jsonw w;
    const int *fds;
    unsigned n_fds;
    int *ret_fd;
};
void cri_msg_begin(struct cri_msg *m, const char *op, const char *id);
/* cri_keeper_call - sends it, waits for the answer; frees the message. ret may be NULL. */
int cri_keeper_call(struct cri_pod *p, struct cri_msg *m, struct sn_arena *a,
                    const struct sn_json **ret) SN_MUST_CHECK;
int cri_keeper_simple(struct cri_pod *p, const char *op, const char *id) SN_MUST_CHECK;
int cri_keeper_kill(struct cri_ctr *c, const char *key, int sig, bool all) SN_MUST_CHECK;

/* ---- user namespaces (userns.c) ---- */
int cri_userns_check(const struct runtime_v1_namespace_option *ns) SN_MUST_CHECK;
/* cri_userns_agrees - whether the container says of it what its pod says. */
int cri_userns_agrees(const struct cri_ctr *c) SN_MUST_CHECK;
/* cri_pod_userns - the pod's own user namespace; NULL: the host's. */
const struct runtime_v1_user_namespace *cri_pod_userns(const struct cri_pod *p);
int cri_pod_userns_open(const struct cri_pod *p) SN_MUST_CHECK; /* the caller's descriptor */
int cri_pod_holder(const struct cri_pod *p); /* pid of who has its network, IPC, UTS namespaces */
void cri_userns_probe(struct sn_cri *s);

/* ---- the kernel's security modules (security.c) ---- */
struct cri_labels { /* .ptr NULL: none */
    struct sn_str apparmor, selinux;
};
int cri_security(const struct runtime_v1_container_config *cfg, struct sn_arena *a,
                 struct cri_labels *ret) SN_MUST_CHECK;
int cri_selinux_check(const struct runtime_v1_se_linux_option *o) SN_MUST_CHECK;
/* cri_armor_listed - whether the kernel's list of loaded profiles has this one. */
bool cri_armor_listed(struct sn_str list, struct sn_str profile);

/* ---- the runtime's configuration (spec.c) ---- */
struct cri_spec {
    const struct cri_ctr *ctr;
    struct sn_str seccomp; /* JSON of linux.seccomp, or .ptr NULL */
    struct cri_labels labels;
    int target_pid;        /* of a container whose PID namespace is joined; 0 = none */
    bool cgroup_v2;
    const char *dir; /* of the pod: hosts, resolv.conf, hostname, shm */
    struct sn_arena *a;
};
int cri_spec_write(struct cri_spec *sp, struct sn_buf *out) SN_MUST_CHECK;
/* cri_process_write - the process of an exec: the container's with another command. */
int cri_process_write(const struct cri_ctr *c, const struct sn_str *cmd, size_t n, bool tty,
                      struct sn_arena *a, struct sn_buf *out) SN_MUST_CHECK;
int cri_resources_write(struct sn_jsonw *w, const struct runtime_v1_linux_container_resources *r);
int cri_seccomp(struct sn_cri *s, const struct cri_ctr *c, struct sn_arena *a,
                struct sn_str *ret) SN_MUST_CHECK;
/* cri_seccomp_default - the profile for RuntimeDefault, of these capabilities. */
int cri_seccomp_default(struct sn_arena *a, bool (*has_cap)(const char *cap, void *arg), void *arg,
                        struct sn_str *ret) SN_MUST_CHECK;
struct cri_caps { /* of a container: bits of the capabilities' numbers */
    uint64_t bounding, ambient;
};
int cri_caps(const struct runtime_v1_linux_container_security_context *sc,
             struct cri_caps *ret) SN_MUST_CHECK;
const char *cri_cap_name(unsigned i); /* NULL beyond the last */
/* cri_check_mounts - what of a container's mounts can be judged without the disk. */
int cri_check_mounts(const struct runtime_v1_container_config *cfg) SN_MUST_CHECK;
/* cri_volume_key - the image store's name for the image that mount i shows. */
struct sn_str cri_volume_key(const struct cri_ctr *c, unsigned i, struct sn_arena *a);
int cri_signal_number(struct sn_str name); /* "SIGTERM", "TERM", "15"; SIGTERM for nonsense */
struct sn_str cri_ctr_cgroup(const struct cri_ctr *c, struct sn_arena *a);

/* ---- processes in containers (exec.c) ---- */
struct cri_exec_opts {
    const struct sn_str *cmd;
    size_t n;
    bool tty;
    int fds[3]; /* without a terminal */
    int *ret_console;
};
int cri_exec_start(struct cri_ctr *c, const struct cri_exec_opts *o,
                   struct cri_exec *e) SN_MUST_CHECK;
void cri_exec_done(struct cri_ctr *c, struct cri_exec *e);

/* ---- the rest ---- */
int cri_pod_stop(struct cri_pod *p) SN_MUST_CHECK; /* with p->op held */
int cri_ctr_stop(struct cri_ctr *c, int64_t timeout_ns) SN_MUST_CHECK;
int cri_ctr_remove(struct cri_ctr *c) SN_MUST_CHECK;
/* cri_ctr_reap - its processes are killed and its group removed, where no keeper does it. */
void cri_ctr_reap(struct cri_ctr *c);
/* cri_pod_down - stops and forgets it, leaves nothing; p->op held, or nobody else has it. */
int cri_pod_down(struct cri_pod *p) SN_MUST_CHECK;
int cri_pod_files(struct cri_pod *p) SN_MUST_CHECK;
void cri_event(struct sn_cri *s, struct cri_pod *p, const char *id, int type);
int cri_stream_open(struct sn_cri *s, const char *addr) SN_MUST_CHECK;
void cri_stream_close(struct sn_cri *s);
int cri_stream_url(struct sn_cri *s, struct cri_stream *st, struct sn_arena *a,
                   struct sn_str *ret) SN_MUST_CHECK;
struct runtime_v1_pod_sandbox_status *cri_pod_status(struct cri_pod *p, struct sn_arena *a);
struct runtime_v1_container_status *cri_ctr_status(struct cri_ctr *c, struct sn_arena *a);
bool cri_labels_match(const void *labels, const void *selector);
void cri_handlers_pods(struct runtime_v1_runtime_service_handlers *h);
void cri_handlers_ctrs(struct runtime_v1_runtime_service_handlers *h);
void cri_handlers_update(struct runtime_v1_runtime_service_handlers *h);
void cri_handlers_exec(struct runtime_v1_runtime_service_handlers *h);
void cri_handlers_stats(struct runtime_v1_runtime_service_handlers *h);
void cri_handlers_metrics(struct runtime_v1_runtime_service_handlers *h);
void cri_handlers_events(struct runtime_v1_runtime_service_handlers *h);
void cri_handlers_images(struct runtime_v1_image_service_handlers *h);
