/* SPDX-License-Identifier: Apache-2.0 */
/* registry/server.h - one registry and configuration centre with several faces: Consul's and
 * Nacos's HTTP interfaces, Nacos's gRPC, Apollo's configuration service, etcd v3. What is registered
 * or stored through one is seen through the others; docs/registry.md says how names are translated. */
#pragma once
#include "core/buf.h"
#include "core/status.h"
#include "core/str.h"

struct sn_regserver;
struct sn_http_server_opts;

struct sn_regserver_opts {
    /* net.h addresses; NULL = this face is off. Loopback unless a host is written out. */
    const char *consul, *nacos, *nacos_grpc, *apollo, *etcd;
    const char *data_dir; /* values and permanent instances survive there; NULL = they do not */
    struct sn_str token;  /* asked of every write; empty = none is asked */
    struct sn_str apollo_secret;   /* set: Apollo clients must sign their requests with it */
    const char *datacenter, *node; /* Consul's names; NULL = "dc1", "sennit" */
    int64_t wait_ns_max;           /* a long poll's longest; 0 = 10 min */
    size_t instances_max, keys_max, key_bytes_max, waiters_max; /* 0 = registry/store.h's */
};

/* sn_regserver_new - opens the data folder and binds the listeners. Returns 0, SN_E_DATA_LOSS (the
 * journal is none of ours), SN_E_INVALID_ARGUMENT (no face), listen and file errors; the diagnostic
 * names what. Owns: *ret until sn_regserver_free. Suspends. */
int sn_regserver_new(const struct sn_regserver_opts *opts, struct sn_regserver **ret) SN_MUST_CHECK;
/* sn_regserver_run - serves until sn_regserver_stop or until the fiber is cancelled; then answers
 * what waits, drains for at most five seconds, and stores what was taken. Returns 0 or SN_E_*.
 * Suspends. */
int sn_regserver_run(struct sn_regserver *s);
/* sn_regserver_stop - any fiber; does not suspend. */
void sn_regserver_stop(struct sn_regserver *s);
void sn_regserver_free(struct sn_regserver *s);
/* sn_regserver_addr - where a face ("consul", "nacos", "nacos_grpc", "apollo",
 * "etcd") listens. Returns its length,
 * SN_E_NOT_FOUND, SN_E_TOO_LARGE. */
int sn_regserver_addr(struct sn_regserver *s, const char *face, char *out, size_t cap);

struct sn_regserver_stats {
    uint64_t services, instances, keys, leases, waiting, revision, requests, refused;
};
void sn_regserver_stats(struct sn_regserver *s, struct sn_regserver_stats *ret);
