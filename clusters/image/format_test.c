/* SPDX-License-Identifier: Apache-2.0 */
#include "core/status.h"
#include "core/torture.h"
#include "tests/harness/test.h"
#include "image/build_test.h"
#include "image/manifest.h"
#include "image/reference.h"
#include "image/registry_int.h"

/* ---- references
 * ------------------------------------------------------------------------------------- */

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

SN_TEST(reference_table)
{
    static const struct {
        const char *in, *out; /* NULL: refused */
    } rows[] = {
        {"busybox", "docker.io/library/busybox:latest"},
        {"busybox:1.36", "docker.io/library/busybox:1.36"},
        {"user/app", "docker.io/user/app:latest"},
        {"docker.io/busybox", "docker.io/library/busybox:latest"},
        {"index.docker.io/library/busybox", "docker.io/library/busybox:latest"},
        {"localhost/x", "localhost/x:latest"},
        {"localhost:5000/x:y", "localhost:5000/x:y"},
        {"quay.io/a/b/c-d_e__f.g:V1", "quay.io/a/b/c-d_e__f.g:V1"},
        {"[::1]:5000/x", "[::1]:5000/x:latest"},
        {"127.0.0.1:5000/a", "127.0.0.1:5000/a:latest"},
        {"Host/x", "Host/x:latest"},
        {"x@sha256:" HEX64, "docker.io/library/x@sha256:" HEX64},
        {"x:t@sha256:" HEX64, "docker.io/library/x:t@sha256:" HEX64},
        {"x@sha512:" HEX64 HEX64, "docker.io/library/x@sha512:" HEX64 HEX64},
        {"a---b", "docker.io/library/a---b:latest"},
        {"", NULL},
        {":", NULL},
        {"x:", NULL},
        {"X", NULL},
        {"a//b", NULL},
        {"/a", NULL},
        {"a/", NULL},
        {"a..b", NULL},
        {"a___b", NULL},
        {"-a", NULL},
        {"a-", NULL},
        {"a b", NULL},
        {"a:.t", NULL},
        {"a:-t", NULL},
        {"a:b c", NULL},
        {"x@sha256:12", NULL},
        {"x@md5:" HEX64, NULL},
        {"x@sha256:" HEX64 "@", NULL},
        {"x@", NULL},
        {"host:0/x", NULL},
        {"host:65536/x", NULL},
        {"host:x/y", NULL},
        {"-h.io/x", NULL},
        {"h..io/x", NULL},
        {"[::1/x", NULL},
        {"[x]:1/x", NULL},
        {"a.io/../x", NULL},
        {"a.io/x%2e", NULL},
        {"a.io/x?y", NULL},
        {"a.io/x#y", NULL},
        {"http://a.io/x", NULL},
        {"user@a.io/x", NULL},
    };
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    for (unsigned i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_image_ref r, again;
        sn_test_row("\"%s\"", rows[i].in);
        int e = sn_image_ref_parse(&a, sn_str(rows[i].in), &r);
        T_EQ(e, rows[i].out ? 0 : SN_E_INVALID_ARGUMENT);
        if (e < 0) continue;
        T_STR(sn_image_ref_text(&a, &r), rows[i].out);
        T_OK(sn_image_ref_parse(&a, sn_str(rows[i].out), &again));
        T_STR(sn_image_ref_text(&a, &again), rows[i].out);
    }
    T_STR(sn_image_ref_familiar(SN_STR("docker.io/library/x:1")), "x:1");
    T_STR(sn_image_ref_familiar(SN_STR("docker.io/u/x:1")), "u/x:1");
    T_STR(sn_image_ref_familiar(SN_STR("quay.io/u/x:1")), "quay.io/u/x:1");
    sn_arena_done(&a);
}

/* ---- archives
 * ----------------------------------------------------------------------------------------- */

