/* SPDX-License-Identifier: Apache-2.0 */
#include "evm/client_node_test.h"

#include <stdio.h>

#include "core/alloc.h"
#include "core/enc.h"
#include "core/status.h"
#include "crypto/keccak.h"
#include "evm/rpc_int.h"
#include "tests/harness/test.h"

static uint64_t below(uint64_t n) { return sn_sim_rand() % n; }
/* Whether something goes wrong now. */
static bool bad(struct node *n, unsigned share)
{
    bool is = !n->calm && below(1000) < (uint64_t)n->fault_percent * 10 / share;
    n->faults += is;
    return is;
}

/* ---- the chain ---- */

static struct node_block *tip(struct node *n) { return &n->chain.ptr[n->chain.len - 1]; }
static void add_block(struct node *n)
{
    struct node_block b = {.number = n->chain.len, .nonce_before = n->nonce};
    uint64_t salt[2] = {n->forks, b.number};
    uint8_t text[48];
    if (n->chain.len) memcpy(b.parent, tip(n)->hash, 32);
    memcpy(text, salt, 16);
    memcpy(text + 16, b.parent, 32);
    sn_keccak256(text, sizeof(text), b.hash);
    b.first_log = n->logs;
    b.n_logs = (unsigned)below(4);
    n->logs += b.n_logs;
    T_OK(sn_vec_push(&n->chain, b));
}
static size_t pooled(const struct node *n, uint64_t nonce)
{
    for (size_t i = 0; i < n->txs.len; i++)
        if (n->txs.ptr[i].pooled && n->txs.ptr[i].nonce == nonce) return i;
    return SIZE_MAX;
}
static void notify(struct node *n);
static void include(struct node *n, size_t tx)
{
    T_ASSERT(n->nonce < NODE_NONCES_MAX);
    for (size_t i = 0; i < n->txs.len; i++)
        if (n->txs.ptr[i].nonce == n->nonce) n->txs.ptr[i].pooled = false;
    n->mined[n->nonce++] = tx;
}
void node_mine(struct node *n)
{
    T_ASSERT(n->chain.len < NODE_BLOCKS_MAX);
    add_block(n);
    if (!n->calm && below(100) < 3) { /* the owner uses the key elsewhere too */
        struct node_tx t = {.nonce = n->nonce, .foreign = true};
        uint64_t salt[2] = {n->txs.len, 77};
        sn_keccak256(salt, sizeof(salt), t.hash);
        T_OK(sn_vec_push(&n->txs, t));
        n->foreign++;
        include(n, n->txs.len - 1);
    }
    for (unsigned k = 0; k < 5; k++) {
        size_t i = pooled(n, n->nonce);
        if (i == SIZE_MAX) break;
        include(n, i);
    }
    notify(n);
}
void node_reorg(struct node *n, unsigned depth)
{
    depth = (unsigned)SN_MIN((uint64_t)depth, n->chain.len - 1);
    if (!depth) return;
    uint64_t to = n->chain.ptr[n->chain.len - depth].nonce_before;
    while (n->nonce > to) { /* back to the pool, or forgotten */
        struct node_tx *t = &n->txs.ptr[n->mined[--n->nonce]];
        t->pooled = !t->foreign && below(3) != 0;
    }
    n->chain.len -= depth;
    n->forks++;
    n->reorgs++;
    for (unsigned i = 0; i <= depth; i++) node_mine(n);
}
unsigned node_mined(const struct node *n, uint64_t tag)
{
    unsigned k = 0;
    for (uint64_t i = 0; i < n->nonce; i++) {
        const struct node_tx *t = &n->txs.ptr[n->mined[i]];
        k += !t->foreign && t->tag == tag;
    }
    return k;
}
/* The block that has the nonce; NULL where it is not mined. */
static struct node_block *block_of(struct node *n, uint64_t nonce)
{
    if (nonce >= n->nonce) return NULL;
    for (size_t i = n->chain.len; i-- > 0;)
        if (n->chain.ptr[i].nonce_before <= nonce) return &n->chain.ptr[i];
    return NULL;
}

