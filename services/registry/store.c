/* SPDX-License-Identifier: Apache-2.0 */
/* registry/store.c - services, instances, checks, waiting. */
#include "registry/store.h"

#include "core/alloc.h"
#include "registry/backend_int.h"

static struct sn_str ns_of(struct sn_str ns) { return ns.len ? ns : SN_STR(REG_STORE_NS); }

/* Map keys of two parts: the first is never longer than SN_REG_NAME_MAX. */
struct pair_key {
    char text[2 * SN_REG_NAME_MAX + 2];
    struct sn_str s;
};
static struct sn_str pair(struct pair_key *k, struct sn_str a, struct sn_str b)
{
    a = sn_str_sub(ns_of(a), 0, SN_REG_NAME_MAX);
    b = sn_str_sub(b, 0, SN_REG_NAME_MAX);
    memcpy(k->text, a.ptr, a.len);
    k->text[a.len] = 0;
    if (b.len) memcpy(k->text + a.len + 1, b.ptr, b.len);
    return k->s = sn_str_of(k->text, a.len + 1 + b.len);
}

static bool inst_less(const struct sn_heap_node *a, const struct sn_heap_node *b)
{
    return SN_CONTAINER_OF(a, struct reg_inst, due)->due_ns <
           SN_CONTAINER_OF(b, struct reg_inst, due)->due_ns;
}
static bool lease_less(const struct sn_heap_node *a, const struct sn_heap_node *b)
{
    return SN_CONTAINER_OF(a, struct reg_lease_rec, due)->due_ns <
           SN_CONTAINER_OF(b, struct reg_lease_rec, due)->due_ns;
}

int reg_store_init(struct reg_store *s, const struct reg_store_limits *lim, uint64_t seed)
{
    *s = (struct reg_store){.rev = 1, .catalog_rev = 1, .seed = seed};
    if (lim) s->lim = *lim;
    if (!s->lim.instances_max) s->lim.instances_max = 100000;
    if (!s->lim.keys_max) s->lim.keys_max = 100000;
    if (!s->lim.key_bytes_max) s->lim.key_bytes_max = 512u << 20;
    if (!s->lim.waiters_max) s->lim.waiters_max = 100000;
    if (!s->lim.leases_max) s->lim.leases_max = 100000;
    sn_map_init(&s->services, seed, true);
    sn_map_init(&s->by_id, seed, true);
    sn_map_init(&s->leases, seed, true);
    sn_map_init(&s->sessions, seed, false);
    sn_heap_init(&s->inst_due, inst_less);
    sn_heap_init(&s->lease_due, lease_less);
    for (size_t i = 0; i < REG_WAIT_BUCKETS; i++) sn_list_init(&s->waiting[i]);
    sn_list_init(&s->waiting_catalog);
    sn_list_init(&s->waiting_prefix);
    s->events = SN_NEW_ARRAY(struct reg_event, REG_EVENTS_MAX);
    return s->events ? 0 : SN_E_NOMEM;
}

static void inst_free(struct reg_inst *in)
{
    sn_arena_done(&in->arena);
    sn_free(in);
}

static void service_free(struct reg_service *svc)
{
    sn_free((void *)(uintptr_t)svc->ns.ptr);
    sn_free((void *)(uintptr_t)svc->name.ptr);
    sn_free(svc);
}

void reg_store_done(struct reg_store *s)
{
    struct sn_map_slot *slot;
    size_t it = 0;
    sn_heap_done(&s->inst_due); /* touches its members: before they go */
    sn_heap_done(&s->lease_due);
    while ((slot = sn_map_next(&s->by_id, &it))) {
        struct reg_inst *in = slot->value;
        sn_list_del(&in->lease_node);
        inst_free(in);
    }
    it = 0;
    while ((slot = sn_map_next(&s->services, &it))) service_free(slot->value);
    reg_store_kv_done(s);
    reg_store_leases_done(s);
    sn_map_done(&s->by_id);
    sn_map_done(&s->services);
    sn_buf_done(&s->rec);
}

uint64_t reg_store_bump(struct reg_store *s)
{
    if (!s->batch) return ++s->rev;
    if (!s->batch_rev) s->batch_rev = ++s->rev;
    return s->batch_rev;
}

void reg_store_begin(struct reg_store *s)
{
    s->batch = true;
    s->batch_rev = 0;
}
void reg_store_end(struct reg_store *s) { s->batch = false; }

