/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/config_policy.c - keys of what is done to requests beside forwarding them: tokens,
 * limits, origins, mirrors, stickiness; of PROXY protocol, the admin listener and Redis. */
#include <stdio.h>

#include "gateway/config_int.h"
#include "gateway/gw_int.h"

#define DAY_NS (24 * SN_HOUR)
#define FILE_MAX 4096

/* ---- PROXY protocol, stickiness ---------------------------------------------------------------
 */

#define PROXY_IN struct sn_gw_conf_proxy_in
static const struct sn_conf_field proxy_in_fields[] = {
    SN_CONF_LIST(PROXY_IN, from, n_from, "from", SN_CONF_T_STRING, .required = true, .min = 1,
                 .max = 256,
                 .help =
                     "Addresses and networks whose connections begin with a PROXY header; a "
                     "connection of theirs without one is closed. Others are served as they are."),
    SN_CONF_DURATION(PROXY_IN, timeout, "timeout", .def = "5s", .min = 10 * SN_MS, .max = SN_HOUR,
                     .help = "For the header to arrive."),
};
const struct sn_conf_table sn_gw_proxy_in_table = SN_CONF_TABLE(PROXY_IN, proxy_in_fields);

const struct sn_conf_enum sn_gw_proxy_out_names[] = {{"none", SN_GW_PROXY_NONE},
                                                     {"v1", SN_GW_PROXY_V1},
                                                     {"v2", SN_GW_PROXY_V2},
                                                     {0}};

static const struct sn_conf_enum site_names[] = {{"lax", SN_GW_SITE_LAX},
                                                 {"strict", SN_GW_SITE_STRICT},
                                                 {"none", SN_GW_SITE_NONE},
                                                 {0}};

#define STICKY struct sn_gw_conf_sticky
static const struct sn_conf_field sticky_fields[] = {
    SN_CONF_STRING(STICKY, cookie, "cookie", .required = true, .min = 1, .max = 64,
                   .pattern = "[A-Za-z0-9_.-]+", .pattern_help = "a cookie's name",
                   .help = "Name of the cookie; its value is signed and names no address."),
    SN_CONF_STRING(STICKY, key_file, "key_file", .max = FILE_MAX,
                   .help =
                       "File with the secret of the signature, 16 bytes at least, the same for all "
                       "gateways. Without it: one of this process, forgotten with it."),
    SN_CONF_DURATION(STICKY, ttl, "ttl", .def = "0s", .max = 365 * DAY_NS,
                     .help = "Life of the cookie; 0: the browser's session."),
    SN_CONF_STRING(STICKY, path, "path", .def = "/", .pattern = "/[!-:<-~]*",
                   .pattern_help = "a path that starts with /", .help = "Path of the cookie."),
    SN_CONF_BOOL(STICKY, secure, "secure", .help = "Send it only over TLS."),
    SN_CONF_BOOL(STICKY, http_only, "http_only", .def = "true", .help = "Hide it from scripts."),
    SN_CONF_ENUM(STICKY, same_site, "same_site", site_names, .def = "lax", .help = "SameSite."),
};
const struct sn_conf_table sn_gw_sticky_table = SN_CONF_TABLE(STICKY, sticky_fields);

/* ---- mirrors, paths ---------------------------------------------------------------------------
 */

#define MIRROR struct sn_gw_conf_mirror
static const struct sn_conf_field mirror_fields[] = {
    SN_CONF_STRING(MIRROR, upstream, "upstream", .required = true, .help = "Name of an upstream."),
    SN_CONF_DOUBLE(MIRROR, percent, "percent", .def = "100", .min_real = 0, .max_real = 100,
                   .help = "So many of the requests, at random."),
    SN_CONF_UINT(MIRROR, inflight_max, "inflight_max", .def = "100", .min = 1, .max = 10000,
                 .help = "Copies under way at once; beyond it none is made."),
    SN_CONF_BYTES(
        MIRROR, body_bytes_max, "body_bytes_max", .def = "64KiB", .max = 16 << 20,
        .help = "Requests with longer bodies, or bodies of unknown length, are not mirrored."),
    SN_CONF_DURATION(MIRROR, timeout, "timeout", .def = "5s", .min = SN_MS, .max = SN_HOUR,
                     .help = "For a copy, answer included."),
};
const struct sn_conf_table sn_gw_mirror_table = SN_CONF_TABLE(MIRROR, mirror_fields);

