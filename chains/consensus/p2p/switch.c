/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/p2p/switch.c - what the switch is and has: reactors, targets, counts, its run. */
#include <stdio.h>

#include "consensus/p2p/switch_int.h"
#include "core/alloc.h"
#include "kit/log.h"

SN_LOG_MODULE("p2p");

int switch_addr(struct sn_str addr, char ret_id[SN_NODE_ID_LEN + 1],
                char ret_addr[SN_SWITCH_ADDR_MAX + 1])
{
    if (sn_str_starts(addr, SN_STR("tcp://"))) addr = sn_str_from(addr, 6);
    struct sn_str host = sn_str_from(addr, SN_NODE_ID_LEN + 1);
    ssize_t colon = sn_str_rchr(host, ':');
    uint64_t port = 0;
    bool ok = addr.len <= SN_SWITCH_ADDR_MAX && sn_str_chr(addr, '@') == SN_NODE_ID_LEN &&
              colon > 0 && sn_str_to_u64(sn_str_from(host, (size_t)colon + 1), &port) == 0 &&
              port > 0 && port <= 65535 && !memchr(addr.ptr, 0, addr.len);
    for (unsigned i = 0; ok && i < SN_NODE_ID_LEN; i++)
        ok = (addr.ptr[i] >= '0' && addr.ptr[i] <= '9') ||
             (addr.ptr[i] >= 'a' && addr.ptr[i] <= 'f');
    if (!ok)
        return sn_fail(SN_E_SYNTAX,
                       "peer address \"%.*s\": expected ID@HOST:PORT, the id of %d lower-case "
                       "hexadecimal digits",
                       (int)SN_MIN(addr.len, SN_SWITCH_ADDR_MAX), addr.ptr, SN_NODE_ID_LEN);
    memcpy(ret_id, addr.ptr, SN_NODE_ID_LEN);
    ret_id[SN_NODE_ID_LEN] = 0;
    memcpy(ret_addr, addr.ptr, addr.len);
    ret_addr[addr.len] = 0;
    return 0;
}
int sn_switch_addr_check(const char *addr)
{
    char id[SN_NODE_ID_LEN + 1], to[SN_SWITCH_ADDR_MAX + 1];
    return switch_addr(sn_str(addr), id, to);
}
static int listen_at(struct sn_switch *sw, const char *at)
{
    struct sn_str s = sn_str(at);
    if (sn_str_starts(s, SN_STR("tcp://"))) s = sn_str_from(s, 6);
    if (s.len + 4 > SN_SWITCH_ADDR_MAX || sn_str_rchr(s, ':') < 0)
        return sn_fail(SN_E_SYNTAX, "address to listen at \"%.*s\": expected tcp://HOST:PORT",
                       (int)SN_MIN(s.len, SN_SWITCH_ADDR_MAX), s.ptr);
    (void)snprintf(sw->listen, sizeof(sw->listen), "tcp:%.*s", SN_STR_ARG(s));
    return 0;
}
static int add_target(struct sn_switch *sw, const char *addr, bool persistent, struct target **ret);

