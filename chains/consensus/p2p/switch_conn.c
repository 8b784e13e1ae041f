/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/p2p/switch_conn.c - a connection's life: accepted or dialled, opened, settled against
 * others to the same node, joined, left. Each has a fiber, which holds its record. */
#include <stdio.h>

#include "consensus/p2p/switch_int.h"
#include "core/alloc.h"
#include "kit/log.h"

SN_LOG_MODULE("p2p");

static struct sn_switch_peer *peer_new(struct sn_switch *sw, struct sn_stream *s)
{
    struct sn_switch_peer *p = SN_NEW(struct sn_switch_peer);
    if (!p) return NULL;
    p->sw = sw;
    p->stream = s;
    p->outbound = !s;
    sn_list_init(&p->link);
    atomic_init(&p->refs, 1);
    return p;
}
static void set_remote(struct sn_switch_peer *p)
{
    int n = p->stream ? sn_stream_addr(p->stream, true, p->remote, sizeof(p->remote))
                      : sn_peer_remote(p->conn, p->remote, sizeof(p->remote));
    struct sn_str at = n < 0 ? SN_STR("?") : sn_str(p->remote);
    ssize_t colon = sn_str_rchr(at, ':');
    struct sn_str ip = colon < 0 ? at : sn_str_sub(at, 0, (size_t)colon);
    if (ip.len > 2 && ip.ptr[0] == '[') ip = sn_str_sub(ip, 1, ip.len - 1);
    /* A listener of both families sees IPv4 so; it is one address. */
    if (sn_str_starts(ip, SN_STR("::ffff:")) && sn_str_chr(ip, '.') > 0) ip = sn_str_from(ip, 7);
    (void)snprintf(p->ip, sizeof(p->ip), "%.*s", SN_STR_ARG(ip));
}
static int on_message(struct sn_peer *conn, void *arg, uint8_t channel, struct sn_str message)
{
    struct sn_switch_peer *p = arg;
    struct sn_switch *sw = p->sw;
    unsigned at = sw->count_at[channel];
    struct channel_count *c = &sw->count_of[at];
    atomic_fetch_add_explicit(&c->messages_in, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->bytes_in, message.len, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->kind_in[switch_kind(message)], message.len, memory_order_relaxed);
    atomic_fetch_add_explicit(&p->bytes[at].in, message.len, memory_order_relaxed);
    const struct sn_reactor *r = sw->reactors[sw->reactor_of[channel] - 1];
    return r->receive ? r->receive(r->arg, p, channel, message) : 0;
}

/* ---- opening ---- */

static int open_conn(struct sn_switch_peer *p, const char *addr)
{
    struct sn_switch *sw = p->sw;
    struct sn_peer_opts o = {.conn = {.key = sw->o.key, .self = &sw->o.self, .mconn = sw->o.mconn},
                             .handshake_ns = sw->o.handshake_ns,
                             .dial_ns = sw->o.dial_ns,
                             .on_message = on_message,
                             .arg = p};
    o.conn.mconn.channels = sw->channels;
    o.conn.mconn.n_channels = sw->n_channels;
    struct sn_stream *s = p->stream;
    p->stream = NULL;
    int r = addr ? sn_peer_dial(addr, &o, &p->conn) : sn_peer_open(s, &o, &p->conn);
    if (r < 0) return r;
    if (p->outbound) set_remote(p);
    return 0;
}
/* Whom the operator has named is not refused for what he did. */
static bool is_chosen(struct sn_switch *sw, const char *id)
{
    sn_mutex_lock_always(&sw->lock);
    bool yes = switch_is_persistent(sw, id) || switch_is_unconditional(sw, id);
    sn_mutex_unlock(&sw->lock);
    return yes;
}
static int welcome(struct sn_switch_peer *p)
{
    struct sn_switch *sw = p->sw;
    const char *id = sn_peer_info(p->conn)->id;
    struct sn_book *b = sn_switch_book_lock(sw);
    bool banned = b && sn_book_is_banned(b, sn_wall_now(), id);
    sn_switch_book_unlock(sw);
    if (banned && !is_chosen(sw, id))
        return sn_fail(SN_E_PERMISSION_DENIED, "node %s is banned", id);
    if (!sw->o.filter) return 0;
    int64_t before = sn_deadline_tighten(sn_now() + SN_SWITCH_FILTER_NS);
    int r = sw->o.filter(sw->o.arg, p->remote, id);
    sn_deadline_restore(before);
    return r < 0 ? sn_wrap(r, "filter of peers") : 0;
}

/* ---- settling ---- */

/* With the lock: another connection to the same node that p has to give way to, or wait for. One
 * that has been accepted and settles gives way to the one we dial, not the other way round. */
