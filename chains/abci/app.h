/* SPDX-License-Identifier: Apache-2.0 */
/* abci/app.h - writing an application for CometBFT 0.38, or for Sennit's own node: ABCI 2.0.
 *
 *   static int check_tx(struct sn_abci_call *c, const struct tendermint_abci_request_check_tx *req,
 *                       struct tendermint_abci_response_check_tx *res)
 *   {
 *       res->code = req->tx.len < 100 ? 0 : 1;
 *       return 0;
 *   }
 *   struct sn_abci_app app = {.name = "mine", .check_tx = check_tx};
 *   sn_abci_serve(&app, &(struct sn_abci_server_opts){.addr = "unix:///run/mine.sock"});
 *
 * Requests and responses are the messages of tendermint/abci/types.proto as C structs. A response
 * comes zeroed; what a callback adds to it lives in c->arena, which dies with the call, or longer,
 * or in the request, which lives until the answer is sent and not beyond: what is kept is copied.
 *
 * A callback that is NULL does the least that keeps a chain going: accepts every transaction and
 * proposal, proposes what fits, extends votes with nothing, has no snapshots.
 *
 * A callback that returns < 0 says that the application cannot go on: the node is told why (an
 * exception on a socket, a status by gRPC) and stops. What is wrong with a transaction is not that,
 * but a code in the response.
 *
 * One lock is held around every callback but those named in `concurrent`. Source:
 * docs.cometbft.com/v0.38/spec/abci. */
#pragma once
#include "core/arena.h"
#include "core/str.h"
#include "fiber/sync.h"
#include "tendermint/abci/types.pb.h"

#define SN_ABCI_VERSION "2.0.0"
/* Largest message either way, unless an option says otherwise: a block of 100 MiB in a request. */
#define SN_ABCI_MESSAGE_MAX (128u << 20)

/* What an application answers, and behind it all methods, in the order of the service. */
#define SN_ABCI_APP_METHODS(X)                                                                  \
    X(info, INFO)                                                                               \
    X(check_tx, CHECK_TX) X(query, QUERY) X(commit, COMMIT) X(init_chain, INIT_CHAIN)           \
        X(list_snapshots, LIST_SNAPSHOTS) X(offer_snapshot, OFFER_SNAPSHOT)                     \
            X(load_snapshot_chunk, LOAD_SNAPSHOT_CHUNK)                                         \
                X(apply_snapshot_chunk, APPLY_SNAPSHOT_CHUNK)                                   \
                    X(prepare_proposal, PREPARE_PROPOSAL) X(process_proposal, PROCESS_PROPOSAL) \
                        X(extend_vote, EXTEND_VOTE)                                             \
                            X(verify_vote_extension, VERIFY_VOTE_EXTENSION)                     \
                                X(finalize_block, FINALIZE_BLOCK)
#define SN_ABCI_METHODS(X) X(echo, ECHO) X(flush, FLUSH) SN_ABCI_APP_METHODS(X)

enum sn_abci_method {
#define X(name, NAME) SN_ABCI_##NAME,
    SN_ABCI_METHODS(X)
#undef X
        SN_ABCI_METHOD_COUNT,
};
#define SN_ABCI_BIT(method) (1u << (method))
/* For `concurrent`: all that does not change the state. */
#define SN_ABCI_READS                                                                         \
    (SN_ABCI_BIT(SN_ABCI_INFO) | SN_ABCI_BIT(SN_ABCI_CHECK_TX) | SN_ABCI_BIT(SN_ABCI_QUERY) | \
     SN_ABCI_BIT(SN_ABCI_LIST_SNAPSHOTS) | SN_ABCI_BIT(SN_ABCI_LOAD_SNAPSHOT_CHUNK))

struct sn_abci_app;
/* One call of a callback. */
struct sn_abci_call {
    struct sn_abci_app *app;
    struct sn_arena *arena; /* for what the response points to */
};

struct sn_abci_app {
    const char *name;    /* in logs and errors */
    void *self;          /* the application's own */
    unsigned concurrent; /* SN_ABCI_BIT of methods called without the lock, from many fibers */
    /* How many pipelined requests of one connection may be in `concurrent` callbacks at a time,
     * each in a fiber of its own; up to SN_ABCI_PARALLEL_MAX. 0 and 1: one after the other, the
     * fastest where callbacks never wait. */
    unsigned parallel;
#define X(name, NAME)                                                                      \
    int (*name)(struct sn_abci_call * c, const struct tendermint_abci_request_##name *req, \
                struct tendermint_abci_response_##name *res);
    SN_ABCI_APP_METHODS(X)
#undef X
    /* Whether a chunk of the snapshot offered last need not be fetched, because the application has
     * it. No part of ABCI: for a node that runs the application in its own process. May be NULL. */
    bool (*snapshot_chunk_known)(struct sn_abci_app *app, uint32_t index);
    struct sn_mutex lock; /* of app.c */
};
#define SN_ABCI_PARALLEL_MAX 256u

/* What is common to the messages of a method. */
struct sn_abci_method_info {
    const char *name; /* "check_tx" */
    const struct sn_pb_desc *req, *res;
    uint32_t req_case, res_case; /* field numbers in Request and Response */
};
/* sn_abci_method_info - Context: any thread; `m` is below SN_ABCI_METHOD_COUNT. */
const struct sn_abci_method_info *sn_abci_method_info(enum sn_abci_method m);
/* sn_abci_method_by_name - "check_tx" or "check-tx". Returns the method or SN_E_NOT_FOUND, without
 * diagnostic. */
int sn_abci_method_by_name(struct sn_str name) SN_MUST_CHECK;

/* sn_abci_app_call - what every way in comes to: the callback, or what stands for it, under the
 * lock where it wants that. req and *ret are the method's messages; *ret is in `a`. Returns 0 or
 * what the callback says; SN_E_NOMEM; SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED before it began. A
 * callback's panic goes through, with the lock released. Suspends where callbacks do. */
int sn_abci_app_call(struct sn_abci_app *app, enum sn_abci_method m, const void *req,
                     struct sn_arena *a, void **ret) SN_MUST_CHECK;
/* sn_abci_app_try - the same, but a panic is SN_E_PANIC: what servers call. */
int sn_abci_app_try(struct sn_abci_app *app, enum sn_abci_method m, const void *req,
                    struct sn_arena *a, void **ret) SN_MUST_CHECK;
