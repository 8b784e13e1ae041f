/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/rpc/publish.c - events are written once, whoever many get them: their data, and behind
 * it the table of attributes that Go sends along, so that a delivery is a copy of bytes. */
#include "consensus/rpc/publish.h"

#include <stdio.h>
#include <stdlib.h>

#include "consensus/rpc/json.h"
#include "consensus/valset.h"
#include "core/enc.h"
#include "core/vec.h"
#include "crypto/hash.h"

#define L SN_CONS_JSON_LIT
#define KIND "tm.event"

/* What one event is made of; reused from one to the next. */
struct maker {
    struct sn_event_bus *bus;
    struct sn_arena arena; /* keys of attributes */
    SN_VEC(struct sn_query_attr) attrs;
    struct sn_buf data;
};
static void maker_done(struct maker *m)
{
    sn_arena_done(&m->arena);
    sn_vec_done(&m->attrs);
    sn_buf_done(&m->data);
}
static void reset(struct maker *m)
{
    sn_arena_reset(&m->arena);
    m->attrs.len = 0;
    sn_buf_reset(&m->data);
}

static int add(struct maker *m, const char *key, struct sn_str value)
{
    return sn_vec_push(&m->attrs, (struct sn_query_attr){sn_str(key), value});
}

/* The application's: "type.name", where both are there. */
static int add_events(struct maker *m, struct tendermint_abci_event *const *ev, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; ev[i]->type.len && k < ev[i]->attributes.len; k++) {
            const struct tendermint_abci_event_attribute *a = ev[i]->attributes.ptr[k];
            if (a->key.len == 0) continue;
            size_t len = ev[i]->type.len + 1 + a->key.len;
            char *key = sn_arena_alloc(&m->arena, len);
            if (!key) return SN_E_NOMEM;
            memcpy(key, ev[i]->type.ptr, ev[i]->type.len);
            key[ev[i]->type.len] = '.';
            memcpy(key + ev[i]->type.len + 1, a->key.ptr, a->key.len);
            struct sn_query_attr attr = {sn_str_of(key, len), a->value};
            if (sn_vec_push(&m->attrs, attr) < 0) return SN_E_NOMEM;
        }
    return 0;
}

/* ---- the table of attributes ---- */

static int by_key(const void *x, const void *y)
{
    const struct sn_query_attr *const *a = x, *const *b = y;
    int c = sn_str_cmp((*a)->key, (*b)->key);
    return c ? c : *a < *b ? -1 : 1;
}

/* Behind the data: each key once, with its values in their order. */
static int put_table(struct maker *m)
{
    size_t n = m->attrs.len;
    const struct sn_query_attr **sorted =
        SN_ARENA_ARRAY(&m->arena, const struct sn_query_attr *, n);
    if (!sorted) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) sorted[i] = &m->attrs.ptr[i];
    qsort(sorted, n, sizeof(sorted[0]), by_key);
    L(&m->data, ",\"events\":{");
    for (size_t i = 0; i < n; i++) {
        bool same = i && sn_str_eq(sorted[i]->key, sorted[i - 1]->key);
        if (!same) {
            if (i) L(&m->data, "],");
            sn_cons_json_str(&m->data, sorted[i]->key);
        }
        sn_buf_cstr(&m->data, same ? "," : ":[");
        sn_cons_json_str(&m->data, sorted[i]->value);
    }
    L(&m->data, "]}");
    return 0;
}

/* kind: of tm.event; the last attribute but those the caller adds before. */
static int publish(struct maker *m, const char *kind)
{
    int r = add(m, KIND, sn_str(kind));
    if (r == 0) r = put_table(m);
    if (r == 0) r = m->data.err;
    struct sn_chain_event *e =
        r == 0 ? sn_chain_event_new(m->attrs.ptr, m->attrs.len, sn_buf_view(&m->data)) : NULL;
    if (!e) return SN_E_NOMEM;
    sn_event_bus_publish(m->bus, e);
    sn_chain_event_unref(e);
    return 0;
}

/* An application may name kinds itself. */
static bool names_kinds(struct tendermint_abci_event *const *ev, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (sn_str_starts(sn_str_of(KIND, sizeof(KIND) - 1), ev[i]->type) && ev[i]->type.len)
            return true;
    return false;
}
static bool wanted(struct maker *m, const char *kind, struct tendermint_abci_event *const *ev,
                   size_t n)
{
    return sn_event_bus_wants(m->bus, sn_str(kind)) || names_kinds(ev, n);
}

/* ---- blocks ---- */

static int new_block(struct maker *m, const struct sn_exec_block *b)
{
    if (!wanted(m, "NewBlock", b->res->events.ptr, b->res->events.len)) return 0;
    reset(m);
    L(&m->data, "{\"type\":\"tendermint/event/NewBlock\",\"value\":{\"block\":");
    sn_cons_json_block(&m->data, b->block);
    L(&m->data, ",\"block_id\":");
    sn_cons_json_block_id(&m->data, b->id);
    L(&m->data, ",\"result_finalize_block\":");
    sn_cons_json_finalize_block(&m->data, b->res);
    L(&m->data, "}}");
    int r = add_events(m, b->res->events.ptr, b->res->events.len);
    return r < 0 ? r : publish(m, "NewBlock");
}

