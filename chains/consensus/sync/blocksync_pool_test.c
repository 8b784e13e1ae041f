/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/sync/blocksync_pool.h"
#include "harness/test.h"
