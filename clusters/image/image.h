/* SPDX-License-Identifier: Apache-2.0 */
/* image/image.h - container images: a store of blobs and unpacked layers, filled from registries,
 * OCI layouts and archives; root filesystems of containers as overlays on it.
 *
 * A store is one folder, an OCI image layout with two more rooms:
 *   oci-layout, index.json, blobs/ALG/HEX   the images, readable by any tool that reads layouts
 *   snapshots/HEX/fs                        a layer's files, named by the chain of layers up to it
 *   mounts/KEY/{upper,work,rootfs}          a container's root filesystem
 *   ingest/, leases/, trash/, lock          work under way
 * Several processes may use one store. What is named in it is whole: everything is written beside
 * its place and renamed, so a crash leaves at most files that the next sn_image_gc removes.
 *
 * Every call may be made from any fiber; all that touch the disk run on the offload pool and
 * suspend. On a plain thread they block, except sn_image_pull, which needs the runtime.
 * Strings and arrays in results belong to the arena of the call.
 *
 * Sources: OCI image-spec 1.1, distribution-spec 1.1; Docker image manifest version 2, schema 2. */
#pragma once
#include "core/arena.h"
#include "core/str.h"

#define SN_IMAGE_ROOT_DEFAULT "/var/lib/sennit/images"
#define SN_IMAGE_LAYERS_MAX 256u /* of one image; overlayfs itself ends at 500 */
#define SN_IMAGE_MANIFEST_BYTES_MAX (4u << 20)
#define SN_IMAGE_CONFIG_BYTES_MAX (8u << 20)
#define SN_IMAGE_KEY_MAX 128u      /* bytes of the name of a mount */
#define SN_IMAGE_IMAGES_MAX 65536u /* names in one store */
/* The machine's own root under an overlay, as an image; needs no pull and is never listed. */
#define SN_IMAGE_HOST "host"

/* ---- the store ------------------------------------------------------------------------------- */

/* What an unpacked layer may be; 0 = the default. Beyond it: SN_E_TOO_LARGE that names the limit.
 */
struct sn_image_limits {
    uint64_t layer_bytes_max;   /* 0 = 64 GiB of files in one layer */
    uint64_t layer_entries_max; /* 0 = 4,000,000 */
    uint64_t ratio_max;         /* 0 = 2,000: uncompressed by compressed bytes, above 64 MiB */
    unsigned path_depth_max;    /* 0 = 256 components */
    uint64_t blob_bytes_max;    /* 0 = 64 GiB: a compressed layer */
};
struct sn_image_store_opts {
    const char *root;            /* NULL = SN_IMAGE_ROOT_DEFAULT; made where it is missing */
    const char *certs_dir;       /* per registry HOST/hosts.toml and certificates; NULL =
                                  * /etc/containerd/certs.d */
    unsigned layers_at_once_max; /* of one pull; 0 = 4 */
    bool no_sync;                /* what was pulled need not survive a power cut */
    struct sn_image_limits limits;
};
struct sn_image_store;
/* sn_image_store_open - opens the store, makes it where it is missing. opts: NULL for defaults.
 * Returns 0, SN_E_PERMISSION_DENIED, SN_E_IO, SN_E_FAILED_PRECONDITION (the folder is something
 * else), SN_E_NOMEM; the diagnostic names the path. Owns: sn_image_store_close. Suspends. */
int sn_image_store_open(const struct sn_image_store_opts *opts,
                        struct sn_image_store **ret) SN_MUST_CHECK;
/* sn_image_store_close - NULL is accepted. No call of the store may be in progress. Mounts stay. */
void sn_image_store_close(struct sn_image_store *st);
/* sn_image_store_root - the absolute path of its folder; the store's. */
const char *sn_image_store_root(const struct sn_image_store *st);

/* ---- images ---------------------------------------------------------------------------------- */

