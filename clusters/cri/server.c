/* SPDX-License-Identifier: Apache-2.0 */
/* cri/server.c - the daemon: opened, served, closed; version, status, configuration. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clusters/cri/cri_int.h"

#define DRAIN_NS (5 * SN_SEC)
#define FILL_IDLE_NS (50 * SN_MS)

static int version(struct sn_grpc_call *c, const struct runtime_v1_version_request *q,
                   struct runtime_v1_version_response **ret)
{
    *ret = SN_ARENA_NEW(c->arena, struct runtime_v1_version_response);
    if (!*ret) return SN_E_NOMEM;
    (*ret)->version = SN_STR("0.1.0");
    (*ret)->runtime_name = SN_STR("sennit");
    (*ret)->runtime_version = SN_STR("0.1.0");
    (*ret)->runtime_api_version = SN_STR("v1");
    return 0;
}

static int condition(struct runtime_v1_runtime_status *st, const char *type, int failure,
                     struct sn_arena *a)
{
    struct runtime_v1_runtime_condition *m = SN_ARENA_NEW(a, struct runtime_v1_runtime_condition),
                                        **at;
    char text[SN_DIAG_BYTES + 64];
    at = sn_pb_array_add(&st->conditions, sizeof *at, a);
    if (!m || !at) return SN_E_NOMEM;
    m->type = sn_str(type);
    m->status = failure >= 0;
    if (failure < 0) {
        m->reason = SN_STR("NetworkPluginNotReady");
        m->message = sn_arena_str(a, sn_str(sn_diag_format(failure, text, sizeof text)));
    }
    *at = m;
    return 0;
}

static int info(struct runtime_v1_status_response *m, const char *key, struct sn_str value,
                struct sn_arena *a)
{
    struct runtime_v1_status_response_info_entry *e = SN_ARENA_NEW(
                                                     a,
                                                     struct runtime_v1_status_response_info_entry),
                                                 **at;
    at = sn_pb_array_add(&m->info, sizeof *at, a);
    if (!e || !at) return SN_E_NOMEM;
    e->key = sn_str(key);
    e->value = value;
    *at = e;
    return 0;
}

static int status(struct sn_grpc_call *c, const struct runtime_v1_status_request *q,
                  struct runtime_v1_status_response **ret)
{
    struct sn_cri *s = c->arg;
    struct runtime_v1_status_response *m =
        SN_ARENA_NEW(c->arena, struct runtime_v1_status_response);
    struct runtime_v1_runtime_features *f =
        SN_ARENA_NEW(c->arena, struct runtime_v1_runtime_features);
    if (!m || !f) return SN_E_NOMEM;
    m->status = SN_ARENA_NEW(c->arena, struct runtime_v1_runtime_status);
    int r = m->status ? condition(m->status, "RuntimeReady", 0, c->arena) : SN_E_NOMEM;
    if (r >= 0) r = condition(m->status, "NetworkReady", sn_cni_ready(s->cni), c->arena);
    for (unsigned i = 0; i < s->n_handlers && r >= 0; i++) {
        struct runtime_v1_runtime_handler *h = SN_ARENA_NEW(c->arena,
                                                            struct runtime_v1_runtime_handler),
                                          **at;
        at = sn_pb_array_add(&m->runtime_handlers, sizeof *at, c->arena);
        if (!h || !at) return SN_E_NOMEM;
        h->name = sn_str(s->handlers[i].name);
        h->features = SN_ARENA_NEW(c->arena, struct runtime_v1_runtime_handler_features);
        if (h->features) {
            /* What a foreign program can is not known. */
            h->features->recursive_read_only_mounts = !s->handlers[i].program;
            h->features->user_namespaces = s->userns && !s->handlers[i].program;
        }
        *at = h;
    }
    f->supplemental_groups_policy = true;
    m->features = f;
    struct sn_str conf;
    if (r >= 0 && q->verbose && sn_cni_conf(s->cni, c->arena, &conf) >= 0)
        r = info(m, "cniconfig", conf, c->arena);
    if (r >= 0 && q->verbose && s->userns_why[0])
        r = info(m, "userNamespaces", sn_arena_str(c->arena, sn_str(s->userns_why)), c->arena);
    if (r >= 0 && q->verbose)
        r = info(m, "config",
                 sn_arena_printf(c->arena,
                                 "{\"runDir\":\"%s\",\"stateDir\":\"%s\",\"stream\":\"%s\","
                                 "\"pods\":%zu,\"containers\":%zu,\"networksReady\":%u}",
                                 s->run_dir, s->state_dir, s->stream_base, s->pods.len, s->ctrs.len,
                                 sn_netns_pool_ready(s->pool)),
                 c->arena);
    *ret = m;
    return r;
}

