/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/kube_status.c - status conditions: told as lines, and as the `status` of each object, which
 * is compared with what the object has and merged with what other controllers wrote. No I/O, no clock.
 * Source: sigs.k8s.io/gateway-api apis/v1, Kubernetes API conventions (conditions). */
#include "core/alloc.h"
#include "gateway/gw_int.h"
#include "gateway/kube_int.h"

void kube_condition_at(struct gw_kube *k, const struct sn_json *o, const struct sn_json *part,
                       const char *where, const struct kube_word *w)
{
    if (k->status)
        sn_buf_printf(k->status, "%.*s %.*s/%.*s%s%s: %s=%s %s\n",
                      SN_STR_ARG(sn_json_str(sn_json_get(o, "kind"))),
                      SN_STR_ARG(kube_namespace(o)), SN_STR_ARG(kube_name(o)), where[0] ? " " : "",
                      where, w->type, w->good ? "True" : "False", w->reason);
    if (!k->documents) return;
    if (k->n_said == k->said_cap) {
        size_t cap = k->said_cap ? 2 * k->said_cap : 64;
        struct kube_said *list = SN_ARENA_ARRAY(k->a, struct kube_said, cap);
        if (!list) {
            k->documents->err = SN_E_NOMEM;
            return;
        }
        if (k->n_said) memcpy(list, k->said, k->n_said * sizeof(*list));
        k->said = list;
        k->said_cap = cap;
    }
    k->said[k->n_said++] = (struct kube_said){o, part, *w};
}

void kube_condition(struct gw_kube *k, const struct sn_json *o, const char *type, bool good,
                    const char *reason)
{
    kube_condition_at(k, o, NULL, "", &(struct kube_word){type, good, reason});
}

/* Objects may leave out what they must not. */
static struct sn_str some(struct sn_str s) { return s.ptr ? s : SN_STR(""); }

/* ---- documents -------------------------------------------------------------------------------- */

static bool add_condition(struct gw_kube *k, struct sn_json *list, const struct kube_said *s)
{
    struct sn_json *c = kube_push(k, list, sn_json_object());
    const struct sn_json *generation = sn_json_path(s->object, "metadata.generation");
    return kube_set_str(k, c, "type", sn_str(s->word.type)) &&
           kube_set_str(k, c, "status", s->word.good ? SN_STR("True") : SN_STR("False")) &&
           kube_set_str(k, c, "reason", sn_str(s->word.reason)) &&
           kube_set_str(k, c, "message", sn_str(s->word.reason)) &&
           (!generation || kube_set(k, c, "observedGeneration", *generation));
}

/* Those of `part` among n, and where both is set, those of the whole. */
static bool conditions_of(struct gw_kube *k, struct sn_json *to, const struct kube_said *s, size_t n,
                          const struct sn_json *part, bool both)
{
    struct sn_json list = sn_json_array();
    for (size_t i = 0; i < n; i++)
        if ((s[i].part == part || (both && !s[i].part)) && !add_condition(k, &list, &s[i]))
            return false;
    return kube_set(k, to, "conditions", list) != NULL;
}

static bool add_kind(struct gw_kube *k, struct sn_json *list, const char *kind)
{
    struct sn_json *o = kube_push(k, list, sn_json_object());
    return kube_set_str(k, o, "group", SN_STR(KUBE_GROUP)) &&
           kube_set_str(k, o, "kind", sn_str(kind));
}

