/* SPDX-License-Identifier: Apache-2.0 */
#include "sennit/contracts.h"

#include <stdio.h>

#include "core/alloc.h"
#include "core/enc.h"
#include "core/status.h"
#include "evm/client.h"
#include "fiber/os.h"
#include "sennit/contracts_int.h"

struct entry {
    struct sn_contract_conf conf;
    struct sn_abi_contract contract;
};
struct sn_contracts {
    struct sn_arena arena;
    struct entry *list;
    size_t n;
    struct sn_str nodes[SN_CONTRACTS_MAX + 1]; /* URLs, each once */
    size_t n_nodes;
};

/* ---- the set ---- */

/* What may be shown of a URL: a path may be somebody's key. */
static struct sn_str host_of(struct sn_str url)
{
    ssize_t from = sn_str_find(url, SN_STR("//"));
    struct sn_str rest = sn_str_from(url, (size_t)(from < 0 ? 0 : from + 2));
    return sn_str_cut(&rest, '/');
}

static int add_node(struct sn_contracts *c, struct sn_str url)
{
    struct sn_eth_rpc *rpc;
    for (size_t i = 0; i < c->n_nodes; i++)
        if (sn_str_eq(c->nodes[i], url)) return 0;
    int r = sn_eth_open(&(struct sn_eth_opts){.url = url}, &rpc);
    if (r < 0) return r;
    sn_eth_close(rpc);
    c->nodes[c->n_nodes++] = url;
    return 0;
}

/* The contract called `name` among those of a file, or the only one there is. */
static int choose(struct sn_abi_contracts all, struct sn_str name, struct sn_abi_contract *ret)
{
    for (size_t i = 0; i < all.len; i++)
        if (sn_str_eq(all.ptr[i].name, name) || all.len == 1) {
            *ret = all.ptr[i];
            return 0;
        }
    return sn_fail(SN_E_NOT_FOUND, "none of its %zu contracts is called %.*s", all.len,
                   SN_STR_ARG(name));
}

static int read_entry(struct sn_contracts *c, struct entry *e)
{
    struct sn_str path = sn_arena_str(&c->arena, e->conf.abi), text;
    struct sn_abi_contracts all;
    if (!path.ptr) return SN_E_NOMEM;
    int r = sn_file_read(&c->arena, path.ptr, SN_CONTRACT_ABI_MAX, &text);
    if (r >= 0) r = sn_abi_load(&c->arena, text, e->conf.name, &all);
    if (r >= 0) r = choose(all, e->conf.name, &e->contract);
    if (r < 0) return sn_wrap(r, "contract %.*s: %s", SN_STR_ARG(e->conf.name), path.ptr);
    e->contract.name = e->conf.name;
    return add_node(c, e->conf.node);
}

int sn_contracts_new(const struct sn_contract_conf *list, size_t n, struct sn_contracts **ret)
{
    struct sn_contracts *c = sn_zalloc(1, sizeof(*c));
    if (!c) return SN_E_NOMEM;
    SN_ASSERT(n <= SN_CONTRACTS_MAX);
    sn_arena_init(&c->arena, NULL, 0);
    c->list = SN_ARENA_ARRAY(&c->arena, struct entry, n + 1);
    int r = c->list ? 0 : SN_E_NOMEM;
    for (; r >= 0 && c->n < n; c->n++) {
        c->list[c->n] = (struct entry){.conf = list[c->n]};
        r = read_entry(c, &c->list[c->n]);
    }
    if (r >= 0 && !n) r = add_node(c, SN_STR(SN_CONTRACT_NODE));
    if (r < 0)
        sn_contracts_free(c);
    else
        *ret = c;
    return r;
}

void sn_contracts_free(struct sn_contracts *c)
{
    if (!c) return;
    sn_arena_done(&c->arena);
    sn_free(c);
}

