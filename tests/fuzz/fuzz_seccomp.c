/* SPDX-License-Identifier: Apache-2.0 */
/* Any JSON as a seccomp profile: refused, or a program that the kernel's checks pass and that
 * decides every call. */
#include <linux/audit.h>
#include <stdlib.h>

#include "clusters/seccomp/bpf_test.h"
#include "clusters/seccomp/seccomp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t arches[] = {AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64};
    struct sn_arena a;
    const struct sn_json *v;
    struct sn_seccomp_filter f;
    sn_arena_init(&a, NULL, 64u << 20);
    if (sn_json_parse(&a, sn_str_of((const char *)data, size), NULL, &v) == 0 &&
        sn_seccomp_compile(&a, v, &f) == 0) {
        if (!bpf_valid(f.insns, f.n)) abort();
        for (int nr = -1; nr < 1100; nr += 7)
            for (size_t i = 0; i < SN_COUNT_OF(arches); i++) {
                struct seccomp_data d = {.nr = nr,
                                         .arch = arches[i],
                                         .args = {size, 1, UINT64_MAX}};
                if (bpf_run(f.insns, &d, NULL) == 0xdeadbeef) abort();
            }
    }
    sn_arena_done(&a);
    return 0;
}
