/* SPDX-License-Identifier: Apache-2.0 */
/* registry/etcd_test.c - etcd's layouts, the store's history against a model that keeps every
 * state, and the face call by call over loopback. */
#include <stdio.h>

#include "core/alloc.h"
#include "etcd/rpc.grpc.h"
#include "fiber/sync.h"
#include "kit/http.h"
#include "registry/etcd_int.h"
#include "registry/server.h"
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

/* ---- the face ------------------------------------------------------------------------------- */

struct face {
    struct sn_regserver *s;
    struct sn_grpc_channel *ch;
    struct sn_arena a;
    char etcd[64], consul[64];
    const char *token;
    struct sn_event ended;
    void (*body)(struct face *f);
};

static void serve(void *arg)
{
    struct face *f = arg;
    T_OK(sn_regserver_run(f->s));
    sn_event_set(&f->ended);
}

static int face_main(void *arg)
{
    struct face *f = arg;
    struct sn_regserver_opts o = {
        .etcd = ":0", .consul = ":0", .token = f->token ? sn_str(f->token) : (struct sn_str){0}};
    T_OK(sn_regserver_new(&o, &f->s));
    T_ASSERT(sn_regserver_addr(f->s, "etcd", f->etcd, sizeof(f->etcd)) > 0);
    T_ASSERT(sn_regserver_addr(f->s, "consul", f->consul, sizeof(f->consul)) > 0);
    T_OK(sn_go("server", serve, f));
    T_OK(sn_grpc_channel_new(f->etcd, &(struct sn_grpc_channel_opts){.recv_bytes_max = 64u << 20},
                             &f->ch));
    sn_arena_init(&f->a, NULL, 0);
    f->body(f);
    sn_arena_done(&f->a);
    sn_grpc_channel_free(f->ch);
    sn_regserver_stop(f->s);
    T_OK(sn_event_wait(&f->ended));
    sn_regserver_free(f->s);
    return 0;
}

static void with_face(void (*body)(struct face *f), const char *token)
{
    struct face f = {.body = body, .token = token};
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, face_main, &f));
}

static void etcd_put_at(struct face *f, const char *key, const char *value, int64_t lease)
{
    struct etcdserverpb_put_request q = {
        .key = sn_str(key), .value = sn_str(value), .lease = lease};
    struct etcdserverpb_put_response *rep;
    T_OK(etcdserverpb_kv_put_call(f->ch, &q, &f->a, &rep, NULL));
}

static int64_t grant(struct face *f, int64_t ttl)
{
    struct etcdserverpb_lease_grant_request q = {.TTL = ttl};
    struct etcdserverpb_lease_grant_response *rep;
    T_OK(etcdserverpb_lease_lease_grant_call(f->ch, &q, &f->a, &rep, NULL));
    return rep->ID;
}

