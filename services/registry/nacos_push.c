/* SPDX-License-Identifier: Apache-2.0 */
/* registry/nacos_push.c - Nacos v1's pushes: a client that asks for a service's instances with a
 * `udpPort` is sent every new list as a datagram, acknowledges it, and polls more rarely. Datagrams go
 * to the host the request came from, whatever `clientIP` it claims: a registry must not be made to
 * send to others. What is lost is sent again a few times; then the client's own poll brings it.
 * Source: nacos-naming 2.6, nacos-sdk-go v1 (what they read and answer). */
#include <stdio.h>

#include "core/alloc.h"
#include "fiber/net.h"
#include "registry/nacos_int.h"
#include "wire/grpc.h"

#define SUBS_MAX 10000u
#define SUB_NS (3 * NACOS_PUSH_CACHE_MS * SN_MS) /* without another question it is forgotten */
#define LOOK_NS (50 * SN_MS)
#define AGAIN_NS SN_SEC
#define TRIES_MAX 3u
#define PLAIN_MAX 1024u         /* longer ones are compressed, as Nacos does it */
#define DATAGRAM_MAX (60u << 10) /* what is longer has to be polled for */
#define ACK_MAX 1024u
#define ROUND_MAX 64u

struct sub {
    struct sn_list node;
    struct nacos_ask ask;
    struct sn_str key;
    char *peer;
    uint64_t seen; /* the service's revision, as last told */
    int64_t until_ns, sent_ns, ref_ms;
    unsigned tries; /* of what is not acknowledged; 0 = nothing is */
    struct sn_arena arena;
};

static void sub_free(struct sn_regserver *s, struct sub *u)
{
    (void)sn_map_del(&s->nacos_subs, u->key);
    sn_list_del(&u->node);
    struct sn_arena a = u->arena;
    sn_arena_done(&a);
}
void nacos_push_free(struct sn_regserver *s)
{
    while (!sn_list_empty(&s->nacos_sub_list))
        sub_free(s, SN_LIST_ENTRY(s->nacos_sub_list.next, struct sub, node));
    sn_map_done(&s->nacos_subs);
}

static uint64_t revision_of(struct sn_regserver *s, const struct nacos_ask *k)
{
    const struct reg_service *svc = reg_store_service(&s->store, k->ns, k->svc.stored);
    return svc ? svc->mod_rev : 0;
}

/* "127.0.0.1:4321" and a port as "127.0.0.1:port". */
static struct sn_str peer_at(struct sn_arena *a, struct sn_str from, uint16_t port)
{
    ssize_t colon = sn_str_rchr(from, ':');
    return colon < 0 ? (struct sn_str){0} : sn_arena_printf(a, "%.*s:%u", (int)colon, from.ptr, port);
}

static struct sub *sub_new(struct sn_regserver *s, const struct nacos_ask *k, struct sn_str key,
                           struct sn_str peer)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    struct sub *u = SN_ARENA_NEW(&a, struct sub);
    struct sn_str copies[] = {key, peer, k->ns, k->clusters, k->svc.group, k->svc.name, k->svc.stored};
    for (size_t i = 0; u && i < SN_COUNT_OF(copies); i++)
        if (!(copies[i] = sn_arena_str(&a, copies[i])).ptr) u = NULL;
    if (!u || sn_map_put(&s->nacos_subs, copies[0], u, NULL) < 0) {
        sn_arena_done(&a);
        return NULL;
    }
    *u = (struct sub){.key = copies[0],
                      .peer = (char *)(uintptr_t)copies[1].ptr,
                      .ask = {copies[2], copies[3], {copies[4], copies[5], copies[6]},
                              k->only_healthy},
                      .seen = revision_of(s, k),
                      .arena = a};
    sn_list_push_back(&s->nacos_sub_list, &u->node);
    return u;
}

bool nacos_push_add(struct reg_req *q, const struct nacos_ask *k, uint16_t port)
{
    struct sn_regserver *s = q->srv;
    struct sn_str peer = peer_at(q->a, sn_http_peer(q->x), port);
    struct sn_str key = sn_arena_printf(q->a, "%.*s %.*s %.*s %.*s %d", SN_STR_ARG(peer),
                                        SN_STR_ARG(k->ns), SN_STR_ARG(k->svc.stored),
                                        SN_STR_ARG(k->clusters), k->only_healthy);
    if (!peer.ptr || !key.ptr) return false;
    struct sub *u = sn_map_get(&s->nacos_subs, key);
    if (!u && s->nacos_subs.len < SUBS_MAX) u = sub_new(s, k, key, peer);
    if (!u) return false;
    u->until_ns = sn_now() + SUB_NS;
    u->seen = revision_of(s, k); /* it gets the list with the answer */
    u->tries = 0;
    sn_cond_signal(&s->nacos_sub_news);
    return true;
}

/* ---- sending ---------------------------------------------------------------------------------- */

struct datagram {
    struct sn_buf bytes;
    char *peer; /* the arena's */
};

