/* SPDX-License-Identifier: Apache-2.0 */
/* oci/state.c - the mapped state file. */
#include "clusters/oci/state_int.h"

#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>

#include "clusters/oci/container.h"
#include "clusters/oci/sys_int.h"
#include "core/status.h"

#define STATE_PATH_MAX 1536 /* root, id and a NUL: a frame of a small stack has room */
#define SEQ_SPINS_MAX \
    1000000 /* of a reader: a writer that died in the middle is no reason to hang */

int sn_oci_id_check(const char *id)
{
    size_t n = id ? strlen(id) : 0;
    bool good = n > 0 && n <= SN_OCI_ID_MAX && strcmp(id, ".") != 0 && strcmp(id, "..") != 0;
    for (size_t i = 0; good && i < n; i++)
        good = (id[i] >= 'a' && id[i] <= 'z') || (id[i] >= 'A' && id[i] <= 'Z') ||
               (id[i] >= '0' && id[i] <= '9') || strchr("_+-.", id[i]);
    if (!good)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "invalid container ID format: \"%.64s\": expected letters, digits and _+-.",
                       id ? id : "");
    return 0;
}

/* mkdir -p, private. */
static int make_root(const char *root)
{
    char path[STATE_PATH_MAX];
    if (root[0] != '/')
        return sn_fail(SN_E_INVALID_ARGUMENT, "root folder %s is not an absolute path", root);
    int e = sn_str_cz(sn_str(root), path, sizeof(path));
    if (e < 0) return sn_fail(e, "root folder: path is too long");
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return 0;
    for (char *c = path + 1; *c; c++) {
        if (*c != '/') continue;
        *c = 0;
        if (mkdir(path, 0711) < 0 && errno != EEXIST) return sn_fail_errno(errno, "mkdir %s", path);
        *c = '/';
    }
    if (mkdir(path, 0700) < 0 && errno != EEXIST) return sn_fail_errno(errno, "mkdir %s", path);
    return 0;
}

