/* SPDX-License-Identifier: Apache-2.0 */
/* registry/keep.c - endpoints: building and comparing lists, and whether an answer is believed. */
#include <stdlib.h>

#include "core/alloc.h"
#include "core/map.h"
#include "registry/backend_int.h"
#include "wire/json.h"

/* ---- instances ------------------------------------------------------------------------------ */

static int check_lengths(const struct sn_instance *in)
{
    const struct {
        const char *what;
        struct sn_str s;
    } f[] = {{"id", in->id},
             {"service", in->service},
             {"address", in->address},
             {"zone", in->zone}};
    for (size_t i = 0; i < SN_COUNT_OF(f); i++)
        if (f[i].s.len > SN_REG_NAME_MAX)
            return sn_fail(SN_E_INVALID_ARGUMENT, "instance %.*s: %s of %zu bytes, at most %u",
                           (int)SN_MIN(in->id.len, (size_t)80), in->id.ptr ? in->id.ptr : "",
                           f[i].what, f[i].s.len, SN_REG_NAME_MAX);
    size_t bytes = 0;
    for (uint32_t i = 0; i < in->n_labels; i++)
        bytes += in->labels[i].name.len + in->labels[i].value.len;
    if (in->n_labels > SN_REG_LABELS_MAX || bytes > SN_REG_LABEL_BYTES_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "instance %.*s: %u labels of %zu bytes, at most %u of %u",
                       SN_STR_ARG(in->id), in->n_labels, bytes, SN_REG_LABELS_MAX,
                       SN_REG_LABEL_BYTES_MAX);
    return 0;
}

int reg_instance_copy(struct sn_arena *a, const struct sn_instance *in, struct sn_instance *ret)
{
    int r = check_lengths(in);
    if (r < 0) return r;
    struct sn_instance out = *in;
    struct sn_label *labels = SN_ARENA_ARRAY(a, struct sn_label, in->n_labels);
    if (!labels) return SN_E_NOMEM;
    bool ok = (out.id = sn_arena_str(a, in->id)).ptr &&
              (out.service = sn_arena_str(a, in->service)).ptr &&
              (out.address = sn_arena_str(a, in->address)).ptr &&
              (out.zone = sn_arena_str(a, in->zone)).ptr;
    for (uint32_t i = 0; ok && i < in->n_labels; i++)
        ok = (labels[i].name = sn_arena_str(a, in->labels[i].name)).ptr &&
             (labels[i].value = sn_arena_str(a, in->labels[i].value)).ptr;
    if (!ok) return SN_E_NOMEM;
    out.labels = labels;
    *ret = out;
    return 0;
}

static int by_id(const void *x, const void *y)
{
    const struct sn_instance *a = x, *b = y;
    return sn_str_cmp(a->id, b->id);
}

static int healthy_first(const void *x, const void *y)
{
    const struct sn_instance *a = x, *b = y;
    return a->healthy != b->healthy ? (a->healthy ? -1 : 1) : sn_str_cmp(a->id, b->id);
}

static uint64_t digest_str(uint64_t h, struct sn_str s)
{
    return sn_hash_u64(sn_hash(s.ptr, s.len, h), s.len);
}

static uint64_t digest_of(const struct sn_endpoints *e)
{
    uint64_t h = e->n;
    for (uint32_t i = 0; i < e->n; i++) {
        const struct sn_instance *in = &e->list[i];
        h = digest_str(h, in->id);
        h = digest_str(h, in->address);
        h = digest_str(h, in->zone);
        h = sn_hash_u64(h, (uint64_t)in->port << 40 | (uint64_t)in->weight << 1 | in->healthy);
        for (uint32_t k = 0; k < in->n_labels; k++)
            h = digest_str(digest_str(h, in->labels[k].name), in->labels[k].value);
    }
    return h;
}

/* Of several with one id the last one of the answer counts; `order` is the place in the answer. */
static size_t drop_doubles(struct sn_instance *list, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept && sn_str_eq(list[kept - 1].id, list[i].id))
            list[kept - 1] = list[i];
        else
            list[kept++] = list[i];
    }
    return kept;
}

