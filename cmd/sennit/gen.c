/* SPDX-License-Identifier: Apache-2.0 */
/* sennit gen - services and models from descriptions; docs/gen.md. */
#include "sennit/gen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fiber/os.h"
#include "sennit/commands.h"

struct gen_opts { /* of every kind; each has its table */
    struct sn_str source, dir, style, name;
    bool dry_run, force, quiet, check, flat;
};
#define GEN_FIELDS                                                                               \
    SN_CONF_STRING(struct gen_opts, dir, "dir", .letter = 'd', .def = ".", .metavar = "FOLDER",  \
                   .help = "Where the project goes."),                                           \
        SN_CONF_BOOL(struct gen_opts, dry_run, "dry-run",                                        \
                     .help = "Say what would be written; write nothing."),                       \
        SN_CONF_BOOL(struct gen_opts, force, "force", .letter = 'f',                             \
                     .help =                                                                     \
                         "Overwrite files in the way that are not generated (yours are kept)."), \
        SN_CONF_BOOL(struct gen_opts, quiet, "quiet", .letter = 'q', .help = "Say nothing.")

static int write_out(const struct sn_cli_call *call, const struct gen_opts *o,
                     const struct sn_gen_files *files)
{
    struct sn_str dir = sn_arena_str(call->arena, o->dir);
    if (!dir.ptr) return SN_E_NOMEM;
    return gen_write(call->arena, files,
                     &(struct gen_write){.dir = dir.ptr,
                                         .dry_run = o->dry_run,
                                         .force = o->force,
                                         .quiet = o->quiet,
                                         .touch = o->flat});
}

/* ---- api ---- */

static const struct sn_conf_field api_fields[] = {
    SN_CONF_STRING(struct gen_opts, source, "api", .letter = 'a', .required = true,
                   .metavar = "FILE", .help = "The description."),
    SN_CONF_STRING(struct gen_opts, style, "style", .def = "go_zero",
                   .help = "Names of handlers' files: go_zero, gozero, goZero."),
    SN_CONF_BOOL(struct gen_opts, check, "check", .help = "Read the description, and end."),
    SN_CONF_BOOL(
        struct gen_opts, flat, "generated-only",
        .help = "Only what is generated, straight into the folder: for a build that runs this."),
    GEN_FIELDS,
};
static const struct sn_conf_table api_table = SN_CONF_TABLE(struct gen_opts, api_fields);

static int read_import(void *arg, struct sn_str path, struct sn_str *ret)
{
    struct sn_arena *a = arg;
    struct sn_str z = sn_arena_str(a, path);
    return z.ptr ? sn_file_read(a, z.ptr, SN_API_BYTES_MAX, ret) : SN_E_NOMEM;
}
static void report(const struct sn_api *api)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    if (api->n_errors && sn_api_report(api, &b) == 0) fwrite(b.ptr, 1, b.len, stderr);
    sn_buf_done(&b);
}
static int api_run(const struct sn_cli_call *call)
{
    const struct gen_opts *o = call->opts;
    struct sn_arena *a = call->arena;
    struct sn_api *api = SN_ARENA_NEW(a, struct sn_api);
    struct sn_str path = sn_arena_str(a, o->source), text;
    struct sn_gen_files files;
    int style = sn_gen_style_of(o->style);
    if (!api || !path.ptr) return SN_E_NOMEM;
    int r = style < 0 ? style : sn_file_read(a, path.ptr, SN_API_BYTES_MAX, &text);
    if (r < 0) return r;
    r = sn_api_parse(a, path, text, read_import, a, api);
    if (r < 0 || !o->quiet) report(api);
    /* The report has said it, with the source line; the last line is for who reads only that. */
    if (r < 0)
        return sn_fail(SN_E_SYNTAX, "%s: %u %s", path.ptr, api->n_errors - api->n_warnings,
                       api->n_errors - api->n_warnings == 1 ? "error" : "errors");
    if (o->check && api->routes) return 0;
    r = sn_gen_api(api,
                   &(struct sn_gen_opts){.style = (enum sn_gen_style)style,
                                         .flat = o->flat,
                                         .source = path},
                   &files);
    return r < 0 ? r : write_out(call, o, &files);
}
static const struct sn_cli_command api_command = {
    .name = "api",
    .brief = "A REST service from an .api description (go-zero's language).",
    .about = "Writes a project that builds: types with validation, routes, a handler to fill in "
             "for each, a "
             "client, configuration, program, test, OpenAPI. Run it again after a change: what is "
             "generated "
             "is written anew, what is yours is kept.",
    .table = &api_table,
    .run = api_run,
};

