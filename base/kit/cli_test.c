/* SPDX-License-Identifier: Apache-2.0 */
#include "kit/cli.h"

#include <limits.h>
#include <stdlib.h>

#include "core/status.h"
#include "harness/test.h"

struct opts {
    uint64_t count;
    int64_t wait;
    struct sn_str name;
    struct sn_str *tags;
    size_t n_tags;
    bool loud, calm;
};
static const struct sn_conf_field fields[] = {
    SN_CONF_UINT(struct opts, count, "count", .letter = 'c', .def = "3", .min = 1, .max = 9,
                 .help = "How many."),
    SN_CONF_DURATION(struct opts, wait, "wait-time", .def = "1s", .help = "How long."),
    SN_CONF_STRING(struct opts, name, "name", .letter = 'n', .help = "Who."),
    SN_CONF_LIST(struct opts, tags, n_tags, "tag", SN_CONF_T_STRING, .letter = 't',
                 .help = "Tags."),
    SN_CONF_BOOL(struct opts, loud, "loud", .letter = 'l', .help = "Shout."),
    SN_CONF_BOOL(struct opts, calm, "calm", .letter = 'k', .def = "true", .help = "Whisper."),
};
static const struct sn_conf_table table = SN_CONF_TABLE(struct opts, fields);
static int ran(const struct sn_cli_call *call) { return (int)call->n_args; }
static const struct sn_cli_command greet = {.name = "greet", .brief = "Greets people.",
                                            .usage = "NAME...", .table = &table, .args_max = 2,
                                            .run = ran};
static const struct sn_cli_command leave = {.name = "leave", .brief = "Goes away.", .run = ran};
static const struct sn_cli_command *const deep_list[] = {&leave, NULL};
static const struct sn_cli_command deep = {.name = "deep", .brief = "More.", .subs = deep_list};
static const struct sn_cli_command *const list[] = {&greet, &deep, NULL};
static const struct sn_cli_program prog = {"tool", "1.2", "A tool.", list};

#define ARGV_MAX 16
/* Splits at single blanks. */
static int split(char *line, char **argv)
{
    int n = 0;
    for (char *next = line; next && n < ARGV_MAX - 1;) {
        char *word = next;
        next = strchr(word, ' ');
        if (next) *next++ = 0;
        if (*word) argv[n++] = word;
    }
    argv[n] = NULL;
    return n;
}

SN_TEST(cli_reads_flags_in_every_spelling)
{
    static const char *const lines[] = {
        "-c 5 --name=ann --tag a --tag b --loud --no-calm x y",
        "x --count 5 -n ann -t a -tb -l --no-calm y",
        "--count=5 -nann x --tag=a -t b -l --calm=false -- y",
    };
    for (size_t i = 0; i < SN_COUNT_OF(lines); i++) {
        sn_test_row("%s", lines[i]);
        char line[128], *argv[ARGV_MAX];
        snprintf(line, sizeof(line), "%s", lines[i]);
        struct sn_arena a;
        sn_arena_init(&a, NULL, 0);
        struct sn_cli_call call;
        int r = sn_cli_parse(&prog, &greet, split(line, argv), argv, &a, &call);
        T_ASSERTF(r == 0, "%s", sn_diag_str(r));
        const struct opts *o = call.opts;
        T_EQ(o->count, 5);
        T_EQ(o->wait, SN_SEC);
        T_STR(o->name, "ann");
        T_EQ(o->n_tags, 2);
        T_STR(o->tags[1], "b");
        T_ASSERT(o->loud && !o->calm);
        T_EQ(call.n_args, 2);
        T_STR(call.args[1], "y");
        sn_arena_done(&a);
    }
}

/* A switch that keeps three values: not given, true and false. Its value is behind "=" or absent. */
struct bare_opts {
    struct sn_str pex, name;
};
static const struct sn_conf_field bare_fields[] = {
    SN_CONF_STRING(struct bare_opts, pex, "p2p.pex", .bare = "true", .help = "Exchange."),
    SN_CONF_STRING(struct bare_opts, name, "name", .help = "Who."),
};
static const struct sn_conf_table bare_table = SN_CONF_TABLE(struct bare_opts, bare_fields);
static const struct sn_cli_command bare = {.name = "run-node", .alias = "run_node node", .brief = "Runs.",
                                           .table = &bare_table, .args_max = 1, .run = ran};

