/* SPDX-License-Identifier: Apache-2.0 */
/* app/daemon.h - a service as a process: command line, configuration, log, governance, health,
 * drain.
 *
 *   static const struct sn_daemon_app app = {.name = "shop", .table = &shop_table, ...};
 *   int main(int argc, char **argv) { return sn_daemon_main(&app, argc, argv); }
 *
 * One port serves the routes of an .api description, gRPC services (with REST, Connect and gRPC-Web
 * of their own), /healthz (the process lives) and /readyz (it takes traffic). Every request stands
 * under services/govern; the access log and the application's own carry trace ids. SIGTERM and
 * SIGINT drain: deregister, NOT_SERVING, settle, GOAWAY, wait, cut. */
#pragma once
#include "app/rest.h"
#include "kit/config.h"

struct sn_daemon;
struct sn_grpc_server;
struct sn_otlp;
struct sn_pb_service;

struct sn_daemon_jwt {
    struct sn_str name, secret, secret_file, issuer, audience;
};
struct sn_daemon_conf { /* what every service has; the service's own struct has it inside */
    struct sn_str name, listen, debug, log_level, log_file, tls_cert, tls_key, otlp, registry,
        advertise;
    uint64_t workers, inflight_max, body_max;
    int64_t timeout, settle, grace;
    double rate, trace_ratio;
    bool shed, breaker;
    struct sn_daemon_jwt *jwt;
    size_t n_jwt;
};
extern const struct sn_conf_table sn_daemon_jwt_table;
/* SN_DAEMON_FIELDS - the fields of member `m` of the service's struct S, at the top level of its
 * file. */
#define SN_DAEMON_FIELDS(S, m)                                                                   \
    SN_CONF_STRING(S, m.name, "name",                                                            \
                   .help = "In metrics, spans and the registry; default: the program's"),        \
        SN_CONF_STRING(S, m.listen, "listen", .def = "127.0.0.1:8888", .metavar = "ADDRESS",     \
                       .help = "Where to serve; without a host: loopback."),                     \
        SN_CONF_STRING(S, m.debug, "debug", .metavar = "ADDRESS",                                \
                       .help = "Where to serve /metrics and /debug/pprof/; none without it."),   \
        SN_CONF_STRING(S, m.log_level, "log_level", .def = "info",                               \
                       .help =                                                                   \
                           "error, warn, info, debug, trace; also module=level, with commas."),  \
        SN_CONF_STRING(S, m.log_file, "log_file",                                                \
                       .help = "A file, appended to; default: standard error."),                 \
        SN_CONF_STRING(S, m.tls_cert, "tls_cert", .help = "PEM file of the certificate chain."), \
        SN_CONF_STRING(S, m.tls_key, "tls_key", .help = "PEM file of its key."),                 \
        SN_CONF_STRING(S, m.otlp, "otlp", .metavar = "URL",                                      \
                       .help = "Collector of traces, OTLP over HTTP."),                          \
        SN_CONF_STRING(                                                                          \
            S, m.registry, "registry", .metavar = "URL",                                         \
            .help = "Announce the service there: consul, nacos, etcd, zk (docs/registry.md)."),  \
        SN_CONF_STRING(S, m.advertise, "advertise", .metavar = "ADDRESS",                        \
                       .help = "The address to announce; default: where it listens."),           \
        SN_CONF_UINT(S, m.workers, "workers", .max = 1024,                                       \
                     .help = "Threads; 0 = one per processor."),                                 \
        SN_CONF_UINT(S, m.inflight_max, "inflight_max", .def = "10000", .max = 10000000,         \
                     .help = "Calls at a time; beyond: 503."),                                   \
        SN_CONF_BYTES(S, m.body_max, "body_max", .def = "1MiB", .max = 1 << 30,                  \
                      .help = "Of a request, where its route says nothing."),                    \
        SN_CONF_DURATION(S, m.timeout, "timeout", .def = "3s", .max = 86400000000000,            \
                         .help =                                                                 \
                             "Of a request, where its route says nothing; 0s = governance's."),  \
        SN_CONF_DURATION(S, m.settle, "settle", .def = "2s", .max = 600000000000,                \
                         .help = "Between NOT_SERVING and the end of accepting."),               \
        SN_CONF_DURATION(S, m.grace, "grace", .def = "10s", .max = 3600000000000,                \
                         .help = "For calls in flight when it ends."),                           \
        SN_CONF_DOUBLE(S, m.rate, "rate",                                                        \
                       .help = "Requests a second of one client address; 0 = no limit."),        \
        SN_CONF_DOUBLE(S, m.trace_ratio, "trace_ratio", .def = "1.0",                            \
                       .help = "Share of traces that begin here and are sampled."),              \
        SN_CONF_BOOL(S, m.shed, "shed", .def = "true",                                           \
                     .help = "Refuse load beyond what the processors bear."),                    \
        SN_CONF_BOOL(S, m.breaker, "breaker", .def = "true", .help = "A breaker per route."),    \
        SN_CONF_MAP_STRUCT(S, m.jwt, m.n_jwt, "jwt", struct sn_daemon_jwt, name,                 \
                           &sn_daemon_jwt_table,                                                 \
                           .help = "Key sets, by the name a description's jwt: gives.")

