/* SPDX-License-Identifier: Apache-2.0 */
/* kit/debug.h - /debug/pprof/, /metrics and /healthz over HTTP.
 *
 * /debug/pprof/ keeps the conventions of Go's net/http/pprof, so that `go tool pprof URL` works:
 *   profile?seconds=30        CPU profile; a second one at the same time is refused
 *   heap allocs block mutex goroutine threadcreate goroutineleak
 *     ?debug=0 (default)      the profile, gzipped protobuf
 *     ?debug=1                text; goroutine?debug=2 is the dump of every fiber
 *     ?seconds=N              the difference over N seconds (not together with debug)
 *     goroutineleak?min=N     leaked fibers that have waited at least N seconds
 *   trace?seconds=1           the execution trace, for go tool trace, sent as it grows; with cpu=1
 *                             it has CPU samples
 *   cmdline, symbol, and an index
 * /healthz answers "ok". Answers 403 to peers that are not loopback unless told otherwise:
 * profiles tell a stranger how a program is built and what it does. */
#pragma once
#include "core/buf.h"
#include "core/str.h"
#include "kit/http.h"

#define SN_DEBUG_SECONDS_MAX 600

struct sn_debug_opts {
    bool allow_remote;           /* serve /debug/pprof/ to any peer */
    bool metrics_loopback_only;  /* default: /metrics and /healthz for everybody */
};
/* sn_debug_owns - whether `path` is one of ours. */
bool sn_debug_owns(struct sn_str path);
/* sn_debug_handler - a handler for kit/http; arg is a struct sn_debug_opts or NULL. 404 for paths
 * it does not own. Suspends for `seconds`; symbolising runs on the blocking pool. */
int sn_debug_handler(struct sn_http_x *x, void *arg);

/* sn_debug_start - listens at `addr` (an empty host is loopback, port 0 a free one) and serves the above
 * in a fiber of the current scope, until that is cancelled. ret_addr: where, as text; may be NULL.
 * Returns as sn_listen, SN_E_NOMEM. Context: a fiber. */
int sn_debug_start(const char *addr, char *ret_addr, size_t cap) SN_MUST_CHECK;

/* The same without HTTP, for other servers and tests. */
struct sn_debug_reply {
    int status;
    struct sn_str content_type;  /* static */
    const char *attachment;      /* name for Content-Disposition, NULL = none */
    bool go_error;               /* add "X-Go-Pprof: 1" */
    struct sn_buf body;          /* sn_buf_init'ed by the caller, who also owns it */
};
struct sn_trace_opts;
/* sn_debug_trace - sn_trace_run with the parameters of `query`; *r is what to answer if nothing was
 * written. Returns as sn_trace_run; where a trace cannot be taken that is an HTTP status in *r, and 0.
 * Context: a fiber. Suspends for the trace's length. */
int sn_debug_trace(struct sn_str query, const struct sn_trace_opts *to,
                   struct sn_debug_reply *r) SN_MUST_CHECK;
/* sn_debug_get - answers a request; `query` without '?'. Returns 0 or SN_E_NOMEM, SN_E_CANCELLED,
 * SN_E_DEADLINE_EXCEEDED; everything else is an HTTP status in *r. Context: a fiber. Suspends. */
int sn_debug_get(struct sn_str path, struct sn_str query, struct sn_str accept,
                 struct sn_debug_reply *r) SN_MUST_CHECK;
