/* SPDX-License-Identifier: Apache-2.0 */
/* tests/interop/ed25519_peer.c - holds every way to verify, under every engine, against the
 * verdicts of another implementation: records on standard input as tests/interop/ed25519/main.go
 * writes them. Prints "ok WHAT" for each way that agrees everywhere, "FAIL WHAT: ..." for the
 * others. */
#include <stdio.h>
#include <stdlib.h>

#include "core/status.h"
#include "crypto/ed25519_int.h"

#define ROUND 997u /* records at a time: more than a batch, and odd */
#define WAYS 4u
static const char *const ways[WAYS] = {"single", "key taken apart", "batch", "batch with cache"};

static struct record {
    uint8_t key[32], sig[64], msg[512], good;
    uint16_t len;
} record[ROUND];
static struct sn_ed25519_item items[ROUND];
static unsigned long wrong[2][WAYS], total, good;

static bool get(void *to, size_t n) { return fread(to, 1, n, stdin) == n; }
static unsigned fill(void)
{
    unsigned n = 0;
    for (; n < ROUND; n++) {
        struct record *r = &record[n];
        if (!get(r->key, 32)) break;
        if (!get(r->sig, 64) || !get(&r->len, 2) || r->len > sizeof(r->msg) ||
            !get(r->msg, r->len) || !get(&r->good, 1)) {
            fprintf(stderr, "record %lu is cut short\n", total + n);
            exit(1);
        }
        items[n] = (struct sn_ed25519_item){r->key, r->sig, r->msg, r->len};
    }
    return n;
}
static void compare(unsigned engine, unsigned way, unsigned i, bool got)
{
    if (got == (record[i].good == 1)) return;
    if (wrong[engine][way]++ == 0)
        fprintf(stderr, "%s, record %lu: got %d\n", ways[way], total + i, got);
}
static void check(unsigned engine, struct sn_ed25519_cache *c, unsigned n)
{
    static struct sn_ed25519_key key;
    static bool ok[ROUND];
    for (unsigned i = 0; i < n; i++) {
        const struct sn_ed25519_item *in = &items[i];
        compare(engine, 0, i, sn_ed25519_verify(in->key, in->msg, in->msg_len, in->sig) == 0);
        if (i % 4 == 0)
            compare(engine, 1, i,
                    sn_ed25519_key_init(&key, in->key) == 0 &&
                        sn_ed25519_key_verify(&key, in->msg, in->msg_len, in->sig) == 0);
    }
    for (unsigned way = 2; way < WAYS; way++) {
        int r = sn_ed25519_verify_batch(way == 3 ? c : NULL, items, n, ok);
        if (r < 0 && r != SN_E_UNAUTHENTICATED) exit(1);
        for (unsigned i = 0; i < n; i++) compare(engine, way, i, ok[i]);
    }
}
int main(void)
{
    const struct ed_engine *e[2];
    struct sn_ed25519_cache *c[2] = {sn_ed25519_cache_new(0), sn_ed25519_cache_new(200)};
    unsigned engines = (unsigned)ed_engines(e), n;
    while ((n = fill()) > 0) {
        for (unsigned i = 0; i < engines; i++) {
            ed_engine = e[i];
            check(i, c[i], n);
        }
        for (unsigned i = 0; i < n; i++) good += record[i].good;
        total += n;
    }
    int rc = total > 0 && good > 0 && good < total ? 0 : 1;
    for (unsigned i = 0; i < engines; i++)
        for (unsigned w = 0; w < WAYS; w++) {
            if (wrong[i][w] == 0)
                printf("ok %s, %s: %lu signatures, %lu good\n", e[i]->name, ways[w], total, good);
            else
                printf("FAIL %s, %s: %lu of %lu differ\n", e[i]->name, ways[w], wrong[i][w], total),
                    rc = 1;
        }
    for (unsigned i = 0; i < 2; i++) sn_ed25519_cache_free(c[i]);
    return rc;
}
