/* SPDX-License-Identifier: Apache-2.0 */
/* rpc/ws.c - the WebSocket: requests are answered in their order by the fiber that reads; a second
 * fiber, begun with the first subscription, sends what the bus has for it.
 *
 * A client that does not read holds up these two fibers and nobody else: its subscriptions fill up
 * and end, and it is told so when it reads again; or, as configured, its connection ends. */
#include "consensus/rpc/rpc_int.h"
#include "core/alloc.h"

#define PING_NS (27 * SN_SEC)
#define WRITE_NS (10 * SN_SEC)
#define GOODBYE_NS (1 * SN_SEC)
#define SLOW "subscription was canceled (reason: client is not pulling messages fast enough)"
#define ENDED "subscription was canceled (reason: CometBFT exited)"

struct sub {
    struct sn_list node;
    struct sn_subscription *s;
    struct sn_str id, query; /* behind it */
    char text[];
};
struct sn_rpc_ws {
    struct sn_list node; /* of the server */
    struct sn_rpc *rpc;
    struct sn_ws *ws;
    struct sn_fiber *self;
    struct sn_scope *scope;
    struct sn_str client;
    struct sn_mutex lock; /* for subs */
    struct sn_list subs;  /* the one that was served last at the end */
    struct sub *fresh;    /* made by the request at hand: joins once that is answered */
    struct sn_sem news;
    struct sn_buf answer, event; /* one for each fiber */
    struct sn_arena arena;       /* of the request */
    bool delivering;
};

/* ---- subscriptions ---- */

static void sub_free(struct sub *s)
{
    if (!s) return;
    sn_subscription_end(s->s);
    sn_free(s);
}

static void woken(void *arg) { sn_sem_release(&((struct sn_rpc_ws *)arg)->news, 1); }

