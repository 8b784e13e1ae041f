/* SPDX-License-Identifier: Apache-2.0 */
/* registry/store_events.c - what has changed lately: for watches that come late, and to know keys
 * as they were. */
#include <stdlib.h>

#include "core/alloc.h"
#include "registry/store.h"

static void event_free(struct reg_store *s, struct reg_event *e)
{
    s->ev_bytes -= e->key_len + (e->value ? e->value->len : 0);
    sn_free(e->key);
    reg_value_unref(e->value);
    reg_value_unref(e->prev);
}

static void event_drop_first(struct reg_store *s)
{
    struct reg_event *e = &s->events[s->ev_first];
    s->compacted = e->mod_rev;
    event_free(s, e);
    s->ev_first = (s->ev_first + 1) % REG_EVENTS_MAX;
    s->ev_n--;
}

/* Without memory for it, history before this change is what is lost: watches are told so. */
void reg_event_add(struct reg_store *s, const struct reg_kv *kv, const struct reg_event *before,
                   bool deleted, uint64_t rev)
{
    struct reg_event e = *before;
    e.key = sn_alloc(kv->key.len + 1);
    if (!e.key) {
        reg_value_unref(e.prev);
        reg_events_drop(s, rev);
        return;
    }
    memcpy(e.key, kv->key.ptr, kv->key.len);
    e.key_len = (uint32_t)kv->key.len;
    e.deleted = deleted;
    e.mod_rev = rev;
    if (!deleted) {
        e.value = reg_value_ref(kv->value);
        e.create_rev = kv->create_rev;
        e.version = kv->version;
        e.lease = reg_kv_leased(kv) ? kv->lease->num : 0;
    }
    if (s->ev_n == REG_EVENTS_MAX) event_drop_first(s);
    s->ev_bytes += e.key_len + (e.value ? e.value->len : 0);
    s->events[(s->ev_first + s->ev_n++) % REG_EVENTS_MAX] = e;
    while (s->ev_n > 1 && s->ev_bytes > REG_EVENT_BYTES_MAX) event_drop_first(s);
}

void reg_store_compact(struct reg_store *s, uint64_t rev)
{
    while (s->ev_n && s->events[s->ev_first].mod_rev <= rev) event_drop_first(s);
    s->compacted = SN_MAX(s->compacted, rev);
}

void reg_events_drop(struct reg_store *s, uint64_t rev)
{
    while (s->ev_n) event_drop_first(s);
    s->compacted = SN_MAX(s->compacted, rev);
}

void reg_events_done(struct reg_store *s)
{
    while (s->ev_n) event_drop_first(s);
    sn_free(s->events);
}

int reg_store_events(const struct reg_store *s, uint64_t after,
                     int (*fn)(const struct reg_event *e, void *arg), void *arg)
{
    if (after < s->compacted) return SN_E_OUT_OF_RANGE;
    size_t lo = 0, hi = s->ev_n; /* the ring is sorted by revision */
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->events[(s->ev_first + mid) % REG_EVENTS_MAX].mod_rev <= after)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < s->ev_n; lo++) {
        int r = fn(&s->events[(s->ev_first + lo) % REG_EVENTS_MAX], arg);
        if (r < 0) return r;
    }
    return 0;
}

/* ---- ranges --------------------------------------------------------------------------------- */

bool reg_key_in_range(struct sn_str k, struct sn_str key, struct sn_str end)
{
    if (!end.len) return sn_str_eq(k, key);
    if (sn_str_cmp(k, key) < 0) return false;
    return (end.len == 1 && end.ptr[0] == 0) || sn_str_cmp(k, end) < 0;
}

struct past_range {
    struct sn_str key, end;
    struct sn_map seen; /* keys that changed since: the first change tells what was before it */
    struct reg_view *views;
    size_t n, cap;
    struct sn_arena *a;
};

static int add_view(struct past_range *p, struct reg_view v)
{
    if (p->n == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 64;
        struct reg_view *more = SN_ARENA_ARRAY(p->a, struct reg_view, cap);
        if (!more) return SN_E_NOMEM;
        if (p->n) memcpy(more, p->views, p->n * sizeof(v));
        p->views = more;
        p->cap = cap;
    }
    p->views[p->n++] = v;
    return 0;
}

static int first_change(const struct reg_event *e, void *arg)
{
    struct past_range *p = arg;
    struct sn_str k = sn_str_of(e->key, e->key_len);
    if (!reg_key_in_range(k, p->key, p->end) || sn_map_get(&p->seen, k)) return 0;
    int r = sn_map_put(&p->seen, k, p, NULL);
    if (r < 0 || !e->prev) return r;
    return add_view(p, (struct reg_view){.key = k,
                                         .value = e->prev,
                                         .create_rev = e->prev_create_rev,
                                         .mod_rev = e->prev_mod_rev,
                                         .version = e->prev_version,
                                         .lease = e->prev_lease});
}

static int by_key(const void *x, const void *y)
{
    return sn_str_cmp(((const struct reg_view *)x)->key, ((const struct reg_view *)y)->key);
}

int reg_store_range(const struct reg_store *s, struct sn_str key, struct sn_str end, uint64_t rev,
                    struct sn_arena *a, struct reg_view **ret, size_t *ret_n)
{
    struct past_range p = {.key = key, .end = end, .a = a};
    bool past = rev && rev < s->rev;
    sn_map_init(&p.seen, s->seed, false);
    int r = past ? reg_store_events(s, rev, first_change, &p) : 0;
    for (size_t i = reg_store_lower(s, key); r >= 0 && i < s->kvs.len; i++) {
        const struct reg_kv *kv = s->kvs.ptr[i];
        if (!reg_key_in_range(kv->key, key, end)) break;
        if (past && sn_map_get(&p.seen, kv->key)) continue;
        r = add_view(&p, (struct reg_view){.key = kv->key,
                                           .value = kv->value,
                                           .create_rev = kv->create_rev,
                                           .mod_rev = kv->mod_rev,
                                           .version = kv->version,
                                           .lease = reg_kv_leased(kv) ? kv->lease->num : 0});
    }
    sn_map_done(&p.seen);
    if (r < 0) return r;
    if (past && p.n) qsort(p.views, p.n, sizeof(*p.views), by_key);
    *ret = p.views;
    *ret_n = p.n;
    return 0;
}
