/* SPDX-License-Identifier: Apache-2.0 */
/* zk/witness/inputs.c - input values from JSON, as snarkjs takes them. */
#include <stdio.h>

#include "core/status.h"
#include "wire/json.h"
#include "zk/witness/prog.h"

struct reader {
    const struct sn_witness_prog *p;
    enum sn_witness_range range;
    struct sn_fe *out; /* of the input being read */
    uint32_t n, at;
    struct sn_str name;
    unsigned depth;
};

static int number_text(struct reader *r, struct sn_str t, struct sn_fe *ret)
{
    const struct sn_field *f = r->p->field;
    bool minus = sn_str_starts(t, SN_STR("-"));
    struct sn_str digits = sn_str_from(t, minus);
    bool hex = sn_str_starts(digits, SN_STR("0x")) || sn_str_starts(digits, SN_STR("0X"));
    int s = SN_E_OUT_OF_RANGE;
    if (r->range == SN_WITNESS_REDUCE)
        s = hex ? sn_fe_from_hex_mod(f, ret, sn_str_from(digits, 2))
                : sn_fe_from_dec_mod(f, ret, digits);
    else if (!minus && !hex)
        s = sn_fe_from_dec(f, ret, digits);
    else if (!minus) {
        /* Not above the prime: at most as many digits as it has, and the text comes back. */
        uint8_t be[32];
        s = sn_fe_from_hex_mod(f, ret, sn_str_from(digits, 2));
        if (s == 0) {
            char text[65];
            sn_fe_to_bytes_be(f, be, ret);
            for (unsigned i = 0; i < 32; i++) snprintf(text + 2 * i, 3, "%02x", be[i]);
            struct sn_str a = sn_str(text), b = sn_str_from(digits, 2);
            while (a.len > 1 && a.ptr[0] == '0') a = sn_str_from(a, 1);
            while (b.len > 1 && b.ptr[0] == '0') b = sn_str_from(b, 1);
            if (!sn_str_ieq(a, b)) s = SN_E_OUT_OF_RANGE;
        }
    }
    if (s == 0 && minus) sn_fe_neg(f, ret, ret);
    if (s < 0)
        return sn_fail(s, "input %.*s, number %u: \"%.*s\" %s", SN_STR_ARG(r->name), r->at,
                       (int)SN_MIN(t.len, (size_t)100), t.ptr ? t.ptr : "",
                       s == SN_E_OUT_OF_RANGE ? "is not below the prime" : "is no number");
    return 0;
}

static int number(struct reader *r, const struct sn_json *v)
{
    struct sn_fe x;
    char text[32];
    int s;
    if (r->at >= r->n)
        return sn_fail(SN_E_INVALID_ARGUMENT, "input %.*s: more than %u numbers",
                       SN_STR_ARG(r->name), r->n);
    switch (sn_json_kind(v)) {
    case SN_JSON_STRING:
    case SN_JSON_BIGINT: s = number_text(r, sn_str_of(v->str, v->len), &x); break;
    case SN_JSON_INT:
        snprintf(text, sizeof(text), "%lld", (long long)v->i);
        s = number_text(r, sn_str(text), &x);
        break;
    case SN_JSON_UINT:
        snprintf(text, sizeof(text), "%llu", (unsigned long long)v->u);
        s = number_text(r, sn_str(text), &x);
        break;
    case SN_JSON_BOOL: sn_fe_set_u64(r->p->field, &x, v->b), s = 0; break;
    default:
        return sn_fail(SN_E_INVALID_ARGUMENT, "input %.*s, number %u: expected a number, found %s",
                       SN_STR_ARG(r->name), r->at, sn_json_kind_name(sn_json_kind(v)));
    }
    if (s < 0) return s;
    r->out[r->at++] = x;
    return 0;
}

