/* SPDX-License-Identifier: Apache-2.0 */
/* registry/etcd.c - etcd v3 as a backend. What a service has is read once and then followed by a
 * watch from the next revision on, so changes cost what they are; a question ends after wait_ns
 * with a progress request, because a watch that says nothing and one that is dead look alike.
 * Calls go round the endpoints that are connected. SPEC: etcd's api/v3. */
#include "core/alloc.h"
#include "core/map.h"
#include "crypto/hash.h"
#include "etcd/rpc.grpc.h"
#include "fiber/net.h"
#include "fiber/sync.h"
#include "kit/log.h"
#include "kit/tls.h"
#include "registry/etcd_int.h"

SN_LOG_MODULE("registry");

#define ADDRS_PER_SERVER 8
#define RESOLVE_AGAIN_NS (30 * SN_SEC)
/* A cluster that was wiped and has the same name tells nobody: what it has is compared from time to
 * time. */
#define RELOAD_NS (5 * SN_MINUTE)
#define ANSWER_MAX (64u << 20) /* ten thousand instances with their labels */

struct etcd {
    struct reg_env *env;
    const struct etcd_layout *layout;
    struct sn_str base, config, user;
    struct sn_grpc_resolver resolver;
    struct sn_tls_config *tls;
    struct sn_grpc_channel *ch;
    struct sn_mutex lock;
    char *token; /* under the lock; NULL: none, or no longer good */
};

/* ---- endpoints ------------------------------------------------------------------------------ */

static unsigned addresses_of(struct sn_str server, struct sn_arena *a, struct sn_grpc_address *ret)
{
    char found[ADDRS_PER_SERVER][SN_ADDR_TEXT_MAX];
    ssize_t colon = sn_str_rchr(server, ':');
    struct sn_str host = sn_str_sub(server, 0, (size_t)colon),
                  port = sn_str_from(server, (size_t)colon + 1);
    if (host.len > 2 && host.ptr[0] == '[') host = sn_str_sub(host, 1, host.len - 1);
    int n = sn_resolve(host, found, ADDRS_PER_SERVER);
    unsigned kept = 0;
    for (int i = 0; i < n; i++) {
        bool v6 = strchr(found[i], ':') != NULL;
        struct sn_str at =
            sn_arena_printf(a, v6 ? "[%s]:%.*s" : "%s:%.*s", found[i], SN_STR_ARG(port));
        if (at.ptr) ret[kept++] = (struct sn_grpc_address){.addr = at, .host = server};
    }
    return kept;
}

static int publish_servers(struct sn_grpc_resolving *r, const struct etcd *e)
{
    struct sn_arena a;
    const struct reg_url *u = &e->env->url;
    sn_arena_init(&a, NULL, 1 << 20);
    struct sn_grpc_address *addrs =
        SN_ARENA_ARRAY(&a, struct sn_grpc_address, (size_t)u->n_servers * ADDRS_PER_SERVER);
    unsigned n = 0;
    for (uint32_t i = 0; addrs && i < u->n_servers; i++)
        n += addresses_of(u->servers[i], &a, addrs + n);
    int err = n ? sn_grpc_resolved(r, addrs, n, true, (struct sn_str){0}, 0)
                : sn_grpc_resolved(r, NULL, 0, false, (struct sn_str){0}, SN_E_UNAVAILABLE);
    sn_arena_done(&a);
    return err < 0 ? err : (int)n;
}

/* Names are looked up again when a connection fails, at most twice a minute. */
static int run_servers(struct sn_grpc_resolving *r, struct sn_str target, void *backend)
{
    for (;;) {
        int n = publish_servers(r, backend);
        int64_t again = sn_now() + (n > 0 ? RESOLVE_AGAIN_NS : SN_SEC);
        while (sn_now() < again) {
            int w = sn_grpc_resolve_wait(r, again);
            if (w < 0) return w;
        }
    }
}

/* ---- calls ---------------------------------------------------------------------------------- */

static void forget_token(struct etcd *e)
{
    sn_mutex_lock_always(&e->lock);
    if (e->token) sn_wipe(e->token, strlen(e->token));
    sn_free(e->token);
    e->token = NULL;
    sn_mutex_unlock(&e->lock);
}

