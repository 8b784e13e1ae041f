/* SPDX-License-Identifier: Apache-2.0 */
/* wire/pb.h - Protocol Buffers: messages are plain C structs, described by constant tables.
 *
 * protoc-gen-sennit writes one struct and one table per message; everything here works on the
 * tables, so there is one decoder, one encoder and one JSON mapping for all messages. Memory comes
 * from an arena: a decoded message dies with it. Strings borrow the input unless SN_PB_COPY is
 * asked for, so the input must live as long as the message.
 *
 * How fields appear in a struct (offsets are in the table):
 *   scalar, enum        the C type; enums are int32_t and keep unknown values
 *   string, bytes       struct sn_str
 *   message, group      pointer, NULL where absent
 *   repeated T          SN_PB_REPEATED_OF(T): ptr, len, cap; messages as T **
 *   map<K,V>            repeated entry messages with `key` and `value`; decoded maps are sorted by
 *                       key and hold each key once
 *   oneof               an anonymous union and `NAME_case`, the number of the field that is set
 *   explicit presence   a bit in sn_has, read and written by the generated helpers
 *
 * Output is deterministic: fields by ascending number, then unknown fields in arrival order; map
 * entries in array order. Proto2 extensions are kept as unknown fields.
 *
 * Sources: protobuf.dev "Encoding", "ProtoJSON Format", descriptor.proto. */
#pragma once
#include "core/arena.h"
#include "core/buf.h"
#include "core/status.h"
#include "core/str.h"

/* Nesting allowed in binary and JSON, both directions. */
#define SN_PB_DEPTH_MAX 100
/* A message's largest encoding: lengths are int32 in every other implementation. */
#define SN_PB_BYTES_MAX 0x7fffffffu
/* Largest field number. */
#define SN_PB_NUMBER_MAX 536870911u

/* Values equal FieldDescriptorProto.Type. */
enum sn_pb_type {
    SN_PB_DOUBLE = 1,
    SN_PB_FLOAT,
    SN_PB_INT64,
    SN_PB_UINT64,
    SN_PB_INT32,
    SN_PB_FIXED64,
    SN_PB_FIXED32,
    SN_PB_BOOL,
    SN_PB_STRING,
    SN_PB_GROUP,
    SN_PB_MESSAGE,
    SN_PB_BYTES,
    SN_PB_UINT32,
    SN_PB_ENUM,
    SN_PB_SFIXED32,
    SN_PB_SFIXED64,
    SN_PB_SINT32,
    SN_PB_SINT64,
};

enum sn_pb_field_flag {
    SN_PB_F_REPEATED = 1,
    SN_PB_F_PACKED = 2,   /* written packed; both forms are always read */
    SN_PB_F_MAP = 4,      /* repeated entry messages */
    SN_PB_F_HASBIT = 8,   /* explicit presence, `presence` is the bit */
    SN_PB_F_ONEOF = 16,   /* member of a oneof, `presence` is the offset of its case */
    SN_PB_F_REQUIRED = 32,
    SN_PB_F_UTF8 = 64,    /* proto3 string: invalid UTF-8 is an error */
    SN_PB_F_CLOSED = 128, /* proto2 enum: values outside it become unknown fields */
};

struct sn_pb_desc;

struct sn_pb_enum_value {
    struct sn_str name;
    int32_t number;
};
struct sn_pb_enum {
    struct sn_str full_name;
    const struct sn_pb_enum_value *values; /* ascending number; first of equals is canonical */
    uint32_t n_values;
};

struct sn_pb_field {
    struct sn_str name, json_name;
    union {
        const struct sn_pb_desc *msg;
        const struct sn_pb_enum *enm;
    } sub;
    uint32_t number;
    uint32_t tag; /* number and wire type as written */
    uint32_t offset;
    uint16_t presence;
    uint8_t type, flags;
};

