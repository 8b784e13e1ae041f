/* SPDX-License-Identifier: Apache-2.0 */
/* sennit registry - the registry and configuration centre as a process, and a client of any. */
#include "registry/registry.h"

#include <signal.h>
#include <stdio.h>

#include "core/alloc.h"
#include "fiber/os.h"
#include "kit/log.h"
#include "kit/metrics.h"
#include "registry/server.h"
#include "sennit/commands.h"

SN_LOG_MODULE("registry");

/* ---- serve ---------------------------------------------------------------------------------- */

struct serve_opts {
    struct sn_str consul, nacos, nacos_grpc, apollo, etcd, data, token_file, apollo_secret_file,
        datacenter, debug;
    uint64_t workers;
};
static const struct sn_conf_field serve_fields[] = {
    SN_CONF_STRING(struct serve_opts, consul, "consul", .def = "127.0.0.1:8500",
                   .metavar = "ADDRESS",
                   .help = "Where the Consul face listens; \"off\": nowhere."),
    SN_CONF_STRING(struct serve_opts, nacos, "nacos", .def = "127.0.0.1:8848", .metavar = "ADDRESS",
                   .help = "Where the Nacos face listens; \"off\": nowhere."),
    SN_CONF_STRING(struct serve_opts, nacos_grpc, "nacos-grpc", .def = "auto", .metavar = "ADDRESS",
                   .help = "Where Nacos's gRPC listens; \"auto\": its clients expect it 1000 above "
                           "the port of --nacos; \"off\": nowhere."),
    SN_CONF_STRING(struct serve_opts, etcd, "etcd", .def = "127.0.0.1:2379", .metavar = "ADDRESS",
                   .help = "Where the etcd v3 face listens; \"off\": nowhere."),
    SN_CONF_STRING(
        struct serve_opts, apollo, "apollo", .def = "127.0.0.1:8180", .metavar = "ADDRESS",
        .help = "Where the Apollo face listens; \"off\": nowhere. (Apollo's own port, 8080, is "
                "too often taken.)"),
    SN_CONF_STRING(
        struct serve_opts, data, "data", .letter = 'd', .metavar = "FOLDER",
        .help =
            "Values and permanent instances are kept there; without it they die with the process."),
    SN_CONF_STRING(struct serve_opts, token_file, "token-file", .metavar = "FILE",
                   .help = "Its first line is asked of every write."),
    SN_CONF_STRING(struct serve_opts, apollo_secret_file, "apollo-secret-file", .metavar = "FILE",
                   .help = "Its first line is the access key Apollo clients must sign with."),
    SN_CONF_STRING(struct serve_opts, datacenter, "datacenter", .def = "dc1",
                   .help = "Consul's name of this place."),
    SN_CONF_STRING(struct serve_opts, debug, "debug", .metavar = "ADDRESS",
                   .help = "Serve /metrics, /healthz and /debug/pprof/ there."),
    SN_CONF_UINT(struct serve_opts, workers, "workers", .letter = 'w', .max = 1024,
                 .help = "Threads; 0 = one per processor this process may run on."),
};
static const struct sn_conf_table serve_table = SN_CONF_TABLE(struct serve_opts, serve_fields);

struct serve_job {
    const struct sn_cli_call *call;
    struct sn_regserver *server;
};

static void on_scrape(struct sn_metrics_writer *w, void *arg)
{
    struct sn_regserver_stats st;
    sn_regserver_stats(arg, &st);
    const struct {
        const char *name, *kind, *help;
        uint64_t v;
    } rows[] = {{"sennit_registry_services", "gauge", "Services with instances.", st.services},
                {"sennit_registry_instances", "gauge", "Instances.", st.instances},
                {"sennit_registry_keys", "gauge", "Keys.", st.keys},
                {"sennit_registry_leases", "gauge", "Leases and sessions.", st.leases},
                {"sennit_registry_waiting", "gauge", "Waits for a change, over all requests.",
                 st.waiting},
                {"sennit_registry_revision", "gauge", "The last change's number.", st.revision},
                {"sennit_registry_requests_total", "counter", "Requests over all faces.",
                 st.requests},
                {"sennit_registry_refused_total", "counter",
                 "Requests without the right token or of other sites' pages.", st.refused}};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++)
        sn_metrics_write(w, rows[i].name, rows[i].kind, rows[i].help, NULL, (double)rows[i].v);
}

static const char *text_or_null(struct sn_arena *a, struct sn_str s)
{
    return s.len && !sn_str_eqc(s, "off") ? sn_arena_str(a, s).ptr : NULL;
}

