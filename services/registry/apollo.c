/* SPDX-License-Identifier: Apache-2.0 */
/* registry/apollo.c - Apollo as a backend: configurations only. SPEC: Apollo's "config service"
 * HTTP interface, notifications v2, and its access key signature. */
#include "core/alloc.h"
#include "core/enc.h"
#include "crypto/hash.h"
#include "kit/http.h"
#include "registry/backend_int.h"
#include "wire/json.h"

struct apollo {
    struct reg_env *env;
    struct sn_http_client *http;
    struct sn_str app, cluster, dc;
};

static int apollo_open(struct reg_env *env, void **ret)
{
    struct apollo *c = SN_NEW(struct apollo);
    if (!c) return SN_E_NOMEM;
    c->env = env;
    c->app = reg_url_opt(&env->url, "app", "");
    c->cluster = reg_url_opt(&env->url, "cluster", "default");
    c->dc = reg_url_opt(&env->url, "dc", "");
    int r = c->app.len
                ? sn_http_client_new(&(struct sn_http_client_opts){.h2_off = true}, &c->http)
                : sn_fail(SN_E_SYNTAX, "registry URL: apollo needs the application, ?app=NAME");
    if (r < 0)
        sn_free(c);
    else
        *ret = c;
    return r;
}

static void apollo_close(void *b)
{
    struct apollo *c = b;
    sn_http_client_free(c->http);
    sn_free(c);
}

/* Authorization: Apollo APP:base64(HMAC-SHA1(secret, timestamp LF path-and-query)). */
static int sign(struct apollo *c, struct sn_arena *a, struct sn_str target, struct sn_label ret[2])
{
    uint8_t mac[20];
    char sig[28];
    struct sn_str stamp = sn_arena_printf(a, "%lld", (long long)(sn_wall_now() / SN_MS));
    struct sn_str text =
        stamp.ptr ? sn_arena_printf(a, "%s\n%.*s", stamp.ptr, SN_STR_ARG(target)) : stamp;
    if (!text.ptr) return SN_E_NOMEM;
    int r = sn_hmac_once(SN_SHA1, c->env->token.ptr, c->env->token.len, text.ptr, text.len, mac);
    if (r < 0) return r;
    size_t n = sn_base64_encode(mac, sizeof(mac), SN_BASE64_STD, sig);
    ret[0] = (struct sn_label){SN_STR("timestamp"), stamp};
    ret[1] =
        (struct sn_label){SN_STR("authorization"),
                          sn_arena_printf(a, "Apollo %.*s:%.*s", SN_STR_ARG(c->app), (int)n, sig)};
    return ret[1].value.ptr ? 0 : SN_E_NOMEM;
}

static int get(struct apollo *c, struct sn_arena *a, struct sn_buf *t, int64_t ns_max,
               struct reg_answer *ret)
{
    struct sn_label auth[2];
    struct reg_call call = {.method = "GET",
                            .target = sn_buf_view(t),
                            .ns_max = ns_max,
                            .headers = auth};
    int r = t->err;
    if (r >= 0 && c->env->token.len) {
        r = sign(c, a, call.target, auth);
        call.n_headers = 2;
    }
    return r < 0 ? r : reg_http(c->env, c->http, a, &call, ret);
}

static bool plain_scalar(struct sn_str v)
{
    double d;
    int64_t i;
    return sn_str_to_i64(v, &i) == 0 || sn_str_to_double(v, &d) == 0 || sn_str_eqc(v, "true") ||
           sn_str_eqc(v, "false");
}

/* Properties become a mapping in YAML, numbers and truth values unquoted: what kit/config decodes.
 * Namespaces of other formats hold one entry, "content": the file. */
static int text_of(const struct sn_json *conf, struct sn_str ns, struct sn_arena *a,
                   struct sn_str *ret)
{
    static const char *const files[] = {".yaml", ".yml", ".json", ".xml", ".txt"};
    for (size_t i = 0; i < SN_COUNT_OF(files); i++)
        if (sn_str_ends(ns, sn_str(files[i]))) {
            *ret = sn_json_str(sn_json_get(conf, "content"));
            return ret->ptr
                       ? 0
                       : sn_fail(SN_E_PROTOCOL, "apollo: %.*s has no \"content\"", SN_STR_ARG(ns));
        }
    struct sn_buf b;
    sn_buf_init(&b, SN_REG_CONFIG_MAX);
    for (SN_JSON_MEMBERS(conf, m)) {
        struct sn_str v = sn_json_str(&m->value);
        (void)sn_json_write_string(&b, sn_json_str(&m->key));
        (void)sn_buf_cstr(&b, ": ");
        if (plain_scalar(v))
            (void)sn_buf_str(&b, v);
        else
            (void)sn_json_write_string(&b, v.ptr ? v : SN_STR(""));
        (void)sn_buf_byte(&b, '\n');
    }
    int r = b.err;
    if (r >= 0 && !(*ret = sn_arena_str(a, sn_buf_view(&b))).ptr) r = SN_E_NOMEM;
    sn_buf_done(&b);
    return r;
}

