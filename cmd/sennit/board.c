/* SPDX-License-Identifier: Apache-2.0 */
/* Who may see the board: it binds loopback by default, and a request whose Host is neither loopback
 * nor the address it was bound to is refused, so that a page of another site cannot reach it
 * through a name that it points at 127.0.0.1. */
#include "sennit/board.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/enc.h"
#include "crypto/hash.h"
#include "gateway/gateway.h"
#include "kit/debug.h"
#include "kit/http.h"
#include "sennit/contracts.h"
#include "sennit/exhibit.h"
#include "sennit/supervise.h"
#include "wire/json.h"

extern const unsigned char sn_board_page[], sn_contracts_page[], sn_board_style[];
extern const size_t sn_board_page_len, sn_contracts_page_len, sn_board_style_len;

#define GROUPS_MAX 96u
#define GROUP_NAME_MAX 48u

struct event {
    int64_t unix_ms;
    const char *level; /* static */
    char text[SN_BOARD_EVENT_BYTES];
};
#define ASSETS 3
struct asset { /* embedded in the program and sent as it is */
    const char *path, *type;
    struct sn_str text;
    char csp[320];
};
struct sn_board {
    struct sn_board_opts opts;
    struct sn_gateway *gw;
    struct sn_listener *listener;
    struct sn_http_server *server;
    char address[SN_ADDR_TEXT_MAX + 8];
    bool any_address; /* bound to every interface: hosts are IP literals, whichever */
    struct asset assets[ASSETS];
    int64_t started_ns;

    atomic_flag events_busy; /* held for one copy, never across a suspension */
    uint64_t n_events;
    struct event events[SN_BOARD_EVENTS_MAX];

    struct sn_mutex lock; /* what follows */
    struct sn_buf json;
    int64_t json_ns;
    uint64_t ticks_seen;
    int64_t ticks_ns;
    double cpu_pct;
};

/* ---- events ---- */

static void events_lock(struct sn_board *b)
{
    while (atomic_flag_test_and_set_explicit(&b->events_busy, memory_order_acquire))
        __builtin_ia32_pause();
}
static void events_unlock(struct sn_board *b)
{
    atomic_flag_clear_explicit(&b->events_busy, memory_order_release);
}

void sn_board_event(struct sn_board *b, const char *level, const char *text)
{
    int64_t ms = sn_wall_now() / SN_MS;
    events_lock(b);
    struct event *e = &b->events[b->n_events++ % SN_BOARD_EVENTS_MAX];
    e->unix_ms = ms;
    e->level = strcmp(level, "error") == 0 ? "error" : strcmp(level, "warn") == 0 ? "warn" : "info";
    snprintf(e->text, sizeof(e->text), "%s", text);
    events_unlock(b);
}

static void put_events(struct sn_board *b, struct sn_jsonw *w)
{
    sn_jsonw_key(w, SN_STR("events"));
    sn_jsonw_array(w);
    events_lock(b);
    uint64_t end = b->n_events;
    events_unlock(b);
    uint64_t from = end > SN_BOARD_EVENTS_MAX ? end - SN_BOARD_EVENTS_MAX : 0;
    for (uint64_t i = from; i < end; i++) {
        struct event e;
        events_lock(b);
        e = b->events[i % SN_BOARD_EVENTS_MAX];
        events_unlock(b);
        sn_jsonw_object(w);
        sn_jsonw_kdouble(w, "ts", (double)e.unix_ms / 1000);
        sn_jsonw_kstr(w, "level", sn_str(e.level));
        sn_jsonw_kstr(w, "text", sn_str(e.text));
        sn_jsonw_object_end(w);
    }
    sn_jsonw_array_end(w);
}

/* ---- fibers ---- */

struct group {
    char name[GROUP_NAME_MAX];
    const char *state, *reason;
    uint64_t count;
    int64_t oldest_ns; /* start of the longest wait; 0 = none waits */
};
struct groups {
    unsigned n;
    struct group g[GROUPS_MAX]; /* the last one takes what has no place */
};

