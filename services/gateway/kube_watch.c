/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/kube_watch.c - Kubernetes objects from an API server: for each kind a list, then a watch
 * from its resourceVersion on, for as long as the gateway runs. What is known stays in use while
 * the server is away, and a list replaces it as a whole. Changes come in bursts: a moment after the
 * first one configuration is built; the statuses that go with it are written back. Source:
 * Kubernetes API concepts ("efficient detection of changes"). */
#include <stdio.h>

#include "core/alloc.h"
#include "core/time.h"
#include "fiber/os.h"
#include "gateway/gw_int.h"
#include "gateway/kube.h"
#include "wire/json.h"

#define LIST_BYTES_MAX (64u << 20)
#define EVENT_BYTES_MAX (4u << 20)
#define TOKEN_BYTES_MAX (64u << 10)
#define WATCH_S \
    290 /* the server ends a watch after so long; silence beyond it is a dead connection */
#define SETTLE_NS (100 * SN_MS)
#define AGAIN_NS SN_SEC
#define AGAIN_NS_MAX (30 * SN_SEC)
#define ABSENT_NS SN_MINUTE /* a kind the server does not know may be installed later */

static const struct kind {
    const char *kind, *path;
} kinds[] = {
    {"Gateway", "/apis/gateway.networking.k8s.io/v1/gateways"},
    {"GatewayClass", "/apis/gateway.networking.k8s.io/v1/gatewayclasses"},
    {"HTTPRoute", "/apis/gateway.networking.k8s.io/v1/httproutes"},
    {"GRPCRoute", "/apis/gateway.networking.k8s.io/v1/grpcroutes"},
    {"ReferenceGrant", "/apis/gateway.networking.k8s.io/v1beta1/referencegrants"},
    {"Ingress", "/apis/networking.k8s.io/v1/ingresses"},
    {"Service", "/api/v1/services"},
    {"Secret", "/api/v1/secrets?fieldSelector=type%3Dkubernetes.io%2Ftls"},
    {"Namespace", "/api/v1/namespaces"},
    {"EndpointSlice", "/apis/discovery.k8s.io/v1/endpointslices"},
};
#define KINDS SN_COUNT_OF(kinds)

struct watcher { /* of one kind */
    struct gw_kube_client *c;
    const struct kind *k;
    struct sn_map objects; /* "ns/name" -> text, on the heap */
    char version[64];      /* resourceVersion to watch from; empty = list first */
    bool synced;
};
struct gw_kube_client {
    struct sn_gateway *gw;
    char *server, *token_file; /* heap */
    struct sn_tls_config *tls;
    struct sn_http_client *http;
    struct sn_mutex lock; /* of the objects */
    uint64_t changes; /* so far */
    char *controller;
    struct sn_buf documents; /* under lock: the statuses of the build in force, see kube.h */
    uint64_t builds;         /* so many were handed over */
    struct watcher watchers[KINDS];
};

/* ---- objects ----------------------------------------------------------------------------------
 */

static void changed(struct gw_kube_client *c)
{
    __atomic_add_fetch(&c->changes, 1, __ATOMIC_RELEASE);
}

static struct sn_str key_of(struct sn_arena *a, const struct sn_json *o)
{
    return sn_arena_printf(a, "%.*s/%.*s",
                           SN_STR_ARG(sn_json_str(sn_json_path(o, "metadata.namespace"))),
                           SN_STR_ARG(sn_json_str(sn_json_path(o, "metadata.name"))));
}

/* Items of lists do not say their kind: it is written in front. */
static int put(struct watcher *w, struct sn_map *to, struct sn_arena *a, const struct sn_json *o)
{
    struct sn_buf b;
    void *old = NULL;
    struct sn_str key = key_of(a, o);
    sn_buf_init(&b, 0);
    sn_buf_printf(&b, "{\"kind\":\"%s\",\"object\":", w->k->kind);
    int r = key.ptr ? sn_json_write(&b, o, NULL) : SN_E_NOMEM;
    if (r == 0) r = sn_buf_put(&b, "}\n", 3); /* with the NUL */
    char *text = r < 0 ? NULL : sn_alloc(b.len);
    if (text) memcpy(text, b.ptr, b.len);
    sn_buf_done(&b);
    if (r == 0) r = text ? sn_map_put(to, key, text, &old) : SN_E_NOMEM;
    sn_free(r < 0 ? text : old);
    return r < 0 ? r : 0;
}

