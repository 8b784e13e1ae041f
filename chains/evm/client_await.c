/* SPDX-License-Identifier: Apache-2.0 */
/* evm/client_await.c - what became of a transaction: its receipt, as deep in the chain as asked, while
 * blocks are replaced, pools forget and nodes fail. */
#include <stdio.h>

#include "core/status.h"
#include "evm/client_int.h"
#include "fiber/fiber.h"

#define TIMEOUT_NS_DEFAULT (300 * SN_SEC)
#define REBROADCAST_NS_DEFAULT (15 * SN_SEC)
/* Looks in a row that show the nonce used and none of our hashes: nodes behind one address may be a
 * block apart. */
#define GONE_LOOKS 3u

struct waiting {
    const struct sn_eth_client *c;
    const struct sn_eth_sent *s;
    uint64_t want;
    int64_t rebroadcast_ns, last_out_ns;
    unsigned gone;      /* looks in a row */
    uint64_t gone_head; /* the newest block at the first of them */
    bool had; /* a receipt was seen */
    struct sn_eth_receipt found;
    struct sn_str from, raw, hashes[SN_ETH_VERSIONS_MAX]; /* "0x..." */
};

/* ---- receipts ---- */

static int read_receipt(const struct sn_json *v, struct sn_eth_receipt *ret)
{
    struct sn_eth_receipt t = {.json = v, .logs = sn_json_get(v, "logs")};
    uint64_t status = 1; /* before Byzantium there was none */
    struct sn_str price = sn_json_str(sn_json_get(v, "effectiveGasPrice"));
    const struct sn_json *contract = sn_json_get(v, "contractAddress");
    int r = sn_eth_bytes(sn_json_get(v, "transactionHash"), "transactionHash", t.hash, 32);
    if (r == 0) r = sn_eth_bytes(sn_json_get(v, "blockHash"), "blockHash", t.block_hash, 32);
    if (r == 0) r = sn_eth_number(sn_json_get(v, "blockNumber"), "blockNumber", &t.block);
    if (r == 0) r = sn_eth_number(sn_json_get(v, "transactionIndex"), "transactionIndex", &t.index);
    if (r == 0) r = sn_eth_number(sn_json_get(v, "gasUsed"), "gasUsed", &t.gas_used);
    if (r == 0 && sn_json_get(v, "status"))
        r = sn_eth_number(sn_json_get(v, "status"), "status", &status);
    if (r == 0 && price.len && sn_u256_parse(price, &t.gas_price) < 0)
        r = sn_fail(SN_E_PROTOCOL, "effectiveGasPrice: \"%.*s\" is no number",
                    (int)SN_MIN(price.len, (size_t)80), price.ptr);
    if (r == 0 && sn_json_is(contract, SN_JSON_STRING)) {
        r = sn_eth_bytes(contract, "contractAddress", t.contract, SN_ADDRESS_LEN);
        t.created = true;
    }
    if (r < 0) return sn_wrap(r, "receipt");
    t.success = status == 1;
    *ret = t;
    return 0;
}

/* ---- one look ---- */