int reg_endpoints_new(const struct sn_instance *list, size_t n, struct sn_endpoints **ret)
{
    if (n > SN_REG_INSTANCES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%zu instances of %.*s, at most %u", n,
                       SN_STR_ARG(list[0].service), SN_REG_INSTANCES_MAX);
    struct sn_endpoints *e = SN_NEW(struct sn_endpoints);
    if (!e) return SN_E_NOMEM;
    e->refs_ = 1;
    sn_arena_init(&e->arena_, NULL, 0);
    struct sn_instance *copy = SN_ARENA_ARRAY(&e->arena_, struct sn_instance, n);
    int r = copy ? 0 : SN_E_NOMEM;
    for (size_t i = 0; r >= 0 && i < n; i++) {
        if ((r = reg_instance_copy(&e->arena_, &list[i], &copy[i])) < 0) break;
        if (copy[i].weight == 0) copy[i].weight = 1;
        if (copy[i].id.len == 0 &&
            !(copy[i].id =
                  sn_arena_printf(&e->arena_, "%.*s:%u", SN_STR_ARG(copy[i].address), copy[i].port))
                 .ptr)
            r = SN_E_NOMEM;
    }
    if (r < 0) {
        sn_arena_done(&e->arena_);
        sn_free(e);
        return r;
    }
    if (n) {
        qsort(copy, n, sizeof(*copy), by_id);
        n = drop_doubles(copy, n);
        qsort(copy, n, sizeof(*copy), healthy_first);
    }
    e->list = copy;
    e->n = (uint32_t)n;
    while (e->n_healthy < e->n && copy[e->n_healthy].healthy) e->n_healthy++;
    e->digest_ = digest_of(e);
    *ret = e;
    return 0;
}

void reg_endpoints_ref(const struct sn_endpoints *e, int64_t n)
{
    __atomic_add_fetch(&((struct sn_endpoints *)(uintptr_t)e)->refs_, n, __ATOMIC_ACQ_REL);
}

void sn_endpoints_unref(const struct sn_endpoints *e)
{
    if (!e) return;
    struct sn_endpoints *m = (struct sn_endpoints *)(uintptr_t)e;
    if (__atomic_sub_fetch(&m->refs_, 1, __ATOMIC_ACQ_REL) != 0) return;
    sn_arena_done(&m->arena_);
    sn_free(m);
}

/* ---- belief --------------------------------------------------------------------------------- */

enum reg_verdict reg_guard_judge(struct reg_guard *g, int64_t now_ns, size_t n_have, size_t n_keep,
                                 size_t n_new)
{
    bool empty = n_new == 0 && n_have > 0;
    bool lost = n_have >= SN_REG_GUARD_MIN && n_keep * 2 < n_have;
    if (g->outage_ns && now_ns - g->outage_ns < g->confirm_ns) lost |= n_keep < n_have;
    if (!empty && !lost) {
        g->since_ns = 0;
        return REG_TAKE;
    }
    if (g->since_ns == 0 || (empty && !g->empty)) g->since_ns = now_ns;
    g->empty = empty;
    if (now_ns - g->since_ns < g->confirm_ns) return REG_HOLD;
    g->since_ns = 0;
    return REG_TAKE;
}

static const struct sn_instance *find_id(const struct sn_endpoints *e, struct sn_str id)
{
    /* Two sorted runs: the healthy ones and the rest. */
    for (int run = 0; run < 2; run++) {
        size_t lo = run ? e->n_healthy : 0, hi = run ? e->n : e->n_healthy;
        while (lo < hi) {
            size_t mid = lo + (hi - lo) / 2;
            int c = sn_str_cmp(e->list[mid].id, id);
            if (c == 0) return &e->list[mid];
            if (c < 0)
                lo = mid + 1;
            else
                hi = mid;
        }
    }
    return NULL;
}

size_t reg_endpoints_kept(const struct sn_endpoints *have, const struct sn_endpoints *answer)
{
    size_t n = 0;
    for (uint32_t i = 0; i < have->n; i++) n += find_id(answer, have->list[i].id) != NULL;
    return n;
}

int reg_endpoints_union(const struct sn_endpoints *have, const struct sn_endpoints *answer,
                        struct sn_endpoints **ret)
{
    struct sn_instance *all = SN_NEW_ARRAY(struct sn_instance, (size_t)have->n + answer->n);
    if (!all) return SN_E_NOMEM;
    size_t n = 0;
    for (uint32_t i = 0; i < have->n; i++)
        if (!find_id(answer, have->list[i].id)) all[n++] = have->list[i];
    for (uint32_t i = 0; i < answer->n; i++) all[n++] = answer->list[i];
    int r = reg_endpoints_new(all, n, ret);
    sn_free(all);
    return r;
}

/* ---- JSON ----------------------------------------------------------------------------------- */

