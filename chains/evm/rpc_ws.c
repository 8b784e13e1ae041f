/* SPDX-License-Identifier: Apache-2.0 */
/* evm/rpc_ws.c - JSON-RPC over a WebSocket: calls in flight told apart by id, subscriptions.
 *
 * There is no reader fiber: the connection is served by callback and parked between messages. Calls
 * go out as one message each, so that one huge answer does not hold up or break the others; answers
 * come in any order. The connection is made by whoever needs it first, and again after it broke.
 *
 * Locks: `wlock` is held while the connection's WebSocket is written to, made or freed, so a writer
 * never meets a freed one; `lock` guards everything else and is never held while something waits for
 * the network. Order: wlock, lock. */
#include <stdio.h>

#include "core/alloc.h"
#include "core/status.h"
#include "evm/rpc_int.h"
#include "fiber/sync.h"
#include "kit/http.h"

#define TIMEOUT_NS_DEFAULT (30 * SN_SEC)
#define PING_NS_DEFAULT (10 * SN_SEC)
#define GOODBYE_NS (2 * SN_SEC)
#define BUCKETS 64u
#define GOING_AWAY 1001
#define TOO_BIG 1009 /* RFC 6455, 7.4.1 */
#define SUB_ID_MAX 128u
/* Ids are no neighbours, so that a node that mixes them up is caught, not believed. They stay below
 * 2^53, where nodes in JavaScript begin to round, for 2^43 calls. */
#define ID_STEP_MAX 1024u

struct ws_rpc;
/* One connection. It outlives its place in ws_rpc until the WebSocket has ended. */
struct ws_conn {
    struct ws_rpc *w;
    struct sn_ws *ws;
    uint64_t messages; /* that came in */
};
/* The calls of one try. */
struct group {
    struct sn_cond done;
    size_t left;
    int err;
};
struct ws_sub;
struct flight {
    struct flight *next; /* in its bucket */
    uint64_t id;
    struct group *group;
    struct ws_sub *sub; /* the call is its eth_subscribe */
    struct sn_str text; /* the answer, on the heap */
};
struct event {
    struct event *next;
    size_t len;
    char text[];
};
struct ws_sub {
    struct sn_eth_sub sub;
    struct ws_sub *next;
    struct ws_rpc *w;
    struct sn_cond ready;
    struct event *head, **tail;
    size_t n, bytes, events_max;
    uint64_t dropped;
    char id[SUB_ID_MAX]; /* the node's name for it; empty: not subscribed at present */
    char params[];
};
struct ws_rpc {
    struct sn_eth_rpc rpc;
    struct sn_http_client *client;
    struct sn_arena arena;   /* copies of the options' texts */
    struct sn_str url, host; /* host: what diagnostics may show */
    struct sn_http_header headers[SN_ETH_HEADERS_MAX];
    unsigned n_headers;
    unsigned retries_max, refs; /* refs: the owner's and one per connection; under lock */
    size_t batch_max, answer_bytes_max;
    int64_t timeout_ns, ping_ns;
    struct sn_mutex wlock, lock;
    struct sn_cond ended;
    struct ws_conn *conn; /* NULL: none */
    uint64_t next_id;
    struct flight *flights[BUCKETS];
    struct ws_sub *subs;
    unsigned n_subs;
};

/* ---- calls in flight: with lock held ---- */

static void flight_add(struct ws_rpc *w, struct flight *f)
{
    struct flight **b = &w->flights[f->id % BUCKETS];
    f->next = *b;
    *b = f;
}
static struct flight *flight_take(struct ws_rpc *w, uint64_t id)
{
    for (struct flight **p = &w->flights[id % BUCKETS]; *p; p = &(*p)->next) {
        struct flight *f = *p;
        if (f->id != id) continue;
        *p = f->next;
        return f;
    }
    return NULL;
}
static void group_end(struct group *g, int err)
{
    if (g->err == 0) g->err = err;
    sn_cond_broadcast(&g->done);
}
/* conn_drop - nothing more comes from the present connection: every call in flight fails with `err`,
 * every subscription has to be made anew. */
