/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/contracts.h - what the contract page asks: interfaces, calldata, reads, predicted gas of
 * writes, events. Questions and answers are JSON; nothing is signed or sent, no key is ever seen. Only
 * nodes that the configuration names are asked. */
#pragma once
#include "core/arena.h"
#include "core/buf.h"
#include "core/str.h"
#include "wire/json.h"

#define SN_CONTRACTS_MAX 64
#define SN_CONTRACT_ABI_MAX (4u << 20)   /* bytes of one ABI or artifact, pasted or in a file */
#define SN_CONTRACT_BLOCKS_MAX 10000u    /* looked through for events */
#define SN_CONTRACT_DRIFT_MAX 64u        /* blocks between a gas estimate and its transaction */
#define SN_CONTRACT_EVENTS_MAX 100u      /* shown, the newest */
#define SN_CONTRACT_ASK_NS (20 * SN_SEC) /* for one answer */
#define SN_CONTRACT_NODE "http://127.0.0.1:8545"

/* One of the configuration; everything is borrowed for the life of the set. */
struct sn_contract_conf {
    struct sn_str name, abi; /* abi: a file */
    struct sn_str address;   /* "0x...", or empty: asked for on the page */
    struct sn_str from;      /* who calls, unless the page says otherwise; may be empty */
    struct sn_str node;      /* URL */
};
struct sn_contracts;

/* sn_contracts_new - reads the files. Returns 0; SN_E_NOT_FOUND and the like for a file, sn_abi_load's
 * errors for what is in it, SN_E_NOT_FOUND where no contract in it has the name, each with the file
 * in the diagnostic; SN_E_INVALID_ARGUMENT for a node's URL; SN_E_NOMEM. Owns: *ret until
 * sn_contracts_free. Suspends for the files. */
int sn_contracts_new(const struct sn_contract_conf *list, size_t n,
                     struct sn_contracts **ret) SN_MUST_CHECK;
void sn_contracts_free(struct sn_contracts *c);

/* sn_contracts_list - appends what there is to look at: contracts and nodes (hosts only: a URL may
 * hold a secret). Returns 0 or the buffer's error. */
int sn_contracts_list(const struct sn_contracts *c, struct sn_buf *out) SN_MUST_CHECK;
/* sn_contracts_answer - appends the answer to question `what`: "open", "encode", "decode", "call",
 * "gas", "events"; docs/up.md has the members of each. Returns 0, also where a call reverts: that is an
 * answer; SN_E_UNIMPLEMENTED for an unknown question; else what is wrong with the question, or the
 * node's failure, for the reader in the diagnostic. Suspends for the node ("call", "gas", "events"); the
 * other questions may be asked anywhere. */
int sn_contracts_answer(const struct sn_contracts *c, struct sn_str what, const struct sn_json *q,
                        struct sn_arena *a, struct sn_buf *out) SN_MUST_CHECK;
