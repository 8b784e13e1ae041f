/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_proto_int.h - the protocols a gRPC server speaks beside gRPC itself. */
#pragma once
#include "kit/grpc_int.h"

/* grpc_request_headers - timeout, encodings and metadata of the grpc-* headers. Returns 0, or the
 * failure that sn_grpc_fail was told. */
int grpc_request_headers(struct grpc_scall *sc) SN_MUST_CHECK;
/* grpc_refuse - answers with this failure instead of running the call. Returns 0. */
int grpc_refuse(struct grpc_scall *sc, int code) SN_MUST_CHECK;
/* grpc_other_protocols - gRPC-Web, Connect, REST, CORS. Returns 0 answered, > 0 not ours, SN_E_*. */
int grpc_other_protocols(struct sn_grpc_server *s, struct sn_http_x *x, enum sn_grpc_protocol p,
                         enum sn_grpc_codec codec) SN_MUST_CHECK;
