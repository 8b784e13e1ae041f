/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_rest.c - REST and JSON in front of gRPC methods, as their google.api.http options say.
 * Source: google/api/http.proto ("HttpRule"), RFC 6570 in so far. Answers of a method that streams are
 * lines of JSON, {"result": ...}, the last perhaps {"error": ...}; one that streams requests gets the
 * body as its only one. */
#include "core/alloc.h"
#include "core/enc.h"
#include "google/api/http.pb.h"
#include "google/protobuf/descriptor.pb.h"
#include "kit/grpc_proto_int.h"
#include "kit/http_int.h"
#include "wire/json.h"

#define HTTP_OPTION 72295728u
#define SEGS_MAX 64u
#define VARS_MAX 16u
#define BINDINGS_MAX 64u
#define QUERY_PARAMS_MAX 256u

/* ---- templates -------------------------------------------------------------------------------- */

enum { SEG_LITERAL, SEG_ONE, SEG_REST };
struct seg {
    uint8_t kind;
    struct sn_str text;
};
struct var { /* segments [from, to) */
    struct sn_str path;
    uint8_t from, to;
};
struct route {
    struct route *next;
    const struct grpc_method *m;
    struct sn_str http_method, verb, body, response_body;
    struct seg segs[SEGS_MAX];
    struct var vars[VARS_MAX];
    unsigned n_segs, n_vars;
};
struct grpc_rest {
    struct sn_arena arena;
    struct route *routes, **tail;
};

static int bad_template(struct sn_str t, const char *why)
{
    return sn_fail(SN_E_SYNTAX, "google.api.http template \"%.*s\": %s", SN_STR_ARG(t), why);
}

static int add_segs(struct route *r, struct sn_str part, struct sn_str whole)
{
    while (part.ptr) {
        struct sn_str s = sn_str_cut(&part, '/');
        if (s.len == 0) return bad_template(whole, "empty segment");
        if (r->n_segs == SEGS_MAX) return bad_template(whole, "more than 64 segments");
        if (r->n_segs && r->segs[r->n_segs - 1].kind == SEG_REST)
            return bad_template(whole, "** must be last");
        struct seg *to = &r->segs[r->n_segs++];
        *to = (struct seg){SEG_LITERAL, s};
        if (sn_str_eqc(s, "*")) to->kind = SEG_ONE;
        if (sn_str_eqc(s, "**")) to->kind = SEG_REST;
    }
    return 0;
}

static int add_var(struct route *r, struct sn_str inside, struct sn_str whole)
{
    struct sn_str name = sn_str_cut(&inside, '=');
    if (name.len == 0) return bad_template(whole, "variable without a name");
    if (r->n_vars == VARS_MAX) return bad_template(whole, "more than 16 variables");
    struct var *v = &r->vars[r->n_vars++];
    *v = (struct var){.path = name, .from = (uint8_t)r->n_segs};
    int e = add_segs(r, inside.ptr ? inside : SN_STR("*"), whole);
    v->to = (uint8_t)r->n_segs;
    return e;
}

/* "/v1/{name=shelves/&ast;}/books:verb" (with a star for the entity). */
static int parse_template(struct sn_str t, struct route *r)
{
    struct sn_str s = t;
    if (s.len < 2 || s.ptr[0] != '/') return bad_template(t, "expected a path");
    ssize_t colon = sn_str_rchr(s, ':');
    if (colon > sn_str_rchr(s, '/') && colon > sn_str_rchr(s, '}')) {
        r->verb = sn_str_from(s, (size_t)colon + 1);
        s = sn_str_sub(s, 0, (size_t)colon);
    }
    s = sn_str_from(s, 1);
    while (s.len) {
        int e;
        if (s.ptr[0] == '{') {
            ssize_t end = sn_str_chr(s, '}');
            if (end < 0) return bad_template(t, "{ without }");
            e = add_var(r, sn_str_sub(s, 1, (size_t)end), t);
            s = sn_str_from(s, (size_t)end + 1);
        } else {
            ssize_t end = sn_str_chr(s, '/');
            size_t n = end < 0 ? s.len : (size_t)end;
            e = add_segs(r, sn_str_sub(s, 0, n), t);
            s = sn_str_from(s, n);
        }
        if (e < 0) return e;
        if (s.len == 0) break;
        if (s.ptr[0] != '/' || s.len == 1) return bad_template(t, "expected / and a segment");
        s = sn_str_from(s, 1);
    }
    return 0;
}

