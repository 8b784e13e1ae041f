/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/takeover.c - the gateway's side of the takeover by the kernel. A fiber looks every
 * LOOK_NS at what the services should be, sends it whole when it has changed, and a beat when it
 * has not. What it looks at changes in many places (health, ejection, reload, discovery); looking
 * costs microseconds and cannot miss one. */
#include "gateway/takeover.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "core/alloc.h"
#include "fiber/net.h"
#include "fiber/sim.h"
#include "gateway/takeover_wire.h"
#include "kit/metrics.h"

#define LOOK_NS (50 * SN_MS)
/* Looking takes at most this part of the time: thousands of services are looked at less often. */
#define LOOK_SHARE 20
#define STATS_NS SN_SEC
#define REDIAL_NS SN_SEC
#define ANSWER_NS_MAX (5 * SN_SEC)
#define LEAVE_NS_MAX SN_SEC
#define SOL_IPV6_ 41 /* linux/in6.h cannot be included beside netinet/in.h */
#define SO_ORIGINAL_DST_ 80

struct gw_takeover {
    bool running;
    bool stop;
    struct sn_event leave, left; /* of the whole gateway's life: set once */
    struct sn_stream *link;      /* NULL = no loader */
    struct sn_buf sent;          /* the last snapshot's frame, generation 0 */
    uint64_t generation;
    int64_t beat_at, stats_at, dial_at, send_at;
    bool complained;          /* the loader's absence, or its refusal, was told */
    struct sn_tkw_stats last; /* counters as last read, for the metrics' increments */
    struct sn_arena mem[2];   /* of `last` and of the one before */
    unsigned mem_at;
};

/* ---- what should be -------------------------------------------------------------------------- */

/* An endpoint's address; a name is resolved. False: not to be had in this family. */
static bool endpoint_place(const char *addr, bool v4, struct sn_tkw_endpoint *e)
{
    struct sn_str s = sn_str(addr);
    char found[4][SN_ADDR_TEXT_MAX], text[SN_ADDR_TEXT_MAX + 16];
    if (sn_str_starts(s, SN_STR("unix:"))) return false;
    if (sn_str_starts(s, SN_STR("tcp:"))) s = sn_str_from(s, 4);
    if (sn_tkw_addr_parse(s, e->ip, &e->port) == 0) return sn_tkw_is_v4(e->ip) == v4;
    ssize_t colon = sn_str_rchr(s, ':');
    if (colon <= 0) return false;
    int n = sn_resolve(sn_str_sub(s, 0, (size_t)colon), found, SN_COUNT_OF(found));
    for (int i = 0; i < n; i++) {
        bool v6 = strchr(found[i], ':') != NULL;
        struct sn_buf b;
        sn_buf_init_fixed(&b, text, sizeof(text));
        sn_buf_printf(&b, v6 ? "[%s]%.*s" : "%s%.*s", found[i],
                      SN_STR_ARG(sn_str_from(s, (size_t)colon)));
        if (b.err == 0 && sn_tkw_addr_parse(sn_buf_view(&b), e->ip, &e->port) == 0 &&
            sn_tkw_is_v4(e->ip) == v4)
            return true;
    }
    return false;
}

/* Available endpoints; all of them below the upstream's panic threshold, as for requests. */
static int upstream_list(const struct gw_pool *p, bool v4, int64_t now, struct sn_arena *a,
                         struct sn_tkw_endpoint **ret, uint32_t *ret_n)
{
    uint32_t n = SN_MIN(p->pool->n, SN_TKW_ENDPOINTS_MAX), up = 0, k = 0;
    struct sn_tkw_endpoint *e = SN_ARENA_ARRAY(a, struct sn_tkw_endpoint, n + 1);
    if (!e) return SN_E_NOMEM;
    for (uint32_t i = 0; i < n; i++) up += sn_gw_endpoint_available(p->pool->eps[i], now);
    bool panic = up < n && (uint64_t)up * 100 < p->conf->panic_percent * n;
    for (uint32_t i = 0; i < n; i++) {
        const struct sn_gw_endpoint *ep = p->pool->eps[i];
        if (!panic && !sn_gw_endpoint_available(ep, now)) continue;
        e[k].weight = (uint16_t)p->conf->endpoints[i].weight;
        if (endpoint_place(ep->addr, v4, &e[k])) k++;
    }
    *ret = e;
    *ret_n = k;
    return 0;
}