static bool gateway_status(struct gw_kube *k, struct sn_json *status, const struct kube_said *s,
                           size_t n, const struct kube_listeners *all)
{
    struct sn_json list = sn_json_array(), addresses = sn_json_array(),
                   *a = kube_push(k, &addresses, sn_json_object());
    bool good = conditions_of(k, status, s, n, NULL, false) &&
                kube_set_str(k, a, "type", SN_STR("IPAddress")) &&
                kube_set_str(k, a, "value", some(kube_address_of(k, s->object))) &&
                kube_set(k, status, "addresses", addresses);
    for (size_t i = 0; i < all->n && good; i++) {
        const struct kube_listener *l = &all->ptr[i];
        struct sn_json kinds = sn_json_array();
        if (l->gateway != s->object) continue;
        struct sn_json *o = kube_push(k, &list, sn_json_object());
        good = (!l->http_routes || add_kind(k, &kinds, "HTTPRoute")) &&
               (!l->grpc_routes || add_kind(k, &kinds, "GRPCRoute")) &&
               kube_set_str(k, o, "name", some(l->name)) &&
               kube_set(k, o, "attachedRoutes", sn_json_i64(l->attached)) &&
               kube_set(k, o, "supportedKinds", kinds) && conditions_of(k, o, s, n, l->spec, false);
    }
    return good && kube_set(k, status, "listeners", list);
}

static bool route_status(struct gw_kube *k, struct sn_json *status, const struct kube_said *s,
                         size_t n)
{
    struct sn_json list = sn_json_array();
    bool good = true;
    for (size_t i = 0; i < n && good; i++) {
        if (!s[i].part) continue;
        struct sn_json *p = kube_push(k, &list, sn_json_object());
        good = kube_set(k, p, "parentRef", *s[i].part) &&
               kube_set_str(k, p, "controllerName", some(k->o->controller)) &&
               conditions_of(k, p, s, n, s[i].part, true);
    }
    return good && kube_set(k, status, "parents", list);
}

/* An address for clients: an entry of loadBalancer.ingress. */
static bool ingress_entry(struct gw_kube *k, struct sn_json *e, const struct kube_said *s, size_t n,
                          struct sn_str address)
{
    struct sn_json ports = sn_json_array();
    bool tls = sn_json_len(sn_json_path(s->object, "spec.tls")) > 0;
    for (size_t i = 0; i < n; i++)
        if (strcmp(s[i].word.reason, "InvalidCertificateRef") == 0) tls = false;
    const uint64_t at[] = {k->o->ingress_http, tls ? k->o->ingress_https : 0};
    for (size_t i = 0; i < SN_COUNT_OF(at); i++) {
        if (!at[i]) continue;
        struct sn_json *p = kube_push(k, &ports, sn_json_object());
        if (!kube_set(k, p, "port", sn_json_i64((int64_t)(at[i] + k->o->port_offset))) ||
            !kube_set_str(k, p, "protocol", SN_STR("TCP")))
            return false;
    }
    struct gw_cidr ip;
    bool is_ip = gw_cidr_parse(address, &ip) == 0 && sn_str_chr(address, '/') < 0;
    return kube_set_str(k, e, is_ip ? "ip" : "hostname", address) && kube_set(k, e, "ports", ports);
}

static bool is_ours(const struct sn_json *entry, struct sn_str address)
{
    return sn_str_eq(kube_str(entry, "ip"), address) || sn_str_eq(kube_str(entry, "hostname"), address);
}

/* Where clients reach an Ingress. With a class of our own the list is ours alone; without one another
 * controller may serve the same object, and its entries stay. Returns 0: there is nothing to say. */
static int ingress_status(struct gw_kube *k, struct sn_json *status, const struct kube_said *s,
                          size_t n)
{
    struct sn_str address = k->o->ingress_address.len ? k->o->ingress_address : k->o->address;
    struct sn_json lb = sn_json_object(), list = sn_json_array();
    bool served = false, good = true;
    for (size_t i = 0; i < n; i++) served |= strcmp(s[i].word.type, "Programmed") == 0;
    /* No client reaches "any address". */
    if (sn_str_eqc(address, "0.0.0.0") || sn_str_eqc(address, "::")) return 0;
    if (!k->o->ingress_class.ptr)
        for (SN_JSON_EACH(sn_json_path(s->object, "status.loadBalancer.ingress"), it))
            if (!is_ours(it, address) && !kube_push(k, &list, *it)) good = false;
    if (served && good) {
        struct sn_json *e = kube_push(k, &list, sn_json_object());
        good = e && ingress_entry(k, e, s, n, address);
    }
    good = good && kube_set(k, &lb, "ingress", list) && kube_set(k, status, "loadBalancer", lb);
    return good ? 1 : SN_E_NOMEM;
}

