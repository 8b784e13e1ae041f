/* SPDX-License-Identifier: Apache-2.0 */
/* bench/abci/bench_abci.c - CheckTx per second of our client: bench_abci ADDRESS|local CALLERS
 * CALLS [WORKERS]. CALLERS fibers share one connection, each with one call at a time. Prints calls
 * per second, and the median and 99th percentile of a call in microseconds. "local": the kvstore in
 * this process. */
#include <stdio.h>
#include <stdlib.h>

#include "abci/client.h"
#include "abci/kvstore.h"

struct bench {
    struct sn_abci_client *c;
    const char *addr;
    unsigned callers, calls;
    _Atomic unsigned next;
    int64_t *took_ns;
};

static int caller(void *arg)
{
    struct bench *b = arg;
    struct sn_arena a;
    unsigned i;
    int r = 0;
    sn_arena_init(&a, NULL, 0);
    while (r >= 0 && (i = b->next++) < b->calls) {
        char tx[250];
        memset(tx, 'v', sizeof(tx));
        int n = snprintf(tx, sizeof(tx), "key%u=", i);
        tx[n] = 'v';
        struct tendermint_abci_request_check_tx q = {.tx = sn_str_of(tx, sizeof(tx))};
        struct tendermint_abci_response_check_tx *s;
        int64_t t = sn_now();
        r = sn_abci_check_tx(b->c, &q, &a, &s);
        if (r >= 0 && s->code) r = SN_E_INTERNAL;
        b->took_ns[i] = sn_now() - t;
        sn_arena_reset(&a);
    }
    sn_arena_done(&a);
    return r;
}
static int cmp(const void *x, const void *y)
{
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return (a > b) - (a < b);
}
static int measure(struct bench *b)
{
    struct sn_scope_storage mem;
    int64_t t = sn_now();
    int r = 0;
    struct sn_scope *sc = sn_scope_begin(&mem);
    for (unsigned i = 0; i < b->callers && r >= 0; i++)
        r = sn_scope_go_on(sc, i % sn_worker_count(), "caller", caller, b);
    int e = sn_scope_end(sc);
    if (r >= 0) r = e;
    t = sn_now() - t;
    if (r < 0) return r;
    qsort(b->took_ns, b->calls, sizeof(*b->took_ns), cmp);
    printf("%.0f %.1f %.1f\n", (double)b->calls / ((double)t / 1e9),
           (double)b->took_ns[b->calls / 2] / 1e3,
           (double)b->took_ns[(uint64_t)b->calls * 99 / 100] / 1e3);
    return 0;
}
static int run(void *arg)
{
    struct bench *b = arg;
    struct sn_kvstore *kv = NULL;
    int r;
    if (strcmp(b->addr, "local") == 0) {
        r = sn_kvstore_open(NULL, &kv);
        if (r >= 0) r = sn_abci_client_local(sn_kvstore_app(kv), NULL, NULL, &b->c);
    } else
        r = sn_abci_client_open(&(struct sn_abci_client_opts){.addr = b->addr,
                                                              .must_connect = true},
                                &b->c);
    if (r >= 0) r = measure(b);
    if (r < 0) fprintf(stderr, "bench_abci: %s\n", sn_diag_str(r));
    sn_abci_client_close(b->c);
    sn_kvstore_close(kv);
    return r;
}
int main(int argc, char **argv)
{
    if (argc < 4) return 2;
    struct bench b = {.addr = argv[1],
                      .callers = (unsigned)atoi(argv[2]),
                      .calls = (unsigned)atoi(argv[3])};
    b.took_ns = calloc(b.calls, sizeof(*b.took_ns));
    int r = b.took_ns
                ? sn_rt_run(&(struct sn_rt_opts){.workers = argc > 4 ? (unsigned)atoi(argv[4]) : 1},
                            run, &b)
                : -1;
    free(b.took_ns);
    return r < 0;
}
