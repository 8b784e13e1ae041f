/* SPDX-License-Identifier: Apache-2.0 */
/* image/tar.c - reading tar archives as a stream, see tar.h. */
#include "image/tar.h"

#include "core/status.h"

enum { HEADER, META, META_PAD, DATA, PAD, OVER };

/* Where the fields of a header block lie: offset and length. */
#define F_NAME 0, 100
#define F_MODE 100, 8
#define F_UID 108, 8
#define F_GID 116, 8
#define F_SIZE 124, 12
#define F_MTIME 136, 12
#define F_CHECKSUM 148, 8
#define AT_TYPE 156
#define F_LINK 157, 100
#define AT_MAGIC 257
#define F_MAJOR 329, 8
#define F_MINOR 337, 8
#define F_PREFIX 345, 155

#define NO_PAX                                                 \
    {                                                          \
        .mtime_ns = SN_TAR_NO_TIME, .atime_ns = SN_TAR_NO_TIME \
    }
#define XATTR_PREFIX SN_STR("SCHILY.xattr.")

void sn_tar_init(struct sn_tar *t, const struct sn_tar_events *events, void *ctx)
{
    *t = (struct sn_tar){.events = events, .ctx = ctx, .pax = NO_PAX};
    sn_arena_init(&t->arena, NULL, 8u * SN_TAR_META_BYTES_MAX);
    sn_buf_init(&t->meta, SN_TAR_META_BYTES_MAX);
}

void sn_tar_done(struct sn_tar *t)
{
    sn_arena_done(&t->arena);
    sn_buf_done(&t->meta);
}

static int bad(struct sn_tar *t, const char *what)
{
    return sn_fail(SN_E_SYNTAX, "tar: byte %llu: %s", (unsigned long long)t->offset, what);
}

static struct sn_str text_field(const struct sn_tar *t, unsigned at, unsigned len)
{
    const char *p = (const char *)t->block + at;
    return sn_str_of(p, strnlen(p, len));
}

/* Octal digits between spaces and NULs; or, with the first bit set, the rest as a big-endian
 * number, which may be negative. */
static int number(struct sn_tar *t, unsigned at, unsigned len, int64_t *ret)
{
    const uint8_t *p = t->block + at;
    if (p[0] & 0x80) {
        bool negative = p[0] & 0x40;
        uint64_t v = negative ? UINT64_MAX : 0;
        for (unsigned i = 0; i < len; i++) {
            uint8_t b = i ? p[i] : negative ? p[0] : p[0] & 0x7f;
            if (v >> 55 != (negative ? 0x1ff : 0)) return bad(t, "a number exceeds 64 bits");
            v = v << 8 | b;
        }
        *ret = (int64_t)v;
        return 0;
    }
    unsigned i = 0;
    uint64_t v = 0;
    while (i < len && (p[i] == ' ' || p[i] == 0)) i++;
    for (; i < len && p[i] >= '0' && p[i] <= '7'; i++) v = v << 3 | (p[i] - '0');
    for (; i < len; i++)
        if (p[i] != ' ' && p[i] != 0) return bad(t, "expected an octal number in the header");
    *ret = (int64_t)v;
    return 0;
}

static int number_in(struct sn_tar *t, unsigned at, unsigned len, uint64_t max, uint64_t *ret)
{
    int64_t v = 0;
    int r = number(t, at, len, &v);
    if (r < 0) return r;
    if (v < 0 || (uint64_t)v > max) return bad(t, "a number in the header is out of range");
    *ret = (uint64_t)v;
    return 0;
}

static bool all_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i]) return false;
    return true;
}

/* The sum of all bytes with the field itself as spaces; old writers summed signed ones. */
static int check_sum(struct sn_tar *t)
{
    int64_t want, sum = 0, sum_signed = 0;
    int r = number(t, F_CHECKSUM, &want);
    if (r < 0) return r;
    for (unsigned i = 0; i < SN_TAR_BLOCK; i++) {
        uint8_t b = i >= 148 && i < 156 ? ' ' : t->block[i];
        sum += b;
        sum_signed += (int8_t)b;
    }
    return want == sum || want == sum_signed ? 0 : bad(t, "the header's checksum is wrong");
}

/* ---- pax ------------------------------------------------------------------------------------- */

