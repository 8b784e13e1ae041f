/* SPDX-License-Identifier: Apache-2.0 */
/* protobuf-c's half of bench/protobuf.sh, on the bytes ours wrote. usage: pb-peer FOLDER SECONDS */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <bench.pb-c.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
static void measure(const char *name, const ProtobufCMessageDescriptor *d, const char *dir,
                    double seconds)
{
    static uint8_t in[8 << 20], out[8 << 20];
    char path[512];
    snprintf(path, sizeof path, "%s/%s.bin", dir, name);
    FILE *f = fopen(path, "rb");
    if (!f) exit(1);
    size_t len = fread(in, 1, sizeof in, f);
    fclose(f);
    ProtobufCMessage *m = protobuf_c_message_unpack(d, NULL, len, in);
    for (int encode = 0; encode < 2; encode++) {
        long n = 0;
        double from = now(), t;
        do {
            for (int i = 0; i < 50; i++, n++) {
                if (encode) {
                    /* As a caller must: ask for the size, then write. */
                    size_t size = protobuf_c_message_get_packed_size(m);
                    if (size > sizeof out || protobuf_c_message_pack(m, out) != size) exit(1);
                } else {
                    ProtobufCMessage *x = protobuf_c_message_unpack(d, NULL, len, in);
                    if (!x) exit(1);
                    protobuf_c_message_free_unpacked(x, NULL);
                }
            }
        } while ((t = now() - from) < seconds);
        printf("%s %s %.1f %.1f\n", name, encode ? "encode" : "decode",
               (double)len * (double)n / t / 1e6, t / (double)n * 1e9);
    }
    protobuf_c_message_free_unpacked(m, NULL);
}
int main(int argc, char **argv)
{
    if (argc < 3) return 2;
    double seconds = strtod(argv[2], NULL);
    measure("order", &bench__order__descriptor, argv[1], seconds);
    measure("batch", &bench__batch__descriptor, argv[1], seconds);
    measure("series", &bench__series__descriptor, argv[1], seconds);
    return 0;
}
