/* Written by protoc-gen-sennit from google/protobuf/descriptor.proto; edits are lost. */
#pragma once
#include "wire/pb.h"

enum google_protobuf_field_descriptor_proto_type {
    GOOGLE_PROTOBUF_FIELD_DESCRIPTOR_PROTO_TYPE_DOUBLE = 1,
    GOOGLE_PROTOBUF_FIELD_DESCRIPTOR_PROTO_TYPE_FLOAT = 2,
    GOOGLE_PROTOBUF_FIELD_DESCRIPTOR_PROTO_TYPE_INT64 = 3,
    GOOGLE_PROTOBUF_FIELD_DESCRIPTOR_PROTO_TYPE_UINT64 = 4,
    GOOGLE_PROTOBUF_FIELD_DESCRIPTOR_PROTO_TYPE_INT32 = 5,
    GOOGLE_PROTOBUF_FIELD_DESCRIPTOR_PROTO_TYPE_FIXED64 = 6,
    GOOGLE_PROTOBUF_FIELD_DESCRIPTOR_PROTO_TYPE_FIXED32 = 7,
    GOOGLE_PROTOBUF_FIELD_DESCRIPTOR_PROTO_TYPE_BOOL = 8,
    GOOGLE_PROTOBUF_FIELD_DESCRIPTOR_PROTO_TYPE_STRING = 9,
    GOOGLE_PROTOBUF_FIELD_DESCRIPTOR_PROTO_TYPE_GROUP = 10,
    GOOGLE_PROTOBUF_FIELD_DESCRIPTOR_PROTO_TYPE_MESSAGE = 11,
    GOOGLE_PROTOBUF_FIELD_DESCRIPTOR_PROTO_TYPE_BYTES = 12,
    GOOGLE_PROTOBUF_FIELD_DESCRIPTOR_PROTO_TYPE_UINT32 = 13,
    GOOGLE_PROTOBUF_FIELD_DESCRIPTOR_PROTO_TYPE_ENUM = 14,
    GOOGLE_PROTOBUF_FIELD_DESCRIPTOR_PROTO_TYPE_SFIXED32 = 15,
    GOOGLE_PROTOBUF_FIELD_DESCRIPTOR_PROTO_TYPE_SFIXED64 = 16,
    GOOGLE_PROTOBUF_FIELD_DESCRIPTOR_PROTO_TYPE_SINT32 = 17,
    GOOGLE_PROTOBUF_FIELD_DESCRIPTOR_PROTO_TYPE_SINT64 = 18,
};
extern const struct sn_pb_enum google_protobuf_field_descriptor_proto_type_enum;

enum google_protobuf_field_descriptor_proto_label {
    GOOGLE_PROTOBUF_FIELD_DESCRIPTOR_PROTO_LABEL_OPTIONAL = 1,
    GOOGLE_PROTOBUF_FIELD_DESCRIPTOR_PROTO_LABEL_REQUIRED = 2,
    GOOGLE_PROTOBUF_FIELD_DESCRIPTOR_PROTO_LABEL_REPEATED = 3,
};
extern const struct sn_pb_enum google_protobuf_field_descriptor_proto_label_enum;

enum google_protobuf_file_options_optimize_mode {
    GOOGLE_PROTOBUF_FILE_OPTIONS_OPTIMIZE_MODE_SPEED = 1,
    GOOGLE_PROTOBUF_FILE_OPTIONS_OPTIMIZE_MODE_CODE_SIZE = 2,
    GOOGLE_PROTOBUF_FILE_OPTIONS_OPTIMIZE_MODE_LITE_RUNTIME = 3,
};
extern const struct sn_pb_enum google_protobuf_file_options_optimize_mode_enum;

enum google_protobuf_field_options_c_type {
    GOOGLE_PROTOBUF_FIELD_OPTIONS_C_TYPE_STRING = 0,
    GOOGLE_PROTOBUF_FIELD_OPTIONS_C_TYPE_CORD = 1,
    GOOGLE_PROTOBUF_FIELD_OPTIONS_C_TYPE_STRING_PIECE = 2,
};
extern const struct sn_pb_enum google_protobuf_field_options_c_type_enum;

enum google_protobuf_field_options_js_type {
    GOOGLE_PROTOBUF_FIELD_OPTIONS_JS_TYPE_JS_NORMAL = 0,
    GOOGLE_PROTOBUF_FIELD_OPTIONS_JS_TYPE_JS_STRING = 1,
    GOOGLE_PROTOBUF_FIELD_OPTIONS_JS_TYPE_JS_NUMBER = 2,
};
extern const struct sn_pb_enum google_protobuf_field_options_js_type_enum;

enum google_protobuf_method_options_idempotency_level {
    GOOGLE_PROTOBUF_METHOD_OPTIONS_IDEMPOTENCY_LEVEL_IDEMPOTENCY_UNKNOWN = 0,
    GOOGLE_PROTOBUF_METHOD_OPTIONS_IDEMPOTENCY_LEVEL_NO_SIDE_EFFECTS = 1,
    GOOGLE_PROTOBUF_METHOD_OPTIONS_IDEMPOTENCY_LEVEL_IDEMPOTENT = 2,
};
extern const struct sn_pb_enum google_protobuf_method_options_idempotency_level_enum;

struct google_protobuf_file_descriptor_set;
struct google_protobuf_file_descriptor_proto;
struct google_protobuf_descriptor_proto;
struct google_protobuf_descriptor_proto_extension_range;
struct google_protobuf_descriptor_proto_reserved_range;
struct google_protobuf_extension_range_options;
struct google_protobuf_field_descriptor_proto;
struct google_protobuf_oneof_descriptor_proto;
struct google_protobuf_enum_descriptor_proto;
struct google_protobuf_enum_descriptor_proto_enum_reserved_range;
struct google_protobuf_enum_value_descriptor_proto;
struct google_protobuf_service_descriptor_proto;
struct google_protobuf_method_descriptor_proto;
struct google_protobuf_file_options;
struct google_protobuf_message_options;
struct google_protobuf_field_options;
struct google_protobuf_oneof_options;
struct google_protobuf_enum_options;
struct google_protobuf_enum_value_options;
struct google_protobuf_service_options;
struct google_protobuf_method_options;
struct google_protobuf_uninterpreted_option;
struct google_protobuf_uninterpreted_option_name_part;
struct google_protobuf_source_code_info;
struct google_protobuf_source_code_info_location;
struct google_protobuf_generated_code_info;
struct google_protobuf_generated_code_info_annotation;

struct google_protobuf_file_descriptor_set {
    struct sn_pb_head sn_head;
    SN_PB_REPEATED_OF(struct google_protobuf_file_descriptor_proto *) file;
};
extern const struct sn_pb_desc google_protobuf_file_descriptor_set_desc;

struct google_protobuf_file_descriptor_proto {
    struct sn_pb_head sn_head;
    uint32_t sn_has[1];
    struct sn_str name;
    struct sn_str package;
    SN_PB_REPEATED_OF(struct sn_str) dependency;
    SN_PB_REPEATED_OF(int32_t) public_dependency;
    SN_PB_REPEATED_OF(int32_t) weak_dependency;
    SN_PB_REPEATED_OF(struct google_protobuf_descriptor_proto *) message_type;
    SN_PB_REPEATED_OF(struct google_protobuf_enum_descriptor_proto *) enum_type;
    SN_PB_REPEATED_OF(struct google_protobuf_service_descriptor_proto *) service;
    SN_PB_REPEATED_OF(struct google_protobuf_field_descriptor_proto *) extension;
    struct google_protobuf_file_options *options;
    struct google_protobuf_source_code_info *source_code_info;
    struct sn_str syntax;
};
extern const struct sn_pb_desc google_protobuf_file_descriptor_proto_desc;

struct google_protobuf_descriptor_proto {
    struct sn_pb_head sn_head;
    uint32_t sn_has[1];
    struct sn_str name;
    SN_PB_REPEATED_OF(struct google_protobuf_field_descriptor_proto *) field;
    SN_PB_REPEATED_OF(struct google_protobuf_field_descriptor_proto *) extension;
    SN_PB_REPEATED_OF(struct google_protobuf_descriptor_proto *) nested_type;
    SN_PB_REPEATED_OF(struct google_protobuf_enum_descriptor_proto *) enum_type;
    SN_PB_REPEATED_OF(struct google_protobuf_descriptor_proto_extension_range *) extension_range;
    SN_PB_REPEATED_OF(struct google_protobuf_oneof_descriptor_proto *) oneof_decl;
    struct google_protobuf_message_options *options;
    SN_PB_REPEATED_OF(struct google_protobuf_descriptor_proto_reserved_range *) reserved_range;
    SN_PB_REPEATED_OF(struct sn_str) reserved_name;
};
extern const struct sn_pb_desc google_protobuf_descriptor_proto_desc;

struct google_protobuf_descriptor_proto_extension_range {
    struct sn_pb_head sn_head;
    uint32_t sn_has[1];
    int32_t start;
    int32_t end;
    struct google_protobuf_extension_range_options *options;
};
extern const struct sn_pb_desc google_protobuf_descriptor_proto_extension_range_desc;

struct google_protobuf_descriptor_proto_reserved_range {
    struct sn_pb_head sn_head;
    uint32_t sn_has[1];
    int32_t start;
    int32_t end;
};
extern const struct sn_pb_desc google_protobuf_descriptor_proto_reserved_range_desc;

struct google_protobuf_extension_range_options {
    struct sn_pb_head sn_head;
    SN_PB_REPEATED_OF(struct google_protobuf_uninterpreted_option *) uninterpreted_option;
};
extern const struct sn_pb_desc google_protobuf_extension_range_options_desc;

struct google_protobuf_field_descriptor_proto {
    struct sn_pb_head sn_head;
    uint32_t sn_has[1];
    struct sn_str name;
    int32_t number;
    int32_t label; /* enum google_protobuf_field_descriptor_proto_label */
    int32_t type; /* enum google_protobuf_field_descriptor_proto_type */
    struct sn_str type_name;
    struct sn_str extendee;
    struct sn_str default_value;
    int32_t oneof_index;
    struct sn_str json_name;
    struct google_protobuf_field_options *options;
    bool proto3_optional;
};
extern const struct sn_pb_desc google_protobuf_field_descriptor_proto_desc;

struct google_protobuf_oneof_descriptor_proto {
    struct sn_pb_head sn_head;
    uint32_t sn_has[1];
    struct sn_str name;
    struct google_protobuf_oneof_options *options;
};
extern const struct sn_pb_desc google_protobuf_oneof_descriptor_proto_desc;

struct google_protobuf_enum_descriptor_proto {
    struct sn_pb_head sn_head;
    uint32_t sn_has[1];
    struct sn_str name;
    SN_PB_REPEATED_OF(struct google_protobuf_enum_value_descriptor_proto *) value;
    struct google_protobuf_enum_options *options;
    SN_PB_REPEATED_OF(struct google_protobuf_enum_descriptor_proto_enum_reserved_range *) reserved_range;
    SN_PB_REPEATED_OF(struct sn_str) reserved_name;
};
extern const struct sn_pb_desc google_protobuf_enum_descriptor_proto_desc;

struct google_protobuf_enum_descriptor_proto_enum_reserved_range {
    struct sn_pb_head sn_head;
    uint32_t sn_has[1];
    int32_t start;
    int32_t end;
};
extern const struct sn_pb_desc google_protobuf_enum_descriptor_proto_enum_reserved_range_desc;

struct google_protobuf_enum_value_descriptor_proto {
    struct sn_pb_head sn_head;
    uint32_t sn_has[1];
    struct sn_str name;
    int32_t number;
    struct google_protobuf_enum_value_options *options;
};
extern const struct sn_pb_desc google_protobuf_enum_value_descriptor_proto_desc;

struct google_protobuf_service_descriptor_proto {
    struct sn_pb_head sn_head;
    uint32_t sn_has[1];
    struct sn_str name;
    SN_PB_REPEATED_OF(struct google_protobuf_method_descriptor_proto *) method;
    struct google_protobuf_service_options *options;
};
extern const struct sn_pb_desc google_protobuf_service_descriptor_proto_desc;

struct google_protobuf_method_descriptor_proto {
    struct sn_pb_head sn_head;
    uint32_t sn_has[1];
    struct sn_str name;
    struct sn_str input_type;
    struct sn_str output_type;
    struct google_protobuf_method_options *options;
    bool client_streaming;
    bool server_streaming;
};
extern const struct sn_pb_desc google_protobuf_method_descriptor_proto_desc;

struct google_protobuf_file_options {
    struct sn_pb_head sn_head;
    uint32_t sn_has[1];
    struct sn_str java_package;
    struct sn_str java_outer_classname;
    bool java_multiple_files;
    bool java_generate_equals_and_hash;
    bool java_string_check_utf8;
    int32_t optimize_for; /* enum google_protobuf_file_options_optimize_mode */
    struct sn_str go_package;
    bool cc_generic_services;
    bool java_generic_services;
    bool py_generic_services;
    bool php_generic_services;
    bool deprecated;
    bool cc_enable_arenas;
    struct sn_str objc_class_prefix;
    struct sn_str csharp_namespace;
    struct sn_str swift_prefix;
    struct sn_str php_class_prefix;
    struct sn_str php_namespace;
    struct sn_str php_metadata_namespace;
    struct sn_str ruby_package;
    SN_PB_REPEATED_OF(struct google_protobuf_uninterpreted_option *) uninterpreted_option;
};
extern const struct sn_pb_desc google_protobuf_file_options_desc;

