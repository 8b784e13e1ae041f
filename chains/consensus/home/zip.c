/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/home/zip.h"

#include <stdio.h>
#include <zlib.h>

#include "core/status.h"
#include "core/time.h"

#define DEFLATE 8
#define VERSION 20        /* 2.0: deflate, folders */
#define UTF8_NAMES 0x0800 /* general purpose bit 11 */

void sn_zip_init(struct sn_zip *z)
{
    z->n = 0;
    sn_buf_init(&z->out, SN_ZIP_BYTES_MAX);
}
void sn_zip_done(struct sn_zip *z) { sn_buf_done(&z->out); }

static void put16(struct sn_buf *b, unsigned v)
{
    sn_buf_byte(b, (uint8_t)v);
    sn_buf_byte(b, (uint8_t)(v >> 8));
}
static void put32(struct sn_buf *b, uint32_t v)
{
    put16(b, v & 0xffff);
    put16(b, v >> 16);
}

/* What local header and directory have in common. */
static void put_common(struct sn_buf *b, const struct sn_zip_member *m)
{
    put16(b, VERSION);
    put16(b, UTF8_NAMES);
    put16(b, DEFLATE);
    put16(b, m->time);
    put16(b, m->date);
    put32(b, m->crc);
    put32(b, m->packed);
    put32(b, m->size);
    put16(b, (unsigned)strlen(m->name));
    put16(b, 0); /* extra field */
}

static void set_time(struct sn_zip_member *m, int64_t unix_ns)
{
    struct sn_civil c;
    sn_civil_from_unix(unix_ns, &c);
    int64_t year = SN_MAX(1980, SN_MIN(c.year, 2107));
    m->date = (uint16_t)((year - 1980) << 9 | c.month << 5 | c.day);
    m->time = (uint16_t)(c.hour << 11 | c.minute << 5 | c.second / 2);
}

/* Raw deflate, behind what is in the buffer. */
static int pack(struct sn_buf *out, struct sn_str data)
{
    z_stream s = {0};
    if (deflateInit2(&s, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return SN_E_NOMEM;
    size_t max = deflateBound(&s, data.len);
    int r = sn_buf_reserve(out, max);
    if (r >= 0) {
        s.next_in = (Bytef *)data.ptr;
        s.avail_in = (uInt)data.len;
        s.next_out = out->ptr + out->len;
        s.avail_out = (uInt)max;
        r = deflate(&s, Z_FINISH) == Z_STREAM_END ? 0 : SN_E_INTERNAL;
        if (r >= 0) out->len += s.total_out;
    }
    (void)deflateEnd(&s);
    return r;
}

static int check_name(const char *name)
{
    struct sn_str rest = sn_str(name);
    if (!rest.len || rest.len > SN_ZIP_NAME_MAX)
        return sn_fail(SN_E_TOO_LARGE, "a name of %zu bytes, expected 1 to %d", rest.len,
                       SN_ZIP_NAME_MAX);
    bool bad = name[0] == '/';
    while (rest.ptr) bad |= sn_str_eqc(sn_str_cut(&rest, '/'), "..");
    return bad ? sn_fail(SN_E_INVALID_ARGUMENT, "%s: expected a name below the archive", name) : 0;
}

int sn_zip_add(struct sn_zip *z, const char *name, struct sn_str data, int64_t unix_ns)
{
    int r = check_name(name);
    if (r < 0) return r;
    if (z->n == SN_ZIP_MEMBERS_MAX || data.len > SN_ZIP_BYTES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%s: more than %d members or %u bytes", name,
                       SN_ZIP_MEMBERS_MAX, SN_ZIP_BYTES_MAX);
    struct sn_zip_member *m = &z->members[z->n];
    *m = (struct sn_zip_member){.size = (uint32_t)data.len, .offset = (uint32_t)z->out.len};
    snprintf(m->name, sizeof(m->name), "%s", name);
    set_time(m, unix_ns);
    m->crc = (uint32_t)crc32(0, (const Bytef *)(data.len ? data.ptr : ""), (uInt)data.len);
    put32(&z->out, 0x04034b50);
    put_common(&z->out, m);
    sn_buf_cstr(&z->out, m->name);
    size_t at = z->out.len;
    r = z->out.err < 0 ? z->out.err : pack(&z->out, data);
    if (r < 0) return r;
    m->packed = (uint32_t)(z->out.len - at);
    for (unsigned i = 0; i < 4; i++) /* the length is known only now */
        z->out.ptr[m->offset + 18 + i] = (uint8_t)(m->packed >> 8 * i);
    z->n++;
    return 0;
}

int sn_zip_finish(struct sn_zip *z)
{
    uint32_t at = (uint32_t)z->out.len;
    for (unsigned i = 0; i < z->n; i++) {
        const struct sn_zip_member *m = &z->members[i];
        put32(&z->out, 0x02014b50);
        put16(&z->out, 3 << 8 | VERSION); /* made on Unix */
        put_common(&z->out, m);
        put16(&z->out, 0); /* comment */
        put16(&z->out, 0); /* disk */
        put16(&z->out, 0); /* internal attributes */
        put32(&z->out, 0100600u << 16);
        put32(&z->out, m->offset);
        sn_buf_cstr(&z->out, m->name);
    }
    uint32_t size = (uint32_t)z->out.len - at;
    put32(&z->out, 0x06054b50);
    put32(&z->out, 0); /* disks */
    put16(&z->out, z->n);
    put16(&z->out, z->n);
    put32(&z->out, size);
    put32(&z->out, at);
    put16(&z->out, 0); /* comment */
    return z->out.err;
}
