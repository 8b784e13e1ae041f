/* SPDX-License-Identifier: Apache-2.0 */
/* Code generation. The numbers of an architecture are cut into intervals of equal outcome, and a
 * balanced tree of "at least" comparisons finds the interval: an allow list of 350 calls is some 60
 * intervals, six comparisons deep. Equal outcomes are one piece of code.
 *
 * Jumps of classic BPF go forward only, and conditional ones at most 255 instructions. The program
 * is therefore built from its end, where every target is known; a target out of reach gets a stub
 * beside the jump: a copy where it is a return, else an unconditional jump. */
#include <errno.h>
#include <linux/seccomp.h>

#include "core/status.h"
#include "seccomp/seccomp_int.h"

#define SC_REACH 255
#define SC_RET_CACHE \
    64 /* returns remembered for reuse; more distinct actions are only longer code */

/* A position counts instructions from the end; a jump at p to t skips p - t - 1. */
struct sc_code {
    struct sock_filter *insns; /* filled from the top down */
    uint32_t n;
    bool full;
    uint32_t ret_action[SC_RET_CACHE], ret_pos[SC_RET_CACHE], n_ret;
};

struct sc_leaf {
    uint32_t action; /* where match is NULL; else when nothing matches */
    const struct sc_match *match;
    bool narrow; /* arguments have 32 bits */
    bool placed;
    uint32_t pos;
};
struct sc_interval {
    uint32_t from;
    uint32_t leaf;
};
struct sc_gen {
    struct sc_code code;
    struct sc_leaf *leaf;
    uint32_t n_leaf, cap_leaf;
    struct sc_interval *interval;
    uint32_t n_interval;
};

/* ---- instructions ------------------------------------------------------------------------------
 */

static uint32_t sc_put(struct sc_code *c, uint16_t op, uint8_t jt, uint8_t jf, uint32_t k)
{
    if (c->n == SN_SECCOMP_INSNS_MAX) {
        c->full = true;
        return 0;
    }
    c->insns[SN_SECCOMP_INSNS_MAX - 1 - c->n] = (struct sock_filter){op, jt, jf, k};
    return c->n++;
}

/* A return within reach of what is emitted next and the jump after it, or a new one. */
static uint32_t sc_ret(struct sc_code *c, uint32_t action)
{
    uint32_t i = 0;
    while (i < c->n_ret && c->ret_action[i] != action) i++;
    if (i < c->n_ret && c->n - c->ret_pos[i] < SC_REACH - 2) return c->ret_pos[i];
    uint32_t pos = sc_put(c, BPF_RET | BPF_K, 0, 0, action);
    if (i == c->n_ret && i < SC_RET_CACHE) c->n_ret++;
    if (i < SC_RET_CACHE) {
        c->ret_action[i] = action;
        c->ret_pos[i] = pos;
    }
    return pos;
}

static const struct sock_filter *sc_at(const struct sc_code *c, uint32_t pos)
{
    return &c->insns[SN_SECCOMP_INSNS_MAX - 1 - pos];
}

/* `target`, or a stub that leads there, near enough for a jump emitted after `more` others. */
static uint32_t sc_near(struct sc_code *c, uint32_t target, uint32_t more)
{
    if (c->full || c->n + more - target - 1 <= SC_REACH) return target;
    const struct sock_filter *t = sc_at(c, target);
    if (t->code == (BPF_RET | BPF_K)) return sc_ret(c, t->k);
    return sc_put(c, BPF_JMP | BPF_JA, 0, 0, c->n - target - 1);
}

static uint32_t sc_jump(struct sc_code *c, uint16_t op, uint32_t k, uint32_t yes, uint32_t no)
{
    if (yes == no) return yes;
    yes = sc_near(c, yes, 1); /* the stub of `no` may come between */
    no = sc_near(c, no, 0);
    if (c->full) return 0;
    return sc_put(c, BPF_JMP | BPF_K | op, (uint8_t)(c->n - yes - 1), (uint8_t)(c->n - no - 1), k);
}

