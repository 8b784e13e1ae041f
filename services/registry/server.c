/* SPDX-License-Identifier: Apache-2.0 */
/* registry/server.c - the store behind a lock, its clock, its journal, and the listeners. */
#include "registry/server.h"

#include "core/alloc.h"
#include "core/enc.h"
#include "crypto/hash.h"
#include "fiber/chan.h"
#include "fiber/os.h"
#include "kit/grpc.h"
#include "kit/log.h"
#include "kit/metrics.h"
#include "registry/nacos_int.h"
#include "registry/server_int.h"

SN_LOG_MODULE("registry");

#define DRAIN_NS (5 * SN_SEC)
#define MIRROR_AGAIN_NS (200 * SN_MS)
/* Nacos's clients are registered while they are connected: a dead one must not stay for long. */
#define SILENCE_NS (10 * SN_SEC)

/* ---- the lock and the clock ----------------------------------------------------------------- */

void reg_srv_lock(struct sn_regserver *s)
{
    sn_mutex_lock_always(&s->lock);
    s->store.wall_ns = sn_wall_now();
}

static int64_t next_tick(const struct sn_regserver *s)
{
    int64_t at = reg_store_next(&s->store);
    return s->mirror_behind ? SN_MIN(at, sn_now() + MIRROR_AGAIN_NS) : at;
}

void reg_srv_unlock(struct sn_regserver *s)
{
    int64_t next = next_tick(s);
    bool earlier = next < s->tick_at_ns;
    sn_mutex_unlock(&s->lock);
    if (earlier) (void)!sn_chan_try_send(s->tick, NULL);
}

int reg_srv_commit(struct sn_regserver *s)
{
    uint64_t seq = s->logged;
    reg_srv_unlock(s);
    return s->has_journal && seq ? reg_journal_wait(&s->journal, seq) : 0;
}

static void log_record(void *arg, struct sn_str record)
{
    struct sn_regserver *s = arg;
    s->logged = reg_journal_append(&s->journal, record);
}

static int clock_main(void *arg)
{
    struct sn_regserver *s = arg;
    for (;;) {
        reg_srv_lock(s);
        reg_store_tick(&s->store, sn_now());
        if (s->mirror_behind) reg_mirror_sync(s);
        s->tick_at_ns = next_tick(s);
        int64_t at = s->tick_at_ns;
        sn_mutex_unlock(&s->lock);
        struct sn_select_case c = {.chan = s->tick, .op = SN_SELECT_RECV};
        int r = sn_select(&c, 1, at);
        if (r < 0 && (r != SN_E_DEADLINE_EXCEEDED || sn_cancelled())) return 0;
    }
}

/* ---- waiting -------------------------------------------------------------------------------- */

struct blocked {
    struct reg_waiter w;
    struct sn_event *e;
};
static void wake(struct reg_waiter *w) { sn_event_set(SN_CONTAINER_OF(w, struct blocked, w)->e); }

int reg_srv_block_any(struct sn_regserver *s, struct reg_waiter *w, size_t n, int64_t at_ns)
{
    struct sn_event e = {0};
    struct blocked *b = SN_NEW_ARRAY(struct blocked, n);
    if (!b) return SN_E_NOMEM;
    int r = sn_event_is_set(&s->stop) ? SN_E_CANCELLED : 0;
    size_t added = 0;
    for (; r >= 0 && added < n; added++) {
        b[added] = (struct blocked){.w = w[added], .e = &e};
        b[added].w.wake = wake;
        if ((r = reg_store_wait(&s->store, &b[added].w)) < 0) break;
    }
    if (r >= 0) {
        reg_srv_unlock(s);
        r = sn_event_wait_until(&e, at_ns);
        reg_srv_lock(s);
    }
    for (size_t i = 0; i < added; i++) reg_store_unwait(&s->store, &b[i].w);
    sn_free(b);
    if (r >= 0 && sn_event_is_set(&s->stop)) return SN_E_CANCELLED;
    return r;
}

