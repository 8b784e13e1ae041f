/* SPDX-License-Identifier: Apache-2.0 */
/* image/registry_test.c - the registry of the tests. */
#include "image/registry_test.h"

#include <zlib.h>

#include "core/status.h"
#include "image/manifest.h"

#define COUNT(field) __atomic_add_fetch(&(field), 1, __ATOMIC_RELAXED)

static bool path_has(struct sn_str path, const char *what) { return sn_str_find(path, sn_str(what)) >= 0; }

/* Cuts are for files that are longer. */
static struct fr_rule rule_for(struct fr *f, struct sn_str path, size_t size)
{
    struct fr_rule none = {0};
    sn_mutex_lock_always(&f->lock);
    for (unsigned i = 0; i < f->n_rules; i++) {
        struct fr_rule *r = &f->rules[i];
        if (!r->path || !path_has(path, r->path)) continue;
        if ((r->fault == FR_CUT || r->fault == FR_STALL) && size <= r->n) continue;
        none = *r;
        if (r->times && --r->times == 0) r->path = NULL;
        break;
    }
    sn_mutex_unlock(&f->lock);
    return none;
}

static int send_bytes(struct fr *f, struct sn_http_x *x, const char *type, struct sn_str b, const struct fr_rule *r)
{
    struct sn_str range = sn_http_headers_get(&x->req.headers, SN_STR("range"));
    uint64_t from = 0;
    int status = 200;
    if (range.len && !f->no_ranges) {
        struct sn_str first = sn_str_from(range, 6);
        T_OK(sn_str_to_u64(sn_str_cut(&first, '-'), &from));
        COUNT(f->ranges);
        if (from >= b.len) return sn_http_reply(x, 416, (struct sn_str){0}, SN_STR(""));
        struct sn_str cr = sn_arena_printf(x->arena, "bytes %llu-%zu/%zu", (unsigned long long)from, b.len - 1, b.len);
        T_OK(sn_http_header_add(x, SN_STR("content-range"), cr));
        status = 206;
    }
    struct sn_str part = sn_str_from(b, from);
    if (type) T_OK(sn_http_header_add(x, SN_STR("content-type"), sn_str(type)));
    if (r->fault == FR_FLIP) {
        part = sn_arena_str(x->arena, part);
        ((char *)(uintptr_t)part.ptr)[part.len / 2] ^= 1;
    }
    if (r->fault == FR_LONG) part = sn_arena_printf(x->arena, "%.*sxyz", SN_STR_ARG(part));
    int e = sn_http_start(x, status, (int64_t)part.len);
    if (r->fault == FR_CUT || r->fault == FR_STALL) part = sn_str_sub(part, 0, r->n);
    if (e == 0 && part.len) e = sn_http_write(x, part);
    if (e == 0 && (r->fault == FR_CUT || r->fault == FR_STALL)) {
        e = sn_http_flush(x);
        if (r->fault == FR_STALL && sn_sleep(20 * SN_SEC) < 0) return SN_E_CANCELLED;
        return SN_E_INTERNAL;
    }
    return e;
}

/* "user:secret" gets the token "good-token" for a repository that is asked for. */
static int token(struct fr *f, struct sn_http_x *x)
{
    COUNT(f->gets_token);
    struct sn_str auth = sn_http_headers_get(&x->req.headers, SN_STR("authorization"));
    T_ASSERT(path_has(x->req.query, "service=fake") && path_has(x->req.query, "scope=repository%3Atest%3Apull"));
    if (!sn_str_eqc(auth, "Basic dXNlcjpzZWNyZXQ="))
        return sn_http_reply(x, 401, (struct sn_str){0}, SN_STR("{\"details\":\"incorrect username or password\"}"));
    return sn_http_reply(x, 200, SN_STR("application/json"), SN_STR("{\"token\":\"good-token\",\"expires_in\":60}"));
}

static int challenge(struct fr *f, struct sn_http_x *x)
{
    COUNT(f->unauthorized);
    struct sn_str v = f->basic ? SN_STR("Basic realm=\"fake\"")
                               : sn_arena_printf(x->arena, "Bearer realm=\"http://%s/token\",service=\"fake\",scope=\"repository:test:pull\"",
                                                 f->token_base ? f->token_base : f->addr);
    T_OK(sn_http_header_add(x, SN_STR("www-authenticate"), v));
    return sn_http_reply(x, 401, SN_STR("application/json"), SN_STR("{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"authentication required\"}]}"));
}

static int handle(struct sn_http_x *x, void *arg)
{
    struct fr *f = arg;
    struct sn_str path = x->req.path, auth = sn_http_headers_get(&x->req.headers, SN_STR("authorization"));
    if (sn_str_eqc(path, "/token")) return token(f, x);
    if (auth.len) COUNT(f->with_auth);
    if (path_has(path, "/blobs/")) COUNT(f->gets_blob);
    if (path_has(path, "/manifests/")) COUNT(f->gets_manifest);
    struct sn_str name = sn_str_starts(path, SN_STR("/v2/test/")) ? sn_str_from(path, 9) : SN_STR("");
    unsigned at = 0;
    while (at < f->n_files && !sn_str_eqc(name, f->files[at].name)) at++;
    struct fr_rule r = rule_for(f, path, at < f->n_files ? f->files[at].bytes.len : 0);
    if (r.fault == FR_STATUS)
        return sn_http_reply(x, (int)r.n, SN_STR("application/json"), SN_STR("{\"errors\":[{\"code\":\"X\",\"message\":\"told so\"}]}"));
    if (r.fault == FR_REDIRECT) {
        T_OK(sn_http_header_add(x, SN_STR("location"), sn_arena_printf(x->arena, "%s%.*s", r.to, SN_STR_ARG(path))));
        return sn_http_reply(x, 307, (struct sn_str){0}, SN_STR(""));
    }
    if (r.fault == FR_SLOW) T_OK(sn_sleep(r.n * SN_MS));
    if ((f->bearer && !sn_str_eqc(auth, "Bearer good-token")) || (f->basic && !sn_str_eqc(auth, "Basic dXNlcjpzZWNyZXQ=")))
        return challenge(f, x);
    if (at < f->n_files) return send_bytes(f, x, f->files[at].type, sn_buf_view(&f->files[at].bytes), &r);
    return sn_http_reply(x, 404, SN_STR("application/json"), SN_STR("{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest unknown\"}]}"));
}

