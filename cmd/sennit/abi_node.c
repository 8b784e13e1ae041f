/* SPDX-License-Identifier: Apache-2.0 */
/* sennit abi call, send, logs, receipt - contracts asked, changed and listened to through a node. */
#include <limits.h>
#include <stdio.h>

#include "core/enc.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "evm/client.h"
#include "fiber/fiber.h"
#include "sennit/abi_cmd.h"
#include "sennit/commands.h"
#include "sennit/files.h"

/* Each command's options begin with these. */
struct node_opts {
    struct abi_node_opts at;
    struct abi_file_opts file;
    uint64_t chain;
    bool json;
};
#define NODE_FIELDS(S)                                                                              \
    ABI_NODE_FIELDS(S, node.at), ABI_FILE_FIELDS(S, node.file),                                     \
        SN_CONF_UINT(S, node.chain, "chain",                                                        \
                     .help = "Refuse a node of another chain than this number."),                   \
        SN_CONF_BOOL(S, node.json, "json", .help = "Print JSON.")

struct session {
    const struct sn_cli_call *call;
    const struct node_opts *o;
    struct sn_arena *a;
    struct sn_eth_rpc *rpc;
    struct sn_eth_client client;
    int (*run)(struct session *s);
};
static int session_main(void *arg)
{
    struct session *s = arg;
    int r = sn_eth_open(&(struct sn_eth_opts){.url = s->o->at.rpc, .headers = s->o->at.header}, &s->rpc);
    if (r < 0) return r;
    r = sn_eth_client_init(&s->client, s->rpc, s->o->chain, 0);
    if (r == 0) r = s->run(s);
    sn_eth_close(s->rpc);
    return r;
}
static int in_session(const struct sn_cli_call *call, int (*run)(struct session *s))
{
    struct session s = {.call = call, .o = call->opts, .a = call->arena, .run = run};
    return sn_rt_run(&(struct sn_rt_opts){.workers = 1}, session_main, &s);
}

static int address_of(struct sn_str text, uint8_t ret[SN_ADDRESS_LEN])
{
    int r = sn_address_parse(text, ret);
    if (r == 0) return 0;
    return sn_fail(SN_E_INVALID_ARGUMENT, "%s: \"%.*s\"",
                   r == SN_E_DATA_LOSS ? "an address whose checksum is wrong"
                                       : "an address is 0x and 40 hexadecimal digits, not",
                   (int)SN_MIN(text.len, (size_t)60), text.ptr);
}
/* What revert data says, as the failure of the command. */
static int reverted(struct session *s, struct sn_str data)
{
    struct sn_abi_contracts c = {0};
    const struct sn_abi_item *it;
    const struct sn_abi_type *t;
    struct sn_abi_value v;
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 400);
    if (data.len == 0) return sn_fail(SN_E_ABORTED, "it reverts without data");
    if (s->o->file.abi.len && abi_load_file(s->a, s->o->file.abi, &c) < 0) c.len = 0;
    for (size_t i = 0; i <= c.len; i++) {
        const struct sn_abi *abi = i < c.len ? &c.ptr[i].abi : NULL;
        if (sn_abi_decode_error(s->a, abi, data, &it, &v) < 0) continue;
        if (sn_abi_params_type(s->a, it->in, &t) < 0) break;
        abi_write_values(&b, t, &v, true);
        return sn_fail(SN_E_ABORTED, "it reverts: %.*s %.*s", SN_STR_ARG(it->signature),
                       SN_STR_ARG(sn_buf_view(&b)));
    }
    abi_put_hex(&b, data);
    return sn_fail(SN_E_ABORTED, "it reverts with %.*s", SN_STR_ARG(sn_buf_view(&b)));
}

/* ---- call ------------------------------------------------------------------------------------ */