static struct sn_switch_peer *rival(struct sn_switch_peer *p)
{
    SN_LIST_EACH (&p->sw->conns, it) {
        struct sn_switch_peer *x = SN_LIST_ENTRY(it, struct sn_switch_peer, link);
        if (x == p || memcmp(x->id, p->id, SN_NODE_ID_LEN) != 0) continue;
        if (x->state >= PEER_JOINED || (x->outbound && !p->outbound)) return x;
    }
    return NULL;
}
/* With the lock: until p has no rival, or is the one to go. */
static int settle(struct sn_switch_peer *p)
{
    struct sn_switch *sw = p->sw;
    bool stays = (strcmp(sw->o.self.id, p->id) < 0) == p->outbound;
    int64_t now = sn_now();
    int64_t until = now + (stays ? SN_SWITCH_YIELD_NS : SN_SWITCH_KEEP_NS);
    for (;;) {
        const struct sn_switch_peer *x = rival(p);
        if (!x || (stays && x->state < PEER_JOINED)) return 0;
        bool joined = x->state == PEER_JOINED;
        if (joined && (x->outbound == p->outbound || now - x->since > SN_SWITCH_YOUNG_NS)) break;
        int64_t before = sn_deadline_tighten(until);
        int r = sn_cond_wait(&sw->changed, &sw->lock);
        sn_deadline_restore(before);
        if (r == SN_E_DEADLINE_EXCEEDED && !sn_cancelled()) {
            x = rival(p);
            if (!x || x->state < PEER_JOINED) return 0;
            break;
        }
        if (r < 0) return r;
    }
    return sn_fail(SN_E_ALREADY_EXISTS, "node %s is connected already", p->id);
}
/* With the lock. */
static int within_limits(struct sn_switch_peer *p)
{
    struct sn_switch *sw = p->sw;
    struct sn_switch_counts c;
    switch_count(sw, &c);
    if (c.peers >= SN_SWITCH_PEERS_MAX)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "limit %u peers", SN_SWITCH_PEERS_MAX);
    if (!p->unconditional && !p->outbound && c.inbound >= sw->o.inbound_max)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "limit %u inbound peers", sw->o.inbound_max);
    SN_LIST_EACH (&sw->conns, it) {
        const struct sn_switch_peer *x = SN_LIST_ENTRY(it, struct sn_switch_peer, link);
        if (x != p && x->state == PEER_JOINED && !sw->o.allow_duplicate_ip &&
            strcmp(x->ip, p->ip) == 0)
            return sn_fail(SN_E_ALREADY_EXISTS, "node %s is connected from %s already", x->id,
                           p->ip);
    }
    return 0;
}
/* With the lock: a free number; there is one, by SN_SWITCH_PEERS_MAX. */
static uint16_t take_number(struct sn_switch *sw)
{
    for (unsigned i = 0; i < SN_COUNT_OF(sw->numbers); i++)
        if (sw->numbers[i] != UINT64_MAX) {
            unsigned bit = (unsigned)__builtin_ctzll(~sw->numbers[i]);
            sw->numbers[i] |= 1ull << bit;
            return (uint16_t)(64 * i + bit);
        }
    return 0;
}
static int join(struct sn_switch_peer *p)
{
    struct sn_switch *sw = p->sw;
    sn_mutex_lock_always(&sw->lock);
    memcpy(p->id, sn_peer_info(p->conn)->id, sizeof(p->id));
    p->persistent = switch_is_persistent(sw, p->id);
    p->unconditional = switch_is_unconditional(sw, p->id);
    p->state = PEER_SETTLING;
    int r = settle(p);
    if (r == 0) r = within_limits(p);
    if (r == 0) {
        p->state = PEER_JOINED;
        p->since = sn_now();
        p->number = take_number(sw);
        sw->counts.joined++;
        sn_cond_broadcast(&sw->changed);
    }
    sn_mutex_unlock(&sw->lock);
    return r;
}

/* ---- being a peer ---- */

