/* SPDX-License-Identifier: Apache-2.0 */
/* clusters/seccomp/seccomp_int.h - between the profile's reader and the code generator. */
#pragma once
#include "seccomp/seccomp.h"

/* Columns of syscalls.tab. */
enum sc_arch { SC_X86_64, SC_X86, SC_X32, SC_AARCH64, SC_ARCHES };
#define SC_X32_BIT 0x40000000u
#define SC_NUMBERS 1024 /* above every number of every column */

struct sc_call {
    const char *name;
    uint8_t len;
    int16_t nr[SC_ARCHES];
};
/* sc_call_find - the row of a name, NULL where nobody has it. */
const struct sc_call *sc_call_find(struct sn_str name);

enum sc_op { SC_NE, SC_LT, SC_LE, SC_EQ, SC_GE, SC_GT, SC_MASKED_EQ };
struct sc_cond {
    uint8_t arg;
    uint8_t op;
    uint64_t value, value_two; /* MASKED_EQ: value is the mask */
};
/* One way to match: all conditions hold. Several of one call are tried in the profile's order. */
struct sc_rule {
    uint32_t action; /* what the filter returns */
    uint8_t n;
    struct sc_cond cond[SN_SECCOMP_ARGS_MAX];
};
struct sc_match { /* a list per system call */
    const struct sc_rule *rule;
    struct sc_match *next;
};
struct sc_slot {
    bool fixed;      /* decided by the number alone */
    uint32_t action; /* then */
    struct sc_match *match;
};
struct sc_table {
    int highest; /* number the profile names, -1: none */
    struct sc_slot slot[SC_NUMBERS];
};
struct sc_profile {
    uint32_t default_action;
    uint32_t bad_arch; /* for system calls of an architecture that is not listed */
    bool newer_enosys; /* what is newer than every call the profile names answers ENOSYS */
    struct sc_table *arch[SC_ARCHES];
    bool notify;
    uint32_t flags;
    uint32_t unknown_names;
    struct sn_str listener_path, listener_metadata;
};

#define SC_ACT_NONE 0xffffffffu /* no action has this value */
/* sc_profile_read - the object linux.seccomp. Returns as sn_seccomp_compile. */
int sc_profile_read(struct sn_arena *a, const struct sn_json *seccomp, struct sc_profile *ret);
/* sc_multiplexed_on_i386 - whether i386 has the call behind socketcall or ipc, too. */
bool sc_multiplexed_on_i386(const char *name);
/* sc_emit - the program. Returns 0, SN_E_TOO_LARGE, SN_E_NOMEM. */
int sc_emit(struct sn_arena *a, const struct sc_profile *p, struct sn_seccomp_filter *ret);
/* sc_native - the column this program was compiled for. */
enum sc_arch sc_native(void);
/* sc_audit_arch - AUDIT_ARCH_* of a column (x32 shares x86-64's). */
uint32_t sc_audit_arch(enum sc_arch a);
