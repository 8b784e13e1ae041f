/* SPDX-License-Identifier: Apache-2.0 */
/* Decode, encode, decode: whatever decodes once must decode again from what we wrote, to the same
 * bytes. FileDescriptorProto is the richest message at hand. */
#include <stdlib.h>

#include "google/protobuf/descriptor.pb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct sn_pb_desc *d = &google_protobuf_file_descriptor_proto_desc;
    struct sn_arena a;
    struct sn_buf x, y;
    void *m, *n;
    sn_arena_init(&a, NULL, 64u << 20);
    sn_buf_init(&x, 0);
    sn_buf_init(&y, 0);
    unsigned flags = SN_PB_PARTIAL | (size & 1 ? SN_PB_COPY : 0);
    if (sn_pb_parse(d, sn_str_of((const char *)data, size), flags, &a, &m) == 0) {
        if (sn_pb_encode(d, m, &x) < 0) abort();
        if (sn_pb_parse(d, sn_buf_view(&x), flags, &a, &n) < 0) abort();
        if (sn_pb_encode(d, n, &y) < 0) abort();
        if (!sn_str_eq(sn_buf_view(&x), sn_buf_view(&y))) abort();
    }
    sn_buf_done(&x);
    sn_buf_done(&y);
    sn_arena_done(&a);
    return 0;
}