/* The address a listener has. A reload holds the lock for as long as it likes: then SN_E_BUSY,
 * because beats must not wait. */
static int listener_addr(struct sn_gateway *gw, struct sn_str name, char *out, size_t cap)
{
    int r = SN_E_NOT_FOUND;
    if (!sn_mutex_trylock(&gw->reload)) return SN_E_BUSY;
    for (size_t i = 0; r == SN_E_NOT_FOUND && i < gw->listeners.len; i++)
        if (sn_str_eqc(name, gw->listeners.ptr[i]->name) && gw->listeners.ptr[i]->l)
            r = sn_listener_addr(gw->listeners.ptr[i]->l, out, cap);
    sn_mutex_unlock(&gw->reload);
    return r;
}

/* The listener as the one back-end; none while it is closed. */
static int listener_list(struct sn_gateway *gw, const struct sn_gw_conf_takeover_service *c,
                         bool v4, struct sn_arena *a, struct sn_tkw_endpoint **ret, uint32_t *ret_n)
{
    struct sn_tkw_endpoint *e = SN_ARENA_NEW(a, struct sn_tkw_endpoint);
    char addr[256];
    if (!e) return SN_E_NOMEM;
    int n = listener_addr(gw, c->listener, addr, sizeof(addr));
    if (n == SN_E_BUSY) return n;
    struct sn_str place = c->via.ptr ? c->via : sn_str_of(addr, n > 0 ? (size_t)n : 0);
    e->weight = 1;
    e->via = true;
    *ret = e;
    *ret_n = n > 0 && sn_tkw_addr_parse(place, e->ip, &e->port) == 0 && sn_tkw_is_v4(e->ip) == v4;
    return 0;
}

static int service_fill(struct sn_gateway *gw, const struct gw_pool *p,
                        const struct sn_gw_conf_takeover_service *c, struct sn_arena *a,
                        int64_t now, struct sn_tkw_service *v)
{
    v->name = c->name;
    v->proto = c->udp ? IPPROTO_UDP : IPPROTO_TCP;
    v->by_cgroup = c->sticky;
    v->lapsed = !c->open ? SN_TKW_REFUSE : c->upstream.ptr ? SN_TKW_DIRECT : SN_TKW_PASS;
    int r = sn_tkw_addr_parse(c->address, v->ip, &v->port);
    bool v4 = sn_tkw_is_v4(v->ip);
    if (r == 0 && p) r = upstream_list(p, v4, now, a, &v->direct, &v->n_direct);
    if (r == 0 && c->listener.ptr) {
        r = listener_list(gw, c, v4, a, &v->live, &v->n_live);
    } else if (r == 0) {
        v->live = v->direct;
        v->n_live = v->n_direct;
    }
    if (v->lapsed != SN_TKW_DIRECT) v->n_direct = 0;
    return r;
}

int gw_takeover_snapshot(struct sn_gateway *gw, struct gw_snap *s, struct sn_arena *a,
                         int64_t now_ns, struct sn_tkw_snapshot *ret)
{
    const struct sn_gw_conf_takeover *t = &s->conf->takeover;
    *ret = (struct sn_tkw_snapshot){.ttl_ms = (uint32_t)(t->ttl / SN_MS)};
    ret->services = SN_ARENA_ARRAY(a, struct sn_tkw_service, t->n_services + 1);
    int r = ret->services ? 0 : SN_E_NOMEM;
    int64_t prev =
        sn_deadline_tighten(now_ns + t->ttl / 4); /* resolving names must not cost a beat */
    for (size_t i = 0; r == 0 && i < t->n_services; i++)
        r = service_fill(gw, s->takeover_pools[i], &t->services[i], a, now_ns,
                         &ret->services[ret->n++]);
    sn_deadline_restore(prev);
    return r;
}

