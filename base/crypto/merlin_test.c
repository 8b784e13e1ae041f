/* SPDX-License-Identifier: Apache-2.0 */
#include "core/enc.h"
#include "crypto/merlin.h"
#include "harness/test.h"

/* The known answer of merlin's own tests. */
SN_TEST(merlin_known_answer)
{
    struct sn_merlin m;
    uint8_t out[32];
    char hex[64];
    sn_merlin_init(&m, SN_STR("test protocol"));
    sn_merlin_append(&m, SN_STR("some label"), "some data", 9);
    sn_merlin_challenge(&m, SN_STR("challenge"), out, sizeof(out));
    T_STR(sn_str_of(hex, sn_hex_encode(out, 32, hex)),
          "d5a21972d0d5fe320c0d263fac7fffb8145aa640af6e9bca177c03c7efcf0615");
}
/* Messages and challenges longer than the sponge's rate; and a challenge binds what came before. */
SN_TEST(merlin_long_and_bound)
{
    static uint8_t data[1000];
    uint8_t a[400], b[400];
    struct sn_merlin m, k;
    for (unsigned i = 0; i < sizeof(data); i++) data[i] = (uint8_t)(i * 7);
    sn_merlin_init(&m, SN_STR("p"));
    k = m;
    sn_merlin_append(&m, SN_STR("l"), data, sizeof(data));
    data[999] ^= 1;
    sn_merlin_append(&k, SN_STR("l"), data, sizeof(data));
    sn_merlin_challenge(&m, SN_STR("c"), a, sizeof(a));
    sn_merlin_challenge(&k, SN_STR("c"), b, sizeof(b));
    T_ASSERT(memcmp(a, b, sizeof(a)) != 0 && memcmp(a + 300, b + 300, 100) != 0);
    /* The same again is another challenge. */
    sn_merlin_challenge(&m, SN_STR("c"), b, sizeof(b));
    T_ASSERT(memcmp(a, b, sizeof(a)) != 0);
}
