/* SPDX-License-Identifier: Apache-2.0 */
/* registry/nacos_grpc.c - Nacos's gRPC, what clients of 2.x and 3.x speak: JSON in an Any, requests
 * one by one, and a stream by which the server tells of changes. What a client has registered lives
 * as long as its connection, which is the store's lease of that connection. A stream and the
 * requests beside it belong together by the peer's address: they share a connection.
 * SPEC: Nacos 2.x, api module (remote.request, remote.response, naming.remote, config.remote). */
#include "core/alloc.h"
#include "fiber/chan.h"
#include "nacos/nacos_grpc_service.grpc.h"
#include "registry/nacos_int.h"

#define SUBSCRIPTIONS_MAX 10000u /* of a connection */
#define LISTEN_MAX 3000u         /* of a request */

enum { /* Nacos's error codes */
    E_NOT_FOUND = 300,
    E_UNREGISTERED = 301,
    E_NO_HANDLER = 302,
    E_BAD_REQUEST = 400,
    E_FORBIDDEN = 403,
    E_SERVER = 500,
};

struct conn {
    struct sn_regserver *s;
    struct sn_grpc_call *call;
    struct sn_str peer;
    struct reg_stream reg;
    struct sn_chan *poke;
    struct sn_map subs; /* by what is subscribed to; under the server's lock, as the rest */
    struct sn_list dirty;
    uint64_t lease;
    uint64_t sent; /* numbers requests to the client */
    bool set_up;
    int over; /* the reader's; both fibers are of one worker */
};
struct sub {
    struct reg_waiter w;
    struct sn_list dirty;
    struct conn *c;
    /* A service: ns, group, name, stored, clusters. A configuration: tenant, group, name. */
    struct sn_str ns, group, name, stored, clusters;
    char md5[NACOS_MD5_LEN]; /* of what the client has; all zero: nothing */
};

/* One request and its answer. */
struct ask {
    struct sn_grpc_call *call;
    struct sn_regserver *s;
    struct sn_arena *a;
    const struct payload *in;
    const struct sn_json *j;
    struct sn_buf out;
    struct sn_jsonw w;
    const char *type; /* of the answer */
};

static struct sn_str text(const struct sn_json *j, const char *name)
{
    struct sn_str s = sn_json_str(sn_json_get(j, name));
    return s.ptr ? s : SN_STR("");
}
static struct sn_str ns_of(struct sn_str s) { return s.len ? s : SN_STR(REG_STORE_NS); }

static struct sn_str header(const struct payload *p, const char *name)
{
    if (!p->metadata) return SN_STR("");
    for (uint32_t i = 0; i < p->metadata->headers.len; i++)
        if (sn_str_eqc(p->metadata->headers.ptr[i]->key, name))
            return p->metadata->headers.ptr[i]->value;
    return SN_STR("");
}

/* ---- answers -------------------------------------------------------------------------------- */

static void answer(struct ask *q, const char *type, int error, const char *message)
{
    q->type = type;
    sn_buf_reset(&q->out);
    sn_jsonw_init(&q->w, &q->out, NULL);
    sn_jsonw_object(&q->w);
    sn_jsonw_ki64(&q->w, "resultCode", error ? 500 : 200);
    sn_jsonw_ki64(&q->w, "errorCode", error);
    sn_jsonw_kbool(&q->w, "success", error == 0);
    sn_jsonw_kstr(&q->w, "message", sn_str(message));
    sn_jsonw_kstr(&q->w, "requestId", text(q->j, "requestId"));
}

static int ok(struct ask *q, const char *type)
{
    answer(q, type, 0, "");
    return 0;
}
static int refuse(struct ask *q, int error, const char *message)
{
    answer(q, "ErrorResponse", error, message);
    return 0;
}
static int refuse_of(struct ask *q, int r)
{
    if (r == SN_E_NOMEM || r == SN_E_CANCELLED) return r;
    char t[SN_DIAG_BYTES + 64];
    return refuse(q, r == SN_E_INVALID_ARGUMENT ? E_BAD_REQUEST : E_SERVER,
                  sn_diag_format(r, t, sizeof(t)));
}

