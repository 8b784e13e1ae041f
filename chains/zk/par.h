/* SPDX-License-Identifier: Apache-2.0 */
/* zk/par.h - the fiber runtime's workers as a struct sn_par, for proofs and setups. */
#pragma once
#include "crypto/field.h"

/* What a job may need: the kernels keep their tables on the stack. For sn_rt_opts.stack_bytes. */
#define SN_ZK_STACK_BYTES (1u << 20)

/* sn_par_workers - jobs run on fibers of every worker, the caller's included; a job that began is
 * not cancelled. Returns the description, valid as long as the runtime. Context: a fiber, also
 * whoever calls sn_par_run with it; sn_par_run then suspends. */
struct sn_par sn_par_workers(void);
