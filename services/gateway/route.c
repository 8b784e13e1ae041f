/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/route.c - the router's compiler and matcher. See route.h for the order of precedence. */
#include "gateway/route.h"

#include <stdlib.h>

#include "core/alloc.h"
#include "core/map.h"
#include "core/status.h"
#include "core/vec.h"

struct cond {
    struct sn_str name, exact;
    const struct sn_gw_regex *re; /* else exact, else presence */
};

/* One way into a rule: one of its hosts combined with one of its matches. Entries of the same path
 * and host form a list sorted by what is left of the precedence. */
struct entry {
    struct entry *next;
    uint32_t rule, order;
    uint32_t method_mask; /* 1 << enum sn_http_method; 0 and no extra methods = any */
    uint32_t n_extra, n_headers, n_query;
    const struct sn_str *extra_methods;
    struct cond *headers, *query;
    const struct sn_gw_regex *path_re;
};

/* A radix tree over prefixes. `up` leads to the nearest ancestor that holds entries, so a match
 * walks down once and then visits the fitting prefixes from long to short. */
struct node {
    struct sn_str label;
    uint32_t depth; /* bytes of the prefix that ends here */
    uint32_t n_children;
    struct node **children;
    struct entry *entries;
    const struct node *up;
};

struct host_table {
    struct sn_map exact; /* path -> struct entry list */
    struct entry *regex;
    struct node *prefix;
};

struct sn_gw_router {
    struct sn_arena arena;
    struct sn_map hosts; /* "a.example" -> host_table */
    struct sn_map wilds; /* ".example" -> host_table */
    struct host_table any;
    bool has_hosts, has_wilds;
    SN_VEC(struct host_table *) tables;
    SN_VEC(struct sn_gw_regex *) regexes;
    struct sn_gw_regex_ctx **ctx; /* one per worker; NULL without expressions */
    unsigned workers;
};

static bool entry_before(const struct entry *a, const struct entry *b)
{
    bool am = a->method_mask || a->n_extra, bm = b->method_mask || b->n_extra;
    if (am != bm) return am;
    if (a->n_headers != b->n_headers) return a->n_headers > b->n_headers;
    if (a->n_query != b->n_query) return a->n_query > b->n_query;
    return a->order < b->order;
}

static void entry_insert(struct entry **list, struct entry *e)
{
    while (*list && entry_before(*list, e)) list = &(*list)->next;
    e->next = *list;
    *list = e;
}

/* ---- compiling ------------------------------------------------------------------------------ */

static int regex_add(struct sn_gw_router *r, struct sn_str pattern, const struct sn_gw_regex **ret)
{
    struct sn_gw_regex *re = NULL;
    int rc = sn_gw_regex_new(pattern, &re);
    if (rc < 0) return rc;
    rc = sn_vec_push(&r->regexes, re);
    if (rc < 0) {
        sn_gw_regex_free(re);
        return rc;
    }
    *ret = re;
    return 0;
}

static int conds_build(struct sn_gw_router *r, const struct sn_gw_cond *in, size_t n,
                       struct cond **ret, uint32_t *ret_n)
{
    struct cond *out = SN_ARENA_ARRAY(&r->arena, struct cond, n ? n : 1);
    if (!out) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        out[i].name = in[i].name;
        out[i].exact = in[i].exact;
        if (in[i].exact.ptr || !in[i].regex.ptr) continue;
        int rc = regex_add(r, in[i].regex, &out[i].re);
        if (rc < 0) return rc;
    }
    *ret = out;
    *ret_n = (uint32_t)n;
    return 0;
}

static struct host_table *table_add(struct sn_gw_router *r, struct sn_map *map, struct sn_str key)
{
    struct host_table *t = sn_map_get(map, key);
    if (t) return t;
    t = SN_ARENA_NEW(&r->arena, struct host_table);
    if (!t) return NULL;
    sn_map_init(&t->exact, 0, false);
    if (sn_vec_push(&r->tables, t) < 0 || sn_map_put(map, key, t, NULL) < 0) return NULL;
    return t;
}

static struct host_table *table_for(struct sn_gw_router *r, struct sn_str host)
{
    if (!host.len || sn_str_eqc(host, "*")) return &r->any;
    bool wild = host.len > 2 && host.ptr[0] == '*' && host.ptr[1] == '.';
    struct sn_str key = sn_arena_str(&r->arena, wild ? sn_str_from(host, 1) : host);
    if (!key.ptr) return NULL;
    for (size_t i = 0; i < key.len; i++) ((char *)key.ptr)[i] = sn_ascii_lower(key.ptr[i]);
    if (key.len > 1 && key.ptr[key.len - 1] == '.') key.len--;
    *(wild ? &r->has_wilds : &r->has_hosts) = true;
    return table_add(r, wild ? &r->wilds : &r->hosts, key);
}

