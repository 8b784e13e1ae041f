/* SPDX-License-Identifier: Apache-2.0 */
/* sennit zk setup, ptau - trusted setups. */
#include <stdio.h>

#include "core/alloc.h"
#include "core/enc.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "sennit/zk_cmd.h"
#include "zk/setup.h"

/* ---- contributions --------------------------------------------------------------------------- */

struct contribute_opts {
    struct sn_str name, beacon;
    uint64_t iterations;
};
static const struct sn_conf_field contribute_fields[] = {
    SN_CONF_STRING(struct contribute_opts, name, "name", .letter = 'n', .max = 64,
                   .help = "Who contributes; stands in the file."),
    SN_CONF_STRING(struct contribute_opts, beacon, "beacon", .metavar = "HEX",
                   .help = "Contribute a public value instead of a secret."),
    SN_CONF_UINT(struct contribute_opts, iterations, "iterations", .def = "10", .max = SN_BEACON_EXP_MAX,
                 .help = "Hash the beacon 2^N times."),
};
static const struct sn_conf_table contribute_table =
    SN_CONF_TABLE(struct contribute_opts, contribute_fields);

/* What a contribution is made of, from options and the kernel; `fn` makes it from a mapped file. */
static int contribute_with(const struct sn_cli_call *call,
                           int (*fn)(const struct sn_cli_call *call, struct sn_str file,
                                     const struct sn_contribution_opts *o))
{
    const struct contribute_opts *opts = call->opts;
    struct sn_contribution_opts o = {.name = opts->name,
                                     .iterations_exp = (unsigned)opts->iterations};
    uint8_t random[64], beacon[SN_BEACON_BYTES_MAX];
    struct sn_str file;
    int r = zk_random(random, sizeof(random));
    if (r < 0) return r;
    if (opts->beacon.len) {
        ssize_t n = opts->beacon.len <= 2 * sizeof(beacon) ? sn_hex_decode(opts->beacon, beacon) : -1;
        if (n < 0)
            return sn_fail(SN_E_INVALID_ARGUMENT, "--beacon: expected up to 255 bytes in hex");
        o.beacon = beacon;
        o.beacon_len = (size_t)n;
    } else {
        o.random = random;
    }
    r = files_map(call->args[0], &file);
    if (r == 0) {
        r = fn(call, file, &o);
        files_unmap(&file);
    }
    sn_wipe(random, sizeof(random));
    return r < 0 ? sn_wrap(r, "%.*s", SN_STR_ARG(call->args[0])) : 0;
}
static void print_hash(const uint8_t hash[64])
{
    char hex[129];
    sn_hex_encode(hash, 64, hex);
    printf("contribution hash %.128s\n", hex);
}

/* ---- powers of tau --------------------------------------------------------------------------- */

struct ptau_new_opts {
    struct sn_str curve;
    uint64_t power;
};
static const struct sn_conf_field ptau_new_fields[] = {
    SN_CONF_STRING(struct ptau_new_opts, curve, "curve", .def = "bn128",
                   .pattern = "bn128|bls12381", .pattern_help = "bn128 or bls12381",
                   .help = "bn128 or bls12381."),
    SN_CONF_UINT(struct ptau_new_opts, power, "power", .letter = 'p', .def = "12", .min = 1,
                 .max = SN_PTAU_POWER_MAX, .help = "Room for circuits of 2^power constraints."),
};
static const struct sn_conf_table ptau_new_table =
    SN_CONF_TABLE(struct ptau_new_opts, ptau_new_fields);

static int ptau_new(const struct sn_cli_call *call)
{
    const struct ptau_new_opts *o = call->opts;
    struct zk_out out;
    int r = zk_out_open(&out, call->args[0]);
    if (r < 0) return r;
    const struct sn_curve *c = sn_str_eqc(o->curve, "bn128") ? &sn_bn254 : &sn_bls12_381;
    zk_progress_begin("powers of tau");
    r = zk_out_commit(&out, sn_ptau_new(c, (unsigned)o->power, zk_par(), &out.sink));
    zk_progress_end();
    return r;
}

static int ptau_prepare(const struct sn_cli_call *call)
{
    struct sn_str file;
    struct sn_ptau p;
    struct zk_out out;
    int r = files_map(call->args[0], &file);
    if (r < 0) return r;
    r = sn_ptau_open(file, &p);
    if (r == 0) r = zk_out_open(&out, call->args[1]);
    zk_progress_begin("Lagrange points");
    if (r == 0) r = zk_out_commit(&out, sn_ptau_prepare(&p, zk_par(), &out.sink));
    zk_progress_end();
    files_unmap(&file);
    return r < 0 ? sn_wrap(r, "%.*s", SN_STR_ARG(call->args[0])) : 0;
}

