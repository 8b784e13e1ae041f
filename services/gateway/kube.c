/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/kube.c - see kube.h: objects and what one asks of them; Services as upstreams. */
#include "gateway/kube.h"

#include <stdlib.h>

#include "gateway/kube_int.h"
#include "gateway/upstream.h"

void gw_kube_init(struct gw_kube *k, struct sn_arena *a, const struct gw_kube_opts *o,
                  struct sn_buf *status)
{
    *k = (struct gw_kube){.a = a, .o = o, .status = status};
    k->listeners = k->upstreams = k->routes = sn_json_array();
    sn_map_init(&k->by_name, 0, false);
}

void gw_kube_done(struct gw_kube *k) { sn_map_done(&k->by_name); }

/* ---- objects ----------------------------------------------------------------------------------
 */

bool kube_is(const struct sn_json *o, const char *kind)
{
    return sn_str_eqc(sn_json_str(sn_json_get(o, "kind")), kind);
}

struct sn_str kube_name(const struct sn_json *o) { return kube_str(o, "metadata.name"); }

struct sn_str kube_namespace(const struct sn_json *o)
{
    struct sn_str ns = kube_str(o, "metadata.namespace");
    return ns.len ? ns : SN_STR("default");
}

/* Namespaces and classes lie in no namespace. */
static struct sn_str key_of(struct sn_arena *a, struct sn_str kind, struct sn_str ns,
                            struct sn_str name)
{
    if (sn_str_eqc(kind, "Namespace") || sn_str_eqc(kind, "GatewayClass")) ns = SN_STR("");
    return sn_arena_printf(a, "%.*s %.*s %.*s", SN_STR_ARG(kind), SN_STR_ARG(ns), SN_STR_ARG(name));
}

static bool matters(const struct sn_json *o)
{
    static const char *const kinds[] = {"Gateway",   "GatewayClass",   "HTTPRoute",
                                        "GRPCRoute", "ReferenceGrant", "Ingress",
                                        "Service",   "EndpointSlice",  "Secret",
                                        "Namespace"};
    for (size_t i = 0; i < SN_COUNT_OF(kinds); i++)
        if (kube_is(o, kinds[i])) return kube_name(o).len > 0;
    return false;
}

int gw_kube_add(struct gw_kube *k, const struct sn_json *o)
{
    if (sn_str_ends(sn_json_str(sn_json_get(o, "kind")), SN_STR("List"))) {
        for (SN_JSON_EACH(sn_json_get(o, "items"), it)) {
            int r = gw_kube_add(k, it);
            if (r < 0) return r;
        }
        return 0;
    }
    if (!matters(o)) return 0;
    struct sn_str key = key_of(k->a, kube_str(o, "kind"), kube_namespace(o), kube_name(o));
    if (!key.ptr) return SN_E_NOMEM;
    uintptr_t at = (uintptr_t)sn_map_get(&k->by_name, key);
    if (at) {
        k->objects[at - 1] = o;
        return 0;
    }
    if (k->n == GW_KUBE_OBJECTS_MAX)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "more than %u objects", GW_KUBE_OBJECTS_MAX);
    if (k->n == k->cap) {
        size_t cap = k->cap ? k->cap * 2 : 64;
        const struct sn_json **p = SN_ARENA_ARRAY(k->a, const struct sn_json *, cap);
        if (!p) return SN_E_NOMEM;
        if (k->n) memcpy(p, k->objects, k->n * sizeof(*p));
        k->objects = p;
        k->cap = cap;
    }
    k->objects[k->n++] = o;
    int r = sn_map_put(&k->by_name, key, (void *)(uintptr_t)k->n, NULL);
    return r < 0 ? r : 0;
}

const struct sn_json *kube_find(const struct gw_kube *k, const char *kind, struct sn_str ns,
                                struct sn_str name)
{
    struct sn_str key = key_of(k->a, sn_str(kind), ns, name);
    uintptr_t at = key.ptr ? (uintptr_t)sn_map_get(&k->by_name, key) : 0;
    return at ? k->objects[at - 1] : NULL;
}

bool kube_older(const struct sn_json *a, const struct sn_json *b)
{
    /* RFC 3339 in UTC sorts as text; objects that were never created come last. */
    struct sn_str ta = kube_str(a, "metadata.creationTimestamp"),
                  tb = kube_str(b, "metadata.creationTimestamp");
    if (ta.len != tb.len && (!ta.len || !tb.len)) return ta.len > 0;
    int c = sn_str_cmp(ta, tb);
    if (c == 0) c = sn_str_cmp(kube_namespace(a), kube_namespace(b));
    if (c == 0) c = sn_str_cmp(kube_name(a), kube_name(b));
    return c < 0;
}

static int by_age(const void *x, const void *y)
{
    const struct sn_json *a = *(const struct sn_json *const *)x,
                         *b = *(const struct sn_json *const *)y;
    return kube_older(a, b) ? -1 : kube_older(b, a);
}

