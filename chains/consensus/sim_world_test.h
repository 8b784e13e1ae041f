/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/sim_world_test.h - a network of cores under one seed: virtual time, delays, loss, partitions,
 * crashes with what the disk kept, skewed clocks, and validators that lie. Signatures are a keyed hash,
 * so that thousands of heights run in seconds; everything else is the real code, encodings included. */
#pragma once
#include "consensus/codec.h"
#include "consensus/core.h"
#include "consensus/evidence.h"
#include "consensus/valset.h"
#include "consensus/wal.h"
#include "core/rand.h"
#include "core/vec.h"

#define NODES_MAX 8

enum behaviour { HONEST, EQUIVOCATE, AMNESIA, INVALID, WITHHOLD, WRONG_POL, SILENT, N_BEHAVIOURS };

struct packet {
    unsigned refs;
    size_t len;
    uint8_t data[];
};
enum event_kind { DELIVER = 1, TIMEOUT, GOSSIP, ANSWER, RESTART, CRASH, SPLIT, HEAL };
struct event {
    int64_t at;
    uint64_t seq;
    enum event_kind kind;
    int node, from;
    uint32_t epoch; /* of the node's life it is for */
    struct packet *pkt;
    struct sn_cons_timeout timeout;
    struct sn_cons_action act;
};
struct stored {
    struct sn_cons_block *block;
    struct sn_cons_part_set *parts;
    struct sn_buf commit; /* extended */
};
/* What a signer remembers, durably, before a signature leaves it. */
struct signer {
    int64_t height;
    int32_t round;
    uint8_t type;
    struct sn_cons_block_id block_id;
    struct sn_cons_time time;
};
struct app {
    int64_t height;
    uint64_t hash, before; /* before: of the height below */
    uint64_t present, present_before; /* validators, by node */
};
struct node {
    struct world *w;
    int id;
    enum behaviour what;
    struct sn_cons_validator val;
    bool up, halted, clean; /* clean: crashed between two events, with all of its log */
    uint32_t epoch;
    int64_t skew;
    struct sn_cons_core *core;
    struct sn_cons_timeout timer;
    SN_VEC(struct packet *) inbox; /* own messages, logged, to be put in */
    struct sn_cons_evpool *pool;
    struct sn_cons_history history;
    /* The disk. */
    struct sn_buf wal;
    size_t wal_synced;
    struct sn_buf state;
    SN_VEC(struct stored) blocks; /* from the initial height on */
    struct signer signer;
    struct app app;
    /* Fault injection: crash at this durable step, 0 = never. */
    uint64_t steps, crash_at;
    uint64_t replays, replays_equal;
};
/* A vote that somebody signed, for the question who broke the rules. */
struct signed_vote {
    int node;
    int64_t height;
    int32_t round;
    uint8_t type;
    struct sn_cons_block_id block_id;
};
struct world_opts {
    uint64_t seed;
    int n, n_byz;              /* the first n_byz nodes misbehave */
    enum behaviour byz;        /* HONEST: each its own, by the seed */
    /* A third and more of the power lies, and the honest nodes, in two groups by parity, hear of each
     * other only what the liars let through. */
    bool heavy_byz;
    bool faults, skew, extensions, updates;
    uint64_t crash_step;       /* node 0 crashes at this durable step, and again 7 later; 0: never */
    double loss;
    int64_t heal_at;           /* faults end here */
    int64_t target;            /* height all honest nodes must reach */
    int64_t limit;             /* virtual time */
};
struct world {
    struct world_opts o;
    struct sn_rand rand;
    int64_t now;
    uint64_t seq, trace, events_run;
    int n;
    struct node nodes[NODES_MAX];
    bool cut[NODES_MAX][NODES_MAX];
    SN_VEC(struct event) heap;
    SN_VEC(struct signed_vote) votes;
    struct sn_cons_genesis *genesis;
    struct sn_arena arena;
    /* A heavy world's plot: the two blocks of a place, one for each group. */
    int64_t plot_height;
    int32_t plot_round;
    struct sn_cons_block_id plot[2];
    bool forked;
    int64_t fork_height;
    int fork_nodes[2];
    uint64_t evidence_committed, conflicts, rounds_max, restarts;
};

/* world_run - builds the world, runs it to its target and checks it all the way. Returns the trace's
 * hash; ends the test where a check fails. */
uint64_t world_run(struct world *w, const struct world_opts *o);
void world_done(struct world *w);

/* sim_node_test.c */
void node_start(struct node *n);
void node_crash(struct node *n);
void node_event(struct node *n, struct event *e);
void node_gossip(struct node *n, int to);
bool node_durable(struct node *n); /* counts a durable step; false: it crashed there */
int64_t node_now(const struct node *n);

/* sim_world_test.c */
void world_push(struct world *w, struct event e);
void world_send(struct node *n, int to, struct packet *p);
void world_broadcast(struct node *n, struct packet *p);
struct packet *packet_new(const struct sn_cons_msg *m);
void packet_unref(struct packet *p);
void world_committed(struct node *n, int64_t height);
uint64_t world_below(struct world *w, uint64_t n);
bool world_chance(struct world *w, double p);
void sim_sign(const struct sn_cons_key *key, struct sn_str msg, struct sn_cons_sig *ret);
uint64_t group_mask(const struct world *w, int group); /* its honest nodes, and all liars */
extern const struct sn_cons_verifier sim_verifier;

/* sim_byz_test.c */
void byz_sign_vote(struct node *n, const struct sn_cons_action *a);
void byz_sign_proposal(struct node *n, const struct sn_cons_action *a);
void sign_vote(struct node *n, struct sn_cons_vote *v);
void sign_proposal(struct node *n, struct sn_cons_proposal *p);
void own_vote(struct node *n, const struct sn_cons_vote *v);
void own_proposal(struct node *n, const struct sn_cons_proposal *p, struct sn_cons_part_set *parts);
