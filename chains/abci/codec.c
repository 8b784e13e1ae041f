/* SPDX-License-Identifier: Apache-2.0 */
/* abci/codec.c - see codec.h. */
#include "abci/codec.h"

#include "core/varint.h"

ssize_t sn_abci_frame(struct sn_str in, size_t body_max, struct sn_str *ret_body, size_t *ret_want)
{
    uint64_t len = 0;
    if (ret_want) *ret_want = 0;
    int n = sn_varint_get(in, &len);
    if (n < 0) return sn_fail(SN_E_SYNTAX, "abci: the length of a message has more than 64 bits");
    if (n == 0) return 0;
    if (len > body_max)
        return sn_fail(SN_E_TOO_LARGE, "abci: message of %llu bytes, limit %zu",
                       (unsigned long long)len, body_max);
    if (ret_want) *ret_want = (size_t)n + (size_t)len;
    if (in.len - (size_t)n < len) return 0;
    *ret_body = sn_str_of(in.ptr + n, (size_t)len);
    return (ssize_t)((size_t)n + (size_t)len);
}

/* The encoder writes a message as a whole, so room for its length is left in front: for the one
 * byte most messages take, and the rest is moved where that was not enough. */
static int put(struct sn_buf *out, const struct sn_pb_desc *d, const void *msg)
{
    size_t at = out->len;
    if (sn_buf_byte(out, 0) < 0) return out->err;
    ssize_t len = sn_pb_encode(d, msg, out);
    if (len < 0) {
        out->len = at;
        return (int)len;
    }
    size_t n = sn_varint_len((uint64_t)len);
    if (n > 1) {
        if (sn_buf_reserve(out, n - 1) < 0) {
            out->len = at;
            return out->err;
        }
        memmove(out->ptr + at + n, out->ptr + at + 1, (size_t)len);
        out->len += n - 1;
    }
    (void)sn_varint_put(out->ptr + at, (uint64_t)len);
    return 0;
}

/* The members of a oneof of messages are pointers in one place: any of them sets the case's. */
_Static_assert(offsetof(struct tendermint_abci_request, echo) ==
                   offsetof(struct tendermint_abci_request, finalize_block),
               "one place for all requests");
_Static_assert(offsetof(struct tendermint_abci_response, echo) ==
                   offsetof(struct tendermint_abci_response, finalize_block),
               "one place for all responses");

static const struct tendermint_abci_request_echo nothing; /* every message begins like this one */

int sn_abci_put_request(struct sn_buf *out, enum sn_abci_method m, const void *msg)
{
    struct tendermint_abci_request q = {.value_case = sn_abci_method_info(m)->req_case};
    q.echo = (void *)(msg ? msg : &nothing);
    SN_DCHECK(msg || m == SN_ABCI_FLUSH || m == SN_ABCI_COMMIT || m == SN_ABCI_LIST_SNAPSHOTS);
    return put(out, &tendermint_abci_request_desc, &q);
}

int sn_abci_put_response(struct sn_buf *out, enum sn_abci_method m, const void *msg)
{
    struct tendermint_abci_response s = {.value_case = sn_abci_method_info(m)->res_case};
    s.echo = (void *)(msg ? msg : &nothing);
    SN_DCHECK(msg || m == SN_ABCI_FLUSH);
    return put(out, &tendermint_abci_response_desc, &s);
}

int sn_abci_put_exception(struct sn_buf *out, struct sn_str error)
{
    struct tendermint_abci_response_exception e = {.error = error};
    struct tendermint_abci_response s = {.value_case = TENDERMINT_ABCI_RESPONSE_VALUE_EXCEPTION};
    s.exception = &e;
    return put(out, &tendermint_abci_response_desc, &s);
}

int sn_abci_parse_request(struct sn_str body, unsigned flags, struct sn_arena *a, void **ret_msg)
{
    struct tendermint_abci_request *q;
    int r = tendermint_abci_request_parse(body, flags, a, &q);
    if (r < 0) return sn_wrap(r, "abci request");
    for (int m = 0; m < SN_ABCI_METHOD_COUNT; m++) {
        if (sn_abci_method_info(m)->req_case != q->value_case) continue;
        *ret_msg = q->echo;
        return m;
    }
    return sn_fail(SN_E_UNIMPLEMENTED,
                   "abci: a request of no kind that ABCI " SN_ABCI_VERSION " has");
}

int sn_abci_parse_response(struct sn_str body, unsigned flags, struct sn_arena *a, void **ret_msg,
                           struct sn_str *ret_error)
{
    struct tendermint_abci_response *s;
    int r = tendermint_abci_response_parse(body, flags, a, &s);
    if (r < 0) return sn_wrap(r, "abci response");
    if (s->value_case == TENDERMINT_ABCI_RESPONSE_VALUE_EXCEPTION) {
        if (ret_error) *ret_error = s->exception->error;
        return sn_fail(SN_E_ABORTED, "the application says: %.*s", SN_STR_ARG(s->exception->error));
    }
    for (int m = 0; m < SN_ABCI_METHOD_COUNT; m++) {
        if (sn_abci_method_info(m)->res_case != s->value_case) continue;
        *ret_msg = s->echo;
        return m;
    }
    return sn_fail(SN_E_PROTOCOL, "abci: a response of no kind that ABCI " SN_ABCI_VERSION " has");
}
