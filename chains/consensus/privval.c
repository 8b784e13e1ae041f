/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/privval.c - what may be signed, and the two files. */
#include "consensus/privval.h"

#include "consensus/hash.h"
#include "consensus/key.h"
#include "core/alloc.h"
#include "core/enc.h"
#include "crypto/ed25519.h"
#include "crypto/hash.h"
#include "crypto/secp256k1.h"
#include "fiber/os.h"
#include "fiber/sync.h"
#include "tendermint/types/canonical.pb.h"
#include "wire/json.h"

#define FILE_BYTES_MAX 65536
#define SIGN_BYTES_MAX \
    512 /* a canonical vote or proposal with the longest chain id has under 250 */
#define ARENA_MAX (1u << 20)

enum step { PROPOSE = 1, PREVOTE, PRECOMMIT };

/* The last signature and what it is of. */
struct last {
    int64_t height;
    int32_t round;
    uint8_t step;
    struct sn_cons_sig sig;
    size_t n; /* of bytes; 0: nothing is known of the place but that it is taken */
    uint8_t bytes[SIGN_BYTES_MAX];
};

struct sn_privval {
    struct sn_mutex lock;
    struct sn_cons_key key;
    uint8_t secret[SN_ED25519_SECRET_LEN]; /* of secp256k1: 32 bytes */
    struct last last;
    char *state_path;
};

/* ---- what may be signed ---- */

struct place {
    int64_t height;
    int32_t round;
    uint8_t step;
};

/* 1 for the last place, 0 for a later one. */
static int check_place(const struct last *l, const struct place *p)
{
    if (p->height < l->height)
        return sn_fail(SN_E_FAILED_PRECONDITION, "height regression. Got %lld, last height %lld",
                       (long long)p->height, (long long)l->height);
    if (p->height > l->height) return 0;
    if (p->round < l->round)
        return sn_fail(SN_E_FAILED_PRECONDITION,
                       "round regression at height %lld. Got %d, last round %d",
                       (long long)p->height, p->round, l->round);
    if (p->round > l->round) return 0;
    if (p->step < l->step)
        return sn_fail(SN_E_FAILED_PRECONDITION,
                       "step regression at height %lld round %d. Got %d, last step %d",
                       (long long)p->height, p->round, p->step, l->step);
    if (p->step > l->step) return 0;
    if (l->n == 0) return sn_fail(SN_E_FAILED_PRECONDITION, "no SignBytes found");
    return 1;
}

/* The length-prefixed message of sign bytes. */
static struct sn_str message_of(const uint8_t *bytes, size_t n)
{
    size_t at = 0;
    while (at < n && bytes[at] & 0x80) at++;
    return sn_str_of((const char *)bytes + SN_MIN(at + 1, n), n - SN_MIN(at + 1, n));
}

/* Whether two messages of type d are the same but for field `number`, a time. The old one's time
 * goes to *ret. */
static bool same_but_time(const struct sn_pb_desc *d, uint32_t number, const struct last *old,
                          struct sn_str now, struct sn_cons_time *ret)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    const struct sn_pb_field *time = sn_pb_field_by_number(d, number);
    void *was, *is;
    sn_arena_init(&a, NULL, ARENA_MAX);
    struct sn_str is_text = message_of((const uint8_t *)now.ptr, now.len);
    if (sn_pb_parse(d, message_of(old->bytes, old->n), 0, &a, &was) < 0 ||
        sn_pb_parse(d, is_text, 0, &a, &is) < 0)
        return false;
    const struct google_protobuf_timestamp *t = sn_pb_get(was, time).msg;
    if (!t) return false;
    sn_pb_set(is, time, sn_pb_get(was, time));
    *ret = (struct sn_cons_time){t->seconds, t->nanos};
    return sn_pb_equal(d, was, is) == 1;
}

/* ---- signing ---- */

static int sign_bytes(const struct sn_privval *pv, struct sn_str bytes, struct sn_cons_sig *ret)
{
    uint8_t digest[32];
    unsigned recovery;
    int r;
    if (pv->key.type == SN_CONS_ED25519) {
        r = sn_ed25519_sign(pv->secret, bytes.ptr, bytes.len, ret->b);
    } else {
        r = sn_hash_once(SN_SHA256, bytes.ptr, bytes.len, digest);
        if (r == 0) r = sn_secp256k1_sign(pv->secret, digest, ret->b, &recovery);
    }
    if (r == 0) ret->len = SN_CONS_SIG_MAX;
    return r;
}