struct look {
    struct sn_eth_request calls[SN_ETH_VERSIONS_MAX + 2];
    struct sn_eth_reply replies[SN_ETH_VERSIONS_MAX + 2];
    size_t n;
};
static int ask(struct waiting *w, struct sn_arena *a, struct look *l)
{
    for (unsigned i = 0; i < w->s->n; i++) {
        struct sn_str p = sn_arena_printf(a, "[\"%s\"]", w->hashes[i].ptr);
        if (!p.ptr) return SN_E_NOMEM;
        l->calls[l->n++] = (struct sn_eth_request){"eth_getTransactionReceipt", p};
    }
    struct sn_str p = sn_arena_printf(a, "[\"%s\",\"latest\"]", w->from.ptr);
    if (!p.ptr) return SN_E_NOMEM;
    l->calls[l->n++] = (struct sn_eth_request){"eth_blockNumber", SN_STR("[]")};
    if (w->raw.len) l->calls[l->n++] = (struct sn_eth_request){"eth_getTransactionCount", p};
    int r = sn_eth_batch(w->c->rpc, l->calls, l->n, a, l->replies);
    for (size_t i = 0; r == 0 && i < l->n; i++)
        if (l->replies[i].code)
            r = sn_fail(sn_eth_status(l->replies[i].code, l->replies[i].message), "%s: %.*s",
                        l->calls[i].method, (int)SN_MIN(l->replies[i].message.len, (size_t)200),
                        l->replies[i].message.ptr);
    return r;
}
/* The receipt of whichever version has one: 1, 0, SN_E_*. */
static int receipt_in(struct waiting *w, const struct look *l, struct sn_eth_receipt *ret)
{
    for (unsigned i = 0; i < w->s->n; i++) {
        if (sn_json_is(l->replies[i].result, SN_JSON_NULL)) continue;
        int r = read_receipt(l->replies[i].result, ret);
        if (r < 0) return r;
        if (memcmp(ret->hash, w->s->hash[i], 32) != 0)
            return sn_fail(SN_E_PROTOCOL, "a receipt of another transaction than was asked for");
        ret->version = i;
        return 1;
    }
    return 0;
}
/* deep_enough - 1 where the block still is the chain's. */
static int deep_enough(struct waiting *w, struct sn_arena *a, struct sn_eth_receipt *t, uint64_t head)
{
    char number[24];
    struct sn_eth_block b;
    t->confirmations = head >= t->block ? head - t->block + 1 : 0;
    if (t->confirmations < w->want) return 0;
    int n = snprintf(number, sizeof(number), "0x%llx", (unsigned long long)t->block);
    int r = sn_eth_block_get(w->c, sn_str_of(number, (size_t)n), a, &b);
    if (r < 0) return r;
    return memcmp(b.hash, t->block_hash, 32) == 0;
}
/* The nonce is mined and it was not us, several times in a row and as deep as was asked for. */
static int check_gone(struct waiting *w, const struct look *l, uint64_t head)
{
    uint64_t count;
    if (!w->raw.len) return 0;
    int r = sn_eth_number(l->replies[l->n - 1].result, "eth_getTransactionCount", &count);
    if (r < 0) return r;
    if (count <= w->s->tx.nonce) w->gone = 0;
    else if (w->gone++ == 0) w->gone_head = head;
    if (w->gone < GONE_LOOKS || head < w->gone_head + w->want - 1) return 0;
    return sn_fail(SN_E_ABORTED, "nonce %llu went to another transaction",
                   (unsigned long long)w->s->tx.nonce);
}
/* The newest version once more, the same bytes. The answer tells nothing that the next look does not. */
static void rebroadcast(struct waiting *w, struct sn_arena *a)
{
    struct sn_eth_reply reply;
    if (!w->raw.len || sn_now() - w->last_out_ns < w->rebroadcast_ns) return;
    w->last_out_ns = sn_now();
    struct sn_str p = sn_arena_printf(a, "[\"%s\"]", w->raw.ptr);
    struct sn_eth_request call = {"eth_sendRawTransaction", p};
    if (p.ptr) (void)!sn_eth_batch(w->c->rpc, &call, 1, a, &reply);
}
/* One look: 1 with w->found, whose texts are the arena's; 0 to look again; SN_E_*. */
static int look(struct waiting *w, struct sn_arena *a)
{
    struct look *l = SN_ARENA_NEW(a, struct look);
    struct sn_eth_receipt t = {0};
    uint64_t head;
    int r = l ? ask(w, a, l) : SN_E_NOMEM;
    if (r == 0) r = sn_eth_number(l->replies[w->s->n].result, "eth_blockNumber", &head);
    if (r == 0) r = receipt_in(w, l, &t);
    if (r < 0) return r;
    unsigned reorgs = w->found.reorgs;
    if (w->had && (r == 0 || memcmp(t.block_hash, w->found.block_hash, 32) != 0)) {
        reorgs++;
        w->last_out_ns = sn_now() - w->rebroadcast_ns; /* it may have fallen out of the pool */
    }
    t.reorgs = reorgs;
    w->found = t;
    w->had = r == 1;
    if (r == 1) {
        w->gone = 0;
        r = deep_enough(w, a, &w->found, head);
        return r == SN_E_NOT_FOUND ? 0 : r;
    }
    if ((r = check_gone(w, l, head)) < 0) return r;
    if (w->gone == 0) rebroadcast(w, a);
    return 0;
}

