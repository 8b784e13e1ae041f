/* SPDX-License-Identifier: Apache-2.0 */
/* zk/circom/exec_int.h - the executor: templates become instances.
 *
 * A template is executed once per tuple of parameters. Variables hold constants or operations
 * (nodes) of the code under construction; a node is both what the witness program computes and,
 * where it is linear or quadratic in signals, what a constraint is made of.
 *
 * Conditions that are constants are followed; others open a region: both branches (or the loop)
 * go into the code behind jumps, and the variables assigned there live in slots (registers with
 * an address) from its start on. Functions that decide or loop on something unknown become
 * functions of the witness program. */
#pragma once
#include "zk/circom/ast_int.h"
#include "zk/witness/prog.h"

#define CX_DIMS_MAX 8u
#define CX_INLINE_NODES_MAX (1u << 14) /* a function unrolled to more than this is called instead */
/* Internal status: the function must become a function of the program. */
#define CX_NEED_CALL (-9001)

/* ---- code ------------------------------------------------------------------------------------ */

/* Nodes beside the operators of sn_zop. */
enum cx_node_op {
    CXN_CONST = SN_ZOP_N, /* a: constant */
    CXN_SIGNAL,           /* a: provisional signal */
    CXN_GET,              /* a: slot */
    CXN_SELECT,           /* a ? b : c */
    CXN_BOUND,            /* a below c */
    CXN_LOAD,             /* slots from a on, index b, c elements */
    CXN_LOAD_SIGNAL,      /* signals from a on, index b, c elements */
    CXN_EFFECTS,          /* from here on: no value */
    CXN_SET = CXN_EFFECTS, /* slot a = b */
    CXN_STORE,            /* slots from a on, element b (of c) = d */
    CXN_SET_SIGNAL,       /* signal a = b */
    CXN_LABEL,            /* a */
    CXN_JZ,               /* a: condition, c: label */
    CXN_JMP,              /* c */
    CXN_CHECK,
    CXN_ASSERT,
    CXN_RUN,  /* component c */
    CXN_CALL, /* function c, argument slot a, result slot b */
    CXN_RET,
    CXN_LOG_NUM,
    CXN_LOG_STR,
    CXN_LOG_END,
};
enum { CX_DEG_CONST, CX_DEG_LINEAR, CX_DEG_QUADRATIC, CX_DEG_NONE };
struct cx_node {
    uint8_t op, deg;
    bool live;
    uint32_t a, b, c, d;
    uint32_t pos, region;
    uint32_t last; /* position of its last use */
    uint32_t reg;  /* operand it was given; CX_NO_REG before */
};
#define CX_NO_REG 0xffffffffu
struct cx_code {
    SN_VEC(struct cx_node) nodes; /* [0] unused */
    /* By constant, open addressing: a template uses few of a program's constants. */
    struct cx_const_node {
        uint32_t k, node; /* k 0 = free */
    } *const_node;
    uint32_t const_cap, const_n;
    SN_VEC(uint32_t) signal_node; /* by provisional signal */
    uint32_t n_slots, n_labels;
    uint32_t region, n_regions;
};

/* ---- values ---------------------------------------------------------------------------------- */

struct cx_bus;
struct cx_tag {
    uint32_t sym;
    bool has_value;
    bool declared; /* with the signal; else from an assignment, and not to be named */
    bool given;    /* of a component's input: it was assigned, at least in part */
    struct sn_zv value;
};
struct cx_tags {
    struct cx_tag *ptr;
    struct cx_tags *fields; /* of a bus, by field */
    uint32_t n, n_fields;
    /* Of an array assigned by elements: what those so far have in common, how many they are, and
     * whether one had none. */
    struct cx_tags *part;
    uint32_t part_n;
    bool part_lost;
};
/* Scalars in `one`; arrays and buses flat in `many`. */
struct cx_val {
    struct sn_zv one;
    struct sn_zv *many;
    uint32_t n; /* of many; 1 for scalars */
    uint32_t n_dims;
    uint32_t dims[CX_DIMS_MAX];
    const struct cx_bus *bus;   /* elements are this bus */
    const struct cx_tags *tags; /* of the signal it was read from; NULL = not a signal */
    struct cx_val *items;       /* of a tuple */
    uint32_t n_items;
    bool is_tuple;
};
static inline const struct sn_zv *cx_elems(const struct cx_val *v)
{
    return v->many ? v->many : &v->one;
}