static void tell(struct reg_store *s, const struct reg_inst *in, bool gone)
{
    if (s->on_inst) s->on_inst(s->on_arg, in, gone);
}

/* ---- waiting -------------------------------------------------------------------------------- */

static struct sn_list *bucket(struct reg_store *s, const struct reg_waiter *w)
{
    if (w->kind == REG_WAIT_CATALOG) return &s->waiting_catalog;
    if (w->kind == REG_WAIT_PREFIX || w->kind == REG_WAIT_RANGE) return &s->waiting_prefix;
    uint64_t h = sn_hash(w->name.ptr, w->name.len, s->seed + w->kind);
    return &s->waiting[h % REG_WAIT_BUCKETS];
}

int reg_store_wait(struct reg_store *s, struct reg_waiter *w)
{
    if (s->n_waiters >= s->lim.waiters_max)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "%zu requests wait already", s->n_waiters);
    sn_list_push_back(bucket(s, w), &w->node);
    s->n_waiters++;
    return 0;
}

void reg_store_unwait(struct reg_store *s, struct reg_waiter *w)
{
    if (!sn_list_linked(&w->node)) return;
    sn_list_del(&w->node);
    s->n_waiters--;
}

static bool concerns(const struct reg_waiter *w, const struct reg_waiter *like)
{
    if (w->kind == REG_WAIT_PREFIX) return sn_str_starts(like->name, w->name);
    if (w->kind == REG_WAIT_RANGE) return reg_key_in_range(like->name, w->name, w->end);
    if (w->kind != like->kind) return false;
    if (w->kind == REG_WAIT_CATALOG) return sn_str_eq(ns_of(w->ns), ns_of(like->ns));
    if (!sn_str_eq(w->name, like->name)) return false;
    return w->kind == REG_WAIT_KEY || sn_str_eq(ns_of(w->ns), ns_of(like->ns));
}

void reg_store_woke(struct reg_store *s, struct sn_list *list, const struct reg_waiter *like)
{
    SN_LIST_EACH (list, n) {
        struct reg_waiter *w = SN_LIST_ENTRY(n, struct reg_waiter, node);
        if (like && !concerns(w, like)) continue;
        sn_list_del(n);
        s->n_waiters--;
        w->wake(w);
    }
}

void reg_store_wake_all(struct reg_store *s)
{
    for (size_t i = 0; i < REG_WAIT_BUCKETS; i++) reg_store_woke(s, &s->waiting[i], NULL);
    reg_store_woke(s, &s->waiting_catalog, NULL);
    reg_store_woke(s, &s->waiting_prefix, NULL);
}

static void service_changed(struct reg_store *s, struct reg_service *svc, bool catalog)
{
    svc->mod_rev = reg_store_bump(s);
    struct reg_waiter like = {.kind = REG_WAIT_SERVICE, .ns = svc->ns, .name = svc->name};
    reg_store_woke(s, bucket(s, &like), &like);
    if (!catalog) return;
    s->catalog_rev = svc->mod_rev;
    like.kind = REG_WAIT_CATALOG;
    reg_store_woke(s, &s->waiting_catalog, &like);
}

/* ---- services ------------------------------------------------------------------------------- */

struct reg_service *reg_store_service(const struct reg_store *s, struct sn_str ns,
                                      struct sn_str name)
{
    struct pair_key k;
    if (name.len > SN_REG_NAME_MAX || ns.len > SN_REG_NAME_MAX) return NULL;
    return sn_map_get(&s->services, pair(&k, ns, name));
}

struct reg_service *reg_store_services(const struct reg_store *s, struct sn_str ns, size_t *it)
{
    struct sn_map_slot *slot;
    while ((slot = sn_map_next(&s->services, it))) {
        struct reg_service *svc = slot->value;
        if (svc->n && sn_str_eq(svc->ns, ns_of(ns))) return svc;
    }
    return NULL;
}

static struct sn_str dup_str(struct sn_str s)
{
    char *p = sn_alloc(s.len + 1);
    if (!p) return (struct sn_str){0};
    if (s.len) memcpy(p, s.ptr, s.len);
    p[s.len] = 0;
    return sn_str_of(p, s.len);
}

