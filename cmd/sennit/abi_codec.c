/* SPDX-License-Identifier: Apache-2.0 */
/* sennit abi encode, decode, sig, 4byte, tx, typed - calldata and transactions without a node. */
#include <limits.h>

#include "core/enc.h"
#include "core/status.h"
#include "evm/codec.h"
#include "evm/eip712.h"
#include "evm/tx.h"
#include "sennit/abi_cmd.h"
#include "sennit/commands.h"
#include "sennit/files.h"

/* ---- encode ---------------------------------------------------------------------------------- */

struct encode_opts {
    struct abi_file_opts file;
    bool packed, params, json;
};
static const struct sn_conf_field encode_fields[] = {
    ABI_FILE_FIELDS(struct encode_opts, file),
    SN_CONF_BOOL(struct encode_opts, params, "params", .help = "Only the parameters, no selector."),
    SN_CONF_BOOL(struct encode_opts, packed, "packed", .help = "As abi.encodePacked does."),
    SN_CONF_BOOL(struct encode_opts, json, "json", .help = "Print a JSON object."),
};
static const struct sn_conf_table encode_table = SN_CONF_TABLE(struct encode_opts, encode_fields);

static int encode_run(const struct sn_cli_call *call)
{
    const struct encode_opts *o = call->opts;
    struct sn_buf data SN_CLEANUP(sn_buf_done), out SN_CLEANUP(sn_buf_done);
    struct sn_abi_item it;
    sn_buf_init(&data, 0);
    sn_buf_init(&out, 0);
    int r = abi_find_method(call->arena, &o->file, call->args[0], &it);
    const struct abi_encoding how = {.packed = o->packed, .params = o->params};
    if (r == 0)
        r = abi_encode_args(call->arena, &it, call->args + 1, call->n_args - 1, &how, &data);
    if (r < 0) return r;
    if (o->json) {
        sn_buf_cstr(&out, "{\"signature\":");
        sn_json_write_string(&out, it.signature);
        sn_buf_cstr(&out, ",\"data\":\"");
        abi_put_hex(&out, sn_buf_view(&data));
        sn_buf_cstr(&out, "\"}");
    } else {
        abi_put_hex(&out, sn_buf_view(&data));
    }
    return files_print(&out);
}
const struct sn_cli_command sn_cmd_abi_encode = {
    .name = "encode",
    .brief = "Encodes a call.",
    .usage = "FUNCTION VALUE...",
    .about = "FUNCTION is a signature such as \"transfer(address,uint256)\", or with --abi a name.\n"
             "Lists and tuples are JSON: '[1,2]', '{\"x\":1}'. Negative numbers stand behind --.",
    .table = &encode_table,
    .args_min = 1,
    .args_max = UINT_MAX,
    .run = encode_run,
};

/* ---- decode ---------------------------------------------------------------------------------- */

struct decode_opts {
    struct abi_file_opts file;
    bool output, params, lenient, json;
};
static const struct sn_conf_field decode_fields[] = {
    ABI_FILE_FIELDS(struct decode_opts, file),
    SN_CONF_BOOL(struct decode_opts, output, "output", .help = "DATA is what the call returned."),
    SN_CONF_BOOL(struct decode_opts, params, "params", .help = "DATA has no selector."),
    SN_CONF_BOOL(struct decode_opts, lenient, "lenient",
                 .help = "Take what Solidity takes: any offsets, padding and bytes at the end."),
    SN_CONF_BOOL(struct decode_opts, json, "json", .help = "Print one JSON array or object."),
};
static const struct sn_conf_table decode_table = SN_CONF_TABLE(struct decode_opts, decode_fields);

static int decode_run(const struct sn_cli_call *call)
{
    const struct decode_opts *o = call->opts;
    struct sn_abi_decode_opts d = {.lenient = o->lenient};
    struct sn_buf out SN_CLEANUP(sn_buf_done);
    struct sn_abi_item it;
    const struct sn_abi_type *t;
    struct sn_abi_value v;
    struct sn_str data;
    sn_buf_init(&out, 0);
    int r = abi_find_method(call->arena, &o->file, call->args[0], &it);
    if (r == 0) r = abi_read_hex(call->arena, call->args[1], &data);
    if (r == 0) r = sn_abi_params_type(call->arena, o->output ? it.out : it.in, &t);
    if (r < 0) return r;
    if (!o->output && !o->params) {
        if (data.len < SN_ABI_SELECTOR_LEN || memcmp(data.ptr, it.selector, SN_ABI_SELECTOR_LEN) != 0)
            return sn_fail(SN_E_INVALID_ARGUMENT, "the data does not begin with the selector of %.*s",
                           SN_STR_ARG(it.signature));
        data = sn_str_from(data, SN_ABI_SELECTOR_LEN);
    }
    r = sn_abi_decode(call->arena, t, data, &d, &v);
    if (r < 0) return r;
    abi_write_values(&out, t, &v, o->json);
    return files_print(&out);
}
const struct sn_cli_command sn_cmd_abi_decode = {
    .name = "decode",
    .brief = "Decodes calldata or return data.",
    .usage = "FUNCTION DATA",
    .about = "DATA is 0x and hex digits, or @FILE. Decoding is strict: only the one encoding that the\n"
             "values have is taken, see --lenient.",
    .table = &decode_table,
    .args_min = 2,
    .args_max = 2,
    .run = decode_run,
};

