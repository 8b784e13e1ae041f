/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/takeover_wire.c - frames between the gateway and sennit-bpf; no I/O. */
#include "gateway/takeover_wire.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "core/map.h"
#include "core/status.h"

#define PROTO_TCP 6
#define PROTO_UDP 17
#define STATS_MAX SN_TKW_SERVICES_MAX
/* The least bytes an element takes: a count that promises more than the body holds is refused
 * before memory is taken for it. */
#define ENDPOINT_BYTES 21u
#define SERVICE_BYTES 30u
#define STAT_BYTES 68u

/* ---- numbers --------------------------------------------------------------------------------- */

static void put_le(struct sn_buf *b, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++) sn_buf_byte(b, (uint8_t)(v >> (8 * i)));
}

static void put_text(struct sn_buf *b, struct sn_str s)
{
    size_t n = SN_MIN(s.len, (size_t)SN_TKW_TEXT_MAX);
    sn_buf_byte(b, (uint8_t)n);
    sn_buf_put(b, s.ptr, n);
}

/* A frame is begun with an unknown length and ended by filling it in; a failed one is taken back.
 */
static size_t frame_begin(struct sn_buf *b, enum sn_tkw_type type)
{
    size_t at = b->len;
    put_le(b, 0, 4);
    put_le(b, type, 4);
    return at;
}

static int frame_end(struct sn_buf *b, size_t at)
{
    size_t n = b->err ? 0 : b->len - at;
    if (n > SN_TKW_FRAME_MAX) {
        b->len = at;
        return sn_fail(SN_E_TOO_LARGE, "frame of %zu bytes, at most %u", n, SN_TKW_FRAME_MAX);
    }
    if (b->err) return b->err;
    for (unsigned i = 0; i < 4; i++) b->ptr[at + i] = (uint8_t)((n - SN_TKW_HEAD) >> (8 * i));
    return 0;
}

struct reader {
    const uint8_t *p, *end;
    bool bad;
};

static uint64_t get_le(struct reader *r, unsigned n)
{
    uint64_t v = 0;
    if (r->bad || (size_t)(r->end - r->p) < n) {
        r->bad = true;
        return 0;
    }
    for (unsigned i = 0; i < n; i++) v |= (uint64_t)r->p[i] << (8 * i);
    r->p += n;
    return v;
}

static void get_bytes(struct reader *r, uint8_t *out, size_t n)
{
    if (r->bad || (size_t)(r->end - r->p) < n) {
        r->bad = true;
        memset(out, 0, n);
        return;
    }
    memcpy(out, r->p, n);
    r->p += n;
}

static struct sn_str get_text(struct reader *r)
{
    size_t n = get_le(r, 1);
    if (r->bad || (size_t)(r->end - r->p) < n) {
        r->bad = true;
        return SN_STR("");
    }
    struct sn_str s = sn_str_of((const char *)r->p, n);
    r->p += n;
    return s;
}

/* A count of elements of at least `least` bytes each; 0 where the body cannot hold them. */
static uint32_t get_count(struct reader *r, unsigned bytes, size_t least)
{
    uint64_t n = get_le(r, bytes);
    if (n > (size_t)(r->end - r->p) / least) r->bad = true;
    return r->bad ? 0 : (uint32_t)n;
}

static struct reader reader_of(struct sn_str body)
{
    const uint8_t *p = (const uint8_t *)body.ptr;
    return (struct reader){.p = p, .end = p + body.len};
}

static int reader_end(const struct reader *r, const char *what)
{
    if (r->bad) return sn_fail(SN_E_PROTOCOL, "%s: the frame ends too early", what);
    if (r->p != r->end)
        return sn_fail(SN_E_PROTOCOL, "%s: %zu bytes behind its end", what,
                       (size_t)(r->end - r->p));
    return 0;
}

