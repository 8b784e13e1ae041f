/* SPDX-License-Identifier: Apache-2.0 */
/* registry/nacos_face.c - Nacos's HTTP API v1: naming, login; what its gRPC shares with it.
 * SPEC: the Open API of Nacos 1.x/2.x. A service of DEFAULT_GROUP is the store's service of that
 * name; others are "group@@name". */
#include "core/alloc.h"
#include "registry/nacos_int.h"

#define BEAT_NS (5 * SN_SEC)
#define UNHEALTHY_NS (15 * SN_SEC)
#define DELETE_NS (30 * SN_SEC)
/* How often clients ask again: there is no push over UDP here. */
#define CACHE_MS 2000
#define DEFAULT_GROUP NACOS_DEFAULT_GROUP

int nacos_ok(struct reg_req *q, const char *text)
{
    return sn_http_reply(q->x, 200, SN_STR("text/plain; charset=utf-8"), sn_str(text));
}

bool nacos_writes(struct reg_req *q) { return reg_may_write(q, "accesstoken", "accessToken"); }

int nacos_forbidden(struct reg_req *q)
{
    return sn_http_reply(
        q->x, 403, SN_STR("application/json"),
        SN_STR("{\"status\":403,\"error\":\"Forbidden\",\"message\":\"access token expected\"}"));
}

struct sn_str nacos_ns(struct reg_req *q) { return reg_param_or(q, "namespaceId", REG_STORE_NS); }

int nacos_service_of(struct sn_arena *a, struct sn_str group, struct sn_str name,
                     struct nacos_service *ret)
{
    ssize_t at = name.ptr ? sn_str_find(name, SN_STR("@@")) : -1;
    if (at >= 0) {
        group = sn_str_sub(name, 0, (size_t)at);
        name = sn_str_from(name, (size_t)at + 2);
    }
    if (!group.len) group = SN_STR(DEFAULT_GROUP);
    if (!name.len)
        return sn_fail(SN_E_INVALID_ARGUMENT, "caused: Param 'serviceName' is required.");
    *ret = (struct nacos_service){
        .group = group,
        .name = name,
        .stored = sn_str_eqc(group, DEFAULT_GROUP)
                      ? name
                      : sn_arena_printf(a, "%.*s@@%.*s", SN_STR_ARG(group), SN_STR_ARG(name))};
    return ret->stored.ptr ? 0 : SN_E_NOMEM;
}

static int names(struct reg_req *q, struct nacos_service *ret)
{
    return nacos_service_of(q->a, reg_param_or(q, "groupName", DEFAULT_GROUP),
                            reg_param(q, "serviceName"), ret);
}

static struct sn_str full_name(struct sn_arena *a, struct sn_str stored)
{
    if (sn_str_find(stored, SN_STR("@@")) >= 0) return stored;
    struct sn_str s = sn_arena_printf(a, DEFAULT_GROUP "@@%.*s", SN_STR_ARG(stored));
    return s.ptr ? s : SN_STR("");
}

/* ---- metadata: JSON, or k=v,k=v ------------------------------------------------------------- */

static int64_t ms_label(const struct reg_spec *sp, const char *name, int64_t def)
{
    int64_t v;
    for (uint32_t i = 0; i < sp->in.n_labels; i++)
        if (sn_str_eqc(sp->in.labels[i].name, name) &&
            sn_str_to_i64(sp->in.labels[i].value, &v) == 0 && v >= 1000 && v < 86400000)
            return v * SN_MS;
    return def;
}

int nacos_metadata(struct sn_arena *a, const struct sn_json *j, struct reg_spec *sp)
{
    struct sn_label *l = SN_ARENA_ARRAY(a, struct sn_label, sn_json_len(j));
    if (!l) return SN_E_NOMEM;
    for (SN_JSON_MEMBERS(j, m)) {
        struct sn_str v = sn_json_str(&m->value);
        if (!v.ptr) { /* numbers and booleans as they stand */
            struct sn_buf b;
            sn_buf_init(&b, 4096);
            (void)!sn_json_write(&b, &m->value, NULL);
            v = b.err < 0 ? (struct sn_str){0} : sn_arena_str(a, sn_buf_view(&b));
            sn_buf_done(&b);
            if (!v.ptr) return SN_E_NOMEM;
        }
        l[sp->in.n_labels++] = (struct sn_label){sn_json_str(&m->key), v};
    }
    sp->in.labels = l;
    return 0;
}

