/* SPDX-License-Identifier: Apache-2.0 */
/* The hash against published answers. */
#include "poseidon.h"

#include "core/enc.h"
#include "harness/test.h"

/* The reference implementation's test vector for x^5, 254 bits, width 3: the permutation of 0, 1, 2. */
SN_TEST(poseidon_permutation)
{
    static const char *const expected[] = {
        "115cc0f5e7d690413df64c6b9662e9cf2a3617f2743245519e19607a4417189a",
        "0fca49b798923ab0239de1c9e7a4a9a2210312b6a2f616d18b5a87f9b628ae29",
        "0e7ae82e40091e63cbd4f16a6d16310b3729d4b6e138fcf54110e2867045a30c"};
    struct poseidon p;
    struct sn_fe state[3];
    poseidon_init(&p);
    for (uint64_t i = 0; i < 3; i++) sn_fe_set_u64(&sn_bn254_fr, &state[i], i);
    poseidon_permute(&p, state);
    for (size_t i = 0; i < 3; i++) {
        uint8_t bytes[32];
        char hex[65] = "";
        sn_fe_to_bytes_be(&sn_bn254_fr, bytes, &state[i]);
        sn_hex_encode(bytes, 32, hex);
        T_CSTR(hex, expected[i]);
    }
}

SN_TEST(poseidon_of_one_and_two)
{
    struct poseidon p;
    struct sn_fe a, b, h;
    char text[SN_FE_DEC_MAX];
    poseidon_init(&p);
    sn_fe_set_u64(&sn_bn254_fr, &a, 1);
    sn_fe_set_u64(&sn_bn254_fr, &b, 2);
    poseidon_hash(&p, &a, &b, &h);
    sn_fe_to_dec(&sn_bn254_fr, &h, text);
    T_CSTR(text, "7853200120776062878684798364095072458815029376092732009249414926327459813530");
}
