/* SPDX-License-Identifier: Apache-2.0 */
/* evm/abi.h - contract interfaces: types, functions, events, errors, and the artifacts they come in.
 *
 * A model is read-only and lives in the caller's arena. Sources are JSON ABIs, artifacts of Foundry,
 * Hardhat and Truffle, solc's standard output, and human-readable signatures; all give the same
 * model. Everything a code generator or a codec asks for is computed once here: canonical types,
 * signatures, selectors, topics, names that tell overloads apart, sizes in the encoding, and what
 * compilers write beside an ABI: NatSpec, creation code, the libraries it is linked with.
 *
 * Sources: Solidity documentation, "Contract ABI Specification", "Using the Compiler". */
#pragma once
#include "core/arena.h"
#include "core/base.h"
#include "core/buf.h"
#include "core/str.h"
#include "wire/json.h"

/* Nesting of a type: arrays and tuples together. Codecs recurse this deep on a fiber's stack. */
#define SN_ABI_DEPTH_MAX 32
#define SN_ABI_PARAMS_MAX 1024   /* of one function, event, error or tuple */
#define SN_ABI_ITEMS_MAX 65536   /* of one contract */
#define SN_ABI_TYPES_MAX 65536   /* type nodes of one type; inline tuples multiply */
#define SN_ABI_NAME_MAX 4096     /* bytes of one identifier */
#define SN_ABI_CANONICAL_MAX 65536 /* bytes of one type, written out */
#define SN_ABI_HEAD_MAX (1u << 30) /* bytes a static type takes in place */
#define SN_ABI_WORD 32
#define SN_ABI_SELECTOR_LEN 4
#define SN_ABI_TOPIC_LEN 32

enum sn_abi_kind {
    SN_ABI_UINT = 1,
    SN_ABI_INT,
    SN_ABI_UFIXED, /* an integer with `decimals` fractional digits */
    SN_ABI_FIXED,
    SN_ABI_BOOL,
    SN_ABI_ADDRESS,
    SN_ABI_FIXED_BYTES, /* bytes1 .. bytes32 */
    SN_ABI_FUNCTION,    /* address and selector, encoded as bytes24 */
    SN_ABI_BYTES,
    SN_ABI_STRING,
    SN_ABI_LIST,  /* T[] */
    SN_ABI_ARRAY, /* T[n] */
    SN_ABI_TUPLE,
};

struct sn_abi_param;
struct sn_abi_type {
    uint8_t kind;     /* enum sn_abi_kind */
    uint8_t decimals; /* FIXED, UFIXED: 0..80 */
    uint16_t bits;    /* integers and fixed: 8..256 */
    bool dynamic;     /* encoded behind an offset */
    uint8_t depth;    /* 0 for elementary types, else 1 + the deepest child's */
    uint32_t head;    /* bytes in the enclosing head: 32 where dynamic, else all of it */
    uint64_t count;   /* ARRAY: elements; FIXED_BYTES: 1..32 */
    const struct sn_abi_type *elem;        /* LIST, ARRAY */
    const struct sn_abi_param *components; /* TUPLE */
    size_t n_components;
    struct sn_str canonical; /* "(uint256,address)[2]": what signatures are made of */
    struct sn_str internal;  /* "struct Lib.Point[2]", "enum E", "Price": empty where unknown */
};
struct sn_abi_param {
    struct sn_str name; /* empty where the source gives none */
    const struct sn_abi_type *type;
    bool indexed;      /* events */
    struct sn_str doc; /* NatSpec's @param or @return; empty without */
};
struct sn_abi_params {
    const struct sn_abi_param *ptr;
    size_t len;
};

enum sn_abi_item_kind {
    SN_ABI_METHOD = 1,
    SN_ABI_EVENT,
    SN_ABI_ERROR,
    SN_ABI_CONSTRUCTOR,
    SN_ABI_RECEIVE,
    SN_ABI_FALLBACK,
};
enum sn_abi_mutability { SN_ABI_NONPAYABLE, SN_ABI_PAYABLE, SN_ABI_VIEW, SN_ABI_PURE };

