/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-oci/life.c - create, start, run, state, kill, delete, pause, resume. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cmd.h"
#include "core/buf.h"
#include "show.h"

struct make_opts {
    const char *bundle, *config, *console_socket, *pidfd_socket, *pid_file;
    bool run, no_pivot, no_new_keyring, detach, keep, no_subreaper;
    unsigned preserve_fds;
};
#define MAKE_OPTS(m)                                                                      \
    {"bundle", 'b', OPT_STR, &(m).bundle,                                                 \
     "folder of config.json (default: the working directory)"},                           \
        {"config", 'f', OPT_STR, &(m).config, "another file than BUNDLE/config.json"},    \
        {"console-socket", 0, OPT_STR, &(m).console_socket,                               \
         "AF_UNIX socket that gets the terminal's master end"},                           \
        {"pidfd-socket", 0, OPT_STR, &(m).pidfd_socket,                                   \
         "AF_UNIX socket that gets a pidfd of the process"},                              \
        {"pid-file", 0, OPT_STR, &(m).pid_file, "file that gets the process id"},         \
        {"no-pivot", 0, OPT_FLAG, &(m).no_pivot,                                          \
         "move the root instead of pivot_root: for a root on a ramdisk"},                 \
        {"no-new-keyring", 0, OPT_FLAG, &(m).no_new_keyring, "keep the session keyring"}, \
    {                                                                                     \
        "preserve-fds", 0, OPT_UINT, &(m).preserve_fds,                                   \
            "pass so many further descriptors from 3 on"                                  \
    }

int open_container(struct app *app, const char *id, struct sn_oci_container **ret)
{
    return sn_oci_open(&app->host, id, ret);
}

int preserve_count(unsigned option, unsigned *ret, unsigned *ret_listen)
{
    const char *listen = getenv("LISTEN_FDS");
    uint64_t n = 0;
    if (listen && sn_str_to_u64(sn_str(listen), &n) < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "LISTEN_FDS: \"%.16s\" is no number", listen);
    if (n + option > SN_OCI_PRESERVE_FDS_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "preserve-fds: more than %d",
                       SN_OCI_PRESERVE_FDS_MAX);
    *ret = (unsigned)n + option;
    *ret_listen = (unsigned)n;
    return 0;
}

static int make(struct app *app, const struct make_opts *m, const char *id, int *ret_console,
                struct sn_oci_container **ret)
{
    struct sn_oci_create_opts o = {.id = id,
                                   .bundle = m->bundle,
                                   .console_socket = m->console_socket,
                                   .pidfd_socket = m->pidfd_socket,
                                   .pid_file = m->pid_file,
                                   .no_pivot = m->no_pivot,
                                   .no_new_keyring = m->no_new_keyring,
                                   .detach = m->detach,
                                   .released = m->run,
                                   .ret_console = ret_console};
    int e = preserve_count(m->preserve_fds, &o.preserve_fds, &o.listen_fds);
    if (e == 0 && m->config) e = read_text(app, m->config, &o.config);
    return e < 0 ? e : sn_oci_create(&app->host, &o, ret);
}

int cmd_create(struct app *app, int argc, char **argv)
{
    struct make_opts m = {.detach = true};
    const struct opt opts[] = {MAKE_OPTS(m), {NULL, 0, OPT_FLAG, NULL, NULL}};
    if (help("create", opts, argc, argv)) return 0;
    argc--, argv++;
    int e = opts_parse(opts, false, &argc, &argv);
    if (e < 0) return e;
    if (argc != 1) return usage("create");
    struct sn_oci_container *c;
    if ((e = make(app, &m, argv[0], NULL, &c)) == 0) sn_oci_close(c);
    return e;
}

int stay(struct app *app, struct sn_oci_container *c, int started, int master, bool keep)
{
    int e = started;
    if (e == 0) {
        int status = foreground(app, sn_oci_pidfd(c), master);
        if (status >= 0)
            app->exit_status = status;
        else
            e = status;
    }
    if (started == 0 && keep) return e;
    struct sn_diag first = *sn_diag();
    int d = sn_oci_delete(c, true);
    if (e < 0)
        *sn_diag() = first;
    else
        e = d;
    return e;
}

