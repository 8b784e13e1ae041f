/* SPDX-License-Identifier: Apache-2.0 */
/* core/status.c - names, mappings and the diagnostic chain. */
#include "core/status.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct row {
    const char *name;
    uint8_t canonical;
    uint16_t http; /* google.rpc.Code's table; overload and size refinements say it better */
};

static const struct row canonical_rows[] = {
    [0] = {"OK", 0, 200},
    [-SN_E_CANCELLED] = {"CANCELLED", 1, 499},
    [-SN_E_UNKNOWN] = {"UNKNOWN", 2, 500},
    [-SN_E_INVALID_ARGUMENT] = {"INVALID_ARGUMENT", 3, 400},
    [-SN_E_DEADLINE_EXCEEDED] = {"DEADLINE_EXCEEDED", 4, 504},
    [-SN_E_NOT_FOUND] = {"NOT_FOUND", 5, 404},
    [-SN_E_ALREADY_EXISTS] = {"ALREADY_EXISTS", 6, 409},
    [-SN_E_PERMISSION_DENIED] = {"PERMISSION_DENIED", 7, 403},
    [-SN_E_RESOURCE_EXHAUSTED] = {"RESOURCE_EXHAUSTED", 8, 429},
    [-SN_E_FAILED_PRECONDITION] = {"FAILED_PRECONDITION", 9, 400},
    [-SN_E_ABORTED] = {"ABORTED", 10, 409},
    [-SN_E_OUT_OF_RANGE] = {"OUT_OF_RANGE", 11, 400},
    [-SN_E_UNIMPLEMENTED] = {"UNIMPLEMENTED", 12, 501},
    [-SN_E_INTERNAL] = {"INTERNAL", 13, 500},
    [-SN_E_UNAVAILABLE] = {"UNAVAILABLE", 14, 503},
    [-SN_E_DATA_LOSS] = {"DATA_LOSS", 15, 500},
    [-SN_E_UNAUTHENTICATED] = {"UNAUTHENTICATED", 16, 401},
};

#define REFINED_FIRST (-SN_E_AGAIN)
static const struct row refined_rows[] = {
    [-SN_E_AGAIN - REFINED_FIRST] = {"AGAIN", 14, 503},
    [-SN_E_EOF - REFINED_FIRST] = {"EOF", 11, 400},
    [-SN_E_RESET - REFINED_FIRST] = {"RESET", 14, 503},
    [-SN_E_REFUSED - REFINED_FIRST] = {"REFUSED", 14, 503},
    [-SN_E_NOMEM - REFINED_FIRST] = {"NOMEM", 8, 503},
    [-SN_E_FILES - REFINED_FIRST] = {"FILES", 8, 503},
    [-SN_E_TOO_LARGE - REFINED_FIRST] = {"TOO_LARGE", 8, 413},
    [-SN_E_SYNTAX - REFINED_FIRST] = {"SYNTAX", 3, 400},
    [-SN_E_DEPTH - REFINED_FIRST] = {"DEPTH", 3, 400},
    [-SN_E_CLOSED - REFINED_FIRST] = {"CLOSED", 9, 400},
    [-SN_E_PROTOCOL - REFINED_FIRST] = {"PROTOCOL", 13, 500},
    [-SN_E_PANIC - REFINED_FIRST] = {"PANIC", 13, 500},
    [-SN_E_IO - REFINED_FIRST] = {"IO", 13, 500},
    [-SN_E_BUSY - REFINED_FIRST] = {"BUSY", 8, 503},
};

static const struct row *row_of(int code)
{
    if (code >= 0) return &canonical_rows[0];
    unsigned n = 0u - (unsigned)code;
    if (n < SN_COUNT_OF(canonical_rows)) return &canonical_rows[n];
    if (n >= REFINED_FIRST && n - REFINED_FIRST < SN_COUNT_OF(refined_rows))
        return &refined_rows[n - REFINED_FIRST];
    return &canonical_rows[-SN_E_UNKNOWN];
}

const char *sn_status_name(int code) { return row_of(code)->name; }
int sn_status_canonical(int code) { return row_of(code)->canonical; }
int sn_status_http(int code) { return row_of(code)->http; }

int sn_status_from_errno(int err)
{
    switch (err) {
    case 0: return SN_OK;
    case EAGAIN: return SN_E_AGAIN; /* == EWOULDBLOCK on Linux */
    case EINPROGRESS: return SN_E_AGAIN;
    case ECANCELED: return SN_E_CANCELLED;
    case EINVAL: case EFAULT: case EBADF: case ENAMETOOLONG: case EDESTADDRREQ: case ENOTSOCK:
    case EPROTOTYPE: case EDOM: return SN_E_INVALID_ARGUMENT;
    case ETIMEDOUT: case ETIME: return SN_E_DEADLINE_EXCEEDED;
    case ENOENT: case ENXIO: case ENODEV: case ESRCH: case ENOTDIR: return SN_E_NOT_FOUND;
    case EEXIST: case EADDRINUSE: case EALREADY: return SN_E_ALREADY_EXISTS;
    case EACCES: case EPERM: case EROFS: return SN_E_PERMISSION_DENIED;
    case ENOSPC: case EDQUOT: case ENOBUFS: case EUSERS: return SN_E_RESOURCE_EXHAUSTED;
    case ENOTEMPTY: case EISDIR: case ENOTCONN: case EISCONN: case ETXTBSY: case EXDEV: case ELOOP:
    case ECHILD: return SN_E_FAILED_PRECONDITION;
    case EDEADLK: case ESTALE: return SN_E_ABORTED;
    case ERANGE: case ESPIPE: case EOVERFLOW: return SN_E_OUT_OF_RANGE;
    case ENOSYS: case EOPNOTSUPP: case EAFNOSUPPORT: case EPROTONOSUPPORT: case ENOPROTOOPT:
    case ESOCKTNOSUPPORT: case ENOTTY: case EPFNOSUPPORT: return SN_E_UNIMPLEMENTED;
    case EHOSTUNREACH: case ENETUNREACH: case ENETDOWN: case EHOSTDOWN: case EADDRNOTAVAIL:
    case EINTR: return SN_E_UNAVAILABLE;
    case EBADMSG: case EILSEQ: return SN_E_DATA_LOSS;
    case EPIPE: case ECONNRESET: case ECONNABORTED: case ENETRESET: return SN_E_RESET;
    case ECONNREFUSED: return SN_E_REFUSED;
    case ENOMEM: return SN_E_NOMEM;
    case EMFILE: case ENFILE: return SN_E_FILES;
    case EFBIG: case EMSGSIZE: case E2BIG: return SN_E_TOO_LARGE;
    case EPROTO: return SN_E_PROTOCOL;
    case EBUSY: return SN_E_BUSY;
    case EIO: return SN_E_IO;
    default: return SN_E_UNKNOWN;
    }
}

