/* SPDX-License-Identifier: Apache-2.0 */
/* kit/doctor_int.h - what the files of probes share. */
#pragma once
#include "kit/doctor.h"

/* sn_doctor_add - a new row, NO and empty until something is said. */
struct sn_probe *sn_doctor_add(struct sn_doctor *d, const char *group, const char *name);
void sn_doctor_say(struct sn_probe *p, enum sn_probe_state state, const char *fmt, ...)
    SN_PRINTF(3, 4);
/* sn_doctor_answer - yes where r >= 0, else the kernel's reason and what it costs. */
void sn_doctor_answer(struct sn_probe *p, long r, int err, const char *without);

/* doctor_bpf.c: whether programs load at all; what takeover needs. */
void sn_doctor_bpf(struct sn_doctor *d);
void sn_doctor_takeover(struct sn_doctor *d);