static int sub_new(struct sn_rpc_ws *w, struct sn_str id, struct sn_str query, struct sub **ret)
{
    struct sub *s = sn_alloc(sizeof(*s) + id.len + query.len);
    if (!s) return SN_E_NOMEM;
    if (id.len) memcpy(s->text, id.ptr, id.len);
    if (query.len) memcpy(s->text + id.len, query.ptr, query.len);
    s->id = sn_str_of(s->text, id.len);
    s->query = sn_str_of(s->text + id.len, query.len);
    int r = sn_event_bus_subscribe(w->rpc->o.view->bus, w->client, query, woken, w, &s->s);
    if (r < 0) {
        sn_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

int sn_rpc_do_subscribe(struct sn_rpc_call *c)
{
    if (!c->ws || !c->view->bus) return sn_fail(SN_E_UNAVAILABLE, "this node has no events");
    if (c->args[0].s.len > SN_RPC_QUERY_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "maximum query length exceeded");
    int r = sub_new(c->ws, c->id, c->args[0].s, &c->ws->fresh);
    if (r == SN_E_ALREADY_EXISTS) return sn_fail(r, "already subscribed");
    if (r == SN_E_RESOURCE_EXHAUSTED || r == SN_E_NOMEM) return r;
    if (r < 0) return sn_wrap(r, "failed to parse query");
    SN_CONS_JSON_LIT(c->out, "{}");
    return 0;
}

int sn_rpc_do_unsubscribe(struct sn_rpc_call *c)
{
    struct sn_query *q;
    struct sn_buf text SN_CLEANUP(sn_buf_done) = {0};
    struct sub *found = NULL;
    int r = sn_query_parse(c->args[0].s, &q);
    if (r < 0) return sn_wrap(r, "failed to parse query");
    r = sn_query_text(q, &text);
    sn_query_free(q);
    if (r < 0) return r;
    if (!c->ws) return sn_fail(SN_E_UNAVAILABLE, "this node has no events");
    sn_mutex_lock_always(&c->ws->lock);
    SN_LIST_EACH (&c->ws->subs, it) {
        struct sub *s = SN_LIST_ENTRY(it, struct sub, node);
        if (sn_str_eq(sn_subscription_query(s->s), sn_buf_view(&text))) found = s;
    }
    if (found) sn_list_del(&found->node);
    sn_mutex_unlock(&c->ws->lock);
    if (!found) return sn_fail(SN_E_NOT_FOUND, "subscription not found");
    sub_free(found);
    SN_CONS_JSON_LIT(c->out, "{}");
    return 0;
}

static size_t end_all(struct sn_rpc_ws *w)
{
    size_t n = 0;
    sn_mutex_lock_always(&w->lock);
    for (struct sn_list *it; (it = sn_list_pop_front(&w->subs)); n++)
        sub_free(SN_LIST_ENTRY(it, struct sub, node));
    sn_mutex_unlock(&w->lock);
    return n;
}

int sn_rpc_do_unsubscribe_all(struct sn_rpc_call *c)
{
    if (!c->ws) return sn_fail(SN_E_UNAVAILABLE, "this node has no events");
    if (end_all(c->ws) == 0) return sn_fail(SN_E_NOT_FOUND, "subscription not found");
    SN_CONS_JSON_LIT(c->out, "{}");
    return 0;
}

/* ---- delivery ---- */

static int send(struct sn_rpc_ws *w, const struct sn_buf *b)
{
    if (b->err < 0) return b->err;
    int64_t prev = sn_deadline_tighten(sn_now() + WRITE_NS);
    int r = sn_ws_write(w->ws, SN_WS_TEXT, sn_buf_view(b));
    sn_deadline_restore(prev);
    return r;
}

/* The next event, or the word that a subscription is over, to w->event. Returns 1, 0 where nothing
 * waits, SN_E_CLOSED where the connection ends with that word. */
static int next_event(struct sn_rpc_ws *w)
{
    struct sn_chain_event *e;
    sn_buf_reset(&w->event);
    sn_mutex_lock_always(&w->lock);
    int r = 0;
    SN_LIST_EACH (&w->subs, it) {
        struct sub *s = SN_LIST_ENTRY(it, struct sub, node);
        r = sn_subscription_take(s->s, &e);
        if (r == 0) continue;
        sn_list_del(&s->node);
        if (r > 0) {
            sn_rpc_head(&w->event, s->id);
            SN_CONS_JSON_LIT(&w->event, "{\"query\":");
            sn_cons_json_str(&w->event, s->query);
            SN_CONS_JSON_LIT(&w->event, ",\"data\":");
            sn_buf_str(&w->event, e->data);
            SN_CONS_JSON_LIT(&w->event, "}}");
            sn_chain_event_unref(e);
            sn_list_push_back(&w->subs, &s->node);
        } else {
            sn_rpc_error(&w->event, s->id, SN_RPC_SERVER_ERROR, SN_STR(SLOW));
            sub_free(s);
            r = w->rpc->o.close_on_slow_client ? SN_E_CLOSED : 1;
        }
        break;
    }
    sn_mutex_unlock(&w->lock);
    return r;
}

static int deliver(void *arg)
{
    struct sn_rpc_ws *w = arg;
    for (;;) {
        int r = sn_sem_acquire(&w->news, 1);
        while (r == 0 && sn_sem_try(&w->news, 1)) continue;
        while (r == 0) {
            int next = next_event(w);
            if (next == 0) break;
            r = send(w, &w->event);
            if (next < 0) r = next;
        }
        if (r < 0) return r;
    }
}

/* The subscription begins with what came since the request. */
static int join(struct sn_rpc_ws *w)
{
    struct sub *s = w->fresh;
    if (!s) return 0;
    w->fresh = NULL;
    sn_mutex_lock_always(&w->lock);
    sn_list_push_back(&w->subs, &s->node);
    sn_mutex_unlock(&w->lock);
    sn_sem_release(&w->news, 1);
    if (w->delivering) return 0;
    w->delivering = true;
    return sn_scope_go_on(w->scope, (unsigned)sn_worker_id(), "rpc events", deliver, w);
}

/* ---- requests ---- */

static void answer(struct sn_rpc_ws *w, const struct sn_rpc_request *req)
{
    const struct sn_rpc_route *route = sn_rpc_route(w->rpc, req->method);
    if (!route) {
        sn_rpc_error(&w->answer, req->id, SN_RPC_NO_METHOD, (struct sn_str){0});
        return;
    }
    struct sn_rpc_call c = {.rpc = w->rpc,
                            .view = w->rpc->o.view,
                            .route = route,
                            .arena = &w->arena,
                            .out = &w->answer,
                            .id = req->id,
                            .client = w->client,
                            .ws = w};
    int r = sn_rpc_args_json(&c, req->params);
    if (r < 0)
        sn_rpc_error_of(&w->answer, req->id, SN_RPC_INTERNAL_ERROR,
                        "error converting json params to arguments: ", r);
    else
        (void)sn_rpc_answer(&c);
}

static int on_message(struct sn_rpc_ws *w, struct sn_str text)
{
    struct sn_rpc_request *reqs;
    bool batch;
    sn_buf_reset(&w->answer);
    ssize_t n = sn_rpc_requests(text, &w->arena, &reqs, &batch);
    if (n >= 0 && batch)
        n = sn_fail(SN_E_SYNTAX,
                    "json: cannot unmarshal array into Go value of type types.RPCRequest");
    if (n < 0)
        sn_rpc_error_of(&w->answer, (struct sn_str){0}, SN_RPC_PARSE_ERROR,
                        "error unmarshaling request: ", (int)n);
    else if (reqs[0].id.len)
        answer(w, &reqs[0]);
    int r = w->answer.len || w->answer.err < 0 ? send(w, &w->answer) : 0;
    if (r == 0) r = join(w);
    sn_arena_reset(&w->arena);
    return r;
}

static int serve(void *arg)
{
    struct sn_rpc_ws *w = arg;
    struct sn_buf m SN_CLEANUP(sn_buf_done) = {0};
    int r;
    while ((r = sn_ws_read(w->ws, &m)) > 0)
        if ((r = on_message(w, sn_buf_view(&m))) < 0) break;
    return r < 0 ? r : SN_E_EOF;
}

/* ---- a connection's life ---- */

/* Those who still subscribe are told why nothing more comes. */
static int goodbye(void *arg)
{
    struct sn_rpc_ws *w = arg;
    bool stopping = w->rpc->stopping;
    if (stopping)
        SN_LIST_EACH (&w->subs, it) {
            sn_buf_reset(&w->event);
            sn_rpc_error(&w->event, SN_LIST_ENTRY(it, struct sub, node)->id, SN_RPC_SERVER_ERROR,
                         SN_STR(ENDED));
            if (send(w, &w->event) < 0) break;
        }
    sn_ws_close(w->ws, stopping ? 1001 : 1000, (struct sn_str){0});
    return 0;
}

static bool enter(struct sn_rpc_ws *w)
{
    sn_mutex_lock_always(&w->rpc->lock);
    bool ok = !w->rpc->stopping;
    if (ok) {
        sn_list_push_back(&w->rpc->ws, &w->node);
        sn_waitgroup_add(&w->rpc->ws_running, 1);
    }
    sn_mutex_unlock(&w->rpc->lock);
    return ok;
}
static void leave(struct sn_rpc_ws *w)
{
    sn_mutex_lock_always(&w->rpc->lock);
    sn_list_del(&w->node);
    sn_mutex_unlock(&w->rpc->lock);
    sn_waitgroup_done(&w->rpc->ws_running);
}

int sn_rpc_websocket(struct sn_http_x *x, struct sn_rpc *rpc)
{
    struct sn_rpc_ws w = {.rpc = rpc, .self = sn_self(), .client = sn_http_peer(x)};
    const struct sn_ws_opts o = {.message_bytes_max = rpc->o.body_bytes_max, .ping_ns = PING_NS};
    struct sn_scope_storage mem;
    int r = sn_ws_accept(x, &o, &w.ws);
    if (r < 0) return r;
    sn_list_init(&w.subs);
    sn_arena_init(&w.arena, NULL, 0);
    /* The handler's deadline is of requests. */
    int64_t prev = sn_deadline();
    sn_deadline_restore(SN_FOREVER);
    if (enter(&w)) {
        w.scope = sn_scope_begin(&mem);
        r = sn_scope_go_on(w.scope, (unsigned)sn_worker_id(), "rpc websocket", serve, &w);
        r = sn_scope_end(w.scope);
        (void)!sn_shield(GOODBYE_NS, goodbye, &w);
        end_all(&w);
        sub_free(w.fresh);
        leave(&w);
    } else {
        sn_ws_close(w.ws, 1001, (struct sn_str){0});
    }
    sn_deadline_restore(prev);
    sn_buf_done(&w.answer);
    sn_buf_done(&w.event);
    sn_arena_done(&w.arena);
    return 0;
}

static int wait_all(void *arg) { return sn_waitgroup_wait(&((struct sn_rpc *)arg)->ws_running); }

void sn_rpc_ws_stop(struct sn_rpc *rpc)
{
    sn_mutex_lock_always(&rpc->lock);
    rpc->stopping = true;
    SN_LIST_EACH (&rpc->ws, it) sn_fiber_cancel(SN_LIST_ENTRY(it, struct sn_rpc_ws, node)->self);
    sn_mutex_unlock(&rpc->lock);
    (void)!sn_shield(SN_FOREVER / 2, wait_all, rpc);
}
