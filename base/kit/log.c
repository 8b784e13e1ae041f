/* SPDX-License-Identifier: Apache-2.0 */
/* kit/log.c - the ring, the thread that empties it, files and levels.
 *
 * Many producers, one consumer, records of any size: a producer moves `head` by compare-and-swap if
 * its record fits before `tail` comes round again, fills the record, and publishes it by writing
 * its state. The consumer stops at the first record without a state, zeroes what it has read (so
 * that stale states cannot be mistaken), and moves `tail`. Neither side ever waits for the other.
 */
#include "kit/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/status.h"
#include "fiber/fiber.h"
#include "fiber/sample.h"
#include "fiber/sim.h"
#include "kit/log_int.h"
#include "kit/suggest.h"

#define RING_MIN (64u << 10)
#define BATCH_BYTES (64u << 10)
/* A busy logger looks again after this; an idle one sleeps until it is woken. */
#define LINGER_NS (2 * SN_MS)

struct sn_log {
    struct {
        _Atomic uint64_t head;
        _Atomic uint64_t dropped;
    } p SN_ALIGNED(2 * SN_CACHE_LINE);
    struct {
        _Atomic uint64_t tail;
        _Atomic uint32_t asleep; /* futex */
    } c SN_ALIGNED(2 * SN_CACHE_LINE);
    char *ring SN_ALIGNED(2 * SN_CACHE_LINE);
    size_t size;
    struct sn_log_opts opts;
    char *path;
    int fd;
    bool json, own_fd, threaded;
    _Atomic bool stop, reopen;
    pthread_mutex_t drain_lock; /* the thread's, or a flusher's in its place */
    struct sn_buf out;
    uint64_t dropped_told;
    pthread_t thread;
};

static _Atomic(struct sn_log *) default_log;
static size_t (*_Atomic trace_fn)(char out[32]);
SN_LOG_MODULE("log");

/* ---- writing ---- */

static void write_all(struct sn_log *l, const char *p, size_t n)
{
    if (l->opts.sink) {
        l->opts.sink(l->opts.arg, sn_str_of(p, n));
        return;
    }
    while (n) {
        ssize_t k = write(l->fd, p, n);
        if (k > 0) {
            p += k;
            n -= (size_t)k;
        } else if (k < 0 && errno == EAGAIN) { /* somebody made the descriptor non-blocking */
            struct pollfd f = {.fd = l->fd, .events = POLLOUT};
            poll(&f, 1, 1000); /* banned: the logger's own thread */
            if (atomic_load(&l->stop)) break;
        } else if (k < 0 && errno != EINTR) {
            break;
        }
    }
    if (n) atomic_fetch_add(&l->p.dropped, 1); /* a batch that the file did not take */
}

static void flush_out(struct sn_log *l)
{
    if (l->out.len) write_all(l, (const char *)l->out.ptr, l->out.len);
    sn_buf_reset(&l->out);
}

static void reopen(struct sn_log *l)
{
    if (!l->own_fd) return;
    int fd = open(l->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) return; /* the old file is better than none */
    close(l->fd);
    l->fd = fd;
}

static void tell_dropped(struct sn_log *l)
{
    static struct sn_log_site site = {
        .mod = &sn_log_mod_, .msg = "records were dropped", .level = SN_LOG_LEVEL_WARN};
    uint64_t n = atomic_load_explicit(&l->p.dropped, memory_order_relaxed);
    if (n == l->dropped_told) return;
    struct {
        struct sn_log_rec r;
        char fields[64];
    } rec = {.r = {.ts_ns = sn_wall_now(), .site = &site}};
    struct sn_log_field f = SN_L("count", n - l->dropped_told);
    l->dropped_told = n;
    sn_log_rec_fill_(&rec.r, sizeof(rec), &f, 1);
    sn_log_rec_text_(&rec.r, l->json, &l->out);
}

