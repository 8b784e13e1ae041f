/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/policy_test.c - origins, tokens, rates, copies and changed paths, through a whole
 * gateway. */
#include <unistd.h>

#include "gateway/rig_test.h"

#include "core/buf.h"
#include "harness/test.h"
#include "kit/jwt.h"

static struct sn_str header(const struct answer *a, const char *name)
{
    return sn_http_headers_get(&a->headers, sn_str(name));
}

/* ---- paths ---- */

static const char rewrite_config[] =
    "listeners: [{name: web, address: '127.0.0.1:0'}]\n"
    "upstreams: [{name: app, endpoints: [{address: '@0'}]}]\n"
    "routes:\n"
    "- {name: a, match: [{prefix: /users}], proxy: {to: [{upstream: app}],\n"
    "   rewrite: {regex: '/users/([^/]+)(/.*)?', replace: '/people$2/of/$1$$'}}}\n"
    "- {name: b, match: [{prefix: /b}], proxy: {to: [{upstream: app}],\n"
    "   rewrite: {regex: '/b/(.*)', replace: '$1'}}}\n";

RIG_TEST(policy_rewrites_by_expression, rewrite_config)
{
    static const struct {
        const char *ask, *want;
    } rows[] = {
        {"/users/ann/posts?x=1", "GET /people/posts/of/ann$?x=1\n"},
        {"/users/ann", "GET /people/of/ann$\n"},
        {"/users", "GET /users\n"}, /* does not fit: stays */
        {"/b/x", "GET /x\n"},       /* a path begins with a slash */
        {"/b//evil.example/", "GET /evil.example/\n"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct answer a = ASK("GET", rows[i].ask, 200);
        T_ASSERTF(sn_str_starts(a.text, sn_str(rows[i].want)), "got %.*s",
                  (int)SN_MIN(a.text.len, (size_t)60), a.text.ptr);
        DONE(a);
    }
    return 0;
}

/* ---- origins ---- */

static const char cors_config[] =
    "listeners: [{name: web, address: '127.0.0.1:0'}]\n"
    "upstreams: [{name: app, endpoints: [{address: '@0'}]}]\n"
    "routes:\n"
    "- {name: get, match: [{prefix: /get, methods: [GET]}], proxy: {to: [{upstream: app}]},\n"
    "   cors: {origins: ['https://a.example', 'https://*.b.example'], credentials: true, expose: "
    "[X-Upstream],\n"
    "   max_age: 1m}}\n"
    "- {name: any, match: [{prefix: /any}], respond: {body: x}, cors: {origins: ['*'], methods: "
    "[PURGE],\n"
    "   headers: [X-A, X-B]}}\n"
    "- {name: options, match: [{prefix: /plain}], proxy: {to: [{upstream: app}]}}\n";

RIG_TEST(policy_cors, cors_config)
{
    static const struct {
        const char *what, *method, *path, *origin, *wants;
        int status;
        const char *allow, *methods; /* NULL: the header is not there */
    } rows[] = {
        {"named", "GET", "/get", "https://a.example", NULL, 200, "https://a.example", NULL},
        {"below the star", "GET", "/get", "https://x.y.b.example", NULL, 200,
         "https://x.y.b.example", NULL},
        {"the star is not nothing", "GET", "/get", "https://b.example", NULL, 200, NULL, NULL},
        {"a suffix is not a label", "GET", "/get", "https://evilb.example", NULL, 200, NULL, NULL},
        {"user info is no label", "GET", "/get", "https://a@x.b.example", NULL, 200, NULL, NULL},
        {"another scheme", "GET", "/get", "http://a.example", NULL, 200, NULL, NULL},
        {"no origin", "GET", "/get", NULL, NULL, 200, NULL, NULL},
        {"preflight of a route without OPTIONS", "OPTIONS", "/get", "https://a.example", "GET", 204,
         "https://a.example", "GET, HEAD, POST, PUT, PATCH, DELETE"},
        {"preflight of a stranger", "OPTIONS", "/get", "https://c.example", "GET", 403, NULL, NULL},
        {"any origin", "GET", "/any", "https://c.example", NULL, 200, "*", NULL},
        {"method in the list", "OPTIONS", "/any", "https://c.example", "PURGE", 204, "*", "PURGE"},
        {"method not in it", "OPTIONS", "/any", "https://c.example", "GET", 403, "*", NULL},
        {"OPTIONS that is no preflight", "OPTIONS", "/plain", NULL, NULL, 200, NULL, NULL},
        {"preflight of a route without cors", "OPTIONS", "/plain", "https://c.example", "GET", 200,
         NULL, NULL},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_http_header h[3];
        unsigned n = 0;
        if (rows[i].origin) h[n++] = (struct sn_http_header){S("Origin"), sn_str(rows[i].origin)};
        if (rows[i].wants) {
            h[n++] =
                (struct sn_http_header){S("Access-Control-Request-Method"), sn_str(rows[i].wants)};
            h[n++] = (struct sn_http_header){S("Access-Control-Request-Headers"), S("x-mine")};
        }
        struct answer a = {0};
        sn_test_row("%s", rows[i].what);
        T_OK(ask(g, rows[i].method, rows[i].path, h, n, (struct sn_str){0}, &a));
        T_EQ(a.status, rows[i].status);
        T_STR(header(&a, "access-control-allow-origin"), rows[i].allow ? rows[i].allow : "");
        T_STR(header(&a, "access-control-allow-methods"), rows[i].methods ? rows[i].methods : "");
        bool creds = rows[i].allow && strcmp(rows[i].allow, "*") != 0;
        T_STR(header(&a, "access-control-allow-credentials"), creds ? "true" : "");
        if (a.status == 204)
            T_STR(header(&a, "access-control-allow-headers"),
                  strcmp(rows[i].path, "/any") == 0 ? "X-A, X-B" : "x-mine");
        DONE(a);
    }
    return 0;
}

/* ---- tokens ---- */

static char secret_path[64];

static struct sn_str token_of(struct sn_buf *b, const char *secret, const char *claims)
{
    struct sn_jwt_keys *k = sn_jwt_keys_new();
    T_OK(sn_jwt_keys_add_secret(k, SN_JWT_HS256, sn_str(secret), (struct sn_str){0}));
    sn_buf_reset(b);
    sn_buf_cstr(b, "Bearer ");
    T_OK(sn_jwt_sign(k, SN_JWT_HS256, (struct sn_str){0}, sn_str(claims), (struct sn_str){0}, b));
    sn_jwt_keys_unref(k);
    return sn_buf_view(b);
}

#define SECRET "0123456789abcdef0123456789abcdef"

static int jwt_cookie(struct rig *g)
{
    struct sn_buf b = {0};
    struct sn_str t =
        token_of(&b, SECRET,
                 "{\"exp\":4000000000,\"iss\":\"me\",\"aud\":\"shop\",\"sub\":\"ann\"}");
    char text[1024];
    snprintf(text, sizeof(text), "x=1; tok=%.*s", (int)t.len - 7, t.ptr + 7);
    struct sn_http_header cookie = {S("Cookie"), sn_str(text)};
    struct answer a = {0};
    T_OK(ask(g, "GET", "/maybe", &cookie, 1, (struct sn_str){0}, &a));
    T_ASSERT(a.status == 200 && has(a.text, "X-User: ann\n"));
    DONE(a);
    sn_buf_done(&b);
    return 0;
}

static int jwt_body(struct rig *g)
{
    static const struct {
        const char *what, *path, *secret, *claims;
        int status;
        const char *has, *hasnt; /* of what the upstream got */
    } rows[] = {
        {"none", "/in", NULL, NULL, 401, NULL, NULL},
        {"good", "/in", SECRET,
         "{\"exp\":4000000000,\"iss\":\"me\",\"aud\":[\"x\",\"shop\"],\"sub\":\"ann\"}", 200,
         "X-User: ann\n", "X-User: forged"},
        {"another secret", "/in", "another-secret-another-secret-xx",
         "{\"exp\":4000000000,\"iss\":\"me\","
         "\"aud\":\"shop\",\"sub\":\"ann\"}",
         401, NULL, NULL},
        {"expired", "/in", SECRET, "{\"exp\":1000000000,\"iss\":\"me\",\"aud\":\"shop\"}", 401,
         NULL, NULL},
        {"another issuer", "/in", SECRET, "{\"exp\":4000000000,\"iss\":\"you\",\"aud\":\"shop\"}",
         401, NULL, NULL},
        {"another audience", "/in", SECRET, "{\"exp\":4000000000,\"iss\":\"me\",\"aud\":\"s\"}",
         401, NULL, NULL},
        {"no such claim: no header", "/in", SECRET,
         "{\"exp\":4000000000,\"iss\":\"me\",\"aud\":\"shop\"}", 200, NULL, "X-User"},
        {"role in a list", "/admin", SECRET,
         "{\"exp\":4000000000,\"iss\":\"me\",\"aud\":\"shop\",\"realm\":"
         "{\"roles\":[\"user\",\"admin\"]}}",
         200, "X-Roles: user,admin\n", "Authorization"},
        {"role missing", "/admin", SECRET,
         "{\"exp\":4000000000,\"iss\":\"me\",\"aud\":\"shop\",\"realm\":"
         "{\"roles\":[\"user\"]}}",
         403, NULL, NULL},
        {"optional, none", "/maybe", NULL, NULL, 200, NULL, "X-User"},
        {"optional, bad", "/maybe", "another-secret-another-secret-xx", "{\"exp\":4000000000}", 401,
         NULL, NULL},
        {"a claim that would end a line", "/in", SECRET,
         "{\"exp\":4000000000,\"iss\":\"me\",\"aud\":\"shop\",\"sub\":"
         "\"a\\r\\nX: y\"}",
         200, NULL, "X-User"},
    };
    struct sn_buf b = {0};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_http_header h[3] = {{S("X-User"), S("forged")}, {S("X_User"), S("forged")}};
        unsigned n = 2;
        if (rows[i].secret)
            h[n++] = (struct sn_http_header){S("Authorization"),
                                             token_of(&b, rows[i].secret, rows[i].claims)};
        struct answer a = {0};
        sn_test_row("%s", rows[i].what);
        T_OK(ask(g, "GET", rows[i].path, h, n, (struct sn_str){0}, &a));
        T_EQ(a.status, rows[i].status);
        if (rows[i].has) T_ASSERTF(has(a.text, rows[i].has), "%.*s", SN_STR_ARG(a.text));
        if (rows[i].hasnt) T_ASSERTF(!has(a.text, rows[i].hasnt), "%.*s", SN_STR_ARG(a.text));
        if (a.status == 401)
            T_STR(header(&a, "www-authenticate"),
                  rows[i].secret ? "Bearer error=\"invalid_token\"" : "Bearer");
        DONE(a);
    }
    sn_buf_done(&b);
    return jwt_cookie(g);
}

