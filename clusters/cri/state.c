/* SPDX-License-Identifier: Apache-2.0 */
/* cri/state.c - pods and containers: found, counted, kept in files (read again by restore.c).
 *
 * STATE/pods/ID/pod and STATE/containers/ID/ctr are JSON with what the client gave as base64 of its
 * protobuf: nothing of it is lost to a version that knows fewer fields. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clusters/cri/cri_int.h"
#include "core/enc.h"

#define TREE_DEPTH_MAX 64u

void cri_new_id(char out[CRI_ID_LEN + 1])
{
    uint8_t b[CRI_ID_LEN / 2];
    SN_ASSERT(getrandom(b, sizeof b, 0) == (ssize_t)sizeof b);
    sn_hex_encode(b, sizeof b, out);
    out[CRI_ID_LEN] = 0;
}

int cri_fail(struct sn_grpc_call *c, int r)
{
    char text[SN_DIAG_BYTES + 64];
    return sn_grpc_fail(c, r, "%s", sn_diag_format(r, text, sizeof text));
}

struct sn_str cri_path(struct sn_arena *a, const char *dir, const char *kind, const char *id,
                       const char *file)
{
    return file ? sn_arena_printf(a, "%s/%s/%s/%s", dir, kind, id, file)
                : sn_arena_printf(a, "%s/%s/%s", dir, kind, id);
}

/* ---- references ---- */

struct cri_pod *cri_pod_ref(struct cri_pod *p)
{
    sn_mutex_lock_always(&p->s->mu);
    p->refs++;
    sn_mutex_unlock(&p->s->mu);
    return p;
}

void cri_pod_unref(struct cri_pod *p)
{
    if (!p) return;
    sn_mutex_lock_always(&p->s->mu);
    bool last = --p->refs == 0;
    sn_mutex_unlock(&p->s->mu);
    if (!last) return;
    sn_buf_done(&p->keeper.reply);
    sn_arena_done(&p->arena);
    sn_free(p);
}

void cri_ctr_unref(struct cri_ctr *c)
{
    if (!c) return;
    struct cri_pod *p = c->pod;
    sn_mutex_lock_always(&p->s->mu);
    bool last = --c->refs == 0;
    sn_mutex_unlock(&p->s->mu);
    if (!last) return;
    if (c->root_fd >= 0) close(c->root_fd);
    sn_arena_done(&c->arena);
    sn_free(c);
    cri_pod_unref(p);
}

struct cri_pod *cri_pod_new(struct sn_cri *s, const char *id)
{
    struct cri_pod *p = SN_NEW(struct cri_pod);
    if (!p) return NULL;
    snprintf(p->id, sizeof p->id, "%s", id);
    sn_arena_init(&p->arena, NULL, 0);
    p->s = s;
    p->refs = 1;
    p->keeper.fd = p->keeper.reply_fd = -1;
    p->keeper.pod = p;
    sn_list_init(&p->ctrs);
    sn_list_init(&p->execs);
    return p;
}

struct cri_ctr *cri_ctr_new(struct cri_pod *p, const char *id)
{
    struct cri_ctr *c = SN_NEW(struct cri_ctr);
    if (!c) return NULL;
    snprintf(c->id, sizeof c->id, "%s", id);
    sn_arena_init(&c->arena, NULL, 0);
    c->pod = cri_pod_ref(p);
    c->root_fd = -1;
    c->refs = 1;
    sn_list_init(&c->link);
    return c;
}

/* ---- maps ---- */

static struct sn_str pod_name(struct sn_arena *a, const struct runtime_v1_pod_sandbox_config *cfg)
{
    const struct runtime_v1_pod_sandbox_metadata *m = cfg->metadata;
    return sn_arena_printf(a, "%.*s_%.*s_%.*s_%u", SN_STR_ARG(m->name), SN_STR_ARG(m->namespace),
                           SN_STR_ARG(m->uid), m->attempt);
}

int cri_pod_link(struct cri_pod *p)
{
    struct sn_cri *s = p->s;
    struct sn_str name = pod_name(&p->arena, p->config);
    int r = name.ptr ? sn_mutex_lock(&s->mu) : SN_E_NOMEM;
    if (r < 0) return r;
    struct cri_pod *old = sn_map_get(&s->names, name);
    if (old)
        r = sn_fail(SN_E_ALREADY_EXISTS, "name \"%.*s\" is reserved for \"%s\"", SN_STR_ARG(name),
                    old->id);
    else if (s->pods.len >= SN_CRI_PODS_MAX)
        r = sn_fail(SN_E_RESOURCE_EXHAUSTED, "at most %u pods", SN_CRI_PODS_MAX);
    if (r >= 0) r = sn_map_put(&s->pods, sn_str(p->id), p, NULL);
    if (r >= 0) {
        r = sn_map_put(&s->names, name, p, NULL);
        if (r < 0)
            sn_map_del(&s->pods, sn_str(p->id));
        else
            p->refs++;
    }
    sn_mutex_unlock(&s->mu);
    return r < 0 ? r : 0;
}

