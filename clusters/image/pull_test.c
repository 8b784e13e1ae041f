/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/rand.h"
#include "core/status.h"
#include "fiber/os.h"
#include "image/registry_test.h"

/* ---- a world: a store and a registry ----------------------------------------------------------------- */

struct world {
    struct sn_image_store *st;
    struct fr fr, other;          /* other: where redirects lead */
    char root[600], certs[600];
    struct sn_arena a;
    struct sn_buf layers[3];
    int (*body)(struct world *w);
    struct sn_image_store_opts so;
};

/* A layer whose archive does not compress, so that its blob has some size. */
static void make_layer(struct sn_buf *b, const char *name, size_t n, uint64_t seed)
{
    struct sn_rand rnd;
    struct sn_buf data = {0};
    sn_rand_seed(&rnd, seed);
    T_OK(sn_buf_reserve(&data, n + 1));
    sn_rand_bytes(&rnd, data.ptr, n);
    tb_add(b, (struct tb){'5', "./"});
    tb_add(b, (struct tb){'5', "etc"});
    tb_raw(b, &(struct tb){'0', name}, (char *)data.ptr, n);
    tb_end(b);
    sn_buf_done(&data);
}

static unsigned count_in(struct world *w, const char *room)
{
    char path[800];
    unsigned n = 0;
    (void)snprintf(path, sizeof(path), "%s/%s", w->root, room);
    DIR *d = opendir(path);
    T_ASSERT(d);
    const struct dirent *e;
    while ((e = readdir(d))) n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static int world_main(void *arg)
{
    struct world *w = arg;
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    sn_arena_init(&w->a, NULL, 0);
    for (unsigned i = 0; i < 3; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "etc/f%u", i);
        make_layer(&w->layers[i], name, 300000 + 1000 * i, i + 1);
    }
    fr_start(&w->fr, s);
    fr_start(&w->other, s);
    (void)snprintf(w->root, sizeof(w->root), "%s/store", sn_test_tmpdir());
    (void)snprintf(w->certs, sizeof(w->certs), "%s/certs", sn_test_tmpdir());
    w->so.root = w->root;
    w->so.certs_dir = w->certs;
    w->so.no_sync = true;
    T_OK(sn_image_store_open(&w->so, &w->st));
    int r = w->body(w);
    T_EQ(count_in(w, "leases"), 0);
    T_EQ(count_in(w, "trash"), 0);
    sn_image_store_close(w->st);
    fr_stop(&w->fr);
    fr_stop(&w->other);
    sn_scope_cancel(s);
    (void)sn_scope_end(s);
    sn_http_server_free(w->fr.server);
    sn_http_server_free(w->other.server);
    for (unsigned i = 0; i < 3; i++) sn_buf_done(&w->layers[i]);
    sn_arena_done(&w->a);
    return r;
}

static void in_world(int (*body)(struct world *w))
{
    if (geteuid() != 0) sn_test_skip("owners of files need root");
    struct world *w = sn_zalloc(1, sizeof(*w));
    w->body = body;
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, world_main, w));
    sn_free(w);
}

static int pull(struct world *w, const char *tag, const struct sn_image_pull_opts *o, struct sn_image *im)
{
    char ref[128];
    struct sn_image dummy;
    return sn_image_pull(w->st, sn_str(fr_ref(&w->fr, tag, ref)), o, &w->a, im ? im : &dummy);
}

static void rule(struct fr *f, struct fr_rule r)
{
    f->n_rules = 1;
    f->rules[0] = r;
}

/* ---- what should be ------------------------------------------------------------------------------------ */

