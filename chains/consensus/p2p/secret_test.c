/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "consensus/p2p/secret.h"
#include "core/alloc.h"
#include "core/enc.h"
#include "core/status.h"
#include "core/torture.h"
#include "harness/test.h"

static void random_bytes(void *out, size_t n)
{
    for (size_t i = 0; i < n; i++) ((uint8_t *)out)[i] = (uint8_t)sn_test_rand();
}
/* Two ends and what is on its way between them. */
struct pair {
    struct sn_secret end[2];
    uint8_t key[2][64];
    struct sn_buf wire[2], plain[2]; /* from end i; received by end i */
};
static void pair_init(struct pair *p)
{
    memset(p, 0, sizeof(*p));
    for (unsigned i = 0; i < 2; i++) {
        uint8_t seed[32], ephemeral[32];
        random_bytes(seed, 32);
        random_bytes(ephemeral, 32);
        T_OK(sn_ed25519_from_seed(p->key[i], seed));
        T_OK(sn_secret_init(&p->end[i], p->key[i], ephemeral, &p->wire[i]));
    }
}
static void pair_done(struct pair *p)
{
    for (unsigned i = 0; i < 2; i++) {
        sn_secret_done(&p->end[i]);
        sn_buf_done(&p->wire[i]);
        sn_buf_done(&p->plain[i]);
    }
}
/* Delivers at most `most` bytes a time, 0: everything at once, until nothing is on its way. */
static int run(struct pair *p, size_t most)
{
    int r = 0;
    while (r == 0 && p->wire[0].len + p->wire[1].len > 0)
        for (unsigned i = 0; i < 2 && r == 0; i++) {
            size_t n = most ? SN_MIN(most, p->wire[i].len) : p->wire[i].len;
            if (n == 0) continue;
            r = sn_secret_feed(&p->end[!i], p->wire[i].ptr, n, &p->wire[!i], &p->plain[!i]);
            sn_buf_consume(&p->wire[i], n);
        }
    return r;
}
SN_TEST(secret_handshake_and_data)
{
    static const size_t pieces[] = {0, 1, 7, 35, 1043, 1044, 1045, 4000};
    for (size_t k = 0; k < SN_COUNT_OF(pieces); k++) {
        struct pair p;
        uint8_t *data = malloc(50000);
        random_bytes(data, 50000);
        pair_init(&p);
        T_OK(run(&p, pieces[k]));
        for (unsigned i = 0; i < 2; i++) {
            T_EQ(p.end[i].state, SN_SECRET_OPEN);
            T_ASSERT(memcmp(p.end[i].peer, p.key[!i] + 32, 32) == 0);
        }
        for (size_t n = 0, at = 0; n < 4000; n += 1 + n / 2) {
            for (unsigned i = 0; i < 2; i++)
                T_OK(sn_secret_seal(&p.end[i], data + at, n, &p.wire[i]));
            at += n;
            if (n > 100) {
                T_OK(run(&p, pieces[k]));
                T_ASSERT(p.plain[0].len == at && memcmp(p.plain[0].ptr, data, at) == 0);
                T_ASSERT(p.plain[1].len == at && memcmp(p.plain[1].ptr, data, at) == 0);
            }
        }
        pair_done(&p);
        free(data);
    }
}
/* Data sealed right after our own signature is no part of the handshake. */
SN_TEST(secret_data_behind_the_signature)
{
    struct pair p;
    pair_init(&p);
    T_EQ(sn_secret_seal(&p.end[0], "x", 1, &p.wire[0]), SN_E_FAILED_PRECONDITION);
    struct sn_buf *out = &p.wire[0];
    T_OK(sn_secret_feed(&p.end[0], p.wire[1].ptr, p.wire[1].len, out, &p.plain[0]));
    sn_buf_reset(&p.wire[1]);
    T_EQ(p.end[0].state, SN_SECRET_AUTH);
    T_OK(sn_secret_seal(&p.end[0], "early", 5, out));
    T_OK(run(&p, 0));
    T_STR(sn_buf_view(&p.plain[1]), "early");
    pair_done(&p);
}
/* Any bit that is changed on the way ends the connection by name; and it stays ended. */
SN_TEST(secret_tampered)
{
    for (unsigned i = 0; i < sn_test_cases(60); i++) {
        struct pair p;
        pair_init(&p);
        bool early = i % 3 == 0;
        if (!early) {
            T_OK(run(&p, 0));
            T_OK(sn_secret_seal(&p.end[0], "some data", 9, &p.wire[0]));
            T_OK(sn_secret_seal(&p.end[0], "and more", 8, &p.wire[0]));
        }
        size_t at = sn_test_rand_below(p.wire[0].len);
        p.wire[0].ptr[at] ^= (uint8_t)(1u << sn_test_rand_below(8));
        int r = run(&p, 0);
        /* The top bit of an X25519 key does not count; the transcript has it. */
        if (early)
            T_ASSERTF(r == SN_E_PROTOCOL || r == SN_E_DATA_LOSS || r == SN_E_UNAUTHENTICATED,
                      "byte %zu: %d", at, r);
        else
            T_ASSERTF(r == SN_E_DATA_LOSS, "byte %zu: %d", at, r);
        if (!early && at >= SN_SECRET_SEALED) T_STR(sn_buf_view(&p.plain[1]), "some data");
        unsigned broken = p.end[0].state == SN_SECRET_BROKEN ? 0 : 1;
        T_EQ(p.end[broken].state, SN_SECRET_BROKEN);
        T_EQ(sn_secret_feed(&p.end[broken], "x", 1, &p.wire[0], &p.plain[0]), SN_E_CLOSED);
        pair_done(&p);
    }
}
/* Frames repeated, exchanged or left out are not what was sealed. */
SN_TEST(secret_frames_keep_their_order)
{
    for (unsigned how = 0; how < 3; how++) {
        struct pair p;
        pair_init(&p);
        T_OK(run(&p, 0));
        T_OK(sn_secret_seal(&p.end[0], "one", 3, &p.wire[0]));
        T_OK(sn_secret_seal(&p.end[0], "two", 3, &p.wire[0]));
        uint8_t *f = p.wire[0].ptr, copy[SN_SECRET_SEALED];
        memcpy(copy, f, sizeof(copy));
        if (how == 0)
            memcpy(f + sizeof(copy), copy, sizeof(copy));
        else if (how == 1)
            memcpy(f, f + sizeof(copy), sizeof(copy)), memcpy(f + sizeof(copy), copy, sizeof(copy));
        else
            sn_buf_consume(&p.wire[0], sizeof(copy));
        T_EQ(run(&p, 0), SN_E_DATA_LOSS);
        pair_done(&p);
    }
}
static int feed_hello(const uint8_t *peer, size_t n)
{
    struct pair p;
    pair_init(&p);
    int r = sn_secret_feed(&p.end[0], peer, n, &p.wire[0], &p.plain[0]);
    pair_done(&p);
    return r;
}
SN_TEST(secret_refuses_bad_ephemeral_keys)
{
    uint8_t hello[35] = {0x22, 0x0a, 0x20};
    T_EQ(feed_hello(hello, 35), SN_E_PROTOCOL); /* zero */
    hello[3] = 1;
    T_EQ(feed_hello(hello, 35), SN_E_PROTOCOL); /* order one */
    memset(hello + 3, 0xff, 32);
    hello[3] = 0xec;
    hello[34] = 0x7f;
    T_EQ(feed_hello(hello, 35), SN_E_PROTOCOL); /* minus one */
    memset(hello, 0, sizeof(hello));
    T_EQ(feed_hello(hello, 35), SN_E_PROTOCOL);
    T_EQ(feed_hello((const uint8_t *)"GET / HTTP/1.1\r\nHost: x\r\n\r\n.........", 35),
         SN_E_PROTOCOL);
    /* A mirror. */
    struct pair p;
    pair_init(&p);
    const struct sn_buf own = p.wire[0];
    T_EQ(sn_secret_feed(&p.end[0], own.ptr, own.len, &p.wire[1], &p.plain[0]), SN_E_PROTOCOL);
    pair_done(&p);
}
/* A peer that knows how to agree on keys but not whose they are. */
static int with_auth(const uint8_t *auth, size_t n)
{
    struct pair p;
    pair_init(&p);
    sn_buf_reset(&p.wire[0]);
    T_OK(sn_secret_feed(&p.end[0], p.wire[1].ptr, p.wire[1].len, &p.wire[0], &p.plain[0]));
    sn_buf_reset(&p.wire[1]);
    /* end 1 gets end 0's first message again, to agree, and then says what it likes. */
    struct sn_buf hello = {0};
    sn_buf_put(&hello, (const uint8_t[]){0x22, 0x0a, 0x20}, 3);
    sn_buf_put(&hello, p.end[0].ephemeral_public, 32);
    T_OK(sn_secret_feed(&p.end[1], hello.ptr, hello.len, &p.wire[1], &p.plain[1]));
    sn_buf_reset(&p.wire[1]);
    p.end[1].sealed = 0;
    T_OK(sn_secret_seal(&p.end[1], auth, n, &p.wire[1]));
    int r = sn_secret_feed(&p.end[0], p.wire[1].ptr, p.wire[1].len, &p.wire[0], &p.plain[0]);
    sn_buf_done(&hello);
    pair_done(&p);
    return r;
}
SN_TEST(secret_refuses_bad_signatures)
{
    uint8_t auth[400] = {0};
    /* delimited: { pub_key: { ed25519: 32 bytes }, sig: 64 bytes } */
    static const uint8_t head[] = {102, 0x0a, 0x22, 0x0a, 0x20};
    memcpy(auth, head, sizeof(head));
    auth[5] = 1; /* the neutral element: a key like any other, until its signature is checked */
    auth[37] = 0x12;
    auth[38] = 0x40;
    auth[39 + 32] = 1; /* s; with zero the equation holds for this key, whatever is signed */
    T_EQ(with_auth(auth, 103), SN_E_UNAUTHENTICATED);
    auth[3] = 0x12; /* secp256k1 */
    T_EQ(with_auth(auth, 103), SN_E_PROTOCOL);
    auth[3] = 0x0a;
    auth[4] = 0x1f; /* 31 bytes of key */
    T_EQ(with_auth(auth, 103), SN_E_PROTOCOL);
    auth[0] = 0;
    T_EQ(with_auth(auth, 1), SN_E_PROTOCOL);
    auth[0] = 0xff;
    auth[1] = 0x7f;
    T_EQ(with_auth(auth, 2), SN_E_PROTOCOL);
    T_EQ(with_auth(auth, 1), 0); /* not all there yet */
}
static int torture(void *arg)
{
    struct pair p;
    int r;
    memset(&p, 0, sizeof(p));
    for (unsigned i = 0; i < 2; i++) {
        uint8_t seed[32] = {0, (uint8_t)(i + 1)};
        if ((r = sn_ed25519_from_seed(p.key[i], seed)) < 0) return r;
        if ((r = sn_secret_init(&p.end[i], p.key[i], seed, &p.wire[i])) < 0) {
            pair_done(&p);
            return r;
        }
    }
    r = run(&p, 0);
    if (r == 0) r = sn_secret_seal(&p.end[0], "x", 1, &p.wire[0]);
    if (r == 0) r = run(&p, 0);
    pair_done(&p);
    return r;
}
SN_TEST(secret_without_memory)
{
    int n = sn_torture(torture, NULL);
    T_ASSERTF(n > 3, "%s", sn_diag_str(n));
}

