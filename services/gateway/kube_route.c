/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/kube_route.c - HTTPRoutes and GRPCRoutes: which listeners they attach to, and each rule
 * as a route of ours for each of them. Precedence between rules is the router's own (route.h); ties
 * go by age and name, which is the order they come out in. Source: sigs.k8s.io/gateway-api,
 * apis/v1/httproute_types.go, grpcroute_types.go. */
#include <stdio.h>

#include "gateway/config_int.h"
#include "gateway/kube_int.h"
#include "gateway/route.h"

struct rule_job {
    struct gw_kube *k;
    const struct sn_json *route, *rule;
    bool grpc;
    unsigned number;
    const char *fault;      /* why the rule cannot be served; NULL = it can */
    const char *refs_fault; /* of its references: requests are answered 500 */
};

/* The listeners that take a route, and its hosts on each. */
struct attached {
    struct kube_listener *l[64];
    struct sn_json hosts[64];
    unsigned n;
    bool oom;
};

/* ---- hosts ------------------------------------------------------------------------------------
 */

static bool below(struct sn_str name, struct sn_str wildcard)
{
    struct sn_str tail = sn_str_from(wildcard, 1);
    return name.len > tail.len && sn_str_ieq(sn_str_from(name, name.len - tail.len), tail);
}

/* The hosts both mean; .ptr NULL where there are none. */
static struct sn_str intersect(struct sn_str a, struct sn_str b)
{
    bool wa = sn_str_starts(a, SN_STR("*.")), wb = sn_str_starts(b, SN_STR("*."));
    if (sn_str_ieq(a, b)) return a;
    if (wa && below(b, a)) return b;
    if (wb && below(a, b)) return a;
    return (struct sn_str){0};
}

/* Listeners are isolated: of those of a Gateway on one port a request belongs to the one whose
 * hostname is the most specific, and to no other. `o` comes before `l` where their hosts overlap. */
static bool comes_before(const struct kube_listener *o, const struct kube_listener *l)
{
    if (!o->usable || !l->usable || o->gateway != l->gateway || o->at != l->at) return false;
    if (!o->hostname.len || sn_str_ieq(o->hostname, l->hostname)) return false;
    return !l->hostname.len || sn_str_eq(intersect(o->hostname, l->hostname), o->hostname);
}

/* Every request for `host` belongs to a listener that comes before l. */
static bool taken(const struct kube_listeners *all, const struct kube_listener *l,
                  struct sn_str host)
{
    for (size_t i = 0; i < all->n; i++)
        if (comes_before(&all->ptr[i], l) &&
            sn_str_ieq(intersect(host, all->ptr[i].hostname), host))
            return true;
    return false;
}

/* What a listener's routes do not take is not another one's: 404. */
static int isolate(struct gw_kube *k, const struct kube_listeners *all,
                   const struct kube_listener *l)
{
    bool needed = false;
    for (size_t i = 0; i < all->n; i++) needed |= comes_before(l, &all->ptr[i]);
    if (!needed) return 0;
    struct sn_json route = sn_json_object(), listeners = sn_json_array(), hosts = sn_json_array(),
                   respond = sn_json_object();
    struct sn_str name = sn_arena_printf(k->a, "isolation/%.*s/%.*s/%.*s",
                                         SN_STR_ARG(kube_namespace(l->gateway)),
                                         SN_STR_ARG(kube_name(l->gateway)), SN_STR_ARG(l->name));
    bool good = kube_set_str(k, &route, "name", name) &&
                kube_push(k, &listeners, sn_json_string(l->at->name)) &&
                kube_set(k, &route, "listeners", listeners) &&
                kube_push(k, &hosts, sn_json_string(l->hostname)) &&
                kube_set(k, &route, "hosts", hosts) &&
                kube_set(k, &respond, "status", sn_json_i64(404)) &&
                kube_set(k, &route, "respond", respond) && kube_push(k, &k->routes, route);
    return good ? 0 : SN_E_NOMEM;
}

/* The route's hosts on a listener. Returns false where none is left; *ret_none: there were some, but
 * they all belong to other listeners. */