static int plain_body(struct world *w)
{
    char id[72], ref[128], path[900];
    struct sn_image im, *list;
    struct stat st;
    size_t n;
    bool gone;
    fr_image(&w->fr, "1", w->layers, 3, 0, id);
    T_OK(pull(w, "1", NULL, &im));
    T_STR(im.id, id);
    T_EQ(im.n_tags, 1);
    T_STR(im.tags[0], fr_ref(&w->fr, "1", ref));
    T_EQ(im.n_digests, 1);
    T_STR(im.config.user, "u");
    T_EQ(im.config.n_diff_ids, 3);
    T_EQ(w->fr.gets_blob, 4);
    T_EQ(count_in(w, "snapshots"), 3);
    T_EQ(count_in(w, "blobs/sha256"), 5);
    T_EQ(count_in(w, "ingest"), 0);
    (void)snprintf(path, sizeof(path), "%s/snapshots/%.*s/fs/etc/f2", w->root, (int)im.chain.len - 7, im.chain.ptr + 7);
    T_ASSERTF(stat(path, &st) == 0 && st.st_size == 302000, "%s", path);
    /* Again: nothing but the manifest is asked for. By digest: not even that. */
    T_OK(pull(w, "1", NULL, &im));
    T_EQ(w->fr.gets_blob, 4);
    unsigned manifests = w->fr.gets_manifest;
    (void)snprintf(ref, sizeof(ref), "%s/test@%.*s", w->fr.addr, SN_STR_ARG(im.target));
    T_OK(sn_image_pull(w->st, sn_str(ref), NULL, &w->a, &im));
    T_EQ(w->fr.gets_manifest, manifests);
    T_EQ(im.n_tags, 1);
    /* By every kind of name. */
    T_OK(sn_image_find(w->st, sn_str(ref), &w->a, &im));
    T_OK(sn_image_find(w->st, sn_str(id), &w->a, &im));
    T_OK(sn_image_find(w->st, sn_str_sub(sn_str(id), 7, 19), &w->a, &im));
    T_EQ(sn_image_find(w->st, SN_STR("nothing"), &w->a, &im), SN_E_NOT_FOUND);
    T_OK(sn_image_tag(w->st, sn_str(id), SN_STR("other:name")));
    T_OK(sn_image_list(w->st, &w->a, &list, &n));
    T_EQ(n, 1);
    T_EQ(list[0].n_tags, 2);
    struct sn_image_fs_usage u;
    T_OK(sn_image_fs_usage(w->st, &u));
    T_ASSERT(u.bytes > 1500000 && u.inodes > 8);
    T_OK(sn_image_remove(w->st, SN_STR("other:name"), false, &gone));
    T_ASSERT(!gone);
    T_OK(sn_image_remove(w->st, sn_str(id), false, &gone));
    T_ASSERT(gone);
    T_EQ(count_in(w, "snapshots"), 0);
    T_EQ(count_in(w, "blobs/sha256"), 0);
    return 0;
}
SN_TEST(pull_list_find_remove) { in_world(plain_body); }

static int shared_body(struct world *w)
{
    struct sn_buf two[2] = {w->layers[0], w->layers[2]};
    char id[72];
    fr_image(&w->fr, "a", w->layers, 2, 0, NULL);
    fr_image(&w->fr, "b", two, 2, 0, id);
    T_OK(pull(w, "a", NULL, NULL));
    T_EQ(w->fr.gets_blob, 3);
    T_OK(pull(w, "b", NULL, NULL));
    T_EQ(w->fr.gets_blob, 5); /* the lowest layer is shared */
    T_EQ(count_in(w, "snapshots"), 3);
    T_OK(sn_image_remove(w->st, sn_str(id), false, NULL));
    T_EQ(count_in(w, "snapshots"), 2);
    T_EQ(count_in(w, "blobs/sha256"), 4);
    T_OK(pull(w, "a", NULL, NULL));
    T_EQ(w->fr.gets_blob, 5);
    return 0;
}
SN_TEST(pull_layers_are_shared) { in_world(shared_body); }

struct twin {
    struct world *w;
    const char *tag;
};
static int twin_main(void *arg)
{
    struct twin *t = arg;
    struct sn_arena a;
    struct sn_image im;
    char ref[128];
    sn_arena_init(&a, NULL, 0);
    int r = sn_image_pull(t->w->st, sn_str(fr_ref(&t->w->fr, t->tag, ref)), NULL, &a, &im);
    sn_arena_done(&a);
    return r;
}

static int at_once_body(struct world *w)
{
    struct sn_buf two[2] = {w->layers[0], w->layers[2]};
    fr_image(&w->fr, "a", w->layers, 2, 0, NULL);
    fr_image(&w->fr, "b", two, 2, 0, NULL);
    /* Every answer takes a moment, so that all are under way together. */
    rule(&w->fr, (struct fr_rule){"/blobs/", FR_SLOW, 50});
    struct twin t[6] = {{w, "a"}, {w, "b"}, {w, "a"}, {w, "b"}, {w, "a"}, {w, "b"}};
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    for (unsigned i = 0; i < 6; i++) T_OK(sn_scope_go(s, "twin", twin_main, &t[i]));
    T_OK(sn_scope_end(s));
    /* Three layers once each; configurations are small and may be asked for by each. */
    T_ASSERTF(w->fr.gets_blob >= 5 && w->fr.gets_blob <= 3 + 6, "%u blobs", w->fr.gets_blob);
    T_EQ(count_in(w, "snapshots"), 3);
    T_EQ(count_in(w, "ingest"), 0);
    return 0;
}
SN_TEST(pull_many_at_once_fetch_once) { in_world(at_once_body); }

/* ---- what goes wrong -------------------------------------------------------------------------------------- */

