/* SPDX-License-Identifier: Apache-2.0 */
/* kit/pprof_text.c - profiles for eyes. The grammar is that of Go's legacy text profiles, which its
 * tools also read: "COUNT @ ADDRESS..." lines, "#" lines with what the addresses are. */
#include <stdlib.h>

#include "kit/pprof.h"
#include "kit/symbol.h"
#include "pprof/profile.pb.h"

struct row {
    const struct perftools_profiles_sample *s;
    int64_t weight;
};
static int by_weight(const void *x, const void *y)
{
    const struct row *a = x, *b = y;
    return a->weight < b->weight ? 1 : a->weight > b->weight ? -1 : 0;
}
static void put_values(struct sn_buf *out, const int64_t *v, unsigned n)
{
    /* in use [allocated], as heap profiles have it; else the values in order */
    if (n == 4)
        sn_buf_printf(out, "%lld: %lld [%lld: %lld]", (long long)v[2], (long long)v[3],
                      (long long)v[0], (long long)v[1]);
    else if (n == 2) /* delay first, then the count */
        sn_buf_printf(out, "%lld %lld", (long long)v[1], (long long)v[0]);
    else
        sn_buf_printf(out, "%lld", (long long)v[0]);
}
static void put_frame(struct sn_buf *out, uint64_t address)
{
    struct sn_symbol s;
    if (sn_symbol_at(address, &s) < 0) {
        sn_buf_printf(out, "#\t%#llx\n", (unsigned long long)address);
        return;
    }
    for (unsigned i = 0; i < s.n_frames; i++) {
        const struct sn_symbol_frame *f = &s.frames[i];
        sn_buf_printf(out, "#\t%#llx\t%.*s+%#lx", (unsigned long long)address,
                      SN_STR_ARG(f->function), (unsigned long)s.offset);
        if (f->file.ptr) sn_buf_printf(out, "\t%.*s:%d", SN_STR_ARG(f->file), f->line);
        sn_buf_byte(out, '\n');
    }
}
int sn_pprof_text(struct sn_pprof *p, const char *title, struct sn_buf *out)
{
    if (p->err < 0) return p->err;
    uint32_t n = p->profile->sample.len;
    struct row *rows = SN_ARENA_ARRAY(&p->arena, struct row, n + 1);
    int64_t total[SN_PPROF_VALUES_MAX] = {0};
    if (!rows) return SN_E_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        const struct perftools_profiles_sample *s = p->profile->sample.ptr[i];
        rows[i] = (struct row){s, s->value.ptr[p->n_values - 1]};
        for (unsigned k = 0; k < p->n_values; k++) total[k] += s->value.ptr[k];
    }
    qsort(rows, n, sizeof *rows, by_weight);
    if (p->n_values == 2) /* contention: values are nanoseconds, one cycle each */
        sn_buf_printf(out, "--- %s:\ncycles/second=1000000000\n", title);
    else {
        sn_buf_printf(out, "%s profile: %s", title, p->n_values == 1 ? "total " : "");
        put_values(out, total, p->n_values);
        if (p->n_values == 4)
            sn_buf_printf(out, " @ heap/%lld", (long long)(2 * p->profile->period));
        sn_buf_byte(out, '\n');
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct perftools_profiles_sample *s = rows[i].s;
        put_values(out, s->value.ptr, p->n_values);
        sn_buf_cstr(out, " @");
        for (uint32_t k = 0; k < s->location_id.len; k++)
            sn_buf_printf(out, " %#llx", (unsigned long long)p->profile->location
                                             .ptr[s->location_id.ptr[k] - 1]->address);
        sn_buf_byte(out, '\n');
        for (uint32_t k = 0; k < s->label.len; k++) {
            const struct perftools_profiles_label *l = s->label.ptr[k];
            const struct sn_str *text = p->profile->string_table.ptr;
            sn_buf_printf(out, "# labels: {\"%.*s\":\"%.*s\"}\n", SN_STR_ARG(text[l->key]),
                          SN_STR_ARG(text[l->str]));
        }
        for (uint32_t k = 0; k < s->location_id.len; k++)
            put_frame(out, p->profile->location.ptr[s->location_id.ptr[k] - 1]->address);
        sn_buf_byte(out, '\n');
    }
    return out->err;
}
