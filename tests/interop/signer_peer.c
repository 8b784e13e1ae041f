/* SPDX-License-Identifier: Apache-2.0 */
/* tests/interop/signer_peer.c - our node's end of a remote signer, for tests/interop/chain_home.sh:
 *
 *   signer_peer ADDR CHAIN [SECONDS]   waits for a signer, asks it for a proposal and votes, then for
 *     nothing for so long, then again; prints "listening ADDR", "ok ..." or "FAIL ..." */
#include <stdio.h>
#include <stdlib.h>

#include "consensus/key.h"
#include "consensus/node/signer_remote.h"
#include "crypto/ed25519.h"
#include "fiber/fiber.h"

static char **words;
static int n_words, failures;

static void say(bool good, const char *what, int r)
{
    if (good) printf("ok %s\n", what);
    else printf("FAIL %s: %s\n", what, r < 0 ? sn_diag_str(r) : "it was signed");
    failures += !good;
}

static struct sn_cons_vote a_vote(uint8_t type, int64_t height, uint8_t block)
{
    struct sn_cons_vote v = {.type = type, .height = height, .time = {1700000000, 5}};
    v.block_id.hash.len = v.block_id.parts.hash.len = 32;
    memset(v.block_id.hash.b, block, 32);
    memset(v.block_id.parts.hash.b, block + 1, 32);
    v.block_id.parts.total = 1;
    return v;
}

static void ask(struct sn_signer *s, struct sn_str chain)
{
    struct sn_cons_vote v = a_vote(SN_CONS_PREVOTE, 3, 7);
    struct sn_cons_proposal p = {.height = 3, .pol_round = -1, .block_id = v.block_id,
                                 .time = {1700000000, 0}};
    int r = s->sign_proposal(s, chain, &p);
    say(r == 0, "proposal", r);
    r = s->sign_vote(s, chain, &v);
    say(r == 0, "prevote", r);
    v = a_vote(SN_CONS_PRECOMMIT, 3, 7);
    v.ext = SN_STR("extension");
    r = s->sign_vote(s, chain, &v);
    say(r == 0 && v.ext_sig.len == 64, "precommit and its extension", r);
    v = a_vote(SN_CONS_PRECOMMIT, 3, 9);
    r = s->sign_vote(s, chain, &v);
    say(r == SN_E_ABORTED, "two votes for one place are refused", r);
    v = a_vote(SN_CONS_PREVOTE, 2, 9);
    r = s->sign_vote(s, chain, &v);
    say(r == SN_E_ABORTED, "a vote for an earlier height is refused", r);
}

static int run(void *arg)
{
    int r = sn_signer_remote_run(arg);
    return r == SN_E_CANCELLED ? 0 : r;
}

static int peer_main(void *arg)
{
    static uint8_t key[SN_ED25519_SECRET_LEN];
    struct sn_signer_remote *remote;
    struct sn_signer *s;
    struct sn_scope_storage mem;
    char addr[256];
    struct sn_str chain = sn_str(words[2]);
    if (sn_ed25519_generate(key) < 0) return 1;
    int r = sn_signer_remote_new(
        &(struct sn_signer_remote_opts){.laddr = words[1], .chain_id = chain, .node_key = key,
                                        .verifier = &sn_cons_verifier_zip215}, &remote);
    if (r < 0) return r;
    if (sn_signer_remote_addr(remote, addr, sizeof(addr)) < 0) return 1;
    printf("listening %s\n", addr);
    (void)fflush(stdout);
    struct sn_scope *scope = sn_scope_begin(&mem);
    r = sn_scope_go(scope, "remote", run, remote);
    if (r == 0) r = sn_signer_remote_wait(remote, 20 * SN_SEC, &s);
    say(r == 0, "key", r);
    if (r == 0) {
        ask(s, chain);
        int64_t idle = n_words > 3 ? strtoll(words[3], NULL, 10) : 0;
        if (idle) {
            (void)!sn_sleep(idle * SN_SEC);
            struct sn_cons_vote v = a_vote(SN_CONS_PREVOTE, 4, 7);
            r = s->sign_vote(s, chain, &v);
            say(r == 0, "after a pause", r);
        }
    }
    sn_scope_cancel(scope);
    (void)sn_scope_end(scope);
    sn_signer_remote_free(remote);
    return failures;
}

int main(int argc, char **argv)
{
    words = argv;
    n_words = argc;
    if (argc < 3) return 2;
    int r = sn_rt_run(&(struct sn_rt_opts){.workers = 2}, peer_main, NULL);
    if (r < 0) printf("FAIL %s\n", sn_diag_str(r));
    return r != 0;
}