static struct node *node_new(struct sn_gw_router *r, struct sn_str label, size_t depth)
{
    struct node *n = SN_ARENA_NEW(&r->arena, struct node);
    if (!n) return NULL;
    n->label = label;
    n->depth = (uint32_t)depth;
    return n;
}

static int node_add_child(struct sn_gw_router *r, struct node *parent, struct node *child)
{
    struct node **c = SN_ARENA_ARRAY(&r->arena, struct node *, parent->n_children + 1);
    if (!c) return SN_E_NOMEM;
    if (parent->n_children) memcpy(c, parent->children, parent->n_children * sizeof(*c));
    c[parent->n_children++] = child;
    parent->children = c;
    return 0;
}

/* Inserts `rest` of a prefix below `n`, splitting an edge where two prefixes part. */
static struct node *node_insert(struct sn_gw_router *r, struct node *n, struct sn_str rest)
{
    while (rest.len) {
        struct node **slot = NULL;
        for (uint32_t i = 0; i < n->n_children && !slot; i++)
            if (n->children[i]->label.ptr[0] == rest.ptr[0]) slot = &n->children[i];
        if (!slot) {
            struct node *leaf = node_new(r, rest, n->depth + rest.len);
            return leaf && node_add_child(r, n, leaf) == 0 ? leaf : NULL;
        }
        struct node *child = *slot;
        size_t common = 0;
        while (common < rest.len && common < child->label.len &&
               rest.ptr[common] == child->label.ptr[common])
            common++;
        if (common < child->label.len) {
            struct node *mid = node_new(r, sn_str_sub(child->label, 0, common), n->depth + common);
            if (!mid || node_add_child(r, mid, child) < 0) return NULL;
            child->label = sn_str_from(child->label, common);
            *slot = mid;
            child = mid;
        }
        n = child;
        rest = sn_str_from(rest, common);
    }
    return n;
}

static void node_link(struct node *n, const struct node *up)
{
    n->up = up;
    /* Depth of recursion: one frame per branching point on a path of at most SN_GW_PATH_MAX; the
     * configuration's own depth, compiled off the fibers. */
    for (uint32_t i = 0; i < n->n_children; i++) node_link(n->children[i], n->entries ? n : up);
}

static struct sn_str prefix_trim(struct sn_str p)
{
    while (p.len && p.ptr[p.len - 1] == '/') p.len--;
    return p;
}

static int entry_place(struct sn_gw_router *r, struct host_table *t, const struct sn_gw_match *m,
                       const struct entry *proto)
{
    struct entry *e = sn_arena_alloc(&r->arena, sizeof(*e));
    if (!e) return SN_E_NOMEM;
    *e = *proto;
    if (m && m->exact.ptr) {
        struct entry *list = sn_map_get(&t->exact, m->exact);
        entry_insert(&list, e);
        return sn_map_put(&t->exact, m->exact, list, NULL) < 0 ? SN_E_NOMEM : 0;
    }
    if (m && m->regex.ptr) {
        entry_insert(&t->regex, e);
        return 0;
    }
    if (!t->prefix) t->prefix = node_new(r, SN_STR(""), 0);
    if (!t->prefix) return SN_E_NOMEM;
    struct sn_str prefix = m ? prefix_trim(m->prefix) : SN_STR("");
    struct node *n = node_insert(r, t->prefix, prefix);
    if (!n) return SN_E_NOMEM;
    entry_insert(&n->entries, e);
    return 0;
}

static int methods_build(struct sn_gw_router *r, const struct sn_gw_match *m, struct entry *e)
{
    struct sn_str *extra = SN_ARENA_ARRAY(&r->arena, struct sn_str, m->n_methods + 1);
    if (!extra) return SN_E_NOMEM;
    for (size_t i = 0; i < m->n_methods; i++) {
        enum sn_http_method k = sn_http_method_of(m->methods[i]);
        if (k == SN_HTTP_OTHER)
            extra[e->n_extra++] = m->methods[i];
        else
            e->method_mask |= 1u << k;
    }
    e->extra_methods = extra;
    return 0;
}

