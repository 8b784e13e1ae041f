/* SPDX-License-Identifier: Apache-2.0 */
/* registry/etcd_layout_test.c - etcd's layouts, and the store's history against a model that keeps
 * every state. */
#include <stdio.h>

#include "core/alloc.h"
#include "registry/etcd_int.h"
#include "registry/store.h"
#include "tests/harness/test.h"

/* ---- layouts -------------------------------------------------------------------------------- */

static const struct {
    const char *layout, *value, *address;
    unsigned port, weight;
    const char *id, *service, *label; /* of what is written in the value; NULL: none there */
} good_values[] = {
    {"go-zero", "10.0.0.1:80", "10.0.0.1", 80, 1, NULL, NULL, NULL},
    {"go-zero", "[fe80::1]:8080", "fe80::1", 8080, 1, NULL, NULL, NULL},
    {"go-zero", "host-1.example.org:65535", "host-1.example.org", 65535, 1, NULL, NULL, NULL},
    {"sennit", "{\"address\":\"h\",\"port\":1}", "h", 1, 1, NULL, NULL, NULL},
    {"sennit",
     "{\"id\":\"i\",\"service\":\"s\",\"address\":\"h\",\"port\":1,\"weight\":7,\"labels\":"
     "{\"v\":\"2\"}}",
     "h", 1, 7, "i", "s", "2"},
    {"kratos",
     "{\"id\":\"i\",\"name\":\"s\",\"version\":\"1\",\"metadata\":{\"v\":\"2\"},\"endpoints\":"
     "[\"http://a:1?isSecure=false\",\"grpc://b:2?isSecure=false\"]}",
     "b", 2, 1, "i", "s", "2"},
    {"kratos", "{\"id\":\"i\",\"name\":\"s\",\"endpoints\":[\"http://[::1]:9\"]}", "::1", 9, 1, "i",
     "s", NULL},
};

SN_TEST(etcd_layouts_read)
{
    for (size_t i = 0; i < SN_COUNT_OF(good_values); i++) {
        struct sn_arena a;
        struct sn_instance in = {0};
        sn_arena_init(&a, NULL, 0);
        sn_test_row("%s", good_values[i].value);
        const struct etcd_layout *l = etcd_layout_of(sn_str(good_values[i].layout));
        T_OK(l->parse(sn_str(good_values[i].value), &a, &in));
        T_STR(in.address, good_values[i].address);
        T_EQ(in.port, good_values[i].port);
        T_EQ(in.weight, good_values[i].weight);
        T_ASSERT(in.healthy);
        T_STR(in.id, good_values[i].id ? good_values[i].id : "");
        T_STR(in.service, good_values[i].service ? good_values[i].service : "");
        if (good_values[i].label) {
            T_STR(in.labels[0].name, "v");
            T_STR(in.labels[0].value, good_values[i].label);
        }
        sn_arena_done(&a);
    }
}

