/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/p2p/mconn.h"

#include "consensus/p2p/mconn_int.h"
#include "core/alloc.h"
#include "core/status.h"

/* What was sent lately counts four fifths after each of these. */
#define DECAY_NS (2 * SN_SEC)
#define DECAY_STEPS_MAX 200 /* by then nothing is left of anything */
/* A limited connection may be ahead of its rate by a tenth of a second, at least by a few packets.
 */
#define BURST_PART 10
#define BURST_MIN (16 << 10)
/* A received message's memory above this is given back at once. */
#define KEEP_BYTES (64u << 10)

struct message {
    struct message *next;
    size_t len, sent;
    char data[];
};
struct channel {
    struct sn_mconn_channel is;
    struct message *first, **last;
    uint32_t queued;
    uint64_t recent; /* bytes sent lately */
    struct sn_buf received;
};
struct bucket {
    int64_t rate, burst, tokens, at;
};
struct sn_mconn {
    uint32_t payload;
    size_t packet_max, queue_bytes_max, queued_bytes;
    int64_t ping_ns, pong_ns, ping_at, pong_by, decay_at;
    bool ping_due, pong_due;
    struct bucket out, in;
    struct sn_buf input;
    bool got_ping, got_pong; /* from the receiving half to the other */
    struct sn_mconn_stats stats;
    unsigned n_channels;
    uint8_t index[256]; /* of a channel, plus one */
    struct channel channel[];
};

static void bucket_init(struct bucket *b, int64_t rate, int64_t now)
{
    b->rate = rate;
    b->burst = b->tokens = SN_MAX(rate / BURST_PART, (int64_t)BURST_MIN);
    b->at = now;
}
static void bucket_fill(struct bucket *b, int64_t now)
{
    if (b->rate <= 0 || now <= b->at) return;
    int64_t add = (int64_t)((__int128)(now - b->at) * b->rate / SN_SEC);
    if (add == 0) return;
    b->at = now;
    b->tokens = add > b->burst - b->tokens ? b->burst : b->tokens + add;
}
/* When at least one byte may pass. */
static int64_t bucket_at(const struct bucket *b, int64_t now)
{
    if (b->rate <= 0 || b->tokens > 0) return now;
    return b->at + (int64_t)((__int128)(1 - b->tokens) * SN_SEC / b->rate) + 1;
}

