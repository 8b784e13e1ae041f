/* SPDX-License-Identifier: Apache-2.0 */
/* image/hosts.c - which hosts stand for a registry: CERTS_DIR/HOST/hosts.toml as containerd reads it. */
#include "core/status.h"
#include "fiber/os.h"
#include "image/registry_int.h"
#include "kit/tls.h"
#include "wire/toml.h"

#define CA_BYTES_MAX (4u << 20)

int reg_host_add(struct reg_session *s, struct sn_str url, bool v2, struct reg_host **ret)
{
    if (s->n_hosts == REG_HOSTS_MAX) return sn_fail(SN_E_TOO_LARGE, "over %u hosts for one registry", REG_HOSTS_MAX);
    bool tls = sn_str_starts(url, SN_STR("https://"));
    if (!tls && !sn_str_starts(url, SN_STR("http://")))
        return sn_fail(SN_E_SYNTAX, "host \"%.*s\": expected http:// or https://", SN_STR_ARG(url));
    while (url.len && url.ptr[url.len - 1] == '/') url.len--;
    struct sn_str rest = sn_str_from(url, tls ? 8 : 7);
    struct reg_host h = {.can_resolve = true, .client = s->o->tls_insecure ? s->clients->insecure : s->clients->strict,
                         .insecure = s->o->tls_insecure};
    h.base = sn_arena_printf(&s->arena, "%.*s%s", SN_STR_ARG(url), v2 && !sn_str_ends(url, SN_STR("/v2")) ? "/v2" : "");
    h.authority = sn_arena_str(&s->arena, sn_str_cut(&rest, '/'));
    if (!h.base.ptr || !h.authority.ptr) return SN_E_NOMEM;
    s->hosts[s->n_hosts] = h;
    *ret = &s->hosts[s->n_hosts++];
    return 0;
}

void reg_host_done(struct reg_host *h)
{
    if (h->own) sn_http_client_free(h->own);
    sn_tls_config_unref(h->own_tls);
    h->own = NULL;
    h->own_tls = NULL;
}

static int add_origin(struct reg_session *s, struct sn_str url, struct reg_host **ret)
{
    struct sn_str host = sn_str_eqc(s->ref->registry, "docker.io") ? SN_STR("registry-1.docker.io") : s->ref->registry;
    if (!url.len) {
        bool plain = s->o->plain_http || reg_loopback(host);
        url = sn_arena_printf(&s->arena, "%s%.*s", plain ? "http://" : "https://", SN_STR_ARG(host));
        if (!url.ptr) return SN_E_NOMEM;
    }
    int r = reg_host_add(s, url, true, ret);
    if (r == 0) (*ret)->origin = true;
    return r;
}

/* ---- hosts.toml ------------------------------------------------------------------------------------- */

static struct sn_str text_of(const struct sn_toml *t, const char *key)
{
    const struct sn_toml_entry *e = sn_toml_find(t, sn_str(key));
    return e && e->v.kind == SN_TOML_STRING ? e->v.str : (struct sn_str){0};
}
static bool flag_of(const struct sn_toml *t, const char *key)
{
    const struct sn_toml_entry *e = sn_toml_find(t, sn_str(key));
    return e && e->v.kind == SN_TOML_BOOL && e->v.b;
}

static int append_file(struct reg_session *s, const char *dir, struct sn_str name, struct sn_buf *pem)
{
    struct sn_str path = name, text;
    if (name.len == 0 || name.ptr[0] != '/') path = sn_arena_printf(&s->arena, "%s/%.*s", dir, SN_STR_ARG(name));
    if (!path.ptr) return SN_E_NOMEM;
    path = sn_arena_str(&s->arena, path);
    int r = path.ptr ? sn_file_read(&s->arena, path.ptr, CA_BYTES_MAX, &text) : SN_E_NOMEM;
    return r < 0 ? r : (sn_buf_str(pem, text), sn_buf_byte(pem, '\n'));
}

