/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/lanes_int.h - the two builds of lanes_vec.c. */
#pragma once
#include "crypto/field_int.h"
#include "crypto/lanes.h"

extern const struct sn_lanes_ops sn_lanes_ifma; /* AVX-512 IFMA */
extern const struct sn_lanes_ops sn_lanes_fma;  /* AVX-512 F, DQ, VL, BW: products in doubles */