static uint32_t sc_load(struct sc_code *c, uint32_t offset, uint32_t then)
{
    /* A load falls through, so what follows has to be directly below. */
    if (!c->full && then != c->n - 1) sc_put(c, BPF_JMP | BPF_JA, 0, 0, c->n - then - 1);
    return sc_put(c, BPF_LD | BPF_W | BPF_ABS, 0, 0, offset);
}

/* ---- conditions --------------------------------------------------------------------------------
 */

static uint32_t sc_low(unsigned arg)
{
    return (uint32_t)offsetof(struct seccomp_data, args) + arg * 8;
}
static uint32_t sc_high(unsigned arg)
{
    return sc_low(arg) + 4;
} /* both are little-endian machines */

/* One half of a masked comparison, `want` within the mask; `then` where it holds. */
static uint32_t sc_masked(struct sc_code *c, uint32_t offset, uint32_t mask, uint32_t want,
                          uint32_t then, uint32_t fail)
{
    if (mask == 0) return then;
    uint32_t pos = sc_jump(c, BPF_JEQ, want, then, fail);
    if (mask != UINT32_MAX) {
        if (!c->full && pos != c->n - 1) sc_put(c, BPF_JMP | BPF_JA, 0, 0, c->n - pos - 1);
        pos = sc_put(c, BPF_ALU | BPF_AND | BPF_K, 0, 0, mask);
    }
    return sc_load(c, offset, pos);
}

/* arg >= v, or arg > v where `strict`; the opposite by exchanging the targets. */
static uint32_t sc_order(struct sc_code *c, unsigned arg, uint64_t v, bool strict, bool narrow,
                         uint32_t then, uint32_t fail)
{
    uint32_t high = (uint32_t)(v >> 32), low = (uint32_t)v;
    uint32_t pos = sc_load(c, sc_low(arg), sc_jump(c, strict ? BPF_JGT : BPF_JGE, low, then, fail));
    if (narrow) return pos;
    pos = sc_jump(c, BPF_JEQ, high, pos, fail);
    pos = sc_jump(c, BPF_JGT, high, then, pos);
    return sc_load(c, sc_high(arg), pos);
}

static uint32_t sc_equal(struct sc_code *c, unsigned arg, uint64_t v, bool narrow, uint32_t then,
                         uint32_t fail)
{
    uint32_t pos = sc_load(c, sc_low(arg), sc_jump(c, BPF_JEQ, (uint32_t)v, then, fail));
    if (narrow) return pos;
    return sc_load(c, sc_high(arg), sc_jump(c, BPF_JEQ, (uint32_t)(v >> 32), pos, fail));
}

static uint32_t sc_cond(struct sc_code *c, const struct sc_cond *k, bool narrow, uint32_t then,
                        uint32_t fail)
{
    uint64_t v = k->value, mask = v;
    switch ((enum sc_op)k->op) {
    case SC_EQ: return sc_equal(c, k->arg, v, narrow, then, fail);
    case SC_NE: return sc_equal(c, k->arg, v, narrow, fail, then);
    case SC_GE: return sc_order(c, k->arg, v, false, narrow, then, fail);
    case SC_GT: return sc_order(c, k->arg, v, true, narrow, then, fail);
    case SC_LT: return sc_order(c, k->arg, v, false, narrow, fail, then);
    case SC_LE: return sc_order(c, k->arg, v, true, narrow, fail, then);
    case SC_MASKED_EQ: break;
    }
    uint32_t pos = sc_masked(c, sc_low(k->arg), (uint32_t)mask, (uint32_t)k->value_two, then, fail);
    if (narrow) return pos;
    return sc_masked(c, sc_high(k->arg), (uint32_t)(mask >> 32), (uint32_t)(k->value_two >> 32),
                     pos, fail);
}

