/* SPDX-License-Identifier: Apache-2.0 */
/* evm/codec.h - values of contract types, and their encodings.
 *
 * A value is a 16-byte node whose meaning its type gives. What is one word on the wire (integers,
 * bool, address, bytesN, function) is a pointer to those 32 bytes, so decoding copies nothing:
 * decoded values borrow the data. Lists, arrays and tuples are arrays of nodes.
 *
 * Source: Solidity documentation, "Contract ABI Specification". */
#pragma once
#include "core/arena.h"
#include "core/base.h"
#include "core/buf.h"
#include "core/str.h"
#include "evm/abi.h"
#include "evm/u256.h"
#include "wire/json.h"

/* Bytes of one encoding; lengths in nodes are 32 bits. */
#define SN_ABI_DATA_MAX 0x7fffffffu
/* Nodes that one decoding may make without bytes of their own: zero-size elements ("uint256[0][]")
 * and, leniently, shared tails cost an attacker nothing to ask for. */
#define SN_ABI_WORK_DEFAULT 65536u

struct sn_abi_value {
    union {
        const uint8_t *bytes;             /* a word, or the content of bytes and string */
        const struct sn_abi_value *items; /* lists, arrays, tuples */
    };
    uint32_t len;  /* bytes of the content, items; 32 for words */
    bool hashed;   /* an indexed event parameter of which only the Keccak-256 is known */
};
/* sn_abi_word - a value of 32 borrowed bytes as they stand on the wire. */
static inline struct sn_abi_value sn_abi_word(const uint8_t word[SN_ABI_WORD])
{
    return (struct sn_abi_value){.bytes = word, .len = SN_ABI_WORD};
}
/* sn_abi_bytes - content of bytes or string, borrowed; at most SN_ABI_DATA_MAX bytes. */
static inline struct sn_abi_value sn_abi_bytes(struct sn_str s)
{
    return (struct sn_abi_value){.bytes = (const uint8_t *)s.ptr, .len = (uint32_t)s.len};
}
/* sn_abi_items - a list, array or tuple of n borrowed values. */
static inline struct sn_abi_value sn_abi_items(const struct sn_abi_value *items, uint32_t n)
{
    return (struct sn_abi_value){.items = items, .len = n};
}
/* sn_abi_put_uint, _address - fill a word for sn_abi_word. */
static inline void sn_abi_put_uint(uint8_t word[SN_ABI_WORD], struct sn_u256 v)
{
    sn_u256_store(v, word);
}
void sn_abi_put_address(uint8_t word[SN_ABI_WORD], const uint8_t address[SN_ADDRESS_LEN]);
/* sn_abi_str - the content of bytes and string. */
static inline struct sn_str sn_abi_str(const struct sn_abi_value *v)
{
    return sn_str_of((const char *)v->bytes, v->len);
}
/* sn_abi_u64 - a word as a number. Returns 0, SN_E_OUT_OF_RANGE beyond 64 bits. */
int sn_abi_u64(const struct sn_abi_value *v, uint64_t *ret) SN_MUST_CHECK;

/* sn_abi_encode - appends the encoding of `v`; `t` is a tuple: the parameters of a call
 * (sn_abi_params_type), whose encoding begins with its head, not with an offset.
 * Returns 0; SN_E_INVALID_ARGUMENT (count of items), SN_E_OUT_OF_RANGE (a word that its type does
 * not have), both with the path ("2.amounts[1]") in the diagnostic; SN_E_TOO_LARGE beyond
 * SN_ABI_DATA_MAX; the buffer's error. On failure `out` is as long as before.
 * Context: any thread, never suspends; recursion is bounded by SN_ABI_DEPTH_MAX. */
int sn_abi_encode(const struct sn_abi_type *t, const struct sn_abi_value *v, struct sn_buf *out)
    SN_MUST_CHECK;
/* sn_abi_encode_packed - abi.encodePacked of the tuple's components: nothing is padded but the
 * elements of arrays. Returns as sn_abi_encode; SN_E_INVALID_ARGUMENT also for what Solidity does
 * not pack: structs, and arrays of them, of bytes and of strings. */
