/* SPDX-License-Identifier: Apache-2.0 */
/* kit/config_int.h - one value between its node or text and its C field. */
#pragma once
#include "kit/config.h"

/* What a message prints after "expected". in_range: with the bounds. */
void sn_conf_expected_(const struct sn_conf_field *f, enum sn_conf_type type, bool in_range,
                       struct sn_buf *out);
/* sn_conf_scalar_ - `v` into the C object `to` of `size` bytes. Returns 0, SN_E_NOMEM, or
 * SN_E_INVALID_ARGUMENT with "expected ..., got ..." in `why`. Strings are borrowed from `v`. */
int sn_conf_scalar_(const struct sn_conf_field *f, enum sn_conf_type type, const struct sn_json *v,
                    void *to, size_t size, struct sn_buf *why);
/* sn_conf_text_node_ - text (a flag, a default) as the node a file would have for it. */
struct sn_json sn_conf_text_node_(enum sn_conf_type type, struct sn_str text);
bool sn_conf_bounded_(const struct sn_conf_field *f);
/* sn_conf_bound_ - a bound as the type writes it: "30s", "64KiB", "5". */
void sn_conf_bound_(enum sn_conf_type type, int64_t v, struct sn_buf *out);
/* Integers of 1 to 8 bytes, sign-extended. */
int64_t sn_conf_load_int_(const void *from, size_t size, bool is_signed);
void sn_conf_store_int_(void *to, size_t size, int64_t v);
