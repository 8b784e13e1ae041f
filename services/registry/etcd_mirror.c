/* SPDX-License-Identifier: Apache-2.0 */
/* registry/etcd_mirror.c - what is registered through one face, seen through etcd's, and the other
 * way round. An instance of another face that is not critical stands as a derived key in every
 * layout (etcd_int.h); a key that a client has put with a lease and that reads as an instance in
 * one of them is one. Both run inside the store's changes, under the lock. What could not be done
 * for lack of memory is done again by the clock. */
#include "core/alloc.h"
#include "kit/log.h"
#include "registry/etcd_int.h"
#include "registry/server_int.h"

SN_LOG_MODULE("registry");

/* go-zero's keys end in a number: a lease's, positive, below 2^63. */
static struct sn_str number_of(const struct sn_instance *in, char out[24])
{
    struct sn_buf b;
    sn_buf_init_fixed(&b, out, 24);
    (void)sn_buf_u64(&b, sn_hash(in->id.ptr, in->id.len, in->service.len) >> 1);
    return sn_buf_view(&b);
}

static bool shown(const struct reg_inst *in)
{
    return reg_inst_status(in) != REG_CRITICAL && in->spec.in.port &&
           sn_str_eqc(in->svc->ns, REG_STORE_NS);
}

/* Which layout an instance came in; NULL: it came through another face. */
static const struct etcd_layout *origin(const struct reg_inst *in)
{
    return in->spec.face == REG_FACE_ETCD ? etcd_layout_of(in->spec.extra) : NULL;
}

static int show_in(struct reg_store *s, const struct etcd_layout *l, const struct reg_inst *in,
                   bool gone)
{
    struct sn_buf key, value;
    char num[24];
    sn_buf_init(&key, 0);
    sn_buf_init(&value, 0);
    struct sn_instance i = in->spec.in;
    i.healthy = true;
    int r = etcd_key(sn_str(l->base), i.service, l->key_is_lease ? number_of(&i, num) : i.id, &key);
    if (r >= 0 && (gone || !shown(in))) {
        reg_store_undo_derived(s, sn_buf_view(&key));
    } else if (r >= 0 && (r = l->value(&i, &value)) >= 0) {
        struct reg_put p = {
            .key = sn_buf_view(&key), .value = sn_buf_view(&value), .derived = true};
        struct reg_kv *have = reg_store_get(s, p.key);
        if (!have || !sn_str_eq(reg_value_str(have->value), p.value))
            r = reg_store_put(s, sn_now(), &p);
        if (have) have->unseen = false;
    }
    sn_buf_done(&key);
    sn_buf_done(&value);
    return r;
}

static void show(struct sn_regserver *s, const struct reg_inst *in, bool gone)
{
    const struct etcd_layout *from = origin(in);
    for (size_t i = 0; i < REG_ETCD_LAYOUTS; i++) {
        if (&etcd_layouts[i] == from) continue;
        int r = show_in(&s->store, &etcd_layouts[i], in, gone);
        if (r == SN_E_NOMEM) s->mirror_behind = true;
        /* Names too long for a key, or no room for values: it stays invisible, and is said. */
        if (r < 0 && r != SN_E_NOMEM)
            SN_LOG_WARN("instance not shown to etcd clients", SN_L("id", in->spec.in.id),
                        SN_L_ERR(r));
    }
}

static void on_inst(void *server, const struct reg_inst *in, bool gone)
{
    show(server, in, gone);
}

static int take(struct sn_regserver *s, const struct reg_kv *kv)
{
    struct sn_arena a;
    struct sn_instance in;
    struct reg_inst *made;
    const struct etcd_layout *l;
    sn_arena_init(&a, NULL, 4u << 20);
    int r = etcd_instance_of(kv->key, reg_value_str(kv->value), &a, &in, &l);
    if (r > 0) {
        struct reg_spec sp = {.in = in, .face = REG_FACE_ETCD, .extra = sn_str(l->name)};
        sp.disabled = !in.healthy;
        r = reg_store_register(&s->store, sn_now(), &sp, &made);
        if (r >= 0) r = 1;
    }
    sn_arena_done(&a);
    return r;
}

/* The part of a key behind base/SERVICE/, as an instance's of another face: it had given way. */
static void show_again(struct sn_regserver *s, const struct etcd_layout *l, struct sn_str key,
                       size_t service_len)
{
    size_t at = sn_str(l->base).len + 1 + service_len + 1;
    if (l->key_is_lease || key.len <= at) return;
    const struct reg_inst *in = reg_store_instance(&s->store, SN_STR(""), sn_str_from(key, at));
    if (in && in->spec.face != REG_FACE_ETCD) show(s, in, false);
}

/* Whatever a leased key held before: if it is no instance now, the one of its name goes. */
static void on_key(void *server, const struct reg_kv *kv, bool gone)
{
    struct sn_regserver *s = server;
    int r = !gone && reg_kv_leased(kv) ? take(s, kv) : 0;
    if (r == SN_E_NOMEM) s->mirror_behind = true;
    if (r < 0 && r != SN_E_NOMEM)
        SN_LOG_WARN("key not shown as an instance", SN_L("key", kv->key), SN_L_ERR(r));
    if (r > 0) return;
    struct reg_inst *in = reg_store_instance(&s->store, SN_STR(""), kv->key);
    const struct etcd_layout *l = in ? origin(in) : NULL;
    if (!l) return;
    size_t service_len = in->spec.in.service.len;
    reg_store_unlink(&s->store, in);
    if (gone) show_again(s, l, kv->key, service_len);
}

void reg_mirror_start(struct sn_regserver *s)
{
    s->store.on_arg = s;
    s->store.on_key = on_key;
    s->store.on_inst = on_inst;
    reg_mirror_sync(s);
}

static void sweep(struct reg_store *s)
{
    for (size_t i = 0; i < s->kvs.len;) {
        const struct reg_kv *kv = s->kvs.ptr[i];
        if (kv->derived && kv->unseen)
            reg_store_undo_derived(s, kv->key);
        else
            i++;
    }
}

void reg_mirror_sync(struct sn_regserver *s)
{
    struct sn_map_slot *slot;
    size_t it = 0;
    s->mirror_behind = false;
    if (!s->store.on_inst) return;
    for (size_t i = 0; i < s->store.kvs.len; i++) s->store.kvs.ptr[i]->unseen = true;
    while ((slot = sn_map_next(&s->store.by_id, &it))) show(s, slot->value, false);
    /* Where something could not be shown, what was not seen may yet have an instance. */
    if (!s->mirror_behind) sweep(&s->store);
    for (size_t i = 0; i < s->store.kvs.len; i++) {
        const struct reg_kv *kv = s->store.kvs.ptr[i];
        if (!reg_kv_leased(kv) || reg_store_instance(&s->store, SN_STR(""), kv->key)) continue;
        if (take(s, kv) == SN_E_NOMEM) s->mirror_behind = true;
    }
}
