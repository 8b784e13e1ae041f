/* SPDX-License-Identifier: Apache-2.0 */
/* cni/cni.h - container networking: lists of plugins run for a pod, CNI 1.1.
 *
 * `bridge`, `host-local`, `portmap` and `loopback` run in this process, by netlink and nftables,
 * with the configuration keys, the stored files and the results of the plugins of that name. Every
 * other type is a program of the plugin folders, run with a deadline: one that hangs is killed, and
 * DEL is tried again. Results are cached on disk, where DEL and CHECK of a later process find them.
 *
 * Sources: containernetworking/cni SPEC.md 1.1.0, CONVENTIONS.md; the plugins' documentation. */
#pragma once
#include "clusters/netlink/ip.h"
#include "core/arena.h"
#include "core/str.h"

#define SN_CNI_VERSION "1.1.0"
#define SN_CNI_CONF_BYTES_MAX (1u << 20)
#define SN_CNI_RESULT_BYTES_MAX (1u << 20)
#define SN_CNI_PLUGINS_MAX 32u
#define SN_CNI_IFACES_MAX 64u
#define SN_CNI_IPS_MAX 64u
#define SN_CNI_ROUTES_MAX 256u
#define SN_CNI_DNS_MAX 64u
#define SN_CNI_PORTS_MAX 1024u
#define SN_CNI_DEL_TRIES 3u

struct sn_cni_iface {
    struct sn_str name, mac, sandbox; /* sandbox empty: an interface of the host */
    unsigned mtu;
};
struct sn_cni_ip {
    struct sn_cidr at;
    struct sn_ip gateway; /* len 0: none */
    int iface;            /* index into ifaces; -1 = not said */
};
struct sn_cni_route {
    struct sn_cidr to;
    struct sn_ip gateway; /* len 0: the address' own */
};
struct sn_cni_strs {
    struct sn_str *ptr;
    unsigned n;
};
struct sn_cni_result { /* everything is an arena's */
    struct sn_cni_iface *ifaces;
    struct sn_cni_ip *ips;
    struct sn_cni_route *routes;
    unsigned n_ifaces, n_ips, n_routes;
    struct sn_cni_strs nameservers, search, options;
    struct sn_str domain;
};

struct sn_cni_port {
    const char *protocol; /* "tcp", "udp", "sctp" */
    uint16_t host, container;
    struct sn_ip host_ip; /* len 0: every address of the host */
};
struct sn_cni_pod {
    const char *id, *ifname;     /* ifname NULL = "eth0" */
    const char *netns;           /* path of its network namespace; NULL at DEL: it is gone */
    int netns_fd;                /* the same opened; -1: opened from the path */
    const char *name, *ns, *uid; /* K8S_POD_NAME, _NAMESPACE, _UID of CNI_ARGS; may be NULL */
    const struct sn_cni_port *ports;
    unsigned n_ports;
};

struct sn_cni_opts {
    const char *conf_dir;  /* NULL = /etc/cni/net.d: the first .conflist, .conf, .json by name */
    const char *bin_dirs;  /* NULL = /opt/cni/bin:/usr/lib/cni */
    const char *state_dir; /* NULL = /var/lib/cni: networks/ and results/ */
    /* The network where conf_dir has none: an IPv4 or IPv6 prefix for a bridge `bridge`; NULL: none
     * then. */
    const char *default_subnet, *default_bridge;
    int64_t plugin_ns_max; /* of one run of a foreign plugin; 0 = 60 s */
};
struct sn_cni;
/* sn_cni_open - reads nothing yet. Returns 0, SN_E_NOMEM. Owns: sn_cni_close. */
int sn_cni_open(const struct sn_cni_opts *o, struct sn_cni **ret) SN_MUST_CHECK;
void sn_cni_close(struct sn_cni *c);
/* sn_cni_ready - whether pods can be connected: there is a valid list and every plugin of it is
 * there (and says so, where it knows STATUS). Returns 0, SN_E_NOT_FOUND (no list), SN_E_SYNTAX
 * (file and what is wrong), SN_E_UNAVAILABLE. Suspends. */
int sn_cni_ready(struct sn_cni *c) SN_MUST_CHECK;
/* sn_cni_conf - the text of the list in use, in `a`. Returns as sn_cni_ready. */
int sn_cni_conf(struct sn_cni *c, struct sn_arena *a, struct sn_str *ret) SN_MUST_CHECK;
/* sn_cni_add - connects the pod: every plugin in turn. On failure what was done is undone (DEL).
 * Returns 0; SN_E_NOT_FOUND, SN_E_SYNTAX (no usable list), SN_E_RESOURCE_EXHAUSTED (no address
 * left), SN_E_ALREADY_EXISTS (a host port is taken), SN_E_DEADLINE_EXCEEDED (a plugin hung),
 * SN_E_UNAVAILABLE (a plugin said no: its message). Suspends. */
int sn_cni_add(struct sn_cni *c, const struct sn_cni_pod *pod, struct sn_arena *a,
               struct sn_cni_result *ret) SN_MUST_CHECK;
/* sn_cni_del - the plugins in reverse, each tried SN_CNI_DEL_TRIES times; whatever fails, the
 * others run. Done twice, or for a pod that never was: 0. Returns the first failure. Suspends. */
int sn_cni_del(struct sn_cni *c, const struct sn_cni_pod *pod) SN_MUST_CHECK;
/* sn_cni_check - whether the pod is still as ADD left it. Returns 0, SN_E_NOT_FOUND (not added),
 * SN_E_FAILED_PRECONDITION (what differs). Suspends. */
int sn_cni_check(struct sn_cni *c, const struct sn_cni_pod *pod) SN_MUST_CHECK;
/* sn_cni_gc - frees what belongs to none of the `n` pods: addresses, host ports, cached results;
 * foreign plugins get GC where their list is of 1.1. Suspends. */
int sn_cni_gc(struct sn_cni *c, const char *const *ids, unsigned n) SN_MUST_CHECK;
/* sn_cni_loopback - brings `lo` of a namespace up. Blocks for a moment, does not suspend. */
int sn_cni_loopback(int netns_fd) SN_MUST_CHECK;
