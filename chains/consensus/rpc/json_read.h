/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/rpc/json_read.h - what json.h writes, read again: hashes and addresses in hex, other
 * bytes in base64, 64-bit integers in strings. Values are checked as far as their form goes:
 * sn_cons_check_* is the caller's. Each returns 0; SN_E_INVALID_ARGUMENT with the member and what
 * was expected; SN_E_TOO_LARGE; SN_E_NOMEM. Nothing suspends. */
#pragma once
#include "consensus/types.h"
#include "wire/json.h"

int sn_cons_json_read_i64(const struct sn_json *o, const char *name, int64_t *ret) SN_MUST_CHECK;
int sn_cons_json_read_header(const struct sn_json *o, struct sn_cons_header *ret) SN_MUST_CHECK;
/* _commit - the signatures are the arena's. */
int sn_cons_json_read_commit(const struct sn_json *o, struct sn_arena *a,
                             struct sn_cons_commit *ret) SN_MUST_CHECK;
/* _signed_header - header and commit; vals stays NULL. */
int sn_cons_json_read_signed_header(const struct sn_json *o, struct sn_arena *a,
                                    struct sn_cons_light_block *ret) SN_MUST_CHECK;
int sn_cons_json_read_validator(const struct sn_json *o,
                                struct sn_cons_validator *ret) SN_MUST_CHECK;
/* _bytes - base64; the arena's. */
int sn_cons_json_read_bytes(const struct sn_json *v, struct sn_arena *a,
                            struct sn_str *ret) SN_MUST_CHECK;
/* _hash - hex; none (len 0) where it is absent or empty. */
int sn_cons_json_read_hash(const struct sn_json *o, const char *name,
                           struct sn_cons_hash *ret) SN_MUST_CHECK;
/* _evidence - {"type","value"}; has passed the checks of its protobuf form. The arena's. */
int sn_cons_json_read_evidence(const struct sn_json *v, struct sn_arena *a,
                               struct sn_cons_evidence *ret) SN_MUST_CHECK;
