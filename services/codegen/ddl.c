/* SPDX-License-Identifier: Apache-2.0 */
/* codegen/ddl.c - see ddl.h. */
#include "codegen/ddl.h"

#include <ctype.h>
#include <stdio.h>

#include "core/status.h"

enum tok { T_END, T_WORD, T_QUOTED, T_STRING, T_NUMBER, T_PUNCT };
struct token {
    enum tok kind;
    struct sn_str text; /* of names and strings without their quotes, escapes as written */
    size_t at;
};
struct ddl {
    struct sn_arena *a;
    struct sn_str path, text;
    enum sn_ddl_dialect dialect;
    size_t pos;
    unsigned n_tokens, n_tables;
    struct token tok;
    struct sn_ddl_table *tables, **tail;
};

static int complain(struct ddl *d, size_t at, const char *expected)
{
    unsigned line = 1, column = 1;
    for (size_t i = 0; i < at && i < d->text.len; i++) {
        column = d->text.ptr[i] == '\n' ? 1 : column + 1;
        line += d->text.ptr[i] == '\n';
    }
    struct sn_str got = sn_str_sub(d->text, at, at + 30);
    ssize_t end = sn_str_chr(got, '\n');
    if (end >= 0) got.len = (size_t)end;
    return sn_fail(SN_E_SYNTAX, "%.*s:%u:%u: expected %s, got \"%.*s\"", SN_STR_ARG(d->path), line,
                   column, expected, SN_STR_ARG(got));
}

/* ---- tokens ---- */

