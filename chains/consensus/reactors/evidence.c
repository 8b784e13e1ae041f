/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/reactors/evidence.h"

#include "consensus/codec.h"
#include "consensus/hash.h"
#include "core/alloc.h"
#include "core/arena.h"
#include "core/map.h"
#include "core/varint.h"
#include "kit/log.h"

SN_LOG_MODULE("evidence");

#define FIELD 1 /* EvidenceList.evidence */
#define BYTES 2
#define DECODED_MAX (16u << 20)

struct sn_evidence_reactor {
    struct sn_evidence_keeper *keeper;
    struct sn_reactor reactor;
    struct sn_mconn_channel channel;
};
/* A peer's gossip; of its fiber. */
struct gossip {
    struct sn_evidence_reactor *x;
    struct sn_switch_peer *peer;
    struct sn_map sent; /* ids, since `again` */
    int64_t again;      /* when all that waits is sent anew */
};

int sn_evidence_list_next(struct sn_str list, size_t *at, struct sn_str *ret)
{
    struct sn_str rest = sn_str_from(list, *at);
    uint64_t tag, len;
    if (rest.len == 0) return 0;
    /* The list has one field; what others a later version had nobody here could judge. */
    int n = sn_varint_get(rest, &tag), k = 0;
    if (n > 0 && tag == (FIELD << 3 | BYTES)) k = sn_varint_get(sn_str_from(rest, (size_t)n), &len);
    if (k <= 0 || len > rest.len - (size_t)(n + k))
        return sn_fail(SN_E_PROTOCOL, "list of evidence: not in its format at byte %zu", *at);
    *ret = sn_str_sub(rest, (size_t)(n + k), (size_t)(n + k) + len);
    *at += (size_t)(n + k) + len;
    return 1;
}

/* ---- in ---- */

static int take_in(struct sn_evidence_reactor *x, struct sn_str encoded)
{
    struct sn_cons_evidence ev;
    struct sn_arena a;
    sn_arena_init(&a, NULL, DECODED_MAX);
    int r = sn_cons_evidence_decode(encoded, &a, &ev);
    /* Neither the format nor the rules. What is too old, or of a past that is not here, may be the
     * peer's honest view from another height. */
    bool wrong = r < 0 && r != SN_E_NOMEM;
    if (r >= 0) {
        r = sn_evidence_keeper_add(x->keeper, &ev);
        wrong = r == SN_E_INVALID_ARGUMENT;
    }
    sn_arena_done(&a);
    if (wrong || r == SN_E_CANCELLED) return r;
    if (r < 0) SN_LOG_DEBUG("evidence not taken", SN_L_ERR(r));
    return 0;
}
static int on_message(void *arg, struct sn_switch_peer *p, uint8_t channel, struct sn_str m)
{
    struct sn_str piece;
    size_t at = 0;
    int r;
    while ((r = sn_evidence_list_next(m, &at, &piece)) > 0) {
        r = take_in(arg, piece);
        if (r < 0) break;
    }
    return r < 0 ? sn_wrap(r, "evidence") : 0;
}

/* ---- out ---- */