static int service_get(struct reg_store *s, struct sn_str ns, struct sn_str name,
                       struct reg_service **ret)
{
    struct pair_key k;
    if ((*ret = sn_map_get(&s->services, pair(&k, ns, name)))) return 0;
    struct reg_service *svc = SN_NEW(struct reg_service);
    if (!svc) return SN_E_NOMEM;
    sn_list_init(&svc->insts);
    svc->ns = dup_str(ns_of(ns));
    svc->name = dup_str(name);
    int r = svc->ns.ptr && svc->name.ptr ? sn_map_put(&s->services, k.s, svc, NULL) : SN_E_NOMEM;
    if (r < 0) {
        service_free(svc);
        return r;
    }
    *ret = svc;
    return 0;
}

/* A service is forgotten with its last instance where nobody waits for it; its revision goes on in
 * the catalogue's. Kept while the table is small: clients ask again with the index they have. */
#define EMPTY_SERVICES_KEPT 10000u
static void service_maybe_forget(struct reg_store *s, struct reg_service *svc)
{
    struct pair_key k;
    if (svc->n || s->services.len <= EMPTY_SERVICES_KEPT) return;
    (void)sn_map_del(&s->services, pair(&k, svc->ns, svc->name));
    service_free(svc);
}

struct reg_inst *reg_store_instance(const struct reg_store *s, struct sn_str ns, struct sn_str id)
{
    struct pair_key k;
    if (id.len > SN_REG_NAME_MAX || ns.len > SN_REG_NAME_MAX) return NULL;
    return sn_map_get(&s->by_id, pair(&k, ns, id));
}

enum reg_status reg_inst_status(const struct reg_inst *in)
{
    enum reg_status worst = in->spec.disabled ? REG_CRITICAL : REG_PASSING;
    for (uint32_t i = 0; i < in->spec.n_checks; i++)
        worst = SN_MAX(worst, in->spec.checks[i].status);
    return worst;
}

struct reg_check *reg_inst_check(struct reg_inst *in, struct sn_str check_id)
{
    for (uint32_t i = 0; i < in->spec.n_checks; i++)
        if (sn_str_eq(in->spec.checks[i].id, check_id)) return &in->spec.checks[i];
    return NULL;
}

/* ---- time ----------------------------------------------------------------------------------- */

static int64_t check_due(const struct reg_check *c)
{
    if (c->status != REG_CRITICAL) return c->kind == REG_CHECK_TTL ? c->due_ns : SN_FOREVER;
    return c->remove_after_ns ? c->critical_ns + c->remove_after_ns : SN_FOREVER;
}

/* The heap has room for every instance (reserved at registration), so this cannot fail. */
static void reschedule(struct reg_store *s, struct reg_inst *in)
{
    int64_t due = SN_FOREVER;
    for (uint32_t i = 0; i < in->spec.n_checks; i++)
        due = SN_MIN(due, check_due(&in->spec.checks[i]));
    in->due_ns = due;
    sn_heap_update(&s->inst_due, &in->due);
}

static void set_status(struct reg_check *c, int64_t now_ns, enum reg_status st)
{
    if (st == REG_CRITICAL && (c->status != REG_CRITICAL || !c->critical_ns))
        c->critical_ns = now_ns;
    if (st != REG_CRITICAL) c->critical_ns = 0;
    c->status = st;
    if (c->kind == REG_CHECK_TTL) c->due_ns = now_ns + c->ttl_ns;
}

static int set_output(struct reg_inst *in, struct reg_check *c, struct sn_str output)
{
    output = sn_str_sub(output, 0, 1024);
    if (sn_str_eq(c->output, output) || !output.len) {
        c->output.len = output.len;
        return 0;
    }
    if (c->output_cap < output.len) { /* grows to 1024 once, outputs come and go */
        char *p = sn_arena_alloc(&in->arena, 1024);
        if (!p) return SN_E_NOMEM;
        c->output.ptr = p;
        c->output_cap = 1024;
    }
    memcpy((char *)(uintptr_t)c->output.ptr, output.ptr, output.len);
    c->output.len = output.len;
    return 0;
}

int reg_store_check(struct reg_store *s, int64_t now_ns, struct reg_inst *in, struct reg_check *c,
                    enum reg_status status, struct sn_str output)
{
    enum reg_status before = c->status;
    bool said = !sn_str_eq(c->output, sn_str_sub(output, 0, 1024));
    int r = set_output(in, c, output);
    if (r < 0) return r;
    set_status(c, now_ns, status);
    in->beat_ns = now_ns;
    reschedule(s, in);
    if (before != status || said) {
        service_changed(s, in->svc, false);
        in->mod_rev = in->svc->mod_rev;
    }
    if (before != status) tell(s, in, false);
    return 0;
}

