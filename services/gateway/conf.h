/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/conf.h - the gateway's configuration as plain structs; gateway/config.c fills them from
 * YAML and checks them. Durations are ns, sizes bytes, lists {pointer, count}, absent strings have
 * .ptr NULL. All memory belongs to the arena the configuration was read into. */
#pragma once
#include "core/str.h"
#include "gateway/route.h"
#include "gateway/takeover_conf.h"

struct sn_gw_conf_cert {
    struct sn_str cert, key;         /* PEM files, or the name of a Kubernetes Secret */
    struct sn_str cert_pem, key_pem; /* of the Secret; .ptr NULL = files */
};
struct sn_gw_conf_tls_server {
    bool enabled;
    struct sn_gw_conf_cert first; /* for names that no other one has */
    struct sn_gw_conf_cert *more;
    size_t n_more;
    struct sn_str client_ca; /* set: client certificates are verified against it */
    bool client_required;
};

struct sn_gw_conf_proxy_in { /* PROXY protocol from those in front of us */
    bool enabled;
    struct sn_str *from; /* addresses and networks whose connections begin with it */
    size_t n_from;
    int64_t timeout;
};

struct sn_gw_conf_listener {
    struct sn_str name, address;
    bool h2;
    struct sn_gw_conf_proxy_in proxy_protocol;
    struct sn_gw_conf_tls_server tls;
};

struct sn_gw_conf_endpoint {
    struct sn_str address;
    uint64_t weight; /* 1.. */
};

enum sn_gw_balance { SN_GW_P2C, SN_GW_ROUND_ROBIN, SN_GW_RING_HASH };

struct sn_gw_conf_hash { /* ring_hash: what is hashed; the first that is present counts */
    struct sn_str header, cookie;
    bool source_ip, path;
};
struct sn_gw_conf_health {
    bool enabled;
    struct sn_str path;
    struct sn_str host; /* Host header; .ptr NULL = the endpoint's address */
    int64_t interval, timeout;
    uint64_t healthy, unhealthy; /* consecutive results that change the state */
    uint64_t status_min, status_max;
};
struct sn_gw_conf_outlier {
    bool enabled;
    uint64_t consecutive;     /* failures in a row that eject */
    bool count_5xx;           /* every 5xx is a failure, not only those of 502, 503 and 504 */
    int64_t eject, eject_max; /* first ejection, doubling to the most */
    uint64_t ejected_percent_max;
    double deviation; /* eject whose success rate is so many standard deviations below the mean; 0 =
                         never */
    int64_t deviation_interval;
    uint64_t deviation_requests, deviation_endpoints; /* fewer: nothing is concluded */
};
enum sn_gw_same_site { SN_GW_SITE_LAX, SN_GW_SITE_STRICT, SN_GW_SITE_NONE };
struct sn_gw_conf_sticky {
    bool enabled;
    struct sn_str cookie, key_file, path;
    int64_t ttl; /* 0 = as long as the browser's session */
    bool secure, http_only;
    enum sn_gw_same_site same_site;
};
enum sn_gw_proxy_out { SN_GW_PROXY_NONE, SN_GW_PROXY_V1, SN_GW_PROXY_V2 };
struct sn_gw_conf_tls_client {
    bool enabled;
    struct sn_str ca, cert, key, server_name;
    bool insecure; /* do not verify the upstream's certificate */
};
struct sn_gw_conf_upstream {
    struct sn_str name;
    struct sn_str discover; /* registry URL with a service; .ptr NULL = none */
    struct sn_gw_conf_endpoint *endpoints;
    size_t n_endpoints;
    enum sn_gw_balance balance;
    struct sn_gw_conf_hash hash;
    struct sn_gw_conf_health health;
    struct sn_gw_conf_outlier outlier;
    struct sn_gw_conf_tls_client tls;
    struct sn_gw_conf_sticky sticky;
    enum sn_gw_proxy_out proxy_protocol;
    bool h2; /* cleartext HTTP/2 with prior knowledge, or only h2 by ALPN (gRPC) */
    int64_t connect_timeout, keepalive_idle, slow_start;
    uint64_t keepalive_connections, connections_max;
    uint64_t panic_percent; /* fewer available endpoints than this: all are used */
    uint64_t retry_percent; /* retry budget: extra attempts per hundred requests */
};

