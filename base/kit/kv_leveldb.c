/* SPDX-License-Identifier: Apache-2.0 */
/* kit/kv_leveldb.c - LevelDB by its C interface, loaded at run time. Only the names and types of
 * the functions used are written down here, so that building needs no package of it. */
#include <dlfcn.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/status.h"
#include "fiber/fiber.h"
#include "fiber/sample.h"
#include "fiber/sim.h"
#include "kit/kv_int.h"
#include "kit/kv_manifest.h"

#define LIBRARY "libleveldb.so.1d"
#define PLAIN 0 /* leveldb_no_compression */

typedef unsigned char byte;
/* X(result, name, arguments) - of leveldb/c.h 1.23; objects are pointers to what only it knows. */
#define FUNCTIONS(X)                                                                           \
    X(void *, open, (const void *options, const char *name, char **err))                       \
    X(void, close, (void *db))                                                                 \
    X(void, write, (void *db, const void *options, void *batch, char **err))                   \
    X(char *, get,                                                                             \
      (void *db, const void *options, const char *key, size_t n, size_t *len, char **err))     \
    X(void *, create_iterator, (void *db, const void *options))                                \
    X(const void *, create_snapshot, (void *db))                                               \
    X(void, release_snapshot, (void *db, const void *snapshot))                                \
    X(char *, property_value, (void *db, const char *name))                                    \
    X(void, compact_range, (void *db, const char *from, size_t n, const char *to, size_t m))   \
    X(void, iter_destroy, (void *it))                                                          \
    X(byte, iter_valid, (const void *it))                                                      \
    X(void, iter_seek_to_last, (void *it))                                                     \
    X(void, iter_seek, (void *it, const char *key, size_t n))                                  \
    X(void, iter_next, (void *it))                                                             \
    X(void, iter_prev, (void *it))                                                             \
    X(const char *, iter_key, (const void *it, size_t *n))                                     \
    X(const char *, iter_value, (const void *it, size_t *n))                                   \
    X(void, iter_get_error, (const void *it, char **err))                                      \
    X(void *, writebatch_create, (void))                                                       \
    X(void, writebatch_destroy, (void *b))                                                     \
    X(void, writebatch_put, (void *b, const char *key, size_t n, const char *value, size_t m)) \
    X(void, writebatch_delete, (void *b, const char *key, size_t n))                           \
    X(void *, options_create, (void))                                                          \
    X(void, options_destroy, (void *o))                                                        \
    X(void, options_set_create_if_missing, (void *o, byte on))                                 \
    X(void, options_set_paranoid_checks, (void *o, byte on))                                   \
    X(void, options_set_write_buffer_size, (void *o, size_t n))                                \
    X(void, options_set_block_size, (void *o, size_t n))                                       \
    X(void, options_set_compression, (void *o, int kind))                                      \
    X(void, options_set_max_open_files, (void *o, int n))                                      \
    X(void, options_set_cache, (void *o, void *cache))                                         \
    X(void, options_set_filter_policy, (void *o, void *policy))                                \
    X(void *, filterpolicy_create_bloom, (int bits))                                           \
    X(void, filterpolicy_destroy, (void *policy))                                              \
    X(void *, cache_create_lru, (size_t n))                                                    \
    X(void, cache_destroy, (void *cache))                                                      \
    X(void *, readoptions_create, (void))                                                      \
    X(void, readoptions_destroy, (void *o))                                                    \
    X(void, readoptions_set_verify_checksums, (void *o, byte on))                              \
    X(void, readoptions_set_snapshot, (void *o, const void *snapshot))                         \
    X(void *, writeoptions_create, (void))                                                     \
    X(void, writeoptions_destroy, (void *o))                                                   \
    X(void, writeoptions_set_sync, (void *o, byte on))                                         \
    X(void, free, (void *p))

static struct {
#define X(result, name, args) result(*name) args;
    FUNCTIONS(X)
#undef X
} ldb;
static const char *load_error;

static void load(void)
{
    void *lib = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!lib) {
        load_error = LIBRARY " (Debian's libleveldb1d) cannot be loaded";
        return;
    }
