/* SPDX-License-Identifier: Apache-2.0 */
/* index/search.c - queries over the index.
 *
 * A condition on an attribute is a scan of its keys that gives (what, event) pairs; a pair must be
 * found by each of them, so that all are met by one event, as in CometBFT. Conditions on heights
 * are held against the height that every key has. The narrowest kind of condition goes first, and
 * what it found bounds all that is kept for the others. Order, pages and totals are exact: what
 * does not fit is an error. Where CometBFT forgets a condition (two heights that differ, EXISTS of
 * a height, a height as text), it is held to here.
 *
 * Source: CometBFT v0.38.25 state/txindex/kv/kv.go, state/indexer/block/kv/kv.go. */
#include <stdio.h>
#include <stdlib.h>

#include "consensus/index/index_int.h"
#include "core/enc.h"
#include "core/status.h"
#include "core/vec.h"

struct hit {
    uint8_t what[32]; /* a transaction's hash; of a block its height */
    uint64_t seq;
    int64_t height;
    uint32_t index;
};
struct hits {
    struct hit *ptr;
    size_t len, cap;
};

struct search {
    struct sn_indexer *ix;
    const struct sn_query *q;
    bool blocks;
    struct sn_str height_tag;
    int64_t lo, hi;    /* heights that whole numbers in the query leave */
    struct hits found; /* by every condition so far; sorted */
    bool begun;
    struct hits next; /* by the condition at hand */
    struct sn_buf from, to, scratch;
};
static void search_done(struct search *s)
{
    sn_vec_done(&s->found);
    sn_vec_done(&s->next);
    sn_buf_done(&s->from);
    sn_buf_done(&s->to);
    sn_buf_done(&s->scratch);
}

static int by_what(const void *x, const void *y)
{
    const struct hit *a = x, *b = y;
    int c = memcmp(a->what, b->what, sizeof(a->what));
    return c ? c : (a->seq > b->seq) - (a->seq < b->seq);
}
static int by_place(const void *x, const void *y)
{
    const struct hit *a = x, *b = y;
    if (a->height != b->height) return a->height < b->height ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

/* ---- heights ---- */

static bool is_height(const struct search *s, const struct sn_query_cond *c)
{
    return sn_str_eq(c->tag, s->height_tag);
}

/* Whether the height meets every condition on heights. */
static bool height_fits(const struct search *s, int64_t height)
{
    char text[24];
    if (height < s->lo || height > s->hi) return false;
    int n = snprintf(text, sizeof(text), "%lld", (long long)height);
    const struct sn_query_attr a = {s->height_tag, sn_str_of(text, (size_t)n)};
    for (size_t i = 0; i < s->q->n; i++)
        if (is_height(s, &s->q->conds[i]) && !sn_query_cond_match(&s->q->conds[i], &a))
            return false;
    return true;
}

static void narrow(struct search *s)
{
    s->lo = 0;
    s->hi = INT64_MAX;
    for (size_t i = 0; i < s->q->n; i++) {
        const struct sn_query_cond *c = &s->q->conds[i];
        int64_t v;
        if (!is_height(s, c) || c->op == SN_QUERY_CONTAINS || c->op == SN_QUERY_EXISTS ||
            sn_str_to_i64(c->arg, &v) < 0)
            continue;
        if (c->op == SN_QUERY_EQ || c->op == SN_QUERY_GT || c->op == SN_QUERY_GE)
            s->lo = SN_MAX(s->lo, v);
        if (c->op == SN_QUERY_EQ || c->op == SN_QUERY_LT || c->op == SN_QUERY_LE)
            s->hi = SN_MIN(s->hi, v);
    }
}

/* ---- values ---- */

static struct sn_str trim(struct sn_str s)
{
    while (s.len && strchr(" \t\n\v\f\r", s.ptr[0]) && s.ptr[0]) s = sn_str_from(s, 1);
    while (s.len && strchr(" \t\n\v\f\r", s.ptr[s.len - 1]) && s.ptr[s.len - 1]) s.len--;
    return s;
}

/* A whole text as a number against a bound, which has no sign: "8stake" is none here. */
static bool compare(struct sn_str value, struct sn_str bound, int *ret)
{
    bool negative = value.len && value.ptr[0] == '-';
    struct sn_str v =
        negative || (value.len && value.ptr[0] == '+') ? sn_str_from(value, 1) : value;
    size_t dots = 0;
    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] == '.' && ++dots == 1) continue;
        if (v.ptr[i] < '0' || v.ptr[i] > '9') {
            double x, y;
            if (sn_str_to_double(value, &x) < 0 || sn_str_to_double(bound, &y) < 0) return false;
            *ret = (x > y) - (x < y);
            return true;
        }
    }
    if (!sn_query_number_cmp(v, bound, ret)) return false;
    if (negative) {
        int zero;
        *ret = sn_query_number_cmp(v, SN_STR("0"), &zero) && zero == 0 ? *ret : -1;
    }
    return true;
}

