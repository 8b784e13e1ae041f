/* SPDX-License-Identifier: Apache-2.0 */
/* kit/redis.c - see redis.h. All of a connection happens on its worker, so plain fields suffice. */
#include "kit/redis.h"

#include "core/alloc.h"
#include "core/enc.h"
#include "core/list.h"
#include "crypto/hash.h"
#include "fiber/net.h"
#include "fiber/sync.h"
#include "kit/tls.h"

#define WORDS_MAX 65536u
#define READ_BYTES 16384u
#define GATHER_BYTES 65536u
#define BACKOFF_MIN_NS (100 * SN_MS)
#define BACKOFF_MAX_NS (2 * SN_SEC)

/* A call in line: `n` replies are due to it. The record outlives a caller that gives up. */
struct pending {
    struct sn_list link;
    struct sn_event done;
    struct sn_arena *arena; /* the caller's; NULL once it has left */
    struct sn_resp *rets;
    size_t n, got;
    int64_t since_ns;
    int result;
};
struct conn {
    struct sn_redis *r;
    struct worker *w;
    struct sn_stream *st; /* NULL = not connected */
    struct sn_mutex dial;
    struct sn_buf out, writing;
    bool flushing;
    struct sn_list line; /* struct pending, oldest first */
    unsigned n_line;
    int64_t retry_at_ns, backoff_ns;
    int fail; /* why the last dial failed */
};
struct worker {
    struct conn *conns;
    unsigned next;
    uint64_t calls, failed, dials, dial_failures, writes;
    int64_t n_conns, pending;
} SN_ALIGNED(SN_CACHE_LINE);

struct sn_redis {
    struct sn_redis_opts o;
    char *addr, *user, *password, *host;
    size_t password_len;
    unsigned n_workers;
    struct worker *workers;
    struct sn_waitgroup readers;
};

/* ---- ends of calls and connections ----------------------------------------------------------- */

static void pending_finish(struct conn *c, struct pending *p, int result)
{
    sn_list_del(&p->link);
    c->n_line--;
    c->w->pending--;
    p->result = result;
    if (p->arena)
        sn_event_set(&p->done);
    else
        sn_free(p); /* its caller has left */
}

/* Ends the connection and its calls. Whoever is inside the stream gets SN_E_CLOSED and sees that it
 * is not the connection's any more. */
static void conn_cut(struct conn *c, int result)
{
    struct sn_stream *st = c->st;
    c->st = NULL;
    c->w->n_conns--;
    sn_stream_close(st);
    while (!sn_list_empty(&c->line))
        pending_finish(c, SN_LIST_ENTRY(c->line.next, struct pending, link), result);
    sn_buf_reset(&c->out);
}

/* ---- reading --------------------------------------------------------------------------------- */

static int reply_take(struct conn *c, struct sn_str bytes)
{
    if (bytes.ptr[0] == '>') return 0; /* a push message, to nobody here */
    if (sn_list_empty(&c->line))
        return sn_fail(SN_E_PROTOCOL, "redis %s: a reply to no command", c->r->addr);
    struct pending *p = SN_LIST_ENTRY(c->line.next, struct pending, link);
    if (p->arena && p->result == 0) {
        struct sn_str own = sn_arena_str(p->arena, bytes);
        ssize_t n = own.ptr ? sn_resp_parse(own, p->arena, &p->rets[p->got]) : SN_E_NOMEM;
        if (n < 0) p->result = (int)n;
    }
    /* What the caller's arena does not hold is the caller's failure; what is no RESP is the
     * connection's. */
    int result = p->result;
    if (++p->got == p->n) pending_finish(c, p, result);
    return result == SN_E_NOMEM ? 0 : result;
}

static int replies_take(struct conn *c, struct sn_buf *in, struct sn_resp_scan *scan)
{
    size_t from = 0;
    int r = 0;
    for (;;) {
        struct sn_str rest = sn_str_from(sn_buf_view(in), from);
        ssize_t n = sn_resp_scan(scan, rest);
        if (n == SN_E_AGAIN) break;
        r = n < 0 ? (int)n : reply_take(c, sn_str_sub(rest, 0, (size_t)n));
        if (r < 0) break;
        from += (size_t)n;
    }
    sn_buf_consume(in, from);
    return r;
}

