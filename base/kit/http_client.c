/* SPDX-License-Identifier: Apache-2.0 */
/* kit/http_client.c - calls, and the pools their connections come from: one per worker and address,
 * so that taking and giving back costs no lock. Idle connections are parked. */
#include "core/alloc.h"
#include "kit/http_client_int.h"
#include "kit/tls.h"

int sn_http_client_new(const struct sn_http_client_opts *opts, struct sn_http_client **ret)
{
    struct sn_http_client *c = SN_NEW(struct sn_http_client);
    if (!c) return SN_E_NOMEM;
    if (opts) c->o = *opts;
    if (!c->o.idle_per_addr_max) c->o.idle_per_addr_max = 64;
    if (!c->o.idle_ns) c->o.idle_ns = 90 * SN_SEC;
    if (!c->o.connect_ns_max) c->o.connect_ns_max = 10 * SN_SEC;
    if (!c->o.head_bytes_max) c->o.head_bytes_max = SN_H1_HEAD_BYTES_MAX;
    c->n_workers = sn_worker_count();
    c->workers = sn_aligned_alloc(SN_CACHE_LINE, c->n_workers * sizeof(*c->workers));
    if (!c->workers) {
        sn_free(c);
        return SN_E_NOMEM;
    }
    memset(c->workers, 0, c->n_workers * sizeof(*c->workers));
    for (unsigned i = 0; i < c->n_workers; i++) {
        http_pools_init(&c->workers[i].pools);
        sn_map_init(&c->workers[i].by_key, sn_random(), false);
    }
    *ret = c;
    return 0;
}

/* ---- pools ---------------------------------------------------------------------------------- */

#define KEY_MAX 600u

/* The address to dial, and with the server's name behind it the pool's key. */
static int call_key(struct cl_call *k, const struct sn_http_call *call, char *key, size_t cap,
                    size_t *ret_addr_len)
{
    struct sn_buf b;
    sn_buf_init_fixed(&b, key, cap);
    sn_buf_byte(&b, k->url.tls ? 's' : 'h');
    if (call->addr.ptr) {
        sn_buf_str(&b, call->addr);
    } else {
        bool v6 = sn_str_chr(k->url.host, ':') >= 0;
        if (v6) sn_buf_byte(&b, '[');
        sn_buf_str(&b, k->url.host);
        if (v6) sn_buf_byte(&b, ']');
        sn_buf_byte(&b, ':');
        sn_buf_u64(&b, k->url.port);
    }
    *ret_addr_len = b.len - 1;
    sn_buf_byte(&b, 0);
    if (k->url.tls) sn_buf_str(&b, k->url.host);
    if (b.err < 0) return sn_fail(SN_E_TOO_LARGE, "address over %u bytes", KEY_MAX);
    return (int)b.len;
}

static int pool_get(struct cl_worker *w, struct sn_http_client *c, struct sn_str key,
                    size_t addr_len, struct cl_pool **ret)
{
    struct cl_pool *p = sn_map_get(&w->by_key, key);
    if (p) {
        *ret = p;
        return 0;
    }
    p = sn_zalloc(1, sizeof(*p) + key.len);
    if (!p) return SN_E_NOMEM;
    memcpy(p->key, key.ptr, key.len);
    p->addr_len = addr_len;
    p->client = c;
    p->w = w;
    sn_list_init(&p->idle);
    sn_list_init(&p->h2);
    if (c->o.conns_per_addr_max) sn_sem_init(&p->active, c->o.conns_per_addr_max);
    int r = sn_map_put(&w->by_key, sn_str_of(p->key, key.len), p, NULL);
    if (r < 0) {
        sn_free(p);
        return r;
    }
    *ret = p;
    return 0;
}

