/* SPDX-License-Identifier: Apache-2.0 */
/* zk/gates.h - building the custom gates of a constraint system (struct sn_r1cs_gates). */
#pragma once
#include "zk/r1cs.h"

/* sn_r1cs_gates_new - none yet; NULL without memory. Owns: sn_r1cs_gates_free (NULL is fine), or the
 * system whose `gates` it becomes. */
struct sn_r1cs_gates *sn_r1cs_gates_new(void);
void sn_r1cs_gates_free(struct sn_r1cs_gates *g);
/* sn_r1cs_gates_add - a gate; name and parameters (Montgomery) are copied. sn_r1cs_gates_use - a use
 * of gate number `gate`, whose signals sn_r1cs_gates_signal then adds. Return 0, SN_E_NOMEM. */
int sn_r1cs_gates_add(struct sn_r1cs_gates *g, struct sn_str name, const struct sn_fe *params,
                      uint32_t n_params) SN_MUST_CHECK;
int sn_r1cs_gates_use(struct sn_r1cs_gates *g, uint32_t gate) SN_MUST_CHECK;
int sn_r1cs_gates_signal(struct sn_r1cs_gates *g, uint64_t wire) SN_MUST_CHECK;
/* sn_r1cs_gates_copy - NULL for NULL. Returns 0, SN_E_NOMEM. Owns: *ret. */
int sn_r1cs_gates_copy(const struct sn_r1cs_gates *from, struct sn_r1cs_gates **ret) SN_MUST_CHECK;