static int metadata(struct reg_req *q, struct sn_str text, struct reg_spec *sp)
{
    const struct sn_json *j;
    if (!text.len) return 0;
    if (text.ptr[0] == '{') {
        if (sn_json_parse(q->a, text, NULL, &j) < 0 || !sn_json_is(j, SN_JSON_OBJECT))
            return sn_fail(SN_E_INVALID_ARGUMENT, "metadata: expected a JSON object or k=v,k=v");
        return nacos_metadata(q->a, j, sp);
    }
    struct sn_label *l = SN_ARENA_ARRAY(q->a, struct sn_label, SN_REG_LABELS_MAX);
    if (!l) return SN_E_NOMEM;
    while (text.ptr && sp->in.n_labels < SN_REG_LABELS_MAX) {
        struct sn_str v = sn_str_cut(&text, ','), k = sn_str_cut(&v, '=');
        if (!v.ptr)
            return sn_fail(SN_E_INVALID_ARGUMENT, "metadata: expected a JSON object or k=v,k=v");
        l[sp->in.n_labels++] = (struct sn_label){k, v};
    }
    sp->in.labels = l;
    return 0;
}

static void add_beat(struct reg_spec *sp)
{
    int64_t unhealthy = ms_label(sp, "preserved.heart.beat.timeout", UNHEALTHY_NS);
    int64_t gone = ms_label(sp, "preserved.ip.delete.timeout", DELETE_NS);
    sp->checks[0] =
        (struct reg_check){.id = SN_STR("beat"),
                           .name = SN_STR("Nacos heartbeat"),
                           .kind = REG_CHECK_TTL,
                           .status = REG_PASSING,
                           .ttl_ns = unhealthy,
                           .remove_after_ns = SN_MAX(gone - unhealthy, (int64_t)SN_SEC)};
    sp->n_checks = 1;
}

int nacos_place(struct sn_arena *a, struct sn_str ns, struct sn_str stored,
                const struct nacos_place *at, struct reg_spec *sp)
{
    struct sn_str cluster = at->cluster.len ? at->cluster : SN_STR("DEFAULT");
    if (!at->ip.len || at->port < 0 || at->port > 65535)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "caused: Param 'ip' and 'port' (0..65535) are required.");
    sp->ns = ns;
    sp->face = REG_FACE_NACOS;
    sp->in.service = stored;
    sp->in.address = at->ip;
    sp->in.port = (uint16_t)at->port;
    sp->in.zone = cluster;
    sp->in.id = sn_arena_printf(a, "%.*s#%lld#%.*s#%.*s", SN_STR_ARG(at->ip), (long long)at->port,
                                SN_STR_ARG(cluster), SN_STR_ARG(full_name(a, stored)));
    return sp->in.id.ptr ? 0 : SN_E_NOMEM;
}

static int spec_of(struct reg_req *q, struct reg_spec *sp)
{
    struct nacos_service svc;
    struct sn_str text;
    struct nacos_place at = {.ip = reg_param(q, "ip"), .port = -1};
    int r = names(q, &svc);
    if (r < 0) return r;
    if ((text = reg_param(q, "port")).len && sn_str_to_i64(text, &at.port) < 0) at.port = -1;
    at.cluster = reg_param(q, "clusterName");
    if (!at.cluster.len) at.cluster = reg_param(q, "cluster");
    if ((r = nacos_place(q->a, nacos_ns(q), svc.stored, &at, sp)) < 0) return r;
    if ((text = reg_param(q, "weight")).len &&
        (sn_str_to_double(text, &sp->weight) < 0 || sp->weight < 0))
        return sn_fail(SN_E_INVALID_ARGUMENT, "weight: expected a number from 0 to 1000000");
    struct sn_str enabled = reg_param_or(q, "enabled", "true");
    if (reg_param(q, "enable").len) enabled = reg_param(q, "enable");
    sp->disabled = sn_str_eqc(enabled, "false");
    sp->permanent = sn_str_eqc(reg_param_or(q, "ephemeral", "true"), "false");
    if ((r = metadata(q, reg_param_or(q, "metadata", ""), sp)) < 0) return r;
    if (!sp->permanent) add_beat(sp);
    return 0;
}