static int check(const struct sn_mconn_opts *o)
{
    bool seen[256] = {false};
    int64_t ping = o->ping_ns ? o->ping_ns : SN_MCONN_PING_NS;
    int64_t pong = o->pong_ns ? o->pong_ns : SN_MCONN_PONG_NS;
    if (o->n_channels == 0 || o->n_channels > SN_MCONN_CHANNELS_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "connection with %u channels, expected 1 to %u",
                       o->n_channels, SN_MCONN_CHANNELS_MAX);
    for (unsigned i = 0; i < o->n_channels; i++) {
        if (seen[o->channels[i].id])
            return sn_fail(SN_E_INVALID_ARGUMENT, "channel %02x is there twice", o->channels[i].id);
        seen[o->channels[i].id] = true;
    }
    if (ping <= 0 || pong <= 0 || pong >= ping)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "a pong is awaited %lld ms, but pings come every %lld ms",
                       (long long)(pong / SN_MS), (long long)(ping / SN_MS));
    if (o->payload > SN_MCONN_PAYLOAD_MAX || o->send_rate < 0 || o->recv_rate < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "packets with %u bytes (limit %u), rates %lld and %lld", o->payload,
                       SN_MCONN_PAYLOAD_MAX, (long long)o->send_rate, (long long)o->recv_rate);
    return 0;
}
int sn_mconn_new(const struct sn_mconn_opts *o, int64_t now, struct sn_mconn **ret)
{
    int r = check(o);
    if (r < 0) return r;
    struct sn_mconn *m = sn_zalloc(1, sizeof(*m) + o->n_channels * sizeof(m->channel[0]));
    if (!m) return SN_E_NOMEM;
    m->payload = o->payload ? o->payload : SN_MCONN_PAYLOAD;
    m->packet_max = mconn_packet_max(m->payload);
    m->queue_bytes_max = o->queue_bytes_max ? o->queue_bytes_max : SN_MCONN_QUEUE_BYTES;
    m->ping_ns = o->ping_ns ? o->ping_ns : SN_MCONN_PING_NS;
    m->pong_ns = o->pong_ns ? o->pong_ns : SN_MCONN_PONG_NS;
    m->ping_at = now + m->ping_ns;
    m->pong_by = SN_FOREVER;
    m->decay_at = now + DECAY_NS;
    bucket_init(&m->out, o->send_rate, now);
    bucket_init(&m->in, o->recv_rate, now);
    m->n_channels = o->n_channels;
    for (unsigned i = 0; i < o->n_channels; i++) {
        struct channel *c = &m->channel[i];
        c->is = o->channels[i];
        if (c->is.priority == 0) c->is.priority = 1;
        if (c->is.messages_max == 0) c->is.messages_max = SN_MCONN_MESSAGES_DEFAULT;
        if (c->is.recv_bytes_max == 0) c->is.recv_bytes_max = SN_MCONN_MESSAGE_MAX;
        c->last = &c->first;
        sn_buf_init(&c->received, 0);
        m->index[c->is.id] = (uint8_t)(i + 1);
    }
    sn_buf_init(&m->input, 0);
    *ret = m;
    return 0;
}
void sn_mconn_free(struct sn_mconn *m)
{
    if (!m) return;
    for (unsigned i = 0; i < m->n_channels; i++) {
        struct message *next;
        for (struct message *s = m->channel[i].first; s; s = next) {
            next = s->next;
            sn_free(s);
        }
        sn_buf_done(&m->channel[i].received);
    }
    sn_buf_done(&m->input);
    sn_free(m);
}
static struct channel *channel_of(const struct sn_mconn *m, int32_t id)
{
    if (id < 0 || id > 255 || m->index[id] == 0) return NULL;
    return (struct channel *)&m->channel[m->index[id] - 1];
}

/* ---- sending --------------------------------------------------------------------------------- */