static int match_compile(struct sn_gw_router *r, const struct sn_gw_rule *rule,
                         const struct sn_gw_match *m, uint32_t rule_index, uint32_t order)
{
    struct entry proto = {.rule = rule_index, .order = order};
    int rc = 0;
    if (m) {
        rc = methods_build(r, m, &proto);
        if (rc == 0)
            rc = conds_build(r, m->headers, m->n_headers, &proto.headers, &proto.n_headers);
        if (rc == 0) rc = conds_build(r, m->query, m->n_query, &proto.query, &proto.n_query);
        if (rc == 0 && m->regex.ptr) rc = regex_add(r, m->regex, &proto.path_re);
    }
    size_t n_hosts = rule->n_hosts ? rule->n_hosts : 1;
    for (size_t h = 0; rc == 0 && h < n_hosts; h++) {
        struct host_table *t = table_for(r, rule->n_hosts ? rule->hosts[h] : SN_STR("*"));
        rc = t ? entry_place(r, t, m, &proto) : SN_E_NOMEM;
    }
    return rc;
}

static int ctx_build(struct sn_gw_router *r)
{
    if (!r->regexes.len) return 0;
    r->ctx = SN_NEW_ARRAY(struct sn_gw_regex_ctx *, r->workers);
    if (!r->ctx) return SN_E_NOMEM;
    for (unsigned i = 0; i < r->workers; i++)
        if (!(r->ctx[i] = sn_gw_regex_ctx_new())) return SN_E_NOMEM;
    return 0;
}

int sn_gw_router_new(const struct sn_gw_rule *rules, size_t n, unsigned workers,
                     struct sn_gw_router **ret, size_t *ret_rule, size_t *ret_match)
{
    struct sn_gw_router *r = SN_NEW(struct sn_gw_router);
    if (!r) return SN_E_NOMEM;
    sn_arena_init(&r->arena, NULL, 0);
    sn_map_init(&r->hosts, 0, false);
    sn_map_init(&r->wilds, 0, false);
    sn_map_init(&r->any.exact, 0, false);
    r->workers = workers;
    uint32_t order = 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        size_t n_matches = rules[i].n_matches ? rules[i].n_matches : 1;
        for (size_t k = 0; rc == 0 && k < n_matches; k++) {
            const struct sn_gw_match *m = rules[i].n_matches ? &rules[i].matches[k] : NULL;
            rc = match_compile(r, &rules[i], m, (uint32_t)i, order++);
            if (rc < 0 && ret_rule) *ret_rule = i;
            if (rc < 0 && ret_match) *ret_match = k;
        }
    }
    if (rc == 0) rc = ctx_build(r);
    if (rc < 0) {
        sn_gw_router_free(r);
        return rc;
    }
    if (r->any.prefix) node_link(r->any.prefix, NULL);
    SN_VEC_EACH (&r->tables, t)
        if ((*t)->prefix) node_link((*t)->prefix, NULL);
    *ret = r;
    return 0;
}

void sn_gw_router_free(struct sn_gw_router *r)
{
    if (!r) return;
    SN_VEC_EACH (&r->tables, t) sn_map_done(&(*t)->exact);
    SN_VEC_EACH (&r->regexes, re) sn_gw_regex_free(*re);
    for (unsigned i = 0; r->ctx && i < r->workers; i++) sn_gw_regex_ctx_free(r->ctx[i]);
    sn_free(r->ctx);
    sn_vec_done(&r->tables);
    sn_vec_done(&r->regexes);
    sn_map_done(&r->any.exact);
    sn_map_done(&r->hosts);
    sn_map_done(&r->wilds);
    sn_arena_done(&r->arena);
    sn_free(r);
}

/* ---- matching ------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = sn_ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Query values are compared decoded ('+' is a space); longer ones than this never match. */
#define QUERY_VALUE_MAX 512u

static bool query_decode(struct sn_str raw, char buf[QUERY_VALUE_MAX], struct sn_str *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < raw.len; i++) {
        if (n == QUERY_VALUE_MAX) return false;
        char c = raw.ptr[i];
        if (c == '+') c = ' ';
        if (c == '%' && i + 2 < raw.len && hex_digit(raw.ptr[i + 1]) >= 0 &&
            hex_digit(raw.ptr[i + 2]) >= 0) {
            c = (char)(hex_digit(raw.ptr[i + 1]) << 4 | hex_digit(raw.ptr[i + 2]));
            i += 2;
        }
        buf[n++] = c;
    }
    *ret = sn_str_of(buf, n);
    return true;
}

static bool cond_holds(const struct cond *c, struct sn_str value, struct sn_gw_regex_ctx *ctx)
{
    if (c->exact.ptr) return sn_str_eq(value, c->exact);
    return c->re ? sn_gw_regex_match(c->re, ctx, value) : true;
}