/* ---- rpc ---- */

struct rpc_opts {
    struct gen_opts gen;
    struct sn_str *paths;
    size_t n_paths;
};
#define RPC_GEN_FIELDS                                                                           \
    SN_CONF_STRING(struct rpc_opts, gen.dir, "dir", .letter = 'd', .def = ".",                   \
                   .metavar = "FOLDER", .help = "Where the project goes."),                      \
        SN_CONF_BOOL(struct rpc_opts, gen.dry_run, "dry-run",                                    \
                     .help = "Say what would be written; write nothing."),                       \
        SN_CONF_BOOL(struct rpc_opts, gen.force, "force", .letter = 'f',                         \
                     .help =                                                                     \
                         "Overwrite files in the way that are not generated (yours are kept)."), \
        SN_CONF_BOOL(struct rpc_opts, gen.quiet, "quiet", .letter = 'q', .help = "Say nothing.")
static const struct sn_conf_field rpc_fields[] = {
    SN_CONF_STRING(struct rpc_opts, gen.source, "proto", .letter = 'p', .required = true,
                   .metavar = "FILE", .help = "The description, in the project's folder."),
    SN_CONF_LIST(struct rpc_opts, paths, n_paths, "proto-path", SN_CONF_T_STRING, .letter = 'I',
                 .metavar = "FOLDER",
                 .help = "Where imports are looked for, beside the file's folder."),
    SN_CONF_STRING(struct rpc_opts, gen.style, "style", .def = "go_zero",
                   .help = "Names of handlers' files: go_zero, gozero, goZero."),
    SN_CONF_BOOL(
        struct rpc_opts, gen.flat, "generated-only",
        .help = "Only what is generated, straight into the folder: for a build that runs this."),
    RPC_GEN_FIELDS,
};
static const struct sn_conf_table rpc_table = SN_CONF_TABLE(struct rpc_opts, rpc_fields);

#define PROTOC_ARGS_MAX 64u

struct protoc {
    const char *argv[PROTOC_ARGS_MAX];
    unsigned n;
    int code;
};
static int protoc_main(void *arg)
{
    struct protoc *p = arg;
    struct sn_proc proc;
    struct sn_proc_opts o = {.argv = p->argv, .fds = {-1, -2, -2}, .die_with_parent = true};
    int r = sn_proc_start(&o, &proc);
    if (r < 0) return sn_wrap(r, "protoc (Debian: protobuf-compiler)");
    return sn_proc_wait(&proc, &p->code);
}
static void add_arg(struct sn_arena *a, struct protoc *p, const char *flag, struct sn_str value)
{
    if (p->n < PROTOC_ARGS_MAX - 1)
        p->argv[p->n++] = sn_arena_printf(a, "%s%.*s", flag, SN_STR_ARG(value)).ptr;
}
/* The descriptors of the file and all it imports, by protoc, whose complaints have file, line and
 * column. */