/* ---- instances ------------------------------------------------------------------------------ */

static int instance_write(struct reg_req *q)
{
    struct reg_spec sp = {0};
    struct reg_inst *in;
    if (!nacos_writes(q)) return nacos_forbidden(q);
    int r = spec_of(q, &sp);
    if (r < 0) return reg_text_of(q, r);
    reg_srv_lock(q->srv);
    r = reg_store_register(&q->srv->store, sn_now(), &sp, &in);
    int c = reg_srv_commit(q->srv);
    if (r >= 0) r = c;
    return r < 0 ? reg_text_of(q, r) : nacos_ok(q, "ok");
}

static int instance_delete(struct reg_req *q)
{
    struct reg_spec sp = {0};
    if (!nacos_writes(q)) return nacos_forbidden(q);
    int r = spec_of(q, &sp);
    if (r < 0) return reg_text_of(q, r);
    reg_srv_lock(q->srv);
    (void)reg_store_deregister(&q->srv->store, sp.ns, sp.in.id); /* gone is gone */
    r = reg_srv_commit(q->srv);
    return r < 0 ? reg_text_of(q, r) : nacos_ok(q, "ok");
}

static bool healthy(const struct reg_inst *in)
{
    for (uint32_t i = 0; i < in->spec.n_checks; i++)
        if (in->spec.checks[i].status == REG_CRITICAL) return false;
    return true;
}

static void host_json(struct sn_jsonw *w, struct sn_arena *a, const struct reg_inst *in)
{
    const struct reg_spec *sp = &in->spec;
    sn_jsonw_object(w);
    sn_jsonw_kstr(w, "instanceId", sp->in.id);
    sn_jsonw_kstr(w, "ip", sp->in.address);
    sn_jsonw_ki64(w, "port", sp->in.port);
    sn_jsonw_kdouble(w, "weight", sp->weight);
    sn_jsonw_kbool(w, "healthy", healthy(in));
    sn_jsonw_kbool(w, "enabled", !sp->disabled);
    sn_jsonw_kbool(w, "ephemeral", !sp->permanent);
    sn_jsonw_kstr(w, "clusterName", sp->in.zone.len ? sp->in.zone : SN_STR("DEFAULT"));
    sn_jsonw_kstr(w, "serviceName", full_name(a, sp->in.service));
    sn_jsonw_key(w, SN_STR("metadata"));
    sn_jsonw_object(w);
    for (uint32_t i = 0; i < sp->in.n_labels; i++) {
        sn_jsonw_key(w, sp->in.labels[i].name);
        sn_jsonw_str(w, sp->in.labels[i].value);
    }
    sn_jsonw_object_end(w);
    sn_jsonw_ki64(w, "instanceHeartBeatInterval",
                  ms_label(sp, "preserved.heart.beat.interval", BEAT_NS) / SN_MS);
    sn_jsonw_ki64(w, "instanceHeartBeatTimeOut",
                  ms_label(sp, "preserved.heart.beat.timeout", UNHEALTHY_NS) / SN_MS);
    sn_jsonw_ki64(w, "ipDeleteTimeout",
                  ms_label(sp, "preserved.ip.delete.timeout", DELETE_NS) / SN_MS);
    sn_jsonw_object_end(w);
}

static int instance_get(struct reg_req *q)
{
    struct reg_spec sp = {0};
    struct sn_buf b;
    struct sn_jsonw w;
    int r = spec_of(q, &sp);
    if (r < 0) return reg_text_of(q, r);
    sn_buf_init(&b, 0);
    sn_jsonw_init(&w, &b, NULL);
    reg_srv_lock(q->srv);
    const struct reg_inst *in = reg_store_instance(&q->srv->store, sp.ns, sp.in.id);
    if (in) host_json(&w, q->a, in);
    reg_srv_unlock(q->srv);
    if (in) return reg_json(q, 200, &b);
    sn_buf_done(&b);
    return reg_text(q, 404, "no matched ip found!");
}

static bool in_clusters(struct sn_str list, struct sn_str cluster)
{
    if (!list.len) return true;
    while (list.ptr)
        if (sn_str_eq(sn_str_trim(sn_str_cut(&list, ',')), cluster)) return true;
    return false;
}

