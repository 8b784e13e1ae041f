/* SPDX-License-Identifier: Apache-2.0 */
/* registry/consul_face.c - Consul's HTTP API: agent, catalogue, health. Everything is on one node.
 */
#include "core/alloc.h"
#include "registry/consul_int.h"

#define WAIT_DEFAULT (5 * SN_MINUTE)

/* ---- blocking queries ----------------------------------------------------------------------- */

int consul_wait(struct reg_req *q, const struct consul_ask *ask, uint64_t *ret)
{
    struct sn_regserver *s = q->srv;
    uint64_t index = 0;
    int64_t wait = WAIT_DEFAULT;
    struct sn_str w = reg_param(q, "wait");
    if (w.len && (sn_str_to_duration(w, &wait) < 0 || wait < 0)) {
        reg_srv_lock(s);
        return sn_fail(SN_E_INVALID_ARGUMENT, "Invalid wait time");
    }
    struct sn_str i = reg_param(q, "index");
    if (i.len && sn_str_to_u64(i, &index) < 0) {
        reg_srv_lock(s);
        return sn_fail(SN_E_INVALID_ARGUMENT, "Invalid index");
    }
    wait = SN_MIN(wait ? wait : WAIT_DEFAULT, s->o.wait_ns_max);
    wait += (int64_t)(sn_random() %
                      (uint64_t)(wait / 16 + 1)); /* as Consul: clients do not stay in step */
    int64_t until = sn_now() + wait;
    reg_srv_lock(s);
    int r = 0;
    /* An index from before a restart without memory is larger than ours: answered at once. */
    while ((*ret = SN_MAX(ask->index(s, ask->name), (uint64_t)1)) == index && index && r >= 0)
        r = reg_srv_block(s, ask->kind, SN_STR(""), ask->name, until);
    return r == SN_E_DEADLINE_EXCEEDED && sn_now() >= until ? 0 : r;
}

int consul_index_header(struct reg_req *q, uint64_t index)
{
    struct sn_str text = sn_arena_printf(q->a, "%llu", (unsigned long long)index);
    if (!text.ptr) return SN_E_NOMEM;
    int r = sn_http_header_add(q->x, SN_STR("X-Consul-Index"), text);
    if (r >= 0) r = sn_http_header_add(q->x, SN_STR("X-Consul-KnownLeader"), SN_STR("true"));
    return r < 0 ? r : sn_http_header_add(q->x, SN_STR("X-Consul-LastContact"), SN_STR("0"));
}

int consul_forbidden(struct reg_req *q)
{
    return reg_text(q, 403, "Permission denied: token with write rights expected");
}

bool consul_writes(struct reg_req *q) { return reg_may_write(q, "x-consul-token", "token"); }

static uint64_t service_index(struct sn_regserver *s, struct sn_str name)
{
    struct reg_service *svc = reg_store_service(&s->store, SN_STR(""), name);
    return svc ? svc->mod_rev : s->store.catalog_rev;
}
static uint64_t catalog_index(struct sn_regserver *s, struct sn_str name)
{
    return s->store.catalog_rev;
}

/* Under the lock: releases it and answers. */
static int finish(struct reg_req *q, uint64_t index, int r, struct sn_buf *b)
{
    reg_srv_unlock(q->srv);
    if (r >= 0) r = consul_index_header(q, index);
    if (r >= 0) return reg_json(q, 200, b);
    sn_buf_done(b);
    return reg_text_of(q, r);
}

/* ---- agent ---------------------------------------------------------------------------------- */

static int parse_body(struct reg_req *q, const struct sn_json **ret)
{
    int r = reg_body(q);
    if (r < 0) return r;
    r = sn_json_parse(q->a, q->body, NULL, ret);
    if (r < 0) return r;
    return sn_json_is(*ret, SN_JSON_OBJECT)
               ? 0
               : sn_fail(SN_E_INVALID_ARGUMENT, "Request decode failed: expected an object");
}

