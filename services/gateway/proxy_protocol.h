/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/proxy_protocol.h - the header in which a load balancer tells whom it forwards. Sans I/O.
 * Source: haproxy's doc/proxy-protocol.txt, versions 1 and 2. */
#pragma once
#include "core/base.h"
#include "core/status.h"
#include "core/str.h"

#define SN_PROXYP_V1_MAX 107u  /* bytes of a header of version 1, line end included */
#define SN_PROXYP_V2_MAX 2048u /* of version 2, TLVs included; they may announce 64 KiB */
#define SN_PROXYP_ADDR_MAX 64u /* "ip:port", with the NUL */
#define SN_PROXYP_OUT_MAX 128u /* of a header of ours */

struct sn_proxyp {
    bool
        known; /* false: a health check of the proxy's own, or a protocol that is not TCP over IP */
    char source[SN_PROXYP_ADDR_MAX], dest[SN_PROXYP_ADDR_MAX];
};
/* sn_proxyp_parse - a header at the beginning of data[0..n). Returns its length; SN_E_AGAIN: not
 * whole yet
 * (*ret_more bytes at least are missing, and all of them belong to the header); SN_E_SYNTAX: it is
 * none; SN_E_TOO_LARGE; SN_E_DATA_LOSS: a checksum TLV that does not fit. Context: anywhere. */
int sn_proxyp_parse(const void *data, size_t n, struct sn_proxyp *ret,
                    size_t *ret_more) SN_MUST_CHECK;
/* sn_proxyp_write - a header of version 1 or 2 for a connection from source to dest ("ip:port",
 * "[ip]:port"); empty ones: of the proxy's own (UNKNOWN, LOCAL). Returns its length. */
size_t sn_proxyp_write(unsigned version, struct sn_str source, struct sn_str dest,
                       uint8_t out[SN_PROXYP_OUT_MAX]);
