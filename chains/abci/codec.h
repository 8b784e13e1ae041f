/* SPDX-License-Identifier: Apache-2.0 */
/* abci/codec.h - the socket protocol of ABCI, without I/O: each message is a varint of its length
 * and a Request or Response. Answers come in the order of the requests. Context of every function:
 * any thread, none suspends. Source: docs.cometbft.com/v0.38/spec/abci/abci++_client_server. */
#pragma once
#include "abci/app.h"
#include "core/buf.h"

/* sn_abci_frame - looks for a whole message at the beginning of `in`. *ret_body: its encoding,
 * without the length, borrowed. ret_want: may be NULL; bytes the message takes as soon as that is
 * known. Returns the bytes it takes (> 0); 0 where more must be read first (*ret_want is then 0 or
 * how much the whole message will take); SN_E_SYNTAX (a length of more than 64 bits),
 * SN_E_TOO_LARGE (a body of more than body_max bytes). */
ssize_t sn_abci_frame(struct sn_str in, size_t body_max, struct sn_str *ret_body,
                      size_t *ret_want) SN_MUST_CHECK;

/* sn_abci_put_request, _response - append a whole message. msg: the method's own; NULL is an empty
 * one. Return 0; SN_E_NOMEM, SN_E_TOO_LARGE; `out` is then as before. */
int sn_abci_put_request(struct sn_buf *out, enum sn_abci_method m, const void *msg) SN_MUST_CHECK;
int sn_abci_put_response(struct sn_buf *out, enum sn_abci_method m, const void *msg) SN_MUST_CHECK;
int sn_abci_put_exception(struct sn_buf *out, struct sn_str error) SN_MUST_CHECK;

/* sn_abci_parse_request - a body from sn_abci_frame. flags: of enum sn_pb_decode_flag.
 * Returns the method, *ret_msg in `a`; as sn_pb_decode; SN_E_UNIMPLEMENTED where the request is
 * none this version knows. */
int sn_abci_parse_request(struct sn_str body, unsigned flags, struct sn_arena *a,
                          void **ret_msg) SN_MUST_CHECK;
/* sn_abci_parse_response - the same of a response; SN_E_ABORTED for an exception, whose text is the
 * diagnostic and, where ret_error is given, *ret_error. */
int sn_abci_parse_response(struct sn_str body, unsigned flags, struct sn_arena *a, void **ret_msg,
                           struct sn_str *ret_error) SN_MUST_CHECK;