static bool writes(struct ask *q)
{
    if (!q->s->o.token.len || reg_is_token(q->s, header(q->in, "accessToken"))) return true;
    __atomic_add_fetch(&q->s->refused, 1, __ATOMIC_RELAXED);
    return false;
}

/* Text of a struct payload; the arena's. */
static int set_payload(struct sn_arena *a, const char *type, const struct sn_buf *json,
                       struct payload *ret)
{
    ret->metadata = metadata_new(a);
    ret->body = google_protobuf_any_new(a);
    struct sn_str copy = json->err < 0 ? (struct sn_str){0} : sn_arena_str(a, sn_buf_view(json));
    if (!ret->metadata || !ret->body || !copy.ptr) return SN_E_NOMEM;
    ret->metadata->type = sn_str(type);
    ret->metadata->clientIp = SN_STR("127.0.0.1");
    ret->body->value = copy;
    return 0;
}

/* ---- connections ---------------------------------------------------------------------------- */

/* The lock is held. NULL where the client has not opened its stream yet, or has lost it. */
static struct conn *conn_of(struct ask *q)
{
    struct sn_str peer = sn_grpc_peer(q->call);
    struct conn *c = peer.ptr ? sn_map_get(&q->s->nacos_conns, peer) : NULL;
    return c && c->set_up ? c : NULL;
}

static int unregistered(struct ask *q)
{
    return refuse(q, E_UNREGISTERED, "Connection is unregistered.");
}

static void woken(struct reg_waiter *w)
{
    struct sub *u = SN_CONTAINER_OF(w, struct sub, w);
    if (!sn_list_linked(&u->dirty)) sn_list_push_back(&u->c->dirty, &u->dirty);
    (void)!sn_chan_try_send(u->c->poke, NULL);
}

static struct sn_str sub_key(struct sn_arena *a, char kind, struct sn_str ns, struct sn_str name,
                             struct sn_str clusters)
{
    struct sn_str s = sn_arena_printf(a, "%c%.*s\n%.*s\n%.*s", kind, SN_STR_ARG(ns),
                                      SN_STR_ARG(name), SN_STR_ARG(clusters));
    return s;
}

static struct sn_str put_text(char **at, struct sn_str s)
{
    struct sn_str out = sn_str_of(*at, s.len);
    if (s.len) memcpy(*at, s.ptr, s.len);
    *at += s.len;
    return out;
}

/* Texts of `like` are copied. The lock is held. Returns 0, SN_E_RESOURCE_EXHAUSTED, SN_E_NOMEM. */
static int subscribe(struct conn *c, struct sn_str key, const struct sub *like, struct sub **ret)
{
    struct sub *u = sn_map_get(&c->subs, key);
    if (u) {
        *ret = u;
        return 0;
    }
    if (c->subs.len >= SUBSCRIPTIONS_MAX)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "%zu subscriptions already", c->subs.len);
    u = sn_zalloc(1, sizeof(*u) + like->ns.len + like->group.len + like->name.len +
                         like->stored.len + like->clusters.len + 1);
    if (!u) return SN_E_NOMEM;
    char *at = (char *)(u + 1);
    u->c = c;
    u->ns = put_text(&at, like->ns);
    u->group = put_text(&at, like->group);
    u->name = put_text(&at, like->name);
    u->stored = put_text(&at, like->stored);
    u->clusters = put_text(&at, like->clusters);
    sn_list_init(&u->dirty);
    u->w = (struct reg_waiter){
        .kind = like->w.kind, .ns = u->ns, .name = u->stored, .wake = woken};
    int r = sn_map_put(&c->subs, key, u, NULL);
    if (r >= 0 && (r = reg_store_wait(&c->s->store, &u->w)) < 0) (void)sn_map_del(&c->subs, key);
    if (r < 0) {
        sn_free(u);
        return r;
    }
    *ret = u;
    return 0;
}

static void sub_free(struct conn *c, struct sub *u)
{
    reg_store_unwait(&c->s->store, &u->w);
    sn_list_del(&u->dirty);
    sn_free(u);
}

static void unsubscribe(struct conn *c, struct sn_str key)
{
    struct sub *u = sn_map_del(&c->subs, key);
    if (u) sub_free(c, u);
}

/* ---- naming --------------------------------------------------------------------------------- */

