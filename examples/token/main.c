/* SPDX-License-Identifier: Apache-2.0 */
/* examples/token - a contract used from C: its SDK generated, the contract deployed, tokens sent, and
 * what the gas estimator predicted held against the receipt.
 *
 *   token                         starts anvil, sends one transfer, ends
 *   token --every 10s             goes on
 *   token --node http://...       another development node, whose accounts are unlocked
 *
 * `token.h` is what `sennit abi gen --lang c Token.json` makes; the build makes it anew when the
 * contract or the generator changes. Here too the same generator runs for all five languages, to
 * see how long that takes. */
#include <stdio.h>

#include "core/status.h"
#include "evm/client.h"
#include "evm/gen/gen.h"
#include "exhibit/anvil.h"
#include "exhibit/card.h"
#include "kit/cli.h"
#include "token.h"

extern const unsigned char token_json[];
extern const size_t token_json_len;

#define RECEIPT_NS_MAX (20 * SN_SEC)
#define SUPPLY 100000u /* whole tokens that the deployer gets */

struct opts {
    struct sn_str node;
    uint64_t port;
    int64_t every;
};
static const struct sn_conf_field fields[] = {
    SN_CONF_STRING(struct opts, node, "node", .metavar = "URL",
                   .help = "A development node that signs for its accounts; none: anvil is "
                           "started."),
    SN_CONF_UINT(struct opts, port, "port", .max = 65535,
                 .help = "Where anvil listens on loopback; 0: a free port."),
    SN_CONF_DURATION(struct opts, every, "every", .max = SN_HOUR,
                     .help = "Send again so long after a transfer; 0: once."),
};
static const struct sn_conf_table table = SN_CONF_TABLE(struct opts, fields);

struct sdks { /* what the generator made of Token.json */
    int64_t took_ns;
    size_t bytes[5], files;
};
struct sent { /* a transaction: what was predicted and what happened */
    struct sn_gas_estimate predicted;
    struct sn_eth_receipt receipt;
};
struct app {
    struct opts opts;
    struct sn_eth_client chain;
    struct sn_sdk_at at;          /* the contract, and who calls */
    struct sn_sdk_address other;  /* who gets tokens */
    struct sdks sdks;
    struct sent deployed;
    unsigned transfers;
};

/* ---- the generator ---- */

static int generate(struct sdks *ret)
{
    static const char *const folders[] = {"ts/", "py/", "rust/", "go/", "c/"};
    struct sn_arena a;
    struct sn_abigen_source source = {SN_STR("Token.json"),
                                      sn_str_of((const char *)token_json, token_json_len)};
    struct sn_abigen_opts o = {.package = SN_STR("token")};
    struct sn_abigen_result made;
    sn_arena_init(&a, NULL, 0);
    int64_t start = sn_now();
    int r = sn_abigen(&a, &source, 1, &o, &made);
    *ret = (struct sdks){.took_ns = sn_now() - start};
    for (size_t i = 0; r >= 0 && i < made.n_files; i++)
        for (size_t k = 0; k < SN_COUNT_OF(folders); k++)
            if (sn_str_starts(made.files[i].path, sn_str(folders[k])))
                ret->bytes[k] += made.files[i].text.len, ret->files++;
    sn_arena_done(&a);
    return r;
}

/* ---- transactions ---- */

static int keep_estimate(void *ctx, const struct sn_gas_estimate *e)
{
    struct sent *s = ctx;
    s->predicted = *e;
    return 0;
}

static int receipt_of(struct app *app, struct sn_arena *a, const uint8_t hash[SN_ETH_HASH_LEN],
                      struct sent *ret)
{
    struct sn_eth_await_opts o = {.timeout_ns = RECEIPT_NS_MAX};
    struct sn_eth_sent sent = {.n = 1};
    memcpy(sent.hash[0], hash, SN_ETH_HASH_LEN);
    int r = sn_eth_await(&app->chain, &sent, &o, a, &ret->receipt);
    if (r < 0 || ret->receipt.success) return r;
    return sn_fail(SN_E_ABORTED, "it was included and reverted");
}

