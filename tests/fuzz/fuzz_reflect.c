/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_reflect.c - a server that answers reflection with anything: the rounds end, within the
 * limits, and the set that comes out has no file whose imports are not in it. The input is a series of
 * answers, each behind a byte with its length. */
#include <stdlib.h>

#include "core/alloc.h"
#include "kit/grpc_reflect.h"
#include "kit/pb_load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_reflect *x = SN_NEW(struct sn_reflect);
    struct sn_buf body = {0}, set = {0};
    struct sn_arena a;
    if (!x) return 0;
    sn_reflect_init(x);
    int r, rounds = 0;
    while ((r = sn_reflect_ask(x, &body)) == 1) {
        if (++rounds > (int)SN_REFLECT_ROUNDS_MAX) abort();
        while (size && r == 1) {
            size_t n = SN_MIN((size_t)data[0] + 1, size - 1);
            r = sn_reflect_answer(x, sn_str_of((const char *)data + 1, n)) < 0 ? 0 : 1;
            data += 1 + n;
            size -= 1 + n;
            if (n % 3 == 0) break; /* the rest is of the next round */
        }
        sn_buf_reset(&body);
    }
    if (x->n_services > SN_REFLECT_SERVICES_MAX || x->n_files > SN_REFLECT_FILES_MAX) abort();
    if (sn_reflect_set(x, &set) == 0) {
        struct sn_pb_set *tables = NULL;
        sn_arena_init(&a, NULL, 0);
        int e = sn_pb_load(sn_buf_view(&set), &a, &tables);
        (void)e;
        sn_pb_set_done(tables);
        sn_arena_done(&a);
    }
    sn_reflect_done(x);
    sn_free(x);
    sn_buf_done(&body);
    sn_buf_done(&set);
    return 0;
}