static int secret_of(struct sn_arena *a, struct sn_str path, struct sn_str *ret)
{
    struct sn_str all;
    if (!path.len) return 0;
    struct sn_str p = sn_arena_str(a, path);
    if (!p.ptr) return SN_E_NOMEM;
    int r = sn_file_read(a, p.ptr, 4096, &all);
    if (r < 0) return r;
    *ret = sn_str_trim(sn_str_cut(&all, '\n'));
    return ret->len ? 0 : sn_fail(SN_E_INVALID_ARGUMENT, "%s: the first line is empty", p.ptr);
}

static void stop_on_signal(void *arg)
{
    static const int wanted[] = {SIGTERM, SIGINT, 0};
    if (sn_signal_wait(wanted) > 0) sn_regserver_stop(arg);
}

/* Nacos's clients know the HTTP port and add 1000. Where there is no such port, there is no face. */
static const char *nacos_grpc_at(struct sn_arena *a, const struct serve_opts *o)
{
    if (!sn_str_eqc(o->nacos_grpc, "auto")) return text_or_null(a, o->nacos_grpc);
    ssize_t colon = sn_str_rchr(o->nacos, ':');
    uint64_t port;
    if (colon < 0 || sn_str_to_u64(sn_str_from(o->nacos, (size_t)colon + 1), &port) < 0 || !port ||
        port > 65535 - 1000)
        return NULL;
    return sn_arena_printf(a, "%.*s:%u", (int)colon, o->nacos.ptr, (unsigned)port + 1000).ptr;
}

static void say_where(struct sn_regserver *s)
{
    static const char *const faces[] = {"consul", "nacos", "nacos_grpc", "apollo", "etcd"};
    char at[128];
    for (size_t i = 0; i < SN_COUNT_OF(faces); i++)
        if (sn_regserver_addr(s, faces[i], at, sizeof(at)) > 0)
            SN_LOG_INFO("listening", SN_L("face", faces[i]), SN_L("address", at));
}

static int serve_main(void *arg)
{
    struct serve_job *j = arg;
    const struct serve_opts *o = j->call->opts;
    struct sn_arena *a = j->call->arena;
    struct sn_regserver_opts so = {.consul = text_or_null(a, o->consul),
                                   .nacos = text_or_null(a, o->nacos),
                                   .nacos_grpc = nacos_grpc_at(a, o),
                                   .apollo = text_or_null(a, o->apollo),
                                   .etcd = text_or_null(a, o->etcd),
                                   .data_dir = text_or_null(a, o->data),
                                   .datacenter = text_or_null(a, o->datacenter)};
    int r = secret_of(a, o->token_file, &so.token);
    if (r >= 0) r = secret_of(a, o->apollo_secret_file, &so.apollo_secret);
    if (r >= 0) r = sn_regserver_new(&so, &j->server);
    if (r < 0) return r;
    r = sn_metrics_collect(NULL, on_scrape, j->server);
    if (r >= 0 && o->debug.len) r = sn_cmd_debug(text_or_null(a, o->debug));
    if (r >= 0) r = sn_go("signals", stop_on_signal, j->server);
    if (r >= 0) {
        say_where(j->server);
        r = sn_regserver_run(j->server);
    }
    sn_regserver_free(j->server);
    return r;
}

static int run_serve(const struct sn_cli_call *call)
{
    struct serve_job j = {.call = call};
    struct sn_rt_opts rt = {.workers = (unsigned)((const struct serve_opts *)call->opts)->workers};
    sn_cmd_raise_files();
    return sn_rt_run(&rt, serve_main, &j);
}

/* ---- the client's commands ------------------------------------------------------------------ */

struct client_opts {
    struct sn_str url, token_file, cache;
    int64_t timeout;
    bool once;
};
#define CLIENT_FIELDS                                                                            \
    SN_CONF_STRING(struct client_opts, url, "url", .letter = 'u',                                \
                   .def = "consul://127.0.0.1:8500", .metavar = "URL",                           \
                   .help = "The registry: consul, nacos, apollo, etcd, zk or file, "       \
                           "`scheme://host:port[,...][?options]`."),                             \
        SN_CONF_STRING(struct client_opts, token_file, "token-file", .metavar = "FILE",          \
                       .help = "Its first line is sent as the token (Apollo: the access key; etcd: "  \
                               "the password)."),                                                \
        SN_CONF_DURATION(struct client_opts, timeout, "timeout", .def = "5s", .min = SN_MS,      \
                         .max = SN_HOUR, .help = "For one answer.")
static const struct sn_conf_field plain_fields[] = {CLIENT_FIELDS};
static const struct sn_conf_table plain_table = SN_CONF_TABLE(struct client_opts, plain_fields);
static const struct sn_conf_field watch_fields[] = {
    CLIENT_FIELDS,
    SN_CONF_BOOL(struct client_opts, once, "once", .help = "Print the first answer and end."),
    SN_CONF_STRING(struct client_opts, cache, "cache", .metavar = "FOLDER",
                   .help = "Last known good on disk."),
};
static const struct sn_conf_table watch_table = SN_CONF_TABLE(struct client_opts, watch_fields);

