/* SPDX-License-Identifier: Apache-2.0 */
/* registry/consul_int.h - Consul's face: what its two files share. SPEC: the HTTP API of
 * Consul 1.16. */
#pragma once
#include "registry/server_int.h"

/* consul_wait - the question's own limits: index and wait. `now_index` computes the index of what
 * is asked for, under the lock. Returns with the lock held, and the index to answer in *ret. */
struct consul_ask {
    enum reg_wait_kind kind;
    struct sn_str name;
    uint64_t (*index)(struct sn_regserver *s, struct sn_str name);
};
int consul_wait(struct reg_req *q, const struct consul_ask *ask, uint64_t *ret) SN_MUST_CHECK;
int consul_index_header(struct reg_req *q, uint64_t index) SN_MUST_CHECK;
int consul_forbidden(struct reg_req *q);
/* consul_duration - "10s", "1m", or a number of ns. Returns 0, SN_E_SYNTAX. */
int consul_duration(const struct sn_json *v, int64_t *ret) SN_MUST_CHECK;
bool consul_writes(struct reg_req *q);

int consul_agent(struct reg_req *q, struct sn_str rest);
int consul_catalog(struct reg_req *q, struct sn_str rest);
int consul_health(struct reg_req *q, struct sn_str rest);
int consul_kv(struct reg_req *q, struct sn_str key);
int consul_session(struct reg_req *q, struct sn_str rest);
/* consul_register_check, _spec - from JSON. Return 0, SN_E_INVALID_ARGUMENT, SN_E_NOMEM. */
int consul_spec(struct reg_req *q, const struct sn_json *j, struct reg_spec *ret) SN_MUST_CHECK;
int consul_check(struct reg_req *q, const struct sn_json *j, const struct reg_spec *sp,
                 unsigned nth, unsigned of, struct reg_check *ret) SN_MUST_CHECK;
void consul_service_json(struct sn_jsonw *w, struct reg_req *q, const struct reg_inst *in);
void consul_check_json(struct sn_jsonw *w, struct reg_req *q, const struct reg_inst *in,
                       const struct reg_check *c);