/* Clients drop what is not younger than what they have, by this time in milliseconds. */
static int64_t ref_time(struct sn_regserver *s)
{
    s->nacos_ref_ms = SN_MAX(s->nacos_ref_ms + 1, s->store.wall_ns / SN_MS);
    return s->nacos_ref_ms;
}

/* The member serviceInfo. The lock is held. */
static void service_info(struct sn_jsonw *w, struct sn_regserver *s, struct sn_arena *a,
                         const struct sub *u, bool only_healthy)
{
    sn_jsonw_key(w, SN_STR("serviceInfo"));
    sn_jsonw_object(w);
    sn_jsonw_kstr(w, "name", u->name);
    sn_jsonw_kstr(w, "groupName", u->group);
    sn_jsonw_kstr(w, "clusters", u->clusters);
    sn_jsonw_ki64(w, "cacheMillis", 10000);
    sn_jsonw_ki64(w, "lastRefTime", ref_time(s));
    sn_jsonw_kstr(w, "checksum", SN_STR(""));
    sn_jsonw_kbool(w, "allIPs", false);
    sn_jsonw_kbool(w, "reachProtectionThreshold", false);
    sn_jsonw_kbool(w, "valid", true);
    sn_jsonw_key(w, SN_STR("hosts"));
    nacos_hosts(w, a, reg_store_service(&s->store, u->ns, u->stored), u->clusters, only_healthy);
    sn_jsonw_object_end(w);
}

static int asked_service(struct ask *q, struct sub *ret)
{
    struct nacos_service svc;
    int r = nacos_service_of(q->a, text(q->j, "groupName"), text(q->j, "serviceName"), &svc);
    if (r < 0) return r;
    *ret = (struct sub){.w.kind = REG_WAIT_SERVICE,
                        .ns = ns_of(text(q->j, "namespace")),
                        .group = svc.group,
                        .name = svc.name,
                        .stored = svc.stored,
                        .clusters = text(q->j, "clusters")};
    return 0;
}

/* A persistent instance stays without its client; it has no check, as over HTTP. */
static int spec_of(struct ask *q, const struct sub *svc, const struct sn_json *j, bool persistent,
                   struct reg_spec *sp)
{
    struct nacos_place at = {.ip = text(j, "ip"),
                             .port = sn_json_i64_or(sn_json_get(j, "port"), -1),
                             .cluster = text(j, "clusterName")};
    int r = nacos_place(q->a, svc->ns, svc->stored, &at, sp);
    if (r < 0) return r;
    sp->weight = sn_json_double_or(sn_json_get(j, "weight"), 1);
    if (!(sp->weight >= 0))
        return sn_fail(SN_E_INVALID_ARGUMENT, "weight: expected a number from 0 to 1000000");
    sp->disabled = !sn_json_bool_or(sn_json_get(j, "enabled"), true);
    sp->permanent = persistent || !sn_json_bool_or(sn_json_get(j, "ephemeral"), true);
    return nacos_metadata(q->a, sn_json_get(j, "metadata"), sp);
}

static int register_one(struct ask *q, struct reg_spec *sp)
{
    struct reg_inst *in;
    struct conn *c = conn_of(q);
    if (!c) return SN_E_UNAVAILABLE;
    sp->lease = sp->permanent ? 0 : c->lease;
    int r = reg_store_register(&q->s->store, sn_now(), sp, &in);
    return r < 0 ? r : 0;
}

static int instance(struct ask *q, bool persistent)
{
    struct sub svc;
    struct reg_spec sp = {0};
    struct sn_str what = text(q->j, "type");
    const struct sn_json *j = sn_json_get(q->j, "instance");
    if (!writes(q)) return refuse(q, E_FORBIDDEN, "access token expected");
    int r = asked_service(q, &svc);
    if (r >= 0) r = spec_of(q, &svc, j, persistent, &sp);
    if (r < 0) return refuse_of(q, r);
    bool out = sn_str_eqc(what, "deregisterInstance");
    if (!out && !sn_str_eqc(what, "registerInstance"))
        return refuse(q, E_BAD_REQUEST, "type: expected registerInstance or deregisterInstance");
    reg_srv_lock(q->s);
    if (out)
        (void)reg_store_deregister(&q->s->store, sp.ns, sp.in.id); /* gone is gone */
    else
        r = register_one(q, &sp);
    int c = reg_srv_commit(q->s);
    if (r == SN_E_UNAVAILABLE) return unregistered(q);
    if (r < 0 || (r = c) < 0) return refuse_of(q, r);
    ok(q, "InstanceResponse");
    sn_jsonw_kstr(&q->w, "type", what);
    return 0;
}

