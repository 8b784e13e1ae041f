/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-bpf/tables.h - from a service as the gateway names it to the bytes the programs read.
 * Pure. */
#pragma once
#include "bpf/takeover.h"
#include "gateway/takeover_wire.h"

/* tk_addr - address and port as the maps have them. */
struct sn_tk_addr tk_addr(const uint8_t ip[16], uint16_t port);
/* tk_key - the key of a service. */
struct sn_tk_key tk_key(const struct sn_tkw_service *v);
/* tk_table_build - back-ends sorted, Maglev's slots filled by weight: the same back-ends in another
 * order give the same bytes. counters: the service's index there. v: sound (sn_tkw_check). ret is
 * the caller's, 28 KiB. Returns 0 or SN_E_NOMEM. */
int tk_table_build(const struct sn_tkw_service *v, uint32_t counters,
                   struct sn_tk_table *ret) SN_MUST_CHECK;
