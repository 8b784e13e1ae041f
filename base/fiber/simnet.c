/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/simnet.c - the simulated network: hosts joined by links with delay, loss and cuts.
 *
 * Everything that crosses a link is a segment on the outgoing list of one end of a connection; it
 * arrives, in order, by a timer on the virtual clock. A segment whose link is cut when it arrives
 * is held until the link heals; held longer than the user timeout it breaks the connection. Loss on
 * a stream is what TCP makes of it: a late segment, with doubling retransmission pauses, and a
 * broken connection where they add up to the user timeout. Lost datagrams are gone.
 *
 * There is one worker and one random sequence, so nothing here is locked and every delay, split and
 * loss is folded into the run's hash. */
#include <stdio.h>

#include "core/alloc.h"
#include "core/list.h"
#include "fiber/net_int.h"
#include "fiber/sim.h"

#define WINDOW (64u << 10) /* bytes a direction may hold in flight and unread together */
#define SEG_BYTES_MAX 16384u
#define BACKLOG_MAX 1024u
#define UDP_QUEUE_MAX 256u
#define UDP_BYTES_MAX 65507u
#define RTO_NS (200 * SN_MS)
#define USER_TIMEOUT_NS (SN_USER_TIMEOUT_MS * SN_MS)
#define LOCAL_DELAY_NS_MAX (20 * SN_US)
#define PORT_FIRST 40000u

enum seg_kind { SEG_SYN, SEG_SYNACK, SEG_DATA, SEG_FIN, SEG_RST, SEG_REFUSE };
struct seg {
    struct sn_list link; /* of sim_end.out */
    struct sn_timer timer;
    struct sim_end *from;
    enum seg_kind kind;
    bool held;
    uint32_t len;
    char data[];
};

struct sim_conn;
struct sim_end {
    struct sn_stream s;
    struct sim_conn *conn;
    struct sn_sim_host *host; /* NULL once its host has crashed */
    struct sn_list out;
    uint32_t out_bytes;
    int64_t out_last_ns; /* arrival of the newest segment: order is kept */
    struct sn_timer breaker;
    char *rx;
    uint32_t rx_head, rx_len;
    bool open; /* a program holds this end */
    bool connected, refused, eof, reset, shut, parked;
    unsigned ops; /* operations that will touch this end again */
    struct sn_sock_wait rd, wr;
    sn_stream_ready_fn fn;
    void *arg;
    int why;
    struct sn_timer idle;
    struct sim_listener *counted;
    struct sn_list backlog; /* of a listener */
    uint16_t port;
};
struct sim_conn {
    struct sn_list link;
    uint64_t id;
    struct sim_end end[2]; /* 0 dialled */
    char name[SN_ADDR_TEXT_MAX + 64];
    bool is_unix;
};

struct sim_listener {
    struct sn_listener base;
    struct sn_list link;      /* of the network */
    struct sn_sim_host *host; /* NULL: closed or crashed, kept until the run ends */
    uint16_t port;
    char path[120]; /* Unix; else "" */
    struct sn_list backlog;
    unsigned backlog_n;
    struct sn_list waiters;
    bool serving;
    struct sn_serve_opts serve;
    uint64_t conns;
    sn_stream_ready_fn fn;
    void *arg;
    struct sn_sock_wait server;
};
struct lis_waiter {
    struct sn_list link;
    struct sn_sock_wait w;
};

struct dgram {
    struct sn_list link; /* of the socket, or of the network while in flight */
    struct sn_timer timer;
    struct sn_sim_host *from, *to;
    uint16_t from_port, to_port;
    uint32_t len;
    char data[];
};
struct sim_udp {
    struct sn_udp base;
    struct sn_list link;
    struct sn_sim_host *host; /* NULL: closed or crashed */
    uint16_t port;
    struct sn_list queue;
    unsigned queue_n;
    struct sn_sock_wait rd;
};
struct sim_link {
    struct sn_list link;
    struct sn_sim_host *a, *b;
    int64_t delay_min_ns, delay_max_ns;
    double loss;
    bool cut;
};

static struct {
    struct sn_list conns, listeners, udps, links, dgrams;
    uint64_t ids;
    uint32_t port_next;
    bool on;
} net;

static struct sim_end *end_of(struct sn_stream *s) { return SN_CONTAINER_OF(s, struct sim_end, s); }
static struct sim_end *peer_of(struct sim_end *e)
{
    return e == &e->conn->end[0] ? &e->conn->end[1] : &e->conn->end[0];
}
static void wake(struct sn_sock_wait *w, int code)
{
    struct sn_sock_wait v = *w;
    w->f = NULL;
    if (v.f) sn_wait_wake(v.f, v.ticket, code);
}

/* ---- links ------------------------------------------------------------------------------------
 */

static struct sim_link *link_find(const struct sn_sim_host *a, const struct sn_sim_host *b)
{
    SN_LIST_EACH (&net.links, it) {
        struct sim_link *l = SN_LIST_ENTRY(it, struct sim_link, link);
        if ((l->a == a && l->b == b) || (l->a == b && l->b == a)) return l;
    }
    return NULL;
}

static struct sim_link *link_get(struct sn_sim_host *a, struct sn_sim_host *b)
{
    struct sim_link *l = link_find(a, b);
    if (l || !(l = SN_NEW(struct sim_link))) return l;
    const struct sn_sim_opts *o = sn_sim_options();
    *l = (struct sim_link){.a = a, .b = b, .delay_min_ns = -1, .loss = o->loss};
    sn_list_push_back(&net.links, &l->link);
    return l;
}

