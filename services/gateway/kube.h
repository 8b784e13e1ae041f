/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/kube.h - Kubernetes objects as configuration: Gateway, HTTPRoute, GRPCRoute,
 * ReferenceGrant, Ingress, with the Services, EndpointSlices, Secrets and Namespaces they name,
 * become listeners, upstreams and routes of the gateway's own configuration. A pure function over
 * trees: no I/O, no clock.
 *
 * Nothing in these objects fails the configuration: what cannot be served is left out, and a status
 * condition says so, as a controller would write it into the object. */
#pragma once
#include "core/arena.h"
#include "core/buf.h"
#include "core/map.h"
#include "core/status.h"
#include "wire/json.h"

#define GW_KUBE_OBJECTS_MAX 100000u

struct gw_kube_opts {
    struct sn_str gateway_class;          /* Gateways of this class; .ptr NULL = of every class */
    struct sn_str controller;             /* and of classes whose controllerName this is */
    struct sn_str ingress_class;          /* Ingresses of this class; .ptr NULL = all */
    struct sn_str address;                /* where ports of Gateways without an address are bound */
    uint64_t port_offset;                 /* added to every port */
    uint64_t ingress_http, ingress_https; /* ports of Ingresses */
    struct sn_str cluster_domain;
    struct sn_str ingress_address; /* what Ingresses' statuses say; empty = address */
};
struct gw_kube_secret {
    struct sn_str name;      /* "secret:ns/name", as the listener's certificate says */
    struct sn_str cert, key; /* PEM */
};
struct kube_word {
    const char *type;
    bool good;
    const char *reason;
};
struct kube_said { /* a condition */
    const struct sn_json *object, *part; /* part: a listener, a parentRef; NULL = of the whole */
    struct kube_word word;
};
struct gw_kube {
    struct sn_arena *a;
    const struct gw_kube_opts *o;
    const struct sn_json **objects;
    size_t n, cap;
    struct sn_map by_name; /* "kind ns name" -> its place in objects, and one more */
    /* What comes out: lists in the form of the configuration file. */
    struct sn_json listeners, upstreams, routes;
    struct gw_kube_secret *secrets;
    size_t n_secrets, secrets_cap;
    struct sn_buf *status; /* a line for each condition; may be NULL */
    /* A JSON document a line: {"kind", "namespace", "name", "status"} of each object that has
     * conditions, without their times; may be NULL. */
    struct sn_buf *documents;
    struct kube_said *said;
    size_t n_said, said_cap;
    struct kube_port *ports;
    size_t n_ports;
};
/* gw_kube_init - a: owns everything. */
void gw_kube_init(struct gw_kube *k, struct sn_arena *a, const struct gw_kube_opts *o,
                  struct sn_buf *status);
/* gw_kube_done - frees what is not the arena's: no object can be found any more. */
void gw_kube_done(struct gw_kube *k);
/* gw_kube_add - one document; Lists are taken apart, kinds that do not matter are left out. An
 * object that was there already is replaced. The tree is borrowed. Returns 0, SN_E_NOMEM,
 * SN_E_RESOURCE_EXHAUSTED beyond GW_KUBE_OBJECTS_MAX. */
int gw_kube_add(struct gw_kube *k, const struct sn_json *object) SN_MUST_CHECK;
/* gw_kube_translate - fills listeners, upstreams, routes and secrets. Returns 0, SN_E_NOMEM. */
int gw_kube_translate(struct gw_kube *k) SN_MUST_CHECK;
/* gw_kube_patch - compares an object's status with its document (above). Returns 0: it says the same;
 * 1: `out` has the merge patch that makes it so, other controllers' entries kept; SN_E_NOMEM,
 * SN_E_INVALID_ARGUMENT (no document). The document's tree is used up. */
struct gw_kube_now {
    struct sn_str time, controller; /* RFC 3339; ours */
};
int gw_kube_patch(struct sn_arena *a, const struct sn_json *object, const struct sn_json *document,
                  const struct gw_kube_now *now, struct sn_buf *out) SN_MUST_CHECK;