static bool named(const struct reg_spec *specs, size_t n, struct sn_str id)
{
    for (size_t i = 0; i < n; i++)
        if (sn_str_eq(specs[i].in.id, id)) return true;
    return false;
}

/* What this client had registered of the service and does not name any more goes. */
static void drop_others(struct ask *q, const struct conn *c, const struct sub *svc,
                        const struct reg_spec *specs, size_t n)
{
    struct reg_service *have = reg_store_service(&q->s->store, svc->ns, svc->stored);
    if (!have) return;
    SN_LIST_EACH (&have->insts, it) {
        struct reg_inst *in = SN_LIST_ENTRY(it, struct reg_inst, node);
        if (in->spec.lease == c->lease && !named(specs, n, in->spec.in.id))
            reg_store_unlink(&q->s->store, in);
    }
}

static int batch(struct ask *q)
{
    struct sub svc;
    const struct sn_json *list = sn_json_get(q->j, "instances");
    size_t n = 0, max = sn_json_len(list);
    struct reg_spec *specs = SN_ARENA_ARRAY(q->a, struct reg_spec, max + 1);
    if (!writes(q)) return refuse(q, E_FORBIDDEN, "access token expected");
    if (!specs) return SN_E_NOMEM;
    if (max > SN_REG_LABELS_MAX * 16)
        return refuse(q, E_BAD_REQUEST, "more than 1024 instances in one request");
    memset(specs, 0, sizeof(*specs) * (max + 1));
    int r = asked_service(q, &svc);
    for (SN_JSON_EACH(list, it)) {
        if (r < 0) break;
        r = spec_of(q, &svc, it, false, &specs[n++]);
    }
    if (r < 0) return refuse_of(q, r);
    reg_srv_lock(q->s);
    struct conn *c = conn_of(q);
    for (size_t i = 0; c && r >= 0 && i < n; i++) r = register_one(q, &specs[i]);
    if (c && r >= 0) drop_others(q, c, &svc, specs, n);
    int e = reg_srv_commit(q->s);
    if (!c) return unregistered(q);
    if (r < 0 || (r = e) < 0) return refuse_of(q, r);
    ok(q, "BatchInstanceResponse");
    sn_jsonw_kstr(&q->w, "type", text(q->j, "type"));
    return 0;
}

static int query_service(struct ask *q)
{
    struct sub svc;
    int r = asked_service(q, &svc);
    if (r < 0) return refuse_of(q, r);
    svc.clusters = text(q->j, "cluster");
    ok(q, "QueryServiceResponse");
    reg_srv_lock(q->s);
    service_info(&q->w, q->s, q->a, &svc, sn_json_bool_or(sn_json_get(q->j, "healthyOnly"), false));
    reg_srv_unlock(q->s);
    return 0;
}

static int subscribe_service(struct ask *q)
{
    struct sub svc, *u;
    int r = asked_service(q, &svc);
    if (r < 0) return refuse_of(q, r);
    struct sn_str key = sub_key(q->a, 'S', svc.ns, svc.stored, svc.clusters);
    if (!key.ptr) return SN_E_NOMEM;
    bool on = sn_json_bool_or(sn_json_get(q->j, "subscribe"), true);
    reg_srv_lock(q->s);
    struct conn *c = conn_of(q);
    if (c && on) r = subscribe(c, key, &svc, &u);
    if (c && !on) unsubscribe(c, key);
    if (c && r >= 0) {
        ok(q, "SubscribeServiceResponse");
        service_info(&q->w, q->s, q->a, &svc, false);
    }
    reg_srv_unlock(q->s);
    if (!c) return unregistered(q);
    return r < 0 ? refuse_of(q, r) : 0;
}

