/* SPDX-License-Identifier: Apache-2.0 */
/* registry/keep_test.c - lists, belief, URLs. */
#include "core/alloc.h"
#include "core/torture.h"
#include "registry/backend_int.h"
#include "tests/harness/test.h"
#include "wire/json.h"

static struct sn_instance inst(const char *id, const char *addr, uint16_t port, bool healthy)
{
    return (struct sn_instance){.id = sn_str(id),
                                .service = SN_STR("s"),
                                .address = sn_str(addr),
                                .port = port,
                                .healthy = healthy};
}

SN_TEST(endpoints_are_sorted_and_single)
{
    struct sn_instance l[] = {inst("c", "10.0.0.3", 3, true), inst("a", "10.0.0.1", 1, false),
                              inst("b", "10.0.0.2", 2, true), inst("c", "10.0.0.4", 4, true),
                              inst("", "10.0.0.5", 5, true)};
    struct sn_endpoints *e;
    T_OK(reg_endpoints_new(l, SN_COUNT_OF(l), &e));
    T_EQ(e->n, 4);
    T_EQ(e->n_healthy, 3);
    T_STR(e->list[0].id, "10.0.0.5:5");
    T_STR(e->list[1].id, "b");
    T_STR(e->list[2].id, "c");
    T_EQ(e->list[2].weight, 1);
    T_STR(e->list[3].id, "a");
    sn_endpoints_unref(e);
}

SN_TEST(endpoints_digest_sees_every_field)
{
    struct sn_label x = {SN_STR_INIT("v"), SN_STR_INIT("1")},
                    y = {SN_STR_INIT("v"), SN_STR_INIT("2")};
    struct sn_instance base = inst("a", "10.0.0.1", 1, true), v[6];
    base.labels = &x;
    base.n_labels = 1;
    for (int i = 0; i < 6; i++) v[i] = base;
    v[0].address = SN_STR("10.0.0.2");
    v[1].port = 2;
    v[2].healthy = false;
    v[3].weight = 7;
    v[4].zone = SN_STR("z");
    v[5].labels = &y;
    struct sn_endpoints *e, *o;
    T_OK(reg_endpoints_new(&base, 1, &e));
    for (int i = 0; i < 6; i++) {
        sn_test_row("field %d", i);
        T_OK(reg_endpoints_new(&v[i], 1, &o));
        T_ASSERT(o->digest_ != e->digest_);
        sn_endpoints_unref(o);
    }
    sn_endpoints_unref(e);
}

SN_TEST(guard_table)
{
    static const struct {
        size_t have, keep, now;
        bool suspicious;
    } rows[] = {{0, 0, 0, false},  {0, 0, 5, false}, {1, 0, 0, true},     {1, 0, 1, false},
                {3, 1, 1, false},  {4, 2, 2, false}, {4, 1, 1, true},     {4, 1, 9, true},
                {10, 5, 5, false}, {10, 4, 4, true}, {10, 10, 20, false}, {100, 0, 0, true}};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("row %zu", i);
        struct reg_guard g = {.confirm_ns = 15 * SN_SEC};
        int64_t t = 100;
        enum reg_verdict v = reg_guard_judge(&g, t, rows[i].have, rows[i].keep, rows[i].now);
        T_EQ(v, rows[i].suspicious ? REG_HOLD : REG_TAKE);
        if (!rows[i].suspicious) continue;
        T_EQ(reg_guard_judge(&g, t + 15 * SN_SEC - 1, rows[i].have, rows[i].keep, rows[i].now),
             REG_HOLD);
        T_EQ(reg_guard_judge(&g, t + 15 * SN_SEC, rows[i].have, rows[i].keep, rows[i].now),
             REG_TAKE);
        /* A good answer in between ends the suspicion. */
        g.since_ns = 0;
        T_EQ(reg_guard_judge(&g, t, rows[i].have, rows[i].keep, rows[i].now), REG_HOLD);
        T_EQ(reg_guard_judge(&g, t + SN_SEC, rows[i].have, rows[i].have, rows[i].have), REG_TAKE);
        T_EQ(reg_guard_judge(&g, t + 16 * SN_SEC, rows[i].have, rows[i].keep, rows[i].now),
             REG_HOLD);
    }
}

