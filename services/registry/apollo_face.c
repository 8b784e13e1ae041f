/* SPDX-License-Identifier: Apache-2.0 */
/* registry/apollo_face.c - Apollo's configuration service: configs, files, notifications, and a
 * route of ours to publish. SPEC: Apollo's "config service" HTTP interface. A key of the store is
 * apollo/APP/CLUSTER/NAMESPACE, its value the JSON object of the configurations. */
#include "core/alloc.h"
#include "core/enc.h"
#include "crypto/hash.h"
#include "registry/server_int.h"

#define HOLD_NS (60 * SN_SEC)
#define CLOCK_SKEW_NS (60 * SN_SEC)
#define NOTES_MAX 200u

/* ---- names ---------------------------------------------------------------------------------- */

static bool part_ok(struct sn_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] == '/' || (unsigned char)s.ptr[i] < 0x20) return false;
    return s.len > 0 && s.len <= 128 && sn_utf8_valid(s);
}

/* Namespaces are compared without case, and "x.properties" is "x". */
static int key_of(struct reg_req *q, struct sn_str app, struct sn_str cluster, struct sn_str ns,
                  struct sn_str *ret)
{
    if (ns.len > 11 && sn_str_ieq(sn_str_from(ns, ns.len - 11), SN_STR(".properties")))
        ns.len -= 11;
    if (!part_ok(app) || !part_ok(cluster) || !part_ok(ns))
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "application, cluster or namespace: expected 1 to 128 characters "
                       "without a slash");
    struct sn_str key = sn_arena_printf(q->a, "apollo/%.*s/%.*s/%.*s", SN_STR_ARG(app),
                                        SN_STR_ARG(cluster), SN_STR_ARG(ns));
    if (!key.ptr) return SN_E_NOMEM;
    char *low = (char *)(uintptr_t)key.ptr + key.len - ns.len;
    for (size_t i = 0; i < ns.len; i++) low[i] = sn_ascii_lower(low[i]);
    *ret = key;
    return 0;
}

/* A release is looked for in the client's cluster, its data centre's, and the default one. */
static int places(struct reg_req *q, struct sn_str app, struct sn_str cluster, struct sn_str dc,
                  struct sn_str ns, struct sn_str ret[3], unsigned *ret_n)
{
    struct sn_str clusters[] = {cluster, dc, SN_STR("default")};
    *ret_n = 0;
    for (unsigned i = 0; i < 3; i++) {
        if (!clusters[i].len) continue;
        int r = key_of(q, app, clusters[i], ns, &ret[*ret_n]);
        if (r < 0) return r;
        ++*ret_n;
    }
    return 0;
}

static struct reg_kv *find(struct sn_regserver *s, const struct sn_str *keys, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct reg_kv *kv = reg_store_get(&s->store, keys[i]);
        if (kv) return kv;
    }
    return NULL;
}

/* ---- signatures ----------------------------------------------------------------------------- */

/* Authorization: Apollo APP:base64(HMAC-SHA1(secret, timestamp LF path-and-query)). */
static bool signed_ok(struct reg_req *q)
{
    struct sn_str secret = q->srv->o.apollo_secret;
    if (!secret.len) return true;
    const struct sn_http_headers *h = &q->x->req.headers;
    struct sn_str auth = sn_http_headers_get(h, SN_STR("authorization"));
    struct sn_str stamp = sn_http_headers_get(h, SN_STR("timestamp"));
    int64_t ms, now = sn_wall_now();
    ssize_t colon = auth.ptr ? sn_str_rchr(auth, ':') : -1;
    if (!sn_str_starts(auth, SN_STR("Apollo ")) || colon < 0 || sn_str_to_i64(stamp, &ms) < 0)
        return false;
    if (ms > now / SN_MS + CLOCK_SKEW_NS / SN_MS || ms < now / SN_MS - CLOCK_SKEW_NS / SN_MS)
        return false;
    struct sn_str text =
        sn_arena_printf(q->a, "%.*s\n%.*s", SN_STR_ARG(stamp), SN_STR_ARG(q->x->req.target));
    uint8_t mac[20], got[64];
    struct sn_str sig = sn_str_from(auth, (size_t)colon + 1);
    if (!text.ptr || sig.len > 60 || sn_base64_decode(sig, SN_BASE64_STD, got) != 20) return false;
    return sn_hmac_once(SN_SHA1, secret.ptr, secret.len, text.ptr, text.len, mac) >= 0 &&
           sn_equal_ct(mac, got, 20);
}

