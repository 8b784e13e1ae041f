/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_reflection.c - server reflection, v1 and v1alpha: the same messages under two names, so both
 * are read and written by v1's tables. Source: grpc doc/server-reflection.md. */
#include "grpc/reflection/v1/reflection.grpc.h"
#include "grpc/reflection/v1alpha/reflection.grpc.h"
#include "kit/grpc_int.h"

typedef struct grpc_reflection_v1_server_reflection_request request;
typedef struct grpc_reflection_v1_server_reflection_response response;

/* ---- files ------------------------------------------------------------------------------------ */

#define FILES_MAX 1024u
#define DEPTH_MAX 64u

struct visit {
    const struct sn_pb_file *seen[FILES_MAX];
    unsigned n;
    bool (*match)(const struct sn_pb_file *f, struct sn_str what);
    struct sn_str what;
};

static const struct sn_pb_file *visit_file(struct visit *v, const struct sn_pb_file *f, unsigned depth)
{
    for (unsigned i = 0; i < v->n; i++)
        if (v->seen[i] == f) return NULL;
    if (v->n == FILES_MAX || depth == DEPTH_MAX) return NULL;
    v->seen[v->n++] = f;
    if (v->match(f, v->what)) return f;
    for (uint32_t i = 0; i < f->n_deps; i++) {
        const struct sn_pb_file *found = visit_file(v, f->deps[i], depth + 1);
        if (found) return found;
    }
    return NULL;
}

/* The first file that matches, of those the services use. Bounded by the tables linked in. */
static const struct sn_pb_file *find_file(struct sn_grpc_call *c, struct sn_str what,
                                          bool (*match)(const struct sn_pb_file *, struct sn_str))
{
    struct visit *v = sn_arena_zalloc(c->arena, sizeof(*v));
    if (!v) return NULL;
    v->match = match;
    v->what = what;
    for (struct grpc_service *s = c->server->services; s; s = s->next) {
        const struct sn_pb_file *f = visit_file(v, s->svc->file, 0);
        if (f) return f;
    }
    return NULL;
}

static bool named(const struct sn_pb_file *f, struct sn_str name) { return sn_str_eq(f->name, name); }

/* `name` is `of` itself or a member of it. */
static bool is_member(struct sn_str of, struct sn_str name, struct sn_str *ret_member)
{
    if (!sn_str_starts(name, of) || name.len < of.len + 2 || name.ptr[of.len] != '.') return false;
    *ret_member = sn_str_from(name, of.len + 1);
    return sn_str_chr(*ret_member, '.') < 0;
}

static bool defines(const struct sn_pb_file *f, struct sn_str name)
{
    struct sn_str member;
    for (uint32_t i = 0; i < f->n_msgs; i++) {
        const struct sn_pb_desc *d = f->msgs[i];
        if (sn_str_eq(d->full_name, name)) return true;
        for (uint32_t k = 0; is_member(d->full_name, name, &member) && k < d->n_fields; k++)
            if (sn_str_eq(d->fields[k].name, member)) return true;
    }
    for (uint32_t i = 0; i < f->n_enums; i++)
        if (sn_str_eq(f->enums[i]->full_name, name)) return true;
    for (uint32_t i = 0; i < f->n_services; i++) {
        const struct sn_pb_service *s = f->services[i];
        if (sn_str_eq(s->full_name, name)) return true;
        for (uint32_t k = 0; is_member(s->full_name, name, &member) && k < s->n_methods; k++)
            if (sn_str_eq(s->methods[k].name, member)) return true;
    }
    return false;
}

static bool has_message(const struct sn_pb_file *f, struct sn_str name)
{
    for (uint32_t i = 0; i < f->n_msgs; i++)
        if (sn_str_eq(f->msgs[i]->full_name, name)) return true;
    return false;
}

/* ---- answers ---------------------------------------------------------------------------------- */

static int not_found(response *rep, struct sn_arena *a, struct sn_str what)
{
    struct grpc_reflection_v1_error_response *e =
        grpc_reflection_v1_server_reflection_response_mut_error_response(rep, a);
    if (!e) return SN_E_NOMEM;
    e->error_code = 5;
    e->error_message = sn_arena_printf(a, "not found: %.*s", (int)SN_MIN(what.len, (size_t)200),
                                       what.ptr ? what.ptr : "");
    return 0;
}

