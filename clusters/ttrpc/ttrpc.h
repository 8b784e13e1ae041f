/* SPDX-License-Identifier: Apache-2.0 */
/* ttrpc/ttrpc.h - ttrpc servers and clients on fibers: the RPC of containerd and its shims.
 *
 * A connection that is idle has neither a fiber nor a buffer; bytes start a pooled fiber that reads
 * frames, and each request runs in a fiber of its own. Everything of a server, and of a client, happens
 * on the worker where it was started, so its state needs no locks; its calls are for fibers of that
 * worker. Streaming in both directions is supported (protocol 1.2).
 *
 * A request's timeout becomes its fiber's deadline. The protocol has no cancellation: a handler is
 * cancelled when its connection ends, and a client that gives up ignores what still comes. */
#pragma once
#include "clusters/ttrpc/frame.h"
#include "core/arena.h"
#include "fiber/net.h"
#include "wire/pb.h"

#define SN_TTRPC_CONNS_MAX 256u             /* of a server; further ones wait to be accepted */
#define SN_TTRPC_STREAMS_MAX 1024u          /* open on one connection; more: RESOURCE_EXHAUSTED */
#define SN_TTRPC_SERVICES_MAX 16u           /* of a server */
#define SN_TTRPC_METADATA_MAX 128u          /* pairs of one request */
#define SN_TTRPC_QUEUE_MAX 64u              /* messages received on a stream and not yet taken */
#define SN_TTRPC_QUEUE_BYTES_MAX (8u << 20) /* of those */
#define SN_TTRPC_QUEUE_NS_MAX (1 * SN_SEC)  /* a full queue holds the connection up so long, then fails */
#define SN_TTRPC_WRITE_NS_MAX (30 * SN_SEC) /* a peer that takes nothing for so long is given up */

struct sn_ttrpc_call;

/* What a method is, for both sides; the tables of the messages are the plugin's. */
struct sn_ttrpc_method {
    const char *name;
    const struct sn_pb_desc *in, *out;
    bool client_streams, server_streams;
    /* The server's: one of both. Unary: *ret_rep is the reply, of type `out` in the call's arena or
     * longer lived; left NULL it is an empty message. Stream: receives and sends by itself. What they
     * return is the call's status, with the diagnostic as its message. */
    int (*unary)(struct sn_ttrpc_call *c, const void *req, void **ret_rep);
    int (*stream)(struct sn_ttrpc_call *c);
};
struct sn_ttrpc_service {
    const char *name; /* "containerd.task.v2.Task" */
    const struct sn_ttrpc_method *methods;
    unsigned n_methods;
};

/* ---- server ------------------------------------------------------------------------------------ */

struct sn_ttrpc_server;
/* sn_ttrpc_server_new - Returns 0, SN_E_NOMEM. Owns: sn_ttrpc_server_free. */
int sn_ttrpc_server_new(struct sn_ttrpc_server **ret) SN_MUST_CHECK;
/* sn_ttrpc_server_free - after sn_ttrpc_server_run has returned, or without it. Accepts NULL. */
void sn_ttrpc_server_free(struct sn_ttrpc_server *s);
/* sn_ttrpc_server_add - serves `service` (borrowed for the server's life); arg is its calls'
 * sn_ttrpc_arg. Returns 0, SN_E_ALREADY_EXISTS, SN_E_RESOURCE_EXHAUSTED. */
int sn_ttrpc_server_add(struct sn_ttrpc_server *s, const struct sn_ttrpc_service *service,
                        void *arg) SN_MUST_CHECK;
/* sn_ttrpc_server_run - serves connections until sn_ttrpc_server_stop or until the caller is
 * cancelled; then ends all connections, cancels what runs and waits for it.
 * Returns 0, or what accepting failed with. Owns: the listener stays the caller's. Suspends. */
int sn_ttrpc_server_run(struct sn_ttrpc_server *s, struct sn_listener *l) SN_MUST_CHECK;
/* sn_ttrpc_server_stop - ends sn_ttrpc_server_run. The calling handler's own reply may be lost unless
 * it was sent: see sn_ttrpc_after_reply. Does not suspend. */
void sn_ttrpc_server_stop(struct sn_ttrpc_server *s);
/* sn_ttrpc_server_calls, sn_ttrpc_server_conns - requests in progress, connections. */
unsigned sn_ttrpc_server_calls(const struct sn_ttrpc_server *s);
unsigned sn_ttrpc_server_conns(const struct sn_ttrpc_server *s);

