/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/light/proxy_int.h - requests (proxy.c), what is answered from the light client's own
 * blocks (proxy_local.c), and answers of the primary that are checked (proxy_check.c). */
#pragma once
#include "consensus/light/proxy.h"
#include "consensus/light/rpc_int.h"

#define PROXY_ARGS_MAX 4
#define PROXY_BODY_MAX 1000000u /* bytes of a request */

struct proxy {
    const struct sn_light_proxy_opts *o;
    struct sn_light_rpc *primary;
    struct sn_http_server *http;
};
/* proxy_one - the answer to one request, appended. */
int proxy_one(struct proxy *p, const struct sn_json *request, struct sn_arena *a,
              struct sn_buf *out) SN_MUST_CHECK;
/* proxy_websocket - the handler of /websocket (proxy_ws.c). */
int proxy_websocket(struct proxy *p, struct sn_http_x *x) SN_MUST_CHECK;
void proxy_put_error(struct sn_buf *out, struct sn_str id, int code, const char *message, int r);
int proxy_write_json(const struct sn_json *v, struct sn_arena *a, struct sn_str *ret) SN_MUST_CHECK;

/* How an argument is written in JSON and in a URI: whole numbers as strings; bytes in base64, or
 * (HEX) in hex; in a URI 0x and hex or, quoted, as they are. */
enum proxy_arg { PROXY_NONE, PROXY_INT, PROXY_BYTES, PROXY_HEX, PROXY_TEXT, PROXY_BOOL };
struct proxy_value {
    bool set, b;
    int64_t i;
    struct sn_str s; /* the bytes themselves */
};
struct proxy_call;
struct proxy_route {
    const char *name;
    struct {
        const char *name;
        enum proxy_arg type;
    } args[PROXY_ARGS_MAX];
    /* Changes what the primary is to be asked; NULL: nothing. */
    int (*prepare)(struct proxy_call *c);
    /* Whether the primary's result is what the chain has. */
    int (*check)(struct proxy_call *c, const struct sn_json *result);
    /* Instead of both: appends the result. */
    int (*local)(struct proxy_call *c, struct sn_buf *out);
};
struct proxy_call {
    struct sn_light_client *client;
    const struct proxy_route *route;
    struct proxy_value args[PROXY_ARGS_MAX];
    struct sn_arena *a;
};
/* proxy_block - the verified block of a height (0: the newest). */
int proxy_block(struct proxy_call *c, int64_t height,
                struct sn_cons_light_block **ret) SN_MUST_CHECK;

int proxy_local_commit(struct proxy_call *c, struct sn_buf *out);
int proxy_local_header(struct proxy_call *c, struct sn_buf *out);
int proxy_local_validators(struct proxy_call *c, struct sn_buf *out);

int proxy_prepare_results(struct proxy_call *c);
int proxy_prepare_query(struct proxy_call *c);
int proxy_check_block(struct proxy_call *c, const struct sn_json *result);
int proxy_check_header(struct proxy_call *c, const struct sn_json *result);
int proxy_check_results(struct proxy_call *c, const struct sn_json *result);
int proxy_check_params(struct proxy_call *c, const struct sn_json *result);
int proxy_check_chain(struct proxy_call *c, const struct sn_json *result);
int proxy_check_tx(struct proxy_call *c, const struct sn_json *result);
int proxy_check_query(struct proxy_call *c, const struct sn_json *result);

/* proxy_proof - whether the operations lead from the value under the path's keys to the root:
 * "simple:v" only. keys: outermost first. Returns 0, SN_E_INVALID_ARGUMENT, SN_E_UNIMPLEMENTED
 * (another operation), SN_E_NOMEM. */
struct proxy_op {
    struct sn_str type, key, data;
};
int proxy_proof(const struct proxy_op *ops, size_t n, const struct sn_str *keys, size_t n_keys,
                struct sn_str value, struct sn_str root, struct sn_arena *a) SN_MUST_CHECK;
