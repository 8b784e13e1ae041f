/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/gw_int.h - what the gateway's own files share. */
#pragma once
#include "core/arena.h"
#include "core/list.h"
#include "core/map.h"
#include "core/vec.h"
#include "fiber/fiber.h"
#include "fiber/sync.h"
#include "gateway/conf.h"
#include "gateway/gateway.h"
#include "gateway/meter.h"
#include "gateway/route.h"
#include "gateway/upstream.h"
#include "kit/config.h"
#include "kit/http.h"

#define GW_LISTENERS_MAX 64u
#define GW_CERTS_MAX 256u /* of one listener */

struct gw_log;
struct gw_transcoder;
struct gw_keys;
struct gw_redis;
struct gw_tracer;
struct gw_traced;
struct gw_limiter;
struct gw_mirror;
struct gw_admin;
struct gw_inherit;
struct gw_kube_client;
struct sn_json;
struct sn_tls_config;

/* A connection pool shared by the snapshots whose upstream has the same connection settings. */
struct gw_client {
    uint32_t refs;
    struct sn_http_client *http;
    struct sn_tls_config *tls; /* owned, may be NULL */
    struct sn_buf key;         /* the settings, as bytes */
};

/* What an upstream keeps through the ages, handed from snapshot to snapshot by name. */
struct gw_upstream {
    uint32_t refs;
    struct sn_gw_budget budget;
    struct sn_gw_patience patience;
    struct sn_buf reflected; /* its FileDescriptorSet by reflection; under gw->reload */
};

/* An upstream in one snapshot. */
struct gw_pool {
    struct sn_gw_pool *pool;
    struct gw_upstream *up;   /* reference */
    struct gw_client *client; /* reference */
    const struct sn_gw_conf_upstream *conf;
    struct sn_str url;     /* scheme and authority that calls are made with */
    struct sn_str *sticky; /* the cookie's value for each endpoint; NULL = not sticky */
    int64_t reflect_every; /* 0 = no route asks for its descriptors */
};

struct gw_target {
    uint32_t pool;
    uint64_t upto; /* cumulative weight */
};
struct gw_route {
    const struct sn_gw_conf_route *conf;
    struct sn_gw_meter *meter; /* reference */
    struct gw_target *targets;
    uint64_t weight_total;
    int root_fd;                      /* static files; -1 otherwise */
    struct gw_transcoder *transcoder; /* owned; NULL = gRPC passes only as such */
    bool policies;                    /* there are some: gw_policies is called */
    uint32_t provider;                /* of tokens: index */
    struct gw_limiter *limiter;       /* reference; NULL = none */
    struct sn_gw_regex *rewrite;      /* owned; NULL = none */
    struct gw_pool *mirror;           /* NULL = none */
    int64_t mirroring;                /* copies under way */
    struct sn_str match;              /* for the board */
    struct sn_str target;
};
/* The routes one listener serves: the router's rule i is routes[map[i]]. */
struct gw_table {
    struct sn_gw_router *router;
    uint32_t *map;
};

struct gw_source;
struct gw_origin;
struct gw_takeover;
struct gw_active {
    int64_t n;
} SN_ALIGNED(SN_CACHE_LINE);

struct gw_cidr {
    uint8_t addr[16];
    uint8_t bits; /* of 128; v4 is mapped */
};

struct gw_snap {
    struct sn_gateway *gw;
    struct gw_snap *older; /* replaced when the gateway was ending: freed with it */
    struct sn_arena arena;
    const struct sn_gw_conf *conf;
    uint64_t generation;
    int64_t loaded_ns;
    struct gw_route *routes;
    struct gw_pool *pools;
    struct gw_table *tables;                    /* one per conf->listeners entry */
    struct gw_table *by_slot[GW_LISTENERS_MAX]; /* of a live listener's slot; NULL = removed */
    struct gw_cidr *trusted;
    struct gw_origin *origins; /* takeover: routes by original destination */
    size_t n_origins;
    struct gw_pool **takeover_pools; /* of each service; NULL = none */
    struct sn_str via[3];            /* "1.0 name", "1.1 name", "2.0 name"; empty without a name */
    struct gw_log *log;              /* reference; NULL = off */
    struct gw_keys **keys;           /* references; one per conf->jwt_providers entry */
    struct gw_redis *redis;          /* reference; NULL = none */
    struct gw_tracer *tracer;        /* reference; NULL = no tracing */
    struct sn_str admin_token;
    struct sn_gw_regex_ctx **rewriting; /* one per worker; NULL without rewrites */
    struct gw_active *active;           /* requests per worker */
    struct gw_checker *checks;          /* room for every check */
    struct gw_reflector *reflectors;    /* and for every upstream that is asked */
    struct sn_event retired;            /* health checks end */
    int64_t checkers;                   /* their fibers */
};

