/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of any shape: whatever comes out must be a configuration that the gateway takes, for nothing in
 * them may refuse it. */
#include <stdio.h>
#include <stdlib.h>

#include "gateway/config.h"
#include "gateway/kube.h"
#include "wire/yaml.h"

static void must_hold(struct sn_arena *a, struct gw_kube *k)
{
    struct sn_json root = sn_json_object();
    struct sn_buf text;
    struct sn_gw_conf conf;
    struct sn_conf *c = sn_arena_zalloc(a, sizeof(*c));
    sn_buf_init(&text, 0);
    if (!c || !sn_json_set(a, &root, sn_str("listeners"), k->listeners) ||
        !sn_json_set(a, &root, sn_str("upstreams"), k->upstreams) ||
        !sn_json_set(a, &root, sn_str("routes"), k->routes) || sn_json_write(&text, &root, NULL) < 0)
        return;
    sn_conf_init(c, a, "fuzz");
    if (!k->listeners.len) {
        sn_buf_done(&text);
        return;
    }
    if (sn_gw_conf_read(c, sn_buf_view(&text), &conf) < 0 && c->n_errors) {
        fprintf(stderr, "%.*s\n%.*s\n", SN_STR_ARG(c->errors[0].text), (int)text.len, (char *)text.ptr);
        abort();
    }
    sn_buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_kube_opts o = {.address = SN_STR("127.0.0.1"),
                             .ingress_http = 80,
                             .ingress_https = 443,
                             .cluster_domain = SN_STR("cluster.local")};
    struct sn_arena a;
    struct sn_yaml_doc *docs;
    struct sn_buf status;
    struct gw_kube k;
    size_t n;
    sn_arena_init(&a, NULL, 64u << 20);
    sn_buf_init(&status, 1u << 20);
    gw_kube_init(&k, &a, &o, &status);
    struct sn_yaml_opts yo = {.yaml11 = true};
    int r = sn_yaml_parse_all(&a, sn_str_of((const char *)data, size), &yo, &docs, &n);
    for (size_t i = 0; r == 0 && i < n; i++) r = gw_kube_add(&k, docs[i].root);
    if (r == 0 && gw_kube_translate(&k) == 0) must_hold(&a, &k);
    gw_kube_done(&k);
    sn_buf_done(&status);
    sn_arena_done(&a);
    return 0;
}