static bool has_room(const struct sn_mconn *m, const struct channel *c, size_t n)
{
    if (c->queued >= c->is.messages_max) return false;
    return m->queued_bytes == 0 ||
           (n <= m->queue_bytes_max && m->queued_bytes <= m->queue_bytes_max - n);
}
bool sn_mconn_can_send(const struct sn_mconn *m, uint8_t channel, size_t n)
{
    const struct channel *c = channel_of(m, channel);
    return c && has_room(m, c, n);
}
int sn_mconn_send(struct sn_mconn *m, uint8_t channel, const void *data, size_t n)
{
    struct channel *c = channel_of(m, channel);
    if (!c) return sn_fail(SN_E_NOT_FOUND, "the connection has no channel %02x", channel);
    if (!has_room(m, c, n)) return SN_E_BUSY;
    struct message *s = n < SIZE_MAX - sizeof(*s) ? sn_alloc(sizeof(*s) + n) : NULL;
    if (!s) return SN_E_NOMEM;
    *s = (struct message){.len = n};
    if (n) memcpy(s->data, data, n);
    *c->last = s;
    c->last = &s->next;
    c->queued++;
    m->queued_bytes += n;
    return 0;
}
static void decay(struct sn_mconn *m, int64_t now)
{
    for (unsigned step = 0; now >= m->decay_at; step++) {
        for (unsigned i = 0; i < m->n_channels; i++)
            m->channel[i].recent = step < DECAY_STEPS_MAX ? m->channel[i].recent * 4 / 5 : 0;
        m->decay_at = step < DECAY_STEPS_MAX ? m->decay_at + DECAY_NS : now + DECAY_NS;
    }
}
static struct channel *next_channel(struct sn_mconn *m)
{
    struct channel *best = NULL;
    for (unsigned i = 0; i < m->n_channels; i++) {
        struct channel *c = &m->channel[i];
        if (c->first && (!best || c->recent * best->is.priority < best->recent * c->is.priority))
            best = c;
    }
    return best;
}
/* The next packet of c's first message, which goes with its last one. */
static void put_message(struct sn_mconn *m, struct channel *c, struct sn_buf *out)
{
    struct message *s = c->first;
    /* A channel's id of two bytes must not make the packet longer than the peer takes. */
    size_t room = m->payload - (c->is.id >= 128), take = SN_MIN(room, s->len - s->sent);
    struct mconn_packet p = {MCONN_MSG, s->sent + take == s->len, c->is.id,
                             sn_str_of(s->data + s->sent, take)};
    size_t before = out->len;
    mconn_packet_put(out, &p);
    if (out->err < 0) return;
    c->recent += out->len - before;
    s->sent += take;
    m->queued_bytes -= take;
    if (!p.eof) return;
    c->first = s->next;
    if (!c->first) c->last = &c->first;
    c->queued--;
    m->stats.messages_sent++;
    sn_free(s);
}
static void put_control(struct sn_mconn *m, int64_t now, struct sn_buf *out)
{
    if (m->pong_due) {
        mconn_packet_put(out, &(struct mconn_packet){.kind = MCONN_PONG});
        m->pong_due = false;
        m->stats.pongs++;
    }
    if (m->ping_due) {
        mconn_packet_put(out, &(struct mconn_packet){.kind = MCONN_PING});
        m->ping_due = false;
        if (m->pong_by == SN_FOREVER) m->pong_by = now + m->pong_ns;
        m->stats.pings++;
    }
}
ssize_t sn_mconn_pull(struct sn_mconn *m, int64_t now, struct sn_buf *out, size_t max)
{
    size_t before = out->len;
    struct channel *c;
    bucket_fill(&m->out, now);
    decay(m, now);
    put_control(m, now, out);
    while (out->err == 0 && out->len - before + m->packet_max <= max &&
           (m->out.rate == 0 || m->out.tokens > (int64_t)(out->len - before)) &&
           (c = next_channel(m)) != NULL)
        put_message(m, c, out);
    if (out->err < 0) return out->err;
    size_t n = out->len - before;
    if (m->out.rate > 0) m->out.tokens -= (int64_t)n;
    m->stats.bytes_sent += n;
    return (ssize_t)n;
}
int sn_mconn_note(struct sn_mconn *m, int64_t now)
{
    if (__atomic_exchange_n(&m->got_ping, false, __ATOMIC_ACQ_REL)) m->pong_due = true;
    if (__atomic_exchange_n(&m->got_pong, false, __ATOMIC_ACQ_REL)) m->pong_by = SN_FOREVER;
    if (now >= m->pong_by)
        return sn_fail(SN_E_DEADLINE_EXCEEDED, "the peer has not answered a ping for %lld ms",
                       (long long)(m->pong_ns / SN_MS));
    if (now >= m->ping_at) {
        m->ping_due = true;
        m->ping_at = now + m->ping_ns;
    }
    return 0;
}
bool sn_mconn_pending(const struct sn_mconn *m)
{
    bool any = m->ping_due || m->pong_due;
    for (unsigned i = 0; i < m->n_channels && !any; i++) any = m->channel[i].first != NULL;
    return any;
}
int64_t sn_mconn_deadline(const struct sn_mconn *m, int64_t now)
{
    int64_t at = SN_MIN(m->ping_at, m->pong_by);
    if (m->ping_due || m->pong_due) return now;
    if (sn_mconn_pending(m)) at = SN_MIN(at, bucket_at(&m->out, now));
    return at;
}

