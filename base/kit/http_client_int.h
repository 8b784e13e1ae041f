/* SPDX-License-Identifier: Apache-2.0 */
/* kit/http_client_int.h - pools and calls of the HTTP client. Private to http_client*.c. */
#pragma once
#include "core/map.h"
#include "fiber/sync.h"
#include "kit/http_int.h"

struct cl_h2;
struct h2_tunnel;
struct cl_pool;
struct cl_conn { /* a connection; idle ones are this record and the parked stream */
    struct sn_list link;
    struct sn_stream *st;
    struct cl_pool *pool;
    struct cl_h2 *h2; /* the session, when the peer speaks h2 */
    uint32_t uses;
};
_Static_assert(sizeof(struct cl_conn) <= 64, "memory of an idle client connection");

struct cl_pool { /* of one address on one worker */
    struct sn_http_client *client;
    struct cl_worker *w;
    struct sn_list idle; /* most recently used first */
    struct sn_list h2;   /* struct cl_conn.link of shared h2 connections */
    unsigned n_idle;
    uint8_t proto;         /* 0 not known yet, 1 HTTP/1.1, 2 h2 */
    struct sn_mutex dial;  /* while h2 is possible: one dials, the others share the result */
    struct sn_sem active; /* conns_per_addr_max permits */
    size_t addr_len;
    char key[];           /* 'h' or 's', the address, a NUL, and with TLS the server's name */
};
#define CL_URL_KEPT_MAX 128u
/* Pools remembered by where the caller's address lies: a proxy's endpoints stay where they are. */
#define CL_RECENT 16u
struct cl_worker {
    struct http_pools pools;
    struct sn_map by_key;
    uint64_t n_conns;
    /* The last URL asked for, as it was parsed: a proxy's is the same for every call. The parts lie in
     * the caller's memory, so that both place and text must be the same. */
    struct http_url last;
    const char *last_at;
    size_t last_len;
    char last_text[CL_URL_KEPT_MAX];
    struct cl_pool *recent[CL_RECENT];
} SN_ALIGNED(SN_CACHE_LINE);

struct sn_http_client {
    struct sn_http_client_opts o;
    unsigned n_workers;
    struct cl_worker *workers;
};

/* One call from sn_http_do to sn_http_resp_close, in its own arena. */
struct cl_call {
    struct sn_http_resp pub;
    const struct cl_ops *ops;
    struct sn_http_client *client;
    struct cl_worker *w;
    struct cl_pool *pool;
    struct cl_conn *conn;
    struct http_url url;
    struct sn_arena arena;
    bool permit;    /* holds one of pool->active */
    bool got_bytes; /* something of the response arrived: no retry */
    bool hijacked, keep;
    bool alone; /* its connection is nobody else's, before or after */
    struct sn_str preface; /* of the call, borrowed */
    bool refused;   /* the peer says it did not look at the request: any method may be retried */
    int64_t start_ns;
    int64_t sent_ns;       /* the request's last byte so far */
    int64_t answer_ns_max; /* 0 = none */
    int64_t ask_at_ns;     /* when impatient is asked next; 0 = never */
    int64_t (*impatient)(void *arg); /* as in sn_http_call */
    void *impatient_arg;
    /* HTTP/1.1 */
    struct http_in in;
    struct sn_h1 head;
    struct http_body body;
    struct cl_sender *sender;
    /* h2 */
    struct cl_stream *stream;
    bool extended; /* an extended CONNECT was sent */
    struct h2_tunnel *tunnel; /* after a hijack: the call ends with it and the response */
};
struct cl_ops {
    ssize_t (*next)(struct cl_call *k, size_t max, const char **ret);
    ssize_t (*copy)(struct cl_call *k, void *buf, size_t cap);
    /* close - gives the connection back or closes it. */
    void (*close)(struct cl_call *k);
    /* over - as sn_http_resp_over; NULL: never known before a read. */
    bool (*over)(struct cl_call *k);
};

/* cl_conn_get - an idle or a fresh connection for the call. */
int cl_conn_get(struct cl_call *k, const struct sn_http_call *call, bool fresh) SN_MUST_CHECK;
void cl_conn_put_idle(struct cl_call *k);
void cl_conn_close(struct cl_conn *c);
void cl_permit_release(struct cl_call *k);
void cl_call_free(struct cl_call *k);

/* cl_h1_do, cl_h2_do - send the request on k->conn and read the response's head. */
int cl_h1_do(struct cl_call *k, const struct sn_http_call *call) SN_MUST_CHECK;
int cl_h2_do(struct cl_call *k, const struct sn_http_call *call) SN_MUST_CHECK;
/* cl_h2_hijack - the stream of an extended CONNECT that was answered 2xx. */
int cl_h2_hijack(struct cl_call *k, struct sn_stream **ret) SN_MUST_CHECK;
/* cl_h2_hijacked_close - the response is closed; the call lives on while its stream does. */
void cl_h2_hijacked_close(struct cl_call *k);
/* cl_h2_new - makes a fresh connection a shared h2 one, in its pool's list. */
int cl_h2_new(struct cl_conn *c) SN_MUST_CHECK;
/* cl_h2_pick - one that admits a stream, or NULL. */
struct cl_conn *cl_h2_pick(struct cl_pool *p);
/* cl_h2_close_one - for the client's end; false where none is left in the list. */
bool cl_h2_close_one(struct cl_pool *p);

/* A fiber that streams the request body while the call reads the response. */
typedef int (*cl_send_fn)(struct cl_call *k, const struct sn_http_call *call, char *buf);
int cl_sender_start(struct cl_call *k, const struct sn_http_call *call, cl_send_fn send)
    SN_MUST_CHECK;
/* A request's piece must be taken by the connection within this. */
#define CL_SEND_STALL_NS (30 * SN_SEC)
/* cl_answer_at - until when the answer may be waited for now; cl_answer_late - whether a wait until then
 * that ended with SN_E_DEADLINE_EXCEEDED was the last; asks the impatient caller when it is time. */
int64_t cl_answer_at(const struct cl_call *k);
bool cl_answer_late(struct cl_call *k);
/* cl_sender_join - its result; one still at work is cancelled first. */
int cl_sender_join(struct cl_call *k);
