/* SPDX-License-Identifier: Apache-2.0 */
/* A query that is accepted is the same query when written and read again, and matching it ends. */
#include <stdint.h>

#include "consensus/events/query.h"
#include "core/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_str text = sn_str_of((const char *)data, size);
    struct sn_query *q, *again;
    struct sn_buf a = {0}, b = {0};
    if (sn_query_parse(text, &q) < 0) return 0;
    const struct sn_query_attr attrs[] = {{q->conds[0].tag, text}, {text, q->conds[0].arg}};
    (void)sn_query_match(q, attrs, SN_COUNT_OF(attrs));
    SN_ASSERT(sn_query_text(q, &a) == 0);
    /* Spaces around operators may make it longer than what is read. */
    if (a.len <= SN_QUERY_BYTES_MAX) {
        SN_ASSERT(sn_query_parse(sn_buf_view(&a), &again) == 0);
        SN_ASSERT(sn_query_text(again, &b) == 0 && sn_str_eq(sn_buf_view(&a), sn_buf_view(&b)));
        sn_query_free(again);
    }
    sn_query_free(q);
    sn_buf_done(&a);
    sn_buf_done(&b);
    return 0;
}
