/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/commands.h - the sub-commands, one file each. */
#pragma once
#include "kit/cli.h"

extern const struct sn_cli_command sn_cmd_gateway;
extern const struct sn_cli_command sn_cmd_load;