static bool hosts_on(struct gw_kube *k, const struct sn_json *route,
                     const struct kube_listeners *all, const struct kube_listener *l,
                     struct attached *to, bool *ret_none)
{
    struct sn_json *ret = &to->hosts[to->n];
    bool *ret_oom = &to->oom;
    *ret_none = false;
    const struct sn_json *names = sn_json_path(route, "spec.hostnames");
    *ret = sn_json_array();
    if (!sn_json_len(names)) {
        if (l->hostname.len) *ret_oom |= !kube_push(k, ret, sn_json_string(l->hostname));
        return true;
    }
    for (SN_JSON_EACH(names, it)) {
        struct sn_str h =
            l->hostname.len ? intersect(sn_json_str(it), l->hostname) : sn_json_str(it);
        if (!h.ptr) continue;
        if (taken(all, l, h))
            *ret_none = true;
        else
            *ret_oom |= !kube_push(k, ret, sn_json_string(h));
    }
    *ret_none &= ret->len == 0;
    return ret->len > 0;
}

/* ---- matches ----------------------------------------------------------------------------------
 */

static bool regex_ok(struct sn_str s)
{
    struct sn_gw_regex *re;
    if (sn_gw_regex_new(s, &re) < 0) return false;
    sn_gw_regex_free(re);
    return true;
}

static bool path_ok(struct sn_str s)
{
    if (!s.len || s.ptr[0] != '/') return false;
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] <= ' ' || s.ptr[i] > '~') return false;
    return true;
}

/* Conditions on headers or query parameters; only the first of a name counts. */
static int conditions(struct rule_job *j, const struct sn_json *list, const char *key, bool headers,
                      struct sn_json *m)
{
    struct sn_json out = sn_json_array();
    for (SN_JSON_EACH(list, it)) {
        struct sn_str name = kube_str(it, "name"), value = kube_str(it, "value"),
                      type = kube_str(it, "type");
        bool twice = false, regex = sn_str_eqc(type, "RegularExpression");
        for (SN_JSON_EACH(&out, o))
            twice |= headers ? sn_str_ieq(kube_str(o, "name"), name)
                             : sn_str_eq(kube_str(o, "name"), name);
        if (twice) continue;
        if (!name.len || name.len > 256 || (regex && !regex_ok(value)) || out.len >= 16) {
            j->fault = "UnsupportedValue";
            continue;
        }
        struct sn_json *c = kube_push(j->k, &out, sn_json_object());
        if (!kube_set_str(j->k, c, "name", name) ||
            !kube_set_str(j->k, c, regex ? "regex" : "exact", value.ptr ? value : SN_STR("")))
            return SN_E_NOMEM;
    }
    return !out.len || kube_set(j->k, m, key, out) ? 0 : SN_E_NOMEM;
}

static int http_match(struct rule_job *j, const struct sn_json *match, struct sn_json *m)
{
    struct gw_kube *k = j->k;
    struct sn_str type = kube_str(match, "path.type"), path = kube_str(match, "path.value"),
                  method = kube_str(match, "method");
    bool regex = sn_str_eqc(type, "RegularExpression"), exact = sn_str_eqc(type, "Exact");
    if (!path.ptr) path = SN_STR("/");
    if (regex ? !regex_ok(path) : !path_ok(path)) {
        j->fault = "UnsupportedValue";
        return 0;
    }
    if (!kube_set_str(k, m, regex ? "regex" : exact ? "exact" : "prefix", path)) return SN_E_NOMEM;
    if (method.len) {
        struct sn_json list = sn_json_array();
        if (!kube_push(k, &list, sn_json_string(method)) || !kube_set(k, m, "methods", list))
            return SN_E_NOMEM;
    }
    int r = conditions(j, sn_json_get(match, "headers"), "headers", true, m);
    return r < 0 ? r : conditions(j, sn_json_get(match, "queryParams"), "query", false, m);
}

