/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-oci/main.c - an OCI runtime with runc's command line. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "core/buf.h"
#include "core/time.h"

#ifndef SN_VERSION
#define SN_VERSION "0"
#endif

const struct command commands[] = {
    {"create", "ID", "make a container that waits for start", cmd_create, NULL},
    {"start", "ID", "run the program of a created container", cmd_start, NULL},
    {"run", "ID", "create and start", cmd_run, NULL},
    {"state", "ID", "print the state as JSON", cmd_state, NULL},
    {"kill", "ID [SIGNAL]", "send a signal to the container's first process", cmd_kill, NULL},
    {"delete", "ID...", "remove what a stopped container holds", cmd_delete, NULL},
    {"exec", "ID COMMAND [ARG...]", "run a further program in a container", cmd_exec, NULL},
    {"ps", "ID [PS OPTION...]", "list the container's processes", cmd_ps, NULL},
    {"list", "", "list containers", cmd_list, NULL},
    {"pause", "ID", "freeze all processes", cmd_pause, NULL},
    {"resume", "ID", "thaw them", cmd_resume, NULL},
    {"update", "ID", "change limits", cmd_update, NULL},
    {"events", "ID", "print statistics and out-of-memory events", cmd_events, NULL},
    {"spec", "", "write a config.json to start from", cmd_spec, NULL},
    {"features", "", "print what is supported as JSON", cmd_features, NULL},
    {"checkpoint", "ID", "write the processes to disk through criu", cmd_checkpoint, NULL},
    {"restore", "ID", "bring them back", cmd_restore, NULL},
    {"mounts", "add|remove ID FILE", "change the mounts of a live container", cmd_mounts, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t); /* banned: no runtime below this program */
    return t.tv_sec * SN_SEC + t.tv_nsec;
}

/* One line in the form that callers of runc read: logrus' text or JSON. */
static void log_line(struct app *app, const char *level, const char *text)
{
    char when[SN_RFC3339_MAX];
    struct sn_buf b = {.limit = 8192};
    bool json = app->log_format && strcmp(app->log_format, "json") == 0;
    sn_time_rfc3339(now_ns(), 0, when);
    if (json)
        sn_buf_printf(&b, "{\"level\":\"%s\",\"msg\":", level);
    else
        sn_buf_printf(&b, "time=\"%s\" level=%s msg=", when, level);
    sn_json_write_string(&b, sn_str(text));
    if (json) sn_buf_printf(&b, ",\"time\":\"%s\"}", when);
    sn_buf_cstr(&b, "\n");
    int fd = STDERR_FILENO;
    if (app->log) fd = open(app->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd >= 0 && b.err == 0 && write(fd, b.ptr, b.len) < 0 && app->log) perror(app->log);
    if (app->log && fd >= 0) close(fd);
    sn_buf_done(&b);
}

void app_warn(void *app, const char *text) { log_line(app, "warning", text); }

static void print_error(struct app *app, const char *text)
{
    log_line(app, "error", text);
    if (app->log) fprintf(stderr, "%s\n", text);
}

int usage(const char *command)
{
    for (const struct command *c = commands; c->name; c++)
        if (strcmp(c->name, command) == 0)
            return sn_fail(SN_E_INVALID_ARGUMENT, "sennit-oci %s %s: see sennit-oci %s --help",
                           c->name, c->args, c->name);
    return SN_E_INVALID_ARGUMENT;
}

static void print_opts(const struct opt *o)
{
    for (; o && o->name; o++) {
        char left[48];
        snprintf(left, sizeof(left), "--%s%s%c%c%s", o->name, o->letter ? ", -" : "",
                 o->letter ? o->letter : ' ', ' ',
                 o->kind == OPT_FLAG || o->kind == OPT_BOOLISH ? "" : "VALUE");
        printf("   %-34s %s\n", left, o->help ? o->help : "");
    }
}

bool help(const char *command, const struct opt *opts, int argc, char **argv)
{
    if (argc < 2 || (strcmp(argv[1], "--help") != 0 && strcmp(argv[1], "-h") != 0)) return false;
    for (const struct command *c = commands; c->name; c++)
        if (strcmp(c->name, command) == 0)
            printf("NAME:\n   sennit-oci %s - %s\n\nUSAGE:\n   sennit-oci %s [options] "
                   "%s\n\nOPTIONS:\n",
                   c->name, c->about, c->name, c->args);
    print_opts(opts);
    return true;
}

static void print_help(const struct opt *opts)
{
    printf("NAME:\n   sennit-oci - OCI container runtime\n\nUSAGE:\n   sennit-oci [global options] "
           "COMMAND [options] [ARG...]\n\n"
           "COMMANDS:\n");
    for (const struct command *c = commands; c->name; c++)
        printf("   %-12s %s\n", c->name, c->about);
    printf("\nGLOBAL OPTIONS:\n");
    print_opts(opts);
}

/* Root of a user namespace (rootless podman's) is no root of the host. The first namespace has a
 * number that the kernel fixes. */
