/* SPDX-License-Identifier: Apache-2.0 */
/* zk/witness/engine.c - the interpreter of witness programs. */
#include "core/alloc.h"
#include "core/status.h"
#include "zk/bin.h"
#include "zk/witness/levels_int.h"

/* A number is a small integer in s, or FE there and an element in m: circuits made of bits touch
 * eight bytes a signal, and m stays unmapped. */
#define FE INT64_MIN
struct slots {
    int64_t *s;
    struct sn_fe *m;
};
struct engine {
    const struct sn_witness_prog *p;
    const struct sn_witness_opts *o;
    struct slots sig; /* by label */
    struct slots consts, regs;
    size_t regs_cap;
    uint64_t steps, steps_max;
    unsigned calls;
    struct sn_buf line;
    uint64_t base; /* label of the running component's first signal */
    struct sn_wdivisors *learn; /* where divisors are collected: failures do not end such a run */
    struct sn_fe bits[2]; /* the element last taken apart, and the same as an integer */
    const struct sn_par *par; /* where heavy components run beside each other; NULL: nowhere */
    struct sn_wheavy heavy;   /* with par */
    uint64_t *cost;           /* heavy.cost, owned */
};

/* The instruction that computed register x before `at`; -1 where more than one may have. */
static int64_t computed_at(const struct sn_wcode *code, uint32_t at, uint32_t x)
{
    while (at-- > 0) {
        const struct sn_wins *i = &code->ins[at];
        bool writes = i->op <= SN_WOP_LOAD || i->op == SN_WOP_BIT;
        if (writes && i->d == x) return at;
        if (!writes && i->op != SN_WOP_CHECK && i->op != SN_WOP_ASSERT && i->op != SN_WOP_COPY &&
            i->op != SN_WOP_RUN)
            return -1;
    }
    return -1;
}
/* Appends the signals that what failed at `at` was computed from, the first few of them. */
static void put_signals(const struct engine *e, const struct sn_wcode *code, uint32_t at,
                        struct sn_buf *out)
{
    enum { SHOWN = 4, LOOKED_AT = 64 };
    struct {
        uint32_t arg, at;
    } todo[LOOKED_AT];
    uint64_t shown[SHOWN];
    unsigned n = 0, k = 0, done = 0;
#define LOOK_AT(x, before) \
    if (n < LOOKED_AT) todo[n].arg = (x), todo[n++].at = (before)
    LOOK_AT(code->ins[at].a, at);
    if (code->ins[at].op == SN_WOP_CHECK) LOOK_AT(code->ins[at].b, at);
    for (; k < n; k++) {
        uint32_t arg = todo[k].arg;
        if (arg >> 30 == SN_WARG_SIGNAL) {
            uint64_t label = e->base + SN_WARG_INDEX(arg);
            bool again = false;
            for (unsigned s = 0; s < done; s++) again |= shown[s] == label;
            if (again) continue;
            if (done == SHOWN) break;
            (void)sn_buf_cstr(out, done == 0 ? "; signals " : ", ");
            sn_wlabel_name(e->p, label, out);
            shown[done++] = label;
        } else if (arg >> 30 == SN_WARG_REG) {
            int64_t from = computed_at(code, todo[k].at, arg);
            if (from < 0) continue;
            const struct sn_wins *i = &code->ins[from];
            LOOK_AT(i->a, (uint32_t)from);
            if (i->op < SN_ZOP_NEG || i->op == SN_WOP_SELECT) LOOK_AT(i->b, (uint32_t)from);
            if (i->op == SN_WOP_SELECT) LOOK_AT(i->c, (uint32_t)from);
        }
    }
#undef LOOK_AT
    if (k < n) (void)sn_buf_cstr(out, ", ...");
}
static SN_NOINLINE SN_COLD int failed(struct engine *e, const struct sn_wcode *code, uint32_t at,
                                      int status, const char *what)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    sn_wplace_text(e->p, code->place[at], e->base, &b);
    put_signals(e, code, at, &b);
    int r = sn_fail(status, "%s: %.*s", what, (int)b.len, b.ptr ? (const char *)b.ptr : "");
    sn_buf_done(&b);
    return r;
}