static int register_service(struct reg_req *q)
{
    const struct sn_json *j;
    struct reg_spec sp;
    struct reg_inst *in;
    if (!consul_writes(q)) return consul_forbidden(q);
    int r = parse_body(q, &j);
    if (r >= 0) r = consul_spec(q, j, &sp);
    if (r < 0) return reg_text_of(q, r);
    reg_srv_lock(q->srv);
    r = reg_store_register(&q->srv->store, sn_now(), &sp, &in);
    int c = reg_srv_commit(q->srv);
    if (r >= 0) r = c;
    return r < 0 ? reg_text_of(q, r) : sn_http_reply(q->x, 200, (struct sn_str){0}, SN_STR(""));
}

static int deregister_service(struct reg_req *q, struct sn_str id)
{
    if (!consul_writes(q)) return consul_forbidden(q);
    reg_srv_lock(q->srv);
    int r = reg_store_deregister(&q->srv->store, SN_STR(""), id);
    int c = reg_srv_commit(q->srv);
    if (c < 0) return reg_text_of(q, c);
    if (r < 0) {
        struct sn_str t =
            sn_arena_printf(q->a,
                            "Unknown service ID \"%.*s\". Ensure that the service ID is "
                            "passed, not the service name.",
                            SN_STR_ARG(sn_str_sub(id, 0, 200)));
        return reg_text(q, 404, t.ptr ? t.ptr : "");
    }
    return sn_http_reply(q->x, 200, (struct sn_str){0}, SN_STR(""));
}

/* The instance a check belongs to. Check ids are unique on a node, so in the namespace; the usual
 * ones name the service's id. */
static struct reg_inst *check_owner(struct sn_regserver *s, struct sn_str id,
                                    struct reg_check **ret)
{
    if (sn_str_starts(id, SN_STR("service:"))) {
        struct sn_str rest = sn_str_from(id, 8);
        for (int part = 0; part < 2; part++) {
            struct reg_inst *in = reg_store_instance(&s->store, SN_STR(""), rest);
            if (in && (*ret = reg_inst_check(in, id))) return in;
            ssize_t colon = sn_str_rchr(rest, ':');
            if (colon < 0) break;
            rest = sn_str_sub(rest, 0, (size_t)colon);
        }
    }
    struct sn_map_slot *slot;
    size_t it = 0;
    while ((slot = sn_map_next(&s->store.by_id, &it))) {
        struct reg_inst *in = slot->value;
        if (sn_str_eqc(in->svc->ns, REG_STORE_NS) && (*ret = reg_inst_check(in, id))) return in;
    }
    return NULL;
}

static int update_check(struct reg_req *q, struct sn_str id, enum reg_status st,
                        struct sn_str output)
{
    struct reg_check *c;
    if (!consul_writes(q)) return consul_forbidden(q);
    reg_srv_lock(q->srv);
    struct reg_inst *in = check_owner(q->srv, id, &c);
    int r = !in || c->kind != REG_CHECK_TTL
                ? sn_fail(SN_E_NOT_FOUND, "CheckID \"%.*s\" does not have associated TTL",
                          SN_STR_ARG(sn_str_sub(id, 0, 200)))
                : reg_store_check(&q->srv->store, sn_now(), in, c, st, output);
    reg_srv_unlock(q->srv);
    return r < 0 ? reg_text_of(q, r) : sn_http_reply(q->x, 200, (struct sn_str){0}, SN_STR(""));
}

static int update_check_json(struct reg_req *q, struct sn_str id)
{
    const struct sn_json *j;
    int r = parse_body(q, &j);
    if (r < 0) return reg_text_of(q, r);
    struct sn_str st = reg_json_str(j, "Status");
    enum reg_status s = sn_str_eqc(st, "passing")   ? REG_PASSING
                        : sn_str_eqc(st, "warning") ? REG_WARNING
                                                    : REG_CRITICAL;
    return update_check(q, id, s, reg_json_str(j, "Output"));
}

/* Registers an instance again with other checks: one more, or one less. */
static int with_checks(struct reg_req *q, struct reg_inst *in, const struct reg_check *add,
                       struct sn_str drop)
{
    struct reg_spec sp = in->spec;
    uint32_t n = 0;
    for (uint32_t i = 0; i < sp.n_checks; i++) {
        struct sn_str id = add ? add->id : drop;
        if (!sn_str_eq(sp.checks[i].id, id)) sp.checks[n++] = sp.checks[i];
    }
    if (add && n == REG_CHECKS_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "at most %u checks of a service", REG_CHECKS_MAX);
    if (add) sp.checks[n++] = *add;
    sp.n_checks = n;
    sp.permanent &= !add || add->kind != REG_CHECK_TTL;
    struct reg_inst *ret;
    return reg_store_register(&q->srv->store, sn_now(), &sp, &ret);
}

