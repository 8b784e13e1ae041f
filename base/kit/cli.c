/* SPDX-License-Identifier: Apache-2.0 */
/* kit/cli.c - parsing and dispatch; kit/cli_text.c has what is printed about commands. */
#include "kit/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/status.h"
#include "core/vec.h"
#include "kit/cli_int.h"
#include "kit/suggest.h"

/* ---- looking names up ------------------------------------------------------------------------ */

static const struct sn_conf_field *field_by_name(const struct sn_conf_table *t, struct sn_str name)
{
    for (size_t i = 0; t && i < t->n_fields; i++)
        if (!t->fields[i].no_flag && sn_str_eqc(name, t->fields[i].name)) return &t->fields[i];
    return NULL;
}

static const struct sn_conf_field *field_by_letter(const struct sn_conf_table *t, char letter)
{
    for (size_t i = 0; t && i < t->n_fields; i++)
        if (!t->fields[i].no_flag && t->fields[i].letter == letter) return &t->fields[i];
    return NULL;
}

static int unknown_option(const struct sn_conf_table *t, struct sn_str name)
{
    struct sn_suggest s = sn_suggest_begin(name);
    sn_suggest_offer(&s, SN_STR("help"));
    for (size_t i = 0; t && i < t->n_fields; i++)
        if (!t->fields[i].no_flag && !t->fields[i].hidden)
            sn_suggest_offer(&s, sn_str(t->fields[i].name));
    if (s.best.ptr)
        return sn_fail(SN_E_INVALID_ARGUMENT, "unknown option --%.*s; did you mean --%.*s?",
                       SN_STR_ARG(name), SN_STR_ARG(s.best));
    return sn_fail(SN_E_INVALID_ARGUMENT, "unknown option --%.*s", SN_STR_ARG(name));
}

/* Whether one of the words, by spaces, is this one. */
static bool among(const char *words, struct sn_str word)
{
    struct sn_str rest = sn_str(words ? words : "");
    while (rest.len && word.len)
        if (sn_str_eq(sn_str_cut(&rest, ' '), word)) return true;
    return false;
}

const struct sn_cli_command *sn_cli_find_(const struct sn_cli_command *const *list,
                                          struct sn_str name)
{
    for (; list && *list; list++)
        if (sn_str_eqc(name, (*list)->name) || among((*list)->alias, name)) return *list;
    return NULL;
}

static int unknown_command(const struct sn_cli_command *const *list, struct sn_str name)
{
    struct sn_suggest s = sn_suggest_begin(name);
    for (; list && *list; list++) sn_suggest_offer(&s, sn_str((*list)->name));
    sn_suggest_offer(&s, SN_STR("help"));
    sn_suggest_offer(&s, SN_STR("version"));
    if (s.best.ptr)
        return sn_fail(SN_E_INVALID_ARGUMENT, "unknown command %.*s; did you mean %.*s?",
                       SN_STR_ARG(name), SN_STR_ARG(s.best));
    return sn_fail(SN_E_INVALID_ARGUMENT, "unknown command %.*s", SN_STR_ARG(name));
}

/* ---- one command's options ------------------------------------------------------------------- */

struct parse {
    const struct sn_cli_command *c;
    struct sn_arena *a;
    void *opts;
    uint64_t set; /* fields given as flags, for the first 64; later lists simply append */
    SN_VEC(struct sn_str) args;
};

/* One value from the command line. The first use of a list option replaces what the environment
 * gave; further ones append. */
static int set_flag(struct parse *p, const struct sn_conf_field *f, struct sn_str value)
{
    size_t i = (size_t)(f - p->c->table->fields);
    uint64_t bit = i < 64 ? (uint64_t)1 << i : 0;
    bool again = (p->set & bit) != 0;
    p->set |= bit;
    int r;
    if (f->type == SN_CONF_T_LIST) {
        if (!again) memset((char *)p->opts + f->len_offset, 0, sizeof(size_t));
        r = sn_conf_append_text(p->a, f, value, p->opts);
    } else {
        r = sn_conf_set_text(p->a, f, value, p->opts);
    }
    return r < 0 ? sn_wrap(r, "--%s", f->name) : 0;
}