/* Calls as JSON, so that a table can hold them. */
static const struct {
    unsigned service, method; /* 0 KV, 1 Lease, 2 Auth */
    const char *req;
    int code;
    const char *has; /* in the answer's JSON, or in the message */
} face_rows[] = {
    {0, 1, "{}", SN_E_INVALID_ARGUMENT, "key is not provided"},
    {0, 0, "{}", SN_E_INVALID_ARGUMENT, "key is not provided"},
    {0, 2, "{}", SN_E_INVALID_ARGUMENT, "key is not provided"},
    {0, 1, "{\"key\":\"YQ==\",\"value\":\"MQ==\"}", 0, "\"revision\":\"2\""},
    {0, 1, "{\"key\":\"YQ==\",\"value\":\"Mg==\",\"prev_kv\":true}", 0,
     "\"value\":\"MQ==\""},
    {0, 1, "{\"key\":\"YQ==\",\"ignore_value\":true,\"value\":\"MQ==\"}", SN_E_INVALID_ARGUMENT,
     "value is provided"},
    {0, 1, "{\"key\":\"YQ==\",\"ignore_lease\":true,\"lease\":\"7\"}", SN_E_INVALID_ARGUMENT,
     "lease is provided"},
    {0, 1, "{\"key\":\"Yg==\",\"ignore_value\":true}", SN_E_INVALID_ARGUMENT, "key not found"},
    {0, 1, "{\"key\":\"YQ==\",\"lease\":\"7\"}", SN_E_NOT_FOUND, "requested lease not found"},
    {0, 0, "{\"key\":\"YQ==\",\"revision\":\"99\"}", SN_E_OUT_OF_RANGE, "future revision"},
    {0, 0, "{\"key\":\"YQ==\",\"revision\":\"2\"}", 0, "\"value\":\"MQ==\""},
    {0, 0, "{\"key\":\"YQ==\",\"sort_target\":9}", SN_E_INVALID_ARGUMENT, "sort"},
    {0, 0, "{\"key\":\"AA==\",\"range_end\":\"AA==\",\"count_only\":true}", 0, "\"count\":\"1\""},
    {0, 0, "{\"key\":\"Yg==\",\"range_end\":\"YQ==\"}", 0, "\"revision\":\"3\",\"raft_term\":\"1\"}}"},
    {0, 3, "{\"success\":[{\"request_put\":{\"key\":\"YQ==\"}},{\"request_put\":{\"key\":\"YQ==\"}}]}",
     SN_E_INVALID_ARGUMENT, "duplicate key"},
    {0, 3,
     "{\"success\":[{\"request_put\":{\"key\":\"Yg==\"}},{\"request_delete_range\":{\"key\":\"YQ==\","
     "\"range_end\":\"eg==\"}}]}",
     SN_E_INVALID_ARGUMENT, "duplicate key"},
    {0, 3, "{\"success\":[{}]}", SN_E_INVALID_ARGUMENT, "empty operation"},
    /* One bad operation undoes the good one before it. */
    {0, 3,
     "{\"success\":[{\"request_put\":{\"key\":\"eA==\"}},{\"request_put\":{\"key\":\"eQ==\","
     "\"lease\":\"7\"}}]}",
     SN_E_NOT_FOUND, "requested lease not found"},
    {0, 0, "{\"key\":\"eA==\"}", 0, "\"revision\":\"3\",\"raft_term\":\"1\"}}"},
    /* A value that is not there equals nothing, a version that is not there is 0. */
    {0, 3, "{\"compare\":[{\"key\":\"eg==\",\"target\":\"VALUE\",\"result\":\"NOT_EQUAL\"}]}", 0,
     "\"revision\":\"3\",\"raft_term\":\"1\"}}"},
    {0, 3, "{\"compare\":[{\"key\":\"eg==\",\"target\":\"VERSION\",\"result\":\"EQUAL\"}]}", 0,
     "\"succeeded\":true"},
    {0, 4, "{\"revision\":\"99\"}", SN_E_OUT_OF_RANGE, "future revision"},
    {0, 4, "{\"revision\":\"3\"}", 0, "\"revision\":\"3\""},
    {0, 4, "{\"revision\":\"3\"}", SN_E_OUT_OF_RANGE, "compacted"},
    {0, 0, "{\"key\":\"YQ==\",\"revision\":\"2\"}", SN_E_OUT_OF_RANGE, "compacted"},
    {0, 0, "{\"key\":\"YQ==\",\"revision\":\"3\"}", 0, "\"value\":\"Mg==\""},
    {1, 0, "{\"TTL\":\"9000000001\"}", SN_E_OUT_OF_RANGE, "too large lease TTL"},
    {1, 0, "{\"TTL\":\"60\",\"ID\":\"5\"}", 0, "\"ID\":\"5\",\"TTL\":\"60\""},
    {1, 0, "{\"TTL\":\"60\",\"ID\":\"5\"}", SN_E_FAILED_PRECONDITION, "lease already exists"},
    {1, 3, "{\"ID\":\"6\"}", 0, "\"TTL\":\"-1\""},
    {1, 1, "{\"ID\":\"6\"}", SN_E_NOT_FOUND, "requested lease not found"},
    {1, 1, "{\"ID\":\"5\"}", 0, "\"revision\":\"3\""},
    {2, 0, "{}", 0, "\"revision\":\"3\""},
    {2, 1, "{\"name\":\"root\",\"password\":\"x\"}", SN_E_FAILED_PRECONDITION, "not enabled"},
};

