/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/light/proxy_ws.c - the WebSocket: requests as by POST, and subscriptions, which are the
 * primary's own. As in `cometbft light`, events are not verified (their headers can be asked for),
 * and the id of an event is that of the subscription with "#event" behind it.
 *
 * Each connection has one to the primary, from its first subscription on, under whose limits it
 * stands. The subscription goes there under the events' id, so that events come back byte for byte;
 * only the answer to it is written anew. When the primary goes the connection ends (1011): a gap in
 * the events must show. */
#include <stdio.h>

#include "consensus/light/proxy_int.h"
#include "core/alloc.h"
#include "core/list.h"
#include "fiber/fiber.h"
#include "fiber/sync.h"
#include "kit/log.h"

SN_LOG_MODULE("light-proxy");

#define PING_NS (27 * SN_SEC)
#define WRITE_NS (10 * SN_SEC)
#define DIAL_NS (10 * SN_SEC)
#define GOODBYE_NS (1 * SN_SEC)
#define ANSWER_MAX 4096u /* of an answer to subscribe; what is longer is an event */
#define SUBS_MAX 128u    /* subscriptions not yet answered; the primary's own limit is 5 */
#define GONE 1011

/* A subscription that has not been answered. */
struct asked {
    struct sn_list node;
    struct sn_str id, event_id; /* as JSON; as text. Behind it */
    char text[];
};
struct ws {
    struct proxy *p;
    struct sn_ws *down, *up; /* up: NULL before the first subscription */
    struct sn_scope *scope;
    struct sn_mutex lock; /* of asked */
    struct sn_list asked;
    unsigned n_asked;
    bool gone; /* the primary */
};

static int send(struct sn_ws *to, struct sn_str text)
{
    int64_t prev = sn_deadline_tighten(sn_now() + WRITE_NS);
    int r = sn_ws_write(to, SN_WS_TEXT, text);
    sn_deadline_restore(prev);
    return r;
}

/* ---- from the primary ---- */

static struct asked *take(struct ws *w, struct sn_str event_id)
{
    struct asked *found = NULL;
    sn_mutex_lock_always(&w->lock);
    SN_LIST_EACH (&w->asked, it) {
        struct asked *s = SN_LIST_ENTRY(it, struct asked, node);
        if (!found && sn_str_eq(s->event_id, event_id)) found = s;
    }
    if (found) {
        sn_list_del(&found->node);
        w->n_asked--;
    }
    sn_mutex_unlock(&w->lock);
    return found;
}
/* The answer to a subscription under the id it was asked with; all else as it is. */
static int deliver(struct ws *w, struct sn_str text, struct sn_arena *a)
{
    const struct sn_json *doc = NULL;
    struct asked *s = NULL;
    if (text.len <= ANSWER_MAX && sn_json_parse(a, text, NULL, &doc) == 0) {
        const struct sn_json *result = sn_json_get(doc, "result");
        bool event = sn_json_get(result, "query") != NULL;
        if (!event) s = take(w, sn_json_str(sn_json_get(doc, "id")));
    }
    if (!s) return send(w->down, text);
    struct sn_buf b SN_CLEANUP(sn_buf_done) = {0};
    const struct sn_json *error = sn_json_get(doc, "error");
    const struct sn_json *what = error ? error : sn_json_get(doc, "result");
    struct sn_str rest = SN_STR("null");
    int r = what ? proxy_write_json(what, a, &rest) : 0;
    sn_buf_printf(&b, "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"%s\":%.*s}", SN_STR_ARG(s->id),
                  error ? "error" : "result", SN_STR_ARG(rest));
    sn_free(s);
    if (r >= 0) r = b.err;
    return r < 0 ? r : send(w->down, sn_buf_view(&b));
}
static int pump(void *arg)
{
    struct ws *w = arg;
    struct sn_buf m SN_CLEANUP(sn_buf_done) = {0};
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    int r;
    sn_arena_init(&a, NULL, 0);
    while ((r = sn_ws_read(w->up, &m)) > 0) {
        r = deliver(w, sn_buf_view(&m), &a);
        if (r < 0) return r;
        sn_arena_reset(&a);
    }
    if (r != SN_E_CANCELLED) {
        w->gone = true;
        SN_LOG_WARN("the primary ended its events", SN_L_ERR(r));
    }
    return r < 0 ? r : SN_E_EOF;
}

/* ---- to the primary ---- */

