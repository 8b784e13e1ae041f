/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_client_int.h - channels, subchannels, connections and calls of the gRPC client.
 *
 * Ownership: a channel has one gr_worker per worker of the runtime; everything below it (balancer,
 * subchannels, connections, calls) is touched on that worker only and has no locks. What crosses
 * workers is the immutable gr_snapshot that the resolver publishes. */
#pragma once
#include "kit/grpc_int.h"
#include "kit/http_h2_int.h"
#include "wire/h2.h"

#define GRPC_ATTEMPTS_MAX 5u
#define GRPC_TRANSPARENT_MAX 2u
#define GRPC_METHOD_CONFIGS_MAX 256u
/* What streams keep for another attempt: one, and all of a channel on one worker together. */
#define GRPC_KEPT_CALL_MAX (256u << 10)
#define GRPC_KEPT_WORKER_MAX (16u << 20)

/* ---- service config --------------------------------------------------------------------------- */

struct gr_retry {
    unsigned attempts_max; /* 0: no policy */
    int64_t backoff_ns, backoff_ns_max;
    double multiplier;
    uint32_t codes; /* bits of retryable statuses */
};
struct gr_method_config {
    struct sn_str service, method; /* empty method: all of the service; empty service: default */
    int64_t timeout_ns;
    int64_t recv_max, send_max; /* -1: not set */
    int8_t wait_for_ready;      /* -1: not set */
    struct gr_retry retry;
};
struct gr_config {
    struct sn_arena arena;
    struct gr_method_config *methods;
    unsigned n_methods;
    struct sn_str lb; /* the first balancer named that we have */
    double tokens_max, token_ratio; /* retryThrottling; 0: none */
    struct sn_str health;           /* healthCheckConfig's service; .ptr NULL: none, "": the server */
};
/* gr_config_parse - Returns 0, SN_E_SYNTAX with what is wrong, SN_E_NOMEM. Owns: gr_config_free. */
int gr_config_parse(struct sn_str json, struct gr_config **ret) SN_MUST_CHECK;
void gr_config_free(struct gr_config *c);
/* gr_config_method - what counts for "/service/method"; NULL where nothing does. */
const struct gr_method_config *gr_config_method(const struct gr_config *c, struct sn_str path);
const struct sn_grpc_lb_ops *gr_lb_by_name(struct sn_str name);

/* ---- what a resolver has found ---------------------------------------------------------------- */

struct gr_snapshot {
    unsigned refs; /* __atomic */
    int err;       /* where n is 0: why */
    unsigned n;
    struct sn_grpc_address *addrs;
    struct gr_config *config; /* may be NULL */
    struct sn_arena arena;
};
void gr_snapshot_unref(struct gr_snapshot *s);

struct gr_sub;
struct grpc_ccall;
/* ---- a connection ----------------------------------------------------------------------------- */

struct gr_conn {
    struct sn_h2 *s;
    struct sn_stream *st;
    struct gr_sub *sub; /* it counts for; NULL once it takes no more calls */
    struct gr_worker *w;
    struct sn_buf out;
    unsigned refs; /* its fiber and every call */
    unsigned calls;
    bool flushing, again, collecting, closed, settings, woke;
    int err;
    int64_t heard_ns, pinged_ns, used_ns;
    uint64_t id; /* of channelz */
    uint64_t streams_started, keepalives;
    /* grpc_health_watch.c; its fiber has a reference */
    bool health_watched, health_changed;
    struct grpc_ccall *health_call;
    struct h2_waiter health_pause;
};
/* gr_conn_new - over a fresh stream, which it owns from then on. */
int gr_conn_new(struct gr_worker *w, struct gr_sub *sub, struct sn_stream *st,
                struct gr_conn **ret) SN_MUST_CHECK;
/* gr_conn_run - reads until the connection ends; the caller's reference is used up. When the peer's
 * SETTINGS have come gr_sub_ready is called. */
void gr_conn_run(struct gr_conn *c);
int gr_conn_flush(struct gr_conn *c);
/* gr_conn_break - no more bytes either way; every stream ends. */
void gr_conn_break(struct gr_conn *c, int err);
void gr_conn_unref(struct gr_conn *c);
/* gr_conn_retire - it takes no more calls and ends with those it has. */
void gr_conn_retire(struct gr_conn *c);

/* ---- a subchannel: one endpoint --------------------------------------------------------------- */

