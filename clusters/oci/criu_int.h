/* SPDX-License-Identifier: Apache-2.0 */
/* oci/criu_int.h - criu at work: the process, and the conversation with it. */
#pragma once
#include "clusters/oci/criu_rpc_int.h"
#include "clusters/oci/parent_int.h"

struct sn_criu_work {
    struct sn_oci_birth *b; /* of criu's process */
    const struct sn_oci_criu_opts *o;
    struct sn_buf opts; /* fields of criu_opts */
    const char *log;    /* "dump.log" */
    int images, work;   /* folders, criu has its own descriptors of them */
    int talk;           /* socket to criu; b->sock is that of the child before it became criu */
    char *in;           /* SN_OCI_CRIU_MESSAGE_MAX bytes */
    struct sn_oci_criu_child child;
    /* Told of each notification before it is answered; fd: what came with it, the callee's to
     * close, or -1. May be NULL. */
    int (*notified)(struct sn_criu_work *w, const struct sn_criu_answer *a, int *fd);
    void *arg;
};
/* One that has nothing open yet; the arguments are its other members. */
#define SN_CRIU_WORK(...) ((struct sn_criu_work){.images = -1, .work = -1, .talk = -1, __VA_ARGS__})
/* sn_criu_open - finds the program, opens the folders. sn_criu_close undoes it, also after failure;
 * the birth is the caller's. */
int sn_criu_open(struct sn_criu_work *w) SN_MUST_CHECK;
void sn_criu_close(struct sn_criu_work *w);
/* sn_criu_spawn - b->plan describes the rest: streams, cgroup, namespaces. On return criu listens.
 */
int sn_criu_spawn(struct sn_criu_work *w) SN_MUST_CHECK;
/* sn_criu_talk - one request until it is done. Returns 0; SN_E_ABORTED with criu's first error. */
int sn_criu_talk(struct sn_criu_work *w, enum sn_criu_type type, unsigned feature,
                 struct sn_criu_answer *ret) SN_MUST_CHECK;
/* sn_criu_reap - lets criu end and waits for it. */
void sn_criu_reap(struct sn_criu_work *w);