static bool is_range(enum sn_query_op op)
{
    return op == SN_QUERY_LT || op == SN_QUERY_LE || op == SN_QUERY_GT || op == SN_QUERY_GE;
}

static bool in_range(const struct sn_query_cond *c, struct sn_str value)
{
    int cmp;
    if (c->type != SN_QUERY_NUMBER || !compare(value, c->arg, &cmp)) return false;
    switch (c->op) {
    case SN_QUERY_LT: return cmp < 0;
    case SN_QUERY_LE: return cmp <= 0;
    case SN_QUERY_GT: return cmp > 0;
    default: return cmp >= 0;
    }
}

/* Bounds of one attribute must hold for one value: they are looked at together. */
static bool value_fits(const struct search *s, const struct sn_query_cond *c, struct sn_str value)
{
    if (c->op == SN_QUERY_EXISTS) return true;
    if (c->op == SN_QUERY_EQ) return sn_str_eq(value, c->arg);
    value = s->blocks ? value : trim(value);
    if (c->op == SN_QUERY_CONTAINS) return sn_str_find(value, c->arg) >= 0;
    for (size_t i = 0; i < s->q->n; i++) {
        const struct sn_query_cond *other = &s->q->conds[i];
        if (is_range(other->op) && sn_str_eq(other->tag, c->tag) && !in_range(other, value))
            return false;
    }
    return true;
}

/* ---- scanning ---- */

/* The end of all keys that begin with what is in `from`. */
static void end_of_prefix(struct search *s)
{
    sn_buf_reset(&s->to);
    sn_buf_str(&s->to, sn_buf_view(&s->from));
    while (s->to.len && s->to.ptr[s->to.len - 1] == 0xff) s->to.len--;
    if (s->to.len) s->to.ptr[s->to.len - 1]++;
}

static int keep(struct search *s, const struct hit *h)
{
    if (s->begun && !bsearch(h, s->found.ptr, s->found.len, sizeof(*h), by_what)) return 0;
    if (s->next.len == s->ix->o.found_max)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED,
                       "the query finds more than %u entries: it needs a narrower condition",
                       s->ix->o.found_max);
    return sn_vec_push(&s->next, *h);
}

/* c: NULL for keys of heights. */
static int look(struct search *s, const struct sn_query_cond *c, const struct sn_kv_pair *p)
{
    struct sn_index_key k;
    struct hit h = {0};
    struct sn_str tag = c ? c->tag : s->height_tag, key = p->key;
    if (s->blocks) {
        key = sn_str_from(key, SN_INDEX_BLOCK_PREFIX.len);
        if (c && !sn_index_block_key_parse(key, &s->scratch, &k)) return 0;
        if (!c && !(sn_index_take_text(&key, &s->scratch) && sn_index_take_i64(&key, &k.height) &&
                    key.len == 0))
            return 0;
        sn_buf_reset(&s->scratch);
    } else if (p->value.len != sizeof(h.what) || !sn_index_tx_key_parse(key, tag, &k)) {
        return 0;
    }
    if (!height_fits(s, k.height) || (c && !value_fits(s, c, k.value))) return 0;
    h.height = k.height;
    h.index = s->blocks ? 0 : k.index;
    h.seq = c ? k.seq : 0;
    if (s->blocks)
        memcpy(h.what, &k.height, sizeof(k.height));
    else
        memcpy(h.what, p->value.ptr, sizeof(h.what));
    return keep(s, &h);
}

