/* SPDX-License-Identifier: Apache-2.0 */
/* registry/lease.c - keeping an instance announced. One fiber per registration: it compares what is
 * wanted with what the registry should have, and does the next thing that is due. */
#include "core/alloc.h"
#include "kit/log.h"
#include "registry/reg_int.h"

SN_LOG_MODULE("registry");

#define TTL_DEFAULT (15 * SN_SEC)
#define TTL_MIN (1 * SN_SEC)

void reg_lease_free(struct sn_registration *g)
{
    sn_chan_free(g->poke);
    sn_arena_done(&g->arena);
    sn_free(g);
}

static void set_state(struct sn_registration *g, enum sn_registration_state s)
{
    if (__atomic_exchange_n(&g->state, (int)s, __ATOMIC_ACQ_REL) == (int)s) return;
    sn_mutex_lock_always(&g->reg->lock);
    sn_cond_broadcast(&g->changed);
    sn_mutex_unlock(&g->reg->lock);
}

enum sn_registration_state sn_registration_state(const struct sn_registration *g)
{
    return (enum sn_registration_state)__atomic_load_n(&g->state, __ATOMIC_ACQUIRE);
}

uint64_t sn_registration_lost(const struct sn_registration *g)
{
    return __atomic_load_n(&g->lost, __ATOMIC_RELAXED);
}

static int call(struct sn_registration *g, int (*op)(void *b, struct reg_lease *l))
{
    int64_t prev = sn_deadline_tighten(sn_now() + g->reg->o.call_ns_max);
    int e = op(g->reg->b, &g->lease);
    sn_deadline_restore(prev);
    return e;
}

int reg_lease_remove(struct sn_registration *g)
{
    int e = call(g, g->reg->be->remove);
    if (e == SN_E_NOT_FOUND) e = 0;
    if (e >= 0) g->maybe = false;
    return e;
}

/* Heartbeats are spread: those of programs started together do not stay together. */
static int64_t beat_ns(const struct sn_registration *g)
{
    int64_t third = g->lease.ttl_ns / 3;
    return third - (int64_t)(sn_random() % (uint64_t)(third / 10 + 1));
}

static int64_t failed(struct sn_registration *g, const char *what, int e)
{
    if (g->backoff.next_ns == 0)
        SN_LOG_WARN("registration", SN_L("step", what), SN_L("service", g->lease.in.service),
                    SN_L("id", g->lease.in.id), SN_L_ERR(e));
    const struct sn_registry_opts *o = &g->reg->o;
    return reg_backoff_next(&g->backoff, o->retry_ns_min,
                            SN_MIN(o->retry_ns_max, g->lease.ttl_ns / 3));
}

static int64_t announce(struct sn_registration *g)
{
    g->maybe = true;
    int e = call(g, g->reg->be->put);
    if (e < 0) return failed(g, "announce", e);
    g->backoff.next_ns = 0;
    set_state(g, SN_REG_ANNOUNCED);
    return beat_ns(g);
}

static int64_t beat(struct sn_registration *g)
{
    int e = call(g, g->reg->be->renew);
    if (e == SN_E_NOT_FOUND) {
        __atomic_add_fetch(&g->lost, 1, __ATOMIC_RELAXED);
        SN_LOG_WARN("the registry forgot this instance; announcing it again",
                    SN_L("service", g->lease.in.service), SN_L("id", g->lease.in.id));
        set_state(g, SN_REG_PENDING);
        return announce(g);
    }
    if (e < 0) return failed(g, "heartbeat", e);
    g->backoff.next_ns = 0;
    return beat_ns(g);
}

/* Does what is due; returns how long nothing is. */
static int64_t step(struct sn_registration *g, enum reg_want want)
{
    enum sn_registration_state s = sn_registration_state(g);
    if (want == REG_WANT_UP) return s == SN_REG_ANNOUNCED ? beat(g) : announce(g);
    int64_t pause = SN_HOUR;
    if (g->maybe) {
        int e = reg_lease_remove(g);
        if (e < 0)
            pause = failed(g, "pause", e);
        else
            g->backoff.next_ns = 0;
    }
    set_state(g, SN_REG_PAUSED);
    return pause;
}

int reg_lease_main(void *registration)
{
    struct sn_registration *g = registration;
    while (!sn_cancelled()) {
        sn_mutex_lock_always(&g->reg->lock);
        enum reg_want want = g->want;
        sn_mutex_unlock(&g->reg->lock);
        if (want == REG_WANT_GONE) break;
        int64_t pause = step(g, want);
        struct sn_select_case c = {.chan = g->poke, .op = SN_SELECT_RECV};
        int e = sn_select(&c, 1, sn_now() + pause);
        if (e < 0 && e != SN_E_DEADLINE_EXCEEDED) break;
        if (e >= 0) g->backoff.next_ns = 0;
    }
    sn_mutex_lock_always(&g->reg->lock);
    sn_cond_broadcast(&g->changed);
    sn_mutex_unlock(&g->reg->lock);
    sn_event_set(&g->ended);
    return 0;
}

