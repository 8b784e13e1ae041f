/* SPDX-License-Identifier: Apache-2.0 */
/* registry/nacos.c - Nacos as a backend, over its HTTP API v1: instances with heartbeats, lists by
 * polling, configurations with a long poll. SPEC: the Open API of Nacos 1.x/2.x. */
#include "core/alloc.h"
#include "core/enc.h"
#include "core/map.h"
#include "crypto/hash.h"
#include "kit/http.h"
#include "registry/backend_int.h"
#include "wire/json.h"

struct nacos {
    struct reg_env *env;
    struct sn_http_client *http;
    struct sn_str group, namespace, cluster;
};

static int nacos_open(struct reg_env *env, void **ret)
{
    struct nacos *c = SN_NEW(struct nacos);
    if (!c) return SN_E_NOMEM;
    c->env = env;
    c->group = reg_url_opt(&env->url, "group", "DEFAULT_GROUP");
    c->namespace = reg_url_opt(&env->url, "namespace", "");
    c->cluster = reg_url_opt(&env->url, "cluster", "DEFAULT");
    int r = sn_http_client_new(&(struct sn_http_client_opts){.h2_off = true}, &c->http);
    if (r < 0)
        sn_free(c);
    else
        *ret = c;
    return r;
}

static void nacos_close(void *b)
{
    struct nacos *c = b;
    sn_http_client_free(c->http);
    sn_free(c);
}

static void param(struct sn_buf *b, const char *name, struct sn_str v)
{
    (void)sn_buf_printf(b, "%s=", name);
    (void)sn_buf_pct(b, v, SN_PCT_QUERY);
    (void)sn_buf_byte(b, '&');
}

static void service_params(struct nacos *c, struct sn_buf *b, struct sn_str service)
{
    struct sn_buf full;
    char mem[2 * SN_REG_NAME_MAX];
    sn_buf_init_fixed(&full, mem, sizeof(mem));
    (void)sn_buf_printf(&full, "%.*s@@%.*s", SN_STR_ARG(c->group), SN_STR_ARG(service));
    if (full.err < 0) b->err = full.err;
    param(b, "serviceName", sn_buf_view(&full));
    param(b, "groupName", c->group);
    if (c->namespace.len) param(b, "namespaceId", c->namespace);
    if (c->env->token.len) param(b, "accessToken", c->env->token);
}

static int ask(struct nacos *c, struct sn_arena *a, struct reg_call *call, struct sn_buf *target,
               struct reg_answer *ret)
{
    if (target->err < 0) return target->err;
    call->target = sn_buf_view(target);
    return reg_http(c->env, c->http, a, call, ret);
}

/* ---- naming --------------------------------------------------------------------------------- */

static int host_of(struct sn_arena *a, const struct sn_json *h, struct sn_str service,
                   struct sn_instance *ret)
{
    struct sn_instance in = {.id = sn_json_str(sn_json_get(h, "instanceId")),
                             .service = service,
                             .address = sn_json_str(sn_json_get(h, "ip")),
                             .zone = sn_json_str(sn_json_get(h, "clusterName")),
                             .healthy = sn_json_bool_or(sn_json_get(h, "healthy"), true) &&
                                        sn_json_bool_or(sn_json_get(h, "enabled"), true)};
    int64_t port = sn_json_i64_or(sn_json_get(h, "port"), -1);
    double weight = sn_json_double_or(sn_json_get(h, "weight"), 1);
    if (!in.address.len || port < 0 || port > 65535)
        return sn_fail(SN_E_PROTOCOL, "nacos: a host without ip or port");
    in.port = (uint16_t)port;
    /* A weight is a real number; 0 asks for no traffic. */
    if (weight <= 0) in.healthy = false;
    in.weight = weight < 1 ? 1 : weight > 1e6 ? 1000000 : (uint32_t)weight;
    const struct sn_json *meta = sn_json_get(h, "metadata");
    struct sn_label *l = SN_ARENA_ARRAY(a, struct sn_label, sn_json_len(meta));
    if (!l) return SN_E_NOMEM;
    for (SN_JSON_MEMBERS(meta, m))
        if (sn_json_str(&m->value).ptr)
            l[in.n_labels++] = (struct sn_label){sn_json_str(&m->key), sn_json_str(&m->value)};
    in.labels = l;
    *ret = in;
    return 0;
}