int64_t sn_tkw_head(const uint8_t *bytes, size_t n, enum sn_tkw_type *ret_type)
{
    if (n < SN_TKW_HEAD) return 0;
    struct reader r = {.p = bytes, .end = bytes + SN_TKW_HEAD};
    uint64_t len = get_le(&r, 4), type = get_le(&r, 4);
    if (type < SN_TKW_HELLO || type > SN_TKW_END)
        return sn_fail(SN_E_PROTOCOL, "frame of unknown type %llu", (unsigned long long)type);
    if (len > SN_TKW_FRAME_MAX - SN_TKW_HEAD)
        return sn_fail(SN_E_TOO_LARGE, "frame of %llu bytes, at most %u", (unsigned long long)len,
                       SN_TKW_FRAME_MAX);
    *ret_type = (enum sn_tkw_type)type;
    return (int64_t)(SN_TKW_HEAD + len);
}

/* ---- small frames ---------------------------------------------------------------------------- */

int sn_tkw_put_hello(struct sn_buf *b)
{
    size_t at = frame_begin(b, SN_TKW_HELLO);
    put_le(b, SN_TKW_MAGIC, 4);
    put_le(b, SN_TKW_VERSION, 2);
    return frame_end(b, at);
}

int sn_tkw_get_hello(struct sn_str body, uint16_t *ret_version)
{
    struct reader r = reader_of(body);
    uint64_t magic = get_le(&r, 4), version = get_le(&r, 2);
    int rc = reader_end(&r, "hello");
    if (rc < 0) return rc;
    if (magic != SN_TKW_MAGIC) return sn_fail(SN_E_PROTOCOL, "hello: not the takeover protocol");
    *ret_version = (uint16_t)version;
    return 0;
}

int sn_tkw_put_welcome(struct sn_buf *b, const struct sn_tkw_welcome *w)
{
    size_t at = frame_begin(b, SN_TKW_WELCOME);
    put_le(b, w->version, 2);
    put_le(b, w->shortcut, 1);
    put_text(b, w->cgroup);
    return frame_end(b, at);
}

int sn_tkw_get_welcome(struct sn_str body, struct sn_tkw_welcome *ret)
{
    struct reader r = reader_of(body);
    struct sn_tkw_welcome w = {.version = (uint16_t)get_le(&r, 2)};
    w.shortcut = get_le(&r, 1) != 0;
    w.cgroup = get_text(&r);
    int rc = reader_end(&r, "welcome");
    if (rc == 0) *ret = w;
    return rc;
}

int sn_tkw_put_applied(struct sn_buf *b, const struct sn_tkw_applied *a)
{
    size_t at = frame_begin(b, SN_TKW_APPLIED);
    put_le(b, a->generation, 8);
    put_le(b, a->changed, 4);
    put_le(b, a->removed, 4);
    return frame_end(b, at);
}

int sn_tkw_get_applied(struct sn_str body, struct sn_tkw_applied *ret)
{
    struct reader r = reader_of(body);
    struct sn_tkw_applied a = {.generation = get_le(&r, 8)};
    a.changed = (uint32_t)get_le(&r, 4);
    a.removed = (uint32_t)get_le(&r, 4);
    int rc = reader_end(&r, "applied");
    if (rc == 0) *ret = a;
    return rc;
}

int sn_tkw_put_refused(struct sn_buf *b, struct sn_str why)
{
    size_t at = frame_begin(b, SN_TKW_REFUSED);
    put_text(b, why);
    return frame_end(b, at);
}

int sn_tkw_get_refused(struct sn_str body, struct sn_str *ret)
{
    struct reader r = reader_of(body);
    struct sn_str s = get_text(&r);
    int rc = reader_end(&r, "refused");
    if (rc == 0) *ret = s;
    return rc;
}

int sn_tkw_put_beat(struct sn_buf *b, uint32_t ttl_ms)
{
    size_t at = frame_begin(b, SN_TKW_BEAT);
    put_le(b, ttl_ms, 4);
    return frame_end(b, at);
}

int sn_tkw_get_beat(struct sn_str body, uint32_t *ret_ttl_ms)
{
    struct reader r = reader_of(body);
    uint64_t ttl = get_le(&r, 4);
    int rc = reader_end(&r, "beat");
    if (rc < 0) return rc;
    if (ttl == 0 || ttl > SN_TKW_TTL_MS_MAX)
        return sn_fail(SN_E_PROTOCOL, "beat: expected a time from 1 to %u ms, got %llu",
                       SN_TKW_TTL_MS_MAX, (unsigned long long)ttl);
    *ret_ttl_ms = (uint32_t)ttl;
    return 0;
}

