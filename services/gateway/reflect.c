/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/reflect.c - descriptors for transcoding, asked of the upstream itself. A fiber per upstream of
 * a snapshot asks at once and then at every interval; what it found out belongs to the upstream and so
 * survives the snapshot. When it is another set than before, a snapshot is built of the same text again.
 * An upstream that does not answer keeps what is known of it in use. The rounds of questions are
 * kit/grpc_reflect.h's. */
#include "core/alloc.h"
#include "gateway/gw_int.h"
#include "gateway/proxy_protocol.h"
#include "kit/grpc_reflect.h"
#include "kit/pb_load.h"
#include "wire/grpc.h"

#define CALL_NS_MAX (5 * SN_SEC)
#define AGAIN_NS (500 * SN_MS) /* after a failure, doubling up to the interval */
#define ENDPOINTS_ASKED_MAX 4u

struct gw_reflector {
    struct gw_snap *snap;
    struct gw_pool *pool;
    bool alpha; /* the upstream knows v1alpha only */
    bool silent;
};

void gw_upstream_unref(struct gw_upstream *u)
{
    if (!u || __atomic_sub_fetch(&u->refs, 1, __ATOMIC_ACQ_REL)) return;
    sn_buf_done(&u->reflected);
    sn_free(u);
}

/* ---- asking ----------------------------------------------------------------------------------- */

static int read_answers(struct sn_http_resp *resp, struct sn_reflect *x)
{
    struct sn_grpc_in in;
    struct sn_str m;
    uint8_t flags;
    int r = resp->status == 200 ? 0
                                : sn_fail(SN_E_UNAVAILABLE, "reflection: HTTP status %d", resp->status);
    sn_grpc_in_init(&in, SN_REFLECT_BYTES_MAX, 0);
    while (r == 0) {
        while ((r = sn_grpc_in_next(&in, &flags, &m)) == 1)
            if ((r = sn_reflect_answer(x, m)) < 0) break;
        size_t cap;
        uint8_t *to = r < 0 ? NULL : sn_grpc_in_room(&in, 4096, &cap);
        if (r == 0 && !to) r = SN_E_NOMEM;
        ssize_t n = r < 0 ? r : sn_http_resp_read(resp, to, cap);
        if (n < 0) r = (int)n;
        if (n <= 0) break;
        sn_grpc_in_add(&in, (size_t)n);
    }
    sn_grpc_in_done(&in);
    if (r < 0) return r;
    int code = gw_grpc_status(&resp->trailers);
    if (code == 1) code = gw_grpc_status(&resp->headers);
    return code == 0 ? 0 : sn_fail(code == 1 ? SN_E_INTERNAL : code, "reflection: the call failed");
}

static int one_round(struct gw_reflector *k, struct sn_gw_endpoint *ep, struct sn_str body,
                     struct sn_reflect *x)
{
    struct sn_http_header headers[] = {{SN_STR("Host"), sn_str(ep->addr)},
                                       {SN_STR("Content-Type"), SN_STR("application/grpc")},
                                       {SN_STR("TE"), SN_STR("trailers")},
                                       {SN_STR("User-Agent"), SN_STR("sennit-reflection")}};
    struct sn_http_call call = {.method = SN_STR("POST"),
                                .url = k->pool->url,
                                .addr = sn_str(ep->addr),
                                .target = k->alpha ? SN_STR(SN_REFLECT_V1ALPHA)
                                                   : SN_STR(SN_REFLECT_V1),
                                .headers = headers,
                                .n_headers = SN_COUNT_OF(headers),
                                .no_default_headers = true,
                                .body = body};
    uint8_t preface[SN_PROXYP_OUT_MAX];
    if (k->pool->conf->proxy_protocol) {
        unsigned version = k->pool->conf->proxy_protocol == SN_GW_PROXY_V1 ? 1 : 2;
        size_t n = sn_proxyp_write(version, (struct sn_str){0}, (struct sn_str){0}, preface);
        call.preface = sn_str_of((const char *)preface, n);
    }
    struct sn_http_resp *resp;
    int64_t prev = sn_deadline_tighten(sn_now() + CALL_NS_MAX);
    int r = sn_http_do(k->pool->client->http, &call, &resp);
    if (r == 0) {
        r = read_answers(resp, x);
        sn_http_resp_close(resp);
    }
    sn_deadline_restore(prev);
    return r;
}

/* The set of one endpoint, by the version it knows. */
static int ask(struct gw_reflector *k, struct sn_gw_endpoint *ep, struct sn_buf *set)
{
    struct sn_reflect *x = SN_NEW(struct sn_reflect);
    struct sn_buf body = {0};
    if (!x) return SN_E_NOMEM;
    int r = 0;
    for (int versions = 0; versions < 2; versions++) {
        sn_reflect_init(x);
        while ((r = sn_reflect_ask(x, &body)) == 1) {
            r = one_round(k, ep, sn_buf_view(&body), x);
            sn_buf_reset(&body);
            if (r < 0) break;
        }
        if (r == 0) r = sn_reflect_set(x, set);
        sn_reflect_done(x);
        sn_buf_reset(&body);
        if (r != SN_E_UNIMPLEMENTED) break;
        k->alpha = !k->alpha;
    }
    sn_free(x);
    sn_buf_done(&body);
    return r;
}

