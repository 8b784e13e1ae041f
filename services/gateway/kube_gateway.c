/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/kube_gateway.c - Gateways and their listeners; Ingresses.
 * Source: sigs.k8s.io/gateway-api, apis/v1/gateway_types.go; Kubernetes networking/v1 Ingress. */
#include <stdio.h>

#include "core/enc.h"
#include "gateway/config_int.h"
#include "gateway/gw_int.h"
#include "gateway/kube_int.h"

#define PORTS_MAX 64u

/* ---- ports and certificates -------------------------------------------------------------------
 */

struct kube_port *kube_port_get(struct gw_kube *k, struct sn_str address, uint64_t port, bool tls)
{
    bool v6 = sn_str_chr(address, ':') >= 0 && address.ptr[0] != '[';
    struct sn_str text =
        sn_arena_printf(k->a, "%s%.*s%s:%llu", v6 ? "[" : "", SN_STR_ARG(address), v6 ? "]" : "",
                        (unsigned long long)(port + k->o->port_offset));
    if (!text.ptr) return NULL;
    for (size_t i = 0; i < k->n_ports; i++)
        if (sn_str_eq(k->ports[i].address, text))
            return k->ports[i].tls == tls ? &k->ports[i] : NULL;
    if (!k->ports) k->ports = SN_ARENA_ARRAY(k->a, struct kube_port, PORTS_MAX);
    if (!k->ports || k->n_ports == PORTS_MAX) return NULL;
    struct kube_port *p = &k->ports[k->n_ports++];
    p->address = text;
    p->tls = tls;
    p->name = sn_arena_printf(k->a, "kube-%.*s", SN_STR_ARG(text));
    p->json = sn_arena_zalloc(k->a, sizeof(*p->json)); /* moves into the list at the end */
    if (!p->name.ptr || !p->json) return NULL;
    *p->json = sn_json_object();
    if (!kube_set_str(k, p->json, "name", p->name) || !kube_set_str(k, p->json, "address", text))
        return NULL;
    return p;
}

static bool pem(struct gw_kube *k, const struct sn_json *secret, const char *key,
                struct sn_str *ret)
{
    struct sn_str text = sn_json_str(sn_json_find(sn_json_get(secret, "stringData"), sn_str(key)));
    struct sn_str coded = sn_json_str(sn_json_find(sn_json_get(secret, "data"), sn_str(key)));
    if (!text.len && coded.len) {
        char *out = sn_arena_alloc(k->a, sn_base64_decoded_max(coded.len));
        ssize_t n = out ? sn_base64_decode(coded, SN_BASE64_STD, out) : -1;
        text = n < 0 ? (struct sn_str){0} : sn_str_of(out, (size_t)n);
    }
    *ret = text;
    return sn_str_find(text, SN_STR("-----BEGIN ")) >= 0;
}

static int tls_add(struct gw_kube *k, struct kube_port *p, struct sn_str name)
{
    const struct sn_json *tls = sn_json_get(p->json, "tls");
    if (!tls) {
        struct sn_json t = sn_json_object();
        if (!kube_set_str(k, &t, "cert", name) || !kube_set_str(k, &t, "key", name))
            return SN_E_NOMEM;
        return kube_set(k, p->json, "tls", t) ? 0 : SN_E_NOMEM;
    }
    if (sn_str_eq(kube_str(tls, "cert"), name)) return 0;
    for (SN_JSON_EACH(sn_json_get(tls, "more"), it))
        if (sn_str_eq(kube_str(it, "cert"), name)) return 0;
    struct sn_json t = *tls,
                   more = sn_json_get(tls, "more") ? *sn_json_get(tls, "more") : sn_json_array();
    struct sn_json *c = kube_push(k, &more, sn_json_object());
    if (!kube_set_str(k, c, "cert", name) || !kube_set_str(k, c, "key", name)) return SN_E_NOMEM;
    return kube_set(k, &t, "more", more) && kube_set(k, p->json, "tls", t) ? 0 : SN_E_NOMEM;
}

