/* SPDX-License-Identifier: Apache-2.0 */
/* registry/consul_spec.c - services and checks between Consul's JSON and the store. */
#include "registry/consul_int.h"

#define REMOVE_AFTER_MIN (1 * SN_MINUTE) /* Consul's own least */

int consul_duration(const struct sn_json *v, int64_t *ret)
{
    *ret = 0;
    if (!v || sn_json_kind(v) == SN_JSON_NULL) return 0;
    struct sn_str s = sn_json_str(v);
    if (!s.ptr) return sn_json_to_i64(v, ret) < 0 || *ret < 0 ? SN_E_SYNTAX : 0;
    if (!s.len) return 0;
    return sn_str_to_duration(s, ret) < 0 || *ret < 0 || *ret > INT64_MAX / 4 ? SN_E_SYNTAX : 0;
}

static int duration_of(const struct sn_json *j, const char *name, int64_t *ret)
{
    if (consul_duration(reg_json_get(j, name), ret) == 0) return 0;
    return sn_fail(SN_E_INVALID_ARGUMENT, "%s: expected a duration such as 10s", name);
}

static int status_of(struct sn_str s, enum reg_status *ret)
{
    if (!s.len || sn_str_eqc(s, "critical"))
        *ret = REG_CRITICAL;
    else if (sn_str_eqc(s, "passing"))
        *ret = REG_PASSING;
    else if (sn_str_eqc(s, "warning"))
        *ret = REG_WARNING;
    else
        return sn_fail(SN_E_INVALID_ARGUMENT, "Status: expected passing, warning or critical");
    return 0;
}

int consul_check(struct reg_req *q, const struct sn_json *j, const struct reg_spec *sp,
                 unsigned nth, unsigned of, struct reg_check *ret)
{
    struct reg_check c = {.id = reg_json_str(j, "CheckID"),
                          .name = reg_json_str(j, "Name"),
                          .notes = reg_json_str(j, "Notes")};
    if (!c.id.len) c.id = reg_json_str(j, "ID");
    if (!c.id.len)
        c.id = of > 1 ? sn_arena_printf(q->a, "service:%.*s:%u", SN_STR_ARG(sp->in.id), nth + 1)
                      : sn_arena_printf(q->a, "service:%.*s", SN_STR_ARG(sp->in.id));
    if (!c.name.len)
        c.name = sn_arena_printf(q->a, "Service '%.*s' check", SN_STR_ARG(sp->in.service));
    if (!c.id.ptr || !c.name.ptr) return SN_E_NOMEM;
    int r = status_of(reg_json_str(j, "Status"), &c.status);
    if (r >= 0) r = duration_of(j, "TTL", &c.ttl_ns);
    if (r >= 0) r = duration_of(j, "Interval", &c.interval_ns);
    if (r >= 0) r = duration_of(j, "Timeout", &c.timeout_ns);
    if (r >= 0) r = duration_of(j, "DeregisterCriticalServiceAfter", &c.remove_after_ns);
    if (r < 0) return r;
    if (c.remove_after_ns) c.remove_after_ns = SN_MAX(c.remove_after_ns, (int64_t)REMOVE_AFTER_MIN);
    struct sn_str tcp = reg_json_str(j, "TCP"), http = reg_json_str(j, "HTTP");
    if (c.ttl_ns)
        c.kind = REG_CHECK_TTL;
    else if (http.len)
        c.kind = REG_CHECK_HTTP;
    else if (tcp.len)
        c.kind = REG_CHECK_TCP;
    else
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "check %.*s: expected one of TTL, TCP, HTTP (scripts, gRPC, "
                       "UDP, Docker and aliases are not run here)",
                       SN_STR_ARG(sn_str_sub(c.id, 0, 64)));
    c.target = http.len ? http : tcp;
    if (c.kind != REG_CHECK_TTL && c.interval_ns < SN_SEC)
        return sn_fail(SN_E_INVALID_ARGUMENT, "check %.*s: Interval: expected at least 1s",
                       SN_STR_ARG(sn_str_sub(c.id, 0, 64)));
    if (!c.timeout_ns) c.timeout_ns = 10 * SN_SEC;
    *ret = c;
    return 0;
}

static int labels_of(struct reg_req *q, const struct sn_json *meta, struct reg_spec *sp)
{
    size_t n = sn_json_len(meta);
    struct sn_label *l = SN_ARENA_ARRAY(q->a, struct sn_label, n);
    if (!l) return SN_E_NOMEM;
    for (SN_JSON_MEMBERS(meta, m)) {
        struct sn_str v = sn_json_str(&m->value);
        if (!v.ptr)
            return sn_fail(SN_E_INVALID_ARGUMENT, "Meta: %.*s: expected a string",
                           SN_STR_ARG(sn_str_sub(sn_json_str(&m->key), 0, 64)));
        l[sp->in.n_labels++] = (struct sn_label){sn_json_str(&m->key), v};
    }
    sp->in.labels = l;
    return 0;
}

static int tags_of(struct reg_req *q, const struct sn_json *tags, struct reg_spec *sp)
{
    if (sn_json_len(tags) > SN_REG_LABELS_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "Tags: at most %u", SN_REG_LABELS_MAX);
    struct sn_str *t = SN_ARENA_ARRAY(q->a, struct sn_str, sn_json_len(tags));
    if (!t) return SN_E_NOMEM;
    for (SN_JSON_EACH(tags, it)) {
        if (!sn_json_str(it).ptr) return sn_fail(SN_E_INVALID_ARGUMENT, "Tags: expected strings");
        t[sp->n_tags++] = sn_json_str(it);
    }
    sp->tags = t;
    return 0;
}

