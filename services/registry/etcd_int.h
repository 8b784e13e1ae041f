/* SPDX-License-Identifier: Apache-2.0 */
/* registry/etcd_int.h - etcd v3: what the backend and the face share. How an instance is written
 * as a key and a value differs from framework to framework; the three layouts are these:
 *
 *   sennit    /services/NAME/ID        the JSON object of reg_instance_json
 *   go-zero   NAME/LEASE               host:port (go-zero's core/discov; the lease's number in decimal)
 *   kratos    /microservices/NAME/ID   JSON: id, name, version, metadata, endpoints as URLs
 */
#pragma once
#include "registry/backend_int.h"

#define REG_ETCD_LAYOUTS 3u
struct etcd_layout {
    const char *name, *base; /* in front of NAME/: "/services", or "" */
    bool key_is_lease;       /* the last part of the key is the lease's number */
    /* value - appends what is stored. Returns b->err. */
    int (*value)(const struct sn_instance *in, struct sn_buf *b);
    /* parse - id and service of *ret are set by the caller, or by the value where they are empty;
     * strings borrow from value or live in the arena. Returns 0, SN_E_SYNTAX, SN_E_NOMEM. */
    int (*parse)(struct sn_str value, struct sn_arena *a, struct sn_instance *ret);
};
extern const struct etcd_layout etcd_layouts[REG_ETCD_LAYOUTS];
/* etcd_layout_of - by name; NULL where there is none. */
const struct etcd_layout *etcd_layout_of(struct sn_str name);
/* etcd_key - appends base/SERVICE/LAST. Returns b->err. */
int etcd_key(struct sn_str base, struct sn_str service, struct sn_str last, struct sn_buf *b);
/* etcd_range_end - what follows all keys with this prefix; "\0" where there is nothing behind. The
 * arena's; .ptr NULL without memory. */
struct sn_str etcd_range_end(struct sn_arena *a, struct sn_str prefix);
/* etcd_instance_of - reads a leased key of any layout back, as a server must that does not know
 * whose it is. Returns 1, 0 where it is no instance's, SN_E_NOMEM. The id is the key. */
int etcd_instance_of(struct sn_str key, struct sn_str value, struct sn_arena *a,
                     struct sn_instance *ret, const struct etcd_layout **ret_layout) SN_MUST_CHECK;
