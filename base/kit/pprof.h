/* SPDX-License-Identifier: Apache-2.0 */
/* kit/pprof.h - profiles in pprof's format: collects stacks with values, symbolises them in this
 * process and writes the gzipped profile.proto that `go tool pprof` reads.
 * Context: as kit/symbol.h: sn_pprof_write is for the blocking pool; the rest does not block. */
#pragma once
#include "core/arena.h"
#include "core/buf.h"
#include "core/map.h"
#include "core/status.h"

#define SN_PPROF_VALUES_MAX 4

struct sn_pprof_type {
    const char *type, *unit;
};
struct sn_pprof_label {
    const char *key, *str; /* str NULL: num */
    int64_t num;
    const char *unit;
};
struct perftools_profiles_profile;

struct sn_pprof {
    struct sn_arena arena;
    struct perftools_profiles_profile *profile;
    struct sn_map strings, locations, functions, samples;
    unsigned n_values;
    int err; /* sticky; sn_pprof_write returns it */
};
/* sn_pprof_init - types: n (<= SN_PPROF_VALUES_MAX) kinds of value, the last is the default unless
 * `default_type` names another. Owns: sn_pprof_done. */
void sn_pprof_init(struct sn_pprof *p, const struct sn_pprof_type *types, unsigned n,
                   const char *default_type);
void sn_pprof_done(struct sn_pprof *p);
/* sn_pprof_period - what one sample stands for, and when and how long it was collected. */
void sn_pprof_period(struct sn_pprof *p, struct sn_pprof_type type, int64_t period);
void sn_pprof_time(struct sn_pprof *p, int64_t wall_ns, int64_t duration_ns);
void sn_pprof_comment(struct sn_pprof *p, const char *text);
/* sn_pprof_add - adds `values` to the sample with this stack and label; label may be NULL.
 * leaf_exact: pcs[0] is an instruction, not a return address. */
void sn_pprof_add(struct sn_pprof *p, const uintptr_t *pcs, unsigned n_pcs, bool leaf_exact,
                  const int64_t *values, const struct sn_pprof_label *label);
/* sn_pprof_write - symbolises and appends the gzipped profile.
 * Returns 0, SN_E_NOMEM, SN_E_TOO_LARGE (out's limit). Blocks. */
int sn_pprof_write(struct sn_pprof *p, struct sn_buf *out) SN_MUST_CHECK;
/* sn_pprof_text - the debug=1 form: `title` and the total, then per stack its values, its
 * addresses and what they are, largest first. Returns as sn_pprof_write. Blocks. */
int sn_pprof_text(struct sn_pprof *p, const char *title, struct sn_buf *out) SN_MUST_CHECK;
