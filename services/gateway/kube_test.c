/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/kube_test.c - Kubernetes objects as configuration: what comes out of them, what is said
 * of them, and no memory. The Gateway API's own cases are tests/e2e/gateway_kube.py. */
#include "gateway/kube.h"

#include "core/torture.h"
#include "harness/test.h"
#include "wire/yaml.h"

static const char base[] =
    "kind: Gateway\n"
    "metadata: {name: g, namespace: a}\n"
    "spec:\n"
    "  gatewayClassName: c\n"
    "  listeners:\n"
    "  - {name: web, port: 80, protocol: HTTP, hostname: '*.x.y', allowedRoutes: {namespaces: "
    "{from: All}}}\n"
    "  - {name: tls, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: k, namespace: "
    "b}]}}\n"
    "---\n"
    "{kind: Service, metadata: {name: s, namespace: a}, spec: {clusterIP: 10.0.0.1, ports: [{port: "
    "80}]}}\n"
    "---\n"
    "{kind: Service, metadata: {name: s, namespace: b}, spec: {ports: [{port: 80, name: w}]}}\n"
    "---\n"
    "kind: EndpointSlice\n"
    "metadata: {name: s1, namespace: b, labels: {kubernetes.io/service-name: s}}\n"
    "ports: [{name: w, port: 8080}]\n"
    "endpoints: [{addresses: [10.1.1.1]}, {addresses: ['fd00::1']}, {addresses: [10.1.1.9], "
    "conditions: {ready: false}}]\n"
    "---\n"
    "{kind: Secret, metadata: {name: k, namespace: b}, stringData: {tls.crt: '-----BEGIN C', "
    "tls.key: '-----BEGIN K'}}\n";

struct out {
    struct sn_arena a;
    struct sn_buf text, status, documents;
};

static int translate_at(struct out *o, const char *more, struct sn_str ingress_address)
{
    struct gw_kube_opts opts = {.address = SN_STR("127.0.0.1"),
                                .ingress_address = ingress_address,
                                .port_offset = 8000,
                                .ingress_http = 80,
                                .ingress_https = 443,
                                .cluster_domain = SN_STR("cluster.local")};
    struct gw_kube k;
    struct sn_yaml_doc *docs;
    size_t n;
    sn_arena_init(&o->a, NULL, 0);
    sn_buf_init(&o->text, 0);
    sn_buf_init(&o->status, 0);
    sn_buf_init(&o->documents, 0);
    gw_kube_init(&k, &o->a, &opts, &o->status);
    k.documents = &o->documents;
    const char *parts[] = {base, more};
    int r = 0;
    for (size_t i = 0; r == 0 && i < 2; i++) {
        r = sn_yaml_parse_all(&o->a, sn_str(parts[i]), NULL, &docs, &n);
        for (size_t d = 0; r == 0 && d < n; d++) r = gw_kube_add(&k, docs[d].root);
    }
    if (r == 0) r = gw_kube_translate(&k);
    if (r == 0) r = sn_json_write(&o->text, &k.upstreams, NULL);
    if (r == 0) r = sn_json_write(&o->text, &k.routes, NULL);
    if (r == 0) r = sn_json_write(&o->text, &k.listeners, NULL);
    if (r == 0) r = o->status.err;
    if (r == 0) r = o->documents.err;
    gw_kube_done(&k);
    return r;
}

static int translate(struct out *o, const char *more)
{
    return translate_at(o, more, (struct sn_str){0});
}

static void done(struct out *o)
{
    sn_buf_done(&o->text);
    sn_buf_done(&o->status);
    sn_buf_done(&o->documents);
    sn_arena_done(&o->a);
}

#define GRANT(kind, from, to)                                                                    \
    "---\n{kind: ReferenceGrant, metadata: {name: x, namespace: " to "}, spec: {from: [{group: " \
    "gateway.networking.k8s.io, kind: " kind ", namespace: " from                                \
    "}], to: [{group: '', kind: Service}, {group: '', kind: Secret}]}}\n"

