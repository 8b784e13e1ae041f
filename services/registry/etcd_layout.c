/* SPDX-License-Identifier: Apache-2.0 */
/* registry/etcd_layout.c - instances as keys and values of etcd. Sans-I/O. Facts: go-zero 1.8.4
 * core/discov (key/leaseID, host:port), Kratos contrib/registry/etcd (namespace, the fields of
 * registry.ServiceInstance). */
#include "registry/etcd_int.h"
#include "wire/json.h"

/* "10.0.0.1:80", "[::1]:80". */
static int host_port(struct sn_str s, struct sn_instance *ret)
{
    ssize_t colon = sn_str_rchr(s, ':');
    uint64_t port;
    if (colon <= 0 || sn_str_to_u64(sn_str_from(s, (size_t)colon + 1), &port) < 0 || !port ||
        port > 65535)
        return sn_fail(SN_E_SYNTAX, "etcd value of %zu bytes: expected host:port", s.len);
    struct sn_str host = sn_str_sub(s, 0, (size_t)colon);
    bool brackets = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    if (brackets) host = sn_str_sub(host, 1, host.len - 1);
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i], l = sn_ascii_lower(c);
        bool word = (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
                    c == '_' || c == '%';
        if (!word && !(brackets && c == ':'))
            return sn_fail(SN_E_SYNTAX, "etcd value of %zu bytes: expected host:port", s.len);
    }
    ret->address = host;
    ret->port = (uint16_t)port;
    return 0;
}

static int put_host_port(const struct sn_instance *in, struct sn_buf *b)
{
    bool v6 = sn_str_chr(in->address, ':') >= 0;
    return sn_buf_printf(b, v6 ? "[%.*s]:%u" : "%.*s:%u", SN_STR_ARG(in->address), in->port);
}

static void fill_names(struct sn_instance *in, struct sn_str id, struct sn_str service)
{
    if (!in->id.len) in->id = id;
    if (!in->service.len) in->service = service;
}

/* ---- sennit --------------------------------------------------------------------------------- */

static int sennit_value(const struct sn_instance *in, struct sn_buf *b)
{
    struct sn_jsonw w;
    sn_jsonw_init(&w, b, NULL);
    reg_instance_json(&w, in);
    return b->err;
}

static int tree_of(struct sn_str value, struct sn_arena *a, const struct sn_json **ret)
{
    int r = sn_json_parse(a, value, NULL, ret);
    if (r == SN_E_NOMEM) return r;
    if (r < 0 || !sn_json_is(*ret, SN_JSON_OBJECT))
        return sn_fail(SN_E_SYNTAX, "etcd value of %zu bytes: expected a JSON object", value.len);
    return 0;
}

static int sennit_parse(struct sn_str value, struct sn_arena *a, struct sn_instance *ret)
{
    const struct sn_json *j;
    struct sn_instance in;
    int r = tree_of(value, a, &j);
    if (r >= 0) r = reg_instance_parse(j, SN_STR(""), a, &in);
    if (r < 0) return r;
    struct sn_str id = in.id, service = sn_json_str(sn_json_get(j, "service"));
    in.id = ret->id;
    in.service = ret->service;
    fill_names(&in, id, service);
    *ret = in;
    return 0;
}

/* ---- go-zero -------------------------------------------------------------------------------- */

static int gozero_parse(struct sn_str value, struct sn_arena *a, struct sn_instance *ret)
{
    ret->weight = 1;
    ret->healthy = true;
    return host_port(value, ret);
}

/* ---- Kratos --------------------------------------------------------------------------------- */

static struct sn_str label_of(const struct sn_instance *in, const char *name)
{
    for (uint32_t i = 0; i < in->n_labels; i++)
        if (sn_str_eqc(in->labels[i].name, name)) return in->labels[i].value;
    return SN_STR("");
}

/* Its clients take the endpoint of their own scheme; which one this is only the program knows. */
static int kratos_value(const struct sn_instance *in, struct sn_buf *b)
{
    static const char *const schemes[] = {"grpc", "http"};
    struct sn_jsonw w;
    char at[SN_REG_NAME_MAX + 32];
    struct sn_buf t;
    sn_jsonw_init(&w, b, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "id", in->id);
    sn_jsonw_kstr(&w, "name", in->service);
    sn_jsonw_kstr(&w, "version", label_of(in, "version"));
    sn_jsonw_key(&w, SN_STR("metadata"));
    sn_jsonw_object(&w);
    for (uint32_t i = 0; i < in->n_labels; i++) {
        sn_jsonw_key(&w, in->labels[i].name);
        sn_jsonw_str(&w, in->labels[i].value);
    }
    sn_jsonw_object_end(&w);
    sn_jsonw_key(&w, SN_STR("endpoints"));
    sn_jsonw_array(&w);
    for (size_t i = 0; i < SN_COUNT_OF(schemes); i++) {
        sn_buf_init_fixed(&t, at, sizeof(at));
        (void)sn_buf_printf(&t, "%s://", schemes[i]);
        (void)put_host_port(in, &t);
        sn_jsonw_str(&w, sn_buf_view(&t));
    }
    sn_jsonw_array_end(&w);
    sn_jsonw_object_end(&w);
    return b->err;
}

