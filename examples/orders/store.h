/* SPDX-License-Identifier: Apache-2.0 */
/* orders/store.h - SQLite for fibers, as little as the example needs. Several processes may share a
 * file.
 *
 * Work runs on the pool for what blocks, one transaction at a time per process; between processes
 * the file's lock decides, waited for at most STORE_BUSY_MS. */
#pragma once
#include <sqlite3.h>

#include "core/status.h"
#include "core/str.h"
#include "fiber/sync.h"

#define STORE_BUSY_MS 1500

struct store {
    sqlite3 *db;
    struct sn_mutex lock;
};
/* store_open - makes the file if need be and runs `schema`. Returns 0, SN_E_IO with SQLite's words.
 */
int store_open(struct sn_str path, const char *schema, struct store *ret) SN_MUST_CHECK;
void store_close(struct store *s);
/* store_run - fn inside a transaction, on another thread: it must not touch the fiber. What it
 * returns below 0 rolls back. Returns that, or SN_E_UNAVAILABLE (locked for too long), SN_E_IO.
 * Suspends. */
int store_run(struct store *s, int (*fn)(sqlite3 *db, void *arg), void *arg) SN_MUST_CHECK;

/* For fn. store_ask - a statement with its parameters, to be stepped and finalised; kinds: 's' a
 * struct sn_str, 'i' an int64_t. NULL: as store_error says. store_do - such a statement to its end.
 * Returns the rows it changed, or as store_error. */
sqlite3_stmt *store_ask(sqlite3 *db, const char *sql, const char *kinds, ...);
int store_do(sqlite3 *db, const char *sql, const char *kinds, ...) SN_MUST_CHECK;
/* store_row - steps. Returns 1 with a row, 0 at the end, or as store_error. */
int store_row(sqlite3_stmt *st) SN_MUST_CHECK;
int store_error(sqlite3 *db);
/* store_text - a column, valid until the next step. */
struct sn_str store_text(sqlite3_stmt *st, int column);
