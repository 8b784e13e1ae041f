/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_url.c - URLs a client is given: what is accepted is sound enough to be put in a request
 * (our own server's parser takes it), and rebuilt from its parts it means the same. */
#include <stdlib.h>

#include "core/status.h"
#include "kit/http_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void request_of(const struct http_url *u)
{
    struct sn_buf b;
    struct sn_arena a;
    struct sn_h1 h;
    sn_buf_init(&b, 0);
    sn_arena_init(&a, NULL, 0);
    const struct sn_h1_opts o = {.head_bytes_max = 1u << 24, .target_bytes_max = 1u << 24};
    bool slash = u->target.len == 0 || u->target.ptr[0] != '/'; /* as http_client_h1.c does */
    sn_buf_str(&b, slash ? SN_STR("GET /") : SN_STR("GET "));
    sn_buf_str(&b, u->target);
    sn_buf_str(&b, SN_STR(" HTTP/1.1\r\nhost: "));
    sn_buf_str(&b, u->authority);
    sn_buf_str(&b, SN_STR("\r\n\r\n"));
    SN_ASSERT(b.err == 0);
    sn_h1_init(&h, &o, &a);
    SN_ASSERT(sn_h1_parse(&h, (char *)b.ptr, b.len) == (ssize_t)b.len);
    SN_ASSERT(sn_str_eq(sn_str_from(h.target, slash), u->target) && sn_str_eq(h.authority, u->authority));
    sn_arena_done(&a);
    sn_buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 60000) return 0;
    struct http_url u, v;
    int r = http_url_parse(sn_str_of((const char *)data, size), &u);
    if (r < 0) {
        SN_ASSERT(r == SN_E_SYNTAX);
        return 0;
    }
    SN_ASSERT(u.port && u.host.len && u.authority.len >= u.host.len);
    request_of(&u);
    struct sn_buf b;
    sn_buf_init(&b, 0);
    sn_buf_str(&b, u.ws ? u.tls ? SN_STR("wss://") : SN_STR("ws://")
                   : u.tls ? SN_STR("https://") : SN_STR("http://"));
    sn_buf_str(&b, u.authority);
    sn_buf_str(&b, u.target);
    SN_ASSERT(http_url_parse(sn_buf_view(&b), &v) == 0);
    SN_ASSERT(v.tls == u.tls && v.ws == u.ws && v.port == u.port && sn_str_eq(v.host, u.host));
    SN_ASSERT(sn_str_eq(v.authority, u.authority) && sn_str_eq(v.target, u.target));
    sn_buf_done(&b);
    return 0;
}
