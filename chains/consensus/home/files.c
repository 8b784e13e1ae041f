/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/home/files.c - one folder: keys, genesis, resets. */
#include "consensus/home/files.h"

#include <stdio.h>

#include "consensus/home/files_int.h"
#include "consensus/key.h"
#include "consensus/privval.h"
#include "core/alloc.h"
#include "core/enc.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "fiber/os.h"
#include "wire/json.h"

#define KEY_BYTES_MAX 65536
#define TREE_DEPTH_MAX 32

void sn_home_log_(const struct sn_home_log *log, bool error, const char *what,
                  const char *const *pairs)
{
    static const char *const none[] = {NULL};
    if (log && log->line) log->line(log->arg, error, what, pairs ? pairs : none);
}

int sn_home_random_name_(char *out, size_t n)
{
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    uint8_t b;
    for (size_t i = 0; i < n;) {
        int r = sn_secret_bytes(&b, 1);
        if (r < 0) return r;
        if (b < 248) out[i++] = letters[b % 62]; /* 248 = 4 * 62: every letter alike */
    }
    out[n] = 0;
    return 0;
}

static int exists(const char *path)
{
    struct stat st;
    int r = sn_file_stat(path, &st);
    return r == SN_E_NOT_FOUND ? 0 : r < 0 ? r : 1;
}

/* ---- the node's key ---- */

static int parse_key(const char *path, struct sn_arena *a, struct sn_str text,
                     uint8_t ret[SN_ED25519_SECRET_LEN])
{
    const struct sn_json *root;
    uint8_t raw[80], made[SN_ED25519_SECRET_LEN];
    int r = sn_json_parse(a, text, NULL, &root);
    if (r < 0) return sn_wrap(r, "%s", path);
    const struct sn_json *key = sn_json_get(root, "priv_key");
    struct sn_str value = sn_json_str(sn_json_get(key, "value"));
    if (!sn_str_eqc(sn_json_str(sn_json_get(key, "type")), "tendermint/PrivKeyEd25519"))
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "%s: priv_key.type: expected tendermint/PrivKeyEd25519", path);
    ssize_t n = sn_base64_decoded_max(value.len) <= sizeof(raw)
                    ? sn_base64_decode(value, SN_BASE64_STD, raw)
                    : -1;
    r = n == SN_ED25519_SECRET_LEN ? sn_ed25519_from_seed(made, raw) : SN_E_INVALID_ARGUMENT;
    if (r == 0 && memcmp(made, raw, sizeof(made)) != 0) r = SN_E_INVALID_ARGUMENT;
    if (r == SN_E_INVALID_ARGUMENT)
        r = sn_fail(r, "%s: priv_key.value: expected base64 of a seed and its own public key",
                    path);
    if (r == 0) memcpy(ret, made, sizeof(made));
    sn_wipe(raw, sizeof(raw));
    sn_wipe(made, sizeof(made));
    return r;
}

int sn_home_node_key_read(const char *path, uint8_t ret[SN_ED25519_SECRET_LEN],
                          char ret_id[SN_NODE_ID_LEN + 1])
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_str text = {0};
    sn_arena_init(&a, NULL, 1u << 20);
    int r = sn_file_read(&a, path, KEY_BYTES_MAX, &text);
    if (r == 0) r = parse_key(path, &a, text, ret);
    if (text.ptr) sn_wipe((void *)text.ptr, text.len);
    return r < 0 ? r : sn_node_id(ret + 32, ret_id);
}

int sn_home_node_key_make(const char *path, char ret_id[SN_NODE_ID_LEN + 1])
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    uint8_t secret[SN_ED25519_SECRET_LEN];
    sn_buf_init(&b, 0);
    int r = exists(path);
    if (r == 1) r = sn_fail(SN_E_ALREADY_EXISTS, "node key at %s already exists", path);
    if (r == 0) r = sn_ed25519_generate(secret);
    if (r < 0) return r;
    sn_buf_cstr(&b, "{\"priv_key\":{\"type\":\"tendermint/PrivKeyEd25519\",\"value\":\"");
    sn_buf_base64(&b, secret, sizeof(secret), SN_BASE64_STD);
    r = sn_buf_cstr(&b, "\"}}");
    if (r == 0) r = sn_node_id(secret + 32, ret_id);
    if (r == 0) r = sn_file_write(path, sn_buf_view(&b), 0600);
    sn_wipe(secret, sizeof(secret));
    if (b.len) sn_wipe(b.ptr, b.len);
    return r;
}

/* ---- genesis ---- */

