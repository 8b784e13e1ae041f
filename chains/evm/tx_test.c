/* SPDX-License-Identifier: Apache-2.0 */
#include "core/alloc.h"
#include "core/enc.h"
#include "core/status.h"
#include "evm/eip712.h"
#include "evm/rlp.h"
#include "evm/tx.h"
#include "harness/test.h"

static size_t unhex(const char *hex, uint8_t *out)
{
    ssize_t n = sn_hex_decode(sn_str(hex), out);
    T_OK(n);
    return (size_t)n;
}
static void expect_hex(const void *p, size_t n, const char *want)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    sn_buf_hex(&b, p, n);
    T_CSTR(sn_buf_cz(&b), want);
    sn_buf_done(&b);
}
#define KEY "4646464646464646464646464646464646464646464646464646464646464646"

/* EIP-155's own example. */
SN_TEST(tx_eip155_example)
{
    struct sn_tx tx = {.has_chain = true, .chain_id = 1, .nonce = 9, .gas_limit = 21000,
                       .has_to = true};
    uint8_t key[32], digest[32], from[20];
    struct sn_buf b;
    struct sn_arena a;
    sn_buf_init(&b, 0);
    sn_arena_init(&a, NULL, 0);
    unhex(KEY, key);
    memset(tx.to, 0x35, sizeof(tx.to));
    tx.gas_price = sn_u256(20000000000);
    tx.value = sn_u256(1000000000000000000);
    T_OK(sn_tx_digest(&tx, digest));
    expect_hex(digest, 32, "daf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53");
    T_OK(sn_tx_sign(&tx, key));
    T_OK(sn_tx_encode(&tx, &b));
    expect_hex(b.ptr, b.len,
               "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080"
               "25a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761a"
               "ecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83");
    struct sn_tx back;
    T_OK(sn_tx_decode(&a, sn_buf_view(&b), &back));
    T_OK(sn_tx_sender(&back, from));
    expect_hex(from, 20, "9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f");
    T_EQ(back.chain_id, 1);
    sn_buf_done(&b);
    sn_arena_done(&a);
}