struct google_protobuf_message_options {
    struct sn_pb_head sn_head;
    uint32_t sn_has[1];
    bool message_set_wire_format;
    bool no_standard_descriptor_accessor;
    bool deprecated;
    bool map_entry;
    SN_PB_REPEATED_OF(struct google_protobuf_uninterpreted_option *) uninterpreted_option;
};
extern const struct sn_pb_desc google_protobuf_message_options_desc;

struct google_protobuf_field_options {
    struct sn_pb_head sn_head;
    uint32_t sn_has[1];
    int32_t ctype; /* enum google_protobuf_field_options_c_type */
    bool packed;
    int32_t jstype; /* enum google_protobuf_field_options_js_type */
    bool lazy;
    bool unverified_lazy;
    bool deprecated;
    bool weak;
    SN_PB_REPEATED_OF(struct google_protobuf_uninterpreted_option *) uninterpreted_option;
};
extern const struct sn_pb_desc google_protobuf_field_options_desc;

struct google_protobuf_oneof_options {
    struct sn_pb_head sn_head;
    SN_PB_REPEATED_OF(struct google_protobuf_uninterpreted_option *) uninterpreted_option;
};
extern const struct sn_pb_desc google_protobuf_oneof_options_desc;

struct google_protobuf_enum_options {
    struct sn_pb_head sn_head;
    uint32_t sn_has[1];
    bool allow_alias;
    bool deprecated;
    SN_PB_REPEATED_OF(struct google_protobuf_uninterpreted_option *) uninterpreted_option;
};
extern const struct sn_pb_desc google_protobuf_enum_options_desc;

struct google_protobuf_enum_value_options {
    struct sn_pb_head sn_head;
    uint32_t sn_has[1];
    bool deprecated;
    SN_PB_REPEATED_OF(struct google_protobuf_uninterpreted_option *) uninterpreted_option;
};
extern const struct sn_pb_desc google_protobuf_enum_value_options_desc;

struct google_protobuf_service_options {
    struct sn_pb_head sn_head;
    uint32_t sn_has[1];
    bool deprecated;
    SN_PB_REPEATED_OF(struct google_protobuf_uninterpreted_option *) uninterpreted_option;
};
extern const struct sn_pb_desc google_protobuf_service_options_desc;

struct google_protobuf_method_options {
    struct sn_pb_head sn_head;
    uint32_t sn_has[1];
    bool deprecated;
    int32_t idempotency_level; /* enum google_protobuf_method_options_idempotency_level */
    SN_PB_REPEATED_OF(struct google_protobuf_uninterpreted_option *) uninterpreted_option;
};
extern const struct sn_pb_desc google_protobuf_method_options_desc;

struct google_protobuf_uninterpreted_option {
    struct sn_pb_head sn_head;
    uint32_t sn_has[1];
    SN_PB_REPEATED_OF(struct google_protobuf_uninterpreted_option_name_part *) name;
    struct sn_str identifier_value;
    uint64_t positive_int_value;
    int64_t negative_int_value;
    double double_value;
    struct sn_str string_value;
    struct sn_str aggregate_value;
};
extern const struct sn_pb_desc google_protobuf_uninterpreted_option_desc;

struct google_protobuf_uninterpreted_option_name_part {
    struct sn_pb_head sn_head;
    uint32_t sn_has[1];
    struct sn_str name_part;
    bool is_extension;
};
extern const struct sn_pb_desc google_protobuf_uninterpreted_option_name_part_desc;

struct google_protobuf_source_code_info {
    struct sn_pb_head sn_head;
    SN_PB_REPEATED_OF(struct google_protobuf_source_code_info_location *) location;
};
extern const struct sn_pb_desc google_protobuf_source_code_info_desc;

struct google_protobuf_source_code_info_location {
    struct sn_pb_head sn_head;
    uint32_t sn_has[1];
    SN_PB_REPEATED_OF(int32_t) path;
    SN_PB_REPEATED_OF(int32_t) span;
    struct sn_str leading_comments;
    struct sn_str trailing_comments;
    SN_PB_REPEATED_OF(struct sn_str) leading_detached_comments;
};
extern const struct sn_pb_desc google_protobuf_source_code_info_location_desc;

struct google_protobuf_generated_code_info {
    struct sn_pb_head sn_head;
    SN_PB_REPEATED_OF(struct google_protobuf_generated_code_info_annotation *) annotation;
};
extern const struct sn_pb_desc google_protobuf_generated_code_info_desc;

struct google_protobuf_generated_code_info_annotation {
    struct sn_pb_head sn_head;
    uint32_t sn_has[1];
    SN_PB_REPEATED_OF(int32_t) path;
    struct sn_str source_file;
    int32_t begin;
    int32_t end;
};
extern const struct sn_pb_desc google_protobuf_generated_code_info_annotation_desc;

extern const struct sn_pb_file google_protobuf_descriptor_proto_file;

