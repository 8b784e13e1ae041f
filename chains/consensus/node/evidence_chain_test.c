/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/node/evidence_chain_test.h"

#include <stdio.h>
#include <stdlib.h>

#include "consensus/codec.h"
#include "consensus/genesis.h"
#include "consensus/hash.h"
#include "consensus/valset.h"
#include "core/enc.h"
#include "crypto/ed25519.h"

static void must(int r, const char *what)
{
    if (r >= 0) return;
    (void)fprintf(stderr, "evidence chain: %s: %s\n", what, sn_diag_str(r));
    abort();
}
static struct sn_kv *open_kv(const struct evidence_chain *c, const char *name)
{
    struct sn_kv *kv;
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s.db", c->dir ? c->dir : "", name);
    must(c->dir ? sn_kv_open(path, NULL, &kv) : sn_kv_open_memory(&kv), name);
    return kv;
}
static struct sn_cons_state *genesis(struct evidence_chain *c)
{
    struct sn_buf text;
    struct sn_arena a;
    struct sn_cons_genesis g;
    struct sn_cons_state *s;
    sn_buf_init(&text, 0);
    sn_arena_init(&a, NULL, 0);
    sn_buf_printf(&text, "{\"chain_id\":\"" EVIDENCE_CHAIN_ID
                         "\",\"genesis_time\":\"2026-01-01T00:00:00Z\",\"initial_height\":\"1\","
                         "\"app_hash\":\"\",\"validators\":[");
    for (unsigned i = 0; i < EVIDENCE_CHAIN_VALIDATORS; i++) {
        uint8_t seed[32] = {(uint8_t)(i + 1)};
        must(sn_ed25519_from_seed(c->keys[i], seed), "key");
        sn_buf_printf(&text, "%s{\"pub_key\":{\"type\":\"tendermint/PubKeyEd25519\",\"value\":\"",
                      i ? "," : "");
        must(sn_buf_base64(&text, c->keys[i] + 32, 32, SN_BASE64_STD), "key");
        sn_buf_printf(&text, "\"},\"power\":\"10\",\"name\":\"v%u\"}", i);
    }
    sn_buf_cstr(&text, "]}");
    must(sn_cons_genesis_parse(sn_buf_view(&text), &a, &g), "genesis");
    must(sn_cons_genesis_state(&g, &s), "state");
    sn_arena_done(&a);
    sn_buf_done(&text);
    return s;
}
void evidence_chain_open(struct evidence_chain *c, const char *dir)
{
    memset(c, 0, sizeof(*c));
    c->dir = dir;
    c->state = genesis(c);
    must(sn_cons_block_store_new(open_kv(c, "blockstore"), &c->blocks), "blocks");
    c->states = sn_cons_state_store_new(open_kv(c, "state"), false);
    must(c->states ? 0 : SN_E_NOMEM, "states");
    if (sn_cons_block_store_height(c->blocks) > 0) {
        sn_cons_state_unref(c->state);
        must(sn_cons_state_store_load(c->states, &c->state), "state");
    } else {
        must(sn_cons_state_store_save(c->states, c->state), "state");
    }
    c->kv = open_kv(c, "evidence");
}
int evidence_chain_keeper(struct evidence_chain *c)
{
    struct sn_evidence_keeper_opts o = {.kv = c->kv,
                                        .blocks = c->blocks,
                                        .states = c->states,
                                        .verifier = &sn_cons_verifier_zip215};
    return sn_evidence_keeper_new(&o, c->state, &c->keeper);
}
void evidence_chain_close(struct evidence_chain *c)
{
    if (c->keeper)
        sn_evidence_keeper_free(c->keeper);
    else
        sn_kv_close(c->kv);
    sn_cons_block_store_free(c->blocks);
    sn_cons_state_store_free(c->states);
    sn_cons_state_unref(c->state);
}
static struct sn_cons_commit commit_of(const struct sn_cons_valset *vals, int64_t height,
                                       const struct sn_cons_block_id *id, struct sn_cons_time time,
                                       struct sn_cons_commit_sig *sigs)
{
    struct sn_cons_commit out = {.height = height, .block_id = *id, .sigs = sigs, .n = vals->n};
    for (uint32_t i = 0; i < vals->n; i++) {
        sigs[i] = (struct sn_cons_commit_sig){.flag = SN_CONS_COMMIT, .sig.len = 64};
        sigs[i].time = (struct sn_cons_time){time.sec + 1, 0};
        memcpy(sigs[i].addr, vals->vals[i].addr, SN_CONS_ADDR_LEN);
    }
    return out;
}
void evidence_chain_grow(struct evidence_chain *c, struct sn_cons_evidence **list, uint32_t n)
{
    struct sn_cons_commit_sig sigs[EVIDENCE_CHAIN_VALIDATORS], seen_sigs[EVIDENCE_CHAIN_VALIDATORS];
    struct sn_cons_commit last = {0};
    struct sn_cons_block *b;
    struct sn_cons_part_set *parts;
    struct sn_cons_state *next;
    struct sn_cons_block_result res = {0};
    struct sn_buf buf;
    if (c->state->last_height > 0)
        last = commit_of(c->state->last_vals, c->state->last_height, &c->state->last_block_id,
                         c->state->last_time, sigs);
    struct sn_cons_block_content content = {.last_commit = last.height ? &last : NULL,
                                            .evidence = list,
                                            .n_evidence = n};
    memcpy(content.proposer, c->state->vals->vals[0].addr, SN_CONS_ADDR_LEN);
    sn_buf_init(&buf, 0);
    must(sn_cons_state_make_block(c->state, &content, &b), "block");
    must(sn_cons_block_encode(b, &buf), "encoding");
    must(sn_cons_part_set_split(sn_buf_view(&buf), &parts), "parts");
    const struct sn_cons_block_id id = {b->hash, parts->header};
    struct sn_cons_commit seen =
        commit_of(c->state->vals, b->header.height, &id, b->header.time, seen_sigs);
    must(sn_cons_block_store_save(c->blocks, b, parts, &seen, false), "save");
    must(sn_cons_state_apply(c->state, b, &id, &res, &next), "apply");
    must(sn_cons_state_store_save(c->states, next), "save state");
    if (c->keeper) must(sn_evidence_keeper_update(c->keeper, next, b), "update");
    sn_cons_state_unref(c->state);
    c->state = next;
    sn_cons_block_unref(b);
    sn_cons_part_set_unref(parts);
    sn_buf_done(&buf);
}
void evidence_chain_votes(const struct evidence_chain *c, unsigned who, int64_t height, uint8_t tag,
                          struct sn_cons_vote *votes[2])
{
    for (unsigned i = 0; i < 2; i++) {
        struct sn_cons_vote v = {.refs = 1,
                                 .type = SN_CONS_PREVOTE,
                                 .height = height,
                                 .round = 1,
                                 .time = {1767225600 + height, 0},
                                 .block_id = {{32, {(uint8_t)(tag + i)}}, {1, {32, {tag}}}}};
        struct sn_buf buf;
        /* The set is ordered by power and address, not by who. */
        for (uint32_t k = 0; k < c->state->vals->n; k++)
            if (memcmp(c->state->vals->vals[k].key.b, c->keys[who] + 32, 32) == 0) {
                v.index = (int32_t)k;
                memcpy(v.addr, c->state->vals->vals[k].addr, sizeof(v.addr));
            }
        sn_buf_init(&buf, 0);
        must(sn_cons_vote_sign_bytes(SN_STR(EVIDENCE_CHAIN_ID), &v, &buf), "sign bytes");
        v.sig.len = 64;
        must(sn_ed25519_sign(c->keys[who], buf.ptr, buf.len, v.sig.b), "sign");
        sn_buf_done(&buf);
        votes[i] = sn_cons_vote_new(&v);
        must(votes[i] ? 0 : SN_E_NOMEM, "vote");
    }
}
void evidence_chain_double(struct evidence_chain *c, int64_t height, struct sn_cons_vote *votes[2],
                           struct sn_cons_evidence *ret)
{
    struct sn_cons_block_meta meta;
    must(sn_cons_block_store_meta(c->blocks, height, &meta), "meta");
    must(sn_cons_evidence_of_votes(votes[0], votes[1], meta.header.time, c->state->vals, ret),
         "evidence");
}
int evidence_chain_copy(struct sn_kv *kv, struct sn_kv **ret)
{
    struct sn_kv *to;
    struct sn_arena a;
    struct sn_kv_pair *pairs;
    struct sn_kv_batch batch = {0};
    struct sn_kv_range all = {.n_max = 1u << 20};
    size_t n = 0;
    int r = sn_kv_open_memory(&to);
    if (r < 0) return r;
    sn_arena_init(&a, NULL, 0);
    r = sn_kv_scan(kv, &all, &a, &pairs, &n);
    for (size_t i = 0; r >= 0 && i < n; i++)
        r = sn_kv_batch_put(&batch, pairs[i].key, pairs[i].value);
    if (r >= 0) r = sn_kv_write(to, &batch, true);
    sn_kv_batch_done(&batch);
    sn_arena_done(&a);
    if (r < 0) sn_kv_close(to);
    else *ret = to;
    return r;
}
