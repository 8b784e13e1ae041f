/* SPDX-License-Identifier: Apache-2.0 */
/* cni/conf.c - network lists, and results in JSON. */
#include <stdio.h>

#include "clusters/cni/cni_int.h"
#include "core/status.h"

/* ---- lists ---- */

static bool known_version(struct sn_str v)
{
    static const char *const all[] = {"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};
    for (size_t i = 0; i < SN_COUNT_OF(all); i++)
        if (sn_str_eqc(v, all[i])) return true;
    return false;
}

/* The newest version that we know and that the list allows. */
static int pick_version(const struct sn_json *v, struct sn_str file, struct sn_str *ret)
{
    struct sn_str one = sn_json_str(sn_json_get(v, "cniVersion")), best = {0};
    if (!one.ptr) one = SN_STR("0.3.1");
    if (known_version(one)) best = one;
    for (SN_JSON_EACH(sn_json_get(v, "cniVersions"), it)) {
        struct sn_str s = sn_json_str(it);
        if (known_version(s) && (!best.ptr || sn_str_cmp(s, best) > 0)) best = s;
    }
    if (!best.ptr)
        return sn_fail(SN_E_SYNTAX,
                       "%.*s: cniVersion \"%.*s\" is not known; expected 0.3.0 to " SN_CNI_VERSION,
                       SN_STR_ARG(file), SN_STR_ARG(one));
    *ret = best;
    return 0;
}

static bool good_name(struct sn_str s)
{
    if (!s.len || s.len > 128) return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool letter =
            (c >= '0' && c <= '9') || (sn_ascii_lower(c) >= 'a' && sn_ascii_lower(c) <= 'z');
        if (!letter && (i == 0 || !strchr("_.-", c))) return false;
    }
    return true;
}

int cni_list_parse(struct sn_arena *a, struct sn_str file, struct sn_str text, bool single,
                   struct cni_list *ret)
{
    const struct sn_json *v;
    struct cni_list l = {.text = text, .file = file};
    int r = sn_json_parse(a, text, &(struct sn_json_opts){.bytes_max = SN_CNI_CONF_BYTES_MAX}, &v);
    if (r < 0) return sn_wrap(r, "%.*s", SN_STR_ARG(file));
    r = pick_version(v, file, &l.version);
    if (r < 0) return r;
    l.name = sn_json_str(sn_json_get(v, "name"));
    if (!good_name(l.name))
        return sn_fail(SN_E_SYNTAX, "%.*s: name \"%.*s\": expected letters, digits, '_', '.', '-'",
                       SN_STR_ARG(file), SN_STR_ARG(l.name));
    const struct sn_json *plugins = sn_json_get(v, "plugins");
    if (!single && (!sn_json_is(plugins, SN_JSON_ARRAY) || !plugins->len))
        return sn_fail(SN_E_SYNTAX, "%.*s: plugins: expected a list of at least one",
                       SN_STR_ARG(file));
    unsigned n = single ? 1 : plugins->len;
    if (n > SN_CNI_PLUGINS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%.*s: %u plugins; at most %u", SN_STR_ARG(file), n,
                       SN_CNI_PLUGINS_MAX);
    for (l.n = 0; l.n < n; l.n++) {
        l.plugins[l.n] = single ? v : sn_json_at(plugins, l.n);
        struct sn_str type = sn_json_str(sn_json_get(l.plugins[l.n], "type"));
        if (!good_name(type))
            return sn_fail(SN_E_SYNTAX, "%.*s: plugins[%u].type \"%.*s\": expected a plugin's name",
                           SN_STR_ARG(file), l.n, SN_STR_ARG(type));
        l.types[l.n] = type;
    }
    l.no_check = sn_json_bool_or(sn_json_get(v, "disableCheck"), false);
    l.no_gc = sn_json_bool_or(sn_json_get(v, "disableGC"), false);
    *ret = l;
    return 0;
}

/* ---- results ---- */

static int bad(const char *where, const struct sn_json *v)
{
    struct sn_str s = sn_json_str(v);
    return sn_fail(SN_E_SYNTAX, "result: %s: \"%.*s\" is not what is expected", where,
                   SN_STR_ARG(s));
}