void nacos_hosts(struct sn_jsonw *w, struct sn_arena *a, const struct reg_service *svc,
                 struct sn_str clusters, bool only_healthy)
{
    sn_jsonw_array(w);
    for (struct sn_list *n = svc ? svc->insts.next : NULL; svc && n != &svc->insts; n = n->next) {
        const struct reg_inst *in = SN_LIST_ENTRY(n, struct reg_inst, node);
        struct sn_str zone = in->spec.in.zone.len ? in->spec.in.zone : SN_STR("DEFAULT");
        /* Clients drop what is disabled or has no weight; the server leaves out the disabled ones.
         */
        if (in->spec.disabled || (only_healthy && !healthy(in)) || !in_clusters(clusters, zone))
            continue;
        host_json(w, a, in);
    }
    sn_jsonw_array_end(w);
}

void nacos_service_json(struct sn_jsonw *w, struct sn_arena *a, struct sn_regserver *s,
                        const struct nacos_ask *k, int64_t cache_ms)
{
    struct nacos_service svc = k->svc;
    sn_jsonw_object(w);
    sn_jsonw_kstr(w, "name", full_name(a, svc.stored));
    sn_jsonw_kstr(w, "groupName", svc.group);
    sn_jsonw_kstr(w, "dom", svc.name);
    sn_jsonw_kstr(w, "clusters", k->clusters);
    sn_jsonw_ki64(w, "cacheMillis", cache_ms);
    sn_jsonw_ki64(w, "lastRefTime", sn_wall_now() / SN_MS);
    sn_jsonw_kstr(w, "checksum", SN_STR(""));
    sn_jsonw_kbool(w, "allIPs", false);
    sn_jsonw_kbool(w, "reachProtectionThreshold", false);
    sn_jsonw_kbool(w, "valid", true);
    sn_jsonw_key(w, SN_STR("hosts"));
    nacos_hosts(w, a, reg_store_service(&s->store, k->ns, svc.stored), k->clusters,
                k->only_healthy);
    sn_jsonw_object_end(w);
}

static int instance_list(struct reg_req *q)
{
    struct nacos_ask k = {
        .ns = nacos_ns(q),
        .clusters = reg_param_or(q, "clusters", ""),
        .only_healthy = sn_str_eqc(reg_param_or(q, "healthyOnly", "false"), "true")};
    struct sn_buf b;
    struct sn_jsonw w;
    uint64_t port = 0;
    int r = names(q, &k.svc);
    if (r < 0) return reg_text_of(q, r);
    if (sn_str_to_u64(reg_param_or(q, "udpPort", "0"), &port) < 0 || port > UINT16_MAX) port = 0;
    sn_buf_init(&b, 0);
    sn_jsonw_init(&w, &b, NULL);
    reg_srv_lock(q->srv);
    bool pushed = port && nacos_push_add(q, &k, (uint16_t)port);
    nacos_service_json(&w, q->a, q->srv, &k, pushed ? NACOS_PUSH_CACHE_MS : CACHE_MS);
    reg_srv_unlock(q->srv);
    return reg_json(q, 200, &b);
}

static int beat_answer(struct reg_req *q, int code)
{
    struct sn_str t =
        sn_arena_printf(q->a, "{\"clientBeatInterval\":%lld,\"code\":%d,\"lightBeatEnabled\":true}",
                        (long long)(BEAT_NS / SN_MS), code);
    return t.ptr ? sn_http_reply(q->x, 200, SN_STR("application/json"), t) : SN_E_NOMEM;
}

/* A heartbeat names the instance by parameters, or brings it along as JSON: then an instance we do
 * not know is registered, which is how Nacos fills up again after a restart. */