const struct sn_json **kube_sorted(struct gw_kube *k, const char *kind, size_t *ret_n)
{
    const struct sn_json **list = SN_ARENA_ARRAY(k->a, const struct sn_json *, k->n + 1);
    size_t n = 0;
    for (size_t i = 0; list && i < k->n; i++)
        if (kube_is(k->objects[i], kind)) list[n++] = k->objects[i];
    if (list) qsort(list, n, sizeof(*list), by_age);
    *ret_n = n;
    return list;
}

bool kube_granted(const struct gw_kube *k, const char *from_kind, struct sn_str from_ns,
                  const char *to_kind, struct sn_str to_ns, struct sn_str to_name)
{
    if (sn_str_eq(from_ns, to_ns)) return true;
    for (size_t i = 0; i < k->n; i++) {
        const struct sn_json *g = k->objects[i];
        bool from = false, to = false;
        if (!kube_is(g, "ReferenceGrant") || !sn_str_eq(kube_namespace(g), to_ns)) continue;
        for (SN_JSON_EACH(sn_json_path(g, "spec.from"), it))
            from |= sn_str_eqc(kube_str(it, "group"), KUBE_GROUP) &&
                    sn_str_eqc(kube_str(it, "kind"), from_kind) &&
                    sn_str_eq(kube_str(it, "namespace"), from_ns);
        for (SN_JSON_EACH(sn_json_path(g, "spec.to"), it)) {
            struct sn_str name = kube_str(it, "name");
            to |= kube_str(it, "group").len == 0 && sn_str_eqc(kube_str(it, "kind"), to_kind) &&
                  (!name.len || sn_str_eq(name, to_name));
        }
        if (from && to) return true;
    }
    return false;
}

static bool expression_fits(const struct sn_json *e, const struct sn_json *labels)
{
    const struct sn_json *v = sn_json_find(labels, kube_str(e, "key"));
    struct sn_str op = kube_str(e, "operator");
    bool in = false;
    for (SN_JSON_EACH(sn_json_get(e, "values"), it))
        in |= v && sn_str_eq(sn_json_str(it), sn_json_str(v));
    if (sn_str_eqc(op, "In")) return in;
    if (sn_str_eqc(op, "NotIn")) return !in;
    if (sn_str_eqc(op, "Exists")) return v != NULL;
    return sn_str_eqc(op, "DoesNotExist") && !v;
}

bool kube_selected(const struct sn_json *selector, const struct sn_json *labels)
{
    for (SN_JSON_MEMBERS(sn_json_get(selector, "matchLabels"), m)) {
        const struct sn_json *v = sn_json_find(labels, sn_json_str(&m->key));
        if (!v || !sn_str_eq(sn_json_str(v), sn_json_str(&m->value))) return false;
    }
    for (SN_JSON_EACH(sn_json_get(selector, "matchExpressions"), it))
        if (!expression_fits(it, labels)) return false;
    return true;
}

/* ---- building ---------------------------------------------------------------------------------
 */

struct sn_json *kube_set(struct gw_kube *k, struct sn_json *o, const char *key, struct sn_json v)
{
    return o ? sn_json_set(k->a, o, sn_str(key), v) : NULL;
}

struct sn_json *kube_set_str(struct gw_kube *k, struct sn_json *o, const char *key, struct sn_str s)
{
    return s.ptr ? kube_set(k, o, key, sn_json_string(s)) : NULL;
}

struct sn_json *kube_push(struct gw_kube *k, struct sn_json *list, struct sn_json v)
{
    return list ? sn_json_push(k->a, list, v) : NULL;
}

/* ---- Services ---------------------------------------------------------------------------------
 */

static const struct sn_json *service_port(const struct sn_json *svc, const struct sn_json *port)
{
    for (SN_JSON_EACH(sn_json_path(svc, "spec.ports"), it)) {
        if (!port) return it;
        bool named = sn_json_is(port, SN_JSON_STRING);
        if (named ? sn_str_eq(sn_json_str(port), kube_str(it, "name"))
                  : sn_json_i64_or(sn_json_get(it, "port"), -1) == sn_json_i64_or(port, -2))
            return it;
    }
    return NULL;
}

static bool host_ok(struct sn_str h)
{
    static const char *const odd = "-.:_[]";
    for (size_t i = 0; i < h.len; i++) {
        char c = sn_ascii_lower(h.ptr[i]);
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && (!c || !strchr(odd, c)))
            return false;
    }
    return h.len > 0 && h.len < 180;
}

static int add_endpoint(struct gw_kube *k, struct sn_json *list, struct sn_str host, int64_t port)
{
    bool v6 = sn_str_chr(host, ':') >= 0;
    struct sn_str addr = sn_arena_printf(k->a, "%s%.*s%s:%lld", v6 ? "[" : "", SN_STR_ARG(host),
                                         v6 ? "]" : "", (long long)port);
    if (!host_ok(host) || port < 1 || port > 65535 || list->len >= SN_GW_ENDPOINTS_MAX)
        return addr.ptr ? 0 : SN_E_NOMEM;
    for (SN_JSON_EACH(list, it))
        if (sn_str_eq(kube_str(it, "address"), addr)) return 0;
    struct sn_json *e = kube_push(k, list, sn_json_object());
    return kube_set_str(k, e, "address", addr) ? 0 : SN_E_NOMEM;
}

