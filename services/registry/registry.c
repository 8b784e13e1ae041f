/* SPDX-License-Identifier: Apache-2.0 */
/* registry/registry.c - opening, closing, watching services. */
#include "registry/registry.h"

#include "core/alloc.h"
#include "kit/log.h"
#include "registry/reg_int.h"
#include "wire/json.h"

SN_LOG_MODULE("registry");

#define CLOSE_NS_MAX (2 * SN_SEC)
#define PACE_BURST 20.0
#define PACE_PER_S 20.0

int64_t reg_backoff_next(struct reg_backoff *b, int64_t min_ns, int64_t max_ns)
{
    int64_t base = b->next_ns ? b->next_ns : min_ns;
    b->next_ns = SN_MIN(base * 2, max_ns);
    base = SN_MIN(base, max_ns);
    /* Between half and all of it: clients that lost the registry together come back apart. */
    return base / 2 + (int64_t)(sn_random() % (uint64_t)(base / 2 + 1));
}

int reg_pace(struct reg_pace *p)
{
    int64_t now = sn_now();
    p->tokens = p->at_ns ? p->tokens + (double)(now - p->at_ns) * 1e-9 * PACE_PER_S : PACE_BURST;
    p->tokens = SN_MIN(p->tokens, PACE_BURST);
    p->at_ns = now;
    if (p->tokens >= 1) {
        p->tokens -= 1;
        return 0;
    }
    return sn_sleep((int64_t)(1e9 / PACE_PER_S));
}

/* ---- opening and closing -------------------------------------------------------------------- */

static void root_main(void *arg)
{
    struct sn_registry *r = arg;
    struct sn_scope_storage mem;
    r->scope = sn_scope_begin(&mem);
    sn_event_set(&r->started);
    (void)!sn_event_wait(&r->close);
    sn_mutex_lock_always(&r->lock);
    r->closing = true; /* nobody starts a fiber in this scope any more */
    sn_mutex_unlock(&r->lock);
    sn_scope_cancel(r->scope);
    (void)!sn_scope_end(r->scope);
    sn_event_set(&r->ended);
}

static int default_ns(int64_t *v, int64_t def, const char *what)
{
    if (*v < 0) return sn_fail(SN_E_INVALID_ARGUMENT, "registry options: %s is negative", what);
    if (*v == 0) *v = def;
    return 0;
}

static int fill(struct sn_registry *r, const struct sn_registry_opts *opts)
{
    r->o = *opts;
    int e;
    if ((e = default_ns(&r->o.confirm_ns, 15 * SN_SEC, "confirm_ns")) < 0 ||
        (e = default_ns(&r->o.retry_ns_min, 200 * SN_MS, "retry_ns_min")) < 0 ||
        (e = default_ns(&r->o.retry_ns_max, 10 * SN_SEC, "retry_ns_max")) < 0 ||
        (e = default_ns(&r->o.call_ns_max, 5 * SN_SEC, "call_ns_max")) < 0 ||
        (e = default_ns(&r->o.wait_ns, 30 * SN_SEC, "wait_ns")) < 0 ||
        (e = default_ns(&r->o.poll_ns, 2 * SN_SEC, "poll_ns")) < 0)
        return e;
    if (opts->cache_dir && !(r->o.cache_dir = sn_arena_str(&r->arena, sn_str(opts->cache_dir)).ptr))
        return SN_E_NOMEM;
    if (!(r->o.token = sn_arena_str(&r->arena, opts->token)).ptr) return SN_E_NOMEM;
    r->env = (struct reg_env){.token = r->o.token,
                              .call_ns_max = r->o.call_ns_max,
                              .wait_ns = r->o.wait_ns,
                              .poll_ns = r->o.poll_ns,
                              .arena = &r->arena,
                              .arg = opts->backend_arg};
    if (opts->backend) {
        r->be = opts->backend;
        return 0;
    }
    return reg_url_parse(sn_str(opts->url), &r->arena, &r->env.url, &r->be);
}

