/* SPDX-License-Identifier: Apache-2.0 */
/* codegen/api.h - the .api language of go-zero: from text to a checked description of a service.
 *
 *   syntax = "v1"
 *   type Req { Id int64 `path:"id"`  Note string `json:"note,optional"` }
 *   @server (prefix: /v1  jwt: Auth)
 *   service shop { @handler getOrder  get /orders/:id (Req) returns (Order) }
 *
 * Sans I/O: the text of an import is asked of the caller. What goctl 1.8 accepts is accepted, but
 * for the differences docs/gen.md names. Source: go-zero.dev, "API syntax"; the behaviour of goctl.
 */
#pragma once
#include "core/arena.h"
#include "core/base.h"
#include "core/buf.h"
#include "core/str.h"

#define SN_API_BYTES_MAX (4u << 20) /* of a file */
#define SN_API_FILES_MAX 256u
#define SN_API_DEPTH_MAX 32u       /* of nested types, and of imports */
#define SN_API_TOKENS_MAX 1000000u /* over all files */
#define SN_API_ERRORS_MAX 20u
#define SN_API_OPTIONS_MAX 64u /* values of options= */
#define SN_API_TYPES_MAX 5000u
#define SN_API_FIELDS_MAX 500u /* of a struct, with those it embeds */
#define SN_API_ROUTES_MAX 2000u
#define SN_API_PAIRS_MAX 100u /* of an info, a @server, a @doc */

struct sn_api_file {
    struct sn_str path, text;
    bool open; /* it, or what it imports, is being read */
};
struct sn_api_pos {
    const struct sn_api_file *file;
    uint32_t line, column; /* 1-based; columns count bytes */
};

enum sn_api_kind {
    SN_API_BOOL = 1,
    SN_API_INT,   /* bits */
    SN_API_UINT,  /* bits */
    SN_API_FLOAT, /* bits */
    SN_API_STRING,
    SN_API_BYTES,   /* []byte: base64 in JSON */
    SN_API_ANY,     /* any, interface{} */
    SN_API_STRUCT,  /* fields; decl where it has a name */
    SN_API_LIST,    /* elem; [N]T too, with count */
    SN_API_MAP,     /* elem by text */
    SN_API_POINTER, /* elem */
    SN_API_NAMED,   /* not yet resolved */
};
struct sn_api_field;
struct sn_api_decl;
struct sn_api_type {
    enum sn_api_kind kind;
    uint8_t bits;
    uint32_t count;     /* of [N]T */
    struct sn_str name; /* NAMED */
    struct sn_api_type *elem;
    struct sn_api_field *fields;
    struct sn_api_decl *decl; /* of a named struct */
    struct sn_api_pos pos;
    const char *c_name; /* "front_order": of structs, set by sn_api_parse */
};

enum sn_api_where { SN_API_JSON, SN_API_PATH, SN_API_FORM, SN_API_HEADER, SN_API_NOWHERE };
struct sn_api_field {
    struct sn_api_field *next;
    struct sn_str name; /* as declared; empty: embedded */
    struct sn_api_type *type;
    struct sn_str tag, doc;
    struct sn_api_pos pos;
    /* out of the tag */
    enum sn_api_where where;
    struct sn_str wire; /* its name there */
    bool optional, as_string, has_range, min_open, max_open, embedded;
    struct sn_str def, min, max; /* .ptr NULL: none */
    struct sn_str *options;      /* n_options */
    uint32_t n_options;
    const char *c_name;
};
struct sn_api_decl {
    struct sn_api_decl *next;
    struct sn_str name, doc;
    struct sn_api_type *type;
    struct sn_api_pos pos;
    uint8_t state; /* of the checker */
};
struct sn_api_pair {
    struct sn_api_pair *next;
    struct sn_str key, value;
    struct sn_api_pos pos;
};
struct sn_api_route {
    struct sn_api_route *next;
    struct sn_str handler, method,
        path; /* method: "GET"; path: with the prefix, "/v1/orders/:id" */
    struct sn_str summary;
    struct sn_api_type *req, *resp;       /* NULL: none */
    struct sn_api_pair *server;           /* of the service block */
    struct sn_str group, jwt, middleware; /* out of it; middleware: commas */
    int64_t timeout_ns;                   /* 0: not given */
    uint64_t bytes_max;                   /* 0: not given */
    struct sn_api_pos pos, path_pos;
    const char *c_name; /* "front_orders_get_order" */
};
struct sn_api_error {
    struct sn_api_pos pos;
    struct sn_str text;
    bool warning;
};
struct sn_api {
    struct sn_arena *arena;
    struct sn_str name; /* of the service, as written; empty where there is none */
    const char *c_name; /* "front", "order_api" */
    struct sn_api_pair *info;
    struct sn_api_decl *decls;
    struct sn_api_route *routes;
    bool lost; /* a warning found no memory */
    uint32_t n_files, n_errors, n_warnings;
    struct sn_api_file files[SN_API_FILES_MAX];
    struct sn_api_error errors[SN_API_ERRORS_MAX];
};

/* sn_api_body - the node with the fields, of a struct or of a reference to one. */
static inline const struct sn_api_type *sn_api_body(const struct sn_api_type *t)
{
    return t->decl ? t->decl->type : t;
}

/* The text of an import: `path` as the caller named the importing file, joined with what stands
 * there. Returns 0 and the text, or a failure whose diagnostic says why. */
typedef int (*sn_api_read)(void *arg, struct sn_str path, struct sn_str *ret);

/* sn_api_parse - reads `text`, which is called `path`, and what it imports (`read` may be NULL:
 * imports are then errors), resolves and checks it. Every error found is in ret->errors, with
 * warnings among them. Returns 0; SN_E_SYNTAX or SN_E_INVALID_ARGUMENT with the first as
 * diagnostic; SN_E_TOO_LARGE, SN_E_DEPTH at a limit; SN_E_NOMEM. Owns: everything is the arena's
 * and borrows the texts. Context: anywhere; suspends only in `read`. */
int sn_api_parse(struct sn_arena *a, struct sn_str path, struct sn_str text, sn_api_read read,
                 void *arg, struct sn_api *ret) SN_MUST_CHECK;
/* sn_api_report - errors and warnings as text: "file:line:column: ...", the source line and a mark
 * under the place. Returns 0 or the buffer's error. */
int sn_api_report(const struct sn_api *api, struct sn_buf *out);
