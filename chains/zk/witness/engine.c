/* SPDX-License-Identifier: Apache-2.0 */
/* zk/witness/engine.c - the interpreter of witness programs. */
#include "core/alloc.h"
#include "core/status.h"
#include "zk/bin_int.h"
#include "zk/witness/prog.h"

struct engine {
    const struct sn_witness_prog *p;
    const struct sn_witness_opts *o;
    struct sn_zv *sig; /* by label */
    struct sn_zv *regs;
    size_t regs_cap;
    uint64_t steps;
    unsigned calls;
    struct sn_buf line;
    uint64_t base; /* label of the running component's first signal */
    struct sn_fe bits[2]; /* the element last taken apart, and the same as an integer */
};

static SN_NOINLINE SN_COLD int failed(struct engine *e, const struct sn_wcode *code, uint32_t at,
                                      int status, const char *what)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    sn_wplace_text(e->p, code->place[at], e->base, &b);
    int r = sn_fail(status, "%s: %.*s", what, (int)b.len, b.ptr ? (const char *)b.ptr : "");
    sn_buf_done(&b);
    return r;
}

static void log_number(struct engine *e, const struct sn_zv *v)
{
    char text[SN_FE_DEC_MAX];
    struct sn_fe m;
    sn_zv_fe(e->p->field, &m, v);
    size_t n = sn_fe_to_dec(e->p->field, &m, text);
    (void)sn_buf_put(&e->line, text, n);
}
static void log_end(struct engine *e)
{
    if (e->o && e->o->log) e->o->log(e->o->ctx, sn_buf_view(&e->line));
    sn_buf_reset(&e->line);
}

/* Registers from `at` on for one more frame. They may move: frames know them by index. */
static int frame(struct engine *e, size_t at, uint32_t n)
{
    size_t need = at + n;
    if (need > e->regs_cap) {
        size_t cap = need + need / 2 + 64;
        struct sn_zv *regs = sn_alloc(cap * sizeof(*regs));
        if (!regs) return SN_E_NOMEM;
        if (e->regs) {
            memcpy(regs, e->regs, e->regs_cap * sizeof(*regs));
            explicit_bzero(e->regs, e->regs_cap * sizeof(*regs));
        }
        sn_free(e->regs);
        e->regs = regs;
        e->regs_cap = cap;
    }
    if (n) memset(e->regs + at, 0, n * sizeof(*e->regs));
    return 0;
}

static int run(struct engine *e, const struct sn_wcode *code, const struct sn_winstance *inst,
               uint64_t base, size_t regs_at);

static int call(struct engine *e, const struct sn_wins *i, size_t regs_at, uint32_t n_regs)
{
    const struct sn_wcode *fn = &e->p->functions[i->c];
    size_t to = regs_at + n_regs;
    int r = frame(e, to, fn->n_regs);
    if (r < 0) return r;
    memcpy(e->regs + to, e->regs + regs_at + i->a, fn->n_args * sizeof(struct sn_zv));
    if ((r = run(e, fn, NULL, e->base, to)) < 0) return r;
    memcpy(e->regs + regs_at + i->d, e->regs + to + fn->ret_at, fn->n_ret * sizeof(struct sn_zv));
    return 0;
}

static int run_sub(struct engine *e, const struct sn_winstance *inst, const struct sn_wins *i,
                   size_t regs_at)
{
    const struct sn_wsub *sub = &inst->subs[i->c];
    const struct sn_winstance *to = &e->p->instances[sub->instance];
    uint64_t base = e->base;
    size_t at = regs_at + inst->code.n_regs;
    int r = frame(e, at, to->code.n_regs);
    if (r == 0) r = run(e, &to->code, to, base + sub->offset, at);
    e->base = base;
    return r;
}

