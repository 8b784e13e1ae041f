/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_proto_int.h - the protocols a gRPC server speaks beside gRPC itself. */
#pragma once
#include "kit/grpc_int.h"

/* grpc_request_headers - timeout, encodings and metadata of the grpc-* headers. Returns 0, or the
 * failure that sn_grpc_fail was told. */
int grpc_request_headers(struct grpc_scall *sc) SN_MUST_CHECK;
/* grpc_refuse - answers with this failure instead of running the call. Returns 0. */
int grpc_refuse(struct grpc_scall *sc, int code) SN_MUST_CHECK;
/* grpc_connect, grpc_rest - as grpc_other_protocols. */
int grpc_connect(struct sn_grpc_server *s, struct sn_http_x *x, enum sn_grpc_protocol p,
                 enum sn_grpc_codec codec) SN_MUST_CHECK;
int grpc_rest(struct sn_grpc_server *s, struct sn_http_x *x) SN_MUST_CHECK;
/* grpc_rest_add - the google.api.http bindings of a service; its methods' idempotency. Returns 0,
 * SN_E_SYNTAX (a template, with its method in the diagnostic), SN_E_NOMEM. */
int grpc_rest_add(struct sn_grpc_server *s, struct grpc_service *svc) SN_MUST_CHECK;
void grpc_rest_free(struct grpc_rest *r);
/* grpc_head_fields - content-type, encoding and the call's metadata into the response's headers. */
int grpc_head_fields(struct grpc_scall *sc) SN_MUST_CHECK;
/* grpc_put_in - `m` as one framed message into g->in, by which everything came. Returns 1 or SN_E_*. */
ssize_t grpc_put_in(struct grpc_call *g, struct sn_str m, uint8_t flags);
/* grpc_other_protocols - gRPC-Web, Connect, REST, CORS. Returns 0 answered, > 0 not ours, SN_E_*. */
int grpc_other_protocols(struct sn_grpc_server *s, struct sn_http_x *x, enum sn_grpc_protocol p,
                         enum sn_grpc_codec codec) SN_MUST_CHECK;