SN_TEST(guard_after_an_outage)
{
    struct reg_guard g = {.confirm_ns = 15 * SN_SEC};
    T_EQ(reg_guard_judge(&g, SN_SEC, 2, 1, 1), REG_TAKE); /* one of two went: believed at once */
    reg_guard_broken(&g, 10 * SN_SEC);
    T_EQ(reg_guard_judge(&g, 11 * SN_SEC, 2, 1, 1), REG_HOLD);
    T_EQ(reg_guard_judge(&g, 12 * SN_SEC, 2, 2, 3), REG_TAKE); /* all there again, and more */
    T_EQ(reg_guard_judge(&g, 13 * SN_SEC, 3, 2, 2), REG_HOLD);
    T_EQ(reg_guard_judge(&g, 25 * SN_SEC, 3, 2, 2), REG_TAKE);
}

SN_TEST(union_keeps_what_was_lost)
{
    struct sn_instance l[] = {inst("a", "10.0.0.1", 1, true), inst("b", "10.0.0.2", 2, true),
                              inst("c", "10.0.0.3", 3, false)};
    struct sn_instance m[] = {inst("b", "10.0.0.9", 9, true), inst("d", "10.0.0.4", 4, true)};
    struct sn_endpoints *have, *ans, *both;
    T_OK(reg_endpoints_new(l, 3, &have));
    T_OK(reg_endpoints_new(m, 2, &ans));
    T_EQ(reg_endpoints_kept(have, ans), 1);
    T_OK(reg_endpoints_union(have, ans, &both));
    T_EQ(both->n, 4);
    T_STR(both->list[1].id, "b");
    T_EQ(both->list[1].port, 9);
    sn_endpoints_unref(have);
    sn_endpoints_unref(ans);
    sn_endpoints_unref(both);
}

static int json_round(void *arg)
{
    struct sn_label x = {SN_STR_INIT("v"), SN_STR_INIT("1 \"quoted\"")};
    struct sn_instance in = inst("a", "10.0.0.1", 65535, false), *back;
    in.labels = &x;
    in.n_labels = 1;
    in.weight = 3;
    in.zone = SN_STR("z");
    struct sn_endpoints *e = NULL, *again = NULL;
    struct sn_buf b = {0};
    struct sn_arena a;
    const struct sn_json *tree;
    size_t n;
    sn_arena_init(&a, NULL, 0);
    int r = reg_endpoints_new(&in, 1, &e);
    if (r >= 0) r = reg_endpoints_json(e, &b);
    if (r >= 0) r = sn_json_parse(&a, sn_buf_view(&b), NULL, &tree);
    if (r >= 0) r = reg_instances_parse(tree, SN_STR("s"), &a, &back, &n);
    if (r >= 0) r = reg_endpoints_new(back, n, &again);
    if (r >= 0) T_ASSERT(again->digest_ == e->digest_);
    sn_endpoints_unref(e);
    sn_endpoints_unref(again);
    sn_buf_done(&b);
    sn_arena_done(&a);
    return r;
}

SN_TEST(endpoints_json_round_under_torture)
{
    T_OK(json_round(NULL));
    T_OK(sn_torture(json_round, NULL));
}

SN_TEST(instances_refused)
{
    static const struct {
        const char *json, *says;
    } rows[] = {{"{}", "expected a list"},
                {"[{}]", "expected an address and a port"},
                {"[{\"address\":\"a\",\"port\":0}]", "expected an address and a port"},
                {"[{\"address\":\"a\",\"port\":65536}]", "expected an address and a port"},
                {"[{\"address\":\"a\",\"port\":1,\"weight\":-1}]", "weight -1"},
                {"[{\"address\":\"a\",\"port\":1,\"labels\":{\"k\":1}}]",
                 "expected a string, got number"}};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].json);
        struct sn_arena a;
        const struct sn_json *tree;
        struct sn_instance *l;
        size_t n;
        sn_arena_init(&a, NULL, 0);
        T_OK(sn_json_parse(&a, sn_str(rows[i].json), NULL, &tree));
        int r = reg_instances_parse(tree, SN_STR("s"), &a, &l, &n);
        T_EQ(r, SN_E_SYNTAX);
        T_ASSERTF(strstr(sn_diag_str(r), rows[i].says), "got \"%s\"", sn_diag_str(r));
        sn_arena_done(&a);
    }
    struct sn_instance big = inst("a", "h", 1, true);
    struct sn_label many[SN_REG_LABELS_MAX + 1];
    for (size_t i = 0; i < SN_COUNT_OF(many); i++)
        many[i] = (struct sn_label){SN_STR("k"), SN_STR("v")};
    big.labels = many;
    big.n_labels = SN_COUNT_OF(many);
    struct sn_endpoints *e;
    T_EQ(reg_endpoints_new(&big, 1, &e), SN_E_INVALID_ARGUMENT);
}
