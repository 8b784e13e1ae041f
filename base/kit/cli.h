/* SPDX-License-Identifier: Apache-2.0 */
/* kit/cli.h - command lines by tables.
 * A program is a tree of commands; a command's options are a kit/config.h table, so one description
 * gives the parser, --help, the man page, shell completion, the environment's names and the keys of
 * a configuration file. Precedence: flags > environment > file > defaults.
 *
 * Results go to stdout, everything else to stderr. A bad command line prints one precise line, with
 * a suggestion where a name is near, and exits with 2; a command that fails exits with 1.
 *
 * Environment: a command's option "idle-ms" is SENNIT_<COMMAND>_IDLE_MS, e.g. SENNIT_LOAD_RATE. */
#pragma once
#include "core/arena.h"
#include "core/buf.h"
#include "kit/config.h"

#define SN_CLI_LEADING_MAX 16

enum { SN_EXIT_OK = 0, SN_EXIT_FAILED = 1, SN_EXIT_USAGE = 2 };

struct sn_cli_command;
struct sn_cli_call {
    const struct sn_cli_command *command;
    const void *opts;   /* table->size bytes, filled; NULL for a command without a table */
    struct sn_str *args; /* what is no option, in order */
    size_t n_args;
    struct sn_arena *arena; /* lives until the command has returned */
};
struct sn_cli_command {
    const char *name;
    const char *alias;      /* other names that are understood, too, by spaces; NULL = none */
    const char *brief;      /* one line for the list of commands */
    const char *usage;      /* operands after the options: "URL..."; NULL = none */
    const char *about;      /* paragraphs for --help and the man page; may be NULL */
    const struct sn_conf_table *table;
    unsigned args_min, args_max; /* operands; args_max UINT_MAX = any number */
    /* Behind so many operands everything is one, options included: the command line of another program.
     * 0 = options are understood anywhere. */
    unsigned args_own;
    /* Runs the command: < 0 is SN_E_* whose diagnostic is shown and exits with 1 (2 for
     * SN_E_INVALID_ARGUMENT and SN_E_SYNTAX); >= 0 is the exit status. */
    int (*run)(const struct sn_cli_call *call);
    const struct sn_cli_command *const *subs; /* NULL-ended; a command with subs has no run */
    /* Options of its subs that may stand before a sub's name, too, by spaces; those with a value end in
     * '=': "home= trace". At most SN_CLI_LEADING_MAX words. NULL = none. */
    const char *leading;
};
struct sn_cli_program {
    const char *name, *version, *about;
    const struct sn_cli_command *const *commands; /* NULL-ended */
};

/* sn_cli_main - parses, dispatches, prints errors. `name-command` as argv[0] runs that command.
 * A program of one command that bears the program's name is that command, without a word for it.
 * Every other program has help, --help, --version and `completion bash|zsh` and `man [COMMAND]`.
 * Returns the exit status. Context: the main thread, before any runtime. */
int sn_cli_main(const struct sn_cli_program *p, int argc, char **argv);

/* sn_cli_parse - only the options of one command: fills *opts (defaults, environment, flags) and
 * the operands. Returns 0; SN_E_INVALID_ARGUMENT, SN_E_NOMEM; 1 where --help was asked for. */
int sn_cli_parse(const struct sn_cli_program *p, const struct sn_cli_command *c, int argc,
                 char **argv, struct sn_arena *a, struct sn_cli_call *ret) SN_MUST_CHECK;
/* Texts, appended to `out`. path: the command's words, "load" or "chain init". */
int sn_cli_help(const struct sn_cli_program *p, const struct sn_cli_command *c, const char *path,
                struct sn_buf *out);
int sn_cli_man(const struct sn_cli_program *p, const struct sn_cli_command *c, const char *path,
               struct sn_buf *out);
int sn_cli_completion(const struct sn_cli_program *p, bool zsh, struct sn_buf *out);
/* sn_cli_env_name - "SENNIT_LOAD_OPEN_RATE" for program sennit, path "load", option "open-rate". */
int sn_cli_env_name(const struct sn_cli_program *p, const char *path, const char *option, char *out,
                    size_t cap) SN_MUST_CHECK;

/* ---- progress on a terminal ------------------------------------------------------------------ */

/* One line on stderr, redrawn in place: nothing where stderr is no terminal, nothing in the first
 * second, no colour under NO_COLOR. */
struct sn_progress {
    const char *what;
    uint64_t done, total; /* total 0 = unknown */
    int64_t start_ns, drawn_ns;
    bool tty, shown;
};
void sn_progress_begin(struct sn_progress *p, const char *what, uint64_t total);
/* sn_progress_set - draws at most ten times a second: bar, share, rate, time left. */
void sn_progress_set(struct sn_progress *p, uint64_t done);
/* sn_progress_text - the caller's own line instead of the bar. */
void sn_progress_text(struct sn_progress *p, const char *line);
/* sn_progress_end - clears the line. */
void sn_progress_end(struct sn_progress *p);