/* The message that holds the last name of a path; *ret_field is that name's field. */
static const struct sn_pb_desc *walk_desc(const struct sn_pb_desc *d, struct sn_str path,
                                          const struct sn_pb_field **ret_field)
{
    for (;;) {
        const struct sn_pb_field *f = sn_pb_field_by_name(d, sn_str_cut(&path, '.'));
        if (!f) return NULL;
        if (!path.ptr) {
            *ret_field = f;
            return d;
        }
        if (f->type != SN_PB_MESSAGE || f->flags & SN_PB_F_REPEATED) return NULL;
        d = f->sub.msg;
    }
}

static int check_fields(const struct route *r, struct sn_str t)
{
    const struct sn_pb_field *f;
    for (unsigned i = 0; i < r->n_vars; i++)
        if (!walk_desc(r->m->m->input, r->vars[i].path, &f) || f->type == SN_PB_MESSAGE)
            return bad_template(t, "a variable names no scalar field of the request");
    if (r->body.len && !sn_str_eqc(r->body, "*")) {
        f = sn_pb_field_by_name(r->m->m->input, r->body);
        if (!f || f->type != SN_PB_MESSAGE || f->flags & SN_PB_F_REPEATED)
            return bad_template(t, "body names no message field of the request");
    }
    if (r->response_body.len) {
        f = sn_pb_field_by_name(r->m->m->output, r->response_body);
        if (!f || f->type != SN_PB_MESSAGE || f->flags & SN_PB_F_REPEATED)
            return bad_template(t, "response_body names no message field of the answer");
    }
    return 0;
}

/* ---- annotations ------------------------------------------------------------------------------ */

static int add_rule(struct grpc_rest *rest, const struct grpc_method *m,
                    const struct google_api_http_rule *rule)
{
    static const char *const methods[] = {[2] = "GET", [3] = "PUT", [4] = "POST", [5] = "DELETE",
                                          [6] = "PATCH"};
    struct route *r = SN_ARENA_NEW(&rest->arena, struct route);
    if (!r) return SN_E_NOMEM;
    r->m = m;
    struct sn_str t = {0};
    switch (rule->pattern_case) {
    case 2: t = rule->get; break;
    case 3: t = rule->put; break;
    case 4: t = rule->post; break;
    case 5: t = rule->delete; break;
    case 6: t = rule->patch; break;
    case 8:
        t = rule->custom->path;
        r->http_method = sn_arena_str(&rest->arena, rule->custom->kind);
        break;
    default: return bad_template(t, "no pattern");
    }
    if (rule->pattern_case < 8) r->http_method = sn_str(methods[rule->pattern_case]);
    t = sn_arena_str(&rest->arena, t);
    r->body = sn_arena_str(&rest->arena, rule->body);
    r->response_body = sn_arena_str(&rest->arena, rule->response_body);
    if (!t.ptr || !r->body.ptr || !r->response_body.ptr) return SN_E_NOMEM;
    int e = parse_template(t, r);
    if (e == 0) e = check_fields(r, t);
    if (e < 0) return sn_wrap(e, "%.*s", SN_STR_ARG(m->m->path));
    *rest->tail = r;
    rest->tail = &r->next;
    return 0;
}

static int add_rules(struct grpc_rest *rest, const struct grpc_method *m, struct sn_str bytes,
                     struct sn_arena *a)
{
    struct google_api_http_rule *rule;
    int r = google_api_http_rule_parse(bytes, 0, a, &rule);
    if (r == 0) r = add_rule(rest, m, rule);
    if (r == 0 && rule->additional_bindings.len > BINDINGS_MAX)
        return sn_fail(SN_E_SYNTAX, "%.*s: more than 64 bindings", SN_STR_ARG(m->m->path));
    for (uint32_t i = 0; r == 0 && i < rule->additional_bindings.len; i++)
        r = add_rule(rest, m, rule->additional_bindings.ptr[i]);
    return r;
}

static bool varint(struct sn_str *s, uint64_t *ret)
{
    *ret = 0;
    for (unsigned i = 0; i < 10 && s->len; i++) {
        uint8_t c = (uint8_t)s->ptr[0];
        *s = sn_str_from(*s, 1);
        *ret |= (uint64_t)(c & 0x7f) << (7 * i);
        if (!(c & 0x80)) return true;
    }
    return false;
}