static int login(struct etcd *e)
{
    struct sn_arena a;
    struct etcdserverpb_authenticate_request q = {.name = e->user, .password = e->env->token};
    struct etcdserverpb_authenticate_response *rep;
    struct sn_grpc_status st = {0};
    sn_arena_init(&a, NULL, 1 << 20);
    int r = etcdserverpb_auth_authenticate_call(e->ch, &q, &a, &rep,
                                                &(struct sn_grpc_opts){.ret_status = &st});
    /* A server that asks nobody who they are is not asked again before it refuses a call. */
    bool off = r == SN_E_FAILED_PRECONDITION &&
               sn_str_find(st.message, SN_STR("not enabled")) >= 0;
    char *token = NULL;
    if (r >= 0 || off) {
        struct sn_str t = off ? SN_STR("") : rep->token;
        r = (token = sn_alloc(t.len + 1)) ? 0 : SN_E_NOMEM;
        if (token) {
            if (t.len) memcpy(token, t.ptr, t.len);
            token[t.len] = 0;
        }
    }
    sn_arena_done(&a);
    if (r < 0) return sn_wrap(r, "etcd: user %.*s", SN_STR_ARG(e->user));
    forget_token(e);
    sn_mutex_lock_always(&e->lock);
    sn_free(e->token);
    e->token = token;
    sn_mutex_unlock(&e->lock);
    return 0;
}

/* The token to send, in the arena; empty without one. */
static int token_for(struct etcd *e, struct sn_arena *a, struct sn_str *ret)
{
    *ret = SN_STR("");
    if (!e->user.len) return 0;
    for (int i = 0; i < 2; i++) {
        sn_mutex_lock_always(&e->lock);
        struct sn_str t = e->token ? sn_arena_str(a, sn_str(e->token)) : (struct sn_str){0};
        bool have = e->token != NULL;
        sn_mutex_unlock(&e->lock);
        if (have) {
            *ret = t;
            return t.ptr ? 0 : SN_E_NOMEM;
        }
        int r = login(e);
        if (r < 0) return r;
    }
    return sn_fail(SN_E_UNAUTHENTICATED, "etcd: the token is gone as soon as it is there");
}

static unsigned metadata(struct sn_str token, bool leader, struct sn_http_header md[2])
{
    unsigned n = 0;
    if (token.len) md[n++] = (struct sn_http_header){SN_STR("token"), token};
    if (leader) md[n++] = (struct sn_http_header){SN_STR("hasleader"), SN_STR("true")};
    return n;
}

/* The token has run out, or the server has begun to ask for one. */
static bool wants_login(const struct etcd *e, int r, const struct sn_grpc_status *st)
{
    if (!e->user.len) return false;
    return r == SN_E_UNAUTHENTICATED ||
           (r == SN_E_INVALID_ARGUMENT && (sn_str_find(st->message, SN_STR("user name is empty")) >= 0 ||
                                           sn_str_find(st->message, SN_STR("auth store is old")) >= 0));
}

static int call(struct etcd *e, const struct sn_pb_service *svc, unsigned method, const void *req,
                struct sn_arena *a, void **ret)
{
    struct sn_http_header md[2];
    struct sn_grpc_status st = {0};
    struct sn_str token;
    int r = 0;
    for (int i = 0; i < 2; i++) {
        if ((r = token_for(e, a, &token)) < 0) return r;
        struct sn_grpc_opts o = {.metadata = md, .ret_status = &st};
        o.n_metadata = metadata(token, false, md);
        r = sn_grpc_unary(e->ch, &svc->methods[method], req, a, ret, &o);
        if (r >= 0 || !wants_login(e, r, &st)) break;
        forget_token(e);
    }
    return r < 0 ? sn_wrap(r, "etcd: %.*s", SN_STR_ARG(svc->methods[method].name)) : 0;
}

/* Methods by their place in their service. */
enum { KV_RANGE, KV_PUT, KV_DELETE };
enum { LEASE_GRANT, LEASE_REVOKE, LEASE_KEEP };

static int get(struct etcd *e, const struct etcdserverpb_range_request *q, struct sn_arena *a,
               struct etcdserverpb_range_response **ret)
{
    void *m = NULL;
    int r = call(e, &etcdserverpb_kv_service, KV_RANGE, q, a, &m);
    if (r >= 0) *ret = m;
    return r;
}