static int runtime_config(struct sn_grpc_call *c, const struct runtime_v1_runtime_config_request *q,
                          struct runtime_v1_runtime_config_response **ret)
{
    *ret = SN_ARENA_NEW(c->arena, struct runtime_v1_runtime_config_response);
    if (!*ret) return SN_E_NOMEM;
    (*ret)->linux_ = SN_ARENA_NEW(c->arena, struct runtime_v1_linux_runtime_configuration);
    if (!(*ret)->linux_) return SN_E_NOMEM;
    (*ret)->linux_->cgroup_driver = RUNTIME_V1_CGROUP_DRIVER_CGROUPFS;
    return 0;
}

/* The pods' addresses are the network configuration's business; what the kubelet says is noted. */
static int update_runtime_config(struct sn_grpc_call *c,
                                 const struct runtime_v1_update_runtime_config_request *q,
                                 struct runtime_v1_update_runtime_config_response **ret)
{
    return 0;
}

/* ---- opening ---- */

/* Beside this program, or where the build tree has it. */
static char *find_keeper(const char *given)
{
    char self[512], path[600];
    static const char *const places[] = {"sennit-keeper", "../sennit-keeper/sennit-keeper",
                                         "../libexec/sennit/sennit-keeper"};
    if (given) return sn_str_dup(sn_str(given));
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0) return NULL;
    self[n] = 0;
    char *slash = strrchr(self, '/');
    if (slash) *slash = 0;
    for (size_t i = 0; i < SN_COUNT_OF(places); i++) {
        snprintf(path, sizeof path, "%s/%s", self, places[i]);
        if (access(path, X_OK) == 0) return sn_str_dup(sn_str(path));
    }
    return NULL;
}

static int make_dirs(struct sn_cri *s)
{
    static const char *const kinds[] = {"pods", "containers"};
    char path[512];
    int r = 0;
    for (size_t i = 0; i < SN_COUNT_OF(kinds) && r >= 0; i++) {
        snprintf(path, sizeof path, "%s/%s", s->run_dir, kinds[i]);
        r = sn_mkdirs(path, 0711);
        snprintf(path, sizeof path, "%s/%s", s->state_dir, kinds[i]);
        if (r >= 0) r = sn_mkdirs(path, 0700);
    }
    return r;
}

static int fill_one(void *arg) { return sn_netns_pool_fill(arg); }

/* Keeps network namespaces ready. A failure is no reason to end: pods make their own then. */
static int fill(void *arg)
{
    struct sn_cri *s = arg;
    for (;;) {
        int r = sn_offload(fill_one, s->pool);
        if (r <= 0) r = sn_sleep(r < 0 ? SN_SEC : FILL_IDLE_NS);
        if (r == SN_E_CANCELLED) return 0;
    }
}

static int copy_opts(struct sn_cri *s, const struct sn_cri_opts *o)
{
    s->run_dir = sn_str_dup(sn_str(o->run_dir ? o->run_dir : SN_CRI_RUN_DEFAULT));
    s->state_dir = sn_str_dup(sn_str(o->state_dir ? o->state_dir : SN_CRI_STATE_DEFAULT));
    s->cgroup_root = sn_str_dup(sn_str(o->cgroup_root ? o->cgroup_root : "/sennit"));
    s->seccomp_dir = sn_str_dup(sn_str(o->seccomp_dir ? o->seccomp_dir : "/var/lib/kubelet/seccomp"));
    s->keeper = find_keeper(o->keeper);
    s->insecure = o->insecure_registry;
    if (!s->run_dir || !s->state_dir || !s->cgroup_root || !s->seccomp_dir) return SN_E_NOMEM;
    if (!s->keeper)
        return sn_fail(SN_E_NOT_FOUND, "the program sennit-keeper is not beside this one");
    if (o->n_handlers + 1 > SN_CRI_HANDLERS_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "at most %u runtime handlers",
                       SN_CRI_HANDLERS_MAX - 1);
    s->handlers[s->n_handlers++] = (struct sn_cri_handler){"", NULL};
    for (unsigned i = 0; i < o->n_handlers; i++) {
        if (!*o->handlers[i].name)
            s->handlers[0] = o->handlers[i];
        else
            s->handlers[s->n_handlers++] = o->handlers[i];
    }
    return 0;
}