static int register_check(struct reg_req *q)
{
    const struct sn_json *j;
    struct reg_check c;
    if (!consul_writes(q)) return consul_forbidden(q);
    int r = parse_body(q, &j);
    if (r < 0) return reg_text_of(q, r);
    struct sn_str service = reg_json_str(j, "ServiceID");
    reg_srv_lock(q->srv);
    struct reg_inst *in = reg_store_instance(&q->srv->store, SN_STR(""), service);
    if (!in)
        r = sn_fail(SN_E_NOT_FOUND,
                    "ServiceID \"%.*s\" does not exist (checks of the node itself are not "
                    "kept here)",
                    SN_STR_ARG(sn_str_sub(service, 0, 200)));
    if (r >= 0) r = consul_check(q, j, &in->spec, 0, 1, &c);
    if (r >= 0 && !reg_json_str(j, "CheckID").len && !reg_json_str(j, "ID").len) c.id = c.name;
    if (r >= 0) r = with_checks(q, in, &c, SN_STR(""));
    int e = reg_srv_commit(q->srv);
    if (r >= 0) r = e;
    return r < 0 ? reg_text_of(q, r) : sn_http_reply(q->x, 200, (struct sn_str){0}, SN_STR(""));
}

static int deregister_check(struct reg_req *q, struct sn_str id)
{
    struct reg_check *c;
    if (!consul_writes(q)) return consul_forbidden(q);
    reg_srv_lock(q->srv);
    struct reg_inst *in = check_owner(q->srv, id, &c);
    int r = in ? with_checks(q, in, NULL, id)
               : sn_fail(SN_E_NOT_FOUND, "Unknown check ID \"%.*s\"",
                         SN_STR_ARG(sn_str_sub(id, 0, 200)));
    int e = reg_srv_commit(q->srv);
    if (r >= 0) r = e;
    return r < 0 ? reg_text_of(q, r) : sn_http_reply(q->x, 200, (struct sn_str){0}, SN_STR(""));
}

static int maintenance(struct reg_req *q, struct sn_str id)
{
    if (!consul_writes(q)) return consul_forbidden(q);
    struct sn_str enable = reg_param(q, "enable");
    if (!enable.len) return reg_text(q, 400, "Missing value for enable");
    reg_srv_lock(q->srv);
    struct reg_inst *in = reg_store_instance(&q->srv->store, SN_STR(""), id), *out;
    int r = in ? 0
               : sn_fail(SN_E_NOT_FOUND, "Unknown service ID \"%.*s\"",
                         SN_STR_ARG(sn_str_sub(id, 0, 200)));
    if (in) {
        struct reg_spec sp = in->spec;
        sp.disabled = sn_str_eqc(enable, "true");
        r = reg_store_register(&q->srv->store, sn_now(), &sp, &out);
    }
    int e = reg_srv_commit(q->srv);
    if (r >= 0) r = e;
    return r < 0 ? reg_text_of(q, r) : sn_http_reply(q->x, 200, (struct sn_str){0}, SN_STR(""));
}

static int agent_list(struct reg_req *q, bool checks)
{
    struct sn_buf b;
    struct sn_jsonw w;
    struct sn_map_slot *slot;
    size_t it = 0;
    sn_buf_init(&b, 0);
    sn_jsonw_init(&w, &b, NULL);
    reg_srv_lock(q->srv);
    sn_jsonw_object(&w);
    while ((slot = sn_map_next(&q->srv->store.by_id, &it))) {
        const struct reg_inst *in = slot->value;
        if (!sn_str_eqc(in->svc->ns, REG_STORE_NS)) continue;
        if (!checks) {
            sn_jsonw_key(&w, in->spec.in.id);
            consul_service_json(&w, q, in);
        }
        for (uint32_t i = 0; checks && i < in->spec.n_checks; i++) {
            sn_jsonw_key(&w, in->spec.checks[i].id);
            consul_check_json(&w, q, in, &in->spec.checks[i]);
        }
    }
    sn_jsonw_object_end(&w);
    reg_srv_unlock(q->srv);
    return reg_json(q, 200, &b);
}

