/* SPDX-License-Identifier: Apache-2.0 */
/* load/engine_int.h - inside of one worker process: shared by the loops and the holder. */
#pragma once
#include "fiber/net.h"
#include "load/load.h"
#include "wire/h1.h"

struct sn_tls_config;

#define SN_LOAD_READ_BYTES (16u << 10)

struct sn_load_engine {
    const struct sn_load_plan *plan;
    unsigned index;
    unsigned conns; /* this process's share */
    int64_t start_ns, end_ns, measure_ns; /* requests finished before measure_ns are warm-up */
    struct sn_load_schedule schedule;
    struct sn_load_stats stats; /* since the last frame */
    uint64_t sent;              /* for requests_max */
    uint64_t requests_max;      /* this process's share */
    double weight_total;
    unsigned next_source;
    struct sn_tls_config *tls;
    struct sn_http_client *client; /* h2 */
    bool over;
};

/* One HTTP/1.1 connection and the fiber's buffer for it. */
struct sn_load_conn {
    struct sn_load_engine *e;
    const struct sn_load_target *target;
    struct sn_stream *s;
    char *buf; /* SN_LOAD_READ_BYTES */
    size_t from, len; /* unread bytes are buf[from..len) */
    struct sn_arena arena;
};

const struct sn_load_target *sn_load_pick(struct sn_load_engine *e);
void sn_load_error(struct sn_load_engine *e, enum sn_load_error kind);
/* sn_load_connect - opens c->s to its target (and handshakes). Counts time or error. */
int sn_load_connect(struct sn_load_conn *c) SN_MUST_CHECK;
void sn_load_disconnect(struct sn_load_conn *c);
/* sn_load_send - writes n copies of the target's request in one call. */
int sn_load_send(struct sn_load_conn *c, unsigned n) SN_MUST_CHECK;
/* sn_load_receive - reads one whole answer; sent_ns for the first-byte time. Returns the status
 * code, or SN_E_* having counted the error. *ret_keep: the connection may be used again. */
int sn_load_receive(struct sn_load_conn *c, int64_t sent_ns, bool *ret_keep) SN_MUST_CHECK;
/* sn_load_record - one finished request. due_ns: when it should have been sent. */
void sn_load_record(struct sn_load_engine *e, int status, int64_t due_ns, int64_t sent_ns);
/* sn_load_wait_due - sleeps until `due` (sn_now's clock). Returns 1 after waiting, 0 where it was
 * due already, SN_E_CANCELLED or SN_E_DEADLINE_EXCEEDED. */
int sn_load_wait_due(int64_t due) SN_MUST_CHECK;
/* sn_load_hold - the body of hold mode: opens, parks, keeps some active; returns at the end. */
int sn_load_hold(struct sn_load_engine *e) SN_MUST_CHECK;
