/* SPDX-License-Identifier: Apache-2.0 */
/* abci/kvstore_state.c - pairs, validators, and the file they are kept in.
 *
 * The file: eight bytes of magic, then records {u32 length, u32 CRC-32C, entries}. A record is
 * synced before the next is written, so only the last one can be torn, and a torn one was never
 * answered for: it is cut off. Damage with a whole record behind it is not a crash's work and is
 * refused. */
#include <fcntl.h>
#include <stdio.h>

#include "abci/kvstore_int.h"
#include "core/alloc.h"
#include "core/crc32c.h"
#include "core/status.h"
#include "fiber/fiber.h"
#include "fiber/os.h"
#include "kit/log.h"

SN_LOG_MODULE("kvstore");

#define MAGIC "SNKVLOG1"
#define MAGIC_LEN 8
#define RECORD_HEAD 8
#define RECORD_MAX (1u << 30)
#define READ_BYTES (1u << 20)
#define REWRITE_RECORD (1u << 20)

static void put_le(uint8_t *p, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++) p[i] = (uint8_t)(v >> 8 * i);
}
static uint64_t get_le(const void *p, unsigned n)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < n; i++) v |= (uint64_t)((const uint8_t *)p)[i] << 8 * i;
    return v;
}

/* ---- entries -----------------------------------------------------------------------------------
 */

int kv_entry_put(struct sn_buf *b, enum kv_kind kind, struct sn_str key, struct sn_str value)
{
    uint8_t h[KV_ENTRY_HEAD] = {(uint8_t)kind};
    put_le(h + 1, key.len, 4);
    put_le(h + 5, value.len, 4);
    sn_buf_put(b, h, sizeof(h));
    sn_buf_str(b, key);
    return sn_buf_str(b, value);
}

int kv_head_put(struct sn_buf *b, int64_t height, int64_t size)
{
    uint8_t v[16];
    put_le(v, (uint64_t)height, 8);
    put_le(v + 8, (uint64_t)size, 8);
    return kv_entry_put(b, KV_HEAD, SN_STR(""), sn_str_of((char *)v, sizeof(v)));
}

int kv_entry_next(struct sn_str *in, struct kv_entry *ret)
{
    if (in->len == 0) return 0;
    if (in->len < KV_ENTRY_HEAD) return sn_fail(SN_E_SYNTAX, "an entry of %zu bytes", in->len);
    uint64_t k = get_le(in->ptr + 1, 4), v = get_le(in->ptr + 5, 4);
    ret->kind = (enum kv_kind)(uint8_t)in->ptr[0];
    if (k + v > in->len - KV_ENTRY_HEAD)
        return sn_fail(SN_E_SYNTAX, "an entry of %llu bytes where %zu are left",
                       (unsigned long long)(k + v), in->len - KV_ENTRY_HEAD);
    ret->key = sn_str_of(in->ptr + KV_ENTRY_HEAD, (size_t)k);
    ret->value = sn_str_of(in->ptr + KV_ENTRY_HEAD + k, (size_t)v);
    *in = sn_str_from(*in, KV_ENTRY_HEAD + (size_t)(k + v));
    return 1;
}

/* ---- the state ---------------------------------------------------------------------------------
 */

void kv_state_init(struct kv_state *s)
{
    *s = (struct kv_state){0};
    sn_map_init(&s->pairs, sn_random(), true);
    sn_map_init(&s->validators, sn_random(), true);
}

static void map_done(struct sn_map *m)
{
    size_t it = 0;
    for (struct sn_map_slot *slot; (slot = sn_map_next(m, &it));) sn_free(slot->value);
    sn_map_done(m);
}

void kv_state_done(struct kv_state *s)
{
    map_done(&s->pairs);
    map_done(&s->validators);
    s->bytes = 0;
}

static int set(struct sn_map *m, struct sn_str key, const void *value, size_t len, void **ret_old)
{
    void *v = sn_alloc(len), *old = NULL;
    if (!v) return SN_E_NOMEM;
    memcpy(v, value, len);
    int r = sn_map_put(m, key, v, &old);
    if (r < 0) sn_free(v);
    *ret_old = old;
    return r;
}

static int set_pair(struct kv_state *s, struct sn_str key, struct sn_str value)
{
    struct kv_value *v = sn_alloc(sizeof(*v) + value.len);
    void *old = NULL;
    if (!v) return SN_E_NOMEM;
    v->len = (uint32_t)value.len;
    if (value.len) memcpy(v->bytes, value.ptr, value.len);
    int r = sn_map_put(&s->pairs, key, v, &old);
    if (r < 0) {
        sn_free(v);
        return r;
    }
    s->bytes += value.len + (r ? key.len : 0);
    if (old) s->bytes -= ((struct kv_value *)old)->len;
    sn_free(old);
    return 0;
}

