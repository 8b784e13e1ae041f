/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/events/bus.c - one lock: a subscription is matched in less time than a second lock
 * would take. */
#include "consensus/events/bus.h"

#include <stdatomic.h>

#include "core/alloc.h"
#include "core/status.h"

#define KIND "tm.event"

/* The subscriptions of one client (by of_client), or to one kind of event (by of_kind; the kind ""
 * has those whose query names none). */
struct group {
    struct sn_list subs;
    uint32_t n;
};

struct sn_event_bus {
    struct sn_event_bus_opts o;
    struct sn_mutex lock;
    struct sn_map clients, kinds; /* keys are copied */
    struct sn_event_bus_stats stats;
};

struct sn_subscription {
    struct sn_event_bus *bus;
    struct sn_query *query;
    struct sn_buf text;
    struct sn_str client, kind; /* the tables' keys, in `names` */
    struct sn_list of_client, of_kind;
    void (*wake)(void *arg);
    void *arg;
    bool overflowed;
    uint32_t first, n; /* of the ring */
    uint64_t bytes;    /* of the data of what waits */
    char *names;
    struct sn_chain_event *ring[];
};

/* ---- events ---- */

struct sn_chain_event *sn_chain_event_new(const struct sn_query_attr *attrs, size_t n,
                                          struct sn_str data)
{
    size_t bytes = data.len;
    for (size_t i = 0; i < n; i++) bytes += attrs[i].key.len + attrs[i].value.len;
    struct sn_chain_event *e = sn_alloc(sizeof(*e) + n * sizeof(attrs[0]) + bytes);
    if (!e) return NULL;
    *e = (struct sn_chain_event){.refs = 1, .attrs = (struct sn_query_attr *)(e + 1), .n = n};
    char *at = (char *)(e->attrs + n);
    const struct sn_str *const end = &data;
    for (size_t i = 0; i <= 2 * n; i++) {
        const struct sn_str *from = i == 2 * n ? end
                                    : i % 2    ? &attrs[i / 2].value
                                               : &attrs[i / 2].key;
        struct sn_str *to = i == 2 * n ? &e->data
                            : i % 2    ? &e->attrs[i / 2].value
                                       : &e->attrs[i / 2].key;
        if (from->len) memcpy(at, from->ptr, from->len);
        *to = sn_str_of(at, from->len);
        at += from->len;
    }
    return e;
}

struct sn_chain_event *sn_chain_event_ref(struct sn_chain_event *e)
{
    atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
    return e;
}

void sn_chain_event_unref(struct sn_chain_event *e)
{
    if (e && atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) == 1) sn_free(e);
}

/* ---- subscribing; the caller holds the lock ---- */

static struct sn_str kind_of(const struct sn_query *q)
{
    for (size_t i = 0; i < q->n; i++)
        if (q->conds[i].op == SN_QUERY_EQ && q->conds[i].type == SN_QUERY_TEXT &&
            sn_str_eqc(q->conds[i].tag, KIND))
            return q->conds[i].arg;
    return SN_STR("");
}

static struct sn_subscription *find(struct sn_event_bus *b, struct sn_str client,
                                    struct sn_str text)
{
    struct group *c = sn_map_get(&b->clients, client);
    if (!c) return NULL;
    SN_LIST_EACH (&c->subs, n) {
        struct sn_subscription *s = SN_LIST_ENTRY(n, struct sn_subscription, of_client);
        if (sn_str_eq(sn_buf_view(&s->text), text)) return s;
    }
    return NULL;
}

/* Whether one more is allowed. */
static int check_limits(struct sn_event_bus *b, struct sn_str client, struct sn_str text)
{
    const struct group *c = sn_map_get(&b->clients, client);
    if (find(b, client, text))
        return sn_fail(SN_E_ALREADY_EXISTS, "this client is subscribed to %.*s already",
                       (int)text.len, text.ptr);
    if (c && c->n >= b->o.each_max)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "max_subscriptions_per_client %u reached",
                       b->o.each_max);
    if (!c && b->clients.len >= b->o.clients_max)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "max_subscription_clients %u reached",
                       b->o.clients_max);
    return 0;
}

