/* SPDX-License-Identifier: Apache-2.0 */
/* From linux.cgroupsPath to a location. A location is one path, "/a/b", where all hierarchies
 * agree; otherwise one line "NAME:PATH" per hierarchy, NAME as /proc/PID/cgroup has it ("" for v2).
 */
#include <unistd.h>

#include "cgroup/cgroup_int.h"
#include "core/status.h"

/* Appends the components of `path` to the absolute path in *b, resolving "." and ".." as text. */
static int cg_join(struct sn_buf *b, struct sn_str path)
{
    while (path.ptr) {
        struct sn_str part = sn_str_cut(&path, '/');
        if (part.len == 0 || sn_str_eqc(part, ".")) continue;
        if (sn_str_eqc(part, "..")) {
            while (b->len > 0 && b->ptr[b->len - 1] != '/') b->len--;
            if (b->len > 0) b->len--;
            continue;
        }
        if (part.len > 255)
            return sn_fail(SN_E_TOO_LARGE,
                           "linux.cgroupsPath: a component of %zu bytes, at most 255", part.len);
        sn_buf_byte(b, '/');
        sn_buf_str(b, part);
    }
    return b->err < 0 ? sn_fail(b->err, "linux.cgroupsPath: more than %d bytes", SN_CGROUP_PATH_MAX)
                      : 0;
}

/* systemd nests slices by their names: "a-b.slice" lies in "a.slice"; "-.slice" is the root. */
static int cg_slice(struct sn_buf *b, struct sn_str slice)
{
    struct sn_str stem = sn_str_sub(slice, 0, slice.len - 6);
    if (!sn_str_ends(slice, SN_STR(".slice")) || stem.len == 0 || sn_str_chr(slice, '/') >= 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "linux.cgroupsPath: slice \"%.*s\" is not NAME.slice",
                       SN_STR_ARG(slice));
    if (sn_str_eqc(stem, "-")) return 0;
    for (size_t i = 0; i <= stem.len; i++) {
        if (i < stem.len && stem.ptr[i] != '-') continue;
        if (i == 0 || (i > 0 && stem.ptr[i - 1] == '-') || i + 1 == stem.len)
            return sn_fail(SN_E_INVALID_ARGUMENT,
                           "linux.cgroupsPath: slice \"%.*s\" has an empty part between dashes",
                           SN_STR_ARG(slice));
        sn_buf_printf(b, "/%.*s.slice", (int)i, stem.ptr);
    }
    return 0;
}

static int cg_systemd(const struct sn_cgroup_host *h, const struct sn_cgroup_where *w,
                      struct sn_buf *b)
{
    struct sn_str rest = w->path, prefix = {0}, name = w->id;
    struct sn_str slice = rest.len ? sn_str_cut(&rest, ':') : (struct sn_str){0};
    if (w->path.len) {
        prefix = sn_str_cut(&rest, ':');
        name = rest;
        if (!name.ptr || name.len == 0 || sn_str_chr(name, ':') >= 0)
            return sn_fail(SN_E_INVALID_ARGUMENT,
                           "linux.cgroupsPath \"%.*s\": with systemd it is slice:prefix:name",
                           SN_STR_ARG(w->path));
    }
    if (slice.len == 0) slice = h->rootless ? SN_STR("user.slice") : SN_STR("system.slice");
    int r = cg_slice(b, slice);
    if (r < 0) return r;
    if (sn_str_chr(name, '/') >= 0 || sn_str_chr(prefix, '/') >= 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "linux.cgroupsPath \"%.*s\": \"/\" in a unit's name",
                       SN_STR_ARG(w->path));
    if (sn_str_ends(name, SN_STR(".slice"))) return cg_slice(b, name);
    sn_buf_printf(b, "/%.*s%s%.*s.scope", SN_STR_ARG(prefix), prefix.len ? "-" : "",
                  SN_STR_ARG(name));
    return b->err < 0 ? sn_fail(b->err, "linux.cgroupsPath: more than %d bytes", SN_CGROUP_PATH_MAX)
                      : 0;
}

/* The group below which relative paths start. A cgroup namespace or a bind mount may hide the own
 * group from the mount point: then it is the mount point itself. */
static struct sn_str cg_base(const struct sn_cgroup_host *h, unsigned i, struct sn_arena *a)
{
    const struct sn_cgroup_hierarchy *y = &h->h[i];
    struct sn_str own = sn_str(y->own);
    struct sn_str full = sn_arena_printf(a, "%s%s", y->mount, y->own);
    if (!full.ptr || access(full.ptr, F_OK) < 0) return SN_STR("/");
    if (y->v2 && h->layout == SN_CGROUP_V2) {
        ssize_t slash = sn_str_rchr(own, '/');
        own = slash > 0 ? sn_str_sub(own, 0, (size_t)slash) : SN_STR("/");
    }
    return own;
}

