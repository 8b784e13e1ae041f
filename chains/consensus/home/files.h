/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/home/files.h - the files of a home folder: making them (init, testnet), the node's key,
 * and taking them away (reset). As CometBFT 0.38.25 names and writes them, so that either program
 * runs on the other's folder. Source: CometBFT v0.38.25 cmd/cometbft/commands. Context: fibers and
 * plain threads; every call suspends. */
#pragma once
#include "consensus/genesis.h"
#include "consensus/home/config.h"
#include "consensus/p2p/node_info.h"
#include "crypto/ed25519.h"

#define SN_HOME_TESTNET_MAX 1024 /* folders */

/* What was done, for people: "Generated node key", "path", "/home/config/node_key.json", NULL.
 * Pairs of names and values end in NULL. */
struct sn_home_log {
    void (*line)(void *arg, bool error, const char *what, const char *const *pairs);
    void *arg;
};

/* sn_home_node_key_read - node_key.json. Returns 0; SN_E_NOT_FOUND, SN_E_SYNTAX,
 * SN_E_INVALID_ARGUMENT with the member, SN_E_IO, SN_E_NOMEM. The caller wipes the key. */
int sn_home_node_key_read(const char *path, uint8_t ret[SN_ED25519_SECRET_LEN],
                          char ret_id[SN_NODE_ID_LEN + 1]) SN_MUST_CHECK;
/* sn_home_node_key_make - a new one, mode 0600. Returns 0, SN_E_ALREADY_EXISTS where the file is
 * there, as sn_file_write. */
int sn_home_node_key_make(const char *path, char ret_id[SN_NODE_ID_LEN + 1]) SN_MUST_CHECK;
/* sn_home_genesis_read - genesis_file, parsed; ret_text: as it stands in the file. Returns 0, as
 * sn_cons_genesis_parse and sn_file_read. Owns: everything is the arena's. */
int sn_home_genesis_read(struct sn_arena *a, const struct sn_home_config *c,
                         struct sn_str *ret_text, struct sn_cons_genesis *ret) SN_MUST_CHECK;
/* sn_home_init - keys and a genesis of one validator, each where it is missing. Returns 0, as
 * sn_privval_open and the functions above. */
int sn_home_init(const struct sn_home_config *c, const struct sn_home_log *log) SN_MUST_CHECK;

struct sn_home_testnet_opts {
    const struct sn_home_config *config; /* what every folder begins with */
    struct sn_str dir, node_dir_prefix;
    int64_t validators, others, initial_height;
    bool populate_persistent_peers;
    struct sn_str hostname_prefix, hostname_suffix, starting_ip_address;
    const struct sn_str *hostnames; /* none, or one per folder */
    size_t n_hostnames;
    int64_t p2p_port;
    bool random_monikers;
};
/* sn_home_testnet - the folders of a network. Returns 0; SN_E_INVALID_ARGUMENT with the flag; as
 * sn_home_init. */
int sn_home_testnet(const struct sn_home_testnet_opts *o,
                    const struct sn_home_log *log) SN_MUST_CHECK;

/* sn_home_reset_state - databases and the log of consensus go; the signer's memory stays. */
int sn_home_reset_state(const struct sn_home_config *c, const struct sn_home_log *log) SN_MUST_CHECK;
/* sn_home_reset_signer - the validator's memory of what it signed goes: only for a chain that
 * begins anew. Makes key and memory where there is no key. */
int sn_home_reset_signer(const struct sn_home_config *c,
                         const struct sn_home_log *log) SN_MUST_CHECK;
/* sn_home_reset_all - everything in the data folder, the address book unless it is kept, and the
 * signer's memory. Returns 0 or the first error; what could be removed is. */
int sn_home_reset_all(const struct sn_home_config *c, bool keep_addr_book,
                      const struct sn_home_log *log) SN_MUST_CHECK;
/* sn_home_remove_tree - a file or a folder with all in it; symbolic links are removed, not followed.
 * ret: whether there was one; may be NULL. Returns 0, SN_E_IO and its kin, SN_E_DEPTH beyond 32
 * levels. */
int sn_home_remove_tree(const char *path, bool *ret) SN_MUST_CHECK;