int reg_srv_block(struct sn_regserver *s, enum reg_wait_kind kind, struct sn_str ns,
                  struct sn_str name, int64_t at_ns)
{
    struct reg_waiter w = {.kind = kind, .ns = ns, .name = name};
    return reg_srv_block_any(s, &w, 1, at_ns);
}

void reg_stream_add(struct sn_regserver *s, struct reg_stream *st)
{
    sn_mutex_lock_always(&s->lock);
    sn_list_push_back(&s->streams, &st->node);
    if (sn_event_is_set(&s->stop)) st->poke(st);
    sn_mutex_unlock(&s->lock);
}

void reg_stream_del(struct sn_regserver *s, struct reg_stream *st)
{
    sn_mutex_lock_always(&s->lock);
    sn_list_del(&st->node);
    sn_mutex_unlock(&s->lock);
}

/* ---- requests ------------------------------------------------------------------------------- */

/* A page of another site can make a browser on this machine send us requests. Programs send neither
 * of these fields; a page served by us would send "same-origin". */
static bool foreign_page(const struct sn_http_req *r)
{
    struct sn_str site = sn_http_headers_get(&r->headers, SN_STR("sec-fetch-site"));
    if (site.ptr) return !sn_str_eqc(site, "same-origin") && !sn_str_eqc(site, "none");
    struct sn_str origin = sn_http_headers_get(&r->headers, SN_STR("origin"));
    return origin.ptr && r->method != SN_HTTP_GET;
}

int reg_req_init(struct reg_req *q, struct sn_regserver *s, struct sn_http_x *x)
{
    *q = (struct reg_req){.srv = s, .x = x, .a = x->arena};
    __atomic_add_fetch(&s->requests, 1, __ATOMIC_RELAXED);
    if (foreign_page(&x->req)) {
        __atomic_add_fetch(&s->refused, 1, __ATOMIC_RELAXED);
        return reg_text(q, 403, "requests of other sites' pages are refused") < 0 ? SN_E_IO : 1;
    }
    char *out = sn_arena_alloc(q->a, x->req.path.len + 1);
    if (!out) return SN_E_NOMEM;
    ssize_t n = sn_pct_decode(x->req.path, false, out);
    if (n < 0) return reg_text(q, 400, "malformed percent-encoding in the path") < 0 ? SN_E_IO : 1;
    q->path = sn_str_of(out, (size_t)n);
    struct sn_str type = sn_http_headers_get(&x->req.headers, SN_STR("content-type"));
    if (sn_str_starts(type, SN_STR("application/x-www-form-urlencoded"))) {
        int r = reg_body(q);
        if (r < 0) return r;
        q->form = q->body.len ? q->body : (struct sn_str){0};
    }
    return 0;
}

int reg_body(struct reg_req *q)
{
    if (q->body_read) return 0;
    q->body_read = true;
    return sn_http_body_all(q->x, REG_BODY_MAX, &q->body);
}

static struct sn_str param_in(struct reg_req *q, struct sn_str text, struct sn_str name)
{
    while (text.ptr) {
        struct sn_str value = sn_str_cut(&text, '&'), key = sn_str_cut(&value, '=');
        if (!sn_str_eq(key, name)) continue;
        char *out = sn_arena_alloc(q->a, value.len + 1);
        ssize_t n = out ? sn_pct_decode(value, true, out) : -1;
        if (n >= 0) return sn_str_of(out, (size_t)n);
        return sn_str_of(value.ptr ? value.ptr : "", value.len);
    }
    return (struct sn_str){0};
}

struct sn_str reg_param(struct reg_req *q, const char *name)
{
    struct sn_str v = param_in(q, q->x->req.query, sn_str(name));
    return v.ptr ? v : param_in(q, q->form, sn_str(name));
}

struct sn_str reg_param_or(struct reg_req *q, const char *name, const char *def)
{
    struct sn_str v = reg_param(q, name);
    return v.len ? v : sn_str(def);
}

