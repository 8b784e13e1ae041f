/* SPDX-License-Identifier: Apache-2.0 */
/* registry/zk.c - ZooKeeper as a backend: one session, ephemeral nodes, watches. SPEC:
 * ZooKeeper 3.8's client protocol; the nodes are those of Curator's service discovery
 * (/services/NAME/ID, JSON), values are /config/KEY.
 *
 * One fiber owns the connection: it connects, reads, answers heartbeats and hands replies and
 * events to those who wait. A lost connection fails what is under way and wakes every watch:
 * reading again is always right, so watches are not carried over. An expired session has another
 * number, by which a registration learns that its node is gone. */
#include "core/alloc.h"
#include "core/list.h"
#include "crypto/hash.h"
#include "fiber/net.h"
#include "fiber/sync.h"
#include "kit/log.h"
#include "registry/backend_int.h"
#include "registry/jute.h"
#include "wire/json.h"

SN_LOG_MODULE("registry");

#define SESSION_DEFAULT (15 * SN_SEC)
#define CONNECT_NS_MAX (5 * SN_SEC)

struct zk_call {
    struct sn_list node;
    int32_t xid;
    int err; /* SN_E_*, or 0 and the server's */
    int32_t zk_err;
    struct sn_arena *arena;
    struct sn_str body;
    struct sn_event done;
};
/* Who waits for a change: set by events of paths that begin with `path`, and by a lost connection.
 */
struct zk_watch {
    struct sn_list node;
    struct sn_str path;
    bool changed;
    struct sn_cond cond;
};
struct zk {
    struct reg_env *env;
    struct sn_str base, config;
    struct sn_mutex lock;
    struct sn_stream *stream; /* NULL while not connected */
    struct zk_session session;
    int64_t last_zxid;
    int32_t xid;
    struct sn_list calls, watches;
    bool closing;
    struct sn_cond connected;
    struct sn_event stop, ended;
    struct sn_buf in;
};

/* ---- the connection ------------------------------------------------------------------------- */

static int read_more(struct zk *z, struct sn_stream *st)
{
    int r = sn_buf_reserve(&z->in, 4096);
    if (r < 0) return r;
    ssize_t n = sn_read(st, z->in.ptr + z->in.len, z->in.cap - z->in.len);
    if (n == 0) return sn_fail(SN_E_EOF, "zookeeper closed the connection");
    if (n < 0) return (int)n;
    z->in.len += (size_t)n;
    return 0;
}

/* Returns 1 with a frame at the beginning of z->in (skip it with sn_buf_consume(4 + len)), 0
 * without. */
static int frame_of(struct zk *z, struct sn_str *ret)
{
    if (z->in.len < 4) return 0;
    struct jute_in r = {.in = sn_str_of((char *)z->in.ptr, 4)};
    int32_t n = jute_i32(&r);
    if (n < 0 || (uint32_t)n > JUTE_FRAME_MAX)
        return sn_fail(SN_E_PROTOCOL, "zookeeper: a frame of %d bytes", n);
    if (z->in.len - 4 < (size_t)n) return 0;
    *ret = sn_str_of((char *)z->in.ptr + 4, (size_t)n);
    return 1;
}

static int send_all(struct sn_stream *st, struct sn_buf *b)
{
    int r = b->err;
    if (r >= 0) r = (int)SN_MIN(sn_write(st, b->ptr, b->len), (ssize_t)0);
    sn_buf_done(b);
    return r;
}

static int handshake(struct zk *z, struct sn_stream *st)
{
    struct sn_buf b;
    struct sn_str frame;
    struct zk_session s = z->session;
    sn_buf_init(&b, 0);
    if (!s.id) s = (struct zk_session){.timeout_ms = z->session.timeout_ms};
    zk_put_connect(&b, &s, z->last_zxid);
    int r = send_all(st, &b);
    sn_buf_reset(&z->in);
    while (r >= 0 && (r = frame_of(z, &frame)) == 0) r = read_more(z, st);
    if (r >= 0) r = zk_get_connect(frame, &s);
    if (r < 0) return r;
    sn_buf_consume(&z->in, 4 + frame.len);
    if (s.id == 0) {
        sn_mutex_lock_always(&z->lock);
        z->session.id = 0;
        sn_mutex_unlock(&z->lock);
        return sn_fail(SN_E_ABORTED, "zookeeper: the session has expired");
    }
    if (z->env->token.len) {
        sn_buf_init(&b, 0);
        zk_put_auth(&b, SN_STR("digest"), z->env->token);
        if ((r = send_all(st, &b)) < 0) return r;
    }
    sn_mutex_lock_always(&z->lock);
    z->session = s;
    z->stream = st;
    sn_cond_broadcast(&z->connected);
    sn_mutex_unlock(&z->lock);
    return 0;
}

