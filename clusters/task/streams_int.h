/* SPDX-License-Identifier: Apache-2.0 */
/* task/streams_int.h - the streams of one process, from their names to their end. */
#pragma once
#include "clusters/task/streams.h"
#include "fiber/fiber.h"
#include "fiber/sync.h"

struct sn_stdio {
    bool terminal, use_fds;
    int child[3]; /* for the process, ours until it has started; -1: /dev/null */
    int keep[3];  /* our ends: they hold the stream open while nobody else does */
    int console;  /* the terminal's master end */
    unsigned width, height;
    int logger, logger_pidfd; /* the logger program's */
    bool ended;
    struct stdio_pump {
        struct sn_stdio *io;
        struct sn_fiber *fiber; /* while it runs */
        bool on;
        struct sn_event done;
    } in, out; /* of a terminal */
};
/* sn_stdio_open - what the names say. Returns 0, SN_E_NOT_FOUND, SN_E_INVALID_ARGUMENT (the URI),
 * SN_E_FILES, SN_E_NOMEM, SN_E_DEADLINE_EXCEEDED (a logger that does not get ready). Owns:
 * sn_stdio_free. Suspends where a logger is started, or the reader of a fifo has not come yet. */
int sn_stdio_open(const struct sn_stdio_opts *o, struct sn_stdio **ret) SN_MUST_CHECK;
/* sn_stdio_started - the process has its descriptors: ours of them are closed. console: the
 * terminal's master end, taken over, or -1; worker: where it is moved. Returns 0, or what keeps the
 * terminal from being served. */
int sn_stdio_started(struct sn_stdio *io, int console, unsigned worker) SN_MUST_CHECK;
void sn_stdio_close_stdin(struct sn_stdio *io);
int sn_stdio_resize(struct sn_stdio *io, unsigned width, unsigned height) SN_MUST_CHECK;
/* sn_stdio_ended - the process has ended: waits for what the terminal still holds,
 * SN_STDIO_DRAIN_NS at most, then lets go of the streams, so that their readers come to an end.
 * Suspends. Context: the worker given to sn_stdio_started. */
void sn_stdio_ended(struct sn_stdio *io);
/* sn_stdio_free - also of a process that never was. Accepts NULL. Context as sn_stdio_ended. */
void sn_stdio_free(struct sn_stdio *io);
