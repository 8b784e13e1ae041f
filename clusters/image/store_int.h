/* SPDX-License-Identifier: Apache-2.0 */
/* image/store_int.h - the store's rooms on disk, and who may touch what when.
 *
 * Functions marked "blocks" make system calls that wait for the disk: they are called on the
 * offload pool, by store_run or from a function that already runs there.
 *
 * Order between processes: `lock` is held exclusively to change index.json and to collect garbage,
 * shared to write into a lease what must not be collected. Nobody waits for the network or unpacks
 * under it. A lease is a file that its owner keeps locked; one that nobody locks belonged to a
 * process that died. */
#pragma once
#include "core/buf.h"
#include "core/map.h"
#include "core/vec.h"
#include "crypto/hash.h"
#include "fiber/fiber.h"
#include "fiber/sync.h"
#include "image/image.h"
#include "image/layer.h"
#include "image/manifest.h"
#include "image/reference.h"

#define STORE_PATH_MAX 900u /* bytes of the root's path: what lies in it stays below 1024 */
#define STORE_NAME_MAX 256u
#define STORE_INDEX_BYTES_MAX (64u << 20)

struct sn_image_clients;
struct sn_image_store {
    struct sn_image_store_opts o;
    char root[STORE_PATH_MAX + 1];
    char certs_dir[STORE_PATH_MAX + 1];
    int fd;           /* of root */
    char boot_id[40]; /* of the kernel */
    struct sn_mutex flights_lock;
    struct sn_map flights;   /* of struct flight, by digest */
    _Atomic uint64_t serial; /* of names for temporary things */
    struct sn_mutex clients_lock;
    struct sn_image_clients *clients; /* made by the first pull */
};

/* ---- files (all block) ---- */

/* store_lock - the store's lock. Returns a descriptor to close, or SN_E_*. */
int store_lock(struct sn_image_store *st, bool exclusive) SN_MUST_CHECK;
/* store_blob_path - "blobs/sha256/HEX" to out. */
void store_blob_path(struct sn_str digest, char out[STORE_NAME_MAX]);
bool store_blob_exists(struct sn_image_store *st, struct sn_str digest, uint64_t *ret_size);
/* store_blob_read - a small blob whole, its digest checked. Returns 0, SN_E_NOT_FOUND,
 * SN_E_DATA_LOSS, SN_E_TOO_LARGE. */
int store_blob_read(struct sn_image_store *st, struct sn_arena *a, struct sn_str digest, size_t max,
                    struct sn_str *ret) SN_MUST_CHECK;
/* store_read - a file of the store. Returns 0, SN_E_NOT_FOUND, ... */
int store_read(struct sn_image_store *st, struct sn_arena *a, const char *path, size_t max,
               struct sn_str *ret) SN_MUST_CHECK;
/* store_write - a file of the store, atomically, and durable unless no_sync. */
int store_write(struct sn_image_store *st, const char *path, struct sn_str text) SN_MUST_CHECK;
/* store_sync_dir - the names in a folder of the store survive a power cut. */
int store_sync_dir(struct sn_image_store *st, const char *path) SN_MUST_CHECK;
/* store_hash_kind - of a digest that is valid. */
enum sn_hash_kind store_hash_kind(struct sn_str digest);
/* store_digest_text - "sha256:HEX" of a finished hash to out (SN_IMAGE_DIGEST_MAX + 1). */
void store_digest_text(enum sn_hash_kind kind, const uint8_t *digest, char *out);

/* ---- a blob on its way in (blocks) ---- */

/* Where its bytes go, too: the unpacking of a layer. */
struct ingest {
    struct sn_image_store *st;
    struct sn_str digest; /* borrowed */
    uint64_t size, have;  /* UINT64_MAX: not known */
    int fd;
    char path[STORE_NAME_MAX];
    struct sn_hasher hash;
    bool has_hash, kept;    /* kept: another can continue it */
    struct sn_layer *layer; /* borrowed; may be NULL */
};
/* ingest_begin - continues a part that is there. Feeds what is there to `layer`. */
int ingest_begin(struct sn_image_store *st, struct sn_str digest, uint64_t size,
                 struct sn_layer *layer, struct ingest *ret) SN_MUST_CHECK;
int ingest_put(struct ingest *in, struct sn_str bytes) SN_MUST_CHECK;
/* ingest_commit - checks size and digest; the blob gets its name. Returns 0, SN_E_DATA_LOSS. */
int ingest_commit(struct ingest *in) SN_MUST_CHECK;
/* ingest_end - after commit or instead of it; drop: what was written is of no use. */
void ingest_end(struct ingest *in, bool drop);
/* store_blob_put - a small blob from memory. */
int store_blob_put(struct sn_image_store *st, struct sn_str digest,
                   struct sn_str bytes) SN_MUST_CHECK;

/* ---- leases (block) ---- */

