/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-bpf/kernel.h - the programs and maps of takeover in the kernel: load, attach, pin, write.
 */
#pragma once
#include "bpf/takeover.h"
#include "core/base.h"

#define TK_LINKS_MAX 16u

struct bpf_object;
struct bpf_link;
struct tk_kernel {
    struct bpf_object *obj; /* NULL where the programs were found pinned */
    struct bpf_link *links[TK_LINKS_MAX];
    unsigned n_links;
    int services, control, counters; /* maps */
    const char *pin;                 /* folder; NULL = all ends with this process */
};
struct tk_load_opts {
    const char *cgroup;         /* whose connections are redirected */
    const char *gateway_cgroup; /* where the gateway learns original destinations; may be NULL */
    const char *pin;            /* folder on a BPF file system; may be NULL */
    bool shortcut, verbose;
};

/* tk_kernel_load - loads and attaches the programs, or finds those that an earlier loader has
 * pinned in o->pin. On failure nothing stays behind. Returns 1 where they were found, 0; SN_E_*. */
int tk_kernel_load(struct tk_kernel *k, const struct tk_load_opts *o) SN_MUST_CHECK;
/* tk_kernel_done - closes; what is pinned lives on, the rest ends. */
void tk_kernel_done(struct tk_kernel *k);
/* tk_kernel_unpin - removes a folder of pins, with which the programs end. Returns 0,
 * SN_E_NOT_FOUND where there is none, SN_E_IO. */
int tk_kernel_unpin(const char *pin) SN_MUST_CHECK;

/* tk_control_set - the record that the programs read at each decision. */
int tk_control_set(struct tk_kernel *k, const struct sn_tk_control *c) SN_MUST_CHECK;
int tk_control_get(struct tk_kernel *k, struct sn_tk_control *ret) SN_MUST_CHECK;
/* tk_table_new - a filled inner map that no program sees yet. Returns its descriptor or SN_E_*. */
int tk_table_new(struct tk_kernel *k, const struct sn_tk_table *t) SN_MUST_CHECK;
/* tk_services_set - from the return on every decision is made by these tables; one that is under
 * way ends by the old one, which then is freed. Each service has its old table or its new one at any
 * time; among them there is no order. table_fds stay the caller's. On failure any of them may be in
 * their places. */
int tk_services_set(struct tk_kernel *k, const struct sn_tk_key *keys, const int *table_fds,
                    uint32_t n) SN_MUST_CHECK;
/* tk_services_del - removes; those that are not there are none of its business. */
void tk_services_del(struct tk_kernel *k, const struct sn_tk_key *keys, uint32_t n);
/* tk_service_next - the key after `at` (NULL: the first). Returns false at the end. */
bool tk_service_next(struct tk_kernel *k, const struct sn_tk_key *at, struct sn_tk_key *ret);
/* tk_counters_get - the sum over all processors. */
int tk_counters_get(struct tk_kernel *k, uint32_t index, struct sn_tk_counters *ret) SN_MUST_CHECK;
int tk_counters_clear(struct tk_kernel *k, uint32_t index) SN_MUST_CHECK;
