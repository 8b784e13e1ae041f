/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/headers.c - what of a message's head crosses the gateway.
 * Sources: RFC 9110 §7.6 (hop-by-hop fields, Via), RFC 7239 (Forwarded). */
#include <arpa/inet.h>

#include "gateway/gw_int.h"
#include "wire/grpc.h"

/* ---- hop by hop ----------------------------------------------------------------------------- */

static bool in_list(struct sn_str list, struct sn_str name)
{
    while (list.ptr) {
        struct sn_str item = sn_str_trim(sn_str_cut(&list, ','));
        if (item.len == name.len && sn_str_ieq(item, name)) return true;
    }
    return false;
}

/* Equal but for case and for '_' in place of '-': many programs behind a gateway put both into the
 * same variable, so that X_Forwarded_For would pass for X-Forwarded-For. */
static bool name_is(struct sn_str n, const char *lit)
{
    for (size_t i = 0; i < n.len; i++) {
        char c = n.ptr[i] == '_' ? '-' : sn_ascii_lower(n.ptr[i]);
        if (c != lit[i]) return false;
    }
    return true;
}

bool gw_is_hop(struct sn_str n, struct sn_str connection)
{
    switch (n.len) {
    case 2: return sn_str_ieq(n, SN_STR("te"));
    case 7:
        if (sn_str_ieq(n, SN_STR("upgrade"))) return true;
        break;
    case 10:
        if (sn_str_ieq(n, SN_STR("connection")) || sn_str_ieq(n, SN_STR("keep-alive"))) return true;
        break;
    case 14:
        if (name_is(n, "content-length") || name_is(n, "http2-settings")) return true;
        break;
    case 16:
        if (name_is(n, "proxy-connection")) return true;
        break;
    case 17:
        if (name_is(n, "transfer-encoding")) return true;
        break;
    case 19:
        if (name_is(n, "proxy-authorization")) return true;
        break;
    default: break;
    }
    return connection.len && in_list(connection, n);
}

/* The option list of Connection, without the two that name no field. Several Connection fields are
 * rare; they are joined. Host and the fields this file writes itself cannot be removed by it. */
static int connection_options(struct sn_arena *a, const struct sn_http_headers *h,
                              struct sn_str *ret)
{
    struct sn_str all = {0};
    for (unsigned i = 0; i < h->len; i++) {
        if (h->ptr[i].name.len != 10 || !sn_str_ieq(h->ptr[i].name, SN_STR("connection"))) continue;
        struct sn_str v = h->ptr[i].value;
        if (sn_str_ieq(v, SN_STR("keep-alive")) || sn_str_ieq(v, SN_STR("close"))) continue;
        all = all.ptr ? sn_arena_printf(a, "%.*s,%.*s", SN_STR_ARG(all), SN_STR_ARG(v)) : v;
        if (!all.ptr) return SN_E_NOMEM;
    }
    *ret = all;
    return 0;
}

struct sn_str gw_upgrade(const struct sn_http_req *r)
{
    const struct sn_http_headers *h = &r->headers;
    if (r->version == 20) return r->protocol;
    if (r->version != 11) return (struct sn_str){0};
    struct sn_str up = sn_http_headers_get(h, SN_STR("upgrade"));
    /* Behind a switch to HTTP/2 requests would pass that no route has looked at. */
    if (!up.len || in_list(up, SN_STR("h2c"))) return (struct sn_str){0};
    for (unsigned i = 0; i < h->len; i++)
        if (h->ptr[i].name.len == 10 && sn_str_ieq(h->ptr[i].name, SN_STR("connection")) &&
            in_list(h->ptr[i].value, SN_STR("upgrade")))
            return up;
    return (struct sn_str){0};
}

/* ---- who is believed ------------------------------------------------------------------------ */

