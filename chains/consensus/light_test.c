/* SPDX-License-Identifier: Apache-2.0 */
/* The model-based traces of tendermint-rs (shared/vectors/light_client): each block gets its verdict. */
#include "consensus/light.h"

#include <dirent.h>
#include <stdlib.h>

#include "consensus/hash.h"
#include "consensus/valset.h"
#include "wire/json.h"
#include "harness/test.h"
/* Needs the harness. */
#include "consensus/golden_test.h"

/* ---- the recorded JSON as our structs ---- */

static size_t hex_of(const struct sn_json *o, const char *name, uint8_t *out)
{
    struct sn_str s = sn_json_str(sn_json_get(o, name));
    ssize_t n = s.len ? sn_hex_decode(s, out) : 0;
    T_ASSERTF(n >= 0, "%s is not hex", name);
    return (size_t)n;
}
static struct sn_cons_hash hash_of(const struct sn_json *o, const char *name)
{
    struct sn_cons_hash h = {0};
    h.len = (uint8_t)hex_of(o, name, h.b);
    return h;
}
static int64_t num_of(const struct sn_json *o, const char *name)
{
    const struct sn_json *v = sn_json_get(o, name);
    int64_t n = 0;
    if (sn_json_is(v, SN_JSON_STRING)) T_OK(sn_str_to_i64(sn_json_str(v), &n));
    else if (v) T_OK(sn_json_to_i64(v, &n));
    return n;
}
static struct sn_cons_time time_of(const struct sn_json *o, const char *name)
{
    struct sn_cons_time t = SN_CONS_TIME_ZERO;
    struct sn_str s = sn_json_str(sn_json_get(o, name));
    if (s.len) T_OK(sn_cons_time_parse(s, &t));
    return t;
}
static struct sn_cons_block_id id_of(const struct sn_json *o)
{
    struct sn_cons_block_id id = {0};
    const struct sn_json *parts = sn_json_get(o, "part_set_header");
    if (!parts) parts = sn_json_get(o, "parts");
    if (sn_json_kind(o) != SN_JSON_OBJECT) return id;
    id.hash = hash_of(o, "hash");
    id.parts.total = (uint32_t)num_of(parts, "total");
    id.parts.hash = hash_of(parts, "hash");
    return id;
}
static void header_of(const struct sn_json *o, struct sn_cons_header *h)
{
    struct sn_str chain = sn_json_str(sn_json_get(o, "chain_id"));
    *h = (struct sn_cons_header){.height = num_of(o, "height"), .time = time_of(o, "time"),
                                 .block_version = (uint64_t)num_of(sn_json_get(o, "version"), "block"),
                                 .app_version = (uint64_t)num_of(sn_json_get(o, "version"), "app"),
                                 .chain_id_len = (uint8_t)chain.len,
                                 .last_block_id = id_of(sn_json_get(o, "last_block_id")),
                                 .last_commit_hash = hash_of(o, "last_commit_hash"),
                                 .data_hash = hash_of(o, "data_hash"),
                                 .validators_hash = hash_of(o, "validators_hash"),
                                 .next_validators_hash = hash_of(o, "next_validators_hash"),
                                 .consensus_hash = hash_of(o, "consensus_hash"),
                                 .last_results_hash = hash_of(o, "last_results_hash"),
                                 .evidence_hash = hash_of(o, "evidence_hash")};
    T_ASSERT(chain.len <= SN_CONS_CHAIN_ID_MAX);
    memcpy(h->chain_id, chain.ptr, chain.len);
    h->app_hash.len = (uint8_t)hex_of(o, "app_hash", h->app_hash.b);
    h->proposer_len = (uint8_t)hex_of(o, "proposer_address", h->proposer);
}
static void commit_of(const struct sn_json *o, struct sn_arena *a, struct sn_cons_commit *c)
{
    const struct sn_json *sigs = sn_json_get(o, "signatures");
    *c = (struct sn_cons_commit){.height = num_of(o, "height"), .round = (int32_t)num_of(o, "round"),
                                 .block_id = id_of(sn_json_get(o, "block_id"))};
    c->sigs = SN_ARENA_ARRAY(a, struct sn_cons_commit_sig, sn_json_len(sigs) + 1);
    for (SN_JSON_EACH(sigs, s)) {
        struct sn_cons_commit_sig *x = &c->sigs[c->n++];
        struct sn_str text = sn_json_str(sn_json_get(s, "signature"));
        x->flag = (uint8_t)num_of(s, "block_id_flag");
        x->time = time_of(s, "timestamp");
        if (x->flag == SN_CONS_ABSENT) continue;
        hex_of(s, "validator_address", x->addr);
        ssize_t n = sn_base64_decode(text, SN_BASE64_STD, x->sig.b);
        T_EQ(n, 64);
        x->sig.len = 64;
    }
}
/* The recorder wrote sets as they came; they are hashed, and sign, in their order. */
static struct sn_cons_valset *vals_of(const struct sn_json *o, struct sn_arena *a)
{
    struct sn_cons_valset *s = SN_ARENA_NEW(a, struct sn_cons_valset);
    const struct sn_json *list = sn_json_get(o, "validators");
    s->vals = SN_ARENA_ARRAY(a, struct sn_cons_validator, sn_json_len(list) + 1);
    for (SN_JSON_EACH(list, v)) {
        struct sn_cons_validator *x = &s->vals[s->n++];
        uint8_t raw[64];
        struct sn_str key = sn_json_str(sn_json_get(sn_json_get(v, "pub_key"), "value"));
        ssize_t n = sn_base64_decode(key, SN_BASE64_STD, raw);
        T_OK(sn_cons_key_set(&x->key, SN_CONS_ED25519, sn_str_of((char *)raw, (size_t)n)));
        hex_of(v, "address", x->addr);
        x->power = num_of(v, "voting_power");
        s->total += x->power;
    }
    qsort(s->vals, s->n, sizeof(*s->vals), sn_cons_by_power);
    return s;
}