static void wake_watches(struct zk *z, struct sn_str path, bool all)
{
    SN_LIST_EACH (&z->watches, n) {
        struct zk_watch *w = SN_LIST_ENTRY(n, struct zk_watch, node);
        if (!all && !sn_str_starts(path, w->path)) continue;
        w->changed = true;
        sn_cond_broadcast(&w->cond);
    }
}

static int deliver(struct zk *z, struct sn_str frame)
{
    struct zk_reply rep;
    struct zk_event ev;
    int r = zk_get_reply(frame, &rep);
    if (r < 0 || rep.xid == ZK_XID_PING) return r;
    if (rep.xid == ZK_XID_AUTH)
        return rep.err ? sn_fail(SN_E_UNAUTHENTICATED, "zookeeper refused the credentials") : 0;
    if (rep.xid == ZK_XID_EVENT && (r = zk_get_event(rep.body, &ev)) < 0) return r;
    sn_mutex_lock_always(&z->lock);
    if (rep.zxid > 0) z->last_zxid = rep.zxid;
    if (rep.xid == ZK_XID_EVENT) {
        wake_watches(z, ev.path, false);
    } else if (sn_list_empty(&z->calls) ||
               SN_LIST_ENTRY(z->calls.next, struct zk_call, node)->xid != rep.xid) {
        r = sn_fail(SN_E_PROTOCOL,
                    "zookeeper: a reply out of order"); /* answers come in the order of questions */
    } else {
        struct zk_call *c = SN_LIST_ENTRY(sn_list_pop_front(&z->calls), struct zk_call, node);
        c->zk_err = rep.err;
        if (rep.body.len && !(c->body = sn_arena_str(c->arena, rep.body)).ptr) c->err = SN_E_NOMEM;
        sn_event_set(&c->done);
    }
    sn_mutex_unlock(&z->lock);
    return r;
}

static int ping(struct zk *z)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    zk_put_bare(&b, ZK_XID_PING, ZK_PING);
    sn_mutex_lock_always(&z->lock);
    int r = send_all(z->stream, &b);
    sn_mutex_unlock(&z->lock);
    return r;
}

/* Reads until the connection is lost; a heartbeat each third of the time-out, and silence for two
 * thirds is a loss. */
static int serve(struct zk *z, struct sn_stream *st)
{
    int64_t third = z->session.timeout_ms * SN_MS / 3, heard = sn_now(), next = heard + third;
    for (;;) {
        struct sn_str frame;
        int r;
        while ((r = frame_of(z, &frame)) > 0) {
            if ((r = deliver(z, frame)) < 0) return r;
            sn_buf_consume(&z->in, 4 + frame.len);
        }
        if (r < 0) return r;
        int64_t prev = sn_deadline_tighten(next);
        r = read_more(z, st);
        sn_deadline_restore(prev);
        if (r >= 0)
            heard = sn_now();
        else if (r != SN_E_DEADLINE_EXCEEDED || sn_cancelled())
            return r;
        if (sn_now() - heard > 2 * third) return sn_fail(SN_E_UNAVAILABLE, "zookeeper: silent");
        if (sn_now() < next) continue;
        next = sn_now() + third;
        if ((r = ping(z)) < 0) return r;
    }
}

static void lost(struct zk *z)
{
    struct sn_list *n;
    sn_mutex_lock_always(&z->lock);
    z->stream = NULL;
    while ((n = sn_list_pop_front(&z->calls))) {
        struct zk_call *c = SN_LIST_ENTRY(n, struct zk_call, node);
        c->err = SN_E_UNAVAILABLE;
        sn_event_set(&c->done);
    }
    wake_watches(z, SN_STR(""), true);
    sn_mutex_unlock(&z->lock);
}