static int jwt_main(void *arg)
{
    char config[2048];
    snprintf(
        config, sizeof(config),
        "listeners: [{name: web, address: '127.0.0.1:0'}]\n"
        "upstreams: [{name: app, endpoints: [{address: '@0'}]}]\n"
        "jwt_providers: [{name: own, issuer: me, audience: [other, shop], secret_file: '%s'},\n"
        "  {name: lax, secret_file: '%s'}]\n"
        "routes:\n"
        "- {name: in, match: [{prefix: /in}], proxy: {to: [{upstream: app}]},\n"
        "   jwt: {provider: own, headers: {X-User: sub}}}\n"
        "- {name: admin, match: [{prefix: /admin}], proxy: {to: [{upstream: app}]},\n"
        "   jwt: {provider: own, forward: false, require: {realm.roles: admin}, headers: {X-Roles: "
        "realm.roles}}}\n"
        "- {name: maybe, match: [{prefix: /maybe}], proxy: {to: [{upstream: app}]},\n"
        "   jwt: {provider: lax, optional: true, cookie: tok, headers: {X-User: sub}}}\n",
        secret_path, secret_path);
    with_rig(config, jwt_body);
    return 0;
}

SN_TEST(policy_jwt)
{
    snprintf(secret_path, sizeof(secret_path), "/tmp/sennit-gw-secret-XXXXXX");
    int fd = mkstemp(secret_path);
    T_ASSERT(fd >= 0 && write(fd, SECRET "\n", sizeof(SECRET)) == sizeof(SECRET));
    close(fd);
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, jwt_main, NULL));
    unlink(secret_path);
}

