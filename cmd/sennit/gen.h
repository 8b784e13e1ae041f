/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/gen.h - sennit gen: descriptions read from disk, projects written to it. */
#pragma once
#include "codegen/codegen.h"
#include "kit/cli.h"

struct gen_write {
    const char *dir;
    bool dry_run, force, quiet;
    bool touch; /* write what is the same, too: a build compares times */
};
/* gen_write - puts the files below `dir` and says on standard output what became of each: what is
 * ours is written anew, what is yours only where nothing is; handlers no description names any more
 * are listed. A file in our place that we did not generate stops everything before the first write,
 * unless forced. Returns 0; SN_E_FAILED_PRECONDITION; as open and write. */
int gen_write(struct sn_arena *a, const struct sn_gen_files *files,
              const struct gen_write *o) SN_MUST_CHECK;
/* sn_gen_flags - goctl's "-api", "-dir" as "--api", "--dir", where the command is gen. */
void sn_gen_flags(int argc, char **argv);
extern const struct sn_cli_command sn_gen_model_command;