void reg_store_unlink(struct reg_store *s, struct reg_inst *in)
{
    struct pair_key k;
    struct reg_service *svc = in->svc;
    (void)sn_map_del(&s->by_id, pair(&k, svc->ns, in->spec.in.id));
    sn_heap_remove(&s->inst_due, &in->due);
    sn_list_del(&in->lease_node);
    sn_list_del(&in->node);
    svc->n--;
    s->n_insts--;
    service_changed(s, svc, true);
    if (in->spec.permanent) reg_log_inst_del(s, svc->ns, in->spec.in.id, svc->mod_rev);
    tell(s, in, true);
    inst_free(in);
    service_maybe_forget(s, svc);
}

static void inst_tick(struct reg_store *s, int64_t now_ns, struct reg_inst *in)
{
    bool changed = false;
    for (uint32_t i = 0; i < in->spec.n_checks; i++) {
        struct reg_check *c = &in->spec.checks[i];
        if (check_due(c) > now_ns) continue;
        if (c->status == REG_CRITICAL) {
            reg_store_unlink(s, in);
            return;
        }
        /* As of when it was due: a late tick does not lengthen an instance's life. */
        c->critical_ns = c->due_ns;
        c->status = REG_CRITICAL;
        (void)!set_output(in, c, SN_STR("TTL expired"));
        changed = true;
    }
    reschedule(s, in);
    if (!changed) return;
    service_changed(s, in->svc, false);
    in->mod_rev = in->svc->mod_rev;
    tell(s, in, false);
}

void reg_store_tick(struct reg_store *s, int64_t now_ns)
{
    struct sn_heap_node *n;
    while ((n = sn_heap_peek(&s->inst_due))) {
        struct reg_inst *in = SN_CONTAINER_OF(n, struct reg_inst, due);
        if (in->due_ns > now_ns) break;
        inst_tick(s, now_ns, in);
    }
    while ((n = sn_heap_peek(&s->lease_due))) {
        struct reg_lease_rec *l = SN_CONTAINER_OF(n, struct reg_lease_rec, due);
        if (l->due_ns > now_ns) break;
        reg_store_lease_end(s, l);
    }
}

int64_t reg_store_next(const struct reg_store *s)
{
    struct sn_heap_node *n = sn_heap_peek(&s->inst_due), *m = sn_heap_peek(&s->lease_due);
    int64_t at = n ? SN_CONTAINER_OF(n, struct reg_inst, due)->due_ns : SN_FOREVER;
    return m ? SN_MIN(at, SN_CONTAINER_OF(m, struct reg_lease_rec, due)->due_ns) : at;
}

/* ---- registering ---------------------------------------------------------------------------- */

static int check_spec(const struct reg_spec *sp)
{
    if (!sp->in.service.len || !sp->in.address.len || !sp->in.id.len)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "registration: expected a service, an id and an address");
    struct sn_str names[] = {sp->in.service, sp->in.id, sp->in.address, sp->in.zone, sp->ns};
    for (size_t i = 0; i < SN_COUNT_OF(names); i++) {
        if (names[i].len > SN_REG_NAME_MAX)
            return sn_fail(SN_E_INVALID_ARGUMENT, "registration: a name of %zu bytes, at most %u",
                           names[i].len, SN_REG_NAME_MAX);
        if (sn_str_chr(names[i], 0) >= 0 || !sn_utf8_valid(names[i]))
            return sn_fail(SN_E_INVALID_ARGUMENT, "registration: a name with NUL or not in UTF-8");
    }
    if (sp->n_checks > REG_CHECKS_MAX || sp->n_tags > SN_REG_LABELS_MAX || sp->extra.len > 65536)
        return sn_fail(SN_E_INVALID_ARGUMENT, "registration: %u checks, %u tags; at most %u and %u",
                       sp->n_checks, sp->n_tags, REG_CHECKS_MAX, SN_REG_LABELS_MAX);
    for (uint32_t i = 0; i < sp->n_checks; i++) {
        const struct reg_check *c = &sp->checks[i];
        if (c->id.len > SN_REG_NAME_MAX || c->name.len > SN_REG_NAME_MAX || c->target.len > 2048 ||
            c->notes.len > 2048)
            return sn_fail(SN_E_INVALID_ARGUMENT, "registration: check %u is too long", i);
    }
    if (sp->weight < 0 || sp->weight > 1e6)
        return sn_fail(SN_E_INVALID_ARGUMENT, "registration: weight %g is not in 0..1000000",
                       sp->weight);
    return 0;
}