/* The conditions of an object were said one after another. */
int kube_documents(struct gw_kube *k, const struct kube_listeners *all)
{
    for (size_t i = 0, n; k->documents && i < k->n_said; i += n) {
        const struct kube_said *s = &k->said[i];
        struct sn_json doc = sn_json_object(), status = sn_json_object();
        for (n = 1; i + n < k->n_said && s[n].object == s->object;) n++;
        bool good = true;
        if (kube_is(s->object, "Ingress")) { /* its status has addresses, no conditions */
            int some = ingress_status(k, &status, s, n);
            if (some == 0) continue;
            good = some > 0;
        } else if (kube_is(s->object, "Gateway"))
            good = gateway_status(k, &status, s, n, all);
        else if (kube_is(s->object, "GatewayClass"))
            good = conditions_of(k, &status, s, n, NULL, false);
        else
            good = route_status(k, &status, s, n);
        good = good && kube_set(k, &doc, "kind", *sn_json_get(s->object, "kind")) &&
               kube_set_str(k, &doc, "namespace",
                            some(kube_str(s->object, "metadata.namespace"))) &&
               kube_set_str(k, &doc, "name", kube_name(s->object)) &&
               kube_set(k, &doc, "status", status);
        int r = good ? sn_json_write(k->documents, &doc, NULL) : SN_E_NOMEM;
        if (r == 0) r = sn_buf_byte(k->documents, '\n');
        if (r < 0) return r;
    }
    return k->documents ? k->documents->err : 0;
}

/* ---- against what the object has -------------------------------------------------------------- */

struct merge {
    struct sn_arena *a;
    struct sn_str now, controller;
    bool differs;
};

static const struct sn_json *by_key(const struct sn_json *list, const char *key, struct sn_str value)
{
    for (SN_JSON_EACH(list, it))
        if (sn_str_eq(sn_json_str(sn_json_get(it, key)), value)) return it;
    return NULL;
}

/* The same but for what only one of them has to say: messages, times, defaults. */
static bool says(const struct sn_json *have, const struct sn_json *want)
{
    if (!have || have->kind != want->kind) return false;
    if (sn_json_is(want, SN_JSON_OBJECT)) {
        for (SN_JSON_MEMBERS(want, m))
            if (!says(sn_json_find(have, sn_json_str(&m->key)), &m->value)) return false;
        return true;
    }
    if (sn_json_is(want, SN_JSON_ARRAY)) {
        if (sn_json_len(have) != sn_json_len(want)) return false;
        size_t i = 0;
        for (SN_JSON_EACH(want, it))
            if (!says(sn_json_at(have, i++), it)) return false;
        return true;
    }
    if (sn_json_is(want, SN_JSON_STRING)) return sn_str_eq(sn_json_str(have), sn_json_str(want));
    return sn_json_i64_or(have, -1) == sn_json_i64_or(want, -1);
}

/* Conditions with the time each came about; types that are not ours stay. */
static bool conditions_with_times(struct merge *m, struct sn_json *o, const struct sn_json *have)
{
    struct sn_json list = sn_json_array();
    for (SN_JSON_EACH(sn_json_get(o, "conditions"), it)) {
        struct sn_json *c = sn_json_push(m->a, &list, *it);
        const struct sn_json *old = by_key(have, "type", sn_json_str(sn_json_get(it, "type")));
        struct sn_str since = sn_json_str(sn_json_get(old, "lastTransitionTime"));
        bool kept = since.len && sn_str_eq(sn_json_str(sn_json_get(old, "status")),
                                           sn_json_str(sn_json_get(it, "status")));
        m->differs |= !says(old, it);
        if (!c || !sn_json_set(m->a, c, SN_STR("lastTransitionTime"),
                               sn_json_string(kept ? since : m->now)))
            return false;
    }
    for (SN_JSON_EACH(have, it))
        if (!by_key(&list, "type", sn_json_str(sn_json_get(it, "type"))) &&
            !sn_json_push(m->a, &list, *it))
            return false;
    return sn_json_set(m->a, o, SN_STR("conditions"), list) != NULL;
}

