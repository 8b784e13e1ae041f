/* SPDX-License-Identifier: Apache-2.0 */
#include "orders/store.h"

#include <stdarg.h>

#include "core/alloc.h"

int store_error(sqlite3 *db)
{
    int e = sqlite3_errcode(db);
    int code = e == SQLITE_BUSY || e == SQLITE_LOCKED ? SN_E_UNAVAILABLE : SN_E_IO;
    return sn_fail(code, "sqlite: %s", sqlite3_errmsg(db));
}
static int exec(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : store_error(db);
}

struct open_job {
    const char *path, *schema;
    sqlite3 *db;
};
static int open_job(void *arg)
{
    struct open_job *j = arg;
    if (sqlite3_open(j->path, &j->db) != SQLITE_OK) return store_error(j->db);
    sqlite3_busy_timeout(j->db, STORE_BUSY_MS);
    /* A killed process loses nothing that it has answered for: the log is the operating system's.
     */
    int r = exec(j->db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;");
    return r < 0 ? r : exec(j->db, j->schema);
}
int store_open(struct sn_str path, const char *schema, struct store *ret)
{
    struct open_job j = {.schema = schema};
    char *z = sn_alloc(path.len + 1);
    int r = z ? sn_str_cz(path, z, path.len + 1) : SN_E_NOMEM;
    j.path = z;
    if (r == 0) r = sn_offload(open_job, &j);
    sn_free(z);
    if (r < 0) {
        sqlite3_close(j.db);
        return sn_wrap(r, "%.*s", SN_STR_ARG(path));
    }
    *ret = (struct store){.db = j.db};
    return 0;
}
void store_close(struct store *s) { sqlite3_close(s->db); }

struct run_job {
    sqlite3 *db;
    int (*fn)(sqlite3 *db, void *arg);
    void *arg;
};
static int run_job(void *arg)
{
    struct run_job *j = arg;
    int r = exec(j->db, "BEGIN IMMEDIATE");
    if (r < 0) return r;
    r = j->fn(j->db, j->arg);
    if (r >= 0) {
        int e = exec(j->db, "COMMIT");
        if (e == 0) return r;
        r = e;
    }
    struct sn_diag why = *sn_diag();
    if (exec(j->db, "ROLLBACK") < 0) sqlite3_db_release_memory(j->db);
    *sn_diag() = why;
    return r;
}
int store_run(struct store *s, int (*fn)(sqlite3 *db, void *arg), void *arg)
{
    struct run_job j = {s->db, fn, arg};
    int r = sn_mutex_lock(&s->lock);
    if (r < 0) return r;
    r = sn_offload(run_job, &j);
    sn_mutex_unlock(&s->lock);
    return r;
}

static sqlite3_stmt *ask(sqlite3 *db, const char *sql, const char *kinds, va_list ap)
{
    sqlite3_stmt *st = NULL;
    int e = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
    for (int i = 0; e == SQLITE_OK && kinds[i]; i++) {
        if (kinds[i] == 'i') {
            e = sqlite3_bind_int64(st, i + 1, va_arg(ap, int64_t));
            continue;
        }
        struct sn_str s = va_arg(ap, struct sn_str);
        e = sqlite3_bind_text(st, i + 1, s.ptr ? s.ptr : "", (int)s.len, SQLITE_TRANSIENT);
    }
    if (e == SQLITE_OK) return st;
    sqlite3_finalize(st);
    return NULL;
}
sqlite3_stmt *store_ask(sqlite3 *db, const char *sql, const char *kinds, ...)
{
    va_list ap;
    va_start(ap, kinds);
    sqlite3_stmt *st = ask(db, sql, kinds, ap);
    va_end(ap);
    return st;
}
int store_do(sqlite3 *db, const char *sql, const char *kinds, ...)
{
    va_list ap;
    va_start(ap, kinds);
    sqlite3_stmt *st = ask(db, sql, kinds, ap);
    va_end(ap);
    if (!st) return store_error(db);
    int r;
    do r = store_row(st);
    while (r > 0);
    sqlite3_finalize(st);
    return r < 0 ? r : sqlite3_changes(db);
}
int store_row(sqlite3_stmt *st)
{
    int e = sqlite3_step(st);
    return e == SQLITE_ROW ? 1 : e == SQLITE_DONE ? 0 : store_error(sqlite3_db_handle(st));
}
struct sn_str store_text(sqlite3_stmt *st, int column)
{
    const char *p = (const char *)sqlite3_column_text(st, column);
    return sn_str_of(p ? p : "", p ? (size_t)sqlite3_column_bytes(st, column) : 0);
}