static int grpc_match(struct rule_job *j, const struct sn_json *match, struct sn_json *m)
{
    struct sn_str service = kube_str(match, "method.service"),
                  method = kube_str(match, "method.method"), path;
    bool regex = sn_str_eqc(kube_str(match, "method.type"), "RegularExpression");
    const char *key = "prefix";
    if (regex || (!service.len && method.len)) {
        key = "regex";
        path = sn_arena_printf(j->k->a, "/%.*s/%.*s", service.len ? (int)service.len : 5,
                               service.len ? service.ptr : "[^/]+",
                               method.len ? (int)method.len : 5, method.len ? method.ptr : "[^/]+");
        if (path.ptr && !regex_ok(path)) {
            j->fault = "UnsupportedValue";
            return 0;
        }
    } else if (service.len && method.len) {
        key = "exact";
        path = sn_arena_printf(j->k->a, "/%.*s/%.*s", SN_STR_ARG(service), SN_STR_ARG(method));
    } else {
        path = sn_arena_printf(j->k->a, "/%.*s", SN_STR_ARG(service));
    }
    if (!kube_set_str(j->k, m, key, path)) return SN_E_NOMEM;
    return conditions(j, sn_json_get(match, "headers"), "headers", true, m);
}

static int matches(struct rule_job *j, struct sn_json *to)
{
    const struct sn_json *list = sn_json_get(j->rule, "matches");
    struct sn_json out = sn_json_array();
    int r = 0;
    for (SN_JSON_EACH(list, it)) {
        struct sn_json m = sn_json_object();
        if (r == 0) r = j->grpc ? grpc_match(j, it, &m) : http_match(j, it, &m);
        if (r == 0 && !kube_push(j->k, &out, m)) r = SN_E_NOMEM;
    }
    if (r == 0 && !out.len) {
        struct sn_json m = sn_json_object();
        if (!kube_set_str(j->k, &m, "prefix", SN_STR("/")) || !kube_push(j->k, &out, m))
            r = SN_E_NOMEM;
    }
    return r < 0 ? r : kube_set(j->k, to, "match", out) ? 0 : SN_E_NOMEM;
}

/* ---- back-ends --------------------------------------------------------------------------------
 */

static const char *const route_kind[] = {"HTTPRoute", "GRPCRoute"};

/* A reference as an upstream's name. Returns 0; 1: it cannot be followed, and j->refs_fault says
 * why. */
static int backend(struct rule_job *j, const struct sn_json *ref, struct sn_str *ret)
{
    struct sn_str from = kube_namespace(j->route), ns = kube_str(ref, "namespace"),
                  kind = kube_str(ref, "kind");
    if (!ns.len) ns = from;
    if ((kind.len && !sn_str_eqc(kind, "Service")) || kube_str(ref, "group").len) {
        j->refs_fault = "InvalidKind";
        return 1;
    }
    if (!kube_granted(j->k, route_kind[j->grpc], from, "Service", ns, kube_str(ref, "name"))) {
        j->refs_fault = "RefNotPermitted";
        return 1;
    }
    int r = sn_json_get(ref, "port") ? kube_upstream(j->k, ns, kube_str(ref, "name"),
                                                     sn_json_get(ref, "port"), j->grpc, ret)
                                     : SN_E_NOT_FOUND;
    if (r == SN_E_NOT_FOUND) j->refs_fault = "BackendNotFound";
    return r == SN_E_NOT_FOUND ? 1 : r;
}

static int nobody(struct gw_kube *k, struct sn_str *ret)
{
    *ret = SN_STR("kube-no-backend");
    for (SN_JSON_EACH(&k->upstreams, it))
        if (sn_str_eq(kube_str(it, "name"), *ret)) return 0;
    struct sn_json list = sn_json_array(), *u = kube_push(k, &k->upstreams, sn_json_object());
    struct sn_json *e = kube_push(k, &list, sn_json_object());
    return kube_set_str(k, u, "name", *ret) &&
                   kube_set_str(k, e, "address", SN_STR("unix:@kube-no-backend")) &&
                   kube_set(k, u, "endpoints", list)
               ? 0
               : SN_E_NOMEM;
}

