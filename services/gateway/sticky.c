/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/sticky.c - a cookie that brings a client back to its endpoint. Its value is a keyed
 * digest of the endpoint: who has not the key can neither make one nor read an address out of one,
 * and nothing is stored. A client whose endpoint is gone, down or ejected gets another one and
 * another cookie. */
#include "core/alloc.h"
#include "core/enc.h"
#include "crypto/hash.h"
#include "fiber/os.h"
#include "gateway/gw_int.h"

#define KEY_BYTES_MIN 16u
#define KEY_BYTES_MAX 4096u
#define VALUE_BYTES 15u /* of the digest: 20 characters */

static int key_of(struct gw_snap *s, const struct sn_gw_conf_sticky *c, struct sn_arena *a,
                  struct sn_str *ret)
{
    if (!c->key_file.len) {
        *ret = sn_str_of((const char *)s->gw->secret, sizeof(s->gw->secret));
        return 0;
    }
    struct sn_str path = sn_arena_str(a, c->key_file);
    if (!path.ptr) return SN_E_NOMEM;
    int r = sn_file_read(a, path.ptr, KEY_BYTES_MAX, ret);
    if (r < 0) return r;
    while (ret->len && ret->ptr[ret->len - 1] == '\n') ret->len--;
    return ret->len >= KEY_BYTES_MIN
               ? 0
               : sn_fail(SN_E_INVALID_ARGUMENT, "%s: %zu bytes, expected %u at least", path.ptr,
                         ret->len, KEY_BYTES_MIN);
}

static int value_of(struct gw_snap *s, struct sn_str key, const struct gw_pool *p, const char *addr,
                    struct sn_str *ret)
{
    uint8_t digest[SN_HASH_MAX];
    struct sn_buf b;
    sn_buf_init(&b, 0);
    sn_buf_str(&b, p->conf->name);
    sn_buf_byte(&b, 0);
    sn_buf_cstr(&b, addr);
    int r = b.err < 0 ? b.err : sn_hmac_once(SN_SHA256, key.ptr, key.len, b.ptr, b.len, digest);
    sn_buf_done(&b);
    if (r < 0) return r;
    char *text = sn_arena_alloc(&s->arena, sn_base64_len(VALUE_BYTES, SN_BASE64_URL));
    if (!text) return SN_E_NOMEM;
    *ret = sn_str_of(text, sn_base64_encode(digest, VALUE_BYTES, SN_BASE64_URL, text));
    return 0;
}

int gw_sticky_build(struct gw_snap *s, struct gw_pool *p)
{
    struct sn_arena a;
    struct sn_str key;
    if (!p->conf->sticky.enabled) return 0;
    sn_arena_init(&a, NULL, 1 << 16);
    p->sticky = SN_ARENA_ARRAY(&s->arena, struct sn_str, p->pool->n);
    int r = p->sticky ? key_of(s, &p->conf->sticky, &a, &key) : SN_E_NOMEM;
    for (uint32_t i = 0; r == 0 && i < p->pool->n; i++)
        r = value_of(s, key, p, p->pool->eps[i]->addr, &p->sticky[i]);
    sn_arena_done(&a);
    return r;
}

struct sn_gw_endpoint *gw_sticky_pick(const struct gw_req *q, const struct gw_pool *p,
                                      int64_t now_ns)
{
    struct sn_str v = gw_cookie(&q->x->req.headers, p->conf->sticky.cookie);
    if (!v.len) return NULL;
    for (uint32_t i = 0; i < p->pool->n; i++) {
        if (!sn_str_eq(p->sticky[i], v)) continue;
        return sn_gw_endpoint_available(p->pool->eps[i], now_ns) ? p->pool->eps[i] : NULL;
    }
    return NULL;
}

int gw_sticky_cookie(struct gw_req *q, const struct gw_pool *p, const struct sn_gw_endpoint *ep)
{
    static const char *const sites[] = {"Lax", "Strict", "None"};
    const struct sn_gw_conf_sticky *c = &p->conf->sticky;
    uint32_t i = 0;
    while (i < p->pool->n && p->pool->eps[i] != ep) i++;
    if (i == p->pool->n || sn_str_eq(gw_cookie(&q->x->req.headers, c->cookie), p->sticky[i]))
        return 0;
    struct sn_str age = SN_STR("");
    if (c->ttl) age = sn_arena_printf(q->x->arena, "; Max-Age=%lld", (long long)(c->ttl / SN_SEC));
    struct sn_str v =
        sn_arena_printf(q->x->arena, "%.*s=%.*s; Path=%.*s%.*s; SameSite=%s%s%s",
                        SN_STR_ARG(c->cookie), SN_STR_ARG(p->sticky[i]), SN_STR_ARG(c->path),
                        SN_STR_ARG(age), sites[c->same_site], c->secure ? "; Secure" : "",
                        c->http_only ? "; HttpOnly" : "");
    if (!v.ptr || !age.ptr) return SN_E_NOMEM;
    return sn_http_header_add(q->x, SN_STR("Set-Cookie"), v);
}
