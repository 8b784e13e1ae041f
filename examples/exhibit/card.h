/* SPDX-License-Identifier: Apache-2.0 */
/* examples/exhibit/card.h - what an exhibit has to say: one JSON object a line for the board
 * (docs/up.md), or text where somebody reads along on a terminal. */
#pragma once
#include "core/buf.h"
#include "wire/json.h"

struct card {
    struct sn_buf json;
    struct sn_jsonw w;
    bool terminal;
};
/* card_begin - `text`: one sentence. state: "ok", "warn" or "error". */
void card_begin(struct card *c, const char *state, const char *text, ...) SN_PRINTF(3, 4);
/* card_fact - note: what stands below the value, or NULL. */
void card_fact(struct card *c, const char *label, const char *unit, const char *note,
               const char *value, ...) SN_PRINTF(5, 6);
/* card_fact_state - as card_fact for one that is right or not: marks it "ok" or "warn". */
void card_fact_state(struct card *c, bool good, const char *label, const char *unit,
                     const char *note, const char *value, ...) SN_PRINTF(6, 7);
/* card_number - 1234567 as "1,234,567", in `out`. */
const char *card_number(uint64_t v, char out[32]);
/* card_end - prints it. link, href: NULL for none. Returns 0 or SN_E_NOMEM, SN_E_IO. */
int card_end(struct card *c, const char *link, const char *href) SN_MUST_CHECK;