/* Every key that begins with what is in `from`. */
static int scan(struct search *s, const struct sn_query_cond *c)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done) = {0};
    int more = 1;
    sn_arena_init(&a, NULL, SN_INDEXER_ARENA);
    end_of_prefix(s);
    if (s->from.err < 0 || s->to.err < 0) return SN_E_NOMEM;
    while (more > 0) {
        struct sn_kv_pair *pairs;
        size_t n;
        const struct sn_kv_range range = {sn_buf_view(&s->from), sn_buf_view(&s->to),
                                          .n_max = SN_INDEXER_SCAN,
                                          .bytes_max = SN_INDEXER_ARENA / 4};
        more = sn_kv_scan(s->ix->o.kv, &range, &a, &pairs, &n);
        if (more < 0) return more;
        for (size_t i = 0; i < n; i++) {
            int r = look(s, c, &pairs[i]);
            if (r < 0) return r;
        }
        if (n) {
            sn_buf_reset(&s->from);
            sn_buf_str(&s->from, pairs[n - 1].key);
            sn_buf_byte(&s->from, 0);
            if (s->from.err < 0) return s->from.err;
        }
        sn_arena_reset(&a);
    }
    return 0;
}

/* ---- conditions ---- */

/* The start of the keys that c can be met by. */
static void prefix_of(struct search *s, const struct sn_query_cond *c)
{
    struct sn_buf *b = &s->from;
    sn_buf_reset(b);
    if (s->blocks) {
        sn_buf_str(b, SN_INDEX_BLOCK_PREFIX);
        sn_index_put_text(b, c->tag);
        if (c->op == SN_QUERY_EQ) sn_index_put_text(b, c->arg);
        if (c->op == SN_QUERY_EQ && s->lo == s->hi) sn_index_put_i64(b, s->lo);
        return;
    }
    sn_buf_str(b, c->tag);
    sn_buf_byte(b, '/');
    if (c->op != SN_QUERY_EQ) return;
    sn_buf_str(b, c->arg);
    sn_buf_byte(b, '/');
    if (s->lo != s->hi) return;
    sn_buf_i64(b, s->lo);
    sn_buf_byte(b, '/');
}

/* What the condition finds is sorted, once each, and among what was found before. */
static void take_over(struct search *s)
{
    struct hits old = s->found;
    size_t n = 0;
    if (s->next.len) qsort(s->next.ptr, s->next.len, sizeof(struct hit), by_what);
    for (size_t i = 0; i < s->next.len; i++)
        if (n == 0 || by_what(&s->next.ptr[n - 1], &s->next.ptr[i]) != 0 ||
            by_place(&s->next.ptr[n - 1], &s->next.ptr[i]) < 0) {
            if (n && by_what(&s->next.ptr[n - 1], &s->next.ptr[i]) == 0) n--;
            s->next.ptr[n++] = s->next.ptr[i];
        }
    s->next.len = n;
    s->found = s->next;
    s->next = old;
    s->next.len = 0;
    s->begun = true;
}

/* How many keys a kind of condition tends to find. */
static unsigned width(const struct sn_query_cond *c)
{
    if (c->op == SN_QUERY_EQ) return 0;
    return is_range(c->op) ? 1 : c->op == SN_QUERY_CONTAINS ? 2 : 3;
}

/* The bounds of an attribute are one condition: the first of them. */
static bool is_repeated(const struct search *s, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (is_range(s->q->conds[i].op) && is_range(s->q->conds[k].op) &&
            sn_str_eq(s->q->conds[i].tag, s->q->conds[k].tag))
            return true;
    return false;
}

