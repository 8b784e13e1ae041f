/* SPDX-License-Identifier: Apache-2.0 */
/* Our side of tests/interop/kv.sh: kv_peer dump FOLDER (sum FOLDER: each value's length and CRC-32C
 * in its place), kv_peer write FOLDER SEED [BATCHES], kv_peer crash FOLDER SEED BATCHES: the same,
 * some more a moment later, and an end without closing. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/crc32c.h"
#include "core/rand.h"
#include "core/status.h"
#include "fiber/fiber.h"
#include "kit/kv.h"

static void print_hex(struct sn_str s)
{
    for (size_t i = 0; i < s.len; i++) printf("%02x", (uint8_t)s.ptr[i]);
}

static int dump(struct sn_kv *kv, bool sum)
{
    char from[4096];
    struct sn_kv_range range = {.n_max = 777};
    for (int more = 1; more == 1;) {
        struct sn_arena a;
        struct sn_kv_pair *p;
        size_t n;
        sn_arena_init(&a, NULL, 64u << 20);
        more = sn_kv_scan(kv, &range, &a, &p, &n);
        for (size_t i = 0; more >= 0 && i < n; i++) {
            print_hex(p[i].key);
            putchar(' ');
            if (sum)
                printf("%zu %08x", p[i].value.len, sn_crc32c(0, p[i].value.ptr, p[i].value.len));
            else
                print_hex(p[i].value);
            putchar('\n');
            if (i % 64 == 0) sn_yield();
        }
        if (more == 1) { /* on behind the last one */
            size_t len = p[n - 1].key.len;
            if (len >= sizeof(from)) return SN_E_RESOURCE_EXHAUSTED;
            memcpy(from, p[n - 1].key.ptr, len);
            from[len] = 0;
            range.from = sn_str_of(from, len + 1);
        }
        sn_arena_done(&a);
        if (more < 0) return more;
    }
    return 0;
}

static int write_some(struct sn_kv *kv, uint64_t seed, uint64_t batches)
{
    static char value[800];
    struct sn_rand rnd;
    sn_rand_seed(&rnd, seed);
    for (uint64_t i = 0; i < batches; i++) {
        struct sn_kv_batch b = {0};
        char key[32];
        int r = 0;
        for (uint64_t n = sn_rand_below(&rnd, 4) + 1; r == 0 && n > 0; n--) {
            snprintf(key, sizeof(key), "key:%u", (unsigned)sn_rand_below(&rnd, 30000));
            sn_rand_bytes(&rnd, value, sizeof(value) / 2);
            r = sn_rand_below(&rnd, 4)
                    ? sn_kv_batch_put(&b, sn_str(key),
                                      sn_str_of(value, sn_rand_below(&rnd, sizeof(value))))
                    : sn_kv_batch_del(&b, sn_str(key));
        }
        if (r == 0) r = sn_kv_write(kv, &b, false);
        sn_kv_batch_done(&b);
        if (r < 0) return r;
    }
    return 0;
}

static int work(void *arg)
{
    char **argv = arg;
    struct sn_kv *kv;
    int r = sn_kv_open(argv[2], NULL, &kv);
    if (r < 0) return r;
    bool sum = argv[1][0] == 's';
    r = sum || argv[1][0] == 'd' ? dump(kv, sum)
                                 : write_some(kv, strtoull(argv[3], NULL, 10),
                                              argv[4] ? strtoull(argv[4], NULL, 10) : 20000);
    if (argv[1][0] == 'c') {
        for (int i = 0; i < 4 && r >= 0; i++) {
            r = sn_sleep(150 * SN_MS);
            if (r >= 0) r = write_some(kv, (uint64_t)i + 1, 3);
        }
        kill(getpid(), SIGKILL);
    }
    sn_kv_close(kv);
    return r;
}

int main(int argc, char **argv)
{
    if (argc < 3) return 2;
    int r = sn_rt_run(NULL, work, argv);
    if (r < 0) fprintf(stderr, "kv_peer: %s\n", sn_diag_str(r));
    return r == SN_E_UNIMPLEMENTED ? 77 : r < 0;
}