static int cg_relative(const struct sn_cgroup_host *h, struct sn_str path, struct sn_arena *a,
                       const char **ret)
{
    struct sn_buf all, one;
    sn_buf_init(&all, SN_CGROUP_LOCATION_MAX - 1);
    sn_buf_init(&one, SN_CGROUP_PATH_MAX - 1);
    const char *first = NULL;
    bool same = true;
    int r = 0;
    for (unsigned i = 0; r == 0 && i < h->n; i++) {
        sn_buf_reset(&one);
        if ((r = cg_join(&one, cg_base(h, i, a))) < 0 || (r = cg_join(&one, path)) < 0) break;
        struct sn_str p = sn_arena_str(a, sn_buf_view(&one));
        if (!p.ptr) r = sn_fail(SN_E_NOMEM, "cgroup location");
        if (r == 0 && p.len == 0)
            r = sn_fail(SN_E_INVALID_ARGUMENT, "linux.cgroupsPath \"%.*s\" is the root group",
                        SN_STR_ARG(path));
        if (r < 0) break;
        same = same && (!first || strcmp(first, p.ptr) == 0);
        if (!first) first = p.ptr;
        sn_buf_printf(&all, "%s:%s\n", h->h[i].name, p.ptr);
    }
    if (r == 0 && all.err < 0)
        r = sn_fail(all.err, "linux.cgroupsPath: a location of more than %d bytes",
                    SN_CGROUP_LOCATION_MAX);
    struct sn_str loc = {0};
    if (r == 0) loc = sn_arena_str(a, same && first ? sn_str(first) : sn_buf_view(&all));
    sn_buf_done(&all);
    sn_buf_done(&one);
    if (r < 0) return r;
    if (!loc.ptr) return sn_fail(SN_E_NOMEM, "cgroup location");
    *ret = loc.ptr;
    return 0;
}

int sn_cgroup_resolve(const struct sn_cgroup_host *h, const struct sn_cgroup_where *where,
                      struct sn_arena *a, const char **ret)
{
    struct sn_str path = where->path;
    if (path.len && (memchr(path.ptr, '\n', path.len) || memchr(path.ptr, '\0', path.len)))
        return sn_fail(SN_E_INVALID_ARGUMENT, "linux.cgroupsPath: newline or NUL in it");
    if (path.len && path.ptr[0] != '/' && !where->systemd && h->n > 0)
        return cg_relative(h, path, a, ret);
    struct sn_buf b;
    sn_buf_init(&b, SN_CGROUP_PATH_MAX - 1);
    int r = where->systemd && !(path.len && path.ptr[0] == '/')
                ? cg_systemd(h, where, &b)
                : cg_join(&b, path.len ? path : where->id);
    struct sn_str loc = {0};
    if (r == 0 && b.len == 0)
        r = sn_fail(SN_E_INVALID_ARGUMENT, "linux.cgroupsPath \"%.*s\" is the root group",
                    SN_STR_ARG(path));
    if (r == 0 && !(loc = sn_arena_str(a, sn_buf_view(&b))).ptr)
        r = sn_fail(SN_E_NOMEM, "cgroup location");
    sn_buf_done(&b);
    if (r == 0) r = cg_location_check(loc.ptr);
    if (r == 0) *ret = loc.ptr;
    return r;
}

/* What create and open may walk: absolute, no "." or "..", not the root, not too deep. A location
 * comes out of a state file, so this is asked again there. */
static int cg_path_check(struct sn_str path)
{
    struct sn_str rest = path;
    unsigned depth = 0;
    if (path.len < 2 || path.ptr[0] != '/' || path.len >= SN_CGROUP_PATH_MAX) goto bad;
    rest = sn_str_from(rest, 1);
    while (rest.ptr) {
        struct sn_str part = sn_str_cut(&rest, '/');
        if (part.len == 0 || part.len > 255 || sn_str_eqc(part, ".") || sn_str_eqc(part, ".."))
            goto bad;
        if (++depth > SN_CGROUP_DEPTH_MAX)
            return sn_fail(SN_E_TOO_LARGE, "cgroup path of more than %d components",
                           SN_CGROUP_DEPTH_MAX);
    }
    return 0;
bad:
    return sn_fail(SN_E_INVALID_ARGUMENT, "cgroup path \"%.*s\" is not absolute and plain",
                   SN_STR_ARG(path));
}

int cg_location_check(const char *location)
{
    struct sn_str rest = sn_str(location), line;
    if (rest.len >= SN_CGROUP_LOCATION_MAX || rest.len == 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "a cgroup location of %zu bytes", rest.len);
    if (rest.ptr[0] == '/') return cg_path_check(rest);
    while (cg_next_line(&rest, &line)) {
        struct sn_str path = line;
        sn_str_cut(&path, ':');
        int r = cg_path_check(path);
        if (r < 0) return r;
    }
    return 0;
}

struct sn_str cg_location_path(const struct sn_cgroup_host *h, unsigned i, const char *location)
{
    struct sn_str rest = sn_str(location), line;
    if (rest.len && rest.ptr[0] == '/') return rest;
    while (cg_next_line(&rest, &line)) {
        struct sn_str path = line, name = sn_str_cut(&path, ':');
        if (path.ptr && sn_str_eqc(name, h->h[i].name)) return path;
    }
    return (struct sn_str){0};
}