/* A header that comes several times fits if one of its fields does. */
static bool header_holds(const struct cond *c, const struct sn_http_headers *h,
                         struct sn_gw_regex_ctx *ctx)
{
    for (unsigned i = 0; h && i < h->len; i++)
        if (h->ptr[i].name.len == c->name.len && sn_str_ieq(h->ptr[i].name, c->name) &&
            cond_holds(c, h->ptr[i].value, ctx))
            return true;
    return false;
}

/* Of a parameter that comes several times the first one counts (Gateway API). */
static bool query_holds(const struct cond *c, struct sn_str query, struct sn_gw_regex_ctx *ctx)
{
    char name_buf[QUERY_VALUE_MAX], value_buf[QUERY_VALUE_MAX];
    struct sn_str name, value;
    while (query.ptr) {
        struct sn_str raw = sn_str_cut(&query, '&');
        struct sn_str raw_name = sn_str_cut(&raw, '=');
        if (!query_decode(raw_name, name_buf, &name) || !sn_str_eq(name, c->name)) continue;
        return query_decode(raw, value_buf, &value) && cond_holds(c, value, ctx);
    }
    return false;
}

static bool entry_accepts(const struct entry *e, const struct sn_gw_lookup *q,
                          struct sn_gw_regex_ctx *ctx)
{
    if ((e->method_mask || e->n_extra) && !(e->method_mask >> q->method & 1)) {
        bool found = false;
        for (uint32_t i = 0; i < e->n_extra && !found; i++)
            found = sn_str_eq(e->extra_methods[i], q->method_text);
        if (!found) return false;
    }
    for (uint32_t i = 0; i < e->n_headers; i++)
        if (!header_holds(&e->headers[i], q->headers, ctx)) return false;
    for (uint32_t i = 0; i < e->n_query; i++)
        if (!query_holds(&e->query[i], q->query, ctx)) return false;
    return !e->path_re || sn_gw_regex_match(e->path_re, ctx, q->path);
}

static bool list_match(const struct entry *e, const struct sn_gw_lookup *q,
                       struct sn_gw_regex_ctx *ctx, struct sn_str matched, struct sn_gw_hit *ret)
{
    for (; e; e = e->next)
        if (entry_accepts(e, q, ctx)) {
            *ret = (struct sn_gw_hit){.rule = e->rule, .matched = matched};
            return true;
        }
    return false;
}

static const struct node *prefix_walk(const struct node *n, struct sn_str path)
{
    const struct node *last = n->entries ? n : NULL;
    size_t at = 0;
    while (at < path.len) {
        const struct node *next = NULL;
        for (uint32_t i = 0; i < n->n_children && !next; i++)
            if (n->children[i]->label.ptr[0] == path.ptr[at]) next = n->children[i];
        if (!next || !sn_str_starts(sn_str_from(path, at), next->label)) break;
        at += next->label.len;
        n = next;
        if (n->entries) last = n;
    }
    return last;
}

static bool table_match(const struct host_table *t, const struct sn_gw_lookup *q,
                        struct sn_gw_regex_ctx *ctx, struct sn_gw_hit *ret)
{
    if (t->exact.len && list_match(sn_map_get(&t->exact, q->path), q, ctx, SN_STR(""), ret))
        return true;
    if (list_match(t->regex, q, ctx, SN_STR(""), ret)) return true;
    if (!t->prefix) return false;
    for (const struct node *n = prefix_walk(t->prefix, q->path); n; n = n->up) {
        /* "/ab" starts with "/a" but is not below it. */
        if (n->depth < q->path.len && q->path.ptr[n->depth] != '/') continue;
        if (list_match(n->entries, q, ctx, sn_str_sub(q->path, 0, n->depth), ret)) return true;
    }
    return false;
}

int sn_gw_router_match(const struct sn_gw_router *r, const struct sn_gw_lookup *q, unsigned worker,
                       struct sn_gw_hit *ret)
{
    struct sn_gw_regex_ctx *ctx = NULL;
    if (r->ctx) {
        SN_ASSERT(worker < r->workers);
        ctx = r->ctx[worker];
    }
    if (r->has_hosts) {
        const struct host_table *t = sn_map_get(&r->hosts, q->host);
        if (t && table_match(t, q, ctx, ret)) return 0;
    }
    /* "*.b" takes one or more labels: a.b, x.a.b; not b itself. Longest suffix first. */
    for (size_t i = 1; r->has_wilds && i < q->host.len; i++) {
        if (q->host.ptr[i] != '.') continue;
        const struct host_table *t = sn_map_get(&r->wilds, sn_str_from(q->host, i));
        if (t && table_match(t, q, ctx, ret)) return 0;
    }
    return table_match(&r->any, q, ctx, ret) ? 0 : SN_E_NOT_FOUND;
}

