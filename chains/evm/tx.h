/* SPDX-License-Identifier: Apache-2.0 */
/* evm/tx.h - transactions of types 0 to 4: reading, writing, hashing, signing, recovering.
 *
 * Sources: EIP-155, 2718, 2930, 1559, 4844, 7594 (cell proofs), 7702, and EIP-2 for low s. */
#pragma once
#include "core/arena.h"
#include "core/base.h"
#include "core/buf.h"
#include "core/str.h"
#include "evm/u256.h"
#include "wire/json.h"

#define SN_TX_ACCESS_MAX 16384u  /* addresses, and keys of one address */
#define SN_TX_AUTHS_MAX 16384u
#define SN_TX_BLOBS_MAX 128u
#define SN_TX_BLOB_LEN 131072u
#define SN_TX_CELL_PROOFS 128u   /* of one blob */
#define SN_TX_BYTES_MAX (64u << 20)

enum sn_tx_type {
    SN_TX_LEGACY,
    SN_TX_ACCESS_LIST,
    SN_TX_DYNAMIC_FEE,
    SN_TX_BLOB,
    SN_TX_SET_CODE,
};
struct sn_tx_access {
    uint8_t address[SN_ADDRESS_LEN];
    const uint8_t *keys; /* 32 bytes each */
    size_t n_keys;
};
struct sn_tx_sig {
    struct sn_u256 r, s;
    uint8_t parity; /* of y: 0, 1 */
};
struct sn_tx_auth { /* EIP-7702: the signer's code becomes that at `address` */
    struct sn_u256 chain_id; /* 0: on any chain */
    uint8_t address[SN_ADDRESS_LEN];
    uint64_t nonce;
    struct sn_tx_sig sig;
};
struct sn_tx {
    uint8_t type;            /* enum sn_tx_type */
    bool has_chain;          /* legacy: signed for chain_id (EIP-155); the other types always */
    bool has_to;             /* else it creates a contract; types 3 and 4 cannot */
    bool is_signed;
    bool has_sidecar;        /* type 3 in the network's form */
    uint8_t sidecar_version; /* 0: one proof per blob; 1: SN_TX_CELL_PROOFS (EIP-7594) */
    uint64_t chain_id, nonce, gas_limit;
    struct sn_u256 gas_price;             /* types 0, 1 */
    struct sn_u256 max_fee, priority_fee; /* types 2, 3, 4 */
    uint8_t to[SN_ADDRESS_LEN];
    struct sn_u256 value;
    struct sn_str data;
    const struct sn_tx_access *access;
    size_t n_access;
    struct sn_u256 max_blob_fee;  /* type 3 */
    const uint8_t *blob_hashes;   /* 32 bytes each */
    size_t n_blobs;
    struct sn_str blobs, commitments, proofs; /* sidecar: SN_TX_BLOB_LEN, 48, 48 bytes each */
    const struct sn_tx_auth *auths; /* type 4 */
    size_t n_auths;
    struct sn_tx_sig sig;
};

/* sn_tx_decode - a transaction from its bytes, signed or (as wallets pass them on) unsigned.
 * Returns 0; SN_E_SYNTAX (not RLP, wrong count of fields, bytes left over, a v that is none),
 * SN_E_OUT_OF_RANGE, SN_E_UNIMPLEMENTED (type above 4), SN_E_TOO_LARGE, each with the field in the
 * diagnostic; SN_E_NOMEM. Owns: lists are the arena's; data and blobs borrow `bytes`. */
int sn_tx_decode(struct sn_arena *a, struct sn_str bytes, struct sn_tx *ret) SN_MUST_CHECK;
/* sn_tx_encode - appends the transaction; unsigned ones without signature fields.
 * Returns 0; SN_E_INVALID_ARGUMENT for what its type cannot have, named; the buffer's error. */
