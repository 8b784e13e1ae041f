/* SPDX-License-Identifier: Apache-2.0 */
/* What strangers give the board: the first line is "card" or a question of the contract page, the rest
 * is what an exhibit printed or what a page asks. Answers are JSON; a card that was read reads again,
 * to the same text. */
#include <stdint.h>

#include "sennit/contracts.h"
#include "sennit/exhibit.h"

static void card(struct sn_str line)
{
    struct sn_buf once, again;
    sn_buf_init(&once, 0);
    sn_buf_init(&again, 0);
    if (sn_exhibit_card("fuzz", line, &once) >= 0) {
        SN_ASSERT(sn_exhibit_card("again", sn_buf_view(&once), &again) == 0);
        SN_ASSERT(sn_str_eq(sn_buf_view(&once), sn_buf_view(&again)));
    }
    sn_buf_done(&once);
    sn_buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const questions[] = {"open", "encode", "decode"};
    static struct sn_contracts *set;
    struct sn_str text = sn_str_of((const char *)bytes, size), what = sn_str_cut(&text, '\n');
    struct sn_arena a;
    struct sn_buf out;
    const struct sn_json *q, *tree;
    if (!set) SN_ASSERT(sn_contracts_new(NULL, 0, &set) == 0);
    if (!text.ptr) return 0;
    if (sn_str_eqc(what, "card")) card(text);
    sn_arena_init(&a, NULL, 64u << 20);
    sn_buf_init(&out, 0);
    bool asks = false;
    for (size_t i = 0; i < SN_COUNT_OF(questions); i++) asks |= sn_str_eqc(what, questions[i]);
    if (asks && sn_json_parse(&a, text, NULL, &q) >= 0) {
        int r = sn_contracts_answer(set, what, q, &a, &out);
        SN_ASSERT(r >= 0 ? sn_json_parse(&a, sn_buf_view(&out), NULL, &tree) >= 0 : out.len == 0);
    }
    sn_buf_done(&out);
    sn_arena_done(&a);
    return 0;
}
