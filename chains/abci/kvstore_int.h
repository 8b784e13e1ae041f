/* SPDX-License-Identifier: Apache-2.0 */
/* abci/kvstore_int.h - the parts of the kvstore: the state and its file (kvstore_state.c),
 * snapshots (kvstore_snapshot.c), what is asked of it (kvstore.c).
 *
 * Changes have one form everywhere, in the file, in chunks and between FinalizeBlock and Commit: a
 * run of entries, each {u8 kind, u32 key length, u32 value length, key, value}, integers little
 * endian. */
#pragma once
#include "abci/kvstore.h"
#include "core/buf.h"
#include "core/map.h"
#include "core/vec.h"

enum kv_kind {
    KV_HEAD = 1, /* no key; i64 height, i64 size */
    KV_PAIR,
    KV_VALIDATOR, /* key: u8 enum kv_key and the public key; i64 power, 0 removes */
};
enum kv_key { KV_ED25519, KV_SECP256K1 };
#define KV_ENTRY_HEAD 9
#define KV_PUBKEY_MAX 33

struct kv_entry {
    enum kv_kind kind;
    struct sn_str key, value;
};
/* kv_entry_put - Returns 0 or the buffer's error. */
int kv_entry_put(struct sn_buf *b, enum kv_kind kind, struct sn_str key, struct sn_str value);
int kv_head_put(struct sn_buf *b, int64_t height, int64_t size);
/* kv_entry_next - takes the first entry off *in. Returns 1, 0 at the end, SN_E_SYNTAX. */
int kv_entry_next(struct sn_str *in, struct kv_entry *ret) SN_MUST_CHECK;

struct kv_value {
    uint32_t len;
    char bytes[];
};
struct kv_state {
    int64_t height, size;
    struct sn_map pairs;      /* struct kv_value */
    struct sn_map validators; /* int64_t power, by key as in KV_VALIDATOR */
    uint64_t bytes;
};
void kv_state_init(struct kv_state *s);
void kv_state_done(struct kv_state *s);
/* kv_state_apply - Returns 0; SN_E_SYNTAX, SN_E_NOMEM: then some of it is applied. */
int kv_state_apply(struct kv_state *s, struct sn_str entries) SN_MUST_CHECK;

/* The file. */
struct kv_file {
    char *path; /* NULL: nothing is kept */
    int fd;
    int64_t len, floor; /* floor: bytes it had when it was last written anew */
};
/* kv_file_open - reads all of it into *s. */
int kv_file_open(struct kv_file *f, const char *dir, struct kv_state *s) SN_MUST_CHECK;
void kv_file_close(struct kv_file *f);
/* kv_file_append - stored once this has returned 0. After a failure the file is closed for good:
 * what it ends with is not known. */
int kv_file_append(struct kv_file *f, struct sn_str entries) SN_MUST_CHECK;
/* kv_file_rewrite - the whole state and nothing else; the old content or the new. */
int kv_file_rewrite(struct kv_file *f, const struct kv_state *s) SN_MUST_CHECK;

#define KV_HASH 32
#define KV_FORMAT 1
struct kv_snapshot {
    int64_t height;
    uint32_t n;
    uint8_t hash[KV_HASH]; /* of the manifest */
    uint8_t *manifest;     /* as in Snapshot.metadata */
    size_t manifest_len;
};
struct kv_restore {
    struct kv_snapshot snap; /* what was offered */
    struct kv_state state;
    struct sn_str app_hash;
    uint8_t *got; /* by chunk: 0, or how it came */
    uint32_t n_got;
    bool active, finished;
};
struct kv_snapshots {
    char *dir;                       /* NULL: none */
    SN_VEC(struct kv_snapshot) list; /* ascending height */
    struct kv_restore restore;
    uint64_t written, reused, applied, known;
};

struct sn_kvstore {
    struct sn_abci_app app;
    struct sn_kvstore_opts o;
    struct sn_rwlock lock; /* of state and the list of snapshots; the rest is under the app's */
    struct kv_state state;
    struct kv_file file;
    struct kv_snapshots snaps;
    struct sn_buf staged; /* what Commit will apply; empty where nothing was finalized */
    bool broken;          /* memory and file may differ: nothing but a new start helps */
    uint64_t vote_extensions;
};

void kv_app_hash(int64_t size, uint8_t out[8]);

int kv_snapshots_open(struct sn_kvstore *kv) SN_MUST_CHECK;
void kv_snapshots_close(struct kv_snapshots *s);
/* kv_snapshot_take - of kv->state; those too many are dropped. Suspends. */
int kv_snapshot_take(struct sn_kvstore *kv) SN_MUST_CHECK;
int kv_list_snapshots(struct sn_abci_call *c,
                      const struct tendermint_abci_request_list_snapshots *req,
                      struct tendermint_abci_response_list_snapshots *res);
int kv_offer_snapshot(struct sn_abci_call *c,
                      const struct tendermint_abci_request_offer_snapshot *req,
                      struct tendermint_abci_response_offer_snapshot *res);
int kv_load_snapshot_chunk(struct sn_abci_call *c,
                           const struct tendermint_abci_request_load_snapshot_chunk *req,
                           struct tendermint_abci_response_load_snapshot_chunk *res);
int kv_apply_snapshot_chunk(struct sn_abci_call *c,
                            const struct tendermint_abci_request_apply_snapshot_chunk *req,
                            struct tendermint_abci_response_apply_snapshot_chunk *res);
bool kv_snapshot_chunk_known(struct sn_abci_app *app, uint32_t index);
