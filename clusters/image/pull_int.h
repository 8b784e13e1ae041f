/* SPDX-License-Identifier: Apache-2.0 */
/* image/pull_int.h - one pull under way. */
#pragma once
#include "image/registry_int.h"
#include "image/store_int.h"

struct pull;
struct layer_job {
    struct pull *p;
    size_t i;
    const struct sn_descriptor *desc;
    struct sn_str diff_id;
    struct unpack u;             /* .st NULL where nothing is unpacked */
    bool unpacked;               /* its snapshot is there already */
    struct sn_event ready;       /* the blob is there, and unpacked; or it has failed */
    bool failed;
};
struct pull {
    struct sn_image_store *st;
    struct sn_image_pull_opts o;
    struct sn_image_ref ref;
    struct sn_platform platform;
    struct reg_session session;
    struct lease lease;
    struct sn_arena scratch;
    struct sn_manifest manifest;
    struct sn_image_config config;
    struct sn_str *chains;
    struct layer_job *jobs;
    size_t n_jobs;
    bool hopeless;               /* it failed, and would again: nothing of it is kept */
    struct sn_sem permits;
    struct sn_mutex lock;        /* of progress; scratch is the main fiber's alone while layers run */
    struct sn_image_progress progress;
    int64_t shown_ns;
    struct record rec;
};
