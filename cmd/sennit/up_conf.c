/* SPDX-License-Identifier: Apache-2.0 */
#include "sennit/up_conf.h"

#include <stdio.h>

#include "kit/config.h"

extern char **environ;

#define ARG_BYTES_MAX (16u << 10) /* one argument, expanded */

#define NAME_PATTERN \
    .pattern = "[A-Za-z0-9][A-Za-z0-9._-]*", .pattern_help = "letters, digits, . _ -"

static const struct sn_conf_enum restarts[] = {{"always", SN_RESTART_ALWAYS},
                                               {"on-failure", SN_RESTART_ON_FAILURE},
                                               {"never", SN_RESTART_NEVER},
                                               {0}};
#define PROC struct sn_up_process
static const struct sn_conf_field process_fields[] = {
    SN_CONF_STRING(PROC, name, "name", .required = true, .min = 1, .max = 40, NAME_PATTERN,
                   .help = "Names the process on the board and its log file."),
    SN_CONF_UINT(PROC, replicas, "replicas", .def = "1", .min = 1, .max = SN_UP_REPLICAS_MAX,
                 .help = "How many of it; beyond one they are called name-1, name-2, ..."),
    SN_CONF_LIST(
        PROC, command, n_command, "command", SN_CONF_T_STRING, .required = true, .min = 1,
        .max = 64,
        .help = "Program and arguments. `{sennit}` is this program, `{dir}` the folder of this "
                "file, `{data}` the data folder, and for each replica `{name}`, `{index}` from "
                "1 and `{port}`."),
    SN_CONF_UINT(
        PROC, port, "port", .max = 65535,
        .help = "Port of the first replica; the next has the next port. 0: it listens nowhere."),
    SN_CONF_ENUM(PROC, restart, "restart", restarts, .def = "always",
                 .help = "When it is started again, after 200 ms that double up to 30 s."),
    SN_CONF_MAP(PROC, env, n_env, "env", SN_CONF_T_STRING, struct sn_up_env, name, value, .max = 64,
                .help = "Environment, in addition to ours."),
};
static const struct sn_conf_table process_table = SN_CONF_TABLE(PROC, process_fields);

#define CONF struct sn_up_conf
static const struct sn_conf_field conf_fields[] = {
    SN_CONF_STRING(CONF, name, "name", .def = "node", .min = 1, .max = 40, NAME_PATTERN,
                   .help = "Name of the node, on the board and of its data folder."),
    SN_CONF_STRING(CONF, board, "board", .def = "127.0.0.1:7070", .min = 1, .max = 256,
                   .help = "Where the board listens."),
    SN_CONF_STRING(CONF, gateway, "gateway", .required = true, .min = 1, .max = 4000,
                   .help = "The gateway's configuration, relative to this file."),
    SN_CONF_DURATION(CONF, grace, "grace", .def = "5s", .min = 10 * SN_MS, .max = SN_HOUR,
                     .help = "From SIGTERM to SIGKILL, when processes are stopped."),
    SN_CONF_LIST(CONF, processes, n_processes, "processes", SN_CONF_T_STRUCT, .sub = &process_table,
                 .max = SN_SUPERVISED_MAX, .help = "What runs behind the gateway."),
    SN_CONF_LIST(CONF, traffic, n_traffic, "traffic", SN_CONF_T_STRUCT, .sub = &process_table,
                 .max = 16, .help = "Processes that make traffic; not started with --no-traffic."),
};
static const struct sn_conf_table conf_table =
    SN_CONF_TABLE(CONF, conf_fields, .title = "Node configuration");

struct expander {
    struct sn_conf *c;
    struct sn_arena *a;
    const struct sn_up_places *places;
    const char *list; /* "processes" or "traffic" */
};

/* Replaces {words}. "{{" is a brace. Returns .ptr NULL where a word is unknown or memory is short.
 */
static struct sn_str expand(struct expander *e, struct sn_str text, const struct sn_up_places *p,
                            struct sn_str name, unsigned index, unsigned port,
                            struct sn_str *ret_unknown)
{
    char number[16], port_text[16];
    struct sn_buf b;
    sn_buf_init(&b, ARG_BYTES_MAX);
    snprintf(number, sizeof(number), "%u", index);
    snprintf(port_text, sizeof(port_text), "%u", port);
    const struct {
        const char *word;
        struct sn_str value;
    } words[] = {{"sennit", p->sennit}, {"dir", p->dir},           {"data", p->data},
                 {"name", name},        {"index", sn_str(number)}, {"port", sn_str(port_text)}};
    while (text.len) {
        ssize_t open = sn_str_chr(text, '{');
        sn_buf_str(&b, sn_str_sub(text, 0, open < 0 ? text.len : (size_t)open));
        if (open < 0) break;
        text = sn_str_from(text, (size_t)open + 1);
        if (text.len && text.ptr[0] == '{') {
            sn_buf_byte(&b, '{');
            text = sn_str_from(text, 1);
            continue;
        }
        struct sn_str word = sn_str_cut(&text, '}');
        size_t i = 0;
        while (i < SN_COUNT_OF(words) && !sn_str_eqc(word, words[i].word)) i++;
        if (i == SN_COUNT_OF(words) || (i == 5 && !port)) {
            *ret_unknown = word;
            sn_buf_done(&b);
            return (struct sn_str){0};
        }
        sn_buf_str(&b, words[i].value);
    }
    struct sn_str out =
        b.err < 0 ? (struct sn_str){0} : sn_arena_printf(e->a, "%.*s", SN_STR_ARG(sn_buf_view(&b)));
    sn_buf_done(&b);
    return out;
}

