/* SPDX-License-Identifier: Apache-2.0 */
/* registry/consul.c - Consul as a backend: blocking queries, TTL checks, keys. SPEC: the HTTP API
 * of Consul 1.16; "Blocking Queries" for what an index means. */
#include "core/alloc.h"
#include "core/enc.h"
#include "core/time.h"
#include "kit/http.h"
#include "registry/backend_int.h"
#include "wire/json.h"

struct consul {
    struct reg_env *env;
    struct sn_http_client *http;
    struct sn_label token;
};

static int consul_open(struct reg_env *env, void **ret)
{
    struct consul *c = SN_NEW(struct consul);
    if (!c) return SN_E_NOMEM;
    c->env = env;
    c->token = (struct sn_label){SN_STR("x-consul-token"), env->token};
    int r = sn_http_client_new(&(struct sn_http_client_opts){.h2_off = true}, &c->http);
    if (r < 0)
        sn_free(c);
    else
        *ret = c;
    return r;
}

static void consul_close(void *b)
{
    struct consul *c = b;
    sn_http_client_free(c->http);
    sn_free(c);
}

static int ask(struct consul *c, struct sn_arena *a, const char *method, struct sn_buf *target,
               struct sn_str body, int64_t ns_max, struct reg_answer *ret)
{
    struct reg_call call = {.method = method,
                            .target = sn_buf_view(target),
                            .body = body,
                            .ns_max = ns_max,
                            .headers = &c->token,
                            .n_headers = c->token.value.len ? 1 : 0};
    if (target->err < 0) return target->err;
    if (body.ptr) call.content_type = SN_STR("application/json");
    return reg_http(c->env, c->http, a, &call, ret);
}

static void option(struct consul *c, struct sn_buf *t, const char *name)
{
    struct sn_str v = reg_url_opt(&c->env->url, name, "");
    if (!v.len) return;
    (void)sn_buf_printf(t, "&%s=", name);
    (void)sn_buf_pct(t, v, SN_PCT_QUERY);
}

/* A blocking query. Returns 1 with an answer to be read, 0 where nothing changed. The rules:
 * without an index the first time and after every failure; an index that went backwards is
 * forgotten. */
static int block(struct consul *c, struct reg_pull *p, const char *path, struct reg_answer *ans)
{
    struct sn_buf t;
    sn_buf_init(&t, 8192);
    if (p->fresh) p->cursor = 0;
    (void)sn_buf_cstr(&t, path);
    (void)sn_buf_pct(&t, p->name,
                     sn_str_starts(sn_str(path), SN_STR("/v1/kv/")) ? SN_PCT_PATH : SN_PCT_SEGMENT);
    (void)sn_buf_printf(&t, "?index=%llu&wait=%llds", (unsigned long long)p->cursor,
                        (long long)(c->env->wait_ns / SN_SEC));
    option(c, &t, "dc");
    option(c, &t, "tag");
    option(c, &t, "ns");
    /* Consul may add a sixteenth to the wait. */
    int64_t max = p->cursor ? c->env->wait_ns + c->env->wait_ns / 16 + c->env->call_ns_max : 0;
    int r = ask(c, p->arena, "GET", &t, (struct sn_str){0}, max, ans);
    sn_buf_done(&t);
    uint64_t before = p->cursor, index = 0;
    p->cursor = 0;
    if (r < 0) return r;
    if (ans->status != 404 && (r = reg_status("consul", ans)) < 0) return r;
    if (ans->index.ptr && sn_str_to_u64(ans->index, &index) < 0)
        return sn_fail(SN_E_PROTOCOL, "consul: X-Consul-Index is not a number");
    if (index >= before) p->cursor = index;
    return before && index == before ? 0 : 1;
}

