/* SPDX-License-Identifier: Apache-2.0 */
/* abci/server.h - an application for nodes in other processes: over a Unix or TCP socket, or by
 * gRPC.
 *
 * On a socket answers leave in the order of the requests, as soon as they are there: a Flush is
 * answered, and changes nothing. What one read brought is answered by one write. After an
 * exception, or a message that is none, the connection is closed. */
#pragma once
#include "abci/app.h"

#define SN_ABCI_CONNS_MAX 64u

struct sn_abci_server_opts {
    /* "unix:///run/app.sock", "tcp://127.0.0.1:26658", "127.0.0.1:26658"; an empty host is
     * loopback. NULL: "tcp://127.0.0.1:26658". */
    const char *addr;
    bool grpc;
    size_t message_max; /* bytes; 0: SN_ABCI_MESSAGE_MAX */
    unsigned conns_max; /* 0: SN_ABCI_CONNS_MAX; one more is closed as soon as it comes */
    unsigned unix_mode; /* permission bits of a Unix socket; 0: 0600 */
};
struct sn_abci_server;
/* sn_abci_server_new - binds. app and the strings of `o` are borrowed. Returns 0, SN_E_NOMEM,
 * SN_E_INVALID_ARGUMENT, and as sn_listen. Owns: sn_abci_server_free. Context: a fiber. */
int sn_abci_server_new(struct sn_abci_app *app, const struct sn_abci_server_opts *o,
                       struct sn_abci_server **ret) SN_MUST_CHECK;
/* sn_abci_server_run - serves until sn_abci_server_stop; then callbacks that wait are cancelled,
 * and no connection is left. Once. Returns 0, SN_E_CANCELLED. Suspends. */
int sn_abci_server_run(struct sn_abci_server *s) SN_MUST_CHECK;
/* sn_abci_server_stop - Context: any fiber while the server is not freed; does not wait. */
void sn_abci_server_stop(struct sn_abci_server *s);
/* sn_abci_server_addr - where it listens, as an address of fiber/net.h. Returns length or SN_E_*.
 */
int sn_abci_server_addr(struct sn_abci_server *s, char *out, size_t cap);
/* sn_abci_server_free - accepts NULL; not while it runs. */
void sn_abci_server_free(struct sn_abci_server *s);

/* sn_abci_serve - all of that in one, until SIGTERM or SIGINT: a program's main function in its
 * runtime. Returns 0, or as sn_abci_server_new. Suspends. */
int sn_abci_serve(struct sn_abci_app *app, const struct sn_abci_server_opts *o) SN_MUST_CHECK;

/* sn_abci_addr - CometBFT's spelling of an address ("tcp://", "unix://", none) in fiber/net.h's.
 * Returns 0, SN_E_SYNTAX, SN_E_TOO_LARGE where it does not fit into cap. */
int sn_abci_addr(const char *text, char *out, size_t cap) SN_MUST_CHECK;
#define SN_ABCI_ADDR_MAX 160