static struct group *group_of(struct groups *gs, const char *name, const char *state,
                              const char *reason)
{
    for (unsigned i = 0; i < gs->n; i++) {
        struct group *g = &gs->g[i];
        if (strncmp(g->name, name, GROUP_NAME_MAX - 1) == 0 && strcmp(g->state, state) == 0 &&
            strcmp(g->reason, reason) == 0)
            return g;
    }
    if (gs->n == GROUPS_MAX) return &gs->g[GROUPS_MAX - 1];
    struct group *g = &gs->g[gs->n++];
    bool last = gs->n == GROUPS_MAX;
    snprintf(g->name, sizeof(g->name), "%s", last ? "(others)" : name);
    g->state = last ? "" : state;
    g->reason = last ? "" : reason;
    return g;
}

static void count_fiber(const struct sn_fiber_info *f, void *arg)
{
    char unnamed[GROUP_NAME_MAX];
    const char *name = f->name;
    if (!name || !*name) {
        snprintf(unnamed, sizeof(unnamed), "unnamed, entry %p", (void *)(uintptr_t)f->entry);
        name = unnamed;
    }
    bool waits = f->wait_reason && *f->wait_reason;
    struct group *g = group_of(arg, name, f->state, waits ? f->wait_reason : "");
    g->count++;
    if (waits && f->wait_since_ns && (!g->oldest_ns || f->wait_since_ns < g->oldest_ns))
        g->oldest_ns = f->wait_since_ns;
}

static int by_count(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    if (x->count != y->count) return x->count < y->count ? 1 : -1;
    int by_name = strcmp(x->name, y->name);
    return by_name ? by_name : strcmp(x->reason, y->reason);
}

static int put_fibers(struct sn_jsonw *w)
{
    struct groups *gs = sn_zalloc(1, sizeof(*gs));
    if (!gs) return SN_E_NOMEM;
    sn_fiber_each(count_fiber, gs);
    qsort(gs->g, gs->n, sizeof(gs->g[0]), by_count);
    int64_t now = sn_now();
    sn_jsonw_key(w, SN_STR("fibers"));
    sn_jsonw_array(w);
    for (unsigned i = 0; i < gs->n; i++) {
        const struct group *g = &gs->g[i];
        sn_jsonw_object(w);
        sn_jsonw_kstr(w, "name", sn_str(g->name));
        sn_jsonw_kstr(w, "state", sn_str(g->state));
        sn_jsonw_kstr(w, "reason", sn_str(g->reason));
        sn_jsonw_ku64(w, "count", g->count);
        if (g->oldest_ns)
            sn_jsonw_kdouble(w, "oldest_s", (double)((now - g->oldest_ns) / SN_MS) / 1000);
        sn_jsonw_object_end(w);
    }
    sn_jsonw_array_end(w);
    sn_free(gs);
    return 0;
}

/* ---- the JSON ---- */

static void put_node(struct sn_board *b, struct sn_jsonw *w)
{
    sn_jsonw_key(w, SN_STR("node"));
    sn_jsonw_object(w);
    sn_jsonw_kstr(w, "name", sn_str(b->opts.node_name));
    sn_jsonw_kstr(w, "version", sn_str(b->opts.version));
    sn_jsonw_ki64(w, "uptime_s", (sn_now() - b->started_ns) / SN_SEC);
    sn_jsonw_ku64(w, "workers", sn_worker_count());
    sn_jsonw_ki64(w, "pid", getpid());
    sn_jsonw_object_end(w);
}

