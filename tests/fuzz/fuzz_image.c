/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as an image's documents, reference, platform, challenge, credentials: an error, or something that
 * keeps its promises. */
#include <stdint.h>

#include "core/status.h"
#include "image/manifest.h"
#include "image/reference.h"
#include "image/registry_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void reference(struct sn_arena *a, struct sn_str text)
{
    struct sn_image_ref r, again;
    if (sn_image_ref_parse(a, text, &r) < 0) return;
    SN_ASSERT(r.tag.ptr || r.digest.ptr);
    SN_ASSERT(!r.digest.ptr || sn_image_digest_valid(r.digest));
    struct sn_str t = sn_image_ref_text(a, &r);
    for (size_t i = 0; i < t.len; i++) SN_ASSERT(t.ptr[i] > ' ' && t.ptr[i] < 0x7f && t.ptr[i] != '?' && t.ptr[i] != '#' && t.ptr[i] != '%');
    SN_ASSERT(sn_str_find(t, SN_STR("..")) < 0 || r.tag.len);
    /* What it says is itself. */
    SN_ASSERT(t.len > SN_IMAGE_REFERENCE_MAX || sn_image_ref_parse(a, t, &again) == 0);
    if (t.len <= SN_IMAGE_REFERENCE_MAX) SN_ASSERT(sn_str_eq(sn_image_ref_text(a, &again), t));
}

static void documents(struct sn_arena *a, struct sn_str text)
{
    struct sn_manifest m;
    struct sn_image_config c;
    struct sn_platform p;
    const struct sn_descriptor *best;
    if (sn_manifest_parse(a, text, &m) == 0) {
        SN_ASSERT(m.n_entries <= (m.index ? SN_MANIFEST_ENTRIES_MAX : SN_IMAGE_LAYERS_MAX));
        for (size_t i = 0; i < m.n_entries; i++) SN_ASSERT(sn_image_digest_valid(m.entries[i].digest));
        if (m.index && sn_platform_parse(SN_STR("linux/arm64"), &p) == 0 && sn_manifest_choose(&m, &p, &best) == 0)
            SN_ASSERT(best >= m.entries && best < m.entries + m.n_entries);
        if (!m.index) SN_ASSERT(sn_image_digest_valid(m.config.digest));
    }
    if (sn_image_config_parse(a, text, &c) == 0) {
        struct sn_str *chains;
        SN_ASSERT(c.n_diff_ids <= SN_IMAGE_LAYERS_MAX);
        if (sn_image_chains(a, c.diff_ids, c.n_diff_ids, &chains) == 0)
            for (size_t i = 0; i < c.n_diff_ids; i++) SN_ASSERT(sn_image_digest_valid(chains[i]));
    }
    (void)!sn_platform_parse(text, &p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_arena a;
    struct reg_challenge c;
    struct sn_image_auth auth = {0};
    struct sn_str text = sn_str_of((const char *)data, size);
    sn_arena_init(&a, NULL, 32u << 20);
    reference(&a, text);
    documents(&a, text);
    (void)!reg_challenge_parse(&a, text, &c);
    (void)!reg_credentials(&a, text, SN_STR("docker.io"), &auth);
    (void)reg_loopback(text);
    sn_arena_done(&a);
    return 0;
}