static int list_services(struct ask *q)
{
    struct nacos_names all;
    struct sn_str group = text(q->j, "groupName");
    int r = nacos_service_names(q->s, q->a, ns_of(text(q->j, "namespace")),
                                group.len ? group : SN_STR(NACOS_DEFAULT_GROUP), &all);
    if (r < 0) return r;
    ok(q, "ServiceListResponse");
    sn_jsonw_ku64(&q->w, "count", all.len);
    sn_jsonw_key(&q->w, SN_STR("serviceNames"));
    nacos_page(&q->w, &all, (uint64_t)SN_MAX(sn_json_i64_or(sn_json_get(q->j, "pageNo"), 1), (int64_t)1),
               (uint64_t)SN_MAX(sn_json_i64_or(sn_json_get(q->j, "pageSize"), 10), (int64_t)1));
    sn_vec_done(&all);
    return 0;
}

/* ---- configurations ------------------------------------------------------------------------- */

static int config_key(struct ask *q, const struct sn_json *j, struct sn_str *ret)
{
    return nacos_key(q->a, text(j, "tenant"), text(j, "group"), text(j, "dataId"), ret);
}

static int config_query(struct ask *q)
{
    struct sn_str key;
    char md5[NACOS_MD5_LEN];
    int r = config_key(q, q->j, &key);
    if (r < 0) return refuse_of(q, r);
    reg_srv_lock(q->s);
    struct reg_kv *kv = reg_store_get(&q->s->store, key);
    struct reg_value *v = kv ? reg_value_ref(kv->value) : NULL;
    int64_t wall = kv ? kv->wall_ns : 0;
    reg_srv_unlock(q->s);
    if (!v) {
        answer(q, "ConfigQueryResponse", E_NOT_FOUND, "config data not exist");
        return 0;
    }
    r = nacos_md5(reg_value_str(v), md5);
    ok(q, "ConfigQueryResponse");
    sn_jsonw_kstr(&q->w, "content", reg_value_str(v));
    sn_jsonw_kstr(&q->w, "contentType", SN_STR("text"));
    if (r >= 0) sn_jsonw_kstr(&q->w, "md5", sn_str_of(md5, sizeof(md5)));
    sn_jsonw_ki64(&q->w, "lastModified", wall / SN_MS);
    sn_jsonw_kbool(&q->w, "isBeta", false);
    reg_value_unref(v);
    return r < 0 ? refuse_of(q, r) : 0;
}

static int config_publish(struct ask *q)
{
    struct sn_str key, content = text(q->j, "content");
    if (!writes(q)) return refuse(q, E_FORBIDDEN, "access token expected");
    int r = config_key(q, q->j, &key);
    if (r >= 0 && !content.len) r = sn_fail(SN_E_INVALID_ARGUMENT, "Param 'content' is required.");
    if (r >= 0) r = nacos_publish(q->s, key, content, text(q->j, "casMd5"));
    if (r < 0) return refuse_of(q, r);
    if (r) return ok(q, "ConfigPublishResponse");
    answer(q, "ConfigPublishResponse", E_SERVER, "Cas publish fail,server md5 may have changed.");
    return 0;
}

static int config_remove(struct ask *q)
{
    struct sn_str key;
    if (!writes(q)) return refuse(q, E_FORBIDDEN, "access token expected");
    int r = config_key(q, q->j, &key);
    if (r < 0) return refuse_of(q, r);
    reg_srv_lock(q->s);
    (void)reg_store_del(&q->s->store, key, 0);
    r = reg_srv_commit(q->s);
    return r < 0 ? refuse_of(q, r) : ok(q, "ConfigRemoveResponse");
}

/* The digest of a key's content as it is now; zero where it is not there. The lock is held. */
static int digest_now(struct sn_regserver *s, struct sn_str key, char ret[NACOS_MD5_LEN])
{
    const struct reg_kv *kv = reg_store_get(&s->store, key);
    memset(ret, 0, NACOS_MD5_LEN);
    return kv ? nacos_md5(reg_value_str(kv->value), ret) : 0;
}

static bool as_client_has(const char now[NACOS_MD5_LEN], struct sn_str md5)
{
    return now[0] ? sn_str_eq(sn_str_of(now, NACOS_MD5_LEN), md5) : !md5.len;
}

