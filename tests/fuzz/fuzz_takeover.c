/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_takeover.c - frames between gateway and sennit-bpf. What is accepted as a snapshot is
 * sound, and written again it is the same bytes. */
#include <stdint.h>

#include "core/status.h"
#include "gateway/takeover_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void snapshot(struct sn_arena *a, struct sn_str body)
{
    struct sn_tkw_snapshot s;
    struct sn_buf b = {0};
    if (sn_tkw_get_snapshot(a, body, &s) < 0) return;
    SN_ASSERT(sn_tkw_check(&s) == 0 && s.n <= SN_TKW_SERVICES_MAX);
    SN_ASSERT(sn_tkw_put_snapshot(&b, &s) == 0);
    SN_ASSERT(b.len == SN_TKW_HEAD + body.len);
    /* Flags are one byte of which only zero or not counts: those may come out as 1. */
    struct sn_tkw_snapshot t;
    SN_ASSERT(sn_tkw_get_snapshot(a, sn_str_of((char *)b.ptr + SN_TKW_HEAD, body.len), &t) == 0);
    SN_ASSERT(t.n == s.n && t.generation == s.generation && t.ttl_ms == s.ttl_ms);
    sn_buf_done(&b);
}

static void stats(struct sn_arena *a, struct sn_str body)
{
    struct sn_tkw_stats s;
    struct sn_buf b = {0};
    if (sn_tkw_get_stats(a, body, &s) < 0 || s.n > SN_TKW_SERVICES_MAX) return;
    SN_ASSERT(sn_tkw_put_stats(&b, &s) == 0);
    SN_ASSERT(b.len == SN_TKW_HEAD + body.len &&
              memcmp(b.ptr + SN_TKW_HEAD, body.ptr, body.len) == 0);
    sn_buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum sn_tkw_type type;
    int64_t whole = sn_tkw_head(data, size, &type);
    if (whole <= 0 || (uint64_t)whole > size) return 0;
    struct sn_str body = sn_str_of((const char *)data + SN_TKW_HEAD, (size_t)whole - SN_TKW_HEAD),
                  text;
    struct sn_tkw_welcome w;
    struct sn_tkw_applied p;
    uint16_t version;
    uint32_t ttl;
    uint8_t ip[16];
    uint16_t port;
    struct sn_arena a;
    sn_arena_init(&a, NULL, 64u << 20);
    switch (type) {
    case SN_TKW_SNAPSHOT: snapshot(&a, body); break;
    case SN_TKW_STATS: stats(&a, body); break;
    case SN_TKW_HELLO: (void)!sn_tkw_get_hello(body, &version); break;
    case SN_TKW_WELCOME: (void)!sn_tkw_get_welcome(body, &w); break;
    case SN_TKW_APPLIED: (void)!sn_tkw_get_applied(body, &p); break;
    case SN_TKW_REFUSED: (void)!sn_tkw_get_refused(body, &text); break;
    case SN_TKW_BEAT: (void)!sn_tkw_get_beat(body, &ttl); break;
    case SN_TKW_ASK:
    case SN_TKW_END: (void)!sn_tkw_addr_parse(body, ip, &port); break;
    }
    sn_arena_done(&a);
    return 0;
}
