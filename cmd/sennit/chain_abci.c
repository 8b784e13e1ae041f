/* SPDX-License-Identifier: Apache-2.0 */
/* sennit chain echo, info, check-tx, finalize-block, commit, query, prepare-proposal,
 * process-proposal - one request to an ABCI application, printed as CometBFT's abci-cli prints it.
 */
#include <limits.h>
#include <stdio.h>

#include "core/buf.h"
#include "core/enc.h"
#include "sennit/chain_cmd.h"
#include "sennit/files.h"

const struct sn_conf_enum chain_transports[] = {{"socket", CHAIN_SOCKET},
                                                {"grpc", CHAIN_GRPC},
                                                {NULL, 0}};

static const struct sn_conf_field fields[] = {
    CHAIN_ADDRESS_FIELDS(struct chain_abci_opts),
    SN_CONF_BOOL(struct chain_abci_opts, verbose, "verbose", .letter = 'v',
                 .help = "Print the command, too."),
    SN_CONF_DURATION(struct chain_abci_opts, timeout, "timeout", .def = "1m", .min = SN_MS,
                     .max = 24 * SN_HOUR, .help = "For the connection and for one answer."),
    SN_CONF_STRING(struct chain_abci_opts, path, "path", .def = "/store",
                   .help = "query: what is asked for."),
    SN_CONF_INT(struct chain_abci_opts, height, "height", .min = 0, .max = INT64_MAX,
                .help = "query: of which block; 0 is the last."),
    SN_CONF_BOOL(struct chain_abci_opts, prove, "prove", .help = "query: with a proof."),
};
const struct sn_conf_table chain_abci_table = SN_CONF_TABLE(struct chain_abci_opts, fields);

#define CODE_BAD 10u /* abci-cli's for a command that makes no sense */

/* ---- printing ----------------------------------------------------------------------------------
 */

static void put_field(struct sn_buf *out, const char *name, struct sn_str value)
{
    if (!value.len) return;
    sn_buf_printf(out, "-> %s: ", name);
    sn_buf_str(out, value);
    sn_buf_byte(out, '\n');
}
static void put_field_hex(struct sn_buf *out, const char *name, const char *prefix,
                          struct sn_str value)
{
    if (!value.len) return;
    sn_buf_printf(out, "-> %s.hex: %s", name, prefix);
    sn_buf_hex_upper(out, value.ptr, value.len);
    sn_buf_byte(out, '\n');
}
static void put_code(struct sn_buf *out, uint32_t code)
{
    if (code)
        sn_buf_printf(out, "-> code: %u\n", code);
    else
        sn_buf_cstr(out, "-> code: OK\n");
}
static void put_data(struct sn_buf *out, struct sn_str data)
{
    put_field(out, "data", data);
    put_field_hex(out, "data", "0x", data);
}

/* ---- commands ----------------------------------------------------------------------------------
 */

struct line {
    struct chain_session *s;
    const struct sn_str *args;
    size_t n;
    struct sn_buf out;
};

/* 0x and hex digits, or a text in quotes. */
static int bytes_of(struct line *l, struct sn_str arg, struct sn_str *ret)
{
    if (arg.len > 2 && arg.ptr[0] == '0' && (arg.ptr[1] | 0x20) == 'x') {
        char *p = sn_arena_alloc(&l->s->arena, arg.len);
        ssize_t n = p ? sn_hex_decode(sn_str_from(arg, 2), p) : SN_E_NOMEM;
        if (n < 0) return sn_fail((int)n, "%.*s: not hex", SN_STR_ARG(arg));
        *ret = sn_str_of(p, (size_t)n);
        return 0;
    }
    if (arg.len < 2 || arg.ptr[0] != '"' || arg.ptr[arg.len - 1] != '"')
        return sn_fail(
            SN_E_INVALID_ARGUMENT,
            "invalid string arg: \"%.*s\". Must be quoted or a \"0x\"-prefixed hex string",
            SN_STR_ARG(arg));
    *ret = sn_str_sub(arg, 1, arg.len - 1);
    return 0;
}

