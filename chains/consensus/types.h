/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/types.h - what CometBFT 0.38 consensus is made of: blocks, votes, commits, evidence.
 *
 * Small values (hashes, block ids, times, keys) are plain structs. What is passed around (votes,
 * proposals, blocks, validator sets) is immutable once built and counted by references; the counts
 * are not atomic: one fiber owns a core and everything that core made. A decoded value has passed
 * the checks that need nothing but the value itself (check.h says which).
 *
 * Everything in this folder is deterministic and sans-I/O: no clock, no files, no global state.
 *
 * Source: CometBFT v0.38.25, spec/core/data_structures and the .proto files under api/tendermint. */
#pragma once
#include "core/arena.h"
#include "core/base.h"
#include "core/buf.h"
#include "core/status.h"
#include "core/str.h"

#define SN_CONS_HASH_LEN 32
#define SN_CONS_ADDR_LEN 20
#define SN_CONS_SIG_MAX 64
#define SN_CONS_CHAIN_ID_MAX 50
#define SN_CONS_APP_HASH_MAX 128 /* CometBFT has no limit; applications use at most 64 */
#define SN_CONS_PART_BYTES 65536u
#define SN_CONS_BLOCK_BYTES_MAX 104857600 /* consensus parameters cannot say more */
#define SN_CONS_PARTS_MAX (SN_CONS_BLOCK_BYTES_MAX / SN_CONS_PART_BYTES + 1)
#define SN_CONS_VALIDATORS_MAX 10000 /* peers refuse longer vote bit arrays */
#define SN_CONS_EXTENSION_MAX (1u << 20)
#define SN_CONS_TXS_MAX (1u << 24) /* of one block: its smallest encoding fits the largest block */
#define SN_CONS_EVIDENCE_MAX 65536u
#define SN_CONS_MSG_MAX (1u << 20) /* a message between consensus peers */
#define SN_CONS_PEER_ID_MAX 64
#define SN_CONS_BLOCK_PROTOCOL 11

/* Seconds since 1970 and 0..999,999,999 ns: block times may lie outside what int64 ns hold. */
struct sn_cons_time {
    int64_t sec;
    int32_t nsec;
};
/* The instant CometBFT writes where no time is set: 0001-01-01T00:00:00Z. */
#define SN_CONS_TIME_ZERO ((struct sn_cons_time){-62135596800ll, 0})
/* sn_cons_time_of_ns - from unix nanoseconds. */
struct sn_cons_time sn_cons_time_of_ns(int64_t ns);
/* sn_cons_time_ns - unix nanoseconds, clamped to what int64 holds. */
int64_t sn_cons_time_ns(struct sn_cons_time t);
/* sn_cons_time_cmp - <0, 0, >0. */
int sn_cons_time_cmp(struct sn_cons_time a, struct sn_cons_time b);
/* sn_cons_time_sub - a - b in ns, clamped to what int64 holds. */
int64_t sn_cons_time_sub(struct sn_cons_time a, struct sn_cons_time b);
/* sn_cons_time_text - RFC 3339 with as many digits of the second as needed, to out. */
const char *sn_cons_time_text(struct sn_cons_time t, char out[40]);
/* sn_cons_time_parse - RFC 3339, fractions to nanoseconds. Returns 0, SN_E_SYNTAX; no diagnostic. */
int sn_cons_time_parse(struct sn_str s, struct sn_cons_time *ret) SN_MUST_CHECK;
static inline bool sn_cons_time_is_zero(struct sn_cons_time t)
{
    return t.sec == SN_CONS_TIME_ZERO.sec && t.nsec == 0;
}

/* A SHA-256 hash or none (len 0). */
struct sn_cons_hash {
    uint8_t len; /* 0 or 32 */
    uint8_t b[SN_CONS_HASH_LEN];
};
struct sn_cons_app_hash {
    uint8_t len;
    uint8_t b[SN_CONS_APP_HASH_MAX];
};
static inline bool sn_cons_hash_eq(const struct sn_cons_hash *a, const struct sn_cons_hash *b)
{
    return a->len == b->len && memcmp(a->b, b->b, a->len) == 0;
}
static inline bool sn_cons_app_hash_eq(const struct sn_cons_app_hash *a,
                                       const struct sn_cons_app_hash *b)
{
    return a->len == b->len && memcmp(a->b, b->b, a->len) == 0;
}

