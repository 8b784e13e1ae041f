/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-oci/exec.c - exec, and mounts add|remove. */
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cmd.h"
#include "core/alloc.h"
#include "core/buf.h"

struct exec_opts {
    const char *console_socket, *pidfd_socket, *cwd, *user, *process, *pid_file, *label, *apparmor;
    struct opt_list env, gids, caps, cgroup;
    bool tty, detach, no_new_privs, ignore_paused;
    unsigned preserve_fds;
};

static int put_user(struct sn_arena *a, struct sn_json *p, const struct exec_opts *o)
{
    struct sn_json user = sn_json_object(), gids = sn_json_array();
    uint64_t uid = 0, gid = 0, extra;
    if (!o->user && !o->gids.n) return 0;
    struct sn_str rest = sn_str(o->user ? o->user : "0"), first = sn_str_cut(&rest, ':');
    if (sn_str_to_u64(first, &uid) < 0 || (rest.ptr && sn_str_to_u64(rest, &gid) < 0) ||
        uid > UINT32_MAX || gid > UINT32_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "--user: \"%.64s\" is not UID or UID:GID in numbers",
                       o->user);
    for (size_t i = 0; i < o->gids.n; i++) {
        if (sn_str_to_u64(sn_str(o->gids.v[i]), &extra) < 0 || extra > UINT32_MAX)
            return sn_fail(SN_E_INVALID_ARGUMENT, "--additional-gids: \"%.64s\" is no group number",
                           o->gids.v[i]);
        if (!sn_json_push(a, &gids, sn_json_u64(extra))) return SN_E_NOMEM;
    }
    if (!sn_json_add(a, &user, SN_STR("uid"), sn_json_u64(uid)) ||
        !sn_json_add(a, &user, SN_STR("gid"), sn_json_u64(gid)) ||
        (o->gids.n && !sn_json_add(a, &user, SN_STR("additionalGids"), gids)) ||
        !sn_json_set(a, p, SN_STR("user"), user))
        return SN_E_NOMEM;
    return 0;
}

static int put_env(struct sn_arena *a, struct sn_json *p, const struct exec_opts *o,
                   const struct sn_json *base)
{
    if (!o->env.n) return 0;
    struct sn_json env = sn_json_array();
    for (SN_JSON_EACH(base, it))
        if (!sn_json_push(a, &env, *it)) return SN_E_NOMEM;
    for (size_t i = 0; i < o->env.n; i++)
        if (!sn_json_push(a, &env, sn_json_cstr(o->env.v[i]))) return SN_E_NOMEM;
    return sn_json_set(a, p, SN_STR("env"), env) ? 0 : SN_E_NOMEM;
}

/* --cap adds to the container's own sets, except the ambient one. */
static int put_caps(struct sn_arena *a, struct sn_json *p, const struct exec_opts *o,
                    const struct sn_json *base)
{
    static const char *const sets[] = {"bounding", "effective", "permitted", "inheritable",
                                       "ambient"};
    if (!o->caps.n) return 0;
    struct sn_json all = sn_json_object();
    for (size_t k = 0; k < SN_COUNT_OF(sets); k++) {
        struct sn_json set = sn_json_array();
        for (SN_JSON_EACH(sn_json_get(base, sets[k]), it))
            if (!sn_json_push(a, &set, *it)) return SN_E_NOMEM;
        for (size_t i = 0; k < 3 && i < o->caps.n; i++)
            if (!sn_json_push(a, &set, sn_json_cstr(o->caps.v[i]))) return SN_E_NOMEM;
        if (!sn_json_add(a, &all, sn_str(sets[k]), set)) return SN_E_NOMEM;
    }
    return sn_json_set(a, p, SN_STR("capabilities"), all) ? 0 : SN_E_NOMEM;
}

/* The process that the flags describe, over what the container's configuration has. */
static int build(struct app *app, struct sn_oci_container *c, const struct exec_opts *o, int argc,
                 char **argv, struct sn_str *ret)
{
    struct sn_arena *a = &app->arena;
    const struct sn_json *config;
    struct sn_str text;
    struct sn_json p = sn_json_object(), args = sn_json_array();
    int e = sn_oci_config(c, a, &text);
    if (e == 0) e = sn_json_parse(a, text, NULL, &config);
    if (e < 0) return e;
    const struct sn_json *base = sn_json_get(config, "process");
    for (int i = 0; i < argc; i++)
        if (!sn_json_push(a, &args, sn_json_cstr(argv[i]))) return SN_E_NOMEM;
    if (!sn_json_add(a, &p, SN_STR("args"), args) ||
        !sn_json_add(a, &p, SN_STR("terminal"), sn_json_bool(o->tty)))
        return SN_E_NOMEM;
    if ((o->cwd && !sn_json_add(a, &p, SN_STR("cwd"), sn_json_cstr(o->cwd))) ||
        (o->label && !sn_json_add(a, &p, SN_STR("selinuxLabel"), sn_json_cstr(o->label))) ||
        (o->apparmor &&
         !sn_json_add(a, &p, SN_STR("apparmorProfile"), sn_json_cstr(o->apparmor))) ||
        (o->no_new_privs && !sn_json_add(a, &p, SN_STR("noNewPrivileges"), sn_json_bool(true))))
        return SN_E_NOMEM;
    if ((e = put_user(a, &p, o)) < 0 || (e = put_env(a, &p, o, sn_json_get(base, "env"))) < 0 ||
        (e = put_caps(a, &p, o, sn_json_get(base, "capabilities"))) < 0)
        return e;
    struct sn_buf b = {0};
    e = sn_json_write(&b, &p, NULL);
    if (e == 0 && !(*ret = sn_arena_str(a, sn_buf_view(&b))).ptr) e = SN_E_NOMEM;
    sn_buf_done(&b);
    return e;
}

