/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/p2p/book_int.h - the address book's tables, for book.c and book_file.c. */
#pragma once
#include "consensus/p2p/book.h"
#include "core/map.h"
#include "core/rand.h"

struct book_entry {
    struct sn_node_addr addr, from;
    int64_t tried, success; /* unix ns; success 0: never. tried begins as when we heard of it */
    int32_t attempts;       /* since the last success */
    uint16_t bucket;
    bool old;
};
struct book_bucket {
    struct book_entry *entry[SN_BOOK_BUCKET];
    unsigned n;
};
struct book_ban {
    char id[SN_NODE_ID_LEN];
    int64_t until;
};
struct sn_book {
    char key[SN_BOOK_KEY_LEN + 1];
    bool strict;
    struct sn_rand rand;
    struct sn_map known; /* id -> entry, which has the key's bytes */
    struct book_bucket fresh[SN_BOOK_NEW_BUCKETS], old[SN_BOOK_OLD_BUCKETS];
    size_t n_fresh, n_old;
    struct book_ban *bans; /* SN_BOOK_BANS_MAX of them, once there is one */
    unsigned n_bans, n_own;
    char own[SN_BOOK_OWN_MAX][SN_NODE_ID_LEN + 1];
};
/* Puts a copy of an entry where its bucket says. Returns 0, SN_E_ALREADY_EXISTS (no diagnostic)
 * where it is known or the bucket full, SN_E_NOMEM. */
int book_restore(struct sn_book *b, const struct book_entry *from) SN_MUST_CHECK;
