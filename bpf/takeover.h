/* SPDX-License-Identifier: Apache-2.0 */
/* bpf/takeover.h - what the programs in the kernel and their loader share: maps and limits.
 *
 * Addresses are 16 bytes as the network has them, IPv4 as ::ffff:a.b.c.d; ports too are in network
 * order. The layouts are the maps' values: whoever changes one raises SN_TK_LAYOUT, so that a loader
 * does not write into programs of another version. */
#pragma once
#include <linux/types.h>

#define SN_TK_LAYOUT 1
#define SN_TK_SLOTS 4093         /* prime: every step of Maglev's permutation reaches every slot */
#define SN_TK_BACKENDS_MAX 256   /* of one service and state: 15 slots at the least for each */
#define SN_TK_SERVICES_MAX 1024
#define SN_TK_COUNTERS_MAX 2048  /* a snapshot's services are counted before the last one's go */
#define SN_TK_SENT_MAX 4         /* services one UDP socket talks to at a time, without connect */
#define SN_TK_ORIGINS_MAX 65536  /* connections between their SYN and their accept */
#define SN_TK_ORIGIN_NS_MAX 60000000000ull /* older ones belong to a connect that failed */
#define SN_TK_SHORTCUT_MAX 65536 /* sockets that are short-cut */

struct sn_tk_addr {
    __u32 ip[4];
    __u16 port;
    __u16 zero;
};

/* Which service a destination is. */
struct sn_tk_key {
    struct sn_tk_addr vip;
    __u32 proto; /* IPPROTO_TCP, IPPROTO_UDP */
};

struct sn_tk_backend {
    struct sn_tk_addr addr;
    __u32 via; /* the gateway's listener: it will ask for the original destination */
};

/* Back-ends of a service in one state; slot[] is Maglev's table of indices into backend[]. */
struct sn_tk_set {
    __u32 n; /* 0: connections are refused */
    __u16 slot[SN_TK_SLOTS];
    __u16 zero;
    struct sn_tk_backend backend[SN_TK_BACKENDS_MAX];
};

enum sn_tk_lapsed { /* what a service does when its gateway has not been heard of in time */
    SN_TK_REFUSE, /* fail closed: ECONNREFUSED */
    SN_TK_DIRECT, /* fail open: the second set */
    SN_TK_PASS,   /* fail open: the destination stays as it is */
};
enum { SN_TK_BY_SOCKET, SN_TK_BY_CGROUP }; /* affinity: what is hashed */

/* The value of a service's inner map: built aside, put in its place by one update. */
struct sn_tk_table {
    __u32 counters; /* index in the map of counters */
    __u32 lapsed;   /* enum sn_tk_lapsed */
    __u32 affinity;
    __u32 zero;
    struct sn_tk_set live, direct;
};

struct sn_tk_counters { /* of one service on one processor */
    __u64 connects;  /* redirected */
    __u64 datagrams; /* redirected, unconnected sockets */
    __u64 replies;   /* datagrams whose source was put back */
    __u64 refused;   /* no back-end, or fail closed */
    __u64 lapsed;    /* let through by fail open */
};

struct sn_tk_control {
    __u64 deadline_ns; /* CLOCK_MONOTONIC; past it every service is lapsed */
    __u32 gateway;     /* its process: never redirected; 0 = none */
    __u32 shortcut;    /* sockets of services are joined by sk_msg */
    __u32 layout;      /* SN_TK_LAYOUT of the programs, for the next loader */
    __u32 zero;
};

/* Of a socket: where its owner believes to be connected to, and where it is. */
struct sn_tk_flow {
    struct sn_tk_addr vip, backend;
    __u32 via;
};
struct sn_tk_sent {
    struct sn_tk_flow flow[SN_TK_SENT_MAX];
    __u32 next;
};

/* A TCP connection as its client sees it. Loopback addresses mean something in one network
 * namespace only, so there it belongs to the key. */
struct sn_tk_tuple {
    struct sn_tk_addr client, server;
    __u64 netns; /* cookie; 0 where the addresses are not loopback's */
};
struct sn_tk_origin {
    struct sn_tk_addr vip;
    __u32 zero;
    __u64 at_ns;
};
