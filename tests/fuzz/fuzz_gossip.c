/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_gossip.c - a peer's messages on the consensus channels, one after the other (each behind two
 * bytes of length), against its state and ours: nothing is read or written beyond the arrays, and what
 * is picked for the peer is something we have, once. */
#include <stdlib.h>
#include <string.h>

#include "consensus/codec.h"
#include "consensus/reactors/consensus_peer.h"
#include "consensus/valset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEIGHT 5
#define VALIDATORS 70

static struct sn_cons_round_state rs;
static void add(struct sn_cons_vote_set *s, uint32_t i)
{
    struct sn_cons_vote *other, v = {.type = s->type, .height = s->height, .round = s->round,
                                     .index = (int32_t)i};
    struct sn_cons_vote *kept = sn_cons_vote_new(&v);
    if (!kept || sn_cons_vote_set_add(s, kept, &other) < 0) abort();
    sn_cons_vote_unref(kept);
}
/* Made once, and kept: as of a node in its second round, with a block of three parts. */
static void make(void)
{
    static char data[3 * 65536 - 9];
    struct sn_cons_validator v[VALIDATORS];
    struct sn_cons_peer_id me = {0};
    struct sn_cons_vote_set *s;
    for (uint32_t i = 0; i < VALIDATORS; i++) {
        v[i] = (struct sn_cons_validator){.power = 1, .key = {.type = SN_CONS_ED25519, .len = 32}};
        v[i].key.b[0] = (uint8_t)i;
        if (sn_cons_key_addr(&v[i].key, v[i].addr) < 0) abort();
    }
    if (sn_cons_valset_new(v, VALIDATORS, &rs.vals) < 0) abort();
    rs.height = HEIGHT;
    rs.round = 1;
    rs.step = SN_CONS_STEP_PREVOTE;
    sn_cons_height_votes_init(&rs.votes, HEIGHT, false, rs.vals);
    rs.votes.round = 2;
    for (int32_t r = 0; r < 2; r++)
        for (uint8_t t = SN_CONS_PREVOTE; t <= SN_CONS_PRECOMMIT; t++) {
            if (sn_cons_height_votes_open(&rs.votes, r, t, &me, &s) < 0) abort();
            for (uint32_t i = 0; i < VALIDATORS; i += 1 + t) add(s, i);
        }
    if (sn_cons_vote_set_new(HEIGHT - 1, 0, SN_CONS_PRECOMMIT, false, rs.vals, &rs.last_commit) < 0)
        abort();
    for (uint32_t i = 0; i < VALIDATORS; i++) add(rs.last_commit, i);
    if (sn_cons_part_set_split(sn_str_of(data, sizeof(data)), &rs.parts) < 0) abort();
    rs.has_proposal = true;
    rs.proposal = (struct sn_cons_proposal){.height = HEIGHT, .round = 1, .pol_round = 0,
                                            .block_id.parts = rs.parts->header};
}

static void take(struct sn_gossip_peer *p, const struct sn_cons_msg *m)
{
    if (m->kind == SN_CONS_MSG_NEW_ROUND_STEP && sn_gossip_check_step(m, 1) < 0) return;
    (void)sn_gossip_heard(p, m, 0);
    sn_gossip_has(p, m);
    if (m->kind == SN_CONS_MSG_VOTE_SET_BITS) sn_gossip_bits(p, m, sn_gossip_our_bits(&rs, m));
    (void)sn_gossip_known(&rs, m);
}
static void pick(struct sn_gossip_peer *p, struct sn_rand *rand)
{
    struct sn_cons_msg m, claims[SN_GOSSIP_CLAIMS_MAX];
    uint32_t index;
    /* More than there is would be something twice. */
    unsigned n = 0;
    while (sn_gossip_pick_vote(p, &rs, -1, rand, &m))
        if (!m.vote || ++n > 5 * VALIDATORS) abort();
    for (n = 0; sn_gossip_pick_data(p, &rs, rand, &m); n++)
        if (n > 5 || (m.kind == SN_CONS_MSG_BLOCK_PART && !m.part.bytes.ptr)) abort();
    for (n = 0; sn_gossip_pick_old_part(p, &rs.parts->header, rand, &index); n++)
        if (n > 3 || index >= rs.parts->header.total) abort();
    (void)sn_gossip_claims(p, &rs, claims);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_gossip_peer p;
    struct sn_rand rand;
    if (!rs.vals) make();
    sn_rand_seed(&rand, size);
    sn_gossip_peer_init(&p);
    while (size >= 2) {
        size_t n = SN_MIN((size_t)data[0] << 8 | data[1], size - 2);
        struct sn_arena a;
        struct sn_cons_msg m;
        sn_arena_init(&a, NULL, 0);
        if (sn_cons_msg_decode(sn_str_of((const char *)data + 2, n), &a, &m) >= 0) {
            take(&p, &m);
            if (data[1] & 1) pick(&p, &rand);
        }
        sn_arena_done(&a);
        data += 2 + n;
        size -= 2 + n;
    }
    pick(&p, &rand);
    return 0;
}
