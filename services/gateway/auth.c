/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/auth.c - tokens: where they are found, what they must say, and what of them upstreams are
 * told. kit/jwt.h verifies. Keys from a URL are followed by a fiber for as long as a snapshot uses
 * them. Source: RFC 6750 (bearer tokens). */
#include "core/alloc.h"
#include "core/enc.h"
#include "fiber/os.h"
#include "gateway/gw_int.h"
#include "kit/jwt.h"

#define SECRET_BYTES_MAX 4096u
#define CLAIM_BYTES_MAX 4096u /* of a header made of a claim */

/* The keys of a provider; those of a URL live on through reloads. */
struct gw_keys {
    uint32_t refs;
    struct sn_buf key; /* the settings, as bytes */
    struct sn_jwt_store *store;
    struct sn_http_client *http;
    struct sn_str url; /* in `key`; empty = none to follow */
    int64_t refresh;
    bool follows;
    struct sn_fiber *fiber; /* its fiber, once it runs */
    struct sn_event over;
};

/* ---- keys -------------------------------------------------------------------------------------
 */

void gw_keys_unref(struct gw_keys *k)
{
    if (!k || __atomic_sub_fetch(&k->refs, 1, __ATOMIC_ACQ_REL)) return;
    if (k->follows) {
        struct sn_fiber *f;
        while (!(f = __atomic_load_n(&k->fiber, __ATOMIC_ACQUIRE)) && !sn_event_is_set(&k->over))
            if (sn_sleep(SN_MS) < 0) sn_yield();
        if (!sn_event_is_set(&k->over)) sn_fiber_cancel(f);
        while (!sn_event_is_set(&k->over))
            if (sn_sleep(SN_MS) < 0) sn_yield();
    }
    if (k->store) sn_jwt_store_free(k->store);
    sn_http_client_free(k->http);
    sn_buf_done(&k->key);
    sn_free(k);
}

static int follow_main(void *arg)
{
    struct gw_keys *k = arg;
    __atomic_store_n(&k->fiber, sn_self(), __ATOMIC_RELEASE);
    (void)!sn_jwt_store_follow(k->store, k->http, k->url, k->refresh);
    sn_event_set(&k->over);
    return 0;
}

void gw_auth_start(struct sn_gateway *gw, struct gw_snap *s)
{
    for (size_t i = 0; i < s->conf->n_jwt_providers; i++) {
        struct gw_keys *k = s->keys[i];
        if (!k->url.len || k->follows) continue;
        k->follows = true;
        if (!gw_go(gw, "gateway keys", follow_main, k)) k->follows = false;
    }
}

