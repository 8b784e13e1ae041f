/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/config.c - every key of the configuration file, and what must hold between them. */
#include "gateway/config.h"

#include <stdio.h>

#include "core/map.h"
#include "gateway/config_int.h"
#include "gateway/gw_int.h"
#include "services/registry/registry.h"

#define PORT_MAX 65535
#define DAY_NS (24 * SN_HOUR)

/* ---- listeners ------------------------------------------------------------------------------ */

static const struct sn_conf_field cert_fields[] = {
    SN_CONF_STRING(struct sn_gw_conf_cert, cert, "cert", .required = true,
                   .help = "PEM file with the certificate chain."),
    SN_CONF_STRING(struct sn_gw_conf_cert, key, "key", .required = true,
                   .help = "PEM file with the private key."),
};
static const struct sn_conf_table cert_table = SN_CONF_TABLE(struct sn_gw_conf_cert, cert_fields);

static const struct sn_conf_field tls_server_fields[] = {
    SN_CONF_STRING(struct sn_gw_conf_tls_server, first.cert, "cert", .required = true,
                   .help = "PEM file with the certificate chain."),
    SN_CONF_STRING(struct sn_gw_conf_tls_server, first.key, "key", .required = true,
                   .help = "PEM file with the private key."),
    SN_CONF_LIST(struct sn_gw_conf_tls_server, more, n_more, "more", SN_CONF_T_STRUCT,
                 .sub = &cert_table, .max = GW_CERTS_MAX - 1,
                 .help =
                     "Further certificates. Each answers clients that ask for a name it holds "
                     "(SNI, wildcards too), the one above all others."),
    SN_CONF_STRING(struct sn_gw_conf_tls_server, client_ca, "client_ca",
                   .help =
                       "PEM file of authorities; client certificates are asked for and verified."),
    SN_CONF_BOOL(struct sn_gw_conf_tls_server, client_required, "client_required", .def = "true",
                 .help = "With `client_ca`: refuse clients without a certificate."),
};
static const struct sn_conf_table tls_server_table =
    SN_CONF_TABLE(struct sn_gw_conf_tls_server, tls_server_fields);

static const struct sn_conf_field listener_fields[] = {
    SN_CONF_STRING(struct sn_gw_conf_listener, name, "name", .required = true, .min = 1, .max = 64,
                   .help = "Unique; routes refer to it."),
    SN_CONF_STRING(struct sn_gw_conf_listener, address, "address", .required = true, .min = 2,
                   .max = 200,
                   .help = "`127.0.0.1:8080`, `:8080` (loopback), `0.0.0.0:80`, `[::]:80`, "
                           "`unix:/run/gw.sock`."),
    SN_CONF_BOOL(struct sn_gw_conf_listener, h2, "h2", .def = "true",
                 .help = "HTTP/2: by ALPN with TLS, by prior knowledge without."),
    SN_CONF_STRUCT(struct sn_gw_conf_listener, proxy_protocol, "proxy_protocol",
                   &sn_gw_proxy_in_table,
                   SN_CONF_GIVEN(struct sn_gw_conf_listener, proxy_protocol.enabled),
                   .help = "PROXY protocol, version 1 or 2, from load balancers in front."),
    SN_CONF_STRUCT(struct sn_gw_conf_listener, tls, "tls", &tls_server_table,
                   SN_CONF_GIVEN(struct sn_gw_conf_listener, tls.enabled),
                   .help = "TLS; without it the listener is plain."),
};
static const struct sn_conf_table listener_table =
    SN_CONF_TABLE(struct sn_gw_conf_listener, listener_fields);

/* ---- upstreams ------------------------------------------------------------------------------ */

static const struct sn_conf_field endpoint_fields[] = {
    SN_CONF_STRING(struct sn_gw_conf_endpoint, address, "address", .required = true, .min = 2,
                   .max = 200, .help = "`host:port`, `[::1]:port`, `unix:/path`."),
    SN_CONF_UINT(struct sn_gw_conf_endpoint, weight, "weight", .def = "1", .min = 1, .max = 1000,
                 .help = "Share of the requests, relative to the others."),
};
static const struct sn_conf_table endpoint_table =
    SN_CONF_TABLE(struct sn_gw_conf_endpoint, endpoint_fields);

static const struct sn_conf_field hash_fields[] = {
    SN_CONF_STRING(struct sn_gw_conf_hash, header, "header",
                   .help = "Value of this request header."),
    SN_CONF_STRING(struct sn_gw_conf_hash, cookie, "cookie", .help = "Value of this cookie."),
    SN_CONF_BOOL(struct sn_gw_conf_hash, source_ip, "source_ip", .help = "The client's address."),
    SN_CONF_BOOL(struct sn_gw_conf_hash, path, "path", .help = "The request's path."),
};
static const struct sn_conf_table hash_table = SN_CONF_TABLE(struct sn_gw_conf_hash, hash_fields);

static const struct sn_conf_field health_fields[] = {
    SN_CONF_STRING(struct sn_gw_conf_health, path, "path", .required = true, .pattern = "/[!-~]*",
                   .pattern_help = "a path such as /healthz", .help = "GET this."),
    SN_CONF_STRING(struct sn_gw_conf_health, host, "host",
                   .help = "Host header; the endpoint's address otherwise."),
    SN_CONF_DURATION(struct sn_gw_conf_health, interval, "interval", .def = "5s", .min = 10 * SN_MS,
                     .max = DAY_NS, .help = "Between two checks of an endpoint."),
    SN_CONF_DURATION(struct sn_gw_conf_health, timeout, "timeout", .def = "1s", .min = SN_MS,
                     .max = SN_HOUR, .help = "For one check."),
    SN_CONF_UINT(struct sn_gw_conf_health, healthy, "healthy", .def = "2", .min = 1, .max = 100,
                 .help = "Successes in a row that bring an endpoint back."),
    SN_CONF_UINT(struct sn_gw_conf_health, unhealthy, "unhealthy", .def = "3", .min = 1, .max = 100,
                 .help = "Failures in a row that take it out."),
    SN_CONF_UINT(struct sn_gw_conf_health, status_min, "status_min", .def = "200", .min = 100,
                 .max = 599, .help = "Least status that is a success."),
    SN_CONF_UINT(struct sn_gw_conf_health, status_max, "status_max", .def = "399", .min = 100,
                 .max = 599, .help = "Greatest status that is a success."),
};
static const struct sn_conf_table health_table =
    SN_CONF_TABLE(struct sn_gw_conf_health, health_fields);

