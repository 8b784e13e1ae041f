/* SPDX-License-Identifier: Apache-2.0 */
/* registry/backend_test.c - URLs, jute, and the folder as a backend. */
#include <stdio.h>

#include "core/alloc.h"
#include "fiber/os.h"
#include "fiber/sim.h"
#include "registry/backend_int.h"
#include "registry/jute.h"
#include "tests/harness/test.h"

SN_TEST(registry_urls)
{
    static const struct {
        const char *url, *says; /* NULL: good */
    } rows[] = {{"consul://127.0.0.1:8500", NULL},
                {"consul://a,b:1,[::1]:2?dc=x&tag=y%20z", NULL},
                {"nacos://h?namespace=dev&group=G&cluster=C&tls=true", NULL},
                {"apollo://h:8080?app=a", NULL},
                {"zk://h:1,h:2/?base=/x&session=5s", NULL},
                {"file:///etc/sennit", NULL},
                {"consul:/h", "expected scheme://host:port"},
                {"eureka://h", "expected consul, nacos"},
                {"consul://", "expected host or host:port"},
                {"consul://h:0", "port is not in 1..65535"},
                {"consul://h:70000", "port is not in 1..65535"},
                {"consul://h,,h", "expected host or host:port"},
                {"consul://user:secret@h", "a user part is not taken"},
                {"consul://h?dcc=1", "consul has no option \"dcc\"; it has: dc tag ns tls"},
                {"consul://h?dc=%zz", "'%' without two hex digits"},
                {"consul://h h", "must be percent-encoded"},
                {"file://", "expected a path"}};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].url);
        int r = sn_registry_url_check(sn_str(rows[i].url));
        T_EQ(r, rows[i].says ? SN_E_SYNTAX : 0);
        if (!rows[i].says) continue;
        T_ASSERTF(strstr(sn_diag_str(r), rows[i].says), "got \"%s\"", sn_diag_str(r));
        T_ASSERT(!strstr(sn_diag_str(r), "secret"));
    }
    struct sn_arena a;
    struct reg_url u;
    const struct reg_backend *be;
    sn_arena_init(&a, NULL, 0);
    T_OK(reg_url_parse(SN_STR("consul://a,b:1,[::1]?tag=y%20z"), &a, &u, &be));
    T_EQ(u.n_servers, 3);
    T_STR(u.servers[0], "a:8500");
    T_STR(u.servers[1], "b:1");
    T_STR(u.servers[2], "[::1]:8500");
    T_STR(reg_url_opt(&u, "tag", ""), "y z");
    T_STR(reg_url_opt(&u, "dc", "none"), "none");
    sn_arena_done(&a);
}

/* What a server writes, made by the same primitives in the order of zookeeper.jute. */
SN_TEST(jute_messages)
{
    struct sn_buf b = {0};
    struct zk_session s = {.id = 0x123456789, .timeout_ms = 4000}, got;
    zk_put_connect(&b, &s, 7);
    static const uint8_t want[] = {0, 0, 0,    45,   0,    0,    0, 0,    0,    0, 0,
                                   0, 0, 0,    0,    7,    0,    0, 0x0f, 0xa0, 0, 0,
                                   0, 1, 0x23, 0x45, 0x67, 0x89, 0, 0,    0,    16};
    T_EQ(b.len, 49);
    T_ASSERT(memcmp(b.ptr, want, sizeof(want)) == 0);
    sn_buf_reset(&b);
    jute_put_i32(&b, 0);
    jute_put_i32(&b, 4000);
    jute_put_i64(&b, 99);
    jute_put_str(&b, SN_STR("0123456789abcdef"));
    T_OK(zk_get_connect(sn_buf_view(&b), &got));
    T_EQ(got.id, 99);
    for (size_t n = 0; n < b.len; n++)
        T_EQ(zk_get_connect(sn_str_of((char *)b.ptr, n), &got), SN_E_PROTOCOL);
    /* A list that says it is longer than the message. */
    struct sn_arena a;
    struct sn_str *list;
    size_t n;
    sn_arena_init(&a, NULL, 1 << 20);
    sn_buf_reset(&b);
    jute_put_i32(&b, 0x7fffffff);
    jute_put_str(&b, SN_STR("x"));
    T_EQ(zk_get_children(sn_buf_view(&b), &a, &list, &n), SN_E_PROTOCOL);
    sn_buf_reset(&b);
    jute_put_i32(&b, 2);
    jute_put_str(&b, SN_STR("x"));
    jute_put_str(&b, SN_STR(""));
    T_OK(zk_get_children(sn_buf_view(&b), &a, &list, &n));
    T_EQ(n, 2);
    T_STR(list[0], "x");
    sn_arena_done(&a);
    sn_buf_done(&b);
}

