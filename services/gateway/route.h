/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/route.h - from rules to an immutable router.
 *
 * A rule has hosts and matches; a request takes the first rule that fits in this order, which is
 * the Gateway API's with expressions placed between exact and prefix paths:
 *   1. host: exact before wildcard, longer wildcards first, rules without hosts last
 *   2. path: exact, then regular expression, then the longest prefix
 *   3. a match that names methods before one that does not
 *   4. more header conditions first, then more query conditions
 *   5. the order of the file
 * A request falls through to the next fitting candidate, also to a less specific host.
 *
 * Compiled form: hash of hosts -> hash of exact paths, list of expressions, radix tree of prefixes.
 * Sans-I/O, no allocation while matching. Source: Gateway API HTTPRouteMatch. */
#pragma once
#include "core/arena.h"
#include "core/str.h"
#include "gateway/pattern.h"
#include "wire/http.h"

/* A condition on a header or a query parameter: exact, else regex, else presence. */
struct sn_gw_cond {
    struct sn_str name;
    struct sn_str exact, regex; /* .ptr NULL = not this kind */
};

struct sn_gw_match {
    struct sn_str exact, prefix, regex; /* at most one is set; none = every path */
    struct sn_str *methods;
    size_t n_methods;
    struct sn_gw_cond *headers;
    size_t n_headers;
    struct sn_gw_cond *query;
    size_t n_query;
};

struct sn_gw_rule {
    struct sn_str *hosts; /* "a.example", "*.example", "*"; none = every host */
    size_t n_hosts;
    struct sn_gw_match *matches; /* none = every request */
    size_t n_matches;
};

/* What routing looks at; strings borrow the request. */
struct sn_gw_lookup {
    enum sn_http_method method;
    struct sn_str method_text;
    struct sn_str host; /* as sn_gw_host_normalize gives it */
    struct sn_str path; /* as sn_gw_path_normalize gives it, without query */
    struct sn_str query;
    const struct sn_http_headers *headers;
};

struct sn_gw_hit {
    uint32_t rule;         /* index into the compiled rules */
    struct sn_str matched; /* the prefix that matched, for path rewriting; "" where none */
};

struct sn_gw_router;

#define SN_GW_HOST_MAX 255u        /* bytes of a host name */
#define SN_GW_PATH_MAX (32u << 10) /* bytes of a path that is routed */

/* sn_gw_router_new - compiles the rules; `workers` is the number of threads that will match.
 * Rules and their strings are borrowed and must outlive the router.
 * Returns 0, SN_E_SYNTAX (bad expression; ret_rule and ret_match, if given, say where),
 * SN_E_NOMEM. Owns: *ret is the caller's. Context: needs stack (expressions); off the fibers. */
int sn_gw_router_new(const struct sn_gw_rule *rules, size_t n, unsigned workers,
                     struct sn_gw_router **ret, size_t *ret_rule, size_t *ret_match) SN_MUST_CHECK;
void sn_gw_router_free(struct sn_gw_router *r);
/* sn_gw_router_match - finds the rule for `q`. worker: below the number given to _new.
 * Returns 0 or SN_E_NOT_FOUND (no diagnostic). Context: does not suspend, does not allocate. */
int sn_gw_router_match(const struct sn_gw_router *r, const struct sn_gw_lookup *q, unsigned worker,
                       struct sn_gw_hit *ret) SN_MUST_CHECK;

/* sn_gw_host_normalize - lower case, without port and trailing dot, into `buf` where it changes.
 * "" for an empty host. Returns SN_E_SYNTAX for longer than SN_GW_HOST_MAX or a bad port. */
int sn_gw_host_normalize(struct sn_str authority, char buf[SN_GW_HOST_MAX + 1],
                         struct sn_str *ret) SN_MUST_CHECK;
/* sn_gw_path_normalize - so that what is routed is what the upstream resolves: decodes escaped
 * unreserved characters, upper-cases other escapes, removes "." and ".." segments (RFC 3986
 * §6.2.2). Unchanged paths are returned as they are, others are made in `a`. Returns 0, SN_E_SYNTAX
 * (no leading '/', bad escape, %00, ".." above the root, control bytes), SN_E_TOO_LARGE beyond
 * SN_GW_PATH_MAX, SN_E_NOMEM. */
int sn_gw_path_normalize(struct sn_arena *a, struct sn_str path, struct sn_str *ret) SN_MUST_CHECK;
