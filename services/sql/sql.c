/* SPDX-License-Identifier: Apache-2.0 */
/* sql/sql.c - the pool; see sql.h. */
#include "sql/sql.h"

#include "core/alloc.h"
#include "core/list.h"
#include "fiber/fiber.h"
#include "fiber/sync.h"
#include "sql/sql_int.h"

#define ROLLBACK_NS (2 * SN_SEC)

struct conn {
    struct conn *next; /* idle ones, the last used first */
    void *c;
    int64_t end_ns, used_ns;
};
struct sn_sql {
    const struct sql_driver *driver;
    struct sql_target target;
    char *text; /* what the target's strings point into */
    size_t text_len;
    struct sn_sql_opts o;
    struct sn_sem free;   /* connections that may be taken or made */
    struct sn_mutex lock; /* of what follows */
    struct conn *idle;
    struct sn_sql_stats st;
};
struct sn_sql_tx {
    struct sn_sql *s;
    struct conn *conn;
    bool broken;
};

/* ---- url ---- */

static char *put(char **at, struct sn_str s)
{
    char *p = *at;
    if (!s.len) return NULL;
    memcpy(p, s.ptr, s.len);
    p[s.len] = 0;
    *at += s.len + 1;
    return p;
}
static int parse_url(struct sn_sql *s, struct sn_str url)
{
    struct sn_str all = url, query, user = {0}, host, port;
    ssize_t colon = sn_str_find(url, SN_STR("://"));
    uint64_t n;
    struct sn_str scheme = sn_str_sub(url, 0, colon < 0 ? 0 : (size_t)colon);
    if (sn_str_eqc(scheme, "mariadb") || sn_str_eqc(scheme, "mysql"))
        s->driver = &sql_mariadb;
    else if (sn_str_eqc(scheme, "postgres") || sn_str_eqc(scheme, "postgresql"))
        s->driver = &sql_postgres;
    else
        return sn_fail(SN_E_SYNTAX,
                       "expected mariadb://user@host:port/database or postgres://..., got \"%.*s\"",
                       SN_STR_ARG(scheme));
    url = sn_str_from(url, (size_t)colon + 3);
    query = url;
    url = sn_str_cut(&query, '?');
    struct sn_str database = url, place = sn_str_cut(&database, '/');
    ssize_t at = sn_str_rchr(place, '@');
    if (at >= 0) user = sn_str_sub(place, 0, (size_t)at);
    if (sn_str_chr(user, ':') >= 0)
        return sn_fail(SN_E_SYNTAX, "no password in a URL: it is given by itself");
    host = sn_str_from(place, (size_t)(at + 1));
    ssize_t c = sn_str_rchr(host, ':');
    s->target.port = s->driver->port;
    if (c >= 0) {
        port = sn_str_from(host, (size_t)c + 1);
        host.len = (size_t)c;
        if (sn_str_to_u64(port, &n) < 0 || !n || n > UINT16_MAX)
            return sn_fail(SN_E_SYNTAX, "expected a port, got \"%.*s\"", SN_STR_ARG(port));
        s->target.port = (uint16_t)n;
    }
    struct sn_str socket = {0};
    if (query.ptr && sn_str_starts(query, SN_STR("socket=")))
        socket = sn_str_from(query, 7);
    else if (query.len)
        return sn_fail(SN_E_SYNTAX, "expected ?socket=, got \"%.*s\"", SN_STR_ARG(query));
    s->text_len = all.len + s->o.password.len + 16;
    char *p = s->text = sn_alloc(s->text_len);
    if (!p) return SN_E_NOMEM;
    s->target.host = put(&p, host.len ? host : SN_STR("127.0.0.1"));
    s->target.user = put(&p, user);
    s->target.database = put(&p, database);
    s->target.socket = put(&p, socket);
    s->target.password = put(&p, s->o.password);
    return 0;
}

/* ---- connections ---- */

