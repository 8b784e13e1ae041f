/* SPDX-License-Identifier: Apache-2.0 */
/* image/auth.c - who asks a registry: challenges, tokens, files of credentials. */
#include "core/enc.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "image/registry_int.h"
#include "wire/json.h"

/* ---- challenges
 * ------------------------------------------------------------------------------------ */

static bool token_char(char c)
{
    return (c >= '0' && c <= '9') || (sn_ascii_lower(c) >= 'a' && sn_ascii_lower(c) <= 'z') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static struct sn_str word(struct sn_str *s)
{
    size_t n = 0;
    while (n < s->len && token_char(s->ptr[n])) n++;
    struct sn_str w = sn_str_sub(*s, 0, n);
    *s = sn_str_from(*s, n);
    return w;
}

static void skip(struct sn_str *s, bool commas)
{
    while (s->len && (s->ptr[0] == ' ' || s->ptr[0] == '\t' || (commas && s->ptr[0] == ',')))
        *s = sn_str_from(*s, 1);
}

/* A token, or a string in quotes without its backslashes. */
static int value(struct sn_arena *a, struct sn_str *s, struct sn_str *ret)
{
    if (s->len == 0 || s->ptr[0] != '"') { /* also such as should be in quotes: repository:x:pull */
        size_t end = 0;
        while (end < s->len && s->ptr[end] != ',' && s->ptr[end] != ' ' && s->ptr[end] != '"')
            end++;
        *ret = sn_str_sub(*s, 0, end);
        *s = sn_str_from(*s, end);
        return end ? 0 : SN_E_SYNTAX;
    }
    char *out = sn_arena_alloc(a, s->len);
    size_t n = 0, i = 1;
    if (!out) return SN_E_NOMEM;
    for (; i < s->len && s->ptr[i] != '"'; i++) {
        if (s->ptr[i] == '\\' && i + 1 < s->len) i++;
        out[n++] = s->ptr[i];
    }
    if (i == s->len) return SN_E_SYNTAX;
    *s = sn_str_from(*s, i + 1);
    *ret = sn_str_of(out, n);
    return 0;
}

int reg_challenge_parse(struct sn_arena *a, struct sn_str text, struct reg_challenge *ret)
{
    struct reg_challenge c = {0};
    bool in_bearer = false;
    for (skip(&text, true); text.len; skip(&text, true)) {
        struct sn_str name = word(&text), v;
        if (name.len == 0) return sn_fail(SN_E_PROTOCOL, "a malformed WWW-Authenticate header");
        skip(&text, false);
        if (text.len == 0 || text.ptr[0] != '=') { /* a scheme */
            in_bearer = sn_str_ieq(name, SN_STR("Bearer"));
            c.bearer |= in_bearer;
            c.basic |= sn_str_ieq(name, SN_STR("Basic"));
            continue;
        }
        text = sn_str_from(text, 1);
        skip(&text, false);
        int r = value(a, &text, &v);
        if (r < 0)
            return r == SN_E_NOMEM ? r
                                   : sn_fail(SN_E_PROTOCOL, "a malformed WWW-Authenticate header");
        if (!in_bearer) continue;
        if (sn_str_ieq(name, SN_STR("realm"))) c.realm = v;
        if (sn_str_ieq(name, SN_STR("service"))) c.service = v;
        if (sn_str_ieq(name, SN_STR("scope"))) c.scope = v;
    }
    *ret = c;
    return 0;
}

/* ---- tokens
 * ---------------------------------------------------------------------------------------- */

static int token_of(struct sn_arena *a, struct sn_str body, struct sn_str *ret)
{
    const struct sn_json *v;
    int r =
        sn_json_parse(a, body,
                      &(struct sn_json_opts){.bytes_max = REG_TOKEN_BYTES_MAX * 2, .depth_max = 16},
                      &v);
    if (r < 0) return sn_wrap(SN_E_PROTOCOL, "the token server's answer");
    struct sn_str t = sn_json_str(sn_json_get(v, "token"));
    if (t.len == 0) t = sn_json_str(sn_json_get(v, "access_token"));
    if (t.len == 0 || t.len > REG_TOKEN_BYTES_MAX)
        return sn_fail(SN_E_PROTOCOL, "the token server's answer has no token");
    for (size_t i = 0; i < t.len; i++)
        if (t.ptr[i] <= ' ' || t.ptr[i] >= 0x7f)
            return sn_fail(SN_E_PROTOCOL, "the token has characters that no token has");
    *ret = sn_arena_printf(a, "Bearer %.*s", SN_STR_ARG(t));
    return ret->ptr ? 0 : SN_E_NOMEM;
}

static void form(struct sn_buf *b, const char *name, struct sn_str v)
{
    if (v.len == 0) return;
    if (b->len && b->ptr[b->len - 1] != '?') sn_buf_byte(b, '&');
    sn_buf_cstr(b, name);
    sn_buf_byte(b, '=');
    sn_buf_pct(b, v, SN_PCT_UNRESERVED);
}

/* Asks with user and password, or as nobody; an identity token is exchanged. */
static int ask_token(struct reg_session *s, struct reg_host *h, const struct reg_challenge *c,
                     struct sn_buf *url, struct sn_buf *body, struct sn_http_resp **ret)
{
    struct sn_http_header hs[2];
    struct sn_http_call call = {.answer_ns_max = REG_ANSWER_NS_MAX, .headers = hs};
    sn_buf_str(url, c->realm);
    bool exchange = h->origin && s->identity_token.len;
    if (exchange) {
        form(body, "grant_type", SN_STR("refresh_token"));
        form(body, "service", c->service);
        form(body, "scope", c->scope);
        form(body, "client_id", SN_STR("sennit"));
        form(body, "refresh_token", s->identity_token);
        call.method = SN_STR("POST");
        call.body = sn_buf_view(body);
        hs[call.n_headers++] = (struct sn_http_header){SN_STR("content-type"),
                                                       SN_STR("application/x-www-form-urlencoded")};
    } else {
        sn_buf_byte(url, sn_str_chr(c->realm, '?') < 0 ? '?' : '&');
        form(url, "service", c->service);
        form(url, "scope", c->scope);
        if (h->origin && s->basic.len)
            hs[call.n_headers++] = (struct sn_http_header){SN_STR("authorization"), s->basic};
    }
    if (url->err < 0 || body->err < 0) return url->err < 0 ? url->err : body->err;
    call.url = sn_buf_view(url);
    return sn_http_do(h->insecure ? s->clients->insecure : s->clients->strict, &call, ret);
}

static int fetch_token(struct reg_session *s, struct reg_host *h, const struct reg_challenge *c,
                       struct sn_arena *a, struct sn_str *ret)
{
    struct sn_buf url, body;
    struct sn_http_resp *resp = NULL;
    struct sn_str text;
    sn_buf_init(&url, REG_URL_MAX);
    sn_buf_init(&body, 2 * REG_TOKEN_BYTES_MAX);
    int r = ask_token(s, h, c, &url, &body, &resp);
    if (r == 0 && resp->status != 200) {
        r = reg_fail(resp, c->realm);
        resp = NULL;
    }
    if (r == 0) r = sn_http_resp_all(resp, 2 * REG_TOKEN_BYTES_MAX, &text);
    if (r == 0) r = token_of(a, text, ret);
    sn_http_resp_close(resp);
    if (body.ptr) sn_wipe(body.ptr, body.len);
    sn_buf_done(&body);
    sn_buf_done(&url);
    return r < 0 ? sn_wrap(r, "get a token of %.*s", SN_STR_ARG(c->realm)) : 0;
}

static bool realm_allowed(const struct reg_session *s, struct sn_str realm)
{
    if (sn_str_starts(realm, SN_STR("https://"))) return true;
    if (!sn_str_starts(realm, SN_STR("http://"))) return false;
    struct sn_str host = sn_str_from(realm, 7);
    host = sn_str_cut(&host, '/');
    return s->plain_allowed || reg_loopback(host);
}

int reg_authorize(struct reg_session *s, struct reg_host *h, const struct reg_challenge *c,
                  struct sn_arena *a, struct sn_str *ret)
{
    if (h->origin && s->registry_token.len) {
        *ret = s->registry_token;
        return 0;
    }
    if (c->bearer) {
        if (!realm_allowed(s, c->realm))
            return sn_fail(SN_E_PERMISSION_DENIED,
                           "%.*s names a token server that is not https: \"%.*s\"",
                           SN_STR_ARG(h->authority), (int)SN_MIN(c->realm.len, (size_t)200),
                           c->realm.ptr ? c->realm.ptr : "");
        return fetch_token(s, h, c, a, ret);
    }
    if (c->basic && h->origin && s->basic.len) {
        *ret = s->basic;
        return 0;
    }
    return sn_fail(SN_E_UNAUTHENTICATED, "%.*s asks for %s", SN_STR_ARG(h->authority),
                   c->basic ? "user and password" : "credentials of a kind not known here");
}

/* ---- docker's config.json
 * ---------------------------------------------------------------------------- */

/* "https://index.docker.io/v1/" and "docker.io" are one; else the host counts. */
static struct sn_str host_of(struct sn_str key)
{
    ssize_t scheme = sn_str_find(key, SN_STR("://"));
    if (scheme >= 0) key = sn_str_from(key, (size_t)scheme + 3);
    key = sn_str_cut(&key, '/');
    return sn_str_eqc(key, "index.docker.io") || sn_str_eqc(key, "registry-1.docker.io")
               ? SN_STR("docker.io")
               : key;
}

int reg_credentials(struct sn_arena *a, struct sn_str text, struct sn_str registry,
                    struct sn_image_auth *ret)
{
    const struct sn_json *v;
    int r = sn_json_parse(a, text, NULL, &v);
    if (r < 0) return r;
    for (SN_JSON_MEMBERS(sn_json_get(v, "auths"), m)) {
        if (!sn_str_eq(host_of(sn_json_str(&m->key)), host_of(registry))) continue;
        ret->auth = sn_json_str(sn_json_get(&m->value, "auth"));
        ret->username = sn_json_str(sn_json_get(&m->value, "username"));
        ret->password = sn_json_str(sn_json_get(&m->value, "password"));
        ret->identity_token = sn_json_str(sn_json_get(&m->value, "identitytoken"));
        ret->registry_token = sn_json_str(sn_json_get(&m->value, "registrytoken"));
        return 0;
    }
    return 0;
}
