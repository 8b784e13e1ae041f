/* SPDX-License-Identifier: Apache-2.0 */
/* zk/witness/batch_int.h - eight witnesses of one program at a time. */
#pragma once
#include "zk/witness/prog.h"

struct sn_wbatch; /* memory for eight runs, used again and again; one thread at a time */

/* sn_wbatch_new - Returns 0, SN_E_UNIMPLEMENTED (no diagnostic) where there is no AVX-512 IFMA or the
 * field has 64 bits or less, SN_E_NOMEM. Owns: sn_wbatch_free. Borrows p. */
int sn_wbatch_new(const struct sn_witness_prog *p, struct sn_wbatch **ret) SN_MUST_CHECK;
void sn_wbatch_free(struct sn_wbatch *b);
/* sn_wbatch_run - the wires of eight witnesses. Values do not outlive the call in b.
 * Returns a mask of the lanes that failed (their ret is undefined; run them alone to learn why), or
 * SN_E_NOMEM. */
int sn_wbatch_run(struct sn_wbatch *b, const struct sn_fe *const inputs[8], uint64_t steps_max,
                  struct sn_fe *const ret[8]) SN_MUST_CHECK;
