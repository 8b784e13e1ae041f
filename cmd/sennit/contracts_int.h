/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/contracts_int.h - the JSON of the contract page. */
#pragma once
#include "evm/codec.h"
#include "evm/gas.h"
#include "sennit/contracts.h"

/* contract_write - the object the page draws: items with selectors, topics and documentation, and
 * the ABI to ask with. */
void contract_write(struct sn_jsonw *w, const struct sn_abi_contract *c);
/* contract_values - an array of {name, type, value} of a tuple's components. */
void contract_values(struct sn_jsonw *w, struct sn_abi_params p, const struct sn_abi_value *v);
/* contract_revert - the object of what revert data says: name, signature, args or text, data. */
void contract_revert(struct sn_jsonw *w, struct sn_arena *a, const struct sn_abi *abi,
                     struct sn_str data);
/* contract_gas - the members of an estimate and of the fees. */
void contract_gas(struct sn_jsonw *w, const struct sn_gas_estimate *e, const struct sn_fees *f);
/* contract_hex - key and "0x...". */
void contract_hex(struct sn_jsonw *w, const char *key, const void *data, size_t n);
