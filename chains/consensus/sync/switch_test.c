/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/sync/switch_test.c - each end of a link is a peer; it has a fiber that delivers to its
 * own reactor, and one that holds its scope open. */
#include "consensus/sync/switch_test.h"

#include <stdio.h>

#include "core/alloc.h"
#include "core/vec.h"
#include "fiber/fiber.h"
#include "harness/test.h"

#define QUEUE_MAX 64

struct message {
    uint8_t channel;
    size_t len;
    int64_t at; /* not delivered before */
    char bytes[];
};
struct sn_switch {
    char name[SN_NODE_ID_LEN + 1];
    struct sn_scope *scope;
    const struct sn_reactor *reactor;
    SN_VEC(struct sn_switch_peer *) peers;
    SN_VEC(struct sn_switch_peer *) gone; /* for net_banned; freed with the switch */
};
struct sn_switch_peer {
    unsigned refs;
    struct sn_switch *sw, *remote; /* whose peer it is, and who it is */
    struct sn_switch_peer *other;  /* the other end; NULL once that is gone */
    void *slot;
    SN_VEC(struct message *) in;
    struct sn_mutex lock;
    struct sn_cond changed;
    struct sn_event stop;
    struct sn_scope *scope;
    int64_t delay, rate, wire_free, ban;
    uint64_t sent;
    int why;
};

const char *net_id(const struct sn_switch *sw) { return sw->name; }
struct sn_switch *net_switch(const char *name, struct sn_scope *scope)
{
    struct sn_switch *sw = SN_NEW(struct sn_switch);
    T_ASSERT(sw);
    snprintf(sw->name, sizeof(sw->name), "%s", name);
    sw->scope = scope;
    return sw;
}
int sn_switch_add_reactor(struct sn_switch *sw, const struct sn_reactor *r)
{
    sw->reactor = r;
    return 0;
}

struct sn_switch_peer *sn_switch_peer_ref(struct sn_switch_peer *p)
{
    p->refs++;
    return p;
}
void sn_switch_peer_unref(struct sn_switch_peer *p)
{
    if (!p || --p->refs) return;
    SN_VEC_EACH (&p->in, it) sn_free(*it);
    sn_vec_done(&p->in);
    sn_free(p);
}
void sn_switch_free(struct sn_switch *sw)
{
    T_EQ(sw->peers.len, 0);
    SN_VEC_EACH (&sw->gone, it) sn_switch_peer_unref(*it);
    sn_vec_done(&sw->peers);
    sn_vec_done(&sw->gone);
    sn_free(sw);
}
const char *sn_switch_peer_id(const struct sn_switch_peer *p) { return p->remote->name; }
bool sn_switch_peer_has_channel(const struct sn_switch_peer *p, uint8_t channel)
{
    const struct sn_reactor *r = p->remote->reactor;
    for (unsigned i = 0; r && i < r->n_channels; i++)
        if (r->channels[i].id == channel) return true;
    return false;
}
void *sn_switch_peer_get(const struct sn_switch_peer *p, int slot) { return p->slot; }
void sn_switch_peer_set(struct sn_switch_peer *p, int slot, void *value) { p->slot = value; }
int sn_switch_peer_go(struct sn_switch_peer *p, const char *name, int (*fn)(void *arg), void *arg)
{
    return sn_scope_go(p->scope, name, fn, arg);
}
void sn_switch_peer_stop(struct sn_switch_peer *p, int why, int64_t ban_ns)
{
    if (ban_ns) p->ban = ban_ns;
    if (!p->why) p->why = why;
    sn_event_set(&p->stop);
    if (p->other) sn_event_set(&p->other->stop);
}

/* ---- messages ---- */

