/* SPDX-License-Identifier: Apache-2.0 */
/* sennit zk compile, witness - circuits in the circom language: circom's flags and file names. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "sennit/zk_cmd.h"
#include "zk/circom/circom.h"
#include "zk/wasm/wasm.h"

/* ---- the circuit of a source file ------------------------------------------------------------ */

/* What both commands take: which circuit a source file stands for. */
struct circuit_opts {
    struct sn_str *dirs;
    size_t n_dirs;
    struct sn_str prime;
    bool o0, o1, o2;
    uint64_t o2round;
};
#define CIRCUIT_FIELDS(S)                                                                          \
    SN_CONF_LIST(S, circuit.dirs, circuit.n_dirs, "library", SN_CONF_T_STRING, .letter = 'l',      \
                 .metavar = "DIR", .help = "Look for included files in this folder too."),         \
        SN_CONF_STRING(S, circuit.prime, "prime", .letter = 'p', .def = "bn128",                   \
                       .help = "bn128, bls12377, bls12381, goldilocks, grumpkin, pallas, "          \
                               "secq256r1, vesta."),                                               \
        SN_CONF_BOOL(S, circuit.o0, "O0", .help = "No simplification."),                           \
        SN_CONF_BOOL(S, circuit.o1, "O1",                                                          \
                     .help = "Equal and constant signals go (what happens without a flag)."),      \
        SN_CONF_BOOL(S, circuit.o2, "O2", .help = "Every linear constraint goes."),                \
        SN_CONF_UINT(S, circuit.o2round, "O2round", .max = 1000, .metavar = "N",                   \
                     .help = "--O2 with N rounds at most.")

/* The source: circom's name where none is given. */
static struct sn_str source_of(const struct sn_cli_call *call)
{
    return call->n_args ? call->args[0] : SN_STR("circuit.circom");
}

struct circuit {
    struct sn_circom *c;
    struct sn_r1cs sys;
    unsigned level;
    bool reported; /* the reasons of a failure were printed */
    struct zk_cache *cache; /* told of the sources; may be NULL */
};

static int read_source(void *ctx, const char *path, struct sn_buf *ret)
{
    const struct circuit *k = ctx;
    struct sn_str file;
    int r = files_map(sn_str(path), &file);
    if (k->cache && (r == 0 || r == SN_E_NOT_FOUND))
        zk_cache_saw(k->cache, path, r == 0 ? &file : NULL);
    if (r < 0) return r;
    r = sn_buf_put(ret, file.ptr, file.len);
    files_unmap(&file);
    return r;
}
static void print_finding(void *ctx, const struct sn_circom_msg *m)
{
    struct circuit *k = ctx;
    struct sn_buf b;
    sn_buf_init(&b, 0);
    sn_circom_msg_format(m, &b);
    zk_progress_clear();
    fwrite(b.ptr, 1, b.len, stderr);
    sn_buf_done(&b);
    k->reported |= m->level == SN_CIRCOM_ERROR;
}

static int circuit_level(const struct circuit_opts *o, struct sn_simplify_opts *ret)
{
    bool two = o->o2 || o->o2round;
    if (o->o0 + o->o1 + two > 1)
        return sn_fail(SN_E_INVALID_ARGUMENT, "--O0, --O1 and --O2 exclude each other");
    *ret = (struct sn_simplify_opts){.level = o->o0 ? 0 : two ? 2 : 1,
                                     .rounds_max = (unsigned)o->o2round};
    return 0;
}

static int find_prime(struct sn_str name, const struct sn_field **ret)
{
    *ret = sn_zk_field(name);
    if (*ret) return 0;
    return sn_fail(SN_E_INVALID_ARGUMENT,
                   "--prime %.*s: expected bn128, bls12377, bls12381, goldilocks, grumpkin, pallas, "
                   "secq256r1 or vesta",
                   SN_STR_ARG(name));
}

