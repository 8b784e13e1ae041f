/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/route_test.c - precedence tables, normal forms, and the compiled router against a matcher
 * that simply tries every candidate in order. */
#include "gateway/route.h"

#include <regex.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "core/status.h"
#include "harness/test.h"

#define S(x) SN_STR(x)

static struct sn_gw_lookup lookup_of(const char *method, const char *host, const char *path,
                                     const char *query)
{
    return (struct sn_gw_lookup){.method = sn_http_method_of(sn_str(method)),
                                 .method_text = sn_str(method),
                                 .host = sn_str(host),
                                 .path = sn_str(path),
                                 .query = sn_str(query)};
}

static int route_of(struct sn_gw_router *r, struct sn_gw_lookup q)
{
    struct sn_gw_hit hit;
    return sn_gw_router_match(r, &q, 0, &hit) == 0 ? (int)hit.rule : -1;
}

/* Rules 0.. in the order of the file; the table says which one each request takes. */
static struct sn_str hosts_exact[] = {SN_STR_INIT("a.example")};
static struct sn_str hosts_wild[] = {SN_STR_INIT("*.example")};
static struct sn_str hosts_wild_long[] = {SN_STR_INIT("*.b.example")};
static struct sn_str get_only[] = {SN_STR_INIT("GET")};
static struct sn_str purge_only[] = {SN_STR_INIT("PURGE")};
static struct sn_gw_cond env_canary[] = {{S("x-env"), S("canary"), {0}}};
static struct sn_gw_cond env_and_user[] = {{S("x-env"), S("canary"), {0}},
                                           {S("x-user"), {0}, S("[0-9]+")}};
static struct sn_gw_cond version_2[] = {{S("v"), S("2 b"), {0}}};

static struct sn_gw_match m_root[] = {{.prefix = S("/")}};
static struct sn_gw_match m_api[] = {{.prefix = S("/api/")}};
static struct sn_gw_match m_api_v1[] = {{.prefix = S("/api/v1")}};
static struct sn_gw_match m_exact[] = {{.exact = S("/api/v1")}};
static struct sn_gw_match m_regex[] = {{.regex = S("/api/v[0-9]+/x")}};
static struct sn_gw_match m_get[] = {{.prefix = S("/m"), .methods = get_only, .n_methods = 1}};
static struct sn_gw_match m_head1[] = {{.prefix = S("/m"), .headers = env_canary, .n_headers = 1}};
static struct sn_gw_match m_head2[] = {
    {.prefix = S("/m"), .headers = env_and_user, .n_headers = 2}};
static struct sn_gw_match m_query[] = {{.prefix = S("/m"), .query = version_2, .n_query = 1}};
static struct sn_gw_match m_plain[] = {{.prefix = S("/m")}};
static struct sn_gw_match m_purge[] = {{.prefix = S("/p"), .methods = purge_only, .n_methods = 1}};

static const struct sn_gw_rule rules[] = {
    /* 0 */ {.matches = m_root, .n_matches = 1},
    /* 1 */ {.matches = m_api, .n_matches = 1},
    /* 2 */ {.matches = m_api_v1, .n_matches = 1},
    /* 3 */ {.matches = m_exact, .n_matches = 1},
    /* 4 */ {.matches = m_regex, .n_matches = 1},
    /* 5 */ {hosts_wild, 1, m_api, 1},
    /* 6 */ {hosts_exact, 1, m_api, 1},
    /* 7 */ {hosts_wild_long, 1, m_root, 1},
    /* 8 */ {.matches = m_plain, .n_matches = 1},
    /* 9 */ {.matches = m_query, .n_matches = 1},
    /* 10 */ {.matches = m_head1, .n_matches = 1},
    /* 11 */ {.matches = m_head2, .n_matches = 1},
    /* 12 */ {.matches = m_get, .n_matches = 1},
    /* 13 */ {.matches = m_purge, .n_matches = 1},
};

