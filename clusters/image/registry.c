/* SPDX-License-Identifier: Apache-2.0 */
/* image/registry.c - requests to a registry: authorization when asked for, redirects, retries, mirrors. */
#include "core/alloc.h"
#include "core/enc.h"
#include "core/status.h"
#include "fiber/os.h"
#include "image/registry_int.h"
#include "kit/tls.h"
#include "wire/json.h"

int sn_image_clients_new(struct sn_image_clients **ret)
{
    struct sn_image_clients *r = SN_NEW(struct sn_image_clients);
    if (!r) return SN_E_NOMEM;
    /* Over 1.1: layers come over connections of their own, so one's window is not all theirs. */
    struct sn_http_client_opts o = {.h2_off = true, .head_ns_max = REG_ANSWER_NS_MAX};
    int e = sn_http_client_new(&o, &r->strict);
    if (e == 0) {
        e = sn_tls_config_new(&(struct sn_tls_opts){.insecure = true}, &r->insecure_tls);
        o.tls = r->insecure_tls; /* borrowed by the client */
        if (e == 0) e = sn_http_client_new(&o, &r->insecure);
    }
    if (e < 0) {
        sn_image_clients_free(r);
        return e;
    }
    *ret = r;
    return 0;
}

void sn_image_clients_free(struct sn_image_clients *r)
{
    if (!r) return;
    if (r->strict) sn_http_client_free(r->strict);
    if (r->insecure) sn_http_client_free(r->insecure);
    sn_tls_config_unref(r->insecure_tls);
    sn_free(r);
}

bool reg_loopback(struct sn_str authority)
{
    struct sn_str host = authority;
    if (host.len && host.ptr[0] == '[') {
        ssize_t end = sn_str_chr(host, ']');
        return sn_str_eqc(sn_str_sub(host, 0, (size_t)(end + 1)), "[::1]");
    }
    host = sn_str_cut(&host, ':');
    if (sn_str_eqc(host, "localhost")) return true;
    /* All of 127/8, and no name that merely begins so. */
    unsigned dots = 0;
    for (size_t i = 0; i < host.len; i++) {
        dots += host.ptr[i] == '.';
        if (host.ptr[i] != '.' && (host.ptr[i] < '0' || host.ptr[i] > '9')) return false;
    }
    return dots == 3 && sn_str_starts(host, SN_STR("127."));
}

/* ---- sessions --------------------------------------------------------------------------------------- */

static int set_auth(struct reg_session *s, const struct sn_image_auth *au)
{
    struct sn_arena *a = &s->arena;
    if (au->registry_token.len) s->registry_token = sn_arena_printf(a, "Bearer %.*s", SN_STR_ARG(au->registry_token));
    s->identity_token = sn_arena_str(a, au->identity_token);
    if (au->auth.len) {
        s->basic = sn_arena_printf(a, "Basic %.*s", SN_STR_ARG(au->auth));
        /* It becomes a header: nothing but base64 may be in it. */
        uint8_t *bytes = sn_arena_alloc(a, sn_base64_decoded_max(au->auth.len));
        if (!bytes) return SN_E_NOMEM;
        if (sn_base64_decode(au->auth, SN_BASE64_STD, bytes) < 0)
            return sn_fail(SN_E_INVALID_ARGUMENT, "credentials: auth is not base64");
    } else if (au->username.len) {
        struct sn_str pair = sn_arena_printf(a, "%.*s:%.*s", SN_STR_ARG(au->username), SN_STR_ARG(au->password));
        size_t n = sn_base64_len(pair.len, SN_BASE64_STD);
        char *text = pair.ptr ? sn_arena_alloc(a, 6 + n) : NULL;
        if (!text) return SN_E_NOMEM;
        memcpy(text, "Basic ", 6);
        (void)sn_base64_encode(pair.ptr, pair.len, SN_BASE64_STD, text + 6);
        s->basic = sn_str_of(text, 6 + n);
    }
    return 0;
}