/* The addresses of a slice for this port of the Service. */
static int slice_endpoints(struct gw_kube *k, const struct sn_json *slice, struct sn_str port,
                           struct sn_json *to)
{
    int r = 0;
    for (SN_JSON_EACH(sn_json_get(slice, "ports"), p)) {
        if (!sn_str_eq(kube_str(p, "name"), port)) continue;
        int64_t n = sn_json_i64_or(sn_json_get(p, "port"), 0);
        for (SN_JSON_EACH(sn_json_get(slice, "endpoints"), e)) {
            if (!sn_json_bool_or(sn_json_path(e, "conditions.ready"), true)) continue;
            for (SN_JSON_EACH(sn_json_get(e, "addresses"), a))
                if (r == 0) r = add_endpoint(k, to, sn_json_str(a), n);
        }
    }
    return r;
}

/* Slices say where its pods are; without any the cluster's own balancing is used, by address or
 * name. */
static int endpoints_of(struct gw_kube *k, const struct sn_json *svc, const struct sn_json *port,
                        struct sn_json *to)
{
    struct sn_str ns = kube_namespace(svc), name = kube_name(svc),
                  ip = kube_str(svc, "spec.clusterIP");
    int64_t number = sn_json_i64_or(sn_json_get(port, "port"), 0);
    bool slices = false;
    int r = 0;
    for (size_t i = 0; r == 0 && i < k->n; i++) {
        const struct sn_json *s = k->objects[i], *labels = sn_json_path(s, "metadata.labels");
        if (!kube_is(s, "EndpointSlice") || !sn_str_eq(kube_namespace(s), ns)) continue;
        if (!sn_str_eq(sn_json_str(sn_json_find(labels, SN_STR("kubernetes.io/service-name"))),
                       name))
            continue;
        slices = true;
        r = slice_endpoints(k, s, kube_str(port, "name"), to);
    }
    if (r < 0 || slices) return r;
    if (sn_str_eqc(kube_str(svc, "spec.type"), "ExternalName"))
        return add_endpoint(k, to, kube_str(svc, "spec.externalName"), number);
    if (ip.len && !sn_str_eqc(ip, "None")) return add_endpoint(k, to, ip, number);
    struct sn_str host = sn_arena_printf(k->a, "%.*s.%.*s.svc.%.*s", SN_STR_ARG(name),
                                         SN_STR_ARG(ns), SN_STR_ARG(k->o->cluster_domain));
    return host.ptr ? add_endpoint(k, to, host, number) : SN_E_NOMEM;
}

int kube_upstream(struct gw_kube *k, struct sn_str ns, struct sn_str service,
                  const struct sn_json *port, bool h2, struct sn_str *ret)
{
    const struct sn_json *svc = kube_find(k, "Service", ns, service),
                         *p = svc ? service_port(svc, port) : NULL;
    if (!p) return SN_E_NOT_FOUND;
    struct sn_str app = kube_str(p, "appProtocol");
    h2 |= sn_str_eqc(app, "kubernetes.io/h2c") || sn_str_eqc(app, "grpc");
    *ret = sn_arena_printf(k->a, "%.*s/%.*s:%lld%s", SN_STR_ARG(ns), SN_STR_ARG(service),
                           (long long)sn_json_i64_or(sn_json_get(p, "port"), 0), h2 ? "/h2" : "");
    if (!ret->ptr) return SN_E_NOMEM;
    for (SN_JSON_EACH(&k->upstreams, it))
        if (sn_str_eq(kube_str(it, "name"), *ret)) return 0;
    struct sn_json list = sn_json_array(), *u = kube_push(k, &k->upstreams, sn_json_object());
    if (!kube_set_str(k, u, "name", *ret)) return SN_E_NOMEM;
    int r = endpoints_of(k, svc, p, &list);
    if (r < 0) return r;
    if (!list.len) { /* nobody is ready: an address at which nobody answers, whose name shows in
                        errors */
        struct sn_json *e = kube_push(k, &list, sn_json_object());
        struct sn_str none = sn_arena_printf(k->a, "unix:@no-endpoints-of-%.*s/%.*s",
                                             (int)SN_MIN(ns.len, (size_t)40), ns.ptr,
                                             (int)SN_MIN(service.len, (size_t)40), service.ptr);
        if (!kube_set_str(k, e, "address", none)) return SN_E_NOMEM;
    }
    if (!kube_set(k, u, "endpoints", list)) return SN_E_NOMEM;
    return h2 && !kube_set(k, u, "h2", sn_json_bool(true)) ? SN_E_NOMEM : 0;
}

int gw_kube_translate(struct gw_kube *k)
{
    struct kube_listeners l = {0};
    int r = kube_gateways(k, &l);
    if (r == 0) r = kube_routes(k, &l);
    if (r == 0) r = kube_ingresses(k);
    return r == 0 ? kube_documents(k, &l) : r;
}
