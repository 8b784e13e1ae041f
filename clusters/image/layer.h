/* SPDX-License-Identifier: Apache-2.0 */
/* image/layer.h - one layer: compressed bytes in, a folder for overlayfs out.
 *
 * A layer is unpacked on its own, whatever the order of downloads: whiteouts become the character
 * devices and attributes of overlayfs. What needs the layers below (the owner and mode of folders
 * that the layer only passes through, hard links to files below) is remembered, and done by
 * sn_layer_join when those are there.
 *
 * No path of a layer leads out of its folder: each is cleaned, walked component by component with
 * links resolved as if the folder were the root, and used relative to a descriptor.
 *
 * Blocks the thread: to be called on the offload pool. Sources: OCI image-spec 1.1 (layer), the
 * kernel's overlayfs.rst. */
#pragma once
#include "core/arena.h"
#include "core/str.h"
#include "image/image.h"

struct sn_layer;
struct sn_layer_result {
    char diff_id[SN_IMAGE_KEY_MAX + 8]; /* "sha256:..." of the uncompressed archive, or sha512 */
    uint64_t bytes, entries;            /* of files; entries of the archive */
};
/* sn_layer_new - unpacks into the empty folder `dir_fd` (borrowed, until sn_layer_free).
 * want_diff_id: what the archive must hash to ("sha512:..." picks that hash); "" = any. limits:
 * NULL for defaults. Returns 0, SN_E_NOMEM, SN_E_IO. Owns: sn_layer_free. */
int sn_layer_new(int dir_fd, struct sn_str want_diff_id, const struct sn_image_limits *limits,
                 struct sn_layer **ret) SN_MUST_CHECK;
/* sn_layer_put - the next bytes of the blob, as they come: gzip, zstd or plain, told by their first
 * bytes. Returns 0; SN_E_SYNTAX (archive, compression, a name that leads out), SN_E_UNIMPLEMENTED
 * (sparse files), SN_E_TOO_LARGE (a limit, named), SN_E_RESOURCE_EXHAUSTED (disk full), SN_E_IO,
 * ...; the diagnostic names the entry. */
int sn_layer_put(struct sn_layer *l, struct sn_str bytes) SN_MUST_CHECK;
/* sn_layer_finish - the blob has ended: times of folders are set, the digest is compared.
 * Returns 0, SN_E_DATA_LOSS (another digest), as sn_layer_put. */
int sn_layer_finish(struct sn_layer *l, struct sn_layer_result *ret) SN_MUST_CHECK;
/* sn_layer_join - after sn_layer_finish: below_fd is the merged view of the layers below, -1 for
 * the lowest layer. Returns 0, SN_E_SYNTAX (a hard link to nothing), as sn_layer_put. */
int sn_layer_join(struct sn_layer *l, int below_fd) SN_MUST_CHECK;
/* sn_layer_needs_view - whether sn_layer_join looks for more than the root folder below: only then
 * it needs the merged view, and not just the next layer's folder. */
bool sn_layer_needs_view(const struct sn_layer *l);
void sn_layer_free(struct sn_layer *l);

/* sn_image_limits_fill - the defaults where a limit is 0. */
void sn_image_limits_fill(struct sn_image_limits *l);
/* sn_layer_count_tree - bytes on disk and inodes below dir_fd, without it; folders over 512 deep
 * are not entered. Returns 0, SN_E_IO. */
int sn_layer_count_tree(int dir_fd, uint64_t *ret_bytes, uint64_t *ret_inodes) SN_MUST_CHECK;
/* sn_layer_remove_tree - removes `name` below dir_fd, whatever it is, without following links and
 * without recursion. A name that is not there is fine. Returns 0, SN_E_IO, SN_E_PERMISSION_DENIED.
 */
int sn_layer_remove_tree(int dir_fd, const char *name);
