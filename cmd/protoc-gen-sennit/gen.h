/* SPDX-License-Identifier: Apache-2.0 */
/* protoc-gen-sennit/gen.h - from descriptors to C: names, and the two files written per .proto. */
#pragma once
#include "core/arena.h"
#include "core/buf.h"
#include "core/map.h"
#include "google/protobuf/compiler/plugin.pb.h"
#include "google/protobuf/descriptor.pb.h"

/* The descriptor messages under shorter tags. */
#define file_proto google_protobuf_file_descriptor_proto
#define msg_proto google_protobuf_descriptor_proto
#define field_proto google_protobuf_field_descriptor_proto
#define enum_proto google_protobuf_enum_descriptor_proto
#define service_proto google_protobuf_service_descriptor_proto

/* A message or enum of any file in the request. */
struct gen_type {
    struct sn_str full_name; /* "pkg.Outer.Inner" */
    const char *c_name;      /* "pkg_outer_inner" */
    const struct file_proto *file;
    const struct msg_proto *msg;
    const struct enum_proto *enm;
    struct gen_type *parent; /* enclosing message */
    struct gen_type *next;   /* in order of declaration, nested after their parent */
};
struct gen {
    struct sn_arena arena;
    struct sn_map types;   /* full name -> struct gen_type */
    struct sn_map c_names; /* C name -> struct gen_type */
    struct gen_type *first, **tail;
};
/* A field with all that follows from its descriptor worked out. */
struct gen_field {
    const struct field_proto *p;
    const char *name;         /* C member */
    const char *c_type;       /* "int32_t", "struct sn_str", "struct x *" */
    const struct gen_type *t; /* of messages, groups and enums */
    const char *oneof;        /* C name of the oneof, NULL outside one */
    bool repeated, packed, map, hasbit, required, utf8, closed, is_msg;
    unsigned bit;
};
struct gen_msg {
    const struct gen_type *t;
    struct gen_field *fields; /* ascending number */
    unsigned n_fields, n_has;
    struct gen_field **decl;  /* the same, in order of declaration */
};

/* gen_init - indexes every type of `req`. Returns 0, SN_E_NOMEM, or SN_E_ALREADY_EXISTS. */
int gen_init(struct gen *g, const struct google_protobuf_compiler_code_generator_request *req);
void gen_done(struct gen *g);
/* gen_message - works out a message's fields. Returns 0, SN_E_NOMEM, SN_E_NOT_FOUND (a type that
 * the request does not hold). */
int gen_message(struct gen *g, const struct gen_type *t, struct gen_msg *ret);
/* gen_snake - "HTTPServerV2" as "http_server_v2"; in the arena. */
const char *gen_snake(struct gen *g, struct sn_str s);
/* gen_ident - a method's name as a C member: snake case, no keyword. */
const char *gen_ident(struct gen *g, struct sn_str name);
/* gen_path_ident - "a/b-c.proto" as "a_b_c_proto". */
const char *gen_path_ident(struct gen *g, struct sn_str path);
/* gen_upper - ASCII upper case copy. */
const char *gen_upper(struct gen *g, const char *s);
const char *gen_enum_const(struct gen *g, const struct gen_type *t, struct sn_str value);
struct gen_type *gen_find(struct gen *g, struct sn_str type_name);
bool gen_is_proto3(const struct file_proto *f);
uint32_t gen_tag(const struct gen_field *f);

int gen_header(struct gen *g, const struct file_proto *f, struct sn_buf *out);
int gen_source(struct gen *g, const struct file_proto *f, struct sn_buf *out);
/* gen_grpc_header, gen_grpc_source - x.grpc.h and x.grpc.c, where "grpc" is asked for. */
int gen_grpc_header(struct gen *g, const struct file_proto *f, struct sn_buf *out);
int gen_grpc_source(struct gen *g, const struct file_proto *f, struct sn_buf *out);
/* gen_c_string - `s` as the inside of a C string literal. */
void gen_c_string(struct sn_buf *out, struct sn_str s);
