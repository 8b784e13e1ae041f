/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/light/http.c - light blocks from a node's RPC. Whatever comes is checked: who it is of,
 * its height, and that header, commit and validators belong together. */
#include <stdlib.h>

#include "consensus/check.h"
#include "consensus/codec.h"
#include "consensus/genesis.h"
#include "consensus/hash.h"
#include "consensus/light/client.h"
#include "consensus/light/rpc_int.h"
#include "consensus/rpc/json.h"
#include "consensus/rpc/json_read.h"
#include "consensus/valset.h"
#include "core/alloc.h"
#include "fiber/fiber.h"

#define PAGE 100
#define PAGES_MAX (SN_CONS_VALIDATORS_MAX / PAGE)

struct http {
    struct sn_light_provider p;
    struct sn_light_rpc *rpc;
    char chain_id[SN_CONS_CHAIN_ID_MAX];
    size_t chain_id_len;
};

static struct http *http_of(struct sn_light_provider *p)
{
    return SN_CONTAINER_OF(p, struct http, p);
}
/* An error that only says that the answer is of no use. */
static int blame(struct http *h, int r)
{
    bool form = r == SN_E_SYNTAX || r == SN_E_OUT_OF_RANGE || r == SN_E_TOO_LARGE;
    return light_recode(r, form ? SN_E_INVALID_ARGUMENT : r, h->p.name);
}

static int fetch_header(struct http *h, int64_t height, struct sn_arena *a,
                        struct sn_cons_light_block *ret)
{
    struct sn_arena tmp SN_CLEANUP(sn_arena_done);
    const struct sn_json *res;
    sn_arena_init(&tmp, NULL, 0);
    struct sn_str params =
        height ? sn_arena_printf(&tmp, "{\"height\":\"%lld\"}", (long long)height) : SN_STR("{}");
    if (!params.ptr) return SN_E_NOMEM;
    int r = sn_light_rpc_call(h->rpc, "commit", params, false, &tmp, &res);
    if (r < 0) return r;
    /* A node that has no block yet answers with an empty header. */
    const struct sn_json *sh = sn_json_get(res, "signed_header");
    if (sn_json_kind(sn_json_get(sh, "header")) == SN_JSON_NULL ||
        sn_json_kind(sn_json_get(sh, "commit")) == SN_JSON_NULL)
        return sn_fail(SN_E_OUT_OF_RANGE, "%s: no block yet", h->p.name);
    if ((r = sn_cons_json_read_signed_header(sh, a, ret)) < 0) return blame(h, r);
    if (!sn_str_eq(sn_cons_header_chain(&ret->header), sn_str_of(h->chain_id, h->chain_id_len)))
        return sn_fail(SN_E_INVALID_ARGUMENT, "%s is of chain %.*s, expected %.*s", h->p.name,
                       SN_STR_ARG(sn_cons_header_chain(&ret->header)), (int)h->chain_id_len,
                       h->chain_id);
    if (height && ret->header.height != height)
        return sn_fail(SN_E_INVALID_ARGUMENT, "%s: block of height %lld, expected %lld", h->p.name,
                       (long long)ret->header.height, (long long)height);
    return 0;
}

static int http_signed_header(struct sn_light_provider *p, int64_t height, struct sn_arena *a,
                              struct sn_cons_light_block *ret)
{
    struct http *h = http_of(p);
    struct sn_cons_hash hash;
    int r = fetch_header(h, height, a, ret);
    if (r < 0) return r;
    r = sn_cons_check_header(&ret->header);
    if (r >= 0) r = sn_cons_check_commit(&ret->commit);
    if (r >= 0) r = sn_cons_header_hash(&ret->header, &hash);
    if (r < 0) return blame(h, r);
    if (ret->commit.height != ret->header.height ||
        !sn_cons_hash_eq(&hash, &ret->commit.block_id.hash))
        return sn_fail(SN_E_INVALID_ARGUMENT, "%s: commit of another block", p->name);
    return 0;
}

/* ---- validators ---- */

