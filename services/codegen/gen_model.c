/* SPDX-License-Identifier: Apache-2.0 */
/* codegen/gen_model.c - a typed C model of a table: sql/model.h runs it. */
#include "codegen/ddl.h"
#include "codegen/gen_int.h"

struct model {
    struct sn_arena *arena;
    struct sn_gen_files *files;
    const struct sn_gen_opts *o;
    const struct sn_ddl_table *t;
    bool pg;
    const char *p;                /* "orders_row" */
    const char **members;         /* C names of the columns */
    const struct sn_ddl_key *key; /* what identifies a row; NULL: nothing */
};

static const char *const c_types[] = {[SN_DDL_INT] = "int64_t ",
                                      [SN_DDL_DOUBLE] = "double ",
                                      [SN_DDL_TEXT] = "struct sn_str ",
                                      [SN_DDL_BLOB] = "struct sn_str ",
                                      [SN_DDL_BOOL] = "bool "};
static const char *const kinds[] = {[SN_DDL_INT] = "SN_SQL_INT",
                                    [SN_DDL_DOUBLE] = "SN_SQL_DOUBLE",
                                    [SN_DDL_TEXT] = "SN_SQL_TEXT",
                                    [SN_DDL_BLOB] = "SN_SQL_BLOB",
                                    [SN_DDL_BOOL] = "SN_SQL_BOOL"};
static const char value_members[] = {[SN_DDL_INT] = 'i',
                                     [SN_DDL_DOUBLE] = 'd',
                                     [SN_DDL_TEXT] = 's',
                                     [SN_DDL_BLOB] = 's',
                                     [SN_DDL_BOOL] = 'b'};

static bool is_text(const struct sn_ddl_column *c)
{
    return c->kind == SN_DDL_TEXT || c->kind == SN_DDL_BLOB;
}
static bool in_key(const struct sn_ddl_key *k, unsigned col)
{
    for (unsigned i = 0; k && i < k->n; i++)
        if (k->cols[i] == col) return true;
    return false;
}
static int name_members(struct model *m)
{
    m->members = SN_ARENA_ARRAY(m->arena, const char *, m->t->n_cols + 1u);
    if (!m->members) return SN_E_NOMEM;
    for (unsigned i = 0; i < m->t->n_cols; i++) {
        m->members[i] = sn_gen_member(m->arena, m->t->cols[i].name);
        for (unsigned k = 0; m->members[i] && k < i; k++)
            if (strcmp(m->members[k], m->members[i]) == 0) {
                m->members[i] = sn_arena_printf(m->arena, "%s_", m->members[i]).ptr;
                k = (unsigned)-1;
            }
        if (!m->members[i]) return SN_E_NOMEM;
    }
    return 0;
}
/* The primary key, else a unique one none of whose columns may be NULL. */
static const struct sn_ddl_key *choose_key(const struct sn_ddl_table *t)
{
    const struct sn_ddl_key *found = NULL;
    for (unsigned i = 0; i < t->n_keys; i++) {
        const struct sn_ddl_key *k = &t->keys[i];
        bool sure = true;
        for (unsigned c = 0; c < k->n; c++) sure = sure && t->cols[k->cols[c]].not_null;
        if (k->primary) return k;
        if (sure && !found) found = k;
    }
    return found;
}

/* ---- statements ---- */

