/* SPDX-License-Identifier: Apache-2.0 */
/* oci/seccomp_absent.c - until clusters/seccomp is there: weak, so that its functions win. */
#include "clusters/seccomp/seccomp.h"
#include "core/status.h"

__attribute__((weak)) int sn_seccomp_cached(struct sn_arena *a, int dir, const struct sn_json *seccomp,
                                            struct sn_seccomp_filter *ret, bool *ret_hit)
{
    return sn_fail(SN_E_UNIMPLEMENTED, "linux.seccomp: not built in");
}
__attribute__((weak)) int sn_seccomp_compile(struct sn_arena *a, const struct sn_json *seccomp, struct sn_seccomp_filter *ret)
{
    return sn_fail(SN_E_UNIMPLEMENTED, "linux.seccomp: not built in");
}
__attribute__((weak)) int sn_seccomp_load(const struct sn_seccomp_filter *f, int *ret_notify_fd) { return -38; }