/* "[-]seconds[.fraction]" to ns; further digits are cut, times beyond 64 bits of ns are no times.
 */
static int pax_time(struct sn_tar *t, struct sn_str v, int64_t *ret)
{
    bool negative = v.len && v.ptr[0] == '-';
    if (negative) v = sn_str_from(v, 1);
    struct sn_str frac = v, whole = sn_str_cut(&frac, '.');
    uint64_t s, ns = 0;
    if (sn_str_to_u64(whole, &s) < 0 || s > 9000000000ull) return bad(t, "a pax time is malformed");
    for (unsigned i = 0; i < 9; i++) {
        char c = frac.ptr && i < frac.len ? frac.ptr[i] : '0';
        if (c < '0' || c > '9') return bad(t, "a pax time is malformed");
        ns = ns * 10 + (uint64_t)(c - '0');
    }
    int64_t all = (int64_t)s * SN_SEC + (int64_t)ns;
    *ret = negative ? -all : all;
    return 0;
}

static int pax_xattr(struct sn_tar *t, struct sn_str name, struct sn_str value)
{
    struct pax *p = &t->pax;
    if (name.len == 0 || name.len > 255 || memchr(name.ptr, 0, name.len))
        return bad(t, "an extended attribute's name is malformed");
    if (p->n_xattrs == SN_TAR_XATTRS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "tar: byte %llu: over %u extended attributes",
                       (unsigned long long)t->offset, SN_TAR_XATTRS_MAX);
    if (p->n_xattrs == p->cap_xattrs) {
        size_t cap = p->cap_xattrs ? 2 * p->cap_xattrs : 8;
        struct sn_tar_xattr *more = SN_ARENA_ARRAY(&t->arena, struct sn_tar_xattr, cap);
        if (!more) return SN_E_NOMEM;
        if (p->n_xattrs) memcpy(more, p->xattrs, p->n_xattrs * sizeof(*more));
        p->xattrs = more;
        p->cap_xattrs = cap;
    }
    p->xattrs[p->n_xattrs++] = (struct sn_tar_xattr){name, value};
    return 0;
}

static int pax_path(struct sn_tar *t, struct sn_str v, struct sn_str *ret)
{
    if (memchr(v.ptr, 0, v.len)) return bad(t, "a pax path has a NUL");
    *ret = v;
    return 0;
}

static int pax_number(struct sn_tar *t, struct sn_str v, uint64_t max, bool *has, uint64_t *ret)
{
    if (v.len == 0) return 0; /* deletes what a global header said */
    if (sn_str_to_u64(v, ret) < 0 || *ret > max)
        return bad(t, "a pax number is malformed or too large");
    *has = true;
    return 0;
}

static int pax_record(struct sn_tar *t, struct sn_str key, struct sn_str v)
{
    struct pax *p = &t->pax;
    if (sn_str_eqc(key, "path")) return pax_path(t, v, &p->path);
    if (sn_str_eqc(key, "linkpath")) return pax_path(t, v, &p->linkpath);
    if (sn_str_eqc(key, "size")) return pax_number(t, v, INT64_MAX, &p->has_size, &p->size);
    if (sn_str_eqc(key, "uid")) return pax_number(t, v, UINT32_MAX - 1, &p->has_uid, &p->uid);
    if (sn_str_eqc(key, "gid")) return pax_number(t, v, UINT32_MAX - 1, &p->has_gid, &p->gid);
    if (sn_str_eqc(key, "mtime")) return v.len ? pax_time(t, v, &p->mtime_ns) : 0;
    if (sn_str_eqc(key, "atime")) return v.len ? pax_time(t, v, &p->atime_ns) : 0;
    if (sn_str_starts(key, SN_STR("GNU.sparse.")))
        return sn_fail(SN_E_UNIMPLEMENTED,
                       "tar: byte %llu: a sparse file (%.*s); write the archive without --sparse",
                       (unsigned long long)t->offset, SN_STR_ARG(key));
    if (sn_str_starts(key, XATTR_PREFIX))
        return pax_xattr(t, sn_str_from(key, XATTR_PREFIX.len), v);
    return 0;
}