static const struct sn_conf_field outlier_fields[] = {
    SN_CONF_BOOL(struct sn_gw_conf_outlier, enabled, "enabled", .def = "true",
                 .help = "Take failing endpoints out by what requests experience."),
    SN_CONF_UINT(struct sn_gw_conf_outlier, consecutive, "consecutive", .def = "5", .min = 1,
                 .max = 1000,
                 .help =
                     "Failures in a row that eject: no connection, connection lost, timeout, 502, "
                     "503, 504. After an ejection the first failure ejects again."),
    SN_CONF_BOOL(struct sn_gw_conf_outlier, count_5xx, "count_5xx",
                 .help = "Every 5xx answer is a failure."),
    SN_CONF_DURATION(struct sn_gw_conf_outlier, eject, "eject", .def = "5s", .min = 10 * SN_MS,
                     .max = DAY_NS,
                     .help = "First ejection; each further one lasts twice as long."),
    SN_CONF_DURATION(struct sn_gw_conf_outlier, eject_max, "eject_max", .def = "5m",
                     .min = 10 * SN_MS, .max = DAY_NS, .help = "Longest ejection."),
    SN_CONF_UINT(struct sn_gw_conf_outlier, ejected_percent_max, "ejected_percent_max", .def = "50",
                 .min = 1, .max = 100,
                 .help = "Never eject more of the endpoints (but always one)."),
    SN_CONF_DOUBLE(struct sn_gw_conf_outlier, deviation, "deviation", .def = "1.9", .min_real = 0,
                   .max_real = 100,
                   .help =
                       "Eject the endpoint whose success rate is so many standard deviations below "
                       "the mean of all. 0: never."),
    SN_CONF_DURATION(struct sn_gw_conf_outlier, deviation_interval, "deviation_interval",
                     .def = "10s", .min = 100 * SN_MS, .max = SN_HOUR,
                     .help = "Success rates are of this time."),
    SN_CONF_UINT(struct sn_gw_conf_outlier, deviation_requests, "deviation_requests", .def = "100",
                 .min = 1, .max = 1000000,
                 .help = "Endpoints with fewer requests in that time are left out of it."),
    SN_CONF_UINT(struct sn_gw_conf_outlier, deviation_endpoints, "deviation_endpoints", .def = "5",
                 .min = 3, .max = SN_GW_ENDPOINTS_MAX,
                 .help = "With fewer endpoints than this nothing is concluded."),
};
static const struct sn_conf_table outlier_table =
    SN_CONF_TABLE(struct sn_gw_conf_outlier, outlier_fields);

static const struct sn_conf_field tls_client_fields[] = {
    SN_CONF_STRING(struct sn_gw_conf_tls_client, ca, "ca",
                   .help = "PEM file of authorities; the system's otherwise."),
    SN_CONF_STRING(struct sn_gw_conf_tls_client, cert, "cert", .help = "Client certificate."),
    SN_CONF_STRING(struct sn_gw_conf_tls_client, key, "key", .help = "Its key."),
    SN_CONF_STRING(struct sn_gw_conf_tls_client, server_name, "server_name", .required = true,
                   .help = "Name asked for (SNI) and verified."),
    SN_CONF_BOOL(struct sn_gw_conf_tls_client, insecure, "insecure",
                 .help = "Do not verify the upstream's certificate."),
};
static const struct sn_conf_table tls_client_table =
    SN_CONF_TABLE(struct sn_gw_conf_tls_client, tls_client_fields);

static const struct sn_conf_enum balance_names[] = {{"p2c", SN_GW_P2C},
                                                    {"round_robin", SN_GW_ROUND_ROBIN},
                                                    {"ring_hash", SN_GW_RING_HASH},
                                                    {0}};

static const struct sn_conf_field upstream_fields[] = {
    SN_CONF_STRING(struct sn_gw_conf_upstream, name, "name", .required = true, .min = 1, .max = 512,
                   .help = "Unique; routes refer to it, and state is carried over reloads by it."),
    SN_CONF_LIST(struct sn_gw_conf_upstream, endpoints, n_endpoints, "endpoints", SN_CONF_T_STRUCT,
                 .sub = &endpoint_table, .max = SN_GW_ENDPOINTS_MAX,
                 .help =
                     "Where requests go. With `discover`: until the registry has named others."),
    SN_CONF_STRING(struct sn_gw_conf_upstream, discover, "discover", .max = 2048,
                   .help = "A service in a registry whose instances are the endpoints, "
                           "`consul://127.0.0.1:8500/orders`; see registry.md for the URLs."),
    SN_CONF_ENUM(struct sn_gw_conf_upstream, balance, "balance", balance_names, .def = "p2c",
                 .help =
                     "`p2c`: the less loaded of two random endpoints, by latency and requests in "
                     "flight. `ring_hash`: the same key goes to the same endpoint."),
    SN_CONF_STRUCT(struct sn_gw_conf_upstream, hash, "hash", &hash_table,
                   .help = "For `ring_hash`: the key, the first of these that a request has."),
    SN_CONF_STRUCT(struct sn_gw_conf_upstream, health, "health", &health_table,
                   SN_CONF_GIVEN(struct sn_gw_conf_upstream, health.enabled),
                   .help = "Active checks; none without it."),
    SN_CONF_STRUCT(struct sn_gw_conf_upstream, outlier, "outlier", &outlier_table,
                   .help = "Passive ejection."),
    SN_CONF_STRUCT(struct sn_gw_conf_upstream, tls, "tls", &tls_client_table,
                   SN_CONF_GIVEN(struct sn_gw_conf_upstream, tls.enabled),
                   .help = "TLS to the endpoints; plain without it."),
    SN_CONF_STRUCT(struct sn_gw_conf_upstream, sticky, "sticky", &sn_gw_sticky_table,
                   SN_CONF_GIVEN(struct sn_gw_conf_upstream, sticky.enabled),
                   .help =
                       "A cookie brings a client back to its endpoint while that is available."),
    SN_CONF_ENUM(struct sn_gw_conf_upstream, proxy_protocol, "proxy_protocol",
                 sn_gw_proxy_out_names, .def = "none",
                 .help =
                     "Tell endpoints the client's address by a PROXY header; then connections are "
                     "not shared between clients, nor kept."),
    SN_CONF_BOOL(struct sn_gw_conf_upstream, h2, "h2",
                 .help =
                     "HTTP/2 to the endpoints: prior knowledge on plain connections, ALPN on TLS. "
                     "gRPC needs it."),
    SN_CONF_DURATION(struct sn_gw_conf_upstream, connect_timeout, "connect_timeout", .def = "1s",
                     .min = SN_MS, .max = SN_HOUR, .help = "For TCP and TLS together."),
    SN_CONF_DURATION(struct sn_gw_conf_upstream, keepalive_idle, "keepalive_idle", .def = "60s",
                     .min = SN_MS, .max = DAY_NS, .help = "Life of an idle connection."),
    SN_CONF_UINT(struct sn_gw_conf_upstream, keepalive_connections, "keepalive_connections",
                 .def = "256", .min = 1, .max = 100000,
                 .help = "Idle connections kept per endpoint and worker."),
    SN_CONF_UINT(struct sn_gw_conf_upstream, connections_max, "connections_max", .max = 1000000,
                 .help =
                     "Connections per endpoint and worker; beyond it requests wait. 0: no limit."),
    SN_CONF_DURATION(struct sn_gw_conf_upstream, slow_start, "slow_start", .def = "0s",
                     .max = DAY_NS, .help = "A recovered endpoint's share grows over this time."),
    SN_CONF_UINT(struct sn_gw_conf_upstream, panic_percent, "panic_percent", .def = "30",
                 .max = 100,
                 .help = "With fewer available endpoints than this all are used. 0: never."),
    SN_CONF_UINT(struct sn_gw_conf_upstream, retry_percent, "retry_percent", .def = "20",
                 .max = 1000,
                 .help =
                     "Retry budget: extra attempts per hundred requests, beyond a burst of 10."),
};
static const struct sn_conf_table upstream_table =
    SN_CONF_TABLE(struct sn_gw_conf_upstream, upstream_fields);

