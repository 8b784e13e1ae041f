/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_int.h - what the server's and the client's calls share. Private to grpc*.c. */
#pragma once
#include "core/buf.h"
#include "core/list.h"
#include "core/map.h"
#include "fiber/sync.h"
#include "kit/grpc.h"

struct grpc_call;
/* Where a call's bytes come from and go to. */
struct grpc_call_ops {
    /* fill - more bytes into g->in. Returns > 0, 0 at the end, SN_E_*. */
    ssize_t (*fill)(struct grpc_call *g);
    /* push - g->out is to leave (it is emptied); frames are whole. */
    int (*push)(struct grpc_call *g);
    /* over - client: the peer has ended the stream: the call's status. NULL: an end is just that. */
    int (*over)(struct grpc_call *g);
    /* failed - client: the call is lost for this reason: it is cancelled and has this status. */
    int (*failed)(struct grpc_call *g, int why);
};
struct grpc_call {
    struct sn_grpc_call c;
    const struct grpc_call_ops *ops;
    const struct sn_pb_desc *in_desc, *out_desc; /* of what is received and sent; NULL: raw only */
    const struct sn_pb_field *out_field; /* REST: only this message field of what is sent */
    const struct sn_grpc_interceptor *interceptors;
    unsigned n_interceptors, entered; /* entered: whose `around` began */
    struct sn_arena own_arena; /* c.arena, where the call has its own */
    struct sn_arena msgs;      /* of sn_grpc_recv without an arena */
    struct sn_grpc_in in;
    struct sn_buf out, plain, packed;
    struct sn_http_headers head, tail; /* to be sent, encoded */
    size_t recv_max, send_max;
    const struct sn_pb_json_opts *json;
    uint8_t codec;           /* enum sn_grpc_codec */
    bool in_proto;           /* what comes in is binary whatever the codec */
    uint8_t enc_in, enc_out; /* enum sn_grpc_encoding, as agreed */
    bool compress, hold, head_sent, out_closed, in_ended;
    int fail_code;
    struct sn_str fail_message;
    struct sn_buf details; /* encoded google.rpc.Status.details */
};
static inline struct grpc_call *grpc_call_of(struct sn_grpc_call *c)
{
    return SN_CONTAINER_OF(c, struct grpc_call, c);
}

/* What a connection's streams may have lying unread without holding up its other streams. */
#define GRPC_UNREAD_MAX (16u << 20)
/* Messages held back are sent together at this size. */
#define GRPC_HOLD_BYTES (32u << 10)
/* Bytes the next read has room for, where more is not known to come. */
#define GRPC_ROOM_MIN 2048u
#define GRPC_ROOM_MAX (256u << 10)

void grpc_call_init(struct grpc_call *g, const struct grpc_call_ops *ops, struct sn_arena *a);
void grpc_call_done(struct grpc_call *g);
/* grpc_room - room for a read into g->in, as much as the message that has begun wants (bounded). */
uint8_t *grpc_room(struct grpc_call *g, size_t *ret_cap);
/* grpc_decode - a message's bytes into a new message of d. Returns 0, SN_E_*. */
int grpc_decode(struct grpc_call *g, const struct sn_pb_desc *d, struct sn_str m, bool copy,
                struct sn_arena *a, void **ret) SN_MUST_CHECK;
/* grpc_put_msg, grpc_put_raw - append one framed message to g->out. */
int grpc_put_msg(struct grpc_call *g, const void *msg) SN_MUST_CHECK;
int grpc_put_raw(struct grpc_call *g, struct sn_str m) SN_MUST_CHECK;
/* grpc_unframe - the next message of g->in, plain. Returns 1, 0 (bytes missing), SN_E_*. */
int grpc_unframe(struct grpc_call *g, struct sn_str *ret) SN_MUST_CHECK;
/* grpc_bad_message - decoding failures as the status a peer gets. */
int grpc_bad_message(const struct sn_pb_desc *d, int r);

/* ---- interceptors ---- */
struct sn_grpc_chain {
    struct grpc_call *g;
    unsigned i;
    bool used;
    bool *ran; /* server: the end was reached; NULL: it may be reached again */
    int (*end)(struct grpc_call *g, void *arg);
    void *arg;
};
/* grpc_run_chain - the interceptors around `end`. */
int grpc_run_chain(struct grpc_call *g, bool once, int (*end)(struct grpc_call *g, void *arg),
                   void *arg) SN_MUST_CHECK;
