/* SPDX-License-Identifier: Apache-2.0 */
/* image/manifest.c - reading the documents of an image, see manifest.h. */
#include "image/manifest.h"

#include <sys/utsname.h>

#include "core/enc.h"
#include "core/status.h"
#include "core/time.h"
#include "crypto/hash.h"
#include "image/reference.h"
#include "wire/json.h"

/* ---- manifests ----------------------------------------------------------------------------------
 */

static int descriptor(const struct sn_json *v, const char *what, size_t i,
                      struct sn_descriptor *ret)
{
    struct sn_descriptor d = {.media_type = sn_json_str(sn_json_get(v, "mediaType")),
                              .digest = sn_json_str(sn_json_get(v, "digest")),
                              .annotations = sn_json_get(v, "annotations")};
    const struct sn_json *p = sn_json_get(v, "platform");
    d.platform = (struct sn_platform){sn_json_str(sn_json_get(p, "os")),
                                      sn_json_str(sn_json_get(p, "architecture")),
                                      sn_json_str(sn_json_get(p, "variant"))};
    if (!sn_image_digest_valid(d.digest))
        return sn_fail(SN_E_SYNTAX,
                       "%s[%zu].digest: expected a sha256 or sha512 digest, got \"%.*s\"", what, i,
                       (int)SN_MIN(d.digest.len, (size_t)150), d.digest.ptr ? d.digest.ptr : "");
    if (sn_json_to_u64(sn_json_get(v, "size"), &d.size) < 0)
        return sn_fail(SN_E_SYNTAX, "%s[%zu].size: expected a number of bytes", what, i);
    *ret = d;
    return 0;
}

static bool is(struct sn_str s, const char *what) { return sn_str_eqc(s, what); }

static int layer_type(struct sn_str t, size_t i)
{
    static const char *const known[] = {SN_TYPE_OCI_LAYER,
                                        SN_TYPE_OCI_LAYER "+gzip",
                                        SN_TYPE_OCI_LAYER "+zstd",
                                        "application/vnd.docker.image.rootfs.diff.tar",
                                        "application/vnd.docker.image.rootfs.diff.tar.gzip",
                                        "application/vnd.docker.image.rootfs.diff.tar.zstd"};
    for (size_t k = 0; k < SN_COUNT_OF(known); k++)
        if (is(t, known[k])) return 0;
    const char *why =
        sn_str_find(t, SN_STR("nondistributable")) >= 0 || sn_str_find(t, SN_STR("foreign")) >= 0
            ? "a foreign layer, which registries do not keep"
        : sn_str_find(t, SN_STR("encrypted")) >= 0 ? "an encrypted layer"
                                                   : "no kind of layer known here";
    return sn_fail(SN_E_UNIMPLEMENTED, "layers[%zu].mediaType \"%.*s\": %s", i, SN_STR_ARG(t), why);
}

static int entries(struct sn_arena *a, const struct sn_json *list, const char *what, size_t max,
                   struct sn_manifest *m)
{
    if (!sn_json_is(list, SN_JSON_ARRAY)) return sn_fail(SN_E_SYNTAX, "%s: expected a list", what);
    m->n_entries = sn_json_len(list);
    if (m->n_entries > max)
        return sn_fail(SN_E_TOO_LARGE, "%s: %zu entries, at most %zu are taken", what, m->n_entries,
                       max);
    m->entries = SN_ARENA_ARRAY(a, struct sn_descriptor, m->n_entries + 1);
    if (!m->entries) return SN_E_NOMEM;
    for (size_t i = 0; i < m->n_entries; i++) {
        int r = descriptor(sn_json_at(list, i), what, i, &m->entries[i]);
        if (r == 0 && !m->index) r = layer_type(m->entries[i].media_type, i);
        if (r < 0) return r;
    }
    return 0;
}