/* ---- following ------------------------------------------------------------------------------ */

struct item {
    uint32_t len;
    char bytes[];
};
/* What is known of a service's keys, or of one key. */
struct follow {
    struct sn_map items; /* key to struct item */
    uint64_t rev, cluster;
    int64_t loaded_ns;
    bool loaded;
    struct sn_grpc_call *call; /* the watch of one pull */
    int64_t ask_at;
};

static void forget_items(struct follow *f)
{
    struct sn_map_slot *s;
    size_t it = 0;
    while ((s = sn_map_next(&f->items, &it))) sn_free(s->value);
    sn_map_done(&f->items);
}

static struct follow *follow_of(struct reg_pull *p)
{
    if (p->state) return p->state;
    struct follow *f = SN_NEW(struct follow);
    if (f) sn_map_init(&f->items, sn_random(), true);
    return p->state = f;
}

static void etcd_pull_done(void *b, struct reg_pull *p)
{
    struct follow *f = p->state;
    if (!f) return;
    forget_items(f);
    sn_free(f);
    p->state = NULL;
}

static int set_item(struct follow *f, struct sn_str key, struct sn_str value)
{
    void *old = NULL;
    struct item *it = sn_alloc(sizeof(*it) + value.len);
    if (!it) return SN_E_NOMEM;
    it->len = (uint32_t)value.len;
    if (value.len) memcpy(it->bytes, value.ptr, value.len);
    int r = sn_map_put(&f->items, key, it, &old);
    sn_free(r < 0 ? it : old);
    return r < 0 ? r : 0;
}

static int load(struct etcd *e, struct follow *f, struct sn_arena *a, struct sn_str key,
                struct sn_str end)
{
    struct etcdserverpb_range_request q = {.key = key, .range_end = end};
    struct etcdserverpb_range_response *rep;
    f->loaded = false;
    int r = get(e, &q, a, &rep);
    if (r < 0) return r;
    if (!rep->header) return sn_fail(SN_E_PROTOCOL, "etcd: an answer without a header");
    forget_items(f);
    for (uint32_t i = 0; r >= 0 && i < rep->kvs.len; i++)
        r = set_item(f, rep->kvs.ptr[i]->key, rep->kvs.ptr[i]->value);
    f->rev = (uint64_t)rep->header->revision;
    f->cluster = rep->header->cluster_id;
    f->loaded_ns = sn_now();
    f->loaded = r >= 0;
    return r;
}

/* The client's half of a dead connection says nothing: an answer to this says that it lives. */
static int ask_progress(void *follow)
{
    struct follow *f = follow;
    struct etcdserverpb_watch_progress_request ask = {0};
    struct etcdserverpb_watch_request q = {.request_union_case = 3, .progress_request = &ask};
    int r = sn_sleep(f->ask_at - sn_now());
    if (r >= 0) r = etcdserverpb_watch_watch_send(f->call, &q);
    return r == SN_E_EOF ? 0 : r; /* its receive tells how it ended */
}

/* Applies one message. Returns 1 with a change, 0 where nothing is over yet, SN_E_AGAIN at the end
 * of the waiting, failures. */
static int apply(struct etcd *e, struct follow *f, const struct etcdserverpb_watch_response *m)
{
    if (m->canceled) {
        if (m->compact_revision > 0) return SN_E_OUT_OF_RANGE;
        if (e->user.len) forget_token(e); /* a watch with an old token is merely cancelled */
        return sn_fail(SN_E_UNAVAILABLE, "etcd: the watch was cancelled: %.*s",
                       SN_STR_ARG(sn_str_sub(m->cancel_reason, 0, 200)));
    }
    if (m->created) {
        /* A server that knows fewer revisions than we do began anew, or lags: what it will call the
         * next one may be long past for us. Another cluster's revisions are others altogether. */
        const struct etcdserverpb_response_header *h = m->header;
        bool other = h && ((uint64_t)h->revision < f->rev || h->cluster_id != f->cluster);
        return other ? SN_E_OUT_OF_RANGE : 0;
    }
    if (!m->events.len && !m->fragment) return SN_E_AGAIN;
    uint64_t rev = f->rev;
    for (uint32_t i = 0; i < m->events.len; i++) {
        const struct mvccpb_event *ev = m->events.ptr[i];
        if (!ev->kv) return sn_fail(SN_E_PROTOCOL, "etcd: an event without a key");
        if (ev->type == MVCCPB_EVENT_EVENT_TYPE_DELETE) {
            sn_free(sn_map_del(&f->items, ev->kv->key));
        } else {
            int r = set_item(f, ev->kv->key, ev->kv->value);
            if (r < 0) return r;
        }
        rev = SN_MAX(rev, (uint64_t)ev->kv->mod_revision);
    }
    if (m->fragment) return 0; /* the rest of the revision is to come */
    f->rev = rev;
    return 1;
}

