/* SPDX-License-Identifier: Apache-2.0 */
/* zk/sym.c - the text files: .sym and constraint JSON. */
#include <stdlib.h>

#include "core/alloc.h"
#include "zk/bin.h"
#include "zk/file.h"

static void put_buf(struct sn_out *o, struct sn_buf *b)
{
    if (b->err < 0 && o->err == 0) o->err = b->err;
    sn_out_put(o, b->ptr, b->len);
    sn_buf_reset(b);
}

int sn_sym_write(const struct sn_r1cs *s, const struct sn_sym_source *src,
                 const struct sn_zk_sink *sink)
{
    struct sn_out o;
    int r = sn_out_begin(&o, sink);
    if (r < 0) return r;
    struct sn_buf line;
    sn_buf_init(&line, 0);
    uint32_t *wire_of SN_CLEANUP(sn_freep) = sn_zalloc(s->n_labels, sizeof(*wire_of));
    if (!wire_of) o.err = SN_E_NOMEM;
    for (uint32_t w = 0; wire_of && w < s->n_wires; w++)
        wire_of[s->label_of ? s->label_of[w] : w] = w;
    for (uint64_t label = 1; label < s->n_labels && o.err == 0; label++) {
        (void)sn_buf_u64(&line, label);
        if (wire_of[label])
            (void)sn_buf_printf(&line, ",%u,", wire_of[label]);
        else
            (void)sn_buf_cstr(&line, ",-1,");
        (void)sn_buf_u64(&line, src->node ? src->node(src->ctx, label) : 0);
        (void)sn_buf_byte(&line, ',');
        src->name(src->ctx, label, &line);
        (void)sn_buf_byte(&line, '\n');
        put_buf(&o, &line);
    }
    sn_buf_done(&line);
    return sn_out_end(&o);
}

/* label,wire,node,name */
static int sym_line(struct sn_str line, uint64_t *ret_label, int64_t *ret_wire, struct sn_str *name)
{
    struct sn_str label = sn_str_cut(&line, ','), wire = sn_str_cut(&line, ',');
    struct sn_str node = sn_str_cut(&line, ',');
    uint64_t n;
    if (sn_str_to_u64(label, ret_label) < 0 || sn_str_to_i64(wire, ret_wire) < 0 ||
        sn_str_to_u64(node, &n) < 0 || line.len == 0)
        return SN_E_SYNTAX;
    if (*ret_label >= SN_R1CS_WIRES_MAX || *ret_wire < -1 || *ret_wire >= SN_R1CS_WIRES_MAX)
        return SN_E_OUT_OF_RANGE;
    *name = line;
    return 0;
}

/* Two passes: the highest label (never far above the number of lines in a real file, which bounds
 * the table by the text), then the entries. */
static int sym_pass(struct sn_str text, struct sn_sym *s, uint64_t *ret_high, uint64_t *ret_lines)
{
    uint64_t line_no = 0, high = 0;
    while (text.len) {
        struct sn_str line = sn_str_cut(&text, '\n'), name;
        uint64_t label;
        int64_t wire;
        line_no++;
        if (line.len && line.ptr[line.len - 1] == '\r') line.len--;
        if (line.len == 0) continue;
        int r = sym_line(line, &label, &wire, &name);
        if (r < 0)
            return sn_fail(r, ".sym line %llu: expected label,wire,node,name",
                           (unsigned long long)line_no);
        high = SN_MAX(high, label);
        if (!s->name) continue;
        if (s->name[label].ptr)
            return sn_fail(SN_E_SYNTAX, ".sym line %llu: label %llu again",
                           (unsigned long long)line_no, (unsigned long long)label);
        s->name[label] = name;
        s->wire[label] = wire;
    }
    *ret_high = high;
    *ret_lines = line_no;
    return 0;
}