/* Records "LENGTH KEY=VALUE\n", where LENGTH counts the whole record. */
static int pax_records(struct sn_tar *t, struct sn_str text)
{
    while (text.len) {
        ssize_t space = sn_str_chr(sn_str_sub(text, 0, 20), ' ');
        uint64_t len;
        if (space <= 0 || sn_str_to_u64(sn_str_sub(text, 0, (size_t)space), &len) < 0 ||
            len > text.len || len < (size_t)space + 4 || text.ptr[len - 1] != '\n')
            return bad(t, "a pax record is malformed");
        struct sn_str value = sn_str_sub(text, (size_t)space + 1, len - 1);
        struct sn_str key = sn_str_cut(&value, '=');
        if (!value.ptr || key.len == 0 || memchr(key.ptr, 0, key.len))
            return bad(t, "a pax record is malformed");
        int r = pax_record(t, key, value);
        if (r < 0) return r;
        text = sn_str_from(text, len);
    }
    return 0;
}

static int meta_end(struct sn_tar *t)
{
    struct sn_str text = sn_arena_str(&t->arena, sn_buf_view(&t->meta));
    if (!text.ptr) return SN_E_NOMEM;
    sn_buf_reset(&t->meta);
    switch (t->meta_kind) {
    case 'x': return pax_records(t, text);
    case 'L': t->long_name = sn_str_of(text.ptr, strnlen(text.ptr, text.len)); return 0;
    case 'K': t->long_link = sn_str_of(text.ptr, strnlen(text.ptr, text.len)); return 0;
    default: return 0; /* 'g': for all entries; only comments are written there in practice */
    }
}

/* ---- entries --------------------------------------------------------------------------------- */

static int entry_kind(struct sn_tar *t, struct sn_tar_entry *e)
{
    uint8_t type = t->block[AT_TYPE];
    switch (type) {
    case 0:
    case '0':
    case '7': /* contiguous: a file everywhere */
        e->kind = e->path.len && e->path.ptr[e->path.len - 1] == '/' && type == 0 ? SN_TAR_DIR
                                                                                  : SN_TAR_FILE;
        return 0;
    case '1': e->kind = SN_TAR_HARDLINK; return 0;
    case '2': e->kind = SN_TAR_SYMLINK; return 0;
    case '3': e->kind = SN_TAR_CHAR; return 0;
    case '4': e->kind = SN_TAR_BLOCKDEV; return 0;
    case '5': e->kind = SN_TAR_DIR; return 0;
    case '6': e->kind = SN_TAR_FIFO; return 0;
    default:
        return sn_fail(SN_E_UNIMPLEMENTED, "tar: byte %llu: \"%.*s\" is of type '%c' (0x%02x)%s",
                       (unsigned long long)t->offset, SN_STR_ARG(e->path),
                       type >= 0x20 && type < 0x7f ? type : '?', type,
                       type == 'S' ? ", a sparse file; write the archive without --sparse" : "");
    }
}

static int entry_names(struct sn_tar *t, struct sn_tar_entry *e)
{
    struct sn_str name = text_field(t, F_NAME), prefix = {0};
    bool ustar = memcmp(t->block + AT_MAGIC, "ustar\0", 6) == 0;
    if (ustar) prefix = text_field(t, F_PREFIX);
    if (t->pax.path.ptr)
        e->path = t->pax.path;
    else if (t->long_name.ptr)
        e->path = t->long_name;
    else
        e->path = prefix.len ? sn_arena_printf(&t->arena, "%.*s/%.*s", SN_STR_ARG(prefix),
                                               SN_STR_ARG(name))
                             : sn_arena_str(&t->arena, name);
    e->link = t->pax.linkpath.ptr ? t->pax.linkpath
              : t->long_link.ptr  ? t->long_link
                                  : sn_arena_str(&t->arena, text_field(t, F_LINK));
    if (!e->path.ptr || !e->link.ptr) return SN_E_NOMEM;
    if (e->path.len > SN_TAR_PATH_MAX || e->link.len > SN_TAR_PATH_MAX)
        return sn_fail(SN_E_TOO_LARGE, "tar: byte %llu: a name of over %u bytes",
                       (unsigned long long)t->offset, SN_TAR_PATH_MAX);
    return e->path.len ? 0 : bad(t, "an entry without a name");
}

