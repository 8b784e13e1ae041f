/* SPDX-License-Identifier: Apache-2.0 */
/* oci/parent_int.h - the calling process' side: making plans, cloning, answering the child. */
#pragma once
#include "clusters/oci/checkpoint.h"
#include "clusters/oci/init_int.h"

struct sn_oci_container {
    struct sn_oci_host host; /* root and strings borrowed from the caller's */
    char *id, *root;
    struct sn_oci_state_file state;
    int pidfd;     /* -1: not opened yet */
    bool released; /* create has let the program go on already */
    struct sn_cgroup_host probed;
    bool has_probed;
    struct sn_cgroup *cgroup;
};

/* A child being made; everything that is to be undone. */
struct sn_oci_birth {
    struct sn_oci_host host;
    struct sn_arena arena;
    struct sn_oci_spec *spec;
    struct sn_oci_process_spec *process;
    struct sn_oci_plan *plan;
    struct sn_seccomp_filter filter;
    int sock; /* our end */
    pid_t pid;
    int pidfd;
    int null_fd;
    int *ret_console;
    int console;        /* received master end, until the caller gets it */
    const char *status; /* what hooks are told */
};
/* sn_oci_container_new - a handle without state; sn_oci_close frees it. */
int sn_oci_container_new(const struct sn_oci_host *h, const char *id,
                         struct sn_oci_container **ret) SN_MUST_CHECK;
/* sn_oci_birth_init - empty plan; _done closes and frees, kills the child unless `keep`. */
int sn_oci_birth_init(struct sn_oci_birth *b, const struct sn_oci_host *h) SN_MUST_CHECK;
/* sn_oci_birth_kill - kills and reaps the child, if there is one. */
void sn_oci_birth_kill(struct sn_oci_birth *b);
void sn_oci_birth_done(struct sn_oci_birth *b, bool keep);
/* What create and exec are both given. */
struct sn_oci_streams {
    const int *stdio;
    const char *console_socket;
    int *ret_console;
    unsigned preserve_fds;
    bool terminal, detach;
};
int sn_oci_birth_streams(struct sn_oci_birth *b, const struct sn_oci_streams *s) SN_MUST_CHECK;
/* sn_oci_birth_env - the program's environment; listen_fds: see create's options. */
int sn_oci_birth_env(struct sn_oci_birth *b, unsigned listen_fds) SN_MUST_CHECK;
int sn_oci_birth_seccomp(struct sn_oci_birth *b, const char *root) SN_MUST_CHECK;
/* nodes.c: sn_oci_birth_nodes - devices that a user namespace's root could not make. */
int sn_oci_birth_nodes(struct sn_oci_birth *b) SN_MUST_CHECK;
/* sn_oci_birth_annotations - those that are orders to the runtime. */
void sn_oci_birth_annotations(struct sn_oci_birth *b);
/* sn_oci_birth_spawn - clones; `fn` is the child. flags: CLONE_NEW*. */
int sn_oci_birth_spawn(struct sn_oci_birth *b, uint64_t flags,
                       void (*fn)(struct sn_oci_plan *)) SN_MUST_CHECK;
/* sn_oci_birth_serve - answers the child until it is ready (1), has executed or ended (0). */
int sn_oci_birth_serve(struct sn_oci_birth *b) SN_MUST_CHECK;
/* sn_oci_birth_state - the JSON pieces for hooks and listeners. */
int sn_oci_birth_state(struct sn_oci_birth *b, const char *id, const char *bundle,
                       const struct sn_json *annotations) SN_MUST_CHECK;
int sn_oci_hook_state_make(struct sn_arena *a, const char *version, const char *id,
                           const char *bundle, struct sn_str annotations,
                           struct sn_oci_hook_state *ret) SN_MUST_CHECK;
/* sn_oci_hooks_run - all hooks of a kind in this process' namespaces. */
int sn_oci_hooks_run(const struct sn_oci_hook_list *l, const char *name,
                     const struct sn_oci_hook_state *s, const char *status,
                     pid_t pid) SN_MUST_CHECK;
/* userns.c */
int sn_oci_userns_map(pid_t pid, const struct sn_oci_id_maps *uids,
                      const struct sn_oci_id_maps *gids) SN_MUST_CHECK;
/* sn_oci_userns_fd - a user namespace with these maps and nobody in it. Returns the descriptor. */
int sn_oci_userns_fd(const struct sn_oci_id_maps *uids,
                     const struct sn_oci_id_maps *gids) SN_MUST_CHECK;
/* socket.c */
int sn_oci_socket_connect(const char *path) SN_MUST_CHECK;
int sn_oci_pid_file(const char *path, pid_t pid) SN_MUST_CHECK;
int sn_oci_pidfd_send(const char *path, int pidfd) SN_MUST_CHECK;
/* netdev.c */
int sn_oci_net_devices(const struct sn_oci_spec *s, pid_t pid) SN_MUST_CHECK;
/* sn_oci_file_read - a whole file into the arena, at most SN_OCI_CONFIG_BYTES_MAX. */
int sn_oci_file_read(struct sn_arena *a, const char *path, struct sn_str *ret) SN_MUST_CHECK;
/* sn_oci_cgroups - the host's, probed once for the handle. */
int sn_oci_cgroups(struct sn_oci_container *c, const struct sn_cgroup_host **ret) SN_MUST_CHECK;
void sn_oci_host_warn(const struct sn_oci_host *h, const char *fmt, ...) SN_PRINTF(2, 3);
/* sn_oci_lock_exec - waits until the child has executed or ended. */
int sn_oci_wait_executed(struct sn_oci_state_file *f) SN_MUST_CHECK;
/* sn_oci_lock_open - a lock of its own on the state file, for the child to inherit. */
int sn_oci_lock_open(struct sn_oci_state_file *f) SN_MUST_CHECK;
/* checkpoint.c: sn_oci_birth_restore - instead of spawn and serve: criu makes the process, which is
 * running afterwards, its pid and pidfd in b. Hooks prestart and createRuntime have run. */
int sn_oci_birth_restore(struct sn_oci_birth *b, struct sn_oci_container *c,
                         const struct sn_oci_criu_opts *o) SN_MUST_CHECK;
