/* SPDX-License-Identifier: Apache-2.0 */
/* wire/yaml_int.h - what a plain scalar means: the reader resolves with it, the writer quotes by
 * it. */
#pragma once
#include "wire/json.h"

enum sn_yaml_scalar {
    SN_YAML_STRING,
    SN_YAML_NULL,
    SN_YAML_TRUE,
    SN_YAML_FALSE,
    SN_YAML_INT,      /* [-+]?[0-9]+ without a needless zero in front */
    SN_YAML_ZEROS,    /* the same with leading zeros */
    SN_YAML_BASED,    /* 0o17, 0x1f */
    SN_YAML_FLOAT,
    SN_YAML_NOT_FINITE,
};
/* sn_yaml_classify - by its text alone. */
enum sn_yaml_scalar sn_yaml_classify(struct sn_str s, bool yaml11);