struct gr_sub {
    struct sn_grpc_endpoint ep;
    struct gr_worker *w;
    unsigned refs; /* the worker's list, its fiber, calls */
    bool listed, up; /* up: conn may be used, were it not for its health */
    struct gr_conn *conn;
    struct sn_fiber *fiber; /* dialling or waiting to dial again */
    unsigned failures;      /* in a row */
    int last_err;
    char last_text[160];
    uint64_t id;
    char text[]; /* addr NUL host NUL labels NUL */
};
void gr_sub_unref(struct gr_sub *s);
/* gr_sub_ready, gr_sub_lost - from the connection: it may be used; it takes no more calls. */
void gr_sub_ready(struct gr_sub *s);
void gr_sub_lost(struct gr_sub *s);
/* gr_sub_health - what is known of the health of what it is connected to; why: of a failure. */
void gr_sub_health(struct gr_sub *s, enum sn_grpc_state state, const char *why);
/* gr_health_look - a connection may be used, or the configuration has changed: READY, or watched. */
void gr_health_look(struct gr_conn *c);
/* gr_backoff - the pause after so many failures in a row, 1 or more. */
int64_t gr_backoff(const struct sn_grpc_channel *ch, unsigned failures);

/* ---- a channel on one worker ------------------------------------------------------------------ */

struct gr_wait { /* a call that waits for a connection, or a watcher of the state */
    struct sn_list link;
    struct h2_waiter w;
};
struct gr_worker {
    struct sn_grpc_channel *ch;
    struct sn_grpc_lb lb;
    struct sn_arena_pool arenas;
    struct gr_snapshot *now;
    struct sn_list waiting;
    unsigned n_subs, n_conns; /* alive, listed or not */
    enum sn_grpc_state state;
    uint32_t started; /* __atomic */
    bool updating, dirty;
    unsigned calm; /* the keepalive interval is doubled so often: a server said too_many_pings */
    double tokens; /* retryThrottling */
    size_t kept_bytes; /* of all its streams */
    struct sn_grpc_channel_stats n;
} SN_ALIGNED(SN_CACHE_LINE);
const struct gr_config *gr_config_of(const struct gr_worker *w); /* in force; may be NULL */
/* gr_worker_here - the channel on the calling fiber's worker, started. */
struct gr_worker *gr_worker_here(struct sn_grpc_channel *ch);
void gr_wake_one(struct gr_worker *w);
void gr_wake_all(struct gr_worker *w);
/* gr_pick - a connection for the call, waiting as the balancer says. Returns 0 with a reference on
 * both, SN_E_UNAVAILABLE, SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED. Suspends. */
int gr_pick(struct gr_worker *w, struct sn_grpc_call *c, bool wait_for_ready, struct gr_sub **ret_sub,
            struct gr_conn **ret_conn) SN_MUST_CHECK;

struct sn_grpc_resolving {
    struct sn_grpc_channel *ch;
    const struct sn_grpc_resolver *how;
    struct sn_str target;
    struct sn_mutex lock; /* of what follows */
    struct sn_cond wanted;
    bool started, again, stop, ended;
};
struct sn_grpc_channel {
    struct sn_grpc_channel_opts o;
    struct sn_grpc_interceptor *interceptors;
    struct gr_config *config; /* of the options */
    char *target, *authority, *user_agent;
    struct gr_worker *workers;
    unsigned n_workers;
    uint32_t closing; /* __atomic */
    uint32_t updates; /* __atomic: fibers of gr_publish under way */
    struct sn_grpc_resolving res;
    struct sn_mutex lock; /* snapshot */
    struct gr_snapshot *snapshot;
    uint64_t id; /* of channelz */
    struct sn_list link;
};
static inline bool gr_closing(const struct sn_grpc_channel *ch)
{
    return __atomic_load_n(&ch->closing, __ATOMIC_ACQUIRE) != 0;
}
void grpc_z_add_channel(struct sn_grpc_channel *ch);
/* gr_resolver_of - the resolver of a target; *ret_rest is what it gets. */
int gr_resolver_of(struct sn_grpc_channel *ch, struct sn_str target,
                   const struct sn_grpc_resolver **ret, struct sn_str *ret_rest,
                   struct sn_str *ret_authority) SN_MUST_CHECK;
