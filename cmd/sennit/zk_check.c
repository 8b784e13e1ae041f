/* SPDX-License-Identifier: Apache-2.0 */
/* sennit zk check - whether a witness satisfies a constraint system, and if not where and by what
 * values. */
#include <stdio.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "sennit/zk_cmd.h"

#define SIGNALS_SHOWN 32u

struct check_opts {
    struct sn_str sym;
    bool json;
};
static const struct sn_conf_field check_fields[] = {
    SN_CONF_STRING(struct check_opts, sym, "sym", .metavar = "FILE",
                   .help = "Name signals by this .sym file."),
    SN_CONF_BOOL(struct check_opts, json, "json", .help = "Print a JSON object."),
};
static const struct sn_conf_table check_table = SN_CONF_TABLE(struct check_opts, check_fields);

/* A constraint that does not hold, ready to be shown. */
struct failure {
    const struct sn_r1cs *s;
    const struct sn_fe *w;
    const struct sn_sym_source *names; /* NULL: w5 */
    uint32_t row;
    bool signs; /* -3 for p - 3 */
    struct sn_arena *arena;
    uint32_t *wires; /* each once, in order, without the one */
    uint32_t n;
};

static int by_number(const void *pa, const void *pb)
{
    uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;
    return a < b ? -1 : a > b;
}

static int find_wires(struct failure *f)
{
    const uint32_t *at = f->s->row_at + 3 * (size_t)f->row;
    f->wires = sn_arena_array(f->arena, at[3] - at[0], sizeof(*f->wires));
    if (!f->wires) return SN_E_NOMEM;
    for (uint32_t e = at[0]; e < at[3]; e++)
        if (f->s->wire[e]) f->wires[f->n++] = f->s->wire[e];
    qsort(f->wires, f->n, sizeof(*f->wires), by_number);
    uint32_t n = 0;
    for (uint32_t i = 0; i < f->n; i++)
        if (n == 0 || f->wires[n - 1] != f->wires[i]) f->wires[n++] = f->wires[i];
    f->n = n;
    return 0;
}

static struct sn_str text_of(struct failure *f, struct sn_buf *b)
{
    struct sn_str s = b->err < 0 ? (struct sn_str){0} : sn_arena_str(f->arena, sn_buf_view(b));
    sn_buf_reset(b);
    return s;
}
static struct sn_str value_text(struct failure *f, const struct sn_fe *v)
{
    char dec[SN_FE_DEC_MAX], minus_dec[SN_FE_DEC_MAX];
    struct sn_fe minus;
    sn_fe_neg(f->s->field, &minus, v);
    bool negative = f->signs && sn_fe_to_dec(f->s->field, &minus, minus_dec) <
                                    sn_fe_to_dec(f->s->field, v, dec);
    if (negative) return sn_arena_printf(f->arena, "-%s", minus_dec);
    (void)sn_fe_to_dec(f->s->field, v, dec);
    return sn_arena_str(f->arena, sn_str(dec));
}
static struct sn_str wire_name(struct failure *f, uint32_t w, struct sn_buf *b)
{
    if (f->names)
        f->names->name(f->names->ctx, f->s->label_of ? f->s->label_of[w] : w, b);
    else
        (void)sn_buf_printf(b, "w%u", w);
    return text_of(f, b);
}

/* What the two sides of A * B = C are. */
static void sides(const struct failure *f, struct sn_fe *ret_left, struct sn_fe *ret_right)
{
    const struct sn_r1cs *s = f->s;
    const uint32_t *at = s->row_at + 3 * (size_t)f->row;
    struct sn_fe sum[3] = {0}, t;
    for (int m = 0; m < 3; m++)
        for (uint32_t e = at[m]; e < at[m + 1]; e++) {
            sn_fe_mul(s->field, &t, &s->dict[s->coef[e]], &f->w[s->wire[e]]);
            sn_fe_add(s->field, &sum[m], &sum[m], &t);
        }
    sn_fe_mul(s->field, ret_left, &sum[0], &sum[1]);
    *ret_right = sum[2];
}

/* As an object; the members that are text become SN_JSON strings of the arena. */
static int describe(struct failure *f, struct sn_json *o)
{
    struct sn_fe left, right;
    struct sn_json list = sn_json_array();
    struct sn_buf b;
    int r = find_wires(f);
    if (r < 0) return r;
    sn_buf_init(&b, 1 << 20);
    sn_r1cs_row_text(f->s, f->row, f->names, &b);
    struct sn_str row = text_of(f, &b);
    sides(f, &left, &right);
    struct sn_str l = value_text(f, &left), rt = value_text(f, &right);
    bool ok = row.ptr && l.ptr && rt.ptr;
    for (uint32_t i = 0; i < f->n && i < SIGNALS_SHOWN && ok; i++) {
        struct sn_json one = sn_json_object();
        struct sn_str name = wire_name(f, f->wires[i], &b), value = value_text(f, &f->w[f->wires[i]]);
        ok = name.ptr && value.ptr &&
             sn_json_add(f->arena, &one, SN_STR("name"), sn_json_string(name)) &&
             sn_json_add(f->arena, &one, SN_STR("value"), sn_json_string(value)) &&
             sn_json_push(f->arena, &list, one);
    }
    ok = ok && sn_json_add(f->arena, o, SN_STR("constraint"), sn_json_u64(f->row)) &&
         sn_json_add(f->arena, o, SN_STR("text"), sn_json_string(row)) &&
         sn_json_add(f->arena, o, SN_STR("left"), sn_json_string(l)) &&
         sn_json_add(f->arena, o, SN_STR("right"), sn_json_string(rt)) &&
         sn_json_add(f->arena, o, SN_STR("signals"), list);
    sn_buf_done(&b);
    return ok ? 0 : SN_E_NOMEM;
}

