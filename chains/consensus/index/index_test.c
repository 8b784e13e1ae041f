/* SPDX-License-Identifier: Apache-2.0 */
/* index/index_test.c - keys against written-out ones; searches of drawn queries over drawn events
 * against a look at every event; failing allocations. */
#include <stdio.h>

#include "consensus/index/index_int.h"
#include "consensus/index/psql.h"
#include "core/alloc.h"
#include "core/enc.h"
#include "core/rand.h"
#include "core/torture.h"
#include "crypto/hash.h"
#include "fiber/fiber.h"
#include "tests/harness/test.h"

/* ---- keys ---- */

SN_TEST(index_numbers_sort)
{
    static const struct {
        int64_t v;
        const char *hex;
    } known[] = {
        {0, "80"},
        {1, "81"},
        {63, "bf"},
        {64, "c040"},
        {0x23, "a3"},
        {0x10e, "c10e"},
        {-1, "7f"},
        {-64, "40"},
        {-65, "3fbf"},
        {-0x10f, "3ef1"},
        {8191, "dfff"},
        {8192, "e02000"},
        {INT64_MAX, "ffc07fffffffffffffff"},
        {INT64_MIN, "003f8000000000000000"},
    };
    struct sn_buf b = {0}, hex = {0};
    for (size_t i = 0; i < SN_COUNT_OF(known); i++) {
        sn_buf_reset(&b);
        sn_buf_reset(&hex);
        sn_index_put_i64(&b, known[i].v);
        sn_buf_hex(&hex, b.ptr, b.len);
        T_CSTR(sn_buf_cz(&hex), known[i].hex);
    }
    struct sn_rand r;
    sn_rand_seed(&r, sn_test_seed());
    int64_t last = 0;
    struct sn_buf before = {0};
    for (int i = 0; i < 20000; i++) {
        int64_t v = (int64_t)(sn_rand_u64(&r) >> sn_rand_u64(&r) % 64), back = 0;
        if (i % 2) v = ~v;
        sn_buf_reset(&b);
        sn_index_put_i64(&b, v);
        struct sn_str in = sn_buf_view(&b);
        T_ASSERT(sn_index_take_i64(&in, &back) && back == v && in.len == 0);
        if (i) {
            int c = sn_str_cmp(sn_buf_view(&before), sn_buf_view(&b));
            T_ASSERT((c < 0) == (last < v) && (c == 0) == (last == v));
        }
        for (size_t cut = 0; cut < b.len; cut++) {
            in = sn_str_of((char *)b.ptr, cut);
            T_ASSERT(!sn_index_take_i64(&in, &back));
        }
        sn_buf_reset(&before);
        sn_buf_put(&before, b.ptr, b.len);
        last = v;
    }
    sn_buf_done(&b);
    sn_buf_done(&hex);
    sn_buf_done(&before);
}

