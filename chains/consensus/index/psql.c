/* SPDX-License-Identifier: Apache-2.0 */
/* index/psql.c - one statement per block and per transaction: rows get their numbers from the
 * sequences within it, so that events and attributes need no answer in between. Connecting blocks
 * (names, TLS) and runs on the blocking pool; everything else waits for the socket as a fiber. */
#include "consensus/index/psql.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "consensus/index/index_int.h"
#include "core/alloc.h"
#include "core/enc.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "fiber/net.h"
#include "fiber/sync.h"
#include "kit/log.h"

SN_LOG_MODULE("indexer");

#define LIBRARY "libpq.so.5"
#define CONNECT_S "10"
#define STATE_FIELD 'C' /* PG_DIAG_SQLSTATE */
enum { CONNECTION_OK_ = 0, COMMAND_OK = 1, TUPLES_OK = 2 };

/* X(result, name, arguments) - of libpq-fe.h, PostgreSQL 9.1 and later. */
#define FUNCTIONS(X)                                                                             \
    X(void *, connectdbParams, (const char *const *keys, const char *const *values, int expand)) \
    X(void, finish, (void *c))                                                                   \
    X(int, status, (const void *c))                                                              \
    X(char *, errorMessage, (const void *c))                                                     \
    X(int, socket, (const void *c))                                                              \
    X(int, setnonblocking, (void *c, int on))                                                    \
    X(int, flush, (void *c))                                                                     \
    X(int, consumeInput, (void *c))                                                              \
    X(int, isBusy, (void *c))                                                                    \
    X(void *, getResult, (void *c))                                                              \
    X(void, clear, (void *res))                                                                  \
    X(int, resultStatus, (const void *res))                                                      \
    X(char *, resultErrorMessage, (const void *res))                                             \
    X(char *, resultErrorField, (const void *res, int field))                                    \
    X(int, ntuples, (const void *res))                                                           \
    X(int, getisnull, (const void *res, int row, int col))                                       \
    X(char *, getvalue, (const void *res, int row, int col))                                     \
    X(void *, conninfoParse, (const char *text, char **err))                                     \
    X(void, conninfoFree, (void *options))                                                       \
    X(void, freemem, (void *p))                                                                  \
    X(int, sendQueryParams,                                                                      \
      (void *c, const char *sql, int n, const unsigned *types, const char *const *values,        \
       const int *lengths, const int *formats, int result_format))

static struct {
#define X(result, name, args) result(*name) args;
    FUNCTIONS(X)
#undef X
} pq;
static const char *load_error;

static void load(void)
{
    void *lib = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!lib) {
        load_error = LIBRARY " (Debian's libpq5) cannot be loaded";
        return;
    }