static int descriptors(struct sn_arena *a, const struct rpc_opts *o, struct sn_str folder,
                       struct sn_str *ret)
{
    struct protoc p = {.argv = {"protoc", "--include_imports", "--include_source_info"}, .n = 3};
    struct sn_str known = SN_STR(SN_PROTO_DIRS), tmp = SN_STR("/tmp/sennit-gen.XXXXXX");
    tmp = sn_arena_str(a, tmp);
    int fd = tmp.ptr ? mkstemp((char *)(uintptr_t)tmp.ptr) : -1;
    if (fd < 0) return sn_fail_errno(errno, "a temporary file");
    close(fd);
    add_arg(a, &p, "-I", folder);
    for (size_t i = 0; i < o->n_paths; i++) add_arg(a, &p, "-I", o->paths[i]);
    while (known.ptr) {
        struct sn_str dir = sn_arena_str(a, sn_str_cut(&known, ':'));
        struct stat st;
        if (dir.ptr && stat(dir.ptr, &st) == 0) add_arg(a, &p, "-I", dir);
    }
    add_arg(a, &p, "--descriptor_set_out=", tmp);
    add_arg(a, &p, "", o->gen.source);
    int r = 0;
    for (unsigned i = 0; i < p.n; i++) r = p.argv[i] ? r : SN_E_NOMEM;
    if (r == 0) r = sn_rt_run(&(struct sn_rt_opts){.workers = 1}, protoc_main, &p);
    if (r == 0 && p.code)
        r = sn_fail(SN_E_SYNTAX, "%.*s: protoc refused it", SN_STR_ARG(o->gen.source));
    if (r == 0) r = sn_file_read(a, tmp.ptr, 0, ret);
    unlink(tmp.ptr);
    return r;
}
static int rpc_run(const struct sn_cli_call *call)
{
    const struct rpc_opts *o = call->opts;
    struct sn_arena *a = call->arena;
    struct sn_str path = o->gen.source, set;
    struct sn_gen_files files;
    ssize_t slash = sn_str_rchr(path, '/');
    struct sn_str folder = slash < 0    ? SN_STR(".")
                           : slash == 0 ? SN_STR("/")
                                        : sn_str_sub(path, 0, (size_t)slash);
    int style = sn_gen_style_of(o->gen.style);
    int r = style < 0 ? style : descriptors(a, o, folder, &set);
    if (r < 0) return r;
    r = sn_gen_rpc(set, sn_str_from(path, (size_t)(slash + 1)),
                   &(struct sn_gen_opts){.style = (enum sn_gen_style)style,
                                         .flat = o->gen.flat,
                                         .source = path},
                   a, &files);
    return r < 0 ? r : write_out(call, &o->gen, &files);
}
static const struct sn_cli_command rpc_command = {
    .name = "rpc",
    .brief = "A gRPC service from a .proto description.",
    .about = "Writes a project that builds: a handler to fill in for each method, registration, "
             "configuration, "
             "program, test; its build runs protoc with protoc-gen-sennit. The .proto stands in "
             "the project's "
             "folder. Run it again after a change: what is yours is kept.",
    .table = &rpc_table,
    .run = rpc_run,
};

/* ---- docker, kube ---- */

struct deploy_opts {
    struct gen_opts gen;
    struct sn_str config, image, namespace_, cpu, memory;
    uint64_t port, replicas, replicas_max;
    bool grpc;
};
#define DEPLOY_GEN_FIELDS                                                                        \
    SN_CONF_STRING(struct deploy_opts, gen.name, "name", .letter = 'n', .required = true,        \
                   .help = "Of the service's program."),                                         \
        SN_CONF_STRING(struct deploy_opts, config, "config", .letter = 'c', .metavar = "FILE",   \
                       .help =                                                                   \
                           "The service's configuration: its port and drain are read from it."), \
        SN_CONF_UINT(struct deploy_opts, port, "port", .max = 65535,                             \
                     .help = "Instead of the configuration's."),                                 \
        SN_CONF_STRING(struct deploy_opts, image, "image",                                       \
                       .help = "Name of the image; default NAME:latest."),                       \
        SN_CONF_STRING(struct deploy_opts, gen.dir, "dir", .letter = 'd', .def = ".",            \
                       .metavar = "FOLDER", .help = "Where it goes."),                           \
        SN_CONF_BOOL(struct deploy_opts, gen.dry_run, "dry-run",                                 \
                     .help = "Say what would be written; write nothing."),                       \
        SN_CONF_BOOL(struct deploy_opts, gen.quiet, "quiet", .letter = 'q',                      \
                     .help = "Say nothing.")
