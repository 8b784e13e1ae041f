/* SPDX-License-Identifier: Apache-2.0 */
/* sql/model.h - what models generated from tables stand on (`sennit gen model`): a C struct per
 * row, a constant table of its columns and the statements, and what runs them.
 *
 * C forms: integers int64_t, float and double double, boolean (MariaDB: tinyint(1)) bool,
 * everything else struct sn_str: text, decimals (exact), dates as the server writes them, blobs as
 * bytes. A nullable text is NULL where .ptr is; other nullable columns have a bool NAME_null beside
 * them. */
#pragma once
#include "sql/sql.h"

#define SN_SQL_NOT_NULL UINT32_MAX
#define SN_SQL_LIST_MAX 1000u /* rows of a page */

struct sn_sql_column {
    const char *name;
    uint8_t kind; /* enum sn_sql_kind */
    bool nullable;
    uint32_t offset, null_offset; /* null_offset: of the bool; SN_SQL_NOT_NULL: none */
};
struct sn_sql_model {
    const char *table;
    enum sn_sql_server server;
    const struct sn_sql_column *cols;
    uint16_t n_cols, n_key, n_insert, n_update;
    int16_t auto_col;                      /* the column the server numbers; -1 = none */
    size_t size;                           /* of the row */
    const uint16_t *key, *insert, *update; /* columns, in the order of the statements' parameters */
    /* Of the first all columns in order; update_sql's last parameters are the key. NULL: no key, so
     * none. */
    const char *insert_sql, *update_sql, *delete_sql, *list_sql, *list_after_sql, *count_sql;
};
/* Rows live in `a`. db and tx as in sn_sql_do; each returns as that, and SN_E_FAILED_PRECONDITION
 * where db is of the other kind of server. All suspend. sn_sql_insert - sets the numbered column of
 * *row. sn_sql_update, sn_sql_delete - by the key in *row; SN_E_NOT_FOUND where no such row is. */
int sn_sql_insert(const struct sn_sql_model *m, struct sn_sql *db, struct sn_sql_tx *tx,
                  void *row) SN_MUST_CHECK;
int sn_sql_update(const struct sn_sql_model *m, struct sn_sql *db, struct sn_sql_tx *tx,
                  const void *row) SN_MUST_CHECK;
int sn_sql_delete(const struct sn_sql_model *m, struct sn_sql *db, struct sn_sql_tx *tx,
                  const void *row) SN_MUST_CHECK;
/* sn_sql_find - the one row of a generated statement over all columns. SN_E_NOT_FOUND without one.
 */
int sn_sql_find(const struct sn_sql_model *m, struct sn_sql *db, struct sn_sql_tx *tx,
                const char *sql, const struct sn_sql_value *params, unsigned n, struct sn_arena *a,
                void *ret) SN_MUST_CHECK;
/* sn_sql_list - at most `limit` (1 to SN_SQL_LIST_MAX) rows by key, behind that of `after` (NULL:
 * from the first): *ret is an array of rows. A page costs the same wherever it is. */
int sn_sql_list(const struct sn_sql_model *m, struct sn_sql *db, struct sn_sql_tx *tx,
                const void *after, unsigned limit, struct sn_arena *a, void **ret,
                size_t *ret_n) SN_MUST_CHECK;
int sn_sql_count(const struct sn_sql_model *m, struct sn_sql *db, struct sn_sql_tx *tx,
                 int64_t *ret) SN_MUST_CHECK;