/* Compiles and simplifies; subst is told what went, NULL: nobody is. Returns 0, SN_EXIT_FAILED where the
 * findings were printed, SN_E_*. */
static int circuit_load(const struct sn_cli_call *call, const struct circuit_opts *o, bool inspect,
                        struct sn_subst *subst, struct circuit *ret)
{
    struct sn_simplify_opts level;
    struct sn_circom_opts co = {.read = read_source, .report = print_finding, .ctx = ret,
                                .inspect = inspect, .n_include_dirs = o->n_dirs};
    const char **dirs = sn_arena_array(call->arena, o->n_dirs, sizeof(*dirs));
    struct sn_str path = sn_arena_str(call->arena, source_of(call));
    if (!dirs || !path.ptr) return SN_E_NOMEM;
    for (size_t i = 0; i < o->n_dirs; i++)
        if (!(dirs[i] = sn_arena_str(call->arena, o->dirs[i]).ptr)) return SN_E_NOMEM;
    co.include_dirs = dirs;
    int r = find_prime(o->prime, &co.field);
    if (r == 0) r = circuit_level(o, &level);
    if (r < 0) return r;
    if (subst) {
        sn_subst_init(subst, co.field);
        level.replaced = sn_subst_add;
        level.ctx = subst;
    }
    zk_progress_stage("compile");
    r = sn_circom_compile(&co, path.ptr, &ret->c);
    if (r < 0) return ret->reported ? SN_EXIT_FAILED : r;
    ret->level = level.level;
    struct sn_r1cs full;
    zk_progress_stage("constraints");
    if ((r = sn_circom_r1cs(ret->c, &full)) < 0) return r;
    if (level.level == 0) {
        ret->sys = full;
        return 0;
    }
    zk_progress_stage("simplify");
    r = sn_r1cs_simplify(&full, &level, &ret->sys, NULL);
    sn_r1cs_done(&full);
    return r;
}

static void circuit_done(struct circuit *k)
{
    sn_r1cs_done(&k->sys);
    sn_circom_free(k->c);
}

/* ---- compile --------------------------------------------------------------------------------- */

struct compile_opts {
    struct circuit_opts circuit;
    struct sn_str output;
    bool r1cs, sym, json, snw, wasm, subst, inspect, stats, verbose;
    bool cpp, wat, old_heuristics, no_asm, no_init;
    uint64_t sanity;
};
static const struct sn_conf_field compile_fields[] = {
    SN_CONF_STRING(struct compile_opts, output, "output", .letter = 'o', .def = ".",
                   .metavar = "DIR", .help = "Folder the files are written to."),
    SN_CONF_BOOL(struct compile_opts, r1cs, "r1cs", .help = "Write NAME.r1cs."),
    SN_CONF_BOOL(struct compile_opts, sym, "sym", .help = "Write NAME.sym."),
    SN_CONF_BOOL(struct compile_opts, json, "json",
                 .help = "Write NAME_constraints.json, the constraints (for figures take --stats)."),
    SN_CONF_BOOL(struct compile_opts, snw, "snw",
                 .help = "Write NAME.snw, the program that computes witnesses."),
    SN_CONF_BOOL(struct compile_opts, wasm, "wasm",
                 .help = "Write NAME_js: the witness calculator for WebAssembly, as snarkjs takes it."),
    SN_CONF_BOOL(struct compile_opts, subst, "simplification_substitution",
                 .help = "Write NAME_substitutions.json: what simplification replaced, and by what."),
    SN_CONF_BOOL(struct compile_opts, inspect, "inspect",
                 .help = "Warn about signals in no constraint and about <-- that could be <==."),
    SN_CONF_BOOL(struct compile_opts, stats, "stats", .help = "Print the figures as JSON."),
    SN_CONF_BOOL(struct compile_opts, verbose, "verbose", .help = "Say what each step took."),
    SN_CONF_BOOL(struct compile_opts, cpp, "c", .letter = 'c',
                 .help = "circom's C++ generator: not here, an error that says what to use."),
    SN_CONF_BOOL(struct compile_opts, wat, "wat", .hidden = true),
    SN_CONF_BOOL(struct compile_opts, old_heuristics, "use_old_simplification_heuristics",
                 .hidden = true),
    SN_CONF_BOOL(struct compile_opts, no_asm, "no_asm", .hidden = true),
    SN_CONF_BOOL(struct compile_opts, no_init, "no_init", .hidden = true),
    SN_CONF_UINT(struct compile_opts, sanity, "sanity_check", .def = "2", .max = 3,
                 .help = "Accepted from 0 to 3: asserts and constraints are checked at every one."),
    CIRCUIT_FIELDS(struct compile_opts),
};
static const struct sn_conf_table compile_table =
    SN_CONF_TABLE(struct compile_opts, compile_fields);