static int reach(struct ws *w)
{
    if (w->up) return 0;
    const struct sn_ws_opts o = {.message_bytes_max = SN_LIGHT_ANSWER_MAX, .ping_ns = PING_NS};
    int64_t prev = sn_deadline_tighten(sn_now() + DIAL_NS);
    int r = sn_light_rpc_ws(w->p->primary, &o, &w->up);
    sn_deadline_restore(prev);
    if (r < 0) return r;
    return sn_scope_go_on(w->scope, (unsigned)sn_worker_id(), "light events", pump, w);
}
static struct asked *ask(struct ws *w, struct sn_str id, struct sn_str event_id)
{
    struct asked *s = sn_alloc(sizeof(*s) + id.len + event_id.len);
    if (!s) return NULL;
    memcpy(s->text, id.ptr, id.len);
    memcpy(s->text + id.len, event_id.ptr, event_id.len);
    s->id = sn_str_of(s->text, id.len);
    s->event_id = sn_str_of(s->text + id.len, event_id.len);
    sn_mutex_lock_always(&w->lock);
    sn_list_push_back(&w->asked, &s->node);
    w->n_asked++;
    sn_mutex_unlock(&w->lock);
    return s;
}
/* id: as JSON. Go prints a text as it is, and a number so, too. */
static int subscribe(struct ws *w, const struct sn_json *doc, struct sn_str id, struct sn_arena *a)
{
    const struct sn_json *params = sn_json_get(doc, "params");
    struct sn_str text = sn_json_str(sn_json_get(doc, "id")), args = SN_STR("{}");
    struct sn_str event_id = sn_arena_printf(a, "%.*s#event", SN_STR_ARG(text.ptr ? text : id));
    struct sn_buf b SN_CLEANUP(sn_buf_done) = {0};
    if (!event_id.ptr) return SN_E_NOMEM;
    if (w->n_asked >= SUBS_MAX)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "%u subscriptions wait for the primary", SUBS_MAX);
    int r = reach(w);
    if (r >= 0 && params) r = proxy_write_json(params, a, &args);
    if (r < 0) return r;
    sn_buf_cstr(&b, "{\"jsonrpc\":\"2.0\",\"id\":");
    sn_json_write_string(&b, event_id);
    sn_buf_printf(&b, ",\"method\":\"subscribe\",\"params\":%.*s}", SN_STR_ARG(args));
    if (b.err < 0) return b.err;
    if (!ask(w, id, event_id)) return SN_E_NOMEM;
    return send(w->up, sn_buf_view(&b));
}

/* ---- from the client ---- */

/* What went wrong goes to the client; the connection stays. */
static int request(struct ws *w, const struct sn_json *doc, struct sn_str text, struct sn_arena *a,
                   struct sn_buf *out)
{
    struct sn_str method = sn_json_str(sn_json_get(doc, "method")), id;
    const struct sn_json *id_json = sn_json_get(doc, "id");
    if (!id_json) return 0; /* a notification: nobody waits for an answer */
    int r = proxy_write_json(id_json, a, &id);
    if (r < 0) return r;
    if (sn_str_eqc(method, "subscribe"))
        r = subscribe(w, doc, id, a);
    else if (sn_str_eqc(method, "unsubscribe") || sn_str_eqc(method, "unsubscribe_all"))
        r = w->up ? send(w->up, text) : sn_fail(SN_E_NOT_FOUND, "subscription not found");
    else
        return proxy_one(w->p, doc, a, out);
    if (r == SN_E_CANCELLED || r == SN_E_NOMEM) return r;
    if (r < 0) proxy_put_error(out, id, -32603, "Internal error", r);
    return out->err;
}
static int on_message(struct ws *w, struct sn_str text, struct sn_arena *a, struct sn_buf *out)
{
    const struct sn_json *doc;
    sn_buf_reset(out);
    int r = sn_json_parse(a, text, NULL, &doc);
    if (r == SN_E_NOMEM) return r;
    if (r == 0 && sn_json_is(doc, SN_JSON_ARRAY))
        r = sn_fail(SN_E_SYNTAX, "a WebSocket takes requests one by one");
    if (r < 0) {
        proxy_put_error(out, SN_STR("null"), -32700, "Parse error. Invalid JSON", r);
        r = out->err;
    } else {
        r = request(w, doc, text, a, out);
    }
    if (r >= 0 && out->len) r = send(w->down, sn_buf_view(out));
    return r;
}
static int serve(void *arg)
{
    struct ws *w = arg;
    struct sn_buf m SN_CLEANUP(sn_buf_done) = {0}, out SN_CLEANUP(sn_buf_done) = {0};
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    int r;
    sn_arena_init(&a, NULL, 0);
    while ((r = sn_ws_read(w->down, &m)) > 0) {
        if ((r = on_message(w, sn_buf_view(&m), &a, &out)) < 0) break;
        sn_arena_reset(&a);
    }
    return r < 0 ? r : SN_E_EOF;
}

static int goodbye(void *arg)
{
    struct ws *w = arg;
    if (w->up) sn_ws_close(w->up, 1000, (struct sn_str){0});
    sn_ws_close(w->down, w->gone ? GONE : 1000,
                w->gone ? SN_STR("the primary ended its events") : (struct sn_str){0});
    return 0;
}
int proxy_websocket(struct proxy *p, struct sn_http_x *x)
{
    struct ws w = {.p = p};
    const struct sn_ws_opts o = {.message_bytes_max = PROXY_BODY_MAX, .ping_ns = PING_NS};
    struct sn_scope_storage mem;
    int r = sn_ws_accept(x, &o, &w.down);
    if (r < 0) return r;
    sn_list_init(&w.asked);
    /* The handler's deadline is of requests. */
    int64_t prev = sn_deadline();
    sn_deadline_restore(SN_FOREVER);
    w.scope = sn_scope_begin(&mem);
    (void)!sn_scope_go_on(w.scope, (unsigned)sn_worker_id(), "light websocket", serve, &w);
    (void)!sn_scope_end(w.scope);
    (void)!sn_shield(GOODBYE_NS, goodbye, &w);
    for (struct sn_list *it; (it = sn_list_pop_front(&w.asked));)
        sn_free(SN_LIST_ENTRY(it, struct asked, node));
    sn_deadline_restore(prev);
    return 0;
}