/* ---- routes --------------------------------------------------------------------------------- */

static const struct sn_conf_field cond_fields[] = {
    SN_CONF_STRING(struct sn_gw_cond, name, "name", .required = true, .min = 1, .max = 256,
                   .help = "Header (case does not matter) or query parameter."),
    SN_CONF_STRING(struct sn_gw_cond, exact, "exact", .oneof = 1, .help = "The whole value."),
    SN_CONF_STRING(struct sn_gw_cond, regex, "regex", .oneof = 1,
                   .help =
                       "PCRE2 expression for the whole value. With neither it must be present."),
};
static const struct sn_conf_table cond_table = SN_CONF_TABLE(struct sn_gw_cond, cond_fields);

#define PATH_PATTERN .pattern = "/[!-~]*", .pattern_help = "a path that starts with /"
static const struct sn_conf_field match_fields[] = {
    SN_CONF_STRING(struct sn_gw_match, prefix, "prefix", .oneof = 1, PATH_PATTERN,
                   .help = "Whole segments: `/a` fits `/a` and `/a/b`, not `/ab`."),
    SN_CONF_STRING(struct sn_gw_match, exact, "exact", .oneof = 1, PATH_PATTERN,
                   .help = "The whole path."),
    SN_CONF_STRING(struct sn_gw_match, regex, "regex", .oneof = 1, .min = 1,
                   .max = SN_GW_REGEX_PATTERN_MAX, .help = "PCRE2 expression for the whole path."),
    SN_CONF_LIST(struct sn_gw_match, methods, n_methods, "methods", SN_CONF_T_STRING, .max = 32,
                 .help = "Any of these."),
    SN_CONF_LIST(struct sn_gw_match, headers, n_headers, "headers", SN_CONF_T_STRUCT,
                 .sub = &cond_table, .max = 16, .help = "All of these."),
    SN_CONF_LIST(struct sn_gw_match, query, n_query, "query", SN_CONF_T_STRUCT, .sub = &cond_table,
                 .max = 16, .help = "All of these."),
};
static const struct sn_conf_table match_table = SN_CONF_TABLE(struct sn_gw_match, match_fields);

static const struct sn_conf_field target_fields[] = {
    SN_CONF_STRING(struct sn_gw_conf_target, upstream, "upstream", .required = true,
                   .help = "Name of an upstream."),
    SN_CONF_UINT(struct sn_gw_conf_target, weight, "weight", .def = "1", .max = 1000000,
                 .help = "Share of the route's requests; 0 sends none."),
};
static const struct sn_conf_table target_table =
    SN_CONF_TABLE(struct sn_gw_conf_target, target_fields);

static const struct sn_conf_enum retry_names[] = {{"connect", SN_GW_RETRY_CONNECT},
                                                  {"reset", SN_GW_RETRY_RESET},
                                                  {"5xx", SN_GW_RETRY_5XX},
                                                  {"timeout", SN_GW_RETRY_TIMEOUT},
                                                  {"silent", SN_GW_RETRY_SILENT},
                                                  {0}};

static const struct sn_conf_enum transcode_names[] = {{"web", SN_GW_WEB},
                                                      {"connect", SN_GW_CONNECT},
                                                      {"rest", SN_GW_REST},
                                                      {0}};

#define TRANSCODE struct sn_gw_conf_transcode
static const struct sn_conf_field transcode_fields[] = {
    SN_CONF_STRING(TRANSCODE, descriptors, "descriptors", .max = 4096,
                   .help =
                       "File with a serialised FileDescriptorSet, as `protoc --include_imports -o` "
                       "writes it. Without it only gRPC-Web, whose messages pass as they are."),
    SN_CONF_BOOL(TRANSCODE, reflection, "reflection",
                 .help = "Ask the route's first upstream for its descriptors by server reflection "
                         "(v1, v1alpha) instead. Until it has answered: only gRPC-Web."),
    SN_CONF_DURATION(TRANSCODE, reflection_interval, "reflection_interval", .def = "10s",
                     .min = 50 * SN_MS, .max = SN_HOUR,
                     .help = "How often it is asked whether they have changed."),
    SN_CONF_LIST(TRANSCODE, services, n_services, "services", SN_CONF_T_STRING, .max = 1024,
                 .help = "Full names of services; all of the file without it."),
    SN_CONF_FLAGS(TRANSCODE, protocols, "protocols", transcode_names, .def = "web,connect,rest",
                  .help = "`web`: gRPC-Web. `connect`: Connect. `rest`: JSON by the methods' "
                          "`google.api.http` options."),
    SN_CONF_BYTES(TRANSCODE, message_bytes_max, "message_bytes_max", .def = "4MiB", .min = 1024,
                  .max = 1 << 30, .help = "Largest message, either way."),
};
static const struct sn_conf_table transcode_table = SN_CONF_TABLE(TRANSCODE, transcode_fields);