/* What the figures are, in circom's order. */
struct figures {
    struct sn_circom_stats c;
    struct sn_r1cs_stats s;
    uint32_t private_kept; /* private inputs that still have a wire */
};

static void count(const struct circuit *k, struct figures *ret)
{
    const struct sn_r1cs *s = &k->sys;
    sn_circom_stats(k->c, &ret->c);
    sn_r1cs_stats(s, &ret->s);
    if (k->level == 0) { /* counted as they were written, see struct sn_circom_stats */
        ret->s.nonlinear = ret->c.nonlinear;
        ret->s.linear = ret->c.linear;
    }
    uint64_t first = 1ull + s->n_outputs + s->n_public, end = first + s->n_private;
    ret->private_kept = s->label_of ? 0 : s->n_private;
    for (uint32_t w = 0; s->label_of && w < s->n_wires; w++)
        ret->private_kept += s->label_of[w] >= first && s->label_of[w] < end;
}

static int print_stats(struct sn_arena *a, const struct circuit *k, const struct figures *f)
{
    struct sn_json o = sn_json_object();
    struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"version", 1}, {"templateInstances", f->c.template_instances},
        {"nonLinear", f->s.nonlinear}, {"linear", f->s.linear},
        {"publicInputs", f->s.public_inputs}, {"privateInputs", f->s.private_inputs},
        {"privateInputsInWitness", f->private_kept}, {"outputs", f->s.outputs},
        {"wires", f->s.wires}, {"labels", f->s.labels}, {"coefficients", f->s.entries},
        {"witnessInstructions", f->c.code_ops}, {"level", k->level},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++)
        if (!sn_json_add(a, &o, sn_str(rows[i].name), sn_json_u64(rows[i].value))) return SN_E_NOMEM;
    return zk_print_json(&o);
}

/* The lines circom prints, which scripts read. */
static void print_figures(const struct figures *f)
{
    char kept[48] = "";
    if (f->private_kept == 0 && f->s.private_inputs)
        (void)snprintf(kept, sizeof(kept), " (none belong to witness)");
    else if (f->private_kept < f->s.private_inputs)
        (void)snprintf(kept, sizeof(kept), " (%u belong to witness)", f->private_kept);
    printf("template instances: %u\n", f->c.template_instances);
    printf("non-linear constraints: %u\nlinear constraints: %u\n", f->s.nonlinear, f->s.linear);
    printf("public inputs: %u\nprivate inputs: %u%s\n", f->s.public_inputs, f->s.private_inputs,
           kept);
    printf("public outputs: %u\nwires: %u\nlabels: %llu\n", f->s.outputs, f->s.wires,
           (unsigned long long)f->s.labels);
}

