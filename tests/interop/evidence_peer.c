/* SPDX-License-Identifier: Apache-2.0 */
/* tests/interop/evidence_peer.c - our evidence store for tests/interop/evidence.sh.
 *
 *   evidence_peer make DATA   a chain with stores of blocks, states and evidence: one piece that is
 *                             in a block, two that wait
 *   evidence_peer show DATA   "pending HEIGHT ID" for each piece that waits, and of the pieces in
 *                             blocks "committed HEIGHT" where they are known to be; exit code 77
 *                             where there is no LevelDB */
#include <stdio.h>
#include <stdlib.h>

#include "consensus/hash.h"
#include "consensus/node/evidence_chain_test.h"
#include "fiber/fiber.h"

static void must(int r, const char *what)
{
    if (r >= 0) return;
    printf("FAIL %s: %s\n", what, sn_diag_str(r));
    (void)fflush(stdout);
    _Exit(1);
}
static void show(struct evidence_chain *c)
{
    struct sn_arena a;
    struct sn_cons_evidence **list;
    int64_t bytes;
    uint32_t n;
    sn_arena_init(&a, NULL, 0);
    must(sn_evidence_keeper_pending(c->keeper, INT64_MAX, &a, &list, &n, &bytes), "pending");
    for (uint32_t i = 0; i < n; i++) {
        struct sn_cons_hash id;
        must(sn_cons_evidence_id(list[i], &id), "id");
        printf("pending %lld ", (long long)sn_cons_evidence_height(list[i]));
        for (unsigned k = 0; k < SN_CONS_HASH_LEN; k++) printf("%02X", id.b[k]);
        puts("");
    }
    for (int64_t h = 1; h <= sn_cons_block_store_height(c->blocks); h++) {
        struct sn_cons_block *b;
        must(sn_cons_block_store_block(c->blocks, h, &b), "block");
        if (b->n_evidence &&
            sn_evidence_keeper_check(c->keeper, c->state, b) == SN_E_INVALID_ARGUMENT)
            printf("committed %lld\n", (long long)sn_cons_evidence_height(b->evidence[0]));
        sn_cons_block_unref(b);
    }
    sn_arena_done(&a);
}
static void make(struct evidence_chain *c)
{
    struct sn_cons_vote *in_block[2], *waits[2], *seen[2];
    struct sn_cons_evidence first, second, *list[1] = {&first};
    evidence_chain_votes(c, 1, 3, 7, in_block);
    evidence_chain_double(c, 3, in_block, &first);
    evidence_chain_votes(c, 2, 4, 9, waits);
    evidence_chain_double(c, 4, waits, &second);
    must(sn_evidence_keeper_add(c->keeper, &first), "add");
    must(sn_evidence_keeper_add(c->keeper, &second), "add");
    evidence_chain_votes(c, 3, 7, 20, seen);
    must(sn_evidence_keeper_report(c->keeper, seen[0], seen[1]), "report");
    evidence_chain_grow(c, list, 1);
    evidence_chain_grow(c, NULL, 0);
    struct sn_cons_vote *all[] = {in_block[0], in_block[1], waits[0], waits[1], seen[0], seen[1]};
    for (unsigned i = 0; i < SN_COUNT_OF(all); i++) sn_cons_vote_unref(all[i]);
}
static int run(void *arg)
{
    char **argv = arg;
    struct evidence_chain c;
    struct sn_kv *probe;
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/evidence.db", argv[2]);
    int r = sn_kv_open(path, NULL, &probe);
    if (r == SN_E_UNIMPLEMENTED) return 77;
    must(r, "open");
    sn_kv_close(probe);
    bool fresh = strcmp(argv[1], "make") == 0;
    evidence_chain_open(&c, argv[2]);
    for (unsigned i = 0; fresh && i < 6; i++) evidence_chain_grow(&c, NULL, 0);
    must(evidence_chain_keeper(&c), "keeper");
    if (fresh) make(&c);
    show(&c);
    evidence_chain_close(&c);
    return 0;
}
int main(int argc, char **argv)
{
    return argc < 3 ? 2 : sn_rt_run(&(struct sn_rt_opts){.workers = 1}, run, argv);
}
