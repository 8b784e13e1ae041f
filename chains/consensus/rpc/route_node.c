/* SPDX-License-Identifier: Apache-2.0 */
/* rpc/route_node.c - peers, consensus as it goes on, the application, evidence. */
#include <stdio.h>
#include <stdlib.h>

#include "consensus/rpc/rpc_int.h"

#define L SN_CONS_JSON_LIT

static int needs(bool is, const char *what)
{
    return is ? 0 : sn_fail(SN_E_UNAVAILABLE, "this node has no %s", what);
}

/* ---- peers ---- */

#define PEERS_MAX 1024 /* that dump_consensus_state shows */

struct peers {
    struct sn_buf *out;
    struct sn_switch_peer **list;
    size_t n;
};

/* One half of a connection; what is not measured here is 0. */
static void put_flow(struct sn_buf *b, int64_t since_ns, uint64_t bytes, uint64_t messages)
{
    int64_t lived = sn_now() - since_ns;
    L(b, "{\"Start\":");
    sn_cons_json_time_ns(b, sn_wall_now() - lived);
    sn_buf_printf(
        b,
        ",\"Bytes\":\"%llu\",\"Samples\":\"%llu\",\"InstRate\":\"0\",\"CurRate\":\"0\","
        "\"AvgRate\":\"%llu\",\"PeakRate\":\"0\",\"BytesRem\":\"0\",\"Duration\":\"%lld\","
        "\"Idle\":\"0\",\"TimeRem\":\"0\",\"Progress\":0,\"Active\":true}",
        (unsigned long long)bytes, (unsigned long long)messages,
        (unsigned long long)(lived > SN_SEC ? bytes / (uint64_t)(lived / SN_SEC) : bytes),
        (long long)lived);
}

static void put_connection(struct sn_buf *b, struct sn_switch_peer *p)
{
    struct sn_mconn_stats st;
    const struct sn_node_info *info = sn_switch_peer_info(p);
    int64_t since = sn_switch_peer_since(p);
    bool first = true;
    sn_switch_peer_stats(p, &st);
    sn_buf_printf(b, "{\"Duration\":\"%lld\",\"SendMonitor\":", (long long)(sn_now() - since));
    put_flow(b, since, st.bytes_sent, st.messages_sent);
    L(b, ",\"RecvMonitor\":");
    put_flow(b, since, st.bytes_received, st.messages_received);
    L(b, ",\"Channels\":[");
    for (unsigned i = 0; i < info->n_channels; i++) {
        if (!sn_switch_peer_has_channel(p, info->channels[i])) continue;
        sn_buf_printf(b,
                      "%s{\"ID\":%u,\"SendQueueCapacity\":\"0\",\"SendQueueSize\":\"0\","
                      "\"Priority\":\"0\",\"RecentlySent\":\"0\"}",
                      first ? "" : ",", info->channels[i]);
        first = false;
    }
    L(b, "]}");
}

static void put_peer(void *arg, struct sn_switch_peer *p)
{
    struct peers *ps = arg;
    if (ps->n++) L(ps->out, ",");
    L(ps->out, "{\"node_info\":");
    sn_rpc_put_node_info(ps->out, sn_switch_peer_info(p));
    L(ps->out, ",\"is_outbound\":");
    sn_cons_json_bool(ps->out, sn_switch_peer_outbound(p));
    L(ps->out, ",\"connection_status\":");
    put_connection(ps->out, p);
    L(ps->out, ",\"remote_ip\":");
    sn_cons_json_str(ps->out, sn_str(sn_switch_peer_remote_ip(p)));
    L(ps->out, "}");
}