static void conn_drop(struct ws_rpc *w, int err)
{
    w->conn = NULL;
    for (unsigned i = 0; i < BUCKETS; i++)
        while (w->flights[i]) {
            struct flight *f = w->flights[i];
            w->flights[i] = f->next;
            group_end(f->group, err);
        }
    for (struct ws_sub *s = w->subs; s; s = s->next) {
        s->id[0] = 0;
        sn_cond_broadcast(&s->ready);
    }
    sn_cond_broadcast(&w->ended);
}
static void ws_rpc_unref(struct ws_rpc *w)
{
    sn_mutex_lock_always(&w->lock);
    unsigned left = --w->refs;
    sn_mutex_unlock(&w->lock);
    if (left) return;
    sn_arena_done(&w->arena);
    sn_free(w);
}

/* ---- what comes in ---- */

static void sub_drop_events(struct ws_sub *s)
{
    while (s->head) {
        struct event *e = s->head;
        s->head = e->next;
        sn_free(e);
    }
    s->tail = &s->head;
    s->n = s->bytes = 0;
}
static void sub_push(struct ws_sub *s, struct sn_str text)
{
    struct event *e = NULL;
    /* Once one is dropped all are until the gap was told, so that it stands in its place. */
    if (!s->dropped && s->n < s->events_max && text.len <= SN_ETH_SUB_BYTES_MAX - s->bytes)
        e = sn_alloc(sizeof(*e) + text.len);
    if (!e) {
        s->dropped++;
    } else {
        e->next = NULL;
        e->len = text.len;
        memcpy(e->text, text.ptr, text.len);
        *s->tail = e;
        s->tail = &e->next;
        s->n++;
        s->bytes += text.len;
    }
    sn_cond_signal(&s->ready);
}
/* An answer. The id of a subscription is taken here, before the next message is looked at. */
static void take_answer(struct ws_rpc *w, uint64_t id, const struct sn_json *v, struct sn_str text)
{
    struct flight *f = flight_take(w, id);
    if (!f) return; /* too late: its caller has given up */
    char *copy = sn_alloc(text.len);
    if (!copy) {
        group_end(f->group, SN_E_NOMEM);
        return;
    }
    memcpy(copy, text.ptr, text.len);
    f->text = sn_str_of(copy, text.len);
    struct sn_str sub = sn_json_str(sn_json_get(v, "result"));
    if (f->sub && sub.len && sn_str_cz(sub, f->sub->id, SUB_ID_MAX) < 0) f->sub->id[0] = 0;
    if (--f->group->left == 0) sn_cond_signal(&f->group->done);
}
/* Returns 0, or SN_E_PROTOCOL for what no node says. With lock held. */
static int route(struct ws_rpc *w, const struct sn_json *v, struct sn_str text)
{
    uint64_t id;
    if (sn_json_to_u64(sn_json_get(v, "id"), &id) == 0) {
        if (id == 0 || id >= w->next_id) return SN_E_PROTOCOL; /* nobody asked */
        take_answer(w, id, v, text);
        return 0;
    }
    struct sn_str sub = sn_json_str(sn_json_path(v, "params.subscription"));
    if (!sub.len) return SN_E_PROTOCOL;
    for (struct ws_sub *s = w->subs; s; s = s->next)
        if (s->id[0] && sn_str_eqc(sub, s->id)) sub_push(s, text);
    return 0;
}
static void on_message(struct sn_ws *ws, enum sn_ws_kind kind, struct sn_str data, void *arg)
{
    struct ws_conn *c = arg;
    struct sn_arena a;
    const struct sn_json *v;
    struct sn_json_opts o = {.bytes_max = SN_ETH_ANSWER_BYTES_MAX};
    sn_arena_init(&a, NULL, 0);
    /* Parsed to find its way; whoever takes it parses it again into an arena of its own. */
    int r = sn_json_parse(&a, data, &o, &v);
    sn_mutex_lock_always(&c->w->lock);
    c->messages++;
    if (c->w->conn == c) {
        if (r == 0) r = route(c->w, v, data);
        if (r < 0) conn_drop(c->w, r == SN_E_NOMEM ? r : SN_E_PROTOCOL);
    }
    sn_mutex_unlock(&c->w->lock);
    sn_arena_done(&a);
    if (r < 0) sn_ws_close(ws, 1002, SN_STR("")); /* protocol error */
}
static void on_close(struct sn_ws *ws, int code, void *arg)
{
    struct ws_conn *c = arg;
    struct ws_rpc *w = c->w;
    sn_mutex_lock_always(&w->wlock);
    sn_mutex_lock_always(&w->lock);
    if (w->conn == c) conn_drop(w, code == TOO_BIG ? SN_E_TOO_LARGE : SN_E_RESET);
    sn_mutex_unlock(&w->lock);
    sn_mutex_unlock(&w->wlock);
    sn_free(c);
    ws_rpc_unref(w);
}