static int all_bytes(struct line *l, struct sn_str **ret)
{
    int r = 0;
    *ret = SN_ARENA_ARRAY(&l->s->arena, struct sn_str, l->n);
    if (!*ret) return SN_E_NOMEM;
    for (size_t i = 0; i < l->n && r >= 0; i++) r = bytes_of(l, l->args[i], &(*ret)[i]);
    return r;
}

/* A command that lacks its operand: a response, as abci-cli has it, and the session goes on. */
static int lacks(struct line *l, const char *what)
{
    put_code(&l->out, CODE_BAD);
    put_field(&l->out, "log", sn_str(what));
    return 0;
}

static int do_echo(struct line *l)
{
    struct tendermint_abci_request_echo q = {.message = l->n ? l->args[0] : SN_STR("")};
    struct tendermint_abci_response_echo *s;
    int r = sn_abci_echo(l->s->c, &q, &l->s->arena, &s);
    if (r < 0) return r;
    put_code(&l->out, 0);
    put_data(&l->out, s->message);
    return 0;
}

static int do_info(struct line *l)
{
    struct tendermint_abci_request_info q = {.version = l->n ? l->args[0] : SN_STR("")};
    struct tendermint_abci_response_info *s;
    int r = sn_abci_info(l->s->c, &q, &l->s->arena, &s);
    if (r < 0) return r;
    put_code(&l->out, 0);
    put_data(&l->out, s->data);
    return 0;
}

static int do_check_tx(struct line *l)
{
    struct tendermint_abci_request_check_tx q = {0};
    struct tendermint_abci_response_check_tx *s;
    if (!l->n) return lacks(l, "want the tx");
    int r = bytes_of(l, l->args[0], &q.tx);
    if (r >= 0) r = sn_abci_check_tx(l->s->c, &q, &l->s->arena, &s);
    if (r < 0) return r;
    put_code(&l->out, s->code);
    put_data(&l->out, s->data);
    put_field(&l->out, "log", s->log);
    return 0;
}

static int do_finalize_block(struct line *l)
{
    struct tendermint_abci_request_finalize_block q = {0};
    struct tendermint_abci_response_finalize_block *s;
    if (!l->n) return lacks(l, "Must provide at least one transaction");
    int r = all_bytes(l, &q.txs.ptr);
    q.txs.len = (uint32_t)l->n;
    if (r >= 0) r = sn_abci_finalize_block(l->s->c, &q, &l->s->arena, &s);
    if (r < 0) return r;
    for (uint32_t i = 0; i < s->tx_results.len; i++) {
        put_code(&l->out, s->tx_results.ptr[i]->code);
        put_field_hex(&l->out, "data", "0x", s->tx_results.ptr[i]->data);
        put_field(&l->out, "log", s->tx_results.ptr[i]->log);
    }
    put_code(&l->out, 0);
    put_field_hex(&l->out, "data", "0x", s->app_hash);
    return 0;
}

static int do_commit(struct line *l)
{
    struct tendermint_abci_request_commit q = {0};
    struct tendermint_abci_response_commit *s;
    int r = sn_abci_commit(l->s->c, &q, &l->s->arena, &s);
    if (r >= 0) put_code(&l->out, 0);
    return r;
}

static int do_query(struct line *l)
{
    const struct chain_abci_opts *o = l->s->o;
    struct tendermint_abci_request_query q = {.path = o->path,
                                              .height = o->height,
                                              .prove = o->prove};
    struct tendermint_abci_response_query *s;
    if (!l->n) return lacks(l, "want the query");
    int r = bytes_of(l, l->args[0], &q.data);
    if (r >= 0) r = sn_abci_query(l->s->c, &q, &l->s->arena, &s);
    if (r < 0) return r;
    put_code(&l->out, s->code);
    put_field(&l->out, "log", s->log);
    sn_buf_printf(&l->out, "-> height: %lld\n", (long long)s->height);
    put_field(&l->out, "key", s->key);
    put_field_hex(&l->out, "key", "", s->key);
    put_field(&l->out, "value", s->value);
    put_field_hex(&l->out, "value", "", s->value);
    for (uint32_t i = 0; s->proof_ops && i < s->proof_ops->ops.len; i++)
        put_field(&l->out, "proof", s->proof_ops->ops.ptr[i]->type);
    return 0;
}