static int save_last(struct sn_privval *pv, const struct last *l);

/* Signs, or gives the last signature again; then *ret_time is what it was signed with. */
static int sign(struct sn_privval *pv, const struct place *p, struct sn_str bytes,
                const struct sn_pb_desc *d, uint32_t time_field, struct sn_cons_sig *ret,
                struct sn_cons_time *ret_time)
{
    if (bytes.len > SIGN_BYTES_MAX) return sn_fail(SN_E_TOO_LARGE, "%zu bytes to sign", bytes.len);
    int r = check_place(&pv->last, p);
    if (r < 0) return r;
    if (r == 1) {
        bool same = sn_str_eq(bytes, sn_str_of((const char *)pv->last.bytes, pv->last.n));
        if (!same && !same_but_time(d, time_field, &pv->last, bytes, ret_time))
            return sn_fail(SN_E_FAILED_PRECONDITION,
                           "conflicting data: %lld/%d/%d has been signed for something else",
                           (long long)p->height, p->round, p->step);
        *ret = pv->last.sig;
        return 0;
    }
    struct last next = {.height = p->height, .round = p->round, .step = p->step, .n = bytes.len};
    memcpy(next.bytes, bytes.ptr, bytes.len);
    if ((r = sign_bytes(pv, bytes, &next.sig)) < 0) return r;
    if ((r = save_last(pv, &next)) < 0) return r;
    pv->last = next;
    *ret = next.sig;
    return 0;
}

static int sign_extension(struct sn_privval *pv, struct sn_str chain_id, struct sn_cons_vote *v)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    if (v->type != SN_CONS_PRECOMMIT || sn_cons_block_id_is_nil(&v->block_id))
        return v->ext.len == 0 ? 0
                               : sn_fail(SN_E_INVALID_ARGUMENT,
                                         "a vote extension, but not in a precommit of a block");
    int r = sn_cons_extension_sign_bytes(chain_id, v, &b);
    return r < 0 ? r : sign_bytes(pv, sn_buf_view(&b), &v->ext_sig);
}

int sn_privval_sign_vote(struct sn_privval *pv, struct sn_str chain_id, struct sn_cons_vote *v)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    struct place p = {v->height, v->round, v->type == SN_CONS_PREVOTE ? PREVOTE : PRECOMMIT};
    sn_buf_init(&b, 0);
    int r = sn_cons_vote_sign_bytes(chain_id, v, &b);
    if (r == 0) r = sign_extension(pv, chain_id, v);
    if (r < 0) return r;
    sn_mutex_lock_always(&pv->lock);
    r = sign(pv, &p, sn_buf_view(&b), &tendermint_types_canonical_vote_desc, 5, &v->sig, &v->time);
    sn_mutex_unlock(&pv->lock);
    return r;
}

int sn_privval_sign_proposal(struct sn_privval *pv, struct sn_str chain_id,
                             struct sn_cons_proposal *q)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    struct place p = {q->height, q->round, PROPOSE};
    sn_buf_init(&b, 0);
    int r = sn_cons_proposal_sign_bytes(chain_id, q, &b);
    if (r < 0) return r;
    sn_mutex_lock_always(&pv->lock);
    r = sign(pv, &p, sn_buf_view(&b), &tendermint_types_canonical_proposal_desc, 6, &q->sig,
             &q->time);
    sn_mutex_unlock(&pv->lock);
    return r;
}

/* ---- files ---- */

static void put_base64(struct sn_buf *b, const char *name, const void *data, size_t n)
{
    (void)!sn_buf_printf(b, "\"%s\": \"", name);
    (void)!sn_buf_base64(b, data, n, SN_BASE64_STD);
    (void)!sn_buf_cstr(b, "\"");
}

static int save_last(struct sn_privval *pv, const struct last *l)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    (void)!sn_buf_printf(&b, "{\n  \"height\": \"%lld\",\n  \"round\": %d,\n  \"step\": %d",
                         (long long)l->height, l->round, l->step);
    if (l->n) {
        (void)!sn_buf_cstr(&b, ",\n  ");
        put_base64(&b, "signature", l->sig.b, l->sig.len);
        (void)!sn_buf_cstr(&b, ",\n  \"signbytes\": \"");
        sn_buf_hex_upper(&b, l->bytes, l->n);
        (void)!sn_buf_cstr(&b, "\"");
    }
    int r = sn_buf_cstr(&b, "\n}");
    return r < 0 ? r : sn_file_write(pv->state_path, sn_buf_view(&b), 0600);
}

