/* SPDX-License-Identifier: Apache-2.0 */
/* oci/init_int.h - the child's side: what it is given, and its steps.
 *
 * The child of a program with threads may only make system calls until it executes: everything it
 * needs is in struct sn_oci_plan, made before. A step that fails does not return: sn_oci_die tells
 * the parent (or, once created, the starter through the state file) and ends the child. */
#pragma once
#include <limits.h>

#include "clusters/cgroup/cgroup.h"
#include "clusters/oci/spec_int.h"
#include "clusters/oci/state_int.h"
#include "clusters/oci/sys_int.h"
#include "clusters/seccomp/seccomp.h"

#define SN_OCI_MESSAGE_MAX 600     /* bytes of a message between child and parent */
#define SN_OCI_COPYUP_DEPTH_MAX 32 /* folders below each other that tmpcopyup copies */
#define SN_OCI_HOME_MAX (PATH_MAX + 8)
#define SN_OCI_NAMESPACES 8

/* The state as hooks read it, in the pieces around what is known late. */
struct sn_oci_hook_state {
    struct sn_str head, middle, tail; /* head STATUS middle PID tail */
};
enum { SN_OCI_NODE_HOST = -1, SN_OCI_NODE_MADE = -2 };
struct sn_oci_plan_mount {
    int tree; /* the source as a detached mount, or -1: the child opens it */
};
#define SN_OCI_CRIU_INHERIT_MAX 2 /* namespaces by path that criu is handed: network, pid */
#define SN_OCI_CRIU_IMAGES_FD 4
#define SN_OCI_CRIU_WORK_FD 5
#define SN_OCI_CRIU_INHERIT_FD 6
struct sn_oci_criu_child {
    const char *path;          /* the program */
    const char *root;          /* restore: where the root is mounted for it; NULL: checkpoint */
    const char *images, *work; /* folders; the latter may be NULL */
    int inherit[SN_OCI_CRIU_INHERIT_MAX]; /* become SN_OCI_CRIU_INHERIT_FD and up */
    size_t n_inherit;
};
struct sn_oci_plan {
    const struct sn_oci_spec *spec;
    const struct sn_oci_process_spec *process;
    const char *id, *rootfs;
    struct sn_oci_state_map *state; /* NULL for exec */
    const struct sn_cgroup_host *cgroup_host;
    const struct sn_cgroup *cgroup; /* NULL: none */
    bool born_v2;                   /* the clone puts it into the v2 group */
    int sock;   /* to the parent; close-on-exec, its end means executed or dead */
    int pid_to; /* stage 0's pipe for the pid of the real child, or -1 */
    int lock;   /* holds the lock that start waits for; -1 for exec */
    int proc;   /* the host's /proc */
    int stdio[3];
    unsigned preserve_fds;
    int root_tree; /* the root as a detached mount, or -1 */
    struct sn_oci_plan_mount *mounts;
    int nodes_fs; /* detached file system with nodes "0", "1", ... of spec->devices, or -1 */
    int *nodes;   /* SN_OCI_NODE_*, or the child's descriptor of the node; NULL: it makes them */
    int ns_fd[SN_OCI_NAMESPACES]; /* of spec->namespaces with a path, else -1 */
    uint64_t ns_flag[SN_OCI_NAMESPACES];
    int target;            /* exec: pidfd of the container, whose namespaces are entered; else -1 */
    uint64_t target_flags; /* CLONE_NEW* of them */
    bool direct;           /* exec without stage 0: the parent has taken its steps */
    int console_sock;
    bool console_wanted; /* the parent wants the master end by the socket */
    int exe;             /* sealed file that takes the place of /proc/self/exe, or -1 */
    bool exe_text;       /* it has the program's text */
    const struct sn_seccomp_filter *seccomp;
    int seccomp_sock;
    struct sn_oci_hook_state hook_state, listener_state; /* the latter: head PID middle PID tail */
    const char **env; /* the program's, with a free slot before the NULL */
    char *home;       /* SN_OCI_HOME_MAX bytes for "HOME=..." */
    bool userns;      /* lives in a user namespace that is not ours */
    bool rootless, no_pivot, new_keyring, dev_bound, ready, affinity_in_child;
    bool shared_mounts; /* no mount namespace of its own: the root is mounted on its path, chroot */
    bool want_maps;     /* the child waits until the parent has mapped users, or set limits */
    bool sync;          /* it waits for hooks that the parent runs */
    bool keep_groups;   /* the caller's supplementary groups stay: crun's annotation, podman's
                           keep-groups */
    struct sn_str session; /* keyring's name */
    pid_t pid;             /* own, as the parent sees it; known after the first answer */
    const struct sn_oci_criu_child *criu; /* what a child that becomes criu is given */
    /* Paths being worked on: a caller's stack may be a fiber's. */
    char part[PATH_MAX], dir[PATH_MAX], link[PATH_MAX];
};

