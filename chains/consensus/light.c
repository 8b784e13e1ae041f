/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/light.c - adjacent, skipping and backward verification. */
#include "consensus/light.h"

#include "consensus/check.h"
#include "consensus/hash.h"

static int bad(const char *what) { return sn_fail(SN_E_INVALID_ARGUMENT, "light block: %s", what); }

/* Whether a + ns is after b; ns >= 0. */
static bool after(struct sn_cons_time a, int64_t ns, struct sn_cons_time b)
{
    return sn_cons_time_sub(b, a) < ns;
}

static int check_new(const struct sn_cons_light_opts *o, const struct sn_cons_header *trusted,
                     const struct sn_cons_light_block *b, struct sn_cons_time now)
{
    int r = sn_cons_check_light_block(b);
    if (r < 0) return sn_wrap(r, "light block");
    if (!sn_str_eq(sn_cons_header_chain(&b->header), sn_cons_header_chain(trusted)))
        return bad("it is of another chain");
    if (b->header.height <= trusted->height)
        return sn_fail(SN_E_INVALID_ARGUMENT, "light block of height %lld, expected more than %lld",
                       (long long)b->header.height, (long long)trusted->height);
    if (sn_cons_time_cmp(b->header.time, trusted->time) <= 0)
        return bad("its time is not after the trusted header's");
    if (!after(now, o->drift_ns, b->header.time)) return bad("its time is in the future");
    return 0;
}

int sn_cons_light_verify(const struct sn_cons_light_opts *o,
                         const struct sn_cons_light_trusted *trusted,
                         const struct sn_cons_light_block *block, struct sn_cons_time now)
{
    const struct sn_cons_header *t = trusted->header, *h = &block->header;
    struct sn_str chain = sn_cons_header_chain(t);
    if (!after(t->time, o->trusting_ns, now))
        return sn_fail(SN_E_FAILED_PRECONDITION, "trusted header of height %lld has expired",
                       (long long)t->height);
    int r = check_new(o, t, block, now);
    if (r < 0) return r;
    if (h->height == t->height + 1) {
        if (!sn_cons_hash_eq(&h->validators_hash, &t->next_validators_hash))
            return bad("its validators are not those the trusted header names");
    } else {
        struct sn_cons_fraction level = o->level.den ? o->level : (struct sn_cons_fraction){1, 3};
        r = sn_cons_commit_verify_trusting(o->verifier, chain, trusted->next_vals, &block->commit,
                                           level, 0);
        if (r == SN_E_FAILED_PRECONDITION) return SN_E_AGAIN;
        if (r < 0) return r;
    }
    r = sn_cons_commit_verify_light(o->verifier, chain, block->vals, &block->commit, h->height,
                                    &block->commit.block_id, 0);
    /* Too few of its own validators is no matter of trust: such a block cannot be. */
    return r == SN_E_FAILED_PRECONDITION ? sn_wrap(SN_E_INVALID_ARGUMENT, "light block") : r;
}

int sn_cons_light_verify_back(const struct sn_cons_header *trusted,
                              const struct sn_cons_header *older)
{
    struct sn_cons_hash h;
    int r = sn_cons_check_header(older);
    if (r < 0) return r;
    if (!sn_str_eq(sn_cons_header_chain(older), sn_cons_header_chain(trusted)))
        return bad("it is of another chain");
    if (sn_cons_time_cmp(older->time, trusted->time) >= 0)
        return bad("its time is not before the trusted header's");
    if ((r = sn_cons_header_hash(older, &h)) < 0) return r;
    if (!sn_cons_hash_eq(&h, &trusted->last_block_id.hash))
        return bad("it is not the block the trusted header follows");
    return 0;
}
