/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/gen_model.h - what `sennit gen model` and the program that does it, sennit-model, have in
 * common: the options. */
#pragma once
#include "kit/config.h"

struct model_opts {
    struct sn_str src, url, password_file, dir;
    struct sn_str *tables;
    size_t n_tables;
    int server;
    bool dry_run, force, quiet;
};
extern const struct sn_conf_table gen_model_table;
/* Without a slash it is looked for beside this program, then in PATH. */
#define GEN_MODEL_PROGRAM "sennit-model"
#define GEN_MODEL_BRIEF \
    "Typed models of tables, from a DDL file or a live MariaDB or PostgreSQL."
#define GEN_MODEL_ABOUT                                                                            \
    "Writes NAME_row.gen.h and .c for each table: a struct, insert, find by every unique key, "    \
    "update, delete, list by pages, count; parameterised statements only, transactions, on a "     \
    "pool of connections (sql/sql.h; link sennit-sql)."
