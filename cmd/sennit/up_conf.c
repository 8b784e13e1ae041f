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

#define EXHIBIT struct sn_up_exhibit
static const struct sn_conf_field exhibit_fields[] = {
    SN_CONF_STRING(EXHIBIT, name, "name", .required = true, .min = 1, .max = 40, NAME_PATTERN,
                   .help = "Names the exhibit and its log file."),
    SN_CONF_STRING(EXHIBIT, title, "title", .min = 1, .max = 60,
                   .help = "Heads its card; the name by default."),
    SN_CONF_LIST(EXHIBIT, command, n_command, "command", SN_CONF_T_STRING, .required = true,
                 .min = 1, .max = SN_EXHIBIT_ARGS_MAX,
                 .help = "Program and arguments, as for processes. What it prints, one JSON object "
                         "a line, is its card."),
    SN_CONF_MAP(EXHIBIT, needs, n_needs, "needs", SN_CONF_T_STRING, struct sn_exhibit_need, program,
                install, .max = SN_EXHIBIT_NEEDS_MAX,
                .help = "Programs that must be installed, and the command that installs each; the "
                        "card shows it where one is missing."),
    SN_CONF_DURATION(EXHIBIT, every, "every", .min = SN_SEC, .max = 24 * SN_HOUR,
                     .help = "Run again so long after the end. Without it the program is to run as "
                             "long as the node."),
    SN_CONF_DURATION(EXHIBIT, timeout, "timeout", .def = "1m", .min = 100 * SN_MS, .max = SN_HOUR,
                     .help = "With `every` the longest run, else the longest silence; then it is "
                             "stopped."),
    SN_CONF_MAP(EXHIBIT, env, n_env, "env", SN_CONF_T_STRING, struct sn_up_env, name, value,
                .max = 64, .help = "Environment, in addition to ours."),
};
static const struct sn_conf_table exhibit_table = SN_CONF_TABLE(EXHIBIT, exhibit_fields);

#define CONTRACT struct sn_contract_conf
#define ADDRESS_PATTERN .pattern = "0x[0-9a-fA-F]{40}", .pattern_help = "0x and 40 hex digits"
static const struct sn_conf_field contract_fields[] = {
    SN_CONF_STRING(CONTRACT, name, "name", .required = true, .min = 1, .max = 60, NAME_PATTERN,
                   .help = "Names the contract on the page, and in a file with several."),
    SN_CONF_STRING(CONTRACT, abi, "abi", .required = true, .min = 1, .max = 4000,
                   .help = "Its JSON ABI, an artifact of Foundry, Hardhat or Truffle, or solc's "
                           "output, relative to this file."),
    SN_CONF_STRING(CONTRACT, address, "address", ADDRESS_PATTERN,
                   .help = "Where it is; asked for on the page where it is left out."),
    SN_CONF_STRING(CONTRACT, from, "from", ADDRESS_PATTERN,
                   .help = "Who calls, unless the page says otherwise. No key is involved."),
    SN_CONF_STRING(CONTRACT, node, "node", .def = SN_CONTRACT_NODE, .max = 1000,
                   .pattern = "https?://[^/@]+(/.*)?",
                   .pattern_help = "http:// or https:// and a host, without a user name",
                   .help = "JSON-RPC of the node to ask. The page can ask no others."),
};
static const struct sn_conf_table contract_table = SN_CONF_TABLE(CONTRACT, contract_fields);

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
    SN_CONF_LIST(CONF, exhibits, n_exhibits, "exhibits", SN_CONF_T_STRUCT, .sub = &exhibit_table,
                 .max = SN_EXHIBITS_MAX,
                 .help = "Programs whose output is a card on the board; not started with "
                         "--no-exhibits."),
    SN_CONF_LIST(CONF, contracts, n_contracts, "contracts", SN_CONF_T_STRUCT,
                 .sub = &contract_table, .max = SN_CONTRACTS_MAX,
                 .help = "Contracts to look into on the board's second page."),
};
static const struct sn_conf_table conf_table =
    SN_CONF_TABLE(CONF, conf_fields, .title = "Node configuration");

