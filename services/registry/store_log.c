/* SPDX-License-Identifier: Apache-2.0 */
/* registry/store_log.c - the records from which the store is made again: values (with their
 * history) and permanent instances. A record is an operation byte and fields; numbers are 8 bytes
 * little-endian, strings a 4-byte length and bytes. The journal around it has lengths and
 * checksums. */
#include "core/alloc.h"
#include "registry/store.h"

enum { OP_REV = 1, OP_PUT = 2, OP_DEL = 3, OP_INST = 4, OP_INST_DEL = 5, OP_ID = 6 };
/* Revisions that were given out but not logged (heartbeats, leases) must not be given out again. */
#define RESERVE 100000u

static void w64(struct sn_buf *b, uint64_t v)
{
    uint8_t x[8];
    for (int i = 0; i < 8; i++) x[i] = (uint8_t)(v >> 8 * i);
    (void)sn_buf_put(b, x, 8);
}
static void wstr(struct sn_buf *b, struct sn_str s)
{
    uint8_t x[4];
    for (int i = 0; i < 4; i++) x[i] = (uint8_t)(s.len >> 8 * i);
    (void)sn_buf_put(b, x, 4);
    (void)sn_buf_str(b, s);
}

struct reader {
    struct sn_str in;
    bool bad;
};
static uint64_t rn(struct reader *r, size_t n)
{
    uint64_t v = 0;
    if (r->in.len < n) {
        r->bad = true;
        return 0;
    }
    for (size_t i = 0; i < n; i++) v |= (uint64_t)(uint8_t)r->in.ptr[i] << 8 * i;
    r->in = sn_str_from(r->in, n);
    return v;
}
static struct sn_str rstr(struct reader *r)
{
    size_t n = rn(r, 4);
    if (r->bad || r->in.len < n) {
        r->bad = true;
        return SN_STR("");
    }
    struct sn_str s = sn_str_sub(r->in, 0, n);
    r->in = sn_str_from(r->in, n);
    return s;
}

/* ---- writing -------------------------------------------------------------------------------- */

static void start(struct reg_store *s, uint8_t op)
{
    sn_buf_reset(&s->rec);
    (void)sn_buf_byte(&s->rec, op);
}

/* A record that could not be built (no memory) is an empty one: the journal then fails, aloud. */
static void emit(struct reg_store *s)
{
    s->log(s->log_arg, s->rec.err < 0 ? (struct sn_str){0} : sn_buf_view(&s->rec));
}

static void reserve(struct reg_store *s)
{
    if (s->rev < s->rev_reserved) return;
    s->rev_reserved = s->rev + RESERVE;
    start(s, OP_REV);
    w64(&s->rec, s->rev_reserved);
    emit(s);
}

static void put_record(struct sn_buf *b, const struct reg_kv *kv, const struct reg_value *v,
                       uint64_t mod, uint64_t version, int64_t wall)
{
    wstr(b, kv->key);
    wstr(b, reg_value_str(v));
    w64(b, kv->create_rev);
    w64(b, mod);
    w64(b, version);
    w64(b, kv->flags);
    w64(b, kv->lock_index);
    w64(b, (uint64_t)wall);
}

void reg_store_identify(struct reg_store *s, uint64_t identity)
{
    s->identity = identity;
    if (!s->log) return;
    start(s, OP_ID);
    w64(&s->rec, identity);
    emit(s);
}

void reg_log_put(struct reg_store *s, const struct reg_kv *kv)
{
    if (!s->log) return;
    reserve(s);
    start(s, OP_PUT);
    put_record(&s->rec, kv, kv->value, kv->mod_rev, kv->version, kv->wall_ns);
    emit(s);
}

void reg_log_del(struct reg_store *s, struct sn_str key, uint64_t rev)
{
    if (!s->log) return;
    reserve(s);
    start(s, OP_DEL);
    wstr(&s->rec, key);
    w64(&s->rec, rev);
    emit(s);
}

static void check_record(struct sn_buf *b, const struct reg_check *c)
{
    wstr(b, c->id);
    wstr(b, c->name);
    wstr(b, c->target);
    wstr(b, c->notes);
    w64(b, c->kind);
    w64(b, c->status);
    w64(b, (uint64_t)c->interval_ns);
    w64(b, (uint64_t)c->timeout_ns);
    w64(b, (uint64_t)c->remove_after_ns);
    w64(b, (uint64_t)c->ttl_ns);
}