int sn_manifest_parse(struct sn_arena *a, struct sn_str text, struct sn_manifest *ret)
{
    const struct sn_json *v;
    struct sn_manifest m = {0};
    if (text.len > SN_IMAGE_MANIFEST_BYTES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "manifest: over %u bytes", SN_IMAGE_MANIFEST_BYTES_MAX);
    int r = sn_json_parse(a, text,
                          &(struct sn_json_opts){.dup = SN_JSON_DUP_ERROR, .depth_max = 32}, &v);
    if (r < 0)
        return sn_wrap(r == SN_E_ALREADY_EXISTS || r == SN_E_DEPTH ? SN_E_SYNTAX : r, "manifest");
    int64_t version = sn_json_i64_or(sn_json_get(v, "schemaVersion"), 0);
    if (version == 1)
        return sn_fail(SN_E_UNIMPLEMENTED,
                       "manifest: Docker's schema 1, which is obsolete: push the image again");
    if (version != 2) return sn_fail(SN_E_SYNTAX, "manifest: schemaVersion: expected 2");
    const struct sn_json *list = sn_json_get(v, "manifests"), *layers = sn_json_get(v, "layers"),
                         *config = sn_json_get(v, "config");
    m.media_type = sn_json_str(sn_json_get(v, "mediaType"));
    /* A document that reads as both would be another image to another reader (CVE-2021-41190). */
    if (list && (layers || config))
        return sn_fail(SN_E_SYNTAX, "manifest: both an index and a manifest");
    m.index = list != NULL;
    bool says_index = is(m.media_type, SN_TYPE_OCI_INDEX) || is(m.media_type, SN_TYPE_DOCKER_LIST);
    bool says_manifest =
        is(m.media_type, SN_TYPE_OCI_MANIFEST) || is(m.media_type, SN_TYPE_DOCKER_MANIFEST);
    if (m.media_type.ptr && !(m.index ? says_index : says_manifest))
        return sn_fail(SN_E_SYNTAX, "manifest: mediaType \"%.*s\" does not fit its content",
                       SN_STR_ARG(m.media_type));
    if (m.index) {
        r = entries(a, list, "manifests", SN_MANIFEST_ENTRIES_MAX, &m);
    } else {
        r = descriptor(config, "config", 0, &m.config);
        if (r == 0 && !is(m.config.media_type, SN_TYPE_OCI_CONFIG) &&
            !is(m.config.media_type, SN_TYPE_DOCKER_CONFIG))
            r = sn_fail(SN_E_UNIMPLEMENTED, "config.mediaType \"%.*s\": this is no container image",
                        SN_STR_ARG(m.config.media_type));
        if (r == 0) r = entries(a, layers, "layers", SN_IMAGE_LAYERS_MAX, &m);
    }
    if (r < 0) return sn_wrap(r, "manifest");
    *ret = m;
    return 0;
}

/* ---- platforms ----------------------------------------------------------------------------------
 */

/* "v8" is 8; "" is the architecture's usual one. */
static int variant_number(struct sn_str arch, struct sn_str variant)
{
    uint64_t n;
    if (variant.len == 0) return is(arch, "arm64") ? 8 : is(arch, "arm") ? 7 : 1;
    if (variant.ptr[0] == 'v') variant = sn_str_from(variant, 1);
    struct sn_str major = variant;
    major = sn_str_cut(&variant, '.'); /* "v8.2" */
    return sn_str_to_u64(major, &n) == 0 && n < 100 ? (int)n : -1;
}

int sn_platform_parse(struct sn_str text, struct sn_platform *ret)
{
    static const struct {
        const char *machine, *arch, *variant;
    } rows[] = {{"x86_64", "amd64", ""},    {"aarch64", "arm64", "v8"},
                {"armv7l", "arm", "v7"},    {"armv6l", "arm", "v6"},
                {"i686", "386", ""},        {"i386", "386", ""},
                {"riscv64", "riscv64", ""}, {"s390x", "s390x", ""},
                {"ppc64le", "ppc64le", ""}, {"loongarch64", "loong64", ""}};
    if (text.len == 0) {
        struct utsname u;
        if (uname(&u) < 0) return sn_fail(SN_E_INTERNAL, "uname failed");
        for (size_t i = 0; i < SN_COUNT_OF(rows); i++)
            if (strcmp(u.machine, rows[i].machine) == 0) {
                *ret = (struct sn_platform){SN_STR("linux"), sn_str(rows[i].arch),
                                            sn_str(rows[i].variant)};
                return 0;
            }
        return sn_fail(SN_E_UNIMPLEMENTED,
                       "images have no name for this machine, \"%s\": say a platform", u.machine);
    }
    struct sn_str rest = text, os = sn_str_cut(&rest, '/'), arch = sn_str_cut(&rest, '/'),
                  variant = rest.ptr ? sn_str_cut(&rest, '/') : (struct sn_str){0};
    if (os.len == 0 || !arch.ptr || arch.len == 0 || rest.ptr || variant_number(arch, variant) < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "platform \"%.*s\": expected OS/ARCHITECTURE[/VARIANT], e.g. linux/arm64",
                       SN_STR_ARG(text));
    *ret = (struct sn_platform){os, arch, variant};
    return 0;
}