static int send_piece(struct gossip *g, const struct sn_cons_evidence *ev)
{
    struct sn_buf piece SN_CLEANUP(sn_buf_done), out SN_CLEANUP(sn_buf_done);
    uint8_t head[1 + SN_VARINT_MAX] = {FIELD << 3 | BYTES};
    sn_buf_init(&piece, 0);
    sn_buf_init(&out, 0);
    int r = sn_cons_evidence_encode(ev, &piece);
    if (r < 0) return r;
    sn_buf_put(&out, head, 1 + sn_varint_put(head + 1, piece.len));
    r = sn_buf_put(&out, piece.ptr, piece.len);
    return r < 0 ? r : sn_switch_peer_send(g->peer, SN_EVIDENCE_CHANNEL, out.ptr, out.len);
}
/* Whether it goes to the peer now. *ret_behind: it might later. */
static bool is_for(const struct gossip *g, const struct sn_cons_evidence *ev, bool *ret_behind)
{
    int64_t peer = sn_switch_peer_height(g->peer), at = sn_cons_evidence_height(ev);
    if (peer <= at) *ret_behind = true;
    return peer > at && peer - at <= sn_evidence_keeper_max_age(g->x->keeper);
}
static int send_all(struct gossip *g, bool *ret_any, bool *ret_behind)
{
    struct sn_cons_evidence **list;
    struct sn_arena a;
    int64_t bytes;
    uint32_t n;
    sn_arena_init(&a, NULL, 0);
    int r = sn_evidence_keeper_pending(g->x->keeper, INT64_MAX, &a, &list, &n, &bytes);
    *ret_any = r >= 0 && n > 0;
    for (uint32_t i = 0; r >= 0 && i < n; i++) {
        struct sn_cons_hash id;
        if (!is_for(g, list[i], ret_behind)) continue;
        r = sn_cons_evidence_id(list[i], &id);
        struct sn_str key = sn_str_of((const char *)id.b, sizeof(id.b));
        if (r < 0 || sn_map_find(&g->sent, key)) continue;
        r = sn_map_put(&g->sent, key, NULL, NULL);
        if (r >= 0) r = send_piece(g, list[i]);
    }
    sn_arena_done(&a);
    return r < 0 ? r : 0;
}
static int gossip_on(struct gossip *g)
{
    for (;;) {
        uint64_t seen = sn_evidence_keeper_generation(g->x->keeper);
        bool any, behind = false;
        int64_t now = sn_now();
        if (now >= g->again) {
            sn_map_clear(&g->sent);
            g->again = now + SN_EVIDENCE_AGAIN_NS;
        }
        int r = send_all(g, &any, &behind);
        if (r == SN_E_NOMEM)
            any = true; /* later */
        else if (r < 0)
            return r;
        int64_t until = !any ? SN_FOREVER : g->again;
        if (behind) until = SN_MIN(until, now + SN_EVIDENCE_BEHIND_NS);
        int64_t before = sn_deadline_tighten(until);
        r = sn_evidence_keeper_wait(g->x->keeper, seen);
        sn_deadline_restore(before);
        if (r < 0 && sn_cancelled()) return SN_E_CANCELLED;
        if (r < 0 && r != SN_E_DEADLINE_EXCEEDED) return r;
    }
}
static int gossip(void *arg)
{
    struct gossip *g = arg;
    sn_map_init(&g->sent, sn_random(), true);
    int r = gossip_on(g);
    sn_map_done(&g->sent);
    sn_free(g);
    return r;
}
static int on_add(void *arg, struct sn_switch_peer *p)
{
    if (!sn_switch_peer_has_channel(p, SN_EVIDENCE_CHANNEL)) return 0;
    struct gossip *g = SN_NEW(struct gossip);
    if (!g) return SN_E_NOMEM;
    g->x = arg;
    g->peer = p; /* whose fibers end before it does */
    int r = sn_switch_peer_go(p, "evidence", gossip, g);
    if (r < 0) sn_free(g);
    return r;
}
int sn_evidence_reactor_new(struct sn_switch *sw, struct sn_evidence_keeper *keeper,
                            struct sn_evidence_reactor **ret)
{
    struct sn_evidence_reactor *x = SN_NEW(struct sn_evidence_reactor);
    if (!x) return SN_E_NOMEM;
    x->keeper = keeper;
    x->channel = (struct sn_mconn_channel){.id = SN_EVIDENCE_CHANNEL,
                                           .priority = 6,
                                           .recv_bytes_max = SN_EVIDENCE_BYTES_MAX};
    x->reactor = (struct sn_reactor){.name = "evidence",
                                     .channels = &x->channel,
                                     .n_channels = 1,
                                     .arg = x,
                                     .add_peer = on_add,
                                     .receive = on_message};
    int r = sn_switch_add_reactor(sw, &x->reactor);
    if (r < 0) {
        sn_free(x);
        return r;
    }
    *ret = x;
    return 0;
}
void sn_evidence_reactor_free(struct sn_evidence_reactor *x) { sn_free(x); }