SN_TEST(route_precedence_table)
{
    static const struct {
        const char *method, *host, *path, *query, *env, *user;
        int want;
    } rows[] = {
        {"GET", "x", "/", NULL, NULL, NULL, 0},
        {"GET", "x", "/apix", NULL, NULL, NULL, 0},
        {"GET", "x", "/api", NULL, NULL, NULL, 1},
        {"GET", "x", "/api/", NULL, NULL, NULL, 1},
        {"GET", "x", "/api/v", NULL, NULL, NULL, 1},
        {"GET", "x", "/api/v1", NULL, NULL, NULL, 3},
        {"GET", "x", "/api/v1/", NULL, NULL, NULL, 2},
        {"GET", "x", "/api/v1/x", NULL, NULL, NULL, 4},
        {"GET", "x", "/api/v1/xy", NULL, NULL, NULL, 2},
        {"GET", "x", "/api/v12", NULL, NULL, NULL, 1},
        {"GET", "a.example", "/api/v1", NULL, NULL, NULL, 6},
        {"GET", "c.example", "/api/v1", NULL, NULL, NULL, 5},
        {"GET", "example", "/api/v1", NULL, NULL, NULL, 3},
        {"GET", "a.example", "/other", NULL, NULL, NULL, 0},
        {"GET", "z.b.example", "/api/q", NULL, NULL, NULL, 7},
        {"GET", "b.example", "/api/q", NULL, NULL, NULL, 5},
        {"PUT", "x", "/m", NULL, NULL, NULL, 8},
        {"GET", "x", "/m", NULL, "canary", "7", 12},
        {"PUT", "x", "/m", "v=2%20b", NULL, NULL, 9},
        {"PUT", "x", "/m", "a=1&v=2+b&v=3", NULL, NULL, 9},
        {"PUT", "x", "/m", "v=3&v=2+b", NULL, NULL, 8},
        {"PUT", "x", "/m", "v=2+b", "canary", NULL, 10},
        {"PUT", "x", "/m", NULL, "canary", "x7", 10},
        {"PUT", "x", "/m", NULL, "canary", "7", 11},
        {"PURGE", "x", "/p/1", NULL, NULL, NULL, 13},
        {"GET", "x", "/p/1", NULL, NULL, NULL, 0},
    };
    struct sn_gw_router *r = NULL;
    T_OK(sn_gw_router_new(rules, SN_COUNT_OF(rules), 1, &r, NULL, NULL));
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%zu: %s %s%s?%s", i, rows[i].method, rows[i].host, rows[i].path,
                    rows[i].query ? rows[i].query : "");
        struct sn_http_header h[2];
        struct sn_http_headers hs = {.ptr = h};
        if (rows[i].env) h[hs.len++] = (struct sn_http_header){S("X-Env"), sn_str(rows[i].env)};
        if (rows[i].user) h[hs.len++] = (struct sn_http_header){S("X-User"), sn_str(rows[i].user)};
        struct sn_gw_lookup q =
            lookup_of(rows[i].method, rows[i].host, rows[i].path, rows[i].query);
        q.headers = &hs;
        T_EQ(route_of(r, q), rows[i].want);
    }
    sn_gw_router_free(r);
}

SN_TEST(route_matched_prefix)
{
    struct sn_gw_router *r = NULL;
    struct sn_gw_hit hit;
    T_OK(sn_gw_router_new(rules, SN_COUNT_OF(rules), 1, &r, NULL, NULL));
    struct sn_gw_lookup q = lookup_of("GET", "", "/api/users/1", NULL);
    T_OK(sn_gw_router_match(r, &q, 0, &hit));
    T_STR(hit.matched, "/api");
    q = lookup_of("GET", "", "/zz", NULL);
    T_OK(sn_gw_router_match(r, &q, 0, &hit));
    T_STR(hit.matched, "");
    sn_gw_router_free(r);
}

SN_TEST(route_bad_regex_is_located)
{
    struct sn_gw_match bad[] = {{.prefix = S("/")}, {.regex = S("/a(b")}};
    struct sn_gw_rule rs[] = {{.matches = m_root, .n_matches = 1},
                              {.matches = bad, .n_matches = 2}};
    struct sn_gw_router *r = NULL;
    size_t rule = 99, match = 99;
    T_EQ(sn_gw_router_new(rs, 2, 1, &r, &rule, &match), SN_E_SYNTAX);
    T_EQ(rule, 1);
    T_EQ(match, 1);
    T_ASSERT(r == NULL);
    T_ASSERT(strstr(sn_diag_str(SN_E_SYNTAX), "offset 4") != NULL);
}

