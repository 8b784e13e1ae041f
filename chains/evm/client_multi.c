/* SPDX-License-Identifier: Apache-2.0 */
/* evm/client_multi.c - several calls on one state in one request.
 *
 * Multicall3 where the chain has it. Elsewhere a program of our own that carries its calls behind
 * itself, so that the same bytes work as a contract's code for the length of one call (state
 * override) and as a creation's init code:
 *
 *   calls    target (a word), length (a word), data; ...
 *   answers  success (a word), length (a word), data; ...
 *
 * It copies its tail to memory, walks it with three words on the stack (end of the calls, end of the
 * answers, next call) and returns what it appended. An answer begins with a zero byte, so as a
 * creation it is no code that EIP-3541 forbids. */
#include "core/enc.h"
#include "core/status.h"
#include "evm/client_int.h"
#include "evm/codec.h"
#include "fiber/fiber.h"

#define MULTICALL3 "0xcA11bde05977b3631167028862bE2a173976CA11"
/* An address nobody has code at: where the override puts the program. */
#define OVERRIDE_AT "0x5e44174d00000000000000000000000000000001"
#define CALLS_MAX_DEFAULT 500u
#define DATA_MAX_DEFAULT (96u << 10)
#define CREATE_DATA_MAX (40u << 10) /* EIP-3860: init code of 48 KiB */

static const uint8_t program[] = {
    0x60, 0x54, 0x80, 0x38, 0x03,       /* size = CODESIZE - 84      [84 size] */
    0x80, 0x91, 0x60, 0x00, 0x39,       /* CODECOPY(0, 84, size)     [end] */
    0x80, 0x60, 0x00,                   /* out = end, in = 0         [end out in] */
    0x5b, 0x82, 0x81, 0x10, 0x15,       /* 13, next: in >= end? */
    0x60, 0x4d, 0x57,                   /* to done */
    0x60, 0x00, 0x60, 0x00,             /* no room for an answer: it is copied below */
    0x82, 0x60, 0x20, 0x01, 0x51,       /* length of the data */
    0x83, 0x60, 0x40, 0x01, 0x60, 0x00, /* where it is; no value */
    0x85, 0x51, 0x5a, 0xf1,             /* target, GAS, CALL         [end out in ok] */
    0x90, 0x80, 0x60, 0x20, 0x01, 0x51, /* in += length + 64 */
    0x01, 0x60, 0x40, 0x01, 0x91,       /*                           [end in ok out] */
    0x90, 0x81, 0x52,                   /* answer: ok                [end in out] */
    0x3d, 0x81, 0x60, 0x20, 0x01, 0x52, /* its length */
    0x3d, 0x60, 0x00, 0x82, 0x60, 0x40, 0x01, 0x3e, /* RETURNDATACOPY */
    0x3d, 0x01, 0x60, 0x40, 0x01,       /* out += its length + 64 */
    0x90, 0x60, 0x0d, 0x56,             /* to next                   [end out in] */
    0x5b, 0x50, 0x81, 0x90, 0x03,       /* 77, done: size = out - end */
    0x90, 0xf3,                         /* RETURN(end, size) */
};
#define PROGRAM_LEN 84u
_Static_assert(sizeof(program) == PROGRAM_LEN, "it has its own length and two labels in it");

struct multi {
    struct sn_eth_client *c;
    struct sn_arena *a;
    struct sn_str block;
    unsigned ways; /* allowed, and not known to be missing */
    bool newest;   /* what is missing now will not come back */
    enum sn_eth_multi_way way;
};

/* ---- the program's calls and answers ---- */