/* Both small, and so is the result. Fields of less than 64 bits reduce: not here. */
static SN_ALWAYS_INLINE bool arith_small(uint32_t op, int64_t a, int64_t b, int64_t *ret)
{
    bool ok = false;
    if (op == SN_ZOP_ADD)
        ok = (*ret = a + b, true);
    else if (op == SN_ZOP_SUB)
        ok = (*ret = a - b, true);
    else if (op == SN_ZOP_MUL)
        ok = !__builtin_mul_overflow(a, b, ret);
    return ok && *ret <= SN_ZV_SMALL_MAX && *ret >= -SN_ZV_SMALL_MAX;
}
/* One small operand that is 0 or 1: bits times powers, sums that begin with nothing. */
static SN_ALWAYS_INLINE bool arith_unit(uint32_t op, struct sn_zv *d, const struct sn_zv *a,
                                        const struct sn_zv *b)
{
    if (op == SN_ZOP_MUL) {
        const struct sn_zv *small = a->kind == SN_ZV_SMALL ? a : b;
        if ((uint64_t)small->s > 1) return false;
        *d = small->s == 0 ? sn_zv_small(0) : small == a ? *b : *a;
        return true;
    }
    if (op == SN_ZOP_ADD && a->kind == SN_ZV_SMALL && a->s == 0)
        *d = *b;
    else if ((op == SN_ZOP_ADD || op == SN_ZOP_SUB) && b->kind == SN_ZV_SMALL && b->s == 0)
        *d = *a;
    else
        return false;
    return true;
}
/* The frequent cases; the rest is sn_zv_op's. */
static inline int arith(const struct sn_field *f, uint32_t op, struct sn_zv *d,
                        const struct sn_zv *a, const struct sn_zv *b)
{
    if (SN_LIKELY((a->kind | b->kind) == SN_ZV_SMALL && f->bits > 64)) {
        int64_t r;
        if (arith_small(op, a->s, b->s, &r)) {
            d->kind = SN_ZV_SMALL;
            d->s = r;
            return 0;
        }
    } else if (a->kind == SN_ZV_FE && b->kind == SN_ZV_FE) {
        if (op == SN_ZOP_MUL)
            sn_fe_mul(f, &d->m, &a->m, &b->m);
        else if (op == SN_ZOP_ADD)
            sn_fe_add(f, &d->m, &a->m, &b->m);
        else if (op == SN_ZOP_SUB)
            sn_fe_sub(f, &d->m, &a->m, &b->m);
        else
            return sn_zv_op(f, (enum sn_zop)op, d, a, b);
        d->kind = SN_ZV_FE;
        return 0;
    } else if (op <= SN_ZOP_MUL && a->kind != b->kind && arith_unit(op, d, a, b)) {
        return 0;
    }
    return sn_zv_op(f, (enum sn_zop)op, d, a, b);
}

/* Bit k. Decompositions ask for one bit of the same element after the other. */
static uint64_t bit(struct engine *e, const struct sn_zv *a, uint32_t k)
{
    if (a->kind == SN_ZV_SMALL && a->s >= 0) return k > 62 ? 0 : (uint64_t)a->s >> k & 1;
    struct sn_fe m;
    sn_zv_fe(e->p->field, &m, a);
    if (!sn_fe_equal(&m, &e->bits[0])) {
        sn_fe_from_mont(e->p->field, &e->bits[1], &m);
        e->bits[0] = m;
    }
    return k > 255 ? 0 : e->bits[1].v[k / 64] >> k % 64 & 1;
}

static void copy(struct sn_zv *d, const struct sn_zv *a, const struct sn_wins *i)
{
    ptrdiff_t step_d = SN_WSTEP_D(i->b), step_a = SN_WSTEP_A(i->b);
    for (uint32_t n = i->c; n > 0; n--, d += step_d, a += step_a) *d = *a;
}

/* Jumps, calls and components pay for the code they lead to. */
static bool spend(struct engine *e, uint32_t n)
{
    e->steps += n + 1u;
    return e->steps <= (e->o && e->o->steps_max ? e->o->steps_max : SN_WITNESS_STEPS_MAX);
}

#define ARG(x) (bases[(x) >> 30] + SN_WARG_INDEX(x))

