/* SPDX-License-Identifier: Apache-2.0 */
/* abci/client_int.h - what the three kinds of connection share. */
#pragma once
#include "abci/client.h"

struct abci_client_ops {
    int (*call)(struct sn_abci_client *c, enum sn_abci_method m, const void *req,
                struct sn_arena *a, void **ret);
    void (*close)(struct sn_abci_client *c);
};
struct sn_abci_client {
    const struct abci_client_ops *ops;
    const char *name;
    struct sn_event *also;
    void (*observe)(void *arg, enum sn_abci_method m, int64_t ns); /* may be NULL */
    void *observer;
    struct sn_mutex failing;
    _Atomic int failure; /* set last: what `why` says is then there */
    char why[SN_DIAG_BYTES];
};
void abci_client_init(struct sn_abci_client *c, const struct abci_client_ops *ops, const char *name,
                      struct sn_event *also);
/* abci_client_fail - the first one counts; takes the text of the diagnostic. Returns r. */
int abci_client_fail(struct sn_abci_client *c, int r);
/* abci_client_fatal - whether a call's failure is the connection's. */
bool abci_client_fatal(int r);
/* abci_dial_again - after a failed attempt to connect: waits, unless it was the last. Returns 0 to
 * try again, or what to give up with. */
int abci_dial_again(const struct sn_abci_client_opts *o, int r) SN_MUST_CHECK;

int abci_socket_open(const struct sn_abci_client_opts *o,
                     struct sn_abci_client **ret) SN_MUST_CHECK;
int abci_grpc_open(const struct sn_abci_client_opts *o, struct sn_abci_client **ret) SN_MUST_CHECK;
