/* SPDX-License-Identifier: Apache-2.0 */
/* Our half of bench/protobuf.sh. Writes the three messages into files for the peer, then measures:
 * "NAME decode|encode MB/s ns/op" lines. usage: pb-ours FOLDER SECONDS */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench.pb.h"
#include "wire/pb.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t); /* banned: a bench without the runtime */
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
static void check(long long r)
{
    if (r >= 0) return;
    fprintf(stderr, "pb-ours: %s\n", sn_diag_str((int)r));
    exit(1);
}
static void order(struct bench_order *o, struct sn_arena *a, int i)
{
    o->id = 1000000007ull * (unsigned)i;
    o->customer = SN_STR("Ada Lovelace of Marylebone");
    o->email = SN_STR("ada@example.org");
    o->created_ns = 1700000000000000000 + i;
    o->signature = SN_STR("0123456789abcdef0123456789abcdef");
    o->delta = -i, o->trace = 0x1122334455667788u;
    for (int k = 0; k < 4; k++) {
        struct bench_item *it = bench_order_add_items(o, a);
        it->sku = SN_STR("SKU-00012345"), it->quantity = k + 1, it->price = 9.99, it->gift = k & 1;
        check(bench_order_add_tags(o, SN_STR("priority"), a));
    }
}
static void measure(const char *name, const struct sn_pb_desc *d, const void *msg, const char *dir,
                    double seconds)
{
    struct sn_buf b, out;
    struct sn_arena a;
    char path[512];
    void *m;
    sn_buf_init(&b, 0);
    sn_buf_init(&out, 0);
    sn_arena_init(&a, NULL, 0);
    check(sn_pb_encode(d, msg, &b));
    snprintf(path, sizeof path, "%s/%s.bin", dir, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(b.ptr, 1, b.len, f) != b.len || fclose(f) != 0) exit(1);
    for (int encode = 0; encode < 2; encode++) {
        long n = 0;
        double from = now(), t;
        do {
            for (int i = 0; i < 50; i++, n++) {
                if (encode) {
                    sn_buf_reset(&out);
                    check(sn_pb_encode(d, msg, &out));
                } else {
                    sn_arena_reset(&a);
                    check(sn_pb_parse(d, sn_buf_view(&b), 0, &a, &m));
                }
            }
        } while ((t = now() - from) < seconds);
        printf("%s %s %.1f %.1f\n", name, encode ? "encode" : "decode",
               (double)b.len * (double)n / t / 1e6, t / (double)n * 1e9);
    }
    sn_arena_done(&a);
    sn_buf_done(&b);
    sn_buf_done(&out);
}
int main(int argc, char **argv)
{
    struct sn_arena a;
    if (argc < 3) return 2;
    double seconds = strtod(argv[2], NULL);
    sn_arena_init(&a, NULL, 0);
    struct bench_order *one = bench_order_new(&a);
    struct bench_batch *batch = bench_batch_new(&a);
    struct bench_series *series = bench_series_new(&a);
    order(one, &a, 7);
    for (int i = 0; i < 1000; i++) order(bench_batch_add_orders(batch, &a), &a, i);
    for (int i = 0; i < 1000; i++) {
        check(bench_series_add_times(series, 1700000000000 + i * 1000, &a));
        check(bench_series_add_values(series, i * 0.25, &a));
        check(bench_series_add_codes(series, (uint32_t)i % 300, &a));
    }
    measure("order", &bench_order_desc, one, argv[1], seconds);
    measure("batch", &bench_batch_desc, batch, argv[1], seconds);
    measure("series", &bench_series_desc, series, argv[1], seconds);
    sn_arena_done(&a);
    return 0;
}