static inline struct google_protobuf_file_descriptor_set *google_protobuf_file_descriptor_set_new(struct sn_arena *a)
{
    return (struct google_protobuf_file_descriptor_set *)sn_pb_new(&google_protobuf_file_descriptor_set_desc, a);
}
static inline int google_protobuf_file_descriptor_set_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_file_descriptor_set **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_file_descriptor_set_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_file_descriptor_set *)m;
    return r;
}
static inline ssize_t google_protobuf_file_descriptor_set_encode(const struct google_protobuf_file_descriptor_set *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_file_descriptor_set_desc, m, out);
}
static inline struct google_protobuf_file_descriptor_proto *google_protobuf_file_descriptor_set_add_file(struct google_protobuf_file_descriptor_set *m, struct sn_arena *a)
{
    struct google_protobuf_file_descriptor_proto *sub = (struct google_protobuf_file_descriptor_proto *)sn_pb_new(&google_protobuf_file_descriptor_proto_desc, a);
    struct google_protobuf_file_descriptor_proto **slot = sub ? (struct google_protobuf_file_descriptor_proto **)sn_pb_array_add(&m->file, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}

static inline struct google_protobuf_file_descriptor_proto *google_protobuf_file_descriptor_proto_new(struct sn_arena *a)
{
    return (struct google_protobuf_file_descriptor_proto *)sn_pb_new(&google_protobuf_file_descriptor_proto_desc, a);
}
static inline int google_protobuf_file_descriptor_proto_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_file_descriptor_proto **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_file_descriptor_proto_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_file_descriptor_proto *)m;
    return r;
}
static inline ssize_t google_protobuf_file_descriptor_proto_encode(const struct google_protobuf_file_descriptor_proto *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_file_descriptor_proto_desc, m, out);
}
static inline bool google_protobuf_file_descriptor_proto_has_name(const struct google_protobuf_file_descriptor_proto *m)
{
    return sn_pb_has_bit(m, 0);
}
static inline void google_protobuf_file_descriptor_proto_set_name(struct google_protobuf_file_descriptor_proto *m, struct sn_str v)
{
    m->name = v;
    sn_pb_set_bit(m, 0);
}
static inline void google_protobuf_file_descriptor_proto_clear_name(struct google_protobuf_file_descriptor_proto *m)
{
    sn_pb_clear(m, &google_protobuf_file_descriptor_proto_desc.fields[0]);
}
static inline bool google_protobuf_file_descriptor_proto_has_package(const struct google_protobuf_file_descriptor_proto *m)
{
    return sn_pb_has_bit(m, 1);
}
static inline void google_protobuf_file_descriptor_proto_set_package(struct google_protobuf_file_descriptor_proto *m, struct sn_str v)
{
    m->package = v;
    sn_pb_set_bit(m, 1);
}
static inline void google_protobuf_file_descriptor_proto_clear_package(struct google_protobuf_file_descriptor_proto *m)
{
    sn_pb_clear(m, &google_protobuf_file_descriptor_proto_desc.fields[1]);
}
static inline int google_protobuf_file_descriptor_proto_add_dependency(struct google_protobuf_file_descriptor_proto *m, struct sn_str v, struct sn_arena *a)
{
    struct sn_str *slot = (struct sn_str *)sn_pb_array_add(&m->dependency, sizeof v, a);
    if (!slot) return SN_E_NOMEM;
    *slot = v;
    return 0;
}
static inline int google_protobuf_file_descriptor_proto_add_public_dependency(struct google_protobuf_file_descriptor_proto *m, int32_t v, struct sn_arena *a)
{
    int32_t *slot = (int32_t *)sn_pb_array_add(&m->public_dependency, sizeof v, a);
    if (!slot) return SN_E_NOMEM;
    *slot = v;
    return 0;
}
static inline int google_protobuf_file_descriptor_proto_add_weak_dependency(struct google_protobuf_file_descriptor_proto *m, int32_t v, struct sn_arena *a)
{
    int32_t *slot = (int32_t *)sn_pb_array_add(&m->weak_dependency, sizeof v, a);
    if (!slot) return SN_E_NOMEM;
    *slot = v;
    return 0;
}
static inline struct google_protobuf_descriptor_proto *google_protobuf_file_descriptor_proto_add_message_type(struct google_protobuf_file_descriptor_proto *m, struct sn_arena *a)
{
    struct google_protobuf_descriptor_proto *sub = (struct google_protobuf_descriptor_proto *)sn_pb_new(&google_protobuf_descriptor_proto_desc, a);
    struct google_protobuf_descriptor_proto **slot = sub ? (struct google_protobuf_descriptor_proto **)sn_pb_array_add(&m->message_type, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}
static inline struct google_protobuf_enum_descriptor_proto *google_protobuf_file_descriptor_proto_add_enum_type(struct google_protobuf_file_descriptor_proto *m, struct sn_arena *a)
{
    struct google_protobuf_enum_descriptor_proto *sub = (struct google_protobuf_enum_descriptor_proto *)sn_pb_new(&google_protobuf_enum_descriptor_proto_desc, a);
    struct google_protobuf_enum_descriptor_proto **slot = sub ? (struct google_protobuf_enum_descriptor_proto **)sn_pb_array_add(&m->enum_type, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}
static inline struct google_protobuf_service_descriptor_proto *google_protobuf_file_descriptor_proto_add_service(struct google_protobuf_file_descriptor_proto *m, struct sn_arena *a)
{
    struct google_protobuf_service_descriptor_proto *sub = (struct google_protobuf_service_descriptor_proto *)sn_pb_new(&google_protobuf_service_descriptor_proto_desc, a);
    struct google_protobuf_service_descriptor_proto **slot = sub ? (struct google_protobuf_service_descriptor_proto **)sn_pb_array_add(&m->service, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}
static inline struct google_protobuf_field_descriptor_proto *google_protobuf_file_descriptor_proto_add_extension(struct google_protobuf_file_descriptor_proto *m, struct sn_arena *a)
{
    struct google_protobuf_field_descriptor_proto *sub = (struct google_protobuf_field_descriptor_proto *)sn_pb_new(&google_protobuf_field_descriptor_proto_desc, a);
    struct google_protobuf_field_descriptor_proto **slot = sub ? (struct google_protobuf_field_descriptor_proto **)sn_pb_array_add(&m->extension, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}
static inline struct google_protobuf_file_options *google_protobuf_file_descriptor_proto_mut_options(struct google_protobuf_file_descriptor_proto *m, struct sn_arena *a)
{
    return (struct google_protobuf_file_options *)sn_pb_mutable(m, &google_protobuf_file_descriptor_proto_desc.fields[7], a);
}
static inline struct google_protobuf_source_code_info *google_protobuf_file_descriptor_proto_mut_source_code_info(struct google_protobuf_file_descriptor_proto *m, struct sn_arena *a)
{
    return (struct google_protobuf_source_code_info *)sn_pb_mutable(m, &google_protobuf_file_descriptor_proto_desc.fields[8], a);
}
static inline bool google_protobuf_file_descriptor_proto_has_syntax(const struct google_protobuf_file_descriptor_proto *m)
{
    return sn_pb_has_bit(m, 2);
}
static inline void google_protobuf_file_descriptor_proto_set_syntax(struct google_protobuf_file_descriptor_proto *m, struct sn_str v)
{
    m->syntax = v;
    sn_pb_set_bit(m, 2);
}
static inline void google_protobuf_file_descriptor_proto_clear_syntax(struct google_protobuf_file_descriptor_proto *m)
{
    sn_pb_clear(m, &google_protobuf_file_descriptor_proto_desc.fields[11]);
}

static inline struct google_protobuf_descriptor_proto *google_protobuf_descriptor_proto_new(struct sn_arena *a)
{
    return (struct google_protobuf_descriptor_proto *)sn_pb_new(&google_protobuf_descriptor_proto_desc, a);
}
static inline int google_protobuf_descriptor_proto_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_descriptor_proto **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_descriptor_proto_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_descriptor_proto *)m;
    return r;
}
static inline ssize_t google_protobuf_descriptor_proto_encode(const struct google_protobuf_descriptor_proto *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_descriptor_proto_desc, m, out);
}
static inline bool google_protobuf_descriptor_proto_has_name(const struct google_protobuf_descriptor_proto *m)
{
    return sn_pb_has_bit(m, 0);
}
static inline void google_protobuf_descriptor_proto_set_name(struct google_protobuf_descriptor_proto *m, struct sn_str v)
{
    m->name = v;
    sn_pb_set_bit(m, 0);
}
static inline void google_protobuf_descriptor_proto_clear_name(struct google_protobuf_descriptor_proto *m)
{
    sn_pb_clear(m, &google_protobuf_descriptor_proto_desc.fields[0]);
}
static inline struct google_protobuf_field_descriptor_proto *google_protobuf_descriptor_proto_add_field(struct google_protobuf_descriptor_proto *m, struct sn_arena *a)
{
    struct google_protobuf_field_descriptor_proto *sub = (struct google_protobuf_field_descriptor_proto *)sn_pb_new(&google_protobuf_field_descriptor_proto_desc, a);
    struct google_protobuf_field_descriptor_proto **slot = sub ? (struct google_protobuf_field_descriptor_proto **)sn_pb_array_add(&m->field, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}
static inline struct google_protobuf_field_descriptor_proto *google_protobuf_descriptor_proto_add_extension(struct google_protobuf_descriptor_proto *m, struct sn_arena *a)
{
    struct google_protobuf_field_descriptor_proto *sub = (struct google_protobuf_field_descriptor_proto *)sn_pb_new(&google_protobuf_field_descriptor_proto_desc, a);
    struct google_protobuf_field_descriptor_proto **slot = sub ? (struct google_protobuf_field_descriptor_proto **)sn_pb_array_add(&m->extension, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}
static inline struct google_protobuf_descriptor_proto *google_protobuf_descriptor_proto_add_nested_type(struct google_protobuf_descriptor_proto *m, struct sn_arena *a)
{
    struct google_protobuf_descriptor_proto *sub = (struct google_protobuf_descriptor_proto *)sn_pb_new(&google_protobuf_descriptor_proto_desc, a);
    struct google_protobuf_descriptor_proto **slot = sub ? (struct google_protobuf_descriptor_proto **)sn_pb_array_add(&m->nested_type, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}
static inline struct google_protobuf_enum_descriptor_proto *google_protobuf_descriptor_proto_add_enum_type(struct google_protobuf_descriptor_proto *m, struct sn_arena *a)
{
    struct google_protobuf_enum_descriptor_proto *sub = (struct google_protobuf_enum_descriptor_proto *)sn_pb_new(&google_protobuf_enum_descriptor_proto_desc, a);
    struct google_protobuf_enum_descriptor_proto **slot = sub ? (struct google_protobuf_enum_descriptor_proto **)sn_pb_array_add(&m->enum_type, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}
static inline struct google_protobuf_descriptor_proto_extension_range *google_protobuf_descriptor_proto_add_extension_range(struct google_protobuf_descriptor_proto *m, struct sn_arena *a)
{
    struct google_protobuf_descriptor_proto_extension_range *sub = (struct google_protobuf_descriptor_proto_extension_range *)sn_pb_new(&google_protobuf_descriptor_proto_extension_range_desc, a);
    struct google_protobuf_descriptor_proto_extension_range **slot = sub ? (struct google_protobuf_descriptor_proto_extension_range **)sn_pb_array_add(&m->extension_range, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}
static inline struct google_protobuf_oneof_descriptor_proto *google_protobuf_descriptor_proto_add_oneof_decl(struct google_protobuf_descriptor_proto *m, struct sn_arena *a)
{
    struct google_protobuf_oneof_descriptor_proto *sub = (struct google_protobuf_oneof_descriptor_proto *)sn_pb_new(&google_protobuf_oneof_descriptor_proto_desc, a);
    struct google_protobuf_oneof_descriptor_proto **slot = sub ? (struct google_protobuf_oneof_descriptor_proto **)sn_pb_array_add(&m->oneof_decl, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}
static inline struct google_protobuf_message_options *google_protobuf_descriptor_proto_mut_options(struct google_protobuf_descriptor_proto *m, struct sn_arena *a)
{
    return (struct google_protobuf_message_options *)sn_pb_mutable(m, &google_protobuf_descriptor_proto_desc.fields[6], a);
}
static inline struct google_protobuf_descriptor_proto_reserved_range *google_protobuf_descriptor_proto_add_reserved_range(struct google_protobuf_descriptor_proto *m, struct sn_arena *a)
{
    struct google_protobuf_descriptor_proto_reserved_range *sub = (struct google_protobuf_descriptor_proto_reserved_range *)sn_pb_new(&google_protobuf_descriptor_proto_reserved_range_desc, a);
    struct google_protobuf_descriptor_proto_reserved_range **slot = sub ? (struct google_protobuf_descriptor_proto_reserved_range **)sn_pb_array_add(&m->reserved_range, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}
static inline int google_protobuf_descriptor_proto_add_reserved_name(struct google_protobuf_descriptor_proto *m, struct sn_str v, struct sn_arena *a)
{
    struct sn_str *slot = (struct sn_str *)sn_pb_array_add(&m->reserved_name, sizeof v, a);
    if (!slot) return SN_E_NOMEM;
    *slot = v;
    return 0;
}

static inline struct google_protobuf_descriptor_proto_extension_range *google_protobuf_descriptor_proto_extension_range_new(struct sn_arena *a)
{
    return (struct google_protobuf_descriptor_proto_extension_range *)sn_pb_new(&google_protobuf_descriptor_proto_extension_range_desc, a);
}
static inline int google_protobuf_descriptor_proto_extension_range_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_descriptor_proto_extension_range **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_descriptor_proto_extension_range_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_descriptor_proto_extension_range *)m;
    return r;
}
static inline ssize_t google_protobuf_descriptor_proto_extension_range_encode(const struct google_protobuf_descriptor_proto_extension_range *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_descriptor_proto_extension_range_desc, m, out);
}
static inline bool google_protobuf_descriptor_proto_extension_range_has_start(const struct google_protobuf_descriptor_proto_extension_range *m)
{
    return sn_pb_has_bit(m, 0);
}
static inline void google_protobuf_descriptor_proto_extension_range_set_start(struct google_protobuf_descriptor_proto_extension_range *m, int32_t v)
{
    m->start = v;
    sn_pb_set_bit(m, 0);
}
static inline void google_protobuf_descriptor_proto_extension_range_clear_start(struct google_protobuf_descriptor_proto_extension_range *m)
{
    sn_pb_clear(m, &google_protobuf_descriptor_proto_extension_range_desc.fields[0]);
}
static inline bool google_protobuf_descriptor_proto_extension_range_has_end(const struct google_protobuf_descriptor_proto_extension_range *m)
{
    return sn_pb_has_bit(m, 1);
}
static inline void google_protobuf_descriptor_proto_extension_range_set_end(struct google_protobuf_descriptor_proto_extension_range *m, int32_t v)
{
    m->end = v;
    sn_pb_set_bit(m, 1);
}
static inline void google_protobuf_descriptor_proto_extension_range_clear_end(struct google_protobuf_descriptor_proto_extension_range *m)
{
    sn_pb_clear(m, &google_protobuf_descriptor_proto_extension_range_desc.fields[1]);
}
static inline struct google_protobuf_extension_range_options *google_protobuf_descriptor_proto_extension_range_mut_options(struct google_protobuf_descriptor_proto_extension_range *m, struct sn_arena *a)
{
    return (struct google_protobuf_extension_range_options *)sn_pb_mutable(m, &google_protobuf_descriptor_proto_extension_range_desc.fields[2], a);
}

static inline struct google_protobuf_descriptor_proto_reserved_range *google_protobuf_descriptor_proto_reserved_range_new(struct sn_arena *a)
{
    return (struct google_protobuf_descriptor_proto_reserved_range *)sn_pb_new(&google_protobuf_descriptor_proto_reserved_range_desc, a);
}
static inline int google_protobuf_descriptor_proto_reserved_range_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_descriptor_proto_reserved_range **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_descriptor_proto_reserved_range_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_descriptor_proto_reserved_range *)m;
    return r;
}
static inline ssize_t google_protobuf_descriptor_proto_reserved_range_encode(const struct google_protobuf_descriptor_proto_reserved_range *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_descriptor_proto_reserved_range_desc, m, out);
}
static inline bool google_protobuf_descriptor_proto_reserved_range_has_start(const struct google_protobuf_descriptor_proto_reserved_range *m)
{
    return sn_pb_has_bit(m, 0);
}
static inline void google_protobuf_descriptor_proto_reserved_range_set_start(struct google_protobuf_descriptor_proto_reserved_range *m, int32_t v)
{
    m->start = v;
    sn_pb_set_bit(m, 0);
}
static inline void google_protobuf_descriptor_proto_reserved_range_clear_start(struct google_protobuf_descriptor_proto_reserved_range *m)
{
    sn_pb_clear(m, &google_protobuf_descriptor_proto_reserved_range_desc.fields[0]);
}
static inline bool google_protobuf_descriptor_proto_reserved_range_has_end(const struct google_protobuf_descriptor_proto_reserved_range *m)
{
    return sn_pb_has_bit(m, 1);
}
static inline void google_protobuf_descriptor_proto_reserved_range_set_end(struct google_protobuf_descriptor_proto_reserved_range *m, int32_t v)
{
    m->end = v;
    sn_pb_set_bit(m, 1);
}
static inline void google_protobuf_descriptor_proto_reserved_range_clear_end(struct google_protobuf_descriptor_proto_reserved_range *m)
{
    sn_pb_clear(m, &google_protobuf_descriptor_proto_reserved_range_desc.fields[1]);
}

static inline struct google_protobuf_extension_range_options *google_protobuf_extension_range_options_new(struct sn_arena *a)
{
    return (struct google_protobuf_extension_range_options *)sn_pb_new(&google_protobuf_extension_range_options_desc, a);
}
static inline int google_protobuf_extension_range_options_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_extension_range_options **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_extension_range_options_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_extension_range_options *)m;
    return r;
}
static inline ssize_t google_protobuf_extension_range_options_encode(const struct google_protobuf_extension_range_options *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_extension_range_options_desc, m, out);
}
static inline struct google_protobuf_uninterpreted_option *google_protobuf_extension_range_options_add_uninterpreted_option(struct google_protobuf_extension_range_options *m, struct sn_arena *a)
{
    struct google_protobuf_uninterpreted_option *sub = (struct google_protobuf_uninterpreted_option *)sn_pb_new(&google_protobuf_uninterpreted_option_desc, a);
    struct google_protobuf_uninterpreted_option **slot = sub ? (struct google_protobuf_uninterpreted_option **)sn_pb_array_add(&m->uninterpreted_option, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}

static inline struct google_protobuf_field_descriptor_proto *google_protobuf_field_descriptor_proto_new(struct sn_arena *a)
{
    return (struct google_protobuf_field_descriptor_proto *)sn_pb_new(&google_protobuf_field_descriptor_proto_desc, a);
}
static inline int google_protobuf_field_descriptor_proto_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_field_descriptor_proto **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_field_descriptor_proto_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_field_descriptor_proto *)m;
    return r;
}
static inline ssize_t google_protobuf_field_descriptor_proto_encode(const struct google_protobuf_field_descriptor_proto *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_field_descriptor_proto_desc, m, out);
}
static inline bool google_protobuf_field_descriptor_proto_has_name(const struct google_protobuf_field_descriptor_proto *m)
{
    return sn_pb_has_bit(m, 0);
}
static inline void google_protobuf_field_descriptor_proto_set_name(struct google_protobuf_field_descriptor_proto *m, struct sn_str v)
{
    m->name = v;
    sn_pb_set_bit(m, 0);
}
static inline void google_protobuf_field_descriptor_proto_clear_name(struct google_protobuf_field_descriptor_proto *m)
{
    sn_pb_clear(m, &google_protobuf_field_descriptor_proto_desc.fields[0]);
}
static inline bool google_protobuf_field_descriptor_proto_has_number(const struct google_protobuf_field_descriptor_proto *m)
{
    return sn_pb_has_bit(m, 1);
}
static inline void google_protobuf_field_descriptor_proto_set_number(struct google_protobuf_field_descriptor_proto *m, int32_t v)
{
    m->number = v;
    sn_pb_set_bit(m, 1);
}
static inline void google_protobuf_field_descriptor_proto_clear_number(struct google_protobuf_field_descriptor_proto *m)
{
    sn_pb_clear(m, &google_protobuf_field_descriptor_proto_desc.fields[2]);
}
static inline bool google_protobuf_field_descriptor_proto_has_label(const struct google_protobuf_field_descriptor_proto *m)
{
    return sn_pb_has_bit(m, 2);
}
static inline void google_protobuf_field_descriptor_proto_set_label(struct google_protobuf_field_descriptor_proto *m, int32_t v)
{
    m->label = v;
    sn_pb_set_bit(m, 2);
}
static inline void google_protobuf_field_descriptor_proto_clear_label(struct google_protobuf_field_descriptor_proto *m)
{
    sn_pb_clear(m, &google_protobuf_field_descriptor_proto_desc.fields[3]);
}
static inline bool google_protobuf_field_descriptor_proto_has_type(const struct google_protobuf_field_descriptor_proto *m)
{
    return sn_pb_has_bit(m, 3);
}
static inline void google_protobuf_field_descriptor_proto_set_type(struct google_protobuf_field_descriptor_proto *m, int32_t v)
{
    m->type = v;
    sn_pb_set_bit(m, 3);
}
static inline void google_protobuf_field_descriptor_proto_clear_type(struct google_protobuf_field_descriptor_proto *m)
{
    sn_pb_clear(m, &google_protobuf_field_descriptor_proto_desc.fields[4]);
}
static inline bool google_protobuf_field_descriptor_proto_has_type_name(const struct google_protobuf_field_descriptor_proto *m)
{
    return sn_pb_has_bit(m, 4);
}
static inline void google_protobuf_field_descriptor_proto_set_type_name(struct google_protobuf_field_descriptor_proto *m, struct sn_str v)
{
    m->type_name = v;
    sn_pb_set_bit(m, 4);
}
static inline void google_protobuf_field_descriptor_proto_clear_type_name(struct google_protobuf_field_descriptor_proto *m)
{
    sn_pb_clear(m, &google_protobuf_field_descriptor_proto_desc.fields[5]);
}
static inline bool google_protobuf_field_descriptor_proto_has_extendee(const struct google_protobuf_field_descriptor_proto *m)
{
    return sn_pb_has_bit(m, 5);
}
static inline void google_protobuf_field_descriptor_proto_set_extendee(struct google_protobuf_field_descriptor_proto *m, struct sn_str v)
{
    m->extendee = v;
    sn_pb_set_bit(m, 5);
}
static inline void google_protobuf_field_descriptor_proto_clear_extendee(struct google_protobuf_field_descriptor_proto *m)
{
    sn_pb_clear(m, &google_protobuf_field_descriptor_proto_desc.fields[1]);
}
static inline bool google_protobuf_field_descriptor_proto_has_default_value(const struct google_protobuf_field_descriptor_proto *m)
{
    return sn_pb_has_bit(m, 6);
}
static inline void google_protobuf_field_descriptor_proto_set_default_value(struct google_protobuf_field_descriptor_proto *m, struct sn_str v)
{
    m->default_value = v;
    sn_pb_set_bit(m, 6);
}
static inline void google_protobuf_field_descriptor_proto_clear_default_value(struct google_protobuf_field_descriptor_proto *m)
{
    sn_pb_clear(m, &google_protobuf_field_descriptor_proto_desc.fields[6]);
}
static inline bool google_protobuf_field_descriptor_proto_has_oneof_index(const struct google_protobuf_field_descriptor_proto *m)
{
    return sn_pb_has_bit(m, 7);
}
static inline void google_protobuf_field_descriptor_proto_set_oneof_index(struct google_protobuf_field_descriptor_proto *m, int32_t v)
{
    m->oneof_index = v;
    sn_pb_set_bit(m, 7);
}
static inline void google_protobuf_field_descriptor_proto_clear_oneof_index(struct google_protobuf_field_descriptor_proto *m)
{
    sn_pb_clear(m, &google_protobuf_field_descriptor_proto_desc.fields[8]);
}
static inline bool google_protobuf_field_descriptor_proto_has_json_name(const struct google_protobuf_field_descriptor_proto *m)
{
    return sn_pb_has_bit(m, 8);
}
static inline void google_protobuf_field_descriptor_proto_set_json_name(struct google_protobuf_field_descriptor_proto *m, struct sn_str v)
{
    m->json_name = v;
    sn_pb_set_bit(m, 8);
}
static inline void google_protobuf_field_descriptor_proto_clear_json_name(struct google_protobuf_field_descriptor_proto *m)
{
    sn_pb_clear(m, &google_protobuf_field_descriptor_proto_desc.fields[9]);
}
static inline struct google_protobuf_field_options *google_protobuf_field_descriptor_proto_mut_options(struct google_protobuf_field_descriptor_proto *m, struct sn_arena *a)
{
    return (struct google_protobuf_field_options *)sn_pb_mutable(m, &google_protobuf_field_descriptor_proto_desc.fields[7], a);
}
static inline bool google_protobuf_field_descriptor_proto_has_proto3_optional(const struct google_protobuf_field_descriptor_proto *m)
{
    return sn_pb_has_bit(m, 9);
}
static inline void google_protobuf_field_descriptor_proto_set_proto3_optional(struct google_protobuf_field_descriptor_proto *m, bool v)
{
    m->proto3_optional = v;
    sn_pb_set_bit(m, 9);
}
static inline void google_protobuf_field_descriptor_proto_clear_proto3_optional(struct google_protobuf_field_descriptor_proto *m)
{
    sn_pb_clear(m, &google_protobuf_field_descriptor_proto_desc.fields[10]);
}