int sn_tkw_put_empty(struct sn_buf *b, enum sn_tkw_type type)
{
    return frame_end(b, frame_begin(b, type));
}

/* ---- snapshot -------------------------------------------------------------------------------- */

static void put_endpoints(struct sn_buf *b, const struct sn_tkw_endpoint *e, uint32_t n)
{
    put_le(b, n, 2);
    for (uint32_t i = 0; i < n; i++) {
        sn_buf_put(b, e[i].ip, 16);
        put_le(b, e[i].port, 2);
        put_le(b, e[i].weight, 2);
        put_le(b, e[i].via, 1);
    }
}

int sn_tkw_put_snapshot(struct sn_buf *b, const struct sn_tkw_snapshot *s)
{
    int r = sn_tkw_check(s);
    if (r < 0) return r;
    size_t at = frame_begin(b, SN_TKW_SNAPSHOT);
    put_le(b, s->generation, 8);
    put_le(b, s->ttl_ms, 4);
    put_le(b, s->n, 2);
    for (uint32_t i = 0; i < s->n; i++) {
        const struct sn_tkw_service *v = &s->services[i];
        put_text(b, v->name);
        sn_buf_put(b, v->ip, 16);
        put_le(b, v->port, 2);
        put_le(b, v->proto, 1);
        put_le(b, v->lapsed, 1);
        put_le(b, v->by_cgroup, 1);
        put_endpoints(b, v->live, v->n_live);
        put_endpoints(b, v->direct, v->n_direct);
    }
    return frame_end(b, at);
}

static int get_endpoints(struct sn_arena *a, struct reader *r, struct sn_tkw_endpoint **ret,
                         uint32_t *ret_n)
{
    uint32_t n = get_count(r, 2, ENDPOINT_BYTES);
    struct sn_tkw_endpoint *e = SN_ARENA_ARRAY(a, struct sn_tkw_endpoint, n + 1);
    if (!e) return SN_E_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        get_bytes(r, e[i].ip, 16);
        e[i].port = (uint16_t)get_le(r, 2);
        e[i].weight = (uint16_t)get_le(r, 2);
        e[i].via = get_le(r, 1) != 0;
    }
    *ret = e;
    *ret_n = n;
    return 0;
}

int sn_tkw_get_snapshot(struct sn_arena *a, struct sn_str body, struct sn_tkw_snapshot *ret)
{
    struct reader r = reader_of(body);
    struct sn_tkw_snapshot s = {.generation = get_le(&r, 8)};
    s.ttl_ms = (uint32_t)get_le(&r, 4);
    s.n = get_count(&r, 2, SERVICE_BYTES);
    s.services = SN_ARENA_ARRAY(a, struct sn_tkw_service, s.n + 1);
    int rc = s.services ? 0 : SN_E_NOMEM;
    for (uint32_t i = 0; rc == 0 && i < s.n; i++) {
        struct sn_tkw_service *v = &s.services[i];
        v->name = get_text(&r);
        get_bytes(&r, v->ip, 16);
        v->port = (uint16_t)get_le(&r, 2);
        v->proto = (uint8_t)get_le(&r, 1);
        v->lapsed = (uint8_t)get_le(&r, 1);
        v->by_cgroup = get_le(&r, 1) != 0;
        rc = get_endpoints(a, &r, &v->live, &v->n_live);
        if (rc == 0) rc = get_endpoints(a, &r, &v->direct, &v->n_direct);
    }
    if (rc == 0) rc = reader_end(&r, "snapshot");
    if (rc == 0) rc = sn_tkw_check(&s);
    if (rc == 0) *ret = s;
    return rc;
}

/* ---- does it make sense ---------------------------------------------------------------------- */

