/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/node/signer_serve.h"

#include "consensus/node/signer_link.h"
#include "fiber/fiber.h"

#define ARENA_MAX (4u << 20)
#define DIAL_NS (5 * SN_SEC)
#define ADDR_MAX 256

static void refuse(struct sn_signer_msg *m, struct sn_str why)
{
    m->refused = true;
    m->why = why;
}

/* Answers q in m. Returns < 0 where nothing may be signed any more. */
static int answer(const struct sn_signer_serve_opts *o, const struct sn_signer_msg *q,
                  struct sn_arena *a, struct sn_signer_msg *m)
{
    int r = 0;
    *m = (struct sn_signer_msg){.kind = q->kind + 1, .vote = q->vote, .proposal = q->proposal};
    bool here = sn_str_eq(q->chain_id, o->chain_id);
    switch (q->kind) {
    case SN_SIGNER_PING_REQUEST: return 0;
    case SN_SIGNER_PUB_KEY_REQUEST:
        if (here) m->key = *sn_privval_key(o->pv);
        else refuse(m, SN_STR("unable to provide pubkey: this signer is for another chain"));
        return 0;
    case SN_SIGNER_SIGN_VOTE_REQUEST:
        if (here) r = sn_privval_sign_vote(o->pv, o->chain_id, &m->vote);
        else refuse(m, SN_STR("unable to sign vote: this signer is for another chain"));
        break;
    case SN_SIGNER_SIGN_PROPOSAL_REQUEST:
        if (here) r = sn_privval_sign_proposal(o->pv, o->chain_id, &m->proposal);
        else refuse(m, SN_STR("unable to sign proposal: this signer is for another chain"));
        break;
    default: return sn_fail(SN_E_PROTOCOL, "the node sent message %d", q->kind);
    }
    if (r < 0) {
        refuse(m, sn_arena_str(a, sn_str(sn_diag_str(r))));
        if (!m->why.ptr) m->why = SN_STR("not signed");
    }
    return r == SN_E_IO || r == SN_E_RESOURCE_EXHAUSTED ? r : 0;
}

static int serve_link(const struct sn_signer_serve_opts *o, struct sn_signer_link *l)
{
    for (;;) {
        struct sn_arena a SN_CLEANUP(sn_arena_done);
        struct sn_signer_msg q, m;
        sn_arena_init(&a, NULL, ARENA_MAX);
        int64_t d = sn_deadline_tighten(sn_now() + SN_SIGNER_IDLE_NS);
        int r = sn_signer_link_recv(l, &a, &q);
        sn_deadline_restore(d);
        if (r < 0) return r;
        int fatal = answer(o, &q, &a, &m);
        if (fatal == SN_E_PROTOCOL) return fatal;
        d = sn_deadline_tighten(sn_now() + SN_SIGNER_IDLE_NS);
        r = sn_signer_link_send(l, &m);
        sn_deadline_restore(d);
        if (fatal < 0 || r < 0) return fatal < 0 ? fatal : r;
    }
}

static int check_node(const struct sn_signer_serve_opts *o, const struct sn_signer_link *l)
{
    char id[SN_NODE_ID_LEN + 1];
    const uint8_t *peer = sn_signer_link_peer(l);
    if (!o->node_id || !peer) return 0;
    int r = sn_node_id(peer, id);
    if (r < 0 || strcmp(id, o->node_id) == 0) return r;
    return sn_fail(SN_E_PERMISSION_DENIED, "the node is %s, expected %s", id, o->node_id);
}

static int dial(const struct sn_signer_serve_opts *o, const char *addr,
                struct sn_signer_link **ret)
{
    struct sn_stream *s;
    int64_t d = sn_deadline_tighten(sn_now() + DIAL_NS);
    int r = sn_dial(addr, NULL, &s);
    if (r >= 0) r = sn_signer_link_new(s, sn_signer_addr_is_tcp(addr) ? o->key : NULL, ret);
    sn_deadline_restore(d);
    if (r < 0) return r;
    r = check_node(o, *ret);
    if (r < 0) sn_signer_link_free(*ret);
    return r;
}

int sn_signer_serve(const struct sn_signer_serve_opts *o)
{
    char addr[ADDR_MAX];
    int64_t pause = 0, pause_max = o->pause_max_ns ? o->pause_max_ns : 2 * SN_SEC;
    int r = sn_signer_addr(o->addr, addr, sizeof(addr));
    while (r >= 0) {
        struct sn_signer_link *l;
        int x = dial(o, addr, &l);
        if (x >= 0) {
            if (o->on_link) o->on_link(o->arg, true, 0);
            int64_t since = sn_now();
            x = serve_link(o, l);
            sn_signer_link_free(l);
            if (sn_now() - since > SN_SEC) pause = 0;
            if (x == SN_E_IO || x == SN_E_RESOURCE_EXHAUSTED) return x;
        }
        if (sn_cancelled()) return SN_E_CANCELLED;
        if (o->on_link) o->on_link(o->arg, false, x);
        pause = pause ? SN_MIN(pause * 2, pause_max) : SN_MIN(100 * SN_MS, pause_max);
        r = sn_sleep(pause);
    }
    return r;
}