/* ---- the link -------------------------------------------------------------------------------- */

static void link_close(struct gw_takeover *t)
{
    sn_stream_close(t->link);
    t->link = NULL;
    sn_buf_reset(&t->sent);
    t->dial_at = sn_now() + REDIAL_NS;
}

/* One frame there and its answer back. */
static int exchange(struct gw_takeover *t, struct sn_buf *frame, enum sn_tkw_type want,
                    struct sn_arena *a, struct sn_str *ret_body)
{
    uint8_t head[SN_TKW_HEAD];
    enum sn_tkw_type type;
    struct sn_str why;
    if (frame->err) return frame->err;
    ssize_t n = sn_write(t->link, frame->ptr, frame->len);
    int r = n < 0 ? (int)n : sn_read_full(t->link, head, sizeof(head));
    if (r < 0) return r;
    int64_t whole = sn_tkw_head(head, sizeof(head), &type);
    if (whole < 0) return (int)whole;
    size_t len = (size_t)whole - SN_TKW_HEAD;
    char *body = sn_arena_alloc(a, len + 1);
    if (!body) return SN_E_NOMEM;
    r = sn_read_full(t->link, body, len);
    if (r < 0) return r;
    *ret_body = sn_str_of(body, len);
    if (type == SN_TKW_REFUSED && sn_tkw_get_refused(*ret_body, &why) == 0)
        return sn_fail(SN_E_FAILED_PRECONDITION, "sennit-bpf refuses: %.*s", SN_STR_ARG(why));
    return type == want ? 0
                        : sn_fail(SN_E_PROTOCOL, "sennit-bpf: expected a frame of type %d, got %d",
                                  want, type);
}

static int link_open(struct sn_gateway *gw, struct gw_takeover *t, struct sn_str socket,
                     struct sn_arena *a)
{
    struct sn_tkw_welcome w;
    struct sn_buf b = {0};
    struct sn_str body, addr = sn_arena_printf(a, "unix:%.*s", SN_STR_ARG(socket));
    if (!addr.ptr) return SN_E_NOMEM;
    int r = sn_dial(addr.ptr, NULL, &t->link);
    if (r < 0) return r;
    r = sn_tkw_put_hello(&b);
    if (r == 0) r = exchange(t, &b, SN_TKW_WELCOME, a, &body);
    if (r == 0) r = sn_tkw_get_welcome(body, &w);
    sn_buf_done(&b);
    if (r == 0)
        gw_event(gw, "info", "takeover: %.*s is redirected%s", SN_STR_ARG(w.cgroup),
                 w.shortcut ? ", with the short-cut" : "");
    return r;
}

/* ---- counters -------------------------------------------------------------------------------- */

static void count(const char *name, const char *help, const struct sn_labels *l, uint64_t now,
                  uint64_t before)
{
    struct sn_counter *c = sn_counter_new(NULL, name, help, l);
    if (c && now > before) sn_counter_add(c, now - before);
}

/* The same service a second ago, which mostly is at the same place. */
static const struct sn_tkw_stat *stat_before(const struct gw_takeover *t,
                                             const struct sn_tkw_stat *v, uint32_t place)
{
    static const struct sn_tkw_stat none;
    for (uint32_t k = 0; k < t->last.n; k++) {
        const struct sn_tkw_stat *o = &t->last.services[(place + k) % t->last.n];
        /* Counters that went back are of a service that was removed and came again. */
        if (sn_str_eq(o->name, v->name) && o->proto == v->proto && o->connects <= v->connects &&
            o->datagrams <= v->datagrams && o->refused <= v->refused && o->lapsed <= v->lapsed)
            return o;
    }
    return &none;
}