/* ---- configurations ------------------------------------------------------------------------- */

static int not_modified(struct reg_req *q)
{
    return sn_http_reply(q->x, 304, (struct sn_str){0}, SN_STR(""));
}

static int config_json(struct reg_req *q, struct sn_str app, struct sn_str cluster,
                       struct sn_str ns, struct sn_str release, struct sn_str value)
{
    struct sn_buf b;
    struct sn_jsonw w;
    sn_buf_init(&b, 0);
    sn_jsonw_init(&w, &b, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "appId", app);
    sn_jsonw_kstr(&w, "cluster", cluster);
    sn_jsonw_kstr(&w, "namespaceName", ns);
    sn_jsonw_key(&w, SN_STR("configurations"));
    sn_jsonw_raw(&w, value);
    sn_jsonw_kstr(&w, "releaseKey", release);
    sn_jsonw_object_end(&w);
    return reg_json(q, 200, &b);
}

/* The value is what a client gave through another face if it was not stored here: it must be an
 * object of strings. */
static int file_text(struct reg_req *q, struct sn_str value, bool json)
{
    const struct sn_json *j;
    if (json) return sn_http_reply(q->x, 200, SN_STR("application/json;charset=UTF-8"), value);
    int r = sn_json_parse(q->a, value, NULL, &j);
    if (r < 0) return reg_text(q, 500, "the stored value is no JSON object");
    struct sn_buf b;
    sn_buf_init(&b, 0);
    for (SN_JSON_MEMBERS(j, m)) {
        struct sn_str k = sn_json_str(&m->key), v = sn_json_str(&m->value);
        for (size_t i = 0; i < k.len; i++) {
            if (strchr(" :=#!\\", k.ptr[i])) (void)sn_buf_byte(&b, '\\');
            (void)sn_buf_byte(&b, (uint8_t)k.ptr[i]);
        }
        (void)sn_buf_byte(&b, '=');
        for (size_t i = 0; i < v.len; i++) {
            if (v.ptr[i] == '\n')
                (void)sn_buf_cstr(&b, "\\n");
            else if (v.ptr[i] == '\r')
                (void)sn_buf_cstr(&b, "\\r");
            else if (v.ptr[i] == '\\')
                (void)sn_buf_cstr(&b, "\\\\");
            else
                (void)sn_buf_byte(&b, (uint8_t)v.ptr[i]);
        }
        (void)sn_buf_byte(&b, '\n');
    }
    r = b.err;
    if (r >= 0) r = sn_http_reply(q->x, 200, SN_STR("text/plain;charset=UTF-8"), sn_buf_view(&b));
    sn_buf_done(&b);
    return r;
}

enum form { FORM_CONFIG, FORM_PROPERTIES, FORM_JSON };
static int config_get(struct reg_req *q, struct sn_str rest, enum form form)
{
    struct sn_str ns = rest, app = sn_str_cut(&ns, '/'),
                  cluster = ns.ptr ? sn_str_cut(&ns, '/') : SN_STR("");
    struct sn_str keys[3];
    unsigned n;
    if (!ns.ptr) ns = SN_STR("");
    int r = places(q, app, cluster, reg_param_or(q, "dataCenter", ""), ns, keys, &n);
    if (r < 0) return reg_text_of(q, r);
    reg_srv_lock(q->srv);
    struct reg_kv *kv = find(q->srv, keys, n);
    struct reg_value *v = kv ? reg_value_ref(kv->value) : NULL;
    unsigned long long rev = kv ? kv->mod_rev : 0;
    reg_srv_unlock(q->srv);
    if (!v)
        return reg_text(
            q, 404, "Could not load configurations: no such application, cluster and namespace");
    struct sn_str release = sn_arena_printf(q->a, "%llu-%016llx", rev,
                                            (unsigned long long)sn_hash(v->bytes, v->len, 1));
    if (!release.ptr)
        r = SN_E_NOMEM;
    else if (form != FORM_CONFIG)
        r = file_text(q, reg_value_str(v), form == FORM_JSON);
    else if (sn_str_eq(reg_param_or(q, "releaseKey", ""), release))
        r = not_modified(q);
    else
        r = config_json(q, app, cluster, ns, release, reg_value_str(v));
    reg_value_unref(v);
    return r;
}

/* ---- notifications -------------------------------------------------------------------------- */

struct note {
    struct sn_str name, keys[3];
    unsigned n_keys;
    int64_t id, now;
};

