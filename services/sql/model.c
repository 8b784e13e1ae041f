/* SPDX-License-Identifier: Apache-2.0 */
/* sql/model.c - see model.h. */
#include "sql/model.h"

static int fits(const struct sn_sql_model *m, const struct sn_sql *db)
{
    if (sn_sql_server(db) == m->server) return 0;
    return sn_fail(SN_E_FAILED_PRECONDITION, "%s: the model was generated for %s", m->table,
                   m->server == SN_SQL_POSTGRES ? "PostgreSQL" : "MariaDB");
}
static struct sn_sql_value value_of(const struct sn_sql_column *c, const char *row)
{
    const void *p = row + c->offset;
    struct sn_sql_value v = {.kind = (enum sn_sql_kind)c->kind};
    if (c->null_offset != SN_SQL_NOT_NULL && *(const bool *)(row + c->null_offset))
        return (struct sn_sql_value){0};
    switch (v.kind) {
    case SN_SQL_INT: v.i = *(const int64_t *)p; break;
    case SN_SQL_DOUBLE: v.d = *(const double *)p; break;
    case SN_SQL_BOOL: v.b = *(const bool *)p; break;
    default:
        v.s = *(const struct sn_str *)p;
        if (!v.s.ptr && c->nullable) v.kind = SN_SQL_NULL;
    }
    return v;
}
static struct sn_sql_value *values(const struct sn_sql_model *m, const uint16_t *which, unsigned n,
                                   const void *row, struct sn_sql_value *out)
{
    for (unsigned i = 0; i < n; i++) out[i] = value_of(&m->cols[which[i]], row);
    return out + n;
}
static int scan_one(const struct sn_sql_model *m, const struct sn_sql_column *c, struct sn_str s,
                    char *row)
{
    void *p = row + c->offset;
    int r = 0;
    if (!s.ptr) {
        if (c->null_offset != SN_SQL_NOT_NULL) *(bool *)(row + c->null_offset) = true;
        return 0;
    }
    switch (c->kind) {
    case SN_SQL_INT: r = sn_str_to_i64(s, p); break;
    case SN_SQL_DOUBLE: r = sn_str_to_double(s, p); break;
    case SN_SQL_BOOL:
        *(bool *)p = sn_str_eqc(s, "t") || (s.len && s.ptr[0] != '0' && s.ptr[0] != 'f');
        break;
    default: *(struct sn_str *)p = s;
    }
    return r < 0 ? sn_fail(SN_E_OUT_OF_RANGE, "%s.%s: \"%.*s\" does not fit the model", m->table,
                           c->name, SN_STR_ARG(sn_str_sub(s, 0, 40)))
                 : 0;
}
static int scan(const struct sn_sql_model *m, const struct sn_sql_rows *rows, uint32_t i, void *row)
{
    if (rows->n_cols != m->n_cols)
        return sn_fail(SN_E_INTERNAL, "%s: %u columns came, %u are in the model", m->table,
                       rows->n_cols, m->n_cols);
    memset(row, 0, m->size);
    int r = 0;
    for (unsigned k = 0; k < m->n_cols && r == 0; k++)
        r = scan_one(m, &m->cols[k], rows->cells[(size_t)i * rows->n_cols + k], row);
    return r;
}

