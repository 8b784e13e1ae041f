/* SPDX-License-Identifier: Apache-2.0 */
/* image/mount.c - root filesystems of containers. mounts/KEY/mount.json says on which layers one
 * stands; it is there before the overlay and goes after it, so that a crash between leaves nothing
 * that hides. */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/status.h"
#include "fiber/os.h"
#include "image/mount_int.h"
#include "wire/json.h"

#define HOST_BYTES_DEFAULT (1ull << 30)
#define NOTE_BYTES_MAX (1u << 20)

struct mount_job {
    struct sn_image_store *st;
    struct sn_str name, key;
    const struct sn_image_mount_opts *o;
    struct sn_arena *a;
    struct sn_str rootfs;
    struct sn_image_mount_info info, *infos;
    size_t n;
};

static int key_check(struct sn_str key)
{
    bool ok = key.len > 0 && key.len <= SN_IMAGE_KEY_MAX;
    for (size_t i = 0; i < key.len && ok; i++) {
        char c = key.ptr[i];
        bool alnum =
            (c >= '0' && c <= '9') || (sn_ascii_lower(c) >= 'a' && sn_ascii_lower(c) <= 'z');
        ok = alnum || (i && (c == '_' || c == '.' || c == '-'));
    }
    return ok ? 0
              : sn_fail(SN_E_INVALID_ARGUMENT,
                        "mount key \"%.*s\": expected 1 to %u of A-Z a-z 0-9 _ . -, the first a "
                        "letter or digit",
                        (int)SN_MIN(key.len, (size_t)SN_IMAGE_KEY_MAX), key.ptr ? key.ptr : "",
                        SN_IMAGE_KEY_MAX);
}

static struct sn_str rootfs_of(struct sn_image_store *st, struct sn_arena *a, struct sn_str key)
{
    return sn_arena_printf(a, "%s/mounts/%.*s/rootfs", st->root, SN_STR_ARG(key));
}

static void path_of(struct sn_str key, const char *what, char out[STORE_NAME_MAX])
{
    (void)snprintf(out, STORE_NAME_MAX, "mounts/%.*s%s%s", SN_STR_ARG(key), *what ? "/" : "", what);
}

/* ---- mount.json
 * ----------------------------------------------------------------------------------- */

struct note {
    struct sn_str image, options;
    struct sn_str *chains; /* lowest first */
    size_t n_chains;
    bool host, read_only, mapped;
    uint64_t host_bytes;
};

static int note_write(struct sn_image_store *st, struct sn_str key, const struct note *n)
{
    char path[STORE_NAME_MAX];
    struct sn_buf b;
    struct sn_jsonw w;
    path_of(key, "mount.json", path);
    sn_buf_init(&b, NOTE_BYTES_MAX);
    sn_jsonw_init(&w, &b, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "image", n->image);
    if (n->options.len) sn_jsonw_kstr(&w, "options", n->options);
    sn_jsonw_kbool(&w, "host", n->host);
    sn_jsonw_kbool(&w, "readOnly", n->read_only);
    if (n->mapped) sn_jsonw_kbool(&w, "mapped", true);
    if (n->host) sn_jsonw_ku64(&w, "hostBytes", n->host_bytes);
    sn_jsonw_key(&w, SN_STR("chains"));
    sn_jsonw_array(&w);
    for (size_t i = 0; i < n->n_chains; i++) sn_jsonw_str(&w, n->chains[i]);
    sn_jsonw_array_end(&w);
    sn_jsonw_object_end(&w);
    int r = b.err < 0 ? b.err : store_write(st, path, sn_buf_view(&b));
    sn_buf_done(&b);
    return r;
}