SN_TEST(index_keys)
{
    struct sn_buf b = {0}, scratch = {0};
    struct sn_index_key k, in = {SN_STR("a/b\x00\xff"), 1234, 5, 99};
    sn_index_tx_key(&b, SN_STR("t.x"), &in);
    T_ASSERT(sn_str_eq(sn_buf_view(&b), SN_STR("t.x/a/b\x00\xff/1234/5$es$99")));
    T_ASSERT(sn_index_tx_key_parse(sn_buf_view(&b), SN_STR("t.x"), &k));
    T_ASSERT(k.height == 1234 && k.index == 5 && k.seq == 99 && sn_str_eq(k.value, in.value));
    /* Of older versions, and none of ours. */
    T_ASSERT(sn_index_tx_key_parse(SN_STR("t.x/v/7/8"), SN_STR("t.x"), &k) && k.seq == 0);
    T_ASSERT(sn_index_tx_key_parse(SN_STR("t.x/v/7/8$es$x"), SN_STR("t.x"), &k) && k.seq >> 63);
    T_ASSERT(!sn_index_tx_key_parse(SN_STR("t.x/v/7"), SN_STR("t.x"), &k));
    T_ASSERT(!sn_index_tx_key_parse(SN_STR("t.xy/v/7/8"), SN_STR("t.x"), &k));
    T_ASSERT(!sn_index_tx_key_parse(SN_STR("t.x/v/x/8"), SN_STR("t.x"), &k));

    sn_buf_reset(&b);
    sn_index_block_key(&b, SN_STR("t.x"), &in);
    struct sn_str key = sn_str_from(sn_buf_view(&b), SN_INDEX_BLOCK_PREFIX.len);
    T_ASSERT(sn_index_block_key_parse(key, &scratch, &k));
    T_ASSERT(k.height == 1234 && k.seq == 99 && sn_str_eq(k.value, in.value));
    /* With the function's name before the number, and with nothing but it. */
    sn_buf_reset(&b);
    sn_index_put_text(&b, SN_STR("t.x"));
    sn_index_put_text(&b, SN_STR("v"));
    sn_index_put_i64(&b, 7);
    sn_index_put_text(&b, SN_STR("end_block"));
    T_ASSERT(sn_index_block_key_parse(sn_buf_view(&b), &scratch, &k) && k.seq == 0 &&
             k.height == 7);
    sn_index_put_i64(&b, 3);
    T_ASSERT(sn_index_block_key_parse(sn_buf_view(&b), &scratch, &k) && k.seq == 3);
    for (size_t cut = 0; cut < 9; cut++)
        T_ASSERT(!sn_index_block_key_parse(sn_str_of((char *)b.ptr, cut), &scratch, &k));
    sn_buf_done(&b);
    sn_buf_done(&scratch);
}

/* ---- searching ---- */

#define HEIGHTS 12
#define TXS 4
#define EVENTS 3
#define ATTRS 3

static const char *const types[] = {"a", "b", "a/x"};
static const char *const names[] = {"k", "n"};
static const char *const values[] = {"1", "2", "10", "-3", "2.5", "v", "w/v", "", "1stake", "\xff"};

/* A drawn chain. */
struct world {
    struct sn_rand r;
    struct sn_arena a;
    struct sn_indexer *ix;
    struct tendermint_abci_response_finalize_block *res[HEIGHTS + 1];
    struct sn_str txs[HEIGHTS + 1][TXS];
};

static uint64_t below(struct world *w, uint64_t n) { return sn_rand_u64(&w->r) % n; }

static void draw_event(struct world *w, struct tendermint_abci_event *e)
{
    e->type = sn_str(below(w, 9) ? types[below(w, SN_COUNT_OF(types))] : "");
    for (uint64_t n = below(w, ATTRS + 1); n; n--) {
        struct tendermint_abci_event_attribute *t = tendermint_abci_event_add_attributes(e, &w->a);
        t->key = sn_str(below(w, 9) ? names[below(w, SN_COUNT_OF(names))] : "");
        t->value = sn_str(values[below(w, SN_COUNT_OF(values))]);
        t->index = below(w, 8) > 0;
    }
}

static void draw_height(struct world *w, int64_t h)
{
    struct sn_cons_block b = {.header = {.height = h}, .txs = w->txs[h], .n_txs = TXS};
    w->res[h] = SN_ARENA_NEW(&w->a, struct tendermint_abci_response_finalize_block);
    for (uint64_t n = below(w, EVENTS + 1); n; n--)
        draw_event(w, tendermint_abci_response_finalize_block_add_events(w->res[h], &w->a));
    for (int i = 0; i < TXS; i++) {
        struct tendermint_abci_exec_tx_result *t =
            tendermint_abci_response_finalize_block_add_tx_results(w->res[h], &w->a);
        w->txs[h][i] = sn_arena_printf(&w->a, "%lld/%d", (long long)h, i);
        for (uint64_t n = below(w, EVENTS + 1); n; n--)
            draw_event(w, tendermint_abci_exec_tx_result_add_events(t, &w->a));
    }
    struct sn_buf answer SN_CLEANUP(sn_buf_done) = {0};
    T_ASSERT(tendermint_abci_response_finalize_block_encode(w->res[h], &answer) >= 0);
    const struct sn_indexer_in in = {&b, w->res[h], sn_buf_view(&answer)};
    T_OK(sn_indexer_put(w->ix, &in));
    if (below(w, 4) == 0) T_OK(sn_indexer_put(w->ix, &in)); /* nothing changes */
}

