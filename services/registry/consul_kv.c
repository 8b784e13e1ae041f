/* SPDX-License-Identifier: Apache-2.0 */
/* registry/consul_kv.c - Consul's keys and sessions. */
#include "core/enc.h"
#include "core/time.h"
#include "registry/consul_int.h"

/* Of everything asked for the newest change, and the last deletion of any key: an index may come
 * too early, never too late. */
static uint64_t key_index(struct sn_regserver *s, struct sn_str key)
{
    struct reg_kv *kv = reg_store_get(&s->store, key);
    return kv ? kv->mod_rev : s->store.del_rev;
}
static uint64_t prefix_index(struct sn_regserver *s, struct sn_str prefix)
{
    uint64_t index = s->store.del_rev;
    for (size_t i = reg_store_lower(&s->store, prefix);
         i < s->store.kvs.len && sn_str_starts(s->store.kvs.ptr[i]->key, prefix); i++)
        index = SN_MAX(index, s->store.kvs.ptr[i]->mod_rev);
    return index;
}

static void kv_json(struct sn_jsonw *w, struct reg_req *q, const struct reg_kv *kv)
{
    struct sn_str v = reg_value_str(kv->value);
    char *text = sn_arena_alloc(q->a, sn_base64_len(v.len, SN_BASE64_STD) + 1);
    sn_jsonw_object(w);
    sn_jsonw_ku64(w, "LockIndex", kv->lock_index);
    sn_jsonw_kstr(w, "Key", kv->key);
    sn_jsonw_ku64(w, "Flags", kv->flags);
    sn_jsonw_key(w, SN_STR("Value"));
    if (!text) w->out->err = SN_E_NOMEM;
    if (!text || !v.len)
        sn_jsonw_null(w);
    else
        sn_jsonw_str(w, sn_str_of(text, sn_base64_encode(v.ptr, v.len, SN_BASE64_STD, text)));
    if (kv->lease && kv->lease->session) sn_jsonw_kstr(w, "Session", kv->lease->id);
    sn_jsonw_ku64(w, "CreateIndex", kv->create_rev);
    sn_jsonw_ku64(w, "ModifyIndex", kv->mod_rev);
    sn_jsonw_object_end(w);
}

/* With a separator, keys are shown up to it, each once. */
static void keys_json(struct sn_jsonw *w, struct sn_regserver *s, struct sn_str prefix,
                      struct sn_str sep)
{
    struct sn_str last = {0};
    for (size_t i = reg_store_lower(&s->store, prefix); i < s->store.kvs.len; i++) {
        struct sn_str key = s->store.kvs.ptr[i]->key;
        if (!sn_str_starts(key, prefix)) break;
        if (sep.len) {
            ssize_t at = sn_str_find(sn_str_from(key, prefix.len), sep);
            if (at >= 0) key = sn_str_sub(key, 0, prefix.len + (size_t)at + sep.len);
        }
        if (last.ptr && sn_str_eq(last, key)) continue;
        sn_jsonw_str(w, key);
        last = key;
    }
}

static int kv_finish(struct reg_req *q, uint64_t index, int status, struct sn_buf *b)
{
    reg_srv_unlock(q->srv);
    int r = consul_index_header(q, index);
    if (r >= 0 && status == 200) return reg_json(q, 200, b);
    sn_buf_done(b);
    return r < 0 ? r : sn_http_reply(q->x, status, (struct sn_str){0}, SN_STR(""));
}

static int kv_raw(struct reg_req *q, uint64_t index, struct sn_str key)
{
    struct reg_kv *kv = reg_store_get(&q->srv->store, key);
    struct reg_value *v = kv ? reg_value_ref(kv->value) : NULL;
    reg_srv_unlock(q->srv);
    int r = consul_index_header(q, index);
    if (r >= 0 && !v)
        r = sn_http_reply(q->x, 404, (struct sn_str){0}, SN_STR(""));
    else if (r >= 0) {
        /* A page must not be made of what somebody stored. */
        r = sn_http_header_add(q->x, SN_STR("X-Content-Type-Options"), SN_STR("nosniff"));
        if (r >= 0) r = sn_http_reply(q->x, 200, SN_STR("text/plain"), reg_value_str(v));
    }
    reg_value_unref(v);
    return r;
}

