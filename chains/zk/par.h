/* SPDX-License-Identifier: Apache-2.0 */
/* zk/par.h - the fiber runtime as a struct sn_par, for proofs and setups in a server. */
#pragma once
#include "crypto/field.h"

/* sn_par_workers - jobs run on the offload pool, as many at a time as there are workers, and are all
 * done even where the caller is cancelled. Returns the description, valid as long as the runtime.
 * Context: a fiber, also whoever calls sn_par_run with it, which suspends. */
struct sn_par sn_par_workers(void);
