/* SPDX-License-Identifier: Apache-2.0 */
/* wire/ws.h - WebSocket frames, sans I/O: heads, masking, fragmentation, UTF-8, close codes.
 * Sources: RFC 6455; RFC 7692 for permessage-deflate, without which the RSV bits must be clear. */
#pragma once
#include "core/buf.h"
#include "core/str.h"

enum sn_ws_op {
    SN_WS_OP_CONT = 0,
    SN_WS_OP_TEXT = 1,
    SN_WS_OP_BINARY = 2,
    SN_WS_OP_CLOSE = 8,
    SN_WS_OP_PING = 9,
    SN_WS_OP_PONG = 10,
};
#define SN_WS_CONTROL_MAX 125u
#define SN_WS_HEAD_MAX 14u
#define SN_WS_RSV1 0x40u /* or-ed to the op of a compressed message's first frame */
#define SN_WS_MESSAGE_BYTES_MAX (1u << 20) /* default of message_bytes_max */
/* Frames a message may be cut into: a stream of empty fragments is work without data. */
#define SN_WS_FRAGMENTS_MAX 65536u

enum { /* close codes of section 7.4 that we send or look at */
    SN_WS_NORMAL = 1000,
    SN_WS_GOING_AWAY = 1001,
    SN_WS_PROTOCOL_ERROR = 1002,
    SN_WS_UNSUPPORTED = 1003,
    SN_WS_NO_STATUS = 1005, /* never on the wire */
    SN_WS_ABNORMAL = 1006,  /* never on the wire */
    SN_WS_INVALID_DATA = 1007,
    SN_WS_POLICY = 1008,
    SN_WS_TOO_BIG = 1009,
    SN_WS_INTERNAL = 1011,
};

/* sn_ws_mask - XORs n bytes with the key, starting at the key's byte `phase`; dst may be src. */
void sn_ws_mask(uint8_t *dst, const uint8_t *src, size_t n, const uint8_t key[4], unsigned phase);
/* sn_ws_head_put - a frame head; key NULL = unmasked. Returns its length. */
size_t sn_ws_head_put(uint8_t out[SN_WS_HEAD_MAX], enum sn_ws_op op, bool fin, uint64_t len,
                      const uint8_t *key);
/* sn_ws_code_valid - whether a peer may send this close code (1000-1003, 1007-1011, 3000-4999). */
bool sn_ws_code_valid(unsigned code);

/* Incremental UTF-8: state 0 is "at a character boundary". Returns false at the first bad byte. */
struct sn_utf8_state {
    uint8_t left, lo, hi; /* bytes missing; bounds of the next one */
};
bool sn_utf8_feed(struct sn_utf8_state *s, const uint8_t *p, size_t n);

struct sn_ws_decoder {
    size_t message_bytes_max;
    bool expect_mask; /* a server's: clients must mask, servers must not */
    bool deflate;     /* permessage-deflate was agreed: set after sn_ws_decoder_init */
    bool compressed;  /* the message just decoded is, and its UTF-8 unchecked */
    /* own */
    uint8_t head[SN_WS_HEAD_MAX];
    uint8_t head_len, head_need;
    bool in_frame, fin, in_message;
    uint8_t op, message_op;
    uint8_t key[4];
    unsigned phase;
    uint64_t left;
    unsigned fragments;
    bool rsv1;
    struct sn_utf8_state utf8;
    uint8_t control[SN_WS_CONTROL_MAX];
    uint8_t control_len;
    int close_code; /* after SN_WS_OP_CLOSE: the peer's, SN_WS_NO_STATUS without one */
    const char *why; /* after a failure: static text */
};
/* sn_ws_decoder_init - message_bytes_max 0 = SN_WS_MESSAGE_BYTES_MAX. */
void sn_ws_decoder_init(struct sn_ws_decoder *d, bool expect_mask, size_t message_bytes_max);
/* sn_ws_decode - takes bytes off the front of *in (unmasking into `msg`, which the caller empties
 * after each message). Returns SN_WS_OP_TEXT or _BINARY when `msg` holds a whole message, _PING,
 * _PONG or _CLOSE with d->control, SN_E_AGAIN when *in is used up, SN_E_PROTOCOL (answer 1002),
 * SN_E_SYNTAX (invalid UTF-8: 1007), SN_E_TOO_LARGE (1009), SN_E_NOMEM. */
int sn_ws_decode(struct sn_ws_decoder *d, struct sn_str *in, struct sn_buf *msg) SN_MUST_CHECK;
/* sn_ws_deflate_offered - server: whether one of the offers in a Sec-WebSocket-Extensions field is
 * acceptable. Then ret_answer is what to answer and *ret_window_bits the most for sn_ws_deflate. */
#define SN_WS_DEFLATE_ANSWER_MAX 128u
bool sn_ws_deflate_offered(struct sn_str offers, unsigned *ret_window_bits,
                           char ret_answer[SN_WS_DEFLATE_ANSWER_MAX]);
/* What a client offers, and whether the answer to it can be accepted. */
#define SN_WS_DEFLATE_OFFER \
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
bool sn_ws_deflate_answered(struct sn_str answer);
/* sn_ws_deflate - appends the message compressed. Returns 0, SN_E_NOMEM, SN_E_TOO_LARGE. */
int sn_ws_deflate(struct sn_str in, unsigned window_bits, struct sn_buf *out) SN_MUST_CHECK;
/* sn_ws_inflate - appends a whole message decompressed, at most bytes_max. Returns 0, SN_E_TOO_LARGE
 * (as soon as it is known), SN_E_SYNTAX (not a compressed message, or cut), SN_E_NOMEM. */
int sn_ws_inflate(struct sn_str in, size_t bytes_max, struct sn_buf *out) SN_MUST_CHECK;
/* sn_ws_error_code - the close code to answer a failure of sn_ws_decode with. */
int sn_ws_error_code(int status);
