/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/rig_test.h - a whole gateway between a client and three upstreams, in one process. */
#pragma once
#include "gateway/gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "fiber/net.h"
#include "fiber/sync.h"
#include "kit/http.h"

#define S(x) SN_STR(x)

struct upstream {
    struct sn_http_server *srv;
    struct sn_listener *l;
    char addr[64];
    const char *name;
    _Atomic int requests, status; /* status: answered instead of 200, 0 = 200 */
    struct sn_event gone;
    struct sn_tls_config *tls; /* set before upstream_start, not owned; NULL = plain */
};

struct rig {
    struct upstream up[3];
    struct sn_gateway *gw;
    struct sn_http_client *client;
    struct sn_http_client_opts co; /* its options, set before rig_start */
    bool tls; /* ask() says https */
    struct sn_event over;
    char url[80], addr[64];
    int64_t cut;
};

struct answer {
    int status;
    struct sn_str text;
    struct sn_http_headers headers;
    struct sn_http_resp *resp;
};

/* echo - answers with what it received: the request line, its fields one per line, an empty line, the
 * body. Some paths answer otherwise: /empty, /chunks, /slow, /cut. */
int echo(struct sn_http_x *x, void *arg);
void upstream_start(struct upstream *u, const char *name, sn_http_handler fn);
void upstream_stop(struct upstream *u);
/* upstream_run - serves u->srv on u->l until it drains: for upstreams with servers of their own. */
int upstream_run(void *u);
/* config_text - `text` with the upstreams' addresses for @0 to @2. */
void config_text(struct sn_buf *b, const char *text, const struct rig *g);
/* rig_start - the gateway with this configuration (see config_text). */
void rig_start(struct rig *g, const char *config);
void rig_stop(struct rig *g);
void with_rig(const char *config, int (*fn)(struct rig *g));
int ask(struct rig *g, const char *method, const char *path, const struct sn_http_header *h, unsigned n,
        struct sn_str body, struct answer *ret);
bool has(struct sn_str text, const char *what);
/* raw_talk - what the gateway answers to these bytes within 300 ms. */
struct sn_str raw_talk(struct rig *g, const char *request, char *buf, size_t cap);

#define ASK(m, p, want_status)                                  \
    ({                                                          \
        struct answer got_ = {0};                               \
        sn_test_row("%s %s", m, p);                             \
        T_OK(ask(g, m, p, NULL, 0, (struct sn_str){0}, &got_)); \
        T_EQ(got_.status, want_status);                         \
        got_;                                                   \
    })
#define DONE(a) sn_http_resp_close((a).resp)

#define RIG_TEST(name, config)                                                  \
    static int name##_body(struct rig *g);                                      \
    static int name##_main(void *arg)                                           \
    {                                                                           \
        with_rig(config, name##_body);                                          \
        return 0;                                                               \
    }                                                                           \
    SN_TEST(name)                                                               \
    {                                                                           \
        T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, name##_main, NULL)); \
    }                                                                           \
    static int name##_body(struct rig *g)
