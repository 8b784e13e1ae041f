/* SPDX-License-Identifier: Apache-2.0 */
/* bench_evm CORPUS - decodes and encodes every line {"abi", "data"} of the corpus for a second each;
 * prints "sennit CORPUS WHAT MB-per-CPU-second", MB of encoded bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/enc.h"
#include "core/vec.h"
#include "evm/codec.h"

struct row {
    const struct sn_abi_type *type;
    struct sn_str data;
    struct sn_abi_value value;
};
typedef SN_VEC(struct row) rows_vec;

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
static void fail(const char *what)
{
    fprintf(stderr, "bench_evm: %s\n", what);
    exit(1);
}
static void add(struct sn_arena *a, struct sn_str line, rows_vec *rows)
{
    const struct sn_json *v;
    struct sn_abi_contracts c;
    const struct sn_abi_item *f;
    struct row row;
    if (sn_json_parse(a, line, NULL, &v) < 0) fail("corpus: no JSON");
    struct sn_str hex = sn_str_from(sn_json_str(sn_json_get(v, "data")), 2);
    char *data = sn_arena_alloc(a, hex.len / 2 + 1);
    if (sn_abi_load(a, sn_json_str(sn_json_get(v, "abi")), SN_STR("x"), &c) < 0 ||
        sn_abi_method(&c.ptr[0].abi, SN_STR("test"), &f) < 0 ||
        sn_abi_params_type(a, f->out, &row.type) < 0 || sn_hex_decode(hex, data) < 0)
        fail("corpus: no ABI");
    row.data = sn_str_of(data, hex.len / 2);
    if (sn_abi_decode(a, row.type, row.data, NULL, &row.value) < 0) fail("corpus: does not decode");
    if (sn_vec_push(rows, row) < 0) fail("no memory");
}
static double decode_all(const rows_vec *rows)
{
    struct sn_arena a;
    double begin = cpu_s(), bytes = 0, now;
    sn_arena_init(&a, NULL, 0);
    do {
        SN_VEC_EACH(rows, row) {
            struct sn_abi_value v;
            sn_arena_reset(&a);
            if (sn_abi_decode(&a, row->type, row->data, NULL, &v) < 0) fail("decode");
            bytes += (double)row->data.len;
        }
        now = cpu_s();
    } while (now - begin < 1);
    sn_arena_done(&a);
    return bytes / (now - begin) / 1e6;
}
static double encode_all(const rows_vec *rows)
{
    struct sn_buf b;
    double begin = cpu_s(), bytes = 0, now;
    sn_buf_init(&b, 0);
    do {
        SN_VEC_EACH(rows, row) {
            sn_buf_reset(&b);
            if (sn_abi_encode(row->type, &row->value, &b) < 0 || b.len != row->data.len) fail("encode");
            bytes += (double)b.len;
        }
        now = cpu_s();
    } while (now - begin < 1);
    sn_buf_done(&b);
    return bytes / (now - begin) / 1e6;
}
int main(int argc, char **argv)
{
    struct sn_arena a;
    rows_vec rows = {0};
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    FILE *f = argc == 2 ? fopen(argv[1], "r") : NULL;
    if (!f) fail("usage: bench_evm CORPUS");
    sn_arena_init(&a, NULL, 0);
    while ((n = getline(&line, &cap, f)) > 0) add(&a, sn_str_of(line, (size_t)n), &rows);
    printf("sennit decode %.1f\n", decode_all(&rows));
    printf("sennit encode %.1f\n", encode_all(&rows));
    free(line);
    fclose(f);
    sn_vec_done(&rows);
    sn_arena_done(&a);
    return 0;
}
