/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/sim.h - deterministic simulation of any program on the runtime.
 * One worker, a virtual clock that jumps to the next timer when nothing is ready, a scheduler that
 * picks among ready fibers by the seed, and a simulated network behind fiber/net.h with hosts,
 * delay, loss (as delay and reset on streams, as drop on datagrams), partition and crash.
 * The same seed gives the same run: sn_sim_hash() folds every scheduling and network decision. */
#pragma once
#include "fiber/fiber.h"

struct sn_sim_opts {
    uint64_t seed;
    int64_t time_limit_ns; /* virtual; 0 = 1 h; passing it is SN_E_DEADLINE_EXCEEDED */
    uint64_t steps_max;    /* scheduling decisions; 0 = 50,000,000 */
    int64_t delay_min_ns, delay_max_ns; /* one-way, default 50 us .. 2 ms */
    double loss;           /* probability per segment or datagram, default 0 */
    int64_t lookup_max_ns; /* a name look-up takes up to this, default 5 ms; addresses take none */
};
/* sn_sim_run - runs fn(arg) on the simulated host "main" (10.0.0.1). Returns fn's value;
 * SN_E_ABORTED with a dump in the diagnostic if every fiber waits and no timer is armed (deadlock).
 * ret_hash may be NULL. */
int sn_sim_run(const struct sn_sim_opts *opts, int (*fn)(void *arg), void *arg, uint64_t *ret_hash);
bool sn_sim_active(void);

struct sn_sim_host;
/* sn_sim_host_new - a host with its own address ("10.0.0.N", returned by _addr). Fibers started by
 * sn_sim_host_go live on it, listen and dial from it, and die with it. */
struct sn_sim_host *sn_sim_host_new(const char *name);
const char *sn_sim_host_addr(const struct sn_sim_host *h);
int sn_sim_host_go(struct sn_sim_host *h, const char *name, sn_fiber_fn fn,
                   void *arg) SN_MUST_CHECK;
/* sn_sim_crash - the host's fibers stop where they are (their next blocking call never returns;
 * they are reclaimed without running cleanup), its connections break at the peers by reset after
 * the network delay, its listeners are gone. sn_sim_host_go afterwards is the restart. */
void sn_sim_crash(struct sn_sim_host *h);
/* sn_sim_partition - cuts (or heals) both directions between two hosts; segments wait (streams) or
 * vanish (datagrams); streams cut longer than the user timeout break. */
void sn_sim_partition(struct sn_sim_host *a, struct sn_sim_host *b, bool cut);
void sn_sim_link(struct sn_sim_host *a, struct sn_sim_host *b, int64_t delay_min_ns,
                 int64_t delay_max_ns, double loss);
/* sn_sim_fault - makes the next `count` calls of the named operation ("open", "accept", "dial",
 * "resolve", "write", "alloc", "fsync") fail with `code` on that host. */
void sn_sim_fault(struct sn_sim_host *h, const char *op, int code, unsigned count);
uint64_t sn_sim_rand(void);