bool reg_flag(struct reg_req *q, const char *name)
{
    struct sn_str v = reg_param(q, name);
    return v.ptr && !sn_str_eqc(v, "false") && !sn_str_eqc(v, "0");
}

bool reg_is_token(const struct sn_regserver *s, struct sn_str got)
{
    uint8_t a[32], b[32]; /* digests: the comparison tells nothing about the length either */
    struct sn_str nonce = sn_str(s->token_nonce);
    if (!got.ptr || sn_hash_once(SN_SHA256, got.ptr, got.len, a) < 0) return false;
    if (sn_hash_once(SN_SHA256, s->o.token.ptr, s->o.token.len, b) >= 0 && sn_equal_ct(a, b, 32))
        return true;
    return sn_hash_once(SN_SHA256, nonce.ptr, nonce.len, b) >= 0 && sn_equal_ct(a, b, 32);
}

bool reg_may_write(struct reg_req *q, const char *header, const char *param)
{
    if (!q->srv->o.token.len) return true;
    const struct sn_http_headers *h = &q->x->req.headers;
    struct sn_str bearer = sn_http_headers_get(h, SN_STR("authorization"));
    bool ok =
        (header && reg_is_token(q->srv, sn_http_headers_get(h, sn_str(header)))) ||
        (sn_str_starts(bearer, SN_STR("Bearer ")) && reg_is_token(q->srv, sn_str_from(bearer, 7))) ||
        (param && reg_is_token(q->srv, reg_param(q, param)));
    if (!ok) __atomic_add_fetch(&q->srv->refused, 1, __ATOMIC_RELAXED);
    return ok;
}

int reg_text(struct reg_req *q, int status, const char *text)
{
    return sn_http_reply(q->x, status, SN_STR("text/plain; charset=utf-8"), sn_str(text));
}

int reg_text_of(struct reg_req *q, int code)
{
    if (code == SN_E_NOMEM || code == SN_E_CANCELLED) return code;
    char text[SN_DIAG_BYTES + 64];
    return reg_text(q, sn_status_http(code), sn_diag_format(code, text, sizeof(text)));
}

int reg_json(struct reg_req *q, int status, struct sn_buf *b)
{
    int r = b->err;
    if (r >= 0) r = sn_http_reply(q->x, status, SN_STR("application/json"), sn_buf_view(b));
    sn_buf_done(b);
    return r;
}

static bool same_word(struct sn_str given, const char *name)
{
    size_t k = 0;
    for (size_t i = 0; i < given.len; i++) {
        if (given.ptr[i] == '_') continue;
        if (!name[k] || sn_ascii_lower(given.ptr[i]) != sn_ascii_lower(name[k])) return false;
        k++;
    }
    return name[k] == 0;
}

const struct sn_json *reg_json_get(const struct sn_json *obj, const char *name)
{
    for (SN_JSON_MEMBERS(obj, m))
        if (same_word(sn_json_str(&m->key), name)) return &m->value;
    return NULL;
}

struct sn_str reg_json_str(const struct sn_json *obj, const char *name)
{
    return sn_json_str(reg_json_get(obj, name));
}

/* ---- opening -------------------------------------------------------------------------------- */

static int replay_one(void *arg, struct sn_str record)
{
    struct sn_regserver *s = arg;
    return reg_store_replay(&s->store, record);
}
static int dump_all(void *arg, int (*emit)(void *to, struct sn_str record), void *to)
{
    struct sn_regserver *s = arg;
    return reg_store_dump(&s->store, emit, to);
}
static void hold(void *arg) { sn_mutex_lock_always(&((struct sn_regserver *)arg)->lock); }
static void release(void *arg) { sn_mutex_unlock(&((struct sn_regserver *)arg)->lock); }

