/* SPDX-License-Identifier: Apache-2.0 */
/* zk/circom/msg.c - sources, names and findings. */
#include "core/alloc.h"
#include "core/status.h"
#include "zk/circom/ast_int.h"

uint32_t cx_intern(struct cx_source *s, struct sn_str name)
{
    struct sn_map_slot *slot = sn_map_find(&s->syms, name);
    if (slot) return (uint32_t)(uintptr_t)slot->value;
    if (s->names.len == 0 && sn_vec_push(&s->names, SN_STR("")) < 0) return 0;
    struct sn_str copy = sn_arena_str(&s->arena, name);
    if (!copy.ptr || sn_vec_push(&s->names, copy) < 0) return 0;
    uint32_t sym = (uint32_t)s->names.len - 1;
    if (sn_map_put(&s->syms, copy, (void *)(uintptr_t)sym, NULL) < 0) return 0;
    return sym;
}

int cx_add_file(struct cx_source *s, struct sn_str path, struct sn_str text)
{
    struct cx_file f = {.path = path, .text = text, .base = 1};
    if (s->files.len) {
        const struct cx_file *last = &s->files.ptr[s->files.len - 1];
        if ((uint64_t)last->base + last->text.len + 2 + text.len > UINT32_MAX)
            return sn_fail(SN_E_TOO_LARGE, "all sources together have more than 4 GiB");
        f.base = last->base + (uint32_t)last->text.len + 1;
    }
    uint32_t n = 1;
    for (size_t i = 0; i < text.len; i++) n += text.ptr[i] == '\n';
    f.lines = SN_ARENA_ARRAY(&s->arena, uint32_t, n);
    if (!f.lines) return SN_E_NOMEM;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '\n') f.lines[++f.n_lines] = (uint32_t)i + 1;
    f.n_lines++;
    return sn_vec_push(&s->files, f);
}

const struct cx_file *cx_place(const struct cx_source *s, uint32_t pos, uint32_t *ret_line,
                               uint32_t *ret_column)
{
    if (pos == 0 || s->files.len == 0) return NULL;
    size_t lo = 0, hi = s->files.len;
    while (hi - lo > 1) {
        size_t mid = (lo + hi) / 2;
        if (s->files.ptr[mid].base <= pos)
            lo = mid;
        else
            hi = mid;
    }
    const struct cx_file *f = &s->files.ptr[lo];
    uint32_t at = pos - f->base, l = 0, h = f->n_lines;
    while (h - l > 1) {
        uint32_t mid = (l + h) / 2;
        if (f->lines[mid] <= at)
            l = mid;
        else
            h = mid;
    }
    *ret_line = l + 1;
    *ret_column = at - f->lines[l];
    return f;
}

struct sn_str cx_line(const struct cx_file *f, uint32_t line)
{
    size_t from = f->lines[line - 1];
    size_t to = line < f->n_lines ? f->lines[line] - 1 : f->text.len;
    if (to > from && f->text.ptr[to - 1] == '\r') to--;
    return sn_str_sub(f->text, from, to);
}

static void put_source_line(const struct sn_circom_msg *m, struct sn_buf *out)
{
    /* A minified line: show what is near the place. */
    uint32_t from = m->column > 80 ? m->column - 60 : 0;
    struct sn_str text = sn_str_sub(m->source, from, from + 120);
    int indent = sn_buf_printf(out, "%6u | ", m->line);
    if (indent < 0) return;
    for (size_t i = 0; i < text.len; i++)
        (void)sn_buf_byte(out, text.ptr[i] == '\t' ? ' ' : (uint8_t)text.ptr[i]);
    (void)sn_buf_cstr(out, "\n       | ");
    for (uint32_t i = from + 1; i < m->column; i++) (void)sn_buf_byte(out, ' ');
    uint32_t width = SN_MIN(m->width ? m->width : 1, (uint32_t)120);
    for (uint32_t i = 0; i < width; i++) (void)sn_buf_byte(out, '^');
    (void)sn_buf_byte(out, '\n');
}

void sn_circom_msg_format(const struct sn_circom_msg *m, struct sn_buf *out)
{
    if (m->line) (void)sn_buf_printf(out, "%.*s:%u:%u: ", SN_STR_ARG(m->file), m->line, m->column);
    (void)sn_buf_cstr(out, m->level == SN_CIRCOM_ERROR ? "error: " : "warning: ");
    (void)sn_buf_str(out, m->text);
    (void)sn_buf_byte(out, '\n');
    if (m->line) put_source_line(m, out);
    if (m->hint.len) (void)sn_buf_printf(out, "  hint: %.*s\n", SN_STR_ARG(m->hint));
    if (m->trace.len) (void)sn_buf_printf(out, "  in: %.*s\n", SN_STR_ARG(m->trace));
}

/* The part of `text` after the first line end is the hint. */
static void report(struct cx_source *s, int code, uint32_t pos, uint32_t end, struct sn_str text)
{
    enum sn_circom_level level = code < 0 ? SN_CIRCOM_ERROR : SN_CIRCOM_WARNING;
    struct sn_circom_msg m = {.level = level};
    m.text = sn_str_cut(&text, '\n');
    m.hint = text.ptr ? text : SN_STR("");
    uint32_t line = 0, column = 0;
    const struct cx_file *f = cx_place(s, pos, &line, &column);
    if (f) {
        m.file = f->path;
        m.line = line;
        m.column = column + 1;
        m.source = cx_line(f, line);
        uint32_t left = m.source.len > column ? (uint32_t)m.source.len - column : 1;
        m.width = end > pos ? SN_MIN(end - pos, left) : 1;
    }
    if (s->trace) m.trace = sn_str(s->trace(s->trace_ctx));
    if (s->opts->report) s->opts->report(s->opts->ctx, &m);
    if (level == SN_CIRCOM_ERROR && s->n_errors++ == 0) {
        s->first_error = f ? sn_fail(code, "%.*s:%u:%u: %.*s", SN_STR_ARG(m.file), m.line, m.column,
                                     SN_STR_ARG(m.text))
                           : sn_fail(code, "%.*s", SN_STR_ARG(m.text));
    }
}

static int vreport(struct cx_source *s, int code, uint32_t pos, uint32_t end, const char *fmt,
                   va_list ap)
{
    sn_buf_reset(&s->msg);
    int r = sn_buf_vprintf(&s->msg, fmt, ap);
    if (r < 0) return r;
    report(s, code, pos, end, sn_buf_view(&s->msg));
    return code;
}

int cx_error(struct cx_source *s, uint32_t pos, uint32_t end, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int r = vreport(s, SN_E_INVALID_ARGUMENT, pos, end, fmt, ap);
    va_end(ap);
    return r;
}
int cx_syntax(struct cx_source *s, uint32_t pos, uint32_t end, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int r = vreport(s, SN_E_SYNTAX, pos, end, fmt, ap);
    va_end(ap);
    return r;
}
int cx_limit(struct cx_source *s, int code, uint32_t pos, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int r = vreport(s, code, pos, pos, fmt, ap);
    va_end(ap);
    return r;
}
void cx_warn(struct cx_source *s, uint32_t pos, uint32_t end, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vreport(s, 0, pos, end, fmt, ap);
    va_end(ap);
}