struct sn_gw_conf_pair {
    struct sn_str name, value;
};
struct sn_gw_conf_header_ops {
    struct sn_gw_conf_pair *set, *add;
    size_t n_set, n_add;
    struct sn_str *remove;
    size_t n_remove;
};

struct sn_gw_conf_target {
    struct sn_str upstream;
    uint64_t weight;
};
enum sn_gw_retry_on {
    SN_GW_RETRY_CONNECT = 1, /* no connection: nothing was sent */
    SN_GW_RETRY_RESET = 2,   /* connection lost before an answer; idempotent requests only */
    SN_GW_RETRY_5XX = 4,     /* 502, 503, 504 answers; idempotent requests only */
    SN_GW_RETRY_TIMEOUT = 8, /* try_timeout passed without an answer; idempotent requests only */
    SN_GW_RETRY_SILENT = 16, /* the endpoint alone says nothing; idempotent requests without a body */
};
struct sn_gw_conf_mirror {
    bool enabled;
    struct sn_str upstream;
    double percent;
    uint64_t inflight_max, body_bytes_max;
    int64_t timeout;
};
struct sn_gw_conf_rewrite {
    bool enabled;
    struct sn_str regex, replace;
};
struct sn_gw_conf_cors {
    bool enabled;
    struct sn_str *origins, *methods, *headers, *expose;
    size_t n_origins, n_methods, n_headers, n_expose;
    bool credentials;
    int64_t max_age;
};
enum sn_gw_hmac { SN_GW_HS256, SN_GW_HS384, SN_GW_HS512 };
struct sn_gw_conf_provider { /* of tokens */
    struct sn_str name, issuer;
    struct sn_str *audience; /* one of these; none = not checked */
    size_t n_audience;
    struct sn_str jwks_file, jwks_url, secret_file; /* one of them */
    enum sn_gw_hmac algorithm;                      /* of the secret */
    int64_t refresh, leeway;
    bool exp_optional;
};
struct sn_gw_conf_jwt {
    bool enabled;
    struct sn_str provider;
    bool optional, forward;
    struct sn_str cookie, query; /* where else a token may be */
    struct sn_gw_conf_pair *require, *headers;
    size_t n_require, n_headers;
};
enum sn_gw_rate_key { SN_GW_RATE_ROUTE, SN_GW_RATE_ADDRESS, SN_GW_RATE_HEADER, SN_GW_RATE_CLAIM };
struct sn_gw_conf_rate {
    bool enabled;
    double requests;
    int64_t per;
    uint64_t burst; /* 0 = requests, at least 1 */
    enum sn_gw_rate_key key;
    struct sn_str name; /* of the header or claim */
    bool shared;        /* by Redis */
    uint64_t keys_max, gateways;
};

enum sn_gw_transcode_protocol { SN_GW_WEB = 1, SN_GW_CONNECT = 2, SN_GW_REST = 4 };
struct sn_gw_conf_transcode {
    bool enabled;
    struct sn_str descriptors; /* file; .ptr NULL = none: gRPC-Web alone */
    bool reflection;           /* asked of the first upstream instead */
    int64_t reflection_interval;
    struct sn_str *services;   /* of it; none = all */
    size_t n_services;
    uint32_t protocols;
    uint64_t message_bytes_max;
};
struct sn_gw_conf_proxy {
    struct sn_gw_conf_target *to;
    size_t n_to;
    struct sn_str strip_prefix, replace_prefix, replace_path;
    struct sn_str host; /* .ptr NULL = the client's, "upstream" = the endpoint's, else literal */
    int64_t timeout, try_timeout;
    int64_t grpc_timeout; /* longest time of a gRPC call; 0 = what the client gives it */
    uint64_t retries; /* further attempts; at most SN_GW_RETRIES_MAX */
    uint32_t retry_on;
    struct sn_gw_conf_transcode transcode;
    struct sn_gw_conf_mirror mirror;
    struct sn_gw_conf_rewrite rewrite;
};
#define SN_GW_RETRIES_MAX 5u

