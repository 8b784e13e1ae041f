/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/p2p/peer.h"

#include <openssl/rand.h>

#include "core/alloc.h"
#include "crypto/hash.h"
#include "fiber/sim.h"
#include "fiber/sync.h"

struct sn_peer {
    struct sn_stream *stream;
    struct sn_conn *conn;
    sn_peer_fn on_message;
    void *arg;
    struct sn_mutex lock; /* of the connection's sending half and what follows */
    struct sn_cond news;  /* for the writer: something to send, or to stop */
    struct sn_cond room;  /* for senders */
    bool stopping, flush, ended;
    bool hurry;     /* something queued is to leave at once */
    int64_t soon_at; /* else what is queued leaves then; SN_FOREVER: nothing lingers */
    struct sn_scope *scope; /* of the two fibers, while they are there */
    struct sn_buf out;      /* the writer's */
    uint8_t in[SN_PEER_READ];
};

static int fresh_secret(uint8_t ret[32])
{
    if (sn_sim_active()) {
        for (unsigned i = 0; i < 4; i++) {
            uint64_t x = sn_random();
            memcpy(ret + (size_t)8 * i, &x, 8);
        }
        return 0;
    }
    return RAND_bytes(ret, 32) == 1 ? 0 : sn_fail(SN_E_INTERNAL, "peer: no random numbers");
}
static int on_message(void *arg, uint8_t channel, struct sn_str message)
{
    struct sn_peer *p = arg;
    return p->on_message(p, p->arg, channel, message);
}
/* Nobody is told of messages before the connection is open. */
static int no_message(void *arg, uint8_t channel, struct sn_str message) { return 0; }

static int write_out(struct sn_peer *p)
{
    ssize_t n = sn_write(p->stream, p->out.ptr, p->out.len);
    sn_buf_reset(&p->out);
    return n < 0 ? (int)n : 0;
}
static int handshake(struct sn_peer *p)
{
    while (!sn_conn_is_open(p->conn) || sn_conn_pending(p->conn)) {
        ssize_t n = sn_conn_pull(p->conn, sn_now(), &p->out, SN_PEER_WRITE);
        int r = n > 0 ? write_out(p) : (int)n;
        if (r < 0) return r;
        if (sn_conn_is_open(p->conn)) break;
        n = sn_read(p->stream, p->in, sizeof(p->in));
        if (n == 0) return sn_fail(SN_E_EOF, "the peer closed during the handshake");
        if (n < 0) return (int)n;
        r = sn_conn_feed(p->conn, sn_now(), p->in, (size_t)n, no_message, NULL);
        if (r < 0) return r;
    }
    return 0;
}
int sn_peer_open(struct sn_stream *s, const struct sn_peer_opts *o, struct sn_peer **ret)
{
    uint8_t secret[32];
    struct sn_peer *p = SN_NEW(struct sn_peer);
    if (!p) {
        sn_stream_close(s);
        return SN_E_NOMEM;
    }
    p->stream = s;
    p->on_message = o->on_message;
    p->arg = o->arg;
    p->soon_at = SN_FOREVER;
    int r = fresh_secret(secret);
    if (r == 0) r = sn_conn_new(&o->conn, secret, sn_now(), &p->conn);
    sn_wipe(secret, sizeof(secret));
    if (r == 0) {
        int64_t before = sn_deadline_tighten(
            sn_now() + (o->handshake_ns ? o->handshake_ns : SN_PEER_HANDSHAKE_NS));
        r = handshake(p);
        sn_deadline_restore(before);
    }
    if (r < 0) {
        sn_peer_free(p);
        return r;
    }
    *ret = p;
    return 0;
}
int sn_peer_dial(const char *addr, const struct sn_peer_opts *o, struct sn_peer **ret)
{
    struct sn_str at = sn_str(addr);
    char id[SN_NODE_ID_LEN + 1], where[300];
    struct sn_stream *s;
    if (sn_str_starts(at, SN_STR("tcp://"))) at = sn_str_from(at, 6);
    ssize_t sep = sn_str_chr(at, '@');
    if (sep != SN_NODE_ID_LEN || at.len > 256)
        return sn_fail(SN_E_SYNTAX,
                       "peer address \"%.*s\": expected ID@HOST:PORT with %d digits of id",
                       (int)SN_MIN(at.len, 256u), at.ptr, SN_NODE_ID_LEN);
    memcpy(id, at.ptr, SN_NODE_ID_LEN);
    id[SN_NODE_ID_LEN] = 0;
    (void)snprintf(where, sizeof(where), "tcp:%.*s", (int)at.len - (int)sep - 1, at.ptr + sep + 1);
    int64_t before = sn_deadline_tighten(sn_now() + (o->dial_ns ? o->dial_ns : SN_PEER_DIAL_NS));
    int r = sn_dial(where, NULL, &s);
    sn_deadline_restore(before);
    if (r < 0) return r;
    struct sn_peer_opts opts = *o;
    opts.conn.expected_id = id;
    return sn_peer_open(s, &opts, ret);
}