/* ---- numbers --------------------------------------------------------------------------------- */

static struct sn_zv get(struct slots a, size_t i)
{
    if (a.s[i] != FE) return sn_zv_small(a.s[i]);
    return (struct sn_zv){.kind = SN_ZV_FE, .m = a.m[i]};
}
static void set(struct slots d, size_t i, const struct sn_zv *v)
{
    d.s[i] = v->kind == SN_ZV_FE ? FE : v->s;
    if (v->kind == SN_ZV_FE) d.m[i] = v->m;
}
static SN_ALWAYS_INLINE void move(struct slots d, size_t i, struct slots a, size_t k)
{
    d.s[i] = a.s[k];
    if (a.s[k] == FE) d.m[i] = a.m[k];
}
static bool is_zero(struct slots a, size_t i)
{
    return a.s[i] == FE ? sn_fe_is_zero(&a.m[i]) : a.s[i] == 0;
}
static void element(const struct sn_field *f, struct sn_fe *ret, struct slots a, size_t i)
{
    int64_t s = a.s[i];
    if (s == FE)
        *ret = a.m[i];
    else if (s == 0)
        *ret = (struct sn_fe){{0}};
    else if (s == 1)
        *ret = f->one;
    else
        sn_fe_set_i64(f, ret, s);
}
static int slots_init(struct slots *a, size_t n)
{
    a->s = sn_zalloc(n + 1, sizeof(*a->s));
    a->m = sn_alloc((n + 1) * sizeof(*a->m));
    return a->s && a->m ? 0 : SN_E_NOMEM;
}
/* Every signal is written once, so an element is behind FE or nowhere; registers are not. The compiler is told that
 * the zeros are read. */
static void slots_done(struct slots *a, size_t n, bool all)
{
    for (size_t i = 0; !all && a->s && a->m && i < n; i++)
        if (a->s[i] == FE) a->m[i] = (struct sn_fe){{0}};
    __asm__ volatile("" : : "r"(a->m) : "memory");
    if (all && a->m) explicit_bzero(a->m, n * sizeof(*a->m));
    if (a->s) explicit_bzero(a->s, n * sizeof(*a->s));
    sn_free(a->s);
    sn_free(a->m);
    *a = (struct slots){0};
}

/* ---- log ------------------------------------------------------------------------------------- */

static void log_number(struct engine *e, struct slots a, size_t i)
{
    char text[SN_FE_DEC_MAX];
    struct sn_fe m;
    element(e->p->field, &m, a, i);
    size_t n = sn_fe_to_dec(e->p->field, &m, text);
    (void)sn_buf_put(&e->line, text, n);
}
static void log_end(struct engine *e)
{
    if (e->o && e->o->log) e->o->log(e->o->ctx, sn_buf_view(&e->line));
    sn_buf_reset(&e->line);
}

/* ---- frames ---------------------------------------------------------------------------------- */

/* Registers from `at` on for one more frame. They may move: frames know them by index. */
static int frame(struct engine *e, size_t at, uint32_t n)
{
    size_t need = at + n;
    if (need > e->regs_cap || !e->regs.s) {
        size_t cap = need + need / 2 + 64;
        struct slots grown;
        int r = slots_init(&grown, cap);
        if (r == 0 && e->regs.s) {
            memcpy(grown.s, e->regs.s, at * sizeof(*grown.s));
            memcpy(grown.m, e->regs.m, at * sizeof(*grown.m));
        }
        if (r < 0) {
            slots_done(&grown, 0, true);
            return r;
        }
        slots_done(&e->regs, e->regs_cap, true);
        e->regs = grown;
        e->regs_cap = cap;
    }
    if (n) memset(e->regs.s + at, 0, n * sizeof(*e->regs.s));
    return 0;
}

