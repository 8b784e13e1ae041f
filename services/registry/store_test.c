/* SPDX-License-Identifier: Apache-2.0 */
/* registry/store_test.c - the server's store: time, revisions, waiting, locks, history, limits, and
 * that a replay of what was logged makes the same store. */
#include <stdio.h>

#include "core/alloc.h"
#include "registry/store.h"
#include "tests/harness/test.h"

static struct reg_spec spec(const char *service, const char *id, int64_t ttl, int64_t gone)
{
    struct reg_spec s = {.in = {.id = sn_str(id),
                                .service = sn_str(service),
                                .address = SN_STR("10.0.0.1"),
                                .port = 80}};
    if (ttl) {
        s.checks[0] = (struct reg_check){.id = SN_STR("c"),
                                         .kind = REG_CHECK_TTL,
                                         .status = REG_PASSING,
                                         .ttl_ns = ttl,
                                         .remove_after_ns = gone};
        s.n_checks = 1;
    } else {
        s.permanent = true;
    }
    return s;
}

SN_TEST(store_ttl_runs_out)
{
    struct reg_store s;
    struct reg_inst *in;
    T_OK(reg_store_init(&s, NULL, 1));
    struct reg_spec sp = spec("web", "w1", 3 * SN_SEC, 10 * SN_SEC);
    T_EQ(reg_store_register(&s, 0, &sp, &in), 1);
    uint64_t rev = in->svc->mod_rev;
    T_EQ(reg_store_next(&s), 3 * SN_SEC);
    reg_store_tick(&s, 3 * SN_SEC - 1);
    T_EQ(reg_inst_status(in), REG_PASSING);
    /* The same registration again is a heartbeat. */
    T_EQ(reg_store_register(&s, 2 * SN_SEC, &sp, &in), 0);
    T_EQ(reg_store_next(&s), 5 * SN_SEC);
    T_OK(reg_store_check(&s, 4 * SN_SEC, in, &in->spec.checks[0], REG_PASSING, SN_STR("")));
    T_EQ(in->svc->mod_rev, rev);    /* heartbeats are no news */
    reg_store_tick(&s, 8 * SN_SEC); /* late: it was critical from 7 s on */
    T_EQ(reg_inst_status(in), REG_CRITICAL);
    T_ASSERT(in->svc->mod_rev > rev);
    T_STR(in->spec.checks[0].output, "TTL expired");
    T_EQ(reg_store_next(&s), 17 * SN_SEC);
    T_OK(reg_store_check(&s, 9 * SN_SEC, in, &in->spec.checks[0], REG_PASSING, SN_STR("back")));
    T_EQ(reg_inst_status(in), REG_PASSING);
    reg_store_tick(&s, 12 * SN_SEC);
    reg_store_tick(&s, 22 * SN_SEC);
    T_ASSERT(!reg_store_instance(&s, SN_STR(""), SN_STR("w1")));
    T_EQ(reg_store_service(&s, SN_STR(""), SN_STR("web"))->n, 0);
    T_EQ(reg_store_next(&s), SN_FOREVER);
    reg_store_done(&s);
}

static int n_woken;
static void count_wake(struct reg_waiter *w) { n_woken++; }

SN_TEST(store_wakes_who_is_concerned)
{
    struct reg_store s;
    struct reg_inst *in;
    T_OK(reg_store_init(&s, NULL, 1));
    struct reg_waiter w[] = {{.kind = REG_WAIT_SERVICE, .name = SN_STR("web")},
                             {.kind = REG_WAIT_SERVICE, .name = SN_STR("api")},
                             {.kind = REG_WAIT_KEY, .name = SN_STR("a/b")},
                             {.kind = REG_WAIT_PREFIX, .name = SN_STR("a/")},
                             {.kind = REG_WAIT_CATALOG},
                             {.kind = REG_WAIT_SERVICE,
                              .ns = SN_STR("other"),
                              .name = SN_STR("web")}};
    for (size_t i = 0; i < SN_COUNT_OF(w); i++) {
        w[i].wake = count_wake;
        T_OK(reg_store_wait(&s, &w[i]));
    }
    struct reg_spec sp = spec("web", "w1", SN_SEC, 0);
    T_OK(reg_store_register(&s, 0, &sp, &in));
    T_EQ(n_woken, 2); /* the service and the catalogue */
    T_ASSERT(!sn_list_linked(&w[0].node) && !sn_list_linked(&w[4].node) &&
             sn_list_linked(&w[5].node));
    T_EQ(reg_store_put(&s, 0, &(struct reg_put){.key = SN_STR("a/c"), .value = SN_STR("1")}), 1);
    T_EQ(n_woken, 3);
    T_EQ(reg_store_put(&s, 0, &(struct reg_put){.key = SN_STR("a/b"), .value = SN_STR("1")}), 1);
    T_EQ(n_woken, 4);
    reg_store_unwait(&s, &w[1]);
    reg_store_unwait(&s, &w[1]);
    reg_store_wake_all(&s);
    T_EQ(n_woken, 5);
    T_EQ(s.n_waiters, 0);
    reg_store_done(&s);
}