/* "--name", "--name=value", "--name value", "--no-name". Returns how many words it took. */
static int parse_long(struct parse *p, char **argv, int left)
{
    struct sn_str value = sn_str(argv[0] + 2), name = sn_str_cut(&value, '=');
    if (sn_str_eqc(name, "help")) return 0;
    const struct sn_conf_field *f = field_by_name(p->c->table, name);
    if (!f && sn_str_starts(name, SN_STR("no-"))) {
        f = field_by_name(p->c->table, sn_str_from(name, 3));
        if (f && f->type == SN_CONF_T_BOOL && !value.ptr) {
            int r = set_flag(p, f, SN_STR("false"));
            return r < 0 ? r : 1;
        }
        f = NULL;
    }
    if (!f) return unknown_option(p->c->table, name);
    int words = 1;
    if (!value.ptr && f->type == SN_CONF_T_BOOL) {
        value = SN_STR("true");
    } else if (!value.ptr && f->bare) {
        value = sn_str(f->bare);
    } else if (!value.ptr) {
        if (left < 2)
            return sn_fail(SN_E_INVALID_ARGUMENT, "--%s: its value is missing", f->name);
        value = sn_str(argv[1]);
        words = 2;
    }
    int r = set_flag(p, f, value);
    return r < 0 ? r : words;
}

/* "-c 5", "-c5", and bundles of switches: "-kq". */
static int parse_short(struct parse *p, char **argv, int left)
{
    for (const char *s = argv[0] + 1; *s; s++) {
        if (*s == 'h' && !field_by_letter(p->c->table, 'h')) return 0;
        const struct sn_conf_field *f = field_by_letter(p->c->table, *s);
        if (!f) return sn_fail(SN_E_INVALID_ARGUMENT, "unknown option -%c", *s);
        if (f->type == SN_CONF_T_BOOL) {
            int r = set_flag(p, f, SN_STR("true"));
            if (r < 0) return r;
            continue;
        }
        if (!s[1] && left < 2)
            return sn_fail(SN_E_INVALID_ARGUMENT, "-%c (--%s): its value is missing", *s, f->name);
        int r = set_flag(p, f, sn_str(s[1] ? s + 1 : argv[1]));
        return r < 0 ? r : s[1] ? 1 : 2;
    }
    return 1;
}

static int parse_words(struct parse *p, int argc, char **argv)
{
    for (int i = 0; i < argc;) {
        int took = 1;
        bool verbatim = p->c->args_own && p->args.len >= p->c->args_own;
        if (verbatim || strcmp(argv[i], "--") == 0) {
            for (i += !verbatim; i < argc; i++) {
                int r = sn_vec_push(&p->args, sn_str(argv[i]));
                if (r < 0) return r;
            }
            break;
        }
        if (argv[i][0] == '-' && argv[i][1] == '-') {
            took = parse_long(p, argv + i, argc - i);
        } else if (argv[i][0] == '-' && argv[i][1]) {
            took = parse_short(p, argv + i, argc - i);
        } else {
            int r = sn_vec_push(&p->args, sn_str(argv[i]));
            if (r < 0) return r;
        }
        if (took < 0) return took;
        if (took == 0) return 1; /* help */
        i += took;
    }
    return 0;
}

int sn_cli_env_name(const struct sn_cli_program *p, const char *path, const char *option, char *out,
                    size_t cap)
{
    struct sn_buf b;
    sn_buf_init_fixed(&b, out, cap);
    sn_buf_printf(&b, "%s%s%s_%s", p->name, *path ? "_" : "", path, option);
    sn_buf_cz(&b);
    if (b.err < 0) return b.err;
    for (char *s = out; *s; s++)
        *s = *s == '-' || *s == ' ' ? '_' : *s >= 'a' && *s <= 'z' ? (char)(*s - 32) : *s;
    return 0;
}

static int set_from_environment(const struct sn_cli_program *prog, struct parse *p)
{
    const struct sn_conf_table *t = p->c->table;
    for (size_t i = 0; i < t->n_fields; i++) {
        char name[128];
        if (t->fields[i].type == SN_CONF_T_STRUCT || t->fields[i].type == SN_CONF_T_MAP) continue;
        if (sn_cli_env_name(prog, p->c->name, t->fields[i].name, name, sizeof(name)) < 0) continue;
        const char *value = getenv(name); /* banned: this is the table's way in */
        if (!value) continue;
        int r = sn_conf_set_text(p->a, &t->fields[i], sn_str(value), p->opts);
        if (r < 0) return sn_wrap(r, "environment variable %s", name);
    }
    return 0;
}

static int check_operands(const struct sn_cli_command *c, size_t n)
{
    if (n < c->args_min)
        return sn_fail(SN_E_INVALID_ARGUMENT, "missing operand: expected %s",
                       c->usage ? c->usage : "more");
    if (n > c->args_max)
        return sn_fail(SN_E_INVALID_ARGUMENT, "too many operands: expected %s",
                       c->usage ? c->usage : "none");
    return 0;
}