void reg_instance_json(struct sn_jsonw *w, const struct sn_instance *in)
{
    sn_jsonw_object(w);
    sn_jsonw_kstr(w, "id", in->id);
    sn_jsonw_kstr(w, "service", in->service);
    sn_jsonw_kstr(w, "address", in->address);
    sn_jsonw_ku64(w, "port", in->port);
    sn_jsonw_ku64(w, "weight", in->weight);
    if (in->zone.len) sn_jsonw_kstr(w, "zone", in->zone);
    sn_jsonw_kbool(w, "healthy", in->healthy);
    if (in->n_labels) {
        sn_jsonw_key(w, SN_STR("labels"));
        sn_jsonw_object(w);
        for (uint32_t k = 0; k < in->n_labels; k++) {
            sn_jsonw_key(w, in->labels[k].name);
            sn_jsonw_str(w, in->labels[k].value);
        }
        sn_jsonw_object_end(w);
    }
    sn_jsonw_object_end(w);
}

int reg_endpoints_json(const struct sn_endpoints *e, struct sn_buf *out)
{
    struct sn_jsonw w;
    sn_jsonw_init(&w, out, NULL);
    sn_jsonw_array(&w);
    for (uint32_t i = 0; i < e->n; i++) reg_instance_json(&w, &e->list[i]);
    sn_jsonw_array_end(&w);
    return out->err;
}

static int labels_parse(const struct sn_json *obj, struct sn_arena *a, struct sn_instance *in)
{
    struct sn_label *l = SN_ARENA_ARRAY(a, struct sn_label, sn_json_len(obj));
    if (!l) return SN_E_NOMEM;
    for (SN_JSON_MEMBERS(obj, m)) {
        struct sn_str v = sn_json_str(&m->value);
        if (!v.ptr)
            return sn_fail(SN_E_SYNTAX, "instance %.*s: label %.*s: expected a string, got %s",
                           SN_STR_ARG(in->id), SN_STR_ARG(sn_json_str(&m->key)),
                           sn_json_kind_name(sn_json_kind(&m->value)));
        l[in->n_labels++] = (struct sn_label){sn_json_str(&m->key), v};
    }
    in->labels = l;
    return 0;
}

int reg_instance_parse(const struct sn_json *it, struct sn_str service, struct sn_arena *a,
                       struct sn_instance *ret)
{
    struct sn_instance in = {.service = service,
                             .healthy = sn_json_bool_or(sn_json_get(it, "healthy"), true),
                             .id = sn_json_str(sn_json_get(it, "id")),
                             .address = sn_json_str(sn_json_get(it, "address")),
                             .zone = sn_json_str(sn_json_get(it, "zone"))};
    int64_t port = sn_json_i64_or(sn_json_get(it, "port"), 0);
    int64_t weight = sn_json_i64_or(sn_json_get(it, "weight"), 1);
    if (!in.address.len || port < 1 || port > 65535)
        return sn_fail(SN_E_SYNTAX, "expected an address and a port in 1..65535");
    if (weight < 0 || weight > 1000000)
        return sn_fail(SN_E_SYNTAX, "weight %lld is not in 0..1000000", (long long)weight);
    in.port = (uint16_t)port;
    in.weight = (uint32_t)weight;
    int r = labels_parse(sn_json_get(it, "labels"), a, &in);
    if (r >= 0) *ret = in;
    return r;
}

int reg_instances_parse(const struct sn_json *array, struct sn_str service, struct sn_arena *a,
                        struct sn_instance **ret, size_t *ret_n)
{
    if (!sn_json_is(array, SN_JSON_ARRAY))
        return sn_fail(SN_E_SYNTAX, "service %.*s: expected a list of instances, got %s",
                       SN_STR_ARG(service), sn_json_kind_name(sn_json_kind(array)));
    size_t n = 0, max = sn_json_len(array);
    if (max > SN_REG_INSTANCES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%zu instances of %.*s, at most %u", max,
                       SN_STR_ARG(service), SN_REG_INSTANCES_MAX);
    struct sn_instance *list = SN_ARENA_ARRAY(a, struct sn_instance, max);
    if (!list) return SN_E_NOMEM;
    for (SN_JSON_EACH(array, it)) {
        int r = reg_instance_parse(it, service, a, &list[n]);
        if (r < 0)
            return r == SN_E_NOMEM
                       ? r
                       : sn_wrap(r, "service %.*s, instance %zu", SN_STR_ARG(service), n);
        n++;
    }
    *ret = list;
    *ret_n = n;
    return 0;
}