static int labels(struct sn_arena *a, const struct sn_json *svc, struct sn_instance *in)
{
    const struct sn_json *meta = sn_json_get(svc, "Meta"), *tags = sn_json_get(svc, "Tags");
    struct sn_label *l = SN_ARENA_ARRAY(a, struct sn_label, sn_json_len(meta) + 1);
    if (!l) return SN_E_NOMEM;
    for (SN_JSON_MEMBERS(meta, m)) {
        struct sn_str key = sn_json_str(&m->key), v = sn_json_str(&m->value);
        if (sn_str_eqc(key, "zone")) in->zone = v;
        l[in->n_labels++] = (struct sn_label){key, v};
    }
    if (sn_json_len(tags)) {
        struct sn_buf b;
        sn_buf_init(&b, SN_REG_LABEL_BYTES_MAX);
        for (SN_JSON_EACH(tags, it)) {
            if (b.len) (void)sn_buf_byte(&b, ',');
            (void)sn_buf_str(&b, sn_json_str(it));
        }
        struct sn_str text = b.err < 0 ? (struct sn_str){0} : sn_arena_str(a, sn_buf_view(&b));
        int r = b.err;
        sn_buf_done(&b);
        if (r < 0) return r;
        if (!text.ptr) return SN_E_NOMEM;
        l[in->n_labels++] = (struct sn_label){SN_STR("tags"), text};
    }
    in->labels = l;
    return 0;
}

static int entry(struct sn_arena *a, const struct sn_json *e, struct sn_instance *ret)
{
    const struct sn_json *svc = sn_json_get(e, "Service"), *node = sn_json_get(e, "Node");
    struct sn_instance in = {.id = sn_json_str(sn_json_get(svc, "ID")),
                             .healthy = true,
                             .service = sn_json_str(sn_json_get(svc, "Service")),
                             .address = sn_json_str(sn_json_get(svc, "Address")),
                             .zone = sn_json_str(sn_json_get(node, "Datacenter"))};
    if (!in.address.len) in.address = sn_json_str(sn_json_get(node, "Address"));
    int64_t port = sn_json_i64_or(sn_json_get(svc, "Port"), 0);
    int64_t weight = sn_json_i64_or(sn_json_path(svc, "Weights.Passing"), 1);
    if (!in.id.len || !in.address.len || port < 0 || port > 65535)
        return sn_fail(SN_E_PROTOCOL, "consul: an entry without Service.ID, address or port");
    in.port = (uint16_t)port;
    in.weight = (uint32_t)SN_MIN(SN_MAX(weight, (int64_t)1), (int64_t)1000000);
    for (SN_JSON_EACH(sn_json_get(e, "Checks"), it))
        if (sn_str_eqc(sn_json_str(sn_json_get(it, "Status")), "critical")) in.healthy = false;
    *ret = in;
    return labels(a, svc, ret);
}

static int consul_pull(void *b, struct reg_pull *p)
{
    struct consul *c = b;
    struct reg_answer ans;
    const struct sn_json *tree;
    int r = block(c, p, "/v1/health/service/", &ans);
    if (r <= 0) return r;
    if ((r = reg_status("consul", &ans)) >= 0) r = sn_json_parse(p->arena, ans.body, NULL, &tree);
    if (r >= 0 && !sn_json_is(tree, SN_JSON_ARRAY) && sn_json_kind(tree) != SN_JSON_NULL)
        r = sn_fail(SN_E_PROTOCOL, "consul: expected a list of entries");
    if (r >= 0) p->list = SN_ARENA_ARRAY(p->arena, struct sn_instance, sn_json_len(tree));
    if (r >= 0 && !p->list) r = SN_E_NOMEM;
    for (SN_JSON_EACH(tree, it)) {
        if (r < 0) break;
        if ((r = entry(p->arena, it, &p->list[p->n])) >= 0) p->n++;
    }
    if (r < 0) p->cursor = 0;
    return r < 0 ? r : 1;
}

static int consul_config(void *b, struct reg_pull *p)
{
    struct consul *c = b;
    struct reg_answer ans;
    const struct sn_json *tree;
    int r = block(c, p, "/v1/kv/", &ans);
    if (r <= 0) return r;
    p->found = ans.status != 404;
    if (!p->found) return 1;
    if ((r = sn_json_parse(p->arena, ans.body, NULL, &tree)) < 0) return r;
    const struct sn_json *value = sn_json_get(sn_json_at(tree, 0), "Value");
    struct sn_str text = sn_json_str(value);
    if (!text.ptr) text = SN_STR(""); /* null: an empty value */
    char *out = sn_arena_alloc(p->arena, sn_base64_decoded_max(text.len));
    ssize_t n = out ? sn_base64_decode(text, SN_BASE64_STD, out) : SN_E_NOMEM;
    if (n < 0)
        return n == SN_E_NOMEM ? (int)n : sn_fail(SN_E_PROTOCOL, "consul: Value is not base64");
    p->text = sn_str_of(out, (size_t)n);
    return 1;
}