static bool auth_empty(const struct sn_image_auth *a)
{
    return !a->username.len && !a->auth.len && !a->identity_token.len && !a->registry_token.len;
}

static int find_auth(struct reg_session *s)
{
    struct sn_image_auth au = s->o->auth;
    if (auth_empty(&au) && s->o->credentials_file) {
        struct sn_str text;
        int r = sn_file_read(&s->arena, s->o->credentials_file, 1u << 20, &text);
        if (r == SN_E_NOT_FOUND) return 0;
        if (r == 0) r = reg_credentials(&s->arena, text, s->ref->registry, &au);
        if (r < 0) return sn_wrap(r, "credentials %s", s->o->credentials_file);
    }
    return set_auth(s, &au);
}

int reg_open(struct sn_image_clients *clients, const struct sn_image_ref *ref, const struct sn_image_pull_opts *o,
             const char *certs_dir, struct reg_session *ret)
{
    *ret = (struct reg_session){.clients = clients, .ref = ref, .o = o, .certs_dir = certs_dir};
    ret->plain_allowed = o->plain_http;
    sn_arena_init(&ret->arena, NULL, 0);
    int r = find_auth(ret);
    if (r == 0) r = reg_hosts(ret);
    if (r < 0) reg_close(ret);
    return r;
}

void reg_close(struct reg_session *s)
{
    for (unsigned i = 0; i < s->n_hosts; i++) reg_host_done(&s->hosts[i]);
    s->n_hosts = 0;
    sn_arena_done(&s->arena);
}

/* ---- failures ----------------------------------------------------------------------------------------- */

static int code_of_status(int status)
{
    switch (status) {
    case 401: return SN_E_UNAUTHENTICATED;
    case 403: return SN_E_PERMISSION_DENIED;
    case 404:
    case 410: return SN_E_NOT_FOUND;
    case 408: return SN_E_UNAVAILABLE;
    case 416: return SN_E_OUT_OF_RANGE;
    case 429: return SN_E_RESOURCE_EXHAUSTED;
    default: return status >= 500 ? SN_E_UNAVAILABLE : SN_E_FAILED_PRECONDITION;
    }
}

/* The message of a registry's {"errors": [{"code", "message"}]}, printable. */
static struct sn_str error_text(struct sn_http_resp *resp)
{
    struct sn_str body;
    const struct sn_json *v;
    if (sn_http_resp_all(resp, 16384, &body) < 0) return (struct sn_str){0};
    if (sn_json_parse(resp->arena, body, NULL, &v) < 0) return (struct sn_str){0};
    const struct sn_json *e = sn_json_at(sn_json_get(v, "errors"), 0);
    struct sn_str text = sn_json_str(sn_json_get(e, "message"));
    if (!text.len) text = sn_json_str(sn_json_get(e, "code"));
    if (!text.len) text = sn_json_str(sn_json_get(v, "details")); /* of token servers */
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ') return (struct sn_str){0};
    return sn_str_sub(text, 0, 200);
}

/* Without what follows '?': signed addresses are secrets. */
static struct sn_str shown(struct sn_str url)
{
    struct sn_str rest = url, s = sn_str_cut(&rest, '?');
    return sn_str_sub(s, 0, 200);
}

int reg_fail(struct sn_http_resp *resp, struct sn_str url)
{
    int status = resp->status;
    struct sn_str why = error_text(resp);
    int r = sn_fail(code_of_status(status), "%.*s: status %d%s%.*s", SN_STR_ARG(shown(url)), status, why.len ? ": " : "",
                    SN_STR_ARG(why));
    sn_http_resp_close(resp);
    return r;
}

bool reg_worth_retrying(int code)
{
    switch (code) {
    case SN_E_UNAVAILABLE:
    case SN_E_RESET:
    case SN_E_REFUSED:
    case SN_E_EOF:
    case SN_E_PROTOCOL:
    case SN_E_RESOURCE_EXHAUSTED:
    case SN_E_DEADLINE_EXCEEDED: return true;
    default: return false;
    }
}