/* Jumps, calls and components pay for the code they lead to. */
static bool spend(struct engine *e, uint32_t n)
{
    e->steps += n + 1u;
    return e->steps <= e->steps_max;
}

static int run(struct engine *e, const struct sn_wcode *code, const struct sn_winstance *inst,
               uint64_t base, size_t regs_at);

static int run_instance(struct engine *e, const struct sn_winstance *inst, uint64_t base,
                        size_t regs_at);

static int call(struct engine *e, const struct sn_wins *i, size_t regs_at, uint32_t n_regs)
{
    const struct sn_wcode *fn = &e->p->functions[i->c];
    size_t to = regs_at + n_regs;
    int r = frame(e, to, fn->n_regs);
    if (r < 0) return r;
    for (uint32_t k = 0; k < fn->n_args; k++) move(e->regs, to + k, e->regs, regs_at + i->a + k);
    if ((r = run(e, fn, NULL, e->base, to)) < 0) return r;
    for (uint32_t k = 0; k < fn->n_ret; k++)
        move(e->regs, regs_at + i->d + k, e->regs, to + fn->ret_at + k);
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
    if (r == 0) r = run_instance(e, to, base + sub->offset, at);
    e->base = base;
    return r;
}

/* Components that run at the same time: each with registers of its own, all with the signals. */
struct beside {
    struct engine *e;
    const struct sn_winstance *inst;
    const uint32_t *subs;
    uint64_t base, *steps;
    int *status;
};
static void beside_job(void *arg, size_t j)
{
    struct beside *b = arg;
    const struct sn_wsub *sub = &b->inst->subs[b->subs[j]];
    const struct sn_winstance *to = &b->e->p->instances[sub->instance];
    struct engine e = {.p = b->e->p,
                       .sig = b->e->sig,
                       .consts = b->e->consts,
                       .steps_max = b->e->steps_max - b->e->steps,
                       .calls = b->e->calls};
    int r = frame(&e, 0, to->code.n_regs);
    if (r == 0) r = run(&e, &to->code, to, b->base + sub->offset, 0);
    b->status[j] = r;
    b->steps[j] = e.steps;
    slots_done(&e.regs, e.regs_cap, true);
    explicit_bzero(e.bits, sizeof(e.bits));
}
static int run_beside(struct engine *e, const struct sn_winstance *inst, uint64_t base,
                      const uint32_t *subs, uint32_t n)
{
    uint64_t *steps SN_CLEANUP(sn_freep) = sn_zalloc(n, sizeof(*steps));
    int *status SN_CLEANUP(sn_freep) = sn_zalloc(n, sizeof(*status));
    struct beside b = {e, inst, subs, base, steps, status};
    int r = 0;
    if (!steps || !status) return SN_E_NOMEM;
    sn_par_run(e->par, beside_job, &b, n);
    for (uint32_t i = 0; i < n; i++) {
        e->steps += steps[i];
        if (r == 0) r = status[i];
    }
    return r == 0 && e->steps > e->steps_max ? SN_E_RESOURCE_EXHAUSTED : r;
}
static int run_levels(struct engine *e, const struct sn_winstance *inst, uint64_t base,
                      size_t regs_at, const struct sn_wlevels *l)
{
    uint32_t ins = 0, sub = 0;
    int r = 0;
    for (uint32_t k = 0; r == 0 && k < l->n_levels; k++) {
        struct sn_wcode code = inst->code;
        uint32_t n = l->level[k].subs_end - sub;
        for (uint32_t i = sub; i < sub + n; i++)
            if (!spend(e, e->p->instances[inst->subs[l->subs[i]].instance].code.n))
                return SN_E_RESOURCE_EXHAUSTED;
        code.ins = l->ins + ins;
        code.n = l->level[k].ins_end - ins;
        r = run(e, &code, inst, base, regs_at);
        if (r == 0 && n == 1)
            r = run_sub(e, inst, &(struct sn_wins){.op = SN_WOP_RUN, .c = l->subs[sub]}, regs_at);
        else if (r == 0 && n > 1)
            r = run_beside(e, inst, base, l->subs + sub, n);
        ins = l->level[k].ins_end;
        sub = l->level[k].subs_end;
    }
    return r;
}
static int run_instance(struct engine *e, const struct sn_winstance *inst, uint64_t base,
                        size_t regs_at)
{
    struct sn_wlevels l;
    if (!e->par || e->heavy.cost[inst - e->p->instances] < 2 * e->heavy.min)
        return run(e, &inst->code, inst, base, regs_at);
    int r = sn_wlevels_make(e->p, inst, e->heavy, &l);
    if (r == 0) return run(e, &inst->code, inst, base, regs_at);
    if (r < 0) return r;
    r = run_levels(e, inst, base, regs_at, &l);
    sn_wlevels_done(&l);
    return r;
}

