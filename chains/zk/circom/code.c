/* SPDX-License-Identifier: Apache-2.0 */
/* zk/circom/code.c - nodes, and instructions made of them: what nobody uses is dropped, values get
 * registers by their last use, signals are computed in place. */
#include "core/alloc.h"
#include "core/status.h"
#include "zk/circom/exec_int.h"

/* The constant's place in the program, counted from 1; 0 without memory. */
uint32_t cx_const(struct cx_exec *x, const struct sn_zv *v)
{
    struct sn_zv c = *v;
    struct sn_fe m;
    sn_zv_fe(x->field, &m, v);
    struct sn_str key = sn_str_of((const char *)&m, sizeof(m));
    uint32_t id = (uint32_t)(uintptr_t)sn_map_get(&x->const_of, key);
    if (id) return id;
    if (c.kind == SN_ZV_FE) c = sn_zv_from_fe(x->field, &m);
    if (sn_vec_push(&x->c->consts, c) < 0) return 0;
    id = (uint32_t)x->c->consts.len;
    return sn_map_put(&x->const_of, key, (void *)(uintptr_t)id, NULL) < 0 ? 0 : id;
}
uint32_t cx_coef(struct cx_exec *x, const struct sn_fe *v)
{
    struct sn_str key = sn_str_of((const char *)v, sizeof(*v));
    uint32_t id = (uint32_t)(uintptr_t)sn_map_get(&x->coef_of, key);
    if (id) return id;
    if (sn_vec_push(&x->c->coefs, *v) < 0) return 0;
    id = (uint32_t)x->c->coefs.len;
    return sn_map_put(&x->coef_of, key, (void *)(uintptr_t)id, NULL) < 0 ? 0 : id;
}

uint32_t cx_node(struct cx_exec *x, struct cx_node n)
{
    struct cx_code *c = x->f->code;
    if (c->nodes.len == 0 && !sn_vec_add(&c->nodes)) return 0;
    if (c->nodes.len >= x->s->nodes_max) return 0;
    n.region = c->region;
    n.reg = CX_NO_REG;
    return sn_vec_push(&c->nodes, n) < 0 ? 0 : (uint32_t)c->nodes.len - 1;
}

/* The remembered node n, where a roll-back has not taken it away. */
static bool still_there(const struct cx_code *c, uint32_t n, uint8_t op, uint32_t a)
{
    return n && n < c->nodes.len && c->nodes.ptr[n].op == op && c->nodes.ptr[n].a == a;
}
uint32_t cx_signal_node(struct cx_exec *x, uint32_t prov)
{
    struct cx_code *c = x->f->code;
    struct cx_node n = {.op = CXN_SIGNAL, .deg = CX_DEG_LINEAR, .a = prov};
    if (prov >= c->signal_node.len) {
        size_t len = c->signal_node.len;
        if (sn_vec_reserve(&c->signal_node, (size_t)prov + 1) < 0) return 0;
        memset(c->signal_node.ptr + len, 0, (prov + 1 - len) * sizeof(uint32_t));
        c->signal_node.len = (size_t)prov + 1;
    }
    uint32_t *at = &c->signal_node.ptr[prov];
    if (!still_there(c, *at, CXN_SIGNAL, prov)) *at = cx_node(x, n);
    return *at;
}