static struct sn_u256 random_u256(void)
{
    struct sn_u256 x;
    for (unsigned i = 0; i < 4; i++) x.w[i] = sn_test_rand() & (0 - (sn_test_rand() & 1));
    return x;
}
static void random_bytes(void *p, size_t n)
{
    for (size_t i = 0; i < n; i++) ((uint8_t *)p)[i] = (uint8_t)sn_test_rand();
}
static void random_tx(struct sn_arena *a, struct sn_tx *tx)
{
    *tx = (struct sn_tx){.type = (uint8_t)sn_test_rand_below(5)};
    tx->has_chain = tx->type || sn_test_rand() % 2;
    tx->chain_id = tx->has_chain ? sn_test_rand() >> (2 + sn_test_rand_below(60)) : 0;
    tx->nonce = sn_test_rand() >> sn_test_rand_below(64);
    tx->gas_limit = sn_test_rand() >> sn_test_rand_below(64);
    tx->has_to = tx->type >= SN_TX_BLOB || sn_test_rand() % 2;
    if (tx->has_to) random_bytes(tx->to, sizeof(tx->to));
    tx->value = random_u256();
    size_t n = sn_test_rand_below(200);
    char *data = sn_arena_alloc(a, n);
    random_bytes(data, n);
    tx->data = sn_str_of(data, n);
    if (tx->type <= SN_TX_ACCESS_LIST) tx->gas_price = random_u256();
    else tx->max_fee = random_u256();
    if (tx->type >= SN_TX_ACCESS_LIST && sn_test_rand() % 2) {
        struct sn_tx_access *x = SN_ARENA_ARRAY(a, struct sn_tx_access, 2);
        uint8_t *keys = sn_arena_alloc(a, 96);
        random_bytes(keys, 96);
        x[1].keys = keys;
        x[1].n_keys = 3;
        tx->access = x;
        tx->n_access = 2;
    }
    if (tx->type == SN_TX_BLOB) {
        uint8_t *hashes = sn_arena_alloc(a, 64);
        random_bytes(hashes, 64);
        tx->blob_hashes = hashes;
        tx->n_blobs = 1 + sn_test_rand() % 2;
        tx->max_blob_fee = random_u256();
    }
    if (tx->type == SN_TX_SET_CODE) {
        struct sn_tx_auth *x = SN_ARENA_ARRAY(a, struct sn_tx_auth, 1);
        uint8_t key[32] = {[31] = 7};
        x->chain_id = sn_u256(sn_test_rand() % 3);
        x->nonce = sn_test_rand() % 3;
        T_OK(sn_tx_auth_sign(x, key));
        tx->auths = x;
        tx->n_auths = 1;
    }
}
SN_TEST(tx_round_trip)
{
    for (unsigned i = 0; i < sn_test_cases(300); i++) {
        struct sn_arena a;
        struct sn_tx tx, back, third;
        struct sn_buf b, again, json;
        uint8_t key[32] = {1}, from[20], want[20], h1[32], h2[32];
        const struct sn_json *tree;
        sn_arena_init(&a, NULL, 0);
        sn_buf_init(&b, 0);
        sn_buf_init(&again, 0);
        sn_buf_init(&json, 0);
        random_tx(&a, &tx);
        sn_test_row("case %u, type %u", i, tx.type);
        if (i % 3) {
            random_bytes(key + 1, 31);
            T_OK(sn_tx_sign(&tx, key));
        }
        T_OK(sn_tx_encode(&tx, &b));
        T_OK(sn_tx_decode(&a, sn_buf_view(&b), &back));
        T_OK(sn_tx_encode(&back, &again));
        T_ASSERT(sn_str_eq(sn_buf_view(&b), sn_buf_view(&again)));
        T_EQ(back.is_signed, tx.is_signed);
        if (tx.is_signed) {
            T_OK(sn_tx_sender(&back, from));
            T_OK(sn_address_of_key(key, want));
            T_ASSERT(memcmp(from, want, 20) == 0);
            T_OK(sn_tx_hash(&tx, h1));
            T_OK(sn_tx_hash(&back, h2));
            T_ASSERT(memcmp(h1, h2, 32) == 0);
        }
        struct sn_jsonw w;
        sn_jsonw_init(&w, &json, NULL);
        sn_tx_to_json(&w, &tx);
        T_OK(sn_json_parse(&a, sn_buf_view(&json), NULL, &tree));
        T_OK(sn_tx_from_json(&a, tree, &third));
        sn_buf_reset(&again);
        T_OK(sn_tx_encode(&third, &again));
        T_ASSERT(sn_str_eq(sn_buf_view(&b), sn_buf_view(&again)));
        /* Cut short nothing decodes; bytes behind it neither. */
        size_t cut = sn_test_rand_below(b.len);
        T_ASSERT(sn_tx_decode(&a, sn_str_sub(sn_buf_view(&b), 0, cut), &back) < 0);
        sn_buf_byte(&b, 0);
        T_ASSERT(sn_tx_decode(&a, sn_buf_view(&b), &back) < 0);
        sn_buf_done(&b);
        sn_buf_done(&again);
        sn_buf_done(&json);
        sn_arena_done(&a);
    }
}
static void sidecar(struct sn_arena *a, unsigned version, struct sn_tx *tx, size_t blobs)
{
    size_t proofs = version ? SN_TX_CELL_PROOFS : 1;
    char *mem = sn_arena_zalloc(a, blobs * (SN_TX_BLOB_LEN + 48 + 48 * proofs));
    T_ASSERT(mem);
    tx->has_sidecar = true;
    tx->sidecar_version = (uint8_t)version;
    tx->n_blobs = blobs;
    tx->blob_hashes = sn_arena_zalloc(a, 32 * blobs);
    tx->blobs = sn_str_of(mem, blobs * SN_TX_BLOB_LEN);
    tx->commitments = sn_str_of(mem + tx->blobs.len, 48 * blobs);
    tx->proofs = sn_str_of(tx->commitments.ptr + tx->commitments.len, 48 * blobs * proofs);
    mem[5] = 9;
}
SN_TEST(tx_blob_network_form)
{
    for (unsigned version = 0; version < 2; version++) {
        struct sn_arena a;
        struct sn_buf b, again;
        struct sn_tx tx = {.type = SN_TX_BLOB, .has_to = true, .chain_id = 1}, back;
        uint8_t key[32] = {5}, h1[32], h2[32];
        sn_arena_init(&a, NULL, 0);
        sn_buf_init(&b, 0);
        sn_buf_init(&again, 0);
        sidecar(&a, version, &tx, 2);
        T_OK(sn_tx_sign(&tx, key));
        T_OK(sn_tx_encode(&tx, &b));
        T_OK(sn_tx_decode(&a, sn_buf_view(&b), &back));
        T_ASSERT(back.has_sidecar);
        T_EQ(back.sidecar_version, version);
        T_OK(sn_tx_encode(&back, &again));
        T_ASSERT(sn_str_eq(sn_buf_view(&b), sn_buf_view(&again)));
        /* The blobs are no part of the name. */
        T_OK(sn_tx_hash(&tx, h1));
        tx.has_sidecar = false;
        T_OK(sn_tx_hash(&tx, h2));
        T_ASSERT(memcmp(h1, h2, 32) == 0);
        tx.has_sidecar = true;
        tx.n_blobs = 1;
        T_EQ(sn_tx_encode(&tx, &again), SN_E_INVALID_ARGUMENT);
        sn_buf_done(&b);
        sn_buf_done(&again);
        sn_arena_done(&a);
    }
}
SN_TEST(tx_refused)
{
    static const struct {
        const char *hex;
        int code;
    } rows[] = {
        {"", SN_E_SYNTAX},
        {"05c0", SN_E_UNIMPLEMENTED},
        {"00c0", SN_E_UNIMPLEMENTED},
        {"c0", SN_E_SYNTAX},
        {"02c0", SN_E_SYNTAX},
        {"0280", SN_E_SYNTAX},
        {"80", SN_E_UNIMPLEMENTED},
        /* nonce 00, gas price 0001, to of 19 bytes, v 29 */
        {"c6008080808080", SN_E_SYNTAX},
        {"c88082000180808080", SN_E_SYNTAX},
        {"d9808080930000000000000000000000000000000000000000000000", SN_E_SYNTAX},
        {"c98080808080801d0101", SN_E_SYNTAX},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        struct sn_tx tx;
        uint8_t raw[64];
        sn_test_row("%s", rows[i].hex);
        sn_arena_init(&a, NULL, 0);
        size_t n = unhex(rows[i].hex, raw);
        T_EQ(sn_tx_decode(&a, sn_str_of((char *)raw, n), &tx), rows[i].code);
        sn_arena_done(&a);
    }
}
SN_TEST(tx_high_s_has_no_sender)
{
    struct sn_tx tx = {.has_chain = true, .chain_id = 1};
    uint8_t key[32] = {9}, from[20], order[32];
    unhex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", order);
    T_OK(sn_tx_sign(&tx, key));
    T_OK(sn_tx_sender(&tx, from));
    sn_u256_sub(sn_u256_load(order), tx.sig.s, &tx.sig.s);
    tx.sig.parity ^= 1;
    T_EQ(sn_tx_sender(&tx, from), SN_E_INVALID_ARGUMENT);
}
SN_TEST(tx_created_addresses)
{
    uint8_t sender[20], salt[32] = {0}, got[20];
    unhex("6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0", sender);
    sn_tx_created(sender, 0, got);
    expect_hex(got, 20, "cd234a471b72ba2f1ccf0a70fcaba648a5eecd8d");
    sn_tx_created(sender, 1, got);
    expect_hex(got, 20, "343c43a37d37dff08ae8c4a11544c718abb4fcf8");
    /* EIP-1014's examples. */
    memset(sender, 0, sizeof(sender));
    sn_tx_created2(sender, salt, sn_str_of("\0", 1), got);
    expect_hex(got, 20, "4d1a2e2bb4f88f0250f26ffff098b0b30b26bf38");
    unhex("00000000000000000000000000000000deadbeef", sender);
    unhex("00000000000000000000000000000000000000000000000000000000cafebabe", salt);
    sn_tx_created2(sender, salt, sn_str("\xde\xad\xbe\xef"), got);
    expect_hex(got, 20, "60f3f640a8508fc6a86d45df051962668e1e8ac7");
}
SN_TEST(tx_message_signature)
{
    uint8_t key[32], digest[32], sig[65], who[20], want[20];
    unhex("0123456789012345678901234567890123456789012345678901234567890123", key);
    sn_message_digest(SN_STR("Hello World"), digest);
    expect_hex(digest, 32, "a1de988600a42c4b4ab089b619297c17d53cffae5d5120d82d8a92d0bb3b78f2");
    T_OK(sn_digest_sign(digest, key, sig));
    T_OK(sn_digest_signer(digest, sig, who));
    T_OK(sn_address_of_key(key, want));
    T_ASSERT(memcmp(who, want, 20) == 0);
    sig[64] = 29;
    T_EQ(sn_digest_signer(digest, sig, who), SN_E_INVALID_ARGUMENT);
}

