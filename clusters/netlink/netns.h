/* SPDX-License-Identifier: Apache-2.0 */
/* netlink/netns.h - network namespaces, made ahead of need.
 *
 * A new namespace costs the kernel some 400 us and its first link a few system calls: a pool has a
 * few ready, with `lo` up and a socket inside. A namespace lives by its descriptor: nothing is
 * mounted. */
#pragma once
#include "clusters/netlink/nl.h"

#define SN_NETNS_POOL_MAX 64u

struct sn_netns {
    int fd;          /* of the namespace */
    struct sn_nl nl; /* NETLINK_ROUTE, inside it */
};
/* sn_netns_new - a fresh namespace whose `lo` is up. Returns 0, SN_E_PERMISSION_DENIED, SN_E_FILES,
 * SN_E_RESOURCE_EXHAUSTED. Owns: sn_netns_close. Context: any thread; blocks for about a
 * millisecond. */
int sn_netns_new(struct sn_netns *ret) SN_MUST_CHECK;
/* sn_netns_open - of a path, "/run/netns/x" or "/proc/PID/ns/net". */
int sn_netns_open(const char *path, struct sn_netns *ret) SN_MUST_CHECK;
/* sn_netns_close - the namespace itself ends with its last descriptor and process. */
void sn_netns_close(struct sn_netns *ns);
/* sn_netns_do - runs fn(arg) with the calling thread inside namespace `fd`. fn must not suspend,
 * nor start threads. Returns fn's value, or SN_E_PERMISSION_DENIED, SN_E_FILES. */
int sn_netns_do(int fd, int (*fn)(void *arg), void *arg) SN_MUST_CHECK;

struct sn_netns_pool;
/* sn_netns_pool_new - keep: how many are held ready, at most SN_NETNS_POOL_MAX. Makes none yet.
 * Returns NULL without memory. */
struct sn_netns_pool *sn_netns_pool_new(unsigned keep);
void sn_netns_pool_free(struct sn_netns_pool *p);
/* sn_netns_pool_take - a prepared one, else a new one. Returns as sn_netns_new. Any thread. */
int sn_netns_pool_take(struct sn_netns_pool *p, struct sn_netns *ret) SN_MUST_CHECK;
/* sn_netns_pool_fill - makes one more. Returns 1, 0 where the pool is full, as sn_netns_new. */
int sn_netns_pool_fill(struct sn_netns_pool *p) SN_MUST_CHECK;
unsigned sn_netns_pool_ready(const struct sn_netns_pool *p);
