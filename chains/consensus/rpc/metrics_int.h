/* SPDX-License-Identifier: Apache-2.0 */
/* rpc/metrics_int.h - what metrics.c and metrics_scrape.c share. */
#pragma once
#include "consensus/rpc/metrics.h"

#define SN_METRICS_NAME_MAX 128
#define SN_METRICS_STEPS 9

/* What is read when somebody asks. */
enum metrics_family {
    BLOCK_SYNCING,
    STATE_SYNCING,
    STORED_HEIGHT,
    BLOCK_PARTS,
    DUPLICATE_PARTS,
    DUPLICATE_VOTES,
    PARTS_RECEIVED,
    LATE_VOTES,
    PEERS,
    RECEIVED,
    SENT,
    PENDING,
    MESSAGES_RECEIVED,
    MESSAGES_SENT,
    POOL_SIZE,
    POOL_BYTES,
    POOL_FAILED,
    POOL_REJECTED,
    POOL_EVICTED,
    POOL_RECHECKS,
    POOL_DUPLICATES,
    POOL_PEERS,
    METRICS_FAMILIES
};

struct sn_chain_metrics {
    struct sn_chain_metrics_opts o;
    char names[METRICS_FAMILIES][SN_METRICS_NAME_MAX];
    const char *ns;
    struct sn_metrics *registry;
    struct sn_labels chain;
    struct sn_http_server *http;
    struct sn_listener *listener;
    bool served;

    /* Written by one fiber. */
    struct sn_cons_valset *before; /* who signed the last commit of the next block */
    int64_t step_at, round_at, last_block_ns, last_signed;
    uint8_t step;
    char address[2 * SN_CONS_ADDR_LEN + 1];
    uint8_t addr[SN_CONS_ADDR_LEN];
    bool validates;

    struct sn_gauge *height, *rounds, *validators, *validators_power, *missing, *missing_power,
        *byzantine, *byzantine_power, *num_txs, *block_size, *total_txs, *latest, *power, *missed,
        *signed_at, *sync_txs, *sync_total_txs, *sync_block_size, *precommits, *precommits_power,
        *round_power[2]; /* prevotes, precommits */
    struct sn_counter *chain_size, *proposals_made,
        *verdicts[2][2] /* proposals, extensions; refused, accepted */, *param_updates,
        *validator_updates;
    struct sn_histogram *interval, *round_duration, *steps[SN_METRICS_STEPS], *processing,
        *tx_sizes;
    struct sn_histogram *abci[SN_ABCI_METHOD_COUNT];
};

/* metrics_labels - the chain's, and one more. */
static inline struct sn_labels metrics_labels(const struct sn_chain_metrics *m, const char *name,
                                              struct sn_str value)
{
    struct sn_labels l = m->chain;
    l.l[l.n].name = sn_str(name);
    l.l[l.n++].value = value;
    return l;
}
/* metrics_names - the families' full names, for the scrapes. */
void metrics_names(struct sn_chain_metrics *m);
/* metrics_scrape - fits sn_metrics_collect. */
void metrics_scrape(struct sn_metrics_writer *w, void *metrics);
