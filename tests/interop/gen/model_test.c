/* SPDX-License-Identifier: Apache-2.0 */
/* gen/model_test URL [LIFE_S] - the models that tests/interop/gen.sh has generated, against a real server. LIFE_S:
 * what the session timeout was set to, seconds. Ends in "N passed, N failed, N skipped". */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "fiber/fiber.h"
#include "fiber/sync.h"
#include "pieces_row.gen.h"
#include "orders_row.gen.h"

static unsigned passed, failed;
static const char *url;
static int64_t life_s;

static void check(const char *what, bool good)
{
    printf("%s %s%s%s\n", good ? "ok" : "FAIL", what, good ? "" : ": ", good ? "" : sn_diag_str(SN_E_INTERNAL));
    *(good ? &passed : &failed) += 1;
}
#define CHECK(what, ...) check(what, (__VA_ARGS__))
static bool same(struct sn_str a, const char *b) { return sn_str_eqc(a, b); }

static void rows(struct sn_sql *db, struct sn_arena *a)
{
    struct orders_row o = {.order_key = SN_STR("k'1\"; DROP TABLE orders; -- \xc3\xa9"), .count = 3, .paid = true,
                           .ratio = 0.1, .price = SN_STR("12.50"), .raw = SN_STR("\0\x01'\xff"), .big_null = true};
    struct orders_row got, *list = NULL;
    size_t n = 0;
    int64_t count = 0;
    o.raw.len = 4;
    CHECK("insert", orders_row_insert(db, NULL, &o) == 0 && o.id > 0);
    CHECK("find by the primary key", orders_row_find_by_id(db, NULL, o.id, a, &got) == 0 && got.count == 3 && got.paid);
    CHECK("text comes back as it went", sn_str_eq(got.order_key, o.order_key));
    CHECK("bytes come back as they went", sn_str_eq(got.raw, o.raw));
    CHECK("NULL is NULL", !got.note.ptr && got.big_null && !got.ratio_null);
    CHECK("a decimal is exact, a double close", same(got.price, "12.50") && got.ratio > 0.09 && got.ratio < 0.11);
    CHECK("the server sets its time", got.created_at.len > 10);
    CHECK("find by a unique key", orders_row_find_by_order_key(db, NULL, o.order_key, a, &got) == 0 && got.id == o.id);
    CHECK("the same key again", orders_row_insert(db, NULL, &o) == SN_E_ALREADY_EXISTS);
    got.note = SN_STR("n");
    got.big_null = false;
    got.big = INT64_MIN;
    CHECK("update", orders_row_update(db, NULL, &got) == 0);
    CHECK("update without a change finds its row", orders_row_update(db, NULL, &got) == 0);
    struct orders_row again;
    CHECK("what was updated", orders_row_find_by_id(db, NULL, got.id, a, &again) == 0 && same(again.note, "n") &&
                                  again.big == INT64_MIN);
    again.count = -100;
    CHECK("a constraint", orders_row_update(db, NULL, &again) == SN_E_FAILED_PRECONDITION);
    again.id = 1 << 30;
    again.count = 1;
    CHECK("update of no row", orders_row_update(db, NULL, &again) == SN_E_NOT_FOUND);
    for (int i = 0; i < 25; i++) {
        char key[16];
        snprintf(key, sizeof key, "p%02d", i);
        struct orders_row p = {.order_key = sn_str(key), .price = SN_STR("1"), .ratio_null = true, .big_null = true};
        if (orders_row_insert(db, NULL, &p) < 0) CHECK("insert many", false);
    }
    CHECK("count", orders_row_count(db, NULL, &count) == 0 && count == 26);
    size_t seen = 0;
    struct orders_row after, *last = NULL;
    do {
        if (orders_row_list(db, NULL, last, 10, a, &list, &n) < 0) break;
        seen += n;
        if (n) after = list[n - 1], last = &after;
    } while (n);
    CHECK("pages", seen == 26);
    CHECK("a page too large", orders_row_list(db, NULL, NULL, 1001, a, &list, &n) == SN_E_INVALID_ARGUMENT);
    struct pieces_row l = {.a = 1, .b = SN_STR("x"), .v = 5}, *ls = NULL;
    CHECK("a key of two columns", pieces_row_insert(db, NULL, &l) == 0 && (l.b = SN_STR("y"), pieces_row_insert(db, NULL, &l) == 0));
    CHECK("pages by two columns", pieces_row_list(db, NULL, &(struct pieces_row){.a = 1, .b = SN_STR("x")}, 5, a, &ls, &n) == 0 &&
                                      n == 1 && same(ls[0].b, "y"));
    CHECK("find by two columns", pieces_row_find_by_a_and_b(db, NULL, 1, SN_STR("y"), a, &l) == 0 && l.v == 5);
    CHECK("delete", pieces_row_delete(db, NULL, &l) == 0 && pieces_row_delete(db, NULL, &l) == SN_E_NOT_FOUND);
}
static void transactions(struct sn_sql *db, struct sn_arena *a)
{
    struct sn_sql_tx *tx = NULL;
    struct orders_row o = {.order_key = SN_STR("tx"), .price = SN_STR("1")}, got;
    CHECK("begin", sn_sql_begin(db, &tx) == 0);
    CHECK("insert inside", orders_row_insert(db, tx, &o) == 0);
    CHECK("seen inside", orders_row_find_by_id(db, tx, o.id, a, &got) == 0);
    CHECK("not seen outside", orders_row_find_by_id(db, NULL, o.id, a, &got) == SN_E_NOT_FOUND);
    sn_sql_rollback(tx);
    CHECK("gone after a rollback", orders_row_find_by_id(db, NULL, o.id, a, &got) == SN_E_NOT_FOUND);
    CHECK("begin again", sn_sql_begin(db, &tx) == 0 && orders_row_insert(db, tx, &o) == 0);
    CHECK("commit", sn_sql_commit(tx) == 0 && orders_row_find_by_id(db, NULL, o.id, a, &got) == 0);
}

