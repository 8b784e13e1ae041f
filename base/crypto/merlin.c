/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/merlin.c - the three operations of STROBE-128 that transcripts need: meta-data, associated
 * data, pseudo-random output. */
#include "crypto/merlin.h"

#include <endian.h>

#include "crypto/keccak.h"

#define RATE 166 /* bytes: 200 less a 256-bit capacity, less two of padding */
enum { INBOUND = 1, APPLICATION = 2, CIPHER = 4, META = 16 };

static void run(struct sn_merlin *m)
{
    uint64_t lane[25];
    m->state[m->at] ^= m->began;
    m->state[m->at + 1] ^= 0x04;
    m->state[RATE + 1] ^= 0x80;
    memcpy(lane, m->state, sizeof(lane));
    for (unsigned i = 0; i < 25; i++) lane[i] = le64toh(lane[i]);
    sn_keccak_permute(lane);
    for (unsigned i = 0; i < 25; i++) lane[i] = htole64(lane[i]);
    memcpy(m->state, lane, sizeof(lane));
    m->at = m->began = 0;
}
static void absorb(struct sn_merlin *m, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        m->state[m->at++] ^= p[i];
        if (m->at == RATE) run(m);
    }
}
static void begin(struct sn_merlin *m, uint8_t flags)
{
    uint8_t head[2] = {m->began, flags};
    m->began = (uint8_t)(m->at + 1);
    m->flags = flags;
    absorb(m, head, sizeof(head));
    if ((flags & CIPHER) && m->at != 0) run(m);
}
/* A label and the length of what follows are one operation. */
static void head(struct sn_merlin *m, struct sn_str label, size_t n)
{
    uint32_t len = htole32((uint32_t)n);
    begin(m, META | APPLICATION);
    absorb(m, (const uint8_t *)label.ptr, label.len);
    absorb(m, (const uint8_t *)&len, sizeof(len));
}

void sn_merlin_init(struct sn_merlin *m, struct sn_str label)
{
    static const uint8_t start[18] = {1,   RATE + 2, 1,   0,   1,   96,  'S', 'T', 'R',
                                      'O', 'B',      'E', 'v', '1', '.', '0', '.', '2'};
    uint64_t lane[25] = {0};
    memset(m, 0, sizeof(*m));
    memcpy(lane, start, sizeof(start));
    for (unsigned i = 0; i < 25; i++) lane[i] = le64toh(lane[i]);
    sn_keccak_permute(lane);
    for (unsigned i = 0; i < 25; i++) lane[i] = htole64(lane[i]);
    memcpy(m->state, lane, sizeof(lane));
    begin(m, META | APPLICATION);
    absorb(m, (const uint8_t *)"Merlin v1.0", 11);
    sn_merlin_append(m, SN_STR("dom-sep"), label.ptr, label.len);
}
void sn_merlin_append(struct sn_merlin *m, struct sn_str label, const void *data, size_t n)
{
    head(m, label, n);
    begin(m, APPLICATION);
    absorb(m, data, n);
}
void sn_merlin_challenge(struct sn_merlin *m, struct sn_str label, void *ret, size_t n)
{
    uint8_t *out = ret;
    head(m, label, n);
    begin(m, INBOUND | APPLICATION | CIPHER);
    for (size_t i = 0; i < n; i++) {
        out[i] = m->state[m->at];
        m->state[m->at++] = 0;
        if (m->at == RATE) run(m);
    }
}
