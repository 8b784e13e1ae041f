/* SPDX-License-Identifier: Apache-2.0 */
/* task/logger_int.h - logger programs (binary:// names): they read a process's output on
 * descriptors 3 (stdout) and 4 (stderr) and close 5 when they are ready. */
#pragma once
#include "core/base.h"

/* sn_logger_start - uri: binary:///path?name=value&...; its names and values become arguments.
 * outputs: what it reads, borrowed. Waits until it is ready. Returns 0, SN_E_INVALID_ARGUMENT,
 * SN_E_NOT_FOUND, SN_E_DEADLINE_EXCEEDED after SN_STDIO_LOGGER_READY_NS, SN_E_FILES. Suspends. */
int sn_logger_start(const char *uri, const char *id, const char *ns, const int outputs[2],
                    int *ret_pid, int *ret_pidfd) SN_MUST_CHECK;
/* sn_logger_end - its outputs are closed: waits SN_STDIO_DRAIN_NS for its end, then kills it.
 * Suspends. */
void sn_logger_end(int *pid, int *pidfd);
