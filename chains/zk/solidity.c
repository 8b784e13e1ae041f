/* SPDX-License-Identifier: Apache-2.0 */
/* zk/solidity.c - a verifier contract. Precompiles: 6 adds, 7 multiplies, 8 checks pairings
 * (EIP-196, EIP-197); the pairing takes the imaginary half of Fq2 coordinates first. */
#include "core/status.h"
#include "zk/groth16.h"

static void put_number(struct sn_buf *out, const char *name, const struct sn_group *g,
                       const void *p, unsigned i)
{
    char dec[SN_FE_DEC_MAX];
    (void)sn_affine_get_dec(g, p, i, dec);
    (void)sn_buf_printf(out, "    uint256 private constant %s = %s;\n", name, dec);
}

static void put_g1(struct sn_buf *out, const char *name, const struct sn_group *g, const void *p)
{
    char full[48];
    struct sn_buf b;
    for (unsigned i = 0; i < 2; i++) {
        sn_buf_init_fixed(&b, full, sizeof(full));
        (void)sn_buf_printf(&b, "%s_%s", name, i ? "Y" : "X");
        put_number(out, sn_buf_cz(&b), g, p, i);
    }
}

static void put_g2(struct sn_buf *out, const char *name, const struct sn_group *g, const void *p)
{
    static const char *const suffix[4] = {"X1", "X2", "Y1", "Y2"};
    static const unsigned at[4] = {1, 0, 3, 2}; /* 1 is the imaginary half, as the precompile */
    char full[48];
    struct sn_buf b;
    for (unsigned i = 0; i < 4; i++) {
        sn_buf_init_fixed(&b, full, sizeof(full));
        (void)sn_buf_printf(&b, "%s_%s", name, suffix[i]);
        put_number(out, sn_buf_cz(&b), g, p, at[i]);
    }
}

static const char head[] =
    "// SPDX-License-Identifier: Apache-2.0\n"
    "// Groth16 verifier over BN254, written by sennit.\n"
    "pragma solidity >=0.7.0 <0.9.0;\n\n"
    "contract Groth16Verifier {\n"
    "    uint256 private constant R =\n"
    "        21888242871839275222246405745257275088548364400416034343698204186575808495617;\n"
    "    uint256 private constant Q =\n"
    "        21888242871839275222246405745257275088696311157297823662689037894645226208583;\n";

/* p: the pairing's input. s: sum (2 words), term (2), scalar: as the precompiles take them. */
static const char open_body[] =
    "        // -A, B | alpha, beta | vk_x, gamma | C, delta\n"
    "        uint256[24] memory p;\n"
    "        if (a[0] >= Q || a[1] >= Q) return false;\n"
    "        p[0] = a[0];\n"
    "        p[1] = a[1] == 0 ? 0 : Q - a[1];\n"
    "        p[2] = b[0][0];\n"
    "        p[3] = b[0][1];\n"
    "        p[4] = b[1][0];\n"
    "        p[5] = b[1][1];\n"
    "        p[6] = ALPHA_X;\n"
    "        p[7] = ALPHA_Y;\n"
    "        p[8] = BETA_X1;\n"
    "        p[9] = BETA_X2;\n"
    "        p[10] = BETA_Y1;\n"
    "        p[11] = BETA_Y2;\n"
    "        p[14] = GAMMA_X1;\n"
    "        p[15] = GAMMA_X2;\n"
    "        p[16] = GAMMA_Y1;\n"
    "        p[17] = GAMMA_Y2;\n"
    "        p[18] = c[0];\n"
    "        p[19] = c[1];\n"
    "        p[20] = DELTA_X1;\n"
    "        p[21] = DELTA_X2;\n"
    "        p[22] = DELTA_Y1;\n"
    "        p[23] = DELTA_Y2;\n"
    "        // s: the sum, then a term and what it is scaled by\n"
    "        uint256[5] memory s;\n"
    "        s[0] = IC0_X;\n"
    "        s[1] = IC0_Y;\n";

static const char tail[] =
    "        p[12] = s[0];\n"
    "        p[13] = s[1];\n"
    "        uint256[1] memory good;\n"
    "        bool done;\n"
    "        assembly {\n"
    "            done := staticcall(gas(), 8, p, 768, good, 32)\n"
    "        }\n"
    "        return done && good[0] == 1;\n"
    "    }\n\n"
    "    // s[0..1] += scalar * (x, y); false where the scalar is not below R.\n"
    "    function accumulate(uint256[5] memory s, uint256 x, uint256 y, uint256 scalar)\n"
    "        private view returns (bool done)\n"
    "    {\n"
    "        if (scalar >= R) return false;\n"
    "        s[2] = x;\n"
    "        s[3] = y;\n"
    "        s[4] = scalar;\n"
    "        assembly {\n"
    "            done := staticcall(gas(), 7, add(s, 64), 96, add(s, 64), 64)\n"
    "            done := and(done, staticcall(gas(), 6, s, 128, s, 64))\n"
    "        }\n"
    "    }\n"
    "}\n";

int sn_groth_solidity(const struct sn_groth_vkey *k, struct sn_buf *out)
{
    const struct sn_group *g1 = &k->curve->g1, *g2 = &k->curve->g2;
    if (k->curve != &sn_bn254)
        return sn_fail(SN_E_UNIMPLEMENTED, "contracts verify proofs over bn254, not %s",
                       k->curve->name);
    (void)sn_buf_cstr(out, head);
    put_g1(out, "ALPHA", g1, k->alpha1);
    put_g2(out, "BETA", g2, k->beta2);
    put_g2(out, "GAMMA", g2, k->gamma2);
    put_g2(out, "DELTA", g2, k->delta2);
    for (uint32_t i = 0; i <= k->n_public; i++) {
        char name[24];
        struct sn_buf b;
        sn_buf_init_fixed(&b, name, sizeof(name));
        (void)sn_buf_printf(&b, "IC%u", i);
        put_g1(out, sn_buf_cz(&b), g1, k->ic + (size_t)i * g1->affine_size);
    }
    (void)sn_buf_cstr(out, "\n    function verifyProof(\n"
                           "        uint256[2] calldata a,\n"
                           "        uint256[2][2] calldata b,\n"
                           "        uint256[2] calldata c");
    /* Solidity has no arrays of no elements. */
    if (k->n_public)
        (void)sn_buf_printf(out, ",\n        uint256[%u] calldata pub", k->n_public);
    (void)sn_buf_cstr(out, "\n    ) public view returns (bool) {\n");
    (void)sn_buf_cstr(out, open_body);
    for (uint32_t i = 1; i <= k->n_public; i++)
        (void)sn_buf_printf(out,
                            "        if (!accumulate(s, IC%u_X, IC%u_Y, pub[%u])) return false;\n",
                            i, i, i - 1);
    return sn_buf_cstr(out, tail);
}