static int save_key(const struct sn_privval *pv, const char *path)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    uint8_t addr[SN_CONS_ADDR_LEN];
    sn_buf_init(&b, 0);
    int r = sn_cons_key_addr(&pv->key, addr);
    if (r < 0) return r;
    (void)!sn_buf_cstr(&b, "{\n  \"address\": \"");
    sn_buf_hex_upper(&b, addr, sizeof(addr));
    (void)!sn_buf_cstr(&b,
                       "\",\n  \"pub_key\": {\n    \"type\": \"tendermint/PubKeyEd25519\",\n    ");
    put_base64(&b, "value", pv->key.b, pv->key.len);
    (void)!sn_buf_cstr(
        &b, "\n  },\n  \"priv_key\": {\n    \"type\": \"tendermint/PrivKeyEd25519\",\n    ");
    put_base64(&b, "value", pv->secret, SN_ED25519_SECRET_LEN);
    r = sn_buf_cstr(&b, "\n  }\n}");
    if (r == 0) r = sn_file_write(path, sn_buf_view(&b), 0600);
    sn_wipe(b.ptr, b.len);
    return r;
}

static int bad(const char *path, const char *member, const char *want)
{
    return sn_fail(SN_E_INVALID_ARGUMENT, "%s: %s: expected %s", path, member, want);
}

static int read_json(const char *path, struct sn_arena *a, struct sn_str *ret_text,
                     const struct sn_json **ret)
{
    int r = sn_file_read(a, path, FILE_BYTES_MAX, ret_text);
    if (r == 0) r = sn_json_parse(a, *ret_text, NULL, ret);
    return r < 0 ? sn_wrap(r, "%s", path) : 0;
}

static ssize_t get_base64(const struct sn_json *v, void *out, size_t max)
{
    struct sn_str s = sn_json_str(v);
    return s.ptr && sn_base64_decoded_max(s.len) <= max ? sn_base64_decode(s, SN_BASE64_STD, out)
                                                        : -1;
}

/* The public key is the private one's: the file's other members may be anybody's. */
static int read_key(struct sn_privval *pv, const char *path, const struct sn_json *root)
{
    uint8_t raw[80], addr[SN_CONS_ADDR_LEN], said[SN_CONS_ADDR_LEN];
    const struct sn_json *key = sn_json_get(root, "priv_key");
    struct sn_str type = sn_json_str(sn_json_get(key, "type")),
                  address = sn_json_str(sn_json_get(root, "address"));
    ssize_t n = get_base64(sn_json_get(key, "value"), raw, sizeof(raw));
    bool secp = sn_str_eqc(type, "tendermint/PrivKeySecp256k1");
    int r = 0;
    if (!secp && !sn_str_eqc(type, "tendermint/PrivKeyEd25519"))
        return bad(path, "priv_key.type",
                   "tendermint/PrivKeyEd25519 or tendermint/PrivKeySecp256k1");
    if (n != (secp ? SN_SECP256K1_KEY_LEN : SN_ED25519_SECRET_LEN)) {
        sn_wipe(raw, sizeof(raw));
        return bad(path, "priv_key.value", secp ? "base64 of 32 bytes" : "base64 of 64 bytes");
    }
    pv->key = (struct sn_cons_key){.type = secp ? SN_CONS_SECP256K1 : SN_CONS_ED25519,
                                   .len = secp ? 33 : 32};
    if (secp)
        r = sn_secp256k1_compressed(memcpy(pv->secret, raw, 32), pv->key.b);
    else
        r = sn_ed25519_from_seed(pv->secret, raw);
    if (r == 0 && !secp) memcpy(pv->key.b, pv->secret + 32, 32);
    bool other = !secp && memcmp(pv->secret, raw, sizeof(pv->secret)) != 0;
    sn_wipe(raw, sizeof(raw));
    if (other) return bad(path, "priv_key.value", "a seed and its own public key");
    if (r == 0) r = sn_cons_key_addr(&pv->key, addr);
    if (r < 0) return sn_wrap(r, "%s", path);
    if (address.ptr && (address.len != 40 || sn_hex_decode(address, said) < 0 ||
                        memcmp(addr, said, sizeof(addr)) != 0))
        return bad(path, "address", "the address of priv_key");
    return 0;
}