static int ip_parse(struct sn_str s, uint8_t out[16], unsigned *bits_max)
{
    char text[INET6_ADDRSTRLEN + 1];
    if (s.len > 2 && s.ptr[0] == '[' && s.ptr[s.len - 1] == ']') s = sn_str_sub(s, 1, s.len - 1);
    if (sn_str_cz(s, text, sizeof(text)) < 0) return SN_E_SYNTAX;
    memset(out, 0, 16);
    if (inet_pton(AF_INET, text, out + 12) == 1) {
        out[10] = out[11] = 0xff;
        *bits_max = 32;
        return 0;
    }
    *bits_max = 128;
    return inet_pton(AF_INET6, text, out) == 1 ? 0 : SN_E_SYNTAX;
}

int gw_cidr_parse(struct sn_str s, struct gw_cidr *ret)
{
    struct gw_cidr c;
    unsigned max;
    struct sn_str rest = s, ip = sn_str_cut(&rest, '/');
    int r = ip_parse(ip, c.addr, &max);
    uint64_t bits = max;
    if (r == 0 && rest.ptr && (sn_str_to_u64(rest, &bits) < 0 || bits > max)) r = SN_E_SYNTAX;
    if (r < 0) return r;
    c.bits = (uint8_t)(bits + (128 - max));
    *ret = c;
    return 0;
}

bool gw_cidr_holds(const struct gw_cidr *list, size_t n, struct sn_str addr)
{
    uint8_t ip[16];
    unsigned max;
    if (!n || ip_parse(addr, ip, &max) < 0) return false;
    for (size_t i = 0; i < n; i++) {
        const struct gw_cidr *c = &list[i];
        unsigned whole = c->bits / 8, part = c->bits % 8;
        if (memcmp(ip, c->addr, whole) != 0) continue;
        if (!part || ((ip[whole] ^ c->addr[whole]) & (0xff00u >> part & 0xffu)) == 0) return true;
    }
    return false;
}

bool gw_trusted(const struct gw_snap *s, struct sn_str peer)
{
    return gw_cidr_holds(s->trusted, s->conf->n_trusted_proxies, peer);
}

struct sn_str gw_client_address(const struct gw_req *q)
{
    struct sn_str peer = q->peer, list = {0};
    const struct sn_http_headers *h = &q->x->req.headers;
    if (!gw_trusted(q->snap, peer)) return peer;
    for (unsigned i = h->len; i-- > 0;) {
        if (!sn_str_ieq(h->ptr[i].name, SN_STR("x-forwarded-for"))) continue;
        list = h->ptr[i].value;
        /* From the right: the nearest proxy wrote last, and what it vouches for counts. */
        while (list.len) {
            ssize_t comma = sn_str_rchr(list, ',');
            struct sn_str one = sn_str_trim(sn_str_from(list, (size_t)(comma + 1)));
            struct gw_cidr ip;
            if (gw_cidr_parse(one, &ip) < 0) return peer;
            peer = one;
            if (!gw_trusted(q->snap, peer)) return peer;
            list = comma < 0 ? (struct sn_str){0} : sn_str_sub(list, 0, (size_t)comma);
        }
    }
    return peer;
}

struct sn_str gw_cookie(const struct sn_http_headers *h, struct sn_str name)
{
    struct sn_str all = sn_http_headers_get(h, SN_STR("cookie"));
    while (all.ptr) {
        struct sn_str part = sn_str_trim(sn_str_cut(&all, ';'));
        struct sn_str key = sn_str_cut(&part, '=');
        if (sn_str_eq(key, name)) return part;
    }
    return (struct sn_str){0};
}

/* ---- requests ------------------------------------------------------------------------------- */

enum forwarded { FWD_NO, FWD_FOR, FWD_PROTO, FWD_HOST, FWD_PORT, FWD_RFC7239, FWD_VIA, FWD_FORGED };

