/* SPDX-License-Identifier: Apache-2.0 */
/* registry/nacos_config.c - Nacos's configurations: read, publish, listen. SPEC: the Open API of
 * Nacos; a key of the store is nacos/TENANT/GROUP/DATAID. */
#include "core/alloc.h"
#include "core/enc.h"
#include "core/time.h"
#include "registry/nacos_int.h"

#define LISTEN_MAX 3000u
#define HOLD_DEFAULT (30 * SN_SEC)
#define HOLD_MIN (10 * SN_SEC)
#define HOLD_EARLY (500 * SN_MS)

int nacos_md5(struct sn_str content, char ret[NACOS_MD5_LEN])
{
    uint8_t digest[16];
    int r = sn_hash_once(SN_MD5, content.ptr, content.len, digest);
    if (r >= 0) (void)sn_hex_encode(digest, 16, ret);
    return r;
}

int nacos_listening(struct sn_str *text, struct nacos_listen *ret)
{
    if (!text->ptr || !text->len) return 0;
    struct sn_str entry = sn_str_cut(text, 1), all = entry;
    struct nacos_listen l = {.data_id = sn_str_cut(&entry, 2)};
    l.group = entry.ptr ? sn_str_cut(&entry, 2) : (struct sn_str){0};
    l.md5 = entry.ptr ? sn_str_cut(&entry, 2) : (struct sn_str){0};
    l.tenant = entry.ptr ? sn_str_cut(&entry, 2) : (struct sn_str){0};
    if (!l.data_id.len || !l.group.len || !l.md5.ptr)
        return sn_fail(SN_E_SYNTAX,
                       "Listening-Configs: expected dataId, group and md5 between bytes 2, "
                       "got an entry of %zu bytes",
                       all.len);
    *ret = l;
    return 1;
}

/* Names as Nacos allows them; anything else could reach into another one's keys. */
static bool name_ok(struct sn_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i], l = sn_ascii_lower(c);
        if (!(l >= 'a' && l <= 'z') && !(c >= '0' && c <= '9') && c != '.' && c != ':' &&
            c != '_' && c != '-')
            return false;
    }
    return s.len > 0 && s.len <= 256;
}

int nacos_key(struct sn_arena *a, struct sn_str tenant, struct sn_str group, struct sn_str id,
              struct sn_str *ret)
{
    if (!tenant.len) tenant = SN_STR(REG_STORE_NS);
    if (!name_ok(tenant) || !name_ok(group) || !name_ok(id))
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "invalid dataId, group or tenant: expected letters, digits and "
                       ". : _ -, at most 256");
    *ret = sn_arena_printf(a, "nacos/%.*s/%.*s/%.*s", SN_STR_ARG(tenant), SN_STR_ARG(group),
                           SN_STR_ARG(id));
    return ret->ptr ? 0 : SN_E_NOMEM;
}

static int asked_key(struct reg_req *q, struct sn_str *ret)
{
    struct sn_str tenant = reg_param_or(q, "tenant", "");
    return nacos_key(q->a, tenant, reg_param_or(q, "group", ""), reg_param_or(q, "dataId", ""), ret);
}

static int config_get(struct reg_req *q)
{
    struct sn_str key;
    char md5[NACOS_MD5_LEN];
    int r = asked_key(q, &key);
    if (r < 0) return reg_text_of(q, r);
    reg_srv_lock(q->srv);
    struct reg_kv *kv = reg_store_get(&q->srv->store, key);
    struct reg_value *v = kv ? reg_value_ref(kv->value) : NULL;
    reg_srv_unlock(q->srv);
    if (!v) return reg_text(q, 404, "config data not exist");
    r = nacos_md5(reg_value_str(v), md5);
    if (r >= 0) r = sn_http_header_add(q->x, SN_STR("Content-MD5"), sn_str_of(md5, sizeof(md5)));
    if (r >= 0) r = sn_http_header_add(q->x, SN_STR("X-Content-Type-Options"), SN_STR("nosniff"));
    if (r >= 0) r = sn_http_reply(q->x, 200, SN_STR("text/plain;charset=UTF-8"), reg_value_str(v));
    reg_value_unref(v);
    return r;
}