struct pages {
    struct sn_cons_valset *set;
    int64_t total; /* what the first page says */
};
static int fetch_page(struct http *h, int64_t height, unsigned page, struct sn_arena *a,
                      struct pages *p)
{
    struct sn_arena tmp SN_CLEANUP(sn_arena_done);
    const struct sn_json *res;
    int64_t total = 0;
    sn_arena_init(&tmp, NULL, 0);
    struct sn_str params =
        sn_arena_printf(&tmp, "{\"height\":\"%lld\",\"page\":\"%u\",\"per_page\":\"%d\"}",
                        (long long)height, page, PAGE);
    if (!params.ptr) return SN_E_NOMEM;
    int r = sn_light_rpc_call(h->rpc, "validators", params, false, &tmp, &res);
    if (r < 0) return r;
    if ((r = sn_cons_json_read_i64(res, "total", &total)) < 0) return blame(h, r);
    if (p->total == 0 && total > 0 && total <= SN_CONS_VALIDATORS_MAX) {
        p->total = total;
        p->set->vals = SN_ARENA_ARRAY(a, struct sn_cons_validator, (size_t)total);
        if (!p->set->vals) return SN_E_NOMEM;
    }
    const struct sn_json *list = sn_json_get(res, "validators");
    size_t n = sn_json_len(list);
    if (total != p->total || n == 0 || n > (size_t)total - p->set->n)
        return sn_fail(SN_E_INVALID_ARGUMENT, "%s: %zu of %lld validators on page %u after %u",
                       h->p.name, n, (long long)total, page, p->set->n);
    for (SN_JSON_EACH(list, v)) {
        r = sn_cons_json_read_validator(v, &p->set->vals[p->set->n]);
        if (r < 0) return blame(h, sn_wrap(r, "validator %u", p->set->n));
        p->set->n++;
    }
    return 0;
}
/* Who proposed last is not said, but has paid for it: the one with the lowest priority. */
static void set_proposer(struct sn_cons_valset *s)
{
    const struct sn_cons_validator *last = &s->vals[0];
    for (uint32_t i = 1; i < s->n; i++) {
        const struct sn_cons_validator *v = &s->vals[i];
        if (v->priority < last->priority ||
            (v->priority == last->priority && memcmp(v->addr, last->addr, SN_CONS_ADDR_LEN) > 0))
            last = v;
    }
    s->proposer = *last;
    s->has_proposer = true;
}
static int fetch_vals(struct http *h, int64_t height, struct sn_arena *a,
                      struct sn_cons_valset **ret)
{
    struct pages p = {.set = SN_ARENA_NEW(a, struct sn_cons_valset)};
    int r = p.set ? 0 : SN_E_NOMEM;
    for (unsigned page = 1; r >= 0 && page <= PAGES_MAX; page++) {
        r = fetch_page(h, height, page, a, &p);
        if (p.set->n == p.total) break;
    }
    if (r < 0) return r;
    qsort(p.set->vals, p.set->n, sizeof(*p.set->vals), sn_cons_by_power);
    set_proposer(p.set);
    r = sn_cons_valset_check(p.set);
    *ret = p.set;
    return r < 0 ? blame(h, r) : 0;
}

