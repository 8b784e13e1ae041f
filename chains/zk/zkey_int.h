/* SPDX-License-Identifier: Apache-2.0 */
/* zk/zkey_int.h - what reading, proving and setup share about proving keys. */
#pragma once
#include "zk/groth16.h"

/* One coefficient in section 4: matrix, row, wire as u32, then the value times R^2 (so that a
 * Montgomery product with a plain witness value comes out in Montgomery form). */
#define SN_ZKEY_COEF_BYTES 44u

/* sn_zk_curve_of - the curve with that base field (plain little-endian modulus); NULL for others.
 */
const struct sn_curve *sn_zk_curve_of(const uint8_t *q, size_t n);
