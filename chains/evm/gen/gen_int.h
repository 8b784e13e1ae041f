/* SPDX-License-Identifier: Apache-2.0 */
/* evm/gen/gen_int.h - what the five emitters share: the model with names resolved for one language,
 * and a line writer. */
#pragma once
#include "core/arena.h"
#include "core/buf.h"
#include "core/map.h"
#include "core/vec.h"
#include "evm/abi.h"
#include "evm/gen/gen.h"

/* The arena, and whether it ever said no: helpers then answer "" and sn_abigen fails at its end. */
struct gen_mem {
    struct sn_arena *arena;
    bool failed;
};
void *gen_alloc(struct gen_mem *a, size_t size); /* zeroed; NULL and failed without memory */

enum gen_tag {
    GEN_UINT,
    GEN_INT,
    GEN_BOOL,
    GEN_ADDRESS,
    GEN_BYTESN,
    GEN_FUNCTION, /* address and selector: 24 bytes, encoded as bytes24 */
    GEN_BYTES,
    GEN_STRING,
    GEN_LIST,  /* T[] */
    GEN_ARRAY, /* T[n] */
    GEN_TUPLE,
};
struct gen_type {
    enum gen_tag tag;
    unsigned bits;   /* of an integer */
    uint64_t count;  /* bytes of a bytesN, elements of a T[n] */
    const struct gen_type *elem;
    struct gen_struct *tuple;
    struct gen_alias *alias; /* enum or user-defined value type, NULL without */
    const char *canonical;   /* "(uint256,address)[2]" */
    const char *json;        /* "tuple[2]" */
    struct sn_str internal;  /* internalType, empty where the ABI has none */
    bool dynamic;
};
struct gen_param {
    struct sn_str raw, doc;
    const struct gen_type *type;
    bool indexed;
    const char *id; /* in the language being written */
};
struct gen_params {
    struct gen_param *ptr;
    size_t len;
};
struct gen_struct {
    struct sn_str raw, qualifier; /* "Point", "Lib" */
    const char *canonical;        /* "(uint256,uint256)" */
    struct gen_params fields;
    bool named; /* every field has a name */
    const char *id;
};
struct gen_alias {
    struct sn_str raw, qualifier;
    bool is_enum;
    const struct gen_type *base;
    const char *id;
};
enum gen_kind { GEN_CONSTRUCTOR, GEN_METHOD, GEN_EVENT, GEN_ERROR, GEN_RECEIVE, GEN_FALLBACK };
/* One name in the spellings a language needs. */
struct gen_name {
    const char *n, *p, *u; /* transferFrom or transfer_from; TransferFrom; TRANSFER_FROM */
};
struct gen_item {
    enum gen_kind kind;
    struct sn_str raw;
    const char *base;      /* raw, with the suffix that tells overloads apart */
    const char *signature; /* "transfer(address,uint256)" */
    uint8_t selector[4];
    uint8_t topic[32];
    bool anonymous, view, payable, pure;
    struct gen_params in, out;
    struct sn_str doc; /* paragraphs separated by newlines */
    struct gen_name name;
};
struct gen_items {
    struct gen_item *ptr;
    size_t len;
};
struct gen_library {
    struct sn_str name; /* "contracts/Math.sol:Math" */
    const char *id;
    const char *placeholder; /* "__$...$__", 40 characters */
};
struct gen_contract {
    struct sn_str raw, source, doc;
    struct gen_items methods, events, errors; /* sorted by name, then signature */
    struct gen_items library_methods; /* selectors the ABI does not have: storage parameters */
    struct gen_item constructor;      /* without one in the ABI: no parameters, not payable */
    bool receive, fallback, fallback_payable;
    struct gen_struct **structs;
    size_t n_structs;
    struct gen_alias **aliases;
    size_t n_aliases;
    struct sn_str bytecode; /* hex without 0x; empty: not deployable */
    struct gen_library *libraries;
    size_t n_libraries;
    const char *module;          /* erc20 */
    const char *id, *module_id;  /* ERC20, erc20 in the language being written */
    const char *file;        /* ERC20: of the file, unique without case */
};

/* ---- model.c --------------------------------------------------------------------------------- */

/* gen_select - the parameters that are indexed, or those that are not; indexed ones of types that
 * do not fit a word become the bytes32 of their hash. */
struct gen_params gen_select(struct gen_mem *a, const struct gen_params *ps, bool indexed);
/* gen_is_hashed - whether an indexed value of the type is its hash in a log. */
bool gen_is_hashed(const struct gen_type *t);
/* gen_finish - sorts, so that an ABI's order changes nothing; drops the errors that every contract
 * has. */
void gen_finish(struct gen_contract *c);

/* ---- load.c ---------------------------------------------------------------------------------- */

#define GEN_DEPTH_MAX 24 /* of types: the emitters recurse on a fiber's stack */
typedef SN_VEC(struct gen_contract) gen_contracts;
/* gen_load - adds the contracts in one text, finished. Returns as sn_abigen. */
int gen_load(struct gen_mem *a, const struct sn_abigen_source *src, gen_contracts *ret);

struct gen_package {
    struct gen_contract *contracts;
    size_t n;
    const char *name, *version, *go_module;
    struct gen_mem *mem;
};