static int parse_notes(struct reg_req *q, struct note **ret, size_t *ret_n)
{
    const struct sn_json *j;
    struct sn_str app = reg_param_or(q, "appId", ""),
                  cluster = reg_param_or(q, "cluster", "default");
    int r = sn_json_parse(q->a, reg_param_or(q, "notifications", ""), NULL, &j);
    if (r < 0 || !sn_json_is(j, SN_JSON_ARRAY) || !sn_json_len(j) || sn_json_len(j) > NOTES_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "Invalid format of notifications: expected a JSON list of 1 to %u objects",
                       NOTES_MAX);
    struct note *notes = SN_ARENA_ARRAY(q->a, struct note, sn_json_len(j));
    if (!notes) return SN_E_NOMEM;
    size_t n = 0;
    for (SN_JSON_EACH(j, it)) {
        struct note *t = &notes[n++];
        t->name = sn_json_str(sn_json_get(it, "namespaceName"));
        t->id = sn_json_i64_or(sn_json_get(it, "notificationId"), -1);
        if (!t->name.len)
            return sn_fail(SN_E_INVALID_ARGUMENT, "notifications: an entry without namespaceName");
        r = places(q, app, cluster, reg_param_or(q, "dataCenter", ""), t->name, t->keys,
                   &t->n_keys);
        if (r < 0) return r;
    }
    *ret = notes;
    *ret_n = n;
    return 0;
}

static bool any_changed(struct sn_regserver *s, struct note *notes, size_t n)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        notes[i].now = -1;
        for (unsigned k = 0; k < notes[i].n_keys; k++) {
            struct reg_kv *kv = reg_store_get(&s->store, notes[i].keys[k]);
            if (kv) notes[i].now = SN_MAX(notes[i].now, (int64_t)kv->mod_rev);
        }
        /* An id from before a restart without memory is larger: that, too, is another state. */
        any |= notes[i].now >= 0 && notes[i].now != notes[i].id;
    }
    return any;
}

static int notes_json(struct reg_req *q, const struct note *notes, size_t n)
{
    struct sn_buf b;
    struct sn_jsonw w;
    sn_buf_init(&b, 0);
    sn_jsonw_init(&w, &b, NULL);
    sn_jsonw_array(&w);
    for (size_t i = 0; i < n; i++) {
        if (notes[i].now < 0 || notes[i].now == notes[i].id) continue;
        struct sn_str app = reg_param_or(q, "appId", ""),
                      cluster = reg_param_or(q, "cluster", "default");
        struct sn_str what = sn_arena_printf(q->a, "%.*s+%.*s+%.*s", SN_STR_ARG(app),
                                             SN_STR_ARG(cluster), SN_STR_ARG(notes[i].name));
        sn_jsonw_object(&w);
        sn_jsonw_kstr(&w, "namespaceName", notes[i].name);
        sn_jsonw_ki64(&w, "notificationId", notes[i].now);
        sn_jsonw_key(&w, SN_STR("messages"));
        sn_jsonw_object(&w);
        sn_jsonw_key(&w, SN_STR("details"));
        sn_jsonw_object(&w);
        sn_jsonw_key(&w, what.ptr ? what : SN_STR(""));
        sn_jsonw_i64(&w, notes[i].now);
        sn_jsonw_object_end(&w);
        sn_jsonw_object_end(&w);
        sn_jsonw_object_end(&w);
    }
    sn_jsonw_array_end(&w);
    return reg_json(q, 200, &b);
}

static int notifications(struct reg_req *q)
{
    struct note *notes;
    size_t n, n_w = 0;
    int r = parse_notes(q, &notes, &n);
    struct reg_waiter *w = r < 0 ? NULL : SN_ARENA_ARRAY(q->a, struct reg_waiter, 3 * n);
    if (r >= 0 && !w) r = SN_E_NOMEM;
    if (r < 0) return reg_text_of(q, r);
    for (size_t i = 0; i < n; i++)
        for (unsigned k = 0; k < notes[i].n_keys; k++)
            w[n_w++] = (struct reg_waiter){.kind = REG_WAIT_KEY, .name = notes[i].keys[k]};
    int64_t until = sn_now() + SN_MIN(HOLD_NS, q->srv->o.wait_ns_max);
    reg_srv_lock(q->srv);
    bool any;
    while (!(any = any_changed(q->srv, notes, n)) && r >= 0)
        r = reg_srv_block_any(q->srv, w, n_w, until);
    reg_srv_unlock(q->srv);
    return any ? notes_json(q, notes, n) : not_modified(q);
}

