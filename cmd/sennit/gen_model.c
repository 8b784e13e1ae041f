/* SPDX-License-Identifier: Apache-2.0 */
/* sennit gen model - starts sennit-model in its own place, so that this program, which is also a
 * node and a gateway, maps no database client. */
#include "sennit/gen_model.h"

#include <errno.h>
#include <unistd.h>

#include "codegen/ddl.h"
#include "core/status.h"
#include "sennit/gen.h"

#define PATH_BYTES 2048

static const char *text(struct sn_arena *a, struct sn_str s) { return sn_arena_str(a, s).ptr; }
/* The options as flags again: what they are by environment or default is settled here. */
static const char **flags_of(const struct sn_cli_call *call)
{
    const struct model_opts *o = call->opts;
    struct sn_arena *a = call->arena;
    const struct {
        const char *name;
        struct sn_str value;
    } texts[] = {{"--src", o->src},
                 {"--url", o->url},
                 {"--password-file", o->password_file},
                 {"--dir", o->dir}};
    size_t n = 0, n_max = 2 * (SN_COUNT_OF(texts) + o->n_tables) + 7;
    const char **argv = SN_ARENA_ARRAY(a, const char *, n_max);
    if (!argv) return NULL;
    argv[n++] = GEN_MODEL_PROGRAM;
    for (size_t i = 0; i < SN_COUNT_OF(texts); i++) {
        if (!texts[i].value.len) continue;
        argv[n++] = texts[i].name;
        if (!(argv[n++] = text(a, texts[i].value))) return NULL;
    }
    for (size_t i = 0; i < o->n_tables; i++) {
        argv[n++] = "--table";
        if (!(argv[n++] = text(a, o->tables[i]))) return NULL;
    }
    argv[n++] = "--server";
    argv[n++] = o->server == SN_DDL_POSTGRES ? "postgres" : "mariadb";
    if (o->dry_run) argv[n++] = "--dry-run";
    if (o->force) argv[n++] = "--force";
    if (o->quiet) argv[n++] = "--quiet";
    argv[n] = NULL;
    return argv;
}
static int model_run(const struct sn_cli_call *call)
{
    char path[PATH_BYTES];
    const char **argv = flags_of(call);
    if (!argv) return SN_E_NOMEM;
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof(GEN_MODEL_PROGRAM));
    while (n > 0 && path[n - 1] != '/') n--;
    if (n > 0) {
        memcpy(path + n, GEN_MODEL_PROGRAM, sizeof(GEN_MODEL_PROGRAM));
        (void)execv(path, (char *const *)(uintptr_t)argv);
        if (errno != ENOENT) return sn_fail_errno(errno, "start %s", path);
    }
    (void)execvp(GEN_MODEL_PROGRAM, (char *const *)(uintptr_t)argv);
    int e = errno;
    if (e == ENOENT)
        return sn_fail(SN_E_NOT_FOUND,
                       GEN_MODEL_PROGRAM ": expected beside this program (%.*s) or in PATH; it is "
                                         "built and installed with sennit",
                       (int)SN_MAX(n, 0), path);
    return sn_fail_errno(e, "start %s", GEN_MODEL_PROGRAM);
}
const struct sn_cli_command sn_gen_model_command = {
    .name = "model",
    .brief = GEN_MODEL_BRIEF,
    .about = GEN_MODEL_ABOUT,
    .table = &gen_model_table,
    .run = model_run,
};