#define X(result, name, args) \
    if (!(*(void **)&pq.name = dlsym(lib, "PQ" #name))) load_error = LIBRARY " lacks PQ" #name;
    FUNCTIONS(X)
#undef X
}

struct sn_psql {
    char *conninfo, *chain_id;
    struct sn_mutex lock; /* of the connection */
    void *conn;           /* NULL: none now */
};

/* ---- the connection ---- */

static void drop(struct sn_psql *p)
{
    if (p->conn) pq.finish(p->conn);
    p->conn = NULL;
}
/* What libpq says, on one line. */
static int say(int code, const char *text)
{
    char line[300];
    size_t n = 0;
    for (struct sn_str s = sn_str_trim(sn_str(text)); n < s.len && n < sizeof(line); n++)
        line[n] = s.ptr[n] == '\n' ? ' ' : s.ptr[n];
    return sn_fail(code, "psql: %.*s", (int)n, line);
}
static int lost(struct sn_psql *p)
{
    int r = say(SN_E_UNAVAILABLE, pq.errorMessage(p->conn));
    drop(p);
    return r;
}
static int do_connect(void *arg)
{
    struct sn_psql *p = arg;
    /* What comes later counts more: the node's own wishes before, but for the encoding. */
    const char *keys[] = {"connect_timeout", "fallback_application_name", "dbname",
                          "client_encoding", NULL};
    const char *values[] = {CONNECT_S, "sennit", p->conninfo, "UTF8", NULL};
    p->conn = pq.connectdbParams(keys, values, 1);
    return p->conn ? 0 : SN_E_NOMEM;
}
static int connected(struct sn_psql *p)
{
    if (p->conn && pq.status(p->conn) != CONNECTION_OK_) drop(p);
    if (p->conn) return 0;
    int r = sn_offload(do_connect, p);
    if (r < 0) return r;
    if (pq.status(p->conn) != CONNECTION_OK_ || pq.setnonblocking(p->conn, 1) < 0) return lost(p);
    return 0;
}

/* ---- one statement ---- */

#define PARAMS_MAX 10
struct statement {
    const char *sql;
    int n;
    struct sn_str values[PARAMS_MAX];
    bool binary[PARAMS_MAX];
};
static void add(struct statement *s, struct sn_str value, bool binary)
{
    s->values[s->n] = value;
    s->binary[s->n++] = binary;
}

static int wait_for(struct sn_psql *p, uint32_t events)
{
    int e = sn_fd_wait(pq.socket(p->conn), events);
    /* Half-way through a statement the connection is of no use to anybody else. */
    if (e < 0) drop(p);
    return e;
}
static int push(struct sn_psql *p)
{
    int n;
    while ((n = pq.flush(p->conn)) > 0) {
        int e = wait_for(p, EPOLLIN | EPOLLOUT);
        if (e < 0) return e;
        if ((e & EPOLLIN) && !pq.consumeInput(p->conn)) return lost(p);
    }
    return n < 0 ? lost(p) : 0;
}
static int pull(struct sn_psql *p, void **ret)
{
    while (pq.isBusy(p->conn)) {
        int e = wait_for(p, EPOLLIN);
        if (e < 0) return e;
        if (!pq.consumeInput(p->conn)) return lost(p);
    }
    *ret = pq.getResult(p->conn);
    return 0;
}
/* What cannot be mended by this statement's being another comes again: no table, no database, a
 * server that stops. */
static int refused(const void *res)
{
    static const char *const again[] = {"08", "53", "57", "42P01", "3D000", "40"};
    const char *state = pq.resultErrorField(res, STATE_FIELD);
    int code = SN_E_FAILED_PRECONDITION;
    for (size_t i = 0; i < SN_COUNT_OF(again); i++)
        if (!state || strncmp(state, again[i], strlen(again[i])) == 0) code = SN_E_UNAVAILABLE;
    return say(code, pq.resultErrorMessage(res));
}
static int number_of(const void *res, int64_t *ret)
{
    if (!ret || pq.ntuples(res) < 1 || pq.getisnull(res, 0, 0)) return 0;
    int r = sn_str_to_i64(sn_str(pq.getvalue(res, 0, 0)), ret);
    return r < 0 ? sn_fail(SN_E_PROTOCOL, "psql: no number") : 0;
}
/* ret: the first cell, as a number; may be NULL. */
static int run(struct sn_psql *p, const struct statement *s, int64_t *ret)
{
    const char *values[PARAMS_MAX];
    int lengths[PARAMS_MAX], formats[PARAMS_MAX];
    for (int i = 0; i < s->n; i++) {
        values[i] = s->values[i].ptr ? s->values[i].ptr : "";
        lengths[i] = (int)s->values[i].len;
        formats[i] = s->binary[i];
    }
    int r = connected(p);
    if (r < 0) return r;
    if (!pq.sendQueryParams(p->conn, s->sql, s->n, NULL, values, lengths, formats, 0))
        return lost(p);
    r = push(p);
    for (void *res = NULL; p->conn;) {
        int e = pull(p, &res);
        if (e < 0) return e;
        if (!res) break;
        int status = pq.resultStatus(res);
        if (r == 0)
            r = status == COMMAND_OK || status == TUPLES_OK ? number_of(res, ret) : refused(res);
        pq.clear(res);
    }
    return r;
}
static int run_plain(struct sn_psql *p, const char *sql)
{
    return run(p, &(struct statement){.sql = sql}, NULL);
}

/* ---- events as arrays ---- */

/* Four arrays in PostgreSQL's text form: types of events; of each attribute its event (from 1),
 * key, type.key, value. */
struct arrays {
    struct sn_buf types, events, keys, composites, values;
    uint32_t n;
};
static void arrays_done(struct arrays *a)
{
    sn_buf_done(&a->types);
    sn_buf_done(&a->events);
    sn_buf_done(&a->keys);
    sn_buf_done(&a->composites);
    sn_buf_done(&a->values);
}
static void quote(struct sn_buf *b, struct sn_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"' || s.ptr[i] == '\\') sn_buf_byte(b, '\\');
        sn_buf_byte(b, (uint8_t)s.ptr[i]);
    }
}
static void element(struct sn_buf *b, struct sn_str one, struct sn_str two)
{
    sn_buf_cstr(b, b->len ? ",\"" : "{\"");
    quote(b, one);
    if (two.ptr) sn_buf_byte(b, '.');
    quote(b, two);
    sn_buf_byte(b, '"');
}
static void add_type(struct arrays *a, struct sn_str type)
{
    a->n++;
    element(&a->types, type, (struct sn_str){0});
}
/* Returns whether PostgreSQL has such texts: none of its texts has a zero byte. */
static bool add_attribute(struct arrays *a, struct sn_str type, struct sn_str key,
                          struct sn_str value)
{
    if (!key.ptr) key = SN_STR("");
    sn_buf_printf(&a->events, "%s%u", a->events.len ? "," : "{", a->n);
    element(&a->keys, key, (struct sn_str){0});
    element(&a->composites, type, key);
    element(&a->values, value, (struct sn_str){0});
    return sn_str_chr(key, 0) < 0 && sn_str_chr(value, 0) < 0;
}
static int add_events(struct arrays *a, struct tendermint_abci_event *const *ev, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct sn_str type = ev[i]->type;
        bool fits = sn_str_chr(type, 0) < 0;
        if (type.len == 0) continue;
        add_type(a, type);
        for (uint32_t k = 0; k < ev[i]->attributes.len; k++) {
            const struct tendermint_abci_event_attribute *at = ev[i]->attributes.ptr[k];
            if (at->index) fits &= add_attribute(a, type, at->key, at->value);
        }
        if (!fits)
            return sn_fail(SN_E_FAILED_PRECONDITION, "psql: event %zu has a zero byte in a text",
                           i);
    }
    return 0;
}
static int close_array(struct sn_buf *b, struct statement *s)
{
    sn_buf_cstr(b, b->len ? "}" : "{}");
    sn_buf_byte(b, 0); /* libpq's texts end so */
    if (b->err < 0) return b->err;
    add(s, sn_str_sub(sn_buf_view(b), 0, b->len - 1), false);
    return 0;
}
static int add_arrays(struct arrays *a, struct statement *s)
{
    int r = close_array(&a->types, s);
    if (r == 0) r = close_array(&a->events, s);
    if (r == 0) r = close_array(&a->keys, s);
    if (r == 0) r = close_array(&a->composites, s);
    return r < 0 ? r : close_array(&a->values, s);
}