static int beat(struct reg_req *q)
{
    struct nacos_service svc;
    struct sn_str beat_text = reg_param(q, "beat");
    struct reg_spec sp = {0};
    struct reg_inst *in;
    const struct sn_json *j = NULL;
    if (!nacos_writes(q)) return nacos_forbidden(q);
    int r = names(q, &svc);
    if (r >= 0 && beat_text.len &&
        ((r = sn_json_parse(q->a, beat_text, NULL, &j)) < 0 || !sn_json_is(j, SN_JSON_OBJECT)))
        r = sn_fail(SN_E_INVALID_ARGUMENT, "beat: expected a JSON object");
    if (r >= 0 && j) {
        struct nacos_place at = {.ip = sn_json_str(sn_json_get(j, "ip")),
                                 .port = sn_json_i64_or(sn_json_get(j, "port"), -1),
                                 .cluster = sn_json_str(sn_json_get(j, "cluster"))};
        r = nacos_place(q->a, nacos_ns(q), svc.stored, &at, &sp);
        sp.weight = sn_json_double_or(sn_json_get(j, "weight"), 1);
        if (r >= 0) r = nacos_metadata(q->a, sn_json_get(j, "metadata"), &sp);
        if (r >= 0) add_beat(&sp);
    } else if (r >= 0) {
        r = spec_of(q, &sp);
    }
    if (r < 0) return reg_text_of(q, r);
    reg_srv_lock(q->srv);
    in = reg_store_instance(&q->srv->store, sp.ns, sp.in.id);
    struct reg_check *c = in ? reg_inst_check(in, SN_STR("beat")) : NULL;
    if (c)
        r = reg_store_check(&q->srv->store, sn_now(), in, c, REG_PASSING, SN_STR(""));
    else if (!in && j)
        r = reg_store_register(&q->srv->store, sn_now(), &sp, &in);
    reg_srv_unlock(q->srv);
    if (r < 0) return reg_text_of(q, r);
    return beat_answer(q, in ? 10200 : 20404);
}