/* Published derivations: shared secret, whether we are the lower side, receive key, send key, and
 * the block of the expansion that serves nothing. */
SN_TEST(secret_golden_derivations)
{
    const char *const places[] = {"shared", "../shared", "../../shared"};
    char line[600];
    unsigned n = 0;
    FILE *f = NULL;
    for (size_t i = 0; i < SN_COUNT_OF(places) && !f; i++) {
        snprintf(line, sizeof(line),
                 SN_SOURCE_ROOT "/%s/vectors/secret_connection/derive_secrets_golden.csv",
                 places[i]);
        f = fopen(line, "r");
    }
    if (!f) sn_test_skip("no shared/vectors/secret_connection beside the checkout");
    while (fgets(line, sizeof(line), f)) {
        uint8_t shared[32], keys[96], got[96];
        struct sn_str at = sn_str(line), field[5];
        for (unsigned i = 0; i < 5; i++) {
            ssize_t end = sn_str_chr(at, i < 4 ? ',' : '\n');
            field[i] = sn_str_sub(at, 0, end < 0 ? at.len : (size_t)end);
            at = sn_str_from(at, field[i].len + 1);
        }
        bool lower = sn_str_eqc(field[1], "true");
        T_ASSERT(lower || sn_str_eqc(field[1], "false"));
        T_OK(sn_hex_decode(field[0], shared));
        T_OK(sn_hex_decode(field[2], keys + (lower ? 0 : 32)));
        T_OK(sn_hex_decode(field[3], keys + (lower ? 32 : 0)));
        T_OK(sn_hex_decode(field[4], keys + 64));
        T_OK(sn_secret_derive(shared, got));
        T_ASSERTF(memcmp(got, keys, 96) == 0, "line %u", n + 1);
        n++;
    }
    fclose(f);
    T_EQ(n, 32);
}