static int kv_get(struct reg_req *q, struct sn_str key)
{
    struct sn_buf b;
    struct sn_jsonw w;
    uint64_t index;
    bool keys = reg_flag(q, "keys"), many = keys || reg_flag(q, "recurse");
    struct sn_str sep = reg_param_or(q, "separator", "");
    struct consul_ask ask = {.kind = many ? REG_WAIT_PREFIX : REG_WAIT_KEY,
                             .name = key,
                             .index = many ? prefix_index : key_index};
    sn_buf_init(&b, 0);
    int r = consul_wait(q, &ask, &index);
    if (r < 0) {
        reg_srv_unlock(q->srv);
        return reg_text_of(q, r);
    }
    if (!many && reg_flag(q, "raw")) return kv_raw(q, index, key);
    struct reg_store *st = &q->srv->store;
    size_t at = reg_store_lower(st, key);
    bool any = at < st->kvs.len && (many ? sn_str_starts(st->kvs.ptr[at]->key, key)
                                         : sn_str_eq(st->kvs.ptr[at]->key, key));
    if (!any) return kv_finish(q, index, 404, &b);
    sn_jsonw_init(&w, &b, NULL);
    sn_jsonw_array(&w);
    if (keys)
        keys_json(&w, q->srv, key, sep);
    else
        for (; at < st->kvs.len && sn_str_starts(st->kvs.ptr[at]->key, key); at++) {
            kv_json(&w, q, st->kvs.ptr[at]);
            if (!many) break;
        }
    sn_jsonw_array_end(&w);
    return kv_finish(q, index, 200, &b);
}

static int answer_bool(struct reg_req *q, int r)
{
    if (r < 0) return reg_text_of(q, r);
    return sn_http_reply(q->x, 200, SN_STR("application/json"),
                         r ? SN_STR("true") : SN_STR("false"));
}

static int number(struct reg_req *q, const char *name, uint64_t *ret, bool *given)
{
    struct sn_str v = reg_param(q, name);
    *given = v.len != 0;
    if (!v.len || sn_str_to_u64(v, ret) == 0) return 0;
    return sn_fail(SN_E_INVALID_ARGUMENT, "%s: expected a number", name);
}

static int kv_put(struct reg_req *q, struct sn_str key)
{
    struct reg_put p = {.key = key,
                        .acquire = reg_param_or(q, "acquire", ""),
                        .release = reg_param_or(q, "release", "")};
    bool flags;
    int r = number(q, "flags", &p.flags, &flags);
    if (r >= 0) r = number(q, "cas", &p.cas_rev, &p.cas);
    if (r >= 0) r = reg_body(q);
    if (r < 0) return reg_text_of(q, r);
    p.keep_flags = !flags;
    p.value = q->body;
    reg_srv_lock(q->srv);
    r = reg_store_put(&q->srv->store, sn_now(), &p);
    int c = reg_srv_commit(q->srv);
    if (r == SN_E_NOT_FOUND) return reg_text(q, 500, "invalid session"); /* Consul's own status */
    return answer_bool(q, r > 0 && c < 0 ? c : r);
}

static int kv_delete(struct reg_req *q, struct sn_str key)
{
    uint64_t cas_rev = 0;
    bool cas;
    int r = number(q, "cas", &cas_rev, &cas);
    if (r < 0) return reg_text_of(q, r);
    struct reg_store *st = &q->srv->store;
    bool done = true;
    reg_srv_lock(q->srv);
    if (reg_flag(q, "recurse")) {
        size_t at = reg_store_lower(st, key);
        while (at < st->kvs.len && sn_str_starts(st->kvs.ptr[at]->key, key))
            (void)reg_store_del_at(st, &at);
    } else {
        struct reg_kv *kv = reg_store_get(st, key);
        done = !cas || (kv && kv->mod_rev == cas_rev);
        if (done) (void)reg_store_del(st, key, 0); /* gone is gone */
    }
    r = reg_srv_commit(q->srv);
    return answer_bool(q, r < 0 ? r : done);
}

int consul_kv(struct reg_req *q, struct sn_str key)
{
    switch (q->x->req.method) {
    case SN_HTTP_GET: return kv_get(q, key);
    case SN_HTTP_PUT: return consul_writes(q) ? kv_put(q, key) : consul_forbidden(q);
    case SN_HTTP_DELETE: return consul_writes(q) ? kv_delete(q, key) : consul_forbidden(q);
    default: return reg_text(q, 405, "method not allowed");
    }
}

/* ---- sessions ------------------------------------------------------------------------------- */

static void session_json(struct sn_jsonw *w, struct reg_req *q, const struct reg_lease_rec *l)
{
    char ttl[SN_DURATION_MAX] = "";
    if (l->ttl_ns) (void)sn_duration_format(l->ttl_ns, ttl);
    sn_jsonw_object(w);
    sn_jsonw_kstr(w, "ID", l->id);
    sn_jsonw_kstr(w, "Name", l->name.ptr ? l->name : SN_STR(""));
    sn_jsonw_kstr(w, "Node", sn_str(q->srv->o.node));
    sn_jsonw_ki64(w, "LockDelay", 0);
    sn_jsonw_kstr(w, "Behavior", l->delete_keys ? SN_STR("delete") : SN_STR("release"));
    sn_jsonw_kstr(w, "TTL", sn_str(ttl));
    sn_jsonw_ku64(w, "CreateIndex", l->create_rev);
    sn_jsonw_ku64(w, "ModifyIndex", l->create_rev);
    sn_jsonw_object_end(w);
}