/* ---- normal forms --------------------------------------------------------------------------- */

int sn_gw_host_normalize(struct sn_str a, char buf[SN_GW_HOST_MAX + 1], struct sn_str *ret)
{
    struct sn_str host = a;
    ssize_t end = a.len && a.ptr[0] == '[' ? sn_str_chr(a, ']') : -1;
    struct sn_str rest = end >= 0 ? sn_str_from(a, (size_t)end + 1) : a;
    ssize_t colon = sn_str_chr(rest, ':');
    if (end >= 0) host = sn_str_sub(a, 0, (size_t)end + 1);
    if (end >= 0 && rest.len && colon != 0) return SN_E_SYNTAX;
    if (colon >= 0) {
        struct sn_str port = sn_str_from(rest, (size_t)colon + 1);
        if (end < 0) host = sn_str_sub(a, 0, (size_t)colon);
        for (size_t i = 0; i < port.len; i++)
            if (port.ptr[i] < '0' || port.ptr[i] > '9') return SN_E_SYNTAX;
    }
    if (host.len > 1 && host.ptr[host.len - 1] == '.') host.len--;
    if (host.len > SN_GW_HOST_MAX) return SN_E_SYNTAX;
    bool upper = false;
    for (size_t i = 0; i < host.len; i++) upper |= host.ptr[i] >= 'A' && host.ptr[i] <= 'Z';
    if (upper) {
        for (size_t i = 0; i < host.len; i++) buf[i] = sn_ascii_lower(host.ptr[i]);
        host.ptr = buf;
    }
    *ret = host;
    return 0;
}

static bool unreserved(int c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* Decodes escaped unreserved characters into out (at most path.len bytes). */
static int path_unescape(struct sn_str path, char *out, size_t *ret_n)
{
    static const char upper[] = "0123456789ABCDEF";
    size_t n = 0;
    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];
        if (c != '%') {
            out[n++] = c;
            continue;
        }
        int hi = i + 2 < path.len ? hex_digit(path.ptr[i + 1]) : -1;
        int lo = i + 2 < path.len ? hex_digit(path.ptr[i + 2]) : -1;
        if (hi < 0 || lo < 0 || (hi == 0 && lo == 0)) return SN_E_SYNTAX;
        i += 2;
        if (unreserved(hi << 4 | lo)) {
            out[n++] = (char)(hi << 4 | lo);
        } else {
            out[n++] = '%';
            out[n++] = upper[hi];
            out[n++] = upper[lo];
        }
    }
    *ret_n = n;
    return 0;
}

/* Removes dot segments in place; out starts with '/'. */
static int path_remove_dots(char *p, size_t *len)
{
    size_t n = *len, w = 0, i = 0;
    while (i < n) { /* p[i] is the '/' that begins a segment */
        size_t end = i + 1;
        while (end < n && p[end] != '/') end++;
        size_t seg = end - i - 1;
        bool last = end == n;
        if (seg == 1 && p[i + 1] == '.') {
            if (last) p[w++] = '/';
        } else if (seg == 2 && p[i + 1] == '.' && p[i + 2] == '.') {
            if (w == 0) return SN_E_SYNTAX;
            while (w > 0 && p[--w] != '/') {}
            if (last) p[w++] = '/';
        } else {
            memmove(p + w, p + i, end - i);
            w += end - i;
        }
        i = end;
    }
    *len = w ? w : 1;
    if (!w) p[0] = '/';
    return 0;
}

int sn_gw_path_normalize(struct sn_arena *a, struct sn_str path, struct sn_str *ret)
{
    if (!path.len || path.ptr[0] != '/') return SN_E_SYNTAX;
    if (path.len > SN_GW_PATH_MAX) return SN_E_TOO_LARGE;
    bool change = false;
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.ptr[i];
        if (c <= 0x20 || c == 0x7f) return SN_E_SYNTAX;
        change |= c == '%' || (c == '.' && path.ptr[i - 1] == '/');
    }
    if (!change) {
        *ret = path;
        return 0;
    }
    char *out = sn_arena_alloc(a, path.len);
    if (!out) return SN_E_NOMEM;
    size_t n = 0;
    int r = path_unescape(path, out, &n);
    if (r == 0) r = path_remove_dots(out, &n);
    if (r < 0) return r;
    *ret = sn_str_of(out, n);
    return 0;
}
