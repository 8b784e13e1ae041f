/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc.h - gRPC server and client on fibers.
 *
 * Server: sn_grpc_handle is an HTTP handler (kit/http.h): gRPC, gRPC-Web, Connect, transcoded REST
 * and plain HTTP share one port. Every call runs its handler in its own fiber, under sn_try, with
 * the caller's deadline as the fiber's deadline; when the client is gone the fiber is cancelled.
 *
 * Client: a channel keeps HTTP/2 connections per worker (no lock on a call's way), found by a
 * resolver and chosen by a balancer. A call's deadline is the fiber's, so a deadline that came with
 * an incoming call bounds the calls made in its handler without anybody passing it on.
 *
 * One struct sn_grpc_call serves both sides and is what interceptors see.
 *
 * Status: functions return SN_E_* (their canonical codes are gRPC's). A handler that returns one
 * sends its canonical code and, as message, only what sn_grpc_fail was given: diagnostics stay here.
 *
 * Sources: grpc/grpc doc/PROTOCOL-HTTP2.md, PROTOCOL-WEB.md, connectivity-semantics-and-api.md,
 * connection-backoff.md, service_config.md; gRFCs A6, A8, A9, A17; connectrpc.com/docs/protocol. */
#pragma once
#include "core/arena.h"
#include "core/str.h"
#include "fiber/fiber.h"
#include "kit/http.h"
#include "wire/grpc.h"
#include "wire/pb.h"

struct sn_tls_config;
struct sn_grpc_server;
struct sn_grpc_channel;
struct sn_grpc_call;

#define SN_GRPC_RECV_BYTES_MAX (4u << 20)
#define SN_GRPC_INTERCEPTORS_MAX 32u

/* ---- a call, on either side ------------------------------------------------------------------- */

/* How a call ended. The texts live in the call's arena, or in the one the caller gave. */
struct sn_grpc_status {
    int code; /* 0, or a canonical SN_E_* */
    struct sn_str message;
    struct sn_str details; /* serialised google.rpc.Status; .ptr NULL where none came */
};

/* The fields are to be read; those marked "set" may be set by interceptors before they go on. */
struct sn_grpc_call {
    struct sn_str path;                /* "/pkg.Service/Method" */
    const struct sn_pb_method *method; /* NULL for paths no table knows */
    struct sn_arena *arena;            /* dies with the call */
    /* Server: what came with the request. Client: what goes with it (set: sn_grpc_metadata_add).
     * Reserved names (":", "grpc-", content-type, te, ...) are not in it. -bin values are decoded. */
    struct sn_http_headers metadata;
    /* Client: initial metadata and trailers of the answer, once they are here. */
    struct sn_http_headers received, trailers;
    int64_t start_ns, deadline_ns; /* sn_now's clock; SN_FOREVER */
    int64_t received_bytes, sent_bytes; /* of messages, before compression */
    uint64_t received_msgs, sent_msgs;
    bool received_compressed;           /* the last message received was */
    struct sn_grpc_server *server;     /* NULL on the client's side */
    struct sn_grpc_channel *channel;   /* NULL on the server's side */
    struct sn_http_x *http;            /* server: the exchange below (peer, TLS, raw headers) */
    struct sn_grpc_endpoint *endpoint; /* client: where this attempt went, once picked */
    unsigned attempt;                  /* client: 1 for the first */
    void *arg;                         /* server: the service's, from sn_grpc_server_add */
    struct sn_grpc_status status;      /* once over */
    uint64_t hash;                     /* client (set): the key of hashing balancers; 0 = none */
    void *local[4];                    /* for the interceptors of one program to agree upon */
};

/* sn_grpc_metadata - the first value of `name` (lower case) in c->metadata; .ptr NULL where absent. */
struct sn_str sn_grpc_metadata(const struct sn_grpc_call *c, const char *name);
/* sn_grpc_metadata_add - a field to be sent. Client: with the request, before the call is sent. Server:
 * with the response's head, before the first message. `name` is lowered and must not be reserved; the
 * value of a name that ends in "-bin" may be any bytes. Both are copied into the call's arena.
 * Returns 0, SN_E_INVALID_ARGUMENT (reserved name, bad value), SN_E_FAILED_PRECONDITION (already
 * sent), SN_E_NOMEM. */
int sn_grpc_metadata_add(struct sn_grpc_call *c, struct sn_str name, struct sn_str value)
    SN_MUST_CHECK;
/* sn_grpc_trailer_add - server: a field behind the last message. Returns as sn_grpc_metadata_add. */
int sn_grpc_trailer_add(struct sn_grpc_call *c, struct sn_str name, struct sn_str value)
    SN_MUST_CHECK;
/* sn_grpc_fail - server: the message that goes to the client with `code`; returns `code`. The text is
 * for the client's eyes: name no secret in it. */
int sn_grpc_fail(struct sn_grpc_call *c, int code, const char *fmt, ...) SN_PRINTF(3, 4);
/* sn_grpc_detail - server: adds an error detail (an Any of google.rpc.Status) to what sn_grpc_fail
 * sends. Returns 0, SN_E_NOMEM, SN_E_TOO_LARGE, as sn_pb_encode. */
int sn_grpc_detail(struct sn_grpc_call *c, const struct sn_pb_desc *d, const void *msg) SN_MUST_CHECK;
/* sn_grpc_details_pass - server: the details of a serialised google.rpc.Status that came from elsewhere,
 * for a proxy. Malformed ones are left out. Returns 0, SN_E_NOMEM. */
int sn_grpc_details_pass(struct sn_grpc_call *c, struct sn_str status) SN_MUST_CHECK;
/* sn_grpc_peer - "ip:port", in the call's arena; .ptr NULL where not known. */
struct sn_str sn_grpc_peer(struct sn_grpc_call *c);

/* ---- messages of a stream, both sides --------------------------------------------------------- */

/* sn_grpc_recv - the next message. a: where it lives; NULL: in memory of the call that the next
 * sn_grpc_recv reuses. *ret is set when there is one.
 * Returns 1; 0 at the end (server: the client has half-closed; client: the call ended with OK);
 * client: the call's status where it ended otherwise; SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED;
 * SN_E_RESOURCE_EXHAUSTED (over the receive limit), SN_E_INTERNAL (framing), SN_E_NOMEM. Suspends. */
int sn_grpc_recv(struct sn_grpc_call *c, struct sn_arena *a, void **ret) SN_MUST_CHECK;
/* sn_grpc_recv_raw - the same without decoding: the message's bytes (decompressed), until the next
 * receive. */
int sn_grpc_recv_raw(struct sn_grpc_call *c, struct sn_str *ret) SN_MUST_CHECK;
/* sn_grpc_send - encodes and sends one message; suspends while the peer's window is full. msg may be
 * reused afterwards. Returns 0; SN_E_EOF on the client where the call is over (sn_grpc_recv tells
 * how); SN_E_RESET, SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED, SN_E_RESOURCE_EXHAUSTED (over the send
 * limit), as sn_pb_encode. One fiber may send while another receives, on the call's worker. */
int sn_grpc_send(struct sn_grpc_call *c, const void *msg) SN_MUST_CHECK;
int sn_grpc_send_raw(struct sn_grpc_call *c, struct sn_str msg) SN_MUST_CHECK;
/* sn_grpc_recv_only - server: the one request of a method that streams only its answers; in c->arena.
 * Returns 0, or the failure to end the call with. For generated code. */
int sn_grpc_recv_only(struct sn_grpc_call *c, void **ret) SN_MUST_CHECK;
/* sn_grpc_send_only - server: the one answer of a method that streams its requests; NULL is an empty
 * one. It leaves with the call's end. For generated code. */
int sn_grpc_send_only(struct sn_grpc_call *c, const void *msg) SN_MUST_CHECK;
/* sn_grpc_send_head - server: sends the initial metadata now, before any message. */
int sn_grpc_send_head(struct sn_grpc_call *c) SN_MUST_CHECK;
/* sn_grpc_hold - server: messages sent from now on may wait for a following one or the end (on =
 * true), or leave at once (false, the default). Bulk streams save system calls. */
void sn_grpc_hold(struct sn_grpc_call *c, bool on);
/* sn_grpc_compress - whether messages sent from now on are compressed, where the call has agreed on
 * an encoding. Default: the server's or call's option. */
void sn_grpc_compress(struct sn_grpc_call *c, bool on);

/* ---- interceptors ----------------------------------------------------------------------------- */

/* An interceptor stands around calls, on either side; the first of the list is outermost.
 *
 * around: before and after are before and after its sn_grpc_next. Not calling it refuses the call
 *   with what `around` returns (>= 0 counts as SN_E_INTERNAL there). What is inside: on the server the
 *   handler, unary or streaming, to its end; on the client a whole unary call, or the opening of a
 *   stream. A client may call sn_grpc_next again for another attempt of a unary call; c->status
 *   then has the last attempt's. On the server a second call is SN_E_FAILED_PRECONDITION.
 * done: the call is over, c->status, counts and times are final. Runs for every call whose `around`
 *   was entered, also for client streams, in the fiber that finds out. Must not suspend.
 * message: after each message received or sent, `bytes` on the wire. Must not suspend.
 * Any may be NULL. */
struct sn_grpc_chain;
struct sn_grpc_interceptor {
    const char *name;
    int (*around)(struct sn_grpc_call *c, struct sn_grpc_chain *next, void *arg);
    void (*done)(struct sn_grpc_call *c, void *arg);
    void (*message)(struct sn_grpc_call *c, bool sent, size_t bytes, void *arg);
    void *arg;
};
/* sn_grpc_next - runs the rest of the chain. Returns its status. Suspends. */
int sn_grpc_next(struct sn_grpc_call *c, struct sn_grpc_chain *next) SN_MUST_CHECK;

/* ---- server ----------------------------------------------------------------------------------- */

/* What the generated X_register passes: one entry per method of the service, in its order. `impl` is
 * the generated struct of typed functions. */
struct sn_grpc_handler {
    /* unary - *ret is the answer, in c->arena or longer-lived; NULL with success is an empty one. */
    int (*unary)(struct sn_grpc_call *c, const void *impl, const void *req, void **ret);
    /* stream - every other kind; receives and sends by itself. Its return ends the call. */
    int (*stream)(struct sn_grpc_call *c, const void *impl);
};
struct sn_grpc_server_opts {
    const struct sn_grpc_interceptor *interceptors; /* copied */
    unsigned n_interceptors;
    size_t recv_bytes_max, send_bytes_max; /* of a message; 0 = 4 MiB received, sent 2 GiB */
    /* Answers are compressed with an encoding the client accepts if this is set. */
    bool compress;
    bool web_off, connect_off, rest_off; /* the other protocols of the same port */
    bool json_original_names; /* JSON answers name fields as the .proto does, not in lowerCamelCase */
    /* Origins that may call by gRPC-Web, Connect and REST from a browser: "*", or an exact origin. */
    const struct sn_str *cors_origins;
    unsigned n_cors_origins;
    /* fallback - for requests that are none of ours. NULL: 404, or 415 for other POSTs. */
    sn_http_handler fallback;
    void *fallback_arg;
    /* unknown - a streaming handler for paths without a method (a proxy; c->method is NULL, use
     * the raw calls). NULL: UNIMPLEMENTED. */
    int (*unknown)(struct sn_grpc_call *c, void *arg);
    void *unknown_arg;
    /* Finds the messages of an Any in JSON and of error details beyond the registered files'. */
    const struct sn_pb_desc *(*resolve)(struct sn_str full_name, void *arg);
    void *resolve_arg;
};
/* sn_grpc_server_new - Returns 0, SN_E_NOMEM, SN_E_INVALID_ARGUMENT. Owns: sn_grpc_server_free after
 * the HTTP server was drained. */
int sn_grpc_server_new(const struct sn_grpc_server_opts *opts, struct sn_grpc_server **ret)
    SN_MUST_CHECK;
void sn_grpc_server_free(struct sn_grpc_server *s);
/* sn_grpc_server_add - registers a service; before the first call. Borrows all but the handlers' array.
 * Returns 0, SN_E_ALREADY_EXISTS, SN_E_SYNTAX (a google.api.http annotation), SN_E_NOMEM. */
int sn_grpc_server_add(struct sn_grpc_server *s, const struct sn_pb_service *svc,
                       const struct sn_grpc_handler *handlers, const void *impl,
                       void *arg) SN_MUST_CHECK;
/* sn_grpc_handle - the sn_http_handler; arg is the struct sn_grpc_server. */
int sn_grpc_handle(struct sn_http_x *x, void *server);
/* sn_grpc_http_defaults - fills in what a gRPC server wants of its HTTP server where `o` says nothing:
 * keepalive, its enforcement, TCP limits, windows that follow the bandwidth. */
void sn_grpc_http_defaults(struct sn_http_server_opts *o);
struct sn_grpc_server_stats {
    uint64_t calls_started, calls_ok, calls_failed, last_started_wall_ns;
    uint64_t calls_active;
};
void sn_grpc_server_stats(const struct sn_grpc_server *s, struct sn_grpc_server_stats *ret);

/* Services every server may have; each is registered once, before the first call. */
enum sn_grpc_serving { SN_GRPC_UNKNOWN, SN_GRPC_SERVING, SN_GRPC_NOT_SERVING };
/* sn_grpc_health_add - grpc.health.v1.Health. "" is the whole server, SERVING at first. */
int sn_grpc_health_add(struct sn_grpc_server *s) SN_MUST_CHECK;
/* sn_grpc_health_set - tells who asks and who watches. Any fiber. Returns 0, SN_E_NOMEM,
 * SN_E_FAILED_PRECONDITION (no health service). */
int sn_grpc_health_set(struct sn_grpc_server *s, struct sn_str service,
                       enum sn_grpc_serving state) SN_MUST_CHECK;
/* sn_grpc_health_shutdown - NOT_SERVING for everything, for good: the first step of a drain. */
void sn_grpc_health_shutdown(struct sn_grpc_server *s);
/* sn_grpc_reflection_add - server reflection, v1 and v1alpha, of every service registered by then. */
int sn_grpc_reflection_add(struct sn_grpc_server *s) SN_MUST_CHECK;
/* sn_grpc_channelz_add - grpc.channelz.v1: servers, channels, subchannels and sockets of the process. */
int sn_grpc_channelz_add(struct sn_grpc_server *s) SN_MUST_CHECK;

/* ---- resolvers: from a target to endpoints ---------------------------------------------------- */

#define SN_GRPC_ENDPOINTS_MAX 1024u
struct sn_grpc_address {
    struct sn_str addr;    /* an address of fiber/net.h: "tcp:10.0.0.1:80", "unix:/run/x" */
    struct sn_str host;    /* :authority and TLS name; .ptr NULL: the channel's */
    uint32_t weight;       /* 0 = 1 */
    struct sn_str labels;  /* "zone=a,version=2", for balancers; may be empty */
};
/* A resolver's fiber publishes by sn_grpc_resolved, then waits by sn_grpc_resolve_wait. */
struct sn_grpc_resolving;
struct sn_grpc_resolver {
    const char *scheme; /* "etcd" for targets "etcd:///orders" */
    /* run - lives as long as the channel; ends when sn_grpc_resolve_wait says so. */
    int (*run)(struct sn_grpc_resolving *r, struct sn_str target, void *arg);
    void *arg;
};
/* sn_grpc_resolved - the endpoints there are now (copied); err < 0 instead says that none could be
 * found out: what was known stays in use. service_config: JSON, or .ptr NULL. An empty list is an
 * outage of the registry until it is confirmed by `certain`. */
int sn_grpc_resolved(struct sn_grpc_resolving *r, const struct sn_grpc_address *addrs, unsigned n,
                     bool certain, struct sn_str service_config, int err);
/* sn_grpc_resolve_wait - until at_ns, or until a connection failed and somebody wants fresh endpoints.
 * Returns 0, or SN_E_CANCELLED: the channel is closing, return from run. Suspends. */
int sn_grpc_resolve_wait(struct sn_grpc_resolving *r, int64_t at_ns) SN_MUST_CHECK;

/* ---- balancers: from endpoints to one --------------------------------------------------------- */

enum sn_grpc_state { /* numbers of grpc.channelz.v1.ChannelConnectivityState.State */
    SN_GRPC_IDLE = 1,
    SN_GRPC_CONNECTING = 2,
    SN_GRPC_READY = 3,
    SN_GRPC_TRANSIENT_FAILURE = 4,
    SN_GRPC_SHUTDOWN = 5,
};
struct sn_grpc_endpoint { /* of one channel on one worker */
    struct sn_grpc_address at;
    enum sn_grpc_state state;
    unsigned inflight; /* calls */
    unsigned index;    /* in lb->eps; changes with updates */
    uint64_t started, failed;
    void *user;        /* lb->ops->endpoint_bytes zeroed bytes; kept over updates that keep `at` */
};
/* A channel has one balancer per worker; everything below runs on that worker and must not suspend,
 * so it needs no lock. */
struct sn_grpc_lb {
    const struct sn_grpc_lb_ops *ops;
    struct sn_grpc_endpoint **eps;
    unsigned n;
    void *user;      /* ops->bytes zeroed bytes */
    void *channel_worker; /* the channel's */
};
struct sn_grpc_outcome {
    int status;      /* of the attempt: 0 or a canonical SN_E_* */
    int64_t took_ns;
    bool got_answer; /* anything of the answer arrived */
};
struct sn_grpc_lb_ops {
    const char *name; /* of loadBalancingConfig: "round_robin" */
    size_t bytes, endpoint_bytes;
    bool health; /* its endpoints are READY only while healthy, where healthCheckConfig asks for it */
    /* update - endpoints or a state changed; sn_grpc_lb_connect is for here and for pick. */
    void (*update)(struct sn_grpc_lb *lb);
    /* pick - the index of a READY endpoint; SN_E_AGAIN: the call waits for the next update;
     * SN_E_UNAVAILABLE: it fails unless it waits for ready. */
    int (*pick)(struct sn_grpc_lb *lb, struct sn_grpc_call *c);
    /* outcome - an attempt ended on an endpoint (maybe no longer in eps). May be NULL. */
    void (*outcome)(struct sn_grpc_lb *lb, struct sn_grpc_endpoint *ep, struct sn_grpc_call *c,
                    const struct sn_grpc_outcome *o);
    void (*done)(struct sn_grpc_lb *lb); /* may be NULL */
};
/* sn_grpc_lb_connect - an IDLE endpoint is dialled; others are left as they are. */
void sn_grpc_lb_connect(struct sn_grpc_lb *lb, unsigned i);
extern const struct sn_grpc_lb_ops sn_grpc_pick_first, sn_grpc_round_robin;

/* ---- client ----------------------------------------------------------------------------------- */

struct sn_grpc_channel_opts {
    struct sn_tls_config *tls;  /* NULL: plain */
    const char *authority;      /* :authority and TLS name; NULL: from the target */
    const char *user_agent;     /* in front of ours; NULL: none */
    const struct sn_grpc_lb_ops *lb; /* NULL: what the service config says, else pick_first */
    const struct sn_grpc_resolver *resolvers; /* for further schemes, or to replace ours; borrowed */
    unsigned n_resolvers;
    const struct sn_grpc_interceptor *interceptors; /* copied */
    unsigned n_interceptors;
    /* JSON of service_config.md: loadBalancingConfig, methodConfig (timeout, waitForReady,
     * retryPolicy, max...MessageBytes), retryThrottling, healthCheckConfig. Wins over the
     * resolver's. */
    struct sn_str service_config;
    bool health_off;            /* healthCheckConfig is not followed */
    bool retry_off;             /* no retry policy; transparent retries stay */
    size_t retry_bytes_max;     /* what a stream keeps to be sent again; 0 = 256 KiB. Beyond it, or 16
                                 * MiB of all on a worker, the attempt under way is the last */
    size_t recv_bytes_max, send_bytes_max; /* 0 = 4 MiB, 2 GiB */
    enum sn_grpc_encoding compress; /* of requests; identity by default */
    int64_t connect_ns_max;     /* 0 = 20 s */
    int64_t backoff_ns_max;     /* 0 = 120 s; first 1 s, factor 1.6, jitter 20 % */
    int64_t backoff_ns;         /* 0 = 1 s */
    int64_t keepalive_ns;       /* PING after so long without a byte while calls run; 0 = none, else at
                                 * least 10 s */
    int64_t keepalive_timeout_ns; /* 0 = 20 s */
    bool keepalive_idle;        /* also without calls */
    int64_t idle_ns;            /* without calls the channel goes IDLE; 0 = 30 min */
    size_t window_bytes_max;    /* of flow control, reached as bandwidth asks for; 0 = 16 MiB */
};
/* sn_grpc_channel_new - target: "dns:///host:port", "host:port", "ipv4:a:p,b:p", "ipv6:[a]:p",
 * "unix:/path", "unix-abstract:name", "passthrough:///addr", or a resolver's scheme. Does not connect.
 * Returns 0, SN_E_SYNTAX (target, service config), SN_E_NOT_FOUND (no such scheme), SN_E_NOMEM.
 * Owns: sn_grpc_channel_free. */
int sn_grpc_channel_new(const char *target, const struct sn_grpc_channel_opts *opts,
                        struct sn_grpc_channel **ret) SN_MUST_CHECK;
/* sn_grpc_channel_free - no call may be in progress. Suspends. */
void sn_grpc_channel_free(struct sn_grpc_channel *ch);
/* sn_grpc_channel_state - of the calling worker; connect: leave IDLE. */
enum sn_grpc_state sn_grpc_channel_state(struct sn_grpc_channel *ch, bool connect);
/* sn_grpc_channel_wait - until the state on this worker is no longer `from`. Returns 0,
 * SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED. Suspends. */
int sn_grpc_channel_wait(struct sn_grpc_channel *ch, enum sn_grpc_state from) SN_MUST_CHECK;
struct sn_grpc_channel_stats {
    uint64_t calls_started, calls_ok, calls_failed, retries, connects, connects_failed;
};
void sn_grpc_channel_stats(const struct sn_grpc_channel *ch, struct sn_grpc_channel_stats *ret);

struct sn_grpc_opts { /* of one call; NULL for defaults */
    const struct sn_http_header *metadata;
    unsigned n_metadata;
    int64_t timeout_ns;      /* 0: none beyond the fiber's deadline */
    bool wait_for_ready;     /* a connection that cannot be had is waited for */
    bool no_retry;
    int compress;            /* enum sn_grpc_encoding; 0: the channel's, -1: identity */
    size_t recv_bytes_max;   /* 0: the channel's */
    uint64_t hash;
    /* How it ended, with texts in the arena of the answer; also on success. May be NULL. */
    struct sn_grpc_status *ret_status;
    struct sn_http_headers *ret_metadata, *ret_trailers; /* of the answer; may be NULL */
};
/* sn_grpc_unary - one request, one answer. a: where the answer lives.
 * Returns 0, or the call's status (the diagnostic has its message). Suspends. */
int sn_grpc_unary(struct sn_grpc_channel *ch, const struct sn_pb_method *m, const void *req,
                  struct sn_arena *a, void **ret, const struct sn_grpc_opts *o) SN_MUST_CHECK;
/* sn_grpc_unary_raw - the same on bytes. */
int sn_grpc_unary_raw(struct sn_grpc_channel *ch, struct sn_str path, struct sn_str req,
                      struct sn_arena *a, struct sn_str *ret,
                      const struct sn_grpc_opts *o) SN_MUST_CHECK;
/* sn_grpc_open - begins a streaming call; it belongs to this worker. Until its answer has begun it is
 * tried again as the retry policy says: what was sent is sent anew. m may be NULL: then `path` names
 * it and only the raw calls work. ret_status, ret_metadata and ret_trailers of `o` are not used: the
 * call has them. Returns 0, SN_E_UNAVAILABLE, and what an interceptor says.
 * Owns: sn_grpc_close. Suspends until a connection is there. */
int sn_grpc_open(struct sn_grpc_channel *ch, const struct sn_pb_method *m, struct sn_str path,
                 const struct sn_grpc_opts *o, struct sn_grpc_call **ret) SN_MUST_CHECK;
/* sn_grpc_open_with - the same for a method that streams only its answers: the request is sent, and
 * it was the last. For generated code. */
int sn_grpc_open_with(struct sn_grpc_channel *ch, const struct sn_pb_method *m, const void *req,
                      const struct sn_grpc_opts *o, struct sn_grpc_call **ret) SN_MUST_CHECK;
/* sn_grpc_close_send - client: no more messages. Returns as sn_grpc_send. */
int sn_grpc_close_send(struct sn_grpc_call *c) SN_MUST_CHECK;
/* sn_grpc_recv_head - client: waits for the initial metadata (c->received). Returns 0 or the call's
 * status. Suspends. */
int sn_grpc_recv_head(struct sn_grpc_call *c) SN_MUST_CHECK;
/* sn_grpc_cancel - client: ends the call with CANCELLED; any fiber of its worker. */
void sn_grpc_cancel(struct sn_grpc_call *c);
/* sn_grpc_close - frees a call of sn_grpc_open, cancelling it where it is not over. Returns its status:
 * 0 or a canonical SN_E_*. */
int sn_grpc_close(struct sn_grpc_call *c);
