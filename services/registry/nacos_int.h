/* SPDX-License-Identifier: Apache-2.0 */
/* registry/nacos_int.h - Nacos's face: what its files share. */
#pragma once
#include <stdlib.h>

#include "crypto/hash.h"
#include "registry/server_int.h"

int nacos_ok(struct reg_req *q, const char *text);
int nacos_forbidden(struct reg_req *q);
bool nacos_writes(struct reg_req *q);
struct sn_str nacos_ns(struct reg_req *q);
int nacos_config(struct reg_req *q, struct sn_str what);

#define NACOS_DEFAULT_GROUP "DEFAULT_GROUP"
/* A service's name in parts; stored: in the store. */
struct nacos_service {
    struct sn_str group, name, stored;
};
/* nacos_service_of - `name` may carry its group: "group@@name". Returns 0, SN_E_INVALID_ARGUMENT,
 * SN_E_NOMEM. */
int nacos_service_of(struct sn_arena *a, struct sn_str group, struct sn_str name,
                     struct nacos_service *ret) SN_MUST_CHECK;
struct nacos_place {
    struct sn_str ip, cluster;
    int64_t port;
};
/* nacos_place - fills in where an instance is, and its id. Returns as nacos_service_of. */
int nacos_place(struct sn_arena *a, struct sn_str ns, struct sn_str stored,
                const struct nacos_place *at, struct reg_spec *sp) SN_MUST_CHECK;
/* nacos_metadata - labels of a JSON object. */
int nacos_metadata(struct sn_arena *a, const struct sn_json *j, struct reg_spec *sp) SN_MUST_CHECK;
/* nacos_hosts - the array of a service's instances; svc may be NULL. The lock is held. */
void nacos_hosts(struct sn_jsonw *w, struct sn_arena *a, const struct reg_service *svc,
                 struct sn_str clusters, bool only_healthy);
/* A question for a service's instances. */
struct nacos_ask {
    struct sn_str ns, clusters;
    struct nacos_service svc;
    bool only_healthy;
};
/* nacos_service_json - the answer of HTTP v1, and what is pushed. The lock is held. */
void nacos_service_json(struct sn_jsonw *w, struct sn_arena *a, struct sn_regserver *s,
                        const struct nacos_ask *k, int64_t cache_ms);

/* nacos_push.c: clients of v1 that gave a UDP port. */
#define NACOS_PUSH_CACHE_MS 10000
/* nacos_push_add - what the client asked for is pushed to that port of the host the request came
 * from, for as long as it goes on asking. Returns false beyond the limit, or without memory: it has
 * to poll. The lock is held. */
bool nacos_push_add(struct reg_req *q, const struct nacos_ask *k, uint16_t port);
void nacos_push_free(struct sn_regserver *s);
int nacos_push_run(void *regserver); /* a fiber of the server */

struct nacos_names { /* a SN_VEC with a name */
    struct sn_str *ptr;
    size_t len, cap;
};
/* nacos_service_names - those of a group, sorted. Owns: sn_vec_done on *ret where it returns 0. */
int nacos_service_names(struct sn_regserver *s, struct sn_arena *a, struct sn_str ns,
                        struct sn_str group, struct nacos_names *ret) SN_MUST_CHECK;
void nacos_page(struct sn_jsonw *w, const struct nacos_names *all, uint64_t page, uint64_t size);
/* nacos_key - where a configuration stands in the store. Returns 0, SN_E_INVALID_ARGUMENT,
 * SN_E_NOMEM. */
int nacos_key(struct sn_arena *a, struct sn_str tenant, struct sn_str group, struct sn_str id,
              struct sn_str *ret) SN_MUST_CHECK;
/* nacos_publish - cas_md5: only where the content there has it. Returns 1, 0 where it has not,
 * failures. */
int nacos_publish(struct sn_regserver *s, struct sn_str key, struct sn_str content,
                  struct sn_str cas_md5) SN_MUST_CHECK;

#define NACOS_MD5_LEN 32u
/* nacos_md5 - hexadecimal digest of a configuration's content. Returns as sn_hash_once. */
int nacos_md5(struct sn_str content, char ret[NACOS_MD5_LEN]) SN_MUST_CHECK;
/* nacos_listening - one entry of a Listening-Configs text: dataId^2group^2md5[^2tenant]^1. Returns
 * 1, 0 at the end, SN_E_SYNTAX. */
struct nacos_listen {
    struct sn_str data_id, group, md5, tenant;
};
int nacos_listening(struct sn_str *text, struct nacos_listen *ret) SN_MUST_CHECK;
