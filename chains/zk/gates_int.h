/* SPDX-License-Identifier: Apache-2.0 */
/* zk/gates_int.h - building and storing the custom gates of a system. */
#pragma once
#include "zk/bin_int.h"
#include "zk/r1cs.h"

/* sn_r1cs_gates_new - none yet; NULL without memory. Owns: sn_r1cs_gates_free. */
struct sn_r1cs_gates *sn_r1cs_gates_new(void);
void sn_r1cs_gates_free(struct sn_r1cs_gates *g);
/* sn_r1cs_gates_add - a gate; the name is copied. sn_r1cs_gates_use - a use of gate number `gate`,
 * whose signals sn_r1cs_gates_signal then adds. Return 0, SN_E_NOMEM. */
int sn_r1cs_gates_add(struct sn_r1cs_gates *g, struct sn_str name, const struct sn_fe *params,
                      uint32_t n_params) SN_MUST_CHECK;
int sn_r1cs_gates_use(struct sn_r1cs_gates *g, uint32_t gate) SN_MUST_CHECK;
int sn_r1cs_gates_signal(struct sn_r1cs_gates *g, uint64_t wire) SN_MUST_CHECK;
/* sn_r1cs_gates_copy - NULL for NULL. Returns 0, SN_E_NOMEM. */
int sn_r1cs_gates_copy(const struct sn_r1cs_gates *from, struct sn_r1cs_gates **ret) SN_MUST_CHECK;
/* sn_r1cs_gates_read - from sections 4 and 5. Returns 0, SN_E_DATA_LOSS, SN_E_OUT_OF_RANGE,
 * SN_E_NOMEM. */
int sn_r1cs_gates_read(struct sn_str gates, struct sn_str uses, const struct sn_field *f,
                       uint32_t n_wires, struct sn_r1cs_gates **ret) SN_MUST_CHECK;
/* sn_r1cs_gates_write - both sections. */
void sn_r1cs_gates_write(const struct sn_r1cs_gates *g, const struct sn_field *f, struct sn_out *o);