struct call_opts {
    struct node_opts node;
    struct sn_str from, block;
};
static const struct sn_conf_field call_fields[] = {
    NODE_FIELDS(struct call_opts),
    SN_CONF_STRING(struct call_opts, from, "from", .help = "The sender."),
    SN_CONF_STRING(struct call_opts, block, "block", .def = "latest",
                   .help = "The state: latest, pending, safe, finalized, or a number, 0x..."),
};
static const struct sn_conf_table call_table = SN_CONF_TABLE(struct call_opts, call_fields);

static int ask(struct session *s, struct sn_str data, struct sn_str *ret)
{
    const struct call_opts *o = s->call->opts;
    uint8_t to[SN_ADDRESS_LEN], from[SN_ADDRESS_LEN];
    struct sn_eth_reply error = {0};
    const struct sn_json *v;
    int r = address_of(s->call->args[0], to);
    if (r == 0 && o->from.len) r = address_of(o->from, from);
    if (r < 0) return r;
    struct sn_str hex = sn_eth_hex(s->a, data.ptr, data.len);
    if (!hex.ptr) return SN_E_NOMEM;
    r = sn_eth_call(s->rpc, s->a, &v, &error, "eth_call",
                    "[{\"to\":\"%.*s\",\"data\":\"%s\"%s%.*s%s},\"%.*s\"]", SN_STR_ARG(s->call->args[0]),
                    hex.ptr, o->from.len ? ",\"from\":\"" : "", SN_STR_ARG(o->from),
                    o->from.len ? "\"" : "", SN_STR_ARG(o->block));
    struct sn_json revert = sn_json_string(error.data);
    if (r == SN_E_ABORTED && error.data.len && sn_eth_data(s->a, &revert, "revert", &data) == 0)
        return reverted(s, data);
    return r < 0 ? r : sn_eth_data(s->a, v, "eth_call", ret);
}
static int call_session(struct session *s)
{
    struct sn_buf data SN_CLEANUP(sn_buf_done), out SN_CLEANUP(sn_buf_done);
    struct sn_abi_item it;
    const struct sn_abi_type *t;
    struct sn_abi_value v;
    struct sn_str got;
    sn_buf_init(&data, 0);
    sn_buf_init(&out, 0);
    int r = abi_find_method(s->a, &s->o->file, s->call->args[1], &it);
    if (r == 0) r = abi_encode_args(s->a, &it, s->call->args + 2, s->call->n_args - 2, NULL, &data);
    if (r == 0) r = ask(s, sn_buf_view(&data), &got);
    if (r < 0) return r;
    if (it.out.len) {
        r = sn_abi_params_type(s->a, it.out, &t);
        if (r == 0) r = sn_abi_decode(s->a, t, got, &(struct sn_abi_decode_opts){.lenient = true}, &v);
        if (r < 0) return sn_wrap(r, "what %.*s returned", SN_STR_ARG(it.signature));
        abi_write_values(&out, t, &v, s->o->json);
    } else {
        if (s->o->json) sn_buf_byte(&out, '"');
        abi_put_hex(&out, got);
        if (s->o->json) sn_buf_byte(&out, '"');
    }
    return files_print(&out);
}
static int call_run(const struct sn_cli_call *call) { return in_session(call, call_session); }
const struct sn_cli_command sn_cmd_abi_call = {
    .name = "call",
    .brief = "Calls a contract without changing anything.",
    .usage = "ADDRESS FUNCTION VALUE...",
    .about = "FUNCTION is a signature with what it returns, such as\n"
             "\"balanceOf(address) returns (uint256)\", or with --abi a name. A revert is told by the\n"
             "ABI's errors.",
    .table = &call_table,
    .args_min = 2,
    .args_max = UINT_MAX,
    .run = call_run,
};

/* ---- send, receipt --------------------------------------------------------------------------- */

