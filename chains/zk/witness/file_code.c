/* SPDX-License-Identifier: Apache-2.0 */
/* zk/witness/file_code.c - the code of a .snw file, checked instruction by instruction: what passes
 * here cannot make the engine read or write outside of its frame, its component and the program. */
#include "zk/witness/file_int.h"

_Static_assert(sizeof(struct sn_wins) == 4 * SNW_INS_WORDS, "instructions are used in place");

struct checker {
    const struct sn_witness_prog *p;
    const struct sn_wcode *code;
    uint32_t n_subs, n_signals; /* 0 in functions */
};

/* n elements from operand x on, which may be read (or written). */
static bool operand(const struct checker *k, uint32_t x, uint32_t n, bool written)
{
    uint32_t i = SN_WARG_INDEX(x), size;
    switch (x >> 30) {
    case SN_WARG_REG: size = k->code->n_regs; break;
    case SN_WARG_SIGNAL: size = k->n_signals; break;
    case SN_WARG_CONST:
        if (written) return false;
        size = k->p->n_consts;
        break;
    default: return false;
    }
    return n <= size && i <= size - n;
}
static bool regs(const struct checker *k, uint32_t at, uint32_t n)
{
    return n <= k->code->n_regs && at <= k->code->n_regs - n;
}

/* The last of n elements in steps, which with the first bounds them all. */
static bool stepped(const struct checker *k, uint32_t x, uint32_t n, int32_t step)
{
    int64_t last = (int64_t)SN_WARG_INDEX(x) + (int64_t)(n - 1) * step;
    return x >> 30 == SN_WARG_SIGNAL && n > 0 && SN_WARG_INDEX(x) < k->n_signals && last >= 0 &&
           last < k->n_signals;
}

static bool call_ok(const struct checker *k, const struct sn_wins *i)
{
    if (i->c >= k->p->n_functions) return false;
    const struct sn_wcode *fn = &k->p->functions[i->c];
    return regs(k, i->a, fn->n_args) && regs(k, i->d, fn->n_ret);
}

static bool ins_ok(const struct checker *k, const struct sn_wins *i)
{
    if (i->op < SN_ZOP_NEG)
        return operand(k, i->d, 1, true) && operand(k, i->a, 1, false) && operand(k, i->b, 1, false);
    switch (i->op) {
    case SN_ZOP_NEG:
    case SN_ZOP_LNOT:
    case SN_ZOP_NOT: /* b is not used, but its address is formed */
    case SN_WOP_MOV:
        return operand(k, i->d, 1, true) && operand(k, i->a, 1, false) &&
               (i->op == SN_WOP_MOV || operand(k, i->b, 0, false));
    case SN_WOP_SELECT:
        return operand(k, i->d, 1, true) && operand(k, i->a, 1, false) &&
               operand(k, i->b, 1, false) && operand(k, i->c, 1, false);
    case SN_WOP_COPY:
        return stepped(k, i->d, i->c, SN_WSTEP_D(i->b)) && stepped(k, i->a, i->c, SN_WSTEP_A(i->b));
    case SN_WOP_BIT:
    case SN_WOP_BOUND: return operand(k, i->d, 1, true) && operand(k, i->a, 1, false);
    case SN_WOP_LOAD:
        return operand(k, i->d, 1, true) && operand(k, i->a, i->c, false) &&
               operand(k, i->b, 1, false);
    case SN_WOP_STORE:
        return operand(k, i->d, i->c, true) && operand(k, i->a, 1, false) &&
               operand(k, i->b, 1, false);
    case SN_WOP_JZ: return i->c <= k->code->n && operand(k, i->a, 1, false);
    case SN_WOP_JMP: return i->c <= k->code->n;
    case SN_WOP_CHECK: return operand(k, i->a, 1, false) && operand(k, i->b, 1, false);
    case SN_WOP_ASSERT:
    case SN_WOP_LOG_NUM: return operand(k, i->a, 1, false);
    case SN_WOP_RUN: return i->c < k->n_subs;
    case SN_WOP_CALL: return call_ok(k, i);
    case SN_WOP_LOG_STR: return i->c < k->p->n_strings;
    case SN_WOP_RET:
    case SN_WOP_LOG_END: return true;
    default: return false;
    }
}

static int check_code(const struct checker *k, const char *what, uint32_t n)
{
    for (uint32_t i = 0; i < k->code->n; i++)
        if (!ins_ok(k, &k->code->ins[i]))
            return sn_fail(SN_E_OUT_OF_RANGE, ".snw %s %u: instruction %u (operation %u) is not valid",
                           what, n, i, k->code->ins[i].op);
    return 0;
}

/* The next code's share of the instructions. */
struct taker {
    const uint32_t *codes, *subs, *own, *places;
    const struct sn_wins *ins;
    uint32_t n_ins, n_subs, ins_at, subs_at;
};

static int take_code(struct taker *t, const uint32_t *v, uint32_t i, struct sn_wcode *ret)
{
    if (v[0] > t->n_ins - t->ins_at || v[1] > SNW_REGS_MAX)
        return sn_fail(SN_E_OUT_OF_RANGE, ".snw code %u: %u instructions, %u registers", i, v[0], v[1]);
    if (v[2] > v[1] || v[4] > v[1] || v[3] > v[1] - v[4])
        return sn_fail(SN_E_OUT_OF_RANGE, ".snw code %u: arguments outside of %u registers", i, v[1]);
    *ret = (struct sn_wcode){.ins = t->ins + t->ins_at,
                             .place = t->places + t->ins_at,
                             .n = v[0],
                             .n_regs = v[1],
                             .n_args = v[2],
                             .ret_at = v[3],
                             .n_ret = v[4]};
    t->ins_at += v[0];
    return 0;
}