static void face_table(struct face *f)
{
    const struct sn_pb_service *const services[] = {
        &etcdserverpb_kv_service, &etcdserverpb_lease_service, &etcdserverpb_auth_service};
    struct sn_pb_json_opts jo = {.original_names = true};
    for (size_t i = 0; i < SN_COUNT_OF(face_rows); i++) {
        const struct sn_pb_method *m =
            &services[face_rows[i].service]->methods[face_rows[i].method];
        struct sn_grpc_status st = {0};
        struct sn_buf b;
        void *rep = NULL, *req = sn_pb_new(m->input, &f->a);
        sn_test_row("%.*s %s", SN_STR_ARG(m->name), face_rows[i].req);
        sn_buf_init(&b, 0);
        T_OK(sn_pb_from_json(m->input, req, sn_str(face_rows[i].req), &jo, &f->a));
        int r = sn_grpc_unary(f->ch, m, req, &f->a, &rep, &(struct sn_grpc_opts){.ret_status = &st});
        T_EQ(r, face_rows[i].code);
        if (r >= 0) T_OK(sn_pb_to_json(m->output, rep, &jo, &b));
        struct sn_str said = r < 0 ? st.message : sn_buf_view(&b);
        T_ASSERTF(sn_str_find(said, sn_str(face_rows[i].has)) >= 0, "no \"%s\" in \"%.*s\"",
                  face_rows[i].has, SN_STR_ARG(said));
        sn_buf_done(&b);
    }
}

SN_TEST(etcd_face_answers) { with_face(face_table, NULL); }

/* ---- watches -------------------------------------------------------------------------------- */

typedef struct etcdserverpb_watch_response answer;

static answer *next(struct sn_grpc_call *c)
{
    answer *m;
    int64_t prev = sn_deadline_tighten(sn_now() + 10 * SN_SEC);
    T_EQ(etcdserverpb_watch_watch_recv(c, NULL, &m), 1);
    sn_deadline_restore(prev);
    return m;
}

static void ask_watch(struct sn_grpc_call *c, struct etcdserverpb_watch_create_request q)
{
    struct etcdserverpb_watch_request w = {.request_union_case = 1, .create_request = &q};
    T_OK(etcdserverpb_watch_watch_send(c, &w));
}
static void ask_cancel(struct sn_grpc_call *c, int64_t id)
{
    struct etcdserverpb_watch_cancel_request q = {.watch_id = id};
    struct etcdserverpb_watch_request w = {.request_union_case = 2, .cancel_request = &q};
    T_OK(etcdserverpb_watch_watch_send(c, &w));
}
static void ask_progress(struct sn_grpc_call *c)
{
    struct etcdserverpb_watch_progress_request q = {0};
    struct etcdserverpb_watch_request w = {.request_union_case = 3, .progress_request = &q};
    T_OK(etcdserverpb_watch_watch_send(c, &w));
}

