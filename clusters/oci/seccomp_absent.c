/* SPDX-License-Identifier: Apache-2.0 */
/* oci/seccomp_absent.c - until clusters/seccomp is there: weak, so that its functions win. */
#include "clusters/seccomp/seccomp.h"
#include "core/status.h"

__attribute__((weak)) int sn_seccomp_cached(struct sn_arena *a, int dir, const struct sn_json *seccomp,
                                            struct sn_seccomp_filter *ret, bool *ret_hit)
{
    *ret = (struct sn_seccomp_filter){0};
    return 0;
}
__attribute__((weak)) int sn_seccomp_compile(struct sn_arena *a, const struct sn_json *seccomp, struct sn_seccomp_filter *ret)
{
    *ret = (struct sn_seccomp_filter){0};
    return 0;
}
__attribute__((weak)) int sn_seccomp_load(const struct sn_seccomp_filter *f, int *ret_notify_fd) { return 0; }
static const char *const nothing[] = {NULL};
__attribute__((weak)) const char *const *sn_seccomp_action_names(void) { return nothing; }
__attribute__((weak)) const char *const *sn_seccomp_operator_names(void) { return nothing; }
__attribute__((weak)) const char *const *sn_seccomp_arch_names(void) { return nothing; }
__attribute__((weak)) const char *const *sn_seccomp_flag_names(void) { return nothing; }
__attribute__((weak)) bool sn_seccomp_flag_supported(const char *name) { return false; }
