/* SPDX-License-Identifier: Apache-2.0 */
/* examples/hello-grpc - a service and its client in one small program.
 *
 *   hello-grpc serve [ADDR]         127.0.0.1:50051; gRPC, gRPC-Web, Connect and REST:
 *                                   curl 127.0.0.1:50051/v1/hello/you
 *   hello-grpc call TARGET NAME     one unary and one streaming call */
#include <signal.h>
#include <stdio.h>

#include "hello.grpc.h"

struct args {
    int n;
    char **v;
};

static int greet(struct sn_grpc_call *call, struct sn_str name, int i, struct hello_hello_reply *ret)
{
    ret->message = i ? sn_arena_printf(call->arena, "Hello %.*s, %d", SN_STR_ARG(name), i)
                     : sn_arena_printf(call->arena, "Hello %.*s", SN_STR_ARG(name));
    return ret->message.ptr ? 0 : SN_E_NOMEM;
}

static int say_hello(struct sn_grpc_call *call, const struct hello_hello_request *req,
                     struct hello_hello_reply **ret)
{
    if (!req->name.len) return sn_grpc_fail(call, SN_E_INVALID_ARGUMENT, "a name is wanted");
    *ret = hello_hello_reply_new(call->arena);
    return *ret ? greet(call, req->name, 0, *ret) : SN_E_NOMEM;
}

static int say_many_hellos(struct sn_grpc_call *call, const struct hello_hello_request *req)
{
    int r = 0;
    for (int i = 1; i <= 3 && r == 0; i++) {
        struct hello_hello_reply rep = {0};
        r = greet(call, req->name, i, &rep);
        if (r == 0) r = hello_greeter_say_many_hellos_reply(call, &rep);
    }
    return r;
}

static const struct hello_greeter_handlers greeter = {.say_hello = say_hello,
                                                      .say_many_hellos = say_many_hellos};

static int serve(const char *addr)
{
    struct sn_grpc_server *s;
    struct sn_http_server *h;
    struct sn_listener *l;
    int r = sn_grpc_server_new(NULL, &s);
    if (r == 0) r = hello_greeter_register(s, &greeter, NULL);
    if (r == 0) r = sn_grpc_health_add(s);
    if (r == 0) r = sn_grpc_reflection_add(s);
    struct sn_http_server_opts o = {.handler = sn_grpc_handle, .arg = s};
    sn_grpc_http_defaults(&o);
    if (r == 0) r = sn_http_server_new(&o, &h);
    if (r == 0) r = sn_listen(addr, NULL, &l);
    if (r < 0) return r;
    printf("listening on %s\n", addr);
    fflush(stdout);
    return sn_http_serve(h, l);
}

static int call(const char *target, const char *name)
{
    struct sn_grpc_channel *ch;
    struct sn_grpc_call *c;
    struct sn_arena a;
    struct hello_hello_request req = {.name = sn_str(name)};
    struct hello_hello_reply *rep;
    int r = sn_grpc_channel_new(target, NULL, &ch);
    if (r < 0) return r;
    sn_arena_init(&a, NULL, 0);
    struct sn_grpc_opts o = {.timeout_ns = 5 * SN_SEC};
    r = hello_greeter_say_hello_call(ch, &req, &a, &rep, &o);
    if (r == 0) printf("%.*s\n", SN_STR_ARG(rep->message));
    if (r == 0 && (r = hello_greeter_say_many_hellos_open(ch, &req, &o, &c)) == 0) {
        while ((r = hello_greeter_say_many_hellos_recv(c, NULL, &rep)) > 0)
            printf("%.*s\n", SN_STR_ARG(rep->message));
        sn_grpc_close(c);
    }
    sn_arena_done(&a);
    if (r < 0) fprintf(stderr, "hello-grpc: %s\n", sn_diag_str(r));
    sn_grpc_channel_free(ch);
    return r;
}

static int run(void *arg)
{
    const struct args *a = arg;
    if (a->n == 4 && strcmp(a->v[1], "call") == 0) return call(a->v[2], a->v[3]);
    if (a->n > 1 && strcmp(a->v[1], "serve") == 0)
        return serve(a->n > 2 ? a->v[2] : "127.0.0.1:50051");
    fprintf(stderr, "usage: hello-grpc serve [ADDR] | call TARGET NAME\n");
    return SN_E_INVALID_ARGUMENT;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    struct args a = {argc, argv};
    return sn_rt_run(NULL, run, &a) < 0;
}
