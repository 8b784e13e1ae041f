/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_registry.c - what the registry reads from others: ZooKeeper's messages, journal
 * records, Nacos's listening text, URLs, lists of instances, instances as etcd's keys and values.
 * The first byte says which. */
#include "core/alloc.h"
#include "registry/backend_int.h"
#include "registry/etcd_int.h"
#include "registry/jute.h"
#include "registry/nacos_int.h"
#include "registry/store.h"
#include "wire/json.h"

static void jute(struct sn_str in)
{
    struct sn_arena a;
    struct zk_session s;
    struct zk_reply rep;
    struct zk_event ev;
    struct zk_stat st;
    struct sn_str *names, data;
    size_t n;
    sn_arena_init(&a, NULL, 16u << 20);
    if (zk_get_connect(in, &s) >= 0) SN_ASSERT(s.id == 0 || s.timeout_ms >= 100);
    if (zk_get_reply(in, &rep) >= 0) {
        (void)!zk_get_event(rep.body, &ev);
        if (zk_get_children(rep.body, &a, &names, &n) >= 0)
            for (size_t i = 0; i < n; i++) SN_ASSERT(names[i].len <= in.len);
        (void)!zk_get_data(rep.body, &data, &st);
    }
    sn_arena_done(&a);
}

/* Accepted records leave a store that can be written out and read again. */
static int replay_again(void *store, struct sn_str record)
{
    int r = reg_store_replay(store, record);
    SN_ASSERT(r >= 0 || r == SN_E_NOMEM);
    return r;
}

static void records(struct sn_str in)
{
    struct reg_store s, again;
    if (reg_store_init(&s, NULL, 1) < 0) return;
    while (in.ptr) (void)!reg_store_replay(&s, sn_str_cut(&in, '\n'));
    if (reg_store_init(&again, NULL, 2) >= 0) {
        (void)!reg_store_dump(&s, replay_again, &again);
        SN_ASSERT(again.kvs.len == s.kvs.len);
    }
    reg_store_done(&again);
    reg_store_done(&s);
}

static void texts(struct sn_str in)
{
    struct nacos_listen l;
    struct sn_str rest = in, registry, service;
    struct sn_arena a;
    struct sn_instance *list;
    struct sn_endpoints *e;
    const struct sn_json *j;
    size_t n;
    while (nacos_listening(&rest, &l) > 0) SN_ASSERT(l.data_id.len);
    sn_arena_init(&a, NULL, 16u << 20);
    if (sn_registry_split(in, &a, &registry, &service) >= 0)
        SN_ASSERT(sn_registry_url_check(registry) == 0);
    if (sn_json_parse(&a, in, NULL, &j) >= 0 &&
        reg_instances_parse(j, SN_STR("s"), &a, &list, &n) >= 0 &&
        reg_endpoints_new(list, n, &e) >= 0) {
        SN_ASSERT(e->n <= n && e->n_healthy <= e->n);
        sn_endpoints_unref(e);
    }
    sn_arena_done(&a);
}

/* A key, a line feed, a value. What reads as an instance can be written and read again. */
static void etcd(struct sn_str in)
{
    struct sn_arena a;
    struct sn_instance got, again;
    const struct etcd_layout *l, *found;
    struct sn_str value = in, key = sn_str_cut(&value, '\n');
    sn_arena_init(&a, NULL, 16u << 20);
    struct sn_str end = etcd_range_end(&a, key);
    if (end.ptr && !(end.len == 1 && end.ptr[0] == 0)) SN_ASSERT(sn_str_cmp(key, end) < 0);
    if (value.ptr && etcd_instance_of(key, value, &a, &got, &l) > 0) {
        struct sn_buf b;
        sn_buf_init(&b, 1 << 20);
        SN_ASSERT(got.port && got.address.len && got.service.len);
        if (l->value(&got, &b) >= 0 && sn_utf8_valid(got.address) && !l->key_is_lease) {
            int r = etcd_instance_of(key, sn_buf_view(&b), &a, &again, &found);
            SN_ASSERT(r < 0 || (r == 1 && found == l && again.port == got.port));
        }
        sn_buf_done(&b);
    }
    sn_arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    struct sn_str in = sn_str_of((const char *)data + 1, size - 1);
    if (data[0] == 'e') {
        etcd(in);
        return 0;
    }
    switch (data[0] % 3) {
    case 0: jute(in); break;
    case 1: records(in); break;
    default: texts(in);
    }
    return 0;
}
