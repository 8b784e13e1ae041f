/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-oci/cmd.h - what the commands share: options, the host, errors. */
#pragma once
#include "clusters/oci/checkpoint.h"
#include "core/arena.h"
#include "core/base.h"
#include "core/status.h"
#include "core/str.h"

#define OCI_VALUES_MAX 256 /* repeats of one option */

enum opt_kind { OPT_FLAG, OPT_STR, OPT_UINT, OPT_LIST, OPT_BOOLISH };
struct opt_list {
    const char *v[OCI_VALUES_MAX];
    size_t n;
};
/* One option: `--name VALUE`, `--name=VALUE`, `-x VALUE`. A flag takes `--name=false`. */
struct opt {
    const char *name;
    char letter;
    enum opt_kind kind;
    void *to; /* bool *, const char **, unsigned *, struct opt_list * */
    const char *help;
};
/* opts_parse - options up to the first other word (or "--"), which *argc, *argv are left at;
 * `later`: options may follow words, too, which are moved together. Returns 0 or
 * SN_E_INVALID_ARGUMENT. */
int opts_parse(const struct opt *opts, bool later, int *argc, char ***argv) SN_MUST_CHECK;

struct app {
    struct sn_oci_host host;
    struct sn_arena arena; /* the command's life */
    const char *log, *log_format;
    const char *criu; /* the program; NULL: by PATH */
    bool debug;
    int exit_status; /* of run and exec */
};
struct command {
    const char *name, *args, *about;
    int (*run)(struct app *app, int argc, char **argv);
    const struct opt *opts; /* for help; NULL: none */
};
extern const struct command commands[];

int cmd_create(struct app *, int, char **);
int cmd_run(struct app *, int, char **);
int cmd_restore(struct app *, int, char **);
int cmd_checkpoint(struct app *, int, char **);
int cmd_start(struct app *, int, char **);
int cmd_state(struct app *, int, char **);
int cmd_kill(struct app *, int, char **);
int cmd_delete(struct app *, int, char **);
int cmd_exec(struct app *, int, char **);
int cmd_list(struct app *, int, char **);
int cmd_ps(struct app *, int, char **);
int cmd_pause(struct app *, int, char **);
int cmd_resume(struct app *, int, char **);
int cmd_update(struct app *, int, char **);
int cmd_events(struct app *, int, char **);
int cmd_spec(struct app *, int, char **);
int cmd_features(struct app *, int, char **);
int cmd_mounts(struct app *, int, char **);

/* usage - SN_E_INVALID_ARGUMENT with "sennit-oci COMMAND ARGS". */
int usage(const char *command) SN_MUST_CHECK;
/* help - for `COMMAND --help`; prints and returns true where argv asks for it. */
bool help(const char *command, const struct opt *opts, int argc, char **argv);
void app_warn(void *app, const char *text);
/* stay - waits for a container that runs, then deletes it unless `keep`. started: what start or
 * restore said; where it failed the container is deleted. Returns that, or what went wrong. */
int stay(struct app *app, struct sn_oci_container *c, int started, int master, bool keep)
    SN_MUST_CHECK;
/* open_container - opens by id. */
int open_container(struct app *app, const char *id, struct sn_oci_container **ret) SN_MUST_CHECK;
/* read_text - a file, or "-" for standard input. */
int read_text(struct app *app, const char *path, struct sn_str *ret) SN_MUST_CHECK;
/* out_text - to standard output, all of it. */
int out_text(struct sn_str s) SN_MUST_CHECK;
/* foreground_prepare - from here on signals wait until foreground forwards them: before the process
 * is made. */
void foreground_prepare(void);
/* foreground - forwards signals and a terminal (master end, or -1) until the process ends.
 * Returns its exit status, 128 + signal, or an error. */
int foreground(struct app *app, int pidfd, int master) SN_MUST_CHECK;
/* signal_number - "TERM", "SIGTERM", "15", "RTMIN+3". Returns it or SN_E_INVALID_ARGUMENT. */
int signal_number(const char *name) SN_MUST_CHECK;
/* preserve_count - --preserve-fds and LISTEN_FDS of the environment together. */
int preserve_count(unsigned option, unsigned *ret, unsigned *ret_listen) SN_MUST_CHECK;
