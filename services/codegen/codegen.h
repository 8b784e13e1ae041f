/* SPDX-License-Identifier: Apache-2.0 */
/* codegen/codegen.h - projects in C from descriptions: text in, files out as a list.
 *
 * A file is ours (written anew with every run, its head says so) or yours (written once: handlers,
 * the service's own code, its configuration). Who writes the list to disk keeps that promise.
 * Output depends on the description and the options alone. Context of every function: anywhere,
 * none suspends. Everything made is the arena's. docs/gen.md */
#pragma once
#include "codegen/api.h"
#include "codegen/ddl.h"
#include "core/arena.h"
#include "core/buf.h"
#include "core/str.h"

#define SN_GEN_FILES_MAX 5000u

enum sn_gen_owner { SN_GEN_OURS, SN_GEN_YOURS };
struct sn_gen_file {
    struct sn_str path; /* relative, '/' between folders */
    struct sn_str text;
    enum sn_gen_owner owner;
};
struct sn_gen_files {
    struct sn_arena *arena;
    struct sn_gen_file *list;
    size_t n, cap;
};
enum sn_gen_style { SN_GEN_SNAKE, SN_GEN_LOWER, SN_GEN_CAMEL }; /* go_zero, gozero, goZero */
/* sn_gen_style_of - goctl's names of styles for files. Returns the enum, SN_E_INVALID_ARGUMENT. */
int sn_gen_style_of(struct sn_str name) SN_MUST_CHECK;
struct sn_gen_opts {
    enum sn_gen_style style; /* of handlers' files */
    bool flat; /* only what is ours, without the folder gen/: for a build that generates */
    struct sn_str source;  /* the description's path, for heads of files and the Makefile */
    struct sn_str version; /* of Sennit, for generated dependencies */
};

/* sn_gen_api - a REST service: types, routes, handlers, client, configuration, program, test,
 * OpenAPI. Returns 0; SN_E_INVALID_ARGUMENT where the description has no service; SN_E_TOO_LARGE,
 * SN_E_NOMEM. */
int sn_gen_api(const struct sn_api *api, const struct sn_gen_opts *o,
               struct sn_gen_files *ret) SN_MUST_CHECK;
/* sn_gen_openapi - appends an OpenAPI 3.0 document, JSON. Returns 0 or the buffer's error. */
int sn_gen_openapi(const struct sn_api *api, struct sn_buf *out) SN_MUST_CHECK;
/* sn_gen_rpc - a gRPC service from a serialised google.protobuf.FileDescriptorSet; `file`: which of
 * its files. Returns as sn_gen_api, SN_E_NOT_FOUND (no such file), SN_E_SYNTAX (no descriptor set).
 */
int sn_gen_rpc(struct sn_str set, struct sn_str file, const struct sn_gen_opts *o,
               struct sn_arena *a, struct sn_gen_files *ret) SN_MUST_CHECK;

/* sn_gen_model - NAME_row.gen.h and .c for each table: struct, insert, find by every unique key,
 * update, delete, list by pages, count (sql/model.h). Returns 0, SN_E_UNIMPLEMENTED (a name with a
 * quote in it), SN_E_TOO_LARGE, SN_E_NOMEM. */
int sn_gen_model(const struct sn_ddl_table *tables, enum sn_ddl_dialect dialect,
                 const struct sn_gen_opts *o, struct sn_arena *a,
                 struct sn_gen_files *ret) SN_MUST_CHECK;

/* What Dockerfile and manifests are made from: a service's configuration. */
struct sn_gen_deploy {
    struct sn_str name;              /* "front": of the program and everything else */
    struct sn_str config;            /* text of its YAML; may be empty */
    struct sn_str config_path;       /* where the image has it; empty: /etc/NAME/NAME.yaml */
    struct sn_str image, namespace_; /* empty: NAME:latest, default */
    uint32_t port;                   /* 0: out of the configuration's listen */
    uint32_t replicas, replicas_max; /* 0: 2, 10 */
    struct sn_str cpu, memory;       /* requests; empty: 250m, 64Mi; limits are four times */
    bool grpc;                       /* probes by gRPC */
};
/* sn_gen_docker - Dockerfile and .dockerignore. sn_gen_kube - NAME.yaml: ConfigMap, Deployment,
 * Service, HorizontalPodAutoscaler, PodDisruptionBudget. Both yours. Return 0;
 * SN_E_INVALID_ARGUMENT for a name that is no DNS label, or a configuration that cannot be read;
 * SN_E_NOMEM. */
int sn_gen_docker(const struct sn_gen_deploy *d, const struct sn_gen_opts *o, struct sn_arena *a,
                  struct sn_gen_files *ret) SN_MUST_CHECK;
int sn_gen_kube(const struct sn_gen_deploy *d, const struct sn_gen_opts *o, struct sn_arena *a,
                struct sn_gen_files *ret) SN_MUST_CHECK;
