/* SPDX-License-Identifier: Apache-2.0 */
/* wire/json.h - JSON: a strict reader into a compact tree, a writer, and what one does with trees.
 *
 * A value is a 16-byte node. The children of a container lie in one array (object members as
 * key, value pairs), so arrays index in O(1) and walking is linear in memory. Trees live in the
 * caller's arena. Strings without escapes borrow the input text, the others the arena: text and
 * arena must outlive the tree. A parsed tree is read-only (YAML aliases share children); clone it
 * before changing it.
 *
 * Sources: RFC 8259 (JSON), RFC 6901 (pointer), RFC 7396 (merge patch). */
#pragma once
#include "core/arena.h"
#include "core/base.h"
#include "core/buf.h"
#include "core/str.h"

#define SN_JSON_DEPTH_DEFAULT 128
/* Writing, cloning and comparing recurse; 256 levels fit a fiber's stack with room to spare. */
#define SN_JSON_DEPTH_MAX 256
#define SN_JSON_BYTES_DEFAULT (256u << 20)
#define SN_JSON_BYTES_MAX 0xfffffff0u

enum sn_json_kind {
    SN_JSON_NULL,
    SN_JSON_BOOL,
    SN_JSON_INT,    /* any integer an int64 holds */
    SN_JSON_UINT,   /* above INT64_MAX, up to UINT64_MAX */
    SN_JSON_DOUBLE, /* had a fraction or an exponent, or is -0 */
    SN_JSON_BIGINT, /* an integer beyond both; its digits are kept as text */
    SN_JSON_STRING,
    SN_JSON_ARRAY,
    SN_JSON_OBJECT,
};

struct sn_json_member;
struct sn_json {
    uint8_t kind;
    uint8_t cap_log2; /* builders: room for 1 << cap_log2 children; 0 = exactly len */
    uint16_t reserved;
    uint32_t len; /* bytes of a string or bigint, elements of an array, members of an object */
    union {
        bool b;
        int64_t i;
        uint64_t u;
        double d;
        const char *str;
        struct sn_json *items;
        struct sn_json_member *members;
    };
};
struct sn_json_member {
    struct sn_json key, value; /* key is a string node */
};
_Static_assert(sizeof(struct sn_json) == 16, "nodes are 16 bytes");

/* ---- reading --------------------------------------------------------------------------------- */

enum sn_json_dup {
    SN_JSON_DUP_LAST = 0, /* the last value of a repeated key, at the first one's place */
    SN_JSON_DUP_ERROR,
};
struct sn_json_error {
    size_t offset;         /* bytes into the text */
    uint32_t line, column; /* 1-based; columns count characters */
};
struct sn_json_opts {
    uint32_t depth_max; /* 0 = SN_JSON_DEPTH_DEFAULT, at most SN_JSON_DEPTH_MAX */
    size_t bytes_max;   /* 0 = SN_JSON_BYTES_DEFAULT, at most SN_JSON_BYTES_MAX */
    enum sn_json_dup dup;
    struct sn_json_error *error; /* where it failed; may be NULL */
};

/* sn_json_parse - one JSON text, nothing but white space around it. No extensions: no comments, no
 * trailing commas, no byte order mark, no lone surrogates; invalid UTF-8 is an error.
 * opts: NULL for defaults. Returns 0; SN_E_SYNTAX, SN_E_DEPTH, SN_E_OUT_OF_RANGE (a number beyond
 * double), SN_E_TOO_LARGE (bytes_max), SN_E_ALREADY_EXISTS (repeated key under SN_JSON_DUP_ERROR),
 * all with "LINE:COLUMN: what was expected" as diagnostic; SN_E_NOMEM (also the arena's limit).
 * Owns: the tree is the arena's, it borrows `text`. Context: anywhere, never suspends. */
int sn_json_parse(struct sn_arena *a, struct sn_str text, const struct sn_json_opts *opts,
                  const struct sn_json **ret) SN_MUST_CHECK;
/* sn_json_parse_next - as sn_json_parse for one value of several (NDJSON, concatenated): what
 * follows the value is left in *text. SN_E_EOF where only white space is left. */
int sn_json_parse_next(struct sn_arena *a, struct sn_str *text, const struct sn_json_opts *opts,
                       const struct sn_json **ret) SN_MUST_CHECK;

/* ---- looking --------------------------------------------------------------------------------- */
/* Every function accepts NULL for "absent", so that look-ups chain without checks. */

static inline enum sn_json_kind sn_json_kind(const struct sn_json *v)
{
    return v ? (enum sn_json_kind)v->kind : SN_JSON_NULL;
}
static inline bool sn_json_is(const struct sn_json *v, enum sn_json_kind kind)
{
    return v && v->kind == kind;
}
/* sn_json_kind_name - "null", "boolean", "number", "string", "array", "object". */
const char *sn_json_kind_name(enum sn_json_kind kind);

/* sn_json_get, _find - the member's value, NULL where absent or where `v` is no object. Compares
 * lengths first and then bytes, linearly: meant for objects of some dozens of members. */
