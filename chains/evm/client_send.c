/* SPDX-License-Identifier: Apache-2.0 */
/* evm/client_send.c - transactions out, each once: nonces, signatures, and what a node's refusal means
 * for both. The rule is in evm/client.h at sn_eth_send. */
#include "core/alloc.h"
#include "core/status.h"
#include "crypto/keccak.h"
#include "evm/client_int.h"
#include "evm/gas.h"
#include "fiber/fiber.h"
#include "fiber/sync.h"

#define TRANSMISSIONS_MAX 4u /* of the same bytes within one send */

struct sn_eth_account {
    struct sn_eth_client *c;
    struct sn_eth_signer *signer;
    struct sn_eth_account_opts o;
    struct sn_mutex lock; /* the rest; held while the node is asked for the count */
    bool known;
    uint64_t next;
    size_t busy, n_gaps;            /* busy: nonces of sends in progress; both together bounded */
    uint64_t gaps[SN_ETH_SENDS_MAX]; /* given back; ascending */
};

int sn_eth_account_new(struct sn_eth_client *c, struct sn_eth_signer *signer,
                       const struct sn_eth_account_opts *opts, struct sn_eth_account **ret)
{
    struct sn_eth_account *acc = SN_NEW(struct sn_eth_account);
    if (!acc) return SN_E_NOMEM;
    acc->c = c;
    acc->signer = signer;
    if (opts) acc->o = *opts;
    *ret = acc;
    return 0;
}
void sn_eth_account_free(struct sn_eth_account *acc) { sn_free(acc); }

/* ---- nonces ---- */

static int count_of(struct sn_eth_account *acc, struct sn_arena *a, uint64_t *ret)
{
    const struct sn_json *v;
    struct sn_str from = sn_eth_hex(a, acc->signer->address, SN_ADDRESS_LEN);
    if (!from.ptr) return SN_E_NOMEM;
    int r = sn_eth_call(acc->c->rpc, a, &v, NULL, "eth_getTransactionCount", "[\"%s\",\"pending\"]",
                        from.ptr);
    return r < 0 ? r : sn_eth_number(v, "eth_getTransactionCount", ret);
}
/* ask - the node's count moves ours forward, never back: a node that lags would have nonces of
 * transactions on their way used again. With the lock held. */
static int ask(struct sn_eth_account *acc, struct sn_arena *a)
{
    uint64_t count = 0;
    int r = count_of(acc, a, &count);
    if (r < 0) return r;
    acc->next = acc->known ? SN_MAX(acc->next, count) : count;
    acc->known = true;
    size_t kept = 0;
    for (size_t i = 0; i < acc->n_gaps; i++)
        if (acc->gaps[i] >= count) acc->gaps[kept++] = acc->gaps[i];
    acc->n_gaps = kept;
    return 0;
}
static int nonce_take(struct sn_eth_account *acc, struct sn_arena *a, uint64_t *ret)
{
    int r = sn_mutex_lock(&acc->lock);
    if (r < 0) return r;
    if (!acc->known) r = ask(acc, a);
    if (r == 0 && acc->n_gaps + acc->busy == SN_ETH_SENDS_MAX && !acc->n_gaps)
        r = sn_fail(SN_E_RESOURCE_EXHAUSTED, "%u sends at once", SN_ETH_SENDS_MAX);
    if (r == 0) acc->busy++;
    if (r == 0 && acc->n_gaps) {
        *ret = acc->gaps[0];
        memmove(acc->gaps, acc->gaps + 1, --acc->n_gaps * sizeof(acc->gaps[0]));
    } else if (r == 0) {
        *ret = acc->next++;
    }
    sn_mutex_unlock(&acc->lock);
    return r;
}
/* nonce_give_back - nothing with it is out. The last one taken is simply not taken; others become
 * gaps, which the next sends fill first. */
