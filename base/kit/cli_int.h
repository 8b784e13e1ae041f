/* SPDX-License-Identifier: Apache-2.0 */
/* kit/cli_int.h - shared by the parser and the texts. */
#pragma once
#include "kit/cli.h"

/* sn_cli_find_ - the command called `name`; NULL where there is none. */
const struct sn_cli_command *sn_cli_find_(const struct sn_cli_command *const *list,
                                          struct sn_str name);
