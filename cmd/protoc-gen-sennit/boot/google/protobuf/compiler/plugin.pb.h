/* Written by protoc-gen-sennit from google/protobuf/compiler/plugin.proto; edits are lost. */
#pragma once
#include "wire/pb.h"
#include "google/protobuf/descriptor.pb.h"

enum google_protobuf_compiler_code_generator_response_feature {
    GOOGLE_PROTOBUF_COMPILER_CODE_GENERATOR_RESPONSE_FEATURE_NONE = 0,
    GOOGLE_PROTOBUF_COMPILER_CODE_GENERATOR_RESPONSE_FEATURE_PROTO3_OPTIONAL = 1,
};
extern const struct sn_pb_enum google_protobuf_compiler_code_generator_response_feature_enum;

struct google_protobuf_compiler_version;
struct google_protobuf_compiler_code_generator_request;
struct google_protobuf_compiler_code_generator_response;
struct google_protobuf_compiler_code_generator_response_file;

struct google_protobuf_compiler_version {
    struct sn_pb_head sn_head;
    uint32_t sn_has[1];
    int32_t major;
    int32_t minor;
    int32_t patch;
    struct sn_str suffix;
};
extern const struct sn_pb_desc google_protobuf_compiler_version_desc;

struct google_protobuf_compiler_code_generator_request {
    struct sn_pb_head sn_head;
    uint32_t sn_has[1];
    SN_PB_REPEATED_OF(struct sn_str) file_to_generate;
    struct sn_str parameter;
    SN_PB_REPEATED_OF(struct google_protobuf_file_descriptor_proto *) proto_file;
    struct google_protobuf_compiler_version *compiler_version;
};
extern const struct sn_pb_desc google_protobuf_compiler_code_generator_request_desc;

struct google_protobuf_compiler_code_generator_response {
    struct sn_pb_head sn_head;
    uint32_t sn_has[1];
    struct sn_str error;
    uint64_t supported_features;
    SN_PB_REPEATED_OF(struct google_protobuf_compiler_code_generator_response_file *) file;
};
extern const struct sn_pb_desc google_protobuf_compiler_code_generator_response_desc;

struct google_protobuf_compiler_code_generator_response_file {
    struct sn_pb_head sn_head;
    uint32_t sn_has[1];
    struct sn_str name;
    struct sn_str insertion_point;
    struct sn_str content;
    struct google_protobuf_generated_code_info *generated_code_info;
};
extern const struct sn_pb_desc google_protobuf_compiler_code_generator_response_file_desc;

extern const struct sn_pb_file google_protobuf_compiler_plugin_proto_file;

static inline struct google_protobuf_compiler_version *google_protobuf_compiler_version_new(struct sn_arena *a)
{
    return (struct google_protobuf_compiler_version *)sn_pb_new(&google_protobuf_compiler_version_desc, a);
}
static inline int google_protobuf_compiler_version_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_compiler_version **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_compiler_version_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_compiler_version *)m;
    return r;
}
static inline ssize_t google_protobuf_compiler_version_encode(const struct google_protobuf_compiler_version *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_compiler_version_desc, m, out);
}
static inline bool google_protobuf_compiler_version_has_major(const struct google_protobuf_compiler_version *m)
{
    return sn_pb_has_bit(m, 0);
}
static inline void google_protobuf_compiler_version_set_major(struct google_protobuf_compiler_version *m, int32_t v)
{
    m->major = v;
    sn_pb_set_bit(m, 0);
}
static inline void google_protobuf_compiler_version_clear_major(struct google_protobuf_compiler_version *m)
{
    sn_pb_clear(m, &google_protobuf_compiler_version_desc.fields[0]);
}
static inline bool google_protobuf_compiler_version_has_minor(const struct google_protobuf_compiler_version *m)
{
    return sn_pb_has_bit(m, 1);
}
static inline void google_protobuf_compiler_version_set_minor(struct google_protobuf_compiler_version *m, int32_t v)
{
    m->minor = v;
    sn_pb_set_bit(m, 1);
}
static inline void google_protobuf_compiler_version_clear_minor(struct google_protobuf_compiler_version *m)
{
    sn_pb_clear(m, &google_protobuf_compiler_version_desc.fields[1]);
}
static inline bool google_protobuf_compiler_version_has_patch(const struct google_protobuf_compiler_version *m)
{
    return sn_pb_has_bit(m, 2);
}
static inline void google_protobuf_compiler_version_set_patch(struct google_protobuf_compiler_version *m, int32_t v)
{
    m->patch = v;
    sn_pb_set_bit(m, 2);
}
static inline void google_protobuf_compiler_version_clear_patch(struct google_protobuf_compiler_version *m)
{
    sn_pb_clear(m, &google_protobuf_compiler_version_desc.fields[2]);
}
static inline bool google_protobuf_compiler_version_has_suffix(const struct google_protobuf_compiler_version *m)
{
    return sn_pb_has_bit(m, 3);
}
static inline void google_protobuf_compiler_version_set_suffix(struct google_protobuf_compiler_version *m, struct sn_str v)
{
    m->suffix = v;
    sn_pb_set_bit(m, 3);
}
static inline void google_protobuf_compiler_version_clear_suffix(struct google_protobuf_compiler_version *m)
{
    sn_pb_clear(m, &google_protobuf_compiler_version_desc.fields[3]);
}