struct client_job {
    const struct sn_cli_call *call;
    const struct client_opts *o;
    struct sn_registry *reg;
    int (*work)(struct client_job *j);
};

static int client_main(void *arg)
{
    struct client_job *j = arg;
    struct sn_registry_opts ro = {.url = sn_arena_str(j->call->arena, j->o->url).ptr,
                                  .call_ns_max = j->o->timeout,
                                  .cache_dir = text_or_null(j->call->arena, j->o->cache)};
    if (!ro.url) return SN_E_NOMEM;
    int r = secret_of(j->call->arena, j->o->token_file, &ro.token);
    if (r >= 0) r = sn_registry_open(&ro, &j->reg);
    if (r < 0) return r;
    r = j->work(j);
    sn_registry_close(j->reg);
    return r;
}

static int client(const struct sn_cli_call *call, int (*work)(struct client_job *j))
{
    struct client_job j = {.call = call, .o = call->opts, .work = work};
    struct sn_rt_opts rt = {.workers = 1};
    return sn_rt_run(&rt, client_main, &j);
}

static int do_get(struct client_job *j)
{
    struct sn_str text;
    int r = sn_registry_config_once(j->reg, j->call->args[0], j->call->arena, &text);
    if (r < 0) return r;
    fwrite(text.ptr, 1, text.len, stdout);
    return SN_EXIT_OK;
}

static int do_put(struct client_job *j)
{
    struct sn_str text = j->call->args[1];
    if (sn_str_starts(text, SN_STR("@"))) {
        struct sn_str path = sn_arena_str(j->call->arena, sn_str_from(text, 1));
        int r = path.ptr ? sn_file_read(j->call->arena, path.ptr, SN_REG_CONFIG_MAX, &text)
                         : SN_E_NOMEM;
        if (r < 0) return r;
    }
    return sn_registry_publish(j->reg, j->call->args[0], text);
}

static void print_endpoints(struct sn_service *s, const struct sn_endpoints *e)
{
    struct sn_service_stats st;
    sn_service_stats(s, &st);
    printf("# version %llu, %u instances, %u healthy, %s\n", (unsigned long long)e->version, e->n,
           e->n_healthy, sn_freshness_name(st.fresh));
    for (uint32_t i = 0; i < e->n; i++) {
        const struct sn_instance *in = &e->list[i];
        printf("%.*s:%u\t%s\tweight=%u\tid=%.*s\tzone=%.*s", SN_STR_ARG(in->address), in->port,
               in->healthy ? "healthy" : "unhealthy", in->weight, SN_STR_ARG(in->id),
               SN_STR_ARG(in->zone));
        for (uint32_t k = 0; k < in->n_labels; k++)
            printf("\t%.*s=%.*s", SN_STR_ARG(in->labels[k].name), SN_STR_ARG(in->labels[k].value));
        printf("\n");
    }
    fflush(stdout);
}

static int do_watch(struct client_job *j)
{
    struct sn_service *s;
    uint64_t seen = 0;
    int r = sn_registry_watch(j->reg, j->call->args[0], &s);
    while (r >= 0) {
        r = sn_service_wait(s, seen, j->o->once ? sn_now() + j->o->timeout : SN_FOREVER);
        if (r == SN_E_DEADLINE_EXCEEDED)
            return sn_fail(SN_E_UNAVAILABLE, "%.*s: no answer within the time",
                           SN_STR_ARG(j->o->url));
        if (r < 0) break;
        const struct sn_endpoints *e = sn_service_get(s);
        print_endpoints(s, e);
        seen = e->version;
        sn_endpoints_unref(e);
        if (j->o->once) break;
    }
    return r < 0 ? r : SN_EXIT_OK;
}

static int do_config(struct client_job *j)
{
    struct sn_config_item *i;
    uint64_t seen = 0;
    int r = sn_registry_config(j->reg, j->call->args[0], NULL, &i);
    while (r >= 0) {
        r = sn_config_wait(i, seen, j->o->once ? sn_now() + j->o->timeout : SN_FOREVER);
        if (r == SN_E_DEADLINE_EXCEEDED)
            return sn_fail(SN_E_NOT_FOUND, "%.*s: no value within the time",
                           SN_STR_ARG(j->call->args[0]));
        if (r < 0) break;
        const struct sn_config *c = sn_config_get(i);
        printf("# version %llu, %zu bytes\n%.*s\n", (unsigned long long)c->version, c->text.len,
               SN_STR_ARG(c->text));
        fflush(stdout);
        seen = c->version;
        sn_config_unref(c);
        if (j->o->once) break;
    }
    return r < 0 ? r : SN_EXIT_OK;
}