static void nonce_give_back(struct sn_eth_account *acc, uint64_t nonce)
{
    sn_mutex_lock_always(&acc->lock);
    acc->busy--;
    if (acc->known && nonce + 1 == acc->next) {
        acc->next--;
        while (acc->n_gaps && acc->gaps[acc->n_gaps - 1] + 1 == acc->next) {
            acc->next--;
            acc->n_gaps--;
        }
    } else if (acc->known && nonce < acc->next) {
        size_t i = acc->n_gaps++;
        for (; i && acc->gaps[i - 1] > nonce; i--) acc->gaps[i] = acc->gaps[i - 1];
        acc->gaps[i] = nonce;
    }
    sn_mutex_unlock(&acc->lock);
}
/* nonce_used - by what was sent or, with `ask_node`, by somebody else's transaction. */
static int nonce_used(struct sn_eth_account *acc, struct sn_arena *a, bool ask_node)
{
    sn_mutex_lock_always(&acc->lock);
    acc->busy--;
    int r = ask_node ? ask(acc, a) : 0;
    sn_mutex_unlock(&acc->lock);
    return r;
}
void sn_eth_account_resync(struct sn_eth_account *acc)
{
    sn_mutex_lock_always(&acc->lock);
    acc->known = false;
    acc->n_gaps = 0;
    sn_mutex_unlock(&acc->lock);
}
void sn_eth_account_nonces(struct sn_eth_account *acc, struct sn_eth_nonces *ret)
{
    sn_mutex_lock_always(&acc->lock);
    *ret = (struct sn_eth_nonces){acc->next, acc->n_gaps};
    sn_mutex_unlock(&acc->lock);
}

/* ---- what an answer means ---- */

enum sn_eth_verdict sn_eth_verdict(int64_t code, struct sn_str message)
{
    /* In this order: "replacement transaction underpriced" is also an "underpriced". Only what is
     * listed as refused is taken for a refusal; anything else may have been taken by the node. */
    static const struct {
        const char *text;
        enum sn_eth_verdict verdict;
    } rows[] = {
        {"already known", SN_ETH_TX_KNOWN},
        {"alreadyknown", SN_ETH_TX_KNOWN},
        {"known transaction", SN_ETH_TX_KNOWN},
        {"already imported", SN_ETH_TX_KNOWN},
        {"transaction already exists", SN_ETH_TX_KNOWN},
        {"nonce too low", SN_ETH_TX_USED},
        {"nonce is too low", SN_ETH_TX_USED},
        {"oldnonce", SN_ETH_TX_USED},
        {"replacement", SN_ETH_TX_USED},
        {"transaction with the same nonce", SN_ETH_TX_USED},
        {"nonce too high", SN_ETH_TX_EARLY},
        {"nonce is too high", SN_ETH_TX_EARLY},
        {"noncegap", SN_ETH_TX_EARLY},
        {"nonce gap", SN_ETH_TX_EARLY},
        {"txpool is full", SN_ETH_TX_FULL},
        {"transaction pool is full", SN_ETH_TX_FULL},
        {"account limit exceeded", SN_ETH_TX_FULL},
        {"insufficient funds", SN_ETH_TX_REFUSED},
        {"insufficient balance", SN_ETH_TX_REFUSED},
        {"insufficientfunds", SN_ETH_TX_REFUSED},
        {"intrinsic gas too low", SN_ETH_TX_REFUSED},
        {"insufficient gas for floor data", SN_ETH_TX_REFUSED},
        {"gas limit", SN_ETH_TX_REFUSED}, /* exceeds block gas limit, too high, too low */
        {"underpriced", SN_ETH_TX_REFUSED},
        {"feetoolow", SN_ETH_TX_REFUSED},
        {"less than block base fee", SN_ETH_TX_REFUSED},
        {"max priority fee per gas higher than max fee", SN_ETH_TX_REFUSED},
        {"exceeds the configured cap", SN_ETH_TX_REFUSED},
        {"invalid sender", SN_ETH_TX_REFUSED},
        {"chain id", SN_ETH_TX_REFUSED},
        {"chainid", SN_ETH_TX_REFUSED},
        {"oversized data", SN_ETH_TX_REFUSED},
        {"max initcode size exceeded", SN_ETH_TX_REFUSED},
        {"transaction type not supported", SN_ETH_TX_REFUSED},
        {"only replay-protected", SN_ETH_TX_REFUSED},
        {"rlp:", SN_ETH_TX_REFUSED},
        {"sender not an eoa", SN_ETH_TX_REFUSED},
        {"address already reserved", SN_ETH_TX_REFUSED},
        {"missing sidecar", SN_ETH_TX_REFUSED},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++)
        if (sn_eth_says(message, rows[i].text)) return rows[i].verdict;
    if (sn_eth_status(code, message) == SN_E_UNIMPLEMENTED || code == -32602)
        return SN_ETH_TX_REFUSED;
    return SN_ETH_TX_UNSURE;
}