static int peek(const struct ddl *d, size_t n)
{
    return d->pos + n < d->text.len ? (unsigned char)d->text.ptr[d->pos + n] : -1;
}
static bool starts(const struct ddl *d, const char *s)
{
    return sn_str_starts(sn_str_from(d->text, d->pos), sn_str(s));
}
static void skip_line(struct ddl *d)
{
    while (peek(d, 0) >= 0 && peek(d, 0) != '\n') d->pos++;
}
static int skip(struct ddl *d)
{
    for (;;) {
        if (peek(d, 0) >= 0 && isspace(peek(d, 0))) {
            d->pos++;
        } else if (starts(d, "--") || (peek(d, 0) == '#' && d->dialect == SN_DDL_MARIADB)) {
            skip_line(d);
        } else if (peek(d, 0) == '\\' && d->dialect == SN_DDL_POSTGRES) {
            skip_line(d); /* psql's own commands in dumps */
        } else if (starts(d, "/*")) {
            ssize_t end = sn_str_find(sn_str_from(d->text, d->pos + 2), SN_STR("*/"));
            if (end < 0) return complain(d, d->pos, "the end of this comment");
            d->pos += (size_t)end + 4;
        } else {
            return 0;
        }
    }
}
static int quoted(struct ddl *d, char end, enum tok kind)
{
    size_t from = ++d->pos;
    for (; peek(d, 0) >= 0; d->pos++) {
        if (peek(d, 0) == '\\' && end == '\'' && d->dialect == SN_DDL_MARIADB && peek(d, 1) >= 0) {
            d->pos++;
        } else if (peek(d, 0) == end) {
            if (peek(d, 1) != end) break;
            d->pos++;
        }
    }
    if (peek(d, 0) < 0) return complain(d, from - 1, "the end of this text");
    d->tok.kind = kind;
    d->tok.text = sn_str_sub(d->text, from, d->pos++);
    return 0;
}
static int next(struct ddl *d)
{
    int r = skip(d), c = peek(d, 0);
    if (r < 0) return r;
    if (++d->n_tokens > SN_DDL_TOKENS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "more than %u words", SN_DDL_TOKENS_MAX);
    size_t from = d->pos;
    d->tok = (struct token){.at = from};
    if (c < 0) return 0;
    if (c == '`') return quoted(d, '`', T_QUOTED);
    if (c == '"') return quoted(d, '"', d->dialect == SN_DDL_POSTGRES ? T_QUOTED : T_STRING);
    if (c == '\'') return quoted(d, '\'', T_STRING);
    if (isalpha(c) || c == '_' || c >= 128) {
        while ((c = peek(d, 0)) >= 0 && (isalnum(c) || c == '_' || c == '$' || c >= 128)) d->pos++;
        d->tok.kind = T_WORD;
    } else if (isdigit(c)) {
        while ((c = peek(d, 0)) >= 0 && (isalnum(c) || c == '.')) d->pos++;
        d->tok.kind = T_NUMBER;
    } else {
        d->pos++;
        d->tok.kind = T_PUNCT;
    }
    d->tok.text = sn_str_sub(d->text, from, d->pos);
    return 0;
}
static bool is(const struct ddl *d, const char *word)
{
    return (d->tok.kind == T_WORD || d->tok.kind == T_PUNCT) &&
           sn_str_ieq(d->tok.text, sn_str(word));
}
/* Takes the word if it is there. Returns 1, 0, or as next. */
static int take(struct ddl *d, const char *word)
{
    if (!is(d, word)) return 0;
    int r = next(d);
    return r < 0 ? r : 1;
}
static int want(struct ddl *d, const char *word)
{
    char text[40];
    int r = take(d, word);
    snprintf(text, sizeof text, "%s", word);
    return r < 0 ? r : r ? 0 : complain(d, d->tok.at, text);
}
static int name(struct ddl *d, struct sn_str *ret)
{
    if (d->tok.kind != T_WORD && d->tok.kind != T_QUOTED) return complain(d, d->tok.at, "a name");
    *ret = d->tok.text;
    return next(d);
}
static int qualified(struct ddl *d, struct sn_str *schema, struct sn_str *ret)
{
    int r = name(d, ret);
    while (r == 0 && is(d, ".")) {
        *schema = *ret;
        if ((r = next(d)) == 0) r = name(d, ret);
    }
    return r;
}
/* From "(" to behind its ")". */
static int skip_parens(struct ddl *d)
{
    unsigned depth = 0;
    size_t at = d->tok.at;
    do {
        if (d->tok.kind == T_END) return complain(d, at, "the end of these parentheses");
        if (is(d, "(")) depth++;
        if (is(d, ")")) depth--;
        int r = next(d);
        if (r < 0) return r;
    } while (depth);
    return 0;
}
static int skip_statement(struct ddl *d)
{
    int r = 0;
    while (r == 0 && d->tok.kind != T_END && !is(d, ";")) r = next(d);
    return r < 0 || d->tok.kind == T_END ? r : next(d);
}

/* ---- types ---- */

enum sn_ddl_kind sn_ddl_type(struct sn_str type, enum sn_ddl_dialect dialect)
{
    static const struct {
        const char *prefix;
        enum sn_ddl_kind kind;
    } rows[] = {{"bool", SN_DDL_BOOL},     {"bigint", SN_DDL_INT},      {"bigserial", SN_DDL_INT},
                {"smallint", SN_DDL_INT},  {"smallserial", SN_DDL_INT}, {"mediumint", SN_DDL_INT},
                {"tinyint", SN_DDL_INT},   {"interval", SN_DDL_TEXT},   {"integer", SN_DDL_INT},
                {"int", SN_DDL_INT},       {"serial", SN_DDL_INT},      {"year", SN_DDL_INT},
                {"double", SN_DDL_DOUBLE}, {"float", SN_DDL_DOUBLE},    {"real", SN_DDL_DOUBLE},
                {"bytea", SN_DDL_BLOB},    {"binary", SN_DDL_BLOB},     {"varbinary", SN_DDL_BLOB},
                {"blob", SN_DDL_BLOB},     {"tinyblob", SN_DDL_BLOB},   {"mediumblob", SN_DDL_BLOB},
                {"longblob", SN_DDL_BLOB}};
    if (type.len && type.ptr[type.len - 1] == ']')
        return SN_DDL_TEXT; /* arrays, as the server writes them */
    if (dialect == SN_DDL_MARIADB && sn_str_ieq(sn_str_sub(type, 0, 10), SN_STR("tinyint(1)")))
        return SN_DDL_BOOL;
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_str p = sn_str(rows[i].prefix);
        if (sn_str_ieq(sn_str_sub(type, 0, p.len), p)) return rows[i].kind;
    }
    return SN_DDL_TEXT;
}
struct sn_ddl_table *sn_ddl_table_new(struct sn_arena *a)
{
    struct sn_ddl_table *t = SN_ARENA_NEW(a, struct sn_ddl_table);
    if (!t) return NULL;
    t->cols = SN_ARENA_ARRAY(a, struct sn_ddl_column, SN_DDL_COLUMNS_MAX);
    t->keys = SN_ARENA_ARRAY(a, struct sn_ddl_key, SN_DDL_KEYS_MAX);
    return t->cols && t->keys ? t : NULL;
}

