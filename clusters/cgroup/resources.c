/* SPDX-License-Identifier: Apache-2.0 */
/* Reading linux.resources. What is refused is named: the field, the value, what is allowed. */
#include <stdio.h>

#include "cgroup/cgroup_int.h"
#include "core/status.h"

#define CG_STRING_MAX 4096 /* bytes of any string in linux.resources */

/* Where we are, for diagnostics: "linux.resources.memory" and a list's index. */
struct cg_at {
    const char *object;
    int index; /* -1: not in a list */
};

static int cg_bad(const struct cg_at *at, const char *field, const struct sn_json *v,
                  const char *allowed)
{
    char where[160], text[64];
    struct sn_buf b;
    if (at->index >= 0)
        snprintf(where, sizeof(where), "%s[%d].%s", at->object, at->index, field);
    else
        snprintf(where, sizeof(where), "%s.%s", at->object, field);
    sn_buf_init_fixed(&b, text, sizeof(text) - 1);
    if (!v) return sn_fail(SN_E_INVALID_ARGUMENT, "%s is missing, expected %s", where, allowed);
    if (sn_json_kind(v) >= SN_JSON_ARRAY || sn_json_write(&b, v, NULL) < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "%s is a long value or %s, expected %s", where,
                       sn_json_kind_name(sn_json_kind(v)), allowed);
    return sn_fail(SN_E_INVALID_ARGUMENT, "%s is %.*s, expected %s", where, (int)b.len, text,
                   allowed);
}

static const struct sn_json *cg_get(const struct sn_json *o, const char *field)
{
    const struct sn_json *v = sn_json_get(o, field);
    return sn_json_kind(v) == SN_JSON_NULL ? NULL : v;
}

struct cg_int_field {
    const char *name;
    size_t at; /* of a struct sn_opt_i64 */
    int64_t min, max;
    const char *allowed;
};

static int cg_ints(const struct sn_json *o, const struct cg_at *at, const struct cg_int_field *f,
                   size_t n, void *base)
{
    for (size_t i = 0; i < n; i++, f++) {
        const struct sn_json *v = cg_get(o, f->name);
        int64_t x;
        if (!v) continue;
        /* An unsigned "unlimited" of old writers: beyond what the kernel's counters hold. */
        if (sn_json_kind(v) == SN_JSON_UINT && f->max == INT64_MAX)
            x = INT64_MAX;
        else if (sn_json_to_i64(v, &x) < 0 || x < f->min || x > f->max)
            return cg_bad(at, f->name, v, f->allowed);
        *(struct sn_opt_i64 *)((char *)base + f->at) = (struct sn_opt_i64){true, x};
    }
    return 0;
}

static int cg_bool(const struct sn_json *o, const struct cg_at *at, const char *field,
                   struct sn_opt_bool *ret)
{
    const struct sn_json *v = cg_get(o, field);
    if (!v) return 0;
    if (sn_json_to_bool(v, &ret->v) < 0) return cg_bad(at, field, v, "true or false");
    ret->set = true;
    return 0;
}

static int cg_text(const struct sn_json *o, const struct cg_at *at, const char *field,
                   const char *allowed, struct sn_str *ret)
{
    const struct sn_json *v = cg_get(o, field);
    if (!v) return 0;
    struct sn_str s = sn_json_str(v);
    if (!s.ptr || s.len > CG_STRING_MAX || memchr(s.ptr, '\0', s.len) || memchr(s.ptr, '\n', s.len))
        return cg_bad(at, field, v, allowed);
    *ret = s;
    return 0;
}

/* An array of objects. *ret_n is 0 and *ret NULL where it is absent. */
static int cg_list_of(struct sn_arena *a, const struct sn_json *o, const struct cg_at *at,
                      const char *field, size_t elem, void **ret, size_t *ret_n)
{
    const struct sn_json *v = cg_get(o, field);
    *ret = NULL;
    *ret_n = 0;
    if (!v) return 0;
    if (sn_json_kind(v) != SN_JSON_ARRAY) return cg_bad(at, field, v, "an array of objects");
    size_t max = strcmp(field, "devices") == 0 ? SN_CGROUP_RULES_MAX : SN_CGROUP_LIST_MAX;
    if (v->len > max)
        return sn_fail(SN_E_TOO_LARGE, "%s.%s has %u entries, at most %zu", at->object, field,
                       v->len, max);
    for (SN_JSON_EACH(v, it))
        if (sn_json_kind(it) != SN_JSON_OBJECT) return cg_bad(at, field, it, "an array of objects");
    if (!(*ret = sn_arena_array(a, v->len ? v->len : 1, elem)))
        return sn_fail(SN_E_NOMEM, "%s", field);
    *ret_n = v->len;
    return 0;
}