static int seen_entry(void *ctx, const struct sn_tar_entry *e)
{
    struct sn_buf *b = ctx;
    sn_buf_printf(b, "%d %.*s>%.*s %o %u:%u %llu;", e->kind, SN_STR_ARG(e->path),
                  SN_STR_ARG(e->link), e->mode, e->uid, e->gid, (unsigned long long)e->size);
    return 0;
}
static int seen_data(void *ctx, struct sn_str d) { return sn_buf_str(ctx, d); }
static int seen_end(void *ctx) { return sn_buf_cstr(ctx, "\n"); }

static int read_tar(struct sn_str bytes, struct sn_buf *out)
{
    static const struct sn_tar_events ev = {seen_entry, seen_data, seen_end};
    struct sn_tar t;
    sn_tar_init(&t, &ev, out);
    int r = sn_tar_put(&t, bytes);
    if (r == 0) r = sn_tar_finish(&t);
    sn_tar_done(&t);
    return r;
}

SN_TEST(tar_headers_that_are_wrong)
{
    struct sn_buf t = {0}, out = {0};
    tb_add(&t, (struct tb){'0', "name", .data = "abc"});
    tb_end(&t);
    T_OK(read_tar(sn_buf_view(&t), &out));
    T_STR(sn_buf_view(&out), "0 name> 644 0:0 3;abc\n");
    static const struct {
        const char *what;
        unsigned at;
        const char *bytes;
        bool resum; /* with a right checksum */
        int code;
    } rows[] = {
        {"checksum", 0, "N", false, SN_E_SYNTAX},
        {"size not octal", 124, "0000000009 ", true, SN_E_SYNTAX},
        {"negative size", 124, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", true,
         SN_E_SYNTAX},
        {"size beyond 64 bits", 124, "\x80\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01", true,
         SN_E_SYNTAX},
        {"uid -1", 108, "\xff\xff\xff\xff\xff\xff\xff\xff", true, SN_E_SYNTAX},
        {"no name", 0, "\0\0\0\0", true, SN_E_SYNTAX},
        {"type", 156, "~", true, SN_E_UNIMPLEMENTED},
        {"cut", 124, "00000777777", true, SN_E_SYNTAX},
    };
    for (unsigned i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].what);
        struct sn_buf b = {0};
        sn_buf_str(&b, sn_buf_view(&t));
        size_t n = strlen(rows[i].bytes) ? strlen(rows[i].bytes) : 4;
        memcpy(b.ptr + rows[i].at, rows[i].bytes, n);
        if (rows[i].resum) tb_sum(b.ptr);
        sn_buf_reset(&out);
        T_EQ(read_tar(sn_buf_view(&b), &out), rows[i].code);
        sn_buf_done(&b);
    }
    sn_buf_done(&t);
    sn_buf_done(&out);
}

SN_TEST(tar_pax_records)
{
    static const struct {
        const char *records;
        const char *out; /* NULL: SN_E_SYNTAX */
    } rows[] = {
        {"12 path=abc\n", "0 abc> 644 0:0 0;\n"},
        {"11 uid=500\n11 gid=501\n", "0 n> 644 500:501 0;\n"},
        {"18 GNU.sparse.x=1\n", ""},
        {"13 path=abc\n", NULL},
        {"11 path=abc\n", NULL},
        {"path=abc\n", NULL},
        {"12 path=abc", NULL},
        {"99999999999999999999 path=abc\n", NULL},
        {"0 path=abc\n", NULL},
        {"12 path\0abc\n", NULL},
        {"6 =ab\n", NULL},
        {"13 size=1e99\n", NULL},
        {"11 uid=-01\n", NULL},
        {"18 uid=4294967295\n", NULL},
        {"12 mtime=1x\n", NULL},
    };
    for (unsigned i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_buf t = {0}, out = {0};
        sn_test_row("%s", rows[i].records);
        size_t n = i == 9 ? 12 : strlen(rows[i].records);
        tb_raw(&t, &(struct tb){'x', "pax"}, rows[i].records, n);
        tb_add(&t, (struct tb){'0', "n"});
        tb_end(&t);
        int want = !rows[i].out ? SN_E_SYNTAX : *rows[i].out ? 0 : SN_E_UNIMPLEMENTED;
        T_EQ(read_tar(sn_buf_view(&t), &out), want);
        if (want == 0) T_STR(sn_buf_view(&out), rows[i].out);
        sn_buf_done(&t);
        sn_buf_done(&out);
    }
}