static bool link_cut(const struct sn_sim_host *a, const struct sn_sim_host *b)
{
    struct sim_link *l = a && b ? link_find(a, b) : NULL;
    return l && l->cut;
}

/* timer_stop - when the run is over the wheel has gone already and timers are just memory. */
static void timer_stop(struct sn_timer *t)
{
    if (net.on) sn_timer_cancel(t);
}

static double rand_unit(void) { return (double)(sn_sim_rand() >> 11) * 0x1p-53; }

/* link_draw - one crossing: its delay, and whether it is lost. */
static int64_t link_draw(const struct sn_sim_host *a, const struct sn_sim_host *b, bool *ret_lost)
{
    const struct sn_sim_opts *o = sn_sim_options();
    int64_t lo = o->delay_min_ns, hi = o->delay_max_ns;
    double loss = o->loss;
    const struct sim_link *l = a && b ? link_find(a, b) : NULL;
    if (lo <= 0 && hi <= 0) {
        lo = 50 * SN_US;
        hi = 2 * SN_MS;
    }
    if (l) loss = l->loss;
    if (l && l->delay_min_ns >= 0) {
        lo = l->delay_min_ns;
        hi = l->delay_max_ns;
    }
    if (a == b) {
        lo = 1 * SN_US;
        hi = LOCAL_DELAY_NS_MAX;
        loss = 0;
    }
    *ret_lost = loss > 0 && rand_unit() < loss;
    return lo + (hi > lo ? (int64_t)(sn_sim_rand() % (uint64_t)(hi - lo + 1)) : 0);
}

/* ---- connections: life ---- */

static void conn_free(struct sim_conn *c)
{
    for (int i = 0; i < 2; i++) {
        struct sim_end *e = &c->end[i];
        struct sn_list *n;
        while ((n = sn_list_pop_front(&e->out))) {
            struct seg *g = SN_LIST_ENTRY(n, struct seg, link);
            timer_stop(&g->timer);
            sn_free(g);
        }
        timer_stop(&e->breaker);
        timer_stop(&e->idle);
        if (sn_list_linked(&e->backlog)) sn_list_del(&e->backlog);
        sn_free(e->rx);
    }
    sn_list_del(&c->link);
    sn_free(c);
}

static bool end_idle(const struct sim_end *e)
{
    return !e->open && e->ops == 0 && sn_list_empty(&e->out) && !sn_list_linked(&e->backlog);
}

static void conn_maybe_free(struct sim_conn *c)
{
    if (end_idle(&c->end[0]) && end_idle(&c->end[1])) conn_free(c);
}

static const struct sn_stream_ops sim_tcp_ops, sim_unix_ops;

static struct sim_conn *conn_new(struct sn_sim_host *from, bool is_unix)
{
    struct sim_conn *c = SN_NEW(struct sim_conn);
    if (!c) return NULL;
    c->id = ++net.ids;
    c->is_unix = is_unix;
    for (int i = 0; i < 2; i++) {
        struct sim_end *e = &c->end[i];
        e->s.ops = is_unix ? &sim_unix_ops : &sim_tcp_ops;
        e->conn = c;
        sn_list_init(&e->out);
        e->rx = sn_alloc(WINDOW);
        if (!e->rx) {
            sn_free(c->end[0].rx);
            sn_free(c);
            return NULL;
        }
    }
    c->end[0].host = from;
    sn_list_push_back(&net.conns, &c->link);
    return c;
}

/* ---- segments ---- */

static void seg_arrive(struct sn_timer *t);
static void end_break(struct sn_timer *t);

/* seg_schedule - draws the crossing of a segment that is (or becomes) the newest of its direction.
 */
static void seg_schedule(struct seg *g)
{
    struct sim_end *e = g->from, *p = peer_of(e);
    int64_t at = sn_now(), rto = RTO_NS, waited = 0;
    bool lost;
    at += link_draw(e->host, p->host, &lost);
    while (lost && waited < USER_TIMEOUT_NS) {
        at += rto;
        waited += rto;
        rto *= 2;
        (void)link_draw(e->host, p->host, &lost);
    }
    g->held = false;
    e->out_last_ns = SN_MAX(at, e->out_last_ns + 1);
    sn_timer_arm(&g->timer, e->out_last_ns, seg_arrive);
    /* Retransmitted for too long: the sender gives up first. */
    if (lost)
        sn_timer_arm(&e->breaker, SN_MIN(sn_now() + USER_TIMEOUT_NS, e->out_last_ns - 1),
                     end_break);
}

static int seg_send(struct sim_end *e, enum seg_kind kind, const void *data, uint32_t len)
{
    struct seg *g = sn_alloc(sizeof *g + len);
    if (!g) return SN_E_NOMEM;
    *g = (struct seg){.from = e, .kind = kind, .len = len};
    if (len) memcpy(g->data, data, len);
    sn_list_push_back(&e->out, &g->link);
    e->out_bytes += len;
    seg_schedule(g);
    return 0;
}

static void end_start_parked(struct sim_end *e, int why);

/* end_changed - what a reader could see has changed. */
static void end_changed(struct sim_end *e)
{
    wake(&e->rd, 0);
    if (e->parked) end_start_parked(e, 0);
}