struct sn_abi_item {
    uint8_t kind;       /* enum sn_abi_item_kind */
    uint8_t mutability; /* enum sn_abi_mutability */
    bool anonymous;     /* events without a topic of their own */
    bool library;       /* a library function with storage parameters, known by its selector alone:
                         * `in` and `out` are empty, the signature has "Lib.S storage" */
    struct sn_str name;      /* empty for constructor, receive, fallback */
    struct sn_str unique;    /* name; for overloads with the types behind those that all of them
                              * share: f_uint256. Does not depend on the items' order */
    struct sn_str signature; /* "transfer(address,uint256)"; empty where name is */
    uint8_t selector[SN_ABI_SELECTOR_LEN]; /* of the signature; methods and errors */
    uint8_t topic[SN_ABI_TOPIC_LEN];       /* Keccak-256 of the signature */
    struct sn_abi_params in, out;          /* out: methods; a fallback's bytes are not listed */
    struct sn_str doc; /* NatSpec's @notice and @dev, paragraphs separated by newlines */
};
struct sn_abi {
    const struct sn_abi_item *items; /* in the source's order */
    size_t n_items;
};
#define SN_ABI_PLACEHOLDER_LEN 40 /* hexadecimal digits of an address */
struct sn_abi_library {
    struct sn_str name;        /* "Math" */
    struct sn_str placeholder; /* what stands in the code for its address: "__$...$__" */
};
struct sn_abi_contract {
    struct sn_str name, source; /* "Token", "src/Token.sol"; source empty where unknown */
    struct sn_str doc;          /* NatSpec's @title, @notice and @dev */
    struct sn_abi abi;
    struct sn_str code; /* creation code in hexadecimal without 0x, placeholders in it; empty: none */
    const struct sn_abi_library *libraries; /* that it is not linked with yet */
    size_t n_libraries;
};
struct sn_abi_contracts {
    const struct sn_abi_contract *ptr;
    size_t len;
};

/* sn_abi_type_parse - one type: "uint256", "(address,bytes)[3][]", "tuple(uint a, uint b)"; `uint`,
 * `int`, `fixed`, `ufixed`, `byte` and `address payable` are the aliases they are in Solidity.
 * Returns 0; SN_E_SYNTAX for what is no type, SN_E_DEPTH, SN_E_TOO_LARGE beyond the limits above,
 * each with the text in the diagnostic; SN_E_NOMEM. Owns: the arena; nothing borrows `text`. */
int sn_abi_type_parse(struct sn_arena *a, struct sn_str text, const struct sn_abi_type **ret)
    SN_MUST_CHECK;
/* sn_abi_params_parse - "address to, uint256[] ids" or the same in parentheses, names optional: a
 * single tuple is "((address,uint256))". Returns as sn_abi_type_parse. */
int sn_abi_params_parse(struct sn_arena *a, struct sn_str text, struct sn_abi_params *ret)
    SN_MUST_CHECK;
/* sn_abi_params_type - the tuple of the parameters: what encoders take for a whole call. Returns 0,
 * SN_E_DEPTH, SN_E_TOO_LARGE, SN_E_NOMEM. Owns: the arena; borrows `p`. */
int sn_abi_params_type(struct sn_arena *a, struct sn_abi_params p, const struct sn_abi_type **ret)
    SN_MUST_CHECK;

/* sn_abi_item_parse - one human-readable item: "function f(uint a) view returns (bool)", "event E(
 * address indexed a) anonymous", "error X(uint)", "constructor(address) payable", "receive()
 * external payable", "fallback()"; without a keyword it is a function. Returns as
 * sn_abi_type_parse. */
int sn_abi_item_parse(struct sn_arena *a, struct sn_str text, struct sn_abi_item *ret)
    SN_MUST_CHECK;
