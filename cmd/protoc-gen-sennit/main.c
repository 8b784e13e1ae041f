/* SPDX-License-Identifier: Apache-2.0 */
/* protoc-gen-sennit - the protoc plugin: reads a CodeGeneratorRequest from stdin and writes a
 * CodeGeneratorResponse with x.pb.h and x.pb.c for each x.proto asked for (with the parameter "grpc",
 * instead, x.grpc.h and x.grpc.c for its services). It runs on the tables
 * it generates: boot/ holds its own output for descriptor.proto and plugin.proto.
 * SPEC: google/protobuf/compiler/plugin.proto. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "gen.h"

/* A request holds the transitive imports; the largest known (all of Kubernetes) is below 4 MiB. */
#define REQUEST_BYTES_MAX ((size_t)256 << 20)
#define FEATURE_PROTO3_OPTIONAL 1

#define request google_protobuf_compiler_code_generator_request
#define response google_protobuf_compiler_code_generator_response
#define response_file google_protobuf_compiler_code_generator_response_file

static int read_all(int fd, struct sn_buf *b)
{
    for (;;) {
        if (sn_buf_reserve(b, 64 << 10) < 0) return b->err;
        ssize_t n = read(fd, b->ptr + b->len, b->cap - b->len);
        if (n == 0) return 0;
        if (n < 0 && errno != EINTR) return sn_fail_errno(errno, "stdin");
        if (n > 0) b->len += (size_t)n;
    }
}
static int write_all(int fd, struct sn_str s)
{
    while (s.len) {
        ssize_t n = write(fd, s.ptr, s.len);
        if (n < 0 && errno != EINTR) return sn_fail_errno(errno, "stdout");
        if (n > 0) s = sn_str_from(s, (size_t)n);
    }
    return 0;
}

static int add_file(struct gen *g, struct response *resp, const struct file_proto *f,
                    const char *suffix, int (*fn)(struct gen *, const struct file_proto *,
                                                  struct sn_buf *))
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    int r = fn(g, f, &b);
    if (r == 0) r = b.err;
    if (r < 0) return r;
    struct response_file *out =
        google_protobuf_compiler_code_generator_response_add_file(resp, &g->arena);
    struct sn_str base = f->name, content = sn_arena_str(&g->arena, sn_buf_view(&b));
    if (sn_str_ends(base, SN_STR(".proto"))) base.len -= 6;
    struct sn_str name = sn_arena_printf(&g->arena, "%.*s%s", SN_STR_ARG(base), suffix);
    if (!out || !content.ptr || !name.ptr) return SN_E_NOMEM;
    google_protobuf_compiler_code_generator_response_file_set_name(out, name);
    google_protobuf_compiler_code_generator_response_file_set_content(out, content);
    return 0;
}

static int generate(struct gen *g, const struct request *req, struct response *resp)
{
    int r = gen_init(g, req);
    if (r < 0) return r;
    bool grpc = sn_str_eqc(req->parameter, "grpc");
    if (req->parameter.len && !grpc)
        return sn_fail(SN_E_INVALID_ARGUMENT, "unknown parameter \"%.*s\"",
                       SN_STR_ARG(req->parameter));
    for (uint32_t i = 0; i < req->file_to_generate.len; i++) {
        const struct file_proto *f = NULL;
        for (uint32_t k = 0; k < req->proto_file.len; k++)
            if (sn_str_eq(req->proto_file.ptr[k]->name, req->file_to_generate.ptr[i]))
                f = req->proto_file.ptr[k];
        if (!f)
            return sn_fail(SN_E_NOT_FOUND, "%.*s is not in the request",
                           SN_STR_ARG(req->file_to_generate.ptr[i]));
        r = grpc ? add_file(g, resp, f, ".grpc.h", gen_grpc_header)
                 : add_file(g, resp, f, ".pb.h", gen_header);
        if (r == 0)
            r = grpc ? add_file(g, resp, f, ".grpc.c", gen_grpc_source)
                     : add_file(g, resp, f, ".pb.c", gen_source);
        if (r < 0) return r;
    }
    return 0;
}

int main(void)
{
    struct sn_arena a;
    struct sn_buf in, out;
    struct gen g = {0};
    void *req;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&in, REQUEST_BYTES_MAX);
    sn_buf_init(&out, 0);
    int r = read_all(0, &in);
    if (r == 0)
        r = sn_pb_parse(&google_protobuf_compiler_code_generator_request_desc, sn_buf_view(&in), 0,
                        &a, &req);
    if (r < 0) {
        fprintf(stderr, "protoc-gen-sennit: %s\n", sn_diag_str(r));
        return 1;
    }
    struct response resp = {0};
    google_protobuf_compiler_code_generator_response_set_supported_features(
        &resp, FEATURE_PROTO3_OPTIONAL);
    r = generate(&g, req, &resp);
    if (r < 0) {
        resp.file.len = 0;
        google_protobuf_compiler_code_generator_response_set_error(
            &resp, sn_arena_str(&a, sn_str(sn_diag_str(r))));
    }
    ssize_t n = sn_pb_encode(&google_protobuf_compiler_code_generator_response_desc, &resp, &out);
    r = n < 0 ? (int)n : write_all(1, sn_buf_view(&out));
    if (r < 0) fprintf(stderr, "protoc-gen-sennit: %s\n", sn_diag_str(r));
    gen_done(&g);
    sn_arena_done(&a);
    sn_buf_done(&in);
    sn_buf_done(&out);
    return r < 0;
}