static int note_read(struct sn_image_store *st, struct sn_arena *a, struct sn_str key,
                     struct note *ret)
{
    char path[STORE_NAME_MAX];
    struct sn_str text;
    const struct sn_json *v;
    struct note n = {0};
    path_of(key, "mount.json", path);
    int r = store_read(st, a, path, NOTE_BYTES_MAX, &text);
    if (r == 0) r = sn_json_parse(a, text, NULL, &v);
    if (r < 0) return r == SN_E_SYNTAX ? sn_wrap(SN_E_DATA_LOSS, "%s/%s", st->root, path) : r;
    const struct sn_json *list = sn_json_get(v, "chains");
    n.image = sn_json_str(sn_json_get(v, "image"));
    n.options = sn_json_str(sn_json_get(v, "options"));
    n.host = sn_json_bool_or(sn_json_get(v, "host"), false);
    n.read_only = sn_json_bool_or(sn_json_get(v, "readOnly"), false);
    n.mapped = sn_json_bool_or(sn_json_get(v, "mapped"), false);
    n.host_bytes = (uint64_t)sn_json_i64_or(sn_json_get(v, "hostBytes"), HOST_BYTES_DEFAULT);
    n.chains = SN_ARENA_ARRAY(a, struct sn_str, sn_json_len(list) + 1);
    if (!n.chains) return SN_E_NOMEM;
    for (SN_JSON_EACH(list, it)) {
        struct sn_str c = sn_json_str(it);
        if (!sn_image_digest_valid(c))
            return sn_fail(SN_E_DATA_LOSS, "%s/%s: chains: expected digests", st->root, path);
        n.chains[n.n_chains++] = c;
    }
    *ret = n;
    return 0;
}

static int keys_list(struct sn_image_store *st, struct sn_arena *a, struct sn_str **ret,
                     size_t *ret_n)
{
    char path[STORE_PATH_MAX + 16];
    (void)snprintf(path, sizeof(path), "%s/mounts", st->root);
    return sn_dir_list(a, path, ret, ret_n);
}

static int mark_key(struct sn_image_store *st, struct sn_arena *a, struct sn_str key,
                    struct sn_map *map, bool top_only)
{
    struct note n;
    int r = note_read(st, a, key, &n);
    if (r < 0)
        return r == SN_E_NOT_FOUND ? 0 : r; /* being made or removed: it stands on nothing yet */
    for (size_t i = top_only && n.n_chains ? n.n_chains - 1 : 0; i < n.n_chains && r >= 0; i++)
        r = sn_map_put(map, top_only ? n.chains[i] : sn_str_from(n.chains[i], 7), NULL, NULL);
    return SN_MIN(r, 0);
}

static int mark_all(struct sn_image_store *st, struct sn_arena *a, struct sn_map *map,
                    bool top_only)
{
    struct sn_str *keys;
    size_t n;
    int r = keys_list(st, a, &keys, &n);
    for (size_t i = 0; i < n && r == 0; i++) r = mark_key(st, a, keys[i], map, top_only);
    return r;
}

int mount_mark(struct sn_image_store *st, struct sn_arena *a, struct sn_map *live)
{
    return mark_all(st, a, live, false);
}
int mount_chains(struct sn_image_store *st, struct sn_arena *a, struct sn_map *used)
{
    return mark_all(st, a, used, true);
}

/* ---- mounting
 * -------------------------------------------------------------------------------------- */

static int make_dir(struct sn_image_store *st, struct sn_str key, const char *what, mode_t mode)
{
    char path[STORE_NAME_MAX];
    path_of(key, what, path);
    if (mkdirat(st->fd, path, mode) == 0 || errno == EEXIST) return 0;
    return sn_fail_errno(errno, "make %s/%s", st->root, path);
}