static unsigned limit_of(unsigned asked, unsigned otherwise)
{
    return asked == SN_SWITCH_NONE ? 0 : asked ? asked : otherwise;
}
int sn_switch_new(const struct sn_switch_opts *o, struct sn_switch **ret)
{
    struct sn_switch *sw = SN_NEW(struct sn_switch);
    if (!sw) return SN_E_NOMEM;
    sw->o = *o;
    sw->o.inbound_max = limit_of(o->inbound_max, 40);
    sw->o.outbound_max = limit_of(o->outbound_max, 10);
    sw->o.self.n_channels = 0;
    sw->numbers[0] = 1;
    sn_list_init(&sw->conns);
    sn_list_init(&sw->targets);
    int r = o->listen ? listen_at(sw, o->listen) : 0;
    if (r == 0 && o->book) r = sn_book_keep_out(o->book, o->self.id);
    for (unsigned i = 0; r == 0 && o->persistent && o->persistent[i]; i++) {
        struct target *t;
        r = add_target(sw, o->persistent[i], true, &t);
        /* One list for all nodes of a network has ourselves, and some have a node twice. */
        if (r == SN_E_ALREADY_EXISTS || r == SN_E_INVALID_ARGUMENT) r = 0;
    }
    if (r < 0) {
        sn_switch_free(sw);
        return r;
    }
    *ret = sw;
    return 0;
}
void sn_switch_free(struct sn_switch *sw)
{
    if (!sw) return;
    SN_LIST_EACH (&sw->targets, it) {
        sn_list_del(it);
        target_unref(SN_LIST_ENTRY(it, struct target, link));
    }
    sn_free(sw);
}
int sn_switch_add_reactor(struct sn_switch *sw, const struct sn_reactor *r)
{
    if (sw->n_reactors == SN_SWITCH_REACTORS_MAX ||
        sw->n_channels + r->n_channels > SN_NODE_CHANNELS_MAX)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "reactor %s: limit %d reactors, %u channels",
                       r->name, SN_SWITCH_REACTORS_MAX, SN_NODE_CHANNELS_MAX);
    for (unsigned i = 0; i < r->n_channels; i++) {
        uint8_t other = sw->reactor_of[r->channels[i].id];
        if (other)
            return sn_fail(SN_E_ALREADY_EXISTS, "reactor %s: channel %02x is %s's", r->name,
                           r->channels[i].id, sw->reactors[other - 1]->name);
    }
    for (unsigned i = 0; i < r->n_channels; i++) {
        sw->reactor_of[r->channels[i].id] = (uint8_t)(sw->n_reactors + 1);
        sw->count_at[r->channels[i].id] = (uint8_t)sw->n_channels;
        sw->o.self.channels[sw->o.self.n_channels++] = r->channels[i].id;
        sw->channels[sw->n_channels++] = r->channels[i];
    }
    sw->reactors[sw->n_reactors] = r;
    return (int)sw->n_reactors++;
}

/* ---- targets ---- */

void target_unref(struct target *t)
{
    if (atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1) sn_free(t);
}
static struct target *target_of(struct sn_switch *sw, const char *id)
{
    SN_LIST_EACH (&sw->targets, it) {
        struct target *t = SN_LIST_ENTRY(it, struct target, link);
        if (memcmp(t->id, id, SN_NODE_ID_LEN) == 0) return t;
    }
    return NULL;
}
bool switch_is_persistent(struct sn_switch *sw, const char *id)
{
    SN_LIST_EACH (&sw->targets, it) {
        const struct target *t = SN_LIST_ENTRY(it, struct target, link);
        if (t->persistent && memcmp(t->id, id, SN_NODE_ID_LEN) == 0) return true;
    }
    return false;
}
static int may_dial(struct sn_switch *sw, const char *id, bool persistent)
{
    if (persistent ? switch_is_persistent(sw, id) : target_of(sw, id) != NULL)
        return sn_fail(SN_E_ALREADY_EXISTS, "node %s is being dialled", id);
    if (!persistent && switch_conn_of(sw, id, PEER_OPENING))
        return sn_fail(SN_E_ALREADY_EXISTS, "node %s is connected", id);
    if (sw->n_targets >= SN_SWITCH_TARGETS_MAX)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "node %s: limit %u addresses to dial", id,
                       SN_SWITCH_TARGETS_MAX);
    if (persistent || switch_is_unconditional(sw, id)) return 0;
    struct sn_switch_counts c;
    switch_count(sw, &c);
    if (c.outbound + c.dialing >= sw->o.outbound_max)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "node %s: limit %u outbound peers", id,
                       sw->o.outbound_max);
    return 0;
}
/* With the lock, or before the switch is known to anybody. */
static int add_target(struct sn_switch *sw, const char *addr, bool persistent, struct target **ret)
{
    struct target *t = SN_NEW(struct target);
    if (!t) return SN_E_NOMEM;
    t->sw = sw;
    t->persistent = persistent;
    atomic_init(&t->refs, 1);
    int r = switch_addr(sn_str(addr), t->id, t->addr);
    if (r == 0 && strcmp(t->id, sw->o.self.id) == 0)
        r = sn_fail(SN_E_INVALID_ARGUMENT, "peer address \"%s\": this node itself", t->addr);
    if (r == 0) r = may_dial(sw, t->id, persistent);
    if (r < 0) {
        sn_free(t);
        return r;
    }
    sn_list_push_back(&sw->targets, &t->link);
    sw->n_targets++;
    *ret = t;
    sn_cond_signal(&sw->news);
    return 0;
}
int sn_switch_dial(struct sn_switch *sw, const char *addr, bool persistent)
{
    struct target *t;
    sn_mutex_lock_always(&sw->lock);
    int r = add_target(sw, addr, persistent, &t);
    sn_mutex_unlock(&sw->lock);
    return r;
}
int sn_switch_connect(struct sn_switch *sw, const char *addr)
{
    struct target *t = NULL;
    sn_mutex_lock_always(&sw->lock);
    int r = sw->scope ? add_target(sw, addr, false, &t) : SN_E_CLOSED;
    if (r == 0) atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    sn_mutex_unlock(&sw->lock);
    if (r < 0) return r;
    r = sn_event_wait(&t->settled);
    if (r == 0) r = t->result;
    target_unref(t);
    return r;
}