/* ---- transmission ---- */

enum outcome { ACCEPTED, MAYBE, TAKEN, REFUSED }; /* TAKEN: the nonce, and not by these bytes */

struct outgoing {
    struct sn_eth_account *acc;
    struct sn_arena *a;
    struct sn_str raw, hash; /* "0x..." */
    bool maybe;              /* a transmission was not answered */
    int err;                 /* why it was refused; the diagnostic tells */
};
/* Whether the node has the transaction: 1, 0, SN_E_*. */
static int known_by(struct outgoing *o)
{
    const struct sn_json *v;
    int r = sn_eth_call(o->acc->c->rpc, o->a, &v, NULL, "eth_getTransactionByHash", "[\"%s\"]",
                        o->hash.ptr);
    return r < 0 ? r : !sn_json_is(v, SN_JSON_NULL);
}
/* transmit_once - one transmission and what it says. `*ret_again`: the same bytes may go out again. */
static enum outcome transmit_once(struct outgoing *o, bool *ret_again)
{
    struct sn_str params = sn_arena_printf(o->a, "[\"%s\"]", o->raw.ptr);
    struct sn_eth_request call = {.method = "eth_sendRawTransaction", .params = params};
    struct sn_eth_reply reply;
    *ret_again = false;
    if (!params.ptr) {
        o->err = SN_E_NOMEM;
        return o->maybe ? MAYBE : REFUSED;
    }
    o->err = sn_eth_batch(o->acc->c->rpc, &call, 1, o->a, &reply);
    if (o->err == SN_E_RESOURCE_EXHAUSTED || o->err == SN_E_REFUSED ||
        o->err == SN_E_PERMISSION_DENIED) { /* turned away before it was looked at */
        *ret_again = sn_eth_transient(o->err);
        return o->maybe ? MAYBE : REFUSED;
    }
    if (o->err < 0) { /* not answered, or the answer was lost here, for want of memory too */
        *ret_again = sn_eth_transient(o->err);
        o->maybe = true;
        return MAYBE;
    }
    if (!reply.code) {
        if (sn_str_ieq(sn_json_str(reply.result), o->hash)) return ACCEPTED;
        o->maybe = true; /* it talks of another transaction: nothing is sure */
        return MAYBE;
    }
    enum sn_eth_verdict v = sn_eth_verdict(reply.code, reply.message);
    if (v == SN_ETH_TX_KNOWN) return ACCEPTED;
    o->err = sn_fail(v == SN_ETH_TX_FULL ? SN_E_RESOURCE_EXHAUSTED : SN_E_FAILED_PRECONDITION,
                     "eth_sendRawTransaction: error %lld: %.*s", (long long)reply.code,
                     (int)SN_MIN(reply.message.len, (size_t)200), reply.message.ptr);
    *ret_again = v == SN_ETH_TX_EARLY || v == SN_ETH_TX_FULL || v == SN_ETH_TX_UNSURE;
    if (v == SN_ETH_TX_UNSURE) o->maybe = true;
    if (v == SN_ETH_TX_USED && !o->maybe) return TAKEN;
    return o->maybe ? MAYBE : REFUSED;
}
/* transmit - until the node has it, has refused it for good, or nobody can say. */
static enum outcome transmit(struct outgoing *o)
{
    int64_t delay = 2 * SN_ETH_DELAY_NS_FIRST;
    enum outcome out = REFUSED;
    for (unsigned i = 0; i < TRANSMISSIONS_MAX; i++) {
        bool again;
        out = transmit_once(o, &again);
        if (out == MAYBE && known_by(o) == 1) return ACCEPTED;
        if (out == ACCEPTED || out == TAKEN || !again) break;
        if (i + 1 == TRANSMISSIONS_MAX || sn_eth_backoff(&delay) < 0) break;
    }
    return out;
}
static int sign(struct sn_eth_account *acc, struct sn_arena *a, struct sn_tx *tx,
                struct sn_str *ret_raw, uint8_t ret_hash[32])
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, SN_TX_BYTES_MAX);
    tx->is_signed = false;
    int r = acc->signer->sign(acc->signer, tx);
    if (r == 0) r = sn_tx_encode(tx, &b);
    if (r == 0) r = sn_tx_hash(tx, ret_hash);
    if (r < 0) return sn_wrap(r, "sign");
    *ret_raw = sn_arena_str(a, sn_buf_view(&b));
    return ret_raw->ptr ? 0 : SN_E_NOMEM;
}
/* put_out - signs tx as it is and transmits it. */
static int put_out(struct sn_eth_account *acc, struct sn_arena *a, struct sn_tx *tx,
                   struct sn_str *ret_raw, uint8_t ret_hash[32], enum outcome *ret)
{
    struct outgoing o = {.acc = acc, .a = a};
    int r = sign(acc, a, tx, ret_raw, ret_hash);
    if (r < 0) return r;
    o.raw = sn_eth_hex(a, ret_raw->ptr, ret_raw->len);
    o.hash = sn_eth_hex(a, ret_hash, 32);
    if (!o.raw.ptr || !o.hash.ptr) return SN_E_NOMEM;
    *ret = transmit(&o);
    return *ret == REFUSED || *ret == TAKEN ? o.err : 0;
}

