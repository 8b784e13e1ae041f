/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/run_pod.c - from the options of `sennit run` to CRI's configurations, and the image. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clusters/image/image.h"
#include "clusters/image/reference.h"
#include "sennit/images.h"
#include "sennit/run_int.h"

/* The image is pulled here, into the daemon's store, so that its progress is seen. */
static int pull(struct run_job *j, struct sn_image_store *st, struct sn_str name,
                struct sn_image *img)
{
    struct sn_progress bar;
    sn_progress_begin(&bar, "", 0);
    int r = sn_image_pull(st, name,
                          &(struct sn_image_pull_opts){.progress = images_progress,
                                                       .arg = &bar,
                                                       .plain_http = j->o->plain_http,
                                                       .credentials_file =
                                                           images_authfile(j->a)},
                          j->a, img);
    sn_progress_end(&bar);
    return r;
}

static int load(struct run_job *j, struct sn_image_store *st, struct sn_str path,
                struct sn_image *img)
{
    struct sn_image *all;
    size_t n;
    int r = sn_image_load(st, sn_arena_str(j->a, path).ptr, (struct sn_str){0}, j->a, &all, &n);
    if (r < 0) return r;
    if (n != 1)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "%.*s has %zu images: `sennit load` it, and run one by its name",
                       SN_STR_ARG(path), n);
    *img = all[0];
    return 0;
}

int run_image(struct run_job *j, struct sn_str name, struct sn_str *ret)
{
    struct sn_image_store *st;
    struct sn_image img;
    if (sn_str_eqc(name, SN_IMAGE_HOST)) return 0;
    int r = sn_image_store_open(
        &(struct sn_image_store_opts){
            .root = j->o->image_root.len ? sn_arena_str(j->a, j->o->image_root).ptr : NULL,
            .certs_dir = j->o->certs.len ? sn_arena_str(j->a, j->o->certs).ptr : NULL},
        &st);
    if (r < 0) return r;
    bool is_path = name.len && (name.ptr[0] == '/' || name.ptr[0] == '.');
    r = is_path ? load(j, st, name, &img) : sn_image_find(st, name, j->a, &img);
    if (r == SN_E_NOT_FOUND && !is_path) r = pull(j, st, name, &img);
    if (r >= 0) *ret = img.id;
    sn_image_store_close(st);
    return r;
}

static int parse_port(struct run_job *j, struct sn_str s, struct runtime_v1_port_mapping *ret)
{
    struct sn_str whole = s, proto = {0};
    ssize_t slash = sn_str_chr(s, '/'), colon;
    uint64_t host, inside;
    if (slash >= 0) {
        proto = sn_str_from(s, (size_t)slash + 1);
        s = sn_str_sub(s, 0, (size_t)slash);
    }
    colon = sn_str_rchr(s, ':');
    struct sn_str left = colon < 0 ? s : sn_str_sub(s, 0, (size_t)colon),
                  right = colon < 0 ? s : sn_str_from(s, (size_t)colon + 1);
    ssize_t ip = sn_str_rchr(left, ':');
    if (ip >= 0) {
        ret->host_ip = sn_str_sub(left, 0, (size_t)ip);
        left = sn_str_from(left, (size_t)ip + 1);
    }
    if (sn_str_to_u64(left, &host) < 0 || sn_str_to_u64(right, &inside) < 0 || !host || !inside ||
        host > 65535 || inside > 65535 ||
        (proto.len && !sn_str_eqc(proto, "tcp") && !sn_str_eqc(proto, "udp")))
        return sn_fail(SN_E_INVALID_ARGUMENT, "-p %.*s: expected [IP:]HOST:CONTAINER[/tcp|/udp]",
                       SN_STR_ARG(whole));
    ret->protocol = sn_str_eqc(proto, "udp") ? RUNTIME_V1_PROTOCOL_UDP : RUNTIME_V1_PROTOCOL_TCP;
    ret->host_port = (int32_t)host;
    ret->container_port = (int32_t)inside;
    return 0;
}

static int parse_volume(struct sn_str s, struct runtime_v1_mount *ret)
{
    struct sn_str whole = s, from = sn_str_cut(&s, ':'),
                  to = s.ptr ? sn_str_cut(&s, ':') : (struct sn_str){0};
    if (!from.len || from.ptr[0] != '/' || !to.len || to.ptr[0] != '/' ||
        (s.ptr && !sn_str_eqc(s, "ro") && !sn_str_eqc(s, "rw")))
        return sn_fail(SN_E_INVALID_ARGUMENT, "-v %.*s: expected /HOST:/CONTAINER[:ro]",
                       SN_STR_ARG(whole));
    ret->host_path = from;
    ret->container_path = to;
    ret->readonly = sn_str_eqc(s, "ro");
    return 0;
}