/* A command that runs another program leaves that program's options alone. */
SN_TEST(cli_leaves_another_commands_options_alone)
{
    static const struct sn_cli_command runs = {.name = "runs", .brief = "Runs.", .table = &table, .args_max = 9, .args_own = 1, .run = ran};
    char line[] = "-c 5 image sh -c --name -- x", *argv[ARGV_MAX];
    struct sn_arena a;
    struct sn_cli_call call;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_cli_parse(&prog, &runs, split(line, argv), argv, &a, &call));
    T_EQ(((const struct opts *)call.opts)->count, 5);
    T_EQ(call.n_args, 6);
    T_STR(call.args[2], "-c");
    T_STR(call.args[4], "--");
    sn_arena_done(&a);
}

SN_TEST(cli_bare_flags)
{
    static const struct {
        const char *line, *want;
        unsigned operands;
    } rows[] = {{"--name x", NULL, 0}, {"--p2p.pex", "true", 0}, {"--p2p.pex false", "true", 1},
                {"--p2p.pex=false", "false", 0}, {"--p2p.pex= y", "", 1}};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].line);
        char line[128], *argv[ARGV_MAX];
        snprintf(line, sizeof(line), "%s", rows[i].line);
        struct sn_arena a;
        sn_arena_init(&a, NULL, 0);
        struct sn_cli_call call;
        T_OK(sn_cli_parse(&prog, &bare, split(line, argv), argv, &a, &call));
        const struct bare_opts *o = call.opts;
        T_EQ(o->pex.ptr == NULL, rows[i].want == NULL);
        if (rows[i].want) T_STR(o->pex, rows[i].want);
        T_EQ(call.n_args, rows[i].operands);
        sn_arena_done(&a);
    }
}

SN_TEST(cli_aliases)
{
    static const struct sn_cli_command *const commands[] = {&greet, &bare, NULL};
    static const struct sn_cli_program nodes = {"tool", "1.2", "A tool.", commands};
    char *by_name[] = {(char[]){"tool"}, (char[]){"run-node"}, (char[]){"x"}, NULL};
    char *by_alias[] = {(char[]){"tool"}, (char[]){"run_node"}, (char[]){"x"}, NULL};
    T_EQ(sn_cli_main(&nodes, 3, by_name), 1);
    T_EQ(sn_cli_main(&nodes, 3, by_alias), 1);
    T_EQ(sn_cli_main(&nodes, 3, (char *[]){(char[]){"tool"}, (char[]){"node"}, (char[]){"x"}, NULL}), 1);
    T_EQ(sn_cli_main(&nodes, 3, (char *[]){(char[]){"tool"}, (char[]){"run_node node"}, (char[]){"x"}, NULL}), 2);
}

static int named(const struct sn_cli_call *call)
{
    const struct bare_opts *o = call->opts;
    return (sn_str_eqc(o->name, "me") ? 10 : 20) + (o->pex.ptr ? 1 : 0) + (int)call->n_args * 2;
}
/* What belongs to a command may stand before its name where its parent says so. */
SN_TEST(cli_options_before_the_command)
{
    static const struct sn_cli_command leaf = {.name = "leaf", .brief = "A leaf.", .table = &bare_table, .args_max = 1, .run = named};
    static const struct sn_cli_command *const subs[] = {&leaf, NULL};
    static const struct sn_cli_command tree = {.name = "tree", .brief = "A tree.", .subs = subs, .leading = "name= p2p.pex"};
    static const struct sn_cli_command *const commands[] = {&tree, &bare, NULL};
    static const struct sn_cli_program nodes = {"tool", "1.2", "A tool.", commands};
    static const struct {
        const char *line;
        int want;
    } rows[] = {{"tree leaf", 20}, {"tree --name me leaf", 10}, {"tree --name=me leaf x", 12}, {"tree --p2p.pex --name me leaf", 11},
                {"tree --name you leaf --name me", 10}, {"tree --name", 2}, {"tree --name leaf", 2}, {"tree --other leaf", 2},
                {"--name me tree leaf", 2}, {"tree -- leaf", 2}};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].line);
        char line[128], *argv[ARGV_MAX + 1] = {(char[]){"tool"}};
        snprintf(line, sizeof(line), "%s", rows[i].line);
        int n = split(line, argv + 1);
        T_EQ(sn_cli_main(&nodes, n + 1, argv), rows[i].want);
    }
}