static int connect_once(struct zk *z, uint32_t server)
{
    struct sn_stream *st;
    char addr[300];
    int r = sn_str_cz(z->env->url.servers[server % z->env->url.n_servers], addr, sizeof(addr));
    int64_t prev = sn_deadline_tighten(sn_now() + CONNECT_NS_MAX);
    if (r >= 0) r = sn_dial(addr, NULL, &st);
    if (r < 0) {
        sn_deadline_restore(prev);
        return r;
    }
    r = handshake(z, st);
    sn_deadline_restore(prev);
    if (r >= 0) {
        r = serve(z, st);
        lost(z);
    }
    sn_stream_close(st);
    return r;
}

static int session_reader(void *arg)
{
    struct zk *z = arg;
    int64_t pause = 100 * SN_MS;
    for (uint32_t server = (uint32_t)sn_random();; server++) {
        int64_t began = sn_now();
        int r = connect_once(z, server);
        if (sn_cancelled()) return 0;
        SN_LOG_WARN("zookeeper", SN_L_ERR(r));
        if (sn_now() - began > 10 * SN_SEC || r == SN_E_ABORTED) pause = 100 * SN_MS;
        if (sn_sleep(pause / 2 + (int64_t)(sn_random() % (uint64_t)pause)) < 0) return 0;
        pause = SN_MIN(2 * pause, 5 * SN_SEC);
    }
}

static void session_main(void *arg)
{
    struct zk *z = arg;
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    if (sn_scope_go(s, "zookeeper", session_reader, z) >= 0) (void)!sn_event_wait(&z->stop);
    sn_mutex_lock_always(&z->lock);
    z->closing = true;
    sn_cond_broadcast(&z->connected);
    if (z->stream && !sn_cancelled()) { /* the session ends now and not when it times out */
        struct sn_buf b;
        sn_buf_init(&b, 0);
        zk_put_bare(&b, ++z->xid, ZK_CLOSE);
        (void)!send_all(z->stream, &b);
    }
    sn_mutex_unlock(&z->lock);
    sn_scope_cancel(s);
    (void)!sn_scope_end(s);
    sn_event_set(&z->ended);
}

/* ---- calls ---------------------------------------------------------------------------------- */

/* Sends what `make` writes and waits for the reply. Returns 0 with the body in the arena;
 * SN_E_NOT_FOUND, SN_E_ALREADY_EXISTS, SN_E_PERMISSION_DENIED by the server's word;
 * SN_E_UNAVAILABLE. */
struct ask {
    enum zk_op op;
    struct sn_str path, data;
    bool watch, ephemeral;
};

static int begin_call(struct zk *z, const struct ask *q, struct zk_call *c)
{
    struct sn_buf b;
    sn_buf_init(&b, JUTE_FRAME_MAX);
    int r = sn_mutex_lock(&z->lock);
    if (r < 0) return r;
    while (r >= 0 && !z->stream)
        r = z->closing ? SN_E_CANCELLED : sn_cond_wait(&z->connected, &z->lock);
    if (r >= 0) {
        c->xid = ++z->xid;
        if (z->xid == INT32_MAX) z->xid = 0;
        if (q->op == ZK_CREATE)
            zk_put_create(&b, c->xid, q->path, q->data, q->ephemeral, z->env->token.len > 0);
        else if (q->op == ZK_SET)
            zk_put_set(&b, c->xid, q->path, q->data);
        else if (q->op == ZK_DELETE)
            zk_put_delete(&b, c->xid, q->path);
        else
            zk_put_path(&b, c->xid, q->op, q->path, q->watch);
        sn_list_push_back(&z->calls, &c->node);
        if ((r = send_all(z->stream, &b)) < 0) {
            sn_list_del(&c->node);
            (void)!sn_stream_shutdown(z->stream); /* a part may be out: this connection is over */
        }
    }
    sn_mutex_unlock(&z->lock);
    return r;
}

static int wait_done(void *event) { return sn_event_wait(event); }

