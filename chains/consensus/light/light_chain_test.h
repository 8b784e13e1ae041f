/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/light/light_chain_test.h - chains of signed headers for tests, forks of them, and
 * providers that serve them: honestly, late, or as liars do. Signatures are keyed hashes, so that
 * long chains cost nothing; verifiers, evidence and encodings are the real ones. */
#pragma once
#include "consensus/light/client.h"
#include "core/rand.h"

#define CHAIN_ID "light-chain"
#define CHAIN_KEYS 60
#define CHAIN_BLOCK_NS (1 * SN_SEC)

struct chain {
    struct sn_arena arena;
    struct sn_rand rand;
    int64_t n;                          /* heights 1..n */
    struct sn_cons_time start;          /* of block 0 */
    struct sn_cons_light_block *blocks; /* [height] */
    struct sn_cons_params params;
    /* The application's hash after a block, in the next one's header; NULL: some constant. */
    void (*app_hash)(void *arg, int64_t height, struct sn_cons_app_hash *ret);
    void *arg;
    struct sn_cons_validator keys[CHAIN_KEYS];
};
/* churn: of each block, how many of ten validators change on average, times 100. start: the time of
 * block 0. */
void chain_build(struct chain *c, uint64_t seed, int64_t n, unsigned churn,
                 struct sn_cons_time start);
/* chain_build_app - app_hash and arg are set in *c, everything else is ignored. */
void chain_build_app(struct chain *c, uint64_t seed, int64_t n, unsigned churn,
                     struct sn_cons_time start);
void chain_done(struct chain *c);
enum fork_kind { LUNATIC, EQUIVOCATION, AMNESIA };
/* chain_fork - the same chain up to `at`, another one from at + 1 on, to height n. The validators
 * of block `at` sign it as their own (LUNATIC), or those that should. */
void chain_fork(struct chain *f, const struct chain *c, int64_t at, int64_t n, enum fork_kind kind);
void chain_hash(const struct chain *c, int64_t height, struct sn_cons_hash *ret);
extern const struct sn_cons_verifier chain_verifier;
/* chain_evidence - as a full node of this chain would check it, at its newest block. */
int chain_evidence(struct chain *c, const struct sn_cons_evidence *ev);

struct mock {
    struct sn_light_provider p;
    struct chain *chain;
    _Atomic int64_t latest; /* what it has; 0: all. Grows by one each grow_ns, where that is set */
    int64_t grow_ns, delay_max_ns;
    int fail;           /* every call fails so; 0: none does */
    int64_t fail_at;    /* ... only for this height */
    int64_t corrupt_at; /* this height has a commit without signatures */
    bool priorities;    /* its validators' priorities are made up */
    int64_t swap_from;  /* from this call on... */
    struct chain *swap; /* ... it serves this chain */
    _Atomic unsigned calls, closed, reports, valid;
};
void mock_init(struct mock *m, const char *name, struct chain *c);