/* What the reading fiber counts, others look at without a lock. */
static void count(uint64_t *at, uint64_t n)
{
    __atomic_store_n(at, __atomic_load_n(at, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

/* ---- receiving ------------------------------------------------------------------------------- */

static int got_message(struct sn_mconn *m, const struct mconn_packet *p, sn_mconn_fn fn, void *arg)
{
    struct channel *c = channel_of(m, p->channel);
    if (!c)
        return sn_fail(SN_E_PROTOCOL, "packet for channel %x, which this node does not have",
                       (unsigned)p->channel);
    if (p->data.len > c->is.recv_bytes_max - c->received.len)
        return sn_fail(SN_E_TOO_LARGE, "channel %02x: a message of more than %u bytes", c->is.id,
                       c->is.recv_bytes_max);
    if (p->eof && c->received.len == 0) {
        count(&m->stats.messages_received, 1);
        return fn(arg, c->is.id, p->data);
    }
    int r = sn_buf_str(&c->received, p->data);
    if (r < 0 || !p->eof) return r;
    count(&m->stats.messages_received, 1);
    r = fn(arg, c->is.id, sn_buf_view(&c->received));
    if (c->received.cap > KEEP_BYTES)
        sn_buf_done(&c->received);
    else
        sn_buf_reset(&c->received);
    return r;
}
/* Packets at the head of `in`. Returns the bytes they take, or an error. */
static ssize_t packets(struct sn_mconn *m, struct sn_str in, sn_mconn_fn fn, void *arg)
{
    size_t at = 0;
    for (;;) {
        struct mconn_packet p;
        ssize_t n = mconn_packet_get(sn_str_from(in, at), m->packet_max + 1, &p);
        if (n < 0) return n;
        if (n == 0) return (ssize_t)at;
        int r = 0;
        if (p.kind == MCONN_PING)
            __atomic_store_n(&m->got_ping, true, __ATOMIC_RELEASE);
        else if (p.kind == MCONN_PONG)
            __atomic_store_n(&m->got_pong, true, __ATOMIC_RELEASE);
        else
            r = got_message(m, &p, fn, arg);
        if (r < 0) return r;
        at += (size_t)n;
    }
}
int sn_mconn_feed(struct sn_mconn *m, int64_t now, const void *data, size_t n, sn_mconn_fn fn,
                  void *arg)
{
    bucket_fill(&m->in, now);
    if (m->in.rate > 0) m->in.tokens -= (int64_t)n;
    count(&m->stats.bytes_received, n);
    struct sn_str in = sn_str_of(data, n);
    if (m->input.len) { /* the head of a packet that came before */
        int r = sn_buf_put(&m->input, data, n);
        if (r < 0) return r;
        in = sn_buf_view(&m->input);
    }
    ssize_t used = packets(m, in, fn, arg);
    if (used < 0) return (int)used;
    if (m->input.len)
        sn_buf_consume(&m->input, (size_t)used);
    else
        (void)!sn_buf_str(&m->input, sn_str_from(in, (size_t)used));
    return m->input.err;
}
bool sn_mconn_has_news(const struct sn_mconn *m)
{
    return __atomic_load_n(&m->got_ping, __ATOMIC_ACQUIRE) ||
           __atomic_load_n(&m->got_pong, __ATOMIC_ACQUIRE);
}
int64_t sn_mconn_read_at(const struct sn_mconn *m, int64_t now) { return bucket_at(&m->in, now); }

void sn_mconn_stats(const struct sn_mconn *m, struct sn_mconn_stats *ret)
{
    *ret = (struct sn_mconn_stats){
        .messages_sent = m->stats.messages_sent,
        .messages_received = __atomic_load_n(&m->stats.messages_received, __ATOMIC_RELAXED),
        .bytes_sent = m->stats.bytes_sent,
        .bytes_received = __atomic_load_n(&m->stats.bytes_received, __ATOMIC_RELAXED),
        .pings = m->stats.pings,
        .pongs = m->stats.pongs,
        .queued_bytes = m->queued_bytes};
}
