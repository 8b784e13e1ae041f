/* SPDX-License-Identifier: Apache-2.0 */
/* sql/mariadb.c - libmariadb's non-blocking functions, whose sockets are waited for by fibers.
 *
 * Each call X is X_start and X_cont: what they return besides 0 is what to wait for. A wait that
 * fails is answered with MYSQL_WAIT_TIMEOUT: the call then ends, its connection is done with. */
#include "sql/sql_int.h"

#ifdef SN_HAVE_MARIADB
#include <errmsg.h>
#include <mysql.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "core/alloc.h"
#include "fiber/net.h"

static int code_of(unsigned e)
{
    switch (e) {
    case ER_DUP_ENTRY:
    case ER_DUP_KEY: return SN_E_ALREADY_EXISTS;
    case ER_NO_REFERENCED_ROW_2:
    case ER_ROW_IS_REFERENCED_2:
    case ER_BAD_NULL_ERROR:
    case ER_CONSTRAINT_FAILED: return SN_E_FAILED_PRECONDITION;
    case ER_LOCK_DEADLOCK:
    case ER_LOCK_WAIT_TIMEOUT: return SN_E_ABORTED;
    case ER_ACCESS_DENIED_ERROR: return SN_E_UNAUTHENTICATED;
    case ER_CON_COUNT_ERROR:
    case ER_SERVER_SHUTDOWN:
    case ER_CONNECTION_KILLED: return SN_E_UNAVAILABLE;
    case ER_DBACCESS_DENIED_ERROR:
    case ER_TABLEACCESS_DENIED_ERROR: return SN_E_PERMISSION_DENIED;
    default:
        return e >= CR_MIN_ERROR && e <= CR_MAX_ERROR ? SN_E_UNAVAILABLE : SN_E_INVALID_ARGUMENT;
    }
}
static bool is_broken(unsigned e) { return e && code_of(e) == SN_E_UNAVAILABLE; }
static int say(unsigned e, const char *text)
{
    return sn_fail(code_of(e), "mariadb: %.400s (%u)", text, e);
}

/* Waits for what the library asks; returns what happened, in its terms. *ret_failed: why a wait
 * failed. */
static int wait_for(MYSQL *m, int status, int *ret_failed)
{
    uint32_t events = (status & MYSQL_WAIT_READ ? EPOLLIN : 0) |
                      (status & MYSQL_WAIT_WRITE ? EPOLLOUT : 0) |
                      (status & MYSQL_WAIT_EXCEPT ? EPOLLPRI : 0);
    int e = *ret_failed < 0 ? *ret_failed : sn_fd_wait(mysql_get_socket(m), events);
    if (e < 0) {
        *ret_failed = e;
        return MYSQL_WAIT_TIMEOUT;
    }
    int got = (e & (EPOLLIN | EPOLLHUP | EPOLLERR) ? MYSQL_WAIT_READ : 0) |
              (e & EPOLLOUT ? MYSQL_WAIT_WRITE : 0) | (e & EPOLLPRI ? MYSQL_WAIT_EXCEPT : 0);
    return (got & status) ? (got & status) : status;
}
/* AWAIT(m, failed, start, cont): start begins, cont goes on with `status_`. */
#define AWAIT(m, failed, start, cont)                    \
    do {                                                 \
        int status_ = (start);                           \
        while (status_) {                                \
            int got_ = wait_for((m), status_, (failed)); \
            status_ = (cont);                            \
        }                                                \
    } while (0)

