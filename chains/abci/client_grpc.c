/* SPDX-License-Identifier: Apache-2.0 */
/* abci/client_grpc.c - an application behind gRPC. */
#include "abci/client_int.h"

#include <stdio.h>

#include "abci/server.h"
#include "core/alloc.h"
#include "kit/grpc.h"

struct grpc {
    struct sn_abci_client base;
    struct sn_grpc_channel *ch;
};
static struct grpc *grpc_of(struct sn_abci_client *c)
{
    return SN_CONTAINER_OF(c, struct grpc, base);
}

static int call(struct sn_abci_client *c, enum sn_abci_method m, const void *req,
                struct sn_arena *a, void **ret)
{
    /* The methods are numbered in the order of the service. */
    const struct sn_pb_method *method = &tendermint_abci_abci_service.methods[m];
    SN_DCHECK(method->input == sn_abci_method_info(m)->req);
    int r = sn_grpc_unary(grpc_of(c)->ch, method, req, a, ret,
                          &(struct sn_grpc_opts){.no_retry = true});
    return abci_client_fatal(r) ? abci_client_fail(c, r) : r;
}

static void close_grpc(struct sn_abci_client *c)
{
    struct grpc *g = grpc_of(c);
    sn_grpc_channel_free(g->ch);
    sn_free(g);
}
static const struct abci_client_ops ops = {call, close_grpc};

/* The channel connects with the first call: an Echo that waits for it, as CometBFT's. */
static int greet(struct grpc *g, const struct sn_abci_client_opts *o)
{
    struct tendermint_abci_request_echo hello = {.message = SN_STR("hello")};
    struct sn_grpc_opts co = {.no_retry = true};
    struct sn_arena a;
    void *res;
    int r;
    sn_arena_init(&a, NULL, 0);
    do {
        r = sn_grpc_unary(g->ch, &tendermint_abci_abci_service.methods[SN_ABCI_ECHO], &hello, &a,
                          &res, &co);
    } while (r < 0 && (r = abci_dial_again(o, r)) >= 0);
    sn_arena_done(&a);
    return r;
}

int abci_grpc_open(const struct sn_abci_client_opts *o, struct sn_abci_client **ret)
{
    char addr[SN_ABCI_ADDR_MAX], target[SN_ABCI_ADDR_MAX + 32];
    size_t max = o->message_max ? o->message_max : SN_ABCI_MESSAGE_MAX;
    int r = sn_abci_addr(o->addr, addr, sizeof(addr));
    if (r < 0) return r;
    struct grpc *g = SN_NEW(struct grpc);
    if (!g) return SN_E_NOMEM;
    abci_client_init(&g->base, &ops, o->name, o->failed);
    snprintf(target, sizeof(target), "passthrough:///%s", addr);
    struct sn_grpc_channel_opts co = {.authority = "localhost",
                                      .retry_off = true,
                                      .recv_bytes_max = max,
                                      .send_bytes_max = max};
    if ((r = sn_grpc_channel_new(target, &co, &g->ch)) < 0) {
        sn_free(g);
        return r;
    }
    if ((r = greet(g, o)) < 0)
        close_grpc(&g->base);
    else
        *ret = &g->base;
    return r;
}
