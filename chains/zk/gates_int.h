/* SPDX-License-Identifier: Apache-2.0 */
/* zk/gates_int.h - custom gates in .r1cs files. */
#pragma once
#include "zk/bin.h"
#include "zk/gates.h"

/* sn_r1cs_gates_read - from sections 4 and 5. Returns 0, SN_E_DATA_LOSS, SN_E_OUT_OF_RANGE,
 * SN_E_NOMEM. */
int sn_r1cs_gates_read(struct sn_str gates, struct sn_str uses, const struct sn_field *f,
                       uint32_t n_wires, struct sn_r1cs_gates **ret) SN_MUST_CHECK;
/* sn_r1cs_gates_write - both sections. */
void sn_r1cs_gates_write(const struct sn_r1cs_gates *g, const struct sn_field *f, struct sn_out *o);
