/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-bpf/text.h - services as text, for `sennit-bpf sync`: where no gateway speaks. Pure.
 *
 *   ttl 2s                                 # without it services never lapse
 *   service shop tcp 10.96.0.10:80 closed  # or open, or pass; then perhaps sticky
 *     live 10.1.0.1:8080 3                 # a weight, else 1
 *     via 127.0.0.1:8080                   # the gateway's listener
 *     direct 10.1.0.1:8080                 # for open
 */
#pragma once
#include "gateway/takeover_wire.h"

#define TK_TEXT_MAX (4u << 20)

/* tk_text_read - lists are the arena's, names borrow the text. Returns 0, SN_E_SYNTAX (the
 * diagnostic has the line), SN_E_INVALID_ARGUMENT as sn_tkw_check, SN_E_NOMEM. */
int tk_text_read(struct sn_arena *a, struct sn_str text, struct sn_tkw_snapshot *ret) SN_MUST_CHECK;
