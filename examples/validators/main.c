/* SPDX-License-Identifier: Apache-2.0 */
/* examples/validators - a chain of four validators in four processes; now and then one loses its
 * disk, and comes back by a snapshot of the others (state sync), while they go on without it.
 *
 *   validators --dir /tmp/chain            until it is interrupted; what happens on the terminal
 *   validators --dir /tmp/chain --rounds 1 one loss and return, then the end
 *
 * Transactions go to --gateway, which spreads them over the four and does not notice who is
 * missing. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "core/status.h"
#include "exhibit/card.h"
#include "kit/cli.h"
#include "validators/chain.h"

#define STEP_NS SN_SEC       /* between two looks at the nodes */
#define DOWN_NS (6 * SN_SEC) /* a killed validator stays away so long */
#define REJOIN_NS_MAX (90 * SN_SEC)
#define TXS_PER_STEP 5

struct opts {
    struct sn_str sennit, dir, gateway;
    uint64_t port, rounds;
    int64_t every;
};
static const struct sn_conf_field fields[] = {
    SN_CONF_STRING(struct opts, sennit, "sennit", .def = "sennit", .metavar = "FILE",
                   .help = "The program."),
    SN_CONF_STRING(struct opts, dir, "dir", .required = true,
                   .help = "Where the nodes' folders are."),
    SN_CONF_STRING(struct opts, gateway, "gateway", .metavar = "URL",
                   .help = "Where transactions go; none: to the nodes in turn."),
    SN_CONF_UINT(struct opts, port, "port", .def = "9180", .min = 1, .max = 65500,
                 .help = "RPC at this port and the next three, peers ten above."),
    SN_CONF_UINT(struct opts, rounds, "rounds", .max = 1000000,
                 .help = "End after so many losses; 0: never."),
    SN_CONF_DURATION(struct opts, every, "every", .def = "30s", .min = SN_SEC, .max = SN_HOUR,
                     .help = "From a return to the next loss."),
};
static const struct sn_conf_table table = SN_CONF_TABLE(struct opts, fields);

enum phase { STEADY, DOWN, REJOINING };
struct app {
    struct opts opts;
    struct chain chain;
    struct chain_status status[CHAIN_NODES];
    bool answers[CHAIN_NODES];
    int64_t top; /* the highest block of all */
    uint64_t sent, accepted;
    enum phase phase;
    unsigned victim;
    int64_t phase_at; /* since when, sn_now */
    int64_t lost_at;  /* height */
    uint64_t returns, failures;
    double took_s;     /* of the last return */
    int64_t restored;  /* the first block the returned node has */
    unsigned returned; /* which */
    bool equal;        /* its application hash is the others' */
    int64_t rate_at, rate_height;
    double rate; /* blocks a second */
};

static void look(struct app *app)
{
    app->top = 0;
    for (unsigned i = 0; i < CHAIN_NODES; i++) {
        app->answers[i] =
            app->chain.nodes[i].up && chain_status(&app->chain, i, &app->status[i]) >= 0;
        if (app->answers[i]) app->top = SN_MAX(app->top, app->status[i].height);
    }
    int64_t now = sn_now();
    if (now - app->rate_at < 5 * SN_SEC) return;
    if (app->rate_at)
        app->rate = (double)(app->top - app->rate_height) * SN_SEC / (double)(now - app->rate_at);
    app->rate_at = now;
    app->rate_height = app->top;
}

static void send_some(struct app *app)
{
    char tx[64], base[96];
    for (unsigned k = 0; k < TXS_PER_STEP; k++) {
        unsigned to = (unsigned)(app->sent % CHAIN_NODES);
        snprintf(tx, sizeof(tx), "at%lld=%llu", (long long)sn_wall_now(),
                 (unsigned long long)app->sent++);
        if (app->opts.gateway.len)
            snprintf(base, sizeof(base), "%.*s", SN_STR_ARG(app->opts.gateway));
        else if (app->answers[to])
            snprintf(base, sizeof(base), "http://%s", app->chain.nodes[to].rpc);
        else
            continue;
        app->accepted += chain_send(&app->chain, base, tx) >= 0;
    }
}

