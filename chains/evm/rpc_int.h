/* SPDX-License-Identifier: Apache-2.0 */
/* evm/rpc_int.h - what transports of JSON-RPC share. */
#pragma once
#include "core/buf.h"
#include "evm/rpc.h"
#include "kit/http.h"

/* sn_eth_requests_write - the message for n calls: an object for one, an array for several; ids are
 * 1..n. Returns 0 or the buffer's error. */
int sn_eth_requests_write(struct sn_buf *out, const struct sn_eth_request *calls, size_t n);
/* sn_eth_answers_parse - the answer to such a message into ret[n]. Returns 0; SN_E_PROTOCOL for
 * what is no JSON-RPC or answers other calls than were made; SN_E_NOMEM. Owns: borrows `text`. */
int sn_eth_answers_parse(struct sn_arena *a, struct sn_str text, size_t n,
                         struct sn_eth_reply *ret) SN_MUST_CHECK;
/* sn_eth_rate_limited - whether an error means "later", not "never". */
bool sn_eth_rate_limited(int64_t code, struct sn_str message);
/* sn_eth_answer_parse - one answer that was found by its id: result or error. Returns and owns as
 * sn_eth_answers_parse. */
int sn_eth_answer_parse(struct sn_arena *a, struct sn_str text, struct sn_eth_reply *ret)
    SN_MUST_CHECK;
/* sn_eth_says - whether the text has `what` in it, whatever the case. */
bool sn_eth_says(struct sn_str message, const char *what);
/* sn_eth_sends - whether one of the calls may not reach the node twice. */
bool sn_eth_sends(const struct sn_eth_request *calls, size_t n);

/* ---- rpc_retry.c ---- */

struct sn_eth_tries {
    unsigned max; /* after the first */
    /* One try of n calls. *ret_wait_s: how long the node asks to wait. Returns as the transport's
     * batch. */
    int (*once)(void *ctx, const struct sn_eth_request *calls, size_t n, struct sn_arena *a,
                struct sn_eth_reply *ret, unsigned *ret_wait_s);
    void *ctx;
};
/* sn_eth_try - tries as evm/rpc.h tells, and of a batch only again what was turned away. Suspends. */
int sn_eth_try(const struct sn_eth_tries *t, const struct sn_eth_request *calls, size_t n,
               struct sn_arena *a, struct sn_eth_reply *ret) SN_MUST_CHECK;
/* sn_eth_backoff - sleeps half to one and a half times *delay_ns, then doubles it up to 10 s.
 * Returns as sn_sleep. */
int sn_eth_backoff(int64_t *delay_ns) SN_MUST_CHECK;
#define SN_ETH_DELAY_NS_FIRST (100 * SN_MS)

/* ---- transports ---- */

int sn_eth_http_open(const struct sn_eth_opts *opts, struct sn_eth_rpc **ret) SN_MUST_CHECK;
int sn_eth_ws_open(const struct sn_eth_opts *opts, struct sn_eth_rpc **ret) SN_MUST_CHECK;
#define SN_ETH_HEADERS_MAX 15u
/* sn_eth_headers_parse - the lines "Name: value" of the options' headers into ret[SN_ETH_HEADERS_MAX].
 * Returns how many; SN_E_INVALID_ARGUMENT, SN_E_TOO_LARGE: without the text, which is a secret. Owns:
 * borrows `lines`. */
int sn_eth_headers_parse(struct sn_str lines, struct sn_http_header *ret) SN_MUST_CHECK;
/* sn_eth_host_of - the part of an address that diagnostics may show. */
struct sn_str sn_eth_host_of(struct sn_str url);
