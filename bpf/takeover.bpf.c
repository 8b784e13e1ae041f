// SPDX-License-Identifier: Apache-2.0
/* bpf/takeover.bpf.c - sends connections to a service's address to one of its back-ends, in the kernel.
 *
 * The decision is made once, where a socket gets its destination: in connect(2), or in sendmsg(2) of
 * an unconnected UDP socket. After that the connection is an ordinary one; no packet passes through
 * here. Nothing of the kernel's own structs is read, only the stable contexts, so one object fits
 * every kernel that has the hooks (5.10; 6.10 for the guard's process id). See docs/takeover.md. */
#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/in.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/takeover.h"

#define AF_INET 2
#define AF_INET6 10
#define SOL_IPV6 41
#define SO_ORIGINAL_DST 80 /* IP6T_SO_ORIGINAL_DST has the same number at SOL_IPV6 */
#define ALLOW 1
#define DENY 0

char LICENSE[] SEC("license") = "Apache-2.0";

struct inner {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(key_size, sizeof(__u32)); /* sizes: clang 14 describes a type only named here by half */
    __uint(value_size, sizeof(struct sn_tk_table));
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
    __uint(max_entries, SN_TK_SERVICES_MAX);
    __type(key, struct sn_tk_key);
    __array(values, struct inner);
} sn_services SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct sn_tk_control);
} sn_control SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, SN_TK_COUNTERS_MAX);
    __type(key, __u32);
    __type(value, struct sn_tk_counters);
} sn_counters SEC(".maps");
struct { /* freed with the socket: unlike a reverse map of bounded size it never forgets too early */
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct sn_tk_flow);
} sn_peers SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct sn_tk_sent);
} sn_sent SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, SN_TK_ORIGINS_MAX);
    __type(key, struct sn_tk_tuple);
    __type(value, struct sn_tk_origin);
} sn_origins SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_SOCKHASH);
    __uint(max_entries, SN_TK_SHORTCUT_MAX);
    __type(key, struct sn_tk_tuple);
    __type(value, __u64);
} sn_shortcut SEC(".maps");

/* ---- addresses ------------------------------------------------------------------------------ */

static __always_inline void addr_v4(struct sn_tk_addr *a, __u32 ip, __u16 port)
{
    a->ip[0] = 0;
    a->ip[1] = 0;
    a->ip[2] = bpf_htonl(0xffff);
    a->ip[3] = ip;
    a->port = port;
    a->zero = 0;
}

static __always_inline bool same(const struct sn_tk_addr *a, const struct sn_tk_addr *b)
{
    return a->ip[3] == b->ip[3] && a->port == b->port && a->ip[2] == b->ip[2] &&
           a->ip[1] == b->ip[1] && a->ip[0] == b->ip[0];
}

static __always_inline bool mapped(const struct sn_tk_addr *a)
{
    return a->ip[0] == 0 && a->ip[1] == 0 && a->ip[2] == bpf_htonl(0xffff);
}

static __always_inline bool loopback(const struct sn_tk_addr *a)
{
    if (mapped(a)) return (bpf_ntohl(a->ip[3]) >> 24) == 127;
    return a->ip[0] == 0 && a->ip[1] == 0 && a->ip[2] == 0 && a->ip[3] == bpf_htonl(1);
}

/* Contexts are read and written in the widths the verifier knows: clang would join or split them. */
static __always_inline void ctx_addr(struct bpf_sock_addr *ctx, bool v6, struct sn_tk_addr *ret)
{
    if (!v6) {
        addr_v4(ret, ctx->user_ip4, (__u16)ctx->user_port);
        return;
    }
    volatile __u32 *ip = ctx->user_ip6;
    ret->ip[0] = ip[0];
    ret->ip[1] = ip[1];
    ret->ip[2] = ip[2];
    ret->ip[3] = ip[3];
    ret->port = (__u16)ctx->user_port;
    ret->zero = 0;
}

