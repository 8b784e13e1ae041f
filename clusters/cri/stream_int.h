/* SPDX-License-Identifier: Apache-2.0 */
/* cri/stream_int.h - one exec, attach or port-forward, whatever carries it.
 *
 * A carrier (SPDY/3.1 or WebSocket) is a few byte streams over one connection. The session code
 * sees channels: it writes to them, and is told what comes in. */
#pragma once
#include "clusters/cri/cri_int.h"
#include "kit/http.h"

enum cri_channel {
    CRI_CH_STDIN,
    CRI_CH_STDOUT,
    CRI_CH_STDERR,
    CRI_CH_ERROR,
    CRI_CH_RESIZE,
    CRI_CHANNELS
};

/* cri_failure - the failure `r` with its diagnostic as the status object of a command that did not
 * start: its reason says whether the program was not there, or may not be run. */
void cri_failure(struct sn_buf *out, int r);

/* What a carrier offers to a remote command. */
struct cri_carrier {
    /* write - all of it; any fiber of the worker, serialised. */
    int (*write)(struct cri_carrier *c, enum cri_channel ch, struct sn_str data);
    /* finish - no more on this channel (where the protocol can say so). */
    void (*finish)(struct cri_carrier *c, enum cri_channel ch);
};
/* The session, as a carrier feeds it. */
struct cri_session;
/* cri_session_start - runs the command or attaches. Its end is told on CRI_CH_ERROR, as JSON. */
int cri_session_start(struct sn_cri *s, const struct cri_stream *st, struct cri_carrier *c,
                      struct cri_session **ret) SN_MUST_CHECK;
/* cri_session_input - data of STDIN or RESIZE. Suspends while the process does not read. */
int cri_session_input(struct cri_session *ss, enum cri_channel ch, struct sn_str data);
/* cri_session_input_end - the client has ended its standard input. */
void cri_session_input_end(struct cri_session *ss);
/* cri_session_gone - the connection has ended: the session is to end soon. */
void cri_session_gone(struct cri_session *ss);
/* cri_session_wait - until the command has ended and its status was written. Then it may be freed.
 */
int cri_session_wait(struct cri_session *ss) SN_MUST_CHECK;
void cri_session_free(struct cri_session *ss);

/* A byte stream below SPDY: the upgraded connection, or a WebSocket that tunnels it. */
struct cri_conn {
    ssize_t (*read)(struct cri_conn *c, void *buf, size_t cap); /* as sn_read */
    int (*write)(struct cri_conn *c, struct sn_str data);
    void (*shut)(struct cri_conn *c); /* no more is written */
};
/* cri_spdy_run - a whole SPDY connection; streams are opened by the client. rest: bytes read
 * already. */
int cri_spdy_run(struct sn_cri *s, const struct cri_stream *st, struct cri_conn *c,
                 struct sn_str rest) SN_MUST_CHECK;
/* cri_stream_serve - the request of a URL: upgrades it and carries it to its end. */
int cri_stream_serve(struct sn_cri *s, struct sn_http_x *x, struct cri_stream *st) SN_MUST_CHECK;
int cri_ws_serve(struct sn_cri *s, struct sn_http_x *x, struct cri_stream *st) SN_MUST_CHECK;
int cri_spdy_serve(struct sn_cri *s, struct sn_http_x *x, struct cri_stream *st) SN_MUST_CHECK;
/* cri_forward_dial - a connection to a port of the pod's own loopback. */
int cri_forward_dial(struct sn_cri *s, const char *pod, unsigned port,
                     struct sn_stream **ret) SN_MUST_CHECK;