SN_TEST(store_keys_cas_and_locks)
{
    struct reg_store s;
    struct reg_lease_rec *a, *b;
    T_OK(reg_store_init(&s, NULL, 1));
    struct reg_put p = {.key = SN_STR("k"), .value = SN_STR("1"), .cas = true};
    T_EQ(reg_store_put(&s, 0, &p), 1);
    T_EQ(reg_store_put(&s, 0, &p), 0); /* is there already */
    p.cas_rev = reg_store_get(&s, SN_STR("k"))->mod_rev;
    T_EQ(reg_store_put(&s, 0, &p), 1);
    T_EQ(reg_store_put(&s, 0, &p), 0); /* has moved on */
    T_EQ(reg_store_get(&s, SN_STR("k"))->version, 2);
    T_EQ(reg_store_del(&s, SN_STR("k"), p.cas_rev), 0);
    T_EQ(reg_store_del(&s, SN_STR("k"), 0), 1);
    T_EQ(reg_store_del(&s, SN_STR("k"), 0), 0);
    T_OK(reg_store_lease(&s, 0, 0, SN_STR("one"), 10 * SN_SEC, &a));
    T_OK(reg_store_lease(&s, 0, 0, SN_STR("two"), 0, &b));
    struct reg_put l = {.key = SN_STR("lock"), .value = SN_STR("a"), .acquire = SN_STR("one")};
    T_EQ(reg_store_put(&s, 0, &l), 1);
    l.acquire = SN_STR("two");
    T_EQ(reg_store_put(&s, 0, &l), 0);
    struct reg_put rel = {.key = SN_STR("lock"), .value = SN_STR("a"), .release = SN_STR("two")};
    T_EQ(reg_store_put(&s, 0, &rel), 0);
    rel.release = SN_STR("nobody");
    T_EQ(reg_store_put(&s, 0, &rel), SN_E_NOT_FOUND);
    uint64_t rev = reg_store_get(&s, SN_STR("lock"))->mod_rev;
    reg_store_tick(&s, 10 * SN_SEC); /* the session ends: the lock is free, the key stays */
    T_ASSERT(!reg_store_session(&s, SN_STR("one")));
    T_ASSERT(reg_store_get(&s, SN_STR("lock"))->mod_rev > rev);
    T_EQ(reg_store_put(&s, 0, &l), 1);
    T_EQ(reg_store_get(&s, SN_STR("lock"))->lock_index, 2);
    b->delete_keys = true;
    reg_store_lease_end(&s, b);
    T_ASSERT(!reg_store_get(&s, SN_STR("lock")));
    reg_store_done(&s);
}

static int seen_events(const struct reg_event *e, void *arg)
{
    ++*(unsigned *)arg;
    return 0;
}

SN_TEST(store_events_and_compaction)
{
    struct reg_store s;
    T_OK(reg_store_init(&s, NULL, 1));
    unsigned n = 0;
    uint64_t start = s.rev;
    for (unsigned i = 0; i < REG_EVENTS_MAX; i++)
        T_EQ(reg_store_put(&s, 0, &(struct reg_put){.key = SN_STR("k"), .value = SN_STR("v")}), 1);
    T_OK(reg_store_events(&s, start, seen_events, &n));
    T_EQ(n, REG_EVENTS_MAX);
    T_EQ(reg_store_del(&s, SN_STR("k"), 0), 1); /* one more than are kept */
    T_EQ(reg_store_events(&s, start, seen_events, &n), SN_E_OUT_OF_RANGE);
    n = 0;
    T_OK(reg_store_events(&s, s.rev - 1, seen_events, &n));
    T_EQ(n, 1);
    n = 0;
    T_OK(reg_store_events(&s, s.rev, seen_events, &n));
    T_EQ(n, 0);
    reg_store_done(&s);
}