/* An IPv4 context has room for an IPv4 address only; the loader does not mix families. */
static __always_inline void ctx_set(struct bpf_sock_addr *ctx, bool v6, const struct sn_tk_addr *a)
{
    if (v6) {
        volatile __u32 *ip = ctx->user_ip6;
        ip[0] = a->ip[0];
        ip[1] = a->ip[1];
        ip[2] = a->ip[2];
        ip[3] = a->ip[3];
    } else {
        *(volatile __u32 *)&ctx->user_ip4 = a->ip[3];
    }
    *(volatile __u32 *)&ctx->user_port = a->port;
}

/* ---- the decision --------------------------------------------------------------------------- */

static __always_inline struct sn_tk_table *service(const struct sn_tk_key *key)
{
    const __u32 zero = 0;
    void *table = bpf_map_lookup_elem(&sn_services, key);
    return table ? bpf_map_lookup_elem(table, &zero) : 0;
}

/* MurmurHash3's finaliser: cookies and cgroup ids are small numbers in a row. */
static __always_inline __u32 mix(__u64 x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdull;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ull;
    return (__u32)(x >> 32);
}

static __always_inline struct sn_tk_backend *pick(struct bpf_sock_addr *ctx, struct sn_tk_table *t,
                                                  struct sn_tk_set *set)
{
    __u64 of = t->affinity == SN_TK_BY_CGROUP ? bpf_get_current_cgroup_id()
                                              : bpf_get_socket_cookie(ctx);
    __u64 slot = ((__u64)mix(of) * SN_TK_SLOTS) >> 32;
    barrier_var(slot); /* clang knows that it fits and would leave the check out; the verifier does not */
    if (slot >= SN_TK_SLOTS) return 0;
    __u32 i = set->slot[slot];
    return i < SN_TK_BACKENDS_MAX ? &set->backend[i] : 0;
}

static __always_inline int refuse(struct sn_tk_counters *c)
{
    if (c) c->refused++;
    bpf_set_retval(-ECONNREFUSED);
    return DENY;
}

