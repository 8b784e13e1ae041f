/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/sync/chain_maker_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consensus/codec.h"
#include "consensus/hash.h"
#include "consensus/valset.h"
#include "core/alloc.h"
#include "crypto/ed25519.h"

#define BLOCK_TIME_S 1

/* ---- the beginning ---- */

static int make_validators(struct chain *c)
{
    struct sn_cons_state *s;
    uint8_t secrets[CHAIN_VALIDATORS_MAX][64];
    for (uint32_t i = 0; i < c->o.validators; i++) {
        uint8_t seed[32] = {(uint8_t)i, (uint8_t)(i >> 8), 0x5e};
        struct sn_cons_validator *v = &c->validators[i].v;
        int r = sn_ed25519_from_seed(secrets[i], seed);
        if (r >= 0)
            r = sn_cons_key_set(&v->key, SN_CONS_ED25519, sn_str_of((char *)secrets[i] + 32, 32));
        if (r >= 0) r = sn_cons_key_addr(&v->key, v->addr);
        if (r < 0) return r;
        v->power = 10;
    }
    c->genesis.validators = c->validators;
    c->genesis.n_validators = c->o.validators;
    int r = sn_cons_genesis_state(&c->genesis, &s);
    if (r < 0) return r;
    for (uint32_t i = 0; i < c->o.validators; i++)
        memcpy(c->secrets[sn_cons_valset_find(s->vals, c->validators[i].v.addr)],
               secrets[c->o.forged ? 0 : i], 64);
    sn_cons_state_unref(s);
    return 0;
}
static int open_kv(struct chain *c, const char *name, struct sn_kv **ret)
{
    char path[512];
    if (!c->o.dir) return sn_kv_open_memory(ret);
    snprintf(path, sizeof(path), "%s/%s", c->o.dir, name);
    return sn_kv_open(path, NULL, ret);
}
static int open_stores(struct chain *c)
{
    struct sn_kv *kv;
    int r = open_kv(c, "blockstore.db", &kv);
    if (r >= 0) r = sn_cons_block_store_new(kv, &c->blocks);
    if (r >= 0) r = open_kv(c, "state.db", &kv);
    if (r < 0) return r;
    c->states = sn_cons_state_store_new(kv, false);
    return c->states ? 0 : SN_E_NOMEM;
}
static int open_app(struct chain *c)
{
    struct sn_kvstore_opts o = {.vote_extensions = c->o.extensions_height > 0};
    int r = sn_kvstore_open(&o, &c->kv);
    return r < 0 ? r : sn_abci_conns_local(sn_kvstore_app(c->kv), &c->app);
}
int chain_open(struct chain *c, const struct chain_opts *o)
{
    memset(c, 0, sizeof(*c));
    c->o = *o;
    sn_arena_init(&c->last_arena, NULL, 0);
    c->genesis = (struct sn_cons_genesis){.has_time = true,
                                          .time = {1700000000, 0},
                                          .chain_id = SN_STR("made-chain"),
                                          .initial_height = 1,
                                          .params = sn_cons_params_default()};
    c->genesis.params.extensions_height = o->extensions_height;
    int r = make_validators(c);
    if (r >= 0) r = open_stores(c);
    if (r >= 0) r = open_app(c);
    if (r < 0) return r;
    struct sn_exec_opts x = {.app = &c->app,
                             .blocks = c->blocks,
                             .states = c->states,
                             .verifier = &sn_cons_verifier_zip215};
    struct sn_cons_state *s;
    r = sn_exec_new(&x, &c->exec);
    if (r >= 0) r = sn_cons_state_store_load(c->states, &s);
    if (r == SN_E_NOT_FOUND) r = sn_cons_genesis_state(&c->genesis, &s);
    if (r < 0) return r;
    r = sn_exec_handshake(c->exec, &c->genesis, s, &c->state);
    sn_cons_state_unref(s);
    return r;
}
void chain_close(struct chain *c)
{
    sn_cons_state_unref(c->state);
    sn_exec_free(c->exec);
    sn_abci_conns_close(&c->app);
    sn_kvstore_close(c->kv);
    sn_cons_state_store_free(c->states);
    sn_cons_block_store_free(c->blocks);
    sn_arena_done(&c->last_arena);
}

/* ---- blocks ---- */