static int open_dir(struct sn_image_store *st, struct sn_str key, const char *what)
{
    char path[STORE_NAME_MAX];
    path_of(key, what, path);
    int fd = openat(st->fd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? sn_fail_errno(errno, "open %s/%s", st->root, path) : fd;
}

/* The machine's root: its writable layer is in memory, because overlayfs refuses one below its
 * lower. */
static int mount_scratch(struct sn_image_store *st, struct sn_str key, uint64_t bytes)
{
    char path[STORE_PATH_MAX + STORE_NAME_MAX], size[48];
    (void)snprintf(path, sizeof(path), "%s/mounts/%.*s/scratch", st->root, SN_STR_ARG(key));
    (void)snprintf(size, sizeof(size), "size=%llu,mode=0700", (unsigned long long)bytes);
    if (mount("sennit", path, "tmpfs", MS_NOSUID | MS_NODEV, size) < 0)
        return sn_fail_errno(errno, "mount memory at %s (needs CAP_SYS_ADMIN)", path);
    return 0;
}

static int open_view(struct sn_image_store *st, struct sn_str key, const struct note *n,
                     struct view_opts *v)
{
    const char *const upper = n->host ? "scratch/upper" : "upper", *const work =
                                                                       n->host ? "scratch/work"
                                                                               : "work";
    if (n->host) {
        v->lower_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (v->lower_fd < 0) return sn_fail_errno(errno, "open /");
    }
    if (n->read_only) return 0;
    int r = make_dir(st, key, upper, 0755);
    if (r == 0) r = make_dir(st, key, work, 0700);
    if (r < 0) return r;
    v->upper_fd = open_dir(st, key, upper);
    v->work_fd = v->upper_fd < 0 ? -1 : open_dir(st, key, work);
    return v->upper_fd < 0 ? v->upper_fd : SN_MIN(v->work_fd, 0);
}

/* A writable layer's root hides that of the image: it begins as that one is, seen through the map. */
static int copy_root(struct sn_image_store *st, struct sn_str key, const struct note *n,
                     const int *userns_fd)
{
    char path[STORE_NAME_MAX];
    struct stat s;
    if (!n->host && n->n_chains == 0) return 0;
    if (n->host)
        (void)snprintf(path, sizeof(path), "/");
    else
        (void)snprintf(path, sizeof(path), "snapshots/%.*s/fs",
                       (int)n->chains[n->n_chains - 1].len - 7,
                       n->chains[n->n_chains - 1].ptr + 7);
    int fd = openat(st->fd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return sn_fail(SN_E_DATA_LOSS, "layer %s/%s is missing", st->root, path);
    int seen = userns_fd ? snapshot_mapped(fd, *userns_fd) : fd,
        r = seen < 0             ? seen
            : fstat(seen, &s) < 0 ? sn_fail_errno(errno, "%s/%s", st->root, path)
                                  : 0;
    (void)close(fd);
    if (seen >= 0 && seen != fd) (void)close(seen);
    if (r < 0) return r;
    path_of(key, n->host ? "scratch/upper" : "upper", path);
    if (fchownat(st->fd, path, s.st_uid, s.st_gid, 0) < 0 ||
        fchmodat(st->fd, path, s.st_mode & 07777, 0) < 0)
        return sn_fail_errno(errno, "set owner and mode of %s/%s", st->root, path);
    return 0;
}

static int attach(struct sn_image_store *st, struct sn_str key, const struct note *n,
                  const struct sn_image_mount_opts *o)
{
    const int *userns_fd = o ? o->userns_fd : NULL;
    struct view_opts v = {-1, -1, -1, n->options.len ? n->options.ptr : NULL, userns_fd};
    char path[STORE_NAME_MAX];
    int r = n->host ? make_dir(st, key, "scratch", 0700) : 0, fd = -1;
    if (r == 0 && n->host && !n->read_only) r = mount_scratch(st, key, n->host_bytes);
    if (r == 0) r = open_view(st, key, n, &v);
    if (r == 0 && !n->read_only) r = copy_root(st, key, n, userns_fd);
    if (r == 0) r = fd = snapshot_view(st, n->chains, n->n_chains, &v);
    if (v.upper_fd >= 0) (void)close(v.upper_fd);
    if (v.work_fd >= 0) (void)close(v.work_fd);
    if (v.lower_fd >= 0) (void)close(v.lower_fd);
    if (r < 0) return r;
    if (o && o->ret_fd) {
        *o->ret_fd = fd;
        return 0;
    }
    path_of(key, "rootfs", path);
    r = syscall(SYS_move_mount, fd, "", st->fd, path, MOVE_MOUNT_F_EMPTY_PATH) < 0
            ? sn_fail_errno(errno, "mount at %s/%s", st->root, path)
            : 0;
    (void)close(fd);
    return r;
}

static int detach(struct sn_image_store *st, struct sn_str key, const char *what)
{
    char path[STORE_PATH_MAX + STORE_NAME_MAX];
    (void)snprintf(path, sizeof(path), "%s/mounts/%.*s/%s", st->root, SN_STR_ARG(key), what);
    /* Twice mounted by a crash in between: each goes. */
    for (;;) {
        if (umount2(path, UMOUNT_NOFOLLOW) == 0) continue;
        if (errno == EBUSY && umount2(path, UMOUNT_NOFOLLOW | MNT_DETACH) == 0) continue;
        return errno == EINVAL || errno == ENOENT ? 0 : sn_fail_errno(errno, "unmount %s", path);
    }
}

static int take_away(struct sn_image_store *st, struct sn_str key)
{
    char path[STORE_NAME_MAX];
    int r = detach(st, key, "rootfs");
    if (r == 0) r = detach(st, key, "scratch");
    path_of(key, "", path);
    if (r == 0) r = store_trash(st, path);
    if (r == 0) store_empty_trash(st);
    return r;
}

/* The image's layers, each unpacked; the lease holds them until the note does. */
static int note_image(struct mount_job *j, struct lease *l, struct note *n)
{
    struct sn_image im;
    struct sn_manifest m;
    struct sn_str digest;
    uint64_t size;
    int r = image_find(j->st, j->name, j->a, &im);
    if (r == 0)
        r = image_resolve(j->st, j->a, im.manifest, &(struct sn_platform){0}, &m, &digest, &size);
    if (r == 0) r = image_unpack(j->st, l, &m, &im.config);
    if (r == 0) r = sn_image_chains(j->a, im.config.diff_ids, im.config.n_diff_ids, &n->chains);
    n->n_chains = im.config.n_diff_ids;
    return r;
}

static int do_mount(void *arg)
{
    struct mount_job *j = arg;
    struct note n = {.image = j->name, .host = sn_str_eqc(j->name, SN_IMAGE_HOST)};
    struct lease l = {0};
    if (j->o) n.read_only = j->o->read_only, n.options = sn_str(j->o->options);
    n.mapped = j->o && j->o->userns_fd;
    n.host_bytes = j->o && j->o->host_bytes_max ? j->o->host_bytes_max : HOST_BYTES_DEFAULT;
    char path[STORE_NAME_MAX];
    int r = key_check(j->key);
    if (r < 0) return r;
    path_of(j->key, "", path);
    r = lease_open(j->st, &l);
    if (r == 0 && !n.host) r = note_image(j, &l, &n);
    if (r == 0 && mkdirat(j->st->fd, path, 0711) < 0)
        r = errno == EEXIST
                ? sn_fail(SN_E_ALREADY_EXISTS, "mount \"%.*s\" exists already", SN_STR_ARG(j->key))
                : sn_fail_errno(errno, "make %s/%s", j->st->root, path);
    else if (r == 0) {
        r = make_dir(j->st, j->key, "rootfs", 0755);
        if (r == 0) r = note_write(j->st, j->key, &n);
        if (r == 0) r = attach(j->st, j->key, &n, j->o);
        if (r == 0) j->rootfs = rootfs_of(j->st, j->a, j->key);
        if (r == 0 && !j->rootfs.ptr) r = SN_E_NOMEM;
        if (r < 0) {
            struct sn_diag kept = *sn_diag();
            (void)take_away(j->st, j->key);
            *sn_diag() = kept;
        }
    }
    lease_close(&l);
    return r < 0 ? sn_wrap(r, "mount image %.*s", SN_STR_ARG(j->name)) : 0;
}

int sn_image_mount(struct sn_image_store *st, struct sn_str name, struct sn_str key,
                   const struct sn_image_mount_opts *opts, struct sn_arena *a,
                   struct sn_str *ret_rootfs)
{
    struct mount_job j = {.st = st, .name = name, .key = key, .o = opts, .a = a};
    int r = sn_offload(do_mount, &j);
    if (r == 0) *ret_rootfs = j.rootfs;
    return r;
}

/* Whether the folder is the root of a mount: it is on another device, or the file system says so.
 */
static bool is_mounted(struct sn_image_store *st, struct sn_str key)
{
    char path[STORE_NAME_MAX];
    struct statx sx;
    path_of(key, "rootfs", path);
    return statx(st->fd, path, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &sx) == 0 &&
           (sx.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/* After a power cut layers may have to be unpacked again; those of an image that was removed are
 * taken as they are. */
static int unpack_again(struct mount_job *j, const struct note *n)
{
    struct lease l = {0};
    struct note again = {0};
    j->name = n->image;
    int r = lease_open(j->st, &l);
    if (r == 0) r = note_image(j, &l, &again);
    lease_close(&l);
    return r == SN_E_NOT_FOUND ? 0 : r;
}

static int do_remount(void *arg)
{
    struct mount_job *j = arg;
    struct note n;
    int r = key_check(j->key);
    if (r == 0) r = note_read(j->st, j->a, j->key, &n);
    if (r == SN_E_NOT_FOUND) return sn_fail(r, "no mount \"%.*s\"", SN_STR_ARG(j->key));
    if (r == 0) r = make_dir(j->st, j->key, "rootfs", 0755);
    if (r == 0 && !is_mounted(j->st, j->key)) {
        if (n.mapped)
            r = sn_fail(SN_E_FAILED_PRECONDITION, "its user namespace is gone");
        else if (!n.host)
            r = unpack_again(j, &n);
        if (r == 0) r = attach(j->st, j->key, &n, NULL);
    }
    if (r < 0) return sn_wrap(r, "mount \"%.*s\" again", SN_STR_ARG(j->key));
    j->rootfs = rootfs_of(j->st, j->a, j->key);
    return j->rootfs.ptr ? 0 : SN_E_NOMEM;
}

int sn_image_remount(struct sn_image_store *st, struct sn_str key, struct sn_arena *a,
                     struct sn_str *ret_rootfs)
{
    struct mount_job j = {.st = st, .key = key, .a = a};
    int r = sn_offload(do_remount, &j);
    if (r == 0) *ret_rootfs = j.rootfs;
    return r;
}

struct maps_job {
    struct sn_image_store *st;
    int userns_fd;
};
/* An overlay of two folders of the store shows whether this kernel and this disk can do it. */
static int do_maps_owners(void *arg)
{
    struct maps_job *j = arg;
    struct view_opts v = {-1, -1, -1, NULL, &j->userns_fd};
    v.lower_fd = openat(j->st->fd, "snapshots", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (v.lower_fd < 0) return sn_fail_errno(errno, "%s/snapshots", j->st->root);
    int r = snapshot_view(j->st, NULL, 0, &v);
    (void)close(v.lower_fd);
    if (r >= 0) (void)close(r);
    return SN_MIN(r, 0);
}

int sn_image_maps_owners(struct sn_image_store *st, int userns_fd)
{
    return sn_offload(do_maps_owners, &(struct maps_job){st, userns_fd});
}

static int do_reopen(void *arg)
{
    struct mount_job *j = arg;
    struct note n;
    int r = key_check(j->key);
    if (r == 0) r = note_read(j->st, j->a, j->key, &n);
    if (r == SN_E_NOT_FOUND) return sn_fail(r, "no mount \"%.*s\"", SN_STR_ARG(j->key));
    if (r == 0 && !n.host) r = unpack_again(j, &n);
    if (r == 0) r = attach(j->st, j->key, &n, j->o);
    return r < 0 ? sn_wrap(r, "mount \"%.*s\" again", SN_STR_ARG(j->key)) : 0;
}

int sn_image_reopen(struct sn_image_store *st, struct sn_str key,
                    const struct sn_image_mount_opts *opts, struct sn_arena *a)
{
    return sn_offload(do_reopen, &(struct mount_job){.st = st, .key = key, .o = opts, .a = a});
}

static int do_unmount(void *arg)
{
    struct mount_job *j = arg;
    char path[STORE_NAME_MAX];
    int r = key_check(j->key);
    if (r < 0) return r;
    path_of(j->key, "", path);
    if (faccessat(j->st->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
        return sn_fail(SN_E_NOT_FOUND, "no mount \"%.*s\"", SN_STR_ARG(j->key));
    r = take_away(j->st, j->key);
    return r < 0 ? sn_wrap(r, "unmount \"%.*s\"", SN_STR_ARG(j->key)) : 0;
}

int sn_image_unmount(struct sn_image_store *st, struct sn_str key)
{
    struct mount_job j = {.st = st, .key = key};
    return sn_offload(do_unmount, &j);
}

/* ---- looking
 * ---------------------------------------------------------------------------------------- */

static int do_mounts(void *arg)
{
    struct mount_job *j = arg;
    struct sn_str *keys;
    size_t n;
    int r = keys_list(j->st, j->a, &keys, &n);
    if (r < 0) return r;
    j->infos = SN_ARENA_ARRAY(j->a, struct sn_image_mount_info, n + 1);
    if (!j->infos) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        struct note note;
        r = note_read(j->st, j->a, keys[i], &note);
        if (r == SN_E_NOT_FOUND) continue;
        if (r < 0) return r;
        struct sn_image_mount_info *m = &j->infos[j->n++];
        *m = (struct sn_image_mount_info){.key = keys[i],
                                          .image = note.image,
                                          .rootfs = rootfs_of(j->st, j->a, keys[i])};
        if (!m->rootfs.ptr) return SN_E_NOMEM;
    }
    return 0;
}

int sn_image_mounts(struct sn_image_store *st, struct sn_arena *a, struct sn_image_mount_info **ret,
                    size_t *ret_n)
{
    struct mount_job j = {.st = st, .a = a};
    int r = sn_offload(do_mounts, &j);
    if (r < 0) return r;
    *ret = j.infos;
    *ret_n = j.n;
    return 0;
}

static int do_mount_usage(void *arg)
{
    struct mount_job *j = arg;
    char path[STORE_NAME_MAX];
    struct note n;
    int r = key_check(j->key);
    if (r == 0) r = note_read(j->st, j->a, j->key, &n);
    if (r == SN_E_NOT_FOUND) return sn_fail(r, "no mount \"%.*s\"", SN_STR_ARG(j->key));
    if (r < 0) return r;
    j->info = (struct sn_image_mount_info){.key = sn_arena_str(j->a, j->key),
                                           .image = n.image,
                                           .rootfs = rootfs_of(j->st, j->a, j->key)};
    if (!j->info.key.ptr || !j->info.rootfs.ptr) return SN_E_NOMEM;
    if (n.read_only) return 0;
    path_of(j->key, n.host ? "scratch/upper" : "upper", path);
    int fd = openat(j->st->fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return sn_fail_errno(errno, "open %s/%s", j->st->root, path);
    r = sn_layer_count_tree(fd, &j->info.bytes, &j->info.inodes);
    (void)close(fd);
    return r;
}

int sn_image_mount_usage(struct sn_image_store *st, struct sn_str key, struct sn_arena *a,
                         struct sn_image_mount_info *ret)
{
    struct mount_job j = {.st = st, .key = key, .a = a};
    int r = sn_offload(do_mount_usage, &j);
    if (r == 0) *ret = j.info;
    return r;
}