static void close_conn(void *c)
{
    mysql_close(c); /* says good-bye without waiting for an answer */
}
static int open_conn(const struct sql_target *t, void **ret)
{
    char addr[1][SN_ADDR_TEXT_MAX];
    int failed = 0;
    MYSQL *m = mysql_init(NULL), *done = NULL;
    if (!m) return SN_E_NOMEM;
    if (!t->socket) { /* the library would look names up on this thread */
        int r = sn_resolve(sn_str(t->host), addr, 1);
        if (r < 0) {
            mysql_close(m);
            return r;
        }
    }
    const char *host = t->socket ? "localhost" : addr[0];
    mysql_options(m, MYSQL_OPT_NONBLOCK, 0);
    mysql_options(m, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    /* CLIENT_FOUND_ROWS: an UPDATE that changes nothing has found its row all the same. */
    AWAIT(m, &failed,
          mysql_real_connect_start(&done, m, host, t->user, t->password, t->database, t->port,
                                   t->socket, CLIENT_FOUND_ROWS),
          mysql_real_connect_cont(&done, m, got_));
    int r = failed;
    if (r == 0 && !done) r = say(mysql_errno(m), mysql_error(m));
    if (r < 0) {
        struct sn_diag why = *sn_diag();
        mysql_close(m);
        *sn_diag() = why;
        return r;
    }
    *ret = m;
    return 0;
}

/* ---- statements ---- */

static int bind_params(MYSQL_STMT *st, const struct sn_sql_value *v, unsigned n, struct sn_arena *a)
{
    MYSQL_BIND *b = SN_ARENA_ARRAY(a, MYSQL_BIND, n + 1);
    struct sn_sql_value *own = SN_ARENA_ARRAY(a, struct sn_sql_value, n + 1);
    if (!b || !own) return SN_E_NOMEM;
    for (unsigned i = 0; i < n; i++) {
        own[i] = v[i];
        switch (v[i].kind) {
        case SN_SQL_NULL: b[i].buffer_type = MYSQL_TYPE_NULL; break;
        case SN_SQL_BOOL:
            own[i].i = v[i].b;
            /* fallthrough */
        case SN_SQL_INT:
            b[i].buffer_type = MYSQL_TYPE_LONGLONG;
            b[i].buffer = &own[i].i;
            break;
        case SN_SQL_DOUBLE:
            b[i].buffer_type = MYSQL_TYPE_DOUBLE;
            b[i].buffer = &own[i].d;
            break;
        default:
            b[i].buffer_type = v[i].kind == SN_SQL_BLOB ? MYSQL_TYPE_BLOB : MYSQL_TYPE_STRING;
            b[i].buffer = (void *)(uintptr_t)(v[i].s.ptr ? v[i].s.ptr : "");
            b[i].buffer_length = v[i].s.len;
        }
    }
    return mysql_stmt_bind_param(st, b) ? SN_E_INVALID_ARGUMENT : 0;
}
/* The buffered rows; every column as text or bytes of the longest value it has. */
static int copy_rows(MYSQL_STMT *st, struct sn_arena *a, struct sn_sql_rows *ret)
{
    unsigned cols = mysql_stmt_field_count(st);
    uint64_t rows = mysql_stmt_num_rows(st);
    MYSQL_RES *meta = mysql_stmt_result_metadata(st);
    MYSQL_BIND *b = SN_ARENA_ARRAY(a, MYSQL_BIND, cols + 1);
    unsigned long *len = SN_ARENA_ARRAY(a, unsigned long, cols + 1);
    my_bool *null = SN_ARENA_ARRAY(a, my_bool, cols + 1);
    size_t bytes = 0;
    int r =
        rows > SN_SQL_ROWS_MAX ? sn_fail(SN_E_TOO_LARGE, "more than %u rows", SN_SQL_ROWS_MAX) : 0;
    struct sn_str *cells = r == 0 ? SN_ARENA_ARRAY(a, struct sn_str, rows * cols + 1) : NULL;
    if (r == 0 && (!meta || !b || !len || !null || !cells)) r = SN_E_NOMEM;
    for (unsigned k = 0; k < cols && r == 0; k++) {
        unsigned long max =
            mysql_fetch_field_direct(meta, k)->max_length + 64; /* numbers become text */
        b[k] = (MYSQL_BIND){.buffer_type = MYSQL_TYPE_STRING,
                            .buffer = sn_arena_alloc(a, max),
                            .buffer_length = max,
                            .length = &len[k],
                            .is_null = &null[k]};
        if (!b[k].buffer) r = SN_E_NOMEM;
    }
    if (r == 0 && mysql_stmt_bind_result(st, b))
        r = say(mysql_stmt_errno(st), mysql_stmt_error(st));
    for (uint64_t i = 0; i < rows && r == 0; i++) {
        if (mysql_stmt_fetch(st)) r = say(mysql_stmt_errno(st), mysql_stmt_error(st));
        for (unsigned k = 0; k < cols && r == 0; k++) {
            if (null[k]) continue;
            bytes += len[k];
            struct sn_str s = sn_str_of(b[k].buffer, SN_MIN(len[k], b[k].buffer_length));
            if (bytes > SN_SQL_BYTES_MAX)
                r = sn_fail(SN_E_TOO_LARGE, "more than %u bytes", SN_SQL_BYTES_MAX);
            else if (!(cells[i * cols + k] = sn_arena_str(a, s)).ptr)
                r = SN_E_NOMEM;
        }
    }
    if (meta) mysql_free_result(meta);
    *ret = (struct sn_sql_rows){.n_cols = cols, .n_rows = (uint32_t)rows, .cells = cells};
    return r;
}
static int run_stmt(MYSQL *m, MYSQL_STMT *st, const char *sql, const struct sn_sql_value *params,
                    unsigned n, struct sn_arena *a, struct sn_sql_rows *ret, int *failed)
{
    int e = 0, r;
    my_bool yes = 1;
    mysql_stmt_attr_set(st, STMT_ATTR_UPDATE_MAX_LENGTH, &yes);
    AWAIT(m, failed, mysql_stmt_prepare_start(&e, st, sql, strlen(sql)),
          mysql_stmt_prepare_cont(&e, st, got_));
    if (*failed < 0) return *failed;
    if (e) return say(mysql_stmt_errno(st), mysql_stmt_error(st));
    if (mysql_stmt_param_count(st) != n)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "mariadb: the statement has %lu parameters, %u are given",
                       mysql_stmt_param_count(st), n);
    if (n && (r = bind_params(st, params, n, a)) < 0) return r;
    AWAIT(m, failed, mysql_stmt_execute_start(&e, st), mysql_stmt_execute_cont(&e, st, got_));
    if (*failed < 0) return *failed;
    if (e) return say(mysql_stmt_errno(st), mysql_stmt_error(st));
    if (mysql_stmt_field_count(st)) {
        AWAIT(m, failed, mysql_stmt_store_result_start(&e, st),
              mysql_stmt_store_result_cont(&e, st, got_));
        if (*failed < 0) return *failed;
        if (e) return say(mysql_stmt_errno(st), mysql_stmt_error(st));
        return copy_rows(st, a, ret);
    }
    ret->affected = mysql_stmt_affected_rows(st);
    ret->insert_id = (int64_t)mysql_stmt_insert_id(st);
    return 0;
}
static int run(void *conn, const char *sql, const struct sn_sql_value *params, unsigned n,
               struct sn_arena *a, struct sn_sql_rows *ret, bool *broken)
{
    MYSQL *m = conn;
    MYSQL_STMT *st = mysql_stmt_init(m);
    int failed = 0, later = 0;
    my_bool bad;
    if (!st) return SN_E_NOMEM;
    int r = run_stmt(m, st, sql, params, n, a, ret, &failed);
    if (failed < 0 || is_broken(mysql_stmt_errno(st)) || is_broken(mysql_errno(m))) *broken = true;
    struct sn_diag why = *sn_diag();
    if (*broken) later = SN_E_CLOSED; /* nothing more is waited for */
    AWAIT(m, &later, mysql_stmt_close_start(&bad, st), mysql_stmt_close_cont(&bad, st, got_));
    if (later < 0) *broken = true;
    if (r < 0) *sn_diag() = why;
    return r;
}
#define RUN run
#define OPEN open_conn
#define CLOSE close_conn
#else
#define RUN NULL
#define OPEN NULL
#define CLOSE NULL
#endif

const struct sql_driver sql_mariadb = {
    .server = SN_SQL_MARIADB,
    .port = 3306,
    .open = OPEN,
    .close = CLOSE,
    .run = RUN,
    .timeout_sql = "SELECT @@session.wait_timeout",
    .timeout_unit_ns = SN_SEC,
};