static int listen_one(struct ask *q, struct conn *c, const struct sn_json *j, bool on)
{
    struct sn_str key, md5 = text(j, "md5");
    struct sub like = {.w.kind = REG_WAIT_KEY,
                       .ns = text(j, "tenant"),
                       .group = text(j, "group"),
                       .name = text(j, "dataId")},
               *u;
    char now[NACOS_MD5_LEN];
    int r = config_key(q, j, &key);
    if (r < 0) return r;
    struct sn_str id = sub_key(q->a, 'K', key, SN_STR(""), SN_STR(""));
    if (!id.ptr) return SN_E_NOMEM;
    if (!on) {
        unsubscribe(c, id);
        return 0;
    }
    like.stored = key;
    if ((r = subscribe(c, id, &like, &u)) < 0) return r;
    if ((r = digest_now(q->s, key, now)) < 0) return r;
    memcpy(u->md5, now, sizeof(now)); /* the answer tells the client */
    if (as_client_has(now, md5)) return 0;
    sn_jsonw_object(&q->w);
    sn_jsonw_kstr(&q->w, "group", like.group);
    sn_jsonw_kstr(&q->w, "dataId", like.name);
    sn_jsonw_kstr(&q->w, "tenant", like.ns);
    sn_jsonw_object_end(&q->w);
    return 0;
}

static int config_listen(struct ask *q)
{
    const struct sn_json *list = sn_json_get(q->j, "configListenContexts");
    bool on = sn_json_bool_or(sn_json_get(q->j, "listen"), true);
    int r = 0;
    if (sn_json_len(list) > LISTEN_MAX)
        return refuse(q, E_BAD_REQUEST, "more than 3000 configurations in one request");
    ok(q, "ConfigChangeBatchListenResponse");
    sn_jsonw_key(&q->w, SN_STR("changedConfigs"));
    sn_jsonw_array(&q->w);
    reg_srv_lock(q->s);
    struct conn *c = conn_of(q);
    for (SN_JSON_EACH(list, it)) {
        if (!c || r < 0) break;
        r = listen_one(q, c, it, on);
    }
    reg_srv_unlock(q->s);
    sn_jsonw_array_end(&q->w);
    if (!c) return unregistered(q);
    return r < 0 ? refuse_of(q, r) : 0;
}

/* ---- requests ------------------------------------------------------------------------------- */

static int server_check(struct ask *q)
{
    ok(q, "ServerCheckResponse");
    struct sn_str peer = sn_grpc_peer(q->call);
    sn_jsonw_kstr(&q->w, "connectionId", peer.ptr ? peer : SN_STR("unknown"));
    sn_jsonw_kbool(&q->w, "supportAbilityNegotiation", false);
    return 0;
}

/* A client whose stream is gone learns of it by its next health check. */
static int health_check(struct ask *q)
{
    reg_srv_lock(q->s);
    bool known = conn_of(q) != NULL;
    reg_srv_unlock(q->s);
    return known ? ok(q, "HealthCheckResponse") : unregistered(q);
}
static int instance_request(struct ask *q) { return instance(q, false); }
static int persistent_request(struct ask *q) { return instance(q, true); }

static const struct {
    const char *type;
    int (*handle)(struct ask *q);
} handlers[] = {
    {"ServerCheckRequest", server_check},
    {"HealthCheckRequest", health_check},
    {"InstanceRequest", instance_request},
    {"PersistentInstanceRequest", persistent_request},
    {"BatchInstanceRequest", batch},
    {"ServiceQueryRequest", query_service},
    {"SubscribeServiceRequest", subscribe_service},
    {"ServiceListRequest", list_services},
    {"ConfigQueryRequest", config_query},
    {"ConfigPublishRequest", config_publish},
    {"ConfigRemoveRequest", config_remove},
    {"ConfigBatchListenRequest", config_listen},
};