static int list_once(struct nacos *c, struct reg_pull *p)
{
    struct sn_buf t;
    struct reg_answer ans;
    struct reg_call call = {.method = "GET"};
    const struct sn_json *j;
    sn_buf_init(&t, 8192);
    (void)sn_buf_cstr(&t, "/nacos/v1/ns/instance/list?healthyOnly=false&");
    service_params(c, &t, p->name);
    int r = ask(c, p->arena, &call, &t, &ans);
    sn_buf_done(&t);
    if (r >= 0) r = reg_status("nacos: list", &ans);
    if (r >= 0) r = sn_json_parse(p->arena, ans.body, NULL, &j);
    if (r < 0) return r;
    const struct sn_json *hosts = sn_json_get(j, "hosts");
    if (!sn_json_is(hosts, SN_JSON_ARRAY))
        return sn_fail(SN_E_PROTOCOL, "nacos: a list without \"hosts\"");
    if (!(p->list = SN_ARENA_ARRAY(p->arena, struct sn_instance, sn_json_len(hosts))))
        return SN_E_NOMEM;
    p->n = 0;
    for (SN_JSON_EACH(hosts, it)) {
        if ((r = host_of(p->arena, it, p->name, &p->list[p->n])) < 0) return r;
        p->n++;
    }
    return 1;
}

/* v1 has no call that waits for a change of the list: every poll is an answer, compared above. */
static int nacos_pull(void *b, struct reg_pull *p)
{
    struct nacos *c = b;
    if (!p->fresh) {
        int r = sn_sleep(c->env->poll_ns);
        if (r < 0) return r;
    }
    return list_once(c, p);
}

static void instance_params(struct nacos *c, struct sn_buf *b, const struct reg_lease *l,
                            bool whole)
{
    char port[8];
    struct sn_buf t;
    service_params(c, b, l->in.service);
    param(b, "ip", l->in.address);
    sn_buf_init_fixed(&t, port, sizeof(port));
    (void)sn_buf_u64(&t, l->in.port);
    param(b, "port", sn_buf_view(&t));
    struct sn_str cluster = l->in.zone.len ? l->in.zone : c->cluster;
    param(b, "clusterName", cluster);
    param(b, "cluster", cluster);
    (void)sn_buf_cstr(b, "ephemeral=true&");
    if (!whole) return;
    struct sn_buf meta;
    struct sn_jsonw w;
    sn_buf_init(&meta, 0);
    sn_jsonw_init(&w, &meta, NULL);
    sn_jsonw_object(&w);
    for (uint32_t i = 0; i < l->in.n_labels; i++) {
        sn_jsonw_key(&w, l->in.labels[i].name);
        sn_jsonw_str(&w, l->in.labels[i].value);
    }
    char ms[24];
    const struct {
        const char *name;
        int64_t ns;
    } times[] = {{"preserved.heart.beat.interval", l->ttl_ns / 3},
                 {"preserved.heart.beat.timeout", l->ttl_ns},
                 {"preserved.ip.delete.timeout", 2 * l->ttl_ns}};
    for (size_t i = 0; i < SN_COUNT_OF(times); i++) {
        sn_buf_init_fixed(&t, ms, sizeof(ms));
        (void)sn_buf_i64(&t, SN_MAX(times[i].ns / SN_MS, (int64_t)1000));
        sn_jsonw_kstr(&w, times[i].name, sn_buf_view(&t));
    }
    sn_jsonw_object_end(&w);
    (void)sn_buf_printf(b, "weight=%u&enabled=true&healthy=true&", l->in.weight);
    param(b, "metadata", sn_buf_view(&meta));
    if (meta.err < 0) b->err = meta.err;
    sn_buf_done(&meta);
}