static inline struct google_protobuf_oneof_descriptor_proto *google_protobuf_oneof_descriptor_proto_new(struct sn_arena *a)
{
    return (struct google_protobuf_oneof_descriptor_proto *)sn_pb_new(&google_protobuf_oneof_descriptor_proto_desc, a);
}
static inline int google_protobuf_oneof_descriptor_proto_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_oneof_descriptor_proto **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_oneof_descriptor_proto_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_oneof_descriptor_proto *)m;
    return r;
}
static inline ssize_t google_protobuf_oneof_descriptor_proto_encode(const struct google_protobuf_oneof_descriptor_proto *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_oneof_descriptor_proto_desc, m, out);
}
static inline bool google_protobuf_oneof_descriptor_proto_has_name(const struct google_protobuf_oneof_descriptor_proto *m)
{
    return sn_pb_has_bit(m, 0);
}
static inline void google_protobuf_oneof_descriptor_proto_set_name(struct google_protobuf_oneof_descriptor_proto *m, struct sn_str v)
{
    m->name = v;
    sn_pb_set_bit(m, 0);
}
static inline void google_protobuf_oneof_descriptor_proto_clear_name(struct google_protobuf_oneof_descriptor_proto *m)
{
    sn_pb_clear(m, &google_protobuf_oneof_descriptor_proto_desc.fields[0]);
}
static inline struct google_protobuf_oneof_options *google_protobuf_oneof_descriptor_proto_mut_options(struct google_protobuf_oneof_descriptor_proto *m, struct sn_arena *a)
{
    return (struct google_protobuf_oneof_options *)sn_pb_mutable(m, &google_protobuf_oneof_descriptor_proto_desc.fields[1], a);
}

static inline struct google_protobuf_enum_descriptor_proto *google_protobuf_enum_descriptor_proto_new(struct sn_arena *a)
{
    return (struct google_protobuf_enum_descriptor_proto *)sn_pb_new(&google_protobuf_enum_descriptor_proto_desc, a);
}
static inline int google_protobuf_enum_descriptor_proto_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_enum_descriptor_proto **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_enum_descriptor_proto_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_enum_descriptor_proto *)m;
    return r;
}
static inline ssize_t google_protobuf_enum_descriptor_proto_encode(const struct google_protobuf_enum_descriptor_proto *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_enum_descriptor_proto_desc, m, out);
}
static inline bool google_protobuf_enum_descriptor_proto_has_name(const struct google_protobuf_enum_descriptor_proto *m)
{
    return sn_pb_has_bit(m, 0);
}
static inline void google_protobuf_enum_descriptor_proto_set_name(struct google_protobuf_enum_descriptor_proto *m, struct sn_str v)
{
    m->name = v;
    sn_pb_set_bit(m, 0);
}
static inline void google_protobuf_enum_descriptor_proto_clear_name(struct google_protobuf_enum_descriptor_proto *m)
{
    sn_pb_clear(m, &google_protobuf_enum_descriptor_proto_desc.fields[0]);
}
static inline struct google_protobuf_enum_value_descriptor_proto *google_protobuf_enum_descriptor_proto_add_value(struct google_protobuf_enum_descriptor_proto *m, struct sn_arena *a)
{
    struct google_protobuf_enum_value_descriptor_proto *sub = (struct google_protobuf_enum_value_descriptor_proto *)sn_pb_new(&google_protobuf_enum_value_descriptor_proto_desc, a);
    struct google_protobuf_enum_value_descriptor_proto **slot = sub ? (struct google_protobuf_enum_value_descriptor_proto **)sn_pb_array_add(&m->value, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}
static inline struct google_protobuf_enum_options *google_protobuf_enum_descriptor_proto_mut_options(struct google_protobuf_enum_descriptor_proto *m, struct sn_arena *a)
{
    return (struct google_protobuf_enum_options *)sn_pb_mutable(m, &google_protobuf_enum_descriptor_proto_desc.fields[2], a);
}
static inline struct google_protobuf_enum_descriptor_proto_enum_reserved_range *google_protobuf_enum_descriptor_proto_add_reserved_range(struct google_protobuf_enum_descriptor_proto *m, struct sn_arena *a)
{
    struct google_protobuf_enum_descriptor_proto_enum_reserved_range *sub = (struct google_protobuf_enum_descriptor_proto_enum_reserved_range *)sn_pb_new(&google_protobuf_enum_descriptor_proto_enum_reserved_range_desc, a);
    struct google_protobuf_enum_descriptor_proto_enum_reserved_range **slot = sub ? (struct google_protobuf_enum_descriptor_proto_enum_reserved_range **)sn_pb_array_add(&m->reserved_range, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}
static inline int google_protobuf_enum_descriptor_proto_add_reserved_name(struct google_protobuf_enum_descriptor_proto *m, struct sn_str v, struct sn_arena *a)
{
    struct sn_str *slot = (struct sn_str *)sn_pb_array_add(&m->reserved_name, sizeof v, a);
    if (!slot) return SN_E_NOMEM;
    *slot = v;
    return 0;
}

static inline struct google_protobuf_enum_descriptor_proto_enum_reserved_range *google_protobuf_enum_descriptor_proto_enum_reserved_range_new(struct sn_arena *a)
{
    return (struct google_protobuf_enum_descriptor_proto_enum_reserved_range *)sn_pb_new(&google_protobuf_enum_descriptor_proto_enum_reserved_range_desc, a);
}
static inline int google_protobuf_enum_descriptor_proto_enum_reserved_range_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_enum_descriptor_proto_enum_reserved_range **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_enum_descriptor_proto_enum_reserved_range_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_enum_descriptor_proto_enum_reserved_range *)m;
    return r;
}
static inline ssize_t google_protobuf_enum_descriptor_proto_enum_reserved_range_encode(const struct google_protobuf_enum_descriptor_proto_enum_reserved_range *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_enum_descriptor_proto_enum_reserved_range_desc, m, out);
}
static inline bool google_protobuf_enum_descriptor_proto_enum_reserved_range_has_start(const struct google_protobuf_enum_descriptor_proto_enum_reserved_range *m)
{
    return sn_pb_has_bit(m, 0);
}
static inline void google_protobuf_enum_descriptor_proto_enum_reserved_range_set_start(struct google_protobuf_enum_descriptor_proto_enum_reserved_range *m, int32_t v)
{
    m->start = v;
    sn_pb_set_bit(m, 0);
}
static inline void google_protobuf_enum_descriptor_proto_enum_reserved_range_clear_start(struct google_protobuf_enum_descriptor_proto_enum_reserved_range *m)
{
    sn_pb_clear(m, &google_protobuf_enum_descriptor_proto_enum_reserved_range_desc.fields[0]);
}
static inline bool google_protobuf_enum_descriptor_proto_enum_reserved_range_has_end(const struct google_protobuf_enum_descriptor_proto_enum_reserved_range *m)
{
    return sn_pb_has_bit(m, 1);
}
static inline void google_protobuf_enum_descriptor_proto_enum_reserved_range_set_end(struct google_protobuf_enum_descriptor_proto_enum_reserved_range *m, int32_t v)
{
    m->end = v;
    sn_pb_set_bit(m, 1);
}
static inline void google_protobuf_enum_descriptor_proto_enum_reserved_range_clear_end(struct google_protobuf_enum_descriptor_proto_enum_reserved_range *m)
{
    sn_pb_clear(m, &google_protobuf_enum_descriptor_proto_enum_reserved_range_desc.fields[1]);
}

static inline struct google_protobuf_enum_value_descriptor_proto *google_protobuf_enum_value_descriptor_proto_new(struct sn_arena *a)
{
    return (struct google_protobuf_enum_value_descriptor_proto *)sn_pb_new(&google_protobuf_enum_value_descriptor_proto_desc, a);
}
static inline int google_protobuf_enum_value_descriptor_proto_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_enum_value_descriptor_proto **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_enum_value_descriptor_proto_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_enum_value_descriptor_proto *)m;
    return r;
}
static inline ssize_t google_protobuf_enum_value_descriptor_proto_encode(const struct google_protobuf_enum_value_descriptor_proto *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_enum_value_descriptor_proto_desc, m, out);
}
static inline bool google_protobuf_enum_value_descriptor_proto_has_name(const struct google_protobuf_enum_value_descriptor_proto *m)
{
    return sn_pb_has_bit(m, 0);
}
static inline void google_protobuf_enum_value_descriptor_proto_set_name(struct google_protobuf_enum_value_descriptor_proto *m, struct sn_str v)
{
    m->name = v;
    sn_pb_set_bit(m, 0);
}
static inline void google_protobuf_enum_value_descriptor_proto_clear_name(struct google_protobuf_enum_value_descriptor_proto *m)
{
    sn_pb_clear(m, &google_protobuf_enum_value_descriptor_proto_desc.fields[0]);
}
static inline bool google_protobuf_enum_value_descriptor_proto_has_number(const struct google_protobuf_enum_value_descriptor_proto *m)
{
    return sn_pb_has_bit(m, 1);
}
static inline void google_protobuf_enum_value_descriptor_proto_set_number(struct google_protobuf_enum_value_descriptor_proto *m, int32_t v)
{
    m->number = v;
    sn_pb_set_bit(m, 1);
}
static inline void google_protobuf_enum_value_descriptor_proto_clear_number(struct google_protobuf_enum_value_descriptor_proto *m)
{
    sn_pb_clear(m, &google_protobuf_enum_value_descriptor_proto_desc.fields[1]);
}
static inline struct google_protobuf_enum_value_options *google_protobuf_enum_value_descriptor_proto_mut_options(struct google_protobuf_enum_value_descriptor_proto *m, struct sn_arena *a)
{
    return (struct google_protobuf_enum_value_options *)sn_pb_mutable(m, &google_protobuf_enum_value_descriptor_proto_desc.fields[2], a);
}