/* ---- diagnostics ---- */

/* Out of line, so that no caller on a fiber keeps a thread's address across a switch. */
static SN_NOINLINE struct sn_diag *thread_diag(void)
{
    static _Thread_local struct sn_diag diag;
    return &diag;
}

static struct sn_diag *(*provider)(void) = thread_diag; /* __atomic: threads outlive the runtime */

struct sn_diag *sn_diag(void) { return __atomic_load_n(&provider, __ATOMIC_RELAXED)(); }

void sn_diag_set_provider(struct sn_diag *(*fn)(void))
{
    __atomic_store_n(&provider, fn ? fn : thread_diag, __ATOMIC_RELAXED);
}

void sn_diag_clear(void)
{
    struct sn_diag *d = sn_diag();
    d->code = 0;
    d->frames = 0;
    d->used = 0;
}

/* Takes the room in d->text as far as it goes. `cap` counts the bytes, there is no NUL kept. */
static void append_frame(struct sn_diag *d, const char *suffix, const char *fmt, va_list ap)
{
    if (d->frames >= SN_DIAG_FRAMES || d->used >= SN_DIAG_BYTES) return;
    char *at = d->text + d->used;
    size_t room = SN_DIAG_BYTES - d->used;
    int n = vsnprintf(at, room, fmt, ap);
    size_t len = n < 0 ? 0 : SN_MIN((size_t)n, room - 1);
    if (suffix) {
        n = snprintf(at + len, room - len, ": %s", suffix);
        if (n > 0) len += SN_MIN((size_t)n, room - len - 1);
    }
    d->used = (uint16_t)(d->used + len);
    d->frame_end[d->frames++] = d->used;
}

int (sn_fail)(int code, const char *fmt, ...)
{
    struct sn_diag *d = sn_diag();
    sn_diag_clear();
    d->code = code;
    va_list ap;
    va_start(ap, fmt);
    append_frame(d, NULL, fmt, ap);
    va_end(ap);
    return code;
}

int (sn_wrap)(int code, const char *fmt, ...)
{
    struct sn_diag *d = sn_diag();
    if (d->code != code) sn_diag_clear(); /* left by an earlier failure: not this one's */
    d->code = code;
    va_list ap;
    va_start(ap, fmt);
    append_frame(d, NULL, fmt, ap);
    va_end(ap);
    return code;
}

int sn_fail_errno(int err, const char *fmt, ...)
{
    int code = sn_status_from_errno(err);
    char number[24];
#ifdef __GLIBC__
    const char *text = strerrordesc_np(err); /* thread-safe and untranslated, unlike strerror */
#else
    const char *text = strerror(err); /* banned: musl's is both */
#endif
    if (!text) {
        snprintf(number, sizeof(number), "errno %d", err);
        text = number;
    }
    struct sn_diag *d = sn_diag();
    sn_diag_clear();
    d->code = code;
    va_list ap;
    va_start(ap, fmt);
    append_frame(d, text, fmt, ap);
    va_end(ap);
    return code;
}

static size_t put(char *out, size_t cap, size_t at, const char *s, size_t n)
{
    n = SN_MIN(n, cap - 1 - at);
    memcpy(out + at, s, n);
    return at + n;
}

const char *sn_diag_format(int code, char *out, size_t cap)
{
    SN_ASSERT(cap >= 1);
    const struct sn_diag *d = sn_diag();
    size_t at = 0;
    if (d->code != code || d->frames == 0) {
        const char *name = sn_status_name(code);
        at = put(out, cap, at, name, strlen(name));
    } else {
        for (unsigned i = d->frames; i-- > 0;) {
            unsigned from = i ? d->frame_end[i - 1] : 0;
            at = put(out, cap, at, d->text + from, d->frame_end[i] - from);
            if (i) at = put(out, cap, at, ": ", 2);
        }
    }
    out[at] = 0;
    return out;
}

const char *sn_diag_str(int code)
{
    static _Thread_local char out[SN_DIAG_BYTES + 2 * SN_DIAG_FRAMES];
    return sn_diag_format(code, out, sizeof(out));
}

void sn_assert_fail(const char *cond, const char *file, int line)
{
    char msg[512];
    int n = snprintf(msg, sizeof(msg), "%s:%d: assertion failed: %s\n", file, line, cond);
    /* No stdio buffer and no lock: the process may be in any state. */
    if (n > 0 && write(2, msg, SN_MIN((size_t)n, sizeof(msg) - 1)) < 0) {}
    abort();
}