static bool is_range(const struct sn_query_cond *c)
{
    return c->op != SN_QUERY_EQ && c->op != SN_QUERY_CONTAINS && c->op != SN_QUERY_EXISTS;
}
/* The simple numbers that are drawn here. */
static bool number(struct sn_str s, double *ret) { return sn_str_to_double(s, ret) == 0; }

static bool attr_meets(const struct sn_query *q, const struct sn_query_cond *c,
                       const struct tendermint_abci_event *e,
                       const struct tendermint_abci_event_attribute *t)
{
    char tag[64];
    double x, y;
    snprintf(tag, sizeof(tag), "%.*s.%.*s", SN_STR_ARG(e->type), SN_STR_ARG(t->key));
    if (!t->index || !e->type.len || !t->key.len || !sn_str_eqc(c->tag, tag)) return false;
    if (c->op == SN_QUERY_EXISTS) return true;
    if (c->op == SN_QUERY_EQ) return sn_str_eq(c->arg, t->value);
    if (c->op == SN_QUERY_CONTAINS) return sn_str_find(t->value, c->arg) >= 0;
    if (!number(t->value, &x)) return false;
    for (size_t i = 0; i < q->n; i++) {
        const struct sn_query_cond *o = &q->conds[i];
        if (!is_range(o) || !sn_str_eq(o->tag, c->tag)) continue;
        T_ASSERT(number(o->arg, &y));
        if (o->op == SN_QUERY_LT   ? !(x < y)
            : o->op == SN_QUERY_LE ? !(x <= y)
            : o->op == SN_QUERY_GT ? !(x > y)
                                   : !(x >= y))
            return false;
    }
    return true;
}

static bool height_meets(const struct sn_query *q, const char *tag, int64_t h, bool *ret_only)
{
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)h);
    const struct sn_query_attr a = {sn_str(tag), sn_str(text)};
    *ret_only = true;
    for (size_t i = 0; i < q->n; i++) {
        if (!sn_str_eqc(q->conds[i].tag, tag))
            *ret_only = false;
        else if (!sn_query_cond_match(&q->conds[i], &a))
            return false;
    }
    return true;
}

/* Whether one of the events meets every condition but those on heights. */
static bool events_meet(const struct sn_query *q, const char *height,
                        struct tendermint_abci_event *const *ev, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool all = true;
        for (size_t c = 0; c < q->n && all; c++) {
            if (sn_str_eqc(q->conds[c].tag, height)) continue;
            bool any = false;
            for (uint32_t k = 0; k < ev[i]->attributes.len; k++)
                any = any || attr_meets(q, &q->conds[c], ev[i], ev[i]->attributes.ptr[k]);
            all = any;
        }
        if (all) return true;
    }
    return false;
}

static void draw_query(struct world *w, const char *height, char *out, size_t cap)
{
    static const char *const ops[] = {"=", "<", "<=", ">", ">="};
    static const char *const numbers[] = {"1", "2", "3", "10", "2.5", "0", "7"};
    *out = 0;
    for (uint64_t n = 1 + below(w, 3); n; n--) {
        char c[128];
        char tag[32];
        snprintf(tag, sizeof(tag), "%s.%s", types[below(w, 2)],
                 names[below(w, SN_COUNT_OF(names))]);
        switch (below(w, 6)) {
        case 0:
            snprintf(c, sizeof(c), "%s %s %llu", height, ops[below(w, 5)],
                     (unsigned long long)below(w, HEIGHTS + 2));
            break;
        case 1:
            snprintf(c, sizeof(c), "%s = '%s'", tag, values[below(w, SN_COUNT_OF(values))]);
            break;
        case 2:
            snprintf(c, sizeof(c), "%s %s %s", tag, ops[1 + below(w, 4)],
                     numbers[below(w, SN_COUNT_OF(numbers))]);
            break;
        case 3: snprintf(c, sizeof(c), "%s CONTAINS '%s'", tag, below(w, 2) ? "v" : "1"); break;
        case 4: snprintf(c, sizeof(c), "%s EXISTS", tag); break;
        default:
            snprintf(c, sizeof(c), "%s = %s", tag, numbers[below(w, SN_COUNT_OF(numbers))]);
            break;
        }
        snprintf(out + strlen(out), cap - strlen(out), "%s%s", *out ? " AND " : "", c);
    }
}