/* The option is an extension: it lies among the unknown fields, which the decoder has checked. */
static struct sn_str http_option(const struct google_protobuf_method_options *o)
{
    const struct sn_pb_unknown *last = ((const struct sn_pb_head *)(const void *)o)->unknown, *u = last;
    if (!last) return (struct sn_str){0};
    do {
        u = u->next;
        struct sn_str s = u->bytes;
        uint64_t tag, len;
        while (varint(&s, &tag)) {
            unsigned wire = tag & 7;
            if (wire == 2) {
                if (!varint(&s, &len) || len > s.len) break;
                if (tag >> 3 == HTTP_OPTION) return sn_str_sub(s, 0, len);
                s = sn_str_from(s, len);
            } else if (wire == 0) {
                if (!varint(&s, &len)) break;
            } else if (wire == 1 || wire == 5) {
                s = sn_str_from(s, wire == 1 ? 8 : 4);
            } else {
                break; /* groups: nobody's option is one */
            }
        }
    } while (u != last);
    return (struct sn_str){0};
}

static const struct google_protobuf_service_descriptor_proto *service_of(
    const struct google_protobuf_file_descriptor_proto *f, struct sn_str full_name)
{
    ssize_t dot = sn_str_rchr(full_name, '.');
    struct sn_str name = sn_str_from(full_name, (size_t)(dot + 1));
    for (uint32_t i = 0; i < f->service.len; i++)
        if (sn_str_eq(f->service.ptr[i]->name, name)) return f->service.ptr[i];
    return NULL;
}

static struct grpc_rest *rest_get(struct sn_grpc_server *s)
{
    if (s->rest) return s->rest;
    s->rest = SN_NEW(struct grpc_rest);
    if (!s->rest) return NULL;
    sn_arena_init(&s->rest->arena, NULL, 0);
    s->rest->tail = &s->rest->routes;
    return s->rest;
}

static int add_all(struct sn_grpc_server *s, struct grpc_service *svc, struct sn_arena *a)
{
    struct google_protobuf_file_descriptor_proto *f;
    int r = google_protobuf_file_descriptor_proto_parse(svc->svc->file->descriptor, 0, a, &f);
    if (r < 0) return r;
    const struct google_protobuf_service_descriptor_proto *d = service_of(f, svc->svc->full_name);
    for (uint32_t i = 0; d && r == 0 && i < d->method.len && i < svc->svc->n_methods; i++) {
        const struct google_protobuf_method_options *o = d->method.ptr[i]->options;
        if (!o) continue;
        svc->methods[i].no_side_effects =
            o->idempotency_level ==
            GOOGLE_PROTOBUF_METHOD_OPTIONS_IDEMPOTENCY_LEVEL_NO_SIDE_EFFECTS;
        struct sn_str rule = http_option(o);
        if (!rule.ptr || s->o.rest_off) continue;
        struct grpc_rest *rest = rest_get(s);
        r = rest ? add_rules(rest, &svc->methods[i], rule, a) : SN_E_NOMEM;
    }
    return r;
}

int grpc_rest_add(struct sn_grpc_server *s, struct grpc_service *svc)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    int r = add_all(s, svc, &a);
    sn_arena_done(&a);
    return r;
}

void grpc_rest_free(struct grpc_rest *r)
{
    if (!r) return;
    sn_arena_done(&r->arena);
    sn_free(r);
}

/* ---- matching --------------------------------------------------------------------------------- */

struct match {
    const struct route *r;
    struct sn_str segs[SEGS_MAX]; /* as received; the last of a ** holds all the rest */
};

static bool matches(const struct route *r, struct sn_str path, struct match *m)
{
    if (r->verb.ptr) {
        ssize_t colon = sn_str_rchr(path, ':');
        if (colon < 0 || !sn_str_eq(sn_str_from(path, (size_t)colon + 1), r->verb)) return false;
        path = sn_str_sub(path, 0, (size_t)colon);
    }
    if (path.len < 1 || path.ptr[0] != '/') return false;
    path = sn_str_from(path, 1);
    for (unsigned i = 0; i < r->n_segs; i++) {
        if (r->segs[i].kind == SEG_REST) {
            m->segs[i] = path.ptr ? path : sn_str_of("", 0);
            m->r = r;
            return true;
        }
        if (!path.ptr) return false;
        struct sn_str s = sn_str_cut(&path, '/');
        if (s.len == 0 || (r->segs[i].kind == SEG_LITERAL && !sn_str_eq(s, r->segs[i].text)))
            return false;
        m->segs[i] = s;
    }
    m->r = r;
    return !path.ptr;
}

