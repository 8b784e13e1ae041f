/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-bpf/privileges.h - what the loader keeps once the programs are attached. */
#pragma once
#include "core/base.h"

/* tk_privileges_drop - becomes user and group `uid` for good, with CAP_BPF alone (tables are maps,
 * and making one needs it), which no child would inherit. Already another user: stays who it is.
 * Returns 0 or SN_E_PERMISSION_DENIED. */
int tk_privileges_drop(unsigned uid) SN_MUST_CHECK;
