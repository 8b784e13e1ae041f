/* SPDX-License-Identifier: Apache-2.0 */
/* evm/rlp.h - recursive length prefix: a strict reader over borrowed bytes and a writer.
 * There is one encoding of each item; the reader takes no other. It does not recurse.
 *
 * Source: the Ethereum yellow paper, appendix B. */
#pragma once
#include "core/base.h"
#include "core/buf.h"
#include "core/str.h"
#include "evm/u256.h"

struct sn_rlp {
    bool list;
    struct sn_str data; /* content of a string; the items of a list, one after another */
    struct sn_str whole; /* with the prefix */
};
/* sn_rlp_next - takes the first item off *in. Returns 0; SN_E_EOF where *in is empty (no
 * diagnostic); SN_E_SYNTAX for a prefix that is not the shortest or a length beyond the data. Owns:
 * borrows. Context: anywhere. */
int sn_rlp_next(struct sn_str *in, struct sn_rlp *ret) SN_MUST_CHECK;
/* sn_rlp_one - the one item that is all of `in`. Returns as sn_rlp_next, SN_E_SYNTAX for bytes behind
 * it and for nothing. */
int sn_rlp_one(struct sn_str in, struct sn_rlp *ret) SN_MUST_CHECK;
/* sn_rlp_take_* - the next item as something: a list's items; a string; a string of exactly n bytes;
 * an integer without leading zeros. `what` names it in the diagnostic. Return 0, SN_E_SYNTAX,
 * SN_E_OUT_OF_RANGE. */
int sn_rlp_take_list(struct sn_str *in, const char *what, struct sn_str *ret) SN_MUST_CHECK;
int sn_rlp_take_str(struct sn_str *in, const char *what, struct sn_str *ret) SN_MUST_CHECK;
int sn_rlp_take_fixed(struct sn_str *in, const char *what, void *ret, size_t n) SN_MUST_CHECK;
int sn_rlp_take_u64(struct sn_str *in, const char *what, uint64_t *ret) SN_MUST_CHECK;
int sn_rlp_take_u256(struct sn_str *in, const char *what, struct sn_u256 *ret) SN_MUST_CHECK;

/* Writing: errors stick in the buffer. A list's items are put between begin and end. */
void sn_rlp_put_str(struct sn_buf *b, struct sn_str s);
void sn_rlp_put_u64(struct sn_buf *b, uint64_t v);
void sn_rlp_put_u256(struct sn_buf *b, struct sn_u256 v);
/* sn_rlp_list_begin - returns the mark that ends the list. */
size_t sn_rlp_list_begin(struct sn_buf *b);
void sn_rlp_list_end(struct sn_buf *b, size_t mark);