/* Reads until something has changed or the server has said, on being asked, that nothing has. The
 * revision such an answer carries is not gone on from: before 3.4.25 and 3.5.8 it may be ahead of
 * events that are still to come. */
static int read_changes(struct etcd *e, struct follow *f)
{
    struct etcdserverpb_watch_response *m;
    int r;
    do {
        r = etcdserverpb_watch_watch_recv(f->call, NULL, &m);
        if (r == 0) r = sn_fail(SN_E_UNAVAILABLE, "etcd: the watch has ended");
        if (r > 0) r = apply(e, f, m);
        /* An unasked progress notification is none of ours: we do not ask for them. */
    } while (r == 0);
    return r == SN_E_AGAIN ? 0 : r;
}

static int watch(struct etcd *e, struct follow *f, struct sn_arena *a, struct sn_str key,
                 struct sn_str end)
{
    struct etcdserverpb_watch_create_request c = {.key = key,
                                                  .range_end = end,
                                                  .start_revision = (int64_t)f->rev + 1,
                                                  .fragment = true};
    struct etcdserverpb_watch_request q = {.request_union_case = 1, .create_request = &c};
    struct sn_http_header md[2];
    struct sn_str token;
    int r = token_for(e, a, &token);
    if (r < 0) return r;
    f->ask_at = sn_now() + e->env->wait_ns;
    int64_t prev = sn_deadline_tighten(f->ask_at + e->env->call_ns_max);
    struct sn_grpc_opts o = {.metadata = md};
    o.n_metadata = metadata(token, true, md);
    r = etcdserverpb_watch_watch_open(e->ch, &o, &f->call);
    if (r >= 0) {
        struct sn_scope_storage mem;
        struct sn_scope *scope = sn_scope_begin(&mem);
        r = etcdserverpb_watch_watch_send(f->call, &q);
        if (r == SN_E_EOF) r = 0; /* over already: receiving tells why */
        if (r >= 0)
            r = sn_scope_go_on(scope, (unsigned)sn_worker_id(), "etcd progress", ask_progress, f);
        if (r >= 0) r = read_changes(e, f);
        sn_scope_cancel(scope);
        (void)!sn_scope_end(scope);
        (void)sn_grpc_close(f->call);
        f->call = NULL;
    }
    sn_deadline_restore(prev);
    if (r == SN_E_UNAUTHENTICATED) forget_token(e);
    return r == SN_E_OUT_OF_RANGE || r >= 0 ? r : sn_wrap(r, "etcd: watch");
}

/* Returns 1 where the items are others than at the last call, 0, failures. */
static int follow(struct etcd *e, struct follow *f, struct reg_pull *p, struct sn_str key,
                  struct sn_str end)
{
    bool young = sn_now() - f->loaded_ns < RELOAD_NS;
    if (!p->fresh && f->loaded && young) return watch(e, f, p->arena, key, end);
    int r = load(e, f, p->arena, key, end);
    return r < 0 ? r : 1;
}

/* ---- services and keys ---------------------------------------------------------------------- */

static int list_of(struct etcd *e, const struct follow *f, struct reg_pull *p, size_t prefix_len)
{
    struct sn_map_slot *s;
    size_t it = 0;
    p->n = 0;
    p->list = SN_ARENA_ARRAY(p->arena, struct sn_instance, f->items.len + 1);
    if (!p->list) return SN_E_NOMEM;
    while ((s = sn_map_next(&f->items, &it))) {
        const struct item *v = s->value;
        struct sn_instance in = {.id = sn_str_from(s->key, prefix_len), .service = p->name};
        int r = in.id.len ? e->layout->parse(sn_str_of(v->bytes, v->len), p->arena, &in) : 0;
        if (r == SN_E_NOMEM) return r;
        if (r < 0) /* one unreadable key does not take the others away */
            SN_LOG_WARN("etcd: key passed over", SN_L("key", s->key), SN_L_ERR(r));
        else if (in.id.len)
            p->list[p->n++] = in;
    }
    return 0;
}