static void inst_record(struct sn_buf *b, const struct reg_inst *in)
{
    const struct reg_spec *sp = &in->spec;
    uint64_t weight;
    memcpy(&weight, &sp->weight, 8);
    wstr(b, sp->ns);
    wstr(b, sp->in.service);
    wstr(b, sp->in.id);
    wstr(b, sp->in.address);
    wstr(b, sp->in.zone);
    wstr(b, sp->extra);
    w64(b, sp->in.port);
    w64(b, weight);
    w64(b, sp->disabled);
    w64(b, sp->face);
    w64(b, in->create_rev);
    w64(b, in->mod_rev);
    w64(b, sp->in.n_labels);
    for (uint32_t i = 0; i < sp->in.n_labels; i++) {
        wstr(b, sp->in.labels[i].name);
        wstr(b, sp->in.labels[i].value);
    }
    w64(b, sp->n_tags);
    for (uint32_t i = 0; i < sp->n_tags; i++) wstr(b, sp->tags[i]);
    w64(b, sp->n_checks);
    for (uint32_t i = 0; i < sp->n_checks; i++) check_record(b, &sp->checks[i]);
}

void reg_log_inst(struct reg_store *s, const struct reg_inst *in)
{
    if (!s->log) return;
    reserve(s);
    start(s, OP_INST);
    inst_record(&s->rec, in);
    emit(s);
}

void reg_log_inst_del(struct reg_store *s, struct sn_str ns, struct sn_str id, uint64_t rev)
{
    if (!s->log) return;
    reserve(s);
    start(s, OP_INST_DEL);
    wstr(&s->rec, ns);
    wstr(&s->rec, id);
    w64(&s->rec, rev);
    emit(s);
}

/* ---- reading -------------------------------------------------------------------------------- */

static int damaged(const char *what)
{
    return sn_fail(SN_E_DATA_LOSS, "journal: a record that is no %s of ours", what);
}

static void seen(struct reg_store *s, uint64_t rev) { s->rev = SN_MAX(s->rev, rev); }

static int replay_put(struct reg_store *s, struct reader *r)
{
    struct sn_str key = rstr(r), value = rstr(r);
    uint64_t create = rn(r, 8), mod = rn(r, 8), version = rn(r, 8), flags = rn(r, 8),
             lock = rn(r, 8);
    int64_t wall = (int64_t)rn(r, 8);
    if (r->bad || r->in.len || !key.len || key.len > REG_KEY_MAX || value.len > SN_REG_CONFIG_MAX ||
        !version)
        return damaged("value");
    struct reg_value *v = reg_value_new(value);
    if (!v) return SN_E_NOMEM;
    struct reg_kv *kv = reg_store_get(s, key);
    int e = kv ? 0 : reg_store_kv_add(s, key, &kv);
    if (e < 0) {
        reg_value_unref(v);
        return e;
    }
    /* A lock taken or given back changes no value, and is no history. */
    if (kv->value && sn_str_eq(reg_value_str(kv->value), value) && kv->version == version)
        reg_value_unref(v);
    else
        reg_kv_set(s, kv, v);
    kv->create_rev = create;
    kv->mod_rev = mod;
    kv->version = version;
    kv->flags = flags;
    kv->lock_index = lock;
    kv->wall_ns = wall;
    seen(s, mod);
    return 0;
}

static void read_check(struct reader *r, struct reg_check *c)
{
    c->id = rstr(r);
    c->name = rstr(r);
    c->target = rstr(r);
    c->notes = rstr(r);
    c->kind = (enum reg_check_kind)(rn(r, 8) & 3);
    c->status = (enum reg_status)SN_MIN(rn(r, 8), (uint64_t)REG_CRITICAL);
    c->interval_ns = (int64_t)(rn(r, 8) & (INT64_MAX >> 2));
    c->timeout_ns = (int64_t)(rn(r, 8) & (INT64_MAX >> 2));
    c->remove_after_ns = (int64_t)(rn(r, 8) & (INT64_MAX >> 2));
    c->ttl_ns = (int64_t)(rn(r, 8) & (INT64_MAX >> 2));
}

/* Too large for a fiber's frame. */
struct inst_parts {
    struct reg_spec sp;
    struct sn_label labels[SN_REG_LABELS_MAX];
    struct sn_str tags[SN_REG_LABELS_MAX];
};

static int read_inst(struct reader *r, struct inst_parts *parts, uint64_t *ret_create,
                     uint64_t *ret_mod)
{
    struct reg_spec sp = {.permanent = true};
    sp.ns = rstr(r);
    sp.in.service = rstr(r);
    sp.in.id = rstr(r);
    sp.in.address = rstr(r);
    sp.in.zone = rstr(r);
    sp.extra = rstr(r);
    sp.in.port = (uint16_t)rn(r, 8);
    uint64_t weight = rn(r, 8);
    memcpy(&sp.weight, &weight, 8);
    sp.disabled = rn(r, 8) != 0;
    sp.face = (enum reg_face)(rn(r, 8) & 3);
    *ret_create = rn(r, 8);
    *ret_mod = rn(r, 8);
    uint64_t n = rn(r, 8);
    if (r->bad || n > SN_REG_LABELS_MAX) return damaged("instance");
    for (uint64_t i = 0; i < n; i++) {
        parts->labels[i].name = rstr(r);
        parts->labels[i].value = rstr(r);
    }
    sp.in.labels = parts->labels;
    sp.in.n_labels = (uint32_t)n;
    if ((n = rn(r, 8)) > SN_REG_LABELS_MAX) return damaged("instance");
    for (uint64_t i = 0; i < n; i++) parts->tags[i] = rstr(r);
    sp.tags = parts->tags;
    sp.n_tags = (uint32_t)n;
    if ((n = rn(r, 8)) > REG_CHECKS_MAX) return damaged("instance");
    sp.n_checks = (uint32_t)n;
    for (uint64_t i = 0; i < n; i++) read_check(r, &sp.checks[i]);
    if (r->bad || r->in.len || !(sp.weight >= 0)) return damaged("instance");
    parts->sp = sp;
    return 0;
}