static void conn_free(struct sn_sql *s, struct conn *c)
{
    s->driver->close(c->c);
    sn_free(c);
    sn_mutex_lock_always(&s->lock);
    s->st.open--;
    sn_mutex_unlock(&s->lock);
}
/* How long it may live: the server's timeout less a tenth, in the default and the option. */
static int64_t life_of(struct sn_sql *s, struct conn *c)
{
    struct sn_arena a;
    struct sn_sql_rows rows = {0};
    bool broken = false;
    int64_t life = SN_SQL_LIFE_NS;
    uint64_t n;
    sn_arena_init(&a, NULL, 0);
    int r = s->driver->run(c->c, s->driver->timeout_sql, NULL, 0, &a, &rows, &broken);
    if (r == 0 && rows.n_rows && rows.n_cols && sn_str_to_u64(rows.cells[0], &n) == 0 &&
        n != SQL_ENDLESS && n < (uint64_t)(INT64_MAX / s->driver->timeout_unit_ns)) {
        int64_t ns = (int64_t)n * s->driver->timeout_unit_ns;
        life = SN_MIN(life, SN_MAX(ns - SN_MAX(ns / 10, SN_SEC), ns / 2));
    }
    sn_arena_done(&a);
    if (s->o.life_ns) life = SN_MIN(life, s->o.life_ns);
    return r < 0 ? r : life;
}
static int conn_open(struct sn_sql *s, struct conn **ret)
{
    struct conn *c = SN_NEW(struct conn);
    if (!c) return SN_E_NOMEM;
    int64_t before = sn_deadline_tighten(sn_now() + SN_SQL_CONNECT_NS), life = 0;
    int r = s->driver->open(&s->target, &c->c);
    if (r == 0) {
        life = life_of(s, c);
        if (life < 0) {
            r = (int)life;
            s->driver->close(c->c);
        }
    }
    sn_deadline_restore(before);
    sn_mutex_lock_always(&s->lock);
    s->st.connects += r == 0;
    s->st.connect_failures += r < 0;
    s->st.open += r == 0;
    if (r == 0) s->st.life_ns = life;
    sn_mutex_unlock(&s->lock);
    if (r < 0) {
        sn_free(c);
        return sn_wrap(r, "connect to %s", s->target.host);
    }
    c->used_ns = sn_now();
    c->end_ns = c->used_ns + life - (int64_t)(sn_random() % (uint64_t)(life / 10 + 1));
    *ret = c;
    return 0;
}
static struct conn *take_idle(struct sn_sql *s)
{
    sn_mutex_lock_always(&s->lock);
    struct conn *c = s->idle;
    if (c) {
        s->idle = c->next;
        s->st.idle--;
    }
    sn_mutex_unlock(&s->lock);
    return c;
}
static bool alive(struct sn_sql *s, struct conn *c)
{
    struct sn_arena a;
    struct sn_sql_rows rows;
    bool broken = false;
    if (sn_now() - c->used_ns < SN_SQL_CHECK_NS) return true;
    int64_t before = sn_deadline_tighten(sn_now() + SN_SQL_CONNECT_NS);
    sn_arena_init(&a, NULL, 0);
    int r = s->driver->run(c->c, "SELECT 1", NULL, 0, &a, &rows, &broken);
    sn_arena_done(&a);
    sn_deadline_restore(before);
    return r == 0 && !broken;
}
static int acquire(struct sn_sql *s, struct conn **ret)
{
    struct conn *c;
    if (!sn_sem_try(&s->free, 1)) {
        int64_t before = sn_deadline(),
                at = sn_now() + (s->o.wait_ns ? s->o.wait_ns : SN_SQL_WAIT_NS);
        sn_mutex_lock_always(&s->lock);
        s->st.waits++;
        sn_mutex_unlock(&s->lock);
        int64_t prev = sn_deadline_tighten(at);
        int r = sn_sem_acquire(&s->free, 1);
        sn_deadline_restore(prev);
        if (r == SN_E_DEADLINE_EXCEEDED && at < before)
            return sn_fail(SN_E_BUSY, "all %u connections to %s are in use", s->o.conns_max,
                           s->target.host);
        if (r < 0) return r;
    }
    while ((c = take_idle(s))) {
        bool expired = sn_now() >= c->end_ns;
        if (!expired && alive(s, c)) {
            *ret = c;
            return 0;
        }
        sn_mutex_lock_always(&s->lock);
        if (expired)
            s->st.expired++;
        else
            s->st.dead++;
        sn_mutex_unlock(&s->lock);
        conn_free(s, c);
    }
    int r = conn_open(s, ret);
    if (r < 0) sn_sem_release(&s->free, 1);
    return r;
}
static void release(struct sn_sql *s, struct conn *c, bool broken)
{
    if (broken || sn_now() >= c->end_ns) {
        conn_free(s, c);
    } else {
        c->used_ns = sn_now();
        sn_mutex_lock_always(&s->lock);
        c->next = s->idle;
        s->idle = c;
        s->st.idle++;
        sn_mutex_unlock(&s->lock);
    }
    sn_sem_release(&s->free, 1);
}

/* ---- statements ---- */