struct send_opts {
    struct node_opts node;
    struct sn_str key, value;
    uint64_t gas, confirmations;
    int64_t timeout;
    bool no_wait;
};
static const struct sn_conf_field send_fields[] = {
    NODE_FIELDS(struct send_opts),
    SN_CONF_STRING(struct send_opts, key, "key",
                   .help = "File with the sender's private key: 32 bytes in hexadecimal."),
    SN_CONF_STRING(struct send_opts, value, "value", .def = "0",
                   .help = "To send along: \"1.5 ether\", \"30gwei\", wei."),
    SN_CONF_UINT(struct send_opts, gas, "gas", .help = "Gas limit; the node is asked without."),
    SN_CONF_UINT(struct send_opts, confirmations, "confirmations", .def = "1",
                 .help = "Blocks to wait for, the including one counted."),
    SN_CONF_DURATION(struct send_opts, timeout, "timeout", .def = "5m", .help = "How long to wait."),
    SN_CONF_BOOL(struct send_opts, no_wait, "no-wait", .help = "Print the hash at once."),
};
static const struct sn_conf_table send_table = SN_CONF_TABLE(struct send_opts, send_fields);

/* The key goes from the file to the signer; no copy stays. */
static int signer_of(struct sn_str path, struct sn_eth_signer **ret)
{
    struct sn_str text;
    uint8_t key[32];
    if (!path.len) return sn_fail(SN_E_INVALID_ARGUMENT, "--key: a file with the private key expected");
    int r = files_map(path, &text);
    if (r < 0) return r;
    struct sn_str hex = sn_str_trim(text);
    if (sn_str_starts(hex, SN_STR("0x"))) hex = sn_str_from(hex, 2);
    if (hex.len != 2 * sizeof(key) || sn_hex_decode(hex, key) < 0)
        r = sn_fail(SN_E_INVALID_ARGUMENT, "64 hexadecimal digits expected");
    if (r == 0) r = sn_eth_signer_local(key, ret);
    sn_wipe(key, sizeof(key));
    files_unmap(&text);
    return r < 0 ? sn_wrap(r, "%.*s", SN_STR_ARG(path)) : 0;
}
static void receipt_json(const struct sn_eth_receipt *t, struct sn_buf *out)
{
    struct sn_buf text SN_CLEANUP(sn_buf_done);
    sn_buf_init(&text, 0);
    sn_json_write(&text, t->json, NULL);
    struct sn_jsonw w;
    sn_jsonw_init(&w, out, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_kbool(&w, "success", t->success);
    sn_jsonw_ku64(&w, "block", t->block);
    sn_jsonw_ku64(&w, "gasUsed", t->gas_used);
    sn_jsonw_ku64(&w, "confirmations", t->confirmations);
    sn_jsonw_ku64(&w, "reorgs", t->reorgs);
    sn_jsonw_key(&w, SN_STR("receipt"));
    sn_jsonw_raw(&w, sn_buf_view(&text));
    sn_jsonw_object_end(&w);
}
static void receipt_text(const struct sn_eth_receipt *t, struct sn_buf *out)
{
    sn_buf_cstr(out, "transaction    ");
    abi_put_hex(out, sn_str_of((const char *)t->hash, 32));
    sn_buf_printf(out, "\n%s in block %llu, %llu confirmations\n", t->success ? "succeeded" : "REVERTED",
                  (unsigned long long)t->block, (unsigned long long)t->confirmations);
    sn_buf_printf(out, "gas used       %llu at ", (unsigned long long)t->gas_used);
    sn_buf_units(out, t->gas_price, 9);
    sn_buf_printf(out, " gwei\nlogs           %zu", sn_json_len(t->logs));
    if (!t->created) return;
    char address[SN_ADDRESS_TEXT_LEN];
    sn_address_format(t->contract, address);
    sn_buf_printf(out, "\ncontract       %.*s", SN_ADDRESS_TEXT_LEN, address);
}
static int show_receipt(struct session *s, const struct sn_eth_sent *sent, uint64_t confirmations,
                        int64_t timeout_ns)
{
    struct sn_eth_await_opts o = {.confirmations = confirmations, .timeout_ns = timeout_ns};
    struct sn_eth_receipt t;
    struct sn_buf out SN_CLEANUP(sn_buf_done);
    sn_buf_init(&out, 0);
    int r = sn_eth_await(&s->client, sent, &o, s->a, &t);
    if (r < 0) return r;
    if (s->o->json) receipt_json(&t, &out);
    else receipt_text(&t, &out);
    r = files_print(&out);
    return r < 0 ? r : t.success ? SN_EXIT_OK : SN_EXIT_FAILED;
}
static int show_hash(struct session *s, const struct sn_eth_sent *sent)
{
    struct sn_buf out SN_CLEANUP(sn_buf_done);
    sn_buf_init(&out, 0);
    if (s->o->json) sn_buf_cstr(&out, "{\"hash\":\"");
    abi_put_hex(&out, sn_str_of((const char *)sent->hash[0], 32));
    if (s->o->json)
        sn_buf_printf(&out, "\",\"nonce\":%llu,\"accepted\":%s}", (unsigned long long)sent->tx.nonce,
                      sent->accepted ? "true" : "false");
    return files_print(&out);
}
static int send_signed(struct session *s, struct sn_eth_signer *signer, const struct sn_tx *tx)
{
    const struct send_opts *o = s->call->opts;
    struct sn_eth_account *account;
    struct sn_eth_sent sent;
    struct sn_str revert = {0};
    int r = sn_eth_account_new(&s->client, signer, NULL, &account);
    if (r < 0) return r;
    r = sn_eth_send(account, tx, s->a, &sent, &revert);
    sn_eth_account_free(account);
    if (r == SN_E_ABORTED) return reverted(s, revert);
    if (r < 0) return r;
    return o->no_wait ? show_hash(s, &sent) : show_receipt(s, &sent, o->confirmations, o->timeout);
}
static int send_session(struct session *s)
{
    const struct send_opts *o = s->call->opts;
    const struct sn_cli_call *call = s->call;
    struct sn_eth_signer *signer = NULL;
    struct sn_buf data SN_CLEANUP(sn_buf_done);
    struct sn_abi_item it;
    struct sn_tx tx = {.type = SN_TX_DYNAMIC_FEE, .has_to = true, .gas_limit = o->gas};
    sn_buf_init(&data, 0);
    int r = address_of(call->args[0], tx.to);
    if (r == 0 && sn_amount_parse(o->value, &tx.value) < 0)
        r = sn_fail(SN_E_INVALID_ARGUMENT, "--value: an amount such as \"1.5 ether\", not \"%.*s\"",
                    SN_STR_ARG(o->value));
    if (r == 0 && call->n_args > 1) {
        r = abi_find_method(s->a, &s->o->file, call->args[1], &it);
        if (r == 0) r = abi_encode_args(s->a, &it, call->args + 2, call->n_args - 2, NULL, &data);
        tx.data = sn_buf_view(&data);
    }
    if (r == 0) r = signer_of(o->key, &signer);
    if (r == 0) r = send_signed(s, signer, &tx);
    sn_eth_signer_free(signer);
    return r;
}
static int send_run(const struct sn_cli_call *call) { return in_session(call, send_session); }
const struct sn_cli_command sn_cmd_abi_send = {
    .name = "send",
    .brief = "Sends a transaction and waits for its receipt.",
    .usage = "ADDRESS [FUNCTION VALUE...]",
    .about = "Without FUNCTION it transfers --value alone. What would revert is not sent. The key is\n"
             "read from a file, never from the command line; nothing is ever sent twice.",
    .table = &send_table,
    .args_min = 1,
    .args_max = UINT_MAX,
    .run = send_run,
};

struct receipt_opts {
    struct node_opts node;
    uint64_t confirmations;
    int64_t timeout;
};
static const struct sn_conf_field receipt_fields[] = {
    NODE_FIELDS(struct receipt_opts),
    SN_CONF_UINT(struct receipt_opts, confirmations, "confirmations", .def = "1",
                 .help = "Blocks to wait for, the including one counted."),
    SN_CONF_DURATION(struct receipt_opts, timeout, "timeout", .def = "5m", .help = "How long to wait."),
};
static const struct sn_conf_table receipt_table = SN_CONF_TABLE(struct receipt_opts, receipt_fields);

static int receipt_session(struct session *s)
{
    const struct receipt_opts *o = s->call->opts;
    struct sn_eth_sent sent = {.n = 1};
    struct sn_str hash;
    int r = abi_read_hex(s->a, s->call->args[0], &hash);
    if (r == 0 && hash.len != SN_ETH_HASH_LEN)
        r = sn_fail(SN_E_INVALID_ARGUMENT, "a transaction's hash has 32 bytes, not %zu", hash.len);
    if (r < 0) return r;
    memcpy(sent.hash[0], hash.ptr, SN_ETH_HASH_LEN);
    return show_receipt(s, &sent, o->confirmations, o->timeout);
}
static int receipt_run(const struct sn_cli_call *call) { return in_session(call, receipt_session); }
const struct sn_cli_command sn_cmd_abi_receipt = {
    .name = "receipt",
    .brief = "Waits for a transaction's receipt.",
    .usage = "HASH",
    .about = "Exits with 1 where it reverted, or is not there in time.",
    .table = &receipt_table,
    .args_min = 1,
    .args_max = 1,
    .run = receipt_run,
};

/* ---- logs ------------------------------------------------------------------------------------ */

struct logs_opts {
    struct node_opts node;
    struct sn_str address;
    uint64_t from, to;
    bool given_to;
};
static const struct sn_conf_field logs_fields[] = {
    NODE_FIELDS(struct logs_opts),
    SN_CONF_STRING(struct logs_opts, address, "address", .help = "The contract; any without."),
    SN_CONF_UINT(struct logs_opts, from, "from", .help = "The first block."),
    SN_CONF_UINT(struct logs_opts, to, "to", SN_CONF_GIVEN(struct logs_opts, given_to),
                 .help = "The last block; the newest without."),
};
static const struct sn_conf_table logs_table = SN_CONF_TABLE(struct logs_opts, logs_fields);

struct listing {
    struct session *s;
    const struct sn_abi_item *event; /* NULL: logs as they are */
    const struct sn_abi_type *type;
};
static int values_of(struct listing *l, struct sn_arena *a, const struct sn_json *log,
                     struct sn_buf *out)
{
    const struct sn_json *topics = sn_json_get(log, "topics");
    uint8_t words[4 * SN_ABI_TOPIC_LEN];
    struct sn_str data;
    struct sn_abi_value v;
    size_t n = SN_MIN(sn_json_len(topics), (size_t)4);
    int r = sn_eth_data(a, sn_json_get(log, "data"), "data", &data);
    for (size_t i = 0; i < n && r == 0; i++)
        r = sn_eth_bytes(sn_json_at(topics, i), "topic", words + 32 * i, 32);
    if (r == 0) r = sn_abi_decode_log(a, l->event, words, n, data, NULL, &v);
    if (r < 0) return r;
    struct sn_jsonw w;
    sn_jsonw_init(&w, out, NULL);
    sn_jsonw_object(&w);
    for (size_t i = 0; i < v.len; i++) {
        char unnamed[24];
        struct sn_str name = l->type->components[i].name;
        int len = name.len ? 0 : snprintf(unnamed, sizeof(unnamed), "%zu", i);
        sn_jsonw_key(&w, name.len ? name : sn_str_of(unnamed, (size_t)len));
        sn_abi_to_json(&w, l->type->components[i].type, &v.items[i]);
    }
    sn_jsonw_object_end(&w);
    return 0;
}
/* A line each. A log that only looks like the event (indexed otherwise) is shown as it is. */
static int list(void *ctx, const struct sn_json *log)
{
    struct listing *l = ctx;
    struct sn_buf out SN_CLEANUP(sn_buf_done), values SN_CLEANUP(sn_buf_done);
    struct sn_arena a;
    uint64_t block = 0;
    sn_buf_init(&out, 0);
    sn_buf_init(&values, 0);
    sn_arena_init(&a, NULL, 0);
    bool known = l->event && values_of(l, &a, log, &values) == 0;
    if (!known) {
        sn_buf_reset(&values);
        sn_json_write(&values, log, NULL);
    }
    int r = sn_eth_quantity(sn_json_get(log, "blockNumber"), "blockNumber", &block);
    struct sn_str address = sn_json_str(sn_json_get(log, "address"));
    struct sn_str hash = sn_json_str(sn_json_get(log, "transactionHash"));
    if (l->s->o->json && known)
        sn_buf_printf(&out,
                      "{\"block\":%llu,\"transaction\":\"%.*s\",\"address\":\"%.*s\",\"values\":%.*s}",
                      (unsigned long long)block, SN_STR_ARG(hash), SN_STR_ARG(address),
                      SN_STR_ARG(sn_buf_view(&values)));
    else if (known)
        sn_buf_printf(&out, "%llu %.*s %.*s", (unsigned long long)block, SN_STR_ARG(address),
                      SN_STR_ARG(sn_buf_view(&values)));
    else
        sn_buf_str(&out, sn_buf_view(&values));
    if (r == 0) r = files_print(&out);
    sn_arena_done(&a);
    return r;
}
static int find_event(struct session *s, struct sn_str what, struct sn_abi_item *ret)
{
    struct sn_abi_contracts c;
    const struct sn_abi_item *it = NULL;
    int r = SN_E_NOT_FOUND;
    if (!s->o->file.abi.len) {
        if (sn_str_starts(what, SN_STR("event "))) return sn_abi_item_parse(s->a, what, ret);
        struct sn_str text = sn_arena_printf(s->a, "event %.*s", SN_STR_ARG(what));
        return text.ptr ? sn_abi_item_parse(s->a, text, ret) : SN_E_NOMEM;
    }
    int loaded = abi_load_file(s->a, s->o->file.abi, &c);
    if (loaded < 0) return loaded;
    for (size_t i = 0; i < c.len && r < 0; i++)
        if (!s->o->file.contract.len || sn_str_eq(s->o->file.contract, c.ptr[i].name))
            r = sn_abi_event(&c.ptr[i].abi, what, &it);
    if (r == 0) *ret = *it;
    return r;
}
static int logs_session(struct session *s)
{
    const struct logs_opts *o = s->call->opts;
    struct sn_abi_item event;
    struct listing l = {.s = s};
    struct sn_eth_filter f = {0};
    struct sn_eth_block head = {.number = o->to};
    uint8_t address[SN_ADDRESS_LEN];
    int r = o->address.len ? address_of(o->address, address) : 0;
    if (r == 0 && o->address.len) f.address = sn_arena_printf(s->a, "\"%.*s\"", SN_STR_ARG(o->address));
    if (r == 0 && s->call->n_args) {
        r = find_event(s, s->call->args[0], &event);
        if (r == 0) r = sn_abi_params_type(s->a, event.in, &l.type);
        l.event = &event;
        if (r == 0 && !event.anonymous) {
            struct sn_str topic = sn_eth_hex(s->a, event.topic, SN_ABI_TOPIC_LEN);
            f.topics = sn_arena_printf(s->a, "[\"%.*s\"]", SN_STR_ARG(topic));
        }
    }
    if (r == 0 && !o->given_to) r = sn_eth_block_get(&s->client, SN_STR("latest"), s->a, &head);
    if (r < 0) return r;
    if (head.number < o->from)
        return sn_fail(SN_E_INVALID_ARGUMENT, "blocks %llu to %llu", (unsigned long long)o->from,
                       (unsigned long long)head.number);
    return sn_eth_logs(&s->client, &f, o->from, head.number, NULL, list, &l, NULL);
}
static int logs_run(const struct sn_cli_call *call) { return in_session(call, logs_session); }
const struct sn_cli_command sn_cmd_abi_logs = {
    .name = "logs",
    .brief = "Lists events of a range of blocks, a line each.",
    .usage = "[EVENT]",
    .about = "EVENT is a signature such as \"Transfer(address indexed, address indexed, uint256)\", or\n"
             "with --abi a name. The range is split as the node's limits want it.",
    .table = &logs_table,
    .args_min = 0,
    .args_max = 1,
    .run = logs_run,
};