/* ---- devices -----------------------------------------------------------------------------------
 */

static int cg_device_access(struct sn_str s, uint8_t *ret)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == 'r')
            *ret |= SN_CGROUP_DEV_READ;
        else if (s.ptr[i] == 'w')
            *ret |= SN_CGROUP_DEV_WRITE;
        else if (s.ptr[i] == 'm')
            *ret |= SN_CGROUP_DEV_MKNOD;
        else
            return -1;
    }
    return 0;
}

static int cg_device(const struct sn_json *o, const struct cg_at *at,
                     struct sn_cgroup_device_rule *d)
{
    struct {
        struct sn_opt_i64 major, minor;
    } n = {0};
    static const struct cg_int_field ints[] = {
        {"major", offsetof(__typeof__(n), major), -1, UINT32_MAX, "-1 or a device number"},
        {"minor", offsetof(__typeof__(n), minor), -1, UINT32_MAX, "-1 or a device number"},
    };
    struct sn_opt_bool allow = {0};
    struct sn_str type = {0}, access = {0};
    int r = cg_bool(o, at, "allow", &allow);
    if (r == 0) r = cg_text(o, at, "type", "\"a\", \"b\", \"c\", \"p\" or \"u\"", &type);
    if (r == 0) r = cg_text(o, at, "access", "letters of \"rwm\"", &access);
    if (r == 0) r = cg_ints(o, at, ints, SN_COUNT_OF(ints), &n);
    if (r < 0) return r;
    if (type.len == 0) type = SN_STR("a");
    char t = type.ptr[0] == 'u' ? 'c' : type.ptr[0]; /* unbuffered is a character device, too */
    if (type.len != 1 || !memchr("abcp", t, 4))
        return cg_bad(at, "type", cg_get(o, "type"), "\"a\", \"b\", \"c\", \"p\" or \"u\"");
    *d = (struct sn_cgroup_device_rule){.allow = allow.v,
                                        .type = t,
                                        .major = n.major.set ? n.major.v : -1,
                                        .minor = n.minor.set ? n.minor.v : -1};
    if (cg_device_access(access, &d->access) < 0)
        return cg_bad(at, "access", cg_get(o, "access"), "letters of \"rwm\"");
    if (access.len == 0) d->access = SN_CGROUP_DEV_ALL;
    if (t == 'a') { /* all of both kinds, whatever else stands there: as the kernel reads "a" */
        d->major = d->minor = -1;
        d->access = SN_CGROUP_DEV_ALL;
    }
    return 0;
}

static int cg_devices(struct sn_arena *a, const struct sn_json *o, struct sn_cgroup_resources *r)
{
    struct cg_at at = {"linux.resources", -1};
    void *list;
    size_t n, k = 0;
    int e = cg_list_of(a, o, &at, "devices", sizeof(struct sn_cgroup_device_rule), &list, &n);
    struct sn_cgroup_device_rule *d = list;
    at.object = "linux.resources.devices";
    for (size_t i = 0; e == 0 && i < n; i++) {
        at.index = (int)i;
        e = cg_device(sn_json_at(cg_get(o, "devices"), i), &at, &d[k]);
        if (e == 0 && d[k].type != 'p') k++; /* FIFOs are no devices: no rule can be about them */
    }
    if (e < 0) return e;
    r->devices.ptr = d;
    r->devices.n = k;
    r->devices_set = cg_get(o, "devices") != NULL;
    return 0;
}

