/* SPDX-License-Identifier: Apache-2.0 */
/* zk/witness/levels_int.h - which components of a program can run beside each other. */
#pragma once
#include "zk/witness/prog.h"

/* A piece of code in levels: within one, instructions in their order, then components that depend on
 * nothing but what came before. */
struct sn_wlevels {
    struct sn_wins *ins; /* of all levels, without the components */
    uint32_t *subs;      /* the components, by level */
    struct sn_wlevel {
        uint32_t ins_end, subs_end;
    } *level;
    uint32_t n_levels;
};
/* sn_wcosts - instructions of each instance with those of its sub-components, loops counted once.
 * Returns them, or NULL without memory. Owns: sn_free. */
uint64_t *sn_wcosts(const struct sn_witness_prog *p);
/* Which components are heavy: those that cost `min` or more. */
struct sn_wheavy {
    const uint64_t *cost;
    uint64_t min;
};
/* sn_wlevels_make - the levels of an instance's code. Returns 1; 0 where no two heavy components stand
 * beside each other, or where jumps decide; SN_E_NOMEM. Owns: *ret, sn_wlevels_done, where it is 1. */
int sn_wlevels_make(const struct sn_witness_prog *p, const struct sn_winstance *inst,
                    struct sn_wheavy heavy, struct sn_wlevels *ret) SN_MUST_CHECK;
void sn_wlevels_done(struct sn_wlevels *l);
/* sn_wlogs - whether a program writes log lines: these come in order, so nothing runs beside it. */
bool sn_wlogs(const struct sn_witness_prog *p);