static int etcd_pull(void *b, struct reg_pull *p)
{
    struct etcd *e = b;
    struct follow *f = follow_of(p);
    if (!f) return SN_E_NOMEM;
    struct sn_buf key;
    sn_buf_init(&key, 0);
    int r = etcd_key(e->base, p->name, SN_STR(""), &key);
    struct sn_str prefix = sn_buf_view(&key);
    struct sn_str end = r < 0 ? (struct sn_str){0} : etcd_range_end(p->arena, prefix);
    if (r >= 0 && !end.ptr) r = SN_E_NOMEM;
    if (r >= 0) r = follow(e, f, p, prefix, end);
    if (r > 0 && (r = list_of(e, f, p, prefix.len)) >= 0) r = 1;
    /* What has been applied and could not be told is read anew. */
    if (r == SN_E_NOMEM) f->loaded = false;
    sn_buf_done(&key);
    return r;
}

static int config_key(const struct etcd *e, struct sn_str name, struct sn_buf *b)
{
    if (!e->config.len) return sn_buf_str(b, name);
    (void)sn_buf_str(b, e->config);
    (void)sn_buf_byte(b, '/');
    return sn_buf_str(b, name);
}

static int etcd_config(void *b, struct reg_pull *p)
{
    struct etcd *e = b;
    struct follow *f = follow_of(p);
    if (!f) return SN_E_NOMEM;
    struct sn_buf key;
    sn_buf_init(&key, 0);
    int r = config_key(e, p->name, &key);
    if (r >= 0) r = follow(e, f, p, sn_buf_view(&key), (struct sn_str){0});
    if (r > 0) {
        const struct item *v = sn_map_get(&f->items, sn_buf_view(&key));
        p->found = v != NULL;
        p->text = v ? sn_arena_str(p->arena, sn_str_of(v->bytes, v->len)) : SN_STR("");
        if (!p->text.ptr) r = SN_E_NOMEM;
    }
    if (r == SN_E_NOMEM) f->loaded = false;
    sn_buf_done(&key);
    return r;
}

static int put_key(struct etcd *e, struct sn_arena *a, struct sn_str key, struct sn_str value,
                   uint64_t lease)
{
    struct etcdserverpb_put_request q = {.key = key, .value = value, .lease = (int64_t)lease};
    void *rep;
    return call(e, &etcdserverpb_kv_service, KV_PUT, &q, a, &rep);
}

static int etcd_publish(void *b, struct sn_str key, struct sn_str text)
{
    struct etcd *e = b;
    struct sn_arena a;
    struct sn_buf k;
    sn_arena_init(&a, NULL, 1 << 20);
    sn_buf_init(&k, 0);
    int r = config_key(e, key, &k);
    if (r >= 0) r = put_key(e, &a, sn_buf_view(&k), text, 0);
    sn_buf_done(&k);
    sn_arena_done(&a);
    return r;
}

/* ---- registering ---------------------------------------------------------------------------- */

/* One heartbeat of a lease. Returns 0, SN_E_NOT_FOUND where the server does not know it. */
static int keep(struct etcd *e, struct sn_arena *a, uint64_t lease)
{
    struct etcdserverpb_lease_keep_alive_request q = {.ID = (int64_t)lease};
    struct etcdserverpb_lease_keep_alive_response *rep;
    struct sn_grpc_call *c;
    struct sn_http_header md[2];
    struct sn_str token;
    int r = token_for(e, a, &token);
    if (r < 0) return r;
    struct sn_grpc_opts o = {.metadata = md};
    o.n_metadata = metadata(token, true, md);
    if ((r = etcdserverpb_lease_lease_keep_alive_open(e->ch, &o, &c)) < 0)
        return sn_wrap(r, "etcd: keepalive");
    r = etcdserverpb_lease_lease_keep_alive_send(c, &q);
    if (r >= 0 || r == SN_E_EOF) r = etcdserverpb_lease_lease_keep_alive_recv(c, a, &rep);
    int64_t ttl = r > 0 ? rep->TTL : 0;
    (void)sn_grpc_close(c);
    if (r == SN_E_UNAUTHENTICATED) forget_token(e);
    if (r == 0) return sn_fail(SN_E_UNAVAILABLE, "etcd: keepalive ended without an answer");
    if (r < 0) return sn_wrap(r, "etcd: keepalive");
    return ttl > 0 ? 0 : SN_E_NOT_FOUND;
}