/* ---- what a transaction lacks ---- */

static bool is_legacy(const struct sn_tx *tx)
{
    return tx->type == SN_TX_LEGACY || tx->type == SN_TX_ACCESS_LIST;
}
static int check_fee(const struct sn_eth_account *acc, const struct sn_tx *tx)
{
    struct sn_u256 fee = is_legacy(tx) ? tx->gas_price : tx->max_fee;
    if (sn_u256_is_zero(acc->o.fee_max) || sn_u256_cmp(fee, acc->o.fee_max) <= 0) return 0;
    char is[SN_U256_TEXT_MAX], most[SN_U256_TEXT_MAX];
    size_t n = sn_u256_format(fee, is), m = sn_u256_format(acc->o.fee_max, most);
    return sn_fail(SN_E_OUT_OF_RANGE, "a fee of %.*s wei a unit, at most %.*s allowed", (int)n, is,
                   (int)m, most);
}
static int fill_fees(struct sn_eth_account *acc, struct sn_arena *a, struct sn_tx *tx)
{
    struct sn_fees f;
    if (!sn_u256_is_zero(is_legacy(tx) ? tx->gas_price : tx->max_fee)) return 0;
    int r = sn_fees_suggest(acc->c->rpc, NULL, a, &f);
    if (r < 0) return sn_wrap(r, "fees");
    if (is_legacy(tx)) {
        tx->gas_price = sn_u256(f.max_fee);
    } else {
        tx->max_fee = sn_u256(f.max_fee);
        tx->priority_fee = sn_u256(f.priority_fee);
    }
    return 0;
}
static int fill_gas(struct sn_eth_account *acc, struct sn_arena *a, struct sn_tx *tx,
                    struct sn_str *ret_revert)
{
    struct sn_buf value;
    char text[80];
    struct sn_gas_estimate e;
    if (tx->gas_limit) return 0;
    sn_buf_init_fixed(&value, text, sizeof(text));
    sn_buf_u256_hex(&value, tx->value);
    struct sn_gas_call call = {
        .from = sn_eth_hex(a, acc->signer->address, SN_ADDRESS_LEN),
        .to = tx->has_to ? sn_eth_hex(a, tx->to, SN_ADDRESS_LEN) : SN_STR(""),
        .data = tx->data.len ? sn_eth_hex(a, tx->data.ptr, tx->data.len) : SN_STR(""),
        .value = sn_buf_view(&value),
    };
    if (!call.from.ptr || !call.to.ptr || !call.data.ptr) return SN_E_NOMEM;
    if (tx->n_access || tx->n_auths)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "gas: give a limit where there are access lists or authorisations");
    static const struct sn_gas_opts quick = {.drift_blocks = 1, .quick = true};
    int r = sn_gas_estimate(acc->c->rpc, &call, &quick, a, &e);
    if (r < 0) return r;
    if (e.reverts) {
        struct sn_json data = sn_json_string(e.revert_data);
        if (ret_revert && sn_eth_data(a, &data, "revert", ret_revert) < 0) *ret_revert = SN_STR("");
        return sn_fail(SN_E_ABORTED, "it would revert with %.*s",
                       (int)SN_MIN(e.revert_data.len, (size_t)150),
                       e.revert_data.ptr ? e.revert_data.ptr : "");
    }
    tx->gas_limit = e.limit;
    return 0;
}

