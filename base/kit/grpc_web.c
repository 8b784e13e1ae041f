/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_web.c - gRPC-Web, Connect, REST: not yet. */
#include "kit/grpc_proto_int.h"

int grpc_other_protocols(struct sn_grpc_server *s, struct sn_http_x *x, enum sn_grpc_protocol p,
                         enum sn_grpc_codec codec)
{
    return 1;
}
