/* SPDX-License-Identifier: Apache-2.0 */
/* linux.seccomp to tables: for each architecture, what happens to each number. How rules of one
 * call combine follows libseccomp, through which profiles have been read so far: a rule without
 * conditions beats those with them, of two without the first stands, and a rule whose action is the
 * default says nothing. Conditions on one argument twice are alternatives, as runc reads them. */
#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>

#include "core/status.h"
#include "seccomp/seccomp_int.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#define SC_ERRNO_MAX 4095 /* what a system call can answer */

static int sc_bad(const char *where, const struct sn_json *v, const char *allowed)
{
    char text[96];
    struct sn_buf b;
    sn_buf_init_fixed(&b, text, sizeof(text));
    if (!v) return sn_fail(SN_E_INVALID_ARGUMENT, "%s is missing, expected %s", where, allowed);
    if (sn_json_kind(v) >= SN_JSON_ARRAY || sn_json_write(&b, v, NULL) < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "%s is a long value or %s, expected %s", where,
                       sn_json_kind_name(sn_json_kind(v)), allowed);
    return sn_fail(SN_E_INVALID_ARGUMENT, "%s is %.*s, expected %s", where, (int)b.len, text,
                   allowed);
}

static const struct sn_json *sc_get(const struct sn_json *o, const char *field)
{
    const struct sn_json *v = sn_json_get(o, field);
    return sn_json_kind(v) == SN_JSON_NULL ? NULL : v;
}