/* ---- columns and keys ---- */

static int add_key(struct ddl *d, struct sn_ddl_table *t, const struct sn_ddl_key *k)
{
    for (unsigned i = 0; k->primary && i < t->n_keys; i++)
        if (t->keys[i].primary) return complain(d, d->tok.at, "one primary key");
    if (t->n_keys == SN_DDL_KEYS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "more than %u keys", SN_DDL_KEYS_MAX);
    for (unsigned i = 0; k->primary && i < k->n; i++) t->cols[k->cols[i]].not_null = true;
    t->keys[t->n_keys++] = *k;
    return 0;
}
/* "(a, b(10), c DESC)"; one over an expression is no key for us: *ret_n stays 0. */
static int key_columns(struct ddl *d, struct sn_ddl_table *t, struct sn_ddl_key *k)
{
    bool plain = true;
    int r = want(d, "(");
    while (r == 0 && !is(d, ")")) {
        struct sn_str col;
        size_t at = d->tok.at;
        if (is(d, "(")) {
            plain = false;
            r = skip_parens(d);
        } else if ((r = name(d, &col)) == 0) {
            unsigned i = 0;
            while (i < t->n_cols && !sn_str_ieq(t->cols[i].name, col)) i++;
            if (is(d, "("))
                plain = false; /* a function, or a prefix of the text: not unique by itself */
            else if (i == t->n_cols)
                return complain(d, at, "a column of the table");
            if (k->n == SN_DDL_KEY_COLUMNS_MAX)
                return sn_fail(SN_E_TOO_LARGE, "a key of more than %u columns",
                               SN_DDL_KEY_COLUMNS_MAX);
            if (i < t->n_cols) k->cols[k->n++] = (uint16_t)i;
        }
        while (r == 0 && !is(d, ",") && !is(d, ")") && d->tok.kind != T_END)
            r = is(d, "(") ? skip_parens(d) : next(d);
        if (r == 0 && is(d, ",")) r = next(d);
    }
    if (r == 0) r = want(d, ")");
    if (!plain) k->n = 0;
    return r;
}
static int add_columns(struct ddl *d, struct sn_ddl_table *t, struct sn_str key_name, bool primary)
{
    struct sn_ddl_key k = {.name = key_name, .primary = primary};
    int r = key_columns(d, t, &k);
    return r < 0 || !k.n ? r : add_key(d, t, &k);
}

