/* SPDX-License-Identifier: Apache-2.0 */
/* bench/ed25519/main.c - CPU time of one verification on one thread: lines of "WHO WHAT
 * NANOSECONDS", the best of a few repetitions. WHO is ifma, portable or libsodium; WHAT is single
 * (an unknown key), kept (a key taken apart), or batch_N and cached_N (150 keys in a cache) for
 * batches of N. Messages have 122 bytes, as votes do. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "crypto/ed25519_int.h"

#define REPEAT 7
#define SIGS 1024
#define KEYS 150
#define MSG 122

static struct {
    uint8_t secret[64], sig[64], msg[MSG];
} sample[SIGS];
static struct sn_ed25519_item items[SIGS];

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* banned: a bench measures CPU time */
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}
static void must(int r)
{
    if (r < 0) {
        fprintf(stderr, "bench: failed with %d\n", r);
        exit(1);
    }
}
#define BEST(who, what, per, body)                  \
    do {                                            \
        double best_ = 1e18;                        \
        for (int rep_ = 0; rep_ < REPEAT; rep_++) { \
            double t_ = cpu_ns();                   \
            body;                                   \
            t_ = (cpu_ns() - t_) / (per);           \
            if (t_ < best_) best_ = t_;             \
        }                                           \
        printf("%s %s %.4g\n", who, what, best_);   \
    } while (0)

static void prepare(void)
{
    for (unsigned i = 0; i < SIGS; i++) {
        uint8_t seed[32] = {(uint8_t)(i % KEYS)};
        must(sn_ed25519_from_seed(sample[i].secret, seed));
        for (unsigned k = 0; k < MSG; k++) sample[i].msg[k] = (uint8_t)(i >> (k % 8) ^ k);
        must(sn_ed25519_sign(sample[i].secret, sample[i].msg, MSG, sample[i].sig));
        items[i] =
            (struct sn_ed25519_item){sample[i].secret + 32, sample[i].sig, sample[i].msg, MSG};
    }
}
static void batches(const char *who, struct sn_ed25519_cache *c)
{
    static const size_t sizes[] = {1, 4, 16, 64, 128, 150, 1024};
    for (size_t i = 0; i < SN_COUNT_OF(sizes); i++) {
        size_t n = sizes[i], rounds = 1024 / n;
        char what[40];
        snprintf(what, sizeof(what), "%s_%zu", c ? "cached" : "batch", n);
        BEST(who, what, (double)(n * rounds),
             for (size_t k = 0; k < rounds; k++)
                 must(sn_ed25519_verify_batch(c, items + k * n % (SIGS - n + 1), n, NULL)));
    }
}
int main(void)
{
    const struct ed_engine *e[2];
    size_t engines = ed_engines(e);
    must(sodium_init());
    prepare();
    BEST("libsodium", "single", 200.0,
         for (unsigned i = 0; i < 200; i++)
             must(crypto_sign_verify_detached(items[i].sig, items[i].msg, MSG, items[i].key)));
    for (size_t i = 0; i < engines; i++) {
        static struct sn_ed25519_key key;
        struct sn_ed25519_cache *c = sn_ed25519_cache_new(0);
        if (!c) return 1;
        ed_engine = e[i];
        BEST(e[i]->name, "single", 200.0,
             for (unsigned k = 0; k < 200; k++)
                 must(sn_ed25519_verify(items[k].key, items[k].msg, MSG, items[k].sig)));
        must(sn_ed25519_key_init(&key, items[0].key));
        BEST(e[i]->name, "kept", 200.0,
             for (unsigned k = 0; k < 200; k++)
                 must(sn_ed25519_key_verify(&key, items[0].msg, MSG, items[0].sig)));
        BEST(e[i]->name, "key_init", 100.0,
             for (unsigned k = 0; k < 100; k++) must(sn_ed25519_key_init(&key, items[k].key)));
        for (unsigned k = 0; k < 2; k++) must(sn_ed25519_verify_batch(c, items, SIGS, NULL));
        batches(e[i]->name, NULL);
        batches(e[i]->name, c);
        sn_ed25519_cache_free(c);
    }
    return 0;
}
