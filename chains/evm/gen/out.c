/* SPDX-License-Identifier: Apache-2.0 */
/* evm/gen/out.c - lines, comments and literals of generated source. */
#include <stdarg.h>

#include "core/enc.h"
#include "core/status.h"
#include "evm/gen/gen_int.h"
#include "wire/json.h"

static bool is_ident(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

void *gen_alloc(struct gen_mem *a, size_t size)
{
    void *p = sn_arena_zalloc(a->arena, size);
    a->failed |= !p;
    return p;
}
static const char *kept(struct gen_mem *a, struct sn_str s)
{
    const char *p = sn_arena_str(a->arena, s).ptr;
    a->failed |= !p;
    return p ? p : "";
}

void gen_out_init(struct gen_out *o, struct gen_mem *a, unsigned step, const char *tab)
{
    *o = (struct gen_out){.mem = a, .step = step, .tab = tab};
    sn_buf_init(&o->buf, 0);
}
static void margin(struct gen_out *o)
{
    for (unsigned i = 0; i < o->indent; i += o->step)
        if (o->tab)
            sn_buf_cstr(&o->buf, o->tab);
        else
            sn_buf_printf(&o->buf, "%*s", (int)o->step, "");
}
static void vline(struct gen_out *o, const char *fmt, va_list ap)
{
    margin(o);
    sn_buf_vprintf(&o->buf, fmt, ap);
    sn_buf_byte(&o->buf, '\n');
}
void gen_blank(struct gen_out *o) { sn_buf_byte(&o->buf, '\n'); }
void gen_line(struct gen_out *o, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vline(o, fmt, ap);
    va_end(ap);
}
void gen_open(struct gen_out *o, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vline(o, fmt, ap);
    va_end(ap);
    o->indent += o->step;
}
void gen_close(struct gen_out *o, const char *fmt, ...)
{
    o->indent -= o->indent >= o->step ? o->step : 0;
    va_list ap;
    va_start(ap, fmt);
    vline(o, fmt, ap);
    va_end(ap);
}
void gen_text(struct gen_out *o, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    sn_buf_vprintf(&o->buf, fmt, ap);
    va_end(ap);
}

/* One line of a comment: no control characters, nothing that ends the comment. */
static void doc_line(struct gen_out *o, const struct gen_doc_style *st, struct sn_str s)
{
    s = sn_str_trim(s);
    margin(o);
    sn_buf_cstr(&o->buf, st->lead);
    struct sn_str bad = sn_str(st->bad);
    for (size_t i = 0; i < s.len;) {
        if (bad.len && sn_str_starts(sn_str_from(s, i), bad)) {
            sn_buf_cstr(&o->buf, st->good);
            i += bad.len;
            continue;
        }
        unsigned char c = (unsigned char)s.ptr[i++];
        sn_buf_byte(&o->buf, c < 0x20 || c == 0x7f ? ' ' : c);
    }
    while (o->buf.len && o->buf.ptr[o->buf.len - 1] == ' ') o->buf.len--;
    sn_buf_byte(&o->buf, '\n');
}
static void doc_params(struct gen_out *o, const struct gen_doc_style *st, const char *tag,
                       const struct gen_params *ps)
{
    if (!ps || !tag) return;
    for (size_t i = 0; i < ps->len; i++) {
        if (!ps->ptr[i].doc.len) continue;
        struct sn_buf b;
        sn_buf_init(&b, 0);
        sn_buf_printf(&b, "%s%s: ", tag, ps->ptr[i].id);
        for (size_t k = 0; k < ps->ptr[i].doc.len; k++) {
            char c = ps->ptr[i].doc.ptr[k];
            sn_buf_byte(&b, (uint8_t)(c == '\n' ? ' ' : c));
        }
        if (b.err == 0) doc_line(o, st, sn_buf_view(&b));
        sn_buf_done(&b);
    }
}
void gen_doc(struct gen_out *o, const struct gen_doc_style *st, const char *headline,
             struct sn_str doc, const struct gen_params *in, const struct gen_params *out)
{
    if (st->first) gen_line(o, "%s", st->first);
    doc_line(o, st, sn_str(headline));
    if (doc.len) doc_line(o, st, SN_STR(""));
    while (doc.len) doc_line(o, st, sn_str_cut(&doc, '\n'));
    doc_params(o, st, st->param, in);
    doc_params(o, st, st->result, out);
    if (st->last) gen_line(o, "%s", st->last);
}

const char *gen_printf(struct gen_mem *a, const char *fmt, ...)
{
    struct sn_buf b;
    char small[512];
    sn_buf_init_fixed(&b, small, sizeof(small));
    va_list ap;
    va_start(ap, fmt);
    sn_buf_vprintf(&b, fmt, ap);
    va_end(ap);
    if (b.err == 0) return kept(a, sn_buf_view(&b));
    sn_buf_init(&b, 0);
    va_start(ap, fmt);
    sn_buf_vprintf(&b, fmt, ap);
    va_end(ap);
    a->failed |= b.err < 0;
    const char *p = b.err < 0 ? "" : kept(a, sn_buf_view(&b));
    sn_buf_done(&b);
    return p;
}
const char *gen_quoted(struct gen_mem *a, struct sn_str s)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    sn_json_write_string(&b, s);
    a->failed |= b.err < 0;
    const char *p = b.err < 0 ? "\"\"" : kept(a, sn_buf_view(&b));
    sn_buf_done(&b);
    return p;
}
const char *gen_hex(struct gen_mem *a, const uint8_t *p, size_t n)
{
    char *out = gen_alloc(a, 2 * n + 3);
    if (!out) return "0x";
    out[0] = '0';
    out[1] = 'x';
    sn_hex_encode(p, n, out + 2);
    return out;
}

bool gen_mentions(struct sn_str text, const char *name)
{
    struct sn_str word = sn_str(name);
    for (;;) {
        ssize_t at = sn_str_find(text, word);
        if (at < 0) return false;
        const char *p = text.ptr + at, *end = text.ptr + text.len;
        bool left = p > text.ptr && (is_ident(p[-1]) || p[-1] == '.' || p[-1] == ':');
        bool right = p + word.len < end && is_ident(p[word.len]);
        if (!left && !right) return true;
        text = sn_str_from(text, (size_t)at + word.len);
    }
}

void gen_file_text(struct gen_files *f, const char *path, const void *text, size_t len)
{
    struct sn_abigen_file file = {.path = sn_str(path)};
    file.text = sn_arena_str(f->mem->arena, sn_str_of(text, len));
    if (!file.text.ptr || sn_vec_push(&f->v, file) < 0) f->err = SN_E_NOMEM;
}
void gen_file(struct gen_files *f, struct gen_out *o, const char *path)
{
    if (o->buf.err < 0) f->err = o->buf.err;
    if (f->err == 0) gen_file_text(f, path, o->buf.ptr, o->buf.len);
    sn_buf_done(&o->buf);
}