/* How well a machine of `want` runs `have`: 0 is best, -1 not at all. */
static int rank(const struct sn_platform *want, const struct sn_platform *have)
{
    if (!sn_str_eq(want->os, have->os)) return -1;
    int w = variant_number(want->architecture, want->variant),
        h = variant_number(have->architecture, have->variant);
    if (h < 0) return -1;
    if (sn_str_eq(want->architecture, have->architecture)) return h > w ? -1 : w - h;
    if (is(want->architecture, "arm64") && is(have->architecture, "arm"))
        return h > 8 ? -1 : 108 - h;
    if (is(want->architecture, "amd64") && is(have->architecture, "386")) return 200;
    return -1;
}

int sn_manifest_choose(const struct sn_manifest *index, const struct sn_platform *want,
                       const struct sn_descriptor **ret)
{
    const struct sn_descriptor *best = NULL;
    int best_rank = 0;
    for (size_t i = 0; i < index->n_entries; i++) {
        const struct sn_descriptor *d = &index->entries[i];
        int k = rank(want, &d->platform);
        if (k >= 0 && (!best || k < best_rank)) best = d, best_rank = k;
    }
    /* An index of one manifest that does not say for what. */
    if (!best && index->n_entries == 1 && !index->entries[0].platform.os.ptr)
        best = &index->entries[0];
    if (best) {
        *ret = best;
        return 0;
    }
    char text[200];
    struct sn_buf b;
    sn_buf_init_fixed(&b, text, sizeof(text) - 1);
    for (size_t i = 0; i < index->n_entries && b.err == 0; i++) {
        const struct sn_platform *p = &index->entries[i].platform;
        sn_buf_printf(&b, "%s%.*s/%.*s%s%.*s", i ? ", " : "", SN_STR_ARG(p->os),
                      SN_STR_ARG(p->architecture), p->variant.len ? "/" : "",
                      SN_STR_ARG(p->variant));
    }
    return sn_fail(SN_E_NOT_FOUND, "no manifest for %.*s/%.*s%s%.*s; there are: %.*s",
                   SN_STR_ARG(want->os), SN_STR_ARG(want->architecture),
                   want->variant.len ? "/" : "", SN_STR_ARG(want->variant), (int)b.len, text);
}

/* ---- configuration
 * -------------------------------------------------------------------------------- */

static int strings(struct sn_arena *a, const struct sn_json *v, const char *field,
                   struct sn_str **ret, size_t *ret_n)
{
    if (!v || sn_json_is(v, SN_JSON_NULL)) return 0;
    if (!sn_json_is(v, SN_JSON_ARRAY))
        return sn_fail(SN_E_SYNTAX, "%s: expected a list of strings", field);
    size_t n = sn_json_len(v);
    struct sn_str *out = SN_ARENA_ARRAY(a, struct sn_str, n + 1);
    if (!out) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        if (sn_json_to_str(sn_json_at(v, i), &out[i]) < 0)
            return sn_fail(SN_E_SYNTAX, "%s[%zu]: expected a string", field, i);
        if (out[i].len && memchr(out[i].ptr, 0, out[i].len))
            return sn_fail(SN_E_SYNTAX, "%s[%zu]: has a NUL", field, i);
    }
    *ret = out;
    *ret_n = n;
    return 0;
}

/* The keys of an object, sorted by nobody: {"80/tcp": {}}. */
static int keys(struct sn_arena *a, const struct sn_json *v, struct sn_str **ret, size_t *ret_n)
{
    struct sn_str *out = SN_ARENA_ARRAY(a, struct sn_str, sn_json_len(v) + 1);
    if (!out) return SN_E_NOMEM;
    size_t n = 0;
    for (SN_JSON_MEMBERS(v, m)) out[n++] = sn_json_str(&m->key);
    *ret = out;
    *ret_n = n;
    return 0;
}

static int labels(struct sn_arena *a, const struct sn_json *v, struct sn_image_config *c)
{
    c->labels = SN_ARENA_ARRAY(a, struct sn_image_pair, sn_json_len(v) + 1);
    if (!c->labels) return SN_E_NOMEM;
    for (SN_JSON_MEMBERS(v, m))
        if (sn_json_is(&m->value, SN_JSON_STRING))
            c->labels[c->n_labels++] =
                (struct sn_image_pair){sn_json_str(&m->key), sn_json_str(&m->value)};
    return 0;
}