/* ---- instructions ---------------------------------------------------------------------------- */

/* One small operand that is 0 or 1: bits times powers, sums that begin with nothing. */
static bool unit_op(uint32_t op, struct slots d, size_t i, struct slots a, size_t j, struct slots b,
                    size_t k)
{
    int64_t x = a.s[j], y = b.s[k], small = x == FE ? y : x;
    if (op == SN_ZOP_MUL) {
        if ((uint64_t)small > 1) return false;
        if (small == 0)
            d.s[i] = 0;
        else if (x == FE)
            move(d, i, a, j);
        else
            move(d, i, b, k);
        return true;
    }
    if (op == SN_ZOP_ADD && x == 0)
        move(d, i, b, k);
    else if ((op == SN_ZOP_ADD || op == SN_ZOP_SUB) && y == 0)
        move(d, i, a, j);
    else
        return false;
    return true;
}
/* Any operator on any numbers; run() has done what is quick. */
static SN_NOINLINE int operate(const struct sn_field *f, uint32_t op, struct slots d, size_t i,
                               struct slots a, size_t j, struct slots b, size_t k)
{
    if (op <= SN_ZOP_MUL && (a.s[j] == FE) != (b.s[k] == FE) && unit_op(op, d, i, a, j, b, k))
        return 0;
    struct sn_zv x = get(a, j), y = op < SN_ZOP_NEG ? get(b, k) : sn_zv_small(0), r;
    int err = sn_zv_op(f, (enum sn_zop)op, &r, &x, &y);
    if (err == 0) set(d, i, &r);
    return err;
}

/* a / b by an inverse that the program knows; false where that takes an inversion. */
static bool divide_known(struct engine *e, struct slots d, size_t i, struct slots a, size_t j,
                         struct slots b, size_t k)
{
    struct sn_fe x, y;
    if (a.s[j] != FE && b.s[k] != FE && (b.s[k] == 0 || a.s[j] % b.s[k] == 0)) return false;
    element(e->p->field, &y, b, k);
    if (e->learn && !sn_fe_is_zero(&y) && e->learn->v.len < SN_WINVERSES_MAX)
        (void)sn_vec_push(&e->learn->v, y);
    if (!sn_winverse(e->p, &y, &y)) return false;
    element(e->p->field, &x, a, j);
    sn_fe_mul(e->p->field, &d.m[i], &x, &y);
    d.s[i] = FE;
    return true;
}

/* Bit k. Decompositions ask for one bit of the same element after the other. */
static int64_t bit(struct engine *e, struct slots a, size_t i, uint32_t k)
{
    if (a.s[i] >= 0) return k > 62 ? 0 : a.s[i] >> k & 1;
    struct sn_fe m;
    element(e->p->field, &m, a, i);
    if (!sn_fe_equal(&m, &e->bits[0])) {
        sn_fe_from_mont(e->p->field, &e->bits[1], &m);
        e->bits[0] = m;
    }
    return k > 255 ? 0 : (int64_t)(e->bits[1].v[k / 64] >> k % 64 & 1);
}