/* The pool of the call's address; the place says where to look, the text whether it is right. */
static int pool_of(struct cl_call *k, const struct sn_http_call *call)
{
    struct sn_str addr = call->addr;
    struct cl_pool **at = NULL, *p;
    if (addr.ptr && !k->url.tls) {
        at = &k->w->recent[(uintptr_t)addr.ptr / 16 % CL_RECENT];
        p = *at;
        if (p && p->addr_len == addr.len && memcmp(p->key + 1, addr.ptr, addr.len) == 0) {
            k->pool = p;
            return 0;
        }
    }
    char key[KEY_MAX];
    size_t addr_len;
    int n = call_key(k, call, key, sizeof(key), &addr_len);
    if (n < 0) return n;
    int r = pool_get(k->w, k->client, sn_str_of(key, (size_t)n), addr_len, &k->pool);
    if (r == 0 && at) *at = k->pool;
    return r;
}

void cl_conn_close(struct cl_conn *c)
{
    sn_stream_close(c->st);
    c->pool->w->n_conns--;
    sn_free(c);
}

/* A parked connection spoke, closed, or has been idle too long: whichever, it is of no more use. */
static void on_idle(struct sn_stream *st, void *arg, int why)
{
    struct cl_conn *c = arg;
    if (sn_list_linked(&c->link)) {
        sn_list_del(&c->link);
        c->pool->n_idle--;
    }
    cl_conn_close(c);
}

void cl_permit_release(struct cl_call *k)
{
    if (!k->permit) return;
    k->permit = false;
    sn_sem_release(&k->pool->active, 1);
}

void cl_conn_put_idle(struct cl_call *k)
{
    struct cl_conn *c = k->conn;
    struct cl_pool *p = k->pool;
    k->conn = NULL;
    if (k->alone || p->n_idle >= p->client->o.idle_per_addr_max) {
        cl_conn_close(c);
    } else {
        sn_list_push_front(&p->idle, &c->link);
        p->n_idle++;
        sn_stream_park(c->st, sn_now_coarse() + p->client->o.idle_ns, on_idle, c);
    }
    cl_permit_release(k);
}

static struct cl_conn *idle_take(struct cl_pool *p)
{
    for (;;) {
        struct sn_list *n = sn_list_pop_front(&p->idle);
        if (!n) return NULL;
        p->n_idle--;
        struct cl_conn *c = SN_LIST_ENTRY(n, struct cl_conn, link);
        if (sn_stream_unpark(c->st)) return c;
        /* Its ready function is on the way and frees it. */
    }
}

static int conn_dial(struct cl_call *k, struct sn_str addr)
{
    struct sn_http_client *c = k->client;
    char text[KEY_MAX];
    int r = sn_str_cz(addr, text, sizeof(text));
    if (r < 0) return r;
    struct cl_conn *conn = SN_NEW(struct cl_conn);
    if (!conn) return SN_E_NOMEM;
    sn_list_init(&conn->link);
    conn->pool = k->pool;
    int64_t t0 = sn_now(), prev = sn_deadline_tighten(t0 + c->o.connect_ns_max);
    struct sn_stream *st = NULL;
    r = sn_dial(text, NULL, &st);
    if (r == 0 && k->preface.len) {
        ssize_t n = sn_write(st, k->preface.ptr, k->preface.len);
        if (n < 0) {
            sn_stream_close(st);
            r = (int)n;
        }
    }
    if (r == 0 && k->url.tls) {
        struct sn_stream *tls = NULL;
        r = sn_tls_client(st, c->o.tls, k->url.host, &tls);
        if (r < 0) sn_stream_close(st);
        st = tls;
    }
    sn_deadline_restore(prev);
    if (r < 0) {
        sn_free(conn);
        return sn_wrap(r, "connect %s", text);
    }
    k->pub.connect_ns = sn_now() - t0;
    conn->st = st;
    k->pool->w->n_conns++;
    k->conn = conn;
    return 0;
}

static bool may_h2(const struct cl_call *k)
{
    const struct sn_http_client_opts *o = &k->client->o;
    return k->url.tls ? !o->h2_off : o->h2_prior_knowledge;
}

static bool conn_is_h2(struct cl_call *k)
{
    if (k->url.tls) return sn_str_eqc(sn_tls_alpn(k->conn->st), "h2");
    return may_h2(k);
}

