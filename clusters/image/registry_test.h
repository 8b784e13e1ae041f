/* SPDX-License-Identifier: Apache-2.0 */
/* image/registry_test.h - a registry on loopback that misbehaves as it is told, and images to put in it. */
#pragma once
#include "core/buf.h"
#include "core/map.h"
#include "fiber/sync.h"
#include "image/build_test.h"
#include "image/image.h"
#include "kit/http.h"

#define FR_BLOBS_MAX 32u
#define FR_RULES_MAX 8u

enum fr_fault {
    FR_NONE,
    FR_STATUS,    /* `n` as the status */
    FR_CUT,       /* only the first `n` bytes, then the connection ends */
    FR_STALL,     /* only the first `n` bytes, then nothing */
    FR_FLIP,      /* one byte is another */
    FR_LONG,      /* some bytes more than there are */
    FR_REDIRECT,  /* to `to` followed by the path */
    FR_SLOW,      /* a moment of `n` ms before the answer */
};
struct fr_rule {
    const char *path; /* what the path ends in or has in it */
    enum fr_fault fault;
    unsigned n, times; /* how often, 0 = always */
    const char *to;
};
struct fr {
    struct sn_http_server *server;
    struct sn_listener *listener;
    char addr[64];
    struct {
        char name[160]; /* "blobs/sha256:...", "manifests/1" */
        const char *type;
        struct sn_buf bytes;
    } files[FR_BLOBS_MAX];
    unsigned n_files;
    struct fr_rule rules[FR_RULES_MAX];
    unsigned n_rules;
    bool no_ranges, bearer, basic;
    const char *token_base; /* realm's address; NULL: this server's own */
    /* counted, __atomic */
    unsigned gets_blob, gets_manifest, gets_token, ranges, with_auth, unauthorized, bad_auth;
    struct sn_mutex lock;
};
/* fr_start, fr_stop - in the test's main fiber, inside of scope `s`. */
void fr_start(struct fr *f, struct sn_scope *s);
void fr_stop(struct fr *f);
void fr_put(struct fr *f, const char *name, const char *type, struct sn_str bytes);
/* fr_image - an image of these layers (tar archives, compressed here), tagged. Returns its configuration's
 * digest in id (72 bytes). broken: 1: a diff id is wrong; 2: a layer too few in the configuration. */
void fr_image(struct fr *f, const char *tag, struct sn_buf *layers, unsigned n, int broken, char *id);
/* fr_ref - "ADDR/test:TAG". */
const char *fr_ref(const struct fr *f, const char *tag, char out[128]);