int sn_rpc_do_net_info(struct sn_rpc_call *c)
{
    struct sn_buf list SN_CLEANUP(sn_buf_done) = {0};
    struct peers ps = {.out = &list};
    int r = needs(c->view->sw, "peers");
    if (r < 0) return r;
    sn_switch_each(c->view->sw, put_peer, &ps);
    char at[SN_NODE_TEXT_MAX + 16];
    snprintf(at, sizeof(at), "Listener(@%s)", sn_switch_self(c->view->sw)->listen_addr);
    L(c->out, "{\"listening\":");
    sn_cons_json_bool(c->out, sn_switch_listening(c->view->sw));
    L(c->out, ",\"listeners\":[");
    sn_cons_json_str(c->out, sn_str(at));
    sn_buf_printf(c->out, "],\"n_peers\":\"%zu\",\"peers\":[", ps.n);
    sn_buf_str(c->out, sn_buf_view(&list));
    L(c->out, "]}");
    return list.err;
}

static int dial_all(struct sn_rpc_call *c, bool persistent)
{
    const struct sn_rpc_arg *a = &c->args[0];
    for (size_t i = 0; i < a->n; i++) {
        char addr[SN_NODE_TEXT_MAX + SN_NODE_ID_LEN + 2];
        if (sn_str_cz(a->list[i], addr, sizeof(addr)) < 0)
            return sn_fail(SN_E_INVALID_ARGUMENT, "address %zu is longer than %zu bytes", i,
                           sizeof(addr));
        int r = sn_switch_dial(c->view->sw, addr, persistent);
        if (r < 0 && r != SN_E_ALREADY_EXISTS) return r;
    }
    return 0;
}

int sn_rpc_do_dial_seeds(struct sn_rpc_call *c)
{
    int r = needs(c->view->sw, "peers");
    if (r == 0 && c->args[0].n == 0) r = sn_fail(SN_E_INVALID_ARGUMENT, "no seeds provided");
    if (r == 0) r = dial_all(c, false);
    if (r < 0) return r;
    L(c->out, "{\"log\":\"Dialing seeds in progress. See /net_info for details\"}");
    return 0;
}

int sn_rpc_do_dial_peers(struct sn_rpc_call *c)
{
    int r = needs(c->view->sw, "peers");
    if (r == 0 && c->args[0].n == 0) r = sn_fail(SN_E_INVALID_ARGUMENT, "no peers provided");
    /* The switch learns both from the configuration alone. */
    if (r == 0 && (c->args[2].b || c->args[3].b))
        r = sn_fail(SN_E_UNIMPLEMENTED,
                    "unconditional and private peers are set in config.toml, not while running");
    if (r == 0) r = dial_all(c, c->args[1].b);
    if (r < 0) return r;
    L(c->out, "{\"log\":\"Dialing peers in progress. See /net_info for details\"}");
    return 0;
}

/* ---- consensus ---- */

/* The switch's lock is held: what a peer's reactor knows is asked afterwards. */
static void keep_peer(void *arg, struct sn_switch_peer *p)
{
    struct peers *ps = arg;
    if (ps->n < PEERS_MAX) ps->list[ps->n++] = sn_switch_peer_ref(p);
}

static void put_state(struct sn_rpc_call *c, struct sn_switch_peer *p, struct sn_gossip_peer *state,
                      uint32_t validators)
{
    char addr[2 * SN_NODE_TEXT_MAX];
    const char *at = sn_switch_peer_info(p)->listen_addr;
    const char *port = strrchr(at, ':');
    const struct sn_rpc_opts *o = &c->rpc->o;
    snprintf(addr, sizeof(addr), "%s@%s%s", sn_switch_peer_id(p), sn_switch_peer_remote_ip(p),
             port ? port : "");
    L(c->out, "{\"node_address\":");
    sn_cons_json_str(c->out, sn_str(addr));
    L(c->out, ",\"peer_state\":");
    if (o->peer && o->peer(o->arg, sn_switch_peer_id(p), state))
        sn_cons_json_peer_state(c->out, state, validators);
    else
        L(c->out, "null");
    L(c->out, "}");
}

static int put_states(struct sn_rpc_call *c, uint32_t validators)
{
    struct peers ps = {.list = SN_ARENA_ARRAY(c->arena, struct sn_switch_peer *, PEERS_MAX)};
    struct sn_gossip_peer *state = SN_ARENA_NEW(c->arena, struct sn_gossip_peer);
    if (!ps.list || !state) return SN_E_NOMEM;
    if (c->view->sw) sn_switch_each(c->view->sw, keep_peer, &ps);
    for (size_t i = 0; i < ps.n; i++) {
        if (i) L(c->out, ",");
        put_state(c, ps.list[i], state, validators);
        sn_switch_peer_unref(ps.list[i]);
    }
    return 0;
}

