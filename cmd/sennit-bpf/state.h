/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-bpf/state.h - which services are in the kernel, and since when their gateway is silent. */
#pragma once
#include "core/vec.h"
#include "gateway/takeover_wire.h"
#include "sennit-bpf/kernel.h"

struct tk_service {
    struct sn_tk_key key;
    char name[SN_TKW_TEXT_MAX + 1];
    uint32_t counters; /* index there; UINT32_MAX: of an earlier loader, unknown */
    uint64_t hash[2];  /* of the table in the kernel */
    uint32_t n_live, n_direct;
};
struct tk_state {
    struct tk_kernel *kernel;
    struct sn_tk_control control;
    SN_VEC(struct tk_service) services;
    uint64_t counters_used[SN_TK_COUNTERS_MAX / 64];
    uint64_t generation;
    uint32_t ttl_ms; /* 0: never lapses */
};

/* tk_state_init - found: the kernel holds services of an earlier loader; they stay as they are
 * until the first snapshot. Returns 0 or SN_E_*. */
int tk_state_init(struct tk_state *s, struct tk_kernel *k, bool found) SN_MUST_CHECK;
void tk_state_done(struct tk_state *s);
/* tk_state_apply - makes the kernel's services those of the snapshot: tables are built and filled
 * aside first, so that what can fail fails before anything has changed. gateway: the process that
 * sent it, 0 = none. Returns 0 or SN_E_*. */
int tk_state_apply(struct tk_state *s, const struct sn_tkw_snapshot *snap, uint32_t gateway,
                   int64_t now_ns, struct sn_tkw_applied *ret) SN_MUST_CHECK;
/* tk_state_beat - the gateway lives for ttl_ms from now on. */
int tk_state_beat(struct tk_state *s, uint32_t ttl_ms, int64_t now_ns) SN_MUST_CHECK;
/* tk_state_gone - the gateway has left: what has a time to live lapses now, not at its end. */
int tk_state_gone(struct tk_state *s, int64_t now_ns) SN_MUST_CHECK;
/* tk_state_stats - for a STATS frame; lists are the arena's, names the state's. */
int tk_state_stats(struct tk_state *s, struct sn_arena *a, int64_t now_ns,
                   struct sn_tkw_stats *ret) SN_MUST_CHECK;