static void uuid(char out[37])
{
    uint64_t a = sn_random(), b = sn_random();
    struct sn_buf t;
    sn_buf_init_fixed(&t, out, 37);
    (void)sn_buf_printf(&t, "%08x-%04x-4%03x-%04x-%012llx", (uint32_t)a,
                        (uint32_t)(a >> 32 & 0xffff), (uint32_t)(a >> 48 & 0xfff),
                        (uint32_t)(0x8000 | (b >> 48 & 0x3fff)),
                        (unsigned long long)(b & 0xffffffffffffull));
    out[36] = 0;
}

static int session_create(struct reg_req *q)
{
    const struct sn_json *j = NULL;
    int64_t ttl = 0;
    int r = reg_body(q);
    if (r >= 0 && q->body.len) r = sn_json_parse(q->a, q->body, NULL, &j);
    if (r >= 0 && consul_duration(reg_json_get(j, "TTL"), &ttl) < 0)
        r = sn_fail(SN_E_INVALID_ARGUMENT, "TTL: expected a duration such as 10s");
    if (r >= 0 && ttl && (ttl < 10 * SN_SEC || ttl > 24 * SN_HOUR))
        r = sn_fail(SN_E_INVALID_ARGUMENT, "TTL: expected 10s to 24h");
    if (r < 0) return reg_text_of(q, r);
    char id[37];
    uuid(id);
    struct reg_lease_rec *l;
    reg_srv_lock(q->srv);
    r = reg_store_lease(&q->srv->store, sn_now(), 0, sn_str(id), ttl, &l);
    if (r >= 0) l->delete_keys = sn_str_eqc(reg_json_str(j, "Behavior"), "delete");
    reg_srv_unlock(q->srv);
    if (r < 0) return reg_text_of(q, r);
    struct sn_str t = sn_arena_printf(q->a, "{\"ID\":\"%s\"}", id);
    return t.ptr ? sn_http_reply(q->x, 200, SN_STR("application/json"), t) : SN_E_NOMEM;
}

static int session_list(struct reg_req *q, struct sn_str id, bool renew)
{
    struct sn_buf b;
    struct sn_jsonw w;
    sn_buf_init(&b, 0);
    sn_jsonw_init(&w, &b, NULL);
    reg_srv_lock(q->srv);
    struct reg_store *st = &q->srv->store;
    struct reg_lease_rec *l = id.len ? reg_store_session(st, id) : NULL;
    if (l && renew) reg_store_lease_renew(st, sn_now(), l);
    sn_jsonw_array(&w);
    if (l) session_json(&w, q, l);
    struct sn_map_slot *slot;
    for (size_t it = 0; !id.len && (slot = sn_map_next(&st->sessions, &it));)
        session_json(&w, q, slot->value);
    sn_jsonw_array_end(&w);
    if (renew && !l) {
        reg_srv_unlock(q->srv);
        sn_buf_done(&b);
        return reg_text(q, 404, "Session id not found");
    }
    return kv_finish(q, st->rev, 200, &b);
}

static int session_destroy(struct reg_req *q, struct sn_str id)
{
    reg_srv_lock(q->srv);
    struct reg_lease_rec *l = reg_store_session(&q->srv->store, id);
    if (l) reg_store_lease_end(&q->srv->store, l);
    int r = reg_srv_commit(q->srv);
    return answer_bool(q, r < 0 ? r : 1);
}

int consul_session(struct reg_req *q, struct sn_str rest)
{
    struct sn_str id = rest, verb = sn_str_cut(&id, '/');
    bool put = q->x->req.method == SN_HTTP_PUT, get = q->x->req.method == SN_HTTP_GET;
    if (!id.ptr) id = SN_STR("");
    if (put && !consul_writes(q)) return consul_forbidden(q);
    if (put && sn_str_eqc(verb, "create")) return session_create(q);
    if (put && sn_str_eqc(verb, "destroy")) return session_destroy(q, id);
    if (put && sn_str_eqc(verb, "renew")) return session_list(q, id, true);
    if (get && sn_str_eqc(verb, "info")) return session_list(q, id.len ? id : SN_STR("-"), false);
    if (get && (sn_str_eqc(verb, "list") || sn_str_eqc(verb, "node")))
        return session_list(q, SN_STR(""), false);
    return reg_text(q, 404, "no such session call");
}
