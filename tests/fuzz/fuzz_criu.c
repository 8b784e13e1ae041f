/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an answer of criu's. What is taken as one lies inside the message. */
#include <stdlib.h>

#include "clusters/oci/criu_rpc_int.h"

static bool inside(struct sn_str s, const uint8_t *data, size_t size)
{
    const char *from = (const char *)data;
    return !s.len || (s.ptr >= from && s.ptr + s.len <= from + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_criu_answer a;
    if (sn_criu_answer_parse(sn_str_of((const char *)data, size), &a) < 0) return 0;
    if (!a.type || !inside(a.script, data, size) || !inside(a.text, data, size)) abort();
    return 0;
}