/* The group under `key`, made where it is new. */
static struct group *group_of(struct sn_map *m, struct sn_str key)
{
    struct group *c = sn_map_get(m, key);
    if (c || !(c = SN_NEW(struct group))) return c;
    sn_list_init(&c->subs);
    if (sn_map_put(m, key, c, NULL) >= 0) return c;
    sn_free(c);
    return NULL;
}

static void leave(struct sn_map *m, struct sn_str key, struct sn_list *node)
{
    struct group *c = sn_map_get(m, key);
    if (node) sn_list_del(node), c->n--;
    if (c && c->n == 0) sn_free(sn_map_del(m, key));
}

static int enter(struct sn_event_bus *b, struct sn_subscription *s)
{
    struct group *c = group_of(&b->clients, s->client),
                 *k = c ? group_of(&b->kinds, s->kind) : NULL;
    if (!k) {
        leave(&b->clients, s->client, NULL);
        return SN_E_NOMEM;
    }
    sn_list_push_back(&c->subs, &s->of_client);
    sn_list_push_back(&k->subs, &s->of_kind);
    c->n++;
    k->n++;
    b->stats.subscriptions++;
    return 0;
}

/* ---- subscriptions ---- */

static void free_sub(struct sn_subscription *s)
{
    uint32_t max = s->bus->o.queue_max;
    for (uint32_t i = 0; i < s->n; i++) sn_chain_event_unref(s->ring[(s->first + i) % max]);
    sn_query_free(s->query);
    sn_buf_done(&s->text);
    sn_free(s->names);
    sn_free(s);
}

static int new_sub(struct sn_event_bus *b, struct sn_str client, struct sn_str query,
                   struct sn_subscription **ret)
{
    struct sn_subscription *s = sn_zalloc(1, sizeof(*s) + b->o.queue_max * sizeof(s->ring[0]));
    if (!s) return SN_E_NOMEM;
    s->bus = b;
    int r = sn_query_parse(query, &s->query);
    if (r == 0) r = sn_query_text(s->query, &s->text);
    struct sn_str kind = r == 0 ? kind_of(s->query) : SN_STR("");
    if (r == 0 && !(s->names = sn_alloc(client.len + kind.len))) r = SN_E_NOMEM;
    if (r < 0) {
        free_sub(s);
        return r;
    }
    memcpy(s->names, client.ptr, client.len);
    memcpy(s->names + client.len, kind.ptr, kind.len);
    s->client = sn_str_of(s->names, client.len);
    s->kind = sn_str_of(s->names + client.len, kind.len);
    *ret = s;
    return 0;
}

int sn_event_bus_subscribe(struct sn_event_bus *b, struct sn_str client, struct sn_str query,
                           void (*wake)(void *arg), void *arg, struct sn_subscription **ret)
{
    struct sn_subscription *s;
    int r = new_sub(b, client, query, &s);
    if (r < 0) return r;
    s->wake = wake;
    s->arg = arg;
    sn_mutex_lock_always(&b->lock);
    r = check_limits(b, client, sn_buf_view(&s->text));
    if (r == 0) r = enter(b, s);
    sn_mutex_unlock(&b->lock);
    if (r < 0)
        free_sub(s);
    else
        *ret = s;
    return r;
}

struct sn_subscription *sn_subscription_find(struct sn_event_bus *b, struct sn_str client,
                                             struct sn_str query)
{
    struct sn_query *q;
    struct sn_buf text = {0};
    struct sn_subscription *s = NULL;
    if (sn_query_parse(query, &q) < 0) return NULL;
    if (sn_query_text(q, &text) == 0) {
        sn_mutex_lock_always(&b->lock);
        s = find(b, client, sn_buf_view(&text));
        sn_mutex_unlock(&b->lock);
    }
    sn_query_free(q);
    sn_buf_done(&text);
    return s;
}

int sn_subscription_take(struct sn_subscription *s, struct sn_chain_event **ret)
{
    int r = 0;
    sn_mutex_lock_always(&s->bus->lock);
    if (s->n) {
        *ret = s->ring[s->first];
        s->first = (s->first + 1) % s->bus->o.queue_max;
        s->n--;
        s->bytes -= (*ret)->data.len;
        r = 1;
    } else if (s->overflowed) {
        r = sn_fail(SN_E_RESOURCE_EXHAUSTED, "client is not pulling messages fast enough");
    }
    sn_mutex_unlock(&s->bus->lock);
    return r;
}