int64_t reg_stall_ns(const struct reg_session *s) { return s->o->stall_ns_max ? s->o->stall_ns_max : 30 * SN_SEC; }

int reg_backoff(unsigned n)
{
    int64_t ns = REG_BACKOFF_NS << SN_MIN(n - 1, 10u);
    ns = SN_MIN(ns, REG_BACKOFF_NS_MAX);
    return sn_sleep(ns / 2 + (int64_t)(sn_random() % (uint64_t)(ns / 2 + 1)));
}

/* ---- one request ---------------------------------------------------------------------------------------- */

/* One host, one question: what it sends along. */
struct ask {
    struct reg_session *s;
    struct reg_host *h;
    const struct reg_request *q;
    struct sn_arena *a;
    struct sn_str url;
    bool same_host;              /* no redirect has led away */
    unsigned generation;         /* of the authorization that was sent */
};

static struct sn_str current_authorization(struct ask *k)
{
    sn_mutex_lock_always(&k->s->lock);
    struct sn_str v = sn_arena_str(k->a, k->h->authorization);
    k->generation = k->h->generation;
    sn_mutex_unlock(&k->s->lock);
    return v;
}

static int send_one(struct ask *k, struct sn_http_resp **ret)
{
    struct sn_http_header hs[3];
    struct sn_http_call call = {.url = k->url, .headers = hs, .answer_ns_max = SN_MIN(REG_ANSWER_NS_MAX, reg_stall_ns(k->s))};
    if (k->q->accept.ptr) hs[call.n_headers++] = (struct sn_http_header){SN_STR("accept"), k->q->accept};
    if (k->q->from) {
        struct sn_str range = sn_arena_printf(k->a, "bytes=%llu-", (unsigned long long)k->q->from);
        if (!range.ptr) return SN_E_NOMEM;
        hs[call.n_headers++] = (struct sn_http_header){SN_STR("range"), range};
    }
    if (k->same_host) {
        struct sn_str v = current_authorization(k);
        if (v.len) hs[call.n_headers++] = (struct sn_http_header){SN_STR("authorization"), v};
    }
    struct sn_http_client *c = k->same_host ? k->h->client : k->s->clients->strict;
    return sn_http_do(c, &call, ret);
}

static struct sn_str authority_of(struct sn_str url)
{
    ssize_t at = sn_str_find(url, SN_STR("://"));
    struct sn_str rest = sn_str_from(url, (size_t)(at + 3));
    size_t n = 0;
    while (n < rest.len && rest.ptr[n] != '/' && rest.ptr[n] != '?') n++;
    return sn_str_sub(rest, 0, n);
}

static int follow(struct ask *k, struct sn_http_resp *resp)
{
    struct sn_str to = sn_http_headers_get(&resp->headers, SN_STR("location")), from = k->url;
    bool from_tls = sn_str_starts(from, SN_STR("https://"));
    if (sn_str_starts(to, SN_STR("//")))
        k->url = sn_arena_printf(k->a, "%s%.*s", from_tls ? "https:" : "http:", SN_STR_ARG(to));
    else if (to.len && to.ptr[0] == '/')
        k->url = sn_arena_printf(k->a, "%s%.*s%.*s", from_tls ? "https://" : "http://", SN_STR_ARG(authority_of(from)),
                                 SN_STR_ARG(to));
    else
        k->url = sn_arena_str(k->a, to);
    if (!k->url.ptr) return SN_E_NOMEM;
    bool tls = sn_str_starts(k->url, SN_STR("https://"));
    if ((!tls && !sn_str_starts(k->url, SN_STR("http://"))) || k->url.len > REG_URL_MAX)
        return sn_fail(SN_E_PROTOCOL, "%.*s: a redirect to what is no address", SN_STR_ARG(shown(from)));
    struct sn_str host = authority_of(k->url);
    if (!tls && from_tls && !k->s->plain_allowed && !reg_loopback(host))
        return sn_fail(SN_E_PERMISSION_DENIED, "%.*s: a redirect away from https, to %.*s", SN_STR_ARG(shown(from)),
                       SN_STR_ARG(shown(k->url)));
    if (!sn_str_ieq(host, k->h->authority) || tls != from_tls) k->same_host = false;
    return 0;
}