int sn_sym_read(struct sn_str text, struct sn_sym *ret)
{
    struct sn_sym s = {0};
    uint64_t high, lines;
    int r = sym_pass(text, &s, &high, &lines);
    if (r < 0) return r;
    if (high > 2 * lines + 1024)
        return sn_fail(SN_E_SYNTAX, ".sym: label %llu in a file of %llu lines",
                       (unsigned long long)high, (unsigned long long)lines);
    s.n_labels = high + 1;
    s.name = SN_NEW_ARRAY(struct sn_str, s.n_labels);
    s.wire = SN_NEW_ARRAY(int64_t, s.n_labels);
    if (!s.name || !s.wire) {
        sn_sym_done(&s);
        return SN_E_NOMEM;
    }
    for (uint64_t i = 1; i < s.n_labels; i++) s.wire[i] = -1;
    r = sym_pass(text, &s, &high, &lines);
    if (r < 0) {
        sn_sym_done(&s);
        return r;
    }
    *ret = s;
    return 0;
}

void sn_sym_done(struct sn_sym *s)
{
    sn_free(s->name);
    sn_free(s->wire);
    *s = (struct sn_sym){0};
}

static void sym_name(void *ctx, uint64_t label, struct sn_buf *out)
{
    const struct sn_sym *s = ctx;
    if (label < s->n_labels && s->name[label].ptr)
        (void)sn_buf_str(out, s->name[label]);
    else
        (void)sn_buf_printf(out, "label%llu", (unsigned long long)label);
}

struct sn_sym_source sn_sym_source_of(const struct sn_sym *s)
{
    return (struct sn_sym_source){.name = sym_name, .ctx = (void *)(uintptr_t)s};
}

/* ---- constraint JSON ------------------------------------------------------------------------- */

void sn_subst_init(struct sn_subst *s, const struct sn_field *f)
{
    *s = (struct sn_subst){.field = f};
    sn_buf_init(&s->text, 0);
    (void)sn_buf_cstr(&s->text, "{");
}

int sn_subst_add(void *ctx, uint32_t wire, const struct sn_lc *value)
{
    struct sn_subst *s = ctx;
    (void)sn_buf_printf(&s->text, "%s\n\"%u\" : {", s->n++ ? "," : "", wire);
    for (size_t i = 0; i < value->n; i++) {
        char dec[SN_FE_DEC_MAX];
        (void)sn_fe_to_dec(s->field, &value->terms[i].coef, dec);
        (void)sn_buf_printf(&s->text, "%s\"%u\":\"%s\"", i ? "," : "", value->terms[i].wire, dec);
    }
    return sn_buf_cstr(&s->text, "}");
}

int sn_subst_write(struct sn_subst *s, const struct sn_zk_sink *sink)
{
    int r = sn_buf_cstr(&s->text, "\n}");
    return r < 0 ? r : sink->write(sink->ctx, s->text.ptr, s->text.len);
}

void sn_subst_done(struct sn_subst *s) { sn_buf_done(&s->text); }

int sn_r1cs_write_json(const struct sn_r1cs *s, const struct sn_zk_sink *sink)
{
    struct sn_out o;
    int r = sn_out_begin(&o, sink);
    if (r < 0) return r;
    struct sn_buf b;
    sn_buf_init(&b, 0);
    (void)sn_buf_cstr(&b, "{\n\"constraints\": [\n");
    for (size_t i = 0; i < 3 * (size_t)s->n_rows && o.err == 0; i++) {
        (void)sn_buf_cstr(&b, i % 3 == 0 ? "[{" : "{");
        for (uint32_t e = s->row_at[i]; e < s->row_at[i + 1]; e++) {
            char dec[SN_FE_DEC_MAX];
            (void)sn_fe_to_dec(s->field, &s->dict[s->coef[e]], dec);
            (void)sn_buf_printf(&b, "%s\"%u\":\"%s\"", e == s->row_at[i] ? "" : ",", s->wire[e],
                                dec);
        }
        bool last = i + 1 == 3 * (size_t)s->n_rows;
        (void)sn_buf_cstr(&b, i % 3 < 2 ? "}," : last ? "}]\n" : "}],\n");
        put_buf(&o, &b);
    }
    (void)sn_buf_cstr(&b, "]\n}");
    put_buf(&o, &b);
    sn_buf_done(&b);
    return sn_out_end(&o);
}
