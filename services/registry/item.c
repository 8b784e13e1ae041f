/* SPDX-License-Identifier: Apache-2.0 */
/* registry/item.c - watching configuration: decoding, checking, keeping the last good one. */
#include "core/alloc.h"
#include "kit/config.h"
#include "kit/log.h"
#include "registry/reg_int.h"

SN_LOG_MODULE("registry");

static void count_config(const void *c, int64_t n)
{
    __atomic_add_fetch(&((struct sn_config *)(uintptr_t)c)->refs_, n, __ATOMIC_ACQ_REL);
}

void sn_config_unref(const struct sn_config *c)
{
    if (!c) return;
    struct sn_config *m = (struct sn_config *)(uintptr_t)c;
    if (__atomic_sub_fetch(&m->refs_, 1, __ATOMIC_ACQ_REL) != 0) return;
    sn_arena_done(&m->arena_);
    sn_free(m);
}

static void drop_config(const void *c) { sn_config_unref(c); }

const struct sn_config *sn_config_get(struct sn_config_item *i)
{
    return reg_slot_take(&i->slot, count_config);
}

void reg_item_free(struct sn_config_item *i)
{
    if (!i) return;
    if (i->reg->be->pull_done && i->pull.name.ptr) i->reg->be->pull_done(i->reg->b, &i->pull);
    reg_slot_put(&i->slot, NULL, count_config, drop_config);
    sn_arena_done(&i->arena);
    sn_free(i);
}

static int decode(struct sn_config_item *i, struct sn_config *c)
{
    const struct sn_conf_table *t = i->opts.table;
    if (!t) return 0;
    void *value = sn_arena_zalloc(&c->arena_, t->size);
    struct sn_conf *conf = SN_NEW(struct sn_conf); /* too large for a fiber's frame */
    struct sn_str name = sn_arena_str(&c->arena_, i->key);
    int e = SN_E_NOMEM;
    if (value && conf && name.ptr) e = sn_conf_load(conf, &c->arena_, name.ptr, c->text, t, value);
    sn_free(conf);
    if (e >= 0) c->value = value;
    return e;
}

/* Builds what a text would be as a configuration; refuses it with a reason. */
static int build(struct sn_config_item *i, struct sn_str text, struct sn_config **ret)
{
    if (text.len > SN_REG_CONFIG_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%.*s: %zu bytes, at most %u", SN_STR_ARG(i->key), text.len,
                       SN_REG_CONFIG_MAX);
    struct sn_config *c = SN_NEW(struct sn_config);
    if (!c) return SN_E_NOMEM;
    c->refs_ = 1;
    sn_arena_init(&c->arena_, NULL, 0);
    int e = (c->text = sn_arena_str(&c->arena_, text)).ptr ? decode(i, c) : SN_E_NOMEM;
    const struct sn_config *have = reg_slot_peek(&i->slot);
    c->version = have->version + 1;
    if (e >= 0 && i->opts.check) e = i->opts.check(c, i->opts.arg);
    if (e < 0) {
        sn_config_unref(c);
        return e;
    }
    *ret = c;
    return 0;
}

static void refuse(struct sn_config_item *i, struct sn_str text, int e)
{
    uint64_t digest = sn_hash(text.ptr, text.len, 1);
    sn_mutex_lock_always(&i->reg->lock);
    bool again = i->refused_digest == digest;
    i->refused_digest = digest;
    if (!again) {
        i->stats.refused++;
        (void)sn_diag_format(e, i->stats.error, sizeof(i->stats.error));
    }
    sn_mutex_unlock(&i->reg->lock);
    if (!again)
        SN_LOG_ERROR("configuration refused, the last good one stays in force", SN_L("key", i->key),
                     SN_L_ERR(e));
}

static void take(struct sn_config_item *i, struct sn_config *c, enum sn_freshness fresh)
{
    sn_mutex_lock_always(&i->reg->lock);
    reg_slot_put(&i->slot, c, count_config, drop_config);
    i->stats.changes++;
    i->stats.fresh = fresh;
    i->stats.error[0] = 0;
    i->refused_digest = 0;
    sn_cond_broadcast(&i->changed);
    sn_mutex_unlock(&i->reg->lock);
}