SN_TEST(tar_what_we_write_is_read)
{
    struct sn_buf t = {0}, out = {0};
    char name[200], want[400];
    memset(name, 'x', 150);
    name[150] = 0;
    T_OK(sn_tar_write_head(&t, SN_STR("short"), 0));
    T_OK(sn_tar_write_head(&t, sn_str(name), 3));
    sn_buf_cstr(&t, "abc");
    static const char zero[512];
    sn_buf_put(&t, zero, sn_tar_padding(3));
    tb_end(&t);
    T_OK(read_tar(sn_buf_view(&t), &out));
    (void)snprintf(want, sizeof(want), "0 short> 644 0:0 0;\n0 %s> 644 0:0 3;abc\n", name);
    T_STR(sn_buf_view(&out), want);
    sn_buf_done(&t);
    sn_buf_done(&out);
    /* A size beyond what the header holds. */
    sn_buf_init(&t, 0);
    T_OK(sn_tar_write_head(&t, SN_STR("big"), 9ull << 30));
    sn_buf_init(&out, 0);
    T_EQ(read_tar(sn_buf_view(&t), &out), SN_E_SYNTAX); /* its data are missing */
    T_STR(sn_buf_view(&out), "0 big> 644 0:0 9663676416;");
    sn_buf_done(&t);
    sn_buf_done(&out);
}

/* ---- documents
 * ------------------------------------------------------------------------------------------ */

#define D "sha256:" HEX64
#define LAYER(type) "{\"mediaType\":\"" type "\",\"digest\":\"" D "\",\"size\":1}"
#define CONFIG \
    "\"config\":{\"mediaType\":\"" SN_TYPE_OCI_CONFIG "\",\"digest\":\"" D "\",\"size\":2}"

SN_TEST(manifest_table)
{
    static const struct {
        const char *text;
        int code;
        const char *diag;
    } rows[] = {
        {"{\"schemaVersion\":2," CONFIG ",\"layers\":[" LAYER(SN_TYPE_OCI_LAYER "+zstd") "]}", 0,
         NULL},
        {"{\"schemaVersion\":2," CONFIG
         ",\"layers\":[" LAYER("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip") "]}",
         SN_E_UNIMPLEMENTED, "layers[0].mediaType"},
        {"{\"schemaVersion\":2," CONFIG
         ",\"layers\":[" LAYER("application/vnd.oci.image.layer.nondistributable.v1.tar") "]}",
         SN_E_UNIMPLEMENTED, "foreign layer"},
        {"{\"schemaVersion\":2," CONFIG
         ",\"layers\":[" LAYER(SN_TYPE_OCI_LAYER "+gzip+encrypted") "]}",
         SN_E_UNIMPLEMENTED, "encrypted"},
        {"{\"schemaVersion\":2," CONFIG ",\"layers\":[],\"manifests\":[]}", SN_E_SYNTAX,
         "both an index and a manifest"},
        {"{\"schemaVersion\":2,\"mediaType\":\"" SN_TYPE_OCI_INDEX "\"," CONFIG ",\"layers\":[]}",
         SN_E_SYNTAX, "mediaType"},
        {"{\"schemaVersion\":1,\"fsLayers\":[]}", SN_E_UNIMPLEMENTED, "schema 1"},
        {"{\"schemaVersion\":2,\"layers\":[]}", SN_E_SYNTAX, "config[0].digest"},
        {"{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/"
         "vnd.cncf.helm.config.v1+json\",\"digest\":\"" D "\",\"size\":2},\"layers\":[]}",
         SN_E_UNIMPLEMENTED, "no container image"},
        {"{\"schemaVersion\":2," CONFIG
         ",\"layers\":[{\"mediaType\":\"x\",\"digest\":\"sha256:../../x\",\"size\":1}]}",
         SN_E_SYNTAX, "layers[0].digest"},
        {"{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"mediaType\":\"x\",\"digest\":\"" D
         "\",\"size\":-1}]}",
         SN_E_SYNTAX, "layers[0].size"},
        {"{\"schemaVersion\":2,\"schemaVersion\":2}", SN_E_SYNTAX, "manifest"},
        {"[]", SN_E_SYNTAX, "schemaVersion"},
        {"{", SN_E_SYNTAX, "manifest"},
        {"", SN_E_SYNTAX, "manifest"},
    };
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    for (unsigned i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_manifest m;
        sn_test_row("%u", i);
        int r = sn_manifest_parse(&a, sn_str(rows[i].text), &m);
        T_EQ(r, rows[i].code);
        if (rows[i].diag)
            T_ASSERTF(strstr(sn_diag_str(r), rows[i].diag), "got: %s", sn_diag_str(r));
    }
    sn_arena_done(&a);
}