struct sn_daemon_app {
    const char *name, *version, *about;
    const struct sn_conf_table *table; /* of the service's configuration */
    size_t base_offset;                /* of the struct sn_daemon_conf in it */
    /* open - what handlers share: clients, pools. d->conf is the configuration. close undoes it;
     * both may be NULL. Context: main's fiber. */
    int (*open)(struct sn_daemon *d, void **ret_ctx);
    void (*close)(void *ctx);
    const struct sn_rest_route *routes;
    unsigned n_routes;
    /* grpc - registers the services of `services` (NULL-ended) on `s`; NULL: no gRPC. */
    int (*grpc)(struct sn_grpc_server *s, void *ctx);
    const struct sn_pb_service *const *services;
};
/* A running service; what is named here is to be read. */
struct sn_daemon {
    const struct sn_daemon_app *app;
    const void *conf;
    const struct sn_daemon_conf *base;
    struct sn_gov_server *gov;
    struct sn_http_client *http; /* for clients of the service */
    struct sn_otlp *otlp;        /* NULL without a collector */
    void *ctx;
    char addr[128]; /* where it listens, once it does */
    struct sn_daemon_parts *parts;
};

/* sn_daemon_main - parses the command line (-f FILE, --listen ADDRESS, --set KEY=VALUE, --check),
 * reads the configuration and serves until SIGTERM or SIGINT. Returns the exit status: 0, 1 failed,
 * 2 usage or configuration. Context: the main thread, before any runtime. */
int sn_daemon_main(const struct sn_daemon_app *app, int argc, char **argv);
/* sn_daemon_run - serves until sn_daemon_stop, a signal, or cancellation. ready: called in a fiber
 * of its own once requests are taken; may be NULL. Returns 0 after a drain, or why it could not
 * start. Context: a fiber. Suspends. */
int sn_daemon_run(const struct sn_daemon_app *app, const void *conf,
                  int (*ready)(struct sn_daemon *d, void *arg), void *arg) SN_MUST_CHECK;
/* sn_daemon_stop - begins the drain. Any fiber, does not suspend. */
void sn_daemon_stop(struct sn_daemon *d);
/* sn_daemon_self_test - starts the service on a free port of loopback with its defaults and calls
 * every route with a valid request and with an empty one; prints a line for each and "N passed, N
 * failed, N skipped". A route passes whose answer is its handler's (UNIMPLEMENTED counts: a fresh
 * one says that), which refuses an empty request where it must, and asks for a token where it
 * should. gRPC methods are asked through the health service. Returns the exit status. Context: the
 * main thread. */
int sn_daemon_self_test(const struct sn_daemon_app *app, int argc, char **argv);
