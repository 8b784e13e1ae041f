/* SPDX-License-Identifier: Apache-2.0 */
/* wire/toml.h - TOML 1.0 into a tree with the place of every key and value, and strings back.
 *
 * The tree is the arena's and read-only. A table keeps its keys in the order of the file; dotted
 * keys, [headers] and [[arrays of tables]] become nested tables. Keys given twice, tables defined
 * twice, and inline tables that are added to are errors, as TOML wants it.
 * Source: TOML v1.0.0. */
#pragma once
#include "core/arena.h"
#include "core/buf.h"
#include "core/str.h"

#define SN_TOML_BYTES_DEFAULT (4u << 20)
#define SN_TOML_DEPTH_MAX 64        /* arrays and inline tables within each other; parts of a key */
#define SN_TOML_VALUES_MAX 65536    /* in a file */
#define SN_TOML_TABLE_KEYS_MAX 4096 /* in one table: looking a key up is linear */

enum sn_toml_kind {
    SN_TOML_STRING = 1,
    SN_TOML_INT,
    SN_TOML_DOUBLE,
    SN_TOML_BOOL,
    SN_TOML_TIME,
    SN_TOML_ARRAY,
    SN_TOML_TABLE,
};
struct sn_toml_pos {
    uint32_t line, column; /* 1-based; columns count characters */
};
/* A date, a time of day, both, or both at an offset from UTC. */
struct sn_toml_time {
    uint16_t year;
    uint8_t month, day, hour, minute, second; /* second: up to 60 */
    uint32_t nanos;                           /* further digits are cut */
    int16_t offset_minutes;
    bool has_date, has_time, has_offset;
};
struct sn_toml;
struct sn_toml_entry;
struct sn_toml_table {
    struct sn_toml_entry *first, *last;
    uint32_t n;
    uint32_t section; /* the reader's: which header its dotted keys are below */
    bool defined, inline_;
};
struct sn_toml_array {
    struct sn_toml_item *first, *last;
    uint32_t n;
    bool of_tables; /* by [[headers]] */
};
struct sn_toml {
    enum sn_toml_kind kind;
    struct sn_toml_pos pos;
    union {
        struct sn_str str;
        int64_t i;
        double d;
        bool b;
        struct sn_toml_time time;
        struct sn_toml_array array;
        struct sn_toml_table table;
    };
};
struct sn_toml_item {
    struct sn_toml_item *next;
    struct sn_toml v;
};
struct sn_toml_entry {
    struct sn_toml_entry *next;
    struct sn_str key;
    struct sn_toml_pos pos; /* of the key */
    struct sn_toml v;
};

/* sn_toml_parse - a whole file; ret becomes its root table. bytes_max: 0 = SN_TOML_BYTES_DEFAULT.
 * Returns 0; SN_E_SYNTAX, SN_E_ALREADY_EXISTS (a key or table again), SN_E_DEPTH, SN_E_TOO_LARGE,
 * SN_E_OUT_OF_RANGE (a number beyond 64 bits, a date that is none), all with "LINE:COLUMN: what" as
 * diagnostic; SN_E_NOMEM. Owns: everything is the arena's; `text` is borrowed by bare keys.
 * Context: anywhere, never suspends. */
int sn_toml_parse(struct sn_arena *a, struct sn_str text, size_t bytes_max,
                  struct sn_toml *ret) SN_MUST_CHECK;
/* sn_toml_find - the entry of a table, NULL where absent or where t is no table. */
const struct sn_toml_entry *sn_toml_find(const struct sn_toml *t, struct sn_str key);
/* sn_toml_kind_name - "string", "integer", "float", "boolean", "date-time", "array", "table". */
const char *sn_toml_kind_name(enum sn_toml_kind kind);
/* sn_toml_put_string - appends `s` as a basic string in quotes. Returns 0, the buffer's error,
 * SN_E_INVALID_ARGUMENT for what is not UTF-8. */
int sn_toml_put_string(struct sn_buf *out, struct sn_str s);
