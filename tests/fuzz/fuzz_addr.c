/* SPDX-License-Identifier: Apache-2.0 */
/* Textual network addresses: any text parses or is refused, what parses stays inside the text, and
 * a literal address printed and parsed again is the same. */
#include <stdint.h>
#include <string.h>

#include "core/base.h"
#include "fiber/net_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[600], again[256];
    struct sn_net_name n;
    struct sn_sockaddr a, b;
    if (size >= sizeof text) return 0;
    memcpy(text, data, size);
    text[size] = 0;
    if (sn_net_name_parse(text, &n) < 0) return 0;
    struct sn_str part = n.is_unix ? n.unix_path : n.host;
    SN_ASSERT(part.len == 0 || (part.ptr >= text && part.ptr + part.len <= text + strlen(text)));
    if (n.is_unix) {
        sn_net_unix_addr(n.unix_path, &a);
        SN_ASSERT(a.len <= sizeof a.u.un + 0u);
        (void)!sn_net_addr_format(&a, again, sizeof again);
        return 0;
    }
    if (!sn_net_ip_parse(n.host, n.port, &a)) return 0;
    SN_ASSERT(sn_net_addr_format(&a, again, sizeof again) > 0);
    SN_ASSERT(sn_net_name_parse(again, &n) == 0);
    if (strchr(again, '%')) return 0; /* zones print as numbers */
    SN_ASSERT(sn_net_ip_parse(n.host, n.port, &b) && a.len == b.len);
    SN_ASSERT(memcmp(&a.u, &b.u, a.len) == 0);
    return 0;
}
