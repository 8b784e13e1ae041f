/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/gateway.h - the gateway as a part of a process: `sennit gateway` runs one, `sennit up`
 * runs one beside the board.
 *
 * The configuration is compiled into an immutable snapshot. A request takes the snapshot of the
 * moment and keeps it to its end; a reload compiles a new one aside, publishes it with one store
 * and frees the old one when its last request has finished. Listeners are kept, added or drained by
 * address; endpoints keep their health, connections and counters by upstream name and address. */
#pragma once
#include "core/buf.h"
#include "core/str.h"

struct sn_gateway;

struct sn_gateway_opts {
    const char *config_path; /* file to load and reload; NULL = config_text */
    struct sn_str config_text;
    const char *config_name; /* shown in errors for config_text; NULL = "gateway.yaml" */
    bool
        upgrade; /* take over from the gateway that listens at the configuration's upgrade_socket */
    struct sn_buf
        *ret_status; /* sn_gateway_check: status conditions of Kubernetes objects, a line each */
    struct sn_buf *ret_documents; /* of a build: kube.h, documents; may be NULL */
    struct sn_str kube_objects; /* {"kind":..., "object":...} one after another, beside those of files */
    bool watch_off;          /* never watch the file, whatever the configuration says */
    /* Told of loads, refusals, ejections and health changes; level "info", "warn" or "error". Must
     * not suspend. May be NULL. */
    void (*on_event)(void *arg, const char *level, const char *text);
    void *arg;
};

/* sn_gateway_check - reads and compiles a configuration without starting anything.
 * ret_errors gets every problem, one "file:line:col: path: what" a line; empty on success.
 * Returns 0 or SN_E_*. Suspends. */
int sn_gateway_check(const struct sn_gateway_opts *opts, struct sn_buf *ret_errors) SN_MUST_CHECK;
/* sn_gateway_print - the effective configuration, defaults filled in, as YAML. Suspends. */
int sn_gateway_print(const struct sn_gateway_opts *opts, struct sn_buf *out) SN_MUST_CHECK;

/* sn_gateway_new - loads the configuration and binds its listeners; nothing is accepted yet.
 * Returns 0; SN_E_SYNTAX and others with the configuration's errors in the diagnostic and in
 * ret_errors (may be NULL). Owns: *ret until sn_gateway_free. Suspends. */
int sn_gateway_new(const struct sn_gateway_opts *opts, struct sn_gateway **ret,
                   struct sn_buf *ret_errors) SN_MUST_CHECK;
/* sn_gateway_run - serves until sn_gateway_stop or until the fiber is cancelled, then drains: no
 * more accepting, what is in flight is answered within the configured grace. Returns the number of
 * connections and tunnels cut at its end, or SN_E_*. Suspends. */
int64_t sn_gateway_run(struct sn_gateway *gw);
/* sn_gateway_stop - begins the drain. Any fiber; does not suspend. */
void sn_gateway_stop(struct sn_gateway *gw);
/* sn_gateway_reload - loads the configuration again and publishes it, or leaves the old one in
 * force. Returns 0, or SN_E_* with the reason in the diagnostic, in the event and in the
 * statistics. Suspends; concurrent calls are serialised, and wait until sn_gateway_run has begun.
 */
int sn_gateway_reload(struct sn_gateway *gw) SN_MUST_CHECK;
/* sn_gateway_set_text - replaces config_text (API, tests) and reloads. text is copied. */
int sn_gateway_set_text(struct sn_gateway *gw, struct sn_str text) SN_MUST_CHECK;
void sn_gateway_free(struct sn_gateway *gw);

/* sn_gateway_stats_json - members "routes", "upstreams", "config", "listeners" and "totals" of one
 * JSON object, as the board reads them. Rates and latencies are of the last whole second.
 * Returns 0 or the buffer's error. Any fiber; may suspend for a moment. */
int sn_gateway_stats_json(struct sn_gateway *gw, struct sn_buf *out) SN_MUST_CHECK;
/* sn_gateway_listener_addr - the bound address of listener `name` ("127.0.0.1:8080"), for port 0.
 * Returns its length, SN_E_NOT_FOUND, SN_E_TOO_LARGE. */
int sn_gateway_listener_addr(struct sn_gateway *gw, struct sn_str name, char *out, size_t cap);
/* sn_gateway_listeners - appends "NAME ADDRESS" for every listener, separated by ", ".
 * Returns 0 or the buffer's error. */
int sn_gateway_listeners(struct sn_gateway *gw, struct sn_buf *out) SN_MUST_CHECK;