static int faults_body(struct world *w)
{
    static const struct {
        const char *what;
        struct fr_rule rule;
        int code;
        const char *diag;
        bool no_ranges;
        unsigned min_ranges;
    } rows[] = {
        {"cut once", {"/blobs/", FR_CUT, 100000, 1}, 0, NULL, false, 1},
        {"cut five times", {"/blobs/", FR_CUT, 50000, 5}, 0, NULL, false, 3},
        {"cut, no ranges", {"/blobs/", FR_CUT, 100000, 1}, 0, NULL, true, 0},
        {"cut always, at nothing", {"/blobs/", FR_CUT, 0, 0}, SN_E_EOF, "blobs/sha256:", false, 0},
        {"stall once", {"/blobs/", FR_STALL, 100000, 1}, 0, NULL, false, 1},
        {"500 once", {"/blobs/", FR_STATUS, 500, 1}, 0, NULL, false, 0},
        {"503 always", {"/blobs/", FR_STATUS, 503, 0}, SN_E_UNAVAILABLE, "status 503: told so", false, 0},
        {"429 once", {"/manifests/", FR_STATUS, 429, 1}, 0, NULL, false, 0},
        {"404", {"/manifests/", FR_STATUS, 404, 0}, SN_E_NOT_FOUND, "told so", false, 0},
        {"403", {"/manifests/", FR_STATUS, 403, 0}, SN_E_PERMISSION_DENIED, "status 403", false, 0},
        {"blob gone", {"/blobs/", FR_STATUS, 404, 0}, SN_E_NOT_FOUND, "status 404", false, 0},
        {"a byte is another", {"/blobs/", FR_FLIP, 0, 0}, SN_E_DATA_LOSS, "what came is", false, 0},
        {"more bytes than there are", {"/blobs/", FR_LONG, 0, 0}, SN_E_DATA_LOSS, "", false, 0},
        {"redirects without end", {"/blobs/", FR_REDIRECT, 0, 0, ""}, SN_E_PROTOCOL, "redirects", false, 0},
        {"redirect to elsewhere", {"/blobs/", FR_REDIRECT, 0, 0, "ftp://x"}, SN_E_PROTOCOL, "no address", false, 0},
    };
    fr_image(&w->fr, "1", w->layers, 3, 0, NULL);
    struct sn_image_pull_opts o = {.stall_ns_max = 1 * SN_SEC};
    for (unsigned i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].what);
        rule(&w->fr, rows[i].rule);
        w->fr.no_ranges = rows[i].no_ranges;
        w->fr.ranges = 0;
        int r = pull(w, "1", &o, NULL);
        T_ASSERTF(r == rows[i].code || (rows[i].code == SN_E_EOF && r < 0), "%d, not %d: %s", r, rows[i].code, r < 0 ? sn_diag_str(r) : "");
        if (rows[i].diag) T_ASSERTF(strstr(sn_diag_str(r), rows[i].diag), "got: %s", sn_diag_str(r));
        T_ASSERTF(w->fr.ranges >= rows[i].min_ranges, "%u ranges", w->fr.ranges);
        T_EQ(count_in(w, "snapshots"), r == 0 ? 3 : 0);
        if (r == SN_E_DATA_LOSS) T_EQ(count_in(w, "ingest"), 0);
        struct sn_image *list;
        size_t n;
        T_OK(sn_image_list(w->st, &w->a, &list, &n));
        T_EQ(n, r == 0);
        if (n) T_OK(sn_image_remove(w->st, list[0].id, true, NULL));
        T_OK(sn_image_gc(w->st, &(struct sn_image_gc_opts){.partials = true}, NULL));
        T_EQ(count_in(w, "blobs/sha256"), 0);
        T_EQ(count_in(w, "ingest"), 0);
    }
    return 0;
}
SN_TEST_SLOW(pull_faults, 120) { in_world(faults_body); }

