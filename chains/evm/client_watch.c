/* SPDX-License-Identifier: Apache-2.0 */
/* evm/client_watch.c - following the chain, block by block, without missing or repeating one.
 *
 * The position is the last block told and the hashes of those before it. Each step asks for a few
 * blocks behind it, checks that they link to it and to each other, and asks for their logs by their
 * hashes: what is told belongs together whatever the node does in between. A block that does not
 * link is a reorg: the blocks remembered are compared with the node's, newest first, and the first
 * that agree are the new position. A node that is only behind has not replaced anything. */
#include <stdio.h>

#include "core/alloc.h"
#include "core/status.h"
#include "evm/client_int.h"
#include "fiber/fiber.h"

#define STEP_BLOCKS 32u
#define DOWN_NS_DEFAULT (600 * SN_SEC)
/* With a subscription: how long no head comes before it is looked anyway. */
#define QUIET_POLLS 15
#define SUB_EVENTS 256u /* hints: what does not fit is no loss */

struct mark {
    uint64_t number;
    uint8_t hash[32];
};
struct sn_eth_watch {
    struct sn_eth_client *c;
    struct sn_eth_watch_opts o;
    struct sn_arena texts; /* copies of the filter's */
    struct sn_eth_sub *sub;
    bool no_sub; /* the transport or the node has none */
    struct mark marks[SN_ETH_REORG_MAX]; /* of the blocks told last, number % SN_ETH_REORG_MAX */
    uint64_t n_marks;                    /* consecutive ones, the last is at `last` */
    uint64_t last, next;                 /* next: the block to tell next; last = next - 1 with marks */
    bool placed;                         /* next is known */
    bool evicted;                        /* marks older than these were told too */
    int64_t down_at_ns, delay_ns;        /* 0: the node answers */
    struct sn_eth_watch_stats stats;
    /* What is being told. */
    struct sn_arena arena;
    struct sn_eth_block blocks[STEP_BLOCKS];
    const struct sn_json *logs[STEP_BLOCKS];
    size_t n_blocks, at_block, at_log;
    bool told_block;
    bool reorg; /* to be told first: what was told from `next` on is void */
};

/* ---- marks ---- */

static struct mark *mark_of(struct sn_eth_watch *w, uint64_t number)
{
    if (!w->n_marks || number > w->last || w->last - number >= w->n_marks) return NULL;
    return &w->marks[number % SN_ETH_REORG_MAX];
}
static void mark_add(struct sn_eth_watch *w, const struct sn_eth_block *b)
{
    struct mark *m = &w->marks[b->number % SN_ETH_REORG_MAX];
    m->number = b->number;
    memcpy(m->hash, b->hash, 32);
    w->last = b->number;
    if (w->n_marks < SN_ETH_REORG_MAX) w->n_marks++;
    else w->evicted = true;
}
static void mark_drop_last(struct sn_eth_watch *w)
{
    w->n_marks--;
    w->last--;
}

/* ---- asking ---- */