int nacos_publish(struct sn_regserver *s, struct sn_str key, struct sn_str content,
                  struct sn_str cas_md5)
{
    struct reg_put p = {.key = key, .value = content};
    char md5[NACOS_MD5_LEN];
    bool stale = false;
    int r = 0;
    reg_srv_lock(s);
    struct reg_kv *kv = reg_store_get(&s->store, key);
    if (cas_md5.len) {
        r = nacos_md5(kv ? reg_value_str(kv->value) : SN_STR(""), md5);
        stale = r >= 0 && !(kv && sn_str_eq(cas_md5, sn_str_of(md5, sizeof(md5))));
    }
    if (r >= 0 && !stale) r = reg_store_put(&s->store, sn_now(), &p);
    int c = reg_srv_commit(s);
    if (r >= 0) r = c;
    return r < 0 ? r : !stale;
}

static int config_publish(struct reg_req *q)
{
    struct sn_str key, content = reg_param(q, "content"), cas = reg_param(q, "casMd5");
    if (!nacos_writes(q)) return nacos_forbidden(q);
    if (!cas.ptr) cas = sn_http_headers_get(&q->x->req.headers, SN_STR("casmd5"));
    int r = asked_key(q, &key);
    if (r >= 0 && !content.len) r = sn_fail(SN_E_INVALID_ARGUMENT, "Param 'content' is required.");
    if (r >= 0) r = nacos_publish(q->srv, key, content, cas);
    if (r < 0) return reg_text_of(q, r);
    return r ? nacos_ok(q, "true")
             : reg_text(q, 500, "Cas publish fail,server md5 may have changed.");
}

static int config_delete(struct reg_req *q)
{
    struct sn_str key;
    if (!nacos_writes(q)) return nacos_forbidden(q);
    int r = asked_key(q, &key);
    if (r < 0) return reg_text_of(q, r);
    reg_srv_lock(q->srv);
    (void)reg_store_del(&q->srv->store, key, 0);
    r = reg_srv_commit(q->srv);
    return r < 0 ? reg_text_of(q, r) : nacos_ok(q, "true");
}

/* ---- listening ------------------------------------------------------------------------------ */

struct listener {
    struct nacos_listen *l;
    struct reg_waiter *w;
    size_t n;
};

static int parse_listen(struct reg_req *q, struct listener *ret)
{
    struct sn_str text = reg_param(q, "Listening-Configs"), rest = text;
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) n += text.ptr[i] == 1;
    if (!text.len) return sn_fail(SN_E_INVALID_ARGUMENT, "Listening-Configs is missing");
    if (n > LISTEN_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "Listening-Configs: at most %u entries", LISTEN_MAX);
    struct listener t = {.l = SN_ARENA_ARRAY(q->a, struct nacos_listen, n + 1),
                         .w = SN_ARENA_ARRAY(q->a, struct reg_waiter, n + 1)};
    if (!t.l || !t.w) return SN_E_NOMEM;
    int r;
    while ((r = nacos_listening(&rest, &t.l[t.n])) > 0) {
        struct nacos_listen *l = &t.l[t.n];
        t.w[t.n].kind = REG_WAIT_KEY;
        if ((r = nacos_key(q->a, l->tenant, l->group, l->data_id, &t.w[t.n].name)) < 0) return r;
        if (++t.n > n) break;
    }
    *ret = t;
    return r < 0 ? r : 0;
}

/* Which of them are no longer as the client has them: appended in the form the client expects. */
static int changed(struct reg_req *q, const struct listener *t, struct sn_buf *out)
{
    for (size_t i = 0; i < t->n; i++) {
        char md5[NACOS_MD5_LEN];
        struct reg_kv *kv = reg_store_get(&q->srv->store, t->w[i].name);
        struct sn_str now = SN_STR("");
        int r = kv ? nacos_md5(reg_value_str(kv->value), md5) : 0;
        if (r < 0) return r;
        if (kv) now = sn_str_of(md5, sizeof(md5));
        if (sn_str_eq(now, t->l[i].md5)) continue;
        (void)sn_buf_pct(out, t->l[i].data_id, SN_PCT_QUERY);
        (void)sn_buf_cstr(out, "%02");
        (void)sn_buf_pct(out, t->l[i].group, SN_PCT_QUERY);
        if (t->l[i].tenant.len) {
            (void)sn_buf_cstr(out, "%02");
            (void)sn_buf_pct(out, t->l[i].tenant, SN_PCT_QUERY);
        }
        (void)sn_buf_cstr(out, "%01");
    }
    return out->err;
}

