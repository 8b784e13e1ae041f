/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/p2p/node_info.h - what two nodes tell each other first, and whether they fit.
 * Nothing suspends. Source: CometBFT's specification (spec/p2p), its behaviour at v0.38.25. */
#pragma once
#include "core/buf.h"
#include "crypto/ed25519.h"

#define SN_NODE_ID_LEN 40       /* lower-case hexadecimal digits */
#define SN_NODE_INFO_MAX 10240u /* bytes of an encoding */
#define SN_NODE_CHANNELS_MAX 16u
#define SN_NODE_TEXT_MAX 255u /* bytes of each text */
#define SN_P2P_VERSION 8
#define SN_BLOCK_VERSION 11

struct sn_node_info {
    uint64_t p2p_version, block_version, app_version;
    char id[SN_NODE_ID_LEN + 1];
    char listen_addr[SN_NODE_TEXT_MAX + 1]; /* "tcp://HOST:PORT" or "HOST:PORT" */
    char network[SN_NODE_TEXT_MAX + 1];     /* the chain's id */
    char version[SN_NODE_TEXT_MAX + 1];     /* of the software */
    char moniker[SN_NODE_TEXT_MAX + 1];
    char tx_index[SN_NODE_TEXT_MAX + 1]; /* "on", "off" or empty */
    char rpc_address[SN_NODE_TEXT_MAX + 1];
    uint8_t channels[SN_NODE_CHANNELS_MAX];
    unsigned n_channels;
};

/* sn_node_id - the name of a key: the first 20 bytes of its SHA-256 in hexadecimal, NUL-terminated.
 * Returns 0, SN_E_NOMEM, SN_E_INTERNAL. */
int sn_node_id(const uint8_t key[SN_ED25519_PUBLIC_LEN],
               char ret[SN_NODE_ID_LEN + 1]) SN_MUST_CHECK;
/* sn_node_info_put - appends the encoding, its length before it. Returns 0, SN_E_NOMEM,
 * SN_E_TOO_LARGE, SN_E_INVALID_ARGUMENT (a text is not UTF-8). */
int sn_node_info_put(const struct sn_node_info *info, struct sn_buf *out) SN_MUST_CHECK;
/* sn_node_info_get - the node info at the head of `in`, valid by sn_node_info_check. Returns the
 * bytes it takes, 0 where more are needed, SN_E_PROTOCOL (not the format, a text or an encoding
 * beyond its limit, or not valid), SN_E_NOMEM. */
ssize_t sn_node_info_get(struct sn_str in, struct sn_node_info *ret) SN_MUST_CHECK;
/* sn_node_info_check - whether a node may say this of itself: id and address are well formed, texts
 * are printable ASCII, no channel is there twice. Returns 0, SN_E_PROTOCOL; the diagnostic names
 * the field. */
int sn_node_info_check(const struct sn_node_info *info) SN_MUST_CHECK;
/* sn_node_info_fits - whether we (self) may talk to the other: same block version and network, a
 * channel in common. Returns 0, SN_E_FAILED_PRECONDITION; the diagnostic has both sides. */
int sn_node_info_fits(const struct sn_node_info *self,
                      const struct sn_node_info *other) SN_MUST_CHECK;
