/* SPDX-License-Identifier: Apache-2.0 */
/* cni/cni.c - running a list of plugins for a pod. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clusters/cni/cni_int.h"
#include "core/alloc.h"
#include "core/enc.h"
#include "core/status.h"
#include "fiber/os.h"

#define CACHE_BYTES_MAX (SN_CNI_RESULT_BYTES_MAX + SN_CNI_CONF_BYTES_MAX * 2u)
#define CONF_FILES_MAX 256u
#define RETRY_NS (100 * SN_MS)

struct sn_cni {
    char *conf_dir, *bin_dirs, *state_dir, *subnet, *bridge;
    int64_t ns_max;
};

static char *dup_or(const char *s, const char *other)
{
    if (!s) s = other;
    char *p = sn_alloc(strlen(s) + 1);
    if (p) memcpy(p, s, strlen(s) + 1);
    return p;
}

int sn_cni_open(const struct sn_cni_opts *o, struct sn_cni **ret)
{
    static const struct sn_cni_opts none;
    if (!o) o = &none;
    struct sn_cni *c = SN_NEW(struct sn_cni);
    if (!c) return SN_E_NOMEM;
    c->conf_dir = dup_or(o->conf_dir, "/etc/cni/net.d");
    c->bin_dirs = dup_or(o->bin_dirs, "/opt/cni/bin:/usr/lib/cni");
    c->state_dir = dup_or(o->state_dir, "/var/lib/cni");
    c->subnet = dup_or(o->default_subnet, "");
    c->bridge = dup_or(o->default_bridge, "sennit0");
    c->ns_max = o->plugin_ns_max ? o->plugin_ns_max : 60 * SN_SEC;
    if (!c->conf_dir || !c->bin_dirs || !c->state_dir || !c->subnet || !c->bridge) {
        sn_cni_close(c);
        return SN_E_NOMEM;
    }
    *ret = c;
    return 0;
}

void sn_cni_close(struct sn_cni *c)
{
    if (!c) return;
    sn_free(c->conf_dir);
    sn_free(c->bin_dirs);
    sn_free(c->state_dir);
    sn_free(c->subnet);
    sn_free(c->bridge);
    sn_free(c);
}

cni_builtin cni_builtin_find(struct sn_str type)
{
    static const struct {
        const char *type;
        cni_builtin fn;
    } all[] = {{"bridge", cni_bridge}, {"portmap", cni_portmap}, {"loopback", cni_lo}};
    for (size_t i = 0; i < SN_COUNT_OF(all); i++)
        if (sn_str_eqc(type, all[i].type)) return all[i].fn;
    return NULL;
}

/* ---- the list in use ---- */

static int default_list(struct sn_cni *c, struct sn_arena *a, struct cni_list *ret)
{
    struct sn_cidr net;
    int r = sn_cidr_parse(sn_str(c->subnet), &net);
    if (r < 0) return sn_wrap(r, "default network");
    struct sn_str text =
        sn_arena_printf(a,
                        "{\"cniVersion\":\"1.1.0\",\"name\":\"%s\",\"plugins\":[{\"type\":"
                        "\"bridge\",\"bridge\":\"%s\",\"isDefaultGateway\":true,"
                        "\"ipMasq\":true,\"hairpinMode\":true,\"ipam\":{\"type\":\"host-local\","
                        "\"ranges\":[[{\"subnet\":\"%s\"}]]}},"
                        "{\"type\":\"portmap\",\"capabilities\":{\"portMappings\":true}}]}",
                        c->bridge, c->bridge, c->subnet);
    if (!text.ptr) return SN_E_NOMEM;
    return cni_list_parse(a, SN_STR("default network"), text, false, ret);
}