static void put_name(const struct model *m, struct sn_buf *b, struct sn_str name)
{
    char q = m->pg ? '"' : '`';
    sn_buf_printf(b, "%c%.*s%c", q, SN_STR_ARG(name), q);
}
static void put_table(const struct model *m, struct sn_buf *b)
{
    if (m->t->schema.len) {
        put_name(m, b, m->t->schema);
        sn_buf_byte(b, '.');
    }
    put_name(m, b, m->t->name);
}
static void put_param(const struct model *m, struct sn_buf *b, unsigned *n)
{
    ++*n;
    if (m->pg)
        sn_buf_printf(b, "$%u", *n);
    else
        sn_buf_byte(b, '?');
}
static void put_columns(const struct model *m, struct sn_buf *b)
{
    for (unsigned i = 0; i < m->t->n_cols; i++) {
        if (i) sn_buf_cstr(b, ", ");
        put_name(m, b, m->t->cols[i].name);
    }
}
static void put_where(const struct model *m, struct sn_buf *b, const struct sn_ddl_key *k,
                      unsigned *n)
{
    sn_buf_cstr(b, " WHERE ");
    for (unsigned i = 0; i < k->n; i++) {
        if (i) sn_buf_cstr(b, " AND ");
        put_name(m, b, m->t->cols[k->cols[i]].name);
        sn_buf_cstr(b, " = ");
        put_param(m, b, n);
    }
}
static void put_key(const struct model *m, struct sn_buf *b)
{
    for (unsigned i = 0; i < m->key->n; i++) {
        if (i) sn_buf_cstr(b, ", ");
        put_name(m, b, m->t->cols[m->key->cols[i]].name);
    }
}
static bool inserted(const struct sn_ddl_column *c) { return !c->numbered && !c->by_server; }

static void sql_insert(const struct model *m, struct sn_buf *b)
{
    unsigned n = 0, count = 0;
    for (unsigned i = 0; i < m->t->n_cols; i++) count += inserted(&m->t->cols[i]);
    sn_buf_cstr(b, "INSERT INTO ");
    put_table(m, b);
    if (!count && m->pg) sn_buf_cstr(b, " DEFAULT VALUES");
    for (unsigned i = 0; (count || !m->pg) && i < m->t->n_cols; i++) {
        if (!inserted(&m->t->cols[i])) continue;
        sn_buf_cstr(b, n++ ? ", " : " (");
        put_name(m, b, m->t->cols[i].name);
    }
    if (count || !m->pg) sn_buf_cstr(b, n ? ") VALUES (" : " () VALUES (");
    n = 0;
    for (unsigned i = 0; i < count; i++) {
        if (i) sn_buf_cstr(b, ", ");
        put_param(m, b, &n);
    }
    if (count || !m->pg) sn_buf_byte(b, ')');
    for (unsigned i = 0; m->pg && i < m->t->n_cols; i++)
        if (m->t->cols[i].numbered && m->t->cols[i].kind == SN_DDL_INT) {
            sn_buf_cstr(b, " RETURNING ");
            put_name(m, b, m->t->cols[i].name);
            return;
        }
}
static bool updated(const struct model *m, unsigned i)
{
    return inserted(&m->t->cols[i]) && !in_key(m->key, i);
}
static void sql_update(const struct model *m, struct sn_buf *b)
{
    unsigned n = 0;
    sn_buf_cstr(b, "UPDATE ");
    put_table(m, b);
    for (unsigned i = 0; i < m->t->n_cols; i++) {
        if (!updated(m, i)) continue;
        sn_buf_cstr(b, n ? ", " : " SET ");
        put_name(m, b, m->t->cols[i].name);
        sn_buf_cstr(b, " = ");
        put_param(m, b, &n);
    }
    put_where(m, b, m->key, &n);
}
static void sql_delete(const struct model *m, struct sn_buf *b)
{
    unsigned n = 0;
    sn_buf_cstr(b, "DELETE FROM ");
    put_table(m, b);
    put_where(m, b, m->key, &n);
}
static void sql_select(const struct model *m, struct sn_buf *b)
{
    sn_buf_cstr(b, "SELECT ");
    put_columns(m, b);
    sn_buf_cstr(b, " FROM ");
    put_table(m, b);
}
static void sql_list(const struct model *m, struct sn_buf *b, bool after)
{
    unsigned n = 0;
    sql_select(m, b);
    if (after) {
        sn_buf_cstr(b, " WHERE (");
        put_key(m, b);
        sn_buf_cstr(b, ") > (");
        for (unsigned i = 0; i < m->key->n; i++) {
            if (i) sn_buf_cstr(b, ", ");
            put_param(m, b, &n);
        }
        sn_buf_byte(b, ')');
    }
    sn_buf_cstr(b, " ORDER BY ");
    put_key(m, b);
    sn_buf_cstr(b, " LIMIT ");
    put_param(m, b, &n);
}
static void sql_list_first(const struct model *m, struct sn_buf *b) { sql_list(m, b, false); }
static void sql_list_after(const struct model *m, struct sn_buf *b) { sql_list(m, b, true); }
static void sql_count(const struct model *m, struct sn_buf *b)
{
    sn_buf_cstr(b, "SELECT count(*) FROM ");
    put_table(m, b);
}

