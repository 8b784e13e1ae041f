/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/wal_file.c - the log's files over fiber/os.h. */
#include "consensus/wal_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "fiber/os.h"

#define PATH_MAX_ (SN_FILE_PATH_MAX + 16)

struct sn_cons_wal {
    char head[SN_FILE_PATH_MAX], dir[SN_FILE_PATH_MAX];
    struct sn_cons_wal_opts o;
    int fd;
    int64_t size; /* of the head, without what is in buf */
    int next;     /* number the head gets when it is full */
    int failed;   /* a sync's or write's code: the log is over */
    struct sn_buf buf;
};

/* ---- names ---- */

static void numbered(const struct sn_cons_wal *w, int i, char out[PATH_MAX_])
{
    snprintf(out, PATH_MAX_, "%s.%03d", w->head, i);
}
static int set_paths(struct sn_cons_wal *w, const char *path)
{
    size_t n = strlen(path);
    const char *slash = strrchr(path, '/');
    if (n + 16 > SN_FILE_PATH_MAX) return sn_fail(SN_E_TOO_LARGE, "%s: path is too long", path);
    memcpy(w->head, path, n + 1);
    size_t d = slash ? (size_t)(slash - path) : 0;
    memcpy(w->dir, slash ? path : ".", SN_MAX(d, (size_t)1));
    w->dir[SN_MAX(d, (size_t)1)] = 0;
    return 0;
}

struct group {
    int min, max; /* numbered files; max < min: none */
    int64_t bytes; /* of them all */
};
/* Which numbered files there are. */
static int scan(const struct sn_cons_wal *w, struct group *ret)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    struct sn_str *names;
    size_t n;
    *ret = (struct group){.min = 0, .max = -1};
    int r = sn_dir_list(&a, w->dir, &names, &n);
    if (r < 0) return r;
    const char *slash = strrchr(w->head, '/');
    struct sn_str base = sn_str(slash ? slash + 1 : w->head);
    for (size_t i = 0; i < n; i++) {
        uint64_t k;
        char path[PATH_MAX_];
        struct stat st;
        if (!sn_str_starts(names[i], base) || names[i].len < base.len + 4 ||
            names[i].ptr[base.len] != '.' ||
            sn_str_to_u64(sn_str_from(names[i], base.len + 1), &k) < 0 || k > 1000000000)
            continue;
        ret->min = ret->max < 0 ? (int)k : SN_MIN(ret->min, (int)k);
        ret->max = SN_MAX(ret->max, (int)k);
        numbered(w, (int)k, path);
        if ((r = sn_file_stat(path, &st)) < 0) return r;
        ret->bytes += st.st_size;
    }
    return 0;
}

static int sync_dir(const struct sn_cons_wal *w)
{
    int fd, r = sn_file_open(w->dir, O_RDONLY | O_DIRECTORY, 0, &fd);
    if (r < 0) return r;
    r = sn_file_sync(fd);
    sn_file_close(fd);
    return r;
}

/* ---- opening ---- */

/* Whether whole frames lie behind a bad one: a crash may leave such (what was not synced reaches the
 * disk in any order), damage does, too. */
static bool more_behind(struct sn_str rest)
{
    for (size_t i = 1; i < rest.len; i++)
        if (sn_cons_wal_intact(sn_str_from(rest, i)) > 0) return true;
    return false;
}
static int keep_copy(const char *path, struct sn_str all)
{
    char kept[PATH_MAX_];
    snprintf(kept, sizeof(kept), "%s.CORRUPTED", path);
    return sn_file_write(kept, all, 0600);
}
/* Cuts off what a crash left behind the last whole frame. */
static int mend_tail(struct sn_cons_wal *w, size_t *ret_torn)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    struct sn_str all;
    int r = sn_file_read(&a, w->head, SN_CONS_WAL_FILE_MAX, &all);
    if (r < 0) return r;
    size_t good = sn_cons_wal_intact(all);
    w->size = (int64_t)good;
    *ret_torn = all.len - good;
    if (good == all.len) return 0;
    if (more_behind(sn_str_from(all, good)) && (r = keep_copy(w->head, all)) < 0) return r;
    r = sn_file_truncate(w->fd, w->size);
    return r < 0 ? r : sn_file_sync(w->fd);
}

