/* SPDX-License-Identifier: Apache-2.0 */
/* govern/life.h - a server's beginning and end, in the order in which nobody notices them.
 *
 * Start: warm up -> SERVING -> register. Who finds the instance in the registry finds it ready;
 * clients start it slowly (govern/balance.h). Drain: deregister -> NOT_SERVING -> settle -> GOAWAY
 * and "Connection: close" -> wait for calls in flight -> cut. During settle the server still
 * answers everything: clients that have not heard yet lose nothing.
 *
 * Steps are the owner's functions, so the order is in one place and the registry in another. */
#pragma once
#include "core/base.h"
#include "kit/http.h"

enum sn_gov_state { SN_GOV_STARTING, SN_GOV_SERVING, SN_GOV_DRAINING, SN_GOV_STOPPED };
#define SN_GOV_SETTLE_NS (2 * SN_SEC)
#define SN_GOV_GRACE_NS (10 * SN_SEC)
#define SN_GOV_STEP_NS \
    (5 * SN_SEC) /* for warm-up no limit; register and deregister: this long each */

struct sn_gov_life_opts {
    /* Each may be NULL. A failure of warm_up or enlist ends the start; one of delist is logged. */
    int (*warm_up)(void *arg);
    int (*enlist)(void *arg); /* register at the registry */
    int (*delist)(void *arg);
    void (*serving)(bool yes, void *arg); /* health service, sn_gov_server_drain, ... */
    void *arg;
    struct sn_http_server *const *servers; /* drained; borrowed */
    unsigned n_servers;
    int64_t settle_ns, grace_ns; /* 0 = the defaults; -1 = none */
};
struct sn_gov_life {
    struct sn_gov_life_opts o;
    _Atomic int state;
};
void sn_gov_life_init(struct sn_gov_life *l, const struct sn_gov_life_opts *o);
/* sn_gov_life_start - the steps of the start. Returns 0, or what a step said (then nothing is
 * registered). Suspends. */
int sn_gov_life_start(struct sn_gov_life *l) SN_MUST_CHECK;
/* sn_gov_life_drain - the steps of the end, also from a cancelled fiber: shielded for as long as
 * they may take. Returns the connections that had to be cut. Suspends. */
int64_t sn_gov_life_drain(struct sn_gov_life *l);
enum sn_gov_state sn_gov_life_state(const struct sn_gov_life *l);
const char *sn_gov_state_name(enum sn_gov_state s);
/* sn_gov_readiness - an sn_http_handler for /readyz: 200 while SERVING, else 503 with the state.
 * arg: the life. */
int sn_gov_readiness(struct sn_http_x *x, void *life);