/* ---- C ---- */

static void emit_string(struct sn_buf *out, const struct model *m, const char *member,
                        void (*sql)(const struct model *m, struct sn_buf *b))
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    sql(m, &b);
    sn_buf_printf(out, "    .%s = ", member);
    gen_c_string(out, sn_buf_view(&b));
    sn_buf_cstr(out, ",\n");
    if (b.err < 0 && out->err == 0) out->err = b.err;
    sn_buf_done(&b);
}
static void emit_find_name(struct sn_buf *b, const struct model *m, const struct sn_ddl_key *k)
{
    sn_buf_printf(b, "%s_find_by", m->p);
    for (unsigned i = 0; i < k->n; i++)
        sn_buf_printf(b, "%s_%s", i ? "_and" : "", m->members[k->cols[i]]);
}
static void emit_find_signature(struct sn_buf *b, const struct model *m, const struct sn_ddl_key *k,
                                const char *end)
{
    sn_buf_cstr(b, "int ");
    emit_find_name(b, m, k);
    sn_buf_cstr(b, "(struct sn_sql *db, struct sn_sql_tx *tx");
    for (unsigned i = 0; i < k->n; i++)
        sn_buf_printf(b, ", %sby_%s", c_types[m->t->cols[k->cols[i]].kind], m->members[k->cols[i]]);
    sn_buf_printf(b, ",\n    struct sn_arena *a, struct %s *ret)%s\n", m->p, end);
}
/* Two keys over the same columns would be one function twice. */
static bool found_before(const struct sn_ddl_table *t, unsigned key)
{
    for (unsigned i = 0; i < key; i++)
        if (t->keys[i].n == t->keys[key].n &&
            memcmp(t->keys[i].cols, t->keys[key].cols,
                   t->keys[key].n * sizeof t->keys[key].cols[0]) == 0)
            return true;
    return false;
}
static void emit_struct(struct sn_buf *b, const struct model *m)
{
    sn_buf_printf(b, "struct %s {\n", m->p);
    for (unsigned i = 0; i < m->t->n_cols; i++) {
        const struct sn_ddl_column *c = &m->t->cols[i];
        sn_buf_printf(b, "    %s%s; /* %s%s */\n", c_types[c->kind], m->members[i],
                      c->not_null ? "NOT NULL" : "may be NULL",
                      c->numbered    ? ", numbered by the server"
                      : c->by_server ? ", set by the server"
                                     : "");
        if (!c->not_null && !is_text(c)) sn_buf_printf(b, "    bool %s_null;\n", m->members[i]);
    }
    sn_buf_cstr(b, "};\n");
}
static int header(struct model *m)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    gen_head(&b, "sennit gen model", m->o->source);
    sn_buf_printf(&b, "#pragma once\n#include \"sql/model.h\"\n\n/* A row of %.*s. */\n",
                  SN_STR_ARG(m->t->name));
    emit_struct(&b, m);
    sn_buf_printf(
        &b,
        "extern const struct sn_sql_model %s_model;\n\n"
        "/* As sn_sql_insert, _update, _delete, _list, _count (sql/model.h); tx: NULL outside of "
        "one. */\n"
        "static inline int %s_insert(struct sn_sql *db, struct sn_sql_tx *tx, struct %s *row)\n"
        "{\n    return sn_sql_insert(&%s_model, db, tx, row);\n}\n",
        m->p, m->p, m->p, m->p);
    static const char *const by_key[] = {"update", "delete"};
    for (size_t i = 0; m->key && i < SN_COUNT_OF(by_key); i++)
        sn_buf_printf(&b,
                      "static inline int %s_%s(struct sn_sql *db, struct sn_sql_tx *tx, const "
                      "struct %s *row)\n"
                      "{\n    return sn_sql_%s(&%s_model, db, tx, row);\n}\n",
                      m->p, by_key[i], m->p, by_key[i], m->p);
    if (m->key)
        sn_buf_printf(&b,
                      "static inline int %s_list(struct sn_sql *db, struct sn_sql_tx *tx, const "
                      "struct %s *after,\n"
                      "    unsigned limit, struct sn_arena *a, struct %s **ret, size_t "
                      "*ret_n)\n{\n    void *list;\n"
                      "    int r = sn_sql_list(&%s_model, db, tx, after, limit, a, &list, ret_n);\n"
                      "    if (r == 0) *ret = (struct %s *)list;\n    return r;\n}\n",
                      m->p, m->p, m->p, m->p, m->p);
    sn_buf_printf(
        &b,
        "static inline int %s_count(struct sn_sql *db, struct sn_sql_tx *tx, int64_t *ret)\n"
        "{\n    return sn_sql_count(&%s_model, db, tx, ret);\n}\n",
        m->p, m->p);
    sn_buf_cstr(&b, "\n/* The one row of a unique key. SN_E_NOT_FOUND without one. */\n");
    for (unsigned i = 0; i < m->t->n_keys; i++)
        if (!found_before(m->t, i)) emit_find_signature(&b, m, &m->t->keys[i], " SN_MUST_CHECK;");
    return gen_add(m->files, SN_GEN_OURS, &b, "%s.gen.h", m->p);
}
static void emit_columns(struct sn_buf *b, const struct model *m)
{
    sn_buf_cstr(b, "static const struct sn_sql_column cols[] = {\n");
    for (unsigned i = 0; i < m->t->n_cols; i++) {
        const struct sn_ddl_column *c = &m->t->cols[i];
        sn_buf_cstr(b, "    {");
        gen_c_string(b, c->name);
        sn_buf_printf(b, ", %s, %s, offsetof(struct %s, %s), ", kinds[c->kind],
                      c->not_null ? "false" : "true", m->p, m->members[i]);
        if (!c->not_null && !is_text(c))
            sn_buf_printf(b, "offsetof(struct %s, %s_null)},\n", m->p, m->members[i]);
        else
            sn_buf_cstr(b, "SN_SQL_NOT_NULL},\n");
    }
    sn_buf_cstr(b, "};\n");
}
static unsigned emit_list(struct sn_buf *b, const struct model *m, const char *what,
                          bool (*in)(const struct model *m, unsigned i))
{
    unsigned n = 0;
    sn_buf_printf(b, "    .%s = (const uint16_t[]){", what);
    for (unsigned i = 0; i < m->t->n_cols; i++)
        if (in(m, i)) sn_buf_printf(b, "%s%u", n++ ? ", " : "", i);
    sn_buf_printf(b, "%s},\n    .n_%s = %u,\n", n ? "" : "0", what, n);
    return n;
}
static bool list_insert(const struct model *m, unsigned i) { return inserted(&m->t->cols[i]); }
static void emit_find(struct sn_buf *b, const struct model *m, const struct sn_ddl_key *k)
{
    struct sn_buf sql;
    unsigned n = 0;
    sn_buf_byte(b, '\n');
    emit_find_signature(b, m, k, "\n{");
    sn_buf_init(&sql, 0);
    sql_select(m, &sql);
    put_where(m, &sql, k, &n);
    sn_buf_cstr(b, "    static const char sql[] = ");
    gen_c_string(b, sn_buf_view(&sql));
    sn_buf_printf(b, ";\n    const struct sn_sql_value params[] = {");
    for (unsigned i = 0; i < k->n; i++) {
        const struct sn_ddl_column *c = &m->t->cols[k->cols[i]];
        sn_buf_printf(b, "{.kind = %s, .%c = by_%s}, ", kinds[c->kind], value_members[c->kind],
                      m->members[k->cols[i]]);
    }
    sn_buf_printf(b, "};\n    return sn_sql_find(&%s_model, db, tx, sql, params, %u, a, ret);\n}\n",
                  m->p, k->n);
    if (sql.err < 0 && b->err == 0) b->err = sql.err;
    sn_buf_done(&sql);
}
static int source(struct model *m)
{
    struct sn_buf b;
    int numbered = -1;
    for (unsigned i = 0; i < m->t->n_cols && numbered < 0; i++)
        if (m->t->cols[i].numbered && m->t->cols[i].kind == SN_DDL_INT) numbered = (int)i;
    sn_buf_init(&b, 0);
    gen_head(&b, "sennit gen model", m->o->source);
    sn_buf_printf(&b, "#include \"%s.gen.h\"\n\n#include <stddef.h>\n\n", m->p);
    emit_columns(&b, m);
    sn_buf_printf(&b, "const struct sn_sql_model %s_model = {\n    .table = ", m->p);
    gen_c_string(&b, m->t->name);
    sn_buf_printf(&b,
                  ",\n    .server = %s,\n    .cols = cols,\n    .n_cols = %u,\n    .size = "
                  "sizeof(struct %s),\n"
                  "    .auto_col = %d,\n",
                  m->pg ? "SN_SQL_POSTGRES" : "SN_SQL_MARIADB", m->t->n_cols, m->p, numbered);
    emit_list(&b, m, "insert", list_insert);
    emit_string(&b, m, "insert_sql", sql_insert);
    emit_string(&b, m, "count_sql", sql_count);
    if (m->key) {
        sn_buf_cstr(&b, "    .key = (const uint16_t[]){");
        for (unsigned i = 0; i < m->key->n; i++)
            sn_buf_printf(&b, "%s%u", i ? ", " : "", m->key->cols[i]);
        sn_buf_printf(&b, "},\n    .n_key = %u,\n", m->key->n);
        if (emit_list(&b, m, "update", updated)) emit_string(&b, m, "update_sql", sql_update);
        emit_string(&b, m, "delete_sql", sql_delete);
        emit_string(&b, m, "list_sql", sql_list_first);
        emit_string(&b, m, "list_after_sql", sql_list_after);
    }
    sn_buf_cstr(&b, "};\n");
    for (unsigned i = 0; i < m->t->n_keys; i++)
        if (!found_before(m->t, i)) emit_find(&b, m, &m->t->keys[i]);
    return gen_add(m->files, SN_GEN_OURS, &b, "%s.gen.c", m->p);
}