struct sn_gw_conf_static {
    struct sn_str root, index, fallback, cache_control;
    bool precompressed, keep_prefix;
};
struct sn_gw_conf_redirect {
    struct sn_str scheme, host, path, replace_prefix;
    uint64_t port, status;
};
struct sn_gw_conf_respond {
    uint64_t status;
    struct sn_str body, content_type;
};
enum sn_gw_action { SN_GW_NONE, SN_GW_PROXY, SN_GW_STATIC, SN_GW_REDIRECT, SN_GW_RESPOND };

struct sn_gw_conf_route {
    struct sn_str name;
    struct sn_str *listeners; /* names; none = all */
    size_t n_listeners;
    struct sn_gw_rule rule;
    enum sn_gw_action action;
    struct sn_gw_conf_proxy proxy;
    struct sn_gw_conf_static files;
    struct sn_gw_conf_redirect redirect;
    struct sn_gw_conf_respond respond;
    struct sn_gw_conf_header_ops request_headers, response_headers;
    struct sn_gw_conf_cors cors;
    struct sn_gw_conf_jwt jwt;
    struct sn_gw_conf_rate rate_limit;
    uint64_t body_bytes_max; /* 0 = the listener's */
    int64_t p99_budget;      /* for the board; 0 = none */
    bool access_log, compress;
};

enum sn_gw_coding { SN_GW_GZIP = 1, SN_GW_ZSTD = 2 };
struct sn_gw_conf_compress {
    bool enabled;
    uint32_t codings; /* of enum sn_gw_coding */
    uint64_t level, bytes_min;
    struct sn_str *types; /* media types, or kinds with a star for the rest; none = built in */
    size_t n_types;
};
enum sn_gw_log_format { SN_GW_LOG_OFF, SN_GW_LOG_JSON, SN_GW_LOG_LOGFMT, SN_GW_LOG_COMBINED };
struct sn_gw_conf_access_log {
    enum sn_gw_log_format format;
    struct sn_str path; /* "stdout", "stderr" or a file */
};
struct sn_gw_conf_limits {
    uint64_t head_bytes, headers, body_bytes, connections, h2_streams;
    int64_t head_timeout, idle_timeout, stall_timeout;
};

struct sn_gw_conf_admin {
    bool enabled;
    struct sn_str address, token_file;
};
struct sn_gw_conf_redis {
    bool enabled;
    struct sn_str address, user, password_file;
    uint64_t database;
};

struct sn_gw_conf_tracing {
    bool enabled, parent;
    struct sn_str otlp, service, authorization_file;
    double ratio;
};

struct sn_gw_conf_kube { /* see kube.h */
    bool enabled, status;
    struct sn_str *paths;
    size_t n_paths;
    struct sn_str server, token_file, ca_file; /* of the API server; .ptr NULL = none */
    struct sn_str gateway_class, controller, ingress_class, address, cluster_domain, ingress_address;
    uint64_t port_offset, ingress_http, ingress_https;
};

struct sn_gw_conf {
    struct sn_gw_conf_kube kubernetes;
    struct sn_gw_conf_admin admin;
    struct sn_gw_conf_redis redis;
    struct sn_gw_conf_tracing tracing;
    struct sn_gw_conf_provider *jwt_providers;
    size_t n_jwt_providers;
    struct sn_gw_conf_listener *listeners;
    size_t n_listeners;
    struct sn_gw_conf_upstream *upstreams;
    size_t n_upstreams;
    struct sn_gw_conf_route *routes;
    size_t n_routes;
    struct sn_gw_conf_access_log access_log;
    struct sn_gw_conf_limits limits;
    struct sn_gw_conf_compress compress;
    struct sn_gw_conf_takeover takeover;
    struct sn_str *trusted_proxies; /* CIDR; whose X-Forwarded-* and Forwarded are kept */
    size_t n_trusted_proxies;
    bool forwarded;    /* also send RFC 7239 Forwarded */
    struct sn_str via; /* pseudonym in Via; "" = no Via */
    int64_t drain_grace;
    struct sn_str upgrade_socket; /* of a successor; .ptr NULL = none */
    bool watch; /* reload when the file changes */
};
