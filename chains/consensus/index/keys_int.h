/* SPDX-License-Identifier: Apache-2.0 */
/* index/keys_int.h - the keys of tx_index.db as CometBFT 0.38 has them.
 *
 *   SHA-256 of a transaction                       -> TxResult
 *   tx.height/H/H/I$es$0                           -> its hash
 *   TYPE.ATTRIBUTE/VALUE/H/I$es$SEQ                -> its hash
 *   block_events + (block.height, H)               -> H
 *   block_events + (TYPE.ATTRIBUTE, VALUE, H, SEQ) -> H
 *
 * (...) is an encoding that sorts as its parts do: texts end in 00 01, with 00 written 00 FF and FF
 * written FF 00; numbers have as many leading ones as bytes follow. SEQ tells an event from the
 * others of its block, so that conditions can be held to the same event; keys of older versions
 * have another text, or nothing, in its place. Source: CometBFT v0.38.25 state/txindex/kv,
 * state/indexer/block/kv; github.com/google/orderedcode v0.0.1. */
#pragma once
#include "core/buf.h"
#include "core/str.h"

#define SN_INDEX_TX_HEIGHT SN_STR("tx.height")
#define SN_INDEX_BLOCK_HEIGHT SN_STR("block.height")
#define SN_INDEX_BLOCK_PREFIX SN_STR("block_events")

/* What a key says; value is borrowed from the key, or of the buffer it was unescaped into. */
struct sn_index_key {
    struct sn_str value;
    int64_t height;
    uint32_t index; /* of the transaction; 0 of blocks */
    uint64_t seq;
};

/* The writers append; errors stick in the buffer. */
void sn_index_put_text(struct sn_buf *out, struct sn_str s);
void sn_index_put_i64(struct sn_buf *out, int64_t v);
void sn_index_tx_key(struct sn_buf *out, struct sn_str tag, const struct sn_index_key *k);
void sn_index_block_key(struct sn_buf *out, struct sn_str tag, const struct sn_index_key *k);
void sn_index_block_height_key(struct sn_buf *out, int64_t height);

/* sn_index_take_text, _i64 - the next part of *in, which moves behind it. Return false where there
 * is none. The text is unescaped to out, after what is there. */
bool sn_index_take_text(struct sn_str *in, struct sn_buf *out);
bool sn_index_take_i64(struct sn_str *in, int64_t *ret);
/* sn_index_tx_key_parse - a key that begins with "TAG/". sn_index_block_key_parse - one behind
 * block_events that begins with the tag; value goes to scratch. Return false for what is no such
 * key. */
bool sn_index_tx_key_parse(struct sn_str key, struct sn_str tag, struct sn_index_key *ret);
bool sn_index_block_key_parse(struct sn_str key, struct sn_buf *scratch, struct sn_index_key *ret);