/* Names travel into statements between quotes: one that has a quote itself is not for us. */
static int check_names(const struct sn_ddl_table *t)
{
    const struct sn_str *bad = NULL;
    struct sn_str names[] = {t->schema, t->name};
    for (size_t i = 0; i < SN_COUNT_OF(names); i++)
        if (sn_str_chr(names[i], '"') >= 0 || sn_str_chr(names[i], '`') >= 0) bad = &names[i];
    for (unsigned i = 0; i < t->n_cols; i++)
        if (sn_str_chr(t->cols[i].name, '"') >= 0 || sn_str_chr(t->cols[i].name, '`') >= 0)
            bad = &t->cols[i].name;
    return bad ? sn_fail(SN_E_UNIMPLEMENTED, "the name %.*s has a quote in it", SN_STR_ARG(*bad))
               : 0;
}
int sn_gen_model(const struct sn_ddl_table *tables, enum sn_ddl_dialect dialect,
                 const struct sn_gen_opts *o, struct sn_arena *a, struct sn_gen_files *ret)
{
    int r = 0;
    *ret = (struct sn_gen_files){.arena = a};
    for (const struct sn_ddl_table *t = tables; t && r == 0; t = t->next) {
        struct model m = {.arena = a,
                          .files = ret,
                          .o = o,
                          .t = t,
                          .pg = dialect == SN_DDL_POSTGRES,
                          .key = choose_key(t)};
        const char *p = sn_gen_snake(a, t->name);
        m.p = p ? sn_arena_printf(a, "%s_row", p).ptr : NULL;
        if (!m.p) return SN_E_NOMEM;
        r = check_names(t);
        if (r == 0) r = name_members(&m);
        if (r == 0) r = header(&m);
        if (r == 0) r = source(&m);
    }
    return r;
}
