/* SPDX-License-Identifier: Apache-2.0 */
/* task/zygote_int.h - the calls that go through the zygote: those of clusters/oci, made elsewhere. */
#pragma once
#include "clusters/oci/container.h"
#include "clusters/task/zygote.h"

/* sn_zygote_create, sn_zygote_exec - as sn_oci_create and sn_oci_exec; the process is a child of the
 * zygote. Context: a thread that may block; several at a time wait for each other. */
int sn_zygote_create(struct sn_zygote *z, const struct sn_oci_host *h, const struct sn_oci_create_opts *o,
                     struct sn_oci_container **ret) SN_MUST_CHECK;
int sn_zygote_exec(struct sn_zygote *z, const struct sn_oci_host *h, const char *id, const struct sn_oci_exec_opts *o,
                   struct sn_oci_process *ret) SN_MUST_CHECK;
/* sn_zygote_reap - the exit status of a process that has ended, which is then gone. Returns 0, SN_E_*. */
int sn_zygote_reap(struct sn_zygote *z, int pid, uint32_t *ret_status) SN_MUST_CHECK;