static void put_word(struct sn_buf *b, uint64_t v)
{
    uint8_t w[32];
    sn_u256_store(sn_u256(v), w);
    sn_buf_put(b, w, sizeof(w));
}
static int program_calls(const struct sn_eth_multi *calls, size_t n, struct sn_buf *out)
{
    sn_buf_put(out, program, sizeof(program));
    for (size_t i = 0; i < n; i++) {
        uint8_t to[32];
        sn_abi_put_address(to, calls[i].to);
        sn_buf_put(out, to, sizeof(to));
        put_word(out, calls[i].data.len);
        sn_buf_str(out, calls[i].data);
    }
    return out->err;
}
static int program_answers(struct sn_str data, struct sn_eth_multi *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (data.len < 64) return sn_fail(SN_E_PROTOCOL, "multicall: %zu answers of %zu", i, n);
        struct sn_u256 ok = sn_u256_load((const uint8_t *)data.ptr);
        struct sn_u256 len = sn_u256_load((const uint8_t *)data.ptr + 32);
        data = sn_str_from(data, 64);
        if (sn_u256_cmp(ok, sn_u256(1)) > 0 || sn_u256_cmp(len, sn_u256(data.len)) > 0)
            return sn_fail(SN_E_PROTOCOL, "multicall: answer %zu is malformed", i);
        calls[i].ok = ok.w[0] == 1;
        calls[i].result = sn_str_sub(data, 0, len.w[0]);
        data = sn_str_from(data, len.w[0]);
    }
    return data.len ? sn_fail(SN_E_PROTOCOL, "multicall: %zu bytes left over", data.len) : 0;
}

/* ---- Multicall3's ---- */

static const uint8_t aggregate3[SN_ABI_SELECTOR_LEN] = {0x82, 0xad, 0x56, 0xcb};

static int contract_calls(struct multi *m, const struct sn_eth_multi *calls, size_t n,
                          struct sn_buf *out)
{
    static const uint8_t allow[32] = {[31] = 1};
    struct sn_abi_value *list = SN_ARENA_ARRAY(m->a, struct sn_abi_value, n);
    struct sn_abi_value *parts = SN_ARENA_ARRAY(m->a, struct sn_abi_value, 3 * n);
    uint8_t *to = sn_arena_array(m->a, n, 32);
    struct sn_abi_params p;
    const struct sn_abi_type *t;
    if (!list || !parts || !to) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        sn_abi_put_address(to + 32 * i, calls[i].to);
        parts[3 * i] = sn_abi_word(to + 32 * i);
        parts[3 * i + 1] = sn_abi_word(allow);
        parts[3 * i + 2] = sn_abi_bytes(calls[i].data);
        list[i] = sn_abi_items(parts + 3 * i, 3);
    }
    struct sn_abi_value all = sn_abi_items(list, (uint32_t)n), args = sn_abi_items(&all, 1);
    int r = sn_abi_params_parse(m->a, SN_STR("((address,bool,bytes)[])"), &p);
    if (r == 0) r = sn_abi_params_type(m->a, p, &t);
    if (r < 0) return r;
    sn_buf_put(out, aggregate3, sizeof(aggregate3));
    return sn_abi_encode(t, &args, out);
}
static int contract_answers(struct multi *m, struct sn_str data, struct sn_eth_multi *calls, size_t n)
{
    struct sn_abi_params p;
    const struct sn_abi_type *t;
    struct sn_abi_value v;
    int r = sn_abi_params_parse(m->a, SN_STR("((bool,bytes)[])"), &p);
    if (r == 0) r = sn_abi_params_type(m->a, p, &t);
    if (r == 0) r = sn_abi_decode(m->a, t, data, NULL, &v);
    if (r < 0) return r == SN_E_NOMEM ? r : sn_fail(SN_E_PROTOCOL, "Multicall3's answer is no encoding");
    if (v.items[0].len != n)
        return sn_fail(SN_E_PROTOCOL, "Multicall3: %u answers to %zu calls", v.items[0].len, n);
    for (size_t i = 0; i < n; i++) {
        const struct sn_abi_value *one = v.items[0].items[i].items;
        calls[i].ok = one[0].bytes[31] == 1;
        calls[i].result = sn_abi_str(&one[1]);
    }
    return 0;
}