static int ptau_contribute_to(const struct sn_cli_call *call, struct sn_str file,
                              const struct sn_contribution_opts *o)
{
    uint8_t hash[64];
    struct sn_ptau p;
    struct zk_out out;
    int r = sn_ptau_open(file, &p);
    if (r == 0) r = zk_out_open(&out, call->args[1]);
    if (r < 0) return r;
    struct sn_zk_reread reread = {files_reread, &out.file};
    zk_progress_begin("contribution");
    r = zk_out_commit(&out, sn_ptau_contribute(&p, o, zk_par(), &out.sink, &reread, hash));
    zk_progress_end();
    if (r == 0) print_hash(hash);
    return r;
}

static int ptau_contribute(const struct sn_cli_call *call)
{
    return contribute_with(call, ptau_contribute_to);
}

static int ptau_verify(const struct sn_cli_call *call)
{
    uint8_t random[32];
    struct sn_str file;
    struct sn_ptau p;
    int r = zk_random(random, sizeof(random));
    if (r == 0) r = files_map(call->args[0], &file);
    if (r < 0) return r;
    r = sn_ptau_open(file, &p);
    if (r == 0) r = sn_ptau_verify(&p, random, zk_par());
    files_unmap(&file);
    if (r == 0) printf("OK\n");
    return r < 0 ? sn_wrap(r, "%.*s", SN_STR_ARG(call->args[0])) : 0;
}

static const struct sn_cli_command cmd_ptau_contribute = {
    .name = "contribute", .brief = "Adds a secret, or a public beacon, to powers of tau.",
    .usage = "IN.ptau OUT.ptau", .table = &contribute_table, .args_min = 2, .args_max = 2,
    .run = ptau_contribute,
};
static const struct sn_cli_command cmd_ptau_verify = {
    .name = "verify", .brief = "Whether powers of tau and their contributions are sound.",
    .usage = "POWERS.ptau", .args_min = 1, .args_max = 1, .run = ptau_verify,
};
static const struct sn_cli_command cmd_ptau_new = {
    .name = "new", .brief = "Powers of tau before the first contribution.", .usage = "OUT.ptau",
    .table = &ptau_new_table, .args_min = 1, .args_max = 1, .run = ptau_new,
};
static const struct sn_cli_command cmd_ptau_prepare = {
    .name = "prepare", .brief = "Adds the Lagrange points that circuit keys are made of.",
    .usage = "IN.ptau OUT.ptau", .args_min = 2, .args_max = 2, .run = ptau_prepare,
};
static const struct sn_cli_command *const ptau_subs[] = {&cmd_ptau_new, &cmd_ptau_contribute,
                                                         &cmd_ptau_verify, &cmd_ptau_prepare, NULL};
const struct sn_cli_command zk_cmd_ptau = {
    .name = "ptau", .brief = "Powers of tau: the setup all circuits share.", .subs = ptau_subs,
};

/* ---- circuit keys ---------------------------------------------------------------------------- */

static int setup_new(const struct sn_cli_call *call)
{
    struct sn_str file;
    struct sn_ptau p;
    struct sn_r1cs s;
    struct zk_out out;
    int r = zk_read_r1cs(call->args[0], &s);
    if (r < 0) return r;
    r = files_map(call->args[1], &file);
    if (r == 0) {
        r = sn_ptau_open(file, &p);
        if (r < 0) r = sn_wrap(r, "%.*s", SN_STR_ARG(call->args[1]));
        if (r == 0) r = zk_out_open(&out, call->args[2]);
        zk_progress_begin("key");
        if (r == 0) r = zk_out_commit(&out, sn_zkey_new(&s, &p, zk_par(), &out.sink));
        zk_progress_end();
        files_unmap(&file);
    }
    sn_r1cs_done(&s);
    return r;
}

static const struct sn_cli_command cmd_setup_new = {
    .name = "new", .brief = "The key of a circuit before the first contribution.",
    .usage = "CIRCUIT.r1cs POWERS.ptau OUT.zkey", .args_min = 3, .args_max = 3, .run = setup_new,
};
static int contribute_to(const struct sn_cli_call *call, struct sn_str file,
                         const struct sn_contribution_opts *o)
{
    uint8_t hash[64];
    struct zk_out out;
    int r = zk_out_open(&out, call->args[1]);
    if (r < 0) return r;
    zk_progress_begin("contribution");
    r = zk_out_commit(&out, sn_zkey_contribute(file, o, zk_par(), &out.sink, hash));
    zk_progress_end();
    if (r == 0) print_hash(hash);
    return r;
}

static int setup_contribute(const struct sn_cli_call *call)
{
    return contribute_with(call, contribute_to);
}

