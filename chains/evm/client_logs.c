/* SPDX-License-Identifier: Apache-2.0 */
/* evm/client_logs.c - logs over ranges of blocks that no node gives at once. Each provider has limits
 * of its own (blocks, results, bytes, time) and words of its own for them; what helps is always a
 * smaller range. */
#include "core/status.h"
#include "evm/client_int.h"
#include "fiber/fiber.h"

#define STEP_DEFAULT 10000u
#define STEP_MAX_DEFAULT 1000000u

/* ---- what a refusal says ---- */

/* "... this block range should work: [0x1, 0x2f]". */
static bool proposed(struct sn_str m, uint64_t *ret_from, uint64_t *ret_to)
{
    ssize_t open = sn_str_rchr(m, '['), close = sn_str_rchr(m, ']');
    if (open < 0 || close < open) return false;
    struct sn_str rest = sn_str_sub(m, (size_t)open + 1, (size_t)close);
    struct sn_str first = sn_str_trim(sn_str_cut(&rest, ','));
    if (!rest.ptr) return false;
    struct sn_json a = sn_json_string(first), b = sn_json_string(sn_str_trim(rest));
    return sn_eth_quantity(&a, "range", ret_from) == 0 && sn_eth_quantity(&b, "range", ret_to) == 0;
}
bool sn_eth_range_limited(int64_t code, struct sn_str message, uint64_t from, uint64_t to,
                          uint64_t *ret_from, uint64_t *ret_to)
{
    static const char *const texts[] = {
        "block range",       "blocks range",          "range is too",     "range too",
        "range limit",       "more than",             "exceed",           "too many",
        "response size",     "query timeout",         "query timed out",  "timed out",
        "timeout",           "limited to",            "too large",        "too wide",
        "maximum number of", "max results",           "limit reached",    "logs matched by query",
        "up to a",           "result set",            "too big",          "block limit",
    };
    bool is = code == -32005 || code == -32008 || code == -32062;
    *ret_from = 1;
    *ret_to = 0;
    for (size_t i = 0; !is && i < SN_COUNT_OF(texts); i++) is = sn_eth_says(message, texts[i]);
    uint64_t lo, hi;
    /* A proposal counts only where it makes progress: from where we are, and less. */
    if (is && proposed(message, &lo, &hi) && lo == from && hi >= lo && hi < to) {
        *ret_from = lo;
        *ret_to = hi;
    }
    return is;
}

/* ---- the walk ---- */

struct walk {
    const struct sn_eth_client *c;
    const struct sn_eth_filter *f;
    int (*on_log)(void *ctx, const struct sn_json *log);
    void *ctx;
    struct sn_eth_logs_stats stats;
    uint64_t last_block, last_index; /* of the last log handed out */
    bool any;
};
static int hand_out(struct walk *w, const struct sn_json *logs, uint64_t from, uint64_t to)
{
    if (!sn_json_is(logs, SN_JSON_ARRAY))
        return sn_fail(SN_E_PROTOCOL, "eth_getLogs answered with %s, array expected",
                       sn_json_kind_name(sn_json_kind(logs)));
    for (SN_JSON_EACH(logs, it)) {
        uint64_t block, index;
        int r = sn_eth_number(sn_json_get(it, "blockNumber"), "blockNumber", &block);
        if (r == 0) r = sn_eth_number(sn_json_get(it, "logIndex"), "logIndex", &index);
        if (r < 0) return sn_wrap(r, "eth_getLogs");
        if (block < from || block > to)
            return sn_fail(SN_E_PROTOCOL, "eth_getLogs: a log of block %llu for blocks %llu to %llu",
                           (unsigned long long)block, (unsigned long long)from,
                           (unsigned long long)to);
        if (w->any && (block < w->last_block ||
                       (block == w->last_block && index <= w->last_index)))
            return sn_fail(SN_E_PROTOCOL, "eth_getLogs: log %llu of block %llu is out of order",
                           (unsigned long long)index, (unsigned long long)block);
        w->any = true;
        w->last_block = block;
        w->last_index = index;
        w->stats.logs++;
        if ((r = w->on_log(w->ctx, it)) < 0) return r;
    }
    return 0;
}
/* One request. Returns 1 where a smaller range may help, with the end it may have at *ret_to. */
static int ask(struct walk *w, struct sn_arena *a, uint64_t from, uint64_t to,
               const struct sn_json **ret, uint64_t *ret_to)
{
    struct sn_str address = w->f->address, topics = w->f->topics;
    struct sn_eth_reply error = {0};
    uint64_t lo;
    *ret_to = from + (to - from) / 2;
    w->stats.requests++;
    int r = sn_eth_call(w->c->rpc, a, ret, &error, "eth_getLogs",
                        "[{\"fromBlock\":\"0x%llx\",\"toBlock\":\"0x%llx\"%s%.*s%s%.*s}]",
                        (unsigned long long)from, (unsigned long long)to,
                        address.len ? ",\"address\":" : "", SN_STR_ARG(address),
                        topics.len ? ",\"topics\":" : "", SN_STR_ARG(topics));
    if (r >= 0 || from == to) return r;
    uint64_t hi;
    if (error.code && sn_eth_range_limited(error.code, error.message, from, to, &lo, &hi)) {
        if (hi >= lo) *ret_to = hi;
        return 1;
    }
    /* An answer beyond our own limit, or one that takes the node longer than we wait. */
    return r == SN_E_TOO_LARGE || (r == SN_E_DEADLINE_EXCEEDED && !sn_cancelled()) ? 1 : r;
}
static int walk(struct walk *w, uint64_t from, uint64_t to, uint64_t step, uint64_t step_max)
{
    struct sn_arena a;
    int r = 0;
    sn_arena_init(&a, NULL, 0);
    while (from <= to && r >= 0) {
        const struct sn_json *logs = NULL;
        uint64_t end = to - from >= step ? from + step - 1 : to, less;
        sn_arena_reset(&a);
        r = ask(w, &a, from, end, &logs, &less);
        if (r == 1) {
            w->stats.splits++;
            step = less - from + 1;
            continue;
        }
        if (r >= 0) r = hand_out(w, logs, from, end);
        if (r < 0 || end == UINT64_MAX) break;
        if (end - from + 1 >= step) step = SN_MIN(step + SN_MAX(step / 2, (uint64_t)1), step_max);
        from = end + 1;
    }
    sn_arena_done(&a);
    return r < 0 ? r : 0;
}
int sn_eth_logs(const struct sn_eth_client *c, const struct sn_eth_filter *f, uint64_t from,
                uint64_t to, const struct sn_eth_logs_opts *opts,
                int (*on_log)(void *ctx, const struct sn_json *log), void *ctx,
                struct sn_eth_logs_stats *ret_stats)
{
    uint64_t step = opts && opts->step ? opts->step : STEP_DEFAULT;
    uint64_t step_max = opts && opts->step_max ? opts->step_max : STEP_MAX_DEFAULT;
    struct walk w = {.c = c, .f = f, .on_log = on_log, .ctx = ctx};
    int r = walk(&w, from, to, SN_MIN(step, step_max), step_max);
    if (ret_stats) *ret_stats = w.stats;
    return r;
}