static void end_reset(struct sim_end *e, bool refused)
{
    e->reset = true;
    e->refused = refused;
    end_changed(e);
    wake(&e->wr, 0);
}

static void out_drop(struct sim_end *e)
{
    struct sn_list *n;
    while ((n = sn_list_pop_front(&e->out))) {
        struct seg *g = SN_LIST_ENTRY(n, struct seg, link);
        timer_stop(&g->timer);
        sn_free(g);
    }
    e->out_bytes = 0;
}

/* end_break - the user timeout of unacknowledged segments: this end gives the connection up. */
static void end_break(struct sn_timer *t)
{
    struct sim_end *e = SN_CONTAINER_OF(t, struct sim_end, breaker);
    if (sn_list_empty(&e->out)) return;
    sn_sim_trace('B', e->conn->id);
    out_drop(e);
    (void)seg_send(e, SEG_RST, NULL, 0);
    end_reset(e, false);
}

static void listener_take(struct sim_listener *l, struct sim_end *e);
static struct sim_listener *listener_at(const struct sn_sim_host *h, uint16_t port,
                                        const char *path);

static void arrive_syn(struct sim_end *to)
{
    struct sim_listener *l =
        listener_at(to->host, to->port, to->conn->is_unix ? to->conn->name : "");
    bool full = l && l->backlog_n >= BACKLOG_MAX;
    if (!l || full) {
        (void)seg_send(to, SEG_REFUSE, NULL, 0);
        return;
    }
    to->connected = true;
    (void)seg_send(to, SEG_SYNACK, NULL, 0);
    listener_take(l, to);
}

static void arrive_data(struct sim_end *to, const struct seg *g)
{
    if (!to->open && !sn_list_linked(&to->backlog)) { /* nobody will read this */
        if (!to->reset) (void)seg_send(to, SEG_RST, NULL, 0);
        to->reset = true;
        return;
    }
    if (to->reset) return;
    for (uint32_t i = 0; i < g->len;) {
        uint32_t at = (to->rx_head + to->rx_len) % WINDOW, n = SN_MIN(g->len - i, WINDOW - at);
        memcpy(to->rx + at, g->data + i, n);
        to->rx_len += n;
        i += n;
    }
    SN_ASSERT(to->rx_len <= WINDOW);
    end_changed(to);
}

static void seg_arrive(struct sn_timer *t)
{
    struct seg *g = SN_CONTAINER_OF(t, struct seg, timer);
    struct sim_end *from = g->from, *to = peer_of(from);
    struct sim_conn *c = from->conn;
    if (link_cut(from->host, to->host)) {
        g->held = true;
        if (g->kind != SEG_RST && from->breaker.state == 0)
            sn_timer_arm(&from->breaker, sn_now() + USER_TIMEOUT_NS, end_break);
        return;
    }
    sn_sim_trace('A' + (uint64_t)g->kind, c->id << 20 | g->len);
    sn_list_del(&g->link);
    from->out_bytes -= g->len;
    if (sn_list_empty(&from->out)) timer_stop(&from->breaker);
    switch (g->kind) {
    case SEG_SYN: arrive_syn(to); break;
    case SEG_SYNACK:
        to->connected = true;
        wake(&to->wr, 0);
        break;
    case SEG_DATA: arrive_data(to, g); break;
    case SEG_FIN:
        to->eof = true;
        end_changed(to);
        break;
    case SEG_RST:
    case SEG_REFUSE:
        out_drop(to);
        end_reset(to, g->kind == SEG_REFUSE);
        break;
    }
    sn_free(g);
    conn_maybe_free(c);
}

/* ---- the stream operations ---- */

static int sim_wait(struct sn_sock_wait *slot, const char *reason)
{
    uint64_t t = sn_wait_begin(reason);
    *slot = (struct sn_sock_wait){sn_self(), t};
    int r = sn_wait_park(t, SN_FOREVER);
    if (slot->ticket == t) slot->f = NULL;
    return r;
}

/* op_exit - an end closed under an operation is freed by the last one out. */
static ssize_t op_exit(struct sim_end *e, ssize_t r)
{
    e->ops--;
    if (e->open) return r;
    conn_maybe_free(e->conn);
    return SN_E_CLOSED;
}

static bool end_readable(const struct sim_end *e) { return e->rx_len || e->eof || e->reset; }

static ssize_t read_now(struct sim_end *e, void *buf, size_t cap)
{
    if (e->rx_len) {
        uint32_t n = SN_MIN(e->rx_len, WINDOW - e->rx_head);
        n = (uint32_t)SN_MIN((size_t)n, cap);
        memcpy(buf, e->rx + e->rx_head, n);
        e->rx_head = (e->rx_head + n) % WINDOW;
        e->rx_len -= n;
        wake(&peer_of(e)->wr, 0); /* the window has opened */
        return n;
    }
    return e->reset ? sn_fail(SN_E_RESET, "read from %s: connection reset by peer", e->conn->name)
                    : 0;
}

static ssize_t sim_read(struct sn_stream *s, void *buf, size_t cap)
{
    struct sim_end *e = end_of(s);
    SN_ASSERT(e->open && !e->parked && !e->rd.f);
    if (sn_cancelled()) return sn_deadline() <= sn_now() ? SN_E_DEADLINE_EXCEEDED : SN_E_CANCELLED;
    if (cap == 0) return 0;
    e->ops++;
    while (e->open && !end_readable(e)) {
        int r = sim_wait(&e->rd, "IO wait: read");
        if (r < 0) return op_exit(e, r);
    }
    return op_exit(e, e->open ? read_now(e, buf, cap) : SN_E_CLOSED);
}

