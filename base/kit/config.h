/* SPDX-License-Identifier: Apache-2.0 */
/* kit/config.h - configuration by tables: one description of a C struct's fields reads YAML (or
 * JSON) into it with exact errors, prints it back, and writes its JSON Schema and its reference.
 *
 *   struct listener { struct sn_str address; uint64_t backlog; int64_t timeout; };
 *   static const struct sn_conf_field listener_fields[] = {
 *       SN_CONF_STRING(struct listener, address, "address", .required = true, .help = "Where."),
 *       SN_CONF_UINT(struct listener, backlog, "backlog", .def = "128", .min = 1, .max = 65535),
 *       SN_CONF_DURATION(struct listener, timeout, "timeout", .def = "30s"),
 *   };
 *   static const struct sn_conf_table listener_table = SN_CONF_TABLE(struct listener,
 * listener_fields);
 *
 * Every error is found in one pass and reads
 *   gateway.yaml:12:7: routes[0].timeout: expected a duration such as 250ms, got "abc"
 * Unknown fields are errors and name the nearest known one. Tables and fields are constant; values
 * and strings belong to the arena. Context of every function: anywhere, none suspends. */
#pragma once
#include "core/arena.h"
#include "core/base.h"
#include "core/buf.h"
#include "core/str.h"
#include "wire/yaml.h"

#define SN_CONF_ERRORS_MAX 20
#define SN_CONF_PATH_MAX 256

enum sn_conf_type {
    SN_CONF_T_BOOL = 1,
    SN_CONF_T_INT,      /* int8_t .. int64_t */
    SN_CONF_T_UINT,     /* uint8_t .. uint64_t */
    SN_CONF_T_DOUBLE,
    SN_CONF_T_STRING,   /* struct sn_str; absent has .ptr NULL */
    SN_CONF_T_DURATION, /* int64_t ns from "1m30s" */
    SN_CONF_T_BYTES,    /* uint64_t from "64KiB" or a plain number */
    SN_CONF_T_ENUM,     /* an integer from one of `enums` */
    SN_CONF_T_FLAGS,    /* an integer, the or of a list of `enums` */
    SN_CONF_T_STRUCT,   /* nested, by `sub` */
    SN_CONF_T_LIST,     /* pointer and size_t count */
    SN_CONF_T_MAP,      /* the same, with the key in each element */
    SN_CONF_T_RAW,      /* const struct sn_json *: anything */
};

struct sn_conf;
struct sn_conf_table;
struct sn_conf_enum {
    const char *name; /* NULL ends the list */
    int64_t value;
};

struct sn_conf_field {
    const char *name;
    const char *help; /* one or two sentences, Markdown */
    const char *def;  /* as one would write it; NULL = zero. Lists and structs have none. */
    const char *pattern;        /* strings: POSIX extended regular expression, the whole value */
    const char *pattern_help;   /* what the pattern asks for: "a host name" */
    const struct sn_conf_enum *enums;
    const struct sn_conf_table *sub;
    int64_t min, max; /* of a number, duration, size; length of a string, list or map; 0, 0 = any */
    double min_real, max_real;
    const char *metavar;        /* command line: "URL", "N"; NULL = by type */
    uint32_t offset, len_offset;
    uint32_t elem_size, item_size, key_offset, value_offset;
    uint32_t tag_offset, tag;   /* oneof: stored as uint32_t where this field is given */
    uint32_t given_offset;      /* with has_given: a bool, true where the file has the field */
    uint8_t type, item;         /* item: type of a list's or map's elements */
    uint8_t size;               /* bytes of the C object */
    uint8_t oneof; /* fields of one table with the same number exclude each other; 0 = free */
    char letter;   /* command line: -c */
    const char *bare; /* command line: what the flag means without "=VALUE", which it then needs */
    bool required;      /* for a oneof: one of its fields must be given */
    bool secret;        /* printed as *** */
    bool no_flag;       /* command line: file and environment only */
    bool hidden;        /* accepted, not documented */
    bool has_given;     /* by SN_CONF_GIVEN */
};

struct sn_conf_table {
    const struct sn_conf_field *fields;
    size_t n_fields, size;
    const char *title; /* for schema and reference; may be NULL */
    /* Called for each struct that was read without an error: cross-field checks, by
     * sn_conf_error(c, path, ...). May be NULL. */
    void (*check)(struct sn_conf *c, const char *path, void *obj);
};