/* ---- rates ---- */

static const char rate_config[] = "listeners: [{name: web, address: '127.0.0.1:0'}]\n"
                                  "trusted_proxies: [127.0.0.0/8]\n"
                                  "routes:\n"
                                  "- {name: all, match: [{prefix: /all}], respond: {body: x}, "
                                  "rate_limit: {requests: 3, per: 1h, key: route}}\n"
                                  "- {name: key, match: [{prefix: /key}], respond: {body: x}, "
                                  "rate_limit: {requests: 1, per: 1h, burst: 2,\n"
                                  "   key: header, name: X-Key}}\n"
                                  "- {name: ip, match: [{prefix: /ip}], respond: {body: x}, "
                                  "rate_limit: {requests: 1, per: 1h}}\n";

static int statuses(struct rig *g, const char *path, const char *name, const char *value, int n)
{
    int over = 0;
    for (int i = 0; i < n; i++) {
        struct answer a = {0};
        struct sn_http_header h = {sn_str(name), sn_str(value)};
        T_OK(ask(g, "GET", path, &h, name[0] ? 1 : 0, (struct sn_str){0}, &a));
        T_ASSERT(a.status == 200 || a.status == 429);
        if (a.status == 429) T_ASSERT(header(&a, "retry-after").len > 0);
        over += a.status == 429;
        DONE(a);
    }
    return n - over;
}