static struct cx_const_node *const_place(struct cx_const_node *table, uint32_t cap, uint32_t k)
{
    uint32_t at = (k * 0x9e3779b1u) & (cap - 1);
    while (table[at].k && table[at].k != k) at = (at + 1) & (cap - 1);
    return &table[at];
}
static bool const_grow(struct cx_code *c)
{
    uint32_t cap = c->const_cap ? 2 * c->const_cap : 16;
    struct cx_const_node *table = SN_NEW_ARRAY(struct cx_const_node, cap);
    if (!table) return false;
    for (uint32_t i = 0; i < c->const_cap; i++)
        if (c->const_node[i].k) *const_place(table, cap, c->const_node[i].k) = c->const_node[i];
    sn_free(c->const_node);
    c->const_node = table;
    c->const_cap = cap;
    return true;
}
static uint32_t const_node(struct cx_exec *x, uint32_t k)
{
    struct cx_code *c = x->f->code;
    if (k == 0 || (2 * (c->const_n + 1) > c->const_cap && !const_grow(c))) return 0;
    struct cx_const_node *at = const_place(c->const_node, c->const_cap, k);
    c->const_n += at->k == 0;
    at->k = k;
    if (!still_there(c, at->node, CXN_CONST, k))
        at->node = cx_node(x, (struct cx_node){.op = CXN_CONST, .deg = CX_DEG_CONST, .a = k});
    return at->node;
}
/* The node of any value; 0 without memory. */
uint32_t cx_node_of(struct cx_exec *x, const struct sn_zv *v)
{
    if (v->kind == SN_ZV_NODE) return v->node;
    if (v->kind == SN_ZV_SLOT)
        return cx_node(x, (struct cx_node){.op = CXN_GET, .deg = CX_DEG_NONE, .a = v->node});
    return const_node(x, cx_const(x, v));
}
int cx_effect(struct cx_exec *x, enum cx_node_op op, uint32_t a, uint32_t b, uint32_t c,
              uint32_t pos)
{
    struct cx_node n = {.op = (uint8_t)op, .deg = CX_DEG_NONE, .a = a, .b = b, .c = c, .pos = pos};
    return cx_node(x, n) ? 0 : cx_limit(x->s, SN_E_TOO_LARGE, pos, "too many operations");
}
void cx_code_done(struct cx_code *code)
{
    sn_vec_done(&code->nodes);
    sn_free(code->const_node);
    sn_vec_done(&code->signal_node);
}

/* ---- instructions ---------------------------------------------------------------------------- */

struct gen {
    struct cx_exec *x;
    struct cx_node *n;
    uint32_t len;
    const uint32_t *remap;
    uint32_t n_slots, n_regs;
    uint32_t *label;  /* node, later instruction, of each */
    uint32_t *expire; /* by node: first whose last use this is; chained by next */
    uint32_t *next;
    uint32_t *loop_end, *loop_up, *loop_of; /* by node */
    SN_VEC(uint32_t) free_regs;
    SN_VEC(struct sn_wins) ins;
    SN_VEC(uint32_t) place;
};

static unsigned operands(const struct cx_node *n, uint32_t out[3])
{
    if (n->op < SN_ZOP_N) {
        out[0] = n->a;
        out[1] = n->b;
        return n->op >= SN_ZOP_NEG ? 1 : 2;
    }
    switch (n->op) {
    case CXN_SELECT: out[0] = n->a, out[1] = n->b, out[2] = n->c; return 3;
    case CXN_CHECK: out[0] = n->a, out[1] = n->b; return 2;
    case CXN_STORE: out[0] = n->b, out[1] = n->d; return 2;
    case CXN_BOUND:
    case CXN_JZ:
    case CXN_ASSERT:
    case CXN_LOG_NUM: out[0] = n->a; return 1;
    case CXN_LOAD:
    case CXN_LOAD_SIGNAL:
    case CXN_SET:
    case CXN_SET_SIGNAL: out[0] = n->b; return 1;
    default: return 0;
    }
}
static bool computes(const struct cx_node *n)
{
    return n->op < CXN_EFFECTS && n->op != CXN_CONST && n->op != CXN_SIGNAL;
}

static void mark_live(struct gen *g)
{
    for (uint32_t i = g->len; i-- > 1;) {
        struct cx_node *n = &g->n[i];
        uint32_t o[3];
        if (n->op >= CXN_EFFECTS) n->live = true;
        if (!n->live) continue;
        for (unsigned k = operands(n, o); k-- > 0;) g->n[o[k]].live = true;
    }
}