static int make_block(struct chain *c, struct sn_cons_block **ret)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    struct sn_str *txs = SN_ARENA_ARRAY(&a, struct sn_str, c->o.txs + 1);
    if (!txs) return SN_E_NOMEM;
    for (uint32_t i = 0; i < c->o.txs; i++) {
        char *text = sn_arena_zalloc(&a, c->o.tx_bytes + 32);
        if (!text) return SN_E_NOMEM;
        int n = snprintf(text, 32, "k%llu=", (unsigned long long)c->made++);
        memset(text + n, 'v', c->o.tx_bytes + 1);
        txs[i] = sn_str_of(text, (size_t)n + c->o.tx_bytes + 1);
    }
    struct sn_cons_block_content content = {.txs = txs, .n_txs = c->o.txs};
    if (c->last.n) content.last_commit = &c->last;
    memcpy(content.proposer, sn_cons_valset_proposer(c->state->vals)->addr, SN_CONS_ADDR_LEN);
    return sn_cons_state_make_block(c->state, &content, ret);
}

static int sign(const struct chain *c, uint32_t i, struct sn_str msg, struct sn_cons_sig *ret)
{
    ret->len = 64;
    return sn_ed25519_sign(c->secrets[i], msg.ptr, msg.len, ret->b);
}
/* The precommit of validator i, made a signature of the commit. */
static int vote(struct chain *c, struct sn_cons_commit *k, uint32_t i, bool extended)
{
    struct sn_buf msg SN_CLEANUP(sn_buf_done);
    struct sn_cons_commit_sig *s = &k->sigs[i];
    struct sn_cons_vote v;
    sn_buf_init(&msg, 0);
    if (i < c->o.absent) {
        *s = (struct sn_cons_commit_sig){.flag = SN_CONS_ABSENT, .time = SN_CONS_TIME_ZERO};
        return 0;
    }
    s->flag = SN_CONS_COMMIT;
    memcpy(s->addr, c->state->vals->vals[i].addr, SN_CONS_ADDR_LEN);
    sn_cons_commit_vote(k, i, &v);
    int r = sn_cons_vote_sign_bytes(sn_cons_state_chain(c->state), &v, &msg);
    if (r >= 0) r = sign(c, i, sn_buf_view(&msg), &s->sig);
    if (r < 0 || !extended) return r;
    sn_buf_reset(&msg);
    s->ext = v.ext = SN_STR("ext");
    r = sn_cons_extension_sign_bytes(sn_cons_state_chain(c->state), &v, &msg);
    return r < 0 ? r : sign(c, i, sn_buf_view(&msg), &s->ext_sig);
}
static int make_commit(struct chain *c, const struct sn_cons_block *b,
                       const struct sn_cons_block_id *id, bool extended)
{
    uint32_t n = c->state->vals->n;
    int r = 0;
    sn_arena_reset(&c->last_arena);
    c->last = (struct sn_cons_commit){.height = b->header.height, .n = n, .block_id = *id};
    c->last.sigs = SN_ARENA_ARRAY(&c->last_arena, struct sn_cons_commit_sig, n);
    if (!c->last.sigs) return SN_E_NOMEM;
    for (uint32_t i = 0; i < n && r >= 0; i++) {
        c->last.sigs[i].time = b->header.time;
        c->last.sigs[i].time.sec += BLOCK_TIME_S;
        r = vote(c, &c->last, i, extended);
    }
    return r;
}

static int make_one(struct chain *c)
{
    struct sn_buf bytes SN_CLEANUP(sn_buf_done);
    struct sn_cons_block *b = NULL;
    struct sn_cons_part_set *parts = NULL;
    struct sn_cons_state *after;
    sn_buf_init(&bytes, 0);
    bool extended =
        sn_cons_params_extensions(&c->state->params, sn_cons_state_next_height(c->state));
    int r = make_block(c, &b);
    if (r >= 0) r = sn_cons_block_encode(b, &bytes);
    if (r >= 0) r = sn_cons_part_set_split(sn_buf_view(&bytes), &parts);
    struct sn_cons_block_id id = {0};
    if (r >= 0) id = (struct sn_cons_block_id){b->hash, parts->header};
    if (r >= 0) r = make_commit(c, b, &id, extended);
    if (r >= 0) r = sn_cons_block_store_save(c->blocks, b, parts, &c->last, extended);
    /* Its last commit was made here. */
    struct sn_exec_apply_opts o = {.commit_checked = true, .state_soon = true};
    if (r >= 0) r = sn_exec_apply_with(c->exec, c->state, b, &id, &o, &after);
    if (r >= 0) {
        sn_cons_state_unref(c->state);
        c->state = after;
    }
    sn_cons_block_unref(b);
    sn_cons_part_set_unref(parts);
    return r;
}
int chain_extend(struct chain *c, uint32_t n)
{
    int r = 0;
    for (uint32_t i = 0; i < n && r >= 0; i++) r = make_one(c);
    return r;
}