static const struct sn_json *same_parent(const struct merge *m, const struct sn_json *have,
                                         const struct sn_json *p)
{
    for (SN_JSON_EACH(have, it))
        if (sn_str_eq(sn_json_str(sn_json_get(it, "controllerName")), m->controller) &&
            says(sn_json_get(it, "parentRef"), sn_json_get(p, "parentRef")))
            return it;
    return NULL;
}

/* The list `key` of the status, each entry with its conditions merged. */
static bool entries(struct merge *m, struct sn_json *status, const struct sn_json *have,
                    const char *key, bool parents)
{
    const struct sn_json *want = sn_json_get(status, key), *old = sn_json_get(have, key);
    struct sn_json list = sn_json_array();
    size_t ours = 0;
    if (!want) return true;
    for (SN_JSON_EACH(old, it)) {
        if (!parents || sn_str_eq(sn_json_str(sn_json_get(it, "controllerName")), m->controller))
            ours++;
        else if (!sn_json_push(m->a, &list, *it)) /* another controller's */
            return false;
    }
    m->differs |= ours != sn_json_len(want);
    for (SN_JSON_EACH(want, it)) {
        const struct sn_json *was = parents
                                        ? same_parent(m, old, it)
                                        : by_key(old, "name", sn_json_str(sn_json_get(it, "name")));
        struct sn_json *e = sn_json_push(m->a, &list, *it);
        struct sn_json bare = *it;
        m->differs |= !was || (!parents && (!says(sn_json_get(was, "attachedRoutes"),
                                                  sn_json_get(&bare, "attachedRoutes")) ||
                                            !says(sn_json_get(was, "supportedKinds"),
                                                  sn_json_get(&bare, "supportedKinds"))));
        if (!e || !conditions_with_times(m, e, sn_json_get(was, "conditions"))) return false;
    }
    return sn_json_set(m->a, status, sn_str(key), list) != NULL;
}

int gw_kube_patch(struct sn_arena *a, const struct sn_json *object, const struct sn_json *document,
                  const struct gw_kube_now *now, struct sn_buf *out)
{
    const struct sn_json *have = sn_json_get(object, "status"), *want;
    const struct sn_json *version = sn_json_path(object, "metadata.resourceVersion");
    struct merge m = {.a = a, .now = now->time, .controller = now->controller};
    struct sn_json patch = sn_json_object(), meta = sn_json_object(), status;
    if (!(want = sn_json_get(document, "status"))) return SN_E_INVALID_ARGUMENT;
    status = *want;
    const struct sn_json *addresses = sn_json_get(want, "addresses");
    if (addresses) m.differs |= !says(sn_json_get(have, "addresses"), addresses);
    const struct sn_json *balancer = sn_json_path(want, "loadBalancer.ingress");
    /* A status without the list and one with an empty list say the same. */
    const struct sn_json *reached = sn_json_path(have, "loadBalancer.ingress");
    if (balancer && sn_json_len(reached) + sn_json_len(balancer) > 0)
        m.differs |= !says(reached, balancer);
    bool good = (!sn_json_get(want, "conditions") ||
                 conditions_with_times(&m, &status, sn_json_get(have, "conditions"))) &&
                entries(&m, &status, have, "listeners", false) &&
                entries(&m, &status, have, "parents", true);
    if (good && !m.differs) return 0;
    /* With the version: what another wrote meanwhile is not written over. */
    good = good && (!version || (sn_json_set(a, &meta, SN_STR("resourceVersion"), *version) &&
                                 sn_json_set(a, &patch, SN_STR("metadata"), meta))) &&
           sn_json_set(a, &patch, SN_STR("status"), status);
    int r = good ? sn_json_write(out, &patch, NULL) : SN_E_NOMEM;
    return r < 0 ? r : 1;
}
