/* SPDX-License-Identifier: Apache-2.0 */
/* Compares our answers with those of tests/interop/events/main.go, read from standard input. */
#include <stdio.h>
#include <stdlib.h>

#include "consensus/events/query.h"
#include "core/status.h"

#define ATTRS_MAX 64

static struct sn_str line(char **at)
{
    char *begin = *at, *end = strchr(begin, '\n');
    if (!end) exit(fprintf(stderr, "events_peer: the input is cut\n"));
    *at = end + 1;
    return sn_str_of(begin, (size_t)(end - begin));
}

static struct sn_str answer(struct sn_str text, const struct sn_query_attr *attrs, size_t n)
{
    struct sn_query *q;
    if (sn_query_parse(text, &q) < 0) return SN_STR("error");
    bool yes = sn_query_match(q, attrs, n);
    sn_query_free(q);
    return yes ? SN_STR("yes") : SN_STR("no");
}

int main(void)
{
    static char input[64 << 20];
    static struct sn_query_attr attrs[ATTRS_MAX];
    unsigned cases = 0, differ = 0, count[3] = {0};
    size_t len = fread(input, 1, sizeof(input) - 1, stdin);
    for (char *at = input; at < input + len; cases++) {
        struct sn_str text = line(&at), rest = line(&at);
        uint64_t n;
        if (sn_str_to_u64(sn_str_cut(&rest, ' '), &n) < 0 || n > ATTRS_MAX) return 2;
        for (size_t i = 0; i < n; i++) {
            attrs[i].value = line(&at);
            attrs[i].key = sn_str_cut(&attrs[i].value, '\t');
        }
        struct sn_str ours = answer(text, attrs, n);
        count[sn_str_eqc(ours, "yes") ? 2 : sn_str_eqc(ours, "no")]++;
        if (sn_str_eq(ours, rest)) continue;
        if (differ++ < 20)
            printf("FAIL %.*s: %.*s here, %.*s there\n", (int)text.len, text.ptr, (int)ours.len,
                   ours.ptr, (int)rest.len, rest.ptr);
    }
    printf("%u queries: %u refused, %u without a match, %u with one\n", cases, count[0], count[1],
           count[2]);
    printf("%u passed, %u failed, 0 skipped\n", cases - differ, differ);
    return differ || !cases;
}
