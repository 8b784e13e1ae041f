/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/home/replay_int.h - replay.c drives the core, replay_text.c says what happens. */
#pragma once
#include "consensus/home/replay.h"
#include "consensus/wal.h"

void sn_home_put_record_(struct sn_buf *out, uint64_t n, const struct sn_cons_wal_record *rec);
void sn_home_put_action_(struct sn_buf *out, const struct sn_cons_action *a);
int sn_home_put_round_(struct sn_buf *out, const struct sn_cons_round_state *rs, struct sn_str what);
