/* SPDX-License-Identifier: Apache-2.0 */
/* evm/abi_int.h - what the model's parsers share: type construction and the scanner of the
 * human-readable grammar. */
#pragma once
#include "core/vec.h"
#include "evm/abi.h"

/* ---- abi_type.c: types are only made here, so their derived fields always agree ---- */

/* An elementary type from its name, aliases resolved. Returns 0, SN_E_NOT_FOUND (no diagnostic). */
int sn_abi_elementary(struct sn_arena *a, struct sn_str name, const struct sn_abi_type **ret);
int sn_abi_tuple_of(struct sn_arena *a, struct sn_abi_params p, const struct sn_abi_type **ret);
/* count UINT64_MAX: T[]. */
int sn_abi_array_of(struct sn_arena *a, const struct sn_abi_type *elem, uint64_t count,
                    const struct sn_abi_type **ret);
/* "[2][]" behind `base`; all of `dims` must be dimensions. */
int sn_abi_dimensions(struct sn_arena *a, const struct sn_abi_type *base, struct sn_str dims,
                      const struct sn_abi_type **ret);
/* The same type with another internalType, which goes down to where the dimensions begin. */
int sn_abi_with_internal(struct sn_arena *a, const struct sn_abi_type *t, struct sn_str internal,
                         const struct sn_abi_type **ret);

/* ---- abi.c ---- */

/* Signature, selector, topic of an item whose name and inputs are set. */
int sn_abi_item_finish(struct sn_arena *a, struct sn_abi_item *item);
typedef SN_VEC(struct sn_abi_item) sn_abi_item_vec;
/* The items of a JSON ABI, as they stand there. Returns as sn_abi_json_parse. */
int sn_abi_json_items(struct sn_arena *a, const struct sn_json *json, sn_abi_item_vec *ret);
/* Copies the items into the arena, names overloads, refuses colliding selectors. */
int sn_abi_finish(struct sn_arena *a, const sn_abi_item_vec *items, struct sn_abi *ret);

static inline bool sn_abi_is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$';
}
static inline bool sn_abi_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}
/* A Solidity identifier, not empty. */
bool sn_abi_is_identifier(struct sn_str s);
