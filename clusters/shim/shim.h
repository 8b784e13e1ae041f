/* SPDX-License-Identifier: Apache-2.0 */
/* shim/shim.h - the process between containerd and the containers of a pod.
 *
 * containerd runs the program with "start", reads from its output where the shim listens, and from
 * then on speaks ttrpc with it; it runs it with "delete" to have a dead shim's container cleaned up. The
 * shim serves containerd.task.v2.Task, containerd.task.v3.Task and containerd.runtime.sandbox.v1.Sandbox
 * and forwards what happens to containerd.services.events.ttrpc.v1.Events.
 *
 * One process serves all containers of a pod. It knows nothing that is not also on disk: the
 * containers' states below the root, and a record in each bundle.
 *
 * Sources: containerd's docs and api v1.12; what versions 1.6 to 2.4 send and accept. */
#pragma once
#include "core/base.h"

#define SN_SHIM_INPUT_MAX (10u << 20)      /* bytes that "start" reads from its input */
#define SN_SHIM_EVENTS_MAX 4096u           /* not yet forwarded; beyond it the oldest is dropped, aloud */
#define SN_SHIM_EVENT_NS_MAX (5 * SN_SEC)  /* for containerd to take one */
#define SN_SHIM_RETRY_NS_MAX (5 * SN_SEC)  /* between two attempts */
#define SN_SHIM_FLUSH_NS_MAX (5 * SN_SEC)  /* for events left when the shim ends */
#define SN_SHIM_UNMOUNTS_MAX 1024u         /* mounts on one root file system */
#define SN_SHIM_MOUNTS_MAX 64u             /* that containerd may ask for in one create */
#define SN_SHIM_STATE_ROOT "/run/containerd/sennit"
#define SN_SHIM_SOCKETS "/run/containerd/s"

struct sn_shim_opts {
    const char *id, *ns;
    const char *bundle;  /* of "delete"; NULL: the working folder */
    const char *address; /* containerd's own, which names the socket */
    const char *socket;  /* where to listen, instead */
    bool debug;
};
/* sn_shim_start - "start": finds the pod's shim or begins one, and writes where it listens to the standard
 * output, in the form that this containerd understands. Returns the program's exit code, in the caller and
 * later in the shim, which comes back from here too. Context: while there is one thread. */
int sn_shim_start(const struct sn_shim_opts *o);
/* sn_shim_delete - "delete": whatever is left of the container is removed, in whatever state it was left;
 * writes a DeleteResponse. Returns the exit code. */
int sn_shim_delete(const struct sn_shim_opts *o);
/* sn_shim_info - "-info": writes a RuntimeInfo. Returns the exit code. */
int sn_shim_info(void);