static void put_process(struct sn_jsonw *w, struct sn_supervisor *sup, struct sn_supervised *p)
{
    struct sn_proc_sample s;
    sn_supervised_sample(sup, p, &s);
    sn_jsonw_object(w);
    sn_jsonw_kstr(w, "name", sn_str(p->name));
    sn_jsonw_ki64(w, "pid", s.status.pid);
    sn_jsonw_kstr(w, "state", sn_str(sn_proc_state_name(s.status.state)));
    if (s.status.pid) sn_jsonw_ki64(w, "uptime_s", (sn_now() - s.status.started_ns) / SN_SEC);
    sn_jsonw_ku64(w, "rss_bytes", s.rss_bytes);
    if (s.cpu_pct >= 0) sn_jsonw_kdouble(w, "cpu_pct", s.cpu_pct);
    sn_jsonw_ku64(w, "restarts", s.status.restarts);
    sn_jsonw_object_end(w);
}

static void put_processes(struct sn_board *b, struct sn_jsonw *w)
{
    sn_jsonw_key(w, SN_STR("processes"));
    sn_jsonw_array(w);
    for (unsigned i = 0; i < SN_BOARD_SUPERVISORS_MAX; i++) {
        struct sn_supervisor *sup = b->opts.supervisors[i];
        if (!sup) continue;
        SN_VEC_EACH (&sup->procs, p) put_process(w, sup, *p);
    }
    sn_jsonw_array_end(w);
}

/* The gateway's totals, and what is the node's own. */
static int put_totals(struct sn_board *b, struct sn_jsonw *w, const struct sn_json *totals,
                      struct sn_buf *part)
{
    struct sn_rt_stats rt;
    uint64_t rss, ticks;
    sn_jsonw_key(w, SN_STR("totals"));
    sn_jsonw_object(w);
    for (SN_JSON_MEMBERS(totals, m)) {
        sn_buf_reset(part);
        int r = sn_json_write(part, &m->value, NULL);
        if (r < 0) return r;
        sn_jsonw_key(w, sn_json_str(&m->key));
        sn_jsonw_raw(w, sn_buf_view(part));
    }
    sn_rt_stats(&rt);
    sn_jsonw_ki64(w, "fibers", rt.fibers_live);
    sn_jsonw_ku64(w, "fibers_started", rt.fibers_started);
    if (sn_proc_usage(0, &rss, &ticks)) {
        int64_t now = sn_now();
        sn_jsonw_ku64(w, "rss_bytes", rss);
        if (now - b->ticks_ns >= SN_CPU_WINDOW_NS) {
            b->cpu_pct = b->ticks_ns ? sn_cpu_share(ticks - b->ticks_seen, now - b->ticks_ns) : -1;
            b->ticks_seen = ticks;
            b->ticks_ns = now;
        }
        if (b->cpu_pct >= 0) sn_jsonw_kdouble(w, "cpu_pct", b->cpu_pct);
    }
    sn_jsonw_object_end(w);
    return 0;
}

static int put_gateway(struct sn_board *b, struct sn_jsonw *w)
{
    struct sn_arena a;
    struct sn_buf text, part;
    const struct sn_json *all;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&text, 0);
    sn_buf_init(&part, 0);
    int r = sn_gateway_stats_json(b->gw, &text);
    if (r >= 0) r = sn_json_parse(&a, sn_buf_view(&text), NULL, &all);
    if (r >= 0) {
        for (SN_JSON_MEMBERS(all, m)) {
            if (r < 0 || sn_str_eqc(sn_json_str(&m->key), "totals")) continue;
            sn_buf_reset(&part);
            r = sn_json_write(&part, &m->value, NULL);
            sn_jsonw_key(w, sn_json_str(&m->key));
            sn_jsonw_raw(w, sn_buf_view(&part));
        }
    }
    if (r >= 0) r = put_totals(b, w, sn_json_get(all, "totals"), &part);
    sn_buf_done(&part);
    sn_buf_done(&text);
    sn_arena_done(&a);
    return r;
}

static int make_json(struct sn_board *b, struct sn_buf *out)
{
    struct sn_jsonw w;
    sn_jsonw_init(&w, out, NULL);
    sn_jsonw_object(&w);
    put_node(b, &w);
    int r = put_gateway(b, &w);
    if (r < 0) return r;
    put_processes(b, &w);
    if (b->opts.exhibits) {
        sn_jsonw_key(&w, SN_STR("exhibits"));
        sn_exhibits_json(b->opts.exhibits, &w);
    }
    r = put_fibers(&w);
    if (r < 0) return r;
    put_events(b, &w);
    sn_jsonw_object_end(&w);
    return out->err;
}