/* ---- running ---- */

/* With the lock. */
static void start_targets(struct sn_switch *sw)
{
    SN_LIST_EACH (&sw->targets, it) {
        struct target *t = SN_LIST_ENTRY(it, struct target, link);
        if (t->started) continue;
        t->started = true;
        atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
        int r = sn_scope_go(sw->scope, "p2p-dial", target_run, t);
        if (r == 0) continue;
        SN_LOG_ERROR("cannot dial", SN_L("address", t->addr), SN_L_ERR(r));
        sn_list_del(&t->link);
        sw->n_targets--;
        t->result = r;
        sn_event_set(&t->settled);
        target_unref(t);
        target_unref(t);
    }
}
/* Starts what is to be dialled, in this fiber: another's deadline is not its business. Until
 * cancelled. */
static int run(struct accepting *a, struct sn_scope *s)
{
    struct sn_switch *sw = a->sw;
    sn_mutex_lock_always(&sw->lock);
    sw->scope = s;
    int r = 0;
    /* They queue for connections, which are thus dealt to the workers in turn. */
    for (unsigned i = 0; a->l && r == 0 && i < sn_worker_count(); i++)
        r = sn_scope_go_on(s, i, "p2p-accept", switch_accept, a);
    while (r == 0) {
        start_targets(sw);
        r = sn_cond_wait(&sw->news, &sw->lock);
    }
    /* No newcomer from here on. */
    sw->scope = NULL;
    SN_LIST_EACH (&sw->targets, it) {
        struct target *t = SN_LIST_ENTRY(it, struct target, link);
        if (t->started || sn_event_is_set(&t->settled)) continue;
        t->result = SN_E_CLOSED;
        sn_event_set(&t->settled);
    }
    sn_mutex_unlock(&sw->lock);
    return r;
}
static int listen_now(struct sn_switch *sw, struct sn_listener **ret)
{
    int r = sn_listen(sw->listen, NULL, ret);
    if (r < 0) return r;
    (void)sn_listener_addr(*ret, sw->listen_addr, sizeof(sw->listen_addr));
    if (!sw->o.self.listen_addr[0])
        (void)snprintf(sw->o.self.listen_addr, sizeof(sw->o.self.listen_addr), "%s",
                       sw->listen_addr);
    atomic_store(&sw->listening, true);
    SN_LOG_INFO("listening", SN_L("address", sw->listen_addr), SN_L("id", sw->o.self.id));
    return 0;
}
int sn_switch_run(struct sn_switch *sw)
{
    struct accepting a = {.sw = sw};
    struct sn_scope_storage mem;
    int r = sw->listen[0] ? listen_now(sw, &a.l) : 0;
    if (r < 0) return sn_wrap(r, "p2p");
    struct sn_scope *s = sn_scope_begin(&mem);
    r = run(&a, s);
    atomic_store(&sw->listening, false);
    sn_listener_close(a.l);
    /* Those that are here leave, each telling the reactors. */
    sn_scope_cancel(s);
    (void)sn_scope_end(s);
    return r;
}

/* ---- looking ---- */

