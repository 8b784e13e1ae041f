/* SPDX-License-Identifier: Apache-2.0 */
/* sql/postgres.c - libpq, whose sockets are waited for by fibers. */
#include "sql/sql_int.h"

#ifdef SN_HAVE_PQ
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "core/enc.h"
#include "fiber/net.h"

#define OID_BYTEA 17u

static int code_of(const char *state)
{
    static const struct {
        const char *prefix;
        int code;
    } rows[] = {{"23505", SN_E_ALREADY_EXISTS}, {"23", SN_E_FAILED_PRECONDITION},
                {"40", SN_E_ABORTED},           {"28", SN_E_UNAUTHENTICATED},
                {"08", SN_E_UNAVAILABLE},       {"57", SN_E_UNAVAILABLE},
                {"53", SN_E_UNAVAILABLE},       {"42501", SN_E_PERMISSION_DENIED}};
    for (size_t i = 0; state && i < SN_COUNT_OF(rows); i++)
        if (strncmp(state, rows[i].prefix, strlen(rows[i].prefix)) == 0) return rows[i].code;
    return SN_E_INVALID_ARGUMENT;
}
static int say(int code, const char *text)
{
    struct sn_str s = sn_str_trim(sn_str(text));
    return sn_fail(code, "postgres: %.*s", SN_STR_ARG(sn_str_sub(s, 0, 400)));
}

static int open_conn(const struct sql_target *t, void **ret)
{
    char port[8], addr[1][SN_ADDR_TEXT_MAX];
    const char *host = t->socket ? t->socket : t->host;
    snprintf(port, sizeof port, "%u", t->port);
    if (!t->socket) { /* libpq would look names up on this thread */
        int r = sn_resolve(sn_str(t->host), addr, 1);
        if (r < 0) return r;
    }
    const char *keys[] = {"host",   "hostaddr",        "port", "user", "password",
                          "dbname", "client_encoding", NULL};
    const char *values[] = {host,        t->socket ? "" : addr[0],
                            port,        t->user,
                            t->password, t->database,
                            "UTF8",      NULL};
    PGconn *c = PQconnectStartParams(keys, values, 0);
    if (!c) return SN_E_NOMEM;
    int r = PQstatus(c) == CONNECTION_BAD ? say(SN_E_UNAVAILABLE, PQerrorMessage(c)) : 0;
    PostgresPollingStatusType want = PGRES_POLLING_WRITING;
    while (r == 0 && want != PGRES_POLLING_OK) {
        int e = sn_fd_wait(PQsocket(c), want == PGRES_POLLING_READING ? EPOLLIN : EPOLLOUT);
        if (e < 0) {
            r = e;
            break;
        }
        want = PQconnectPoll(c);
        if (want == PGRES_POLLING_FAILED) {
            bool who =
                strstr(PQerrorMessage(c), "authentication") || strstr(PQerrorMessage(c), "role \"");
            r = say(who ? SN_E_UNAUTHENTICATED : SN_E_UNAVAILABLE, PQerrorMessage(c));
        }
    }
    if (r == 0 && PQsetnonblocking(c, 1) < 0) r = say(SN_E_INTERNAL, PQerrorMessage(c));
    if (r < 0) {
        PQfinish(c);
        return r;
    }
    *ret = c;
    return 0;
}
static void close_conn(void *c) { PQfinish(c); }

static int send_all(PGconn *c)
{
    int n;
    while ((n = PQflush(c)) > 0) {
        int e = sn_fd_wait(PQsocket(c), EPOLLIN | EPOLLOUT);
        if (e < 0) return e;
        if ((e & EPOLLIN) && !PQconsumeInput(c)) return say(SN_E_UNAVAILABLE, PQerrorMessage(c));
    }
    return n < 0 ? say(SN_E_UNAVAILABLE, PQerrorMessage(c)) : 0;
}
/* The next result, NULL after the last. */
static int next_result(PGconn *c, PGresult **ret)
{
    while (PQisBusy(c)) {
        int e = sn_fd_wait(PQsocket(c), EPOLLIN);
        if (e < 0) return e;
        if (!PQconsumeInput(c)) return say(SN_E_UNAVAILABLE, PQerrorMessage(c));
    }
    *ret = PQgetResult(c);
    return 0;
}

