/* SPDX-License-Identifier: Apache-2.0 */
#include "chain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/enc.h"
#include "core/status.h"
#include "evm/codec.h"

#define COMPILE_NS_MAX (60 * SN_SEC)
#define RECEIPT_NS_MAX (20 * SN_SEC)
#define CODE_BYTES_MAX (1u << 20)

/* ---- the compiler ---- */

/* solcjs writes its answer beside its question. */
static int run_solc(const char *dir)
{
    static const char *const argv[] = {"solcjs", "--optimize", "--bin", "-o", ".", "verifier.sol",
                                       NULL};
    struct sn_proc_opts o = {.argv = argv, .dir = dir, .fds = {-1, -1, -2}, .die_with_parent = true};
    struct sn_proc p;
    int code, r = sn_proc_start(&o, &p);
    if (r < 0) return r;
    int64_t prev = sn_deadline_tighten(sn_now() + COMPILE_NS_MAX);
    r = sn_proc_wait(&p, &code);
    sn_deadline_restore(prev);
    if (r < 0) (void)sn_proc_signal(&p, SIGKILL);
    if (r == SN_E_DEADLINE_EXCEEDED) return sn_fail(r, "solcjs took longer than 60 s");
    return r < 0 ? r : code ? sn_fail(SN_E_INTERNAL, "solcjs ended with status %d", code) : 0;
}

static int remove_folder(struct sn_arena *a, const char *dir)
{
    struct sn_str *names;
    size_t n;
    int r = sn_dir_list(a, dir, &names, &n);
    for (size_t i = 0; r >= 0 && i < n; i++) {
        struct sn_str path = sn_arena_printf(a, "%s/%.*s", dir, SN_STR_ARG(names[i]));
        r = path.ptr ? sn_file_remove(path.ptr) : SN_E_NOMEM;
    }
    return r < 0 ? r : sn_file_remove(dir);
}

static int compile_in(struct sn_arena *a, const char *dir, struct sn_str source, struct sn_str *ret)
{
    struct sn_str in = sn_arena_printf(a, "%s/verifier.sol", dir);
    struct sn_str out = sn_arena_printf(a, "%s/verifier_sol_Groth16Verifier.bin", dir);
    if (!in.ptr || !out.ptr) return SN_E_NOMEM;
    int r = sn_file_write(in.ptr, source, 0600);
    if (r >= 0) r = run_solc(dir);
    return r < 0 ? r : sn_file_read(a, out.ptr, CODE_BYTES_MAX, ret);
}