static inline struct google_protobuf_service_descriptor_proto *google_protobuf_service_descriptor_proto_new(struct sn_arena *a)
{
    return (struct google_protobuf_service_descriptor_proto *)sn_pb_new(&google_protobuf_service_descriptor_proto_desc, a);
}
static inline int google_protobuf_service_descriptor_proto_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_service_descriptor_proto **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_service_descriptor_proto_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_service_descriptor_proto *)m;
    return r;
}
static inline ssize_t google_protobuf_service_descriptor_proto_encode(const struct google_protobuf_service_descriptor_proto *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_service_descriptor_proto_desc, m, out);
}
static inline bool google_protobuf_service_descriptor_proto_has_name(const struct google_protobuf_service_descriptor_proto *m)
{
    return sn_pb_has_bit(m, 0);
}
static inline void google_protobuf_service_descriptor_proto_set_name(struct google_protobuf_service_descriptor_proto *m, struct sn_str v)
{
    m->name = v;
    sn_pb_set_bit(m, 0);
}
static inline void google_protobuf_service_descriptor_proto_clear_name(struct google_protobuf_service_descriptor_proto *m)
{
    sn_pb_clear(m, &google_protobuf_service_descriptor_proto_desc.fields[0]);
}
static inline struct google_protobuf_method_descriptor_proto *google_protobuf_service_descriptor_proto_add_method(struct google_protobuf_service_descriptor_proto *m, struct sn_arena *a)
{
    struct google_protobuf_method_descriptor_proto *sub = (struct google_protobuf_method_descriptor_proto *)sn_pb_new(&google_protobuf_method_descriptor_proto_desc, a);
    struct google_protobuf_method_descriptor_proto **slot = sub ? (struct google_protobuf_method_descriptor_proto **)sn_pb_array_add(&m->method, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}
static inline struct google_protobuf_service_options *google_protobuf_service_descriptor_proto_mut_options(struct google_protobuf_service_descriptor_proto *m, struct sn_arena *a)
{
    return (struct google_protobuf_service_options *)sn_pb_mutable(m, &google_protobuf_service_descriptor_proto_desc.fields[2], a);
}

static inline struct google_protobuf_method_descriptor_proto *google_protobuf_method_descriptor_proto_new(struct sn_arena *a)
{
    return (struct google_protobuf_method_descriptor_proto *)sn_pb_new(&google_protobuf_method_descriptor_proto_desc, a);
}
static inline int google_protobuf_method_descriptor_proto_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_method_descriptor_proto **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_method_descriptor_proto_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_method_descriptor_proto *)m;
    return r;
}
static inline ssize_t google_protobuf_method_descriptor_proto_encode(const struct google_protobuf_method_descriptor_proto *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_method_descriptor_proto_desc, m, out);
}
static inline bool google_protobuf_method_descriptor_proto_has_name(const struct google_protobuf_method_descriptor_proto *m)
{
    return sn_pb_has_bit(m, 0);
}
static inline void google_protobuf_method_descriptor_proto_set_name(struct google_protobuf_method_descriptor_proto *m, struct sn_str v)
{
    m->name = v;
    sn_pb_set_bit(m, 0);
}
static inline void google_protobuf_method_descriptor_proto_clear_name(struct google_protobuf_method_descriptor_proto *m)
{
    sn_pb_clear(m, &google_protobuf_method_descriptor_proto_desc.fields[0]);
}
static inline bool google_protobuf_method_descriptor_proto_has_input_type(const struct google_protobuf_method_descriptor_proto *m)
{
    return sn_pb_has_bit(m, 1);
}
static inline void google_protobuf_method_descriptor_proto_set_input_type(struct google_protobuf_method_descriptor_proto *m, struct sn_str v)
{
    m->input_type = v;
    sn_pb_set_bit(m, 1);
}
static inline void google_protobuf_method_descriptor_proto_clear_input_type(struct google_protobuf_method_descriptor_proto *m)
{
    sn_pb_clear(m, &google_protobuf_method_descriptor_proto_desc.fields[1]);
}
static inline bool google_protobuf_method_descriptor_proto_has_output_type(const struct google_protobuf_method_descriptor_proto *m)
{
    return sn_pb_has_bit(m, 2);
}
static inline void google_protobuf_method_descriptor_proto_set_output_type(struct google_protobuf_method_descriptor_proto *m, struct sn_str v)
{
    m->output_type = v;
    sn_pb_set_bit(m, 2);
}
static inline void google_protobuf_method_descriptor_proto_clear_output_type(struct google_protobuf_method_descriptor_proto *m)
{
    sn_pb_clear(m, &google_protobuf_method_descriptor_proto_desc.fields[2]);
}
static inline struct google_protobuf_method_options *google_protobuf_method_descriptor_proto_mut_options(struct google_protobuf_method_descriptor_proto *m, struct sn_arena *a)
{
    return (struct google_protobuf_method_options *)sn_pb_mutable(m, &google_protobuf_method_descriptor_proto_desc.fields[3], a);
}
static inline bool google_protobuf_method_descriptor_proto_has_client_streaming(const struct google_protobuf_method_descriptor_proto *m)
{
    return sn_pb_has_bit(m, 3);
}
static inline void google_protobuf_method_descriptor_proto_set_client_streaming(struct google_protobuf_method_descriptor_proto *m, bool v)
{
    m->client_streaming = v;
    sn_pb_set_bit(m, 3);
}
static inline void google_protobuf_method_descriptor_proto_clear_client_streaming(struct google_protobuf_method_descriptor_proto *m)
{
    sn_pb_clear(m, &google_protobuf_method_descriptor_proto_desc.fields[4]);
}
static inline bool google_protobuf_method_descriptor_proto_get_client_streaming(const struct google_protobuf_method_descriptor_proto *m)
{
    return sn_pb_has_bit(m, 3) ? m->client_streaming : false;
}
static inline bool google_protobuf_method_descriptor_proto_has_server_streaming(const struct google_protobuf_method_descriptor_proto *m)
{
    return sn_pb_has_bit(m, 4);
}
static inline void google_protobuf_method_descriptor_proto_set_server_streaming(struct google_protobuf_method_descriptor_proto *m, bool v)
{
    m->server_streaming = v;
    sn_pb_set_bit(m, 4);
}
static inline void google_protobuf_method_descriptor_proto_clear_server_streaming(struct google_protobuf_method_descriptor_proto *m)
{
    sn_pb_clear(m, &google_protobuf_method_descriptor_proto_desc.fields[5]);
}
static inline bool google_protobuf_method_descriptor_proto_get_server_streaming(const struct google_protobuf_method_descriptor_proto *m)
{
    return sn_pb_has_bit(m, 4) ? m->server_streaming : false;
}