/* A bound address and its server. Changed settings make a new server on the same socket, under the
 * same slot; the old one keeps its connections until they end. */
struct gw_listener {
    struct sn_gateway *gw;
    unsigned slot;
    char *name, *addr;
    struct sn_buf key;     /* the settings that need a new server when they change */
    struct sn_listener *l; /* NULL once closed */
    struct sn_http_server *srv;
    struct sn_tls_config *tls;
    struct gw_cidr *proxies; /* whose connections begin with a PROXY header */
    size_t n_proxies;
    int64_t proxy_timeout;
    bool serving; /* its fiber is in sn_http_serve */
};

struct sn_gateway {
    struct sn_gateway_opts opts;
    struct sn_str text; /* heap copy of config_text */
    unsigned workers;
    struct gw_snap *snap; /* published: load with acquire */
    struct sn_mutex reload;
    uint64_t generation;
    struct sn_buf last_error; /* of the last refused configuration; empty after a good one */
    SN_VEC(struct gw_listener *) listeners;
    uint64_t slots_used;    /* bit set */
    int64_t old_listeners;  /* replaced or removed ones whose connections still live */
    struct sn_scope *scope; /* while running */
    struct sn_event stop, started;
    bool running, draining;
    int64_t tunnels;
    struct sn_mutex tick; /* meters' windows, read by statistics */
    struct sn_hist all;   /* the last second over all routes */
    double all_rps;
    int64_t tick_ns;
    struct gw_log *log;                 /* newest; reference */
    SN_VEC(struct gw_source *) sources; /* registries; under reload */
    struct gw_takeover *takeover;       /* NULL before it is first wanted */
    struct sn_str good; /* the text of the snapshot in force, heap; .ptr NULL before the first */
    int64_t snaps_live;
    uint64_t rate_seed;           /* of rate limits' keys */
    struct gw_admin *admin;       /* NULL = none; under reload */
    struct sn_list *tunnel_lists; /* one per worker, its own */
    bool gentle;                  /* taken over: connections end with their next answer */
    char *upgrade_path;
    struct gw_kube_client *kube; /* of an API server; NULL = none */
    struct gw_inherit *inherit;  /* from the old process; NULL = none, or over */
    uint8_t secret[32];          /* of cookies without a key file */
};

/* One request in the gateway, on the handler's stack. */
struct gw_req {
    struct sn_http_x *x;
    struct sn_gateway *gw;
    struct gw_snap *snap;
    struct gw_route *route;
    unsigned worker;
    struct sn_str host, path, matched; /* normal forms; matched = the route's prefix */
    struct sn_str peer;                /* client's address without port */
    char host_buf[SN_GW_HOST_MAX + 1];
    /* For the access log. */
    struct sn_str upstream, endpoint;
    unsigned attempts;
    int status; /* answered by us or passed on; 499 = the client left */
    int64_t upstream_ns;
    const char *fault;   /* why an answer is ours: static text */
    struct sn_str error; /* what the upstream did, in the request arena */
    bool metered, tunnel, preflight;
    struct sn_str origin;         /* of a page that may call; .ptr NULL otherwise */
    const struct sn_json *claims; /* of a good token; NULL without one */
    struct sn_http_header more;   /* goes with gw_answer */
    struct gw_traced *traced;     /* its spans; NULL = none */
    /* gRPC over h2: failures are told as grpc-status, time is the call's. */
    bool grpc;
    bool plain;            /* no request of a transcoder's */
    int grpc_status;       /* of the answer, as canonical SN_E_* or 0; 1 = none came */
    int64_t grpc_deadline; /* sn_now's clock; SN_FOREVER = none */
};