static int run_conditions(struct search *s)
{
    for (unsigned w = 0; w < 4; w++)
        for (size_t i = 0; i < s->q->n; i++) {
            const struct sn_query_cond *c = &s->q->conds[i];
            if (width(c) != w || is_height(s, c) || is_repeated(s, i)) continue;
            if (s->begun && s->found.len == 0) return 0;
            prefix_of(s, c);
            int r = scan(s, c);
            if (r < 0) return r;
            take_over(s);
        }
    return 0;
}

/* ---- nothing but heights ---- */

static void height_prefix(struct search *s, int64_t height)
{
    char text[24];
    sn_buf_reset(&s->from);
    if (s->blocks) {
        sn_index_block_height_key(&s->from, height);
        return;
    }
    snprintf(text, sizeof(text), "tx.height/%lld/", (long long)height);
    sn_buf_cstr(&s->from, text);
}

/* The keys of transactions' heights are texts, so a range of heights is no range of keys. */
static int run_heights(struct search *s)
{
    int64_t last;
    int r = sn_indexer_last(s->ix, &last);
    if (r < 0) return r;
    s->hi = SN_MIN(s->hi, last);
    if (s->lo > s->hi) {
        take_over(s);
        return 0;
    }
    if (s->hi - s->lo < SN_INDEXER_NARROW) {
        for (int64_t h = s->lo; h <= s->hi && r == 0; h++) {
            height_prefix(s, h);
            r = scan(s, NULL);
        }
    } else {
        sn_buf_reset(&s->from);
        if (s->blocks) {
            sn_buf_str(&s->from, SN_INDEX_BLOCK_PREFIX);
            sn_index_put_text(&s->from, SN_INDEX_BLOCK_HEIGHT);
        } else {
            sn_buf_cstr(&s->from, "tx.height/");
        }
        r = scan(s, NULL);
    }
    if (r == 0) take_over(s);
    return r;
}

static bool only_heights(const struct search *s)
{
    for (size_t i = 0; i < s->q->n; i++)
        if (!is_height(s, &s->q->conds[i])) return false;
    return true;
}

/* One of each, in their order. */
static int run(struct search *s)
{
    narrow(s);
    int r = only_heights(s) ? run_heights(s) : run_conditions(s);
    if (r < 0) return r;
    size_t n = 0;
    struct hit *h = s->found.ptr;
    for (size_t i = 0; i < s->found.len; i++) {
        bool same = n && memcmp(h[n - 1].what, h[i].what, sizeof(h->what)) == 0;
        if (!same)
            h[n++] = h[i];
        else if (by_place(&h[n - 1], &h[i]) < 0)
            h[n - 1] = h[i];
    }
    s->found.len = n;
    if (n) qsort(h, n, sizeof(*h), by_place);
    return 0;
}

/* ---- pages ---- */

/* The page's place in the list. A page beyond the last is an error; an empty list has one page. */
static int page_of(const struct sn_indexer_page *p, size_t total, size_t *ret_from, size_t *ret_n)
{
    uint32_t per = p->per_page ? p->per_page : 1;
    uint64_t pages = total ? (total - 1) / per + 1 : 1;
    if (p->page < 1 || p->page > pages)
        return sn_fail(SN_E_INVALID_ARGUMENT, "page should be within [1, %llu] range, given %u",
                       (unsigned long long)pages, p->page);
    *ret_from = (size_t)(p->page - 1) * per;
    *ret_n = SN_MIN((size_t)per, total - *ret_from);
    return 0;
}

static const struct hit *hit_at(const struct search *s, const struct sn_indexer_page *p, size_t i)
{
    return &s->found.ptr[p->descending ? s->found.len - 1 - i : i];
}

/* CometBFT's words. */
static int unsearchable(const char *what)
{
    return sn_fail(SN_E_UNIMPLEMENTED, "the %s method is not supported", what);
}

int sn_indexer_tx(struct sn_indexer *ix, const uint8_t hash[32], struct sn_buf *out)
{
    if (ix->o.psql) return unsearchable("TxIndexer.Get");
    return sn_kv_get(ix->o.kv, sn_str_of((const char *)hash, 32), out);
}

