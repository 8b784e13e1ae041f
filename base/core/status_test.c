/* SPDX-License-Identifier: Apache-2.0 */
#include "core/status.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/rand.h"
#include "core/str.h"
#include "harness/test.h"

SN_TEST(status_tables_are_complete)
{
    for (int code = -1; code >= -60; code--) {
        bool known = (code >= -16) || (code <= SN_E_AGAIN && code >= SN_E_BUSY);
        sn_test_row("code %d", code);
        T_EQ(strcmp(sn_status_name(code), "UNKNOWN") != 0, known && code != SN_E_UNKNOWN);
        T_ASSERT(sn_status_canonical(code) >= 1 && sn_status_canonical(code) <= 16);
        T_ASSERT(sn_status_http(code) >= 400 && sn_status_http(code) <= 504);
        if (code >= -16) T_EQ(sn_status_canonical(code), -code);
    }
    T_CSTR(sn_status_name(7), "OK");
    T_EQ(sn_status_http(0), 200);
    T_EQ(sn_status_canonical(INT32_MIN), 2);
    /* SPEC: google/rpc/code.proto, the HTTP mapping beside each code. */
    static const int http[] = {200, 499, 500, 400, 504, 404, 409, 403, 429,
                               400, 409, 400, 501, 500, 503, 500, 401};
    for (int i = 0; i <= 16; i++) T_EQ(sn_status_http(-i), http[i]);
    T_EQ(sn_status_from_errno(EAGAIN), SN_E_AGAIN);
    T_EQ(sn_status_from_errno(EMFILE), SN_E_FILES);
    T_EQ(sn_status_from_errno(ECONNREFUSED), SN_E_REFUSED);
    T_EQ(sn_status_from_errno(99999), SN_E_UNKNOWN);
}

static int inner(void) { return sn_fail(SN_E_NOT_FOUND, "upstream %s", "b"); }

SN_TEST(status_diagnostics_chain)
{
    int r = sn_wrap(inner(), "route %d", 4);
    T_EQ(r, SN_E_NOT_FOUND);
    T_CSTR(sn_diag_str(r), "route 4: upstream b");
    T_CSTR(sn_diag_str(SN_E_AGAIN), "AGAIN"); /* another failure without text */
    r = sn_wrap(SN_E_RESET, "peer");
    T_CSTR(sn_diag_str(r), "peer"); /* the older failure's frames are gone */
    r = sn_fail_errno(ENOENT, "open %s", "/x");
    T_EQ(r, SN_E_NOT_FOUND);
    T_CSTR(sn_diag_str(r), "open /x: No such file or directory");
    sn_diag_clear();
    T_CSTR(sn_diag_str(r), "NOT_FOUND");
    char tiny[4];
    T_CSTR(sn_diag_format(r, tiny, sizeof(tiny)), "NOT");
}

SN_TEST(status_diagnostics_keep_the_innermost)
{
    char longer[1000];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = 0;
    int r = sn_fail(SN_E_SYNTAX, "inner");
    for (int i = 0; i < 20; i++) r = sn_wrap(r, "f%d", i);
    T_CSTR(sn_diag_str(r), "f6: f5: f4: f3: f2: f1: f0: inner");
    r = sn_wrap(sn_fail(SN_E_SYNTAX, "%s", longer), "outer");
    T_ASSERT(strlen(sn_diag_str(r)) >= SN_DIAG_BYTES - 2);
    r = sn_wrap(sn_fail(SN_E_SYNTAX, "inner"), "%s", longer);
    T_ASSERT(sn_str_ends(sn_str(sn_diag_str(r)), SN_STR(": inner")));
}

static void *other_thread(void *arg)
{
    *(int *)arg = strcmp(sn_diag_str(sn_fail(SN_E_IO, "theirs")), "theirs");
    return NULL;
}
static struct sn_diag mine;
static struct sn_diag *provide(void) { return &mine; }

SN_TEST(status_diagnostics_belong_to_a_thread_or_provider)
{
    pthread_t t;
    int bad = 1;
    int r = sn_fail(SN_E_IO, "ours");
    T_EQ(pthread_create(&t, NULL, other_thread, &bad), 0);
    T_EQ(pthread_join(t, NULL), 0);
    T_EQ(bad, 0);
    T_CSTR(sn_diag_str(r), "ours");
    sn_diag_set_provider(provide);
    T_CSTR(sn_diag_str(r), "IO");
    r = sn_fail(SN_E_IO, "provided");
    T_ASSERT(mine.frames == 1);
    sn_diag_set_provider(NULL);
    T_CSTR(sn_diag_str(r), "ours");
}

/* SPEC: Blackman and Vigna's reference output for state {1, 2, 3, 4}. */
SN_TEST(rand_known_answers)
{
    static const uint64_t want[] = {11520, 0, 1509978240, 1215971899390074240ull};
    struct sn_rand r = {{1, 2, 3, 4}};
    for (size_t i = 0; i < SN_COUNT_OF(want); i++) T_EQ(sn_rand_u64(&r), want[i]);
}

SN_TEST(rand_below_is_uniform)
{
    struct sn_rand r;
    sn_rand_seed(&r, 0);
    for (uint64_t n = 1; n < 12; n++) {
        unsigned count[12] = {0}, total = 60000;
        sn_test_row("n %d", (int)n);
        for (unsigned i = 0; i < total; i++) count[sn_rand_below(&r, n)]++;
        for (uint64_t v = 0; v < n; v++) {
            double want = (double)total / (double)n;
            T_ASSERTF(count[v] > 0.93 * want && count[v] < 1.07 * want, "%u of %.0f", count[v],
                      want);
        }
        T_EQ(count[n], 0);
    }
    uint64_t big = ((uint64_t)1 << 63) + 1;
    for (int i = 0; i < 1000; i++) {
        T_ASSERT(sn_rand_below(&r, big) < big);
        double d = sn_rand_double(&r);
        T_ASSERT(d >= 0 && d < 1);
    }
    uint8_t a[37] = {0}, b[37] = {0};
    struct sn_rand s = r;
    sn_rand_bytes(&r, a, sizeof(a));
    sn_rand_bytes(&s, b, sizeof(b));
    T_EQ(memcmp(a, b, sizeof(a)), 0);
}