/* The `to` of a proxy. Returns the sum of the weights that lead somewhere, or SN_E_NOMEM. */
static int64_t targets(struct rule_job *j, struct sn_json *to)
{
    int64_t good = 0;
    *to = sn_json_array();
    for (SN_JSON_EACH(sn_json_get(j->rule, "backendRefs"), it)) {
        struct sn_str name;
        int64_t weight = sn_json_i64_or(sn_json_get(it, "weight"), 1);
        if (sn_json_len(sn_json_get(it, "filters")))
            j->fault = "UnsupportedValue"; /* not for one back-end alone */
        int r = backend(j, it, &name);
        if (r == 1 && weight > 0)
            r = nobody(j->k, &name);
        else if (r == 0)
            good += weight;
        if (r < 0) return r;
        if (weight < 1 || to->len >= 64) continue;
        struct sn_json *t = kube_push(j->k, to, sn_json_object());
        if (!kube_set_str(j->k, t, "upstream", name) ||
            !kube_set(j->k, t, "weight", sn_json_i64(SN_MIN(weight, (int64_t)1000000))))
            return SN_E_NOMEM;
    }
    return good;
}

/* ---- filters ----------------------------------------------------------------------------------
 */

static int header_ops(struct rule_job *j, const struct sn_json *f, struct sn_json *to,
                      const char *key)
{
    static const char *const lists[] = {"set", "add"};
    struct sn_json ops = sn_json_object();
    for (size_t i = 0; i < 2; i++) {
        struct sn_json map = sn_json_object();
        for (SN_JSON_EACH(sn_json_get(f, lists[i]), it)) {
            struct sn_str name = kube_str(it, "name"), value = kube_str(it, "value");
            if (!sn_http_is_token(name) || !sn_http_is_value(value)) {
                j->fault = "UnsupportedValue";
                continue;
            }
            if (!sn_json_set(j->k->a, &map, name, sn_json_string(value.ptr ? value : SN_STR(""))))
                return SN_E_NOMEM;
        }
        if (map.len && !kube_set(j->k, &ops, lists[i], map)) return SN_E_NOMEM;
    }
    const struct sn_json *remove = sn_json_get(f, "remove");
    if (sn_json_len(remove) && !kube_set(j->k, &ops, "remove", *remove)) return SN_E_NOMEM;
    return kube_set(j->k, to, key, ops) ? 0 : SN_E_NOMEM;
}

/* ReplacePrefixMatch and ReplaceFullPath, under our names. */
static int path_change(struct rule_job *j, const struct sn_json *path, struct sn_json *to,
                       const char *full)
{
    struct sn_str type = kube_str(path, "type"), prefix = kube_str(path, "replacePrefixMatch"),
                  whole = kube_str(path, "replaceFullPath");
    if (!path) return 0;
    if (sn_str_eqc(type, "ReplacePrefixMatch")) {
        if (!prefix.len) prefix = SN_STR("/");
        if (path_ok(prefix))
            return kube_set_str(j->k, to, "replace_prefix", prefix) ? 0 : SN_E_NOMEM;
    } else if (path_ok(whole)) {
        return kube_set_str(j->k, to, full, whole) ? 0 : SN_E_NOMEM;
    }
    j->fault = "UnsupportedValue";
    return 0;
}

static int redirect(struct rule_job *j, const struct sn_json *f, const struct kube_listener *l,
                    struct sn_json *to)
{
    struct gw_kube *k = j->k;
    struct sn_json out = sn_json_object();
    struct sn_str scheme = kube_str(f, "scheme"), host = kube_str(f, "hostname");
    int64_t status = sn_json_i64_or(sn_json_get(f, "statusCode"), 302);
    int64_t port = sn_json_i64_or(sn_json_get(f, "port"), 0);
    /* Without a port: the scheme's own where one is given, else the listener's. */
    if (!port)
        port = sn_str_eqc(scheme, "http")    ? 80
               : sn_str_eqc(scheme, "https") ? 443
                                             : (int64_t)l->port;
    bool good = kube_set(k, &out, "status", sn_json_i64(status)) &&
                kube_set(k, &out, "port", sn_json_i64(port));
    if (scheme.len && good) good = kube_set_str(k, &out, "scheme", scheme);
    if (host.len && good) good = kube_set_str(k, &out, "host", host);
    int r = good ? path_change(j, sn_json_get(f, "path"), &out, "path") : SN_E_NOMEM;
    return r < 0 ? r : kube_set(k, to, "redirect", out) ? 0 : SN_E_NOMEM;
}

