/* SPDX-License-Identifier: Apache-2.0 */
/* task/streams.h - the standard streams of a container's process.
 *
 * Three kinds: descriptors that the caller gives and serves itself (CRI's logs); named fifos, files
 * and logger programs, as containerd names them (path or fifo://, file://, binary://), moved by
 * splice(2) in one fiber per stream; and a terminal, whose master end is moved the same way or left
 * to the caller. An output that nobody reads holds the process back, as a pipe does. */
#pragma once
#include "core/base.h"
#include "core/str.h"

struct sn_stdio;

#define SN_STDIO_CHUNK (64u << 10)             /* moved at a time; the default size of a pipe */
#define SN_STDIO_LOGGER_ARGS_MAX 64u           /* of a binary:// URI */
#define SN_STDIO_LOGGER_READY_NS (10 * SN_SEC) /* for a logger to say that it is ready */
#define SN_STDIO_READER_NS (5 * SN_SEC) /* for the reader of a fifo to come; then without one */
#define SN_STDIO_DRAIN_NS (10 * SN_SEC)        /* for output left after the process has ended */

struct sn_stdio_opts {
    bool terminal;
    /* Names as containerd gives them; NULL or "" is /dev/null. With a terminal there is no err. */
    const char *in, *out, *err;
    /* The caller's own instead: fds[i] is given to the process as it is (-1: /dev/null), borrowed
     * until create or start returns. With a terminal: the master end is left to the caller, see
     * sn_task_console. */
    bool use_fds;
    int fds[3];
    unsigned width, height; /* of a terminal at its start; 0: as the system has it */
    /* What a logger program is told: its environment's CONTAINER_ID and CONTAINER_NAMESPACE. */
    const char *logger_id, *logger_namespace;
};
