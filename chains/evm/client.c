/* SPDX-License-Identifier: Apache-2.0 */
/* evm/client.c - one chain behind a node: which it is, its blocks, and keys that sign for it. */
#include "evm/client.h"

#include <stdio.h>
#include <sys/mman.h>

#include "core/alloc.h"
#include "core/enc.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "evm/client_int.h"

/* ---- values ---- */

int sn_eth_number(const struct sn_json *v, const char *what, uint64_t *ret)
{
    struct sn_str s = sn_json_str(v);
    if (sn_eth_quantity(v, what, ret) == 0) return 0;
    return sn_fail(SN_E_PROTOCOL,
                   "%s: \"0x...\" of at most 64 bits expected, the node said \"%.*s\"", what,
                   (int)SN_MIN(s.len, (size_t)80), s.ptr ? s.ptr : "");
}
int sn_eth_bytes(const struct sn_json *v, const char *what, void *ret, size_t n)
{
    struct sn_str s = sn_json_str(v);
    if (s.len != 2 + 2 * n || !sn_str_starts(s, SN_STR("0x")) ||
        sn_hex_decode(sn_str_from(s, 2), ret) < 0)
        return sn_fail(SN_E_PROTOCOL, "%s: 0x and %zu bytes in hexadecimal expected, got \"%.*s\"",
                       what, n, (int)SN_MIN(s.len, (size_t)80), s.ptr ? s.ptr : "");
    return 0;
}
int sn_eth_data(struct sn_arena *a, const struct sn_json *v, const char *what, struct sn_str *ret)
{
    struct sn_str s = sn_json_str(v);
    char *out = sn_arena_alloc(a, s.len / 2 + 1);
    if (!out) return SN_E_NOMEM;
    ssize_t n = sn_str_starts(s, SN_STR("0x")) ? sn_hex_decode(sn_str_from(s, 2), out) : -1;
    if (n < 0)
        return sn_fail(SN_E_PROTOCOL, "%s: 0x and hexadecimal digits expected, got \"%.*s\"", what,
                       (int)SN_MIN(s.len, (size_t)80), s.ptr ? s.ptr : "");
    *ret = sn_str_of(out, (size_t)n);
    return 0;
}
struct sn_str sn_eth_hex(struct sn_arena *a, const void *data, size_t n)
{
    char *out = sn_arena_alloc(a, 2 * n + 3);
    if (!out) return (struct sn_str){0};
    out[0] = '0';
    out[1] = 'x';
    sn_hex_encode(data, n, out + 2);
    out[2 * n + 2] = 0;
    return sn_str_of(out, 2 * n + 2);
}
bool sn_eth_transient(int r)
{
    return r == SN_E_UNAVAILABLE || r == SN_E_RESET || r == SN_E_REFUSED || r == SN_E_EOF ||
           r == SN_E_DEADLINE_EXCEEDED || r == SN_E_RESOURCE_EXHAUSTED || r == SN_E_PROTOCOL ||
           r == SN_E_NOT_FOUND || r == SN_E_UNKNOWN || r == SN_E_TOO_LARGE || r == SN_E_IO;
}

/* ---- the chain ---- */

static int chain_of(struct sn_eth_rpc *rpc, uint64_t *ret)
{
    struct sn_arena a;
    const struct sn_json *v;
    sn_arena_init(&a, NULL, 0);
    int r = sn_eth_call(rpc, &a, &v, NULL, "eth_chainId", "[]");
    if (r >= 0) r = sn_eth_number(v, "eth_chainId", ret);
    sn_arena_done(&a);
    return r;
}
static int compare_chains(uint64_t is, uint64_t meant)
{
    if (meant == 0 || is == meant) return 0;
    return sn_fail(SN_E_FAILED_PRECONDITION, "the node is on chain %llu, not on %llu",
                   (unsigned long long)is, (unsigned long long)meant);
}
int sn_eth_client_init(struct sn_eth_client *c, struct sn_eth_rpc *rpc, uint64_t chain_id,
                       int64_t poll_ns)
{
    uint64_t is = 0;
    int r = chain_of(rpc, &is);
    if (r >= 0) r = compare_chains(is, chain_id);
    if (r < 0) return r;
    *c = (struct sn_eth_client){.rpc = rpc,
                                .chain_id = is,
                                .poll_ns = poll_ns ? poll_ns : SN_ETH_POLL_NS_DEFAULT};
    return 0;
}
int sn_eth_client_check(const struct sn_eth_client *c)
{
    uint64_t is = 0;
    int r = chain_of(c->rpc, &is);
    return r < 0 ? r : compare_chains(is, c->chain_id);
}