/* ---- one request ---- */

static int ask(struct multi *m, struct sn_eth_multi *calls, size_t n, struct sn_str *ret)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    const struct sn_json *v;
    bool contract = m->way == SN_ETH_MULTI_CONTRACT;
    sn_buf_init(&b, 0);
    int r = contract ? contract_calls(m, calls, n, &b) : program_calls(calls, n, &b);
    if (r < 0) return r;
    struct sn_str hex = sn_eth_hex(m->a, b.ptr, b.len);
    if (!hex.ptr) return SN_E_NOMEM;
    if (contract)
        r = sn_eth_call(m->c->rpc, m->a, &v, NULL, "eth_call",
                        "[{\"to\":\"" MULTICALL3 "\",\"data\":\"%s\"},\"%.*s\"]", hex.ptr,
                        SN_STR_ARG(m->block));
    else if (m->way == SN_ETH_MULTI_OVERRIDE)
        r = sn_eth_call(m->c->rpc, m->a, &v, NULL, "eth_call",
                        "[{\"to\":\"" OVERRIDE_AT "\",\"data\":\"0x\"},\"%.*s\",{\"" OVERRIDE_AT
                        "\":{\"code\":\"%s\"}}]",
                        SN_STR_ARG(m->block), hex.ptr);
    else
        r = sn_eth_call(m->c->rpc, m->a, &v, NULL, "eth_call", "[{\"data\":\"%s\"},\"%.*s\"]",
                        hex.ptr, SN_STR_ARG(m->block));
    return r < 0 ? r : sn_eth_data(m->a, v, "eth_call", ret);
}
/* Each call for itself, all at one block. */
static int one_by_one(struct multi *m, struct sn_eth_multi *calls, size_t n)
{
    struct sn_eth_request *reqs = SN_ARENA_ARRAY(m->a, struct sn_eth_request, n);
    struct sn_eth_reply *got = SN_ARENA_ARRAY(m->a, struct sn_eth_reply, n);
    int r = reqs && got ? 0 : SN_E_NOMEM;
    for (size_t i = 0; i < n && r == 0; i++) {
        struct sn_str to = sn_eth_hex(m->a, calls[i].to, SN_ADDRESS_LEN);
        struct sn_str data = sn_eth_hex(m->a, calls[i].data.ptr, calls[i].data.len);
        if (!to.ptr || !data.ptr) return SN_E_NOMEM;
        reqs[i] = (struct sn_eth_request){
            "eth_call", sn_arena_printf(m->a, "[{\"to\":\"%s\",\"data\":\"%s\"},\"%.*s\"]", to.ptr,
                                        data.ptr, SN_STR_ARG(m->block))};
        if (!reqs[i].params.ptr) r = SN_E_NOMEM;
    }
    if (r == 0) r = sn_eth_batch(m->c->rpc, reqs, n, m->a, got);
    for (size_t i = 0; i < n && r == 0; i++) {
        struct sn_json data = sn_json_string(got[i].data);
        calls[i].ok = !got[i].code;
        calls[i].result = SN_STR("");
        if (!got[i].code) r = sn_eth_data(m->a, got[i].result, "eth_call", &calls[i].result);
        else if (sn_eth_status(got[i].code, got[i].message) != SN_E_ABORTED)
            r = sn_fail(sn_eth_status(got[i].code, got[i].message), "eth_call: error %lld: %.*s",
                        (long long)got[i].code, (int)SN_MIN(got[i].message.len, (size_t)200),
                        got[i].message.ptr);
        else if (got[i].data.len) r = sn_eth_data(m->a, &data, "revert", &calls[i].result);
    }
    return r;
}
static void lacks(struct multi *m)
{
    m->ways &= ~(unsigned)m->way;
    if (m->newest) m->c->multi_lacks |= m->way;
}
/* What a failure asks for: half as many calls, another way, or nothing. */
static bool too_much(int r)
{
    return r == SN_E_ABORTED || r == SN_E_TOO_LARGE || r == SN_E_RESOURCE_EXHAUSTED;
}
static bool not_offered(int r)
{
    return r == SN_E_UNIMPLEMENTED || r == SN_E_INVALID_ARGUMENT || r == SN_E_UNKNOWN;
}
static int run(struct multi *m, struct sn_eth_multi *calls, size_t n)
{
    unsigned kept = m->ways;
    int r = 0;
    for (unsigned way = SN_ETH_MULTI_CONTRACT; way < SN_ETH_MULTI_BATCH; way <<= 1) {
        struct sn_str data;
        if (!(m->ways & way)) continue;
        m->way = way;
        r = ask(m, calls, n, &data);
        if (r == 0 && data.len == 0) {
            lacks(m); /* no contract, no override, no creation: there is nothing at the address */
            kept = m->ways;
            continue;
        }
        if (r == 0)
            return way == SN_ETH_MULTI_CONTRACT ? contract_answers(m, data, calls, n)
                                                : program_answers(data, calls, n);
        if (too_much(r) && n > 1) {
            m->ways = kept;
            r = run(m, calls, n / 2);
            return r < 0 ? r : run(m, calls + n / 2, n - n / 2);
        }
        if (not_offered(r)) lacks(m);
        else if (!too_much(r)) return r;
    }
    if (!(m->ways & SN_ETH_MULTI_BATCH))
        return r < 0 ? r : sn_fail(SN_E_UNIMPLEMENTED, "multicall: the node offers none of the ways");
    m->way = SN_ETH_MULTI_BATCH;
    return one_by_one(m, calls, n);
}
/* How many calls fit one request. */
static size_t fitting(const struct sn_eth_multi *calls, size_t n, size_t calls_max, size_t bytes_max)
{
    size_t k = 0, bytes = 0;
    while (k < n && k < calls_max) {
        bytes += calls[k].data.len + 160; /* Multicall3's overhead, the larger one */
        if (k && bytes > bytes_max) break;
        k++;
    }
    return k;
}
int sn_eth_multicall(struct sn_eth_client *c, struct sn_eth_multi *calls, size_t n,
                     const struct sn_eth_multi_opts *opts, struct sn_arena *a,
                     enum sn_eth_multi_way *ret_way)
{
    static const struct sn_eth_multi_opts defaults;
    const struct sn_eth_multi_opts *o = opts ? opts : &defaults;
    bool newest = o->block.len == 0 || sn_str_eqc(o->block, "latest");
    struct multi m = {.c = c, .a = a, .newest = newest, .block = o->block};
    m.ways = (o->ways ? o->ways : 15u) & ~(newest ? c->multi_lacks : 0u);
    int r = 0;
    if (newest) { /* every request sees the same state */
        const struct sn_json *v;
        uint64_t head;
        r = sn_eth_call(c->rpc, a, &v, NULL, "eth_blockNumber", "[]");
        if (r >= 0) r = sn_eth_number(v, "eth_blockNumber", &head);
        if (r < 0) return r;
        m.block = sn_arena_printf(a, "0x%llx", (unsigned long long)head);
        if (!m.block.ptr) return SN_E_NOMEM;
    }
    size_t calls_max = o->calls_max ? o->calls_max : CALLS_MAX_DEFAULT;
    for (size_t i = 0, k; i < n && r >= 0; i += k) {
        bool create = !(m.ways & (SN_ETH_MULTI_CONTRACT | SN_ETH_MULTI_OVERRIDE));
        size_t bytes = o->data_bytes_max ? o->data_bytes_max
                                         : create ? CREATE_DATA_MAX : DATA_MAX_DEFAULT;
        k = fitting(calls + i, n - i, calls_max, bytes);
        r = run(&m, calls + i, k);
    }
    if (r >= 0 && ret_way) *ret_way = m.way;
    return r < 0 ? r : 0;
}
