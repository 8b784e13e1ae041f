/* Written by protoc-gen-sennit from google/protobuf/compiler/plugin.proto; edits are lost. */
#include "google/protobuf/compiler/plugin.pb.h"

static const struct sn_pb_enum_value google_protobuf_compiler_code_generator_response_feature_values[] = {
    {SN_STR_INIT("FEATURE_NONE"), 0},
    {SN_STR_INIT("FEATURE_PROTO3_OPTIONAL"), 1},
};
const struct sn_pb_enum google_protobuf_compiler_code_generator_response_feature_enum = {SN_STR_INIT("google.protobuf.compiler.CodeGeneratorResponse.Feature"), google_protobuf_compiler_code_generator_response_feature_values, 2};

static const struct sn_pb_field google_protobuf_compiler_version_fields[] = {
    {SN_STR_INIT("major"), SN_STR_INIT("major"), {NULL},
     1, 8u, offsetof(struct google_protobuf_compiler_version, major), 0, SN_PB_INT32, SN_PB_F_HASBIT},
    {SN_STR_INIT("minor"), SN_STR_INIT("minor"), {NULL},
     2, 16u, offsetof(struct google_protobuf_compiler_version, minor), 1, SN_PB_INT32, SN_PB_F_HASBIT},
    {SN_STR_INIT("patch"), SN_STR_INIT("patch"), {NULL},
     3, 24u, offsetof(struct google_protobuf_compiler_version, patch), 2, SN_PB_INT32, SN_PB_F_HASBIT},
    {SN_STR_INIT("suffix"), SN_STR_INIT("suffix"), {NULL},
     4, 34u, offsetof(struct google_protobuf_compiler_version, suffix), 3, SN_PB_STRING, SN_PB_F_HASBIT},
};
static const uint16_t google_protobuf_compiler_version_dense[] = {0, 1, 2, 3, 4};
const struct sn_pb_desc google_protobuf_compiler_version_desc = {
    SN_STR_INIT("google.protobuf.compiler.Version"),
    google_protobuf_compiler_version_fields, google_protobuf_compiler_version_dense, &google_protobuf_compiler_plugin_proto_file,
    sizeof(struct google_protobuf_compiler_version), 4, 5, 4, 0, SN_PB_WKT_NONE,
};

static const struct sn_pb_field google_protobuf_compiler_code_generator_request_fields[] = {
    {SN_STR_INIT("file_to_generate"), SN_STR_INIT("fileToGenerate"), {NULL},
     1, 10u, offsetof(struct google_protobuf_compiler_code_generator_request, file_to_generate), 0, SN_PB_STRING, SN_PB_F_REPEATED},
    {SN_STR_INIT("parameter"), SN_STR_INIT("parameter"), {NULL},
     2, 18u, offsetof(struct google_protobuf_compiler_code_generator_request, parameter), 0, SN_PB_STRING, SN_PB_F_HASBIT},
    {SN_STR_INIT("compiler_version"), SN_STR_INIT("compilerVersion"), {.msg = &google_protobuf_compiler_version_desc},
     3, 26u, offsetof(struct google_protobuf_compiler_code_generator_request, compiler_version), 0, SN_PB_MESSAGE, 0},
    {SN_STR_INIT("proto_file"), SN_STR_INIT("protoFile"), {.msg = &google_protobuf_file_descriptor_proto_desc},
     15, 122u, offsetof(struct google_protobuf_compiler_code_generator_request, proto_file), 0, SN_PB_MESSAGE, SN_PB_F_REPEATED},
};
static const uint16_t google_protobuf_compiler_code_generator_request_dense[] = {0, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4};
const struct sn_pb_desc google_protobuf_compiler_code_generator_request_desc = {
    SN_STR_INIT("google.protobuf.compiler.CodeGeneratorRequest"),
    google_protobuf_compiler_code_generator_request_fields, google_protobuf_compiler_code_generator_request_dense, &google_protobuf_compiler_plugin_proto_file,
    sizeof(struct google_protobuf_compiler_code_generator_request), 4, 16, 1, 0, SN_PB_WKT_NONE,
};

