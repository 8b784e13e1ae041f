/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/chain_home.h - what the commands on a node's home folder share. */
#pragma once
#include "consensus/block_store.h"
#include "consensus/home/config.h"
#include "consensus/home/files.h"
#include "consensus/state_store.h"
#include "sennit/chain_cmd.h"

/* Options of a command that has only --home, --log_level and --trace. */
struct chain_home_opts {
    struct sn_home_flags home;
};
extern const struct sn_conf_table chain_home_table;

/* How a command says what it did: lines on standard output as CometBFT's logger prints them (plain
 * or JSON by log_format), those below log_level left out. */
struct chain_home_log {
    struct sn_home_log log;
    bool json;
    bool quiet; /* only errors */
};
/* chain_home_load - the call's configuration, its folders made where they are missing. flags: of the
 * call's options. Returns as sn_home_config_load. */
int chain_home_load(const struct sn_cli_call *call, const struct sn_home_flags *flags,
                    struct sn_home_config *ret, struct chain_home_log *ret_log) SN_MUST_CHECK;
/* chain_home_db - opens NAME.db of the home folder's databases. make: where it is missing. Returns
 * 0, SN_E_NOT_FOUND, as sn_kv_open. Context: a fiber. */
int chain_home_db(struct sn_arena *a, const struct sn_home_config *c, const char *name, bool make,
                  struct sn_kv **ret) SN_MUST_CHECK;
/* chain_home_stores - both stores of a node that is stopped. Returns 0, SN_E_NOT_FOUND, SN_E_BUSY while
 * a node runs there, as sn_kv_open. Owns: chain_stores_close. Context: a fiber. */
struct chain_stores {
    struct sn_cons_block_store *blocks;
    struct sn_cons_state_store *states;
};
int chain_home_stores(struct sn_arena *a, const struct sn_home_config *c,
                      struct chain_stores *ret) SN_MUST_CHECK;
void chain_stores_close(struct chain_stores *s);
