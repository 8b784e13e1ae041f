/* SPDX-License-Identifier: Apache-2.0 */
/* clusters/oci/container.h - OCI containers: create, start, exec, signal, delete.
 *
 * A container is made by one clone3 from a parsed configuration: the child builds its root on
 * prepared data and never executes anything but the container's program, so there is no helper
 * binary and no second start. Its state lives in a mapped file below the host's root folder and can
 * be read and changed by any process, so the maker may end.
 *
 * Everything here is synchronous and sans fibers; the calling process may have other threads. The
 * child of a call is a child of the calling process, which waits for it (pidfd, waitid) and reaps
 * it; nothing here reaps or waits for SIGCHLD, except for short-lived helpers of the call itself.
 * Diagnostics begin with what tools match on ("container with given ID already exists", "container
 * does not exist", "container not running", "process already finished").
 *
 * Needs Linux 5.12 (mount_setattr); what is newer is probed.
 * Sources: OCI runtime-spec 1.3 (config.md, config-linux.md, runtime.md); clone3(2),
 * mount_setattr(2), openat2(2), pivot_root(2), user_namespaces(7), capabilities(7). */
#pragma once
#include "clusters/cgroup/cgroup.h"
#include "core/arena.h"
#include "core/base.h"
#include "core/str.h"
#include "wire/json.h"

#define SN_OCI_VERSION "1.3.0"
#define SN_OCI_ID_MAX 1024 /* bytes of an id; it is a folder's name, at most 255 */
#define SN_OCI_CGROUP_TEXT_MAX \
    2048 /* bytes of a location: cgroup.h allows more, no path here needs it */
#define SN_OCI_CONFIG_BYTES_MAX (4u << 20) /* config.json, process.json, resources.json */
#define SN_OCI_PRESERVE_FDS_MAX 4096
#define SN_OCI_CREATE_MS 10000 /* that start waits for a create in progress */
#define SN_OCI_KILL_MS 10000   /* until a killed process that does not end is an error */

/* What every call is given: where state lives, which cgroups there are. Zero value plus root works.
 */
struct sn_oci_host {
    const char *root; /* folder of the states, absolute; made (0700) if missing */
    const struct sn_cgroup_host *cgroups; /* NULL: probed by each call that needs it */
    bool systemd_cgroup;                  /* cgroupsPath is "slice:prefix:name" */
    bool rootless;                        /* cgroups that refuse are done without */
    bool no_cgroups;                      /* crun's --cgroup-manager=disabled */
    /* The calling process has one thread and ends after a sn_oci_exec: that one may change it, for
     * a clone less (its /proc/self/exe, its dumpable flag, the pid namespace of its children). */
    bool alone;
    const int *protect_fd; /* of sn_oci_protect_open, borrowed; NULL: made for each child */
    /* Told what is odd but no failure; may be NULL. Text without newline, valid for the call. */
    void (*warn)(void *arg, const char *text);
    void *warn_arg;
};

struct sn_oci_container;

struct sn_oci_source {
    const char *path;
    int fd; /* borrowed */
};

/* Where a process' standard streams come from: three descriptors, borrowed; -1 is /dev/null. A NULL
 * pointer to them is the caller's own 0, 1, 2. Ignored with a terminal. */