/* ---- what goes out ---- */

/* dial - with wlock held, which keeps on_close out until the connection has its place. */
static int dial(struct ws_rpc *w)
{
    struct ws_conn *c = SN_NEW(struct ws_conn);
    if (!c) return SN_E_NOMEM;
    c->w = w;
    struct sn_ws_opts o = {.message_bytes_max = w->answer_bytes_max,
                           .ping_ns = w->ping_ns,
                           .headers = w->headers,
                           .n_headers = w->n_headers,
                           .on_message = on_message,
                           .on_close = on_close,
                           .arg = c};
    int r = sn_ws_dial(w->client, w->url, &o, &c->ws);
    if (r < 0) {
        sn_free(c);
        return r;
    }
    sn_mutex_lock_always(&w->lock);
    w->refs++;
    w->conn = c;
    sn_mutex_unlock(&w->lock);
    return 0;
}
/* The connection, made where there is none. With wlock held. */
static int connected(struct ws_rpc *w, struct ws_conn **ret)
{
    sn_mutex_lock_always(&w->lock);
    *ret = w->conn;
    sn_mutex_unlock(&w->lock);
    if (*ret) return 0;
    int r = dial(w);
    sn_mutex_lock_always(&w->lock);
    *ret = w->conn;
    sn_mutex_unlock(&w->lock);
    return r < 0 ? r : *ret ? 0 : SN_E_RESET;
}
static int write_one(struct ws_conn *c, uint64_t id, const struct sn_eth_request *call)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    sn_buf_printf(&b, "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"method\":\"%s\",\"params\":",
                  (unsigned long long)id, call->method);
    sn_buf_str(&b, call->params.len ? call->params : SN_STR("[]"));
    sn_buf_byte(&b, '}');
    return b.err < 0 ? b.err : sn_ws_write(c->ws, SN_WS_TEXT, sn_buf_view(&b));
}
struct ws_try {
    struct ws_rpc *w;
    struct ws_sub *sub; /* of the one call, an eth_subscribe; or NULL */
    struct group group;
    struct flight *flights;
    struct ws_conn *conn; /* only to compare */
    uint64_t messages;    /* of the connection before */
};
/* The connection ended in another fiber; here it is told why. */
static int broken(int err)
{
    const char *why = err == SN_E_PROTOCOL    ? "the node answered what nobody asked, or no JSON-RPC"
                      : err == SN_E_TOO_LARGE ? "an answer beyond the limit"
                      : err == SN_E_NOMEM     ? "no memory for an answer"
                                              : "the WebSocket broke";
    return sn_fail(err, "%s", why);
}
/* Puts the calls in flight and writes them. */
static int write_all(struct ws_try *t, const struct sn_eth_request *calls, size_t n)
{
    struct ws_rpc *w = t->w;
    struct ws_conn *c = NULL;
    int r = sn_mutex_lock(&w->wlock);
    if (r < 0) return r;
    r = connected(w, &c);
    if (r == 0) {
        sn_mutex_lock_always(&w->lock);
        if (w->conn != c) r = SN_E_RESET;
        t->conn = c;
        t->messages = c->messages;
        t->group.left = n;
        for (size_t i = 0; i < n && r == 0; i++) {
            t->flights[i] = (struct flight){.id = w->next_id, .group = &t->group, .sub = t->sub};
            w->next_id += 1 + sn_random() % ID_STEP_MAX;
            flight_add(w, &t->flights[i]);
        }
        sn_mutex_unlock(&w->lock);
    }
    for (size_t i = 0; i < n && r == 0; i++) r = write_one(c, t->flights[i].id, &calls[i]);
    sn_mutex_unlock(&w->wlock);
    return r == SN_E_CLOSED || r == SN_E_RESET ? broken(SN_E_RESET) : r;
}
/* Waits until every answer is there. */
static int await_all(struct ws_try *t, size_t n, int r)
{
    struct ws_rpc *w = t->w;
    sn_mutex_lock_always(&w->lock);
    while (r == 0 && t->group.left && t->group.err == 0) r = sn_cond_wait(&t->group.done, &w->lock);
    if (r == 0 && t->group.err) r = broken(t->group.err);
    for (size_t i = 0; i < n && r < 0; i++)
        if (t->flights[i].id) (void)flight_take(w, t->flights[i].id);
    sn_mutex_unlock(&w->lock);
    return r;
}
/* A node that said nothing at all for a whole try is given up on: the next call makes a connection
 * of its own instead of waiting for this one's pings to fail. */
