/* SPDX-License-Identifier: Apache-2.0 */
/* ttrpc/ttrpc_int.h - what server.c, client.c and conn.c share: connections and streams. */
#pragma once
#include "clusters/ttrpc/ttrpc.h"
#include "containerd/ttrpc.pb.h"
#include "core/alloc.h"
#include "core/list.h"
#include "fiber/sync.h"

#define TTRPC_READ_BYTES 4096u

/* One fiber that waits for something of its own worker to change. */
struct ttrpc_wait {
    struct sn_fiber *f;
    uint64_t ticket;
};
/* ttrpc_wait - Returns 0 when woken, SN_E_DEADLINE_EXCEEDED at at_ns, SN_E_CANCELLED. */
int ttrpc_wait(struct ttrpc_wait *w, const char *reason, int64_t at_ns);
void ttrpc_wake(struct ttrpc_wait *w);

struct ttrpc_conn;
struct ttrpc_conn_ops {
    /* One frame; may suspend. A failure ends the connection. */
    int (*frame)(struct ttrpc_conn *c, const struct sn_ttrpc_frame *f);
    /* A frame of more than SN_TTRPC_DATA_MAX; its data is being skipped. */
    int (*oversized)(struct ttrpc_conn *c, const struct sn_ttrpc_frame *f);
    void (*closed)(struct ttrpc_conn *c); /* once; streams are still listed */
    void (*free)(struct ttrpc_conn *c);
};
struct ttrpc_conn {
    const struct ttrpc_conn_ops *ops;
    struct sn_list link; /* of a server */
    struct sn_stream *st;
    struct sn_list streams; /* struct sn_ttrpc_call */
    struct sn_buf in;
    uint64_t skip; /* bytes of an oversized frame still to come */
    struct sn_mutex write;
    uint32_t last_id; /* highest stream opened */
    unsigned n_streams, refs;
    bool closed, parked, writing;
};
void ttrpc_conn_init(struct ttrpc_conn *c, const struct ttrpc_conn_ops *ops, struct sn_stream *st);
/* ttrpc_conn_start - begins to read; the connection holds a reference to itself until it has ended.
 */
void ttrpc_conn_start(struct ttrpc_conn *c);
void ttrpc_conn_close(struct ttrpc_conn *c);
void ttrpc_conn_unref(struct ttrpc_conn *c);
/* ttrpc_conn_write - whole frames. Returns 0, or ends the connection and fails. */
int ttrpc_conn_write(struct ttrpc_conn *c, const struct sn_buf *b);
/* ttrpc_conn_write_locked - the same under c->write, which the caller holds. */
int ttrpc_conn_write_locked(struct ttrpc_conn *c, const struct sn_buf *b);

struct ttrpc_message {
    struct sn_list link;
    size_t len;
    char data[];
};
struct sn_ttrpc_call {
    struct sn_list link;
    struct ttrpc_conn *conn;
    const struct sn_ttrpc_method *m;
    uint32_t id;
    unsigned refs;
    bool remote_closed; /* nothing more comes */
    bool local_closed;  /* nothing more may be sent */
    bool over;          /* no longer of the connection's list */
    int status;         /* what ended it, where that was a failure; the message is `text` */
    char *text;
    struct sn_list queue; /* struct ttrpc_message */
    unsigned n_queue;
    size_t queue_bytes;
    struct ttrpc_wait reader, room;
    struct sn_arena arena, messages;
    /* server */
    struct sn_ttrpc_server *server;
    void *arg;
    struct sn_fiber *fiber;
    struct ttrpc_request *req;
    char *raw; /* the request's bytes, which req borrows */
    void (*after)(void *arg);
    void *after_arg;
};
struct sn_ttrpc_call *ttrpc_call_new(struct ttrpc_conn *c, uint32_t id);
void ttrpc_call_unref(struct sn_ttrpc_call *k);
/* ttrpc_call_leave - takes it off its connection's list. */
void ttrpc_call_leave(struct sn_ttrpc_call *k);
struct sn_ttrpc_call *ttrpc_call_find(struct ttrpc_conn *c, uint32_t id);
/* ttrpc_call_data - a data frame. Waits for room in the queue. Returns 0; SN_E_RESOURCE_EXHAUSTED,
 * SN_E_NOMEM, SN_E_PROTOCOL: the stream is to be failed with that. */
int ttrpc_call_data(struct sn_ttrpc_call *k, const struct sn_ttrpc_frame *f);
/* ttrpc_call_fail - receivers get `code` with `text` once the queue is empty. */
void ttrpc_call_fail(struct sn_ttrpc_call *k, int code, struct sn_str text);
/* ttrpc_queue - a message at the end of the queue. Returns 0, SN_E_NOMEM. */
int ttrpc_queue(struct sn_ttrpc_call *k, struct sn_str data);
