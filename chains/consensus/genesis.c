/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/genesis.c - genesis.json: 64-bit integers are strings, byte strings upper-case hex. */
#include "consensus/genesis.h"

#include <stdio.h>

#include "consensus/state_int.h"
#include "consensus/valset.h"
#include "core/alloc.h"
#include "core/enc.h"
#include "wire/json.h"

static const struct {
    const char *json;
    enum sn_cons_key_type type;
} key_names[] = {{"tendermint/PubKeyEd25519", SN_CONS_ED25519},
                 {"tendermint/PubKeySecp256k1", SN_CONS_SECP256K1}};

/* ---- reading ---- */

static int bad(const char *member, const char *want)
{
    return sn_fail(SN_E_INVALID_ARGUMENT, "%s: expected %s", member, want);
}
/* An integer, as a string or as a number; absent leaves *ret. */
static int get_i64(const struct sn_json *o, const char *name, int64_t *ret)
{
    const struct sn_json *v = sn_json_get(o, name);
    if (sn_json_kind(v) == SN_JSON_NULL) return 0;
    if (sn_json_is(v, SN_JSON_STRING) && sn_str_to_i64(sn_json_str(v), ret) == 0) return 0;
    if (sn_json_is(v, SN_JSON_INT)) {
        *ret = v->i;
        return 0;
    }
    return bad(name, "a 64-bit integer in a string");
}
static int get_hex(const struct sn_json *o, const char *name, size_t max, uint8_t *ret,
                   size_t *ret_len)
{
    const struct sn_json *v = sn_json_get(o, name);
    struct sn_str s = sn_json_str(v);
    *ret_len = 0;
    if (sn_json_kind(v) == SN_JSON_NULL) return 0;
    if (!s.ptr || s.len > 2 * max) return bad(name, "a hex string");
    ssize_t n = sn_hex_decode(s, ret);
    if (n < 0) return bad(name, "a hex string");
    *ret_len = (size_t)n;
    return 0;
}

int sn_cons_params_parse(const struct sn_json *o, struct sn_cons_params *p)
{
    const struct sn_json *block = sn_json_get(o, "block"), *ev = sn_json_get(o, "evidence"),
                         *val = sn_json_get(o, "validator"), *ver = sn_json_get(o, "version"),
                         *abci = sn_json_get(o, "abci");
    int64_t app = 0;
    *p = (struct sn_cons_params){0};
    int r = get_i64(block, "max_bytes", &p->block_max_bytes);
    if (r >= 0) r = get_i64(block, "max_gas", &p->block_max_gas);
    if (r >= 0) r = get_i64(ev, "max_age_num_blocks", &p->evidence_max_blocks);
    if (r >= 0) r = get_i64(ev, "max_age_duration", &p->evidence_max_ns);
    if (r >= 0) r = get_i64(ev, "max_bytes", &p->evidence_max_bytes);
    if (r >= 0) r = get_i64(ver, "app", &app);
    if (r >= 0) r = get_i64(abci, "vote_extensions_enable_height", &p->extensions_height);
    p->app_version = (uint64_t)app;
    for (SN_JSON_EACH(sn_json_get(val, "pub_key_types"), t))
        if (r >= 0) r = sn_cons_key_types_add(p, sn_json_str(t));
    if (r >= 0) r = sn_cons_params_check(p);
    return r < 0 ? sn_wrap(r, "consensus_params") : 0;
}

static int get_key(const struct sn_json *o, struct sn_cons_key *ret)
{
    struct sn_str type = sn_json_str(sn_json_get(o, "type")),
                  value = sn_json_str(sn_json_get(o, "value"));
    uint8_t raw[64];
    if (value.len > sn_base64_len(SN_CONS_KEY_MAX, SN_BASE64_STD))
        return bad("pub_key.value", "base64 of a public key");
    ssize_t n = sn_base64_decode(value, SN_BASE64_STD, raw);
    if (n < 0) return bad("pub_key.value", "base64 of a public key");
    for (size_t i = 0; i < SN_COUNT_OF(key_names); i++)
        if (sn_str_eqc(type, key_names[i].json))
            return sn_cons_key_set(ret, key_names[i].type, sn_str_of((char *)raw, (size_t)n));
    return bad("pub_key.type", "tendermint/PubKeyEd25519 or tendermint/PubKeySecp256k1");
}