static int strs(struct sn_arena *a, const struct sn_json *v, struct sn_cni_strs *ret)
{
    if (sn_json_len(v) > SN_CNI_DNS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "result: dns: at most %u", SN_CNI_DNS_MAX);
    ret->ptr = SN_ARENA_ARRAY(a, struct sn_str, sn_json_len(v));
    if (!ret->ptr) return SN_E_NOMEM;
    for (SN_JSON_EACH(v, it)) {
        struct sn_str s = sn_json_str(it);
        if (!s.ptr) return bad("dns", it);
        ret->ptr[ret->n++] = sn_arena_str(a, s);
    }
    return 0;
}

static int parse_ifaces(struct sn_arena *a, const struct sn_json *v, struct sn_cni_result *r)
{
    if (sn_json_len(v) > SN_CNI_IFACES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "result: at most %u interfaces", SN_CNI_IFACES_MAX);
    r->ifaces = SN_ARENA_ARRAY(a, struct sn_cni_iface, SN_CNI_IFACES_MAX);
    if (!r->ifaces) return SN_E_NOMEM;
    for (SN_JSON_EACH(v, it)) {
        struct sn_cni_iface *f = &r->ifaces[r->n_ifaces++];
        f->name = sn_arena_str(a, sn_json_str(sn_json_get(it, "name")));
        if (!f->name.len) return bad("interfaces[].name", sn_json_get(it, "name"));
        f->mac = sn_arena_str(a, sn_json_str(sn_json_get(it, "mac")));
        f->sandbox = sn_arena_str(a, sn_json_str(sn_json_get(it, "sandbox")));
        int64_t mtu = sn_json_i64_or(sn_json_get(it, "mtu"), 0);
        f->mtu = mtu > 0 && mtu < 1 << 20 ? (unsigned)mtu : 0;
    }
    return 0;
}

static int parse_ips(struct sn_arena *a, const struct sn_json *v, struct sn_cni_result *r)
{
    if (sn_json_len(v) > SN_CNI_IPS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "result: at most %u addresses", SN_CNI_IPS_MAX);
    r->ips = SN_ARENA_ARRAY(a, struct sn_cni_ip, SN_CNI_IPS_MAX);
    if (!r->ips) return SN_E_NOMEM;
    for (SN_JSON_EACH(v, it)) {
        struct sn_cni_ip *ip = &r->ips[r->n_ips++];
        struct sn_str gw = sn_json_str(sn_json_get(it, "gateway"));
        if (sn_cidr_parse(sn_json_str(sn_json_get(it, "address")), &ip->at) < 0)
            return bad("ips[].address", sn_json_get(it, "address"));
        if (gw.len && sn_ip_parse(gw, &ip->gateway) < 0)
            return bad("ips[].gateway", sn_json_get(it, "gateway"));
        int64_t i = sn_json_i64_or(sn_json_get(it, "interface"), -1);
        ip->iface = i >= 0 && i < (int64_t)r->n_ifaces ? (int)i : -1;
    }
    return 0;
}

static int parse_routes(struct sn_arena *a, const struct sn_json *v, struct sn_cni_result *r)
{
    if (sn_json_len(v) > SN_CNI_ROUTES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "result: at most %u routes", SN_CNI_ROUTES_MAX);
    r->routes = SN_ARENA_ARRAY(a, struct sn_cni_route, SN_CNI_ROUTES_MAX);
    if (!r->routes) return SN_E_NOMEM;
    for (SN_JSON_EACH(v, it)) {
        struct sn_cni_route *rt = &r->routes[r->n_routes++];
        struct sn_str gw = sn_json_str(sn_json_get(it, "gw"));
        if (sn_cidr_parse(sn_json_str(sn_json_get(it, "dst")), &rt->to) < 0)
            return bad("routes[].dst", sn_json_get(it, "dst"));
        if (gw.len && sn_ip_parse(gw, &rt->gateway) < 0)
            return bad("routes[].gw", sn_json_get(it, "gw"));
    }
    return 0;
}