static const struct sn_conf_field proxy_fields[] = {
    SN_CONF_LIST(struct sn_gw_conf_proxy, to, n_to, "to", SN_CONF_T_STRUCT, .sub = &target_table,
                 .required = true, .min = 1, .max = 64,
                 .help = "One upstream, or several by weight."),
    SN_CONF_STRING(struct sn_gw_conf_proxy, strip_prefix, "strip_prefix", .oneof = 1, PATH_PATTERN,
                   .help = "Cut this from the path's beginning."),
    SN_CONF_STRING(struct sn_gw_conf_proxy, replace_prefix, "replace_prefix", .oneof = 1,
                   PATH_PATTERN, .help = "Put this in place of the prefix that matched."),
    SN_CONF_STRING(struct sn_gw_conf_proxy, replace_path, "replace_path", .oneof = 1, PATH_PATTERN,
                   .help = "Put this in place of the whole path."),
    SN_CONF_STRUCT(struct sn_gw_conf_proxy, rewrite, "rewrite", &sn_gw_rewrite_table, .oneof = 1,
                   SN_CONF_GIVEN(struct sn_gw_conf_proxy, rewrite.enabled),
                   .help = "Change the path by an expression; paths it does not fit stay."),
    SN_CONF_STRUCT(struct sn_gw_conf_proxy, mirror, "mirror", &sn_gw_mirror_table,
                   SN_CONF_GIVEN(struct sn_gw_conf_proxy, mirror.enabled),
                   .help = "Send copies of requests elsewhere too; answers are thrown away."),
    SN_CONF_STRING(struct sn_gw_conf_proxy, host, "host",
                   .help = "Host sent on: the client's by default, `upstream` for the endpoint's "
                           "address, anything else literally."),
    SN_CONF_DURATION(struct sn_gw_conf_proxy, timeout, "timeout", .def = "30s", .max = DAY_NS,
                     .help =
                         "Until the answer's head is here, all attempts together; for a request "
                         "with a body after the body's last byte. 0: none."),
    SN_CONF_DURATION(struct sn_gw_conf_proxy, try_timeout, "try_timeout", .def = "0s",
                     .max = DAY_NS, .help = "The same for one attempt. 0: none."),
    SN_CONF_DURATION(struct sn_gw_conf_proxy, grpc_timeout, "grpc_timeout", .def = "0s",
                     .max = DAY_NS,
                     .help = "For gRPC calls in place of `timeout`: longest time of a whole call, "
                             "whatever `grpc-timeout` its client sends. 0: the client's alone."),
    SN_CONF_UINT(struct sn_gw_conf_proxy, retries, "retries", .def = "2", .max = SN_GW_RETRIES_MAX,
                 .help = "Further attempts, on other endpoints where there are any."),
    SN_CONF_FLAGS(struct sn_gw_conf_proxy, retry_on, "retry_on", retry_names,
                  .def = "connect,reset,5xx,silent",
                  .help = "`connect`: nothing was sent, any method. The others only for idempotent "
                          "methods whose body was not begun: `reset`, `5xx` (502, 503, 504), "
                          "`timeout` (of one attempt), `silent` (without a body: the endpoint has "
                          "answered nothing for twice as long as the upstream's slowest answer of "
                          "late, while others have)."),
    SN_CONF_STRUCT(struct sn_gw_conf_proxy, transcode, "transcode", &transcode_table,
                   SN_CONF_GIVEN(struct sn_gw_conf_proxy, transcode.enabled),
                   .help =
                       "Clients may speak gRPC-Web, Connect and JSON to the gRPC services behind."),
};
static const struct sn_conf_table proxy_table =
    SN_CONF_TABLE(struct sn_gw_conf_proxy, proxy_fields);

static const struct sn_conf_field static_fields[] = {
    SN_CONF_STRING(struct sn_gw_conf_static, root, "root", .required = true, .min = 1, .max = 4000,
                   .help = "Folder; nothing outside is ever served, whatever links say."),
    SN_CONF_STRING(struct sn_gw_conf_static, index, "index", .def = "index.html", .min = 1,
                   .max = 255, .help = "File sent for a folder. Folders are never listed."),
    SN_CONF_STRING(struct sn_gw_conf_static, fallback, "fallback", .max = 255,
                   .help = "File sent where none is found, as single-page applications want."),
    SN_CONF_STRING(struct sn_gw_conf_static, cache_control, "cache_control",
                   .help = "Cache-Control of every file."),
    SN_CONF_BOOL(struct sn_gw_conf_static, precompressed, "precompressed", .def = "true",
                 .help = "Send `x.br`, `x.zst` or `x.gz` beside `x` to clients that accept it."),
    SN_CONF_BOOL(struct sn_gw_conf_static, keep_prefix, "keep_prefix",
                 .help = "Look up the whole path, not only what follows the matched prefix."),
};
static const struct sn_conf_table static_table =
    SN_CONF_TABLE(struct sn_gw_conf_static, static_fields);

static const struct sn_conf_field redirect_fields[] = {
    SN_CONF_STRING(struct sn_gw_conf_redirect, scheme, "scheme", .pattern = "https?",
                   .pattern_help = "http or https", .help = "Scheme of the new location."),
    SN_CONF_STRING(struct sn_gw_conf_redirect, host, "host", .help = "Host of the new location."),
    SN_CONF_UINT(struct sn_gw_conf_redirect, port, "port", .max = PORT_MAX,
                 .help = "Port of the new location."),
    SN_CONF_STRING(struct sn_gw_conf_redirect, path, "path", .oneof = 1, PATH_PATTERN,
                   .help = "Whole new path; the query is dropped."),
    SN_CONF_STRING(struct sn_gw_conf_redirect, replace_prefix, "replace_prefix", .oneof = 1,
                   PATH_PATTERN, .help = "In place of the prefix that matched; the query is kept."),
    SN_CONF_UINT(struct sn_gw_conf_redirect, status, "status", .def = "302", .min = 301, .max = 308,
                 .help = "301, 302, 303, 307 or 308."),
};
static const struct sn_conf_table redirect_table =
    SN_CONF_TABLE(struct sn_gw_conf_redirect, redirect_fields);