static void watch_body(struct face *f)
{
    struct sn_grpc_call *c;
    T_OK(etcdserverpb_watch_watch_open(f->ch, NULL, &c));
    ask_watch(c, (struct etcdserverpb_watch_create_request){.key = SN_STR("w/"),
                                                            .range_end = SN_STR("w0"),
                                                            .prev_kv = true,
                                                            .watch_id = 7});
    answer *m = next(c);
    T_ASSERT(m->created && !m->canceled);
    T_EQ(m->watch_id, 7);
    ask_watch(c, (struct etcdserverpb_watch_create_request){.key = SN_STR("w/a"), .watch_id = 7});
    m = next(c);
    T_ASSERT(m->created && m->canceled && m->watch_id == -1);
    T_ASSERT(sn_str_find(m->cancel_reason, SN_STR("duplicate")) >= 0);
    ask_watch(c, (struct etcdserverpb_watch_create_request){.key = SN_STR("b"),
                                                            .range_end = SN_STR("a")});
    m = next(c);
    T_ASSERT(m->canceled && sn_str_find(m->cancel_reason, SN_STR("empty")) >= 0);
    int32_t no_put[] = {ETCDSERVERPB_WATCH_CREATE_REQUEST_FILTER_TYPE_NOPUT};
    struct etcdserverpb_watch_create_request only_deletes = {.key = SN_STR("w/a")};
    only_deletes.filters.ptr = no_put;
    only_deletes.filters.len = 1;
    ask_watch(c, only_deletes);
    int64_t deletes = next(c)->watch_id;
    etcd_put_at(f, "x", "beside", 0); /* concerns nobody */
    etcd_put_at(f, "w/a", "1", 0);
    m = next(c);
    T_EQ(m->watch_id, 7);
    T_EQ(m->events.len, 1);
    T_STR(m->events.ptr[0]->kv->value, "1");
    T_ASSERT(!m->events.ptr[0]->prev_kv);
    etcd_put_at(f, "w/a", "2", 0);
    m = next(c);
    T_STR(m->events.ptr[0]->prev_kv->value, "1");
    struct etcdserverpb_delete_range_request d = {.key = SN_STR("w/a")};
    struct etcdserverpb_delete_range_response *gone;
    T_OK(etcdserverpb_kv_delete_range_call(f->ch, &d, &f->a, &gone, NULL));
    bool saw[2] = {0};
    for (int i = 0; i < 2; i++) { /* both watches, in some order */
        m = next(c);
        T_EQ(m->events.ptr[0]->type, MVCCPB_EVENT_EVENT_TYPE_DELETE);
        saw[m->watch_id == deletes] = true;
    }
    T_ASSERT(saw[0] && saw[1]);
    ask_progress(c);
    m = next(c);
    T_ASSERT(m->watch_id == -1 && !m->events.len);
    T_EQ(m->header->revision, gone->header->revision);
    ask_cancel(c, 7);
    m = next(c);
    T_ASSERT(m->canceled && m->watch_id == 7);
    etcd_put_at(f, "w/a", "3", 0);
    ask_progress(c); /* nothing comes before its answer: the watch is gone */
    T_EQ(next(c)->watch_id, -1);
    /* From the past, after the client has closed its side. */
    ask_watch(c, (struct etcdserverpb_watch_create_request){.key = SN_STR("w/a"),
                                                            .start_revision = 1});
    T_OK(sn_grpc_close_send(c));
    T_ASSERT(next(c)->created);
    m = next(c);
    T_EQ(m->events.len, 4);
    sn_grpc_close(c);
}

SN_TEST(etcd_face_watches) { with_face(watch_body, NULL); }

static void reads_until(struct sn_grpc_call *c, unsigned want, unsigned *ret_parts, bool *ret_split)
{
    unsigned n = 0;
    int64_t rev = 0;
    *ret_parts = 0;
    *ret_split = false;
    while (n < want) {
        answer *m = next(c);
        T_ASSERT(!m->canceled);
        for (uint32_t i = 0; i < m->events.len; i++) {
            T_ASSERT(m->events.ptr[i]->kv->mod_revision >= rev);
            rev = m->events.ptr[i]->kv->mod_revision;
        }
        n += m->events.len;
        (*ret_parts)++;
        *ret_split |= m->fragment;
    }
    T_EQ(n, want);
}

/* Twelve keys of 300 KB changed by one transaction, and by twelve. The watch has its own channel: it
 * is not read while the puts are made, and would take their connection's window. */
