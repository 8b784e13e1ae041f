/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_health_watch.c - a client that watches the health of what it is connected to: an endpoint
 * is READY while its server says SERVING of the service that healthCheckConfig names, CONNECTING
 * until it has said anything, TRANSIENT_FAILURE otherwise. The stream lies on the endpoint's own
 * connection, beside the calls: no balancer sees it, and it keeps no connection from going idle.
 * A server without the health service counts as serving. Source: gRFC A17. */
#include "core/alloc.h"
#include "grpc/health/v1/health.grpc.h"
#include "kit/grpc_client_int.h"

#define WATCH 2 /* of the service's methods */
#define SERVING GRPC_HEALTH_V1_HEALTH_CHECK_RESPONSE_SERVING_STATUS_SERVING

/* The service to ask for; .ptr NULL: none, health is not watched. */
static struct sn_str wanted(const struct gr_worker *w)
{
    const struct gr_config *c = gr_config_of(w);
    struct sn_str none = {0};
    return c && w->lb.ops && w->lb.ops->health && !w->ch->o.health_off ? c->health : none;
}

/* The connection still stands for its endpoint. */
static bool standing(const struct gr_conn *c) { return c->sub && c->err == 0; }

static void say(struct gr_conn *c, enum sn_grpc_state state, const char *why)
{
    if (standing(c)) gr_sub_health(c->sub, state, why);
}

/* What the server says, until its stream ends. Returns how; *ret_heard: it has said something. */
static int listen_to(struct gr_conn *c, struct sn_grpc_call *call, bool *ret_heard)
{
    struct grpc_health_v1_health_check_response *rep;
    int r;
    while ((r = grpc_health_v1_health_watch_recv(call, NULL, &rep)) == 1) {
        *ret_heard = true;
        if (rep->status == SERVING)
            say(c, SN_GRPC_READY, NULL);
        else
            say(c, SN_GRPC_TRANSIENT_FAILURE, "the server does not say that it is serving");
    }
    return r < 0 ? r : SN_E_UNAVAILABLE; /* a watch has no end of its own */
}

static int watch(struct gr_conn *c, struct sn_str service, bool *ret_heard)
{
    struct grpc_ccall *k;
    const struct sn_pb_method *m = &grpc_health_v1_health_service.methods[WATCH];
    int r = gr_call_new(c->w->ch, m, m->path, NULL, &k);
    if (r < 0) return r;
    k->g.n_interceptors = 0;
    k->config = NULL; /* what a service config says of calls is not for this one */
    k->g.c.deadline_ns = SN_FOREVER;
    r = gr_attempt_on(k, c);
    if (r == 0) {
        struct grpc_health_v1_health_check_request req = {
            .service = sn_arena_str(k->g.c.arena, service)};
        c->health_call = k;
        sn_grpc_hold(&k->g.c, true);
        r = req.service.ptr ? sn_grpc_send(&k->g.c, &req) : SN_E_NOMEM;
        if (r == 0) r = sn_grpc_close_send(&k->g.c);
        if (r == 0 || r == SN_E_EOF) r = listen_to(c, &k->g.c, ret_heard);
        c->health_call = NULL;
    }
    (void)sn_grpc_close(&k->g.c);
    return r;
}

static void watch_main(void *arg)
{
    struct gr_conn *c = arg;
    sn_fiber_set_name("grpc health");
    for (unsigned tries = 0; standing(c);) {
        struct sn_str service = wanted(c->w);
        bool heard = false;
        if (!service.ptr) break;
        say(c, SN_GRPC_CONNECTING, NULL);
        c->health_changed = false;
        int r = watch(c, service, &heard);
        if (sn_cancelled()) break; /* the runtime ends */
        if (c->health_changed) continue; /* another service is to be asked for, or none */
        if (r == SN_E_UNIMPLEMENTED || !standing(c)) break;
        char why[160];
        sn_diag_format(r, why, sizeof(why));
        say(c, SN_GRPC_TRANSIENT_FAILURE, why);
        tries = heard ? 0 : tries + 1;
        int64_t until = sn_now() + (tries ? gr_backoff(c->w->ch, tries) : 0);
        while (standing(c) && !c->health_changed && sn_now() < until)
            if (h2_wait(&c->health_pause, "grpc health", until) < 0 && sn_now() < until) break;
    }
    say(c, SN_GRPC_READY, NULL);
    c->health_watched = false;
    gr_conn_unref(c);
}

void gr_health_look(struct gr_conn *c)
{
    if (c->health_watched) {
        c->health_changed = true;
        if (c->health_call) { /* not sn_grpc_cancel, which may suspend */
            c->health_call->cancelled = true;
            h2_wake(&c->health_call->reader);
        }
        h2_wake(&c->health_pause);
        return;
    }
    if (!wanted(c->w).ptr) {
        say(c, SN_GRPC_READY, NULL);
        return;
    }
    c->refs++;
    c->health_watched = true;
    if (sn_stream_go(watch_main, c) == 0) return;
    c->health_watched = false; /* without memory: better unwatched than unused */
    c->refs--;
    say(c, SN_GRPC_READY, NULL);
}
