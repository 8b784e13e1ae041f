/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/reactors/evidence.h - what proves that validators broke the rules, from peers and to
 * them (channel 38): each pending piece to each peer that can check it (it has the block after it,
 * and does not find it too old), at once, and again every SN_EVIDENCE_AGAIN_NS while it is not in a
 * block. A piece that is wrong ends its sender's connection; one that only cannot be checked here
 * does not. Source: CometBFT v0.38.25 evidence/reactor.go. */
#pragma once
#include "consensus/node/evidence_keeper.h"
#include "consensus/p2p/switch.h"

#define SN_EVIDENCE_CHANNEL 0x38
#define SN_EVIDENCE_BYTES_MAX (1u << 20) /* of a message */
#define SN_EVIDENCE_AGAIN_NS (10 * SN_SEC)
#define SN_EVIDENCE_BEHIND_NS (500 * SN_MS) /* how often a peer that is behind is looked at */

struct sn_evidence_reactor;
/* sn_evidence_reactor_new - adds its reactor to the switch; both are borrowed. Returns 0, as
 * sn_switch_add_reactor, SN_E_NOMEM. */
int sn_evidence_reactor_new(struct sn_switch *sw, struct sn_evidence_keeper *keeper,
                            struct sn_evidence_reactor **ret) SN_MUST_CHECK;
/* sn_evidence_reactor_free - after the switch's run has ended. */
void sn_evidence_reactor_free(struct sn_evidence_reactor *x);

/* sn_evidence_list_next - the encoded pieces of an EvidenceList one after the other, as parts of
 * it; *at starts at 0. Returns 1, 0 at the end, SN_E_PROTOCOL. */
int sn_evidence_list_next(struct sn_str list, size_t *at, struct sn_str *ret) SN_MUST_CHECK;