/* gw_event - a line for on_event. */
void gw_event(struct sn_gateway *gw, const char *level, const char *fmt, ...) SN_PRINTF(3, 4);

/* gw_drain_grace - of the configuration in force. Takes gw->reload. */
int64_t gw_drain_grace(struct sn_gateway *gw);

/* gw_go - a fiber of the gateway's scope, as soon as there is memory for one: for steps that cannot
 * be taken back. May suspend. Returns false where the scope is cancelled: the gateway is ending. */
bool gw_go(struct sn_gateway *gw, const char *name, int (*fn)(void *arg), void *arg);

/* snapshot.c */
struct gw_load { /* stage one of a load: everything that needs no fiber */
    struct sn_arena arena;
    struct sn_gw_conf *conf;
    struct gw_table *tables;
    struct sn_gw_regex **rewrites; /* one per route, NULL where it has none */
    struct sn_gw_regex_ctx **rewriting;
    struct sn_conf cf;  /* where errors are collected */
    struct sn_str text; /* what was read; the arena's */
    unsigned workers;
};
/* gw_load_run - reads, checks and compiles. On failure ret_errors has the report and nothing is
 * kept. Suspends (file, offload). */
int gw_load_run(const struct sn_gateway_opts *opts, struct sn_str text, unsigned workers,
                struct gw_load *ret, struct sn_buf *ret_errors) SN_MUST_CHECK;
void gw_load_done(struct gw_load *l);
/* gw_snap_new - stage two: finds state of the present snapshot again, opens folders and pools.
 * Takes over the load's arena on success. Under gw->reload. */
int gw_snap_new(struct sn_gateway *gw, struct gw_load *l, struct gw_snap **ret) SN_MUST_CHECK;
void gw_snap_publish(struct sn_gateway *gw, struct gw_snap *s);
/* gw_snap_retire - waits for the last request of `s` and frees it. In a fiber of its own. */
void gw_snap_retire(struct gw_snap *s);
void gw_snap_free(struct gw_snap *s);
void gw_client_unref(struct gw_client *c); /* suspends: the last one closes the pool */
/* gw_on_workers - fn(arg) once on every worker; waits for all. */
void gw_on_workers(struct sn_gateway *gw, void (*fn)(void *arg), void *arg);
static inline struct gw_snap *gw_snap_enter(struct sn_gateway *gw, unsigned worker)
{
    /* Load and count without a suspension between them: the publisher runs a fiber on every worker
     * before it looks at the counts, so a count it does not see belongs to a newer snapshot. */
    struct gw_snap *s = __atomic_load_n(&gw->snap, __ATOMIC_ACQUIRE);
    int64_t *n = &s->active[worker].n;
    __atomic_store_n(n, *n + 1, __ATOMIC_RELAXED);
    return s;
}
static inline void gw_snap_leave(struct gw_snap *s, unsigned worker)
{
    int64_t *n = &s->active[worker].n;
    __atomic_store_n(n, *n - 1, __ATOMIC_RELEASE);
}

/* gw_snap_again - one more use of a snapshot that the caller's request holds, for a fiber of this
 * worker; gw_snap_leave ends it. */
static inline struct gw_snap *gw_snap_again(struct gw_snap *s, unsigned worker)
{
    int64_t *n = &s->active[worker].n;
    __atomic_store_n(n, *n + 1, __ATOMIC_RELAXED);
    return s;
}

/* discover.c */
/* gw_discover - puts the instances that registries name in the place of configured endpoints. Under
 * gw->reload; opens registries that are new, and waits a moment for their first answer. */
int gw_discover(struct sn_gateway *gw, struct gw_load *l) SN_MUST_CHECK;
/* gw_discover_start - a fiber for each new source. While running. */
void gw_discover_start(struct sn_gateway *gw);
void gw_sources_free(struct sn_gateway *gw);
/* gw_rebuild - a new snapshot of the text in force. Returns 0, SN_E_*. Suspends. */
int gw_rebuild(struct sn_gateway *gw) SN_MUST_CHECK;

