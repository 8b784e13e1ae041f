/* SPDX-License-Identifier: Apache-2.0 */
/* evm/gas_probe.c - trying a call on a node's state without sending it, in the three ways nodes
 * offer. All tries of one question travel in one batch. */
#include "core/status.h"
#include "evm/gas_int.h"

/* ---- requests ---- */

static void write_call(struct sn_jsonw *w, const struct sn_gas_call *c, uint64_t gas)
{
    sn_jsonw_object(w);
    if (c->from.len) sn_jsonw_kstr(w, "from", c->from);
    if (c->to.len) sn_jsonw_kstr(w, "to", c->to);
    if (c->data.len) sn_jsonw_kstr(w, "input", c->data);
    if (c->value.len) sn_jsonw_kstr(w, "value", c->value);
    if (gas) {
        sn_jsonw_key(w, SN_STR("gas"));
        gas_write_quantity(w, gas);
    }
    if (c->access_list.len) {
        sn_jsonw_key(w, SN_STR("accessList"));
        sn_jsonw_raw(w, c->access_list);
    }
    if (c->authorization_list.len) {
        sn_jsonw_key(w, SN_STR("authorizationList"));
        sn_jsonw_raw(w, c->authorization_list);
    }
    sn_jsonw_object_end(w);
}
static void write_time(struct sn_jsonw *w, const char *key, uint64_t time)
{
    if (!time) return;
    sn_jsonw_key(w, sn_str(key));
    sn_jsonw_object(w);
    sn_jsonw_key(w, SN_STR("time"));
    gas_write_quantity(w, time);
    sn_jsonw_object_end(w);
}
static void write_before(struct sn_jsonw *w, const struct sn_gas_call *c, unsigned repeat)
{
    sn_jsonw_object(w);
    sn_jsonw_key(w, SN_STR("calls"));
    sn_jsonw_array(w);
    for (unsigned i = 0; i < repeat; i++) write_call(w, c, 0);
    sn_jsonw_array_end(w);
    sn_jsonw_object_end(w);
}
static const char *write_probe(struct sn_jsonw *w, enum sn_gas_method method,
                               const struct gas_probe *p)
{
    const char *name = "eth_call";
    sn_jsonw_array(w);
    if (method == SN_GAS_SIMULATE) {
        name = "eth_simulateV1";
        sn_jsonw_object(w);
        sn_jsonw_key(w, SN_STR("blockStateCalls"));
        sn_jsonw_array(w);
        if (p->before) write_before(w, p->before, SN_MAX(p->repeat, 1u));
        sn_jsonw_object(w);
        write_time(w, "blockOverrides", p->time);
        sn_jsonw_key(w, SN_STR("calls"));
        sn_jsonw_array(w);
        write_call(w, p->call, p->gas);
        sn_jsonw_array_end(w);
        sn_jsonw_object_end(w);
        sn_jsonw_array_end(w);
        sn_jsonw_kbool(w, "validation", false);
        sn_jsonw_object_end(w);
        sn_jsonw_str(w, p->block);
    } else {
        write_call(w, p->call, p->gas);
        sn_jsonw_str(w, p->block);
    }
    if (method == SN_GAS_TRACE) {
        name = "debug_traceCall";
        sn_jsonw_object(w);
        sn_jsonw_kstr(w, "tracer", SN_STR("callTracer"));
        write_time(w, "blockOverrides", p->time);
        sn_jsonw_object_end(w);
    }
    sn_jsonw_array_end(w);
    return name;
}

/* ---- answers ---- */

bool gas_text_is_out_of_gas(struct sn_str text)
{
    static const char *const texts[] = {
        "out of gas",  "OutOfGas", "OOG", "gas required exceeds", "intrinsic gas too low",
        "gas too low", "gas floor"};
    for (size_t i = 0; i < SN_COUNT_OF(texts); i++)
        if (sn_str_find(text, sn_str(texts[i])) >= 0) return true;
    return false;
}

/* gas_used - what fits into 56 bits: sums and shares of it then fit into 64. */
static int gas_used(const struct sn_json *v, const char *what, uint64_t *ret)
{
    if (sn_eth_quantity(v, what, ret) >= 0 && *ret >> 56 == 0) return 0;
    return sn_fail(SN_E_PROTOCOL, "%s: \"0x...\" of at most 56 bits expected", what);
}
static int read_simulated(const struct sn_json *v, struct gas_probe *p)
{
    const struct sn_json *call = sn_json_path(v, p->before ? "1.calls.0" : "0.calls.0");
    struct sn_str status = sn_json_str(sn_json_get(call, "status"));
    int r = gas_used(sn_json_get(call, "gasUsed"), "eth_simulateV1: gasUsed", &p->used);
    p->ok = sn_str_eqc(status, "0x1");
    p->output = sn_json_str(sn_json_get(call, "returnData"));
    p->error = sn_json_str(sn_json_path(call, "error.message"));
    return r;
}
static int read_traced(const struct sn_json *v, struct gas_probe *p)
{
    p->error = sn_json_str(sn_json_get(v, "error"));
    p->ok = !p->error.len;
    p->output = sn_json_str(sn_json_get(v, "output"));
    return gas_used(sn_json_get(v, "gasUsed"), "debug_traceCall: gasUsed", &p->used);
}
/* An error of the node about the call itself is an answer: it fails with this much gas. */
static int read_failed(const struct sn_eth_reply *reply, struct gas_probe *p)
{
    int status = sn_eth_status(reply->code, reply->message);
    bool own_terms = (p->before || p->time) && status != SN_E_RESOURCE_EXHAUSTED;
    if (status != SN_E_ABORTED && !own_terms && !gas_text_is_out_of_gas(reply->message))
        return sn_fail(status, "error %lld: %.*s", (long long)reply->code,
                       SN_STR_ARG(reply->message));
    p->ok = false;
    p->error = reply->message;
    p->output = reply->data;
    return 0;
}
static int read_probe(enum sn_gas_method method, const struct sn_eth_reply *reply,
                      struct gas_probe *p)
{
    if (reply->code) return read_failed(reply, p);
    if (method == SN_GAS_SIMULATE) return read_simulated(reply->result, p);
    if (method == SN_GAS_TRACE) return read_traced(reply->result, p);
    p->ok = true;
    return 0;
}

int gas_probe(struct sn_eth_rpc *rpc, enum sn_gas_method method, struct gas_probe *probes, size_t n,
              struct sn_arena *a)
{
    struct sn_eth_request calls[GAS_PROBES_MAX] = {{0}};
    struct sn_eth_reply replies[GAS_PROBES_MAX];
    SN_ASSERT(n <= SN_COUNT_OF(calls));
    for (size_t i = 0; i < n; i++) {
        struct sn_buf text SN_CLEANUP(sn_buf_done);
        struct sn_jsonw w;
        sn_buf_init(&text, 0);
        sn_jsonw_init(&w, &text, NULL);
        calls[i].method = write_probe(&w, method, &probes[i]);
        if (text.err < 0) return text.err;
        calls[i].params = sn_arena_str(a, sn_buf_view(&text));
        if (!calls[i].params.ptr) return SN_E_NOMEM;
    }
    int r = sn_eth_batch(rpc, calls, n, a, replies);
    for (size_t i = 0; i < n && r >= 0; i++) {
        probes[i].used = 0;
        if ((r = read_probe(method, &replies[i], &probes[i])) < 0)
            r = sn_wrap(r, "%s", calls[i].method);
    }
    return r < 0 ? r : 0;
}