struct sn_image_pair {
    struct sn_str name, value;
};
/* What the image says about running it. Absent strings have .ptr NULL, absent lists no elements. */
struct sn_image_config {
    struct sn_str user; /* "", "name", "uid", "name:group", "uid:gid" */
    struct sn_str *env; /* "NAME=value" */
    struct sn_str *entrypoint, *cmd;
    struct sn_str working_dir, stop_signal;
    struct sn_str *ports;   /* "80/tcp" */
    struct sn_str *volumes; /* paths */
    struct sn_image_pair *labels;
    struct sn_str os, architecture, variant;
    int64_t created_ns; /* unix; 0 = not said */
    size_t n_env, n_entrypoint, n_cmd, n_ports, n_volumes, n_labels;
    struct sn_str *diff_ids; /* "sha256:...", lowest first */
    size_t n_diff_ids;
};
struct sn_image {
    struct sn_str id;       /* digest of the configuration, "sha256:..." */
    struct sn_str target;   /* digest that the name stands for: a manifest or an index */
    struct sn_str manifest; /* digest of this platform's manifest */
    struct sn_str chain;    /* digest of all layers in order; "" without layers */
    struct sn_str *tags;    /* "docker.io/library/busybox:1.36" */
    struct sn_str *digests; /* "docker.io/library/busybox@sha256:..." */
    size_t n_tags, n_digests;
    uint64_t size;     /* bytes of manifest, configuration and compressed layers */
    int64_t pulled_ns; /* unix */
    struct sn_image_config config;
};

/* sn_image_list - every image, newest first; an image with several names is there once. Returns 0,
 * SN_E_DATA_LOSS (a blob is missing or damaged: its digest in the diagnostic), SN_E_NOMEM. */
int sn_image_list(struct sn_image_store *st, struct sn_arena *a, struct sn_image **ret,
                  size_t *ret_n) SN_MUST_CHECK;
/* sn_image_find - by reference ("busybox", "docker.io/library/busybox:latest", "x@sha256:..."), by
 * id ("sha256:...", bare hex, or at least 4 digits of it that fit one image only).
 * Returns 0, SN_E_NOT_FOUND, SN_E_INVALID_ARGUMENT (no reference; the digits fit several). */
int sn_image_find(struct sn_image_store *st, struct sn_str name, struct sn_arena *a,
                  struct sn_image *ret) SN_MUST_CHECK;
/* sn_image_remove - by reference: this name; by id or digest, or with `all`: every name of the
 * image. What nothing needs any more is freed (as sn_image_gc). A mounted image keeps its layers
 * until it is unmounted. *ret_gone (may be NULL): whether the image has no name left. Returns 0,
 * SN_E_NOT_FOUND, SN_E_INVALID_ARGUMENT. */
int sn_image_remove(struct sn_image_store *st, struct sn_str name, bool all,
                    bool *ret_gone) SN_MUST_CHECK;
/* sn_image_tag - one more name for an image. Returns as sn_image_find. */
int sn_image_tag(struct sn_image_store *st, struct sn_str name,
                 struct sn_str new_ref) SN_MUST_CHECK;

struct sn_image_gc_stats {
    uint64_t blobs, snapshots, partials, bytes;
};
struct sn_image_gc_opts {
    bool partials; /* also downloads that were broken off and nobody continues */
    bool untagged; /* also images that have no tag and no mount */
};
/* sn_image_gc - removes blobs and snapshots that no name, no mount and no pull under way needs.
 * ret may be NULL. Returns 0, SN_E_IO, SN_E_DATA_LOSS (index.json is damaged: nothing is removed).
 */
int sn_image_gc(struct sn_image_store *st, const struct sn_image_gc_opts *o,
                struct sn_image_gc_stats *ret) SN_MUST_CHECK;

struct sn_image_fs_usage {
    uint64_t bytes, inodes; /* of blobs and snapshots */
    const char *mountpoint; /* the store's root; the store's */
    int64_t at_ns;          /* unix, when it was counted */
};
/* sn_image_fs_usage - what the store takes on its disk, counted now. Returns 0, SN_E_IO. */
int sn_image_fs_usage(struct sn_image_store *st, struct sn_image_fs_usage *ret) SN_MUST_CHECK;

/* ---- pulling --------------------------------------------------------------------------------- */