SN_TEST(manifest_platforms)
{
    static const struct {
        const char *want, *have[4];
        int best; /* -1: none */
    } rows[] = {
        {"linux/amd64", {"linux/arm64", "linux/amd64"}, 1},
        {"linux/amd64", {"windows/amd64", "linux/386"}, 1},
        {"linux/amd64", {"linux/amd64/v3", "linux/amd64"}, 1},
        {"linux/amd64/v3", {"linux/amd64", "linux/amd64/v2", "linux/amd64/v4"}, 1},
        {"linux/arm/v7", {"linux/arm/v5", "linux/arm/v6", "linux/arm64"}, 1},
        {"linux/arm/v6", {"linux/arm/v7"}, -1},
        {"linux/arm64", {"linux/arm/v7", "linux/arm64/v8"}, 1},
        {"linux/arm64", {"linux/arm/v6", "linux/arm/v7"}, 1},
        {"linux/amd64", {"unknown/unknown"}, -1},
        {"linux/riscv64", {"linux/amd64", "linux/arm64"}, -1},
    };
    for (unsigned i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_descriptor d[4] = {0};
        struct sn_manifest m = {.index = true, .entries = d};
        struct sn_platform want;
        const struct sn_descriptor *best;
        sn_test_row("%u", i);
        T_OK(sn_platform_parse(sn_str(rows[i].want), &want));
        for (unsigned k = 0; k < 4 && rows[i].have[k]; k++) {
            struct sn_str rest = sn_str(rows[i].have[k]);
            d[k].platform.os = sn_str_cut(&rest, '/');
            d[k].platform.architecture = sn_str_cut(&rest, '/');
            if (rest.ptr) d[k].platform.variant = rest;
            m.n_entries++;
        }
        int r = sn_manifest_choose(&m, &want, &best);
        T_EQ(r, rows[i].best < 0 ? SN_E_NOT_FOUND : 0);
        if (r == 0) T_EQ(best - d, rows[i].best);
        if (r < 0) T_ASSERT(strstr(sn_diag_str(r), rows[i].have[0]));
    }
    struct sn_platform p;
    T_OK(sn_platform_parse(SN_STR(""), &p));
    T_STR(p.os, "linux");
    const char *const bad[] = {"linux", "linux/", "/amd64", "linux/arm/v7/x", "linux/arm/seven"};
    for (unsigned i = 0; i < SN_COUNT_OF(bad); i++)
        T_EQ(sn_platform_parse(sn_str(bad[i]), &p), SN_E_INVALID_ARGUMENT);
}