static void clear(struct sn_map *m)
{
    size_t it = 0;
    for (struct sn_map_slot *s; (s = sn_map_next(m, &it));) sn_free(s->value);
    sn_map_done(m);
}

int gw_kube_client_text(struct gw_kube_client *c, struct sn_buf *out)
{
    sn_mutex_lock_always(&c->lock);
    for (size_t i = 0; i < KINDS; i++) {
        size_t it = 0;
        for (struct sn_map_slot *s; (s = sn_map_next(&c->watchers[i].objects, &it));)
            sn_buf_cstr(out, s->value);
    }
    sn_mutex_unlock(&c->lock);
    return out->err;
}

static void set_version(struct watcher *w, const struct sn_json *metadata)
{
    struct sn_str v = sn_json_str(sn_json_get(metadata, "resourceVersion"));
    if (sn_str_cz(v, w->version, sizeof(w->version)) < 0) w->version[0] = 0;
}

/* ---- requests ---------------------------------------------------------------------------------
 */

static int send(struct gw_kube_client *c, struct sn_arena *a, struct sn_http_call *call,
                const char *type, struct sn_http_resp **ret)
{
    struct sn_http_header h[4] = {{SN_STR("Accept"), SN_STR("application/json")},
                                  {SN_STR("User-Agent"), SN_STR("sennit-gateway")}};
    unsigned n = 2;
    struct sn_str token = {0};
    int r = call->url.ptr ? 0 : SN_E_NOMEM;
    /* Tokens of pods are renewed under the same name. */
    if (r == 0 && c->token_file) r = sn_file_read(a, c->token_file, TOKEN_BYTES_MAX, &token);
    if (r == 0 && token.ptr) {
        struct sn_str v = sn_arena_printf(a, "Bearer %.*s", SN_STR_ARG(sn_str_trim(token)));
        if (!v.ptr) return SN_E_NOMEM;
        h[n++] = (struct sn_http_header){SN_STR("Authorization"), v};
    }
    if (type) h[n++] = (struct sn_http_header){SN_STR("Content-Type"), sn_str(type)};
    call->headers = h;
    call->n_headers = n;
    call->answer_ns_max = 30 * SN_SEC;
    return r < 0 ? r : sn_http_do(c->http, call, ret);
}

static int request(struct watcher *w, struct sn_arena *a, const char *query,
                   struct sn_http_resp **ret)
{
    bool first = !strchr(w->k->path, '?');
    struct sn_http_call call = {
        .url = sn_arena_printf(a, "%s%s%s%s", w->c->server, w->k->path,
                               query[0] ? (first ? "?" : "&") : "", query)};
    return send(w->c, a, &call, NULL, ret);
}

/* Returns 0, 1 (the server does not know the kind), SN_E_*. */
static int list(struct watcher *w)
{
    struct sn_arena a;
    struct sn_http_resp *resp = NULL;
    const struct sn_json *tree = NULL;
    struct sn_str text;
    struct sn_map fresh;
    sn_map_init(&fresh, sn_random(), true);
    sn_arena_init(&a, NULL, 4 * (size_t)LIST_BYTES_MAX);
    int r = request(w, &a, "", &resp), status = r < 0 ? 0 : resp->status;
    if (r == 0) r = sn_http_resp_all(resp, LIST_BYTES_MAX, &text);
    if (r == 0 && status != 200 && status != 404)
        r = sn_fail(SN_E_UNAVAILABLE, "%s: status %d", w->k->path, status);
    if (r == 0 && status == 200) r = sn_json_parse(&a, text, NULL, &tree);
    for (SN_JSON_EACH(sn_json_get(tree, "items"), it))
        if (r == 0) r = put(w, &fresh, &a, it);
    if (r == 0) {
        set_version(w, sn_json_get(tree, "metadata"));
        sn_mutex_lock_always(&w->c->lock);
        struct sn_map old = w->objects;
        w->objects = fresh;
        w->synced = true;
        sn_mutex_unlock(&w->c->lock);
        fresh = old;
        changed(w->c);
    }
    clear(&fresh);
    sn_http_resp_close(resp);
    sn_arena_done(&a);
    return r == 0 && status == 404 ? 1 : r;
}