/* ---- statements ---- */

/* `of` has the row that events belong to: none where it was there before. */
#define EVENTS_OF(of, tx, types, events, keys, composites, values)                             \
    "e AS (SELECT nextval(pg_get_serial_sequence('events', 'rowid')) AS id, " of ".*, u.type," \
    " u.ord FROM " of ", unnest($" types "::varchar[]) WITH ORDINALITY AS u(type, ord)),"      \
    " i AS (INSERT INTO events (rowid, block_id, tx_id, type)"                                 \
    " SELECT id, block_id, " tx ", type FROM e ORDER BY ord),"                                 \
    " a AS (INSERT INTO attributes (event_id, key, composite_key, value)"                      \
    " SELECT e.id, v.key, v.composite, v.value FROM e JOIN unnest($" events "::int[], $" keys  \
    "::varchar[], $" composites "::varchar[], $" values "::varchar[])"                         \
    " AS v(ord, key, composite, value) ON v.ord = e.ord) "

static const char block_sql[] =
    "WITH b AS (INSERT INTO blocks (height, chain_id, created_at) VALUES ($1::bigint, $2, now())"
    " ON CONFLICT DO NOTHING RETURNING rowid AS block_id), " //
    EVENTS_OF("b", "NULL", "3", "4", "5", "6", "7")          //
    "SELECT count(*) FROM b";