SN_TEST(config_and_chains)
{
    struct sn_arena a;
    struct sn_image_config c;
    struct sn_str *chains;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_image_config_parse(
        &a,
        SN_STR("{\"os\":\"linux\",\"architecture\":\"amd64\",\"created\":\"2020-01-02T03:04:05Z\","
               "\"config\":"
               "{\"User\":\"u:g\",\"Env\":[\"A=b\"],\"Cmd\":null,\"Entrypoint\":[\"/"
               "e\",\"x\"],\"WorkingDir\":\"/w\",\"ExposedPorts\":{\"80/tcp\":{}},"
               "\"Volumes\":{\"/"
               "v\":{}},\"Labels\":{\"k\":\"v\"},\"StopSignal\":\"SIGINT\"},\"rootfs\":{\"type\":"
               "\"layers\",\"diff_ids\":[\"" D "\",\"" D "\"]}}"),
        &c));
    T_STR(c.user, "u:g");
    T_EQ(c.n_env, 1);
    T_EQ(c.n_cmd, 0);
    T_STR(c.entrypoint[1], "x");
    T_STR(c.ports[0], "80/tcp");
    T_STR(c.volumes[0], "/v");
    T_STR(c.labels[0].value, "v");
    T_EQ(c.created_ns / SN_SEC, 1577934245);
    T_OK(sn_image_chains(&a, c.diff_ids, c.n_diff_ids, &chains));
    T_STR(chains[0], D);
    char want[72];
    tb_digest(SN_STR(D " " D), want);
    T_STR(chains[1], want);
    T_EQ(sn_image_config_parse(&a, SN_STR("{\"config\":{\"Env\":[1]}}"), &c), SN_E_SYNTAX);
    T_ASSERT(strstr(sn_diag_str(SN_E_SYNTAX), "config.Env[0]"));
    T_EQ(sn_image_config_parse(&a, SN_STR("{\"rootfs\":{\"diff_ids\":[\"x\"]}}"), &c), SN_E_SYNTAX);
    T_EQ(sn_image_config_parse(&a, SN_STR("[]"), &c), SN_E_SYNTAX);
    sn_arena_done(&a);
}

/* ---- who asks
 * --------------------------------------------------------------------------------------------- */

SN_TEST(auth_challenges)
{
    struct sn_arena a;
    struct reg_challenge c;
    sn_arena_init(&a, NULL, 0);
    T_OK(reg_challenge_parse(
        &a,
        SN_STR("Bearer realm=\"https://a/t?x=1\",service=\"s \\\"q\\\"\", scope=repository:x:pull"),
        &c));
    T_ASSERT(c.bearer && !c.basic);
    T_STR(c.realm, "https://a/t?x=1");
    T_STR(c.service, "s \"q\"");
    T_STR(c.scope, "repository:x:pull");
    T_OK(reg_challenge_parse(&a, SN_STR("Basic realm=\"r, s\", Bearer realm=\"b\""), &c));
    T_ASSERT(c.bearer && c.basic);
    T_STR(c.realm, "b");
    const char *const bad[] = {"=", "Bearer realm=\"x", "Bearer realm=", "\"x\""};
    for (unsigned i = 0; i < SN_COUNT_OF(bad); i++) {
        sn_test_row("%s", bad[i]);
        T_EQ(reg_challenge_parse(&a, sn_str(bad[i]), &c), SN_E_PROTOCOL);
    }
    struct sn_image_auth au = {0};
    T_OK(reg_credentials(&a,
                         SN_STR("{\"auths\":{\"https://index.docker.io/v1/"
                                "\":{\"auth\":\"aGk=\"},\"h:5000\":{\"identitytoken\":\"t\"}}}"),
                         SN_STR("docker.io"), &au));
    T_STR(au.auth, "aGk=");
    au = (struct sn_image_auth){0};
    T_OK(reg_credentials(&a, SN_STR("{\"auths\":{\"h:5000\":{\"identitytoken\":\"t\"}}}"),
                         SN_STR("h:5000"), &au));
    T_STR(au.identity_token, "t");
    T_OK(reg_credentials(&a, SN_STR("{}"), SN_STR("other"), &au));
    sn_arena_done(&a);
}