/* sn_abi_text_parse - items separated by ';' or line ends, and the types they use by name: "struct
 * Point { uint x; uint y; }", "enum Mood { Good, Bad }", "type Price is uint256". Comments as in
 * Solidity. Returns as sn_abi_json_parse. */
int sn_abi_text_parse(struct sn_arena *a, struct sn_str text, struct sn_abi *ret) SN_MUST_CHECK;
/* sn_abi_json_parse - a parsed JSON ABI: an array of items. Unknown members are ignored, unknown
 * kinds of items are errors. Returns 0; SN_E_SYNTAX for anything that is no ABI, SN_E_DEPTH,
 * SN_E_TOO_LARGE, SN_E_ALREADY_EXISTS where two methods, two errors share a selector without being
 * the same item, SN_E_NOMEM; the diagnostic names the item and parameter.
 * Owns: the arena; nothing borrows `json`. */
int sn_abi_json_parse(struct sn_arena *a, const struct sn_json *json, struct sn_abi *ret)
    SN_MUST_CHECK;
/* sn_abi_load - every contract in a text: a bare JSON ABI, a Foundry, Hardhat or Truffle artifact,
 * solc's standard output, a Hardhat build-info file, or human-readable items. name: for an ABI that
 * has none (the file's). Where the compiler lists selectors its list decides: it has library
 * functions with storage parameters, and no function that the ABI shows with another selector.
 * Returns 0, SN_E_NOT_FOUND for JSON without any contract, else as sn_abi_json_parse; SN_E_SYNTAX
 * also for code that is none. Owns: the arena; borrows `name`. */
int sn_abi_load(struct sn_arena *a, struct sn_str text, struct sn_str name,
                struct sn_abi_contracts *ret) SN_MUST_CHECK;

/* sn_abi_method, _event, _error - the item with a name ("transfer"), a unique name
 * ("transfer_uint256"), a signature ("transfer(address,uint256)") or 0x and the selector or topic.
 * Returns 0; SN_E_NOT_FOUND naming near ones; SN_E_FAILED_PRECONDITION for a name with several
 * overloads, naming them. Owns: *ret is the model's. */
int sn_abi_method(const struct sn_abi *abi, struct sn_str what, const struct sn_abi_item **ret)
    SN_MUST_CHECK;
int sn_abi_event(const struct sn_abi *abi, struct sn_str what, const struct sn_abi_item **ret)
    SN_MUST_CHECK;
int sn_abi_error(const struct sn_abi *abi, struct sn_str what, const struct sn_abi_item **ret)
    SN_MUST_CHECK;
/* sn_abi_by_selector - the method (or error, by kind) with the selector; NULL where none has it. */
const struct sn_abi_item *sn_abi_by_selector(const struct sn_abi *abi, enum sn_abi_item_kind kind,
                                             const uint8_t selector[SN_ABI_SELECTOR_LEN]);
/* sn_abi_by_topic - the event with that first topic; NULL where none has it. */
const struct sn_abi_item *sn_abi_by_topic(const struct sn_abi *abi,
                                          const uint8_t topic[SN_ABI_TOPIC_LEN]);
/* sn_abi_builtin_errors - Error(string) and Panic(uint256), which every contract may raise. */
const struct sn_abi *sn_abi_builtin_errors(void);
/* sn_abi_item_format - appends the human-readable item, one line, as sn_abi_item_parse reads it.
 * Returns 0 or the buffer's error. */
int sn_abi_item_format(struct sn_buf *out, const struct sn_abi_item *item);
/* sn_abi_json_write - appends the JSON ABI of the model. Returns 0 or the buffer's error. */
int sn_abi_json_write(struct sn_buf *out, const struct sn_abi *abi);
/* sn_abi_mutability_name - "nonpayable", "payable", "view", "pure". */
const char *sn_abi_mutability_name(enum sn_abi_mutability m);
