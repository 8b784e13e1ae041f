/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/light/json_int.h - what an RPC answers, as our structs (rpc/json.h is the other way round):
 * hashes and addresses in hex, other bytes in Base64, 64-bit integers in strings. Values are checked
 * as far as their form goes: sn_cons_check_* is the caller's. Each returns 0; SN_E_INVALID_ARGUMENT with the
 * member and what was expected; SN_E_TOO_LARGE; SN_E_NOMEM. */
#pragma once
#include "consensus/types.h"
#include "wire/json.h"

/* `signed_header` of the answer to `commit`: vals stays NULL. */
int sn_light_json_signed_header(const struct sn_json *o, struct sn_arena *a,
                                struct sn_cons_light_block *ret) SN_MUST_CHECK;
/* One member of `validators`. */
int sn_light_json_validator(const struct sn_json *o, struct sn_cons_validator *ret) SN_MUST_CHECK;
int sn_light_json_i64(const struct sn_json *o, const char *name, int64_t *ret) SN_MUST_CHECK;
