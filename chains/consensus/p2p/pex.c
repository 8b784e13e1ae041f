/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/p2p/pex.h"

#include "core/alloc.h"
#include "core/arena.h"
#include "core/status.h"
#include "tendermint/p2p/pex.pb.h"
#include "tendermint/p2p/types.pb.h"

int sn_pex_ask(struct sn_pex *p, struct sn_buf *out)
{
    struct tendermint_p2p_pex_request request = {{0}};
    struct tendermint_p2p_message m = {.sum_case = TENDERMINT_P2P_MESSAGE_SUM_PEX_REQUEST,
                                       .pex_request = &request};
    if (p->asked) return 0;
    ssize_t n = tendermint_p2p_message_encode(&m, out);
    if (n < 0) return (int)n;
    p->asked = true;
    return 1;
}
static int answer(struct sn_book *book, struct sn_arena *a, struct sn_buf *out)
{
    struct sn_node_addr *list = sn_arena_alloc(a, SN_BOOK_SELECT_MAX * sizeof(*list));
    if (!list) return SN_E_NOMEM;
    size_t n = sn_book_select(book, list);
    struct tendermint_p2p_net_address *msg = sn_arena_zalloc(a, (n + 1) * sizeof(*msg));
    struct tendermint_p2p_net_address **ptr =
        sn_arena_alloc(a, (n + 1) * sizeof(struct tendermint_p2p_net_address *));
    if (!msg || !ptr) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        char *ip = sn_arena_alloc(a, SN_NODE_IP_TEXT_MAX);
        if (!ip) return SN_E_NOMEM;
        ptr[i] = &msg[i];
        msg[i].id = sn_str_of(list[i].id, SN_NODE_ID_LEN);
        msg[i].ip = sn_str_of(ip, sn_node_addr_ip(&list[i], ip));
        msg[i].port = list[i].port;
    }
    struct tendermint_p2p_pex_addrs addrs = {.addrs = {.ptr = ptr, .len = (uint32_t)n}};
    struct tendermint_p2p_message m = {.sum_case = TENDERMINT_P2P_MESSAGE_SUM_PEX_ADDRS,
                                       .pex_addrs = &addrs};
    ssize_t r = tendermint_p2p_message_encode(&m, out);
    return r < 0 ? (int)r : 0;
}
static int requested(struct sn_pex *p, int64_t now)
{
    if (p->requests < 2) {
        p->requests++;
    } else if (now - p->request_at < SN_PEX_ASK_MIN_NS) {
        return sn_fail(SN_E_RESOURCE_EXHAUSTED,
                       "the peer asks for addresses again after %lld ms, expected %lld",
                       (long long)((now - p->request_at) / SN_MS),
                       (long long)(SN_PEX_ASK_MIN_NS / SN_MS));
    }
    p->request_at = now;
    return 0;
}
static int told(struct sn_pex *p, struct sn_book *book, int64_t now,
                const struct sn_node_addr *peer, const struct tendermint_p2p_pex_addrs *m)
{
    int added = 0;
    if (!p->asked) return sn_fail(SN_E_PROTOCOL, "the peer sends addresses that nobody asked for");
    p->asked = false;
    if (m->addrs.len > SN_BOOK_SELECT_MAX)
        return sn_fail(SN_E_PROTOCOL, "the peer sends %u addresses, limit %u", m->addrs.len,
                       SN_BOOK_SELECT_MAX);
    for (uint32_t i = 0; i < m->addrs.len; i++) {
        const struct tendermint_p2p_net_address *x = m->addrs.ptr[i];
        struct sn_node_addr a;
        if (sn_node_addr_set(&a, x->id, x->ip, x->port) < 0)
            return sn_wrap(SN_E_PROTOCOL, "address %u of the peer's list", i);
        int r = sn_book_add(book, now, &a, peer);
        if (r == SN_E_NOMEM) return r;
        added += r == 1;
    }
    return added;
}
int sn_pex_receive(struct sn_pex *p, struct sn_book *book, int64_t now,
                   const struct sn_node_addr *peer, struct sn_str message, struct sn_buf *out)
{
    struct tendermint_p2p_message *m;
    struct sn_arena a;
    if (message.len > SN_PEX_BYTES_MAX)
        return sn_fail(SN_E_PROTOCOL, "peer exchange: %zu bytes, limit %u", message.len,
                       SN_PEX_BYTES_MAX);
    sn_arena_init(&a, NULL, 4u << 20);
    int r = tendermint_p2p_message_parse(message, SN_PB_DISCARD_UNKNOWN, &a, &m);
    if (r < 0) {
        r = r == SN_E_NOMEM ? r : sn_fail(SN_E_PROTOCOL, "peer exchange: not protobuf");
    } else if (m->sum_case == TENDERMINT_P2P_MESSAGE_SUM_PEX_REQUEST) {
        r = requested(p, now);
        if (r == 0) r = answer(book, &a, out);
    } else if (m->sum_case == TENDERMINT_P2P_MESSAGE_SUM_PEX_ADDRS) {
        r = told(p, book, now, peer, m->pex_addrs);
    } else {
        r = sn_fail(SN_E_PROTOCOL, "peer exchange: neither a request nor addresses");
    }
    sn_arena_done(&a);
    return r;
}
