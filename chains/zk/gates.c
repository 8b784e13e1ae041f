/* SPDX-License-Identifier: Apache-2.0 */
/* zk/gates.c - the custom gates of a constraint system, and sections 4 and 5 of .r1cs. */
#include "core/alloc.h"
#include "core/arena.h"
#include "core/vec.h"
#include "zk/bin.h"
#include "zk/gates_int.h"

/* The public part comes first, so a pointer to it is a pointer to the whole. */
struct gates {
    struct sn_r1cs_gates pub;
    struct sn_arena arena;
    SN_VEC(struct sn_r1cs_gate) gate;
    SN_VEC(struct sn_r1cs_use) use;
    SN_VEC(uint64_t) signal;
};

static void publish(struct gates *g)
{
    g->pub = (struct sn_r1cs_gates){.gate = g->gate.ptr,
                                    .n_gates = (uint32_t)g->gate.len,
                                    .use = g->use.ptr,
                                    .n_uses = (uint32_t)g->use.len,
                                    .signal = g->signal.ptr,
                                    .n_signals = g->signal.len};
}

struct sn_r1cs_gates *sn_r1cs_gates_new(void)
{
    struct gates *g = SN_NEW(struct gates);
    if (!g) return NULL;
    sn_arena_init(&g->arena, NULL, 0);
    return &g->pub;
}

void sn_r1cs_gates_free(struct sn_r1cs_gates *pub)
{
    struct gates *g = (struct gates *)pub;
    if (!g) return;
    sn_vec_done(&g->gate);
    sn_vec_done(&g->use);
    sn_vec_done(&g->signal);
    sn_arena_done(&g->arena);
    sn_free(g);
}

int sn_r1cs_gates_add(struct sn_r1cs_gates *pub, struct sn_str name, const struct sn_fe *params,
                      uint32_t n_params)
{
    struct gates *g = (struct gates *)pub;
    struct sn_r1cs_gate k = {.name = sn_arena_str(&g->arena, name), .n_params = n_params};
    k.params = sn_arena_array(&g->arena, n_params, sizeof(*k.params));
    if (!k.name.ptr || !k.params) return SN_E_NOMEM;
    if (n_params) memcpy(k.params, params, n_params * sizeof(*params));
    int r = sn_vec_push(&g->gate, k);
    publish(g);
    return r;
}

int sn_r1cs_gates_use(struct sn_r1cs_gates *pub, uint32_t gate)
{
    struct gates *g = (struct gates *)pub;
    struct sn_r1cs_use u = {.gate = gate, .at = g->signal.len};
    int r = sn_vec_push(&g->use, u);
    publish(g);
    return r;
}

int sn_r1cs_gates_signal(struct sn_r1cs_gates *pub, uint64_t wire)
{
    struct gates *g = (struct gates *)pub;
    int r = sn_vec_push(&g->signal, wire);
    if (r == 0) g->use.ptr[g->use.len - 1].n++;
    publish(g);
    return r;
}

int sn_r1cs_gates_copy(const struct sn_r1cs_gates *from, struct sn_r1cs_gates **ret)
{
    if (!from) {
        *ret = NULL;
        return 0;
    }
    struct sn_r1cs_gates *to = sn_r1cs_gates_new();
    int r = to ? 0 : SN_E_NOMEM;
    for (uint32_t i = 0; r == 0 && i < from->n_gates; i++)
        r = sn_r1cs_gates_add(to, from->gate[i].name, from->gate[i].params, from->gate[i].n_params);
    for (uint32_t i = 0; r == 0 && i < from->n_uses; i++) {
        const struct sn_r1cs_use *u = &from->use[i];
        r = sn_r1cs_gates_use(to, u->gate);
        for (uint32_t k = 0; r == 0 && k < u->n; k++)
            r = sn_r1cs_gates_signal(to, from->signal[u->at + k]);
    }
    if (r < 0) {
        sn_r1cs_gates_free(to);
        return r;
    }
    *ret = to;
    return 0;
}

/* ---- files ----------------------------------------------------------------------------------- */