int sn_cgroup_devices_default(struct sn_arena *a, struct sn_cgroup_resources *r)
{
    static const struct sn_cgroup_device_rule std[] = {
        {true, 'c', -1, -1, SN_CGROUP_DEV_MKNOD}, {true, 'b', -1, -1, SN_CGROUP_DEV_MKNOD},
        {true, 'c', 1, 3, SN_CGROUP_DEV_ALL},    /* null */
        {true, 'c', 1, 8, SN_CGROUP_DEV_ALL},    /* random */
        {true, 'c', 1, 7, SN_CGROUP_DEV_ALL},    /* full */
        {true, 'c', 5, 0, SN_CGROUP_DEV_ALL},    /* tty */
        {true, 'c', 1, 5, SN_CGROUP_DEV_ALL},    /* zero */
        {true, 'c', 1, 9, SN_CGROUP_DEV_ALL},    /* urandom */
        {true, 'c', 136, -1, SN_CGROUP_DEV_ALL}, /* pts */
        {true, 'c', 5, 2, SN_CGROUP_DEV_ALL},    /* ptmx */
    };
    size_t n = r->devices.n + SN_COUNT_OF(std);
    if (n > SN_CGROUP_RULES_MAX + SN_COUNT_OF(std))
        return sn_fail(SN_E_TOO_LARGE, "linux.resources.devices: more than %d rules",
                       SN_CGROUP_RULES_MAX);
    struct sn_cgroup_device_rule *all = SN_ARENA_ARRAY(a, struct sn_cgroup_device_rule, n);
    if (!all) return sn_fail(SN_E_NOMEM, "device rules");
    if (r->devices.n) memcpy(all, r->devices.ptr, r->devices.n * sizeof(*all));
    memcpy(all + r->devices.n, std, sizeof(std));
    r->devices.ptr = all;
    r->devices.n = n;
    r->devices_set = true;
    return 0;
}

/* ---- memory, cpu, pids -------------------------------------------------------------------------
 */

#define CG_LIMIT -1, INT64_MAX, "bytes, or -1 for no limit"

static int cg_memory(const struct sn_json *o, struct sn_cgroup_resources *r)
{
    __typeof__(r->memory) *m = &r->memory;
    static const struct cg_int_field ints[] = {
        {"limit", offsetof(__typeof__(*m), limit), CG_LIMIT},
        {"reservation", offsetof(__typeof__(*m), reservation), CG_LIMIT},
        {"swap", offsetof(__typeof__(*m), swap), CG_LIMIT},
        {"kernel", offsetof(__typeof__(*m), kernel), CG_LIMIT},
        {"kernelTCP", offsetof(__typeof__(*m), kernel_tcp), CG_LIMIT},
        {"swappiness", offsetof(__typeof__(*m), swappiness), 0, INT64_MAX, "0 to 100"},
    };
    struct cg_at at = {"linux.resources.memory", -1};
    int e = cg_ints(o, &at, ints, SN_COUNT_OF(ints), m);
    if (e == 0 && m->swappiness.set && m->swappiness.v > 100) {
        /* Docker writes -1 unsigned for "leave it". */
        if (m->swappiness.v != INT64_MAX)
            return cg_bad(&at, "swappiness", cg_get(o, "swappiness"), "0 to 100");
        m->swappiness.set = false;
    }
    if (e == 0) e = cg_bool(o, &at, "disableOOMKiller", &m->disable_oom_killer);
    if (e == 0) e = cg_bool(o, &at, "useHierarchy", &m->use_hierarchy);
    if (e == 0) e = cg_bool(o, &at, "checkBeforeUpdate", &m->check_before_update);
    if (e < 0) return e;
    if (m->limit.set && m->swap.set && m->limit.v > 0 && m->swap.v > 0 && m->swap.v < m->limit.v)
        return sn_fail(
            SN_E_INVALID_ARGUMENT,
            "linux.resources.memory.swap is %lld, expected at least memory.limit (%lld): it is "
            "memory and swap together",
            (long long)m->swap.v, (long long)m->limit.v);
    return 0;
}

static int cg_cpu(const struct sn_json *o, struct sn_cgroup_resources *r)
{
    __typeof__(r->cpu) *c = &r->cpu;
    static const struct cg_int_field ints[] = {
        {"shares", offsetof(__typeof__(*c), shares), 0, INT64_MAX, "0 or 2 to 262144"},
        {"quota", offsetof(__typeof__(*c), quota_us), -1, INT64_MAX,
         "microseconds, or -1 for no limit"},
        {"burst", offsetof(__typeof__(*c), burst_us), 0, INT64_MAX, "microseconds"},
        {"period", offsetof(__typeof__(*c), period_us), 0, INT64_MAX, "microseconds"},
        {"realtimeRuntime", offsetof(__typeof__(*c), rt_runtime_us), -1, INT64_MAX, "microseconds"},
        {"realtimePeriod", offsetof(__typeof__(*c), rt_period_us), 0, INT64_MAX, "microseconds"},
        {"idle", offsetof(__typeof__(*c), idle), 0, 1, "0 or 1"},
    };
    struct cg_at at = {"linux.resources.cpu", -1};
    int e = cg_ints(o, &at, ints, SN_COUNT_OF(ints), c);
    if (e == 0) e = cg_text(o, &at, "cpus", "a list like \"0-3,7\"", &c->cpus);
    if (e == 0) e = cg_text(o, &at, "mems", "a list like \"0-3,7\"", &c->mems);
    return e;
}

