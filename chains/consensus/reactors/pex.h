/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/reactors/pex.h - keeps the node in company: asks peers for addresses (p2p/pex.h), dials
 * those of the address book until there are enough outbound peers, and keeps the book on the disk.
 *
 * A seed (seed_mode) has no company: it answers each node that comes once and hangs up, and goes
 * round the addresses it knows, asks each for more and hangs up. Source: CometBFT v0.38.25 p2p/pex;
 * spec/p2p/pex. */
#pragma once
#include "consensus/p2p/pex.h"
#include "consensus/p2p/switch.h"

#define SN_PEX_SAVE_NS (2 * SN_MINUTE)
#define SN_PEX_ATTEMPTS_MAX                                                                       \
    16u                          /* dials of one address that failed; then it is banned for a day \
                                  */
#define SN_PEX_HISTORY_MAX 1024u /* addresses whose failed dials, or visits, are remembered */
#define SN_PEX_VISIT_NS (2 * SN_MINUTE) /* of a seed: not sooner again to the same address */
#define SN_PEX_ANSWER_NS (10 * SN_SEC)  /* of a seed: how long it waits for addresses */
#define SN_PEX_STAY_NS (5 * SN_MINUTE)  /* of a seed: who has not asked by then is sent away */
#define SN_PEX_VISITORS 8u              /* of a seed: visits at a time */

struct sn_pex_reactor;
struct sn_pex_reactor_opts {
    struct sn_switch *sw; /* with a book */
    /* "ID@HOST:PORT", NULL-ended: asked where the book has nobody to dial; names may not resolve
     * yet. */
    const char *const *seeds;
    bool seed_mode;
    const char *book_path; /* NULL: the book is not saved */
    int64_t period_ns;     /* 0: SN_PEX_PERIOD_NS */
};
/* sn_pex_book_open - the book of a file, or an empty one where there is none; `private_ids` (may be
 * NULL, NULL-ended) never get into it. What is damaged in the file is left out, and said in the
 * log. Returns 0, SN_E_SYNTAX (not JSON), as sn_book_new, sn_file_read. Owns: sn_book_free.
 * Suspends. */
int sn_pex_book_open(const char *path, const struct sn_book_opts *o, const char *const *private_ids,
                     struct sn_book **ret) SN_MUST_CHECK;
/* sn_pex_reactor_new - adds its reactor to the switch. opts' strings are borrowed. Returns 0,
 * SN_E_SYNTAX (a seed's address), as sn_switch_add_reactor; SN_E_NOMEM. */
int sn_pex_reactor_new(const struct sn_pex_reactor_opts *o,
                       struct sn_pex_reactor **ret) SN_MUST_CHECK;
/* sn_pex_reactor_free - after the switch's run has ended. */
void sn_pex_reactor_free(struct sn_pex_reactor *x);
/* sn_pex_reactor_run - until cancelled, beside sn_switch_run; saves the book in the end. Returns
 * SN_E_CANCELLED, SN_E_NOMEM. Suspends. */
int sn_pex_reactor_run(struct sn_pex_reactor *x) SN_MUST_CHECK;
