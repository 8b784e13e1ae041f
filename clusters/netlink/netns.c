/* SPDX-License-Identifier: Apache-2.0 */
/* netlink/netns.c - network namespaces and their pool. */
#include "clusters/netlink/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "clusters/netlink/rtnl.h"
#include "core/alloc.h"

static const char self_path[] = "/proc/thread-self/ns/net";

/* A new namespace's descriptor: the thread unshares, opens what it got, and goes home. */
static int unshared(int *ret)
{
    int home = open(self_path, O_RDONLY | O_CLOEXEC), fd = -1, err = 0;
    if (home < 0) return sn_fail_errno(errno, "%s", self_path);
    if (unshare(CLONE_NEWNET) < 0) {
        err = errno;
    } else {
        fd = open(self_path, O_RDONLY | O_CLOEXEC);
        err = errno;
        SN_ASSERT(setns(home, CLONE_NEWNET) == 0); /* as in nl.c: no thread stays behind */
    }
    close(home);
    if (fd < 0) return sn_fail_errno(err, "new network namespace");
    *ret = fd;
    return 0;
}

int sn_netns_new(struct sn_netns *ret)
{
    int r = unshared(&ret->fd);
    if (r < 0) return r;
    r = sn_nl_open(&ret->nl, NETLINK_ROUTE, ret->fd);
    if (r < 0) {
        close(ret->fd);
        return r;
    }
    sn_rtnl_up(&ret->nl, NULL, 1, true); /* lo is always the first */
    r = sn_nl_commit(&ret->nl, NULL);
    if (r < 0) sn_netns_close(ret);
    return r;
}

int sn_netns_open(const char *path, struct sn_netns *ret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return sn_fail_errno(errno, "network namespace %s", path);
    int r = sn_nl_open(&ret->nl, NETLINK_ROUTE, fd);
    if (r < 0) {
        close(fd);
        return sn_wrap(r, "network namespace %s", path);
    }
    ret->fd = fd;
    return 0;
}

void sn_netns_close(struct sn_netns *ns)
{
    sn_nl_close(&ns->nl);
    if (ns->fd >= 0) close(ns->fd);
    ns->fd = -1;
}

int sn_netns_do(int fd, int (*fn)(void *arg), void *arg)
{
    int home = open(self_path, O_RDONLY | O_CLOEXEC);
    if (home < 0) return sn_fail_errno(errno, "%s", self_path);
    int r;
    if (setns(fd, CLONE_NEWNET) < 0) {
        r = sn_fail_errno(errno, "enter a network namespace");
    } else {
        r = fn(arg);
        SN_ASSERT(setns(home, CLONE_NEWNET) == 0);
    }
    close(home);
    return r;
}

/* Threads of the offload pool fill it and take from it: a spin bit guards a few moves. */
struct sn_netns_pool {
    atomic_flag busy;
    unsigned n, keep;
    struct sn_netns ready[];
};

static void pool_lock(struct sn_netns_pool *p)
{
    while (atomic_flag_test_and_set_explicit(&p->busy, memory_order_acquire)) sched_yield();
}
static void pool_unlock(struct sn_netns_pool *p)
{
    atomic_flag_clear_explicit(&p->busy, memory_order_release);
}

struct sn_netns_pool *sn_netns_pool_new(unsigned keep)
{
    keep = SN_MIN(keep, SN_NETNS_POOL_MAX);
    struct sn_netns_pool *p = sn_zalloc(1, sizeof *p + keep * sizeof p->ready[0]);
    if (p) p->keep = keep;
    return p;
}

void sn_netns_pool_free(struct sn_netns_pool *p)
{
    if (!p) return;
    for (unsigned i = 0; i < p->n; i++) sn_netns_close(&p->ready[i]);
    sn_free(p);
}

int sn_netns_pool_take(struct sn_netns_pool *p, struct sn_netns *ret)
{
    bool have;
    pool_lock(p);
    have = p->n > 0;
    if (have) *ret = p->ready[--p->n];
    pool_unlock(p);
    return have ? 0 : sn_netns_new(ret);
}

int sn_netns_pool_fill(struct sn_netns_pool *p)
{
    struct sn_netns ns;
    if (sn_netns_pool_ready(p) >= p->keep) return 0;
    int r = sn_netns_new(&ns);
    if (r < 0) return r;
    pool_lock(p);
    bool room = p->n < p->keep;
    if (room) p->ready[p->n++] = ns;
    pool_unlock(p);
    if (!room) sn_netns_close(&ns);
    return room;
}

unsigned sn_netns_pool_ready(const struct sn_netns_pool *p)
{
    struct sn_netns_pool *q = (struct sn_netns_pool *)p;
    pool_lock(q);
    unsigned n = q->n;
    pool_unlock(q);
    return n;
}