static const struct sn_conf_field respond_fields[] = {
    SN_CONF_UINT(struct sn_gw_conf_respond, status, "status", .def = "200", .min = 200, .max = 599,
                 .help = "Status."),
    SN_CONF_STRING(struct sn_gw_conf_respond, body, "body", .max = 1 << 20, .help = "Body."),
    SN_CONF_STRING(struct sn_gw_conf_respond, content_type, "content_type",
                   .help = "Plain text otherwise."),
};
static const struct sn_conf_table respond_table =
    SN_CONF_TABLE(struct sn_gw_conf_respond, respond_fields);

static const struct sn_conf_field header_ops_fields[] = {
    SN_CONF_MAP(struct sn_gw_conf_header_ops, set, n_set, "set", SN_CONF_T_STRING,
                struct sn_gw_conf_pair, name, value, .max = 64, .help = "Replace or add."),
    SN_CONF_MAP(struct sn_gw_conf_header_ops, add, n_add, "add", SN_CONF_T_STRING,
                struct sn_gw_conf_pair, name, value, .max = 64,
                .help = "Add, beside fields that are there."),
    SN_CONF_LIST(struct sn_gw_conf_header_ops, remove, n_remove, "remove", SN_CONF_T_STRING,
                 .max = 64, .help = "Remove."),
};
static const struct sn_conf_table header_ops_table =
    SN_CONF_TABLE(struct sn_gw_conf_header_ops, header_ops_fields);

#define ROUTE struct sn_gw_conf_route
static const struct sn_conf_field route_fields[] = {
    SN_CONF_STRING(ROUTE, name, "name", .required = true, .min = 1, .max = 512,
                   .help = "Unique; names the route on the board, in metrics and logs."),
    SN_CONF_LIST(ROUTE, listeners, n_listeners, "listeners", SN_CONF_T_STRING,
                 .max = GW_LISTENERS_MAX, .help = "Only on these listeners; on all without it."),
    SN_CONF_LIST(ROUTE, rule.hosts, rule.n_hosts, "hosts", SN_CONF_T_STRING, .max = 256,
                 .help = "`a.example`, `*.example` (one or more labels); every host without it."),
    SN_CONF_LIST(ROUTE, rule.matches, rule.n_matches, "match", SN_CONF_T_STRUCT,
                 .sub = &match_table, .max = 256,
                 .help = "One of these must fit; every request fits without it."),
    SN_CONF_STRUCT(ROUTE, proxy, "proxy", &proxy_table, .oneof = 1, .required = true,
                   SN_CONF_TAG(ROUTE, action, SN_GW_PROXY), .help = "Forward to upstreams."),
    SN_CONF_STRUCT(ROUTE, files, "static", &static_table, .oneof = 1, .required = true,
                   SN_CONF_TAG(ROUTE, action, SN_GW_STATIC), .help = "Send files."),
    SN_CONF_STRUCT(ROUTE, redirect, "redirect", &redirect_table, .oneof = 1, .required = true,
                   SN_CONF_TAG(ROUTE, action, SN_GW_REDIRECT), .help = "Send elsewhere."),
    SN_CONF_STRUCT(ROUTE, respond, "respond", &respond_table, .oneof = 1, .required = true,
                   SN_CONF_TAG(ROUTE, action, SN_GW_RESPOND), .help = "A fixed answer."),
    SN_CONF_STRUCT(ROUTE, request_headers, "request_headers", &header_ops_table,
                   .help = "Changes to what upstreams receive."),
    SN_CONF_STRUCT(ROUTE, response_headers, "response_headers", &header_ops_table,
                   .help = "Changes to what clients receive."),
    SN_CONF_STRUCT(
        ROUTE, cors, "cors", &sn_gw_cors_table, SN_CONF_GIVEN(ROUTE, cors.enabled),
        .help = "Which pages of other origins may call; their preflights are answered here."),
    SN_CONF_STRUCT(ROUTE, jwt, "jwt", &sn_gw_jwt_table, SN_CONF_GIVEN(ROUTE, jwt.enabled),
                   .help = "Only with a good token; others are answered 401."),
    SN_CONF_STRUCT(ROUTE, rate_limit, "rate_limit", &sn_gw_rate_table,
                   SN_CONF_GIVEN(ROUTE, rate_limit.enabled),
                   .help = "A token bucket for each key; beyond it 429 with Retry-After."),
    SN_CONF_BYTES(ROUTE, body_bytes_max, "body_bytes_max",
                  .help = "Largest request body of this route. 0: the general limit alone."),
    SN_CONF_DURATION(ROUTE, p99_budget, "p99_budget", .max = SN_HOUR,
                     .help = "The board marks the route when its P99 is above this."),
    SN_CONF_BOOL(ROUTE, access_log, "access_log", .def = "true", .help = "Log its requests."),
    SN_CONF_BOOL(ROUTE, compress, "compress", .def = "true",
                 .help =
                     "With the general `compress`: also this route's answers. Not for answers that "
                     "mix secrets with what the client sent."),
};
static const struct sn_conf_table route_table = SN_CONF_TABLE(ROUTE, route_fields);

/* ---- the whole ------------------------------------------------------------------------------ */

static const struct sn_conf_enum log_formats[] = {{"off", SN_GW_LOG_OFF},
                                                  {"json", SN_GW_LOG_JSON},
                                                  {"logfmt", SN_GW_LOG_LOGFMT},
                                                  {"combined", SN_GW_LOG_COMBINED},
                                                  {0}};
static const struct sn_conf_field log_fields[] = {
    SN_CONF_ENUM(struct sn_gw_conf_access_log, format, "format", log_formats, .def = "off",
                 .help = "`combined` is what web-server tools read."),
    SN_CONF_STRING(struct sn_gw_conf_access_log, path, "path", .def = "stdout", .min = 1,
                   .max = 1024, .help = "`stdout`, `stderr` or a file, which is appended to."),
};
static const struct sn_conf_table log_table =
    SN_CONF_TABLE(struct sn_gw_conf_access_log, log_fields);