/* A connection that may turn out to be h2 is shared: while one call dials, the others wait for what
 * it finds out. */
static int conn_dial_shared(struct cl_call *k, struct sn_str addr, bool fresh)
{
    int r;
    if (k->pool->proto == 1 || !may_h2(k)) {
        r = conn_dial(k, addr);
        if (r < 0 || !k->url.tls || !conn_is_h2(k)) return r;
        cl_conn_close(k->conn);
        k->conn = NULL;
        k->pool->proto = 0;
        return sn_fail(SN_E_FAILED_PRECONDITION,
                       "h2 was agreed on a connection meant for HTTP/1.1: "
                       "the TLS configuration must not offer it");
    }
    r = sn_mutex_lock(&k->pool->dial);
    if (r < 0) return r;
    k->conn = fresh ? NULL : cl_h2_pick(k->pool);
    if (k->conn) {
        k->pub.reused = true;
    } else {
        r = conn_dial(k, addr);
        if (r == 0 && conn_is_h2(k)) {
            r = cl_h2_new(k->conn);
            if (r < 0) {
                cl_conn_close(k->conn);
                k->conn = NULL;
            }
        }
        if (r == 0) k->pool->proto = k->conn->h2 ? 2 : 1;
    }
    sn_mutex_unlock(&k->pool->dial);
    return r;
}

int cl_conn_get(struct cl_call *k, const struct sn_http_call *call, bool fresh)
{
    if (!k->pool) {
        int r = pool_of(k, call);
        if (r < 0) return r;
    }
    struct sn_str addr = sn_str_of(k->pool->key + 1, k->pool->addr_len);
    if (k->client->o.conns_per_addr_max && !k->permit) {
        int r = sn_sem_acquire(&k->pool->active, 1);
        if (r < 0) return sn_wrap(r, "waiting for a connection to %.*s", SN_STR_ARG(addr));
        k->permit = true;
    }
    k->conn = fresh ? NULL : cl_h2_pick(k->pool);
    if (!k->conn && !fresh) k->conn = idle_take(k->pool);
    k->pub.reused = k->conn != NULL;
    if (!k->conn) {
        int r = conn_dial_shared(k, addr, fresh);
        if (r < 0) return r;
    }
    k->conn->uses++;
    return 0;
}

/* ---- calls ---------------------------------------------------------------------------------- */

static struct cl_call *call_new(struct sn_http_client *c, int64_t start_ns)
{
    int id = sn_worker_id();
    SN_ASSERT(id >= 0 && (unsigned)id < c->n_workers);
    struct cl_worker *w = &c->workers[id];
    struct sn_arena a;
    sn_arena_init(&a, &w->pools.arenas, HTTP_EXCHANGE_BYTES_MAX);
    struct cl_call *k = SN_ARENA_NEW(&a, struct cl_call);
    if (!k) {
        sn_arena_done(&a);
        return NULL;
    }
    k->arena = a;
    k->client = c;
    k->w = w;
    k->pub.arena = &k->arena;
    k->pub.content_length = -1;
    k->start_ns = start_ns ? start_ns : sn_now();
    return k;
}

void cl_call_free(struct cl_call *k)
{
    cl_permit_release(k);
    struct sn_arena a = k->arena; /* the record lies in its own arena */
    sn_arena_done(&a);
}

static bool may_retry(const struct cl_call *k, const struct sn_http_call *call, int r)
{
    if (call->no_retry || call->body_fn) return false;
    if (k->refused) return true;
    return k->pub.reused && !k->got_bytes &&
           (r == SN_E_RESET || r == SN_E_UNAVAILABLE || r == SN_E_EOF || r == SN_E_CLOSED ||
            r == SN_E_IO) &&
           (call->method.len == 0 || sn_http_idempotent(sn_http_method_of(call->method)));
}