static int documents_body(struct world *w)
{
    static const struct {
        const char *what, *text;
        int code;
        const char *diag;
    } rows[] = {
        {"not json", "hello", SN_E_SYNTAX, "manifest"},
        {"schema 1", "{\"schemaVersion\":1}", SN_E_UNIMPLEMENTED, "schema 1"},
        {"empty index", "{\"schemaVersion\":2,\"manifests\":[]}", SN_E_NOT_FOUND, "no manifest for linux/"},
    };
    struct sn_image_pull_opts o = {.stall_ns_max = 2 * SN_SEC};
    for (unsigned i = 0; i < SN_COUNT_OF(rows); i++) {
        char tag[64], name[80];
        sn_test_row("%s", rows[i].what);
        (void)snprintf(tag, sizeof(tag), "bad%u", i);
        (void)snprintf(name, sizeof(name), "manifests/%s", tag);
        fr_put(&w->fr, name, "x/y", sn_str(rows[i].text));
        int r = pull(w, tag, &o, NULL);
        T_EQ(r, rows[i].code);
        T_ASSERTF(strstr(sn_diag_str(r), rows[i].diag), "got: %s", sn_diag_str(r));
    }
    fr_image(&w->fr, "diff", w->layers, 2, 1, NULL);
    T_EQ(pull(w, "diff", &o, NULL), SN_E_DATA_LOSS);
    T_ASSERTF(strstr(sn_diag_str(SN_E_DATA_LOSS), "configuration says"), "got: %s", sn_diag_str(SN_E_DATA_LOSS));
    T_EQ(count_in(w, "snapshots"), 0);
    fr_image(&w->fr, "few", w->layers, 2, 2, NULL);
    T_EQ(pull(w, "few", &o, NULL), SN_E_SYNTAX);
    T_ASSERT(strstr(sn_diag_str(SN_E_SYNTAX), "2 layers, the configuration 1"));
    /* A manifest under a digest that is not its own. */
    char ref[200];
    (void)snprintf(ref, sizeof(ref), "manifests/sha256:%064d", 7);
    fr_put(&w->fr, ref, "x/y", SN_STR("{\"schemaVersion\":2,\"manifests\":[]}"));
    (void)snprintf(ref, sizeof(ref), "%s/test@sha256:%064d", w->fr.addr, 7);
    struct sn_image im;
    T_EQ(sn_image_pull(w->st, sn_str(ref), &o, &w->a, &im), SN_E_DATA_LOSS);
    T_OK(sn_image_gc(w->st, NULL, NULL));
    T_EQ(count_in(w, "blobs/sha256"), 0);
    return 0;
}
SN_TEST_SLOW(pull_documents_that_are_wrong, 60) { in_world(documents_body); }

/* ---- who asks ------------------------------------------------------------------------------------------------ */

static int auth_body(struct world *w)
{
    struct sn_image_pull_opts o = {.stall_ns_max = 2 * SN_SEC};
    char path[800], text[400];
    fr_image(&w->fr, "1", w->layers, 3, 0, NULL);
    w->fr.bearer = true;
    int r = pull(w, "1", &o, NULL);
    T_EQ(r, SN_E_UNAUTHENTICATED);
    T_ASSERTF(strstr(sn_diag_str(r), "incorrect username"), "got: %s", sn_diag_str(r));
    o.auth.username = SN_STR("user");
    o.auth.password = SN_STR("wrong");
    r = pull(w, "1", &o, NULL);
    T_EQ(r, SN_E_UNAUTHENTICATED);
    T_ASSERT(!strstr(sn_diag_str(r), "wrong"));
    o.auth.password = SN_STR("secret");
    w->fr.gets_token = 0;
    T_OK(pull(w, "1", &o, NULL));
    T_EQ(w->fr.gets_token, 1); /* three layers at once, one token */
    T_OK(sn_image_remove(w->st, SN_STR("1"), true, NULL) == SN_E_NOT_FOUND ? 0 : -1);
    /* A file as docker's. */
    (void)snprintf(path, sizeof(path), "%s/config.json", sn_test_tmpdir());
    (void)snprintf(text, sizeof(text), "{\"auths\":{\"%s\":{\"auth\":\"dXNlcjpzZWNyZXQ=\"}}}", w->fr.addr);
    T_OK(sn_file_write(path, sn_str(text), 0600));
    o.auth = (struct sn_image_auth){0};
    o.credentials_file = path;
    T_OK(pull(w, "1", &o, NULL));
    w->fr.bearer = false;
    w->fr.basic = true;
    T_OK(pull(w, "1", &o, NULL));
    o.credentials_file = NULL;
    T_EQ(pull(w, "1", &o, NULL), SN_E_UNAUTHENTICATED);
    /* A token server somewhere in the clear gets nothing. */
    w->fr.basic = false;
    w->fr.bearer = true;
    w->fr.token_base = "token.example:80";
    o.auth.username = SN_STR("user");
    o.auth.password = SN_STR("secret");
    T_EQ(pull(w, "1", &o, NULL), SN_E_PERMISSION_DENIED);
    return 0;
}
SN_TEST_SLOW(pull_authorization, 60) { in_world(auth_body); }

static int redirect_body(struct world *w)
{
    struct sn_image_pull_opts o = {.auth = {.username = SN_STR("user"), .password = SN_STR("secret")}};
    char to[128];
    fr_image(&w->fr, "1", w->layers, 3, 0, NULL);
    fr_image(&w->other, "1", w->layers, 3, 0, NULL);
    w->fr.basic = true;
    (void)snprintf(to, sizeof(to), "http://%s", w->other.addr);
    rule(&w->fr, (struct fr_rule){"/blobs/", FR_REDIRECT, 0, 0, to});
    T_OK(pull(w, "1", &o, NULL));
    T_EQ(w->other.gets_blob, 4);
    T_EQ(w->other.with_auth, 0); /* not a header of it */
    T_ASSERT(w->fr.with_auth >= 5);
    return 0;
}
SN_TEST(pull_redirects_lose_credentials) { in_world(redirect_body); }

