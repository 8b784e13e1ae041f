/* SPDX-License-Identifier: Apache-2.0 */
/* load/stats.h - what a load run counts, and how worker processes tell their parent.
 * The layers are kept apart, because they fail apart: connecting, handshaking, the server's first
 * byte, the whole answer, and the generator's own lateness. */
#pragma once
#include "core/buf.h"
#include "core/hist.h"

enum sn_load_hist {
    SN_LOAD_LATENCY, /* from when the request was due (open loop) or sent (closed) to the last byte
                      */
    SN_LOAD_SERVICE, /* from when it was sent to the last byte */
    SN_LOAD_FIRST,   /* from when it was sent to the first byte */
    SN_LOAD_CONNECT, /* TCP connection */
    SN_LOAD_TLS,     /* TLS handshake */
    SN_LOAD_LATE,    /* a free connection sent this much after the due time: our own delay */
    SN_LOAD_HISTS,
};
enum sn_load_error {
    SN_LOAD_ERR_CONNECT,
    SN_LOAD_ERR_TLS,
    SN_LOAD_ERR_READ,
    SN_LOAD_ERR_WRITE,
    SN_LOAD_ERR_TIMEOUT,
    SN_LOAD_ERR_PROTOCOL, /* the answer was not HTTP */
    SN_LOAD_ERR_STATUS,   /* not the expected status */
    SN_LOAD_ERR_LOST,     /* a held connection was closed by the server */
    SN_LOAD_ERR_UNSENT,   /* due, but the run ended before a connection was free */
    SN_LOAD_ERRORS,
};
extern const char *const sn_load_hist_names[SN_LOAD_HISTS];
extern const char *const sn_load_error_names[SN_LOAD_ERRORS];

#define SN_LOAD_HIST_BITS 8 /* reported values are at most 0.4 % above the recorded ones */
#define SN_LOAD_HIST_MAX ((uint64_t)SN_HOUR)

struct sn_load_counts { /* plain sums: merged by addition */
    uint64_t requests, bytes_in, bytes_out, conns_opened, status[6] /* [0] = not 1xx..5xx */;
    uint64_t errors[SN_LOAD_ERRORS];
};
struct sn_load_stats {
    struct sn_load_counts n;
    int64_t conns_open; /* now */
    struct sn_hist hist[SN_LOAD_HISTS]; /* ns */
};

int sn_load_stats_init(struct sn_load_stats *s) SN_MUST_CHECK;
void sn_load_stats_done(struct sn_load_stats *s);
/* sn_load_stats_reset - zero again, except conns_open. */
void sn_load_stats_reset(struct sn_load_stats *s);
uint64_t sn_load_errors(const struct sn_load_counts *n);

/* sn_load_stats_encode - appends a frame holding `s` (only counters that are not 0): length first,
 * so a reader knows when it has all of it. */
int sn_load_stats_encode(const struct sn_load_stats *s, struct sn_buf *out);
/* sn_load_stats_decode_add - adds the first whole frame of `in` to `into` and drops it from `in`;
 * conns_open of the frame goes to *ret_open. Returns 1, 0 where the frame is not whole yet,
 * SN_E_PROTOCOL for a frame no worker would send; `into` changes only on 1. */
int sn_load_stats_decode_add(struct sn_str *in, struct sn_load_stats *into, int64_t *ret_open)
    SN_MUST_CHECK;
/* sn_load_stats_add - adds `from` to `into`. */
int sn_load_stats_add(struct sn_load_stats *into, const struct sn_load_stats *from) SN_MUST_CHECK;