static int get(struct sn_eth_watch *w, uint64_t number, struct sn_eth_block *ret)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "0x%llx", (unsigned long long)number);
    return sn_eth_block_get(w->c, sn_str_of(text, (size_t)n), &w->arena, ret);
}
/* The headers [w->next, w->next + n) in one batch; fewer where the node does not have them all. */
static int get_blocks(struct sn_eth_watch *w, size_t n)
{
    struct sn_eth_request *calls = SN_ARENA_ARRAY(&w->arena, struct sn_eth_request, n);
    struct sn_eth_reply *got = SN_ARENA_ARRAY(&w->arena, struct sn_eth_reply, n);
    if (!calls || !got) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        calls[i] = (struct sn_eth_request){
            "eth_getBlockByNumber",
            sn_arena_printf(&w->arena, "[\"0x%llx\",false]", (unsigned long long)w->next + i)};
        if (!calls[i].params.ptr) return SN_E_NOMEM;
    }
    int r = sn_eth_batch(w->c->rpc, calls, n, &w->arena, got);
    w->n_blocks = 0;
    for (size_t i = 0; i < n && r == 0; i++) {
        struct sn_eth_block *b = &w->blocks[i];
        if (got[i].code)
            return sn_fail(sn_eth_status(got[i].code, got[i].message), "eth_getBlockByNumber: %.*s",
                           (int)SN_MIN(got[i].message.len, (size_t)200), got[i].message.ptr);
        if (sn_json_is(got[i].result, SN_JSON_NULL)) break;
        r = sn_eth_block_read(got[i].result, b);
        if (r == 0 && b->number != w->next + i)
            r = sn_fail(SN_E_PROTOCOL, "asked for block %llu, got %llu",
                        (unsigned long long)(w->next + i), (unsigned long long)b->number);
        if (r == 0) w->n_blocks++;
    }
    return r;
}
/* keep_linked - the blocks as far as each has the one before for a parent. */
static void keep_linked(struct sn_eth_watch *w)
{
    for (size_t i = 1; i < w->n_blocks; i++)
        if (memcmp(w->blocks[i].parent, w->blocks[i - 1].hash, 32) != 0) w->n_blocks = i;
}
static int check_logs(const struct sn_json *logs, const struct sn_eth_block *b)
{
    uint64_t before = 0, index;
    uint8_t hash[32];
    if (!sn_json_is(logs, SN_JSON_ARRAY))
        return sn_fail(SN_E_PROTOCOL, "eth_getLogs: array expected");
    for (size_t i = 0; i < sn_json_len(logs); i++) {
        const struct sn_json *it = sn_json_at(logs, i);
        int r = sn_eth_bytes(sn_json_get(it, "blockHash"), "blockHash", hash, 32);
        if (r == 0) r = sn_eth_number(sn_json_get(it, "logIndex"), "logIndex", &index);
        if (r < 0) return sn_wrap(r, "eth_getLogs");
        if (memcmp(hash, b->hash, 32) != 0 || (i && index <= before))
            return sn_fail(SN_E_PROTOCOL, "eth_getLogs: a log of another block, or out of order");
        before = index;
    }
    return 0;
}
static int get_logs(struct sn_eth_watch *w)
{
    struct sn_str address = w->o.filter.address, topics = w->o.filter.topics;
    struct sn_eth_request *calls = SN_ARENA_ARRAY(&w->arena, struct sn_eth_request, w->n_blocks);
    struct sn_eth_reply *got = SN_ARENA_ARRAY(&w->arena, struct sn_eth_reply, w->n_blocks);
    if (!calls || !got) return SN_E_NOMEM;
    for (size_t i = 0; i < w->n_blocks; i++) {
        struct sn_str hash = sn_eth_hex(&w->arena, w->blocks[i].hash, 32);
        if (!hash.ptr) return SN_E_NOMEM;
        calls[i] = (struct sn_eth_request){
            "eth_getLogs",
            sn_arena_printf(&w->arena, "[{\"blockHash\":\"%s\"%s%.*s%s%.*s}]", hash.ptr,
                            address.len ? ",\"address\":" : "", SN_STR_ARG(address),
                            topics.len ? ",\"topics\":" : "", SN_STR_ARG(topics))};
        if (!calls[i].params.ptr) return SN_E_NOMEM;
    }
    int r = sn_eth_batch(w->c->rpc, calls, w->n_blocks, &w->arena, got);
    for (size_t i = 0; i < w->n_blocks && r == 0; i++) {
        if (got[i].code) /* the block may have been replaced: it is looked at again */
            return sn_fail(sn_eth_status(got[i].code, got[i].message), "eth_getLogs: %.*s",
                           (int)SN_MIN(got[i].message.len, (size_t)200), got[i].message.ptr);
        w->logs[i] = got[i].result;
        r = check_logs(got[i].result, &w->blocks[i]);
    }
    return r;
}

/* ---- steps ---- */

/* go_back - `top` and what is above it has been replaced: the newest block below it that node and marks
 * agree on becomes the position. What is dropped stays dropped if asking fails on the way; the event
 * is told when the position is found. */