/* Messages whose JSON form is special. */
enum sn_pb_wkt {
    SN_PB_WKT_NONE,
    SN_PB_WKT_ANY,
    SN_PB_WKT_TIMESTAMP,
    SN_PB_WKT_DURATION,
    SN_PB_WKT_WRAPPER,
    SN_PB_WKT_STRUCT,
    SN_PB_WKT_VALUE,
    SN_PB_WKT_LIST_VALUE,
    SN_PB_WKT_FIELD_MASK,
};

enum sn_pb_desc_flag {
    SN_PB_D_MAPS = 1,     /* some field is a map */
    SN_PB_D_REQUIRED = 2, /* some field is required */
    SN_PB_D_ENTRY = 4,    /* is itself a map entry */
};

struct sn_pb_desc {
    struct sn_str full_name;
    const struct sn_pb_field *fields; /* ascending number */
    const uint16_t *dense;            /* number -> index + 1, 0 where there is no such field */
    const struct sn_pb_file *file;
    uint32_t size; /* of the struct */
    uint16_t n_fields, n_dense, n_has;
    uint8_t flags, wkt;
};

struct sn_pb_method {
    struct sn_str name, path; /* "Get", "/pkg.Service/Get" */
    const struct sn_pb_desc *input, *output;
    bool client_streaming, server_streaming;
};
struct sn_pb_service {
    struct sn_str full_name;
    const struct sn_pb_method *methods;
    uint32_t n_methods;
    const struct sn_pb_file *file;
};
/* A .proto file: what server reflection and Any resolution need. */
struct sn_pb_file {
    struct sn_str name, package;
    struct sn_str descriptor; /* serialised FileDescriptorProto without source info */
    const struct sn_pb_file *const *deps;
    const struct sn_pb_desc *const *msgs; /* nested ones included */
    const struct sn_pb_enum *const *enums;
    const struct sn_pb_service *const *services;
    uint32_t n_deps, n_msgs, n_enums, n_services;
};

/* Unknown fields as received, kept as borrowed (or copied) runs; a ring whose entry is the last
 * run, so that appending is O(1). */
struct sn_pb_unknown {
    struct sn_pb_unknown *next;
    struct sn_str bytes;
};
/* Every message starts with this; uint32_t sn_has[(n_has + 31) / 32] follows directly. */
struct sn_pb_head {
    struct sn_pb_unknown *unknown;
};

/* A cap below len says that ptr is the caller's: the first append copies it to the arena. */
#define SN_PB_REPEATED_OF(type) \
    struct {                    \
        type *ptr;              \
        uint32_t len, cap;      \
    }
struct sn_pb_array {
    void *ptr;
    uint32_t len, cap;
};

/* ---- binary ---------------------------------------------------------------------------------- */

enum sn_pb_decode_flag {
    SN_PB_COPY = 1,            /* strings and unknown fields are copied into the arena */
    SN_PB_DISCARD_UNKNOWN = 2, /* unknown fields are checked and dropped */
    SN_PB_PARTIAL = 4,         /* missing required fields are not an error */
};

/* sn_pb_decode - merges the encoding `in` into *msg, which is zeroed or holds an earlier message.
 * flags: of enum sn_pb_decode_flag. Stack use is constant, whatever the nesting.
 * Returns 0; SN_E_SYNTAX (truncated, overlong varint, bad tag, invalid UTF-8), SN_E_DEPTH beyond
 * SN_PB_DEPTH_MAX, SN_E_TOO_LARGE beyond SN_PB_BYTES_MAX, SN_E_INVALID_ARGUMENT (required field
 * missing), SN_E_NOMEM (the arena's limit included). On failure *msg is to be thrown away.
 * Owns: the message belongs to the arena; without SN_PB_COPY it also borrows `in`.
 * Context: any thread, never suspends. Source: protobuf.dev "Encoding". */
int sn_pb_decode(const struct sn_pb_desc *d, void *msg, struct sn_str in, unsigned flags,
                 struct sn_arena *a) SN_MUST_CHECK;