enum { OUT_SUBST, OUT_R1CS, OUT_SYM, OUT_JSON, OUT_SNW, OUT_WASM, OUT_JS, OUT_JS_CALC, OUT_N };
static int put_text(const struct sn_zk_sink *sink, struct sn_str text)
{
    return sink->write(sink->ctx, text.ptr, text.len);
}
static int write_one(const struct circuit *k, struct sn_subst *subst, unsigned what,
                     const struct sn_zk_sink *sink)
{
    struct sn_sym_source names = sn_circom_sym(k->c);
    const struct sn_r1cs *wires = k->level ? &k->sys : NULL;
    switch (what) {
    case OUT_SUBST: return sn_subst_write(subst, sink);
    case OUT_R1CS: return sn_r1cs_write(&k->sys, sink);
    case OUT_SYM: return sn_sym_write(&k->sys, &names, sink);
    case OUT_JSON: return sn_r1cs_write_json(&k->sys, sink);
    case OUT_WASM: return sn_wasm_write(sn_circom_witness(k->c), wires, sink);
    case OUT_JS: return put_text(sink, sn_wasm_generate_js());
    case OUT_JS_CALC: return put_text(sink, sn_wasm_calculator_js());
    default: return sn_witness_write(sn_circom_witness(k->c), wires, sink);
    }
}

/* The path of an output; the calculator's files have a folder, which is made. */
static int out_path(const struct sn_cli_call *call, unsigned what, struct sn_str *ret)
{
    static const char *const suffix[OUT_N] = {"_substitutions.json", ".r1cs", ".sym", "_constraints.json",
                                              ".snw", ".wasm", "generate_witness.js",
                                              "witness_calculator.js"};
    const struct compile_opts *o = call->opts;
    struct sn_str base = source_of(call);
    base = sn_str_from(base, (size_t)(sn_str_rchr(base, '/') + 1));
    if (sn_str_ends(base, SN_STR(".circom"))) base.len -= strlen(".circom");
    zk_progress_stage(suffix[what]);
    if (what < OUT_WASM) {
        *ret = sn_arena_printf(call->arena, "%.*s/%.*s%s", SN_STR_ARG(o->output), SN_STR_ARG(base),
                               suffix[what]);
        return ret->ptr ? 0 : SN_E_NOMEM;
    }
    struct sn_str dir = sn_arena_printf(call->arena, "%.*s/%.*s_js", SN_STR_ARG(o->output),
                                        SN_STR_ARG(base));
    if (!dir.ptr) return SN_E_NOMEM;
    if (what == OUT_WASM && mkdir(dir.ptr, 0777) < 0 && errno != EEXIST)
        return sn_fail_errno(errno, "the folder %s", dir.ptr);
    if (what != OUT_WASM) base.len = 0;
    *ret = sn_arena_printf(call->arena, "%s/%.*s%s", dir.ptr, SN_STR_ARG(base), suffix[what]);
    return ret->ptr ? 0 : SN_E_NOMEM;
}

/* All files or none: they get their names when every one is complete. */
static int write_files(const struct sn_cli_call *call, const struct circuit *k,
                       struct sn_subst *subst)
{
    const struct compile_opts *o = call->opts;
    const bool wanted[OUT_N] = {o->subst, o->r1cs, o->sym, o->json, o->snw, o->wasm, o->wasm, o->wasm};
    struct zk_out *out = sn_arena_array(call->arena, OUT_N, sizeof(*out)); /* large for a stack */
    bool open[OUT_N] = {0};
    int r = out ? 0 : SN_E_NOMEM;
    for (unsigned i = 0; r == 0 && i < OUT_N; i++) {
        struct sn_str path;
        if (!wanted[i]) continue;
        r = out_path(call, i, &path);
        if (r == 0) r = zk_out_open(&out[i], path);
        open[i] = r == 0;
        if (r == 0) r = write_one(k, subst, i, &out[i].sink);
    }
    zk_progress_stage("files to disk");
    for (unsigned i = 0; i < OUT_N; i++) {
        if (!open[i]) continue;
        int s = zk_out_commit(&out[i], r);
        if (r == 0 && s < 0) r = s;
        if (r == 0 && !o->stats) printf("Written successfully: %s\n", out[i].file.path);
    }
    return r;
}

