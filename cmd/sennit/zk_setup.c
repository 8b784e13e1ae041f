/* SPDX-License-Identifier: Apache-2.0 */
/* sennit zk setup, ptau - trusted setups. */
#include <stdio.h>

#include "core/alloc.h"
#include "core/status.h"
#include "sennit/zk_cmd.h"
#include "zk/setup.h"

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
    return zk_out_commit(&out, sn_ptau_new(c, (unsigned)o->power, zk_par(), &out.sink));
}

static int ptau_prepare(const struct sn_cli_call *call)
{
    struct sn_str file;
    struct sn_ptau p;
    struct zk_out out;
    int r = zk_map(call->args[0], &file);
    if (r < 0) return r;
    r = sn_ptau_open(file, &p);
    if (r == 0) r = zk_out_open(&out, call->args[1]);
    if (r == 0) r = zk_out_commit(&out, sn_ptau_prepare(&p, zk_par(), &out.sink));
    zk_unmap(&file);
    return r < 0 ? sn_wrap(r, "%.*s", SN_STR_ARG(call->args[0])) : 0;
}

static const struct sn_cli_command cmd_ptau_new = {
    .name = "new", .brief = "Powers of tau before the first contribution.", .usage = "OUT.ptau",
    .table = &ptau_new_table, .args_min = 1, .args_max = 1, .run = ptau_new,
};
static const struct sn_cli_command cmd_ptau_prepare = {
    .name = "prepare", .brief = "Adds the Lagrange points that circuit keys are made of.",
    .usage = "IN.ptau OUT.ptau", .args_min = 2, .args_max = 2, .run = ptau_prepare,
};
static const struct sn_cli_command *const ptau_subs[] = {&cmd_ptau_new, &cmd_ptau_prepare, NULL};
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
    r = zk_map(call->args[1], &file);
    if (r == 0) {
        r = sn_ptau_open(file, &p);
        if (r < 0) r = sn_wrap(r, "%.*s", SN_STR_ARG(call->args[1]));
        if (r == 0) r = zk_out_open(&out, call->args[2]);
        if (r == 0) r = zk_out_commit(&out, sn_zkey_new(&s, &p, zk_par(), &out.sink));
        zk_unmap(&file);
    }
    sn_r1cs_done(&s);
    return r;
}

static const struct sn_cli_command cmd_setup_new = {
    .name = "new", .brief = "The key of a circuit before the first contribution.",
    .usage = "CIRCUIT.r1cs POWERS.ptau OUT.zkey", .args_min = 3, .args_max = 3, .run = setup_new,
};
static const struct sn_cli_command *const setup_subs[] = {&cmd_setup_new, NULL};
const struct sn_cli_command zk_cmd_setup = {
    .name = "setup", .brief = "Keys of a circuit, from powers of tau.", .subs = setup_subs,
};