static int handle(struct ask *q)
{
    struct sn_str type = q->in->metadata ? q->in->metadata->type : SN_STR("");
    struct sn_str body = q->in->body ? q->in->body->value : SN_STR("");
    int r = sn_json_parse(q->a, body, NULL, &q->j);
    if (r == SN_E_NOMEM) return r;
    if (r < 0 || !sn_json_is(q->j, SN_JSON_OBJECT)) {
        q->j = NULL;
        return refuse(q, E_BAD_REQUEST, "body: expected a JSON object");
    }
    for (size_t i = 0; i < SN_COUNT_OF(handlers); i++)
        if (sn_str_eqc(type, handlers[i].type)) return handlers[i].handle(q);
    return refuse(q, E_NO_HANDLER, "RequestHandler Not Found");
}

static int request(struct sn_grpc_call *call, const struct payload *in, struct payload **ret)
{
    struct ask q = {.call = call, .s = call->arg, .a = call->arena, .in = in};
    struct payload *rep = payload_new(call->arena);
    if (!rep) return SN_E_NOMEM;
    sn_buf_init(&q.out, 0);
    int r = handle(&q);
    if (r >= 0) {
        sn_jsonw_object_end(&q.w);
        r = set_payload(call->arena, q.type, &q.out, rep);
    }
    sn_buf_done(&q.out);
    if (r >= 0) *ret = rep;
    return r;
}

/* ---- the stream ----------------------------------------------------------------------------- */

static void poke_conn(struct reg_stream *reg)
{
    (void)!sn_chan_try_send(SN_CONTAINER_OF(reg, struct conn, reg)->poke, NULL);
}

/* Only the first message says something; what follows acknowledges our requests. */
static int read_stream(void *arg)
{
    struct conn *c = arg;
    struct payload *p;
    int r;
    while ((r = bi_request_stream_request_bi_stream_request(c->call, &p)) > 0) {
        if (!p->metadata || !sn_str_eqc(p->metadata->type, "ConnectionSetupRequest")) continue;
        reg_srv_lock(c->s);
        c->set_up = true;
        reg_srv_unlock(c->s);
    }
    c->over = r < 0 ? r : SN_E_CANCELLED; /* a client that closes its side is gone */
    (void)!sn_chan_try_send(c->poke, NULL);
    return 0;
}

/* The request that tells of a change; *ret_type NULL where there is nothing to tell. The lock is
 * held, and the subscription waits again. */
static int news_of(struct conn *c, struct sub *u, struct sn_arena *a, struct sn_buf *out,
                   const char **ret_type)
{
    struct sn_jsonw w;
    char now[NACOS_MD5_LEN];
    *ret_type = NULL;
    int r = sn_list_linked(&u->w.node) ? 0 : reg_store_wait(&c->s->store, &u->w);
    bool config = u->w.kind == REG_WAIT_KEY;
    if (r >= 0 && config) {
        if ((r = digest_now(c->s, u->stored, now)) < 0) return r;
        if (memcmp(now, u->md5, sizeof(now)) == 0) return 0;
        memcpy(u->md5, now, sizeof(now));
    }
    if (r < 0) return r;
    struct sn_str id = sn_arena_printf(a, "%llu", (unsigned long long)++c->sent);
    if (!id.ptr) return SN_E_NOMEM;
    *ret_type = config ? "ConfigChangeNotifyRequest" : "NotifySubscriberRequest";
    sn_jsonw_init(&w, out, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "requestId", id);
    sn_jsonw_kstr(&w, "module", config ? SN_STR("config") : SN_STR("naming"));
    if (config) {
        sn_jsonw_kstr(&w, "dataId", u->name);
        sn_jsonw_kstr(&w, "group", u->group);
        sn_jsonw_kstr(&w, "tenant", u->ns);
    } else {
        sn_jsonw_kstr(&w, "namespace", u->ns);
        sn_jsonw_kstr(&w, "serviceName", u->name);
        sn_jsonw_kstr(&w, "groupName", u->group);
        service_info(&w, c->s, a, u, false);
    }
    sn_jsonw_object_end(&w);
    return out->err;
}

static int push_all(struct conn *c)
{
    struct sn_arena a;
    struct sn_buf b;
    int r = 0;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&b, 0);
    for (bool more = true; r >= 0 && more;) {
        struct payload p = {0};
        const char *type = NULL;
        sn_arena_reset(&a);
        sn_buf_reset(&b);
        reg_srv_lock(c->s);
        more = !sn_list_empty(&c->dirty);
        if (more) {
            struct sub *u = SN_LIST_ENTRY(c->dirty.next, struct sub, dirty);
            sn_list_del(&u->dirty);
            r = news_of(c, u, &a, &b, &type);
        }
        reg_srv_unlock(c->s);
        if (r < 0 || !type) continue;
        r = set_payload(&a, type, &b, &p);
        if (r >= 0) r = bi_request_stream_request_bi_stream_reply(c->call, &p);
    }
    sn_buf_done(&b);
    sn_arena_done(&a);
    return r;
}