SN_TEST(route_regex_bomb_is_bounded)
{
    struct sn_gw_match m[] = {{.regex = S("/(a+)+b")}};
    struct sn_gw_rule rs[] = {{.matches = m, .n_matches = 1}};
    struct sn_gw_router *r = NULL;
    T_OK(sn_gw_router_new(rs, 1, 1, &r, NULL, NULL));
    char path[64] = "/";
    memset(path + 1, 'a', 60);
    T_EQ(route_of(r, lookup_of("GET", "", path, NULL)), -1);
    T_EQ(route_of(r, lookup_of("GET", "", "/aaab", NULL)), 0);
    sn_gw_router_free(r);
}

/* ---- compiled == naive ---------------------------------------------------------------------- */

static const char *const host_pool[] = {"a.test", "b.test", "x.a.test", "y.x.a.test", "test", ""};
static const char *const host_rule_pool[] = {"a.test",   "b.test", "*.test",
                                             "*.a.test", "*",      "x.a.test"};
static const char *const path_pool[] = {"/",   "/a",     "/a/",  "/a/b",  "/a/bc",
                                        "/ab", "/a/b/c", "/b/a", "/abc/d"};
static const char *const regex_pool[] = {"/a/.*", "/.*b", "/[ab]", "/a/b?c*"};
static const char *const method_pool[] = {"GET", "POST", "PURGE"};
static const char *const value_pool[] = {"1", "2"};

#define PICK(pool) pool[sn_test_rand_below(SN_COUNT_OF(pool))]
#define N_RULES 12

struct gen {
    struct sn_gw_rule rules[N_RULES];
    struct sn_str hosts[N_RULES][2], methods[N_RULES][2][2];
    struct sn_gw_match matches[N_RULES][2];
    struct sn_gw_cond headers[N_RULES][2][2], query[N_RULES][2][1];
    size_t n;
};

static void gen_match(struct gen *g, size_t i, size_t k)
{
    struct sn_gw_match *m = &g->matches[i][k];
    *m = (struct sn_gw_match){0};
    switch (sn_test_rand_below(4)) {
    case 0: m->exact = sn_str(PICK(path_pool)); break;
    case 1: m->regex = sn_str(PICK(regex_pool)); break;
    case 2: m->prefix = sn_str(PICK(path_pool)); break;
    default: break;
    }
    m->n_methods = sn_test_rand_below(3);
    m->methods = g->methods[i][k];
    for (size_t x = 0; x < m->n_methods; x++) m->methods[x] = sn_str(PICK(method_pool));
    m->n_headers = sn_test_rand_below(3);
    m->headers = g->headers[i][k];
    for (size_t x = 0; x < m->n_headers; x++) {
        m->headers[x] = (struct sn_gw_cond){.name = x ? S("h1") : S("h0")};
        if (sn_test_rand_below(2)) m->headers[x].exact = sn_str(PICK(value_pool));
    }
    m->n_query = sn_test_rand_below(2);
    m->query = g->query[i][k];
    if (m->n_query) m->query[0] = (struct sn_gw_cond){S("q"), sn_str(PICK(value_pool)), {0}};
}

static void gen_rules(struct gen *g)
{
    g->n = 1 + sn_test_rand_below(N_RULES);
    for (size_t i = 0; i < g->n; i++) {
        struct sn_gw_rule *r = &g->rules[i];
        *r = (struct sn_gw_rule){.hosts = g->hosts[i], .matches = g->matches[i]};
        r->n_hosts = sn_test_rand_below(3);
        for (size_t h = 0; h < r->n_hosts; h++) r->hosts[h] = sn_str(PICK(host_rule_pool));
        r->n_matches = sn_test_rand_below(3);
        for (size_t k = 0; k < r->n_matches; k++) gen_match(g, i, k);
    }
}

struct rank {
    size_t host, path_kind, path, method, headers, query, order;
};

static bool naive_host(struct sn_str pat, struct sn_str host, size_t *rank)
{
    *rank = 0;
    if (sn_str_eqc(pat, "*")) return true;
    if (pat.ptr[0] != '*') {
        *rank = 100000;
        return sn_str_eq(pat, host);
    }
    struct sn_str suffix = sn_str_from(pat, 1);
    *rank = pat.len;
    return host.len > suffix.len && sn_str_ends(host, suffix);
}