RIG_TEST(policy_rate_limits, rate_config)
{
    T_EQ(statuses(g, "/all", "", "", 5), 3);
    T_EQ(statuses(g, "/key", "X-Key", "a", 4), 2);
    T_EQ(statuses(g, "/key", "X-Key", "b", 4), 2);
    T_EQ(statuses(g, "/key", "", "", 4), 2);
    T_EQ(statuses(g, "/ip", "X-Forwarded-For", "10.0.0.1", 3), 1);
    T_EQ(statuses(g, "/ip", "X-Forwarded-For", "6.6.6.6, 10.0.0.1", 3),
         0); /* a client's own word */
    T_EQ(statuses(g, "/ip", "X-Forwarded-For", "2001:db8::1", 2), 1);
    T_EQ(statuses(g, "/ip", "X-Forwarded-For", "2001:db8::2", 2), 0); /* the same /64 */
    /* A reload that changes nothing forgets nothing. */
    struct sn_buf text = {0};
    config_text(&text, rate_config, g);
    T_OK(sn_gateway_set_text(g->gw, sn_buf_view(&text)));
    sn_buf_done(&text);
    T_EQ(statuses(g, "/all", "", "", 2), 0);
    return 0;
}

/* ---- copies ---- */

static const char mirror_config[] =
    "listeners: [{name: web, address: '127.0.0.1:0'}]\n"
    "upstreams:\n"
    "- {name: app, endpoints: [{address: '@0'}]}\n"
    "- {name: shadow, endpoints: [{address: '@1'}]}\n"
    "- {name: gone, endpoints: [{address: '127.0.0.1:1'}]}\n"
    "routes:\n"
    "- {name: all, match: [{prefix: /m}], proxy: {to: [{upstream: app}], mirror: {upstream: "
    "shadow, body_bytes_max: 1KiB}}}\n"
    "- {name: never, match: [{prefix: /never}], proxy: {to: [{upstream: app}], mirror: {upstream: "
    "shadow, percent: 0}}}\n"
    "- {name: slow, match: [{prefix: /slow}], proxy: {to: [{upstream: app}], replace_path: /x, "
    "mirror: {upstream: shadow}}}\n"
    "- {name: gone, match: [{prefix: /gone}], proxy: {to: [{upstream: app}], mirror: {upstream: "
    "gone}}}\n";