static int open_journal(struct sn_regserver *s)
{
    if (!s->o.data_dir) return 0;
    struct sn_str path = sn_arena_printf(&s->arena, "%s/registry.journal", s->o.data_dir);
    if (!path.ptr) return SN_E_NOMEM;
    int r = sn_mkdirs(s->o.data_dir, 0700);
    int64_t cut = 0;
    if (r >= 0) r = reg_journal_open(&s->journal, path.ptr, replay_one, s, &cut);
    if (r < 0) return r;
    if (cut)
        SN_LOG_WARN("journal: an unfinished end was cut off", SN_L("bytes", cut),
                    SN_L("kept", "registry.journal.damaged"));
    s->has_journal = true;
    s->journal.dump = dump_all;
    s->journal.hold = hold;
    s->journal.release = release;
    s->journal.arg = s;
    s->store.rev = SN_MAX(s->store.rev, s->store.rev_reserved) + 1;
    s->store.rev_reserved = s->store.catalog_rev = s->store.del_rev = s->store.compacted =
        s->store.rev;
    s->store.log = log_record;
    s->store.log_arg = s;
    return 0;
}

static int open_face(struct sn_regserver *s, const char *name, const char *addr, sn_http_handler h)
{
    if (!addr) return 0;
    struct reg_face_srv *f = &s->faces[s->n_faces];
    struct sn_http_server_opts o = {
        .handler = h, .arg = s, .ctx = s, .server_name = "sennit", .body_bytes_max = REG_BODY_MAX};
    int r = sn_listen(addr, NULL, &f->listener);
    if (r < 0) return sn_wrap(r, "%s face", name);
    f->name = name;
    s->n_faces++;
    return sn_http_server_new(&o, &f->http);
}

static int count_call(struct sn_grpc_call *c, struct sn_grpc_chain *next, void *server)
{
    struct sn_regserver *s = server;
    __atomic_add_fetch(&s->requests, 1, __ATOMIC_RELAXED);
    return sn_grpc_next(c, next);
}

struct sn_grpc_interceptor reg_count_calls(struct sn_regserver *s)
{
    return (struct sn_grpc_interceptor){.name = "registry", .around = count_call, .arg = s};
}

/* A page of another site could send JSON to the gateway. */
static int grpc_handler(struct sn_http_x *x, void *grpc)
{
    if (foreign_page(&x->req))
        return sn_http_reply(x, 403, SN_STR("text/plain; charset=utf-8"),
                             SN_STR("requests of other sites' pages are refused"));
    return sn_grpc_handle(x, grpc);
}

/* silence_ns: a connection with calls that says nothing for so long is asked whether it lives. */
static int open_grpc_face(struct sn_regserver *s, const char *name, const char *addr,
                          int (*open)(struct sn_regserver *s, struct sn_grpc_server **ret),
                          int64_t silence_ns)
{
    if (!addr) return 0;
    struct reg_face_srv *f = &s->faces[s->n_faces];
    int r = sn_listen(addr, NULL, &f->listener);
    if (r < 0) return sn_wrap(r, "%s face", name);
    f->name = name;
    s->n_faces++;
    if ((r = open(s, &f->grpc)) < 0) return r;
    /* No limit of bodies: a stream of small requests is one. Messages have theirs. */
    struct sn_http_server_opts o = {.handler = grpc_handler,
                                    .arg = f->grpc,
                                    .server_name = "sennit",
                                    .h2_keepalive_ns = silence_ns,
                                    .h2_keepalive_timeout_ns = SILENCE_NS};
    sn_grpc_http_defaults(&o);
    /* Clients of etcd and Nacos ping as often as their own servers allow: every 5 s. */
    o.h2_ping_min_ns = 4 * SN_SEC;
    return sn_http_server_new(&o, &f->http);
}