SN_TEST(cli_errors_are_one_precise_line)
{
    static const struct {
        const char *line, *says;
    } rows[] = {
        {"--cuont 5", "unknown option --cuont; did you mean --count?"},
        {"--xyzzy", "unknown option --xyzzy"},
        {"-z", "unknown option -z"},
        {"--count", "--count: its value is missing"},
        {"-c", "-c (--count): its value is missing"},
        {"--count ten", "--count: expected"},
        {"--count 10", "--count: expected"},
        {"--wait-time soon", "--wait-time: expected a duration"},
        {"--loud=perhaps", "--loud: expected"},
        {"a b c", "too many operands: expected NAME..."},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].line);
        char line[128], *argv[ARGV_MAX];
        snprintf(line, sizeof(line), "%s", rows[i].line);
        struct sn_arena a;
        sn_arena_init(&a, NULL, 0);
        struct sn_cli_call call;
        int r = sn_cli_parse(&prog, &greet, split(line, argv), argv, &a, &call);
        T_EQ(r, SN_E_INVALID_ARGUMENT);
        T_ASSERTF(strncmp(sn_diag_str(r), rows[i].says, strlen(rows[i].says)) == 0, "says \"%s\"",
                  sn_diag_str(r));
        sn_arena_done(&a);
    }
}

SN_TEST(cli_flags_go_before_the_environment)
{
    char name[64];
    T_OK(sn_cli_env_name(&prog, "greet", "wait-time", name, sizeof(name)));
    T_CSTR(name, "TOOL_GREET_WAIT_TIME");
    setenv("TOOL_GREET_WAIT_TIME", "5s", 1);
    setenv("TOOL_GREET_COUNT", "7", 1);
    setenv("TOOL_GREET_TAG", "e1,e2", 1);
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    struct sn_cli_call call;
    T_OK(sn_cli_parse(&prog, &greet, 4, (char *[]){"-c", "2", "-t", "flag", NULL}, &a, &call));
    const struct opts *o = call.opts;
    T_EQ(o->wait, 5 * SN_SEC);
    T_EQ(o->count, 2);
    T_EQ(o->n_tags, 1);
    T_STR(o->tags[0], "flag");
    setenv("TOOL_GREET_COUNT", "many", 1);
    int r = sn_cli_parse(&prog, &greet, 0, NULL, &a, &call);
    T_EQ(r, SN_E_INVALID_ARGUMENT);
    T_ASSERT(strstr(sn_diag_str(r), "environment variable TOOL_GREET_COUNT"));
    sn_arena_done(&a);
}

SN_TEST(cli_dispatches_and_exits_as_documented)
{
    static const struct {
        const char *line;
        int status;
    } rows[] = {
        {"tool greet a b", 2},          {"tool greet", 0},
        {"tool deep leave", 0},         {"tool-greet a", 1},
        {"tool greet --help", 0},       {"tool help", 0},
        {"tool help deep leave", 0},    {"tool --version", 0},
        {"tool deep --help", 0},        {"tool deep help leave", 0},
        {"tool man greet", 0},          {"tool completion bash", 0},
        {"tool completion fish", 2},    {"tool", 2},
        {"tool deep", 2},               {"tool graet", 2},
        {"tool greet --nope", 2},       {"tool help nothing", 2},
        {"/usr/bin/tool deep leave", 0},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].line);
        char line[128], *argv[ARGV_MAX];
        snprintf(line, sizeof(line), "%s", rows[i].line);
        int argc = split(line, argv);
        T_EQ(sn_cli_main(&prog, argc, argv), rows[i].status);
    }
}

SN_TEST(cli_texts_name_every_option)
{
    struct sn_buf help, man, bash;
    sn_buf_init(&help, 0);
    sn_buf_init(&man, 0);
    sn_buf_init(&bash, 0);
    T_OK(sn_cli_help(&prog, &greet, "greet", &help));
    T_OK(sn_cli_man(&prog, &greet, "greet", &man));
    T_OK(sn_cli_completion(&prog, false, &bash));
    for (size_t i = 0; i < SN_COUNT_OF(fields); i++) {
        char flag[64], roff[64];
        snprintf(flag, sizeof(flag), "--%s", fields[i].name);
        size_t n = 0;
        for (const char *s = flag; *s; s++) {
            if (*s == '-') roff[n++] = '\\';
            roff[n++] = *s;
        }
        roff[n] = 0;
        T_ASSERTF(strstr(sn_buf_cz(&help), flag), "--help lacks %s:\n%s", flag, sn_buf_cz(&help));
        T_ASSERTF(strstr(sn_buf_cz(&bash), flag), "completion lacks %s", flag);
        T_ASSERTF(strstr(sn_buf_cz(&man), fields[i].help), "man page lacks %s", fields[i].help);
        if (!strchr(fields[i].name, '-'))
            T_ASSERTF(strstr(sn_buf_cz(&man), fields[i].name), "man page lacks %s", roff);
    }
    T_ASSERT(strstr(sn_buf_cz(&help), "TOOL_GREET_COUNT"));
    sn_buf_done(&help);
    sn_buf_done(&man);
    sn_buf_done(&bash);
}
