/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/light/proxy_local.c - commits, headers and validators: the light client has them
 * itself. */
#include "consensus/light/proxy_int.h"
#include "consensus/rpc/json.h"

#define PER_PAGE 30
#define PER_PAGE_MAX 100

int proxy_block(struct proxy_call *c, int64_t height, struct sn_cons_light_block **ret)
{
    *ret = SN_ARENA_NEW(c->a, struct sn_cons_light_block);
    return *ret ? sn_light_client_block(c->client, height, c->a, *ret) : SN_E_NOMEM;
}
static int asked(struct proxy_call *c, struct sn_cons_light_block **ret)
{
    if (c->args[0].set && c->args[0].i <= 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "height must be greater than 0, but got %lld",
                       (long long)c->args[0].i);
    return proxy_block(c, c->args[0].i, ret);
}

int proxy_local_commit(struct proxy_call *c, struct sn_buf *out)
{
    struct sn_cons_light_block *b;
    int r = asked(c, &b);
    if (r < 0) return r;
    sn_buf_cstr(out, "{\"signed_header\":{\"header\":");
    sn_cons_json_header(out, &b->header);
    sn_buf_cstr(out, ",\"commit\":");
    sn_cons_json_commit(out, &b->commit);
    sn_buf_cstr(out, "},\"canonical\":true}");
    return 0;
}
int proxy_local_header(struct proxy_call *c, struct sn_buf *out)
{
    struct sn_cons_light_block *b;
    int r = asked(c, &b);
    if (r < 0) return r;
    sn_buf_cstr(out, "{\"header\":");
    sn_cons_json_header(out, &b->header);
    sn_buf_cstr(out, "}");
    return 0;
}
int proxy_local_validators(struct proxy_call *c, struct sn_buf *out)
{
    struct sn_cons_light_block *b;
    int r = asked(c, &b);
    if (r < 0) return r;
    int64_t total = b->vals->n,
            per_page = c->args[2].set && c->args[2].i > 0 ? c->args[2].i : PER_PAGE;
    per_page = SN_MIN(per_page, (int64_t)PER_PAGE_MAX);
    int64_t pages = (total + per_page - 1) / per_page, page = c->args[1].set ? c->args[1].i : 1;
    if (page < 1 || page > pages)
        return sn_fail(SN_E_INVALID_ARGUMENT, "page should be within [1, %lld] range, given %lld",
                       (long long)pages, (long long)page);
    int64_t from = (page - 1) * per_page, to = SN_MIN(from + per_page, total);
    sn_buf_printf(out, "{\"block_height\":\"%lld\",\"validators\":[", (long long)b->header.height);
    for (int64_t i = from; i < to; i++) {
        if (i > from) sn_buf_cstr(out, ",");
        sn_cons_json_validator(out, &b->vals->vals[i]);
    }
    sn_buf_printf(out, "],\"count\":\"%lld\",\"total\":\"%lld\"}", (long long)(to - from),
                  (long long)total);
    return 0;
}
