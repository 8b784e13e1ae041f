/* SPDX-License-Identifier: Apache-2.0 */
/* harness/test.h - a small test harness.
 * SN_TEST(name) { ... } registers itself through a linker section; each test runs in its own
 * process with a timeout, so a crash, a hang or a leak names one test. A test program prints
 * "ok NAME", "FAIL NAME: why" or "SKIP NAME: why" and closes with "N passed, N failed, N skipped".
 *
 *   test_core            run all            test_core arena/reset   run those whose name contains
 * it test_core --list     names              test_core --no-fork X   in-process, for a debugger
 *   SN_TEST_SEED=123     seed of property tests (printed on failure)
 *   SN_TEST_SCALE=10     multiplies the number of property and simulation cases
 *   SN_TEST_JOBS=1       tests run at a time (default 2, at most the CPUs)
 *   SN_TEST_VERBOSE=1    shows the output of passing tests too
 *   SN_TEST_TIMEOUT=5    multiplies every timeout (valgrind, slow machines)
 *
 * Leak checks after a passing body: descriptors, heap blocks (sn_alloc_live, where the test program
 * links core), and whatever sn_test_leak_counter was told about. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct sn_test {
    const char *name, *file;
    void (*fn)(void);
    int timeout_s; /* 0 = 20 s */
};

#define SN_TEST_NAMED_(ident, str, tmo)                                                       \
    static void ident(void);                                                                  \
    static const struct sn_test sn_test_##ident                                               \
        __attribute__((used, section("sn_tests"), aligned(8))) = {str, __FILE__, ident, tmo}; \
    static void ident(void)
#define SN_TEST(ident) SN_TEST_NAMED_(ident, #ident, 0)
/* For tests that legitimately take longer than 20 s. */
#define SN_TEST_SLOW(ident, timeout_s) SN_TEST_NAMED_(ident, #ident, timeout_s)

/* Failing ends the test process; the message has file and line. */
__attribute__((noreturn, format(printf, 3, 4))) void sn_test_fail(const char *file, int line,
                                                                  const char *fmt, ...);
/* sn_test_skip - ends the test as skipped; say what is missing on this machine. */
__attribute__((noreturn, format(printf, 1, 2))) void sn_test_skip(const char *fmt, ...);
/* sn_test_row - names the table row or case under test; shown when it fails. */
__attribute__((format(printf, 1, 2))) void sn_test_row(const char *fmt, ...);
/* sn_test_at_exit - a check run after the test body and before the leak check (LIFO, at most 16).
 */
void sn_test_at_exit(void (*fn)(void));

/* sn_test_cases - how many property cases to run: `base` times SN_TEST_SCALE. */
unsigned sn_test_cases(unsigned base);
/* sn_test_seed - this run's seed; SN_TEST_SEED overrides, otherwise fixed per test name so that
 * CI is reproducible. Printed with every failure. */
uint64_t sn_test_seed(void);
/* sn_test_rand - the next number of the generator seeded by sn_test_seed. */
uint64_t sn_test_rand(void);
static inline uint64_t sn_test_rand_below(uint64_t n) { return sn_test_rand() % n; }
/* sn_test_tmpdir - a fresh folder removed after the test. */
const char *sn_test_tmpdir(void);
/* sn_test_allow_fds - the test may end with open descriptors (default: a leak is a failure). */
void sn_test_allow_fds(void);
/* Registered by the layer under test: live objects (heap blocks, fibers) that must be equal
 * before and after each test. */
void sn_test_leak_counter(const char *what, int64_t (*live)(void));
/* sn_test_allow_live - the test may end with live objects of that counter ("heap blocks" is the
 * built-in one). For tests of caches that outlive their users by design; say so beside the call. */
void sn_test_allow_live(const char *what);
/* sn_test_allow_crash_leaks - the test may end with heap blocks, which LeakSanitizer does not look for
 * either: the fibers of a simulated host that crashes free nothing. */
void sn_test_allow_crash_leaks(void);

#define T_ASSERT(cond)                                                        \
    do {                                                                      \
        if (!(cond)) sn_test_fail(__FILE__, __LINE__, "expected %s", #cond);  \
    } while (0)
#define T_ASSERTF(cond, ...)                                                  \
    do {                                                                      \
        if (!(cond)) sn_test_fail(__FILE__, __LINE__, __VA_ARGS__);           \
    } while (0)
#define T_EQ(a, b)                                                                            \
    do {                                                                                      \
        long long a_ = (long long)(a), b_ = (long long)(b);                                   \
        if (a_ != b_)                                                                         \
            sn_test_fail(__FILE__, __LINE__, "%s is %lld, expected %s = %lld", #a, a_, #b, b_); \
    } while (0)
#define T_OK(expr)                                                                       \
    do {                                                                                 \
        long long r_ = (long long)(expr);                                                \
        if (r_ < 0) sn_test_fail(__FILE__, __LINE__, "%s failed with %lld", #expr, r_);  \
    } while (0)
#define T_STR(s, lit)                                                                        \
    do {                                                                                     \
        __typeof__(s) s_ = (s);                                                              \
        const char *l_ = (lit);                                                              \
        if (s_.len != strlen(l_) || memcmp(s_.ptr, l_, s_.len) != 0)                         \
            sn_test_fail(__FILE__, __LINE__, "%s is \"%.*s\", expected \"%s\"", #s,          \
                         (int)s_.len, s_.ptr ? (const char *)s_.ptr : "", l_);               \
    } while (0)
#define T_CSTR(a, b)                                                                           \
    do {                                                                                       \
        const char *a_ = (a), *b_ = (b);                                                       \
        if (strcmp(a_, b_) != 0)                                                               \
            sn_test_fail(__FILE__, __LINE__, "%s is \"%s\", expected \"%s\"", #a, a_, b_);     \
    } while (0)