/* write_seg - one segment's worth. Sizes are drawn, so that readers meet every split. */
static ssize_t write_seg(struct sim_end *e, const char *data, size_t n)
{
    uint32_t used = e->out_bytes + peer_of(e)->rx_len;
    uint32_t room = used < WINDOW ? WINDOW - used : 0;
    if (room == 0) return 0;
    uint32_t len = (uint32_t)SN_MIN(n, (size_t)SN_MIN(room, SEG_BYTES_MAX));
    uint64_t dice = sn_sim_rand();
    if (len > 1 && (dice & 7) == 0) len = 1 + (uint32_t)((dice >> 8) % (len - 1));
    int r = seg_send(e, SEG_DATA, data, len);
    return r < 0 ? r : (ssize_t)len;
}

static ssize_t write_all(struct sim_end *e, const char *data, size_t n)
{
    for (size_t done = 0; done < n;) {
        if (!e->open) return SN_E_CLOSED;
        if (e->reset || e->shut)
            return sn_fail(SN_E_RESET, "write to %s: connection reset by peer", e->conn->name);
        ssize_t r = write_seg(e, data + done, n - done);
        if (r < 0) return r;
        if (r == 0 && (r = sim_wait(&e->wr, "IO wait: write")) < 0)
            return r;
        else
            done += (size_t)r;
    }
    return (ssize_t)n;
}

static ssize_t sim_writev(struct sn_stream *s, struct iovec *iov, int n)
{
    struct sim_end *e = end_of(s);
    SN_ASSERT(e->open && !e->parked && !e->wr.f);
    if (sn_cancelled()) return sn_deadline() <= sn_now() ? SN_E_DEADLINE_EXCEEDED : SN_E_CANCELLED;
    int fault = sn_sim_fault_take("write");
    if (fault < 0) return sn_fail(fault, "write to %s: injected fault", e->conn->name);
    e->ops++;
    ssize_t total = 0;
    for (int i = 0; i < n; i++) {
        ssize_t r = write_all(e, iov[i].iov_base, iov[i].iov_len);
        if (r < 0) return op_exit(e, r);
        total += r;
    }
    return op_exit(e, total);
}

static int sim_shutdown(struct sn_stream *s)
{
    struct sim_end *e = end_of(s);
    if (e->reset) return SN_E_RESET;
    if (e->shut) return 0;
    e->shut = true;
    return seg_send(e, SEG_FIN, NULL, 0);
}

static void listener_conn_closed(struct sim_listener *l);

/* end_close - the program lets go. Unread bytes make it a reset, as the kernel does. */
static void end_close(struct sim_end *e)
{
    struct sim_listener *l = e->counted;
    e->counted = NULL;
    e->open = e->parked = false;
    timer_stop(&e->idle);
    wake(&e->rd, SN_E_CLOSED);
    wake(&e->wr, SN_E_CLOSED);
    if (!e->reset && e->rx_len) {
        out_drop(e);
        (void)seg_send(e, SEG_RST, NULL, 0);
    } else if (!e->reset && !e->shut) {
        (void)seg_send(e, SEG_FIN, NULL, 0);
    }
    e->shut = true;
    conn_maybe_free(e->conn);
    if (l) listener_conn_closed(l);
}

static void sim_close(struct sn_stream *s)
{
    SN_ASSERT(end_of(s)->open && !end_of(s)->parked);
    end_close(end_of(s));
}

static void parked_run(void *arg)
{
    struct sim_end *e = arg;
    e->fn(&e->s, e->arg, e->why);
}

static void idle_fired(struct sn_timer *t)
{
    struct sim_end *e = SN_CONTAINER_OF(t, struct sim_end, idle);
    if (e->parked) end_start_parked(e, e->why == SN_E_NOMEM ? 0 : SN_E_DEADLINE_EXCEEDED);
}

static void end_start_parked(struct sim_end *e, int why)
{
    timer_stop(&e->idle);
    e->parked = false;
    e->why = why;
    if (sn_rt_spawn_local("ready connection", parked_run, e, e->host) >= 0) return;
    e->parked = true; /* no memory for its fiber: again in a moment */
    e->why = SN_E_NOMEM;
    sn_timer_arm(&e->idle, sn_now() + 10 * SN_MS, idle_fired);
}

static void sim_park(struct sn_stream *s, int64_t idle_at_ns, sn_stream_ready_fn fn, void *arg)
{
    struct sim_end *e = end_of(s);
    SN_ASSERT(e->open && !e->parked && !e->rd.f && !e->wr.f);
    e->fn = fn;
    e->arg = arg;
    e->why = 0;
    e->parked = true;
    if (end_readable(e))
        end_start_parked(e, 0);
    else if (idle_at_ns != SN_FOREVER)
        sn_timer_arm(&e->idle, idle_at_ns, idle_fired);
}

static bool sim_unpark(struct sn_stream *s)
{
    struct sim_end *e = end_of(s);
    if (!e->parked) return false;
    timer_stop(&e->idle);
    e->parked = false;
    return true;
}

