/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/pattern.c - see regex.h. */
#include "gateway/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "core/alloc.h"
#include "core/buf.h"
#include "core/status.h"

/* The just-in-time code would put its backtracking on the machine stack unless it is given one. */
#define JIT_STACK_MIN (16u << 10)
#define JIT_STACK_MAX (256u << 10)

struct sn_gw_regex {
    pcre2_code *code;
};

struct sn_gw_regex_ctx {
    pcre2_match_data *data;
    pcre2_match_data *groups; /* with the spans of $0 to $9 */
    pcre2_match_context *match;
    pcre2_jit_stack *stack;
};

static void *re_alloc(size_t n, void *arg) { return sn_alloc(n); }
static void re_free(void *p, void *arg) { sn_free(p); }

int sn_gw_regex_new(struct sn_str pattern, struct sn_gw_regex **ret)
{
    if (pattern.len > SN_GW_REGEX_PATTERN_MAX)
        return sn_fail(SN_E_TOO_LARGE, "pattern longer than %u bytes", SN_GW_REGEX_PATTERN_MAX);
    pcre2_general_context *gen = pcre2_general_context_create(re_alloc, re_free, NULL);
    pcre2_compile_context *cc = gen ? pcre2_compile_context_create(gen) : NULL;
    struct sn_gw_regex *re = cc ? SN_NEW(struct sn_gw_regex) : NULL;
    int r = re ? 0 : SN_E_NOMEM;
    if (r == 0) {
        int err = 0;
        PCRE2_SIZE at = 0;
        pcre2_set_parens_nest_limit(cc, 64);
        re->code = pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len,
                                 PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOLLAR_ENDONLY |
                                     PCRE2_NEVER_BACKSLASH_C,
                                 &err, &at, cc);
        if (!re->code) {
            char why[128] = "";
            pcre2_get_error_message(err, (PCRE2_UCHAR *)why, sizeof(why));
            r = err == PCRE2_ERROR_HEAP_FAILED
                    ? SN_E_NOMEM
                    : sn_fail(SN_E_SYNTAX, "bad pattern at offset %zu: %s", (size_t)at, why);
        } else {
            /* Where JIT is refused (a hardened kernel) the interpreter serves, with the same
             * limits. */
            (void)pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE);
        }
    }
    if (cc) pcre2_compile_context_free(cc);
    if (gen) pcre2_general_context_free(gen);
    if (r < 0) {
        sn_free(re);
        return r;
    }
    *ret = re;
    return 0;
}

void sn_gw_regex_free(struct sn_gw_regex *re)
{
    if (!re) return;
    pcre2_code_free(re->code);
    sn_free(re);
}

struct sn_gw_regex_ctx *sn_gw_regex_ctx_new(void)
{
    struct sn_gw_regex_ctx *c = SN_NEW(struct sn_gw_regex_ctx);
    if (!c) return NULL;
    pcre2_general_context *gen = pcre2_general_context_create(re_alloc, re_free, NULL);
    if (gen) {
        c->data = pcre2_match_data_create(1, gen);
        c->groups = pcre2_match_data_create(10, gen);
        c->match = pcre2_match_context_create(gen);
        c->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, gen);
        pcre2_general_context_free(gen);
    }
    if (!c->data || !c->groups || !c->match) {
        sn_gw_regex_ctx_free(c);
        return NULL;
    }
    pcre2_set_match_limit(c->match, SN_GW_REGEX_STEPS_MAX);
    pcre2_set_depth_limit(c->match, 2000);
    pcre2_set_heap_limit(c->match, 1024); /* KiB */
    if (c->stack) pcre2_jit_stack_assign(c->match, NULL, c->stack);
    return c;
}

void sn_gw_regex_ctx_free(struct sn_gw_regex_ctx *c)
{
    if (!c) return;
    if (c->data) pcre2_match_data_free(c->data);
    if (c->groups) pcre2_match_data_free(c->groups);
    if (c->match) pcre2_match_context_free(c->match);
    if (c->stack) pcre2_jit_stack_free(c->stack);
    sn_free(c);
}

bool sn_gw_regex_match(const struct sn_gw_regex *re, struct sn_gw_regex_ctx *ctx, struct sn_str s)
{
    return pcre2_match(re->code, (PCRE2_SPTR)(s.ptr ? s.ptr : ""), s.len, 0, 0, ctx->data,
                       ctx->match) >= 0;
}

int sn_gw_regex_replace(const struct sn_gw_regex *re, struct sn_gw_regex_ctx *ctx, struct sn_str s,
                        struct sn_str to, struct sn_arena *a, struct sn_str *ret)
{
    int n = pcre2_match(re->code, (PCRE2_SPTR)(s.ptr ? s.ptr : ""), s.len, 0, 0, ctx->groups,
                        ctx->match);
    if (n < 0) return SN_E_NOT_FOUND;
    if (n == 0)
        n = 10; /* more groups than there is room for: those that have a name here are there */
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(ctx->groups);
    struct sn_buf b;
    sn_buf_init(&b, 0);
    for (size_t i = 0; i < to.len; i++) {
        char c = to.ptr[i], next = i + 1 < to.len ? to.ptr[i + 1] : 0;
        if (c != '$' || !((next >= '0' && next <= '9') || next == '$')) {
            sn_buf_byte(&b, (uint8_t)c);
            continue;
        }
        i++;
        int g = next - '0';
        if (next == '$')
            sn_buf_byte(&b, '$');
        else if (g < n && at[2 * g] != PCRE2_UNSET)
            sn_buf_put(&b, s.ptr + at[2 * g], at[2 * g + 1] - at[2 * g]);
    }
    *ret = b.err < 0 ? (struct sn_str){0} : sn_arena_str(a, sn_buf_view(&b));
    sn_buf_done(&b);
    return ret->ptr ? 0 : SN_E_NOMEM;
}
