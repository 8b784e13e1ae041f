/* SPDX-License-Identifier: Apache-2.0 */
/* netlink/ip.h - IP addresses and prefixes as values, IPv4 and IPv6 alike. */
#pragma once
#include "core/buf.h"
#include "core/str.h"

#define SN_IP_TEXT_MAX 46u   /* with the NUL */
#define SN_CIDR_TEXT_MAX 50u /* with the NUL */

struct sn_ip {
    uint8_t len; /* 4 or 16 bytes; 0 = none */
    uint8_t b[16];
};
struct sn_cidr {
    struct sn_ip ip;
    uint8_t bits; /* of the prefix */
};

/* sn_ip_parse - "10.0.0.1" or "fd00::1". Returns 0 or SN_E_SYNTAX, which names the text. */
int sn_ip_parse(struct sn_str s, struct sn_ip *ret) SN_MUST_CHECK;
/* sn_cidr_parse - "10.0.0.1/24"; the host's bits are kept. Returns 0 or SN_E_SYNTAX. */
int sn_cidr_parse(struct sn_str s, struct sn_cidr *ret) SN_MUST_CHECK;
/* sn_ip_text, sn_cidr_text - into `out`, SN_IP_TEXT_MAX and SN_CIDR_TEXT_MAX bytes. Return `out`.
 */
const char *sn_ip_text(const struct sn_ip *ip, char *out);
const char *sn_cidr_text(const struct sn_cidr *c, char *out);
/* sn_ip_cmp - by family, then as numbers. */
int sn_ip_cmp(const struct sn_ip *a, const struct sn_ip *b);
static inline bool sn_ip_eq(const struct sn_ip *a, const struct sn_ip *b)
{
    return sn_ip_cmp(a, b) == 0;
}
/* sn_ip_step - the address after (before, where `down`) it; wraps around. */
struct sn_ip sn_ip_step(const struct sn_ip *ip, bool down);
/* sn_cidr_net - the prefix with the host's bits at 0; sn_cidr_last - with all of them at 1. */
struct sn_ip sn_cidr_net(const struct sn_cidr *c);
struct sn_ip sn_cidr_last(const struct sn_cidr *c);
bool sn_cidr_has(const struct sn_cidr *c, const struct sn_ip *ip);
/* sn_cidr_mask - the netmask. */
struct sn_ip sn_cidr_mask(const struct sn_cidr *c);
