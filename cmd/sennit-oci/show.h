/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-oci/show.h - states as runc prints them. */
#pragma once
#include "clusters/oci/container.h"

/* state_json - the object of `state` and of `list --format json`. */
void state_json(struct sn_jsonw *w, const struct sn_oci_state *s);