int sn_tx_encode(const struct sn_tx *tx, struct sn_buf *out) SN_MUST_CHECK;
/* sn_tx_digest - what the sender signs. Returns as sn_tx_encode. */
int sn_tx_digest(const struct sn_tx *tx, uint8_t ret[32]) SN_MUST_CHECK;
/* sn_tx_hash - the transaction's name on the chain; without the sidecar. SN_E_FAILED_PRECONDITION
 * where it is not signed, else as sn_tx_encode. */
int sn_tx_hash(const struct sn_tx *tx, uint8_t ret[32]) SN_MUST_CHECK;
/* sn_tx_sign - signs with a private key of 32 bytes, which stays the caller's to wipe. Returns as
 * sn_tx_digest, SN_E_INVALID_ARGUMENT for no key. */
int sn_tx_sign(struct sn_tx *tx, const uint8_t key[32]) SN_MUST_CHECK;
/* sn_tx_sender - who signed. Returns 0; SN_E_FAILED_PRECONDITION without a signature;
 * SN_E_INVALID_ARGUMENT where it is none, or has a high s (EIP-2). */
int sn_tx_sender(const struct sn_tx *tx, uint8_t ret[SN_ADDRESS_LEN]) SN_MUST_CHECK;
/* sn_tx_auth_sign, _signer - the same for an authorisation. */
int sn_tx_auth_sign(struct sn_tx_auth *auth, const uint8_t key[32]) SN_MUST_CHECK;
int sn_tx_auth_signer(const struct sn_tx_auth *auth, uint8_t ret[SN_ADDRESS_LEN]) SN_MUST_CHECK;
/* sn_tx_created - the address of the contract that a creation with this nonce makes (CREATE). */
void sn_tx_created(const uint8_t sender[SN_ADDRESS_LEN], uint64_t nonce,
                   uint8_t ret[SN_ADDRESS_LEN]);
/* sn_tx_created2 - of CREATE2 (EIP-1014). */
void sn_tx_created2(const uint8_t sender[SN_ADDRESS_LEN], const uint8_t salt[32],
                    struct sn_str init_code, uint8_t ret[SN_ADDRESS_LEN]);

/* sn_address_of_key - the address of a private key. Returns 0, SN_E_INVALID_ARGUMENT. */
int sn_address_of_key(const uint8_t key[32], uint8_t ret[SN_ADDRESS_LEN]) SN_MUST_CHECK;
/* sn_address_of_public - of a public key: x and y. */
void sn_address_of_public(const uint8_t key[64], uint8_t ret[SN_ADDRESS_LEN]);
/* sn_message_digest - EIP-191's digest of a text that a person signs ("\x19Ethereum Signed..."). */
void sn_message_digest(struct sn_str message, uint8_t ret[32]);
/* sn_digest_sign, _signer - any digest: r, s and 27 + parity, 65 bytes, as wallets give them.
 * Return 0, SN_E_INVALID_ARGUMENT. */
int sn_digest_sign(const uint8_t digest[32], const uint8_t key[32], uint8_t ret[65]) SN_MUST_CHECK;
int sn_digest_signer(const uint8_t digest[32], const uint8_t sig[65], uint8_t ret[SN_ADDRESS_LEN])
    SN_MUST_CHECK;

/* sn_tx_to_json - writes the transaction as an object of JSON-RPC's names; quantities as 0x texts.
 * `from` and `hash` where it is signed. Errors stick in the writer's buffer. */
void sn_tx_to_json(struct sn_jsonw *w, const struct sn_tx *tx);
/* sn_tx_from_json - the reverse: names as JSON-RPC and wallets have them (gas or gasLimit, data or
 * input), quantities as 0x or decimal texts or numbers; the type from the fields where "type" is
 * missing. Returns 0, SN_E_INVALID_ARGUMENT, SN_E_OUT_OF_RANGE naming the member, SN_E_NOMEM. */
int sn_tx_from_json(struct sn_arena *a, const struct sn_json *v, struct sn_tx *ret) SN_MUST_CHECK;
