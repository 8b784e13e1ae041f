/* SPDX-License-Identifier: Apache-2.0 */
/* wire/resp.h - the Redis serialization protocol, versions 2 and 3, sans I/O.
 *
 * A reply is first looked for (sn_resp_scan, which keeps its place between calls, so that a long
 * reply that comes in small pieces is passed over once), then taken apart (sn_resp_parse) into an
 * arena. Streamed strings and aggregates ("$?", "*?") are refused: no server sends them. Source:
 * redis.io "Redis serialization protocol specification". */
#pragma once
#include "core/arena.h"
#include "core/buf.h"
#include "core/status.h"
#include "core/str.h"

#define SN_RESP_DEPTH_MAX 16u
#define SN_RESP_BYTES_MAX (64u << 20) /* of one reply */
#define SN_RESP_ITEMS_MAX (1u << 20)  /* values in one reply */
#define SN_RESP_LINE_MAX (64u << 10)

enum sn_resp_type {
    SN_RESP_NULL,
    SN_RESP_STR,   /* simple, bulk and verbatim (without its three letters and colon) strings */
    SN_RESP_ERROR, /* simple and bulk errors */
    SN_RESP_INT,
    SN_RESP_DOUBLE, /* inf and nan included */
    SN_RESP_BOOL,   /* in `i` */
    SN_RESP_BIG,    /* a number of any length, as text */
    SN_RESP_ARRAY,
    SN_RESP_SET,
    SN_RESP_MAP, /* 2n items: key, value, key, ... */
    SN_RESP_PUSH,
};
struct sn_resp {
    enum sn_resp_type type;
    struct sn_str str; /* STR, ERROR, BIG */
    int64_t i;         /* INT, BOOL */
    double d;          /* DOUBLE */
    struct sn_resp *items;
    uint32_t n; /* items; for a MAP twice the pairs */
};

struct sn_resp_scan { /* zero-initialised is the beginning of a reply */
    size_t at;
    uint32_t depth, items;
    uint32_t left[SN_RESP_DEPTH_MAX + 1];
    bool attribute[SN_RESP_DEPTH_MAX + 1]; /* that level is one: the value proper follows it */
};
/* sn_resp_scan - looks on for the end of the reply that `in` begins with; `in` starts at the same
 * byte in each call and only grows. Returns the reply's length (> 0; the scan is as new then),
 * SN_E_AGAIN: more is needed, SN_E_SYNTAX, SN_E_DEPTH, SN_E_TOO_LARGE; diagnostics name the byte.
 */
ssize_t sn_resp_scan(struct sn_resp_scan *s, struct sn_str in) SN_MUST_CHECK;
/* sn_resp_parse - takes one complete reply apart; attributes are passed over. Strings borrow `in`.
 * Returns the bytes used, SN_E_AGAIN, SN_E_SYNTAX, SN_E_DEPTH, SN_E_TOO_LARGE, SN_E_NOMEM. */
ssize_t sn_resp_parse(struct sn_str in, struct sn_arena *a, struct sn_resp *ret) SN_MUST_CHECK;

/* sn_resp_command - appends a command of n words. Returns 0 or the buffer's (sticky) error. */
int sn_resp_command(struct sn_buf *b, const struct sn_str *words, size_t n);
/* sn_resp_find - the value of a string key in a MAP, or in an ARRAY of pairs (as RESP2 has it);
 * NULL where absent. */
const struct sn_resp *sn_resp_find(const struct sn_resp *map, struct sn_str key);
