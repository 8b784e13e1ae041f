/* SPDX-License-Identifier: Apache-2.0 */
/* registry/store_kv.c - keys, values, history; leases and sessions. */
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

static struct reg_kv *kv_new(struct sn_str key)
{
    struct reg_kv *kv = sn_zalloc(1, sizeof(*kv) + key.len + 1);
    if (!kv) return NULL;
    memcpy(kv + 1, key.ptr, key.len);
    kv->key = sn_str_of((char *)(kv + 1), key.len);
    sn_list_init(&kv->lease_node);
    return kv;
}

/* Room has been reserved. */
static void kv_insert(struct reg_store *s, struct reg_kv *kv)
{
    size_t i = reg_store_lower(s, kv->key);
    memmove(s->kvs.ptr + i + 1, s->kvs.ptr + i, (s->kvs.len - i) * sizeof(*s->kvs.ptr));
    s->kvs.ptr[i] = kv;
    s->kvs.len++;
}

int reg_store_kv_add(struct reg_store *s, struct sn_str key, struct reg_kv **ret)
{
    int r = sn_vec_reserve(&s->kvs, s->kvs.len + 1);
    if (r < 0) return r;
    struct reg_kv *kv = kv_new(key);
    if (!kv) return SN_E_NOMEM;
    kv_insert(s, kv);
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

static void kv_unlink(struct reg_store *s, struct reg_kv *kv)
{
    size_t i = reg_store_lower(s, kv->key);
    s->n_derived -= kv->derived;
    memmove(s->kvs.ptr + i, s->kvs.ptr + i + 1, (s->kvs.len - i - 1) * sizeof(*s->kvs.ptr));
    s->kvs.len--;
}

void reg_store_kv_drop(struct reg_store *s, struct reg_kv *kv)
{
    kv_unlink(s, kv);
    kv_free(s, kv);
}

void reg_store_kv_done(struct reg_store *s)
{
    reg_events_done(s);
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
    bool passing = !reg_kv_durable(kv); /* what dies with a lease is no history */
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

static int check_put(struct reg_store *s, const struct reg_put *p, bool is_new)
{
    if (!p->key.len || p->key.len > REG_KEY_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "key of %zu bytes, expected 1 to %u", p->key.len,
                       REG_KEY_MAX);
    if (p->value.len > SN_REG_CONFIG_MAX)
        return sn_fail(SN_E_TOO_LARGE, "value of %zu bytes, at most %u", p->value.len,
                       SN_REG_CONFIG_MAX);
    if (is_new && !p->derived && s->kvs.len - s->n_derived >= s->lim.keys_max)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "%zu keys already", s->kvs.len - s->n_derived);
    if (s->kv_bytes + p->value.len > s->lim.key_bytes_max)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "values of %zu bytes already", s->kv_bytes);
    if (p->lease && !reg_store_lease_of(s, p->lease))
        return sn_fail(SN_E_NOT_FOUND, "lease %llu", (unsigned long long)p->lease);
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

int reg_store_prepare(struct reg_store *s, const struct reg_put *p, size_t before,
                      struct reg_prepared *ret)
{
    bool is_new = !reg_store_get(s, p->key);
    int r = check_put(s, p, is_new);
    if (r < 0) return r;
    *ret = (struct reg_prepared){.value = reg_value_new(p->value)};
    r = ret->value ? sn_vec_reserve(&s->kvs, s->kvs.len + before + 1) : SN_E_NOMEM;
    /* A key that is there now may be deleted by what comes before this put. */
    if (r >= 0 && (is_new || before) && !(ret->kv = kv_new(p->key))) r = SN_E_NOMEM;
    if (r < 0) reg_store_unprepare(ret);
    return r;
}

void reg_store_unprepare(struct reg_prepared *prep)
{
    reg_value_unref(prep->value);
    sn_free(prep->kv);
    *prep = (struct reg_prepared){0};
}

/* The lease a put leaves at the key. */
static struct reg_lease_rec *lease_after(struct reg_store *s, const struct reg_put *p,
                                         const struct reg_kv *kv)
{
    if (p->lease) return reg_store_lease_of(s, p->lease);
    return kv->lease && kv->lease->session ? kv->lease : NULL;
}

static void set_derived(struct reg_store *s, struct reg_kv *kv, bool derived)
{
    s->n_derived = s->n_derived - kv->derived + derived;
    kv->derived = derived;
}

static void put_now(struct reg_store *s, struct reg_kv *kv, const struct reg_put *p,
                    struct reg_lease_rec *l, struct reg_value *v)
{
    uint64_t rev = reg_store_bump(s);
    struct reg_event before = {.prev = reg_value_ref(kv->value),
                               .prev_create_rev = kv->create_rev,
                               .prev_mod_rev = kv->mod_rev,
                               .prev_version = kv->version,
                               .prev_lease = reg_kv_leased(kv) ? kv->lease->num : 0};
    bool was_durable = kv->version && reg_kv_durable(kv);
    reg_kv_set(s, kv, v);
    if (!kv->version++) kv->create_rev = rev;
    kv->mod_rev = rev;
    if (!p->keep_flags) kv->flags = p->flags;
    if (p->acquire.len && kv->lease != l) kv->lock_index++;
    attach(kv, l);
    set_derived(s, kv, p->derived);
    if (!reg_kv_durable(kv)) forget_past(s, kv);
    reg_event_add(s, kv, &before, false, rev);
    if (reg_kv_durable(kv))
        reg_log_put(s, kv);
    else if (was_durable)
        reg_log_del(s, kv->key, rev);
    reg_store_key_changed(s, kv->key);
    if (s->on_key && !kv->derived) s->on_key(s->on_arg, kv, false);
}

int reg_store_put_prepared(struct reg_store *s, const struct reg_put *p, struct reg_prepared *prep)
{
    struct reg_kv *kv = reg_store_get(s, p->key);
    if (!kv) {
        kv_insert(s, prep->kv);
        kv = prep->kv;
        prep->kv = NULL;
    }
    put_now(s, kv, p, lease_after(s, p, kv), prep->value);
    prep->value = NULL;
    return 1;
}

int reg_store_put(struct reg_store *s, int64_t now_ns, const struct reg_put *p)
{
    struct reg_kv *kv = reg_store_get(s, p->key);
    int r = check_put(s, p, !kv);
    if (r < 0) return r;
    if (p->derived && kv && !kv->derived) return 0;
    if (p->cas && (p->cas_rev ? !kv || kv->mod_rev != p->cas_rev : kv != NULL)) return 0;
    struct reg_lease_rec *l = kv ? lease_after(s, p, kv) : NULL;
    bool locking = p->acquire.len || p->release.len;
    if (locking && (r = lock_step(s, p, kv, &l)) <= 0) return r;
    if (!locking && p->lease) l = reg_store_lease_of(s, p->lease);
    struct reg_value *v = reg_value_new(p->value);
    if (!v) return SN_E_NOMEM;
    if (!kv && (r = reg_store_kv_add(s, p->key, &kv)) < 0) {
        reg_value_unref(v);
        return r;
    }
    put_now(s, kv, p, l, v);
    return 1;
}

static void kv_delete(struct reg_store *s, struct reg_kv *kv)
{
    uint64_t rev = s->del_rev = reg_store_bump(s);
    struct reg_event before = {.prev = reg_value_ref(kv->value),
                               .prev_create_rev = kv->create_rev,
                               .prev_mod_rev = kv->mod_rev,
                               .prev_version = kv->version,
                               .prev_lease = reg_kv_leased(kv) ? kv->lease->num : 0};
    reg_event_add(s, kv, &before, true, rev);
    if (reg_kv_durable(kv)) reg_log_del(s, kv->key, rev);
    reg_store_key_changed(s, kv->key);
    kv_unlink(s, kv);
    sn_list_del(&kv->lease_node);
    if (s->on_key && !kv->derived) s->on_key(s->on_arg, kv, true);
    kv_free(s, kv);
}

int reg_store_del(struct reg_store *s, struct sn_str key, uint64_t cas_rev)
{
    struct reg_kv *kv = reg_store_get(s, key);
    if (!kv || kv->derived || (cas_rev && kv->mod_rev != cas_rev)) return 0;
    kv_delete(s, kv);
    return 1;
}

void reg_store_undo_derived(struct reg_store *s, struct sn_str key)
{
    struct reg_kv *kv = reg_store_get(s, key);
    if (kv && kv->derived) kv_delete(s, kv);
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
