/* SPDX-License-Identifier: Apache-2.0 */
/* sql/sql.h - MariaDB and PostgreSQL for fibers: a pool of connections, statements with parameters,
 * transactions.
 *
 * The servers' own client libraries (libmariadb, libpq) in their non-blocking modes, so that a wait
 * suspends the fiber and never a worker. Statements always take their values as parameters: `?` for
 * MariaDB, `$1` for PostgreSQL.
 *
 * A connection lives no longer than its server lets an idle one live: after connecting, the server
 * is asked for its session timeout (MariaDB wait_timeout, PostgreSQL idle_session_timeout), and the
 * connection is given up a tenth (at least a second) before that, or after SN_SQL_LIFE_NS where the
 * server has none; never later than opts.life_ns. Lives differ by up to a tenth, so that a pool
 * made at once does not end at once. One that lay idle for SN_SQL_CHECK_NS is asked for a sign of
 * life before it is given out. A statement that was interrupted (deadline, cancellation, a broken
 * line) ends its connection: whether it was executed is unknown, as with any network.
 *
 * Sources: MariaDB Connector/C, "Non-blocking API"; PostgreSQL 15, chapter 34.4. docs/gen.md */
#pragma once
#include "core/arena.h"
#include "core/base.h"
#include "core/status.h"
#include "core/str.h"

#define SN_SQL_CONNS_MAX 16u
#define SN_SQL_LIFE_NS (30 * SN_MINUTE)
#define SN_SQL_CHECK_NS (5 * SN_SEC)
#define SN_SQL_WAIT_NS (2 * SN_SEC)
#define SN_SQL_CALL_NS (10 * SN_SEC)
#define SN_SQL_CONNECT_NS (5 * SN_SEC)
#define SN_SQL_PARAMS_MAX 1000u
#define SN_SQL_ROWS_MAX 100000u
#define SN_SQL_BYTES_MAX (64u << 20) /* of a result */

enum sn_sql_server { SN_SQL_MARIADB = 1, SN_SQL_POSTGRES };

struct sn_sql_opts {
    /* "mariadb://user@host:port/database", "postgres://..."; ?socket=/run/... for a Unix socket (of
     * PostgreSQL: its folder). No password in it. */
    struct sn_str url;
    struct sn_str password; /* copied; wiped on close */
    unsigned conns_max;     /* 0 = SN_SQL_CONNS_MAX */
    int64_t life_ns;        /* longest life of a connection; 0 = as the server's timeout has it */
    int64_t wait_ns;        /* for a connection to become free; 0 = SN_SQL_WAIT_NS */
    int64_t call_ns; /* of a statement; 0 = SN_SQL_CALL_NS; the fiber's deadline counts, too */
};
struct sn_sql;
/* sn_sql_open - does not connect yet. Returns 0, SN_E_SYNTAX (url), SN_E_UNIMPLEMENTED (built
 * without that library), SN_E_NOMEM. Owns: sn_sql_close. */
int sn_sql_open(const struct sn_sql_opts *o, struct sn_sql **ret) SN_MUST_CHECK;
/* sn_sql_close - no statement may be in progress. NULL is accepted. Suspends. */
void sn_sql_close(struct sn_sql *s);
enum sn_sql_server sn_sql_server(const struct sn_sql *s);

enum sn_sql_kind { SN_SQL_NULL, SN_SQL_INT, SN_SQL_DOUBLE, SN_SQL_TEXT, SN_SQL_BLOB, SN_SQL_BOOL };
struct sn_sql_value {
    enum sn_sql_kind kind;
    union {
        int64_t i;
        double d;
        bool b;
        struct sn_str s;
    };
};
/* Cells as text, .ptr NULL for NULL, row by row; bytea and blobs as their bytes. In the arena
 * given. */
struct sn_sql_rows {
    uint32_t n_cols, n_rows;
    const struct sn_str *cells;
    uint64_t affected; /* by a statement that changes */
    int64_t insert_id; /* MariaDB: AUTO_INCREMENT's value; PostgreSQL: use RETURNING */
};
struct sn_sql_tx;
/* sn_sql_do - one statement; tx: inside of it, NULL: on any connection, by itself. ret may be NULL.
 * Returns 0; SN_E_ALREADY_EXISTS (unique), SN_E_FAILED_PRECONDITION (another constraint),
 * SN_E_ABORTED (deadlock, serialisation: try the transaction again), SN_E_INVALID_ARGUMENT (what
 * the server says of the statement), SN_E_BUSY (no connection free within wait_ns),
 * SN_E_UNAVAILABLE (no connection, or it broke), SN_E_UNAUTHENTICATED, SN_E_DEADLINE_EXCEEDED,
 * SN_E_CANCELLED, SN_E_TOO_LARGE, SN_E_NOMEM; the server's words are in the diagnostic. Suspends.
 */
int sn_sql_do(struct sn_sql *s, struct sn_sql_tx *tx, const char *sql,
              const struct sn_sql_value *params, unsigned n, struct sn_arena *a,
              struct sn_sql_rows *ret) SN_MUST_CHECK;
/* sn_sql_begin - holds a connection until sn_sql_commit or sn_sql_rollback, which end the tx in
 * every case. Return as sn_sql_do. Suspend. */
int sn_sql_begin(struct sn_sql *s, struct sn_sql_tx **ret) SN_MUST_CHECK;
int sn_sql_commit(struct sn_sql_tx *tx) SN_MUST_CHECK;
/* sn_sql_rollback - also from a fiber that is cancelled; a connection that cannot say so is closed,
 * which rolls back as well. NULL is accepted. */
void sn_sql_rollback(struct sn_sql_tx *tx);
/* sn_sql_check - the pool can reach its server: for readiness. Returns as sn_sql_do. */
int sn_sql_check(struct sn_sql *s) SN_MUST_CHECK;

struct sn_sql_stats {
    uint64_t statements, failed, connects, connect_failures, expired, dead, waits;
    int64_t open, idle;
    int64_t life_ns; /* of the newest connection, before its tenth of difference */
};
void sn_sql_stats(struct sn_sql *s, struct sn_sql_stats *ret);