int cmd_run(struct app *app, int argc, char **argv)
{
    struct make_opts m = {.run = true};
    const struct opt opts[] = {MAKE_OPTS(m),
                               {"detach", 'd', OPT_FLAG, &m.detach, "do not wait for its end"},
                               {"keep", 0, OPT_FLAG, &m.keep, "do not delete it afterwards"},
                               {"no-subreaper", 0, OPT_FLAG, &m.no_subreaper,
                                "leave orphans to the system"},
                               {NULL, 0, OPT_FLAG, NULL, NULL}};
    if (help("run", opts, argc, argv)) return 0;
    argc--, argv++;
    int e = opts_parse(opts, false, &argc, &argv);
    if (e < 0) return e;
    if (argc != 1) return usage("run");
    struct sn_oci_container *c;
    int master = -1;
    if (!m.detach && !m.no_subreaper) prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    bool own_console = !m.detach && !m.console_socket;
    if (!m.detach) foreground_prepare();
    if ((e = make(app, &m, argv[0], own_console ? &master : NULL, &c)) < 0) return e;
    e = sn_oci_start(c);
    if (e < 0 || !m.detach) e = stay(app, c, e, master, m.keep);
    if (master >= 0) close(master);
    sn_oci_close(c);
    return e;
}

/* For commands of the form `COMMAND ID`. */
static int with_container(struct app *app, const char *name, int argc, char **argv,
                          int (*fn)(struct sn_oci_container *))
{
    static const struct opt none[] = {{NULL, 0, OPT_FLAG, NULL, NULL}};
    if (help(name, none, argc, argv)) return 0;
    argc--, argv++;
    int e = opts_parse(none, true, &argc, &argv);
    if (e < 0) return e;
    if (argc != 1) return usage(name);
    struct sn_oci_container *c;
    if ((e = open_container(app, argv[0], &c)) < 0) return e;
    e = fn(c);
    sn_oci_close(c);
    return e;
}
int cmd_start(struct app *app, int argc, char **argv)
{
    return with_container(app, "start", argc, argv, sn_oci_start);
}
int cmd_pause(struct app *app, int argc, char **argv)
{
    return with_container(app, "pause", argc, argv, sn_oci_pause);
}
int cmd_resume(struct app *app, int argc, char **argv)
{
    return with_container(app, "resume", argc, argv, sn_oci_resume);
}

static int show_state(struct sn_oci_container *c)
{
    struct sn_arena a;
    struct sn_oci_state s;
    struct sn_buf b = {0};
    struct sn_jsonw w;
    sn_arena_init(&a, NULL, 0);
    int e = sn_oci_state(c, &a, &s);
    if (e == 0) {
        sn_jsonw_init(&w, &b, &(struct sn_json_style){.indent = 2});
        state_json(&w, &s);
        sn_buf_cstr(&b, "\n");
        e = b.err < 0 ? b.err : out_text(sn_buf_view(&b));
    }
    sn_buf_done(&b);
    sn_arena_done(&a);
    return e;
}
int cmd_state(struct app *app, int argc, char **argv)
{
    return with_container(app, "state", argc, argv, show_state);
}

int cmd_kill(struct app *app, int argc, char **argv)
{
    bool all = false;
    const struct opt opts[] = {{"all", 'a', OPT_FLAG, &all, "to every process of the container"},
                               {NULL, 0, OPT_FLAG, NULL, NULL}};
    if (help("kill", opts, argc, argv)) return 0;
    argc--, argv++;
    int e = opts_parse(opts, false, &argc, &argv);
    if (e < 0) return e;
    if (argc < 1 || argc > 2) return usage("kill");
    int sig = argc == 2 ? signal_number(argv[1]) : SIGTERM;
    if (sig < 0) return sig;
    struct sn_oci_container *c;
    if ((e = open_container(app, argv[0], &c)) < 0) return e;
    e = sn_oci_kill(c, sig, all);
    sn_oci_close(c);
    return e;
}

int cmd_delete(struct app *app, int argc, char **argv)
{
    bool force = false;
    const struct opt opts[] = {{"force", 'f', OPT_FLAG, &force,
                                "kill it if it runs; a missing container is fine"},
                               {NULL, 0, OPT_FLAG, NULL, NULL}};
    if (help("delete", opts, argc, argv)) return 0;
    argc--, argv++;
    int e = opts_parse(opts, true, &argc, &argv);
    if (e < 0) return e;
    if (argc < 1) return usage("delete");
    int worst = 0;
    for (int i = 0; i < argc; i++) {
        struct sn_oci_container *c;
        e = open_container(app, argv[i], &c);
        if (e == SN_E_NOT_FOUND && force) continue;
        if (e == 0) {
            e = sn_oci_delete(c, force);
            sn_oci_close(c);
        }
        if (e < 0 && i + 1 < argc) app_warn(app, sn_diag_str(e));
        if (e < 0) worst = e;
    }
    return worst;
}