static bool sim_readable_now(struct sn_stream *s) { return end_readable(end_of(s)); }
static int sim_fd(struct sn_stream *s) { return -1; }

static int sim_addr(struct sn_stream *s, bool peer, char *out, size_t cap)
{
    struct sim_end *e = peer ? peer_of(end_of(s)) : end_of(s);
    if (e->conn->is_unix) {
        int n = snprintf(out, cap, "unix:%s", e == &e->conn->end[1] ? e->conn->name : "");
        return (size_t)n < cap ? n : SN_E_TOO_LARGE;
    }
    int n = snprintf(out, cap, "%s:%u", e->host ? e->host->addr : "0.0.0.0", e->port);
    return (size_t)n < cap ? n : SN_E_TOO_LARGE;
}

#define SIM_OPS                                                                          \
    {                                                                                    \
        .kind = "sim", .read = sim_read, .writev = sim_writev, .shutdown = sim_shutdown, \
        .close = sim_close, .park = sim_park, .unpark = sim_unpark,                      \
        .readable_now = sim_readable_now, .fd = sim_fd, .addr = sim_addr                 \
    }
static const struct sn_stream_ops sim_tcp_ops = SIM_OPS, sim_unix_ops = SIM_OPS;

void sn_simnet_parked_cancel(sn_stream_ready_fn fn)
{
    SN_LIST_EACH (&net.conns, it) {
        struct sim_conn *c = SN_LIST_ENTRY(it, struct sim_conn, link);
        for (int i = 0; i < 2; i++)
            if (c->end[i].parked && c->end[i].fn == fn)
                end_start_parked(&c->end[i], SN_E_CANCELLED);
    }
}

/* ---- dialing ---- */

/* host_named - by address, by the name it was created with, or this host itself. */
static struct sn_sim_host *host_named(struct sn_str name)
{
    if (name.len == 0 || sn_str_eqc(name, "127.0.0.1") || sn_str_eqc(name, "localhost"))
        return sn_sim_host_cur();
    for (struct sn_sim_host *h = sn_sim_hosts(); h; h = h->next)
        if (sn_str_eqc(name, h->addr) || sn_str_eqc(name, h->name)) return h;
    return NULL;
}

/* A name takes a look-up: a time, and maybe a failure. Addresses and this host's own take none.
 * Returns 0, SN_E_NOT_FOUND, the injected fault, or why waiting ended. Suspends. */
static int host_lookup(struct sn_str name, const char *text, struct sn_sim_host **ret)
{
    struct sn_sockaddr lit;
    if (name.len && !sn_str_eqc(name, "localhost") && !sn_net_ip_parse(name, 0, &lit)) {
        int r = sn_sim_fault_take("resolve");
        if (r < 0) return sn_fail(r, "resolve %s: injected fault", text);
        uint64_t took = sn_sim_rand() % (uint64_t)sn_sim_options()->lookup_max_ns;
        sn_sim_trace('N', took);
        r = sn_sleep((int64_t)took);
        if (r < 0) return r;
    }
    struct sn_sim_host *h = host_named(name);
    if (!h) return sn_fail(SN_E_NOT_FOUND, "resolve %s: no such simulated host", text);
    *ret = h;
    return 0;
}

static uint16_t port_new(void)
{
    if (++net.port_next > 65535) net.port_next = PORT_FIRST;
    return (uint16_t)net.port_next;
}

static int dial_wait(struct sim_end *e, const char *text)
{
    int64_t give_up = sn_now() + USER_TIMEOUT_NS, prev = sn_deadline_tighten(give_up);
    int r = 0;
    while (r >= 0 && !e->connected && !e->reset) r = sim_wait(&e->wr, "IO wait: connect");
    sn_deadline_restore(prev);
    if (r == SN_E_DEADLINE_EXCEEDED && prev > give_up)
        r = sn_fail(SN_E_UNAVAILABLE, "dial %s: timed out", text);
    if (r >= 0 && e->refused) r = sn_fail(SN_E_REFUSED, "dial %s: connection refused", text);
    if (r >= 0 && e->reset) r = sn_fail(SN_E_UNAVAILABLE, "dial %s: reset", text);
    return r;
}

int sn_simnet_dial(const struct sn_net_name *n, const char *text, struct sn_stream **ret)
{
    int r = sn_sim_fault_take("dial");
    if (r < 0) return sn_fail(r, "dial %s: injected fault", text);
    struct sn_sim_host *from = sn_sim_host_cur(), *to = from;
    if (!n->is_unix) r = host_lookup(n->host, text, &to);
    if (r < 0) return r;
    struct sim_conn *c = conn_new(from, n->is_unix);
    if (!c) return SN_E_NOMEM;
    struct sim_end *e = &c->end[0];
    if (n->is_unix)
        snprintf(c->name, sizeof c->name, "%.*s", SN_STR_ARG(n->unix_path));
    else
        snprintf(c->name, sizeof c->name, "%s:%u", to->addr, n->port);
    e->port = port_new();
    e->open = true;
    c->end[1].host = to;
    c->end[1].port = n->port;
    r = seg_send(e, SEG_SYN, NULL, 0);
    if (r >= 0) r = dial_wait(e, text);
    if (r < 0) {
        if (e->refused) e->shut = true;
        end_close(e);
        return r;
    }
    *ret = &e->s;
    return 0;
}

/* ---- listening ---- */

