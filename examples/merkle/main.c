/* SPDX-License-Identifier: Apache-2.0 */
/* examples/merkle - knowing a secret of one of 1,024 members, proved without saying whose it is: a
 * Merkle tree over Poseidon, the circuit compiled from merkle.circom, a Groth16 proof checked here
 * and by the exported contract on a development node.
 *
 *   merkle                one proof
 *   merkle --every 30s    goes on, each time for another member
 *
 * Without npm's anvil and solc the contract's part is left out, and the card says so. */
#include <stdio.h>

#include "chain.h"
#include "core/alloc.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "exhibit/card.h"
#include "fiber/fiber.h"
#include "kit/cli.h"

struct opts {
    uint64_t port;
    int64_t every;
};
static const struct sn_conf_field fields[] = {
    SN_CONF_UINT(struct opts, port, "port", .max = 65535,
                 .help = "Where anvil listens on loopback; 0: a free port."),
    SN_CONF_DURATION(struct opts, every, "every", .max = SN_HOUR,
                     .help = "Prove again so long after a proof; 0: once."),
};
static const struct sn_conf_table table = SN_CONF_TABLE(struct opts, fields);

struct app {
    struct opts opts;
    struct poseidon hash;
    struct tree tree;
    struct circuit circuit;
    struct sn_arena arena;
    struct chain chain;
    bool on_chain;
    char why_not[160];
    unsigned proofs;
};

static double ms(int64_t ns) { return (double)ns / SN_MS; }

/* 4 significant digits or so, whatever the size. */
static void time_fact(struct card *c, const char *label, const char *note, int64_t ns)
{
    if (ns >= SN_SEC)
        card_fact(c, label, "s", note, "%.2f", ms(ns) / 1000);
    else
        card_fact(c, label, "ms", note, "%.*f", ns < 10 * SN_MS ? 2 : ns < 100 * SN_MS ? 1 : 0,
                  ms(ns));
}

static int show(const struct app *app, const struct proved *p, const struct judged *j)
{
    struct card c;
    char note[200], number[32];
    const struct circuit *k = &app->circuit;
    bool good = p->verified && p->refused && (!app->on_chain || (j->accepted && j->refused));
    card_begin(&c, good ? "ok" : "error",
               "Proof %u: one of %s members knows a secret. Which one it is, the proof does not say.",
               app->proofs, card_number(TREE_MEMBERS, number));
    snprintf(note, sizeof(note), "compiled from circom in %.0f ms", ms(k->compile_ns));
    card_fact(&c, "Constraints", "", note, "%s", card_number(k->system.n_rows, number));
    time_fact(&c, "Setup", "keys for this run; real ones come from a ceremony", k->setup_ns);
    time_fact(&c, "Witness", "every signal of the circuit", p->witness_ns);
    time_fact(&c, "Proof", "256 bytes", p->prove_ns);
    snprintf(note, sizeof(note), "in %.2f ms; with another root %s", ms(p->verify_ns),
             p->refused ? "refused" : "accepted, which is wrong");
    card_fact_state(&c, p->verified && p->refused, "Verified here", "", note, "%s",
                    p->verified ? "yes" : "no");
    if (app->on_chain) {
        snprintf(note, sizeof(note), "%s gas; with another root %s", card_number(j->gas, number),
                 j->refused ? "refused" : "accepted, which is wrong");
        card_fact_state(&c, j->accepted && j->refused, "Verified on chain", "", note, "%s",
                        j->accepted ? "yes" : "no");
    } else {
        card_fact(&c, "Verified on chain", "", app->why_not, "not tried");
    }
    return card_end(&c, app->on_chain ? "Look into the verifier" : NULL, "/contracts#Groth16Verifier");
}

static int one_round(struct app *app)
{
    struct proved p = {0};
    struct judged j = {0};
    unsigned member = (unsigned)(sn_random() % TREE_MEMBERS);
    app->proofs++;
    int r = circuit_prove(&app->circuit, &app->tree, member, &p);
    if (r >= 0 && app->on_chain) r = chain_judge(&app->chain, &p, &j);
    return r < 0 ? r : show(app, &p, &j);
}

static int run(struct app *app)
{
    int r = circuit_setup(&app->circuit);
    if (r < 0) return r;
    r = chain_open(&app->chain, &app->arena, &app->circuit.vkey, (unsigned)app->opts.port);
    app->on_chain = r >= 0;
    if (r == SN_E_CANCELLED) return r;
    if (r == SN_E_NOT_FOUND)
        snprintf(app->why_not, sizeof(app->why_not),
                 "needs anvil and solcjs: npm install -g @foundry-rs/anvil solc");
    else if (r < 0)
        snprintf(app->why_not, sizeof(app->why_not), "%s", sn_diag_str(r));
    do {
        r = one_round(app);
        if (r >= 0 && app->opts.every) r = sn_sleep(app->opts.every);
    } while (r >= 0 && app->opts.every);
    if (app->on_chain) chain_close(&app->chain);
    return r;
}
static int run_main(void *arg) { return run(arg); }

static int merkle_run(const struct sn_cli_call *call)
{
    struct app *app = SN_NEW(struct app);
    if (!app) return SN_E_NOMEM;
    app->opts = *(const struct opts *)call->opts;
    sn_arena_init(&app->arena, NULL, 0);
    poseidon_init(&app->hash);
    int r = tree_init(&app->tree, &app->hash);
    if (r >= 0) r = circuit_compile(&app->circuit, &app->hash);
    if (r >= 0) r = sn_rt_run(NULL, run_main, app);
    circuit_done(&app->circuit);
    sn_arena_done(&app->arena);
    sn_wipe(app->tree.secret, sizeof(app->tree.secret));
    sn_free(app);
    return r;
}

int main(int argc, char **argv)
{
    static const struct sn_cli_command command = {
        .name = "merkle",
        .brief = "Proves membership in a Merkle tree without saying whose.",
        .table = &table,
        .run = merkle_run};
    static const struct sn_cli_command *const commands[] = {&command, NULL};
    static const struct sn_cli_program program = {
        .name = "merkle", .version = SN_VERSION, .commands = commands};
    return sn_cli_main(&program, argc, argv);
}