/* Takes what is finished. Returns whether there was anything. The caller holds drain_lock. */
static bool drain(struct sn_log *l)
{
    uint64_t tail = atomic_load_explicit(&l->c.tail, memory_order_relaxed), from = tail;
    for (;;) {
        struct sn_log_rec *r = (struct sn_log_rec *)(l->ring + (tail & (l->size - 1)));
        uint32_t state = atomic_load_explicit(&r->state, memory_order_acquire);
        if (state == 0) break;
        size_t n = state & ~SN_LOG_PAD;
        if (!(state & SN_LOG_PAD)) sn_log_rec_text_(r, l->json, &l->out);
        memset(r, 0, n);
        tail += n;
        atomic_store_explicit(&l->c.tail, tail, memory_order_release);
        if (l->out.len >= BATCH_BYTES) flush_out(l);
    }
    if (l->out.err < 0) { /* without memory the batch is lost, and counted */
        atomic_fetch_add(&l->p.dropped, 1);
        sn_buf_reset(&l->out);
    }
    tell_dropped(l);
    flush_out(l);
    return tail != from;
}

static void *run(void *arg)
{
    struct sn_log *l = arg;
    while (!atomic_load(&l->stop)) {
        pthread_mutex_lock(&l->drain_lock);
        if (atomic_exchange(&l->reopen, false)) reopen(l);
        bool busy = drain(l);
        pthread_mutex_unlock(&l->drain_lock);
        if (busy) {
            struct timespec ts = {.tv_nsec = LINGER_NS};
            nanosleep(&ts, NULL); /* banned: the logger's own thread */
            continue;
        }
        atomic_store(&l->c.asleep, 1);
        /* A producer that came before this store saw no sleeper: look once more. */
        if (atomic_load(&l->p.head) == atomic_load(&l->c.tail) && !atomic_load(&l->stop) &&
            !atomic_load(&l->reopen))
            syscall(SYS_futex, &l->c.asleep, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
        atomic_store(&l->c.asleep, 0);
    }
    return NULL;
}

static void wake(struct sn_log *l)
{
    if (SN_LIKELY(atomic_load(&l->c.asleep) == 0)) return;
    if (atomic_exchange(&l->c.asleep, 0))
        syscall(SYS_futex, &l->c.asleep, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* ---- the ring's producing side ---- */

static struct sn_log_rec *reserve(struct sn_log *l, size_t n)
{
    uint64_t head = atomic_load_explicit(&l->p.head, memory_order_relaxed);
    for (;;) {
        size_t at = head & (l->size - 1), pad = l->size - at < n ? l->size - at : 0;
        uint64_t tail = atomic_load_explicit(&l->c.tail, memory_order_acquire);
        if (head + pad + n - tail > l->size) {
            atomic_fetch_add_explicit(&l->p.dropped, 1, memory_order_relaxed);
            return NULL;
        }
        if (!atomic_compare_exchange_weak(&l->p.head, &head, head + pad + n)) continue;
        if (pad) {
            struct sn_log_rec *r = (struct sn_log_rec *)(l->ring + at);
            atomic_store_explicit(&r->state, (uint32_t)pad | SN_LOG_PAD, memory_order_release);
            at = 0;
        }
        return (struct sn_log_rec *)(l->ring + at);
    }
}

/* The seconds' budget of a call site. ret_suppressed: how many were held back before this one. */
static bool allowed(struct sn_log_site *s, int64_t ts_ns, uint32_t *ret_suppressed)
{
    uint64_t now = (uint64_t)(ts_ns / SN_SEC) << 32, next;
    uint64_t w = atomic_load_explicit(&s->window, memory_order_relaxed);
    do {
        next = (w & ~0xffffffffull) == now ? w + 1 : now + 1;
        if ((next & 0xffffffff) > SN_LOG_SITE_PER_S) {
            atomic_fetch_add_explicit(&s->suppressed, 1, memory_order_relaxed);
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&s->window, &w, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    *ret_suppressed = 0;
    if (SN_UNLIKELY(atomic_load_explicit(&s->suppressed, memory_order_relaxed)))
        *ret_suppressed = atomic_exchange(&s->suppressed, 0);
    return true;
}

static void fill_head(struct sn_log_rec *r, const struct sn_log_site *site, int64_t ts_ns,
                      uint32_t suppressed)
{
    const struct sn_fiber *f = sn_self();
    size_t (*trace)(char *) = atomic_load_explicit(&trace_fn, memory_order_relaxed);
    r->ts_ns = ts_ns;
    r->fiber = f ? sn_fiber_id(f) : 0;
    r->site = site;
    r->suppressed = suppressed;
    r->trace_len = trace ? (uint32_t)SN_MIN(trace(r->trace), sizeof(r->trace)) : 0;
}

/* Without a thread: format here and write here. */
static void emit_now(struct sn_log *l, const struct sn_log_rec *r)
{
    struct sn_log plain = {.fd = STDERR_FILENO, .json = !isatty(STDERR_FILENO)};
    struct sn_buf b;
    sn_buf_init(&b, 0);
    sn_log_rec_text_(r, l ? l->json : plain.json, &b);
    if (l) pthread_mutex_lock(&l->drain_lock);
    if (b.err == 0) write_all(l ? l : &plain, (const char *)b.ptr, b.len);
    if (l) pthread_mutex_unlock(&l->drain_lock);
    sn_buf_done(&b);
}

static bool at_once(const struct sn_log *l) { return !l || !l->threaded || sn_sim_active(); }

void sn_log_emit(struct sn_log *l, struct sn_log_site *site, const struct sn_log_field *fields,
                 size_t n)
{
    int64_t ts = sn_wall_now();
    uint32_t suppressed;
    if (!allowed(site, ts, &suppressed)) return;
    if (!l) l = atomic_load_explicit(&default_log, memory_order_acquire);
    n = SN_MIN(n, (size_t)SN_LOG_FIELDS_MAX);
    size_t size = sn_log_rec_size_(fields, n);
    bool now = at_once(l);
    struct sn_log_rec *r = now ? sn_zalloc(1, size) : reserve(l, size);
    if (!r) return;
    fill_head(r, site, ts, suppressed);
    sn_log_rec_fill_(r, size, fields, n);
    if (now) {
        emit_now(l, r);
        sn_free(r);
        return;
    }
    atomic_store(&r->state, (uint32_t)size); /* sequential: ordered before the look at `asleep` */
    wake(l);
}

bool sn_log_raw(struct sn_log *l, struct sn_str line)
{
    size_t size = sizeof(struct sn_log_rec) + ((line.len + 7) & ~(size_t)7);
    bool now = at_once(l);
    if (!now && size > l->size / 4) {
        atomic_fetch_add_explicit(&l->p.dropped, 1, memory_order_relaxed);
        return false;
    }
    struct sn_log_rec *r = now ? sn_zalloc(1, size) : reserve(l, size);
    if (!r) return false;
    r->site = NULL;
    r->n_fields = (uint32_t)line.len;
    if (line.len) memcpy(r + 1, line.ptr, line.len);
    if (now) {
        emit_now(l, r);
        sn_free(r);
        return true;
    }
    atomic_store(&r->state, (uint32_t)size);
    wake(l);
    return true;
}

/* ---- life ---- */

static int open_sink(struct sn_log *l)
{
    const char *path = l->opts.path;
    l->fd = -1;
    if (l->opts.sink) return 0;
    if (!path || strcmp(path, "stderr") == 0) {
        l->fd = STDERR_FILENO;
    } else if (strcmp(path, "stdout") == 0) {
        l->fd = STDOUT_FILENO;
    } else {
        size_t n = strlen(path) + 1;
        l->path = sn_alloc(n);
        if (!l->path) return SN_E_NOMEM;
        memcpy(l->path, path, n);
        l->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (l->fd < 0) return sn_fail_errno(errno, "open log %s", path);
        l->own_fd = true;
    }
    return 0;
}

static int start_thread(struct sn_log *l)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are the program's */
    int err = sn_thread_create(&l->thread, NULL, run, l); /* must not depend on the workers */
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (err) return sn_fail_errno(err, "start the log thread");
    l->threaded = true;
    pthread_setname_np(l->thread, "sn-log");
    return 0;
}

int sn_log_new(const struct sn_log_opts *opts, struct sn_log **ret)
{
    struct sn_log *l = sn_aligned_alloc(2 * SN_CACHE_LINE, sizeof(*l));
    if (!l) return SN_E_NOMEM;
    memset(l, 0, sizeof(*l));
    l->opts = *opts;
    pthread_mutex_init(&l->drain_lock, NULL);
    sn_buf_init(&l->out, 0);
    int r = open_sink(l);
    if (r == 0) {
        l->json = opts->format == SN_LOG_JSON || (opts->format == SN_LOG_AUTO && !isatty(l->fd));
        l->size = RING_MIN;
        size_t want = opts->ring_bytes ? opts->ring_bytes : SN_LOG_RING_DEFAULT;
        while (l->size < want && l->size < 1u << 29) l->size *= 2;
        if (!opts->sync) {
            l->ring = sn_zalloc(1, l->size);
            r = l->ring ? start_thread(l) : SN_E_NOMEM;
        }
    }
    if (r < 0) {
        sn_log_free(l);
        return r;
    }
    *ret = l;
    return 0;
}

bool sn_log_flush(struct sn_log *l)
{
    if (!l) l = atomic_load(&default_log);
    if (!l || !l->threaded) return true;
    uint64_t until = atomic_load(&l->p.head);
    for (int64_t waited = 0; waited < SN_LOG_FLUSH_NS; waited += SN_MS) {
        /* In the thread's place, so that it works when there is no thread any more (a signal
         * handler, a forked child). */
        if (pthread_mutex_trylock(&l->drain_lock) == 0) {
            drain(l);
            bool done = atomic_load(&l->c.tail) >= until;
            pthread_mutex_unlock(&l->drain_lock);
            if (done) return true;
        }
        struct timespec ts = {.tv_nsec = SN_MS};
        nanosleep(&ts, NULL); /* banned: documented to block the thread */
    }
    return false;
}

void sn_log_free(struct sn_log *l)
{
    if (!l) return;
    struct sn_log *mine = l;
    atomic_compare_exchange_strong(&default_log, &mine, NULL);
    if (l->threaded) {
        sn_log_flush(l);
        atomic_store(&l->stop, true);
        atomic_store(&l->c.asleep, 0);
        syscall(SYS_futex, &l->c.asleep, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
        pthread_join(l->thread, NULL);
    }
    if (l->own_fd) close(l->fd);
    pthread_mutex_destroy(&l->drain_lock);
    sn_buf_done(&l->out);
    sn_free(l->path);
    sn_free(l->ring);
    sn_free(l);
}

void sn_log_reopen(struct sn_log *l)
{
    if (!l->threaded) {
        reopen(l);
        return;
    }
    atomic_store(&l->reopen, true);
    wake(l);
}

/* What was logged before a panic says why. */
static void flush_at_death(void) { (void)sn_log_flush(NULL); }

void sn_log_set_default(struct sn_log *l)
{
    sn_death_hook = flush_at_death;
    atomic_store_explicit(&default_log, l, memory_order_release);
}

uint64_t sn_log_dropped(const struct sn_log *l)
{
    return atomic_load_explicit(&((struct sn_log *)l)->p.dropped, memory_order_relaxed);
}
void sn_log_set_trace(size_t (*fn)(char out[32])) { atomic_store(&trace_fn, fn); }

/* ---- levels ---- */

extern struct sn_log_mod __start_sn_log_mods[], __stop_sn_log_mods[];

static int parse_level(struct sn_str s)
{
    for (int i = SN_LOG_OFF; i <= SN_LOG_LEVEL_TRACE; i++)
        if (sn_str_eqc(s, sn_log_level_name((enum sn_log_level)i))) return i;
    return sn_fail(SN_E_INVALID_ARGUMENT,
                   "expected a log level (off, error, warn, info, debug, trace), got \"%.*s\"",
                   SN_STR_ARG(s));
}

/* One "module=level" or "level"; with `apply` false only checked. */
static int set_level(struct sn_str part, bool apply)
{
    struct sn_str value = part, name = sn_str_cut(&value, '=');
    bool all = value.ptr == NULL, found = all;
    int level = parse_level(all ? name : value);
    struct sn_suggest near = sn_suggest_begin(name);
    if (level < 0) return level;
    for (struct sn_log_mod *m = __start_sn_log_mods; m < __stop_sn_log_mods; m++) {
        sn_suggest_offer(&near, sn_str(m->name));
        if (!all && !sn_str_eqc(name, m->name)) continue;
        found = true;
        if (apply) atomic_store_explicit(&m->level, level, memory_order_relaxed);
    }
    if (found) return 0;
    if (near.best.ptr)
        return sn_fail(SN_E_INVALID_ARGUMENT, "no log module \"%.*s\"; did you mean \"%.*s\"?",
                       SN_STR_ARG(name), SN_STR_ARG(near.best));
    return sn_fail(SN_E_INVALID_ARGUMENT, "no log module \"%.*s\"", SN_STR_ARG(name));
}

int sn_log_set_levels(struct sn_str spec)
{
    for (int apply = 0; apply < 2; apply++) {
        struct sn_str rest = spec;
        while (rest.ptr) {
            int r = set_level(sn_str_cut(&rest, ','), apply);
            if (r < 0) return r;
        }
    }
    return 0;
}
