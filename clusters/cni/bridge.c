/* SPDX-License-Identifier: Apache-2.0 */
/* cni/bridge.c - `bridge` and `loopback`: a veth pair between the pod and a bridge of the host. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "clusters/cni/cni_int.h"
#include "clusters/netlink/netns.h"
#include "clusters/netlink/rtnl.h"
#include "core/alloc.h"
#include "core/map.h"
#include "core/status.h"

struct bridge_conf {
    char name[IFNAMSIZ];
    bool gateway, default_gateway, masq, hairpin, promisc, isolated;
    unsigned mtu;
    const struct sn_json *ipam;
};

int cni_put(const char *path, const char *text)
{
    char now[64];
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return sn_fail_errno(errno, "%s", path);
    ssize_t n = read(fd, now, sizeof now);
    size_t len = strlen(text);
    int r = 0;
    bool same =
        n >= (ssize_t)len && !memcmp(now, text, len) && (n == (ssize_t)len || now[len] == '\n');
    if (!same && pwrite(fd, text, len, 0) != (ssize_t)len)
        r = sn_fail_errno(errno, "write %s", path);
    close(fd);
    return r;
}

static int read_conf(const struct sn_json *v, struct bridge_conf *ret)
{
    static const char *const unsupported[] = {"vlan", "vlanTrunk", "macspoofchk",
                                              "preserveDefaultVlan"};
    struct bridge_conf c = {.ipam = sn_json_get(v, "ipam")};
    struct sn_str name = sn_json_str(sn_json_get(v, "bridge"));
    for (size_t i = 0; i < SN_COUNT_OF(unsupported); i++) {
        const struct sn_json *u = sn_json_get(v, unsupported[i]);
        if (u && (sn_json_len(u) || sn_json_i64_or(u, 0) || sn_json_bool_or(u, false)) &&
            strcmp(unsupported[i], "preserveDefaultVlan"))
            return sn_fail(SN_E_UNIMPLEMENTED, "bridge: %s is not supported here", unsupported[i]);
    }
    if (!name.len) name = SN_STR("cni0");
    if (sn_str_cz(name, c.name, sizeof c.name) < 0)
        return sn_fail(SN_E_SYNTAX, "bridge: \"%.*s\" is longer than %d bytes", SN_STR_ARG(name),
                       IFNAMSIZ - 1);
    c.default_gateway = sn_json_bool_or(sn_json_get(v, "isDefaultGateway"), false);
    c.gateway = c.default_gateway || sn_json_bool_or(sn_json_get(v, "isGateway"), false);
    c.masq = sn_json_bool_or(sn_json_get(v, "ipMasq"), false);
    c.hairpin = sn_json_bool_or(sn_json_get(v, "hairpinMode"), false);
    c.promisc = sn_json_bool_or(sn_json_get(v, "promiscMode"), false);
    c.isolated = sn_json_bool_or(sn_json_get(v, "portIsolation"), false);
    int64_t mtu = sn_json_i64_or(sn_json_get(v, "mtu"), 0);
    if (mtu < 0 || mtu > 65535)
        return sn_fail(SN_E_SYNTAX, "bridge: mtu %lld: expected 0..65535", (long long)mtu);
    if (c.hairpin && c.promisc)
        return sn_fail(SN_E_SYNTAX, "bridge: hairpinMode and promiscMode exclude each other");
    c.mtu = (unsigned)mtu;
    struct sn_str ipam = sn_json_str(sn_json_get(c.ipam, "type"));
    if (c.ipam && ipam.len && !sn_str_eqc(ipam, "host-local"))
        return sn_fail(SN_E_UNIMPLEMENTED,
                       "bridge: ipam type \"%.*s\" is not built in; expected host-local",
                       SN_STR_ARG(ipam));
    if (!ipam.len) c.ipam = NULL;
    *ret = c;
    return 0;
}

/* The bridge, made where it is missing. A fixed address of its own: the kernel would otherwise
 * change it with every port. */
