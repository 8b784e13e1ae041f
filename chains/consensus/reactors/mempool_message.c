/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/reactors/mempool_message.c - tendermint.mempool.Message by hand: a list of empty
 * transactions costs a peer two bytes each, and a parser that makes a record of each much more. */
#include "consensus/reactors/mempool.h"
#include "core/buf.h"
#include "core/varint.h"

#define FIELD 1 /* Message.txs and Txs.txs alike */
enum { VARINT = 0, I64 = 1, BYTES = 2, I32 = 5 };

struct field {
    uint64_t number;
    unsigned wire;
    struct sn_str bytes; /* of BYTES */
};
/* The field at *at. Returns 1 and moves on, 0 at the end, SN_E_SYNTAX. */
static int next_field(struct sn_str in, size_t *at, struct field *ret)
{
    uint64_t tag, v;
    struct sn_str rest = sn_str_from(in, *at);
    if (rest.len == 0) return 0;
    int n = sn_varint_get(rest, &tag);
    if (n <= 0 || tag >> 3 == 0 || tag >> 3 > 0x1fffffff) return SN_E_SYNTAX;
    rest = sn_str_from(rest, (size_t)n);
    *ret = (struct field){.number = tag >> 3, .wire = (unsigned)tag & 7};
    size_t size = ret->wire == I64 ? 8 : 4;
    if (ret->wire == VARINT || ret->wire == BYTES) {
        n = sn_varint_get(rest, &v);
        if (n <= 0) return SN_E_SYNTAX;
        rest = sn_str_from(rest, (size_t)n);
        size = ret->wire == BYTES ? (size_t)v : 0;
        if (ret->wire == BYTES && v > rest.len) return SN_E_SYNTAX;
    } else if (ret->wire != I64 && ret->wire != I32) {
        return SN_E_SYNTAX;
    }
    if (size > rest.len) return SN_E_SYNTAX;
    ret->bytes = sn_str_sub(rest, 0, size);
    *at = (size_t)(rest.ptr - in.ptr) + size;
    return 1;
}
static bool is_list(const struct field *f) { return f->number == FIELD && f->wire == BYTES; }

static int check_list(struct sn_str list, const struct sn_mempool_rules *rules, uint64_t *bytes)
{
    uint64_t most = (uint64_t)SN_MAX(rules->batch_bytes_max, (int64_t)rules->tx_bytes_max);
    struct field f;
    size_t at = 0;
    int n = 0, r;
    while ((r = next_field(list, &at, &f)) > 0) {
        if (!is_list(&f)) continue;
        if (f.bytes.len == 0)
            return sn_fail(SN_E_PROTOCOL, "transaction %d of the message has no bytes", n);
        if (f.bytes.len > rules->tx_bytes_max)
            return sn_fail(SN_E_TOO_LARGE, "transaction %d of the message: %zu bytes, limit %u", n,
                           f.bytes.len, rules->tx_bytes_max);
        *bytes += f.bytes.len;
        if (*bytes > most)
            return sn_fail(SN_E_TOO_LARGE, "transactions of more than %llu bytes in one message",
                           (unsigned long long)most);
        n++;
    }
    return r < 0 ? sn_fail(SN_E_PROTOCOL, "transactions: not protobuf") : n;
}
int sn_mempool_message_check(struct sn_str message, const struct sn_mempool_rules *rules)
{
    uint64_t bytes = 0;
    struct field f;
    size_t at = 0;
    int n = 0, r;
    while ((r = next_field(message, &at, &f)) > 0) {
        if (!is_list(&f)) continue;
        int k = check_list(f.bytes, rules, &bytes);
        if (k < 0) return k;
        n += k;
    }
    if (r < 0) return sn_fail(SN_E_PROTOCOL, "transactions: not protobuf");
    return n > 0 ? n : sn_fail(SN_E_PROTOCOL, "a message without transactions");
}
bool sn_mempool_message_next(struct sn_str message, struct sn_mempool_reading *at,
                             struct sn_str *ret_tx)
{
    struct field f;
    for (;;) {
        struct sn_str part = sn_str_sub(message, 0, at->end ? at->end : message.len);
        int r = next_field(part, &at->at, &f);
        if (r <= 0) {
            if (!at->end) return false;
            at->end = 0;
        } else if (is_list(&f) && at->end) {
            *ret_tx = f.bytes;
            return true;
        } else if (is_list(&f) && f.bytes.len) {
            at->end = at->at;
            at->at = (size_t)(f.bytes.ptr - message.ptr);
        }
    }
}
static void put_head(struct sn_buf *out, uint64_t len)
{
    uint8_t v[SN_VARINT_MAX];
    sn_buf_byte(out, FIELD << 3 | BYTES);
    sn_buf_put(out, v, sn_varint_put(v, len));
}
int sn_mempool_message_put(struct sn_mempool_tx *const *txs, size_t n, struct sn_buf *out)
{
    uint64_t list = 0;
    for (size_t i = 0; i < n; i++) list += 1 + sn_varint_len(txs[i]->data.len) + txs[i]->data.len;
    put_head(out, list);
    for (size_t i = 0; i < n; i++) {
        put_head(out, txs[i]->data.len);
        sn_buf_str(out, txs[i]->data);
    }
    return out->err;
}