static int tx_at(struct sn_indexer *ix, const uint8_t *hash, struct sn_arena *a, struct sn_str *ret)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done) = {0};
    int r = sn_indexer_tx(ix, hash, &b);
    if (r == 0)
        return sn_fail(SN_E_DATA_LOSS, "index: a transaction's events are there, it is not");
    if (r < 0) return r;
    *ret = sn_arena_str(a, sn_buf_view(&b));
    return ret->ptr ? 0 : SN_E_NOMEM;
}

/* tx.hash names one transaction, and nothing else is asked then. Returns 1 where it does. */
static int by_hash(struct sn_indexer *ix, const struct sn_query *q, struct sn_arena *a,
                   struct sn_str *ret, size_t *ret_n)
{
    for (size_t i = 0; i < q->n; i++) {
        const struct sn_query_cond *c = &q->conds[i];
        uint8_t hash[32];
        if (!sn_str_eqc(c->tag, "tx.hash")) continue;
        if (c->arg.len == 0)
            return sn_fail(SN_E_INVALID_ARGUMENT, "transaction hash cannot be empty");
        *ret_n = 0;
        if (c->op != SN_QUERY_EQ || c->arg.len > 64 || c->arg.len % 2) continue;
        if (sn_hex_decode(c->arg, hash) < 0)
            return sn_fail(SN_E_INVALID_ARGUMENT,
                           "error during searching for a hash in the query: \"%.*s\" is not hex",
                           SN_STR_ARG(c->arg));
        if (c->arg.len != 64) return 1;
        struct sn_buf b SN_CLEANUP(sn_buf_done) = {0};
        int r = sn_indexer_tx(ix, hash, &b);
        if (r <= 0) return r < 0 ? r : 1;
        *ret = sn_arena_str(a, sn_buf_view(&b));
        *ret_n = 1;
        return ret->ptr ? 1 : SN_E_NOMEM;
    }
    return 0;
}

int sn_indexer_tx_search(struct sn_indexer *ix, const struct sn_query *q,
                         const struct sn_indexer_page *p, struct sn_arena *a, struct sn_str **ret,
                         size_t *ret_n, uint64_t *ret_total)
{
    struct search s SN_CLEANUP(search_done) = {.ix = ix, .q = q, .height_tag = SN_INDEX_TX_HEIGHT};
    struct sn_str *txs = SN_ARENA_ARRAY(a, struct sn_str, SN_MAX(p->per_page, 1u));
    size_t from = 0, n = 0, one = 0;
    if (ix->o.psql) return unsearchable("TxIndexer.Search");
    if (!txs) return SN_E_NOMEM;
    int r = by_hash(ix, q, a, txs, &one);
    if (r == 0) r = run(&s);
    if (r < 0) return r;
    size_t total = r ? one : s.found.len;
    int found = page_of(p, total, &from, &n);
    if (found < 0) return found;
    for (size_t i = 0; r == 0 && i < n; i++) {
        int at = tx_at(ix, hit_at(&s, p, from + i)->what, a, &txs[i]);
        if (at < 0) return at;
    }
    *ret = txs;
    *ret_n = n;
    *ret_total = total;
    return 0;
}

int sn_indexer_block_search(struct sn_indexer *ix, const struct sn_query *q,
                            const struct sn_indexer_page *p, struct sn_arena *a, int64_t **ret,
                            size_t *ret_n, uint64_t *ret_total)
{
    struct search s SN_CLEANUP(
        search_done) = {.ix = ix, .q = q, .blocks = true, .height_tag = SN_INDEX_BLOCK_HEIGHT};
    size_t from = 0, n = 0;
    if (ix->o.psql) return unsearchable("BlockIndexer.Search");
    int r = run(&s);
    if (r == 0) r = page_of(p, s.found.len, &from, &n);
    if (r < 0) return r;
    int64_t *heights = SN_ARENA_ARRAY(a, int64_t, n + 1);
    if (!heights) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) heights[i] = hit_at(&s, p, from + i)->height;
    *ret = heights;
    *ret_n = n;
    *ret_total = s.found.len;
    return 0;
}