static int agent_service(struct reg_req *q, struct sn_str id)
{
    struct sn_buf b;
    struct sn_jsonw w;
    sn_buf_init(&b, 0);
    sn_jsonw_init(&w, &b, NULL);
    reg_srv_lock(q->srv);
    const struct reg_inst *in = reg_store_instance(&q->srv->store, SN_STR(""), id);
    if (in) consul_service_json(&w, q, in);
    reg_srv_unlock(q->srv);
    if (in) return reg_json(q, 200, &b);
    sn_buf_done(&b);
    return reg_text(q, 404, "unknown service ID");
}

static int agent_self(struct reg_req *q)
{
    struct sn_str t =
        sn_arena_printf(q->a,
                        "{\"Config\":{\"Datacenter\":\"%s\",\"NodeName\":\"%s\",\"NodeID\":"
                        "\"00000000-0000-0000-0000-000000000001\",\"Server\":true,\"Revision\":"
                        "\"\",\"Version\":\"1.16.0\"},"
                        "\"DebugConfig\":{},\"Member\":{\"Name\":\"%s\",\"Addr\":\"127.0.0.1\","
                        "\"Port\":8301,\"Status\":1,\"Tags\":{}},"
                        "\"Meta\":{\"implementation\":\"sennit\"}}",
                        q->srv->o.datacenter, q->srv->o.node, q->srv->o.node);
    return t.ptr ? sn_http_reply(q->x, 200, SN_STR("application/json"), t) : SN_E_NOMEM;
}

static int agent_check(struct reg_req *q, struct sn_str rest)
{
    struct sn_str id = rest, verb = sn_str_cut(&id, '/');
    struct sn_str note = reg_param_or(q, "note", "");
    if (sn_str_eqc(verb, "register")) return register_check(q);
    if (sn_str_eqc(verb, "deregister")) return deregister_check(q, id);
    if (sn_str_eqc(verb, "update")) return update_check_json(q, id);
    if (sn_str_eqc(verb, "pass")) return update_check(q, id, REG_PASSING, note);
    if (sn_str_eqc(verb, "warn")) return update_check(q, id, REG_WARNING, note);
    if (sn_str_eqc(verb, "fail")) return update_check(q, id, REG_CRITICAL, note);
    return reg_text(q, 404, "no such agent check call");
}

int consul_agent(struct reg_req *q, struct sn_str rest)
{
    bool put = q->x->req.method == SN_HTTP_PUT, get = q->x->req.method == SN_HTTP_GET;
    struct sn_str id = rest, what = sn_str_cut(&id, '/');
    if (sn_str_eqc(what, "self") && get) return agent_self(q);
    if (sn_str_eqc(what, "services") && get) return agent_list(q, false);
    if (sn_str_eqc(what, "checks") && get) return agent_list(q, true);
    if (sn_str_eqc(what, "members") && get)
        return sn_http_reply(q->x, 200, SN_STR("application/json"), SN_STR("[]"));
    if (sn_str_eqc(what, "check") && put) return agent_check(q, id);
    if (!sn_str_eqc(what, "service")) return reg_text(q, 404, "no such agent call");
    if (get) return agent_service(q, id);
    struct sn_str arg = id, verb = sn_str_cut(&arg, '/');
    if (put && sn_str_eqc(verb, "register")) return register_service(q);
    if (put && sn_str_eqc(verb, "deregister")) return deregister_service(q, arg);
    if (put && sn_str_eqc(verb, "maintenance")) return maintenance(q, arg);
    return reg_text(q, 405, "method not allowed");
}

/* ---- catalogue ------------------------------------------------------------------------------ */

static bool has_tag(const struct reg_inst *in, struct sn_str tag)
{
    if (!tag.ptr) return true;
    for (uint32_t i = 0; i < in->spec.n_tags; i++)
        if (sn_str_eq(in->spec.tags[i], tag)) return true;
    return false;
}

