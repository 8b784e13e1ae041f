/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/state.h - the chain's state between two blocks, and how a block changes it.
 *
 * A block of height H is validated against the state after H-1 and executed by the application; its
 * validator updates take effect at H+2, its parameter updates and results hash at H+1.
 * Source: CometBFT v0.38.25 state/, types/params.go; spec/core/state. */
#pragma once
#include "consensus/commit.h"
#include "consensus/hash.h"
#include "consensus/types.h"

/* ---- consensus parameters ---- */

enum sn_cons_key_types { SN_CONS_KEYS_ED25519 = 1, SN_CONS_KEYS_SECP256K1 = 2 };

struct sn_cons_params {
    int64_t block_max_bytes; /* -1: SN_CONS_BLOCK_BYTES_MAX */
    int64_t block_max_gas;   /* -1: no limit */
    int64_t evidence_max_blocks, evidence_max_ns, evidence_max_bytes;
    uint64_t app_version;
    int64_t extensions_height; /* vote extensions from this height on; 0: never */
    unsigned key_types;        /* of enum sn_cons_key_types */
    bool secp256k1_first;      /* the order in which both are written */
};
/* sn_cons_params_default - what a genesis without parameters means. */
struct sn_cons_params sn_cons_params_default(void);
/* sn_cons_params_check - Returns 0 or SN_E_INVALID_ARGUMENT with the parameter. */
int sn_cons_params_check(const struct sn_cons_params *p) SN_MUST_CHECK;
/* sn_cons_params_hash - the header's consensus_hash: of the block limits only. */
int sn_cons_params_hash(const struct sn_cons_params *p, struct sn_cons_hash *ret) SN_MUST_CHECK;
/* sn_cons_params_block_bytes - the limit with -1 resolved. */
int64_t sn_cons_params_block_bytes(const struct sn_cons_params *p);
static inline bool sn_cons_params_extensions(const struct sn_cons_params *p, int64_t height)
{
    return p->extensions_height > 0 && height >= p->extensions_height;
}

/* Groups of parameters that a block changes; a group that is not there stays. */
struct sn_cons_params_update {
    bool has_block, has_evidence, has_validator, has_version, has_abci;
    struct sn_cons_params p;
};

/* ---- state ---- */

struct sn_cons_state {
    unsigned refs;
    uint64_t app_version;
    uint8_t chain_id_len;
    char chain_id[SN_CONS_CHAIN_ID_MAX];
    bool median_skips_nil; /* the rule of 0.40: see sn_cons_median_time */
    int64_t initial_height;
    int64_t last_height; /* 0 before the first block */
    struct sn_cons_block_id last_block_id;
    struct sn_cons_time last_time; /* of the last block; before the first, of the genesis */
    struct sn_cons_valset *next_vals, *vals, *last_vals; /* for last_height + 2, + 1, + 0 */
    int64_t vals_changed, params_changed;                /* heights from which they are valid */
    struct sn_cons_params params;
    struct sn_cons_hash last_results_hash;
    struct sn_cons_app_hash app_hash;
};
struct sn_cons_state *sn_cons_state_ref(struct sn_cons_state *s);
void sn_cons_state_unref(struct sn_cons_state *s);
static inline struct sn_str sn_cons_state_chain(const struct sn_cons_state *s)
{
    return sn_str_of(s->chain_id, s->chain_id_len);
}
/* sn_cons_state_next_height - of the block to agree on. */
static inline int64_t sn_cons_state_next_height(const struct sn_cons_state *s)
{
    return s->last_height == 0 ? s->initial_height : s->last_height + 1;
}
int sn_cons_state_encode(const struct sn_cons_state *s, struct sn_buf *out) SN_MUST_CHECK;
/* sn_cons_state_decode - what CometBFT stores under its state key, too. Returns as the decoders of
 * codec.h; Owns: *ret has one reference. */
int sn_cons_state_decode(struct sn_str in, struct sn_cons_state **ret) SN_MUST_CHECK;

/* ---- blocks ---- */

/* sn_cons_data_bytes_max - what is left for transactions in a block of at most `block_bytes`.
 * Negative where nothing is. */
int64_t sn_cons_data_bytes_max(int64_t block_bytes, int64_t evidence_bytes, uint32_t n_validators);

struct sn_cons_block_content {
    const struct sn_str *txs;
    uint32_t n_txs;
    struct sn_cons_evidence *const *evidence;
    uint32_t n_evidence;
    const struct sn_cons_commit *last_commit; /* NULL for the first block */
    uint8_t proposer[SN_CONS_ADDR_LEN];
};
/* sn_cons_state_make_block - the next block with that content. It owns copies of everything.
 * Returns 0 with one reference; SN_E_NOT_FOUND as sn_cons_median_time, SN_E_NOMEM. */
int sn_cons_state_make_block(const struct sn_cons_state *s, const struct sn_cons_block_content *c,
                             struct sn_cons_block **ret) SN_MUST_CHECK;
/* sn_cons_state_validate - whether b may follow the state. Evidence is checked by its pool.
 * Returns 0; SN_E_INVALID_ARGUMENT with the header's field and both values; as sn_cons_commit_verify.
 */
int sn_cons_state_validate(const struct sn_cons_state *s, const struct sn_cons_verifier *v,
                           const struct sn_cons_block *b) SN_MUST_CHECK;

/* What the application answers to a block. */
struct sn_cons_block_result {
    const struct sn_cons_tx_result *txs;
    uint32_t n_txs;
    const struct sn_cons_validator *updates; /* key and power */
    uint32_t n_updates;
    const struct sn_cons_params_update *params; /* NULL: unchanged */
    struct sn_cons_app_hash app_hash;
};
/* sn_cons_state_apply - the state after b. Returns 0 with one reference; SN_E_INVALID_ARGUMENT (as
 * many results as transactions; updates the parameters forbid), as sn_cons_valset_update, SN_E_NOMEM.
 * Any failure means that this node's application broke its contract. */
int sn_cons_state_apply(const struct sn_cons_state *s, const struct sn_cons_block *b,
                        const struct sn_cons_block_id *id, const struct sn_cons_block_result *res,
                        struct sn_cons_state **ret) SN_MUST_CHECK;