#define REWRITE struct sn_gw_conf_rewrite
static const struct sn_conf_field rewrite_fields[] = {
    SN_CONF_STRING(REWRITE, regex, "regex", .required = true, .min = 1,
                   .max = SN_GW_REGEX_PATTERN_MAX, .help = "PCRE2 expression for the whole path."),
    SN_CONF_STRING(
        REWRITE, replace, "replace", .required = true, .min = 1, .max = 1024,
        .help = "The new path; `$0` is the old one, `$1` to `$9` are groups, `$$` a dollar."),
};
const struct sn_conf_table sn_gw_rewrite_table = SN_CONF_TABLE(REWRITE, rewrite_fields);

/* ---- origins, tokens, limits ------------------------------------------------------------------
 */

#define CORS struct sn_gw_conf_cors
static const struct sn_conf_field cors_fields[] = {
    SN_CONF_LIST(CORS, origins, n_origins, "origins", SN_CONF_T_STRING, .required = true, .min = 1,
                 .max = 256,
                 .help =
                     "`https://a.example`, `https://*.a.example` (one or more labels), or `*`."),
    SN_CONF_LIST(CORS, methods, n_methods, "methods", SN_CONF_T_STRING, .max = 32,
                 .help = "GET, HEAD, POST, PUT, PATCH and DELETE without it."),
    SN_CONF_LIST(CORS, headers, n_headers, "headers", SN_CONF_T_STRING, .max = 64,
                 .help = "Request headers pages may set; what they ask for without it."),
    SN_CONF_LIST(CORS, expose, n_expose, "expose", SN_CONF_T_STRING, .max = 64,
                 .help = "Response headers pages may read, beside the usual ones."),
    SN_CONF_BOOL(CORS, credentials, "credentials",
                 .help = "Cookies and other credentials may be sent; not with the origin `*`."),
    SN_CONF_DURATION(CORS, max_age, "max_age", .def = "2h", .max = DAY_NS,
                     .help = "How long browsers may remember a preflight's answer."),
};
const struct sn_conf_table sn_gw_cors_table = SN_CONF_TABLE(CORS, cors_fields);

static const struct sn_conf_enum hmac_names[] = {{"HS256", SN_GW_HS256},
                                                 {"HS384", SN_GW_HS384},
                                                 {"HS512", SN_GW_HS512},
                                                 {0}};

#define PROVIDER struct sn_gw_conf_provider
static const struct sn_conf_field provider_fields[] = {
    SN_CONF_STRING(PROVIDER, name, "name", .required = true, .min = 1, .max = 64,
                   .help = "Unique; routes refer to it."),
    SN_CONF_STRING(PROVIDER, issuer, "issuer",
                   .help = "`iss` must equal it; not checked without it."),
    SN_CONF_LIST(PROVIDER, audience, n_audience, "audience", SN_CONF_T_STRING, .max = 16,
                 .help = "`aud` must be or hold one of these; not checked without it."),
    SN_CONF_STRING(PROVIDER, jwks_file, "jwks_file", .oneof = 1, .required = true, .max = FILE_MAX,
                   .help = "JWK Set in a file, read again with every reload."),
    SN_CONF_STRING(
        PROVIDER, jwks_url, "jwks_url", .oneof = 1, .required = true, .max = 2048,
        .pattern = "https?://.+", .pattern_help = "an http or https URL",
        .help = "JWK Set by HTTP; a failure keeps the last good one. Until the first is here "
                "tokens are answered 401."),
    SN_CONF_STRING(PROVIDER, secret_file, "secret_file", .oneof = 1, .required = true,
                   .max = FILE_MAX,
                   .help = "Secret of an HMAC in a file, a newline at its end left out."),
    SN_CONF_ENUM(PROVIDER, algorithm, "algorithm", hmac_names, .def = "HS256",
                 .help = "Of the secret."),
    SN_CONF_DURATION(PROVIDER, refresh, "refresh", .def = "10m", .min = SN_SEC, .max = DAY_NS,
                     .help =
                         "How often `jwks_url` is read; early where a token names an unknown key."),
    SN_CONF_DURATION(PROVIDER, leeway, "leeway", .def = "30s", .max = SN_HOUR,
                     .help = "For clocks that differ: of `exp`, `nbf` and `iat`."),
    SN_CONF_BOOL(PROVIDER, exp_optional, "exp_optional", .help = "Take tokens that never expire."),
};
const struct sn_conf_table sn_gw_provider_table = SN_CONF_TABLE(PROVIDER, provider_fields);

