/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/board.h - the board: one page and the JSON behind it, metrics and profiles, for one node.
 */
#pragma once
#include "core/base.h"
#include "core/status.h"

struct sn_gateway;
struct sn_supervisor;
struct sn_exhibits;
struct sn_contracts;
struct sn_board;

#define SN_BOARD_EVENTS_MAX 200u
#define SN_BOARD_EVENT_BYTES 240u
/* The JSON is made at most this often, however many pages are open. */
#define SN_BOARD_CACHE_NS (250 * SN_MS)
#define SN_BOARD_SUPERVISORS_MAX 4u

struct sn_board_opts {
    const char *node_name, *version; /* borrowed for the board's life, like what follows */
    const char *address;
    struct sn_supervisor *supervisors[SN_BOARD_SUPERVISORS_MAX]; /* NULLs are skipped */
    struct sn_exhibits *exhibits;   /* NULL = none */
    struct sn_contracts *contracts; /* for the contract page */
};

/* sn_board_new - binds the address; nothing is accepted yet. Returns 0, sn_listen's errors,
 * SN_E_NOMEM. Owns: *ret until sn_board_free. Suspends. */
int sn_board_new(const struct sn_board_opts *opts, struct sn_board **ret) SN_MUST_CHECK;
/* sn_board_set_gateway - whose routes are shown; before sn_board_serve. */
void sn_board_set_gateway(struct sn_board *b, struct sn_gateway *gw);
/* sn_board_address - "127.0.0.1:7070", as bound. */
const char *sn_board_address(const struct sn_board *b);
/* sn_board_serve - answers until sn_board_drain. Returns 0 or the listener's failure. Suspends. */
int sn_board_serve(struct sn_board *b) SN_MUST_CHECK;
/* sn_board_drain - ends sn_board_serve; answers in flight have grace_ns. Suspends. */
void sn_board_drain(struct sn_board *b, int64_t grace_ns);
void sn_board_free(struct sn_board *b);

/* sn_board_event - adds to the list of events; level "info", "warn" or "error". Texts are cut at
 * SN_BOARD_EVENT_BYTES. Any thread, never suspends. */
void sn_board_event(struct sn_board *b, const char *level, const char *text);