static int mirror_body(struct world *w)
{
    char dir[900], path[1000], text[600];
    struct sn_image_pull_opts o = {.auth = {.username = SN_STR("user"), .password = SN_STR("secret")}, .stall_ns_max = 2 * SN_SEC};
    fr_image(&w->fr, "1", w->layers, 3, 0, NULL);
    fr_image(&w->other, "1", w->layers, 3, 0, NULL);
    (void)snprintf(dir, sizeof(dir), "%s/%s", w->certs, w->fr.addr);
    T_OK(sn_mkdirs(dir, 0755));
    (void)snprintf(path, sizeof(path), "%s/hosts.toml", dir);
    (void)snprintf(text, sizeof(text), "server = \"http://%s\"\n[host.\"http://127.0.0.1:1\"]\n[host.\"http://%s\"]\ncapabilities = [\"pull\"]\n",
                   w->fr.addr, w->other.addr);
    T_OK(sn_file_write(path, sn_str(text), 0644));
    w->fr.basic = true;
    T_OK(pull(w, "1", &o, NULL));
    /* The tag is the registry's to resolve; the first mirror is down; the second one has the blobs. */
    T_EQ(w->other.gets_manifest, 0);
    T_EQ(w->other.gets_blob, 4);
    T_EQ(w->other.with_auth, 0);
    T_EQ(w->fr.gets_blob, 0);
    T_OK(sn_file_write(path, SN_STR("server = 1x"), 0644));
    int r = pull(w, "1", &o, NULL);
    T_EQ(r, SN_E_SYNTAX);
    T_ASSERTF(strstr(sn_diag_str(r), "hosts.toml"), "got: %s", sn_diag_str(r));
    return 0;
}
SN_TEST_SLOW(pull_mirrors, 60) { in_world(mirror_body); }

/* ---- interrupted ------------------------------------------------------------------------------------------------ */

static int cancelled_pull(void *arg)
{
    struct world *w = arg;
    return pull(w, "1", NULL, NULL);
}

static int cancel_body(struct world *w)
{
    fr_image(&w->fr, "1", w->layers, 3, 0, NULL);
    rule(&w->fr, (struct fr_rule){"/blobs/", FR_STALL, 280000, 3});
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_scope_go(s, "pull", cancelled_pull, w));
    /* Until something of a layer is on the disk. */
    for (unsigned i = 0; i < 1000 && count_in(w, "ingest") == 0; i++) T_OK(sn_sleep(10 * SN_MS));
    T_OK(sn_sleep(300 * SN_MS));
    sn_scope_cancel(s);
    T_EQ(sn_scope_end(s), SN_E_CANCELLED);
    T_EQ(count_in(w, "snapshots"), 0);
    T_ASSERT(count_in(w, "ingest") >= 1);
    /* The next one goes on where this one was. */
    w->fr.n_rules = 0;
    w->fr.ranges = 0;
    T_OK(pull(w, "1", NULL, NULL));
    T_ASSERT(w->fr.ranges >= 1);
    T_EQ(count_in(w, "ingest"), 0);
    T_EQ(count_in(w, "snapshots"), 3);
    return 0;
}
SN_TEST_SLOW(pull_cancelled_and_continued, 60) { in_world(cancel_body); }

/* A part that is not what it should be is thrown away, once. */
static int bad_part_body(struct world *w)
{
    char digest[72], path[900];
    fr_image(&w->fr, "1", w->layers, 1, 0, NULL);
    T_STR(sn_str_sub(sn_str(w->fr.files[1].name), 0, 6), "blobs/");
    (void)snprintf(digest, sizeof(digest), "%s", w->fr.files[1].name + 6);
    (void)snprintf(path, sizeof(path), "%s/ingest/sha256-%s", w->root, digest + 7);
    T_OK(sn_file_write(path, SN_STR("this is no gzip"), 0600));
    T_OK(pull(w, "1", NULL, NULL));
    T_EQ(count_in(w, "ingest"), 0);
    T_EQ(count_in(w, "snapshots"), 1);
    return 0;
}
SN_TEST(pull_bad_part_is_thrown_away) { in_world(bad_part_body); }