static bool naive_regex(struct sn_str pat, struct sn_str s)
{
    char p[64], t[256];
    snprintf(p, sizeof(p), "^(%.*s)$", SN_STR_ARG(pat));
    snprintf(t, sizeof(t), "%.*s", SN_STR_ARG(s));
    regex_t re;
    T_EQ(regcomp(&re, p, REG_EXTENDED | REG_NOSUB), 0);
    bool ok = regexec(&re, t, 0, NULL, 0) == 0;
    regfree(&re);
    return ok;
}

static bool naive_path(const struct sn_gw_match *m, struct sn_str path, struct rank *k)
{
    if (m->exact.ptr) {
        k->path_kind = 3;
        return sn_str_eq(m->exact, path);
    }
    if (m->regex.ptr) {
        k->path_kind = 2;
        return naive_regex(m->regex, path);
    }
    k->path_kind = 1;
    struct sn_str p = m->prefix;
    while (p.len && p.ptr[p.len - 1] == '/') p.len--;
    k->path = p.len;
    return sn_str_starts(path, p) && (path.len == p.len || path.ptr[p.len] == '/');
}

static bool naive_rest(const struct sn_gw_match *m, const struct sn_gw_lookup *q, struct rank *k)
{
    k->method = m->n_methods ? 1 : 0;
    k->headers = m->n_headers;
    k->query = m->n_query;
    bool ok = m->n_methods == 0;
    for (size_t i = 0; i < m->n_methods; i++) ok |= sn_str_eq(m->methods[i], q->method_text);
    for (size_t i = 0; ok && i < m->n_headers; i++) {
        bool any = false;
        for (unsigned h = 0; h < q->headers->len; h++)
            any |= sn_str_eq(q->headers->ptr[h].name, m->headers[i].name) &&
                   (!m->headers[i].exact.ptr ||
                    sn_str_eq(q->headers->ptr[h].value, m->headers[i].exact));
        ok = any;
    }
    if (ok && m->n_query)
        ok = q->query.len == 3 && sn_str_eq(sn_str_from(q->query, 2), m->query[0].exact);
    return ok;
}

static int rank_cmp(const struct rank *a, const struct rank *b)
{
#define BY(f) \
    if (a->f != b->f) return a->f > b->f ? 1 : -1
    BY(host);
    BY(path_kind);
    BY(path);
    BY(method);
    BY(headers);
    BY(query);
#undef BY
    return a->order < b->order ? 1 : -1;
}

static int naive_route(const struct gen *g, const struct sn_gw_lookup *q)
{
    static const struct sn_gw_match everything = {0};
    struct rank best = {0};
    int found = -1;
    size_t order = 0;
    for (size_t i = 0; i < g->n; i++) {
        const struct sn_gw_rule *r = &g->rules[i];
        for (size_t k = 0; k < (r->n_matches ? r->n_matches : 1); k++, order++) {
            for (size_t h = 0; h < (r->n_hosts ? r->n_hosts : 1); h++) {
                const struct sn_gw_match *m = r->n_matches ? &r->matches[k] : &everything;
                struct rank rank = {.order = order};
                if (!naive_host(r->n_hosts ? r->hosts[h] : S("*"), q->host, &rank.host) ||
                    !naive_path(m, q->path, &rank) || !naive_rest(m, q, &rank))
                    continue;
                if (found < 0 || rank_cmp(&rank, &best) > 0) {
                    best = rank;
                    found = (int)i;
                }
            }
        }
    }
    return found;
}

