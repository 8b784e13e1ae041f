/* SPDX-License-Identifier: Apache-2.0 */
/* registry/etcd_face.c - etcd's face: opening it, its failures, and the services that say who the
 * server is. SPEC: etcd's api/v3 (names, numbers, texts of failures), its JSON gateway. */
#include "registry/etcd_face.h"

#include "core/alloc.h"

#define MEMBER_ID 0x73656e6e69740002ull
/* What clients may expect of us: progress requests and fragments are there since 3.4. */
#define VERSION "3.4.0"

/* ---- failures ------------------------------------------------------------------------------- */

static const struct {
    int code;
    const char *text;
} errors[] = {
    [ETCD_EMPTY_KEY] = {SN_E_INVALID_ARGUMENT, "key is not provided"},
    [ETCD_KEY_NOT_FOUND] = {SN_E_INVALID_ARGUMENT, "key not found"},
    [ETCD_VALUE_PROVIDED] = {SN_E_INVALID_ARGUMENT, "value is provided"},
    [ETCD_LEASE_PROVIDED] = {SN_E_INVALID_ARGUMENT, "lease is provided"},
    [ETCD_TOO_MANY_OPS] = {SN_E_INVALID_ARGUMENT, "too many operations in txn request"},
    [ETCD_DUPLICATE_KEY] = {SN_E_INVALID_ARGUMENT, "duplicate key given in txn request"},
    [ETCD_COMPACTED] = {SN_E_OUT_OF_RANGE, "mvcc: required revision has been compacted"},
    [ETCD_FUTURE_REV] = {SN_E_OUT_OF_RANGE, "mvcc: required revision is a future revision"},
    [ETCD_NO_SPACE] = {SN_E_RESOURCE_EXHAUSTED, "mvcc: database space exceeded"},
    [ETCD_LEASE_NOT_FOUND] = {SN_E_NOT_FOUND, "requested lease not found"},
    [ETCD_LEASE_EXISTS] = {SN_E_FAILED_PRECONDITION, "lease already exists"},
    [ETCD_LEASE_TTL] = {SN_E_OUT_OF_RANGE, "too large lease TTL"},
    [ETCD_TOO_LARGE] = {SN_E_INVALID_ARGUMENT, "request is too large"},
    [ETCD_USER_EMPTY] = {SN_E_INVALID_ARGUMENT, "user name is empty"},
    [ETCD_AUTH_FAILED] = {SN_E_INVALID_ARGUMENT,
                          "authentication failed, invalid user ID or password"},
    [ETCD_AUTH_OFF] = {SN_E_FAILED_PRECONDITION, "authentication is not enabled"},
    [ETCD_BAD_TOKEN] = {SN_E_UNAUTHENTICATED, "invalid auth token"},
    [ETCD_STOPPED] = {SN_E_UNAVAILABLE, "server stopped"},
};

int etcd_fail(struct sn_grpc_call *call, enum etcd_error e)
{
    return sn_grpc_fail(call, errors[e].code, "etcdserver: %s", errors[e].text);
}

int etcd_fail_of(struct sn_grpc_call *call, int r)
{
    switch (r) {
    case SN_E_NOT_FOUND: return etcd_fail(call, ETCD_LEASE_NOT_FOUND);
    case SN_E_TOO_LARGE:
    case SN_E_INVALID_ARGUMENT: return etcd_fail(call, ETCD_TOO_LARGE);
    case SN_E_RESOURCE_EXHAUSTED: return etcd_fail(call, ETCD_NO_SPACE);
    case SN_E_OUT_OF_RANGE: return etcd_fail(call, ETCD_COMPACTED);
    default: return r;
    }
}

int etcd_writes(struct sn_grpc_call *call)
{
    struct sn_regserver *s = call->arg;
    if (!s->o.token.len) return 0;
    /* The gateway's clients send the token as Authorization. */
    struct sn_str t = sn_grpc_metadata(call, "token");
    if (!t.ptr) t = sn_grpc_metadata(call, "authorization");
    if (sn_str_starts(t, SN_STR("Bearer "))) t = sn_str_from(t, 7);
    if (reg_is_token(s, t)) return 0;
    __atomic_add_fetch(&s->refused, 1, __ATOMIC_RELAXED);
    return etcd_fail(call, t.ptr ? ETCD_BAD_TOKEN : ETCD_USER_EMPTY);
}

