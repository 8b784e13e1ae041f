/* SPDX-License-Identifier: Apache-2.0 */
/* kit/doctor.h - what this machine and this process can do, probed once and said aloud.
 * Every probe tries the thing itself where that is harmless (a ring is set up, a program is loaded)
 * instead of reading version numbers, and says what is lost where the answer is no. */
#pragma once
#include "core/base.h"
#include "core/buf.h"

enum sn_probe_state {
    SN_PROBE_YES,
    SN_PROBE_NO,      /* works without; `detail` says what is used instead or lost */
    SN_PROBE_LIMITED, /* present, but smaller than some job needs */
};
#define SN_PROBES_MAX 40
#define SN_PROBE_DETAIL_MAX 120

struct sn_probe {
    const char *group, *name; /* "cpu", "avx2" */
    enum sn_probe_state state;
    int64_t value;            /* a number where there is one (limits, versions), else -1 */
    char detail[SN_PROBE_DETAIL_MAX];
};
struct sn_doctor {
    struct sn_probe probes[SN_PROBES_MAX];
    unsigned n;
};

/* sn_doctor_run - probes everything. Opens and closes descriptors, forks one child (which tries a
 * user namespace and exits); takes some milliseconds. Context: an ordinary thread before the
 * runtime starts, or sn_offload; blocks. */
void sn_doctor_run(struct sn_doctor *ret);
/* sn_doctor_find - one answer by name; NULL for an unknown name. */
const struct sn_probe *sn_doctor_find(const struct sn_doctor *d, const char *name);
/* sn_doctor_text - appends an aligned table. Returns 0 or the buffer's error. */
int sn_doctor_text(const struct sn_doctor *d, struct sn_buf *out);
/* sn_doctor_json - appends {"version":1,"probes":[{group,name,state,value,detail}]}. */
int sn_doctor_json(const struct sn_doctor *d, struct sn_buf *out);