static void check_txs(struct world *w, const struct sn_query *q, const char *text)
{
    struct sn_arena a = {0};
    struct sn_indexer_page p = {.page = 1, .per_page = HEIGHTS * TXS};
    struct sn_str *found, *page;
    size_t n, n_page, at = 0;
    uint64_t total;
    T_OK(sn_indexer_tx_search(w->ix, q, &p, &a, &found, &n, &total));
    for (int64_t h = 1; h <= HEIGHTS; h++)
        for (int i = 0; i < TXS; i++) {
            bool only;
            const struct tendermint_abci_exec_tx_result *t = w->res[h]->tx_results.ptr[i];
            if (!height_meets(q, "tx.height", h, &only) ||
                !(only || events_meet(q, "tx.height", t->events.ptr, t->events.len)))
                continue;
            struct tendermint_abci_tx_result *m;
            T_ASSERTF(at < n, "%s: %lld/%d is not found", text, (long long)h, i);
            T_OK(tendermint_abci_tx_result_parse(found[at++], 0, &a, &m));
            T_ASSERTF(m->height == h && m->index == (uint32_t)i, "%s: %lld/%u instead of %lld/%d",
                      text, (long long)m->height, m->index, (long long)h, i);
        }
    T_ASSERTF(at == n && total == n, "%s: %zu of %zu", text, at, n);
    /* A page from the other end. */
    p = (struct sn_indexer_page){.descending = true, .page = 2, .per_page = 3};
    int r = sn_indexer_tx_search(w->ix, q, &p, &a, &page, &n_page, &total);
    T_EQ(r, n > 3 ? 0 : SN_E_INVALID_ARGUMENT);
    for (size_t i = 0; r == 0 && i < n_page; i++) T_ASSERT(sn_str_eq(page[i], found[n - 4 - i]));
    sn_arena_done(&a);
}

static void check_blocks(struct world *w, const struct sn_query *q, const char *text)
{
    struct sn_arena a = {0};
    const struct sn_indexer_page p = {.descending = true, .page = 1, .per_page = HEIGHTS};
    int64_t *found;
    size_t n, at = 0;
    uint64_t total;
    T_OK(sn_indexer_block_search(w->ix, q, &p, &a, &found, &n, &total));
    for (int64_t h = HEIGHTS; h >= 1; h--) {
        bool only;
        if (!height_meets(q, "block.height", h, &only) ||
            !(only || events_meet(q, "block.height", w->res[h]->events.ptr, w->res[h]->events.len)))
            continue;
        T_ASSERTF(at < n && found[at] == h, "%s: block %lld", text, (long long)h);
        at++;
    }
    T_ASSERTF(at == n && total == n, "%s: %zu of %zu blocks", text, at, n);
    sn_arena_done(&a);
}

static int search_main(void *arg)
{
    struct world *w = arg;
    struct sn_indexer_opts o = {0};
    T_OK(sn_kv_open_memory(&o.kv));
    T_OK(sn_indexer_new(&o, &w->ix));
    for (int64_t h = 1; h <= HEIGHTS; h++) draw_height(w, h);
    for (int i = 0; i < 300; i++) {
        char text[400];
        struct sn_query *q;
        bool blocks = i % 2;
        draw_query(w, blocks ? "block.height" : "tx.height", text, sizeof(text));
        T_OK(sn_query_parse(sn_str(text), &q));
        if (blocks)
            check_blocks(w, q, text);
        else
            check_txs(w, q, text);
        sn_query_free(q);
    }
    sn_indexer_free(w->ix);
    return 0;
}
SN_TEST(index_search)
{
    uint64_t seed = sn_test_seed();
    for (unsigned i = 0; i < sn_test_cases(4); i++) {
        struct world w = {0};
        sn_rand_seed(&w.r, seed + i);
        T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, search_main, &w));
        sn_arena_done(&w.a);
    }
}