/* ---- one validator's loss and return ---- */

static void enter(struct app *app, enum phase p)
{
    app->phase = p;
    app->phase_at = sn_now();
}
static unsigned other(const struct app *app) { return (app->victim + 1) % CHAIN_NODES; }

static int lose(struct app *app)
{
    app->victim = (unsigned)((app->returns + app->failures + 3) % CHAIN_NODES);
    app->lost_at = app->top;
    enter(app, DOWN);
    int r = chain_kill(&app->chain, app->victim);
    return r < 0 ? r : 0;
}
static int rejoin(struct app *app)
{
    struct chain_trust trust;
    int r = chain_wipe(&app->chain, app->victim);
    /* A block that is not the newest: the two servers have to have it. */
    if (r >= 0) r = chain_trust(&app->chain, other(app), app->top - 3, &trust);
    if (r >= 0) r = chain_start(&app->chain, app->victim, &trust);
    enter(app, REJOINING);
    return r;
}
static int check_return(struct app *app)
{
    char ours[65], theirs[65];
    const struct chain_status *s = &app->status[app->victim];
    if (!app->answers[app->victim] || s->catching_up || s->height < app->top - 2 || !s->height) {
        if (sn_now() - app->phase_at < REJOIN_NS_MAX) return 0;
        app->failures++;
        return sn_fail(SN_E_DEADLINE_EXCEEDED, "validator %u is not back after %lld s",
                       app->victim + 1, (long long)(REJOIN_NS_MAX / SN_SEC));
    }
    int r = chain_app_hash(&app->chain, app->victim, s->height, ours);
    if (r >= 0) r = chain_app_hash(&app->chain, other(app), s->height, theirs);
    if (r < 0) return 0; /* at the next look */
    app->equal = strcmp(ours, theirs) == 0;
    app->took_s = (double)(sn_now() - app->phase_at) / SN_SEC;
    app->restored = s->earliest;
    app->returned = app->victim;
    app->returns++;
    enter(app, STEADY);
    return 0;
}
static int step(struct app *app)
{
    int64_t since = sn_now() - app->phase_at;
    switch (app->phase) {
    /* A snapshot and the two blocks behind it must be there. */
    case STEADY: return since >= app->opts.every && app->top > 15 ? lose(app) : 0;
    case DOWN: return since >= DOWN_NS ? rejoin(app) : 0;
    case REJOINING: return check_return(app);
    }
    return 0;
}

/* ---- the card ---- */

static void sentence(const struct app *app, char *out, size_t cap)
{
    switch (app->phase) {
    case STEADY:
        if (app->returns)
            snprintf(out, cap,
                     "Four validators agree on block %lld; validator %u lost its disk and came "
                     "back in %.1f s.",
                     (long long)app->top, app->returned + 1, app->took_s);
        else
            snprintf(out, cap, "Four validators agree on block %lld.", (long long)app->top);
        break;
    case DOWN:
        snprintf(out, cap,
                 "Validator %u was killed at block %lld; the other three go on: block %lld.",
                 app->victim + 1, (long long)app->lost_at, (long long)app->top);
        break;
    case REJOINING:
        snprintf(out, cap,
                 "Validator %u has an empty disk and restores a snapshot of the others; they are "
                 "at block %lld.",
                 app->victim + 1, (long long)app->top);
        break;
    }
}
static int show(struct app *app)
{
    struct card c;
    char line[200], n[32], note[80];
    unsigned up = 0;
    for (unsigned i = 0; i < CHAIN_NODES; i++) up += app->answers[i];
    sentence(app, line, sizeof(line));
    card_begin(&c, "ok", "%s", line);
    card_fact(&c, "Block", "", NULL, "%s", card_number((uint64_t)app->top, n));
    if (app->rate > 0) card_fact(&c, "Blocks", "/s", NULL, "%.1f", app->rate);
    card_fact_state(&c, up >= 3, "Validators", "", "three are enough", "%u of %u", up, CHAIN_NODES);
    snprintf(note, sizeof(note), "of %s sent%s", card_number(app->sent, n),
             app->opts.gateway.len ? " through the gateway" : "");
    char m[32];
    card_fact(&c, "Transactions", "", note, "%s", card_number(app->accepted, m));
    if (app->returns) {
        snprintf(note, sizeof(note), "its blocks begin at %s",
                 card_number((uint64_t)app->restored, n));
        card_fact_state(&c, app->restored > 1, "State sync", "s", note, "%.1f", app->took_s);
        card_fact_state(&c, app->equal, "Application hash", "", "the returned node's and another's",
                        "%s", app->equal ? "equal" : "different");
        card_fact(&c, "Losses", "", NULL, "%s", card_number(app->returns, n));
    }
    return card_end(&c, NULL, NULL);
}

