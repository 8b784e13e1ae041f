/* SPDX-License-Identifier: Apache-2.0 */
/* app/daemon.c - see daemon.h. */
#include "app/daemon.h"

#include <signal.h>
#include <stdio.h>

#include "core/alloc.h"
#include "fiber/net.h"
#include "fiber/os.h"
#include "fiber/sync.h"
#include "kit/cli.h"
#include "kit/debug.h"
#include "kit/grpc.h"
#include "kit/jwt.h"
#include "kit/log.h"
#include "kit/tls.h"
#include "services/govern/chain.h"
#include "services/govern/grpc.h"
#include "services/govern/life.h"
#include "services/govern/otlp.h"
#include "services/registry/registry.h"

SN_LOG_MODULE("daemon");

#define CONFIG_BYTES_MAX (1u << 20)
#define SECRET_BYTES_MAX 4096u

static const struct sn_conf_field jwt_fields[] = {
    SN_CONF_STRING(struct sn_daemon_jwt, secret, "secret", .secret = true,
                   .help = "Of HS256; better in a file."),
    SN_CONF_STRING(struct sn_daemon_jwt, secret_file, "secret_file",
                   .help = "Its first line is the secret."),
    SN_CONF_STRING(struct sn_daemon_jwt, issuer, "issuer",
                   .help = "What \"iss\" must be; empty: anything."),
    SN_CONF_STRING(struct sn_daemon_jwt, audience, "audience", .help = "What \"aud\" must hold."),
};
const struct sn_conf_table sn_daemon_jwt_table = SN_CONF_TABLE(struct sn_daemon_jwt, jwt_fields);

/* Everything that has to be freed, in the order it is made. */
struct sn_daemon_parts {
    struct sn_arena arena;
    struct sn_jwt_store **jwt; /* base->n_jwt */
    struct sn_rest_server *rest;
    struct sn_gov_grpc *gov_grpc;
    struct sn_grpc_server *grpc;
    struct sn_tls_config *tls;
    struct sn_http_server *http;
    struct sn_listener *listener;
    struct sn_registry *registry;
    struct sn_registration *registration;
    struct sn_gov_life life;
    struct sn_event stop;
    int (*ready)(struct sn_daemon *d, void *arg);
    void *arg;
    bool opened;
};

/* ---- parts ---- */

static int jwt_keys(struct sn_daemon *d, const struct sn_daemon_jwt *j, struct sn_jwt_store **ret)
{
    struct sn_str secret = j->secret;
    if (j->secret_file.len) {
        struct sn_str path = sn_arena_str(&d->parts->arena, j->secret_file), text;
        if (!path.ptr) return SN_E_NOMEM;
        int r = sn_file_read(&d->parts->arena, path.ptr, SECRET_BYTES_MAX, &text);
        if (r < 0) return r;
        secret = sn_str_trim(sn_str_cut(&text, '\n'));
    }
    if (!secret.len)
        return sn_fail(SN_E_INVALID_ARGUMENT, "jwt.%.*s: expected secret_file or secret",
                       SN_STR_ARG(j->name));
    struct sn_jwt_keys *keys = sn_jwt_keys_new();
    int r =
        keys ? sn_jwt_keys_add_secret(keys, SN_JWT_HS256, secret, (struct sn_str){0}) : SN_E_NOMEM;
    if (r < 0) {
        sn_jwt_keys_unref(keys);
        return sn_wrap(r, "jwt.%.*s", SN_STR_ARG(j->name));
    }
    *ret = sn_jwt_store_new(keys);
    return *ret ? 0 : SN_E_NOMEM;
}
static struct sn_jwt_store *find_jwt(void *arg, const char *name)
{
    struct sn_daemon *d = arg;
    for (size_t i = 0; i < d->base->n_jwt; i++)
        if (sn_str_eqc(d->base->jwt[i].name, name)) return d->parts->jwt[i];
    return NULL;
}
static int run_otlp(void *arg) { return sn_otlp_run(arg); }
static int run_gov(void *arg)
{
    int r = sn_gov_server_run(arg);
    if (r == SN_E_CANCELLED) return r;
    SN_LOG_WARN("no shedding: CPU use cannot be read", SN_L_ERR(r));
    return 0;
}
static int open_governance(struct sn_daemon *d, struct sn_scope *scope)
{
    const struct sn_daemon_conf *c = d->base;
    struct sn_str name = c->name.len ? c->name : sn_str(d->app->name);
    int r = sn_http_client_new(&(struct sn_http_client_opts){0}, &d->http);
    if (r == 0 && c->otlp.len) {
        struct sn_otlp_opts o = {.client = d->http,
                                 .url = c->otlp,
                                 .service = name,
                                 .version = sn_str(d->app->version),
                                 .flush_ns = SN_SEC};
        r = sn_otlp_new(&o, &d->otlp);
        if (r == 0) r = sn_scope_go(scope, "otlp", run_otlp, d->otlp);
    }
    if (r < 0) return r;
    struct sn_gov_server_opts o = {.inflight_max = (int64_t)c->inflight_max,
                                   .shed_off = !c->shed,
                                   .breaker_off = !c->breaker,
                                   .otlp = d->otlp,
                                   .trace_ratio = c->trace_ratio > 0 ? c->trace_ratio : -1,
                                   .rate = {.per_s = c->rate, .burst = c->rate * 2}};
    r = sn_gov_server_new(&o, &d->gov);
    if (r == 0) r = sn_scope_go(scope, "govern", run_gov, d->gov);
    d->parts->jwt =
        SN_ARENA_ARRAY(&d->parts->arena, struct sn_jwt_store *, SN_MAX(c->n_jwt, (size_t)1));
    if (r == 0 && !d->parts->jwt) r = SN_E_NOMEM;
    for (size_t i = 0; i < c->n_jwt && r == 0; i++) r = jwt_keys(d, &c->jwt[i], &d->parts->jwt[i]);
    return r;
}