static const struct sn_pb_field google_protobuf_compiler_code_generator_response_fields[] = {
    {SN_STR_INIT("error"), SN_STR_INIT("error"), {NULL},
     1, 10u, offsetof(struct google_protobuf_compiler_code_generator_response, error), 0, SN_PB_STRING, SN_PB_F_HASBIT},
    {SN_STR_INIT("supported_features"), SN_STR_INIT("supportedFeatures"), {NULL},
     2, 16u, offsetof(struct google_protobuf_compiler_code_generator_response, supported_features), 1, SN_PB_UINT64, SN_PB_F_HASBIT},
    {SN_STR_INIT("file"), SN_STR_INIT("file"), {.msg = &google_protobuf_compiler_code_generator_response_file_desc},
     15, 122u, offsetof(struct google_protobuf_compiler_code_generator_response, file), 0, SN_PB_MESSAGE, SN_PB_F_REPEATED},
};
static const uint16_t google_protobuf_compiler_code_generator_response_dense[] = {0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3};
const struct sn_pb_desc google_protobuf_compiler_code_generator_response_desc = {
    SN_STR_INIT("google.protobuf.compiler.CodeGeneratorResponse"),
    google_protobuf_compiler_code_generator_response_fields, google_protobuf_compiler_code_generator_response_dense, &google_protobuf_compiler_plugin_proto_file,
    sizeof(struct google_protobuf_compiler_code_generator_response), 3, 16, 2, 0, SN_PB_WKT_NONE,
};

static const struct sn_pb_field google_protobuf_compiler_code_generator_response_file_fields[] = {
    {SN_STR_INIT("name"), SN_STR_INIT("name"), {NULL},
     1, 10u, offsetof(struct google_protobuf_compiler_code_generator_response_file, name), 0, SN_PB_STRING, SN_PB_F_HASBIT},
    {SN_STR_INIT("insertion_point"), SN_STR_INIT("insertionPoint"), {NULL},
     2, 18u, offsetof(struct google_protobuf_compiler_code_generator_response_file, insertion_point), 1, SN_PB_STRING, SN_PB_F_HASBIT},
    {SN_STR_INIT("content"), SN_STR_INIT("content"), {NULL},
     15, 122u, offsetof(struct google_protobuf_compiler_code_generator_response_file, content), 2, SN_PB_STRING, SN_PB_F_HASBIT},
    {SN_STR_INIT("generated_code_info"), SN_STR_INIT("generatedCodeInfo"), {.msg = &google_protobuf_generated_code_info_desc},
     16, 130u, offsetof(struct google_protobuf_compiler_code_generator_response_file, generated_code_info), 0, SN_PB_MESSAGE, 0},
};
static const uint16_t google_protobuf_compiler_code_generator_response_file_dense[] = {0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 4};
const struct sn_pb_desc google_protobuf_compiler_code_generator_response_file_desc = {
    SN_STR_INIT("google.protobuf.compiler.CodeGeneratorResponse.File"),
    google_protobuf_compiler_code_generator_response_file_fields, google_protobuf_compiler_code_generator_response_file_dense, &google_protobuf_compiler_plugin_proto_file,
    sizeof(struct google_protobuf_compiler_code_generator_response_file), 4, 17, 3, 0, SN_PB_WKT_NONE,
};