struct lease {
    struct sn_image_store *st;
    int fd;
    char path[STORE_NAME_MAX];
};
int lease_open(struct sn_image_store *st, struct lease *ret) SN_MUST_CHECK;
/* lease_add - from here on sn_image_gc leaves `what` (a blob's digest, a snapshot's or temporary
 * name) alone; look whether it is there afterwards. */
int lease_add(struct lease *l, struct sn_str what) SN_MUST_CHECK;
void lease_close(struct lease *l);

/* ---- index.json (blocks) ---- */

/* One name of an image. */
struct record {
    struct sn_str ref; /* "docker.io/library/busybox:latest", "...@sha256:..." */
    struct sn_str media_type, target, manifest, config, chain;
    uint64_t size; /* of all */
    uint64_t target_size;
    int64_t pulled_ns;
};
/* index_read - every record; those that other tools put there have no config. The caller holds the
 * lock, or takes what it gets. Returns 0, SN_E_DATA_LOSS. */
int index_read(struct sn_image_store *st, struct sn_arena *a, struct record **ret,
               size_t *ret_n) SN_MUST_CHECK;
int index_write(struct sn_image_store *st, const struct record *recs, size_t n) SN_MUST_CHECK;
/* index_put - adds or replaces the record of its name, under the lock. */
int index_put(struct sn_image_store *st, const struct record *rec) SN_MUST_CHECK;

/* ---- snapshots (block) ---- */

/* snapshot_name - "HEX" of a chain, to out. */
void snapshot_name(struct sn_str chain, char out[STORE_NAME_MAX]);
bool snapshot_exists(struct sn_image_store *st, struct sn_str chain);
/* snapshot_settle - waits for the disk to have the snapshots of these names, and says so in them.
 */
void snapshot_settle(struct sn_image_store *st, const struct sn_str *names, size_t n);
/* A layer being unpacked into snapshots/NAME. */
struct unpack {
    struct sn_image_store *st;
    struct sn_layer *layer;
    struct sn_layer_result result;
    char name[64]; /* temporary; "" once it has its own or is gone */
    int fs_fd;
    bool done; /* sn_layer_finish was well */
};
int unpack_begin(struct sn_image_store *st, struct lease *l, struct sn_str diff_id,
                 struct unpack *ret) SN_MUST_CHECK;
/* unpack_blob - from a blob of the store. */
int unpack_blob(struct unpack *u, struct sn_str digest) SN_MUST_CHECK;
/* unpack_commit - joins it with the layers below (chains[0..i)), gives it its name. */
int unpack_commit(struct unpack *u, const struct sn_str *chains, size_t i) SN_MUST_CHECK;
void unpack_end(struct unpack *u);
/* snapshot_view - a detached mount of the n layers, lowest first; writable with upper_fd >= 0.
 * Returns its descriptor, SN_E_PERMISSION_DENIED, SN_E_UNIMPLEMENTED, SN_E_IO. */
struct view_opts {
    int upper_fd, work_fd; /* -1: read-only */
    int lower_fd;          /* instead of chains; -1 */
    const char *options;
    const int *userns_fd; /* the layers' owners as this user namespace has them; NULL: as they are */
};
int snapshot_view(struct sn_image_store *st, const struct sn_str *chains, size_t n,
                  const struct view_opts *o) SN_MUST_CHECK;
/* snapshot_mapped - a detached mount of the folder whose owners are those that the user namespace
 * has them as. Returns its descriptor, SN_E_UNIMPLEMENTED (the file system cannot), SN_E_IO. */
int snapshot_mapped(int dir, int userns_fd) SN_MUST_CHECK;
/* trash - a folder of the store out of the way at once, its content removed after. */
int store_trash(struct sn_image_store *st, const char *path) SN_MUST_CHECK;
void store_empty_trash(struct sn_image_store *st);

/* ---- images (block) ---- */

/* image_fill - everything about a record's image from its blobs. */
int image_fill(struct sn_image_store *st, struct sn_arena *a, const struct record *r,
               struct sn_image *ret) SN_MUST_CHECK;
int image_find(struct sn_image_store *st, struct sn_str name, struct sn_arena *a,
               struct sn_image *ret) SN_MUST_CHECK;
/* image_resolve - from a descriptor in the store to the manifest for `want`. */
int image_resolve(struct sn_image_store *st, struct sn_arena *a, struct sn_str target,
                  const struct sn_platform *want, struct sn_manifest *ret,
                  struct sn_str *ret_digest, uint64_t *ret_size) SN_MUST_CHECK;
/* image_check_layers - whether configuration and manifest speak of as many layers. */
int image_check_layers(const struct sn_manifest *m, const struct sn_image_config *c) SN_MUST_CHECK;
/* image_unpack - every layer that has no snapshot yet, from the store's blobs. */
int image_unpack(struct sn_image_store *st, struct lease *l, const struct sn_manifest *m,
                 const struct sn_image_config *c) SN_MUST_CHECK;
int gc_run(struct sn_image_store *st, const struct sn_image_gc_opts *o,
           struct sn_image_gc_stats *ret) SN_MUST_CHECK;