static const struct {
    const char *what, *objects, *has, *says;
} said_rows[] = {
    {"hosts meet",
     "---\n{kind: HTTPRoute, metadata: {name: r, namespace: a}, spec: {hostnames: [b.x.y, "
     "z.w], parentRefs: "
     "[{name: g, sectionName: web}], rules: [{backendRefs: [{name: s, port: 80}]}]}}\n",
     "\"hosts\":[\"b.x.y\"]", "parent g/web: Accepted=True"},
    {"hosts do not meet",
     "---\n{kind: HTTPRoute, metadata: {name: r, namespace: a}, spec: {hostnames: [x.y], "
     "parentRefs: "
     "[{name: g, sectionName: web}], rules: [{backendRefs: [{name: s, port: 80}]}]}}\n",
     "][]", "Accepted=False NoMatchingListenerHostname"},
    {"another namespace without a grant",
     "---\n{kind: HTTPRoute, metadata: {name: r, namespace: a}, spec: {parentRefs: "
     "[{name: g, sectionName: web}], rules: [{backendRefs: [{name: s, namespace: b, port: "
     "80}]}]}}\n",
     "\"respond\":{\"status\":500}", "ResolvedRefs=False RefNotPermitted"},
    {"with a grant, and pods",
     "---\n{kind: HTTPRoute, metadata: {name: r, namespace: a}, spec: {parentRefs: "
     "[{name: g, sectionName: web}], rules: [{backendRefs: [{name: s, namespace: b, port: "
     "80}]}]}}\n" GRANT("HTTPRoute", "a", "b"),
     "[{\"address\":\"10.1.1.1:8080\"},{\"address\":\"[fd00::1]:8080\"}]",
     "HTTPRoute a/r: ResolvedRefs=True"},
    {"a grant for others", GRANT("HTTPRoute", "z", "b"), "",
     "listener tls: ResolvedRefs=False RefNotPermitted"},
    {"a certificate with its grant", GRANT("Gateway", "a", "b"), "\"cert\":\"secret:b/k\"",
     "listener tls: Programmed=True"},
    {"gRPC goes by h2",
     "---\n{kind: GRPCRoute, metadata: {name: r, namespace: a}, spec: {parentRefs: [{name: g, "
     "sectionName: web}], "
     "rules: [{matches: [{method: {service: p.S, method: M}}], backendRefs: [{name: s, port: "
     "80}]}]}}\n",
     "\"match\":[{\"exact\":\"/p.S/M\"}]", "GRPCRoute a/r parent g/web: Accepted=True"},
    {"the later of two is the one",
     "---\n{kind: Service, metadata: {name: s, namespace: a}, spec: {clusterIP: 10.0.0.2, "
     "ports: "
     "[{port: 80}]}}\n---\n{kind: HTTPRoute, metadata: {name: r, namespace: a}, spec: "
     "{parentRefs: [{name: g}], rules: "
     "[{backendRefs: [{name: s, port: 80}]}]}}\n",
     "10.0.0.2:80", "Accepted=True"},
    {"listeners of a Gateway are isolated",
     "---\n{kind: Gateway, metadata: {name: h, namespace: a}, spec: {listeners: [{name: any, port: "
     "81, protocol: HTTP}, {name: one, port: 81, protocol: HTTP, hostname: '*.z'}]}}\n"
     "---\n{kind: HTTPRoute, metadata: {name: r, namespace: a}, spec: {hostnames: [a.z, b.w], "
     "parentRefs: [{name: h, sectionName: any}], rules: [{backendRefs: [{name: s, port: "
     "80}]}]}}\n",
     "\"hosts\":[\"b.w\"],\"match\":[{\"prefix\":\"/\"}],\"proxy\":{\"to\":[{\"upstream\":\"a/s:80\",\"weight\":1}]}},"
     "{\"name\":\"isolation/a/h/one\",\"listeners\":[\"kube-127.0.0.1:8081\"],\"hosts\":[\"*.z\"],"
     "\"respond\":{\"status\":404}}]",
     "HTTPRoute a/r parent h/any: Accepted=True"},
    {"hosts that are all another listener's",
     "---\n{kind: Gateway, metadata: {name: h, namespace: a}, spec: {listeners: [{name: any, port: "
     "81, protocol: HTTP}, {name: one, port: 81, protocol: HTTP, hostname: a.z}]}}\n"
     "---\n{kind: HTTPRoute, metadata: {name: r, namespace: a}, spec: {hostnames: [a.z], "
     "parentRefs: [{name: h, sectionName: any}], rules: [{backendRefs: [{name: s, port: "
     "80}]}]}}\n",
     "][{\"name\":\"isolation/a/h/one\"", "HTTPRoute a/r parent h/any: Accepted=True"},
    {"an expression that is none",
     "---\n{kind: HTTPRoute, metadata: {name: r, namespace: a}, spec: {parentRefs: [{name: "
     "g}], rules: "
     "[{matches: [{path: {type: RegularExpression, value: '/('}}], backendRefs: [{name: s, "
     "port: 80}]}]}}\n",
     "][]", "PartiallyInvalid=True UnsupportedValue"},
};