int gr_resolve_start(struct sn_grpc_channel *ch) SN_MUST_CHECK; /* 0, or no memory for its fiber */
void gr_resolve_again(struct sn_grpc_channel *ch);
void gr_resolve_stop(struct sn_grpc_channel *ch);
/* gr_publish - takes the caller's reference. */
void gr_publish(struct sn_grpc_channel *ch, struct gr_snapshot *s);

/* ---- calls ------------------------------------------------------------------------------------ */

struct grpc_ccall {
    struct grpc_call g;
    struct gr_worker *w;
    struct gr_sub *sub;
    struct gr_conn *conn;
    int32_t id;
    /* this attempt's stream */
    struct sn_h2_head head;
    struct sn_http_headers tail_in;
    bool head_done, head_taken, end, stream_closed, unary, over_known, released, cancelled;
    bool tallied; /* counted for retryThrottling */
    bool aside;   /* ours: counts nowhere */
    uint32_t code;
    struct sn_buf rx; /* filled by the connection's fiber */
    struct h2_waiter reader, writer;
    struct sn_str out;
    bool out_end, out_ended, sent_any;
    /* options */
    bool wait_for_ready, no_retry;
    const struct gr_method_config *config;
    struct sn_str authority;
    int64_t attempt_ns;
    /* retries: grpc_retry.c */
    unsigned transparent, counted, backoffs;
    bool may_retry; /* stream: all that was sent is in `kept`, of which `out` is the end */
    bool retrying;  /* stream: one of its fibers is between two attempts */
    struct sn_buf kept;
};
extern const struct sn_h2_events gr_events;

/* gr_call_ended - a stream's other fiber has cancelled or finished the call. */
static inline bool gr_call_ended(struct sn_grpc_call *c)
{
    const struct grpc_ccall *k = SN_CONTAINER_OF(grpc_call_of(c), struct grpc_ccall, g);
    return k->cancelled || k->over_known;
}

/* gr_call_new - a call's record. Owns: sn_grpc_close. */
int gr_call_new(struct sn_grpc_channel *ch, const struct sn_pb_method *m, struct sn_str path,
                const struct sn_grpc_opts *o, struct grpc_ccall **ret) SN_MUST_CHECK;
/* gr_attempt_on - a stream on this connection, which counts nowhere. As gr_attempt_begin, without
 * suspending. */
int gr_attempt_on(struct grpc_ccall *k, struct gr_conn *c) SN_MUST_CHECK;
/* gr_attempt_begin - picks a connection and opens a stream on it. Returns 0, SN_E_UNAVAILABLE,
 * SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED, SN_E_NOMEM. Suspends. */
int gr_attempt_begin(struct grpc_ccall *k) SN_MUST_CHECK;
/* gr_attempt_release - gives the connection back; a stream that is not over is cancelled. */
void gr_attempt_release(struct grpc_ccall *k, int status);
/* gr_call_status - how the attempt ended, which is over. */
void gr_call_status(struct grpc_ccall *k, struct sn_grpc_status *st);
/* gr_call_finish - the call has this status from now on. Returns it, as sn_grpc_recv does. */
int gr_call_finish(struct grpc_ccall *k, const struct sn_grpc_status *st);

/* gr_retry_after - an attempt ended with `status`: how long to wait before the next; -1: none. */
int64_t gr_retry_after(struct grpc_ccall *k, int status);
/* gr_retry_tally - counts an attempt's end for retryThrottling, once. */
void gr_retry_tally(struct grpc_ccall *k, int status);
/* gr_committed - what came of the answer has been, or may be, shown to the caller. */
bool gr_committed(const struct grpc_ccall *k);
/* gr_stream_begin - a stream's first attempt, and others where it fails at once. */
int gr_stream_begin(struct grpc_ccall *k) SN_MUST_CHECK;
/* gr_stream_keep - g.out, copied behind what is kept and behind what k->out still has to send; false:
 * it is not, and there will be no further attempt. */
bool gr_stream_keep(struct grpc_ccall *k);
/* gr_stream_forget - no further attempt: frees what is kept, unless it is being sent. */
void gr_stream_forget(struct grpc_ccall *k);
/* gr_stream_again - the attempt is over, or another fiber of the call is beginning the next; `me`: the
 * caller's waiter. Returns 1: look anew; 0: it was the last one; SN_E_CANCELLED,
 * SN_E_DEADLINE_EXCEEDED. Suspends. */
int gr_stream_again(struct grpc_ccall *k, struct h2_waiter *me) SN_MUST_CHECK;