static int full_body(struct world *w)
{
    char small[700];
    struct sn_image_store *st;
    struct sn_image im;
    char ref[128];
    fr_image(&w->fr, "1", w->layers, 3, 0, NULL);
    (void)snprintf(small, sizeof(small), "%s/small", sn_test_tmpdir());
    T_ASSERT(mkdir(small, 0755) == 0);
    if (mount("tmpfs", small, "tmpfs", 0, "size=1200k") < 0) sn_test_skip("cannot mount tmpfs: %s", strerror(errno));
    struct sn_image_store_opts so = w->so;
    so.root = small;
    T_OK(sn_image_store_open(&so, &st));
    int r = sn_image_pull(st, sn_str(fr_ref(&w->fr, "1", ref)), NULL, &w->a, &im);
    T_EQ(r, SN_E_RESOURCE_EXHAUSTED);
    T_ASSERTF(strstr(sn_diag_str(r), "No space left"), "got: %s", sn_diag_str(r));
    T_OK(sn_image_gc(st, &(struct sn_image_gc_opts){.partials = true}, NULL));
    const char *was = w->root;
    char keep[600];
    (void)snprintf(keep, sizeof(keep), "%s", was);
    (void)snprintf(w->root, sizeof(w->root), "%.500s", small);
    T_EQ(count_in(w, "snapshots"), 0);
    T_EQ(count_in(w, "ingest"), 0);
    T_EQ(count_in(w, "blobs/sha256"), 0);
    (void)snprintf(w->root, sizeof(w->root), "%s", keep);
    sn_image_store_close(st);
    T_ASSERT(umount2(small, 0) == 0);
    return 0;
}
SN_TEST_SLOW(pull_full_disk, 60) { in_world(full_body); }

/* ---- mounts -------------------------------------------------------------------------------------------------------- */

static int mount_body(struct world *w)
{
    char id[72], path[900];
    struct sn_str root, again;
    struct sn_image_mount_info *infos, info;
    struct stat st;
    size_t n;
    fr_image(&w->fr, "1", w->layers, 3, 0, id);
    T_OK(pull(w, "1", &(struct sn_image_pull_opts){.no_unpack = true}, NULL));
    T_EQ(count_in(w, "snapshots"), 0);
    int r = sn_image_mount(w->st, sn_str(id), SN_STR("box"), NULL, &w->a, &root);
    if (r == SN_E_PERMISSION_DENIED || r == SN_E_UNIMPLEMENTED) sn_test_skip("no overlay here: %s", sn_diag_str(r));
    T_OK(r);
    T_EQ(count_in(w, "snapshots"), 3);
    for (unsigned i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof(path), "%.*s/etc/f%u", SN_STR_ARG(root), i);
        T_ASSERTF(stat(path, &st) == 0, "%s", path);
    }
    T_OK(sn_file_write(path, SN_STR("changed"), 0644));
    T_EQ(sn_image_mount(w->st, sn_str(id), SN_STR("box"), NULL, &w->a, &again), SN_E_ALREADY_EXISTS);
    const char *const bad[] = {"", "../x", "a/b", ".hidden", "-x"};
    for (unsigned i = 0; i < SN_COUNT_OF(bad); i++)
        T_EQ(sn_image_mount(w->st, sn_str(id), sn_str(bad[i]), NULL, &w->a, &again), SN_E_INVALID_ARGUMENT);
    T_OK(sn_image_mount(w->st, sn_str(id), SN_STR("ro"), &(struct sn_image_mount_opts){.read_only = true}, &w->a, &again));
    (void)snprintf(path, sizeof(path), "%.*s/etc/new", SN_STR_ARG(again));
    T_EQ(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644), -1);
    T_EQ(errno, EROFS);
    T_OK(sn_image_mounts(w->st, &w->a, &infos, &n));
    T_EQ(n, 2);
    T_STR(infos[0].key, "box");
    T_OK(sn_image_mount_usage(w->st, SN_STR("box"), &w->a, &info));
    T_ASSERT(info.inodes >= 2 && info.bytes > 0);
    /* The image goes, the layers stay with the mounts. */
    T_OK(sn_image_remove(w->st, sn_str(id), true, NULL));
    T_EQ(count_in(w, "snapshots"), 3);
    T_EQ(count_in(w, "blobs/sha256"), 0);
    /* As after a reboot. */
    (void)snprintf(path, sizeof(path), "%.*s", SN_STR_ARG(root));
    T_ASSERT(umount2(path, 0) == 0);
    T_OK(sn_image_remount(w->st, SN_STR("box"), &w->a, &again));
    T_OK(sn_image_remount(w->st, SN_STR("box"), &w->a, &again));
    (void)snprintf(path, sizeof(path), "%.*s/etc/f2", SN_STR_ARG(again));
    T_ASSERT(stat(path, &st) == 0 && st.st_size == 7);
    /* Held by an open file: it goes all the same. */
    int held = open(path, O_RDONLY | O_CLOEXEC);
    T_OK(sn_image_unmount(w->st, SN_STR("box")));
    close(held);
    T_OK(sn_image_unmount(w->st, SN_STR("ro")));
    T_EQ(sn_image_unmount(w->st, SN_STR("ro")), SN_E_NOT_FOUND);
    T_OK(sn_image_gc(w->st, NULL, NULL));
    T_EQ(count_in(w, "snapshots"), 0);
    T_EQ(count_in(w, "mounts"), 0);
    /* The machine itself. */
    T_OK(sn_image_mount(w->st, SN_STR(SN_IMAGE_HOST), SN_STR("host"), &(struct sn_image_mount_opts){.host_bytes_max = 1 << 20}, &w->a, &root));
    (void)snprintf(path, sizeof(path), "%.*s/etc/sennit-was-here", SN_STR_ARG(root));
    T_OK(sn_file_write(path, SN_STR("x"), 0644));
    T_ASSERT(access("/etc/sennit-was-here", F_OK) < 0);
    T_OK(sn_image_unmount(w->st, SN_STR("host")));
    T_EQ(count_in(w, "mounts"), 0);
    return 0;
}
SN_TEST_SLOW(mount_life, 60) { in_world(mount_body); }

