/* SPDX-License-Identifier: Apache-2.0 */
/* kit/suggest.c - optimal string alignment distance over three rows. */
#include "kit/suggest.h"

#define WORD_MAX 63

static unsigned distance(struct sn_str a, struct sn_str b)
{
    uint8_t row[3][WORD_MAX + 1];
    uint8_t *before = row[0], *last = row[1], *cur = row[2];
    for (size_t j = 0; j <= b.len; j++) last[j] = (uint8_t)j;
    for (size_t i = 1; i <= a.len; i++) {
        cur[0] = (uint8_t)i;
        for (size_t j = 1; j <= b.len; j++) {
            char x = sn_ascii_lower(a.ptr[i - 1]), y = sn_ascii_lower(b.ptr[j - 1]);
            unsigned d = SN_MIN(last[j - 1] + (x != y), SN_MIN(last[j], cur[j - 1]) + 1);
            if (i > 1 && j > 1 && x == sn_ascii_lower(b.ptr[j - 2]) &&
                sn_ascii_lower(a.ptr[i - 2]) == y)
                d = SN_MIN(d, before[j - 2] + 1u);
            cur[j] = (uint8_t)d;
        }
        uint8_t *t = before;
        before = last;
        last = cur;
        cur = t;
    }
    return last[b.len];
}

void sn_suggest_offer(struct sn_suggest *s, struct sn_str candidate)
{
    if (s->word.len == 0 || s->word.len > WORD_MAX || candidate.len > WORD_MAX) return;
    unsigned d = distance(s->word, candidate);
    unsigned allowed = (unsigned)SN_MAX(s->word.len, candidate.len) / 3;
    if (d > SN_MAX(allowed, 1u) || d >= s->distance || d >= candidate.len) return;
    s->distance = d;
    s->best = candidate;
}
