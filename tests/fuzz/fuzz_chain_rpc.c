/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_chain_rpc.c - what anybody may send to a node's RPC: bodies, params and URIs for each
 * route, evidence as JSON, which comes back as the same JSON; and keys of an index. The first byte
 * says which. */
#include "chains/consensus/index/keys_int.h"
#include "chains/consensus/rpc/rpc_int.h"

/* None of these suspends. */
static void requests(struct sn_str in, struct sn_arena *a)
{
    struct sn_rpc_request *reqs;
    bool batch;
    ssize_t n = sn_rpc_requests(in, a, &reqs, &batch);
    for (ssize_t i = 0; i < n; i++)
        for (size_t r = 0; r < sn_rpc_routes_n; r++) {
            struct sn_rpc_call c = {.route = &sn_rpc_routes[r], .arena = a, .id = reqs[i].id};
            (void)!sn_rpc_args_json(&c, reqs[i].params);
        }
}

static void uri(struct sn_str in, struct sn_arena *a)
{
    struct sn_str query = sn_str_cut(&in, '\n');
    for (size_t r = 0; r < sn_rpc_routes_n; r++) {
        struct sn_rpc_call c = {.route = &sn_rpc_routes[r], .arena = a};
        (void)!sn_rpc_args_uri(&c, query, in);
    }
}

static void text(const struct sn_cons_evidence *ev, struct sn_buf *out)
{
    sn_cons_json_evidence(out, ev);
    SN_ASSERT(out->err == 0);
}

static void evidence(struct sn_str in, struct sn_arena *a)
{
    const struct sn_json *v, *w;
    struct sn_cons_evidence ev, again;
    struct sn_buf x = {0}, y = {0};
    if (sn_json_parse(a, in, NULL, &v) < 0 || sn_cons_json_read_evidence(v, a, &ev) < 0) return;
    text(&ev, &x);
    SN_ASSERT(sn_json_parse(a, sn_buf_view(&x), NULL, &w) == 0);
    SN_ASSERT(sn_cons_json_read_evidence(w, a, &again) == 0);
    text(&again, &y);
    SN_ASSERT(sn_str_eq(sn_buf_view(&x), sn_buf_view(&y)));
    sn_buf_done(&x);
    sn_buf_done(&y);
}

static void keys(struct sn_str in)
{
    struct sn_buf scratch = {0}, out = {0};
    struct sn_index_key k, again;
    struct sn_str tag = sn_str_cut(&in, '\n');
    if (!in.ptr) return;
    if (sn_index_tx_key_parse(in, tag, &k) && k.height >= 0 && !(k.seq >> 63)) {
        sn_index_tx_key(&out, tag, &k);
        SN_ASSERT(sn_index_tx_key_parse(sn_buf_view(&out), tag, &again));
        SN_ASSERT(again.height == k.height && again.index == k.index && again.seq == k.seq &&
                  sn_str_eq(again.value, k.value));
    }
    (void)sn_index_block_key_parse(in, &scratch, &k);
    sn_buf_done(&scratch);
    sn_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_arena a;
    if (size == 0) return 0;
    struct sn_str in = {(const char *)data + 1, size - 1};
    sn_arena_init(&a, NULL, 64u << 20);
    switch (data[0] % 4) {
    case 0: requests(in, &a); break;
    case 1: uri(in, &a); break;
    case 2: evidence(in, &a); break;
    default: keys(in); break;
    }
    sn_arena_done(&a);
    return 0;
}