static int suspect_body(struct world *w)
{
    char id[72], path[1000];
    struct sn_str root;
    struct sn_image im;
    struct stat st;
    fr_image(&w->fr, "1", w->layers, 3, 0, id);
    T_OK(pull(w, "1", NULL, &im));
    /* As a power cut might leave it: of another boot, and a file of it empty. */
    (void)snprintf(path, sizeof(path), "%s/snapshots/%.*s/unsynced", w->root, (int)im.chain.len - 7, im.chain.ptr + 7);
    T_OK(sn_file_write(path, SN_STR("00000000-0000-0000-0000-000000000000"), 0600));
    (void)snprintf(path, sizeof(path), "%s/snapshots/%.*s/fs/etc/f2", w->root, (int)im.chain.len - 7, im.chain.ptr + 7);
    T_ASSERT(truncate(path, 0) == 0);
    int r = sn_image_mount(w->st, sn_str(id), SN_STR("box"), NULL, &w->a, &root);
    if (r == SN_E_PERMISSION_DENIED || r == SN_E_UNIMPLEMENTED) sn_test_skip("no overlay here: %s", sn_diag_str(r));
    T_OK(r);
    T_ASSERT(stat(path, &st) == 0 && st.st_size == 302000);
    T_OK(sn_image_unmount(w->st, SN_STR("box")));
    return 0;
}
SN_TEST(snapshots_of_another_boot_are_made_again) { in_world(suspect_body); }

/* ---- archives -------------------------------------------------------------------------------------------------------- */

static int archive_body(struct world *w)
{
    char id[72], path[900], second[900];
    struct sn_image *list, im;
    struct sn_str name;
    size_t n;
    fr_image(&w->fr, "1", w->layers, 3, 0, id);
    T_OK(pull(w, "1", NULL, &im));
    name = im.tags[0];
    (void)snprintf(path, sizeof(path), "%s/out.tar", sn_test_tmpdir());
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    T_OK(sn_image_save(w->st, &name, 1, fd));
    close(fd);
    T_EQ(sn_image_save(w->st, &SN_STR("nothing"), 1, 2), SN_E_NOT_FOUND);
    T_OK(sn_image_remove(w->st, sn_str(id), true, NULL));
    T_EQ(count_in(w, "snapshots"), 0);
    T_OK(sn_image_load(w->st, path, SN_STR(""), &w->a, &list, &n));
    T_EQ(n, 1);
    T_STR(list[0].id, id);
    T_ASSERT(list[0].n_tags == 1 && sn_str_eq(list[0].tags[0], name));
    T_EQ(count_in(w, "snapshots"), 3);
    T_EQ(count_in(w, "ingest"), 0);
    /* The store itself is a layout, and another store takes it. */
    struct sn_image_store *st;
    struct sn_image_store_opts so = w->so;
    (void)snprintf(second, sizeof(second), "%s/second", sn_test_tmpdir());
    so.root = second;
    T_OK(sn_image_store_open(&so, &st));
    T_OK(sn_image_load(st, w->root, SN_STR(""), &w->a, &list, &n));
    T_EQ(n, 1);
    T_STR(list[0].id, id);
    sn_image_store_close(st);
    /* What is no archive. */
    T_OK(sn_file_write(path, SN_STR("not an archive at all"), 0644));
    T_EQ(sn_image_load(w->st, path, SN_STR(""), &w->a, &list, &n), SN_E_SYNTAX);
    T_EQ(sn_image_load(w->st, "/nowhere", SN_STR(""), &w->a, &list, &n), SN_E_NOT_FOUND);
    /* A folder that is something else is not made a store. */
    so.root = sn_test_tmpdir();
    T_EQ(sn_image_store_open(&so, &st), SN_E_FAILED_PRECONDITION);
    return 0;
}
SN_TEST_SLOW(archives_save_and_load, 60) { in_world(archive_body); }