SN_TEST(rlp_canonical)
{
    static const struct {
        const char *hex;
        int code;
    } rows[] = {
        {"00", 0},       {"7f", 0},         {"80", 0},           {"8180", 0},  {"c0", 0},
        {"8100", SN_E_SYNTAX},   {"817f", SN_E_SYNTAX}, {"81", SN_E_SYNTAX}, {"b800", SN_E_SYNTAX},
        {"b80141", SN_E_SYNTAX}, {"b90001", SN_E_SYNTAX}, {"c1", SN_E_SYNTAX},
        {"f800", SN_E_SYNTAX},   {"bfffffffffffffffff", SN_E_SYNTAX}, {"ffffffffffffffffff", SN_E_SYNTAX},
        {"0000", SN_E_SYNTAX},   {"", SN_E_SYNTAX},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        uint8_t raw[16];
        struct sn_rlp it;
        sn_test_row("%s", rows[i].hex);
        size_t n = unhex(rows[i].hex, raw);
        T_EQ(sn_rlp_one(sn_str_of((char *)raw, n), &it), rows[i].code);
    }
}
SN_TEST(rlp_lengths)
{
    static const size_t lengths[] = {0, 1, 55, 56, 255, 256, 65535, 65536, 70000};
    char *data = sn_alloc(70000);
    memset(data, 'x', 70000);
    for (size_t i = 0; i < SN_COUNT_OF(lengths); i++) {
        struct sn_buf b;
        struct sn_rlp list, item;
        sn_buf_init(&b, 0);
        size_t mark = sn_rlp_list_begin(&b);
        sn_rlp_put_str(&b, sn_str_of(data, lengths[i]));
        sn_rlp_list_end(&b, mark);
        T_OK(sn_rlp_one(sn_buf_view(&b), &list));
        T_ASSERT(list.list);
        T_OK(sn_rlp_one(list.data, &item));
        T_EQ(item.data.len, lengths[i]);
        sn_buf_done(&b);
    }
    sn_free(data);
}