/* The JSON of at most SN_BOARD_CACHE_NS ago, copied to the arena. */
static int board_json(struct sn_board *b, struct sn_arena *a, struct sn_str *ret)
{
    int r = sn_mutex_lock(&b->lock);
    if (r < 0) return r;
    if (!b->json.len || sn_now() - b->json_ns >= SN_BOARD_CACHE_NS) {
        sn_buf_reset(&b->json);
        r = make_json(b, &b->json);
        if (r < 0) sn_buf_reset(&b->json);
        b->json_ns = sn_now();
    }
    if (r >= 0) {
        *ret = sn_arena_str(a, sn_buf_view(&b->json));
        if (!ret->ptr) r = SN_E_NOMEM;
    }
    sn_mutex_unlock(&b->lock);
    return r;
}

/* ---- the server ---- */

/* "host:port" and "[v6]:port" without the port. */
static struct sn_str without_port(struct sn_str host)
{
    ssize_t colon = sn_str_rchr(host, ':'), bracket = sn_str_rchr(host, ']');
    return colon >= 0 && colon > bracket ? sn_str_sub(host, 0, (size_t)colon) : host;
}

static bool is_ip_literal(struct sn_str h)
{
    if (h.len && h.ptr[0] == '[') return true;
    for (size_t i = 0; i < h.len; i++)
        if (h.ptr[i] != '.' && (h.ptr[i] < '0' || h.ptr[i] > '9')) return false;
    return h.len > 0;
}

static bool host_allowed(const struct sn_board *b, struct sn_str host)
{
    if (!host.len) return true; /* HTTP/1.0 without Host: no browser */
    host = without_port(host);
    if (sn_str_ieq(host, SN_STR("localhost")) || sn_str_eqc(host, "[::1]")) return true;
    if (!is_ip_literal(host)) return false;
    return sn_str_starts(host, SN_STR("127.")) || b->any_address ||
           sn_str_eq(host, without_port(sn_str(b->address)));
}

/* A page of another site may link here, but not read or embed what is here. */
static bool site_allowed(const struct sn_http_req *req)
{
    struct sn_str site = sn_http_headers_get(&req->headers, SN_STR("sec-fetch-site"));
    struct sn_str mode = sn_http_headers_get(&req->headers, SN_STR("sec-fetch-mode"));
    return !sn_str_eqc(site, "cross-site") || sn_str_eqc(mode, "navigate");
}

static int reply(struct sn_http_x *x, int status, struct sn_str type, struct sn_str csp,
                 struct sn_str body)
{
    const struct sn_http_header common[] = {
        {SN_STR_INIT("cache-control"), SN_STR_INIT("no-store")},
        {SN_STR_INIT("x-content-type-options"), SN_STR_INIT("nosniff")},
        {SN_STR_INIT("referrer-policy"), SN_STR_INIT("no-referrer")},
        {SN_STR_INIT("cross-origin-resource-policy"), SN_STR_INIT("same-origin")},
        {SN_STR_INIT("content-security-policy"), csp},
    };
    for (size_t i = 0; i < SN_COUNT_OF(common); i++) {
        int r = sn_http_header_add(x, common[i].name, common[i].value);
        if (r < 0) return r;
    }
    return sn_http_reply(x, status, type, body);
}

#define CSP_NOTHING SN_STR("default-src 'none'; frame-ancestors 'none'")

static int reply_text(struct sn_http_x *x, int status, struct sn_str text)
{
    return reply(x, status, SN_STR("text/plain; charset=utf-8"), CSP_NOTHING, text);
}
static int reply_json(struct sn_http_x *x, int status, struct sn_str json)
{
    return reply(x, status, SN_STR("application/json"), CSP_NOTHING, json);
}

