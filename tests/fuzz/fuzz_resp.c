/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_resp.c - scan and parse agree on every input: the same length, or the same kind of
 * refusal; and a scan that is fed byte by byte ends where one that sees all does. */
#include "core/base.h"
#include "wire/resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_str in = {(const char *)data, size};
    struct sn_resp_scan s = {0}, slow = {0};
    struct sn_resp v;
    struct sn_arena a;
    sn_arena_init(&a, NULL, 64u << 20);
    ssize_t whole = sn_resp_scan(&s, in), step = SN_E_AGAIN;
    for (size_t n = 0; n <= size && step == SN_E_AGAIN; n++)
        step = sn_resp_scan(&slow, sn_str_of(in.ptr, n));
    SN_ASSERT(step == whole);
    ssize_t used = sn_resp_parse(in, &a, &v);
    /* The scan does not look into lines, so the parse may refuse more, but never ends elsewhere. */
    SN_ASSERT(used < 0 || used == whole);
    SN_ASSERT(whole < 0 || used == whole || used == SN_E_SYNTAX || used == SN_E_DEPTH);
    sn_arena_done(&a);
    return 0;
}