static int read_loop(void *arg)
{
    struct sn_peer *p = arg;
    int r = sn_conn_feed(p->conn, sn_now(), NULL, 0, on_message, p);
    while (r == 0) {
        int64_t now = sn_now(), at = sn_conn_read_at(p->conn, now);
        if (at > now && (r = sn_sleep_until(at)) < 0) break;
        ssize_t n = sn_read(p->stream, p->in, sizeof(p->in));
        if (n == 0) return SN_E_EOF;
        if (n < 0) return (int)n;
        r = sn_conn_feed(p->conn, sn_now(), p->in, (size_t)n, on_message, p);
        /* The lock orders the signal after the writer's last look at what there is to do. */
        if (r == 0 && sn_conn_has_news(p->conn)) {
            sn_mutex_lock_always(&p->lock);
            sn_cond_signal(&p->news);
            sn_mutex_unlock(&p->lock);
        }
    }
    return r;
}
/* With the lock: waits for news, at most until `at`. */
static int await_news(struct sn_peer *p, int64_t at)
{
    int64_t before = sn_deadline_tighten(at);
    int r = sn_cond_wait(&p->news, &p->lock);
    sn_deadline_restore(before);
    return r == SN_E_DEADLINE_EXCEEDED && !sn_cancelled() ? 0 : r;
}
static int write_loop(void *arg)
{
    struct sn_peer *p = arg;
    int r = 0;
    sn_mutex_lock_always(&p->lock);
    while (r == 0) {
        int64_t now = sn_now();
        if (p->stopping && (!p->flush || !sn_conn_pending(p->conn))) {
            r = SN_E_CLOSED;
            break;
        }
        r = sn_conn_note(p->conn, now);
        if (r == 0 && !p->hurry && !p->stopping && p->soon_at != SN_FOREVER && now < p->soon_at) {
            r = await_news(p, p->soon_at);
            continue;
        }
        ssize_t n = r < 0 ? r : sn_conn_pull(p->conn, now, &p->out, SN_PEER_WRITE);
        if (n < 0)
            r = (int)n;
        /* What is left of more than a write goes on without lingering. */
        p->hurry = sn_conn_pending(p->conn);
        p->soon_at = SN_FOREVER;
        if (n == 0) r = await_news(p, sn_conn_deadline(p->conn, now));
        if (n <= 0) continue;
        sn_cond_broadcast(&p->room);
        sn_mutex_unlock(&p->lock);
        r = write_out(p);
        sn_mutex_lock_always(&p->lock);
    }
    sn_mutex_unlock(&p->lock);
    return r;
}
int sn_peer_run(struct sn_peer *p)
{
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    unsigned worker = (unsigned)sn_worker_id();
    sn_mutex_lock_always(&p->lock);
    p->scope = s;
    sn_mutex_unlock(&p->lock);
    int r = sn_scope_go_on(s, worker, "peer-write", write_loop, p);
    if (r == 0) r = sn_scope_go_on(s, worker, "peer-read", read_loop, p);
    if (r < 0) sn_scope_cancel(s);
    int end = sn_scope_wait(s);
    sn_mutex_lock_always(&p->lock);
    p->ended = true;
    p->scope = NULL;
    bool stopped = p->stopping;
    sn_cond_broadcast(&p->room);
    sn_mutex_unlock(&p->lock);
    (void)sn_scope_end(s);
    if (r < 0) return r;
    return stopped && (end == SN_E_CLOSED || end == SN_E_CANCELLED) ? 0 : end;
}
const struct sn_node_info *sn_peer_info(const struct sn_peer *p) { return sn_conn_peer(p->conn); }