int sn_cri_open(const struct sn_cri_opts *o, struct sn_cri **ret)
{
    struct sn_cri *s = SN_NEW(struct sn_cri);
    if (!s) return SN_E_NOMEM;
    sn_map_init(&s->pods, sn_random(), false);
    sn_map_init(&s->ctrs, sn_random(), false);
    sn_map_init(&s->names, sn_random(), false);
    sn_list_init(&s->watchers);
    s->scope = sn_scope_begin(&s->scope_mem);
    int r = copy_opts(s, o);
    if (r >= 0) r = make_dirs(s);
    if (r >= 0) r = sn_cgroup_probe(&s->cgroups, NULL);
    if (r >= 0)
        r = sn_image_store_open(&(struct sn_image_store_opts){.root = o->image_root,
                                                              .certs_dir = o->certs_dir},
                                &s->images);
    if (r >= 0) cri_userns_probe(s);
    if (r >= 0)
        r = sn_cni_open(&(struct sn_cni_opts){.conf_dir = o->cni_conf_dir,
                                              .bin_dirs = o->cni_bin_dirs,
                                              .state_dir = o->cni_state_dir,
                                              .plugin_ns_max = o->cni_plugin_ns_max,
                                              .default_subnet =
                                                  o->pod_subnet ? o->pod_subnet : "10.88.0.0/16",
                                              .default_bridge = o->bridge},
                        &s->cni);
    if (r >= 0 && !(s->pool = sn_netns_pool_new(o->netns_ready ? o->netns_ready : 8)))
        r = SN_E_NOMEM;
    if (r >= 0) r = cri_stream_open(s, o->stream_addr ? o->stream_addr : "127.0.0.1:0");
    if (r >= 0) r = cri_restore(s);
    if (r >= 0) r = sn_scope_go(s->scope, "cri netns", fill, s);
    if (r < 0) {
        struct sn_diag keep = *sn_diag();
        sn_cri_close(s);
        *sn_diag() = keep;
        return r;
    }
    *ret = s;
    return 0;
}

void sn_cri_close(struct sn_cri *s)
{
    size_t it = 0;
    struct sn_map_slot *slot;
    if (!s) return;
    cri_stream_close(s);
    sn_scope_cancel(s->scope);
    (void)sn_scope_end(s->scope);
    while ((slot = sn_map_next(&s->ctrs, &it))) cri_ctr_unref(slot->value);
    it = 0;
    while ((slot = sn_map_next(&s->pods, &it))) cri_pod_unref(slot->value);
    sn_map_done(&s->pods);
    sn_map_done(&s->ctrs);
    sn_map_done(&s->names);
    sn_netns_pool_free(s->pool);
    sn_cni_close(s->cni);
    sn_image_store_close(s->images);
    sn_cgroup_host_done(&s->cgroups);
    sn_free(s->run_dir);
    sn_free(s->state_dir);
    sn_free(s->keeper);
    sn_free(s->cgroup_root);
    sn_free(s->seccomp_dir);
    sn_free(s);
}

/* ---- serving ---- */

struct serving {
    struct sn_cri *s;
    struct sn_grpc_server *grpc;
    struct sn_http_server *http;
};

static int shut(void *arg)
{
    struct serving *v = arg;
    (void)sn_http_server_drain(v->http, DRAIN_NS);
    return 0;
}

static struct runtime_v1_runtime_service_handlers runtime_handlers;
static struct runtime_v1_image_service_handlers image_handlers;

static int register_all(struct sn_cri *s, struct sn_grpc_server *g)
{
    runtime_handlers =
        (struct runtime_v1_runtime_service_handlers){.version = version,
                                                     .status = status,
                                                     .runtime_config = runtime_config,
                                                     .update_runtime_config =
                                                         update_runtime_config};
    cri_handlers_pods(&runtime_handlers);
    cri_handlers_ctrs(&runtime_handlers);
    cri_handlers_update(&runtime_handlers);
    cri_handlers_exec(&runtime_handlers);
    cri_handlers_stats(&runtime_handlers);
    cri_handlers_metrics(&runtime_handlers);
    cri_handlers_events(&runtime_handlers);
    cri_handlers_images(&image_handlers);
    int r = runtime_v1_runtime_service_register(g, &runtime_handlers, s);
    return r < 0 ? r : runtime_v1_image_service_register(g, &image_handlers, s);
}

int sn_cri_serve(struct sn_cri *s, const char *addr)
{
    struct serving v = {.s = s};
    struct sn_listener *l = NULL;
    int r = sn_grpc_server_new(&(struct sn_grpc_server_opts){.web_off = true,
                                                             .connect_off = true,
                                                             .rest_off = true,
                                                             .recv_bytes_max = 16u << 20},
                               &v.grpc);
    if (r < 0) return r;
    r = register_all(s, v.grpc);
    if (r >= 0) {
        struct sn_http_server_opts ho = {.handler = sn_grpc_handle,
                                         .arg = v.grpc,
                                         .h2_any_authority = true};
        sn_grpc_http_defaults(&ho);
        r = sn_http_server_new(&ho, &v.http);
    }
    if (r >= 0) {
        if (!strncmp(addr, "unix:", 5) && addr[5] == '/')
            (void)unlink(addr + 5); /* left by one that was killed */
        r = sn_listen(addr, NULL, &l);
        if (r >= 0) r = sn_http_serve(v.http, l);
        (void)sn_shield(2 * DRAIN_NS, shut, &v);
        if (!strncmp(addr, "unix:", 5) && addr[5] == '/') (void)unlink(addr + 5);
        sn_http_server_free(v.http);
    }
    sn_grpc_server_free(v.grpc);
    return r;
}