#define X(result, name, args)                                  \
    if (!(*(void **)&ldb.name = dlsym(lib, "leveldb_" #name))) \
        load_error = LIBRARY " lacks leveldb_" #name;
    FUNCTIONS(X)
#undef X
}

struct level {
    struct sn_kv kv;
    void *db, *cache, *policy, *read, *write[2]; /* write: without and with sync */
    char *path;
    _Atomic bool wrote;
    /* What LevelDB notes; see "for goleveldb". */
    int manifest;            /* -1: unknown */
    uint64_t seen;           /* its bytes whose edits have been corrected */
    int watch;               /* inotify's; -1: corrected after each write */
    _Atomic size_t gathered; /* bytes written since `since`, or since the last SLOW_BYTES */
    _Atomic int64_t since;
    /* LOCK, held by flock(2); -1 without it. In `held` while it is. */
    int lock;
    dev_t dev;
    ino_t ino;
    struct level *next;
};

/* ---- one process at a time ----
 * LevelDB locks its LOCK file by fcntl(2), goleveldb by flock(2), and the two do not see each
 * other: a node of ours and one of Go's would write into the same folder. So we take both. A
 * process loses its fcntl locks of a file as soon as it closes any descriptor of it, so a folder
 * this process has open already is found in the list, without opening its LOCK again. */
static pthread_mutex_t held_lock = PTHREAD_MUTEX_INITIALIZER;
static struct level *held;

static int busy(const char *path)
{
    return sn_fail(SN_E_BUSY, "open %s: another process, or this one, has it open", path);
}

static bool is_held(const struct stat *st)
{
    struct level *l = held;
    while (l && (l->dev != st->st_dev || l->ino != st->st_ino)) l = l->next;
    return l;
}

static int lock_held(struct level *l, const char *file)
{
    struct stat st;
    if (stat(file, &st) == 0 && is_held(&st)) return busy(l->path);
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return sn_fail_errno(errno, "open %s", file);
    int r = flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0
            : errno == EWOULDBLOCK            ? busy(l->path)
                                              : sn_fail_errno(errno, "lock %s", file);
    if (r == 0 && fstat(fd, &st) < 0) r = sn_fail_errno(errno, "stat %s", file);
    if (r < 0) {
        (void)close(fd);
        return r;
    }
    l->lock = fd;
    l->dev = st.st_dev;
    l->ino = st.st_ino;
    l->next = held;
    held = l;
    return 0;
}

static int lock_folder(struct level *l)
{
    size_t n = strlen(l->path);
    char *file SN_CLEANUP(sn_freep) = sn_alloc(n + sizeof("/LOCK"));
    if (!file) return SN_E_NOMEM;
    memcpy(file, l->path, n);
    memcpy(file + n, "/LOCK", sizeof("/LOCK"));
    if (mkdir(l->path, 0755) < 0 && errno != EEXIST)
        return sn_fail_errno(errno, "make folder %s", l->path);
    (void)pthread_mutex_lock(&held_lock);
    int r = lock_held(l, file);
    (void)pthread_mutex_unlock(&held_lock);
    return r;
}

/* After LevelDB has closed: its own lock goes with our descriptor. */
static void unlock_folder(struct level *l)
{
    if (l->lock < 0) return;
    (void)pthread_mutex_lock(&held_lock);
    struct level **at = &held;
    while (*at != l) at = &(*at)->next;
    *at = l->next;
    (void)pthread_mutex_unlock(&held_lock);
    (void)close(l->lock);
}

/* What LevelDB says begins with the kind of error. Frees the text. */
static int failed(const char *path, const char *doing, char *err)
{
    struct sn_str text = sn_str(err);
    int code = SN_E_IO;
    if (sn_str_find(text, SN_STR("Corruption")) == 0) code = SN_E_DATA_LOSS;
    if (sn_str_find(text, SN_STR("does not exist")) >= 0) code = SN_E_NOT_FOUND;
    if (sn_str_find(text, SN_STR("/LOCK")) >= 0) code = SN_E_BUSY;
    (void)sn_fail(code, "%s %s: %s", doing, path, err);
    ldb.free(err);
    return code;
}

/* ---- for goleveldb ----
 * When a compaction ends, LevelDB notes the newest sequence number in its manifest, though the log
 * may be the only place of it. It reads such a log whole all the same, but goleveldb skips what is
 * older than the note: after a crash a Go node would lack blocks. So a thread watches the
 * manifests, and has each note say what lies in front of the log: to LevelDB that is the same.
 * Between a note and its correction lies what it takes to wake a thread. */
#define NOTES_BYTES ((size_t)1 << 20) /* read at once; edits with long keys in them are some 100 KiB */
#define LOGS_MAX 64   /* files looked at for the first entry; there are at most two logs */

static struct {
    int fd;         /* inotify's; -1 while nobody watches */
    unsigned users; /* stores */
    pthread_t thread;
} watch = {.fd = -1}; /* under held_lock */

/* The sequence number in front of the oldest log that has something; UINT64_MAX where none has. */
static uint64_t before_log(const struct level *l, const struct kv_edit *e)
{
    char path[2048];
    uint8_t head[15]; /* a record's header and its first batch's number */
    for (uint64_t f = e->log; f < e->next_file && f - e->log < LOGS_MAX; f++) {
        int n = snprintf(path, sizeof(path), "%s/%06llu.log", l->path, (unsigned long long)f);
        int fd = n < (int)sizeof(path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        if (fd < 0) continue;
        ssize_t got = pread(fd, head, sizeof(head), 0);
        (void)close(fd);
        if (got < (ssize_t)sizeof(head)) continue;
        uint64_t first = 0;
        for (unsigned i = 0; i < 8; i++) first |= (uint64_t)head[7 + i] << 8 * i;
        return first - 1;
    }
    return UINT64_MAX;
}
/* What follows in the manifest behind what was seen. Under held_lock. */
static int correct(struct level *l, uint8_t *p, size_t n, bool *changed)
{
    struct kv_edit e;
    size_t off = 0;
    int r;
    while ((r = kv_edit_next(p + off, n - off, l->seen, &e)) == 1) {
        uint64_t below = e.has_sequence ? before_log(l, &e) : UINT64_MAX;
        if (below < e.sequence) {
            size_t len = kv_edit_lower(p + off, l->seen, &e, below);
            if (pwrite(l->manifest, p + off, len, (off_t)l->seen) != (ssize_t)len)
                return sn_fail_errno(errno, "write the manifest of %s", l->path);
            *changed = true;
        }
        off += e.len;
        l->seen += e.len;
    }
    return r;
}
static void correct_notes(struct level *l)
{
    static uint8_t p[NOTES_BYTES]; /* under held_lock; hardly more than a page of it is ever touched */
    struct stat st;
    bool changed = false;
    int r = 1;
    while (r > 0 && l->manifest >= 0 && fstat(l->manifest, &st) == 0 &&
           (uint64_t)st.st_size > l->seen) {
        uint64_t before = l->seen, more = (uint64_t)st.st_size - before;
        size_t n = more < NOTES_BYTES ? (size_t)more : NOTES_BYTES;
        ssize_t got = pread(l->manifest, p, n, (off_t)before);
        r = got > 0 ? correct(l, p, (size_t)got, &changed) : got < 0 ? SN_E_IO : 0;
        if (r >= 0) r = l->seen != before;
        if (r == 0 && n == NOTES_BYTES) r = SN_E_DATA_LOSS;
    }
    if (changed) (void)fdatasync(l->manifest);
    if (r >= 0) return;
    (void)close(l->manifest); /* not as we know it: the log is emptied when the store is closed */
    l->manifest = -1;
}
static void *watch_run(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char events[4096]; /* which of the few it was is not asked */
    for (bool over = false; !over;) {
        ssize_t n = read(fd, events, sizeof(events));
        (void)pthread_mutex_lock(&held_lock);
        over = (n < 0 && errno != EINTR) || watch.fd != fd;
        for (struct level *l = held; !over && l; l = l->next) correct_notes(l);
        (void)pthread_mutex_unlock(&held_lock);
    }
    return NULL;
}
/* The thread lives as long as there is a watch: one that goes away wakes it. */
static int watch_begin(const char *path)
{
    sigset_t all, old;
    int fd = watch.users > 0 ? watch.fd : inotify_init1(IN_CLOEXEC);
    int id = fd < 0 ? -1 : inotify_add_watch(fd, path, IN_MODIFY);
    if (id >= 0 && watch.users == 0) {
        sigfillset(&all); /* signals are the program's */
        pthread_sigmask(SIG_SETMASK, &all, &old);
        watch.fd = fd;
        int err = sn_thread_create(&watch.thread, NULL, watch_run, (void *)(intptr_t)fd);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        if (err == 0)
            pthread_setname_np(watch.thread, "sn-kv-notes");
        else
            id = -1;
    }
    if (id >= 0) watch.users++;
    if (watch.users > 0) return id;
    if (fd >= 0) (void)close(fd);
    watch.fd = -1;
    return id;
}
/* LevelDB keeps one manifest for as long as it has the folder open. Where it cannot be watched (a
 * simulation has no threads, a user has so many watches), notes are corrected after each write. */
static void watch_manifest(struct level *l)
{
    char name[64] = "", path[2048];
    struct stat st;
    int n = snprintf(path, sizeof(path), "%s/CURRENT", l->path);
    int fd = n < (int)sizeof(path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t got = fd < 0 ? -1 : read(fd, name, sizeof(name) - 1);
    if (fd >= 0) (void)close(fd);
    if (got <= 1) return;
    name[got - 1] = 0; /* the end of the line */
    n = snprintf(path, sizeof(path), "%s/%s", l->path, name);
    fd = n < (int)sizeof(path) ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    (void)pthread_mutex_lock(&held_lock);
    l->manifest = fd;
    if (fstat(fd, &st) == 0) l->seen = (uint64_t)st.st_size; /* the log is empty yet */
    if (!sn_sim_active()) l->watch = watch_begin(path);
    (void)pthread_mutex_unlock(&held_lock);
}
static void unwatch(struct level *l)
{
    pthread_t last = {0};
    int fd = -1;
    (void)pthread_mutex_lock(&held_lock);
    correct_notes(l);
    if (l->watch >= 0) (void)inotify_rm_watch(watch.fd, l->watch);
    if (l->watch >= 0 && --watch.users == 0) {
        fd = watch.fd;
        last = watch.thread;
        watch.fd = -1;
    }
    if (l->manifest >= 0) (void)close(l->manifest);
    l->manifest = -1;
    (void)pthread_mutex_unlock(&held_lock);
    if (fd < 0) return;
    (void)pthread_join(last, NULL);
    (void)close(fd);
}

/* Only the log is written out: no key lies there. */
static void empty_log(struct level *l)
{
    static const char beyond[] = "\xff\xff\xff\xff\xff\xff\xff\xff";
    ldb.compact_range(l->db, beyond, sizeof(beyond) - 1, beyond, sizeof(beyond) - 1);
}

static int level_get(struct sn_kv *kv, struct sn_str key, struct sn_buf *out)
{
    struct level *l = SN_CONTAINER_OF(kv, struct level, kv);
    char *err = NULL;
    size_t n;
    char *value = ldb.get(l->db, l->read, key.ptr, key.len, &n, &err);
    if (err) return failed(l->path, "read", err);
    if (!value) return 0;
    int r = sn_buf_put(out, value, n);
    ldb.free(value);
    return r < 0 ? r : 1;
}

/* A large buffer is for stores with much to write. In one that takes longer than SLOW_NS for each
 * SLOW_BYTES it would only be memory: there it is written out at once. */
#define SLOW_BYTES ((size_t)2 << 20)
#define SLOW_NS (20 * SN_SEC)
static void gather(struct level *l, size_t bytes)
{
    size_t before = atomic_fetch_add(&l->gathered, bytes);
    if (before + bytes < SLOW_BYTES || before >= SLOW_BYTES) return; /* one of them crosses */
    int64_t now = sn_now(), since = atomic_exchange(&l->since, now);
    if (now - since >= SLOW_NS) empty_log(l);
    atomic_store(&l->gathered, 0);
}

/* LevelDB puts one pair after the other into its skip list, from the top each time. Where a pair is
 * the last one's neighbour the way down is in the caches already: of an index's batches in half the
 * time. So stretches of a batch that have no order get one; what ascends is left where it is. */
#define SORT_MIN 64u /* operations */
#define RUN_MIN 16u  /* that ascend, for them to be left */
struct ordered {
    uint64_t head; /* the first bytes behind what its stretch has in common, in the same order */
    const char *op;
};
static struct sn_str key_of(const struct ordered *o)
{
    struct sn_str key, value;
    (void)kv_op(o->op, &key, &value);
    return key;
}
static int by_key(const void *x, const void *y)
{
    const struct ordered *a = x, *b = y;
    if (a->head != b->head) return a->head < b->head ? -1 : 1;
    int c = sn_str_cmp(key_of(a), key_of(b));
    /* Of two of one key the later one counts. */
    return c ? c : a->op < b->op ? -1 : a->op > b->op;
}
static void sort(struct ordered *all, size_t n)
{
    struct sn_str first = key_of(all);
    size_t same = first.len;
    for (size_t i = 1; i < n; i++) {
        struct sn_str key = key_of(&all[i]);
        size_t k = 0;
        while (k < same && k < key.len && key.ptr[k] == first.ptr[k]) k++;
        same = k;
    }
    for (size_t i = 0; i < n; i++) {
        struct sn_str rest = sn_str_from(key_of(&all[i]), same);
        uint64_t v = 0;
        if (rest.len) memcpy(&v, rest.ptr, SN_MIN(rest.len, sizeof(v)));
        all[i].head = be64toh(v);
    }
    qsort(all, n, sizeof(*all), by_key);
}
/* The end of what ascends from `from` on. */
static size_t run_end(const struct ordered *all, size_t n, size_t from)
{
    struct sn_str before = key_of(&all[from]);
    for (size_t i = from + 1; i < n; i++) {
        struct sn_str key = key_of(&all[i]);
        if (sn_str_cmp(before, key) > 0) return i;
        before = key;
    }
    return n;
}
/* NULL: in the batch's own order, which is right as well. */
static struct ordered *in_order(const struct sn_kv_batch *b)
{
    struct sn_str key, value;
    struct ordered *all = b->n >= SORT_MIN ? SN_NEW_ARRAY(struct ordered, b->n) : NULL;
    if (!all) return NULL;
    for (size_t at = 0, i = 0; i < b->n; i++) {
        all[i].op = (const char *)b->ops.ptr + at;
        at += kv_op(all[i].op, &key, &value);
    }
    size_t from = 0; /* of the stretch without order */
    for (size_t i = 0, end; i < b->n; i = end) {
        end = run_end(all, b->n, i);
        if (end - i < RUN_MIN && end < b->n) continue;
        if (end - i < RUN_MIN) i = end;
        if (i > from) sort(all + from, i - from);
        from = end;
    }
    return all;
}
static void *batch_of(const struct sn_kv_batch *b)
{
    struct sn_str key, value;
    struct ordered *all = in_order(b);
    void *batch = ldb.writebatch_create();
    for (size_t at = 0, i = 0; i < b->n; i++) {
        at += kv_op(all ? all[i].op : (const char *)b->ops.ptr + at, &key, &value);
        if (value.ptr)
            ldb.writebatch_put(batch, key.ptr, key.len, value.ptr, value.len);
        else
            ldb.writebatch_delete(batch, key.ptr, key.len);
    }
    sn_free(all);
    return batch;
}

static int level_write(struct sn_kv *kv, const struct sn_kv_batch *b, bool sync)
{
    struct level *l = SN_CONTAINER_OF(kv, struct level, kv);
    char *err = NULL;
    void *batch = batch_of(b);
    ldb.write(l->db, l->write[sync], batch, &err);
    ldb.writebatch_destroy(batch);
    atomic_store(&l->wrote, true);
    if (l->watch < 0 && pthread_mutex_trylock(&held_lock) == 0) { /* or who has it will come here */
        correct_notes(l);
        (void)pthread_mutex_unlock(&held_lock);
    }
    if (!err) gather(l, b->ops.len);
    return err ? failed(l->path, "write", err) : 0;
}

static void seek(void *it, const struct sn_kv_range *range)
{
    if (!range->backwards) {
        ldb.iter_seek(it, range->from.ptr ? range->from.ptr : "", range->from.len);
        return;
    }
    if (range->to.len) ldb.iter_seek(it, range->to.ptr, range->to.len);
    if (range->to.len && ldb.iter_valid(it))
        ldb.iter_prev(it); /* the first that is not below `to`, or beyond it */
    else
        ldb.iter_seek_to_last(it);
}

static bool inside(const struct sn_kv_range *range, struct sn_str key)
{
    return range->backwards ? sn_str_cmp(key, range->from) >= 0
                            : !range->to.len || sn_str_cmp(key, range->to) < 0;
}

static int level_scan(struct sn_kv *kv, const struct sn_kv_range *range, struct sn_arena *a,
                      struct sn_kv_pair **ret, size_t *ret_n)
{
    struct level *l = SN_CONTAINER_OF(kv, struct level, kv);
    struct kv_answer out = {.range = range, .arena = a};
    char *err = NULL;
    int r = 0;
    void *it = ldb.create_iterator(l->db, l->read);
    for (seek(it, range); r == 0 && ldb.iter_valid(it);
         range->backwards ? ldb.iter_prev(it) : ldb.iter_next(it)) {
        struct sn_str key, value;
        key.ptr = ldb.iter_key(it, &key.len);
        if (!inside(range, key)) break;
        value.ptr = ldb.iter_value(it, &value.len);
        r = kv_full(&out, key, value) ? 1 : kv_take(&out, key, value);
    }
    ldb.iter_get_error(it, &err);
    ldb.iter_destroy(it);
    if (err) return failed(l->path, "read", err);
    if (r < 0) return r;
    *ret = out.pairs;
    *ret_n = out.n;
    return r;
}

static int level_compact(struct sn_kv *kv, struct sn_str from, struct sn_str to)
{
    struct level *l = SN_CONTAINER_OF(kv, struct level, kv);
    ldb.compact_range(l->db, from.len ? from.ptr : NULL, from.len, to.len ? to.ptr : NULL, to.len);
    return 0;
}

static void level_close(struct sn_kv *kv)
{
    struct level *l = SN_CONTAINER_OF(kv, struct level, kv);
    if (l->db && l->wrote) empty_log(l);
    if (l->db) ldb.close(l->db);
    if (l->read) ldb.readoptions_destroy(l->read);
    for (unsigned i = 0; i < 2; i++)
        if (l->write[i]) ldb.writeoptions_destroy(l->write[i]);
    if (l->cache) ldb.cache_destroy(l->cache);
    if (l->policy) ldb.filterpolicy_destroy(l->policy);
    unwatch(l);
    unlock_folder(l);
    sn_free(l->path);
    sn_free(l);
}

struct opening {
    const char *path;
    struct sn_kv_opts o;
    struct level *level;
};

static void *options_of(struct level *l, const struct sn_kv_opts *o)
{
    void *options = ldb.options_create();
    l->cache = ldb.cache_create_lru(o->cache_bytes ? o->cache_bytes : 8u << 20);
    l->policy = ldb.filterpolicy_create_bloom(10); /* whoever does not use it leaves it aside */
    ldb.options_set_create_if_missing(options, !o->must_exist);
    ldb.options_set_cache(options, l->cache);
    ldb.options_set_filter_policy(options, l->policy);
    ldb.options_set_write_buffer_size(options, o->buffer_bytes ? o->buffer_bytes : 4u << 20);
    if (o->block_bytes) ldb.options_set_block_size(options, o->block_bytes);
    if (o->plain) ldb.options_set_compression(options, PLAIN);
    ldb.options_set_max_open_files(options, 500);
    return options;
}

static int opened(void *arg)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct opening *p = arg;
    struct level *l = p->level;
    char *err = NULL;
    struct stat st;
    (void)pthread_once(&once, load);
    if (load_error) return sn_fail(SN_E_UNIMPLEMENTED, "open %s: %s", p->path, load_error);
    if (p->o.must_exist && stat(p->path, &st) < 0)
        return sn_fail(SN_E_NOT_FOUND, "open %s: there is no such store", p->path);
    int r = lock_folder(l);
    if (r < 0) return r;
    void *options = options_of(l, &p->o);
    l->read = ldb.readoptions_create();
    ldb.readoptions_set_verify_checksums(l->read, 1);
    for (unsigned i = 0; i < 2; i++) {
        l->write[i] = ldb.writeoptions_create();
        ldb.writeoptions_set_sync(l->write[i], (byte)i);
    }
    l->db = ldb.open(options, p->path, &err);
    ldb.options_destroy(options);
    if (err) return failed(p->path, "open", err);
    watch_manifest(l);
    return 0;
}

int sn_kv_open(const char *path, const struct sn_kv_opts *o, struct sn_kv **ret)
{
    static const struct kv_kind kind = {.blocks = true,
                                        .close = level_close,
                                        .get = level_get,
                                        .write = level_write,
                                        .scan = level_scan,
                                        .compact = level_compact};
    struct level *l = SN_NEW(struct level);
    size_t n = strlen(path) + 1;
    if (!l || !(l->path = sn_alloc(n))) {
        sn_free(l);
        return SN_E_NOMEM;
    }
    memcpy(l->path, path, n);
    l->lock = l->manifest = l->watch = -1;
    l->since = sn_now();
    l->kv.kind = &kind;
    struct opening p = {.path = path, .o = o ? *o : (struct sn_kv_opts){0}, .level = l};
    int r = sn_offload(opened, &p);
    if (r < 0) {
        level_close(&l->kv);
        return r;
    }
    *ret = &l->kv;
    return 0;
}
