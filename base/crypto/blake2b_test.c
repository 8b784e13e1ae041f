/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/blake2b.h"

#include "core/status.h"
#include "crypto/hash.h"
#include "harness/test.h"

/* Against OpenSSL's, in pieces, through a kept state at any place. */
SN_TEST(blake2b_against_openssl)
{
    for (unsigned k = sn_test_cases(200); k-- > 0;) {
        uint8_t data[700], want[64], got[64], state[SN_BLAKE2B_STATE];
        size_t n = sn_test_rand_below(sizeof(data) + 1), at = sn_test_rand_below((unsigned)n + 1);
        struct sn_blake2b b;
        for (size_t i = 0; i < n; i++) data[i] = (uint8_t)sn_test_rand_below(256);
        T_EQ(sn_hash_once(SN_BLAKE2B_512, data, n, want), 0);
        sn_blake2b_init(&b);
        sn_blake2b_put(&b, data, at);
        sn_blake2b_save(&b, state);
        memset(&b, 0xa5, sizeof(b));
        T_EQ(sn_blake2b_load(&b, state), 0);
        sn_blake2b_put(&b, data + at, n - at);
        sn_blake2b_final(&b, got);
        T_ASSERT(memcmp(got, want, 64) == 0);
        state[200] = 129;
        T_EQ(sn_blake2b_load(&b, state), SN_E_OUT_OF_RANGE);
    }
}