/* One event of a watch. Returns 0; SN_E_ABORTED: what we know is too old, list again. */
static int event(struct watcher *w, struct sn_str line)
{
    struct sn_arena a;
    const struct sn_json *e;
    sn_arena_init(&a, NULL, 4 * (size_t)EVENT_BYTES_MAX);
    int r = sn_json_parse(&a, line, NULL, &e);
    struct sn_str type = r < 0 ? (struct sn_str){0} : sn_json_str(sn_json_get(e, "type"));
    const struct sn_json *o = r < 0 ? NULL : sn_json_get(e, "object");
    if (r == 0 && sn_str_eqc(type, "ERROR")) r = SN_E_ABORTED;
    if (r == 0) set_version(w, sn_json_get(o, "metadata"));
    if (r == 0 && !sn_str_eqc(type, "BOOKMARK")) {
        sn_mutex_lock_always(&w->c->lock);
        if (sn_str_eqc(type, "DELETED")) {
            struct sn_str key = key_of(&a, o);
            sn_free(key.ptr ? sn_map_del(&w->objects, key) : NULL);
        } else {
            r = put(w, &w->objects, &a, o);
        }
        sn_mutex_unlock(&w->c->lock);
        changed(w->c);
    }
    sn_arena_done(&a);
    return r;
}

/* Events by the line, until the server ends the stream. */
static int events(struct watcher *w, struct sn_http_resp *resp, struct sn_buf *b)
{
    for (;;) {
        const void *piece;
        int64_t prev = sn_deadline_tighten(sn_now() + 2 * WATCH_S * SN_SEC);
        ssize_t n = sn_http_resp_peek(resp, &piece);
        sn_deadline_restore(prev);
        if (n <= 0) return (int)n;
        if (sn_buf_put(b, piece, (size_t)n) < 0)
            return sn_fail(SN_E_TOO_LARGE, "%s: an event over %u bytes", w->k->path,
                           EVENT_BYTES_MAX);
        for (ssize_t end; (end = sn_str_chr(sn_buf_view(b), '\n')) >= 0;) {
            struct sn_str line = sn_str_trim(sn_str_sub(sn_buf_view(b), 0, (size_t)end));
            int r = line.len ? event(w, line) : 0;
            if (r < 0) return r;
            sn_buf_consume(b, (size_t)end + 1);
        }
    }
}

static int watch(struct watcher *w)
{
    struct sn_arena a;
    struct sn_buf b;
    struct sn_http_resp *resp = NULL;
    char query[160];
    sn_arena_init(&a, NULL, 1 << 20);
    sn_buf_init(&b, EVENT_BYTES_MAX);
    snprintf(query, sizeof(query),
             "watch=1&allowWatchBookmarks=true&timeoutSeconds=%d&resourceVersion=%s", WATCH_S,
             w->version);
    int r = request(w, &a, query, &resp);
    if (r == 0 && resp->status == 410) r = SN_E_ABORTED;
    if (r == 0 && resp->status != 200)
        r = sn_fail(SN_E_UNAVAILABLE, "%s: status %d", w->k->path, resp->status);
    if (r == 0) r = events(w, resp, &b);
    sn_http_resp_close(resp);
    sn_buf_done(&b);
    sn_arena_done(&a);
    return r;
}

static int watcher_main(void *arg)
{
    struct watcher *w = arg;
    int64_t pause = AGAIN_NS;
    for (;;) {
        bool listed = w->version[0] != 0;
        int r = listed ? watch(w) : list(w);
        if (r == SN_E_CANCELLED || sn_cancelled()) return 0;
        if (r == SN_E_ABORTED) w->version[0] = 0;
        if (r < 0 && r != SN_E_ABORTED)
            gw_event(w->c->gw, "warn", "kubernetes: %s: %s", w->k->kind, sn_diag_str(r));
        if (r == 0 && !listed) pause = AGAIN_NS;
        if (r == 0 && w->version[0] && !listed) continue;
        /* An ended watch begins again soon, spread so that kinds do not come in step. */
        int64_t ns = r == 1 ? ABSENT_NS : r < 0 ? pause : SETTLE_NS;
        if (r < 0 && pause < AGAIN_NS_MAX) pause *= 2;
        if (sn_sleep(ns + (int64_t)(sn_random() % (uint64_t)ns) / 2) < 0) return 0;
    }
}