/* ---- services ------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return sn_str_cmp(*(const struct sn_str *)a, *(const struct sn_str *)b);
}

int nacos_service_names(struct sn_regserver *s, struct sn_arena *a, struct sn_str ns,
                        struct sn_str group, struct nacos_names *ret)
{
    struct reg_service *svc;
    int r = 0;
    *ret = (struct nacos_names){0};
    reg_srv_lock(s);
    for (size_t it = 0; r >= 0 && (svc = reg_store_services(&s->store, ns, &it));) {
        struct sn_str full = full_name(a, svc->name);
        ssize_t at = sn_str_find(full, SN_STR("@@"));
        if (at < 0 || !sn_str_eq(sn_str_sub(full, 0, (size_t)at), group)) continue;
        struct sn_str name = sn_arena_str(a, sn_str_from(full, (size_t)at + 2));
        r = name.ptr ? sn_vec_push(ret, name) : SN_E_NOMEM;
    }
    reg_srv_unlock(s);
    if (r >= 0 && ret->len) qsort(ret->ptr, ret->len, sizeof(*ret->ptr), by_name);
    if (r < 0) sn_vec_done(ret);
    return r < 0 ? r : 0;
}

void nacos_page(struct sn_jsonw *w, const struct nacos_names *all, uint64_t page, uint64_t size)
{
    size = SN_MIN(SN_MAX(size, (uint64_t)1), (uint64_t)10000);
    page = SN_MIN(SN_MAX(page, (uint64_t)1), (uint64_t)100000);
    sn_jsonw_array(w);
    for (size_t i = (page - 1) * size; i < all->len && i < page * size; i++)
        sn_jsonw_str(w, all->ptr[i]);
    sn_jsonw_array_end(w);
}

static int service_list(struct reg_req *q)
{
    uint64_t page = 1, size = 10;
    struct nacos_names all;
    (void)!sn_str_to_u64(reg_param_or(q, "pageNo", "1"), &page);
    (void)!sn_str_to_u64(reg_param_or(q, "pageSize", "10"), &size);
    int r = nacos_service_names(q->srv, q->a, nacos_ns(q),
                                reg_param_or(q, "groupName", DEFAULT_GROUP), &all);
    if (r < 0) return r;
    struct sn_buf b;
    struct sn_jsonw w;
    sn_buf_init(&b, 0);
    sn_jsonw_init(&w, &b, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_ku64(&w, "count", all.len);
    sn_jsonw_key(&w, SN_STR("doms"));
    nacos_page(&w, &all, page, size);
    sn_jsonw_object_end(&w);
    sn_vec_done(&all);
    return reg_json(q, 200, &b);
}

static int service_get(struct reg_req *q)
{
    struct nacos_service asked;
    int r = names(q, &asked);
    if (r < 0) return reg_text_of(q, r);
    reg_srv_lock(q->srv);
    struct reg_service *svc = reg_store_service(&q->srv->store, nacos_ns(q), asked.stored);
    bool there = svc && svc->n;
    reg_srv_unlock(q->srv);
    if (!there) return reg_text(q, 404, "service not found");
    struct sn_buf b;
    struct sn_jsonw w;
    sn_buf_init(&b, 0);
    sn_jsonw_init(&w, &b, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "name", asked.name);
    sn_jsonw_kstr(&w, "groupName", asked.group);
    sn_jsonw_kstr(&w, "namespaceId", nacos_ns(q));
    sn_jsonw_ki64(&w, "protectThreshold", 0);
    sn_jsonw_object_end(&w);
    return reg_json(q, 200, &b);
}

static int login(struct reg_req *q)
{
    struct sn_str given = reg_param_or(q, "password", "");
    struct sn_str want = q->srv->o.token;
    bool ok = !want.len || (given.len == want.len && sn_equal_ct(given.ptr, want.ptr, want.len));
    if (!ok) return reg_text(q, 403, "unknown user!");
    struct sn_str t =
        sn_arena_printf(q->a, "{\"accessToken\":\"%s\",\"tokenTtl\":18000,\"globalAdmin\":true}",
                        q->srv->token_nonce);
    return t.ptr ? sn_http_reply(q->x, 200, SN_STR("application/json"), t) : SN_E_NOMEM;
}

static int operator_call(struct reg_req *q, struct sn_str what)
{
    if (sn_str_eqc(what, "metrics"))
        return sn_http_reply(q->x, 200, SN_STR("application/json"), SN_STR("{\"status\":\"UP\"}"));
    if (sn_str_eqc(what, "servers")) {
        struct sn_str t = sn_arena_printf(
            q->a, "{\"servers\":[{\"ip\":\"127.0.0.1\",\"servePort\":%s,\"alive\":true}]}", "8848");
        return t.ptr ? sn_http_reply(q->x, 200, SN_STR("application/json"), t) : SN_E_NOMEM;
    }
    return reg_text(q, 404, "no such operator call");
}

static int naming(struct reg_req *q, struct sn_str what)
{
    enum sn_http_method m = q->x->req.method;
    if (sn_str_eqc(what, "instance")) {
        if (m == SN_HTTP_POST || m == SN_HTTP_PUT || m == SN_HTTP_PATCH) return instance_write(q);
        if (m == SN_HTTP_DELETE) return instance_delete(q);
        if (m == SN_HTTP_GET) return instance_get(q);
    }
    if (sn_str_eqc(what, "instance/list") && m == SN_HTTP_GET) return instance_list(q);
    if (sn_str_eqc(what, "instance/beat") && (m == SN_HTTP_PUT || m == SN_HTTP_POST))
        return beat(q);
    if (sn_str_eqc(what, "service/list") && m == SN_HTTP_GET) return service_list(q);
    if (sn_str_eqc(what, "service")) return m == SN_HTTP_GET ? service_get(q) : nacos_ok(q, "ok");
    if (sn_str_starts(what, SN_STR("operator/"))) return operator_call(q, sn_str_from(what, 9));
    return reg_text(q, 404, "no such naming call");
}

int reg_nacos_handler(struct sn_http_x *x, void *server)
{
    struct reg_req q;
    int r = reg_req_init(&q, server, x);
    if (r != 0) return r < 0 ? r : 0;
    struct sn_str p = q.path;
    if (sn_str_starts(p, SN_STR("/nacos/"))) p = sn_str_from(p, 6);
    if (sn_str_starts(p, SN_STR("/v1/ns/"))) return naming(&q, sn_str_from(p, 7));
    if (sn_str_starts(p, SN_STR("/v1/cs/"))) return nacos_config(&q, sn_str_from(p, 7));
    if (sn_str_eqc(p, "/v1/auth/login") || sn_str_eqc(p, "/v1/auth/users/login")) return login(&q);
    if (sn_str_starts(p, SN_STR("/v1/console/health/"))) return nacos_ok(&q, "OK");
    return reg_text(&q, 404, "no such call here");
}