int sn_home_genesis_read(struct sn_arena *a, const struct sn_home_config *c,
                         struct sn_str *ret_text, struct sn_cons_genesis *ret)
{
    struct sn_str path = sn_home_path(a, c, c->genesis_file), text;
    int r = path.ptr ? sn_file_read(a, path.ptr, SN_CONS_GENESIS_BYTES_MAX, &text) : SN_E_NOMEM;
    if (r == 0) r = sn_cons_genesis_parse(text, a, ret);
    if (r < 0) return r == SN_E_NOMEM ? r : sn_wrap(r, "%s", path.ptr);
    *ret_text = text;
    return 0;
}

int sn_home_genesis_write_(const char *path, const struct sn_cons_genesis *g)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    int r = sn_cons_genesis_print(g, &b);
    return r < 0 ? r : sn_file_write(path, sn_buf_view(&b), 0644);
}

int sn_home_validator_(const struct sn_cons_key *key, int64_t power, struct sn_str name,
                       struct sn_cons_genesis_validator *ret)
{
    *ret = (struct sn_cons_genesis_validator){.v = {.key = *key, .power = power}, .name = name};
    return sn_cons_key_addr(key, ret->v.addr);
}

static int make_genesis(const char *path, const struct sn_cons_key *key)
{
    struct sn_cons_genesis_validator v;
    char chain[] = "test-chain-000000";
    int r = sn_home_random_name_(chain + 11, 6);
    if (r == 0) r = sn_home_validator_(key, 10, SN_STR(""), &v);
    if (r < 0) return r;
    struct sn_cons_genesis g = {.has_time = true, .time = sn_cons_time_of_ns(sn_wall_now()),
                                .chain_id = sn_str(chain), .params = sn_cons_params_default(),
                                .validators = &v, .n_validators = 1};
    return sn_home_genesis_write_(path, &g);
}

/* ---- init ---- */

struct paths {
    struct sn_str key, state, node_key, genesis;
};

static int find_paths(struct sn_arena *a, const struct sn_home_config *c, struct paths *ret)
{
    ret->key = sn_home_path(a, c, c->priv_validator_key_file);
    ret->state = sn_home_path(a, c, c->priv_validator_state_file);
    ret->node_key = sn_home_path(a, c, c->node_key_file);
    ret->genesis = sn_home_path(a, c, c->genesis_file);
    return ret->key.ptr && ret->state.ptr && ret->node_key.ptr && ret->genesis.ptr ? 0 : SN_E_NOMEM;
}

static int init_signer(const struct paths *p, const struct sn_home_log *log,
                       struct sn_cons_key *ret)
{
    struct sn_privval *pv;
    const char *pairs[] = {"keyFile", p->key.ptr, "stateFile", p->state.ptr, NULL};
    int r = exists(p->key.ptr);
    if (r < 0) return r;
    bool found = r == 1;
    r = sn_privval_open(&(struct sn_privval_opts){.key_path = p->key.ptr,
                                                  .state_path = p->state.ptr, .make = !found},
                        &pv);
    if (r < 0) return r;
    *ret = *sn_privval_key(pv);
    sn_privval_close(pv);
    sn_home_log_(log, false, found ? "Found private validator" : "Generated private validator",
                 pairs);
    return 0;
}

static int init_node_key(const struct paths *p, const struct sn_home_log *log)
{
    char id[SN_NODE_ID_LEN + 1];
    const char *pairs[] = {"path", p->node_key.ptr, NULL};
    int r = exists(p->node_key.ptr);
    bool found = r == 1;
    if (r == 0) r = sn_home_node_key_make(p->node_key.ptr, id);
    if (r < 0) return r;
    sn_home_log_(log, false, found ? "Found node key" : "Generated node key", pairs);
    return 0;
}

int sn_home_init(const struct sn_home_config *c, const struct sn_home_log *log)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_cons_key key;
    struct paths p;
    sn_arena_init(&a, NULL, 0);
    int r = find_paths(&a, c, &p);
    if (r == 0) r = init_signer(&p, log, &key);
    if (r == 0) r = init_node_key(&p, log);
    if (r == 0) r = exists(p.genesis.ptr);
    bool found = r == 1;
    if (r == 0) r = make_genesis(p.genesis.ptr, &key);
    if (r < 0) return r;
    const char *pairs[] = {"path", p.genesis.ptr, NULL};
    sn_home_log_(log, false, found ? "Found genesis file" : "Generated genesis file", pairs);
    return 0;
}

/* ---- taking away ---- */