/* ---- answers ---- */

struct ask {
    struct node *n;
    struct node_conn *conn; /* NULL over HTTP */
    const struct sn_json *params;
    struct sn_jsonw *w;
    struct sn_arena *a;
};
static void khex(struct sn_jsonw *w, const char *key, const uint8_t *p, size_t n)
{
    char text[80] = "0x";
    size_t len = 2 + sn_hex_encode(p, n, text + 2);
    sn_jsonw_kstr(w, key, sn_str_of(text, len));
}
static struct sn_str quantity(char out[24], uint64_t v)
{
    return sn_str_of(out, (size_t)snprintf(out, 24, "0x%llx", (unsigned long long)v));
}
static void kquantity(struct sn_jsonw *w, const char *key, uint64_t v)
{
    char text[24];
    sn_jsonw_kstr(w, key, quantity(text, v));
}
static void result_quantity(struct ask *q, uint64_t v)
{
    char text[24];
    sn_jsonw_kstr(q->w, "result", quantity(text, v));
}
static void fail(struct ask *q, int code, const char *message)
{
    sn_jsonw_key(q->w, SN_STR("error"));
    sn_jsonw_object(q->w);
    sn_jsonw_ki64(q->w, "code", code);
    sn_jsonw_kstr(q->w, "message", sn_str(message));
    sn_jsonw_object_end(q->w);
}
static void put_header(struct sn_jsonw *w, const struct node_block *b)
{
    sn_jsonw_object(w);
    kquantity(w, "number", b->number);
    kquantity(w, "timestamp", 1000 + b->number);
    khex(w, "hash", b->hash, 32);
    khex(w, "parentHash", b->parent, 32);
    sn_jsonw_object_end(w);
}
static void put_logs(struct ask *q, const struct node_block *b)
{
    for (unsigned i = 0; i < b->n_logs; i++) {
        sn_jsonw_object(q->w);
        kquantity(q->w, "blockNumber", b->number);
        khex(q->w, "blockHash", b->hash, 32);
        kquantity(q->w, "logIndex", i);
        kquantity(q->w, "data", b->first_log + i);
        sn_jsonw_object_end(q->w);
    }
}
static struct node_block *block_by(struct ask *q, const struct sn_json *v)
{
    struct sn_str s = sn_json_str(v);
    uint64_t number;
    if (sn_str_eqc(s, "latest")) return tip(q->n);
    if (sn_eth_quantity(v, "block", &number) < 0 || number >= q->n->chain.len) return NULL;
    return &q->n->chain.ptr[number];
}
static void get_block(struct ask *q)
{
    struct node_block *b = block_by(q, sn_json_at(q->params, 0));
    sn_jsonw_key(q->w, SN_STR("result"));
    if (b) put_header(q->w, b);
    else sn_jsonw_null(q->w);
}
static void get_logs(struct ask *q)
{
    const struct sn_json *f = sn_json_at(q->params, 0), *h = sn_json_get(f, "blockHash");
    uint8_t hash[32];
    struct node *n = q->n;
    if (h) {
        T_OK(sn_eth_bytes(h, "blockHash", hash, 32));
        for (size_t i = 0; i < n->chain.len; i++) {
            if (memcmp(n->chain.ptr[i].hash, hash, 32) != 0) continue;
            sn_jsonw_key(q->w, SN_STR("result"));
            sn_jsonw_array(q->w);
            put_logs(q, &n->chain.ptr[i]);
            sn_jsonw_array_end(q->w);
            return;
        }
        fail(q, -32000, "unknown block");
        return;
    }
    uint64_t from = 0, to = 0;
    T_OK(sn_eth_quantity(sn_json_get(f, "fromBlock"), "from", &from));
    T_OK(sn_eth_quantity(sn_json_get(f, "toBlock"), "to", &to));
    if (to - from >= NODE_RANGE_MAX) {
        char text[128];
        snprintf(text, sizeof(text),
                 "query returned more than 10000 results. Try with this block range [0x%llx, 0x%llx].",
                 (unsigned long long)from, (unsigned long long)from + 9);
        fail(q, -32005, below(2) ? text : "exceed maximum block range: 25");
        return;
    }
    sn_jsonw_key(q->w, SN_STR("result"));
    sn_jsonw_array(q->w);
    for (uint64_t i = from; i <= to && i < n->chain.len; i++) put_logs(q, &n->chain.ptr[i]);
    sn_jsonw_array_end(q->w);
}
static struct node_tx *tx_by(struct ask *q)
{
    uint8_t hash[32];
    if (sn_eth_bytes(sn_json_at(q->params, 0), "hash", hash, 32) < 0) return NULL;
    for (size_t i = 0; i < q->n->txs.len; i++)
        if (memcmp(q->n->txs.ptr[i].hash, hash, 32) == 0) return &q->n->txs.ptr[i];
    return NULL;
}
static bool is_mined(struct node *n, const struct node_tx *t)
{
    return t && t->nonce < n->nonce && n->mined[t->nonce] == (size_t)(t - n->txs.ptr);
}
static void get_tx(struct ask *q)
{
    struct node_tx *t = tx_by(q);
    sn_jsonw_key(q->w, SN_STR("result"));
    if (!t || (!t->pooled && !is_mined(q->n, t))) {
        sn_jsonw_null(q->w);
        return;
    }
    sn_jsonw_object(q->w);
    khex(q->w, "hash", t->hash, 32);
    sn_jsonw_object_end(q->w);
}
static void get_receipt(struct ask *q)
{
    struct node_tx *t = tx_by(q);
    sn_jsonw_key(q->w, SN_STR("result"));
    if (!is_mined(q->n, t)) {
        sn_jsonw_null(q->w);
        return;
    }
    struct node_block *b = block_of(q->n, t->nonce);
    sn_jsonw_object(q->w);
    khex(q->w, "transactionHash", t->hash, 32);
    khex(q->w, "blockHash", b->hash, 32);
    kquantity(q->w, "blockNumber", b->number);
    kquantity(q->w, "transactionIndex", t->nonce - b->nonce_before);
    kquantity(q->w, "gasUsed", 21000);
    kquantity(q->w, "status", 1);
    sn_jsonw_object_end(q->w);
}
static void get_count(struct ask *q)
{
    uint64_t count = q->n->nonce;
    if (sn_str_eqc(sn_json_str(sn_json_at(q->params, 1)), "pending"))
        while (pooled(q->n, count) != SIZE_MAX) count++;
    result_quantity(q, count);
}
static void send_raw(struct ask *q)
{
    struct node *n = q->n;
    struct sn_str raw;
    struct sn_tx tx;
    struct node_tx t = {.pooled = true};
    T_OK(sn_eth_data(q->a, sn_json_at(q->params, 0), "raw", &raw));
    T_OK(sn_tx_decode(q->a, raw, &tx));
    T_OK(sn_tx_hash(&tx, t.hash));
    T_EQ(tx.chain_id, NODE_CHAIN);
    n->raw_seen++;
    t.nonce = tx.nonce;
    t.tag = tx.value.w[0];
    t.fee = tx.max_fee.w[0];
    if (bad(n, 8)) {
        fail(q, -32000, "insufficient funds for gas * price + value");
        return;
    }
    if (t.nonce < n->nonce) {
        fail(q, -32000, "nonce too low: next nonce is higher");
        return;
    }
    size_t old = pooled(n, t.nonce);
    if (old != SIZE_MAX && memcmp(n->txs.ptr[old].hash, t.hash, 32) == 0) {
        fail(q, -32000, "already known");
        return;
    }
    if (old != SIZE_MAX && t.fee < n->txs.ptr[old].fee + n->txs.ptr[old].fee / 10) {
        fail(q, -32000, "replacement transaction underpriced");
        return;
    }
    if (old != SIZE_MAX) n->txs.ptr[old].pooled = false;
    struct node_tx *again = NULL;
    for (size_t i = 0; i < n->txs.len; i++)
        if (memcmp(n->txs.ptr[i].hash, t.hash, 32) == 0) again = &n->txs.ptr[i];
    if (again) again->pooled = true;
    else T_OK(sn_vec_push(&n->txs, t));
    khex(q->w, "result", t.hash, 32);
}
static void fee_history(struct ask *q)
{
    sn_jsonw_key(q->w, SN_STR("result"));
    sn_jsonw_raw(q->w, SN_STR("{\"oldestBlock\":\"0x0\",\"baseFeePerGas\":[\"0x3b9aca00\",\"0x3b9aca00\"],"
                              "\"gasUsedRatio\":[0.5],\"reward\":[[\"0x1\",\"0x1\",\"0x1\",\"0x1\",\"0x1\"]]}"));
}

