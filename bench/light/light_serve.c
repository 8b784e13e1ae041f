/* SPDX-License-Identifier: Apache-2.0 */
/* light_serve ADDRESS HEIGHTS VALIDATORS - for bench/light.sh: a node's RPC as far as a light
 * client asks it (commit, validators), of a chain made up at the start, with real signatures; every
 * answer is ready in memory. Prints "ready HASH" with the hash of block 1. */
#include <stdio.h>

#include "consensus/hash.h"
#include "consensus/key.h"
#include "consensus/rpc/json.h"
#include "consensus/state.h"
#include "consensus/valset.h"
#include "core/alloc.h"
#include "core/enc.h"
#include "crypto/ed25519.h"
#include "fiber/fiber.h"
#include "kit/http.h"
#include "wire/json.h"

#define CHAIN "light-bench"

struct bench {
    const char *addr;
    int64_t n;
    uint32_t n_vals;
    uint8_t (*secrets)[SN_ED25519_SECRET_LEN]; /* in the set's order */
    struct sn_cons_valset *vals;
    struct sn_buf *commits; /* of each height */
    struct sn_buf set;
};

static int make_set(struct bench *b)
{
    struct sn_cons_validator *list = SN_NEW_ARRAY(struct sn_cons_validator, b->n_vals);
    uint8_t(*all)[SN_ED25519_SECRET_LEN] = sn_zalloc(b->n_vals, SN_ED25519_SECRET_LEN);
    b->secrets = sn_zalloc(b->n_vals, SN_ED25519_SECRET_LEN);
    int r = list && all && b->secrets ? 0 : SN_E_NOMEM;
    for (uint32_t i = 0; r >= 0 && i < b->n_vals; i++) {
        uint8_t seed[SN_ED25519_SEED_LEN] = {(uint8_t)i, (uint8_t)(i >> 8), 1};
        r = sn_ed25519_from_seed(all[i], seed);
        if (r >= 0)
            r = sn_cons_key_set(&list[i].key, SN_CONS_ED25519, sn_str_of((char *)all[i] + 32, 32));
        list[i].power = 10;
    }
    if (r >= 0) r = sn_cons_valset_new(list, b->n_vals, &b->vals);
    for (uint32_t i = 0; r >= 0 && i < b->n_vals; i++)
        for (uint32_t k = 0; k < b->n_vals; k++)
            if (memcmp(all[k] + 32, b->vals->vals[i].key.b, 32) == 0)
                memcpy(b->secrets[i], all[k], sizeof(all[k]));
    sn_free(list);
    sn_free(all);
    return r;
}

static int seal(struct bench *b, const struct sn_cons_header *h, struct sn_cons_commit *c)
{
    int r = sn_cons_header_hash(h, &c->block_id.hash);
    c->height = h->height;
    c->block_id.parts = (struct sn_cons_part_set_header){1, c->block_id.hash};
    for (uint32_t i = 0; r >= 0 && i < c->n; i++) {
        struct sn_buf msg SN_CLEANUP(sn_buf_done);
        struct sn_cons_vote v;
        struct sn_cons_commit_sig *s = &c->sigs[i];
        sn_buf_init(&msg, 0);
        *s = (struct sn_cons_commit_sig){.flag = SN_CONS_COMMIT,
                                         .time = h->time,
                                         .sig.len = SN_ED25519_SIG_LEN};
        s->time.nsec = (int32_t)i;
        memcpy(s->addr, b->vals->vals[i].addr, SN_CONS_ADDR_LEN);
        sn_cons_commit_vote(c, i, &v);
        r = sn_cons_vote_sign_bytes(SN_STR(CHAIN), &v, &msg);
        if (r >= 0) r = sn_ed25519_sign(b->secrets[i], msg.ptr, msg.len, s->sig.b);
    }
    return r;
}
static int make_chain(struct bench *b)
{
    struct sn_cons_params params = sn_cons_params_default();
    struct sn_cons_commit c = {.n = b->n_vals,
                               .sigs = SN_NEW_ARRAY(struct sn_cons_commit_sig, b->n_vals)};
    struct sn_cons_header h = {.block_version = SN_CONS_BLOCK_PROTOCOL,
                               .chain_id_len = sizeof(CHAIN) - 1,
                               .proposer_len = SN_CONS_ADDR_LEN};
    int64_t start = sn_wall_now() / SN_SEC - b->n - 10;
    memcpy(h.chain_id, CHAIN, sizeof(CHAIN) - 1);
    memcpy(h.proposer, b->vals->vals[0].addr, SN_CONS_ADDR_LEN);
    b->commits = SN_NEW_ARRAY(struct sn_buf, (size_t)b->n + 1);
    int r = b->commits && c.sigs ? sn_cons_params_hash(&params, &h.consensus_hash) : SN_E_NOMEM;
    if (r >= 0) r = sn_cons_valset_hash(b->vals, &h.validators_hash);
    if (r >= 0) r = sn_cons_txs_hash(NULL, 0, &h.data_hash);
    h.next_validators_hash = h.validators_hash;
    h.evidence_hash = h.last_results_hash = h.last_commit_hash = h.data_hash;
    for (int64_t k = 1; r >= 0 && k <= b->n; k++) {
        struct sn_buf *out = &b->commits[k];
        h.height = k;
        h.time = (struct sn_cons_time){start + k, 0};
        if (k > 1) h.last_block_id = c.block_id;
        r = seal(b, &h, &c);
        sn_buf_cstr(out, "{\"signed_header\":{\"header\":");
        sn_cons_json_header(out, &h);
        sn_buf_cstr(out, ",\"commit\":");
        sn_cons_json_commit(out, &c);
        sn_buf_cstr(out, "},\"canonical\":true}");
        if (k > 1 || r < 0) continue;
        char hex[2 * SN_CONS_HASH_LEN + 1] = "";
        sn_hex_encode(c.block_id.hash.b, SN_CONS_HASH_LEN, hex);
        printf("ready %s\n", hex);
    }
    sn_free(c.sigs);
    sn_buf_cstr(&b->set, "\"validators\":[");
    for (uint32_t i = 0; i < b->n_vals; i++) {
        if (i) sn_buf_cstr(&b->set, ",");
        sn_cons_json_validator(&b->set, &b->vals->vals[i]);
    }
    sn_buf_printf(&b->set, "],\"count\":\"%u\",\"total\":\"%u\"}", b->n_vals, b->n_vals);
    return r;
}

