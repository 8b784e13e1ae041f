/* SPDX-License-Identifier: Apache-2.0 */
/* sql/sql_int.h - what a client library has to do for the pool. */
#pragma once
#include "sql/sql.h"

#define SQL_ENDLESS 0 /* the server lets idle sessions live */

struct sql_target { /* NUL-terminated; NULL where not given */
    char *host, *user, *database, *socket, *password;
    uint16_t port;
};
struct sql_driver {
    enum sn_sql_server server;
    uint16_t port;
    /* open - connects and logs in. Suspends; the fiber's deadline bounds it. */
    int (*open)(const struct sql_target *t, void **ret);
    void (*close)(void *c);
    /* run - as sn_sql_do; *ret_broken: the connection is of no use any more. */
    int (*run)(void *c, const char *sql, const struct sn_sql_value *params, unsigned n,
               struct sn_arena *a, struct sn_sql_rows *ret, bool *ret_broken);
    const char *timeout_sql; /* one number: the session timeout */
    int64_t timeout_unit_ns;
};
extern const struct sql_driver sql_postgres, sql_mariadb;
