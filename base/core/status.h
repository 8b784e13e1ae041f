/* SPDX-License-Identifier: Apache-2.0 */
/* core/status.h - errors are values.
 * Every fallible function returns int (or ssize_t): >= 0 is success or a count, < 0 one of SN_E_*.
 * Codes -1..-16 are gRPC's canonical codes negated, so RPC, HTTP and exit mapping are tables;
 * refinements below -31 say more and map onto a canonical code by sn_status_canonical().
 * errno never crosses an interface.
 *
 * What failed, on which object, goes to a diagnostic: a short chain of text frames that belongs
 * to the running fiber. Expected outcomes (AGAIN, EOF, deadline, cancelled) set no diagnostic, so
 * they stay a few nanoseconds. A diagnostic is valid directly after the failure it describes. */
#pragma once
#include <stdarg.h>

#include "core/base.h"

enum sn_status {
    SN_OK = 0,
    SN_E_CANCELLED = -1,
    SN_E_UNKNOWN = -2,
    SN_E_INVALID_ARGUMENT = -3,
    SN_E_DEADLINE_EXCEEDED = -4,
    SN_E_NOT_FOUND = -5,
    SN_E_ALREADY_EXISTS = -6,
    SN_E_PERMISSION_DENIED = -7,
    SN_E_RESOURCE_EXHAUSTED = -8,
    SN_E_FAILED_PRECONDITION = -9,
    SN_E_ABORTED = -10,
    SN_E_OUT_OF_RANGE = -11,
    SN_E_UNIMPLEMENTED = -12,
    SN_E_INTERNAL = -13,
    SN_E_UNAVAILABLE = -14,
    SN_E_DATA_LOSS = -15,
    SN_E_UNAUTHENTICATED = -16,

    SN_E_AGAIN = -32,     /* needs more input or readiness; nothing is wrong */
    SN_E_EOF = -33,       /* input ended */
    SN_E_RESET = -34,     /* peer broke the connection */
    SN_E_REFUSED = -35,   /* nobody listens there */
    SN_E_NOMEM = -36,     /* allocator said no, or a memory limit was reached */
    SN_E_FILES = -37,     /* descriptor limit (EMFILE, ENFILE) */
    SN_E_TOO_LARGE = -38, /* a named limit of ours was exceeded by input */
    SN_E_SYNTAX = -39,    /* input is not in the format */
    SN_E_DEPTH = -40,     /* nesting limit exceeded by input */
    SN_E_CLOSED = -41,    /* used after close; send on a closed channel */
    SN_E_PROTOCOL = -42,  /* peer broke the protocol's rules */
    SN_E_PANIC = -43,     /* a fiber panicked and was recovered */
    SN_E_IO = -44,        /* the kernel failed an I/O operation; the diagnostic has the errno */
    SN_E_BUSY = -45,      /* queue or pool at its limit right now */
};

/* sn_status_name - "NOT_FOUND" for SN_E_NOT_FOUND, "OK" for >= 0. Returns a static string. */
const char *sn_status_name(int code);
/* sn_status_canonical - the gRPC code (0..16) that `code` refines. */
int sn_status_canonical(int code);
/* sn_status_http - the HTTP status a server answers for `code` (google.rpc.Code mapping). */
int sn_status_http(int code);
/* sn_status_from_errno - maps a positive errno to SN_E_*; EAGAIN becomes SN_E_AGAIN. */
int sn_status_from_errno(int err);

#define SN_DIAG_FRAMES 8
#define SN_DIAG_BYTES 512

/* Innermost frame first. Text beyond SN_DIAG_BYTES and frames beyond SN_DIAG_FRAMES are dropped,
 * innermost kept, because the innermost frame names the object. */
struct sn_diag {
    int code;
    uint16_t frames;
    uint16_t used;
    uint16_t frame_end[SN_DIAG_FRAMES];
    char text[SN_DIAG_BYTES];
};

/* sn_diag - the running fiber's diagnostic (the thread's, outside the runtime). Never NULL. */
struct sn_diag *sn_diag(void);
/* sn_diag_set_provider - the fiber runtime tells core where the running fiber keeps its
 * diagnostic. NULL restores the per-thread one. Called once, before threads start. */
void sn_diag_set_provider(struct sn_diag *(*fn)(void));

/* sn_fail - starts a new diagnostic with one frame and returns `code`.
 * Use at the point of detection: return sn_fail(SN_E_NOT_FOUND, "route %s: no such upstream", n);
 */
int sn_fail(int code, const char *fmt, ...) SN_PRINTF(2, 3);
/* sn_wrap - adds a frame to the current diagnostic (starting one if the code carried none) and
 * returns `code`. Use while passing a failure up: return sn_wrap(r, "dial %s", addr); */
int sn_wrap(int code, const char *fmt, ...) SN_PRINTF(2, 3);
/* sn_fail_errno - sn_fail with the mapped errno, ": <strerror>" appended. */
int sn_fail_errno(int err, const char *fmt, ...) SN_PRINTF(2, 3);
/* The result is the code that went in: said to the compiler, which otherwise takes a returned
 * sn_fail for a possible success and warns about outputs it left unset. */
#define sn_fail(code, ...) SN_CODE_OF(sn_fail, code, __VA_ARGS__)
#define sn_wrap(code, ...) SN_CODE_OF(sn_wrap, code, __VA_ARGS__)
#define SN_CODE_OF(fn, code, ...)           \
    __extension__({                         \
        const int sn_code_of_ = (code);     \
        (void)(fn)(sn_code_of_, __VA_ARGS__); \
        sn_code_of_;                        \
    })
void sn_diag_clear(void);
/* sn_diag_format - "outer: middle: inner" for the failure `code`; the code's name where it has no
 * diagnostic. Always NUL-terminates within cap (cap >= 1). Returns `out`. */
const char *sn_diag_format(int code, char *out, size_t cap);
/* sn_diag_str - sn_diag_format into a per-thread buffer: for log and print statements only. */
const char *sn_diag_str(int code);