static int begin(struct sn_cons_wal *w)
{
    struct sn_cons_wal_record first = {.kind = SN_CONS_WAL_END_HEIGHT, .time = {0, 0}};
    int r = sn_cons_wal_append(w, &first);
    return r < 0 ? r : sn_cons_wal_sync(w);
}

static int open_all(struct sn_cons_wal *w, size_t *ret_torn)
{
    struct group g;
    int r = sn_mkdirs(w->dir, 0700);
    if (r >= 0) r = scan(w, &g);
    if (r < 0) return r;
    w->next = g.max + 1;
    r = sn_file_open(w->head, O_RDWR | O_CREAT, 0600, &w->fd);
    if (r < 0) return r;
    r = mend_tail(w, ret_torn);
    /* The head may be new here even where numbered files exist: a crash between two steps of rotate. */
    if (r >= 0) r = sync_dir(w);
    /* An empty head behind numbered files is one that was just rotated. */
    if (r >= 0 && w->size == 0 && g.max < 0) r = begin(w);
    return r;
}

int sn_cons_wal_open(const char *path, const struct sn_cons_wal_opts *opts, size_t *ret_torn,
                     struct sn_cons_wal **ret)
{
    size_t torn = 0;
    struct sn_cons_wal *w = SN_NEW(struct sn_cons_wal);
    if (!w) return SN_E_NOMEM;
    w->fd = -1;
    if (opts) w->o = *opts;
    if (!w->o.head_bytes_max) w->o.head_bytes_max = SN_CONS_WAL_HEAD_DEFAULT;
    if (!w->o.total_bytes_max) w->o.total_bytes_max = SN_CONS_WAL_TOTAL_DEFAULT;
    sn_buf_init(&w->buf, 0);
    int r = set_paths(w, path);
    if (r >= 0) r = open_all(w, &torn);
    if (r < 0) {
        w->failed = r;
        sn_cons_wal_close(w);
        return sn_wrap(r, "consensus log %s", path);
    }
    if (ret_torn) *ret_torn = torn;
    *ret = w;
    return 0;
}
void sn_cons_wal_close(struct sn_cons_wal *w)
{
    if (!w) return;
    if (!w->failed && sn_cons_wal_sync(w) < 0) w->failed = SN_E_IO;
    if (w->fd >= 0) sn_file_close(w->fd);
    sn_buf_done(&w->buf);
    sn_free(w);
}

/* ---- writing ---- */

static int check(const struct sn_cons_wal *w)
{
    return w->failed ? sn_fail(w->failed, "%s: writing it failed before", w->head) : 0;
}
static int flush(struct sn_cons_wal *w)
{
    if (w->buf.len == 0) return 0;
    ssize_t n = sn_file_pwrite(w->fd, w->buf.ptr, w->buf.len, w->size);
    if (n < 0) return w->failed = (int)n;
    w->size += n;
    sn_buf_reset(&w->buf);
    return 0;
}
int sn_cons_wal_append(struct sn_cons_wal *w, const struct sn_cons_wal_record *rec)
{
    int r = check(w);
    if (r >= 0) r = sn_cons_wal_encode(rec, &w->buf);
    if (r < 0) return r;
    return w->buf.len > SN_CONS_WAL_BUFFER ? flush(w) : 0;
}