static void remember(struct sn_switch_peer *p)
{
    struct sn_book *b = sn_switch_book_lock(p->sw);
    if (b && p->outbound && sn_book_good(b, sn_wall_now(), p->id) < 0)
        SN_LOG_DEBUG("the address book does not take a peer as good", SN_L("id", p->id));
    sn_switch_book_unlock(p->sw);
}
static int add_to_reactors(struct sn_switch_peer *p, unsigned *ret_asked)
{
    for (unsigned i = 0; i < p->sw->n_reactors; i++) {
        const struct sn_reactor *x = p->sw->reactors[i];
        int r = x->add_peer ? x->add_peer(x->arg, p) : 0;
        if (r < 0) return sn_wrap(r, "reactor %s", x->name);
        *ret_asked = i + 1;
    }
    return 0;
}
static int end_of(struct sn_switch_peer *p, int r)
{
    char text[sizeof(p->why_text)];
    (void)sn_diag_format(r, text, sizeof(text));
    sn_mutex_lock_always(&p->sw->lock);
    p->scope = NULL;
    p->state = PEER_LEAVING;
    if (p->why)
        r = p->why;
    else
        memcpy(p->why_text, text, sizeof(text));
    sn_mutex_unlock(&p->sw->lock);
    return r;
}
/* Until it ends. Returns why. */
static int live(struct sn_switch_peer *p)
{
    struct sn_switch *sw = p->sw;
    struct sn_scope_storage mem;
    unsigned asked = 0;
    struct sn_scope *s = sn_scope_begin(&mem);
    sn_mutex_lock_always(&sw->lock);
    p->scope = s;
    sn_mutex_unlock(&sw->lock);
    SN_LOG_INFO("peer joined", SN_L("id", p->id), SN_L("remote", p->remote),
                SN_L("outbound", p->outbound), SN_L("moniker", sn_peer_info(p->conn)->moniker));
    remember(p);
    int r = add_to_reactors(p, &asked);
    if (r == 0) r = sn_peer_run(p->conn);
    r = end_of(p, r);
    sn_peer_close(p->conn);
    sn_scope_cancel(s);
    (void)sn_scope_end(s);
    while (asked--) {
        const struct sn_reactor *x = sw->reactors[asked];
        if (x->remove_peer) x->remove_peer(x->arg, p, r);
    }
    SN_LOG_INFO("peer left", SN_L("id", p->id), SN_L("remote", p->remote),
                SN_L("why", r == 0 ? "stopped" : p->why_text));
    return r;
}
/* Off the switch's list; the record lives as long as somebody has it. */
static void leave(struct sn_switch_peer *p)
{
    struct sn_switch *sw = p->sw;
    sn_mutex_lock_always(&sw->lock);
    sn_list_del(&p->link);
    if (p->number) sw->numbers[p->number / 64] &= ~(1ull << p->number % 64);
    sn_cond_broadcast(&sw->changed);
    sn_mutex_unlock(&sw->lock);
    if (p->conn) sn_peer_close(p->conn);
    sn_stream_close(p->stream);
    p->stream = NULL;
    sn_switch_peer_unref(p);
}
/* A connection from its beginning to its end. t: NULL, or who dials. Returns why it ended;
 * *ret_lived: how long it was a peer. */
static int serve(struct sn_switch_peer *p, struct target *t, int64_t *ret_lived)
{
    struct sn_switch *sw = p->sw;
    int r = open_conn(p, t ? t->addr : NULL);
    bool open = r == 0;
    if (r == 0) r = welcome(p);
    if (r == 0) r = join(p);
    if (t && !sn_event_is_set(&t->settled)) {
        t->result = r;
        sn_event_set(&t->settled);
    }
    if (r < 0) {
        sn_mutex_lock_always(&sw->lock);
        if (open)
            sw->counts.refused++;
        else
            sw->counts.failed++;
        sn_mutex_unlock(&sw->lock);
        SN_LOG_DEBUG("no peer", SN_L("remote", t ? t->addr : p->remote), SN_L_ERR(r));
    } else {
        r = live(p);
        *ret_lived = sn_now() - p->since;
    }
    leave(p);
    return r;
}

/* ---- accepting ---- */

static int inbound(void *arg)
{
    int64_t lived = 0;
    sn_deadline_restore(SN_FOREVER);
    (void)!serve(arg, NULL, &lived);
    return 0;
}
/* With the lock: whether one more may begin its handshake. */
static bool has_room(struct sn_switch *sw, const struct sn_switch_peer *p)
{
    unsigned all = 0, from_ip = 0, joined = 0;
    SN_LIST_EACH (&sw->conns, it) {
        const struct sn_switch_peer *x = SN_LIST_ENTRY(it, struct sn_switch_peer, link);
        if (x->outbound) continue;
        bool same = strcmp(x->ip, p->ip) == 0;
        if (same && !sw->o.allow_duplicate_ip) return false;
        joined += x->state >= PEER_JOINED && !x->unconditional;
        all += x->state < PEER_JOINED;
        from_ip += x->state < PEER_JOINED && same;
    }
    /* Where everyone is subject to the limit nobody needs to say who he is to be refused. */
    if (joined >= sw->o.inbound_max && !(sw->o.unconditional && sw->o.unconditional[0]))
        return false;
    return all < SN_SWITCH_HANDSHAKES_MAX && from_ip < SN_SWITCH_HANDSHAKES_IP;
}
static void take_in(struct sn_switch *sw, struct sn_stream *s)
{
    struct sn_switch_peer *p = peer_new(sw, s);
    if (!p) {
        sn_stream_close(s);
        return;
    }
    set_remote(p);
    sn_mutex_lock_always(&sw->lock);
    sw->counts.accepted++;
    int r = sw->scope && has_room(sw, p) ? 0 : SN_E_BUSY;
    if (r == 0) {
        sn_list_push_back(&sw->conns, &p->link);
        r = sn_scope_go_on(sw->scope, (unsigned)sn_worker_id(), "p2p-peer", inbound, p);
        if (r < 0) sn_list_del(&p->link);
    }
    if (r < 0) sw->counts.crowded++;
    sn_mutex_unlock(&sw->lock);
    if (r < 0) sn_switch_peer_unref(p);
}
int switch_accept(void *arg)
{
    struct accepting *a = arg;
    for (;;) {
        struct sn_stream *s;
        int r = sn_accept(a->l, &s);
        if (r < 0) return r == SN_E_CANCELLED ? 0 : r;
        take_in(a->sw, s);
    }
}