void gw_takeover_free(struct gw_takeover *t); /* takeover.h has the rest */
/* policy.c */
/* gw_policies - origin, token, rate, in this order. Returns 0: the request may go on; 1: it is
 * answered; SN_E_*. May suspend. */
int gw_policies(struct gw_req *q);
/* gw_cors_headers - what a page of another origin is told with every answer of the route. */
int gw_cors_headers(struct gw_req *q) SN_MUST_CHECK;
/* gw_preflight_method - the method a preflight asks for; .ptr NULL where the request is none. */
struct sn_str gw_preflight_method(const struct sn_http_req *r);

/* auth.c */
int gw_keys_get(const struct gw_snap *old, const struct sn_gw_conf_provider *c,
                struct gw_keys **ret) SN_MUST_CHECK;
void gw_keys_unref(struct gw_keys *k); /* suspends: the last one ends its fiber */
/* gw_auth_start - fibers that follow keys by URL. While running. */
void gw_auth_start(struct sn_gateway *gw, struct gw_snap *s);
int gw_auth(struct gw_req *q); /* as gw_policies */
/* gw_claim_text - a claim of the token as text, lists with commas; .ptr NULL where there is none.
 */
struct sn_str gw_claim_text(struct gw_req *q, struct sn_str path);
/* gw_auth_drops - whether the route's token rules keep this request field from upstreams. */
bool gw_auth_drops(const struct gw_req *q, struct sn_str name);

/* ratelimit.c */
int gw_redis_get(const struct gw_snap *old, const struct sn_gw_conf_redis *c,
                 struct gw_redis **ret) SN_MUST_CHECK;
void gw_redis_unref(struct gw_redis *r); /* suspends */
int gw_limiter_get(struct gw_snap *s, const struct sn_gw_conf_route *c, struct gw_limiter *old,
                   struct gw_limiter **ret) SN_MUST_CHECK;
void gw_limiter_unref(struct gw_limiter *l);
int gw_limit(struct gw_req *q); /* as gw_policies */

/* trace.c */
int gw_tracer_get(const struct gw_snap *old, const struct sn_gw_conf_tracing *c,
                  struct gw_tracer **ret) SN_MUST_CHECK; /* suspends */
void gw_tracer_unref(struct gw_tracer *t);               /* suspends: the last one ends its fiber */
void gw_trace_start(struct sn_gateway *gw, struct gw_snap *s); /* the exporter's fiber. While running */
/* gw_trace_begin - of a request whose route is known, where snap->tracer is set. */
void gw_trace_begin(struct gw_req *q);
/* gw_trace_attempt - to q->endpoint of q->upstream; each ends with the next function or the request. */
void gw_trace_attempt(struct gw_req *q);
void gw_trace_attempt_end(struct gw_req *q, int status, bool failed); /* status 0: no answer */
void gw_trace_end(struct gw_req *q, int status);
/* gw_trace_drops - whether it is a field that gw_trace_parent replaces. */
bool gw_trace_drops(struct sn_str name);
/* gw_trace_parent - traceparent for the upstream, of q->traced; .ptr NULL without memory. *ret_state:
 * tracestate, perhaps empty. */
struct sn_str gw_trace_parent(struct gw_req *q, struct sn_str *ret_state);
/* gw_trace_id - in hex. Returns GW_TRACE_ID_LEN, 0 without a trace. */
#define GW_TRACE_ID_LEN 32u
size_t gw_trace_id(const struct gw_req *q, char out[GW_TRACE_ID_LEN]);

/* sticky.c */
int gw_sticky_build(struct gw_snap *s, struct gw_pool *p) SN_MUST_CHECK; /* suspends */
/* gw_sticky_pick - the endpoint that the request's cookie names, where it is available; else NULL.
 */
struct sn_gw_endpoint *gw_sticky_pick(const struct gw_req *q, const struct gw_pool *p,
                                      int64_t now_ns);