static void copy(struct slots sig, const struct sn_wins *i)
{
    ptrdiff_t step_d = SN_WSTEP_D(i->b), step_a = SN_WSTEP_A(i->b);
    ptrdiff_t d = SN_WARG_INDEX(i->d), a = SN_WARG_INDEX(i->a);
    for (uint32_t n = i->c; n > 0; n--, d += step_d, a += step_a) {
        int64_t s = sig.s[a];
        sig.s[d] = s;
        if (SN_UNLIKELY(s == FE)) sig.m[d] = sig.m[a];
    }
}

static bool equal(const struct sn_field *f, struct slots a, size_t i, struct slots b, size_t k)
{
    if (a.s[i] == b.s[k] && a.s[i] != FE) return true;
    struct sn_fe x, y;
    if (a.s[i] != FE && b.s[k] != FE && f->bits > 64) return false;
    element(f, &x, a, i);
    element(f, &y, b, k);
    return sn_fe_equal(&x, &y);
}

#define BANK(x) (bank[(x) >> 30])
#define AT(x) SN_WARG_INDEX(x)
#define ARG(x) BANK(x), AT(x)
#define INT(x) (BANK(x).s[AT(x)])
#define ELEMENT(x) (&BANK(x).m[AT(x)])
/* Of constants m is the element also where s is small; sums with 0 and products with 0 and 1 are cheaper than that. */
#define IS_ELEMENT(x, v, units) ((v) == FE || ((x) >> 30 == SN_WARG_CONST && (uint64_t)(v) >= (units)))
/* Both small and the result too; both elements; or whatever it is. */
#define ARITH(small, fe, units)                                                                    \
    {                                                                                       \
        int64_t x = INT(i->a), y = INT(i->b), z;                                            \
        if (SN_LIKELY(x != FE && y != FE)) {                                                \
            if (big && (small) && z <= SN_ZV_SMALL_MAX && z >= -SN_ZV_SMALL_MAX) {          \
                INT(i->d) = z;                                                              \
                break;                                                                      \
            }                                                                               \
        } else if (IS_ELEMENT(i->a, x, units) && IS_ELEMENT(i->b, y, units)) {              \
            fe(f, ELEMENT(i->d), ELEMENT(i->a), ELEMENT(i->b));                             \
            INT(i->d) = FE;                                                                 \
            break;                                                                          \
        }                                                                                   \
        (void)operate(f, i->op, ARG(i->d), ARG(i->a), ARG(i->b)); /* these do not fail */   \
        break;                                                                              \
    }