#define LIMITS struct sn_gw_conf_limits
static const struct sn_conf_field limits_fields[] = {
    SN_CONF_BYTES(LIMITS, head_bytes, "head_bytes", .def = "64KiB", .min = 1024, .max = 1 << 20,
                  .help = "Request line and header fields; more is answered 431."),
    SN_CONF_UINT(LIMITS, headers, "headers", .def = "128", .min = 8, .max = 4096,
                 .help = "Number of header fields."),
    SN_CONF_BYTES(LIMITS, body_bytes, "body_bytes",
                  .help = "Request body; more is answered 413. 0: none."),
    SN_CONF_UINT(LIMITS, connections, "connections", .max = 100000000,
                 .help = "Connections per listener; beyond it accepting pauses. 0: none."),
    SN_CONF_UINT(LIMITS, h2_streams, "h2_streams", .def = "250", .min = 1, .max = 10000,
                 .help = "Concurrent requests on one HTTP/2 connection."),
    SN_CONF_DURATION(LIMITS, head_timeout, "head_timeout", .def = "10s", .min = 10 * SN_MS,
                     .max = SN_HOUR, .help = "For a request's head to arrive."),
    SN_CONF_DURATION(LIMITS, idle_timeout, "idle_timeout", .def = "75s", .min = 10 * SN_MS,
                     .max = DAY_NS, .help = "Between two requests of a connection."),
    SN_CONF_DURATION(LIMITS, stall_timeout, "stall_timeout", .def = "30s", .min = 10 * SN_MS,
                     .max = SN_HOUR, .help = "For any progress of a body, either way."),
};
static const struct sn_conf_table limits_table = SN_CONF_TABLE(LIMITS, limits_fields);

static const struct sn_conf_enum coding_names[] = {{"gzip", SN_GW_GZIP}, {"zstd", SN_GW_ZSTD}, {0}};

#define COMPRESS struct sn_gw_conf_compress
static const struct sn_conf_field compress_fields[] = {
    SN_CONF_FLAGS(COMPRESS, codings, "codings", coding_names, .def = "zstd,gzip",
                  .help = "What is offered; `zstd` where a client names it and likes it as well."),
    SN_CONF_UINT(COMPRESS, level, "level", .def = "4", .min = 1, .max = 9,
                 .help = "1 is fastest, 9 smallest."),
    SN_CONF_BYTES(COMPRESS, bytes_min, "bytes_min", .def = "1KiB",
                  .help = "Answers announced shorter are left alone."),
    SN_CONF_LIST(COMPRESS, types, n_types, "types", SN_CONF_T_STRING, .max = 64,
                 .help = "Media types, `text/*` for a whole kind. Text, JSON, scripts, XML, SVG and "
                         "uncompressed fonts without it; `text/event-stream` only where it is named."),
};
static const struct sn_conf_table compress_table = SN_CONF_TABLE(COMPRESS, compress_fields);

#define CONF struct sn_gw_conf
static const struct sn_conf_field conf_fields[] = {
    SN_CONF_LIST(CONF, listeners, n_listeners, "listeners", SN_CONF_T_STRUCT,
                 .sub = &listener_table, .max = GW_LISTENERS_MAX,
                 .help = "Where clients connect; at least one, but for those of `kubernetes`."),
    SN_CONF_LIST(CONF, upstreams, n_upstreams, "upstreams", SN_CONF_T_STRUCT,
                 .sub = &upstream_table, .max = 10000, .help = "Sets of endpoints."),
    SN_CONF_LIST(CONF, routes, n_routes, "routes", SN_CONF_T_STRUCT, .sub = &route_table,
                 .max = 100000, .help = "Which requests go where."),
    SN_CONF_STRUCT(
        CONF, kubernetes, "kubernetes", &gw_kube_table, SN_CONF_GIVEN(CONF, kubernetes.enabled),
        .help = "Gateway API and Ingress objects that become listeners, upstreams and routes."),
    SN_CONF_LIST(CONF, jwt_providers, n_jwt_providers, "jwt_providers", SN_CONF_T_STRUCT,
                 .sub = &sn_gw_provider_table, .max = 64, .help = "Who signs tokens."),
    SN_CONF_STRUCT(CONF, redis, "redis", &sn_gw_redis_table, SN_CONF_GIVEN(CONF, redis.enabled),
                   .help = "Where shared rate limits are counted."),
    SN_CONF_STRUCT(CONF, tracing, "tracing", &sn_gw_tracing_table,
                   SN_CONF_GIVEN(CONF, tracing.enabled),
                   .help = "A span for each request and each attempt; none without it."),
    SN_CONF_STRUCT(CONF, admin, "admin", &sn_gw_admin_table, SN_CONF_GIVEN(CONF, admin.enabled),
                   .help = "An HTTP API of its own to look and to act; none without it."),
    SN_CONF_STRUCT(CONF, access_log, "access_log", &log_table, .help = "A line per request."),
    SN_CONF_STRUCT(CONF, limits, "limits", &limits_table, .help = "What a client may ask for."),
    SN_CONF_STRUCT(CONF, compress, "compress", &compress_table,
                   SN_CONF_GIVEN(CONF, compress.enabled),
                   .help = "gzip and zstd for clients that accept them; none without it."),
    SN_CONF_STRUCT(CONF, takeover, "takeover", &sn_gw_takeover_table,
                   SN_CONF_GIVEN(CONF, takeover.enabled),
                   .help = "Services that the kernel connects by itself; see takeover.md."),
    SN_CONF_LIST(CONF, trusted_proxies, n_trusted_proxies, "trusted_proxies", SN_CONF_T_STRING,
                 .max = 256,
                 .help =
                     "Addresses and networks whose `X-Forwarded-*` and `Forwarded` are kept and "
                     "extended; from others they are replaced."),
    SN_CONF_BOOL(CONF, forwarded, "forwarded", .help = "Also send RFC 7239 `Forwarded`."),
    SN_CONF_STRING(CONF, via, "via", .def = "sennit", .max = 64, .pattern = "[A-Za-z0-9._-]*",
                   .pattern_help = "a host name or pseudonym",
                   .help = "Name in `Via`; empty sends none."),
    SN_CONF_DURATION(CONF, drain_grace, "drain_grace", .def = "30s", .max = DAY_NS,
                     .help = "At the end, and for removed listeners: time for requests in flight."),
    SN_CONF_STRING(
        CONF, upgrade_socket, "upgrade_socket", .max = 90,
        .help = "Unix socket at which a successor (`--upgrade`, SIGUSR2) takes over listening "
                "sockets and tunnels; read at the start."),
    SN_CONF_BOOL(CONF, watch, "watch", .def = "true",
                 .help = "Reload when the file changes; SIGHUP reloads in any case."),
};
const struct sn_conf_table sn_gw_conf_table =
    SN_CONF_TABLE(CONF, conf_fields, .title = "Gateway configuration");

