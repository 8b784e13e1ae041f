/* SPDX-License-Identifier: Apache-2.0 */
/* sennit zk - circuits: constraint systems, proofs and their files, with the names circom and
 * snarkjs users know. */
#include <pthread.h>
#include <stdio.h>

#include "core/alloc.h"
#include "core/status.h"
#include "sennit/commands.h"
#include "sennit/zk_cmd.h"

/* ---- shared ---------------------------------------------------------------------------------- */

int zk_print_json(const struct sn_json *v)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    int r = sn_json_write(&b, v, &(struct sn_json_style){.indent = 2});
    if (r >= 0) r = files_print(&b);
    sn_buf_done(&b);
    return r;
}

static void set_u64(struct sn_arena *a, struct sn_json *o, const char *key, uint64_t v)
{
    (void)sn_json_add(a, o, sn_str(key), sn_json_u64(v));
}

struct on_stack {
    int (*fn)(void *arg);
    void *arg;
    int r;
    char text[SN_DIAG_BYTES];
};
static void *on_stack(void *arg)
{
    struct on_stack *s = arg;
    s->r = s->fn(s->arg);
    if (s->r < 0) (void)sn_diag_format(s->r, s->text, sizeof(s->text));
    return NULL;
}

int zk_on_stack(size_t stack_bytes, int (*fn)(void *arg), void *arg)
{
    struct on_stack s = {.fn = fn, .arg = arg};
    pthread_attr_t attr;
    pthread_t t;
    (void)pthread_attr_init(&attr);
    int err = pthread_attr_setstacksize(&attr, stack_bytes);
    if (err == 0) err = pthread_create(&t, &attr, on_stack, &s);
    (void)pthread_attr_destroy(&attr);
    if (err) return sn_fail(SN_E_RESOURCE_EXHAUSTED, "a thread with %zu bytes of stack", stack_bytes);
    (void)pthread_join(t, NULL);
    return s.r < 0 ? sn_fail(s.r, "%s", s.text) : s.r;
}

int zk_read_r1cs(struct sn_str path, struct sn_r1cs *ret)
{
    struct sn_str file;
    int r = files_map(path, &file);
    if (r < 0) return r;
    r = sn_r1cs_read(file, ret);
    files_unmap(&file);
    return r < 0 ? sn_wrap(r, "%.*s", SN_STR_ARG(path)) : 0;
}

/* ---- info ------------------------------------------------------------------------------------ */

struct info_opts {
    bool json, deps;
    struct sn_str sym;
};
static const struct sn_conf_field info_fields[] = {
    SN_CONF_BOOL(struct info_opts, json, "json", .help = "Print a JSON object."),
    SN_CONF_BOOL(struct info_opts, deps, "deps",
                 .help = "Which constraints follow from others, contradict them or stand twice."),
    SN_CONF_STRING(struct info_opts, sym, "sym", .metavar = "FILE",
                   .help = "With --deps: name signals by this .sym file."),
};
static const struct sn_conf_table info_table = SN_CONF_TABLE(struct info_opts, info_fields);

/* A list of constraints, as text each: the first DEPS_SHOWN of them. */
#define DEPS_SHOWN 100u
static int deps_list(struct sn_arena *a, struct sn_json *o, const char *key, const struct sn_r1cs *s,
                     const struct sn_r1cs_dep_list *l, const struct sn_sym_source *names)
{
    struct sn_json list = sn_json_array();
    struct sn_buf b;
    bool ok = true;
    sn_buf_init(&b, 1 << 16);
    for (uint32_t i = 0; ok && i < l->n && i < DEPS_SHOWN; i++) {
        sn_buf_reset(&b);
        (void)sn_buf_printf(&b, "%u: ", l->row[i]);
        sn_r1cs_row_text(s, l->row[i], names, &b);
        struct sn_str text = sn_arena_str(a, sn_buf_view(&b));
        ok = text.ptr && sn_json_push(a, &list, sn_json_string(text));
    }
    sn_buf_done(&b);
    return ok && sn_json_add(a, o, sn_str(key), list) ? 0 : SN_E_NOMEM;
}