static int get_validator(const struct sn_json *o, struct sn_cons_genesis_validator *ret)
{
    uint8_t addr[SN_CONS_ADDR_LEN];
    size_t addr_len;
    int r = get_key(sn_json_get(o, "pub_key"), &ret->v.key);
    if (r >= 0) r = get_i64(o, "power", &ret->v.power);
    if (r >= 0) r = get_hex(o, "address", sizeof(addr), addr, &addr_len);
    if (r >= 0) r = sn_cons_key_addr(&ret->v.key, ret->v.addr);
    if (r < 0) return r;
    if (ret->v.power == 0) return bad("power", "a validator with voting power");
    if (addr_len && (addr_len != sizeof(addr) || memcmp(addr, ret->v.addr, sizeof(addr)) != 0))
        return bad("address", "the address of the public key");
    ret->name = sn_json_str(sn_json_get(o, "name"));
    if (ret->name.len > SN_CONS_NAME_MAX) return bad("name", "at most 256 bytes");
    return 0;
}

static int get_validators(const struct sn_json *list, struct sn_arena *a,
                          struct sn_cons_genesis *g)
{
    size_t n = sn_json_len(list);
    if (n > SN_CONS_VALIDATORS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%zu validators, at most %d", n, SN_CONS_VALIDATORS_MAX);
    g->validators = SN_ARENA_ARRAY(a, struct sn_cons_genesis_validator, n + 1);
    if (!g->validators) return SN_E_NOMEM;
    for (; g->n_validators < n; g->n_validators++) {
        int r = get_validator(sn_json_at(list, g->n_validators), &g->validators[g->n_validators]);
        if (r < 0) return sn_wrap(r, "validators[%u]", g->n_validators);
    }
    return 0;
}

/* The application's part is passed on byte for byte, because applications may hash it: the text of
 * member app_state of a document that has parsed. */
static struct sn_str raw_member(struct sn_str json, struct sn_str name)
{
    size_t depth = 0, from = 0, key_at = 0;
    bool in_string = false, take = false;
    for (size_t i = 0; i < json.len; i++) {
        char c = json.ptr[i];
        if (in_string) {
            if (c == '\\') i++;
            if (c == '"') in_string = false;
            continue;
        }
        if (c == '"') {
            in_string = true;
            key_at = i + 1;
        } else if (c == ':' && depth == 1 && !take) {
            struct sn_str key = sn_str_sub(json, key_at, key_at + name.len + 1);
            take = key.len > name.len && sn_str_starts(key, name) && key.ptr[name.len] == '"';
            from = i + 1;
        } else if (take && depth == 1 && (c == ',' || c == '}')) {
            return sn_str_trim(sn_str_sub(json, from, i));
        }
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
    }
    return (struct sn_str){0};
}

static int get_head(const struct sn_json *doc, struct sn_cons_genesis *g)
{
    struct sn_str time = sn_json_str(sn_json_get(doc, "genesis_time"));
    g->chain_id = sn_json_str(sn_json_get(doc, "chain_id"));
    if (g->chain_id.len == 0 || g->chain_id.len > SN_CONS_CHAIN_ID_MAX)
        return bad("chain_id", "1 to 50 bytes");
    if (time.ptr && sn_cons_time_parse(time, &g->time) < 0)
        return bad("genesis_time", "a time of RFC 3339");
    g->has_time = time.ptr && !sn_cons_time_is_zero(g->time);
    int r = get_i64(doc, "initial_height", &g->initial_height);
    if (r < 0) return r;
    if (g->initial_height < 0) return bad("initial_height", "0 or more");
    if (g->initial_height == 0) g->initial_height = 1;
    size_t n;
    r = get_hex(doc, "app_hash", SN_CONS_APP_HASH_MAX, g->app_hash.b, &n);
    g->app_hash.len = (uint8_t)n;
    return r;
}

int sn_cons_genesis_parse(struct sn_str json, struct sn_arena *a, struct sn_cons_genesis *ret)
{
    const struct sn_json *doc;
    struct sn_json_opts opts = {.bytes_max = SN_CONS_GENESIS_BYTES_MAX};
    *ret = (struct sn_cons_genesis){.params = sn_cons_params_default()};
    int r = sn_json_parse(a, json, &opts, &doc);
    if (r >= 0 && !sn_json_is(doc, SN_JSON_OBJECT)) r = bad("document", "an object");
    if (r >= 0) r = get_head(doc, ret);
    const struct sn_json *params = r >= 0 ? sn_json_get(doc, "consensus_params") : NULL;
    if (sn_json_kind(params) != SN_JSON_NULL) r = sn_cons_params_parse(params, &ret->params);
    if (r >= 0) r = get_validators(sn_json_get(doc, "validators"), a, ret);
    if (r >= 0 && sn_json_get(doc, "app_state")) ret->app_state = raw_member(json, SN_STR("app_state"));
    return r < 0 ? sn_wrap(r, "genesis") : 0;
}

/* ---- writing ---- */

static struct sn_json num(struct sn_arena *a, int64_t v)
{
    struct sn_str s = sn_arena_printf(a, "%lld", (long long)v);
    return s.ptr ? sn_json_string(s) : sn_json_null();
}
static struct sn_json hex(struct sn_arena *a, const uint8_t *p, size_t n)
{
    char *s = sn_arena_alloc(a, 2 * n + 1);
    if (!s) return sn_json_null();
    sn_hex_encode_upper(p, n, s);
    return sn_json_string(sn_str_of(s, 2 * n));
}
static struct sn_json *sub(struct sn_arena *a, struct sn_json *o, const char *name,
                           struct sn_json v)
{
    return o ? sn_json_add(a, o, sn_str(name), v) : NULL;
}

static bool put_params(struct sn_arena *a, struct sn_json *o, const struct sn_cons_params *p)
{
    struct sn_json *x = sub(a, o, "block", sn_json_object());
    bool ok = sub(a, x, "max_bytes", num(a, p->block_max_bytes)) &&
              sub(a, x, "max_gas", num(a, p->block_max_gas));
    x = sub(a, o, "evidence", sn_json_object());
    ok = ok && sub(a, x, "max_age_num_blocks", num(a, p->evidence_max_blocks)) &&
         sub(a, x, "max_age_duration", num(a, p->evidence_max_ns)) &&
         sub(a, x, "max_bytes", num(a, p->evidence_max_bytes));
    x = sub(a, o, "validator", sn_json_object());
    x = sub(a, x, "pub_key_types", sn_json_array());
    for (unsigned i = 0; ok && x && i < 2; i++) {
        bool secp = (i == 0) == p->secp256k1_first;
        if (p->key_types & (secp ? SN_CONS_KEYS_SECP256K1 : SN_CONS_KEYS_ED25519))
            ok = sn_json_push(a, x, sn_json_cstr(secp ? "secp256k1" : "ed25519")) != NULL;
    }
    x = sub(a, o, "version", sn_json_object());
    ok = ok && sub(a, x, "app", num(a, (int64_t)p->app_version));
    x = sub(a, o, "abci", sn_json_object());
    return ok && sub(a, x, "vote_extensions_enable_height", num(a, p->extensions_height));
}

static bool put_validator(struct sn_arena *a, struct sn_json *list,
                          const struct sn_cons_genesis_validator *v)
{
    char *text = sn_arena_alloc(a, 64);
    struct sn_json *o = sn_json_push(a, list, sn_json_object());
    if (!o || !text || !sub(a, o, "address", hex(a, v->v.addr, SN_CONS_ADDR_LEN))) return false;
    size_t n = sn_base64_encode(v->v.key.b, v->v.key.len, SN_BASE64_STD, text);
    struct sn_json *k = sub(a, o, "pub_key", sn_json_object());
    const char *type = key_names[v->v.key.type == SN_CONS_SECP256K1].json;
    return sub(a, k, "type", sn_json_cstr(type)) &&
           sub(a, k, "value", sn_json_string(sn_str_of(text, n))) &&
           sub(a, o, "power", num(a, v->v.power)) && sub(a, o, "name", sn_json_string(v->name));
}

/* A line's beginning at that depth. */
static void new_line(struct sn_buf *out, unsigned depth)
{
    sn_buf_byte(out, '\n');
    for (; depth; depth--) sn_buf_cstr(out, "  ");
}
/* Valid JSON laid out anew from depth 1, its numbers and strings as they stand, but with < > & escaped:
 * what Go makes of a raw member of a document it indents. */
static int put_raw(struct sn_buf *out, struct sn_str raw)
{
    unsigned depth = 1;
    bool in_string = false, opened = false;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i];
        if (!in_string && (c == ' ' || c == '\n' || c == '\t' || c == '\r')) continue;
        if (in_string && (c == '<' || c == '>' || c == '&')) {
            sn_buf_printf(out, "\\u%04x", c);
            continue;
        }
        bool closes = !in_string && (c == '}' || c == ']');
        depth -= closes;
        if (opened != closes && (opened || closes)) new_line(out, depth);
        opened = false;
        sn_buf_byte(out, (uint8_t)c);
        if (in_string && c == '\\' && i + 1 < raw.len) sn_buf_byte(out, (uint8_t)raw.ptr[++i]);
        else if (c == '"') in_string = !in_string;
        if (in_string) continue;
        opened = c == '{' || c == '[';
        depth += opened;
        if (c == ',') new_line(out, depth);
        if (c == ':') sn_buf_byte(out, ' ');
    }
    return out->err;
}

