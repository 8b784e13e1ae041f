/* SPDX-License-Identifier: Apache-2.0 */
/* evm/rpc_retry.c - when a call is made again: the rules of evm/rpc.h, one place for every transport. */
#include "core/status.h"
#include "evm/rpc_int.h"
#include "fiber/fiber.h"

#define DELAY_NS_MAX (10 * SN_SEC)

int sn_eth_backoff(int64_t *delay_ns)
{
    int64_t pause = *delay_ns / 2 + (int64_t)(sn_random() % (uint64_t)*delay_ns);
    *delay_ns = SN_MIN(2 * *delay_ns, DELAY_NS_MAX);
    return sn_sleep(pause);
}

/* The calls that still want an answer, and where it goes. */
struct left {
    struct sn_eth_request *calls;
    struct sn_eth_reply *got;
    size_t *at, n;
};
/* keep_answered - hands out what came; calls that were turned away stay. */
static int keep_answered(struct left *l, struct sn_eth_reply *ret)
{
    size_t n = 0;
    int r = 0;
    for (size_t i = 0; i < l->n; i++) {
        const struct sn_eth_reply *got = &l->got[i];
        if (!got->code || !sn_eth_rate_limited(got->code, got->message)) {
            ret[l->at[i]] = *got;
            continue;
        }
        if (n == 0)
            r = sn_fail(SN_E_RESOURCE_EXHAUSTED, "%s: %.*s", l->calls[i].method,
                        (int)SN_MIN(got->message.len, (size_t)200), got->message.ptr);
        l->calls[n] = l->calls[i];
        l->at[n++] = l->at[i];
    }
    l->n = n;
    return r;
}
static bool worth_another(int r, bool sends)
{
    if (r == SN_E_REFUSED) return true;            /* nothing was sent */
    if (r == SN_E_RESOURCE_EXHAUSTED) return true; /* turned away before it was done */
    return !sends && (r == SN_E_UNAVAILABLE || r == SN_E_RESET || r == SN_E_EOF ||
                      r == SN_E_DEADLINE_EXCEEDED);
}
int sn_eth_try(const struct sn_eth_tries *t, const struct sn_eth_request *calls, size_t n,
               struct sn_arena *a, struct sn_eth_reply *ret)
{
    struct left l = {SN_ARENA_ARRAY(a, struct sn_eth_request, n),
                     SN_ARENA_ARRAY(a, struct sn_eth_reply, n), SN_ARENA_ARRAY(a, size_t, n), n};
    if (!l.calls || !l.got || !l.at) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        l.calls[i] = calls[i];
        l.at[i] = i;
    }
    int64_t delay = SN_ETH_DELAY_NS_FIRST;
    for (unsigned tries = 0;; tries++) {
        unsigned wait_s = 0;
        int r = t->once(t->ctx, l.calls, l.n, a, l.got, &wait_s);
        if (r >= 0) r = keep_answered(&l, ret);
        if (r >= 0 || tries >= t->max || !worth_another(r, sn_eth_sends(l.calls, l.n))) return r;
        int slept = wait_s ? sn_sleep((int64_t)wait_s * SN_SEC) : sn_eth_backoff(&delay);
        if (slept < 0) return slept; /* cancelled, or the caller's deadline */
    }
}