int sn_registry_open(const struct sn_registry_opts *opts, struct sn_registry **ret)
{
    struct sn_registry *r = SN_NEW(struct sn_registry);
    if (!r) return SN_E_NOMEM;
    sn_arena_init(&r->arena, NULL, 16u << 20);
    sn_map_init(&r->services, sn_random(), false);
    sn_map_init(&r->items, sn_random(), false);
    sn_list_init(&r->leases);
    int e = fill(r, opts);
    if (e >= 0) e = r->be->open(&r->env, &r->b);
    if (e >= 0 && (e = sn_go("registry", root_main, r)) < 0) r->be->close(r->b);
    if (e < 0) {
        sn_arena_done(&r->arena);
        sn_free(r);
        return e;
    }
    *ret = r;
    return 0;
}

static int wait_event(void *event) { return sn_event_wait(event); }

/* The registry's fibers end at their next blocking call; a call that cannot be cancelled, such as a
 * file's, ends by itself. */
static void join(struct sn_event *e)
{
    while (sn_shield(60 * SN_SEC, wait_event, e) < 0) {}
}

static int take_out_all(void *arg)
{
    struct sn_registry *r = arg;
    SN_LIST_EACH (&r->leases, n) {
        struct sn_registration *g = SN_LIST_ENTRY(n, struct sn_registration, node);
        if (g->maybe) (void)!reg_lease_remove(g);
    }
    return 0;
}

void sn_registry_close(struct sn_registry *r)
{
    if (!r) return;
    join(&r->started);
    sn_event_set(&r->close);
    join(&r->ended);
    (void)!sn_shield(CLOSE_NS_MAX, take_out_all, r);
    struct sn_map_slot *slot;
    size_t it = 0;
    while ((slot = sn_map_next(&r->services, &it))) reg_service_free(slot->value);
    it = 0;
    while ((slot = sn_map_next(&r->items, &it))) reg_item_free(slot->value);
    sn_map_done(&r->services);
    sn_map_done(&r->items);
    struct sn_list *n;
    while ((n = sn_list_pop_front(&r->leases)))
        reg_lease_free(SN_LIST_ENTRY(n, struct sn_registration, node));
    r->be->close(r->b);
    sn_arena_done(&r->arena);
    sn_free(r);
}

/* ---- endpoints ------------------------------------------------------------------------------ */

const char *sn_freshness_name(enum sn_freshness f)
{
    static const char *const names[] = {"fresh", "held", "stale", "cached"};
    return names[f];
}

static void count_endpoints(const void *e, int64_t n) { reg_endpoints_ref(e, n); }
static void drop_endpoints(const void *e) { sn_endpoints_unref(e); }

const struct sn_endpoints *sn_service_get(struct sn_service *s)
{
    return reg_slot_take(&s->slot, count_endpoints);
}

void reg_service_free(struct sn_service *s)
{
    if (!s) return;
    if (s->reg->be->pull_done && s->pull.name.ptr) s->reg->be->pull_done(s->reg->b, &s->pull);
    reg_slot_put(&s->slot, NULL, count_endpoints, drop_endpoints);
    sn_arena_done(&s->arena);
    sn_free(s);
}

static void set_fresh(struct sn_service *s, enum sn_freshness f)
{
    sn_mutex_lock_always(&s->reg->lock);
    s->stats.fresh = f;
    sn_mutex_unlock(&s->reg->lock);
}

static void publish(struct sn_service *s, struct sn_endpoints *e)
{
    const struct sn_endpoints *have = reg_slot_peek(&s->slot);
    e->version = have->version + 1;
    sn_mutex_lock_always(&s->reg->lock);
    reg_slot_put(&s->slot, e, count_endpoints, drop_endpoints);
    s->stats.changes++;
    sn_cond_broadcast(&s->changed);
    sn_mutex_unlock(&s->reg->lock);
}

static void save(struct sn_service *s)
{
    if (!s->reg->o.cache_dir) return;
    struct sn_buf b;
    sn_buf_init(&b, 0);
    int e = reg_endpoints_json(reg_slot_peek(&s->slot), &b);
    if (e >= 0) e = reg_cache_write(s->reg, "service", s->name, sn_buf_view(&b));
    if (e < 0 && e != SN_E_CANCELLED)
        SN_LOG_WARN("cache not written", SN_L("service", s->name), SN_L_ERR(e));
    sn_buf_done(&b);
}