static inline struct google_protobuf_file_options *google_protobuf_file_options_new(struct sn_arena *a)
{
    return (struct google_protobuf_file_options *)sn_pb_new(&google_protobuf_file_options_desc, a);
}
static inline int google_protobuf_file_options_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_file_options **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_file_options_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_file_options *)m;
    return r;
}
static inline ssize_t google_protobuf_file_options_encode(const struct google_protobuf_file_options *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_file_options_desc, m, out);
}
static inline bool google_protobuf_file_options_has_java_package(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 0);
}
static inline void google_protobuf_file_options_set_java_package(struct google_protobuf_file_options *m, struct sn_str v)
{
    m->java_package = v;
    sn_pb_set_bit(m, 0);
}
static inline void google_protobuf_file_options_clear_java_package(struct google_protobuf_file_options *m)
{
    sn_pb_clear(m, &google_protobuf_file_options_desc.fields[0]);
}
static inline bool google_protobuf_file_options_has_java_outer_classname(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 1);
}
static inline void google_protobuf_file_options_set_java_outer_classname(struct google_protobuf_file_options *m, struct sn_str v)
{
    m->java_outer_classname = v;
    sn_pb_set_bit(m, 1);
}
static inline void google_protobuf_file_options_clear_java_outer_classname(struct google_protobuf_file_options *m)
{
    sn_pb_clear(m, &google_protobuf_file_options_desc.fields[1]);
}
static inline bool google_protobuf_file_options_has_java_multiple_files(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 2);
}
static inline void google_protobuf_file_options_set_java_multiple_files(struct google_protobuf_file_options *m, bool v)
{
    m->java_multiple_files = v;
    sn_pb_set_bit(m, 2);
}
static inline void google_protobuf_file_options_clear_java_multiple_files(struct google_protobuf_file_options *m)
{
    sn_pb_clear(m, &google_protobuf_file_options_desc.fields[3]);
}
static inline bool google_protobuf_file_options_get_java_multiple_files(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 2) ? m->java_multiple_files : false;
}
static inline bool google_protobuf_file_options_has_java_generate_equals_and_hash(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 3);
}
static inline void google_protobuf_file_options_set_java_generate_equals_and_hash(struct google_protobuf_file_options *m, bool v)
{
    m->java_generate_equals_and_hash = v;
    sn_pb_set_bit(m, 3);
}
static inline void google_protobuf_file_options_clear_java_generate_equals_and_hash(struct google_protobuf_file_options *m)
{
    sn_pb_clear(m, &google_protobuf_file_options_desc.fields[8]);
}
static inline bool google_protobuf_file_options_has_java_string_check_utf8(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 4);
}
static inline void google_protobuf_file_options_set_java_string_check_utf8(struct google_protobuf_file_options *m, bool v)
{
    m->java_string_check_utf8 = v;
    sn_pb_set_bit(m, 4);
}
static inline void google_protobuf_file_options_clear_java_string_check_utf8(struct google_protobuf_file_options *m)
{
    sn_pb_clear(m, &google_protobuf_file_options_desc.fields[10]);
}
static inline bool google_protobuf_file_options_get_java_string_check_utf8(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 4) ? m->java_string_check_utf8 : false;
}
static inline bool google_protobuf_file_options_has_optimize_for(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 5);
}
static inline void google_protobuf_file_options_set_optimize_for(struct google_protobuf_file_options *m, int32_t v)
{
    m->optimize_for = v;
    sn_pb_set_bit(m, 5);
}
static inline void google_protobuf_file_options_clear_optimize_for(struct google_protobuf_file_options *m)
{
    sn_pb_clear(m, &google_protobuf_file_options_desc.fields[2]);
}
static inline int32_t google_protobuf_file_options_get_optimize_for(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 5) ? m->optimize_for : (int32_t)GOOGLE_PROTOBUF_FILE_OPTIONS_OPTIMIZE_MODE_SPEED;
}
static inline bool google_protobuf_file_options_has_go_package(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 6);
}
static inline void google_protobuf_file_options_set_go_package(struct google_protobuf_file_options *m, struct sn_str v)
{
    m->go_package = v;
    sn_pb_set_bit(m, 6);
}
static inline void google_protobuf_file_options_clear_go_package(struct google_protobuf_file_options *m)
{
    sn_pb_clear(m, &google_protobuf_file_options_desc.fields[4]);
}
static inline bool google_protobuf_file_options_has_cc_generic_services(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 7);
}
static inline void google_protobuf_file_options_set_cc_generic_services(struct google_protobuf_file_options *m, bool v)
{
    m->cc_generic_services = v;
    sn_pb_set_bit(m, 7);
}
static inline void google_protobuf_file_options_clear_cc_generic_services(struct google_protobuf_file_options *m)
{
    sn_pb_clear(m, &google_protobuf_file_options_desc.fields[5]);
}
static inline bool google_protobuf_file_options_get_cc_generic_services(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 7) ? m->cc_generic_services : false;
}
static inline bool google_protobuf_file_options_has_java_generic_services(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 8);
}
static inline void google_protobuf_file_options_set_java_generic_services(struct google_protobuf_file_options *m, bool v)
{
    m->java_generic_services = v;
    sn_pb_set_bit(m, 8);
}
static inline void google_protobuf_file_options_clear_java_generic_services(struct google_protobuf_file_options *m)
{
    sn_pb_clear(m, &google_protobuf_file_options_desc.fields[6]);
}
static inline bool google_protobuf_file_options_get_java_generic_services(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 8) ? m->java_generic_services : false;
}
static inline bool google_protobuf_file_options_has_py_generic_services(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 9);
}
static inline void google_protobuf_file_options_set_py_generic_services(struct google_protobuf_file_options *m, bool v)
{
    m->py_generic_services = v;
    sn_pb_set_bit(m, 9);
}
static inline void google_protobuf_file_options_clear_py_generic_services(struct google_protobuf_file_options *m)
{
    sn_pb_clear(m, &google_protobuf_file_options_desc.fields[7]);
}
static inline bool google_protobuf_file_options_get_py_generic_services(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 9) ? m->py_generic_services : false;
}
static inline bool google_protobuf_file_options_has_php_generic_services(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 10);
}
static inline void google_protobuf_file_options_set_php_generic_services(struct google_protobuf_file_options *m, bool v)
{
    m->php_generic_services = v;
    sn_pb_set_bit(m, 10);
}
static inline void google_protobuf_file_options_clear_php_generic_services(struct google_protobuf_file_options *m)
{
    sn_pb_clear(m, &google_protobuf_file_options_desc.fields[17]);
}
static inline bool google_protobuf_file_options_get_php_generic_services(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 10) ? m->php_generic_services : false;
}
static inline bool google_protobuf_file_options_has_deprecated(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 11);
}
static inline void google_protobuf_file_options_set_deprecated(struct google_protobuf_file_options *m, bool v)
{
    m->deprecated = v;
    sn_pb_set_bit(m, 11);
}
static inline void google_protobuf_file_options_clear_deprecated(struct google_protobuf_file_options *m)
{
    sn_pb_clear(m, &google_protobuf_file_options_desc.fields[9]);
}
static inline bool google_protobuf_file_options_get_deprecated(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 11) ? m->deprecated : false;
}
static inline bool google_protobuf_file_options_has_cc_enable_arenas(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 12);
}
static inline void google_protobuf_file_options_set_cc_enable_arenas(struct google_protobuf_file_options *m, bool v)
{
    m->cc_enable_arenas = v;
    sn_pb_set_bit(m, 12);
}
static inline void google_protobuf_file_options_clear_cc_enable_arenas(struct google_protobuf_file_options *m)
{
    sn_pb_clear(m, &google_protobuf_file_options_desc.fields[11]);
}
static inline bool google_protobuf_file_options_get_cc_enable_arenas(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 12) ? m->cc_enable_arenas : true;
}
static inline bool google_protobuf_file_options_has_objc_class_prefix(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 13);
}
static inline void google_protobuf_file_options_set_objc_class_prefix(struct google_protobuf_file_options *m, struct sn_str v)
{
    m->objc_class_prefix = v;
    sn_pb_set_bit(m, 13);
}
static inline void google_protobuf_file_options_clear_objc_class_prefix(struct google_protobuf_file_options *m)
{
    sn_pb_clear(m, &google_protobuf_file_options_desc.fields[12]);
}
static inline bool google_protobuf_file_options_has_csharp_namespace(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 14);
}
static inline void google_protobuf_file_options_set_csharp_namespace(struct google_protobuf_file_options *m, struct sn_str v)
{
    m->csharp_namespace = v;
    sn_pb_set_bit(m, 14);
}
static inline void google_protobuf_file_options_clear_csharp_namespace(struct google_protobuf_file_options *m)
{
    sn_pb_clear(m, &google_protobuf_file_options_desc.fields[13]);
}
static inline bool google_protobuf_file_options_has_swift_prefix(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 15);
}
static inline void google_protobuf_file_options_set_swift_prefix(struct google_protobuf_file_options *m, struct sn_str v)
{
    m->swift_prefix = v;
    sn_pb_set_bit(m, 15);
}
static inline void google_protobuf_file_options_clear_swift_prefix(struct google_protobuf_file_options *m)
{
    sn_pb_clear(m, &google_protobuf_file_options_desc.fields[14]);
}
static inline bool google_protobuf_file_options_has_php_class_prefix(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 16);
}
static inline void google_protobuf_file_options_set_php_class_prefix(struct google_protobuf_file_options *m, struct sn_str v)
{
    m->php_class_prefix = v;
    sn_pb_set_bit(m, 16);
}
static inline void google_protobuf_file_options_clear_php_class_prefix(struct google_protobuf_file_options *m)
{
    sn_pb_clear(m, &google_protobuf_file_options_desc.fields[15]);
}
static inline bool google_protobuf_file_options_has_php_namespace(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 17);
}
static inline void google_protobuf_file_options_set_php_namespace(struct google_protobuf_file_options *m, struct sn_str v)
{
    m->php_namespace = v;
    sn_pb_set_bit(m, 17);
}
static inline void google_protobuf_file_options_clear_php_namespace(struct google_protobuf_file_options *m)
{
    sn_pb_clear(m, &google_protobuf_file_options_desc.fields[16]);
}
static inline bool google_protobuf_file_options_has_php_metadata_namespace(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 18);
}
static inline void google_protobuf_file_options_set_php_metadata_namespace(struct google_protobuf_file_options *m, struct sn_str v)
{
    m->php_metadata_namespace = v;
    sn_pb_set_bit(m, 18);
}
static inline void google_protobuf_file_options_clear_php_metadata_namespace(struct google_protobuf_file_options *m)
{
    sn_pb_clear(m, &google_protobuf_file_options_desc.fields[18]);
}
static inline bool google_protobuf_file_options_has_ruby_package(const struct google_protobuf_file_options *m)
{
    return sn_pb_has_bit(m, 19);
}
static inline void google_protobuf_file_options_set_ruby_package(struct google_protobuf_file_options *m, struct sn_str v)
{
    m->ruby_package = v;
    sn_pb_set_bit(m, 19);
}
static inline void google_protobuf_file_options_clear_ruby_package(struct google_protobuf_file_options *m)
{
    sn_pb_clear(m, &google_protobuf_file_options_desc.fields[19]);
}
static inline struct google_protobuf_uninterpreted_option *google_protobuf_file_options_add_uninterpreted_option(struct google_protobuf_file_options *m, struct sn_arena *a)
{
    struct google_protobuf_uninterpreted_option *sub = (struct google_protobuf_uninterpreted_option *)sn_pb_new(&google_protobuf_uninterpreted_option_desc, a);
    struct google_protobuf_uninterpreted_option **slot = sub ? (struct google_protobuf_uninterpreted_option **)sn_pb_array_add(&m->uninterpreted_option, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}

static inline struct google_protobuf_message_options *google_protobuf_message_options_new(struct sn_arena *a)
{
    return (struct google_protobuf_message_options *)sn_pb_new(&google_protobuf_message_options_desc, a);
}
static inline int google_protobuf_message_options_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_message_options **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_message_options_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_message_options *)m;
    return r;
}
static inline ssize_t google_protobuf_message_options_encode(const struct google_protobuf_message_options *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_message_options_desc, m, out);
}
static inline bool google_protobuf_message_options_has_message_set_wire_format(const struct google_protobuf_message_options *m)
{
    return sn_pb_has_bit(m, 0);
}
static inline void google_protobuf_message_options_set_message_set_wire_format(struct google_protobuf_message_options *m, bool v)
{
    m->message_set_wire_format = v;
    sn_pb_set_bit(m, 0);
}
static inline void google_protobuf_message_options_clear_message_set_wire_format(struct google_protobuf_message_options *m)
{
    sn_pb_clear(m, &google_protobuf_message_options_desc.fields[0]);
}
static inline bool google_protobuf_message_options_get_message_set_wire_format(const struct google_protobuf_message_options *m)
{
    return sn_pb_has_bit(m, 0) ? m->message_set_wire_format : false;
}
static inline bool google_protobuf_message_options_has_no_standard_descriptor_accessor(const struct google_protobuf_message_options *m)
{
    return sn_pb_has_bit(m, 1);
}
static inline void google_protobuf_message_options_set_no_standard_descriptor_accessor(struct google_protobuf_message_options *m, bool v)
{
    m->no_standard_descriptor_accessor = v;
    sn_pb_set_bit(m, 1);
}
static inline void google_protobuf_message_options_clear_no_standard_descriptor_accessor(struct google_protobuf_message_options *m)
{
    sn_pb_clear(m, &google_protobuf_message_options_desc.fields[1]);
}
static inline bool google_protobuf_message_options_get_no_standard_descriptor_accessor(const struct google_protobuf_message_options *m)
{
    return sn_pb_has_bit(m, 1) ? m->no_standard_descriptor_accessor : false;
}
static inline bool google_protobuf_message_options_has_deprecated(const struct google_protobuf_message_options *m)
{
    return sn_pb_has_bit(m, 2);
}
static inline void google_protobuf_message_options_set_deprecated(struct google_protobuf_message_options *m, bool v)
{
    m->deprecated = v;
    sn_pb_set_bit(m, 2);
}
static inline void google_protobuf_message_options_clear_deprecated(struct google_protobuf_message_options *m)
{
    sn_pb_clear(m, &google_protobuf_message_options_desc.fields[2]);
}
static inline bool google_protobuf_message_options_get_deprecated(const struct google_protobuf_message_options *m)
{
    return sn_pb_has_bit(m, 2) ? m->deprecated : false;
}
static inline bool google_protobuf_message_options_has_map_entry(const struct google_protobuf_message_options *m)
{
    return sn_pb_has_bit(m, 3);
}
static inline void google_protobuf_message_options_set_map_entry(struct google_protobuf_message_options *m, bool v)
{
    m->map_entry = v;
    sn_pb_set_bit(m, 3);
}
static inline void google_protobuf_message_options_clear_map_entry(struct google_protobuf_message_options *m)
{
    sn_pb_clear(m, &google_protobuf_message_options_desc.fields[3]);
}
static inline struct google_protobuf_uninterpreted_option *google_protobuf_message_options_add_uninterpreted_option(struct google_protobuf_message_options *m, struct sn_arena *a)
{
    struct google_protobuf_uninterpreted_option *sub = (struct google_protobuf_uninterpreted_option *)sn_pb_new(&google_protobuf_uninterpreted_option_desc, a);
    struct google_protobuf_uninterpreted_option **slot = sub ? (struct google_protobuf_uninterpreted_option **)sn_pb_array_add(&m->uninterpreted_option, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}

static inline struct google_protobuf_field_options *google_protobuf_field_options_new(struct sn_arena *a)
{
    return (struct google_protobuf_field_options *)sn_pb_new(&google_protobuf_field_options_desc, a);
}
static inline int google_protobuf_field_options_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_field_options **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_field_options_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_field_options *)m;
    return r;
}
static inline ssize_t google_protobuf_field_options_encode(const struct google_protobuf_field_options *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_field_options_desc, m, out);
}
static inline bool google_protobuf_field_options_has_ctype(const struct google_protobuf_field_options *m)
{
    return sn_pb_has_bit(m, 0);
}
static inline void google_protobuf_field_options_set_ctype(struct google_protobuf_field_options *m, int32_t v)
{
    m->ctype = v;
    sn_pb_set_bit(m, 0);
}
static inline void google_protobuf_field_options_clear_ctype(struct google_protobuf_field_options *m)
{
    sn_pb_clear(m, &google_protobuf_field_options_desc.fields[0]);
}
static inline int32_t google_protobuf_field_options_get_ctype(const struct google_protobuf_field_options *m)
{
    return sn_pb_has_bit(m, 0) ? m->ctype : (int32_t)GOOGLE_PROTOBUF_FIELD_OPTIONS_C_TYPE_STRING;
}
static inline bool google_protobuf_field_options_has_packed(const struct google_protobuf_field_options *m)
{
    return sn_pb_has_bit(m, 1);
}
static inline void google_protobuf_field_options_set_packed(struct google_protobuf_field_options *m, bool v)
{
    m->packed = v;
    sn_pb_set_bit(m, 1);
}
static inline void google_protobuf_field_options_clear_packed(struct google_protobuf_field_options *m)
{
    sn_pb_clear(m, &google_protobuf_field_options_desc.fields[1]);
}
static inline bool google_protobuf_field_options_has_jstype(const struct google_protobuf_field_options *m)
{
    return sn_pb_has_bit(m, 2);
}
static inline void google_protobuf_field_options_set_jstype(struct google_protobuf_field_options *m, int32_t v)
{
    m->jstype = v;
    sn_pb_set_bit(m, 2);
}
static inline void google_protobuf_field_options_clear_jstype(struct google_protobuf_field_options *m)
{
    sn_pb_clear(m, &google_protobuf_field_options_desc.fields[4]);
}
static inline int32_t google_protobuf_field_options_get_jstype(const struct google_protobuf_field_options *m)
{
    return sn_pb_has_bit(m, 2) ? m->jstype : (int32_t)GOOGLE_PROTOBUF_FIELD_OPTIONS_JS_TYPE_JS_NORMAL;
}
static inline bool google_protobuf_field_options_has_lazy(const struct google_protobuf_field_options *m)
{
    return sn_pb_has_bit(m, 3);
}
static inline void google_protobuf_field_options_set_lazy(struct google_protobuf_field_options *m, bool v)
{
    m->lazy = v;
    sn_pb_set_bit(m, 3);
}
static inline void google_protobuf_field_options_clear_lazy(struct google_protobuf_field_options *m)
{
    sn_pb_clear(m, &google_protobuf_field_options_desc.fields[3]);
}
static inline bool google_protobuf_field_options_get_lazy(const struct google_protobuf_field_options *m)
{
    return sn_pb_has_bit(m, 3) ? m->lazy : false;
}
static inline bool google_protobuf_field_options_has_unverified_lazy(const struct google_protobuf_field_options *m)
{
    return sn_pb_has_bit(m, 4);
}
static inline void google_protobuf_field_options_set_unverified_lazy(struct google_protobuf_field_options *m, bool v)
{
    m->unverified_lazy = v;
    sn_pb_set_bit(m, 4);
}
static inline void google_protobuf_field_options_clear_unverified_lazy(struct google_protobuf_field_options *m)
{
    sn_pb_clear(m, &google_protobuf_field_options_desc.fields[6]);
}
static inline bool google_protobuf_field_options_get_unverified_lazy(const struct google_protobuf_field_options *m)
{
    return sn_pb_has_bit(m, 4) ? m->unverified_lazy : false;
}
static inline bool google_protobuf_field_options_has_deprecated(const struct google_protobuf_field_options *m)
{
    return sn_pb_has_bit(m, 5);
}
static inline void google_protobuf_field_options_set_deprecated(struct google_protobuf_field_options *m, bool v)
{
    m->deprecated = v;
    sn_pb_set_bit(m, 5);
}
static inline void google_protobuf_field_options_clear_deprecated(struct google_protobuf_field_options *m)
{
    sn_pb_clear(m, &google_protobuf_field_options_desc.fields[2]);
}
static inline bool google_protobuf_field_options_get_deprecated(const struct google_protobuf_field_options *m)
{
    return sn_pb_has_bit(m, 5) ? m->deprecated : false;
}
static inline bool google_protobuf_field_options_has_weak(const struct google_protobuf_field_options *m)
{
    return sn_pb_has_bit(m, 6);
}
static inline void google_protobuf_field_options_set_weak(struct google_protobuf_field_options *m, bool v)
{
    m->weak = v;
    sn_pb_set_bit(m, 6);
}
static inline void google_protobuf_field_options_clear_weak(struct google_protobuf_field_options *m)
{
    sn_pb_clear(m, &google_protobuf_field_options_desc.fields[5]);
}
static inline bool google_protobuf_field_options_get_weak(const struct google_protobuf_field_options *m)
{
    return sn_pb_has_bit(m, 6) ? m->weak : false;
}
static inline struct google_protobuf_uninterpreted_option *google_protobuf_field_options_add_uninterpreted_option(struct google_protobuf_field_options *m, struct sn_arena *a)
{
    struct google_protobuf_uninterpreted_option *sub = (struct google_protobuf_uninterpreted_option *)sn_pb_new(&google_protobuf_uninterpreted_option_desc, a);
    struct google_protobuf_uninterpreted_option **slot = sub ? (struct google_protobuf_uninterpreted_option **)sn_pb_array_add(&m->uninterpreted_option, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}

static inline struct google_protobuf_oneof_options *google_protobuf_oneof_options_new(struct sn_arena *a)
{
    return (struct google_protobuf_oneof_options *)sn_pb_new(&google_protobuf_oneof_options_desc, a);
}
static inline int google_protobuf_oneof_options_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_oneof_options **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_oneof_options_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_oneof_options *)m;
    return r;
}
static inline ssize_t google_protobuf_oneof_options_encode(const struct google_protobuf_oneof_options *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_oneof_options_desc, m, out);
}
static inline struct google_protobuf_uninterpreted_option *google_protobuf_oneof_options_add_uninterpreted_option(struct google_protobuf_oneof_options *m, struct sn_arena *a)
{
    struct google_protobuf_uninterpreted_option *sub = (struct google_protobuf_uninterpreted_option *)sn_pb_new(&google_protobuf_uninterpreted_option_desc, a);
    struct google_protobuf_uninterpreted_option **slot = sub ? (struct google_protobuf_uninterpreted_option **)sn_pb_array_add(&m->uninterpreted_option, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}

static inline struct google_protobuf_enum_options *google_protobuf_enum_options_new(struct sn_arena *a)
{
    return (struct google_protobuf_enum_options *)sn_pb_new(&google_protobuf_enum_options_desc, a);
}
static inline int google_protobuf_enum_options_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_enum_options **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_enum_options_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_enum_options *)m;
    return r;
}
static inline ssize_t google_protobuf_enum_options_encode(const struct google_protobuf_enum_options *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_enum_options_desc, m, out);
}
static inline bool google_protobuf_enum_options_has_allow_alias(const struct google_protobuf_enum_options *m)
{
    return sn_pb_has_bit(m, 0);
}
static inline void google_protobuf_enum_options_set_allow_alias(struct google_protobuf_enum_options *m, bool v)
{
    m->allow_alias = v;
    sn_pb_set_bit(m, 0);
}
static inline void google_protobuf_enum_options_clear_allow_alias(struct google_protobuf_enum_options *m)
{
    sn_pb_clear(m, &google_protobuf_enum_options_desc.fields[0]);
}
static inline bool google_protobuf_enum_options_has_deprecated(const struct google_protobuf_enum_options *m)
{
    return sn_pb_has_bit(m, 1);
}
static inline void google_protobuf_enum_options_set_deprecated(struct google_protobuf_enum_options *m, bool v)
{
    m->deprecated = v;
    sn_pb_set_bit(m, 1);
}
static inline void google_protobuf_enum_options_clear_deprecated(struct google_protobuf_enum_options *m)
{
    sn_pb_clear(m, &google_protobuf_enum_options_desc.fields[1]);
}
static inline bool google_protobuf_enum_options_get_deprecated(const struct google_protobuf_enum_options *m)
{
    return sn_pb_has_bit(m, 1) ? m->deprecated : false;
}
static inline struct google_protobuf_uninterpreted_option *google_protobuf_enum_options_add_uninterpreted_option(struct google_protobuf_enum_options *m, struct sn_arena *a)
{
    struct google_protobuf_uninterpreted_option *sub = (struct google_protobuf_uninterpreted_option *)sn_pb_new(&google_protobuf_uninterpreted_option_desc, a);
    struct google_protobuf_uninterpreted_option **slot = sub ? (struct google_protobuf_uninterpreted_option **)sn_pb_array_add(&m->uninterpreted_option, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}

static inline struct google_protobuf_enum_value_options *google_protobuf_enum_value_options_new(struct sn_arena *a)
{
    return (struct google_protobuf_enum_value_options *)sn_pb_new(&google_protobuf_enum_value_options_desc, a);
}
static inline int google_protobuf_enum_value_options_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_enum_value_options **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_enum_value_options_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_enum_value_options *)m;
    return r;
}
static inline ssize_t google_protobuf_enum_value_options_encode(const struct google_protobuf_enum_value_options *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_enum_value_options_desc, m, out);
}
static inline bool google_protobuf_enum_value_options_has_deprecated(const struct google_protobuf_enum_value_options *m)
{
    return sn_pb_has_bit(m, 0);
}
static inline void google_protobuf_enum_value_options_set_deprecated(struct google_protobuf_enum_value_options *m, bool v)
{
    m->deprecated = v;
    sn_pb_set_bit(m, 0);
}
static inline void google_protobuf_enum_value_options_clear_deprecated(struct google_protobuf_enum_value_options *m)
{
    sn_pb_clear(m, &google_protobuf_enum_value_options_desc.fields[0]);
}
static inline bool google_protobuf_enum_value_options_get_deprecated(const struct google_protobuf_enum_value_options *m)
{
    return sn_pb_has_bit(m, 0) ? m->deprecated : false;
}
static inline struct google_protobuf_uninterpreted_option *google_protobuf_enum_value_options_add_uninterpreted_option(struct google_protobuf_enum_value_options *m, struct sn_arena *a)
{
    struct google_protobuf_uninterpreted_option *sub = (struct google_protobuf_uninterpreted_option *)sn_pb_new(&google_protobuf_uninterpreted_option_desc, a);
    struct google_protobuf_uninterpreted_option **slot = sub ? (struct google_protobuf_uninterpreted_option **)sn_pb_array_add(&m->uninterpreted_option, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}

static inline struct google_protobuf_service_options *google_protobuf_service_options_new(struct sn_arena *a)
{
    return (struct google_protobuf_service_options *)sn_pb_new(&google_protobuf_service_options_desc, a);
}
static inline int google_protobuf_service_options_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_service_options **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_service_options_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_service_options *)m;
    return r;
}
static inline ssize_t google_protobuf_service_options_encode(const struct google_protobuf_service_options *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_service_options_desc, m, out);
}
static inline bool google_protobuf_service_options_has_deprecated(const struct google_protobuf_service_options *m)
{
    return sn_pb_has_bit(m, 0);
}
static inline void google_protobuf_service_options_set_deprecated(struct google_protobuf_service_options *m, bool v)
{
    m->deprecated = v;
    sn_pb_set_bit(m, 0);
}
static inline void google_protobuf_service_options_clear_deprecated(struct google_protobuf_service_options *m)
{
    sn_pb_clear(m, &google_protobuf_service_options_desc.fields[0]);
}
static inline bool google_protobuf_service_options_get_deprecated(const struct google_protobuf_service_options *m)
{
    return sn_pb_has_bit(m, 0) ? m->deprecated : false;
}
static inline struct google_protobuf_uninterpreted_option *google_protobuf_service_options_add_uninterpreted_option(struct google_protobuf_service_options *m, struct sn_arena *a)
{
    struct google_protobuf_uninterpreted_option *sub = (struct google_protobuf_uninterpreted_option *)sn_pb_new(&google_protobuf_uninterpreted_option_desc, a);
    struct google_protobuf_uninterpreted_option **slot = sub ? (struct google_protobuf_uninterpreted_option **)sn_pb_array_add(&m->uninterpreted_option, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}

static inline struct google_protobuf_method_options *google_protobuf_method_options_new(struct sn_arena *a)
{
    return (struct google_protobuf_method_options *)sn_pb_new(&google_protobuf_method_options_desc, a);
}
static inline int google_protobuf_method_options_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_method_options **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_method_options_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_method_options *)m;
    return r;
}
static inline ssize_t google_protobuf_method_options_encode(const struct google_protobuf_method_options *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_method_options_desc, m, out);
}
static inline bool google_protobuf_method_options_has_deprecated(const struct google_protobuf_method_options *m)
{
    return sn_pb_has_bit(m, 0);
}
static inline void google_protobuf_method_options_set_deprecated(struct google_protobuf_method_options *m, bool v)
{
    m->deprecated = v;
    sn_pb_set_bit(m, 0);
}
static inline void google_protobuf_method_options_clear_deprecated(struct google_protobuf_method_options *m)
{
    sn_pb_clear(m, &google_protobuf_method_options_desc.fields[0]);
}
static inline bool google_protobuf_method_options_get_deprecated(const struct google_protobuf_method_options *m)
{
    return sn_pb_has_bit(m, 0) ? m->deprecated : false;
}
static inline bool google_protobuf_method_options_has_idempotency_level(const struct google_protobuf_method_options *m)
{
    return sn_pb_has_bit(m, 1);
}
static inline void google_protobuf_method_options_set_idempotency_level(struct google_protobuf_method_options *m, int32_t v)
{
    m->idempotency_level = v;
    sn_pb_set_bit(m, 1);
}
static inline void google_protobuf_method_options_clear_idempotency_level(struct google_protobuf_method_options *m)
{
    sn_pb_clear(m, &google_protobuf_method_options_desc.fields[1]);
}
static inline int32_t google_protobuf_method_options_get_idempotency_level(const struct google_protobuf_method_options *m)
{
    return sn_pb_has_bit(m, 1) ? m->idempotency_level : (int32_t)GOOGLE_PROTOBUF_METHOD_OPTIONS_IDEMPOTENCY_LEVEL_IDEMPOTENCY_UNKNOWN;
}
static inline struct google_protobuf_uninterpreted_option *google_protobuf_method_options_add_uninterpreted_option(struct google_protobuf_method_options *m, struct sn_arena *a)
{
    struct google_protobuf_uninterpreted_option *sub = (struct google_protobuf_uninterpreted_option *)sn_pb_new(&google_protobuf_uninterpreted_option_desc, a);
    struct google_protobuf_uninterpreted_option **slot = sub ? (struct google_protobuf_uninterpreted_option **)sn_pb_array_add(&m->uninterpreted_option, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}

static inline struct google_protobuf_uninterpreted_option *google_protobuf_uninterpreted_option_new(struct sn_arena *a)
{
    return (struct google_protobuf_uninterpreted_option *)sn_pb_new(&google_protobuf_uninterpreted_option_desc, a);
}
static inline int google_protobuf_uninterpreted_option_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_uninterpreted_option **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_uninterpreted_option_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_uninterpreted_option *)m;
    return r;
}
static inline ssize_t google_protobuf_uninterpreted_option_encode(const struct google_protobuf_uninterpreted_option *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_uninterpreted_option_desc, m, out);
}
static inline struct google_protobuf_uninterpreted_option_name_part *google_protobuf_uninterpreted_option_add_name(struct google_protobuf_uninterpreted_option *m, struct sn_arena *a)
{
    struct google_protobuf_uninterpreted_option_name_part *sub = (struct google_protobuf_uninterpreted_option_name_part *)sn_pb_new(&google_protobuf_uninterpreted_option_name_part_desc, a);
    struct google_protobuf_uninterpreted_option_name_part **slot = sub ? (struct google_protobuf_uninterpreted_option_name_part **)sn_pb_array_add(&m->name, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}
static inline bool google_protobuf_uninterpreted_option_has_identifier_value(const struct google_protobuf_uninterpreted_option *m)
{
    return sn_pb_has_bit(m, 0);
}
static inline void google_protobuf_uninterpreted_option_set_identifier_value(struct google_protobuf_uninterpreted_option *m, struct sn_str v)
{
    m->identifier_value = v;
    sn_pb_set_bit(m, 0);
}
static inline void google_protobuf_uninterpreted_option_clear_identifier_value(struct google_protobuf_uninterpreted_option *m)
{
    sn_pb_clear(m, &google_protobuf_uninterpreted_option_desc.fields[1]);
}
static inline bool google_protobuf_uninterpreted_option_has_positive_int_value(const struct google_protobuf_uninterpreted_option *m)
{
    return sn_pb_has_bit(m, 1);
}
static inline void google_protobuf_uninterpreted_option_set_positive_int_value(struct google_protobuf_uninterpreted_option *m, uint64_t v)
{
    m->positive_int_value = v;
    sn_pb_set_bit(m, 1);
}
static inline void google_protobuf_uninterpreted_option_clear_positive_int_value(struct google_protobuf_uninterpreted_option *m)
{
    sn_pb_clear(m, &google_protobuf_uninterpreted_option_desc.fields[2]);
}
static inline bool google_protobuf_uninterpreted_option_has_negative_int_value(const struct google_protobuf_uninterpreted_option *m)
{
    return sn_pb_has_bit(m, 2);
}
static inline void google_protobuf_uninterpreted_option_set_negative_int_value(struct google_protobuf_uninterpreted_option *m, int64_t v)
{
    m->negative_int_value = v;
    sn_pb_set_bit(m, 2);
}
static inline void google_protobuf_uninterpreted_option_clear_negative_int_value(struct google_protobuf_uninterpreted_option *m)
{
    sn_pb_clear(m, &google_protobuf_uninterpreted_option_desc.fields[3]);
}
static inline bool google_protobuf_uninterpreted_option_has_double_value(const struct google_protobuf_uninterpreted_option *m)
{
    return sn_pb_has_bit(m, 3);
}
static inline void google_protobuf_uninterpreted_option_set_double_value(struct google_protobuf_uninterpreted_option *m, double v)
{
    m->double_value = v;
    sn_pb_set_bit(m, 3);
}
static inline void google_protobuf_uninterpreted_option_clear_double_value(struct google_protobuf_uninterpreted_option *m)
{
    sn_pb_clear(m, &google_protobuf_uninterpreted_option_desc.fields[4]);
}
static inline bool google_protobuf_uninterpreted_option_has_string_value(const struct google_protobuf_uninterpreted_option *m)
{
    return sn_pb_has_bit(m, 4);
}
static inline void google_protobuf_uninterpreted_option_set_string_value(struct google_protobuf_uninterpreted_option *m, struct sn_str v)
{
    m->string_value = v;
    sn_pb_set_bit(m, 4);
}
static inline void google_protobuf_uninterpreted_option_clear_string_value(struct google_protobuf_uninterpreted_option *m)
{
    sn_pb_clear(m, &google_protobuf_uninterpreted_option_desc.fields[5]);
}
static inline bool google_protobuf_uninterpreted_option_has_aggregate_value(const struct google_protobuf_uninterpreted_option *m)
{
    return sn_pb_has_bit(m, 5);
}
static inline void google_protobuf_uninterpreted_option_set_aggregate_value(struct google_protobuf_uninterpreted_option *m, struct sn_str v)
{
    m->aggregate_value = v;
    sn_pb_set_bit(m, 5);
}
static inline void google_protobuf_uninterpreted_option_clear_aggregate_value(struct google_protobuf_uninterpreted_option *m)
{
    sn_pb_clear(m, &google_protobuf_uninterpreted_option_desc.fields[6]);
}

static inline struct google_protobuf_uninterpreted_option_name_part *google_protobuf_uninterpreted_option_name_part_new(struct sn_arena *a)
{
    return (struct google_protobuf_uninterpreted_option_name_part *)sn_pb_new(&google_protobuf_uninterpreted_option_name_part_desc, a);
}
static inline int google_protobuf_uninterpreted_option_name_part_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_uninterpreted_option_name_part **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_uninterpreted_option_name_part_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_uninterpreted_option_name_part *)m;
    return r;
}
static inline ssize_t google_protobuf_uninterpreted_option_name_part_encode(const struct google_protobuf_uninterpreted_option_name_part *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_uninterpreted_option_name_part_desc, m, out);
}
static inline bool google_protobuf_uninterpreted_option_name_part_has_name_part(const struct google_protobuf_uninterpreted_option_name_part *m)
{
    return sn_pb_has_bit(m, 0);
}
static inline void google_protobuf_uninterpreted_option_name_part_set_name_part(struct google_protobuf_uninterpreted_option_name_part *m, struct sn_str v)
{
    m->name_part = v;
    sn_pb_set_bit(m, 0);
}
static inline void google_protobuf_uninterpreted_option_name_part_clear_name_part(struct google_protobuf_uninterpreted_option_name_part *m)
{
    sn_pb_clear(m, &google_protobuf_uninterpreted_option_name_part_desc.fields[0]);
}
static inline bool google_protobuf_uninterpreted_option_name_part_has_is_extension(const struct google_protobuf_uninterpreted_option_name_part *m)
{
    return sn_pb_has_bit(m, 1);
}
static inline void google_protobuf_uninterpreted_option_name_part_set_is_extension(struct google_protobuf_uninterpreted_option_name_part *m, bool v)
{
    m->is_extension = v;
    sn_pb_set_bit(m, 1);
}
static inline void google_protobuf_uninterpreted_option_name_part_clear_is_extension(struct google_protobuf_uninterpreted_option_name_part *m)
{
    sn_pb_clear(m, &google_protobuf_uninterpreted_option_name_part_desc.fields[1]);
}

