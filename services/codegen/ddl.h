/* SPDX-License-Identifier: Apache-2.0 */
/* codegen/ddl.h - tables out of CREATE TABLE statements, as MariaDB and PostgreSQL (and their
 * dumps) write them. Other statements are passed over, but for those that add keys (CREATE UNIQUE
 * INDEX, ALTER TABLE
 * ... ADD). */
#pragma once
#include "core/arena.h"
#include "core/base.h"
#include "core/str.h"

#define SN_DDL_BYTES_MAX (16u << 20)
#define SN_DDL_TOKENS_MAX 2000000u
#define SN_DDL_TABLES_MAX 1000u
#define SN_DDL_COLUMNS_MAX 500u
#define SN_DDL_KEYS_MAX 64u /* of a table */
#define SN_DDL_KEY_COLUMNS_MAX 16u

enum sn_ddl_dialect { SN_DDL_MARIADB = 1, SN_DDL_POSTGRES };
enum sn_ddl_kind { SN_DDL_INT = 1, SN_DDL_DOUBLE, SN_DDL_TEXT, SN_DDL_BLOB, SN_DDL_BOOL };
struct sn_ddl_column {
    struct sn_str name, comment;
    struct sn_str type; /* "varchar(64)", for comments */
    enum sn_ddl_kind kind;
    bool not_null, numbered; /* by the server */
    bool by_server; /* a time the server sets: DEFAULT CURRENT_TIMESTAMP, now(); or generated */
};
struct sn_ddl_key {
    struct sn_str name; /* may be empty */
    uint16_t cols[SN_DDL_KEY_COLUMNS_MAX];
    uint16_t n;
    bool primary;
};
struct sn_ddl_table {
    struct sn_ddl_table *next;
    struct sn_str schema, name, comment;
    struct sn_ddl_column *cols; /* SN_DDL_COLUMNS_MAX */
    struct sn_ddl_key *keys;    /* primary and unique ones; SN_DDL_KEYS_MAX */
    uint16_t n_cols, n_keys;
};

/* sn_ddl_parse - every table of `text`, which is called `path` in messages. Returns 0; SN_E_SYNTAX
 * with "path:line:column: expected ..., got ...", SN_E_NOT_FOUND without any table, SN_E_TOO_LARGE
 * at a limit, SN_E_NOMEM. Owns: the arena's, borrows the text. Context: anywhere, never suspends.
 */
int sn_ddl_parse(struct sn_arena *a, struct sn_str path, struct sn_str text,
                 enum sn_ddl_dialect dialect, struct sn_ddl_table **ret) SN_MUST_CHECK;
/* sn_ddl_type - the kind of a column of that type, as information_schema or a statement spells it:
 * "tinyint(1)", "character varying". */
enum sn_ddl_kind sn_ddl_type(struct sn_str type, enum sn_ddl_dialect dialect);
/* sn_ddl_table_new - an empty table with room; NULL without memory. For who reads a live schema. */
struct sn_ddl_table *sn_ddl_table_new(struct sn_arena *a);
