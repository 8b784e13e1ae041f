/* SPDX-License-Identifier: Apache-2.0 */
/* kit/cli_text.c - help, man page and shell completion of commands, from their tables. */
#include <stdio.h>

#include "core/status.h"
#include "kit/cli_int.h"

#define HELP_COLUMN 28
#define HELP_WIDTH 98

/* Words of `text`, wrapped at HELP_WIDTH with every line indented; starts at column `at`. */
static void wrap(struct sn_buf *out, const char *text, size_t at, size_t indent)
{
    struct sn_str rest = sn_str(text);
    bool first = true;
    while (rest.ptr) {
        struct sn_str word = sn_str_cut(&rest, ' ');
        if (!word.len) continue;
        if (at + 1 + word.len > HELP_WIDTH) {
            sn_buf_printf(out, "\n%*s", (int)indent, "");
            at = indent;
        } else if (!first) {
            sn_buf_byte(out, ' ');
            at++;
        }
        sn_buf_str(out, word);
        at += word.len;
        first = false;
    }
    sn_buf_byte(out, '\n');
}

static const char *metavar(const struct sn_conf_field *f)
{
    if (f->metavar) return f->metavar;
    switch (f->type == SN_CONF_T_LIST ? f->item : f->type) {
    case SN_CONF_T_INT:
    case SN_CONF_T_UINT:
    case SN_CONF_T_DOUBLE: return "N";
    case SN_CONF_T_DURATION: return "TIME";
    case SN_CONF_T_BYTES: return "SIZE";
    case SN_CONF_T_ENUM: return "NAME";
    default: return "TEXT";
    }
}

static bool shown(const struct sn_conf_field *f) { return !f->hidden && !f->no_flag; }

static bool worth_default(const struct sn_conf_field *f)
{
    return f->def && *f->def && strcmp(f->def, "0") != 0 && strcmp(f->def, "false") != 0;
}

static void help_option(const struct sn_conf_field *f, struct sn_buf *out)
{
    char head[96];
    char letter[8] = "    ";
    if (f->letter) snprintf(letter, sizeof(letter), "-%c, ", f->letter);
    int n = snprintf(head, sizeof(head), "  %s--%s", letter, f->name);
    if (f->type != SN_CONF_T_BOOL && n > 0 && (size_t)n < sizeof(head))
        n += snprintf(head + n, sizeof(head) - (size_t)n, " %s", metavar(f));
    sn_buf_cstr(out, head);
    if (n >= HELP_COLUMN) sn_buf_printf(out, "\n%*s", HELP_COLUMN, "");
    else sn_buf_printf(out, "%*s", HELP_COLUMN - n, "");
    struct sn_buf text;
    sn_buf_init(&text, 0);
    if (f->help) sn_buf_cstr(&text, f->help);
    for (const struct sn_conf_enum *e = f->enums; e && e->name; e++)
        sn_buf_printf(&text, "%s%s", e == f->enums ? " One of " : ", ", e->name);
    if (f->enums) sn_buf_byte(&text, '.');
    if (worth_default(f)) sn_buf_printf(&text, " [%s]", f->def);
    wrap(out, sn_buf_cz(&text), HELP_COLUMN, HELP_COLUMN);
    sn_buf_done(&text);
}

static void help_commands(const struct sn_cli_command *const *list, struct sn_buf *out)
{
    size_t width = 8;
    for (const struct sn_cli_command *const *c = list; *c; c++)
        width = SN_MAX(width, strlen((*c)->name));
    sn_buf_cstr(out, "\nCommands:\n");
    for (; *list; list++) {
        sn_buf_printf(out, "  %-*s  ", (int)width, (*list)->name);
        wrap(out, (*list)->brief, width + 4, width + 4);
    }
}

static void put_paragraphs(const char *text, struct sn_buf *out, const char *between)
{
    struct sn_str rest = sn_str(text);
    while (rest.ptr) {
        struct sn_str line = sn_str_cut(&rest, '\n');
        if (!line.len) {
            sn_buf_cstr(out, between);
            continue;
        }
        struct sn_buf z;
        sn_buf_init(&z, 0);
        sn_buf_str(&z, line);
        if (line.ptr[0] == ' ')
            sn_buf_printf(out, "%s\n", sn_buf_cz(&z)); /* an example, as it is */
        else wrap(out, sn_buf_cz(&z), 0, 0);
        sn_buf_done(&z);
    }
}

int sn_cli_help(const struct sn_cli_program *p, const struct sn_cli_command *c, const char *path,
                struct sn_buf *out)
{
    const struct sn_cli_command *const *subs = c ? c->subs : p->commands;
    sn_buf_printf(out, "Usage: %s%s%s%s", p->name, *path ? " " : "", path,
                  subs ? " COMMAND" : c->table ? " [OPTION]..." : "");
    if (c && c->usage) sn_buf_printf(out, " %s", c->usage);
    sn_buf_cstr(out, "\n\n");
    if (c) wrap(out, c->brief, 0, 0);
    const char *about = c ? c->about : p->about;
    if (about) {
        if (c) sn_buf_byte(out, '\n');
        put_paragraphs(about, out, "\n");
    }
    if (subs) {
        help_commands(subs, out);
        sn_buf_printf(out, "\n'%s help COMMAND' tells more about one", p->name);
        if (c)
            sn_buf_cstr(out, ".\n");
        else
            sn_buf_printf(out, ", '%s man COMMAND' prints its manual page,\n"
                               "'%s completion bash' (or zsh) what completes commands and options.\n",
                          p->name, p->name);
    } else if (c->table) {
        sn_buf_cstr(out, "\nOptions:\n");
        for (size_t i = 0; i < c->table->n_fields; i++)
            if (shown(&c->table->fields[i])) help_option(&c->table->fields[i], out);
        char env[128];
        if (c->table->n_fields &&
            sn_cli_env_name(p, path, c->table->fields[0].name, env, sizeof(env)) == 0)
            sn_buf_printf(out, "\nEach option is also an environment variable, such as %s.\n", env);
    }
    return out->err;
}