static int on_instance(struct nacos *c, const char *method, const char *path,
                       const struct reg_lease *l, bool whole, const char *what, struct sn_arena *a,
                       struct reg_answer *ans)
{
    struct sn_buf t;
    struct reg_call call = {.method = method};
    sn_buf_init(&t, 0);
    (void)sn_buf_cstr(&t, path);
    instance_params(c, &t, l, whole);
    int r = ask(c, a, &call, &t, ans);
    if (r >= 0) r = reg_status(what, ans);
    sn_buf_done(&t);
    return r;
}

static int nacos_put(void *b, struct reg_lease *l)
{
    struct sn_arena a;
    struct reg_answer ans;
    sn_arena_init(&a, NULL, 1 << 20);
    int r = on_instance(b, "POST", "/nacos/v1/ns/instance?", l, true, "nacos: register", &a, &ans);
    sn_arena_done(&a);
    return r;
}

#define CODE_NOT_FOUND 20404
static int nacos_renew(void *b, struct reg_lease *l)
{
    struct sn_arena a;
    struct reg_answer ans;
    const struct sn_json *j;
    sn_arena_init(&a, NULL, 1 << 20);
    int r = on_instance(b, "PUT", "/nacos/v1/ns/instance/beat?", l, false, "nacos: heartbeat", &a,
                        &ans);
    if (r >= 0) r = sn_json_parse(&a, ans.body, NULL, &j);
    if (r >= 0 && sn_json_i64_or(sn_json_get(j, "code"), 0) == CODE_NOT_FOUND) r = SN_E_NOT_FOUND;
    sn_arena_done(&a);
    return r;
}

static int nacos_remove(void *b, struct reg_lease *l)
{
    struct sn_arena a;
    struct reg_answer ans;
    sn_arena_init(&a, NULL, 1 << 20);
    int r =
        on_instance(b, "DELETE", "/nacos/v1/ns/instance?", l, false, "nacos: deregister", &a, &ans);
    sn_arena_done(&a);
    return r;
}

/* ---- configuration -------------------------------------------------------------------------- */

struct seen {
    char md5[33]; /* "" where the key is not there */
};

static void config_params(struct nacos *c, struct sn_buf *t, struct sn_str key)
{
    param(t, "dataId", key);
    param(t, "group", c->group);
    if (c->namespace.len) param(t, "tenant", c->namespace);
    if (c->env->token.len) param(t, "accessToken", c->env->token);
}

static int config_get(struct nacos *c, struct reg_pull *p, struct seen *s)
{
    struct sn_buf t;
    struct reg_answer ans;
    struct reg_call call = {.method = "GET"};
    uint8_t digest[16];
    sn_buf_init(&t, 8192);
    (void)sn_buf_cstr(&t, "/nacos/v1/cs/configs?");
    config_params(c, &t, p->name);
    int r = ask(c, p->arena, &call, &t, &ans);
    sn_buf_done(&t);
    if (r < 0) return r;
    s->md5[0] = 0;
    p->found = ans.status != 404;
    if (!p->found) return 1;
    if ((r = reg_status("nacos: configuration", &ans)) < 0) return r;
    if ((r = sn_hash_once(SN_MD5, ans.body.ptr, ans.body.len, digest)) < 0) return r;
    s->md5[sn_hex_encode(digest, 16, s->md5)] = 0;
    p->text = ans.body;
    return 1;
}