/* ---- the request's message -------------------------------------------------------------------- */

static int bad_request(struct grpc_scall *sc, struct sn_str what)
{
    return sn_grpc_fail(&sc->g.c, SN_E_INVALID_ARGUMENT, "parameter \"%.*s\" is not acceptable",
                        (int)SN_MIN(what.len, (size_t)100), what.ptr);
}

/* Stores values at a field path, as ProtoJSON reads them; true and false are the booleans. */
static int set_field(struct grpc_scall *sc, void *msg, struct sn_str path, const struct sn_str *values,
                     unsigned n)
{
    const struct sn_pb_desc *d = sc->method->m->input;
    const struct sn_pb_field *f;
    struct sn_arena *a = sc->g.c.arena;
    if (!walk_desc(d, path, &f)) return bad_request(sc, path);
    bool repeated = f->flags & SN_PB_F_REPEATED;
    if (f->flags & SN_PB_F_MAP || (!repeated && n != 1)) return bad_request(sc, path);
    for (struct sn_str rest = path; rest.ptr;) {
        const struct sn_pb_field *step = sn_pb_field_by_name(d, sn_str_cut(&rest, '.'));
        if (!rest.ptr) break;
        msg = sn_pb_mutable(msg, step, a);
        if (!msg) return SN_E_NOMEM;
        d = step->sub.msg;
    }
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    struct sn_jsonw w;
    sn_buf_init(&b, 0);
    sn_jsonw_init(&w, &b, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_key(&w, f->name);
    if (repeated) sn_jsonw_array(&w);
    for (unsigned i = 0; i < n; i++) {
        bool raw = f->type == SN_PB_BOOL &&
                   (sn_str_eqc(values[i], "true") || sn_str_eqc(values[i], "false"));
        if (raw) sn_jsonw_raw(&w, values[i]);
        else sn_jsonw_str(&w, values[i]);
    }
    if (repeated) sn_jsonw_array_end(&w);
    sn_jsonw_object_end(&w);
    int r = b.err < 0 ? b.err : sn_pb_from_json(d, msg, sn_buf_view(&b), &sc->s->json, a);
    return r == SN_E_NOMEM ? r : r < 0 ? bad_request(sc, path) : 0;
}

static int decode_text(struct sn_str s, bool form, struct sn_arena *a, struct sn_str *ret)
{
    char *out = sn_arena_alloc(a, s.len);
    if (!out) return SN_E_NOMEM;
    ssize_t n = sn_pct_decode(s, form, out);
    if (n < 0) return SN_E_SYNTAX;
    *ret = sn_str_of(out, (size_t)n);
    return 0;
}

static int set_vars(struct grpc_scall *sc, void *msg, const struct match *m)
{
    for (unsigned i = 0; i < m->r->n_vars; i++) {
        const struct var *v = &m->r->vars[i];
        struct sn_str from = m->segs[v->from], to = m->segs[v->to - 1], value;
        struct sn_str raw = sn_str_of(from.ptr, (size_t)(to.ptr + to.len - from.ptr));
        int r = decode_text(raw, false, sc->g.c.arena, &value);
        if (r < 0) return r == SN_E_NOMEM ? r : bad_request(sc, v->path);
        r = set_field(sc, msg, v->path, &value, 1);
        if (r < 0) return r;
    }
    return 0;
}

static int set_query(struct grpc_scall *sc, void *msg, struct sn_str q)
{
    struct sn_arena *a = sc->g.c.arena;
    struct sn_str *names = SN_ARENA_ARRAY(a, struct sn_str, 2 * QUERY_PARAMS_MAX), *values;
    unsigned n = 0;
    if (!names) return SN_E_NOMEM;
    values = names + QUERY_PARAMS_MAX;
    while (q.ptr) {
        struct sn_str v = sn_str_cut(&q, '&'), k = sn_str_cut(&v, '=');
        if (k.len == 0) continue;
        if (n == QUERY_PARAMS_MAX) return bad_request(sc, SN_STR("(more than 256)"));
        if (decode_text(k, true, a, &names[n]) < 0 || decode_text(v, true, a, &values[n]) < 0)
            return bad_request(sc, k);
        n++;
    }
    for (unsigned i = 0; i < n; i++) {
        if (!names[i].ptr) continue;
        struct sn_str name = names[i];
        unsigned same = i; /* the values of one name move together, in order */
        for (unsigned k = i + 1; k < n; k++) {
            if (!names[k].ptr || !sn_str_eq(names[k], name)) continue;
            struct sn_str v = values[k];
            same++;
            memmove(&values[same + 1], &values[same], (k - same) * sizeof(v));
            memmove(&names[same + 1], &names[same], (k - same) * sizeof(v));
            values[same] = v;
            names[same] = (struct sn_str){0};
        }
        int r = set_field(sc, msg, name, &values[i], same - i + 1);
        if (r < 0) return r;
        i = same;
    }
    return 0;
}

static int set_body(struct grpc_scall *sc, void *msg, struct sn_str where)
{
    struct sn_http_x *x = sc->g.c.http;
    struct sn_arena *a = sc->g.c.arena;
    const struct sn_pb_desc *d = sc->method->m->input;
    struct sn_str body;
    int r = sn_http_body_all(x, sc->s->o.recv_bytes_max, &body);
    if (r == SN_E_TOO_LARGE)
        return sn_grpc_fail(&sc->g.c, SN_E_RESOURCE_EXHAUSTED, "request body over %zu bytes",
                            sc->s->o.recv_bytes_max);
    if (r < 0) return r;
    if (!sn_str_eqc(where, "*")) {
        const struct sn_pb_field *f = sn_pb_field_by_name(d, where);
        msg = sn_pb_mutable(msg, f, a);
        d = f->sub.msg;
        if (!msg) return SN_E_NOMEM;
    }
    if (body.len == 0) return 0;
    r = sn_pb_from_json(d, msg, body, &sc->s->json, a);
    if (r < 0 && r != SN_E_NOMEM)
        return sn_grpc_fail(&sc->g.c, SN_E_INVALID_ARGUMENT, "%s", sn_diag_str(r));
    return r;
}

static int build(struct grpc_scall *sc, const struct match *m)
{
    struct grpc_call *g = &sc->g;
    const struct sn_pb_desc *d = sc->method->m->input;
    void *msg = sn_pb_new(d, g->c.arena);
    if (!msg) return SN_E_RESOURCE_EXHAUSTED;
    int r = m->r->body.len ? set_body(sc, msg, m->r->body) : 0;
    if (r == 0 && !sn_str_eqc(m->r->body, "*")) r = set_query(sc, msg, g->c.http->req.query);
    if (r == 0) r = set_vars(sc, msg, m);
    if (r < 0) return r;
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    ssize_t n = sn_pb_encode(d, msg, &b);
    if (n < 0) return grpc_bad_message(d, (int)n);
    g->in.bytes_max = UINT32_MAX; /* JSON of a legal size may be longer in binary */
    return grpc_put_in(g, sn_buf_view(&b), 0) < 0 ? SN_E_RESOURCE_EXHAUSTED : 0;
}

/* ---- answers ---------------------------------------------------------------------------------- */

static ssize_t rest_fill(struct grpc_call *g) { return 0; }

static void put_status(struct grpc_call *g, int code, struct sn_str message, struct sn_jsonw *w)
{
    sn_jsonw_object(w);
    sn_jsonw_ki64(w, "code", sn_status_canonical(code));
    sn_jsonw_kstr(w, "message", message.len ? message : sn_str(sn_status_name(code)));
    sn_jsonw_object_end(w);
}

static int rest_headers(struct grpc_scall *sc)
{
    struct grpc_call *g = &sc->g;
    int r = 0;
    for (unsigned i = 0; r == 0 && i < g->head.len; i++)
        r = sn_http_header_add(g->c.http, g->head.ptr[i].name, g->head.ptr[i].value);
    g->head_sent = true;
    return r;
}

static int rest_head(struct grpc_scall *sc)
{
    if (sc->g.head_sent) return 0;
    if (rest_headers(sc) < 0) return SN_E_NOMEM;
    http_xi_of(sc->g.c.http)->content_type = SN_STR("application/x-ndjson");
    return sn_http_start(sc->g.c.http, 200, -1);
}

/* The frames of g->out as lines. */
static int rest_push(struct grpc_call *g)
{
    int r = rest_head(grpc_scall_of(g));
    struct sn_str s = sn_buf_view(&g->out);
    sn_buf_reset(&g->packed);
    while (s.len >= SN_GRPC_PREFIX_LEN) {
        const uint8_t *p = (const uint8_t *)s.ptr;
        size_t n = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
        sn_buf_cstr(&g->packed, "{\"result\":");
        sn_buf_str(&g->packed, sn_str_sub(s, SN_GRPC_PREFIX_LEN, SN_GRPC_PREFIX_LEN + n));
        sn_buf_cstr(&g->packed, "}\n");
        s = sn_str_from(s, SN_GRPC_PREFIX_LEN + n);
    }
    sn_buf_reset(&g->out);
    if (g->packed.err < 0) return SN_E_RESOURCE_EXHAUSTED;
    return r < 0 ? r : sn_http_write(g->c.http, sn_buf_view(&g->packed));
}

static void stream_end(struct grpc_scall *sc, int code, struct sn_str message)
{
    struct grpc_call *g = &sc->g;
    if (code == 0 && rest_push(g) < 0) return;
    if (code) {
        struct sn_jsonw w;
        sn_buf_reset(&g->out);
        sn_jsonw_init(&w, &g->out, NULL);
        sn_jsonw_object(&w);
        sn_jsonw_key(&w, SN_STR("error"));
        put_status(g, code, message, &w);
        sn_jsonw_object_end(&w);
        sn_buf_byte(&g->out, '\n');
        if (g->out.err < 0 || sn_http_write(g->c.http, sn_buf_view(&g->out)) < 0) return;
    }
    (void)!sn_http_end(g->c.http);
}

static void rest_end(struct grpc_scall *sc, int code, struct sn_str message)
{
    struct grpc_call *g = &sc->g;
    if (g->head_sent || (code == 0 && sc->method->m->server_streaming)) {
        stream_end(sc, code, message);
        return;
    }
    if (rest_headers(sc) < 0) return;
    struct sn_str body = sn_str_from(sn_buf_view(&g->out), SN_GRPC_PREFIX_LEN);
    if (code) {
        struct sn_jsonw w;
        sn_buf_reset(&g->out);
        sn_jsonw_init(&w, &g->out, NULL);
        put_status(g, code, message, &w);
        body = sn_buf_view(&g->out);
    }
    if (g->out.err < 0) return;
    (void)!sn_http_reply(g->c.http, sn_status_http(code), SN_STR("application/json"), body);
}

static const struct grpc_call_ops rest_ops = {.fill = rest_fill, .push = rest_push};
static const struct grpc_end_ops rest_end_ops = {.head = rest_head, .end = rest_end};

int grpc_rest(struct sn_grpc_server *s, struct sn_http_x *x)
{
    struct match *m = s->rest ? sn_arena_alloc(x->arena, sizeof(*m)) : NULL;
    if (!m) return s->rest ? SN_E_NOMEM : 1;
    const struct route *r = s->rest->routes;
    while (r && !(sn_str_eq(r->http_method, x->req.method_text) && matches(r, x->req.path, m)))
        r = r->next;
    /* A method that streams its requests gets one, the body. */
    if (!r) return 1;
    struct grpc_scall *sc SN_CLEANUP(grpc_scall_done) = grpc_scall_new(s, x, &rest_ops, &rest_end_ops);
    if (!sc) return SN_E_NOMEM;
    sc->g.codec = SN_GRPC_JSON;
    sc->g.in_proto = true;
    sc->method = r->m;
    sc->g.out_field = r->response_body.len
                          ? sn_pb_field_by_name(r->m->m->output, r->response_body)
                          : NULL;
    int e = sn_grpc_metadata_of(&x->req.headers, x->arena, &sc->g.c.metadata);
    if (e == 0) e = build(sc, m);
    sc->g.in_ended = true;
    sc->g.c.path = r->m->m->path;
    return e < 0 ? grpc_refuse(sc, e) : grpc_server_run(sc);
}
