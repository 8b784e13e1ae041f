/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-signer/confine.h - what this process gives up before it reads a key. Linux. */
#pragma once
#include "core/base.h"

/* Which of the measures the kernel took. */
struct confine_result {
    bool memory_locked;   /* nothing of it is swapped out */
    bool not_dumpable;    /* no core files, no ptrace by others of this user */
    bool files_confined;  /* Landlock: writes only below the folders that were given */
    bool calls_filtered;  /* seccomp: no new programs, no looking into others */
};
/* confine - in the order of the struct; what the kernel does not have is left out. folders: NULL-ended;
 * the process may write there, and read there and in the system's folders (names are resolved by
 * them). Returns 0, SN_E_IO where a measure the kernel has was refused in an unexpected way.
 * Context: the main thread, before there is another. */
int confine(const char *const *folders, struct confine_result *ret) SN_MUST_CHECK;
