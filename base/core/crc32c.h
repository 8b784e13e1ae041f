/* SPDX-License-Identifier: Apache-2.0 */
/* core/crc32c.h - CRC-32C (Castagnoli): journals, snapshots, compressed frames. */
#pragma once
#include "core/base.h"

/* sn_crc32c - of `n` bytes, continuing from `crc` (0 to begin): crc(a then b) is
 * sn_crc32c(sn_crc32c(0, a), b). Uses SSE4.2 where the CPU has it.
 * Source: RFC 3720 appendix B.4 (polynomial 0x1EDC6F41, reflected, inverted in and out). */
uint32_t sn_crc32c(uint32_t crc, const void *data, size_t n);
/* sn_crc32c_table - the portable path, for tests and for CPUs without the instruction. */
uint32_t sn_crc32c_table(uint32_t crc, const void *data, size_t n);