/* ---- names.c --------------------------------------------------------------------------------- */

enum gen_case { GEN_RAW, GEN_SNAKE, GEN_UPPER, GEN_PASCAL, GEN_CAPITAL };
/* gen_case - `raw` in a case: RAW keeps it but for what is no identifier, CAPITAL is RAW with its
 * first letter upper. Never empty, never begins with a digit. */
const char *gen_case(struct gen_mem *a, struct sn_str raw, enum gen_case to);

/* How a language names things. Patterns are what one item exports: {n}, {p}, {u} stand for the
 * spellings of its name. All lists are NULL-ended. */
struct gen_rules {
    enum gen_case n, p, u, param, field, type;
    const char *clash; /* suffix of fields whose names fall together; NULL = "_" */
    const char *const *reserved; /* keywords: for every name */
    const char *const *module;   /* taken in each contract's module */
    const char *const *locals;   /* taken among the parameters */
    const char *const *fields;   /* taken among the fields of structs, events and errors */
    const char *const *contract; /* patterns of what bears the contract's own name */
    const char *const *method, *const *event, *const *error;
    const char *const *struct_, *const *alias, *const *library;
};
/* gen_names - resolves every name of the contract for one language. Returns 0 or SN_E_NOMEM. */
int gen_names(struct gen_mem *a, struct gen_contract *c, const struct gen_rules *rules);

/* gen_contract_id - the contract's type name, from its file's; none of `taken`. */
void gen_contract_id(struct gen_mem *mem, struct gen_contract *c, const char *const *taken);
/* gen_module_ids - module names that are neither keywords nor files of the package's own. */
int gen_module_ids(const struct gen_package *p, const char *const *reserved,
                   const char *const *files);

struct gen_scope {
    struct gen_mem *mem;
    struct sn_map taken;
};
void gen_scope_init(struct gen_scope *s, struct gen_mem *a);
void gen_scope_done(struct gen_scope *s);
int gen_scope_reserve(struct gen_scope *s, const char *const *names);
/* gen_scope_claim - the name itself or with as many of `suffix` as it takes. NULL without memory. */
const char *gen_scope_claim(struct gen_scope *s, const char *name, const char *suffix);

/* ---- out.c ----------------------------------------------------------------------------------- */

struct gen_out {
    struct sn_buf buf;
    struct gen_mem *mem;
    unsigned indent, step; /* columns; what one level adds */
    const char *tab;       /* "\t" for Go, NULL for spaces */
};
void gen_out_init(struct gen_out *o, struct gen_mem *a, unsigned step, const char *tab);
/* gen_line - one line at the current indentation; gen_blank - an empty one. */
void gen_blank(struct gen_out *o);
void gen_line(struct gen_out *o, const char *fmt, ...) SN_PRINTF(2, 3);
/* gen_open, gen_close - lines that raise and lower the indentation after and before themselves. */
void gen_open(struct gen_out *o, const char *fmt, ...) SN_PRINTF(2, 3);
void gen_close(struct gen_out *o, const char *fmt, ...) SN_PRINTF(2, 3);
/* gen_text - appended as it is. */
void gen_text(struct gen_out *o, const char *fmt, ...) SN_PRINTF(2, 3);
/* gen_doc - a comment of the item's NatSpec, parameters and returns included. lead: in front of
 * each line ("/// "); bad and good: text that may not occur and what to write instead. */
struct gen_doc_style {
    const char *first, *lead, *last; /* first and last: NULL for none */
    const char *bad, *good;
    const char *param, *result; /* "@param %s", ... */
};
void gen_doc(struct gen_out *o, const struct gen_doc_style *style, const char *headline,
             struct sn_str doc, const struct gen_params *in, const struct gen_params *out);
/* gen_printf - formatted text in the arena; "" without memory (the buffers carry the error). */
const char *gen_printf(struct gen_mem *a, const char *fmt, ...) SN_PRINTF(2, 3);
/* gen_quoted - a string literal every one of the languages reads alike: JSON's, ASCII only. */
const char *gen_quoted(struct gen_mem *a, struct sn_str s);
/* gen_selector - "0xa9059cbb"; gen_topic - "0x..." of 32 bytes. */
const char *gen_hex(struct gen_mem *a, const uint8_t *p, size_t n);

/* gen_mentions - whether `name` occurs in the text as a whole word. */
bool gen_mentions(struct sn_str text, const char *name);

struct gen_files {
    SN_VEC(struct sn_abigen_file) v;
    struct gen_mem *mem;
    int err;
};
/* gen_file - ends `o` as the file `path`. */
void gen_file(struct gen_files *f, struct gen_out *o, const char *path);
void gen_file_text(struct gen_files *f, const char *path, const void *text, size_t len);

/* ---- the emitters ---------------------------------------------------------------------------- */

int gen_ts(const struct gen_package *p, struct gen_files *files);
int gen_py(const struct gen_package *p, struct gen_files *files);
int gen_rust(const struct gen_package *p, struct gen_files *files);
int gen_go(const struct gen_package *p, struct gen_files *files);
int gen_c(const struct gen_package *p, struct gen_files *files);