static inline struct google_protobuf_compiler_code_generator_request *google_protobuf_compiler_code_generator_request_new(struct sn_arena *a)
{
    return (struct google_protobuf_compiler_code_generator_request *)sn_pb_new(&google_protobuf_compiler_code_generator_request_desc, a);
}
static inline int google_protobuf_compiler_code_generator_request_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_compiler_code_generator_request **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_compiler_code_generator_request_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_compiler_code_generator_request *)m;
    return r;
}
static inline ssize_t google_protobuf_compiler_code_generator_request_encode(const struct google_protobuf_compiler_code_generator_request *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_compiler_code_generator_request_desc, m, out);
}
static inline int google_protobuf_compiler_code_generator_request_add_file_to_generate(struct google_protobuf_compiler_code_generator_request *m, struct sn_str v, struct sn_arena *a)
{
    struct sn_str *slot = (struct sn_str *)sn_pb_array_add(&m->file_to_generate, sizeof v, a);
    if (!slot) return SN_E_NOMEM;
    *slot = v;
    return 0;
}
static inline bool google_protobuf_compiler_code_generator_request_has_parameter(const struct google_protobuf_compiler_code_generator_request *m)
{
    return sn_pb_has_bit(m, 0);
}
static inline void google_protobuf_compiler_code_generator_request_set_parameter(struct google_protobuf_compiler_code_generator_request *m, struct sn_str v)
{
    m->parameter = v;
    sn_pb_set_bit(m, 0);
}
static inline void google_protobuf_compiler_code_generator_request_clear_parameter(struct google_protobuf_compiler_code_generator_request *m)
{
    sn_pb_clear(m, &google_protobuf_compiler_code_generator_request_desc.fields[1]);
}
static inline struct google_protobuf_file_descriptor_proto *google_protobuf_compiler_code_generator_request_add_proto_file(struct google_protobuf_compiler_code_generator_request *m, struct sn_arena *a)
{
    struct google_protobuf_file_descriptor_proto *sub = (struct google_protobuf_file_descriptor_proto *)sn_pb_new(&google_protobuf_file_descriptor_proto_desc, a);
    struct google_protobuf_file_descriptor_proto **slot = sub ? (struct google_protobuf_file_descriptor_proto **)sn_pb_array_add(&m->proto_file, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}
static inline struct google_protobuf_compiler_version *google_protobuf_compiler_code_generator_request_mut_compiler_version(struct google_protobuf_compiler_code_generator_request *m, struct sn_arena *a)
{
    return (struct google_protobuf_compiler_version *)sn_pb_mutable(m, &google_protobuf_compiler_code_generator_request_desc.fields[2], a);
}

static inline struct google_protobuf_compiler_code_generator_response *google_protobuf_compiler_code_generator_response_new(struct sn_arena *a)
{
    return (struct google_protobuf_compiler_code_generator_response *)sn_pb_new(&google_protobuf_compiler_code_generator_response_desc, a);
}
static inline int google_protobuf_compiler_code_generator_response_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_compiler_code_generator_response **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_compiler_code_generator_response_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_compiler_code_generator_response *)m;
    return r;
}
static inline ssize_t google_protobuf_compiler_code_generator_response_encode(const struct google_protobuf_compiler_code_generator_response *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_compiler_code_generator_response_desc, m, out);
}
static inline bool google_protobuf_compiler_code_generator_response_has_error(const struct google_protobuf_compiler_code_generator_response *m)
{
    return sn_pb_has_bit(m, 0);
}
static inline void google_protobuf_compiler_code_generator_response_set_error(struct google_protobuf_compiler_code_generator_response *m, struct sn_str v)
{
    m->error = v;
    sn_pb_set_bit(m, 0);
}
static inline void google_protobuf_compiler_code_generator_response_clear_error(struct google_protobuf_compiler_code_generator_response *m)
{
    sn_pb_clear(m, &google_protobuf_compiler_code_generator_response_desc.fields[0]);
}
static inline bool google_protobuf_compiler_code_generator_response_has_supported_features(const struct google_protobuf_compiler_code_generator_response *m)
{
    return sn_pb_has_bit(m, 1);
}
static inline void google_protobuf_compiler_code_generator_response_set_supported_features(struct google_protobuf_compiler_code_generator_response *m, uint64_t v)
{
    m->supported_features = v;
    sn_pb_set_bit(m, 1);
}
static inline void google_protobuf_compiler_code_generator_response_clear_supported_features(struct google_protobuf_compiler_code_generator_response *m)
{
    sn_pb_clear(m, &google_protobuf_compiler_code_generator_response_desc.fields[1]);
}
static inline struct google_protobuf_compiler_code_generator_response_file *google_protobuf_compiler_code_generator_response_add_file(struct google_protobuf_compiler_code_generator_response *m, struct sn_arena *a)
{
    struct google_protobuf_compiler_code_generator_response_file *sub = (struct google_protobuf_compiler_code_generator_response_file *)sn_pb_new(&google_protobuf_compiler_code_generator_response_file_desc, a);
    struct google_protobuf_compiler_code_generator_response_file **slot = sub ? (struct google_protobuf_compiler_code_generator_response_file **)sn_pb_array_add(&m->file, sizeof sub, a) : NULL;
    return slot ? (*slot = sub) : NULL;
}

