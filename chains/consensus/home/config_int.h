/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/home/config_int.h - the tables of config.toml's keys. */
#pragma once
#include "consensus/home/config.h"

struct sn_home_section {
    const char *name; /* "" for the keys before the first header; NULL ends the list */
    const char *about;
    const struct sn_conf_table *table;
    size_t offset; /* in struct sn_home_config */
};
extern const struct sn_home_section sn_home_sections_[];