/* ---- one trace ---- */

static unsigned verdicts[3];
static void run(const struct sn_json *doc, struct sn_arena *a)
{
    const struct sn_json *init = sn_json_get(doc, "initial");
    struct sn_cons_header trusted;
    struct sn_cons_light_trusted t = {&trusted, vals_of(sn_json_get(init, "next_validator_set"), a)};
    struct sn_cons_light_opts o = {.verifier = &sn_cons_verifier_zip215, .drift_ns = SN_SEC,
                                   .trusting_ns = num_of(init, "trusting_period")};
    header_of(sn_json_path(init, "signed_header.header"), &trusted);
    unsigned step = 0;
    for (SN_JSON_EACH(sn_json_get(doc, "input"), in)) {
        const struct sn_json *block = sn_json_get(in, "block");
        struct sn_cons_light_block b;
        struct sn_str want = sn_json_str(sn_json_get(in, "verdict"));
        header_of(sn_json_path(block, "signed_header.header"), &b.header);
        commit_of(sn_json_path(block, "signed_header.commit"), a, &b.commit);
        b.vals = vals_of(sn_json_get(block, "validator_set"), a);
        int r = sn_cons_light_verify(&o, &t, &b, time_of(in, "now"));
        const char *got = r == 0 ? "SUCCESS" : r == SN_E_AGAIN ? "NOT_ENOUGH_TRUST" : "INVALID";
        T_ASSERTF(sn_str_eqc(want, got), "step %u: %s (%s), expected %.*s", step, got, sn_diag_str(r),
                  SN_STR_ARG(want));
        verdicts[r == 0 ? 0 : r == SN_E_AGAIN ? 1 : 2]++;
        step++;
        if (r < 0) continue;
        trusted = b.header;
        t.next_vals = vals_of(sn_json_get(block, "next_validator_set"), a);
    }
    T_ASSERT(step > 0);
}

SN_TEST_SLOW(light_model_traces, 60)
{
    const char *env = getenv("SN_VECTORS");
    char dir[512], path[800];
    unsigned n = 0;
    snprintf(dir, sizeof(dir), "%s/light_client", env ? env : SN_CONS_VECTORS);
    DIR *d = opendir(dir);
    if (!d) sn_test_skip("%s is not here", dir);
    for (struct dirent *e; (e = readdir(d));) {
        struct sn_arena a;
        const struct sn_json *doc;
        if (!strstr(e->d_name, ".json")) continue;
        sn_test_row("%s", e->d_name);
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        FILE *f = fopen(path, "rb");
        T_ASSERT(f);
        fseek(f, 0, SEEK_END);
        size_t len = (size_t)ftell(f);
        rewind(f);
        sn_arena_init(&a, NULL, 0);
        char *text = sn_arena_alloc(&a, len + 1);
        T_ASSERT(text && fread(text, 1, len, f) == len);
        fclose(f);
        T_OK(sn_json_parse(&a, sn_str_of(text, len), NULL, &doc));
        if (sn_json_get(doc, "input") && sn_json_path(doc, "initial.signed_header")) {
            run(doc, &a);
            n++;
        }
        sn_arena_done(&a);
    }
    closedir(d);
    T_ASSERTF(n >= 20 && verdicts[0] && verdicts[1] && verdicts[2], "%u traces: %u, %u, %u", n,
              verdicts[0], verdicts[1], verdicts[2]);
}