/* With '_' for '-' it is none of ours, and nobody's to believe: FWD_FORGED. */
static enum forwarded forwarded_kind(struct sn_str n)
{
    static const struct {
        const char *name;
        enum forwarded kind;
    } x[] = {{"x-forwarded-for", FWD_FOR},
             {"x-forwarded-proto", FWD_PROTO},
             {"x-forwarded-host", FWD_HOST},
             {"x-forwarded-port", FWD_PORT}};
    if (n.len < 3 || n.len > 17) return FWD_NO;
    char c = sn_ascii_lower(n.ptr[0]);
    if (c == 'v') return n.len == 3 && sn_str_ieq(n, SN_STR("via")) ? FWD_VIA : FWD_NO;
    if (c == 'f') return sn_str_ieq(n, SN_STR("forwarded")) ? FWD_RFC7239 : FWD_NO;
    if (c != 'x' || n.len < 15) return FWD_NO;
    for (size_t i = 0; i < SN_COUNT_OF(x); i++)
        if (n.len == strlen(x[i].name) && name_is(n, x[i].name))
            return sn_str_chr(n, '_') < 0 ? x[i].kind : FWD_FORGED;
    return FWD_NO;
}

struct out {
    struct sn_http_header *h;
    unsigned n;
    struct sn_arena *a;
    bool oom;
};

static void put(struct out *o, struct sn_str name, struct sn_str value)
{
    if (!value.ptr && value.len == 0) value = SN_STR("");
    o->h[o->n++] = (struct sn_http_header){name, value};
}

/* "old, added", or "added" where there is no old value. */
static struct sn_str join(struct out *o, struct sn_str old, struct sn_str added)
{
    if (!old.len) return added;
    char *p = sn_arena_alloc(o->a, old.len + 2 + added.len);
    if (!p) {
        o->oom = true;
        return old;
    }
    memcpy(p, old.ptr, old.len);
    memcpy(p + old.len, ", ", 2);
    memcpy(p + old.len + 2, added.ptr, added.len);
    return sn_str_of(p, old.len + 2 + added.len);
}

static bool overridden(const struct sn_gw_conf_header_ops *ops, struct sn_str name)
{
    for (size_t i = 0; i < ops->n_set; i++)
        if (ops->set[i].name.len == name.len && sn_str_ieq(ops->set[i].name, name)) return true;
    for (size_t i = 0; i < ops->n_remove; i++)
        if (ops->remove[i].len == name.len && sn_str_ieq(ops->remove[i], name)) return true;
    return false;
}

static void put_forwarded(struct out *o, struct gw_req *q, const struct sn_str old[FWD_VIA + 1])
{
    const struct sn_gw_conf *c = q->snap->conf;
    const struct sn_http_req *r = &q->x->req;
    struct sn_str proto = r->tls ? SN_STR("https") : SN_STR("http");
    struct sn_str peer = q->peer.ptr ? q->peer : SN_STR("unknown");
    put(o, SN_STR("X-Forwarded-For"), join(o, old[FWD_FOR], peer));
    put(o, SN_STR("X-Forwarded-Proto"), old[FWD_PROTO].ptr ? old[FWD_PROTO] : proto);
    put(o, SN_STR("X-Forwarded-Host"), old[FWD_HOST].ptr ? old[FWD_HOST] : r->authority);
    if (old[FWD_PORT].ptr) put(o, SN_STR("X-Forwarded-Port"), old[FWD_PORT]);
    if (c->forwarded) {
        bool v6 = sn_str_chr(peer, ':') >= 0;
        struct sn_str f = sn_arena_printf(o->a, "for=%s%.*s%s;host=\"%.*s\";proto=%.*s",
                                          v6 ? "\"[" : "", SN_STR_ARG(peer), v6 ? "]\"" : "",
                                          SN_STR_ARG(r->authority), SN_STR_ARG(proto));
        o->oom |= !f.ptr;
        put(o, SN_STR("Forwarded"), join(o, old[FWD_RFC7239], f));
    } else if (old[FWD_RFC7239].ptr) {
        put(o, SN_STR("Forwarded"), old[FWD_RFC7239]);
    }
    if (c->via.len) {
        struct sn_str mine = q->snap->via[r->version == 20 ? 2 : r->version == 11];
        put(o, SN_STR("Via"), join(o, old[FWD_VIA], mine));
    } else if (old[FWD_VIA].ptr) {
        put(o, SN_STR("Via"), old[FWD_VIA]);
    }
}

