/* SPDX-License-Identifier: Apache-2.0 */
/* image/mount_int.h - what the collector asks the mounts. */
#pragma once
#include "image/store_int.h"

/* mount_mark - the names of all snapshots that mounts stand on, into `live`. Keys are the arena's.
 * Blocks. */
int mount_mark(struct sn_image_store *st, struct sn_arena *a, struct sn_map *live) SN_MUST_CHECK;
/* mount_chains - the highest chain of each mount. Blocks. */
int mount_chains(struct sn_image_store *st, struct sn_arena *a, struct sn_map *used) SN_MUST_CHECK;
