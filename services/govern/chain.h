/* SPDX-License-Identifier: Apache-2.0 */
/* govern/chain.h - everything around a handler, on by default, in one place.
 *
 * A request passes, in this order: trace (traceparent is read or begun), drain, calls in flight,
 * adaptive shedding, breaker of the route, rate limit, token, body's size, deadline, panic fence;
 * then the handler. What stops it is answered here (503, 429, 401, 413) and counted by reason. Its
 * end is marked on all of them, in the metrics, in the access log and in its span, whichever way it
 * went.
 *
 * The core (sn_gov_enter, sn_gov_leave) knows no protocol; sn_gov_handle is its HTTP form.
 *
 * Metrics (labels): http_server_requests_duration_ms {path}, http_server_requests_code_total {path,
 * code}, http_server_requests_active, govern_refused_total {reason}, govern_panics_total,
 * govern_shed_limit, govern_cpu_permille, govern_breaker_open {path}. `path` is the route's name,
 * never the request's path. The first two are go-zero's names and units; of gRPC (govern/grpc.h)
 * they are rpc_server_requests_* {method}. */
#pragma once
#include "govern/breaker.h"
#include "govern/limit.h"
#include "govern/redis_limit.h"
#include "govern/shed.h"
#include "govern/span.h"
#include "kit/http.h"
#include "kit/jwt.h"
#include "kit/metrics.h"

struct sn_otlp;
struct sn_log;

#define SN_GOV_TIMEOUT_HTTP_NS (3 * SN_SEC)
#define SN_GOV_TIMEOUT_RPC_NS (2 * SN_SEC)
#define SN_GOV_INFLIGHT_MAX 10000
#define SN_GOV_BODY_MAX (1u << 20)

/* Why a call was refused. */
enum sn_gov_why {
    SN_GOV_WHY_NONE,
    SN_GOV_WHY_DRAINING,
    SN_GOV_WHY_INFLIGHT,
    SN_GOV_WHY_SHED,
    SN_GOV_WHY_BREAKER,
    SN_GOV_WHY_RATE,
    SN_GOV_WHY_TOKEN,
    SN_GOV_WHY_BODY,
    SN_GOV_WHY_COUNT,
};
const char *sn_gov_why_name(enum sn_gov_why w);

struct sn_gov_server_opts {     /* a zero field is the default; _off takes a part away */
    struct sn_metrics *metrics; /* NULL = the process's own */
    int64_t inflight_max;       /* 0 = SN_GOV_INFLIGHT_MAX */
    bool shed_off, breaker_off, access_log_off, trace_off;
    struct sn_gov_shed_opts shed; /* processors 0 = the runtime's workers */
    struct sn_gov_rate rate;      /* per client address; per_s 0 = none */
    struct sn_gov_shared *shared; /* the same over Redis, instead; borrowed */
    struct sn_log *access_log; /* raw JSON lines there; NULL: the default logger, whose call sites
                                  are rate-limited */
    struct sn_otlp *otlp;      /* NULL: spans are not exported, ids still propagate */
    double trace_ratio;        /* of traces that begin here; 0 = 1.0, < 0 = none */
};
struct sn_gov_server;
/* sn_gov_server_new - Returns 0, SN_E_INVALID_ARGUMENT, SN_E_NOMEM. Context: a fiber. */
int sn_gov_server_new(const struct sn_gov_server_opts *o, struct sn_gov_server **ret) SN_MUST_CHECK;
/* sn_gov_server_free - with its routes; no request may be inside. NULL is accepted. */
void sn_gov_server_free(struct sn_gov_server *s);
/* sn_gov_server_run - feeds the shedder with CPU until cancelled (govern/cpu.h). Without it nothing
 * is ever shed. Returns SN_E_CANCELLED, or why CPU use cannot be read. Suspends. */
int sn_gov_server_run(struct sn_gov_server *s) SN_MUST_CHECK;
/* sn_gov_server_cpu - the same by hand (tests, simulation). */
void sn_gov_server_cpu(struct sn_gov_server *s, uint32_t average, uint32_t latest);
/* sn_gov_server_drain - from now on every new call is refused with DRAINING. */
void sn_gov_server_drain(struct sn_gov_server *s, bool draining);
struct sn_gov_server_stats {
    uint64_t calls, refused[SN_GOV_WHY_COUNT], panics;
    int64_t active;
};
void sn_gov_server_stats(const struct sn_gov_server *s, struct sn_gov_server_stats *ret);

struct sn_gov_route_opts {
    const char *name; /* "GET /users/:id": label, span's name, breaker's key; copied */
    sn_http_handler handler;
    void *arg;
    bool rpc; /* metrics as rpc_server_requests_* {method}, with gRPC's codes; no handler */
    int64_t timeout_ns;     /* 0 = SN_GOV_TIMEOUT_HTTP_NS (rpc: _RPC_NS); -1 = none */
    int64_t body_bytes_max; /* announced length; 0 = SN_GOV_BODY_MAX; -1 = any. Of bodies without a
                             * length the server's own body_bytes_max is the guard:
                             * sn_gov_http_defaults */
    bool important;         /* never shed, limited or refused by the breaker: health checks */
    struct sn_jwt_store *jwt;      /* a bearer token is required; borrowed */
    struct sn_jwt_check jwt_check; /* now_ns is filled in; strings are borrowed */
};
struct sn_gov_route;
/* sn_gov_route_new - Owns: the server's. Returns 0, SN_E_INVALID_ARGUMENT, SN_E_NOMEM. */
int sn_gov_route_new(struct sn_gov_server *s, const struct sn_gov_route_opts *o,
                     struct sn_gov_route **ret) SN_MUST_CHECK;
/* sn_gov_handle - the sn_http_handler; arg is the route. */
int sn_gov_handle(struct sn_http_x *x, void *route);
/* sn_gov_http_defaults - limits of the HTTP server where `o` says nothing: connections, body. */
void sn_gov_http_defaults(struct sn_http_server_opts *o);

/* ---- the call that the running fiber serves ---- */
struct sn_gov_call {
    struct sn_gov_route *route;
    struct sn_span span;
    struct sn_str baggage; /* of the request, to be passed on; borrowed */
    struct sn_jwt jwt;     /* claims NULL where none was asked for */
    int64_t start_ns;
    enum sn_gov_why why;
    int64_t retry_after_ns;
    bool shed_held;
    struct sn_gov_breaker *breaker;
    void *outer; /* what was the fiber's local pointer before */
};
/* sn_gov_current - the call this fiber serves (sn_fiber_local), NULL outside. Fibers that a handler
 * starts do not inherit it. */
struct sn_gov_call *sn_gov_current(void);
/* sn_gov_log_trace - for sn_log_set_trace: the trace id of sn_gov_current. */
size_t sn_gov_log_trace(char out[32]);

/* ---- without HTTP ---- */
/* sn_gov_enter - counts a call in and asks every guard but token and body. c: zeroed, route and
 * span set. client: key of the rate limit. Returns 0, or SN_E_UNAVAILABLE, SN_E_RESOURCE_EXHAUSTED
 * with c->why; sn_gov_leave is due in every case. May suspend (shared limits). */
int sn_gov_enter(struct sn_gov_server *s, struct sn_gov_call *c,
                 struct sn_str client) SN_MUST_CHECK;
/* sn_gov_leave - status: 0 or SN_E_*, what became of it; code: the HTTP status it was told, 0 =
 * that of `status` (of rpc routes always gRPC's code of `status`). */
void sn_gov_leave(struct sn_gov_server *s, struct sn_gov_call *c, int status, int code);