static void reader(void *arg)
{
    struct conn *c = arg;
    struct sn_stream *st = c->st;
    struct sn_buf in;
    struct sn_resp_scan scan = {0};
    sn_buf_init(&in, SN_RESP_BYTES_MAX + READ_BYTES);
    int r = 0;
    while (r >= 0 && c->st == st) {
        r = sn_buf_reserve(&in, READ_BYTES);
        if (r < 0) break;
        ssize_t n = sn_read(st, in.ptr + in.len, in.cap - in.len);
        if (n <= 0 || c->st != st) break;
        in.len += (size_t)n;
        r = replies_take(c, &in, &scan);
    }
    sn_buf_done(&in);
    if (c->st == st) conn_cut(c, r == SN_E_NOMEM ? SN_E_NOMEM : SN_E_UNAVAILABLE);
    sn_waitgroup_done(&c->r->readers);
}

/* ---- writing --------------------------------------------------------------------------------- */

static int write_out(void *arg)
{
    struct conn *c = arg;
    while (c->out.len && c->st) {
        struct sn_stream *st = c->st;
        struct sn_buf t = c->writing;
        c->writing = c->out;
        c->out = t;
        c->w->writes++;
        ssize_t n = sn_write(st, c->writing.ptr, c->writing.len);
        sn_buf_reset(&c->writing);
        if (n < 0 && c->st == st) conn_cut(c, SN_E_UNAVAILABLE);
    }
    return 0;
}

/* Whoever comes first writes for all, shielded: one caller's cancellation must not cut the others'
 * commands in the middle. Giving way lets the fibers that are ready add theirs. */
static void flush(struct conn *c)
{
    if (c->flushing) return;
    c->flushing = true;
    size_t was;
    do {
        was = c->out.len;
        sn_yield();
    } while (c->out.len > was && c->out.len < GATHER_BYTES);
    (void)sn_shield(c->r->o.call_ns_max, write_out, c);
    c->flushing = false;
}

/* ---- connecting ------------------------------------------------------------------------------ */

/* Before the reader runs: one command, its reply. */
static int ask(struct sn_stream *st, const struct sn_str *words, size_t n, struct sn_arena *a,
               struct sn_resp *ret)
{
    struct sn_buf b = {0};
    struct sn_resp_scan scan = {0};
    int r = sn_resp_command(&b, words, n);
    if (r == 0) r = (int)SN_MIN(sn_write(st, b.ptr, b.len), 0);
    sn_wipe(b.ptr, b.len);
    sn_buf_reset(&b);
    b.limit = 64u << 10;
    ssize_t len = SN_E_AGAIN;
    while (r == 0 && len == SN_E_AGAIN) {
        r = sn_buf_reserve(&b, 1024);
        ssize_t got = r == 0 ? sn_read(st, b.ptr + b.len, b.cap - b.len) : 0;
        if (r == 0 && got <= 0) r = got < 0 ? (int)got : SN_E_EOF;
        if (r == 0) b.len += (size_t)got;
        if (r == 0) len = sn_resp_scan(&scan, sn_buf_view(&b));
    }
    if (r == 0 && len < 0) r = (int)len;
    struct sn_str own = r == 0 ? sn_arena_str(a, sn_buf_view(&b)) : (struct sn_str){0};
    if (r == 0) r = own.ptr ? (int)SN_MIN(sn_resp_parse(own, a, ret), 0) : SN_E_NOMEM;
    sn_buf_done(&b);
    return r;
}

static int refused(struct sn_redis *r, const struct sn_resp *v)
{
    bool auth = sn_str_starts(v->str, SN_STR("WRONGPASS")) ||
                sn_str_starts(v->str, SN_STR("NOAUTH")) ||
                sn_str_starts(v->str, SN_STR("ERR invalid password")) ||
                sn_str_starts(v->str, SN_STR("NOPERM"));
    return sn_fail(auth ? SN_E_UNAUTHENTICATED : SN_E_UNAVAILABLE, "redis %s: %.*s", r->addr,
                   SN_STR_ARG(v->str));
}