/* What a revert said, in the contract's own words. */
static int explain(struct sn_arena *a, int r, struct sn_str revert)
{
    struct token_error e;
    if (r != SN_E_ABORTED || token_error_decode(a, revert, &e) < 0) return r;
    switch (e.kind) {
    case TOKEN_ERROR_NOT_ENOUGH: return sn_wrap(r, "the sender has too few tokens");
    case TOKEN_ERROR_REVERT: return sn_wrap(r, "%.*s", SN_STR_ARG(e.revert));
    default: return r;
    }
}

static struct sn_u256 whole(uint64_t tokens)
{
    struct sn_u256 v;
    (void)sn_u256_mul(sn_u256(1000000000000000000u), tokens, &v); /* far below 2^256 */
    return v;
}

static int deploy(struct app *app, struct sn_arena *a)
{
    struct token_deploy_args args = {.supply = whole(SUPPLY)};
    struct sn_sdk_tx tx = {.on_gas = keep_estimate, .ctx = &app->deployed};
    struct sn_str revert = {0};
    struct sn_buf data SN_CLEANUP(sn_buf_done);
    uint8_t hash[32];
    sn_buf_init(&data, 0);
    int r = token_deploy_encode(&args, &data);
    if (r >= 0) r = sn_sdk_send(&app->at, a, sn_buf_view(&data), true, &tx, hash, &revert);
    if (r >= 0) r = receipt_of(app, a, hash, &app->deployed);
    memcpy(app->at.address.bytes, app->deployed.receipt.contract, SN_ADDRESS_LEN);
    return r < 0 ? sn_wrap(explain(a, r, revert), "deploy") : 0;
}

static int transfer(struct app *app, struct sn_arena *a, uint64_t tokens, struct sent *ret)
{
    struct token_transfer_args args = {.to = app->other, .value = whole(tokens)};
    struct sn_sdk_tx tx = {.on_gas = keep_estimate, .ctx = ret};
    struct sn_str revert = {0};
    uint8_t hash[32];
    int r = token_transfer_send(&app->at, a, &args, &tx, hash, &revert);
    if (r >= 0) r = receipt_of(app, a, hash, ret);
    return r < 0 ? sn_wrap(explain(a, r, revert), "transfer") : 0;
}

/* ---- the card ---- */

static void short_address(const struct sn_sdk_address *at, char out[24])
{
    char full[SN_ADDRESS_TEXT_LEN];
    sn_address_format(at->bytes, full);
    snprintf(out, 24, "%.6s\u2026%.4s", full, full + SN_ADDRESS_TEXT_LEN - 4);
}

static void gas_facts(struct card *c, const struct sent *s, const struct sn_fees *fees)
{
    const struct sn_gas_estimate *p = &s->predicted;
    uint64_t gas = s->receipt.gas_used, price = s->receipt.gas_price.w[0]; /* far below 2^64 wei */
    char used[32], low[32], high[32], value[32], note[160];
    bool inside = p->used_low <= gas && gas <= p->used_high;
    snprintf(note, sizeof(note), "predicted %s, within %s to %s", card_number(p->used, used),
             card_number(p->used_low, low), card_number(p->used_high, high));
    card_fact_state(c, inside, "Gas used", "", note, "%s", card_number(gas, value));
    if (p->limit == gas)
        snprintf(note, sizeof(note), "exactly what was used");
    else
        snprintf(note, sizeof(note), "%.1f %% more than was used",
                 100.0 * ((double)p->limit - (double)gas) / (double)gas);
    card_fact_state(c, gas <= p->limit, "Gas limit", "", note, "%s", card_number(p->limit, value));
    snprintf(note, sizeof(note), "%.3f gwei a unit; suggested %.3f, at most %.3f",
             (double)price / 1e9, (double)(fees->base_fee + fees->priority_fee) / 1e9,
             (double)fees->max_fee / 1e9);
    card_fact_state(c, price <= fees->max_fee, "Fee", "gwei", note, "%s",
                    card_number(gas * price / 1000000000u, value));
}