static bool tag_seen_before(const struct reg_service *svc, const struct reg_inst *upto,
                            struct sn_str tag)
{
    SN_LIST_EACH (&svc->insts, n) {
        const struct reg_inst *in = SN_LIST_ENTRY(n, struct reg_inst, node);
        if (in == upto) return false;
        if (has_tag(in, tag)) return true;
    }
    return false;
}

static int catalog_services(struct reg_req *q)
{
    struct sn_buf b;
    struct sn_jsonw w;
    uint64_t index;
    struct consul_ask ask = {.kind = REG_WAIT_CATALOG, .index = catalog_index};
    sn_buf_init(&b, 0);
    sn_jsonw_init(&w, &b, NULL);
    int r = consul_wait(q, &ask, &index);
    if (r < 0) return finish(q, 0, r, &b);
    sn_jsonw_object(&w);
    sn_jsonw_key(&w, SN_STR("consul"));
    sn_jsonw_array(&w);
    sn_jsonw_array_end(&w);
    struct reg_service *svc;
    for (size_t it = 0; (svc = reg_store_services(&q->srv->store, SN_STR(""), &it));) {
        sn_jsonw_key(&w, svc->name);
        sn_jsonw_array(&w);
        SN_LIST_EACH (&svc->insts, n) {
            const struct reg_inst *in = SN_LIST_ENTRY(n, struct reg_inst, node);
            for (uint32_t i = 0; i < in->spec.n_tags; i++)
                if (!tag_seen_before(svc, in, in->spec.tags[i])) sn_jsonw_str(&w, in->spec.tags[i]);
        }
        sn_jsonw_array_end(&w);
    }
    sn_jsonw_object_end(&w);
    return finish(q, index, 0, &b);
}

static void node_members(struct sn_jsonw *w, struct reg_req *q)
{
    sn_jsonw_kstr(w, "ID", SN_STR("00000000-0000-0000-0000-000000000001"));
    sn_jsonw_kstr(w, "Node", sn_str(q->srv->o.node));
    sn_jsonw_kstr(w, "Address", SN_STR("127.0.0.1"));
    sn_jsonw_kstr(w, "Datacenter", sn_str(q->srv->o.datacenter));
}

static void catalog_entry(struct sn_jsonw *w, struct reg_req *q, const struct reg_inst *in)
{
    const struct reg_spec *sp = &in->spec;
    sn_jsonw_object(w);
    node_members(w, q);
    sn_jsonw_kstr(w, "ServiceID", sp->in.id);
    sn_jsonw_kstr(w, "ServiceName", sp->in.service);
    sn_jsonw_kstr(w, "ServiceAddress", sp->in.address);
    sn_jsonw_ki64(w, "ServicePort", sp->in.port);
    sn_jsonw_key(w, SN_STR("ServiceTags"));
    sn_jsonw_array(w);
    for (uint32_t i = 0; i < sp->n_tags; i++) sn_jsonw_str(w, sp->tags[i]);
    sn_jsonw_array_end(w);
    sn_jsonw_key(w, SN_STR("ServiceMeta"));
    sn_jsonw_object(w);
    for (uint32_t i = 0; i < sp->in.n_labels; i++) {
        sn_jsonw_key(w, sp->in.labels[i].name);
        sn_jsonw_str(w, sp->in.labels[i].value);
    }
    sn_jsonw_object_end(w);
    sn_jsonw_ku64(w, "CreateIndex", in->create_rev);
    sn_jsonw_ku64(w, "ModifyIndex", in->mod_rev);
    sn_jsonw_object_end(w);
}

static void health_entry(struct sn_jsonw *w, struct reg_req *q, const struct reg_inst *in)
{
    sn_jsonw_object(w);
    sn_jsonw_key(w, SN_STR("Node"));
    sn_jsonw_object(w);
    node_members(w, q);
    sn_jsonw_object_end(w);
    sn_jsonw_key(w, SN_STR("Service"));
    consul_service_json(w, q, in);
    sn_jsonw_key(w, SN_STR("Checks"));
    sn_jsonw_array(w);
    for (uint32_t i = 0; i < in->spec.n_checks; i++)
        consul_check_json(w, q, in, &in->spec.checks[i]);
    if (in->spec.disabled) {
        struct reg_check c = {.id = SN_STR("_service_maintenance"),
                              .name = SN_STR("Service Maintenance Mode"),
                              .status = REG_CRITICAL,
                              .output = SN_STR(""),
                              .notes = SN_STR("")};
        consul_check_json(w, q, in, &c);
    }
    sn_jsonw_array_end(w);
    sn_jsonw_object_end(w);
}