SN_TEST(etcd_layouts_refuse)
{
    static const char *const bad[][2] = {
        {"go-zero", ""},           {"go-zero", "10.0.0.1"},     {"go-zero", ":80"},
        {"go-zero", "h:0"},        {"go-zero", "h:65536"},      {"go-zero", "h:80x"},
        {"go-zero", "a b:80"},     {"go-zero", "fe80::1:80"},   {"go-zero", "{\"a\":1}:80"},
        {"sennit", ""},            {"sennit", "[]"},            {"sennit", "{\"address\":\"h\"}"},
        {"sennit", "10.0.0.1:80"}, {"sennit", "{\"port\":1}"},  {"sennit", "{"},
        {"kratos", "{}"},          {"kratos", "{\"endpoints\":[]}"},
        {"kratos", "{\"endpoints\":[1,\"x\"]}"},                {"kratos", "10.0.0.1:80"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(bad); i++) {
        struct sn_arena a;
        struct sn_instance in = {0};
        sn_arena_init(&a, NULL, 0);
        sn_test_row("%s: %s", bad[i][0], bad[i][1]);
        T_EQ(etcd_layout_of(sn_str(bad[i][0]))->parse(sn_str(bad[i][1]), &a, &in), SN_E_SYNTAX);
        sn_arena_done(&a);
    }
}

SN_TEST(etcd_layouts_write_what_they_read)
{
    struct sn_label labels[] = {{SN_STR("v"), SN_STR("2")}, {SN_STR("version"), SN_STR("3")}};
    struct sn_instance in = {.id = SN_STR("i"),
                             .service = SN_STR("s"),
                             .address = SN_STR("::1"),
                             .port = 80,
                             .weight = 1,
                             .healthy = true,
                             .labels = labels,
                             .n_labels = 2};
    for (size_t i = 0; i < REG_ETCD_LAYOUTS; i++) {
        const struct etcd_layout *l = &etcd_layouts[i];
        struct sn_buf key, value;
        struct sn_arena a;
        struct sn_instance out;
        const struct etcd_layout *found;
        sn_test_row("%s", l->name);
        sn_arena_init(&a, NULL, 0);
        sn_buf_init(&key, 0);
        sn_buf_init(&value, 0);
        T_OK(etcd_key(sn_str(l->base), in.service, l->key_is_lease ? SN_STR("77") : in.id, &key));
        T_OK(l->value(&in, &value));
        T_EQ(etcd_instance_of(sn_buf_view(&key), sn_buf_view(&value), &a, &out, &found), 1);
        T_ASSERT(found == l);
        T_STR(out.service, "s");
        T_STR(out.address, "::1");
        T_EQ(out.port, 80);
        T_EQ(out.n_labels, l->key_is_lease ? 0 : 2);
        T_ASSERT(sn_str_eq(out.id, sn_buf_view(&key)));
        sn_buf_done(&key);
        sn_buf_done(&value);
        sn_arena_done(&a);
    }
}

SN_TEST(etcd_keys_that_are_no_instances)
{
    static const char *const rows[][2] = {{"a", "h:1"},
                                          {"a/b", "h:1"},
                                          {"/1", "h:1"},
                                          {"a/1", "x"},
                                          {"/services", "{\"address\":\"h\",\"port\":1}"},
                                          {"/services/x", "{\"address\":\"h\",\"port\":1}"},
                                          {"a/\xff/1", "h:1"}};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        struct sn_instance in;
        const struct etcd_layout *l;
        sn_arena_init(&a, NULL, 0);
        sn_test_row("%s", rows[i][0]);
        T_EQ(etcd_instance_of(sn_str(rows[i][0]), sn_str(rows[i][1]), &a, &in, &l), 0);
        sn_arena_done(&a);
    }
}

SN_TEST(etcd_range_ends)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    T_STR(etcd_range_end(&a, SN_STR("a/")), "a0");
    T_STR(etcd_range_end(&a, sn_str_of("a\xff\xff", 3)), "b");
    struct sn_str all = etcd_range_end(&a, sn_str_of("\xff", 1));
    T_ASSERT(all.len == 1 && all.ptr[0] == 0);
    T_ASSERT(reg_key_in_range(SN_STR("a/z"), SN_STR("a/"), etcd_range_end(&a, SN_STR("a/"))));
    T_ASSERT(!reg_key_in_range(SN_STR("a"), SN_STR("a/"), etcd_range_end(&a, SN_STR("a/"))));
    T_ASSERT(!reg_key_in_range(SN_STR("a0"), SN_STR("a/"), etcd_range_end(&a, SN_STR("a/"))));
    T_ASSERT(reg_key_in_range(SN_STR("zz"), SN_STR("a"), all));
    sn_arena_done(&a);
}

/* ---- history -------------------------------------------------------------------------------- */

#define KEYS 12
#define STEPS 300
struct state { /* at one revision; value 0: not there */
    unsigned value[KEYS], version[KEYS];
    uint64_t mod[KEYS], create[KEYS];
};
struct model {
    struct reg_store s;
    struct state now, *at; /* by revision */
    uint64_t rev;
};

static struct sn_str key_of(unsigned k, char out[8])
{
    snprintf(out, 8, "k%02u", k);
    return sn_str(out);
}

static void put(struct model *m, unsigned k, unsigned value)
{
    char key[8], text[16];
    snprintf(text, sizeof(text), "%u", value);
    struct reg_put p = {.key = key_of(k, key), .value = sn_str(text)};
    T_EQ(reg_store_put(&m->s, 0, &p), 1);
    m->rev = m->s.rev;
    m->now.value[k] = value;
    if (!m->now.version[k]++) m->now.create[k] = m->rev;
    m->now.mod[k] = m->rev;
}

static void del(struct model *m, unsigned k)
{
    char key[8];
    int gone = reg_store_del(&m->s, key_of(k, key), 0);
    T_EQ(gone, m->now.value[k] != 0);
    m->now.value[k] = m->now.version[k] = 0;
    m->now.create[k] = m->now.mod[k] = 0;
}