static int info_deps(struct sn_arena *a, const struct sn_r1cs *s, struct sn_str sym_path,
                     struct sn_json *o)
{
    struct sn_r1cs_deps d = {0};
    struct sn_sym sym = {0};
    struct sn_str file = {0};
    int r = sym_path.len ? files_map(sym_path, &file) : 0;
    if (r == 0 && sym_path.len) r = sn_sym_read(file, &sym);
    zk_progress_begin("dependencies");
    if (r == 0) r = sn_r1cs_deps(s, &d);
    zk_progress_end();
    struct sn_sym_source src = sn_sym_source_of(&sym);
    const struct sn_sym_source *names = sym_path.len ? &src : NULL;
    if (r == 0) {
        set_u64(a, o, "linearRank", d.rank);
        set_u64(a, o, "dependentConstraints", d.dependent.n);
        set_u64(a, o, "contradictingConstraints", d.contradicting.n);
        set_u64(a, o, "repeatedConstraints", d.repeated.n);
        r = deps_list(a, o, "dependent", s, &d.dependent, names);
    }
    if (r == 0) r = deps_list(a, o, "contradicting", s, &d.contradicting, names);
    if (r == 0) r = deps_list(a, o, "repeated", s, &d.repeated, names);
    sn_r1cs_deps_done(&d);
    sn_sym_done(&sym);
    files_unmap(&file);
    return r;
}

static int info_r1cs(struct sn_arena *a, struct sn_str file, const struct info_opts *opts,
                     struct sn_json *o)
{
    struct sn_r1cs s;
    struct sn_r1cs_stats t;
    int r = sn_r1cs_read(file, &s);
    if (r < 0) return r;
    sn_r1cs_stats(&s, &t);
    (void)sn_json_add(a, o, SN_STR("format"), sn_json_cstr("r1cs"));
    (void)sn_json_add(a, o, SN_STR("field"), sn_json_cstr(s.field->name));
    set_u64(a, o, "constraints", t.rows);
    set_u64(a, o, "nonLinear", t.nonlinear);
    set_u64(a, o, "linear", t.linear);
    set_u64(a, o, "wires", t.wires);
    set_u64(a, o, "labels", t.labels);
    set_u64(a, o, "outputs", t.outputs);
    set_u64(a, o, "publicInputs", t.public_inputs);
    set_u64(a, o, "privateInputs", t.private_inputs);
    set_u64(a, o, "coefficients", t.entries);
    set_u64(a, o, "differentCoefficients", t.coefficients);
    set_u64(a, o, "coefficientsPlusMinusOne", t.entries_unit);
    set_u64(a, o, "longestConstraint", t.row_max);
    set_u64(a, o, "unusedWires", t.wires_unused);
    if (s.gates) {
        set_u64(a, o, "customGates", s.gates->n_gates);
        set_u64(a, o, "customGateUses", s.gates->n_uses);
    }
    if (opts->deps) r = info_deps(a, &s, opts->sym, o);
    sn_r1cs_done(&s);
    return r;
}

static int info_wtns(struct sn_arena *a, struct sn_str file, struct sn_json *o)
{
    const struct sn_field *f;
    struct sn_fe *w;
    size_t n;
    int r = sn_wtns_read(file, &f, &w, &n);
    if (r < 0) return r;
    sn_free(w);
    (void)sn_json_add(a, o, SN_STR("format"), sn_json_cstr("wtns"));
    (void)sn_json_add(a, o, SN_STR("field"), sn_json_cstr(f->name));
    set_u64(a, o, "values", n);
    return 0;
}

