/* SPDX-License-Identifier: Apache-2.0 */
/* image/reference.h - names of images: "busybox", "quay.io/a/b:1.2", "localhost:5000/x@sha256:...".
 *
 * What has no registry is Docker Hub's, and there what has no folder is of "library"; what has
 * neither tag nor digest is "latest". A first component is a registry where it has a dot or a
 * colon, is "localhost", or has upper-case letters. Source: distribution's reference grammar
 * (facts). */
#pragma once
#include "core/arena.h"
#include "core/str.h"

#define SN_IMAGE_REPOSITORY_MAX 255u /* bytes of registry and repository together */
#define SN_IMAGE_TAG_MAX 128u
#define SN_IMAGE_REFERENCE_MAX 1024u
#define SN_IMAGE_DIGEST_MAX 135u /* "sha512:" and 128 digits */

struct sn_image_ref {
    struct sn_str registry;   /* "docker.io", "localhost:5000", "[::1]:5000" */
    struct sn_str repository; /* "library/busybox" */
    struct sn_str tag;        /* .ptr NULL beside a digest that has none */
    struct sn_str digest;     /* "sha256:..."; .ptr NULL where there is none */
};
/* sn_image_ref_parse - Returns 0; SN_E_INVALID_ARGUMENT with what is wrong where; SN_E_NOMEM.
 * Strings are the arena's or literals. Never suspends. */
int sn_image_ref_parse(struct sn_arena *a, struct sn_str text,
                       struct sn_image_ref *ret) SN_MUST_CHECK;
/* sn_image_ref_text - "registry/repository:tag", "...@digest", or with both. .ptr NULL without
 * memory. */
struct sn_str sn_image_ref_text(struct sn_arena *a, const struct sn_image_ref *r);
/* sn_image_ref_familiar - as people write it: without "docker.io/" and "library/". */
struct sn_str sn_image_ref_familiar(struct sn_str text);
/* sn_image_digest_valid - "sha256:" and 64, or "sha512:" and 128 lower-case hex digits. */
bool sn_image_digest_valid(struct sn_str digest);