static int give_up(void *arg)
{
    struct ws_try *t = arg;
    struct ws_rpc *w = t->w;
    sn_mutex_lock_always(&w->wlock);
    sn_mutex_lock_always(&w->lock);
    struct ws_conn *c = w->conn;
    if (c != t->conn || (c && c->messages != t->messages)) c = NULL;
    if (c) conn_drop(w, SN_E_RESET);
    sn_mutex_unlock(&w->lock);
    if (c) sn_ws_close(c->ws, GOING_AWAY, SN_STR(""));
    sn_mutex_unlock(&w->wlock);
    return 0;
}
static int ws_once_for(struct ws_rpc *w, struct ws_sub *sub, const struct sn_eth_request *calls,
                       size_t n, struct sn_arena *a, struct sn_eth_reply *ret)
{
    struct ws_try t = {.w = w, .sub = sub, .flights = SN_ARENA_ARRAY(a, struct flight, n)};
    if (!t.flights) return SN_E_NOMEM;
    int64_t prev = sn_deadline_tighten(sn_now() + w->timeout_ns);
    int r = await_all(&t, n, write_all(&t, calls, n));
    sn_deadline_restore(prev);
    if (r == SN_E_DEADLINE_EXCEEDED && t.conn) (void)!sn_shield(GOODBYE_NS, give_up, &t);
    for (size_t i = 0; i < n; i++) {
        struct sn_str text = t.flights[i].text;
        struct sn_str copy = r == 0 ? sn_arena_str(a, text) : (struct sn_str){0};
        if (r == 0) r = copy.ptr ? sn_eth_answer_parse(a, copy, &ret[i]) : SN_E_NOMEM;
        sn_free((char *)text.ptr);
    }
    return r < 0 ? sn_wrap(r, "%.*s", SN_STR_ARG(w->host)) : 0;
}
static int ws_once(void *ctx, const struct sn_eth_request *calls, size_t n, struct sn_arena *a,
                   struct sn_eth_reply *ret, unsigned *ret_wait_s)
{
    return ws_once_for(ctx, NULL, calls, n, a, ret);
}
static int ws_batch(struct sn_eth_rpc *rpc, const struct sn_eth_request *calls, size_t n,
                    struct sn_arena *a, struct sn_eth_reply *ret)
{
    struct ws_rpc *w = SN_CONTAINER_OF(rpc, struct ws_rpc, rpc);
    struct sn_eth_tries t = {w->retries_max, ws_once, w};
    for (size_t i = 0; i < n; i += w->batch_max) {
        int r = sn_eth_try(&t, calls + i, SN_MIN(n - i, w->batch_max), a, ret + i);
        if (r < 0) return r;
    }
    return 0;
}

/* ---- subscriptions ---- */