/* 401: something better to send, once per change of it. */
static int authorize(struct ask *k, struct sn_http_resp *resp)
{
    struct reg_challenge c = {0};
    struct sn_str v;
    for (unsigned i = 0; i < resp->headers.len; i++)
        if (sn_str_ieq(resp->headers.ptr[i].name, SN_STR("www-authenticate"))) {
            struct reg_challenge one = {0};
            int r = reg_challenge_parse(k->a, resp->headers.ptr[i].value, &one);
            if (r < 0) return r;
            if (one.bearer || !c.bearer) {
                bool basic = c.basic || one.basic;
                c = one;
                c.basic = basic;
            }
        }
    int r = sn_mutex_lock(&k->s->lock);
    if (r < 0) return r;
    if (k->h->generation == k->generation) { /* else another layer's fiber was first */
        r = reg_authorize(k->s, k->h, &c, k->a, &v);
        if (r == 0) {
            struct sn_str kept = sn_arena_str(&k->s->arena, v);
            if (!kept.ptr) {
                r = SN_E_NOMEM;
            } else {
                k->h->authorization = kept;
                k->h->generation++;
            }
        }
    }
    sn_mutex_unlock(&k->s->lock);
    return r;
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* A 200 or 206, or why there is none. */
static int ask_host(struct ask *k, struct sn_http_resp **ret)
{
    unsigned redirects = 0, challenges = 0;
    for (;;) {
        struct sn_http_resp *resp;
        int r = send_one(k, &resp);
        if (r < 0) return r;
        if (resp->status == 200 || resp->status == 206) {
            *ret = resp;
            return 0;
        }
        if (is_redirect(resp->status)) {
            if (++redirects > REG_REDIRECTS_MAX)
                r = sn_fail(SN_E_PROTOCOL, "%.*s: over %u redirects", SN_STR_ARG(shown(k->url)), REG_REDIRECTS_MAX);
            else
                r = follow(k, resp);
        } else if (resp->status == 401 && k->same_host && challenges++ < 2) {
            r = authorize(k, resp);
        } else {
            return reg_fail(resp, k->url);
        }
        sn_http_resp_close(resp);
        if (r < 0) return r;
    }
}

/* With retries at this host. */
static int try_host(struct reg_session *s, struct reg_host *h, const struct reg_request *q, bool last,
                    struct sn_http_resp **ret)
{
    int r = 0;
    for (unsigned n = 0; n < (last ? REG_TRIES_MAX : 1); n++) {
        struct sn_arena a;
        if (n) {
            int e = reg_backoff(n);
            if (e < 0) return e;
        }
        sn_arena_init(&a, NULL, 1u << 20);
        struct ask k = {.s = s, .h = h, .q = q, .a = &a, .same_host = true};
        k.url = sn_arena_printf(&a, "%.*s/%.*s/%.*s", SN_STR_ARG(h->base), SN_STR_ARG(s->ref->repository),
                                SN_STR_ARG(q->path));
        r = k.url.ptr ? ask_host(&k, ret) : SN_E_NOMEM;
        sn_arena_done(&a);
        if (r == 0 || !reg_worth_retrying(r) || sn_cancelled()) return r;
    }
    return r;
}

int reg_get(struct reg_session *s, const struct reg_request *q, struct sn_http_resp **ret)
{
    int r = SN_E_NOT_FOUND;
    for (unsigned i = 0; i < s->n_hosts; i++) {
        struct reg_host *h = &s->hosts[i];
        if (q->resolve && !h->can_resolve) continue;
        r = try_host(s, h, q, i + 1 == s->n_hosts, ret);
        if (r == 0 || sn_cancelled()) return r;
    }
    return r;
}