static int read_last(struct last *l, const char *path, const struct sn_json *root)
{
    const struct sn_json *round = sn_json_get(root, "round"), *step = sn_json_get(root, "step"),
                         *sig = sn_json_get(root, "signature"),
                         *bytes = sn_json_get(root, "signbytes");
    struct sn_str hex = sn_json_str(bytes);
    uint8_t raw[80];
    if (sn_str_to_i64(sn_json_str(sn_json_get(root, "height")), &l->height) < 0 || l->height < 0)
        return bad(path, "height", "a height in a string");
    if (!sn_json_is(round, SN_JSON_INT) || round->i < 0 || round->i > INT32_MAX)
        return bad(path, "round", "a number");
    if (!sn_json_is(step, SN_JSON_INT) || step->i < 0 || step->i > PRECOMMIT)
        return bad(path, "step", "0 to 3");
    l->round = (int32_t)round->i;
    l->step = (uint8_t)step->i;
    if (sn_json_kind(bytes) == SN_JSON_NULL) return 0;
    if (!hex.ptr || hex.len / 2 > SIGN_BYTES_MAX || sn_hex_decode(hex, l->bytes) < 0)
        return bad(path, "signbytes", "what was signed last, in hex");
    l->n = hex.len / 2;
    if (get_base64(sig, raw, sizeof(raw)) != SN_CONS_SIG_MAX)
        return bad(path, "signature", "base64 of 64 bytes");
    memcpy(l->sig.b, raw, SN_CONS_SIG_MAX);
    l->sig.len = SN_CONS_SIG_MAX;
    return 0;
}

static int load_last(struct sn_privval *pv)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    const struct sn_json *root;
    struct sn_str text;
    sn_arena_init(&a, NULL, ARENA_MAX);
    int r = read_json(pv->state_path, &a, &text, &root);
    return r < 0 ? r : read_last(&pv->last, pv->state_path, root);
}

static int load(struct sn_privval *pv, const char *key_path)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    const struct sn_json *root;
    struct sn_str text = {0};
    sn_arena_init(&a, NULL, ARENA_MAX);
    int r = read_json(key_path, &a, &text, &root);
    if (r == 0) r = read_key(pv, key_path, root);
    sn_wipe((void *)text.ptr, text.len);
    return r < 0 ? r : load_last(pv);
}

/* No key yet, and no memory of having signed: also where an earlier making was cut short between
 * the two. A key whose memory is lost might sign twice: that is an error, not a new memory. */
static bool is_new(struct sn_privval *pv, const char *key_path)
{
    struct stat st;
    if (sn_file_stat(key_path, &st) != SN_E_NOT_FOUND) return false;
    if (sn_file_stat(pv->state_path, &st) == SN_E_NOT_FOUND) return true;
    return load_last(pv) == 0 && pv->last.height == 0 && pv->last.step == 0;
}

static int make(struct sn_privval *pv, const char *key_path)
{
    pv->key = (struct sn_cons_key){.type = SN_CONS_ED25519, .len = 32};
    int r = sn_ed25519_generate(pv->secret);
    if (r < 0) return r;
    memcpy(pv->key.b, pv->secret + 32, 32);
    /* The memory first: a key without one would not be opened again. */
    r = save_last(pv, &pv->last);
    return r < 0 ? r : save_key(pv, key_path);
}

int sn_privval_open(const struct sn_privval_opts *o, struct sn_privval **ret)
{
    struct sn_privval *pv = SN_NEW(struct sn_privval);
    size_t n = strlen(o->state_path) + 1;
    if (!pv || !(pv->state_path = sn_alloc(n))) {
        sn_free(pv);
        return SN_E_NOMEM;
    }
    memcpy(pv->state_path, o->state_path, n);
    int r = o->make && is_new(pv, o->key_path) ? make(pv, o->key_path) : load(pv, o->key_path);
    if (r < 0) {
        sn_privval_close(pv);
        return r;
    }
    *ret = pv;
    return 0;
}

void sn_privval_close(struct sn_privval *pv)
{
    if (!pv) return;
    sn_wipe(pv->secret, sizeof(pv->secret));
    sn_free(pv->state_path);
    sn_free(pv);
}

const struct sn_cons_key *sn_privval_key(const struct sn_privval *pv) { return &pv->key; }
int64_t sn_privval_height(const struct sn_privval *pv) { return pv->last.height; }

int sn_privval_forget(struct sn_privval *pv)
{
    struct last none = {0};
    sn_mutex_lock_always(&pv->lock);
    int r = save_last(pv, &none);
    if (r == 0) pv->last = none;
    sn_mutex_unlock(&pv->lock);
    return r;
}
