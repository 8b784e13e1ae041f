/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_reflect.c - see grpc_reflect.h. Of a file only its name and imports are looked at here;
 * kit/pb_load.h reads the rest. */
#include "kit/grpc_reflect.h"

#include <stdlib.h>

#include "core/alloc.h"
#include "core/varint.h"
#include "fiber/fiber.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "wire/grpc.h"

typedef struct grpc_reflection_v1_server_reflection_request request;
typedef struct grpc_reflection_v1_server_reflection_response response;

/* Of FileDescriptorProto. */
#define FILE_NAME 1
#define FILE_DEPENDENCY 3
#define SET_FILE 1

void sn_reflect_init(struct sn_reflect *x)
{
    memset(x, 0, sizeof(*x));
    sn_arena_init(&x->arena, NULL, 0);
    sn_map_init(&x->by_name, sn_random(), false);
}
void sn_reflect_done(struct sn_reflect *x)
{
    sn_map_done(&x->by_name);
    sn_free(x->files);
    sn_arena_done(&x->arena);
}

/* ---- files ------------------------------------------------------------------------------------ */

/* The next field of a message, its bytes where it is length-delimited. Returns 1, 0 at the end,
 * SN_E_SYNTAX. */
static int next_field(struct sn_str *in, uint64_t *ret_number, struct sn_str *ret)
{
    uint64_t tag, n;
    *ret = (struct sn_str){0};
    if (!in->len) return 0;
    int len = sn_varint_get(*in, &tag);
    if (len <= 0) return SN_E_SYNTAX;
    *in = sn_str_from(*in, (size_t)len);
    *ret_number = tag >> 3;
    switch (tag & 7) {
    case 0:
        len = sn_varint_get(*in, &n);
        if (len <= 0) return SN_E_SYNTAX;
        n = (uint64_t)len;
        break;
    case 1: n = 8; break;
    case 2:
        len = sn_varint_get(*in, &n);
        if (len <= 0 || n > in->len - (size_t)len) return SN_E_SYNTAX;
        *in = sn_str_from(*in, (size_t)len);
        *ret = sn_str_sub(*in, 0, (size_t)n);
        break;
    case 5: n = 4; break;
    default: return SN_E_SYNTAX;
    }
    if (n > in->len) return SN_E_SYNTAX;
    *in = sn_str_from(*in, (size_t)n);
    return 1;
}

/* The file's record, made where it is not there yet; NULL: *ret_err. */
static struct sn_reflect_file *file_get(struct sn_reflect *x, struct sn_str name, int *ret_err)
{
    uintptr_t at = (uintptr_t)sn_map_get(&x->by_name, name);
    if (at) return &x->files[at - 1];
    *ret_err = SN_E_NOMEM;
    if (x->n_files == SN_REFLECT_FILES_MAX) {
        *ret_err = sn_fail(SN_E_TOO_LARGE, "more than %u files", SN_REFLECT_FILES_MAX);
        return NULL;
    }
    if (x->n_files == x->cap) {
        size_t cap = x->cap ? 2 * x->cap : 64;
        void *more = sn_realloc(x->files, cap * sizeof(*x->files));
        if (!more) return NULL;
        x->files = more;
        x->cap = cap;
    }
    struct sn_str own = sn_arena_str(&x->arena, name);
    if (!own.ptr || sn_map_put(&x->by_name, own, (void *)(uintptr_t)(x->n_files + 1), NULL) < 0)
        return NULL;
    x->files[x->n_files] = (struct sn_reflect_file){.name = own};
    return &x->files[x->n_files++];
}

static int bad_file(void) { return sn_fail(SN_E_SYNTAX, "malformed file descriptor"); }

static int take_file(struct sn_reflect *x, struct sn_str bytes)
{
    struct sn_str in = bytes, name = {0}, v;
    uint64_t number;
    int r;
    while ((r = next_field(&in, &number, &v)) == 1)
        if (number == FILE_NAME) name = v;
    if (r < 0 || !name.len) return bad_file();
    struct sn_reflect_file *f = file_get(x, name, &r);
    if (!f) return r;
    if (f->bytes.ptr) return 0; /* servers may send what they have sent */
    if (bytes.len > SN_REFLECT_BYTES_MAX - x->bytes)
        return sn_fail(SN_E_TOO_LARGE, "files of more than %u bytes", SN_REFLECT_BYTES_MAX);
    if (!(f->bytes = sn_arena_str(&x->arena, bytes)).ptr) return SN_E_NOMEM;
    x->bytes += bytes.len;
    in = f->bytes;
    while (next_field(&in, &number, &v) == 1)
        if (number == FILE_DEPENDENCY && !file_get(x, v, &r)) return r;
    return 0;
}

/* ---- rounds ----------------------------------------------------------------------------------- */