static int remove_tree(const char *path, unsigned depth)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_str *names;
    size_t n;
    sn_arena_init(&a, NULL, 0);
    int r = sn_file_remove(path); /* a file, a link, an empty folder */
    if (r == 0 || r == SN_E_NOT_FOUND) return r;
    if (depth >= TREE_DEPTH_MAX)
        return sn_fail(SN_E_DEPTH, "%s: more than %d folders within each other", path,
                       TREE_DEPTH_MAX);
    if (sn_dir_list(&a, path, &names, &n) < 0) return sn_fail(r, "cannot remove %s", path);
    for (size_t i = 0; i < n; i++) {
        struct sn_str sub = sn_arena_printf(&a, "%s/%.*s", path, SN_STR_ARG(names[i]));
        r = sub.ptr ? remove_tree(sub.ptr, depth + 1) : SN_E_NOMEM;
        if (r < 0 && r != SN_E_NOT_FOUND) return r;
    }
    return sn_file_remove(path);
}

int sn_home_remove_tree(const char *path, bool *ret)
{
    int r = remove_tree(path, 0);
    if (ret) *ret = r == 0;
    return r == SN_E_NOT_FOUND ? 0 : r;
}

/* Removes, says so, and goes on: *first keeps the first error. */
static void take_away(const char *path, const char *done, const char *failed,
                      const struct sn_home_log *log, int *first)
{
    const char *kind = sn_str_ends(sn_str(path), SN_STR(".json")) ? "file" : "dir";
    bool was;
    int r = path ? sn_home_remove_tree(path, &was) : SN_E_NOMEM;
    if (r < 0) {
        char why[SN_DIAG_BYTES];
        const char *pairs[] = {kind, path ? path : "", "err", sn_diag_format(r, why, sizeof(why)),
                               NULL};
        sn_home_log_(log, true, failed, pairs);
        if (*first >= 0) *first = r;
    } else if (was) {
        const char *pairs[] = {kind, path, NULL};
        sn_home_log_(log, false, done, pairs);
    }
}

int sn_home_reset_state(const struct sn_home_config *c, const struct sn_home_log *log)
{
    static const struct {
        const char *name, *done;
    } rows[] = {{"blockstore.db", "Removed all blockstore.db"},
                {"state.db", "Removed all state.db"},
                {"cs.wal", "Removed all cs.wal"},
                {"evidence.db", "Removed all evidence.db"},
                {"tx_index.db", "Removed tx_index.db"}};
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    int first = 0;
    sn_arena_init(&a, NULL, 0);
    struct sn_str dir = sn_home_path(&a, c, c->db_dir);
    if (!dir.ptr) return SN_E_NOMEM;
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_str path = sn_arena_printf(&a, "%s/%s", dir.ptr, rows[i].name);
        take_away(path.ptr, rows[i].done, "error removing", log, &first);
    }
    int r = sn_mkdirs(dir.ptr, 0700);
    return first < 0 ? first : r;
}

int sn_home_reset_signer(const struct sn_home_config *c, const struct sn_home_log *log)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_privval *pv;
    struct paths p;
    sn_arena_init(&a, NULL, 0);
    int r = find_paths(&a, c, &p);
    if (r == 0) r = exists(p.key.ptr);
    if (r < 0) return r;
    bool found = r == 1;
    /* Whatever the memory says, damage too, it is to be gone. */
    r = sn_file_write(p.state.ptr,
                      SN_STR("{\n  \"height\": \"0\",\n  \"round\": 0,\n  \"step\": 0\n}"), 0600);
    if (r == 0)
        r = sn_privval_open(&(struct sn_privval_opts){.key_path = p.key.ptr,
                                                      .state_path = p.state.ptr, .make = !found},
                            &pv);
    if (r < 0) return r;
    sn_privval_close(pv);
    const char *pairs[] = {"keyFile", p.key.ptr, "stateFile", p.state.ptr, NULL};
    sn_home_log_(log, false,
                 found ? "Reset private validator file to genesis state"
                       : "Generated private validator file",
                 pairs);
    return 0;
}

int sn_home_reset_all(const struct sn_home_config *c, bool keep_addr_book,
                      const struct sn_home_log *log)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    int first = 0;
    sn_arena_init(&a, NULL, 0);
    struct sn_str dir = sn_home_path(&a, c, c->db_dir),
                  book = sn_home_path(&a, c, c->p2p.addr_book_file);
    if (!dir.ptr || !book.ptr) return SN_E_NOMEM;
    if (keep_addr_book) sn_home_log_(log, false, "The address book remains intact", NULL);
    else take_away(book.ptr, "Removed existing address book", "Error removing address book", log,
                   &first);
    take_away(dir.ptr, "Removed all blockchain history", "Error removing all blockchain history",
              log, &first);
    int r = sn_mkdirs(dir.ptr, 0700);
    if (r == 0) r = sn_home_reset_signer(c, log);
    return first < 0 ? first : r;
}
