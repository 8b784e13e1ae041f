/* SPDX-License-Identifier: Apache-2.0 */
/* shim/options.c - what clients may set for a runtime, in the four forms they have for it: runc's
 * options, those of containerd's first interface, and a TOML file or its text, with the keys that
 * containerd's configuration has for runc. Unknown types are for other runtimes: ignored. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "clusters/shim/shim_int.h"
#include "containerd/linux_options.pb.h"
#include "containerd/runtime_options.pb.h"
#include "wire/toml.h"

#define CONFIG_BYTES_MAX (64u << 10) /* of a file of settings */

static bool is(const struct google_protobuf_any *any, const char *type)
{
    return sn_str_ends(any->type_url, sn_str(type));
}

static int keep(struct sn_arena *a, struct sn_str s, const char **ret)
{
    if (!s.len) return 0;
    s = sn_arena_str(a, s);
    if (!s.ptr) return SN_E_NOMEM;
    *ret = s.ptr;
    return 0;
}

/* ---- files -------------------------------------------------------------------------------------
 */

static int file_text(struct sn_arena *a, const char *path, struct sn_str *ret)
{
    char *text = sn_arena_alloc(a, CONFIG_BYTES_MAX + 1);
    if (!text) return SN_E_NOMEM;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return sn_fail_errno(errno, "options: config_path %s", path);
    size_t have = 0;
    ssize_t n;
    while ((n = read(fd, text + have, CONFIG_BYTES_MAX + 1 - have)) != 0) {
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) break;
        have += (size_t)n;
    }
    int err = errno;
    close(fd);
    if (n < 0) return sn_fail_errno(err, "options: config_path %s", path);
    if (have > CONFIG_BYTES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "options: config_path %s: longer than %u bytes", path,
                       CONFIG_BYTES_MAX);
    *ret = sn_str_of(text, have);
    return 0;
}

static int setting(struct sn_arena *a, const struct sn_toml_entry *e, struct shim_options *o)
{
    const struct {
        const char *key, **text;
        bool *flag;
    } known[] = {{"Root", &o->root, NULL},
                 {"ShimCgroup", &o->cgroup, NULL},
                 {"CriuWorkPath", &o->criu_work, NULL},
                 {"SystemdCgroup", NULL, &o->systemd_cgroup},
                 {"NoPivotRoot", NULL, &o->no_pivot_root},
                 {"NoNewKeyring", NULL, &o->no_new_keyring}};
    for (size_t i = 0; i < SN_COUNT_OF(known); i++) {
        if (!sn_str_eqc(e->key, known[i].key)) continue;
        enum sn_toml_kind want = known[i].text ? SN_TOML_STRING : SN_TOML_BOOL;
        if (e->v.kind != want)
            return sn_fail(SN_E_INVALID_ARGUMENT, "options: %u:%u: %s: %s is expected, not %s",
                           e->pos.line, e->pos.column, known[i].key, sn_toml_kind_name(want),
                           sn_toml_kind_name(e->v.kind));
        if (known[i].flag) *known[i].flag = e->v.b;
        return known[i].text ? keep(a, e->v.str, known[i].text) : 0;
    }
    return sn_fail(SN_E_INVALID_ARGUMENT,
                   "options: %u:%u: %.*s: one of Root, ShimCgroup, CriuWorkPath, SystemdCgroup, "
                   "NoPivotRoot, NoNewKeyring is expected",
                   e->pos.line, e->pos.column, SN_STR_ARG(e->key));
}

static int from_file(struct sn_arena *a, struct sn_str value, struct shim_options *o)
{
    struct runtimeoptions_v1_options *p;
    struct sn_toml root;
    const char *path = NULL;
    int r = runtimeoptions_v1_options_parse(value, 0, a, &p);
    if (r < 0) return r;
    struct sn_str text = p->config_body;
    r = keep(a, p->config_path, &path);
    if (r >= 0 && path) r = file_text(a, path, &text);
    if (r < 0 || !text.len) return r;
    r = sn_toml_parse(a, text, CONFIG_BYTES_MAX, &root);
    if (r < 0) return sn_wrap(SN_E_INVALID_ARGUMENT, "options: %s", path ? path : "config_body");
    for (const struct sn_toml_entry *e = root.table.first; e && r >= 0; e = e->next)
        r = setting(a, e, o);
    return r;
}

/* ---- messages ----------------------------------------------------------------------------------
 */