static int copy_str(struct sn_arena *a, struct sn_str *s)
{
    *s = sn_arena_str(a, *s);
    return s->ptr ? 0 : SN_E_NOMEM;
}

static int copy_spec(struct sn_arena *a, const struct reg_spec *sp, struct reg_spec *out)
{
    *out = *sp;
    out->ns = ns_of(sp->ns);
    if (out->weight == 0) out->weight = sp->in.weight ? sp->in.weight : 1;
    out->in.weight = out->weight < 1 ? 1 : (uint32_t)out->weight;
    int r = reg_instance_copy(a, &out->in, &out->in);
    if (r >= 0) r = copy_str(a, &out->ns);
    if (r >= 0) r = copy_str(a, &out->extra);
    struct sn_str *tags = SN_ARENA_ARRAY(a, struct sn_str, sp->n_tags);
    if (!tags) return SN_E_NOMEM;
    for (uint32_t i = 0; r >= 0 && i < sp->n_tags; i++) {
        tags[i] = sn_str_sub(sp->tags[i], 0, SN_REG_NAME_MAX);
        r = copy_str(a, &tags[i]);
    }
    out->tags = tags;
    for (uint32_t i = 0; r >= 0 && i < sp->n_checks; i++) {
        struct reg_check *c = &out->checks[i];
        c->output = sn_str_sub(c->output, 0, 1024);
        c->output_cap = 0;
        struct sn_str *f[] = {&c->id, &c->name, &c->output, &c->target, &c->notes};
        for (size_t k = 0; r >= 0 && k < SN_COUNT_OF(f); k++) r = copy_str(a, f[k]);
    }
    return r;
}

static bool labels_equal(const struct sn_instance *a, const struct sn_instance *b)
{
    if (a->n_labels != b->n_labels) return false;
    for (uint32_t i = 0; i < a->n_labels; i++)
        if (!sn_str_eq(a->labels[i].name, b->labels[i].name) ||
            !sn_str_eq(a->labels[i].value, b->labels[i].value))
            return false;
    return true;
}

static bool spec_equal(const struct reg_spec *a, const struct reg_spec *b)
{
    double weight = b->weight != 0 ? b->weight : b->in.weight ? b->in.weight : 1;
    if (!sn_str_eq(a->in.service, b->in.service) || !sn_str_eq(a->in.address, b->in.address) ||
        !sn_str_eq(a->in.zone, b->in.zone) || a->in.port != b->in.port || a->weight != weight ||
        a->disabled != b->disabled || a->permanent != b->permanent || a->lease != b->lease ||
        a->n_tags != b->n_tags || a->n_checks != b->n_checks || !sn_str_eq(a->extra, b->extra) ||
        a->face != b->face || !labels_equal(&a->in, &b->in))
        return false;
    for (uint32_t i = 0; i < a->n_tags; i++)
        if (!sn_str_eq(a->tags[i], b->tags[i])) return false;
    for (uint32_t i = 0; i < a->n_checks; i++)
        if (!sn_str_eq(a->checks[i].id, b->checks[i].id) ||
            a->checks[i].ttl_ns != b->checks[i].ttl_ns ||
            !sn_str_eq(a->checks[i].target, b->checks[i].target) ||
            a->checks[i].kind != b->checks[i].kind ||
            a->checks[i].remove_after_ns != b->checks[i].remove_after_ns ||
            a->checks[i].interval_ns != b->checks[i].interval_ns)
            return false;
    return true;
}

/* Where a check was known before, a new registration does not throw its state away: a client that
 * registers again at every start would otherwise flap. Nacos's checks begin passing each time. */
static void inherit(struct reg_inst *in, const struct reg_inst *old, int64_t now_ns)
{
    for (uint32_t i = 0; i < in->spec.n_checks; i++) {
        struct reg_check *c = &in->spec.checks[i];
        struct reg_check *was =
            old ? reg_inst_check((struct reg_inst *)(uintptr_t)old, c->id) : NULL;
        if (was && was->kind == c->kind && c->status == REG_CRITICAL) {
            c->status = was->status;
            c->critical_ns = was->critical_ns;
            c->due_ns = was->due_ns;
            if (c->kind == REG_CHECK_TTL && c->status != REG_CRITICAL) continue;
        }
        set_status(c, now_ns, c->status);
    }
}

