/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/takeover_wire.h - what the gateway and the loader of the kernel programs (sennit-bpf) say
 * to each other over a Unix socket: the protocol as bytes, for both sides, without I/O.
 *
 * A frame is a head of 8 bytes (length of the body, u32; type, u8; three zeros) and a body. Numbers
 * are little-endian, texts a u8 length and bytes, addresses 16 bytes with IPv4 as ::ffff:a.b.c.d.
 * The client's first frame is HELLO; each of its frames but BEAT has exactly one answer. See
 * docs/takeover.md. */
#pragma once
#include "core/arena.h"
#include "core/buf.h"
#include "core/str.h"

#define SN_TKW_VERSION 1u
#define SN_TKW_MAGIC 0x4b544e53u /* "SNTK" */
#define SN_TKW_HEAD 8u
#define SN_TKW_FRAME_MAX (4u << 20)
#define SN_TKW_SERVICES_MAX 1024u
#define SN_TKW_ENDPOINTS_MAX 256u /* of one service and state */
#define SN_TKW_TEXT_MAX 255u
#define SN_TKW_WEIGHT_MAX 1000u
#define SN_TKW_TTL_MS_MAX (24u * 3600u * 1000u)

enum sn_tkw_type {
    SN_TKW_HELLO = 1,    /* magic u32, version u16 */
    SN_TKW_WELCOME = 2,  /* struct sn_tkw_welcome */
    SN_TKW_SNAPSHOT = 3, /* struct sn_tkw_snapshot: the whole truth, not a difference */
    SN_TKW_APPLIED = 4,  /* struct sn_tkw_applied */
    SN_TKW_REFUSED = 5,  /* text: nothing was changed */
    SN_TKW_BEAT = 6,     /* ttl_ms u32: the gateway lives; no answer */
    SN_TKW_ASK = 7,      /* empty: wants STATS */
    SN_TKW_STATS = 8,    /* struct sn_tkw_stats */
    SN_TKW_END = 9,      /* empty, of root only: the loader ends; answered with APPLIED */
};

struct sn_tkw_welcome {
    uint16_t version;
    bool shortcut;        /* sockets of services are joined */
    struct sn_str cgroup; /* whose connections are redirected */
};
struct sn_tkw_endpoint {
    uint8_t ip[16];
    uint16_t port; /* host order */
    uint16_t weight;
    bool via; /* the gateway's own listener, which asks for the original destination */
};
enum sn_tkw_lapsed { SN_TKW_REFUSE, SN_TKW_DIRECT, SN_TKW_PASS };
struct sn_tkw_service {
    struct sn_str name;
    uint8_t ip[16];
    uint16_t port;  /* host order */
    uint8_t proto;  /* 6 TCP, 17 UDP */
    uint8_t lapsed; /* enum sn_tkw_lapsed: once the gateway was not heard of for ttl_ms */
    bool by_cgroup; /* one workload, one back-end; else each socket for itself */
    struct sn_tkw_endpoint *live, *direct; /* direct: for SN_TKW_DIRECT */
    uint32_t n_live, n_direct;             /* none: connections are refused */
};
struct sn_tkw_snapshot {
    uint64_t generation;
    uint32_t ttl_ms; /* 0: never lapses, nobody will send beats */
    struct sn_tkw_service *services;
    uint32_t n;
};
struct sn_tkw_applied {
    uint64_t generation;
    uint32_t changed, removed; /* services */
};
struct sn_tkw_stat {
    struct sn_str name;
    uint8_t ip[16];
    uint16_t port;
    uint8_t proto;
    uint32_t n_live, n_direct;
    uint64_t connects, datagrams, replies, refused, lapsed;
};
struct sn_tkw_stats {
    uint64_t generation;
    int64_t left_ms; /* until services lapse; negative: they have; INT64_MAX: never */
    struct sn_tkw_stat *services;
    uint32_t n;
};

/* sn_tkw_head - looks at the first bytes of a frame. Returns the length of the whole frame, head
 * included, or 0 where more bytes are needed to tell; SN_E_PROTOCOL for an unknown type,
 * SN_E_TOO_LARGE beyond SN_TKW_FRAME_MAX. */
int64_t sn_tkw_head(const uint8_t *bytes, size_t n, enum sn_tkw_type *ret_type) SN_MUST_CHECK;

/* Writers append one frame. Return 0 or the buffer's error; SN_E_TOO_LARGE, SN_E_INVALID_ARGUMENT
 * where the content is beyond a limit (then nothing was appended). */
int sn_tkw_put_hello(struct sn_buf *b);
int sn_tkw_put_welcome(struct sn_buf *b, const struct sn_tkw_welcome *w);
int sn_tkw_put_snapshot(struct sn_buf *b, const struct sn_tkw_snapshot *s);
int sn_tkw_put_applied(struct sn_buf *b, const struct sn_tkw_applied *a);
int sn_tkw_put_refused(struct sn_buf *b, struct sn_str why);
int sn_tkw_put_beat(struct sn_buf *b, uint32_t ttl_ms);
int sn_tkw_put_stats(struct sn_buf *b, const struct sn_tkw_stats *s);
int sn_tkw_put_empty(struct sn_buf *b, enum sn_tkw_type type);

/* Readers take a frame's body. Texts borrow it, lists are the arena's. Return 0; SN_E_PROTOCOL,
 * whose diagnostic says what was expected; SN_E_NOMEM. A snapshot that was read is sound: see
 * sn_tkw_check. */
int sn_tkw_get_hello(struct sn_str body, uint16_t *ret_version) SN_MUST_CHECK;
int sn_tkw_get_welcome(struct sn_str body, struct sn_tkw_welcome *ret) SN_MUST_CHECK;
int sn_tkw_get_snapshot(struct sn_arena *a, struct sn_str body,
                        struct sn_tkw_snapshot *ret) SN_MUST_CHECK;
int sn_tkw_get_applied(struct sn_str body, struct sn_tkw_applied *ret) SN_MUST_CHECK;
int sn_tkw_get_refused(struct sn_str body, struct sn_str *ret) SN_MUST_CHECK;
int sn_tkw_get_beat(struct sn_str body, uint32_t *ret_ttl_ms) SN_MUST_CHECK;
int sn_tkw_get_stats(struct sn_arena *a, struct sn_str body,
                     struct sn_tkw_stats *ret) SN_MUST_CHECK;

/* sn_tkw_check - whether a snapshot makes sense: names, limits, ports, weights; no service twice;
 * back-ends of the service's address family; no back-end that is a service itself, which would be
 * redirected no further and so never be what was meant. Returns 0, SN_E_INVALID_ARGUMENT (the
 * diagnostic names service and address), SN_E_NOMEM. */
int sn_tkw_check(const struct sn_tkw_snapshot *s) SN_MUST_CHECK;

/* sn_tkw_is_v4 - ::ffff:a.b.c.d. */
bool sn_tkw_is_v4(const uint8_t ip[16]);
/* sn_tkw_addr_text - "10.0.0.1:80", "[fd00::1]:80". Returns `out`. */
#define SN_TKW_ADDR_TEXT_MAX 64
const char *sn_tkw_addr_text(const uint8_t ip[16], uint16_t port, char out[SN_TKW_ADDR_TEXT_MAX]);
/* sn_tkw_addr_parse - a literal address and a port above 0. Returns 0 or SN_E_SYNTAX. */
int sn_tkw_addr_parse(struct sn_str s, uint8_t ret_ip[16], uint16_t *ret_port) SN_MUST_CHECK;