static int cg_pids(const struct sn_json *o, struct sn_cgroup_resources *r)
{
    static const struct cg_int_field ints[] = {
        {"limit", 0, INT64_MIN, INT64_MAX, "a count, or 0 and less for no limit"}};
    struct cg_at at = {"linux.resources.pids", -1};
    return cg_ints(o, &at, ints, SN_COUNT_OF(ints), &r->pids_limit);
}

/* ---- blockIO -----------------------------------------------------------------------------------
 */

struct cg_number {
    struct sn_opt_i64 major, minor;
};
static int cg_device_number(const struct sn_json *o, const struct cg_at *at, int64_t *major,
                            int64_t *minor)
{
    static const struct cg_int_field ints[] = {
        {"major", offsetof(struct cg_number, major), 0, UINT32_MAX, "a device number"},
        {"minor", offsetof(struct cg_number, minor), 0, UINT32_MAX, "a device number"},
    };
    struct cg_number n = {0};
    int e = cg_ints(o, at, ints, SN_COUNT_OF(ints), &n);
    if (e < 0) return e;
    if (!n.major.set) return cg_bad(at, "major", NULL, "a device number");
    if (!n.minor.set) return cg_bad(at, "minor", NULL, "a device number");
    *major = n.major.v;
    *minor = n.minor.v;
    return 0;
}

static int cg_rates(struct sn_arena *a, const struct sn_json *o, unsigned kind,
                    struct sn_cgroup_resources *r)
{
    static const struct {
        const char *field, *object;
    } names[SN_CGROUP_THROTTLES] = {
        {"throttleReadBpsDevice", "linux.resources.blockIO.throttleReadBpsDevice"},
        {"throttleWriteBpsDevice", "linux.resources.blockIO.throttleWriteBpsDevice"},
        {"throttleReadIOPSDevice", "linux.resources.blockIO.throttleReadIOPSDevice"},
        {"throttleWriteIOPSDevice", "linux.resources.blockIO.throttleWriteIOPSDevice"},
    };
    struct cg_at at = {"linux.resources.blockIO", -1};
    const char *field = names[kind].field;
    void *list;
    size_t n;
    int e = cg_list_of(a, o, &at, field, sizeof(struct sn_cgroup_dev_rate), &list, &n);
    struct sn_cgroup_dev_rate *d = list;
    at.object = names[kind].object;
    for (size_t i = 0; e == 0 && i < n; i++) {
        const struct sn_json *v = sn_json_at(cg_get(o, field), i);
        at.index = (int)i;
        e = cg_device_number(v, &at, &d[i].major, &d[i].minor);
        if (e == 0 && sn_json_to_u64(cg_get(v, "rate"), &d[i].rate) < 0)
            e = cg_bad(&at, "rate", cg_get(v, "rate"), "bytes or operations per second");
    }
    r->io.throttle[kind].ptr = d;
    r->io.throttle[kind].n = n;
    return e;
}

#define CG_WEIGHT 0, 1000, "0 or 10 to 1000"

static int cg_block_io(struct sn_arena *a, const struct sn_json *o, struct sn_cgroup_resources *r)
{
    static const struct cg_int_field top[] = {
        {"weight", offsetof(__typeof__(r->io), weight), CG_WEIGHT},
        {"leafWeight", offsetof(__typeof__(r->io), leaf_weight), CG_WEIGHT},
    };
    static const struct cg_int_field each[] = {
        {"weight", offsetof(struct sn_cgroup_dev_weight, weight), CG_WEIGHT},
        {"leafWeight", offsetof(struct sn_cgroup_dev_weight, leaf_weight), CG_WEIGHT},
    };
    struct cg_at at = {"linux.resources.blockIO", -1};
    void *list;
    size_t n;
    int e = cg_ints(o, &at, top, SN_COUNT_OF(top), &r->io);
    if (e == 0)
        e = cg_list_of(a, o, &at, "weightDevice", sizeof(struct sn_cgroup_dev_weight), &list, &n);
    if (e < 0) return e;
    struct sn_cgroup_dev_weight *w = list;
    at.object = "linux.resources.blockIO.weightDevice";
    for (size_t i = 0; e == 0 && i < n; i++) {
        const struct sn_json *v = sn_json_at(cg_get(o, "weightDevice"), i);
        at.index = (int)i;
        e = cg_device_number(v, &at, &w[i].major, &w[i].minor);
        if (e == 0) e = cg_ints(v, &at, each, SN_COUNT_OF(each), &w[i]);
    }
    r->io.weight_device.ptr = w;
    r->io.weight_device.n = n;
    for (unsigned k = 0; e == 0 && k < SN_CGROUP_THROTTLES; k++) e = cg_rates(a, o, k, r);
    return e;
}

