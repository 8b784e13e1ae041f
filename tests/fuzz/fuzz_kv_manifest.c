/* SPDX-License-Identifier: Apache-2.0 */
/* Any manifest from any place of a file on (the first two bytes): refused, or every edit says a
 * smaller sequence number where it is told to, the same numbers besides, and is as long as before.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/crc32c.h"
#include "kit/kv_manifest.h"

/* Makes the checksums right, as far as there are pieces: otherwise hardly any input would be an
 * edit. */
static void checksums(uint8_t *p, size_t n, uint64_t at)
{
    for (size_t off = 0; off < n;) {
        size_t left = 32768 - (size_t)((at + off) % 32768);
        if (left < 7) off += left;
        if (off + 7 > n) return;
        size_t len = p[off + 4] | (size_t)p[off + 5] << 8;
        if (off + 7 + len > n) return;
        uint32_t crc = sn_crc32c(0, p + off + 6, 1 + len);
        crc = ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
        for (unsigned i = 0; i < 4; i++) p[off + i] = (uint8_t)(crc >> 8 * i);
        off += 7 + len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    uint64_t at = data[0] | (uint64_t)data[1] << 8;
    size_t n = size - 2, off = 0;
    uint8_t *p = malloc(n + 1);
    if (!p) return 0;
    memcpy(p, data + 2, n);
    if (data[0] % 4) checksums(p, n, at);
    struct kv_edit e, again;
    while (off < n && kv_edit_next(p + off, n - off, at + off, &e) == 1) {
        SN_ASSERT(e.len > 0 && e.len <= n - off);
        if (e.has_sequence) {
            uint64_t less = e.sequence / 3;
            SN_ASSERT(kv_edit_lower(p + off, at + off, &e, less) <= e.len);
            SN_ASSERT(kv_edit_next(p + off, n - off, at + off, &again) == 1);
            SN_ASSERT(again.sequence == less && again.len == e.len && again.n == e.n);
            SN_ASSERT(again.log == e.log && again.next_file == e.next_file);
        }
        off += e.len;
    }
    free(p);
    return 0;
}
