/* SPDX-License-Identifier: Apache-2.0 */
/* image/inflate.h - compressed bytes in pieces: gzip (any number of members), zstd (frames) or
 * plain, told by the first bytes. Sans I/O. Sources: RFC 1952, RFC 8878. */
#pragma once
#include "core/str.h"

struct sn_inflate;
/* sink: takes what comes out; its failure ends the reading. ratio_max: output by input, judged
 * above SN_INFLATE_RATIO_FROM bytes of output; 0 = none. Returns 0 or SN_E_NOMEM. Owns:
 * sn_inflate_free. */
#define SN_INFLATE_RATIO_FROM (64u << 20)
int sn_inflate_new(int (*sink)(void *ctx, struct sn_str bytes), void *ctx, uint64_t ratio_max,
                   struct sn_inflate **ret) SN_MUST_CHECK;
/* sn_inflate_put - Returns 0, SN_E_SYNTAX (damaged), SN_E_TOO_LARGE (ratio, or a zstd window of
 * over 128 MiB), SN_E_NOMEM, what the sink returned. */
int sn_inflate_put(struct sn_inflate *z, struct sn_str bytes) SN_MUST_CHECK;
/* sn_inflate_finish - the input has ended. Returns 0, or SN_E_SYNTAX inside of a member or frame.
 */
int sn_inflate_finish(struct sn_inflate *z) SN_MUST_CHECK;
void sn_inflate_free(struct sn_inflate *z);