/* ca, skip_verify: a client of the host's own. */
static int set_tls(struct reg_session *s, struct reg_host *h, const struct sn_toml *t, const char *dir)
{
    struct sn_buf pem;
    int r = 0;
    if (flag_of(t, "skip_verify")) {
        h->client = s->clients->insecure;
        h->insecure = true;
        return 0;
    }
    const struct sn_toml_entry *ca = sn_toml_find(t, SN_STR("ca"));
    if (!ca) return 0;
    sn_buf_init(&pem, CA_BYTES_MAX);
    if (ca->v.kind == SN_TOML_STRING) r = append_file(s, dir, ca->v.str, &pem);
    if (ca->v.kind == SN_TOML_ARRAY)
        for (const struct sn_toml_item *it = ca->v.array.first; it && r == 0; it = it->next)
            if (it->v.kind == SN_TOML_STRING) r = append_file(s, dir, it->v.str, &pem);
    struct sn_http_client_opts o = {.h2_off = true, .head_ns_max = REG_ANSWER_NS_MAX};
    if (r == 0) r = sn_tls_config_new(&(struct sn_tls_opts){.ca_pem = sn_buf_view(&pem)}, &h->own_tls);
    o.tls = h->own_tls; /* borrowed by the client */
    if (r == 0) r = sn_http_client_new(&o, &h->own);
    if (r == 0) h->client = h->own;
    sn_buf_done(&pem);
    return r < 0 ? sn_wrap(r, "ca") : 0;
}

/* Returns whether the host may be asked at all. */
static bool set_capabilities(struct reg_host *h, const struct sn_toml *t)
{
    const struct sn_toml_entry *c = sn_toml_find(t, SN_STR("capabilities"));
    if (!c || c->v.kind != SN_TOML_ARRAY) return true;
    bool pull = false;
    h->can_resolve = false;
    for (const struct sn_toml_item *it = c->v.array.first; it; it = it->next) {
        if (it->v.kind != SN_TOML_STRING) continue;
        pull |= sn_str_eqc(it->v.str, "pull");
        h->can_resolve |= sn_str_eqc(it->v.str, "resolve");
    }
    return pull || h->can_resolve;
}

static int add_mirrors(struct reg_session *s, const struct sn_toml *root, const char *dir)
{
    const struct sn_toml_entry *hosts = sn_toml_find(root, SN_STR("host"));
    if (!hosts || hosts->v.kind != SN_TOML_TABLE) return 0;
    for (const struct sn_toml_entry *e = hosts->v.table.first; e; e = e->next) {
        struct reg_host *h;
        int r = reg_host_add(s, e->key, !flag_of(&e->v, "override_path"), &h);
        if (r == 0) r = set_tls(s, h, &e->v, dir);
        if (r < 0) return sn_wrap(r, "%u:%u: host \"%.*s\"", e->pos.line, e->pos.column, SN_STR_ARG(e->key));
        if (!set_capabilities(h, &e->v)) {
            reg_host_done(h);
            s->n_hosts--;
        }
    }
    return 0;
}

static int read_hosts(struct reg_session *s, const char *dir, struct sn_str text)
{
    struct sn_toml root;
    struct reg_host *h;
    int r = sn_toml_parse(&s->arena, text, 0, &root);
    if (r == 0) r = add_mirrors(s, &root, dir);
    if (r == 0) r = add_origin(s, text_of(&root, "server"), &h);
    if (r == 0) r = set_tls(s, h, &root, dir);
    return r < 0 ? sn_wrap(r, "%s/hosts.toml", dir) : 0;
}

int reg_hosts(struct reg_session *s)
{
    struct sn_str reg = s->ref->registry, rest = reg, host = sn_str_cut(&rest, ':');
    bool port = rest.ptr && reg.ptr[0] != '[';
    const struct sn_str dirs[] = {
        reg, port ? sn_arena_printf(&s->arena, "%.*s_%.*s_", SN_STR_ARG(host), SN_STR_ARG(rest)) : (struct sn_str){0},
        SN_STR("_default")};
    for (size_t i = 0; i < SN_COUNT_OF(dirs); i++) {
        if (!dirs[i].len) continue;
        struct sn_str dir = sn_arena_printf(&s->arena, "%s/%.*s", s->certs_dir, SN_STR_ARG(dirs[i])), text;
        struct sn_str path = sn_arena_printf(&s->arena, "%.*s/hosts.toml", SN_STR_ARG(dir));
        if (!dir.ptr || !path.ptr) return SN_E_NOMEM;
        int r = sn_file_read(&s->arena, path.ptr, 0, &text);
        if (r == 0) return read_hosts(s, dir.ptr, text);
        if (r != SN_E_NOT_FOUND) return r;
    }
    struct reg_host *h;
    return add_origin(s, (struct sn_str){0}, &h);
}