static int apply(struct sn_config_item *i)
{
    const struct sn_config *have = reg_slot_peek(&i->slot);
    sn_mutex_lock_always(&i->reg->lock);
    i->stats.answers++;
    i->stats.answered_ns = sn_now();
    i->stats.fresh = i->pull.found || have->version == 0 ? SN_FRESH : SN_HELD;
    if (!i->pull.found) i->stats.vanished++;
    bool same = i->pull.found && have->version && sn_str_eq(have->text, i->pull.text);
    if (same) {
        i->stats.error[0] = 0; /* rolled back at the registry */
        i->refused_digest = 0;
    }
    sn_mutex_unlock(&i->reg->lock);
    if (!i->pull.found || same) return 0;
    struct sn_config *c;
    int e = build(i, i->pull.text, &c);
    if (e == SN_E_NOMEM || e == SN_E_CANCELLED) return e;
    if (e < 0) {
        refuse(i, i->pull.text, e);
        return 0;
    }
    take(i, c, SN_FRESH);
    e = reg_cache_write(i->reg, "config", i->key, c->text);
    if (e < 0 && e != SN_E_CANCELLED)
        SN_LOG_WARN("cache not written", SN_L("key", i->key), SN_L_ERR(e));
    return 0;
}

static void load(struct sn_config_item *i)
{
    struct sn_str text;
    struct sn_config *c;
    i->cache_tried = true;
    int e = reg_cache_read(i->reg, "config", i->key, &i->arena, &text);
    if (e == SN_E_NOT_FOUND) return;
    if (e >= 0) e = build(i, text, &c);
    if (e < 0) {
        SN_LOG_WARN("cache not read", SN_L("key", i->key), SN_L_ERR(e));
        return;
    }
    take(i, c, SN_CACHED);
    SN_LOG_WARN("registry does not answer, configuration from the cache", SN_L("key", i->key));
}

static int64_t after_failure(struct sn_config_item *i, int e)
{
    const struct sn_registry_opts *o = &i->reg->o;
    const struct sn_config *have = reg_slot_peek(&i->slot);
    sn_mutex_lock_always(&i->reg->lock);
    i->stats.failures++;
    bool first = i->stats.fresh == SN_FRESH;
    if (i->stats.fresh != SN_CACHED) i->stats.fresh = SN_STALE;
    sn_mutex_unlock(&i->reg->lock);
    if (first) SN_LOG_WARN("registry does not answer", SN_L("key", i->key), SN_L_ERR(e));
    if (have->version == 0 && !i->cache_tried) load(i);
    return reg_backoff_next(&i->backoff, o->retry_ns_min, o->retry_ns_max);
}

static int round_of(struct sn_config_item *i)
{
    struct sn_registry *r = i->reg;
    sn_arena_reset(&i->arena);
    int64_t prev =
        sn_deadline_tighten(sn_now() + r->o.wait_ns + r->o.wait_ns / 8 + r->o.call_ns_max);
    int e = r->be->config(r->b, &i->pull);
    sn_deadline_restore(prev);
    if (e == SN_E_OUT_OF_RANGE && !i->pull.fresh) {
        i->pull.fresh = true;
        return reg_pace(&i->pace);
    }
    if (e > 0) e = apply(i);
    if (e < 0) return sn_cancelled() ? SN_E_CANCELLED : sn_sleep(after_failure(i, e));
    i->backoff.next_ns = 0;
    i->pull.fresh = false;
    return reg_pace(&i->pace);
}

int reg_item_main(void *item)
{
    struct sn_config_item *i = item;
    while (!sn_cancelled() && round_of(i) >= 0) {}
    sn_mutex_lock_always(&i->reg->lock);
    sn_cond_broadcast(&i->changed);
    sn_mutex_unlock(&i->reg->lock);
    return 0;
}

static int item_new(struct sn_registry *r, struct sn_str key, const struct sn_config_opts *o,
                    struct sn_config_item **ret)
{
    struct sn_config_item *i = SN_NEW(struct sn_config_item);
    struct sn_config *none = SN_NEW(struct sn_config);
    int e = i && none ? 0 : SN_E_NOMEM;
    if (e >= 0) {
        *i = (struct sn_config_item){.reg = r, .stats.fresh = SN_STALE};
        if (o) i->opts = *o;
        none->refs_ = 1;
        sn_arena_init(&i->arena, NULL, 64u << 20);
        reg_slot_put(&i->slot, none, count_config, drop_config);
        none = NULL;
        if (!(i->key = sn_arena_str(&r->arena, key)).ptr) e = SN_E_NOMEM;
    }
    if (e >= 0) {
        i->pull = (struct reg_pull){.name = i->key, .fresh = true, .arena = &i->arena};
        e = sn_map_put(&r->items, i->key, i, NULL);
        if (e >= 0 && (e = sn_scope_go(r->scope, "registry config", reg_item_main, i)) < 0)
            (void)sn_map_del(&r->items, i->key);
    }
    if (e < 0) {
        sn_free(none);
        if (i && i->reg)
            reg_item_free(i);
        else
            sn_free(i);
        return e;
    }
    r->n_objects++;
    *ret = i;
    return 0;
}