/* The gRPC endpoint, else the first. */
static struct sn_str endpoint_of(const struct sn_json *list)
{
    struct sn_str found = {0};
    for (SN_JSON_EACH(list, it)) {
        struct sn_str url = sn_json_str(it);
        ssize_t sep = url.ptr ? sn_str_find(url, SN_STR("://")) : -1;
        if (sep < 0) continue;
        struct sn_str at = sn_str_from(url, (size_t)sep + 3);
        if (!found.ptr || sn_str_starts(url, SN_STR("grpc"))) found = sn_str_cut(&at, '?');
        if (sn_str_starts(url, SN_STR("grpc"))) break;
    }
    return found;
}

static int kratos_parse(struct sn_str value, struct sn_arena *a, struct sn_instance *ret)
{
    const struct sn_json *j;
    int r = tree_of(value, a, &j);
    if (r < 0) return r;
    struct sn_str at = endpoint_of(sn_json_get(j, "endpoints"));
    if (!at.ptr) return sn_fail(SN_E_SYNTAX, "etcd value: expected endpoints with a URL");
    const struct sn_json *meta = sn_json_get(j, "metadata");
    struct sn_label *l = SN_ARENA_ARRAY(a, struct sn_label, sn_json_len(meta) + 1);
    if (!l) return SN_E_NOMEM;
    struct sn_str version = sn_json_str(sn_json_get(j, "version"));
    ret->n_labels = 0;
    for (SN_JSON_MEMBERS(meta, m))
        if (sn_json_str(&m->value).ptr)
            l[ret->n_labels++] = (struct sn_label){sn_json_str(&m->key), sn_json_str(&m->value)};
    ret->labels = l;
    if (version.len && !label_of(ret, "version").len)
        l[ret->n_labels++] = (struct sn_label){SN_STR("version"), version};
    ret->weight = 1;
    ret->healthy = true;
    fill_names(ret, sn_json_str(sn_json_get(j, "id")), sn_json_str(sn_json_get(j, "name")));
    return host_port(at, ret);
}

/* ---- all ------------------------------------------------------------------------------------ */

const struct etcd_layout etcd_layouts[REG_ETCD_LAYOUTS] = {
    {.name = "sennit", .base = "/services", .value = sennit_value, .parse = sennit_parse},
    {.name = "go-zero",
     .base = "",
     .key_is_lease = true,
     .value = put_host_port,
     .parse = gozero_parse},
    {.name = "kratos", .base = "/microservices", .value = kratos_value, .parse = kratos_parse},
};

const struct etcd_layout *etcd_layout_of(struct sn_str name)
{
    for (size_t i = 0; i < REG_ETCD_LAYOUTS; i++)
        if (sn_str_eqc(name, etcd_layouts[i].name)) return &etcd_layouts[i];
    return NULL;
}

int etcd_key(struct sn_str base, struct sn_str service, struct sn_str last, struct sn_buf *b)
{
    if (base.len) {
        (void)sn_buf_str(b, base);
        (void)sn_buf_byte(b, '/');
    }
    (void)sn_buf_str(b, service);
    (void)sn_buf_byte(b, '/');
    return sn_buf_str(b, last);
}

struct sn_str etcd_range_end(struct sn_arena *a, struct sn_str prefix)
{
    size_t n = prefix.len;
    while (n && (uint8_t)prefix.ptr[n - 1] == 0xff) n--;
    if (!n) return sn_str_of("\0", 1);
    struct sn_str end = sn_arena_str(a, sn_str_sub(prefix, 0, n));
    if (end.ptr) ((char *)(uintptr_t)end.ptr)[n - 1]++;
    return end;
}

int etcd_instance_of(struct sn_str key, struct sn_str value, struct sn_arena *a,
                     struct sn_instance *ret, const struct etcd_layout **ret_layout)
{
    ssize_t slash = sn_str_rchr(key, '/');
    uint64_t num;
    if (slash <= 0 || key.len > SN_REG_NAME_MAX || !sn_utf8_valid(key)) return 0;
    for (size_t i = 0; i < REG_ETCD_LAYOUTS; i++) {
        const struct etcd_layout *l = &etcd_layouts[i];
        struct sn_str base = sn_str(l->base);
        struct sn_instance in = {.id = key};
        if (!sn_str_starts(key, base)) continue;
        if (l->key_is_lease) {
            if (sn_str_to_u64(sn_str_from(key, (size_t)slash + 1), &num) < 0) continue;
            in.service = sn_str_sub(key, 0, (size_t)slash);
        } else if (key.len <= base.len || key.ptr[base.len] != '/') {
            continue;
        }
        int r = l->parse(value, a, &in);
        if (r == SN_E_NOMEM) return r;
        if (r < 0 || !in.service.len) continue;
        *ret = in;
        *ret_layout = l;
        return 1;
    }
    return 0;
}