struct sn_str sn_subscription_query(const struct sn_subscription *s)
{
    return sn_buf_view(&s->text);
}

void sn_subscription_end(struct sn_subscription *s)
{
    if (!s) return;
    struct sn_event_bus *b = s->bus;
    sn_mutex_lock_always(&b->lock);
    leave(&b->clients, s->client, &s->of_client);
    leave(&b->kinds, s->kind, &s->of_kind);
    b->stats.subscriptions--;
    sn_mutex_unlock(&b->lock);
    free_sub(s);
}

/* ---- publishing ---- */

static bool deliver(struct sn_subscription *s, struct sn_chain_event *e)
{
    struct sn_event_bus *b = s->bus;
    if (s->overflowed || !sn_query_match(s->query, e->attrs, e->n)) return false;
    bool room = s->n == 0 || s->bytes + e->data.len <= b->o.queue_bytes_max;
    if (s->n == b->o.queue_max || !room) {
        s->overflowed = true;
        b->stats.overflowed++;
    } else {
        s->ring[(s->first + s->n++) % b->o.queue_max] = sn_chain_event_ref(e);
        s->bytes += e->data.len;
        b->stats.delivered++;
    }
    if ((s->overflowed || s->n == 1) && s->wake) s->wake(s->arg);
    return !s->overflowed;
}

static size_t deliver_kind(struct sn_event_bus *b, struct sn_str kind, struct sn_chain_event *e)
{
    struct group *k = sn_map_get(&b->kinds, kind);
    size_t n = 0;
    if (!k) return 0;
    SN_LIST_EACH (&k->subs, it) n += deliver(SN_LIST_ENTRY(it, struct sn_subscription, of_kind), e);
    return n;
}

/* An event may be of several kinds, the same one twice too: to each subscription once, as it is in
 * one list. */
static bool named_before(const struct sn_chain_event *e, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (sn_str_eqc(e->attrs[k].key, KIND) && sn_str_eq(e->attrs[k].value, e->attrs[i].value))
            return true;
    return e->attrs[i].value.len == 0; /* the list of those that name none */
}

size_t sn_event_bus_publish(struct sn_event_bus *b, struct sn_chain_event *e)
{
    sn_mutex_lock_always(&b->lock);
    size_t n = deliver_kind(b, SN_STR(""), e);
    for (size_t i = 0; i < e->n; i++)
        if (sn_str_eqc(e->attrs[i].key, KIND) && !named_before(e, i))
            n += deliver_kind(b, e->attrs[i].value, e);
    b->stats.published++;
    sn_mutex_unlock(&b->lock);
    return n;
}

bool sn_event_bus_wants(struct sn_event_bus *b, struct sn_str kind)
{
    sn_mutex_lock_always(&b->lock);
    bool yes = sn_map_get(&b->kinds, kind) || sn_map_get(&b->kinds, SN_STR(""));
    sn_mutex_unlock(&b->lock);
    return yes;
}

/* ---- the bus ---- */

int sn_event_bus_new(const struct sn_event_bus_opts *o, struct sn_event_bus **ret)
{
    struct sn_event_bus *b = SN_NEW(struct sn_event_bus);
    if (!b) return SN_E_NOMEM;
    b->o = *o;
    if (!o->clients_max) b->o.clients_max = 100;
    if (!o->each_max) b->o.each_max = 5;
    if (!o->queue_max) b->o.queue_max = 200;
    if (!o->queue_bytes_max) b->o.queue_bytes_max = 64u << 20;
    sn_map_init(&b->clients, o->seed, true);
    sn_map_init(&b->kinds, o->seed + 1, true);
    *ret = b;
    return 0;
}

void sn_event_bus_free(struct sn_event_bus *b)
{
    if (!b) return;
    SN_ASSERT(b->stats.subscriptions == 0);
    sn_map_done(&b->clients);
    sn_map_done(&b->kinds);
    sn_free(b);
}

void sn_event_bus_stats(struct sn_event_bus *b, struct sn_event_bus_stats *ret)
{
    sn_mutex_lock_always(&b->lock);
    *ret = b->stats;
    ret->clients = b->clients.len;
    sn_mutex_unlock(&b->lock);
}