/* sn_pb_new - a zeroed message; NULL without memory. */
static inline void *sn_pb_new(const struct sn_pb_desc *d, struct sn_arena *a)
{
    return sn_arena_zalloc(a, d->size);
}
/* sn_pb_parse - sn_pb_new and sn_pb_decode. *ret is set only on success. */
int sn_pb_parse(const struct sn_pb_desc *d, struct sn_str in, unsigned flags, struct sn_arena *a,
                void **ret) SN_MUST_CHECK;
/* sn_pb_encode - appends the encoding of *msg to `out`; required fields are not checked.
 * Returns the bytes appended; SN_E_NOMEM, SN_E_TOO_LARGE (the buffer's limit or
 * SN_PB_BYTES_MAX), SN_E_DEPTH, SN_E_INVALID_ARGUMENT (a proto3 string that is not UTF-8). On
 * failure `out` is as before, except for its sticky error where that was the cause. */
ssize_t sn_pb_encode(const struct sn_pb_desc *d, const void *msg, struct sn_buf *out) SN_MUST_CHECK;
/* sn_pb_clone - a deep copy that borrows nothing but the tables. Returns as encode and decode. */
int sn_pb_clone(const struct sn_pb_desc *d, const void *msg, struct sn_arena *a, void **ret)
    SN_MUST_CHECK;
/* sn_pb_equal - whether both encode to the same bytes (map order matters, NaN equals itself).
 * Returns 1, 0 or as sn_pb_encode. */
int sn_pb_equal(const struct sn_pb_desc *d, const void *x, const void *y) SN_MUST_CHECK;
/* sn_pb_discard_unknown - drops unknown fields, recursively (to SN_PB_DEPTH_MAX). */
void sn_pb_discard_unknown(const struct sn_pb_desc *d, void *msg);

/* ---- JSON ------------------------------------------------------------------------------------ */

struct sn_pb_json_opts {
    bool original_names; /* write proto names instead of lowerCamelCase */
    bool defaults;       /* write fields without presence even at their default */
    bool enum_numbers;   /* write enums as numbers */
    bool ignore_unknown; /* reading: skip unknown names and enum names instead of failing */
    /* Finds the message of an Any by full name; NULL result is SN_E_NOT_FOUND. Borrowed. */
    const struct sn_pb_desc *(*resolve)(struct sn_str full_name, void *arg);
    void *arg;
};
/* sn_pb_to_json - appends the ProtoJSON form, compact. opts NULL for defaults. Unknown fields are
 * not written. Returns 0; SN_E_INVALID_ARGUMENT (a Timestamp, Duration, FieldMask or Value that
 * has no JSON form, invalid UTF-8), SN_E_NOT_FOUND (Any of unknown type), SN_E_DEPTH,
 * SN_E_NOMEM, SN_E_TOO_LARGE. Source: protobuf.dev "ProtoJSON Format". */
int sn_pb_to_json(const struct sn_pb_desc *d, const void *msg, const struct sn_pb_json_opts *opts,
                  struct sn_buf *out) SN_MUST_CHECK;
/* sn_pb_from_json - merges the JSON text into the zeroed *msg. Accepts both spellings of names and
 * every form the mapping lists. The message borrows nothing from `in`.
 * Returns 0; SN_E_SYNTAX (not JSON, wrong kind of value, out of range; the diagnostic has the
 * field), SN_E_NOT_FOUND (Any of unknown type), SN_E_DEPTH, SN_E_NOMEM. */
int sn_pb_from_json(const struct sn_pb_desc *d, void *msg, struct sn_str in,
                    const struct sn_pb_json_opts *opts, struct sn_arena *a) SN_MUST_CHECK;

/* ---- building and reading without knowing the type ------------------------------------------- */