static int call(struct zk *z, struct sn_arena *a, const struct ask *q, struct sn_str *ret)
{
    struct zk_call c = {.arena = a, .body = SN_STR("")};
    int r = begin_call(z, q, &c);
    if (r < 0)
        return r == SN_E_DEADLINE_EXCEEDED ? sn_fail(SN_E_UNAVAILABLE, "zookeeper is not connected")
                                           : r;
    r = sn_event_wait(&c.done);
    if (r < 0) {
        /* Answers come in order, so a place in the queue cannot be left: the connection goes with
         * it. */
        sn_mutex_lock_always(&z->lock);
        bool queued = sn_list_linked(&c.node);
        if (queued && z->stream) (void)!sn_stream_shutdown(z->stream);
        if (queued) sn_list_del(&c.node);
        sn_mutex_unlock(&z->lock);
        if (!queued) (void)!sn_shield(SN_SEC, wait_done, &c.done);
        return r;
    }
    if (c.err < 0)
        return c.err == SN_E_NOMEM ? c.err : sn_fail(c.err, "zookeeper: the connection was lost");
    *ret = c.body;
    switch (c.zk_err) {
    case 0: return 0;
    case ZK_NO_NODE: return SN_E_NOT_FOUND;
    case ZK_NODE_EXISTS: return SN_E_ALREADY_EXISTS;
    case ZK_NO_AUTH:
        return sn_fail(SN_E_PERMISSION_DENIED, "zookeeper: no rights on %.*s", SN_STR_ARG(q->path));
    default:
        return sn_fail(SN_E_UNAVAILABLE, "zookeeper: error %d on %.*s", c.zk_err,
                       SN_STR_ARG(q->path));
    }
}

/* The folders of a path, made where they are missing. */
static int make_parents(struct zk *z, struct sn_arena *a, struct sn_str path)
{
    struct sn_str none;
    for (size_t i = 1; i < path.len; i++) {
        if (path.ptr[i] != '/') continue;
        struct ask q = {.op = ZK_CREATE, .path = sn_str_sub(path, 0, i)};
        int r = call(z, a, &q, &none);
        if (r < 0 && r != SN_E_ALREADY_EXISTS) return r;
    }
    return 0;
}

/* ---- watching ------------------------------------------------------------------------------- */

static struct zk_watch *watch_of(struct zk *z, struct reg_pull *p, struct sn_str base)
{
    if (p->state) return p->state;
    struct zk_watch *w = sn_zalloc(1, sizeof(*w) + base.len + 1 + p->name.len + 1);
    if (!w) return NULL;
    char *path = (char *)(w + 1);
    memcpy(path, base.ptr, base.len);
    path[base.len] = '/';
    memcpy(path + base.len + 1, p->name.ptr, p->name.len);
    w->path = sn_str_of(path, base.len + 1 + p->name.len);
    sn_mutex_lock_always(&z->lock);
    sn_list_push_back(&z->watches, &w->node);
    sn_mutex_unlock(&z->lock);
    return p->state = w;
}

/* Waits until something changed; clears it before what is read next. Returns 1 changed, 0 not. */
static int wait_change(struct zk *z, struct reg_pull *p, struct zk_watch *w)
{
    int64_t prev = sn_deadline_tighten(sn_now() + z->env->wait_ns);
    int r = sn_mutex_lock(&z->lock);
    if (r >= 0) {
        while (r >= 0 && !w->changed && !p->fresh && !z->closing)
            r = sn_cond_wait(&w->cond, &z->lock);
        w->changed = false;
        sn_mutex_unlock(&z->lock);
    }
    sn_deadline_restore(prev);
    if (r == SN_E_DEADLINE_EXCEEDED && !sn_cancelled()) return 0;
    return r < 0 ? r : 1;
}

static void zk_pull_done(void *b, struct reg_pull *p)
{
    struct zk *z = b;
    struct zk_watch *w = p->state;
    if (!w) return;
    sn_mutex_lock_always(&z->lock);
    sn_list_del(&w->node);
    sn_mutex_unlock(&z->lock);
    sn_free(w);
    p->state = NULL;
}

/* What was read is incomplete: the next call must not wait for another change. */
static int unread(struct zk *z, struct zk_watch *w, int r)
{
    sn_mutex_lock_always(&z->lock);
    w->changed = true;
    sn_mutex_unlock(&z->lock);
    return r;
}

/* A node that is not there is watched by asking whether it exists. */
static int absent(struct zk *z, struct sn_arena *a, struct sn_str path)
{
    struct sn_str none;
    int r = call(z, a, &(struct ask){.op = ZK_EXISTS, .path = path, .watch = true}, &none);
    return r == SN_E_NOT_FOUND ? 0 : r < 0 ? r : 1;
}