static int put_request(const request *q, struct sn_buf *out)
{
    size_t at = out->len;
    uint8_t prefix[SN_GRPC_PREFIX_LEN] = {0};
    int r = sn_buf_put(out, prefix, sizeof(prefix));
    ssize_t n = r < 0 ? r : grpc_reflection_v1_server_reflection_request_encode(q, out);
    if (n < 0) return (int)n;
    sn_grpc_prefix(out->ptr + at, 0, (uint32_t)n);
    return 1;
}

/* What files import and nobody has sent. */
static int ask_imports(struct sn_reflect *x, struct sn_buf *out)
{
    int any = 0, r;
    for (size_t i = 0; i < x->n_files; i++) {
        struct sn_reflect_file *f = &x->files[i];
        if (f->bytes.ptr || f->asked) continue;
        f->asked = true;
        request q = {.message_request_case = 3, .file_by_filename = f->name};
        if ((r = put_request(&q, out)) < 0) return r;
        any = 1;
    }
    return any;
}

int sn_reflect_ask(struct sn_reflect *x, struct sn_buf *out)
{
    int r = 0;
    if (x->round == SN_REFLECT_ROUNDS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "imports more than %u deep", SN_REFLECT_ROUNDS_MAX - 2);
    if (x->round == 0) {
        x->round++;
        request q = {.message_request_case = 7, .list_services = SN_STR("*")};
        return put_request(&q, out);
    }
    for (unsigned i = 0; x->round == 1 && i < x->n_services && r >= 0; i++) {
        request q = {.message_request_case = 4, .file_containing_symbol = x->services[i]};
        r = put_request(&q, out);
    }
    if (x->round > 1) r = ask_imports(x, out);
    x->round++;
    return r;
}

static int take_services(struct sn_reflect *x,
                         const struct grpc_reflection_v1_list_service_response *l)
{
    for (uint32_t i = 0; i < l->service.len; i++) {
        struct sn_str name = l->service.ptr[i]->name;
        if (sn_str_starts(name, SN_STR("grpc.reflection."))) continue;
        if (x->n_services == SN_REFLECT_SERVICES_MAX)
            return sn_fail(SN_E_TOO_LARGE, "more than %u services", SN_REFLECT_SERVICES_MAX);
        struct sn_str own = sn_arena_str(&x->arena, name);
        if (!own.ptr) return SN_E_NOMEM;
        x->services[x->n_services++] = own;
    }
    return 0;
}

int sn_reflect_answer(struct sn_reflect *x, struct sn_str message)
{
    struct sn_arena a;
    response *rep;
    sn_arena_init(&a, NULL, 0);
    int r = grpc_reflection_v1_server_reflection_response_parse(message, 0, &a, &rep);
    if (r < 0 && r != SN_E_NOMEM) r = sn_wrap(SN_E_SYNTAX, "reflection answer");
    if (r >= 0) {
        r = 0;
        if (rep->message_response_case == 6 && rep->list_services_response)
            r = take_services(x, rep->list_services_response);
        else if (rep->message_response_case == 4 && rep->file_descriptor_response)
            for (uint32_t i = 0;
                 i < rep->file_descriptor_response->file_descriptor_proto.len && r == 0; i++)
                r = take_file(x, rep->file_descriptor_response->file_descriptor_proto.ptr[i]);
        else
            x->missing++;
    }
    sn_arena_done(&a);
    return r;
}

/* ---- the set ---------------------------------------------------------------------------------- */

/* Drops files with an import that is not here, until nothing changes. */
static void drop_partial(struct sn_reflect *x)
{
    for (bool again = true; again;) {
        again = false;
        for (size_t i = 0; i < x->n_files; i++) {
            struct sn_str in = x->files[i].bytes, v;
            uint64_t number;
            while (in.ptr && next_field(&in, &number, &v) == 1) {
                if (number != FILE_DEPENDENCY) continue;
                uintptr_t at = (uintptr_t)sn_map_get(&x->by_name, v);
                if (at && x->files[at - 1].bytes.ptr) continue;
                x->files[i].bytes = (struct sn_str){0};
                again = true;
                break;
            }
        }
    }
}

static int by_name(const void *a, const void *b)
{
    const struct sn_reflect_file *const *x = a, *const *y = b;
    return sn_str_cmp((*x)->name, (*y)->name);
}

int sn_reflect_set(struct sn_reflect *x, struct sn_buf *out)
{
    drop_partial(x);
    const struct sn_reflect_file **sorted =
        SN_ARENA_ARRAY(&x->arena, const struct sn_reflect_file *, x->n_files + 1);
    if (!sorted) return SN_E_NOMEM;
    for (size_t i = 0; i < x->n_files; i++) sorted[i] = &x->files[i];
    qsort(sorted, x->n_files, sizeof(*sorted), by_name);
    for (size_t i = 0; i < x->n_files; i++) {
        uint8_t len[SN_VARINT_MAX];
        if (!sorted[i]->bytes.ptr) continue;
        sn_buf_byte(out, SET_FILE << 3 | 2);
        sn_buf_put(out, len, sn_varint_put(len, sorted[i]->bytes.len));
        sn_buf_str(out, sorted[i]->bytes);
    }
    return out->err;
}
