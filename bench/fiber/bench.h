/* SPDX-License-Identifier: Apache-2.0 */
/* bench/fiber/bench.h - a case performs n operations in a running runtime. The Go program beside it
 * has cases of the same names doing the same; bench/fiber.sh compares them. Add a case: an entry in
 * a table here and in go/main.go. */
#pragma once
#include "core/base.h"

struct bench_case {
    const char *name;
    uint64_t n;             /* operations of one run */
    void (*fn)(uint64_t n); /* called on a fiber */
    unsigned workers_min;   /* skipped below: cases about cross-core behaviour */
};
extern const struct bench_case bench_sched_cases[]; /* ended by a NULL name */
extern const struct bench_case bench_sync_cases[];
