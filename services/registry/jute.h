/* SPDX-License-Identifier: Apache-2.0 */
/* registry/jute.h - ZooKeeper's messages: big-endian numbers, strings and buffers behind a 4-byte
 * length. Sans-I/O. SPEC: zookeeper.jute of ZooKeeper 3.8. */
#pragma once
#include "core/arena.h"
#include "core/buf.h"
#include "core/status.h"
#include "core/str.h"

#define JUTE_FRAME_MAX (4u << 20) /* of ours: the server's own default is 1 MiB */
#define JUTE_CHILDREN_MAX 100000u

enum zk_op {
    ZK_CREATE = 1,
    ZK_DELETE = 2,
    ZK_EXISTS = 3,
    ZK_GET = 4,
    ZK_SET = 5,
    ZK_CHILDREN = 8,
    ZK_PING = 11,
    ZK_AUTH = 100,
    ZK_CLOSE = -11,
};
enum zk_xid { ZK_XID_EVENT = -1, ZK_XID_PING = -2, ZK_XID_AUTH = -4 };
enum zk_error {
    ZK_NO_NODE = -101,
    ZK_NO_AUTH = -102,
    ZK_NODE_EXISTS = -110,
    ZK_NOT_EMPTY = -111,
    ZK_SESSION_EXPIRED = -112,
    ZK_AUTH_FAILED = -115
};

struct jute_in {
    struct sn_str in;
    bool bad; /* sticky: truncated, or a length that cannot be */
};
int32_t jute_i32(struct jute_in *r);
int64_t jute_i64(struct jute_in *r);
bool jute_bool(struct jute_in *r);
/* jute_str - a string or buffer, borrowed; length -1 (null) is the empty one. */
struct sn_str jute_str(struct jute_in *r);

void jute_put_i32(struct sn_buf *b, int32_t v);
void jute_put_i64(struct sn_buf *b, int64_t v);
void jute_put_str(struct sn_buf *b, struct sn_str s);
/* jute_begin, jute_end - a frame: its length is filled in at the end. Several may follow each
 * other. */
size_t jute_begin(struct sn_buf *b);
void jute_end(struct sn_buf *b, size_t at);

struct zk_session {
    int64_t id;
    int32_t timeout_ms;
    char password[16];
};
void zk_put_connect(struct sn_buf *b, const struct zk_session *s, int64_t last_zxid);
/* zk_get_connect - Returns 0; s->id is 0 where the session has expired. SN_E_PROTOCOL. */
int zk_get_connect(struct sn_str frame, struct zk_session *s) SN_MUST_CHECK;

struct zk_reply {
    int32_t xid, err;
    int64_t zxid;
    struct sn_str body;
};
int zk_get_reply(struct sn_str frame, struct zk_reply *ret) SN_MUST_CHECK;
struct zk_event {
    int32_t type, state;
    struct sn_str path;
};
int zk_get_event(struct sn_str body, struct zk_event *ret) SN_MUST_CHECK;
struct zk_stat {
    int64_t czxid, mzxid, ephemeral_owner;
    int32_t version;
};
int zk_get_stat(struct jute_in *r, struct zk_stat *ret) SN_MUST_CHECK;
/* zk_get_children - names, borrowed; the array is the arena's. */
int zk_get_children(struct sn_str body, struct sn_arena *a, struct sn_str **ret,
                    size_t *ret_n) SN_MUST_CHECK;
/* zk_get_data - the reply to ZK_GET. */
int zk_get_data(struct sn_str body, struct sn_str *ret, struct zk_stat *ret_stat) SN_MUST_CHECK;

/* Requests, each a whole frame. */
void zk_put_path(struct sn_buf *b, int32_t xid, enum zk_op op, struct sn_str path, bool watch);
void zk_put_delete(struct sn_buf *b, int32_t xid, struct sn_str path);
void zk_put_set(struct sn_buf *b, int32_t xid, struct sn_str path, struct sn_str data);
/* zk_put_create - for everybody, or with `mine` for those authenticated as we are. */
void zk_put_create(struct sn_buf *b, int32_t xid, struct sn_str path, struct sn_str data,
                   bool ephemeral, bool mine);
void zk_put_auth(struct sn_buf *b, struct sn_str scheme, struct sn_str auth);
void zk_put_bare(struct sn_buf *b, int32_t xid, enum zk_op op);