int sn_cli_parse(const struct sn_cli_program *prog, const struct sn_cli_command *c, int argc,
                 char **argv, struct sn_arena *a, struct sn_cli_call *ret)
{
    struct parse p = {.c = c, .a = a};
    int r = 0;
    if (c->table) {
        struct sn_conf conf;
        sn_conf_init(&conf, a, "command line");
        p.opts = sn_arena_zalloc(a, c->table->size);
        r = p.opts ? sn_conf_defaults(&conf, c->table, p.opts) : SN_E_NOMEM;
        if (r >= 0) r = set_from_environment(prog, &p);
    }
    if (r >= 0) r = parse_words(&p, argc, argv);
    if (r == 0) r = check_operands(c, p.args.len);
    struct sn_str *args = r == 0 ? SN_ARENA_ARRAY(a, struct sn_str, p.args.len + 1) : NULL;
    if (args) {
        if (p.args.len) memcpy(args, p.args.ptr, p.args.len * sizeof(*args));
        *ret = (struct sn_cli_call){.command = c, .opts = p.opts, .args = args,
                                    .n_args = p.args.len, .arena = a};
    } else if (r == 0) {
        r = SN_E_NOMEM;
    }
    sn_vec_done(&p.args);
    return r;
}

/* ---- the program ----------------------------------------------------------------------------- */

static void print(struct sn_buf *b, FILE *f)
{
    fwrite(b->ptr, 1, b->len, f);
    sn_buf_done(b);
}

static int fail(const struct sn_cli_program *p, const char *path, int code)
{
    char text[SN_DIAG_BYTES];
    fprintf(stderr, "%s%s%s: %s\n", p->name, *path ? " " : "", path,
            sn_diag_format(code, text, sizeof(text)));
    return code == SN_E_INVALID_ARGUMENT || code == SN_E_SYNTAX ? SN_EXIT_USAGE : SN_EXIT_FAILED;
}

static int usage_error(const struct sn_cli_program *p, const char *path, int code)
{
    int status = fail(p, path, code);
    fprintf(stderr, "Try '%s%s%s --help'.\n", p->name, *path ? " " : "", path);
    return status;
}

static int run_command(const struct sn_cli_program *p, const struct sn_cli_command *c,
                       const char *path, int argc, char **argv)
{
    struct sn_arena a;
    struct sn_cli_call call;
    sn_arena_init(&a, NULL, 0);
    int r = sn_cli_parse(p, c, argc, argv, &a, &call), status;
    if (r == 1) {
        struct sn_buf b;
        sn_buf_init(&b, 0);
        sn_cli_help(p, c, path, &b);
        print(&b, stdout);
        status = SN_EXIT_OK;
    } else if (r < 0) {
        status = usage_error(p, path, r);
    } else {
        r = c->run(&call);
        status = r < 0 ? fail(p, path, r) : r;
    }
    sn_arena_done(&a);
    if (fflush(stdout) != 0 && status == SN_EXIT_OK) {
        fprintf(stderr, "%s: cannot write the output\n", p->name);
        status = SN_EXIT_FAILED;
    }
    return status;
}

/* Help for the command that the words name below `c` (NULL: the program). */
static int help_below(const struct sn_cli_program *p, const struct sn_cli_command *c,
                      const char *at, int argc, char **argv, bool man)
{
    const struct sn_cli_command *const *list = c ? c->subs : p->commands;
    char path[128];
    snprintf(path, sizeof(path), "%s", at);
    for (int i = 0; i < argc; i++) {
        c = sn_cli_find_(list, sn_str(argv[i]));
        if (!c) return usage_error(p, "help", unknown_command(list, sn_str(argv[i])));
        size_t n = strlen(path);
        snprintf(path + n, sizeof(path) - n, "%s%s", n ? " " : "", c->name);
        list = c->subs;
    }
    struct sn_buf b;
    sn_buf_init(&b, 0);
    if (man) sn_cli_man(p, c, path, &b);
    else sn_cli_help(p, c, path, &b);
    print(&b, stdout);
    return SN_EXIT_OK;
}
static int help_main(const struct sn_cli_program *p, int argc, char **argv, bool man)
{
    return help_below(p, NULL, "", argc, argv, man);
}
static bool asks_for_help(const char *word)
{
    return !strcmp(word, "help") || !strcmp(word, "--help") || !strcmp(word, "-h");
}