/* The words that end a type. */
static bool ends_type(const struct ddl *d)
{
    static const char *const words[] = {"not",     "null",       "default",
                                        "primary", "unique",     "auto_increment",
                                        "comment", "references", "check",
                                        "collate", "generated",  "constraint",
                                        "on",      "key",        "as",
                                        "virtual", "stored",     "invisible",
                                        "first",   "after"};
    for (size_t i = 0; i < SN_COUNT_OF(words); i++)
        if (d->tok.kind == T_WORD && is(d, words[i])) return true;
    return d->tok.kind == T_END || is(d, ",") || is(d, ")") || is(d, ";");
}
/* A value: until the next word that begins a constraint, parentheses whole. */
static int skip_value(struct ddl *d, bool *ret_time)
{
    int r = 0;
    bool first = true;
    while (r == 0 && (first || !ends_type(d)) && d->tok.kind != T_END) {
        if (first && (is(d, "current_timestamp") || is(d, "now") || is(d, "localtimestamp") ||
                      is(d, "clock_timestamp") || is(d, "current_date")))
            *ret_time = true;
        first = false;
        r = is(d, "(") ? skip_parens(d) : next(d);
    }
    return r;
}
static int constraint(struct ddl *d, struct sn_ddl_table *t, struct sn_ddl_column *c)
{
    struct sn_ddl_key key = {.cols = {(uint16_t)(c - t->cols)}, .n = 1};
    int r;
    if ((r = take(d, "not")) != 0) {
        c->not_null = true;
        return r < 0 ? r : want(d, "null");
    }
    if ((r = take(d, "primary")) != 0) {
        key.primary = true;
        if (r > 0) r = want(d, "key");
        return r < 0 ? r : add_key(d, t, &key);
    }
    if ((r = take(d, "unique")) != 0) {
        if (r > 0) r = take(d, "key");
        return r < 0 ? r : add_key(d, t, &key);
    }
    if ((r = take(d, "auto_increment")) != 0) {
        c->numbered = true;
        return r < 0 ? r : 0;
    }
    if ((r = take(d, "default")) != 0) {
        size_t at = d->tok.at;
        if (r > 0) r = skip_value(d, &c->by_server);
        struct sn_str v = sn_str_sub(d->text, at, d->tok.at);
        if (sn_str_ieq(sn_str_sub(v, 0, 8), SN_STR("nextval("))) c->numbered = true;
        return r;
    }
    if ((r = take(d, "comment")) != 0) {
        c->comment = d->tok.text;
        return r < 0 ? r : next(d);
    }
    if ((r = take(d, "generated")) != 0) { /* ALWAYS | BY DEFAULT AS IDENTITY, or AS (expression) */
        while (r >= 0 && !is(d, "as") && d->tok.kind != T_END) r = next(d);
        if (r >= 0) r = want(d, "as");
        if (r == 0 && is(d, "identity"))
            c->numbered = true;
        else
            c->by_server = true;
        return r < 0 ? r : next(d);
    }
    if ((r = take(d, "on")) != 0) { /* UPDATE now(), DELETE CASCADE */
        bool none = false;
        if (r > 0) r = next(d);
        return r < 0 ? r : skip_value(d, &none);
    }
    return is(d, "(") ? skip_parens(d) : next(d);
}
static int column(struct ddl *d, struct sn_ddl_table *t)
{
    if (t->n_cols == SN_DDL_COLUMNS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "more than %u columns", SN_DDL_COLUMNS_MAX);
    struct sn_ddl_column *c = &t->cols[t->n_cols];
    size_t at = d->tok.at;
    int r = name(d, &c->name);
    if (r < 0) return r;
    for (unsigned i = 0; i < t->n_cols; i++)
        if (sn_str_ieq(t->cols[i].name, c->name)) return complain(d, at, "another column's name");
    t->n_cols++;
    at = d->tok.at;
    if (ends_type(d)) return complain(d, at, "a type");
    size_t end = at;
    while (r == 0 && !ends_type(d)) {
        r = is(d, "(") ? skip_parens(d) : next(d);
        end = d->tok.at;
    }
    if (r < 0) return r;
    c->type = sn_str_trim(sn_str_sub(d->text, at, end));
    c->kind = sn_ddl_type(c->type, d->dialect);
    if (sn_str_find(sn_str_sub(c->type, 0, 12), SN_STR("serial")) >= 0 ||
        sn_str_find(sn_str_sub(c->type, 0, 12), SN_STR("SERIAL")) >= 0)
        c->numbered = c->not_null = true;
    while (r == 0 && !is(d, ",") && !is(d, ")")) {
        if (d->tok.kind == T_END) return complain(d, d->tok.at, "\",\" or \")\"");
        r = constraint(d, t, c);
    }
    return r;
}
/* Up to the "," or ")" that ends it. */
static int skip_item(struct ddl *d)
{
    int r = 0;
    while (r == 0 && !is(d, ",") && !is(d, ")")) {
        if (d->tok.kind == T_END) return complain(d, d->tok.at, "\",\" or \")\"");
        r = is(d, "(") ? skip_parens(d) : next(d);
    }
    return r;
}
static int table_constraint(struct ddl *d, struct sn_ddl_table *t)
{
    struct sn_str key_name = {0};
    int r = take(d, "constraint");
    if (r > 0 && !is(d, "primary") && !is(d, "unique") && !is(d, "foreign") && !is(d, "check"))
        r = name(d, &key_name);
    if (r < 0) return r;
    if ((r = take(d, "primary")) != 0) {
        if (r > 0) r = want(d, "key");
        while (r == 0 && !is(d, "(") && d->tok.kind != T_END) r = next(d); /* USING BTREE */
        if (r == 0) r = add_columns(d, t, key_name, true);
    } else if ((r = take(d, "unique")) != 0) {
        if (r > 0 && (r = take(d, "key")) == 0) r = take(d, "index");
        if (r >= 0 && !is(d, "(") && !is(d, "using")) r = name(d, &key_name);
        while (r >= 0 && !is(d, "(") && d->tok.kind != T_END) r = next(d);
        if (r >= 0) r = add_columns(d, t, key_name, false);
    }
    return r < 0 ? r : skip_item(d);
}
static bool begins_constraint(const struct ddl *d)
{
    static const char *const words[] = {"constraint", "primary", "unique", "foreign",
                                        "check",      "key",     "index",  "fulltext",
                                        "spatial",    "exclude", "like",   "period"};
    for (size_t i = 0; i < SN_COUNT_OF(words); i++)
        if (d->tok.kind == T_WORD && is(d, words[i])) return true;
    return false;
}