static void pieces_body(struct face *f)
{
    struct sn_grpc_call *c;
    struct sn_grpc_channel *watching;
    unsigned parts;
    bool split;
    char *big = sn_zalloc(1, 300000), keys[12][8];
    memset(big, 'x', 299999);
    T_OK(sn_grpc_channel_new(f->etcd, &(struct sn_grpc_channel_opts){.recv_bytes_max = 64u << 20},
                             &watching));
    T_OK(etcdserverpb_watch_watch_open(watching, NULL, &c));
    for (int k = 0; k < 12; k++) {
        snprintf(keys[k], sizeof(keys[k]), "b/%02d", k);
        etcd_put_at(f, keys[k], big, 0);
    }
    struct etcdserverpb_watch_create_request q = {
        .key = SN_STR("b/"), .range_end = SN_STR("b0"), .start_revision = 1};
    ask_watch(c, q);
    T_ASSERT(next(c)->created);
    reads_until(c, 12, &parts, &split);
    T_ASSERT(parts >= 3 && !split); /* revisions stay whole */
    sn_grpc_close(c);
    for (int fragment = 0; fragment < 2; fragment++) {
        T_OK(etcdserverpb_watch_watch_open(watching, NULL, &c));
        q.start_revision = 0;
        q.prev_kv = true;
        q.fragment = fragment;
        ask_watch(c, q);
        T_ASSERT(next(c)->created);
        struct etcdserverpb_put_request puts[12];
        struct etcdserverpb_request_op ops[12], *list[12];
        for (int k = 0; k < 12; k++) {
            puts[k] = (struct etcdserverpb_put_request){.key = sn_str(keys[k]),
                                                        .value = sn_str("1")};
            ops[k] = (struct etcdserverpb_request_op){.request_case = 2, .request_put = &puts[k]};
            list[k] = &ops[k];
            if (fragment) etcd_put_at(f, keys[k], big, 0);
        }
        if (fragment) reads_until(c, 12, &parts, &split);
        struct etcdserverpb_txn_request t = {0};
        struct etcdserverpb_txn_response *rep;
        t.success.ptr = list;
        t.success.len = 12;
        T_OK(etcdserverpb_kv_txn_call(f->ch, &t, &f->a, &rep, NULL));
        reads_until(c, 12, &parts, &split);
        T_EQ(split, fragment);
        T_ASSERT(fragment ? parts >= 3 : parts == 1);
        sn_grpc_close(c);
    }
    sn_grpc_channel_free(watching);
    sn_free(big);
}

SN_TEST_SLOW(etcd_face_cuts_what_is_large, 60) { with_face(pieces_body, NULL); }

/* ---- what other faces have ------------------------------------------------------------------ */

static int http_call(struct face *f, const char *method, const char *at, const char *path,
                     const char *body, struct sn_buf *ret)
{
    struct sn_http_client *h;
    struct sn_http_resp *resp;
    struct sn_str text;
    char url[300];
    snprintf(url, sizeof(url), "http://%s%s", at, path);
    T_OK(sn_http_client_new(&(struct sn_http_client_opts){0}, &h));
    struct sn_http_call q = {.method = sn_str(method), .url = sn_str(url), .body = sn_str(body)};
    T_OK(sn_http_do(h, &q, &resp));
    T_OK(sn_http_resp_all(resp, 1 << 20, &text));
    int status = resp->status;
    sn_buf_reset(ret);
    sn_buf_str(ret, text);
    sn_http_resp_close(resp);
    sn_http_client_free(h);
    return status;
}

/* The value at a key, "" where it is not there. */
static struct sn_str value_at(struct face *f, const char *key)
{
    struct etcdserverpb_range_request q = {.key = sn_str(key)};
    struct etcdserverpb_range_response *rep;
    T_OK(etcdserverpb_kv_range_call(f->ch, &q, &f->a, &rep, NULL));
    return rep->kvs.len ? rep->kvs.ptr[0]->value : SN_STR("");
}

static void expect_service(struct face *f, const char *service, const char *has)
{
    struct sn_buf b;
    char path[100];
    sn_buf_init(&b, 0);
    snprintf(path, sizeof(path), "/v1/health/service/%s", service);
    T_EQ(http_call(f, "GET", f->consul, path, "", &b), 200);
    T_ASSERTF(has ? sn_str_find(sn_buf_view(&b), sn_str(has)) >= 0 : sn_str_eqc(sn_buf_view(&b), "[]"),
              "%.*s", (int)b.len, (char *)b.ptr);
    sn_buf_done(&b);
}