static int copy_opts(struct sn_regserver *s, const struct sn_regserver_opts *o)
{
    s->o = *o;
    const char **texts[] = {&s->o.consul, &s->o.nacos,    &s->o.nacos_grpc, &s->o.apollo,
                            &s->o.etcd,   &s->o.data_dir, &s->o.datacenter, &s->o.node};
    if (!s->o.datacenter) s->o.datacenter = "dc1";
    if (!s->o.node) s->o.node = "sennit";
    if (!s->o.wait_ns_max) s->o.wait_ns_max = 10 * SN_MINUTE;
    for (size_t i = 0; i < SN_COUNT_OF(texts); i++)
        if (*texts[i] && !(*texts[i] = sn_arena_str(&s->arena, sn_str(*texts[i])).ptr))
            return SN_E_NOMEM;
    if (!(s->o.token = sn_arena_str(&s->arena, o->token)).ptr ||
        !(s->o.apollo_secret = sn_arena_str(&s->arena, o->apollo_secret)).ptr)
        return SN_E_NOMEM;
    if (!o->consul && !o->nacos && !o->nacos_grpc && !o->apollo && !o->etcd)
        return sn_fail(SN_E_INVALID_ARGUMENT, "registry server: every face is off");
    return 0;
}

int sn_regserver_new(const struct sn_regserver_opts *opts, struct sn_regserver **ret)
{
    struct sn_regserver *s = SN_NEW(struct sn_regserver);
    if (!s) return SN_E_NOMEM;
    sn_arena_init(&s->arena, NULL, 0);
    struct reg_store_limits lim = {.instances_max = opts->instances_max,
                                   .keys_max = opts->keys_max,
                                   .key_bytes_max = opts->key_bytes_max,
                                   .waiters_max = opts->waiters_max};
    s->tick_at_ns = SN_FOREVER;
    sn_list_init(&s->streams);
    sn_map_init(&s->nacos_conns, sn_random(), false);
    sn_map_init(&s->nacos_subs, sn_random(), false);
    sn_list_init(&s->nacos_sub_list);
    int r = copy_opts(s, opts);
    if (r >= 0) r = reg_store_init(&s->store, &lim, sn_random());
    if (r >= 0 && !(s->tick = sn_chan_new(0, 1))) r = SN_E_NOMEM;
    if (r >= 0)
        r = sn_http_client_new(&(struct sn_http_client_opts){.idle_per_addr_max = 1}, &s->http);
    if (r >= 0) r = open_journal(s);
    if (r >= 0 && !s->store.identity) reg_store_identify(&s->store, sn_random() | 1);
    if (r >= 0) r = open_face(s, "consul", s->o.consul, reg_consul_handler);
    if (r >= 0) r = open_face(s, "nacos", s->o.nacos, reg_nacos_handler);
    if (r >= 0) r = open_face(s, "apollo", s->o.apollo, reg_apollo_handler);
    if (r >= 0) r = open_grpc_face(s, "etcd", s->o.etcd, reg_etcd_open, SN_MINUTE);
    if (r >= 0)
        r = open_grpc_face(s, "nacos_grpc", s->o.nacos_grpc, reg_nacos_grpc_open, SILENCE_NS);
    if (r >= 0 && s->o.etcd) reg_mirror_start(s);
    uint64_t nonce[2] = {sn_random(), sn_random()};
    uint8_t digest[32];
    if (r >= 0)
        r = sn_hmac_once(SN_SHA256, s->o.token.ptr, s->o.token.len, nonce, sizeof(nonce), digest);
    if (r < 0) {
        sn_regserver_free(s);
        return r;
    }
    s->token_nonce[sn_hex_encode(digest, 16, s->token_nonce)] = 0;
    *ret = s;
    return 0;
}

void sn_regserver_free(struct sn_regserver *s)
{
    if (!s) return;
    for (unsigned i = 0; i < s->n_faces; i++) {
        if (s->faces[i].listener) sn_listener_close(s->faces[i].listener);
        if (s->faces[i].http) sn_http_server_free(s->faces[i].http);
        sn_grpc_server_free(s->faces[i].grpc);
    }
    sn_http_client_free(s->http);
    if (s->store.events) reg_store_done(&s->store);
    if (s->has_journal) reg_journal_done(&s->journal);
    sn_chan_free(s->tick);
    sn_map_done(&s->nacos_conns);
    nacos_push_free(s);
    sn_wipe((void *)(uintptr_t)s->o.token.ptr, s->o.token.len);
    sn_wipe((void *)(uintptr_t)s->o.apollo_secret.ptr, s->o.apollo_secret.len);
    sn_arena_done(&s->arena);
    sn_free(s);
}