#define SN_CONF_TABLE(S, fields_, ...) \
    {.fields = (fields_), .n_fields = SN_COUNT_OF(fields_), .size = sizeof(S), __VA_ARGS__}
#define SN_CONF_AT_(S, m) .offset = offsetof(S, m), .size = (uint8_t)sizeof(((S *)0)->m)
#define SN_CONF_BOOL(S, m, n, ...)                                        \
    {                                                                     \
        .name = n, .type = SN_CONF_T_BOOL, SN_CONF_AT_(S, m), __VA_ARGS__ \
    }
#define SN_CONF_INT(S, m, n, ...) {.name = n, .type = SN_CONF_T_INT, SN_CONF_AT_(S, m), __VA_ARGS__}
#define SN_CONF_UINT(S, m, n, ...)                                        \
    {                                                                     \
        .name = n, .type = SN_CONF_T_UINT, SN_CONF_AT_(S, m), __VA_ARGS__ \
    }
#define SN_CONF_DOUBLE(S, m, n, ...) \
    {.name = n, .type = SN_CONF_T_DOUBLE, SN_CONF_AT_(S, m), __VA_ARGS__}
#define SN_CONF_STRING(S, m, n, ...) \
    {.name = n, .type = SN_CONF_T_STRING, SN_CONF_AT_(S, m), __VA_ARGS__}
#define SN_CONF_DURATION(S, m, n, ...) \
    {.name = n, .type = SN_CONF_T_DURATION, SN_CONF_AT_(S, m), __VA_ARGS__}
#define SN_CONF_BYTES(S, m, n, ...) \
    {.name = n, .type = SN_CONF_T_BYTES, SN_CONF_AT_(S, m), __VA_ARGS__}
#define SN_CONF_ENUM(S, m, n, enums_, ...) \
    {.name = n, .type = SN_CONF_T_ENUM, SN_CONF_AT_(S, m), .enums = (enums_), __VA_ARGS__}
#define SN_CONF_FLAGS(S, m, n, enums_, ...) \
    {.name = n, .type = SN_CONF_T_FLAGS, SN_CONF_AT_(S, m), .enums = (enums_), __VA_ARGS__}
#define SN_CONF_STRUCT(S, m, n, sub_, ...) \
    {.name = n, .type = SN_CONF_T_STRUCT, .offset = offsetof(S, m), .sub = (sub_), __VA_ARGS__}
#define SN_CONF_RAW(S, m, n, ...) {.name = n, .type = SN_CONF_T_RAW, SN_CONF_AT_(S, m), __VA_ARGS__}
/* A list `m` of `nm` elements; item_: SN_CONF_T_*. For structs give .sub. */
#define SN_CONF_LIST(S, m, nm, n, item_, ...)                                                     \
    {.name = n, .type = SN_CONF_T_LIST, .item = item_, .offset = offsetof(S, m),                  \
     .len_offset = offsetof(S, nm), .elem_size = sizeof(*((S *)0)->m),                            \
     .item_size = sizeof(*((S *)0)->m), __VA_ARGS__}
/* A mapping into a list of elements E, whose member `key` (struct sn_str) gets the key. The value
 * is the element itself (STRUCT, by .sub) or its member `value`. */
#define SN_CONF_MAP_STRUCT(S, m, nm, n, E, key, sub_, ...)                                     \
    {.name = n, .type = SN_CONF_T_MAP, .item = SN_CONF_T_STRUCT, .offset = offsetof(S, m),     \
     .len_offset = offsetof(S, nm), .elem_size = sizeof(E), .key_offset = offsetof(E, key),    \
     .sub = (sub_), __VA_ARGS__}
#define SN_CONF_MAP(S, m, nm, n, item_, E, key, value, ...)                                       \
    {.name = n, .type = SN_CONF_T_MAP, .item = item_, .offset = offsetof(S, m),                   \
     .len_offset = offsetof(S, nm), .elem_size = sizeof(E), .key_offset = offsetof(E, key),       \
     .value_offset = offsetof(E, value), .item_size = sizeof(((E *)0)->value), __VA_ARGS__}