/* EIP-712's own example. */
SN_TEST(eip712_mail)
{
    static const char text[] =
        "{\"types\":{\"Person\":[{\"name\":\"name\",\"type\":\"string\"},{\"name\":\"wallet\","
        "\"type\":\"address\"}],\"Mail\":[{\"name\":\"from\",\"type\":\"Person\"},{\"name\":\"to\","
        "\"type\":\"Person\"},{\"name\":\"contents\",\"type\":\"string\"}]},\"primaryType\":\"Mail\","
        "\"domain\":{\"name\":\"Ether Mail\",\"version\":\"1\",\"chainId\":1,\"verifyingContract\":"
        "\"0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC\"},\"message\":{\"from\":{\"name\":\"Cow\","
        "\"wallet\":\"0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826\"},\"to\":{\"name\":\"Bob\",\"wallet\":"
        "\"0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB\"},\"contents\":\"Hello, Bob!\"}}";
    struct sn_arena a;
    const struct sn_json *v;
    struct sn_eip712 got;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_json_parse(&a, sn_str(text), NULL, &v));
    T_OK(sn_eip712_hash(&a, v, &got));
    T_STR(got.type, "Mail(Person from,Person to,string contents)Person(string name,address wallet)");
    expect_hex(got.domain, 32, "f2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f");
    expect_hex(got.message, 32, "c52c0ee5d84264471806290a3f2c4cecfc5490626bf912d01f240d7a274b371e");
    expect_hex(got.digest, 32, "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2");
    sn_arena_done(&a);
}
SN_TEST(eip712_refused)
{
    static const struct {
        const char *text;
        int code;
    } rows[] = {
        {"{}", SN_E_INVALID_ARGUMENT},
        {"{\"types\":{},\"primaryType\":\"A\",\"domain\":{}}", SN_E_NOT_FOUND},
        {"{\"types\":{\"A\":[{\"name\":\"x\",\"type\":\"B\"}]},\"primaryType\":\"A\",\"domain\":{},"
         "\"message\":{\"x\":1}}", SN_E_NOT_FOUND},
        {"{\"types\":{\"A\":[{\"name\":\"x\",\"type\":\"uint8\"}]},\"primaryType\":\"A\",\"domain\":{},"
         "\"message\":{\"x\":256}}", SN_E_OUT_OF_RANGE},
        {"{\"types\":{\"A\":[{\"name\":\"x\",\"type\":\"A\"}]},\"primaryType\":\"A\",\"domain\":{},"
         "\"message\":{\"x\":{}}}", SN_E_INVALID_ARGUMENT},
        {"{\"types\":{\"A\":[{\"name\":\"x\",\"type\":\"uint8[2]\"}]},\"primaryType\":\"A\",\"domain\":"
         "{},\"message\":{\"x\":[1]}}", SN_E_INVALID_ARGUMENT},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        const struct sn_json *v;
        struct sn_eip712 got;
        sn_arena_init(&a, NULL, 0);
        sn_test_row("%s", rows[i].text);
        T_OK(sn_json_parse(&a, sn_str(rows[i].text), NULL, &v));
        T_EQ(sn_eip712_hash(&a, v, &got), rows[i].code);
        sn_arena_done(&a);
    }
}
