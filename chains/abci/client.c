/* SPDX-License-Identifier: Apache-2.0 */
/* abci/client.c - see client.h: what all kinds share, the application in this process, the four. */
#include "abci/client_int.h"

#include <stdio.h>

#include "core/alloc.h"
#include "kit/log.h"

SN_LOG_MODULE("abci");

void abci_client_init(struct sn_abci_client *c, const struct abci_client_ops *ops, const char *name,
                      struct sn_event *also)
{
    *c = (struct sn_abci_client){.ops = ops, .name = name ? name : "abci", .also = also};
}

int abci_client_fail(struct sn_abci_client *c, int r)
{
    sn_mutex_lock_always(&c->failing);
    bool first = c->failure == 0;
    if (first) {
        sn_diag_format(r, c->why, sizeof(c->why));
        c->failure = r;
    }
    if (first && c->also) sn_event_set(c->also);
    sn_mutex_unlock(&c->failing);
    return r;
}

bool abci_client_fatal(int r)
{
    return r < 0 && r != SN_E_NOMEM && r != SN_E_CANCELLED && r != SN_E_DEADLINE_EXCEEDED;
}

int sn_abci_client_failure(struct sn_abci_client *c)
{
    int r = c->failure;
    return r < 0 ? sn_fail(r, "connection %s: %s", c->name, c->why) : 0;
}

int sn_abci_client_call(struct sn_abci_client *c, enum sn_abci_method m, const void *req,
                        struct sn_arena *a, void **ret)
{
    if (SN_UNLIKELY(c->failure < 0))
        return sn_fail(SN_E_UNAVAILABLE, "%s: connection %s has failed: %s",
                       sn_abci_method_info(m)->name, c->name, c->why);
    if (!c->observe) return c->ops->call(c, m, req, a, ret);
    int64_t began = sn_now();
    int r = c->ops->call(c, m, req, a, ret);
    if (r >= 0) c->observe(c->observer, m, sn_now() - began);
    return r;
}

void sn_abci_client_close(struct sn_abci_client *c)
{
    if (c) c->ops->close(c);
}

int abci_dial_again(const struct sn_abci_client_opts *o, int r)
{
    if (o->must_connect || r == SN_E_NOMEM || r == SN_E_SYNTAX || r == SN_E_CANCELLED ||
        r == SN_E_DEADLINE_EXCEEDED)
        return r;
    char why[SN_DIAG_BYTES];
    sn_diag_format(r, why, sizeof(why));
    SN_LOG_WARN("the application cannot be reached yet", SN_L("address", o->addr),
                SN_L("error", (const char *)why));
    r = sn_sleep(o->retry_ns ? o->retry_ns : SN_ABCI_RETRY_NS);
    return r < 0 ? sn_fail(r, "it could not be reached until then: %s", why) : 0;
}

int sn_abci_client_open(const struct sn_abci_client_opts *o, struct sn_abci_client **ret)
{
    int r = o->grpc ? abci_grpc_open(o, ret) : abci_socket_open(o, ret);
    return r < 0 ? sn_wrap(r, "connection %s to the application at %s", o->name ? o->name : "abci",
                           o->addr)
                 : r;
}

/* ---- in this process ---------------------------------------------------------------------------
 */

struct local {
    struct sn_abci_client base;
    struct sn_abci_app *app;
};

static int local_call(struct sn_abci_client *c, enum sn_abci_method m, const void *req,
                      struct sn_arena *a, void **ret)
{
    int r = sn_abci_app_call(SN_CONTAINER_OF(c, struct local, base)->app, m, req, a, ret);
    return abci_client_fatal(r) ? abci_client_fail(c, r) : r;
}
static void local_close(struct sn_abci_client *c)
{
    sn_free(SN_CONTAINER_OF(c, struct local, base));
}
static const struct abci_client_ops local_ops = {local_call, local_close};

int sn_abci_client_local(struct sn_abci_app *app, const char *name, struct sn_event *failed,
                         struct sn_abci_client **ret)
{
    struct local *l = SN_NEW(struct local);
    if (!l) return SN_E_NOMEM;
    abci_client_init(&l->base, &local_ops, name, failed);
    l->app = app;
    *ret = &l->base;
    return 0;
}

/* ---- the four ----------------------------------------------------------------------------------
 */

#define CONNS 4
static const char *const conn_names[CONNS] = {"query", "snapshot", "mempool", "consensus"};
static struct sn_abci_client **conn_of(struct sn_abci_conns *cs, int i)
{
    struct sn_abci_client **all[CONNS] = {&cs->query, &cs->snapshot, &cs->mempool, &cs->consensus};
    return all[i];
}

static int open_all(const struct sn_abci_client_opts *o, struct sn_abci_app *app,
                    struct sn_abci_conns *ret)
{
    *ret = (struct sn_abci_conns){0};
    for (int i = 0; i < CONNS; i++) {
        int r;
        if (app)
            r = sn_abci_client_local(app, conn_names[i], &ret->failed, conn_of(ret, i));
        else {
            struct sn_abci_client_opts each = *o;
            each.name = conn_names[i];
            each.failed = &ret->failed;
            r = sn_abci_client_open(&each, conn_of(ret, i));
        }
        if (r < 0) {
            sn_abci_conns_close(ret);
            return r;
        }
    }
    return 0;
}

int sn_abci_conns_open(const struct sn_abci_client_opts *o, struct sn_abci_conns *ret)
{
    return open_all(o, NULL, ret);
}

int sn_abci_conns_local(struct sn_abci_app *app, struct sn_abci_conns *ret)
{
    return open_all(NULL, app, ret);
}

void sn_abci_conns_observe(struct sn_abci_conns *cs,
                           void (*fn)(void *arg, enum sn_abci_method m, int64_t ns), void *arg)
{
    for (int i = 0; i < CONNS; i++) {
        (*conn_of(cs, i))->observer = arg;
        (*conn_of(cs, i))->observe = fn;
    }
}

int sn_abci_conns_wait(struct sn_abci_conns *cs)
{
    int r = sn_event_wait(&cs->failed);
    for (int i = 0; i < CONNS && r >= 0; i++) r = sn_abci_client_failure(*conn_of(cs, i));
    return r;
}

void sn_abci_conns_close(struct sn_abci_conns *cs)
{
    for (int i = 0; i < CONNS; i++) {
        sn_abci_client_close(*conn_of(cs, i));
        *conn_of(cs, i) = NULL;
    }
}