struct sn_cons_part_set_header {
    uint32_t total;
    struct sn_cons_hash hash;
};
struct sn_cons_block_id {
    struct sn_cons_hash hash;
    struct sn_cons_part_set_header parts;
};
bool sn_cons_part_set_header_eq(const struct sn_cons_part_set_header *a,
                                const struct sn_cons_part_set_header *b);
bool sn_cons_block_id_eq(const struct sn_cons_block_id *a, const struct sn_cons_block_id *b);
/* sn_cons_block_id_is_nil - no hash and no parts: what a vote for nil names. */
bool sn_cons_block_id_is_nil(const struct sn_cons_block_id *id);
/* sn_cons_block_id_is_complete - block and part set both named. */
bool sn_cons_block_id_is_complete(const struct sn_cons_block_id *id);
/* sn_cons_block_id_cmp - the order duplicate votes have in evidence: bytes of the hash, then of the
 * encoded part set header. */
int sn_cons_block_id_cmp(const struct sn_cons_block_id *a, const struct sn_cons_block_id *b);

enum sn_cons_key_type { SN_CONS_ED25519 = 1, SN_CONS_SECP256K1 = 2 };
#define SN_CONS_KEY_MAX 33
struct sn_cons_key {
    uint8_t type; /* enum sn_cons_key_type, 0 = none */
    uint8_t len;  /* 32 or 33 */
    uint8_t b[SN_CONS_KEY_MAX];
};

/* ---- votes ----------------------------------------------------------------------------------- */

enum sn_cons_vote_type { SN_CONS_PREVOTE = 1, SN_CONS_PRECOMMIT = 2, SN_CONS_PROPOSAL_TYPE = 32 };

struct sn_cons_sig {
    uint8_t len; /* 0 = none */
    uint8_t b[SN_CONS_SIG_MAX];
};
struct sn_cons_vote {
    unsigned refs;
    uint8_t type; /* SN_CONS_PREVOTE, SN_CONS_PRECOMMIT */
    int32_t round;
    int64_t height;
    struct sn_cons_block_id block_id; /* nil: a vote against every block of the round */
    struct sn_cons_time time;
    uint8_t addr[SN_CONS_ADDR_LEN];
    int32_t index; /* of the validator in its set */
    struct sn_cons_sig sig, ext_sig;
    struct sn_str ext; /* in the vote's own memory */
};
/* sn_cons_vote_new - a copy of *v with references 1, its extension included. NULL without memory.
 */
struct sn_cons_vote *sn_cons_vote_new(const struct sn_cons_vote *v);
struct sn_cons_vote *sn_cons_vote_ref(struct sn_cons_vote *v);
void sn_cons_vote_unref(struct sn_cons_vote *v);

struct sn_cons_proposal {
    int64_t height;
    int32_t round, pol_round; /* pol_round -1: no proof of lock */
    struct sn_cons_block_id block_id;
    struct sn_cons_time time;
    struct sn_cons_sig sig;
};

/* ---- commits --------------------------------------------------------------------------------- */

enum sn_cons_flag { SN_CONS_ABSENT = 1, SN_CONS_COMMIT = 2, SN_CONS_NIL = 3 };

/* Commits, light blocks and evidence live in somebody's arena, votes and sets inside them included:
 * those are never counted, and die with the arena. */
/* One validator's precommit, or its absence, in the order of the validator set. The extension is
 * only there in extended commits. */
struct sn_cons_commit_sig {
    uint8_t flag; /* enum sn_cons_flag */
    uint8_t addr[SN_CONS_ADDR_LEN];
    struct sn_cons_time time;
    struct sn_cons_sig sig, ext_sig;
    struct sn_str ext;
};
struct sn_cons_commit {
    int64_t height;
    int32_t round;
    uint32_t n;
    struct sn_cons_block_id block_id;
    struct sn_cons_commit_sig *sigs;
};

/* ---- validators ------------------------------------------------------------------------------ */