static int give_file(response *rep, struct sn_arena *a, const struct sn_pb_file *f, struct sn_str what)
{
    if (!f) return not_found(rep, a, what);
    struct grpc_reflection_v1_file_descriptor_response *r =
        grpc_reflection_v1_server_reflection_response_mut_file_descriptor_response(rep, a);
    if (!r) return SN_E_NOMEM;
    return grpc_reflection_v1_file_descriptor_response_add_file_descriptor_proto(r, f->descriptor, a);
}

static int give_services(response *rep, struct sn_grpc_call *c, struct sn_arena *a)
{
    struct grpc_reflection_v1_list_service_response *r =
        grpc_reflection_v1_server_reflection_response_mut_list_services_response(rep, a);
    if (!r) return SN_E_NOMEM;
    for (struct grpc_service *s = c->server->services; s; s = s->next) {
        struct grpc_reflection_v1_service_response *one =
            grpc_reflection_v1_list_service_response_add_service(r, a);
        if (!one) return SN_E_NOMEM;
        one->name = s->svc->full_name;
    }
    return 0;
}

static int answer(struct sn_grpc_call *c, const request *q, response *rep, struct sn_arena *a)
{
    switch (q->message_request_case) {
    case 3: return give_file(rep, a, find_file(c, q->file_by_filename, named), q->file_by_filename);
    case 4:
        return give_file(rep, a, find_file(c, q->file_containing_symbol, defines),
                         q->file_containing_symbol);
    case 5: return not_found(rep, a, q->file_containing_extension->containing_type);
    case 6: {
        struct sn_str type = q->all_extension_numbers_of_type;
        if (!find_file(c, type, has_message)) return not_found(rep, a, type);
        struct grpc_reflection_v1_extension_number_response *r =
            grpc_reflection_v1_server_reflection_response_mut_all_extension_numbers_response(rep, a);
        if (!r) return SN_E_NOMEM;
        r->base_type_name = type; /* tables of extensions are not linked in: none are known */
        return 0;
    }
    case 7: return give_services(rep, c, a);
    default: return sn_grpc_fail(c, SN_E_INVALID_ARGUMENT, "request asks for nothing");
    }
}

static int one_round(struct sn_grpc_call *c, struct sn_str m, struct sn_arena *a)
{
    void *v;
    int r = sn_pb_parse(&grpc_reflection_v1_server_reflection_request_desc, m, 0, a, &v);
    if (r < 0) return sn_grpc_fail(c, SN_E_INTERNAL, "malformed request");
    request *q = v;
    response rep = {.valid_host = q->host, .original_request = q};
    r = answer(c, q, &rep, a);
    if (r < 0) return r;
    struct sn_buf out SN_CLEANUP(sn_buf_done);
    sn_buf_init(&out, 0);
    ssize_t n = grpc_reflection_v1_server_reflection_response_encode(&rep, &out);
    return n < 0 ? (int)n : sn_grpc_send_raw(c, sn_buf_view(&out));
}

static int info(struct sn_grpc_call *c)
{
    struct sn_str m;
    int r;
    while ((r = sn_grpc_recv_raw(c, &m)) > 0) {
        struct sn_arena a;
        sn_arena_init(&a, NULL, 0);
        r = one_round(c, m, &a);
        sn_arena_done(&a);
        if (r < 0) return r;
    }
    return r;
}

static const struct grpc_reflection_v1_server_reflection_handlers v1 = {
    .server_reflection_info = info};
static const struct grpc_reflection_v1alpha_server_reflection_handlers v1alpha = {
    .server_reflection_info = info};

int sn_grpc_reflection_add(struct sn_grpc_server *s)
{
    int r = grpc_reflection_v1_server_reflection_register(s, &v1, NULL);
    return r < 0 ? r : grpc_reflection_v1alpha_server_reflection_register(s, &v1alpha, NULL);
}