/* Loops are jumps to a label further up. */
static void find_loops(struct gen *g)
{
    bool any = false;
    for (uint32_t i = 1; i < g->len; i++) {
        if (g->n[i].op == CXN_LABEL) g->label[g->n[i].a] = i;
        if (g->n[i].op == CXN_JMP && g->label[g->n[i].c]) {
            g->loop_end[g->label[g->n[i].c]] = i;
            any = true;
        }
    }
    uint32_t in = 0;
    for (uint32_t i = 1; any && i < g->len; i++) {
        while (in && i > g->loop_end[in]) in = g->loop_up[in];
        if (g->loop_end[i]) {
            g->loop_up[i] = in;
            in = i;
        }
        g->loop_of[i] = in;
    }
}

static void last_uses(struct gen *g)
{
    find_loops(g);
    for (uint32_t i = 1; i < g->len; i++) {
        uint32_t o[3];
        if (!g->n[i].live) continue;
        for (unsigned k = operands(&g->n[i], o); k-- > 0;) {
            uint32_t last = i;
            for (uint32_t l = g->loop_of[i]; l && o[k] < l; l = g->loop_up[l])
                last = g->loop_end[l];
            if (g->n[o[k]].last < last) g->n[o[k]].last = last;
        }
    }
}

/* Whether a read of a slot may wait until it is used: nothing may change it before. */
static bool slot_stays(const struct gen *g, uint32_t i)
{
    uint32_t last = g->n[i].last, slot = g->n[i].a;
    if (last - i > 64) return false;
    for (uint32_t k = i + 1; k < last; k++) {
        const struct cx_node *n = &g->n[k];
        if (!n->live) continue;
        if (n->op == CXN_SET && n->a == slot) return false;
        if (n->op == CXN_STORE && slot >= n->a && slot < n->a + n->c) return false;
        if (n->op == CXN_CALL || n->op == CXN_LABEL || n->op == CXN_JMP) return false;
    }
    return true;
}

/* Values that need no instruction of their own or no register. */
static void place_early(struct gen *g)
{
    for (uint32_t i = 1; i < g->len; i++) {
        struct cx_node *n = &g->n[i];
        if (!n->live) continue;
        if (n->op == CXN_CONST) {
            n->reg = SN_WARG(SN_WARG_CONST, n->a - 1);
        } else if (n->op == CXN_SIGNAL) {
            n->reg = SN_WARG(SN_WARG_SIGNAL, g->remap[n->a]);
        } else if (n->op == CXN_GET && slot_stays(g, i)) {
            n->reg = SN_WARG(SN_WARG_REG, n->a);
            n->live = false;
        } else if (n->op == CXN_SET_SIGNAL) {
            struct cx_node *v = &g->n[n->b];
            if (computes(v) && v->reg == CX_NO_REG && v->region == n->region) {
                v->reg = SN_WARG(SN_WARG_SIGNAL, g->remap[n->a]);
                n->live = false;
            }
        } else if (n->op == CXN_SET && n->b == i - 1) {
            struct cx_node *v = &g->n[n->b];
            if (computes(v) && v->reg == CX_NO_REG && v->last == i && v->region == n->region) {
                v->reg = SN_WARG(SN_WARG_REG, n->a);
                n->live = false;
            }
        }
    }
}

static int put(struct gen *g, const struct cx_node *n, enum sn_wop op, uint32_t d, uint32_t a,
               uint32_t b, uint32_t c)
{
    struct sn_wins ins = {op, d, a, b, c};
    int r = sn_vec_push(&g->ins, ins);
    return r < 0 ? r : sn_vec_push(&g->place, n->pos);
}
static int give_reg(struct gen *g, uint32_t i)
{
    struct cx_node *n = &g->n[i];
    if (n->reg != CX_NO_REG) return 0;
    if (g->free_regs.len)
        n->reg = g->free_regs.ptr[--g->free_regs.len];
    else
        n->reg = SN_WARG(SN_WARG_REG, g->n_regs++);
    g->next[i] = g->expire[n->last];
    g->expire[n->last] = i;
    return 0;
}

