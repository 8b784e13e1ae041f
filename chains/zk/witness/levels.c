/* SPDX-License-Identifier: Apache-2.0 */
/* zk/witness/levels.c - code of one component in levels, from what each instruction reads and writes.
 *
 * An instruction's level is the highest of those it depends on: writers of what it reads, readers and
 * writers of what it writes, registers and signals alike. What depends on a heavy component is one
 * level further, so that a level's heavy components may run at the same time. */
#include "core/alloc.h"
#include "core/status.h"
#include "zk/witness/levels_int.h"

struct seen {
    uint32_t written, read; /* the highest level that did */
};
struct analysis {
    struct seen *of[3]; /* by SN_WARG_REG, SN_WARG_CONST (unused) and SN_WARG_SIGNAL */
    uint32_t level;     /* of the instruction at hand, so far */
};
typedef void use_fn(struct analysis *a, struct seen *s);

static void need_read(struct analysis *a, struct seen *s) { a->level = SN_MAX(a->level, s->written); }
static void need_write(struct analysis *a, struct seen *s)
{
    a->level = SN_MAX(a->level, SN_MAX(s->written, s->read));
}
static void did_read(struct analysis *a, struct seen *s) { s->read = SN_MAX(s->read, a->level); }
static void did_write(struct analysis *a, struct seen *s) { s->written = a->level; }

static void each(struct analysis *a, uint32_t arg, uint32_t n, ptrdiff_t step, use_fn *use)
{
    struct seen *s = a->of[arg >> 30];
    if (!s) return;
    s += SN_WARG_INDEX(arg);
    for (uint32_t i = 0; i < n; i++) use(a, s + (ptrdiff_t)i * step);
}
static void one(struct analysis *a, uint32_t arg, use_fn *use) { each(a, arg, 1, 1, use); }

/* All that an instruction reads and writes. Returns false for those that decide what comes next. */
static bool uses(struct analysis *a, const struct sn_witness_prog *p, const struct sn_wins *i,
                 use_fn *read, use_fn *write)
{
    switch (i->op) {
    case SN_WOP_SELECT: one(a, i->c, read); break;
    case SN_WOP_LOAD: each(a, i->a, i->c, 1, read); break;
    case SN_WOP_STORE:
        each(a, i->d, i->c, 1, write);
        one(a, i->a, read);
        one(a, i->b, read);
        return true;
    case SN_WOP_COPY:
        each(a, i->a, i->c, SN_WSTEP_A(i->b), read);
        each(a, i->d, i->c, SN_WSTEP_D(i->b), write);
        return true;
    case SN_WOP_CALL:
        each(a, SN_WARG(SN_WARG_REG, i->a), p->functions[i->c].n_args, 1, read);
        each(a, SN_WARG(SN_WARG_REG, i->d), p->functions[i->c].n_ret, 1, write);
        return true;
    case SN_WOP_CHECK:
    case SN_WOP_ASSERT:
    case SN_WOP_MOV:
    case SN_WOP_BOUND:
    case SN_WOP_BIT: break;
    default:
        if (i->op >= SN_ZOP_N) return false;
        break;
    }
    one(a, i->a, read);
    if (i->op < SN_ZOP_NEG || i->op == SN_WOP_SELECT || i->op == SN_WOP_LOAD || i->op == SN_WOP_CHECK)
        one(a, i->b, read);
    if (i->op != SN_WOP_CHECK && i->op != SN_WOP_ASSERT) one(a, i->d, write);
    return true;
}

/* A sub-component reads and writes what is its own, which is most of all signals: once over them before
 * and once behind. */
static void need_sub(struct analysis *a, const struct sn_wsub *sub, uint32_t n)
{
    const struct seen *s = a->of[SN_WARG_SIGNAL] + sub->offset;
    uint32_t level = 0;
    for (uint32_t i = 0; i < n; i++) level = SN_MAX(level, SN_MAX(s[i].written, s[i].read));
    a->level = level;
}
static void did_sub(struct analysis *a, const struct sn_wsub *sub, uint32_t n)
{
    struct seen *s = a->of[SN_WARG_SIGNAL] + sub->offset;
    for (uint32_t i = 0; i < n; i++) s[i] = (struct seen){a->level, a->level};
}

static bool is_heavy(const struct sn_winstance *inst, const struct sn_wins *i, struct sn_wheavy h)
{
    return i->op == SN_WOP_RUN && h.cost[inst->subs[i->c].instance] >= h.min;
}
/* The level of each instruction. Returns how many there are, 0 where that cannot be said or says that
 * heavy components come one after the other. */