/* ---- sig ------------------------------------------------------------------------------------- */

struct sig_opts {
    bool json;
};
static const struct sn_conf_field sig_fields[] = {
    SN_CONF_BOOL(struct sig_opts, json, "json", .help = "Print one JSON array."),
};
static const struct sn_conf_table sig_table = SN_CONF_TABLE(struct sig_opts, sig_fields);

static void sig_item(struct sn_jsonw *w, const struct sn_abi_item *it, bool json)
{
    struct sn_buf *out = w->out;
    bool event = it->kind == SN_ABI_EVENT;
    size_t n = event ? SN_ABI_TOPIC_LEN : SN_ABI_SELECTOR_LEN;
    char hex[2 + 2 * SN_ABI_TOPIC_LEN] = "0x";
    if (it->kind > SN_ABI_ERROR) return;
    size_t len = 2 + sn_hex_encode(it->topic, n, hex + 2);
    if (!json) {
        sn_buf_put(out, hex, len);
        sn_buf_printf(out, "  %s %.*s\n",
                      event ? "event" : it->kind == SN_ABI_ERROR ? "error" : "function",
                      SN_STR_ARG(it->signature));
        return;
    }
    sn_jsonw_object(w);
    sn_jsonw_kstr(w, "kind", sn_str(event ? "event" : it->kind == SN_ABI_ERROR ? "error" : "function"));
    sn_jsonw_kstr(w, "signature", it->signature);
    sn_jsonw_kstr(w, "name", it->unique);
    sn_jsonw_kstr(w, event ? "topic" : "selector", sn_str_of(hex, len));
    sn_jsonw_object_end(w);
}
static int sig_run(const struct sn_cli_call *call)
{
    const struct sig_opts *o = call->opts;
    struct sn_buf out SN_CLEANUP(sn_buf_done);
    struct sn_jsonw w;
    int r = 0;
    sn_buf_init(&out, 0);
    sn_jsonw_init(&w, &out, NULL);
    if (o->json) sn_jsonw_array(&w);
    for (size_t i = 0; i < call->n_args && r == 0; i++) {
        struct sn_abi_contracts c;
        struct sn_abi_item it;
        if (sn_str_chr(call->args[i], '(') >= 0) {
            r = sn_abi_item_parse(call->arena, call->args[i], &it);
            if (r == 0) sig_item(&w, &it, o->json);
            continue;
        }
        r = abi_load_file(call->arena, call->args[i], &c);
        for (size_t k = 0; k < c.len && r == 0; k++)
            for (size_t m = 0; m < c.ptr[k].abi.n_items; m++)
                sig_item(&w, &c.ptr[k].abi.items[m], o->json);
    }
    if (r < 0) return r;
    if (o->json) sn_jsonw_array_end(&w);
    else if (out.len) out.len--; /* the last line's end is the printer's */
    return files_print(&out);
}
const struct sn_cli_command sn_cmd_abi_sig = {
    .name = "sig",
    .brief = "Selectors and topics of signatures and ABI files.",
    .usage = "SIGNATURE|FILE...",
    .about = "\"transfer(address,uint256)\", \"event Transfer(address,address,uint256)\", or files: "
             "ABIs,\nartifacts of Foundry, Hardhat and Truffle, solc's output.",
    .table = &sig_table,
    .args_min = 1,
    .args_max = UINT_MAX,
    .run = sig_run,
};

/* ---- 4byte ----------------------------------------------------------------------------------- */