/* long: one case for each instruction. */
static int run(struct engine *e, const struct sn_wcode *code, const struct sn_winstance *inst,
               uint64_t base, size_t regs_at)
{
    const struct sn_field *f = e->p->field;
    const bool big = f->bits > 64; /* small integers and their sums are below the modulus */
    if (++e->calls > SN_WITNESS_CALLS_MAX)
        return sn_fail(SN_E_DEPTH, "more than %u functions within each other",
                       SN_WITNESS_CALLS_MAX);
    e->base = base;
    struct slots bank[4] = {{e->regs.s + regs_at, e->regs.m + regs_at},
                            e->consts,
                            {e->sig.s + base, e->sig.m + base},
                            {0}};
    int r = 0;
    for (uint32_t pc = 0; pc < code->n; pc++) {
        const struct sn_wins *i = &code->ins[pc];
        switch (i->op) {
        case SN_ZOP_ADD: ARITH((z = x + y, true), sn_fe_add, 1)
        case SN_ZOP_SUB: ARITH((z = x - y, true), sn_fe_sub, 1)
        case SN_ZOP_MUL: ARITH(!__builtin_mul_overflow(x, y, &z), sn_fe_mul, 2)
        case SN_WOP_MOV: move(ARG(i->d), ARG(i->a)); break;
        case SN_WOP_COPY: copy(bank[SN_WARG_SIGNAL], i); break;
        case SN_WOP_BIT: INT(i->d) = bit(e, ARG(i->a), i->c); break;
        case SN_WOP_SELECT:
            if (is_zero(ARG(i->a)))
                move(ARG(i->d), ARG(i->c));
            else
                move(ARG(i->d), ARG(i->b));
            break;
        case SN_WOP_BOUND: {
            struct sn_zv v = get(ARG(i->a));
            int64_t k = sn_zv_index(f, &v, i->c);
            if (k < 0) return failed(e, code, pc, SN_E_OUT_OF_RANGE, "index out of range");
            INT(i->d) = k;
            break;
        }
        case SN_WOP_LOAD:
            if ((uint64_t)INT(i->b) >= i->c)
                return failed(e, code, pc, SN_E_OUT_OF_RANGE, "index out of range");
            move(ARG(i->d), BANK(i->a), AT(i->a) + (size_t)INT(i->b));
            break;
        case SN_WOP_STORE:
            if ((uint64_t)INT(i->a) >= i->c)
                return failed(e, code, pc, SN_E_OUT_OF_RANGE, "index out of range");
            move(BANK(i->d), AT(i->d) + (size_t)INT(i->a), ARG(i->b));
            break;
        case SN_WOP_JZ:
            if (!is_zero(ARG(i->a))) break;
            if (i->c <= pc && !spend(e, code->n)) /* no compiler's loop, a damaged file's */
                return failed(e, code, pc, SN_E_RESOURCE_EXHAUSTED, "too many steps");
            pc = i->c - 1;
            break;
        case SN_WOP_JMP:
            if (!spend(e, code->n))
                return failed(e, code, pc, SN_E_RESOURCE_EXHAUSTED, "too many steps");
            pc = i->c - 1;
            break;
        case SN_WOP_CHECK:
            if (!equal(f, ARG(i->a), ARG(i->b)) && !e->learn)
                return failed(e, code, pc, SN_E_FAILED_PRECONDITION, "constraint not satisfied");
            break;
        case SN_WOP_ASSERT:
            if (is_zero(ARG(i->a)) && !e->learn)
                return failed(e, code, pc, SN_E_FAILED_PRECONDITION, "assert failed");
            break;
        case SN_WOP_RUN:
            if (!spend(e, e->p->instances[inst->subs[i->c].instance].code.n))
                return failed(e, code, pc, SN_E_RESOURCE_EXHAUSTED, "too many steps");
            if ((r = run_sub(e, inst, i, regs_at)) < 0) return r;
            bank[0] = (struct slots){e->regs.s + regs_at, e->regs.m + regs_at};
            break;
        case SN_WOP_CALL:
            if (!spend(e, e->p->functions[i->c].n))
                return failed(e, code, pc, SN_E_RESOURCE_EXHAUSTED, "too many steps");
            if ((r = call(e, i, regs_at, code->n_regs)) < 0) return r;
            bank[0] = (struct slots){e->regs.s + regs_at, e->regs.m + regs_at};
            break;
        case SN_WOP_RET: pc = code->n - 1; break;
        case SN_WOP_LOG_NUM: log_number(e, ARG(i->a)); break;
        case SN_WOP_LOG_STR: (void)sn_buf_str(&e->line, e->p->strings[i->c]); break;
        case SN_WOP_LOG_END: log_end(e); break;
        case SN_ZOP_DIV:
            if (divide_known(e, ARG(i->d), ARG(i->a), ARG(i->b))) break;
            __attribute__((fallthrough));
        default:
            r = operate(f, i->op, ARG(i->d), ARG(i->a), ARG(i->b));
            if (SN_UNLIKELY(r < 0)) return failed(e, code, pc, r, "division by zero");
            break;
        }
    }
    e->calls--;
    return 0;
}