/* Always the first that answers, so that a mixed upstream does not look changed all the time. */
static int ask_any(struct gw_reflector *k, struct sn_buf *set)
{
    const struct sn_gw_pool *p = k->pool->pool;
    int r = SN_E_UNAVAILABLE;
    unsigned asked = 0;
    for (uint32_t i = 0; i < p->n && asked < ENDPOINTS_ASKED_MAX; i++) {
        if (__atomic_load_n(&p->eps[i]->down, __ATOMIC_RELAXED)) continue;
        asked++;
        sn_buf_reset(set);
        if ((r = ask(k, p->eps[i], set)) == 0 || r == SN_E_CANCELLED) return r;
    }
    return r;
}

/* ---- taking over ------------------------------------------------------------------------------ */

struct check {
    struct sn_str set;
    int result;
    char why[SN_DIAG_BYTES];
};
/* On the offload pool, as transcode.c does it. */
static int check_set(void *arg)
{
    struct check *c = arg;
    struct sn_arena a;
    struct sn_pb_set *tables = NULL;
    sn_arena_init(&a, NULL, 0);
    c->result = sn_pb_load(c->set, &a, &tables);
    if (c->result < 0) sn_diag_format(c->result, c->why, sizeof(c->why));
    sn_pb_set_done(tables);
    sn_arena_done(&a);
    return 0;
}

/* Returns 1 where it is another set than before: it is the upstream's now. */
static int take(struct gw_reflector *k, struct sn_buf *set)
{
    struct sn_gateway *gw = k->snap->gw;
    struct gw_upstream *up = k->pool->up;
    struct check c = {.set = sn_buf_view(set)};
    int r = sn_mutex_lock(&gw->reload); /* snapshots are built under it */
    if (r < 0) return r;
    bool same = sn_str_eq(sn_buf_view(&up->reflected), c.set);
    sn_mutex_unlock(&gw->reload);
    if (same) return 0;
    r = sn_offload(check_set, &c);
    if (r == 0 && c.result < 0) r = sn_fail(c.result, "reflection: %s", c.why);
    if (r == 0) r = sn_mutex_lock(&gw->reload);
    if (r < 0) return r;
    struct sn_buf old = up->reflected;
    up->reflected = *set;
    *set = old;
    sn_mutex_unlock(&gw->reload);
    gw_event(gw, "info", "upstream %.*s: %zu bytes of descriptors by reflection",
             SN_STR_ARG(k->pool->conf->name), up->reflected.len);
    return 1;
}

static int look(struct gw_reflector *k)
{
    struct sn_buf set = {0};
    int r = ask_any(k, &set);
    if (r == 0) r = take(k, &set);
    sn_buf_done(&set);
    if (r == 1) r = gw_rebuild(k->snap->gw);
    if (r < 0 && !k->silent && r != SN_E_CANCELLED) {
        char why[SN_DIAG_BYTES];
        gw_event(k->snap->gw, "warn", "upstream %.*s: no descriptors by reflection: %s",
                 SN_STR_ARG(k->pool->conf->name), sn_diag_format(r, why, sizeof(why)));
    }
    k->silent = r < 0;
    return r;
}

static int reflector_main(void *arg)
{
    struct gw_reflector *k = arg;
    struct gw_snap *s = k->snap;
    int64_t again = AGAIN_NS;
    while (!sn_event_is_set(&s->retired)) {
        int64_t every = k->pool->reflect_every, wait = every;
        if (look(k) < 0) {
            wait = SN_MIN(again, every);
            again *= 2;
        } else {
            again = AGAIN_NS;
        }
        if (sn_event_wait_until(&s->retired, sn_now() + wait) != SN_E_DEADLINE_EXCEEDED) break;
        if (sn_cancelled()) break;
    }
    __atomic_sub_fetch(&s->checkers, 1, __ATOMIC_RELEASE);
    return 0;
}

int gw_reflect_prepare(struct gw_snap *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->conf->n_upstreams; i++) n += s->pools[i].reflect_every > 0;
    s->reflectors = SN_ARENA_ARRAY(&s->arena, struct gw_reflector, n + 1);
    return s->reflectors ? 0 : SN_E_NOMEM;
}

void gw_reflect_start(struct sn_gateway *gw, struct gw_snap *s)
{
    struct gw_reflector *k = s->reflectors;
    for (size_t i = 0; i < s->conf->n_upstreams; i++) {
        if (!s->pools[i].reflect_every) continue;
        *k = (struct gw_reflector){.snap = s, .pool = &s->pools[i]};
        __atomic_add_fetch(&s->checkers, 1, __ATOMIC_RELAXED);
        if (!gw_go(gw, "reflection", reflector_main, k++))
            __atomic_sub_fetch(&s->checkers, 1, __ATOMIC_RELEASE);
    }
}