/* ---- the rest ----------------------------------------------------------------------------------
 */

/* "64KB", "2MB", "1GB": digits and a unit, as the names of the kernel's files have it. */
static bool cg_page_size(struct sn_str s)
{
    size_t i = 0;
    while (i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9') i++;
    return i > 0 && i <= 6 && i + 2 == s.len && memchr("KMG", s.ptr[i], 3) && s.ptr[i + 1] == 'B';
}

static int cg_hugetlb(struct sn_arena *a, const struct sn_json *o, struct sn_cgroup_resources *r)
{
    struct cg_at at = {"linux.resources", -1};
    void *list;
    size_t n;
    int e = cg_list_of(a, o, &at, "hugepageLimits", sizeof(struct sn_cgroup_hugetlb), &list, &n);
    struct sn_cgroup_hugetlb *h = list;
    at.object = "linux.resources.hugepageLimits";
    for (size_t i = 0; e == 0 && i < n; i++) {
        const struct sn_json *v = sn_json_at(cg_get(o, "hugepageLimits"), i);
        at.index = (int)i;
        e = cg_text(v, &at, "pageSize", "a size like \"2MB\"", &h[i].page_size);
        if (e == 0 && !cg_page_size(h[i].page_size))
            e = cg_bad(&at, "pageSize", cg_get(v, "pageSize"), "a size like \"2MB\"");
        if (e == 0 && sn_json_to_u64(cg_get(v, "limit"), &h[i].limit) < 0)
            e = cg_bad(&at, "limit", cg_get(v, "limit"), "bytes");
    }
    r->hugetlb.ptr = h;
    r->hugetlb.n = n;
    return e;
}

static bool cg_plain_word(struct sn_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] <= ' ' || s.ptr[i] == '/' || s.ptr[i] == 127) return false;
    return s.len > 0 && s.len < 256;
}

static int cg_rdma(struct sn_arena *a, const struct sn_json *o, struct sn_cgroup_resources *r)
{
    static const struct cg_int_field ints[] = {
        {"hcaHandles", offsetof(struct sn_cgroup_rdma, handles), 0, UINT32_MAX, "a count"},
        {"hcaObjects", offsetof(struct sn_cgroup_rdma, objects), 0, UINT32_MAX, "a count"},
    };
    const struct sn_json *v = cg_get(o, "rdma");
    struct cg_at at = {"linux.resources.rdma", -1};
    if (!v) return 0;
    if (sn_json_kind(v) != SN_JSON_OBJECT || v->len > SN_CGROUP_LIST_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "linux.resources.rdma: expected an object of at most %d",
                       SN_CGROUP_LIST_MAX);
    struct sn_cgroup_rdma *list = SN_ARENA_ARRAY(a, struct sn_cgroup_rdma, v->len + 1);
    if (!list) return sn_fail(SN_E_NOMEM, "rdma");
    size_t n = 0;
    for (SN_JSON_MEMBERS(v, m)) {
        list[n].device = sn_json_str(&m->key);
        if (!cg_plain_word(list[n].device))
            return cg_bad(&at, "*", &m->key, "the name of a device");
        int e = cg_ints(&m->value, &at, ints, SN_COUNT_OF(ints), &list[n++]);
        if (e < 0) return e;
    }
    r->rdma.ptr = list;
    r->rdma.n = n;
    return 0;
}

static int cg_network(struct sn_arena *a, const struct sn_json *o, struct sn_cgroup_resources *r)
{
    static const struct cg_int_field ints[] = {{"classID", 0, 0, UINT32_MAX, "0 to 4294967295"}};
    struct cg_at at = {"linux.resources.network", -1};
    void *list = NULL; /* one compiler does not see that cg_list_of sets both */
    size_t n = 0;
    int e = cg_ints(o, &at, ints, 1, &r->net_class);
    if (e == 0) e = cg_list_of(a, o, &at, "priorities", sizeof(struct sn_cgroup_prio), &list, &n);
    if (e < 0) return e;
    struct sn_cgroup_prio *p = list;
    at.object = "linux.resources.network.priorities";
    for (size_t i = 0; e == 0 && i < n; i++) {
        const struct sn_json *v = sn_json_at(cg_get(o, "priorities"), i);
        uint64_t prio;
        at.index = (int)i;
        e = cg_text(v, &at, "name", "the name of an interface", &p[i].interface);
        if (e == 0 && !cg_plain_word(p[i].interface))
            e = cg_bad(&at, "name", cg_get(v, "name"), "the name of an interface");
        if (e == 0 && (sn_json_to_u64(cg_get(v, "priority"), &prio) < 0 || prio > UINT32_MAX))
            e = cg_bad(&at, "priority", cg_get(v, "priority"), "0 to 4294967295");
        if (e == 0) p[i].priority = (uint32_t)prio;
    }
    r->net_prio.ptr = p;
    r->net_prio.n = n;
    return e;
}

