/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_channelz.c - grpc.channelz.v1. */
#include "grpc/channelz/v1/channelz.grpc.h"
#include "kit/grpc_int.h"

static const struct grpc_channelz_v1_channelz_handlers handlers;

int sn_grpc_channelz_add(struct sn_grpc_server *s)
{
    return grpc_channelz_v1_channelz_register(s, &handlers, NULL);
}
