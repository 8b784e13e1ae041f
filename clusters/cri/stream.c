/* SPDX-License-Identifier: Apache-2.0 */
/* cri/stream.c - the streaming server: URLs with tokens that work once, and who answers at them. */
#include <stdio.h>
#include <sys/random.h>

#include "clusters/cri/stream_int.h"
#include "core/enc.h"

#define DRAIN_NS (2 * SN_SEC)

static void free_stream(struct cri_stream *st)
{
    sn_arena_done(&st->arena);
    sn_free(st);
}

int cri_stream_url(struct sn_cri *s, struct cri_stream *st, struct sn_arena *a, struct sn_str *ret)
{
    static const char *const kinds[] = {"exec", "attach", "portforward"};
    uint8_t raw[20];
    SN_ASSERT(getrandom(raw, sizeof raw, 0) == (ssize_t)sizeof raw);
    sn_hex_encode(raw, sizeof raw, st->token);
    st->token[2 * sizeof raw] = 0;
    int64_t now = sn_now();
    st->until_ns = now + CRI_TOKEN_NS;
    *ret = sn_arena_printf(a, "%s/%s/%s", s->stream_base, kinds[st->kind], st->token);
    if (!ret->ptr) return SN_E_NOMEM;
    bool placed = false;
    sn_mutex_lock_always(&s->mu);
    for (unsigned i = 0; i < CRI_STREAMS_MAX; i++) {
        struct cri_stream **at = &s->streams[i];
        if (*at && (*at)->until_ns < now) {
            free_stream(*at);
            *at = NULL;
        }
        if (*at || placed) continue;
        *at = st;
        placed = true;
    }
    sn_mutex_unlock(&s->mu);
    return placed ? 0
                  : sn_fail(SN_E_RESOURCE_EXHAUSTED,
                            "more than %u streams were asked for and not opened", CRI_STREAMS_MAX);
}

/* A token is taken by its first use. */
static struct cri_stream *take(struct sn_cri *s, struct sn_str token)
{
    struct cri_stream *hit = NULL;
    sn_mutex_lock_always(&s->mu);
    for (unsigned i = 0; i < CRI_STREAMS_MAX && !hit; i++) {
        struct cri_stream *st = s->streams[i];
        if (!st || !sn_str_eqc(token, st->token)) continue;
        hit = st;
        s->streams[i] = NULL;
    }
    sn_mutex_unlock(&s->mu);
    if (hit && hit->until_ns < sn_now()) {
        free_stream(hit);
        return NULL;
    }
    return hit;
}

static int handle(struct sn_http_x *x, void *arg)
{
    struct sn_cri *s = arg;
    struct sn_str path = x->req.path;
    ssize_t slash = sn_str_rchr(path, '/');
    struct cri_stream *st = slash > 0 ? take(s, sn_str_from(path, (size_t)slash + 1)) : NULL;
    if (!st)
        return sn_http_reply(x, 404, SN_STR("text/plain"),
                             SN_STR("no such stream, or it was opened before\n"));
    int r = cri_stream_serve(s, x, st);
    free_stream(st);
    return r;
}

static int serve(void *arg)
{
    struct sn_cri *s = arg;
    int r = sn_http_serve(s->stream_http, s->stream_listener);
    return r == SN_E_CANCELLED ? 0 : r;
}

int cri_stream_open(struct sn_cri *s, const char *addr)
{
    char at[80];
    int r = sn_http_server_new(&(struct sn_http_server_opts){.handler = handle,
                                                             .arg = s,
                                                             .h2_off = true},
                               &s->stream_http);
    if (r >= 0) r = sn_listen(addr, NULL, &s->stream_listener);
    if (r < 0) return sn_wrap(r, "streaming server");
    r = sn_listener_addr(s->stream_listener, at, sizeof at);
    if (r < 0) return r;
    snprintf(s->stream_base, sizeof s->stream_base, "http://%s",
             strncmp(at, "tcp:", 4) ? at : at + 4);
    return sn_scope_go(s->scope, "cri streams", serve, s);
}

static int shut(void *arg)
{
    struct sn_cri *s = arg;
    (void)sn_http_server_drain(s->stream_http, DRAIN_NS);
    return 0;
}

void cri_stream_close(struct sn_cri *s)
{
    if (s->stream_http) {
        (void)sn_shield(2 * DRAIN_NS, shut, s);
        sn_http_server_free(s->stream_http);
        s->stream_http = NULL;
    }
    for (unsigned i = 0; i < CRI_STREAMS_MAX; i++)
        if (s->streams[i]) free_stream(s->streams[i]);
}
