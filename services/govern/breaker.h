/* SPDX-License-Identifier: Apache-2.0 */
/* govern/breaker.h - adaptive client-side throttling: the worse a backend answers, the larger the
 * share of calls that fail here, at once. Sans-I/O, lock-free; asking costs one load while all is
 * well.
 *
 * Window 10 s in 40 buckets. A call is dropped with the probability
 *     (total - 5 - K * accepts) / (total + 1),
 * K falling from 1.5 to 1.1 with the number of latest buckets in a row that saw failures only, and
 * the result scaled down by the number of latest buckets that saw none. While it drops, one call in
 * 200 ms passes by force.
 *
 * Recovery is where this differs from its models, whose window has to fill with good answers first:
 * once a good answer belongs to a call begun 200 ms after the last one that failed, each lets two
 * more calls pass (slow start, clocked by the answers), and ten good ones in a row over at least
 * 300 ms clear the window. Timeouts of calls begun before that row are old news and break it not. A
 * backend that is well again takes all calls again within a second; one that still fails now and
 * then does not get that far. Fewer than a third of failures never drop anything.
 *
 * Sources: "Site Reliability Engineering" (2016), "Handling overload", eq. 21.1; constants of
 * go-zero's breaker. */
#pragma once
#include "govern/keyed.h"
#include "govern/window.h"

#define SN_GOV_BREAKER_SPAN_NS (10 * SN_SEC)
#define SN_GOV_BREAKER_BUCKETS 40u
#define SN_GOV_BREAKER_PROTECT 5 /* calls in the window that never trip it */
#define SN_GOV_BREAKER_PROBE_NS (200 * SN_MS)
#define SN_GOV_BREAKER_CALM_NS (200 * SN_MS)  /* between starts: grants begin */
#define SN_GOV_BREAKER_CLEAR_NS (300 * SN_MS) /* of good answers only: the window is cleared */
#define SN_GOV_BREAKER_CLEAR_OK 10

struct sn_gov_breaker {                      /* zero-initialised is closed and new */
    struct sn_gov_window w;                  /* hi: calls, lo: accepts */
    uint64_t failed[SN_GOV_BREAKER_BUCKETS]; /* bucket number << 16 | failures, saturating */
    int64_t pass_at_ns, fail_start_ns; /* last forced pass; start of the latest call that failed */
    int64_t clean_start_ns,
        clean_since_ns;       /* first call of the row of good answers: start and end */
    int64_t cleared_start_ns; /* calls begun before do not count any more where they fail */
    uint32_t clean;           /* good answers in a row */
    int32_t grants;           /* calls that may pass while dropping */
    uint64_t dropped, trips;
    uint32_t open; /* whether the last question met a positive drop ratio */
};

/* sn_gov_breaker_allow - whether a call may be made now; false: answer UNAVAILABLE at once. rnd: 64
 * random bits. A call that was allowed is to be reported once with _mark. */
bool sn_gov_breaker_allow(struct sn_gov_breaker *b, int64_t now_ns, uint64_t rnd);
/* sn_gov_breaker_mark - the outcome of an allowed call that began at start_ns: failed means the
 * backend's fault (sn_gov_is_failure), not a caller's mistake. */
void sn_gov_breaker_mark(struct sn_gov_breaker *b, int64_t start_ns, int64_t now_ns, bool ok);
/* sn_gov_breaker_ratio - the share of calls that would be dropped now, 0..1, before forced ones. */
double sn_gov_breaker_ratio(struct sn_gov_breaker *b, int64_t now_ns);
/* sn_gov_is_failure - whether a status (SN_E_*) is the backend's fault: DEADLINE_EXCEEDED,
 * INTERNAL, UNAVAILABLE, DATA_LOSS, UNIMPLEMENTED, UNKNOWN, RESOURCE_EXHAUSTED and what refines
 * them. */
bool sn_gov_is_failure(int status);

#define SN_GOV_BREAKERS_DEFAULT 1024u
/* sn_gov_breakers_init - a table of breakers (govern/keyed.h) whose items begin closed; max 0 =
 * SN_GOV_BREAKERS_DEFAULT, about 800 bytes each. Keys: sn_hash of a method, or of method and
 * instance together (sn_gov_key2). Returns as sn_gov_keyed_init. */
int sn_gov_breakers_init(struct sn_gov_keyed *t, uint32_t max) SN_MUST_CHECK;
static inline struct sn_gov_breaker *sn_gov_breakers_get(struct sn_gov_keyed *t, uint64_t key,
                                                         int64_t now_ns)
{
    return sn_gov_keyed_get(t, key, now_ns);
}