static int open_grpc(struct sn_daemon *d)
{
    struct sn_daemon_parts *p = d->parts;
    int r = sn_gov_grpc_new(d->gov, NULL, &p->gov_grpc);
    for (size_t i = 0; d->app->services && d->app->services[i] && r == 0; i++)
        r = sn_gov_grpc_add(p->gov_grpc, d->app->services[i]);
    if (r < 0) return r;
    struct sn_grpc_interceptor guard = sn_gov_grpc_server(p->gov_grpc);
    struct sn_grpc_server_opts o = {.interceptors = &guard,
                                    .n_interceptors = 1,
                                    .fallback = p->rest ? sn_rest_handle : NULL,
                                    .fallback_arg = p->rest};
    r = sn_grpc_server_new(&o, &p->grpc);
    if (r == 0) r = d->app->grpc(p->grpc, d->ctx);
    if (r == 0) r = sn_grpc_health_add(p->grpc);
    if (r == 0) r = sn_grpc_reflection_add(p->grpc);
    return r;
}
static int open_routes(struct sn_daemon *d)
{
    struct sn_daemon_parts *p = d->parts;
    int r = d->app->open ? d->app->open(d, &d->ctx) : 0;
    if (r < 0) return r;
    p->opened = true;
    struct sn_rest_server_opts o = {.routes = d->app->routes,
                                    .n_routes = d->app->n_routes,
                                    .gov = d->gov,
                                    .ctx = d->ctx,
                                    .timeout_ns = d->base->timeout,
                                    .jwt = find_jwt,
                                    .jwt_arg = d,
                                    .bytes_max = d->base->body_max};
    if (d->app->n_routes) r = sn_rest_server_new(&o, &p->rest);
    return r < 0 || !d->app->grpc ? r : open_grpc(d);
}