/* ---- running -------------------------------------------------------------------------------- */

static int serve_face(void *arg)
{
    struct reg_face_srv *f = arg;
    int r = sn_http_serve(f->http, f->listener);
    f->listener = NULL; /* closed by the drain */
    return r == SN_E_CANCELLED ? 0 : r;
}

static int drain(void *arg)
{
    struct sn_regserver *s = arg;
    sn_mutex_lock_always(&s->lock);
    reg_store_wake_all(&s->store);
    SN_LIST_EACH (&s->streams, n) {
        struct reg_stream *st = SN_LIST_ENTRY(n, struct reg_stream, node);
        st->poke(st);
    }
    sn_mutex_unlock(&s->lock);
    for (unsigned i = 0; i < s->n_faces; i++)
        (void)sn_http_server_drain(s->faces[i].http, DRAIN_NS);
    if (s->has_journal) reg_journal_stop(&s->journal);
    return 0;
}

static int journal_main(void *arg)
{
    struct sn_regserver *s = arg;
    return reg_journal_run(&s->journal);
}

int sn_regserver_run(struct sn_regserver *s)
{
    struct sn_scope_storage mem, inner_mem;
    struct sn_scope *scope = sn_scope_begin(&mem);
    int r = s->has_journal ? sn_scope_go(scope, "journal", journal_main, s) : 0;
    struct sn_scope *inner = sn_scope_begin(&inner_mem);
    if (r >= 0) r = sn_scope_go(inner, "registry clock", clock_main, s);
    if (r >= 0) r = sn_scope_go(inner, "registry checks", reg_checks_run, s);
    if (r >= 0 && s->o.nacos) r = sn_scope_go(inner, "nacos push", nacos_push_run, s);
    for (unsigned i = 0; r >= 0 && i < s->n_faces; i++)
        r = sn_scope_go(inner, s->faces[i].name, serve_face, &s->faces[i]);
    if (r >= 0) (void)!sn_event_wait(&s->stop);
    sn_event_set(&s->stop);
    (void)!sn_shield(3 * DRAIN_NS, drain, s);
    sn_scope_cancel(inner);
    int e = sn_scope_end(inner);
    if (r >= 0 && e < 0 && e != SN_E_CANCELLED) r = e;
    e = sn_scope_end(scope);
    return r < 0 ? r : e == SN_E_CANCELLED ? 0 : e;
}

void sn_regserver_stop(struct sn_regserver *s) { sn_event_set(&s->stop); }

int sn_regserver_addr(struct sn_regserver *s, const char *face, char *out, size_t cap)
{
    for (unsigned i = 0; i < s->n_faces; i++)
        if (strcmp(s->faces[i].name, face) == 0 && s->faces[i].listener)
            return sn_listener_addr(s->faces[i].listener, out, cap);
    return SN_E_NOT_FOUND;
}

void sn_regserver_stats(struct sn_regserver *s, struct sn_regserver_stats *ret)
{
    reg_srv_lock(s);
    const struct reg_store *st = &s->store;
    *ret = (struct sn_regserver_stats){.instances = st->n_insts,
                                       .keys = st->kvs.len,
                                       .leases = st->leases.len,
                                       .waiting = st->n_waiters,
                                       .revision = st->rev};
    struct sn_map_slot *slot;
    size_t it = 0;
    while ((slot = sn_map_next(&st->services, &it)))
        ret->services += ((struct reg_service *)slot->value)->n > 0;
    reg_srv_unlock(s);
    ret->requests = __atomic_load_n(&s->requests, __ATOMIC_RELAXED);
    ret->refused = __atomic_load_n(&s->refused, __ATOMIC_RELAXED);
}
