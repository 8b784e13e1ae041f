/* SPDX-License-Identifier: Apache-2.0 */
/* abci/client.h - the node's side: an application in this process, behind a socket, or behind gRPC,
 * by one interface; and the four connections a node has to it.
 *
 * Calls come from any fiber on any worker, as many at once as there are; on a socket each leaves at
 * once, several that are ready together leave in one write with one Flush behind them. In this
 * process a call is the callback itself: what the application lets run concurrently (CheckTx, say)
 * takes no lock that any other call takes.
 *
 * A connection fails once and for good: when the socket breaks, when the answer is none, when the
 * application reports an exception. Every call in progress and every later one returns the failure.
 * CometBFT ends the node then, because a restarted application may have another state than the one
 * talked to so far; so does sn_abci_conns_wait's caller. Nothing reconnects by itself after the
 * first connection, which is waited for. Source: CometBFT 0.38, proxy and abci/client. */
#pragma once
#include "abci/app.h"

#define SN_ABCI_PIPELINE_MAX 4096u    /* requests on a socket without an answer */
#define SN_ABCI_RETRY_NS (3 * SN_SEC) /* between attempts of the first connection */

struct sn_abci_client_opts {
    const char *addr; /* as of struct sn_abci_server_opts */
    bool grpc;
    bool must_connect;       /* the first attempt to connect is the last */
    size_t message_max;      /* bytes; 0: SN_ABCI_MESSAGE_MAX */
    unsigned pipeline_max;   /* calls beyond it wait; 0: SN_ABCI_PIPELINE_MAX */
    int64_t retry_ns;        /* 0: SN_ABCI_RETRY_NS */
    const char *name;        /* in errors and logs: "consensus"; borrowed; NULL: "abci" */
    struct sn_event *failed; /* set with the failure, too; borrowed; may be NULL */
};
struct sn_abci_client;
/* sn_abci_client_open - connects; tries again every retry_ns until it can or the fiber's deadline
 * has come. Returns 0; SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED; SN_E_SYNTAX (address), SN_E_NOMEM;
 * with must_connect also as sn_dial. Owns: sn_abci_client_close. Suspends. */
int sn_abci_client_open(const struct sn_abci_client_opts *o,
                        struct sn_abci_client **ret) SN_MUST_CHECK;
/* sn_abci_client_local - a connection to `app` in this process. name, failed: as above.
 * Returns 0, SN_E_NOMEM. */
int sn_abci_client_local(struct sn_abci_app *app, const char *name, struct sn_event *failed,
                         struct sn_abci_client **ret) SN_MUST_CHECK;
/* sn_abci_client_close - accepts NULL. No call may be in progress. */
void sn_abci_client_close(struct sn_abci_client *c);

/* sn_abci_client_call - one request. *ret: the method's response, in `a`; in this process it may
 * borrow the request.
 * Returns 0; SN_E_ABORTED (the application reported an exception), SN_E_UNAVAILABLE (the connection
 * has failed; the diagnostic says why), SN_E_PROTOCOL and SN_E_SYNTAX (the answer is none),
 * SN_E_TOO_LARGE; in this process and by gRPC also what the application returned: all of these are
 * failures of the connection. SN_E_NOMEM, SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED are not: the
 * answer is dropped when it comes. Suspends. */
int sn_abci_client_call(struct sn_abci_client *c, enum sn_abci_method m, const void *req,
                        struct sn_arena *a, void **ret) SN_MUST_CHECK;
/* sn_abci_client_failure - 0 while the connection works, else what it failed with, as the
 * diagnostic.
 */
int sn_abci_client_failure(struct sn_abci_client *c);

/* sn_abci_METHOD - sn_abci_client_call by type: sn_abci_check_tx(c, &req, arena, &res). */
#define X(name, NAME)                                                               \
    SN_MUST_CHECK static inline int sn_abci_##name(                                 \
        struct sn_abci_client *c, const struct tendermint_abci_request_##name *req, \
        struct sn_arena *a, struct tendermint_abci_response_##name **ret)           \
    {                                                                               \
        void *res;                                                                  \
        int r = sn_abci_client_call(c, SN_ABCI_##NAME, req, a, &res);               \
        if (r >= 0) *ret = (struct tendermint_abci_response_##name *)res;           \
        return r;                                                                   \
    }
SN_ABCI_METHODS(X)
#undef X

/* ---- the node's four --------------------------------------------------------------------------
 */

struct sn_abci_conns {
    struct sn_abci_client *consensus, *mempool, *query, *snapshot;
    struct sn_event failed;
};
/* sn_abci_conns_open, _local - all four, or none. name and failed of `o` are not used. *ret must
 * not move afterwards. Return as sn_abci_client_open, _local. Suspend. */
int sn_abci_conns_open(const struct sn_abci_client_opts *o,
                       struct sn_abci_conns *ret) SN_MUST_CHECK;
int sn_abci_conns_local(struct sn_abci_app *app, struct sn_abci_conns *ret) SN_MUST_CHECK;
/* sn_abci_conns_observe - fn hears of each call that is answered, and how long it took; from the
 * fiber that called. Before the first call; cs is open. fn must not suspend. */
void sn_abci_conns_observe(struct sn_abci_conns *cs,
                           void (*fn)(void *arg, enum sn_abci_method m, int64_t ns), void *arg);
/* sn_abci_conns_wait - until one fails. Returns its failure; SN_E_CANCELLED,
 * SN_E_DEADLINE_EXCEEDED while all work. Suspends. */
int sn_abci_conns_wait(struct sn_abci_conns *cs) SN_MUST_CHECK;
void sn_abci_conns_close(struct sn_abci_conns *cs);