static __always_inline void remember(struct bpf_sock_addr *ctx, bool datagram,
                                     const struct sn_tk_flow *flow)
{
    if (!datagram) {
        struct sn_tk_flow *p =
            bpf_sk_storage_get(&sn_peers, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
        if (p) *p = *flow;
        return;
    }
    struct sn_tk_sent *s = bpf_sk_storage_get(&sn_sent, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!s) return;
#pragma unroll
    for (int i = 0; i < SN_TK_SENT_MAX; i++) {
        if (!same(&s->flow[i].backend, &flow->backend)) continue;
        s->flow[i].vip = flow->vip;
        return;
    }
    __u32 at = s->next++ % SN_TK_SENT_MAX;
    if (at < SN_TK_SENT_MAX) s->flow[at] = *flow;
}

/* The gateway's own connections to back-ends pass: it stands outside the cgroups that are redirected,
 * and if somebody moves it inside this is what keeps it from calling itself. */
static __always_inline bool is_gateway(const struct sn_tk_control *control)
{
    return control->gateway && control->gateway == (__u32)(bpf_get_current_pid_tgid() >> 32);
}

/* Not ours. A socket may be connected again: what it was before is then no longer true. */
static __always_inline int leave(struct bpf_sock_addr *ctx, bool datagram)
{
    if (!datagram && ctx->sk) bpf_sk_storage_delete(&sn_peers, ctx->sk);
    return ALLOW;
}

static __always_inline int steer(struct bpf_sock_addr *ctx, bool v6, bool datagram)
{
    const __u32 zero = 0;
    struct sn_tk_key key;
    ctx_addr(ctx, v6, &key.vip);
    key.proto = ctx->protocol;
    struct sn_tk_table *t = service(&key);
    struct sn_tk_control *control = bpf_map_lookup_elem(&sn_control, &zero);
    if (!t || !control || is_gateway(control)) return leave(ctx, datagram);
    struct sn_tk_set *set = &t->live;
    struct sn_tk_counters *c = bpf_map_lookup_elem(&sn_counters, &t->counters);
    /* A tick's exactness is enough, and costs a load instead of a look at the clock. */
    if (bpf_ktime_get_coarse_ns() > *(volatile __u64 *)&control->deadline_ns) {
        if (t->lapsed == SN_TK_REFUSE) return refuse(c);
        if (c) c->lapsed++;
        if (t->lapsed == SN_TK_PASS) return leave(ctx, datagram);
        set = &t->direct;
    }
    struct sn_tk_backend *b = set->n ? pick(ctx, t, set) : 0;
    if (!b || !ctx->sk) return refuse(c);
    struct sn_tk_flow flow = {.vip = key.vip, .backend = b->addr, .via = b->via};
    remember(ctx, datagram, &flow);
    ctx_set(ctx, v6, &flow.backend);
    if (c && datagram) c->datagrams++;
    if (c && !datagram) c->connects++;
    return ALLOW;
}

SEC("cgroup/connect4") int sn_connect4(struct bpf_sock_addr *ctx)
{
    return steer(ctx, false, false);
}
SEC("cgroup/connect6") int sn_connect6(struct bpf_sock_addr *ctx)
{
    return steer(ctx, true, false);
}
SEC("cgroup/sendmsg4") int sn_sendmsg4(struct bpf_sock_addr *ctx)
{
    return steer(ctx, false, true);
}
SEC("cgroup/sendmsg6") int sn_sendmsg6(struct bpf_sock_addr *ctx)
{
    return steer(ctx, true, true);
}

/* ---- the way back --------------------------------------------------------------------------- */

static __always_inline void count_reply(struct bpf_sock_addr *ctx, const struct sn_tk_addr *vip)
{
    struct sn_tk_key key = {.vip = *vip, .proto = ctx->protocol};
    struct sn_tk_table *t = service(&key);
    struct sn_tk_counters *c = t ? bpf_map_lookup_elem(&sn_counters, &t->counters) : 0;
    if (c) c->replies++;
}

static __always_inline int unsteer(struct bpf_sock_addr *ctx, bool v6, bool datagram)
{
    struct sn_tk_addr from;
    if (!ctx->sk) return ALLOW;
    ctx_addr(ctx, v6, &from);
    struct sn_tk_flow *p = bpf_sk_storage_get(&sn_peers, ctx->sk, 0, 0);
    if (p && same(&p->backend, &from)) {
        ctx_set(ctx, v6, &p->vip);
        if (datagram) count_reply(ctx, &p->vip);
        return ALLOW;
    }
    if (!datagram) return ALLOW;
    struct sn_tk_sent *s = bpf_sk_storage_get(&sn_sent, ctx->sk, 0, 0);
    if (!s) return ALLOW;
#pragma unroll
    for (int i = 0; i < SN_TK_SENT_MAX; i++) {
        if (!same(&s->flow[i].backend, &from)) continue;
        ctx_set(ctx, v6, &s->flow[i].vip);
        count_reply(ctx, &s->flow[i].vip);
        break;
    }
    return ALLOW;
}

SEC("cgroup/recvmsg4") int sn_recvmsg4(struct bpf_sock_addr *ctx)
{
    return unsteer(ctx, false, true);
}
SEC("cgroup/recvmsg6") int sn_recvmsg6(struct bpf_sock_addr *ctx)
{
    return unsteer(ctx, true, true);
}
SEC("cgroup/getpeername4") int sn_getpeername4(struct bpf_sock_addr *ctx)
{
    return unsteer(ctx, false, false);
}
SEC("cgroup/getpeername6") int sn_getpeername6(struct bpf_sock_addr *ctx)
{
    return unsteer(ctx, true, false);
}

/* ---- the original destination ---------------------------------------------------------------- */

struct in4 { /* struct sockaddr_in, sockaddr_in6 */
    __u16 family, port;
    __u32 ip;
    __u64 zero;
};
struct in6 {
    __u16 family, port;
    __u32 flow, ip[4], scope;
};

/* optlen and retval lie side by side; written together the verifier refuses the program. */
static __always_inline void answered(struct bpf_sockopt *ctx, __s32 len)
{
    *(volatile __s32 *)&ctx->optlen = len;
    *(volatile __s32 *)&ctx->retval = 0;
}

SEC("cgroup/getsockopt") int sn_getsockopt(struct bpf_sockopt *ctx)
{
    if (ctx->optname != SO_ORIGINAL_DST || !ctx->sk) return ALLOW;
    struct sn_tk_flow *p = bpf_sk_storage_get(&sn_peers, ctx->sk, 0, 0);
    if (!p) return ALLOW;
    struct sn_tk_addr vip = p->vip;
    if (ctx->level == IPPROTO_IP && mapped(&vip)) {
        struct in4 *a = ctx->optval;
        if ((void *)(a + 1) > ctx->optval_end) return ALLOW;
        a->family = AF_INET;
        a->port = vip.port;
        a->ip = vip.ip[3];
        a->zero = 0;
        answered(ctx, sizeof(*a));
    } else if (ctx->level == SOL_IPV6) {
        struct in6 *a = ctx->optval;
        if ((void *)(a + 1) > ctx->optval_end) return ALLOW;
        a->family = AF_INET6;
        a->port = vip.port;
        a->flow = 0;
        a->ip[0] = vip.ip[0];
        a->ip[1] = vip.ip[1];
        a->ip[2] = vip.ip[2];
        a->ip[3] = vip.ip[3];
        a->scope = 0;
        answered(ctx, sizeof(*a));
    }
    return ALLOW;
}

/* The two ends of `ops` as the client names them. active: this is the client's end. */
static __always_inline void ops_tuple(struct bpf_sock_ops *ops, bool active, struct sn_tk_tuple *t)
{
    struct sn_tk_addr *local = active ? &t->client : &t->server;
    struct sn_tk_addr *remote = active ? &t->server : &t->client;
    __u16 local_port = bpf_htons((__u16)ops->local_port);
    __u16 remote_port = (__u16)(ops->remote_port >> 16);
    if (ops->family == AF_INET) {
        addr_v4(local, ops->local_ip4, local_port);
        addr_v4(remote, ops->remote_ip4, remote_port);
    } else {
        volatile __u32 *l = ops->local_ip6, *r = ops->remote_ip6;
        local->ip[0] = l[0];
        local->ip[1] = l[1];
        local->ip[2] = l[2];
        local->ip[3] = l[3];
        remote->ip[0] = r[0];
        remote->ip[1] = r[1];
        remote->ip[2] = r[2];
        remote->ip[3] = r[3];
        local->port = local_port;
        remote->port = remote_port;
        local->zero = remote->zero = 0;
    }
    t->netns = loopback(&t->server) ? bpf_get_netns_cookie(ops) : 0;
}

static __always_inline bool shortcut(void)
{
    const __u32 zero = 0;
    struct sn_tk_control *control = bpf_map_lookup_elem(&sn_control, &zero);
    return control && control->shortcut;
}

/* The client's SYN: leaves for the other end what its socket does not carry, where somebody will ask. A
 * connect that fails takes it back; so this socket wants to hear of its states until it is connected. */
static __always_inline void origin_put(struct bpf_sock_ops *ops, struct bpf_sock *sk)
{
    struct sn_tk_tuple t;
    struct sn_tk_flow *p = bpf_sk_storage_get(&sn_peers, sk, 0, 0);
    if (!p || !(p->via || shortcut())) return;
    ops_tuple(ops, true, &t);
    struct sn_tk_origin o = {.vip = p->vip, .at_ns = bpf_ktime_get_ns()};
    bpf_map_update_elem(&sn_origins, &t, &o, BPF_ANY);
    bpf_sock_ops_cb_flags_set(ops, (int)ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
}

static __always_inline void origin_state(struct bpf_sock_ops *ops)
{
    struct sn_tk_tuple t;
    if (ops->args[0] != BPF_TCP_SYN_SENT) return;
    if (ops->args[1] == BPF_TCP_CLOSE) {
        ops_tuple(ops, true, &t);
        bpf_map_delete_elem(&sn_origins, &t);
    }
    bpf_sock_ops_cb_flags_set(ops, (int)ops->bpf_sock_ops_cb_flags & ~BPF_SOCK_OPS_STATE_CB_FLAG);
}

/* The server's new socket: takes it. Returns whether the connection came by a service. */
static __always_inline bool origin_take(struct bpf_sock *sk, const struct sn_tk_tuple *t)
{
    struct sn_tk_origin *o = bpf_map_lookup_elem(&sn_origins, t);
    if (!o) return false;
    bool fresh = bpf_ktime_get_ns() - o->at_ns < SN_TK_ORIGIN_NS_MAX;
    struct sn_tk_flow *p =
        fresh ? bpf_sk_storage_get(&sn_peers, sk, 0, BPF_SK_STORAGE_GET_F_CREATE) : 0;
    if (p) p->vip = o->vip; /* backend stays zero: this end's peer is the client itself */
    bpf_map_delete_elem(&sn_origins, t);
    return p != 0;
}

/* ---- the short-cut --------------------------------------------------------------------------- */

/* A socket is found under its connection and the end it is: the other end asks for this one. */
static __always_inline void end_key(struct sn_tk_tuple *t, bool active)
{
    t->client.zero = active ? 1 : 2;
}

static __always_inline void join(struct bpf_sock_ops *ops, struct sn_tk_tuple *t, bool active)
{
    if (!shortcut()) return;
    end_key(t, active);
    bpf_sock_hash_update(ops, &sn_shortcut, t, BPF_ANY);
}

/* Runs some five times for each connect of the cgroup, mostly to be asked about windows and timeouts. */
SEC("sockops") int sn_sockops(struct bpf_sock_ops *ops)
{
    struct sn_tk_tuple t;
    __u32 op = ops->op;
    if (op != BPF_SOCK_OPS_TCP_CONNECT_CB && op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB &&
        op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB && op != BPF_SOCK_OPS_STATE_CB)
        return ALLOW;
    struct bpf_sock *sk = ops->sk;
    if ((ops->family != AF_INET && ops->family != AF_INET6) || !sk) return ALLOW;
    switch (op) {
    case BPF_SOCK_OPS_TCP_CONNECT_CB: origin_put(ops, sk); break;
    case BPF_SOCK_OPS_STATE_CB: origin_state(ops); break;
    case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
        if (!shortcut() || !bpf_sk_storage_get(&sn_peers, sk, 0, 0)) break;
        ops_tuple(ops, true, &t);
        join(ops, &t, true);
        break;
    case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
        ops_tuple(ops, false, &t);
        if (origin_take(sk, &t)) join(ops, &t, false);
        break;
    default: break;
    }
    return ALLOW;
}

/* Bytes go into the other end's receive queue; where that end is not joined they go by TCP. */
SEC("sk_msg") int sn_msg(struct sk_msg_md *msg)
{
    struct sn_tk_tuple t;
    struct bpf_sock *sk = msg->sk;
    struct sn_tk_flow *p = sk ? bpf_sk_storage_get(&sn_peers, sk, 0, 0) : 0;
    if (!p) return SK_PASS;
    bool active = p->backend.port != 0;
    struct sn_tk_addr *local = active ? &t.client : &t.server;
    struct sn_tk_addr *remote = active ? &t.server : &t.client;
    __u16 local_port = bpf_htons((__u16)msg->local_port);
    __u16 remote_port = (__u16)(msg->remote_port >> 16);
    if (msg->family == AF_INET) {
        addr_v4(local, msg->local_ip4, local_port);
        addr_v4(remote, msg->remote_ip4, remote_port);
    } else {
        volatile __u32 *l = msg->local_ip6, *r = msg->remote_ip6;
        local->ip[0] = l[0];
        local->ip[1] = l[1];
        local->ip[2] = l[2];
        local->ip[3] = l[3];
        remote->ip[0] = r[0];
        remote->ip[1] = r[1];
        remote->ip[2] = r[2];
        remote->ip[3] = r[3];
        local->port = local_port;
        remote->port = remote_port;
        local->zero = remote->zero = 0;
    }
    t.netns = loopback(&t.server) ? bpf_get_netns_cookie(msg) : 0;
    end_key(&t, !active);
    bpf_msg_redirect_hash(msg, &sn_shortcut, &t, BPF_F_INGRESS);
    return SK_PASS;
}
