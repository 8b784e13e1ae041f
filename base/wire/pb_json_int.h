/* SPDX-License-Identifier: Apache-2.0 */
/* wire/pb_json_int.h - shared by both directions of the JSON mapping. */
#pragma once
#include "wire/pb.h"

#define PB_TIMESTAMP_MIN (-62135596800LL) /* 0001-01-01T00:00:00Z */
#define PB_TIMESTAMP_MAX 253402300799LL   /* 9999-12-31T23:59:59Z */
#define PB_DURATION_MAX 315576000000LL    /* 10,000 years */

int pb_any_type(const struct sn_pb_json_opts *o, struct sn_str url, const struct sn_pb_desc **ret);
bool pb_is_null_enum(const struct sn_pb_enum *e);