/* ---- the contract page ---- */

/* What the asker did wrong is 400, a node's failure 502, ours 500; the text says which. */
static int status_of(int r)
{
    switch (r) {
    case SN_E_INVALID_ARGUMENT:
    case SN_E_SYNTAX:
    case SN_E_NOT_FOUND:
    case SN_E_OUT_OF_RANGE:
    case SN_E_TOO_LARGE:
    case SN_E_DEPTH:
    case SN_E_EOF:
    case SN_E_ALREADY_EXISTS:
    case SN_E_FAILED_PRECONDITION: return 400;
    case SN_E_UNIMPLEMENTED: return 404;
    case SN_E_NOMEM:
    case SN_E_INTERNAL: return 500;
    default: return 502;
    }
}

static int answer_question(struct sn_board *b, struct sn_http_x *x, struct sn_str what,
                           struct sn_buf *out)
{
    struct sn_str body;
    const struct sn_json *q;
    int r = sn_http_body_all(x, 2 * SN_CONTRACT_ABI_MAX, &body);
    if (r == SN_E_TOO_LARGE) r = sn_fail(r, "the question is larger than 8 MiB");
    if (r >= 0) r = sn_json_parse(x->arena, body, NULL, &q);
    if (r >= 0) r = sn_contracts_answer(b->opts.contracts, what, q, x->arena, out);
    if (r >= 0) return reply_json(x, 200, sn_buf_view(out));
    int status = status_of(r);
    sn_buf_reset(out);
    sn_buf_cstr(out, "{\"error\":");
    sn_json_write_string(out, sn_str(sn_diag_str(r)));
    sn_buf_byte(out, '}');
    return out->err < 0 ? out->err : reply_json(x, status, sn_buf_view(out));
}

/* Questions have a body that only this site's script can send: another site's form cannot have
 * that type, and its script has to ask first, which is refused. */
static int contracts_api(struct sn_board *b, struct sn_http_x *x, struct sn_str what)
{
    struct sn_buf out SN_CLEANUP(sn_buf_done);
    sn_buf_init(&out, 64u << 20);
    if (!b->opts.contracts) return reply_text(x, 404, SN_STR("no contracts here\n"));
    if (!what.len) {
        int r = sn_contracts_list(b->opts.contracts, &out);
        return r < 0 ? r : reply_json(x, 200, sn_buf_view(&out));
    }
    if (x->req.method != SN_HTTP_POST) return reply_text(x, 405, SN_STR("POST only\n"));
    struct sn_str type = sn_http_headers_get(&x->req.headers, SN_STR("content-type"));
    struct sn_str site = sn_http_headers_get(&x->req.headers, SN_STR("sec-fetch-site"));
    if (!sn_str_eqc(type, "application/json"))
        return reply_text(x, 415, SN_STR("application/json only\n"));
    if (site.len && !sn_str_eqc(site, "same-origin"))
        return reply_text(x, 403, SN_STR("not for other sites\n"));
    return answer_question(b, x, what, &out);
}

static int handle(struct sn_http_x *x, void *arg)
{
    struct sn_board *b = arg;
    sn_fiber_set_name("board request");
    struct sn_str path = x->req.path, contracts = SN_STR("/api/contracts");
    if (!host_allowed(b, x->req.authority))
        return reply_text(x, 421, SN_STR("this host name is not the board's; use 127.0.0.1\n"));
    if (!site_allowed(&x->req)) return reply_text(x, 403, SN_STR("not for other sites\n"));
    if (sn_debug_owns(path)) return sn_debug_handler(x, NULL);
    if (sn_str_starts(path, SN_STR("/api/contracts/")))
        return contracts_api(b, x, sn_str_from(path, contracts.len + 1));
    if (x->req.method != SN_HTTP_GET && x->req.method != SN_HTTP_HEAD)
        return reply_text(x, 405, SN_STR("GET only\n"));
    for (size_t i = 0; i < ASSETS; i++)
        if (sn_str_eqc(path, b->assets[i].path))
            return reply(x, 200, sn_str(b->assets[i].type), sn_str(b->assets[i].csp),
                         b->assets[i].text);
    if (sn_str_eq(path, contracts)) return contracts_api(b, x, SN_STR(""));
    if (!sn_str_eqc(path, "/api/board")) return reply_text(x, 404, SN_STR("not found\n"));
    struct sn_str json;
    int r = board_json(b, x->arena, &json);
    return r < 0 ? r : reply_json(x, 200, json);
}

