/* SPDX-License-Identifier: Apache-2.0 */
/* abci/abci_test.h - an application for tests, whose transactions say what it is to do. */
#pragma once
#include "abci/client.h"
#include "abci/server.h"

/* CheckTx: "ok..." answers the transaction as data; "sleep N" waits N ms, "big N" answers N bytes,
 * "fail" is an exception, "panic" panics. Others: code 7. */
struct test_app {
    struct sn_abci_app app;
    unsigned calls, inside, inside_max; /* __atomic */
};
void test_app_init(struct test_app *t);
/* test_check - one CheckTx; its code, or the failure. ret_data: may be NULL. */
int test_check(struct sn_abci_client *c, struct sn_arena *a, const char *tx,
               struct sn_str *ret_data);