static int folder_main(void *arg)
{
    struct sn_registry_opts o = {.url = "file:///srv/reg",
                                 .poll_ns = 200 * SN_MS,
                                 .confirm_ns = 5 * SN_SEC};
    struct sn_registry *r;
    struct sn_service *s;
    struct sn_config_item *i;
    T_OK(sn_mkdirs("/srv/reg/services", 0755));
    T_OK(sn_file_write("/srv/reg/services/web.yaml",
                       SN_STR(
                           "- {address: 10.0.0.1, port: 80}\n"
                           "- {id: b, address: 10.0.0.2, port: 81, weight: 3, labels: {v: '2'}}\n"),
                       0644));
    T_OK(sn_registry_open(&o, &r));
    T_OK(sn_registry_watch(r, SN_STR("web"), &s));
    T_OK(sn_service_wait(s, 0, sn_now() + SN_SEC));
    const struct sn_endpoints *e = sn_service_get(s);
    T_EQ(e->n, 2);
    T_EQ(e->list[1].weight, 3);
    T_STR(e->list[1].labels[0].value, "2");
    sn_endpoints_unref(e);
    /* A broken file changes nothing; a good one does. */
    T_OK(sn_file_write("/srv/reg/services/web.yaml", SN_STR("- {address: 10.0.0.1}\n"), 0644));
    T_EQ(sn_service_wait(s, 1, sn_now() + 2 * SN_SEC), SN_E_DEADLINE_EXCEEDED);
    T_OK(sn_file_write("/srv/reg/services/web.yaml", SN_STR("- {address: 10.0.0.3, port: 1}\n"),
                       0644));
    T_OK(sn_service_wait(s, 1, sn_now() + 20 * SN_SEC));
    struct sn_service *later; /* its file comes when it is watched already */
    T_OK(sn_registry_watch(r, SN_STR("later"), &later));
    T_OK(sn_service_wait(later, 0, sn_now() + SN_SEC));
    T_OK(sn_file_write("/srv/reg/services/later.yaml", SN_STR("- {address: a, port: 1}\n"), 0644));
    T_OK(sn_service_wait(later, 1, sn_now() + SN_SEC));
    T_OK(sn_registry_publish(r, SN_STR("app/one.yaml"), SN_STR("limit: 1\n")));
    T_OK(sn_registry_config(r, SN_STR("app/one.yaml"), NULL, &i));
    T_OK(sn_config_wait(i, 0, sn_now() + SN_SEC));
    T_OK(sn_registry_publish(r, SN_STR("app/one.yaml"), SN_STR("limit: 2\n")));
    T_OK(sn_config_wait(i, 1, sn_now() + SN_SEC));
    const struct sn_config *c = sn_config_get(i);
    T_STR(c->text, "limit: 2\n");
    sn_config_unref(c);
    T_EQ(sn_registry_publish(r, SN_STR("../../etc/passwd"), SN_STR("x")), SN_E_INVALID_ARGUMENT);
    struct sn_registration *g;
    struct sn_instance in = {.service = SN_STR("web"), .address = SN_STR("a"), .port = 1};
    T_EQ(sn_registry_register(r, &in, NULL, &g), SN_E_UNIMPLEMENTED);
    sn_registry_close(r);
    return 0;
}

SN_TEST(folder_backend)
{
    T_OK(sn_sim_run(&(struct sn_sim_opts){.seed = sn_test_seed()}, folder_main, NULL, NULL));
}
