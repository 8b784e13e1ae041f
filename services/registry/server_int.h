/* SPDX-License-Identifier: Apache-2.0 */
/* registry/server_int.h - what the faces share. A face is an HTTP handler or a gRPC server:
 * it takes the lock, looks at or changes the store, releases it with reg_srv_commit, and answers. */
#pragma once
#include "fiber/sync.h"
#include "kit/grpc.h"
#include "kit/http.h"
#include "registry/journal.h"
#include "registry/server.h"
#include "registry/store.h"
#include "wire/json.h"

#define REG_BODY_MAX (2u << 20)

struct reg_face_srv {
    const char *name;
    struct sn_listener *listener;
    struct sn_http_server *http;
    struct sn_grpc_server *grpc; /* NULL for plain HTTP */
};
#define REG_FACES_MAX 5u
/* A call that lasts, and has to be ended before the server can. */
struct reg_stream {
    struct sn_list node;
    void (*poke)(struct reg_stream *st); /* s->stop is set; under the lock, must not suspend */
};
struct sn_regserver {
    struct sn_regserver_opts o;
    struct sn_arena arena;
    struct sn_mutex lock; /* of the store */
    struct reg_store store;
    struct reg_journal journal;
    bool has_journal;
    uint64_t logged; /* last record appended; under the lock */
    struct reg_face_srv faces[REG_FACES_MAX];
    unsigned n_faces;
    struct sn_event stop;
    struct sn_http_client
        *http;            /* of checks; freed where no scope is cancelled, which its free needs */
    struct sn_chan *tick; /* something earlier than planned is due */
    int64_t tick_at_ns;
    uint64_t requests, refused;
    struct sn_list streams;
    struct sn_map nacos_conns; /* by peer: nacos_grpc.c */
    int64_t nacos_ref_ms;
    struct sn_map nacos_subs; /* nacos_push.c */
    struct sn_list nacos_sub_list;
    struct sn_cond nacos_sub_news;
    bool mirror_behind; /* etcd_mirror.c: something could not be shown yet */
    char token_nonce[33]; /* Nacos: what a login gives, good for this run */
};

/* reg_srv_lock - and brings the store's time up to date. */
void reg_srv_lock(struct sn_regserver *s);
void reg_srv_unlock(struct sn_regserver *s);
/* reg_srv_commit - unlocks, then waits until what was changed survives a crash. Returns 0, SN_E_IO.
 * Suspends. */
int reg_srv_commit(struct sn_regserver *s) SN_MUST_CHECK;
/* reg_srv_block - with the lock held: waits for a change of what is named, or at_ns; holds the lock
 * again at return. Returns 0, SN_E_DEADLINE_EXCEEDED, SN_E_CANCELLED, SN_E_RESOURCE_EXHAUSTED. */
int reg_srv_block(struct sn_regserver *s, enum reg_wait_kind kind, struct sn_str ns,
                  struct sn_str name, int64_t at_ns) SN_MUST_CHECK;
/* reg_srv_block_any - the same for several keys or services. */
int reg_srv_block_any(struct sn_regserver *s, struct reg_waiter *w, size_t n,
                      int64_t at_ns) SN_MUST_CHECK;

/* reg_stream_add, reg_stream_del - around a call that lasts. */
void reg_stream_add(struct sn_regserver *s, struct reg_stream *st);
void reg_stream_del(struct sn_regserver *s, struct reg_stream *st);
/* reg_count_calls - an interceptor for sennit_registry_requests_total. */
struct sn_grpc_interceptor reg_count_calls(struct sn_regserver *s);
/* reg_is_token - compares in constant time with the token, and with what a login gives. */
bool reg_is_token(const struct sn_regserver *s, struct sn_str got);

/* Requests. */
struct reg_req {
    struct sn_regserver *srv;
    struct sn_http_x *x;
    struct sn_arena *a;
    struct sn_str path; /* decoded */
    struct sn_str form; /* of a form body, .ptr NULL without */
    struct sn_str body;
    bool body_read;
};
/* reg_req_init - decodes the path; refuses what a browser sends from other sites (403). Returns 0
 * to go on, 1 where it has answered, SN_E_*. */
int reg_req_init(struct reg_req *q, struct sn_regserver *s, struct sn_http_x *x) SN_MUST_CHECK;
/* reg_param - a parameter of the query, then of a form body; .ptr NULL where absent. Decoded. */
struct sn_str reg_param(struct reg_req *q, const char *name);
struct sn_str reg_param_or(struct reg_req *q, const char *name, const char *def);
bool reg_flag(struct reg_req *q, const char *name); /* present, and not "false" or "0" */
int reg_body(struct reg_req *q) SN_MUST_CHECK;
/* reg_may_write - whether the request carries the token: header `header`, "Authorization: Bearer",
 * or parameter `param`. */
bool reg_may_write(struct reg_req *q, const char *header, const char *param);
int reg_text(struct reg_req *q, int status, const char *text);
int reg_text_of(struct reg_req *q, int code); /* a failure: status and diagnostic */
int reg_json(struct reg_req *q, int status, struct sn_buf *b); /* and frees b */
/* reg_json_get - a member by its name in any case, underscores left out: what Go's decoders take.
 */
const struct sn_json *reg_json_get(const struct sn_json *obj, const char *name);
struct sn_str reg_json_str(const struct sn_json *obj, const char *name);

int reg_consul_handler(struct sn_http_x *x, void *server);
int reg_nacos_handler(struct sn_http_x *x, void *server);
int reg_apollo_handler(struct sn_http_x *x, void *server);
/* reg_etcd_open - the gRPC server of etcd's face. Owns: sn_grpc_server_free. */
int reg_etcd_open(struct sn_regserver *s, struct sn_grpc_server **ret) SN_MUST_CHECK;
int reg_nacos_grpc_open(struct sn_regserver *s, struct sn_grpc_server **ret) SN_MUST_CHECK;
/* reg_mirror_start - from now on instances are keys, and keys instances (etcd_mirror.c).
 * reg_mirror_sync - looks at all of them again; the lock is held. */
void reg_mirror_start(struct sn_regserver *s);
void reg_mirror_sync(struct sn_regserver *s);
/* reg_checks_run - active checks (TCP, HTTP), until the fiber is cancelled. */
int reg_checks_run(void *server);