/* SERVICE HOST:PORT [NAME=VALUE...], until a signal. */
static int do_register(struct client_job *j)
{
    struct sn_label labels[SN_REG_LABELS_MAX];
    struct sn_instance in = {.service = j->call->args[0],
                             .labels = labels,
                             .weight = 1,
                             .healthy = true};
    struct sn_str at = j->call->args[1];
    ssize_t colon = sn_str_rchr(at, ':');
    uint64_t port;
    if (colon <= 0 || sn_str_to_u64(sn_str_from(at, (size_t)colon + 1), &port) < 0 || port == 0 ||
        port > 65535)
        return sn_fail(SN_E_INVALID_ARGUMENT, "%.*s: expected HOST:PORT", SN_STR_ARG(at));
    in.address = sn_str_sub(at, 0, (size_t)colon);
    in.port = (uint16_t)port;
    for (size_t i = 2; i < j->call->n_args; i++) {
        struct sn_str v = j->call->args[i], k = sn_str_cut(&v, '=');
        if (!v.ptr || in.n_labels == SN_REG_LABELS_MAX)
            return sn_fail(SN_E_INVALID_ARGUMENT, "%.*s: expected NAME=VALUE, at most %u",
                           SN_STR_ARG(k), SN_REG_LABELS_MAX);
        if (sn_str_eqc(k, "id"))
            in.id = v;
        else if (sn_str_eqc(k, "zone"))
            in.zone = v;
        else
            labels[in.n_labels++] = (struct sn_label){k, v};
    }
    struct sn_registration *g;
    static const int wanted[] = {SIGTERM, SIGINT, 0};
    int r = sn_registry_register(j->reg, &in, NULL, &g);
    if (r < 0) return r;
    if ((r = sn_registration_wait(g, sn_now() + j->o->timeout)) >= 0) {
        printf("announced\n");
        fflush(stdout);
    }
    r = sn_signal_wait(wanted);
    if (r < 0) return r;
    r = sn_registration_remove(g);
    if (r >= 0) printf("removed\n");
    return r < 0 ? r : SN_EXIT_OK;
}

static int run_get(const struct sn_cli_call *c) { return client(c, do_get); }
static int run_put(const struct sn_cli_call *c) { return client(c, do_put); }
static int run_watch(const struct sn_cli_call *c) { return client(c, do_watch); }
static int run_config(const struct sn_cli_call *c) { return client(c, do_config); }
static int run_register(const struct sn_cli_call *c) { return client(c, do_register); }

static const struct sn_cli_command cmd_serve = {
    .name = "serve",
    .brief =
        "Runs a registry and configuration centre for clients of Consul, Nacos, Apollo and etcd.",
    .about = "One store behind the interfaces of Consul, Nacos (HTTP v1 and gRPC), Apollo's "
             "configuration service and etcd v3: "
             "what is registered through one is seen through the others. SIGTERM answers what "
             "waits and ends.",
    .table = &serve_table,
    .run = run_serve,
};
static const struct sn_cli_command cmd_watch = {
    .name = "watch",
    .brief = "Prints a service's endpoints, and again when they change.",
    .usage = "SERVICE",
    .table = &watch_table,
    .args_min = 1,
    .args_max = 1,
    .run = run_watch,
};
static const struct sn_cli_command cmd_config = {
    .name = "config",
    .brief = "Prints a configuration's value, and again when it changes.",
    .usage = "KEY",
    .table = &watch_table,
    .args_min = 1,
    .args_max = 1,
    .run = run_config,
};
static const struct sn_cli_command cmd_get = {
    .name = "get",
    .brief = "Prints a configuration's value.",
    .usage = "KEY",
    .table = &plain_table,
    .args_min = 1,
    .args_max = 1,
    .run = run_get,
};
static const struct sn_cli_command cmd_put = {
    .name = "put",
    .brief = "Stores a configuration's value: text, or @FILE.",
    .usage = "KEY VALUE",
    .table = &plain_table,
    .args_min = 2,
    .args_max = 2,
    .run = run_put,
};
static const struct sn_cli_command cmd_register = {
    .name = "register",
    .brief = "Announces an instance until it is told to end (SIGTERM, SIGINT).",
    .usage = "SERVICE HOST:PORT [id=ID] [zone=ZONE] [NAME=VALUE...]",
    .table = &plain_table,
    .args_min = 2,
    .args_max = 64,
    .run = run_register,
};
static const struct sn_cli_command *const subs[] = {&cmd_serve,  &cmd_watch, &cmd_register,
                                                    &cmd_config, &cmd_get,   &cmd_put,
                                                    NULL};
const struct sn_cli_command sn_cmd_registry = {
    .name = "registry",
    .brief = "Registry and configuration centre: serves one, asks any.",
    .subs = subs,
};