/* ---- connections ---- */

struct node_conn {
    struct node *n;
    struct sn_ws *ws;
    bool open, subscribed;
    unsigned refs;
    uint64_t sub;
};
static void conn_unref(struct node_conn *c)
{
    if (--c->refs == 0) sn_free(c);
}
static void subscribe(struct ask *q)
{
    char text[24];
    if (!q->conn) {
        fail(q, -32601, "method not found");
        return;
    }
    q->conn->subscribed = true;
    q->conn->sub = ++q->n->subs;
    sn_jsonw_kstr(q->w, "result", quantity(text, q->conn->sub));
}
static void unsubscribe(struct ask *q)
{
    if (q->conn) q->conn->subscribed = false;
    sn_jsonw_kbool(q->w, "result", true);
}
static void chain_id(struct ask *q) { result_quantity(q, q->n->chain_id); }
static void block_number(struct ask *q) { result_quantity(q, tip(q->n)->number); }
static void tip_fee(struct ask *q) { result_quantity(q, 1); }

static const struct {
    const char *name;
    void (*answer)(struct ask *q);
} methods[] = {
    {"eth_chainId", chain_id},
    {"eth_blockNumber", block_number},
    {"eth_getBlockByNumber", get_block},
    {"eth_getLogs", get_logs},
    {"eth_getTransactionByHash", get_tx},
    {"eth_getTransactionReceipt", get_receipt},
    {"eth_getTransactionCount", get_count},
    {"eth_sendRawTransaction", send_raw},
    {"eth_feeHistory", fee_history},
    {"eth_maxPriorityFeePerGas", tip_fee},
    {"eth_subscribe", subscribe},
    {"eth_unsubscribe", unsubscribe},
};
static void answer_one(struct node *n, struct node_conn *conn, const struct sn_json *call,
                       struct sn_arena *a, struct sn_jsonw *w)
{
    struct ask q = {.n = n, .conn = conn, .w = w, .a = a, .params = sn_json_get(call, "params")};
    struct sn_str method = sn_json_str(sn_json_get(call, "method"));
    int64_t id = sn_json_i64_or(sn_json_get(call, "id"), 0);
    if (bad(n, 12)) id += (int64_t)below(3) + 1;
    sn_jsonw_object(w);
    sn_jsonw_kstr(w, "jsonrpc", SN_STR("2.0"));
    sn_jsonw_ki64(w, "id", id);
    bool known = false;
    if (bad(n, 4)) {
        fail(&q, 429, "Your app has exceeded its rate limit: too many requests");
        known = true;
    }
    for (size_t i = 0; i < SN_COUNT_OF(methods) && !known; i++) {
        if (!sn_str_eqc(method, methods[i].name)) continue;
        methods[i].answer(&q);
        known = true;
    }
    T_ASSERTF(known, "the client asked for %.*s", SN_STR_ARG(method));
    sn_jsonw_object_end(w);
}
/* The answer to a message; with faults what comes back is no answer at all. */
static void answer(struct node *n, struct node_conn *conn, struct sn_str text, struct sn_buf *out)
{
    struct sn_arena a;
    const struct sn_json *v;
    struct sn_jsonw w;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_json_parse(&a, text, NULL, &v));
    sn_jsonw_init(&w, out, NULL);
    if (sn_json_is(v, SN_JSON_ARRAY)) {
        size_t len = sn_json_len(v), shift = below(len);
        sn_jsonw_array(&w);
        for (size_t i = 0; i < len; i++)
            answer_one(n, conn, sn_json_at(v, (i + shift) % len), &a, &w);
        sn_jsonw_array_end(&w);
    } else {
        answer_one(n, conn, v, &a, &w);
    }
    if (bad(n, 20)) out->len /= 2;
    if (bad(n, 40))
        while (out->len < 2 * NODE_ANSWER_MAX) sn_buf_byte(out, ' ');
    T_OK(out->err);
    sn_arena_done(&a);
}
static void take_time(struct node *n)
{
    int64_t ms = (int64_t)below(40);
    if (bad(n, 10)) ms = (int64_t)below(9000); /* longer than the client's patience */
    (void)!sn_sleep(ms * SN_MS);
}