int kube_secret(struct gw_kube *k, struct kube_port *p, struct sn_str ns, struct sn_str name)
{
    struct gw_kube_secret s;
    const struct sn_json *o = kube_find(k, "Secret", ns, name);
    if (!o || !pem(k, o, "tls.crt", &s.cert) || !pem(k, o, "tls.key", &s.key))
        return SN_E_NOT_FOUND;
    s.name = sn_arena_printf(k->a, "secret:%.*s/%.*s", SN_STR_ARG(ns), SN_STR_ARG(name));
    if (!s.name.ptr) return SN_E_NOMEM;
    size_t i = 0;
    while (i < k->n_secrets && !sn_str_eq(k->secrets[i].name, s.name)) i++;
    if (i == k->n_secrets) {
        if (k->n_secrets == k->secrets_cap) {
            size_t cap = k->secrets_cap ? k->secrets_cap * 2 : 16;
            struct gw_kube_secret *list = SN_ARENA_ARRAY(k->a, struct gw_kube_secret, cap);
            if (!list) return SN_E_NOMEM;
            if (k->n_secrets) memcpy(list, k->secrets, k->n_secrets * sizeof(*list));
            k->secrets = list;
            k->secrets_cap = cap;
        }
        k->secrets[k->n_secrets++] = s;
    }
    return tls_add(k, p, s.name);
}

/* ---- Gateways ---------------------------------------------------------------------------------
 */

static bool ours(const struct gw_kube *k, const struct sn_json *g)
{
    struct sn_str class = kube_str(g, "spec.gatewayClassName");
    const struct sn_json *c = kube_find(k, "GatewayClass", (struct sn_str){0}, class);
    if (c && k->o->controller.len)
        return sn_str_eq(kube_str(c, "spec.controllerName"), k->o->controller);
    return !k->o->gateway_class.ptr || sn_str_eq(class, k->o->gateway_class);
}

/* The kinds a listener admits; those it cannot are told. */
static bool kinds(struct kube_listener *l)
{
    const struct sn_json *list = sn_json_path(l->spec, "allowedRoutes.kinds");
    bool good = true;
    l->http_routes = l->grpc_routes = sn_json_len(list) == 0;
    for (SN_JSON_EACH(list, it)) {
        struct sn_str kind = kube_str(it, "kind"), group = kube_str(it, "group");
        bool known = !group.ptr || sn_str_eqc(group, KUBE_GROUP);
        if (known && sn_str_eqc(kind, "HTTPRoute"))
            l->http_routes = true;
        else if (known && sn_str_eqc(kind, "GRPCRoute"))
            l->grpc_routes = true;
        else
            good = false;
    }
    return good;
}

static const char *certificates(struct gw_kube *k, struct kube_listener *l)
{
    struct sn_str from = kube_namespace(l->gateway), mode = kube_str(l->spec, "tls.mode");
    const struct sn_json *refs = sn_json_path(l->spec, "tls.certificateRefs");
    const char *why = "InvalidCertificateRef";
    if (mode.len && !sn_str_eqc(mode, "Terminate")) return "UnsupportedProtocol";
    bool any = false;
    for (SN_JSON_EACH(refs, it)) {
        struct sn_str ns = kube_str(it, "namespace"), name = kube_str(it, "name"),
                      kind = kube_str(it, "kind");
        if (!ns.len) ns = from;
        if ((kind.len && !sn_str_eqc(kind, "Secret")) || kube_str(it, "group").len) continue;
        if (!kube_granted(k, "Gateway", from, "Secret", ns, name))
            why = "RefNotPermitted";
        else
            any |= kube_secret(k, l->at, ns, name) == 0;
    }
    return any ? NULL : why;
}