/* The head gets a number, a new one begins, and the oldest files beyond the limit go. */
static int rotate(struct sn_cons_wal *w)
{
    char path[PATH_MAX_];
    struct group g;
    numbered(w, w->next, path);
    int r = sn_file_rename(w->head, path);
    if (r < 0) return r;
    sn_file_close(w->fd);
    w->fd = -1;
    w->next++;
    w->size = 0;
    r = sn_file_open(w->head, O_RDWR | O_CREAT | O_EXCL, 0600, &w->fd);
    if (r >= 0) r = scan(w, &g);
    for (int i = g.min; r >= 0 && i < g.max && g.bytes > w->o.total_bytes_max; i++) {
        struct stat st;
        numbered(w, i, path);
        if (sn_file_stat(path, &st) < 0) continue;
        g.bytes -= st.st_size;
        r = sn_file_remove(path);
    }
    return r < 0 ? r : sync_dir(w);
}
int sn_cons_wal_sync(struct sn_cons_wal *w)
{
    int r = check(w);
    if (r >= 0) r = flush(w);
    if (r >= 0) r = sn_file_sync(w->fd);
    if (r >= 0 && w->size > w->o.head_bytes_max) r = rotate(w);
    if (r < 0) w->failed = r;
    return r < 0 ? sn_wrap(r, "consensus log %s", w->head) : 0;
}

/* ---- reading ---- */

/* Where in `all` the records after the end of `height` begin; *ret_seen: some height has its end. */
static int find_end(struct sn_str all, const char *path, int64_t height, size_t *ret_at,
                    bool *ret_older)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    struct sn_str rest = all;
    struct sn_cons_wal_record rec;
    int r;
    bool found = false;
    while ((r = sn_cons_wal_next(&rest, &a, &rec)) == 0) {
        if (rec.kind == SN_CONS_WAL_END_HEIGHT) {
            if (rec.height == height) {
                found = true;
                *ret_at = all.len - rest.len;
            }
            *ret_older = *ret_older || rec.height < height;
        }
        sn_arena_reset(&a);
    }
    if (r != SN_E_EOF)
        return sn_wrap(r == SN_E_AGAIN ? SN_E_DATA_LOSS : r, "%s at byte %zu", path,
                       all.len - rest.len);
    return found;
}

static int replay_from(struct sn_str rest, const char *path,
                       int (*fn)(void *arg, const struct sn_cons_wal_record *rec), void *arg)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    struct sn_cons_wal_record rec;
    int r;
    while ((r = sn_cons_wal_next(&rest, &a, &rec)) == 0) {
        if ((r = fn(arg, &rec)) < 0) return r;
        sn_arena_reset(&a);
    }
    return r == SN_E_EOF ? 0 : sn_wrap(r, "%s", path);
}

/* File i of the group, the head where i is its number. */
static int read_file(const struct sn_cons_wal *w, int i, struct sn_arena *a,
                     char path[PATH_MAX_], struct sn_str *ret)
{
    if (i == w->next) memcpy(path, w->head, sizeof(w->head));
    else numbered(w, i, path);
    return sn_file_read(a, path, SN_CONS_WAL_FILE_MAX, ret);
}

int sn_cons_wal_replay(struct sn_cons_wal *w, int64_t height,
                       int (*fn)(void *arg, const struct sn_cons_wal_record *rec), void *arg)
{
    struct group g;
    char path[PATH_MAX_];
    struct sn_str all;
    size_t at = 0;
    int r = check(w), i = w->next;
    if (r >= 0) r = flush(w);
    if (r >= 0) r = scan(w, &g);
    bool older = false;
    for (int found = 0; r >= 0 && !found; i--) { /* newest first: that is where it usually is */
        struct sn_arena a SN_CLEANUP(sn_arena_done);
        sn_arena_init(&a, NULL, 0);
        if (i < g.min || (older && i < w->next))
            return sn_fail(SN_E_NOT_FOUND, "%s has no end of height %lld", w->head,
                           (long long)height);
        r = read_file(w, i, &a, path, &all);
        if (r >= 0) r = found = find_end(all, path, height, &at, &older);
        if (found > 0) break;
    }
    for (bool first = true; r >= 0 && i <= w->next; i++, first = false) {
        struct sn_arena a SN_CLEANUP(sn_arena_done);
        sn_arena_init(&a, NULL, 0);
        r = read_file(w, i, &a, path, &all);
        if (r >= 0) r = replay_from(first ? sn_str_from(all, at) : all, path, fn, arg);
    }
    return r < 0 ? r : 0;
}
