/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/light/rpc_int.h - JSON-RPC calls to a node: HTTP, retries, and what its errors mean. */
#pragma once
#include "core/arena.h"
#include "kit/http.h"
#include "wire/json.h"

#define SN_LIGHT_ANSWER_MAX (64u << 20)   /* bytes; a block of 100 MB is more than proxies pass on \
                                           */
#define SN_LIGHT_REQUEST_NS (10 * SN_SEC) /* one attempt */
#define SN_LIGHT_ATTEMPTS 5u
#define SN_LIGHT_PAUSE_NS (250 * SN_MS) /* before the second; doubles */
#define SN_LIGHT_RETRY_AFTER_S_MAX 30u

/* light_recode - the failure r under another code, its words kept. */
int light_recode(int r, int code, const char *who);

struct sn_light_rpc;
/* sn_light_rpc_open - url: as sn_light_http. Returns 0, SN_E_SYNTAX, SN_E_NOMEM. */
int sn_light_rpc_open(const char *url, struct sn_light_rpc **ret) SN_MUST_CHECK;
void sn_light_rpc_close(struct sn_light_rpc *c);
/* sn_light_rpc_name - "http://HOST:PORT", without what a URL may hide (users, keys in paths). */
const char *sn_light_rpc_name(const struct sn_light_rpc *c);
/* sn_light_rpc_call - params: a JSON object. *ret: the result. Tried again where the node is too
 * busy (429, 5xx), silent or broken, but not where it sends (`once`) or refuses connections.
 * Returns 0; SN_E_NOT_FOUND, SN_E_OUT_OF_RANGE (a height it does not have any more, or not yet);
 * SN_E_ABORTED (another error of the node's: its words are the diagnostic); SN_E_UNAVAILABLE;
 * SN_E_INVALID_ARGUMENT (no JSON-RPC answer), SN_E_NOMEM, SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED
 * (the caller's). Any fiber. Suspends. */
int sn_light_rpc_call(struct sn_light_rpc *c, const char *method, struct sn_str params, bool once,
                      struct sn_arena *a, const struct sn_json **ret) SN_MUST_CHECK;
/* sn_light_rpc_ws - the node's WebSocket, for events. Returns as sn_ws_dial. Owns: sn_ws_close,
 * before c is closed. */
int sn_light_rpc_ws(struct sn_light_rpc *c, const struct sn_ws_opts *o,
                    struct sn_ws **ret) SN_MUST_CHECK;
/* sn_light_rpc_raw - as sn_light_rpc_call; the answer's text as it came, errors of the node's
 * included. body: a request; .ptr NULL: GET of target ("/status?..."). */
int sn_light_rpc_raw(struct sn_light_rpc *c, struct sn_str body, struct sn_str target, bool once,
                     struct sn_arena *a, struct sn_str *ret) SN_MUST_CHECK;