SN_TEST(kube_translates_and_says)
{
    for (size_t i = 0; i < SN_COUNT_OF(said_rows); i++) {
        struct out o;
        sn_test_row("%s", said_rows[i].what);
        T_OK(translate(&o, said_rows[i].objects));
        T_ASSERTF(sn_str_find(sn_buf_view(&o.text), sn_str(said_rows[i].has)) >= 0, "no %s in %s",
                  said_rows[i].has, sn_buf_cz(&o.text));
        T_ASSERTF(sn_str_find(sn_buf_view(&o.status), sn_str(said_rows[i].says)) >= 0, "no %s in %s",
                  said_rows[i].says, sn_buf_cz(&o.status));
        done(&o);
    }
}

static int torture_body(void *arg)
{
    struct out o;
    int r = translate(&o, arg);
    done(&o);
    return r;
}

SN_TEST_SLOW(kube_without_memory, 60)
{
    static const char objects[] =
        "---\n{kind: HTTPRoute, metadata: {name: r, namespace: a}, spec: {parentRefs: [{name: g}], "
        "rules: [{matches: [{path: "
        "{value: /p}, headers: [{name: h, value: v}]}], filters: [{type: RequestHeaderModifier, "
        "requestHeaderModifier: {set: "
        "[{name: A, value: b}]}}, {type: RequestMirror, requestMirror: {backendRef: {name: s, "
        "port: 80}}}], backendRefs: "
        "[{name: s, port: 80}, {name: t, port: 80}], timeouts: {request: 5s}}]}}\n"
        "---\n{kind: Ingress, metadata: {name: i, namespace: a}, spec: {rules: [{host: q.r, http: "
        "{paths: [{path: /x, pathType: "
        "Prefix, backend: {service: {name: s, port: {number: 80}}}}]}}]}}\n";
    T_ASSERT(sn_torture_lenient(torture_body, (void *)objects) > 10);
}

