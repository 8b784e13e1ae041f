/* SPDX-License-Identifier: Apache-2.0 */
/* image/user.c - users and groups by the files of a root filesystem, see image.h. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/status.h"
#include "fiber/fiber.h"
#include "image/image.h"
#include "image/layer_int.h"

#define FILE_BYTES_MAX (1u << 20)
#define ID_MAX 4294967294u /* the last one means "unchanged" to the kernel */

struct user_job {
    const char *rootfs;
    struct sn_str user;
    struct sn_arena *a;
    struct sn_image_user ret;
};

/* A file that is not there is empty: images without users are common. */
static int read_in(struct sn_arena *a, int root, const char *path, struct sn_str *ret)
{
    *ret = SN_STR("");
    int fd = layer_openat2_root(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd == -ENOENT || fd == -ENOTDIR) return 0;
    if (fd < 0) return sn_fail_errno(-fd, "open /%s of the image", path);
    struct stat st;
    int r = fstat(fd, &st) < 0 ? sn_fail_errno(errno, "stat /%s", path) : 0;
    if (r == 0 && !S_ISREG(st.st_mode))
        r = sn_fail(SN_E_FAILED_PRECONDITION, "/%s of the image is no file", path);
    if (r == 0 && st.st_size > FILE_BYTES_MAX)
        r = sn_fail(SN_E_TOO_LARGE, "/%s of the image has over %u bytes", path, FILE_BYTES_MAX);
    char *text = r == 0 ? sn_arena_alloc(a, (size_t)st.st_size + 1) : NULL;
    if (r == 0 && !text) r = SN_E_NOMEM;
    size_t n = 0;
    while (r == 0 && n < (size_t)st.st_size) {
        ssize_t k = read(fd, text + n, (size_t)st.st_size - n);
        if (k < 0 && errno == EINTR) continue;
        if (k < 0) r = sn_fail_errno(errno, "read /%s of the image", path);
        if (k <= 0) break;
        n += (size_t)k;
    }
    (void)close(fd);
    if (r == 0) *ret = sn_str_of(text, n);
    return r;
}

/* The next line's fields between colons, at most n. Returns how many, -1 at the end. */
static int next_line(struct sn_str *text, struct sn_str *fields, int n)
{
    if (!text->ptr || !text->len) return -1;
    struct sn_str line = sn_str_cut(text, '\n');
    int k = 0;
    while (line.ptr && k < n) fields[k++] = sn_str_cut(&line, ':');
    return k;
}

static int to_id(struct sn_str s, uint32_t *ret)
{
    uint64_t v;
    int r = sn_str_to_u64(s, &v);
    if (r == SN_E_SYNTAX) return r;
    if (r < 0 || v > ID_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "user or group \"%.*s\": over %u", SN_STR_ARG(s),
                       ID_MAX);
    *ret = (uint32_t)v;
    return 0;
}

/* By name, else by number. Returns whether the user is in the file. */
static int find_user(struct sn_arena *a, struct sn_str text, struct sn_str user, bool numeric,
                     struct sn_image_user *u)
{
    struct sn_str f[7], rest = text;
    for (int pass = 0; pass < 2; pass++, rest = text)
        for (int n; (n = next_line(&rest, f, 7)) >= 0;) {
            uint32_t uid, gid;
            if (n < 4 || to_id(f[2], &uid) < 0 || to_id(f[3], &gid) < 0) continue;
            if (pass == 0 ? !sn_str_eq(f[0], user) : !(numeric && uid == u->uid)) continue;
            u->uid = uid;
            u->gid = gid;
            u->name = sn_arena_str(a, f[0]);
            if (n > 5) u->home = sn_arena_str(a, f[5]);
            if (n > 6) u->shell = sn_arena_str(a, f[6]);
            return u->name.ptr ? 1 : SN_E_NOMEM;
        }
    return 0;
}

static int find_group(struct sn_str text, struct sn_str group, struct sn_image_user *u)
{
    struct sn_str f[4];
    uint32_t gid;
    while (true) {
        int n = next_line(&text, f, 4);
        if (n < 0) break;
        if (n >= 3 && sn_str_eq(f[0], group) && to_id(f[2], &gid) == 0) {
            u->gid = gid;
            return 0;
        }
    }
    int r = to_id(group, &u->gid);
    return r == SN_E_SYNTAX ? sn_fail(SN_E_NOT_FOUND, "no group \"%.*s\" in the image's /etc/group",
                                      SN_STR_ARG(group))
                            : r;
}

static int further_groups(struct sn_arena *a, struct sn_str text, struct sn_image_user *u)
{
    struct sn_str f[4];
    u->groups = SN_ARENA_ARRAY(a, uint32_t, SN_IMAGE_GROUPS_MAX);
    if (!u->groups) return SN_E_NOMEM;
    for (int n; u->name.ptr && (n = next_line(&text, f, 4)) >= 0;) {
        uint32_t gid;
        if (n < 4 || to_id(f[2], &gid) < 0 || gid == u->gid) continue;
        struct sn_str members = f[3];
        while (members.ptr)
            if (sn_str_eq(sn_str_trim(sn_str_cut(&members, ',')), u->name)) {
                if (u->n_groups == SN_IMAGE_GROUPS_MAX)
                    return sn_fail(SN_E_TOO_LARGE, "user \"%.*s\" is in over %u groups",
                                   SN_STR_ARG(u->name), SN_IMAGE_GROUPS_MAX);
                u->groups[u->n_groups++] = gid;
                break;
            }
    }
    return 0;
}

static int look_up(struct user_job *j, int root)
{
    struct sn_str passwd, group, rest = j->user, user = sn_str_cut(&rest, ':');
    struct sn_image_user u = {0};
    int r = read_in(j->a, root, "etc/passwd", &passwd);
    if (r == 0) r = read_in(j->a, root, "etc/group", &group);
    if (r < 0) return r;
    r = user.len ? to_id(user, &u.uid) : 0;
    if (r < 0 && r != SN_E_SYNTAX) return r;
    bool numeric = r == 0;
    r = find_user(j->a, passwd, user, numeric, &u);
    if (r == 0 && !numeric)
        r = sn_fail(SN_E_NOT_FOUND, "no user \"%.*s\" in the image's /etc/passwd",
                    SN_STR_ARG(user));
    if (r >= 0 && rest.ptr) r = rest.len ? find_group(group, rest, &u) : 0;
    if (r >= 0) r = further_groups(j->a, group, &u);
    if (r >= 0) j->ret = u;
    return SN_MIN(r, 0);
}

static int do_user(void *arg)
{
    struct user_job *j = arg;
    int root = open(j->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) return sn_fail_errno(errno, "open %s", j->rootfs);
    int r = look_up(j, root);
    (void)close(root);
    return r < 0 ? sn_wrap(r, "user \"%.*s\"", SN_STR_ARG(j->user)) : 0;
}

int sn_image_user(const char *rootfs, struct sn_str user, struct sn_arena *a,
                  struct sn_image_user *ret)
{
    struct user_job j = {.rootfs = rootfs, .user = user, .a = a};
    int r = sn_offload(do_user, &j);
    if (r == 0) *ret = j.ret;
    return r;
}