static struct sim_listener *listener_at(const struct sn_sim_host *h, uint16_t port,
                                        const char *path)
{
    SN_LIST_EACH (&net.listeners, it) {
        struct sim_listener *l = SN_LIST_ENTRY(it, struct sim_listener, link);
        if (h && l->host == h && strcmp(l->path, path) == 0 && (path[0] || l->port == port))
            return l;
    }
    return NULL;
}

static struct sim_listener *slis_of(struct sn_listener *l)
{
    return SN_CONTAINER_OF(l, struct sim_listener, base);
}

static void serve_backlog(struct sim_listener *l)
{
    while (l->backlog_n && (!l->serve.conns_max || l->conns < l->serve.conns_max)) {
        struct sim_end *e = SN_LIST_ENTRY(sn_list_pop_front(&l->backlog), struct sim_end, backlog);
        l->backlog_n--;
        l->conns++;
        e->counted = l;
        e->open = true;
        void *arg = l->arg;
        if (l->serve.conn_init && !(arg = l->serve.conn_init(&e->s, l->arg))) {
            end_close(e);
            continue;
        }
        sim_park(&e->s, l->serve.idle_ns > 0 ? sn_now() + l->serve.idle_ns : SN_FOREVER, l->fn,
                 arg);
    }
}

static void listener_conn_closed(struct sim_listener *l)
{
    l->conns--;
    if (l->host && l->serving) serve_backlog(l);
}

static void listener_take(struct sim_listener *l, struct sim_end *e)
{
    sn_list_push_back(&l->backlog, &e->backlog);
    l->backlog_n++;
    if (l->serving) {
        serve_backlog(l);
        return;
    }
    struct sn_list *n = sn_list_pop_front(&l->waiters);
    if (n) wake(&SN_LIST_ENTRY(n, struct lis_waiter, link)->w, 0);
}

static int sim_accept(struct sn_listener *base, struct sn_stream **ret)
{
    struct sim_listener *l = slis_of(base);
    int fault = sn_sim_fault_take("accept");
    if (fault < 0) return sn_fail(fault, "accept: injected fault");
    while (l->host && !l->backlog_n) {
        struct lis_waiter n = {.w = {0}};
        uint64_t t = sn_wait_begin("IO wait: accept");
        n.w = (struct sn_sock_wait){sn_self(), t};
        sn_list_push_back(&l->waiters, &n.link);
        int r = sn_wait_park(t, SN_FOREVER);
        bool waiting = sn_list_linked(&n.link);
        if (waiting) sn_list_del(&n.link);
        if (r < 0) return r;
    }
    if (!l->host) return SN_E_CLOSED;
    struct sim_end *e = SN_LIST_ENTRY(sn_list_pop_front(&l->backlog), struct sim_end, backlog);
    l->backlog_n--;
    e->open = true;
    *ret = &e->s;
    return 0;
}

static int sim_serve(struct sn_listener *base, const struct sn_serve_opts *opts,
                     sn_stream_ready_fn fn, void *arg)
{
    struct sim_listener *l = slis_of(base);
    if (!l->host) return 0;
    l->serve = opts ? *opts : (struct sn_serve_opts){0};
    l->fn = fn;
    l->arg = arg;
    l->serving = true;
    serve_backlog(l);
    int r = 0;
    while (l->host && r >= 0) r = sim_wait(&l->server, "IO wait: serve");
    l->serving = false;
    return r;
}

static int sim_listener_addr(struct sn_listener *base, char *out, size_t cap)
{
    struct sim_listener *l = slis_of(base);
    int n = l->path[0] ? snprintf(out, cap, "unix:%s", l->path)
                       : snprintf(out, cap, "%s:%u", l->host ? l->host->addr : "0.0.0.0", l->port);
    return (size_t)n < cap ? n : SN_E_TOO_LARGE;
}
static int sim_listener_fd(struct sn_listener *base) { return -1; }

/* listener_stop - the object itself lives until the run ends: a fiber may be about to use it. */
static void listener_stop(struct sim_listener *l, bool crashed)
{
    l->host = NULL;
    struct sn_list *n;
    while ((n = sn_list_pop_front(&l->backlog))) {
        struct sim_end *e = SN_LIST_ENTRY(n, struct sim_end, backlog);
        if (crashed) continue; /* the crash resets every connection of the host itself */
        e->rx_len = 0;
        (void)seg_send(e, SEG_RST, NULL, 0);
        e->reset = true;
    }
    l->backlog_n = 0;
    while ((n = sn_list_pop_front(&l->waiters)))
        if (!crashed) wake(&SN_LIST_ENTRY(n, struct lis_waiter, link)->w, 0);
    if (!crashed) wake(&l->server, 0);
    l->server.f = NULL;
}

static void sim_listener_close(struct sn_listener *base)
{
    if (slis_of(base)->host) listener_stop(slis_of(base), false);
}

static const struct sn_listener_ops sim_listener_ops = {
    .accept = sim_accept,
    .serve = sim_serve,
    .addr = sim_listener_addr,
    .fd = sim_listener_fd,
    .close = sim_listener_close,
};