static void export_stats(struct gw_takeover *t, const struct sn_tkw_stats *s)
{
    for (uint32_t i = 0; i < s->n; i++) {
        const struct sn_tkw_stat *v = &s->services[i], *o = stat_before(t, v, i);
        const struct sn_labels l = {.n = 1, .l = {{SN_STR("service"), v->name}}};
        count("sennit_takeover_connects_total", "Connections redirected by the kernel.", &l,
              v->connects, o->connects);
        count("sennit_takeover_datagrams_total",
              "Datagrams of unconnected sockets redirected by the kernel.", &l, v->datagrams,
              o->datagrams);
        count("sennit_takeover_replies_total", "Datagrams whose source was put back.", &l,
              v->replies, o->replies);
        count("sennit_takeover_refused_total", "Connections refused: no back-end, or fail closed.",
              &l, v->refused, o->refused);
        count("sennit_takeover_lapsed_total", "Connections let through without a gateway.", &l,
              v->lapsed, o->lapsed);
        struct sn_gauge *g =
            sn_gauge_new(NULL, "sennit_takeover_backends", "Back-ends in the kernel's table.", &l);
        if (g) sn_gauge_set(g, v->n_live);
    }
}

static int read_stats(struct gw_takeover *t)
{
    struct sn_arena *a = &t->mem[t->mem_at ^ 1];
    struct sn_tkw_stats s;
    struct sn_str body;
    struct sn_buf b = {0};
    sn_arena_reset(a);
    int r = sn_tkw_put_empty(&b, SN_TKW_ASK);
    if (r == 0) r = exchange(t, &b, SN_TKW_STATS, a, &body);
    if (r == 0) r = sn_tkw_get_stats(a, body, &s);
    sn_buf_done(&b);
    if (r < 0) return r;
    export_stats(t, &s);
    t->last = s;
    t->mem_at ^= 1;
    return 0;
}

/* ---- the fiber ------------------------------------------------------------------------------- */

static int send_snapshot(struct sn_gateway *gw, struct gw_takeover *t, struct sn_tkw_snapshot *s,
                         struct sn_arena *a)
{
    struct sn_buf b = {0};
    struct sn_str body;
    struct sn_tkw_applied p;
    s->generation = ++t->generation;
    int r = sn_tkw_put_snapshot(&b, s);
    if (r == 0) r = exchange(t, &b, SN_TKW_APPLIED, a, &body);
    if (r == 0) r = sn_tkw_get_applied(body, &p);
    sn_buf_done(&b);
    if (r == 0)
        gw_event(gw, "info", "takeover: %u services in the kernel, %u changed, %u removed", s->n,
                 p.changed, p.removed);
    return r;
}

/* A snapshot that the loader, or its check here, does not take changes nothing: what was in force
 * stays, and beats go on. It is tried again, because the reason may lie outside of it. */
static void refused(struct sn_gateway *gw, struct gw_takeover *t, int code)
{
    if (!t->complained)
        gw_event(gw, "error", "takeover: %s; what was in force stays", sn_diag_str(code));
    t->complained = true;
    t->send_at = sn_now() + REDIAL_NS;
}

static int beat(struct gw_takeover *t, uint32_t ttl_ms)
{
    struct sn_buf b = {0};
    int r = sn_tkw_put_beat(&b, ttl_ms);
    ssize_t n = r < 0 ? r : sn_write(t->link, b.ptr, b.len);
    sn_buf_done(&b);
    return n < 0 ? (int)n : 0;
}

/* One look: a snapshot if something has changed, else a beat if one is due. */
static int look(struct sn_gateway *gw, struct gw_takeover *t, struct gw_snap *s, struct sn_arena *a)
{
    struct sn_tkw_snapshot want;
    struct sn_buf b = {0};
    int64_t now = sn_now();
    if (!t->link) {
        int r = link_open(gw, t, s->conf->takeover.socket, a);
        if (r < 0) return r;
    }
    int r = gw_takeover_snapshot(gw, s, a, now, &want);
    bool known = r == 0; /* not while a reload is at work */
    if (r == 0) r = sn_tkw_put_snapshot(&b, &want);
    if (r == 0 && !sn_str_eq(sn_buf_view(&b), sn_buf_view(&t->sent)) && now >= t->send_at) {
        r = send_snapshot(gw, t, &want, a);
        if (r == 0) {
            sn_buf_reset(&t->sent);
            r = sn_buf_put(&t->sent, b.ptr, b.len);
            t->complained = false;
        }
    }
    sn_buf_done(&b);
    if (known && (r == SN_E_FAILED_PRECONDITION || r == SN_E_INVALID_ARGUMENT))
        refused(gw, t, r);
    else if (r < 0 && r != SN_E_BUSY)
        return r;
    r = 0;
    if (t->sent.len && now >= t->beat_at) { /* nobody's beats count before a snapshot */
        t->beat_at = now + s->conf->takeover.ttl / 4;
        r = beat(t, want.ttl_ms);
    }
    if (r == 0 && now >= t->stats_at) {
        t->stats_at = now + STATS_NS;
        r = read_stats(t);
    }
    return r;
}