struct etcdserverpb_response_header *etcd_header(const struct sn_regserver *s, struct sn_arena *a)
{
    struct etcdserverpb_response_header *h = etcdserverpb_response_header_new(a);
    if (!h) return NULL;
    h->cluster_id = s->store.identity;
    h->member_id = MEMBER_ID;
    h->raft_term = 1;
    h->revision = (int64_t)s->store.rev;
    return h;
}

static struct etcdserverpb_response_header *header_now(struct sn_grpc_call *call)
{
    struct sn_regserver *s = call->arg;
    reg_srv_lock(s);
    struct etcdserverpb_response_header *h = etcd_header(s, call->arena);
    reg_srv_unlock(s);
    return h;
}

/* ---- who we are ----------------------------------------------------------------------------- */

/* A client that asks for the members goes on with the addresses it gets: it gets the one it came
 * by, which is the only one we know to lead here. */
static struct sn_str address_for(struct sn_grpc_call *call)
{
    char at[128];
    struct sn_str host = call->http->req.authority;
    bool tls = call->http->req.tls;
    if (!host.len || !sn_http_host_valid(host) || sn_str_chr(host, ':') < 0) {
        int n = sn_regserver_addr(call->arg, "etcd", at, sizeof(at));
        host = n > 0 ? sn_str_of(at, (size_t)n) : SN_STR("127.0.0.1:2379");
        if (sn_str_starts(host, SN_STR("tcp:"))) host = sn_str_from(host, 4);
    }
    return sn_arena_printf(call->arena, "http%s://%.*s", tls ? "s" : "", SN_STR_ARG(host));
}

static int member_list(struct sn_grpc_call *call, const struct etcdserverpb_member_list_request *q,
                       struct etcdserverpb_member_list_response **ret)
{
    struct sn_arena *a = call->arena;
    struct etcdserverpb_member_list_response *rep = etcdserverpb_member_list_response_new(a);
    struct etcdserverpb_member *m = rep ? etcdserverpb_member_list_response_add_members(rep, a)
                                        : NULL;
    struct sn_str *url = SN_ARENA_NEW(a, struct sn_str);
    if (!m || !url || !(rep->header = header_now(call)) || !(*url = address_for(call)).ptr)
        return SN_E_NOMEM;
    m->ID = MEMBER_ID;
    m->name = SN_STR("sennit");
    m->clientURLs.ptr = m->peerURLs.ptr = url;
    m->clientURLs.len = m->peerURLs.len = 1;
    *ret = rep;
    return 0;
}

static int status(struct sn_grpc_call *call, const struct etcdserverpb_status_request *q,
                  struct etcdserverpb_status_response **ret)
{
    struct sn_regserver *s = call->arg;
    struct etcdserverpb_status_response *rep = etcdserverpb_status_response_new(call->arena);
    if (!rep) return SN_E_NOMEM;
    reg_srv_lock(s);
    rep->header = etcd_header(s, call->arena);
    rep->dbSize = rep->dbSizeInUse = (int64_t)s->store.kv_bytes;
    rep->raftIndex = rep->raftAppliedIndex = s->store.rev;
    reg_srv_unlock(s);
    if (!rep->header) return SN_E_NOMEM;
    rep->version = SN_STR(VERSION);
    rep->leader = MEMBER_ID;
    rep->raftTerm = 1;
    *ret = rep;
    return 0;
}

static int alarm(struct sn_grpc_call *call, const struct etcdserverpb_alarm_request *q,
                 struct etcdserverpb_alarm_response **ret)
{
    struct etcdserverpb_alarm_response *rep = etcdserverpb_alarm_response_new(call->arena);
    if (!rep || !(rep->header = header_now(call))) return SN_E_NOMEM;
    if (q->action == ETCDSERVERPB_ALARM_REQUEST_ALARM_ACTION_ACTIVATE)
        return sn_grpc_fail(call, SN_E_UNIMPLEMENTED, "alarms cannot be raised here");
    *ret = rep;
    return 0;
}

