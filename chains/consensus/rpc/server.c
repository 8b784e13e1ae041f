/* SPDX-License-Identifier: Apache-2.0 */
/* rpc/server.c - listeners, limits, beginning and end. */
#include "consensus/rpc/server.h"

#include <stdio.h>

#include "consensus/genesis.h"
#include "consensus/rpc/rpc_int.h"
#include "core/alloc.h"
#include "core/status.h"
#include "kit/grpc.h"
#include "kit/log.h"
#include "kit/tls.h"

SN_LOG_MODULE("rpc");

#define ADDR_MAX 300
#define DRAIN_NS (2 * SN_SEC)
#define READ_NS (10 * SN_SEC)
#define IDLE_NS (60 * SN_SEC)
#define CONNECTIONS 900
#define BODY_BYTES 1000000
#define HEADER_BYTES (1u << 20)

int sn_rpc_grpc_new(struct sn_rpc *rpc) SN_MUST_CHECK; /* grpc.c */

/* ---- listening ---- */

/* "tcp://HOST:PORT" is "tcp:HOST:PORT" here. */
static int listen_one(struct sn_str text, struct sn_listener **ret)
{
    char addr[ADDR_MAX];
    ssize_t at = sn_str_find(text, SN_STR("://"));
    struct sn_str kind = sn_str_sub(text, 0, at < 0 ? 0 : (size_t)at);
    if (!sn_str_eqc(kind, "tcp") && !sn_str_eqc(kind, "unix"))
        return sn_fail(SN_E_SYNTAX,
                       "invalid listening address %.*s (use fully formed addresses, including the "
                       "tcp:// or unix:// prefix)",
                       SN_STR_ARG(text));
    if (text.len >= sizeof(addr))
        return sn_fail(SN_E_SYNTAX, "listening address of %zu bytes, at most %d", text.len,
                       ADDR_MAX - 1);
    snprintf(addr, sizeof(addr), "%.*s:%.*s", SN_STR_ARG(kind),
             SN_STR_ARG(sn_str_from(text, (size_t)at + 3)));
    return sn_listen(addr, NULL, ret);
}

static int listen_all(const char *list, struct sn_listener **ls, size_t *n)
{
    struct sn_str all = sn_str(list);
    while (all.len) {
        struct sn_str one = sn_str_trim(sn_str_cut(&all, ','));
        if (one.len == 0) continue;
        if (*n == SN_RPC_LISTENERS_MAX)
            return sn_fail(SN_E_INVALID_ARGUMENT, "more than %d listening addresses",
                           SN_RPC_LISTENERS_MAX);
        int r = listen_one(one, &ls[*n]);
        if (r < 0) return r;
        (*n)++;
    }
    return 0;
}

int sn_rpc_addr(const struct sn_rpc *rpc, size_t i, bool grpc, char *out, size_t cap)
{
    if (i >= (grpc ? rpc->n_grpc_listeners : rpc->n_listeners)) return SN_E_NOT_FOUND;
    int r = sn_listener_addr(grpc ? rpc->grpc_listeners[i] : rpc->listeners[i], out, cap);
    return r < 0 ? r : 0;
}

/* ---- making ---- */

static int new_http(struct sn_rpc *rpc)
{
    struct sn_rpc_opts *o = &rpc->o;
    const struct sn_tls_cert cert = {.cert_file = o->tls_cert_file, .key_file = o->tls_key_file};
    bool cert_is = o->tls_cert_file && o->tls_cert_file[0],
         key_is = o->tls_key_file && o->tls_key_file[0];
    int r = 0;
    if (cert_is && key_is)
        r = sn_tls_config_new(
            &(struct sn_tls_opts){.certs = &cert, .n_certs = 1, .alpn = "h2,http/1.1"}, &rpc->tls);
    if (r < 0) return r;
    struct sn_http_server_opts h = {
        .handler = sn_rpc_http,
        .arg = rpc,
        .tls = rpc->tls,
        .head_bytes_max = o->header_bytes_max,
        .head_ns_max = READ_NS,
        .body_stall_ns_max = READ_NS,
        .write_stall_ns_max = SN_MAX(READ_NS, o->commit_wait_ns + SN_SEC),
        .request_ns_max = SN_MAX(READ_NS, o->commit_wait_ns + SN_SEC),
        .idle_ns = IDLE_NS,
        .conns_max = o->connections_max,
    };
    return sn_http_server_new(&h, &rpc->http);
}