/* Arrays nest as they like: only the number of numbers counts. Buses are objects. */
static int value(struct reader *r, const struct sn_witness_shape *shape, const struct sn_json *v)
{
    if (sn_json_is(v, SN_JSON_ARRAY)) {
        if (++r->depth > SN_JSON_DEPTH_DEFAULT) return sn_fail(SN_E_DEPTH, "too deep");
        for (SN_JSON_EACH(v, it)) {
            int s = value(r, shape, it);
            if (s < 0) return s;
        }
        r->depth--;
        return 0;
    }
    if (!shape->n_fields || !sn_json_is(v, SN_JSON_OBJECT)) return number(r, v);
    for (uint32_t i = 0; i < shape->n_fields; i++) {
        const struct sn_witness_shape *f = &shape->fields[i];
        const struct sn_json *m = sn_json_find(v, f->name);
        if (!m)
            return sn_fail(SN_E_NOT_FOUND, "input %.*s: the field \"%.*s\" is missing",
                           SN_STR_ARG(r->name), SN_STR_ARG(f->name));
        uint32_t from = r->at;
        int s = value(r, f, m);
        if (s < 0) return s;
        if (r->at - from != f->n_signals)
            return sn_fail(SN_E_INVALID_ARGUMENT, "input %.*s, field %.*s: %u numbers, expected %u",
                           SN_STR_ARG(r->name), SN_STR_ARG(f->name), r->at - from, f->n_signals);
    }
    for (SN_JSON_MEMBERS(v, m)) {
        bool known = false;
        for (uint32_t i = 0; i < shape->n_fields; i++)
            known |= sn_str_eq(shape->fields[i].name, sn_json_str(&m->key));
        if (!known)
            return sn_fail(SN_E_INVALID_ARGUMENT, "input %.*s: there is no field \"%.*s\"",
                           SN_STR_ARG(r->name), SN_STR_ARG(sn_json_str(&m->key)));
    }
    return 0;
}

static int unknown_member(const struct sn_witness_prog *p, const struct sn_json *root)
{
    for (SN_JSON_MEMBERS(root, m)) {
        bool known = false;
        for (size_t i = 0; i < p->n_shapes; i++)
            known |= sn_str_eq(p->inputs[i].name, sn_json_str(&m->key));
        if (!known)
            return sn_fail(SN_E_INVALID_ARGUMENT, "the circuit has no input \"%.*s\"",
                           SN_STR_ARG(sn_json_str(&m->key)));
    }
    return 0;
}

int sn_witness_inputs_json(const struct sn_witness_prog *p, struct sn_str json,
                           enum sn_witness_range range, struct sn_fe *ret)
{
    struct sn_arena a;
    const struct sn_json *root;
    struct sn_json_opts o = {.bytes_max = SN_WITNESS_JSON_BYTES_MAX, .dup = SN_JSON_DUP_ERROR};
    sn_arena_init(&a, NULL, 0);
    int s = sn_json_parse(&a, json, &o, &root);
    if (s == 0 && !sn_json_is(root, SN_JSON_OBJECT))
        s = sn_fail(SN_E_INVALID_ARGUMENT, "inputs are a JSON object");
    for (size_t i = 0; s == 0 && i < p->n_shapes; i++) {
        const struct sn_witness_shape *q = &p->inputs[i];
        struct reader r = {.p = p,
                           .range = range,
                           .out = ret + (q->label - p->first_input),
                           .n = q->n_signals,
                           .name = q->name};
        const struct sn_json *v = sn_json_find(root, q->name);
        if (!v) {
            s = sn_fail(SN_E_NOT_FOUND, "the input \"%.*s\" is missing", SN_STR_ARG(q->name));
            break;
        }
        s = value(&r, q, v);
        if (s == 0 && r.at != r.n)
            s = sn_fail(SN_E_INVALID_ARGUMENT, "input %.*s: %u numbers, expected %u",
                        SN_STR_ARG(q->name), r.at, r.n);
    }
    if (s == 0) s = unknown_member(p, root);
    sn_arena_done(&a);
    return s;
}
