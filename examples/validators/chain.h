/* SPDX-License-Identifier: Apache-2.0 */
/* examples/validators/chain.h - a chain on loopback: the homes of its validators, their processes,
 * and what they say over RPC. */
#pragma once
#include "core/arena.h"
#include "fiber/os.h"
#include "kit/http.h"

#define CHAIN_NODES 4u
#define CHAIN_BLOCK_TIME "400ms"
#define CHAIN_SNAPSHOT_BLOCKS "10" /* a snapshot of the application every so many */

struct chain_node {
    struct sn_proc proc;
    bool up;
    char home[SN_FILE_PATH_MAX], rpc[64]; /* rpc: HOST:PORT */
    char peer[128];                       /* ID@HOST:PORT */
};
struct chain {
    const char *sennit; /* the program */
    const char *dir;
    unsigned port; /* RPC at port .. port + 3, peers at port + 10 .. */
    struct sn_http_client *http;
    struct chain_node nodes[CHAIN_NODES];
};
/* chain_open - homes in `dir`, made where there are none. Returns 0, SN_E_FAILED_PRECONDITION where
 * a command fails. Suspends, as all here. */
int chain_open(struct chain *c) SN_MUST_CHECK;
/* chain_start - a node. sync: NULL, or whom it trusts to restore a snapshot by. */
struct chain_trust {
    int64_t height;
    char hash[65];
};
int chain_start(struct chain *c, unsigned i, const struct chain_trust *sync) SN_MUST_CHECK;
/* chain_kill - as a power failure would. chain_stop - all, in order. */
int chain_kill(struct chain *c, unsigned i);
void chain_stop(struct chain *c);
/* chain_wipe - a stopped node gets a new disk: everything is gone but its keys and what its
 * validator has signed. */
int chain_wipe(struct chain *c, unsigned i) SN_MUST_CHECK;

struct chain_status {
    int64_t height, earliest;
    bool catching_up;
};
/* chain_status - what a node says of itself. Returns 0, SN_E_UNAVAILABLE and its kin while it does
 * not answer. */
int chain_status(struct chain *c, unsigned i, struct chain_status *ret) SN_MUST_CHECK;
/* chain_trust - the hash of a block that node i has. */
int chain_trust(struct chain *c, unsigned i, int64_t height, struct chain_trust *ret) SN_MUST_CHECK;
/* chain_app_hash - in the header of a height. */
int chain_app_hash(struct chain *c, unsigned i, int64_t height, char ret[65]) SN_MUST_CHECK;
/* chain_send - a transaction, over `base` ("http://HOST:PORT" or a gateway's route). Returns 0
 * where it was accepted. */
int chain_send(struct chain *c, const char *base, const char *tx) SN_MUST_CHECK;