/* grpc_run_done - tells those who were entered, innermost first, that the call is over. */
void grpc_run_done(struct grpc_call *g);
/* grpc_copy_interceptors - Returns 0, SN_E_INVALID_ARGUMENT (too many), SN_E_NOMEM. */
int grpc_copy_interceptors(const struct sn_grpc_interceptor *list, unsigned n,
                           struct sn_grpc_interceptor **ret) SN_MUST_CHECK;

/* ---- server ---- */
struct grpc_method {
    const struct sn_pb_service *svc;
    const struct sn_pb_method *m;
    struct sn_grpc_handler h;
    const void *impl;
    void *arg;
    bool no_side_effects; /* its option idempotency_level says so: GET may call it */
};
struct grpc_service { /* one registration */
    struct grpc_service *next;
    const struct sn_pb_service *svc;
    struct grpc_method methods[];
};
struct grpc_counters {
    uint64_t started, ok, failed, last_started_wall_ns;
} SN_ALIGNED(SN_CACHE_LINE);
/* grpc_z_id - the next id of channelz. grpc_z_add_server, grpc_z_del - what channelz can see. */
uint64_t grpc_z_id(void);
void grpc_z_add_server(struct sn_grpc_server *s);
void grpc_z_del(struct sn_list *link);
struct grpc_health;
void grpc_health_free(struct grpc_health *h);
struct grpc_rest;
struct sn_grpc_server {
    struct sn_grpc_server_opts o;
    struct sn_grpc_interceptor *interceptors;
    struct sn_map by_path; /* -> struct grpc_method */
    struct grpc_service *services, **tail;
    struct sn_pb_json_opts json;
    struct grpc_counters *n; /* per worker */
    unsigned n_workers;
    struct grpc_health *health;
    struct grpc_rest *rest;
    uint64_t id; /* of channelz */
    struct sn_list link; /* of all servers, channelz */
};
struct grpc_scall { /* a call on the server */
    struct grpc_call g;
    struct sn_grpc_server *s;
    const struct grpc_method *method;
    uint8_t protocol; /* enum sn_grpc_protocol */
    bool filled;      /* the whole body was taken */
    bool text;        /* gRPC-Web in base64 */
    uint8_t text_n;   /* characters of an unfinished quantum */
    char text_tail[4];
    const struct grpc_end_ops *end;
};
static inline struct grpc_scall *grpc_scall_of(struct grpc_call *g)
{
    return SN_CONTAINER_OF(g, struct grpc_scall, g);
}
/* How a protocol writes heads and ends. */
struct grpc_end_ops {
    int (*head)(struct grpc_scall *sc);
    /* end - status and trailers, with what is in g.out in front of them. */
    void (*end)(struct grpc_scall *sc, int code, struct sn_str message);
};
/* grpc_server_run - the call of `method` (NULL: unknown) over these ops, to its end. Returns 0: it was
 * answered. */
int grpc_server_run(struct grpc_scall *sc) SN_MUST_CHECK;
void grpc_scall_done(struct grpc_scall **sc); /* for SN_CLEANUP */
struct grpc_scall *grpc_scall_new(struct sn_grpc_server *s, struct sn_http_x *x,
                                  const struct grpc_call_ops *ops, const struct grpc_end_ops *end);
ssize_t grpc_http_fill(struct grpc_call *g);
/* grpc_head_add - a header or trailer as it goes on the wire (-bin encoded). */
int grpc_head_add(struct sn_http_headers *to, struct sn_arena *a, struct sn_str name,
                  struct sn_str value) SN_MUST_CHECK;
/* grpc_status_trailers - appends grpc-status, grpc-message, details and the call's own to `to`. */
int grpc_status_trailers(struct grpc_scall *sc, int code, struct sn_str message,
                         struct sn_http_headers *to) SN_MUST_CHECK;
struct sn_str grpc_code_text(int code); /* "5" for SN_E_NOT_FOUND; static */
/* grpc_details_of - the serialised google.rpc.Status of a failure, in the call's arena; .ptr NULL where
 * the handler gave no details. */
struct sn_str grpc_details_of(struct grpc_call *g, int code, struct sn_str message);