/* Returns 1 where it changed, 0 where not in its time. */
static int listen(struct nacos *c, struct reg_pull *p, const struct seen *s)
{
    struct sn_buf entry, body, t;
    struct reg_answer ans;
    char ms[24];
    sn_buf_init(&entry, 4096);
    sn_buf_init(&body, 16384);
    sn_buf_init(&t, 4096);
    (void)sn_buf_printf(&entry, "%.*s\x02%.*s\x02%s", SN_STR_ARG(p->name), SN_STR_ARG(c->group),
                        s->md5);
    if (c->namespace.len) (void)sn_buf_printf(&entry, "\x02%.*s", SN_STR_ARG(c->namespace));
    (void)sn_buf_byte(&entry, 1);
    (void)sn_buf_cstr(&body, "Listening-Configs=");
    (void)sn_buf_pct(&body, sn_buf_view(&entry), SN_PCT_UNRESERVED);
    (void)sn_buf_cstr(&t, "/nacos/v1/cs/configs/listener");
    if (c->env->token.len) {
        (void)sn_buf_byte(&t, '?');
        param(&t, "accessToken", c->env->token);
    }
    struct sn_buf num;
    sn_buf_init_fixed(&num, ms, sizeof(ms));
    (void)sn_buf_i64(&num, c->env->wait_ns / SN_MS);
    struct sn_label wait = {SN_STR("long-pulling-timeout"), sn_buf_view(&num)};
    struct reg_call call = {.method = "POST",
                            .body = sn_buf_view(&body),
                            .headers = &wait,
                            .n_headers = 1,
                            .content_type = SN_STR("application/x-www-form-urlencoded"),
                            .ns_max = SN_MAX(c->env->wait_ns, 10 * SN_SEC) + c->env->call_ns_max};
    int r = entry.err < 0 ? entry.err : body.err < 0 ? body.err : ask(c, p->arena, &call, &t, &ans);
    if (r >= 0) r = reg_status("nacos: listener", &ans);
    if (r >= 0) r = sn_str_trim(ans.body).len > 0;
    sn_buf_done(&entry);
    sn_buf_done(&body);
    sn_buf_done(&t);
    return r;
}

static int nacos_config(void *b, struct reg_pull *p)
{
    struct nacos *c = b;
    if (!p->state && !(p->state = SN_NEW(struct seen))) return SN_E_NOMEM;
    if (!p->fresh) {
        int r = listen(c, p, p->state);
        if (r <= 0) return r;
    }
    return config_get(c, p, p->state);
}

static void nacos_pull_done(void *b, struct reg_pull *p)
{
    sn_free(p->state);
    p->state = NULL;
}

static int nacos_publish(void *b, struct sn_str key, struct sn_str text)
{
    struct nacos *c = b;
    struct sn_arena a;
    struct sn_buf t, body;
    struct reg_answer ans;
    sn_arena_init(&a, NULL, 1 << 20);
    sn_buf_init(&t, 8192);
    sn_buf_init(&body, 0);
    (void)sn_buf_cstr(&t, "/nacos/v1/cs/configs?");
    config_params(c, &t, key);
    (void)sn_buf_cstr(&body, "content=");
    (void)sn_buf_pct(&body, text, SN_PCT_UNRESERVED);
    struct reg_call call = {.method = "POST",
                            .body = sn_buf_view(&body),
                            .content_type = SN_STR("application/x-www-form-urlencoded")};
    int r = body.err;
    if (r >= 0) r = ask(c, &a, &call, &t, &ans);
    if (r >= 0) r = reg_status("nacos: publish", &ans);
    sn_buf_done(&t);
    sn_buf_done(&body);
    sn_arena_done(&a);
    return r;
}

const struct reg_backend reg_nacos = {
    .scheme = "nacos",
    .port = 8848,
    .opts = "namespace group cluster",
    .open = nacos_open,
    .close = nacos_close,
    .pull = nacos_pull,
    .config = nacos_config,
    .pull_done = nacos_pull_done,
    .publish = nacos_publish,
    .put = nacos_put,
    .renew = nacos_renew,
    .remove = nacos_remove,
};