/* ---- what is said of what is not there ---- */

static int search(struct world *w, const char *text, uint32_t page, uint64_t *ret_total)
{
    struct sn_arena a = {0};
    const struct sn_indexer_page p = {.page = page, .per_page = 2};
    struct sn_query *q;
    struct sn_str *txs;
    size_t n;
    int r = sn_query_parse(sn_str(text), &q);
    if (r < 0) return r;
    r = sn_indexer_tx_search(w->ix, q, &p, &a, &txs, &n, ret_total);
    sn_query_free(q);
    sn_arena_done(&a);
    return r;
}

static int edges_main(void *arg)
{
    struct world *w = arg;
    struct sn_indexer_opts o = {0};
    uint64_t total;
    uint8_t hash[32];
    char text[128], hex[65];
    T_OK(sn_kv_open_memory(&o.kv));
    T_OK(sn_indexer_new(&o, &w->ix));
    T_EQ(sn_indexer_height(w->ix), 0);
    T_OK(search(w, "tx.height = 1", 1, &total));
    T_EQ(total, 0);
    T_EQ(search(w, "tx.height = 1", 2, &total), SN_E_INVALID_ARGUMENT);
    T_CSTR(sn_diag_str(SN_E_INVALID_ARGUMENT), "page should be within [1, 1] range, given 2");
    for (int64_t h = 1; h <= HEIGHTS; h++) draw_height(w, h);
    /* One at a time, by who executes them: a gap stays for who follows. */
    for (int64_t h = 1; h <= 6; h += h == 3 ? 3 : 1) {
        struct sn_cons_block b = {.header = {.height = h}, .txs = w->txs[h], .n_txs = TXS};
        struct sn_buf answer SN_CLEANUP(sn_buf_done) = {0};
        T_ASSERT(tendermint_abci_response_finalize_block_encode(w->res[h], &answer) >= 0);
        T_OK(sn_indexer_block(w->ix, &(struct sn_indexer_in){&b, w->res[h], sn_buf_view(&answer)}));
        T_EQ(sn_indexer_height(w->ix), h == 6 ? 3 : h);
    }
    T_OK(sn_hash_once(SN_SHA256, w->txs[3][1].ptr, w->txs[3][1].len, hash));
    for (int i = 0; i < 32; i++) snprintf(hex + 2 * i, 3, "%02X", hash[i]);
    snprintf(text, sizeof(text), "tx.hash = '%s'", hex);
    T_OK(search(w, text, 1, &total));
    T_EQ(total, 1);
    T_EQ(search(w, "tx.hash = ''", 1, &total), SN_E_INVALID_ARGUMENT);
    T_EQ(search(w, "tx.hash = 'xx'", 1, &total), SN_E_INVALID_ARGUMENT);
    T_OK(search(w, "tx.hash = 'aabb'", 1, &total));
    T_EQ(total, 0);
    /* Two heights are none; as a text it is a height, too; all have one. */
    T_OK(search(w, "tx.height = 1 AND tx.height = 2", 1, &total));
    T_EQ(total, 0);
    T_OK(search(w, "tx.height = '2'", 1, &total));
    T_EQ(total, TXS);
    T_OK(search(w, "tx.height EXISTS", 1, &total));
    T_EQ(total, HEIGHTS * TXS);
    sn_indexer_free(w->ix);
    return 0;
}
SN_TEST(index_edges)
{
    struct world w = {0};
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, edges_main, &w));
    sn_arena_done(&w.a);
}