int sn_simnet_listen(const struct sn_net_name *n, const char *text, struct sn_listener **ret)
{
    int fault = sn_sim_fault_take("listen");
    if (fault < 0) return sn_fail(fault, "listen on %s: injected fault", text);
    struct sn_sim_host *h = sn_sim_host_cur();
    bool own = n->is_unix || sn_str_eqc(n->host, "0.0.0.0") || host_named(n->host) == h;
    if (!own)
        return sn_fail(SN_E_INVALID_ARGUMENT, "listen on %s: not an address of %s", text, h->name);
    struct sim_listener *l = SN_NEW(struct sim_listener);
    if (!l) return SN_E_NOMEM;
    l->base.ops = &sim_listener_ops;
    l->port = n->port ? n->port : port_new();
    if (n->is_unix) snprintf(l->path, sizeof l->path, "%.*s", SN_STR_ARG(n->unix_path));
    if (listener_at(h, l->port, l->path)) {
        sn_free(l);
        return sn_fail(SN_E_ALREADY_EXISTS, "listen on %s: address in use", text);
    }
    l->host = h;
    sn_list_init(&l->backlog);
    sn_list_init(&l->waiters);
    sn_list_push_back(&net.listeners, &l->link);
    *ret = &l->base;
    return 0;
}

int sn_simnet_resolve(struct sn_str host, char (*ret)[SN_ADDR_TEXT_MAX], int max)
{
    struct sn_sim_host *h = NULL;
    char text[SN_ADDR_TEXT_MAX];
    snprintf(text, sizeof text, "%.*s", SN_STR_ARG(host));
    int r = host_lookup(host, text, &h);
    if (r < 0) return r;
    snprintf(ret[0], SN_ADDR_TEXT_MAX, "%s", h->addr);
    return 1;
}

/* ---- datagrams ---- */

static struct sim_udp *udp_at(const struct sn_sim_host *h, uint16_t port)
{
    SN_LIST_EACH (&net.udps, it) {
        struct sim_udp *u = SN_LIST_ENTRY(it, struct sim_udp, link);
        if (u->host == h && u->port == port) return u;
    }
    return NULL;
}

static void dgram_arrive(struct sn_timer *t)
{
    struct dgram *d = SN_CONTAINER_OF(t, struct dgram, timer);
    struct sim_udp *u = link_cut(d->from, d->to) ? NULL : udp_at(d->to, d->to_port);
    sn_list_del(&d->link);
    sn_sim_trace('D', (uint64_t)d->len << 1 | (u != NULL));
    if (!u || u->queue_n >= UDP_QUEUE_MAX) {
        sn_free(d);
        return;
    }
    sn_list_push_back(&u->queue, &d->link);
    u->queue_n++;
    wake(&u->rd, 0);
}

static ssize_t sim_udp_send(struct sn_udp *base, const void *buf, size_t n, const char *peer)
{
    struct sim_udp *u = SN_CONTAINER_OF(base, struct sim_udp, base);
    struct sn_net_name name;
    int r = sn_net_name_parse(peer, &name);
    if (r < 0) return r;
    if (n > UDP_BYTES_MAX) return sn_fail(SN_E_TOO_LARGE, "datagram of %zu bytes to %s", n, peer);
    struct sn_sim_host *to = host_named(name.host);
    bool lost = true;
    int64_t delay = to ? link_draw(u->host, to, &lost) : 0;
    if (lost) return (ssize_t)n; /* to nowhere: as on a real network, nobody says so */
    struct dgram *d = sn_alloc(sizeof *d + n);
    if (!d) return SN_E_NOMEM;
    *d = (struct dgram){.from = u->host, .to = to, .from_port = u->port, .to_port = name.port};
    d->len = (uint32_t)n;
    memcpy(d->data, buf, n);
    sn_list_push_back(&net.dgrams, &d->link);
    sn_timer_arm(&d->timer, sn_now() + delay, dgram_arrive);
    return (ssize_t)n;
}

static ssize_t sim_udp_recv(struct sn_udp *base, void *buf, size_t cap, char *peer, size_t peer_cap)
{
    struct sim_udp *u = SN_CONTAINER_OF(base, struct sim_udp, base);
    while (u->host && !u->queue_n) {
        int r = sim_wait(&u->rd, "IO wait: datagram");
        if (r < 0) return r;
    }
    if (!u->host) return SN_E_CLOSED;
    struct dgram *d = SN_LIST_ENTRY(sn_list_pop_front(&u->queue), struct dgram, link);
    u->queue_n--;
    size_t n = SN_MIN((size_t)d->len, cap);
    memcpy(buf, d->data, n);
    if (peer) snprintf(peer, peer_cap, "%s:%u", d->from->addr, d->from_port);
    sn_free(d);
    return (ssize_t)n;
}

static int sim_udp_addr(struct sn_udp *base, char *out, size_t cap)
{
    struct sim_udp *u = SN_CONTAINER_OF(base, struct sim_udp, base);
    int n = snprintf(out, cap, "%s:%u", u->host ? u->host->addr : "0.0.0.0", u->port);
    return (size_t)n < cap ? n : SN_E_TOO_LARGE;
}

static void udp_stop(struct sim_udp *u, bool crashed)
{
    struct sn_list *n;
    u->host = NULL;
    while ((n = sn_list_pop_front(&u->queue))) sn_free(SN_LIST_ENTRY(n, struct dgram, link));
    u->queue_n = 0;
    if (!crashed) wake(&u->rd, 0);
    u->rd.f = NULL;
}

static void sim_udp_close(struct sn_udp *base)
{
    struct sim_udp *u = SN_CONTAINER_OF(base, struct sim_udp, base);
    if (u->host) udp_stop(u, false);
}

