/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-keeper - the process that stays with a pod; started by `sennit cri`, see
 * clusters/cri/keeper_int.h. sennit-keeper --dir DIR [--net] [--ipc] [--uts] [--pid] [--hostname
 * NAME] [--sysctl NAME=VALUE]... [--userns UID:COUNT:GID:COUNT] [--shm BYTES]. With --net standard
 * input is the pod's network namespace. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clusters/cri/keeper.h"

/* UID:COUNT:GID:COUNT */
static bool four_numbers(const char *v, struct sn_keeper_opts *o)
{
    uint32_t *to[] = {&o->uid_host, &o->uid_size, &o->gid_host, &o->gid_size};
    for (int i = 0; i < 4; i++) {
        char *end;
        *to[i] = (uint32_t)strtoul(v, &end, 10);
        if (end == v || *end != (i < 3 ? ':' : 0)) return false;
        v = end + 1;
    }
    return true;
}

int main(int argc, char **argv)
{
    const char *sysctls[SN_KEEPER_SYSCTLS_MAX];
    struct sn_keeper_opts o = {.netns_fd = -1, .sysctls = sysctls};
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i], *v = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(a, "--net"))
            o.netns_fd = 0;
        else if (!strcmp(a, "--ipc"))
            o.ipc = true;
        else if (!strcmp(a, "--uts"))
            o.uts = true;
        else if (!strcmp(a, "--pid"))
            o.pid = true;
        else if (!strcmp(a, "--dir") && v)
            o.dir = v, i++;
        else if (!strcmp(a, "--shm") && v)
            o.shm_bytes = strtoull(v, NULL, 10), i++;
        else if (!strcmp(a, "--userns") && v &&
                 four_numbers(v, &o))
            i++;
        else if (!strcmp(a, "--hostname") && v)
            o.hostname = v, i++;
        else if (!strcmp(a, "--sysctl") && v && o.n_sysctls < SN_KEEPER_SYSCTLS_MAX)
            sysctls[o.n_sysctls++] = v, i++;
        else {
            fprintf(stderr, "sennit-keeper: %s: not understood; it is started by `sennit cri`\n",
                    a);
            return 2;
        }
    }
    if (!o.dir) {
        fprintf(stderr, "sennit-keeper: --dir is missing; it is started by `sennit cri`\n");
        return 2;
    }
    return sn_keeper_run(&o);
}
