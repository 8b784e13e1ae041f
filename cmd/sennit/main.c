/* SPDX-License-Identifier: Apache-2.0 */
/* sennit - the multi-call program: every part of Sennit as a sub-command. */
#include <stdio.h>
#include <sys/resource.h>

#include "kit/debug.h"
#include "sennit/commands.h"
#include "sennit/gen.h"

static const struct sn_cli_command *const commands[] = {
    &sn_cmd_up, &sn_cmd_gateway, &sn_cmd_load, &sn_cmd_serve, &sn_cmd_doctor,
    &sn_cmd_registry, &sn_cmd_gen, &sn_cmd_chain,
    &sn_cmd_pull, &sn_cmd_images, &sn_cmd_rmi, &sn_cmd_image, &sn_cmd_cri,
    &sn_cmd_run, &sn_cmd_ps, &sn_cmd_logs, &sn_cmd_exec, &sn_cmd_stop, &sn_cmd_rm, &sn_cmd_stats,
    &sn_cmd_abi, &sn_cmd_zk, &sn_cmd_version, NULL,
};

void sn_cmd_raise_files(void)
{
    struct rlimit lim;
    if (getrlimit(RLIMIT_NOFILE, &lim) < 0 || lim.rlim_cur == lim.rlim_max) return;
    lim.rlim_cur = lim.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &lim);
}

int sn_cmd_debug(const char *addr)
{
    char at[128];
    int r = sn_debug_start(addr, at, sizeof at);
    if (r < 0) return r;
    fprintf(stderr, "profiles: go tool pprof http://%s/debug/pprof/profile?seconds=5\n", at);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct sn_cli_program program = {
        .name = "sennit",
        .version = SN_VERSION,
        .about = "Back ends, clusters and chains in C: one core, one program.\n\n"
                 "Start with `sennit up --tour`: a node with a gateway, services behind it, "
                 "traffic and\n"
                 "a board that shows what happens.",
        .commands = commands,
    };
    sn_gen_flags(argc, argv);
    return sn_cli_main(&program, argc, argv);
}