union sn_pb_value {
    double f64;
    float f32;
    int32_t i32; /* enums too */
    int64_t i64;
    uint32_t u32;
    uint64_t u64;
    bool b;
    struct sn_str s;
    void *msg;
};
/* sn_pb_elem_size - bytes one value of `type` takes in a struct or array. */
size_t sn_pb_elem_size(unsigned type);
/* sn_pb_field_by_name - by proto or JSON name; NULL where there is none. */
const struct sn_pb_field *sn_pb_field_by_name(const struct sn_pb_desc *d, struct sn_str name);
const struct sn_pb_field *sn_pb_field_by_number(const struct sn_pb_desc *d, uint32_t number);
/* sn_pb_has - explicit presence where the field has it; otherwise "is not the default" (for
 * repeated fields: is not empty). */
bool sn_pb_has(const void *msg, const struct sn_pb_field *f);
/* sn_pb_get - a singular field's value, zero where absent (proto2 defaults are the generated
 * getters' business). */
union sn_pb_value sn_pb_get(const void *msg, const struct sn_pb_field *f);
/* sn_pb_set - stores a singular value and marks it present; strings are borrowed. */
void sn_pb_set(void *msg, const struct sn_pb_field *f, union sn_pb_value v);
/* sn_pb_clear - as if never set. */
void sn_pb_clear(void *msg, const struct sn_pb_field *f);
uint32_t sn_pb_len(const void *msg, const struct sn_pb_field *f);
/* sn_pb_at - element i of a repeated field; i < sn_pb_len. */
union sn_pb_value sn_pb_at(const void *msg, const struct sn_pb_field *f, uint32_t i);
/* sn_pb_append - adds an element. Returns 0 or SN_E_NOMEM. */
int sn_pb_append(void *msg, const struct sn_pb_field *f, union sn_pb_value v, struct sn_arena *a)
    SN_MUST_CHECK;
/* sn_pb_mutable - the sub-message, created where absent; NULL without memory. */
void *sn_pb_mutable(void *msg, const struct sn_pb_field *f, struct sn_arena *a);

/* sn_pb_array_add - room for one more element of `elem` bytes, zeroed. NULL without memory.
 * The generated _add_ helpers call it. */
void *sn_pb_array_add(void *array, size_t elem, struct sn_arena *a);
/* sn_pb_map_str, sn_pb_map_int - the entry with this key, or NULL. `map` is a map field, `d` its
 * entry's table. O(log n) where the map was decoded and not appended to since, else O(n). */
void *sn_pb_map_str(const void *map, const struct sn_pb_desc *d, struct sn_str key);
void *sn_pb_map_int(const void *map, const struct sn_pb_desc *d, uint64_t key);

/* sn_pb_enum_name - the canonical name of `number`, .ptr NULL where it has none. */
struct sn_str sn_pb_enum_name(const struct sn_pb_enum *e, int32_t number);
/* sn_pb_enum_number - Returns 0 and the number, or SN_E_NOT_FOUND without diagnostic. */
int sn_pb_enum_number(const struct sn_pb_enum *e, struct sn_str name, int32_t *ret) SN_MUST_CHECK;
/* sn_pb_find - the message with this full name in `file` or what it imports; NULL where absent. */
const struct sn_pb_desc *sn_pb_find(const struct sn_pb_file *file, struct sn_str full_name);

/* Presence bits, for the generated helpers. */
static inline bool sn_pb_has_bit(const void *msg, unsigned bit)
{
    const uint32_t *has = (const uint32_t *)((const char *)msg + sizeof(struct sn_pb_head));
    return has[bit >> 5] >> (bit & 31) & 1;
}
static inline void sn_pb_set_bit(void *msg, unsigned bit)
{
    uint32_t *has = (uint32_t *)((char *)msg + sizeof(struct sn_pb_head));
    has[bit >> 5] |= 1u << (bit & 31);
}
static inline void sn_pb_clear_bit(void *msg, unsigned bit)
{
    uint32_t *has = (uint32_t *)((char *)msg + sizeof(struct sn_pb_head));
    has[bit >> 5] &= ~(1u << (bit & 31));
}
