/* SPDX-License-Identifier: Apache-2.0 */
/* tests/interop/grpc/peer.h - our side of tests/interop/grpc.sh. */
#pragma once
#include "fiber/sync.h"
#include "kit/grpc.h"

/* peer_register - TestService and OpenRcaService. */
int peer_register(struct sn_grpc_server *s);
/* peer_spoiler - the server's interceptor for the retry cases. */
int peer_spoiler(struct sn_grpc_call *c, struct sn_grpc_chain *next, void *arg);
/* peer_case - runs the interop case NAME against the server at `target`, to which ch leads. Returns 0
 * or SN_E_*. */
int peer_case(struct sn_grpc_channel *ch, const char *target, const char *name);