static int handle(struct sn_http_x *x, void *arg)
{
    struct sn_daemon *d = arg;
    if (sn_str_eqc(x->req.path, "/healthz"))
        return sn_http_reply(x, 200, SN_STR("text/plain; charset=utf-8"), SN_STR("ok\n"));
    if (sn_str_eqc(x->req.path, "/readyz")) return sn_gov_readiness(x, &d->parts->life);
    if (d->parts->grpc) return sn_grpc_handle(x, d->parts->grpc);
    return sn_rest_handle(x, d->parts->rest);
}
static int open_server(struct sn_daemon *d)
{
    struct sn_daemon_parts *p = d->parts;
    const struct sn_daemon_conf *c = d->base;
    struct sn_http_server_opts o = {.handler = handle, .arg = d, .body_bytes_max = c->body_max};
    for (unsigned i = 0; i < d->app->n_routes; i++)
        o.body_bytes_max =
            SN_MAX(o.body_bytes_max, (uint64_t)SN_MAX(d->app->routes[i].bytes_max, 0));
    if (d->app->grpc) {
        o.body_bytes_max = 0; /* a stream of messages has no length; each is bounded by itself */
        sn_grpc_http_defaults(&o);
    } else {
        sn_gov_http_defaults(&o);
    }
    struct sn_str listen = sn_arena_str(&p->arena, c->listen),
                  cert = sn_arena_str(&p->arena, c->tls_cert),
                  key = sn_arena_str(&p->arena, c->tls_key);
    if (!listen.ptr || !cert.ptr || !key.ptr) return SN_E_NOMEM;
    int r = 0;
    if (cert.len || key.len) {
        struct sn_tls_cert pair = {.cert_file = cert.ptr, .key_file = key.ptr};
        r = sn_tls_config_new(
            &(struct sn_tls_opts){.certs = &pair, .n_certs = 1, .alpn = "h2,http/1.1"}, &p->tls);
        o.tls = p->tls;
    }
    if (r == 0) r = sn_http_server_new(&o, &p->http);
    if (r == 0) r = sn_listen(listen.ptr, NULL, &p->listener);
    if (r == 0) r = sn_listener_addr(p->listener, d->addr, sizeof d->addr);
    return r < 0 ? r : 0;
}

/* ---- steps of the life ---- */

static int enlist(void *arg)
{
    struct sn_daemon *d = arg;
    const struct sn_daemon_conf *c = d->base;
    if (!c->registry.len) return 0;
    struct sn_str url = sn_arena_str(&d->parts->arena, c->registry);
    struct sn_str at = c->advertise.len ? c->advertise : sn_str(d->addr);
    ssize_t colon = sn_str_rchr(at, ':');
    uint64_t port;
    if (!url.ptr) return SN_E_NOMEM;
    if (colon < 0 || sn_str_to_u64(sn_str_from(at, (size_t)colon + 1), &port) < 0 ||
        port > UINT16_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "advertise: expected host:port, got \"%.*s\"",
                       SN_STR_ARG(at));
    struct sn_instance in = {.service = c->name.len ? c->name : sn_str(d->app->name),
                             .address = sn_str_sub(at, 0, (size_t)colon),
                             .port = (uint16_t)port};
    int r = sn_registry_open(&(struct sn_registry_opts){.url = url.ptr}, &d->parts->registry);
    if (r == 0) r = sn_registry_register(d->parts->registry, &in, NULL, &d->parts->registration);
    return r;
}
static int delist(void *arg)
{
    struct sn_daemon *d = arg;
    struct sn_registration *g = d->parts->registration;
    d->parts->registration = NULL;
    return g ? sn_registration_remove(g) : 0;
}
static void serving(bool yes, void *arg)
{
    struct sn_daemon *d = arg;
    if (d->parts->grpc && !yes) sn_grpc_health_shutdown(d->parts->grpc);
}

/* ---- run ---- */

static int accept_main(void *arg)
{
    struct sn_daemon *d = arg;
    return sn_http_serve(d->parts->http, d->parts->listener);
}
static int signals_main(void *arg)
{
    static const int wanted[] = {SIGTERM, SIGINT, 0};
    struct sn_daemon *d = arg;
    int r = sn_signal_wait(wanted);
    if (r < 0) return r == SN_E_CANCELLED ? r : 0;
    sn_daemon_stop(d);
    return 0;
}
static int ready_main(void *arg)
{
    struct sn_daemon *d = arg;
    return d->parts->ready(d, d->parts->arg);
}
void sn_daemon_stop(struct sn_daemon *d) { sn_event_set(&d->parts->stop); }

