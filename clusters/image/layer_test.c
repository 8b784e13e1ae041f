/* SPDX-License-Identifier: Apache-2.0 */
#include "image/layer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "core/alloc.h"
#include "core/status.h"
#include "core/torture.h"
#include "tests/harness/test.h"
#include "image/build_test.h"

static void need_root(void)
{
    if (geteuid() != 0) sn_test_skip("owners and devices need root");
}

struct world {
    char dir[512];
    int fd;
};

static struct world world(const char *name)
{
    struct world w;
    (void)snprintf(w.dir, sizeof(w.dir), "%s/%s", sn_test_tmpdir(), name);
    T_ASSERT(mkdir(w.dir, 0755) == 0);
    w.fd = open(w.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    T_ASSERT(w.fd >= 0);
    return w;
}

/* Unpacks in pieces of `piece` bytes. */
static int unpack_at(int fd, struct sn_str bytes, size_t piece, const struct sn_image_limits *lim,
                     int below, struct sn_layer_result *ret)
{
    struct sn_layer *l;
    T_OK(sn_layer_new(fd, SN_STR(""), lim, &l));
    int r = 0;
    while (bytes.len && r == 0) {
        r = sn_layer_put(l, sn_str_sub(bytes, 0, piece));
        bytes = sn_str_from(bytes, piece);
    }
    if (r == 0) r = sn_layer_finish(l, ret);
    if (r == 0) r = sn_layer_join(l, below);
    sn_layer_free(l);
    return r;
}

static int unpack(struct world *w, struct sn_buf *tar)
{
    struct sn_layer_result res;
    tb_end(tar);
    int r = unpack_at(w->fd, sn_buf_view(tar), 1000, NULL, -1, &res);
    sn_buf_done(tar);
    return r;
}

static const char *text_at(struct world *w, const char *path)
{
    static char text[4096];
    int fd = openat(w->fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return NULL;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[n < 0 ? 0 : n] = 0;
    return text;
}

static struct stat at(struct world *w, const char *path)
{
    struct stat st;
    T_ASSERTF(fstatat(w->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0, "%s is not there", path);
    return st;
}

SN_TEST(layer_everything_a_layer_has)
{
    need_root();
    struct world w = world("a");
    struct sn_buf t = {0};
    char longname[300], path[400];
    memset(longname, 'n', 200);
    longname[200] = 0;
    (void)snprintf(path, sizeof(path), "d/%s", longname);
    tb_add(&t, (struct tb){'5', "./", .mode = 0711, .uid = 3, .mtime = 5});
    tb_add(&t, (struct tb){'5', "d/", .mode = 02750, .uid = 1, .gid = 2, .mtime = 1111});
    tb_add(&t, (struct tb){'0', "d/f", .data = "hello", .mode = 04755, .uid = 7, .gid = 8,
                           .mtime = 2222});
    tb_add(&t, (struct tb){'1', "d/hard", "d/f"});
    tb_add(&t, (struct tb){'2', "d/soft", "../nowhere", .uid = 9});
    tb_add(&t, (struct tb){'3', "d/null", .mode = 0666, .major = 1, .minor = 3});
    tb_add(&t, (struct tb){'6', "d/pipe", .mode = 0600});
    tb_pax(&t, "path", path, strlen(path));
    tb_pax(&t, "mtime", "1234.5", 6);
    tb_add(&t, (struct tb){'0', "short", .data = "long"});
    tb_raw(&t, &(struct tb){'L', "././@LongLink"}, path, strlen(path) + 1);
    tb_add(&t, (struct tb){'2', "cut", "x"}); /* in place of the file before */
    tb_pax(&t, "SCHILY.xattr.user.note", "a\0b", 3);
    tb_pax(&t, "SCHILY.xattr.trusted.overlay.opaque", "y", 1);
    tb_add(&t, (struct tb){'0', "x", .data = ""});
    tb_add(&t, (struct tb){'0', "implied/deep/er", .data = "1"});
    T_OK(unpack(&w, &t));
    struct stat root = at(&w, "."), d = at(&w, "d"), f = at(&w, "d/f"), n = at(&w, "d/null");
    T_EQ(root.st_mode & 07777, 0711);
    T_EQ(root.st_uid, 3);
    T_EQ(root.st_mtim.tv_sec, 5);
    T_EQ(d.st_mode & 07777, 02750);
    T_EQ(d.st_gid, 2);
    T_EQ(d.st_mtim.tv_sec, 1111); /* although files came into it later */
    T_EQ(f.st_mode & 07777, 04755);
    T_EQ(f.st_uid, 7);
    T_EQ(f.st_mtim.tv_sec, 2222);
    T_EQ(f.st_nlink, 2);
    T_EQ(at(&w, "d/hard").st_ino, f.st_ino);
    T_EQ(at(&w, "d/soft").st_uid, 9);
    T_ASSERT(S_ISCHR(n.st_mode) && n.st_rdev == makedev(1, 3));
    T_ASSERT(S_ISFIFO(at(&w, "d/pipe").st_mode));
    T_ASSERT(S_ISLNK(at(&w, path).st_mode));
    T_CSTR(text_at(&w, "d/f"), "hello");
    T_CSTR(text_at(&w, "implied/deep/er"), "1");
    char attr[16], file[600];
    (void)snprintf(file, sizeof(file), "%s/x", w.dir);
    T_EQ(getxattr(file, "user.note", attr, sizeof(attr)), 3);
    T_EQ(getxattr(file, "trusted.overlay.opaque", attr, sizeof(attr)), -1);
    close(w.fd);
}

SN_TEST(layer_whiteouts)
{
    need_root();
    struct world w = world("a");
    struct sn_buf t = {0};
    char v[4], p[600];
    tb_add(&t, (struct tb){'5', "d"});
    tb_add(&t, (struct tb){'0', "d/.wh.gone", .data = ""});
    tb_add(&t, (struct tb){'5', "o"});
    tb_add(&t, (struct tb){'0', "o/kept", .data = "k"});
    tb_add(&t, (struct tb){'0', "o/.wh..wh..opq", .data = ""});
    tb_add(&t, (struct tb){'0', ".wh..wh.aufs", .data = "ignored"});
    tb_add(&t, (struct tb){'0', ".wh.again", .data = ""});
    tb_add(&t, (struct tb){'5', "again"}); /* hidden and made anew: nothing of below */
    tb_add(&t, (struct tb){'0', ".wh.passed", .data = ""});
    tb_add(&t, (struct tb){'0', "passed/through", .data = "t"});
    tb_add(&t, (struct tb){'5', "stays"});
    tb_add(&t, (struct tb){'0', ".wh.stays", .data = ""});
    T_OK(unpack(&w, &t));
    struct stat g = at(&w, "d/gone");
    T_ASSERT(S_ISCHR(g.st_mode) && g.st_rdev == 0);
    T_CSTR(text_at(&w, "o/kept"), "k");
    const char *const opaque[] = {"o", "again", "passed", "stays"};
    for (unsigned i = 0; i < SN_COUNT_OF(opaque); i++) {
        sn_test_row("%s", opaque[i]);
        (void)snprintf(p, sizeof(p), "%s/%s", w.dir, opaque[i]);
        T_EQ(getxattr(p, "trusted.overlay.opaque", v, sizeof(v)), 1);
    }
    T_ASSERT(faccessat(w.fd, ".wh..wh.aufs", F_OK, 0) < 0);
    close(w.fd);
}

/* ---- what must not get out
 * -------------------------------------------------------------------------- */

static const struct {
    const char *what;
    int code; /* 0: harmless and taken */
    struct tb e[4];
    const char *diag;
} tricks[] = {
    {"parent", SN_E_SYNTAX, {{'0', "../victim", .data = "x"}}, "leads out of the layer"},
    {"parent in the middle", SN_E_SYNTAX, {{'0', "a/../../victim", .data = "x"}}, "leads out"},
    {"absolute", 0, {{'0', "/victim", .data = "x"}}, NULL},
    {"absolute parent", SN_E_SYNTAX, {{'0', "/../victim", .data = "x"}}, "leads out"},
    {"through a link up", 0, {{'2', "up", ".."}, {'0', "up/victim", .data = "x"}}, NULL},
    {"through an absolute link",
     0,
     {{'2', "etc", "/tmp"}, {'0', "etc/victim", .data = "x"}},
     NULL},
    {"through many links",
     0,
     {{'2', "a", "../../../../../.."}, {'2', "b", "a/a/.."}, {'0', "b/victim", .data = "x"}},
     NULL},
    {"overwriting through a link",
     0,
     {{'2', "victim", "../victim"}, {'0', "victim", .data = "x"}},
     NULL},
    {"hard link up", SN_E_SYNTAX, {{'1', "h", "../victim"}}, "leads out"},
    {"hard link through a link",
     SN_E_SYNTAX,
     {{'2', "up", ".."}, {'1', "h", "up/victim"}},
     "nowhere"},
    {"hard link to a link, then written",
     0,
     {{'2', "l", "../victim"}, {'1', "h", "l"}, {'0', "h", .data = "x"}},
     NULL},
    {"link loop",
     SN_E_SYNTAX,
     {{'2', "a", "b"}, {'2', "b", "a"}, {'0', "a/x", .data = "x"}},
     "symbolic links"},
    {"whiteout of parent", SN_E_SYNTAX, {{'0', "d/.wh...", .data = ""}}, "whiteout"},
    {"whiteout of itself", SN_E_SYNTAX, {{'0', "d/.wh..", .data = ""}}, "whiteout"},
    {"whiteout of nothing", SN_E_SYNTAX, {{'0', "d/.wh.", .data = ""}}, "whiteout"},
    {"whiteout through a link",
     0,
     {{'2', "up", "/.."}, {'0', "up/.wh.victim", .data = ""}},
     NULL},
    {"below a file",
     SN_E_SYNTAX,
     {{'0', "f", .data = "x"}, {'0', "f/g", .data = "x"}},
     "no folder"},
    {"root as a file", SN_E_SYNTAX, {{'0', "./", .data = "x"}}, "root is no folder"},
    {"root as a link", SN_E_SYNTAX, {{'2', ".", "/"}}, "root is no folder"},
    {"hard link to a folder", SN_E_SYNTAX, {{'5', "d"}, {'1', "h", "d"}}, "folder"},
    {"link to nothing", SN_E_SYNTAX, {{'2', "l", ""}}, "nothing"},
    {"sparse", SN_E_UNIMPLEMENTED, {{'S', "s", .data = "x"}}, "sparse"},
    {"volume", SN_E_UNIMPLEMENTED, {{'M', "s", .data = "x"}}, "type 'M'"},
    {"folder over link over folder",
     0,
     {{'5', "d"}, {'2', "d", ".."}, {'5', "d"}, {'0', "d/victim", .data = "x"}},
     NULL},
};

SN_TEST(layer_nothing_leads_out)
{
    need_root();
    for (unsigned i = 0; i < SN_COUNT_OF(tricks); i++) {
        char name[32], victim[600];
        sn_test_row("%s", tricks[i].what);
        (void)snprintf(name, sizeof(name), "box%u", i);
        struct world box = world(name), outer = box;
        T_ASSERT(mkdirat(box.fd, "root", 0755) == 0);
        (void)snprintf(victim, sizeof(victim), "%s/victim", box.dir);
        int v = open(victim, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        T_EQ(write(v, "safe", 4), 4);
        close(v);
        box.fd = openat(outer.fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct sn_buf t = {0};
        for (unsigned k = 0; k < 4 && tricks[i].e[k].name; k++) tb_add(&t, tricks[i].e[k]);
        int r = unpack(&box, &t);
        T_EQ(r, tricks[i].code);
        if (tricks[i].diag)
            T_ASSERTF(strstr(sn_diag_str(r), tricks[i].diag), "got: %s", sn_diag_str(r));
        struct stat st = at(&outer, "victim");
        T_CSTR(text_at(&outer, "victim"), "safe");
        T_EQ(st.st_nlink, 1);
        /* Nothing new beside the two. */
        unsigned n = 0;
        DIR *d = fdopendir(dup(outer.fd));
        while (readdir(d)) n++;
        closedir(d);
        T_EQ(n, 4);
        close(box.fd);
        close(outer.fd);
    }
}

/* ---- limits
 * ------------------------------------------------------------------------------------------- */

static int limited(const char *name, struct sn_str bytes, struct sn_image_limits lim)
{
    struct sn_layer_result res;
    struct world w = world(name);
    int r = unpack_at(w.fd, bytes, 65536, &lim, -1, &res);
    close(w.fd);
    return r;
}

static struct sn_buf gz(struct sn_str in)
{
    struct sn_buf b = {0};
    z_stream z = {0};
    T_EQ(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, 0), Z_OK);
    T_OK(sn_buf_reserve(&b, deflateBound(&z, in.len)));
    z.next_in = (Bytef *)in.ptr;
    z.avail_in = (uInt)in.len;
    z.next_out = b.ptr;
    z.avail_out = (uInt)b.cap;
    T_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
    b.len = z.total_out;
    deflateEnd(&z);
    return b;
}
static struct sn_buf zst(struct sn_str in)
{
    struct sn_buf b = {0};
    T_OK(sn_buf_reserve(&b, ZSTD_compressBound(in.len)));
    b.len = ZSTD_compress(b.ptr, b.cap, in.ptr, in.len, 3);
    T_ASSERT(!ZSTD_isError(b.len));
    return b;
}

SN_TEST(layer_limits_are_named)
{
    need_root();
    struct sn_buf t = {0}, deep = {0}, bomb = {0}, z;
    for (unsigned i = 0; i < 20; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "f%u", i);
        tb_add(&t, (struct tb){'0', name, .data = "0123456789"});
    }
    tb_end(&t);
    T_EQ(limited("n", sn_buf_view(&t), (struct sn_image_limits){.layer_entries_max = 19}),
         SN_E_TOO_LARGE);
    T_ASSERT(strstr(sn_diag_str(SN_E_TOO_LARGE), "layer_entries_max"));
    T_EQ(limited("b", sn_buf_view(&t), (struct sn_image_limits){.layer_bytes_max = 199}),
         SN_E_TOO_LARGE);
    T_ASSERT(strstr(sn_diag_str(SN_E_TOO_LARGE), "layer_bytes_max"));
    T_EQ(limited("ok", sn_buf_view(&t),
                 (struct sn_image_limits){.layer_bytes_max = 200, .layer_entries_max = 20}),
         0);
    tb_add(&deep, (struct tb){'0', "a/b/c/d/e", .data = "x"});
    tb_end(&deep);
    T_EQ(limited("d", sn_buf_view(&deep), (struct sn_image_limits){.path_depth_max = 4}),
         SN_E_TOO_LARGE);
    T_ASSERT(strstr(sn_diag_str(SN_E_TOO_LARGE), "path_depth_max"));
    /* 80 MiB of zeros: gzip makes 80 KiB of them, a tenth as much is allowed. */
    T_OK(sn_buf_reserve(&bomb, 80u << 20));
    memset(bomb.ptr, 0, 80u << 20);
    bomb.len = 80u << 20;
    z = gz(sn_buf_view(&bomb));
    T_EQ(limited("r", sn_buf_view(&z), (struct sn_image_limits){.ratio_max = 500}), SN_E_TOO_LARGE);
    T_ASSERT(strstr(sn_diag_str(SN_E_TOO_LARGE), "ratio_max"));
    sn_buf_done(&z);
    z = zst(sn_buf_view(&bomb));
    T_EQ(limited("s", sn_buf_view(&z), (struct sn_image_limits){0}), SN_E_TOO_LARGE);
    sn_buf_done(&z);
    sn_buf_done(&t);
    sn_buf_done(&deep);
    sn_buf_done(&bomb);
}

SN_TEST(layer_compressions_and_every_cut)
{
    need_root();
    struct sn_buf t = {0}, two = {0};
    tb_add(&t, (struct tb){'5', "d"});
    tb_add(&t, (struct tb){'0', "d/f", .data = "some text"});
    tb_end(&t);
    struct sn_buf g = gz(sn_buf_view(&t)), z = zst(sn_buf_view(&t));
    /* Two gzip members are one stream. */
    struct sn_buf g1 = gz(sn_str_sub(sn_buf_view(&t), 0, 700)),
                  g2 = gz(sn_str_from(sn_buf_view(&t), 700));
    sn_buf_str(&two, sn_buf_view(&g1));
    sn_buf_str(&two, sn_buf_view(&g2));
    char want[72];
    tb_digest(sn_buf_view(&t), want);
    const struct sn_str forms[] = {sn_buf_view(&t), sn_buf_view(&g), sn_buf_view(&z),
                                   sn_buf_view(&two)};
    unsigned n = 0;
    for (unsigned i = 0; i < SN_COUNT_OF(forms); i++)
        for (size_t piece = 1; piece < 600; piece = piece < 8 ? piece + 1 : piece * 3) {
            char name[32];
            struct sn_layer_result res;
            sn_test_row("form %u, pieces of %zu", i, piece);
            (void)snprintf(name, sizeof(name), "w%u", n++);
            struct world w = world(name);
            T_OK(unpack_at(w.fd, forms[i], piece, NULL, -1, &res));
            T_CSTR(res.diff_id, want);
            T_CSTR(text_at(&w, "d/f"), "some text");
            close(w.fd);
            /* Cut short: an error, never a smaller layer. (Plain archives may end without their
             * zeros.) */
            if (i == 0) continue;
            (void)snprintf(name, sizeof(name), "c%u", n++);
            w = world(name);
            T_EQ(unpack_at(w.fd, sn_str_sub(forms[i], 0, forms[i].len - 3), piece, NULL, -1, &res),
                 SN_E_SYNTAX);
            close(w.fd);
        }
    sn_buf_done(&t);
    sn_buf_done(&g);
    sn_buf_done(&z);
    sn_buf_done(&g1);
    sn_buf_done(&g2);
    sn_buf_done(&two);
}

/* ---- what a layer needs of those below
 * --------------------------------------------------------------------- */

SN_TEST(layer_join_takes_attributes_links_and_ways_from_below)
{
    need_root();
    struct world low = world("low"), up = world("up");
    struct sn_buf t = {0};
    struct sn_layer_result res;
    char v[8], p[600];
    tb_add(&t, (struct tb){'5', "./", .mode = 0711});
    tb_add(&t, (struct tb){'5', "tmp", .mode = 01777, .uid = 4, .mtime = 99});
    tb_add(&t, (struct tb){'5', "usr"});
    tb_add(&t, (struct tb){'5', "usr/bin", .mode = 0555});
    tb_add(&t, (struct tb){'0', "usr/bin/tool", .data = "tool", .mode = 04755, .uid = 5});
    tb_add(&t, (struct tb){'2', "bin", "usr/bin"});
    tb_add(&t, (struct tb){'2', "away", "/gone"});
    T_OK(unpack(&low, &t));
    t = (struct sn_buf){0};
    tb_add(&t, (struct tb){'0', "tmp/x", .data = "x"});     /* passes through tmp */
    tb_add(&t, (struct tb){'0', "bin/new", .data = "new"}); /* through a link of below */
    tb_add(&t, (struct tb){'5', "bin/sub", .mode = 0700, .mtime = 77});
    tb_add(&t, (struct tb){'1', "alias", "bin/tool"});   /* to a file of below */
    tb_add(&t, (struct tb){'0', "away/y", .data = "y"}); /* through a link to nowhere */
    tb_add(&t, (struct tb){'0', "plain/z", .data = "z"});
    tb_end(&t);
    T_OK(unpack_at(up.fd, sn_buf_view(&t), 4096, NULL, low.fd, &res));
    sn_buf_done(&t);
    T_EQ(at(&up, ".").st_mode & 07777, 0711);
    T_EQ(at(&up, "tmp").st_mode & 07777, 01777);
    T_EQ(at(&up, "tmp").st_uid, 4);
    T_ASSERT(faccessat(up.fd, "bin", F_OK, AT_SYMLINK_NOFOLLOW) < 0);
    T_CSTR(text_at(&up, "usr/bin/new"), "new");
    T_EQ(at(&up, "usr/bin").st_mode & 07777, 0555);
    T_EQ(at(&up, "usr/bin/sub").st_mode & 07777, 0700);
    T_EQ(at(&up, "usr/bin/sub").st_mtim.tv_sec, 77);
    T_EQ(at(&up, "alias").st_ino, at(&up, "usr/bin/tool").st_ino);
    T_EQ(at(&up, "alias").st_mode & 07777, 04755);
    T_CSTR(text_at(&up, "alias"), "tool");
    T_CSTR(text_at(&up, "away/y"), "y");
    (void)snprintf(p, sizeof(p), "%s/tmp", up.dir);
    T_EQ(getxattr(p, "trusted.overlay.opaque", v, sizeof(v)), -1);
    /* A hard link to what is nowhere. */
    struct world bad = world("bad");
    tb_add(&t, (struct tb){'1', "alias", "bin/none"});
    tb_end(&t);
    T_EQ(unpack_at(bad.fd, sn_buf_view(&t), 4096, NULL, low.fd, &res), SN_E_SYNTAX);
    T_ASSERT(strstr(sn_diag_str(SN_E_SYNTAX), "nowhere"));
    sn_buf_done(&t);
    close(bad.fd);
    close(low.fd);
    close(up.fd);
}

SN_TEST(layer_remove_tree_of_any_depth)
{
    struct world w = world("a");
    int fd = dup(w.fd);
    for (unsigned i = 0; i < 3000; i++) { /* far beyond PATH_MAX */
        T_ASSERT(mkdirat(fd, "deep", 0755) == 0);
        if (i % 100 == 0) close(openat(fd, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0));
        int next = openat(fd, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close(fd);
        fd = next;
    }
    close(fd);
    T_ASSERT(symlinkat("/", w.fd, "link") == 0);
    T_OK(sn_layer_remove_tree(w.fd, "link"));
    T_OK(sn_layer_remove_tree(w.fd, "deep"));
    T_OK(sn_layer_remove_tree(w.fd, "nothing"));
    T_ASSERT(faccessat(w.fd, "deep", F_OK, 0) < 0);
    close(w.fd);
}

/* ---- failing allocations
 * ------------------------------------------------------------------------------------ */

struct torture {
    struct world w;
    struct sn_buf t;
};

static int torture_layer(void *arg)
{
    struct sn_layer_result res;
    struct sn_layer *l;
    struct world *w = &((struct torture *)arg)->w;
    const struct sn_buf *t = &((struct torture *)arg)->t;
    (void)sn_layer_remove_tree(w->fd, "d");
    (void)sn_layer_remove_tree(w->fd, "l");
    (void)sn_layer_remove_tree(w->fd, "tmp");
    int r = sn_layer_new(w->fd, SN_STR(""), NULL, &l);
    if (r < 0) return r;
    r = sn_layer_put(l, sn_buf_view(t));
    if (r == 0) r = sn_layer_finish(l, &res);
    if (r == 0) r = sn_layer_join(l, -1);
    sn_layer_free(l);
    return r;
}

SN_TEST(torture_layers)
{
    need_root();
    struct torture k = {.w = world("a")};
    tb_add(&k.t, (struct tb){'5', "d"});
    tb_add(&k.t, (struct tb){'2', "l", "d"});
    tb_add(&k.t, (struct tb){'0', "l/f", .data = "x"}); /* by the slow way */
    tb_add(&k.t, (struct tb){'1', "d/h", "d/f"});
    tb_add(&k.t, (struct tb){'0', "tmp/.wh.x", .data = ""});
    tb_end(&k.t);
    struct sn_buf z = zst(sn_buf_view(&k.t));
    sn_buf_done(&k.t);
    k.t = z;
    int n = sn_torture(torture_layer, &k);
    T_ASSERTF(n > 5, "%d %s", n, n < 0 ? sn_diag_str(n) : "");
    sn_buf_done(&k.t);
    close(k.w.fd);
}
