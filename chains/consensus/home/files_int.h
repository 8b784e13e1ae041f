/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/home/files_int.h - what files.c and testnet.c share. */
#pragma once
#include "consensus/home/files.h"

void sn_home_log_(const struct sn_home_log *log, bool error, const char *what,
                  const char *const *pairs);
/* sn_home_random_name_ - n letters and digits and a NUL. Returns 0 or the generator's error. */
int sn_home_random_name_(char *out, size_t n);
int sn_home_genesis_write_(const char *path, const struct sn_cons_genesis *g);
int sn_home_validator_(const struct sn_cons_key *key, int64_t power, struct sn_str name,
                       struct sn_cons_genesis_validator *ret);
