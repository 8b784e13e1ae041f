/* SPDX-License-Identifier: Apache-2.0 */
/* registry/cache.c - the last known good on disk: one file per service or key, replaced atomically,
 * its first line a checksum of the rest. */
#include "core/crc32c.h"
#include "core/enc.h"
#include "fiber/os.h"
#include "registry/reg_int.h"

#define HEAD "sennit-registry-cache 1 "
#define HEAD_BYTES (sizeof(HEAD) - 1 + 8 + 1)

/* DIR/SCHEME-KIND-NAME; a name that is too long for a file becomes its hash. */
static int path_of(struct sn_registry *r, const char *kind, struct sn_str name, struct sn_buf *out)
{
    sn_buf_printf(out, "%s/%s-%s-", r->o.cache_dir, r->be->scheme, kind);
    if (name.len > 80)
        sn_buf_printf(out, "%016llx", (unsigned long long)sn_hash(name.ptr, name.len, 1));
    else
        sn_buf_pct(out, name, SN_PCT_UNRESERVED);
    (void)sn_buf_cz(out);
    return out->err;
}

int reg_cache_write(struct sn_registry *r, const char *kind, struct sn_str name, struct sn_str text)
{
    if (!r->o.cache_dir) return 0;
    struct sn_buf path, data;
    sn_buf_init(&path, SN_FILE_PATH_MAX);
    sn_buf_init(&data, 0);
    int ret = path_of(r, kind, name, &path);
    sn_buf_printf(&data, HEAD "%08x\n", sn_crc32c(0, text.ptr, text.len));
    sn_buf_str(&data, text);
    if (ret >= 0) ret = data.err;
    if (ret >= 0) ret = sn_mkdirs(r->o.cache_dir, 0700);
    if (ret >= 0) ret = sn_file_write((char *)path.ptr, sn_buf_view(&data), 0600);
    sn_buf_done(&path);
    sn_buf_done(&data);
    return ret;
}

int reg_cache_read(struct sn_registry *r, const char *kind, struct sn_str name, struct sn_arena *a,
                   struct sn_str *ret)
{
    if (!r->o.cache_dir) return SN_E_NOT_FOUND;
    struct sn_buf path;
    sn_buf_init(&path, SN_FILE_PATH_MAX);
    int e = path_of(r, kind, name, &path);
    struct sn_str all;
    if (e >= 0) e = sn_file_read(a, (char *)path.ptr, 64u << 20, &all);
    uint8_t crc[4];
    if (e >= 0) {
        struct sn_str text = sn_str_from(all, HEAD_BYTES);
        if (all.len < HEAD_BYTES || !sn_str_starts(all, SN_STR(HEAD)) ||
            sn_hex_decode(sn_str_sub(all, sizeof(HEAD) - 1, HEAD_BYTES - 1), crc) != 4 ||
            ((uint32_t)crc[0] << 24 | (uint32_t)crc[1] << 16 | (uint32_t)crc[2] << 8 | crc[3]) !=
                sn_crc32c(0, text.ptr, text.len))
            e = sn_fail(SN_E_DATA_LOSS, "%s: not what was written there", (char *)path.ptr);
        else
            *ret = text;
    }
    sn_buf_done(&path);
    return e;
}
