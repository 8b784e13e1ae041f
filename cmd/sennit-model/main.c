/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-model - typed models from a DDL file or from a server's own description of its tables. A
 * program of its own, which `sennit gen model` starts: only here the clients of databases are
 * linked, with the twenty libraries they bring. */
#include <stdio.h>

#include "fiber/os.h"
#include "kit/cli.h"
#include "sennit/gen.h"
#include "sennit/gen_model.h"
#include "sql/sql.h"

/* ---- a live server ---- */

/* Both give: table, column, type, nullable (YES), numbered (t), set by the server (t). */
static const char mariadb_columns[] =
    "SELECT c.table_name, c.column_name, c.column_type, c.is_nullable,"
    " IF(c.extra LIKE '%auto_increment%', 't', 'f'),"
    " IF(c.column_default LIKE 'current_timestamp%' OR c.extra LIKE '%GENERATED%', 't', 'f')"
    " FROM information_schema.columns c JOIN information_schema.tables t"
    " ON t.table_schema = c.table_schema AND t.table_name = c.table_name"
    " WHERE c.table_schema = DATABASE() AND t.table_type = 'BASE TABLE'"
    " ORDER BY c.table_name, c.ordinal_position";
static const char postgres_columns[] =
    "SELECT c.table_name, c.column_name, c.data_type, c.is_nullable,"
    " CASE WHEN c.is_identity = 'YES' OR c.column_default LIKE 'nextval(%' THEN 't' ELSE 'f' END,"
    " CASE WHEN lower(c.column_default) SIMILAR TO "
    "'(now\\(|current_|localtimestamp|clock_timestamp)%'"
    " OR c.is_generated = 'ALWAYS' THEN 't' ELSE 'f' END"
    " FROM information_schema.columns c JOIN information_schema.tables t"
    " ON t.table_schema = c.table_schema AND t.table_name = c.table_name"
    " WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE'"
    " ORDER BY c.table_name, c.ordinal_position";
/* Both give: table, key, column (NULL: an expression or a prefix), primary (t). */
static const char mariadb_keys[] =
    "SELECT table_name, index_name, IF(sub_part IS NULL, column_name, NULL), IF(index_name = "
    "'PRIMARY', 't', 'f')"
    " FROM information_schema.statistics WHERE table_schema = DATABASE() AND non_unique = 0"
    " ORDER BY table_name, index_name <> 'PRIMARY', index_name, seq_in_index";
static const char postgres_keys[] =
    "SELECT t.relname, i.relname, a.attname, CASE WHEN x.indisprimary THEN 't' ELSE 'f' END"
    " FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid"
    " JOIN pg_namespace n ON n.oid = t.relnamespace"
    " JOIN LATERAL unnest(x.indkey) WITH ORDINALITY AS k(att, ord) ON true"
    " LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.att AND k.att > 0"
    " WHERE x.indisunique AND x.indpred IS NULL AND n.nspname = current_schema()"
    " ORDER BY t.relname, x.indisprimary DESC, i.relname, k.ord";

struct live {
    const struct model_opts *o;
    struct sn_arena *a;
    struct sn_ddl_table *tables;
    enum sn_ddl_dialect dialect;
};
static int take_columns(struct live *l, const struct sn_sql_rows *rows)
{
    struct sn_ddl_table *t = NULL, **tail = &l->tables;
    for (uint32_t i = 0; i < rows->n_rows; i++) {
        const struct sn_str *cell = rows->cells + (size_t)i * rows->n_cols;
        if (!t || !sn_str_eq(t->name, cell[0])) {
            if (!(t = sn_ddl_table_new(l->a))) return SN_E_NOMEM;
            t->name = cell[0];
            *tail = t;
            tail = &t->next;
        }
        if (t->n_cols == SN_DDL_COLUMNS_MAX)
            return sn_fail(SN_E_TOO_LARGE, "%.*s: more than %u columns", SN_STR_ARG(t->name),
                           SN_DDL_COLUMNS_MAX);
        t->cols[t->n_cols++] = (struct sn_ddl_column){.name = cell[1],
                                                      .type = cell[2],
                                                      .kind = sn_ddl_type(cell[2], l->dialect),
                                                      .not_null = sn_str_ieq(cell[3], SN_STR("NO")),
                                                      .numbered = sn_str_eqc(cell[4], "t"),
                                                      .by_server = sn_str_eqc(cell[5], "t")};
    }
    return 0;
}
static int take_keys(struct live *l, const struct sn_sql_rows *rows)
{
    struct sn_ddl_key *k = NULL;
    struct sn_ddl_table *t = l->tables;
    for (uint32_t i = 0; i < rows->n_rows; i++) {
        const struct sn_str *cell = rows->cells + (size_t)i * rows->n_cols;
        if (!t || !sn_str_eq(t->name, cell[0])) {
            for (t = l->tables; t && !sn_str_eq(t->name, cell[0]);) t = t->next;
            k = NULL;
        }
        if (!t) continue; /* of a view, or of what is no table of ours */
        if (!k || !sn_str_eq(k->name, cell[1])) {
            if (t->n_keys == SN_DDL_KEYS_MAX)
                return sn_fail(SN_E_TOO_LARGE, "%.*s: more than %u keys", SN_STR_ARG(t->name),
                               SN_DDL_KEYS_MAX);
            k = &t->keys[t->n_keys++];
            *k = (struct sn_ddl_key){.name = cell[1], .primary = sn_str_eqc(cell[3], "t")};
        }
        unsigned c = 0;
        while (c < t->n_cols && !(cell[2].ptr && sn_str_eq(t->cols[c].name, cell[2]))) c++;
        /* One over an expression makes no row unique by its columns: it goes, below. */
        if (c == t->n_cols || k->n == SN_DDL_KEY_COLUMNS_MAX)
            k->n = UINT16_MAX;
        else if (k->n != UINT16_MAX)
            k->cols[k->n++] = (uint16_t)c;
    }
    for (t = l->tables; t; t = t->next) {
        uint16_t n = 0;
        for (unsigned i = 0; i < t->n_keys; i++)
            if (t->keys[i].n != UINT16_MAX) t->keys[n++] = t->keys[i];
        t->n_keys = n;
    }
    return 0;
}
static int live_main(void *arg)
{
    struct live *l = arg;
    struct sn_sql_opts so = {.url = l->o->url, .conns_max = 1};
    struct sn_sql_rows rows;
    struct sn_sql *db;
    int r = 0;
    if (l->o->password_file.len) {
        struct sn_str path = sn_arena_str(l->a, l->o->password_file), text;
        r = path.ptr ? sn_file_read(l->a, path.ptr, 4096, &text) : SN_E_NOMEM;
        if (r == 0) so.password = sn_str_trim(sn_str_cut(&text, '\n'));
    }
    if (r == 0) r = sn_sql_open(&so, &db);
    if (r < 0) return r;
    bool pg = sn_sql_server(db) == SN_SQL_POSTGRES;
    l->dialect = pg ? SN_DDL_POSTGRES : SN_DDL_MARIADB;
    r = sn_sql_do(db, NULL, pg ? postgres_columns : mariadb_columns, NULL, 0, l->a, &rows);
    if (r == 0) r = take_columns(l, &rows);
    if (r == 0) r = sn_sql_do(db, NULL, pg ? postgres_keys : mariadb_keys, NULL, 0, l->a, &rows);
    if (r == 0) r = take_keys(l, &rows);
    struct sn_diag why = *sn_diag();
    sn_sql_close(db);
    if (r < 0) *sn_diag() = why;
    return r;
}

