/* SPDX-License-Identifier: Apache-2.0 */
/* zk/bin.h - the container all of iden3's binary files share: a four-letter magic, a version,
 * a section count, then sections of (type u32, size u64, bytes). Everything little-endian. */
#pragma once
#include "core/base.h"
#include "core/status.h"
#include "zk/file.h"

#define SN_BIN_SECTIONS_MAX 64u /* section numbers; more than any of the formats uses */

static inline uint32_t sn_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline uint64_t sn_le64(const uint8_t *p)
{
    return (uint64_t)sn_le32(p) | (uint64_t)sn_le32(p + 4) << 32;
}
static inline void sn_put_le32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> (8 * i));
}
static inline void sn_put_le64(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++) p[i] = (uint8_t)(v >> (8 * i));
}

struct sn_bin {
    uint32_t version;
    struct sn_str section[SN_BIN_SECTIONS_MAX]; /* by number; .ptr NULL = absent */
};
/* sn_bin_open - finds the sections. `what` names the format in diagnostics (".r1cs").
 * Returns 0, SN_E_SYNTAX (magic, repeated or impossible section), SN_E_DATA_LOSS (ends early),
 * SN_E_UNIMPLEMENTED (a version that is not `version`). */
int sn_bin_open(struct sn_str file, const char *magic, uint32_t version, const char *what,
                struct sn_bin *ret) SN_MUST_CHECK;
/* sn_bin_section - section `id`, which must exist and, where size is not UINT64_MAX, be that long.
 * Returns 0, SN_E_SYNTAX, SN_E_DATA_LOSS. */
int sn_bin_section(const struct sn_bin *b, unsigned id, uint64_t size, const char *what,
                   struct sn_str *ret) SN_MUST_CHECK;

/* A reader over a section: every take checks what is left; the first failure sticks. */
struct sn_cursor {
    const uint8_t *p, *end;
    bool short_; /* something was missing */
};
static inline struct sn_cursor sn_cursor(struct sn_str s)
{
    return (struct sn_cursor){(const uint8_t *)s.ptr, (const uint8_t *)s.ptr + s.len, false};
}
static inline const uint8_t *sn_take(struct sn_cursor *c, size_t n)
{
    if (c->short_ || (size_t)(c->end - c->p) < n) {
        c->short_ = true;
        return NULL;
    }
    c->p += n;
    return c->p - n;
}
static inline uint32_t sn_take32(struct sn_cursor *c)
{
    const uint8_t *p = sn_take(c, 4);
    return p ? sn_le32(p) : 0;
}
static inline uint64_t sn_take64(struct sn_cursor *c)
{
    const uint8_t *p = sn_take(c, 8);
    return p ? sn_le64(p) : 0;
}

/* A buffered writer over a sink; the first failure sticks in err. */
struct sn_out {
    const struct sn_zk_sink *sink;
    int err;
    uint64_t total; /* bytes put so far */
    size_t len;
    uint8_t *buf; /* SN_OUT_BYTES */
};
#define SN_OUT_BYTES (64u << 10)
/* sn_out_begin - Returns 0 or SN_E_NOMEM. Owns: sn_out_end. */
int sn_out_begin(struct sn_out *o, const struct sn_zk_sink *sink) SN_MUST_CHECK;
void sn_out_put(struct sn_out *o, const void *data, size_t n);
void sn_out_u32(struct sn_out *o, uint32_t v);
void sn_out_u64(struct sn_out *o, uint64_t v);
void sn_out_section(struct sn_out *o, uint32_t id, uint64_t size);
void sn_out_header(struct sn_out *o, const char *magic, uint32_t version, uint32_t n_sections);
/* sn_out_flush - everything put so far is the sink's. Returns 0 or the first failure. */
int sn_out_flush(struct sn_out *o);
/* sn_out_end - flushes and frees. Returns 0 or the first failure. */
int sn_out_end(struct sn_out *o);