/* What the round is in, with the engine's lock held for as long as it takes to write it down. */
static int put_round(struct sn_rpc_call *c, bool all, uint32_t *ret_validators)
{
    int r = needs(c->view->engine, "consensus");
    if (r < 0) return r;
    const struct sn_cons_round_state *rs = sn_engine_lock(c->view->engine);
    if (rs && all)
        sn_cons_json_round_state(c->out, rs, sn_engine_state(c->view->engine)->last_vals);
    else if (rs)
        sn_cons_json_round_summary(c->out, rs);
    if (rs) *ret_validators = rs->vals->n;
    sn_engine_unlock(c->view->engine);
    return rs ? 0 : sn_fail(SN_E_UNAVAILABLE, "consensus does not run yet: the node is syncing");
}

int sn_rpc_do_consensus_state(struct sn_rpc_call *c)
{
    uint32_t validators;
    L(c->out, "{\"round_state\":");
    int r = put_round(c, false, &validators);
    L(c->out, "}");
    return r;
}

int sn_rpc_do_dump_consensus_state(struct sn_rpc_call *c)
{
    uint32_t validators;
    L(c->out, "{\"round_state\":");
    int r = put_round(c, true, &validators);
    if (r < 0) return r;
    L(c->out, ",\"peers\":[");
    r = put_states(c, validators);
    L(c->out, "]}");
    return r;
}

/* ---- the application ---- */

int sn_rpc_do_abci_query(struct sn_rpc_call *c)
{
    struct tendermint_abci_request_query req = {.path = c->args[0].s,
                                                .data = c->args[1].s,
                                                .height = c->args[2].i,
                                                .prove = c->args[3].b};
    struct tendermint_abci_response_query *res;
    int r = needs(c->view->app, "application");
    if (r == 0) r = sn_abci_query(c->view->app->query, &req, c->arena, &res);
    if (r < 0) return r;
    L(c->out, "{\"response\":");
    sn_cons_json_query(c->out, res);
    L(c->out, "}");
    return 0;
}

int sn_rpc_do_abci_info(struct sn_rpc_call *c)
{
    struct tendermint_abci_request_info req = {.version = SN_STR("0.38.25"),
                                               .block_version = SN_BLOCK_VERSION,
                                               .p2p_version = SN_P2P_VERSION,
                                               .abci_version = SN_STR("2.0.0")};
    struct tendermint_abci_response_info *res;
    int r = needs(c->view->app, "application");
    if (r == 0) r = sn_abci_info(c->view->app->query, &req, c->arena, &res);
    if (r < 0) return r;
    L(c->out, "{\"response\":");
    sn_cons_json_info(c->out, res);
    L(c->out, "}");
    return 0;
}

/* ---- evidence ---- */

int sn_rpc_do_broadcast_evidence(struct sn_rpc_call *c)
{
    struct sn_cons_evidence ev;
    struct sn_cons_hash id;
    int r = needs(c->view->evidence, "evidence pool");
    if (r == 0 && !c->args[0].json) r = sn_fail(SN_E_INVALID_ARGUMENT, "no evidence was provided");
    if (r < 0) return r;
    r = sn_cons_json_read_evidence(c->args[0].json, c->arena, &ev);
    if (r < 0) return sn_wrap(r, "evidence.ValidateBasic failed");
    r = sn_evidence_keeper_add(c->view->evidence, &ev);
    if (r < 0) return sn_wrap(r, "failed to add evidence");
    if ((r = sn_cons_evidence_id(&ev, &id)) < 0) return r;
    L(c->out, "{\"hash\":");
    sn_cons_json_b64(c->out, sn_str_of((char *)id.b, id.len));
    L(c->out, "}");
    return 0;
}