static int put_effect(struct gen *g, struct cx_node *n)
{
    struct cx_node *v = g->n;
    switch (n->op) {
    case CXN_SET: return put(g, n, SN_WOP_MOV, SN_WARG(SN_WARG_REG, n->a), v[n->b].reg, 0, 0);
    case CXN_STORE:
        return put(g, n, SN_WOP_STORE, SN_WARG(SN_WARG_REG, n->a), v[n->b].reg, v[n->d].reg, n->c);
    case CXN_SET_SIGNAL:
        return put(g, n, SN_WOP_MOV, SN_WARG(SN_WARG_SIGNAL, g->remap[n->a]), v[n->b].reg, 0, 0);
    case CXN_LABEL: g->label[n->a] = (uint32_t)g->ins.len; return 0;
    case CXN_JZ: return put(g, n, SN_WOP_JZ, 0, v[n->a].reg, 0, n->c);
    case CXN_JMP: return put(g, n, SN_WOP_JMP, 0, 0, 0, n->c);
    case CXN_CHECK: return put(g, n, SN_WOP_CHECK, 0, v[n->a].reg, v[n->b].reg, 0);
    case CXN_ASSERT: return put(g, n, SN_WOP_ASSERT, 0, v[n->a].reg, 0, 0);
    case CXN_RUN: return put(g, n, SN_WOP_RUN, 0, 0, 0, n->c);
    case CXN_CALL: return put(g, n, SN_WOP_CALL, n->b, n->a, 0, n->c);
    case CXN_RET: return put(g, n, SN_WOP_RET, 0, 0, 0, 0);
    case CXN_LOG_NUM: return put(g, n, SN_WOP_LOG_NUM, 0, v[n->a].reg, 0, 0);
    case CXN_LOG_STR: return put(g, n, SN_WOP_LOG_STR, 0, 0, 0, n->c);
    default: return put(g, n, SN_WOP_LOG_END, 0, 0, 0, 0);
    }
}
/* x >> k & 1, of a shift that nobody else uses and that was just written, is one instruction. */
static bool put_bit(struct gen *g, uint32_t i)
{
    struct cx_node *n = &g->n[i];
    if (n->op != SN_ZOP_AND || g->ins.len == 0) return false;
    const struct cx_node *a = &g->n[n->a], *b = &g->n[n->b];
    const struct sn_zv *consts = g->x->c->consts.ptr;
    struct sn_wins *last = &g->ins.ptr[g->ins.len - 1];
    if (a->op != SN_ZOP_SHR || b->op != CXN_CONST || a->last != i || a->region != n->region ||
        last->op != SN_ZOP_SHR || last->d != a->reg || a->reg >> 30 != SN_WARG_REG ||
        last->b >> 30 != SN_WARG_CONST)
        return false;
    const struct sn_zv *one = &consts[b->a - 1], *k = &consts[SN_WARG_INDEX(last->b)];
    if (one->kind != SN_ZV_SMALL || one->s != 1 || k->kind != SN_ZV_SMALL || k->s < 0 || k->s > 255)
        return false;
    *last = (struct sn_wins){SN_WOP_BIT, n->reg, last->a, 0, (uint32_t)k->s};
    return true;
}
static int put_value(struct gen *g, uint32_t i)
{
    struct cx_node *n = &g->n[i], *v = g->n;
    uint32_t a = n->op < SN_ZOP_N || n->op == CXN_SELECT || n->op == CXN_BOUND ? v[n->a].reg : 0;
    uint32_t b =
        (n->op < SN_ZOP_NEG) || n->op == CXN_SELECT || n->op == CXN_LOAD || n->op == CXN_LOAD_SIGNAL
            ? v[n->b].reg
            : 0;
    int r = give_reg(g, i);
    if (r < 0) return r;
    uint32_t d = n->reg;
    if (put_bit(g, i)) return 0;
    if (n->op < SN_ZOP_N) return put(g, n, (enum sn_wop)n->op, d, a, b, 0);
    switch (n->op) {
    case CXN_GET: return put(g, n, SN_WOP_MOV, d, SN_WARG(SN_WARG_REG, n->a), 0, 0);
    case CXN_SELECT: return put(g, n, SN_WOP_SELECT, d, a, b, v[n->c].reg);
    case CXN_BOUND: return put(g, n, SN_WOP_BOUND, d, a, 0, n->c);
    case CXN_LOAD: return put(g, n, SN_WOP_LOAD, d, SN_WARG(SN_WARG_REG, n->a), b, n->c);
    default: return put(g, n, SN_WOP_LOAD, d, SN_WARG(SN_WARG_SIGNAL, g->remap[n->a]), b, n->c);
    }
}