static int replay_inst(struct reg_store *s, struct reader *r)
{
    struct inst_parts *parts = SN_NEW(struct inst_parts);
    if (!parts) return SN_E_NOMEM;
    struct reg_inst *in;
    uint64_t create, mod;
    int e = read_inst(r, parts, &create, &mod);
    if (e >= 0 && (e = reg_store_register(s, 0, &parts->sp, &in)) < 0 && e != SN_E_NOMEM)
        e = damaged("instance");
    if (e >= 0) {
        in->create_rev = create;
        in->mod_rev = in->svc->mod_rev = mod;
        seen(s, mod);
    }
    sn_free(parts);
    return e < 0 ? e : 0;
}

int reg_store_replay(struct reg_store *s, struct sn_str record)
{
    struct reader r = {.in = record};
    uint64_t op = rn(&r, 1);
    if (op == OP_PUT) return replay_put(s, &r);
    if (op == OP_INST) return replay_inst(s, &r);
    struct sn_str a = op == OP_DEL || op == OP_INST_DEL ? rstr(&r) : SN_STR("");
    struct sn_str b = op == OP_INST_DEL ? rstr(&r) : SN_STR("");
    uint64_t rev = rn(&r, 8);
    if (r.bad || r.in.len || (op != OP_REV && op != OP_DEL && op != OP_INST_DEL && op != OP_ID))
        return damaged("record");
    if (op == OP_ID) {
        s->identity = rev;
        return 0;
    }
    if (op == OP_DEL) {
        struct reg_kv *kv = reg_store_get(s, a);
        if (kv) reg_store_kv_drop(s, kv);
    } else if (op == OP_INST_DEL) {
        (void)reg_store_deregister(s, a, b);
    } else {
        s->rev_reserved = SN_MAX(s->rev_reserved, rev);
    }
    seen(s, rev);
    return 0;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static int dump_key(const struct reg_kv *kv, struct sn_buf *b,
                    int (*emit_fn)(void *, struct sn_str), void *arg)
{
    for (uint32_t i = 0; i <= kv->n_past; i++) {
        bool last = i == kv->n_past;
        sn_buf_reset(b);
        (void)sn_buf_byte(b, OP_PUT);
        put_record(b, kv, last ? kv->value : kv->past[i].value,
                   last ? kv->mod_rev : kv->past[i].mod_rev,
                   SN_MAX(kv->version - (kv->n_past - i), (uint64_t)1),
                   last ? kv->wall_ns : kv->past[i].wall_ns);
        int r = b->err < 0 ? b->err : emit_fn(arg, sn_buf_view(b));
        if (r < 0) return r;
    }
    return 0;
}

int reg_store_dump(struct reg_store *s, int (*emit_fn)(void *arg, struct sn_str record), void *arg)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    int r = 0;
    for (size_t i = 0; r >= 0 && i < s->kvs.len; i++)
        if (reg_kv_durable(s->kvs.ptr[i])) r = dump_key(s->kvs.ptr[i], &b, emit_fn, arg);
    struct sn_map_slot *slot;
    size_t it = 0;
    while (r >= 0 && (slot = sn_map_next(&s->by_id, &it))) {
        const struct reg_inst *in = slot->value;
        if (!in->spec.permanent) continue;
        sn_buf_reset(&b);
        (void)sn_buf_byte(&b, OP_INST);
        inst_record(&b, in);
        r = b.err < 0 ? b.err : emit_fn(arg, sn_buf_view(&b));
    }
    if (r >= 0) {
        sn_buf_reset(&b);
        (void)sn_buf_byte(&b, OP_REV);
        w64(&b, SN_MAX(s->rev_reserved, s->rev));
        r = b.err < 0 ? b.err : emit_fn(arg, sn_buf_view(&b));
    }
    if (r >= 0 && s->identity) {
        sn_buf_reset(&b);
        (void)sn_buf_byte(&b, OP_ID);
        w64(&b, s->identity);
        r = b.err < 0 ? b.err : emit_fn(arg, sn_buf_view(&b));
    }
    sn_buf_done(&b);
    return r;
}