/* circom's flags that mean nothing here, each with what to do instead. */
static int refuse_flags(const struct compile_opts *o)
{
    if (o->wasm && !sn_wasm_here())
        return sn_fail(SN_E_UNIMPLEMENTED, "--wasm: this build has no WebAssembly runtime: it was made "
                       "without clang, lld, wasi-libc and libclang-rt-14-dev-wasm32");
    if (o->cpp)
        return sn_fail(SN_E_UNIMPLEMENTED, "--c: there is no C++ generator here; --snw writes the "
                       "witness program, which `sennit zk witness` runs natively");
    if (o->wat)
        return sn_fail(SN_E_UNIMPLEMENTED, "--wat: there is no text form of the witness program");
    if (o->old_heuristics)
        return sn_fail(SN_E_UNIMPLEMENTED, "--use_old_simplification_heuristics: there is one way "
                       "of simplifying here; leave the flag out");
    return 0;
}

static int compile_work(void *arg)
{
    const struct sn_cli_call *call = arg;
    const struct compile_opts *o = call->opts;
    struct circuit k = {0};
    struct sn_subst subst = {0};
    struct figures f;
    int r = refuse_flags(o);
    if (r == 0) r = circuit_load(call, &o->circuit, o->inspect, o->subst ? &subst : NULL, &k);
    if (r == 0) {
        count(&k, &f);
        zk_progress_clear();
        if (!o->stats) print_figures(&f);
        r = write_files(call, &k, &subst);
        if (r == 0 && o->stats) r = print_stats(call->arena, &k, &f);
    }
    sn_subst_done(&subst);
    circuit_done(&k);
    return r;
}

static int compile_run(const struct sn_cli_call *call)
{
    const struct compile_opts *o = call->opts;
    zk_progress_begin("start");
    zk_progress_verbose(o->verbose);
    int r = zk_on_stack(2 * SN_CIRCOM_STACK_BYTES, compile_work, (void *)(uintptr_t)call);
    zk_progress_end();
    return r;
}

const struct sn_cli_command zk_cmd_compile = {
    .name = "compile", .brief = "Compiles a circuit in the circom language.",
    .usage = "[CIRCUIT.circom]", .table = &compile_table, .args_min = 0, .args_max = 1,
    .about = "Flags, file names and printed figures are circom's, and so is the source where none is "
             "named: circuit.circom. Nothing is written without a flag that asks for it; files get "
             "their names when all of them are complete.",
    .run = compile_run,
};

/* ---- witness --------------------------------------------------------------------------------- */

struct witness_opts {
    struct circuit_opts circuit;
    bool strict, cache;
};
static const struct sn_conf_field witness_fields[] = {
    SN_CONF_BOOL(struct witness_opts, strict, "strict",
                 .help = "Refuse inputs that are not below the prime instead of reducing them."),
    SN_CONF_BOOL(struct witness_opts, cache, "cache", .def = "true",
                 .help = "Keep the program of a source for the next time; --no-cache does not."),
    CIRCUIT_FIELDS(struct witness_opts),
};
static const struct sn_conf_table witness_table =
    SN_CONF_TABLE(struct witness_opts, witness_fields);

static void print_log(void *ctx, struct sn_str line)
{
    zk_progress_clear();
    printf("%.*s\n", SN_STR_ARG(line));
}

static int witness_of(const struct sn_cli_call *call, const struct sn_witness_prog *p)
{
    const struct witness_opts *o = call->opts;
    uint32_t first, n = sn_witness_n_inputs(p, &first);
    struct sn_witness_opts wo = {.log = print_log, .par = zk_par()};
    struct sn_str json;
    struct zk_out out;
    int r = files_map(call->args[1], &json);
    if (r < 0) return r;
    struct sn_fe *in = SN_NEW_ARRAY(struct sn_fe, SN_MAX(n, 1u));
    if (!in) r = SN_E_NOMEM;
    if (r == 0)
        r = sn_witness_inputs_json(p, json, o->strict ? SN_WITNESS_STRICT : SN_WITNESS_REDUCE, in);
    files_unmap(&json);
    if (r < 0) r = sn_wrap(r, "%.*s", SN_STR_ARG(call->args[1]));
    zk_progress_stage("witness");
    if (r == 0) r = zk_out_open(&out, call->args[2]);
    if (r == 0) r = zk_out_commit(&out, sn_witness_run_wtns(p, in, &wo, &out.sink));
    if (in) sn_wipe(in, n * sizeof(*in));
    sn_free(in);
    return r;
}

