/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/images.h - what `sennit run` shares with `sennit pull`. */
#pragma once
#include "clusters/image/image.h"

/* images_progress - a pull's line; arg is the sn_progress. For sn_image_pull_opts. */
void images_progress(const struct sn_image_progress *p, void *arg);
/* images_authfile - ~/.docker/config.json, in `a`; NULL without a home. */
const char *images_authfile(struct sn_arena *a);