/* ---- what names stand for -------------------------------------------------------------------- */

struct cx_field {
    uint32_t sym, offset, n; /* signals */
    uint32_t n_dims, dims[CX_DIMS_MAX];
    const struct cx_bus *bus;
    struct cx_tags tags;
};
struct cx_bus {
    const struct cx_def *def;
    struct cx_field *fields;
    uint32_t n_fields, size;
};
enum cx_ent_kind { CX_ENT_VAR, CX_ENT_SIGNAL, CX_ENT_COMPONENT, CX_ENT_BUS };
struct cx_ent {
    struct cx_ent *next_free;
    uint8_t kind, dir;
    bool spilled;   /* slots were given */
    bool synced;    /* and hold what elems says, although depth is 0 */
    bool unsized;   /* CX_IN_PORTS: its size depends on a tag without value yet */
    uint32_t depth; /* regions that assign it and are open: writes go to the slots too */
    uint32_t sym, pos;
    uint32_t n_dims, dims[CX_DIMS_MAX];
    uint32_t n;       /* elements; signals where kind says so */
    struct sn_zv one; /* variables */
    struct sn_zv *elems;
    uint32_t slot;
    uint32_t prov; /* signals: the first one's provisional number */
    const struct cx_bus *bus;
    struct cx_tags tags;
    uint32_t *comps;     /* components: index + 1 each */
    uint32_t first_comp; /* the one that was made first, index + 1 */
};

/* An input or output of a template as its parent sees it. */
struct cx_port {
    uint32_t sym, offset, n;
    uint8_t dir;
    uint32_t n_dims, dims[CX_DIMS_MAX];
    const struct cx_bus *bus;
    struct cx_tags tags;
};
struct cx_ports {
    struct cx_port *ptr;
    uint32_t n, n_out, n_in; /* ports; signals */
};

struct cx_inst;
struct cx_comp {
    uint32_t sym; /* its name, with the indexes that follow */
    uint32_t n_index, index[CX_DIMS_MAX];
    uint32_t pos;
    bool parallel, ran, anonymous;
    struct cx_inst *inst; /* NULL while it waits for the tags of its inputs */
    const struct cx_def *def;
    struct cx_val *args;
    struct cx_ports ports;
    uint32_t *port_prov;       /* first provisional signal by port; NULL: they lie from prov on */
    struct cx_tags *port_tags; /* what its inputs were given, by port */
    bool deferred;             /* there may be more ports, which depend on tags */
    uint8_t *assigned;         /* by signal of its inputs and outputs */
    uint32_t left;             /* inputs to come */
    uint32_t prov;
    uint32_t offset; /* when laid out */
};
static inline uint32_t cx_port_prov(const struct cx_comp *c, uint32_t port)
{
    return c->port_prov ? c->port_prov[port] : c->prov + c->ports.ptr[port].offset;
}
/* Signals in order of declaration: for layout and names. */
struct cx_own {
    uint32_t sym, prov, n, offset;
    uint8_t dir;
    uint32_t n_dims, dims[CX_DIMS_MAX];
    const struct cx_bus *bus;
    struct cx_tags tags;
    uint32_t pos;
};
struct cx_inst {
    uint32_t id;
    const struct cx_def *def;
    struct cx_val *args;
    bool building, is_main;
    bool has_custom; /* is a custom template or contains one */
    SN_VEC(struct cx_own) own;
    SN_VEC(struct cx_comp) comps;
    SN_VEC(uint8_t) assigned; /* by provisional signal: 1 assigned, 2 in a constraint */
    struct cx_ports ports;
    uint32_t n_prov, n_own;
    uint32_t *remap;     /* provisional -> offset */
    uint32_t *order;     /* components by name */
    uint64_t size;       /* signals with those of sub-components */
    /* Constraints: three counts, then that many entries of each; wire 0 is the one. */
    SN_VEC(uint32_t) row_n;
    SN_VEC(uint32_t) row_wire;
    SN_VEC(uint32_t) row_coef;
    SN_VEC(uint32_t) row_pos;
    uint32_t nonlinear, linear;
    uint64_t all_nonlinear, all_linear;
    uint32_t depth;
};

/* A function of the program. */
struct cx_unit {
    const struct cx_def *def;
    uint32_t id, n_args, ret_slot, n_ret, n_dims, dims[CX_DIMS_MAX];
    bool has_ret;
};