SN_TEST(store_limits)
{
    struct reg_store s;
    struct reg_inst *in;
    struct reg_store_limits lim = {.instances_max = 1,
                                   .keys_max = 1,
                                   .key_bytes_max = 10,
                                   .waiters_max = 1};
    T_OK(reg_store_init(&s, &lim, 1));
    struct reg_spec a = spec("web", "a", SN_SEC, 0), b = spec("web", "b", SN_SEC, 0);
    T_EQ(reg_store_register(&s, 0, &a, &in), 1);
    T_EQ(reg_store_register(&s, 0, &b, &in), SN_E_RESOURCE_EXHAUSTED);
    T_EQ(reg_store_put(&s, 0, &(struct reg_put){.key = SN_STR("a"), .value = SN_STR("12345")}), 1);
    T_EQ(reg_store_put(&s, 0, &(struct reg_put){.key = SN_STR("b"), .value = SN_STR("1")}),
         SN_E_RESOURCE_EXHAUSTED);
    T_EQ(reg_store_put(&s, 0, &(struct reg_put){.key = SN_STR("a"), .value = SN_STR("123456")}),
         SN_E_RESOURCE_EXHAUSTED);
    T_EQ(reg_store_put(&s, 0, &(struct reg_put){.key = SN_STR("")}), SN_E_INVALID_ARGUMENT);
    struct reg_waiter w[2] = {{.kind = REG_WAIT_CATALOG, .wake = count_wake},
                              {.kind = REG_WAIT_CATALOG, .wake = count_wake}};
    T_OK(reg_store_wait(&s, &w[0]));
    T_EQ(reg_store_wait(&s, &w[1]), SN_E_RESOURCE_EXHAUSTED);
    struct reg_spec bad = spec("", "x", 0, 0);
    T_EQ(reg_store_register(&s, 0, &bad, &in), SN_E_INVALID_ARGUMENT);
    reg_store_done(&s);
}

/* ---- the log -------------------------------------------------------------------------------- */

struct tape {
    SN_VEC(struct sn_buf) records;
};
static void tape_log(void *arg, struct sn_str record)
{
    struct tape *t = arg;
    struct sn_buf b = {0};
    T_ASSERT(record.len);
    T_OK(sn_buf_str(&b, record));
    T_OK(sn_vec_push(&t->records, b));
}
static int tape_emit(void *arg, struct sn_str record)
{
    tape_log(arg, record);
    return 0;
}
static void tape_done(struct tape *t)
{
    for (size_t i = 0; i < t->records.len; i++) sn_buf_done(&t->records.ptr[i]);
    sn_vec_done(&t->records);
}
static void play(struct tape *t, struct reg_store *s)
{
    for (size_t i = 0; i < t->records.len; i++)
        T_OK(reg_store_replay(s, sn_buf_view(&t->records.ptr[i])));
}

/* What must survive, as text. */
static void picture(const struct reg_store *s, struct sn_buf *b)
{
    for (size_t i = 0; i < s->kvs.len; i++) {
        const struct reg_kv *kv = s->kvs.ptr[i];
        if (kv->lease && !kv->lease->session) continue;
        T_OK(sn_buf_printf(b, "%.*s=%.*s c%llu m%llu v%llu f%llu", SN_STR_ARG(kv->key),
                           SN_STR_ARG(reg_value_str(kv->value)), (unsigned long long)kv->create_rev,
                           (unsigned long long)kv->mod_rev, (unsigned long long)kv->version,
                           (unsigned long long)kv->flags));
        for (uint32_t k = 0; k < kv->n_past; k++)
            T_OK(sn_buf_printf(b, " [%.*s m%llu]", SN_STR_ARG(reg_value_str(kv->past[k].value)),
                               (unsigned long long)kv->past[k].mod_rev));
        T_OK(sn_buf_cstr(b, "\n"));
    }
    for (int i = 0; i < 6; i++) {
        char id[8];
        snprintf(id, sizeof(id), "i%d", i);
        const struct reg_inst *in = reg_store_instance(s, SN_STR(""), sn_str(id));
        if (in && in->spec.permanent)
            T_OK(sn_buf_printf(b, "%s %.*s:%u w%g m%llu\n", id, SN_STR_ARG(in->spec.in.service),
                               in->spec.in.port, in->spec.weight, (unsigned long long)in->mod_rev));
    }
}

