/* SPDX-License-Identifier: Apache-2.0 */
/* cri/keeper.h - the body of the sennit-keeper program. */
#pragma once
#include "core/base.h"

#define SN_KEEPER_SYSCTLS_MAX 64u

struct sn_keeper_opts {
    const char *dir;            /* of the pod: its socket and the runtime's state go there */
    const char *hostname;       /* of a UTS namespace; may be NULL */
    int netns_fd;               /* -1: the host's network */
    bool ipc, uts, pid;         /* namespaces of the pod's own; pid: with a process 1 in it */
    uint64_t shm_bytes;         /* of the pod's own /dev/shm; 0: it has none, or the daemon mounts it */
    /* A user namespace, and all others in it, held by the pod's process 1 instead: id 0 is
     * uid_host and gid_host outside, and so many follow. size 0: none. */
    uint32_t uid_host, uid_size, gid_host, gid_size;
    const char *const *sysctls; /* "name=value" */
    unsigned n_sysctls;
};
/* sn_keeper_run - holds the pod until it is told to quit. Returns the exit status. Context: the
 * whole of a single-threaded program; descriptor 1 gets a line that says whether the pod is there.
 */
int sn_keeper_run(const struct sn_keeper_opts *o);