static int run(struct app *app, const struct exec_opts *o, int argc, char **argv)
{
    struct sn_oci_container *c;
    struct sn_oci_exec_opts x = {.console_socket = o->console_socket,
                                 .pidfd_socket = o->pidfd_socket,
                                 .pid_file = o->pid_file,
                                 .detach = o->detach,
                                 .ignore_paused = o->ignore_paused};
    struct sn_oci_process p;
    app->host.alone = true;
    int master = -1, e = open_container(app, argv[0], &c);
    if (e < 0) return e;
    if (o->cgroup.n) x.cgroup = o->cgroup.v[o->cgroup.n - 1];
    e = preserve_count(o->preserve_fds, &x.preserve_fds, &x.listen_fds);
    if (e == 0)
        e = o->process ? read_text(app, o->process, &x.process)
                       : build(app, c, o, argc - 1, argv + 1, &x.process);
    if (!o->detach) {
        foreground_prepare();
        if (!o->console_socket) x.ret_console = &master;
    }
    if (e == 0) e = sn_oci_exec(c, &x, &p);
    /* As runc: what cannot be executed is 255, or its own number where it is known. */
    if (e < 0) app->exit_status = 255;
    if (e == 0 && !o->detach) {
        int status = foreground(app, p.pidfd, master);
        if (status >= 0)
            app->exit_status = status;
        else
            e = status;
    }
    if (e == 0) close(p.pidfd);
    if (master >= 0) close(master);
    sn_oci_close(c);
    return e;
}

int cmd_exec(struct app *app, int argc, char **argv)
{
    struct exec_opts *o = SN_ARENA_NEW(&app->arena, struct exec_opts);
    bool no_subreaper = false;
    if (!o) return SN_E_NOMEM;
    const struct opt opts[] = {
        {"console-socket", 0, OPT_STR, &o->console_socket,
         "AF_UNIX socket that gets the terminal's master end"},
        {"pidfd-socket", 0, OPT_STR, &o->pidfd_socket,
         "AF_UNIX socket that gets a pidfd of the process"},
        {"cwd", 0, OPT_STR, &o->cwd, "working directory"},
        {"env", 'e', OPT_LIST, &o->env, "NAME=VALUE, may be repeated"},
        {"tty", 't', OPT_FLAG, &o->tty, "with a terminal"},
        {"user", 'u', OPT_STR, &o->user, "UID[:GID]"},
        {"additional-gids", 'g', OPT_LIST, &o->gids, "further group, may be repeated"},
        {"process", 'p', OPT_STR, &o->process, "file of a process object instead of the command"},
        {"detach", 'd', OPT_FLAG, &o->detach, "do not wait for its end"},
        {"pid-file", 0, OPT_STR, &o->pid_file, "file that gets the process id"},
        {"process-label", 0, OPT_STR, &o->label, "SELinux label"},
        {"apparmor", 0, OPT_STR, &o->apparmor, "AppArmor profile"},
        {"no-new-privs", 0, OPT_FLAG, &o->no_new_privs, "set no_new_privs"},
        {"cap", 'c', OPT_LIST, &o->caps, "further capability, may be repeated"},
        {"preserve-fds", 0, OPT_UINT, &o->preserve_fds,
         "pass so many further descriptors from 3 on"},
        {"cgroup", 0, OPT_LIST, &o->cgroup, "group below the container's"},
        {"ignore-paused", 0, OPT_FLAG, &o->ignore_paused, "also in a paused container"},
        {"no-subreaper", 0, OPT_FLAG, &no_subreaper, "accepted, nothing is adopted"},
        {NULL, 0, OPT_FLAG, NULL, NULL},
    };
    if (help("exec", opts, argc, argv)) return 0;
    argc--, argv++;
    int e = opts_parse(opts, false, &argc, &argv);
    if (e < 0) return e;
    if (argc < (o->process ? 1 : 2)) return usage("exec");
    return run(app, o, argc, argv);
}

int cmd_mounts(struct app *app, int argc, char **argv)
{
    static const struct opt none[] = {{NULL, 0, OPT_FLAG, NULL, NULL}};
    if (help("mounts", none, argc, argv)) return 0;
    if (argc != 4 || (strcmp(argv[1], "add") != 0 && strcmp(argv[1], "remove") != 0))
        return usage("mounts");
    struct sn_str text;
    const struct sn_json *tree;
    struct sn_oci_container *c;
    int e = read_text(app, argv[3], &text);
    if (e == 0) e = sn_json_parse(&app->arena, text, NULL, &tree);
    if (e < 0) return sn_wrap(e, "%s", argv[3]);
    if (sn_json_is(tree, SN_JSON_OBJECT)) tree = sn_json_get(tree, "mounts");
    if ((e = open_container(app, argv[2], &c)) < 0) return e;
    e = argv[1][0] == 'a' ? sn_oci_mounts_add(c, tree) : sn_oci_mounts_remove(c, tree);
    sn_oci_close(c);
    return e;
}