static void listener_status(struct gw_kube *k, struct kube_listener *l, bool accepted,
                            const char *why, bool refs, const char *refs_why)
{
    char where[96];
    snprintf(where, sizeof(where), "listener %.*s", SN_STR_ARG(l->name));
    const struct kube_word words[] = {
        {"Accepted", accepted, why},
        {"ResolvedRefs", refs, refs_why},
        {"Programmed", l->usable, l->usable ? "Programmed" : "Invalid"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(words); i++)
        kube_condition_at(k, l->gateway, l->spec, where, &words[i]);
}

static void listener_build(struct gw_kube *k, struct kube_listener *l, struct sn_str address)
{
    struct sn_str protocol = kube_str(l->spec, "protocol");
    l->name = kube_str(l->spec, "name");
    l->hostname = kube_str(l->spec, "hostname");
    l->port = (uint64_t)sn_json_i64_or(sn_json_get(l->spec, "port"), 0);
    l->tls = sn_str_eqc(protocol, "HTTPS");
    bool good_kinds = kinds(l);
    const char *refs = good_kinds ? NULL : "InvalidRouteKinds";
    if (!l->tls && !sn_str_eqc(protocol, "HTTP")) {
        listener_status(k, l, false, "UnsupportedProtocol", !refs, refs ? refs : "ResolvedRefs");
        return;
    }
    if (l->port < 1 || l->port + k->o->port_offset > 65535) {
        listener_status(k, l, false, "PortUnavailable", !refs, refs ? refs : "ResolvedRefs");
        return;
    }
    l->at = kube_port_get(k, address, l->port, l->tls);
    if (!l->at) {
        listener_status(k, l, false, "ProtocolConflict", !refs, refs ? refs : "ResolvedRefs");
        return;
    }
    const char *cert = l->tls ? certificates(k, l) : NULL;
    l->usable = !cert && (l->http_routes || l->grpc_routes);
    if (cert) refs = cert;
    listener_status(k, l, true, "Accepted", !refs, refs ? refs : "ResolvedRefs");
}

struct sn_str kube_address_of(const struct gw_kube *k, const struct sn_json *g)
{
    for (SN_JSON_EACH(sn_json_path(g, "spec.addresses"), it)) {
        struct sn_str type = kube_str(it, "type");
        struct gw_cidr ip;
        if ((!type.len || sn_str_eqc(type, "IPAddress")) &&
            gw_cidr_parse(kube_str(it, "value"), &ip) == 0 &&
            sn_str_chr(kube_str(it, "value"), '/') < 0)
            return kube_str(it, "value");
    }
    return k->o->address;
}

int kube_gateways(struct gw_kube *k, struct kube_listeners *ret)
{
    size_t n, total = 0;
    const struct sn_json **list = kube_sorted(k, "GatewayClass", &n);
    for (size_t i = 0; list && i < n; i++)
        if (sn_str_eq(kube_str(list[i], "spec.controllerName"), k->o->controller))
            kube_condition(k, list[i], "Accepted", true, "Accepted");
    list = kube_sorted(k, "Gateway", &n);
    if (!list) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) total += sn_json_len(sn_json_path(list[i], "spec.listeners"));
    ret->ptr = SN_ARENA_ARRAY(k->a, struct kube_listener, total + 1);
    if (!ret->ptr) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        size_t first = ret->n;
        bool any = false;
        if (!ours(k, list[i])) continue;
        for (SN_JSON_EACH(sn_json_path(list[i], "spec.listeners"), it)) {
            struct kube_listener *l = &ret->ptr[ret->n++];
            l->gateway = list[i];
            l->spec = it;
            listener_build(k, l, kube_address_of(k, list[i]));
        }
        for (size_t m = first; m < ret->n; m++) any |= ret->ptr[m].usable;
        kube_condition(k, list[i], "Accepted", any, any ? "Accepted" : "ListenersNotValid");
        kube_condition(k, list[i], "Programmed", any, any ? "Programmed" : "Invalid");
    }
    return 0;
}

/* ---- Ingresses --------------------------------------------------------------------------------
 */

static bool ingress_ours(const struct gw_kube *k, const struct sn_json *g)
{
    struct sn_str class = kube_str(g, "spec.ingressClassName");
    if (!class.len)
        class = sn_json_str(sn_json_find(sn_json_path(g, "metadata.annotations"),
                                         SN_STR("kubernetes.io/ingress.class")));
    return !k->o->ingress_class.ptr || sn_str_eq(class, k->o->ingress_class);
}

static int ingress_backend(struct gw_kube *k, const struct sn_json *g,
                           const struct sn_json *backend, struct sn_json *route)
{
    const struct sn_json *port = sn_json_path(backend, "service.port.name");
    struct sn_str up;
    if (!port) port = sn_json_path(backend, "service.port.number");
    int r =
        kube_upstream(k, kube_namespace(g), kube_str(backend, "service.name"), port, false, &up);
    if (r == SN_E_NOT_FOUND) {
        struct sn_json answer = sn_json_object();
        kube_condition(k, g, "ResolvedRefs", false, "BackendNotFound");
        if (!kube_set(k, &answer, "status", sn_json_i64(503))) return SN_E_NOMEM;
        return kube_set(k, route, "respond", answer) ? 0 : SN_E_NOMEM;
    }
    struct sn_json proxy = sn_json_object(), to = sn_json_array(),
                   *t = kube_push(k, &to, sn_json_object());
    if (r < 0 || !kube_set_str(k, t, "upstream", up) || !kube_set(k, &proxy, "to", to))
        return SN_E_NOMEM;
    return kube_set(k, route, "proxy", proxy) ? 0 : SN_E_NOMEM;
}