static void mirror_body(struct face *f)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    const char *body = "{\"Name\":\"web\",\"ID\":\"w1\",\"Address\":\"10.0.0.1\",\"Port\":80,"
                       "\"Check\":{\"TTL\":\"60s\",\"Status\":\"critical\"}}";
    T_EQ(http_call(f, "PUT", f->consul, "/v1/agent/service/register", body, &b), 200);
    T_STR(value_at(f, "/services/web/w1"), ""); /* critical */
    T_EQ(http_call(f, "PUT", f->consul, "/v1/agent/check/pass/service:w1", "", &b), 200);
    T_ASSERT(sn_str_find(value_at(f, "/services/web/w1"), SN_STR("10.0.0.1")) >= 0);
    T_ASSERT(sn_str_find(value_at(f, "/microservices/web/w1"), SN_STR("grpc://10.0.0.1:80")) >= 0);
    /* Derived keys are not etcd's to delete, but to replace; and they come back. */
    struct etcdserverpb_delete_range_request d = {.key = SN_STR("/"), .range_end = SN_STR("0")};
    struct etcdserverpb_delete_range_response *gone;
    T_OK(etcdserverpb_kv_delete_range_call(f->ch, &d, &f->a, &gone, NULL));
    T_EQ(gone->deleted, 0);
    int64_t lease = grant(f, 60);
    etcd_put_at(f, "/services/web/w1", "{\"service\":\"web\",\"address\":\"10.9.9.9\",\"port\":9}",
                lease);
    expect_service(f, "web", "10.9.9.9");
    expect_service(f, "web", "10.0.0.1");
    struct etcdserverpb_lease_revoke_request rq = {.ID = lease};
    struct etcdserverpb_lease_revoke_response *revoked;
    T_OK(etcdserverpb_lease_lease_revoke_call(f->ch, &rq, &f->a, &revoked, NULL));
    T_ASSERT(sn_str_find(value_at(f, "/services/web/w1"), SN_STR("10.0.0.1")) >= 0);
    /* A key of go-zero is an instance while it has a lease and a value that reads as one. */
    char key[64];
    lease = grant(f, 60);
    snprintf(key, sizeof(key), "user.rpc/%lld", (long long)lease);
    etcd_put_at(f, key, "10.1.1.1:81", lease);
    expect_service(f, "user.rpc", "10.1.1.1");
    etcd_put_at(f, key, "no address", lease);
    expect_service(f, "user.rpc", NULL);
    etcd_put_at(f, key, "10.1.1.1:82", lease);
    expect_service(f, "user.rpc", "82");
    etcd_put_at(f, key, "10.1.1.1:82", 0);
    expect_service(f, "user.rpc", NULL);
    T_EQ(http_call(f, "PUT", f->consul, "/v1/agent/service/deregister/w1", "", &b), 200);
    T_STR(value_at(f, "/services/web/w1"), "");
    T_STR(value_at(f, "/microservices/web/w1"), "");
    sn_buf_done(&b);
}

SN_TEST(etcd_face_and_the_others) { with_face(mirror_body, NULL); }

/* ---- JSON over HTTP, and tokens ------------------------------------------------------------- */

static const struct {
    const char *path, *body;
    int status;
    const char *has;
} http_rows[] = {
    {"/v3/kv/put", "{\"key\":\"YQ==\",\"value\":\"MQ==\"}", 200, "\"cluster_id\":\""},
    {"/v3/kv/range", "{\"key\":\"YQ==\"}", 200, "\"create_revision\":\"2\",\"mod_revision\":\"2\""},
    {"/v3/kv/range", "{\"key\":\"YQ==\",", 400, "\"code\":3"},
    {"/v3/kv/range", "{\"key\":\"YQ==\",\"range_end\":\"Yg==\",\"sort_order\":\"DESCEND\"}", 200,
     "\"count\":\"1\""},
    {"/v3/lease/grant", "{\"TTL\":\"60\",\"ID\":\"77\"}", 200, "\"ID\":\"77\",\"TTL\":\"60\""},
    {"/v3/lease/keepalive", "{\"ID\":\"77\"}", 200, "{\"result\":{\"header\":"},
    {"/v3/kv/lease/revoke", "{\"ID\":\"77\"}", 200, "\"revision\""},
    {"/v3/kv/lease/revoke", "{\"ID\":\"77\"}", 404, "requested lease not found"},
    {"/v3/maintenance/status", "{}", 200, "\"version\":\"3.4.0\""},
    {"/v3/cluster/member/list", "{}", 200, "\"clientURLs\":[\"http://127.0.0.1:"},
    {"/v3/auth/user/add", "{}", 404, NULL},
};