static inline struct google_protobuf_compiler_code_generator_response_file *google_protobuf_compiler_code_generator_response_file_new(struct sn_arena *a)
{
    return (struct google_protobuf_compiler_code_generator_response_file *)sn_pb_new(&google_protobuf_compiler_code_generator_response_file_desc, a);
}
static inline int google_protobuf_compiler_code_generator_response_file_parse(struct sn_str in, unsigned flags, struct sn_arena *a,
    struct google_protobuf_compiler_code_generator_response_file **ret)
{
    void *m;
    int r = sn_pb_parse(&google_protobuf_compiler_code_generator_response_file_desc, in, flags, a, &m);
    if (r >= 0) *ret = (struct google_protobuf_compiler_code_generator_response_file *)m;
    return r;
}
static inline ssize_t google_protobuf_compiler_code_generator_response_file_encode(const struct google_protobuf_compiler_code_generator_response_file *m, struct sn_buf *out)
{
    return sn_pb_encode(&google_protobuf_compiler_code_generator_response_file_desc, m, out);
}
static inline bool google_protobuf_compiler_code_generator_response_file_has_name(const struct google_protobuf_compiler_code_generator_response_file *m)
{
    return sn_pb_has_bit(m, 0);
}
static inline void google_protobuf_compiler_code_generator_response_file_set_name(struct google_protobuf_compiler_code_generator_response_file *m, struct sn_str v)
{
    m->name = v;
    sn_pb_set_bit(m, 0);
}
static inline void google_protobuf_compiler_code_generator_response_file_clear_name(struct google_protobuf_compiler_code_generator_response_file *m)
{
    sn_pb_clear(m, &google_protobuf_compiler_code_generator_response_file_desc.fields[0]);
}
static inline bool google_protobuf_compiler_code_generator_response_file_has_insertion_point(const struct google_protobuf_compiler_code_generator_response_file *m)
{
    return sn_pb_has_bit(m, 1);
}
static inline void google_protobuf_compiler_code_generator_response_file_set_insertion_point(struct google_protobuf_compiler_code_generator_response_file *m, struct sn_str v)
{
    m->insertion_point = v;
    sn_pb_set_bit(m, 1);
}
static inline void google_protobuf_compiler_code_generator_response_file_clear_insertion_point(struct google_protobuf_compiler_code_generator_response_file *m)
{
    sn_pb_clear(m, &google_protobuf_compiler_code_generator_response_file_desc.fields[1]);
}
static inline bool google_protobuf_compiler_code_generator_response_file_has_content(const struct google_protobuf_compiler_code_generator_response_file *m)
{
    return sn_pb_has_bit(m, 2);
}
static inline void google_protobuf_compiler_code_generator_response_file_set_content(struct google_protobuf_compiler_code_generator_response_file *m, struct sn_str v)
{
    m->content = v;
    sn_pb_set_bit(m, 2);
}
static inline void google_protobuf_compiler_code_generator_response_file_clear_content(struct google_protobuf_compiler_code_generator_response_file *m)
{
    sn_pb_clear(m, &google_protobuf_compiler_code_generator_response_file_desc.fields[2]);
}
static inline struct google_protobuf_generated_code_info *google_protobuf_compiler_code_generator_response_file_mut_generated_code_info(struct google_protobuf_compiler_code_generator_response_file *m, struct sn_arena *a)
{
    return (struct google_protobuf_generated_code_info *)sn_pb_mutable(m, &google_protobuf_compiler_code_generator_response_file_desc.fields[3], a);
}