/* ---- the command ---- */

static bool wanted(const struct model_opts *o, struct sn_str name)
{
    for (size_t i = 0; i < o->n_tables; i++) {
        struct sn_str list = o->tables[i];
        while (list.ptr)
            if (sn_str_eq(sn_str_trim(sn_str_cut(&list, ',')), name)) return true;
    }
    return !o->n_tables || (o->n_tables == 1 && sn_str_eqc(o->tables[0], "*"));
}
static int read_tables(const struct sn_cli_call *call, struct live *l)
{
    const struct model_opts *o = l->o;
    struct sn_str text, path = sn_arena_str(l->a, o->src);
    if (!path.ptr) return SN_E_NOMEM;
    if (o->src.len && o->url.len) return sn_fail(SN_E_INVALID_ARGUMENT, "--src or --url, not both");
    if (o->url.len) return sn_rt_run(&(struct sn_rt_opts){.workers = 1}, live_main, l);
    if (!o->src.len) return sn_fail(SN_E_INVALID_ARGUMENT, "--src FILE or --url URL is wanted");
    l->dialect = (enum sn_ddl_dialect)o->server;
    int r = sn_file_read(l->a, path.ptr, SN_DDL_BYTES_MAX, &text);
    return r < 0 ? r : sn_ddl_parse(l->a, path, text, l->dialect, &l->tables);
}
static int model_run(const struct sn_cli_call *call)
{
    const struct model_opts *o = call->opts;
    struct live l = {.o = o, .a = call->arena};
    struct sn_gen_files files;
    struct sn_str dir = sn_arena_str(call->arena, o->dir);
    int r = dir.ptr ? read_tables(call, &l) : SN_E_NOMEM;
    if (r < 0) return r;
    for (struct sn_ddl_table **at = &l.tables; *at;) {
        if (wanted(o, (*at)->name))
            at = &(*at)->next;
        else
            *at = (*at)->next;
    }
    if (!l.tables) return sn_fail(SN_E_NOT_FOUND, "there is no such table");
    struct sn_gen_opts go = {.source = o->src.len ? o->src : SN_STR("the database")};
    r = sn_gen_model(l.tables, l.dialect, &go, call->arena, &files);
    if (r < 0) return r;
    return gen_write(call->arena, &files,
                     &(struct gen_write){.dir = dir.ptr,
                                         .dry_run = o->dry_run,
                                         .force = o->force,
                                         .quiet = o->quiet});
}
static const struct sn_cli_command model = {
    .name = "sennit-model",
    .brief = GEN_MODEL_BRIEF,
    .about = GEN_MODEL_ABOUT,
    .table = &gen_model_table,
    .run = model_run,
};
static const struct sn_cli_command *const commands[] = {&model, NULL};

int main(int argc, char **argv)
{
    static const struct sn_cli_program program = {.name = "sennit-model",
                                                  .version = SN_VERSION,
                                                  .about = GEN_MODEL_BRIEF,
                                                  .commands = commands};
    return sn_cli_main(&program, argc, argv);
}