/* ---- actions -----------------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    uint32_t action;
    bool data; /* takes errnoRet */
} sc_actions[] = {
    {"SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW, false},
    {"SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO, true},
    {"SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD, false},
    {"SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD, false},
    {"SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS, false},
    {"SCMP_ACT_TRAP", SECCOMP_RET_TRAP, false},
    {"SCMP_ACT_TRACE", SECCOMP_RET_TRACE, true},
    {"SCMP_ACT_LOG", SECCOMP_RET_LOG, false},
    {"SCMP_ACT_NOTIFY", SECCOMP_RET_USER_NOTIF, false},
};

static int sc_action(const char *where, const struct sn_json *o, const char *field,
                     const char *errno_field, uint32_t *ret)
{
    const struct sn_json *v = sc_get(o, field), *e = sc_get(o, errno_field);
    char path[128];
    uint64_t value = EPERM;
    snprintf(path, sizeof(path), "%s.%s", where, field);
    for (size_t i = 0; i < SN_COUNT_OF(sc_actions); i++) {
        if (!sn_str_eqc(sn_json_str(v), sc_actions[i].name)) continue;
        if (e && (sn_json_to_u64(e, &value) < 0 || value > SC_ERRNO_MAX)) {
            snprintf(path, sizeof(path), "%s.%s", where, errno_field);
            return sc_bad(path, e, "0 to 4095");
        }
        *ret = sc_actions[i].action | (sc_actions[i].data ? (uint32_t)value : 0);
        return 0;
    }
    return sc_bad(
        path, v,
        "SCMP_ACT_ALLOW, _ERRNO, _KILL, _KILL_PROCESS, _KILL_THREAD, _LOG, _NOTIFY, _TRACE or "
        "_TRAP");
}

/* ---- architectures, flags ----------------------------------------------------------------------
 */

static int sc_arch_add(struct sn_arena *a, struct sc_profile *p, enum sc_arch arch)
{
    if (p->arch[arch]) return 0;
    struct sc_table *t = p->arch[arch] = SN_ARENA_NEW(a, struct sc_table);
    if (!t) return sn_fail(SN_E_NOMEM, "seccomp profile");
    t->highest = -1;
    return 0;
}

/* Which of our columns this machine's kernel can ever report. */
static bool sc_arch_here(enum sc_arch a)
{
    return sc_native() == SC_AARCH64 ? a == SC_AARCH64 : a != SC_AARCH64;
}

static int sc_architectures(struct sn_arena *a, const struct sn_json *o, struct sc_profile *p)
{
    static const char *const ours[SC_ARCHES] = {"X86_64", "X86", "X32", "AARCH64"};
    /* Named by the specification; the kernel here never reports them, so they need no program. */
    static const char *const others[] = {"ARM",    "MIPS",     "MIPS64",      "MIPS64N32",
                                         "MIPSEL", "MIPSEL64", "MIPSEL64N32", "PPC",
                                         "PPC64",  "PPC64LE",  "S390",        "S390X",
                                         "PARISC", "PARISC64", "RISCV64",     "LOONGARCH64",
                                         "M68K",   "SH",       "SHEB"};
    const struct sn_json *list = sc_get(o, "architectures");
    int r = sc_arch_add(a, p, sc_native());
    if (r < 0) return r;
    if (list && sn_json_kind(list) != SN_JSON_ARRAY)
        return sc_bad("linux.seccomp.architectures", list, "an array of SCMP_ARCH_* names");
    for (SN_JSON_EACH(list, it)) {
        struct sn_str name = sn_json_str(it);
        bool known = false;
        if (sn_str_starts(name, SN_STR("SCMP_ARCH_")))
            name = sn_str_from(name, 10);
        else
            name = (struct sn_str){0};
        for (unsigned i = 0; i < SC_ARCHES; i++) {
            if (!name.ptr || !sn_str_eqc(name, ours[i])) continue;
            known = true;
            if (sc_arch_here(i) && (r = sc_arch_add(a, p, i)) < 0) return r;
        }
        for (size_t i = 0; name.ptr && !known && i < SN_COUNT_OF(others); i++)
            known = sn_str_eqc(name, others[i]);
        if (!known)
            return sc_bad("linux.seccomp.architectures[]", it,
                          "an architecture like SCMP_ARCH_X86_64");
    }
    return 0;
}

static int sc_flags(const struct sn_json *o, struct sc_profile *p)
{
    static const struct {
        const char *name;
        uint32_t flag;
    } known[] = {
        {"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
        {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
        {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
        {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
    };
    const struct sn_json *list = sc_get(o, "flags");
    /* Without the field speculation stays allowed, as runc has it: the mitigation costs every
     * program and protects none that does not ask. An empty list switches it on. */
    if (!list) {
        p->flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW;
        return 0;
    }
    if (sn_json_kind(list) != SN_JSON_ARRAY)
        return sc_bad("linux.seccomp.flags", list, "an array of SECCOMP_FILTER_FLAG_* names");
    for (SN_JSON_EACH(list, it)) {
        size_t i = 0;
        while (i < SN_COUNT_OF(known) && !sn_str_eqc(sn_json_str(it), known[i].name)) i++;
        if (i == SN_COUNT_OF(known))
            return sc_bad("linux.seccomp.flags[]", it,
                          "SECCOMP_FILTER_FLAG_TSYNC, _LOG, _SPEC_ALLOW or _WAIT_KILLABLE_RECV");
        p->flags |= known[i].flag;
    }
    return 0;
}

/* ---- system calls ------------------------------------------------------------------------------
 */

static int sc_cond_read(const char *where, const struct sn_json *o, struct sc_cond *c)
{
    static const char *const ops[] = {"SCMP_CMP_NE",       "SCMP_CMP_LT", "SCMP_CMP_LE",
                                      "SCMP_CMP_EQ",       "SCMP_CMP_GE", "SCMP_CMP_GT",
                                      "SCMP_CMP_MASKED_EQ"};
    const struct sn_json *op = sc_get(o, "op"), *two = sc_get(o, "valueTwo");
    char path[160];
    uint64_t index;
    snprintf(path, sizeof(path), "%s.args[].index", where);
    if (sn_json_to_u64(sc_get(o, "index"), &index) < 0 || index > 5)
        return sc_bad(path, sc_get(o, "index"), "0 to 5");
    snprintf(path, sizeof(path), "%s.args[].value", where);
    if (sn_json_to_u64(sc_get(o, "value"), &c->value) < 0)
        return sc_bad(path, sc_get(o, "value"), "an unsigned number");
    snprintf(path, sizeof(path), "%s.args[].valueTwo", where);
    c->value_two = 0;
    if (two && sn_json_to_u64(two, &c->value_two) < 0)
        return sc_bad(path, two, "an unsigned number");
    c->arg = (uint8_t)index;
    for (uint8_t i = 0; i < SN_COUNT_OF(ops); i++) {
        if (!sn_str_eqc(sn_json_str(op), ops[i])) continue;
        c->op = i;
        if (i == SC_MASKED_EQ)
            c->value_two &= c->value; /* as libseccomp: other bits cannot be meant */
        return 0;
    }
    snprintf(path, sizeof(path), "%s.args[].op", where);
    return sc_bad(path, op, "SCMP_CMP_NE, _LT, _LE, _EQ, _GE, _GT or _MASKED_EQ");
}

/* Drops what always holds, a masked comparison of no bits: without it the rule may be one without
 * conditions, which counts for more. Returns how many are left. */
static size_t sc_certain(struct sc_cond *c, size_t n)
{
    size_t left = 0;
    for (size_t i = 0; i < n; i++)
        if (c[i].op != SC_MASKED_EQ || c[i].value != 0) c[left++] = c[i];
    return left;
}

/* The conditions of an entry as rules: one of all, or one of each where an argument comes twice. */
static int sc_rules(struct sn_arena *a, const char *where, const struct sn_json *entry,
                    uint32_t action, struct sc_rule **ret, size_t *ret_n)
{
    const struct sn_json *args = sc_get(entry, "args");
    char path[128];
    snprintf(path, sizeof(path), "%s.args", where);
    if (args && sn_json_kind(args) != SN_JSON_ARRAY) return sc_bad(path, args, "an array");
    size_t n = sn_json_len(args), seen[6] = {0};
    if (n > 64) return sn_fail(SN_E_TOO_LARGE, "%s has %zu conditions, at most 64", path, n);
    struct sc_cond *c = SN_ARENA_ARRAY(a, struct sc_cond, n + 1);
    struct sc_rule *r = SN_ARENA_ARRAY(a, struct sc_rule, n + 1);
    if (!c || !r) return sn_fail(SN_E_NOMEM, "%s", path);
    bool twice = false;
    for (size_t i = 0; i < n; i++) {
        int e = sc_cond_read(where, sn_json_at(args, i), &c[i]);
        if (e < 0) return e;
        twice = twice || seen[c[i].arg]++ > 0;
    }
    if (!twice) n = sc_certain(c, n);
    *ret = r;
    *ret_n = twice ? n : 1;
    for (size_t i = 0; i < *ret_n; i++) {
        r[i].action = action;
        r[i].n = twice ? 1 : (uint8_t)n;
        memcpy(r[i].cond, twice ? &c[i] : c, r[i].n * sizeof(*c));
    }
    return 0;
}

static int sc_slot_add(struct sn_arena *a, struct sc_table *t, int nr, const struct sc_rule *r,
                       size_t n)
{
    struct sc_slot *s = &t->slot[nr];
    if (s->fixed) return 0;
    if (r[0].n == 0) {
        *s = (struct sc_slot){.fixed = true, .action = r[0].action};
        return 0;
    }
    struct sc_match **end = &s->match;
    while (*end) end = &(*end)->next;
    for (size_t i = 0; i < n; i++) {
        if (!(*end = SN_ARENA_NEW(a, struct sc_match))) return sn_fail(SN_E_NOMEM, "seccomp rules");
        (*end)->rule = &r[i];
        end = &(*end)->next;
    }
    return 0;
}

static const struct {
    const char *name;
    uint8_t call; /* 0: socketcall, 1: ipc */
    uint8_t number;
} sc_many[] = {
    {"socket", 0, 1},    {"bind", 0, 2},        {"connect", 0, 3},     {"listen", 0, 4},
    {"accept", 0, 5},    {"getsockname", 0, 6}, {"getpeername", 0, 7}, {"socketpair", 0, 8},
    {"send", 0, 9},      {"recv", 0, 10},       {"sendto", 0, 11},     {"recvfrom", 0, 12},
    {"shutdown", 0, 13}, {"setsockopt", 0, 14}, {"getsockopt", 0, 15}, {"sendmsg", 0, 16},
    {"recvmsg", 0, 17},  {"accept4", 0, 18},    {"recvmmsg", 0, 19},   {"sendmmsg", 0, 20},
    {"semop", 1, 1},     {"semget", 1, 2},      {"semctl", 1, 3},      {"semtimedop", 1, 4},
    {"msgsnd", 1, 11},   {"msgrcv", 1, 12},     {"msgget", 1, 13},     {"msgctl", 1, 14},
    {"shmat", 1, 21},    {"shmdt", 1, 22},      {"shmget", 1, 23},     {"shmctl", 1, 24},
};

bool sc_multiplexed_on_i386(const char *name)
{
    for (size_t i = 0; i < SN_COUNT_OF(sc_many); i++)
        if (strcmp(name, sc_many[i].name) == 0) return true;
    return false;
}

/* i386 has two calls that are many: socketcall and ipc take which one as their first argument. A
 * rule for socket() there is one for socketcall(1, ...), too; its own conditions would be about
 * memory and cannot be kept. */
static int sc_multiplexed(struct sn_arena *a, struct sc_profile *p, struct sn_str name,
                          const struct sc_rule *r)
{
    if (r[0].n > 0) return 0;
    for (size_t i = 0; i < SN_COUNT_OF(sc_many); i++) {
        if (!sn_str_eqc(name, sc_many[i].name)) continue;
        struct sc_rule *m = SN_ARENA_NEW(a, struct sc_rule);
        if (!m) return sn_fail(SN_E_NOMEM, "seccomp rules");
        *m = (struct sc_rule){.action = r[0].action,
                              .n = 1,
                              .cond = {{.op = SC_EQ, .value = sc_many[i].number}}};
        int16_t nr =
            sc_call_find(sc_many[i].call ? SN_STR("ipc") : SN_STR("socketcall"))->nr[SC_X86];
        return sc_slot_add(a, p->arch[SC_X86], nr, m, 1);
    }
    return 0;
}

static int sc_name(struct sn_arena *a, struct sc_profile *p, struct sn_str name,
                   const struct sc_rule *r, size_t n)
{
    const struct sc_call *c = sc_call_find(name);
    bool any = false;
    for (unsigned i = 0; c && i < SC_ARCHES; i++) {
        if (!p->arch[i] || c->nr[i] < 0) continue;
        any = true;
        if (c->nr[i] > p->arch[i]->highest) p->arch[i]->highest = c->nr[i];
        if (n == 0) continue;
        int e = sc_slot_add(a, p->arch[i], c->nr[i], r, n);
        if (e < 0) return e;
    }
    if (!any) p->unknown_names++;
    return n > 0 && p->arch[SC_X86] ? sc_multiplexed(a, p, name, r) : 0;
}

static int sc_entry(struct sn_arena *a, struct sc_profile *p, const struct sn_json *entry,
                    size_t index, size_t *names)
{
    char where[64], path[96];
    uint32_t action;
    struct sc_rule *rules = NULL;
    size_t n = 0;
    snprintf(where, sizeof(where), "linux.seccomp.syscalls[%zu]", index);
    if (sn_json_kind(entry) != SN_JSON_OBJECT) return sc_bad(where, entry, "an object");
    int e = sc_action(where, entry, "action", "errnoRet", &action);
    if (e == 0) e = sc_rules(a, where, entry, action, &rules, &n);
    if (e < 0) return e;
    const struct sn_json *list = sc_get(entry, "names");
    snprintf(path, sizeof(path), "%s.names", where);
    if (sn_json_kind(list) != SN_JSON_ARRAY || list->len == 0)
        return sc_bad(path, list, "an array of at least one name");
    if ((*names += list->len) > SN_SECCOMP_NAMES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "linux.seccomp.syscalls: more than %d names",
                       SN_SECCOMP_NAMES_MAX);
    for (SN_JSON_EACH(list, it)) {
        struct sn_str name = sn_json_str(it);
        if (!name.ptr || name.len == 0) return sc_bad(path, it, "the name of a system call");
        /* The supervisor's answer would have to pass through a write that waits for the answer. */
        if (action == SECCOMP_RET_USER_NOTIF && sn_str_eqc(name, "write"))
            return sn_fail(SN_E_INVALID_ARGUMENT,
                           "%s: SCMP_ACT_NOTIFY cannot be used for the write syscall", path);
        p->notify = p->notify || action == SECCOMP_RET_USER_NOTIF;
        /* The default again is no rule, but its names are known to whoever wrote the profile. */
        if ((e = sc_name(a, p, name, rules, action == p->default_action ? 0 : n)) < 0) return e;
    }
    return 0;
}

/* ---- the whole ---------------------------------------------------------------------------------
 */

static int sc_listener(const struct sn_json *o, struct sc_profile *p)
{
    const struct sn_json *path = sc_get(o, "listenerPath"), *meta = sc_get(o, "listenerMetadata");
    p->listener_path = sn_json_str(path);
    p->listener_metadata = sn_json_str(meta);
    if (path && (!p->listener_path.ptr || memchr(p->listener_path.ptr, '\0', p->listener_path.len)))
        return sc_bad("linux.seccomp.listenerPath", path, "the path of a socket");
    if (meta && !p->listener_metadata.ptr)
        return sc_bad("linux.seccomp.listenerMetadata", meta, "a string");
    if (p->listener_metadata.len > SN_SECCOMP_METADATA_MAX)
        return sn_fail(SN_E_TOO_LARGE, "linux.seccomp.listenerMetadata has %zu bytes, at most %d",
                       p->listener_metadata.len, SN_SECCOMP_METADATA_MAX);
    if (meta && p->listener_path.len == 0)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "linux.seccomp.listenerMetadata without listenerPath");
    if (p->notify && p->listener_path.len == 0)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "linux.seccomp.listenerPath is missing, expected the path of a socket: "
                       "SCMP_ACT_NOTIFY is used");
    return 0;
}

/* Actions that refuse. Programs try what is newer than their kernel and look for ENOSYS; a profile
 * that is older than the program would make them give up instead. */
static bool sc_refuses(uint32_t action)
{
    uint32_t kind = action & SECCOMP_RET_ACTION_FULL;
    return kind == SECCOMP_RET_KILL_PROCESS || kind == SECCOMP_RET_KILL_THREAD ||
           kind == SECCOMP_RET_TRAP ||
           (kind == SECCOMP_RET_ERRNO && (action & SECCOMP_RET_DATA) != ENOSYS);
}

int sc_profile_read(struct sn_arena *a, const struct sn_json *o, struct sc_profile *ret)
{
    struct sc_profile p = {.bad_arch = SECCOMP_RET_KILL_THREAD};
    size_t index = 0, names = 0;
    if (sn_json_kind(o) != SN_JSON_OBJECT) return sc_bad("linux.seccomp", o, "an object");
    int e = sc_action("linux.seccomp", o, "defaultAction", "defaultErrnoRet", &p.default_action);
    if (e == 0 && p.default_action == SECCOMP_RET_USER_NOTIF)
        e = sn_fail(
            SN_E_INVALID_ARGUMENT,
            "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be used as default action");
    if (e == 0) e = sc_architectures(a, o, &p);
    if (e == 0) e = sc_flags(o, &p);
    const struct sn_json *list = sc_get(o, "syscalls");
    if (e == 0 && list && sn_json_kind(list) != SN_JSON_ARRAY)
        e = sc_bad("linux.seccomp.syscalls", list, "an array of objects");
    if (e == 0 && sn_json_len(list) > SN_SECCOMP_RULES_MAX)
        e = sn_fail(SN_E_TOO_LARGE, "linux.seccomp.syscalls has %zu entries, at most %d",
                    sn_json_len(list), SN_SECCOMP_RULES_MAX);
    if (e < 0) return e;
    for (SN_JSON_EACH(list, it))
        if ((e = sc_entry(a, &p, it, index++, &names)) < 0) return e;
    if ((e = sc_listener(o, &p)) < 0) return e;
    p.newer_enosys = sc_refuses(p.default_action);
    if (p.notify)
        p.flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
    else
        p.flags &=
            ~(uint32_t)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV; /* refused without a listener */
    if (p.notify && p.flags & SECCOMP_FILTER_FLAG_TSYNC) p.flags |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
    *ret = p;
    return 0;
}