/* ---- publishing ----------------------------------------------------------------------------- */

/* PUT /configs/APP/CLUSTER/NAMESPACE with a JSON object of strings; DELETE removes it. */
static int publish(struct reg_req *q, struct sn_str rest)
{
    struct sn_str ns = rest, app = sn_str_cut(&ns, '/'),
                  cluster = ns.ptr ? sn_str_cut(&ns, '/') : SN_STR("");
    struct sn_str key;
    const struct sn_json *j = NULL;
    bool put = q->x->req.method == SN_HTTP_PUT;
    if (!reg_may_write(q, NULL, "token")) return reg_text(q, 403, "token expected");
    int r = key_of(q, app, cluster, ns.ptr ? ns : SN_STR(""), &key);
    if (r >= 0 && put) r = reg_body(q);
    if (r >= 0 && put) r = sn_json_parse(q->a, q->body, NULL, &j);
    if (r >= 0 && put && !sn_json_is(j, SN_JSON_OBJECT))
        r = sn_fail(SN_E_INVALID_ARGUMENT, "expected a JSON object of strings");
    for (SN_JSON_MEMBERS(j, m))
        if (r >= 0 && !sn_json_is(&m->value, SN_JSON_STRING))
            r = sn_fail(SN_E_INVALID_ARGUMENT, "%.*s: expected a string, got %s",
                        SN_STR_ARG(sn_str_sub(sn_json_str(&m->key), 0, 64)),
                        sn_json_kind_name(sn_json_kind(&m->value)));
    if (r < 0) return reg_text_of(q, r);
    struct reg_put p = {.key = key, .value = q->body};
    reg_srv_lock(q->srv);
    r = put ? reg_store_put(&q->srv->store, sn_now(), &p) : reg_store_del(&q->srv->store, key, 0);
    int c = reg_srv_commit(q->srv);
    if (r >= 0 && c < 0) r = c;
    return r < 0 ? reg_text_of(q, r) : reg_text(q, 200, "published\n");
}

/* The meta server: where the configuration service is. */
static int services(struct reg_req *q)
{
    struct sn_buf b;
    struct sn_jsonw w;
    struct sn_str host = q->x->req.authority;
    struct sn_str url = sn_arena_printf(q->a, "http://%.*s/", SN_STR_ARG(host));
    if (!url.ptr) return SN_E_NOMEM;
    sn_buf_init(&b, 0);
    sn_jsonw_init(&w, &b, NULL);
    sn_jsonw_array(&w);
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "appName", SN_STR("APOLLO-CONFIGSERVICE"));
    sn_jsonw_kstr(&w, "instanceId", host);
    sn_jsonw_kstr(&w, "homepageUrl", url);
    sn_jsonw_object_end(&w);
    sn_jsonw_array_end(&w);
    return reg_json(q, 200, &b);
}

int reg_apollo_handler(struct sn_http_x *x, void *server)
{
    struct reg_req q;
    int r = reg_req_init(&q, server, x);
    if (r != 0) return r < 0 ? r : 0;
    struct sn_str p = q.path;
    bool get = x->req.method == SN_HTTP_GET;
    if (sn_str_eqc(p, "/services/config") && get) return services(&q);
    if (sn_str_eqc(p, "/health") && get)
        return sn_http_reply(x, 200, SN_STR("application/json"), SN_STR("{\"status\":\"UP\"}"));
    if (sn_str_starts(p, SN_STR("/configs/")) &&
        (x->req.method == SN_HTTP_PUT || x->req.method == SN_HTTP_DELETE))
        return publish(&q, sn_str_from(p, 9));
    if (!get) return reg_text(&q, 405, "method not allowed");
    if (!signed_ok(&q))
        return reg_text(&q, 401,
                        "unauthorized: a signature with the application's secret and the present "
                        "time is expected");
    if (sn_str_eqc(p, "/notifications/v2")) return notifications(&q);
    if (sn_str_starts(p, SN_STR("/configs/")))
        return config_get(&q, sn_str_from(p, 9), FORM_CONFIG);
    if (sn_str_starts(p, SN_STR("/configfiles/json/")))
        return config_get(&q, sn_str_from(p, 18), FORM_JSON);
    if (sn_str_starts(p, SN_STR("/configfiles/")))
        return config_get(&q, sn_str_from(p, 13), FORM_PROPERTIES);
    return reg_text(&q, 404, "no such call here");
}