static int config_get(struct apollo *c, struct reg_pull *p)
{
    struct sn_buf t;
    struct reg_answer ans;
    const struct sn_json *j;
    sn_buf_init(&t, 8192);
    (void)sn_buf_cstr(&t, "/configs/");
    (void)sn_buf_pct(&t, c->app, SN_PCT_UNRESERVED);
    (void)sn_buf_byte(&t, '/');
    (void)sn_buf_pct(&t, c->cluster, SN_PCT_UNRESERVED);
    (void)sn_buf_byte(&t, '/');
    (void)sn_buf_pct(&t, p->name, SN_PCT_UNRESERVED);
    if (c->dc.len) {
        (void)sn_buf_cstr(&t, "?dataCenter=");
        (void)sn_buf_pct(&t, c->dc, SN_PCT_QUERY);
    }
    int r = get(c, p->arena, &t, 0, &ans);
    sn_buf_done(&t);
    if (r < 0) return r;
    p->found = ans.status != 404;
    if (!p->found) return 1;
    if ((r = reg_status("apollo: configuration", &ans)) < 0) return r;
    if ((r = sn_json_parse(p->arena, ans.body, NULL, &j)) < 0) return r;
    const struct sn_json *conf = sn_json_get(j, "configurations");
    if (!sn_json_is(conf, SN_JSON_OBJECT))
        return sn_fail(SN_E_PROTOCOL, "apollo: no \"configurations\" in the answer");
    r = text_of(conf, p->name, p->arena, &p->text);
    return r < 0 ? r : 1;
}

/* Returns 1 where there is news (and the new id in p->cursor), 0 where not in its time. The cursor
 * is the notification id plus two: 0 is "never asked". */
static int notified(struct apollo *c, struct reg_pull *p)
{
    struct sn_buf t, list;
    struct sn_jsonw w;
    struct reg_answer ans;
    const struct sn_json *j;
    sn_buf_init(&list, 4096);
    sn_jsonw_init(&w, &list, NULL);
    sn_jsonw_array(&w);
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "namespaceName", p->name);
    sn_jsonw_ki64(&w, "notificationId", (int64_t)p->cursor - 2);
    sn_jsonw_object_end(&w);
    sn_jsonw_array_end(&w);
    sn_buf_init(&t, 16384);
    (void)sn_buf_cstr(&t, "/notifications/v2?appId=");
    (void)sn_buf_pct(&t, c->app, SN_PCT_UNRESERVED);
    (void)sn_buf_cstr(&t, "&cluster=");
    (void)sn_buf_pct(&t, c->cluster, SN_PCT_UNRESERVED);
    (void)sn_buf_cstr(&t, "&notifications=");
    (void)sn_buf_pct(&t, sn_buf_view(&list), SN_PCT_UNRESERVED);
    /* The server holds the question for sixty seconds, whatever we would like. */
    int r = list.err < 0 ? list.err : get(c, p->arena, &t, SN_MINUTE + 30 * SN_SEC, &ans);
    sn_buf_done(&t);
    sn_buf_done(&list);
    if (r < 0 || ans.status == 304) return r < 0 ? r : 0;
    if ((r = reg_status("apollo: notifications", &ans)) < 0) return r;
    if ((r = sn_json_parse(p->arena, ans.body, NULL, &j)) < 0) return r;
    int64_t id = sn_json_i64_or(sn_json_get(sn_json_at(j, 0), "notificationId"), -1);
    if (id < -1) return sn_fail(SN_E_PROTOCOL, "apollo: a notification without an id");
    p->cursor = (uint64_t)id + 2;
    return 1;
}

static int apollo_config(void *b, struct reg_pull *p)
{
    struct apollo *c = b;
    if (p->fresh) {
        p->cursor = 1;
        return config_get(c, p);
    }
    int r = notified(c, p);
    if (r == SN_E_DEADLINE_EXCEEDED && !sn_cancelled()) return 0; /* our own limit was shorter */
    return r <= 0 ? r : config_get(c, p);
}

static int apollo_pull(void *b, struct reg_pull *p)
{
    return sn_fail(SN_E_UNIMPLEMENTED, "apollo has configurations, no services");
}

const struct reg_backend reg_apollo = {
    .scheme = "apollo",
    .port = 8080,
    .opts = "app cluster dc",
    .open = apollo_open,
    .close = apollo_close,
    .pull = apollo_pull,
    .config = apollo_config,
};