enum cx_frame_kind { CX_IN_TEMPLATE, CX_IN_CONST, CX_IN_INLINE, CX_IN_UNIT, CX_IN_PORTS, CX_IN_BUS };
struct cx_frame {
    struct cx_frame *up;
    enum cx_frame_kind kind;
    const struct cx_def *def;
    struct cx_code *code;
    struct cx_inst *inst; /* of templates */
    struct cx_unit *unit;
    const struct cx_comp *from; /* whose input tags the template sees; NULL = none have values */
    size_t ents_base;
    struct sn_arena arena;
    struct cx_val ret;
    bool returned;
    uint32_t nodes_at_start;
    SN_VEC(struct cx_field) fields; /* CX_IN_BUS */
    uint32_t ports_left;            /* CX_IN_PORTS */
    bool deferred;                  /* CX_IN_PORTS: something depends on a tag without value yet */
};

struct sn_circom {
    struct cx_source src;
    struct sn_witness_prog prog;
    SN_VEC(struct cx_inst *) insts;
    SN_VEC(struct cx_unit *) units;
    SN_VEC(struct sn_zv) consts;
    SN_VEC(struct sn_fe) coefs;
    SN_VEC(struct sn_winstance) winsts;
    SN_VEC(struct sn_wcode) wfuncs;
    SN_VEC(struct sn_str) strings;
    struct cx_inst *main;
    uint32_t n_public;
};

struct cx_exec {
    struct sn_circom *c;
    struct cx_source *s;
    const struct sn_field *field;
    struct sn_arena *arena; /* lives as long as the program */
    struct sn_arena_pool pool;
    struct cx_frame *f;
    SN_VEC(struct cx_ent *) ents;
    struct cx_ent *free_ents;
    struct sn_map inst_of, unit_of, const_call, bus_of;
    struct sn_map const_of, coef_of;
    uint64_t steps;
    unsigned depth;
    struct sn_buf key, trace;
    /* Flattening of expressions: coefficient and presence by node. */
    SN_VEC(uint32_t) heap;
    struct sn_fe *acc;
    uint8_t *seen;
    size_t acc_cap;
};

/* code.c */
uint32_t cx_const(struct cx_exec *x, const struct sn_zv *v);
uint32_t cx_coef(struct cx_exec *x, const struct sn_fe *v);
uint32_t cx_node(struct cx_exec *x, struct cx_node n);
uint32_t cx_node_of(struct cx_exec *x, const struct sn_zv *v);
uint32_t cx_signal_node(struct cx_exec *x, uint32_t prov);
int cx_effect(struct cx_exec *x, enum cx_node_op op, uint32_t a, uint32_t b, uint32_t c,
              uint32_t pos);
int cx_finish_code(struct cx_exec *x, struct cx_code *code, const uint32_t *remap,
                   struct sn_wcode *ret);
void cx_code_done(struct cx_code *code);

/* emit.c */
int cx_constrain(struct cx_exec *x, const struct sn_zv *l, const struct sn_zv *r, uint32_t pos,
                 uint32_t end);

/* exec_expr.c */
int cx_eval(struct cx_exec *x, const struct cx_expr *e, struct cx_val *ret);
int cx_eval_scalar(struct cx_exec *x, const struct cx_expr *e, struct sn_zv *ret);
/* cx_eval_size - an array's size. Returns 0, CX_UNSIZED where it depends on a tag without value yet
 * (CX_IN_PORTS only), or an error. */
#define CX_UNSIZED 1
int cx_eval_size(struct cx_exec *x, const struct cx_expr *e, uint32_t *ret);
int cx_op(struct cx_exec *x, enum sn_zop op, struct sn_zv *ret, const struct sn_zv *a,
          const struct sn_zv *b, uint32_t pos, uint32_t end);
int cx_copy_val(struct cx_exec *x, struct sn_arena *a, struct cx_val *ret,
                const struct cx_val *v);
struct cx_ent *cx_find(struct cx_exec *x, uint32_t sym);
int cx_push_ent(struct cx_exec *x, enum cx_ent_kind kind, uint32_t sym, uint32_t pos,
                struct cx_ent **ret);
void cx_pop_ents(struct cx_exec *x, size_t to);
int cx_push_frame(struct cx_exec *x, struct cx_frame *f, uint32_t pos);
void cx_pop_frame(struct cx_exec *x);
int cx_key_val(struct cx_exec *x, const struct cx_val *v, bool shape_only);
int cx_args(struct cx_exec *x, const struct cx_def *d, const struct cx_expr *e,
            struct cx_val **ret);
