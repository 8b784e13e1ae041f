/* SPDX-License-Identifier: Apache-2.0 */
/* cri/stats_int.h - what statistics and metrics both read. */
#pragma once
#include "clusters/cri/cri_int.h"
#include "clusters/netlink/rtnl.h"

struct cri_reading { /* of a control group, beside the workers */
    struct sn_cri *s;
    struct sn_arena *a;
    struct sn_str cgroup;
    const char *id;
    struct sn_cgroup_stats st;
};
int cri_read_cgroup(void *reading);
struct cri_net { /* of a pod's links, but for lo */
    char path[64];
    struct sn_rtnl_link links[8];
    unsigned n;
};
int cri_read_net(void *net);
uint64_t cri_working_set(const struct sn_cgroup_stats *st);
/* References to all pods, and to the living containers that a filter and a pod's id (may be NULL) leave. */
int cri_each_pod(struct sn_cri *s, struct sn_arena *a, struct cri_pod ***ret, size_t *ret_n) SN_MUST_CHECK;
int cri_pick_ctrs(struct sn_cri *s, struct sn_arena *a, const struct runtime_v1_container_stats_filter *f, const char *pod,
                  struct cri_ctr ***ret, size_t *ret_n) SN_MUST_CHECK;
