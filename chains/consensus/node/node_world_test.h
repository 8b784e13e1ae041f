/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/node_world_test.h - nodes of engine, executor, signer and kvstore on the simulator's
 * hosts and disks. The network hands encoded messages from engine to engine, late and some never; a
 * fiber per node repeats what others lack. What a crash leaves is the simulated disk's (log, signer,
 * application) and stores in memory, whose batches are whole or not there. */
#pragma once
#include "chains/abci/kvstore.h"
#include "consensus/node/engine.h"
#include "fiber/sim.h"
#include "fiber/sync.h"

#define WORLD_NODES_MAX 4
#define WORLD_HEIGHTS_MAX 64

/* Applications whose ExtendVote and VerifyVoteExtension do not fit together. */
enum ext_fault {
    EXT_FINE,
    EXT_BAD,     /* what node 0 adds to its votes the others refuse */
    EXT_REFUSES, /* node 0 refuses what the others add */
    EXT_NOBODY,  /* everybody refuses what anybody else adds */
};

struct world_opts {
    uint64_t seed;
    int n;
    int64_t target;
    unsigned crashes;    /* of node 0 and others, as the seed has it; 0: none */
    bool extensions;     /* vote extensions from height 1 */
    double loss;         /* of messages; what is lost comes again */
    int64_t retain;      /* blocks the application lets the node keep; 0: all */
    bool forgetful_app;  /* the application's disk is wiped by each crash */
    int64_t initial_height; /* 0: 1 */
    /* Node 0 fails at height 5, comes back and catches up: a disk's operation ("write", "fsync")
     * with that code, or the application where fail_app. why: what its error must say. */
    const char *fault, *why;
    int fault_code;
    bool fail_app;
    bool stall; /* applications refuse every block for 200 rounds; then node 0 restarts */
    enum ext_fault ext_fault; /* needs extensions */
    int64_t double_sign_check; /* node 0 is killed at height 5 and started again with this many */
    bool equivocate; /* at height 4 node 0 gets a second prevote of the last validator */
};
/* Which of its three heights were ahead when a node came back. */
enum world_case { CASE_EVEN, CASE_BLOCK, CASE_COMMITTED, CASE_APP_BEHIND, CASE_COUNT };
struct world_node {
    struct world *w;
    int id;
    struct sn_sim_host *host;
    struct sn_kv *blocks_kv, *states_kv; /* the disk, as far as it is not the host's */
    struct sn_cons_block_store *blocks;
    struct sn_engine *engine; /* NULL: down */
    struct sn_chan *out;      /* of struct packet * */
    struct sn_cons_state *start; /* of the engine */
    unsigned life;
    struct sn_buf state, before; /* the last two states stored, encoded */
    int result; /* of the last life, where it ended by itself */
    char why[SN_DIAG_BYTES];
    struct sn_engine_stats stats;
};
struct world {
    struct world_opts o;
    struct sn_cons_genesis genesis;
    struct sn_arena arena;
    struct world_node nodes[WORLD_NODES_MAX];
    bool over, refuse;
    enum ext_fault ext_fault; /* now */
    unsigned ext_refused;
    struct sn_chan *poke; /* of int: a node is at a point where a crash would be of interest */
    unsigned n_cases[CASE_COUNT], n_crashes, n_replays;
    /* What was signed, for the rule that nothing is signed twice. */
    struct world_vote {
        int64_t height;
        int32_t round;
        int index;
        uint8_t type;
        struct sn_cons_block_id id;
    } *votes;
    size_t n_votes, cap_votes;
    unsigned misbehaviour[WORLD_NODES_MAX]; /* that applications were told of */
    int64_t executed[WORLD_NODES_MAX];      /* highest, and how often on_block came for it */
};

/* world_run - until every node has the target height, or virtual time is up; checks agreement, one
 * signature per place, and each block's news once and in order. Ends the test where a check fails. */
void world_run(struct world *w, const struct world_opts *o);