static void want(struct sn_registration *g, enum reg_want w)
{
    sn_mutex_lock_always(&g->reg->lock);
    if (g->want != REG_WANT_GONE) g->want = w;
    sn_mutex_unlock(&g->reg->lock);
    (void)!sn_chan_try_send(g->poke, NULL);
}

void sn_registration_pause(struct sn_registration *g) { want(g, REG_WANT_PAUSED); }
void sn_registration_resume(struct sn_registration *g) { want(g, REG_WANT_UP); }

static int wait_ended(void *event) { return sn_event_wait(event); }
static int remove_now(void *registration) { return reg_lease_remove(registration); }

int sn_registration_remove(struct sn_registration *g)
{
    struct sn_registry *r = g->reg;
    want(g, REG_WANT_GONE);
    while (sn_shield(60 * SN_SEC, wait_ended, &g->ended) < 0) {}
    int e = g->maybe ? sn_shield(r->o.call_ns_max, remove_now, g) : 0;
    sn_mutex_lock_always(&r->lock);
    sn_list_del(&g->node);
    r->n_objects--;
    sn_mutex_unlock(&r->lock);
    reg_lease_free(g);
    return e;
}

int sn_registration_wait(struct sn_registration *g, int64_t at_ns)
{
    struct sn_registry *r = g->reg;
    int e = sn_mutex_lock(&r->lock);
    if (e < 0) return e;
    int64_t prev = sn_deadline_tighten(at_ns);
    while (e >= 0 && sn_registration_state(g) != SN_REG_ANNOUNCED)
        e = r->closing ? SN_E_CLOSED : sn_cond_wait(&g->changed, &r->lock);
    sn_deadline_restore(prev);
    sn_mutex_unlock(&r->lock);
    return e;
}

static int check_instance(const struct sn_instance *in)
{
    const char *missing = !in->service.len   ? "service"
                          : !in->address.len ? "address"
                          : !in->port        ? "port"
                                             : NULL;
    if (missing)
        return sn_fail(SN_E_INVALID_ARGUMENT, "registration: the instance has no %s", missing);
    if (in->weight > 1000000)
        return sn_fail(SN_E_INVALID_ARGUMENT, "registration: weight %u, at most 1000000",
                       in->weight);
    return 0;
}

static int registration_new(struct sn_registry *r, const struct sn_instance *in,
                            const struct sn_register_opts *o, struct sn_registration **ret)
{
    struct sn_registration *g = SN_NEW(struct sn_registration);
    if (!g) return SN_E_NOMEM;
    sn_arena_init(&g->arena, NULL, 1 << 20);
    g->reg = r;
    g->want = o && o->paused ? REG_WANT_PAUSED : REG_WANT_UP;
    g->lease.ttl_ns = o && o->ttl_ns ? o->ttl_ns : TTL_DEFAULT;
    struct sn_instance *mine = &g->lease.in;
    int e = reg_instance_copy(&g->arena, in, mine);
    if (e >= 0 && !mine->id.len &&
        !(mine->id = sn_arena_printf(&g->arena, "%.*s-%.*s-%u", SN_STR_ARG(in->service),
                                     SN_STR_ARG(in->address), in->port))
             .ptr)
        e = SN_E_NOMEM;
    if (!mine->weight) mine->weight = 1;
    if (e >= 0 && !(g->poke = sn_chan_new(0, 1))) e = SN_E_NOMEM;
    if (e < 0) {
        reg_lease_free(g);
        return e;
    }
    *ret = g;
    return 0;
}

int sn_registry_register(struct sn_registry *r, const struct sn_instance *in,
                         const struct sn_register_opts *opts, struct sn_registration **ret)
{
    int e = check_instance(in);
    if (e >= 0 && opts && opts->ttl_ns && opts->ttl_ns < TTL_MIN)
        e = sn_fail(SN_E_INVALID_ARGUMENT, "registration: ttl_ns is %lld, at least one second",
                    (long long)opts->ttl_ns);
    if (e >= 0 && !r->be->put)
        e = sn_fail(SN_E_UNIMPLEMENTED, "%s is no registry to announce instances at",
                    r->be->scheme);
    if (e >= 0) e = sn_event_wait(&r->started);
    struct sn_registration *g;
    if (e >= 0) e = registration_new(r, in, opts, &g);
    if (e < 0) return e;
    sn_mutex_lock_always(&r->lock);
    if (r->closing)
        e = SN_E_CANCELLED;
    else if (r->n_objects >= SN_REG_OBJECTS_MAX)
        e = sn_fail(SN_E_RESOURCE_EXHAUSTED, "registration: %u objects already",
                    SN_REG_OBJECTS_MAX);
    else
        e = sn_scope_go(r->scope, "registration", reg_lease_main, g);
    if (e >= 0) {
        sn_list_push_back(&r->leases, &g->node);
        r->n_objects++;
    }
    sn_mutex_unlock(&r->lock);
    if (e < 0) {
        reg_lease_free(g);
        return e;
    }
    *ret = g;
    return 0;
}