int cni_result_parse(struct sn_arena *a, const struct sn_json *v, struct sn_cni_result *ret)
{
    struct sn_cni_result res = {0};
    const struct sn_json *dns = sn_json_get(v, "dns");
    int r = parse_ifaces(a, sn_json_get(v, "interfaces"), &res);
    if (r >= 0) r = parse_ips(a, sn_json_get(v, "ips"), &res);
    if (r >= 0) r = parse_routes(a, sn_json_get(v, "routes"), &res);
    if (r >= 0) r = strs(a, sn_json_get(dns, "nameservers"), &res.nameservers);
    if (r >= 0) r = strs(a, sn_json_get(dns, "search"), &res.search);
    if (r >= 0) r = strs(a, sn_json_get(dns, "options"), &res.options);
    if (r < 0) return r;
    res.domain = sn_arena_str(a, sn_json_str(sn_json_get(dns, "domain")));
    *ret = res;
    return 0;
}

static void write_strs(struct sn_jsonw *w, const char *key, const struct sn_cni_strs *s)
{
    if (!s->n) return;
    sn_jsonw_key(w, sn_str(key));
    sn_jsonw_array(w);
    for (unsigned i = 0; i < s->n; i++) sn_jsonw_str(w, s->ptr[i]);
    sn_jsonw_array_end(w);
}

static void write_ips(struct sn_jsonw *w, const struct sn_cni_result *r, struct sn_str version)
{
    char text[SN_CIDR_TEXT_MAX];
    bool old = sn_str_starts(version, SN_STR("0."));
    sn_jsonw_key(w, SN_STR("ips"));
    sn_jsonw_array(w);
    for (unsigned i = 0; i < r->n_ips; i++) {
        const struct sn_cni_ip *ip = &r->ips[i];
        sn_jsonw_object(w);
        if (old) sn_jsonw_kstr(w, "version", ip->at.ip.len == 16 ? SN_STR("6") : SN_STR("4"));
        if (ip->iface >= 0) sn_jsonw_ki64(w, "interface", ip->iface);
        sn_jsonw_kstr(w, "address", sn_str(sn_cidr_text(&ip->at, text)));
        if (ip->gateway.len) sn_jsonw_kstr(w, "gateway", sn_str(sn_ip_text(&ip->gateway, text)));
        sn_jsonw_object_end(w);
    }
    sn_jsonw_array_end(w);
}

static void write_routes(struct sn_jsonw *w, const struct sn_cni_result *r)
{
    char text[SN_CIDR_TEXT_MAX];
    if (!r->n_routes) return;
    sn_jsonw_key(w, SN_STR("routes"));
    sn_jsonw_array(w);
    for (unsigned i = 0; i < r->n_routes; i++) {
        sn_jsonw_object(w);
        sn_jsonw_kstr(w, "dst", sn_str(sn_cidr_text(&r->routes[i].to, text)));
        if (r->routes[i].gateway.len)
            sn_jsonw_kstr(w, "gw", sn_str(sn_ip_text(&r->routes[i].gateway, text)));
        sn_jsonw_object_end(w);
    }
    sn_jsonw_array_end(w);
}

void cni_result_write(struct sn_jsonw *w, const struct sn_cni_result *r, struct sn_str version)
{
    sn_jsonw_object(w);
    sn_jsonw_kstr(w, "cniVersion", version);
    if (r->n_ifaces) {
        sn_jsonw_key(w, SN_STR("interfaces"));
        sn_jsonw_array(w);
        for (unsigned i = 0; i < r->n_ifaces; i++) {
            const struct sn_cni_iface *f = &r->ifaces[i];
            sn_jsonw_object(w);
            sn_jsonw_kstr(w, "name", f->name);
            if (f->mac.len) sn_jsonw_kstr(w, "mac", f->mac);
            if (f->mtu && sn_str_eqc(version, "1.1.0")) sn_jsonw_ku64(w, "mtu", f->mtu);
            if (f->sandbox.len) sn_jsonw_kstr(w, "sandbox", f->sandbox);
            sn_jsonw_object_end(w);
        }
        sn_jsonw_array_end(w);
    }
    if (r->n_ips) write_ips(w, r, version);
    write_routes(w, r);
    sn_jsonw_key(w, SN_STR("dns"));
    sn_jsonw_object(w);
    write_strs(w, "nameservers", &r->nameservers);
    if (r->domain.len) sn_jsonw_kstr(w, "domain", r->domain);
    write_strs(w, "search", &r->search);
    write_strs(w, "options", &r->options);
    sn_jsonw_object_end(w);
    sn_jsonw_object_end(w);
}
