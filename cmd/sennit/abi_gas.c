/* SPDX-License-Identifier: Apache-2.0 */
/* sennit abi gas, sennit abi fees - what a transaction will cost, asked of a node. */
#include <stdio.h>
#include <stdlib.h>

#include "core/status.h"
#include "evm/gas.h"
#include "fiber/fiber.h"
#include "sennit/abi_cmd.h"
#include "sennit/commands.h"
#include "sennit/files.h"

#define LINE_BYTES_MAX (4u << 20)

/* ---- gas ------------------------------------------------------------------------------------- */

struct gas_opts {
    struct abi_node_opts node;
    struct sn_str from, to, data, value, access_list, block;
    uint64_t drift;
    int64_t method;
    double coverage;
    bool no_history, quick, lines, json;
};
static const struct sn_conf_enum methods[] = {{"best", 0},
                                              {"simulate", SN_GAS_SIMULATE},
                                              {"trace", SN_GAS_TRACE},
                                              {"bisect", SN_GAS_BISECT},
                                              {0}};
static const char *const method_names[] = {"", "simulate", "trace", "bisect"};
static const struct sn_conf_field gas_fields[] = {
    ABI_NODE_FIELDS(struct gas_opts, node),
    SN_CONF_STRING(struct gas_opts, from, "from", .help = "The sender."),
    SN_CONF_STRING(struct gas_opts, to, "to", .help = "The recipient; none creates a contract."),
    SN_CONF_STRING(struct gas_opts, data, "data", .help = "Call data or init code, 0x..."),
    SN_CONF_STRING(struct gas_opts, value, "value", .help = "Wei sent along, 0x..."),
    SN_CONF_STRING(struct gas_opts, access_list, "access-list", .help = "EIP-2930's list as JSON."),
    SN_CONF_STRING(struct gas_opts, block, "block", .def = "pending",
                   .help = "The state to try it on."),
    SN_CONF_UINT(struct gas_opts, drift, "drift", .def = "1",
                 .help = "Blocks expected before the including one."),
    SN_CONF_DOUBLE(struct gas_opts, coverage, "coverage", .def = "0.95",
                   .help = "Of the interval."),
    SN_CONF_ENUM(struct gas_opts, method, "method", methods, .def = "best",
                 .help = "How to simulate."),
    SN_CONF_BOOL(struct gas_opts, no_history, "no-history",
                 .help = "Do not look at earlier transactions."),
    SN_CONF_BOOL(struct gas_opts, quick, "quick",
                 .help = "As the generated SDKs do it: a short history, nothing replayed."),
    SN_CONF_BOOL(
        struct gas_opts, lines, "lines",
        .help = "Read calls from standard input, a JSON object a line; print an estimate each."),
    SN_CONF_BOOL(struct gas_opts, json, "json", .help = "Print a JSON object."),
};
static const struct sn_conf_table gas_table = SN_CONF_TABLE(struct gas_opts, gas_fields);

