/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/abi_cmd.h - what the files of `sennit abi` share. */
#pragma once
#include "evm/codec.h"
#include "kit/cli.h"

/* What several commands ask for. */
struct abi_node_opts {
    struct sn_str rpc, header;
};
#define ABI_NODE_FIELDS(S, at)                                                                      \
    SN_CONF_STRING(S, at.rpc, "rpc", .def = "http://127.0.0.1:8545",                                \
                   .help = "The node: http, https, ws or wss."),                                    \
        SN_CONF_STRING(S, at.header, "header",                                                      \
                       .help = "A header for the node: \"Name: value\".")
struct abi_file_opts {
    struct sn_str abi, contract;
};
#define ABI_FILE_FIELDS(S, at)                                                                      \
    SN_CONF_STRING(S, at.abi, "abi", .help = "File with the ABI: then a name suffices."),           \
        SN_CONF_STRING(S, at.contract, "contract", .help = "Which contract of the file.")

/* abi_read_hex - "0x..." of an operand, or of the file behind '@'. */
int abi_read_hex(struct sn_arena *a, struct sn_str s, struct sn_str *ret) SN_MUST_CHECK;
/* abi_put_hex - appends 0x and the bytes' digits. */
void abi_put_hex(struct sn_buf *out, struct sn_str s);
/* abi_load_file - the file's contracts; the file's name is that of a bare ABI. */
int abi_load_file(struct sn_arena *a, struct sn_str path, struct sn_abi_contracts *ret) SN_MUST_CHECK;
/* abi_find_method - the method named `what` in the file, or (without one) what `what` itself says. */
int abi_find_method(struct sn_arena *a, const struct abi_file_opts *file, struct sn_str what,
                    struct sn_abi_item *ret) SN_MUST_CHECK;
struct abi_encoding {
    bool packed, params; /* as abi.encodePacked; without the selector */
};
/* abi_encode_args - appends a call with its values as texts: JSON for what has parts. how: NULL = an
 * ordinary call. */
int abi_encode_args(struct sn_arena *a, const struct sn_abi_item *it, const struct sn_str *args,
                    size_t n, const struct abi_encoding *how, struct sn_buf *b) SN_MUST_CHECK;
/* abi_write_values - a tuple's values: a line each, or one JSON array or object. */
void abi_write_values(struct sn_buf *out, const struct sn_abi_type *t, const struct sn_abi_value *v,
                      bool json);