static int entry_numbers(struct sn_tar *t, struct sn_tar_entry *e)
{
    uint64_t mode, uid = 0, gid = 0, major = 0, minor = 0, size;
    int64_t mtime;
    int r = number_in(t, F_MODE, UINT32_MAX, &mode);
    if (r == 0 && !t->pax.has_uid) r = number_in(t, F_UID, UINT32_MAX - 1, &uid);
    if (r == 0 && !t->pax.has_gid) r = number_in(t, F_GID, UINT32_MAX - 1, &gid);
    if (r == 0) r = number_in(t, F_SIZE, INT64_MAX, &size);
    if (r == 0) r = number(t, F_MTIME, &mtime);
    if (r == 0 && (e->kind == SN_TAR_CHAR || e->kind == SN_TAR_BLOCKDEV)) {
        r = number_in(t, F_MAJOR, 0xfff, &major);
        if (r == 0) r = number_in(t, F_MINOR, 0xfffff, &minor);
    }
    if (r < 0) return r;
    e->mode = (uint32_t)mode & 07777;
    e->uid = (uint32_t)(t->pax.has_uid ? t->pax.uid : uid);
    e->gid = (uint32_t)(t->pax.has_gid ? t->pax.gid : gid);
    e->dev_major = (uint32_t)major;
    e->dev_minor = (uint32_t)minor;
    bool ranged = mtime > -9000000000ll && mtime < 9000000000ll;
    e->mtime_ns = t->pax.mtime_ns != SN_TAR_NO_TIME ? t->pax.mtime_ns : ranged ? mtime * SN_SEC : 0;
    e->atime_ns = t->pax.atime_ns;
    /* What has no content may name a size all the same; nothing of it follows. */
    e->size = e->kind != SN_TAR_FILE ? 0 : t->pax.has_size ? t->pax.size : size;
    return 0;
}

static int entry_over(struct sn_tar *t)
{
    int r = t->events->end(t->ctx);
    sn_arena_reset(&t->arena);
    t->pax = (struct pax)NO_PAX;
    t->long_name = t->long_link = (struct sn_str){0};
    t->state = HEADER;
    t->have = 0;
    return r;
}

static int entry_begin(struct sn_tar *t)
{
    struct sn_tar_entry *e = &t->entry;
    *e = (struct sn_tar_entry){.at = t->offset + SN_TAR_BLOCK};
    t->entries++;
    int r = entry_names(t, e);
    if (r == 0) r = entry_kind(t, e);
    if (r == 0) r = entry_numbers(t, e);
    if (r < 0) return r;
    e->xattrs = t->pax.xattrs;
    e->n_xattrs = t->pax.n_xattrs;
    r = t->events->entry(t->ctx, e);
    if (r < 0) return r;
    t->left = e->size;
    t->pad = sn_tar_padding(e->size);
    t->state = t->left ? DATA : PAD;
    return t->left ? 0 : entry_over(t);
}

static int header(struct sn_tar *t)
{
    if (all_zero(t->block, SN_TAR_BLOCK)) {
        if (t->zero_block) t->state = OVER;
        t->zero_block = true;
        return 0;
    }
    if (t->zero_block) return bad(t, "an entry behind the block that ends the archive");
    int r = check_sum(t);
    if (r < 0) return r;
    uint8_t type = t->block[AT_TYPE];
    if (type != 'x' && type != 'g' && type != 'L' && type != 'K') return entry_begin(t);
    uint64_t size;
    r = number_in(t, F_SIZE, INT64_MAX, &size);
    if (r < 0) return r;
    if (size > SN_TAR_META_BYTES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "tar: byte %llu: a pax header or long name of over %u bytes",
                       (unsigned long long)t->offset, SN_TAR_META_BYTES_MAX);
    t->meta_kind = type;
    t->left = size;
    t->pad = sn_tar_padding(size);
    t->state = META;
    return 0;
}

/* ---- the machine ------------------------------------------------------------------------------
 */