static int ensure_bridge(struct sn_nl *nl, const struct bridge_conf *c, struct sn_rtnl_link *ret)
{
    int r = sn_rtnl_link(nl, c->name, 0, ret);
    if (r == SN_E_NOT_FOUND) {
        sn_rtnl_add_bridge(nl, c->name, c->mtu, false);
        r = sn_nl_commit(nl, NULL);
        if (r < 0 && r != SN_E_ALREADY_EXISTS) return r;
        r = sn_rtnl_link(nl, c->name, 0, ret);
        if (r < 0) return r;
        sn_rtnl_mac(nl, ret->index, ret->mac);
        if (c->promisc) sn_rtnl_promisc(nl, ret->index);
        r = sn_nl_commit(nl, NULL);
    }
    if (r < 0) return r;
    if (strcmp(ret->kind, "bridge") != 0)
        return sn_fail(SN_E_FAILED_PRECONDITION, "%s exists and is no bridge", c->name);
    if (ret->flags & IFF_UP) return 0;
    sn_rtnl_up(nl, NULL, ret->index, true);
    return sn_nl_commit(nl, NULL);
}

/* The same for the same pod, so that a second ADD finds what a first left. */
static void veth_name(const struct cni_run *run, char out[IFNAMSIZ])
{
    uint64_t h =
        sn_hash(run->pod->id, strlen(run->pod->id), sn_hash(run->ifname, strlen(run->ifname), 0));
    snprintf(out, IFNAMSIZ, "veth%08x", (unsigned)(h ^ h >> 32));
}