static void gas_json(const struct sn_gas_estimate *e, struct sn_buf *out)
{
    struct sn_jsonw w;
    sn_jsonw_init(&w, out, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_ku64(&w, "used", e->used);
    sn_jsonw_ku64(&w, "limit", e->limit);
    sn_jsonw_key(&w, SN_STR("interval"));
    sn_jsonw_array(&w);
    sn_jsonw_u64(&w, e->used_low);
    sn_jsonw_u64(&w, e->used_high);
    sn_jsonw_array_end(&w);
    sn_jsonw_ku64(&w, "limitMin", e->limit_min);
    sn_jsonw_ku64(&w, "intrinsic", e->intrinsic);
    sn_jsonw_ku64(&w, "floor", e->floor);
    sn_jsonw_kdouble(&w, "confidence", e->confidence);
    sn_jsonw_kbool(&w, "steady", e->steady);
    sn_jsonw_ku64(&w, "scenes", e->scenes);
    sn_jsonw_ku64(&w, "samples", e->samples);
    sn_jsonw_kstr(&w, "class", sn_str(sn_gas_class_name(e->class)));
    sn_jsonw_kstr(&w, "method", sn_str(method_names[e->method]));
    sn_jsonw_ku64(&w, "retries", e->retries);
    sn_jsonw_kbool(&w, "reverts", e->reverts);
    if (e->reverts) sn_jsonw_kstr(&w, "revertData", e->revert_data);
    sn_jsonw_key(&w, SN_STR("reasons"));
    sn_jsonw_array(&w);
    for (unsigned i = 0; i < e->n_reasons; i++) sn_jsonw_str(&w, e->reasons[i]);
    sn_jsonw_array_end(&w);
    sn_jsonw_object_end(&w);
}
static void gas_text(const struct sn_gas_estimate *e, struct sn_buf *out)
{
    if (e->reverts) {
        sn_buf_printf(out, "fails        %.*s\n", SN_STR_ARG(e->revert_data));
    } else {
        sn_buf_printf(out, "gas used     %llu   (%llu to %llu; within 1.2 %%: %.0f %%)\n",
                      (unsigned long long)e->used, (unsigned long long)e->used_low,
                      (unsigned long long)e->used_high, 100 * e->confidence);
        sn_buf_printf(out, "gas limit    %llu   (the least that succeeds: %llu)\n",
                      (unsigned long long)e->limit, (unsigned long long)e->limit_min);
    }
    sn_buf_printf(out, "before code  %llu   (calldata floor: %llu)\n",
                  (unsigned long long)e->intrinsic, (unsigned long long)e->floor);
    sn_buf_printf(out, "class        %s, %s, by %s in %u orders, %u earlier transactions of the kind",
                  sn_gas_class_name(e->class), e->steady ? "steady" : "moved by others",
                  method_names[e->method], e->scenes, e->samples);
    for (unsigned i = 0; i < e->n_reasons; i++)
        sn_buf_printf(out, "\n             %.*s", SN_STR_ARG(e->reasons[i]));
}
static struct sn_gas_opts estimate_opts(const struct gas_opts *o)
{
    return (struct sn_gas_opts){.block = o->block,
                                .drift_blocks = (unsigned)o->drift,
                                .no_history = o->no_history,
                                .quick = o->quick,
                                .coverage = o->coverage,
                                .only = (enum sn_gas_method)o->method};
}
static int gas_once(const struct gas_opts *o, struct sn_eth_rpc *rpc, struct sn_arena *a)
{
    struct sn_gas_call call = {.from = o->from,
                               .to = o->to,
                               .data = o->data,
                               .value = o->value,
                               .access_list = o->access_list};
    struct sn_gas_opts eo = estimate_opts(o);
    struct sn_gas_estimate e;
    struct sn_buf out SN_CLEANUP(sn_buf_done);
    sn_buf_init(&out, 0);
    int r = sn_gas_estimate(rpc, &call, &eo, a, &e);
    if (r < 0) return r;
    if (o->json) gas_json(&e, &out);
    else gas_text(&e, &out);
    r = files_print(&out);
    return r < 0 ? r : e.reverts ? SN_EXIT_FAILED : SN_EXIT_OK;
}
/* One line in, one line out; a line that cannot be estimated says why in "error". */
static int gas_line(const struct gas_opts *o, struct sn_eth_rpc *rpc, struct sn_str line,
                    struct sn_arena *a)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    const struct sn_json *v = NULL;
    struct sn_gas_opts eo = estimate_opts(o);
    struct sn_gas_estimate e;
    sn_buf_init(&b, 0);
    int r = sn_json_parse(a, line, NULL, &v);
    struct sn_gas_call call = {.from = sn_json_str(sn_json_get(v, "from")),
                               .to = sn_json_str(sn_json_get(v, "to")),
                               .data = sn_json_str(sn_json_get(v, "data")),
                               .value = sn_json_str(sn_json_get(v, "value"))};
    eo.drift_blocks = (unsigned)sn_json_i64_or(sn_json_get(v, "drift"), eo.drift_blocks);
    if (r >= 0) r = sn_gas_estimate(rpc, &call, &eo, a, &e);
    if (r >= 0) {
        gas_json(&e, &b);
    } else {
        sn_buf_cstr(&b, "{\"error\":");
        sn_json_write_string(&b, sn_str(sn_diag_str(r)));
        sn_buf_byte(&b, '}');
    }
    return files_print(&b);
}
static int read_line(void *arg)
{
    void **p = arg;
    ssize_t n = getline(p[0], p[1], stdin);
    return n > INT32_MAX ? SN_E_TOO_LARGE : (int)n;
}
static int gas_lines(const struct gas_opts *o, struct sn_eth_rpc *rpc)
{
    char *line = NULL;
    size_t cap = 0;
    int r = 0;
    while (r >= 0) {
        struct sn_arena a;
        void *args[2] = {&line, &cap};
        ssize_t n = sn_offload(read_line, args); /* a terminal may take its time */
        if (n <= 0) break;
        if (n > (ssize_t)LINE_BYTES_MAX) {
            r = sn_fail(SN_E_TOO_LARGE, "a line of %zd bytes; at most %u", n, LINE_BYTES_MAX);
            break;
        }
        sn_arena_init(&a, NULL, 0);
        r = gas_line(o, rpc, sn_str_trim(sn_str_of(line, (size_t)n)), &a);
        sn_arena_done(&a);
    }
    free(line); /* banned: getline allocated it */
    return r;
}
static int gas_main(void *arg)
{
    const struct sn_cli_call *call = arg;
    const struct gas_opts *o = call->opts;
    struct sn_eth_rpc *rpc;
    int r = sn_eth_open(&(struct sn_eth_opts){.url = o->node.rpc, .headers = o->node.header}, &rpc);
    if (r < 0) return r;
    r = o->lines ? gas_lines(o, rpc) : gas_once(o, rpc, call->arena);
    sn_eth_close(rpc);
    return r;
}
static int gas_run(const struct sn_cli_call *call)
{
    return sn_rt_run(&(struct sn_rt_opts){.workers = 1}, gas_main, (void *)(uintptr_t)call);
}
const struct sn_cli_command sn_cmd_abi_gas = {
    .name = "gas",
    .brief = "Predicts gas used, the limit to ask for, and how sure that is.",
    .about =
        "Three different numbers: what the receipt will say, what must be allowed so that the call\n"
        "does not run out on the way, and the interval the first will lie in. Asks the node to\n"
        "simulate the call (eth_simulateV1, else a trace, else by trying limits) alone and after what\n"
        "others may do first: the contract's own recent transactions, this call from others and with\n"
        "other arguments. The limit suffices for all of it. Then the last 128 blocks' transactions of\n"
        "the same kind are simulated again and compared with their receipts.",
    .table = &gas_table,
    .run = gas_run,
};

