/* SPDX-License-Identifier: Apache-2.0 */
/* evm/gen/sdk.h - what generated C packages stand on: plain structs to and from contract encodings
 * by constant tables, and calls through a node.
 *
 * A layout says how a value lies in memory; the ABI's own type, parsed from the item's text, says
 * how it is encoded. Integers of up to 64 bits are C's next wider type, wider ones struct sn_u256
 * (negative ones in two's complement); bool is bool; an address, a function and bytesN are structs
 * of their bytes; bytes and string are struct sn_str; a list is {ptr, len}; T[n] is {at[n]}; a
 * struct is one. */
#pragma once
#include "core/arena.h"
#include "core/buf.h"
#include "core/str.h"
#include "evm/abi.h"
#include "evm/gas.h"
#include "evm/rpc.h"
#include "evm/u256.h"

struct sn_sdk_address {
    uint8_t bytes[SN_ADDRESS_LEN];
};
/* bytesN, from the front, zero behind; function: address and selector in the first 24. */
struct sn_sdk_word {
    uint8_t bytes[32];
};

enum sn_sdk_rep {
    SN_SDK_UINT = 1, /* size 1, 2, 4, 8: the C integer; 32: struct sn_u256 */
    SN_SDK_INT,
    SN_SDK_BOOL,
    SN_SDK_ADDRESS, /* struct sn_sdk_address */
    SN_SDK_WORD,    /* struct sn_sdk_word; count: its bytes that mean something */
    SN_SDK_TEXT,    /* struct sn_str */
    SN_SDK_LIST,    /* {const T *ptr; size_t len;} */
    SN_SDK_ARRAY,   /* {T at[count];} */
    SN_SDK_STRUCT,
};
struct sn_sdk_field;
struct sn_sdk_layout {
    uint8_t rep;
    uint32_t size; /* bytes of the C object */
    uint32_t count; /* WORD, ARRAY; STRUCT: fields */
    const struct sn_sdk_layout *elem;  /* LIST, ARRAY */
    const struct sn_sdk_field *fields; /* STRUCT */
};
struct sn_sdk_field {
    uint32_t offset;
    const struct sn_sdk_layout *layout;
};
/* A function, event or error of a generated package. */
struct sn_sdk_item {
    const char *text; /* as sn_abi_item_parse reads it */
    uint8_t selector[SN_ABI_SELECTOR_LEN];
    const struct sn_sdk_layout *in, *out; /* structs of the arguments and results */
};

/* sn_sdk_encode - appends selector and arguments. Returns 0 or as sn_abi_encode; `out` is as long as
 * before on failure. Context: any thread, never suspends. */
int sn_sdk_encode(const struct sn_sdk_item *item, const void *args, struct sn_buf *out)
    SN_MUST_CHECK;
/* sn_sdk_decode - return data (of a function) or an error's data, selector included, into the
 * item's struct. No data where values are due is SN_E_EOF. Returns as sn_abi_decode; SN_E_NOT_FOUND
 * for another error's selector. Owns: lists are the arena's, text borrows `data`. */
int sn_sdk_decode(const struct sn_sdk_item *item, struct sn_arena *a, struct sn_str data, void *ret)
    SN_MUST_CHECK;
/* sn_sdk_decode_builtin - Error(string) or Panic(uint256) in revert data. Returns 1 with *ret_reason,
 * 2 with *ret_code, 0 where it is neither or malformed; SN_E_NOMEM. Owns: as sn_sdk_decode. */
int sn_sdk_decode_builtin(struct sn_arena *a, struct sn_str data, struct sn_str *ret_reason,
                          struct sn_u256 *ret_code) SN_MUST_CHECK;
/* sn_sdk_decode_event - a log into the event's struct; indexed values that do not fit a word become
 * the struct sn_sdk_word of their hash. topics: n words one after another. Returns as
 * sn_abi_decode_log. */
int sn_sdk_decode_event(const struct sn_sdk_item *item, struct sn_arena *a, const uint8_t *topics,
                        size_t n, struct sn_str data, void *ret) SN_MUST_CHECK;

struct sn_sdk_link {
    const char *placeholder; /* 40 characters of the code */
    struct sn_sdk_address at;
};
/* sn_sdk_encode_deploy - appends creation code (hexadecimal, libraries put in) and the arguments.
 * item NULL: a constructor without any. Returns as sn_sdk_encode; SN_E_INVALID_ARGUMENT for code
 * that is not fully linked. */
int sn_sdk_encode_deploy(const struct sn_sdk_item *item, const char *code,
                         const struct sn_sdk_link *links, size_t n_links, const void *args,
                         struct sn_buf *out) SN_MUST_CHECK;

/* A contract at an address, as a caller sees it. */
struct sn_sdk_at {
    struct sn_eth_rpc *rpc;
    struct sn_sdk_address address;
    struct sn_sdk_address from; /* all zero: calls without a sender */
    struct sn_str block;        /* of calls; empty = "latest" */
};
/* sn_sdk_call - eth_call of a function. Returns as sn_eth_call and sn_sdk_decode; SN_E_ABORTED for a
 * revert, whose data is *ret_revert (bytes in the arena, empty without; may be NULL). Suspends. */
int sn_sdk_call(const struct sn_sdk_item *item, const struct sn_sdk_at *at, struct sn_arena *a,
                const void *args, void *ret, struct sn_str *ret_revert) SN_MUST_CHECK;
struct sn_sdk_tx {
    struct sn_u256 value; /* wei */
    uint64_t gas;         /* 0: the gas check's limit */
    /* Sees what the gas check found before the transaction is sent; < 0 stops it. May be NULL. */
    int (*on_gas)(void *ctx, const struct sn_gas_estimate *report);
    void *ctx;
};
/* sn_sdk_send - asks the node to sign and send (eth_sendTransaction) `data` to at->address, or with
 * create a deployment, after the gas check (sn_gas_estimate). tx may be NULL. Returns as
 * sn_gas_estimate and sn_eth_call; SN_E_ABORTED for what would revert, with *ret_revert as above.
 * Suspends. */
int sn_sdk_send(const struct sn_sdk_at *at, struct sn_arena *a, struct sn_str data, bool create,
                const struct sn_sdk_tx *tx, uint8_t ret_hash[32], struct sn_str *ret_revert)
    SN_MUST_CHECK;