/* Section 4: how many, then each gate's name with its NUL, how many parameters, those. */
static int read_gates(struct sn_str text, const struct sn_field *f, struct sn_r1cs_gates *to)
{
    struct sn_cursor c = sn_cursor(text);
    uint32_t n8 = (f->bits + 63) / 64 * 8, n = sn_take32(&c);
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *name = c.p, *nul = memchr(c.p, 0, (size_t)(c.end - c.p));
        if (!nul) return sn_fail(SN_E_DATA_LOSS, ".r1cs custom gate %u: its name does not end", i);
        (void)sn_take(&c, (size_t)(nul + 1 - name));
        uint32_t n_params = sn_take32(&c);
        const uint8_t *p = sn_take(&c, (size_t)n_params * n8);
        if (!p) return sn_fail(SN_E_DATA_LOSS, ".r1cs custom gate %u: the section ends in it", i);
        struct sn_fe *params SN_CLEANUP(sn_freep) = sn_alloc(n_params * sizeof(*params) + 1);
        if (!params) return SN_E_NOMEM;
        for (uint32_t k = 0; k < n_params; k++) {
            uint8_t wide[32] = {0};
            memcpy(wide, p + (size_t)k * n8, n8);
            if (sn_fe_from_bytes_le(f, &params[k], wide) < 0)
                return sn_fail(SN_E_OUT_OF_RANGE,
                               ".r1cs custom gate %u: parameter %u is not below the prime", i, k);
        }
        struct sn_str text_name = sn_str_of((const char *)name, (size_t)(nul - name));
        int r = sn_r1cs_gates_add(to, text_name, params, n_params);
        if (r < 0) return r;
    }
    if (c.short_ || c.p != c.end)
        return sn_fail(SN_E_DATA_LOSS, ".r1cs: the custom gates do not fill their section");
    return 0;
}

/* Section 5: how many, then each use's gate, how many signals, their wires. */
static int read_uses(struct sn_str text, uint32_t n_wires, struct sn_r1cs_gates *to)
{
    struct sn_cursor c = sn_cursor(text);
    uint32_t n = sn_take32(&c);
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < n; i++) {
        uint32_t gate = sn_take32(&c), n_signals = sn_take32(&c);
        if (c.short_ || (uint64_t)n_signals * 8 > (uint64_t)(c.end - c.p))
            return sn_fail(SN_E_DATA_LOSS, ".r1cs use %u of a gate: the section ends in it", i);
        if (gate >= to->n_gates)
            return sn_fail(SN_E_OUT_OF_RANGE, ".r1cs use %u: gate %u of %u", i, gate, to->n_gates);
        r = sn_r1cs_gates_use(to, gate);
        for (uint32_t k = 0; r == 0 && k < n_signals; k++) {
            uint64_t wire = sn_take64(&c);
            if (wire >= n_wires)
                return sn_fail(SN_E_OUT_OF_RANGE, ".r1cs use %u of a gate: wire %llu of %u", i,
                               (unsigned long long)wire, n_wires);
            r = sn_r1cs_gates_signal(to, wire);
        }
    }
    if (r == 0 && (c.short_ || c.p != c.end))
        return sn_fail(SN_E_DATA_LOSS, ".r1cs: the uses of gates do not fill their section");
    return r;
}

int sn_r1cs_gates_read(struct sn_str gates, struct sn_str uses, const struct sn_field *f,
                       uint32_t n_wires, struct sn_r1cs_gates **ret)
{
    struct sn_r1cs_gates *to = sn_r1cs_gates_new();
    if (!to) return SN_E_NOMEM;
    int r = read_gates(gates, f, to);
    if (r == 0) r = read_uses(uses, n_wires, to);
    if (r < 0) {
        sn_r1cs_gates_free(to);
        return r;
    }
    *ret = to;
    return 0;
}

void sn_r1cs_gates_write(const struct sn_r1cs_gates *g, const struct sn_field *f, struct sn_out *o)
{
    uint32_t n8 = (f->bits + 63) / 64 * 8;
    uint64_t size = 4;
    for (uint32_t i = 0; i < g->n_gates; i++)
        size += g->gate[i].name.len + 1 + 4 + (uint64_t)g->gate[i].n_params * n8;
    sn_out_section(o, 4, size);
    sn_out_u32(o, g->n_gates);
    for (uint32_t i = 0; i < g->n_gates; i++) {
        const struct sn_r1cs_gate *k = &g->gate[i];
        sn_out_put(o, k->name.ptr, k->name.len);
        sn_out_put(o, "", 1);
        sn_out_u32(o, k->n_params);
        for (uint32_t p = 0; p < k->n_params; p++) {
            uint8_t wide[32];
            sn_fe_to_bytes_le(f, wide, &k->params[p]);
            sn_out_put(o, wide, n8);
        }
    }
    sn_out_section(o, 5, 4 + 8ull * g->n_uses + 8 * g->n_signals);
    sn_out_u32(o, g->n_uses);
    for (uint32_t i = 0; i < g->n_uses; i++) {
        sn_out_u32(o, g->use[i].gate);
        sn_out_u32(o, g->use[i].n);
        for (uint32_t k = 0; k < g->use[i].n; k++) sn_out_u64(o, g->signal[g->use[i].at + k]);
    }
}