static struct sn_str member(const struct sn_json *o, const char *key)
{
    return sn_json_str(sn_json_get(o, key));
}

static void print_failure(const struct failure *f, const struct sn_json *o)
{
    printf("constraint %u does not hold: %.*s\n", f->row, SN_STR_ARG(member(o, "text")));
    for (SN_JSON_EACH(sn_json_get(o, "signals"), it))
        printf("  %.*s = %.*s\n", SN_STR_ARG(member(it, "name")), SN_STR_ARG(member(it, "value")));
    if (f->n > SIGNALS_SHOWN) printf("  and %u more signals\n", f->n - SIGNALS_SHOWN);
    printf("  left %.*s, right %.*s\n", SN_STR_ARG(member(o, "left")), SN_STR_ARG(member(o, "right")));
}

static int check_failed(const struct sn_cli_call *call, struct failure *f)
{
    const struct check_opts *opts = call->opts;
    struct sn_str file = {0};
    struct sn_sym sym = {0};
    struct sn_json o = sn_json_object();
    if (f->row == f->s->n_rows)
        return sn_fail(SN_E_FAILED_PRECONDITION, "the witness does not begin with 1");
    int r = opts->sym.len ? files_map(opts->sym, &file) : 0;
    if (r == 0 && opts->sym.len) r = sn_sym_read(file, &sym);
    if (r < 0) r = sn_wrap(r, "%.*s", SN_STR_ARG(opts->sym));
    struct sn_sym_source src = sn_sym_source_of(&sym);
    f->names = opts->sym.len ? &src : NULL;
    if (r == 0 && !(sn_json_add(f->arena, &o, SN_STR("version"), sn_json_u64(1)) &&
                    sn_json_add(f->arena, &o, SN_STR("holds"), sn_json_bool(false))))
        r = SN_E_NOMEM;
    if (r == 0) r = describe(f, &o);
    if (r == 0 && opts->json) r = zk_print_json(&o);
    if (r == 0 && !opts->json) print_failure(f, &o);
    sn_sym_done(&sym);
    files_unmap(&file);
    return r < 0 ? r : SN_EXIT_FAILED;
}

static int print_ok(const struct sn_cli_call *call, const struct sn_r1cs *s)
{
    const struct check_opts *opts = call->opts;
    struct sn_json o = sn_json_object();
    if (!opts->json) {
        printf("ok: %u constraints hold\n", s->n_rows);
        return 0;
    }
    bool ok = sn_json_add(call->arena, &o, SN_STR("version"), sn_json_u64(1)) &&
              sn_json_add(call->arena, &o, SN_STR("holds"), sn_json_bool(true)) &&
              sn_json_add(call->arena, &o, SN_STR("constraints"), sn_json_u64(s->n_rows));
    return ok ? zk_print_json(&o) : SN_E_NOMEM;
}

static int check_run(const struct sn_cli_call *call)
{
    const struct sn_field *f;
    struct sn_r1cs s;
    struct sn_fe *w;
    size_t n;
    uint32_t row;
    int r = zk_read_r1cs(call->args[0], &s);
    if (r < 0) return r;
    r = zk_read_wtns(call->args[1], &f, &w, &n);
    if (r == 0) {
        if (f != s.field || n != s.n_wires)
            r = sn_fail(SN_E_INVALID_ARGUMENT, "a witness of %zu values over %s for %u wires over "
                        "%s", n, f->name, s.n_wires, s.field->name);
        else
            r = sn_r1cs_check(&s, w, zk_par(), &row);
        if (r == SN_E_FAILED_PRECONDITION) {
            struct failure fail = {.s = &s, .w = w, .row = row, .arena = call->arena,
                                   .signs = !((const struct check_opts *)call->opts)->json};
            r = check_failed(call, &fail);
        } else if (r == 0) {
            r = print_ok(call, &s);
        }
        sn_wipe(w, n * sizeof(*w));
        sn_free(w);
    }
    sn_r1cs_done(&s);
    return r;
}

const struct sn_cli_command zk_cmd_check = {
    .name = "check", .brief = "Whether a witness satisfies a constraint system.",
    .usage = "CIRCUIT.r1cs WITNESS.wtns", .table = &check_table, .args_min = 2, .args_max = 2,
    .about = "The first constraint that does not hold is printed with the values of its signals, "
             "which may be secret.",
    .run = check_run,
};