struct sn_cons_validator {
    uint8_t addr[SN_CONS_ADDR_LEN];
    struct sn_cons_key key;
    int64_t power;
    int64_t priority;
};
/* Sorted by descending power, then ascending address. */
struct sn_cons_valset {
    unsigned refs;
    uint32_t n;
    int64_t total; /* sum of the powers */
    bool has_proposer;
    struct sn_cons_validator proposer; /* as it was when chosen: its priority may differ since */
    struct sn_cons_validator *vals;
};

/* ---- blocks ---------------------------------------------------------------------------------- */

struct sn_cons_header {
    uint64_t block_version, app_version;
    uint8_t chain_id_len;
    char chain_id[SN_CONS_CHAIN_ID_MAX];
    int64_t height;
    struct sn_cons_time time;
    struct sn_cons_block_id last_block_id;
    struct sn_cons_hash last_commit_hash, data_hash, validators_hash, next_validators_hash,
        consensus_hash, last_results_hash, evidence_hash;
    struct sn_cons_app_hash app_hash;
    uint8_t proposer_len; /* 20; 0 in a header that says none */
    uint8_t proposer[SN_CONS_ADDR_LEN];
};
static inline struct sn_str sn_cons_header_chain(const struct sn_cons_header *h)
{
    return sn_str_of(h->chain_id, h->chain_id_len);
}

struct sn_cons_light_block {
    struct sn_cons_header header;
    struct sn_cons_commit commit;
    struct sn_cons_valset *vals;
};

enum sn_cons_evidence_kind { SN_CONS_DUPLICATE_VOTE = 1, SN_CONS_LIGHT_ATTACK = 2 };
struct sn_cons_evidence {
    enum sn_cons_evidence_kind kind;
    int64_t total_power;
    struct sn_cons_time time; /* of the block at the evidence's height */
    /* A validator signed both, for one height, round and type; a's block id sorts first. */
    struct sn_cons_vote *vote_a, *vote_b;
    int64_t validator_power;
    /* A light block that conflicts with the chain, and the last height both had in common. */
    struct sn_cons_light_block *conflicting;
    int64_t common_height;
    struct sn_cons_validator *byzantine; /* by descending power */
    uint32_t n_byzantine;
};
/* sn_cons_evidence_height - of the double vote, or the common height of the attack. */
int64_t sn_cons_evidence_height(const struct sn_cons_evidence *ev);

struct sn_cons_block {
    _Atomic unsigned refs; /* the index and others read a block beside the core that made it */
    struct sn_arena arena; /* everything below it points to */
    struct sn_cons_header header;
    struct sn_str *txs;
    uint8_t (*tx_hashes)[SN_CONS_HASH_LEN]; /* SHA-256 of each; NULL where nobody made them */
    struct sn_cons_evidence **evidence;
    uint32_t n_txs, n_evidence;
    struct sn_cons_commit *last_commit; /* never NULL; empty in the first block */
    struct sn_cons_hash hash;           /* the header's */
    bool decoded; /* from bytes, so that sn_cons_check_block has passed; whoever changes it clears this */
};
/* sn_cons_block_new - empty, references 1; NULL without memory. limit: bytes its arena may hold. */
struct sn_cons_block *sn_cons_block_new(size_t limit);
struct sn_cons_block *sn_cons_block_ref(struct sn_cons_block *b);
/* sn_cons_block_unref - accepts NULL; the last one frees the arena, so everything in the block. */
void sn_cons_block_unref(struct sn_cons_block *b);

/* ---- bit arrays ------------------------------------------------------------------------------ */

struct sn_cons_bits {
    uint32_t n;
    uint64_t *w;
};
/* sn_cons_bits_init - n zero bits. Returns 0, SN_E_NOMEM. Owns: sn_cons_bits_done. */
int sn_cons_bits_init(struct sn_cons_bits *b, uint32_t n) SN_MUST_CHECK;
void sn_cons_bits_done(struct sn_cons_bits *b);
static inline bool sn_cons_bits_get(const struct sn_cons_bits *b, uint32_t i)
{
    return i < b->n && (b->w[i >> 6] >> (i & 63) & 1);
}
static inline void sn_cons_bits_set(struct sn_cons_bits *b, uint32_t i)
{
    b->w[i >> 6] |= 1ull << (i & 63);
}
uint32_t sn_cons_bits_count(const struct sn_cons_bits *b);