static int from_runc(struct sn_arena *a, struct sn_str value, struct shim_options *o)
{
    struct containerd_runc_v1_options *p;
    int r = containerd_runc_v1_options_parse(value, 0, a, &p);
    if (r < 0) return r;
    o->systemd_cgroup = p->systemd_cgroup;
    o->no_pivot_root = p->no_pivot_root;
    o->no_new_keyring = p->no_new_keyring;
    r = keep(a, p->root, &o->root);
    if (r >= 0) r = keep(a, p->shim_cgroup, &o->cgroup);
    if (r >= 0) r = keep(a, p->criu_work_path, &o->criu_work);
    return r;
}

static int from_linux(struct sn_arena *a, const struct google_protobuf_any *any,
                      struct shim_options *o)
{
    struct containerd_linux_runc_runc_options *p;
    struct containerd_linux_runc_create_options *q;
    if (is(any, "containerd.linux.runc.RuncOptions")) {
        int r = containerd_linux_runc_runc_options_parse(any->value, 0, a, &p);
        if (r < 0) return r;
        o->systemd_cgroup = p->systemd_cgroup;
        return keep(a, p->runtime_root, &o->root);
    }
    int r = containerd_linux_runc_create_options_parse(any->value, 0, a, &q);
    if (r < 0) return r;
    o->no_pivot_root = q->no_pivot_root;
    o->no_new_keyring = q->no_new_keyring;
    r = keep(a, q->shim_cgroup, &o->cgroup);
    return r < 0 ? r : keep(a, q->criu_work_path, &o->criu_work);
}

int shim_options(const struct google_protobuf_any *any, struct sn_arena *a,
                 struct shim_options *ret)
{
    *ret = (struct shim_options){0};
    if (!any) return 0;
    if (is(any, "containerd.runc.v1.Options")) return from_runc(a, any->value, ret);
    if (is(any, "containerd.linux.runc.RuncOptions") ||
        is(any, "containerd.linux.runc.CreateOptions"))
        return from_linux(a, any, ret);
    if (is(any, "runtimeoptions.v1.Options")) return from_file(a, any->value, ret);
    return 0;
}

/* ---- checkpoints -------------------------------------------------------------------------------
 */

static int cgroups_mode(struct sn_str s, enum sn_oci_criu_cgroups *ret)
{
    static const char *const names[] = {"", "soft", "full", "strict", "ignore"};
    for (size_t i = 0; i < SN_COUNT_OF(names); i++)
        if (sn_str_eqc(s, names[i])) {
            *ret = (enum sn_oci_criu_cgroups)i;
            return 0;
        }
    return sn_fail(SN_E_INVALID_ARGUMENT,
                   "checkpoint: cgroups_mode %.*s: soft, full, strict or ignore is expected",
                   SN_STR_ARG(s));
}

int shim_criu_options(const struct google_protobuf_any *any, struct sn_arena *a,
                      struct sn_oci_criu_opts *ret)
{
    struct containerd_runc_v1_checkpoint_options *o;
    struct containerd_linux_runc_checkpoint_options *p = NULL;
    ret->leave_running = true;
    if (!any) return 0;
    bool old = is(any, "containerd.linux.runc.CheckpointOptions");
    if (!old && !is(any, "containerd.runc.v1.CheckpointOptions")) return 0;
    /* The first seven fields are the same; the paths have other numbers. */
    int r = containerd_runc_v1_checkpoint_options_parse(any->value, 0, a, &o);
    if (r >= 0 && old) r = containerd_linux_runc_checkpoint_options_parse(any->value, 0, a, &p);
    if (r < 0) return r;
    ret->leave_running = !o->exit;
    ret->tcp_established = o->open_tcp;
    ret->ext_unix_sk = o->external_unix_sockets;
    ret->shell_job = o->terminal;
    ret->file_locks = o->file_locks;
    r = keep(a, old ? p->work_path : o->work_path, &ret->work);
    if (!old && r >= 0) r = keep(a, o->parent_path, &ret->parent);
    for (uint32_t i = 0; i < o->empty_namespaces.len && r >= 0; i++)
        if (!sn_str_eqc(o->empty_namespaces.ptr[i], "network"))
            r = sn_fail(SN_E_INVALID_ARGUMENT,
                        "checkpoint: empty_namespaces %.*s: network is expected",
                        SN_STR_ARG(o->empty_namespaces.ptr[i]));
    return r < 0 ? r : cgroups_mode(o->cgroups_mode, &ret->cgroups);
}