static int mirror(struct rule_job *j, const struct sn_json *f, struct sn_json *proxy)
{
    struct sn_str up;
    struct sn_json m = sn_json_object();
    int64_t of = sn_json_i64_or(sn_json_path(f, "fraction.denominator"), 100);
    double part = sn_json_double_or(sn_json_path(f, "fraction.numerator"), -1);
    double percent = part >= 0 && of > 0 ? part * 100 / (double)of
                                         : sn_json_double_or(sn_json_get(f, "percent"), 100);
    if (sn_json_get(proxy, "mirror")) return 0; /* one copy is made */
    int r = backend(j, sn_json_get(f, "backendRef"), &up);
    if (r != 0) return r < 0 ? r : 0;
    if (!kube_set_str(j->k, &m, "upstream", up) ||
        !kube_set(j->k, &m, "percent", sn_json_double(SN_MIN(SN_MAX(percent, 0.0), 100.0))))
        return SN_E_NOMEM;
    return kube_set(j->k, proxy, "mirror", m) ? 0 : SN_E_NOMEM;
}

static int cors(struct rule_job *j, const struct sn_json *f, struct sn_json *to)
{
    static const char *const names[][2] = {{"allowOrigins", "origins"},
                                           {"allowMethods", "methods"},
                                           {"allowHeaders", "headers"},
                                           {"exposeHeaders", "expose"},
                                           {"allowCredentials", "credentials"}};
    struct sn_json out = sn_json_object();
    for (size_t i = 0; i < SN_COUNT_OF(names); i++) {
        const struct sn_json *v = sn_json_get(f, names[i][0]);
        if (v && !kube_set(j->k, &out, names[i][1], *v)) return SN_E_NOMEM;
    }
    int64_t age = sn_json_i64_or(sn_json_get(f, "maxAge"), 0);
    struct sn_str text = sn_arena_printf(j->k->a, "%llds", (long long)age);
    if (age && !kube_set_str(j->k, &out, "max_age", text)) return SN_E_NOMEM;
    return kube_set(j->k, to, "cors", out) ? 0 : SN_E_NOMEM;
}

static int rewrite(struct rule_job *j, const struct sn_json *f, struct sn_json *proxy)
{
    struct sn_str host = kube_str(f, "hostname");
    if (host.len && !kube_set_str(j->k, proxy, "host", host)) return SN_E_NOMEM;
    return path_change(j, sn_json_get(f, "path"), proxy, "replace_path");
}

static int filter(struct rule_job *j, const struct sn_json *f, const struct kube_listener *l,
                  struct sn_json *to, struct sn_json *proxy)
{
    struct sn_str type = kube_str(f, "type");
    if (sn_str_eqc(type, "RequestHeaderModifier"))
        return header_ops(j, sn_json_get(f, "requestHeaderModifier"), to, "request_headers");
    if (sn_str_eqc(type, "ResponseHeaderModifier"))
        return header_ops(j, sn_json_get(f, "responseHeaderModifier"), to, "response_headers");
    if (sn_str_eqc(type, "RequestRedirect"))
        return redirect(j, sn_json_get(f, "requestRedirect"), l, to);
    if (sn_str_eqc(type, "URLRewrite")) return rewrite(j, sn_json_get(f, "urlRewrite"), proxy);
    if (sn_str_eqc(type, "RequestMirror")) return mirror(j, sn_json_get(f, "requestMirror"), proxy);
    if (sn_str_eqc(type, "CORS")) return cors(j, sn_json_get(f, "cors"), to);
    j->fault = "UnsupportedValue"; /* an extension of somebody else's */
    return 0;
}

/* ---- rules ------------------------------------------------------------------------------------
 */

/* Gateway API durations are our own, but for "0s", which is the same too. */
static int timeouts(struct rule_job *j, struct sn_json *proxy)
{
    static const char *const names[][2] = {{"timeouts.request", "timeout"},
                                           {"timeouts.backendRequest", "try_timeout"}};
    for (size_t i = 0; i < 2; i++) {
        struct sn_str t = kube_str(j->rule, names[i][0]);
        int64_t ns;
        if (!t.len) continue;
        if (sn_str_to_duration(t, &ns) < 0 || ns < 0 || ns > 24 * SN_HOUR) {
            j->fault = "UnsupportedValue";
            continue;
        }
        if (!kube_set_str(j->k, proxy, names[i][1], t)) return SN_E_NOMEM;
    }
    int64_t attempts = sn_json_i64_or(sn_json_path(j->rule, "retry.attempts"), -1);
    if (attempts >= 0 &&
        !kube_set(j->k, proxy, "retries", sn_json_i64(SN_MIN(attempts, (int64_t)5))))
        return SN_E_NOMEM;
    return 0;
}