static int take_subs(struct snw_file *f, struct taker *t, const struct sn_winstance *all, uint32_t n,
                     struct sn_winstance *ret)
{
    struct sn_wsub *subs = sn_arena_array(&f->arena, ret->n_subs, sizeof(*subs));
    uint32_t *order = sn_arena_array(&f->arena, ret->n_subs, sizeof(*order));
    if (!subs || !order) return SN_E_NOMEM;
    for (uint32_t i = 0; i < ret->n_subs; i++) {
        const uint32_t *v = t->subs + (size_t)SNW_SUB_WORDS * (t->subs_at + i);
        if (v[0] >= n || v[2] >= f->n_strings || v[4] > f->n_words || v[3] > f->n_words - v[4] ||
            v[4] > SNW_DIMS_MAX || v[5] >= ret->n_subs)
            return sn_fail(SN_E_OUT_OF_RANGE, ".snw instance %u: sub-component %u is not valid", n, i);
        if (v[1] > ret->size || all[v[0]].size > ret->size - v[1])
            return sn_fail(SN_E_OUT_OF_RANGE, ".snw instance %u: sub-component %u lies outside of it",
                           n, i);
        subs[i] = (struct sn_wsub){v[0], v[1], f->strings[v[2]], f->words + v[3], v[4]};
        order[i] = v[5];
    }
    for (uint32_t i = 1; i < ret->n_subs; i++)
        if (subs[order[i]].offset < subs[order[i - 1]].offset)
            return sn_fail(SN_E_OUT_OF_RANGE, ".snw instance %u: sub-components out of order", n);
    t->subs_at += ret->n_subs;
    ret->subs = subs;
    ret->order = order;
    return 0;
}

static int take_instance(struct snw_file *f, struct taker *t, struct sn_winstance *all, uint32_t n)
{
    const uint32_t *v = t->codes + (size_t)SNW_CODE_WORDS * n;
    struct sn_winstance *inst = &all[n];
    int r = take_code(t, v, n, &inst->code);
    if (r < 0) return r;
    inst->n_subs = v[5];
    inst->n_signals = v[6];
    inst->size = v[7];
    if (v[5] > t->n_subs - t->subs_at || v[7] > SNW_RECORDS_MAX || t->own[n] > f->n_shapes ||
        v[6] > f->n_shapes - t->own[n])
        return sn_fail(SN_E_OUT_OF_RANGE, ".snw instance %u: %u sub-components, %u signals", n, v[5],
                       v[7]);
    inst->signals = f->shapes + t->own[n];
    return take_subs(f, t, all, n, inst);
}

int snw_read_code(struct snw_file *f)
{
    struct sn_witness_prog *p = &f->prog;
    struct taker t = {0};
    const uint32_t *ins = NULL;
    uint32_t n_codes = 0;
    int r = snw_table(f, SNW_CODES, SNW_CODE_WORDS, &t.codes, &n_codes);
    if (r == 0) r = snw_table(f, SNW_INS, SNW_INS_WORDS, &ins, &t.n_ins);
    if (r == 0) r = snw_table_of(f, SNW_INS_PLACES, 1, t.n_ins, &t.places);
    if (r == 0) r = snw_table(f, SNW_SUBS, SNW_SUB_WORDS, &t.subs, &t.n_subs);
    if (r == 0) r = snw_table_of(f, SNW_OWN, 1, p->n_instances, &t.own);
    if (r < 0) return r;
    if (n_codes != (uint64_t)p->n_instances + p->n_functions)
        return sn_fail(SN_E_DATA_LOSS, ".snw has %u codes for %u instances and %u functions", n_codes,
                       p->n_instances, p->n_functions);
    t.ins = (const struct sn_wins *)ins;
    struct sn_winstance *inst = sn_arena_array(&f->arena, p->n_instances, sizeof(*inst));
    struct sn_wcode *fns = sn_arena_array(&f->arena, p->n_functions, sizeof(*fns));
    if (!inst || !fns) return SN_E_NOMEM;
    for (uint32_t i = 0; r == 0 && i < p->n_instances; i++) r = take_instance(f, &t, inst, i);
    for (uint32_t i = 0; r == 0 && i < p->n_functions; i++)
        r = take_code(&t, t.codes + (size_t)SNW_CODE_WORDS * (p->n_instances + i),
                      p->n_instances + i, &fns[i]);
    p->instances = inst;
    p->functions = fns;
    for (uint32_t i = 0; r == 0 && i < p->n_instances; i++)
        r = check_code(&(struct checker){p, &inst[i].code, inst[i].n_subs, inst[i].size}, "instance", i);
    for (uint32_t i = 0; r == 0 && i < p->n_functions; i++)
        r = check_code(&(struct checker){p, &fns[i], 0, 0}, "function", i);
    if (r == 0 && (t.ins_at != t.n_ins || t.subs_at != t.n_subs))
        r = sn_fail(SN_E_DATA_LOSS, ".snw has %u instructions and %u sub-components, used are %u and %u",
                    t.n_ins, t.n_subs, t.ins_at, t.subs_at);
    return r;
}