static void random_change(struct reg_store *s)
{
    static const char *const keys[] = {"nacos/p/g/a", "apollo/x/y/z", "plain", "other"};
    char text[16], id[8];
    struct reg_inst *in;
    struct reg_lease_rec *l;
    snprintf(text, sizeof(text), "v%u", (unsigned)sn_test_rand_below(1000));
    snprintf(id, sizeof(id), "i%u", (unsigned)sn_test_rand_below(6));
    struct sn_str key = sn_str(keys[sn_test_rand_below(4)]);
    struct reg_spec sp = spec(sn_test_rand_below(2) ? "web" : "api", id,
                              sn_test_rand_below(2) ? 5 * SN_SEC : 0, SN_SEC);
    sp.in.port = (uint16_t)(1 + sn_test_rand_below(9));
    switch (sn_test_rand_below(7)) {
    case 0:
    case 1:
        T_EQ(reg_store_put(s, 0, &(struct reg_put){.key = key, .value = sn_str(text), .flags = 3}),
             1);
        break;
    case 2: (void)reg_store_del(s, key, 0); break;
    case 3: T_OK(reg_store_register(s, 0, &sp, &in)); break;
    case 4: (void)reg_store_deregister(s, SN_STR(""), sn_str(id)); break;
    case 5: /* a key of a lease is not kept */
        T_OK(reg_store_lease(s, 0, 0, SN_STR(""), SN_SEC, &l));
        T_EQ(reg_store_put(s, 0,
                           &(struct reg_put){.key = key, .value = sn_str(text), .lease = l->num}),
             1);
        break;
    default: reg_store_tick(s, (int64_t)sn_test_rand_below(4) * SN_SEC);
    }
}

SN_TEST(store_replays_to_the_same)
{
    for (unsigned c = 0; c < sn_test_cases(200); c++) {
        sn_test_row("case %u", c);
        struct reg_store s, again, third;
        struct tape t = {0}, dump = {0};
        struct sn_buf want = {0}, got = {0}, got2 = {0};
        T_OK(reg_store_init(&s, NULL, c));
        s.log = tape_log;
        s.log_arg = &t;
        for (int i = 0; i < 60; i++) random_change(&s);
        picture(&s, &want);
        T_OK(reg_store_init(&again, NULL, c + 1));
        play(&t, &again);
        picture(&again, &got);
        T_ASSERTF(sn_str_eq(sn_buf_view(&want), sn_buf_view(&got)), "replayed:\n%s\nexpected:\n%s",
                  sn_buf_cz(&got), sn_buf_cz(&want));
        T_ASSERT(SN_MAX(again.rev, again.rev_reserved) >= s.rev || t.records.len == 0);
        T_OK(reg_store_dump(&s, tape_emit, &dump));
        T_OK(reg_store_init(&third, NULL, c + 2));
        play(&dump, &third);
        picture(&third, &got2);
        T_ASSERTF(sn_str_eq(sn_buf_view(&want), sn_buf_view(&got2)), "dumped:\n%s\nexpected:\n%s",
                  sn_buf_cz(&got2), sn_buf_cz(&want));
        reg_store_done(&s);
        reg_store_done(&again);
        reg_store_done(&third);
        tape_done(&t);
        tape_done(&dump);
        sn_buf_done(&want);
        sn_buf_done(&got);
        sn_buf_done(&got2);
    }
}

/* Damaged records are refused, whole, and nothing is read beyond them. */
SN_TEST(store_refuses_damaged_records)
{
    struct reg_store s;
    struct tape t = {0};
    struct reg_inst *in;
    T_OK(reg_store_init(&s, NULL, 1));
    s.log = tape_log;
    s.log_arg = &t;
    struct reg_spec sp = spec("web", "i1", 0, 0);
    T_OK(reg_store_register(&s, 0, &sp, &in));
    T_EQ(reg_store_put(&s, 0, &(struct reg_put){.key = SN_STR("k"), .value = SN_STR("value")}), 1);
    s.log = NULL;
    for (size_t i = 0; i < t.records.len; i++) {
        struct sn_str whole = sn_buf_view(&t.records.ptr[i]);
        for (size_t n = 0; n < whole.len; n++) {
            char *copy = sn_alloc(n ? n : 1); /* its own block: ASan sees every byte too far */
            memcpy(copy, whole.ptr, n);
            sn_test_row("record %zu cut to %zu", i, n);
            T_EQ(reg_store_replay(&s, sn_str_of(copy, n)), SN_E_DATA_LOSS);
            sn_free(copy);
        }
    }
    reg_store_done(&s);
    tape_done(&t);
}