struct expander {
    struct sn_conf *c;
    struct sn_arena *a;
    const struct sn_up_places *places;
    const char *list; /* "processes", "traffic", "exhibits" or "contracts" */
};
/* One process or exhibit to expand. */
struct subject {
    size_t at; /* in its list */
    struct sn_str name;
    unsigned index, port; /* port 0 = none */
};

/* Replaces {words}. "{{" is a brace. Returns .ptr NULL where a word is unknown or memory is short.
 */
static struct sn_str expand(struct expander *e, struct sn_str text, const struct subject *of,
                            struct sn_str *ret_unknown)
{
    const struct sn_up_places *p = e->places;
    char number[16], port_text[16];
    struct sn_buf b;
    sn_buf_init(&b, ARG_BYTES_MAX);
    snprintf(number, sizeof(number), "%u", of->index);
    snprintf(port_text, sizeof(port_text), "%u", of->port);
    const struct {
        const char *word;
        struct sn_str value;
    } words[] = {{"sennit", p->sennit},       {"dir", p->dir},    {"data", p->data},
                 {"examples", p->examples},   {"name", of->name}, {"index", sn_str(number)},
                 {"port", sn_str(port_text)}};
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
        if (i == SN_COUNT_OF(words) || (i == SN_COUNT_OF(words) - 1 && !of->port)) {
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

/* The NULL-ended arguments. Returns 0 with *ret NULL where an error was recorded; SN_E_NOMEM. */
static int expand_command(struct expander *e, const struct sn_str *command, size_t n,
                          const struct subject *of, const char *const **ret)
{
    struct sn_str unknown = {0};
    const char **argv = SN_ARENA_ARRAY(e->a, const char *, n + 1);
    *ret = NULL;
    if (!argv) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        argv[i] = expand(e, command[i], of, &unknown).ptr;
        if (argv[i]) continue;
        char path[64];
        snprintf(path, sizeof(path), "%s[%zu].command[%zu]", e->list, of->at, i);
        if (sn_str_eqc(unknown, "port"))
            sn_conf_error(e->c, path, "{port}: it has no port");
        else if (unknown.ptr)
            sn_conf_error(e->c, path,
                          "unknown {%.*s}: expected sennit, dir, data, examples, name, index or "
                          "port",
                          SN_STR_ARG(unknown));
        else
            sn_conf_error(e->c, path, "too long");
        return 0;
    }
    *ret = argv;
    return 0;
}

/* environ with n own variables in front: the first of a name counts. */
static const char *const *make_env(struct expander *e, const struct sn_up_env *own, size_t n_own)
{
    size_t n = 0, k = 0;
    while (environ[n]) n++;
    const char **env = SN_ARENA_ARRAY(e->a, const char *, n + n_own + 1);
    if (!env) return NULL;
    for (size_t i = 0; i < n_own; i++) {
        env[k] = sn_arena_printf(e->a, "%.*s=%.*s", SN_STR_ARG(own[i].name),
                                 SN_STR_ARG(own[i].value))
                     .ptr;
        if (!env[k++]) return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        struct sn_str rest = sn_str(environ[i]), name = sn_str_cut(&rest, '=');
        bool ours = false;
        for (size_t j = 0; j < n_own; j++) ours |= sn_str_eq(name, own[j].name);
        if (!ours) env[k++] = environ[i];
    }
    return env;
}

static int fill_unit(struct expander *e, const struct sn_up_process *p, size_t at, unsigned index,
                     struct sn_up_unit *u)
{
    struct sn_str name = p->replicas > 1
                             ? sn_arena_printf(e->a, "%.*s-%u", SN_STR_ARG(p->name), index)
                             : sn_arena_str(e->a, p->name);
    if (!name.ptr) return SN_E_NOMEM;
    u->port = p->port ? (unsigned)p->port + index - 1 : 0;
    if (u->port > 65535) {
        sn_conf_error(e->c, "", "%s[%zu].port: replica %u would get port %u", e->list, at, index,
                      u->port);
        return 0;
    }
    u->s = (struct sn_supervised){.name = name.ptr, .out_fd = -1, .restart = p->restart};
    struct subject of = {.at = at, .name = name, .index = index, .port = u->port};
    int r = expand_command(e, p->command, p->n_command, &of, &u->s.argv);
    if (p->n_env) u->s.env = make_env(e, p->env, p->n_env);
    return p->n_env && !u->s.env ? SN_E_NOMEM : r;
}

static void check_taken(struct expander *e, size_t at, struct sn_str name, struct sn_str earlier)
{
    char path[64];
    if (!sn_str_eq(name, earlier)) return;
    snprintf(path, sizeof(path), "%s[%zu].name", e->list, at);
    sn_conf_error(e->c, path, "\"%.*s\" is already taken", SN_STR_ARG(name));
}

static int expand_list(struct expander *e, const struct sn_up_process *list, size_t n,
                       struct sn_up_unit **ret, size_t *ret_n)
{
    size_t total = 0, k = 0;
    for (size_t i = 0; i < n; i++) {
        total += list[i].replicas;
        for (size_t j = 0; j < i; j++) check_taken(e, i, list[i].name, list[j].name);
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

static int fill_exhibit(struct expander *e, const struct sn_up_exhibit *p, size_t at,
                        struct sn_exhibit *x)
{
    struct sn_str name = sn_arena_str(e->a, p->name),
                  title = sn_arena_str(e->a, p->title.ptr ? p->title : p->name);
    struct sn_up_env *env = SN_ARENA_ARRAY(e->a, struct sn_up_env, p->n_env + 1);
    if (!name.ptr || !title.ptr || !env) return SN_E_NOMEM;
    *x = (struct sn_exhibit){.name = name.ptr,
                             .title = title.ptr,
                             .needs = p->needs,
                             .n_needs = p->n_needs,
                             .every_ns = p->every,
                             .timeout_ns = p->timeout,
                             .log_fd = -1};
    for (size_t i = 0; i < p->n_env; i++) env[i] = p->env[i];
    env[p->n_env] = (struct sn_up_env){SN_STR("PATH"), e->places->path};
    x->env = make_env(e, env, p->n_env + 1);
    struct subject of = {.at = at, .name = name, .index = 1};
    int r = expand_command(e, p->command, p->n_command, &of, &x->argv);
    return x->env ? r : SN_E_NOMEM;
}

/* Its log is named like a process's. */
static void check_exhibit_name(struct expander *e, const struct sn_up_plan *p, size_t at)
{
    struct sn_str name = p->conf.exhibits[at].name;
    for (size_t i = 0; i < at; i++) check_taken(e, at, name, p->conf.exhibits[i].name);
    for (size_t i = 0; i < p->n_processes; i++)
        check_taken(e, at, name, sn_str(p->processes[i].s.name));
    for (size_t i = 0; i < p->n_traffic; i++)
        check_taken(e, at, name, sn_str(p->traffic[i].s.name));
}

static int fill_exhibits(struct expander *e, struct sn_up_plan *p)
{
    size_t n = p->conf.n_exhibits;
    p->exhibits = SN_ARENA_ARRAY(e->a, struct sn_exhibit, n + 1);
    if (!p->exhibits) return SN_E_NOMEM;
    p->n_exhibits = n;
    for (size_t i = 0; i < n; i++) {
        check_exhibit_name(e, p, i);
        int r = fill_exhibit(e, &p->conf.exhibits[i], i, &p->exhibits[i]);
        if (r < 0) return r;
    }
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
    e.list = "exhibits";
    if (r >= 0) r = fill_exhibits(&e, p);
    e.list = "contracts";
    for (size_t i = 0; r >= 0 && i < p->conf.n_contracts; i++)
        for (size_t j = 0; j < i; j++)
            check_taken(&e, i, p->conf.contracts[i].name, p->conf.contracts[j].name);
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