static void mac_text(const uint8_t m[SN_MAC_LEN], char out[18])
{
    snprintf(out, 18, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

static void add_iface(struct cni_run *run, const struct sn_rtnl_link *l, struct sn_str sandbox)
{
    char mac[18];
    mac_text(l->mac, mac);
    run->result->ifaces[run->result->n_ifaces++] =
        (struct sn_cni_iface){.name = sn_arena_str(run->a, sn_str(l->name)),
                              .mac = sn_arena_str(run->a, sn_str(mac)),
                              .sandbox = sandbox,
                              .mtu = l->mtu};
}

/* What the pod's side gets: addresses, the link up, routes. */
static int configure_pod(struct cni_run *run, struct sn_nl *nl, int index)
{
    const struct sn_cni_result *res = run->result;
    sn_rtnl_up(nl, NULL, index, true);
    for (unsigned i = 0; i < res->n_ips; i++) sn_rtnl_add_addr(nl, index, &res->ips[i].at);
    int r = sn_nl_commit(nl, NULL);
    for (unsigned i = 0; i < res->n_routes && r >= 0; i++) {
        struct sn_rtnl_route rt = {.to = res->routes[i].to,
                                   .gw = res->routes[i].gateway,
                                   .index = index};
        for (unsigned k = 0; k < res->n_ips && !rt.gw.len; k++)
            if (res->ips[k].at.ip.len == rt.to.ip.len) rt.gw = res->ips[k].gateway;
        sn_rtnl_add_route(nl, &rt);
        if (i % 16 == 15) r = sn_nl_commit(nl, NULL);
    }
    int last = sn_nl_commit(nl, NULL);
    return r < 0 ? r : last;
}

static int default_routes(struct cni_run *run)
{
    struct sn_cni_result *res = run->result;
    for (unsigned i = 0; i < res->n_ips; i++) {
        struct sn_cni_route rt = {.to.ip.len = res->ips[i].at.ip.len,
                                  .gateway = res->ips[i].gateway};
        bool there = false;
        for (unsigned k = 0; k < res->n_routes; k++)
            there |= res->routes[k].to.bits == 0 && res->routes[k].to.ip.len == rt.to.ip.len;
        if (there || !rt.gateway.len) continue;
        if (res->n_routes == SN_CNI_ROUTES_MAX)
            return sn_fail(SN_E_TOO_LARGE, "at most %u routes", SN_CNI_ROUTES_MAX);
        res->routes[res->n_routes++] = rt;
    }
    return 0;
}

/* The host's side: the gateway's address on the bridge, forwarding, masquerading. */
static int configure_host(struct cni_run *run, struct sn_nl *nl, const struct bridge_conf *c,
                          int bridge)
{
    const struct sn_cni_result *res = run->result;
    int r = 0;
    for (unsigned i = 0; i < res->n_ips && r >= 0; i++) {
        struct sn_cidr net = {sn_cidr_net(&res->ips[i].at), res->ips[i].at.bits};
        bool six = net.ip.len == 16;
        if (c->gateway && res->ips[i].gateway.len) {
            struct sn_cidr gw = {res->ips[i].gateway, net.bits};
            sn_rtnl_add_addr(nl, bridge, &gw);
            r = sn_nl_commit(nl, NULL);
            if (r == SN_E_ALREADY_EXISTS) r = 0;
            if (r >= 0)
                r = cni_put(six ? "/proc/sys/net/ipv6/conf/all/forwarding"
                                : "/proc/sys/net/ipv4/ip_forward",
                            "1");
        }
        if (r >= 0 && c->masq) r = cni_nat_masquerade(run->network, &net);
    }
    return r;
}

static int connect_pod(struct cni_run *run, const struct bridge_conf *c, struct sn_nl *host,
                       struct sn_nl *pod)
{
    struct sn_rtnl_link br, in;
    char veth[IFNAMSIZ];
    int r = ensure_bridge(host, c, &br);
    if (r < 0) return r;
    veth_name(run, veth);
    if (run->result->n_ifaces + 3 > SN_CNI_IFACES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "at most %u interfaces", SN_CNI_IFACES_MAX);
    sn_rtnl_add_veth(host, &(struct sn_rtnl_veth){.name = veth,
                                                  .peer = run->ifname,
                                                  .master = br.index,
                                                  .peer_netns = run->netns_fd,
                                                  .mtu = c->mtu});
    if (c->hairpin || c->isolated) sn_rtnl_port(host, veth, c->hairpin, c->isolated);
    r = sn_nl_commit(host, NULL);
    if (r < 0) return r;
    r = sn_rtnl_link(pod, run->ifname, 0, &in);
    if (r >= 0 && c->default_gateway) r = default_routes(run);
    if (r >= 0) r = configure_host(run, host, c, br.index);
    if (r >= 0) r = configure_pod(run, pod, in.index);
    if (r < 0) {
        sn_rtnl_del(host, veth, 0);
        (void)sn_nl_commit(host, NULL);
        return r;
    }
    struct sn_rtnl_link out = br;
    add_iface(run, &br, (struct sn_str){0});
    snprintf(out.name, sizeof out.name, "%s", veth);
    add_iface(run, &out, (struct sn_str){0});
    add_iface(run, &in, sn_str(run->pod->netns));
    for (unsigned i = 0; i < run->result->n_ips; i++)
        if (run->result->ips[i].iface < 0)
            run->result->ips[i].iface = (int)run->result->n_ifaces - 1;
    return 0;
}

static int bridge_add(struct cni_run *run, const struct bridge_conf *c, struct sn_nl *host,
                      struct sn_nl *pod)
{
    int r = c->ipam ? cni_host_local(run, c->ipam, CNI_ADD) : 0;
    if (r < 0) return r;
    r = connect_pod(run, c, host, pod);
    if (r < 0 && c->ipam) {
        struct sn_diag keep = *sn_diag();
        (void)cni_host_local(run, c->ipam, CNI_DEL);
        *sn_diag() = keep;
    }
    return r;
}

struct has_addrs {
    const struct sn_cni_result *want;
    uint64_t seen;
};
static int see_addr(const struct sn_cidr *at, void *arg)
{
    struct has_addrs *h = arg;
    for (unsigned i = 0; i < h->want->n_ips; i++)
        if (sn_ip_eq(&h->want->ips[i].at.ip, &at->ip)) h->seen |= 1ull << i;
    return 0;
}

static int bridge_check(struct cni_run *run, const struct bridge_conf *c, struct sn_nl *pod)
{
    struct sn_rtnl_link in;
    struct has_addrs h = {run->result, 0};
    char text[SN_CIDR_TEXT_MAX];
    int r = sn_rtnl_link(pod, run->ifname, 0, &in);
    if (r == SN_E_NOT_FOUND)
        return sn_fail(SN_E_FAILED_PRECONDITION, "%s: the pod has no such interface", run->ifname);
    if (r >= 0) r = sn_rtnl_addrs(pod, in.index, see_addr, &h);
    if (r < 0) return r;
    for (unsigned i = 0; i < run->result->n_ips; i++)
        if (!(h.seen >> i & 1))
            return sn_fail(SN_E_FAILED_PRECONDITION, "%s: address %s is gone", run->ifname,
                           sn_cidr_text(&run->result->ips[i].at, text));
    return c->ipam ? cni_host_local(run, c->ipam, CNI_CHECK) : 0;
}

static int bridge_del(struct cni_run *run, const struct bridge_conf *c, struct sn_nl *host)
{
    char veth[IFNAMSIZ];
    int r = c->ipam ? cni_host_local(run, c->ipam, CNI_DEL) : 0;
    veth_name(run, veth);
    sn_rtnl_del(host, veth, 0);
    int del = sn_nl_commit(host, NULL);
    if (del == SN_E_NOT_FOUND) del = 0;
    return r < 0 ? r : del;
}

int cni_bridge(struct cni_run *run, enum cni_command cmd)
{
    struct bridge_conf c;
    int r = read_conf(run->conf, &c);
    if (r < 0 || cmd == CNI_STATUS) return r;
    if (cmd == CNI_GC) return c.ipam ? cni_host_local(run, c.ipam, CNI_GC) : 0;
    struct sn_nl *nl = SN_ARENA_ARRAY(run->a, struct sn_nl, 2);
    if (!nl) return SN_E_NOMEM;
    bool in_pod = cmd != CNI_DEL;
    r = sn_nl_open(&nl[0], NETLINK_ROUTE, -1);
    if (r < 0) return r;
    r = in_pod ? sn_nl_open(&nl[1], NETLINK_ROUTE, run->netns_fd) : 0;
    if (r >= 0) {
        r = cmd == CNI_ADD     ? bridge_add(run, &c, &nl[0], &nl[1])
            : cmd == CNI_CHECK ? bridge_check(run, &c, &nl[1])
                               : bridge_del(run, &c, &nl[0]);
        if (in_pod) sn_nl_close(&nl[1]);
    }
    sn_nl_close(&nl[0]);
    return r;
}

int cni_lo(struct cni_run *run, enum cni_command cmd)
{
    if (cmd != CNI_ADD) return 0;
    int r = sn_cni_loopback(run->netns_fd);
    if (r < 0 || run->result->n_ifaces == SN_CNI_IFACES_MAX ||
        run->result->n_ips + 2 > SN_CNI_IPS_MAX)
        return r;
    struct sn_cni_result *res = run->result;
    int at = (int)res->n_ifaces;
    res->ifaces[res->n_ifaces++] = (struct sn_cni_iface){.name = SN_STR("lo"),
                                                         .mac = SN_STR("00:00:00:00:00:00"),
                                                         .sandbox = sn_str(run->pod->netns)};
    res->ips[res->n_ips++] = (struct sn_cni_ip){.at = {{4, {127, 0, 0, 1}}, 8}, .iface = at};
    res->ips[res->n_ips++] = (struct sn_cni_ip){.at = {{16, {[15] = 1}}, 128}, .iface = at};
    return 0;
}

int sn_cni_loopback(int netns_fd)
{
    struct sn_nl nl;
    int r = sn_nl_open(&nl, NETLINK_ROUTE, netns_fd);
    if (r < 0) return r;
    sn_rtnl_up(&nl, "lo", 0, true);
    r = sn_nl_commit(&nl, NULL);
    sn_nl_close(&nl);
    return r;
}