SN_TEST(auth_what_is_loopback)
{
    static const struct {
        const char *host;
        bool is;
    } rows[] = {{"localhost", true},
                {"localhost:5000", true},
                {"127.0.0.1:5", true},
                {"127.1.2.3", true},
                {"[::1]:5", true},
                {"127.evil.com", false},
                {"localhost.evil.com", false},
                {"127.0.0.1.evil.com", false},
                {"10.0.0.1", false},
                {"[::2]", false},
                {"", false},
                {"127.1", false}};
    for (unsigned i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].host);
        T_EQ(reg_loopback(sn_str(rows[i].host)), rows[i].is);
    }
}

/* ---- failing allocations
 * ------------------------------------------------------------------------------------ */

static int torture_documents(void *arg)
{
    struct sn_arena a;
    struct sn_image_ref ref;
    struct sn_manifest m;
    struct sn_image_config c;
    struct sn_str *chains;
    struct reg_challenge ch;
    sn_arena_init(&a, NULL, 0);
    int r = sn_image_ref_parse(&a, SN_STR("quay.io/a/b:1@sha256:" HEX64), &ref);
    if (r == 0 && !sn_image_ref_text(&a, &ref).ptr) r = SN_E_NOMEM;
    if (r == 0)
        r = sn_manifest_parse(&a,
                              SN_STR("{\"schemaVersion\":2," CONFIG
                                     ",\"layers\":[" LAYER(SN_TYPE_OCI_LAYER) "]}"),
                              &m);
    if (r == 0)
        r = sn_image_config_parse(
            &a,
            SN_STR("{\"config\":{\"Env\":[\"A=b\"]},\"rootfs\":{\"diff_ids\":[\"" D "\",\"" D
                   "\"]}}"),
            &c);
    if (r == 0) r = sn_image_chains(&a, c.diff_ids, c.n_diff_ids, &chains);
    if (r == 0) r = reg_challenge_parse(&a, SN_STR("Bearer realm=\"https://a/\""), &ch);
    sn_arena_done(&a);
    return r;
}

static int torture_archive(void *arg)
{
    static const struct sn_tar_events ev = {seen_entry, seen_data, seen_end};
    struct sn_buf out = {0};
    struct sn_tar t;
    sn_tar_init(&t, &ev, &out);
    int r = sn_tar_put(&t, sn_buf_view(arg));
    if (r == 0) r = sn_tar_finish(&t);
    sn_tar_done(&t);
    if (r == 0) r = out.err;
    sn_buf_done(&out);
    return r;
}

static int torture_write(void *arg)
{
    struct sn_buf out = {0};
    char name[200];
    memset(name, 'x', sizeof(name));
    int r = sn_tar_write_head(&out, sn_str_of(name, sizeof(name)), 5);
    sn_buf_done(&out);
    return r;
}

SN_TEST(torture_formats)
{
    struct sn_buf t = {0};
    tb_pax(&t, "SCHILY.xattr.user.a", "b", 1);
    tb_raw(&t, &(struct tb){'L', "././@LongLink"}, "long", 5);
    tb_add(&t, (struct tb){'0', "x", .data = "abc"});
    tb_end(&t);
    int n = sn_torture(torture_documents, NULL);
    T_ASSERTF(n > 0, "documents: %d %s", n, n < 0 ? sn_diag_str(n) : "");
    n = sn_torture(torture_archive, &t);
    T_ASSERTF(n > 2, "archive: %d %s", n, n < 0 ? sn_diag_str(n) : "");
    n = sn_torture(torture_write, NULL);
    T_ASSERTF(n > 1, "write: %d %s", n, n < 0 ? sn_diag_str(n) : "");
    sn_buf_done(&t);
}