/* HELLO 3 with AUTH; a server that does not know it speaks RESP2, and AUTH by itself. */
static int greet(struct sn_redis *r, struct sn_stream *st, struct sn_arena *a)
{
    struct sn_resp v;
    struct sn_str user = r->user[0] ? sn_str(r->user) : SN_STR("default");
    struct sn_str pass = sn_str_of(r->password, r->password_len);
    struct sn_str hello[5] = {SN_STR("HELLO"), SN_STR("3"), SN_STR("AUTH"), user, pass};
    int e = ask(st, hello, pass.len ? 5 : 2, a, &v);
    if (e == 0 && v.type == SN_RESP_ERROR &&
        (sn_str_starts(v.str, SN_STR("ERR unknown command")) ||
         sn_str_starts(v.str, SN_STR("NOPROTO")))) {
        v.type = SN_RESP_STR;
        struct sn_str auth[3] = {SN_STR("AUTH"), user, pass};
        if (!r->user[0]) auth[1] = pass;
        if (pass.len) e = ask(st, auth, r->user[0] ? 3 : 2, a, &v);
    }
    if (e == 0 && v.type == SN_RESP_ERROR) return refused(r, &v);
    if (e < 0 || !r->o.db) return e;
    struct sn_str select[2] = {SN_STR("SELECT"), sn_arena_printf(a, "%u", r->o.db)};
    e = select[1].ptr ? ask(st, select, 2, a, &v) : SN_E_NOMEM;
    return e == 0 && v.type == SN_RESP_ERROR ? refused(r, &v) : e;
}

static int open_stream(struct sn_redis *r, struct sn_stream **ret)
{
    struct sn_stream *st, *inner;
    int e = sn_dial(r->addr, NULL, &st);
    if (e < 0) return e;
    if (r->o.tls) {
        inner = st;
        e = sn_tls_client(inner, r->o.tls, sn_str(r->host), &st);
        if (e < 0) {
            sn_stream_close(inner);
            return e;
        }
    }
    struct sn_arena a;
    sn_arena_init(&a, NULL, 1u << 20);
    e = greet(r, st, &a);
    sn_arena_done(&a);
    if (e < 0)
        sn_stream_close(st);
    else
        *ret = st;
    return e;
}

static int conn_open(struct conn *c)
{
    struct sn_redis *r = c->r;
    int64_t now = sn_now();
    if (now < c->retry_at_ns)
        return sn_fail(c->fail, "redis %s: waits before it dials again", r->addr);
    int64_t prev = sn_deadline_tighten(now + r->o.connect_ns_max);
    c->w->dials++;
    struct sn_stream *st;
    int e = open_stream(r, &st);
    sn_deadline_restore(prev);
    if (e == 0) {
        c->st = st;
        sn_waitgroup_add(&r->readers, 1);
        e = sn_stream_go(reader, c);
        if (e == 0) {
            c->w->n_conns++;
            c->backoff_ns = 0;
            return 0;
        }
        sn_waitgroup_done(&r->readers);
        c->st = NULL;
        sn_stream_close(st);
    }
    if (sn_cancelled()) return e; /* says nothing about the server */
    c->w->dial_failures++;
    c->fail = e == SN_E_UNAUTHENTICATED ? e : SN_E_UNAVAILABLE;
    c->backoff_ns = SN_MIN(SN_MAX(2 * c->backoff_ns, BACKOFF_MIN_NS), BACKOFF_MAX_NS);
    c->retry_at_ns = sn_now() + c->backoff_ns;
    return sn_wrap(c->fail, "redis %s", r->addr);
}

static int conn_get(struct sn_redis *r, struct conn **ret)
{
    struct worker *w = &r->workers[sn_worker_id()];
    struct conn *c = &w->conns[w->next++ % r->o.conns];
    if (!c->st) {
        int e = sn_mutex_lock(&c->dial);
        if (e < 0) return e;
        if (!c->st) e = conn_open(c);
        sn_mutex_unlock(&c->dial);
        if (e < 0) return e;
    }
    /* Nobody was answered for so long: the server or the way to it is dead, whatever TCP thinks. */
    if (!sn_list_empty(&c->line)) {
        struct pending *p = SN_LIST_ENTRY(c->line.next, struct pending, link);
        if (sn_now() - p->since_ns > 2 * r->o.call_ns_max) {
            conn_cut(c, SN_E_UNAVAILABLE);
            return sn_fail(SN_E_UNAVAILABLE, "redis %s: does not answer", r->addr);
        }
    }
    *ret = c;
    return 0;
}

/* ---- calls ----------------------------------------------------------------------------------- */

static int enqueue(struct conn *c, const struct sn_redis_command *commands, size_t n)
{
    size_t was = c->out.len;
    for (size_t i = 0; i < n; i++) {
        if (!commands[i].n || commands[i].n > WORDS_MAX)
            return sn_fail(SN_E_INVALID_ARGUMENT,
                           "redis: a command of %zu words, 1 to %u are expected", commands[i].n,
                           WORDS_MAX);
        int r = sn_resp_command(&c->out, commands[i].words, commands[i].n);
        if (r < 0) {
            c->out.len = was;
            c->out.err = 0;
            return r;
        }
    }
    return 0;
}