static int instance_of(struct sn_arena *a, struct sn_str data, struct sn_str id,
                       struct sn_str service, struct sn_instance *ret)
{
    const struct sn_json *j;
    int r = sn_json_parse(a, data, NULL, &j);
    struct sn_instance in = {.id = id, .service = service, .healthy = true, .weight = 1};
    int64_t port = 0;
    if (r >= 0) {
        in.address = sn_json_str(sn_json_get(j, "address"));
        port = sn_json_i64_or(sn_json_get(j, "port"), 0);
        if (!port) port = sn_json_i64_or(sn_json_get(j, "sslPort"), 0);
    }
    if (r < 0 || !in.address.len || port < 1 || port > 65535)
        return r == SN_E_NOMEM
                   ? r
                   : sn_fail(SN_E_SYNTAX,
                             "zookeeper: node %.*s of %.*s: expected JSON with address and port",
                             SN_STR_ARG(id), SN_STR_ARG(service));
    in.port = (uint16_t)port;
    const struct sn_json *labels = sn_json_get(j, "payload");
    if (sn_json_is(sn_json_get(labels, "metadata"), SN_JSON_OBJECT))
        labels = sn_json_get(labels, "metadata");
    struct sn_label *l = SN_ARENA_ARRAY(a, struct sn_label, sn_json_len(labels));
    if (!l) return SN_E_NOMEM;
    for (SN_JSON_MEMBERS(labels, m)) {
        struct sn_str k = sn_json_str(&m->key), v = sn_json_str(&m->value);
        uint64_t weight;
        if (!v.ptr) continue;
        if (sn_str_eqc(k, "zone")) in.zone = v;
        if (sn_str_eqc(k, "weight") && sn_str_to_u64(v, &weight) == 0 && weight <= 1000000)
            in.weight = (uint32_t)weight;
        l[in.n_labels++] = (struct sn_label){k, v};
    }
    in.labels = l;
    *ret = in;
    return 0;
}

static int read_instances(struct zk *z, struct reg_pull *p, struct zk_watch *w)
{
    struct sn_str body, *names, data;
    struct zk_stat st;
    size_t n;
    int r =
        call(z, p->arena, &(struct ask){.op = ZK_CHILDREN, .path = w->path, .watch = true}, &body);
    if (r == SN_E_NOT_FOUND && (r = absent(z, p->arena, w->path)) <= 0) return r; /* no instances */
    if (r > 0)
        return sn_fail(SN_E_ABORTED, "zookeeper: %.*s came while it was read", SN_STR_ARG(w->path));
    if (r >= 0) r = zk_get_children(body, p->arena, &names, &n);
    if (r >= 0 && !(p->list = SN_ARENA_ARRAY(p->arena, struct sn_instance, n))) r = SN_E_NOMEM;
    for (size_t i = 0; r >= 0 && i < n; i++) {
        struct sn_str path =
            sn_arena_printf(p->arena, "%.*s/%.*s", SN_STR_ARG(w->path), SN_STR_ARG(names[i]));
        if (!path.ptr) return SN_E_NOMEM;
        r = call(z, p->arena, &(struct ask){.op = ZK_GET, .path = path, .watch = true}, &body);
        if (r == SN_E_NOT_FOUND) { /* gone since: its event is on the way */
            r = 0;
            continue;
        }
        if (r >= 0) r = zk_get_data(body, &data, &st);
        if (r < 0) break;
        /* One unreadable node does not take the others away. */
        if ((r = instance_of(p->arena, data, names[i], p->name, &p->list[p->n])) >= 0)
            p->n++;
        else if (r == SN_E_SYNTAX) {
            SN_LOG_WARN("zookeeper", SN_L_ERR(r));
            r = 0;
        }
    }
    return r;
}

static int zk_pull(void *b, struct reg_pull *p)
{
    struct zk *z = b;
    struct zk_watch *w = watch_of(z, p, z->base);
    if (!w) return SN_E_NOMEM;
    int r = wait_change(z, p, w);
    if (r <= 0) return r;
    p->n = 0;
    r = read_instances(z, p, w);
    return r < 0 ? unread(z, w, r) : 1;
}