#define FIELDS_OWN \
    16u /* Host, forwarded ones, Via, TE, trace's, grpc-timeout, Connection, Upgrade and its key */

int gw_headers_upstream(struct gw_req *q, struct sn_str endpoint, const struct sn_gw_conf_proxy *p,
                        const struct gw_upgrade *up, struct sn_http_header **ret, unsigned *ret_n)
{
    const struct sn_http_headers *in = &q->x->req.headers;
    const struct sn_gw_conf_header_ops *ops = &q->route->conf->request_headers;
    struct sn_arena *a = q->x->arena;
    struct out o = {.a = a};
    o.h = sn_arena_alloc(a, (in->len + ops->n_set + ops->n_add + q->route->conf->jwt.n_headers +
                             FIELDS_OWN) *
                                sizeof(*o.h));
    struct sn_str conn = {0}, old[FWD_VIA + 1] = {{0}};
    if (!o.h || connection_options(a, in, &conn) < 0) return SN_E_NOMEM;
    struct sn_str host = q->x->req.authority;
    if (p->host.ptr) host = sn_str_eqc(p->host, "upstream") ? endpoint : p->host;
    put(&o, SN_STR("Host"), host.len ? host : endpoint);
    bool believed = gw_trusted(q->snap, q->peer);
    for (unsigned i = 0; i < in->len; i++) {
        struct sn_str n = in->ptr[i].name, v = in->ptr[i].value;
        enum forwarded k = forwarded_kind(n);
        if (k != FWD_NO) {
            /* Via is kept from anybody: it accuses only those who came before. */
            if (k != FWD_FORGED && (believed || k == FWD_VIA)) old[k] = join(&o, old[k], v);
            continue;
        }
        if (n.len == 4 && sn_str_ieq(n, SN_STR("host"))) continue;
        if (n.len == 6 && sn_str_ieq(n, SN_STR("expect"))) continue; /* answered here */
        if (q->grpc && sn_str_eqc(n, "grpc-timeout")) continue;      /* what is left of it, below */
        if (n.len == 2 && sn_str_ieq(n, SN_STR("te")) && in_list(v, SN_STR("trailers")))
            put(&o, SN_STR("TE"), SN_STR("trailers"));
        if (up->key.ptr && n.len == 17 && sn_str_ieq(n, SN_STR("sec-websocket-key"))) continue;
        if (gw_is_hop(n, conn) || ((ops->n_set || ops->n_remove) && overridden(ops, n))) continue;
        if (q->route->policies && gw_auth_drops(q, n)) continue;
        if (q->traced && gw_trace_drops(n)) continue;
        put(&o, n, v);
    }
    put_forwarded(&o, q, old);
    if (q->traced) {
        struct sn_str state = {0}, parent = gw_trace_parent(q, &state);
        if (!parent.ptr) return SN_E_NOMEM;
        put(&o, SN_STR("traceparent"), parent);
        if (state.len) put(&o, SN_STR("tracestate"), state);
    }
    const struct sn_gw_conf_jwt *jwt = &q->route->conf->jwt;
    for (size_t i = 0; q->claims && i < jwt->n_headers; i++) {
        struct sn_str text = gw_claim_text(q, jwt->headers[i].value);
        if (text.ptr && sn_http_is_value(text)) put(&o, jwt->headers[i].name, text);
    }
    for (size_t i = 0; i < ops->n_set; i++) put(&o, ops->set[i].name, ops->set[i].value);
    for (size_t i = 0; i < ops->n_add; i++) put(&o, ops->add[i].name, ops->add[i].value);
    if (q->grpc && q->grpc_deadline != SN_FOREVER) {
        char *text = sn_arena_alloc(a, SN_GRPC_TIMEOUT_LEN);
        if (!text) return SN_E_NOMEM;
        unsigned len = sn_grpc_timeout_format(q->grpc_deadline - sn_now(), text);
        put(&o, SN_STR("grpc-timeout"), sn_str_of(text, len));
    }
    if (up->protocol.len) {
        put(&o, SN_STR("Connection"), SN_STR("Upgrade"));
        put(&o, SN_STR("Upgrade"), up->protocol);
        if (up->key.ptr) put(&o, SN_STR("Sec-WebSocket-Key"), up->key);
    }
    if (o.oom) return SN_E_NOMEM;
    *ret = o.h;
    *ret_n = o.n;
    return 0;
}

