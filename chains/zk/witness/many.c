/* SPDX-License-Identifier: Apache-2.0 */
/* zk/witness/many.c - many witnesses of one program: groups of eight, and whoever is left alone. */
#include "core/status.h"
#include "zk/witness/batch_int.h"
#include "zk/witness/levels_int.h"

#define LANES 8u
#define PENDING 1 /* status of jobs to run alone */

struct many {
    const struct sn_witness_prog *p;
    struct sn_witness_job *jobs;
    size_t n, groups, stride;
    uint64_t steps_max;
};

/* A group short of eight repeats its first job: the same values are written twice. */
static void run_group(const struct many *m, struct sn_wbatch *b, size_t g)
{
    const struct sn_fe *in[LANES];
    struct sn_fe *out[LANES];
    size_t at = g * LANES, n = SN_MIN(m->n - at, (size_t)LANES);
    for (size_t i = 0; i < LANES; i++) {
        struct sn_witness_job *j = &m->jobs[at + (i < n ? i : 0)];
        in[i] = j->inputs;
        out[i] = j->ret;
    }
    int failed = sn_wbatch_run(b, in, m->steps_max, out);
    for (size_t i = 0; i < n; i++)
        m->jobs[at + i].status = failed < 0 || failed >> i & 1 ? PENDING : 0;
}

static void groups_job(void *arg, size_t first)
{
    const struct many *m = arg;
    struct sn_wbatch *b = NULL;
    if (sn_wbatch_new(m->p, &b) < 0) return; /* they stay pending */
    for (size_t g = first; g < m->groups; g += m->stride) run_group(m, b, g);
    sn_wbatch_free(b);
}

int sn_witness_run_many(const struct sn_witness_prog *p, struct sn_witness_job *jobs, size_t n,
                        const struct sn_witness_opts *o)
{
    const struct sn_par *par = o ? o->par : NULL;
    struct many m = {.p = p, .jobs = jobs, .n = n};
    m.steps_max = o && o->steps_max ? o->steps_max : SN_WITNESS_STEPS_MAX;
    /* One or two in a group of eight lose against one at a time. */
    m.groups = n / LANES + (n % LANES > 2);
    m.stride = SN_MIN(m.groups, (size_t)sn_par_width(par));
    for (size_t i = 0; i < n; i++) jobs[i].status = PENDING;
    if (m.groups && !(o && o->log && sn_wlogs(p))) sn_par_run(par, groups_job, &m, m.stride);
    int first = 0;
    struct sn_diag diag;
    for (size_t i = 0; i < n; i++) {
        if (jobs[i].status != PENDING) continue;
        jobs[i].status = sn_witness_run_wires(p, jobs[i].inputs, o, jobs[i].ret);
        if (jobs[i].status >= 0 || first < 0) continue;
        first = jobs[i].status;
        diag = *sn_diag();
    }
    if (first < 0) *sn_diag() = diag;
    return first;
}