/* CometBFT's proxy does not start without a WebSocket to its primary. */
static void ignore(struct sn_ws *ws, enum sn_ws_kind kind, struct sn_str data, void *arg) {}
static int serve(struct sn_http_x *x, void *arg)
{
    static const struct sn_ws_opts silent = {.on_message = ignore};
    struct sn_ws *ws;
    if (sn_str_eqc(x->req.path, "/websocket")) return sn_ws_accept(x, &silent, &ws);
    struct bench *b = arg;
    struct sn_str body;
    const struct sn_json *doc;
    struct sn_buf out SN_CLEANUP(sn_buf_done);
    int64_t height = b->n;
    sn_buf_init(&out, 0);
    int r = sn_http_body_all(x, 1 << 20, &body);
    if (r >= 0) r = sn_json_parse(x->arena, body, NULL, &doc);
    if (r < 0) return r;
    struct sn_str text = sn_json_str(sn_json_path(doc, "params.height"));
    if (text.ptr) r = sn_str_to_i64(text, &height);
    if (r < 0 || height < 1 || height > b->n) return SN_E_INVALID_ARGUMENT;
    sn_buf_cstr(&out, "{\"jsonrpc\":\"2.0\",\"id\":");
    sn_json_write(&out, sn_json_get(doc, "id"), NULL);
    sn_buf_cstr(&out, ",\"result\":");
    if (sn_str_eqc(sn_json_str(sn_json_get(doc, "method")), "commit")) {
        sn_buf_str(&out, sn_buf_view(&b->commits[height]));
    } else {
        sn_buf_printf(&out, "{\"block_height\":\"%lld\",", (long long)height);
        sn_buf_str(&out, sn_buf_view(&b->set));
    }
    sn_buf_cstr(&out, "}");
    struct sn_str answer = sn_arena_str(x->arena, sn_buf_view(&out));
    return answer.ptr ? sn_http_reply(x, 200, SN_STR("application/json"), answer) : SN_E_NOMEM;
}
static int run(void *arg)
{
    struct bench *b = arg;
    struct sn_listener *l;
    struct sn_http_server *s;
    int r = make_set(b);
    if (r >= 0) r = make_chain(b);
    if (r >= 0) r = sn_listen(b->addr, NULL, &l);
    if (r >= 0)
        r = sn_http_server_new(&(struct sn_http_server_opts){.handler = serve, .arg = b}, &s);
    fflush(stdout);
    return r < 0 ? r : sn_http_serve(s, l); /* until it is killed */
}
int main(int argc, char **argv)
{
    struct bench b = {0};
    int64_t vals = 0;
    if (argc != 4 || sn_str_to_i64(sn_str(argv[2]), &b.n) < 0 ||
        sn_str_to_i64(sn_str(argv[3]), &vals) < 0 || b.n < 2 || vals < 1 || vals > 100)
        return 2;
    b.addr = argv[1];
    b.n_vals = (uint32_t)vals;
    int r = sn_rt_run(&(struct sn_rt_opts){.workers = 1}, run, &b);
    if (r < 0) fprintf(stderr, "light_serve: %s\n", sn_diag_str(r));
    return r < 0;
}