static int answer(struct gw_kube *k, struct sn_json *route, int status)
{
    struct sn_json respond = sn_json_object();
    if (!kube_set(k, &respond, "status", sn_json_i64(status))) return SN_E_NOMEM;
    return kube_set(k, route, "respond", respond) ? 0 : SN_E_NOMEM;
}

static int action(struct rule_job *j, const struct kube_listener *l, struct sn_json *route)
{
    struct sn_json proxy = sn_json_object(), to;
    int r = 0;
    for (SN_JSON_EACH(sn_json_get(j->rule, "filters"), it))
        if (r == 0) r = filter(j, it, l, route, &proxy);
    if (r < 0 || sn_json_get(route, "redirect")) return r;
    int64_t good = targets(j, &to);
    if (good < 0) return (int)good;
    if (!good || j->fault) return answer(j->k, route, 500);
    if (!kube_set(j->k, &proxy, "to", to)) return SN_E_NOMEM;
    r = timeouts(j, &proxy);
    return r < 0 ? r : kube_set(j->k, route, "proxy", proxy) ? 0 : SN_E_NOMEM;
}

static int rule_on(struct rule_job *j, const struct kube_listener *l, struct sn_json hosts,
                   unsigned where)
{
    struct gw_kube *k = j->k;
    struct sn_json route = sn_json_object(), listeners = sn_json_array();
    struct sn_str name =
        sn_arena_printf(k->a, "%s/%.*s/%.*s/%u%s%.0u", j->grpc ? "grpc" : "http",
                        SN_STR_ARG(kube_namespace(j->route)), SN_STR_ARG(kube_name(j->route)),
                        j->number, where ? "@" : "", where);
    if (!kube_set_str(k, &route, "name", name) ||
        !kube_push(k, &listeners, sn_json_string(l->at->name)) ||
        !kube_set(k, &route, "listeners", listeners) ||
        (hosts.len && !kube_set(k, &route, "hosts", hosts)))
        return SN_E_NOMEM;
    int r = matches(j, &route);
    bool unroutable = j->fault != NULL; /* what does not match right cannot be routed at all */
    if (r == 0 && !unroutable) r = action(j, l, &route);
    if (r < 0 || unroutable) return r;
    if (!gw_conf_route_ok(&route)) {
        j->fault = "UnsupportedValue";
        return 0;
    }
    return kube_push(k, &k->routes, route) ? 0 : SN_E_NOMEM;
}

/* ---- routes -----------------------------------------------------------------------------------
 */

static bool namespace_allowed(const struct gw_kube *k, const struct kube_listener *l,
                              struct sn_str ns)
{
    const struct sn_json *rule = sn_json_path(l->spec, "allowedRoutes.namespaces");
    struct sn_str from = kube_str(rule, "from");
    if (sn_str_eqc(from, "All")) return true;
    if (!sn_str_eqc(from, "Selector")) return sn_str_eq(ns, kube_namespace(l->gateway));
    const struct sn_json *o = kube_find(k, "Namespace", (struct sn_str){0}, ns);
    return kube_selected(sn_json_get(rule, "selector"), sn_json_path(o, "metadata.labels"));
}