static int show(struct app *app, struct sn_arena *a, uint64_t tokens, const struct sent *s,
                const struct sn_fees *fees)
{
    static const char *const langs[] = {"TypeScript", "Python", "Rust", "Go", "C"};
    struct token_balance_of_args who = {.owner = app->other};
    struct token_balance_of_result has;
    struct card c;
    char to[24], at[24], note[200], deployed[32], predicted[32];
    double token_value = 0;
    int r = token_balance_of_call(&app->at, a, &who, &has, NULL);
    if (r < 0) return sn_wrap(r, "balance");
    uint64_t rest;
    token_value = (double)sn_u256_divmod(has.ret0, 1000000000000000000u, &rest).w[0];
    short_address(&app->other, to);
    card_begin(&c, "ok", "%llu TURN sent from C to %s in block %llu; it has %.0f now.",
               (unsigned long long)tokens, to, (unsigned long long)s->receipt.block, token_value);
    gas_facts(&c, s, fees);
    short_address(&app->at.address, at);
    snprintf(note, sizeof(note), "deployed with %s gas, predicted %s",
             card_number(app->deployed.receipt.gas_used, deployed), card_number(app->deployed.predicted.used, predicted));
    card_fact(&c, "Contract", "", note, "%s", at);
    size_t n = 0;
    for (size_t i = 0; i < SN_COUNT_OF(langs); i++)
        n += (size_t)snprintf(note + n, sizeof(note) - n, "%s%s %.0f KiB", i ? ", " : "", langs[i],
                              (double)app->sdks.bytes[i] / 1024);
    card_fact(&c, "SDKs in five languages", "ms", note, "%.1f",
              (double)app->sdks.took_ns / SN_MS);
    return card_end(&c, "Look into the contract", "/contracts#Token");
}

static int one_round(struct app *app)
{
    struct sn_arena a;
    struct sent sent = {0};
    struct sn_fees fees;
    uint64_t tokens = 1 + app->transfers++ * 7 % 40;
    sn_arena_init(&a, NULL, 0);
    int r = sn_fees_suggest(app->at.rpc, NULL, &a, &fees);
    if (r >= 0) r = transfer(app, &a, tokens, &sent);
    if (r >= 0) r = show(app, &a, tokens, &sent, &fees);
    sn_arena_done(&a);
    return r;
}

static int run(struct app *app)
{
    struct sn_arena a;
    const struct sn_json *accounts;
    sn_arena_init(&a, NULL, 0);
    int r = generate(&app->sdks);
    if (r >= 0) r = sn_eth_client_init(&app->chain, app->at.rpc, 0, 20 * SN_MS);
    if (r >= 0) r = sn_eth_call(app->at.rpc, &a, &accounts, NULL, "eth_accounts", "[]");
    if (r >= 0 && sn_json_len(accounts) < 2)
        r = sn_fail(SN_E_FAILED_PRECONDITION, "the node has fewer than two accounts");
    if (r >= 0) r = sn_address_parse(sn_json_str(sn_json_at(accounts, 0)), app->at.from.bytes);
    if (r >= 0) r = sn_address_parse(sn_json_str(sn_json_at(accounts, 1)), app->other.bytes);
    if (r >= 0) r = deploy(app, &a);
    sn_arena_done(&a);
    while (r >= 0) {
        r = one_round(app);
        if (!app->opts.every) break;
        if (r >= 0) r = sn_sleep(app->opts.every);
    }
    return r;
}

static int token_main(void *arg)
{
    struct app *app = arg;
    struct anvil anvil;
    if (app->opts.node.ptr) {
        struct sn_eth_opts o = {.url = app->opts.node};
        int r = sn_eth_open(&o, &app->at.rpc);
        if (r < 0) return r;
        r = run(app);
        sn_eth_close(app->at.rpc);
        return r;
    }
    int r = anvil_start(&anvil, (unsigned)app->opts.port);
    if (r < 0) return r;
    app->at.rpc = anvil.rpc;
    r = run(app);
    anvil_stop(&anvil);
    return r;
}

static int token_run(const struct sn_cli_call *call)
{
    struct app app = {.opts = *(const struct opts *)call->opts};
    return sn_rt_run(&(struct sn_rt_opts){.workers = 1}, token_main, &app);
}

int main(int argc, char **argv)
{
    static const struct sn_cli_command command = {.name = "token",
                                                  .brief = "Deploys a token and sends some of it.",
                                                  .table = &table,
                                                  .run = token_run};
    static const struct sn_cli_command *const commands[] = {&command, NULL};
    static const struct sn_cli_program program = {
        .name = "token", .version = SN_VERSION, .commands = commands};
    return sn_cli_main(&program, argc, argv);
}