#define JWT struct sn_gw_conf_jwt
static const struct sn_conf_field jwt_fields[] = {
    SN_CONF_STRING(JWT, provider, "provider", .required = true, .help = "Name of a provider."),
    SN_CONF_BOOL(JWT, optional, "optional",
                 .help = "Requests without a token pass too; those with a bad one do not."),
    SN_CONF_STRING(JWT, cookie, "cookie", .help = "A token may also be in this cookie."),
    SN_CONF_STRING(JWT, query, "query", .help = "A token may also be in this query parameter."),
    SN_CONF_BOOL(JWT, forward, "forward", .def = "true",
                 .help = "The upstream receives the Authorization header too."),
    SN_CONF_MAP(
        JWT, require, n_require, "require", SN_CONF_T_STRING, struct sn_gw_conf_pair, name, value,
        .max = 16,
        .help = "Claims that must equal these texts, or hold them where they are lists; else 403. "
                "`realm.roles` is a claim in a claim."),
    SN_CONF_MAP(
        JWT, headers, n_headers, "headers", SN_CONF_T_STRING, struct sn_gw_conf_pair, name, value,
        .max = 16,
        .help = "Header: claim. The upstream receives the claim's text; what a client sent under "
                "that name is dropped."),
};
const struct sn_conf_table sn_gw_jwt_table = SN_CONF_TABLE(JWT, jwt_fields);

static const struct sn_conf_enum rate_keys[] = {{"route", SN_GW_RATE_ROUTE},
                                                {"address", SN_GW_RATE_ADDRESS},
                                                {"header", SN_GW_RATE_HEADER},
                                                {"claim", SN_GW_RATE_CLAIM},
                                                {0}};
#define RATE struct sn_gw_conf_rate
static const struct sn_conf_field rate_fields[] = {
    SN_CONF_DOUBLE(RATE, requests, "requests", .required = true, .min_real = 0.001, .max_real = 1e7,
                   .help = "So many requests ..."),
    SN_CONF_DURATION(RATE, per, "per", .def = "1s", .min = SN_MS, .max = DAY_NS,
                     .help = "... per this."),
    SN_CONF_UINT(RATE, burst, "burst", .max = 1000000,
                 .help = "So many at once. 0: as many as `requests`."),
    SN_CONF_ENUM(
        RATE, key, "key", rate_keys, .def = "address",
        .help =
            "One bucket for the `route`, or one for each client `address` (IPv6: each /64), "
            "value of a `header`, or `claim` of the token. Without a value: all such share one."),
    SN_CONF_STRING(RATE, name, "name", .max = 128, .help = "Of the header or claim."),
    SN_CONF_BOOL(RATE, shared, "shared",
                 .help =
                     "Counted in Redis for all gateways; in each for itself while Redis is away."),
    SN_CONF_UINT(RATE, gateways, "gateways", .def = "1", .min = 1, .max = 10000,
                 .help = "With `shared`: the rate is divided by this while Redis is away."),
    SN_CONF_UINT(RATE, keys_max, "keys_max", .def = "65536", .min = 8, .max = 1 << 20,
                 .help = "Buckets kept; beyond it those unused for longest begin anew."),
};
const struct sn_conf_table sn_gw_rate_table = SN_CONF_TABLE(RATE, rate_fields);

/* ---- admin, Redis -----------------------------------------------------------------------------
 */

#define ADMIN struct sn_gw_conf_admin
static const struct sn_conf_field admin_fields[] = {
    SN_CONF_STRING(ADMIN, address, "address", .required = true, .min = 2, .max = 200,
                   .help = "`127.0.0.1:9901`, `:9901` (loopback), `unix:/run/gw-admin.sock`."),
    SN_CONF_STRING(
        ADMIN, token_file, "token_file", .max = FILE_MAX,
        .help = "File with a secret that requests must send as a bearer token; required where "
                "the address is not a loopback one or a Unix socket."),
};
const struct sn_conf_table sn_gw_admin_table = SN_CONF_TABLE(ADMIN, admin_fields);

