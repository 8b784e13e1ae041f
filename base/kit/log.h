/* SPDX-License-Identifier: Apache-2.0 */
/* kit/log.h - structured logs.
 *
 *   SN_LOG_MODULE("gateway");                      // once per file
 *   SN_LOG_INFO("listening", SN_L("address", address), SN_L("backlog", 128));
 *   SN_LOG_WARN("dial failed", SN_L("upstream", name), SN_L_ERR(r), SN_L_SECRET("token", t));
 *
 * A level that is off costs one load and one branch. One that is on copies the values into a
 * bounded ring; a thread of the logger's own formats and writes them, so a slow pipe never stops a
 * fiber: when the ring is full records are dropped, counted, and the count is logged. Each call
 * site may write SN_LOG_SITE_PER_S records a second; more are suppressed and counted in the next
 * one. Messages and keys are string literals: only their addresses are kept. Under simulation, and
 * before sn_log_set_default, records are written at once by the caller, with the virtual clock.
 *
 * Fields: ts (RFC 3339, UTC), level, mod, fiber, trace (if a provider is set), msg, then the pairs.
 */
#pragma once
#include <stdatomic.h>

#include "core/base.h"
#include "core/str.h"

enum sn_log_level {
    SN_LOG_OFF,
    SN_LOG_LEVEL_ERROR,
    SN_LOG_LEVEL_WARN,
    SN_LOG_LEVEL_INFO,
    SN_LOG_LEVEL_DEBUG,
    SN_LOG_LEVEL_TRACE,
};
enum sn_log_format {
    SN_LOG_AUTO, /* logfmt on a terminal, JSON elsewhere */
    SN_LOG_JSON,
    SN_LOG_LOGFMT,
};

#define SN_LOG_SITE_PER_S 200
#define SN_LOG_RECORD_MAX 8192 /* encoded bytes; longer strings are cut and end in "..." */
#define SN_LOG_FIELDS_MAX 24
#define SN_LOG_RING_DEFAULT (1u << 20)

/* ---- loggers --------------------------------------------------------------------------------- */

struct sn_log;
struct sn_log_opts {
    const char *path; /* a file (appended to), "stdout", "stderr"; NULL = stderr */
    enum sn_log_format format;
    size_t ring_bytes; /* 0 = SN_LOG_RING_DEFAULT; rounded up to a power of two, at least 64 KiB */
    bool sync;         /* no thread: the caller writes, and waits for slow pipes */
    void (*sink)(void *arg, struct sn_str lines); /* instead of a file; from the logger's thread */
    void *arg;
};
/* sn_log_new - opens the file and starts the thread. Returns 0, SN_E_NOMEM, open errors,
 * SN_E_RESOURCE_EXHAUSTED without a thread. Context: any; open may block the thread briefly. */
int sn_log_new(const struct sn_log_opts *opts, struct sn_log **ret) SN_MUST_CHECK;
/* sn_log_free - writes what is queued (for at most SN_LOG_FLUSH_NS), stops the thread, closes.
 * Accepts NULL; the default logger falls back to stderr. */
void sn_log_free(struct sn_log *l);
#define SN_LOG_FLUSH_NS (2 * SN_SEC)
/* sn_log_flush - blocks the thread until what was logged before is written, at most
 * SN_LOG_FLUSH_NS. NULL = the default logger. Returns whether it is. For the end of a program and
 * for panics: where the logger's thread cannot run any more, the caller writes itself. */
bool sn_log_flush(struct sn_log *l);
/* sn_log_reopen - the thread opens the path anew before its next write (log rotation). */
void sn_log_reopen(struct sn_log *l);
/* sn_log_set_default - the logger of the macros; NULL = stderr, written at once. */
void sn_log_set_default(struct sn_log *l);
/* sn_log_dropped - records lost to a full ring or a failing file since the start. */
uint64_t sn_log_dropped(const struct sn_log *l);
/* sn_log_raw - one line, with its newline, as it is: access logs in a format of their own. No rate
 * limit. Returns false when it was dropped. Context: any fiber or thread; never blocks. */
bool sn_log_raw(struct sn_log *l, struct sn_str line);

/* sn_log_set_levels - "info", or "info,gateway=debug,http=off": the first is for all modules.
 * Returns 0, SN_E_INVALID_ARGUMENT naming the word that is no level or module. */
int sn_log_set_levels(struct sn_str spec) SN_MUST_CHECK;
const char *sn_log_level_name(enum sn_log_level level);
/* sn_log_set_trace - provider of the running fiber's trace id: writes at most 32 characters,
 * returns their number, 0 for none. NULL = no trace field. */
void sn_log_set_trace(size_t (*fn)(char out[32]));

/* ---- call sites ------------------------------------------------------------------------------ */

struct sn_log_mod {
    const char *name;
    _Atomic int level;
};
struct sn_log_site {
    struct sn_log_mod *mod;
    const char *msg;
    int level;
    _Atomic uint64_t window; /* second << 32 | records in it */
    _Atomic uint32_t suppressed;
};