/* Creation code in hexadecimal. */
static int compile(struct sn_arena *a, const struct sn_groth_vkey *key, struct sn_str *ret)
{
    const char *tmp = getenv("TMPDIR");
    struct sn_buf source SN_CLEANUP(sn_buf_done);
    struct sn_str dir = sn_arena_printf(a, "%s/sennit-verifier-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    sn_buf_init(&source, 0);
    int r = sn_groth_solidity(key, &source);
    if (r < 0 || !dir.ptr) return r < 0 ? r : SN_E_NOMEM;
    if (!mkdtemp((char *)(uintptr_t)dir.ptr)) return sn_fail_errno(errno, "folder %s", dir.ptr);
    r = compile_in(a, dir.ptr, sn_buf_view(&source), ret);
    int end = remove_folder(a, dir.ptr);
    return r < 0 ? r : end;
}

/* ---- the contract ---- */

static int receipt_of(struct chain *c, struct sn_arena *a, const uint8_t hash[SN_ETH_HASH_LEN],
                      struct sn_eth_receipt *ret)
{
    struct sn_eth_await_opts o = {.timeout_ns = RECEIPT_NS_MAX};
    struct sn_eth_sent sent = {.n = 1};
    memcpy(sent.hash[0], hash, SN_ETH_HASH_LEN);
    return sn_eth_await(&c->client, &sent, &o, a, ret);
}

static int deploy(struct chain *c, struct sn_arena *a, struct sn_str hex)
{
    const struct sn_json *v;
    struct sn_eth_receipt receipt;
    uint8_t hash[SN_ETH_HASH_LEN];
    char *code = sn_arena_alloc(a, hex.len / 2 + 1);
    int r = sn_eth_client_init(&c->client, c->anvil.rpc, 0, 20 * SN_MS);
    if (r >= 0) r = sn_eth_call(c->anvil.rpc, a, &v, NULL, "eth_accounts", "[]");
    if (r >= 0) r = sn_address_parse(sn_json_str(sn_json_at(v, 0)), c->at.from.bytes);
    if (r < 0 || !code) return r < 0 ? r : SN_E_NOMEM;
    ssize_t n = sn_hex_decode(sn_str_trim(hex), code);
    if (n <= 0) return sn_fail(SN_E_SYNTAX, "solcjs wrote no code");
    c->at.rpc = c->anvil.rpc;
    r = sn_sdk_send(&c->at, a, sn_str_of(code, (size_t)n), true, NULL, hash, NULL);
    if (r >= 0) r = receipt_of(c, a, hash, &receipt);
    if (r >= 0) memcpy(c->at.address.bytes, receipt.contract, SN_ADDRESS_LEN);
    return r;
}

int chain_open(struct chain *c, struct sn_arena *a, const struct sn_groth_vkey *key, unsigned port)
{
    struct sn_abi_item *m = SN_ARENA_NEW(a, struct sn_abi_item);
    struct sn_str code = {0};
    *c = (struct chain){.method = m};
    int r = m ? sn_abi_item_parse(a, SN_STR("verifyProof(uint256[2],uint256[2][2],uint256[2],"
                                            "uint256[1]) view returns (bool)"), m)
              : SN_E_NOMEM;
    if (r >= 0) r = sn_abi_params_type(a, m->in, &c->args);
    if (r >= 0) r = compile(a, key, &code);
    if (r >= 0) r = anvil_start(&c->anvil, port);
    if (r < 0) return r;
    r = deploy(c, a, code);
    if (r < 0) chain_close(c);
    return r;
}

void chain_close(struct chain *c) { anvil_stop(&c->anvil); }

/* ---- proofs ---- */

/* The exported arguments are JSON but for the brackets around them. */
static int calldata(struct chain *c, struct sn_arena *a, const struct sn_groth_proof *p,
                    const struct sn_fe *root, struct sn_buf *out)
{
    struct sn_buf text SN_CLEANUP(sn_buf_done);
    const struct sn_json *args;
    struct sn_abi_value v;
    sn_buf_init(&text, 0);
    sn_buf_byte(&text, '[');
    int r = sn_groth_calldata(p, root, 1, &text);
    sn_buf_byte(&text, ']');
    if (r >= 0) r = text.err;
    if (r >= 0) r = sn_json_parse(a, sn_buf_view(&text), NULL, &args);
    if (r >= 0) r = sn_abi_from_json(a, c->args, args, &v);
    sn_buf_put(out, c->method->selector, SN_ABI_SELECTOR_LEN);
    return r < 0 ? r : sn_abi_encode(c->args, &v, out);
}

static int ask(struct chain *c, struct sn_arena *a, struct sn_str data, bool *ret)
{
    const struct sn_json *v;
    struct sn_str hex = sn_eth_hex(a, data.ptr, data.len),
                  at = sn_eth_hex(a, c->at.address.bytes, SN_ADDRESS_LEN);
    uint8_t word[SN_ABI_WORD];
    if (!hex.ptr || !at.ptr) return SN_E_NOMEM;
    int r = sn_eth_call(c->anvil.rpc, a, &v, NULL, "eth_call",
                        "[{\"to\":\"%s\",\"data\":\"%s\"},\"latest\"]", at.ptr, hex.ptr);
    if (r >= 0) r = sn_eth_bytes(v, "verifyProof", word, sizeof(word));
    if (r >= 0) *ret = word[SN_ABI_WORD - 1] == 1;
    return r;
}

int chain_judge(struct chain *c, const struct proved *p, struct judged *ret)
{
    struct sn_buf good SN_CLEANUP(sn_buf_done), bad SN_CLEANUP(sn_buf_done);
    struct sn_arena a;
    struct sn_eth_receipt receipt;
    struct sn_fe other;
    uint8_t hash[SN_ETH_HASH_LEN];
    bool other_accepted = true;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&good, 0);
    sn_buf_init(&bad, 0);
    sn_fe_add(&sn_bn254_fr, &other, &p->root, &sn_bn254_fr.one);
    int r = calldata(c, &a, &p->proof, &p->root, &good);
    if (r >= 0) r = calldata(c, &a, &p->proof, &other, &bad);
    if (r >= 0) r = ask(c, &a, sn_buf_view(&good), &ret->accepted);
    if (r >= 0) r = ask(c, &a, sn_buf_view(&bad), &other_accepted);
    ret->refused = !other_accepted;
    if (r >= 0) r = sn_sdk_send(&c->at, &a, sn_buf_view(&good), false, NULL, hash, NULL);
    if (r >= 0) r = receipt_of(c, &a, hash, &receipt);
    if (r >= 0) ret->gas = receipt.gas_used;
    sn_arena_done(&a);
    return r;
}
