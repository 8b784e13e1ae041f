/* SPDX-License-Identifier: Apache-2.0 */
/* image/registry_int.h - a conversation with a registry for one pull: which hosts, who asks, requests.
 *
 * The credentials go to the registry's own host and to the token server that it names, never to mirrors and
 * never along a redirect to another host. Sources: OCI distribution-spec 1.1; Docker registry v2 token
 * authentication; containerd's hosts.toml (names and meaning). */
#pragma once
#include "core/arena.h"
#include "fiber/sync.h"
#include "image/image.h"
#include "image/reference.h"
#include "kit/http.h"

#define REG_HOSTS_MAX 16u
#define REG_REDIRECTS_MAX 5u
#define REG_TRIES_MAX 5u            /* of one request, or without progress of one blob */
#define REG_BACKOFF_NS (200 * SN_MS) /* doubled with each try, half of it random */
#define REG_BACKOFF_NS_MAX (10 * SN_SEC)
#define REG_TOKEN_BYTES_MAX 32768u
#define REG_ANSWER_NS_MAX (30 * SN_SEC)
#define REG_URL_MAX 8192u

struct sn_image_clients {
    struct sn_http_client *strict, *insecure;
    struct sn_tls_config *insecure_tls;
};
int sn_image_clients_new(struct sn_image_clients **ret) SN_MUST_CHECK;
void sn_image_clients_free(struct sn_image_clients *r);

/* A host that may have the image: the registry itself, or a mirror. */
struct reg_host {
    struct sn_str base;             /* "https://registry-1.docker.io/v2", without '/' behind */
    struct sn_str authority;
    struct sn_http_client *client;  /* borrowed, or `own` */
    struct sn_http_client *own;
    struct sn_tls_config *own_tls;
    bool origin;                    /* the registry itself: credentials are for it */
    bool can_resolve;               /* answers for tags, too */
    bool insecure;
    struct sn_str authorization;    /* what it accepted last; in the session's arena */
    unsigned generation;            /* counts its changes */
};
struct reg_session {
    struct sn_image_clients *clients;
    const struct sn_image_ref *ref;
    const struct sn_image_pull_opts *o;
    const char *certs_dir;
    struct sn_arena arena;          /* under `lock` once requests run */
    struct sn_mutex lock;
    struct reg_host hosts[REG_HOSTS_MAX];
    unsigned n_hosts;
    struct sn_str basic, identity_token, registry_token; /* of who asks */
    bool plain_allowed;
};
/* reg_open - hosts and credentials. opts is borrowed until reg_close. Suspends. */
int reg_open(struct sn_image_clients *clients, const struct sn_image_ref *ref, const struct sn_image_pull_opts *o,
             const char *certs_dir, struct reg_session *ret) SN_MUST_CHECK;
void reg_close(struct reg_session *s);
/* reg_hosts - fills the hosts of a session: of hosts.toml, else the registry alone. Suspends. */
int reg_hosts(struct reg_session *s) SN_MUST_CHECK;
int reg_host_add(struct reg_session *s, struct sn_str url, bool v2, struct reg_host **ret) SN_MUST_CHECK;
void reg_host_done(struct reg_host *h);
bool reg_loopback(struct sn_str authority);
/* reg_credentials_find - from a file as docker's config.json: who asks at `registry`. Nothing found is 0. */
int reg_credentials(struct sn_arena *a, struct sn_str text, struct sn_str registry, struct sn_image_auth *ret) SN_MUST_CHECK;

struct reg_request {
    struct sn_str path;             /* "manifests/latest", "blobs/sha256:..." */
    struct sn_str accept;           /* may be .ptr NULL */
    uint64_t from;                  /* > 0: asks for the rest from there */
    bool resolve;                   /* of a tag: not every mirror may answer */
};
/* reg_get - asks the hosts in turn, with retries. The answer has status 200 or 206.
 * Returns 0, SN_E_NOT_FOUND, SN_E_UNAUTHENTICATED, SN_E_PERMISSION_DENIED, SN_E_RESOURCE_EXHAUSTED,
 * SN_E_UNAVAILABLE, ... Owns: *ret until sn_http_resp_close. Suspends. */
int reg_get(struct reg_session *s, const struct reg_request *q, struct sn_http_resp **ret) SN_MUST_CHECK;
/* reg_backoff - sleeps before try n (1 is the first repetition). */
int reg_backoff(unsigned n) SN_MUST_CHECK;
/* reg_worth_retrying - whether the failure may pass. */
bool reg_worth_retrying(int code);
int64_t reg_stall_ns(const struct reg_session *s);
/* reg_fail - the failure that a response's status and body say, closing it. */
int reg_fail(struct sn_http_resp *resp, struct sn_str url);

/* A challenge of WWW-Authenticate. */
struct reg_challenge {
    bool bearer, basic;
    struct sn_str realm, service, scope;
};
/* reg_challenge_parse - one header value, of several challenges the last of each kind counts. */
int reg_challenge_parse(struct sn_arena *a, struct sn_str value, struct reg_challenge *ret) SN_MUST_CHECK;
/* reg_authorize - a value for Authorization that satisfies the challenge. Suspends. */
int reg_authorize(struct reg_session *s, struct reg_host *h, const struct reg_challenge *c, struct sn_arena *a,
                  struct sn_str *ret) SN_MUST_CHECK;