static int do_prepare_proposal(struct line *l)
{
    struct tendermint_abci_request_prepare_proposal q = {.max_tx_bytes = 65536}; /* abci-cli's */
    struct tendermint_abci_response_prepare_proposal *s;
    int r = all_bytes(l, &q.txs.ptr);
    q.txs.len = (uint32_t)l->n;
    if (r >= 0) r = sn_abci_prepare_proposal(l->s->c, &q, &l->s->arena, &s);
    if (r < 0) return r;
    for (uint32_t i = 0; i < s->txs.len; i++) {
        put_code(&l->out, 0);
        sn_buf_cstr(&l->out, "-> log: Succeeded. Tx: ");
        sn_buf_str(&l->out, s->txs.ptr[i]);
        sn_buf_byte(&l->out, '\n');
    }
    return 0;
}

static int do_process_proposal(struct line *l)
{
    struct tendermint_abci_request_process_proposal q = {0};
    struct tendermint_abci_response_process_proposal *s;
    int r = all_bytes(l, &q.txs.ptr);
    q.txs.len = (uint32_t)l->n;
    if (r >= 0) r = sn_abci_process_proposal(l->s->c, &q, &l->s->arena, &s);
    if (r < 0) return r;
    put_code(&l->out, 0);
    struct sn_str name =
        sn_pb_enum_name(&tendermint_abci_response_process_proposal_proposal_status_enum, s->status);
    sn_buf_cstr(&l->out, "-> status: ");
    sn_buf_str(&l->out, name);
    sn_buf_byte(&l->out, '\n');
    return 0;
}

static const struct {
    enum sn_abci_method m;
    int (*run)(struct line *l);
    const char *brief;
} commands[] = {
    {SN_ABCI_ECHO, do_echo, "have the application echo a message"},
    {SN_ABCI_CHECK_TX, do_check_tx, "validate a transaction"},
    {SN_ABCI_COMMIT, do_commit, "commit the application state and return the Merkle root hash"},
    {SN_ABCI_FINALIZE_BLOCK, do_finalize_block,
     "deliver a block of transactions to the application"},
    {SN_ABCI_INFO, do_info, "get some info about the application"},
    {SN_ABCI_QUERY, do_query, "query the application state"},
    {SN_ABCI_PREPARE_PROPOSAL, do_prepare_proposal, "prepare proposal"},
    {SN_ABCI_PROCESS_PROPOSAL, do_process_proposal, "process proposal"},
};

static int do_unknown(struct line *l, struct sn_str name)
{
    put_code(&l->out, CODE_BAD);
    sn_buf_printf(&l->out, "-> log: unimplemented command args: [%.*s", SN_STR_ARG(name));
    for (size_t i = 0; i < l->n; i++) sn_buf_printf(&l->out, " %.*s", SN_STR_ARG(l->args[i]));
    sn_buf_cstr(&l->out, "]\nAvailable commands:\n");
    for (size_t i = 0; i < SN_COUNT_OF(commands); i++)
        sn_buf_printf(&l->out, "%s: %s\n", sn_abci_method_info(commands[i].m)->name,
                      commands[i].brief);
    return 0;
}

