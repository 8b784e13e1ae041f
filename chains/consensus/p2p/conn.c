/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/p2p/conn.h"

#include "consensus/p2p/secret.h"
#include "core/alloc.h"
#include "core/status.h"

struct sn_conn {
    struct sn_secret secret;
    struct sn_mconn *mconn;
    const struct sn_node_info *self;
    const char *expected_id;
    struct sn_buf hello;   /* of the handshake, to be sent */
    struct sn_buf plain;   /* received, of the receiving half */
    struct sn_buf packets; /* to be sealed, of the sending half */
    struct sn_node_info peer;
    bool info_sent, open;
};

int sn_conn_new(const struct sn_conn_opts *o, const uint8_t ephemeral[32], int64_t now,
                struct sn_conn **ret)
{
    struct sn_conn *c = SN_NEW(struct sn_conn);
    if (!c) return SN_E_NOMEM;
    c->self = o->self;
    c->expected_id = o->expected_id;
    int r = sn_mconn_new(&o->mconn, now, &c->mconn);
    if (r == 0) r = sn_secret_init(&c->secret, o->key, ephemeral, &c->hello);
    if (r < 0) {
        sn_conn_free(c);
        return r;
    }
    *ret = c;
    return 0;
}
void sn_conn_free(struct sn_conn *c)
{
    if (!c) return;
    sn_secret_done(&c->secret);
    sn_mconn_free(c->mconn);
    sn_buf_done(&c->hello);
    sn_buf_done(&c->plain);
    sn_buf_done(&c->packets);
    sn_free(c);
}
bool sn_conn_is_open(const struct sn_conn *c) { return c->open; }
const struct sn_node_info *sn_conn_peer(const struct sn_conn *c) { return &c->peer; }

/* Who the peer is by its key, before we tell it who we are. */
static int identify(struct sn_conn *c)
{
    char id[SN_NODE_ID_LEN + 1];
    int r = sn_node_id(c->secret.peer, id);
    if (r < 0) return r;
    if (c->expected_id && strcmp(c->expected_id, id) != 0)
        return sn_fail(SN_E_PERMISSION_DENIED, "the peer is node %s, expected %s", id,
                       c->expected_id);
    if (strcmp(c->self->id, id) == 0)
        return sn_fail(SN_E_PERMISSION_DENIED, "the peer is this node itself");
    memcpy(c->peer.id, id, sizeof(id));
    return 0;
}
static int send_info(struct sn_conn *c)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done) = {0};
    int r = sn_node_info_put(c->self, &b);
    if (r == 0) r = sn_secret_seal(&c->secret, b.ptr, b.len, &c->hello);
    return r;
}
static int take_info(struct sn_conn *c)
{
    char id[SN_NODE_ID_LEN + 1];
    memcpy(id, c->peer.id, sizeof(id));
    ssize_t n = sn_node_info_get(sn_buf_view(&c->plain), &c->peer);
    if (n <= 0) return (int)n;
    if (strcmp(c->peer.id, id) != 0)
        return sn_fail(SN_E_PERMISSION_DENIED,
                       "the peer calls itself node %s, its key is node %s's", c->peer.id, id);
    int r = sn_node_info_fits(c->self, &c->peer);
    if (r < 0) return r;
    sn_buf_consume(&c->plain, (size_t)n);
    c->open = true;
    return 0;
}
int sn_conn_feed(struct sn_conn *c, int64_t now, const void *data, size_t n, sn_mconn_fn fn,
                 void *arg)
{
    int r = sn_secret_feed(&c->secret, data, n, &c->hello, &c->plain);
    if (r == 0 && c->secret.state == SN_SECRET_OPEN && !c->info_sent) {
        r = identify(c);
        if (r == 0) r = send_info(c);
        c->info_sent = true;
    }
    if (r < 0 || c->secret.state != SN_SECRET_OPEN) return r;
    if (!c->open && c->plain.len > 0) {
        r = take_info(c);
        if (r < 0) {
            /* Found out in the middle of what was fed: nothing else is looked at. */
            c->secret.state = SN_SECRET_BROKEN;
        }
        return r;
    }
    if (!c->open || c->plain.len == 0) return 0;
    r = sn_mconn_feed(c->mconn, now, c->plain.ptr, c->plain.len, fn, arg);
    sn_buf_reset(&c->plain);
    if (r < 0) c->secret.state = SN_SECRET_BROKEN;
    return r;
}
ssize_t sn_conn_pull(struct sn_conn *c, int64_t now, struct sn_buf *out, size_t max)
{
    size_t before = out->len;
    if (c->hello.len > 0) {
        int r = sn_buf_str(out, sn_buf_view(&c->hello));
        if (r < 0) return r;
        sn_buf_done(&c->hello);
    }
    if (!c->open) return (ssize_t)(out->len - before);
    sn_buf_reset(&c->packets);
    ssize_t n = sn_mconn_pull(c->mconn, now, &c->packets, max);
    if (n <= 0) return n < 0 ? n : (ssize_t)(out->len - before);
    int r = sn_secret_seal(&c->secret, c->packets.ptr, c->packets.len, out);
    return r < 0 ? r : (ssize_t)(out->len - before);
}
int sn_conn_send(struct sn_conn *c, uint8_t channel, const void *data, size_t n)
{
    if (!c->open) return sn_fail(SN_E_FAILED_PRECONDITION, "the connection is not open yet");
    return sn_mconn_send(c->mconn, channel, data, n);
}
bool sn_conn_can_send(const struct sn_conn *c, uint8_t channel, size_t n)
{
    return c->open && sn_mconn_can_send(c->mconn, channel, n);
}
int sn_conn_note(struct sn_conn *c, int64_t now)
{
    return c->open ? sn_mconn_note(c->mconn, now) : 0;
}
int64_t sn_conn_deadline(const struct sn_conn *c, int64_t now)
{
    if (c->hello.len > 0) return now;
    return c->open ? sn_mconn_deadline(c->mconn, now) : SN_FOREVER;
}
bool sn_conn_pending(const struct sn_conn *c)
{
    return c->hello.len > 0 || (c->open && sn_mconn_pending(c->mconn));
}
int64_t sn_conn_read_at(const struct sn_conn *c, int64_t now)
{
    return sn_mconn_read_at(c->mconn, now);
}
bool sn_conn_has_news(const struct sn_conn *c) { return sn_mconn_has_news(c->mconn); }
void sn_conn_stats(const struct sn_conn *c, struct sn_mconn_stats *ret)
{
    sn_mconn_stats(c->mconn, ret);
}