/* The listeners of one parentRef that take the route. Returns why there is none, or NULL. */
static const char *attach(struct gw_kube *k, const struct sn_json *route, bool grpc,
                          const struct sn_json *parent, struct kube_listeners *all,
                          struct attached *to)
{
    struct sn_str ns = kube_str(parent, "namespace"), name = kube_str(parent, "name"),
                  section = kube_str(parent, "sectionName");
    int64_t port = sn_json_i64_or(sn_json_get(parent, "port"), 0);
    const char *why = "NoMatchingParent";
    unsigned before = to->n;
    bool elsewhere = false;
    if (!ns.len) ns = kube_namespace(route);
    for (size_t i = 0; i < all->n && to->n < SN_COUNT_OF(to->l); i++) {
        struct kube_listener *l = &all->ptr[i];
        if (!sn_str_eq(kube_name(l->gateway), name) || !sn_str_eq(kube_namespace(l->gateway), ns))
            continue;
        if ((section.len && !sn_str_eq(section, l->name)) || (port && (uint64_t)port != l->port))
            continue;
        if (!(grpc ? l->grpc_routes : l->http_routes) ||
            !namespace_allowed(k, l, kube_namespace(route))) {
            if (before == to->n) why = "NotAllowedByListeners";
            continue;
        }
        bool none;
        if (!hosts_on(k, route, all, l, to, &none) && !none) {
            why = "NoMatchingListenerHostname";
            continue;
        }
        l->attached++;
        elsewhere |= none;
        if (none) continue;
        if (l->usable)
            to->l[to->n++] = l;
        else
            why = "NoMatchingParent";
    }
    return to->n > before || elsewhere ? NULL : why;
}

static bool is_gateway(const struct sn_json *parent)
{
    struct sn_str kind = kube_str(parent, "kind"), group = kube_str(parent, "group");
    return (!kind.len || sn_str_eqc(kind, "Gateway")) &&
           (!group.ptr || sn_str_eqc(group, KUBE_GROUP));
}

static int route_build(struct gw_kube *k, const struct sn_json *route, bool grpc,
                       struct kube_listeners *all, struct attached *on)
{
    const char *refs = NULL, *fault = NULL;
    bool mine = false;
    unsigned number = 0;
    int r = 0;
    on->n = 0;
    on->oom = false;
    for (SN_JSON_EACH(sn_json_path(route, "spec.parentRefs"), parent)) {
        char where[128];
        if (!is_gateway(parent)) continue;
        const char *why = attach(k, route, grpc, parent, all, on);
        snprintf(where, sizeof(where), "parent %.*s%s%.*s", SN_STR_ARG(kube_str(parent, "name")),
                 kube_str(parent, "sectionName").len ? "/" : "",
                 SN_STR_ARG(kube_str(parent, "sectionName")));
        kube_condition_at(k, route, parent, where,
                          &(struct kube_word){"Accepted", !why, why ? why : "Accepted"});
        mine = true;
    }
    for (SN_JSON_EACH(sn_json_path(route, "spec.rules"), rule)) {
        struct rule_job j = {
            .k = k, .route = route, .rule = rule, .grpc = grpc, .number = number++};
        for (unsigned i = 0; r == 0 && i < on->n; i++) {
            j.fault = NULL;
            r = rule_on(&j, on->l[i], on->hosts[i], i);
        }
        if (j.fault) fault = j.fault;
        if (j.refs_fault) refs = j.refs_fault;
    }
    if (!mine) return on->oom ? SN_E_NOMEM : r;
    if (fault) kube_condition(k, route, "PartiallyInvalid", true, fault);
    kube_condition(k, route, "ResolvedRefs", !refs, refs ? refs : "ResolvedRefs");
    return on->oom ? SN_E_NOMEM : r;
}

int kube_routes(struct gw_kube *k, struct kube_listeners *l)
{
    struct attached *on = sn_arena_zalloc(k->a, sizeof(*on));
    int r = on ? 0 : SN_E_NOMEM;
    for (int grpc = 0; r == 0 && grpc < 2; grpc++) {
        size_t n;
        const struct sn_json **list = kube_sorted(k, route_kind[grpc], &n);
        if (!list) return SN_E_NOMEM;
        for (size_t i = 0; r == 0 && i < n; i++) r = route_build(k, list[i], grpc, l, on);
    }
    for (size_t i = 0; r == 0 && i < l->n; i++) r = isolate(k, l, &l->ptr[i]);
    for (size_t i = 0; k->status && i < l->n; i++)
        sn_buf_printf(k->status, "Gateway %.*s/%.*s listener %.*s: AttachedRoutes=%u\n",
                      SN_STR_ARG(kube_namespace(l->ptr[i].gateway)),
                      SN_STR_ARG(kube_name(l->ptr[i].gateway)), SN_STR_ARG(l->ptr[i].name),
                      l->ptr[i].attached);
    return r;
}
