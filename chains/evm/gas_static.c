/* SPDX-License-Identifier: Apache-2.0 */
/* evm/gas_static.c - what a transaction costs and may do, from its bytes alone. */
#include "evm/gas.h"

/* Gas of EIP-2028 (16 a non-zero byte: four tokens of EIP-7623), 2930, 3860, 7702. */
#define GAS_TX 21000u
#define GAS_CREATE 32000u
#define GAS_TOKEN 4u
#define GAS_FLOOR_TOKEN 10u
#define GAS_INIT_WORD 2u
#define GAS_LIST_ADDRESS 2400u
#define GAS_LIST_KEY 1900u
#define GAS_AUTHORIZATION 25000u

enum {
    OP_SSTORE = 0x55,
    OP_GAS = 0x5a,
    OP_PUSH1 = 0x60,
    OP_PUSH32 = 0x7f,
    OP_CREATE = 0xf0,
    OP_CALL = 0xf1,
    OP_CALLCODE = 0xf2,
    OP_DELEGATECALL = 0xf4,
    OP_CREATE2 = 0xf5,
    OP_STATICCALL = 0xfa,
    OP_SELFDESTRUCT = 0xff,
};

static uint64_t tokens(struct sn_str data)
{
    uint64_t zeros = 0;
    for (size_t i = 0; i < data.len; i++) zeros += data.ptr[i] == 0;
    return zeros + 4 * (data.len - zeros);
}
uint64_t sn_gas_intrinsic(const struct sn_gas_shape *s)
{
    uint64_t gas = GAS_TX + GAS_TOKEN * tokens(s->data);
    if (s->create) gas += GAS_CREATE + GAS_INIT_WORD * ((s->data.len + 31) / 32);
    return gas + GAS_LIST_ADDRESS * s->access_addresses + GAS_LIST_KEY * s->access_keys +
           GAS_AUTHORIZATION * s->authorizations;
}
uint64_t sn_gas_floor(const struct sn_gas_shape *s)
{
    return GAS_TX + GAS_FLOOR_TOKEN * tokens(s->data);
}

const char *sn_gas_class_name(enum sn_gas_class c)
{
    static const char *const names[] = {"transfer", "plain",   "stateful",
                                        "nested",   "metered", "creation"};
    return (unsigned)c < SN_COUNT_OF(names) ? names[c] : "unknown";
}
static bool is_call(uint8_t op)
{
    return op == OP_CALL || op == OP_CALLCODE || op == OP_DELEGATECALL || op == OP_STATICCALL ||
           op == OP_CREATE || op == OP_CREATE2;
}
/* without_metadata - Solidity appends CBOR and its length in two bytes: data, not instructions. */
static size_t without_metadata(struct sn_str code)
{
    if (code.len < 2) return code.len;
    size_t n = (size_t)(uint8_t)code.ptr[code.len - 2] << 8 | (uint8_t)code.ptr[code.len - 1];
    if (n + 2 > code.len) return code.len;
    uint8_t first = (uint8_t)code.ptr[code.len - 2 - n];
    return first >= 0xa1 && first <= 0xa4 ? code.len - 2 - n : code.len; /* a CBOR map of 1 to 4 */
}
enum sn_gas_class sn_gas_classify(struct sn_str code)
{
    bool writes = false, calls = false;
    size_t end = without_metadata(code);
    if (!code.len) return SN_GAS_TRANSFER;
    for (size_t i = 0; i < end; i++) {
        uint8_t op = (uint8_t)code.ptr[i];
        if (op >= OP_PUSH1 && op <= OP_PUSH32) {
            i += op - OP_PUSH1 + 1u;
            continue;
        }
        if (is_call(op)) calls = true;
        if (op == OP_SSTORE || op == OP_SELFDESTRUCT) writes = true;
        /* Compilers put GAS right in front of the call it is for; anywhere else a program looks. */
        if (op == OP_GAS && !(i + 1 < end && is_call((uint8_t)code.ptr[i + 1])))
            return SN_GAS_METERED;
    }
    return calls ? SN_GAS_NESTED : writes ? SN_GAS_STATEFUL : SN_GAS_PLAIN;
}
