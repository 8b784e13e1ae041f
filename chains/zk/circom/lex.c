/* SPDX-License-Identifier: Apache-2.0 */
/* zk/circom/lex.c - tokens of the circom language. */
#include "zk/circom/ast_int.h"

static const struct {
    const char *text;
    uint16_t op;
} puncts[] = {
    {"<==", CXP_CONSTRAIN}, {"<--", CXP_ARROW},   {"==>", CXP_RCONSTRAIN}, {"-->", CXP_RARROW},
    {"===", CXP_EQUAL3},    {"**=", CXP_POW_SET}, {"<<=", CXP_SHL_SET},    {">>=", CXP_SHR_SET},
    {"+=", CXP_ADD_SET},    {"-=", CXP_SUB_SET},  {"*=", CXP_MUL_SET},     {"/=", CXP_DIV_SET},
    {"\\=", CXP_IDIV_SET},  {"%=", CXP_MOD_SET},  {"&=", CXP_AND_SET},     {"|=", CXP_OR_SET},
    {"^=", CXP_XOR_SET},    {"++", CXP_INC},      {"--", CXP_DEC},         {"**", CXP_POW},
    {"<<", CXP_SHL},        {">>", CXP_SHR},      {"<=", CXP_LE},          {">=", CXP_GE},
    {"==", CXP_EQ},         {"!=", CXP_NE},       {"&&", CXP_LAND},        {"||", CXP_LOR},
};
static const char *const keywords[CXK_N] = {
    "assert", "bus",     "component", "custom",   "else",   "for",      "function",
    "if",     "include", "input",     "log",      "output", "parallel", "pragma",
    "public", "return",  "signal",    "template", "var",    "while",
};

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
static uint32_t pos_of(const struct cx_lexer *l, const char *p)
{
    return l->base + (uint32_t)(p - l->start);
}

/* White space and comments. */
static int skip(struct cx_lexer *l)
{
    while (l->at < l->end) {
        char c = *l->at;
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v') {
            l->at++;
        } else if (c == '/' && l->at + 1 < l->end && l->at[1] == '/') {
            while (l->at < l->end && *l->at != '\n') l->at++;
        } else if (c == '/' && l->at + 1 < l->end && l->at[1] == '*') {
            const char *from = l->at;
            l->at += 2;
            while (l->at + 1 < l->end && !(l->at[0] == '*' && l->at[1] == '/')) l->at++;
            if (l->at + 1 >= l->end)
                return cx_syntax(l->s, pos_of(l, from), pos_of(l, from) + 2,
                                 "this comment does not end\nadd */");
            l->at += 2;
        } else {
            break;
        }
    }
    return 0;
}

static int word(struct cx_lexer *l, const char *from)
{
    while (l->at < l->end &&
           (is_letter(*l->at) || is_digit(*l->at) || *l->at == '_' || *l->at == '$'))
        l->at++;
    l->text = sn_str_of(from, (size_t)(l->at - from));
    if (sn_str_eqc(l->text, "_")) {
        l->kind = CXT_UNDERSCORE;
        return 0;
    }
    for (unsigned k = 0; k < CXK_N; k++) {
        if (sn_str_eqc(l->text, keywords[k])) {
            l->kind = CXT_KEYWORD;
            l->op = (uint16_t)k;
            return 0;
        }
    }
    const char *p = from;
    while (p < l->at && (*p == '_' || *p == '$')) p++;
    if (p == l->at || !is_letter(*p))
        return cx_syntax(l->s, pos_of(l, from), pos_of(l, l->at),
                         "\"%.*s\" is no name: the first character after _ and $ must be a letter",
                         SN_STR_ARG(l->text));
    l->kind = CXT_NAME;
    l->sym = cx_intern(l->s, l->text);
    return l->sym ? 0 : SN_E_NOMEM;
}

static int number(struct cx_lexer *l, const char *from)
{
    bool hex = l->at[0] == '0' && l->at + 1 < l->end && l->at[1] == 'x';
    if (hex) l->at += 2;
    while (l->at < l->end && (hex ? is_hex(*l->at) : is_digit(*l->at))) l->at++;
    l->text = sn_str_of(from, (size_t)(l->at - from));
    l->kind = CXT_NUMBER;
    if ((hex && l->text.len == 2) || (l->at < l->end && (is_letter(*l->at) || *l->at == '_')))
        return cx_syntax(l->s, pos_of(l, from), pos_of(l, l->at) + 1, "malformed number");
    return 0;
}

static int string(struct cx_lexer *l, const char *from)
{
    l->at++;
    while (l->at < l->end && *l->at != '"' && *l->at != '\n') l->at++;
    if (l->at >= l->end || *l->at != '"')
        return cx_syntax(l->s, pos_of(l, from), pos_of(l, from) + 1,
                         "this string does not end in its line");
    l->text = sn_str_of(from + 1, (size_t)(l->at - from - 1));
    l->at++;
    l->kind = CXT_STRING;
    return 0;
}

static int punct(struct cx_lexer *l, const char *from)
{
    size_t left = (size_t)(l->end - from);
    l->kind = CXT_PUNCT;
    for (size_t i = 0; i < SN_COUNT_OF(puncts); i++) {
        size_t n = strlen(puncts[i].text);
        if (n <= left && memcmp(from, puncts[i].text, n) == 0) {
            l->op = puncts[i].op;
            l->at += n;
            return 0;
        }
    }
    l->at++;
    if (!strchr("(){}[];,.=+-*/\\%&|^!~<>?:", *from) || *from == 0)
        return cx_syntax(l->s, pos_of(l, from), pos_of(l, l->at), "unexpected character");
    l->op = (uint8_t)*from;
    return 0;
}

int cx_next(struct cx_lexer *l)
{
    l->prev_end = l->tok_end;
    int r = skip(l);
    if (r < 0) return r;
    const char *from = l->at;
    l->pos = pos_of(l, from);
    l->op = 0;
    if (from == l->end) {
        l->kind = CXT_EOF;
        l->text = SN_STR("the end of the file");
        l->tok_end = l->pos;
        return 0;
    }
    if (is_letter(*from) || *from == '_' || *from == '$')
        r = word(l, from);
    else if (is_digit(*from))
        r = number(l, from);
    else if (*from == '"')
        r = string(l, from);
    else
        r = punct(l, from);
    if (l->kind == CXT_PUNCT) l->text = sn_str_of(from, (size_t)(l->at - from));
    l->tok_end = pos_of(l, l->at);
    return r;
}