static int sub_once(void *ctx, const struct sn_eth_request *calls, size_t n, struct sn_arena *a,
                    struct sn_eth_reply *ret, unsigned *ret_wait_s)
{
    struct ws_sub *s = ctx;
    return ws_once_for(s->w, s, calls, n, a, ret);
}
static int sub_start(struct ws_sub *s)
{
    struct sn_eth_request call = {.method = "eth_subscribe", .params = sn_str(s->params)};
    struct sn_eth_tries t = {s->w->retries_max, sub_once, s};
    struct sn_eth_reply reply;
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    int r = sn_eth_try(&t, &call, 1, &a, &reply);
    if (r == 0 && reply.code)
        r = sn_fail(sn_eth_status(reply.code, reply.message), "eth_subscribe: error %lld: %.*s",
                    (long long)reply.code, (int)SN_MIN(reply.message.len, (size_t)200),
                    reply.message.ptr);
    size_t len = r == 0 ? sn_json_str(reply.result).len : 0;
    if (r == 0 && (len == 0 || len >= SUB_ID_MAX))
        r = sn_fail(SN_E_PROTOCOL, "eth_subscribe: no name for the subscription");
    sn_arena_done(&a);
    return r;
}
/* What there is to tell, with lock held: 1 with *ret_event or a gap, 0: wait, -1: subscribe anew. */
static int sub_look(struct ws_sub *s, struct event **ret_event, struct sn_eth_note *ret)
{
    *ret_event = s->head;
    if (s->head) {
        if (!(s->head = s->head->next)) s->tail = &s->head;
        s->n--;
        s->bytes -= (*ret_event)->len;
        return 1;
    }
    if (s->dropped) {
        *ret = (struct sn_eth_note){.dropped = s->dropped};
        s->dropped = 0;
        return 1;
    }
    return s->id[0] ? 0 : -1;
}
static int sub_next(struct sn_eth_sub *sub, struct sn_arena *a, struct sn_eth_note *ret)
{
    struct ws_sub *s = SN_CONTAINER_OF(sub, struct ws_sub, sub);
    struct event *e = NULL;
    int r = sn_mutex_lock(&s->w->lock), what = 0;
    if (r < 0) return r;
    while (r == 0 && (what = sub_look(s, &e, ret)) == 0)
        r = sn_cond_wait(&s->ready, &s->w->lock);
    sn_mutex_unlock(&s->w->lock);
    if (r < 0) return r;
    if (what < 0) {
        if ((r = sub_start(s)) < 0) return r;
        *ret = (struct sn_eth_note){0};
        return 0;
    }
    if (!e) return 0;
    struct sn_str text = sn_arena_str(a, sn_str_of(e->text, e->len));
    sn_free(e);
    const struct sn_json *v;
    if (!text.ptr) return SN_E_NOMEM;
    if ((r = sn_json_parse(a, text, NULL, &v)) < 0) return r;
    *ret = (struct sn_eth_note){.event = sn_json_path(v, "params.result")};
    return ret->event ? 0 : sn_fail(SN_E_PROTOCOL, "an event without a result");
}
static void sub_unlink(struct ws_sub *s)
{
    struct ws_rpc *w = s->w;
    sn_mutex_lock_always(&w->lock);
    for (struct ws_sub **p = &w->subs; *p; p = &(*p)->next) {
        if (*p != s) continue;
        *p = s->next;
        w->n_subs--;
        break;
    }
    sub_drop_events(s);
    sn_mutex_unlock(&w->lock);
    sn_free(s);
}
static int goodbye(void *arg)
{
    struct ws_sub *s = arg;
    char params[SUB_ID_MAX + 8];
    struct sn_eth_reply reply;
    struct sn_arena a;
    sn_mutex_lock_always(&s->w->lock);
    int n = s->id[0] ? snprintf(params, sizeof(params), "[\"%s\"]", s->id) : 0;
    sn_mutex_unlock(&s->w->lock);
    if (n <= 0) return 0;
    sn_arena_init(&a, NULL, 0);
    struct sn_eth_request call = {.method = "eth_unsubscribe",
                                  .params = sn_str_of(params, (size_t)n)};
    int r = ws_once_for(s->w, NULL, &call, 1, &a, &reply);
    sn_arena_done(&a);
    return r;
}
static void sub_close(struct sn_eth_sub *sub)
{
    struct ws_sub *s = SN_CONTAINER_OF(sub, struct ws_sub, sub);
    (void)!sn_shield(GOODBYE_NS, goodbye, s); /* a node that is gone has forgotten it too */
    sub_unlink(s);
}
static int ws_subscribe(struct sn_eth_rpc *rpc, struct sn_str params, size_t events_max,
                        struct sn_eth_sub **ret)
{
    struct ws_rpc *w = SN_CONTAINER_OF(rpc, struct ws_rpc, rpc);
    struct ws_sub *s = sn_zalloc(1, sizeof(*s) + params.len + 1);
    if (!s) return SN_E_NOMEM;
    *s = (struct ws_sub){.sub = {sub_next, sub_close}, .w = w, .events_max = events_max};
    s->tail = &s->head;
    memcpy(s->params, params.ptr, params.len);
    sn_mutex_lock_always(&w->lock);
    bool full = w->n_subs == SN_ETH_SUBS_MAX;
    if (!full) {
        s->next = w->subs;
        w->subs = s;
        w->n_subs++;
    }
    sn_mutex_unlock(&w->lock);
    if (full) {
        sn_free(s);
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "%u subscriptions on one connection",
                       SN_ETH_SUBS_MAX);
    }
    int r = sub_start(s);
    if (r < 0) sub_unlink(s);
    else *ret = &s->sub;
    return r;
}