static int new_header(struct maker *m, const struct sn_exec_block *b)
{
    if (!wanted(m, "NewBlockHeader", NULL, 0)) return 0;
    reset(m);
    L(&m->data, "{\"type\":\"tendermint/event/NewBlockHeader\",\"value\":{\"header\":");
    sn_cons_json_header(&m->data, &b->block->header);
    L(&m->data, "}}");
    return publish(m, "NewBlockHeader");
}

static int new_block_events(struct maker *m, const struct sn_exec_block *b)
{
    if (!wanted(m, "NewBlockEvents", b->res->events.ptr, b->res->events.len)) return 0;
    reset(m);
    L(&m->data, "{\"type\":\"tendermint/event/NewBlockEvents\",\"value\":{\"height\":");
    sn_cons_json_i64(&m->data, b->block->header.height);
    L(&m->data, ",\"events\":");
    sn_cons_json_events(&m->data, b->res->events.ptr, b->res->events.len);
    L(&m->data, ",\"num_txs\":");
    sn_cons_json_i64(&m->data, b->block->n_txs);
    L(&m->data, "}}");
    int r = add_events(m, b->res->events.ptr, b->res->events.len);
    return r < 0 ? r : publish(m, "NewBlockEvents");
}

static int new_evidence(struct maker *m, const struct sn_exec_block *b)
{
    int r = 0;
    if (b->block->n_evidence == 0 || !wanted(m, "NewEvidence", NULL, 0)) return 0;
    for (uint32_t i = 0; i < b->block->n_evidence && r == 0; i++) {
        reset(m);
        L(&m->data, "{\"type\":\"tendermint/event/NewEvidence\",\"value\":{\"height\":");
        sn_cons_json_i64(&m->data, b->block->header.height);
        L(&m->data, ",\"evidence\":");
        sn_cons_json_evidence(&m->data, b->block->evidence[i]);
        L(&m->data, "}}");
        r = publish(m, "NewEvidence");
    }
    return r;
}

static int new_tx(struct maker *m, const struct sn_exec_block *b, uint32_t i)
{
    const struct tendermint_abci_exec_tx_result *res = b->res->tx_results.ptr[i];
    struct sn_str tx = b->block->txs[i];
    uint8_t sum[32];
    char hash[2 * sizeof(sum) + 1], height[24];
    int r = sn_hash_once(SN_SHA256, tx.ptr, tx.len, sum);
    if (r < 0) return r;
    hash[sn_hex_encode_upper(sum, sizeof(sum), hash)] = 0;
    snprintf(height, sizeof(height), "%lld", (long long)b->block->header.height);
    reset(m);
    L(&m->data, "{\"type\":\"tendermint/event/Tx\",\"value\":{\"TxResult\":{\"height\":");
    sn_cons_json_i64(&m->data, b->block->header.height);
    if (i) sn_buf_printf(&m->data, ",\"index\":%u", i);
    L(&m->data, ",\"tx\":");
    sn_cons_json_b64(&m->data, tx.ptr ? tx : SN_STR(""));
    L(&m->data, ",\"result\":");
    sn_cons_json_tx_result_bare(&m->data, res);
    L(&m->data, "}}}");
    r = add_events(m, res->events.ptr, res->events.len);
    if (r == 0) r = add(m, "tx.hash", sn_str(hash));
    if (r == 0) r = add(m, "tx.height", sn_str(height));
    return r < 0 ? r : publish(m, "Tx");
}

static int new_txs(struct maker *m, const struct sn_exec_block *b)
{
    bool all = sn_event_bus_wants(m->bus, SN_STR("Tx"));
    uint32_t n = SN_MIN(b->block->n_txs, b->res->tx_results.len);
    int r = 0;
    for (uint32_t i = 0; i < n && r == 0; i++) {
        const struct tendermint_abci_exec_tx_result *t = b->res->tx_results.ptr[i];
        if (all || names_kinds(t->events.ptr, t->events.len)) r = new_tx(m, b, i);
    }
    return r;
}

static struct sn_cons_key update_key(const struct tendermint_abci_validator_update *u)
{
    struct sn_cons_key k = {0};
    const struct tendermint_crypto_public_key *p = u->pub_key;
    bool secp = p && p->sum_case == TENDERMINT_CRYPTO_PUBLIC_KEY_SUM_SECP256K1;
    if (!p || sn_cons_key_set(&k, secp ? SN_CONS_SECP256K1 : SN_CONS_ED25519,
                              secp ? p->secp256k1 : p->ed25519) < 0)
        k.type = 0;
    return k;
}