/* Where clients reach an Ingress: its address and ports, by class and by what other controllers say. */
SN_TEST(kube_ingress_addresses)
{
#define INGRESS(more)                                                                             \
    "---\n{kind: Ingress, metadata: {name: i, namespace: a}, spec: {rules: [{host: q.r, http: {paths: [{path: /x, " \
    "pathType: Prefix, backend: {service: {name: s, port: {number: 80}}}}]}}]}" more "}\n"
#define LB "\"status\":{\"loadBalancer\":{\"ingress\":["
#define PORT "\"ports\":[{\"port\":8080,\"protocol\":\"TCP\"}]}"
    static const struct {
        const char *objects, *address, *says; /* says NULL: nothing */
    } rows[] = {
        {INGRESS(""), "", LB "{\"ip\":\"127.0.0.1\"," PORT "]}}"},
        {INGRESS(""), "192.0.2.5", LB "{\"ip\":\"192.0.2.5\"," PORT "]}}"},
        {INGRESS(""), "2001:db8::5", LB "{\"ip\":\"2001:db8::5\"," PORT "]}}"},
        {INGRESS(""), "shop.example", LB "{\"hostname\":\"shop.example\"," PORT "]}}"},
        {INGRESS(""), "0.0.0.0", NULL},
        {INGRESS(", status: {loadBalancer: {ingress: [{ip: 198.51.100.1}, {ip: 192.0.2.5}]}}"), "192.0.2.5",
         LB "{\"ip\":\"198.51.100.1\"},{\"ip\":\"192.0.2.5\"," PORT "]}}"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct out o;
        sn_test_row("%s \"%s\"", rows[i].objects, rows[i].address);
        T_OK(translate_at(&o, rows[i].objects, sn_str(rows[i].address)));
        if (rows[i].says)
            T_ASSERTF(strstr(sn_buf_cz(&o.documents), rows[i].says), "%s", sn_buf_cz(&o.documents));
        else
            T_ASSERTF(!strstr(sn_buf_cz(&o.documents), "Ingress"), "%s", sn_buf_cz(&o.documents));
        done(&o);
    }
}

/* ---- statuses against what is there ----------------------------------------------------------- */

#define ROUTE_STATUS                                                                              \
    "{\"status\":{\"parents\":[{\"parentRef\":{\"name\":\"g\"},\"controllerName\":\"me\",\"conditions\":[{"   \
    "\"type\":\"Accepted\",\"status\":\"True\",\"reason\":\"Accepted\",\"message\":\"x\","                  \
    "\"observedGeneration\":2}]}]}}"
#define THEIRS "{\"parentRef\":{\"name\":\"g\"},\"controllerName\":\"them\",\"conditions\":[]}"
#define OURS(status, generation, time)                                                            \
    "{\"parentRef\":{\"name\":\"g\"},\"controllerName\":\"me\",\"conditions\":[{\"type\":\"Accepted\",\"status\":" \
    "\"" status "\",\"reason\":\"Accepted\",\"message\":\"x\",\"observedGeneration\":" generation                 \
    ",\"lastTransitionTime\":\"" time "\"}]}"
#define INGRESS_AT(ip) "{\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"" ip "\"}]}}}"
#define NOWHERE "{\"status\":{\"loadBalancer\":{\"ingress\":[]}}}"
SN_TEST(kube_patches)
{
    static const struct {
        const char *what, *object, *document, *patch; /* patch NULL: it says the same */
    } rows[] = {
        {"none yet", "{\"metadata\":{\"resourceVersion\":\"7\"}}", ROUTE_STATUS,
         "{\"metadata\":{\"resourceVersion\":\"7\"},\"status\":{\"parents\":[" OURS("True", "2", "now") "]}}"},
        {"the same", "{\"status\":{\"parents\":[" OURS("True", "2", "then") "]}}", ROUTE_STATUS, NULL},
        {"the same beside others", "{\"status\":{\"parents\":[" THEIRS "," OURS("True", "2", "then") "]}}",
         ROUTE_STATUS, NULL},
        {"another generation: the time stays",
         "{\"status\":{\"parents\":[" THEIRS "," OURS("True", "1", "then") "]}}", ROUTE_STATUS,
         "{\"status\":{\"parents\":[" THEIRS "," OURS("True", "2", "then") "]}}"},
        {"another status: the time does not",
         "{\"status\":{\"parents\":[" OURS("False", "2", "then") "]}}", ROUTE_STATUS,
         "{\"status\":{\"parents\":[" OURS("True", "2", "now") "]}}"},
        {"one of ours too many",
         "{\"status\":{\"parents\":[" OURS("True", "2", "then") ",{\"parentRef\":{\"name\":\"h\"},"
         "\"controllerName\":\"me\",\"conditions\":[]}]}}",
         ROUTE_STATUS, "{\"status\":{\"parents\":[" OURS("True", "2", "then") "]}}"},
        {"types of others stay",
         "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"Unknown\"}]}}",
         "{\"status\":{\"conditions\":[{\"type\":\"Accepted\",\"status\":\"True\"}]}}",
         "{\"status\":{\"conditions\":[{\"type\":\"Accepted\",\"status\":\"True\",\"lastTransitionTime\":"
         "\"now\"},{\"type\":\"Ready\",\"status\":\"Unknown\"}]}}"},
        {"an ingress's address", "{}", INGRESS_AT("192.0.2.7"), INGRESS_AT("192.0.2.7")},
        {"the same, with what others add",
         "{\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.7\",\"ports\":[]}]}}}",
         INGRESS_AT("192.0.2.7"), NULL},
        {"another address", INGRESS_AT("192.0.2.8"), INGRESS_AT("192.0.2.7"), INGRESS_AT("192.0.2.7")},
        {"no longer served", INGRESS_AT("192.0.2.8"), NOWHERE, NOWHERE},
        {"never served", "{\"status\":{\"loadBalancer\":{}}}", NOWHERE, NULL},
        {"a route more on a listener",
         "{\"status\":{\"listeners\":[{\"name\":\"l\",\"attachedRoutes\":1,\"supportedKinds\":[],\"conditions\":[]}]}}",
         "{\"status\":{\"listeners\":[{\"name\":\"l\",\"attachedRoutes\":2,\"supportedKinds\":[],\"conditions\":[]}]}}",
         "{\"status\":{\"listeners\":[{\"name\":\"l\",\"attachedRoutes\":2,\"supportedKinds\":[],\"conditions\":[]}]}}"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        struct sn_buf out = {0};
        const struct sn_json *object, *document;
        const struct gw_kube_now now = {SN_STR("now"), SN_STR("me")};
        sn_test_row("%s", rows[i].what);
        sn_arena_init(&a, NULL, 0);
        T_OK(sn_json_parse(&a, sn_str(rows[i].object), NULL, &object));
        T_OK(sn_json_parse(&a, sn_str(rows[i].document), NULL, &document));
        T_EQ(gw_kube_patch(&a, object, document, &now, &out), rows[i].patch != NULL);
        T_STR(sn_buf_view(&out), rows[i].patch ? rows[i].patch : "");
        sn_buf_done(&out);
        sn_arena_done(&a);
    }
}