static int ingress_route(struct gw_kube *k, const struct sn_json *g, const struct sn_json *path,
                         struct sn_str host, struct sn_json listeners, unsigned number)
{
    struct sn_json route = sn_json_object(), hosts = sn_json_array(), match = sn_json_array();
    struct sn_str type = kube_str(path, "pathType"), text = kube_str(path, "path");
    struct sn_str name =
        sn_arena_printf(k->a, "ingress/%.*s/%.*s/%u", SN_STR_ARG(kube_namespace(g)),
                        SN_STR_ARG(kube_name(g)), number);
    bool good =
        kube_set_str(k, &route, "name", name) && kube_set(k, &route, "listeners", listeners);
    if (host.len && good)
        good = kube_push(k, &hosts, sn_json_string(host)) && kube_set(k, &route, "hosts", hosts);
    if (text.len && good) {
        struct sn_json *m = kube_push(k, &match, sn_json_object());
        good = kube_set_str(k, m, sn_str_eqc(type, "Exact") ? "exact" : "prefix", text) &&
               kube_set(k, &route, "match", match);
    }
    if (!good) return SN_E_NOMEM;
    const struct sn_json *backend = sn_json_get(path, "backend");
    int r = ingress_backend(k, g, backend ? backend : path, &route);
    if (r < 0) return r;
    if (!gw_conf_route_ok(&route)) {
        kube_condition(k, g, "PartiallyInvalid", true, "UnsupportedValue");
        return 0;
    }
    return kube_push(k, &k->routes, route) ? 0 : SN_E_NOMEM;
}

/* The listeners an Ingress is served by: plain, and TLS where it has a certificate. */
static int ingress_listeners(struct gw_kube *k, const struct sn_json *g, struct sn_json *ret)
{
    struct kube_port *p =
        k->o->ingress_http ? kube_port_get(k, k->o->address, k->o->ingress_http, false) : NULL;
    *ret = sn_json_array();
    if (p && !kube_push(k, ret, sn_json_string(p->name))) return SN_E_NOMEM;
    bool any = false;
    for (SN_JSON_EACH(sn_json_path(g, "spec.tls"), it)) {
        struct kube_port *s = kube_port_get(k, k->o->address, k->o->ingress_https, true);
        bool good = s && kube_secret(k, s, kube_namespace(g), kube_str(it, "secretName")) == 0;
        if (!good) kube_condition(k, g, "ResolvedRefs", false, "InvalidCertificateRef");
        if (good && !any && !kube_push(k, ret, sn_json_string(s->name))) return SN_E_NOMEM;
        any |= good;
    }
    return 0;
}

static int ingress(struct gw_kube *k, const struct sn_json *g)
{
    struct sn_json listeners;
    unsigned n = 0;
    int r = ingress_listeners(k, g, &listeners);
    if (r < 0 || !listeners.len) return r;
    for (SN_JSON_EACH(sn_json_path(g, "spec.rules"), rule))
        for (SN_JSON_EACH(sn_json_path(rule, "http.paths"), path))
            if (r == 0) r = ingress_route(k, g, path, kube_str(rule, "host"), listeners, n++);
    const struct sn_json *rest = sn_json_path(g, "spec.defaultBackend");
    if (r == 0 && rest) r = ingress_route(k, g, rest, (struct sn_str){0}, listeners, n++);
    kube_condition(k, g, "Programmed", true, "Programmed");
    return r;
}

int kube_ingresses(struct gw_kube *k)
{
    size_t n;
    const struct sn_json **list = kube_sorted(k, "Ingress", &n);
    int r = list ? 0 : SN_E_NOMEM;
    for (size_t i = 0; r == 0 && i < n; i++)
        if (ingress_ours(k, list[i])) r = ingress(k, list[i]);
    /* A TLS port whose certificates all failed cannot be served; nobody refers to it. */
    for (size_t i = 0; r == 0 && i < k->n_ports; i++)
        if (!k->ports[i].tls || sn_json_get(k->ports[i].json, "tls"))
            r = kube_push(k, &k->listeners, *k->ports[i].json) ? 0 : SN_E_NOMEM;
    return r;
}