static int serve(struct sn_daemon *d, struct sn_scope *scope)
{
    struct sn_daemon_parts *p = d->parts;
    sn_gov_life_init(&p->life,
                     &(struct sn_gov_life_opts){.enlist = enlist,
                                                .delist = delist,
                                                .serving = serving,
                                                .arg = d,
                                                .servers = &p->http,
                                                .n_servers = 1,
                                                .settle_ns = d->base->settle ? d->base->settle : -1,
                                                .grace_ns = d->base->grace ? d->base->grace : -1});
    int r = sn_scope_go(scope, "accept", accept_main, d);
    if (r == 0) r = sn_gov_life_start(&p->life);
    if (r == 0) r = sn_scope_go(scope, "signals", signals_main, d);
    if (r == 0 && p->ready) r = sn_scope_go(scope, "ready", ready_main, d);
    if (r < 0) return r;
    SN_LOG_INFO("serving", SN_L("address", d->addr), SN_L("service", d->app->name));
    r = sn_event_wait(&p->stop);
    int64_t cut = sn_gov_life_drain(&p->life);
    SN_LOG_INFO("stopped", SN_L("connections cut", cut));
    return r == SN_E_CANCELLED ? 0 : r;
}
static void done(struct sn_daemon *d)
{
    struct sn_daemon_parts *p = d->parts;
    sn_registry_close(p->registry);
    if (p->http) sn_http_server_free(p->http);
    if (p->grpc) sn_grpc_server_free(p->grpc);
    if (p->gov_grpc) sn_gov_grpc_free(p->gov_grpc);
    sn_rest_server_free(p->rest);
    if (p->opened && d->app->close) d->app->close(d->ctx);
    sn_tls_config_unref(p->tls);
    sn_gov_server_free(d->gov);
    sn_otlp_free(d->otlp);
    for (size_t i = 0; p->jwt && i < d->base->n_jwt; i++)
        if (p->jwt[i]) sn_jwt_store_free(p->jwt[i]);
    if (d->http) sn_http_client_free(d->http);
    sn_arena_done(&p->arena);
}

int sn_daemon_run(const struct sn_daemon_app *app, const void *conf,
                  int (*ready)(struct sn_daemon *d, void *arg), void *arg)
{
    struct sn_daemon_parts parts = {.ready = ready, .arg = arg};
    struct sn_daemon d = {.app = app,
                          .conf = conf,
                          .parts = &parts,
                          .base = (const void *)((const char *)conf + app->base_offset)};
    struct sn_scope_storage mem;
    sn_arena_init(&parts.arena, NULL, 0);
    struct sn_scope *scope = sn_scope_begin(&mem);
    int r = open_governance(&d, scope);
    if (r == 0) r = open_routes(&d);
    if (r == 0) r = open_server(&d);
    if (r == 0 && d.base->debug.len) {
        struct sn_str at = sn_arena_str(&parts.arena, d.base->debug);
        r = at.ptr ? sn_debug_start(at.ptr, NULL, 0) : SN_E_NOMEM;
    }
    if (r == 0) r = serve(&d, scope);
    struct sn_diag why = *sn_diag(); /* ending the scope may say something of its own */
    sn_scope_cancel(scope);
    int ended = sn_scope_end(scope);
    if (r < 0) *sn_diag() = why;
    if (r == 0 && ended < 0 && ended != SN_E_CANCELLED) r = ended;
    done(&d);
    return r;
}

/* ---- the program ---- */

struct main_opts {
    struct sn_str config, listen;
    struct sn_str *set;
    size_t n_set;
    bool check;
};
struct main_job {
    const struct sn_daemon_app *app;
    const void *conf;
};
static const struct sn_daemon_app *main_app; /* the command's function has no other way to it */