/* Keys become names of files in the group's folder: no path leads out of it, and the files that
 * move processes or controllers are not resources. */
static int cg_unified_map(struct sn_arena *a, const struct sn_json *o,
                          struct sn_cgroup_resources *r)
{
    const struct sn_json *v = cg_get(o, "unified");
    struct cg_at at = {"linux.resources.unified", -1};
    if (!v) return 0;
    if (sn_json_kind(v) != SN_JSON_OBJECT || v->len > SN_CGROUP_LIST_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "linux.resources.unified: expected an object of at most %d strings",
                       SN_CGROUP_LIST_MAX);
    struct sn_cgroup_kv *kv = SN_ARENA_ARRAY(a, struct sn_cgroup_kv, v->len + 1);
    if (!kv) return sn_fail(SN_E_NOMEM, "unified");
    size_t n = 0;
    for (SN_JSON_MEMBERS(v, m)) {
        struct sn_str key = sn_json_str(&m->key), value = sn_json_str(&m->value);
        ssize_t dot = sn_str_chr(key, '.');
        if (!cg_plain_word(key) || dot <= 0 || (size_t)dot + 1 == key.len)
            return cg_bad(&at, "*", &m->key, "the name of a control file, CONTROLLER.NAME");
        if (sn_str_eqc(key, "cgroup.procs") || sn_str_eqc(key, "cgroup.threads") ||
            sn_str_eqc(key, "cgroup.subtree_control") || sn_str_eqc(key, "cgroup.kill"))
            return cg_bad(&at, "*", &m->key, "a resource: this file moves or ends processes");
        if (!value.ptr || value.len > CG_STRING_MAX || memchr(value.ptr, '\0', value.len))
            return cg_bad(&at, "*", &m->value, "a string");
        kv[n++] = (struct sn_cgroup_kv){key, value};
    }
    r->unified.ptr = kv;
    r->unified.n = n;
    return 0;
}

static int cg_part(const struct sn_json *o, const char *field, const struct sn_json **ret)
{
    struct cg_at at = {"linux.resources", -1};
    *ret = cg_get(o, field);
    return *ret && sn_json_kind(*ret) != SN_JSON_OBJECT ? cg_bad(&at, field, *ret, "an object") : 0;
}

int sn_cgroup_resources_parse(struct sn_arena *a, const struct sn_json *o,
                              struct sn_cgroup_resources *ret)
{
    struct sn_cgroup_resources r = {0};
    const struct sn_json *v;
    if (!o || sn_json_kind(o) == SN_JSON_NULL) {
        *ret = r;
        return 0;
    }
    if (sn_json_kind(o) != SN_JSON_OBJECT)
        return sn_fail(SN_E_INVALID_ARGUMENT, "linux.resources is a %s, expected an object",
                       sn_json_kind_name(sn_json_kind(o)));
    int e = cg_devices(a, o, &r);
    if (e == 0 && (e = cg_part(o, "memory", &v)) == 0 && v) e = cg_memory(v, &r);
    if (e == 0 && (e = cg_part(o, "cpu", &v)) == 0 && v) e = cg_cpu(v, &r);
    if (e == 0 && (e = cg_part(o, "pids", &v)) == 0 && v) e = cg_pids(v, &r);
    if (e == 0 && (e = cg_part(o, "blockIO", &v)) == 0 && v) e = cg_block_io(a, v, &r);
    if (e == 0 && (e = cg_part(o, "network", &v)) == 0 && v) e = cg_network(a, v, &r);
    if (e == 0) e = cg_hugetlb(a, o, &r);
    if (e == 0) e = cg_rdma(a, o, &r);
    if (e == 0) e = cg_unified_map(a, o, &r);
    if (e == 0) *ret = r;
    return e;
}