/* ---- into the configuration -------------------------------------------------------------------
 */

static bool synced(const struct gw_kube_client *c)
{
    for (size_t i = 0; i < KINDS; i++)
        if (!c->watchers[i].synced) return false;
    return true;
}

static int apply_main(void *arg)
{
    struct gw_kube_client *c = arg;
    for (uint64_t applied = 0;;) {
        if (sn_sleep(SETTLE_NS) < 0) return 0;
        uint64_t now = __atomic_load_n(&c->changes, __ATOMIC_ACQUIRE);
        /* Half of what is there would be a configuration that never was. */
        if (now == applied || !synced(c)) continue;
        applied = now; /* what comes while it is built is the next one's */
        (void)!gw_rebuild(c->gw);
    }
}

/* ---- statuses back ------------------------------------------------------------------------------
 */

void gw_kube_client_documents(struct gw_kube_client *c, struct sn_buf *documents)
{
    sn_mutex_lock_always(&c->lock);
    struct sn_buf old = c->documents;
    c->documents = *documents;
    *documents = old;
    c->builds++;
    sn_mutex_unlock(&c->lock);
}

static struct watcher *watcher_of(struct gw_kube_client *c, struct sn_str kind)
{
    for (size_t i = 0; i < KINDS; i++)
        if (sn_str_eqc(kind, kinds[i].kind)) return &c->watchers[i];
    return NULL;
}

/* The object as it is known, parsed into `a`; NULL: it is not the server's, or gone. */
static const struct sn_json *object_of(struct watcher *w, struct sn_arena *a, struct sn_str ns,
                                       struct sn_str name)
{
    const struct sn_json *v = NULL;
    struct sn_str key = sn_arena_printf(a, "%.*s/%.*s", SN_STR_ARG(ns), SN_STR_ARG(name)), text;
    if (!w || !key.ptr) return NULL;
    sn_mutex_lock_always(&w->c->lock);
    const char *known = sn_map_get(&w->objects, key);
    text = known ? sn_arena_str(a, sn_str(known)) : (struct sn_str){0};
    sn_mutex_unlock(&w->c->lock);
    if (!text.ptr || sn_json_parse_next(a, &text, NULL, &v) < 0) return NULL;
    return sn_json_get(v, "object");
}

static int patch(struct watcher *w, struct sn_arena *a, struct sn_str ns, struct sn_str name,
                 struct sn_str body)
{
    struct sn_http_resp *resp = NULL;
    struct sn_str path = sn_str(w->k->path), of = path;
    of.len = (size_t)sn_str_rchr(path, '/');
    struct sn_http_call call = {.method = SN_STR("PATCH"), .body = body};
    call.url = ns.len ? sn_arena_printf(a, "%s%.*s/namespaces/%.*s%.*s/%.*s/status", w->c->server,
                                        SN_STR_ARG(of), SN_STR_ARG(ns),
                                        (int)(path.len - of.len), path.ptr + of.len,
                                        SN_STR_ARG(name))
                      : sn_arena_printf(a, "%s%.*s/%.*s/status", w->c->server, SN_STR_ARG(path),
                                        SN_STR_ARG(name));
    int r = send(w->c, a, &call, "application/merge-patch+json", &resp);
    int status = r < 0 ? 0 : resp->status;
    sn_http_resp_close(resp);
    /* Gone, or changed meanwhile: the watch brings it, and with it another build. */
    if (r < 0 || status == 200 || status == 404 || status == 409) return r;
    return sn_fail(SN_E_UNAVAILABLE, "status of %s %.*s/%.*s: the API server answered %d", w->k->kind,
                   SN_STR_ARG(ns), SN_STR_ARG(name), status);
}

static int write_one(struct gw_kube_client *c, struct sn_arena *a, const struct sn_json *doc)
{
    char time[SN_RFC3339_MAX];
    struct sn_buf body = {0};
    struct sn_str ns = sn_json_str(sn_json_get(doc, "namespace")),
                  name = sn_json_str(sn_json_get(doc, "name"));
    struct watcher *w = watcher_of(c, sn_json_str(sn_json_get(doc, "kind")));
    const struct sn_json *o = object_of(w, a, ns, name);
    struct gw_kube_now now = {sn_str_of(time, sn_time_rfc3339(sn_wall_now(), 0, time)),
                              sn_str(c->controller)};
    int r = o ? gw_kube_patch(a, o, doc, &now, &body) : 0;
    if (r == 1) r = patch(w, a, ns, name, sn_buf_view(&body));
    sn_buf_done(&body);
    return r;
}