/* The policy names a page's one script by its hash: nothing else runs. */
static int make_csp(struct asset *page)
{
    ssize_t from = sn_str_find(page->text, SN_STR("<script>")),
            to = sn_str_find(page->text, SN_STR("</script>"));
    uint8_t digest[SN_HASH_MAX];
    char text[64];
    SN_ASSERT(from >= 0 && to > from);
    struct sn_str script = sn_str_sub(page->text, (size_t)from + 8, (size_t)to);
    int r = sn_hash_once(SN_SHA256, script.ptr, script.len, digest);
    if (r < 0) return r;
    size_t n = sn_base64_encode(digest, 32, SN_BASE64_STD, text);
    snprintf(page->csp, sizeof(page->csp),
             "default-src 'none'; script-src 'sha256-%.*s'; style-src 'self' 'unsafe-inline'; "
             "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
             "frame-ancestors 'none'",
             (int)n, text);
    return 0;
}

static int make_assets(struct sn_board *b)
{
    static const char html[] = "text/html; charset=utf-8";
    const struct asset all[ASSETS] = {
        {"/", html, sn_str_of((const char *)sn_board_page, sn_board_page_len), ""},
        {"/contracts", html, sn_str_of((const char *)sn_contracts_page, sn_contracts_page_len), ""},
        {"/style.css", "text/css; charset=utf-8",
         sn_str_of((const char *)sn_board_style, sn_board_style_len), "default-src 'none'"},
    };
    int r = 0;
    for (size_t i = 0; i < ASSETS && r >= 0; i++) {
        b->assets[i] = all[i];
        if (all[i].type == html) r = make_csp(&b->assets[i]);
    }
    return r;
}

int sn_board_new(const struct sn_board_opts *opts, struct sn_board **ret)
{
    struct sn_board *b = sn_zalloc(1, sizeof(*b));
    if (!b) return SN_E_NOMEM;
    b->opts = *opts;
    b->started_ns = sn_now();
    sn_buf_init(&b->json, 0);
    struct sn_http_server_opts so = {
        .handler = handle, .arg = b, .body_bytes_max = 2 * SN_CONTRACT_ABI_MAX};
    int r = make_assets(b);
    if (r >= 0) r = sn_listen(opts->address, NULL, &b->listener);
    if (r >= 0) r = sn_listener_addr(b->listener, b->address, sizeof(b->address));
    if (r >= 0) r = sn_http_server_new(&so, &b->server);
    if (r < 0) {
        sn_board_free(b);
        return r;
    }
    struct sn_str host = without_port(sn_str(b->address));
    b->any_address = sn_str_eqc(host, "0.0.0.0") || sn_str_eqc(host, "[::]");
    *ret = b;
    return 0;
}

void sn_board_set_gateway(struct sn_board *b, struct sn_gateway *gw) { b->gw = gw; }

const char *sn_board_address(const struct sn_board *b) { return b->address; }

int sn_board_serve(struct sn_board *b)
{
    struct sn_listener *l = b->listener;
    b->listener = NULL; /* the server closes it */
    return sn_http_serve(b->server, l);
}

void sn_board_drain(struct sn_board *b, int64_t grace_ns)
{
    (void)sn_http_server_drain(b->server, grace_ns);
}

void sn_board_free(struct sn_board *b)
{
    if (!b) return;
    if (b->listener) sn_listener_close(b->listener);
    sn_http_server_free(b->server);
    sn_buf_done(&b->json);
    sn_free(b);
}