/* Address and port as a key; the protocol behind it where services are told apart. */
struct place {
    uint8_t bytes[19];
};
static struct place place_of(const uint8_t ip[16], uint16_t port, uint8_t proto)
{
    struct place p;
    memcpy(p.bytes, ip, 16);
    p.bytes[16] = (uint8_t)port;
    p.bytes[17] = (uint8_t)(port >> 8);
    p.bytes[18] = proto;
    return p;
}
static struct sn_str place_str(const struct place *p)
{
    return sn_str_of((const char *)p->bytes, sizeof(p->bytes));
}

static int check_endpoints(const struct sn_tkw_service *v, const struct sn_tkw_endpoint *e,
                           uint32_t n, const struct sn_map *services)
{
    char text[SN_TKW_ADDR_TEXT_MAX];
    if (n > SN_TKW_ENDPOINTS_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "service %.*s: %u back-ends, at most %u",
                       SN_STR_ARG(v->name), n, SN_TKW_ENDPOINTS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        const struct place p = place_of(e[i].ip, e[i].port, v->proto);
        const char *why = NULL;
        if (e[i].port == 0)
            why = "a port above 0 was expected";
        else if (e[i].weight == 0 || e[i].weight > SN_TKW_WEIGHT_MAX)
            why = "a weight from 1 to 1000 was expected";
        else if (sn_tkw_is_v4(e[i].ip) != sn_tkw_is_v4(v->ip))
            why = "it is not of the service's address family";
        else if (sn_map_find(services, place_str(&p)))
            why = "it is a service itself";
        if (why)
            return sn_fail(SN_E_INVALID_ARGUMENT, "service %.*s, back-end %s: %s",
                           SN_STR_ARG(v->name), sn_tkw_addr_text(e[i].ip, e[i].port, text), why);
    }
    return 0;
}

static int check_service(const struct sn_tkw_service *v)
{
    const char *why = NULL;
    if (v->name.len == 0 || v->name.len > SN_TKW_TEXT_MAX)
        why = "a name of 1 to 255 bytes";
    else if (v->port == 0)
        why = "a port above 0";
    else if (v->proto != PROTO_TCP && v->proto != PROTO_UDP)
        why = "TCP (6) or UDP (17)";
    else if (v->lapsed > SN_TKW_PASS)
        why = "a policy from 0 to 2";
    if (!why) return 0;
    return sn_fail(SN_E_INVALID_ARGUMENT, "service %.*s: expected %s", SN_STR_ARG(v->name), why);
}

int sn_tkw_check(const struct sn_tkw_snapshot *s)
{
    if (s->n > SN_TKW_SERVICES_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "%u services, at most %u", s->n, SN_TKW_SERVICES_MAX);
    if (s->ttl_ms > SN_TKW_TTL_MS_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "a time to live of %u ms, at most %u", s->ttl_ms,
                       SN_TKW_TTL_MS_MAX);
    struct sn_map services;
    sn_map_init(&services, 0, true);
    int r = 0;
    for (uint32_t i = 0; r >= 0 && i < s->n; i++) {
        const struct sn_tkw_service *v = &s->services[i];
        const struct place p = place_of(v->ip, v->port, v->proto);
        void *before = NULL;
        r = check_service(v);
        if (r >= 0) r = sn_map_put(&services, place_str(&p), (void *)(uintptr_t)v, &before);
        if (r >= 0 && before) {
            char text[SN_TKW_ADDR_TEXT_MAX];
            r = sn_fail(SN_E_INVALID_ARGUMENT, "service %.*s: %s is a service already",
                        SN_STR_ARG(v->name), sn_tkw_addr_text(v->ip, v->port, text));
        }
    }
    for (uint32_t i = 0; r >= 0 && i < s->n; i++) {
        const struct sn_tkw_service *v = &s->services[i];
        r = check_endpoints(v, v->live, v->n_live, &services);
        if (r >= 0) r = check_endpoints(v, v->direct, v->n_direct, &services);
    }
    sn_map_done(&services);
    return r < 0 ? r : 0;
}

/* ---- statistics ------------------------------------------------------------------------------ */