/* gw_sticky_cookie - Set-Cookie for this endpoint, where the client has not got it. */
int gw_sticky_cookie(struct gw_req *q, const struct gw_pool *p,
                     const struct sn_gw_endpoint *ep) SN_MUST_CHECK;

/* admin.c */
int gw_admin_token(struct gw_snap *s) SN_MUST_CHECK; /* reads its file. Suspends */
/* gw_admin_prepare - the admin listener for a new snapshot: the present one where its address
 * stays, a new one, or NULL. Under gw->reload. */
int gw_admin_prepare(struct sn_gateway *gw, const struct gw_snap *s,
                     struct gw_admin **ret) SN_MUST_CHECK;
void gw_admin_commit(struct sn_gateway *gw, struct gw_admin *a);
void gw_admin_start(struct sn_gateway *gw);
void gw_admin_free(struct gw_admin *a); /* suspends */
/* gw_admin_addr - its bound address; as sn_gateway_listener_addr. */
int gw_admin_addr(struct sn_gateway *gw, char *out, size_t cap);

struct sn_listener *gw_admin_listener(struct sn_gateway *gw);
const char *gw_admin_name(struct sn_gateway *gw); /* its address as configured */

/* tunnel.c, upgrade.c: tunnels from one process to another */
int gw_tunnels_init(struct sn_gateway *gw) SN_MUST_CHECK;
struct gw_given {
    int fd[2];             /* client, upstream */
    bool over[2];          /* up, down: this direction has come to its end */
    struct sn_str rest[2]; /* up, down: read and not yet written */
};
struct gw_giver {
    int (*give)(void *arg, const struct gw_given *t); /* may suspend */
    void *arg;
    uint64_t given;
};
/* gw_tunnels_give - this worker's tunnels between plain sockets. Suspends. */
void gw_tunnels_give(struct sn_gateway *gw, struct gw_giver *g);
/* gw_tunnel_take - goes on with one, on this worker. The descriptors are taken over in any case. */
int gw_tunnel_take(struct sn_gateway *gw, const struct gw_given *in) SN_MUST_CHECK;
/* gw_upgrade_start - listens for a successor, where the configuration says so. */
int gw_upgrade_start(struct sn_gateway *gw) SN_MUST_CHECK;
/* gw_inherit_begin - the running gateway's listening sockets, before ours are bound. Suspends. */
int gw_inherit_begin(struct sn_gateway *gw, struct sn_str path) SN_MUST_CHECK;
/* gw_inherit_fd - the inherited socket of this address, once; -1 where there is none. */
int gw_inherit_fd(struct sn_gateway *gw, const char *name, const char *addr);
/* gw_inherit_ready - we accept: the old process may stop, and its tunnels come; or there is none.
 */
int gw_inherit_ready(struct sn_gateway *gw) SN_MUST_CHECK;
void gw_inherit_end(struct sn_gateway *gw);

/* kube_watch.c */
/* gw_kube_client_start - follows the API server of the configuration, if it names one. While
 * running. */
int gw_kube_client_start(struct sn_gateway *gw) SN_MUST_CHECK;
void gw_kube_client_free(struct gw_kube_client *c); /* its fibers have ended. Suspends */
/* gw_kube_client_documents - takes the statuses of a build that is in force (kube.h). */
void gw_kube_client_documents(struct gw_kube_client *c, struct sn_buf *documents);
/* gw_kube_client_text - appends what is known: {"kind":..., "object":...} one after another. */
int gw_kube_client_text(struct gw_kube_client *c, struct sn_buf *out) SN_MUST_CHECK;

/* mirror.c */
/* gw_mirror_wanted - whether this request is to be copied: by chance, and within the bounds. */
bool gw_mirror_wanted(struct gw_req *q);
/* gw_mirror_begin - the copy of the head; NULL where there is no memory for one. */
struct gw_mirror *gw_mirror_begin(struct gw_req *q, const struct sn_http_call *call);
void gw_mirror_body(struct gw_mirror *m, const void *data, size_t n);
/* gw_mirror_end - sends the copy, or drops it where its body is not whole. NULL is accepted. */
void gw_mirror_end(struct gw_mirror *m, bool whole);