/* ---- blocks ---- */

int sn_eth_block_read(const struct sn_json *v, struct sn_eth_block *ret)
{
    struct sn_eth_block b = {.json = v};
    int r = sn_eth_number(sn_json_get(v, "number"), "block number", &b.number);
    if (r == 0) r = sn_eth_number(sn_json_get(v, "timestamp"), "block timestamp", &b.timestamp);
    if (r == 0) r = sn_eth_bytes(sn_json_get(v, "hash"), "block hash", b.hash, 32);
    if (r == 0) r = sn_eth_bytes(sn_json_get(v, "parentHash"), "parentHash", b.parent, 32);
    if (r == 0) *ret = b;
    return r;
}
int sn_eth_block_get(const struct sn_eth_client *c, struct sn_str what, struct sn_arena *a,
                     struct sn_eth_block *ret)
{
    const struct sn_json *v;
    struct sn_eth_block b;
    uint64_t number;
    int r = sn_eth_call(c->rpc, a, &v, NULL, "eth_getBlockByNumber", "[\"%.*s\",false]",
                        SN_STR_ARG(what));
    if (r < 0) return r;
    if (sn_json_is(v, SN_JSON_NULL))
        return sn_fail(SN_E_NOT_FOUND, "no block %.*s", SN_STR_ARG(what));
    if ((r = sn_eth_block_read(v, &b)) < 0) return r;
    struct sn_json asked = sn_json_string(what);
    if (sn_str_starts(what, SN_STR("0x")) && sn_eth_quantity(&asked, "block", &number) == 0 &&
        number != b.number)
        return sn_fail(SN_E_PROTOCOL, "asked for block %llu, got %llu", (unsigned long long)number,
                       (unsigned long long)b.number);
    *ret = b;
    return 0;
}

/* ---- a key in memory ---- */

#define KEY_PAGE 4096u /* a page of its own, so that it alone is kept out of core dumps */

struct local {
    struct sn_eth_signer signer;
    uint8_t *key;
};
static int local_sign(struct sn_eth_signer *s, struct sn_tx *tx)
{
    return sn_tx_sign(tx, SN_CONTAINER_OF(s, struct local, signer)->key);
}
static int local_digest(struct sn_eth_signer *s, const uint8_t digest[32], uint8_t ret[65])
{
    return sn_digest_sign(digest, SN_CONTAINER_OF(s, struct local, signer)->key, ret);
}
static void local_free(struct sn_eth_signer *s)
{
    struct local *l = SN_CONTAINER_OF(s, struct local, signer);
    if (l->key) {
        sn_wipe(l->key, 32);
        (void)munlock(l->key, KEY_PAGE);
        (void)madvise(l->key, KEY_PAGE, MADV_DODUMP);
        sn_free(l->key);
    }
    sn_free(l);
}
int sn_eth_signer_local(const uint8_t key[32], struct sn_eth_signer **ret)
{
    struct local *l = SN_NEW(struct local);
    if (!l) return SN_E_NOMEM;
    l->signer = (struct sn_eth_signer){
        .sign = local_sign, .sign_digest = local_digest, .free = local_free};
    int r = sn_address_of_key(key, l->signer.address);
    if (r == 0 && !(l->key = sn_aligned_alloc(KEY_PAGE, KEY_PAGE))) r = SN_E_NOMEM;
    if (r < 0) {
        local_free(&l->signer);
        return r;
    }
    /* Both only lessen what an attacker finds later: where the kernel refuses, it works without. */
    (void)mlock(l->key, KEY_PAGE);
    (void)madvise(l->key, KEY_PAGE, MADV_DONTDUMP);
    memcpy(l->key, key, 32);
    *ret = &l->signer;
    return 0;
}
void sn_eth_signer_free(struct sn_eth_signer *s)
{
    if (s && s->free) s->free(s);
}