static const struct sn_conf_field docker_fields[] = {DEPLOY_GEN_FIELDS};
static const struct sn_conf_table docker_table = SN_CONF_TABLE(struct deploy_opts, docker_fields);
static const struct sn_conf_field kube_fields[] = {
    DEPLOY_GEN_FIELDS,
    SN_CONF_STRING(struct deploy_opts, namespace_, "namespace", .help = "Default: default."),
    SN_CONF_STRING(struct deploy_opts, cpu, "cpu", .def = "250m",
                   .help = "Asked for; the limit is four times it."),
    SN_CONF_STRING(struct deploy_opts, memory, "memory", .def = "64Mi", .help = "As cpu."),
    SN_CONF_UINT(struct deploy_opts, replicas, "replicas", .def = "2", .min = 1, .max = 1000,
                 .help = "At least."),
    SN_CONF_UINT(struct deploy_opts, replicas_max, "replicas-max", .def = "10", .min = 1,
                 .max = 10000, .help = "At most."),
    SN_CONF_BOOL(struct deploy_opts, grpc, "grpc",
                 .help = "Ask for readiness by gRPC's health service."),
};
static const struct sn_conf_table kube_table = SN_CONF_TABLE(struct deploy_opts, kube_fields);

static int deploy(const struct sn_cli_call *call,
                  int (*gen)(const struct sn_gen_deploy *d, const struct sn_gen_opts *o,
                             struct sn_arena *a, struct sn_gen_files *ret))
{
    const struct deploy_opts *o = call->opts;
    struct sn_gen_deploy d = {.name = o->gen.name,
                              .image = o->image,
                              .namespace_ = o->namespace_,
                              .cpu = o->cpu,
                              .memory = o->memory,
                              .port = (uint32_t)o->port,
                              .replicas = (uint32_t)o->replicas,
                              .replicas_max = (uint32_t)o->replicas_max,
                              .grpc = o->grpc};
    struct sn_gen_files files;
    int r = o->config.len ? read_import(call->arena, o->config, &d.config) : 0;
    if (r == 0) r = gen(&d, &(struct sn_gen_opts){0}, call->arena, &files);
    return r < 0 ? r : write_out(call, &o->gen, &files);
}
static int docker_run(const struct sn_cli_call *call) { return deploy(call, sn_gen_docker); }
static int kube_run(const struct sn_cli_call *call) { return deploy(call, sn_gen_kube); }
static const struct sn_cli_command docker_command = {
    .name = "docker",
    .brief = "A Dockerfile: two stages, no root, a health check.",
    .table = &docker_table,
    .run = docker_run,
};
static const struct sn_cli_command kube_command = {
    .name = "kube",
    .brief = "Kubernetes manifests: Deployment, Service, ConfigMap, autoscaler, disruption budget.",
    .table = &kube_table,
    .run = kube_run,
};

/* ---- the command ---- */

static const struct sn_cli_command *const kinds[] = {&api_command,          &rpc_command,
                                                     &sn_gen_model_command, &docker_command,
                                                     &kube_command,         NULL};
const struct sn_cli_command sn_cmd_gen = {
    .name = "gen",
    .brief = "Generates services in C from .api and .proto, models from tables, deployment files.",
    .subs = kinds,
};

void sn_gen_flags(int argc, char **argv)
{
    static char mem[64][130]; /* argv's strings must live as long as the program */
    if (argc < 2 || strcmp(argv[1], "gen") != 0) return;
    for (int i = 2, n = 0; i < argc && n < 64; i++) {
        size_t len = strlen(argv[i]);
        if (len < 3 || len > 128 || argv[i][0] != '-' || argv[i][1] == '-') continue;
        snprintf(mem[n], sizeof mem[n], "-%s", argv[i]);
        argv[i] = mem[n++];
    }
}