static int checks_of(struct reg_req *q, const struct sn_json *j, struct reg_spec *sp)
{
    const struct sn_json *one = reg_json_get(j, "Check"), *many = reg_json_get(j, "Checks");
    bool has_one = sn_json_is(one, SN_JSON_OBJECT) && sn_json_len(one);
    size_t of = has_one + sn_json_len(many);
    if (of > REG_CHECKS_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "Checks: %zu, at most %u", of, REG_CHECKS_MAX);
    int r = 0;
    if (has_one) {
        r = consul_check(q, one, sp, 0, (unsigned)of, &sp->checks[0]);
        sp->n_checks = 1;
    }
    for (SN_JSON_EACH(many, it)) {
        if (r < 0) break;
        r = consul_check(q, it, sp, sp->n_checks, (unsigned)of, &sp->checks[sp->n_checks]);
        sp->n_checks++;
    }
    return r;
}

int consul_spec(struct reg_req *q, const struct sn_json *j, struct reg_spec *ret)
{
    struct reg_spec sp = {.face = REG_FACE_CONSUL,
                          .in = {.id = reg_json_str(j, "ID"),
                                 .service = reg_json_str(j, "Name"),
                                 .address = reg_json_str(j, "Address")}};
    if (!sp.in.service.len) sp.in.service = reg_json_str(j, "Service"); /* of the catalogue */
    if (!sp.in.service.len) return sn_fail(SN_E_INVALID_ARGUMENT, "Missing service name");
    if (!sp.in.id.len) sp.in.id = sp.in.service;
    if (!sp.in.address.len) sp.in.address = SN_STR("127.0.0.1"); /* the agent's own */
    int64_t port = sn_json_i64_or(reg_json_get(j, "Port"), 0);
    if (port < 0 || port > 65535) return sn_fail(SN_E_INVALID_ARGUMENT, "Port: expected 0..65535");
    sp.in.port = (uint16_t)port;
    const struct sn_json *weights = reg_json_get(j, "Weights");
    sp.weight = (double)SN_MAX(sn_json_i64_or(reg_json_get(weights, "Passing"), 1), (int64_t)1);
    int r = labels_of(q, reg_json_get(j, "Meta"), &sp);
    if (r >= 0) r = tags_of(q, reg_json_get(j, "Tags"), &sp);
    if (r >= 0) r = checks_of(q, j, &sp);
    if (r < 0) return r;
    /* What has a heartbeat will be announced again; what has none would be lost with us. */
    sp.permanent = true;
    for (uint32_t i = 0; i < sp.n_checks; i++) sp.permanent &= sp.checks[i].kind != REG_CHECK_TTL;
    *ret = sp;
    return 0;
}

/* ---- writing -------------------------------------------------------------------------------- */

static void tags_json(struct sn_jsonw *w, const struct reg_inst *in)
{
    sn_jsonw_array(w);
    for (uint32_t i = 0; i < in->spec.n_tags; i++) sn_jsonw_str(w, in->spec.tags[i]);
    sn_jsonw_array_end(w);
}

void consul_service_json(struct sn_jsonw *w, struct reg_req *q, const struct reg_inst *in)
{
    const struct reg_spec *sp = &in->spec;
    sn_jsonw_object(w);
    sn_jsonw_kstr(w, "ID", sp->in.id);
    sn_jsonw_kstr(w, "Service", sp->in.service);
    sn_jsonw_key(w, SN_STR("Tags"));
    tags_json(w, in);
    sn_jsonw_kstr(w, "Address", sp->in.address);
    sn_jsonw_ki64(w, "Port", sp->in.port);
    sn_jsonw_key(w, SN_STR("Meta"));
    sn_jsonw_object(w);
    for (uint32_t i = 0; i < sp->in.n_labels; i++) {
        sn_jsonw_key(w, sp->in.labels[i].name);
        sn_jsonw_str(w, sp->in.labels[i].value);
    }
    sn_jsonw_object_end(w);
    sn_jsonw_key(w, SN_STR("Weights"));
    sn_jsonw_object(w);
    sn_jsonw_ki64(w, "Passing", sp->in.weight);
    sn_jsonw_ki64(w, "Warning", 1);
    sn_jsonw_object_end(w);
    sn_jsonw_kbool(w, "EnableTagOverride", false);
    sn_jsonw_kstr(w, "Datacenter", sn_str(q->srv->o.datacenter));
    sn_jsonw_ku64(w, "CreateIndex", in->create_rev);
    sn_jsonw_ku64(w, "ModifyIndex", in->mod_rev);
    sn_jsonw_object_end(w);
}

void consul_check_json(struct sn_jsonw *w, struct reg_req *q, const struct reg_inst *in,
                       const struct reg_check *c)
{
    static const char *const status[] = {"passing", "warning", "critical"};
    static const char *const kind[] = {"", "ttl", "tcp", "http"};
    sn_jsonw_object(w);
    sn_jsonw_kstr(w, "Node", sn_str(q->srv->o.node));
    sn_jsonw_kstr(w, "CheckID", c->id);
    sn_jsonw_kstr(w, "Name", c->name);
    sn_jsonw_kstr(w, "Status", sn_str(status[c->status]));
    sn_jsonw_kstr(w, "Notes", c->notes);
    sn_jsonw_kstr(w, "Output", c->output);
    sn_jsonw_kstr(w, "ServiceID", in->spec.in.id);
    sn_jsonw_kstr(w, "ServiceName", in->spec.in.service);
    sn_jsonw_key(w, SN_STR("ServiceTags"));
    tags_json(w, in);
    sn_jsonw_kstr(w, "Type", sn_str(kind[c->kind]));
    sn_jsonw_ku64(w, "CreateIndex", in->create_rev);
    sn_jsonw_ku64(w, "ModifyIndex", in->mod_rev);
    sn_jsonw_object_end(w);
}
