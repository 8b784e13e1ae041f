/* SPDX-License-Identifier: Apache-2.0 */
/* PROXY headers: what is whole is never asked for more, what is cut is asked for no byte too many.
 */
#include <stdlib.h>

#include "gateway/proxy_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_proxyp p, q;
    size_t more;
    int r = sn_proxyp_parse(data, size, &p, &more);
    if (r == SN_E_AGAIN && (more == 0 || size + more > SN_PROXYP_V2_MAX)) abort();
    if (r > (int)size || r == 0) abort();
    for (int cut = 0; cut < r; cut++)
        if (sn_proxyp_parse(data, (size_t)cut, &q, &more) != SN_E_AGAIN || cut + (int)more > r)
            abort();
    if (r > 0 && p.known) {
        uint8_t out[SN_PROXYP_OUT_MAX];
        size_t n = sn_proxyp_write(1 + size % 2, sn_str(p.source), sn_str(p.dest), out);
        if (sn_proxyp_parse(out, n, &q, &more) != (int)n || strcmp(p.source, q.source) != 0)
            abort();
    }
    return 0;
}