int sn_abi_encode_packed(const struct sn_abi_type *t, const struct sn_abi_value *v,
                         struct sn_buf *out) SN_MUST_CHECK;

struct sn_abi_decode_opts {
    /* Zero: strict, there is exactly one encoding of each value and nothing else decodes.
     * Lenient: what Solidity's decoder takes: offsets anywhere in the data, any padding behind
     * content, bytes at the end. Words must have their type's range in both. */
    bool lenient;
    uint32_t work_max; /* nodes without bytes of their own; 0 = SN_ABI_WORK_DEFAULT */
};
/* sn_abi_decode - the value of tuple `t` that `data` encodes. opts: NULL = strict.
 * Returns 0; SN_E_SYNTAX (offset, length, padding or word that is not allowed; bytes left over),
 * SN_E_EOF (data ends too early; empty return data), SN_E_TOO_LARGE (data, or work_max), each with
 * path and byte offset in the diagnostic; SN_E_NOMEM.
 * Owns: nodes are the arena's, content borrows `data`. */
int sn_abi_decode(struct sn_arena *a, const struct sn_abi_type *t, struct sn_str data,
                  const struct sn_abi_decode_opts *opts, struct sn_abi_value *ret) SN_MUST_CHECK;

/* sn_abi_topic - the word an indexed parameter has in a log: itself where it is one word, else the
 * Keccak-256 of its padded in-place encoding. Returns as sn_abi_encode. */
int sn_abi_topic(const struct sn_abi_type *t, const struct sn_abi_value *v,
                 uint8_t ret[SN_ABI_TOPIC_LEN]) SN_MUST_CHECK;
/* sn_abi_is_hashed - whether an indexed parameter of the type is only a hash in the log. */
static inline bool sn_abi_is_hashed(const struct sn_abi_type *t) { return t->kind >= SN_ABI_BYTES; }
/* sn_abi_decode_log - an event's parameters, in the order of event->in, as a tuple's items.
 * topics: n words one after another. Returns as sn_abi_decode; SN_E_NOT_FOUND where the first topic
 * is another event's, SN_E_SYNTAX for the wrong number of topics. */
int sn_abi_decode_log(struct sn_arena *a, const struct sn_abi_item *event, const uint8_t *topics,
                      size_t n, struct sn_str data, const struct sn_abi_decode_opts *opts,
                      struct sn_abi_value *ret) SN_MUST_CHECK;
/* sn_abi_decode_error - what a revert said: an error of `abi` (may be NULL) or a built-in one.
 * Returns 0; SN_E_EOF for fewer than four bytes, SN_E_NOT_FOUND for an unknown selector, else as
 * sn_abi_decode. Owns: *ret_item is the model's or static. */
int sn_abi_decode_error(struct sn_arena *a, const struct sn_abi *abi, struct sn_str data,
                        const struct sn_abi_item **ret_item, struct sn_abi_value *ret)
    SN_MUST_CHECK;
/* sn_abi_panic_text - what Panic(code) means: "arithmetic overflow"; NULL for an unknown code. */
const char *sn_abi_panic_text(uint64_t code);

/* sn_abi_from_json - a value from JSON: integers as numbers or "decimal" or "0x..." strings, negative
 * ones with '-', fixed as decimal fractions, bytes and addresses as "0x..." (mixed case must be the
 * checksum), tuples as arrays or as objects by component name. `t` any type.
 * Returns 0; SN_E_INVALID_ARGUMENT, SN_E_OUT_OF_RANGE with the path in the diagnostic; SN_E_NOMEM.
 * Owns: the arena; strings borrow the tree. */
int sn_abi_from_json(struct sn_arena *a, const struct sn_abi_type *t, const struct sn_json *json,
                     struct sn_abi_value *ret) SN_MUST_CHECK;
/* sn_abi_to_json - writes a value: integers as decimal strings, so that none loses digits; tuples
 * as objects where every component has a name of its own, else as arrays; hashed ones as
 * {"hash": "0x..."}. Errors stick in the writer's buffer. */
void sn_abi_to_json(struct sn_jsonw *w, const struct sn_abi_type *t, const struct sn_abi_value *v);