static int serve_stream(struct conn *c)
{
    int r = 0;
    while (r >= 0) {
        r = sn_chan_recv(c->poke, NULL);
        if (sn_event_is_set(&c->s->stop)) return SN_E_UNAVAILABLE;
        if (c->over < 0) return c->over;
        if (r >= 0) r = push_all(c);
    }
    return r;
}

/* One stream for each connection. */
static int conn_add(struct conn *c)
{
    struct reg_lease_rec *l;
    reg_srv_lock(c->s);
    int r = sn_map_get(&c->s->nacos_conns, c->peer)
                ? sn_grpc_fail(c->call, SN_E_ALREADY_EXISTS, "this connection has a stream")
                : reg_store_lease(&c->s->store, sn_now(), 0, SN_STR(""), 0, &l);
    if (r >= 0) {
        l->connection = true;
        c->lease = l->num;
        if ((r = sn_map_put(&c->s->nacos_conns, c->peer, c, NULL)) < 0)
            reg_store_lease_end(&c->s->store, l);
    }
    reg_srv_unlock(c->s);
    return r < 0 ? r : 0;
}

static void conn_del(struct conn *c)
{
    struct sn_map_slot *slot;
    size_t it = 0;
    reg_srv_lock(c->s);
    (void)sn_map_del(&c->s->nacos_conns, c->peer);
    while ((slot = sn_map_next(&c->subs, &it))) sub_free(c, slot->value);
    sn_map_done(&c->subs);
    struct reg_lease_rec *l = reg_store_lease_of(&c->s->store, c->lease);
    if (l) reg_store_lease_end(&c->s->store, l);
    reg_srv_unlock(c->s);
}

static int bi_stream(struct sn_grpc_call *call)
{
    struct conn c = {.s = call->arg, .call = call, .reg.poke = poke_conn};
    struct sn_str peer = sn_grpc_peer(call);
    if (!peer.ptr || !(c.peer = sn_arena_str(call->arena, peer)).ptr) return SN_E_NOMEM;
    sn_map_init(&c.subs, sn_random(), true);
    sn_list_init(&c.dirty);
    if (!(c.poke = sn_chan_new(0, 1))) return SN_E_NOMEM;
    int r = conn_add(&c);
    if (r >= 0) {
        struct sn_scope_storage mem;
        reg_stream_add(c.s, &c.reg);
        struct sn_scope *scope = sn_scope_begin(&mem);
        r = sn_scope_go_on(scope, (unsigned)sn_worker_id(), "nacos stream", read_stream, &c);
        if (r >= 0) r = serve_stream(&c);
        sn_scope_cancel(scope);
        (void)!sn_scope_end(scope);
        reg_stream_del(c.s, &c.reg);
        conn_del(&c);
    }
    sn_chan_free(c.poke);
    return r;
}

static const struct request_handlers request_impl = {.request = request};
static const struct bi_request_stream_handlers stream_impl = {.request_bi_stream = bi_stream};

int reg_nacos_grpc_open(struct sn_regserver *s, struct sn_grpc_server **ret)
{
    struct sn_grpc_interceptor count = reg_count_calls(s);
    struct sn_grpc_server_opts o = {.interceptors = &count,
                                    .n_interceptors = 1,
                                    .recv_bytes_max = REG_BODY_MAX,
                                    .web_off = true,
                                    .connect_off = true,
                                    .rest_off = true};
    struct sn_grpc_server *g;
    int r = sn_grpc_server_new(&o, &g);
    if (r < 0) return r;
    r = request_register(g, &request_impl, s);
    if (r >= 0) r = bi_request_stream_register(g, &stream_impl, s);
    if (r < 0) {
        sn_grpc_server_free(g);
        return r;
    }
    *ret = g;
    return 0;
}