static int info_run(const struct sn_cli_call *call)
{
    const struct info_opts *opts = call->opts;
    struct sn_str file;
    struct sn_json o = sn_json_object();
    set_u64(call->arena, &o, "version", 1);
    int r = files_map(call->args[0], &file);
    if (r < 0) return r;
    if (sn_str_starts(file, SN_STR("r1cs")))
        r = info_r1cs(call->arena, file, opts, &o);
    else if (sn_str_starts(file, SN_STR("wtns")))
        r = info_wtns(call->arena, file, &o);
    else if (sn_str_starts(file, SN_STR("zkey")))
        r = zk_info_zkey(call->arena, file, &o);
    else
        r = sn_fail(SN_E_SYNTAX, "neither .r1cs nor .wtns nor .zkey");
    if (r == 0 && opts->json) r = zk_print_json(&o);
    for (SN_JSON_MEMBERS(r == 0 && !opts->json ? &o : NULL, m)) {
        struct sn_str text = sn_json_str(&m->value);
        if (sn_json_is(&m->value, SN_JSON_ARRAY)) {
            for (SN_JSON_EACH(&m->value, it))
                printf("%.*s %.*s\n", SN_STR_ARG(sn_json_str(&m->key)), SN_STR_ARG(sn_json_str(it)));
        } else if (text.ptr)
            printf("%-26.*s %.*s\n", SN_STR_ARG(sn_json_str(&m->key)), SN_STR_ARG(text));
        else
            printf("%-26.*s %lld\n", SN_STR_ARG(sn_json_str(&m->key)),
                   (long long)sn_json_i64_or(&m->value, -1));
    }
    files_unmap(&file);
    return r < 0 ? sn_wrap(r, "%.*s", SN_STR_ARG(call->args[0])) : 0;
}

static const struct sn_cli_command cmd_info = {
    .name = "info", .brief = "What a .r1cs, .wtns or .zkey file holds.", .usage = "FILE",
    .table = &info_table, .args_min = 1, .args_max = 1, .run = info_run,
};

/* ---- simplify -------------------------------------------------------------------------------- */

struct simplify_opts {
    uint64_t level, rounds;
};
static const struct sn_conf_field simplify_fields[] = {
    SN_CONF_UINT(struct simplify_opts, level, "level", .letter = 'O', .def = "2", .max = 2,
                 .help = "0 nothing, 1 equal and constant signals, 2 every linear constraint."),
    SN_CONF_UINT(struct simplify_opts, rounds, "rounds", .max = 1000,
                 .help = "Rounds of level 2 at most; 0 = until nothing changes."),
};
static const struct sn_conf_table simplify_table =
    SN_CONF_TABLE(struct simplify_opts, simplify_fields);

static int simplify_run(const struct sn_cli_call *call)
{
    const struct simplify_opts *opts = call->opts;
    struct sn_r1cs s, small;
    struct sn_simplify_stats st;
    struct zk_out out;
    int r = zk_read_r1cs(call->args[0], &s);
    if (r < 0) return r;
    struct sn_simplify_opts o = {.level = (unsigned)opts->level,
                                 .rounds_max = (unsigned)opts->rounds};
    r = sn_r1cs_simplify(&s, &o, &small, &st);
    sn_r1cs_done(&s);
    if (r < 0) return r;
    r = zk_out_open(&out, call->args[1]);
    if (r == 0) r = zk_out_commit(&out, sn_r1cs_write(&small, &out.sink));
    sn_r1cs_done(&small);
    if (r < 0) return r;
    fprintf(stderr, "constraints %u -> %u (linear %u -> %u), wires %u -> %u, %u rounds\n",
            st.rows_before, st.rows_after, st.linear_before, st.linear_after, st.wires_before,
            st.wires_after, st.rounds);
    return 0;
}

static const struct sn_cli_command cmd_simplify = {
    .name = "simplify", .brief = "Removes constraints a .r1cs file can do without.",
    .usage = "IN.r1cs OUT.r1cs", .table = &simplify_table, .args_min = 2, .args_max = 2,
    .run = simplify_run,
};

static const struct sn_cli_command *const subs[] = {
    &zk_cmd_compile, &zk_cmd_witness, &zk_cmd_setup, &zk_cmd_prove, &zk_cmd_verify, &zk_cmd_check,
    &cmd_info, &cmd_simplify, &zk_cmd_export, &zk_cmd_ptau, NULL,
};
const struct sn_cli_command sn_cmd_zk = {
    .name = "zk", .brief = "Circuits: constraint systems, witnesses, proofs.", .subs = subs,
};
