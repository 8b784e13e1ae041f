/* SPDX-License-Identifier: Apache-2.0 */
/* sennit chain console, batch - commands to an ABCI application, line by line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sennit/chain_cmd.h"

#define WORDS_MAX 10000u
#define LINE_MAX_ (64u << 20)

struct input {
    char *line;
    size_t cap;
    ssize_t len; /* < 0 at the end */
};
/* On a thread that may wait for the terminal. */
static int read_line(void *arg)
{
    struct input *in = arg;
    in->len = getline(&in->line, &in->cap, stdin);
    if (in->len > 0 && in->line[in->len - 1] == '\n') in->len--;
    if (in->len > 0 && in->line[in->len - 1] == '\r') in->len--;
    return 0;
}

/* Words lie between spaces; one that begins with a quote ends with one. */
static int split(struct sn_arena *a, struct sn_str line, struct sn_str **ret, size_t *ret_n)
{
    size_t n = 0, cap = SN_MIN(line.len / 2 + 1, (size_t)WORDS_MAX);
    struct sn_str *words = SN_ARENA_ARRAY(a, struct sn_str, cap);
    if (!words) return SN_E_NOMEM;
    for (size_t at = 0; at < line.len;) {
        size_t end = at;
        if (line.ptr[at] == ' ') {
            at++;
            continue;
        }
        bool quoted = line.ptr[at] == '"';
        do end++;
        while (end < line.len &&
               (quoted ? line.ptr[end - 1] != '"' || end - at == 1 : line.ptr[end] != ' '));
        if (n == cap) return sn_fail(SN_E_TOO_LARGE, "more than %zu words in a line", cap);
        words[n++] = sn_str_sub(line, at, end);
        at = end;
    }
    *ret = words;
    *ret_n = n;
    return 0;
}

static int one_line(struct chain_session *s, struct sn_str line, struct sn_arena *a)
{
    struct sn_str *words;
    size_t n;
    if (line.len > LINE_MAX_)
        return sn_fail(SN_E_TOO_LARGE, "a line of %zu bytes, limit %u", line.len, LINE_MAX_);
    int r = split(a, line, &words, &n);
    if (r < 0 || n == 0) return r;
    return chain_abci_run(s, words[0], words + 1, n - 1);
}

static int lines(struct chain_session *s, bool prompt)
{
    struct input in = {0};
    struct sn_arena a;
    int r;
    sn_arena_init(&a, NULL, 0);
    for (;;) {
        if (prompt) fputs("> ", stdout);
        fflush(stdout);
        r = sn_offload(read_line, &in);
        if (r < 0 || in.len < 0) break;
        if (in.len > 0) r = one_line(s, sn_str_of(in.line, (size_t)in.len), &a);
        sn_arena_reset(&a);
        /* At a prompt a mistyped word is no reason to end; a broken connection is. */
        if (r < 0 && prompt && sn_abci_client_failure(s->c) == 0) {
            fprintf(stderr, "%s\n", sn_diag_str(r));
            r = 0;
        }
        if (r < 0) break;
        if (!prompt && in.len > 0) putchar('\n');
    }
    free(in.line);
    sn_arena_done(&a);
    return r;
}
static int console(struct chain_session *s, void *arg) { return lines(s, true); }
static int batch(struct chain_session *s, void *arg) { return lines(s, false); }
static int run_console(const struct sn_cli_call *call)
{
    return chain_session_run(call, console, NULL);
}
static int run_batch(const struct sn_cli_call *call)
{
    return chain_session_run(call, batch, NULL);
}

#define ABOUT                                                                                  \
    "Commands are echo, info, check_tx, finalize_block, commit, query, prepare_proposal and\n" \
    "process_proposal; transactions and keys stand in quotes or are hex: check_tx \"abc=1\"."
const struct sn_cli_command sn_cmd_chain_console = {
    .name = "console",
    .brief = "A prompt for commands to an ABCI application.",
    .about = ABOUT,
    .table = &chain_abci_table,
    .run = run_console,
};
const struct sn_cli_command sn_cmd_chain_batch = {
    .name = "batch",
    .brief = "Commands to an ABCI application from standard input.",
    .about = ABOUT,
    .table = &chain_abci_table,
    .run = run_batch,
};
