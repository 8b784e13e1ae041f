/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/params.c - consensus parameters: defaults, rules, hash, updates. */
#include "consensus/state_int.h"
#include "crypto/hash.h"
#include "tendermint/types/params.pb.h"

struct sn_cons_params sn_cons_params_default(void)
{
    return (struct sn_cons_params){
        .block_max_bytes = 22020096,
        .block_max_gas = -1,
        .evidence_max_blocks = 100000,
        .evidence_max_ns = 48 * SN_HOUR,
        .evidence_max_bytes = 1048576,
        .key_types = SN_CONS_KEYS_ED25519,
    };
}

int64_t sn_cons_params_block_bytes(const struct sn_cons_params *p)
{
    return p->block_max_bytes == -1 ? SN_CONS_BLOCK_BYTES_MAX : p->block_max_bytes;
}

int sn_cons_params_check(const struct sn_cons_params *p)
{
    if (p->block_max_bytes == 0 || p->block_max_bytes < -1 ||
        p->block_max_bytes > SN_CONS_BLOCK_BYTES_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "block.max_bytes is %lld, expected -1 or 1 to %d",
                       (long long)p->block_max_bytes, SN_CONS_BLOCK_BYTES_MAX);
    if (p->block_max_gas < -1)
        return sn_fail(SN_E_INVALID_ARGUMENT, "block.max_gas is %lld, expected -1 or more",
                       (long long)p->block_max_gas);
    if (p->evidence_max_blocks <= 0)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "evidence.max_age_num_blocks is %lld, expected 1 or more",
                       (long long)p->evidence_max_blocks);
    if (p->evidence_max_ns <= 0)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "evidence.max_age_duration is %lld ns, expected 1 or more",
                       (long long)p->evidence_max_ns);
    if (p->evidence_max_bytes < 0 || p->evidence_max_bytes > sn_cons_params_block_bytes(p))
        return sn_fail(SN_E_INVALID_ARGUMENT, "evidence.max_bytes is %lld, expected 0 to %lld",
                       (long long)p->evidence_max_bytes,
                       (long long)sn_cons_params_block_bytes(p));
    if (p->extensions_height < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "abci.vote_extensions_enable_height is %lld, expected 0 or more",
                       (long long)p->extensions_height);
    if (p->key_types == 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "validator.pub_key_types is empty");
    return 0;
}

int sn_cons_params_hash(const struct sn_cons_params *p, struct sn_cons_hash *ret)
{
    struct tendermint_types_hashed_params m = {.block_max_bytes = p->block_max_bytes,
                                               .block_max_gas = p->block_max_gas};
    uint8_t mem[32];
    struct sn_buf b;
    sn_buf_init_fixed(&b, mem, sizeof(mem));
    ssize_t n = tendermint_types_hashed_params_encode(&m, &b);
    if (n < 0) return (int)n;
    ret->len = SN_CONS_HASH_LEN;
    return sn_hash_once(SN_SHA256, b.ptr, b.len, ret->b);
}

/* Extensions may be switched on for a height to come, and changed or cancelled until it has. */
static int check_extensions(int64_t old, int64_t new, int64_t height)
{
    if (new < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "vote_extensions_enable_height becomes %lld",
                       (long long)new);
    if (old == new) return 0;
    if (old > 0 && old <= height)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "vote extensions are on since height %lld and cannot be changed at %lld",
                       (long long)old, (long long)height);
    if (new != 0 && new <= height)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "vote extensions cannot begin at height %lld: it is %lld already",
                       (long long)new, (long long)height);
    return 0;
}

int sn_cons_params_apply(struct sn_cons_params *p, const struct sn_cons_params_update *u,
                         int64_t height)
{
    int64_t old_extensions = p->extensions_height;
    if (u->has_block) {
        p->block_max_bytes = u->p.block_max_bytes;
        p->block_max_gas = u->p.block_max_gas;
    }
    if (u->has_evidence) {
        p->evidence_max_blocks = u->p.evidence_max_blocks;
        p->evidence_max_ns = u->p.evidence_max_ns;
        p->evidence_max_bytes = u->p.evidence_max_bytes;
    }
    if (u->has_validator) {
        p->key_types = u->p.key_types;
        p->secp256k1_first = u->p.secp256k1_first;
    }
    if (u->has_version) p->app_version = u->p.app_version;
    if (u->has_abci) p->extensions_height = u->p.extensions_height;
    int r = sn_cons_params_check(p);
    if (r >= 0 && u->has_abci) r = check_extensions(old_extensions, u->p.extensions_height, height);
    return r < 0 ? sn_wrap(r, "consensus parameters after height %lld", (long long)height) : 0;
}