/* ---- entry ----------------------------------------------------------------------------------- */

/* Where the caller has threads to spare and the program something to do on them. */
static int engine_par(struct engine *e)
{
    const struct sn_par *par = e->o ? e->o->par : NULL;
    if (sn_par_width(par) < 2 || sn_wlogs(e->p)) return 0;
    e->heavy.min = e->o->par_min ? e->o->par_min : SN_WITNESS_PAR_MIN;
    e->heavy.cost = e->cost = sn_wcosts(e->p);
    if (!e->cost) return SN_E_NOMEM;
    if (e->cost[e->p->main] >= 2 * e->heavy.min) e->par = par;
    return 0;
}
static void engine_done(struct engine *e)
{
    slots_done(&e->sig, e->p->n_labels, false);
    slots_done(&e->regs, e->regs_cap, true);
    slots_done(&e->consts, 0, true);
    explicit_bzero(e->bits, sizeof(e->bits));
    sn_buf_done(&e->line);
    sn_free(e->cost);
    e->cost = NULL;
}

/* Every signal into e->sig. Owns: engine_done, also where it fails. */
static int solve_once(struct engine *e, const struct sn_fe *inputs)
{
    const struct sn_witness_prog *p = e->p;
    const struct sn_winstance *main = &p->instances[p->main];
    sn_buf_init(&e->line, 1u << 20);
    if (!e->steps_max) e->steps_max = e->o && e->o->steps_max ? e->o->steps_max : SN_WITNESS_STEPS_MAX;
    int r = slots_init(&e->sig, p->n_labels);
    if (r == 0) r = slots_init(&e->consts, p->n_consts);
    if (r == 0) r = frame(e, 0, main->code.n_regs);
    if (r < 0) return r;
    for (uint32_t i = 0; i < p->n_consts; i++) {
        set(e->consts, i, &p->consts[i]);
        sn_zv_fe(p->field, &e->consts.m[i], &p->consts[i]);
    }
    e->sig.s[0] = 1;
    for (uint32_t i = 0; i < p->n_inputs; i++) {
        struct sn_zv v = sn_zv_from_fe(p->field, &inputs[i]);
        set(e->sig, p->first_input + i, &v);
    }
    return run_instance(e, main, 1, 0);
}

/* With o->par heavy components run beside each other. Which of two failures comes first is then a matter
 * of luck, so whatever fails runs once more in order, for the same diagnostic each time. */
static int solve(struct engine *e, const struct sn_fe *inputs)
{
    int r = engine_par(e);
    if (r == 0) r = solve_once(e, inputs);
    if (r == 0 || !e->par) return r;
    struct engine again = {.p = e->p, .o = e->o};
    engine_done(e);
    *e = again;
    return solve_once(e, inputs);
}

int sn_witness_run(const struct sn_witness_prog *p, const struct sn_fe *inputs,
                   const struct sn_witness_opts *o, struct sn_fe *ret)
{
    struct engine e = {.p = p, .o = o};
    int r = solve(&e, inputs);
    for (uint64_t i = 0; r == 0 && i < p->n_labels; i++) element(p->field, &ret[i], e.sig, i);
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
        element(p->field, &ret[i], e.sig, p->wires ? p->wires[i] : i);
    engine_done(&e);
    return r;
}

int sn_wdivisors_run(const struct sn_witness_prog *p, const struct sn_fe *inputs,
                     uint64_t steps_max, struct sn_wdivisors *ret)
{
    struct engine e = {.p = p, .steps_max = steps_max, .learn = ret};
    int r = solve(&e, inputs);
    engine_done(&e);
    return r == SN_E_NOMEM ? r : 0;
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
        struct sn_zv v = get(e->sig, e->p->wires ? e->p->wires[i] : i);
        struct sn_fe plain;
        sn_zv_plain(f, &plain, &v);
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