/* ---- man page -------------------------------------------------------------------------------- */

/* roff: a leading dot or quote is a request, a backslash an escape, a dash typographic. */
static void roff(struct sn_buf *out, const char *s)
{
    for (bool start = true; s && *s; s++) {
        if (start && (*s == '.' || *s == '\'')) sn_buf_cstr(out, "\\&");
        if (*s == '\\') sn_buf_cstr(out, "\\e");
        else if (*s == '-') sn_buf_cstr(out, "\\-");
        else sn_buf_byte(out, (uint8_t)*s);
        start = *s == '\n';
    }
}

static void man_option(const struct sn_conf_field *f, struct sn_buf *out)
{
    sn_buf_cstr(out, ".TP\n");
    if (f->letter) sn_buf_printf(out, "\\fB\\-%c\\fR, ", f->letter);
    sn_buf_cstr(out, "\\fB\\-\\-");
    roff(out, f->name);
    sn_buf_cstr(out, "\\fR");
    if (f->type != SN_CONF_T_BOOL) sn_buf_printf(out, " \\fI%s\\fR", metavar(f));
    sn_buf_byte(out, '\n');
    roff(out, f->help);
    if (worth_default(f)) {
        sn_buf_cstr(out, " Default: ");
        roff(out, f->def);
        sn_buf_byte(out, '.');
    }
    sn_buf_byte(out, '\n');
}

int sn_cli_man(const struct sn_cli_program *p, const struct sn_cli_command *c, const char *path,
               struct sn_buf *out)
{
    const struct sn_cli_command *const *subs = c ? c->subs : p->commands;
    struct sn_buf title;
    sn_buf_init(&title, 0);
    sn_buf_printf(&title, "%s%s%s", p->name, *path ? "-" : "", path);
    for (size_t i = 0; i < title.len; i++)
        if (title.ptr[i] == ' ') title.ptr[i] = '-';
    sn_buf_printf(out, ".TH \"%s\" 1 \"\" \"%s %s\"\n.SH NAME\n", sn_buf_cz(&title), p->name,
                  p->version);
    roff(out, sn_buf_cz(&title));
    sn_buf_done(&title);
    sn_buf_cstr(out, " \\- ");
    struct sn_str rest = sn_str(p->about), first = sn_str_cut(&rest, '\n');
    char brief[160];
    snprintf(brief, sizeof(brief), "%.*s", SN_STR_ARG(first));
    roff(out, c ? c->brief : brief);
    sn_buf_printf(out, "\n.SH SYNOPSIS\n.B %s %s\n", p->name, path);
    roff(out, subs ? "COMMAND" : "[OPTION]...");
    if (c && c->usage) sn_buf_printf(out, " %s", c->usage);
    sn_buf_byte(out, '\n');
    const char *about = c ? c->about : p->about;
    if (about) {
        sn_buf_cstr(out, ".SH DESCRIPTION\n");
        roff(out, about);
        sn_buf_byte(out, '\n');
    }
    if (subs) {
        sn_buf_cstr(out, ".SH COMMANDS\n");
        for (; *subs; subs++) {
            sn_buf_printf(out, ".TP\n\\fB%s\\fR\n", (*subs)->name);
            roff(out, (*subs)->brief);
            sn_buf_byte(out, '\n');
        }
    } else if (c->table) {
        sn_buf_cstr(out, ".SH OPTIONS\n");
        for (size_t i = 0; i < c->table->n_fields; i++)
            if (shown(&c->table->fields[i])) man_option(&c->table->fields[i], out);
    }
    sn_buf_cstr(out, ".SH EXIT STATUS\n0 done, 1 failed, 2 the command line was wrong.\n");
    return out->err;
}

/* ---- completion ------------------------------------------------------------------------------ */

static void completion_words(const struct sn_cli_program *p, struct sn_buf *out)
{
    for (const struct sn_cli_command *const *c = p->commands; *c; c++) {
        sn_buf_printf(out, "    %s) words=\"", (*c)->name);
        for (const struct sn_cli_command *const *s = (*c)->subs; s && *s; s++)
            sn_buf_printf(out, "%s ", (*s)->name);
        for (size_t i = 0; (*c)->table && i < (*c)->table->n_fields; i++)
            if (shown(&(*c)->table->fields[i]))
                sn_buf_printf(out, "--%s ", (*c)->table->fields[i].name);
        sn_buf_cstr(out, "--help\" ;;\n");
    }
    sn_buf_cstr(out, "    *) words=\"");
    for (const struct sn_cli_command *const *c = p->commands; *c; c++)
        sn_buf_printf(out, "%s ", (*c)->name);
    sn_buf_cstr(out, "help man completion --version\" ;;\n");
}

int sn_cli_completion(const struct sn_cli_program *p, bool zsh, struct sn_buf *out)
{
    if (zsh)
        sn_buf_printf(out, "#compdef %s\nautoload -U +X bashcompinit && bashcompinit\n", p->name);
    sn_buf_printf(out, "_%s() {\n  local words word=\"${COMP_WORDS[COMP_CWORD]}\"\n", p->name);
    sn_buf_cstr(out, "  case \"$([ \"$COMP_CWORD\" -gt 1 ] && echo \"${COMP_WORDS[1]}\")\" in\n");
    completion_words(p, out);
    sn_buf_cstr(out, "  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n");
    sn_buf_printf(out, "}\ncomplete -o default -F _%s %s\n", p->name, p->name);
    return out->err;
}