static int program_work(const struct sn_cli_call *call, struct sn_str file)
{
    struct sn_witness_prog *p;
    int r = sn_witness_read(file, &p);
    if (r < 0) return sn_wrap(r, "%.*s", SN_STR_ARG(call->args[0]));
    r = witness_of(call, p);
    sn_witness_free(p);
    return r;
}

/* From the source by way of the program's file, so that both give the same. */
static int compile_program(const struct sn_cli_call *call, struct zk_cache *cache)
{
    const struct witness_opts *o = call->opts;
    struct circuit k = {.cache = cache};
    struct sn_buf program;
    sn_buf_init(&program, 0);
    int r = circuit_load(call, &o->circuit, false, NULL, &k);
    if (r == 0) {
        struct sn_zk_sink sink = sn_zk_sink_buf(&program);
        r = sn_witness_write(sn_circom_witness(k.c), k.level ? &k.sys : NULL, &sink);
    }
    circuit_done(&k);
    if (r == 0 && cache) zk_cache_put(cache, sn_buf_view(&program));
    if (r == 0) r = program_work(call, sn_buf_view(&program));
    sn_buf_done(&program);
    return r;
}

static int source_work(const struct sn_cli_call *call)
{
    const struct witness_opts *o = call->opts;
    const struct circuit_opts *co = &o->circuit;
    struct sn_simplify_opts level;
    int r = circuit_level(co, &level);
    if (r < 0) return r;
    if (!o->cache) return compile_program(call, NULL);
    struct sn_buf flags;
    struct zk_cache cache;
    struct sn_str program;
    sn_buf_init(&flags, 0);
    (void)sn_buf_printf(&flags, "%u %u %.*s %.*s", level.level, level.rounds_max,
                        SN_STR_ARG(co->prime), SN_STR_ARG(call->args[0]));
    for (size_t i = 0; i < co->n_dirs; i++)
        (void)sn_buf_printf(&flags, "\n%.*s", SN_STR_ARG(co->dirs[i]));
    zk_cache_open(&cache, &flags);
    if (zk_cache_find(&cache, &program)) {
        r = program_work(call, program);
        files_unmap(&program);
    } else {
        r = compile_program(call, &cache);
    }
    zk_cache_close(&cache);
    sn_buf_done(&flags);
    return r;
}

static int witness_work(void *arg)
{
    const struct sn_cli_call *call = arg;
    struct sn_str file;
    if (sn_str_ends(call->args[0], SN_STR(".circom"))) return source_work(call);
    int r = files_map(call->args[0], &file);
    if (r < 0) return r;
    r = program_work(call, file);
    files_unmap(&file);
    return r;
}

static int witness_run(const struct sn_cli_call *call)
{
    zk_progress_begin("compile");
    int r = zk_on_stack(2 * SN_CIRCOM_STACK_BYTES, witness_work, (void *)(uintptr_t)call);
    zk_progress_end();
    return r;
}

const struct sn_cli_command zk_cmd_witness = {
    .name = "witness", .brief = "Computes the witness of a circuit from its inputs.",
    .usage = "CIRCUIT.snw|CIRCUIT.circom INPUT.json OUT.wtns", .table = &witness_table, .args_min = 3,
    .args_max = 3,
    .about = "From the program `zk compile --snw` wrote, or from the source: then it belongs to the "
             ".r1cs that `zk compile` writes with the same flags, and its program is kept for the "
             "next time. What the circuit logs goes to standard output.",
    .run = witness_run,
};