struct job {
    struct node_conn *c;
    size_t len;
    char text[];
};
static void serve_job(void *arg)
{
    struct job *j = arg;
    struct node_conn *c = j->c;
    struct node *n = c->n;
    struct sn_buf out;
    sn_buf_init(&out, 0);
    take_time(n);
    answer(n, c, sn_str_of(j->text, j->len), &out);
    if (below(3) == 0) take_time(n); /* done, but not said yet */
    if (c->open && bad(n, 15)) {
        n->drops++;
        sn_ws_close(c->ws, 1001, SN_STR(""));
    } else if (c->open) {
        (void)!sn_ws_write(c->ws, SN_WS_TEXT, sn_buf_view(&out));
    }
    sn_buf_done(&out);
    conn_unref(c);
    n->jobs--;
    sn_free(j);
}
static void on_message(struct sn_ws *ws, enum sn_ws_kind kind, struct sn_str data, void *arg)
{
    struct node_conn *c = arg;
    struct job *j = sn_alloc(sizeof(*j) + data.len);
    T_ASSERT(j);
    *j = (struct job){.c = c, .len = data.len};
    memcpy(j->text, data.ptr, data.len);
    c->refs++;
    c->n->jobs++;
    T_OK(sn_sim_host_go(c->n->host, "answer", serve_job, j));
}
static void on_close(struct sn_ws *ws, int code, void *arg)
{
    struct node_conn *c = arg;
    struct node *n = c->n;
    c->open = false;
    for (size_t i = 0; i < n->conns.len; i++)
        if (n->conns.ptr[i] == c) {
            sn_vec_remove_swap(&n->conns, i);
            break;
        }
    conn_unref(c);
}
struct news {
    struct node_conn *c;
    struct sn_buf text;
};
static void tell_news(void *arg)
{
    struct news *m = arg;
    struct node *n = m->c->n;
    take_time(n);
    if (m->c->open) (void)!sn_ws_write(m->c->ws, SN_WS_TEXT, sn_buf_view(&m->text));
    sn_buf_done(&m->text);
    conn_unref(m->c);
    n->jobs--;
    sn_free(m);
}
static void notify(struct node *n)
{
    for (size_t i = 0; i < n->conns.len; i++) {
        struct node_conn *c = n->conns.ptr[i];
        struct sn_jsonw w;
        char text[24];
        if (!c->subscribed || bad(n, 5)) continue; /* or it simply is not told */
        struct news *m = SN_NEW(struct news);
        T_ASSERT(m);
        m->c = c;
        c->refs++;
        n->jobs++;
        sn_jsonw_init(&w, &m->text, NULL);
        sn_jsonw_object(&w);
        sn_jsonw_kstr(&w, "method", SN_STR("eth_subscription"));
        sn_jsonw_key(&w, SN_STR("params"));
        sn_jsonw_object(&w);
        sn_jsonw_kstr(&w, "subscription", quantity(text, c->sub));
        sn_jsonw_key(&w, SN_STR("result"));
        put_header(&w, tip(n));
        sn_jsonw_object_end(&w);
        sn_jsonw_object_end(&w);
        T_OK(sn_sim_host_go(n->host, "news", tell_news, m));
    }
}
static int handle(struct sn_http_x *x, void *arg)
{
    struct node *n = arg;
    struct sn_str body;
    T_STR(sn_http_headers_get(&x->req.headers, SN_STR("x-token")), "sesame");
    if (x->req.method == SN_HTTP_GET) {
        struct node_conn *c = SN_NEW(struct node_conn);
        T_ASSERT(c);
        *c = (struct node_conn){.n = n, .open = true, .refs = 1};
        struct sn_ws_opts o = {.on_message = on_message, .on_close = on_close, .arg = c};
        int r = bad(n, 6) ? SN_E_UNAVAILABLE : sn_ws_accept(x, &o, &c->ws);
        if (r < 0) sn_free(c);
        else T_OK(sn_vec_push(&n->conns, c));
        return r;
    }
    int r = sn_http_body_all(x, 1 << 20, &body);
    if (r < 0) return r;
    take_time(n);
    if (bad(n, 6)) return sn_http_reply(x, 503, (struct sn_str){0}, SN_STR("<html>sorry</html>"));
    if (bad(n, 6)) return sn_http_reply(x, 429, (struct sn_str){0}, SN_STR("slow down"));
    struct sn_buf out SN_CLEANUP(sn_buf_done);
    sn_buf_init(&out, 0);
    answer(n, NULL, body, &out);
    if (below(3) == 0) take_time(n);
    if (bad(n, 8)) return SN_E_UNAVAILABLE; /* done, and not said */
    return sn_http_reply(x, 200, SN_STR("application/json"), sn_buf_view(&out));
}