static const struct sn_udp_ops sim_udp_ops = {sim_udp_recv, sim_udp_send, sim_udp_addr,
                                              sim_udp_close};

int sn_simnet_udp_open(const struct sn_net_name *n, const char *text, struct sn_udp **ret)
{
    struct sn_sim_host *h = sn_sim_host_cur();
    uint16_t port = n->port ? n->port : port_new();
    if (udp_at(h, port))
        return sn_fail(SN_E_ALREADY_EXISTS, "datagrams on %s: address in use", text);
    struct sim_udp *u = SN_NEW(struct sim_udp);
    if (!u) return SN_E_NOMEM;
    u->base.ops = &sim_udp_ops;
    u->host = h;
    u->port = port;
    sn_list_init(&u->queue);
    sn_list_push_back(&net.udps, &u->link);
    *ret = &u->base;
    return 0;
}

/* ---- faults ---- */

void sn_sim_link(struct sn_sim_host *a, struct sn_sim_host *b, int64_t delay_min_ns,
                 int64_t delay_max_ns, double loss)
{
    struct sim_link *l = link_get(a, b);
    SN_ASSERT(l);
    l->delay_min_ns = delay_min_ns;
    l->delay_max_ns = delay_max_ns;
    l->loss = loss;
}

/* conn_heal - what was held, and what was sent behind it, sets out anew. */
static void conn_heal(struct sim_conn *c)
{
    for (int i = 0; i < 2; i++) {
        struct sim_end *e = &c->end[i];
        bool any = false;
        SN_LIST_EACH (&e->out, it) any |= SN_LIST_ENTRY(it, struct seg, link)->held;
        if (!any) continue;
        timer_stop(&e->breaker);
        e->out_last_ns = 0;
        SN_LIST_EACH (&e->out, it) seg_schedule(SN_LIST_ENTRY(it, struct seg, link));
    }
}

void sn_sim_partition(struct sn_sim_host *a, struct sn_sim_host *b, bool cut)
{
    struct sim_link *l = link_get(a, b);
    SN_ASSERT(l);
    if (l->cut == cut) return;
    l->cut = cut;
    sn_sim_trace('P', (uint64_t)a->id << 32 | (uint64_t)b->id << 1 | cut);
    if (cut) return;
    SN_LIST_EACH (&net.conns, it) {
        struct sim_conn *c = SN_LIST_ENTRY(it, struct sim_conn, link);
        const struct sn_sim_host *x = c->end[0].host, *y = c->end[1].host;
        if ((x == a && y == b) || (x == b && y == a)) conn_heal(c);
    }
}

static void simnet_crash(struct sn_sim_host *h)
{
    SN_LIST_EACH (&net.listeners, it) {
        struct sim_listener *l = SN_LIST_ENTRY(it, struct sim_listener, link);
        if (l->host == h) listener_stop(l, true);
    }
    SN_LIST_EACH (&net.udps, it) {
        struct sim_udp *u = SN_LIST_ENTRY(it, struct sim_udp, link);
        if (u->host == h) udp_stop(u, true);
    }
    SN_LIST_EACH (&net.conns, it) {
        struct sim_conn *c = SN_LIST_ENTRY(it, struct sim_conn, link);
        for (int i = 0; i < 2; i++) {
            struct sim_end *e = &c->end[i];
            if (e->host != h || (!e->open && !sn_list_linked(&e->backlog) && !e->connected))
                continue;
            e->rd.f = e->wr.f = NULL; /* fibers that no longer exist */
            e->ops = 0;
            e->counted = NULL;
            e->open = e->parked = false;
            timer_stop(&e->idle);
            if (sn_list_linked(&e->backlog)) sn_list_del(&e->backlog);
            out_drop(e);
            if (!e->reset) (void)seg_send(e, SEG_RST, NULL, 0);
            e->reset = true;
        }
        conn_maybe_free(c);
    }
}

static void simnet_begin(void)
{
    sn_list_init(&net.conns);
    sn_list_init(&net.listeners);
    sn_list_init(&net.udps);
    sn_list_init(&net.links);
    sn_list_init(&net.dgrams);
    net.ids = 0;
    net.port_next = PORT_FIRST;
    net.on = true;
}

static void simnet_done(void)
{
    struct sn_list *n;
    if (!net.on) return;
    net.on = false;
    while (!sn_list_empty(&net.conns))
        conn_free(SN_LIST_ENTRY(net.conns.next, struct sim_conn, link));
    while ((n = sn_list_pop_front(&net.listeners)))
        sn_free(SN_LIST_ENTRY(n, struct sim_listener, link));
    while ((n = sn_list_pop_front(&net.udps))) {
        udp_stop(SN_LIST_ENTRY(n, struct sim_udp, link), true);
        sn_free(SN_LIST_ENTRY(n, struct sim_udp, link));
    }
    while ((n = sn_list_pop_front(&net.dgrams))) {
        timer_stop(&SN_LIST_ENTRY(n, struct dgram, link)->timer);
        sn_free(SN_LIST_ENTRY(n, struct dgram, link));
    }
    while ((n = sn_list_pop_front(&net.links))) sn_free(SN_LIST_ENTRY(n, struct sim_link, link));
}

__attribute__((constructor)) static void simnet_register(void)
{
    static const struct sn_sim_part part = {simnet_begin, simnet_crash, simnet_done};
    sn_sim_part_add(&part);
}
