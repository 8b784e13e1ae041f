/* SPDX-License-Identifier: Apache-2.0 */
/* JSON that is read as a google.protobuf.Struct or a FileDescriptorProto and written again must
 * read back to the same text: the first is all of JSON, the second has most kinds of field. */
#include <stdlib.h>

#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/struct.pb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct sn_pb_desc *descs[] = {&google_protobuf_struct_desc,
                                        &google_protobuf_file_descriptor_proto_desc};
    const struct sn_pb_json_opts o = {.ignore_unknown = size & 1};
    for (size_t i = 0; i < SN_COUNT_OF(descs); i++) {
        struct sn_arena a;
        struct sn_buf x, y;
        sn_arena_init(&a, NULL, 64u << 20);
        sn_buf_init(&x, 0);
        sn_buf_init(&y, 0);
        void *m = sn_pb_new(descs[i], &a), *n = sn_pb_new(descs[i], &a);
        if (sn_pb_from_json(descs[i], m, sn_str_of((const char *)data, size), &o, &a) == 0) {
            if (sn_pb_to_json(descs[i], m, &o, &x) < 0) abort();
            if (sn_pb_from_json(descs[i], n, sn_buf_view(&x), &o, &a) < 0) abort();
            if (sn_pb_to_json(descs[i], n, &o, &y) < 0) abort();
            if (!sn_str_eq(sn_buf_view(&x), sn_buf_view(&y))) abort();
        }
        sn_buf_done(&x);
        sn_buf_done(&y);
        sn_arena_done(&a);
    }
    return 0;
}