int sn_contracts_list(const struct sn_contracts *c, struct sn_buf *out)
{
    struct sn_jsonw w;
    sn_jsonw_init(&w, out, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_key(&w, SN_STR("contracts"));
    sn_jsonw_array(&w);
    for (size_t i = 0; i < c->n; i++) {
        const struct sn_contract_conf *o = &c->list[i].conf;
        size_t node = 0;
        while (!sn_str_eq(c->nodes[node], o->node)) node++;
        sn_jsonw_object(&w);
        sn_jsonw_kstr(&w, "name", o->name);
        if (o->address.len) sn_jsonw_kstr(&w, "address", o->address);
        if (o->from.len) sn_jsonw_kstr(&w, "from", o->from);
        sn_jsonw_ku64(&w, "node", node);
        sn_jsonw_object_end(&w);
    }
    sn_jsonw_array_end(&w);
    sn_jsonw_key(&w, SN_STR("nodes"));
    sn_jsonw_array(&w);
    for (size_t i = 0; i < c->n_nodes; i++) sn_jsonw_str(&w, host_of(c->nodes[i]));
    sn_jsonw_array_end(&w);
    sn_jsonw_object_end(&w);
    return out->err;
}

/* ---- a question ---- */

struct ask {
    const struct sn_contracts *set;
    struct sn_arena *a;
    const struct sn_json *q;
    struct sn_abi_contract contract;
    struct sn_eth_rpc *rpc;
    int64_t deadline; /* the fiber's own, while rpc is open */
    const struct sn_abi_item *method;
    struct sn_str data;            /* "0x...": calldata */
    struct sn_str to, from, value; /* "0x..." or empty */
    struct sn_jsonw w;
};

static struct sn_str text_of(const struct ask *k, const char *key)
{
    struct sn_str s = sn_str_trim(sn_json_str(sn_json_get(k->q, key)));
    return s.ptr ? s : SN_STR("");
}

/* "contract": one of the configuration's; else "abi": the array that "open" gave. */
static int find_contract(struct ask *k)
{
    struct sn_str name = text_of(k, "contract");
    const struct sn_json *abi = sn_json_get(k->q, "abi");
    for (size_t i = 0; name.len && i < k->set->n; i++)
        if (sn_str_eq(k->set->list[i].contract.name, name)) {
            k->contract = k->set->list[i].contract;
            return 0;
        }
    if (name.len)
        return sn_fail(SN_E_NOT_FOUND, "no contract %.*s is configured", SN_STR_ARG(name));
    if (!sn_json_is(abi, SN_JSON_ARRAY))
        return sn_fail(SN_E_INVALID_ARGUMENT, "contract or abi: expected a name, or a JSON ABI");
    k->contract.name = SN_STR("Contract");
    int r = sn_abi_json_parse(k->a, abi, &k->contract.abi);
    return r < 0 ? sn_wrap(r, "ABI") : 0;
}

/* Everything in a pasted text, or the one that the configuration has. */
static int answer_open(struct ask *k)
{
    struct sn_str text = text_of(k, "text");
    struct sn_abi_contracts all = {.ptr = &k->contract, .len = 1};
    int r = text.len ? sn_abi_load(k->a, text, SN_STR("Contract"), &all) : find_contract(k);
    if (r < 0) return r;
    sn_jsonw_key(&k->w, SN_STR("contracts"));
    sn_jsonw_array(&k->w);
    for (size_t i = 0; i < all.len; i++) contract_write(&k->w, &all.ptr[i]);
    sn_jsonw_array_end(&k->w);
    return 0;
}

/* What was typed for a parameter: lists and tuples are JSON, everything else is the text itself, so
 * that no digit is lost and no quotes are needed. */
static int argument(struct ask *k, const struct sn_abi_param *p, size_t i,
                    struct sn_abi_value *ret)
{
    const struct sn_json *tree = sn_json_at(sn_json_get(k->q, "args"), i);
    struct sn_str text = sn_json_str(tree);
    struct sn_json plain = sn_json_string(text);
    int r = sn_json_is(tree, SN_JSON_STRING) ? 0 : sn_fail(SN_E_INVALID_ARGUMENT, "expected a text");
    switch (r < 0 ? 0 : p->type->kind) {
    case 0: break;
    case SN_ABI_LIST:
    case SN_ABI_ARRAY:
    case SN_ABI_TUPLE: r = sn_json_parse(k->a, sn_str_trim(text), NULL, &tree); break;
    case SN_ABI_BOOL:
        text = sn_str_trim(text);
        plain = sn_json_bool(sn_str_eqc(text, "true"));
        if (!plain.b && !sn_str_eqc(text, "false"))
            r = sn_fail(SN_E_INVALID_ARGUMENT, "expected true or false");
        tree = &plain;
        break;
    case SN_ABI_STRING: tree = &plain; break;
    default:
        plain = sn_json_string(sn_str_trim(text));
        tree = &plain;
    }
    if (r >= 0) r = sn_abi_from_json(k->a, p->type, tree, ret);
    if (r >= 0) return 0;
    char place[24];
    snprintf(place, sizeof(place), "argument %zu", i + 1);
    return p->name.len ? sn_wrap(r, "%.*s", SN_STR_ARG(p->name)) : sn_wrap(r, "%s", place);
}

/* "function" and "args" into k->method and k->data. */
static int encode(struct ask *k)
{
    const struct sn_json *args = sn_json_get(k->q, "args");
    const struct sn_abi_type *t;
    int r = find_contract(k);
    if (r >= 0) r = sn_abi_method(&k->contract.abi, text_of(k, "function"), &k->method);
    if (r < 0) return r;
    struct sn_abi_params in = k->method->in;
    if (sn_json_len(args) != in.len)
        return sn_fail(SN_E_INVALID_ARGUMENT, "args: %zu, but %.*s takes %zu", sn_json_len(args),
                       SN_STR_ARG(k->method->signature), in.len);
    struct sn_abi_value *v = SN_ARENA_ARRAY(k->a, struct sn_abi_value, in.len + 1);
    r = v ? sn_abi_params_type(k->a, in, &t) : SN_E_NOMEM;
    for (size_t i = 0; r >= 0 && i < in.len; i++)
        r = argument(k, &in.ptr[i], i, &v[i]);
    if (r < 0) return r;
    struct sn_buf raw SN_CLEANUP(sn_buf_done);
    sn_buf_init(&raw, 0);
    struct sn_abi_value all = sn_abi_items(v, (uint32_t)in.len);
    sn_buf_put(&raw, k->method->selector, SN_ABI_SELECTOR_LEN);
    r = sn_abi_encode(t, &all, &raw);
    if (r < 0) return r;
    k->data = sn_eth_hex(k->a, raw.ptr, raw.len);
    return k->data.ptr ? 0 : SN_E_NOMEM;
}

static int answer_encode(struct ask *k)
{
    int r = encode(k);
    if (r >= 0) sn_jsonw_kstr(&k->w, "data", k->data);
    return r;
}

static int hex_bytes(struct ask *k, struct sn_str text, const char *what, struct sn_str *ret)
{
    struct sn_str digits = sn_str_starts(text, SN_STR("0x")) ? sn_str_from(text, 2) : text;
    uint8_t *p = sn_arena_alloc(k->a, digits.len / 2 + 1);
    ssize_t n = p ? sn_hex_decode(digits, p) : SN_E_NOMEM;
    if (n == SN_E_NOMEM) return SN_E_NOMEM;
    if (n < 0 || (digits.len == text.len && text.len))
        return sn_fail(SN_E_INVALID_ARGUMENT, "%s: expected 0x and an even number of hex digits",
                       what);
    *ret = sn_str_of((const char *)p, (size_t)n);
    return 0;
}

/* Any data of this contract: a call, or what a revert said. */
static int answer_decode(struct ask *k)
{
    struct sn_str data;
    struct sn_abi_value v;
    const struct sn_abi_type *t;
    int r = find_contract(k);
    if (r >= 0) r = hex_bytes(k, text_of(k, "data"), "data", &data);
    if (r >= 0 && data.len < SN_ABI_SELECTOR_LEN)
        r = sn_fail(SN_E_INVALID_ARGUMENT, "data: shorter than a selector");
    if (r < 0) return r;
    const struct sn_abi_item *m =
        sn_abi_by_selector(&k->contract.abi, SN_ABI_METHOD, (const uint8_t *)data.ptr);
    if (!m) {
        sn_jsonw_key(&k->w, SN_STR("error"));
        contract_revert(&k->w, k->a, &k->contract.abi, data);
        return 0;
    }
    r = sn_abi_params_type(k->a, m->in, &t);
    if (r >= 0) r = sn_abi_decode(k->a, t, sn_str_from(data, SN_ABI_SELECTOR_LEN), NULL, &v);
    if (r < 0) return sn_wrap(r, "%.*s", SN_STR_ARG(m->signature));
    sn_jsonw_key(&k->w, SN_STR("call"));
    sn_jsonw_object(&k->w);
    sn_jsonw_kstr(&k->w, "signature", m->signature);
    sn_jsonw_key(&k->w, SN_STR("args"));
    contract_values(&k->w, m->in, &v);
    sn_jsonw_object_end(&k->w);
    return 0;
}

/* ---- questions for a node ---- */

static int address_of(struct ask *k, const char *key, bool needed, struct sn_str *ret)
{
    uint8_t bytes[SN_ADDRESS_LEN];
    struct sn_str s = text_of(k, key);
    *ret = s;
    if (!s.len && !needed) return 0;
    if (!s.len) return sn_fail(SN_E_INVALID_ARGUMENT, "%s: expected the contract's address", key);
    int r = sn_address_parse(s, bytes);
    if (r == SN_E_DATA_LOSS)
        return sn_fail(SN_E_INVALID_ARGUMENT, "%s: the address's checksum (its mixed case) is wrong",
                       key);
    return r < 0 ? sn_fail(SN_E_INVALID_ARGUMENT, "%s: expected 0x and 40 hex digits", key) : 0;
}

static int open_node(struct ask *k)
{
    int64_t i = sn_json_i64_or(sn_json_get(k->q, "node"), -1);
    if (i < 0 || (size_t)i >= k->set->n_nodes)
        return sn_fail(SN_E_INVALID_ARGUMENT, "node: expected the number of one that is configured");
    struct sn_eth_opts o = {
        .url = k->set->nodes[i], .retries_max = 1, .timeout_ns = SN_CONTRACT_ASK_NS / 2};
    int r = sn_eth_open(&o, &k->rpc);
    if (r >= 0) k->deadline = sn_deadline_tighten(sn_now() + SN_CONTRACT_ASK_NS);
    return r;
}

static int prepare_call(struct ask *k)
{
    struct sn_u256 wei = sn_u256(0);
    struct sn_str value = text_of(k, "value");
    struct sn_buf b;
    char text[80];
    int r = encode(k);
    if (r >= 0) r = address_of(k, "address", true, &k->to);
    if (r >= 0) r = address_of(k, "from", false, &k->from);
    if (r >= 0 && value.len && sn_amount_parse(value, &wei) < 0)
        r = sn_fail(SN_E_INVALID_ARGUMENT, "value: expected an amount such as 7 or 0.1 ether");
    if (r < 0) return r;
    sn_buf_init_fixed(&b, text, sizeof(text));
    sn_buf_u256_hex(&b, wei);
    k->value = sn_arena_str(k->a, sn_buf_view(&b));
    return k->value.ptr ? open_node(k) : SN_E_NOMEM;
}

static int put_result(struct ask *k, struct sn_str data)
{
    const struct sn_abi_type *t;
    struct sn_abi_value v;
    if (!data.len && k->method->out.len)
        return sn_fail(SN_E_NOT_FOUND, "the answer is empty: there is no contract at %.*s",
                       SN_STR_ARG(k->to));
    int r = sn_abi_params_type(k->a, k->method->out, &t);
    if (r >= 0) r = sn_abi_decode(k->a, t, data, &(struct sn_abi_decode_opts){.lenient = true}, &v);
    if (r < 0) return sn_wrap(r, "the answer is not what %.*s returns",
                              SN_STR_ARG(k->method->signature));
    sn_jsonw_key(&k->w, SN_STR("result"));
    contract_values(&k->w, k->method->out, &v);
    contract_hex(&k->w, "raw", data.ptr, data.len);
    return 0;
}

static int put_revert(struct ask *k, struct sn_str hex)
{
    struct sn_str data = SN_STR("");
    struct sn_json text = sn_json_string(hex);
    int r = hex.len ? sn_eth_data(k->a, &text, "revert data", &data) : 0;
    if (r < 0) return r;
    sn_jsonw_key(&k->w, SN_STR("reverted"));
    contract_revert(&k->w, k->a, &k->contract.abi, data);
    return 0;
}

static int answer_call(struct ask *k)
{
    const struct sn_json *answer;
    struct sn_eth_reply error = {0};
    struct sn_str data;
    int r = prepare_call(k);
    if (r < 0) return r;
    sn_jsonw_kstr(&k->w, "data", k->data);
    r = sn_eth_call(k->rpc, k->a, &answer, &error, "eth_call",
                    "[{\"to\":\"%.*s\",\"data\":\"%.*s\",\"value\":\"%.*s\"%s%.*s%s},\"latest\"]",
                    SN_STR_ARG(k->to), SN_STR_ARG(k->data), SN_STR_ARG(k->value),
                    k->from.len ? ",\"from\":\"" : "", SN_STR_ARG(k->from),
                    k->from.len ? "\"" : "");
    if (r == SN_E_ABORTED) return put_revert(k, error.data);
    if (r < 0) return r;
    r = sn_eth_data(k->a, answer, "eth_call", &data);
    return r < 0 ? r : put_result(k, data);
}

static int answer_gas(struct ask *k)
{
    struct sn_gas_estimate e;
    struct sn_fees f;
    int64_t drift = sn_json_i64_or(sn_json_get(k->q, "drift"), 1);
    if (drift < 0 || drift > SN_CONTRACT_DRIFT_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "drift: expected 0 to %u blocks in between",
                       SN_CONTRACT_DRIFT_MAX);
    int r = prepare_call(k);
    if (r < 0) return r;
    sn_jsonw_kstr(&k->w, "data", k->data);
    struct sn_gas_call call = {.from = k->from, .to = k->to, .data = k->data, .value = k->value};
    struct sn_gas_opts o = {.drift_blocks = (unsigned)drift};
    r = sn_gas_estimate(k->rpc, &call, &o, k->a, &e);
    if (r < 0) return r;
    if (e.reverts) return put_revert(k, e.revert_data);
    r = sn_fees_suggest(k->rpc, NULL, k->a, &f);
    if (r < 0) return r;
    sn_jsonw_key(&k->w, SN_STR("gas"));
    sn_jsonw_object(&k->w);
    contract_gas(&k->w, &e, &f);
    sn_jsonw_object_end(&k->w);
    return 0;
}

/* ---- events ---- */

static int log_topics(const struct sn_json *log, uint8_t *out, size_t *ret_n)
{
    *ret_n = 0;
    for (SN_JSON_EACH(sn_json_get(log, "topics"), t)) {
        if (*ret_n == 4) return sn_fail(SN_E_PROTOCOL, "the node's log has more than four topics");
        int r = sn_eth_bytes(t, "topic", out + SN_ABI_TOPIC_LEN * (*ret_n)++, SN_ABI_TOPIC_LEN);
        if (r < 0) return r;
    }
    return 0;
}

/* A log that this interface has no event for is shown as it is. */
static int put_log(struct ask *k, const struct sn_json *log)
{
    uint8_t topics[4 * SN_ABI_TOPIC_LEN];
    size_t n;
    uint64_t block = 0;
    struct sn_str data;
    struct sn_abi_value v;
    int r = log_topics(log, topics, &n);
    if (r >= 0) r = sn_eth_data(k->a, sn_json_get(log, "data"), "log data", &data);
    if (r >= 0) r = sn_eth_quantity(sn_json_get(log, "blockNumber"), "blockNumber", &block);
    if (r < 0) return r;
    const struct sn_abi_item *e = n ? sn_abi_by_topic(&k->contract.abi, topics) : NULL;
    sn_jsonw_object(&k->w);
    sn_jsonw_ku64(&k->w, "block", block);
    struct sn_str tx = sn_json_str(sn_json_get(log, "transactionHash"));
    sn_jsonw_kstr(&k->w, "tx", tx.ptr ? tx : SN_STR(""));
    if (e && sn_abi_decode_log(k->a, e, topics, n, data, NULL, &v) >= 0) {
        sn_jsonw_kstr(&k->w, "event", e->name);
        sn_jsonw_key(&k->w, SN_STR("args"));
        contract_values(&k->w, e->in, &v);
    } else {
        contract_hex(&k->w, "topics", topics, n * SN_ABI_TOPIC_LEN);
        contract_hex(&k->w, "data", data.ptr, data.len);
    }
    sn_jsonw_object_end(&k->w);
    return 0;
}

static int answer_events(struct ask *k)
{
    const struct sn_json *v;
    uint64_t head;
    int64_t blocks = sn_json_i64_or(sn_json_get(k->q, "blocks"), 1000);
    int r = find_contract(k);
    if (r >= 0) r = address_of(k, "address", true, &k->to);
    if (r >= 0 && (blocks < 1 || blocks > SN_CONTRACT_BLOCKS_MAX))
        r = sn_fail(SN_E_INVALID_ARGUMENT, "blocks: expected 1 to %u", SN_CONTRACT_BLOCKS_MAX);
    if (r >= 0) r = open_node(k);
    if (r >= 0) r = sn_eth_call(k->rpc, k->a, &v, NULL, "eth_blockNumber", "[]");
    if (r >= 0) r = sn_eth_quantity(v, "eth_blockNumber", &head);
    if (r < 0) return r;
    uint64_t from = head + 1 > (uint64_t)blocks ? head + 1 - (uint64_t)blocks : 0;
    r = sn_eth_call(k->rpc, k->a, &v, NULL, "eth_getLogs",
                    "[{\"address\":\"%.*s\",\"fromBlock\":\"0x%llx\",\"toBlock\":\"0x%llx\"}]",
                    SN_STR_ARG(k->to), (unsigned long long)from, (unsigned long long)head);
    if (r < 0) return r;
    size_t n = sn_json_len(v), first = n > SN_CONTRACT_EVENTS_MAX ? n - SN_CONTRACT_EVENTS_MAX : 0;
    sn_jsonw_ku64(&k->w, "from", from);
    sn_jsonw_ku64(&k->w, "head", head);
    sn_jsonw_ku64(&k->w, "count", n);
    sn_jsonw_key(&k->w, SN_STR("logs"));
    sn_jsonw_array(&k->w);
    for (size_t i = n; r >= 0 && i > first; i--) r = put_log(k, sn_json_at(v, i - 1));
    sn_jsonw_array_end(&k->w);
    return r;
}

int sn_contracts_answer(const struct sn_contracts *c, struct sn_str what, const struct sn_json *q,
                        struct sn_arena *a, struct sn_buf *out)
{
    static const struct {
        const char *what;
        int (*answer)(struct ask *k);
    } questions[] = {{"open", answer_open}, {"encode", answer_encode}, {"decode", answer_decode},
                     {"call", answer_call}, {"gas", answer_gas},       {"events", answer_events}};
    size_t i = 0;
    while (i < SN_COUNT_OF(questions) && !sn_str_eqc(what, questions[i].what)) i++;
    if (i == SN_COUNT_OF(questions))
        return sn_fail(SN_E_UNIMPLEMENTED, "no question is called %.*s", SN_STR_ARG(what));
    struct ask k = {.set = c, .a = a, .q = q};
    size_t before = out->len;
    sn_jsonw_init(&k.w, out, NULL);
    sn_jsonw_object(&k.w);
    int r = questions[i].answer(&k);
    if (k.rpc) sn_deadline_restore(k.deadline);
    sn_eth_close(k.rpc);
    if (r < 0) {
        out->len = before;
        return r;
    }
    sn_jsonw_object_end(&k.w);
    return out->err;
}
