/* SPDX-License-Identifier: Apache-2.0 */
/* evm/eip712.h - typed data that a person signs: its type strings, hashes and digest.
 * Source: EIP-712. */
#pragma once
#include "core/arena.h"
#include "core/base.h"
#include "core/str.h"
#include "wire/json.h"

#define SN_EIP712_TYPES_MAX 256u
#define SN_EIP712_FIELDS_MAX 256u /* of one struct */
#define SN_EIP712_DEPTH_MAX 32u   /* of structs and arrays in the message */

struct sn_eip712 {
    struct sn_str type;    /* "Mail(Person from,Person to,string contents)Person(...)" */
    uint8_t domain[32];    /* the domain's hash */
    uint8_t message[32];   /* the message's; zero where the primary type is EIP712Domain */
    uint8_t digest[32];    /* what is signed */
};
/* sn_eip712_hash - of {"types", "primaryType", "domain", "message"}, as wallets pass it. Without an
 * EIP712Domain among the types it is made of the domain's members. Values are read as
 * sn_abi_from_json reads them; members that a type does not name are ignored, as everywhere. An
 * absent value of a struct or dynamic type is an error. Returns 0; SN_E_INVALID_ARGUMENT,
 * SN_E_OUT_OF_RANGE with the path ("message.to.wallet"); SN_E_NOT_FOUND for a type nobody defines;
 * SN_E_DEPTH, SN_E_TOO_LARGE, SN_E_NOMEM. Owns: the arena. */
int sn_eip712_hash(struct sn_arena *a, const struct sn_json *data, struct sn_eip712 *ret)
    SN_MUST_CHECK;