/* ---- waiting ---- */

static int prepare(struct waiting *w, struct sn_arena *a)
{
    const struct sn_eth_sent *s = w->s;
    if (s->n < 1 || s->n > SN_ETH_VERSIONS_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "a transaction without a hash");
    for (unsigned i = 0; i < s->n; i++)
        if (!(w->hashes[i] = sn_eth_hex(a, s->hash[i], 32)).ptr) return SN_E_NOMEM;
    w->from = sn_eth_hex(a, s->from, SN_ADDRESS_LEN);
    if (s->raw.len) w->raw = sn_eth_hex(a, s->raw.ptr, s->raw.len);
    return w->from.ptr && (w->raw.ptr || !s->raw.len) ? 0 : SN_E_NOMEM;
}
static int keep(const struct sn_eth_receipt *t, struct sn_arena *a, struct sn_eth_receipt *ret)
{
    struct sn_json *copy = SN_ARENA_NEW(a, struct sn_json);
    if (!copy) return SN_E_NOMEM;
    int r = sn_json_clone(a, t->json, copy);
    if (r < 0) return r;
    *ret = *t;
    ret->json = copy;
    ret->logs = sn_json_get(copy, "logs");
    return 0;
}
static int wait_for(struct waiting *w, struct sn_arena *a, struct sn_eth_receipt *ret)
{
    struct sn_arena turn;
    int r = 0, last = 0;
    sn_arena_init(&turn, NULL, 0);
    while (r == 0) {
        r = look(w, &turn);
        if (r == 1) break;
        if (r < 0 && sn_eth_transient(r) && !sn_cancelled()) {
            last = r;
            r = 0;
        }
        sn_arena_reset(&turn);
        if (r == 0) r = sn_sleep(w->c->poll_ns);
    }
    if (r == 1) r = keep(&w->found, a, ret);
    else if (r == SN_E_DEADLINE_EXCEEDED)
        r = sn_fail(r, "%s %s; the last failure: %s", w->hashes[w->s->n - 1].ptr,
                    w->had ? "is not deep enough yet" : "has no receipt yet",
                    last < 0 ? sn_status_name(last) : "none");
    sn_arena_done(&turn);
    return r;
}
int sn_eth_await(const struct sn_eth_client *c, const struct sn_eth_sent *sent,
                 const struct sn_eth_await_opts *opts, struct sn_arena *a,
                 struct sn_eth_receipt *ret)
{
    static const struct sn_eth_await_opts defaults;
    const struct sn_eth_await_opts *o = opts ? opts : &defaults;
    struct waiting w = {.c = c,
                        .s = sent,
                        .want = o->confirmations ? o->confirmations : 1,
                        .rebroadcast_ns = o->rebroadcast_ns ? o->rebroadcast_ns
                                                            : REBROADCAST_NS_DEFAULT,
                        .last_out_ns = sn_now()};
    int r = prepare(&w, a);
    if (r < 0) return r;
    int64_t prev = sn_deadline_tighten(sn_now() +
                                       (o->timeout_ns ? o->timeout_ns : TIMEOUT_NS_DEFAULT));
    r = wait_for(&w, a, ret);
    sn_deadline_restore(prev);
    return r;
}
