/* SPDX-License-Identifier: Apache-2.0 */
/* sennit - the multi-call program: every part of Sennit as a sub-command. */
#include "sennit/commands.h"

static const struct sn_cli_command *const commands[] = {
    &sn_cmd_gateway,
    &sn_cmd_load,
    NULL,
};

int main(int argc, char **argv)
{
    static const struct sn_cli_program program = {
        .name = "sennit",
        .version = SN_VERSION,
        .about = "Back ends, clusters and chains in C.",
        .commands = commands,
    };
    return sn_cli_main(&program, argc, argv);
}