/* ---- protobuf ---- */

static const struct sn_str ed25519 = SN_STR_INIT("ed25519"), secp256k1 = SN_STR_INIT("secp256k1");

struct tendermint_types_consensus_params *sn_cons_params_pb(const struct sn_cons_params *p,
                                                            struct sn_arena *a)
{
    struct tendermint_types_consensus_params *m = tendermint_types_consensus_params_new(a);
    if (!m || !(m->block = tendermint_types_block_params_new(a)) ||
        !(m->evidence = tendermint_types_evidence_params_new(a)) ||
        !(m->evidence->max_age_duration = google_protobuf_duration_new(a)) ||
        !(m->validator = tendermint_types_validator_params_new(a)) ||
        !(m->version = tendermint_types_version_params_new(a)) ||
        !(m->abci = tendermint_types_abci_params_new(a)))
        return NULL;
    m->block->max_bytes = p->block_max_bytes;
    m->block->max_gas = p->block_max_gas;
    m->evidence->max_age_num_blocks = p->evidence_max_blocks;
    m->evidence->max_age_duration->seconds = p->evidence_max_ns / SN_SEC;
    m->evidence->max_age_duration->nanos = (int32_t)(p->evidence_max_ns % SN_SEC);
    m->evidence->max_bytes = p->evidence_max_bytes;
    m->version->app = p->app_version;
    m->abci->vote_extensions_enable_height = p->extensions_height;
    for (unsigned i = 0; i < 2; i++) {
        bool secp = (i == 0) == p->secp256k1_first;
        if (!(p->key_types & (secp ? SN_CONS_KEYS_SECP256K1 : SN_CONS_KEYS_ED25519))) continue;
        if (tendermint_types_validator_params_add_pub_key_types(m->validator,
                                                                secp ? secp256k1 : ed25519, a) < 0)
            return NULL;
    }
    return m;
}

int sn_cons_key_types_add(struct sn_cons_params *p, struct sn_str name)
{
    unsigned bit = sn_str_eq(name, ed25519)     ? SN_CONS_KEYS_ED25519
                   : sn_str_eq(name, secp256k1) ? SN_CONS_KEYS_SECP256K1
                                                : 0;
    if (!bit)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "validator.pub_key_types has \"%.*s\", expected ed25519 or secp256k1",
                       (int)SN_MIN(name.len, (size_t)64), name.ptr ? name.ptr : "");
    if (p->key_types == 0) p->secp256k1_first = bit == SN_CONS_KEYS_SECP256K1;
    p->key_types |= bit;
    return 0;
}

int sn_cons_params_update_of(const struct tendermint_types_consensus_params *m,
                             struct sn_cons_params_update *ret)
{
    *ret = (struct sn_cons_params_update){0};
    if ((ret->has_block = m->block != NULL)) {
        ret->p.block_max_bytes = m->block->max_bytes;
        ret->p.block_max_gas = m->block->max_gas;
    }
    if ((ret->has_evidence = m->evidence != NULL)) {
        const struct google_protobuf_duration *d = m->evidence->max_age_duration;
        ret->p.evidence_max_blocks = m->evidence->max_age_num_blocks;
        ret->p.evidence_max_bytes = m->evidence->max_bytes;
        __int128 ns = d ? (__int128)d->seconds * SN_SEC + d->nanos : 0;
        if (ns > INT64_MAX || ns < 0)
            return sn_fail(SN_E_OUT_OF_RANGE, "evidence.max_age_duration is %lld s",
                           (long long)d->seconds);
        ret->p.evidence_max_ns = (int64_t)ns;
    }
    if ((ret->has_validator = m->validator != NULL)) {
        for (uint32_t i = 0; i < m->validator->pub_key_types.len; i++) {
            int r = sn_cons_key_types_add(&ret->p, m->validator->pub_key_types.ptr[i]);
            if (r < 0) return r;
        }
    }
    if ((ret->has_version = m->version != NULL)) ret->p.app_version = m->version->app;
    if ((ret->has_abci = m->abci != NULL))
        ret->p.extensions_height = m->abci->vote_extensions_enable_height;
    return 0;
}
