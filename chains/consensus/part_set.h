/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/part_set.h - a block's encoding in parts of 64 KiB, each with a proof against the root
 * that the block id names, so that parts from anybody can be checked one by one.
 * Source: CometBFT v0.38.25 types/part_set.go. */
#pragma once
#include "consensus/codec.h"

struct sn_cons_part_set {
    unsigned refs;
    struct sn_cons_part_set_header header;
    uint32_t count;      /* parts here */
    uint64_t byte_size;  /* of the parts here */
    struct sn_cons_bits have;
    struct sn_cons_part **parts; /* NULL where missing */
};

/* sn_cons_part_set_split - all parts of `data`. Returns 0 with one reference; SN_E_TOO_LARGE beyond
 * SN_CONS_BLOCK_BYTES_MAX, SN_E_NOMEM, SN_E_INTERNAL. */
int sn_cons_part_set_split(struct sn_str data, struct sn_cons_part_set **ret) SN_MUST_CHECK;
/* sn_cons_part_set_new - no parts yet. Returns 0 with one reference; SN_E_TOO_LARGE for more than
 * SN_CONS_PARTS_MAX parts, SN_E_NOMEM. */
int sn_cons_part_set_new(const struct sn_cons_part_set_header *h,
                         struct sn_cons_part_set **ret) SN_MUST_CHECK;
struct sn_cons_part_set *sn_cons_part_set_ref(struct sn_cons_part_set *s);
void sn_cons_part_set_unref(struct sn_cons_part_set *s);
/* sn_cons_part_set_add - keeps a copy of the part. Returns 1, 0 where it is there already;
 * SN_E_INVALID_ARGUMENT (index beyond the set, or a proof that does not lead to its root),
 * SN_E_NOMEM, SN_E_INTERNAL. */
int sn_cons_part_set_add(struct sn_cons_part_set *s, const struct sn_cons_part *p) SN_MUST_CHECK;
static inline bool sn_cons_part_set_complete(const struct sn_cons_part_set *s)
{
    return s->count == s->header.total;
}
/* sn_cons_part_set_join - appends the data of a complete set. Returns 0 or the buffer's error. */
int sn_cons_part_set_join(const struct sn_cons_part_set *s, struct sn_buf *out) SN_MUST_CHECK;