#define REDIS struct sn_gw_conf_redis
static const struct sn_conf_field redis_fields[] = {
    SN_CONF_STRING(REDIS, address, "address", .required = true, .min = 2, .max = 200,
                   .help = "`127.0.0.1:6379`, `unix:/run/redis.sock`."),
    SN_CONF_STRING(REDIS, user, "user", .max = 256,
                   .help = "For AUTH; the default user without it."),
    SN_CONF_STRING(REDIS, password_file, "password_file", .max = FILE_MAX,
                   .help = "File with the password."),
    SN_CONF_UINT(REDIS, database, "database", .max = 1000, .help = "Number of the database."),
};
const struct sn_conf_table sn_gw_redis_table = SN_CONF_TABLE(REDIS, redis_fields);

#define TRACING struct sn_gw_conf_tracing
static const struct sn_conf_field tracing_fields[] = {
    SN_CONF_STRING(TRACING, otlp, "otlp", .max = 2048, .pattern = "https?://.+",
                   .pattern_help = "an http or https URL",
                   .help =
                       "Collector that spans are sent to (OTLP, protobuf over HTTP), such as "
                       "`http://127.0.0.1:4318`. Without it traces are begun and passed on, and "
                       "nothing is sent."),
    SN_CONF_STRING(TRACING, service, "service", .def = "gateway", .min = 1, .max = 200,
                   .help = "`service.name` of the spans."),
    SN_CONF_STRING(TRACING, authorization_file, "authorization_file", .max = FILE_MAX,
                   .help = "File with the value of the collector's Authorization header."),
    SN_CONF_DOUBLE(TRACING, ratio, "ratio", .def = "1", .min_real = 0, .max_real = 1,
                   .help = "So many of the traces that begin here are sampled."),
    SN_CONF_BOOL(TRACING, parent, "parent", .def = "true",
                 .help =
                     "Requests with a `traceparent` go on in its trace, with its decision. False: "
                     "every request begins a trace of its own."),
};
const struct sn_conf_table sn_gw_tracing_table = SN_CONF_TABLE(TRACING, tracing_fields);

/* ---- checks -----------------------------------------------------------------------------------
 */

static bool known_provider(const struct sn_gw_conf *g, struct sn_str name)
{
    for (size_t i = 0; i < g->n_jwt_providers; i++)
        if (sn_str_eq(g->jwt_providers[i].name, name)) return true;
    return false;
}

static void check_cors(struct sn_conf *c, size_t i, const struct sn_gw_conf_cors *k)
{
    char at[96];
    for (size_t n = 0; n < k->n_origins; n++) {
        struct sn_str o = k->origins[n];
        snprintf(at, sizeof(at), "routes[%zu].cors.origins[%zu]", i, n);
        bool any = sn_str_eqc(o, "*");
        ssize_t scheme = sn_str_find(o, SN_STR("://"));
        struct sn_str host = scheme > 0 ? sn_str_from(o, (size_t)scheme + 3) : (struct sn_str){0};
        bool path = sn_str_chr(host, '/') >= 0;
        if (!any && (!host.len || path))
            sn_conf_error(
                c, at, "expected an origin such as https://a.example, without a path, got \"%.*s\"",
                SN_STR_ARG(o));
        if (any && k->credentials)
            sn_conf_error(c, at,
                          "with credentials the origins must be named: * would let every page in");
    }
}

