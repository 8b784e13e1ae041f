/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/sync/chunk_store.c - a file per chunk. Nothing is synced: after a crash a restore
 * begins anew, and what is half written then has not the hash it is named by. */
#include "consensus/sync/chunk_store.h"

#include <fcntl.h>
#include <stdio.h>

#include "core/enc.h"
#include "core/map.h"
#include "crypto/hash.h"
#include "fiber/fiber.h"
#include "fiber/os.h"
#include "kit/log.h"

SN_LOG_MODULE("statesync");

#define HASH 32u
#define PATH (SN_CHUNK_DIR_MAX + 80)

static const uint8_t *hash_of(const struct sn_chunk_store *c, uint32_t chunk)
{
    return c->s->manifest ? c->s->manifest + (size_t)chunk * HASH : NULL;
}
static void path_of(const struct sn_chunk_store *c, uint32_t chunk, char out[PATH])
{
    char hex[2 * HASH + 1] = "";
    const uint8_t *hash = hash_of(c, chunk);
    if (hash)
        sn_hex_encode(hash, HASH, hex);
    else
        snprintf(hex, sizeof(hex), "part-%u", chunk);
    snprintf(out, PATH, "%s/%s", c->dir, hex);
}

int sn_chunk_store_open(struct sn_chunk_store *c, const char *dir, uint64_t cache)
{
    char own[SN_CHUNK_DIR_MAX];
    *c = (struct sn_chunk_store){.bytes_max = cache ? cache : SN_CHUNK_CACHE_BYTES,
                                 .temporary = !dir};
    if (!dir) {
        snprintf(own, sizeof(own), "/tmp/sennit-statesync-%016llx",
                 (unsigned long long)sn_random());
        dir = own;
    }
    if (strlen(dir) >= sizeof(c->dir))
        return sn_fail(SN_E_TOO_LARGE, "folder of chunks: a path of %zu bytes", strlen(dir));
    memcpy(c->dir, dir, strlen(dir) + 1);
    return sn_mkdirs(c->dir, 0700);
}

/* Whether a file has a name of ours: nothing else in the folder is touched. */
static bool is_ours(struct sn_str name)
{
    if (sn_str_ends(name, SN_STR(".new"))) name = sn_str_sub(name, 0, name.len - 4);
    if (sn_str_starts(name, SN_STR("part-"))) return true;
    bool hex = name.len == 2 * HASH;
    for (size_t i = 0; hex && i < name.len; i++) hex = sn_hex_digit(name.ptr[i]) >= 0;
    return hex;
}
/* Removes the files that are not in keep (NULL: all); counts the bytes of the others. */
static int sweep(struct sn_chunk_store *c, const struct sn_map *keep)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_str *names;
    size_t n;
    char path[PATH];
    struct stat st;
    sn_arena_init(&a, NULL, 0);
    int r = sn_dir_list(&a, c->dir, &names, &n);
    c->bytes = 0;
    for (size_t i = 0; r >= 0 && i < n; i++) {
        if (!is_ours(names[i])) continue;
        snprintf(path, sizeof(path), "%s/%.*s", c->dir, SN_STR_ARG(names[i]));
        if (!keep || !sn_map_get(keep, names[i]))
            (void)!sn_file_remove(path);
        else if (sn_file_stat(path, &st) >= 0)
            c->bytes += (uint64_t)st.st_size;
    }
    return r;
}
int sn_chunk_store_begin(struct sn_chunk_store *c, const struct sn_snapshot *s)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_map keep;
    int r = 0;
    c->s = s;
    sn_arena_init(&a, NULL, 0);
    sn_map_init(&keep, 1, false);
    for (uint32_t i = 0; s->manifest && i < s->chunks && r >= 0; i++) {
        char *hex = sn_arena_alloc(&a, 2 * HASH);
        if (!hex)
            r = SN_E_NOMEM;
        else
            sn_hex_encode(hash_of(c, i), HASH, hex);
        if (r >= 0) r = sn_map_put(&keep, sn_str_of(hex, 2 * HASH), (void *)1, NULL);
    }
    if (r >= 0) r = sweep(c, &keep);
    sn_map_done(&keep);
    return r < 0 ? sn_wrap(r, "folder of chunks") : 0;
}
void sn_chunk_store_end(struct sn_chunk_store *c)
{
    bool useless = c->s && (!c->s->manifest || c->bytes > c->bytes_max);
    if (c->temporary || useless) (void)!sweep(c, NULL);
    if (c->temporary) (void)!sn_file_remove(c->dir);
    c->s = NULL;
}

bool sn_chunk_store_has(struct sn_chunk_store *c, uint32_t chunk)
{
    char path[PATH];
    struct stat st;
    if (!c->s->manifest) return false;
    path_of(c, chunk, path);
    return sn_file_stat(path, &st) >= 0;
}
int sn_chunk_store_put(struct sn_chunk_store *c, uint32_t chunk, struct sn_str bytes)
{
    char path[PATH], tmp[PATH + 8];
    int fd;
    path_of(c, chunk, path);
    snprintf(tmp, sizeof(tmp), "%s.new", path);
    int r = sn_file_open(tmp, O_WRONLY | O_CREAT | O_TRUNC, 0600, &fd);
    if (r < 0) return sn_wrap(r, "chunk %u", chunk);
    ssize_t n = sn_file_pwrite(fd, bytes.ptr, bytes.len, 0);
    sn_file_close(fd);
    r = n < 0 ? (int)n : sn_file_rename(tmp, path);
    if (r < 0) {
        (void)!sn_file_remove(tmp);
        return sn_wrap(r, "chunk %u", chunk);
    }
    c->bytes += bytes.len;
    return 0;
}
int sn_chunk_store_get(struct sn_chunk_store *c, uint32_t chunk, struct sn_arena *a,
                       struct sn_str *ret)
{
    char path[PATH];
    uint8_t got[HASH];
    const uint8_t *want = hash_of(c, chunk);
    path_of(c, chunk, path);
    int r = sn_file_read(a, path, SN_CHUNK_MSG_MAX, ret);
    if (r >= 0 && want) r = sn_hash_once(SN_SHA256, ret->ptr, ret->len, got);
    if (r >= 0 && want && memcmp(got, want, HASH) != 0) {
        SN_LOG_WARN("a damaged chunk is removed", SN_L("file", (const char *)path));
        (void)!sn_file_remove(path);
        return SN_E_NOT_FOUND;
    }
    return r;
}
void sn_chunk_store_drop(struct sn_chunk_store *c, uint32_t chunk, bool bad)
{
    char path[PATH];
    if (!bad && c->s->manifest && c->bytes <= c->bytes_max) return;
    path_of(c, chunk, path);
    (void)!sn_file_remove(path);
}