static int zk_config(void *b, struct reg_pull *p)
{
    struct zk *z = b;
    struct zk_watch *w = watch_of(z, p, z->config);
    struct sn_str body;
    struct zk_stat st;
    if (!w) return SN_E_NOMEM;
    int r = wait_change(z, p, w);
    if (r <= 0) return r;
    p->found = false;
    r = call(z, p->arena, &(struct ask){.op = ZK_GET, .path = w->path, .watch = true}, &body);
    if (r == SN_E_NOT_FOUND)
        r = absent(z, p->arena, w->path);
    else if (r >= 0 && (r = zk_get_data(body, &p->text, &st)) >= 0)
        p->found = true;
    if (r > 0) r = SN_E_ABORTED;
    return r < 0 ? unread(z, w, r) : 1;
}

static int zk_publish(void *b, struct sn_str key, struct sn_str text)
{
    struct zk *z = b;
    struct sn_arena a;
    struct sn_str none;
    sn_arena_init(&a, NULL, 8u << 20);
    struct sn_str path = sn_arena_printf(&a, "%.*s/%.*s", SN_STR_ARG(z->config), SN_STR_ARG(key));
    int r = path.ptr ? call(z, &a, &(struct ask){.op = ZK_SET, .path = path, .data = text}, &none)
                     : SN_E_NOMEM;
    if (r == SN_E_NOT_FOUND) {
        r = make_parents(z, &a, path);
        if (r >= 0)
            r = call(z, &a, &(struct ask){.op = ZK_CREATE, .path = path, .data = text}, &none);
    }
    sn_arena_done(&a);
    return r;
}

/* ---- registering ---------------------------------------------------------------------------- */

static struct sn_str node_of(struct zk *z, struct sn_arena *a, const struct reg_lease *l)
{
    return sn_arena_printf(a, "%.*s/%.*s/%.*s", SN_STR_ARG(z->base), SN_STR_ARG(l->in.service),
                           SN_STR_ARG(l->in.id));
}

static int64_t session_id(struct zk *z)
{
    sn_mutex_lock_always(&z->lock);
    int64_t id = z->session.id;
    sn_mutex_unlock(&z->lock);
    return id;
}

static void node_json(struct sn_buf *b, const struct reg_lease *l)
{
    struct sn_jsonw w;
    sn_jsonw_init(&w, b, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "name", l->in.service);
    sn_jsonw_kstr(&w, "id", l->in.id);
    sn_jsonw_kstr(&w, "address", l->in.address);
    sn_jsonw_ki64(&w, "port", l->in.port);
    sn_jsonw_key(&w, SN_STR("sslPort"));
    sn_jsonw_null(&w);
    sn_jsonw_key(&w, SN_STR("payload"));
    sn_jsonw_object(&w);
    char num[24];
    struct sn_buf t;
    sn_buf_init_fixed(&t, num, sizeof(num));
    (void)sn_buf_u64(&t, l->in.weight);
    sn_jsonw_kstr(&w, "weight", sn_buf_view(&t));
    if (l->in.zone.len) sn_jsonw_kstr(&w, "zone", l->in.zone);
    for (uint32_t i = 0; i < l->in.n_labels; i++) {
        sn_jsonw_key(&w, l->in.labels[i].name);
        sn_jsonw_str(&w, l->in.labels[i].value);
    }
    sn_jsonw_object_end(&w);
    sn_jsonw_ki64(&w, "registrationTimeUTC", sn_wall_now() / SN_MS);
    sn_jsonw_kstr(&w, "serviceType", SN_STR("DYNAMIC"));
    sn_jsonw_key(&w, SN_STR("uriSpec"));
    sn_jsonw_null(&w);
    sn_jsonw_object_end(&w);
}

/* The node of an earlier session (this program before its restart) stands in the way until that
 * session has expired: it is replaced, or it would vanish under us. */