/* Until the registry has answered once, the file counts. */
static void load(struct sn_service *s)
{
    struct sn_str text;
    const struct sn_json *tree;
    struct sn_instance *list;
    size_t n;
    struct sn_endpoints *e = NULL;
    s->cache_tried = true;
    int r = reg_cache_read(s->reg, "service", s->name, &s->arena, &text);
    if (r == SN_E_NOT_FOUND) return;
    if (r >= 0) r = sn_json_parse(&s->arena, text, NULL, &tree);
    if (r >= 0) r = reg_instances_parse(tree, s->name, &s->arena, &list, &n);
    if (r >= 0) r = reg_endpoints_new(list, n, &e);
    if (r < 0) {
        SN_LOG_WARN("cache not read", SN_L("service", s->name), SN_L_ERR(r));
        return;
    }
    publish(s, e);
    set_fresh(s, SN_CACHED);
    SN_LOG_WARN("registry does not answer, endpoints from the cache", SN_L("service", s->name),
                SN_L("instances", n));
}

/* A suspicious answer: nothing is taken away yet, what is new is used. */
static int hold(struct sn_service *s, const struct sn_endpoints *have, struct sn_endpoints *answer)
{
    sn_mutex_lock_always(&s->reg->lock);
    s->stats.held++;
    s->stats.fresh = SN_HELD;
    sn_mutex_unlock(&s->reg->lock);
    SN_LOG_WARN("the registry lost instances; waiting until it has said so for some time",
                SN_L("service", s->name), SN_L("had", have->n), SN_L("has", answer->n));
    struct sn_endpoints *both;
    int r = answer->n ? reg_endpoints_union(have, answer, &both) : 0;
    if (r < 0 || answer->n == 0) return r;
    if (both->digest_ == have->digest_)
        sn_endpoints_unref(both);
    else
        publish(s, both);
    return 0;
}

static int apply(struct sn_service *s)
{
    const struct sn_endpoints *have = reg_slot_peek(&s->slot);
    struct sn_endpoints *e;
    int r = reg_endpoints_new(s->pull.list, s->pull.n, &e);
    if (r < 0) return r;
    sn_mutex_lock_always(&s->reg->lock);
    s->stats.answers++;
    s->stats.answered_ns = sn_now();
    sn_mutex_unlock(&s->reg->lock);
    if (reg_guard_judge(&s->guard, sn_now(), have->n, reg_endpoints_kept(have, e), e->n) ==
        REG_HOLD) {
        r = hold(s, have, e);
        sn_endpoints_unref(e);
        return r;
    }
    set_fresh(s, SN_FRESH);
    if (have->version && have->digest_ == e->digest_) {
        sn_endpoints_unref(e);
        return 0;
    }
    publish(s, e);
    save(s);
    return 0;
}

/* What to do after a call, as a pause in ns, or SN_E_CANCELLED. */
static int64_t after_failure(struct sn_service *s, int r)
{
    const struct sn_registry_opts *o = &s->reg->o;
    const struct sn_endpoints *have = reg_slot_peek(&s->slot);
    reg_guard_broken(&s->guard, sn_now());
    sn_mutex_lock_always(&s->reg->lock);
    s->stats.failures++;
    bool first = s->stats.fresh == SN_FRESH;
    if (s->stats.fresh != SN_CACHED) s->stats.fresh = SN_STALE;
    sn_mutex_unlock(&s->reg->lock);
    if (first) SN_LOG_WARN("registry does not answer", SN_L("service", s->name), SN_L_ERR(r));
    if (have->version == 0 && !s->cache_tried) load(s);
    return reg_backoff_next(&s->backoff, o->retry_ns_min, o->retry_ns_max);
}