#define ADD(array, type, m)                                          \
    type *m = SN_ARENA_NEW(j->a, type),                              \
         **m##_at = sn_pb_array_add(&(array), sizeof *m##_at, j->a); \
    if (!m || !m##_at) return SN_E_NOMEM;                            \
    *m##_at = m

int run_build_pod(struct run_job *j, struct sn_str name, struct runtime_v1_pod_sandbox_config *pod)
{
    pod->metadata = SN_ARENA_NEW(j->a, struct runtime_v1_pod_sandbox_metadata);
    pod->linux_ = SN_ARENA_NEW(j->a, struct runtime_v1_linux_pod_sandbox_config);
    struct runtime_v1_linux_sandbox_security_context *sc =
        SN_ARENA_NEW(j->a, struct runtime_v1_linux_sandbox_security_context);
    struct runtime_v1_namespace_option *ns = SN_ARENA_NEW(j->a, struct runtime_v1_namespace_option);
    if (!pod->metadata || !pod->linux_ || !sc || !ns) return SN_E_NOMEM;
    pod->metadata->name = pod->metadata->uid = pod->hostname = name;
    pod->metadata->namespace = SN_STR("run");
    pod->log_directory = SN_STR(RUN_LOG_DIR);
    ns->pid = RUNTIME_V1_NAMESPACE_MODE_CONTAINER;
    if (sn_str_eqc(j->o->network, "host"))
        ns->network = RUNTIME_V1_NAMESPACE_MODE_NODE;
    else if (j->o->network.len && !sn_str_eqc(j->o->network, "bridge"))
        return sn_fail(SN_E_INVALID_ARGUMENT, "--network %.*s: expected bridge or host",
                       SN_STR_ARG(j->o->network));
    sc->namespace_options = ns;
    pod->linux_->security_context = sc;
    for (size_t i = 0; i < j->o->n_ports; i++) {
        ADD(pod->port_mappings, struct runtime_v1_port_mapping, m);
        int r = parse_port(j, j->o->ports[i], m);
        if (r < 0) return r;
    }
    return 0;
}

static int build_limits(struct run_job *j, struct runtime_v1_linux_container_config *l)
{
    struct runtime_v1_linux_container_resources *res =
        SN_ARENA_NEW(j->a, struct runtime_v1_linux_container_resources);
    if (!res) return SN_E_NOMEM;
    res->memory_limit_in_bytes = (int64_t)j->o->memory;
    if (j->o->cpus > 0) {
        res->cpu_period = 100000;
        res->cpu_quota = (int64_t)(j->o->cpus * 100000);
    }
    l->resources = res;
    return 0;
}

int run_build_ctr(struct run_job *j, struct sn_str name, struct runtime_v1_container_config *c)
{
    c->metadata = SN_ARENA_NEW(j->a, struct runtime_v1_container_metadata);
    c->image = SN_ARENA_NEW(j->a, struct runtime_v1_image_spec);
    c->linux_ = SN_ARENA_NEW(j->a, struct runtime_v1_linux_container_config);
    struct runtime_v1_linux_container_security_context *sc =
        SN_ARENA_NEW(j->a, struct runtime_v1_linux_container_security_context);
    if (!c->metadata || !c->image || !c->linux_ || !sc) return SN_E_NOMEM;
    c->metadata->name = name;
    c->image->image = c->image->user_specified_image = j->call->args[0];
    c->args.ptr = j->call->args + 1;
    c->args.len = (uint32_t)j->call->n_args - 1;
    c->log_path = sn_arena_printf(j->a, "%.*s.log", SN_STR_ARG(name));
    c->tty = j->o->tty;
    c->stdin_ = j->o->input;
    c->stdin_once = true;
    c->working_dir = j->o->workdir;
    sc->privileged = j->o->privileged;
    sc->readonly_rootfs = j->o->read_only;
    sc->run_as_username = j->o->user;
    sc->namespace_options = SN_ARENA_NEW(j->a, struct runtime_v1_namespace_option);
    sc->seccomp =
        SN_ARENA_NEW(j->a, struct runtime_v1_security_profile); /* the runtime's default */
    if (!sc->namespace_options || !sc->seccomp) return SN_E_NOMEM;
    sc->namespace_options->pid = RUNTIME_V1_NAMESPACE_MODE_CONTAINER;
    if (sn_str_eqc(j->o->network, "host"))
        sc->namespace_options->network = RUNTIME_V1_NAMESPACE_MODE_NODE;
    c->linux_->security_context = sc;
    ADD(c->labels, struct runtime_v1_container_config_labels_entry, label);
    label->key = SN_STR(RUN_LABEL);
    label->value = name;
    for (size_t i = 0; i < j->o->n_env; i++) {
        ADD(c->envs, struct runtime_v1_key_value, kv);
        struct sn_str value = j->o->env[i];
        kv->key = sn_str_cut(&value, '=');
        kv->value = value.ptr ? value : sn_str(getenv(sn_arena_str(j->a, kv->key).ptr));
    }
    for (size_t i = 0; i < j->o->n_volumes; i++) {
        ADD(c->mounts, struct runtime_v1_mount, m);
        int r = parse_volume(j->o->volumes[i], m);
        if (r < 0) return r;
    }
    return build_limits(j, c->linux_);
}
