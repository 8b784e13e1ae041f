/* SPDX-License-Identifier: Apache-2.0 */
/* registry/files.c - a folder as a backend: services/NAME.yaml (or .json) holds a list of
 * instances, config/KEY a value. Looked at every poll_ns; what is replaced by renaming is read
 * whole. */
#include <sys/stat.h>

#include "core/alloc.h"
#include "core/map.h"
#include "fiber/os.h"
#include "registry/backend_int.h"
#include "wire/yaml.h"

#define FILE_MAX (8u << 20)

struct folder {
    struct reg_env *env;
};

static int folder_open(struct reg_env *env, void **ret)
{
    struct folder *f = SN_NEW(struct folder);
    if (!f) return SN_E_NOMEM;
    f->env = env;
    *ret = f;
    return 0;
}
static void folder_close(void *b) { sn_free(b); }

/* A name is one file below its folder, never a way out of it. */
static int name_ok(struct sn_str name, bool slash)
{
    if (!name.len || name.ptr[0] == '/' || sn_str_find(name, SN_STR("..")) >= 0 ||
        (!slash && sn_str_chr(name, '/') >= 0) || sn_str_chr(name, 0) >= 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "\"%.*s\" is no name of a file",
                       SN_STR_ARG(sn_str_sub(name, 0, 80)));
    return 0;
}

static uint64_t stamp(const struct stat *st)
{
    uint64_t h = sn_hash_u64((uint64_t)st->st_ino, (uint64_t)st->st_size);
    return sn_hash_u64((uint64_t)st->st_mtim.tv_sec, h + (uint64_t)st->st_mtim.tv_nsec) | 1;
}

/* Of several names the first that is there; *ret_now says which and how it looks. */
static int look(const struct sn_str *paths, size_t n, struct sn_str *ret, uint64_t *ret_now)
{
    struct stat st;
    for (size_t i = 0; i < n; i++) {
        int r = sn_file_stat(paths[i].ptr, &st);
        if (r == SN_E_NOT_FOUND) continue;
        if (r < 0) return r;
        *ret = paths[i];
        *ret_now = sn_hash_u64(stamp(&st), i) | 1;
        return 1;
    }
    *ret_now = 2;
    return 0;
}

/* Returns 1 with the file's text (or found = false), 0 where it is as it was. */
static int read_changed(struct folder *f, struct reg_pull *p, const struct sn_str *paths, size_t n,
                        struct sn_str *ret_path)
{
    for (int64_t until = sn_now() + f->env->wait_ns;;) {
        uint64_t now;
        int r = look(paths, n, ret_path, &now);
        if (r < 0) return r;
        if (p->fresh || now != p->cursor) {
            p->found = r > 0;
            if (p->found) r = sn_file_read(p->arena, ret_path->ptr, FILE_MAX, &p->text);
            if (r == SN_E_NOT_FOUND)
                p->found = false; /* gone since */
            else if (r < 0)
                return r;
            p->cursor = now;
            return 1;
        }
        if (sn_now() >= until) return 0;
        if ((r = sn_sleep(f->env->poll_ns)) < 0) return r;
    }
}

static int folder_pull(void *b, struct reg_pull *p)
{
    struct folder *f = b;
    static const char *const ends[] = {"yaml", "json"};
    struct sn_str paths[SN_COUNT_OF(ends)], path = {0};
    int r = name_ok(p->name, false);
    if (r < 0) return r;
    for (size_t i = 0; i < SN_COUNT_OF(ends); i++) {
        paths[i] = sn_arena_printf(p->arena, "%.*s/services/%.*s.%s", SN_STR_ARG(f->env->url.path),
                                   SN_STR_ARG(p->name), ends[i]);
        if (!paths[i].ptr) return SN_E_NOMEM;
    }
    if ((r = read_changed(f, p, paths, SN_COUNT_OF(ends), &path)) <= 0) return r;
    if (!p->found) return 1; /* an empty list, which has to be confirmed */
    struct sn_yaml_doc doc;
    if ((r = sn_yaml_parse(p->arena, p->text, NULL, &doc)) >= 0)
        r = reg_instances_parse(doc.root, p->name, p->arena, &p->list, &p->n);
    if (r < 0) return sn_wrap(r, "%s", path.ptr);
    return 1;
}

static int folder_config(void *b, struct reg_pull *p)
{
    struct folder *f = b;
    int r = name_ok(p->name, true);
    if (r < 0) return r;
    struct sn_str path = sn_arena_printf(p->arena, "%.*s/config/%.*s", SN_STR_ARG(f->env->url.path),
                                         SN_STR_ARG(p->name)),
                  found;
    return path.ptr ? read_changed(f, p, &path, 1, &found) : SN_E_NOMEM;
}

static int folder_publish(void *b, struct sn_str key, struct sn_str text)
{
    struct folder *f = b;
    struct sn_arena a;
    int r = name_ok(key, true);
    if (r < 0) return r;
    sn_arena_init(&a, NULL, 1 << 16);
    struct sn_str path =
        sn_arena_printf(&a, "%.*s/config/%.*s", SN_STR_ARG(f->env->url.path), SN_STR_ARG(key));
    struct sn_str dir =
        path.ptr ? sn_arena_str(&a, sn_str_sub(path, 0, (size_t)sn_str_rchr(path, '/'))) : path;
    if (!dir.ptr) r = SN_E_NOMEM;
    if (r >= 0) r = sn_mkdirs(dir.ptr, 0755);
    if (r >= 0) r = sn_file_write(path.ptr, text, 0644);
    sn_arena_done(&a);
    return r;
}

const struct reg_backend reg_files = {
    .scheme = "file",
    .port = 0,
    .opts = "",
    .open = folder_open,
    .close = folder_close,
    .pull = folder_pull,
    .config = folder_config,
    .publish = folder_publish,
};
