/* SPDX-License-Identifier: Apache-2.0 */
/* app/rest.h - what services generated from an .api description stand on (`sennit gen api`).
 *
 * The generator writes C structs and constant tables of them; decoding with validation, encoding,
 * routing and calling are here, once, and driven by the tables. The middle part knows no sockets.
 *
 * A request is one struct, whose fields come from the path, the query or an urlencoded body (form),
 * headers and a JSON body. Semantics are go-zero's: a field that is neither optional nor has a
 * default must be there; null counts as absent; options= and range= are checked where a value was
 * given. C forms: text and []byte are struct sn_str, lists {T *ptr; size_t len;}, maps the same
 * over {struct sn_str key; T value;}, pointers NULL where absent, `any` a const struct sn_json *.
 * Everything decoded lives in the arena given and borrows the request. */
#pragma once
#include "core/arena.h"
#include "core/buf.h"
#include "core/status.h"
#include "core/str.h"
#include "wire/http.h"
#include "wire/json.h"

struct sn_gov_client;
struct sn_gov_server;
struct sn_http_client;
struct sn_http_x;
struct sn_jwt_store;

#define SN_REST_PARAMS_MAX 32u /* of a path */
#define SN_REST_FORM_MAX 512u  /* pairs of a query or form */
#define SN_REST_DEPTH_MAX 64u  /* of a body */
#define SN_REST_ROUTES_MAX 4096u

/* ---- tables ---- */

enum sn_rest_kind {
    SN_REST_BOOL = 1,
    SN_REST_INT,
    SN_REST_UINT,
    SN_REST_FLOAT,
    SN_REST_STRING,
    SN_REST_BYTES,
    SN_REST_ANY,
    SN_REST_STRUCT,
    SN_REST_LIST,
    SN_REST_MAP,
    SN_REST_POINTER,
};
enum sn_rest_where { SN_REST_IN_JSON, SN_REST_IN_PATH, SN_REST_IN_FORM, SN_REST_IN_HEADER };
struct sn_rest_struct;
struct sn_rest_type {
    uint8_t kind, size;              /* size: bytes, of numbers */
    const struct sn_rest_type *elem; /* LIST, MAP, POINTER */
    const struct sn_rest_struct *st; /* STRUCT */
};
/* SN_REST_T(LIST, .elem = SN_REST_T(INT, 8)) - a type's node, in an initialiser at file scope. */
#define SN_REST_T(kind_, ...) (&(const struct sn_rest_type){SN_REST_##kind_, __VA_ARGS__})
struct sn_rest_field {
    const char *name; /* as it travels */
    const struct sn_rest_type *type;
    uint32_t offset;
    uint8_t where;
    bool optional, as_string, has_min, has_max, min_open, max_open;
    double min, max;
    const char *def;            /* as text; NULL = none */
    const char *const *options; /* NULL-ended; NULL = any */
};
struct sn_rest_struct {
    const char *name;
    const struct sn_rest_field *fields;
    uint32_t n_fields;
    size_t size;
};
/* The layout of every list, and of every map with its entries. */
struct sn_rest_list {
    void *ptr;
    size_t len;
};

/* ---- values, without I/O ---- */

struct sn_rest_param {
    struct sn_str name, value; /* decoded */
};
struct sn_rest_input {
    const struct sn_json *body; /* NULL: none */
    struct sn_str query, form;  /* still encoded */
    const struct sn_http_headers *headers;
    const struct sn_rest_param *params;
    unsigned n_params;
    bool lenient; /* what is missing stays zero, options and ranges are not checked: answers */
};
/* sn_rest_decode - fills `ret` (st->size bytes, overwritten). Returns 0; SN_E_INVALID_ARGUMENT with
 * "items[2].count: expected ..., got ..." as diagnostic, fit for the client's eyes; SN_E_DEPTH,
 * SN_E_TOO_LARGE (form pairs), SN_E_NOMEM. Context: anywhere, never suspends. */
int sn_rest_decode(const struct sn_rest_struct *st, const struct sn_rest_input *in,
                   struct sn_arena *a, void *ret) SN_MUST_CHECK;
/* sn_rest_from_json - one value of type t, as in an answer. As sn_rest_decode. */
int sn_rest_from_json(const struct sn_rest_type *t, const struct sn_json *v, bool lenient,
                      struct sn_arena *a, void *ret) SN_MUST_CHECK;
/* sn_rest_to_json - appends the value's JSON; of structs the fields that travel in it. An optional
 * field that is zero is left out. Returns 0, the buffer's error, SN_E_DEPTH. */
int sn_rest_to_json(const struct sn_rest_type *t, const void *obj,
                    struct sn_buf *out) SN_MUST_CHECK;
/* sn_rest_size - bytes of the C object of type t. */
size_t sn_rest_size(const struct sn_rest_type *t);
/* sn_rest_sample - fills `ret` with values that decode: for tests. deep: nesting so far, 0. Returns
 * 0, SN_E_NOMEM. */
int sn_rest_sample(const struct sn_rest_struct *st, struct sn_arena *a, unsigned deep,
                   void *ret) SN_MUST_CHECK;

/* ---- methods and routes ---- */