/* ---- fees ------------------------------------------------------------------------------------ */

struct fees_opts {
    struct abi_node_opts node;
    uint64_t blocks;
    double probability;
    bool json;
};
static const struct sn_conf_field fees_fields[] = {
    ABI_NODE_FIELDS(struct fees_opts, node),
    SN_CONF_UINT(struct fees_opts, blocks, "blocks", .def = "3", .help = "To be included within."),
    SN_CONF_DOUBLE(struct fees_opts, probability, "probability", .def = "0.95",
                   .help = "Of inclusion."),
    SN_CONF_BOOL(struct fees_opts, json, "json", .help = "Print a JSON object."),
};
static const struct sn_conf_table fees_table = SN_CONF_TABLE(struct fees_opts, fees_fields);

static void fees_json(const struct sn_fees *f, struct sn_buf *out)
{
    struct sn_jsonw w;
    sn_jsonw_init(&w, out, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_ku64(&w, "maxFeePerGas", f->max_fee);
    sn_jsonw_ku64(&w, "maxPriorityFeePerGas", f->priority_fee);
    sn_jsonw_ku64(&w, "baseFee", f->base_fee);
    sn_jsonw_ku64(&w, "baseFeeHigh", f->base_fee_high);
    sn_jsonw_ku64(&w, "blocksSeen", f->blocks_seen);
    sn_jsonw_kdouble(&w, "inclusion", f->inclusion);
    sn_jsonw_kstr(&w, "reason", f->reason);
    sn_jsonw_object_end(&w);
}
static void fees_text(const struct sn_fees *f, struct sn_buf *out)
{
    sn_buf_printf(out, "maxFeePerGas          %llu wei\nmaxPriorityFeePerGas  %llu wei\n",
                  (unsigned long long)f->max_fee, (unsigned long long)f->priority_fee);
    sn_buf_printf(out, "base fee              %llu next, up to %llu\n%.*s",
                  (unsigned long long)f->base_fee, (unsigned long long)f->base_fee_high,
                  SN_STR_ARG(f->reason));
}
static int fees_main(void *arg)
{
    const struct sn_cli_call *call = arg;
    const struct fees_opts *o = call->opts;
    struct sn_fee_opts fo = {.blocks = (unsigned)o->blocks, .probability = o->probability};
    struct sn_buf out SN_CLEANUP(sn_buf_done);
    struct sn_eth_rpc *rpc;
    struct sn_fees f;
    sn_buf_init(&out, 0);
    int r = sn_eth_open(&(struct sn_eth_opts){.url = o->node.rpc, .headers = o->node.header}, &rpc);
    if (r < 0) return r;
    r = sn_fees_suggest(rpc, &fo, call->arena, &f);
    sn_eth_close(rpc);
    if (r < 0) return r;
    if (o->json) fees_json(&f, &out);
    else fees_text(&f, &out);
    return files_print(&out);
}
static int fees_run(const struct sn_cli_call *call)
{
    return sn_rt_run(&(struct sn_rt_opts){.workers = 1}, fees_main, (void *)(uintptr_t)call);
}
const struct sn_cli_command sn_cmd_abi_fees = {
    .name = "fees",
    .brief = "Suggests fees from the last 128 blocks.",
    .about = "Read off the past windows of that many blocks that began as this one does, after a full\n"
             "block or after one with room: the tip is the cheapest that enough of them would have\n"
             "taken, the base fee is projected as far as it climbed in them.",
    .table = &fees_table,
    .run = fees_run,
};