enum entry { ENTRY_CATALOG, ENTRY_HEALTH, ENTRY_CHECKS };
static int service_list(struct reg_req *q, struct sn_str name, enum entry kind)
{
    struct sn_buf b;
    struct sn_jsonw w;
    uint64_t index;
    struct consul_ask ask = {.kind = REG_WAIT_SERVICE, .name = name, .index = service_index};
    bool passing = reg_flag(q, "passing");
    struct sn_str tag = reg_param(q, "tag");
    sn_buf_init(&b, 0);
    sn_jsonw_init(&w, &b, NULL);
    int r = consul_wait(q, &ask, &index);
    if (r < 0) return finish(q, 0, r, &b);
    struct reg_service *svc = reg_store_service(&q->srv->store, SN_STR(""), name);
    sn_jsonw_array(&w);
    for (struct sn_list *n = svc ? svc->insts.next : NULL; svc && n != &svc->insts; n = n->next) {
        const struct reg_inst *in = SN_LIST_ENTRY(n, struct reg_inst, node);
        if (!has_tag(in, tag) || (passing && reg_inst_status(in) != REG_PASSING)) continue;
        if (kind == ENTRY_CATALOG)
            catalog_entry(&w, q, in);
        else if (kind == ENTRY_HEALTH)
            health_entry(&w, q, in);
        for (uint32_t i = 0; kind == ENTRY_CHECKS && i < in->spec.n_checks; i++)
            consul_check_json(&w, q, in, &in->spec.checks[i]);
    }
    sn_jsonw_array_end(&w);
    return finish(q, index, 0, &b);
}

static int health_state(struct reg_req *q, struct sn_str state)
{
    static const char *const names[] = {"passing", "warning", "critical"};
    struct sn_buf b;
    struct sn_jsonw w;
    struct sn_map_slot *slot;
    sn_buf_init(&b, 0);
    sn_jsonw_init(&w, &b, NULL);
    reg_srv_lock(q->srv);
    sn_jsonw_array(&w);
    for (size_t it = 0; (slot = sn_map_next(&q->srv->store.by_id, &it));) {
        const struct reg_inst *in = slot->value;
        if (!sn_str_eqc(in->svc->ns, REG_STORE_NS)) continue;
        for (uint32_t i = 0; i < in->spec.n_checks; i++)
            if (sn_str_eqc(state, "any") || sn_str_eqc(state, names[in->spec.checks[i].status]))
                consul_check_json(&w, q, in, &in->spec.checks[i]);
    }
    sn_jsonw_array_end(&w);
    return finish(q, q->srv->store.rev, 0, &b);
}

static int catalog_write(struct reg_req *q, bool add)
{
    const struct sn_json *j;
    struct reg_spec sp;
    struct reg_inst *in;
    if (!consul_writes(q)) return consul_forbidden(q);
    int r = parse_body(q, &j);
    if (r < 0) return reg_text_of(q, r);
    const struct sn_json *service = reg_json_get(j, "Service");
    if (!add) {
        struct sn_str id = reg_json_str(j, "ServiceID");
        reg_srv_lock(q->srv);
        (void)reg_store_deregister(&q->srv->store, SN_STR(""), id); /* gone is gone */
        r = reg_srv_commit(q->srv);
    } else if (sn_json_is(service, SN_JSON_OBJECT)) {
        if ((r = consul_spec(q, service, &sp)) < 0) return reg_text_of(q, r);
        if (!reg_json_str(service, "Address").len && reg_json_str(j, "Address").len)
            sp.in.address = reg_json_str(j, "Address");
        reg_srv_lock(q->srv);
        r = reg_store_register(&q->srv->store, sn_now(), &sp, &in);
        int c = reg_srv_commit(q->srv);
        if (r >= 0) r = c;
    }
    return r < 0 ? reg_text_of(q, r)
                 : sn_http_reply(q->x, 200, SN_STR("application/json"), SN_STR("true"));
}

