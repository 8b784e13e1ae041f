/* SPDX-License-Identifier: Apache-2.0 */
/* abci/app.c - see app.h. */
#include "abci/app.h"

static const struct sn_abci_method_info infos[] = {
#define X(lower, UPPER)                                                   \
    [SN_ABCI_##UPPER] = {#lower, &tendermint_abci_request_##lower##_desc, \
                         &tendermint_abci_response_##lower##_desc,        \
                         TENDERMINT_ABCI_REQUEST_VALUE_##UPPER,           \
                         TENDERMINT_ABCI_RESPONSE_VALUE_##UPPER},
    SN_ABCI_METHODS(X)
#undef X
};

const struct sn_abci_method_info *sn_abci_method_info(enum sn_abci_method m)
{
    SN_ASSERT((unsigned)m < SN_ABCI_METHOD_COUNT);
    return &infos[m];
}

int sn_abci_method_by_name(struct sn_str name)
{
    for (int m = 0; m < SN_ABCI_METHOD_COUNT; m++) {
        const char *n = infos[m].name;
        if (strlen(n) != name.len) continue;
        size_t i = 0;
        while (i < name.len && (name.ptr[i] == n[i] || (name.ptr[i] == '-' && n[i] == '_'))) i++;
        if (i == name.len) return m;
    }
    return SN_E_NOT_FOUND;
}

/* ---- what stands for a callback that is NULL; zero says all where there is no function --------
 */

static int default_prepare_proposal(struct sn_arena *a,
                                    const struct tendermint_abci_request_prepare_proposal *req,
                                    struct tendermint_abci_response_prepare_proposal *res)
{
    int64_t total = 0;
    uint32_t n = 0;
    while (n < req->txs.len) {
        total += (int64_t)req->txs.ptr[n].len;
        if (total > req->max_tx_bytes) break;
        n++;
    }
    res->txs.ptr = SN_ARENA_ARRAY(a, struct sn_str, n);
    if (!res->txs.ptr) return SN_E_NOMEM;
    if (n) memcpy(res->txs.ptr, req->txs.ptr, n * sizeof(*req->txs.ptr));
    res->txs.len = res->txs.cap = n;
    return 0;
}

static int default_finalize_block(struct sn_arena *a,
                                  const struct tendermint_abci_request_finalize_block *req,
                                  struct tendermint_abci_response_finalize_block *res)
{
    for (uint32_t i = 0; i < req->txs.len; i++)
        if (!tendermint_abci_response_finalize_block_add_tx_results(res, a)) return SN_E_NOMEM;
    return 0;
}

static int by_default(enum sn_abci_method m, struct sn_arena *a, const void *req, void *res)
{
    switch (m) {
    case SN_ABCI_PREPARE_PROPOSAL: return default_prepare_proposal(a, req, res);
    case SN_ABCI_FINALIZE_BLOCK: return default_finalize_block(a, req, res);
    case SN_ABCI_PROCESS_PROPOSAL:
        ((struct tendermint_abci_response_process_proposal *)res)->status =
            TENDERMINT_ABCI_RESPONSE_PROCESS_PROPOSAL_PROPOSAL_STATUS_ACCEPT;
        return 0;
    case SN_ABCI_VERIFY_VOTE_EXTENSION:
        ((struct tendermint_abci_response_verify_vote_extension *)res)->status =
            TENDERMINT_ABCI_RESPONSE_VERIFY_VOTE_EXTENSION_VERIFY_STATUS_ACCEPT;
        return 0;
    default: return 0;
    }
}

/* ---- the call ---------------------------------------------------------------------------------
 */

static int callback(struct sn_abci_app *app, enum sn_abci_method m, const void *req,
                    struct sn_arena *a, void *res)
{
    struct sn_abci_call c = {app, a};
    switch (m) {
    case SN_ABCI_ECHO:
        ((struct tendermint_abci_response_echo *)res)->message =
            ((const struct tendermint_abci_request_echo *)req)->message;
        return 0;
    case SN_ABCI_FLUSH: return 0;
#define X(name, NAME) \
    case SN_ABCI_##NAME: return app->name ? app->name(&c, req, res) : by_default(m, a, req, res);
        SN_ABCI_APP_METHODS(X)
#undef X
    case SN_ABCI_METHOD_COUNT: break;
    }
    return sn_fail(SN_E_INTERNAL, "abci: no method %d", (int)m);
}

static void unlock(struct sn_mutex **held)
{
    if (*held) sn_mutex_unlock(*held);
}

int sn_abci_app_call(struct sn_abci_app *app, enum sn_abci_method m, const void *req,
                     struct sn_arena *a, void **ret)
{
    const unsigned free_of_lock =
        app->concurrent | SN_ABCI_BIT(SN_ABCI_ECHO) | SN_ABCI_BIT(SN_ABCI_FLUSH);
    struct sn_mutex *held SN_CLEANUP(unlock) = NULL;
    void *res = sn_pb_new(sn_abci_method_info(m)->res, a);
    if (!res) return SN_E_NOMEM;
    if (!(free_of_lock & SN_ABCI_BIT(m))) {
        int r = sn_mutex_lock(&app->lock);
        if (r < 0) return r;
        held = &app->lock;
    }
    int r = callback(app, m, req, a, res);
    if (r < 0) return sn_wrap(r, "%s: %s", app->name ? app->name : "app", infos[m].name);
    *ret = res;
    return 0;
}

struct attempt {
    struct sn_abci_app *app;
    enum sn_abci_method m;
    const void *req;
    struct sn_arena *a;
    void **ret;
};
static int attempt(void *arg)
{
    struct attempt *t = arg;
    return sn_abci_app_call(t->app, t->m, t->req, t->a, t->ret);
}
int sn_abci_app_try(struct sn_abci_app *app, enum sn_abci_method m, const void *req,
                    struct sn_arena *a, void **ret)
{
    struct attempt t = {app, m, req, a, ret};
    return sn_try(attempt, &t);
}