bool switch_is_unconditional(const struct sn_switch *sw, const char *id)
{
    for (unsigned i = 0; sw->o.unconditional && sw->o.unconditional[i]; i++)
        if (strcmp(sw->o.unconditional[i], id) == 0) return true;
    return false;
}
struct sn_switch_peer *switch_conn_of(struct sn_switch *sw, const char *id, enum peer_state least)
{
    SN_LIST_EACH (&sw->conns, it) {
        struct sn_switch_peer *p = SN_LIST_ENTRY(it, struct sn_switch_peer, link);
        if (p->state >= least && memcmp(p->id, id, SN_NODE_ID_LEN) == 0) return p;
    }
    return NULL;
}
void switch_count(struct sn_switch *sw, struct sn_switch_counts *ret)
{
    *ret = sw->counts;
    ret->outbound_max = sw->o.outbound_max;
    SN_LIST_EACH (&sw->targets, it) {
        const struct target *t = SN_LIST_ENTRY(it, struct target, link);
        /* Between its start and its connection it counts here, so that many at once are seen. */
        if (!t->persistent && !sn_event_is_set(&t->settled) &&
            !switch_conn_of(sw, t->id, PEER_OPENING))
            ret->dialing++;
    }
    SN_LIST_EACH (&sw->conns, it) {
        const struct sn_switch_peer *p = SN_LIST_ENTRY(it, struct sn_switch_peer, link);
        bool joined = p->state >= PEER_JOINED;
        ret->peers += joined;
        ret->handshakes += !joined && !p->outbound;
        if (p->unconditional) continue;
        ret->dialing += !joined && p->outbound;
        ret->inbound += joined && !p->outbound;
        ret->outbound += joined && p->outbound;
    }
}
void sn_switch_counts(struct sn_switch *sw, struct sn_switch_counts *ret)
{
    sn_mutex_lock_always(&sw->lock);
    switch_count(sw, ret);
    sn_mutex_unlock(&sw->lock);
}
void sn_switch_each(struct sn_switch *sw, void (*fn)(void *arg, struct sn_switch_peer *p),
                    void *arg)
{
    sn_mutex_lock_always(&sw->lock);
    SN_LIST_EACH (&sw->conns, it) {
        struct sn_switch_peer *p = SN_LIST_ENTRY(it, struct sn_switch_peer, link);
        if (p->state == PEER_JOINED) fn(arg, p);
    }
    sn_mutex_unlock(&sw->lock);
}
struct sn_switch_peer *sn_switch_find(struct sn_switch *sw, const char *id)
{
    sn_mutex_lock_always(&sw->lock);
    struct sn_switch_peer *p =
        strlen(id) == SN_NODE_ID_LEN ? switch_conn_of(sw, id, PEER_JOINED) : NULL;
    if (p) p = p->state == PEER_JOINED ? sn_switch_peer_ref(p) : NULL;
    sn_mutex_unlock(&sw->lock);
    return p;
}
size_t sn_switch_broadcast(struct sn_switch *sw, uint8_t channel, const void *data, size_t n)
{
    struct sn_switch_peer *to[SN_SWITCH_PEERS_MAX];
    size_t n_to = 0, sent = 0;
    /* A peer's lock is held while its writer seals packets: not to be waited for with the
     * switch's. */
    sn_mutex_lock_always(&sw->lock);
    SN_LIST_EACH (&sw->conns, it) {
        struct sn_switch_peer *p = SN_LIST_ENTRY(it, struct sn_switch_peer, link);
        if (p->state == PEER_JOINED) to[n_to++] = sn_switch_peer_ref(p);
    }
    sn_mutex_unlock(&sw->lock);
    for (size_t i = 0; i < n_to; i++) {
        sent += sn_switch_peer_try_send(to[i], channel, data, n) == 0;
        sn_switch_peer_unref(to[i]);
    }
    return sent;
}
const struct sn_node_info *sn_switch_self(const struct sn_switch *sw) { return &sw->o.self; }
bool sn_switch_listening(const struct sn_switch *sw) { return atomic_load(&sw->listening); }
const char *sn_switch_listen_addr(const struct sn_switch *sw) { return sw->listen_addr; }
void sn_switch_channel_stats(const struct sn_switch *sw, uint8_t channel,
                             struct sn_switch_channel_stats *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (!sw->reactor_of[channel]) return;
    const struct channel_count *c = &sw->count_of[sw->count_at[channel]];
    ret->messages_in = atomic_load_explicit(&c->messages_in, memory_order_relaxed);
    ret->bytes_in = atomic_load_explicit(&c->bytes_in, memory_order_relaxed);
    ret->messages_out = atomic_load_explicit(&c->messages_out, memory_order_relaxed);
    ret->bytes_out = atomic_load_explicit(&c->bytes_out, memory_order_relaxed);
    for (unsigned k = 0; k < SN_SWITCH_KINDS; k++) {
        ret->kind_in[k] = atomic_load_explicit(&c->kind_in[k], memory_order_relaxed);
        ret->kind_out[k] = atomic_load_explicit(&c->kind_out[k], memory_order_relaxed);
    }
}
bool sn_switch_channel(const struct sn_switch *sw, unsigned i, uint8_t *ret)
{
    if (i >= sw->n_channels) return false;
    *ret = sw->channels[i].id;
    return true;
}
struct sn_book *sn_switch_book_lock(struct sn_switch *sw)
{
    sn_mutex_lock_always(&sw->book_lock);
    return sw->o.book;
}
void sn_switch_book_unlock(struct sn_switch *sw) { sn_mutex_unlock(&sw->book_lock); }
