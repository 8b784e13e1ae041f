/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/kube_load.c - the `kubernetes` section: files and folders of objects, put into the
 * configuration's tree before it is bound, so that what they make is checked and printed like what
 * the file itself says. */
#include <stdio.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "fiber/os.h"
#include "gateway/config_int.h"
#include "gateway/gw_int.h"
#include "gateway/kube.h"

#define FILES_MAX 10000u
#define FILE_BYTES_MAX (16u << 20)

#define KUBE struct sn_gw_conf_kube
static const struct sn_conf_field kube_fields[] = {
    SN_CONF_LIST(
        KUBE, paths, n_paths, "paths", SN_CONF_T_STRING, .max = 64,
        .help =
            "Files, or folders whose `.yaml`, `.yml` and `.json` files count: Gateway, HTTPRoute, "
            "GRPCRoute, ReferenceGrant, Ingress, Service, EndpointSlice, Secret, Namespace."),
    SN_CONF_STRING(
        KUBE, server, "server", .max = 512, .pattern = "https?://.+",
        .pattern_help = "an http or https URL",
        .help =
            "Also the objects of this API server, listed and watched; read at the start. What is "
            "known stays in use while it is away."),
    SN_CONF_BOOL(KUBE, status, "status", .def = "true",
                 .help = "Write status conditions back to the API server."),
    SN_CONF_STRING(KUBE, token_file, "token_file", .max = 4096,
                   .help = "File with the bearer token for it, read for each request."),
    SN_CONF_STRING(KUBE, ca_file, "ca_file", .max = 4096,
                   .help = "PEM file of its authorities; the system's without it."),
    SN_CONF_STRING(KUBE, gateway_class, "gateway_class", .max = 253,
                   .help = "Only Gateways of this class; of every class without it."),
    SN_CONF_STRING(KUBE, controller, "controller", .def = "sennit.dev/gateway", .max = 253,
                   .help =
                       "Where the GatewayClass itself is among the objects: its `controllerName`."),
    SN_CONF_STRING(KUBE, ingress_class, "ingress_class", .max = 253,
                   .help = "Only Ingresses of this class; all without it."),
    SN_CONF_STRING(KUBE, address, "address", .def = "127.0.0.1", .max = 64,
                   .help =
                       "Where ports are bound, of Gateways whose `addresses` name no IP address."),
    SN_CONF_UINT(KUBE, port_offset, "port_offset", .max = 60000,
                 .help = "Added to every port, for a gateway that may not bind 80."),
    SN_CONF_UINT(KUBE, ingress_http, "ingress_http", .def = "80", .max = 65535,
                 .help = "Port of Ingresses without TLS. 0: none."),
    SN_CONF_UINT(KUBE, ingress_https, "ingress_https", .def = "443", .min = 1, .max = 65535,
                 .help = "Port of Ingresses with TLS."),
    SN_CONF_STRING(KUBE, ingress_address, "ingress_address", .max = 253,
                   .help = "IP address or name under which clients reach Ingresses, for their status; "
                           "`address` without it, and nothing if that is 0.0.0.0 or ::."),
    SN_CONF_STRING(
        KUBE, cluster_domain, "cluster_domain", .def = "cluster.local", .max = 253,
        .help = "For Services without EndpointSlices and clusterIP: `NAME.NS.svc.` and this."),
};
const struct sn_conf_table gw_kube_table = SN_CONF_TABLE(KUBE, kube_fields);

/* ---- reading ----------------------------------------------------------------------------------
 */

static int add_file(struct gw_kube *k, const char *path)
{
    struct sn_str text;
    struct sn_yaml_doc *docs = NULL;
    size_t n = 0;
    /* As Kubernetes' tools read them. */
    struct sn_yaml_opts o = {.yaml11 = true};
    int r = sn_file_read(k->a, path, FILE_BYTES_MAX, &text);
    if (r == 0) {
        r = sn_yaml_parse_all(k->a, text, &o, &docs, &n);
        if (r < 0) r = sn_wrap(r, "%s", path);
    }
    for (size_t i = 0; r == 0 && i < n; i++) r = gw_kube_add(k, docs[i].root);
    return r;
}

static bool object_file(struct sn_str n)
{
    return n.len && n.ptr[0] != '.' &&
           (sn_str_ends(n, SN_STR(".yaml")) || sn_str_ends(n, SN_STR(".yml")) ||
            sn_str_ends(n, SN_STR(".json")));
}

static int add_path(struct gw_kube *k, struct sn_str path)
{
    struct stat st;
    struct sn_str p = sn_arena_str(k->a, path), *names;
    size_t n;
    if (!p.ptr) return SN_E_NOMEM;
    int r = sn_file_stat(p.ptr, &st);
    if (r < 0) return r;
    if (!S_ISDIR(st.st_mode)) return add_file(k, p.ptr);
    r = sn_dir_list(k->a, p.ptr, &names, &n);
    if (r == 0 && n > FILES_MAX)
        r = sn_fail(SN_E_TOO_LARGE, "%s: more than %u files", p.ptr, FILES_MAX);
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (!object_file(names[i])) continue;
        struct sn_str f = sn_arena_printf(k->a, "%s/%.*s", p.ptr, SN_STR_ARG(names[i]));
        r = f.ptr ? add_file(k, f.ptr) : SN_E_NOMEM;
    }
    return r;
}

/* ---- into the configuration -------------------------------------------------------------------
 */