/* The rules of one call, the last one first: each falls to the next where it fails. */
static uint32_t sc_chain(struct sn_arena *a, struct sc_code *c, const struct sc_leaf *l)
{
    uint32_t n = 0, pos;
    for (const struct sc_match *m = l->match; m; m = m->next) n++;
    const struct sc_rule **rule = SN_ARENA_ARRAY(a, const struct sc_rule *, n);
    if (!rule) {
        c->full = true;
        return 0;
    }
    n = 0;
    for (const struct sc_match *m = l->match; m; m = m->next) rule[n++] = m->rule;
    pos = sc_ret(c, l->action);
    while (n-- > 0 && !c->full) {
        uint32_t fail = pos;
        pos = sc_ret(c, rule[n]->action);
        for (unsigned k = rule[n]->n; k-- > 0;)
            pos = sc_cond(c, &rule[n]->cond[k], l->narrow, pos, fail);
    }
    return pos;
}

/* ---- intervals ---------------------------------------------------------------------------------
 */

static bool sc_same_rule(const struct sc_rule *a, const struct sc_rule *b)
{
    if (a == b) return true;
    if (a->action != b->action || a->n != b->n) return false;
    for (unsigned i = 0; i < a->n; i++)
        if (a->cond[i].arg != b->cond[i].arg || a->cond[i].op != b->cond[i].op ||
            a->cond[i].value != b->cond[i].value || a->cond[i].value_two != b->cond[i].value_two)
            return false;
    return true;
}

static bool sc_same(const struct sc_leaf *x, const struct sc_leaf *y)
{
    const struct sc_match *a = x->match, *b = y->match;
    if (x->action != y->action || (a && x->narrow != y->narrow)) return false;
    while (a && b && sc_same_rule(a->rule, b->rule)) {
        a = a->next;
        b = b->next;
    }
    return !a && !b;
}

static int sc_leaf_add(struct sn_arena *a, struct sc_gen *g, struct sc_leaf l, uint32_t *ret)
{
    uint32_t i = 0;
    while (i < g->n_leaf && !sc_same(&g->leaf[i], &l)) i++;
    if (i == g->cap_leaf) {
        uint32_t cap = g->cap_leaf ? 2 * g->cap_leaf : 64;
        struct sc_leaf *more = SN_ARENA_ARRAY(a, struct sc_leaf, cap);
        if (!more) return sn_fail(SN_E_NOMEM, "seccomp program");
        if (g->n_leaf) memcpy(more, g->leaf, g->n_leaf * sizeof(l));
        g->leaf = more;
        g->cap_leaf = cap;
    }
    if (i == g->n_leaf) g->leaf[g->n_leaf++] = l;
    *ret = i;
    return 0;
}

static int sc_interval_add(struct sn_arena *a, struct sc_gen *g, uint32_t from, struct sc_leaf l)
{
    uint32_t leaf;
    int e = sc_leaf_add(a, g, l, &leaf);
    if (e < 0) return e;
    struct sc_interval *last = g->n_interval ? &g->interval[g->n_interval - 1] : NULL;
    if (last && last->leaf == leaf) return 0;
    g->interval[g->n_interval++] = (struct sc_interval){from, leaf};
    return 0;
}

static int sc_table_intervals(struct sn_arena *a, struct sc_gen *g, const struct sc_profile *p,
                              enum sc_arch arch, uint32_t base)
{
    const struct sc_table *t = p->arch[arch];
    const struct sc_leaf other = {.action = p->default_action};
    bool newer = p->newer_enosys && t->highest >= 0;
    int e = 0;
    for (int nr = 0; e == 0 && nr < SC_NUMBERS; nr++) {
        const struct sc_slot *s = &t->slot[nr];
        struct sc_leaf l = other;
        if (s->fixed)
            l.action = s->action;
        else if (s->match)
            l = (struct sc_leaf){.action = p->default_action,
                                 .match = s->match,
                                 .narrow = arch == SC_X86 || arch == SC_X32};
        else if (newer && nr > t->highest)
            l.action = SECCOMP_RET_ERRNO | ENOSYS;
        e = sc_interval_add(a, g, base + (uint32_t)nr, l);
    }
    struct sc_leaf rest = {.action = newer ? SECCOMP_RET_ERRNO | ENOSYS : p->default_action};
    return e < 0 ? e : sc_interval_add(a, g, base + SC_NUMBERS, rest);
}

