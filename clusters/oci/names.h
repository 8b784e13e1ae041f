/* SPDX-License-Identifier: Apache-2.0 */
/* clusters/oci/names.h - the names of the runtime-spec that this runtime knows, for `features`. */
#pragma once
#include "core/base.h"

struct sn_oci_name {
    const char *name; /* NULL after the last */
    int64_t value;    /* the kernel's number */
};
extern const struct sn_oci_name sn_oci_cap_names[], sn_oci_rlimit_names[], sn_oci_ns_names[],
    sn_oci_sched_names[], sn_oci_sched_flag_names[], sn_oci_ioprio_names[],
    sn_oci_personality_names[], sn_oci_mpol_names[], sn_oci_mpol_flag_names[],
    sn_oci_propagation_names[];
/* sn_oci_mount_option_name - name i of the mount options known, NULL beyond the last. */
const char *sn_oci_mount_option_name(size_t i);