static void set_up(bool up)
{
    struct sn_gauge *g =
        sn_gauge_new(NULL, "sennit_takeover_up", "Whether sennit-bpf answers.", NULL);
    if (g) sn_gauge_set(g, up);
}

/* Returns false where takeover is no longer wanted. */
static bool turn(struct sn_gateway *gw, struct gw_takeover *t)
{
    struct sn_arena a;
    unsigned w = (unsigned)sn_worker_id();
    if (!t->link && sn_now() < t->dial_at) return true;
    sn_arena_init(&a, NULL, 0);
    struct gw_snap *s = gw_snap_enter(gw, w);
    bool wanted = s->conf->takeover.enabled;
    int64_t prev = sn_deadline_tighten(sn_now() + ANSWER_NS_MAX);
    int r = wanted ? look(gw, t, s, &a) : 0;
    sn_deadline_restore(prev);
    gw_snap_leave(s, w);
    sn_arena_done(&a);
    set_up(r == 0 && wanted);
    if (r == 0) return wanted;
    if (!t->complained && r != SN_E_CANCELLED)
        gw_event(gw, "error", "takeover: %s; connections are not redirected by this configuration",
                 sn_diag_str(r));
    t->complained = true;
    link_close(t);
    return true;
}

/* The loader lets services lapse when it reads our end, and then closes too: that is the answer. */
static int take_leave(void *arg)
{
    struct gw_takeover *t = arg;
    char rest[64];
    if (t->link && sn_stream_shutdown(t->link) == 0)
        while (sn_read(t->link, rest, sizeof(rest)) > 0) {}
    link_close(t);
    return 0;
}

/* Until the gateway ends (true) or the configuration in force wants no takeover any more. */
static bool work(struct sn_gateway *gw, struct gw_takeover *t)
{
    for (;;) {
        int64_t from = sn_now();
        if (!turn(gw, t)) return false;
        int64_t took = sn_now() - from,
                prev = sn_deadline_tighten(sn_now() + SN_MAX(LOOK_NS, LOOK_SHARE * took));
        int r = sn_event_wait(&t->leave);
        sn_deadline_restore(prev);
        if (r != SN_E_DEADLINE_EXCEEDED) return true;
    }
}

static bool wanted(struct sn_gateway *gw)
{
    unsigned w = (unsigned)sn_worker_id();
    struct gw_snap *s = gw_snap_enter(gw, w);
    bool yes = s->conf->takeover.enabled;
    gw_snap_leave(s, w);
    return yes;
}

static int takeover_main(void *arg)
{
    struct sn_gateway *gw = arg;
    struct gw_takeover *t = gw->takeover;
    bool over;
    do {
        over = work(gw, t);
        (void)sn_shield(LEAVE_NS_MAX, take_leave, t);
        set_up(false);
        __atomic_store_n(&t->running, false, __ATOMIC_SEQ_CST);
        /* A reload that wants it again may have found this fiber still running. */
    } while (!over && wanted(gw) && !__atomic_exchange_n(&t->running, true, __ATOMIC_SEQ_CST));
    if (__atomic_load_n(&t->stop, __ATOMIC_SEQ_CST)) sn_event_set(&t->left);
    return 0;
}

