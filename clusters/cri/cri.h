/* SPDX-License-Identifier: Apache-2.0 */
/* cri/cri.h - the Container Runtime Interface, v1: a daemon of our own between the kubelet (or
 * crictl) and the kernel: pods, containers, images, logs, streams.
 *
 * A pod's namespaces and containers are held by its keeper (keeper.h), a process that outlives this
 * one: the daemon may end at any moment and finds everything again when it starts. What it knows is
 * kept in files below `state_dir`; sockets and what a reboot may forget below `run_dir`.
 *
 * Sources: k8s.io/cri-api v0.37 api.proto; kubernetes design proposals (CRI, logs, streaming). */
#pragma once
#include "core/arena.h"
#include "core/str.h"

#define SN_CRI_SOCKET_DEFAULT "/run/sennit/cri.sock"
#define SN_CRI_RUN_DEFAULT "/run/sennit/cri"
#define SN_CRI_STATE_DEFAULT "/var/lib/sennit/cri"
#define SN_CRI_PODS_MAX 8192u
#define SN_CRI_HANDLERS_MAX 16u

struct sn_cri_handler {  /* a runtime handler: a name of the cluster's RuntimeClass */
    const char *name;    /* "" is the default one */
    const char *program; /* with runc's command line; NULL: the built-in runtime */
};
struct sn_cri_opts {
    const char *run_dir, *state_dir;    /* NULL: the defaults above */
    const char *image_root, *certs_dir; /* NULL: image.h's */
    const char *keeper;                 /* the sennit-keeper program; NULL: beside this one */
    const char *cgroup_root; /* where pods without a cgroup parent go; NULL = "/sennit" */
    const char *seccomp_dir; /* of localhost profiles with relative names; NULL =
                                /var/lib/kubelet/seccomp */
    const char *cni_conf_dir, *cni_bin_dirs, *cni_state_dir, *pod_subnet, *bridge; /* cni.h */
    int64_t cni_plugin_ns_max; /* of one run of a foreign network plugin; 0: cni.h's */
    const char *stream_addr; /* NULL = "127.0.0.1:0" */
    unsigned netns_ready;    /* network namespaces made ahead; 0 = 8 */
    bool insecure_registry;  /* plain http also beyond loopback */
    const struct sn_cri_handler *handlers;
    unsigned n_handlers;
};
struct sn_cri;
/* sn_cri_open - reads what an earlier daemon left and connects to the keepers that live.
 * Returns 0, SN_E_PERMISSION_DENIED, SN_E_NOT_FOUND (keeper), SN_E_NOMEM, failures of disk and
 * network; the diagnostic names what. Owns: sn_cri_close. Suspends. */
int sn_cri_open(const struct sn_cri_opts *o, struct sn_cri **ret) SN_MUST_CHECK;
/* sn_cri_serve - answers on `addr` ("unix:/run/x.sock") until the fiber is cancelled. Suspends. */
int sn_cri_serve(struct sn_cri *s, const char *addr) SN_MUST_CHECK;
/* sn_cri_close - pods run on. Suspends. NULL is fine. */
void sn_cri_close(struct sn_cri *s);
