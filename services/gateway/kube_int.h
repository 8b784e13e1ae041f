/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/kube_int.h - what kube*.c share. */
#pragma once
#include "gateway/kube.h"

#define KUBE_GROUP "gateway.networking.k8s.io"
#define KUBE_PARENTS_MAX 32u /* of a route */

/* A listener of a Gateway. */
struct kube_listener {
    const struct sn_json *gateway, *spec;
    struct sn_str name, hostname; /* of the listener; hostname empty = every host */
    uint64_t port;
    bool tls, http_routes, grpc_routes; /* kinds it admits */
    bool usable;
    struct kube_port *at;
    unsigned attached;
};
/* One address that is bound: a listener of ours, shared by listeners of Gateways that differ by
 * host. */
struct kube_port {
    struct sn_str name, address;
    bool tls;
    struct sn_json *json;
};
struct kube_listeners {
    struct kube_listener *ptr;
    size_t n;
};

/* ---- objects ---- */
static inline struct sn_str kube_str(const struct sn_json *v, const char *path)
{
    return sn_json_str(sn_json_path(v, path));
}
bool kube_is(const struct sn_json *o, const char *kind);
struct sn_str kube_name(const struct sn_json *o);
struct sn_str kube_namespace(const struct sn_json *o); /* "default" where it has none */
/* kube_find - NULL where there is none. */
const struct sn_json *kube_find(const struct gw_kube *k, const char *kind, struct sn_str ns,
                                struct sn_str name);
/* kube_older - order among objects of a kind: creation, then namespace/name. */
bool kube_older(const struct sn_json *a, const struct sn_json *b);
/* kube_sorted - the objects of a kind in that order, in the arena; NULL without memory. */
const struct sn_json **kube_sorted(struct gw_kube *k, const char *kind, size_t *ret_n);
/* kube_granted - whether a ReferenceGrant lets objects of from_kind in from_ns refer to this one.
 */
bool kube_granted(const struct gw_kube *k, const char *from_kind, struct sn_str from_ns,
                  const char *to_kind, struct sn_str to_ns, struct sn_str to_name);
/* kube_selected - whether labels fit a LabelSelector. */
bool kube_selected(const struct sn_json *selector, const struct sn_json *labels);
/* kube_condition - of an object as a whole; _at: of a listener or a parentRef of it (`part`), which
 * `where` names. Those of one object come one after another. */
void kube_condition(struct gw_kube *k, const struct sn_json *o, const char *type, bool good,
                    const char *reason);
void kube_condition_at(struct gw_kube *k, const struct sn_json *o, const struct sn_json *part,
                       const char *where, const struct kube_word *w);
struct kube_listeners;
/* kube_documents - a document for each object something was said of. Returns 0, SN_E_NOMEM. */
int kube_documents(struct gw_kube *k, const struct kube_listeners *all) SN_MUST_CHECK;
/* kube_address_of - where a Gateway's ports are bound. */
struct sn_str kube_address_of(const struct gw_kube *k, const struct sn_json *gateway);

/* ---- building ---- */
struct sn_json *kube_set(struct gw_kube *k, struct sn_json *o, const char *key, struct sn_json v);
struct sn_json *kube_set_str(struct gw_kube *k, struct sn_json *o, const char *key,
                             struct sn_str s);
struct sn_json *kube_push(struct gw_kube *k, struct sn_json *list, struct sn_json v);

/* ---- parts ---- */
/* kube_port_get - the listener of ours for this address and port; NULL where another one there
 * speaks another protocol, or without memory. */
struct kube_port *kube_port_get(struct gw_kube *k, struct sn_str address, uint64_t port, bool tls);
/* kube_secret - the certificate of a Secret for a listener of ours: added to it. Returns 0,
 * SN_E_NOT_FOUND. */
int kube_secret(struct gw_kube *k, struct kube_port *p, struct sn_str ns, struct sn_str name);
int kube_gateways(struct gw_kube *k, struct kube_listeners *ret) SN_MUST_CHECK;
int kube_routes(struct gw_kube *k, struct kube_listeners *l) SN_MUST_CHECK;
int kube_ingresses(struct gw_kube *k) SN_MUST_CHECK;
/* kube_upstream - the upstream for a port of a Service, made where it is not there yet. h2: gRPC.
 * Returns 0 and its name, or SN_E_NOT_FOUND (no such Service or port), SN_E_NOMEM. */
int kube_upstream(struct gw_kube *k, struct sn_str ns, struct sn_str service,
                  const struct sn_json *port, bool h2, struct sn_str *ret);
