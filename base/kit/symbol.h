/* SPDX-License-Identifier: Apache-2.0 */
/* kit/symbol.h - this process's program counters as functions, files and lines.
 *
 * Reads the DWARF of the running program and its libraries through libdw, from the files on disk:
 * no network, no separate debug packages. What has no DWARF gives the symbol's name only.
 * All calls block on file reads the first time and run deep: call them with sn_offload. They
 * serialise on one lock and any thread may call. */
#pragma once
#include "core/base.h"
#include "core/status.h"
#include "core/str.h"

#define SN_SYMBOL_INLINES_MAX 16
#define SN_SYMBOL_BUILD_ID_MAX 64

struct sn_symbol_frame {
    struct sn_str function; /* .ptr NULL where unknown; static lifetime while loaded */
    struct sn_str file;     /* .ptr NULL where unknown */
    int line, start_line;   /* 0 unknown */
};
struct sn_symbol {
    struct sn_symbol_frame frames[SN_SYMBOL_INLINES_MAX]; /* innermost inlined function first */
    unsigned n_frames;
    uintptr_t offset; /* from the start of the outermost function's symbol */
};
/* sn_symbol_at - what `pc` is. For a return address pass pc - 1, so that it names the call.
 * Returns 0, or SN_E_NOT_FOUND without diagnostic. Owns: the text lives until sn_symbol_close. */
int sn_symbol_at(uintptr_t pc, struct sn_symbol *ret) SN_MUST_CHECK;

struct sn_symbol_module {
    uintptr_t start, end, file_offset;
    struct sn_str path;
    char build_id[SN_SYMBOL_BUILD_ID_MAX]; /* hexadecimal, "" where there is none */
};
/* sn_symbol_modules - fn for every executable mapping of a file, the main program first.
 * Returns 0, or SN_E_UNAVAILABLE where the process cannot be inspected. */
int sn_symbol_modules(void (*fn)(const struct sn_symbol_module *m, void *arg), void *arg)
    SN_MUST_CHECK;
/* sn_symbol_close - lets go of the debug information (files, memory); the next call reads it again.
 * Context: while no text given out before is in use. */
void sn_symbol_close(void);
