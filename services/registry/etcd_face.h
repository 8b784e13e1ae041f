/* SPDX-License-Identifier: Apache-2.0 */
/* registry/etcd_face.h - etcd's face: what its files share. Texts of failures are etcd's own: its
 * clients recognise them by their text. */
#pragma once
#include "etcd/rpc.grpc.h"
#include "registry/etcd_int.h"
#include "registry/server_int.h"

#define ETCD_TXN_OPS_MAX 128u  /* of a transaction, nested ones included */
#define ETCD_TXN_DEPTH_MAX 8u
#define ETCD_LEASE_TTL_MAX 9000000000ll /* seconds */
#define ETCD_BATCH_BYTES (1u << 20)     /* a watch's message, unless one revision is larger */
#define ETCD_WATCHES_MAX 10000u         /* of a stream */

/* etcd_fail - the failure named, with etcd's text, as the call's status. */
enum etcd_error {
    ETCD_EMPTY_KEY,
    ETCD_KEY_NOT_FOUND,
    ETCD_VALUE_PROVIDED,
    ETCD_LEASE_PROVIDED,
    ETCD_TOO_MANY_OPS,
    ETCD_DUPLICATE_KEY,
    ETCD_COMPACTED,
    ETCD_FUTURE_REV,
    ETCD_NO_SPACE,
    ETCD_LEASE_NOT_FOUND,
    ETCD_LEASE_EXISTS,
    ETCD_LEASE_TTL,
    ETCD_TOO_LARGE,
    ETCD_USER_EMPTY,
    ETCD_AUTH_FAILED,
    ETCD_AUTH_OFF,
    ETCD_BAD_TOKEN,
    ETCD_STOPPED,
};
int etcd_fail(struct sn_grpc_call *call, enum etcd_error e);
/* etcd_fail_of - what the store returned, as etcd says it. */
int etcd_fail_of(struct sn_grpc_call *call, int r);
/* etcd_writes - 0 where the call carries the token a write needs, else the failure. */
int etcd_writes(struct sn_grpc_call *call);
/* etcd_header - with the revision of the moment; the lock is held. NULL without memory. */
struct etcdserverpb_response_header *etcd_header(const struct sn_regserver *s, struct sn_arena *a);
/* etcd_compact_rev - the first revision that can still be asked for; 0: all. */
static inline int64_t etcd_compact_rev(const struct reg_store *st)
{
    return st->compacted ? (int64_t)st->compacted + 1 : 0;
}
extern const struct etcdserverpb_kv_handlers etcd_kv_handlers;
extern const struct etcdserverpb_watch_handlers etcd_watch_handlers;
extern const struct etcdserverpb_lease_handlers etcd_lease_handlers;