struct sn_oci_create_opts {
    const char *id;
    const char *bundle;         /* folder of config.json; relative to the working directory */
    struct sn_str config;       /* the text instead of BUNDLE/config.json; .ptr NULL: read it */
    const int *stdio;           /* [3] */
    const char *console_socket; /* AF_UNIX path that gets the terminal's master end; or NULL */
    int *ret_console;           /* or the master end itself, close-on-exec, the caller's; or NULL */
    const char *pidfd_socket;   /* AF_UNIX path that gets a pidfd of the container; or NULL */
    const char *pid_file;       /* written before the call returns; or NULL */
    unsigned preserve_fds;      /* so many descriptors from 3 on are passed to the program */
    /* A detached mount that becomes the root in place of what is at root.path, which is to be a
     * folder all the same; borrowed, the mount itself moves. NULL: none. */
    const int *root_tree;
    /* Mounts that have no place of their own: a bind mount whose source is `path` is one of `fd`.
     */
    const struct sn_oci_source *sources;
    unsigned n_sources;
    bool no_pivot; /* root on a ramdisk: move the root mount and chroot */
    bool no_new_keyring;
    unsigned listen_fds; /* so many of them are sockets: LISTEN_FDS and LISTEN_PID are set */
    bool detach;         /* nobody stays: a terminal needs a console socket */
    bool released;       /* the caller calls sn_oci_start next: the child does not wait for it */
};
/* sn_oci_create - everything up to the program's execution. Afterwards the child waits for
 * sn_oci_start (of any process). Hooks prestart, createRuntime, createContainer have run.
 * Returns 0; SN_E_ALREADY_EXISTS; SN_E_INVALID_ARGUMENT (the field, its value, what is allowed);
 * SN_E_SYNTAX; SN_E_NOT_FOUND (bundle, program); SN_E_PERMISSION_DENIED; SN_E_IO and what else the
 * kernel said; SN_E_NOMEM. On failure nothing is left and poststop hooks have run where create's
 * had. Owns: caller closes *ret. Context: any thread; blocks for the hooks. */
int sn_oci_create(const struct sn_oci_host *h, const struct sn_oci_create_opts *o,
                  struct sn_oci_container **ret) SN_MUST_CHECK;
/* sn_oci_open - a container some process made. Returns 0; SN_E_NOT_FOUND ("container does not
 * exist"); SN_E_DATA_LOSS (the state file is not ours); SN_E_INVALID_ARGUMENT (the id). */
int sn_oci_open(const struct sn_oci_host *h, const char *id,
                struct sn_oci_container **ret) SN_MUST_CHECK;
/* sn_oci_close - forgets the handle, the container stays. NULL is fine. */
void sn_oci_close(struct sn_oci_container *c);

/* sn_oci_id, _pid, _pidfd - borrowed. The pid is 0 once it has ended; the pidfd -1 then, else open
 * as long as the handle, readable when the process has ended. */
const char *sn_oci_id(const struct sn_oci_container *c);
pid_t sn_oci_pid(const struct sn_oci_container *c);
int sn_oci_pidfd(struct sn_oci_container *c);
/* sn_oci_cgroup - the container's group, opened on first use and borrowed: statistics, OOM events.
 * Returns 0; SN_E_NOT_FOUND (removed); SN_E_FAILED_PRECONDITION (made without). */
int sn_oci_cgroup(struct sn_oci_container *c, struct sn_cgroup **ret) SN_MUST_CHECK;

/* sn_oci_start - lets the program run, then the poststart hooks. Returns when it has been executed.
 * A container that another process is still creating is waited for, SN_OCI_CREATE_MS at most.
 * Returns 0; SN_E_FAILED_PRECONDITION (not in status created); why the program was not executed. */
int sn_oci_start(struct sn_oci_container *c) SN_MUST_CHECK;
/* sn_oci_kill - `all`: every process of the cgroup. Returns 0; SN_E_FAILED_PRECONDITION ("container
 * not running") where it has ended. */
int sn_oci_kill(struct sn_oci_container *c, int sig, bool all) SN_MUST_CHECK;
/* sn_oci_delete - removes cgroups and state, runs poststop hooks. force: kills what runs first.
 * A created container is killed in any case. The caller reaps the process if it is its child.
 * Returns 0; SN_E_FAILED_PRECONDITION (running). The handle is still to be closed. */
int sn_oci_delete(struct sn_oci_container *c, bool force) SN_MUST_CHECK;
/* sn_oci_pause, _resume - Returns 0, SN_E_FAILED_PRECONDITION (not running, not paused). */
int sn_oci_pause(struct sn_oci_container *c) SN_MUST_CHECK;
int sn_oci_resume(struct sn_oci_container *c) SN_MUST_CHECK;
/* sn_oci_update - applies a runtime-spec linux.resources object. Returns as sn_cgroup_apply. */
int sn_oci_update(struct sn_oci_container *c, const struct sn_json *resources) SN_MUST_CHECK;
/* sn_oci_pids - all processes of the container's cgroup. Returns as sn_cgroup_pids. */
int sn_oci_pids(struct sn_oci_container *c, struct sn_arena *a,
                struct sn_cgroup_pids *ret) SN_MUST_CHECK;