static int file_keys(struct sn_arena *a, const struct sn_gw_conf_provider *c,
                     struct sn_jwt_keys *to)
{
    bool secret = c->secret_file.len > 0;
    struct sn_str path = sn_arena_str(a, secret ? c->secret_file : c->jwks_file), text;
    if (!path.ptr) return SN_E_NOMEM;
    int r = sn_file_read(a, path.ptr, secret ? SECRET_BYTES_MAX : SN_JWKS_BYTES_MAX, &text);
    if (r < 0) return r;
    if (!secret) {
        r = sn_jwt_keys_add_jwks(to, text);
        if (r == 0)
            return sn_fail(SN_E_INVALID_ARGUMENT, "%s: no key that can verify a token", path.ptr);
        return r < 0 ? sn_wrap(r, "%s", path.ptr) : 0;
    }
    while (text.len && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r'))
        text.len--;
    static const enum sn_jwt_alg algs[] = {SN_JWT_HS256, SN_JWT_HS384, SN_JWT_HS512};
    r = sn_jwt_keys_add_secret(to, algs[c->algorithm], text, (struct sn_str){0});
    return r < 0 ? sn_wrap(r, "%s", path.ptr) : 0;
}

/* Keys are parsed by OpenSSL, which wants more stack than a fiber has. */
struct keys_job {
    const struct sn_gw_conf_provider *c;
    struct sn_jwt_keys *keys;
    int result;
    char why[SN_DIAG_BYTES];
};

static int keys_read(void *arg)
{
    struct keys_job *j = arg;
    struct sn_arena a;
    sn_arena_init(&a, NULL, 4 * SN_JWKS_BYTES_MAX);
    j->result = file_keys(&a, j->c, j->keys);
    if (j->result < 0) sn_diag_format(j->result, j->why, sizeof(j->why));
    sn_arena_done(&a);
    return 0;
}

static int keys_load(const struct sn_gw_conf_provider *c, struct sn_jwt_keys **ret)
{
    struct keys_job *j = SN_NEW(struct keys_job);
    if (!j) return SN_E_NOMEM;
    j->c = c;
    j->keys = sn_jwt_keys_new();
    int r = j->keys ? sn_offload(keys_read, j) : SN_E_NOMEM;
    if (r >= 0 && j->result < 0) r = sn_fail(j->result, "%s", j->why);
    if (r < 0)
        sn_jwt_keys_unref(j->keys);
    else
        *ret = j->keys;
    sn_free(j);
    return r < 0 ? r : 0;
}

static int keys_new(const struct sn_gw_conf_provider *c, struct gw_keys **ret)
{
    struct gw_keys *k = SN_NEW(struct gw_keys);
    if (!k) return SN_E_NOMEM;
    k->refs = 1;
    k->refresh = c->refresh;
    struct sn_jwt_keys *keys = NULL;
    int r = 0;
    if (c->jwks_url.len) {
        sn_buf_str(&k->key, c->jwks_url);
        r = k->key.err < 0 ? k->key.err
                           : sn_http_client_new(&(struct sn_http_client_opts){0}, &k->http);
        k->url = sn_buf_view(&k->key);
    } else {
        r = keys_load(c, &keys);
    }
    k->store = r < 0 ? NULL : sn_jwt_store_new(keys);
    if (r == 0 && !k->store) {
        sn_jwt_keys_unref(keys);
        r = SN_E_NOMEM;
    }
    if (r < 0) {
        gw_keys_unref(k);
        return r;
    }
    *ret = k;
    return 0;
}

int gw_keys_get(const struct gw_snap *old, const struct sn_gw_conf_provider *c,
                struct gw_keys **ret)
{
    for (size_t i = 0; old && c->jwks_url.len && i < old->conf->n_jwt_providers; i++) {
        struct gw_keys *k = old->keys[i];
        if (!sn_str_eq(k->url, c->jwks_url) || k->refresh != c->refresh) continue;
        __atomic_add_fetch(&k->refs, 1, __ATOMIC_RELAXED);
        *ret = k;
        return 0;
    }
    return keys_new(c, ret);
}

/* ---- a request's token ------------------------------------------------------------------------
 */

static struct sn_str query_value(struct gw_req *q, struct sn_str name)
{
    struct sn_str rest = q->x->req.query;
    while (rest.ptr) {
        struct sn_str v = sn_str_cut(&rest, '&'), k = sn_str_cut(&v, '=');
        if (!sn_str_eq(k, name) || !v.len) continue;
        char *out = sn_arena_alloc(q->x->arena, v.len);
        ssize_t n = out ? sn_pct_decode(v, true, out) : -1;
        return n < 0 ? (struct sn_str){0} : sn_str_of(out, (size_t)n);
    }
    return (struct sn_str){0};
}

static struct sn_str find_token(struct gw_req *q, const struct sn_gw_conf_jwt *c)
{
    const struct sn_http_headers *h = &q->x->req.headers;
    struct sn_str auth = sn_http_headers_get(h, SN_STR("authorization"));
    if (auth.len > 7 && sn_str_ieq(sn_str_sub(auth, 0, 7), SN_STR("Bearer ")))
        return sn_str_trim(sn_str_from(auth, 7));
    struct sn_str t = {0};
    if (c->cookie.len) t = gw_cookie(h, c->cookie);
    if (!t.len && c->query.len) t = query_value(q, c->query);
    return t;
}

static int unauthenticated(struct gw_req *q, bool sent)
{
    q->more =
        (struct sn_http_header){SN_STR("WWW-Authenticate"),
                                sent ? SN_STR("Bearer error=\"invalid_token\"") : SN_STR("Bearer")};
    int r = gw_answer(q, 401, sent ? "token refused" : "no token");
    return r < 0 ? r : 1;
}

static bool audience_fits(const struct sn_gw_conf_provider *p, const struct sn_json *claims)
{
    const struct sn_json *aud = sn_json_get(claims, "aud");
    for (size_t i = 0; i < p->n_audience; i++) {
        if (sn_str_eq(sn_json_str(aud), p->audience[i])) return true;
        for (SN_JSON_EACH(aud, it))
            if (sn_str_eq(sn_json_str(it), p->audience[i])) return true;
    }
    return p->n_audience == 0;
}

/* A claim by its path: a member of that whole name, else members in members. */
static const struct sn_json *claim(const struct sn_json *claims, struct sn_str path)
{
    const struct sn_json *v = sn_json_find(claims, path);
    if (v) return v;
    for (v = claims; v && path.ptr;) v = sn_json_find(v, sn_str_cut(&path, '.'));
    return v;
}

static struct sn_str scalar_text(struct sn_arena *a, const struct sn_json *v)
{
    switch (sn_json_kind(v)) {
    case SN_JSON_STRING: return sn_json_str(v);
    case SN_JSON_BOOL: return v->b ? SN_STR("true") : SN_STR("false");
    case SN_JSON_INT: return sn_arena_printf(a, "%lld", (long long)v->i);
    case SN_JSON_UINT: return sn_arena_printf(a, "%llu", (unsigned long long)v->u);
    case SN_JSON_DOUBLE: return sn_arena_printf(a, "%.17g", v->d);
    default: return (struct sn_str){0};
    }
}

struct sn_str gw_claim_text(struct gw_req *q, struct sn_str path)
{
    const struct sn_json *v = q->claims ? claim(q->claims, path) : NULL;
    if (!sn_json_is(v, SN_JSON_ARRAY)) return scalar_text(q->x->arena, v);
    struct sn_buf b;
    sn_buf_init(&b, CLAIM_BYTES_MAX);
    for (SN_JSON_EACH(v, it)) {
        struct sn_str t = scalar_text(q->x->arena, it);
        if (t.ptr && b.len) sn_buf_byte(&b, ',');
        if (t.ptr) sn_buf_str(&b, t);
    }
    struct sn_str s = b.err < 0 ? (struct sn_str){0} : sn_arena_str(q->x->arena, sn_buf_view(&b));
    sn_buf_done(&b);
    return s;
}

static bool claim_fits(struct gw_req *q, const struct sn_gw_conf_pair *want)
{
    const struct sn_json *v = claim(q->claims, want->name);
    if (!sn_json_is(v, SN_JSON_ARRAY))
        return sn_str_eq(scalar_text(q->x->arena, v), want->value) && v;
    for (SN_JSON_EACH(v, it))
        if (sn_str_eq(scalar_text(q->x->arena, it), want->value)) return true;
    return false;
}

int gw_auth(struct gw_req *q)
{
    const struct sn_gw_conf_jwt *c = &q->route->conf->jwt;
    const struct sn_gw_conf_provider *p = &q->snap->conf->jwt_providers[q->route->provider];
    struct gw_keys *k = q->snap->keys[q->route->provider];
    struct sn_str token = find_token(q, c);
    if (!token.len) return c->optional ? 0 : unauthenticated(q, false);
    struct sn_jwt_check check = {.now_ns = sn_wall_now(),
                                 .leeway_ns = p->leeway,
                                 .issuer = p->issuer,
                                 .exp_optional = p->exp_optional};
    struct sn_jwt jwt;
    struct sn_jwt_keys *keys = sn_jwt_store_get(k->store);
    int r = keys ? sn_jwt_verify(keys, token, &check, q->x->arena, &jwt) : SN_E_NOT_FOUND;
    sn_jwt_keys_unref(keys);
    if (r == SN_E_NOT_FOUND && k->url.len) sn_jwt_store_want(k->store);
    if (r == SN_E_NOMEM) return r;
    if (r < 0 || !audience_fits(p, jwt.claims)) return unauthenticated(q, true);
    q->claims = jwt.claims;
    for (size_t i = 0; i < c->n_require; i++) {
        if (claim_fits(q, &c->require[i])) continue;
        r = gw_answer(q, 403, "token lacks a required claim");
        return r < 0 ? r : 1;
    }
    return 0;
}

bool gw_auth_drops(const struct gw_req *q, struct sn_str name)
{
    const struct sn_gw_conf_jwt *c = &q->route->conf->jwt;
    if (!c->enabled) return false;
    if (!c->forward && name.len == 13 && sn_str_ieq(name, SN_STR("authorization"))) return true;
    for (size_t i = 0; i < c->n_headers; i++) {
        if (c->headers[i].name.len != name.len) continue;
        bool same = true; /* '_' for '-' would pass for it behind us */
        for (size_t n = 0; same && n < name.len; n++) {
            char a = sn_ascii_lower(name.ptr[n]), b = sn_ascii_lower(c->headers[i].name.ptr[n]);
            same = a == b || (a == '_' && b == '-');
        }
        if (same) return true;
    }
    return false;
}