/* ---- the host ---- */

static void host_main(void *arg)
{
    struct node *n = arg;
    char addr[64];
    struct sn_listener *l;
    struct sn_http_server_opts o = {.handler = handle, .arg = n};
    snprintf(addr, sizeof(addr), "%s:80", sn_sim_host_addr(n->host));
    T_OK(sn_listen(addr, NULL, &l));
    T_OK(sn_http_server_new(&o, &n->server));
    sn_event_set(&n->listening);
    T_OK(sn_http_serve(n->server, l));
    sn_event_set(&n->served);
}
static void miner(void *arg)
{
    struct node *n = arg;
    while (!n->halted) {
        if (sn_sleep((int64_t)(500 + below(1500)) * SN_MS) < 0 || n->halted) break;
        if (!n->calm && below(8) == 0) node_reorg(n, 1 + (unsigned)below(5));
        else node_mine(n);
        if (!n->calm && below(20) == 0) node_drop_sockets(n);
    }
    n->jobs--;
}
void node_start(struct node *n, unsigned fault_percent)
{
    n->fault_percent = fault_percent;
    n->chain_id = NODE_CHAIN;
    n->host = sn_sim_host_new("node");
    add_block(n);
    T_OK(sn_sim_host_go(n->host, "node", host_main, n));
    T_OK(sn_event_wait(&n->listening));
    n->jobs++;
    T_OK(sn_sim_host_go(n->host, "miner", miner, n));
}
void node_drop_sockets(struct node *n)
{
    for (size_t i = n->conns.len; i-- > 0;) {
        n->drops++;
        if (i < n->conns.len && n->conns.ptr[i]->open)
            sn_ws_close(n->conns.ptr[i]->ws, 1001, SN_STR(""));
    }
}
void node_stop(struct node *n)
{
    n->calm = n->halted = true;
    for (unsigned i = 0; i < 600 && (n->conns.len || n->jobs); i++) T_OK(sn_sleep(SN_SEC));
    T_EQ(n->conns.len, 0);
    T_EQ(n->jobs, 0);
    sn_http_server_drain(n->server, 60 * SN_SEC);
    T_OK(sn_event_wait(&n->served));
    sn_http_server_free(n->server);
    sn_vec_done(&n->conns);
    sn_vec_done(&n->chain);
    sn_vec_done(&n->txs);
}
struct sn_str node_url(const struct node *n, bool ws, char *out, size_t cap)
{
    int len = snprintf(out, cap, "%s://%s:80", ws ? "ws" : "http", sn_sim_host_addr(n->host));
    return sn_str_of(out, (size_t)len);
}