static int defragment(struct sn_grpc_call *call, const struct etcdserverpb_defragment_request *q,
                      struct etcdserverpb_defragment_response **ret)
{
    struct etcdserverpb_defragment_response *rep =
        etcdserverpb_defragment_response_new(call->arena);
    if (!rep || !(rep->header = header_now(call))) return SN_E_NOMEM;
    *ret = rep; /* nothing is fragmented: the journal rewrites itself */
    return 0;
}

static int auth_status(struct sn_grpc_call *call, const struct etcdserverpb_auth_status_request *q,
                       struct etcdserverpb_auth_status_response **ret)
{
    const struct sn_regserver *s = call->arg;
    struct etcdserverpb_auth_status_response *rep =
        etcdserverpb_auth_status_response_new(call->arena);
    if (!rep || !(rep->header = header_now(call))) return SN_E_NOMEM;
    rep->enabled = s->o.token.len != 0;
    *ret = rep;
    return 0;
}

/* Any user; the password is the server's token. */
static int authenticate(struct sn_grpc_call *call, const struct etcdserverpb_authenticate_request *q,
                        struct etcdserverpb_authenticate_response **ret)
{
    const struct sn_regserver *s = call->arg;
    if (!s->o.token.len) return etcd_fail(call, ETCD_AUTH_OFF);
    if (!q->name.len) return etcd_fail(call, ETCD_USER_EMPTY);
    if (!reg_is_token(s, q->password)) return etcd_fail(call, ETCD_AUTH_FAILED);
    struct etcdserverpb_authenticate_response *rep =
        etcdserverpb_authenticate_response_new(call->arena);
    if (!rep || !(rep->header = header_now(call))) return SN_E_NOMEM;
    rep->token = sn_str(s->token_nonce);
    *ret = rep;
    return 0;
}

static const struct etcdserverpb_cluster_handlers cluster = {.member_list = member_list};
static const struct etcdserverpb_maintenance_handlers maintenance = {
    .alarm = alarm, .status = status, .defragment = defragment};
static const struct etcdserverpb_auth_handlers auth = {.auth_status = auth_status,
                                                       .authenticate = authenticate};

/* ---- opening -------------------------------------------------------------------------------- */

static int plain_http(struct sn_http_x *x, void *server)
{
    if (sn_str_eqc(x->req.path, "/version"))
        return sn_http_reply(
            x, 200, SN_STR("application/json"),
            SN_STR("{\"etcdserver\":\"" VERSION "\",\"etcdcluster\":\"" VERSION "\"}"));
    if (sn_str_eqc(x->req.path, "/health"))
        return sn_http_reply(x, 200, SN_STR("application/json"), SN_STR("{\"health\":\"true\"}"));
    return sn_http_reply(x, 404, SN_STR("text/plain"), SN_STR("no such call here"));
}

int reg_etcd_open(struct sn_regserver *s, struct sn_grpc_server **ret)
{
    struct sn_grpc_interceptor count = reg_count_calls(s);
    struct sn_grpc_server_opts o = {.interceptors = &count,
                                    .n_interceptors = 1,
                                    .recv_bytes_max = REG_BODY_MAX,
                                    .web_off = true,
                                    .connect_off = true,
                                    .json_original_names = true,
                                    .fallback = plain_http,
                                    .fallback_arg = s};
    struct sn_grpc_server *g;
    int r = sn_grpc_server_new(&o, &g);
    if (r < 0) return r;
    if (r >= 0) r = etcdserverpb_kv_register(g, &etcd_kv_handlers, s);
    if (r >= 0) r = etcdserverpb_watch_register(g, &etcd_watch_handlers, s);
    if (r >= 0) r = etcdserverpb_lease_register(g, &etcd_lease_handlers, s);
    if (r >= 0) r = etcdserverpb_cluster_register(g, &cluster, s);
    if (r >= 0) r = etcdserverpb_maintenance_register(g, &maintenance, s);
    if (r >= 0) r = etcdserverpb_auth_register(g, &auth, s);
    if (r >= 0) r = sn_grpc_health_add(g);
    if (r >= 0) r = sn_grpc_reflection_add(g);
    if (r < 0) {
        sn_grpc_server_free(g);
        return r;
    }
    *ret = g;
    return 0;
}