static void link_sorted(struct reg_service *svc, struct reg_inst *in)
{
    struct sn_list *at = svc->insts.prev;
    while (at != &svc->insts &&
           sn_str_cmp(SN_LIST_ENTRY(at, struct reg_inst, node)->spec.in.id, in->spec.in.id) > 0)
        at = at->prev;
    sn_list_insert_(&in->node, at, at->next);
    svc->n++;
}

static int inst_new(struct reg_store *s, const struct reg_spec *spec, struct reg_inst **ret)
{
    struct reg_inst *in = SN_NEW(struct reg_inst);
    if (!in) return SN_E_NOMEM;
    sn_arena_init(&in->arena, NULL, 1 << 20);
    sn_list_init(&in->lease_node);
    sn_list_init(&in->node);
    int r = copy_spec(&in->arena, spec, &in->spec);
    if (r >= 0) r = service_get(s, spec->ns, spec->in.service, &in->svc);
    if (r >= 0) r = sn_heap_push(&s->inst_due, &in->due);
    if (r < 0) {
        inst_free(in);
        return r;
    }
    *ret = in;
    return 0;
}

/* Same content: a heartbeat in the form of a registration. */
static int registered_again(struct reg_store *s, int64_t now_ns, struct reg_inst *in,
                            const struct reg_spec *spec)
{
    for (uint32_t i = 0; i < in->spec.n_checks; i++) {
        if (spec->checks[i].status == REG_CRITICAL || in->spec.checks[i].kind != REG_CHECK_TTL)
            continue;
        int r = reg_store_check(s, now_ns, in, &in->spec.checks[i], spec->checks[i].status,
                                in->spec.checks[i].output);
        if (r < 0) return r;
    }
    return 0;
}

int reg_store_register(struct reg_store *s, int64_t now_ns, const struct reg_spec *spec,
                       struct reg_inst **ret)
{
    int r = check_spec(spec);
    if (r < 0) return r;
    struct reg_lease_rec *lease = spec->lease ? reg_store_lease_of(s, spec->lease) : NULL;
    if (spec->lease && !lease)
        return sn_fail(SN_E_NOT_FOUND, "lease %llu", (unsigned long long)spec->lease);
    struct reg_inst *old = reg_store_instance(s, spec->ns, spec->in.id), *in;
    if (old && spec_equal(&old->spec, spec)) {
        *ret = old;
        return registered_again(s, now_ns, old, spec);
    }
    if (!old && s->n_insts >= s->lim.instances_max)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "registration: %zu instances already", s->n_insts);
    if ((r = inst_new(s, spec, &in)) < 0) return r;
    struct pair_key k;
    if ((r = sn_map_put(&s->by_id, pair(&k, spec->ns, spec->in.id), in, NULL)) < 0) {
        sn_heap_remove(&s->inst_due, &in->due);
        inst_free(in);
        return r;
    }
    inherit(in, old, now_ns);
    in->beat_ns = now_ns;
    in->create_rev = old ? old->create_rev : s->rev + 1;
    if (old) {
        struct reg_service *was = old->svc;
        sn_heap_remove(&s->inst_due, &old->due);
        sn_list_del(&old->lease_node);
        sn_list_del(&old->node);
        was->n--;
        if (was != in->svc) service_changed(s, was, true);
        if (old->spec.permanent && !spec->permanent)
            reg_log_inst_del(s, was->ns, old->spec.in.id, s->rev);
        if (was != in->svc) tell(s, old, true);
        inst_free(old);
    } else {
        s->n_insts++;
    }
    link_sorted(in->svc, in);
    if (lease) sn_list_push_back(&lease->insts, &in->lease_node);
    reschedule(s, in);
    service_changed(s, in->svc, true);
    in->mod_rev = in->svc->mod_rev;
    if (spec->permanent) reg_log_inst(s, in);
    tell(s, in, false);
    *ret = in;
    return 1;
}

int reg_store_deregister(struct reg_store *s, struct sn_str ns, struct sn_str id)
{
    struct reg_inst *in = reg_store_instance(s, ns, id);
    if (!in) return SN_E_NOT_FOUND;
    reg_store_unlink(s, in);
    return 0;
}