/* ---- statements ---- */

static int create_table(struct ddl *d)
{
    struct sn_ddl_table *t = sn_ddl_table_new(d->a);
    if (!t) return SN_E_NOMEM;
    if (++d->n_tables > SN_DDL_TABLES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "more than %u tables", SN_DDL_TABLES_MAX);
    int r = take(d, "if");
    while (r > 0 && (is(d, "not") || is(d, "exists"))) r = take(d, is(d, "not") ? "not" : "exists");
    if (r >= 0) r = qualified(d, &t->schema, &t->name);
    if (r < 0) return r;
    if (!is(d, "("))
        return skip_statement(d); /* LIKE, AS SELECT, PARTITION OF: its columns stand elsewhere */
    r = next(d);
    while (r == 0 && !is(d, ")")) {
        r = begins_constraint(d) ? table_constraint(d, t) : column(d, t);
        if (r == 0 && !is(d, ")")) r = want(d, ",");
    }
    if (r < 0) return r;
    if (!t->n_cols) return complain(d, d->tok.at, "a column");
    *d->tail = t;
    d->tail = &t->next;
    while (r == 0 && d->tok.kind != T_END && !is(d, ";")) {
        bool comment = is(d, "comment");
        r = next(d);
        if (r == 0 && comment && is(d, "=")) r = next(d);
        if (r == 0 && comment && d->tok.kind == T_STRING) t->comment = d->tok.text;
    }
    return r < 0 ? r : skip_statement(d);
}
static struct sn_ddl_table *find(struct ddl *d, struct sn_str name_)
{
    struct sn_ddl_table *t = d->tables;
    while (t && !sn_str_ieq(t->name, name_)) t = t->next;
    return t;
}
/* CREATE UNIQUE INDEX name ON table [USING x] (...) [WHERE ...] */
static int create_unique(struct ddl *d)
{
    struct sn_str key_name = {0}, schema, table;
    struct sn_ddl_key k = {0};
    int r = 0;
    while (r == 0 && !is(d, "on") && d->tok.kind != T_END && !is(d, ";")) {
        key_name = d->tok.text;
        r = next(d);
    }
    if (r == 0 && is(d, "on")) {
        if ((r = next(d)) == 0 && is(d, "only")) r = next(d);
        if (r == 0) r = qualified(d, &schema, &table);
        struct sn_ddl_table *t = r == 0 ? find(d, table) : NULL;
        while (t && r == 0 && !is(d, "(") && d->tok.kind != T_END && !is(d, ";")) r = next(d);
        if (t && r == 0) r = key_columns(d, t, &k);
        k.name = key_name;
        /* One with a condition does not make a row unique. */
        if (t && r == 0 && k.n && !is(d, "where")) r = add_key(d, t, &k);
    }
    return r < 0 ? r : skip_statement(d);
}
/* ALTER TABLE [ONLY] t ADD [CONSTRAINT n] PRIMARY KEY|UNIQUE (...); of dumps. */
static int alter_table(struct ddl *d)
{
    struct sn_str schema, table;
    int r = take(d, "only");
    if (r >= 0) r = qualified(d, &schema, &table);
    struct sn_ddl_table *t = r == 0 ? find(d, table) : NULL;
    while (r == 0 && t && d->tok.kind != T_END && !is(d, ";")) {
        if ((r = take(d, "add")) > 0 && begins_constraint(d)) {
            struct sn_str key_name = {0};
            r = take(d, "constraint");
            if (r > 0) r = name(d, &key_name);
            bool primary = is(d, "primary"), unique = is(d, "unique");
            while (r >= 0 && (primary || unique) && !is(d, "(") && d->tok.kind != T_END &&
                   !is(d, ";"))
                r = next(d);
            if (r >= 0 && (primary || unique) && is(d, "("))
                r = add_columns(d, t, key_name, primary);
        } else if (r == 0) {
            r = is(d, "(") ? skip_parens(d) : next(d);
        }
        if (r > 0) r = 0;
    }
    return r < 0 ? r : skip_statement(d);
}
static int statement(struct ddl *d)
{
    int r;
    if ((r = take(d, "create")) != 0) {
        while (r > 0 && (is(d, "or") || is(d, "replace") || is(d, "temporary") ||
                         is(d, "unlogged") || is(d, "global") || is(d, "local")))
            r = next(d) < 0 ? -1 : 1;
        if (r < 0) return SN_E_SYNTAX;
        if (is(d, "table")) return next(d) < 0 ? SN_E_SYNTAX : create_table(d);
        if (is(d, "unique")) return next(d) < 0 ? SN_E_SYNTAX : create_unique(d);
        return skip_statement(d);
    }
    if ((r = take(d, "alter")) != 0) {
        if (r > 0 && is(d, "table")) return next(d) < 0 ? SN_E_SYNTAX : alter_table(d);
        return r < 0 ? r : skip_statement(d);
    }
    return skip_statement(d);
}
int sn_ddl_parse(struct sn_arena *a, struct sn_str path, struct sn_str text,
                 enum sn_ddl_dialect dialect, struct sn_ddl_table **ret)
{
    struct ddl d = {.a = a, .path = path, .text = text, .dialect = dialect};
    d.tail = &d.tables;
    if (text.len > SN_DDL_BYTES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "more than %u bytes", SN_DDL_BYTES_MAX);
    int r = next(&d);
    while (r == 0 && d.tok.kind != T_END) r = statement(&d);
    if (r < 0) return r;
    if (!d.tables) return sn_fail(SN_E_NOT_FOUND, "%.*s: no CREATE TABLE in it", SN_STR_ARG(path));
    *ret = d.tables;
    return 0;
}
