/* SPDX-License-Identifier: Apache-2.0 */
/* cri/spdy.h - SPDY/3.1 frames, sans I/O, server's side: what exec, attach and port-forward still speak.
 *
 * Headers are compressed by zlib over the life of a connection with a fixed dictionary. There is no flow control
 * here: the one client there is (moby/spdystream) knows none. WINDOW_UPDATE, SETTINGS and HEADERS are read over.
 * Source: SPDY Protocol, draft 3.1. */
#pragma once
#include <zlib.h>

#include "core/buf.h"
#include "core/str.h"

#define SN_SPDY_CONTROL_MAX (64u << 10) /* bytes of a control frame */
#define SN_SPDY_HEADERS_MAX 64u
#define SN_SPDY_HEADER_BYTES_MAX (64u << 10) /* uncompressed */
#define SN_SPDY_DATA_MAX 0xffffffu

enum sn_spdy_type {
    SN_SPDY_DATA = 0,
    SN_SPDY_SYN_STREAM = 1,
    SN_SPDY_SYN_REPLY = 2,
    SN_SPDY_RST_STREAM = 3,
    SN_SPDY_SETTINGS = 4,
    SN_SPDY_PING = 6,
    SN_SPDY_GOAWAY = 7,
    SN_SPDY_HEADERS = 8,
    SN_SPDY_WINDOW_UPDATE = 9,
};
struct sn_spdy_header {
    struct sn_str name, value;
};
struct sn_spdy_frame { /* strings live until the next call */
    enum sn_spdy_type type;
    uint32_t stream;  /* PING: its id */
    bool fin;         /* DATA: with the frame's last piece */
    struct sn_str data;
    struct sn_spdy_header headers[SN_SPDY_HEADERS_MAX];
    unsigned n_headers;
};
struct sn_spdy {
    z_stream in, out;
    struct sn_buf held;    /* an incomplete frame head or control frame */
    struct sn_buf block;   /* uncompressed headers */
    uint32_t data_left, data_stream;
    bool data_fin, have_z;
};
/* sn_spdy_init - Returns 0 or SN_E_NOMEM. Owns: sn_spdy_done. */
int sn_spdy_init(struct sn_spdy *s) SN_MUST_CHECK;
void sn_spdy_done(struct sn_spdy *s);
/* sn_spdy_next - takes bytes off *in. Returns 1 with a frame, or a piece of a DATA frame; 0 where more bytes
 * are needed; SN_E_PROTOCOL, SN_E_TOO_LARGE, SN_E_NOMEM: the connection is over. */
int sn_spdy_next(struct sn_spdy *s, struct sn_str *in, struct sn_spdy_frame *ret) SN_MUST_CHECK;
/* sn_spdy_header_get - .ptr NULL where absent; names are compared without case. */
struct sn_str sn_spdy_header_get(const struct sn_spdy_frame *f, const char *name);

/* Writing: each appends one frame. */
int sn_spdy_put_reply(struct sn_spdy *s, uint32_t stream, struct sn_buf *out);
/* sn_spdy_put_syn - a client's SYN_STREAM: for tests. */
int sn_spdy_put_syn(struct sn_spdy *s, uint32_t stream, const struct sn_spdy_header *h, unsigned n, struct sn_buf *out);
int sn_spdy_put_data(uint32_t stream, bool fin, struct sn_str data, struct sn_buf *out); /* at most SN_SPDY_DATA_MAX */
int sn_spdy_put_rst(uint32_t stream, uint32_t status, struct sn_buf *out);
int sn_spdy_put_ping(uint32_t id, struct sn_buf *out);
int sn_spdy_put_goaway(uint32_t last, struct sn_buf *out);