static int packet(struct sn_regserver *s, struct sub *u, struct sn_arena *a, struct datagram *ret)
{
    struct sn_buf data = {0}, text = {0};
    struct sn_jsonw w;
    u->ref_ms = SN_MAX(u->ref_ms + 1, sn_wall_now() / SN_MS);
    sn_jsonw_init(&w, &data, NULL);
    nacos_service_json(&w, a, s, &u->ask, NACOS_PUSH_CACHE_MS);
    sn_jsonw_init(&w, &text, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "type", SN_STR("dom"));
    sn_jsonw_kstr(&w, "data", sn_buf_view(&data)); /* JSON within a string */
    sn_jsonw_ki64(&w, "lastRefTime", u->ref_ms);
    sn_jsonw_object_end(&w);
    int r = data.err ? data.err : text.err;
    struct sn_str peer = sn_arena_str(a, sn_str(u->peer));
    if (r == 0 && !peer.ptr) r = SN_E_NOMEM;
    if (r == 0 && text.len > PLAIN_MAX) {
        sn_buf_reset(&data);
        r = sn_grpc_pack(SN_GRPC_GZIP, sn_buf_view(&text), &data);
        struct sn_buf plain = text;
        text = data;
        data = plain;
    }
    sn_buf_done(&data);
    if (r == 0 && text.len > DATAGRAM_MAX) r = SN_E_TOO_LARGE;
    if (r < 0) {
        sn_buf_done(&text);
        return r;
    }
    *ret = (struct datagram){text, (char *)(uintptr_t)peer.ptr};
    return 0;
}

/* What is due now, at most a round of it. With the lock. */
static unsigned collect(struct sn_regserver *s, struct sn_arena *a, struct datagram *to)
{
    int64_t now = sn_now();
    unsigned n = 0;
    struct sn_list *next;
    for (struct sn_list *at = s->nacos_sub_list.next; at != &s->nacos_sub_list; at = next) {
        struct sub *u = SN_LIST_ENTRY(at, struct sub, node);
        next = at->next;
        uint64_t rev = revision_of(s, &u->ask);
        if (u->until_ns <= now) {
            sub_free(s, u);
            continue;
        }
        bool again = u->tries && u->tries < TRIES_MAX && now - u->sent_ns >= AGAIN_NS;
        if (n == ROUND_MAX || (rev == u->seen && !again)) continue;
        if (rev != u->seen) u->tries = 0;
        int r = packet(s, u, a, &to[n]);
        if (r == SN_E_NOMEM) continue; /* the next round has it */
        u->seen = rev;
        u->sent_ns = now;
        u->tries = r == 0 ? u->tries + 1 : 0;
        n += r == 0;
    }
    return n;
}

static void acknowledged(struct sn_regserver *s, struct sn_str text, const char *peer)
{
    struct sn_arena a;
    const struct sn_json *v;
    int64_t ref = 0;
    sn_arena_init(&a, NULL, 64u << 10);
    if (sn_json_parse(&a, text, NULL, &v) == 0 &&
        sn_str_eqc(sn_json_str(sn_json_get(v, "type")), "push-ack")) {
        const struct sn_json *t = sn_json_get(v, "lastRefTime"); /* a number, or one in a string */
        if (sn_str_to_i64(sn_json_str(t), &ref) < 0) ref = sn_json_i64_or(t, 0);
        reg_srv_lock(s);
        SN_LIST_EACH (&s->nacos_sub_list, n) {
            struct sub *u = SN_LIST_ENTRY(n, struct sub, node);
            if (u->ref_ms == ref && strcmp(u->peer, peer) == 0) u->tries = 0;
        }
        reg_srv_unlock(s);
    }
    sn_arena_done(&a);
}

struct acks {
    struct sn_regserver *s;
    struct sn_udp *u;
};
static int acks_main(void *arg)
{
    struct acks *k = arg;
    for (;;) {
        char buf[ACK_MAX], peer[SN_ADDR_TEXT_MAX + 8];
        ssize_t n = sn_udp_recv(k->u, buf, sizeof(buf), peer, sizeof(peer));
        if (sn_cancelled()) return 0;
        if (n > 0)
            acknowledged(k->s, sn_str_of(buf, (size_t)n), peer);
        else if (sn_sleep(LOOK_NS) < 0) /* a port that is closed answers so */
            return 0;
    }
}

static int push_round(struct sn_regserver *s, struct sn_udp *u)
{
    struct sn_arena a;
    struct datagram due[ROUND_MAX];
    reg_srv_lock(s);
    int r = 0;
    while (r == 0 && sn_list_empty(&s->nacos_sub_list))
        r = sn_cond_wait(&s->nacos_sub_news, &s->lock);
    sn_arena_init(&a, NULL, 0);
    unsigned n = r < 0 ? 0 : collect(s, &a, due);
    reg_srv_unlock(s);
    for (unsigned i = 0; i < n; i++) {
        /* What cannot be sent is as lost as what does not arrive. */
        (void)!sn_udp_send(u, due[i].bytes.ptr, due[i].bytes.len, due[i].peer);
        sn_buf_done(&due[i].bytes);
    }
    sn_arena_done(&a);
    return r < 0 ? r : sn_sleep(LOOK_NS);
}

int nacos_push_run(void *arg)
{
    struct sn_regserver *s = arg;
    struct acks k = {.s = s};
    struct sn_scope_storage mem;
    struct sn_str host = sn_str(s->o.nacos);
    char at[128];
    /* From the face's own address: clients look whence a push comes. */
    ssize_t colon = sn_str_rchr(host, ':');
    host.len = colon > 0 ? (size_t)colon : 0;
    if (snprintf(at, sizeof(at), "%.*s:0", SN_STR_ARG(host)) >= (int)sizeof(at)) return 0;
    if (sn_udp_open(at, &k.u) < 0) return 0; /* they poll, then */
    struct sn_scope *scope = sn_scope_begin(&mem);
    int r = sn_scope_go(scope, "nacos acks", acks_main, &k);
    while (r >= 0) r = push_round(s, k.u);
    sn_scope_cancel(scope);
    (void)!sn_scope_end(scope);
    sn_udp_close(k.u);
    return 0;
}
