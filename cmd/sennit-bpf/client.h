/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-bpf/client.h - the commands that ask a running loader. Blocking, ten seconds at most. */
#pragma once
#include "core/arena.h"
#include "gateway/takeover_wire.h"

/* tk_client_open - connects and greets. Returns the descriptor or SN_E_*. */
int tk_client_open(const char *socket_path) SN_MUST_CHECK;
/* tk_client_call - sends one frame and reads its answer, whose body is the arena's. An answer
 * REFUSED is SN_E_FAILED_PRECONDITION with its text; one of another type than `want` SN_E_PROTOCOL.
 */
int tk_client_call(int fd, const struct sn_buf *frame, enum sn_tkw_type want, struct sn_arena *a,
                   struct sn_str *ret_body) SN_MUST_CHECK;