static int build(const struct sn_cons_genesis *g, struct sn_arena *a, struct sn_json *doc)
{
    char *time = sn_arena_alloc(a, 40);
    if (!time) return SN_E_NOMEM;
    sn_cons_time_text(g->time, time);
    *doc = sn_json_object();
    bool ok = sub(a, doc, "genesis_time", sn_json_cstr(time)) &&
              sub(a, doc, "chain_id", sn_json_string(g->chain_id)) &&
              sub(a, doc, "initial_height", num(a, g->initial_height));
    struct sn_json *x = ok ? sub(a, doc, "consensus_params", sn_json_object()) : NULL;
    ok = x && put_params(a, x, &g->params);
    if (ok && g->n_validators) {
        x = sub(a, doc, "validators", sn_json_array());
        for (uint32_t i = 0; ok && i < g->n_validators; i++)
            ok = x && put_validator(a, x, &g->validators[i]);
    }
    ok = ok && sub(a, doc, "app_hash", hex(a, g->app_hash.b, g->app_hash.len));
    return ok ? 0 : SN_E_NOMEM;
}

int sn_cons_genesis_print(const struct sn_cons_genesis *g, struct sn_buf *out)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    struct sn_json doc;
    const struct sn_json *state;
    struct sn_json_style style = {.indent = 2, .html = true};
    int r = build(g, &a, &doc);
    if (r >= 0) r = sn_json_write(out, &doc, &style);
    if (r < 0 || g->app_state.len == 0) return r;
    if ((r = sn_json_parse(&a, g->app_state, NULL, &state)) < 0) return sn_wrap(r, "app_state");
    /* In front of the closing brace and its line. */
    while (out->len && out->ptr[out->len - 1] != '}') out->len--;
    out->len -= 2;
    sn_buf_cstr(out, ",\n  \"app_state\": ");
    put_raw(out, g->app_state);
    return sn_buf_cstr(out, "\n}");
}