static int call_check(const struct sn_http_call *call)
{
    if (call->method.len && !sn_http_is_token(call->method))
        return sn_fail(SN_E_INVALID_ARGUMENT, "method is not a token");
    for (size_t i = 0; i < call->target.len; i++)
        if (call->target.ptr[i] <= 0x20 || call->target.ptr[i] == 0x7f)
            return sn_fail(SN_E_INVALID_ARGUMENT, "request target has a byte that must be encoded");
    for (unsigned i = 0; i < call->n_headers; i++) {
        const struct sn_http_header *h = &call->headers[i];
        if (!sn_http_is_token(h->name) || !sn_http_is_value(h->value))
            return sn_fail(SN_E_INVALID_ARGUMENT, "malformed request header %.*s",
                           SN_STR_ARG(h->name));
    }
    return 0;
}

static int call_url(struct cl_worker *w, struct sn_str url, struct http_url *ret)
{
    if (url.ptr && url.ptr == w->last_at && url.len == w->last_len &&
        memcmp(url.ptr, w->last_text, url.len) == 0) {
        *ret = w->last;
        return 0;
    }
    int r = http_url_parse(url, ret);
    if (r < 0 || url.len > CL_URL_KEPT_MAX) return r;
    w->last = *ret;
    w->last_at = url.ptr;
    w->last_len = url.len;
    memcpy(w->last_text, url.ptr, url.len);
    return 0;
}

int sn_http_do(struct sn_http_client *c, const struct sn_http_call *call, struct sn_http_resp **ret)
{
    int r = call_check(call);
    if (r < 0) return r;
    struct cl_call *k = call_new(c, call->start_ns);
    if (!k) return SN_E_NOMEM;
    r = call_url(k->w, call->url, &k->url);
    k->answer_ns_max = call->answer_ns_max ? call->answer_ns_max : c->o.head_ns_max;
    if (call->patience_ns) k->ask_at_ns = k->start_ns + call->patience_ns;
    k->impatient = call->impatient;
    k->impatient_arg = call->impatient_arg;
    k->preface = call->preface;
    k->alone = call->preface.len > 0;
    if (k->alone && may_h2(k))
        r = sn_fail(SN_E_INVALID_ARGUMENT, "a preface is for HTTP/1.1 connections");
    bool fresh = k->alone;
    while (r >= 0) {
        int64_t at = call->answer_ns_max ? k->start_ns + call->answer_ns_max : SN_FOREVER;
        int64_t prev = sn_deadline_tighten(at);
        r = cl_conn_get(k, call, fresh);
        sn_deadline_restore(prev);
        if (r < 0) break;
        k->refused = false;
        r = k->conn->h2 ? cl_h2_do(k, call) : cl_h1_do(k, call);
        if (r >= 0 || fresh || !may_retry(k, call, r)) break;
        fresh = true;
        r = 0;
    }
    if (r < 0) {
        cl_call_free(k);
        return r == SN_E_EOF ? SN_E_RESET : r;
    }
    *ret = &k->pub;
    return 0;
}

static struct cl_call *call_of(struct sn_http_resp *r)
{
    return SN_CONTAINER_OF(r, struct cl_call, pub);
}

ssize_t sn_http_resp_read(struct sn_http_resp *r, void *buf, size_t cap)
{
    return call_of(r)->ops->copy(call_of(r), buf, cap);
}

ssize_t sn_http_resp_peek(struct sn_http_resp *r, const void **ret)
{
    const char *p = NULL;
    ssize_t n = call_of(r)->ops->next(call_of(r), SIZE_MAX, &p);
    if (n > 0) *ret = p;
    return n;
}

bool sn_http_resp_over(struct sn_http_resp *r)
{
    struct cl_call *k = call_of(r);
    return k->ops->over && k->ops->over(k);
}