/* ---- dialling ---- */

static void note_dial(struct target *t)
{
    struct sn_book *b = sn_switch_book_lock(t->sw);
    if (b) sn_book_tried(b, sn_wall_now(), t->id);
    sn_switch_book_unlock(t->sw);
}
/* Another node answers there, or we do: not to be dialled again by what the book says. */
static void forget_address(struct target *t)
{
    struct sn_book *b = sn_switch_book_lock(t->sw);
    if (b) sn_book_remove(b, t->id);
    sn_switch_book_unlock(t->sw);
}
static int dial(struct target *t, int64_t *ret_lived)
{
    struct sn_switch *sw = t->sw;
    struct sn_switch_peer *p = peer_new(sw, NULL);
    if (!p) return SN_E_NOMEM;
    memcpy(p->id, t->id, sizeof(p->id));
    note_dial(t);
    sn_mutex_lock_always(&sw->lock);
    p->persistent = t->persistent;
    p->unconditional = switch_is_unconditional(sw, t->id);
    sw->counts.dialed++;
    int r = switch_conn_of(sw, t->id, PEER_JOINED) ? SN_E_ALREADY_EXISTS : 0;
    if (r == 0) sn_list_push_back(&sw->conns, &p->link);
    sn_mutex_unlock(&sw->lock);
    if (r == 0)
        r = serve(p, t, ret_lived);
    else
        sn_switch_peer_unref(p);
    if (r == SN_E_PERMISSION_DENIED && *ret_lived == 0) forget_address(t);
    return r;
}
static int await_absence(struct target *t)
{
    struct sn_switch *sw = t->sw;
    int r = 0;
    sn_mutex_lock_always(&sw->lock);
    while (r == 0 && switch_conn_of(sw, t->id, PEER_JOINED))
        r = sn_cond_wait(&sw->changed, &sw->lock);
    sn_mutex_unlock(&sw->lock);
    return r;
}
static int64_t pause_of(const struct sn_switch *sw, unsigned failed)
{
    int64_t ns = SN_SWITCH_RETRY_NS;
    if (failed > SN_SWITCH_RETRIES) {
        unsigned n = SN_MIN(failed - SN_SWITCH_RETRIES, SN_SWITCH_BACKOFFS);
        for (ns = SN_SEC; n > 0; n--) ns *= 3;
        if (sw->o.persistent_max_dial_ns > 0) ns = SN_MIN(ns, sw->o.persistent_max_dial_ns);
    }
    return ns + (int64_t)(sn_random() % (uint64_t)SN_SWITCH_JITTER_NS);
}
static int keep_connected(struct target *t)
{
    unsigned failed = 0;
    for (;;) {
        int64_t lived = 0;
        int r = await_absence(t);
        if (r < 0) return r;
        r = dial(t, &lived);
        if (sn_cancelled()) return SN_E_CANCELLED;
        if (lived >= SN_SWITCH_STABLE_NS) {
            failed = 0;
            continue;
        }
        failed++;
        if (r != SN_E_ALREADY_EXISTS && (failed == 1 || failed % SN_SWITCH_RETRIES == 0))
            SN_LOG_WARN("persistent peer not connected", SN_L("address", t->addr),
                        SN_L("tries", failed), SN_L_ERR(r));
        r = sn_sleep(pause_of(t->sw, failed));
        if (r < 0) return r;
    }
}
int target_run(void *arg)
{
    struct target *t = arg;
    struct sn_switch *sw = t->sw;
    int64_t lived = 0;
    sn_deadline_restore(SN_FOREVER);
    int r = t->persistent ? keep_connected(t) : dial(t, &lived);
    if (!sn_event_is_set(&t->settled)) t->result = r;
    sn_mutex_lock_always(&sw->lock);
    sn_list_del(&t->link);
    sw->n_targets--;
    sn_mutex_unlock(&sw->lock);
    sn_event_set(&t->settled);
    target_unref(t); /* the list's */
    target_unref(t);
    return 0;
}