const struct sn_json *sn_json_find(const struct sn_json *v, struct sn_str key);
static inline const struct sn_json *sn_json_get(const struct sn_json *v, const char *key)
{
    return sn_json_find(v, sn_str(key));
}
/* sn_json_at - element i, NULL beyond the end or where `v` is no array. */
static inline const struct sn_json *sn_json_at(const struct sn_json *v, size_t i)
{
    return v && v->kind == SN_JSON_ARRAY && i < v->len ? &v->items[i] : NULL;
}
/* sn_json_len - elements of an array, members of an object, 0 for everything else. */
static inline size_t sn_json_len(const struct sn_json *v)
{
    return v && (v->kind == SN_JSON_ARRAY || v->kind == SN_JSON_OBJECT) ? v->len : 0;
}
/* sn_json_pointer - RFC 6901: "/spec/ports/0", "~0" for '~', "~1" for '/', "" for `v` itself.
 * NULL where nothing is there ("-" and malformed pointers included). */
const struct sn_json *sn_json_pointer(const struct sn_json *v, struct sn_str pointer);
/* sn_json_path - "spec.ports.0": members and indexes between dots, for keys without dots. */
const struct sn_json *sn_json_path(const struct sn_json *v, const char *path);

/* sn_json_to_* - the value as a C type. Return 0; SN_E_NOT_FOUND for absent, SN_E_INVALID_ARGUMENT
 * for another kind, SN_E_OUT_OF_RANGE for a number the type cannot hold exactly (to_double rounds
 * integers and only fails beyond its range). No diagnostic: the caller knows the name. */
int sn_json_to_bool(const struct sn_json *v, bool *ret) SN_MUST_CHECK;
int sn_json_to_i64(const struct sn_json *v, int64_t *ret) SN_MUST_CHECK;
int sn_json_to_u64(const struct sn_json *v, uint64_t *ret) SN_MUST_CHECK;
int sn_json_to_double(const struct sn_json *v, double *ret) SN_MUST_CHECK;
int sn_json_to_str(const struct sn_json *v, struct sn_str *ret) SN_MUST_CHECK;
/* The same with a default for "absent or another kind". */
bool sn_json_bool_or(const struct sn_json *v, bool other);
int64_t sn_json_i64_or(const struct sn_json *v, int64_t other);
double sn_json_double_or(const struct sn_json *v, double other);
static inline struct sn_str sn_json_str(const struct sn_json *v) /* .ptr NULL where no string */
{
    return v && v->kind == SN_JSON_STRING ? sn_str_of(v->str, v->len) : (struct sn_str){0};
}

/* for (SN_JSON_EACH(array, it)) { it->... }; nothing for what is no array. */
#define SN_JSON_EACH(v, it)                                                              \
    const struct sn_json *it = sn_json_is((v), SN_JSON_ARRAY) ? (v)->items : NULL,       \
                         *it##_end = it ? it + (v)->len : NULL;                          \
    it != it##_end;                                                                      \
    it++
/* for (SN_JSON_MEMBERS(object, m)) { m->key, m->value } */
#define SN_JSON_MEMBERS(v, m)                                                                   \
    const struct sn_json_member *m = sn_json_is((v), SN_JSON_OBJECT) ? (v)->members : NULL,     \
                                *m##_end = m ? m + (v)->len : NULL;                             \
    m != m##_end;                                                                               \
    m++

/* sn_json_eq - deep equality: members in any order, numbers by exact value (1 equals 1.0 and 1e0).
 * Objects with repeated keys (which no reader here makes) compare unequal or equal arbitrarily. */
bool sn_json_eq(const struct sn_json *a, const struct sn_json *b);

/* ---- building -------------------------------------------------------------------------------- */

static inline struct sn_json sn_json_null(void) { return (struct sn_json){.kind = SN_JSON_NULL}; }
static inline struct sn_json sn_json_bool(bool b)
{
    return (struct sn_json){.kind = SN_JSON_BOOL, .b = b};
}
static inline struct sn_json sn_json_i64(int64_t i)
{
    return (struct sn_json){.kind = SN_JSON_INT, .i = i};
}
static inline struct sn_json sn_json_u64(uint64_t u)
{
    return (struct sn_json){.kind = u > INT64_MAX ? SN_JSON_UINT : SN_JSON_INT, .u = u};
}
/* sn_json_double - infinities and NaN have no JSON form: they become null. */
struct sn_json sn_json_double(double d);
/* sn_json_string - borrows `s`, which must outlive the tree; at most SN_JSON_BYTES_MAX bytes. */
static inline struct sn_json sn_json_string(struct sn_str s)
{
    return (struct sn_json){.kind = SN_JSON_STRING, .len = (uint32_t)s.len, .str = s.ptr};
}
static inline struct sn_json sn_json_cstr(const char *s) { return sn_json_string(sn_str(s)); }
static inline struct sn_json sn_json_array(void) { return (struct sn_json){.kind = SN_JSON_ARRAY}; }
static inline struct sn_json sn_json_object(void)
{
    return (struct sn_json){.kind = SN_JSON_OBJECT};
}