/* ---- send, replace ---- */

int sn_eth_send(struct sn_eth_account *acc, const struct sn_tx *given, struct sn_arena *a,
                struct sn_eth_sent *ret, struct sn_str *ret_revert)
{
    struct sn_eth_sent s = {.n = 1, .tx = *given};
    enum outcome out = REFUSED;
    s.tx.chain_id = acc->c->chain_id;
    s.tx.has_chain = true;
    memcpy(s.from, acc->signer->address, sizeof(s.from));
    /* Everything that can fail without a nonce comes before one is taken. */
    int r = fill_gas(acc, a, &s.tx, ret_revert);
    if (r == 0) r = fill_fees(acc, a, &s.tx);
    if (r == 0) r = check_fee(acc, &s.tx);
    if (r < 0) return r;
    for (unsigned i = 0;; i++) {
        if ((r = nonce_take(acc, a, &s.tx.nonce)) < 0) return r;
        r = put_out(acc, a, &s.tx, &s.raw, s.hash[0], &out);
        if (r >= 0) break;
        if (out != TAKEN) {
            nonce_give_back(acc, s.tx.nonce);
            return r;
        }
        int asked = nonce_used(acc, a, true);
        if (asked < 0 || i == SN_ETH_NONCE_TRIES) return asked < 0 ? asked : r;
    }
    (void)nonce_used(acc, a, false);
    s.accepted = out == ACCEPTED;
    *ret = s;
    return 0;
}
/* At least an eighth more (nodes ask for a tenth), twice for blobs. */
static bool raise(struct sn_u256 *fee, bool twice, uint64_t at_least)
{
    struct sn_u256 more = sn_u256_divmod(*fee, 8, &(uint64_t){0});
    bool over = sn_u256_add(twice ? *fee : more, sn_u256(1), &more) ||
                sn_u256_add(*fee, more, fee);
    if (sn_u256_cmp(*fee, sn_u256(at_least)) < 0) *fee = sn_u256(at_least);
    return over;
}
int sn_eth_replace(struct sn_eth_account *acc, bool cancel, struct sn_arena *a,
                   struct sn_eth_sent *sent)
{
    struct sn_eth_sent s = *sent;
    struct sn_fees f;
    enum outcome out = REFUSED;
    bool blobs = s.tx.type == SN_TX_BLOB;
    if (s.n == SN_ETH_VERSIONS_MAX)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "replaced %u times already", s.n - 1);
    if (cancel && (blobs || s.tx.type == SN_TX_SET_CODE))
        return sn_fail(SN_E_INVALID_ARGUMENT, "a transaction of type %u cannot become nothing",
                       s.tx.type);
    int r = sn_fees_suggest(acc->c->rpc, NULL, a, &f);
    if (r < 0) return sn_wrap(r, "fees");
    bool over = false;
    if (is_legacy(&s.tx)) over |= raise(&s.tx.gas_price, false, f.max_fee);
    else over |= raise(&s.tx.max_fee, blobs, f.max_fee) ||
                 raise(&s.tx.priority_fee, blobs, f.priority_fee);
    if (blobs) over |= raise(&s.tx.max_blob_fee, true, 0);
    if (over) return sn_fail(SN_E_OUT_OF_RANGE, "a fee beyond 256 bits");
    if (sn_u256_cmp(s.tx.max_fee, s.tx.priority_fee) < 0) s.tx.max_fee = s.tx.priority_fee;
    if ((r = check_fee(acc, &s.tx)) < 0) return r;
    if (cancel) {
        memcpy(s.tx.to, s.from, sizeof(s.tx.to));
        s.tx.has_to = true;
        s.tx.value = sn_u256(0);
        s.tx.data = SN_STR("");
        s.tx.n_access = 0;
        s.tx.gas_limit = SN_MAX(s.tx.gas_limit, (uint64_t)21000);
    }
    r = put_out(acc, a, &s.tx, &s.raw, s.hash[s.n], &out);
    if (r < 0) return r; /* refused: it is not out, the versions before are what they were */
    s.n++;
    s.accepted = out == ACCEPTED;
    *sent = s;
    return 0;
}