static int shadowed(struct rig *g, int want)
{
    for (int i = 0; i < 200 && __atomic_load_n(&g->up[1].requests, __ATOMIC_RELAXED) < want; i++)
        T_OK(sn_sleep(10 * SN_MS));
    T_OK(sn_sleep(30 * SN_MS)); /* and not one more */
    return __atomic_load_n(&g->up[1].requests, __ATOMIC_RELAXED);
}

/* What only the second stage finds out, opening files, is told with its place. */
RIG_TEST(policy_missing_files_are_told, mirror_config)
{
    static const char *const config[][2] = {
        {"listeners: [{name: web, address: '127.0.0.1:0'}]\n"
         "upstreams: [{name: u, endpoints: [{address: '127.0.0.1:1'}]}]\n"
         "routes: [{name: r, proxy: {to: [{upstream: u}]}, jwt: {provider: p}}]\n"
         "jwt_providers: [{name: p, jwks_file: /nope.json}]\n",
         "jwt_providers[0]"},
        {"listeners: [{name: web, address: '127.0.0.1:0'}]\n"
         "upstreams: [{name: u, h2: true, endpoints: [{address: '127.0.0.1:1'}]}]\n"
         "routes: [{name: r, proxy: {to: [{upstream: u}], transcode: {descriptors: /nope.pb}}}]\n",
         "/nope.pb"},
    };
    for (size_t i = 0; i < 2; i++) {
        struct sn_buf errors = {0};
        struct sn_gateway *gw = NULL;
        struct sn_gateway_opts o = {.config_text = sn_str(config[i][0])};
        T_ASSERT(sn_gateway_new(&o, &gw, &errors) < 0);
        T_ASSERT(has(sn_buf_view(&errors), config[i][1]));
        sn_buf_done(&errors);
        T_ASSERT(sn_gateway_set_text(g->gw, sn_str(config[i][0])) < 0); /* and the old one stays */
    }
    struct answer a = ASK("GET", "/m", 200);
    DONE(a);
    return 0;
}

RIG_TEST(policy_mirrors, mirror_config)
{
    char big[2000];
    struct answer a;
    memset(big, 'b', sizeof(big));
    a = ASK("GET", "/m/a?q", 200);
    DONE(a);
    T_EQ(shadowed(g, 1), 1);
    T_OK(ask(g, "POST", "/m/b", NULL, 0, sn_str_of(big, 1000), &a));
    T_ASSERT(a.status == 200 && has(a.text, "bbb"));
    DONE(a);
    T_EQ(shadowed(g, 2), 2);
    T_OK(ask(g, "POST", "/m/c", NULL, 0, sn_str_of(big, 2000), &a)); /* too long for a copy */
    T_EQ(a.status, 200);
    DONE(a);
    for (int i = 0; i < 20; i++) {
        a = ASK("GET", "/never", 200);
        DONE(a);
    }
    T_EQ(shadowed(g, 2), 2);
    for (int i = 0; i < 3; i++) { /* nobody there: the request does not know */
        a = ASK("GET", "/gone", 200);
        DONE(a);
    }
    T_EQ(g->up[0].requests, 26);
    return 0;
}