static const char tx_sql[] =
    "WITH b AS (SELECT rowid AS block_id FROM blocks WHERE height = $1::bigint AND chain_id = $2),"
    " t AS (INSERT INTO tx_results (block_id, index, created_at, tx_hash, tx_result)"
    " SELECT block_id, $3::int, now(), $4, $5::bytea FROM b ON CONFLICT DO NOTHING"
    " RETURNING block_id, rowid AS tx_id), "          //
    EVENTS_OF("t", "tx_id", "6", "7", "8", "9", "10") //
    "SELECT count(*) FROM b";

static int put_block(struct sn_psql *p, const struct sn_indexer_in *in, const char *height)
{
    struct arrays a SN_CLEANUP(arrays_done) = {0};
    struct statement s = {.sql = block_sql};
    add(&s, sn_str(height), false);
    add(&s, sn_str(p->chain_id), false);
    add_type(&a, SN_STR("block"));
    (void)add_attribute(&a, SN_STR("block"), SN_STR("height"), sn_str(height));
    int r = add_events(&a, in->res->events.ptr, in->res->events.len);
    if (r == 0) r = add_arrays(&a, &s);
    return r < 0 ? r : run(p, &s, NULL);
}
static int put_tx(struct sn_psql *p, const struct sn_indexer_in *in, uint32_t i,
                  struct sn_str result, const char *height)
{
    struct arrays a SN_CLEANUP(arrays_done) = {0};
    struct sn_buf encoded SN_CLEANUP(sn_buf_done) = {0};
    struct statement s = {.sql = tx_sql};
    const struct tendermint_abci_exec_tx_result *res = in->res->tx_results.ptr[i];
    struct sn_str tx = in->block->txs[i];
    uint8_t hash[32];
    char index[16], hex[65];
    int64_t found = 0;
    int r = sn_hash_once(SN_SHA256, tx.ptr, tx.len, hash);
    if (r < 0) return r;
    hex[sn_hex_encode_upper(hash, sizeof(hash), hex)] = 0;
    snprintf(index, sizeof(index), "%u", i);
    sn_index_tx_result(&encoded, in->block->header.height, i, tx, result);
    if (encoded.err < 0) return encoded.err;
    add(&s, sn_str(height), false);
    add(&s, sn_str(p->chain_id), false);
    add(&s, sn_str(index), false);
    add(&s, sn_str(hex), false);
    add(&s, sn_buf_view(&encoded), true);
    add_type(&a, SN_STR("tx"));
    (void)add_attribute(&a, SN_STR("tx"), SN_STR("hash"), sn_str(hex));
    add_type(&a, SN_STR("tx"));
    (void)add_attribute(&a, SN_STR("tx"), SN_STR("height"), sn_str(height));
    r = add_events(&a, res->events.ptr, res->events.len);
    if (r == 0) r = add_arrays(&a, &s);
    if (r == 0) r = run(p, &s, &found);
    if (r == 0 && found == 0)
        r = sn_fail(SN_E_FAILED_PRECONDITION, "psql: the block of height %s is not there", height);
    return r < 0 ? sn_wrap(r, "transaction %u", i) : 0;
}