static int set_validator(struct kv_state *s, struct sn_str key, int64_t power)
{
    void *old = NULL;
    int r = 0;
    if (power == 0)
        old = sn_map_del(&s->validators, key);
    else
        r = set(&s->validators, key, &power, sizeof(power), &old);
    sn_free(old);
    return r < 0 ? r : 0;
}

static int apply_one(struct kv_state *s, const struct kv_entry *e)
{
    switch (e->kind) {
    case KV_HEAD:
        if (e->value.len != 16 || e->key.len) break;
        s->height = (int64_t)get_le(e->value.ptr, 8);
        s->size = (int64_t)get_le(e->value.ptr + 8, 8);
        return 0;
    case KV_PAIR: return set_pair(s, e->key, e->value);
    case KV_VALIDATOR:
        if (e->value.len != 8 || e->key.len < 2 || e->key.len > 1 + KV_PUBKEY_MAX) break;
        return set_validator(s, e->key, (int64_t)get_le(e->value.ptr, 8));
    }
    return sn_fail(SN_E_SYNTAX, "an entry of kind %d with %zu bytes of value", (int)e->kind,
                   e->value.len);
}

int kv_state_apply(struct kv_state *s, struct sn_str entries)
{
    struct kv_entry e;
    int r;
    while ((r = kv_entry_next(&entries, &e)) > 0)
        if ((r = apply_one(s, &e)) < 0) return r;
    return r;
}

/* ---- the file ----------------------------------------------------------------------------------
 */

static void record_put(struct sn_buf *b, struct sn_str entries)
{
    uint8_t h[RECORD_HEAD];
    put_le(h, entries.len, 4);
    put_le(h + 4, sn_crc32c(0, entries.ptr, entries.len), 4);
    sn_buf_put(b, h, sizeof(h));
    sn_buf_str(b, entries);
}

/* One record at the beginning of `in`. Returns its length; 0 where it is not whole, or not right.
 */
static size_t record_next(struct sn_str in, struct sn_str *ret)
{
    if (in.len < RECORD_HEAD) return 0;
    uint64_t n = get_le(in.ptr, 4);
    if (n == 0 || n > RECORD_MAX || n > in.len - RECORD_HEAD) return 0;
    *ret = sn_str_of(in.ptr + RECORD_HEAD, (size_t)n);
    if (sn_crc32c(0, ret->ptr, ret->len) != get_le(in.ptr + 4, 4)) return 0;
    return RECORD_HEAD + (size_t)n;
}

static bool zeros(struct sn_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i]) return false;
    return true;
}

/* What follows the last good record: nothing, or the rest of one that a crash tore. */
static int judge_tail(struct kv_file *f, struct sn_str tail)
{
    if (!tail.len) return 0;
    struct sn_str ignored;
    uint64_t n = tail.len >= RECORD_HEAD ? get_le(tail.ptr, 4) : 0;
    bool more = n && n < tail.len - RECORD_HEAD &&
                record_next(sn_str_from(tail, RECORD_HEAD + (size_t)n), &ignored);
    if (more && !zeros(tail))
        return sn_fail(SN_E_DATA_LOSS, "%s: the record at byte %lld is damaged, and more follow",
                       f->path, (long long)f->len);
    SN_LOG_WARN("a torn record is cut off", SN_L("file", f->path), SN_L("at", f->len),
                SN_L("bytes", tail.len));
    int r = sn_file_truncate(f->fd, f->len);
    return r < 0 ? r : sn_file_sync(f->fd);
}

static int read_records(struct kv_file *f, struct sn_buf *in, struct kv_state *s)
{
    struct sn_str rec;
    for (bool end = false; !end;) {
        if (sn_buf_reserve(in, READ_BYTES) < 0) return in->err;
        ssize_t n = sn_file_pread(f->fd, in->ptr + in->len, READ_BYTES, f->len + (int64_t)in->len);
        if (n < 0) return (int)n;
        end = n == 0;
        in->len += (size_t)n;
        size_t off = 0, used;
        while ((used = record_next(sn_str_from(sn_buf_view(in), off), &rec)) > 0) {
            int r = kv_state_apply(s, rec);
            if (r < 0) return sn_wrap(r, "%s: record at byte %lld", f->path, (long long)f->len);
            off += used;
            f->len += (int64_t)used;
        }
        sn_buf_consume(in, off);
    }
    return judge_tail(f, sn_buf_view(in));
}

