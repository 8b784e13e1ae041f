/* SPDX-License-Identifier: Apache-2.0 */
/* cri/restore.c - what an earlier daemon left: pods and containers are read from their files, their
 * keepers asked how they did meanwhile, and what was being made or removed when it died is removed. */
#include <errno.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "clusters/cri/cri_int.h"
#include "core/enc.h"

#define FILE_BYTES_MAX (4u << 20)

static int get_pb(const struct sn_json *v, const char *key, const struct sn_pb_desc *d,
                  struct sn_arena *a, void **ret)
{
    struct sn_str s = sn_json_str(sn_json_get(v, key));
    char *raw = sn_arena_alloc(a, sn_base64_decoded_max(s.len));
    if (!raw) return SN_E_NOMEM;
    ssize_t n = sn_base64_decode(s, SN_BASE64_STD, raw);
    if (n < 0) return sn_fail(SN_E_DATA_LOSS, "%s", key);
    return sn_pb_parse(d, sn_str_of(raw, (size_t)n), 0, a, ret);
}

static void read_ips(struct cri_pod *p, const struct sn_json *v)
{
    for (SN_JSON_EACH(sn_json_get(v, "ips"), it))
        if (p->n_ips < CRI_IPS_MAX && sn_ip_parse(sn_json_str(it), &p->ips[p->n_ips]) == 0)
            p->n_ips++;
}

static const char *program_of(struct sn_cri *s, struct sn_str handler)
{
    for (unsigned i = 0; i < s->n_handlers; i++)
        if (sn_str_eqc(handler, s->handlers[i].name)) return s->handlers[i].program;
    return NULL;
}

static int restore_pod(struct sn_cri *s, const char *id)
{
    const struct sn_json *v;
    struct sn_str text;
    void *cfg;
    struct cri_pod *p = cri_pod_new(s, id);
    if (!p) return SN_E_NOMEM;
    struct sn_str path = cri_path(&p->arena, s->state_dir, "pods", id, "pod");
    int r = sn_file_read(&p->arena, path.ptr, FILE_BYTES_MAX, &text);
    if (r >= 0) r = sn_json_parse(&p->arena, text, NULL, &v);
    if (r >= 0) r = get_pb(v, "config", &runtime_v1_pod_sandbox_config_desc, &p->arena, &cfg);
    if (r >= 0) {
        p->config = cfg;
        p->handler = sn_json_str(sn_json_get(v, "handler"));
        p->program = program_of(s, p->handler);
        p->made = sn_json_bool_or(sn_json_get(v, "made"), true);
        p->ready = sn_json_bool_or(sn_json_get(v, "ready"), false);
        p->host_network = sn_json_bool_or(sn_json_get(v, "host_network"), false);
        p->networked = sn_json_bool_or(sn_json_get(v, "networked"), false);
        p->shm = sn_json_bool_or(sn_json_get(v, "shm"), false);
        p->own_cgroup = sn_json_bool_or(sn_json_get(v, "own_cgroup"), false);
        p->cgroup = sn_json_str(sn_json_get(v, "cgroup"));
        p->created_ns = sn_json_i64_or(sn_json_get(v, "created"), 0);
        p->keeper.pause = (int)sn_json_i64_or(sn_json_get(v, "pause"), 0);
        p->keeper.shm = sn_json_bool_or(sn_json_get(v, "shm_held"), false);
        read_ips(p, v);
        r = cri_pod_link(p);
    }
    /* One that was not finished has perhaps a keeper and a network all the same. */
    if (r >= 0 && (p->ready || !p->made) && cri_keeper_connect(p) < 0) {
        p->ready = false;
        p->keeper.dead = true;
    }
    if (r >= 0 && !p->made) p->networked = !p->host_network;
    cri_pod_unref(p);
    return r;
}