static inline struct google_protobuf_source_code_info *google_protobuf_source_code_info_new(struct sn_arena *a)
{
    return (struct google_protobuf_source_code_info *)sn_pb_new(&google_protobuf_source_code_info_desc, a);
}
static inline int google_protobuf_source_code_info_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_source_code_info **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_source_code_info_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_source_code_info *)m;
    return r;
}
static inline ssize_t google_protobuf_source_code_info_encode(const struct google_protobuf_source_code_info *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_source_code_info_desc, m, out);
}
static inline struct google_protobuf_source_code_info_location *google_protobuf_source_code_info_add_location(struct google_protobuf_source_code_info *m, struct sn_arena *a)
{
    struct google_protobuf_source_code_info_location *sub = (struct google_protobuf_source_code_info_location *)sn_pb_new(&google_protobuf_source_code_info_location_desc, a);
    struct google_protobuf_source_code_info_location **slot = sub ? (struct google_protobuf_source_code_info_location **)sn_pb_array_add(&m->location, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}

static inline struct google_protobuf_source_code_info_location *google_protobuf_source_code_info_location_new(struct sn_arena *a)
{
    return (struct google_protobuf_source_code_info_location *)sn_pb_new(&google_protobuf_source_code_info_location_desc, a);
}
static inline int google_protobuf_source_code_info_location_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_source_code_info_location **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_source_code_info_location_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_source_code_info_location *)m;
    return r;
}
static inline ssize_t google_protobuf_source_code_info_location_encode(const struct google_protobuf_source_code_info_location *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_source_code_info_location_desc, m, out);
}
static inline int google_protobuf_source_code_info_location_add_path(struct google_protobuf_source_code_info_location *m, int32_t v, struct sn_arena *a)
{
    int32_t *slot = (int32_t *)sn_pb_array_add(&m->path, sizeof v, a);
    if (!slot) return SN_E_NOMEM;
    *slot = v;
    return 0;
}
static inline int google_protobuf_source_code_info_location_add_span(struct google_protobuf_source_code_info_location *m, int32_t v, struct sn_arena *a)
{
    int32_t *slot = (int32_t *)sn_pb_array_add(&m->span, sizeof v, a);
    if (!slot) return SN_E_NOMEM;
    *slot = v;
    return 0;
}
static inline bool google_protobuf_source_code_info_location_has_leading_comments(const struct google_protobuf_source_code_info_location *m)
{
    return sn_pb_has_bit(m, 0);
}
static inline void google_protobuf_source_code_info_location_set_leading_comments(struct google_protobuf_source_code_info_location *m, struct sn_str v)
{
    m->leading_comments = v;
    sn_pb_set_bit(m, 0);
}
static inline void google_protobuf_source_code_info_location_clear_leading_comments(struct google_protobuf_source_code_info_location *m)
{
    sn_pb_clear(m, &google_protobuf_source_code_info_location_desc.fields[2]);
}
static inline bool google_protobuf_source_code_info_location_has_trailing_comments(const struct google_protobuf_source_code_info_location *m)
{
    return sn_pb_has_bit(m, 1);
}
static inline void google_protobuf_source_code_info_location_set_trailing_comments(struct google_protobuf_source_code_info_location *m, struct sn_str v)
{
    m->trailing_comments = v;
    sn_pb_set_bit(m, 1);
}
static inline void google_protobuf_source_code_info_location_clear_trailing_comments(struct google_protobuf_source_code_info_location *m)
{
    sn_pb_clear(m, &google_protobuf_source_code_info_location_desc.fields[3]);
}
static inline int google_protobuf_source_code_info_location_add_leading_detached_comments(struct google_protobuf_source_code_info_location *m, struct sn_str v, struct sn_arena *a)
{
    struct sn_str *slot = (struct sn_str *)sn_pb_array_add(&m->leading_detached_comments, sizeof v, a);
    if (!slot) return SN_E_NOMEM;
    *slot = v;
    return 0;
}