static int call_wait(struct conn *c, struct pending *p)
{
    int64_t prev = sn_deadline_tighten(p->since_ns + c->r->o.call_ns_max);
    int r = sn_event_wait(&p->done);
    sn_deadline_restore(prev);
    if (sn_event_is_set(&p->done)) {
        r = p->result;
        sn_free(p);
        return r < 0 ? sn_fail(r, "redis %s: connection lost or reply refused", c->r->addr) : 0;
    }
    p->arena = NULL; /* the reader frees it when its reply comes */
    return r;
}

static int call(struct sn_redis *r, const struct sn_redis_command *commands, size_t n,
                struct sn_arena *a, struct sn_resp *rets)
{
    struct conn *c = NULL;
    int e = conn_get(r, &c);
    if (e < 0) return e;
    if (c->n_line >= r->o.pending_max)
        return sn_fail(SN_E_BUSY, "redis %s: %u calls wait already", r->addr, c->n_line);
    struct pending *p = SN_NEW(struct pending);
    if (!p) return SN_E_NOMEM;
    e = enqueue(c, commands, n);
    if (e < 0) {
        sn_free(p);
        return e;
    }
    p->arena = a;
    p->rets = rets;
    p->n = n;
    p->since_ns = sn_now();
    sn_list_push_back(&c->line, &p->link);
    c->n_line++;
    c->w->pending++;
    flush(c);
    return call_wait(c, p);
}

int sn_redis_pipeline(struct sn_redis *r, const struct sn_redis_command *commands, size_t n,
                      struct sn_arena *a, struct sn_resp *rets)
{
    struct worker *w = &r->workers[sn_worker_id()];
    w->calls++;
    int e = n && n <= r->o.pending_max
                ? call(r, commands, n, a, rets)
                : sn_fail(SN_E_INVALID_ARGUMENT, "redis: %zu commands, 1 to %u are expected", n,
                          r->o.pending_max);
    if (e < 0) w->failed++;
    return e;
}

int sn_redis_do(struct sn_redis *r, const struct sn_str *words, size_t n, struct sn_arena *a,
                struct sn_resp *ret)
{
    struct sn_redis_command c = {words, n};
    return sn_redis_pipeline(r, &c, 1, a, ret);
}

/* The digest is a function of the text: one makes it, the others wait the moment. */
static int script_ready(struct sn_redis_script *s)
{
    int none = 0;
    while (__atomic_load_n(&s->ready, __ATOMIC_ACQUIRE) != 2) {
        none = 0;
        if (!__atomic_compare_exchange_n(&s->ready, &none, 1, false, __ATOMIC_ACQ_REL,
                                         __ATOMIC_ACQUIRE)) {
            sn_yield();
            continue;
        }
        uint8_t digest[SN_HASH_MAX];
        int r = sn_hash_once(SN_SHA1, s->text, strlen(s->text), digest);
        if (r == 0) sn_hex_encode(digest, 20, s->sha);
        __atomic_store_n(&s->ready, r == 0 ? 2 : 0, __ATOMIC_RELEASE);
        if (r < 0) return r;
    }
    return 0;
}

int sn_redis_eval(struct sn_redis *r, struct sn_redis_script *s, const struct sn_str *words,
                  size_t n_keys, size_t n_words, struct sn_arena *a, struct sn_resp *ret)
{
    int e = script_ready(s);
    if (e < 0) return e;
    struct sn_str *all =
        n_words <= WORDS_MAX - 3 ? SN_ARENA_ARRAY(a, struct sn_str, n_words + 3) : NULL;
    struct sn_str count = sn_arena_printf(a, "%zu", n_keys);
    if (!all || !count.ptr) return SN_E_NOMEM;
    all[0] = SN_STR("EVALSHA");
    all[1] = sn_str_of(s->sha, 40);
    all[2] = count;
    for (size_t i = 0; i < n_words; i++) all[3 + i] = words[i];
    e = sn_redis_do(r, all, n_words + 3, a, ret);
    if (e < 0 || ret->type != SN_RESP_ERROR || !sn_str_starts(ret->str, SN_STR("NOSCRIPT")))
        return e;
    all[0] = SN_STR("EVAL");
    all[1] = sn_str(s->text);
    return sn_redis_do(r, all, n_words + 3, a, ret);
}

/* ---- life ------------------------------------------------------------------------------------ */