/* exec_call.c */
int cx_call(struct cx_exec *x, const struct cx_expr *e, struct cx_val *ret);
int cx_bind(struct cx_exec *x, const struct cx_def *d, const struct cx_val *args);

/* exec_var.c */
struct cx_place {
    struct cx_ent *ent;
    uint32_t at, n; /* elements */
    uint32_t n_dims, dims[CX_DIMS_MAX];
    uint32_t dyn; /* node of an index to add; 0 = none; then total is the array's length */
    uint32_t total;
    /* Signals: */
    bool is_signal;
    uint32_t prov;
    const struct cx_bus *bus;
    struct cx_tags *tags;
    int32_t comp, port; /* index of the component, or -1 */
    uint32_t tag;       /* the place is this tag */
    bool is_tag, is_comp;
    bool indexed;       /* an index stands in the last name */
    bool tag_deep;      /* or in one before */
    uint32_t tag_total; /* signals that `tags` are for */
    uint32_t n_index, index[CX_DIMS_MAX]; /* of a component array */
};
int cx_resolve(struct cx_exec *x, const struct cx_expr *e, struct cx_place *ret);
int cx_read(struct cx_exec *x, const struct cx_place *p, const struct cx_expr *e,
            struct cx_val *ret);
int cx_write_var(struct cx_exec *x, const struct cx_place *p, const struct cx_val *v,
                 const struct cx_expr *e);
int cx_declare(struct cx_exec *x, const struct cx_decl *d);
int cx_spill(struct cx_exec *x, struct cx_ent *ent);

/* tags.c */
struct cx_tag *cx_find_tag(const struct cx_tags *t, uint32_t sym);
bool cx_any_tag(const struct cx_tags *t);
int cx_copy_tags(struct cx_exec *x, struct cx_tags *ret, const struct cx_tags *from);
int cx_declared_tags(struct cx_exec *x, const struct cx_decl *d, const struct cx_bus *bus,
                     struct cx_tags *ret);
/* cx_require_tags - an input takes the tags it asks for, with their values; all must be there.
 * cx_take_tags - the values of tags declared alike. */
int cx_require_tags(struct cx_exec *x, struct cx_tags *to, const struct cx_tags *from, uint32_t pos,
                    uint32_t end);
void cx_take_tags(struct cx_tags *to, const struct cx_tags *from);
/* cx_common_tags - leaves in t what `with` (NULL: nothing) has too. */
int cx_common_tags(struct cx_exec *x, struct cx_tags *t, const struct cx_tags *with);
int cx_inherit_tags(struct cx_exec *x, const struct cx_place *p, const struct cx_tags *from);
int cx_read_tag(struct cx_exec *x, const struct cx_place *p, const struct cx_expr *e,
                struct cx_val *ret);
int cx_set_tag(struct cx_exec *x, const struct cx_place *p, const struct cx_stmt *s);
int cx_key_tags(struct cx_exec *x, const struct cx_tags *t);

/* exec_sig.c */
int cx_assign_signal(struct cx_exec *x, const struct cx_place *p, const struct cx_val *v,
                     bool constrain, uint32_t pos, uint32_t end);
int cx_new_component(struct cx_exec *x, uint32_t sym, const struct cx_place *at,
                     const struct cx_expr *call, struct cx_comp **ret);
int cx_anonymous(struct cx_exec *x, const struct cx_expr *e, struct cx_val *ret);
/* cx_count_ports - inputs and outputs declared in a statement, whatever the conditions. */
uint32_t cx_count_ports(const struct cx_stmt *s);
int cx_comp_ready(struct cx_exec *x, uint32_t comp);
int cx_find_bus(struct cx_exec *x, const struct cx_expr *e, const struct cx_bus **ret);
int cx_instance(struct cx_exec *x, const struct cx_def *d, const struct cx_val *args,
                const struct cx_comp *from, uint32_t pos, struct cx_inst **ret);

/* exec_stmt.c */
int cx_exec(struct cx_exec *x, const struct cx_stmt *s);

/* inspect.c */
void cx_inspect(struct cx_exec *x, struct cx_inst *inst);

/* link.c */
int cx_layout(struct cx_exec *x, struct cx_inst *inst, struct cx_code *code);
int cx_link(struct cx_exec *x);