/* docker save, as old versions wrote it: layer.tar by a link. */
static int docker_body(struct world *w)
{
    struct sn_buf t = {0}, config = {0};
    char digest[72], path[900];
    struct sn_image *list;
    size_t n;
    tb_digest(sn_buf_view(&w->layers[0]), digest);
    sn_buf_printf(&config, "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"diff_ids\":[\"%s\",\"%s\"]}}", digest, digest);
    tb_raw(&t, &(struct tb){'0', "c.json"}, (char *)config.ptr, config.len);
    tb_raw(&t, &(struct tb){'0', "a/layer.tar"}, (char *)w->layers[0].ptr, w->layers[0].len);
    tb_add(&t, (struct tb){'2', "b/layer.tar", "../a/layer.tar"});
    tb_add(&t, (struct tb){'0', "manifest.json",
                           .data = "[{\"Config\":\"c.json\",\"RepoTags\":[\"mine:1\",\"mine:2\"],\"Layers\":[\"a/layer.tar\",\"b/layer.tar\"]}]"});
    tb_end(&t);
    (void)snprintf(path, sizeof(path), "%s/docker.tar", sn_test_tmpdir());
    T_OK(sn_file_write(path, sn_buf_view(&t), 0644));
    T_OK(sn_image_load(w->st, path, SN_STR(""), &w->a, &list, &n));
    T_EQ(n, 2);
    T_EQ(list[0].n_tags, 2);
    T_STR(list[0].tags[0], "docker.io/library/mine:1");
    T_EQ(count_in(w, "snapshots"), 2);
    sn_buf_done(&t);
    sn_buf_done(&config);
    return 0;
}
SN_TEST(archives_docker_save) { in_world(docker_body); }

/* ---- users -------------------------------------------------------------------------------------------------------------- */

SN_TEST(user_table)
{
    char root[600], path[700], out[700];
    (void)snprintf(root, sizeof(root), "%s/root", sn_test_tmpdir());
    (void)snprintf(path, sizeof(path), "%s/etc", root);
    T_OK(sn_mkdirs(path, 0755));
    (void)snprintf(path, sizeof(path), "%s/etc/passwd", root);
    T_OK(sn_file_write(path, SN_STR("root:x:0:0:root:/root:/bin/sh\nbroken\nweb:x:33:34:w:/srv:/bin/false\n1000:x:7:8::/n:\n"), 0644));
    (void)snprintf(path, sizeof(path), "%s/etc/group", root);
    T_OK(sn_file_write(path, SN_STR("root:x:0:\nwww:x:34:\ndata:x:50:web,other\nlog:x:51:other,web\n"), 0644));
    static const struct {
        const char *user;
        int code;
        uint32_t uid, gid, groups;
    } rows[] = {
        {"", 0, 0, 0, 0}, {"root", 0, 0, 0, 0}, {"web", 0, 33, 34, 2}, {"33", 0, 33, 34, 2}, {"web:data", 0, 33, 50, 1},
        {"web:7", 0, 33, 7, 2}, {"12345", 0, 12345, 0, 0}, {"12:13", 0, 12, 13, 0}, {"1000", 0, 7, 8, 0},
        {"nobody", SN_E_NOT_FOUND, 0, 0, 0}, {"web:none", SN_E_NOT_FOUND, 0, 0, 0}, {"4294967295", SN_E_INVALID_ARGUMENT, 0, 0, 0},
        {"99999999999999999999", SN_E_INVALID_ARGUMENT, 0, 0, 0},
    };
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    for (unsigned i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_image_user u;
        sn_test_row("\"%s\"", rows[i].user);
        int r = sn_image_user(root, sn_str(rows[i].user), &a, &u);
        T_EQ(r, rows[i].code);
        if (r < 0) continue;
        T_EQ(u.uid, rows[i].uid);
        T_EQ(u.gid, rows[i].gid);
        T_EQ(u.n_groups, rows[i].groups);
    }
    /* A link in it does not lead out of it. */
    struct sn_image_user u;
    (void)snprintf(out, sizeof(out), "%s/outside", sn_test_tmpdir());
    T_OK(sn_file_write(out, SN_STR("evil:x:1:1::/:\n"), 0644));
    (void)snprintf(path, sizeof(path), "%s/etc/passwd", root);
    T_OK(sn_file_remove(path));
    T_ASSERT(symlink("../../../../../../../../../../../tmp", path) == 0 && unlink(path) == 0 && symlink(out, path) == 0);
    T_EQ(sn_image_user(root, SN_STR("evil"), &a, &u), SN_E_NOT_FOUND);
    T_ASSERT(unlink(path) == 0 && mkfifo(path, 0600) == 0);
    T_EQ(sn_image_user(root, SN_STR("web"), &a, &u), SN_E_FAILED_PRECONDITION);
    sn_arena_done(&a);
}