/* long: one case for each instruction. */
static int run(struct engine *e, const struct sn_wcode *code, const struct sn_winstance *inst,
               uint64_t base, size_t regs_at)
{
    const struct sn_field *f = e->p->field;
    if (++e->calls > SN_WITNESS_CALLS_MAX)
        return sn_fail(SN_E_DEPTH, "more than %u functions within each other",
                       SN_WITNESS_CALLS_MAX);
    e->base = base;
    struct sn_zv *bases[4] = {e->regs + regs_at, (struct sn_zv *)(uintptr_t)e->p->consts,
                              e->sig + base, NULL};
    uint32_t pc = 0;
    int r = 0;
    for (; pc < code->n; pc++) {
        const struct sn_wins *i = &code->ins[pc];
        if (i->op < SN_ZOP_N) {
            r = arith(f, i->op, ARG(i->d), ARG(i->a), ARG(i->b));
            if (SN_UNLIKELY(r < 0)) return failed(e, code, pc, r, "division by zero");
            continue;
        }
        switch (i->op) {
        case SN_WOP_MOV: *ARG(i->d) = *ARG(i->a); break;
        case SN_WOP_COPY: copy(ARG(i->d), ARG(i->a), i); break;
        case SN_WOP_BIT: *ARG(i->d) = sn_zv_small((int64_t)bit(e, ARG(i->a), i->c)); break;
        case SN_WOP_SELECT: *ARG(i->d) = sn_zv_is_zero(ARG(i->a)) ? *ARG(i->c) : *ARG(i->b); break;
        case SN_WOP_BOUND: {
            int64_t k = sn_zv_index(f, ARG(i->a), i->c);
            if (k < 0) return failed(e, code, pc, SN_E_OUT_OF_RANGE, "index out of range");
            *ARG(i->d) = sn_zv_small(k);
            break;
        }
        case SN_WOP_LOAD: {
            int64_t k = ARG(i->b)->s;
            if ((uint64_t)k >= i->c)
                return failed(e, code, pc, SN_E_OUT_OF_RANGE, "index out of range");
            *ARG(i->d) = ARG(i->a)[k];
            break;
        }
        case SN_WOP_STORE: {
            int64_t k = ARG(i->a)->s;
            if ((uint64_t)k >= i->c)
                return failed(e, code, pc, SN_E_OUT_OF_RANGE, "index out of range");
            ARG(i->d)[k] = *ARG(i->b);
            break;
        }
        case SN_WOP_JZ:
            if (sn_zv_is_zero(ARG(i->a))) pc = i->c - 1;
            break;
        case SN_WOP_JMP:
            if (!spend(e, code->n))
                return failed(e, code, pc, SN_E_RESOURCE_EXHAUSTED, "too many steps");
            pc = i->c - 1;
            break;
        case SN_WOP_CHECK:
            if (!sn_zv_equal(f, ARG(i->a), ARG(i->b)))
                return failed(e, code, pc, SN_E_FAILED_PRECONDITION, "constraint not satisfied");
            break;
        case SN_WOP_ASSERT:
            if (sn_zv_is_zero(ARG(i->a)))
                return failed(e, code, pc, SN_E_FAILED_PRECONDITION, "assert failed");
            break;
        case SN_WOP_RUN:
            if (!spend(e, e->p->instances[inst->subs[i->c].instance].code.n))
                return failed(e, code, pc, SN_E_RESOURCE_EXHAUSTED, "too many steps");
            if ((r = run_sub(e, inst, i, regs_at)) < 0) return r;
            bases[0] = e->regs + regs_at;
            break;
        case SN_WOP_CALL:
            if (!spend(e, e->p->functions[i->c].n))
                return failed(e, code, pc, SN_E_RESOURCE_EXHAUSTED, "too many steps");
            if ((r = call(e, i, regs_at, code->n_regs)) < 0) return r;
            bases[0] = e->regs + regs_at;
            break;
        case SN_WOP_RET: pc = code->n - 1; break;
        case SN_WOP_LOG_NUM: log_number(e, ARG(i->a)); break;
        case SN_WOP_LOG_STR: (void)sn_buf_str(&e->line, e->p->strings[i->c]); break;
        default: log_end(e); break;
        }
    }
    e->calls--;
    return 0;
}

static void engine_done(struct engine *e)
{
    if (e->sig) explicit_bzero(e->sig, e->p->n_labels * sizeof(struct sn_zv));
    if (e->regs) explicit_bzero(e->regs, e->regs_cap * sizeof(struct sn_zv));
    explicit_bzero(e->bits, sizeof(e->bits));
    sn_free(e->sig);
    sn_free(e->regs);
    sn_buf_done(&e->line);
}