/* One step on some of the bytes; *used of them are gone. */
static int step(struct sn_tar *t, struct sn_str in, size_t *used)
{
    size_t n;
    int r = 0;
    switch (t->state) {
    case HEADER:
        n = SN_MIN(in.len, (size_t)(SN_TAR_BLOCK - t->have));
        memcpy(t->block + t->have, in.ptr, n);
        t->have += (uint32_t)n;
        *used = n;
        if (t->have < SN_TAR_BLOCK) return 0;
        r = header(t);
        t->have = 0;
        t->offset += SN_TAR_BLOCK;
        return r;
    case META:
        n = (size_t)SN_MIN((uint64_t)in.len, t->left);
        r = sn_buf_put(&t->meta, in.ptr, n);
        t->left -= n;
        if (r == 0 && t->left == 0) {
            r = meta_end(t);
            t->state = t->pad ? META_PAD : HEADER;
        }
        break;
    case DATA:
        n = (size_t)SN_MIN((uint64_t)in.len, t->left);
        r = t->events->data(t->ctx, sn_str_sub(in, 0, n));
        t->left -= n;
        if (r == 0 && t->left == 0) {
            if (t->pad)
                t->state = PAD;
            else
                r = entry_over(t);
        }
        break;
    case META_PAD:
    case PAD:
        n = (size_t)SN_MIN((uint64_t)in.len, t->pad);
        t->pad -= n;
        if (t->pad == 0) {
            if (t->state == PAD)
                r = entry_over(t);
            else
                t->state = HEADER;
        }
        break;
    default: n = in.len; break;
    }
    t->offset += n;
    *used = n;
    return r;
}

int sn_tar_put(struct sn_tar *t, struct sn_str bytes)
{
    if (t->err < 0) return t->err;
    while (bytes.len) {
        size_t used = 0;
        t->err = step(t, bytes, &used);
        if (t->err < 0) return t->err;
        bytes = sn_str_from(bytes, used);
    }
    return 0;
}

int sn_tar_finish(struct sn_tar *t)
{
    if (t->err < 0) return t->err;
    /* Writers that leave out the two blocks at the end are read by everybody. */
    if ((t->state == HEADER && t->have == 0 && !t->long_name.ptr && !t->long_link.ptr &&
         !t->pax.path.ptr) ||
        t->state == OVER)
        return 0;
    return bad(t, "the archive ends inside of an entry");
}

/* ---- writing ----------------------------------------------------------------------------------
 */

static void octal(uint8_t *at, unsigned digits, uint64_t v)
{
    for (unsigned i = digits; i--; v >>= 3) at[i] = (uint8_t)('0' + (v & 7));
}

static void head_block(struct sn_buf *out, struct sn_str name, uint64_t size, uint8_t type)
{
    uint8_t b[SN_TAR_BLOCK] = {0};
    memcpy(b, name.ptr, SN_MIN(name.len, (size_t)100));
    memcpy(b + 100, "0000644", 7);
    memcpy(b + 108, "0000000", 7);
    memcpy(b + 116, "0000000", 7);
    octal(b + 124, 11, size);
    octal(b + 136, 11, 0);
    b[AT_TYPE] = type;
    memcpy(b + AT_MAGIC, "ustar\00000", 8);
    memset(b + 148, ' ', 8);
    unsigned sum = 0;
    for (unsigned i = 0; i < SN_TAR_BLOCK; i++) sum += b[i];
    octal(b + 148, 6, sum);
    b[154] = 0;
    sn_buf_put(out, b, sizeof(b));
}

static void pax_put(struct sn_buf *b, const char *key, struct sn_str value)
{
    size_t rest = 3 + strlen(key) + value.len, len = rest + 1;
    for (size_t digits = 1, pow = 10; len >= pow; pow *= 10) len = rest + ++digits;
    sn_buf_printf(b, "%zu %s=%.*s\n", len, key, SN_STR_ARG(value));
}

int sn_tar_write_head(struct sn_buf *out, struct sn_str name, uint64_t size)
{
    char digits[24];
    struct sn_buf pax, number;
    sn_buf_init(&pax, SN_TAR_META_BYTES_MAX);
    sn_buf_init_fixed(&number, digits, sizeof(digits));
    sn_buf_u64(&number, size);
    if (name.len > 100) pax_put(&pax, "path", name);
    if (size >> 33) pax_put(&pax, "size", sn_buf_view(&number));
    if (pax.len) {
        head_block(out, SN_STR("pax"), pax.len, 'x');
        sn_buf_str(out, sn_buf_view(&pax));
        static const uint8_t zero[SN_TAR_BLOCK];
        sn_buf_put(out, zero, sn_tar_padding(pax.len));
    }
    if (pax.err < 0 && out->err == 0) out->err = pax.err;
    sn_buf_done(&pax);
    head_block(out, name, size >> 33 ? 0 : size, '0');
    return out->err;
}
