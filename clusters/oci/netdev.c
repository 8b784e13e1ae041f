/* SPDX-License-Identifier: Apache-2.0 */
/* oci/netdev.c - parent: interfaces of the host that move into the container (runtime-spec 1.3). The
 * kernel drops an interface's addresses with the move; they are set again inside. */
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>

#include "clusters/netlink/rtnl.h"
#include "clusters/oci/parent_int.h"

#define SN_OCI_ADDRS_MAX 64 /* of one interface */

struct addrs {
    struct sn_cidr at[SN_OCI_ADDRS_MAX];
    size_t n;
};

static int keep_addr(const struct sn_cidr *at, void *arg)
{
    struct addrs *a = arg;
    /* Link-local addresses come by themselves. */
    if (at->ip.len == 16 && at->ip.b[0] == 0xfe && (at->ip.b[1] & 0xc0) == 0x80) return 0;
    if (a->n == SN_OCI_ADDRS_MAX) return sn_fail(SN_E_TOO_LARGE, "more than %d addresses", SN_OCI_ADDRS_MAX);
    a->at[a->n++] = *at;
    return 0;
}

static int move_one(struct sn_nl *out, struct sn_nl *in, int ns, const struct sn_oci_net_device *d, struct addrs *a)
{
    struct sn_rtnl_link l;
    a->n = 0;
    int e = sn_rtnl_link(out, d->host, 0, &l);
    if (e == 0) e = sn_rtnl_addrs(out, l.index, keep_addr, a);
    if (e < 0) return e;
    struct ifinfomsg m = {.ifi_index = l.index, .ifi_change = IFF_UP};
    sn_nl_begin(out, RTM_NEWLINK, 0, &m, sizeof(m), "move %s into the container", d->host);
    sn_nl_put_u32(out, IFLA_NET_NS_FD, (uint32_t)ns);
    sn_nl_put_str(out, IFLA_IFNAME, d->name);
    if ((e = sn_nl_commit(out, NULL)) < 0 || (e = sn_rtnl_link(in, d->name, 0, &l)) < 0) return e;
    for (size_t i = 0; i < a->n; i++) {
        sn_rtnl_add_addr(in, l.index, &a->at[i]);
        if (i % (SN_NL_BATCH_MAX / 2) == 0 && (e = sn_nl_commit(in, NULL)) < 0) return e;
    }
    sn_rtnl_up(in, d->name, l.index, true);
    return sn_nl_commit(in, NULL);
}

int sn_oci_net_devices(const struct sn_oci_spec *s, pid_t pid)
{
    if (!s->net_devices.n) return 0;
    char path[32];
    struct sn_nl out, in;
    struct sn_arena arena;
    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    int ns = open(path, O_RDONLY | O_CLOEXEC);
    if (ns < 0) return sn_fail_errno(errno, "open %s", path);
    sn_arena_init(&arena, NULL, 0);
    struct addrs *a = SN_ARENA_NEW(&arena, struct addrs);
    int e = a ? sn_nl_open(&out, NETLINK_ROUTE, -1) : SN_E_NOMEM;
    if (e == 0) {
        if ((e = sn_nl_open(&in, NETLINK_ROUTE, ns)) == 0) {
            for (size_t i = 0; i < s->net_devices.n && e == 0; i++)
                if ((e = move_one(&out, &in, ns, &s->net_devices.ptr[i], a)) < 0)
                    e = sn_wrap(e, "linux.netDevices: %s", s->net_devices.ptr[i].host);
            sn_nl_close(&in);
        }
        sn_nl_close(&out);
    }
    sn_arena_done(&arena);
    close(ns);
    return e;
}