static void http_body(struct face *f)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    for (size_t i = 0; i < SN_COUNT_OF(http_rows); i++) {
        sn_test_row("%s %s", http_rows[i].path, http_rows[i].body);
        int status = http_call(f, "POST", f->etcd, http_rows[i].path, http_rows[i].body, &b);
        T_ASSERTF(status == http_rows[i].status &&
                      (!http_rows[i].has ||
                       sn_str_find(sn_buf_view(&b), sn_str(http_rows[i].has)) >= 0),
                  "%d %.*s", status, (int)b.len, (char *)b.ptr);
    }
    T_EQ(http_call(f, "GET", f->etcd, "/version", "", &b), 200);
    T_ASSERT(sn_str_find(sn_buf_view(&b), SN_STR("etcdserver")) >= 0);
    sn_buf_done(&b);
}

SN_TEST(etcd_face_speaks_json) { with_face(http_body, NULL); }

static int put_with(struct face *f, const char *token)
{
    struct sn_http_header md = {SN_STR("token"), sn_str(token)};
    struct etcdserverpb_put_request q = {.key = SN_STR("a"), .value = SN_STR("1")};
    struct etcdserverpb_put_response *rep;
    struct sn_grpc_opts o = {.metadata = &md, .n_metadata = token[0] ? 1 : 0};
    return etcdserverpb_kv_put_call(f->ch, &q, &f->a, &rep, &o);
}

static void token_body(struct face *f)
{
    struct etcdserverpb_authenticate_request q = {.name = SN_STR("root"),
                                                  .password = SN_STR("wrong")};
    struct etcdserverpb_authenticate_response *rep;
    T_EQ(put_with(f, ""), SN_E_INVALID_ARGUMENT);
    T_EQ(put_with(f, "guess"), SN_E_UNAUTHENTICATED);
    T_EQ(etcdserverpb_auth_authenticate_call(f->ch, &q, &f->a, &rep, NULL), SN_E_INVALID_ARGUMENT);
    q.password = sn_str(f->token);
    T_OK(etcdserverpb_auth_authenticate_call(f->ch, &q, &f->a, &rep, NULL));
    char token[64];
    snprintf(token, sizeof(token), "%.*s", SN_STR_ARG(rep->token));
    T_OK(put_with(f, token));
    T_STR(value_at(f, "a"), "1"); /* reading asks for nothing */
    struct etcdserverpb_lease_grant_request g = {.TTL = 5};
    struct etcdserverpb_lease_grant_response *granted;
    T_EQ(etcdserverpb_lease_lease_grant_call(f->ch, &g, &f->a, &granted, NULL),
         SN_E_INVALID_ARGUMENT);
    /* A transaction that only reads is reading. */
    struct etcdserverpb_range_request rq = {.key = SN_STR("a")};
    struct etcdserverpb_request_op op = {.request_case = 1, .request_range = &rq}, *ops = &op;
    struct etcdserverpb_txn_request t = {0};
    struct etcdserverpb_txn_response *done;
    t.success.ptr = &ops;
    t.success.len = 1;
    T_OK(etcdserverpb_kv_txn_call(f->ch, &t, &f->a, &done, NULL));
    struct etcdserverpb_put_request p = {.key = SN_STR("a")};
    op = (struct etcdserverpb_request_op){.request_case = 2, .request_put = &p};
    T_EQ(etcdserverpb_kv_txn_call(f->ch, &t, &f->a, &done, NULL), SN_E_INVALID_ARGUMENT);
}

SN_TEST(etcd_face_asks_for_the_token) { with_face(token_body, "open sesame"); }