struct many {
    struct sn_sql *db;
    _Atomic unsigned good;
};
static int one_of_many(void *arg)
{
    struct many *m = arg;
    struct sn_arena a;
    struct sn_sql_rows r;
    sn_arena_init(&a, NULL, 0);
    for (int i = 0; i < 20; i++)
        if (sn_sql_do(m->db, NULL, "SELECT 1", NULL, 0, &a, &r) == 0 && r.n_rows == 1) m->good++;
    sn_arena_done(&a);
    return 0;
}
static int hold(void *arg)
{
    struct sn_sql_tx *tx;
    int r = sn_sql_begin(arg, &tx);
    if (r < 0) return r;
    r = sn_sleep(700 * SN_MS);
    sn_sql_rollback(tx);
    return r;
}
static void pool(struct sn_sql *db, struct sn_arena *a)
{
    bool pg = sn_sql_server(db) == SN_SQL_POSTGRES;
    const char *slow = pg ? "SELECT pg_sleep(30)" : "SELECT SLEEP(30)";
    struct sn_sql_stats st, before;
    struct many m = {.db = db};
    struct sn_scope_storage mem;
    struct sn_sql_rows r;
    struct sn_scope *scope = sn_scope_begin(&mem);
    for (int i = 0; i < 30; i++)
        if (sn_scope_go(scope, "many", one_of_many, &m) < 0) CHECK("fibers", false);
    CHECK("thirty fibers share four connections", sn_scope_end(scope) == 0 && m.good == 600);
    sn_sql_stats(db, &st);
    CHECK("no more than four", st.open <= 4 && st.waits > 0);

    int64_t at = sn_now(), d = sn_deadline_tighten(at + 300 * SN_MS);
    int e = sn_sql_do(db, NULL, slow, NULL, 0, a, &r);
    sn_deadline_restore(d);
    CHECK("a deadline ends a statement", e == SN_E_DEADLINE_EXCEEDED && sn_now() - at < 5 * SN_SEC);
    CHECK("the pool goes on", sn_sql_check(db) == 0);

    scope = sn_scope_begin(&mem);
    for (int i = 0; i < 4; i++)
        if (sn_scope_go(scope, "hold", hold, db) < 0) CHECK("fibers", false);
    e = sn_sleep(100 * SN_MS);
    CHECK("all in use: busy after wait_ns", e == 0 && sn_sql_check(db) == SN_E_BUSY);
    CHECK("the holders end", sn_scope_end(scope) == 0);

    e = sn_sql_do(db, NULL, pg ? "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user AND "
                                 "pid <> pg_backend_pid() AND backend_type = 'client backend'"
                               : "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID()",
                  NULL, 0, a, &r);
    struct sn_sql_rows ids = r;
    for (uint32_t i = 0; !pg && e == 0 && i < ids.n_rows; i++) {
        char kill[40];
        snprintf(kill, sizeof kill, "KILL %.*s", SN_STR_ARG(ids.cells[i]));
        e = sn_sql_do(db, NULL, kill, NULL, 0, a, &r);
    }
    CHECK("connections are ended by the server", e == 0 && ids.n_rows > 0);
    e = sn_sleep(SN_SQL_CHECK_NS + 500 * SN_MS);
    CHECK("those are not given out", e == 0 && sn_sql_check(db) == 0);
    if (life_s) {
        sn_sql_stats(db, &before);
        CHECK("a life follows the server's session timeout",
              before.life_ns < life_s * SN_SEC && before.life_ns >= life_s * SN_SEC / 2);
        e = sn_sleep((life_s + 2) * SN_SEC);
        CHECK("after the timeout statements still succeed", e == 0 && sn_sql_check(db) == 0);
        sn_sql_stats(db, &st);
        CHECK("on a new connection", st.connects > before.connects && st.expired > before.expired);
    }
}
static int test_main(void *arg)
{
    struct sn_sql_opts o = {.url = sn_str(url), .conns_max = 4, .wait_ns = 300 * SN_MS};
    struct sn_sql *db;
    struct sn_arena a;
    int r = sn_sql_open(&o, &db);
    if (r < 0) return r;
    sn_arena_init(&a, NULL, 0);
    r = sn_sql_check(db);
    if (r == 0) {
        rows(db, &a);
        transactions(db, &a);
        pool(db, &a);
        struct sn_sql_rows none;
        CHECK("a statement that is none", sn_sql_do(db, NULL, "SELEC", NULL, 0, &a, &none) == SN_E_INVALID_ARGUMENT);
    }
    sn_sql_close(db);
    sn_arena_done(&a);
    o.url = SN_STR("postgres://127.0.0.1:1/x");
    if (sn_sql_open(&o, &db) == 0) {
        CHECK("nobody listens", sn_sql_check(db) == SN_E_UNAVAILABLE);
        sn_sql_close(db);
    }
    o.url = SN_STR("mariadb://127.0.0.1:1/x");
    if (sn_sql_open(&o, &db) == 0) {
        CHECK("nobody listens there, either", sn_sql_check(db) == SN_E_UNAVAILABLE);
        sn_sql_close(db);
    }
    CHECK("no password in a URL", sn_sql_open(&(struct sn_sql_opts){.url = SN_STR("pg://")}, &db) == SN_E_SYNTAX &&
                                      sn_sql_open(&(struct sn_sql_opts){.url = SN_STR("postgres://a:b@c/d")}, &db) == SN_E_SYNTAX);
    return r;
}
int main(int argc, char **argv)
{
    url = argc > 1 ? argv[1] : "";
    life_s = argc > 2 ? strtoll(argv[2], NULL, 10) : 0;
    signal(SIGPIPE, SIG_IGN);
    int r = sn_rt_run(&(struct sn_rt_opts){.workers = 2}, test_main, NULL);
    if (r < 0) {
        printf("FAIL %s: %s\n", url, sn_diag_str(r));
        failed++;
    }
    printf("%u passed, %u failed, 0 skipped\n", passed, failed);
    return failed ? 1 : 0;
}