static uint32_t find_levels(struct analysis *a, const struct sn_witness_prog *p,
                            const struct sn_winstance *inst, struct sn_wheavy h, uint32_t *ret)
{
    uint32_t n_heavy = 0, heavy_levels = 0, levels = 0;
    for (uint32_t k = 0; k < inst->code.n; k++) {
        const struct sn_wins *i = &inst->code.ins[k];
        bool heavy = is_heavy(inst, i, h);
        a->level = 0;
        if (i->op == SN_WOP_RUN) {
            const struct sn_wsub *sub = &inst->subs[i->c];
            uint32_t n = p->instances[sub->instance].size;
            need_sub(a, sub, n);
            ret[k] = a->level;
            a->level += heavy; /* it runs when its level's instructions have */
            did_sub(a, sub, n);
        } else {
            if (!uses(a, p, i, need_read, need_write)) return 0;
            ret[k] = a->level;
            (void)uses(a, p, i, did_read, did_write);
        }
        levels = SN_MAX(levels, ret[k] + 1);
        n_heavy += heavy;
        heavy_levels = SN_MAX(heavy_levels, heavy ? ret[k] + 1 : 0);
    }
    return n_heavy > heavy_levels ? levels : 0;
}
static int sort(struct sn_wlevels *l, const struct sn_winstance *inst, struct sn_wheavy h,
                const uint32_t *level_of)
{
    uint32_t n = inst->code.n, ins = 0, subs = 0;
    l->ins = sn_alloc((n + 1u) * sizeof(*l->ins));
    l->subs = sn_alloc((n + 1u) * sizeof(*l->subs));
    l->level = sn_zalloc(l->n_levels + 1u, sizeof(*l->level));
    if (!l->ins || !l->subs || !l->level) return SN_E_NOMEM;
    for (uint32_t k = 0; k < n; k++) { /* how many, one place up */
        bool heavy = is_heavy(inst, &inst->code.ins[k], h);
        l->level[level_of[k] + 1].subs_end += heavy;
        l->level[level_of[k] + 1].ins_end += !heavy;
    }
    for (uint32_t k = 1; k < l->n_levels; k++) { /* where each begins, one place up */
        l->level[k].ins_end += l->level[k - 1].ins_end;
        l->level[k].subs_end += l->level[k - 1].subs_end;
    }
    for (uint32_t k = 0; k < n; k++) {
        struct sn_wlevel *at = &l->level[level_of[k]];
        if (is_heavy(inst, &inst->code.ins[k], h))
            l->subs[at->subs_end++] = inst->code.ins[k].c, subs++;
        else
            l->ins[at->ins_end++] = inst->code.ins[k], ins++;
    }
    SN_DCHECK(ins + subs == n);
    return 1;
}

int sn_wlevels_make(const struct sn_witness_prog *p, const struct sn_winstance *inst,
                    struct sn_wheavy heavy, struct sn_wlevels *ret)
{
    uint32_t n_heavy = 0;
    for (uint32_t k = 0; k < inst->code.n; k++) n_heavy += is_heavy(inst, &inst->code.ins[k], heavy);
    if (n_heavy < 2) return 0;
    struct seen *regs SN_CLEANUP(sn_freep) = sn_zalloc(inst->code.n_regs + 1u, sizeof(*regs));
    struct seen *signals SN_CLEANUP(sn_freep) = sn_zalloc(inst->size + 1u, sizeof(*signals));
    uint32_t *level SN_CLEANUP(sn_freep) = sn_alloc((inst->code.n + 1u) * sizeof(*level));
    if (!regs || !signals || !level) return SN_E_NOMEM;
    struct analysis a = {.of = {[SN_WARG_REG] = regs, [SN_WARG_SIGNAL] = signals}};
    struct sn_wlevels l = {.n_levels = find_levels(&a, p, inst, heavy, level)};
    int r = l.n_levels ? sort(&l, inst, heavy, level) : 0;
    if (r > 0)
        *ret = l;
    else
        sn_wlevels_done(&l);
    return r;
}
void sn_wlevels_done(struct sn_wlevels *l)
{
    sn_free(l->ins);
    sn_free(l->subs);
    sn_free(l->level);
    *l = (struct sn_wlevels){0};
}

uint64_t *sn_wcosts(const struct sn_witness_prog *p)
{
    uint64_t *cost = sn_zalloc(p->n_instances + 1u, sizeof(*cost));
    for (uint32_t i = 0; cost && i < p->n_instances; i++) {
        const struct sn_winstance *inst = &p->instances[i];
        cost[i] = inst->code.n;
        for (uint32_t k = 0; k < inst->n_subs; k++) /* sub-components come first; see prog.h */
            cost[i] = SN_MIN(cost[i] + cost[inst->subs[k].instance], UINT64_C(1) << 40);
    }
    return cost;
}
bool sn_wlogs(const struct sn_witness_prog *p)
{
    for (uint32_t i = 0; i < p->n_instances + p->n_functions; i++) {
        const struct sn_wcode *c =
            i < p->n_instances ? &p->instances[i].code : &p->functions[i - p->n_instances];
        for (uint32_t k = 0; k < c->n; k++)
            if (c->ins[k].op >= SN_WOP_LOG_NUM && c->ins[k].op <= SN_WOP_LOG_END) return true;
    }
    return false;
}