static int extend(struct sn_arena *a, struct sn_json *root, const char *key,
                  const struct sn_json *more)
{
    const struct sn_json *have = sn_json_get(root, key);
    struct sn_json list = sn_json_array();
    for (SN_JSON_EACH(have, it))
        if (!sn_json_push(a, &list, *it)) return SN_E_NOMEM;
    for (SN_JSON_EACH(more, it))
        if (!sn_json_push(a, &list, *it)) return SN_E_NOMEM;
    return sn_json_set(a, root, sn_str(key), list) ? 0 : SN_E_NOMEM;
}

/* Objects of an API server, each with its kind beside it. */
static int add_texts(struct gw_kube *k, struct sn_str text)
{
    const struct sn_json *v;
    struct sn_str all = sn_arena_str(k->a, text); /* the trees borrow it */
    int r = all.ptr ? 0 : SN_E_NOMEM;
    while (r == 0 && (r = sn_json_parse_next(k->a, &all, NULL, &v)) == 0) {
        const struct sn_json *kind = sn_json_get(v, "kind"), *o = sn_json_get(v, "object");
        struct sn_json *whole = sn_arena_zalloc(k->a, sizeof(*whole));
        if (!whole) return SN_E_NOMEM;
        *whole = sn_json_object();
        for (SN_JSON_MEMBERS(o, m))
            if (!sn_json_set(k->a, whole, sn_json_str(&m->key), m->value)) return SN_E_NOMEM;
        if (!kind || !sn_json_set(k->a, whole, SN_STR("kind"), *kind)) return SN_E_NOMEM;
        r = gw_kube_add(k, whole);
    }
    return r == SN_E_EOF ? 0 : r;
}

/* Returns 0, SN_E_NOMEM, or 1: an error was recorded. */
static int objects(struct sn_conf *c, struct gw_kube *k, const struct sn_gw_conf_kube *conf,
                   struct sn_str more)
{
    int e = add_texts(k, more);
    if (e < 0) return e;
    for (size_t i = 0; i < conf->n_paths; i++) {
        int r = add_path(k, conf->paths[i]);
        if (r == SN_E_NOMEM) return r;
        if (r >= 0) continue;
        char at[64], why[SN_DIAG_BYTES];
        snprintf(at, sizeof(at), "kubernetes.paths[%zu]", i);
        sn_conf_error(c, at, "%s", sn_diag_format(r, why, sizeof(why)));
        return 1;
    }
    return 0;
}

int gw_kube_expand(struct sn_conf *c, struct sn_str more, struct gw_kube **ret,
                   struct sn_buf *status, struct sn_buf *documents)
{
    const struct sn_json *section = sn_json_get(c->doc.root, "kubernetes");
    *ret = NULL;
    if (!section) return 0;
    struct sn_conf_table one = gw_kube_table;
    struct sn_gw_conf_kube *conf = SN_ARENA_NEW(c->arena, struct sn_gw_conf_kube);
    struct gw_kube_opts *o = SN_ARENA_NEW(c->arena, struct gw_kube_opts);
    struct gw_kube *k = SN_ARENA_NEW(c->arena, struct gw_kube);
    struct sn_json *root = sn_arena_zalloc(c->arena, sizeof(*root));
    if (!conf || !o || !k || !root) return SN_E_NOMEM;
    /* Bound by itself first; the errors are found again, with their places, when the whole is. */
    struct sn_conf sub;
    sn_conf_init(&sub, c->arena, "");
    sub.doc = c->doc;
    sub.doc.root = section;
    if (sn_conf_bind(&sub, &one, conf) < 0) return 0;
    *o = (struct gw_kube_opts){conf->gateway_class, conf->controller,    conf->ingress_class,
                               conf->address,       conf->port_offset,   conf->ingress_http,
                               conf->ingress_https, conf->cluster_domain, conf->ingress_address};
    gw_kube_init(k, c->arena, o, status);
    if (conf->status) k->documents = documents;
    int r = objects(c, k, conf, more);
    if (r == 0) r = gw_kube_translate(k);
    gw_kube_done(k);
    if (r != 0) return r < 0 ? r : 0;
    *root = sn_json_object();
    for (SN_JSON_MEMBERS(c->doc.root, m))
        if (r == 0 && !sn_json_add(c->arena, root, sn_json_str(&m->key), m->value)) r = SN_E_NOMEM;
    if (r == 0) r = extend(c->arena, root, "listeners", &k->listeners);
    if (r == 0) r = extend(c->arena, root, "upstreams", &k->upstreams);
    if (r == 0) r = extend(c->arena, root, "routes", &k->routes);
    if (r < 0) return r;
    c->doc.root = root;
    *ret = k;
    return 0;
}

static void fill(const struct gw_kube *k, struct sn_gw_conf_cert *c)
{
    for (size_t i = 0; i < k->n_secrets; i++) {
        if (!sn_str_eq(k->secrets[i].name, c->cert)) continue;
        c->cert_pem = k->secrets[i].cert;
        c->key_pem = k->secrets[i].key;
    }
}

void gw_kube_secrets(const struct gw_kube *k, struct sn_gw_conf *g)
{
    for (size_t i = 0; i < g->n_listeners; i++) {
        struct sn_gw_conf_tls_server *t = &g->listeners[i].tls;
        fill(k, &t->first);
        for (size_t m = 0; m < t->n_more; m++) fill(k, &t->more[m]);
    }
}
