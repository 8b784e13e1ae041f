/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/mempool/mempool.h - transactions that wait for a block.
 *
 * No I/O, no clock, and the application is asked by the caller: a transaction begins (is it new, is
 * there room?), is checked by whoever calls, as many at once as there are fibers, and is finished
 * (added, or forgotten). Duplicates are found by SHA-256 key in shards with a lock each; the order
 * is one list, whose lock is held for a link or an unlink, never for a check.
 *
 * Order: first finished, first in a block. Gossip reads the list by cursors, one per peer.
 *
 * Room: where the pool is full, a newcomer displaces the newest transaction of the peer that holds
 * the most, if that is more than its own sender holds. Only what came by gossip is displaced: the
 * node it came from still has it, while a transaction of this node's users is never dropped once
 * taken.
 *
 * After a block each transaction that stays is checked again without holding anything up: blocks
 * are made of the part of the list that has been. See docs/consensus.md. */
#pragma once
#include "core/list.h"
#include "core/str.h"

#define SN_MEMPOOL_KEY 32
#define SN_MEMPOOL_PEERS_MAX 256 /* senders told apart; 0 is this node's own users */
#define SN_MEMPOOL_SHARDS_MAX 256

struct sn_mempool_opts {
    uint32_t shards;       /* power of two up to SN_MEMPOOL_SHARDS_MAX; 0: 16 */
    uint32_t txs_max;      /* 0: 5000 */
    uint64_t bytes_max;    /* 0: 1 GiB */
    uint32_t cache_max;    /* keys remembered of transactions that are not in the pool; 0: 10000 */
    uint32_t tx_bytes_max; /* 0: 1 MiB */
    int64_t ttl_blocks, ttl_ns; /* how long one may wait; 0: for ever */
    bool keep_invalid; /* remember the refused ones too, so that they are not checked again */
    bool no_recheck;
    uint64_t seed; /* of the hash tables */
};

/* One transaction: all but the first five fields belong to mempool.c. */
struct sn_mempool_tx {
    struct sn_str data;
    uint8_t key[SN_MEMPOOL_KEY];
    int64_t gas;    /* that it wants, as the application said */
    int64_t height; /* of the last block when it came */
    int64_t at_ns;
    uint16_t from; /* who sent it first */
    uint8_t state;
    _Atomic bool local; /* a user of this node sent it, perhaps later than a peer */
    _Atomic uint32_t refs;
    uint64_t seq, checked, rechecking; /* the last two: of which block's state */
    _Atomic uint64_t had_by[SN_MEMPOOL_PEERS_MAX / 64];
    struct sn_list order, of_sender, cursors;
    uint8_t bytes[];
};

struct sn_mempool;
/* sn_mempool_new - Returns 0, SN_E_INVALID_ARGUMENT, SN_E_NOMEM. */
int sn_mempool_new(const struct sn_mempool_opts *o, struct sn_mempool **ret) SN_MUST_CHECK;
/* sn_mempool_free - no call may be going on and no cursor open; transactions others hold live on.
 */
void sn_mempool_free(struct sn_mempool *mp);

/* sn_mempool_tx_ref, _unref - any thread. */
struct sn_mempool_tx *sn_mempool_tx_ref(struct sn_mempool_tx *tx);
void sn_mempool_tx_unref(struct sn_mempool_tx *tx);

/* sn_mempool_begin - takes a copy of a transaction that came from `from` (0: a user of this node).
 * Returns 0 with *ret_tx, which the caller has the application check and gives to
 * sn_mempool_finish; SN_E_ALREADY_EXISTS where it is here, is being checked, or was lately;
 * SN_E_TOO_LARGE; SN_E_RESOURCE_EXHAUSTED where the pool is full; SN_E_NOMEM. Context: fibers; this
 * and every other call may suspend for the moment a lock is held. */
int sn_mempool_begin(struct sn_mempool *mp, struct sn_str tx, uint16_t from, int64_t now_ns,
                     struct sn_mempool_tx **ret_tx) SN_MUST_CHECK;
/* sn_mempool_finish - the application's word on it; takes the reference of _begin. Returns 1 added,
 * 0 not (refused by the application, or in a block meanwhile), SN_E_RESOURCE_EXHAUSTED where the
 * pool has filled up: then it may come again. */
int sn_mempool_finish(struct sn_mempool *mp, struct sn_mempool_tx *tx, bool ok, int64_t gas);

/* One transaction of a block. */
struct sn_mempool_done {
    struct sn_str data;
    bool ok;            /* the block's result: a failed one may come again, unless keep_invalid */
    const uint8_t *key; /* SHA-256 of data; NULL: it is made here */
};
/* sn_mempool_decided - a block is: what begins from now on is checked against the state after it,
 * and nothing that was checked before goes into a block until it has been again. */
