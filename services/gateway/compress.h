/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/compress.h - answers compressed on their way to the client. */
#pragma once
#include "gateway/gw_int.h"

struct gw_compressor;
/* gw_compress_begin - whether this answer, whose headers are settled on the exchange, is compressed:
 * then *ret is the compressor, the headers say so, and the answer must be started without a length.
 * Otherwise NULL. Adds Vary where it depends on the client. length: -1 unknown.
 * Returns 0 or SN_E_NOMEM. Owns: gw_compress_free. */
int gw_compress_begin(struct gw_req *q, int status, int64_t length, struct gw_compressor **ret)
    SN_MUST_CHECK;
/* gw_compress_write, gw_compress_end - as sn_http_write; end writes what is left, not the answer's
 * end. */
int gw_compress_write(struct gw_compressor *g, struct sn_str data) SN_MUST_CHECK;
int gw_compress_end(struct gw_compressor *g) SN_MUST_CHECK;
void gw_compress_free(struct gw_compressor *g); /* NULL is accepted */
/* gw_accepts - whether an Accept-Encoding list allows `coding`: named or by "*", without q=0. */
bool gw_accepts(struct sn_str list, struct sn_str coding);