/* Every signal into e->sig. Owns: engine_done, also where it fails. */
static int solve(struct engine *e, const struct sn_fe *inputs)
{
    const struct sn_witness_prog *p = e->p;
    const struct sn_winstance *main = &p->instances[p->main];
    sn_buf_init(&e->line, 1u << 20);
    e->sig = sn_zalloc(p->n_labels, sizeof(struct sn_zv));
    int r = e->sig ? frame(e, 0, main->code.n_regs) : SN_E_NOMEM;
    if (r < 0) return r;
    e->sig[0] = sn_zv_small(1);
    for (uint32_t i = 0; i < p->n_inputs; i++)
        e->sig[p->first_input + i] = sn_zv_from_fe(p->field, &inputs[i]);
    return run(e, &main->code, main, 1, 0);
}

int sn_witness_run(const struct sn_witness_prog *p, const struct sn_fe *inputs,
                   const struct sn_witness_opts *o, struct sn_fe *ret)
{
    struct engine e = {.p = p, .o = o};
    int r = solve(&e, inputs);
    for (uint64_t i = 0; r == 0 && i < p->n_labels; i++) sn_zv_fe(p->field, &ret[i], &e.sig[i]);
    engine_done(&e);
    return r;
}

int sn_witness_run_wires(const struct sn_witness_prog *p, const struct sn_fe *inputs,
                         const struct sn_witness_opts *o, struct sn_fe *ret)
{
    struct engine e = {.p = p, .o = o};
    int r = solve(&e, inputs);
    uint64_t n = sn_witness_n_wires(p);
    for (uint64_t i = 0; r == 0 && i < n; i++)
        sn_zv_fe(p->field, &ret[i], &e.sig[p->wires ? p->wires[i] : i]);
    engine_done(&e);
    return r;
}

/* Values go out plain: the small ones never see Montgomery form. */
static int put_wtns(const struct engine *e, const struct sn_zk_sink *sink)
{
    const struct sn_field *f = e->p->field;
    uint64_t n = sn_witness_n_wires(e->p);
    uint32_t n8 = (f->bits + 63) / 64 * 8;
    struct sn_out o;
    if (n > SN_R1CS_WIRES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "a witness of %llu values", (unsigned long long)n);
    int r = sn_out_begin(&o, sink);
    if (r < 0) return r;
    sn_out_header(&o, "wtns", 2, 2);
    sn_out_section(&o, 1, 4 + n8 + 4);
    sn_out_u32(&o, n8);
    sn_out_put(&o, f->p.v, n8);
    sn_out_u32(&o, (uint32_t)n);
    sn_out_section(&o, 2, n * n8);
    for (uint64_t i = 0; i < n; i++) {
        const struct sn_zv *v = &e->sig[e->p->wires ? e->p->wires[i] : i];
        struct sn_fe plain;
        sn_zv_plain(f, &plain, v);
        sn_out_put(&o, plain.v, n8);
    }
    return sn_out_end(&o);
}

int sn_witness_run_wtns(const struct sn_witness_prog *p, const struct sn_fe *inputs,
                        const struct sn_witness_opts *o, const struct sn_zk_sink *out)
{
    struct engine e = {.p = p, .o = o};
    int r = solve(&e, inputs);
    if (r == 0) r = put_wtns(&e, out);
    engine_done(&e);
    return r;
}

const struct sn_witness_shape *sn_witness_inputs(const struct sn_witness_prog *p, size_t *ret_n)
{
    *ret_n = p->n_shapes;
    return p->inputs;
}
const struct sn_field *sn_witness_field(const struct sn_witness_prog *p) { return p->field; }
uint64_t sn_witness_n_labels(const struct sn_witness_prog *p) { return p->n_labels; }
uint32_t sn_witness_n_inputs(const struct sn_witness_prog *p, uint32_t *ret_first)
{
    *ret_first = p->first_input;
    return p->n_inputs;
}
uint64_t sn_witness_n_wires(const struct sn_witness_prog *p)
{
    return p->wires ? p->n_wires : p->n_labels;
}