/* handler.c */
int gw_handle(struct sn_http_x *x, void *listener);
/* gw_answer - an answer of our own with a short text. */
int gw_answer(struct gw_req *q, int status, const char *fault);
int gw_response_headers(struct gw_req *q);

/* grpc.c */
/* gw_grpc_begin - whether the request is a gRPC call, and its deadline: what the client gives it
 * and the route allows. Returns 0, or SN_E_SYNTAX (a malformed grpc-timeout). */
int gw_grpc_begin(struct gw_req *q, int64_t ns_max) SN_MUST_CHECK;
bool gw_is_grpc(const struct sn_http_req *r);
/* gw_grpc_answer - an answer of our own in gRPC's form; code: 0 or SN_E_*. */
int gw_grpc_answer(struct gw_req *q, int code, const char *message);
/* gw_grpc_code - the code that an HTTP status of ours stands for. */
int gw_grpc_code(int http_status);
/* gw_grpc_status - grpc-status among these fields, or 1 where there is none. */
int gw_grpc_status(const struct sn_http_headers *h);
/* gw_grpc_end - ends a stream whose head was sent with a status of our own. */
int gw_grpc_end(struct gw_req *q, int code, const char *message);

/* transcode.c */
/* gw_transcoder_new - the other protocols in front of a route's gRPC services, by a descriptor set:
 * of its file, or what reflection has brought so far.
 * Returns 0, SN_E_NOT_FOUND (file, service), SN_E_SYNTAX and others of sn_pb_load. Suspends. */
int gw_transcoder_new(const struct sn_gw_conf_transcode *c, struct sn_str reflected,
                      struct gw_transcoder **ret) SN_MUST_CHECK;
void gw_transcoder_free(struct gw_transcoder *t);
/* gw_transcode - answers a request of gRPC-Web, Connect or REST. Returns 0, SN_E_*, or 1: it is
 * none. */
int gw_transcode(struct gw_req *q);

/* proxy.c, tunnel.c, files.c, action.c */
/* gw_choose_pool - one of the route's upstreams, by weight. */
struct gw_pool *gw_choose_pool(struct gw_req *q);
/* gw_hash_key - what ring_hash goes by, random where the request has nothing of it. */
uint64_t gw_hash_key(const struct gw_req *q, const struct sn_gw_conf_upstream *c);
/* gw_never_connected - whether a call failed before anything was sent. */
bool gw_never_connected(int r);
int gw_proxy(struct gw_req *q);
int gw_tunnel(struct gw_req *q, struct gw_client *client, struct sn_http_resp *resp);
int gw_files(struct gw_req *q);
int gw_redirect(struct gw_req *q);
int gw_respond(struct gw_req *q);
/* gw_rewrite_path - path after strip_prefix, replace_prefix or replace_path; .ptr NULL = no memory.
 */
struct sn_str gw_rewrite_path(struct gw_req *q, struct sn_str replace_path,
                              struct sn_str replace_prefix, struct sn_str strip_prefix);

/* gw_rewrite_regex - the path by the route's expression, as it is where that does not fit; as
 * above. */
struct sn_str gw_rewrite_regex(struct gw_req *q);

/* headers.c */
/* gw_is_hop - whether a field is meant for one connection only, by name or by `connection`. */
bool gw_is_hop(struct sn_str name, struct sn_str connection);
/* gw_headers_upstream - the request's fields as the upstream shall see them, in the request arena.
 */
struct gw_upgrade {
    struct sn_str protocol; /* .ptr NULL: none */
    struct sn_str key;      /* Sec-WebSocket-Key of a translated extended CONNECT */
};
int gw_headers_upstream(struct gw_req *q, struct sn_str endpoint, const struct sn_gw_conf_proxy *p,
                        const struct gw_upgrade *up, struct sn_http_header **ret,
                        unsigned *ret_n) SN_MUST_CHECK;
/* gw_headers_downstream - the response's fields onto the exchange. */
int gw_headers_downstream(struct gw_req *q, const struct sn_http_resp *resp,
                          bool upgrade) SN_MUST_CHECK;
