/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/light.h - the light client's rules: whether a header may be trusted because of an older one,
 * without the blocks between. Fetching, bisecting and comparing witnesses are its owner's.
 * Source: CometBFT v0.38.25 light/verifier.go; spec/light-client/verification. */
#pragma once
#include "consensus/commit.h"

/* What is trusted of a block: its header, and the validators of the next one. */
struct sn_cons_light_trusted {
    const struct sn_cons_header *header;
    const struct sn_cons_valset *next_vals; /* hash: header->next_validators_hash */
};
struct sn_cons_light_opts {
    const struct sn_cons_verifier *verifier;
    int64_t trusting_ns;              /* shorter than validators can leave with their stake */
    int64_t drift_ns;                 /* clocks ahead of ours */
    struct sn_cons_fraction level;    /* of the trusted validators' power; {0, 0} = 1/3 */
};
/* sn_cons_light_verify - a later block at time `now`. The next height must have exactly the trusted next
 * validators; for a later one enough of them must have signed.
 * Returns 0; SN_E_AGAIN, without diagnostic, where too few of the trusted validators signed: try a
 * height between; SN_E_FAILED_PRECONDITION: the trusted header is too old to trust anything by;
 * SN_E_INVALID_ARGUMENT: the block is wrong, whoever sent it; SN_E_NOMEM, the verifier's. */
int sn_cons_light_verify(const struct sn_cons_light_opts *o,
                         const struct sn_cons_light_trusted *trusted,
                         const struct sn_cons_light_block *block,
                         struct sn_cons_time now) SN_MUST_CHECK;
/* sn_cons_light_verify_back - the header before a trusted one, by its hash. Returns 0,
 * SN_E_INVALID_ARGUMENT. */
int sn_cons_light_verify_back(const struct sn_cons_header *trusted,
                              const struct sn_cons_header *older) SN_MUST_CHECK;