/* Search never truncates: as many as there are, or an error that says so: never a part of them. */
static int never_truncates_main(void *arg)
{
    struct world *w = arg;
    for (int less = 0; less < 2; less++) {
        struct sn_indexer_opts o = {.found_max = (uint32_t)(HEIGHTS * TXS - less)};
        uint64_t total = 0;
        T_OK(sn_kv_open_memory(&o.kv));
        T_OK(sn_indexer_new(&o, &w->ix));
        for (int64_t h = 1; h <= HEIGHTS; h++) draw_height(w, h);
        int r = search(w, "tx.height > 0", 1, &total);
        T_EQ(r, less ? SN_E_RESOURCE_EXHAUSTED : 0);
        T_EQ(total, less ? 0 : HEIGHTS * TXS);
        if (less) T_ASSERT(strstr(sn_diag_str(r), "it needs a narrower condition"));
        T_OK(search(w, "tx.height > 1", 1, &total)); /* which it then has */
        T_EQ(total, (HEIGHTS - 1) * TXS);
        sn_indexer_free(w->ix);
    }
    return 0;
}
SN_TEST(index_never_truncates)
{
    struct world w = {0};
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, never_truncates_main, &w));
    sn_arena_done(&w.a);
}

/* ---- psql, without a database; with one: tests/interop/chain_psql.sh ---- */

static int psql_main(void *arg)
{
    struct sn_psql *p;
    struct sn_indexer *ix;
    int64_t height = 7;
    int r = sn_psql_open(SN_STR("host=127.0.0.1 port=1 password=word"), SN_STR("c"), &p);
    *(bool *)arg = r == SN_E_UNIMPLEMENTED;
    if (r == SN_E_UNIMPLEMENTED) return 0;
    T_OK(r);
    T_EQ(sn_psql_last(p, &height), SN_E_UNAVAILABLE);
    T_ASSERT(!strstr(sn_diag_str(SN_E_UNAVAILABLE), "word"));
    T_EQ(height, 7);
    /* It cannot be asked, whether or not it can be reached. */
    T_OK(sn_indexer_new(&(struct sn_indexer_opts){.psql = p}, &ix));
    struct sn_buf out SN_CLEANUP(sn_buf_done) = {0};
    uint8_t hash[32] = {0};
    T_EQ(sn_indexer_tx(ix, hash, &out), SN_E_UNIMPLEMENTED);
    T_STR(sn_str(sn_diag_str(SN_E_UNIMPLEMENTED)), "the TxIndexer.Get method is not supported");
    sn_indexer_free(ix);
    static const char *const none[] = {"", "word without sense", "postgresql://h:port/x?y",
                                       "host='word"};
    for (size_t i = 0; i < SN_COUNT_OF(none); i++) {
        sn_test_row("%s", none[i]);
        T_EQ(sn_psql_open(sn_str(none[i]), SN_STR("c"), &p), SN_E_INVALID_ARGUMENT);
        T_ASSERT(!strstr(sn_diag_str(SN_E_INVALID_ARGUMENT), "word"));
    }
    return 0;
}
SN_TEST(index_psql_unreachable)
{
    bool missing = false;
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, psql_main, &missing));
    if (missing) sn_test_skip("libpq5 is not installed");
}

/* ---- without memory ---- */

static int search_once(void *arg)
{
    uint64_t total;
    int r = search(arg, "a.k EXISTS AND tx.height < 3", 1, &total);
    return r < 0 ? r : search(arg, "tx.height > 1", 1, &total);
}
static int torture_main(void *arg)
{
    struct world *w = arg;
    struct sn_indexer_opts o = {0};
    T_OK(sn_kv_open_memory(&o.kv));
    T_OK(sn_indexer_new(&o, &w->ix));
    for (int64_t h = 1; h <= 3; h++) draw_height(w, h);
    T_OK(sn_torture(search_once, w));
    sn_indexer_free(w->ix);
    return 0;
}
SN_TEST(index_torture)
{
    struct world w = {0};
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, torture_main, &w));
    sn_arena_done(&w.a);
}
