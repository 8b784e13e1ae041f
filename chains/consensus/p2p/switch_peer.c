/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/p2p/switch_peer.c - one peer, as the reactors see it. */
#include "consensus/p2p/switch_int.h"
#include "core/alloc.h"
#include "core/status.h"

struct sn_switch_peer *sn_switch_peer_ref(struct sn_switch_peer *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}
void sn_switch_peer_unref(struct sn_switch_peer *p)
{
    if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1) return;
    sn_stream_close(p->stream);
    sn_peer_free(p->conn);
    sn_free(p);
}
const char *sn_switch_peer_id(const struct sn_switch_peer *p) { return p->id; }
const struct sn_node_info *sn_switch_peer_info(const struct sn_switch_peer *p)
{
    return sn_peer_info(p->conn);
}
const char *sn_switch_peer_remote_ip(const struct sn_switch_peer *p) { return p->ip; }
const char *sn_switch_peer_remote(const struct sn_switch_peer *p) { return p->remote; }
bool sn_switch_peer_outbound(const struct sn_switch_peer *p) { return p->outbound; }
bool sn_switch_peer_persistent(const struct sn_switch_peer *p) { return p->persistent; }
bool sn_switch_peer_unconditional(const struct sn_switch_peer *p) { return p->unconditional; }
bool sn_switch_peer_has_channel(const struct sn_switch_peer *p, uint8_t channel)
{
    const struct sn_node_info *info = sn_peer_info(p->conn);
    return memchr(info->channels, channel, info->n_channels) != NULL;
}
int64_t sn_switch_peer_since(const struct sn_switch_peer *p) { return p->since; }
void sn_switch_peer_stats(struct sn_switch_peer *p, struct sn_mconn_stats *ret)
{
    sn_peer_stats(p->conn, ret);
}
void sn_switch_peer_bytes(const struct sn_switch_peer *p, uint8_t channel, uint64_t *ret_in,
                          uint64_t *ret_out)
{
    unsigned at = p->sw->count_at[channel];
    bool ours = p->sw->reactor_of[channel];
    *ret_in = ours ? atomic_load_explicit(&p->bytes[at].in, memory_order_relaxed) : 0;
    *ret_out = ours ? atomic_load_explicit(&p->bytes[at].out, memory_order_relaxed) : 0;
}
uint16_t sn_switch_peer_number(const struct sn_switch_peer *p) { return p->number; }
void *sn_switch_peer_get(const struct sn_switch_peer *p, int slot)
{
    return __atomic_load_n(&p->slots[slot], __ATOMIC_ACQUIRE);
}
void sn_switch_peer_set(struct sn_switch_peer *p, int slot, void *value)
{
    __atomic_store_n(&p->slots[slot], value, __ATOMIC_RELEASE);
}
void sn_switch_peer_set_height(struct sn_switch_peer *p, int64_t height)
{
    if (atomic_exchange(&p->height, height) == height) return;
    for (unsigned i = 0; i < p->sw->n_reactors; i++) {
        const struct sn_reactor *r = p->sw->reactors[i];
        if (r->peer_height) r->peer_height(r->arg, p, height);
    }
}
int64_t sn_switch_peer_height(const struct sn_switch_peer *p) { return atomic_load(&p->height); }

struct peer_fiber {
    struct sn_switch_peer *peer;
    int (*fn)(void *arg);
    void *arg;
};
static int run_fiber(void *arg)
{
    struct peer_fiber f = *(struct peer_fiber *)arg;
    sn_free(arg);
    /* Whoever started it may have had a deadline of its own. */
    sn_deadline_restore(SN_FOREVER);
    int r = f.fn(f.arg);
    if (r < 0 && r != SN_E_CANCELLED) sn_switch_peer_stop(f.peer, r, 0);
    sn_switch_peer_unref(f.peer);
    return 0;
}
int sn_switch_peer_go(struct sn_switch_peer *p, const char *name, int (*fn)(void *arg), void *arg)
{
    struct peer_fiber *f = SN_NEW(struct peer_fiber);
    if (!f) return SN_E_NOMEM;
    *f = (struct peer_fiber){.peer = sn_switch_peer_ref(p), .fn = fn, .arg = arg};
    sn_mutex_lock_always(&p->sw->lock);
    int r = p->scope ? sn_scope_go(p->scope, name, run_fiber, f) : SN_E_CLOSED;
    sn_mutex_unlock(&p->sw->lock);
    if (r == 0) return 0;
    sn_switch_peer_unref(p);
    sn_free(f);
    return r;
}
static int counted(struct sn_switch_peer *p, uint8_t channel, struct sn_str message, int r)
{
    if (r < 0) return r;
    unsigned at = p->sw->count_at[channel];
    struct channel_count *c = &p->sw->count_of[at];
    atomic_fetch_add_explicit(&c->messages_out, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->bytes_out, message.len, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->kind_out[switch_kind(message)], message.len,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&p->bytes[at].out, message.len, memory_order_relaxed);
    return r;
}
int sn_switch_peer_send(struct sn_switch_peer *p, uint8_t channel, const void *data, size_t n)
{
    if (!sn_switch_peer_has_channel(p, channel)) return SN_E_NOT_FOUND;
    return counted(p, channel, sn_str_of(data, n), sn_peer_send(p->conn, channel, data, n));
}
int sn_switch_peer_send_soon(struct sn_switch_peer *p, uint8_t channel, const void *data, size_t n)
{
    if (!sn_switch_peer_has_channel(p, channel)) return SN_E_NOT_FOUND;
    return counted(p, channel, sn_str_of(data, n), sn_peer_send_soon(p->conn, channel, data, n));
}
int sn_switch_peer_try_send(struct sn_switch_peer *p, uint8_t channel, const void *data, size_t n)
{
    if (!sn_switch_peer_has_channel(p, channel)) return SN_E_NOT_FOUND;
    return counted(p, channel, sn_str_of(data, n), sn_peer_try_send(p->conn, channel, data, n));
}
void sn_switch_peer_stop(struct sn_switch_peer *p, int why, int64_t ban_ns)
{
    struct sn_switch *sw = p->sw;
    char text[sizeof(p->why_text)];
    (void)sn_diag_format(why, text, sizeof(text));
    if (p->persistent || p->unconditional) ban_ns = 0;
    if (ban_ns > 0) {
        struct sn_book *b = sn_switch_book_lock(sw);
        /* Without the memory for a ban it is not banned; it is disconnected all the same. */
        if (b) (void)!sn_book_ban(b, p->id, sn_wall_now() + ban_ns);
        sn_switch_book_unlock(sw);
    }
    sn_mutex_lock_always(&sw->lock);
    if (ban_ns > 0) sw->counts.banned++;
    if (!p->why) {
        p->why = why ? why : SN_E_CANCELLED;
        memcpy(p->why_text, text, sizeof(text));
    }
    sn_mutex_unlock(&sw->lock);
    sn_peer_stop(p->conn, false);
}
void sn_switch_peer_finish(struct sn_switch_peer *p) { sn_peer_stop(p->conn, true); }