static int restore_ctr(struct sn_cri *s, const char *id)
{
    const struct sn_json *v;
    struct sn_str text;
    struct sn_arena a;
    void *m;
    sn_arena_init(&a, NULL, 0);
    struct sn_str path = cri_path(&a, s->state_dir, "containers", id, "ctr");
    int r = sn_file_read(&a, path.ptr, FILE_BYTES_MAX, &text);
    if (r >= 0) r = sn_json_parse(&a, text, NULL, &v);
    struct cri_pod *p = r < 0 ? NULL : sn_map_get(&s->pods, sn_json_str(sn_json_get(v, "pod")));
    struct cri_ctr *c = p ? cri_ctr_new(p, id) : NULL;
    if (r >= 0 && !c) r = p ? SN_E_NOMEM : sn_fail(SN_E_NOT_FOUND, "its pod");
    if (r >= 0) r = get_pb(v, "config", &runtime_v1_container_config_desc, &c->arena, &m);
    if (r >= 0) {
        c->config = m;
        if (sn_json_get(v, "resources") &&
            get_pb(v, "resources", &runtime_v1_linux_container_resources_desc, &c->arena, &m) >= 0)
            c->resources = m;
        c->image_ref = sn_arena_str(&c->arena, sn_json_str(sn_json_get(v, "image_ref")));
        c->image_id = sn_arena_str(&c->arena, sn_json_str(sn_json_get(v, "image_id")));
        c->rootfs = sn_arena_str(&c->arena, sn_json_str(sn_json_get(v, "rootfs")));
        c->log_path = sn_arena_str(&c->arena, sn_json_str(sn_json_get(v, "log")));
        c->stop_signal = sn_arena_str(&c->arena, sn_json_str(sn_json_get(v, "stop_signal")));
        c->reason = sn_arena_str(&c->arena, sn_json_str(sn_json_get(v, "reason")));
        c->message = sn_arena_str(&c->arena, sn_json_str(sn_json_get(v, "message")));
        c->state = (enum cri_state)sn_json_i64_or(sn_json_get(v, "state"), CRI_UNKNOWN);
        c->exit_code = (int)sn_json_i64_or(sn_json_get(v, "code"), 0);
        c->created_ns = sn_json_i64_or(sn_json_get(v, "created"), 0);
        c->started_ns = sn_json_i64_or(sn_json_get(v, "started"), 0);
        c->finished_ns = sn_json_i64_or(sn_json_get(v, "finished"), 0);
        c->user.uid = (uint32_t)sn_json_i64_or(sn_json_get(v, "uid"), 0);
        c->user.gid = (uint32_t)sn_json_i64_or(sn_json_get(v, "gid"), 0);
        struct sn_image img;
        if (sn_image_find(s->images, c->image_id, &c->arena, &img) == 0) c->image = img.config;
        if (c->state == CRI_EXITED) sn_event_set(&c->ended);
        r = cri_ctr_link(c);
    }
    if (c) cri_ctr_unref(c);
    sn_arena_done(&a);
    return r;
}

/* What the keeper knows of its containers counts more than our files do. */
static void reconcile_one(struct cri_ctr *c, const struct sn_json *hit)
{
    struct sn_str state = sn_json_str(sn_json_get(hit, "state"));
    if (c->state == CRI_EXITED || (c->state == CRI_CREATED && !hit)) return;
    if (sn_str_eqc(state, "running")) {
        c->state = CRI_RUNNING;
        c->pid = (int)sn_json_i64_or(sn_json_get(hit, "pid"), 0);
        c->started_ns = sn_json_i64_or(sn_json_get(hit, "started"), c->started_ns);
    } else if (sn_str_eqc(state, "created") && c->state == CRI_CREATED) {
        /* The daemon died between the keeper's two steps: the next start begins anew. */
        (void)!cri_keeper_simple(c->pod, "delete", c->id);
    } else {
        cri_ctr_exited(c, hit ? (int)sn_json_i64_or(sn_json_get(hit, "code"), 255) : 255,
                       hit ? sn_json_i64_or(sn_json_get(hit, "exited"), 0) : sn_wall_now(),
                       hit && sn_json_bool_or(sn_json_get(hit, "oom"), false));
        if (!hit) cri_ctr_reap(c);
    }
}

static void reconcile(struct cri_pod *p)
{
    struct sn_arena a;
    struct cri_msg m;
    const struct sn_json *v = NULL;
    sn_arena_init(&a, NULL, 0);
    cri_msg_begin(&m, "list", NULL);
    int r = p->keeper.fd >= 0 ? cri_keeper_call(p, &m, &a, &v) : SN_E_UNAVAILABLE;
    if (p->keeper.fd < 0) sn_buf_done(&m.b);
    SN_LIST_EACH (&p->ctrs, it) {
        struct cri_ctr *c = SN_LIST_ENTRY(it, struct cri_ctr, link);
        const struct sn_json *hit = NULL;
        for (SN_JSON_EACH(sn_json_get(v, "containers"), k))
            if (sn_str_eqc(sn_json_str(sn_json_get(k, "id")), c->id)) hit = k;
        reconcile_one(c, hit);
    }
    if (r < 0 && p->ready) p->ready = false;
    sn_arena_done(&a);
}

/* ---- what was under way ---- */

