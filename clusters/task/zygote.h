/* SPDX-License-Identifier: Apache-2.0 */
/* task/zygote.h - a small process that starts containers for a large one.
 *
 * Cloning a process copies its page tables and, where it has threads, stalls them: a daemon with
 * hundreds of megabytes pays milliseconds for each container. The zygote is forked before the
 * daemon grows and does the cloning for it. The containers' processes are its children: it keeps
 * what is left of each until the task layer asks for its exit status. Requests and descriptors go
 * over one socket pair; the zygote ends when the daemon's end of it is closed, and its containers
 * run on. */
#pragma once
#include "core/base.h"

struct sn_zygote;

#define SN_ZYGOTE_MESSAGE_MAX (4u << 20) /* bytes of one request: config.json and names */

/* sn_zygote_start - forks it. Returns 0, SN_E_NOMEM, SN_E_FILES, SN_E_UNAVAILABLE.
 * Owns: *ret, for sn_zygote_stop. Context: the first thing in main, while there is one thread. */
int sn_zygote_start(struct sn_zygote **ret) SN_MUST_CHECK;
/* sn_zygote_stop - closes its socket and waits for its end. Accepts NULL. */
void sn_zygote_stop(struct sn_zygote *z);
