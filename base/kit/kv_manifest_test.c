/* SPDX-License-Identifier: Apache-2.0 */
#include "kit/kv_manifest.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/crc32c.h"
#include "core/rand.h"
#include "core/status.h"
#include "fiber/fiber.h"
#include "kit/kv.h"
#include "tests/harness/test.h"

/* An edit at place `at` of a manifest, in as many pieces as that takes. Returns their bytes. */
static size_t put_edit(uint8_t *p, uint64_t at, const uint8_t *edit, size_t len)
{
    size_t off = 0, done = 0;
    bool first = true, last = false;
    for (; !last; first = false) {
        size_t left = 32768 - (size_t)((at + off) % 32768);
        if (left < 7) {
            memset(p + off, 0, left);
            off += left;
            left = 32768;
        }
        size_t n = SN_MIN(len - done, left - 7);
        last = done + n == len;
        uint8_t *h = p + off;
        h[4] = (uint8_t)n;
        h[5] = (uint8_t)(n >> 8);
        h[6] = first ? (last ? 1 : 2) : last ? 4 : 3;
        memcpy(h + 7, edit + done, n);
        uint32_t crc = sn_crc32c(0, h + 6, 1 + n);
        crc = ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
        for (unsigned i = 0; i < 4; i++) h[i] = (uint8_t)(crc >> 8 * i);
        off += 7 + n;
        done += n;
    }
    return off;
}
static size_t put_varint(uint8_t *p, uint64_t v)
{
    size_t n = 0;
    for (; v >= 0x80; v >>= 7) p[n++] = (uint8_t)(v | 0x80);
    p[n++] = (uint8_t)v;
    return n;
}
static size_t put_numbers(uint8_t *p, uint64_t log, uint64_t next, uint64_t sequence)
{
    static const uint64_t tags[] = {2, 9, 3, 4};
    const uint64_t values[] = {log, 0, next, sequence};
    size_t n = 0;
    p[n++] = 1; /* the comparator, as in a manifest's first edit */
    p[n++] = 26;
    memcpy(p + n, "leveldb.BytewiseComparator", 26);
    n += 26;
    for (unsigned i = 0; i < SN_COUNT_OF(tags); i++) {
        p[n++] = (uint8_t)tags[i];
        n += put_varint(p + n, values[i]);
    }
    return n;
}

/* At every place near the end of a block and far from it: what was written is read, half of it is
 * not, and a smaller number is in its place, whose checksums are right. */
SN_TEST(kv_manifest_edits)
{
    static uint8_t edit[70000], p[80000], half[80000];
    struct sn_rand rnd;
    sn_rand_seed(&rnd, sn_test_seed());
    for (unsigned i = 0; i < 2000; i++) {
        uint64_t at = i < 400 ? 32768 * 3 - i / 2 : sn_rand_below(&rnd, 200000);
        uint64_t sequence = sn_rand_u64(&rnd) >> sn_rand_below(&rnd, 64);
        uint64_t log = sn_rand_below(&rnd, 1 << 20), next = log + sn_rand_below(&rnd, 9);
        size_t n = put_numbers(edit, log, next, sequence);
        edit[n] = 7; /* a table; what follows is not looked at */
        size_t len = n + 1 + sn_rand_below(&rnd, i % 50 ? 300 : 60000);
        size_t bytes = put_edit(p, at, edit, len);
        struct kv_edit e, again;
        T_EQ(kv_edit_next(p, bytes + 5, at, &e), 1);
        T_EQ(e.len, bytes);
        T_ASSERT(e.has_sequence && e.sequence == sequence && e.log == log && e.next_file == next);
        T_EQ(kv_edit_next(p, sn_rand_below(&rnd, bytes), at, &again), 0);

        uint64_t less = sequence ? sn_rand_u64(&rnd) % sequence : 0;
        memcpy(half, p, bytes);
        size_t changed = kv_edit_lower(p, at, &e, less);
        memcpy(half, p, changed); /* what is said to be enough */
        T_EQ(memcmp(half, p, bytes), 0);
        T_EQ(kv_edit_next(p, bytes, at, &again), 1);
        T_ASSERT(again.sequence == less && again.log == log && again.next_file == next);

        size_t bit = sn_rand_below(&rnd, 8 * bytes);
        p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        int r = kv_edit_next(p, bytes, at, &again);
        size_t left = 32768 - (size_t)(at % 32768);
        T_ASSERTF(r == 0 || r == SN_E_DATA_LOSS || (left < 7 && bit / 8 < left), "%d", r);
    }
}

/* ---- with LevelDB ---- */
static char folder[256];

static size_t read_file(const char *name, uint8_t *p, size_t n)
{
    char path[600];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int fd = open(path, O_RDONLY);
    ssize_t got = fd < 0 ? 0 : read(fd, p, n);
    if (fd >= 0) close(fd);
    return got < 0 ? 0 : (size_t)got;
}
/* Whether the last note says no more than what is in front of the log. 1, 0, and 2 where there is
 * none to be wrong. */
static int note_is_right(void)
{
    static uint8_t p[4 << 20];
    char name[64] = "";
    size_t n = read_file("CURRENT", (uint8_t *)name, sizeof(name) - 1), off = 0;
    T_ASSERT(n > 1);
    name[n - 1] = 0;
    n = read_file(name, p, sizeof(p));
    struct kv_edit e, last = {0};
    while (off < n && kv_edit_next(p + off, n - off, off, &e) == 1) {
        if (e.has_sequence) last = e;
        off += e.len;
    }
    T_EQ(off, n);
    for (uint64_t f = last.log; f < last.next_file; f++) {
        uint8_t head[15];
        uint64_t first = 0;
        snprintf(name, sizeof(name), "%06llu.log", (unsigned long long)f);
        if (read_file(name, head, sizeof(head)) < sizeof(head)) continue;
        for (unsigned i = 0; i < 8; i++) first |= (uint64_t)head[7 + i] << 8 * i;
        return last.sequence < first;
    }
    return 2;
}
static int notes_main(void *arg)
{
    struct sn_kv *kv;
    static char value[300];
    unsigned right = 0;
    (void)arg;
    snprintf(folder, sizeof(folder), "%s/notes", sn_test_tmpdir());
    int r = sn_kv_open(folder, &(struct sn_kv_opts){.buffer_bytes = 64 << 10}, &kv);
    if (r == SN_E_UNIMPLEMENTED) sn_test_skip("libleveldb1d is not installed");
    T_OK(r);
    for (unsigned i = 0; i < 12000; i++) {
        struct sn_kv_batch b = {0};
        char key[16];
        snprintf(key, sizeof(key), "%u", i * 7919 % 12000);
        T_OK(sn_kv_batch_put(&b, sn_str(key), sn_str_of(value, sizeof(value))));
        T_OK(sn_kv_write(kv, &b, false));
        sn_kv_batch_done(&b);
        if (i % 500 != 499) continue;
        int is = 0;
        for (unsigned k = 0; k < 1000 && !(is = note_is_right()); k++) T_OK(sn_sleep(10 * SN_MS));
        T_ASSERTF(is, "after %u batches", i + 1);
        right += is == 1;
    }
    T_ASSERT(right > 5); /* there was something to be wrong */
    sn_kv_close(kv);
    T_ASSERT(note_is_right());
    return 0;
}
SN_TEST_SLOW(kv_leveldb_notes, 60)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, notes_main, NULL));
}
