/* SPDX-License-Identifier: Apache-2.0 */
/* codegen/api_lex.c - tokens of the .api language, and what is told about errors in it. */
#include <ctype.h>
#include <stdarg.h>

#include "codegen/api_int.h"

static void note(struct sn_api *api, bool warning, struct sn_api_pos pos, const char *fmt,
                 va_list ap)
{
    struct sn_buf b;
    char mem[512];
    sn_buf_init_fixed(&b, mem, sizeof mem);
    sn_buf_vprintf(&b, fmt, ap);
    if (warning) api->n_warnings++;
    if (api->n_errors >= SN_API_ERRORS_MAX) return;
    struct sn_str text = sn_arena_str(api->arena, sn_buf_view(&b));
    api->lost = api->lost || !text.ptr;
    if (text.ptr)
        api->errors[api->n_errors++] =
            (struct sn_api_error){.pos = pos, .text = text, .warning = warning};
}
int api_error(struct sn_api *api, struct sn_api_pos pos, const char *fmt, ...)
{
    va_list ap;
    uint32_t n = api->n_errors;
    va_start(ap, fmt);
    note(api, false, pos, fmt, ap);
    va_end(ap);
    if (api->n_errors == n) return SN_E_SYNTAX;
    return sn_fail(SN_E_SYNTAX, "%.*s:%u:%u: %.*s", SN_STR_ARG(pos.file->path), pos.line,
                   pos.column, SN_STR_ARG(api->errors[n].text));
}
void api_warn(struct sn_api *api, struct sn_api_pos pos, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    note(api, true, pos, fmt, ap);
    va_end(ap);
}

int sn_api_report(const struct sn_api *api, struct sn_buf *out)
{
    for (uint32_t i = 0; i < api->n_errors; i++) {
        const struct sn_api_error *e = &api->errors[i];
        struct sn_str text = e->pos.file->text, line = {0};
        sn_buf_printf(out, "%.*s:%u:%u: %s%.*s\n", SN_STR_ARG(e->pos.file->path), e->pos.line,
                      e->pos.column, e->warning ? "warning: " : "", SN_STR_ARG(e->text));
        for (uint32_t n = 0; n < e->pos.line && text.ptr; n++) line = sn_str_cut(&text, '\n');
        if (line.len && line.ptr[line.len - 1] == '\r') line.len--;
        line = sn_str_sub(line, 0, 200);
        sn_buf_printf(out, "    %.*s\n    ", SN_STR_ARG(line));
        /* A tab above needs a tab below to stand at the same place. */
        for (uint32_t c = 1; c < e->pos.column && c <= line.len; c++)
            sn_buf_byte(out, line.ptr[c - 1] == '\t' ? '\t' : ' ');
        sn_buf_cstr(out, "^\n");
    }
    return out->err;
}

/* ---- bytes ---- */

static struct sn_str rest(const struct api_lex *l) { return sn_str_from(l->pos.file->text, l->at); }
static int peek(const struct api_lex *l, size_t n)
{
    struct sn_str t = l->pos.file->text;
    return l->at + n < t.len ? (unsigned char)t.ptr[l->at + n] : -1;
}
static void step(struct api_lex *l, size_t n)
{
    const char *p = l->pos.file->text.ptr;
    for (; n; n--, l->at++) {
        if (p[l->at] == '\n') {
            l->pos.line++;
            l->line_at = l->at + 1;
        }
    }
    l->pos.column = (uint32_t)(l->at - l->line_at) + 1;
}
static bool is_word(int c) { return c == '_' || (c < 128 && isalnum(c)); }

/* White space and comments; `doc` gets the text of the last one. */
static int skip(struct api_lex *l, struct sn_str *doc)
{
    for (;;) {
        int c = peek(l, 0);
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            step(l, 1);
        } else if (c == '/' && peek(l, 1) == '/') {
            ssize_t end = sn_str_chr(rest(l), '\n');
            size_t n = end < 0 ? rest(l).len : (size_t)end;
            *doc = sn_str_trim(sn_str_sub(rest(l), 2, n));
            step(l, n);
        } else if (c == '/' && peek(l, 1) == '*') {
            ssize_t end = sn_str_find(sn_str_from(rest(l), 2), SN_STR("*/"));
            if (end < 0) return api_error(l->api, l->pos, "this comment has no end: expected */");
            *doc = sn_str_trim(sn_str_sub(rest(l), 2, 2 + (size_t)end));
            step(l, (size_t)end + 4);
        } else {
            return 0;
        }
    }
}

/* ---- tokens ---- */