/* All 2^32 numbers of one AUDIT_ARCH. x32 shares x86-64's and has a bit of its own. */
static int sc_intervals(struct sn_arena *a, struct sc_gen *g, const struct sc_profile *p,
                        enum sc_arch arch)
{
    g->n_interval = 0;
    g->interval = SN_ARENA_ARRAY(a, struct sc_interval, 2 * SC_NUMBERS + 8);
    if (!g->interval) return sn_fail(SN_E_NOMEM, "seccomp program");
    int e = sc_table_intervals(a, g, p, arch, 0);
    if (e < 0 || arch != SC_X86_64) return e;
    if (p->arch[SC_X32]) return sc_table_intervals(a, g, p, SC_X32, SC_X32_BIT);
    /* -1 is no x32 call: it is what a tracer writes to have a call skipped. */
    e = sc_interval_add(a, g, SC_X32_BIT, (struct sc_leaf){.action = p->bad_arch});
    return e < 0 ? e
                 : sc_interval_add(a, g, UINT32_MAX, (struct sc_leaf){.action = p->default_action});
}

/* ---- program -----------------------------------------------------------------------------------
 */

static uint32_t sc_leaf_pos(struct sn_arena *a, struct sc_gen *g, uint32_t i)
{
    struct sc_leaf *l = &g->leaf[i];
    if (!l->match) return sc_ret(&g->code, l->action);
    if (!l->placed) {
        l->pos = sc_chain(a, &g->code, l);
        l->placed = true;
    }
    return l->pos;
}

/* The tree over intervals [from, to): its depth is the logarithm of their number. */
static uint32_t sc_tree(struct sn_arena *a, struct sc_gen *g, uint32_t from, uint32_t to)
{
    if (g->code.full) return 0;
    if (to - from == 1) return sc_leaf_pos(a, g, g->interval[from].leaf);
    uint32_t mid = from + (to - from) / 2;
    uint32_t right = sc_tree(a, g, mid, to), left = sc_tree(a, g, from, mid);
    return sc_jump(&g->code, BPF_JGE, g->interval[mid].from, right, left);
}

int sc_emit(struct sn_arena *a, const struct sc_profile *p, struct sn_seccomp_filter *ret)
{
    static const enum sc_arch order[] = {SC_X86, SC_X86_64,
                                         SC_AARCH64}; /* the last is asked first */
    struct sc_gen g = {0};
    g.code.insns = SN_ARENA_ARRAY(a, struct sock_filter, SN_SECCOMP_INSNS_MAX);
    if (!g.code.insns) return sn_fail(SN_E_NOMEM, "seccomp program");
    uint32_t pos = sc_ret(&g.code, p->bad_arch);
    for (unsigned i = 0; i < SN_COUNT_OF(order); i++) {
        if (!p->arch[order[i]]) continue;
        int e = sc_intervals(a, &g, p, order[i]);
        if (e < 0) return e;
        uint32_t tree = sc_tree(a, &g, 0, g.n_interval);
        tree = sc_load(&g.code, offsetof(struct seccomp_data, nr), tree);
        pos = sc_jump(&g.code, BPF_JEQ, sc_audit_arch(order[i]), tree, pos);
    }
    pos = sc_load(&g.code, offsetof(struct seccomp_data, arch), pos);
    if (g.code.full)
        return sn_fail(SN_E_TOO_LARGE, "linux.seccomp: the program needs more than %d instructions",
                       SN_SECCOMP_INSNS_MAX);
    ret->insns = g.code.insns + SN_SECCOMP_INSNS_MAX - g.code.n;
    ret->n = g.code.n;
    return 0;
}
