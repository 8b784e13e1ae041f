/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/zk_cache.c - compiled witness programs of sources, see zk_cmd.h.
 *
 * KEY is the digest of what decides beside the sources: this program, the folder it runs in, the
 * flags. KEY.deps lists the sources with their digests, and the paths where an include was looked for
 * in vain; the program is in KEY-<digest of that list>.snw, so the two always belong together. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/enc.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "sennit/zk_cmd.h"

#define PROGRAMS_MAX 64u /* circuits kept; more push out the oldest */

static int hex_digest(struct sn_str text, char out[65])
{
    uint8_t d[32];
    int r = sn_hash_once(SN_SHA256, text.ptr ? text.ptr : "", text.len, d);
    if (r < 0) return r;
    sn_hex_encode(d, 32, out);
    out[64] = 0;
    return 0;
}

static bool make_dir(struct zk_cache *c)
{
    const char *own = getenv("SENNIT_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    const char *base = own ? own : xdg ? xdg : home;
    const char *rest = own ? "" : xdg ? "/sennit" : "/.cache/sennit";
    if (!base || !*base) return false;
    int n = snprintf(c->dir, sizeof(c->dir), "%s%s/zk-programs", base, rest);
    if (n < 0 || n >= (int)sizeof(c->dir)) return false;
    for (char *p = c->dir + 1; *p; p++) {
        if (*p != '/') continue;
        *p = 0;
        int r = mkdir(c->dir, 0700);
        *p = '/';
        if (r < 0 && errno != EEXIST) return false;
    }
    return mkdir(c->dir, 0700) == 0 || errno == EEXIST;
}

void zk_cache_open(struct zk_cache *c, const struct sn_buf *flags)
{
    struct stat st;
    char cwd[FILES_PATH_MAX];
    struct sn_buf all;
    *c = (struct zk_cache){0};
    sn_buf_init(&c->deps, 1 << 20);
    if (!make_dir(c) || stat("/proc/self/exe", &st) < 0 || !getcwd(cwd, sizeof(cwd))) return;
    sn_buf_init(&all, 1 << 16);
    (void)sn_buf_printf(&all, "1 %s %lld %lld.%09ld %s ", SN_VERSION, (long long)st.st_size,
                        (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, cwd);
    (void)sn_buf_put(&all, flags->ptr, flags->len);
    c->on = all.err == 0 && flags->err == 0 && hex_digest(sn_buf_view(&all), c->key) == 0;
    sn_buf_done(&all);
}

void zk_cache_saw(struct zk_cache *c, const char *path, const struct sn_str *text)
{
    char hex[65] = "-";
    if (!c->on) return;
    if (strchr(path, '\n') || (text && hex_digest(*text, hex) < 0)) c->on = false;
    if (sn_buf_printf(&c->deps, "%s %s\n", hex, path) < 0) c->on = false;
}

/* Whether every line of the list is still so. */
static bool still_true(struct sn_str deps)
{
    while (deps.len) {
        struct sn_str path = sn_str_cut(&deps, '\n'), want = sn_str_cut(&path, ' '), file;
        char hex[65];
        bool missing = sn_str_eqc(want, "-");
        int r = files_map(path, &file);
        if (r < 0 && !(missing && r == SN_E_NOT_FOUND)) return false;
        if (r < 0) continue;
        r = missing ? -1 : hex_digest(file, hex);
        files_unmap(&file);
        if (r < 0 || !sn_str_eqc(want, hex)) return false;
    }
    return true;
}

static int path_of(const struct zk_cache *c, struct sn_str deps, char out[FILES_PATH_MAX])
{
    char hex[65];
    int r = hex_digest(deps, hex);
    if (r < 0) return r;
    int n = snprintf(out, FILES_PATH_MAX, "%s/%s-%s.snw", c->dir, c->key, hex);
    return n > 0 && n < (int)FILES_PATH_MAX ? 0 : SN_E_TOO_LARGE;
}
static struct sn_str deps_path(const struct zk_cache *c, char out[FILES_PATH_MAX])
{
    (void)snprintf(out, FILES_PATH_MAX, "%.900s/%s.deps", c->dir, c->key);
    return sn_str(out);
}

bool zk_cache_find(const struct zk_cache *c, struct sn_str *ret)
{
    char name[FILES_PATH_MAX];
    struct sn_str deps;
    if (!c->on || files_map(deps_path(c, name), &deps) < 0) return false;
    bool found = deps.len && still_true(deps) && path_of(c, deps, name) == 0 &&
                 files_map(sn_str(name), ret) == 0;
    files_unmap(&deps);
    return found;
}

/* Removes the oldest lists and their programs beyond the limit. */
static SN_NOINLINE void trim(const struct zk_cache *c)
{
    for (;;) {
        DIR *d = opendir(c->dir);
        struct dirent *e;
        char oldest[FILES_PATH_MAX] = "", name[FILES_PATH_MAX];
        int64_t oldest_s = INT64_MAX;
        unsigned n = 0;
        while (d && (e = readdir(d)) != NULL) {
            struct stat st;
            if (!sn_str_ends(sn_str(e->d_name), SN_STR(".snw"))) continue;
            (void)snprintf(name, sizeof(name), "%.700s/%.300s", c->dir, e->d_name);
            if (stat(name, &st) < 0) continue;
            n++;
            if (st.st_mtim.tv_sec >= oldest_s) continue;
            oldest_s = st.st_mtim.tv_sec;
            memcpy(oldest, name, sizeof(oldest));
        }
        if (d) (void)closedir(d);
        if (n <= PROGRAMS_MAX || unlink(oldest) < 0) return;
        char *end = strrchr(oldest, '-'); /* KEY-<digest>.snw and KEY.deps */
        if (end) memcpy(end, ".deps", sizeof(".deps"));
        (void)unlink(oldest);
    }
}

static SN_NOINLINE int write_file(struct sn_str path, struct sn_str bytes)
{
    struct files_out out;
    int r = files_open(&out, path);
    return r < 0 ? r : files_commit(&out, files_write(&out, bytes.ptr, bytes.len));
}

void zk_cache_put(struct zk_cache *c, struct sn_str program)
{
    char name[FILES_PATH_MAX], old[FILES_PATH_MAX] = "";
    struct sn_str deps;
    if (!c->on || path_of(c, sn_buf_view(&c->deps), name) < 0) return;
    if (files_map(deps_path(c, old), &deps) == 0) {
        int r = path_of(c, deps, old);
        files_unmap(&deps);
        if (r == 0 && strcmp(old, name) != 0) (void)unlink(old);
    }
    /* What cannot be kept is compiled again the next time. */
    if (write_file(sn_str(name), program) == 0)
        (void)!write_file(deps_path(c, old), sn_buf_view(&c->deps));
    trim(c);
}

void zk_cache_close(struct zk_cache *c) { sn_buf_done(&c->deps); }
