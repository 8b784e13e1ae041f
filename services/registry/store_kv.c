/* SPDX-License-Identifier: Apache-2.0 */
/* registry/store_kv.c - keys, values, history, events; leases and sessions. */
#include "core/alloc.h"
#include "registry/store.h"

/* ---- values --------------------------------------------------------------------------------- */

struct reg_value *reg_value_new(struct sn_str s)
{
    struct reg_value *v = sn_alloc(sizeof(*v) + s.len);
    if (!v) return NULL;
    v->refs = 1;
    v->len = (uint32_t)s.len;
    if (s.len) memcpy(v->bytes, s.ptr, s.len);
    return v;
}

struct reg_value *reg_value_ref(struct reg_value *v)
{
    if (v) __atomic_add_fetch(&v->refs, 1, __ATOMIC_RELAXED);
    return v;
}

void reg_value_unref(struct reg_value *v)
{
    if (v && __atomic_sub_fetch(&v->refs, 1, __ATOMIC_ACQ_REL) == 0) sn_free(v);
}

/* ---- events --------------------------------------------------------------------------------- */

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
static void event_add(struct reg_store *s, const struct reg_kv *kv, struct reg_value *prev,
                      uint64_t prev_mod, bool deleted, uint64_t rev)
{
    char *key = sn_alloc(kv->key.len + 1);
    if (!key) {
        while (s->ev_n) event_drop_first(s);
        s->compacted = rev;
        return;
    }
    memcpy(key, kv->key.ptr, kv->key.len);
    struct reg_event e = {.deleted = deleted,
                          .key = key,
                          .key_len = (uint32_t)kv->key.len,
                          .value = deleted ? NULL : reg_value_ref(kv->value),
                          .prev = reg_value_ref(prev),
                          .create_rev = deleted ? 0 : kv->create_rev,
                          .mod_rev = rev,
                          .version = deleted ? 0 : kv->version,
                          .prev_mod_rev = prev_mod,
                          .lease =
                              kv->lease && !deleted && !kv->lease->session ? kv->lease->num : 0};
    if (s->ev_n == REG_EVENTS_MAX) event_drop_first(s);
    s->ev_bytes += e.key_len + (e.value ? e.value->len : 0);
    s->events[(s->ev_first + s->ev_n++) % REG_EVENTS_MAX] = e;
    while (s->ev_n > 1 && s->ev_bytes > REG_EVENT_BYTES_MAX) event_drop_first(s);
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

/* ---- keys ----------------------------------------------------------------------------------- */

size_t reg_store_lower(const struct reg_store *s, struct sn_str key)
{
    size_t lo = 0, hi = s->kvs.len;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (sn_str_cmp(s->kvs.ptr[mid]->key, key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct reg_kv *reg_store_get(const struct reg_store *s, struct sn_str key)
{
    size_t i = reg_store_lower(s, key);
    return i < s->kvs.len && sn_str_eq(s->kvs.ptr[i]->key, key) ? s->kvs.ptr[i] : NULL;
}

int reg_store_kv_add(struct reg_store *s, struct sn_str key, struct reg_kv **ret)
{
    size_t i = reg_store_lower(s, key);
    int r = sn_vec_reserve(&s->kvs, s->kvs.len + 1);
    if (r < 0) return r;
    struct reg_kv *kv = sn_zalloc(1, sizeof(*kv) + key.len + 1);
    if (!kv) return SN_E_NOMEM;
    memcpy(kv + 1, key.ptr, key.len);
    kv->key = sn_str_of((char *)(kv + 1), key.len);
    sn_list_init(&kv->lease_node);
    memmove(s->kvs.ptr + i + 1, s->kvs.ptr + i, (s->kvs.len - i) * sizeof(*s->kvs.ptr));
    s->kvs.ptr[i] = kv;
    s->kvs.len++;
    *ret = kv;
    return 0;
}

static void forget_past(struct reg_store *s, struct reg_kv *kv)
{
    for (uint32_t i = 0; i < kv->n_past; i++) {
        s->kv_bytes -= kv->past[i].value->len;
        reg_value_unref(kv->past[i].value);
    }
    kv->n_past = 0;
}

static void kv_free(struct reg_store *s, struct reg_kv *kv)
{
    sn_list_del(&kv->lease_node);
    if (kv->value) s->kv_bytes -= kv->value->len;
    reg_value_unref(kv->value);
    forget_past(s, kv);
    sn_free(kv);
}

void reg_store_kv_drop(struct reg_store *s, struct reg_kv *kv)
{
    size_t i = reg_store_lower(s, kv->key);
    memmove(s->kvs.ptr + i, s->kvs.ptr + i + 1, (s->kvs.len - i - 1) * sizeof(*s->kvs.ptr));
    s->kvs.len--;
    kv_free(s, kv);
}

void reg_store_kv_done(struct reg_store *s)
{
    while (s->ev_n) event_drop_first(s);
    sn_free(s->events);
    for (size_t i = 0; i < s->kvs.len; i++) kv_free(s, s->kvs.ptr[i]);
    sn_vec_done(&s->kvs);
}

/* What the configuration faces store has a history; locks and registrations have none. */
bool reg_key_keeps_history(struct sn_str key)
{
    return sn_str_starts(key, SN_STR("nacos/")) || sn_str_starts(key, SN_STR("apollo/"));
}

/* Takes over the reference `v`. */
void reg_kv_set(struct reg_store *s, struct reg_kv *kv, struct reg_value *v)
{
    s->kv_bytes += v->len;
    bool passing = kv->lease && !kv->lease->session; /* what dies with a lease is no history */
    if (kv->value && reg_key_keeps_history(kv->key) && !passing) {
        if (kv->n_past == REG_HISTORY_MAX) {
            s->kv_bytes -= kv->past[0].value->len;
            reg_value_unref(kv->past[0].value);
            memmove(kv->past, kv->past + 1, (REG_HISTORY_MAX - 1) * sizeof(kv->past[0]));
            kv->n_past--;
        }
        kv->past[kv->n_past++] = (struct reg_past){kv->value, kv->mod_rev, kv->wall_ns};
    } else if (kv->value) {
        s->kv_bytes -= kv->value->len;
        reg_value_unref(kv->value);
    }
    kv->value = v;
    kv->wall_ns = s->wall_ns;
}

void reg_store_key_changed(struct reg_store *s, struct sn_str key)
{
    struct reg_waiter like = {.kind = REG_WAIT_KEY, .name = key};
    reg_store_woke(
        s, &s->waiting[sn_hash(key.ptr, key.len, s->seed + REG_WAIT_KEY) % REG_WAIT_BUCKETS],
        &like);
    reg_store_woke(s, &s->waiting_prefix, &like);
}

static void attach(struct reg_kv *kv, struct reg_lease_rec *l)
{
    sn_list_del(&kv->lease_node);
    kv->lease = l;
    if (l) sn_list_push_back(&l->keys, &kv->lease_node);
}

static bool durable(const struct reg_kv *kv) { return !kv->lease || kv->lease->session; }

static int check_put(struct reg_store *s, const struct reg_put *p, const struct reg_kv *kv)
{
    if (!p->key.len || p->key.len > REG_KEY_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "key of %zu bytes, expected 1 to %u", p->key.len,
                       REG_KEY_MAX);
    if (p->value.len > SN_REG_CONFIG_MAX)
        return sn_fail(SN_E_TOO_LARGE, "value of %zu bytes, at most %u", p->value.len,
                       SN_REG_CONFIG_MAX);
    if (!kv && s->kvs.len >= s->lim.keys_max)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "%zu keys already", s->kvs.len);
    if (s->kv_bytes + p->value.len > s->lim.key_bytes_max)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "values of %zu bytes already", s->kv_bytes);
    return 0;
}

/* Consul's locks: acquire takes a free key (or one's own), release gives one's own back. Returns 1
 * to go on, 0 where the condition does not hold. */
static int lock_step(struct reg_store *s, const struct reg_put *p, const struct reg_kv *kv,
                     struct reg_lease_rec **ret)
{
    struct sn_str id = p->acquire.len ? p->acquire : p->release;
    struct reg_lease_rec *l = reg_store_session(s, id);
    if (!l) return sn_fail(SN_E_NOT_FOUND, "session %.*s", SN_STR_ARG(sn_str_sub(id, 0, 64)));
    struct reg_lease_rec *holder = kv ? kv->lease : NULL;
    if (p->acquire.len && holder && holder != l) return 0;
    if (p->release.len && holder != l) return 0;
    *ret = p->acquire.len ? l : NULL;
    return 1;
}

int reg_store_put(struct reg_store *s, int64_t now_ns, const struct reg_put *p)
{
    struct reg_kv *kv = reg_store_get(s, p->key);
    struct reg_lease_rec *l = kv && kv->lease && kv->lease->session ? kv->lease : NULL;
    int r = check_put(s, p, kv);
    if (r < 0) return r;
    if (p->cas && (p->cas_rev ? !kv || kv->mod_rev != p->cas_rev : kv != NULL)) return 0;
    bool locking = p->acquire.len || p->release.len;
    if (locking && (r = lock_step(s, p, kv, &l)) <= 0) return r;
    if (p->lease && !(l = reg_store_lease_of(s, p->lease)))
        return sn_fail(SN_E_NOT_FOUND, "lease %llu", (unsigned long long)p->lease);
    struct reg_value *v = reg_value_new(p->value), *prev = NULL;
    if (!v) return SN_E_NOMEM;
    if (!kv && (r = reg_store_kv_add(s, p->key, &kv)) < 0) {
        reg_value_unref(v);
        return r;
    }
    uint64_t rev = reg_store_bump(s), prev_mod = kv->mod_rev;
    bool was_durable = kv->version && durable(kv);
    prev = reg_value_ref(kv->value);
    reg_kv_set(s, kv, v);
    if (!kv->version++) kv->create_rev = rev;
    kv->mod_rev = rev;
    if (!p->keep_flags) kv->flags = p->flags;
    if (p->acquire.len && kv->lease != l) kv->lock_index++;
    attach(kv, l);
    if (!durable(kv)) forget_past(s, kv);
    event_add(s, kv, prev, prev_mod, false, rev);
    reg_value_unref(prev);
    if (durable(kv))
        reg_log_put(s, kv);
    else if (was_durable)
        reg_log_del(s, kv->key, rev);
    reg_store_key_changed(s, kv->key);
    return 1;
}

static void kv_delete(struct reg_store *s, struct reg_kv *kv)
{
    uint64_t rev = s->del_rev = reg_store_bump(s);
    event_add(s, kv, kv->value, kv->mod_rev, true, rev);
    if (durable(kv)) reg_log_del(s, kv->key, rev);
    reg_store_key_changed(s, kv->key);
    reg_store_kv_drop(s, kv);
}

int reg_store_del(struct reg_store *s, struct sn_str key, uint64_t cas_rev)
{
    struct reg_kv *kv = reg_store_get(s, key);
    if (!kv || (cas_rev && kv->mod_rev != cas_rev)) return 0;
    kv_delete(s, kv);
    return 1;
}

/* ---- leases --------------------------------------------------------------------------------- */

struct reg_lease_rec *reg_store_lease_of(const struct reg_store *s, uint64_t num)
{
    return sn_map_get(&s->leases, sn_str_of((char *)&num, sizeof(num)));
}

struct reg_lease_rec *reg_store_session(const struct reg_store *s, struct sn_str id)
{
    return sn_map_get(&s->sessions, id);
}

static void lease_free(struct reg_lease_rec *l)
{
    sn_free((void *)(uintptr_t)l->id.ptr);
    sn_free((void *)(uintptr_t)l->name.ptr);
    sn_free(l);
}

void reg_store_leases_done(struct reg_store *s)
{
    struct sn_map_slot *slot;
    size_t it = 0;
    while ((slot = sn_map_next(&s->leases, &it))) lease_free(slot->value);
    sn_map_done(&s->leases);
    sn_map_done(&s->sessions);
}

int reg_store_lease(struct reg_store *s, int64_t now_ns, uint64_t num, struct sn_str id,
                    int64_t ttl_ns, struct reg_lease_rec **ret)
{
    if (s->leases.len >= s->lim.leases_max)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "%zu leases already", s->leases.len);
    if (num && reg_store_lease_of(s, num))
        return sn_fail(SN_E_ALREADY_EXISTS, "lease %llu", (unsigned long long)num);
    /* Chosen ones are positive int64s that nobody has: etcd's clients print and parse them as such.
     */
    for (uint64_t k = s->rev; !num || reg_store_lease_of(s, num); k++)
        num = (sn_hash_u64(k, s->seed) >> 1) | 1;
    struct reg_lease_rec *l = SN_NEW(struct reg_lease_rec);
    if (!l) return SN_E_NOMEM;
    *l = (struct reg_lease_rec){.num = num,
                                .ttl_ns = ttl_ns,
                                .session = id.len != 0,
                                .create_rev = s->rev,
                                .due_ns = ttl_ns ? now_ns + ttl_ns : SN_FOREVER};
    sn_list_init(&l->keys);
    sn_list_init(&l->insts);
    char *copy = sn_alloc(id.len + 1);
    int r = copy ? 0 : SN_E_NOMEM;
    if (r >= 0) {
        if (id.len) memcpy(copy, id.ptr, id.len);
        l->id = sn_str_of(copy, id.len);
        r = sn_heap_push(&s->lease_due, &l->due);
    }
    if (r >= 0 &&
        (r = sn_map_put(&s->leases, sn_str_of((char *)&num, sizeof(num)), l, NULL)) >= 0 &&
        id.len && (r = sn_map_put(&s->sessions, l->id, l, NULL)) < 0)
        (void)sn_map_del(&s->leases, sn_str_of((char *)&num, sizeof(num)));
    if (r < 0) {
        sn_heap_remove(&s->lease_due, &l->due);
        lease_free(l);
        return r;
    }
    if (id.len) l->create_rev = reg_store_bump(s);
    *ret = l;
    return 0;
}

void reg_store_lease_renew(struct reg_store *s, int64_t now_ns, struct reg_lease_rec *l)
{
    l->due_ns = l->ttl_ns ? now_ns + l->ttl_ns : SN_FOREVER;
    sn_heap_update(&s->lease_due, &l->due);
}

/* A lock whose session ended is free, and everybody who waits for the key is told. */
static void unlock(struct reg_store *s, struct reg_kv *kv)
{
    kv->mod_rev = reg_store_bump(s);
    attach(kv, NULL);
    reg_log_put(s, kv);
    reg_store_key_changed(s, kv->key);
}

void reg_store_lease_end(struct reg_store *s, struct reg_lease_rec *l)
{
    while (!sn_list_empty(&l->keys)) {
        struct reg_kv *kv = SN_LIST_ENTRY(l->keys.next, struct reg_kv, lease_node);
        if (l->session && !l->delete_keys)
            unlock(s, kv);
        else
            kv_delete(s, kv);
    }
    while (!sn_list_empty(&l->insts))
        reg_store_unlink(s, SN_LIST_ENTRY(l->insts.next, struct reg_inst, lease_node));
    sn_heap_remove(&s->lease_due, &l->due);
    if (l->id.len) (void)sn_map_del(&s->sessions, l->id);
    (void)sn_map_del(&s->leases, sn_str_of((char *)&l->num, sizeof(l->num)));
    lease_free(l);
}
