/* SPDX-License-Identifier: Apache-2.0 */
/* The runtime-spec's names: calls, architectures, and what `features` lists. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "seccomp/seccomp_int.h"
#include "syscalls.gen.h"

const struct sc_call *sc_call_find(struct sn_str name)
{
    uint32_t h = 2166136261u; /* FNV-1a, as tools/gen/syscalls.py */
    for (size_t i = 0; i < name.len; i++) h = (h ^ (uint8_t)name.ptr[i]) * 16777619u;
    for (uint32_t at = h % SC_SLOTS; sc_slots[at]; at = (at + 1) % SC_SLOTS) {
        const struct sc_call *c = &sc_calls[sc_slots[at] - 1];
        if (c->len == name.len && memcmp(c->name, name.ptr, name.len) == 0) return c;
    }
    return NULL;
}

enum sc_arch sc_native(void)
{
#if defined(__aarch64__)
    return SC_AARCH64;
#else
    return SC_X86_64;
#endif
}

uint32_t sc_audit_arch(enum sc_arch a)
{
    switch (a) {
    case SC_X86: return AUDIT_ARCH_I386;
    case SC_AARCH64: return AUDIT_ARCH_AARCH64;
    default: return AUDIT_ARCH_X86_64;
    }
}

const char *const *sn_seccomp_action_names(void)
{
    static const char *const names[] = {"SCMP_ACT_ALLOW",       "SCMP_ACT_ERRNO",
                                        "SCMP_ACT_KILL",        "SCMP_ACT_KILL_PROCESS",
                                        "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
                                        "SCMP_ACT_NOTIFY",      "SCMP_ACT_TRACE",
                                        "SCMP_ACT_TRAP",        NULL};
    return names;
}

const char *const *sn_seccomp_operator_names(void)
{
    static const char *const names[] = {"SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT",
                                        "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ",
                                        "SCMP_CMP_NE", NULL};
    return names;
}

const char *const *sn_seccomp_arch_names(void)
{
    static const char *const names[] = {"SCMP_ARCH_AARCH64", "SCMP_ARCH_X32", "SCMP_ARCH_X86",
                                        "SCMP_ARCH_X86_64", NULL};
    return names;
}

const char *const *sn_seccomp_flag_names(void)
{
    static const char *const names[] = {"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
                                        "SECCOMP_FILTER_FLAG_TSYNC",
                                        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", NULL};
    return names;
}

bool sn_seccomp_flag_supported(const char *name)
{
    static const struct {
        const char *name;
        unsigned flags;
    } known[] = {
        {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
        {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
        {"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
        {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
         SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | SECCOMP_FILTER_FLAG_NEW_LISTENER},
    };
    /* A filter at NULL cannot be loaded: EFAULT says the flags were fine, EINVAL that they were
     * not. */
    for (size_t i = 0; i < SN_COUNT_OF(known); i++)
        if (strcmp(name, known[i].name) == 0)
            return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, known[i].flags, NULL) < 0 &&
                   errno == EFAULT;
    return false;
}

int sn_seccomp_syscall(const char *arch, struct sn_str name)
{
    static const char *const arches[SC_ARCHES] = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86",
                                                  "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64"};
    const struct sc_call *c = sc_call_find(name);
    for (unsigned i = 0; c && i < SC_ARCHES; i++)
        if (strcmp(arch, arches[i]) == 0)
            return c->nr[i] >= 0 && i == SC_X32 ? (int)(SC_X32_BIT | (unsigned)c->nr[i]) : c->nr[i];
    return -1;
}