/* Who asks: CRI's AuthConfig. All empty: anonymous, or what the file of credentials has. */
struct sn_image_auth {
    struct sn_str username, password;
    struct sn_str auth;           /* base64 of "user:password" */
    struct sn_str identity_token; /* exchanged for an access token */
    struct sn_str registry_token; /* sent as it is */
    struct sn_str server_address; /* the registry these belong to; "" = the reference's */
};
struct sn_image_progress {
    struct sn_str reference;
    uint64_t bytes, bytes_total;  /* of compressed layers; total 0: not known yet */
    unsigned layers, layers_done; /* done: there already, or fetched and unpacked */
};
struct sn_image_pull_opts {
    struct sn_image_auth auth;
    /* A file as ~/.docker/config.json ("auths"), asked where auth is empty; NULL: none. */
    const char *credentials_file;
    struct sn_str platform; /* "linux/arm64/v8"; "" = this machine's */
    bool plain_http;        /* allow http to hosts that are not loopback */
    bool tls_insecure;      /* do not verify the registry's certificate */
    bool no_unpack;         /* blobs only; unpacked by the first mount */
    int64_t stall_ns_max;   /* nothing came for so long: try again; 0 = 30 s */
    /* Called at most ten times a second and at the end; must not suspend. May be NULL. */
    void (*progress)(const struct sn_image_progress *p, void *arg);
    void *arg;
};
/* sn_image_pull - fetches what is missing of an image, checks every digest, unpacks, gives it its
 * name. A layer that several pulls need is fetched once. Bad gateways, cut connections and stalls
 * are retried with back-off, a cut layer is continued where it ended. opts: NULL for defaults.
 * Returns 0; SN_E_INVALID_ARGUMENT (reference), SN_E_NOT_FOUND (repository, tag or platform),
 * SN_E_UNAUTHENTICATED, SN_E_PERMISSION_DENIED, SN_E_UNAVAILABLE, SN_E_REFUSED,
 * SN_E_DATA_LOSS (a digest is wrong), SN_E_SYNTAX (manifest, layer), SN_E_TOO_LARGE (a limit),
 * SN_E_UNIMPLEMENTED (foreign or encrypted layer, schema 1), SN_E_RESOURCE_EXHAUSTED (disk full),
 * SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED; the diagnostic names reference and object. After a
 * failure that would come again nothing is left of it; else what came stays for the next try, until
 * sn_image_gc. Suspends. */
int sn_image_pull(struct sn_image_store *st, struct sn_str reference,
                  const struct sn_image_pull_opts *opts, struct sn_arena *a,
                  struct sn_image *ret) SN_MUST_CHECK;

/* sn_image_load - images out of an OCI archive, a docker-archive (`docker save`, also gzipped or
 * zstd) or an OCI layout (a folder), unpacked and named as they are there; `name` (may be empty)
 * names one that has no name. Returns 0, SN_E_SYNTAX (none of these), SN_E_DATA_LOSS, and as
 * sn_image_pull. */
int sn_image_load(struct sn_image_store *st, const char *path, struct sn_str name,
                  struct sn_arena *a, struct sn_image **ret, size_t *ret_n) SN_MUST_CHECK;
/* sn_image_save - images as an OCI archive (tar) to fd, this platform's manifest of each.
 * Returns 0, SN_E_NOT_FOUND, SN_E_DATA_LOSS, SN_E_IO. */
int sn_image_save(struct sn_image_store *st, const struct sn_str *names, size_t n,
                  int fd) SN_MUST_CHECK;

/* ---- root filesystems ------------------------------------------------------------------------ */