/* sn_json_push - appends a copy of node `v` (its children are shared). Returns the element's
 * address, valid until the next push into the same array; NULL without memory. */
struct sn_json *sn_json_push(struct sn_arena *a, struct sn_json *array, struct sn_json v);
/* sn_json_set - adds or replaces member `key` (borrowed). Returns the value's address, valid until
 * the next set of the same object; NULL without memory. */
struct sn_json *sn_json_set(struct sn_arena *a, struct sn_json *object, struct sn_str key,
                            struct sn_json v);
/* sn_json_add - sn_json_set without looking for an existing member: the caller knows it is new. */
struct sn_json *sn_json_add(struct sn_arena *a, struct sn_json *object, struct sn_str key,
                            struct sn_json v);
/* sn_json_del - removes a member, keeping the order of the others. Returns whether it was there. */
bool sn_json_del(struct sn_json *object, struct sn_str key);
/* sn_json_clone - a deep copy whose strings, too, are the arena's. Returns 0, SN_E_NOMEM,
 * SN_E_DEPTH beyond SN_JSON_DEPTH_MAX. */
int sn_json_clone(struct sn_arena *a, const struct sn_json *v, struct sn_json *ret) SN_MUST_CHECK;
/* sn_json_merge - RFC 7396: `patch` applied to `target` (may be NULL); null removes. The result
 * shares unchanged parts with both. Returns 0, SN_E_NOMEM, SN_E_DEPTH. */
int sn_json_merge(struct sn_arena *a, const struct sn_json *target, const struct sn_json *patch,
                  struct sn_json *ret) SN_MUST_CHECK;

/* ---- writing --------------------------------------------------------------------------------- */

struct sn_json_style {
    uint8_t indent;  /* spaces per level; 0 = compact, one line */
    bool sort_keys;  /* members in byte order of their keys */
    bool html;       /* also escape < > & U+2028 U+2029, for text inside a page */
};
/* sn_json_write - appends the text of `v`. style: NULL = compact. Doubles are the shortest text
 * that reads back the same, always with a point or exponent, so that kinds survive; bytes that are
 * not UTF-8 become U+FFFD: the output is always valid. Returns 0, the buffer's error, SN_E_DEPTH.
 */
int sn_json_write(struct sn_buf *out, const struct sn_json *v, const struct sn_json_style *style);
/* sn_json_write_string - a quoted, escaped string. Returns 0 or the buffer's error. */
int sn_json_write_string(struct sn_buf *out, struct sn_str s);
/* sn_json_write_double - as sn_json_write does; "null" for infinities and NaN. */
int sn_json_write_double(struct sn_buf *out, double d);

/* A writer without a tree: the calls follow the text. Commas, colons, escapes and indentation are
 * its work; balanced begins and ends are the caller's (asserted). Errors stick in the buffer. */
struct sn_jsonw {
    struct sn_buf *out;
    struct sn_json_style style; /* sort_keys is ignored */
    uint16_t depth;
    bool after_key;
    uint8_t not_first[SN_JSON_DEPTH_MAX / 8]; /* one bit per level */
};
void sn_jsonw_init(struct sn_jsonw *w, struct sn_buf *out, const struct sn_json_style *style);
void sn_jsonw_object(struct sn_jsonw *w);
void sn_jsonw_object_end(struct sn_jsonw *w);
void sn_jsonw_array(struct sn_jsonw *w);
void sn_jsonw_array_end(struct sn_jsonw *w);
void sn_jsonw_key(struct sn_jsonw *w, struct sn_str key);
void sn_jsonw_str(struct sn_jsonw *w, struct sn_str s);
void sn_jsonw_i64(struct sn_jsonw *w, int64_t v);
void sn_jsonw_u64(struct sn_jsonw *w, uint64_t v);
void sn_jsonw_double(struct sn_jsonw *w, double v);
void sn_jsonw_bool(struct sn_jsonw *w, bool v);
void sn_jsonw_null(struct sn_jsonw *w);
/* sn_jsonw_raw - one value that is JSON text already. */
void sn_jsonw_raw(struct sn_jsonw *w, struct sn_str json);
/* Key and value in one. */
static inline void sn_jsonw_kstr(struct sn_jsonw *w, const char *key, struct sn_str s)
{
    sn_jsonw_key(w, sn_str(key));
    sn_jsonw_str(w, s);
}
static inline void sn_jsonw_ki64(struct sn_jsonw *w, const char *key, int64_t v)
{
    sn_jsonw_key(w, sn_str(key));
    sn_jsonw_i64(w, v);
}
static inline void sn_jsonw_ku64(struct sn_jsonw *w, const char *key, uint64_t v)
{
    sn_jsonw_key(w, sn_str(key));
    sn_jsonw_u64(w, v);
}
static inline void sn_jsonw_kdouble(struct sn_jsonw *w, const char *key, double v)
{
    sn_jsonw_key(w, sn_str(key));
    sn_jsonw_double(w, v);
}
static inline void sn_jsonw_kbool(struct sn_jsonw *w, const char *key, bool v)
{
    sn_jsonw_key(w, sn_str(key));
    sn_jsonw_bool(w, v);
}
