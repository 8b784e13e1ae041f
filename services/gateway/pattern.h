/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/pattern.h - regular expressions for routing: PCRE2 behind limits.
 * A pattern from a configuration file meets bytes from a stranger, so a match has a step limit
 * (exceeding it counts as "does not match") and never runs on a fiber's small stack. */
#pragma once
#include "core/arena.h"
#include "core/str.h"

struct sn_gw_regex;

/* Working memory of matches; one per worker, shared by all patterns of a snapshot. */
struct sn_gw_regex_ctx;

#define SN_GW_REGEX_PATTERN_MAX 4096u /* bytes of one pattern */
#define SN_GW_REGEX_STEPS_MAX 100000u /* backtracking steps of one match */

/* sn_gw_regex_new - compiles `pattern`; it must match the whole subject.
 * Returns 0, SN_E_SYNTAX (the diagnostic has PCRE2's reason and the offset), SN_E_TOO_LARGE,
 * SN_E_NOMEM. Owns: *ret is the caller's. Context: needs some 50 KiB of stack; off the fibers. */
int sn_gw_regex_new(struct sn_str pattern, struct sn_gw_regex **ret) SN_MUST_CHECK;
void sn_gw_regex_free(struct sn_gw_regex *re);
/* sn_gw_regex_ctx_new - NULL without memory. */
struct sn_gw_regex_ctx *sn_gw_regex_ctx_new(void);
void sn_gw_regex_ctx_free(struct sn_gw_regex_ctx *ctx);
/* sn_gw_regex_match - whether all of `s` matches. Context: does not suspend; `ctx` not shared. */
bool sn_gw_regex_match(const struct sn_gw_regex *re, struct sn_gw_regex_ctx *ctx, struct sn_str s);
/* sn_gw_regex_replace - `to` with $0 (all of `s`), $1 to $9 (groups; empty where they took no part) and
 * $$ filled in, in `a`. Returns 0, SN_E_NOT_FOUND (does not match), SN_E_NOMEM. Context: as above. */
int sn_gw_regex_replace(const struct sn_gw_regex *re, struct sn_gw_regex_ctx *ctx, struct sn_str s,
                        struct sn_str to, struct sn_arena *a, struct sn_str *ret) SN_MUST_CHECK;