static struct sn_str join(struct sn_arena *a, struct sn_str dir, struct sn_str name)
{
    return sn_arena_printf(a, "%.*s/%.*s", SN_STR_ARG(dir), SN_STR_ARG(name));
}

/* Folders of pods or containers that are not known: the daemon died before their file was there, or
 * after it was gone. */
static int drop_unknown(struct sn_cri *s, struct sn_arena *a, const char *root, const char *kind,
                        const struct sn_map *known)
{
    struct sn_str *names, dir = sn_arena_printf(a, "%s/%s", root, kind);
    size_t n;
    int r = dir.ptr ? sn_dir_list(a, dir.ptr, &names, &n) : SN_E_NOMEM;
    for (size_t i = 0; r >= 0 && i < n; i++) {
        if (names[i].len != CRI_ID_LEN || sn_map_get(known, names[i])) continue;
        struct sn_str path = join(a, dir, names[i]), shm = join(a, path, SN_STR("shm"));
        if (!path.ptr || !shm.ptr) return SN_E_NOMEM;
        (void)umount2(shm.ptr, MNT_DETACH);
        (void)cri_remove_tree(path.ptr);
    }
    return r;
}

/* Root file systems whose container is not known: their keys begin with its id. By the names of the
 * store's folders: one that was only begun is in no list of it. */
static int drop_mounts(struct sn_cri *s, struct sn_arena *a)
{
    struct sn_str *keys, dir = sn_arena_printf(a, "%s/mounts", sn_image_store_root(s->images));
    size_t n;
    int r = dir.ptr ? sn_dir_list(a, dir.ptr, &keys, &n) : SN_E_NOMEM;
    for (size_t i = 0; r >= 0 && i < n; i++) {
        struct sn_str id = sn_str_sub(keys[i], 0, CRI_ID_LEN);
        bool ours = keys[i].len == CRI_ID_LEN ||
                    (keys[i].len > CRI_ID_LEN && keys[i].ptr[CRI_ID_LEN] == '-');
        for (size_t k = 0; k < id.len; k++)
            ours = ours && ((id.ptr[k] >= '0' && id.ptr[k] <= '9') ||
                            (id.ptr[k] >= 'a' && id.ptr[k] <= 'f'));
        if (ours && !sn_map_get(&s->ctrs, id)) (void)!sn_image_unmount(s->images, keys[i]);
    }
    return r;
}

/* Pods that no client has heard of, because making them was not finished. */
static void drop_unfinished(struct sn_cri *s)
{
    for (;;) {
        struct cri_pod *p = NULL;
        struct sn_map_slot *slot;
        size_t it = 0;
        while (!p && (slot = sn_map_next(&s->pods, &it)))
            if (!((struct cri_pod *)slot->value)->made) p = slot->value;
        if (!p) return;
        p->made = true;
        cri_pod_ref(p);
        (void)!cri_pod_down(p);
        cri_pod_unref(p);
    }
}

int cri_restore(struct sn_cri *s)
{
    struct sn_arena a;
    struct sn_str *names;
    size_t n;
    sn_arena_init(&a, NULL, 0);
    struct sn_str dir = sn_arena_printf(&a, "%s/pods", s->state_dir);
    int r = sn_dir_list(&a, dir.ptr, &names, &n);
    for (size_t i = 0; r >= 0 && i < n; i++)
        if (names[i].len == CRI_ID_LEN) (void)restore_pod(s, sn_arena_str(&a, names[i]).ptr);
    dir = sn_arena_printf(&a, "%s/containers", s->state_dir);
    if (r >= 0) r = sn_dir_list(&a, dir.ptr, &names, &n);
    for (size_t i = 0; r >= 0 && i < n; i++)
        if (names[i].len == CRI_ID_LEN) (void)restore_ctr(s, sn_arena_str(&a, names[i]).ptr);
    size_t it = 0;
    struct sn_map_slot *slot;
    while (r >= 0 && (slot = sn_map_next(&s->pods, &it))) reconcile(slot->value);
    if (r >= 0) drop_unfinished(s);
    if (r >= 0) r = drop_mounts(s, &a);
    const char *const roots[] = {s->run_dir, s->state_dir};
    for (size_t i = 0; i < SN_COUNT_OF(roots) && r >= 0; i++) {
        r = drop_unknown(s, &a, roots[i], "pods", &s->pods);
        if (r >= 0) r = drop_unknown(s, &a, roots[i], "containers", &s->ctrs);
    }
    sn_arena_done(&a);
    return r;
}