/* ---- checks across fields ---------------------------------------------------------------------
 */

/* Two sorted-by-hash names alike: reported at the later one. */
static int check_unique(struct sn_conf *c, struct sn_map *seen, struct sn_str name,
                        const char *path)
{
    if (!name.ptr) return 0;
    int r = sn_map_put(seen, name, (void *)1, NULL);
    if (r == 0) sn_conf_error(c, path, "\"%.*s\" is already taken", SN_STR_ARG(name));
    return r < 0 ? r : 0;
}

static bool host_ok(struct sn_str h)
{
    if (sn_str_eqc(h, "*")) return true;
    if (sn_str_starts(h, SN_STR("*."))) h = sn_str_from(h, 2);
    if (!h.len || h.len > SN_GW_HOST_MAX) return false;
    if (h.ptr[0] == '[') return h.ptr[h.len - 1] == ']';
    for (size_t i = 0; i < h.len; i++) {
        char ch = sn_ascii_lower(h.ptr[i]);
        if (!((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '-' || ch == '.' ||
              ch == '_'))
            return false;
    }
    return true;
}

bool gw_address_ok(struct sn_str a, bool listen)
{
    if (sn_str_starts(a, SN_STR("unix:"))) return a.len > 5;
    if (sn_str_starts(a, SN_STR("tcp:"))) a = sn_str_from(a, 4);
    ssize_t colon = sn_str_rchr(a, ':');
    uint64_t port;
    if (colon < 0 || sn_str_to_u64(sn_str_from(a, (size_t)colon + 1), &port) < 0 || port > PORT_MAX)
        return false;
    return listen || (port > 0 && colon > 0);
}

/* m: NULL where names are not looked at. */
static bool known(const struct sn_map *m, struct sn_str name)
{
    return !m || sn_map_find(m, name) != NULL;
}

static void check_ops(struct sn_conf *c, const char *path, const char *which,
                      const struct sn_gw_conf_header_ops *ops)
{
    char at[96];
    snprintf(at, sizeof(at), "%s.%s", path, which);
    const struct sn_gw_conf_pair *lists[2] = {ops->set, ops->add};
    const size_t ns[2] = {ops->n_set, ops->n_add};
    for (int l = 0; l < 2; l++) {
        for (size_t i = 0; i < ns[l]; i++) {
            const struct sn_gw_conf_pair *p = &lists[l][i];
            bool bad = !p->name.len;
            for (size_t k = 0; k < p->name.len; k++)
                bad |= p->name.ptr[k] <= 0x20 || p->name.ptr[k] >= 0x7f ||
                       strchr("()<>@,;:\\\"/[]?={}", p->name.ptr[k]);
            for (size_t k = 0; k < p->value.len; k++)
                bad |= (unsigned char)p->value.ptr[k] < 0x20 && p->value.ptr[k] != '\t';
            if (bad)
                sn_conf_error(c, at, "\"%.*s\" is not a header field", SN_STR_ARG(p->name));
            else if (gw_is_hop(p->name, (struct sn_str){0}))
                sn_conf_error(c, at, "%.*s belongs to the connection and cannot be changed",
                              SN_STR_ARG(p->name));
        }
    }
}

static void check_discover(struct sn_conf *c, const char *at, struct sn_str url)
{
    struct sn_arena a;
    struct sn_str registry, service;
    char why[SN_DIAG_BYTES];
    if (!url.len) return;
    sn_arena_init(&a, NULL, 1 << 16);
    int r = sn_registry_split(url, &a, &registry, &service);
    if (r < 0) sn_conf_error(c, at, "%s", sn_diag_format(r, why, sizeof(why)));
    sn_arena_done(&a);
}

static int check_upstreams(struct sn_conf *c, const struct sn_gw_conf *g, struct sn_map *names)
{
    char at[96];
    int r = 0;
    for (size_t i = 0; r == 0 && i < g->n_upstreams; i++) {
        const struct sn_gw_conf_upstream *u = &g->upstreams[i];
        snprintf(at, sizeof(at), "upstreams[%zu].name", i);
        r = check_unique(c, names, u->name, at);
        snprintf(at, sizeof(at), "upstreams[%zu]", i);
        if (!u->n_endpoints && !u->discover.len)
            sn_conf_error(c, at, "expected endpoints (at least one) or discover");
        snprintf(at, sizeof(at), "upstreams[%zu].discover", i);
        check_discover(c, at, u->discover);
        struct sn_map addrs;
        sn_map_init(&addrs, 0, false);
        for (size_t k = 0; r == 0 && k < u->n_endpoints; k++) {
            snprintf(at, sizeof(at), "upstreams[%zu].endpoints[%zu].address", i, k);
            if (u->endpoints[k].address.ptr && !gw_address_ok(u->endpoints[k].address, false))
                sn_conf_error(c, at, "expected an address such as 10.0.0.1:8080, got \"%.*s\"",
                              SN_STR_ARG(u->endpoints[k].address));
            r = check_unique(c, &addrs, u->endpoints[k].address, at);
        }
        sn_map_done(&addrs);
        snprintf(at, sizeof(at), "upstreams[%zu].hash", i);
        const struct sn_gw_conf_hash *h = &u->hash;
        bool keyed = h->header.ptr || h->cookie.ptr || h->source_ip || h->path;
        if (u->balance == SN_GW_RING_HASH && !keyed)
            sn_conf_error(c, at, "ring_hash needs header, cookie, source_ip or path");
        snprintf(at, sizeof(at), "upstreams[%zu].tls.cert", i);
        if (!u->tls.cert.ptr != !u->tls.key.ptr) sn_conf_error(c, at, "cert and key go together");
    }
    return r;
}

static void check_proxy(struct sn_conf *c, size_t i, const struct sn_gw_conf_proxy *p,
                        const struct sn_map *ups)
{
    char at[96];
    uint64_t total = 0;
    for (size_t k = 0; k < p->n_to; k++) {
        snprintf(at, sizeof(at), "routes[%zu].proxy.to[%zu].upstream", i, k);
        if (p->to[k].upstream.ptr && !known(ups, p->to[k].upstream))
            sn_conf_error(c, at, "no upstream is called \"%.*s\"", SN_STR_ARG(p->to[k].upstream));
        total += p->to[k].weight;
    }
    snprintf(at, sizeof(at), "routes[%zu].proxy.transcode.reflection", i);
    if (p->transcode.reflection && p->transcode.descriptors.len)
        sn_conf_error(c, at, "expected descriptors or reflection, not both");
    snprintf(at, sizeof(at), "routes[%zu].proxy.to", i);
    if (p->n_to && !total) sn_conf_error(c, at, "at least one weight must be above 0");
}

static int check_routes(struct sn_conf *c, const struct sn_gw_conf *g,
                        const struct sn_map *listeners, const struct sn_map *ups)
{
    char at[96];
    int r = 0;
    struct sn_map names;
    sn_map_init(&names, 0, false);
    for (size_t i = 0; r == 0 && i < g->n_routes; i++) {
        const struct sn_gw_conf_route *t = &g->routes[i];
        snprintf(at, sizeof(at), "routes[%zu].name", i);
        r = check_unique(c, &names, t->name, at);
        for (size_t k = 0; k < t->n_listeners; k++) {
            snprintf(at, sizeof(at), "routes[%zu].listeners[%zu]", i, k);
            if (!known(listeners, t->listeners[k]))
                sn_conf_error(c, at, "no listener is called \"%.*s\"", SN_STR_ARG(t->listeners[k]));
        }
        for (size_t k = 0; k < t->rule.n_hosts; k++) {
            snprintf(at, sizeof(at), "routes[%zu].hosts[%zu]", i, k);
            if (!host_ok(t->rule.hosts[k]))
                sn_conf_error(c, at, "expected a host such as a.example or *.example, got \"%.*s\"",
                              SN_STR_ARG(t->rule.hosts[k]));
        }
        if (t->action == SN_GW_PROXY) check_proxy(c, i, &t->proxy, ups);
        snprintf(at, sizeof(at), "routes[%zu].redirect.status", i);
        uint64_t s = t->redirect.status;
        if (t->action == SN_GW_REDIRECT && s != 301 && s != 302 && s != 303 && s != 307 && s != 308)
            sn_conf_error(c, at, "expected 301, 302, 303, 307 or 308, got %u", (unsigned)s);
        snprintf(at, sizeof(at), "routes[%zu]", i);
        check_ops(c, at, "request_headers", &t->request_headers);
        check_ops(c, at, "response_headers", &t->response_headers);
    }
    sn_map_done(&names);
    return r;
}

static int check_listeners(struct sn_conf *c, const struct sn_gw_conf *g, struct sn_map *names)
{
    char at[96];
    int r = 0;
    struct sn_map addrs;
    sn_map_init(&addrs, 0, false);
    if (g->kubernetes.enabled && !g->kubernetes.n_paths && !g->kubernetes.server.len)
        sn_conf_error(c, "kubernetes", "expected paths (at least one) or server");
    if (!g->n_listeners && !g->kubernetes.enabled)
        sn_conf_error(c, "listeners", "required, but missing");
    for (size_t i = 0; r == 0 && i < g->n_listeners; i++) {
        struct sn_str a = g->listeners[i].address;
        snprintf(at, sizeof(at), "listeners[%zu].name", i);
        r = check_unique(c, names, g->listeners[i].name, at);
        snprintf(at, sizeof(at), "listeners[%zu].address", i);
        if (a.ptr && !gw_address_ok(a, true))
            sn_conf_error(c, at, "expected an address such as 127.0.0.1:8080, got \"%.*s\"",
                          SN_STR_ARG(a));
        if (r == 0 && !sn_str_ends(a, SN_STR(":0"))) r = check_unique(c, &addrs, a, at);
    }
    sn_map_done(&addrs);
    for (size_t i = 0; i < g->n_trusted_proxies; i++) {
        struct gw_cidr cidr;
        snprintf(at, sizeof(at), "trusted_proxies[%zu]", i);
        if (gw_cidr_parse(g->trusted_proxies[i], &cidr) < 0)
            sn_conf_error(c, at, "expected an address or network such as 10.0.0.0/8, got \"%.*s\"",
                          SN_STR_ARG(g->trusted_proxies[i]));
    }
    return r;
}

int sn_gw_conf_read_status(struct sn_conf *c, struct sn_str text, struct sn_str more,
                           struct sn_gw_conf *ret, struct sn_buf *status,
                           struct sn_buf *documents)
{
    struct gw_kube *kube;
    int r = sn_conf_read(c, text);
    if (r >= 0) r = gw_kube_expand(c, more, &kube, status, documents);
    if (r < 0) return r;
    r = sn_conf_bind(c, &sn_gw_conf_table, ret);
    if (r < 0) return r; /* what is not bound cannot be checked further */
    if (kube) gw_kube_secrets(kube, ret);
    struct sn_map listeners, upstreams;
    sn_map_init(&listeners, 0, false);
    sn_map_init(&upstreams, 0, false);
    r = check_listeners(c, ret, &listeners);
    if (r == 0) r = check_upstreams(c, ret, &upstreams);
    if (r == 0) r = check_routes(c, ret, &listeners, &upstreams);
    if (r == 0) r = sn_gw_takeover_check(c, ret);
    if (r == 0) r = gw_check_policies(c, ret, &upstreams);
    sn_map_done(&listeners);
    sn_map_done(&upstreams);
    return r < 0 ? r : sn_conf_status(c);
}

bool gw_conf_route_ok(const struct sn_json *route)
{
    struct sn_arena a;
    struct sn_gw_conf_route t;
    sn_arena_init(&a, NULL, 0);
    struct sn_conf *c = SN_ARENA_NEW(&a, struct sn_conf);
    bool ok = c != NULL;
    if (ok) {
        sn_conf_init(c, &a, "");
        c->doc.root = route;
        ok = sn_conf_bind(c, &route_table, &t) == 0;
    }
    if (ok) {
        struct sn_gw_conf g = {.routes = &t, .n_routes = 1};
        ok = check_routes(c, &g, NULL, NULL) == 0;
        gw_check_route(c, &g, 0, NULL);
        ok &= c->n_errors == 0;
    }
    sn_arena_done(&a);
    return ok;
}

int sn_gw_conf_read(struct sn_conf *c, struct sn_str text, struct sn_gw_conf *ret)
{
    return sn_gw_conf_read_status(c, text, (struct sn_str){0}, ret, NULL, NULL);
}