static int go_back(struct sn_eth_watch *w, uint64_t top)
{
    struct sn_eth_block b;
    while (w->n_marks) {
        if (w->last < top) {
            int r = get(w, w->last, &b);
            if (r < 0) return r;
            if (memcmp(b.hash, mark_of(w, w->last)->hash, 32) == 0) return 0;
        }
        w->next = w->last;
        w->reorg = true;
        mark_drop_last(w);
    }
    return w->evicted ? sn_fail(SN_E_OUT_OF_RANGE, "a reorg deeper than %u blocks", SN_ETH_REORG_MAX)
                      : 0;
}
/* place - where to begin, once. */
static int place(struct sn_eth_watch *w, const struct sn_eth_block *head)
{
    struct sn_eth_block b = *head;
    int r = 0;
    if (w->o.from != SN_ETH_FROM_NOW) {
        w->next = w->o.from;
    } else {
        uint64_t depth = SN_MIN(w->o.confirmations, head->number);
        if (depth) r = get(w, head->number - depth, &b);
        if (r < 0) return r;
        mark_add(w, &b);
        w->next = b.number + 1;
    }
    w->placed = true;
    return 0;
}
/* step - what is new behind the position is made ready to be told. hint: a head the node just told of,
 * or NULL. Returns 1 where there is something, 0 where not, SN_E_*. */
static int step(struct sn_eth_watch *w, const struct sn_eth_block *hint)
{
    struct sn_eth_block head;
    struct mark *m;
    int r = 0;
    w->n_blocks = w->at_block = w->at_log = 0;
    w->told_block = false;
    if (hint && (m = mark_of(w, hint->number)) && memcmp(hint->hash, m->hash, 32) == 0)
        return 0; /* told already */
    m = mark_of(w, w->last);
    bool linked = hint && w->placed && m && w->o.confirmations == 0 && hint->number == w->next &&
                  memcmp(hint->parent, m->hash, 32) == 0;
    if (linked) {
        w->blocks[0] = *hint;
        w->n_blocks = 1;
    } else {
        r = sn_eth_block_get(w->c, SN_STR("latest"), &w->arena, &head);
        if (r == 0 && !w->placed) r = place(w, &head);
        if (r < 0) return r;
        if (head.number < w->o.confirmations) return 0;
        uint64_t target = head.number - w->o.confirmations;
        struct mark *at = mark_of(w, head.number);
        if (at && memcmp(at->hash, head.hash, 32) != 0) { /* replaced, and not longer than before */
            r = go_back(w, head.number);
            return r < 0 ? r : 1;
        }
        if (target < w->next) return 0;
        r = get_blocks(w, (size_t)SN_MIN(target - w->next + 1, (uint64_t)STEP_BLOCKS));
        if (r < 0 || w->n_blocks == 0) return r;
        if ((m = mark_of(w, w->next - 1)) && memcmp(w->blocks[0].parent, m->hash, 32) != 0) {
            w->n_blocks = 0;
            r = go_back(w, w->last);
            return r < 0 ? r : 1;
        }
        keep_linked(w);
    }
    if (!w->o.no_logs) r = get_logs(w);
    if (r < 0) w->n_blocks = 0;
    return r < 0 ? r : 1;
}

/* ---- waiting ---- */

/* subscribe - once; a node without subscriptions is looked at regularly. */
static int subscribe(struct sn_eth_watch *w)
{
    if (w->sub || w->no_sub) return 0;
    int r = sn_eth_subscribe(w->c->rpc, SN_STR("[\"newHeads\"]"), SUB_EVENTS, &w->sub);
    if (r == SN_E_UNIMPLEMENTED) {
        w->no_sub = true;
        r = 0;
    }
    return r;
}
/* pause - until there may be something new. *ret_hint: the head that woke us, in the arena; NULL. */
static int pause(struct sn_eth_watch *w, struct sn_eth_block *ret_hint, bool *ret_has_hint)
{
    struct sn_eth_note note;
    *ret_has_hint = false;
    if (w->no_sub) return sn_sleep(w->c->poll_ns);
    int64_t own = sn_deadline(), look_at = sn_now() + QUIET_POLLS * w->c->poll_ns;
    int64_t prev = sn_deadline_tighten(look_at);
    int r = sn_eth_sub_next(w->sub, &w->arena, &note);
    sn_deadline_restore(prev);
    if (r == SN_E_DEADLINE_EXCEEDED && own > look_at) return 0; /* quiet: look anyway */
    if (r < 0) return r;
    if (!note.event) {
        w->stats.gaps++;
        return sn_eth_client_check(w->c);
    }
    *ret_has_hint = sn_eth_block_read(note.event, ret_hint) == 0;
    return 0;
}
/* trouble - r is worth another try until down_ns_max of it are over. Returns 0 to go on, else r. */
static int trouble(struct sn_eth_watch *w, int r)
{
    if (!sn_eth_transient(r) || sn_cancelled()) return r;
    int64_t now = sn_now();
    w->stats.failures++;
    if (!w->down_at_ns) {
        w->down_at_ns = now;
        w->delay_ns = SN_ETH_DELAY_NS_FIRST;
    }
    if (now - w->down_at_ns > w->o.down_ns_max) return sn_wrap(r, "watch: given up on the node");
    int slept = sn_eth_backoff(&w->delay_ns);
    return slept < 0 ? slept : 0;
}
/* advance - waits until something is ready to be told. */
static int advance(struct sn_eth_watch *w)
{
    struct sn_eth_block hint;
    bool has_hint = false;
    for (;;) {
        if (!has_hint) sn_arena_reset(&w->arena);
        int r = subscribe(w);
        if (r == 0) r = step(w, has_hint ? &hint : NULL);
        if (r >= 0) w->down_at_ns = 0;
        if (r == 1) return 0;
        sn_arena_reset(&w->arena);
        has_hint = false;
        if (r == 0) r = pause(w, &hint, &has_hint);
        if (r < 0 && (r = trouble(w, r)) < 0) return r;
    }
}