static int diff_ids(struct sn_arena *a, const struct sn_json *rootfs, struct sn_image_config *c)
{
    int r = strings(a, sn_json_get(rootfs, "diff_ids"), "rootfs.diff_ids", &c->diff_ids,
                    &c->n_diff_ids);
    if (r < 0) return r;
    if (c->n_diff_ids > SN_IMAGE_LAYERS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "rootfs.diff_ids: over %u layers", SN_IMAGE_LAYERS_MAX);
    for (size_t i = 0; i < c->n_diff_ids; i++)
        if (!sn_image_digest_valid(c->diff_ids[i]))
            return sn_fail(SN_E_SYNTAX, "rootfs.diff_ids[%zu]: expected a digest, got \"%.*s\"", i,
                           (int)SN_MIN(c->diff_ids[i].len, (size_t)150), c->diff_ids[i].ptr);
    return 0;
}

int sn_image_config_parse(struct sn_arena *a, struct sn_str text, struct sn_image_config *ret)
{
    const struct sn_json *v;
    struct sn_image_config c = {0};
    if (text.len > SN_IMAGE_CONFIG_BYTES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "image configuration: over %u bytes",
                       SN_IMAGE_CONFIG_BYTES_MAX);
    int r = sn_json_parse(a, text, NULL, &v);
    if (r == 0 && !sn_json_is(v, SN_JSON_OBJECT)) r = sn_fail(SN_E_SYNTAX, "expected an object");
    if (r < 0) return sn_wrap(r, "image configuration");
    const struct sn_json *k = sn_json_get(v, "config");
    c.user = sn_json_str(sn_json_get(k, "User"));
    c.working_dir = sn_json_str(sn_json_get(k, "WorkingDir"));
    c.stop_signal = sn_json_str(sn_json_get(k, "StopSignal"));
    c.os = sn_json_str(sn_json_get(v, "os"));
    c.architecture = sn_json_str(sn_json_get(v, "architecture"));
    c.variant = sn_json_str(sn_json_get(v, "variant"));
    struct sn_str created = sn_json_str(sn_json_get(v, "created"));
    if (created.len && sn_time_parse_rfc3339(created, &c.created_ns) < 0) c.created_ns = 0;
    r = strings(a, sn_json_get(k, "Env"), "config.Env", &c.env, &c.n_env);
    if (r == 0)
        r = strings(a, sn_json_get(k, "Entrypoint"), "config.Entrypoint", &c.entrypoint,
                    &c.n_entrypoint);
    if (r == 0) r = strings(a, sn_json_get(k, "Cmd"), "config.Cmd", &c.cmd, &c.n_cmd);
    if (r == 0) r = keys(a, sn_json_get(k, "ExposedPorts"), &c.ports, &c.n_ports);
    if (r == 0) r = keys(a, sn_json_get(k, "Volumes"), &c.volumes, &c.n_volumes);
    if (r == 0) r = labels(a, sn_json_get(k, "Labels"), &c);
    if (r == 0) r = diff_ids(a, sn_json_get(v, "rootfs"), &c);
    if (r < 0) return sn_wrap(r, "image configuration");
    *ret = c;
    return 0;
}

int sn_image_chains(struct sn_arena *a, const struct sn_str *ids, size_t n, struct sn_str **ret)
{
    struct sn_str *out = SN_ARENA_ARRAY(a, struct sn_str, n + 1);
    if (!out) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        if (i == 0) {
            out[0] = ids[0];
            continue;
        }
        uint8_t digest[SN_HASH_MAX];
        char hex[2 * SN_HASH_MAX];
        struct sn_str both =
            sn_arena_printf(a, "%.*s %.*s", SN_STR_ARG(out[i - 1]), SN_STR_ARG(ids[i]));
        if (!both.ptr) return SN_E_NOMEM;
        int r = sn_hash_once(SN_SHA256, both.ptr, both.len, digest);
        if (r < 0) return r;
        size_t len = sn_hex_encode(digest, 32, hex);
        out[i] = sn_arena_printf(a, "sha256:%.*s", (int)len, hex);
        if (!out[i].ptr) return SN_E_NOMEM;
    }
    *ret = out;
    return 0;
}