static int new_validators(struct maker *m, const struct sn_exec_block *b)
{
    size_t n = b->res->validator_updates.len;
    if (n == 0 || !wanted(m, "ValidatorSetUpdates", NULL, 0)) return 0;
    reset(m);
    L(&m->data,
      "{\"type\":\"tendermint/event/ValidatorSetUpdates\",\"value\":{\"validator_updates\":[");
    for (size_t i = 0; i < n; i++) {
        const struct tendermint_abci_validator_update *u = b->res->validator_updates.ptr[i];
        struct sn_cons_validator v = {.key = update_key(u), .power = u->power};
        int r = sn_cons_key_addr(&v.key, v.addr);
        if (r < 0) return r;
        if (i) L(&m->data, ",");
        sn_cons_json_validator(&m->data, &v);
    }
    L(&m->data, "]}}");
    return publish(m, "ValidatorSetUpdates");
}

int sn_publish_block(struct sn_event_bus *bus, const struct sn_exec_block *b)
{
    static int (*const parts[])(struct maker *, const struct sn_exec_block *) = {
        new_block, new_header, new_block_events, new_evidence, new_txs, new_validators,
    };
    struct maker m SN_CLEANUP(maker_done) = {.bus = bus};
    int r = 0;
    for (size_t i = 0; i < SN_COUNT_OF(parts); i++) {
        int part = parts[i](&m, b);
        if (part < 0) r = part;
    }
    return r;
}

/* ---- consensus ---- */

static void put_step(struct maker *m, const struct sn_cons_action *a,
                     const struct sn_cons_round_state *rs)
{
    L(&m->data, "{\"height\":");
    sn_cons_json_i64(&m->data, a->height);
    sn_buf_printf(&m->data, ",\"round\":%d,\"step\":\"%s\"", a->round,
                  sn_cons_step_name(a->step ? a->step : rs->step));
}

static int round_event(struct maker *m, const char *kind, const struct sn_cons_action *a,
                       const struct sn_cons_round_state *rs)
{
    const struct sn_cons_validator *p;
    struct sn_cons_block_id id = {0};
    bool new_round = a->kind == SN_CONS_ACT_NOTE && a->note == SN_CONS_NOTE_NEW_ROUND;
    bool complete = a->kind == SN_CONS_ACT_NOTE && a->note == SN_CONS_NOTE_COMPLETE_PROPOSAL;
    const char *type = new_round || complete ? kind : "RoundState";
    sn_buf_printf(&m->data, "{\"type\":\"tendermint/event/%s\",\"value\":", type);
    put_step(m, a, rs);
    if (new_round && (p = sn_cons_valset_proposer(rs->vals))) {
        L(&m->data, ",\"proposer\":{\"address\":");
        sn_cons_json_hex(&m->data, p->addr, SN_CONS_ADDR_LEN);
        sn_buf_printf(&m->data, ",\"index\":%d}", sn_cons_valset_find(rs->vals, p->addr));
    }
    if (complete) {
        if (rs->block) id.hash = rs->block->hash;
        if (rs->parts) id.parts = rs->parts->header;
        L(&m->data, ",\"block_id\":");
        sn_cons_json_block_id(&m->data, &id);
    }
    L(&m->data, "}}");
    return publish(m, kind);
}

static int vote_event(struct maker *m, const struct sn_cons_vote *v)
{
    L(&m->data, "{\"type\":\"tendermint/event/Vote\",\"value\":{\"Vote\":");
    sn_cons_json_vote(&m->data, v);
    L(&m->data, "}}");
    return publish(m, "Vote");
}

static const char *action_kind(const struct sn_cons_action *a)
{
    static const char *const notes[] = {
        [SN_CONS_NOTE_NEW_ROUND] = "NewRound",
        [SN_CONS_NOTE_COMPLETE_PROPOSAL] = "CompleteProposal",
        [SN_CONS_NOTE_TIMEOUT_PROPOSE] = "TimeoutPropose",
        [SN_CONS_NOTE_TIMEOUT_WAIT] = "TimeoutWait",
        [SN_CONS_NOTE_POLKA] = "Polka",
        [SN_CONS_NOTE_LOCK] = "Lock",
        [SN_CONS_NOTE_RELOCK] = "Relock",
        [SN_CONS_NOTE_UNLOCK] = "Unlock",
    };
    if (a->kind == SN_CONS_ACT_NEW_STEP) return "NewRoundStep";
    if (a->kind == SN_CONS_ACT_HAS_VOTE) return "Vote";
    if (a->kind == SN_CONS_ACT_VALID_BLOCK) return "ValidBlock";
    return a->kind == SN_CONS_ACT_NOTE && a->note < SN_COUNT_OF(notes) ? notes[a->note] : NULL;
}

int sn_publish_action(struct sn_event_bus *bus, const struct sn_cons_action *a,
                      const struct sn_cons_round_state *rs)
{
    struct maker m SN_CLEANUP(maker_done) = {.bus = bus};
    const char *kind = action_kind(a);
    if (!kind || !wanted(&m, kind, NULL, 0)) return 0;
    return a->kind == SN_CONS_ACT_HAS_VOTE ? vote_event(&m, a->vote) : round_event(&m, kind, a, rs);
}
