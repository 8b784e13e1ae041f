/* SPDX-License-Identifier: Apache-2.0 */
/* kit/metrics_int.h - the runtime's own metrics. */
#pragma once
#include "kit/metrics.h"

void sn_metrics_write_runtime(struct sn_metrics_writer *w);