static int grant(struct etcd *e, struct sn_arena *a, struct reg_lease *l)
{
    struct etcdserverpb_lease_grant_request q = {.TTL = (l->ttl_ns + SN_SEC - 1) / SN_SEC};
    void *rep;
    int r = call(e, &etcdserverpb_lease_service, LEASE_GRANT, &q, a, &rep);
    if (r < 0) return r;
    l->handle = (uint64_t)((const struct etcdserverpb_lease_grant_response *)rep)->ID;
    return l->handle ? 0 : sn_fail(SN_E_PROTOCOL, "etcd: a lease without a number");
}

static int instance_key(const struct etcd *e, const struct reg_lease *l, struct sn_buf *b)
{
    char num[24];
    struct sn_buf t;
    sn_buf_init_fixed(&t, num, sizeof(num));
    (void)sn_buf_u64(&t, l->handle);
    return etcd_key(e->base, l->in.service, e->layout->key_is_lease ? sn_buf_view(&t) : l->in.id, b);
}

/* A lease that was granted and whose key may not have been put is used on, if it lives. */
static int etcd_put(void *b, struct reg_lease *l)
{
    struct etcd *e = b;
    struct sn_arena a;
    struct sn_buf key, value;
    sn_arena_init(&a, NULL, 1 << 20);
    sn_buf_init(&key, 0);
    sn_buf_init(&value, 0);
    struct sn_instance in = l->in;
    in.healthy = true;
    int r = l->handle ? keep(e, &a, l->handle) : SN_E_NOT_FOUND;
    if (r == SN_E_NOT_FOUND) r = grant(e, &a, l);
    if (r >= 0) r = instance_key(e, l, &key);
    if (r >= 0) r = e->layout->value(&in, &value);
    if (r >= 0) r = put_key(e, &a, sn_buf_view(&key), sn_buf_view(&value), l->handle);
    if (r == SN_E_NOT_FOUND) { /* it ran out in between */
        l->handle = 0;
        r = sn_fail(SN_E_ABORTED, "etcd: the lease was lost while the key was put");
    }
    sn_buf_done(&key);
    sn_buf_done(&value);
    sn_arena_done(&a);
    return r;
}

/* Whether the key is there and dies with our lease: somebody may have deleted or replaced it. */
static int ours(struct etcd *e, struct sn_arena *a, const struct reg_lease *l)
{
    struct sn_buf key;
    struct etcdserverpb_range_response *rep;
    sn_buf_init(&key, 0);
    int r = instance_key(e, l, &key);
    struct etcdserverpb_range_request q = {.key = sn_buf_view(&key), .keys_only = true};
    if (r >= 0) r = get(e, &q, a, &rep);
    if (r >= 0 && (!rep->kvs.len || (uint64_t)rep->kvs.ptr[0]->lease != l->handle))
        r = SN_E_NOT_FOUND;
    sn_buf_done(&key);
    return r;
}

static int etcd_renew(void *b, struct reg_lease *l)
{
    struct etcd *e = b;
    struct sn_arena a;
    sn_arena_init(&a, NULL, 1 << 20);
    int r = keep(e, &a, l->handle);
    if (r >= 0) r = ours(e, &a, l);
    sn_arena_done(&a);
    return r;
}

static int etcd_remove(void *b, struct reg_lease *l)
{
    struct etcd *e = b;
    struct sn_arena a;
    struct etcdserverpb_lease_revoke_request q = {.ID = (int64_t)l->handle};
    void *rep;
    if (!l->handle) return 0; /* no lease of which we know; one we do not runs out */
    sn_arena_init(&a, NULL, 1 << 20);
    int r = call(e, &etcdserverpb_lease_service, LEASE_REVOKE, &q, &a, &rep);
    sn_arena_done(&a);
    if (r >= 0 || r == SN_E_NOT_FOUND) l->handle = 0;
    return r;
}