static int zk_put(void *b, struct reg_lease *l)
{
    struct zk *z = b;
    struct sn_arena a;
    struct sn_buf data;
    struct sn_str none;
    sn_arena_init(&a, NULL, 1 << 20);
    sn_buf_init(&data, 0);
    node_json(&data, l);
    struct sn_str path = node_of(z, &a, l);
    struct ask create = {.op = ZK_CREATE,
                         .path = path,
                         .data = sn_buf_view(&data),
                         .ephemeral = true};
    int r = data.err < 0 ? data.err : path.ptr ? call(z, &a, &create, &none) : SN_E_NOMEM;
    if (r == SN_E_NOT_FOUND && (r = make_parents(z, &a, path)) >= 0)
        r = call(z, &a, &create, &none);
    if (r == SN_E_ALREADY_EXISTS) {
        r = call(z, &a, &(struct ask){.op = ZK_DELETE, .path = path}, &none);
        if (r >= 0 || r == SN_E_NOT_FOUND) r = call(z, &a, &create, &none);
    }
    if (r >= 0) l->handle = (uint64_t)session_id(z);
    sn_buf_done(&data);
    sn_arena_done(&a);
    return r;
}

static int zk_renew(void *b, struct reg_lease *l)
{
    struct zk *z = b;
    struct sn_arena a;
    struct sn_str body = SN_STR("");
    struct zk_stat st;
    sn_arena_init(&a, NULL, 1 << 20);
    struct sn_str path = node_of(z, &a, l);
    int r =
        path.ptr ? call(z, &a, &(struct ask){.op = ZK_EXISTS, .path = path}, &body) : SN_E_NOMEM;
    struct jute_in in = {.in = body};
    if (r >= 0) r = zk_get_stat(&in, &st);
    if (r >= 0 && st.ephemeral_owner != session_id(z)) r = SN_E_NOT_FOUND;
    sn_arena_done(&a);
    return r;
}

static int zk_remove(void *b, struct reg_lease *l)
{
    struct zk *z = b;
    struct sn_arena a;
    struct sn_str none;
    sn_arena_init(&a, NULL, 1 << 20);
    struct sn_str path = node_of(z, &a, l);
    int r =
        path.ptr ? call(z, &a, &(struct ask){.op = ZK_DELETE, .path = path}, &none) : SN_E_NOMEM;
    sn_arena_done(&a);
    return r;
}

/* ---- opening -------------------------------------------------------------------------------- */

static int root_of(struct reg_env *env, const char *name, const char *def, struct sn_str *ret)
{
    struct sn_str s = reg_url_opt(&env->url, name, def);
    if (s.len < 2 || s.ptr[0] != '/' || s.ptr[s.len - 1] == '/')
        return sn_fail(SN_E_SYNTAX, "registry URL: %s: expected a path such as %s", name, def);
    *ret = s;
    return 0;
}

static int zk_open(struct reg_env *env, void **ret)
{
    struct sn_str base, config, session = reg_url_opt(&env->url, "session", "");
    int64_t timeout = SESSION_DEFAULT;
    int r = root_of(env, "base", "/services", &base);
    if (r >= 0) r = root_of(env, "config", "/config", &config);
    if (r >= 0 && session.len &&
        (sn_str_to_duration(session, &timeout) < 0 || timeout < SN_SEC || timeout > SN_HOUR))
        r = sn_fail(SN_E_SYNTAX, "registry URL: session: expected a duration from 1s to 1h");
    if (r < 0) return r;
    struct zk *z = SN_NEW(struct zk);
    if (!z) return SN_E_NOMEM;
    *z = (struct zk){.env = env,
                     .base = base,
                     .config = config,
                     .session.timeout_ms = (int32_t)(timeout / SN_MS)};
    sn_list_init(&z->calls);
    sn_list_init(&z->watches);
    sn_buf_init(&z->in, JUTE_FRAME_MAX + 8192);
    if ((r = sn_go("zookeeper", session_main, z)) < 0)
        sn_free(z);
    else
        *ret = z;
    return r;
}

static int wait_ended(void *arg) { return sn_event_wait(arg); }

static void zk_close(void *b)
{
    struct zk *z = b;
    sn_event_set(&z->stop);
    while (sn_shield(60 * SN_SEC, wait_ended, &z->ended) < 0) {}
    sn_buf_done(&z->in);
    sn_wipe(&z->session, sizeof(z->session));
    sn_free(z);
}

const struct reg_backend reg_zk = {
    .scheme = "zk",
    .port = 2181,
    .opts = "base config session",
    .open = zk_open,
    .close = zk_close,
    .pull = zk_pull,
    .config = zk_config,
    .pull_done = zk_pull_done,
    .publish = zk_publish,
    .put = zk_put,
    .renew = zk_renew,
    .remove = zk_remove,
};