struct sn_rest_method { /* what client and server agree upon */
    const char *name;   /* "GET /v1/orders/:id" */
    const char *method, *path;
    const struct sn_rest_struct *req; /* NULL: none */
    const struct sn_rest_type *resp;  /* NULL: none */
};
struct sn_rest_route;
/* A request being served; fields are to be read. */
struct sn_rest_call {
    struct sn_http_x *x;
    struct sn_arena *arena; /* dies with the request */
    const struct sn_rest_route *route;
    void *ctx; /* the service's */
    struct sn_rest_param params[SN_REST_PARAMS_MAX];
    unsigned n_params;
    unsigned at; /* middlewares entered */
    int fail_code;
    struct sn_str fail_text;
};
typedef int (*sn_rest_around)(struct sn_rest_call *call);
struct sn_rest_route {
    const struct sn_rest_method *m;
    /* Runs the handler: decoded request, zeroed answer. */
    int (*serve)(struct sn_rest_call *call, const void *req, void *resp);
    const sn_rest_around *around; /* middlewares, outermost first, NULL-ended; NULL = none */
    const char *jwt;              /* the key set's name in the configuration; NULL = none */
    int64_t timeout_ns;           /* 0 = the server's */
    int64_t bytes_max;            /* 0 = the server's */
};
/* sn_rest_next - from a middleware: the rest of the way. Not calling it refuses the request with
 * what the middleware returns. Suspends. */
int sn_rest_next(struct sn_rest_call *call) SN_MUST_CHECK;
/* sn_rest_fail - what the client is told of a failure, {"code", "message"} under `code`'s HTTP
 * status. Returns `code`, for the handler to return. Without it the client gets the code's name. */
int sn_rest_fail(struct sn_rest_call *call, int code, const char *fmt, ...) SN_PRINTF(3, 4);

struct sn_rest_server_opts {
    const struct sn_rest_route *routes;
    unsigned n_routes;
    struct sn_gov_server *gov; /* borrowed */
    void *ctx;
    int64_t timeout_ns; /* of routes that say nothing; 0 = governance's */
    uint64_t bytes_max; /* of bodies; 0 = SN_GOV_BODY_MAX */
    /* jwt - the key set a route names. NULL result: the start fails and names it. */
    struct sn_jwt_store *(*jwt)(void *arg, const char *name);
    void *jwt_arg;
};
struct sn_rest_server;
/* sn_rest_server_new - makes the routes. Returns 0; SN_E_ALREADY_EXISTS for two routes with one
 * pattern; SN_E_NOT_FOUND (a key set), SN_E_TOO_LARGE, SN_E_NOMEM. Owns: sn_rest_server_free.
 * Context: a fiber. */
int sn_rest_server_new(const struct sn_rest_server_opts *o,
                       struct sn_rest_server **ret) SN_MUST_CHECK;
void sn_rest_server_free(struct sn_rest_server *s);
/* sn_rest_handle - the sn_http_handler; arg: the server. 404, and 405 with Allow, are its own. */
int sn_rest_handle(struct sn_http_x *x, void *server);
/* sn_rest_match - whether `path` has the form of `pattern`; *ret_n parameters, values decoded into
 * `a`. A literal segment is compared as it came. a NULL: the form alone, `ret` is not written. Returns
 * 1, 0 (also for a value with a bad %), SN_E_NOMEM. */
int sn_rest_match(const char *pattern, struct sn_str path, struct sn_arena *a,
                  struct sn_rest_param *ret, unsigned *ret_n) SN_MUST_CHECK;

/* ---- client ---- */

struct sn_rest_client_opts {
    const char *service;         /* its name in metrics and spans; required, a literal */
    /* "10.0.0.1:80,10.0.0.2:80", or a registry's URL that ends in the service, whose instances are
     * followed ("consul://127.0.0.1:8500/front", docs/registry.md); required. */
    struct sn_str targets;
    struct sn_str registry_token; /* of the registry; never part of its URL */
    struct sn_http_client *http; /* borrowed; NULL: its own */
    struct sn_str token;         /* sent as "Authorization: Bearer"; copied; empty: none */
    int64_t timeout_ns;          /* 0 = governance's */
    struct sn_otlp *otlp;        /* may be NULL */
};
struct sn_rest_client;
/* sn_rest_client_new - does not wait for a registry: calls do, within their deadline, until it has
 * answered once. Returns 0, SN_E_INVALID_ARGUMENT, SN_E_SYNTAX (a registry's URL), SN_E_NOMEM.
 * Owns: sn_rest_client_free, when no call is in progress. Context: a fiber; what follows a registry
 * is of its scope. */
int sn_rest_client_new(const struct sn_rest_client_opts *o,
                       struct sn_rest_client **ret) SN_MUST_CHECK;
void sn_rest_client_free(struct sn_rest_client *c);
/* sn_rest_client_call - one call under governance (retries, breaker, balancing). req, ret: structs
 * of the method; ret may be NULL. Returns 0; the canonical SN_E_* the server answered, its message
 * in the diagnostic; SN_E_UNAVAILABLE, SN_E_DEADLINE_EXCEEDED, SN_E_SYNTAX (an answer that is no
 * JSON), SN_E_NOMEM. Owns: *ret is the arena's. Suspends. */
int sn_rest_client_call(struct sn_rest_client *c, const struct sn_rest_method *m, const void *req,
                        struct sn_arena *a, void *ret) SN_MUST_CHECK;
/* sn_rest_request - the request as it is sent, without sending it: target, headers, body. For
 * clients of another kind and for tests. Returns 0, SN_E_INVALID_ARGUMENT (an empty path
 * parameter), SN_E_NOMEM. */
struct sn_rest_request {
    struct sn_str target, body; /* body .ptr NULL: none */
    struct sn_http_headers headers;
};
int sn_rest_request(const struct sn_rest_method *m, const void *req, struct sn_arena *a,
                    struct sn_rest_request *ret) SN_MUST_CHECK;
