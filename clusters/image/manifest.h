/* SPDX-License-Identifier: Apache-2.0 */
/* image/manifest.h - the documents of an image: index, manifest, configuration; which of an index's
 * manifests fits a machine. Sans I/O, never suspends.
 * Sources: OCI image-spec 1.1; Docker image manifest version 2, schema 2. */
#pragma once
#include "core/arena.h"
#include "core/str.h"
#include "image/image.h"

#define SN_MANIFEST_ENTRIES_MAX 1024u /* manifests of an index */
#define SN_MANIFEST_NESTED_MAX 4u     /* indexes within each other */

#define SN_TYPE_OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define SN_TYPE_OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define SN_TYPE_OCI_CONFIG "application/vnd.oci.image.config.v1+json"
#define SN_TYPE_OCI_LAYER "application/vnd.oci.image.layer.v1.tar"
#define SN_TYPE_DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define SN_TYPE_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define SN_TYPE_DOCKER_CONFIG "application/vnd.docker.container.image.v1+json"
#define SN_NOTE_REF_NAME "org.opencontainers.image.ref.name"
#define SN_NOTE_CONTAINERD_NAME "io.containerd.image.name"

struct sn_platform {
    struct sn_str os, architecture, variant;
};
struct sn_descriptor {
    struct sn_str media_type, digest;
    uint64_t size;
    struct sn_platform platform;
    const struct sn_json *annotations; /* may be NULL */
};
struct sn_manifest {
    bool index;               /* entries: manifests, else layers, lowest first */
    struct sn_str media_type; /* .ptr NULL where it does not say */
    struct sn_descriptor config;
    struct sn_descriptor *entries;
    size_t n_entries;
};
/* sn_manifest_parse - either kind. Strings borrow `text` or the arena. Returns 0; SN_E_SYNTAX (with
 * field), SN_E_TOO_LARGE, SN_E_UNIMPLEMENTED (schema 1; foreign, encrypted or unknown layers; what
 * is no container image), SN_E_NOMEM. */
int sn_manifest_parse(struct sn_arena *a, struct sn_str text,
                      struct sn_manifest *ret) SN_MUST_CHECK;
/* sn_manifest_choose - the entry of an index for `want`: the architecture itself in its best
 * variant, then what such a machine also runs. Returns 0, SN_E_NOT_FOUND (what there is in the
 * diagnostic). */
int sn_manifest_choose(const struct sn_manifest *index, const struct sn_platform *want,
                       const struct sn_descriptor **ret) SN_MUST_CHECK;
/* sn_platform_parse - "linux/arm64/v8"; "" is this machine's. Returns 0, SN_E_INVALID_ARGUMENT. */
int sn_platform_parse(struct sn_str text, struct sn_platform *ret) SN_MUST_CHECK;
/* sn_image_config_parse - Returns 0, SN_E_SYNTAX (with field), SN_E_TOO_LARGE, SN_E_NOMEM. */
int sn_image_config_parse(struct sn_arena *a, struct sn_str text,
                          struct sn_image_config *ret) SN_MUST_CHECK;
/* sn_image_chains - n digests: of the first layer its own, of the others that of "CHAIN DIFF_ID",
 * where CHAIN is the one before. Returns 0, SN_E_NOMEM. Source: OCI image-spec 1.1, config.md. */
int sn_image_chains(struct sn_arena *a, const struct sn_str *diff_ids, size_t n,
                    struct sn_str **ret) SN_MUST_CHECK;