/* A batch touches each key at most once, as a transaction may. */
static void batch(struct model *m)
{
    unsigned first = (unsigned)sn_test_rand_below(KEYS), n = 1 + (unsigned)sn_test_rand_below(4);
    uint64_t before = m->s.rev;
    reg_store_begin(&m->s);
    for (unsigned i = 0; i < n; i++) {
        unsigned k = (first + i) % KEYS;
        if (sn_test_rand_below(3))
            put(m, k, 1 + (unsigned)sn_test_rand_below(1000));
        else
            del(m, k);
    }
    reg_store_end(&m->s);
    T_ASSERT(m->s.rev <= before + 1);
}

static void expect_range(struct model *m, uint64_t rev)
{
    struct sn_arena a;
    struct reg_view *v;
    size_t n, i = 0;
    char key[8], text[16];
    unsigned lo = (unsigned)sn_test_rand_below(KEYS), hi = (unsigned)sn_test_rand_below(KEYS + 1);
    char end[8];
    sn_arena_init(&a, NULL, 0);
    int r = reg_store_range(&m->s, key_of(lo, key), key_of(hi, end), rev, &a, &v, &n);
    if (rev && rev < m->s.rev && rev < m->s.compacted) {
        T_EQ(r, SN_E_OUT_OF_RANGE);
        sn_arena_done(&a);
        return;
    }
    T_OK(r);
    const struct state *st = rev ? &m->at[rev] : &m->now;
    for (unsigned k = lo; k < hi; k++) {
        if (!st->value[k]) continue;
        T_ASSERTF(i < n, "revision %llu: key %u is missing", (unsigned long long)rev, k);
        T_ASSERT(sn_str_eq(v[i].key, key_of(k, key)));
        snprintf(text, sizeof(text), "%u", st->value[k]);
        T_STR(reg_value_str(v[i].value), text);
        T_EQ(v[i].version, st->version[k]);
        T_EQ(v[i].mod_rev, st->mod[k]);
        T_EQ(v[i].create_rev, st->create[k]);
        i++;
    }
    T_EQ(i, n);
    sn_arena_done(&a);
}

struct follow {
    struct state st;
    uint64_t rev;
};
static int follow_event(const struct reg_event *e, void *arg)
{
    struct follow *f = arg;
    unsigned k = (unsigned)(e->key[1] - '0') * 10 + (unsigned)(e->key[2] - '0'), value = 0;
    T_ASSERT(e->mod_rev >= f->rev);
    f->rev = e->mod_rev;
    for (uint32_t i = 0; e->value && i < e->value->len; i++)
        value = value * 10 + (unsigned)(e->value->bytes[i] - '0');
    T_EQ(e->prev_mod_rev, f->st.mod[k]);
    T_EQ(e->prev != NULL, f->st.value[k] != 0);
    f->st.value[k] = value;
    f->st.mod[k] = e->deleted ? 0 : e->mod_rev;
    return 0;
}

static void expect_events(struct model *m, uint64_t from)
{
    struct follow f = {.st = m->at[from]};
    int r = reg_store_events(&m->s, from, follow_event, &f);
    if (from < m->s.compacted) {
        T_EQ(r, SN_E_OUT_OF_RANGE);
        return;
    }
    T_OK(r);
    T_EQ(memcmp(f.st.value, m->now.value, sizeof(f.st.value)), 0);
    T_EQ(memcmp(f.st.mod, m->now.mod, sizeof(f.st.mod)), 0);
}

SN_TEST(etcd_history_is_what_was)
{
    for (unsigned c = 0; c < sn_test_cases(30); c++) {
        struct model m = {.at = sn_zalloc(STEPS + 16, sizeof(struct state))};
        T_ASSERT(m.at);
        T_OK(reg_store_init(&m.s, NULL, 1));
        sn_test_row("case %u", c);
        for (unsigned i = 0; i < STEPS; i++) {
            batch(&m);
            m.at[m.s.rev] = m.now;
            if (sn_test_rand_below(40) == 0)
                reg_store_compact(&m.s, m.s.rev - sn_test_rand_below(SN_MIN(m.s.rev, (uint64_t)9)));
            expect_range(&m, 0);
            expect_range(&m, 1 + sn_test_rand_below(m.s.rev));
            expect_events(&m, 1 + sn_test_rand_below(m.s.rev));
        }
        reg_store_done(&m.s);
        sn_free(m.at);
    }
}