int sn_sql_insert(const struct sn_sql_model *m, struct sn_sql *db, struct sn_sql_tx *tx, void *row)
{
    struct sn_arena a;
    struct sn_sql_rows rows;
    int r = fits(m, db);
    if (r < 0) return r;
    sn_arena_init(&a, NULL, 0);
    struct sn_sql_value *v = SN_ARENA_ARRAY(&a, struct sn_sql_value, m->n_insert + 1u);
    if (v) values(m, m->insert, m->n_insert, row, v);
    r = v ? sn_sql_do(db, tx, m->insert_sql, v, m->n_insert, &a, &rows) : SN_E_NOMEM;
    if (r == 0 && m->auto_col >= 0) {
        /* PostgreSQL's statement returns it. */
        struct sn_str s = rows.n_rows && rows.n_cols ? rows.cells[0] : (struct sn_str){0};
        int64_t id = rows.insert_id;
        if (s.ptr) r = sn_str_to_i64(s, &id);
        if (r == 0) *(int64_t *)((char *)row + m->cols[m->auto_col].offset) = id;
    }
    sn_arena_done(&a);
    return r;
}
static int change(const struct sn_sql_model *m, struct sn_sql *db, struct sn_sql_tx *tx,
                  const char *sql, const uint16_t *set, unsigned n_set, const void *row)
{
    struct sn_arena a;
    struct sn_sql_rows rows;
    int r = fits(m, db);
    if (r < 0) return r;
    if (!sql) return sn_fail(SN_E_UNIMPLEMENTED, "%s has no primary key", m->table);
    sn_arena_init(&a, NULL, 0);
    struct sn_sql_value *v = SN_ARENA_ARRAY(&a, struct sn_sql_value, n_set + m->n_key + 1u);
    if (v) values(m, m->key, m->n_key, row, values(m, set, n_set, row, v));
    r = v ? sn_sql_do(db, tx, sql, v, n_set + m->n_key, &a, &rows) : SN_E_NOMEM;
    if (r == 0 && !rows.affected) r = sn_fail(SN_E_NOT_FOUND, "%s: no row has this key", m->table);
    sn_arena_done(&a);
    return r;
}
int sn_sql_update(const struct sn_sql_model *m, struct sn_sql *db, struct sn_sql_tx *tx,
                  const void *row)
{
    return change(m, db, tx, m->update_sql, m->update, m->n_update, row);
}
int sn_sql_delete(const struct sn_sql_model *m, struct sn_sql *db, struct sn_sql_tx *tx,
                  const void *row)
{
    return change(m, db, tx, m->delete_sql, NULL, 0, row);
}
int sn_sql_find(const struct sn_sql_model *m, struct sn_sql *db, struct sn_sql_tx *tx,
                const char *sql, const struct sn_sql_value *params, unsigned n, struct sn_arena *a,
                void *ret)
{
    struct sn_sql_rows rows;
    int r = fits(m, db);
    if (r == 0) r = sn_sql_do(db, tx, sql, params, n, a, &rows);
    if (r == 0 && !rows.n_rows) return sn_fail(SN_E_NOT_FOUND, "%s: no such row", m->table);
    return r < 0 ? r : scan(m, &rows, 0, ret);
}
int sn_sql_list(const struct sn_sql_model *m, struct sn_sql *db, struct sn_sql_tx *tx,
                const void *after, unsigned limit, struct sn_arena *a, void **ret, size_t *ret_n)
{
    struct sn_sql_rows rows;
    int r = fits(m, db);
    if (r < 0) return r;
    if (!m->list_sql) return sn_fail(SN_E_UNIMPLEMENTED, "%s has no primary key", m->table);
    if (limit < 1 || limit > SN_SQL_LIST_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "expected 1 to %u rows, got %u", SN_SQL_LIST_MAX,
                       limit);
    struct sn_sql_value *v = SN_ARENA_ARRAY(a, struct sn_sql_value, m->n_key + 1u);
    if (!v) return SN_E_NOMEM;
    struct sn_sql_value *end = after ? values(m, m->key, m->n_key, after, v) : v;
    *end++ = (struct sn_sql_value){.kind = SN_SQL_INT, .i = limit};
    r = sn_sql_do(db, tx, after ? m->list_after_sql : m->list_sql, v, (unsigned)(end - v), a,
                  &rows);
    char *list = r == 0 ? sn_arena_array(a, rows.n_rows + 1u, m->size) : NULL;
    if (r == 0 && !list) r = SN_E_NOMEM;
    for (uint32_t i = 0; r == 0 && i < rows.n_rows; i++) r = scan(m, &rows, i, list + i * m->size);
    if (r < 0) return r;
    *ret = list;
    *ret_n = rows.n_rows;
    return 0;
}
int sn_sql_count(const struct sn_sql_model *m, struct sn_sql *db, struct sn_sql_tx *tx,
                 int64_t *ret)
{
    struct sn_arena a;
    struct sn_sql_rows rows;
    int r = fits(m, db);
    if (r < 0) return r;
    sn_arena_init(&a, NULL, 0);
    r = sn_sql_do(db, tx, m->count_sql, NULL, 0, &a, &rows);
    if (r == 0) r = rows.n_rows && rows.n_cols ? sn_str_to_i64(rows.cells[0], ret) : SN_E_INTERNAL;
    sn_arena_done(&a);
    return r;
}