static int verify_key(const struct sn_cli_call *call, const struct sn_r1cs *s,
                      const struct sn_ptau *p)
{
    uint8_t random[32];
    struct sn_str file;
    int r = zk_random(random, sizeof(random));
    if (r == 0) r = files_map(call->args[2], &file);
    if (r < 0) return r;
    zk_progress_begin("verify the key");
    r = sn_zkey_verify(file, s, p, random, zk_par());
    zk_progress_end();
    files_unmap(&file);
    if (r == 0) printf("OK\n");
    return r < 0 ? sn_wrap(r, "%.*s", SN_STR_ARG(call->args[2])) : 0;
}

static int setup_verify(const struct sn_cli_call *call)
{
    struct sn_str file;
    struct sn_ptau p;
    struct sn_r1cs s;
    int r = zk_read_r1cs(call->args[0], &s);
    if (r < 0) return r;
    r = files_map(call->args[1], &file);
    if (r == 0) {
        r = sn_ptau_open(file, &p);
        r = r < 0 ? sn_wrap(r, "%.*s", SN_STR_ARG(call->args[1])) : verify_key(call, &s, &p);
        files_unmap(&file);
    }
    sn_r1cs_done(&s);
    return r;
}

static const struct sn_cli_command cmd_setup_contribute = {
    .name = "contribute", .brief = "Adds a secret, or a public beacon, to a key.",
    .usage = "IN.zkey OUT.zkey", .table = &contribute_table, .args_min = 2, .args_max = 2,
    .run = setup_contribute,
};
static const struct sn_cli_command cmd_setup_verify = {
    .name = "verify", .brief = "Whether a key is the circuit's and its contributions are sound.",
    .usage = "CIRCUIT.r1cs POWERS.ptau KEY.zkey", .args_min = 3, .args_max = 3,
    .run = setup_verify,
};
static const struct sn_cli_command *const setup_subs[] = {&cmd_setup_new, &cmd_setup_contribute,
                                                          &cmd_setup_verify, NULL};
const struct sn_cli_command zk_cmd_setup = {
    .name = "setup", .brief = "Keys of a circuit, from powers of tau.", .subs = setup_subs,
};

/* ---- info ------------------------------------------------------------------------------------ */

struct told {
    struct sn_arena *arena;
    struct sn_json list;
};
/* One line: the hash, then a beacon's value, then the name, whose bytes a stranger chose. */
static int tell(void *ctx, const struct sn_zkey_contribution *c)
{
    struct told *t = ctx;
    struct sn_buf b;
    sn_buf_init(&b, 0);
    (void)sn_buf_hex(&b, c->hash, sizeof(c->hash));
    if (c->beacon) {
        (void)sn_buf_printf(&b, " beacon ");
        (void)sn_buf_hex(&b, c->beacon_value.ptr, c->beacon_value.len);
        (void)sn_buf_printf(&b, " 2^%u", c->iterations_exp);
    }
    if (c->name.len) (void)sn_buf_byte(&b, ' ');
    for (size_t i = 0; i < c->name.len; i++) {
        char x = c->name.ptr[i];
        (void)sn_buf_byte(&b, x >= ' ' && x <= '~' ? (uint8_t)x : '?');
    }
    struct sn_str text = b.err < 0 ? (struct sn_str){0} : sn_arena_str(t->arena, sn_buf_view(&b));
    sn_buf_done(&b);
    return text.ptr && sn_json_push(t->arena, &t->list, sn_json_string(text)) ? 0 : SN_E_NOMEM;
}

int zk_info_zkey(struct sn_arena *a, struct sn_str file, struct sn_json *o)
{
    struct sn_zkey z;
    struct told told = {a, sn_json_array()};
    uint8_t hash[64];
    char hex[2 * sizeof(hash)];
    int r = sn_zkey_open(file, &z);
    if (r < 0) return r;
    r = sn_zkey_contributions(&z, hash, tell, &told);
    if (r == 0) {
        const struct {
            const char *key;
            uint64_t v;
        } numbers[] = {{"wires", z.n_vars}, {"publicSignals", z.n_public},
                       {"domain", (uint64_t)1 << z.domain_log}, {"coefficients", z.n_coefs}};
        (void)sn_hex_encode(hash, sizeof(hash), hex);
        bool ok = sn_json_add(a, o, SN_STR("format"), sn_json_cstr("zkey")) &&
                  sn_json_add(a, o, SN_STR("protocol"), sn_json_cstr("groth16")) &&
                  sn_json_add(a, o, SN_STR("curve"), sn_json_cstr(z.curve->name));
        for (size_t i = 0; i < SN_COUNT_OF(numbers); i++)
            ok = ok && sn_json_add(a, o, sn_str(numbers[i].key), sn_json_u64(numbers[i].v));
        struct sn_str text = sn_arena_str(a, sn_str_of(hex, sizeof(hex)));
        ok = ok && text.ptr && sn_json_add(a, o, SN_STR("circuitHash"), sn_json_string(text)) &&
             sn_json_add(a, o, SN_STR("contribution"), told.list);
        if (!ok) r = SN_E_NOMEM;
    }
    sn_zkey_done(&z);
    return r;
}