static bool in_user_namespace(void)
{
    struct stat st;
    const ino_t first = 0xeffffffd; /* PROC_USER_INIT_INO */
    return stat("/proc/self/ns/user", &st) == 0 && st.st_ino != first;
}

static int default_root(struct app *app, bool user)
{
    const char *run = getenv("XDG_RUNTIME_DIR");
    app->host.root = "/run/sennit-oci";
    if (!user || !run || !run[0]) return 0;
    struct sn_str s = sn_arena_printf(&app->arena, "%s/sennit-oci", run);
    if (!s.ptr) return SN_E_NOMEM;
    app->host.root = s.ptr;
    return 0;
}

static int set_manager(struct app *app, const char *manager)
{
    if (!manager || strcmp(manager, "cgroupfs") == 0) return 0;
    if (strcmp(manager, "disabled") == 0)
        app->host.no_cgroups = true;
    else if (strcmp(manager, "systemd") == 0)
        app->host.systemd_cgroup = true;
    else
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "--cgroup-manager: \"%.32s\" is not one of cgroupfs, systemd, disabled",
                       manager);
    return 0;
}

static int global(struct app *app, int *argc, char ***argv)
{
    const char *root = NULL, *rootless = "auto", *manager = NULL;
    bool version = false, ask = false;
    const struct opt opts[] = {
        {"debug", 0, OPT_FLAG, &app->debug, "more messages in the log"},
        {"log", 0, OPT_STR, &app->log, "file of messages (default: standard error)"},
        {"log-format", 0, OPT_STR, &app->log_format, "text or json"},
        {"root", 0, OPT_STR, &root, "folder of the containers' states (default: /run/sennit-oci)"},
        {"criu", 0, OPT_STR, &app->criu, "the criu to use (default: by PATH)"},
        {"systemd-cgroup", 0, OPT_FLAG, &app->host.systemd_cgroup,
         "cgroupsPath is slice:prefix:name"},
        {"rootless", 0, OPT_STR, &rootless, "true, false or auto: do without cgroups that refuse"},
        {"cgroup-manager", 0, OPT_STR, &manager, "cgroupfs, systemd or disabled"},
        {"version", 'v', OPT_FLAG, &version, "print the version"},
        {"help", 'h', OPT_FLAG, &ask, "print this"},
        {NULL, 0, OPT_FLAG, NULL, NULL},
    };
    int e = opts_parse(opts, false, argc, argv);
    if (e < 0) return e;
    if (version) {
        printf("sennit-oci version %s\nspec: %s\n", SN_VERSION, SN_OCI_VERSION);
        *argc = 0;
        return 0;
    }
    if (ask || *argc == 0 || strcmp((*argv)[0], "help") == 0) {
        print_help(opts);
        *argc = 0;
        return 0;
    }
    if (app->log_format && strcmp(app->log_format, "json") != 0 &&
        strcmp(app->log_format, "text") != 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "--log-format: \"%.32s\" is not one of text, json",
                       app->log_format);
    bool less = strcmp(rootless, "true") == 0, user = geteuid() != 0 || in_user_namespace();
    if (!less && strcmp(rootless, "false") != 0) {
        if (strcmp(rootless, "auto") != 0)
            return sn_fail(SN_E_INVALID_ARGUMENT,
                           "--rootless: \"%.32s\" is not one of true, false, auto", rootless);
        less = user;
    }
    app->host.rootless = less;
    if ((e = set_manager(app, manager)) < 0 || (e = default_root(app, user)) < 0)
        return e;
    if (root && root[0] != '/') {
        char cwd[2048];
        struct sn_str s = getcwd(cwd, sizeof(cwd))
                              ? sn_arena_printf(&app->arena, "%s/%s", cwd, root)
                              : (struct sn_str){0};
        if (!s.ptr) return SN_E_NOMEM;
        root = s.ptr;
    }
    if (root) app->host.root = root;
    return 0;
}

static int dispatch(struct app *app, int argc, char **argv)
{
    argc--;
    argv++;
    int e = global(app, &argc, &argv);
    if (e < 0 || argc == 0) return e;
    for (const struct command *c = commands; c->name; c++)
        if (strcmp(c->name, argv[0]) == 0) return c->run(app, argc, argv);
    return sn_fail(SN_E_INVALID_ARGUMENT, "No help topic for '%.64s'", argv[0]);
}

int main(int argc, char **argv)
{
    /* A runtime called with closed standard descriptors must not hand its own files to a container.
     */
    for (int fd = open("/dev/null", O_RDWR); fd >= 0; fd = open("/dev/null", O_RDWR))
        if (fd > 2) {
            close(fd);
            break;
        }
    struct app app = {0};
    app.host.warn = app_warn;
    app.host.warn_arg = &app;
    sn_arena_init(&app.arena, NULL, 0);
    int e = dispatch(&app, argc, argv);
    if (e < 0) {
        char text[SN_DIAG_BYTES + 256];
        print_error(&app, sn_diag_format(e, text, sizeof(text)));
        app.exit_status = app.exit_status ? app.exit_status : 1;
    }
    sn_arena_done(&app.arena);
    return app.exit_status;
}