SN_TEST_SLOW(route_compiled_equals_naive, 60)
{
    unsigned cases = sn_test_cases(400), matched = 0;
    for (unsigned c = 0; c < cases; c++) {
        static struct gen g;
        gen_rules(&g);
        struct sn_gw_router *r = NULL;
        T_OK(sn_gw_router_new(g.rules, g.n, 1, &r, NULL, NULL));
        for (int i = 0; i < 60; i++) {
            struct sn_http_header h[2];
            struct sn_http_headers hs = {.ptr = h};
            if (sn_test_rand_below(2))
                h[hs.len++] = (struct sn_http_header){S("h0"), sn_str(PICK(value_pool))};
            if (sn_test_rand_below(2))
                h[hs.len++] = (struct sn_http_header){S("h1"), sn_str(PICK(value_pool))};
            struct sn_gw_lookup q = lookup_of(PICK(method_pool), PICK(host_pool), PICK(path_pool),
                                              sn_test_rand_below(2) ? "q=1" : NULL);
            q.headers = &hs;
            int want = naive_route(&g, &q);
            matched += want >= 0;
            sn_test_row("case %u.%d: %s %s%s", c, i, q.method_text.ptr, q.host.ptr, q.path.ptr);
            T_EQ(route_of(r, q), want);
        }
        sn_gw_router_free(r);
    }
    /* A generator that never matches would prove nothing. */
    T_ASSERT(matched > cases * 10);
}

/* ---- normal forms --------------------------------------------------------------------------- */

SN_TEST(route_path_normal_form)
{
    static const struct {
        const char *in, *want; /* NULL = refused */
    } rows[] = {
        {"/", "/"},
        {"/a/b", "/a/b"},
        {"/a//b", "/a//b"},
        {"/a/./b", "/a/b"},
        {"/a/../b", "/b"},
        {"/a/b/..", "/a/"},
        {"/a/b/.", "/a/b/"},
        {"/..", NULL},
        {"/a/../..", NULL},
        {"/%2e%2e/x", NULL},
        {"/a/%2E%2e/b", "/b"},
        {"/%61dmin", "/admin"},
        {"/a%2fb", "/a%2Fb"},
        {"/a%2", NULL},
        {"/a%", NULL},
        {"/a%zz", NULL},
        {"/a%00", NULL},
        {"/%7Eme", "/~me"},
        {"/.a/..b", "/.a/..b"},
        {"/...", "/..."},
        {"a", NULL},
        {"", NULL},
        {"/a\x01", NULL},
        {"/a b", NULL},
        {"/.", "/"},
        {"/%3F", "/%3F"},
        {"/\xc3\xa9.x/./y", "/\xc3\xa9.x/y"},
        {"/%25%32%65", "/%252e"},
    };
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].in);
        struct sn_str got = {0};
        int r = sn_gw_path_normalize(&a, sn_str(rows[i].in), &got);
        T_ASSERT((r == 0) == (rows[i].want != NULL));
        if (r == 0) T_STR(got, rows[i].want);
    }
    sn_arena_done(&a);
}

SN_TEST(route_path_normal_form_is_idempotent)
{
    static const char alphabet[] = "/.%2eEaF/";
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    for (unsigned c = 0; c < sn_test_cases(20000); c++) {
        char in[24] = "/";
        size_t n = 1 + sn_test_rand_below(20);
        for (size_t i = 1; i < n; i++) in[i] = alphabet[sn_test_rand_below(sizeof(alphabet) - 1)];
        struct sn_str once = {0}, twice = {0};
        sn_test_row("%s", in);
        if (sn_gw_path_normalize(&a, sn_str_of(in, n), &once) < 0) continue;
        T_ASSERT(once.ptr[0] == '/');
        T_OK(sn_gw_path_normalize(&a, once, &twice));
        T_ASSERTF(sn_str_eq(once, twice), "%.*s became %.*s", SN_STR_ARG(once), SN_STR_ARG(twice));
        T_ASSERT(sn_str_find(once, S("/../")) < 0 && sn_str_find(once, S("/./")) < 0);
        sn_arena_reset(&a);
    }
    sn_arena_done(&a);
}

SN_TEST(route_host_normal_form)
{
    static const struct {
        const char *in, *want;
    } rows[] = {
        {"Example.COM:8080", "example.com"},
        {"a.b.", "a.b"},
        {"a:", "a"},
        {"[::1]:80", "[::1]"},
        {"[::1]", "[::1]"},
        {"[::1]x", NULL},
        {"a:8x", NULL},
        {"", ""},
        {"A", "a"},
        {"a.:1", "a"},
    };
    char buf[SN_GW_HOST_MAX + 1];
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_str got = {0};
        sn_test_row("%s", rows[i].in);
        int r = sn_gw_host_normalize(sn_str(rows[i].in), buf, &got);
        T_ASSERT((r == 0) == (rows[i].want != NULL));
        if (r == 0) T_STR(got, rows[i].want);
    }
}
