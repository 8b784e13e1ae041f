/* SPDX-License-Identifier: Apache-2.0 */
#include "clusters/task/zygote_int.h"
int sn_zygote_create(struct sn_zygote *z, const struct sn_oci_host *h, const struct sn_oci_create_opts *o,
                     struct sn_oci_container **ret) { return sn_oci_create(h, o, ret); }
int sn_zygote_exec(struct sn_zygote *z, const struct sn_oci_host *h, const char *id, const struct sn_oci_exec_opts *o,
                   struct sn_oci_process *ret) { return -1; }
