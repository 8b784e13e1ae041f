/* SPDX-License-Identifier: Apache-2.0 */
/* pb_convert - one sennit.test.All from stdin to stdout: "bin", "json" (from binary) or "parse"
 * (from JSON to binary). For tests/interop/protobuf.sh. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pb_test.pb.h"
#include "wire/pb.h"

static const struct sn_pb_desc *resolve(struct sn_str name, void *arg)
{
    (void)arg;
    return sn_pb_find(&pb_test_proto_file, name);
}
int main(int argc, char **argv)
{
    static char text[1 << 20];
    const struct sn_pb_json_opts o = {.resolve = resolve};
    const struct sn_pb_desc *d = &sennit_test_all_desc;
    struct sn_arena a;
    struct sn_buf out;
    struct sn_str in = {text, fread(text, 1, sizeof text, stdin)};
    const char *what = argc > 1 ? argv[1] : "";
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&out, 0);
    void *m = sn_pb_new(d, &a);
    int r = strcmp(what, "parse") == 0 ? sn_pb_from_json(d, m, in, &o, &a)
                                       : sn_pb_decode(d, m, in, 0, &a);
    if (r == 0 && strcmp(what, "json") == 0)
        r = sn_pb_to_json(d, m, &o, &out);
    else if (r == 0)
        r = (int)SN_MIN(sn_pb_encode(d, m, &out), (ssize_t)0);
    if (r < 0) fprintf(stderr, "pb_convert: %s\n", sn_diag_str(r));
    if (r == 0) fwrite(out.ptr, 1, out.len, stdout);
    sn_buf_done(&out);
    sn_arena_done(&a);
    return r < 0;
}