static int load(struct sn_cni *c, struct sn_arena *a, struct cni_list *ret)
{
    struct sn_str *names;
    size_t n = 0;
    int r = sn_dir_list(a, c->conf_dir, &names, &n);
    if (r < 0 && r != SN_E_NOT_FOUND) return r;
    if (r < 0) n = 0;
    for (size_t i = 0; i < n && i < CONF_FILES_MAX; i++) {
        bool list = sn_str_ends(names[i], SN_STR(".conflist"));
        if (!list && !sn_str_ends(names[i], SN_STR(".conf")) &&
            !sn_str_ends(names[i], SN_STR(".json")))
            continue;
        struct sn_str path = sn_arena_printf(a, "%s/%.*s", c->conf_dir, SN_STR_ARG(names[i])), text;
        if (!path.ptr) return SN_E_NOMEM;
        r = sn_file_read(a, path.ptr, SN_CNI_CONF_BYTES_MAX, &text);
        return r < 0 ? r : cni_list_parse(a, path, text, !list, ret);
    }
    if (*c->subnet) return default_list(c, a, ret);
    return sn_fail(SN_E_NOT_FOUND, "no network configuration in %s", c->conf_dir);
}

/* ---- cached results, as libcni keeps them ---- */

static struct sn_str cache_path(struct sn_cni *c, struct sn_arena *a, const struct cni_list *l,
                                const struct sn_cni_pod *p)
{
    return sn_arena_printf(a, "%s/results/%.*s-%s-%s", c->state_dir, SN_STR_ARG(l->name), p->id,
                           p->ifname ? p->ifname : "eth0");
}

static void write_ports(struct sn_jsonw *w, const struct sn_cni_pod *p)
{
    char ip[SN_IP_TEXT_MAX];
    sn_jsonw_key(w, SN_STR("portMappings"));
    sn_jsonw_array(w);
    for (unsigned i = 0; i < p->n_ports; i++) {
        sn_jsonw_object(w);
        sn_jsonw_ku64(w, "hostPort", p->ports[i].host);
        sn_jsonw_ku64(w, "containerPort", p->ports[i].container);
        sn_jsonw_kstr(w, "protocol", sn_str(p->ports[i].protocol));
        if (p->ports[i].host_ip.len)
            sn_jsonw_kstr(w, "hostIP", sn_str(sn_ip_text(&p->ports[i].host_ip, ip)));
        sn_jsonw_object_end(w);
    }
    sn_jsonw_array_end(w);
}

/* The list that the pod was connected by: it is disconnected by the same one, whatever the folder
 * has then. */
static void write_config(struct sn_jsonw *w, struct sn_arena *a, struct sn_str text)
{
    size_t n = sn_base64_len(text.len, SN_BASE64_STD);
    char *coded = sn_arena_alloc(a, n);
    if (!coded) {
        w->out->err = SN_E_NOMEM;
        return;
    }
    sn_base64_encode(text.ptr, text.len, SN_BASE64_STD, coded);
    sn_jsonw_kstr(w, "config", sn_str_of(coded, n));
}

static int read_config(struct sn_arena *a, struct sn_str path, struct cni_list *ret)
{
    struct sn_str text, coded;
    const struct sn_json *v, *list;
    int r = sn_file_read(a, path.ptr, CACHE_BYTES_MAX, &text);
    if (r >= 0) r = sn_json_parse(a, text, NULL, &v);
    if (r < 0) return r;
    coded = sn_json_str(sn_json_get(v, "config"));
    if (!coded.len) return SN_E_NOT_FOUND; /* of a version that did not keep it */
    char *raw = sn_arena_alloc(a, sn_base64_decoded_max(coded.len));
    ssize_t n = raw ? sn_base64_decode(coded, SN_BASE64_STD, raw) : SN_E_NOMEM;
    if (n < 0) return (int)n;
    r = sn_json_parse(a, sn_str_of(raw, (size_t)n), NULL, &list);
    return r < 0 ? r
                 : cni_list_parse(a, path, sn_str_of(raw, (size_t)n),
                                  !sn_json_get(list, "plugins"), ret);
}