static int completion_main(const struct sn_cli_program *p, int argc, char **argv)
{
    bool zsh = argc == 1 && strcmp(argv[0], "zsh") == 0;
    if (argc != 1 || (!zsh && strcmp(argv[0], "bash") != 0))
        return usage_error(p, "completion",
                           sn_fail(SN_E_INVALID_ARGUMENT, "expected bash or zsh"));
    struct sn_buf b;
    sn_buf_init(&b, 0);
    sn_cli_completion(p, zsh, &b);
    print(&b, stdout);
    return SN_EXIT_OK;
}

/* Commands every program has. Returns the exit status, or -1 where `word` is none of them. */
static int builtin(const struct sn_cli_program *p, const char *word, int argc, char **argv)
{
    if (asks_for_help(word)) return help_main(p, argc, argv, false);
    if (!strcmp(word, "man")) return help_main(p, argc, argv, true);
    if (!strcmp(word, "completion")) return completion_main(p, argc, argv);
    if (!strcmp(word, "--version") || !strcmp(word, "-V")) {
        printf("%s %s\n", p->name, p->version);
        return SN_EXIT_OK;
    }
    return -1;
}

struct leading_words {
    char *word[SN_CLI_LEADING_MAX];
    int n;
};

/* How many words from argv[0] on are one option that may stand before a sub's name; 0: none. */
static int leading(const struct sn_cli_command *c, int argc, char **argv)
{
    char name[64];
    struct sn_str word = sn_str(argv[0]);
    if (!c || !c->leading || word.len < 3 || word.ptr[0] != '-' || word.ptr[1] != '-') return 0;
    struct sn_str rest = sn_str_of(word.ptr + 2, word.len - 2), option = sn_str_cut(&rest, '=');
    int n = snprintf(name, sizeof(name), "%.*s=", SN_STR_ARG(option));
    if (n >= (int)sizeof(name)) return 0;
    if (among(c->leading, option)) return 1;
    if (!among(c->leading, sn_str(name))) return 0;
    return word.len > option.len + 2 ? 1 : argc > 1 ? 2 : 0;
}

/* The command's own words behind those that stood before its name. */
static int run_behind(const struct sn_cli_program *p, const struct sn_cli_command *c,
                      const char *path, struct leading_words lead, int argc, char **argv)
{
    if (lead.n == 0) return run_command(p, c, path, argc, argv);
    char **all = sn_zalloc((size_t)(lead.n + argc) + 1, sizeof(*all));
    if (!all) return fail(p, path, SN_E_NOMEM);
    memcpy(all, lead.word, (size_t)lead.n * sizeof(*all));
    memcpy(all + lead.n, argv, (size_t)argc * sizeof(*all));
    int status = run_command(p, c, path, lead.n + argc, all);
    sn_free(all);
    return status;
}

int sn_cli_main(const struct sn_cli_program *p, int argc, char **argv)
{
    const char *self = argc ? strrchr(argv[0], '/') : NULL;
    self = self ? self + 1 : argc ? argv[0] : p->name;
    size_t n = strlen(p->name);
    const struct sn_cli_command *c = p->commands[0];
    if (c && !p->commands[1] && strcmp(c->name, p->name) == 0)
        return run_command(p, c, "", SN_MAX(argc - 1, 0), argv + 1);
    c = NULL;
    if (strncmp(self, p->name, n) == 0 && self[n] == '-')
        c = sn_cli_find_(p->commands, sn_str(self + n + 1));
    if (argc) argc--, argv++;
    const struct sn_cli_command *const *list = c ? c->subs : p->commands;
    char path[128];
    snprintf(path, sizeof(path), "%s", c ? c->name : "");
    struct leading_words lead = {.n = 0};
    while (!c || c->subs) {
        for (int k; argc && (k = leading(c, argc, argv)) > 0; argc -= k, argv += k)
            for (int i = 0; i < k && lead.n < SN_CLI_LEADING_MAX; i++)
                lead.word[lead.n++] = argv[i];
        if (!argc) {
            help_below(p, c, path, 0, NULL, false);
            return SN_EXIT_USAGE;
        }
        if (c && asks_for_help(argv[0])) return help_below(p, c, path, argc - 1, argv + 1, false);
        int status = c ? -1 : builtin(p, argv[0], argc - 1, argv + 1);
        if (status >= 0) return status;
        const struct sn_cli_command *next = sn_cli_find_(list, sn_str(argv[0]));
        if (!next) return usage_error(p, path, unknown_command(list, sn_str(argv[0])));
        size_t used = strlen(path);
        snprintf(path + used, sizeof(path) - used, "%s%s", used ? " " : "", next->name);
        c = next;
        list = c->subs;
        argc--, argv++;
    }
    return run_behind(p, c, path, lead, argc, argv);
}