/* What most calldata turns out to be; an ABI file is looked at first. */
static const char known[] =
    "function transfer(address to, uint256 amount);"
    "function transferFrom(address from, address to, uint256 amount);"
    "function approve(address spender, uint256 amount);"
    "function balanceOf(address owner);"
    "function allowance(address owner, address spender);"
    "function totalSupply(); function name(); function symbol(); function decimals();"
    "function mint(address to, uint256 amount); function burn(uint256 amount);"
    "function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, "
    "bytes32 r, bytes32 s);"
    "function deposit(); function withdraw(uint256 amount);"
    "function ownerOf(uint256 id); function tokenURI(uint256 id);"
    "function safeTransferFrom(address from, address to, uint256 id);"
    "function safeTransferFrom(address from, address to, uint256 id, bytes data);"
    "function safeTransferFrom(address from, address to, uint256 id, uint256 amount, bytes data);"
    "function safeBatchTransferFrom(address from, address to, uint256[] ids, uint256[] amounts, "
    "bytes data);"
    "function setApprovalForAll(address operator, bool approved);"
    "function multicall(bytes[] data); function multicall(uint256 deadline, bytes[] data);"
    "function aggregate((address target, bytes callData)[] calls);"
    "function aggregate3((address target, bool allowFailure, bytes callData)[] calls);"
    "function execute(bytes commands, bytes[] inputs, uint256 deadline);"
    "function swapExactTokensForTokens(uint256 amountIn, uint256 amountOutMin, address[] path, "
    "address to, uint256 deadline);"
    "function swapExactETHForTokens(uint256 amountOutMin, address[] path, address to, uint256 "
    "deadline);"
    "function exactInputSingle((address tokenIn, address tokenOut, uint24 fee, address recipient, "
    "uint256 deadline, uint256 amountIn, uint256 amountOutMinimum, uint160 sqrtPriceLimitX96) params);"
    "function upgradeTo(address implementation);"
    "function upgradeToAndCall(address implementation, bytes data);"
    "function transferOwnership(address newOwner); function renounceOwnership();"
    "function grantRole(bytes32 role, address account);"
    "function revokeRole(bytes32 role, address account);"
    "error Error(string message); error Panic(uint256 code)";

struct explain_opts {
    struct sn_str abi;
    bool json;
};
static const struct sn_conf_field explain_fields[] = {
    SN_CONF_STRING(struct explain_opts, abi, "abi", .help = "File with ABIs to look at first."),
    SN_CONF_BOOL(struct explain_opts, json, "json", .help = "Print one JSON object."),
};
static const struct sn_conf_table explain_table = SN_CONF_TABLE(struct explain_opts, explain_fields);

/* The item whose selector begins the data, and its values. Decoding tells collisions apart. */
static int explain(struct sn_arena *a, const struct sn_abi *abi, struct sn_str data,
                   const struct sn_abi_item **ret, const struct sn_abi_type **ret_type,
                   struct sn_abi_value *ret_value)
{
    struct sn_abi_decode_opts d = {.lenient = true};
    for (unsigned kind = SN_ABI_METHOD; kind <= SN_ABI_ERROR; kind += SN_ABI_ERROR - SN_ABI_METHOD) {
        const struct sn_abi_item *it = sn_abi_by_selector(abi, kind, (const uint8_t *)data.ptr);
        if (!it || it->library) continue;
        int r = sn_abi_params_type(a, it->in, ret_type);
        if (r == 0)
            r = sn_abi_decode(a, *ret_type, sn_str_from(data, SN_ABI_SELECTOR_LEN), &d, ret_value);
        if (r < 0) return sn_wrap(r, "%.*s", SN_STR_ARG(it->signature));
        *ret = it;
        return 0;
    }
    return SN_E_NOT_FOUND;
}
static int explain_run(const struct sn_cli_call *call)
{
    const struct explain_opts *o = call->opts;
    struct sn_abi_contracts c = {0};
    struct sn_abi builtin;
    struct sn_str data;
    const struct sn_abi_item *it = NULL;
    const struct sn_abi_type *t = NULL;
    struct sn_abi_value v;
    struct sn_buf out SN_CLEANUP(sn_buf_done);
    sn_buf_init(&out, 0);
    int r = abi_read_hex(call->arena, call->args[0], &data);
    if (r == 0 && o->abi.len) r = abi_load_file(call->arena, o->abi, &c);
    if (r == 0) r = sn_abi_text_parse(call->arena, sn_str(known), &builtin);
    if (r < 0) return r;
    if (data.len < SN_ABI_SELECTOR_LEN)
        return sn_fail(SN_E_INVALID_ARGUMENT, "%zu bytes: a call has at least four", data.len);
    r = SN_E_NOT_FOUND;
    for (size_t i = 0; i <= c.len && r == SN_E_NOT_FOUND; i++)
        r = explain(call->arena, i < c.len ? &c.ptr[i].abi : &builtin, data, &it, &t, &v);
    if (r == SN_E_NOT_FOUND)
        return sn_fail(r, "nothing known has the selector 0x%02x%02x%02x%02x", (uint8_t)data.ptr[0],
                       (uint8_t)data.ptr[1], (uint8_t)data.ptr[2], (uint8_t)data.ptr[3]);
    if (r < 0) return r;
    if (o->json) sn_buf_cstr(&out, "{\"signature\":");
    if (o->json) sn_json_write_string(&out, it->signature);
    else sn_abi_item_format(&out, it);
    if (o->json) sn_buf_cstr(&out, ",\"values\":");
    else if (v.len) sn_buf_byte(&out, '\n');
    abi_write_values(&out, t, &v, o->json);
    if (o->json) sn_buf_byte(&out, '}');
    return files_print(&out);
}
const struct sn_cli_command sn_cmd_abi_4byte = {
    .name = "4byte",
    .brief = "Explains calldata or revert data by its selector.",
    .usage = "DATA",
    .about = "Looks in the ABIs of --abi, then among the signatures everybody uses (ERC-20, 721, 1155,\n"
             "permit, multicall, routers, proxies). Nothing is asked over the network.",
    .table = &explain_table,
    .args_min = 1,
    .args_max = 1,
    .run = explain_run,
};