static int quoted(struct api_lex *l, char quote, struct sn_str *ret)
{
    struct sn_str s = sn_str_from(rest(l), 1);
    size_t i = 0;
    for (; i < s.len && s.ptr[i] != quote; i++) {
        if (quote == '"' && s.ptr[i] == '\n') break;
        if (quote == '"' && s.ptr[i] == '\\' && i + 1 < s.len) i++;
    }
    if (i >= s.len || s.ptr[i] != quote)
        return api_error(l->api, l->pos, "this text has no end: expected %c", quote);
    *ret = sn_str_sub(s, 0, i);
    step(l, i + 2);
    return 0;
}

int api_next(struct api_lex *l)
{
    struct api_token *t = &l->tok;
    struct sn_str doc = {0};
    l->prev_line = l->pos.line;
    int r = skip(l, &doc);
    if (r < 0) return r;
    if (++l->n_tokens > SN_API_TOKENS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%.*s: more than %u tokens", SN_STR_ARG(l->pos.file->path),
                       SN_API_TOKENS_MAX);
    int c = peek(l, 0);
    *t = (struct api_token){.pos = l->pos, .doc = doc, .text = sn_str_sub(rest(l), 0, 1)};
    if (c < 0) return 0;
    size_t n = 0;
    if (c == '"' || c == '`') {
        t->kind = c == '"' ? API_STRING : API_RAW;
        return quoted(l, (char)c, &t->text);
    }
    if (c == '@') {
        for (n = 1; is_word(peek(l, n));) n++;
        t->kind = API_AT;
        t->text = sn_str_sub(rest(l), 1, n);
    } else if (is_word(c)) {
        for (n = 1; is_word(peek(l, n));) n++;
        t->kind = isdigit(c) ? API_NUMBER : API_IDENT;
        t->text = sn_str_sub(rest(l), 0, n);
    } else if (c == '.' && peek(l, 1) == '.' && peek(l, 2) == '.') {
        n = 3;
        t->kind = API_PUNCT;
        t->text = sn_str_sub(rest(l), 0, n);
    } else if (strchr("(){}[]=,:;*.-/", c)) {
        n = 1;
        t->kind = API_PUNCT;
    } else {
        return api_error(l->api, l->pos, "unexpected byte 0x%02x", c);
    }
    step(l, n);
    return 0;
}
int api_start(struct api_lex *l, struct sn_api *api, const struct sn_api_file *f)
{
    *l = (struct api_lex){.api = api, .pos = {f, 1, 1}};
    if (f->text.len > SN_API_BYTES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%.*s: more than %u bytes", SN_STR_ARG(f->path),
                       SN_API_BYTES_MAX);
    if (sn_str_starts(f->text, SN_STR("\xef\xbb\xbf"))) step(l, 3);
    return api_next(l);
}

int api_next_value(struct api_lex *l, struct sn_str *ret, struct sn_api_pos *ret_pos)
{
    int c;
    while ((c = peek(l, 0)) == ' ' || c == '\t') step(l, 1);
    *ret_pos = l->pos;
    if (c == '"' || c == '`') {
        int r = quoted(l, (char)c, ret);
        return r < 0 ? r : api_next(l);
    }
    size_t n = 0;
    for (; (c = peek(l, n)) >= 0 && c != '\n' && c != ')'; n++)
        if (c == '/' && (peek(l, n + 1) == '/' || peek(l, n + 1) == '*')) break;
    *ret = sn_str_trim(sn_str_sub(rest(l), 0, n));
    step(l, n);
    return api_next(l);
}
int api_next_path(struct api_lex *l, struct sn_str *ret, struct sn_api_pos *ret_pos)
{
    struct sn_str doc = {0};
    int r = skip(l, &doc), c;
    if (r < 0) return r;
    size_t n = 0;
    *ret_pos = l->pos;
    while ((c = peek(l, n)) >= 0 && !isspace(c) && c != '(' && c != ';' && c != '}') n++;
    *ret = sn_str_sub(rest(l), 0, n);
    step(l, n);
    return api_next(l);
}
int api_next_name(struct api_lex *l, struct sn_str *ret, struct sn_api_pos *ret_pos)
{
    struct sn_str doc = {0};
    int r = skip(l, &doc);
    if (r < 0) return r;
    size_t n = 0;
    *ret_pos = l->pos;
    while (is_word(peek(l, n)) || (n && peek(l, n) == '-')) n++;
    *ret = sn_str_sub(rest(l), 0, n);
    step(l, n);
    return api_next(l);
}