/* By the name of the list in use, else by the pod's id in the names of all results. */
static int load_cached(struct sn_cni *c, struct sn_arena *a, const struct sn_cni_pod *p,
                       struct cni_list *ret)
{
    struct sn_str *names, end, dir, path;
    size_t n;
    struct cni_list now;
    if (load(c, a, &now) >= 0 && read_config(a, cache_path(c, a, &now, p), ret) >= 0) return 0;
    dir = sn_arena_printf(a, "%s/results", c->state_dir);
    end = sn_arena_printf(a, "-%s-%s", p->id, p->ifname ? p->ifname : "eth0");
    int r = dir.ptr && end.ptr ? sn_dir_list(a, dir.ptr, &names, &n) : SN_E_NOMEM;
    for (size_t i = 0; r >= 0 && i < n; i++) {
        if (!sn_str_ends(names[i], end)) continue;
        path = sn_arena_printf(a, "%.*s/%.*s", SN_STR_ARG(dir), SN_STR_ARG(names[i]));
        if (path.ptr && read_config(a, path, ret) >= 0) return 0;
    }
    return SN_E_NOT_FOUND;
}

static int cache_store(struct sn_cni *c, struct sn_arena *a, const struct cni_list *l,
                       const struct sn_cni_pod *p, const struct sn_cni_result *res)
{
    struct sn_buf b;
    struct sn_jsonw w;
    char dir[512];
    struct sn_str path = cache_path(c, a, l, p);
    sn_buf_init(&b, CACHE_BYTES_MAX);
    sn_jsonw_init(&w, &b, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "kind", SN_STR("cniCacheV1"));
    sn_jsonw_kstr(&w, "containerId", sn_str(p->id));
    sn_jsonw_kstr(&w, "ifName", sn_str(p->ifname ? p->ifname : "eth0"));
    sn_jsonw_kstr(&w, "networkName", l->name);
    write_config(&w, a, l->text);
    sn_jsonw_key(&w, SN_STR("capabilityArgs"));
    sn_jsonw_object(&w);
    write_ports(&w, p);
    sn_jsonw_object_end(&w);
    sn_jsonw_key(&w, SN_STR("result"));
    cni_result_write(&w, res, l->version);
    sn_jsonw_object_end(&w);
    int r = b.err < 0 ? b.err : path.ptr ? 0 : SN_E_NOMEM;
    if (r >= 0 && snprintf(dir, sizeof dir, "%s/results", c->state_dir) >= (int)sizeof dir)
        r = SN_E_TOO_LARGE;
    /* Not synced: after a crash of the machine the pod is gone, too. */
    int fd = r < 0 ? -1 : open(path.ptr, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 && r >= 0) {
        (void)mkdir(c->state_dir, 0755);
        (void)mkdir(dir, 0755);
        fd = open(path.ptr, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    }
    if (r >= 0 && (fd < 0 || write(fd, b.ptr, b.len) != (ssize_t)b.len))
        r = sn_fail_errno(errno, "%s", path.ptr);
    if (fd >= 0) close(fd);
    sn_buf_done(&b);
    return r;
}

static int empty_result(struct sn_arena *a, struct sn_cni_result *ret)
{
    *ret =
        (struct sn_cni_result){.ifaces = SN_ARENA_ARRAY(a, struct sn_cni_iface, SN_CNI_IFACES_MAX),
                               .ips = SN_ARENA_ARRAY(a, struct sn_cni_ip, SN_CNI_IPS_MAX),
                               .routes = SN_ARENA_ARRAY(a, struct sn_cni_route, SN_CNI_ROUTES_MAX)};
    return ret->ifaces && ret->ips && ret->routes ? 0 : SN_E_NOMEM;
}

static int cached_ports(struct sn_arena *a, const struct sn_json *v, struct sn_cni_pod *p)
{
    const struct sn_json *list = sn_json_path(v, "capabilityArgs.portMappings");
    if (p->n_ports || !sn_json_len(list) || sn_json_len(list) > SN_CNI_PORTS_MAX) return 0;
    struct sn_cni_port *ports = SN_ARENA_ARRAY(a, struct sn_cni_port, sn_json_len(list));
    if (!ports) return SN_E_NOMEM;
    unsigned n = 0;
    for (SN_JSON_EACH(list, it)) {
        struct sn_str proto = sn_json_str(sn_json_get(it, "protocol")),
                      ip = sn_json_str(sn_json_get(it, "hostIP"));
        struct sn_cni_port *q = &ports[n++];
        q->host = (uint16_t)sn_json_i64_or(sn_json_get(it, "hostPort"), 0);
        q->container = (uint16_t)sn_json_i64_or(sn_json_get(it, "containerPort"), 0);
        q->protocol = sn_arena_str(a, proto.len ? proto : SN_STR("tcp")).ptr;
        if (ip.len && sn_ip_parse(ip, &q->host_ip) < 0) q->host_ip.len = 0;
    }
    p->ports = ports;
    p->n_ports = n;
    return 0;
}

/* Returns 0 and the cached result (and host ports), SN_E_NOT_FOUND with an empty one. */
static int cache_read(struct sn_cni *c, struct sn_arena *a, const struct cni_list *l,
                      struct sn_cni_pod *p, struct sn_cni_result *ret)
{
    struct sn_str path = cache_path(c, a, l, p), text;
    const struct sn_json *v;
    if (!path.ptr) return SN_E_NOMEM;
    int r = sn_file_read(a, path.ptr, CACHE_BYTES_MAX, &text);
    if (r >= 0) r = sn_json_parse(a, text, NULL, &v);
    if (r >= 0) r = cni_result_parse(a, sn_json_get(v, "result"), ret);
    if (r >= 0) return cached_ports(a, v, p);
    int e = empty_result(a, ret);
    return e < 0 ? e : r == SN_E_NOMEM ? r : SN_E_NOT_FOUND;
}

/* ---- one plugin ---- */

struct job {
    struct sn_cni *c;
    struct sn_arena *a;
    const struct cni_list *l;
    struct sn_cni_pod pod;
    struct sn_cni_result result;
    struct cni_run run;
    cni_builtin fn;
    enum cni_command cmd;
    bool have_result;
    const char *const *valid;
    unsigned n_valid;
};

static const char *const command_names[] = {"ADD", "DEL", "CHECK", "GC", "STATUS"};

/* The plugin's configuration as it reads it: the list's name and version, what was asked for and
 * what came before put in. */
static int plugin_conf(struct job *j, unsigned i, struct sn_str *ret)
{
    struct sn_json v = *j->l->plugins[i], parsed_result = {0}, run = sn_json_object();
    const struct sn_json *result, *ports;
    struct sn_buf b;
    struct sn_jsonw w;
    int r = sn_json_clone(j->a, j->l->plugins[i], &v);
    if (r < 0) return r;
    sn_buf_init(&b, SN_CNI_CONF_BYTES_MAX);
    sn_jsonw_init(&w, &b, NULL);
    cni_result_write(&w, &j->result, j->l->version);
    r = b.err < 0 ? b.err : sn_json_parse(j->a, sn_arena_str(j->a, sn_buf_view(&b)), NULL, &result);
    if (r >= 0) parsed_result = *result;
    bool prev =
        j->cmd == CNI_ADD ? i > 0 : j->have_result && j->cmd != CNI_GC && j->cmd != CNI_STATUS;
    if (r >= 0 && j->pod.n_ports &&
        sn_json_bool_or(sn_json_path(&v, "capabilities.portMappings"), false)) {
        sn_buf_reset(&b);
        sn_jsonw_init(&w, &b, NULL);
        sn_jsonw_object(&w);
        write_ports(&w, &j->pod);
        sn_jsonw_object_end(&w);
        r = b.err < 0 ? b.err
                      : sn_json_parse(j->a, sn_arena_str(j->a, sn_buf_view(&b)), NULL, &ports);
        if (r >= 0) run = *ports;
    }
    if (r >= 0) {
        sn_json_del(&v, SN_STR("capabilities"));
        bool ok = sn_json_set(j->a, &v, SN_STR("name"), sn_json_string(j->l->name)) &&
                  sn_json_set(j->a, &v, SN_STR("cniVersion"), sn_json_string(j->l->version)) &&
                  (!run.len || sn_json_set(j->a, &v, SN_STR("runtimeConfig"), run)) &&
                  (!prev || sn_json_set(j->a, &v, SN_STR("prevResult"), parsed_result));
        struct sn_json valid = sn_json_array();
        for (unsigned k = 0; k < j->n_valid && ok; k++) {
            struct sn_json at = sn_json_object();
            ok = sn_json_set(j->a, &at, SN_STR("containerID"), sn_json_cstr(j->valid[k])) &&
                 sn_json_set(j->a, &at, SN_STR("ifname"), sn_json_cstr("eth0")) &&
                 sn_json_push(j->a, &valid, at);
        }
        if (ok && j->cmd == CNI_GC)
            ok = sn_json_set(j->a, &v, SN_STR("cni.dev/valid-attachments"), valid);
        sn_buf_reset(&b);
        r = ok ? sn_json_write(&b, &v, NULL) : SN_E_NOMEM;
        if (r >= 0) *ret = sn_arena_str(j->a, sn_buf_view(&b));
        if (r >= 0 && !ret->ptr) r = SN_E_NOMEM;
    }
    sn_buf_done(&b);
    return r;
}

static int run_foreign(struct job *j, unsigned i)
{
    struct sn_str conf, out;
    const struct sn_json *v;
    bool pod = j->cmd <= CNI_CHECK;
    int r = plugin_conf(j, i, &conf);
    if (r < 0) return r;
    struct cni_exec x = {.command = command_names[j->cmd],
                         .bin_dirs = j->c->bin_dirs,
                         .type = j->l->types[i],
                         .pod = pod ? &j->pod : NULL,
                         .ifname = j->run.ifname,
                         .conf = conf,
                         .ns_max = j->c->ns_max};
    r = cni_exec(&x, j->a, &out);
    if (r < 0 || j->cmd != CNI_ADD) return r;
    r = sn_json_parse(j->a, out, NULL, &v);
    if (r >= 0) r = cni_result_parse(j->a, v, &j->result);
    return r < 0 ? sn_wrap(r, "CNI plugin %.*s", SN_STR_ARG(j->l->types[i])) : 0;
}

static int run_builtin(void *arg)
{
    struct job *j = arg;
    return j->fn(&j->run, j->cmd);
}

static int run_one(struct job *j, unsigned i)
{
    j->fn = cni_builtin_find(j->l->types[i]);
    /* A bridge whose addresses somebody else manages is a matter for the program of that name. */
    struct sn_str ipam = sn_json_str(sn_json_path(j->l->plugins[i], "ipam.type"));
    if (j->fn && ipam.len && !sn_str_eqc(ipam, "host-local")) j->fn = NULL;
    if (!j->fn) return run_foreign(j, i);
    j->run.conf = j->l->plugins[i];
    int r = sn_offload(run_builtin, j);
    return r < 0 ? sn_wrap(r, "%.*s", SN_STR_ARG(j->l->types[i])) : r;
}

static int begin(struct sn_cni *c, struct sn_arena *a, const struct sn_cni_pod *pod,
                 enum cni_command cmd, struct job **ret)
{
    struct job *j = SN_ARENA_NEW(a, struct job);
    struct cni_list *l = SN_ARENA_NEW(a, struct cni_list);
    if (!j || !l) return SN_E_NOMEM;
    bool added = pod && (cmd == CNI_DEL || cmd == CNI_CHECK);
    int r = added ? load_cached(c, a, pod, l) : SN_E_NOT_FOUND;
    if (r == SN_E_NOT_FOUND) r = load(c, a, l);
    if (r >= 0) r = empty_result(a, &j->result);
    if (r < 0) return r;
    j->c = c, j->a = a, j->l = l, j->cmd = cmd;
    if (pod) j->pod = *pod;
    j->run = (struct cni_run){.a = a,
                              .pod = &j->pod,
                              .ifname = pod && pod->ifname ? pod->ifname : "eth0",
                              .netns_fd = pod ? pod->netns_fd : -1,
                              .state_dir = c->state_dir,
                              .network = l->name,
                              .version = l->version,
                              .result = &j->result};
    *ret = j;
    return 0;
}

/* The namespace's descriptor where the caller has only its path. */
static int open_netns(struct job *j)
{
    if (j->run.netns_fd >= 0) return 0;
    if (!j->pod.netns) return sn_fail(SN_E_INVALID_ARGUMENT, "network namespace: expected a path");
    j->run.netns_fd = open(j->pod.netns, O_RDONLY | O_CLOEXEC);
    return j->run.netns_fd < 0 ? sn_fail_errno(errno, "network namespace %s", j->pod.netns) : 1;
}

static int del_all(struct job *j)
{
    int result = 0;
    j->cmd = CNI_DEL;
    j->run.have_result = j->have_result;
    for (unsigned i = j->l->n; i-- > 0;) {
        int r = run_one(j, i);
        for (unsigned tries = 1;
             r < 0 && r != SN_E_CANCELLED && r != SN_E_NOT_FOUND && tries < SN_CNI_DEL_TRIES;
             tries++) {
            if (sn_sleep(RETRY_NS << tries) < 0) break;
            r = run_one(j, i);
        }
        if (r < 0 && result >= 0) result = r;
    }
    return result;
}

int sn_cni_add(struct sn_cni *c, const struct sn_cni_pod *pod, struct sn_arena *a,
               struct sn_cni_result *ret)
{
    struct job *j;
    int r = begin(c, a, pod, CNI_ADD, &j);
    int opened = r < 0 ? r : open_netns(j);
    if (opened < 0) return opened;
    for (unsigned i = 0; i < j->l->n && r >= 0; i++) r = run_one(j, i);
    if (r >= 0) r = cache_store(c, a, j->l, pod, &j->result);
    if (r < 0) {
        struct sn_diag keep = *sn_diag();
        j->have_result = j->result.n_ips > 0;
        (void)del_all(j);
        *sn_diag() = keep;
    } else {
        *ret = j->result;
    }
    if (opened > 0) close(j->run.netns_fd);
    return r;
}

int sn_cni_del(struct sn_cni *c, const struct sn_cni_pod *pod)
{
    struct sn_arena a;
    struct job *j;
    sn_arena_init(&a, NULL, 0);
    int r = begin(c, &a, pod, CNI_DEL, &j);
    if (r >= 0) {
        r = cache_read(c, &a, j->l, &j->pod, &j->result);
        j->have_result = r == 0;
        if (r == SN_E_NOT_FOUND) r = 0;
    }
    if (r >= 0) r = del_all(j);
    if (r >= 0) (void)unlink(cache_path(c, &a, j->l, pod).ptr);
    sn_arena_done(&a);
    return r;
}

int sn_cni_check(struct sn_cni *c, const struct sn_cni_pod *pod)
{
    struct sn_arena a;
    struct job *j;
    sn_arena_init(&a, NULL, 0);
    int r = begin(c, &a, pod, CNI_CHECK, &j), opened = 0;
    if (r >= 0) r = cache_read(c, &a, j->l, &j->pod, &j->result);
    if (r == SN_E_NOT_FOUND)
        r = sn_fail(r, "pod %s is not in network %.*s", pod->id, SN_STR_ARG(j->l->name));
    if (r >= 0) r = opened = open_netns(j);
    if (r >= 0) {
        j->have_result = j->run.have_result = true;
        for (unsigned i = 0; i < j->l->n && r >= 0 && !j->l->no_check; i++) r = run_one(j, i);
        if (opened > 0) close(j->run.netns_fd);
    }
    sn_arena_done(&a);
    return r < 0 ? r : 0;
}

int sn_cni_ready(struct sn_cni *c)
{
    struct sn_arena a;
    struct job *j;
    sn_arena_init(&a, NULL, 0);
    int r = begin(c, &a, NULL, CNI_STATUS, &j);
    bool asks = r >= 0 && sn_str_eqc(j->l->version, "1.1.0");
    for (unsigned i = 0; r >= 0 && i < j->l->n; i++)
        r = asks || cni_builtin_find(j->l->types[i])
                ? run_one(j, i)
                : cni_exec_find(c->bin_dirs, j->l->types[i]);
    sn_arena_done(&a);
    return r < 0 ? r : 0;
}

int sn_cni_conf(struct sn_cni *c, struct sn_arena *a, struct sn_str *ret)
{
    struct cni_list *l = SN_ARENA_NEW(a, struct cni_list);
    int r = l ? load(c, a, l) : SN_E_NOMEM;
    if (r >= 0) *ret = l->text;
    return r;
}

/* ---- garbage ---- */

static bool is_valid(const struct job *j, struct sn_str file)
{
    for (unsigned i = 0; i < j->n_valid; i++)
        if (sn_str_find(file, sn_str(j->valid[i])) >= 0) return true;
    return false;
}

struct nat_gc {
    struct sn_ip *valid;
    unsigned n;
};
static int run_nat_gc(void *arg)
{
    struct nat_gc *g = arg;
    return cni_nat_gc(g->valid, g->n);
}

/* Cached results of pods that are gone are removed; the addresses of the others keep their host
 * ports. */
static int gc_results(struct job *j)
{
    struct sn_str *names, dir = sn_arena_printf(j->a, "%s/results", j->c->state_dir);
    size_t n = 0;
    int r = sn_dir_list(j->a, dir.ptr, &names, &n);
    if (r < 0) n = 0;
    struct nat_gc g = {SN_ARENA_ARRAY(j->a, struct sn_ip, n + 1), 0};
    if (!g.valid) return SN_E_NOMEM;
    struct sn_str prefix = sn_arena_printf(j->a, "%.*s-", SN_STR_ARG(j->l->name));
    for (size_t i = 0; i < n; i++) {
        struct sn_str path = sn_arena_printf(j->a, "%s/%.*s", dir.ptr, SN_STR_ARG(names[i])), text;
        const struct sn_json *v;
        struct sn_cni_result res;
        bool ours = sn_str_starts(names[i], prefix);
        if (ours && !is_valid(j, names[i])) {
            (void)unlink(path.ptr);
            continue;
        }
        if (sn_file_read(j->a, path.ptr, CACHE_BYTES_MAX, &text) < 0 ||
            sn_json_parse(j->a, text, NULL, &v) < 0 ||
            cni_result_parse(j->a, sn_json_get(v, "result"), &res) < 0 || !res.n_ips)
            continue;
        g.valid[g.n++] = res.ips[0].at.ip;
    }
    return sn_offload(run_nat_gc, &g);
}

int sn_cni_gc(struct sn_cni *c, const char *const *ids, unsigned n)
{
    struct sn_arena a;
    struct job *j;
    int result = 0;
    sn_arena_init(&a, NULL, 0);
    int r = begin(c, &a, NULL, CNI_GC, &j);
    if (r >= 0 && !j->l->no_gc) {
        j->valid = j->run.valid = ids;
        j->n_valid = j->run.n_valid = n;
        for (unsigned i = 0; i < j->l->n; i++) {
            if (!cni_builtin_find(j->l->types[i]) && !sn_str_eqc(j->l->version, "1.1.0")) continue;
            r = run_one(j, i);
            if (r < 0) result = r;
        }
        r = gc_results(j);
        if (r < 0) result = r;
    } else if (r < 0) {
        result = r;
    }
    sn_arena_done(&a);
    return result;
}
