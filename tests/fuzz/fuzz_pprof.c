/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_pprof.c - profiles: any series of samples is written to what our own protobuf decoder and
 * zlib read back, with every reference inside its table and as many distinct samples and the sums that
 * a plain list of them has. Eight bytes a sample: stack (low addresses: cheap to look up), label. */
#include <stdlib.h>

#include <zlib.h>

#include "kit/pprof.h"
#include "pprof/profile.pb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SAMPLES_MAX 64u
#define STACK_MAX 5u
struct want {
    uintptr_t pcs[STACK_MAX];
    unsigned n, label; /* label 0 none, 1 text, 2 number */
    uint8_t value;
    int64_t sum;
};

static void gunzip(struct sn_str in, struct sn_buf *out)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)in.ptr, .avail_in = (uInt)in.len};
    SN_ASSERT(inflateInit2(&z, 15 + 16) == Z_OK);
    SN_ASSERT(sn_buf_reserve(out, 4u << 20) == 0);
    z.next_out = out->ptr;
    z.avail_out = (uInt)out->cap;
    SN_ASSERT(inflate(&z, Z_FINISH) == Z_STREAM_END);
    out->len = z.total_out;
    inflateEnd(&z);
}

static unsigned add_all(struct sn_pprof *p, const uint8_t *data, size_t size, struct want *w)
{
    static const char *const texts[] = {"a", "b", "", "c"};
    unsigned n = 0;
    for (size_t i = 0; i + 8 <= size && i / 8 < SAMPLES_MAX; i += 8) {
        struct want one = {.n = data[i] % (STACK_MAX + 1), .label = data[i + 6] % 3};
        if (one.label) one.value = data[i + 6] / 3 % 4;
        for (unsigned j = 0; j < one.n; j++) one.pcs[j] = data[i + 1 + j] % 8u + 16u;
        struct sn_pprof_label label = {.key = "k", .unit = "u", .num = one.value};
        if (one.label == 1) label.str = texts[one.value];
        const int64_t value = data[i + 7];
        sn_pprof_add(p, one.pcs, one.n, true, &value, one.label ? &label : NULL);
        unsigned k = 0;
        while (k < n && (w[k].n != one.n || w[k].label != one.label || w[k].value != one.value ||
                         memcmp(w[k].pcs, one.pcs, sizeof(one.pcs)) != 0))
            k++;
        if (k == n) w[n++] = one;
        w[k].sum += value;
    }
    return n;
}

static void check(const struct perftools_profiles_profile *q, const struct want *w, unsigned n)
{
    SN_ASSERT(q->sample.len == n && q->string_table.len > 0 && q->string_table.ptr[0].len == 0);
    for (unsigned i = 0; i < n; i++) { /* in the order they first came */
        const struct perftools_profiles_sample *s = q->sample.ptr[i];
        SN_ASSERT(s->location_id.len == w[i].n && s->value.len == 1);
        SN_ASSERT(s->value.ptr[0] == w[i].sum && s->label.len == (w[i].label ? 1 : 0));
        for (unsigned j = 0; j < w[i].n; j++) {
            uint64_t id = s->location_id.ptr[j];
            SN_ASSERT(id >= 1 && id <= q->location.len);
            SN_ASSERT(q->location.ptr[id - 1]->id == id);
            SN_ASSERT(q->location.ptr[id - 1]->address == w[i].pcs[j] - (j > 0));
        }
        for (unsigned j = 0; j < s->label.len; j++)
            SN_ASSERT((uint64_t)s->label.ptr[j]->key < q->string_table.len &&
                      (uint64_t)s->label.ptr[j]->str < q->string_table.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sn_pprof_type type = {"samples", "count"};
    struct want *w = calloc(SAMPLES_MAX, sizeof(*w));
    struct sn_pprof p;
    struct sn_buf zipped, raw;
    struct sn_arena a;
    void *q;
    if (!w) abort();
    sn_buf_init(&zipped, 0);
    sn_buf_init(&raw, 0);
    sn_arena_init(&a, NULL, 0);
    sn_pprof_init(&p, &type, 1, NULL);
    unsigned n = add_all(&p, data, size, w);
    SN_ASSERT(sn_pprof_write(&p, &zipped) == 0);
    gunzip(sn_buf_view(&zipped), &raw);
    SN_ASSERT(sn_pb_parse(&perftools_profiles_profile_desc, sn_buf_view(&raw), 0, &a, &q) == 0);
    check(q, w, n);
    sn_pprof_done(&p);
    sn_arena_done(&a);
    sn_buf_done(&zipped);
    sn_buf_done(&raw);
    free(w);
    return 0;
}