/* ---- state ---- */

int sn_cons_genesis_state(const struct sn_cons_genesis *g, struct sn_cons_state **ret)
{
    struct sn_cons_validator *vals SN_CLEANUP(sn_freep) =
        SN_NEW_ARRAY(struct sn_cons_validator, g->n_validators + 1);
    struct sn_cons_state *s = vals ? SN_NEW(struct sn_cons_state) : NULL;
    if (!s) return SN_E_NOMEM;
    for (uint32_t i = 0; i < g->n_validators; i++) vals[i] = g->validators[i].v;
    s->refs = 1;
    s->chain_id_len = (uint8_t)g->chain_id.len;
    memcpy(s->chain_id, g->chain_id.ptr, g->chain_id.len);
    s->initial_height = s->vals_changed = s->params_changed = g->initial_height;
    s->last_time = g->time;
    s->params = g->params;
    s->app_hash = g->app_hash;
    int r = sn_cons_valset_new(vals, g->n_validators, &s->vals);
    if (r >= 0) r = sn_cons_valset_new(NULL, 0, &s->last_vals);
    if (r >= 0 && !(s->next_vals = sn_cons_valset_copy(s->vals))) r = SN_E_NOMEM;
    if (r < 0) {
        sn_cons_state_unref(s);
        return sn_wrap(r, "genesis");
    }
    if (s->next_vals->n) sn_cons_valset_advance(s->next_vals, 1);
    *ret = s;
    return 0;
}

static int init_sets(struct sn_cons_state *n, const struct sn_cons_init_result *res)
{
    if (res->n_validators == 0) {
        if (n->vals->n) return 0;
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "neither the genesis nor the application names a validator");
    }
    struct sn_cons_valset *vals, *next;
    int r = sn_cons_valset_new(res->validators, res->n_validators, &vals);
    if (r < 0) return r;
    next = sn_cons_valset_copy(vals);
    sn_cons_valset_unref(n->vals);
    n->vals = vals;
    if (!next) return SN_E_NOMEM;
    sn_cons_valset_advance(next, 1);
    sn_cons_valset_unref(n->next_vals);
    n->next_vals = next;
    return 0;
}
int sn_cons_state_init_chain(const struct sn_cons_state *s, const struct sn_cons_init_result *res,
                             struct sn_cons_state **ret)
{
    struct sn_cons_state *n = SN_NEW(struct sn_cons_state);
    if (!n) return SN_E_NOMEM;
    *n = *s;
    n->refs = 1;
    sn_cons_valset_ref(n->vals);
    sn_cons_valset_ref(n->next_vals);
    sn_cons_valset_ref(n->last_vals);
    if (res->app_hash.len) n->app_hash = res->app_hash;
    int r = init_sets(n, res);
    if (r >= 0 && res->params) {
        r = sn_cons_params_apply(&n->params, res->params, 0);
        n->app_version = n->params.app_version;
    }
    if (r >= 0) r = sn_cons_results_hash(NULL, 0, &n->last_results_hash);
    if (r < 0) {
        sn_cons_state_unref(n);
        return sn_wrap(r, "application's answer to InitChain");
    }
    *ret = n;
    return 0;
}
