/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_env_test.c - the service under test. */
#include "kit/grpc_env_test.h"
#include "tests/harness/test.h"

static int maybe_fail(struct sn_grpc_call *c, const ask_t *q)
{
    if (q->sleep_ms) {
        struct grpc_env *e = c->arg;
        sn_event_set(&e->entered);
        int r = sn_sleep(q->sleep_ms * SN_MS);
        if (r == SN_E_CANCELLED) __atomic_add_fetch(&e->cancelled, 1, __ATOMIC_RELAXED);
        if (r < 0) return r;
    }
    if (q->code == 99) sn_panic("deliberate");
    if (q->code == 98) return sn_fail(SN_E_INTERNAL, "secret");
    if (q->code) {
        if (q->n && sn_grpc_detail(c, &sennit_grpctest_ask_desc, q) < 0) return SN_E_NOMEM;
        return sn_grpc_fail(c, -q->code, "%.*s", SN_STR_ARG(q->text));
    }
    return 0;
}

static int unary(struct sn_grpc_call *c, const ask_t *q, said_t **ret)
{
    struct grpc_env *e = c->arg;
    __atomic_add_fetch(&e->calls, 1, __ATOMIC_RELAXED);
    int64_t left = c->deadline_ns == SN_FOREVER ? SN_FOREVER : c->deadline_ns - sn_now();
    __atomic_store_n(&e->deadline_left, left, __ATOMIC_RELAXED);
    struct sn_str md = sn_grpc_metadata(c, "x-echo");
    if (md.ptr && (sn_grpc_metadata_add(c, SN_STR("x-head"), md) < 0 ||
                   sn_grpc_trailer_add(c, SN_STR("x-tail-bin"), md) < 0))
        return SN_E_NOMEM;
    int r = maybe_fail(c, q);
    if (r < 0) return r;
    *ret = sennit_grpctest_said_new(c->arena);
    if (!*ret) return SN_E_NOMEM;
    (*ret)->text = q->text;
    (*ret)->n = q->n + 1;
    (*ret)->pad = q->pad;
    (*ret)->inner = q->inner;
    return 0;
}

static int up(struct sn_grpc_call *c, said_t **ret)
{
    ask_t *q;
    int r, n = 0;
    while ((r = sennit_grpctest_echo_up_request(c, &q)) > 0) {
        n += q->n;
        if ((r = maybe_fail(c, q)) < 0) return r;
    }
    if (r < 0) {
        if (r == SN_E_CANCELLED || r == SN_E_RESET)
            __atomic_add_fetch(&((struct grpc_env *)c->arg)->cancelled, 1, __ATOMIC_RELAXED);
        return r;
    }
    *ret = sennit_grpctest_said_new(c->arena);
    if (!*ret) return SN_E_NOMEM;
    (*ret)->n = n;
    return 0;
}

static int down(struct sn_grpc_call *c, const ask_t *q)
{
    int r = 0;
    for (int i = 0; i < q->n && r == 0; i++) {
        said_t s = {.text = q->text, .n = i, .pad = q->pad};
        r = sennit_grpctest_echo_down_reply(c, &s);
    }
    if (r == SN_E_CANCELLED || r == SN_E_RESET)
        __atomic_add_fetch(&((struct grpc_env *)c->arg)->cancelled, 1, __ATOMIC_RELAXED);
    return r < 0 ? r : maybe_fail(c, q);
}

static int named(struct sn_grpc_call *c, const ask_t *q, ask_t **ret)
{
    *ret = sn_arena_alloc(c->arena, sizeof(*q));
    if (!*ret) return SN_E_NOMEM;
    **ret = *q;
    return 0;
}

static int both(struct sn_grpc_call *c)
{
    ask_t *q;
    int r;
    while ((r = sennit_grpctest_echo_both_request(c, &q)) > 0) {
        if ((r = maybe_fail(c, q)) < 0) return r;
        said_t s = {.text = q->text, .n = q->n + 1, .pad = q->pad};
        if ((r = sennit_grpctest_echo_both_reply(c, &s)) < 0) return r;
    }
    return r;
}

const struct sennit_grpctest_echo_handlers grpc_env_handlers = {
    .unary = unary, .up = up, .down = down, .both = both, .named = named};

int grpc_env_ask(struct grpc_env *e, const ask_t *q, said_t **ret, const struct sn_grpc_opts *o)
{
    return sennit_grpctest_echo_unary_call(e->ch, q, &e->a, ret, o);
}

static void serve(void *arg)
{
    struct grpc_env *e = arg;
    T_OK(sn_http_serve(e->http, e->listener));
    sn_event_set(&e->served);
}

void grpc_env_up(struct grpc_env *e, const char *listen)
{
    T_OK(sn_grpc_server_new(&e->gso, &e->grpc));
    T_OK(sennit_grpctest_echo_register(e->grpc, &grpc_env_handlers, e));
    T_OK(sn_grpc_health_add(e->grpc));
    T_OK(sn_grpc_reflection_add(e->grpc));
    T_OK(sn_grpc_channelz_add(e->grpc));
    e->hso.handler = sn_grpc_handle;
    e->hso.arg = e->grpc;
    sn_grpc_http_defaults(&e->hso);
    T_OK(sn_http_server_new(&e->hso, &e->http));
    T_OK(sn_listen(listen, NULL, &e->listener));
    sn_listener_addr(e->listener, e->addr, sizeof(e->addr));
    T_OK(sn_go("serve", serve, e));
    sn_arena_init(&e->a, NULL, 0);
    if (!e->no_channel) T_OK(sn_grpc_channel_new(e->addr, &e->co, &e->ch));
}

void grpc_env_down(struct grpc_env *e)
{
    sn_grpc_channel_free(e->ch);
    sn_http_server_drain(e->http, 2 * SN_SEC);
    T_OK(sn_event_wait(&e->served));
    sn_http_server_free(e->http);
    sn_grpc_server_free(e->grpc);
    sn_arena_done(&e->a);
}

static int env_main(void *arg)
{
    struct grpc_env *e = arg;
    grpc_env_up(e, "127.0.0.1:0");
    int r = e->body(e);
    grpc_env_down(e);
    return r;
}

void grpc_env_run(struct grpc_env *e) { T_OK(sn_rt_run(&e->rt, env_main, e)); }