/* sn_ttrpc_server_on_reply - fn(arg) runs after each reply: for what a program does when it is left alone. */
void sn_ttrpc_server_on_reply(struct sn_ttrpc_server *s, void (*fn)(void *arg), void *arg);

void *sn_ttrpc_arg(const struct sn_ttrpc_call *c);
struct sn_arena *sn_ttrpc_arena(struct sn_ttrpc_call *c);
/* sn_ttrpc_metadata - the first value of `key` in the request, .ptr NULL where there is none. */
struct sn_str sn_ttrpc_metadata(const struct sn_ttrpc_call *c, const char *key);
/* sn_ttrpc_after_reply - fn(arg) runs when the reply of this call has been written, or failed to. */
void sn_ttrpc_after_reply(struct sn_ttrpc_call *c, void (*fn)(void *arg), void *arg);

/* ---- messages of streams, both sides ------------------------------------------------------------ */

/* sn_ttrpc_recv - the next message of the other side, in the call's arena, whose memory grows with each
 * (sn_ttrpc_recv_reset forgets them).
 * Returns 0; SN_E_EOF at its end; on a client also the status the server ended the call with (the
 * diagnostic is its message); SN_E_SYNTAX; SN_E_CLOSED, SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED.
 * One fiber at a time. Suspends. */
int sn_ttrpc_recv(struct sn_ttrpc_call *c, void **ret) SN_MUST_CHECK;
void sn_ttrpc_recv_reset(struct sn_ttrpc_call *c);
/* sn_ttrpc_send - Returns 0, SN_E_TOO_LARGE, SN_E_CLOSED (the connection or the stream ended),
 * SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED. Suspends. */
int sn_ttrpc_send(struct sn_ttrpc_call *c, const void *msg) SN_MUST_CHECK;

/* ---- client ------------------------------------------------------------------------------------ */

struct sn_ttrpc_client;
/* sn_ttrpc_dial - addr as sn_dial's. Returns as sn_dial. Owns: sn_ttrpc_client_close. Suspends. */
int sn_ttrpc_dial(const char *addr, struct sn_ttrpc_client **ret) SN_MUST_CHECK;
/* sn_ttrpc_client_close - calls in progress end with SN_E_CLOSED. Accepts NULL. */
void sn_ttrpc_client_close(struct sn_ttrpc_client *c);
/* sn_ttrpc_client_alive - whether calls may still succeed: the connection has not ended. */
bool sn_ttrpc_client_alive(const struct sn_ttrpc_client *c);

struct sn_ttrpc_pair {
    struct sn_str key, value;
};
struct sn_ttrpc_call_opts {
    const struct sn_ttrpc_pair *metadata; /* at most SN_TTRPC_METADATA_MAX */
    unsigned n_metadata;
};
/* sn_ttrpc_invoke - a unary call under the fiber's deadline, which the server is told. The reply is in
 * `a`. opts may be NULL. Returns 0; the server's status (its message is the diagnostic); SN_E_CLOSED
 * (the connection ended: whether the server acted is unknown); SN_E_TOO_LARGE, SN_E_CANCELLED,
 * SN_E_DEADLINE_EXCEEDED, SN_E_RESOURCE_EXHAUSTED (SN_TTRPC_STREAMS_MAX). Suspends. */
int sn_ttrpc_invoke(struct sn_ttrpc_client *c, const char *service, const struct sn_ttrpc_method *m,
                    const void *req, struct sn_arena *a, void **ret_rep,
                    const struct sn_ttrpc_call_opts *opts) SN_MUST_CHECK;
/* sn_ttrpc_open - a streaming call; req is the one request of a method whose client does not stream,
 * else NULL. Owns: *ret, for sn_ttrpc_end. Suspends. */
int sn_ttrpc_open(struct sn_ttrpc_client *c, const char *service, const struct sn_ttrpc_method *m,
                  const void *req, const struct sn_ttrpc_call_opts *opts,
                  struct sn_ttrpc_call **ret) SN_MUST_CHECK;
/* sn_ttrpc_close_send - nothing more will be sent. Returns as sn_ttrpc_send. */
int sn_ttrpc_close_send(struct sn_ttrpc_call *c) SN_MUST_CHECK;
/* sn_ttrpc_end - frees the call; what still comes for it is ignored. Accepts NULL. */
void sn_ttrpc_end(struct sn_ttrpc_call *c);
