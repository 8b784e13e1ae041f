/* SPDX-License-Identifier: Apache-2.0 */
/* light_peer KIND NODE CHAIN TRUSTED HEIGHT KEY... - for light.sh: a light client whose primary
 * forges block HEIGHT, signed with the validators' own keys (priv_validator_key.json), and whose
 * witness is the node itself. Prints "attack ..." where the client sees it, and "taken" for each
 * piece of evidence the node takes. KIND: "lunatic" (a state that does not follow), "equivocation"
 * (other transactions). */
#include <stdio.h>

#include "consensus/hash.h"
#include "consensus/light/client.h"
#include "core/enc.h"
#include "crypto/ed25519.h"
#include "fiber/fiber.h"
#include "fiber/os.h"
#include "wire/json.h"

#define KEYS_MAX 8

struct forger {
    struct sn_light_provider p, w; /* the liar; the witness that tells what is taken */
    struct sn_light_provider *real, *witness;
    bool lunatic;
    int64_t height;
    unsigned n_keys;
    uint8_t keys[KEYS_MAX][SN_ED25519_SECRET_LEN];
};

static int sign(const struct forger *f, struct sn_cons_light_block *b)
{
    struct sn_cons_commit *c = &b->commit;
    int r = sn_cons_header_hash(&b->header, &c->block_id.hash);
    for (uint32_t i = 0; r >= 0 && i < c->n; i++) {
        struct sn_cons_commit_sig *s = &c->sigs[i];
        const struct sn_cons_key *key = &b->vals->vals[i].key;
        struct sn_buf msg SN_CLEANUP(sn_buf_done);
        struct sn_cons_vote v;
        unsigned k = 0;
        sn_buf_init(&msg, 0);
        while (k < f->n_keys && memcmp(f->keys[k] + 32, key->b, 32) != 0) k++;
        if (k == f->n_keys) {
            *s = (struct sn_cons_commit_sig){.flag = SN_CONS_ABSENT, .time = SN_CONS_TIME_ZERO};
            continue;
        }
        s->flag = SN_CONS_COMMIT;
        s->time = b->header.time;
        memcpy(s->addr, b->vals->vals[i].addr, SN_CONS_ADDR_LEN);
        sn_cons_commit_vote(c, i, &v);
        r = sn_cons_vote_sign_bytes(sn_cons_header_chain(&b->header), &v, &msg);
        if (r >= 0) r = sn_ed25519_sign(f->keys[k], msg.ptr, msg.len, s->sig.b);
        s->sig.len = SN_ED25519_SIG_LEN;
    }
    return r;
}
static int forged(struct sn_light_provider *p, int64_t height, struct sn_arena *a,
                  struct sn_cons_light_block *ret)
{
    struct forger *f = SN_CONTAINER_OF(p, struct forger, p);
    int r = f->real->block(f->real, height, a, ret);
    if (r < 0 || ret->header.height != f->height) return r;
    if (f->lunatic)
        ret->header.app_hash.b[0] ^= 1;
    else
        ret->header.data_hash.b[0] ^= 1;
    return sign(f, ret);
}
static int honest(struct sn_light_provider *p, int64_t height, struct sn_arena *a,
                  struct sn_cons_light_block *ret)
{
    struct forger *f = SN_CONTAINER_OF(p, struct forger, w);
    return f->witness->block(f->witness, height, a, ret);
}
static int report(struct sn_light_provider *p, const struct sn_cons_evidence *ev)
{
    struct forger *f = SN_CONTAINER_OF(p, struct forger, w);
    int r = f->witness->report(f->witness, ev);
    if (r >= 0)
        printf("taken: common height %lld, %u accused\n", (long long)ev->common_height,
               ev->n_byzantine);
    else
        printf("refused: %s\n", sn_diag_str(r));
    return r;
}
static int no_report(struct sn_light_provider *p, const struct sn_cons_evidence *ev) { return 0; }
static void close_liar(struct sn_light_provider *p)
{
    struct forger *f = SN_CONTAINER_OF(p, struct forger, p);
    f->real->close(f->real);
}
static void close_witness(struct sn_light_provider *p)
{
    struct forger *f = SN_CONTAINER_OF(p, struct forger, w);
    f->witness->close(f->witness);
}

static int read_key(struct forger *f, const char *path, struct sn_arena *a)
{
    struct sn_str text;
    const struct sn_json *doc;
    uint8_t raw[SN_ED25519_SECRET_LEN + 8];
    int r = sn_file_read(a, path, 1 << 16, &text);
    if (r >= 0) r = sn_json_parse(a, text, NULL, &doc);
    if (r < 0) return r;
    struct sn_str value = sn_json_str(sn_json_path(doc, "priv_key.value"));
    if (!value.ptr || value.len > 92 ||
        sn_base64_decode(value, SN_BASE64_STD, raw) != SN_ED25519_SECRET_LEN)
        return sn_fail(SN_E_SYNTAX, "%s: expected an Ed25519 key", path);
    memcpy(f->keys[f->n_keys++], raw, SN_ED25519_SECRET_LEN);
    return 0;
}

static int attack(struct forger *f, struct sn_str chain, int64_t trusted, struct sn_arena *a)
{
    struct sn_light_provider *w[] = {&f->w};
    struct sn_light_client *c;
    struct sn_light_client_opts o = {.chain_id = chain,
                                     .trust_height = trusted,
                                     .primary = &f->p,
                                     .witnesses = w,
                                     .n_witnesses = 1,
                                     .rules = {.verifier = &sn_cons_verifier_zip215,
                                               .trusting_ns = 3600 * SN_SEC}};
    struct sn_cons_light_block *b = SN_ARENA_NEW(a, struct sn_cons_light_block);
    int r = f->real->block(f->real, trusted, a, b);
    if (r >= 0) r = sn_cons_header_hash(&b->header, &o.trust_hash);
    if (r >= 0) r = sn_kv_open_memory(&o.kv);
    if (r >= 0) r = sn_light_client_new(&o, &c);
    if (r < 0) return r;
    r = sn_light_client_block(c, f->height, a, b);
    printf("%s: %s\n", r == SN_E_DATA_LOSS ? "attack" : "not seen",
           r < 0 ? sn_diag_str(r) : "verified");
    sn_light_client_free(c);
    return 0;
}
static int run(void *arg)
{
    char **argv = arg;
    struct forger f = {
        .p = {.name = "liar", .block = forged, .report = no_report, .close = close_liar},
        .w = {.name = "node", .block = honest, .report = report, .close = close_witness}};
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    int64_t trusted = 0;
    sn_arena_init(&a, NULL, 0);
    f.lunatic = strcmp(argv[1], "lunatic") == 0;
    int r = sn_str_to_i64(sn_str(argv[4]), &trusted);
    if (r >= 0) r = sn_str_to_i64(sn_str(argv[5]), &f.height);
    for (char **key = argv + 6; r >= 0 && *key && f.n_keys < KEYS_MAX; key++)
        r = read_key(&f, *key, &a);
    if (r >= 0) r = sn_light_http(argv[2], sn_str(argv[3]), &f.real);
    if (r >= 0) r = sn_light_http(argv[2], sn_str(argv[3]), &f.witness);
    return r < 0 ? r : attack(&f, sn_str(argv[3]), trusted, &a);
}
int main(int argc, char **argv)
{
    if (argc < 7) return 2;
    int r = sn_rt_run(&(struct sn_rt_opts){.workers = 1}, run, argv);
    if (r < 0) fprintf(stderr, "light_peer: %s\n", sn_diag_str(r));
    return r < 0;
}