int sn_tkw_put_stats(struct sn_buf *b, const struct sn_tkw_stats *s)
{
    if (s->n > STATS_MAX) return sn_fail(SN_E_INVALID_ARGUMENT, "%u services", s->n);
    size_t at = frame_begin(b, SN_TKW_STATS);
    put_le(b, s->generation, 8);
    put_le(b, (uint64_t)s->left_ms, 8);
    put_le(b, s->n, 2);
    for (uint32_t i = 0; i < s->n; i++) {
        const struct sn_tkw_stat *v = &s->services[i];
        put_text(b, v->name);
        sn_buf_put(b, v->ip, 16);
        put_le(b, v->port, 2);
        put_le(b, v->proto, 1);
        put_le(b, v->n_live, 4);
        put_le(b, v->n_direct, 4);
        const uint64_t c[] = {v->connects, v->datagrams, v->replies, v->refused, v->lapsed};
        for (size_t k = 0; k < SN_COUNT_OF(c); k++) put_le(b, c[k], 8);
    }
    return frame_end(b, at);
}

int sn_tkw_get_stats(struct sn_arena *a, struct sn_str body, struct sn_tkw_stats *ret)
{
    struct reader r = reader_of(body);
    struct sn_tkw_stats s = {.generation = get_le(&r, 8)};
    s.left_ms = (int64_t)get_le(&r, 8);
    s.n = get_count(&r, 2, STAT_BYTES);
    s.services = SN_ARENA_ARRAY(a, struct sn_tkw_stat, s.n + 1);
    if (!s.services) return SN_E_NOMEM;
    for (uint32_t i = 0; i < s.n; i++) {
        struct sn_tkw_stat *v = &s.services[i];
        v->name = get_text(&r);
        get_bytes(&r, v->ip, 16);
        v->port = (uint16_t)get_le(&r, 2);
        v->proto = (uint8_t)get_le(&r, 1);
        v->n_live = (uint32_t)get_le(&r, 4);
        v->n_direct = (uint32_t)get_le(&r, 4);
        uint64_t *c[] = {&v->connects, &v->datagrams, &v->replies, &v->refused, &v->lapsed};
        for (size_t k = 0; k < SN_COUNT_OF(c); k++) *c[k] = get_le(&r, 8);
    }
    int rc = reader_end(&r, "statistics");
    if (rc == 0) *ret = s;
    return rc;
}

/* ---- addresses ------------------------------------------------------------------------------- */

bool sn_tkw_is_v4(const uint8_t ip[16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return memcmp(ip, mapped, sizeof(mapped)) == 0;
}

const char *sn_tkw_addr_text(const uint8_t ip[16], uint16_t port, char out[SN_TKW_ADDR_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN] = "?";
    bool v4 = sn_tkw_is_v4(ip);
    (void)inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? ip + 12 : ip, host, sizeof(host));
    snprintf(out, SN_TKW_ADDR_TEXT_MAX, v4 ? "%s:%u" : "[%s]:%u", host, port);
    return out;
}

int sn_tkw_addr_parse(struct sn_str s, uint8_t ret_ip[16], uint16_t *ret_port)
{
    char host[INET6_ADDRSTRLEN];
    uint64_t port;
    uint8_t ip[16] = {0};
    ssize_t colon = sn_str_rchr(s, ':');
    struct sn_str h = sn_str_sub(s, 0, colon < 0 ? 0 : (size_t)colon);
    bool v6 = h.len > 2 && h.ptr[0] == '[' && h.ptr[h.len - 1] == ']';
    if (v6) h = sn_str_sub(h, 1, h.len - 1);
    bool ok = colon > 0 && sn_str_to_u64(sn_str_from(s, (size_t)colon + 1), &port) == 0 &&
              port > 0 && port <= UINT16_MAX && sn_str_cz(h, host, sizeof(host)) == 0 &&
              inet_pton(v6 ? AF_INET6 : AF_INET, host, v6 ? ip : ip + 12) == 1;
    if (!ok)
        return sn_fail(SN_E_SYNTAX,
                       "expected an address such as 10.0.0.1:80 or [fd00::1]:80, got \"%.*s\"",
                       SN_STR_ARG(s));
    if (!v6) ip[10] = ip[11] = 0xff;
    memcpy(ret_ip, ip, 16);
    *ret_port = (uint16_t)port;
    return 0;
}
