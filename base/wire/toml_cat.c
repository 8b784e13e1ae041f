/* SPDX-License-Identifier: Apache-2.0 */
/* toml_cat - the TOML reader behind a pipe, for toml_diff.py: texts come in, each behind its length
 * in decimal and a newline; out comes a line each, the values as JSON with their kinds, or "!" and
 * the reason. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "core/status.h"
#include "wire/json.h"
#include "wire/toml.h"

#define TEXT_MAX (1u << 20)

static void put(struct sn_buf *b, const struct sn_toml *v);

static void put_time(struct sn_buf *b, const struct sn_toml_time *t)
{
    sn_buf_cstr(b, "{\"time\":\"");
    if (t->has_date) sn_buf_printf(b, "%04u-%02u-%02u", t->year, t->month, t->day);
    if (t->has_time)
        sn_buf_printf(b, "T%02u:%02u:%02u.%06u", t->hour, t->minute, t->second, t->nanos / 1000);
    if (t->has_offset) sn_buf_printf(b, "%+d", t->offset_minutes);
    sn_buf_cstr(b, "\"}");
}

static void put_table(struct sn_buf *b, const struct sn_toml_table *t)
{
    sn_buf_byte(b, '{');
    for (const struct sn_toml_entry *e = t->first; e; e = e->next) {
        sn_json_write_string(b, e->key);
        sn_buf_byte(b, ':');
        put(b, &e->v);
        if (e->next) sn_buf_byte(b, ',');
    }
    sn_buf_byte(b, '}');
}

static void put_array(struct sn_buf *b, const struct sn_toml_array *l)
{
    sn_buf_byte(b, '[');
    for (const struct sn_toml_item *it = l->first; it; it = it->next) {
        put(b, &it->v);
        if (it->next) sn_buf_byte(b, ',');
    }
    sn_buf_byte(b, ']');
}

static void put_double(struct sn_buf *b, double d)
{
    if (isfinite(d)) sn_buf_printf(b, "{\"float\":\"%.17g\"}", d);
    else sn_buf_printf(b, "{\"float\":\"%s\"}", isnan(d) ? "nan" : d < 0 ? "-inf" : "inf");
}

static void put(struct sn_buf *b, const struct sn_toml *v)
{
    switch (v->kind) {
    case SN_TOML_STRING: sn_json_write_string(b, v->str); return;
    case SN_TOML_INT: sn_buf_i64(b, v->i); return;
    case SN_TOML_BOOL: sn_buf_cstr(b, v->b ? "true" : "false"); return;
    case SN_TOML_TIME: put_time(b, &v->time); return;
    case SN_TOML_DOUBLE: put_double(b, v->d); return;
    case SN_TOML_TABLE: put_table(b, &v->table); return;
    case SN_TOML_ARRAY: put_array(b, &v->array);
    }
}

int main(void)
{
    char line[32];
    while (fgets(line, sizeof(line), stdin)) {
        size_t n = strtoul(line, NULL, 10);
        char *text = n <= TEXT_MAX ? sn_alloc(n + 1) : NULL;
        if (!text || fread(text, 1, n, stdin) != n) return 1;
        struct sn_arena a;
        struct sn_buf b;
        struct sn_toml root = {.kind = SN_TOML_TABLE};
        sn_arena_init(&a, NULL, 0);
        sn_buf_init(&b, 0);
        int r = sn_toml_parse(&a, sn_str_of(text, n), 0, &root);
        if (r == 0) put(&b, &root);
        if (r == 0) printf("%s\n", sn_buf_cz(&b));
        else printf("!%s\n", sn_diag_str(r));
        sn_buf_done(&b);
        sn_arena_done(&a);
        sn_free(text);
    }
    return 0;
}