void sn_mempool_decided(struct sn_mempool *mp, int64_t height);
/* sn_mempool_update - then the block's transactions leave, and those that waited too long, while
 * others come: as many look-ups as the block has transactions, with looks at other fibers in
 * between. What is left is due for sn_mempool_recheck_take. Returns 0, SN_E_NOMEM (nothing is in
 * the pool that was in the block; some keys are not remembered). */
int sn_mempool_update(struct sn_mempool *mp, int64_t now_ns, const struct sn_mempool_done *txs,
                      size_t n) SN_MUST_CHECK;
/* sn_mempool_recheck_take - the next transaction to check again, referenced, or NULL. Several may
 * be out at once: each goes back by sn_mempool_recheck_done, which takes the reference. An answer
 * for a block before the last is left aside. */
struct sn_mempool_tx *sn_mempool_recheck_take(struct sn_mempool *mp);
void sn_mempool_recheck_done(struct sn_mempool *mp, struct sn_mempool_tx *tx, bool ok, int64_t gas);
/* sn_mempool_rechecked - whether every transaction has been checked against the last block. */
bool sn_mempool_rechecked(struct sn_mempool *mp);

struct sn_mempool_limits {
    int64_t bytes;  /* of the transactions as fields of a block's Data; < 0: no limit */
    int64_t gas;    /* < 0: no limit */
    bool unchecked; /* also those not checked since the last block */
};
/* sn_mempool_reap - the first transactions in order that fit, up to n_max, referenced, into txs.
 * The first that does not fit ends it: a sender's next ones may depend on it. Returns how many. */
size_t sn_mempool_reap(struct sn_mempool *mp, const struct sn_mempool_limits *l,
                       struct sn_mempool_tx **txs, size_t n_max);
/* sn_mempool_find - referenced, or NULL where no such transaction waits. */
struct sn_mempool_tx *sn_mempool_find(struct sn_mempool *mp, const uint8_t key[SN_MEMPOOL_KEY]);
/* sn_mempool_remove - also one that is still being checked, and forgets it was here. Returns 0,
 * SN_E_NOT_FOUND. */
int sn_mempool_remove(struct sn_mempool *mp, const uint8_t key[SN_MEMPOOL_KEY]);
/* sn_mempool_flush - empties pool and memory of keys. */
void sn_mempool_flush(struct sn_mempool *mp);

/* ---- gossip ---- */

/* Two nodes that have a transaction from the same peer would send it to each other. So each of two
 * neighbours is the first to send one half of what comes from others, told apart by a bit of the
 * key; its neighbour sends that half later, if it has not had it by then. */
enum sn_mempool_share {
    SN_MEMPOOL_ALL,
    SN_MEMPOOL_FIRST, /* what this node's users sent, and this node's half of the rest */
};
/* Where a peer is in the list. `wake` is called when there is something for a cursor that was at
 * the end: from any fiber, with a lock held: it may set an event, and nothing else. */
struct sn_mempool_cursor {
    uint16_t peer; /* 1 .. SN_MEMPOOL_PEERS_MAX - 1 */
    enum sn_mempool_share share;
    bool odd;                /* this node's half is that of the odd keys */
    void (*wake)(void *arg); /* may be NULL */
    void *arg;
    int64_t until_ns;   /* _take ends before what came later; 0: it does not */
    int64_t stopped_ns; /* when the transaction came that it ended at for that; 0: at none */
    struct sn_list at;  /* this and the next belong to mempool.c */
    struct sn_mempool_tx *next;
};
/* sn_mempool_cursor_open - at the oldest transaction. The caller has filled peer to arg. */
void sn_mempool_cursor_open(struct sn_mempool *mp, struct sn_mempool_cursor *c);
/* sn_mempool_cursor_close - the peer is gone: its number may be given to another. */
void sn_mempool_cursor_close(struct sn_mempool *mp, struct sn_mempool_cursor *c);
/* sn_mempool_cursor_take - the next transactions this peer has not sent us itself, nor had from a
 * cursor of its, referenced: up to n_max and bytes_max together (one at least). Ends before one
 * that came at a height more than one above the peer's, which it could not check. Returns how many;
 * 0: nothing for it now. */
size_t sn_mempool_cursor_take(struct sn_mempool *mp, struct sn_mempool_cursor *c,
                              int64_t peer_height, uint64_t bytes_max, struct sn_mempool_tx **txs,
                              size_t n_max);

struct sn_mempool_stats {
    uint64_t txs, bytes, cached;
    uint64_t added, duplicates, refused, full, displaced, expired, rechecked, failed_recheck;
};
/* sn_mempool_stats - a moment's view. */
void sn_mempool_stats(struct sn_mempool *mp, struct sn_mempool_stats *ret);
/* sn_mempool_on_added - fn hears the bytes of each transaction that comes in from now on, with the
 * order's lock held: for metrics. NULL: nobody; when it returns nobody is called any more. */
void sn_mempool_on_added(struct sn_mempool *mp, void (*fn)(void *arg, size_t bytes), void *arg);
