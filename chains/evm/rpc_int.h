/* SPDX-License-Identifier: Apache-2.0 */
/* evm/rpc_int.h - what transports of JSON-RPC share. */
#pragma once
#include "core/buf.h"
#include "evm/rpc.h"

/* sn_eth_requests_write - the message for n calls: an object for one, an array for several; ids are
 * 1..n. Returns 0 or the buffer's error. */
int sn_eth_requests_write(struct sn_buf *out, const struct sn_eth_request *calls, size_t n);
/* sn_eth_answers_parse - the answer to such a message into ret[n]. Returns 0; SN_E_PROTOCOL for
 * what is no JSON-RPC or answers other calls than were made; SN_E_NOMEM. Owns: borrows `text`. */
int sn_eth_answers_parse(struct sn_arena *a, struct sn_str text, size_t n,
                         struct sn_eth_reply *ret) SN_MUST_CHECK;
/* sn_eth_rate_limited - whether an error means "later", not "never". */
bool sn_eth_rate_limited(int64_t code, struct sn_str message);