/* "\x6869" of bytea's text form. */
static int bytea(struct sn_arena *a, struct sn_str s, struct sn_str *ret)
{
    if (!sn_str_starts(s, SN_STR("\\x")))
        return sn_fail(SN_E_PROTOCOL, "postgres: bytea that is not hex");
    char *p = sn_arena_alloc(a, s.len / 2 + 1);
    if (!p) return SN_E_NOMEM;
    ssize_t n = sn_hex_decode(sn_str_from(s, 2), p);
    if (n < 0) return sn_fail(SN_E_PROTOCOL, "postgres: bytea that is not hex");
    *ret = sn_str_of(p, (size_t)n);
    return 0;
}
static int copy_rows(PGresult *res, struct sn_arena *a, struct sn_sql_rows *ret)
{
    int rows = PQntuples(res), cols = PQnfields(res);
    size_t bytes = 0;
    if ((unsigned)rows > SN_SQL_ROWS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "more than %u rows", SN_SQL_ROWS_MAX);
    struct sn_str *cells = SN_ARENA_ARRAY(a, struct sn_str, (size_t)rows * (size_t)cols + 1);
    if (!cells) return SN_E_NOMEM;
    for (int i = 0; i < rows; i++)
        for (int k = 0; k < cols; k++) {
            struct sn_str *cell = &cells[(size_t)i * (size_t)cols + (size_t)k];
            if (PQgetisnull(res, i, k)) continue;
            struct sn_str s = sn_str_of(PQgetvalue(res, i, k), (size_t)PQgetlength(res, i, k));
            bytes += s.len;
            if (bytes > SN_SQL_BYTES_MAX)
                return sn_fail(SN_E_TOO_LARGE, "more than %u bytes", SN_SQL_BYTES_MAX);
            int r = 0;
            if (PQftype(res, k) == OID_BYTEA)
                r = bytea(a, s, cell);
            else if (!(*cell = sn_arena_str(a, s)).ptr)
                r = SN_E_NOMEM;
            if (r < 0) return r;
        }
    *ret = (struct sn_sql_rows){.n_cols = (uint32_t)cols, .n_rows = (uint32_t)rows, .cells = cells};
    uint64_t n;
    if (sn_str_to_u64(sn_str(PQcmdTuples(res)), &n) == 0) ret->affected = n;
    return 0;
}

struct texts { /* parameters as libpq wants them */
    const char **values;
    int *lengths, *formats;
};
static int to_texts(const struct sn_sql_value *v, unsigned n, struct sn_arena *a, struct texts *t)
{
    t->values = SN_ARENA_ARRAY(a, const char *, n + 1);
    t->lengths = SN_ARENA_ARRAY(a, int, n + 1);
    t->formats = SN_ARENA_ARRAY(a, int, n + 1);
    if (!t->values || !t->lengths || !t->formats) return SN_E_NOMEM;
    for (unsigned i = 0; i < n; i++) {
        struct sn_str s = {0};
        switch (v[i].kind) {
        case SN_SQL_NULL: continue;
        case SN_SQL_INT: s = sn_arena_printf(a, "%lld", (long long)v[i].i); break;
        case SN_SQL_DOUBLE: s = sn_arena_printf(a, "%.17g", v[i].d); break;
        case SN_SQL_BOOL: s = v[i].b ? SN_STR("t") : SN_STR("f"); break;
        default:
            s = sn_arena_str(a, v[i].s.ptr ? v[i].s : SN_STR(""));
            if (v[i].kind == SN_SQL_TEXT && memchr(s.ptr ? s.ptr : "", 0, s.len))
                return sn_fail(SN_E_INVALID_ARGUMENT, "parameter %u: text with a NUL byte", i + 1);
            t->formats[i] = v[i].kind == SN_SQL_BLOB;
        }
        if (!s.ptr) return SN_E_NOMEM;
        t->values[i] = s.ptr;
        t->lengths[i] = (int)s.len;
    }
    return 0;
}
static int run(void *conn, const char *sql, const struct sn_sql_value *params, unsigned n,
               struct sn_arena *a, struct sn_sql_rows *ret, bool *broken)
{
    PGconn *c = conn;
    struct texts t;
    PGresult *res = NULL;
    int r = to_texts(params, n, a, &t);
    if (r < 0) return r;
    if (!PQsendQueryParams(c, sql, (int)n, NULL, t.values, t.lengths, t.formats, 0)) {
        *broken = true;
        return say(SN_E_UNAVAILABLE, PQerrorMessage(c));
    }
    int e = send_all(c);
    while (e == 0 && (e = next_result(c, &res)) == 0 && res) {
        ExecStatusType st = PQresultStatus(res);
        if (r == 0 && (st == PGRES_TUPLES_OK || st == PGRES_COMMAND_OK))
            r = copy_rows(res, a, ret);
        else if (r == 0)
            r = say(code_of(PQresultErrorField(res, PG_DIAG_SQLSTATE)), PQresultErrorMessage(res));
        PQclear(res);
    }
    if (e < 0 || PQstatus(c) != CONNECTION_OK) *broken = true;
    return e < 0 ? e : r;
}
#define RUN run
#define OPEN open_conn
#define CLOSE close_conn
#else
#define RUN NULL
#define OPEN NULL
#define CLOSE NULL
#endif

const struct sql_driver sql_postgres = {
    .server = SN_SQL_POSTGRES,
    .port = 5432,
    .open = OPEN,
    .close = CLOSE,
    .run = RUN,
    /* Before version 14 there is none: no row, no limit. */
    .timeout_sql = "SELECT setting FROM pg_settings WHERE name = 'idle_session_timeout'",
    .timeout_unit_ns = SN_MS,
};