int gw_cidr_parse(struct sn_str s, struct gw_cidr *ret) SN_MUST_CHECK;
bool gw_trusted(const struct gw_snap *s, struct sn_str peer);
/* gw_cidr_holds - whether one of the networks holds the address. */
bool gw_cidr_holds(const struct gw_cidr *list, size_t n, struct sn_str addr);
/* gw_client_address - the client's, as trusted proxies in front of us tell it; else the peer's. */
struct sn_str gw_client_address(const struct gw_req *q);
struct sn_str gw_cookie(const struct sn_http_headers *h, struct sn_str name); /* .ptr NULL: none */
/* gw_upgrade - the protocol of a request that asks to switch; .ptr NULL otherwise. */
struct sn_str gw_upgrade(const struct sn_http_req *r);

/* access_log.c */
int gw_log_new(const struct sn_gw_conf_access_log *c, unsigned workers,
               struct gw_log **ret) SN_MUST_CHECK;
bool gw_log_same(const struct gw_log *l, const struct sn_gw_conf_access_log *c);
struct gw_log *gw_log_ref(struct gw_log *l);
void gw_log_unref(struct gw_log *l); /* suspends: the last one flushes */
void gw_log_write(struct gw_log *l, const struct gw_req *q, int64_t took_ns);
void gw_log_flush(struct gw_log *l);
uint64_t gw_log_dropped(const struct gw_log *l);

/* health.c */
/* gw_health_prepare - memory for the checks of a new snapshot. Returns 0 or SN_E_NOMEM. */
int gw_health_prepare(struct gw_snap *s) SN_MUST_CHECK;
void gw_health_start(struct sn_gateway *gw, struct gw_snap *s);
/* reflect.c */
void gw_upstream_unref(struct gw_upstream *u);
/* gw_reflect_prepare - memory for a new snapshot's fibers. Returns 0 or SN_E_NOMEM. */
int gw_reflect_prepare(struct gw_snap *s) SN_MUST_CHECK;
void gw_reflect_start(struct sn_gateway *gw, struct gw_snap *s);

/* listeners.c */
struct gw_listener_plan {
    struct gw_listener *per_conf[GW_LISTENERS_MAX]; /* one per conf->listeners entry */
    bool fresh[GW_LISTENERS_MAX];
    SN_VEC(struct gw_listener *) next; /* room for the gateway's list */
};
/* gw_listeners_prepare - finds or opens a listener for every entry and fills s->by_slot; on failure
 * closes what it opened. Under gw->reload. */
int gw_listeners_prepare(struct sn_gateway *gw, struct gw_snap *s,
                         struct gw_listener_plan *plan) SN_MUST_CHECK;
/* gw_listeners_commit - after publishing: serves the fresh ones if the gateway runs, lets the
 * others go. Does not fail: what is published cannot be taken back. */
void gw_listeners_commit(struct sn_gateway *gw, struct gw_snap *s, struct gw_listener_plan *plan);
void gw_listeners_abandon(struct gw_listener_plan *plan, size_t n);
/* gw_listeners_drop - undoes a whole gw_listeners_prepare. */
void gw_listeners_drop(struct gw_listener_plan *plan, size_t n);
void gw_listener_serve(struct gw_listener *l);
/* gw_listener_close - no more accepting; waits until its fiber has left. */
void gw_listener_close(struct gw_listener *l);
void gw_listener_free(struct gw_listener *l);

/* tls.c */
int gw_tls_server(const struct sn_gw_conf_tls_server *c, bool h2,
                  struct sn_tls_config **ret) SN_MUST_CHECK;
int gw_tls_client(const struct sn_gw_conf_upstream *c, struct sn_tls_config **ret) SN_MUST_CHECK;
/* gw_tls_reload - the same files again, for new handshakes. NULL is accepted. */
int gw_tls_reload(struct sn_tls_config *t) SN_MUST_CHECK;
void gw_tls_free(struct sn_tls_config *t);

/* watch.c */
int gw_watch(void *gateway);