/* ---- the program ---- */

static int until_up(struct app *app)
{
    for (int64_t until = sn_now() + 30 * SN_SEC; sn_now() < until;) {
        look(app);
        if (app->top > 0) return 0;
        int r = sn_sleep(200 * SN_MS);
        if (r < 0) return r;
    }
    return sn_fail(SN_E_UNAVAILABLE, "the validators make no block");
}
static int run(struct app *app)
{
    int r = chain_open(&app->chain);
    for (unsigned i = 0; i < CHAIN_NODES && r >= 0; i++) r = chain_start(&app->chain, i, NULL);
    if (r >= 0) r = until_up(app);
    enter(app, STEADY);
    while (r >= 0) {
        look(app);
        send_some(app);
        r = step(app);
        if (r >= 0) r = show(app);
        if (app->opts.rounds && app->returns == app->opts.rounds) break;
        if (r >= 0) r = sn_sleep(STEP_NS);
    }
    return r;
}

static int on_signal(void *arg)
{
    static const int signals[] = {SIGTERM, SIGINT, 0};
    int r = sn_signal_wait(signals);
    return r < 0 ? r : SN_E_CANCELLED; /* ends the scope */
}
static int runs(void *arg)
{
    int r = run(arg);
    return r < 0 ? r : SN_E_CANCELLED;
}
static int validators_main(void *arg)
{
    struct app *app = arg;
    struct sn_scope_storage mem;
    int r = sn_http_client_new(NULL, &app->chain.http);
    if (r < 0) return r;
    struct sn_scope *scope = sn_scope_begin(&mem);
    r = sn_scope_go(scope, "signals", on_signal, NULL);
    if (r >= 0) r = sn_scope_go(scope, "chain", runs, app);
    int ended = sn_scope_end(scope);
    chain_stop(&app->chain);
    sn_http_client_free(app->chain.http);
    if (r < 0) return r;
    return ended == SN_E_CANCELLED ? 0 : ended;
}

static int validators_run(const struct sn_cli_call *call)
{
    static struct app app;
    app.opts = *(const struct opts *)call->opts;
    app.chain = (struct chain){.sennit = sn_arena_str(call->arena, app.opts.sennit).ptr,
                               .dir = sn_arena_str(call->arena, app.opts.dir).ptr,
                               .port = (unsigned)app.opts.port};
    if (!app.chain.sennit || !app.chain.dir) return SN_E_NOMEM;
    return sn_rt_run(&(struct sn_rt_opts){.workers = 1}, validators_main, &app);
}

int main(int argc, char **argv)
{
    static const struct sn_cli_command command = {
        .name = "validators",
        .brief = "A chain of four validators, of which one loses its disk now and then.",
        .table = &table,
        .run = validators_run};
    static const struct sn_cli_command *const commands[] = {&command, NULL};
    static const struct sn_cli_program program = {.name = "validators",
                                                  .version = SN_VERSION,
                                                  .commands = commands};
    return sn_cli_main(&program, argc, argv);
}
