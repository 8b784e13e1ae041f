/* SPDX-License-Identifier: Apache-2.0 */
/* abci/server_int.h - a connection of the socket server, for server.c and server_parallel.c. */
#pragma once
#include "abci/codec.h"
#include "abci/server.h"
#include "fiber/net.h"

#define READ_BYTES (32u << 10)
#define WRITE_BYTES (64u << 10) /* answers are gathered up to here */
#define KEEP_BYTES (1u << 20)   /* a larger buffer goes back once it is empty */

struct abci_conn {
    struct sn_abci_server *s;
    struct sn_stream *st;
    struct sn_buf in;
    size_t off; /* of `in`: where the next message begins */
};

struct sn_abci_app *abci_server_app(const struct sn_abci_server *s);
/* abci_conn_next - the next whole message in *ret_body, borrowed from c->in until the next call.
 * Returns 1; 0 where nothing more is here without waiting; SN_E_*. */
int abci_conn_next(struct abci_conn *c, struct sn_str *ret_body) SN_MUST_CHECK;
/* abci_conn_read - reads at least a byte. Returns 0, SN_E_EOF at the end, in or between messages;
 * SN_E_*. Suspends. */
int abci_conn_read(struct abci_conn *c) SN_MUST_CHECK;
/* abci_answer - one request to one answer appended to `out`. Returns 0, or < 0 where that was an
 * exception and the last word. */
int abci_answer(struct sn_abci_app *app, enum sn_abci_method m, const void *req, struct sn_arena *a,
                struct sn_buf *out) SN_MUST_CHECK;
int abci_answer_failure(int r, struct sn_buf *out);
/* abci_conn_parallel - serves a connection whose requests may overtake each other inside. */
int abci_conn_parallel(struct abci_conn *c) SN_MUST_CHECK;

/* server_grpc.c */
struct abci_grpc;
int abci_grpc_new(struct sn_abci_app *app, size_t message_max,
                  struct abci_grpc **ret) SN_MUST_CHECK;
int abci_grpc_serve(struct abci_grpc *g, struct sn_listener *l) SN_MUST_CHECK;
void abci_grpc_stop(struct abci_grpc *g);
void abci_grpc_free(struct abci_grpc *g);