/* each: go on after what was refused, and return the first refusal in the end. */
static int put_all(struct sn_psql *p, const struct sn_indexer_in *in, bool each)
{
    struct sn_str rest = in->answer, result;
    struct sn_diag why = {0};
    char height[24];
    snprintf(height, sizeof(height), "%lld", (long long)in->block->header.height);
    int r = put_block(p, in, height), first = r;
    if (r < 0) why = *sn_diag();
    for (uint32_t i = 0; i < in->block->n_txs; i++) {
        if (r < 0 && !(each && r == SN_E_FAILED_PRECONDITION)) return r;
        if (!sn_index_next_result(&rest, &result))
            return sn_fail(SN_E_DATA_LOSS, "the answer has no result of transaction %u", i);
        r = put_tx(p, in, i, result, height);
        if (r < 0 && first == 0) {
            first = r;
            why = *sn_diag();
        }
    }
    if (r < 0 && r != SN_E_FAILED_PRECONDITION) return r;
    if (first < 0) *sn_diag() = why;
    return first;
}
static int put_locked(struct sn_psql *p, const struct sn_indexer_in *in)
{
    int r = run_plain(p, "BEGIN");
    if (r < 0) return r;
    r = put_all(p, in, false);
    if (r == 0) return run_plain(p, "COMMIT");
    struct sn_diag why = *sn_diag();
    if (p->conn) (void)!run_plain(p, "ROLLBACK");
    *sn_diag() = why;
    return r == SN_E_FAILED_PRECONDITION ? put_all(p, in, true) : r;
}
int sn_psql_put(struct sn_psql *p, const struct sn_indexer_in *in)
{
    if (in->block->n_txs != in->res->tx_results.len)
        return sn_fail(SN_E_DATA_LOSS, "%u transactions and %u results", in->block->n_txs,
                       in->res->tx_results.len);
    int r = sn_mutex_lock(&p->lock);
    if (r < 0) return r;
    r = put_locked(p, in);
    sn_mutex_unlock(&p->lock);
    return r;
}

int sn_psql_last(struct sn_psql *p, int64_t *ret)
{
    struct statement s = {.sql = "SELECT max(height) FROM blocks WHERE chain_id = $1"};
    int64_t height = 0;
    add(&s, sn_str(p->chain_id), false);
    int r = sn_mutex_lock(&p->lock);
    if (r < 0) return r;
    r = run(p, &s, &height);
    sn_mutex_unlock(&p->lock);
    if (r == 0) *ret = height;
    return r;
}

/* ---- life ---- */

static char *copy(struct sn_str s)
{
    char *p = sn_alloc(s.len + 1);
    if (!p) return NULL;
    memcpy(p, s.ptr, s.len);
    p[s.len] = 0;
    return p;
}
int sn_psql_open(struct sn_str conninfo, struct sn_str chain_id, struct sn_psql **ret)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    char *err = NULL;
    (void)pthread_once(&once, load);
    if (load_error) return sn_fail(SN_E_UNIMPLEMENTED, "psql: %s", load_error);
    if (conninfo.len == 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "the psql connection settings cannot be empty");
    struct sn_psql *p = SN_NEW(struct sn_psql);
    if (!p) return SN_E_NOMEM;
    p->conninfo = copy(conninfo);
    p->chain_id = copy(chain_id);
    if (!p->conninfo || !p->chain_id) {
        sn_psql_close(p);
        return SN_E_NOMEM;
    }
    void *options = pq.conninfoParse(p->conninfo, &err);
    if (options) {
        pq.conninfoFree(options);
        *ret = p;
        return 0;
    }
    if (err) pq.freemem(err); /* it repeats the text */
    sn_psql_close(p);
    return sn_fail(SN_E_INVALID_ARGUMENT,
                   "tx_index.psql-conn: expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or "
                   "key=value pairs of libpq");
}
void sn_psql_close(struct sn_psql *p)
{
    if (!p) return;
    drop(p);
    if (p->conninfo) sn_wipe(p->conninfo, strlen(p->conninfo));
    sn_free(p->conninfo);
    sn_free(p->chain_id);
    sn_free(p);
}