static int run(struct sn_sql *s, struct conn *c, const char *sql, const struct sn_sql_value *params,
               unsigned n, struct sn_arena *a, struct sn_sql_rows *ret, bool *broken)
{
    int64_t before = sn_deadline_tighten(sn_now() + (s->o.call_ns ? s->o.call_ns : SN_SQL_CALL_NS));
    int r = s->driver->run(c->c, sql, params, n, a, ret, broken);
    sn_deadline_restore(before);
    sn_mutex_lock_always(&s->lock);
    s->st.statements++;
    s->st.failed += r < 0;
    sn_mutex_unlock(&s->lock);
    return r;
}
int sn_sql_do(struct sn_sql *s, struct sn_sql_tx *tx, const char *sql,
              const struct sn_sql_value *params, unsigned n, struct sn_arena *a,
              struct sn_sql_rows *ret)
{
    struct sn_sql_rows none;
    struct conn *c;
    bool broken = false;
    int r;
    if (!ret) ret = &none;
    *ret = (struct sn_sql_rows){0};
    if (n > SN_SQL_PARAMS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "more than %u parameters", SN_SQL_PARAMS_MAX);
    if (tx) {
        if (tx->broken) return sn_fail(SN_E_UNAVAILABLE, "the transaction's connection is gone");
        return run(s, tx->conn, sql, params, n, a, ret, &tx->broken);
    }
    if ((r = acquire(s, &c)) < 0) return r;
    r = run(s, c, sql, params, n, a, ret, &broken);
    struct sn_diag why = *sn_diag();
    release(s, c, broken);
    if (r < 0) *sn_diag() = why;
    return r;
}
static int plain(struct sn_sql_tx *tx, const char *sql)
{
    struct sn_arena a;
    struct sn_sql_rows rows;
    sn_arena_init(&a, NULL, 0);
    int r = run(tx->s, tx->conn, sql, NULL, 0, &a, &rows, &tx->broken);
    sn_arena_done(&a);
    return r;
}
static void tx_end(struct sn_sql_tx *tx)
{
    release(tx->s, tx->conn, tx->broken);
    sn_free(tx);
}
int sn_sql_begin(struct sn_sql *s, struct sn_sql_tx **ret)
{
    struct sn_sql_tx *tx = SN_NEW(struct sn_sql_tx);
    if (!tx) return SN_E_NOMEM;
    tx->s = s;
    int r = acquire(s, &tx->conn);
    if (r < 0) {
        sn_free(tx);
        return r;
    }
    r = plain(tx, "START TRANSACTION");
    if (r < 0) {
        tx->broken = true;
        tx_end(tx);
        return r;
    }
    *ret = tx;
    return 0;
}
int sn_sql_commit(struct sn_sql_tx *tx)
{
    int r = tx->broken ? sn_fail(SN_E_UNAVAILABLE, "the transaction's connection is gone")
                       : plain(tx, "COMMIT");
    struct sn_diag why = *sn_diag();
    if (r < 0) tx->broken = true;
    tx_end(tx);
    if (r < 0) *sn_diag() = why;
    return r;
}
static int rollback(void *arg)
{
    struct sn_sql_tx *tx = arg;
    return plain(tx, "ROLLBACK");
}
void sn_sql_rollback(struct sn_sql_tx *tx)
{
    if (!tx) return;
    struct sn_diag why = *sn_diag();
    if (!tx->broken && sn_shield(ROLLBACK_NS, rollback, tx) < 0) tx->broken = true;
    tx_end(tx);
    *sn_diag() = why;
}
int sn_sql_check(struct sn_sql *s)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    int r = sn_sql_do(s, NULL, "SELECT 1", NULL, 0, &a, NULL);
    sn_arena_done(&a);
    return r;
}

/* ---- life ---- */

int sn_sql_open(const struct sn_sql_opts *o, struct sn_sql **ret)
{
    struct sn_sql *s = SN_NEW(struct sn_sql);
    if (!s) return SN_E_NOMEM;
    s->o = *o;
    if (!s->o.conns_max) s->o.conns_max = SN_SQL_CONNS_MAX;
    int r = parse_url(s, o->url);
    if (r == 0 && !s->driver->open)
        r = sn_fail(SN_E_UNIMPLEMENTED, "built without the client library of %.*s",
                    SN_STR_ARG(o->url));
    s->o.url = s->o.password = (struct sn_str){0}; /* the caller's, and used */
    if (r < 0) {
        sn_sql_close(s);
        return r;
    }
    sn_sem_init(&s->free, s->o.conns_max);
    *ret = s;
    return 0;
}
void sn_sql_close(struct sn_sql *s)
{
    struct conn *c;
    if (!s) return;
    while ((c = take_idle(s))) conn_free(s, c);
    if (s->text) explicit_bzero(s->text, s->text_len);
    sn_free(s->text);
    sn_free(s);
}
enum sn_sql_server sn_sql_server(const struct sn_sql *s) { return s->driver->server; }
void sn_sql_stats(struct sn_sql *s, struct sn_sql_stats *ret)
{
    sn_mutex_lock_always(&s->lock);
    *ret = s->st;
    sn_mutex_unlock(&s->lock);
}