void gw_check_route(struct sn_conf *c, const struct sn_gw_conf *g, size_t i,
                        const struct sn_map *ups)
{
    const struct sn_gw_conf_route *t = &g->routes[i];
    char at[96];
    check_cors(c, i, &t->cors);
    snprintf(at, sizeof(at), "routes[%zu].jwt.provider", i);
    if (t->jwt.enabled && !known_provider(g, t->jwt.provider))
        sn_conf_error(c, at, "no JWT provider is called \"%.*s\"", SN_STR_ARG(t->jwt.provider));
    for (size_t n = 0; n < t->jwt.n_headers; n++) {
        snprintf(at, sizeof(at), "routes[%zu].jwt.headers", i);
        if (!sn_http_is_token(t->jwt.headers[n].name) ||
            gw_is_hop(t->jwt.headers[n].name, (struct sn_str){0}))
            sn_conf_error(c, at, "\"%.*s\" is no header a claim can be",
                          SN_STR_ARG(t->jwt.headers[n].name));
    }
    const struct sn_gw_conf_rate *k = &t->rate_limit;
    snprintf(at, sizeof(at), "routes[%zu].rate_limit.name", i);
    bool named = k->key == SN_GW_RATE_HEADER || k->key == SN_GW_RATE_CLAIM;
    if (k->enabled && named != (k->name.len > 0))
        sn_conf_error(c, at,
                      named ? "expected the name of the header or claim"
                            : "only for the keys header and claim");
    if (k->enabled && k->key == SN_GW_RATE_CLAIM && !t->jwt.enabled)
        sn_conf_error(c, at, "a claim is there only on routes with jwt");
    snprintf(at, sizeof(at), "routes[%zu].rate_limit.shared", i);
    if (k->enabled && k->shared && !g->redis.enabled)
        sn_conf_error(c, at, "expected a redis section to share limits by");
    const struct sn_gw_conf_mirror *m = &t->proxy.mirror;
    snprintf(at, sizeof(at), "routes[%zu].proxy.mirror.upstream", i);
    if (m->enabled && ups && !sn_map_find(ups, m->upstream))
        sn_conf_error(c, at, "no upstream is called \"%.*s\"", SN_STR_ARG(m->upstream));
    snprintf(at, sizeof(at), "routes[%zu].proxy.rewrite.replace", i);
    if (t->proxy.rewrite.enabled && t->proxy.rewrite.replace.ptr[0] != '/' &&
        t->proxy.rewrite.replace.ptr[0] != '$')
        sn_conf_error(c, at, "expected a path that starts with / or a group");
}

static bool loopback(struct sn_str a)
{
    return a.ptr && (a.ptr[0] == ':' || sn_str_starts(a, SN_STR("127.")) ||
                     sn_str_starts(a, SN_STR("[::1]:")) || sn_str_starts(a, SN_STR("localhost:")) ||
                     sn_str_starts(a, SN_STR("unix:")));
}

int gw_check_policies(struct sn_conf *c, const struct sn_gw_conf *g, const struct sn_map *upstreams)
{
    char at[96];
    struct sn_map names;
    int r = 0;
    sn_map_init(&names, 0, false);
    for (size_t i = 0; r >= 0 && i < g->n_jwt_providers; i++) {
        r = g->jwt_providers[i].name.ptr
                ? sn_map_put(&names, g->jwt_providers[i].name, (void *)1, NULL)
                : 1;
        snprintf(at, sizeof(at), "jwt_providers[%zu].name", i);
        if (r == 0)
            sn_conf_error(c, at, "\"%.*s\" is already taken", SN_STR_ARG(g->jwt_providers[i].name));
    }
    sn_map_done(&names);
    for (size_t i = 0; i < g->n_routes; i++) gw_check_route(c, g, i, upstreams);
    for (size_t i = 0; i < g->n_upstreams; i++) {
        snprintf(at, sizeof(at), "upstreams[%zu].proxy_protocol", i);
        if (g->upstreams[i].proxy_protocol && g->upstreams[i].h2)
            sn_conf_error(c, at, "not with h2, whose connections many clients share");
    }
    for (size_t i = 0; i < g->n_listeners; i++)
        for (size_t k = 0; k < g->listeners[i].proxy_protocol.n_from; k++) {
            struct gw_cidr cidr;
            struct sn_str s = g->listeners[i].proxy_protocol.from[k];
            snprintf(at, sizeof(at), "listeners[%zu].proxy_protocol.from[%zu]", i, k);
            if (gw_cidr_parse(s, &cidr) < 0)
                sn_conf_error(c, at,
                              "expected an address or network such as 10.0.0.0/8, got \"%.*s\"",
                              SN_STR_ARG(s));
        }
    if (g->admin.enabled && g->admin.address.ptr) {
        if (!gw_address_ok(g->admin.address, true))
            sn_conf_error(c, "admin.address",
                          "expected an address such as 127.0.0.1:9901, got \"%.*s\"",
                          SN_STR_ARG(g->admin.address));
        else if (!loopback(g->admin.address) && !g->admin.token_file.len)
            sn_conf_error(c, "admin.token_file",
                          "required: the admin address is not a loopback one");
    }
    return r < 0 ? r : 0;
}