/* environ with the process's own variables in front: the first of a name counts. */
static const char *const *make_env(struct expander *e, const struct sn_up_process *p)
{
    size_t n = 0, k = 0;
    while (environ[n]) n++;
    const char **env = SN_ARENA_ARRAY(e->a, const char *, n + p->n_env + 1);
    if (!env) return NULL;
    for (size_t i = 0; i < p->n_env; i++) {
        env[k] = sn_arena_printf(e->a, "%.*s=%.*s", SN_STR_ARG(p->env[i].name),
                                 SN_STR_ARG(p->env[i].value))
                     .ptr;
        if (!env[k++]) return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        struct sn_str rest = sn_str(environ[i]), name = sn_str_cut(&rest, '=');
        bool ours = false;
        for (size_t j = 0; j < p->n_env; j++) ours |= sn_str_eq(name, p->env[j].name);
        if (!ours) env[k++] = environ[i];
    }
    return env;
}

static int fill_unit(struct expander *e, const struct sn_up_process *p, size_t at, unsigned index,
                     struct sn_up_unit *u)
{
    struct sn_str name = p->name, unknown = {0};
    if (p->replicas > 1)
        name = sn_arena_printf(e->a, "%.*s-%u", SN_STR_ARG(p->name), index);
    else
        name = sn_arena_str(e->a, p->name);
    const char **argv = SN_ARENA_ARRAY(e->a, const char *, p->n_command + 1);
    if (!name.ptr || !argv) return SN_E_NOMEM;
    u->port = p->port ? (unsigned)p->port + index - 1 : 0;
    if (u->port > 65535) {
        sn_conf_error(e->c, "", "%s[%zu].port: replica %u would get port %u", e->list, at, index,
                      u->port);
        return 0;
    }
    for (size_t i = 0; i < p->n_command; i++) {
        argv[i] = expand(e, p->command[i], e->places, name, index, u->port, &unknown).ptr;
        if (argv[i]) continue;
        char path[64];
        snprintf(path, sizeof(path), "%s[%zu].command[%zu]", e->list, at, i);
        if (sn_str_eqc(unknown, "port"))
            sn_conf_error(e->c, path, "{port}: this process has no port");
        else if (unknown.ptr)
            sn_conf_error(e->c, path,
                          "unknown {%.*s}: expected sennit, dir, data, name, index or port",
                          SN_STR_ARG(unknown));
        else
            sn_conf_error(e->c, path, "too long");
        return 0;
    }
    u->s =
        (struct sn_supervised){.name = name.ptr, .argv = argv, .out_fd = -1, .restart = p->restart};
    if (p->n_env) u->s.env = make_env(e, p);
    return p->n_env && !u->s.env ? SN_E_NOMEM : 0;
}

static int expand_list(struct expander *e, const struct sn_up_process *list, size_t n,
                       struct sn_up_unit **ret, size_t *ret_n)
{
    size_t total = 0, k = 0;
    for (size_t i = 0; i < n; i++) {
        total += list[i].replicas;
        for (size_t j = 0; j < i; j++)
            if (sn_str_eq(list[i].name, list[j].name)) {
                char path[64];
                snprintf(path, sizeof(path), "%s[%zu].name", e->list, i);
                sn_conf_error(e->c, path, "\"%.*s\" is already taken", SN_STR_ARG(list[i].name));
            }
    }
    if (total > SN_SUPERVISED_MAX) {
        sn_conf_error(e->c, e->list, "%zu processes with their replicas; the most is %d", total,
                      SN_SUPERVISED_MAX);
        return 0;
    }
    struct sn_up_unit *units = SN_ARENA_ARRAY(e->a, struct sn_up_unit, total + 1);
    if (!units) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++)
        for (unsigned r = 1; r <= list[i].replicas; r++) {
            int err = fill_unit(e, &list[i], i, r, &units[k++]);
            if (err < 0) return err;
        }
    *ret = units;
    *ret_n = total;
    return 0;
}

static int read_plan(struct sn_conf *c, struct sn_str text, const struct sn_up_places *places,
                     struct sn_up_plan *p)
{
    int r = sn_conf_read(c, text);
    if (r >= 0) r = sn_conf_bind(c, &conf_table, &p->conf);
    if (r < 0) return r;
    struct expander e = {.c = c, .a = c->arena, .places = places, .list = "processes"};
    r = expand_list(&e, p->conf.processes, p->conf.n_processes, &p->processes, &p->n_processes);
    e.list = "traffic";
    if (r >= 0) r = expand_list(&e, p->conf.traffic, p->conf.n_traffic, &p->traffic, &p->n_traffic);
    return r < 0 ? r : sn_conf_status(c);
}

int sn_up_plan_read(struct sn_arena *a, const char *file, struct sn_str text,
                    const struct sn_up_places *places, struct sn_up_plan *ret,
                    struct sn_buf *ret_errors)
{
    struct sn_conf *c = SN_ARENA_NEW(a, struct sn_conf);
    struct sn_up_plan p = {0};
    if (!c) return SN_E_NOMEM;
    sn_conf_init(c, a, file);
    int r = read_plan(c, text, places, &p);
    if (r < 0) {
        (void)sn_conf_report(c, ret_errors);
        return r;
    }
    *ret = p;
    return 0;
}