int chain_abci_run(struct chain_session *s, struct sn_str name, const struct sn_str *args, size_t n)
{
    struct line l = {s, args, n, {0}};
    int m = sn_abci_method_by_name(name), r = 1;
    if (s->o->verbose) {
        sn_buf_printf(&l.out, "> %.*s ", SN_STR_ARG(name));
        for (size_t i = 0; i < n; i++)
            sn_buf_printf(&l.out, "%s%.*s", i ? " " : "", SN_STR_ARG(args[i]));
        sn_buf_byte(&l.out, '\n');
    }
    int64_t d = sn_deadline_tighten(sn_now() + s->o->timeout);
    for (size_t i = 0; i < SN_COUNT_OF(commands) && r > 0; i++)
        if ((int)commands[i].m == m) r = commands[i].run(&l);
    if (r > 0) r = do_unknown(&l, name);
    sn_deadline_restore(d);
    if (r >= 0) r = l.out.err;
    if (r >= 0) fwrite(l.out.ptr, 1, l.out.len, stdout);
    fflush(stdout);
    sn_buf_done(&l.out);
    sn_arena_reset(&s->arena);
    return r;
}

/* ---- a session ---------------------------------------------------------------------------------
 */

struct job {
    const struct sn_cli_call *call;
    int (*work)(struct chain_session *s, void *arg);
    void *arg;
};
static int session_main(void *arg)
{
    struct job *j = arg;
    struct chain_session s = {.o = j->call->opts};
    struct sn_abci_client_opts co = {.addr = sn_arena_str(j->call->arena, s.o->address).ptr,
                                     .grpc = s.o->transport == CHAIN_GRPC};
    if (!co.addr) return SN_E_NOMEM;
    int64_t d = sn_deadline_tighten(sn_now() + s.o->timeout);
    int r = sn_abci_client_open(&co, &s.c);
    sn_deadline_restore(d);
    if (r < 0) return r;
    sn_arena_init(&s.arena, NULL, 0);
    r = j->work(&s, j->arg);
    sn_arena_done(&s.arena);
    sn_abci_client_close(s.c);
    return r;
}
int chain_session_run(const struct sn_cli_call *call,
                      int (*work)(struct chain_session *s, void *arg), void *arg)
{
    struct job j = {call, work, arg};
    return sn_rt_run(&(struct sn_rt_opts){.workers = 1}, session_main, &j);
}

static int one(struct chain_session *s, void *arg)
{
    const struct sn_cli_call *call = arg;
    return chain_abci_run(s, sn_str(call->command->name), call->args, call->n_args);
}
static int run_one(const struct sn_cli_call *call)
{
    return chain_session_run(call, one, (void *)call);
}

#define TX_ABOUT "A transaction is a text in quotes of its own, '\"abc=1\"', or hex: 0x6162633d31."
#define VERB(ident, name_, brief_, usage_, about_, min, max)                        \
    const struct sn_cli_command sn_cmd_chain_##ident = {.name = name_,              \
                                                        .brief = brief_,            \
                                                        .usage = usage_,            \
                                                        .about = about_,            \
                                                        .table = &chain_abci_table, \
                                                        .args_min = min,            \
                                                        .args_max = max,            \
                                                        .run = run_one}
VERB(echo, "echo", "Has an ABCI application echo a message.", "MESSAGE", NULL, 1, 1);
VERB(info, "info", "What an ABCI application says of itself.", NULL, NULL, 0, 0);
VERB(check_tx, "check-tx", "Has an ABCI application check a transaction.", "TX", TX_ABOUT, 1, 1);
VERB(finalize_block, "finalize-block", "Gives an ABCI application a block.", "TX...", TX_ABOUT, 1,
     UINT_MAX);
VERB(commit, "commit", "Has an ABCI application commit its block.", NULL, NULL, 0, 0);
VERB(query, "query", "Asks an ABCI application for a key.", "KEY", TX_ABOUT, 1, 1);
VERB(prepare_proposal, "prepare-proposal", "Has an ABCI application propose a block.", "[TX...]",
     TX_ABOUT, 0, UINT_MAX);
VERB(process_proposal, "process-proposal", "Has an ABCI application judge a block.", "[TX...]",
     TX_ABOUT, 0, UINT_MAX);
