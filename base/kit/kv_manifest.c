/* SPDX-License-Identifier: Apache-2.0 */
/* kit/kv_manifest.c - the edits in a LevelDB manifest. */
#include "kit/kv_manifest.h"

#include <string.h>

#include "core/crc32c.h"
#include "core/status.h"

#define BLOCK 32768u
#define HEADER 7u /* checksum (4), length (2), kind (1) */
enum { WHOLE = 1, FIRST, MIDDLE, LAST };
/* Tags of an edit, as LevelDB orders them; all others come behind. */
enum { COMPARATOR = 1, LOG_NUMBER = 2, NEXT_FILE = 3, LAST_SEQUENCE = 4, PREV_LOG_NUMBER = 9 };

static uint32_t load_le32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

struct piece {
    size_t at, len; /* of its data */
    unsigned kind;
};

/* Of a piece's kind and data; turned, so that a checksum of checksums is one. */
static uint32_t checksum(const uint8_t *p, const struct piece *piece)
{
    uint32_t crc = sn_crc32c(0, p + piece->at - 1, 1 + piece->len);
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

/* The piece at or behind *off; 1, 0 where it is not whole. */
static int next_piece(const uint8_t *p, size_t n, uint64_t at, size_t *off, struct piece *ret)
{
    size_t left = BLOCK - (size_t)((at + *off) % BLOCK);
    if (left < HEADER) *off += left;
    if (left < HEADER) left = BLOCK;
    if (*off + HEADER > n) return 0;
    const uint8_t *header = p + *off;
    *ret = (struct piece){*off + HEADER, header[4] | (size_t)header[5] << 8, header[6]};
    if (ret->kind < WHOLE || ret->kind > LAST || ret->len > left - HEADER)
        return sn_fail(SN_E_DATA_LOSS, "manifest at byte %llu: kind %u of %zu bytes",
                       (unsigned long long)(at + *off), ret->kind, ret->len);
    if (ret->at + ret->len > n) return 0;
    *off = ret->at + ret->len;
    return 1;
}

struct head {
    uint8_t bytes[KV_EDIT_HEAD];
    size_t at[KV_EDIT_HEAD], n, read;
};

static bool varint(struct head *h, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && h->read < h->n; shift += 7) {
        uint8_t b = h->bytes[h->read++];
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            *ret = v;
            return true;
        }
    }
    return false;
}

static int numbers(struct head *h, uint64_t at, struct kv_edit *e)
{
    uint64_t tag, ignored;
    while (h->read < h->n) {
        if (!varint(h, &tag)) goto bad;
        uint64_t *v = tag == LOG_NUMBER        ? &e->log
                      : tag == NEXT_FILE       ? &e->next_file
                      : tag == LAST_SEQUENCE   ? &e->sequence
                      : tag == COMPARATOR      ? &ignored
                      : tag == PREV_LOG_NUMBER ? &ignored
                                               : NULL;
        if (!v) return 0;
        size_t begin = h->read;
        if (!varint(h, v)) goto bad;
        if (tag == COMPARATOR) {
            if (ignored > h->n - h->read) goto bad;
            h->read += (size_t)ignored;
        }
        if (tag != LAST_SEQUENCE) continue;
        e->has_sequence = true;
        e->n = (unsigned)(h->read - begin);
        memcpy(e->at, h->at + begin, e->n * sizeof(e->at[0]));
    }
    return 0;
bad:
    return sn_fail(SN_E_DATA_LOSS, "manifest at byte %llu: an edit with half a number",
                   (unsigned long long)at);
}

int kv_edit_next(const uint8_t *p, size_t n, uint64_t at, struct kv_edit *ret)
{
    struct head h = {.n = 0};
    struct kv_edit e = {0};
    struct piece piece = {0};
    size_t off = 0;
    for (bool first = true; first || piece.kind == FIRST || piece.kind == MIDDLE; first = false) {
        int r = next_piece(p, n, at, &off, &piece);
        if (r <= 0) return r;
        if (first != (piece.kind == WHOLE || piece.kind == FIRST) ||
            checksum(p, &piece) != load_le32(p + piece.at - HEADER))
            return sn_fail(SN_E_DATA_LOSS,
                           "manifest before byte %llu: a piece of kind %u, or its checksum",
                           (unsigned long long)(at + off), piece.kind);
        for (size_t i = 0; i < piece.len && h.n < KV_EDIT_HEAD; i++, h.n++) {
            h.bytes[h.n] = p[piece.at + i];
            h.at[h.n] = piece.at + i;
        }
    }
    e.len = off;
    int r = numbers(&h, at, &e);
    if (r < 0) return r;
    *ret = e;
    return 1;
}

size_t kv_edit_lower(uint8_t *p, uint64_t at, const struct kv_edit *e, uint64_t sequence)
{
    size_t off = 0, changed = e->at[e->n - 1] + 1;
    struct piece piece = {0};
    SN_ASSERT(e->has_sequence && sequence <= e->sequence);
    for (unsigned i = 0; i < e->n; i++, sequence >>= 7)
        p[e->at[i]] = (uint8_t)((sequence & 0x7f) | (i + 1 < e->n ? 0x80 : 0));
    while (off < changed && next_piece(p, e->len, at, &off, &piece) > 0) {
        uint32_t crc = checksum(p, &piece);
        for (unsigned i = 0; i < 4; i++) p[piece.at - HEADER + i] = (uint8_t)(crc >> 8 * i);
    }
    return changed;
}
