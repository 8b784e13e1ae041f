/* SPDX-License-Identifier: Apache-2.0 */
/* CometBFT's protobuf messages: the first byte chooses the decoder. What decodes must encode, decode
 * again, and encode to the same bytes. */
#include <stdlib.h>

#include "consensus/codec.h"
#include "consensus/genesis.h"
#include "consensus/state.h"
#include "consensus/valset.h"

/* One decode and encode of each kind; < 0 where the input is refused. */
static int vote(struct sn_str in, struct sn_arena *a, struct sn_buf *out)
{
    struct sn_cons_vote *v;
    int r = sn_cons_vote_decode(in, &v);
    if (r < 0) return r;
    r = sn_cons_vote_encode(v, out);
    sn_cons_vote_unref(v);
    return r < 0 ? 1 : 0;
}
static int proposal(struct sn_str in, struct sn_arena *a, struct sn_buf *out)
{
    struct sn_cons_proposal p;
    int r = sn_cons_proposal_decode(in, &p);
    return r < 0 ? r : sn_cons_proposal_encode(&p, out) < 0;
}
static int commit(struct sn_str in, struct sn_arena *a, struct sn_buf *out)
{
    struct sn_cons_commit c;
    int r = sn_cons_commit_decode(in, a, &c);
    return r < 0 ? r : sn_cons_commit_encode(&c, out) < 0;
}
static int ext_commit(struct sn_str in, struct sn_arena *a, struct sn_buf *out)
{
    struct sn_cons_commit c;
    int r = sn_cons_ext_commit_decode(in, a, &c);
    return r < 0 ? r : sn_cons_ext_commit_encode(&c, out) < 0;
}
static int light_block(struct sn_str in, struct sn_arena *a, struct sn_buf *out)
{
    struct sn_cons_light_block b;
    int r = sn_cons_light_block_decode(in, a, &b);
    return r < 0 ? r : sn_cons_light_block_encode(&b, out) < 0;
}
static int evidence(struct sn_str in, struct sn_arena *a, struct sn_buf *out)
{
    struct sn_cons_evidence ev;
    int r = sn_cons_evidence_decode(in, a, &ev);
    return r < 0 ? r : sn_cons_evidence_encode(&ev, out) < 0;
}
static int block(struct sn_str in, struct sn_arena *a, struct sn_buf *out)
{
    struct sn_cons_block *b;
    int r = sn_cons_block_decode(in, &b);
    if (r < 0) return r;
    r = sn_cons_block_encode(b, out) < 0;
    sn_cons_block_unref(b);
    return r;
}
static int msg(struct sn_str in, struct sn_arena *a, struct sn_buf *out)
{
    struct sn_cons_msg m;
    int r = sn_cons_msg_decode(in, a, &m);
    return r < 0 ? r : sn_cons_msg_encode(&m, out) < 0;
}
static int state(struct sn_str in, struct sn_arena *a, struct sn_buf *out)
{
    struct sn_cons_state *s;
    int r = sn_cons_state_decode(in, &s);
    if (r < 0) return r;
    r = sn_cons_state_encode(s, out) < 0;
    sn_cons_state_unref(s);
    return r;
}
static int valset(struct sn_str in, struct sn_arena *a, struct sn_buf *out)
{
    struct sn_cons_valset *s;
    int r = sn_cons_valset_decode(in, &s);
    if (r < 0) return r;
    r = sn_cons_valset_encode(s, out) < 0;
    if (!r && s->total > 0) sn_cons_valset_advance(s, 3);
    sn_cons_valset_unref(s);
    return r;
}
static int genesis(struct sn_str in, struct sn_arena *a, struct sn_buf *out)
{
    struct sn_cons_genesis g;
    int r = sn_cons_genesis_parse(in, a, &g);
    return r < 0 ? r : sn_cons_genesis_print(&g, out) < 0;
}

static int (*const kinds[])(struct sn_str in, struct sn_arena *a, struct sn_buf *out) = {
    vote, proposal, commit, ext_commit, light_block, evidence, block, msg, state, valset, genesis};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    struct sn_arena a;
    struct sn_buf x, y;
    unsigned k = data[0] % SN_COUNT_OF(kinds);
    sn_arena_init(&a, NULL, 64u << 20);
    sn_buf_init(&x, 0);
    sn_buf_init(&y, 0);
    if (kinds[k](sn_str_of((const char *)data + 1, size - 1), &a, &x) >= 0) {
        if (x.err < 0 || kinds[k](sn_buf_view(&x), &a, &y) != 0) abort();
        if (!sn_str_eq(sn_buf_view(&x), sn_buf_view(&y))) abort();
    }
    sn_buf_done(&x);
    sn_buf_done(&y);
    sn_arena_done(&a);
    return 0;
}
