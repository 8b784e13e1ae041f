/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_lb.c - the two balancers every gRPC client has. */
#include "kit/grpc_client_int.h"

/* ---- pick_first: one connection, the first that can be had ------------------------------------ */

static void first_update(struct sn_grpc_lb *lb)
{
    /* Dial in order, the next when the one before has failed; who failed before waits its backoff
     * and is tried again when it comes back to IDLE. */
    for (unsigned i = 0; i < lb->n; i++)
        if (lb->eps[i]->state == SN_GRPC_READY || lb->eps[i]->state == SN_GRPC_CONNECTING) return;
    bool failed = false;
    for (unsigned i = 0; i < lb->n; i++) failed |= lb->eps[i]->state == SN_GRPC_TRANSIENT_FAILURE;
    for (unsigned i = 0; failed && i < lb->n; i++) {
        if (lb->eps[i]->state != SN_GRPC_IDLE) continue;
        sn_grpc_lb_connect(lb, i);
        return;
    }
}

static int first_pick(struct sn_grpc_lb *lb, struct sn_grpc_call *c)
{
    bool busy = false, idle = false;
    for (unsigned i = 0; i < lb->n; i++) {
        if (lb->eps[i]->state == SN_GRPC_READY) return (int)i;
        busy |= lb->eps[i]->state == SN_GRPC_CONNECTING;
        idle |= lb->eps[i]->state == SN_GRPC_IDLE;
    }
    if (busy) return SN_E_AGAIN;
    for (unsigned i = 0; idle && i < lb->n; i++) {
        if (lb->eps[i]->state != SN_GRPC_IDLE) continue;
        sn_grpc_lb_connect(lb, i);
        return SN_E_AGAIN;
    }
    return SN_E_UNAVAILABLE;
}

const struct sn_grpc_lb_ops sn_grpc_pick_first = {
    .name = "pick_first", .update = first_update, .pick = first_pick};

/* ---- round_robin: a connection to each, in turn ----------------------------------------------- */

struct round_robin {
    unsigned next;
};

static void round_update(struct sn_grpc_lb *lb)
{
    for (unsigned i = 0; i < lb->n; i++)
        if (lb->eps[i]->state == SN_GRPC_IDLE) sn_grpc_lb_connect(lb, i);
}

static int round_pick(struct sn_grpc_lb *lb, struct sn_grpc_call *c)
{
    struct round_robin *rr = lb->user;
    bool connecting = false;
    for (unsigned i = 0; i < lb->n; i++) {
        unsigned at = (rr->next + i) % lb->n;
        if (lb->eps[at]->state == SN_GRPC_READY) {
            rr->next = at + 1;
            return (int)at;
        }
        connecting |= lb->eps[at]->state != SN_GRPC_TRANSIENT_FAILURE;
    }
    return connecting ? SN_E_AGAIN : SN_E_UNAVAILABLE;
}

const struct sn_grpc_lb_ops sn_grpc_round_robin = {.name = "round_robin",
                                                   .health = true,
                                                   .bytes = sizeof(struct round_robin),
                                                   .update = round_update,
                                                   .pick = round_pick};

const struct sn_grpc_lb_ops *gr_lb_by_name(struct sn_str name)
{
    if (sn_str_eqc(name, sn_grpc_pick_first.name)) return &sn_grpc_pick_first;
    if (sn_str_eqc(name, sn_grpc_round_robin.name)) return &sn_grpc_round_robin;
    return NULL;
}