/* ---- copies ---------------------------------------------------------------------------------- */

/* Ports of components are connected signal by signal, several ports in turn. Within a stretch of
 * such moves every destination is written once and the order does not matter unless one reads what
 * another wrote, which ends the stretch: moves that continue each other become one COPY. */
#define STRETCH_MAX 64u /* instructions a stretch may come down to */
struct fuse {
    struct sn_wins *out[STRETCH_MAX];
    unsigned n;
};

static bool plain_move(const struct sn_wins *i)
{
    return i->op == SN_WOP_MOV && i->d >> 30 == SN_WARG_SIGNAL &&
           (i->a >> 30 == SN_WARG_SIGNAL || i->a >> 30 == SN_WARG_CONST);
}
static bool fits16(int64_t x) { return x == (int16_t)x; }

/* Whether one of the stretch's instructions may have written signal x. */
static bool written(const struct fuse *f, uint32_t x)
{
    for (unsigned k = 0; k < f->n; k++) {
        const struct sn_wins *o = f->out[k];
        int64_t d = o->d, last = d;
        if (o->op == SN_WOP_COPY) last += (int64_t)(o->c - 1) * SN_WSTEP_D(o->b);
        if (x >= SN_MIN(d, last) && x <= SN_MAX(d, last)) return true;
    }
    return false;
}
/* The move as one more element of an instruction that was written. */
static bool continues(struct sn_wins *o, const struct sn_wins *i)
{
    if (o->a >> 30 != SN_WARG_SIGNAL) return false;
    if (o->op == SN_WOP_COPY) {
        if (i->d != o->d + (uint32_t)((int64_t)o->c * SN_WSTEP_D(o->b)) ||
            i->a != o->a + (uint32_t)((int64_t)o->c * SN_WSTEP_A(o->b)))
            return false;
        o->c++;
        return true;
    }
    int64_t sd = (int64_t)i->d - o->d, sa = (int64_t)i->a - o->a;
    if (!fits16(sd) || !fits16(sa) || sd == 0 || (sd != 1 && sd != -1 && sa != 1 && sa != -1))
        return false;
    *o = (struct sn_wins){SN_WOP_COPY, o->d, o->a, SN_WSTEPS(sd, sa), 2};
    return true;
}

static bool absorb(struct fuse *f, const struct sn_wins *i)
{
    if (i->a >> 30 != SN_WARG_SIGNAL) return false;
    for (int two = 1; two >= 0; two--) /* those that know their steps first */
        for (unsigned k = f->n; k-- > 0;)
            if ((f->out[k]->op == SN_WOP_COPY) == two && continues(f->out[k], i)) return true;
    return false;
}

/* Rewrites the instructions in place; to[i] is where instruction i went. */
static void fuse_copies(struct gen *g, uint32_t *to, const bool *target)
{
    struct fuse f = {.n = 0};
    size_t at = 0;
    for (size_t i = 0; i < g->ins.len; i++) {
        struct sn_wins ins = g->ins.ptr[i];
        bool move = plain_move(&ins);
        if (!move || target[i] || f.n == STRETCH_MAX ||
            (ins.a >> 30 == SN_WARG_SIGNAL && written(&f, ins.a)))
            f.n = 0;
        to[i] = (uint32_t)at;
        if (move && absorb(&f, &ins)) continue;
        g->ins.ptr[at] = ins;
        g->place.ptr[at] = g->place.ptr[i];
        if (move) f.out[f.n++] = &g->ins.ptr[at];
        at++;
    }
    to[g->ins.len] = (uint32_t)at;
    g->ins.len = g->place.len = at;
}