enum sn_log_type {
    SN_LOG_T_STR, SN_LOG_T_I64, SN_LOG_T_U64, SN_LOG_T_DOUBLE, SN_LOG_T_BOOL, SN_LOG_T_DURATION,
    SN_LOG_T_SECRET,
};
struct sn_log_field {
    const char *key;
    enum sn_log_type type;
    union {
        struct sn_str str;
        int64_t i;
        uint64_t u;
        double d;
    };
};
static inline struct sn_log_field sn_l_str_(const char *k, struct sn_str v)
{
    return (struct sn_log_field){.key = k, .type = SN_LOG_T_STR, .str = v};
}
static inline struct sn_log_field sn_l_cstr_(const char *k, const char *v)
{
    return sn_l_str_(k, sn_str(v));
}
static inline struct sn_log_field sn_l_i64_(const char *k, int64_t v)
{
    return (struct sn_log_field){.key = k, .type = SN_LOG_T_I64, .i = v};
}
static inline struct sn_log_field sn_l_u64_(const char *k, uint64_t v)
{
    return (struct sn_log_field){.key = k, .type = SN_LOG_T_U64, .u = v};
}
static inline struct sn_log_field sn_l_double_(const char *k, double v)
{
    return (struct sn_log_field){.key = k, .type = SN_LOG_T_DOUBLE, .d = v};
}
static inline struct sn_log_field sn_l_bool_(const char *k, bool v)
{
    return (struct sn_log_field){.key = k, .type = SN_LOG_T_BOOL, .u = v};
}
/* SN_L - a pair by the value's C type: integers, double, bool, const char *, struct sn_str. */
#define SN_L(key, v)                                                                       \
    _Generic((v), bool: sn_l_bool_, char *: sn_l_cstr_, const char *: sn_l_cstr_,          \
        struct sn_str: sn_l_str_, float: sn_l_double_, double: sn_l_double_,               \
        unsigned char: sn_l_u64_, unsigned short: sn_l_u64_, unsigned int: sn_l_u64_,      \
        unsigned long: sn_l_u64_, unsigned long long: sn_l_u64_, default: sn_l_i64_)("" key, (v))
/* SN_L_DURATION - nanoseconds, printed as "1.5ms" in logfmt and as seconds in JSON. */
#define SN_L_DURATION(key_, ns) \
    ((struct sn_log_field){.key = "" key_, .type = SN_LOG_T_DURATION, .i = (ns)})
/* SN_L_SECRET - shows that there is a value, never which; `v` is not even copied. */
#define SN_L_SECRET(key_, v) \
    ((void)(v), (struct sn_log_field){.key = "" key_, .type = SN_LOG_T_SECRET})
#define SN_LOG_SECRET(key_, v) SN_L_SECRET(key_, v)
/* SN_L_ERR - err="what failed", from the diagnostic of `code`. */
#define SN_L_ERR(code) sn_l_cstr_("err", sn_diag_str(code))
const char *sn_diag_str(int code);

#define SN_LOG_MODULE(name_)                                                            \
    static struct sn_log_mod sn_log_mod_                                                \
        __attribute__((used, section("sn_log_mods"), aligned(8))) = {"" name_, SN_LOG_LEVEL_INFO}

/* sn_log_emit - what the macros call. l: NULL = the default logger. */
void sn_log_emit(struct sn_log *l, struct sn_log_site *site, const struct sn_log_field *fields,
                 size_t n);
#define SN_LOG_TO(l, level_, msg_, ...)                                                   \
    do {                                                                                  \
        if (SN_UNLIKELY(atomic_load_explicit(&sn_log_mod_.level, memory_order_relaxed) >= \
                        (level_))) {                                                      \
            static struct sn_log_site sn_site_ = {.mod = &sn_log_mod_,                    \
                                                  .msg = "" msg_,                         \
                                                  .level = level_};                       \
            const struct sn_log_field sn_fields_[] = {__VA_ARGS__};                       \
            sn_log_emit((l), &sn_site_, sn_fields_,                                       \
                        sizeof(sn_fields_) / sizeof(struct sn_log_field));                \
        }                                                                                 \
    } while (0)
#define SN_LOG_ERROR(msg, ...) SN_LOG_TO(NULL, SN_LOG_LEVEL_ERROR, msg, ##__VA_ARGS__)
#define SN_LOG_WARN(msg, ...) SN_LOG_TO(NULL, SN_LOG_LEVEL_WARN, msg, ##__VA_ARGS__)
#define SN_LOG_INFO(msg, ...) SN_LOG_TO(NULL, SN_LOG_LEVEL_INFO, msg, ##__VA_ARGS__)
#define SN_LOG_DEBUG(msg, ...) SN_LOG_TO(NULL, SN_LOG_LEVEL_DEBUG, msg, ##__VA_ARGS__)
#define SN_LOG_TRACE(msg, ...) SN_LOG_TO(NULL, SN_LOG_LEVEL_TRACE, msg, ##__VA_ARGS__)