static inline struct google_protobuf_generated_code_info *google_protobuf_generated_code_info_new(struct sn_arena *a)
{
    return (struct google_protobuf_generated_code_info *)sn_pb_new(&google_protobuf_generated_code_info_desc, a);
}
static inline int google_protobuf_generated_code_info_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_generated_code_info **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_generated_code_info_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_generated_code_info *)m;
    return r;
}
static inline ssize_t google_protobuf_generated_code_info_encode(const struct google_protobuf_generated_code_info *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_generated_code_info_desc, m, out);
}
static inline struct google_protobuf_generated_code_info_annotation *google_protobuf_generated_code_info_add_annotation(struct google_protobuf_generated_code_info *m, struct sn_arena *a)
{
    struct google_protobuf_generated_code_info_annotation *sub = (struct google_protobuf_generated_code_info_annotation *)sn_pb_new(&google_protobuf_generated_code_info_annotation_desc, a);
    struct google_protobuf_generated_code_info_annotation **slot = sub ? (struct google_protobuf_generated_code_info_annotation **)sn_pb_array_add(&m->annotation, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}

static inline struct google_protobuf_generated_code_info_annotation *google_protobuf_generated_code_info_annotation_new(struct sn_arena *a)
{
    return (struct google_protobuf_generated_code_info_annotation *)sn_pb_new(&google_protobuf_generated_code_info_annotation_desc, a);
}
static inline int google_protobuf_generated_code_info_annotation_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_generated_code_info_annotation **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_generated_code_info_annotation_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_generated_code_info_annotation *)m;
    return r;
}
static inline ssize_t google_protobuf_generated_code_info_annotation_encode(const struct google_protobuf_generated_code_info_annotation *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_generated_code_info_annotation_desc, m, out);
}
static inline int google_protobuf_generated_code_info_annotation_add_path(struct google_protobuf_generated_code_info_annotation *m, int32_t v, struct sn_arena *a)
{
    int32_t *slot = (int32_t *)sn_pb_array_add(&m->path, sizeof v, a);
    if (!slot) return SN_E_NOMEM;
    *slot = v;
    return 0;
}
static inline bool google_protobuf_generated_code_info_annotation_has_source_file(const struct google_protobuf_generated_code_info_annotation *m)
{
    return sn_pb_has_bit(m, 0);
}
static inline void google_protobuf_generated_code_info_annotation_set_source_file(struct google_protobuf_generated_code_info_annotation *m, struct sn_str v)
{
    m->source_file = v;
    sn_pb_set_bit(m, 0);
}
static inline void google_protobuf_generated_code_info_annotation_clear_source_file(struct google_protobuf_generated_code_info_annotation *m)
{
    sn_pb_clear(m, &google_protobuf_generated_code_info_annotation_desc.fields[1]);
}
static inline bool google_protobuf_generated_code_info_annotation_has_begin(const struct google_protobuf_generated_code_info_annotation *m)
{
    return sn_pb_has_bit(m, 1);
}
static inline void google_protobuf_generated_code_info_annotation_set_begin(struct google_protobuf_generated_code_info_annotation *m, int32_t v)
{
    m->begin = v;
    sn_pb_set_bit(m, 1);
}
static inline void google_protobuf_generated_code_info_annotation_clear_begin(struct google_protobuf_generated_code_info_annotation *m)
{
    sn_pb_clear(m, &google_protobuf_generated_code_info_annotation_desc.fields[2]);
}
static inline bool google_protobuf_generated_code_info_annotation_has_end(const struct google_protobuf_generated_code_info_annotation *m)
{
    return sn_pb_has_bit(m, 2);
}
static inline void google_protobuf_generated_code_info_annotation_set_end(struct google_protobuf_generated_code_info_annotation *m, int32_t v)
{
    m->end = v;
    sn_pb_set_bit(m, 2);
}
static inline void google_protobuf_generated_code_info_annotation_clear_end(struct google_protobuf_generated_code_info_annotation *m)
{
    sn_pb_clear(m, &google_protobuf_generated_code_info_annotation_desc.fields[3]);
}