static int new_genesis(struct sn_rpc *rpc)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done) = {0};
    if (!rpc->o.view->genesis) return 0;
    int r = sn_cons_genesis_print(rpc->o.view->genesis, &b);
    if (r < 0) return r;
    sn_rpc_compact(sn_buf_view(&b), &rpc->genesis);
    return rpc->genesis.err;
}

static void defaults(struct sn_rpc_opts *o)
{
    if (!o->connections_max) o->connections_max = CONNECTIONS;
    if (!o->grpc_connections_max) o->grpc_connections_max = CONNECTIONS;
    if (!o->body_bytes_max) o->body_bytes_max = BODY_BYTES;
    if (!o->header_bytes_max) o->header_bytes_max = HEADER_BYTES;
    if (!o->batch_max) o->batch_max = 10;
    if (!o->commit_wait_ns) o->commit_wait_ns = 10 * SN_SEC;
    if (!o->cache_bytes) o->cache_bytes = SN_RPC_CACHE_BYTES;
}

int sn_rpc_new(const struct sn_rpc_opts *o, struct sn_rpc **ret)
{
    struct sn_rpc *rpc = SN_NEW(struct sn_rpc);
    if (!rpc) return SN_E_NOMEM;
    rpc->o = *o;
    sn_list_init(&rpc->ws);
    defaults(&rpc->o);
    int r = sn_rpc_cache_new(rpc->o.cache_bytes, &rpc->cache);
    if (r == 0) r = new_genesis(rpc);
    if (r == 0) r = new_http(rpc);
    if (r == 0) r = listen_all(o->listen, rpc->listeners, &rpc->n_listeners);
    if (r == 0 && o->grpc_listen && o->grpc_listen[0]) r = sn_rpc_grpc_new(rpc);
    if (r == 0) r = listen_all(o->grpc_listen, rpc->grpc_listeners, &rpc->n_grpc_listeners);
    if (r < 0) {
        sn_rpc_free(rpc);
        return sn_wrap(r, "RPC server");
    }
    *ret = rpc;
    return 0;
}

void sn_rpc_free(struct sn_rpc *rpc)
{
    if (!rpc) return;
    for (size_t i = 0; !rpc->served && i < rpc->n_listeners; i++)
        sn_listener_close(rpc->listeners[i]);
    for (size_t i = 0; !rpc->served && i < rpc->n_grpc_listeners; i++)
        sn_listener_close(rpc->grpc_listeners[i]);
    sn_http_server_free(rpc->http);
    sn_http_server_free(rpc->grpc_http);
    sn_grpc_server_free(rpc->grpc);
    sn_tls_config_unref(rpc->tls);
    sn_rpc_cache_free(rpc->cache);
    sn_buf_done(&rpc->genesis);
    sn_free(rpc);
}

/* ---- serving ---- */

struct server {
    struct sn_http_server *http;
    struct sn_listener *l;
};
static int serve(void *arg)
{
    const struct server *s = arg;
    int r = sn_http_serve(s->http, s->l);
    sn_listener_close(s->l);
    return r;
}

static int drain(void *arg)
{
    struct sn_rpc *rpc = arg;
    sn_rpc_ws_stop(rpc);
    if (rpc->http) sn_http_server_drain(rpc->http, DRAIN_NS);
    if (rpc->grpc_http) sn_http_server_drain(rpc->grpc_http, DRAIN_NS);
    return 0;
}

int sn_rpc_run(struct sn_rpc *rpc)
{
    struct server servers[2 * SN_RPC_LISTENERS_MAX];
    struct sn_scope_storage mem;
    size_t n = 0, going = 0;
    struct sn_scope *scope = sn_scope_begin(&mem);
    rpc->served = true; /* whoever serves a listener closes it */
    for (size_t i = 0; i < rpc->n_listeners; i++)
        servers[n++] = (struct server){rpc->http, rpc->listeners[i]};
    for (size_t i = 0; i < rpc->n_grpc_listeners; i++)
        servers[n++] = (struct server){rpc->grpc_http, rpc->grpc_listeners[i]};
    int r = 0;
    while (going < n && (r = sn_scope_go(scope, "rpc", serve, &servers[going])) == 0) going++;
    for (size_t i = going; i < n; i++) sn_listener_close(servers[i].l);
    if (r < 0) sn_scope_cancel(scope);
    int ended = sn_scope_end(scope);
    (void)!sn_shield(2 * DRAIN_NS + SN_SEC, drain, rpc);
    return r < 0 ? r : ended < 0 ? ended : SN_E_CANCELLED;
}