static int fuse_all(struct gen *g)
{
    size_t n = g->ins.len;
    uint32_t *to SN_CLEANUP(sn_freep) = sn_alloc((n + 1) * sizeof(*to));
    bool *target SN_CLEANUP(sn_freep) = sn_zalloc(n + 1, sizeof(*target));
    if (!to || !target) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct sn_wins *w = &g->ins.ptr[i];
        if (w->op == SN_WOP_JZ || w->op == SN_WOP_JMP) target[w->c] = true;
    }
    fuse_copies(g, to, target);
    for (size_t i = 0; i < g->ins.len; i++) {
        struct sn_wins *w = &g->ins.ptr[i];
        if (w->op == SN_WOP_JZ || w->op == SN_WOP_JMP) w->c = to[w->c];
    }
    return 0;
}

static int emit_all(struct gen *g)
{
    int r = 0;
    for (uint32_t i = 1; r == 0 && i < g->len; i++) {
        struct cx_node *n = &g->n[i];
        /* Registers of operands end before the result takes one: it may be the same. */
        for (uint32_t k = g->expire[i]; k && r == 0; k = g->next[k])
            r = sn_vec_push(&g->free_regs, g->n[k].reg);
        if (r < 0 || !n->live) continue;
        if (n->op >= CXN_EFFECTS)
            r = put_effect(g, n);
        else if (computes(n))
            r = put_value(g, i);
    }
    for (size_t i = 0; r == 0 && i < g->ins.len; i++) {
        struct sn_wins *w = &g->ins.ptr[i];
        if (w->op == SN_WOP_JZ || w->op == SN_WOP_JMP) w->c = g->label[w->c];
    }
    return r == 0 ? fuse_all(g) : r;
}

int cx_finish_code(struct cx_exec *x, struct cx_code *code, const uint32_t *remap,
                   struct sn_wcode *ret)
{
    uint32_t n = (uint32_t)code->nodes.len;
    struct gen g = {.x = x,
                    .n = code->nodes.ptr,
                    .len = n,
                    .remap = remap,
                    .n_slots = code->n_slots,
                    .n_regs = code->n_slots};
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    g.label = sn_arena_array(&a, code->n_labels + 1u, sizeof(uint32_t));
    g.expire = sn_arena_array(&a, n + 1u, sizeof(uint32_t));
    g.next = sn_arena_array(&a, n + 1u, sizeof(uint32_t));
    g.loop_end = sn_arena_array(&a, n + 1u, sizeof(uint32_t));
    g.loop_up = sn_arena_array(&a, n + 1u, sizeof(uint32_t));
    g.loop_of = sn_arena_array(&a, n + 1u, sizeof(uint32_t));
    int r = SN_E_NOMEM;
    if (g.label && g.expire && g.next && g.loop_end && g.loop_up && g.loop_of) {
        mark_live(&g);
        last_uses(&g);
        place_early(&g);
        r = emit_all(&g);
    }
    if (r == 0) {
        ret->n = (uint32_t)g.ins.len;
        ret->n_regs = g.n_regs;
        struct sn_wins *ins = sn_arena_array(x->arena, g.ins.len, sizeof(*ins));
        uint32_t *place = sn_arena_array(x->arena, g.ins.len, sizeof(*place));
        if (ins && place && g.ins.len) {
            memcpy(ins, g.ins.ptr, g.ins.len * sizeof(*ins));
            memcpy(place, g.place.ptr, g.ins.len * sizeof(*place));
        }
        if (!ins || !place) r = SN_E_NOMEM;
        ret->ins = ins;
        ret->place = place;
    }
    sn_vec_done(&g.free_regs);
    sn_vec_done(&g.ins);
    sn_vec_done(&g.place);
    sn_arena_done(&a);
    return r;
}