static int read_file(struct kv_file *f, struct kv_state *s)
{
    char magic[MAGIC_LEN];
    struct sn_buf in = {0};
    ssize_t n = sn_file_pread(f->fd, magic, MAGIC_LEN, 0);
    if (n < 0) return (int)n;
    if (n < MAGIC_LEN && zeros(sn_str_of(magic, (size_t)n))) n = 0;
    if (n < MAGIC_LEN && memcmp(magic, MAGIC, (size_t)n) == 0)
        return kv_file_rewrite(f, s); /* new */
    if (memcmp(magic, MAGIC, MAGIC_LEN) != 0)
        return sn_fail(SN_E_DATA_LOSS, "%s: not a file of this kvstore", f->path);
    f->len = MAGIC_LEN;
    int r = read_records(f, &in, s);
    sn_buf_done(&in);
    f->floor = f->len;
    return r;
}

int kv_file_open(struct kv_file *f, const char *dir, struct kv_state *s)
{
    *f = (struct kv_file){.fd = -1};
    if (!dir) return 0;
    size_t cap = strlen(dir) + sizeof("/kvstore.log");
    if (!(f->path = sn_alloc(cap))) return SN_E_NOMEM;
    snprintf(f->path, cap, "%s/kvstore.log", dir);
    int r = sn_mkdirs(dir, 0700);
    if (r >= 0) r = sn_file_open(f->path, O_RDWR | O_CREAT, 0600, &f->fd);
    return r < 0 ? r : read_file(f, s);
}

void kv_file_close(struct kv_file *f)
{
    if (f->path && f->fd >= 0) sn_file_close(f->fd);
    sn_free(f->path);
    *f = (struct kv_file){.fd = -1};
}

int kv_file_append(struct kv_file *f, struct sn_str entries)
{
    struct sn_buf b = {0};
    if (!f->path) return 0;
    if (f->fd < 0) return sn_fail(SN_E_DATA_LOSS, "%s: closed after a failed write", f->path);
    if (entries.len > RECORD_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%s: a record of %zu bytes, limit %u", f->path, entries.len,
                       RECORD_MAX);
    record_put(&b, entries);
    int r = b.err;
    if (r >= 0) {
        ssize_t n = sn_file_pwrite(f->fd, b.ptr, b.len, f->len);
        r = n < 0 ? (int)n : sn_file_sync(f->fd);
        if (r < 0) {
            sn_file_close(f->fd);
            f->fd = -1;
        } else
            f->len += (int64_t)b.len;
    }
    sn_buf_done(&b);
    return r < 0 ? sn_wrap(r, "%s", f->path) : 0;
}

/* All of the state as records of moderate length, the head with the first. */
static int put_all(struct sn_buf *b, const struct kv_state *s)
{
    struct sn_buf rec = {0};
    size_t it = 0;
    uint8_t power[8];
    kv_head_put(&rec, s->height, s->size);
    for (struct sn_map_slot *slot; (slot = sn_map_next(&s->validators, &it));) {
        put_le(power, *(uint64_t *)slot->value, 8);
        kv_entry_put(&rec, KV_VALIDATOR, slot->key, sn_str_of((char *)power, 8));
    }
    it = 0;
    for (struct sn_map_slot *slot; (slot = sn_map_next(&s->pairs, &it)) && b->err == 0;) {
        const struct kv_value *v = slot->value;
        kv_entry_put(&rec, KV_PAIR, slot->key, sn_str_of(v->bytes, v->len));
        if (rec.len < REWRITE_RECORD) continue;
        record_put(b, sn_buf_view(&rec));
        sn_buf_reset(&rec);
    }
    if (rec.len) record_put(b, sn_buf_view(&rec));
    int r = rec.err < 0 ? rec.err : b->err;
    sn_buf_done(&rec);
    return r;
}

int kv_file_rewrite(struct kv_file *f, const struct kv_state *s)
{
    struct sn_buf b = {0};
    if (!f->path) return 0;
    sn_buf_put(&b, MAGIC, MAGIC_LEN);
    int r = put_all(&b, s);
    if (r >= 0) r = sn_file_write(f->path, sn_buf_view(&b), 0600);
    if (r >= 0) { /* the open one has no name any more: nothing may be appended to it */
        if (f->fd >= 0) sn_file_close(f->fd);
        f->fd = -1;
        r = sn_file_open(f->path, O_RDWR, 0600, &f->fd);
        if (r >= 0) f->len = f->floor = (int64_t)b.len;
    }
    sn_buf_done(&b);
    return r < 0 ? sn_wrap(r, "%s", f->path) : 0;
}