static const uint8_t file_descriptor[] = {
    10,37,103,111,111,103,108,101,47,112,114,111,116,111,98,117,102,47,99,111,
    109,112,105,108,101,114,47,112,108,117,103,105,110,46,112,114,111,116,111,18,
    24,103,111,111,103,108,101,46,112,114,111,116,111,98,117,102,46,99,111,109,
    112,105,108,101,114,26,32,103,111,111,103,108,101,47,112,114,111,116,111,98,
    117,102,47,100,101,115,99,114,105,112,116,111,114,46,112,114,111,116,111,34,
    99,10,7,86,101,114,115,105,111,110,18,20,10,5,109,97,106,111,114,24,
    1,32,1,40,5,82,5,109,97,106,111,114,18,20,10,5,109,105,110,111,
    114,24,2,32,1,40,5,82,5,109,105,110,111,114,18,20,10,5,112,97,
    116,99,104,24,3,32,1,40,5,82,5,112,97,116,99,104,18,22,10,6,
    115,117,102,102,105,120,24,4,32,1,40,9,82,6,115,117,102,102,105,120,
    34,241,1,10,20,67,111,100,101,71,101,110,101,114,97,116,111,114,82,101,
    113,117,101,115,116,18,40,10,16,102,105,108,101,95,116,111,95,103,101,110,
    101,114,97,116,101,24,1,32,3,40,9,82,14,102,105,108,101,84,111,71,
    101,110,101,114,97,116,101,18,28,10,9,112,97,114,97,109,101,116,101,114,
    24,2,32,1,40,9,82,9,112,97,114,97,109,101,116,101,114,18,67,10,
    10,112,114,111,116,111,95,102,105,108,101,24,15,32,3,40,11,50,36,46,
    103,111,111,103,108,101,46,112,114,111,116,111,98,117,102,46,70,105,108,101,
    68,101,115,99,114,105,112,116,111,114,80,114,111,116,111,82,9,112,114,111,
    116,111,70,105,108,101,18,76,10,16,99,111,109,112,105,108,101,114,95,118,
    101,114,115,105,111,110,24,3,32,1,40,11,50,33,46,103,111,111,103,108,
    101,46,112,114,111,116,111,98,117,102,46,99,111,109,112,105,108,101,114,46,
    86,101,114,115,105,111,110,82,15,99,111,109,112,105,108,101,114,86,101,114,
    115,105,111,110,34,148,3,10,21,67,111,100,101,71,101,110,101,114,97,116,
    111,114,82,101,115,112,111,110,115,101,18,20,10,5,101,114,114,111,114,24,
    1,32,1,40,9,82,5,101,114,114,111,114,18,45,10,18,115,117,112,112,
    111,114,116,101,100,95,102,101,97,116,117,114,101,115,24,2,32,1,40,4,
    82,17,115,117,112,112,111,114,116,101,100,70,101,97,116,117,114,101,115,18,
    72,10,4,102,105,108,101,24,15,32,3,40,11,50,52,46,103,111,111,103,
    108,101,46,112,114,111,116,111,98,117,102,46,99,111,109,112,105,108,101,114,
    46,67,111,100,101,71,101,110,101,114,97,116,111,114,82,101,115,112,111,110,
    115,101,46,70,105,108,101,82,4,102,105,108,101,26,177,1,10,4,70,105,
    108,101,18,18,10,4,110,97,109,101,24,1,32,1,40,9,82,4,110,97,
    109,101,18,39,10,15,105,110,115,101,114,116,105,111,110,95,112,111,105,110,
    116,24,2,32,1,40,9,82,14,105,110,115,101,114,116,105,111,110,80,111,
    105,110,116,18,24,10,7,99,111,110,116,101,110,116,24,15,32,1,40,9,
    82,7,99,111,110,116,101,110,116,18,82,10,19,103,101,110,101,114,97,116,
    101,100,95,99,111,100,101,95,105,110,102,111,24,16,32,1,40,11,50,34,
    46,103,111,111,103,108,101,46,112,114,111,116,111,98,117,102,46,71,101,110,
    101,114,97,116,101,100,67,111,100,101,73,110,102,111,82,17,103,101,110,101,
    114,97,116,101,100,67,111,100,101,73,110,102,111,34,56,10,7,70,101,97,
    116,117,114,101,18,16,10,12,70,69,65,84,85,82,69,95,78,79,78,69,
    16,0,18,27,10,23,70,69,65,84,85,82,69,95,80,82,79,84,79,51,
    95,79,80,84,73,79,78,65,76,16,1,
};
static const struct sn_pb_file *const file_deps[] = {
    &google_protobuf_descriptor_proto_file,
};
static const struct sn_pb_desc *const file_msgs[] = {
    &google_protobuf_compiler_version_desc,
    &google_protobuf_compiler_code_generator_request_desc,
    &google_protobuf_compiler_code_generator_response_desc,
    &google_protobuf_compiler_code_generator_response_file_desc,
};
static const struct sn_pb_enum *const file_enums[] = {
    &google_protobuf_compiler_code_generator_response_feature_enum,
};
const struct sn_pb_file google_protobuf_compiler_plugin_proto_file = {
    SN_STR_INIT("google/protobuf/compiler/plugin.proto"), SN_STR_INIT("google.protobuf.compiler"),
    {(const char *)file_descriptor, sizeof file_descriptor},
    file_deps, file_msgs, file_enums, NULL,
    1, 4, 1, 0,
};