enum sn_oci_message_kind {
    SN_OCI_MSG_FAILED = 'E',  /* value: errno; text: what */
    SN_OCI_MSG_MAPS = 'M',    /* namespaces are made: maps are wanted */
    SN_OCI_MSG_HOOKS = 'H',   /* mounts are made: prestart and createRuntime hooks are to run */
    SN_OCI_MSG_CONSOLE = 'C', /* carries the master end */
    SN_OCI_MSG_READY = 'R',   /* created; waits for start */
    SN_OCI_MSG_GO = 'G',      /* parent's answer; value: the child's pid */
};
struct sn_oci_message {
    int32_t kind, value;
    char text[SN_OCI_MESSAGE_MAX];
};
/* sn_oci_message_send, _receive - one packet; fd: passed along, or -1 (ret_fd may be NULL).
 * Return 0, or -errno; receive: -EPIPE at the end. Async-signal-safe. */
int sn_oci_message_send(int sock, int kind, int value, const char *text, int fd);
/* sn_oci_fd_send - bytes and one descriptor; what console and listener sockets get. 0 or -errno. */
int sn_oci_fd_send(int sock, const void *data, size_t n, int fd);
int sn_oci_message_receive(int sock, struct sn_oci_message *m, int *ret_fd);

SN_NORETURN void sn_oci_die(struct sn_oci_plan *p, int err, const char *fmt, ...) SN_PRINTF(3, 4);
/* sn_oci_init - the child of create, up to and including the execution. */
SN_NORETURN void sn_oci_init(struct sn_oci_plan *p);
/* sn_oci_init_exec - the child of exec, inside the container's namespaces already. */
SN_NORETURN void sn_oci_init_exec(struct sn_oci_plan *p);
/* sn_oci_stage - what a child does first: cgroups, descriptors, signals, its own file. */
void sn_oci_stage(struct sn_oci_plan *p);
void sn_oci_close_others(const struct sn_oci_plan *p);

/* init_root.c */
int sn_oci_root_open(struct sn_oci_plan *p); /* descriptor of the attached root */
void sn_oci_root_enter(struct sn_oci_plan *p, int root);
/* sn_oci_target - descriptor (O_PATH) of a mount's place below root, made if missing. */
int sn_oci_target(struct sn_oci_plan *p, int root, const char *path, bool dir, bool nofollow);
void sn_oci_attach(struct sn_oci_plan *p, int mount, int target, const char *path);
/* sn_oci_parent_of - opens the folder of `path` in the root, made if missing; ret_name: the last
 * part. */
int sn_oci_parent_of(struct sn_oci_plan *p, int root, const char *path, const char **ret_name);
void sn_oci_mkdirs(struct sn_oci_plan *p, int root, const char *path, mode_t mode);
/* init_mount.c */
void sn_oci_mount_all(struct sn_oci_plan *p, int root);
void sn_oci_mount_one(struct sn_oci_plan *p, int root, const struct sn_oci_mount *m,
                      const struct sn_oci_plan_mount *pm);
int sn_oci_mount_make(struct sn_oci_plan *p, const struct sn_oci_mount *m, uint64_t attrs);
/* init_cgroup.c */
void sn_oci_mount_cgroup(struct sn_oci_plan *p, int root, const struct sn_oci_mount *m);
/* init_dev.c */
extern const struct sn_oci_device sn_oci_devices_every[]; /* that every container has; NULL ends */
/* sn_oci_device_kind - S_IFBLK, S_IFCHR or S_IFIFO. */
mode_t sn_oci_device_kind(const struct sn_oci_device *d);
void sn_oci_devices(struct sn_oci_plan *p, int root);
void sn_oci_mask(struct sn_oci_plan *p, int root);
void sn_oci_console(struct sn_oci_plan *p, int root, bool bind);
void sn_oci_stdio(struct sn_oci_plan *p);
/* init_creds.c */
void sn_oci_become_root(struct sn_oci_plan *p);
void sn_oci_limits(struct sn_oci_plan *p);
void sn_oci_credentials(struct sn_oci_plan *p);
void sn_oci_labels(struct sn_oci_plan *p);
/* init_exec.c */
void sn_oci_program_check(struct sn_oci_plan *p);
void sn_oci_home(struct sn_oci_plan *p);
SN_NORETURN void sn_oci_execute(struct sn_oci_plan *p, int cwd);

/* init_criu.c: sn_oci_init_criu - the child that becomes criu; before, it sends READY with the
 * socket to speak to criu by. */
void sn_oci_init_criu(struct sn_oci_plan *p);

/* hooks.c: sn_oci_hook_run - runs one hook, the state on its standard input; env: where the
 * configuration has none for it. Returns 0, an errno, or -1 with how it ended in `text`.
 * Async-signal-safe. */
int sn_oci_hook_run(const struct sn_oci_hook *h, char *const *env,
                    const struct sn_oci_hook_state *s, const char *status, pid_t pid,
                    char text[SN_OCI_MESSAGE_MAX]);
/* protect.c: sn_oci_protect_self - /proc/self/exe becomes `fd`. 0 or -errno. Async-signal-safe. */
int sn_oci_protect_self(int fd, bool has_text);
/* sn_oci_protect_file - a sealed file in memory for it, with the program's text or empty,
 * close-on-exec, or -errno. Async-signal-safe. */
int sn_oci_protect_file(bool text);
/* sn_oci_protect_text - whether this program is so large that the file is to have the text. */
bool sn_oci_protect_text(void);