int sn_http_resp_all(struct sn_http_resp *r, size_t max, struct sn_str *ret)
{
    if (r->content_length > 0 && (uint64_t)r->content_length > max)
        return sn_fail(SN_E_TOO_LARGE, "response of %lld bytes over %zu",
                       (long long)r->content_length, max);
    struct sn_buf b;
    sn_buf_init(&b, max);
    for (;;) {
        const void *p;
        ssize_t n = sn_http_resp_peek(r, &p);
        if (n < 0) {
            sn_buf_done(&b);
            return (int)n;
        }
        if (n == 0) break;
        if (sn_buf_put(&b, p, (size_t)n) < 0) {
            int e = b.err;
            sn_buf_done(&b);
            return sn_fail(e, "response body over %zu bytes", max);
        }
    }
    struct sn_str s = sn_arena_str(r->arena, sn_buf_view(&b));
    sn_buf_done(&b);
    if (!s.ptr) return SN_E_NOMEM;
    *ret = s;
    return 0;
}

void sn_http_resp_close(struct sn_http_resp *r)
{
    if (!r) return;
    struct cl_call *k = call_of(r);
    if (k->tunnel) {
        cl_h2_hijacked_close(k);
        return;
    }
    k->ops->close(k);
    cl_call_free(k);
}

int sn_http_resp_hijack(struct sn_http_resp *r, struct sn_stream **ret, struct sn_str *ret_rest)
{
    struct cl_call *k = call_of(r);
    if (!k->conn || k->tunnel || (r->status / 100 != 2 && (r->status != 101 || r->version >= 20)))
        return sn_fail(SN_E_FAILED_PRECONDITION, "response cannot be taken over");
    if (k->conn->h2) {
        *ret_rest = (struct sn_str){0};
        return cl_h2_hijack(k, ret);
    }
    struct sn_str rest = sn_str_of(http_in_ptr(&k->in), http_in_len(&k->in));
    if (rest.len) {
        rest = sn_arena_str(&k->arena, rest);
        if (!rest.ptr) return SN_E_NOMEM;
    }
    *ret = k->conn->st;
    *ret_rest = rest;
    k->w->n_conns--;
    sn_free(k->conn);
    k->conn = NULL;
    k->hijacked = true;
    return 0;
}

int sn_http_get(struct sn_http_client *c, struct sn_str url, struct sn_arena *a, int *ret_status,
                struct sn_str *ret_body)
{
    struct sn_http_resp *resp;
    struct sn_http_call call = {.url = url};
    int r = sn_http_do(c, &call, &resp);
    if (r < 0) return r;
    struct sn_str body;
    r = sn_http_resp_all(resp, a->limit ? a->limit : SIZE_MAX / 4, &body);
    if (r >= 0) {
        body = sn_arena_str(a, body);
        r = body.ptr ? 0 : SN_E_NOMEM;
    }
    if (r >= 0) {
        *ret_status = resp->status;
        *ret_body = body;
    }
    sn_http_resp_close(resp);
    return r;
}

/* ---- the end -------------------------------------------------------------------------------- */

struct free_job {
    struct sn_http_client *c;
    unsigned left; /* __atomic */
};

static void free_worker(void *arg)
{
    struct free_job *j = arg;
    struct cl_worker *w = &j->c->workers[sn_worker_id()];
    size_t it = 0;
    for (struct sn_map_slot *s; (s = sn_map_next(&w->by_key, &it));) {
        struct cl_conn *c;
        while ((c = idle_take(s->value))) cl_conn_close(c);
        while (cl_h2_close_one(s->value)) {}
    }
    /* h2 readers that linger, and those whose ready function was already on the way. */
    while (w->n_conns)
        if (sn_sleep(SN_MS) < 0) sn_yield();
    it = 0;
    for (struct sn_map_slot *s; (s = sn_map_next(&w->by_key, &it));) sn_free(s->value);
    sn_map_done(&w->by_key);
    http_pools_done(&w->pools);
    __atomic_sub_fetch(&j->left, 1, __ATOMIC_RELEASE);
}

void sn_http_client_free(struct sn_http_client *c)
{
    if (!c) return;
    struct free_job j = {.c = c, .left = c->n_workers};
    for (unsigned i = 0; i < c->n_workers; i++)
        while (sn_go_cleanup(i, "http client free", free_worker, &j) < 0) sn_yield();
    while (__atomic_load_n(&j.left, __ATOMIC_ACQUIRE)) sn_yield();
    sn_free(c->workers);
    sn_free(c);
}