static int join(const char *root, const char *id, char out[STATE_PATH_MAX])
{
    int n = snprintf(out, STATE_PATH_MAX, "%s/%s", root, id);
    if (n < 0 || n >= STATE_PATH_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%s/%.32s...: path is too long", root, id);
    return 0;
}

static int write_file(struct sn_oci_state_file *f, const struct sn_oci_state_init *init,
                      size_t bytes)
{
    struct sn_oci_state_map head = {.magic = SN_OCI_STATE_MAGIC,
                                    .head_bytes = sizeof(head),
                                    .bytes = (uint32_t)bytes,
                                    .owner = init->owner,
                                    .flags = init->flags,
                                    .created_ns = init->created_ns,
                                    .maker = getpid(),
                                    .maker_start = sn_oci_process_start(getpid())};
    struct iovec v[SN_OCI_TEXTS + 1] = {{&head, sizeof(head)}};
    size_t off = sizeof(head);
    for (int i = 0; i < SN_OCI_TEXTS; i++) {
        head.text_off[i] = (uint32_t)off;
        head.text_len[i] = (uint32_t)init->text[i].len;
        v[i + 1] = (struct iovec){(void *)init->text[i].ptr, init->text[i].len};
        off += init->text[i].len;
    }
    ssize_t n = writev(f->fd, v, SN_OCI_TEXTS + 1);
    if (n < 0) return sn_fail_errno(errno, "write the state file");
    if ((size_t)n != bytes)
        return sn_fail(SN_E_IO, "write the state file: %zd of %zu bytes", n, bytes);
    return 0;
}

static int map_file(struct sn_oci_state_file *f, size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
    if (p == MAP_FAILED) return sn_fail_errno(errno, "map the state file");
    f->map = p;
    f->bytes = bytes;
    return 0;
}

/* A file without a name, or where the file system has none, one that only this process uses. */
static int open_nameless(const char *root, const char *path, char tmp[STATE_PATH_MAX])
{
    tmp[0] = 0;
    int fd = open(root, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return fd;
    int n = snprintf(tmp, STATE_PATH_MAX, "%s/.new.%d.%s", root, (int)getpid(),
                     path + strlen(root) + 1);
    if (n < 0 || n >= STATE_PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* The name appears with the whole content behind it, and only where there was none. */
static int give_name(int fd, const char *tmp, const char *path)
{
    char self[32];
    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, tmp[0] ? tmp : self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0) return 0;
    if (errno == EEXIST)
        return sn_fail(SN_E_ALREADY_EXISTS, "container with given ID already exists");
    return sn_fail_errno(errno, "make %s", path);
}

int sn_oci_state_make(const char *root, const char *id, const struct sn_oci_state_init *init,
                      struct sn_oci_state_file *ret)
{
    char path[STATE_PATH_MAX], tmp[STATE_PATH_MAX];
    struct sn_oci_state_file f = SN_OCI_STATE_NONE;
    size_t bytes = sizeof(struct sn_oci_state_map);
    for (int i = 0; i < SN_OCI_TEXTS; i++) bytes += init->text[i].len;
    if (bytes > SN_OCI_STATE_BYTES_MAX) return sn_fail(SN_E_TOO_LARGE, "state of more than 8 MiB");
    int e = make_root(root);
    if (e == 0) e = join(root, id, path);
    if (e < 0) return e;
    if ((f.fd = open_nameless(root, path, tmp)) < 0)
        return sn_fail_errno(errno, "make a file in %s", root);
    if ((e = write_file(&f, init, bytes)) == 0 && (e = map_file(&f, bytes)) == 0)
        e = give_name(f.fd, tmp, path);
    if (tmp[0]) unlink(tmp);
    if (e < 0)
        sn_oci_state_done(&f);
    else
        *ret = f;
    return e;
}

int sn_oci_state_exists(const char *root, const char *id)
{
    char path[STATE_PATH_MAX];
    int e = join(root, id, path);
    if (e < 0) return e;
    return access(path, F_OK) == 0
               ? sn_fail(SN_E_ALREADY_EXISTS, "container with given ID already exists")
               : 0;
}

static int check_file(const struct sn_oci_state_file *f, const char *path)
{
    const struct sn_oci_state_map *m = f->map;
    bool good =
        m->magic == SN_OCI_STATE_MAGIC && m->head_bytes == sizeof(*m) && m->bytes == f->bytes;
    for (int i = 0; good && i < SN_OCI_TEXTS; i++)
        good = m->text_off[i] <= f->bytes && m->text_len[i] <= f->bytes - m->text_off[i];
    return good ? 0 : sn_fail(SN_E_DATA_LOSS, "%s: not a state file of this version", path);
}

int sn_oci_state_load(const char *root, const char *id, struct sn_oci_state_file *ret)
{
    char path[STATE_PATH_MAX];
    struct sn_oci_state_file f = SN_OCI_STATE_NONE;
    int e = sn_oci_id_check(id);
    if (e == 0) e = join(root, id, path);
    if (e < 0) return e;
    f.fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (f.fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EISDIR))
        e = sn_fail(SN_E_NOT_FOUND, "container does not exist");
    else if (f.fd < 0)
        e = sn_fail_errno(errno, "open %s", path);
    struct stat st;
    if (e == 0 && fstat(f.fd, &st) < 0) e = sn_fail_errno(errno, "stat %s", path);
    if (e == 0 && (st.st_size < (off_t)sizeof(struct sn_oci_state_map) ||
                   st.st_size > SN_OCI_STATE_BYTES_MAX))
        e = sn_fail(SN_E_DATA_LOSS, "%s: %lld bytes", path, (long long)st.st_size);
    if (e == 0) e = map_file(&f, (size_t)st.st_size);
    if (e == 0) e = check_file(&f, path);
    if (e < 0) {
        sn_oci_state_done(&f);
        return e;
    }
    *ret = f;
    return 0;
}

void sn_oci_state_done(struct sn_oci_state_file *f)
{
    if (f->map) munmap(f->map, f->bytes);
    f->map = NULL;
    sn_oci_close_fd(&f->fd);
}

int sn_oci_state_unlink(const char *root, const char *id)
{
    char path[STATE_PATH_MAX];
    int e = join(root, id, path);
    if (e < 0) return e;
    if (unlink(path) < 0 && errno != ENOENT) return sn_fail_errno(errno, "remove %s", path);
    return 0;
}

int sn_oci_state_lock(struct sn_oci_state_file *f)
{
    while (flock(f->fd, LOCK_EX) < 0)
        if (errno != EINTR) return sn_fail_errno(errno, "lock the state file");
    return 0;
}
void sn_oci_state_unlock(struct sn_oci_state_file *f) { flock(f->fd, LOCK_UN); }

uint64_t sn_oci_process_start(pid_t pid)
{
    char path[32], text[512];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    ssize_t n = sn_oci_read_file(AT_FDCWD, path, text, sizeof(text));
    if (n <= 0) return 0;
    const char *p = strrchr(text, ')'); /* the name before may hold anything */
    if (!p || p[1] != ' ' || p[2] == 'Z' || p[2] == 'X') return 0;
    p += 2;
    for (int field = 3; field < 22; field++)
        if (!(p = strchr(p, ' ')))
            return 0;
        else
            p++;
    uint64_t v = 0;
    for (; *p >= '0' && *p <= '9'; p++) v = v * 10 + (uint64_t)(*p - '0');
    return v;
}

int sn_oci_state_set_process(struct sn_oci_state_file *f, pid_t pid)
{
    uint64_t start = sn_oci_process_start(pid);
    struct sn_oci_state_map *m = f->map;
    atomic_fetch_add_explicit(&m->seq, 1, memory_order_acq_rel);
    m->pid_start = start;
    atomic_store_explicit(&m->pid, pid, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->seq, 1, memory_order_release);
    return start ? 0 : sn_fail(SN_E_ABORTED, "the container's process has ended");
}

void sn_oci_state_view(const struct sn_oci_state_file *f, struct sn_oci_state_view *ret)
{
    struct sn_oci_state_map *m = f->map;
    uint64_t start = 0;
    for (int i = 0; i < SEQ_SPINS_MAX; i++) {
        uint32_t before = atomic_load_explicit(&m->seq, memory_order_acquire);
        ret->phase = atomic_load_explicit(&m->phase, memory_order_relaxed);
        ret->pid = atomic_load_explicit(&m->pid, memory_order_relaxed);
        start = m->pid_start;
        atomic_thread_fence(memory_order_acquire);
        if (!(before & 1) && before == atomic_load_explicit(&m->seq, memory_order_relaxed)) break;
    }
    if (ret->pid && sn_oci_process_start(ret->pid) != start) ret->pid = 0;
    ret->maker_lives =
        ret->phase == SN_OCI_PHASE_CREATING && sn_oci_process_start(m->maker) == m->maker_start;
}

void sn_oci_wait_start(struct sn_oci_state_map *m)
{
    while (atomic_load_explicit(&m->start, memory_order_acquire) == 0)
        syscall(SYS_futex, &m->start, FUTEX_WAIT, 0, NULL, NULL, 0);
}
void sn_oci_wake_start(struct sn_oci_state_map *m)
{
    atomic_store_explicit(&m->start, 1, memory_order_release);
    syscall(SYS_futex, &m->start, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void sn_oci_set_created(struct sn_oci_state_map *m)
{
    atomic_store_explicit(&m->phase, SN_OCI_PHASE_CREATED, memory_order_release);
    syscall(SYS_futex, &m->phase, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
void sn_oci_set_running(struct sn_oci_state_map *m)
{
    atomic_store_explicit(&m->start, 1, memory_order_relaxed);
    atomic_store_explicit(&m->phase, SN_OCI_PHASE_RUNNING, memory_order_release);
    syscall(SYS_futex, &m->phase, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
void sn_oci_wait_created(struct sn_oci_state_map *m, int ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    if (atomic_load_explicit(&m->phase, memory_order_acquire) == SN_OCI_PHASE_CREATING)
        syscall(SYS_futex, &m->phase, FUTEX_WAIT, SN_OCI_PHASE_CREATING, &t, NULL, 0);
}