/* ---- opening and closing ---- */

static int say_goodbye(void *arg)
{
    struct ws_rpc *w = arg;
    sn_mutex_lock_always(&w->wlock);
    sn_mutex_lock_always(&w->lock);
    struct ws_conn *c = w->conn;
    sn_mutex_unlock(&w->lock);
    if (c) sn_ws_close(c->ws, GOING_AWAY, SN_STR(""));
    sn_mutex_unlock(&w->wlock);
    sn_mutex_lock_always(&w->lock);
    int r = 0;
    while (w->conn && r == 0) r = sn_cond_wait(&w->ended, &w->lock);
    sn_mutex_unlock(&w->lock);
    return r;
}
static void ws_close(struct sn_eth_rpc *rpc)
{
    struct ws_rpc *w = SN_CONTAINER_OF(rpc, struct ws_rpc, rpc);
    SN_ASSERT(w->subs == NULL); /* they would point here */
    (void)!sn_shield(GOODBYE_NS, say_goodbye, w);
    sn_http_client_free(w->client);
    ws_rpc_unref(w);
}
static int configure(struct ws_rpc *w, const struct sn_eth_opts *o)
{
    sn_arena_init(&w->arena, NULL, 0);
    w->url = sn_arena_str(&w->arena, o->url);
    struct sn_str lines = sn_arena_str(&w->arena, o->headers);
    if (!w->url.ptr || !lines.ptr) return SN_E_NOMEM;
    w->host = sn_eth_host_of(w->url);
    int n = sn_eth_headers_parse(lines, w->headers);
    w->n_headers = (unsigned)SN_MAX(n, 0);
    return n < 0 ? n : 0;
}
int sn_eth_ws_open(const struct sn_eth_opts *o, struct sn_eth_rpc **ret)
{
    if (o->answer_bytes_max > SN_ETH_ANSWER_BYTES_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "answers of at most %u bytes",
                       SN_ETH_ANSWER_BYTES_MAX);
    struct ws_rpc *w = SN_NEW(struct ws_rpc);
    if (!w) return SN_E_NOMEM;
    int r = configure(w, o);
    if (r >= 0) r = sn_http_client_new(&(struct sn_http_client_opts){0}, &w->client);
    if (r < 0) {
        sn_arena_done(&w->arena);
        sn_free(w);
        return r;
    }
    w->rpc = (struct sn_eth_rpc){ws_batch, ws_subscribe, ws_close};
    w->retries_max = o->retries_max ? o->retries_max : SN_ETH_RETRIES_DEFAULT;
    w->batch_max = o->batch_max ? o->batch_max : SN_ETH_BATCH_MAX;
    w->answer_bytes_max = o->answer_bytes_max ? o->answer_bytes_max : SN_ETH_ANSWER_BYTES_MAX;
    w->timeout_ns = o->timeout_ns ? o->timeout_ns : TIMEOUT_NS_DEFAULT;
    w->ping_ns = o->ping_ns ? o->ping_ns : PING_NS_DEFAULT;
    w->next_id = w->refs = 1;
    *ret = &w->rpc;
    return 0;
}
