/* SPDX-License-Identifier: Apache-2.0 */
/* shim/shim_int.h - what the files of the folder share. */
#pragma once
#include "clusters/oci/checkpoint.h"
#include "clusters/oci/container.h"
#include "clusters/shim/shim.h"
#include "clusters/task/task.h"
#include "clusters/ttrpc/ttrpc.h"
#include "containerd/bootstrap.pb.h"
#include "containerd/cgroups_v1.pb.h"
#include "containerd/cgroups_v2.pb.h"
#include "containerd/events.pb.h"
#include "containerd/forward.pb.h"
#include "containerd/runc_options.pb.h"
#include "containerd/sandbox.pb.h"
#include "containerd/task.pb.h"
#include "containerd/task_types.pb.h"
#include "containerd/types.pb.h"
#include "core/list.h"
#include "fiber/sync.h"

#define SHIM_PATH_MAX 1024u /* bytes with the NUL: of bundles, roots, options of mounts */

/* One container: what the task layer does not know. */
struct shim_container {
    struct sn_list link;
    char *bundle, *rootfs; /* rootfs: where we have mounted, "" where nothing */
    struct sn_arena arena; /* of the request that created it */
    const struct containerd_task_v2_create_task_request *req;
    char id[];
};
struct shim_event {
    struct sn_list link;
    const char *topic;
    const char *type; /* of the message, as Any names it */
    int64_t at_ns;
    size_t len;
    char data[];
};
struct shim {
    const char *id, *ns, *ttrpc_address;
    char *root; /* of the containers' states: set by the first create */
    char socket[120];
    struct sn_cgroup_host cgroups;
    struct sn_oci_host oci;
    int protect_fd; /* stands for our file in containers; -1: made for each child */
    struct sn_task_host *tasks;
    struct sn_ttrpc_server *server;
    struct sn_list containers;
    unsigned n_containers;
    /* events */
    struct sn_list events;
    unsigned n_events;
    bool publishing;
    struct sn_event *flushed; /* set when the publisher has ended */
    struct sn_event stop;     /* of the publisher's pauses, and of waiting for the sandbox */
    /* sandbox */
    char *sandbox_id;
    int64_t sandbox_created_ns, sandbox_stopped_ns;
    bool sandbox_ready;
    struct sn_event sandbox_over;
};

/* mount.c: synchronous, no fibers. */
/* shim_mount_all - in order, on `rootfs` or where a mount's target is inside it; on failure nothing
 * stays mounted. Returns 0, SN_E_INVALID_ARGUMENT (an option, named), what the kernel said. */
int shim_mount_all(struct containerd_types_mount *const *m, unsigned n,
                   const char *rootfs) SN_MUST_CHECK;
/* shim_unmount_all - everything on `rootfs`, lazily where it is busy. Returns 0, also where nothing
 * was. */
int shim_unmount_all(const char *rootfs) SN_MUST_CHECK;

/* record.c: the file of a bundle that outlives the shim. */
struct shim_record {
    char root[SHIM_PATH_MAX]; /* "" where there is no record */
    uint32_t pid, status;
    int64_t exited_ns; /* 0: it has not, as far as is known */
};
int shim_record_write(const char *bundle, const struct shim_record *r) SN_MUST_CHECK;
void shim_record_read(const char *bundle, struct shim_record *ret);
/* shim_root - the folder of states: BASE/NAMESPACE, BASE from runc's options or SN_SHIM_STATE_ROOT.
 */
int shim_root(const char *base, const char *ns, char *out, size_t cap) SN_MUST_CHECK;

/* events.c */
void shim_publish(struct shim *s, const char *topic, const struct sn_pb_desc *d, const void *msg);
/* shim_flush - until all events have been forwarded, SN_SHIM_FLUSH_NS_MAX at most. Suspends. */
void shim_flush(struct shim *s);
/* shim_task_event - the task layer's events, as containerd's. */
void shim_task_event(void *arg, const struct sn_task_event *e);

/* options.c */
struct shim_options {
    const char *root;   /* of states; NULL: SN_SHIM_STATE_ROOT */
    const char *cgroup; /* that the shim joins; NULL: containerd's */
    const char *criu_work;
    bool systemd_cgroup, no_pivot_root, no_new_keyring;
};
/* shim_options - any may be NULL, or another runtime's. Texts are the arena's. Returns 0,
 * SN_E_SYNTAX, SN_E_INVALID_ARGUMENT (the setting, what is expected), SN_E_NOT_FOUND (the file). */
int shim_options(const struct google_protobuf_any *any, struct sn_arena *a,
                 struct shim_options *ret) SN_MUST_CHECK;
/* shim_criu_options - of a checkpoint; absent ones leave the container running. */
int shim_criu_options(const struct google_protobuf_any *any, struct sn_arena *a,
                      struct sn_oci_criu_opts *ret) SN_MUST_CHECK;

/* metrics.c */
int shim_metrics(const struct sn_cgroup_stats *st, struct sn_arena *a,
                 struct google_protobuf_any *ret) SN_MUST_CHECK;
/* shim_metrics_add - what can be summed of several groups; sum begins as zero. */
int shim_metrics_add(struct sn_cgroup_stats *sum, const struct sn_cgroup_stats *one,
                     struct sn_arena *a) SN_MUST_CHECK;

/* service.c, sandbox.c */
extern const struct sn_ttrpc_service shim_task_v2, shim_task_v3, shim_sandbox;
struct shim_container *shim_find(struct shim *s, const char *id);
/* shim_shutdown - once no task is left: the server stops after this call's reply. */
void shim_shutdown(struct sn_ttrpc_call *c, struct shim *s);
struct google_protobuf_timestamp *shim_time(struct sn_arena *a, int64_t ns);
/* shim_any - `type` without a prefix, as containerd's typeurl writes it. */
int shim_any(struct sn_arena *a, const struct sn_pb_desc *d, const void *msg,
             struct google_protobuf_any *ret) SN_MUST_CHECK;

/* serve.c */
/* shim_serve - line: to "start", which says over it that it has answered. */
int shim_serve(const struct sn_shim_opts *o, int listen_fd, int line, const char *socket);
/* shim_start_said - start.c: waits for that, and closes the line. Returns false where it was killed
 * before, so that nobody knows of us. */
bool shim_start_said(int line);
void shim_log(const char *fmt, ...) SN_PRINTF(1, 2);