struct sn_image_mount_opts {
    bool read_only;          /* the image itself, without a writable layer */
    uint64_t host_bytes_max; /* SN_IMAGE_HOST: size of its writable layer in memory; 0 = 1 GiB */
    const char *options;     /* for overlayfs, "name=value,name": e.g. "volatile"; NULL = none */
    /* A user namespace (descriptor, borrowed): files belong to those that it maps the image's owners
     * to. Needs Linux 6.15 and a file system that can map owners. NULL: as the image has them. */
    const int *userns_fd;
    /* The mount is put nowhere: its descriptor goes there, close-on-exec, the caller's. It ends with
     * its last user. NULL: at ROOT/mounts/KEY/rootfs. */
    int *ret_fd;
};
/* sn_image_mount - the root filesystem of container `key` at ROOT/mounts/KEY/rootfs: an overlay of
 * the image's layers under a writable layer, or SN_IMAGE_HOST. It keeps the layers alive until
 * sn_image_unmount, also over a restart. opts: NULL for defaults. name: as sn_image_find.
 * Returns 0; SN_E_ALREADY_EXISTS (key), SN_E_INVALID_ARGUMENT (key: [A-Za-z0-9][A-Za-z0-9_.-]*),
 * SN_E_NOT_FOUND, SN_E_PERMISSION_DENIED (needs CAP_SYS_ADMIN), SN_E_UNIMPLEMENTED (owners cannot
 * be mapped here), SN_E_IO. Suspends. */
int sn_image_mount(struct sn_image_store *st, struct sn_str name, struct sn_str key,
                   const struct sn_image_mount_opts *opts, struct sn_arena *a,
                   struct sn_str *ret_rootfs) SN_MUST_CHECK;
/* sn_image_maps_owners - whether sn_image_mount takes this user namespace here. Returns 0,
 * SN_E_UNIMPLEMENTED. */
int sn_image_maps_owners(struct sn_image_store *st, int userns_fd) SN_MUST_CHECK;
/* sn_image_remount - mounts an existing key again, its writable layer as it was: after a reboot. 0
 * also where it is still mounted. Returns as sn_image_mount, and SN_E_FAILED_PRECONDITION for one
 * with mapped owners, whose namespace is gone. */
int sn_image_remount(struct sn_image_store *st, struct sn_str key, struct sn_arena *a,
                     struct sn_str *ret_rootfs) SN_MUST_CHECK;
/* sn_image_reopen - the mount of an existing key that ret_fd had, once more: whoever had it is gone.
 * Of opts userns_fd and ret_fd count. Returns as sn_image_mount. */
int sn_image_reopen(struct sn_image_store *st, struct sn_str key,
                    const struct sn_image_mount_opts *opts, struct sn_arena *a) SN_MUST_CHECK;
/* sn_image_unmount - unmounts (lazily where something holds it) and removes the writable layer.
 * Returns 0, SN_E_NOT_FOUND, SN_E_IO. Suspends. */
int sn_image_unmount(struct sn_image_store *st, struct sn_str key) SN_MUST_CHECK;
struct sn_image_mount_info {
    struct sn_str key, image; /* the name it was mounted by */
    struct sn_str rootfs;
    uint64_t bytes, inodes; /* of its writable layer; only by sn_image_mount_usage */
};
/* sn_image_mounts - every key of the store, sorted. */
int sn_image_mounts(struct sn_image_store *st, struct sn_arena *a, struct sn_image_mount_info **ret,
                    size_t *ret_n) SN_MUST_CHECK;
/* sn_image_mount_usage - what the writable layer of `key` takes. Returns 0, SN_E_NOT_FOUND. */
int sn_image_mount_usage(struct sn_image_store *st, struct sn_str key, struct sn_arena *a,
                         struct sn_image_mount_info *ret) SN_MUST_CHECK;

/* ---- users ----------------------------------------------------------------------------------- */

#define SN_IMAGE_GROUPS_MAX 1024u
struct sn_image_user {
    uint32_t uid, gid;
    uint32_t *groups; /* further groups that /etc/group names the user in */
    size_t n_groups;
    struct sn_str name, home, shell; /* of /etc/passwd; .ptr NULL where the user is not in it */
};
/* sn_image_user - who `user` ("", "name", "uid", "name:group", "uid:gid") is in the /etc/passwd and
 * /etc/group of a root filesystem, read by openat2 so that no link in it leads out. A number needs
 * no entry; "" is 0. Returns 0, SN_E_NOT_FOUND (no such name), SN_E_INVALID_ARGUMENT (number beyond
 * 4294967294), SN_E_TOO_LARGE (files over 1 MiB), SN_E_IO. */
int sn_image_user(const char *rootfs, struct sn_str user, struct sn_arena *a,
                  struct sn_image_user *ret) SN_MUST_CHECK;
