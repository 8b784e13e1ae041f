/* SPDX-License-Identifier: Apache-2.0 */
#include "core/enc.h"
#include "sennit/contracts_int.h"

void contract_hex(struct sn_jsonw *w, const char *key, const void *data, size_t n)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    sn_buf_cstr(&b, "\"0x");
    sn_buf_hex(&b, data, n);
    sn_buf_byte(&b, '"');
    sn_jsonw_key(w, sn_str(key));
    if (b.err < 0)
        w->out->err = b.err;
    else
        sn_jsonw_raw(w, sn_buf_view(&b));
    sn_buf_done(&b);
}

/* ---- items ---- */

static void put_text(struct sn_jsonw *w, const char *key, struct sn_str s)
{
    if (s.len) sn_jsonw_kstr(w, key, s);
}

static void put_type(struct sn_jsonw *w, const struct sn_abi_type *t)
{
    sn_jsonw_kstr(w, "type", t->canonical);
    if (t->internal.len && !sn_str_eq(t->internal, t->canonical))
        sn_jsonw_kstr(w, "internal", t->internal);
}
static void put_params(struct sn_jsonw *w, const char *key, struct sn_abi_params p)
{
    sn_jsonw_key(w, sn_str(key));
    sn_jsonw_array(w);
    for (size_t i = 0; i < p.len; i++) {
        sn_jsonw_object(w);
        sn_jsonw_kstr(w, "name", p.ptr[i].name.len ? p.ptr[i].name : SN_STR(""));
        put_type(w, p.ptr[i].type);
        if (p.ptr[i].indexed) sn_jsonw_kbool(w, "indexed", true);
        put_text(w, "doc", p.ptr[i].doc);
        sn_jsonw_object_end(w);
    }
    sn_jsonw_array_end(w);
}
static void put_item(struct sn_jsonw *w, const struct sn_abi_item *it)
{
    static const char *const kinds[] = {"",      "function",    "event",   "error",
                                        "constructor", "receive", "fallback"};
    sn_jsonw_object(w);
    sn_jsonw_kstr(w, "kind", sn_str(kinds[it->kind]));
    sn_jsonw_kstr(w, "name", it->name.len ? it->name : sn_str(kinds[it->kind]));
    if (it->name.len) {
        sn_jsonw_kstr(w, "unique", it->unique);
        sn_jsonw_kstr(w, "signature", it->signature);
    }
    if (it->kind == SN_ABI_METHOD || it->kind == SN_ABI_ERROR)
        contract_hex(w, "selector", it->selector, SN_ABI_SELECTOR_LEN);
    if (it->kind == SN_ABI_EVENT && !it->anonymous)
        contract_hex(w, "topic", it->topic, SN_ABI_TOPIC_LEN);
    if (it->kind != SN_ABI_EVENT && it->kind != SN_ABI_ERROR)
        sn_jsonw_kstr(w, "mutability", sn_str(sn_abi_mutability_name(it->mutability)));
    if (it->library) sn_jsonw_kbool(w, "library", true);
    put_text(w, "doc", it->doc);
    put_params(w, "inputs", it->in);
    put_params(w, "outputs", it->out);
    sn_jsonw_object_end(w);
}

void contract_write(struct sn_jsonw *w, const struct sn_abi_contract *c)
{
    struct sn_buf abi;
    sn_jsonw_object(w);
    sn_jsonw_kstr(w, "name", c->name);
    put_text(w, "doc", c->doc);
    sn_jsonw_key(w, SN_STR("items"));
    sn_jsonw_array(w);
    for (size_t i = 0; i < c->abi.n_items; i++) put_item(w, &c->abi.items[i]);
    sn_jsonw_array_end(w);
    sn_buf_init(&abi, 0);
    sn_abi_json_write(&abi, &c->abi);
    sn_jsonw_key(w, SN_STR("abi"));
    if (abi.err < 0)
        w->out->err = abi.err;
    else
        sn_jsonw_raw(w, sn_buf_view(&abi));
    sn_buf_done(&abi);
    sn_jsonw_object_end(w);
}

/* ---- values ---- */

void contract_values(struct sn_jsonw *w, struct sn_abi_params p, const struct sn_abi_value *v)
{
    sn_jsonw_array(w);
    for (size_t i = 0; i < p.len; i++) {
        sn_jsonw_object(w);
        sn_jsonw_kstr(w, "name", p.ptr[i].name.len ? p.ptr[i].name : SN_STR(""));
        put_type(w, p.ptr[i].type);
        sn_jsonw_key(w, SN_STR("value"));
        sn_abi_to_json(w, p.ptr[i].type, &v->items[i]);
        sn_jsonw_object_end(w);
    }
    sn_jsonw_array_end(w);
}

void contract_revert(struct sn_jsonw *w, struct sn_arena *a, const struct sn_abi *abi,
                     struct sn_str data)
{
    const struct sn_abi_item *item;
    struct sn_abi_value v;
    uint64_t code;
    sn_jsonw_object(w);
    contract_hex(w, "data", data.ptr, data.len);
    int r = sn_abi_decode_error(a, abi, data, &item, &v);
    if (r < 0) {
        sn_jsonw_kstr(w, "text", data.len ? SN_STR("an error that this interface does not have")
                                          : SN_STR("reverted without saying why"));
    } else {
        sn_jsonw_kstr(w, "name", item->name);
        sn_jsonw_kstr(w, "signature", item->signature);
        sn_jsonw_key(w, SN_STR("args"));
        contract_values(w, item->in, &v);
        if (sn_str_eqc(item->signature, "Panic(uint256)") && sn_abi_u64(&v.items[0], &code) == 0 &&
            sn_abi_panic_text(code))
            sn_jsonw_kstr(w, "text", sn_str(sn_abi_panic_text(code)));
        if (sn_str_eqc(item->signature, "Error(string)"))
            sn_jsonw_kstr(w, "text", sn_abi_str(&v.items[0]));
    }
    sn_jsonw_object_end(w);
}

void contract_gas(struct sn_jsonw *w, const struct sn_gas_estimate *e, const struct sn_fees *f)
{
    static const char *const methods[] = {"", "simulation", "trace", "bisection"};
    sn_jsonw_ku64(w, "used", e->used);
    sn_jsonw_ku64(w, "low", e->used_low);
    sn_jsonw_ku64(w, "high", e->used_high);
    sn_jsonw_ku64(w, "limit", e->limit);
    sn_jsonw_ku64(w, "intrinsic", e->intrinsic);
    sn_jsonw_kdouble(w, "confidence", e->confidence);
    sn_jsonw_kstr(w, "class", sn_str(sn_gas_class_name(e->class)));
    sn_jsonw_kstr(w, "method", sn_str(methods[e->method]));
    sn_jsonw_key(w, SN_STR("reasons"));
    sn_jsonw_array(w);
    for (unsigned i = 0; i < e->n_reasons; i++) sn_jsonw_str(w, e->reasons[i]);
    sn_jsonw_array_end(w);
    sn_jsonw_ku64(w, "max_fee", f->max_fee);
    sn_jsonw_ku64(w, "priority_fee", f->priority_fee);
    sn_jsonw_ku64(w, "base_fee", f->base_fee);
}
