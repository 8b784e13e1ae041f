/* SPDX-License-Identifier: Apache-2.0 */
/* abci/abci_env_test.c - see abci_test.h. */
#include "abci/abci_test.h"

#include <stdlib.h>

static int check_tx(struct sn_abci_call *c, const struct tendermint_abci_request_check_tx *req,
                    struct tendermint_abci_response_check_tx *res)
{
    struct test_app *t = c->app->self;
    struct sn_str cmd = req->tx, n_text = cmd;
    int r = 0;
    (void)sn_str_cut(&n_text, ' ');
    unsigned long n = n_text.ptr ? strtoul(sn_arena_str(c->arena, n_text).ptr, NULL, 10) : 0;
    __atomic_add_fetch(&t->calls, 1, __ATOMIC_RELAXED);
    unsigned in = __atomic_add_fetch(&t->inside, 1, __ATOMIC_RELAXED);
    unsigned max = __atomic_load_n(&t->inside_max, __ATOMIC_RELAXED);
    while (in > max && !__atomic_compare_exchange_n(&t->inside_max, &max, in, true,
                                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
    if (sn_str_starts(cmd, SN_STR("ok")))
        res->data = cmd;
    else if (sn_str_starts(cmd, SN_STR("sleep")))
        r = sn_sleep((int64_t)n * SN_MS);
    else if (sn_str_starts(cmd, SN_STR("big"))) {
        char *p = sn_arena_alloc(c->arena, n);
        if (p) memset(p, 'b', n);
        res->data = sn_str_of(p, n);
        r = p ? 0 : SN_E_NOMEM;
    } else if (sn_str_starts(cmd, SN_STR("fail")))
        r = sn_fail(SN_E_INTERNAL, "told to \xff fail");
    else if (sn_str_starts(cmd, SN_STR("panic")))
        sn_panic("told to panic");
    else
        res->code = 7;
    __atomic_sub_fetch(&t->inside, 1, __ATOMIC_RELAXED);
    return r;
}

void test_app_init(struct test_app *t)
{
    *t = (struct test_app){.app = {.name = "test", .check_tx = check_tx}};
    t->app.self = t;
}

int test_check(struct sn_abci_client *c, struct sn_arena *a, const char *tx,
               struct sn_str *ret_data)
{
    struct tendermint_abci_request_check_tx q = {.tx = sn_str(tx)};
    struct tendermint_abci_response_check_tx *s;
    int r = sn_abci_check_tx(c, &q, a, &s);
    if (r < 0) return r;
    if (ret_data) *ret_data = s->data;
    return (int)s->code;
}