/* For .oneof fields: SN_CONF_TAG(struct route, action, ROUTE_PROXY). */
#define SN_CONF_TAG(S, m, value) .tag_offset = offsetof(S, m), .tag = (value)
/* For a nested struct that means something by being there: the bool S.m says whether it was given,
 * and one that was not is not printed. */
#define SN_CONF_GIVEN(S, m) .has_given = true, .given_offset = offsetof(S, m)

struct sn_conf_error {
    struct sn_yaml_pos pos;
    struct sn_str text; /* the whole line, without a newline */
};
struct sn_conf {
    struct sn_arena *arena;
    struct sn_str file;
    struct sn_yaml_doc doc; /* root NULL until sn_conf_read */
    unsigned n_errors;      /* all that were found; the first SN_CONF_ERRORS_MAX are kept */
    struct sn_conf_error errors[SN_CONF_ERRORS_MAX];
};

/* sn_conf_init - file: as messages show it (borrowed). */
void sn_conf_init(struct sn_conf *c, struct sn_arena *a, const char *file);
/* sn_conf_read - parses the text, YAML or JSON. Returns 0 or the parser's code (also recorded). */
int sn_conf_read(struct sn_conf *c, struct sn_str text) SN_MUST_CHECK;
/* sn_conf_bind - fills `out` (table->size bytes, overwritten) from the document: defaults first. An
 * empty document gives the defaults. Returns 0; SN_E_INVALID_ARGUMENT with the first error as
 * diagnostic, all of them in sn_conf_report; SN_E_NOMEM. */
int sn_conf_bind(struct sn_conf *c, const struct sn_conf_table *table, void *out) SN_MUST_CHECK;
/* sn_conf_load - init, read and bind in one. */
int sn_conf_load(struct sn_conf *c, struct sn_arena *a, const char *file, struct sn_str text,
                 const struct sn_conf_table *table, void *out) SN_MUST_CHECK;
/* sn_conf_defaults - `out` as an empty document would fill it; required fields stay zero. Returns 0
 * or SN_E_NOMEM. */
int sn_conf_defaults(struct sn_conf *c, const struct sn_conf_table *table, void *out) SN_MUST_CHECK;

/* sn_conf_error - records an error about the value at `path` ("routes[2].to[0].upstream", "" for
 * the whole), placed at that value or the nearest existing one around it. For checks after binding.
 */
void sn_conf_error(struct sn_conf *c, const char *path, const char *fmt, ...) SN_PRINTF(3, 4);
/* sn_conf_status - 0 without errors, else SN_E_INVALID_ARGUMENT with the first as diagnostic. */
int sn_conf_status(const struct sn_conf *c) SN_MUST_CHECK;
/* sn_conf_report - appends every error, a line each, in the order of the file. */
int sn_conf_report(struct sn_conf *c, struct sn_buf *out);

/* sn_conf_set_text - sets one scalar (or a list of scalars, separated by commas) of a top-level
 * field from text: an environment variable or a flag. Returns 0 or SN_E_INVALID_ARGUMENT with
 * "expected
 * ..., got ..." as diagnostic; SN_E_NOMEM. */
int sn_conf_set_text(struct sn_arena *a, const struct sn_conf_field *f, struct sn_str text,
                     void *out) SN_MUST_CHECK;
/* sn_conf_append_text - one more element of a list of scalars. As sn_conf_set_text. */
int sn_conf_append_text(struct sn_arena *a, const struct sn_conf_field *f, struct sn_str text,
                        void *out) SN_MUST_CHECK;

/* sn_conf_dump - the struct as a tree, secrets as "***". Without secrets, reading the tree gives the
 * same struct again. Returns 0, SN_E_NOMEM. */
int sn_conf_dump(struct sn_arena *a, const struct sn_conf_table *table, const void *obj,
                 struct sn_json *ret) SN_MUST_CHECK;
/* sn_conf_schema - appends a JSON Schema (2020-12) of the file. Returns 0 or the buffer's error. */
int sn_conf_schema(const struct sn_conf_table *table, struct sn_buf *out);
/* sn_conf_reference - appends a Markdown table of every key: type, default, meaning. */
int sn_conf_reference(const struct sn_conf_table *table, struct sn_buf *out);
/* sn_conf_type_text - "duration", "one of a, b", "list of strings": for reference and help. */
int sn_conf_type_text(const struct sn_conf_field *f, struct sn_buf *out);