/* ---- opening -------------------------------------------------------------------------------- */

static int path_opt(struct reg_env *env, const char *name, const char *def, struct sn_str *ret)
{
    struct sn_str s = reg_url_opt(&env->url, name, def);
    if (s.len && s.ptr[s.len - 1] == '/')
        return sn_fail(SN_E_SYNTAX, "registry URL: %s: expected a prefix without a slash at its end",
                       name);
    *ret = s;
    return 0;
}

static int read_opts(struct etcd *e)
{
    struct reg_env *env = e->env;
    struct sn_str layout = reg_url_opt(&env->url, "layout", "sennit");
    e->layout = etcd_layout_of(layout);
    if (!e->layout)
        return sn_fail(SN_E_SYNTAX,
                       "registry URL: layout: expected sennit, go-zero or kratos, got \"%.*s\"",
                       (int)SN_MIN(layout.len, (size_t)64), layout.ptr);
    int r = path_opt(env, "base", e->layout->base, &e->base);
    if (r >= 0) r = path_opt(env, "config", "/config", &e->config);
    e->user = reg_url_opt(&env->url, "user", env->token.len ? "root" : "");
    return r;
}

static int open_tls(struct etcd *e)
{
    const struct reg_url *u = &e->env->url;
    struct sn_str ca = reg_url_opt(u, "ca", ""), cert = reg_url_opt(u, "cert", ""),
                  key = reg_url_opt(u, "key", "");
    if (cert.len && !key.len)
        return sn_fail(SN_E_SYNTAX, "registry URL: cert: a key is wanted with it");
    if (!u->tls && !ca.len && !cert.len) return 0;
    struct sn_str ca0 = sn_arena_str(e->env->arena, ca), cert0 = sn_arena_str(e->env->arena, cert),
                  key0 = sn_arena_str(e->env->arena, key);
    if (!ca0.ptr || !cert0.ptr || !key0.ptr) return SN_E_NOMEM;
    struct sn_tls_cert own = {.cert_file = cert0.ptr, .key_file = key0.ptr};
    struct sn_tls_opts o = {.ca_file = ca.len ? ca0.ptr : NULL,
                            .certs = cert.len ? &own : NULL,
                            .n_certs = cert.len ? 1 : 0,
                            .alpn = "h2"};
    return sn_tls_config_new(&o, &e->tls);
}

static void etcd_close(void *b)
{
    struct etcd *e = b;
    sn_grpc_channel_free(e->ch);
    sn_tls_config_unref(e->tls);
    forget_token(e);
    sn_free(e);
}

static int etcd_open(struct reg_env *env, void **ret)
{
    struct etcd *e = SN_NEW(struct etcd);
    if (!e) return SN_E_NOMEM;
    e->env = env;
    e->resolver = (struct sn_grpc_resolver){.scheme = "servers", .run = run_servers, .arg = e};
    int r = read_opts(e);
    if (r >= 0) r = open_tls(e);
    struct sn_grpc_channel_opts o = {.tls = e->tls,
                                     .resolvers = &e->resolver,
                                     .n_resolvers = 1,
                                     .lb = &sn_grpc_round_robin,
                                     .recv_bytes_max = ANSWER_MAX,
                                     .connect_ns_max = env->call_ns_max,
                                     .backoff_ns = 100 * SN_MS,
                                     .backoff_ns_max = SN_SEC,
                                     .keepalive_ns = 10 * SN_SEC,
                                     .keepalive_timeout_ns = env->call_ns_max};
    if (r >= 0) r = sn_grpc_channel_new("servers:///etcd", &o, &e->ch);
    if (r < 0)
        etcd_close(e);
    else
        *ret = e;
    return r;
}

const struct reg_backend reg_etcd = {
    .scheme = "etcd",
    .port = 2379,
    .opts = "layout base config user ca cert key",
    .open = etcd_open,
    .close = etcd_close,
    .pull = etcd_pull,
    .config = etcd_config,
    .pull_done = etcd_pull_done,
    .publish = etcd_publish,
    .put = etcd_put,
    .renew = etcd_renew,
    .remove = etcd_remove,
};
