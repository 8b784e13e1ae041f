/* SPDX-License-Identifier: Apache-2.0 */
/* kit/redis.h - a Redis client: commands of all fibers of a worker share its few connections and
 * leave in one write (implicit pipelining), replies come back in order. RESP3 where the server has
 * it, else RESP2.
 *
 * Each worker has connections of its own, so that nothing is locked. A connection is dialled by the
 * first call that needs it and read by one fiber. A call that gives up (deadline, cancellation)
 * leaves its place in line; its reply is dropped when it comes. A connection whose oldest call has
 * waited twice call_ns_max, or that breaks, ends all its calls with SN_E_UNAVAILABLE. After a
 * failed dial calls fail at once for a while (100 ms, doubling to 2 s): callers with a fallback do
 * not wait for a dead server.
 *
 * Not for commands that block or change the connection (BLPOP, SUBSCRIBE, MULTI, SELECT): they
 * would hold up or surprise the others. Whether a command that failed was executed is unknown, as
 * with any network. Source: redis.io command reference, RESP specification. */
#pragma once
#include "core/arena.h"
#include "core/str.h"
#include "wire/resp.h"

struct sn_tls_config;

struct sn_redis_opts {
    const char *addr;             /* any net.h address: "127.0.0.1:6379", "unix:/run/redis.sock" */
    struct sn_str user, password; /* AUTH; user empty: the default user. Copied; wiped on free */
    uint32_t db;
    struct sn_tls_config *tls; /* NULL = plain */
    struct sn_str tls_host;    /* name the server must prove; empty: that of addr */
    unsigned conns;            /* per worker; 0 = 1 */
    unsigned pending_max;      /* calls in flight per connection; 0 = 1024, beyond: SN_E_BUSY */
    int64_t connect_ns_max;    /* dial, TLS, AUTH and SELECT together; 0 = 1 s */
    int64_t call_ns_max;       /* of each call, beside the fiber's deadline; 0 = 1 s */
};
struct sn_redis;
/* sn_redis_new - no connection is made yet. Returns 0, SN_E_INVALID_ARGUMENT, SN_E_NOMEM. Context:
 * a fiber. */
int sn_redis_new(const struct sn_redis_opts *opts, struct sn_redis **ret) SN_MUST_CHECK;
/* sn_redis_free - closes the connections and waits for their fibers; no call may be in progress.
 * NULL is accepted. Suspends. */
void sn_redis_free(struct sn_redis *r);

/* sn_redis_do - one command of n words. An error reply is a result here (ret->type SN_RESP_ERROR).
 * Returns 0, SN_E_UNAVAILABLE (no connection, or it broke), SN_E_UNAUTHENTICATED, SN_E_BUSY,
 * SN_E_PROTOCOL, SN_E_TOO_LARGE, SN_E_DEADLINE_EXCEEDED, SN_E_CANCELLED, SN_E_NOMEM; the diagnostic
 * names the server. Owns: *ret is in `a`. Context: a fiber. Suspends. */
int sn_redis_do(struct sn_redis *r, const struct sn_str *words, size_t n, struct sn_arena *a,
                struct sn_resp *ret) SN_MUST_CHECK;
/* sn_redis_pipeline - n commands in one go, replies in order. Fails as a whole. At most
 * pending_max. */
struct sn_redis_command {
    const struct sn_str *words;
    size_t n;
};
int sn_redis_pipeline(struct sn_redis *r, const struct sn_redis_command *commands, size_t n,
                      struct sn_arena *a, struct sn_resp *rets) SN_MUST_CHECK;

/* A Lua script and its digest, made at the first use. */
struct sn_redis_script {
    const char *text;
    _Atomic int ready; /* 2 = sha holds it */
    char sha[41];
};
/* sn_redis_eval - EVALSHA; where the server does not know the script (it was restarted), EVAL.
 * words: keys, then arguments. Returns as sn_redis_do. */
int sn_redis_eval(struct sn_redis *r, struct sn_redis_script *s, const struct sn_str *words,
                  size_t n_keys, size_t n_words, struct sn_arena *a,
                  struct sn_resp *ret) SN_MUST_CHECK;

struct sn_redis_stats {
    uint64_t calls, failed, dials, dial_failures,
        writes; /* writes: system calls; calls per write is the pipelining */
    int64_t conns, pending;
};
void sn_redis_stats(const struct sn_redis *r, struct sn_redis_stats *ret);