/* ---- responses ------------------------------------------------------------------------------ */

int gw_headers_downstream(struct gw_req *q, const struct sn_http_resp *resp, bool upgrade)
{
    const struct sn_http_headers *h = &resp->headers;
    struct sn_arena *a = q->x->arena;
    const struct sn_gw_conf_header_ops *ops = &q->route->conf->response_headers;
    struct sn_http_headers *out = sn_http_response_headers(q->x);
    struct sn_str conn = {0}, via = {0};
    if (connection_options(a, h, &conn) < 0) return SN_E_NOMEM;
    if (!out->cap) { /* room for all at once instead of growing to it */
        unsigned cap = h->len + (unsigned)(ops->n_set + ops->n_add) + 2;
        out->ptr = sn_arena_alloc(a, cap * sizeof(*out->ptr));
        if (!out->ptr) return SN_E_NOMEM;
        out->cap = cap;
    }
    for (unsigned i = 0; i < h->len; i++) {
        struct sn_str n = h->ptr[i].name, v = h->ptr[i].value;
        /* The server writes Date itself. */
        if (n.len == 4 && sn_str_ieq(n, SN_STR("date"))) continue;
        bool up = upgrade && n.len == 7 && sn_str_ieq(n, SN_STR("upgrade"));
        if (!up && gw_is_hop(n, conn)) continue;
        if (q->x->req.protocol.ptr && (up || sn_str_ieq(n, SN_STR("sec-websocket-accept")))) continue;
        if ((ops->n_set || ops->n_remove) && overridden(ops, n)) continue;
        if (q->route->conf->cors.enabled && n.len > 15 &&
            sn_str_ieq(sn_str_sub(n, 0, 15), SN_STR("access-control-")))
            continue; /* the route says it */
        if (n.len == 3 && q->snap->conf->via.len && sn_str_ieq(n, SN_STR("via"))) {
            struct out o = {.a = a};
            via = join(&o, via, v);
            continue;
        }
        /* Straight onto the list: the client's parser has checked name and value. */
        int r = sn_http_headers_add(out, a, n, v);
        if (r < 0) return r;
    }
    if (q->snap->conf->via.len) {
        struct out o = {.a = a};
        unsigned version = resp->version == 20 ? 2 : resp->version == 11;
        int r = sn_http_headers_add(out, a, SN_STR("Via"), join(&o, via, q->snap->via[version]));
        if (r < 0) return r;
    }
    return gw_response_headers(q);
}

int gw_response_headers(struct gw_req *q)
{
    const struct sn_gw_conf_header_ops *ops = &q->route->conf->response_headers;
    if (q->route->conf->cors.enabled) {
        int r = gw_cors_headers(q);
        if (r < 0) return r;
    }
    for (size_t i = 0; i < ops->n_set; i++) {
        int r = sn_http_header_add(q->x, ops->set[i].name, ops->set[i].value);
        if (r < 0) return r;
    }
    for (size_t i = 0; i < ops->n_add; i++) {
        int r = sn_http_header_add(q->x, ops->add[i].name, ops->add[i].value);
        if (r < 0) return r;
    }
    return 0;
}
