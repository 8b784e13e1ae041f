/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/p2p/book.h - the address book: nodes heard of ("new") and nodes we have been connected
 * to ("old"), in tables that no single network can fill, so that it cannot surround us. Sans-I/O:
 * time comes in as unix nanoseconds, chance from a seed, the file is text in and out (CometBFT's
 * addrbook.json).
 *
 * An address lies in one bucket, chosen by a secret key, its network and, while it is new, the
 * network of who told us: one teller reaches few buckets. A full bucket gives up a bad address,
 * else its oldest; an old one that must go is new again. Nothing suspends; one fiber at a time.
 * Source: CometBFT's specification (spec/p2p/pex); Bitcoin's address manager, where the idea is
 * from. */
#pragma once
#include "consensus/p2p/addr.h"

#define SN_BOOK_NEW_BUCKETS 256u
#define SN_BOOK_OLD_BUCKETS 64u
#define SN_BOOK_BUCKET 64u      /* addresses in each */
#define SN_BOOK_SELECT_MAX 250u /* addresses told at a time */
#define SN_BOOK_ENOUGH 1000u    /* fewer than these, and more are asked for */
#define SN_BOOK_BANS_MAX \
    1024u                   /* nodes refused at a time; the one whose time ends first makes room */
#define SN_BOOK_OWN_MAX 64u /* ids that are never taken in: ours, and private ones */
#define SN_BOOK_FILE_MAX (32u << 20)

struct sn_book;
struct sn_book_opts {
    const char *key; /* secret, SN_BOOK_KEY_LEN hexadecimal digits; NULL: from the seed */
    uint64_t seed;   /* of what is left to chance */
    bool strict;     /* only addresses that other networks reach */
};
#define SN_BOOK_KEY_LEN 24
/* sn_book_new - Returns 0, SN_E_INVALID_ARGUMENT (key), SN_E_NOMEM. Owns: sn_book_free. */
int sn_book_new(const struct sn_book_opts *opts, struct sn_book **ret) SN_MUST_CHECK;
void sn_book_free(struct sn_book *b);
/* sn_book_keep_out - never takes in this id: our own, or one that is to stay private. Returns 0,
 * SN_E_RESOURCE_EXHAUSTED beyond SN_BOOK_OWN_MAX. */
int sn_book_keep_out(struct sn_book *b, const char id[SN_NODE_ID_LEN + 1]) SN_MUST_CHECK;
/* sn_book_add - an address that `from` told us. Returns 1 where it is new to us, 0 where the node
 * was known (a node that we have been connected to keeps its address, whatever others say);
 * SN_E_INVALID_ARGUMENT (nobody's address, or not routable where that is asked for),
 * SN_E_PERMISSION_DENIED (kept out, or banned), SN_E_NOMEM. */
int sn_book_add(struct sn_book *b, int64_t now, const struct sn_node_addr *addr,
                const struct sn_node_addr *from) SN_MUST_CHECK;
/* sn_book_tried - we have just dialled it. sn_book_good - and were connected: it is an old one from
 * now on. sn_book_remove - forgets it. Unknown ids are passed over. */
void sn_book_tried(struct sn_book *b, int64_t now, const char id[SN_NODE_ID_LEN + 1]);
int sn_book_good(struct sn_book *b, int64_t now, const char id[SN_NODE_ID_LEN + 1]) SN_MUST_CHECK;
void sn_book_remove(struct sn_book *b, const char id[SN_NODE_ID_LEN + 1]);
/* sn_book_ban - forgets it and refuses it until then. Returns 0, SN_E_NOMEM. */
int sn_book_ban(struct sn_book *b, const char id[SN_NODE_ID_LEN + 1], int64_t until) SN_MUST_CHECK;
bool sn_book_is_banned(const struct sn_book *b, int64_t now, const char id[SN_NODE_ID_LEN + 1]);
/* sn_book_pick - an address to dial, any bucket as likely as another; new_percent: how much new
 * ones are preferred, 0..100. Returns false where there is none. */
bool sn_book_pick(struct sn_book *b, unsigned new_percent, struct sn_node_addr *ret) SN_MUST_CHECK;
/* sn_book_select - addresses to tell a peer: 23 % of all, at least 32 where there are so many, at
 * most SN_BOOK_SELECT_MAX, each at most once. Returns how many. */
size_t sn_book_select(struct sn_book *b, struct sn_node_addr ret[SN_BOOK_SELECT_MAX]);
struct sn_book_counts {
    size_t fresh, old, banned;
};
void sn_book_counts(const struct sn_book *b, struct sn_book_counts *ret);
/* sn_book_save - appends the book as CometBFT's addrbook.json. Returns 0, SN_E_NOMEM,
 * SN_E_TOO_LARGE. sn_book_load - adds what such a file has, and takes its key, to an empty book:
 * addresses that are not well formed are left out. Returns how many were left out, SN_E_SYNTAX,
 * SN_E_TOO_LARGE, SN_E_NOMEM. */
int sn_book_save(const struct sn_book *b, struct sn_buf *out) SN_MUST_CHECK;
int sn_book_load(struct sn_book *b, int64_t now, struct sn_str text) SN_MUST_CHECK;