static int catalog_nodes(struct reg_req *q)
{
    struct sn_buf b;
    struct sn_jsonw w;
    sn_buf_init(&b, 0);
    sn_jsonw_init(&w, &b, NULL);
    sn_jsonw_array(&w);
    sn_jsonw_object(&w);
    node_members(&w, q);
    sn_jsonw_object_end(&w);
    sn_jsonw_array_end(&w);
    int r = consul_index_header(q, 1);
    if (r >= 0) return reg_json(q, 200, &b);
    sn_buf_done(&b);
    return r;
}

int consul_catalog(struct reg_req *q, struct sn_str rest)
{
    struct sn_str arg = rest, what = sn_str_cut(&arg, '/');
    if (q->x->req.method == SN_HTTP_PUT && sn_str_eqc(what, "register"))
        return catalog_write(q, true);
    if (q->x->req.method == SN_HTTP_PUT && sn_str_eqc(what, "deregister"))
        return catalog_write(q, false);
    if (q->x->req.method != SN_HTTP_GET) return reg_text(q, 405, "method not allowed");
    if (sn_str_eqc(what, "services")) return catalog_services(q);
    if (sn_str_eqc(what, "service") && arg.len) return service_list(q, arg, ENTRY_CATALOG);
    if (sn_str_eqc(what, "nodes")) return catalog_nodes(q);
    if (sn_str_eqc(what, "datacenters")) {
        struct sn_str t = sn_arena_printf(q->a, "[\"%s\"]", q->srv->o.datacenter);
        return t.ptr ? sn_http_reply(q->x, 200, SN_STR("application/json"), t) : SN_E_NOMEM;
    }
    return reg_text(q, 404, "no such catalog call");
}

int consul_health(struct reg_req *q, struct sn_str rest)
{
    struct sn_str arg = rest, what = sn_str_cut(&arg, '/');
    if (q->x->req.method != SN_HTTP_GET) return reg_text(q, 405, "method not allowed");
    if (sn_str_eqc(what, "service") && arg.len) return service_list(q, arg, ENTRY_HEALTH);
    if (sn_str_eqc(what, "checks") && arg.len) return service_list(q, arg, ENTRY_CHECKS);
    if (sn_str_eqc(what, "state") && arg.len) return health_state(q, arg);
    return reg_text(q, 404, "no such health call");
}

/* ---- all ------------------------------------------------------------------------------------ */

static int status_call(struct reg_req *q, struct sn_str what)
{
    if (sn_str_eqc(what, "leader"))
        return sn_http_reply(q->x, 200, SN_STR("application/json"), SN_STR("\"127.0.0.1:8300\""));
    if (sn_str_eqc(what, "peers"))
        return sn_http_reply(q->x, 200, SN_STR("application/json"), SN_STR("[\"127.0.0.1:8300\"]"));
    return reg_text(q, 404, "no such status call");
}

int reg_consul_handler(struct sn_http_x *x, void *server)
{
    struct reg_req q;
    int r = reg_req_init(&q, server, x);
    if (r != 0) return r < 0 ? r : 0;
    struct sn_str rest = q.path;
    if (!sn_str_starts(rest, SN_STR("/v1/")))
        return reg_text(&q, 404, "expected a path below /v1/");
    rest = sn_str_from(rest, 4);
    struct sn_str room = sn_str_cut(&rest, '/');
    if (!rest.ptr) rest = SN_STR("");
    if (sn_str_eqc(room, "agent")) return consul_agent(&q, rest);
    if (sn_str_eqc(room, "catalog")) return consul_catalog(&q, rest);
    if (sn_str_eqc(room, "health")) return consul_health(&q, rest);
    if (sn_str_eqc(room, "kv")) return consul_kv(&q, rest);
    if (sn_str_eqc(room, "session")) return consul_session(&q, rest);
    if (sn_str_eqc(room, "status")) return status_call(&q, rest);
    return reg_text(&q, 404, "no such call here");
}
