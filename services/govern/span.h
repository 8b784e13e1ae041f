/* SPDX-License-Identifier: Apache-2.0 */
/* govern/span.h - traces: what crosses the wire in headers, and spans. Sans-I/O; export is
 * govern/otlp.h.
 *
 * Sampling: a request that comes with a decision keeps it; one that begins a trace is sampled with
 * the ratio asked for, decided by the trace id (its last 7 bytes), so that every process decides
 * alike. A span that is not sampled costs its identifiers and nothing else.
 *
 * Sources: W3C Trace Context (2021), W3C Baggage (2024), OpenTelemetry's specification of samplers.
 */
#pragma once
#include "core/arena.h"
#include "core/buf.h"
#include "core/status.h"
#include "core/str.h"

#define SN_TRACEPARENT_LEN 55u
#define SN_TRACESTATE_MAX 512u /* bytes passed on */
#define SN_TRACESTATE_MEMBERS_MAX 32u
#define SN_BAGGAGE_MAX 8192u
#define SN_BAGGAGE_MEMBERS_MAX 64u

struct sn_span_ctx {
    uint8_t trace_id[16], span_id[8];
    uint8_t flags; /* 1 = sampled */
};
#define SN_SPAN_SAMPLED 1u
/* sn_traceparent_parse - Returns 0 or SN_E_SYNTAX (no diagnostic): then a new trace begins.
 * Versions above 00 are read by their first four fields; ff is refused. */
int sn_traceparent_parse(struct sn_str s, struct sn_span_ctx *ret) SN_MUST_CHECK;
/* sn_traceparent_format - version 00; no NUL. Returns SN_TRACEPARENT_LEN. */
size_t sn_traceparent_format(const struct sn_span_ctx *c, char out[SN_TRACEPARENT_LEN]);
/* sn_tracestate_ok - whether a tracestate may be passed on: well-formed members, no key twice,
 * within the limits. */
bool sn_tracestate_ok(struct sn_str s);

/* sn_baggage_next - the next member of a baggage header: key, and its value with %XX decoded into
 * `a`; properties
 * (";...") are passed over, malformed members too. *rest is what follows; start with the whole
 * header. Returns 1, 0 at the end, SN_E_NOMEM. */
int sn_baggage_next(struct sn_str *rest, struct sn_arena *a, struct sn_str *ret_key,
                    struct sn_str *ret_value) SN_MUST_CHECK;
/* sn_baggage_get - the value of a key; .ptr NULL where absent. */
struct sn_str sn_baggage_get(struct sn_str header, struct sn_str key, struct sn_arena *a);
/* sn_baggage_put - appends a member to a header under construction. Returns 0,
 * SN_E_INVALID_ARGUMENT (key no token), SN_E_TOO_LARGE (SN_BAGGAGE_MAX), the buffer's error. */
int sn_baggage_put(struct sn_buf *header, struct sn_str key, struct sn_str value) SN_MUST_CHECK;

/* ---- spans ---- */
enum sn_span_kind {
    SN_SPAN_INTERNAL = 1,
    SN_SPAN_SERVER,
    SN_SPAN_CLIENT,
    SN_SPAN_PRODUCER,
    SN_SPAN_CONSUMER
};
#define SN_SPAN_ATTRS_MAX 16u
#define SN_SPAN_TEXT_MAX 256u /* bytes kept of a name or value */

enum sn_attr_type { SN_ATTR_STR, SN_ATTR_INT, SN_ATTR_DOUBLE, SN_ATTR_BOOL };
struct sn_attr {
    const char *key; /* a literal */
    enum sn_attr_type type;
    struct sn_str str; /* borrowed until the span ends */
    int64_t i;
    double d;
};
/* In the caller's frame, from start to end. */
struct sn_span {
    struct sn_span_ctx ctx;
    uint8_t parent_id[8];      /* zeroes: none */
    struct sn_str name, state; /* borrowed */
    enum sn_span_kind kind;
    int64_t start_wall_ns, end_wall_ns;
    bool error;
    struct sn_str message;
    uint8_t n_attrs, dropped_attrs;
    struct sn_attr attrs[SN_SPAN_ATTRS_MAX];
};
/* sn_span_init - a span below `parent` (NULL or an invalid one: it begins a trace). ratio: 0..1,
 * for new traces; rnd: three numbers of 64 random bits. */
void sn_span_init(struct sn_span *s, const struct sn_span_ctx *parent, struct sn_str name,
                  enum sn_span_kind kind, double ratio, int64_t wall_ns, const uint64_t rnd[3]);
static inline bool sn_span_sampled(const struct sn_span *s)
{
    return s->ctx.flags & SN_SPAN_SAMPLED;
}
/* Attributes beyond SN_SPAN_ATTRS_MAX are counted as dropped. Nothing is stored in a span that is
 * not sampled. */
void sn_span_str(struct sn_span *s, const char *key, struct sn_str v);
void sn_span_int(struct sn_span *s, const char *key, int64_t v);
void sn_span_bool(struct sn_span *s, const char *key, bool v);
void sn_span_double(struct sn_span *s, const char *key, double v);
