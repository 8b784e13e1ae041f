/* SPDX-License-Identifier: Apache-2.0 */
/* The shim's command line, which is containerd's: flags as Go's flag package takes them, and an action. */
#include <stdio.h>
#include <string.h>

#include "clusters/shim/shim.h"

static int usage(const char *what, const char *arg)
{
    fprintf(stderr, "containerd-shim-sennit-v2: %s%s\n", what, arg);
    fprintf(stderr, "usage: containerd-shim-sennit-v2 -namespace NAME -id ID [-address PATH] [-publish-binary PATH] "
                    "[-bundle PATH] [-debug] start|delete\n       containerd-shim-sennit-v2 -v | -info\n");
    return 2;
}

struct flags {
    struct sn_shim_opts o;
    const char *binary;
    bool version, info;
};

/* take - one flag: "-name value", "-name=value", one dash or two. Returns how many arguments it took. */
static int take(struct flags *f, char **argv)
{
    const struct {
        const char *name;
        const char **text;
        bool *flag;
    } known[] = {{"namespace", &f->o.ns, NULL},     {"id", &f->o.id, NULL},
                 {"bundle", &f->o.bundle, NULL},    {"address", &f->o.address, NULL},
                 {"socket", &f->o.socket, NULL},    {"publish-binary", &f->binary, NULL},
                 {"debug", NULL, &f->o.debug},      {"v", NULL, &f->version},
                 {"version", NULL, &f->version},    {"info", NULL, &f->info}};
    const char *name = argv[0] + 1 + (argv[0][1] == '-'), *eq = strchr(name, '=');
    size_t len = eq ? (size_t)(eq - name) : strlen(name);
    for (size_t i = 0; i < SN_COUNT_OF(known); i++) {
        if (strlen(known[i].name) != len || memcmp(known[i].name, name, len) != 0) continue;
        if (known[i].flag) {
            *known[i].flag = !eq || strcmp(eq + 1, "true") == 0 || strcmp(eq + 1, "1") == 0;
            return 1;
        }
        if (!eq && !argv[1]) return -1;
        *known[i].text = eq ? eq + 1 : argv[1];
        return eq ? 1 : 2;
    }
    return -1;
}

int main(int argc, char **argv)
{
    struct flags f = {0};
    int i = 1;
    while (i < argc && argv[i][0] == '-' && argv[i][1]) {
        int n = take(&f, argv + i);
        if (n < 0) return usage("unknown flag, or one without its value: ", argv[i]);
        i += n;
    }
    if (f.version) {
        printf("containerd-shim-sennit-v2:\n  Version:  %s\n", SN_VERSION);
        return 0;
    }
    if (f.info) return sn_shim_info();
    if (!f.o.ns || !*f.o.ns) return usage("shim namespace cannot be empty", "");
    if (!f.o.id || !*f.o.id) return usage("shim id cannot be empty", "");
    const char *action = i < argc ? argv[i] : "";
    if (strcmp(action, "start") == 0) return sn_shim_start(&f.o);
    if (strcmp(action, "delete") == 0) return sn_shim_delete(&f.o);
    return usage("unknown action: ", action);
}