static int send_locked(struct sn_peer *p, uint8_t channel, struct sn_str m, bool soon)
{
    if (p->ended || p->stopping) return SN_E_CLOSED;
    int r = sn_conn_send(p->conn, channel, m.ptr, m.len);
    if (r < 0) return r;
    bool first = soon && !p->hurry && p->soon_at == SN_FOREVER;
    if (first) p->soon_at = sn_now() + SN_PEER_LINGER_NS;
    if (!soon) p->hurry = true;
    /* What lingers already needs no second look by the writer. */
    if (first || !soon) sn_cond_signal(&p->news);
    return 0;
}
static int send(struct sn_peer *p, uint8_t channel, struct sn_str m, bool soon)
{
    int r = sn_mutex_lock(&p->lock);
    if (r < 0) return r;
    while ((r = send_locked(p, channel, m, soon)) == SN_E_BUSY) {
        /* Room comes by writing. */
        p->hurry = true;
        sn_cond_signal(&p->news);
        r = sn_cond_wait(&p->room, &p->lock);
        if (r < 0) break;
    }
    sn_mutex_unlock(&p->lock);
    return r;
}
int sn_peer_send(struct sn_peer *p, uint8_t channel, const void *data, size_t n)
{
    return send(p, channel, sn_str_of(data, n), false);
}
int sn_peer_send_soon(struct sn_peer *p, uint8_t channel, const void *data, size_t n)
{
    return send(p, channel, sn_str_of(data, n), true);
}
int sn_peer_try_send(struct sn_peer *p, uint8_t channel, const void *data, size_t n)
{
    sn_mutex_lock_always(&p->lock);
    int r = send_locked(p, channel, sn_str_of(data, n), false);
    sn_mutex_unlock(&p->lock);
    return r;
}
void sn_peer_stop(struct sn_peer *p, bool flush)
{
    sn_mutex_lock_always(&p->lock);
    p->flush = p->stopping ? p->flush && flush : flush;
    p->stopping = true;
    sn_cond_broadcast(&p->news);
    sn_cond_broadcast(&p->room);
    /* A write that waits for the peer would hold the end up. */
    if (!p->flush && p->scope) sn_scope_cancel(p->scope);
    sn_mutex_unlock(&p->lock);
}
void sn_peer_stats(struct sn_peer *p, struct sn_mconn_stats *ret)
{
    sn_mutex_lock_always(&p->lock);
    sn_conn_stats(p->conn, ret);
    sn_mutex_unlock(&p->lock);
}
int sn_peer_remote(struct sn_peer *p, char *out, size_t cap)
{
    return sn_stream_addr(p->stream, true, out, cap);
}
void sn_peer_close(struct sn_peer *p)
{
    sn_stream_close(p->stream);
    p->stream = NULL;
}
void sn_peer_free(struct sn_peer *p)
{
    if (!p) return;
    sn_stream_close(p->stream);
    sn_conn_free(p->conn);
    sn_buf_done(&p->out);
    sn_free(p);
}