/* ---- telling ---- */

/* tell - the next event of what is ready: 1, or 0 where it is used up. */
static int tell(struct sn_eth_watch *w, struct sn_eth_event *ret)
{
    if (w->reorg) {
        w->reorg = false;
        w->stats.reorgs++;
        *ret = (struct sn_eth_event){.kind = SN_ETH_EVENT_REORG, .number = w->next};
        return 1;
    }
    while (w->at_block < w->n_blocks) {
        const struct sn_eth_block *b = &w->blocks[w->at_block];
        *ret = (struct sn_eth_event){.number = b->number};
        memcpy(ret->hash, b->hash, 32);
        if (!w->told_block) {
            w->told_block = true;
            mark_add(w, b);
            w->next = b->number + 1;
            w->stats.blocks++;
            ret->kind = SN_ETH_EVENT_BLOCK;
            ret->json = b->json;
            return 1;
        }
        const struct sn_json *log = w->o.no_logs ? NULL : sn_json_at(w->logs[w->at_block], w->at_log);
        if (log) {
            w->at_log++;
            w->stats.logs++;
            ret->kind = SN_ETH_EVENT_LOG;
            ret->json = log;
            return 1;
        }
        w->at_block++;
        w->at_log = 0;
        w->told_block = false;
    }
    return 0;
}
int sn_eth_watch_next(struct sn_eth_watch *w, struct sn_eth_event *ret)
{
    struct sn_eth_event e;
    while (tell(w, &e) == 0) {
        int r = advance(w);
        if (r < 0) return r;
    }
    *ret = e;
    return 0;
}
int sn_eth_watch_open(struct sn_eth_client *c, const struct sn_eth_watch_opts *opts,
                      struct sn_eth_watch **ret)
{
    struct sn_eth_watch *w = SN_NEW(struct sn_eth_watch);
    if (!w) return SN_E_NOMEM;
    w->c = c;
    w->o = *opts;
    if (!w->o.down_ns_max) w->o.down_ns_max = DOWN_NS_DEFAULT;
    sn_arena_init(&w->texts, NULL, 0);
    sn_arena_init(&w->arena, NULL, 0);
    w->o.filter.address = sn_arena_str(&w->texts, opts->filter.address);
    w->o.filter.topics = sn_arena_str(&w->texts, opts->filter.topics);
    if (!w->o.filter.address.ptr || !w->o.filter.topics.ptr) {
        sn_eth_watch_close(w);
        return SN_E_NOMEM;
    }
    *ret = w;
    return 0;
}
void sn_eth_watch_stats(const struct sn_eth_watch *w, struct sn_eth_watch_stats *ret)
{
    *ret = w->stats;
}
void sn_eth_watch_close(struct sn_eth_watch *w)
{
    if (!w) return;
    sn_eth_sub_close(w->sub);
    sn_arena_done(&w->texts);
    sn_arena_done(&w->arena);
    sn_free(w);
}