struct sn_oci_exec_opts {
    struct sn_str
        process;      /* JSON text of a runtime-spec process; members that are absent come
                       * from the container's own process (cwd, env, user, capabilities, ...) */
    const int *stdio; /* [3], as for create */
    const char *console_socket;
    int *ret_console;
    const char *pidfd_socket;
    const char *pid_file;
    const char *cgroup; /* below the container's group; NULL: the group itself */
    unsigned preserve_fds, listen_fds;
    bool detach;
    bool ignore_paused;
};
struct sn_oci_process {
    pid_t pid;
    int pidfd; /* close-on-exec; the caller's */
};
/* sn_oci_exec - runs a further program in the container; returns once it has been executed. The
 * process is a child of the caller, who reaps it.
 * Returns 0; SN_E_FAILED_PRECONDITION (not running, paused); SN_E_NOT_FOUND (program); as create.
 */
int sn_oci_exec(struct sn_oci_container *c, const struct sn_oci_exec_opts *o,
                struct sn_oci_process *ret) SN_MUST_CHECK;

enum sn_oci_status {
    SN_OCI_CREATING,
    SN_OCI_CREATED,
    SN_OCI_RUNNING,
    SN_OCI_PAUSED,
    SN_OCI_STOPPED,
};
/* sn_oci_status_name - "creating", "created", "running", "paused", "stopped". */
const char *sn_oci_status_name(enum sn_oci_status s);
struct sn_oci_state {
    struct sn_str oci_version, id, bundle, rootfs;
    struct sn_str annotations; /* JSON object text, empty where there are none */
    struct sn_str cgroup;      /* location, see cgroup.h; empty: made without */
    enum sn_oci_status status;
    pid_t pid;          /* 0 when stopped */
    int64_t created_ns; /* unix time */
    uint32_t owner;     /* uid that created it */
    bool terminal, systemd_cgroup;
};
/* sn_oci_state - a consistent reading. Strings are the arena's. Returns 0, SN_E_NOMEM, SN_E_IO. */
int sn_oci_state(struct sn_oci_container *c, struct sn_arena *a,
                 struct sn_oci_state *ret) SN_MUST_CHECK;
/* sn_oci_config - the configuration it was created with, as text in the arena. */
int sn_oci_config(struct sn_oci_container *c, struct sn_arena *a, struct sn_str *ret) SN_MUST_CHECK;

struct sn_oci_ids {
    struct sn_str *ptr; /* the arena's, sorted */
    size_t n;
};
/* sn_oci_list - ids of all containers of the host; a missing root folder has none. */
int sn_oci_list(const struct sn_oci_host *h, struct sn_arena *a,
                struct sn_oci_ids *ret) SN_MUST_CHECK;

/* sn_oci_mount_add, _remove - a mount in the namespace of a live container. mounts: JSON array of
 * runtime-spec mounts (remove reads their destinations). Returns 0 or as create. */
int sn_oci_mounts_add(struct sn_oci_container *c, const struct sn_json *mounts) SN_MUST_CHECK;
int sn_oci_mounts_remove(struct sn_oci_container *c, const struct sn_json *mounts) SN_MUST_CHECK;

/* sn_oci_features - what this runtime can, appended as JSON. indent: 0 for one line. Returns 0, the
 * buffer's error. */
int sn_oci_features(struct sn_buf *out, unsigned indent) SN_MUST_CHECK;

/* sn_oci_protects - whether this kernel lets a child replace its /proc/self/exe, so that no
 * container can reach the runtime's own file (CVE-2019-5736). Create and exec do it in their child.
 * sn_oci_protect_open - the file that takes its place, close-on-exec, the caller's: a daemon opens
 * it once and puts it into its host (protect_fd). It is the program's own through a read-only mount
 * that has no name, or a sealed copy where that cannot be. Returns it; SN_E_UNIMPLEMENTED (the
 * kernel, a sanitizer); what the kernel said. */
bool sn_oci_protects(void);
int sn_oci_protect_open(void) SN_MUST_CHECK;