static struct sn_str host_of(const char *addr)
{
    struct sn_str s = sn_str(addr);
    if (sn_str_starts(s, SN_STR("tcp:"))) s = sn_str_from(s, 4);
    ssize_t colon = sn_str_rchr(s, ':');
    if (colon >= 0) s.len = (size_t)colon;
    if (s.len > 2 && s.ptr[0] == '[') s = sn_str_sub(s, 1, s.len - 1);
    return s;
}

static int init(struct sn_redis *r, const struct sn_redis_opts *o)
{
    r->addr = sn_str_dup(sn_str(o->addr));
    r->user = sn_str_dup(o->user);
    r->password = sn_str_dup(o->password);
    r->password_len = o->password.len;
    r->host = sn_str_dup(o->tls_host.len ? o->tls_host : host_of(o->addr));
    r->workers = sn_aligned_alloc(SN_CACHE_LINE, r->n_workers * sizeof(*r->workers));
    if (r->workers) memset(r->workers, 0, r->n_workers * sizeof(*r->workers));
    if (!r->addr || !r->user || !r->password || !r->host || !r->workers) return SN_E_NOMEM;
    for (unsigned i = 0; i < r->n_workers; i++) {
        struct worker *w = &r->workers[i];
        w->conns = SN_NEW_ARRAY(struct conn, r->o.conns);
        if (!w->conns) return SN_E_NOMEM;
        for (unsigned k = 0; k < r->o.conns; k++) {
            w->conns[k].r = r;
            w->conns[k].w = w;
            sn_list_init(&w->conns[k].line);
        }
    }
    return 0;
}

int sn_redis_new(const struct sn_redis_opts *opts, struct sn_redis **ret)
{
    if (!opts->addr || !opts->addr[0] || opts->conns > 64)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "redis: an address and at most 64 connections are expected");
    struct sn_redis *r = SN_NEW(struct sn_redis);
    if (!r) return SN_E_NOMEM;
    r->o = *opts;
    if (!r->o.conns) r->o.conns = 1;
    if (!r->o.pending_max) r->o.pending_max = 1024;
    if (!r->o.connect_ns_max) r->o.connect_ns_max = SN_SEC;
    if (!r->o.call_ns_max) r->o.call_ns_max = SN_SEC;
    if (r->o.tls) sn_tls_config_ref(r->o.tls);
    r->n_workers = sn_worker_count();
    int e = init(r, opts);
    if (e < 0) {
        sn_redis_free(r);
        return e;
    }
    *ret = r;
    return 0;
}

static int cut_all(void *arg)
{
    struct worker *w = arg;
    for (unsigned k = 0; w->conns && w->conns[0].r && k < w->conns[0].r->o.conns; k++)
        if (w->conns[k].st) conn_cut(&w->conns[k], SN_E_UNAVAILABLE);
    return 0;
}

/* Each connection is closed on its own worker: nobody else may touch it. */
static int close_all(void *arg)
{
    struct sn_redis *r = arg;
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    for (unsigned i = 0; i < r->n_workers; i++)
        if (r->workers[i].n_conns &&
            sn_scope_go_on(s, i, "redis-close", cut_all, &r->workers[i]) < 0)
            (void)sn_shield(SN_SEC, cut_all,
                            &r->workers[i]); /* without memory for a fiber: better than a leak */
    sn_scope_end(s);
    return sn_waitgroup_wait(&r->readers);
}

void sn_redis_free(struct sn_redis *r)
{
    if (!r) return;
    if (r->workers) (void)sn_shield(10 * SN_SEC, close_all, r);
    for (unsigned i = 0; r->workers && i < r->n_workers; i++) {
        for (unsigned k = 0; r->workers[i].conns && k < r->o.conns; k++) {
            sn_buf_done(&r->workers[i].conns[k].out);
            sn_buf_done(&r->workers[i].conns[k].writing);
        }
        sn_free(r->workers[i].conns);
    }
    sn_free(r->workers);
    if (r->password) sn_wipe(r->password, r->password_len);
    sn_free(r->password);
    sn_free(r->user);
    sn_free(r->host);
    sn_free(r->addr);
    sn_tls_config_unref(r->o.tls);
    sn_free(r);
}

void sn_redis_stats(const struct sn_redis *r, struct sn_redis_stats *ret)
{
    *ret = (struct sn_redis_stats){0};
    for (unsigned i = 0; i < r->n_workers; i++) {
        const struct worker *w = &r->workers[i];
        ret->calls += w->calls;
        ret->failed += w->failed;
        ret->dials += w->dials;
        ret->dial_failures += w->dial_failures;
        ret->writes += w->writes;
        ret->conns += w->n_conns;
        ret->pending += w->pending;
    }
}