/* Validators on their way beside the header, in an arena of their own. */
struct beside {
    struct http *h;
    int64_t height;
    struct sn_arena arena;
    struct sn_cons_valset *set;
};
static int fetch_beside(void *arg)
{
    struct beside *v = arg;
    return fetch_vals(v->h, v->height, &v->arena, &v->set);
}
static int take_set(const struct beside *v, struct sn_arena *a, struct sn_cons_valset **ret)
{
    struct sn_cons_valset *s = SN_ARENA_NEW(a, struct sn_cons_valset);
    if (!s) return SN_E_NOMEM;
    *s = *v->set;
    if (!(s->vals = SN_ARENA_ARRAY(a, struct sn_cons_validator, s->n))) return SN_E_NOMEM;
    memcpy(s->vals, v->set->vals, s->n * sizeof(*s->vals));
    *ret = s;
    return 0;
}
static int fetch_both(struct http *h, int64_t height, struct sn_arena *a,
                      struct sn_cons_light_block *ret)
{
    struct beside v = {.h = h, .height = height};
    struct sn_scope_storage mem;
    sn_arena_init(&v.arena, NULL, SN_LIGHT_ARENA_MAX);
    struct sn_scope *scope = sn_scope_begin(&mem);
    int started = sn_scope_go(scope, "light-validators", fetch_beside, &v);
    int r = started < 0 ? started : fetch_header(h, height, a, ret);
    struct sn_diag why = *sn_diag();
    if (r < 0) sn_scope_cancel(scope);
    int vals = sn_scope_end(scope);
    if (r < 0)
        *sn_diag() = why;
    else
        r = vals < 0 ? vals : take_set(&v, a, &ret->vals);
    sn_arena_done(&v.arena);
    return r;
}
static int http_block(struct sn_light_provider *p, int64_t height, struct sn_arena *a,
                      struct sn_cons_light_block *ret)
{
    struct http *h = http_of(p);
    int r;
    if (height) {
        r = fetch_both(h, height, a, ret);
    } else {
        r = fetch_header(h, 0, a, ret);
        if (r >= 0) r = fetch_vals(h, ret->header.height, a, &ret->vals);
    }
    if (r < 0) return r;
    r = sn_cons_check_light_block(ret);
    return r < 0 ? blame(h, r) : 0;
}

/* ---- the rest ---- */

static int http_params(struct sn_light_provider *p, int64_t height, struct sn_cons_params *ret)
{
    struct http *h = http_of(p);
    struct sn_arena tmp SN_CLEANUP(sn_arena_done);
    const struct sn_json *res;
    sn_arena_init(&tmp, NULL, 0);
    struct sn_str params = sn_arena_printf(&tmp, "{\"height\":\"%lld\"}", (long long)height);
    if (!params.ptr) return SN_E_NOMEM;
    int r = sn_light_rpc_call(h->rpc, "consensus_params", params, false, &tmp, &res);
    if (r < 0) return r;
    int64_t at = 0;
    r = sn_cons_json_read_i64(res, "block_height", &at);
    if (r >= 0 && at != height)
        r = sn_fail(SN_E_INVALID_ARGUMENT, "consensus parameters of height %lld, expected %lld",
                    (long long)at, (long long)height);
    if (r >= 0) r = sn_cons_params_parse(sn_json_get(res, "consensus_params"), ret);
    return r < 0 ? blame(h, r) : 0;
}

static int http_report(struct sn_light_provider *p, const struct sn_cons_evidence *ev)
{
    struct sn_arena tmp SN_CLEANUP(sn_arena_done);
    struct sn_buf params SN_CLEANUP(sn_buf_done);
    const struct sn_json *res;
    sn_arena_init(&tmp, NULL, 0);
    sn_buf_init(&params, 0);
    sn_buf_cstr(&params, "{\"evidence\":");
    sn_cons_json_evidence(&params, ev);
    sn_buf_cstr(&params, "}");
    if (params.err < 0) return params.err;
    return sn_light_rpc_call(http_of(p)->rpc, "broadcast_evidence", sn_buf_view(&params), true,
                             &tmp, &res);
}

static void http_close(struct sn_light_provider *p)
{
    struct http *h = http_of(p);
    sn_light_rpc_close(h->rpc);
    sn_free(h);
}

int sn_light_http(const char *url, struct sn_str chain_id, struct sn_light_provider **ret)
{
    if (chain_id.len > SN_CONS_CHAIN_ID_MAX)
        return sn_fail(SN_E_SYNTAX, "chain id of %zu bytes, at most %d", chain_id.len,
                       SN_CONS_CHAIN_ID_MAX);
    struct http *h = SN_NEW(struct http);
    if (!h) return SN_E_NOMEM;
    *h = (struct http){.p = {.block = http_block,
                             .report = http_report,
                             .close = http_close,
                             .signed_header = http_signed_header,
                             .params = http_params},
                       .chain_id_len = chain_id.len};
    memcpy(h->chain_id, chain_id.ptr, chain_id.len);
    int r = sn_light_rpc_open(url, &h->rpc);
    if (r < 0) {
        sn_free(h);
        return r;
    }
    h->p.name = sn_light_rpc_name(h->rpc);
    *ret = &h->p;
    return 0;
}
