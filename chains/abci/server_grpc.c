/* SPDX-License-Identifier: Apache-2.0 */
/* abci/server_grpc.c - the service tendermint.abci.ABCI on kit/grpc.h. */
#include "abci/server_int.h"

#include "core/alloc.h"
#include "kit/grpc.h"
#include "tendermint/abci/types.grpc.h"

#define STOP_GRACE_NS (1 * SN_SEC)

struct abci_grpc {
    struct sn_grpc_server *grpc;
    struct sn_http_server *http;
};

static int serve(struct sn_grpc_call *call, enum sn_abci_method m, const void *req, void **ret)
{
    char why[SN_DIAG_BYTES + 64];
    int r = sn_abci_app_try(call->arg, m, req, call->arena, ret);
    if (r >= 0) return 0;
    /* The node is the application's own: it is told what its operator must know. */
    return sn_grpc_fail(call, r, "%s", sn_diag_format(r, why, sizeof(why)));
}

#define X(name, NAME)                                                         \
    static int serve_##name(struct sn_grpc_call *call,                        \
                            const struct tendermint_abci_request_##name *req, \
                            struct tendermint_abci_response_##name **ret)     \
    {                                                                         \
        void *res = NULL;                                                     \
        int r = serve(call, SN_ABCI_##NAME, req, &res);                       \
        *ret = res;                                                           \
        return r;                                                             \
    }
SN_ABCI_METHODS(X)
#undef X

static const struct tendermint_abci_abci_handlers handlers = {
#define X(name, NAME) .name = serve_##name,
    SN_ABCI_METHODS(X)
#undef X
};

int abci_grpc_new(struct sn_abci_app *app, size_t message_max, struct abci_grpc **ret)
{
    struct abci_grpc *g = SN_NEW(struct abci_grpc);
    if (!g) return SN_E_NOMEM;
    struct sn_grpc_server_opts o = {.recv_bytes_max = message_max,
                                    .send_bytes_max = message_max,
                                    .web_off = true,
                                    .connect_off = true,
                                    .rest_off = true};
    int r = sn_grpc_server_new(&o, &g->grpc);
    if (r >= 0) r = tendermint_abci_abci_register(g->grpc, &handlers, app);
    if (r >= 0) r = sn_grpc_health_add(g->grpc);
    if (r >= 0) r = sn_grpc_reflection_add(g->grpc);
    struct sn_http_server_opts h = {.handler = sn_grpc_handle, .arg = g->grpc};
    sn_grpc_http_defaults(&h);
    if (r >= 0) r = sn_http_server_new(&h, &g->http);
    if (r < 0)
        abci_grpc_free(g);
    else
        *ret = g;
    return r;
}

int abci_grpc_serve(struct abci_grpc *g, struct sn_listener *l)
{
    return sn_http_serve(g->http, l);
}

void abci_grpc_stop(struct abci_grpc *g) { sn_http_server_drain(g->http, STOP_GRACE_NS); }

void abci_grpc_free(struct abci_grpc *g)
{
    if (!g) return;
    if (g->http) sn_http_server_free(g->http);
    if (g->grpc) sn_grpc_server_free(g->grpc);
    sn_free(g);
}
