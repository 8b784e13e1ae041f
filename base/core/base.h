/* SPDX-License-Identifier: Apache-2.0 */
/* core/base.h - compiler vocabulary every other header starts from.
 * No I/O, no clock, no threads: core depends on the compiler and freestanding libc headers only. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#define SN_MUST_CHECK __attribute__((warn_unused_result))
#define SN_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define SN_NOINLINE __attribute__((noinline))
#define SN_ALWAYS_INLINE inline __attribute__((always_inline))
#define SN_NORETURN __attribute__((noreturn))
#define SN_COLD __attribute__((cold))
#define SN_ALIGNED(n) __attribute__((aligned(n)))
#define SN_UNUSED __attribute__((unused))
#define SN_CLEANUP(fn) __attribute__((cleanup(fn)))
#define SN_LIKELY(x) __builtin_expect(!!(x), 1)
#define SN_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* One cache line on every machine we measure on; keeps producers and consumers apart. */
#define SN_CACHE_LINE 64

#define SN_COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define SN_MIN(a, b)                \
    ({                              \
        __typeof__(a) sn_a_ = (a);  \
        __typeof__(b) sn_b_ = (b);  \
        sn_a_ < sn_b_ ? sn_a_ : sn_b_; \
    })
#define SN_MAX(a, b)                \
    ({                              \
        __typeof__(a) sn_a_ = (a);  \
        __typeof__(b) sn_b_ = (b);  \
        sn_a_ > sn_b_ ? sn_a_ : sn_b_; \
    })
#define SN_CONTAINER_OF(ptr, type, member) \
    ((type *)((char *)(ptr) - offsetof(type, member)))

/* Nanoseconds are the one unit of duration and of monotonic time: int64_t, 292 years. */
#define SN_NS 1LL
#define SN_US (1000LL * SN_NS)
#define SN_MS (1000LL * SN_US)
#define SN_SEC (1000LL * SN_MS)
#define SN_MINUTE (60LL * SN_SEC)
#define SN_HOUR (60LL * SN_MINUTE)
/* A deadline that never comes. */
#define SN_FOREVER INT64_MAX

/* SN_ASSERT - an invariant whose failure means memory can no longer be trusted: prints and
 * aborts, always compiled in. Input is never validated with it. */
#define SN_ASSERT(cond)                                              \
    do {                                                             \
        if (SN_UNLIKELY(!(cond))) sn_assert_fail(#cond, __FILE__, __LINE__); \
    } while (0)
/* SN_DCHECK - an invariant too costly for release builds (O(n) walks, hot paths). */
#ifdef NDEBUG
#define SN_DCHECK(cond) ((void)sizeof(cond))
#else
#define SN_DCHECK(cond) SN_ASSERT(cond)
#endif
SN_NORETURN SN_COLD void sn_assert_fail(const char *cond, const char *file, int line);

#if defined(__SANITIZE_ADDRESS__)
#define SN_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SN_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define SN_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SN_TSAN 1
#endif
#endif
#ifdef SN_ASAN
void __asan_poison_memory_region(void const volatile *addr, size_t size);
void __asan_unpoison_memory_region(void const volatile *addr, size_t size);
#define SN_POISON(p, n) __asan_poison_memory_region((p), (n))
#define SN_UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
#else
#define SN_POISON(p, n) ((void)(p), (void)(n))
#define SN_UNPOISON(p, n) ((void)(p), (void)(n))
#endif