static void put(struct sn_switch_peer *to, uint8_t channel, const void *data, size_t n, int64_t at)
{
    struct message *m = sn_alloc(sizeof(*m) + n);
    T_ASSERT(m);
    *m = (struct message){channel, n, at};
    if (n) memcpy(m->bytes, data, n);
    T_OK(sn_vec_push(&to->in, m));
    sn_cond_broadcast(&to->changed);
}
int sn_switch_peer_try_send(struct sn_switch_peer *p, uint8_t channel, const void *data, size_t n)
{
    if (sn_event_is_set(&p->stop) || !p->other) return SN_E_CLOSED;
    if (p->other->in.len >= QUEUE_MAX) return SN_E_BUSY;
    int64_t now = sn_now();
    p->wire_free = SN_MAX(p->wire_free, now) + (p->rate ? (int64_t)n * SN_SEC / p->rate : 0);
    p->sent += n;
    put(p->other, channel, data, n, p->wire_free + p->delay);
    return 0;
}
int sn_switch_peer_send(struct sn_switch_peer *p, uint8_t channel, const void *data, size_t n)
{
    for (;;) {
        int r = sn_switch_peer_try_send(p, channel, data, n);
        if (r != SN_E_BUSY) return r;
        if ((r = sn_sleep(SN_MS)) < 0) return r;
    }
}
size_t sn_switch_broadcast(struct sn_switch *sw, uint8_t channel, const void *data, size_t n)
{
    size_t sent = 0;
    SN_VEC_EACH (&sw->peers, it) sent += sn_switch_peer_try_send(*it, channel, data, n) == 0;
    return sent;
}
static struct sn_switch_peer *end_of(const struct sn_switch *sw, const struct sn_switch *remote)
{
    for (size_t i = 0; i < sw->peers.len; i++)
        if (sw->peers.ptr[i]->remote == remote) return sw->peers.ptr[i];
    return NULL;
}
void net_inject(struct sn_switch *a, struct sn_switch *b, uint8_t channel, struct sn_str msg)
{
    struct sn_switch_peer *p = end_of(b, a);
    if (p) put(p, channel, msg.ptr, msg.len, sn_now());
}
void sn_switch_each(struct sn_switch *sw, void (*fn)(void *arg, struct sn_switch_peer *p),
                    void *arg)
{
    SN_VEC_EACH (&sw->peers, it) fn(arg, *it);
}
struct sn_switch_peer *sn_switch_find(struct sn_switch *sw, const char *id)
{
    SN_VEC_EACH (&sw->peers, it)
        if (strcmp((*it)->remote->name, id) == 0) return sn_switch_peer_ref(*it);
    return NULL;
}
bool net_banned(const struct sn_switch *sw, const struct sn_switch *peer)
{
    for (size_t i = 0; i < sw->gone.len; i++)
        if (sw->gone.ptr[i]->remote == peer && sw->gone.ptr[i]->ban) return true;
    return false;
}
unsigned net_peers(const struct sn_switch *sw) { return (unsigned)sw->peers.len; }
uint64_t net_sent(const struct sn_switch *a, const struct sn_switch *b)
{
    struct sn_switch_peer *p = end_of(a, b);
    return p ? p->sent : 0;
}

/* ---- lives ---- */

static int deliver(void *arg)
{
    struct sn_switch_peer *p = arg;
    for (;;) {
        int r = sn_mutex_lock(&p->lock);
        if (r < 0) return r;
        while (r >= 0 && p->in.len == 0) r = sn_cond_wait(&p->changed, &p->lock);
        sn_mutex_unlock(&p->lock);
        if (r < 0) return r;
        struct message *m = p->in.ptr[0];
        memmove(p->in.ptr, p->in.ptr + 1, --p->in.len * sizeof(m));
        if (m->at > sn_now()) r = sn_sleep_until(m->at);
        if (r >= 0)
            r = p->sw->reactor->receive(p->sw->reactor->arg, p, m->channel,
                                        sn_str_of(m->bytes, m->len));
        sn_free(m);
        if (r < 0) {
            if (r != SN_E_CANCELLED) sn_switch_peer_stop(p, r, 0);
            return 0;
        }
    }
}
static int live(void *arg)
{
    struct sn_switch_peer *p = arg;
    struct sn_scope_storage mem;
    p->scope = sn_scope_begin(&mem);
    int r = p->sw->reactor->add_peer(p->sw->reactor->arg, p);
    if (r >= 0) r = sn_scope_go(p->scope, "deliver", deliver, p);
    if (r >= 0) (void)!sn_event_wait(&p->stop);
    sn_switch_peer_stop(p, r < 0 ? r : SN_E_EOF, 0);
    sn_scope_cancel(p->scope);
    (void)sn_scope_end(p->scope);
    if (p->slot) p->sw->reactor->remove_peer(p->sw->reactor->arg, p, p->why);
    if (p->other) p->other->other = NULL;
    for (size_t i = 0; i < p->sw->peers.len; i++)
        if (p->sw->peers.ptr[i] == p) sn_vec_remove_swap(&p->sw->peers, i);
    T_OK(sn_vec_push(&p->sw->gone, p));
    return 0;
}
static struct sn_switch_peer *make(struct sn_switch *sw, struct sn_switch *remote, int64_t delay,
                                   int64_t rate)
{
    struct sn_switch_peer *p = SN_NEW(struct sn_switch_peer);
    T_ASSERT(p);
    *p = (struct sn_switch_peer){
        .refs = 1, .sw = sw, .remote = remote, .delay = delay, .rate = rate};
    T_OK(sn_vec_push(&sw->peers, p));
    return p;
}
void net_link(struct sn_switch *a, struct sn_switch *b, int64_t delay_ns, int64_t bytes_per_s)
{
    struct sn_switch_peer *x = make(a, b, delay_ns, bytes_per_s),
                          *y = make(b, a, delay_ns, bytes_per_s);
    x->other = y;
    y->other = x;
    T_OK(sn_scope_go(a->scope, "peer", live, x));
    T_OK(sn_scope_go(b->scope, "peer", live, y));
}
void net_cut(struct sn_switch *a, struct sn_switch *b)
{
    struct sn_switch_peer *p = end_of(a, b);
    if (p) sn_switch_peer_stop(p, SN_E_RESET, 0);
}