void cri_pod_unlink(struct cri_pod *p)
{
    struct sn_cri *s = p->s;
    sn_mutex_lock_always(&s->mu);
    bool was = sn_map_del(&s->pods, sn_str(p->id)) != NULL;
    size_t it = 0;
    struct sn_map_slot *slot;
    while (was && (slot = sn_map_next(&s->names, &it)))
        if (slot->value == p) {
            sn_map_del(&s->names, slot->key);
            break;
        }
    p->removed = true;
    sn_mutex_unlock(&s->mu);
    if (was) cri_pod_unref(p);
}

int cri_ctr_link(struct cri_ctr *c)
{
    struct sn_cri *s = c->pod->s;
    int r = sn_mutex_lock(&s->mu);
    if (r < 0) return r;
    r = sn_map_put(&s->ctrs, sn_str(c->id), c, NULL);
    if (r >= 0) {
        sn_list_push_back(&c->pod->ctrs, &c->link);
        c->refs++;
    }
    sn_mutex_unlock(&s->mu);
    return r < 0 ? r : 0;
}

void cri_ctr_unlink(struct cri_ctr *c)
{
    struct sn_cri *s = c->pod->s;
    sn_mutex_lock_always(&s->mu);
    bool was = sn_map_del(&s->ctrs, sn_str(c->id)) != NULL;
    sn_list_del(&c->link);
    c->removed = true;
    sn_mutex_unlock(&s->mu);
    if (was) cri_ctr_unref(c);
}

/* By whole id, or a beginning that fits one object only. */
static void *find(struct sn_map *m, struct sn_str id)
{
    void *hit = sn_map_get(m, id);
    if (hit || !id.len || id.len >= CRI_ID_LEN) return hit;
    size_t it = 0;
    struct sn_map_slot *slot;
    while ((slot = sn_map_next(m, &it))) {
        if (!sn_str_starts(slot->key, id)) continue;
        if (hit) return NULL;
        hit = slot->value;
    }
    return hit;
}

int cri_pod_get(struct sn_cri *s, struct sn_grpc_call *c, struct sn_str id, struct cri_pod **ret)
{
    int r = sn_mutex_lock(&s->mu);
    if (r < 0) return r;
    struct cri_pod *p = find(&s->pods, id);
    if (p) p->refs++;
    sn_mutex_unlock(&s->mu);
    if (!p)
        return sn_grpc_fail(c, SN_E_NOT_FOUND, "pod sandbox \"%.*s\" not found", SN_STR_ARG(id));
    *ret = p;
    return 0;
}

int cri_ctr_get(struct sn_cri *s, struct sn_grpc_call *c, struct sn_str id, struct cri_ctr **ret)
{
    int r = sn_mutex_lock(&s->mu);
    if (r < 0) return r;
    struct cri_ctr *k = find(&s->ctrs, id);
    if (k) k->refs++;
    sn_mutex_unlock(&s->mu);
    if (!k) return sn_grpc_fail(c, SN_E_NOT_FOUND, "container \"%.*s\" not found", SN_STR_ARG(id));
    *ret = k;
    return 0;
}

void cri_ctr_exited(struct cri_ctr *c, int code, int64_t at_ns, bool oom)
{
    struct sn_cri *s = c->pod->s;
    sn_mutex_lock_always(&s->mu);
    bool first = c->state != CRI_EXITED && !c->starting;
    if (first) {
        c->state = CRI_EXITED;
        c->exit_code = code;
        c->finished_ns = at_ns;
        c->oom = oom;
        c->reason = oom ? SN_STR("OOMKilled") : code ? SN_STR("Error") : SN_STR("Completed");
        c->pid = 0;
    }
    sn_mutex_unlock(&s->mu);
    if (!first) return;
    (void)!cri_ctr_save(c);
    sn_event_set(&c->ended);
    cri_event(s, c->pod, c->id, RUNTIME_V1_CONTAINER_EVENT_TYPE_CONTAINER_STOPPED_EVENT);
}

/* ---- files ---- */

static void put_pb(struct sn_jsonw *w, const char *key, const struct sn_pb_desc *d, const void *msg,
                   struct sn_arena *a)
{
    struct sn_buf b = {0};
    if (sn_pb_encode(d, msg, &b) >= 0) {
        size_t n = sn_base64_len(b.len, SN_BASE64_STD);
        char *text = sn_arena_alloc(a, n);
        if (text) {
            sn_base64_encode(b.ptr, b.len, SN_BASE64_STD, text);
            sn_jsonw_kstr(w, key, sn_str_of(text, n));
        } else {
            w->out->err = SN_E_NOMEM;
        }
    } else {
        w->out->err = SN_E_NOMEM;
    }
    sn_buf_done(&b);
}

/* Beside its place and renamed: whole at any moment. Not synced: after a crash of the machine no
 * container of it lives. */