static int round_of(struct sn_service *s)
{
    struct sn_registry *r = s->reg;
    sn_arena_reset(&s->arena);
    s->pull.list = NULL;
    s->pull.n = 0;
    int64_t prev =
        sn_deadline_tighten(sn_now() + r->o.wait_ns + r->o.wait_ns / 8 + r->o.call_ns_max);
    int e = r->be->pull(r->b, &s->pull);
    sn_deadline_restore(prev);
    if (e == SN_E_OUT_OF_RANGE && !s->pull.fresh) {
        s->pull.fresh = true;
        sn_mutex_lock_always(&r->lock);
        s->stats.reloads++;
        sn_mutex_unlock(&r->lock);
        return reg_pace(&s->pace);
    }
    if (e > 0)
        e = apply(s);
    else if (e == 0)
        set_fresh(s, s->guard.since_ns ? SN_HELD : SN_FRESH);
    if (e < 0) return sn_cancelled() ? SN_E_CANCELLED : sn_sleep(after_failure(s, e));
    s->backoff.next_ns = 0;
    /* What is held is asked for again from the beginning, and not only when it changes. */
    s->pull.fresh = s->guard.since_ns != 0;
    if (s->pull.fresh) return sn_sleep(SN_MAX(r->o.confirm_ns / 3, 50 * SN_MS));
    return reg_pace(&s->pace);
}

int reg_service_main(void *service)
{
    struct sn_service *s = service;
    while (!sn_cancelled() && round_of(s) >= 0) {}
    sn_mutex_lock_always(&s->reg->lock);
    sn_cond_broadcast(&s->changed); /* who waits is told of the end */
    sn_mutex_unlock(&s->reg->lock);
    return 0;
}

static int service_new(struct sn_registry *r, struct sn_str name, struct sn_service **ret)
{
    struct sn_service *s = SN_NEW(struct sn_service);
    struct sn_endpoints *none = NULL;
    if (!s) return SN_E_NOMEM;
    *s =
        (struct sn_service){.reg = r, .guard.confirm_ns = r->o.confirm_ns, .stats.fresh = SN_STALE};
    sn_arena_init(&s->arena, NULL, 256u << 20);
    s->name = sn_arena_str(&r->arena, name);
    int e = s->name.ptr ? reg_endpoints_new(NULL, 0, &none) : SN_E_NOMEM;
    if (e >= 0) reg_slot_put(&s->slot, none, count_endpoints, drop_endpoints);
    s->pull = (struct reg_pull){.name = s->name, .fresh = true, .arena = &s->arena};
    if (e >= 0) {
        e = sn_map_put(&r->services, s->name, s, NULL);
        if (e >= 0 && (e = sn_scope_go(r->scope, "registry watch", reg_service_main, s)) < 0)
            (void)sn_map_del(&r->services, s->name);
    }
    if (e < 0) {
        reg_service_free(s);
        return e;
    }
    r->n_objects++;
    *ret = s;
    return 0;
}

int sn_registry_watch(struct sn_registry *r, struct sn_str service, struct sn_service **ret)
{
    if (!service.len || service.len > SN_REG_NAME_MAX || !sn_utf8_valid(service))
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "service name of %zu bytes: expected UTF-8, 1 to %u bytes", service.len,
                       SN_REG_NAME_MAX);
    int e = sn_event_wait(&r->started);
    if (e < 0) return e;
    sn_mutex_lock_always(&r->lock);
    struct sn_service *s = sn_map_get(&r->services, service);
    if (r->closing)
        e = SN_E_CANCELLED;
    else if (!s && r->n_objects >= SN_REG_OBJECTS_MAX)
        e = sn_fail(SN_E_RESOURCE_EXHAUSTED, "watch %.*s: %u objects are watched already",
                    SN_STR_ARG(service), SN_REG_OBJECTS_MAX);
    else if (!s)
        e = service_new(r, service, &s);
    sn_mutex_unlock(&r->lock);
    if (e >= 0) *ret = s;
    return e < 0 ? e : 0;
}

int sn_service_wait(struct sn_service *s, uint64_t seen, int64_t at_ns)
{
    struct sn_registry *r = s->reg;
    int e = sn_mutex_lock(&r->lock);
    if (e < 0) return e;
    int64_t prev = sn_deadline_tighten(at_ns);
    const struct sn_endpoints *have;
    while ((have = reg_slot_peek(&s->slot))->version == seen && e >= 0) {
        if (r->closing)
            e = SN_E_CLOSED;
        else
            e = sn_cond_wait(&s->changed, &r->lock);
    }
    sn_deadline_restore(prev);
    sn_mutex_unlock(&r->lock);
    return e;
}

void sn_service_stats(struct sn_service *s, struct sn_service_stats *ret)
{
    sn_mutex_lock_always(&s->reg->lock);
    *ret = s->stats;
    sn_mutex_unlock(&s->reg->lock);
}