/* ---- tx, typed ------------------------------------------------------------------------------- */

struct line_opts {
    bool json;
};
static const struct sn_conf_field line_fields[] = {
    SN_CONF_BOOL(struct line_opts, json, "json", .help = "Print one line."),
};
static const struct sn_conf_table line_table = SN_CONF_TABLE(struct line_opts, line_fields);

static const struct sn_json_style *style_of(const struct sn_cli_call *call)
{
    static const struct sn_json_style lines = {.indent = 2};
    const struct line_opts *o = call->opts;
    return o->json ? NULL : &lines;
}
static int tx_run(const struct sn_cli_call *call)
{
    struct sn_buf out SN_CLEANUP(sn_buf_done);
    struct sn_jsonw w;
    struct sn_str data;
    struct sn_tx tx;
    sn_buf_init(&out, 0);
    int r = abi_read_hex(call->arena, call->args[0], &data);
    if (r == 0) r = sn_tx_decode(call->arena, data, &tx);
    if (r < 0) return r;
    sn_jsonw_init(&w, &out, style_of(call));
    sn_tx_to_json(&w, &tx);
    return files_print(&out);
}
const struct sn_cli_command sn_cmd_abi_tx = {
    .name = "tx",
    .brief = "Decodes a raw transaction of any type, recovers its sender.",
    .usage = "DATA",
    .about = "DATA is 0x and hex digits, or @FILE: types 0 to 4, signed or not, blobs in the network's\n"
             "form included. Prints JSON-RPC's object.",
    .table = &line_table,
    .args_min = 1,
    .args_max = 1,
    .run = tx_run,
};
static int typed_run(const struct sn_cli_call *call)
{
    struct sn_buf out SN_CLEANUP(sn_buf_done);
    struct sn_str text;
    const struct sn_json *v;
    struct sn_eip712 got;
    sn_buf_init(&out, 0);
    int r = files_map(call->args[0], &text);
    if (r == 0) r = sn_json_parse(call->arena, text, NULL, &v);
    if (r == 0) r = sn_eip712_hash(call->arena, v, &got);
    if (r < 0) return sn_wrap(r, "%.*s", SN_STR_ARG(call->args[0]));
    struct sn_jsonw w;
    sn_jsonw_init(&w, &out, style_of(call));
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "type", got.type);
    const struct {
        const char *name;
        const uint8_t *hash;
    } rows[] = {{"domain", got.domain}, {"message", got.message}, {"digest", got.digest}};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        char hex[66] = "0x";
        size_t len = 2 + sn_hex_encode(rows[i].hash, 32, hex + 2);
        sn_jsonw_kstr(&w, rows[i].name, sn_str_of(hex, len));
    }
    sn_jsonw_object_end(&w);
    return files_print(&out);
}
const struct sn_cli_command sn_cmd_abi_typed = {
    .name = "typed",
    .brief = "Hashes EIP-712 typed data: type, domain, message and what is signed.",
    .usage = "FILE",
    .table = &line_table,
    .args_min = 1,
    .args_max = 1,
    .run = typed_run,
};