/* All of a build's. Returns the first failure; the others are tried all the same. */
static int write_all(struct gw_kube_client *c, struct sn_str all)
{
    int first = 0;
    while (all.len) {
        struct sn_arena a;
        const struct sn_json *doc;
        struct sn_str line = sn_str_cut(&all, '\n');
        sn_arena_init(&a, NULL, 0);
        int r = line.len ? sn_json_parse(&a, line, NULL, &doc) : SN_E_EOF;
        if (r == 0) r = write_one(c, &a, doc);
        sn_arena_done(&a);
        if (r == SN_E_CANCELLED) return r;
        if (r < 0 && r != SN_E_EOF && first == 0) first = r;
    }
    return first;
}

static int status_main(void *arg)
{
    struct gw_kube_client *c = arg;
    int64_t pause = SETTLE_NS;
    bool told = false;
    for (uint64_t written = 0;;) {
        struct sn_arena a;
        if (sn_sleep(pause) < 0) return 0;
        sn_mutex_lock_always(&c->lock);
        uint64_t builds = c->builds;
        sn_arena_init(&a, NULL, 0);
        struct sn_str all = builds == written ? (struct sn_str){0}
                                              : sn_arena_str(&a, sn_buf_view(&c->documents));
        sn_mutex_unlock(&c->lock);
        int r = builds == written ? 0 : all.ptr ? write_all(c, all) : SN_E_NOMEM;
        sn_arena_done(&a);
        if (r == SN_E_CANCELLED || sn_cancelled()) return 0;
        pause = r < 0 ? SN_MIN(SN_MAX(2 * pause, AGAIN_NS), AGAIN_NS_MAX) : SETTLE_NS;
        if (r < 0 && !told)
            gw_event(c->gw, "warn", "kubernetes: %s", sn_diag_str(r));
        told = r < 0;
        if (r == 0) written = builds;
    }
}

int gw_kube_client_start(struct sn_gateway *gw)
{
    const struct sn_gw_conf_kube *k = &gw->snap->conf->kubernetes;
    if (!k->server.len) return 0;
    struct gw_kube_client *c = SN_NEW(struct gw_kube_client);
    if (!c) return SN_E_NOMEM;
    c->gw = gw;
    for (size_t i = 0; i < KINDS; i++) {
        c->watchers[i].c = c;
        c->watchers[i].k = &kinds[i];
        sn_map_init(&c->watchers[i].objects, sn_random(), true);
    }
    gw->kube = c;
    struct sn_str server = k->server;
    while (server.len && server.ptr[server.len - 1] == '/') server.len--;
    c->server = sn_str_dup(server);
    if (k->token_file.len) c->token_file = sn_str_dup(k->token_file);
    c->controller = sn_str_dup(k->controller);
    int r = c->server && c->controller && (c->token_file || !k->token_file.len) ? 0 : SN_E_NOMEM;
    struct sn_gw_conf_upstream u = {.tls = {.enabled = true, .ca = k->ca_file}};
    if (r == 0 && sn_str_starts(server, SN_STR("https:"))) r = gw_tls_client(&u, &c->tls);
    struct sn_http_client_opts o = {.tls = c->tls, .h2_off = true};
    if (r == 0) r = sn_http_client_new(&o, &c->http);
    if (r == 0) r = sn_scope_go(gw->scope, "kubernetes", apply_main, c);
    if (r == 0) r = sn_scope_go(gw->scope, "kubernetes status", status_main, c);
    for (size_t i = 0; r == 0 && i < KINDS; i++)
        r = sn_scope_go(gw->scope, "kubernetes watch", watcher_main, &c->watchers[i]);
    return r;
}

void gw_kube_client_free(struct gw_kube_client *c)
{
    if (!c) return;
    for (size_t i = 0; i < KINDS; i++) clear(&c->watchers[i].objects);
    sn_http_client_free(c->http);
    gw_tls_free(c->tls);
    sn_free(c->server);
    sn_free(c->token_file);
    sn_free(c->controller);
    sn_buf_done(&c->documents);
    sn_free(c);
}
