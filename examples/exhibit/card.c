/* SPDX-License-Identifier: Apache-2.0 */
#include "exhibit/card.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "core/status.h"

void card_begin(struct card *c, const char *state, const char *text, ...)
{
    char line[320];
    va_list ap;
    va_start(ap, text);
    vsnprintf(line, sizeof(line), text, ap);
    va_end(ap);
    c->terminal = isatty(STDOUT_FILENO);
    if (c->terminal) printf("%s\n", line);
    sn_buf_init(&c->json, 0);
    sn_jsonw_init(&c->w, &c->json, NULL);
    sn_jsonw_object(&c->w);
    sn_jsonw_kstr(&c->w, "state", sn_str(state));
    sn_jsonw_kstr(&c->w, "text", sn_str(line));
    sn_jsonw_key(&c->w, SN_STR("facts"));
    sn_jsonw_array(&c->w);
}

static void put_fact(struct card *c, const char *state, const char *label, const char *unit,
                     const char *note, const char *value)
{
    if (c->terminal)
        printf("  %-18s %s%s%s%s%s\n", label, value, unit[0] ? " " : "", unit, note ? "   " : "",
               note ? note : "");
    sn_jsonw_object(&c->w);
    sn_jsonw_kstr(&c->w, "label", sn_str(label));
    sn_jsonw_kstr(&c->w, "value", sn_str(value));
    if (unit[0]) sn_jsonw_kstr(&c->w, "unit", sn_str(unit));
    if (note) sn_jsonw_kstr(&c->w, "note", sn_str(note));
    if (state) sn_jsonw_kstr(&c->w, "state", sn_str(state));
    sn_jsonw_object_end(&c->w);
}

void card_fact(struct card *c, const char *label, const char *unit, const char *note,
               const char *value, ...)
{
    char text[120];
    va_list ap;
    va_start(ap, value);
    vsnprintf(text, sizeof(text), value, ap);
    va_end(ap);
    put_fact(c, NULL, label, unit, note, text);
}

void card_fact_state(struct card *c, bool good, const char *label, const char *unit,
                     const char *note, const char *value, ...)
{
    char text[120];
    va_list ap;
    va_start(ap, value);
    vsnprintf(text, sizeof(text), value, ap);
    va_end(ap);
    put_fact(c, good ? "ok" : "warn", label, unit, note, text);
}

const char *card_number(uint64_t v, char out[32])
{
    char digits[24];
    int n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)v), k = 0;
    for (int i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0) out[k++] = ',';
        out[k++] = digits[i];
    }
    out[k] = 0;
    return out;
}

int card_end(struct card *c, const char *link, const char *href)
{
    sn_jsonw_array_end(&c->w);
    if (link) {
        sn_jsonw_key(&c->w, SN_STR("link"));
        sn_jsonw_object(&c->w);
        sn_jsonw_kstr(&c->w, "text", sn_str(link));
        sn_jsonw_kstr(&c->w, "href", sn_str(href));
        sn_jsonw_object_end(&c->w);
    }
    sn_jsonw_object_end(&c->w);
    int r = c->json.err;
    if (r >= 0 && !c->terminal) printf("%.*s\n", SN_STR_ARG(sn_buf_view(&c->json)));
    if (r >= 0 && fflush(stdout) != 0) r = sn_fail(SN_E_IO, "standard output");
    sn_buf_done(&c->json);
    return r;
}
