/* SPDX-License-Identifier: Apache-2.0 */
/* sennit zk prove, verify, export - Groth16 with snarkjs' files. */
#include <stdio.h>

#include "core/alloc.h"
#include "core/status.h"
#include "sennit/zk_cmd.h"

/* ---- prove ----------------------------------------------------------------------------------- */

static int prove_run(const struct sn_cli_call *call)
{
    zk_progress_begin("prove");
    int r = zk_prove_files(call->args[0], call->args[1],
                           call->n_args > 2 ? call->args[2] : SN_STR("proof.json"),
                           call->n_args > 3 ? call->args[3] : SN_STR("public.json"));
    zk_progress_end();
    return r;
}

const struct sn_cli_command zk_cmd_prove = {
    .name = "prove", .brief = "A Groth16 proof from a key and a witness.",
    .usage = "KEY.zkey WITNESS.wtns [PROOF.json [PUBLIC.json]]", .args_min = 2, .args_max = 4,
    .run = prove_run,
};

/* ---- verify ---------------------------------------------------------------------------------- */

static int read_vkey(struct sn_str path, struct sn_groth_vkey *ret)
{
    struct sn_str file;
    int r = files_map(path, &file);
    if (r < 0) return r;
    r = sn_groth_vkey_read_json(file, ret);
    files_unmap(&file);
    return r < 0 ? sn_wrap(r, "%.*s", SN_STR_ARG(path)) : 0;
}

static int read_proof(struct sn_str path, struct sn_groth_proof *ret)
{
    struct sn_str file;
    int r = files_map(path, &file);
    if (r < 0) return r;
    r = sn_groth_proof_read_json(file, ret);
    files_unmap(&file);
    return r < 0 ? sn_wrap(r, "%.*s", SN_STR_ARG(path)) : 0;
}

static int read_public(struct sn_str path, const struct sn_field *f, struct sn_fe **ret,
                       size_t *ret_n)
{
    struct sn_str file;
    int r = files_map(path, &file);
    if (r < 0) return r;
    r = sn_groth_public_read_json(f, file, ret, ret_n);
    files_unmap(&file);
    return r < 0 ? sn_wrap(r, "%.*s", SN_STR_ARG(path)) : 0;
}

static int verify_run(const struct sn_cli_call *call)
{
    struct sn_groth_vkey k;
    struct sn_groth_proof p;
    struct sn_fe *pub = NULL;
    size_t n;
    int r = read_vkey(call->args[0], &k);
    if (r < 0) return r;
    r = read_public(call->args[1], k.curve->fr, &pub, &n);
    if (r == 0) r = read_proof(call->args[2], &p);
    if (r == 0) {
        r = sn_groth_verify(&k, &p, pub, n);
        if (r == 0) printf("OK\n");
        if (r == SN_E_FAILED_PRECONDITION) {
            printf("INVALID\n");
            r = SN_EXIT_FAILED;
        }
    }
    sn_free(pub);
    sn_groth_vkey_done(&k);
    return r;
}

const struct sn_cli_command zk_cmd_verify = {
    .name = "verify", .brief = "Whether a proof is good: OK or INVALID (exit status 1).",
    .usage = "VERIFICATION_KEY.json PUBLIC.json PROOF.json", .args_min = 3, .args_max = 3,
    .run = verify_run,
};

/* ---- export ---------------------------------------------------------------------------------- */

static int export_key(const struct sn_cli_call *call,
                      int (*write)(const struct sn_groth_vkey *k, struct sn_buf *out))
{
    struct sn_str file;
    struct sn_zkey z;
    struct sn_groth_vkey k;
    struct sn_buf b;
    int r = files_map(call->args[0], &file);
    if (r < 0) return r;
    sn_buf_init(&b, 0);
    r = sn_zkey_open(file, &z);
    if (r == 0) {
        r = sn_zkey_vkey(&z, &k);
        if (r == 0) r = write(&k, &b);
        if (r == 0) r = zk_write_text(call->args[1], &b);
        if (r == 0) sn_groth_vkey_done(&k);
        sn_zkey_done(&z);
    }
    sn_buf_done(&b);
    files_unmap(&file);
    return r < 0 ? sn_wrap(r, "%.*s", SN_STR_ARG(call->args[0])) : 0;
}

static int export_vkey(const struct sn_cli_call *call)
{
    return export_key(call, sn_groth_vkey_write_json);
}

static int export_solidity(const struct sn_cli_call *call)
{
    return export_key(call, sn_groth_solidity);
}

static int export_calldata(const struct sn_cli_call *call)
{
    struct sn_groth_proof p;
    struct sn_fe *pub;
    struct sn_buf b;
    size_t n;
    int r = read_proof(call->args[1], &p);
    if (r == 0) r = read_public(call->args[0], p.curve->fr, &pub, &n);
    if (r < 0) return r;
    sn_buf_init(&b, 0);
    r = sn_groth_calldata(&p, pub, n, &b);
    if (r == 0) r = files_print(&b);
    sn_buf_done(&b);
    sn_free(pub);
    return r;
}

static const struct sn_cli_command cmd_vkey = {
    .name = "vkey", .brief = "The verification key of a .zkey, as JSON.",
    .usage = "KEY.zkey VERIFICATION_KEY.json", .args_min = 2, .args_max = 2, .run = export_vkey,
};
static const struct sn_cli_command cmd_solidity = {
    .name = "solidity", .brief = "A contract that verifies proofs of a .zkey.",
    .usage = "KEY.zkey VERIFIER.sol", .args_min = 2, .args_max = 2, .run = export_solidity,
};
static const struct sn_cli_command cmd_calldata = {
    .name = "calldata", .brief = "The arguments of the contract's verifyProof.",
    .usage = "PUBLIC.json PROOF.json", .args_min = 2, .args_max = 2, .run = export_calldata,
};
static const struct sn_cli_command *const export_subs[] = {&cmd_vkey, &cmd_solidity, &cmd_calldata,
                                                           NULL};
const struct sn_cli_command zk_cmd_export = {
    .name = "export", .brief = "Keys and proofs for other programs.", .subs = export_subs,
};