/* A call of a few bytes whose answer's body does not matter. */
static int command(struct consul *c, const char *method, struct sn_buf *target, struct sn_str body,
                   const char *what)
{
    struct sn_arena a;
    struct reg_answer ans = {0};
    sn_arena_init(&a, NULL, 1 << 20);
    int r = ask(c, &a, method, target, body, 0, &ans);
    if (r >= 0) r = reg_status(what, &ans);
    /* Agents before 1.13 answer 500 for a check they do not know. */
    if (r == SN_E_UNAVAILABLE && sn_str_find(ans.body, SN_STR("associated TTL")) >= 0)
        r = SN_E_NOT_FOUND;
    sn_arena_done(&a);
    sn_buf_done(target);
    return r;
}

static int consul_put(void *b, struct reg_lease *l)
{
    struct consul *c = b;
    struct sn_buf t, body;
    struct sn_jsonw w;
    char ttl[SN_DURATION_MAX], gone[SN_DURATION_MAX];
    (void)sn_duration_format(l->ttl_ns, ttl);
    (void)sn_duration_format(SN_MAX(3 * l->ttl_ns, SN_MINUTE), gone);
    sn_buf_init(&t, 0);
    sn_buf_init(&body, 0);
    sn_jsonw_init(&w, &body, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "ID", l->in.id);
    sn_jsonw_kstr(&w, "Name", l->in.service);
    sn_jsonw_kstr(&w, "Address", l->in.address);
    sn_jsonw_ki64(&w, "Port", l->in.port);
    sn_jsonw_key(&w, SN_STR("Meta"));
    sn_jsonw_object(&w);
    for (uint32_t i = 0; i < l->in.n_labels; i++) {
        sn_jsonw_key(&w, l->in.labels[i].name);
        sn_jsonw_str(&w, l->in.labels[i].value);
    }
    if (l->in.zone.len) sn_jsonw_kstr(&w, "zone", l->in.zone);
    sn_jsonw_object_end(&w);
    sn_jsonw_key(&w, SN_STR("Weights"));
    sn_jsonw_object(&w);
    sn_jsonw_ki64(&w, "Passing", l->in.weight);
    sn_jsonw_ki64(&w, "Warning", 1);
    sn_jsonw_object_end(&w);
    sn_jsonw_key(&w, SN_STR("Check"));
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "TTL", sn_str(ttl));
    sn_jsonw_kstr(&w, "Status", SN_STR("passing"));
    sn_jsonw_kstr(&w, "DeregisterCriticalServiceAfter", sn_str(gone));
    sn_jsonw_object_end(&w);
    sn_jsonw_object_end(&w);
    (void)sn_buf_cstr(&t, "/v1/agent/service/register?replace-existing-checks=true");
    int r = body.err;
    if (r >= 0) r = command(c, "PUT", &t, sn_buf_view(&body), "consul: register");
    sn_buf_done(&body);
    return r;
}

static int on_id(struct consul *c, const char *path, struct sn_str id, const char *what)
{
    struct sn_buf t;
    sn_buf_init(&t, 0);
    (void)sn_buf_cstr(&t, path);
    (void)sn_buf_pct(&t, id, SN_PCT_SEGMENT);
    return command(c, "PUT", &t, (struct sn_str){0}, what);
}

static int consul_renew(void *b, struct reg_lease *l)
{
    return on_id(b, "/v1/agent/check/pass/service:", l->in.id, "consul: heartbeat");
}
static int consul_remove(void *b, struct reg_lease *l)
{
    return on_id(b, "/v1/agent/service/deregister/", l->in.id, "consul: deregister");
}

static int consul_publish(void *b, struct sn_str key, struct sn_str text)
{
    struct sn_buf t;
    sn_buf_init(&t, 0);
    (void)sn_buf_cstr(&t, "/v1/kv/");
    (void)sn_buf_pct(&t, key, SN_PCT_PATH);
    return command(b, "PUT", &t, text, "consul: put");
}

const struct reg_backend reg_consul = {
    .scheme = "consul",
    .port = 8500,
    .opts = "dc tag ns",
    .open = consul_open,
    .close = consul_close,
    .pull = consul_pull,
    .config = consul_config,
    .publish = consul_publish,
    .put = consul_put,
    .renew = consul_renew,
    .remove = consul_remove,
};