static int64_t hold_of(struct reg_req *q)
{
    const struct sn_http_headers *h = &q->x->req.headers;
    int64_t ms = 0;
    struct sn_str v = sn_http_headers_get(h, SN_STR("long-pulling-timeout"));
    if (!v.len) return 0; /* a client that does not wait */
    if (sn_str_eqc(sn_http_headers_get(h, SN_STR("long-pulling-timeout-no-hangup")), "true"))
        return 0;
    if (sn_str_to_i64(v, &ms) < 0 || ms < 0) return HOLD_DEFAULT;
    ms = SN_MIN(ms, (int64_t)86400000);
    return SN_MIN(SN_MAX(ms * SN_MS - HOLD_EARLY, (int64_t)HOLD_MIN), q->srv->o.wait_ns_max);
}

static int config_listen(struct reg_req *q)
{
    struct listener t;
    struct sn_buf out;
    if (!q->form.ptr) { /* some clients send the form without its type */
        int r = reg_body(q);
        if (r < 0) return r;
        q->form = q->body;
    }
    int r = parse_listen(q, &t);
    if (r < 0) return reg_text_of(q, r);
    int64_t hold = hold_of(q), until = sn_now() + hold;
    sn_buf_init(&out, 0);
    reg_srv_lock(q->srv);
    r = changed(q, &t, &out);
    while (r >= 0 && out.len == 0 && hold > 0) {
        int e = reg_srv_block_any(q->srv, t.w, t.n, until);
        r = changed(q, &t, &out);
        if (e < 0) break;
    }
    reg_srv_unlock(q->srv);
    if (r >= 0) r = sn_http_reply(q->x, 200, SN_STR("text/plain;charset=UTF-8"), sn_buf_view(&out));
    sn_buf_done(&out);
    return r;
}

/* ---- history -------------------------------------------------------------------------------- */

static void past_json(struct sn_jsonw *w, struct reg_req *q, const struct reg_value *v,
                      uint64_t rev, int64_t wall)
{
    char md5[NACOS_MD5_LEN], time[SN_RFC3339_MAX];
    (void)sn_time_rfc3339(wall, 3, time);
    sn_jsonw_object(w);
    sn_jsonw_ku64(w, "id", rev);
    sn_jsonw_kstr(w, "dataId", reg_param_or(q, "dataId", ""));
    sn_jsonw_kstr(w, "group", reg_param_or(q, "group", ""));
    sn_jsonw_kstr(w, "tenant", reg_param_or(q, "tenant", ""));
    sn_jsonw_kstr(w, "content", reg_value_str(v));
    if (nacos_md5(reg_value_str(v), md5) >= 0) sn_jsonw_kstr(w, "md5", sn_str_of(md5, sizeof(md5)));
    sn_jsonw_kstr(w, "lastModifiedTime", sn_str(time));
    sn_jsonw_object_end(w);
}

static int config_history(struct reg_req *q)
{
    struct sn_str key;
    struct sn_buf b;
    struct sn_jsonw w;
    int r = asked_key(q, &key);
    if (r < 0) return reg_text_of(q, r);
    sn_buf_init(&b, 0);
    sn_jsonw_init(&w, &b, NULL);
    reg_srv_lock(q->srv);
    struct reg_kv *kv = reg_store_get(&q->srv->store, key);
    sn_jsonw_object(&w);
    sn_jsonw_ku64(&w, "totalCount", kv ? kv->n_past + 1 : 0);
    sn_jsonw_ku64(&w, "pageNumber", 1);
    sn_jsonw_ku64(&w, "pagesAvailable", 1);
    sn_jsonw_key(&w, SN_STR("pageItems"));
    sn_jsonw_array(&w);
    if (kv) past_json(&w, q, kv->value, kv->mod_rev, kv->wall_ns);
    for (uint32_t i = kv ? kv->n_past : 0; i > 0; i--)
        past_json(&w, q, kv->past[i - 1].value, kv->past[i - 1].mod_rev, kv->past[i - 1].wall_ns);
    sn_jsonw_array_end(&w);
    sn_jsonw_object_end(&w);
    reg_srv_unlock(q->srv);
    return reg_json(q, 200, &b);
}

int nacos_config(struct reg_req *q, struct sn_str what)
{
    enum sn_http_method m = q->x->req.method;
    if (sn_str_eqc(what, "configs/listener") && m == SN_HTTP_POST) return config_listen(q);
    if (sn_str_eqc(what, "history") && m == SN_HTTP_GET) return config_history(q);
    if (!sn_str_eqc(what, "configs")) return reg_text(q, 404, "no such configuration call");
    if (m == SN_HTTP_GET) return config_get(q);
    if (m == SN_HTTP_POST) return config_publish(q);
    if (m == SN_HTTP_DELETE) return config_delete(q);
    return reg_text(q, 405, "method not allowed");
}