static int check_key(struct sn_registry *r, struct sn_str key)
{
    if (!r->be->config)
        return sn_fail(SN_E_UNIMPLEMENTED, "%s has no configuration", r->be->scheme);
    if (!key.len || key.len > SN_REG_NAME_MAX || !sn_utf8_valid(key))
        return sn_fail(SN_E_INVALID_ARGUMENT, "key of %zu bytes: expected UTF-8, 1 to %u bytes",
                       key.len, SN_REG_NAME_MAX);
    return sn_event_wait(&r->started);
}

int sn_registry_config(struct sn_registry *r, struct sn_str key, const struct sn_config_opts *opts,
                       struct sn_config_item **ret)
{
    int e = check_key(r, key);
    if (e < 0) return e;
    struct sn_config_item *i = NULL;
    sn_mutex_lock_always(&r->lock);
    if (r->closing)
        e = SN_E_CANCELLED;
    else if (sn_map_get(&r->items, key))
        e = sn_fail(SN_E_ALREADY_EXISTS, "key %.*s is watched already", SN_STR_ARG(key));
    else if (r->n_objects >= SN_REG_OBJECTS_MAX)
        e = sn_fail(SN_E_RESOURCE_EXHAUSTED, "key %.*s: %u objects already", SN_STR_ARG(key),
                    SN_REG_OBJECTS_MAX);
    else
        e = item_new(r, key, opts, &i);
    sn_mutex_unlock(&r->lock);
    if (e >= 0) *ret = i;
    return e;
}

int sn_config_wait(struct sn_config_item *i, uint64_t seen, int64_t at_ns)
{
    struct sn_registry *r = i->reg;
    int e = sn_mutex_lock(&r->lock);
    if (e < 0) return e;
    int64_t prev = sn_deadline_tighten(at_ns);
    const struct sn_config *have;
    while ((have = reg_slot_peek(&i->slot))->version == seen && e >= 0)
        e = r->closing ? SN_E_CLOSED : sn_cond_wait(&i->changed, &r->lock);
    sn_deadline_restore(prev);
    sn_mutex_unlock(&r->lock);
    return e;
}

void sn_config_stats(struct sn_config_item *i, struct sn_config_stats *ret)
{
    sn_mutex_lock_always(&i->reg->lock);
    *ret = i->stats;
    sn_mutex_unlock(&i->reg->lock);
}

int sn_registry_publish(struct sn_registry *r, struct sn_str key, struct sn_str text)
{
    int e = check_key(r, key);
    if (e < 0) return e;
    if (!r->be->publish)
        return sn_fail(SN_E_UNIMPLEMENTED, "%s: publishing is not possible through this interface",
                       r->be->scheme);
    if (text.len > SN_REG_CONFIG_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%.*s: %zu bytes, at most %u", SN_STR_ARG(key), text.len,
                       SN_REG_CONFIG_MAX);
    int64_t prev = sn_deadline_tighten(sn_now() + r->o.call_ns_max);
    e = r->be->publish(r->b, key, text);
    sn_deadline_restore(prev);
    return e;
}

int sn_registry_config_once(struct sn_registry *r, struct sn_str key, struct sn_arena *a,
                            struct sn_str *ret)
{
    int e = check_key(r, key);
    if (e < 0) return e;
    struct reg_pull p = {.name = key, .fresh = true, .arena = a};
    int64_t prev = sn_deadline_tighten(sn_now() + r->o.call_ns_max);
    e = r->be->config(r->b, &p);
    sn_deadline_restore(prev);
    if (r->be->pull_done) r->be->pull_done(r->b, &p);
    if (e < 0) return e;
    if (!p.found) return sn_fail(SN_E_NOT_FOUND, "key %.*s is not there", SN_STR_ARG(key));
    *ret = p.text;
    return 0;
}
