/* SPDX-License-Identifier: Apache-2.0 */
/* image/bundle_int.h - images in a file or folder: an OCI layout, or a tar archive of one or of
 * `docker save`. All functions block. */
#pragma once
#include "image/store_int.h"

#define BUNDLE_ENTRIES_MAX 100000u
#define BUNDLE_LINKS_MAX 8u

struct bundle_file {
    struct sn_str link; /* its content is that of another name; else .ptr NULL */
    uint64_t at, size;
};
struct bundle {
    struct sn_image_store *st;
    int fd; /* of the archive, or of the folder */
    bool folder;
    char spool[64]; /* an archive that was compressed, in the store */
    struct sn_arena arena;
    struct sn_map files; /* of struct bundle_file, of an archive */
};
/* bundle_open - Returns 0, SN_E_NOT_FOUND, SN_E_SYNTAX (no archive), ... Owns: bundle_close. */
int bundle_open(struct sn_image_store *st, const char *path, struct bundle *ret) SN_MUST_CHECK;
void bundle_close(struct bundle *b);
/* bundle_has - whether there is such a file. */
bool bundle_has(struct bundle *b, struct sn_str name);
/* bundle_read - a small file whole. Returns 0, SN_E_NOT_FOUND, SN_E_TOO_LARGE. */
int bundle_read(struct bundle *b, struct sn_arena *a, struct sn_str name, size_t max,
                struct sn_str *ret) SN_MUST_CHECK;
/* bundle_each - its bytes to fn, in pieces. *ret_size (may be NULL): how many. */
int bundle_each(struct bundle *b, struct sn_str name, int (*fn)(void *ctx, struct sn_str bytes),
                void *ctx, uint64_t *ret_size) SN_MUST_CHECK;