void gw_takeover_start(struct sn_gateway *gw)
{
    if (!gw->snap->conf->takeover.enabled) return;
    if (!gw->takeover) {
        gw->takeover = SN_NEW(struct gw_takeover);
        if (!gw->takeover) {
            gw_event(gw, "error", "takeover: no memory; the next reload tries again");
            return;
        }
        sn_arena_init(&gw->takeover->mem[0], NULL, 0);
        sn_arena_init(&gw->takeover->mem[1], NULL, 0);
    }
    struct gw_takeover *t = gw->takeover;
    if (__atomic_load_n(&t->stop, __ATOMIC_SEQ_CST) ||
        __atomic_exchange_n(&t->running, true, __ATOMIC_SEQ_CST))
        return;
    t->dial_at = 0;
    if (!gw_go(gw, "gateway takeover", takeover_main, gw))
        __atomic_store_n(&t->running, false, __ATOMIC_SEQ_CST);
}

void gw_takeover_stop(struct sn_gateway *gw)
{
    struct gw_takeover *t = gw->takeover;
    if (!t) return;
    __atomic_store_n(&t->stop, true, __ATOMIC_SEQ_CST);
    sn_event_set(&t->leave);
    int64_t prev = sn_deadline_tighten(sn_now() + LEAVE_NS_MAX);
    if (__atomic_load_n(&t->running, __ATOMIC_SEQ_CST)) (void)!sn_event_wait(&t->left);
    sn_deadline_restore(prev);
}

void gw_takeover_free(struct gw_takeover *t)
{
    if (!t) return;
    sn_stream_close(t->link);
    sn_buf_done(&t->sent);
    sn_arena_done(&t->mem[0]);
    sn_arena_done(&t->mem[1]);
    sn_free(t);
}

/* ---- where a connection was meant to go ------------------------------------------------------ */

int gw_takeover_prepare(struct gw_snap *s)
{
    const struct sn_gw_conf_takeover *t = &s->conf->takeover;
    s->origins = SN_ARENA_ARRAY(&s->arena, struct gw_origin, t->n_services + 1);
    s->takeover_pools = SN_ARENA_ARRAY(&s->arena, struct gw_pool *, t->n_services + 1);
    if (!s->origins || !s->takeover_pools) return SN_E_NOMEM;
    for (size_t i = 0; i < t->n_services; i++)
        for (size_t k = 0; t->services[i].upstream.ptr && k < s->conf->n_upstreams; k++)
            if (sn_str_eq(s->conf->upstreams[k].name, t->services[i].upstream))
                s->takeover_pools[i] = &s->pools[k];
    for (size_t i = 0; t->enabled && i < t->n_services; i++) {
        const struct sn_gw_conf_takeover_service *v = &t->services[i];
        struct gw_origin *o = &s->origins[s->n_origins];
        if (!v->route.ptr) continue;
        int r = sn_tkw_addr_parse(v->address, o->ip, &o->port);
        if (r < 0) return r; /* the configuration's check has seen it */
        o->listener = v->listener;
        for (size_t k = 0; k < s->conf->n_routes; k++)
            if (sn_str_eq(s->conf->routes[k].name, v->route)) o->route = &s->routes[k];
        s->n_origins++;
    }
    return 0;
}

struct gw_route *gw_takeover_route(struct gw_req *q, const struct gw_listener *l)
{
    const struct gw_snap *s = q->snap;
    struct sockaddr_in6 at;
    socklen_t n = sizeof(at);
    size_t i = 0;
    while (i < s->n_origins && !sn_str_eqc(s->origins[i].listener, l->name)) i++;
    if (i == s->n_origins) return NULL;
    int fd = sn_sim_active() ? -1 : sn_http_fd(q->x);
    /* The program answers at this level for IPv4 too; without it the kernel says no such option,
     * or, where netfilter redirects, what that has changed, which is as good. */
    if (fd < 0 || getsockopt(fd, SOL_IPV6_, SO_ORIGINAL_DST_, &at, &n) < 0 || n != sizeof(at))
        return NULL;
    for (; i < s->n_origins; i++) {
        const struct gw_origin *o = &s->origins[i];
        if (ntohs(at.sin6_port) == o->port && memcmp(&at.sin6_addr, o->ip, 16) == 0 &&
            sn_str_eqc(o->listener, l->name))
            return o->route;
    }
    return NULL;
}