static int write_file(const char *path, struct sn_str text)
{
    char tmp[600];
    if (snprintf(tmp, sizeof tmp, "%s.new", path) >= (int)sizeof tmp)
        return sn_fail(SN_E_TOO_LARGE, "%s", path);
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return sn_fail_errno(errno, "%s", tmp);
    bool ok = write(fd, text.ptr, text.len) == (ssize_t)text.len;
    int err = errno;
    close(fd);
    if (ok && rename(tmp, path) == 0) return 0;
    err = ok ? errno : err;
    (void)unlink(tmp);
    return sn_fail_errno(err, "%s", path);
}

int cri_pod_save(struct cri_pod *p)
{
    struct sn_buf b = {0};
    struct sn_jsonw w;
    struct sn_arena a;
    char ip[SN_IP_TEXT_MAX];
    sn_arena_init(&a, NULL, 0);
    sn_mutex_lock_always(&p->s->mu);
    sn_jsonw_init(&w, &b, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "id", sn_str(p->id));
    sn_jsonw_kstr(&w, "handler", p->handler);
    sn_jsonw_kbool(&w, "made", p->made);
    sn_jsonw_kbool(&w, "ready", p->ready);
    sn_jsonw_kbool(&w, "host_network", p->host_network);
    sn_jsonw_kbool(&w, "networked", p->networked);
    sn_jsonw_kbool(&w, "shm", p->shm);
    sn_jsonw_kbool(&w, "own_cgroup", p->own_cgroup);
    sn_jsonw_kstr(&w, "cgroup", p->cgroup);
    sn_jsonw_ki64(&w, "created", p->created_ns);
    sn_jsonw_ki64(&w, "pause", p->keeper.pause);
    sn_jsonw_kbool(&w, "shm_held", p->keeper.shm);
    sn_jsonw_key(&w, SN_STR("ips"));
    sn_jsonw_array(&w);
    for (unsigned i = 0; i < p->n_ips; i++) sn_jsonw_str(&w, sn_str(sn_ip_text(&p->ips[i], ip)));
    sn_jsonw_array_end(&w);
    put_pb(&w, "config", &runtime_v1_pod_sandbox_config_desc, p->config, &a);
    sn_jsonw_object_end(&w);
    sn_mutex_unlock(&p->s->mu);
    struct sn_str path = cri_path(&a, p->s->state_dir, "pods", p->id, "pod");
    int r = b.err < 0 ? b.err : path.ptr ? write_file(path.ptr, sn_buf_view(&b)) : SN_E_NOMEM;
    sn_buf_done(&b);
    sn_arena_done(&a);
    return r;
}

int cri_ctr_save(struct cri_ctr *c)
{
    struct sn_buf b = {0};
    struct sn_jsonw w;
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    sn_mutex_lock_always(&c->pod->s->mu);
    sn_jsonw_init(&w, &b, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "id", sn_str(c->id));
    sn_jsonw_kstr(&w, "pod", sn_str(c->pod->id));
    sn_jsonw_kstr(&w, "image_ref", c->image_ref);
    sn_jsonw_kstr(&w, "image_id", c->image_id);
    sn_jsonw_kstr(&w, "rootfs", c->rootfs);
    sn_jsonw_kstr(&w, "log", c->log_path);
    sn_jsonw_kstr(&w, "stop_signal", c->stop_signal);
    sn_jsonw_kstr(&w, "reason", c->reason);
    sn_jsonw_kstr(&w, "message", c->message);
    sn_jsonw_ki64(&w, "state", c->state);
    sn_jsonw_ki64(&w, "code", c->exit_code);
    sn_jsonw_ki64(&w, "created", c->created_ns);
    sn_jsonw_ki64(&w, "started", c->started_ns);
    sn_jsonw_ki64(&w, "finished", c->finished_ns);
    sn_jsonw_ki64(&w, "uid", c->user.uid);
    sn_jsonw_ki64(&w, "gid", c->user.gid);
    put_pb(&w, "config", &runtime_v1_container_config_desc, c->config, &a);
    if (c->resources)
        put_pb(&w, "resources", &runtime_v1_linux_container_resources_desc, c->resources, &a);
    sn_jsonw_object_end(&w);
    bool gone = c->removed;
    sn_mutex_unlock(&c->pod->s->mu);
    struct sn_str path = cri_path(&a, c->pod->s->state_dir, "containers", c->id, "ctr");
    int r = gone        ? 0
            : b.err < 0 ? b.err
            : path.ptr  ? write_file(path.ptr, sn_buf_view(&b))
                        : SN_E_NOMEM;
    sn_buf_done(&b);
    sn_arena_done(&a);
    return r;
}

static int remove_at(int dir, const char *name, unsigned depth)
{
    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT) return 0;
    int fd = depth < TREE_DEPTH_MAX
                 ? openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                 : -1;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        int err = errno;
        if (fd >= 0) close(fd);
        return sn_fail_errno(err, "remove %s", name);
    }
    for (struct dirent *e; (e = readdir(d));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
            (void)remove_at(fd, e->d_name, depth + 1);
    closedir(d);
    return unlinkat(dir, name, AT_REMOVEDIR) < 0 ? sn_fail_errno(errno, "remove %s", name) : 0;
}

int cri_remove_tree(const char *path) { return remove_at(AT_FDCWD, path, 0); }