static int serve(void *arg)
{
    struct fr *f = arg;
    int r = sn_http_serve(f->server, f->listener);
    return r == SN_E_CANCELLED ? 0 : r;
}

void fr_start(struct fr *f, struct sn_scope *s)
{
    struct sn_http_server_opts o = {.handler = handle, .arg = f};
    T_OK(sn_listen("127.0.0.1:0", NULL, &f->listener));
    T_OK(sn_listener_addr(f->listener, f->addr, sizeof(f->addr)));
    T_OK(sn_http_server_new(&o, &f->server));
    T_OK(sn_scope_go(s, "registry", serve, f));
}

void fr_stop(struct fr *f)
{
    (void)sn_http_server_drain(f->server, 100 * SN_MS);
    for (unsigned i = 0; i < f->n_files; i++) sn_buf_done(&f->files[i].bytes);
}

void fr_put(struct fr *f, const char *name, const char *type, struct sn_str bytes)
{
    T_ASSERT(f->n_files < FR_BLOBS_MAX);
    (void)snprintf(f->files[f->n_files].name, sizeof(f->files[0].name), "%s", name);
    f->files[f->n_files].type = type;
    sn_buf_init(&f->files[f->n_files].bytes, 0);
    T_OK(sn_buf_str(&f->files[f->n_files].bytes, bytes));
    f->n_files++;
}

static void put_by_digest(struct fr *f, const char *kind, const char *type, struct sn_str bytes, char digest[72])
{
    char name[160];
    tb_digest(bytes, digest);
    (void)snprintf(name, sizeof(name), "%s/%s", kind, digest);
    for (unsigned i = 0; i < f->n_files; i++)
        if (strcmp(f->files[i].name, name) == 0) return;
    fr_put(f, name, type, bytes);
}

static struct sn_buf gzip(struct sn_str in)
{
    struct sn_buf b = {0};
    z_stream z = {0};
    T_EQ(deflateInit2(&z, 1, Z_DEFLATED, 31, 8, 0), Z_OK);
    T_OK(sn_buf_reserve(&b, deflateBound(&z, in.len)));
    z.next_in = (Bytef *)(uintptr_t)in.ptr;
    z.avail_in = (uInt)in.len;
    z.next_out = b.ptr;
    z.avail_out = (uInt)b.cap;
    T_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
    b.len = z.total_out;
    deflateEnd(&z);
    return b;
}

void fr_image(struct fr *f, const char *tag, struct sn_buf *layers, unsigned n, int broken, char *id)
{
    struct sn_buf config = {0}, manifest = {0};
    char digest[72], name[160];
    sn_buf_printf(&config, "{\"os\":\"linux\",\"architecture\":\"amd64\",\"config\":{\"User\":\"u\",\"Env\":[\"TAG=%s\"]},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[", tag);
    for (unsigned i = 0; i + (broken == 2) < n; i++) {
        tb_digest(sn_buf_view(&layers[i]), digest);
        if (broken == 1 && i == n - 1) digest[10] = digest[10] == '0' ? '1' : '0';
        sn_buf_printf(&config, "%s\"%s\"", i ? "," : "", digest);
    }
    sn_buf_cstr(&config, "]}}");
    put_by_digest(f, "blobs", NULL, sn_buf_view(&config), digest);
    if (id) memcpy(id, digest, 72);
    sn_buf_printf(&manifest, "{\"schemaVersion\":2,\"mediaType\":\"" SN_TYPE_OCI_MANIFEST "\",\"config\":{\"mediaType\":\"" SN_TYPE_OCI_CONFIG
                             "\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[", digest, config.len);
    for (unsigned i = 0; i < n; i++) {
        struct sn_buf gz = gzip(sn_buf_view(&layers[i]));
        put_by_digest(f, "blobs", NULL, sn_buf_view(&gz), digest);
        sn_buf_printf(&manifest, "%s{\"mediaType\":\"" SN_TYPE_OCI_LAYER "+gzip\",\"digest\":\"%s\",\"size\":%zu}", i ? "," : "", digest, gz.len);
        sn_buf_done(&gz);
    }
    sn_buf_cstr(&manifest, "]}");
    put_by_digest(f, "manifests", SN_TYPE_OCI_MANIFEST, sn_buf_view(&manifest), digest);
    (void)snprintf(name, sizeof(name), "manifests/%s", tag);
    fr_put(f, name, SN_TYPE_OCI_MANIFEST, sn_buf_view(&manifest));
    sn_buf_done(&config);
    sn_buf_done(&manifest);
}

const char *fr_ref(const struct fr *f, const char *tag, char out[128])
{
    (void)snprintf(out, 128, "%s/test:%s", f->addr, tag);
    return out;
}