static int main_fiber(void *arg)
{
    struct main_job *j = arg;
    return sn_daemon_run(j->app, j->conf, NULL, NULL);
}
/* "key=value": one scalar of the top level, instead of what the file says. */
static int set(const struct sn_daemon_app *app, struct sn_arena *a, struct sn_str pair, void *conf)
{
    struct sn_str value = pair, key = sn_str_cut(&value, '=');
    if (!value.ptr)
        return sn_fail(SN_E_INVALID_ARGUMENT, "--set: expected key=value, got \"%.*s\"",
                       SN_STR_ARG(pair));
    for (size_t i = 0; i < app->table->n_fields; i++) {
        const struct sn_conf_field *f = &app->table->fields[i];
        if (!sn_str_eqc(key, f->name) || f->type == SN_CONF_T_MAP || f->type == SN_CONF_T_STRUCT)
            continue;
        int r = sn_conf_set_text(a, f, value, conf);
        return r < 0 ? sn_wrap(r, "--set %.*s", SN_STR_ARG(key)) : 0;
    }
    return sn_fail(SN_E_INVALID_ARGUMENT,
                   "--set: the configuration has no key \"%.*s\" of one value", SN_STR_ARG(key));
}
static int load(const struct sn_daemon_app *app, struct sn_arena *a, const struct main_opts *o,
                void **ret)
{
    struct sn_conf c;
    struct sn_str path = sn_arena_str(a, o->config), text = {0};
    void *conf = sn_arena_zalloc(a, app->table->size);
    if (!path.ptr || !conf) return SN_E_NOMEM;
    int r = path.len ? sn_file_read(a, path.ptr, CONFIG_BYTES_MAX, &text) : 0;
    if (r == 0) r = sn_conf_load(&c, a, path.len ? path.ptr : "defaults", text, app->table, conf);
    if (r == SN_E_INVALID_ARGUMENT && c.n_errors > 1) {
        struct sn_buf b;
        sn_buf_init(&b, 0);
        sn_conf_report(&c, &b);
        fwrite(b.ptr, 1, b.len, stderr);
        sn_buf_done(&b);
    }
    if (r < 0) return r;
    struct sn_daemon_conf *base = (void *)((char *)conf + app->base_offset);
    if (o->listen.len) base->listen = o->listen;
    for (size_t i = 0; i < o->n_set && r == 0; i++) r = set(app, a, o->set[i], conf);
    *ret = conf;
    return r;
}
static int main_run(const struct sn_cli_call *call)
{
    const struct main_opts *o = call->opts;
    struct main_job j = {.app = main_app};
    struct sn_log *log = NULL;
    void *conf;
    int r = load(main_app, call->arena, o, &conf);
    if (r < 0) return r;
    j.conf = conf;
    const struct sn_daemon_conf *base = (const void *)((const char *)conf + main_app->base_offset);
    if (o->check) {
        printf("%s: good\n", o->config.len ? sn_arena_str(call->arena, o->config).ptr : "defaults");
        return 0;
    }
    struct sn_str file = sn_arena_str(call->arena, base->log_file);
    r = sn_log_new(&(struct sn_log_opts){.path = file.len ? file.ptr : NULL}, &log);
    if (r == 0) r = sn_log_set_levels(base->log_level);
    if (r == 0) {
        sn_log_set_default(log);
        sn_log_set_trace(sn_gov_log_trace);
        signal(SIGPIPE, SIG_IGN);
        r = sn_rt_run(&(struct sn_rt_opts){.workers = (unsigned)base->workers}, main_fiber, &j);
    }
    sn_log_set_default(NULL);
    sn_log_free(log);
    return r < 0 ? r : 0;
}
int sn_daemon_main(const struct sn_daemon_app *app, int argc, char **argv)
{
    static const struct sn_conf_field fields[] = {
        SN_CONF_STRING(struct main_opts, config, "config", .letter = 'f', .metavar = "FILE",
                       .help = "The configuration; without it everything has its default."),
        SN_CONF_STRING(struct main_opts, listen, "listen", .letter = 'l', .metavar = "ADDRESS",
                       .help = "Where to serve, instead of what the configuration says."),
        SN_CONF_LIST(struct main_opts, set, n_set, "set", SN_CONF_T_STRING, .letter = 's',
                     .metavar = "KEY=VALUE",
                     .help = "A value instead of the configuration's; may be repeated."),
        SN_CONF_BOOL(struct main_opts, check, "check", .help = "Read the configuration, and end."),
    };
    static const struct sn_conf_table table = SN_CONF_TABLE(struct main_opts, fields);
    struct sn_cli_command command = {.name = app->name,
                                     .brief = app->about,
                                     .table = &table,
                                     .run = main_run};
    const struct sn_cli_command *list[] = {&command, NULL};
    struct sn_cli_program program = {.name = app->name,
                                     .version = app->version,
                                     .about = app->about,
                                     .commands = list};
    main_app = app;
    return sn_cli_main(&program, argc, argv);
}
