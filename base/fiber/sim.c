/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/sim.c - deterministic simulation: the clock, the scheduler's choices, hosts and faults.
 *
 * One worker; its pick is never direct: each step goes through the scheduler, which chooses among
 * the ready fibers by the seed. When none is ready the clock jumps to the next timer; when there is
 * none either, every fiber waits for ever and the run ends with a dump. Each choice is folded into
 * the hash, so two runs of one seed can be compared step by step. */
#include "fiber/sim.h"

#include "core/alloc.h"
#include "core/buf.h"
#include "fiber/sched_int.h"

#include <stdio.h>

#define TIME_LIMIT_DEFAULT SN_HOUR
#define LOOKUP_NS_MAX_DEFAULT (5 * SN_MS)
#define STEPS_DEFAULT 50000000ull
#define FAULTS_MAX 64
#define PARTS_MAX 8
#define OFFLOAD_DELAY_MAX_NS (5 * SN_MS)
#define STEP_NS 100 /* virtual cost of one step: time passes even without timers */

struct fault {
    const struct sn_sim_host *host;
    char op[16];
    int code;
    unsigned count;
};

static struct {
    struct sn_sim_opts opts;
    struct sn_rand rand;
    uint64_t hash, steps;
    struct sn_sim_host *hosts, *main;
    unsigned n_hosts;
    struct sn_fiber **ready;
    size_t n_ready, cap_ready;
    struct fault faults[FAULTS_MAX];
    int over; /* why the run was ended from here; 0 = it was not */
} sim;

static const struct sn_sim_part *parts[PARTS_MAX];
static unsigned n_parts;

void sn_sim_part_add(const struct sn_sim_part *p)
{
    SN_ASSERT(n_parts < PARTS_MAX);
    parts[n_parts++] = p;
}

bool sn_sim_active(void) { return sn_sim_on; }
const struct sn_sim_opts *sn_sim_options(void) { return &sim.opts; }
uint64_t sn_sim_rand(void) { return sn_rand_u64(&sim.rand); }

void sn_sim_trace(uint64_t tag, uint64_t value)
{
    uint64_t h = sim.hash ^ (tag * 0x9e3779b97f4a7c15ull) ^ (value + 0x632be59bd9b4e019ull);
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93ull;
    h ^= h >> 29;
    sim.hash = h;
}

/* ---- choosing ---- */

static void ready_add(struct sn_fiber *f)
{
    if (sim.n_ready == sim.cap_ready) {
        size_t cap = sim.cap_ready ? sim.cap_ready * 2 : 256;
        struct sn_fiber **r = sn_realloc(sim.ready, cap * sizeof(*r));
        SN_ASSERT(r != NULL); /* a run that loses a fiber is worse than none */
        sim.ready = r;
        sim.cap_ready = cap;
    }
    sim.ready[sim.n_ready++] = f;
}

/* Whatever the queues hold, in their deterministic order. */
static void ready_collect(struct sn_worker *w)
{
    struct sn_fiber *f = w->lifo;
    w->lifo = NULL;
    if (f) ready_add(f);
    while ((f = sn_rq_pop(w)) != NULL) ready_add(f);
    while (w->ring_head != w->ring_tail) ready_add(w->ring[w->ring_head++ % SN_RING_SIZE]);
    while (w->over_head) {
        struct sn_post *p = w->over_head;
        w->over_head = p->next;
        if (!p->next) w->over_tail = &w->over_head;
        w->over_n--;
        ready_add(SN_CONTAINER_OF(p, struct sn_fiber, post));
    }
}

static void end_run(struct sn_worker *w, int why)
{
    sim.over = sn_rt.main_result = why;
    sn_rt.main_diag = *sn_diag();
    SN_STORE(&w->stop, 1);
}

struct sn_fiber *sn_sim_pick(struct sn_worker *w)
{
    if (sim.over) return NULL;
    ready_collect(w);
    if (sim.n_ready == 0) return NULL;
    if (sim.steps++ >= sim.opts.steps_max) {
        end_run(w, sn_fail(SN_E_RESOURCE_EXHAUSTED, "simulation passed %llu steps",
                           (unsigned long long)sim.opts.steps_max));
        return NULL;
    }
    size_t k = sim.n_ready == 1 ? 0 : (size_t)sn_rand_below(&sim.rand, sim.n_ready);
    struct sn_fiber *f = sim.ready[k];
    sim.ready[k] = sim.ready[--sim.n_ready];
    sn_sim_trace(1, f->id);
    w->now += STEP_NS;
    w->lifo_runs = 0;
    return f;
}

static int deadlock(void)
{
    struct sn_buf b;
    sn_buf_init(&b, 1u << 20);
    (void)sn_fiber_dump(&b);
    int r = sn_fail(SN_E_ABORTED, "deadlock at virtual %lld ns, every fiber waits: %.400s",
                    (long long)sn_rt.workers[0].now, sn_buf_cz(&b));
    sn_buf_done(&b);
    return r;
}

bool sn_sim_idle(struct sn_worker *w)
{
    if (sim.over) return false;
    int64_t next = sn_timers_next(&w->timers);
    if (next == SN_FOREVER) {
        end_run(w, deadlock());
        return false;
    }
    if (next > w->now) w->now = next;
    if (w->now > sim.opts.time_limit_ns) {
        end_run(w, sn_fail(SN_E_DEADLINE_EXCEEDED, "simulation passed %lld ns of virtual time",
                           (long long)sim.opts.time_limit_ns));
        return false;
    }
    sn_sim_trace(2, (uint64_t)w->now);
    return true;
}

int sn_sim_offload(int (*fn)(void *arg), void *arg)
{
    struct sn_fiber *f = sn_self();
    if (!f->shield && f->cancelled) return SN_E_CANCELLED;
    int64_t at = sn_now() + (int64_t)sn_rand_below(&sim.rand, OFFLOAD_DELAY_MAX_NS);
    uint8_t shield = f->shield;
    int64_t until = f->shield_deadline;
    f->shield = shield | 0x80; /* not cancellable once begun, like the real pool */
    f->shield_deadline = SN_FOREVER;
    (void)!sn_wait_park(sn_wait_begin("offload"), at);
    f->shield = shield;
    f->shield_deadline = until;
    return fn(arg);
}

/* ---- hosts ---- */

struct sn_sim_host *sn_sim_host_new(const char *name)
{
    if (sim.n_hosts >= SN_SIM_HOSTS_MAX) return NULL;
    struct sn_sim_host *h = SN_NEW(struct sn_sim_host);
    if (!h) return NULL;
    h->id = ++sim.n_hosts;
    snprintf(h->name, sizeof(h->name), "%s", name);
    snprintf(h->addr, sizeof(h->addr), "10.0.0.%u", h->id);
    struct sn_sim_host **tail = &sim.hosts;
    while (*tail) tail = &(*tail)->next;
    *tail = h;
    return h;
}

const char *sn_sim_host_addr(const struct sn_sim_host *h) { return h->addr; }
struct sn_sim_host *sn_sim_hosts(void) { return sim.hosts; }

struct sn_sim_host *sn_sim_host_find(const char *addr)
{
    for (struct sn_sim_host *h = sim.hosts; h; h = h->next)
        if (strcmp(h->addr, addr) == 0) return h;
    return NULL;
}

struct sn_sim_host *sn_sim_host_cur(void)
{
    struct sn_fiber *f = sn_self();
    return f && f->host ? f->host : sim.main;
}

void sn_sim_fiber_host(struct sn_fiber *f, const struct sn_fiber *parent, struct sn_sim_host *h)
{
    f->host = h ? h : parent ? parent->host : sim.main;
    f->host_epoch = f->host ? f->host->epoch : 0;
}

int sn_sim_host_go(struct sn_sim_host *h, const char *name, sn_fiber_fn fn, void *arg)
{
    return sn_spawn(sn_worker_cur(), &sn_rt.root, name, (void *)(uintptr_t)fn, arg, SN_FF_DETACHED,
                    -1, h);
}

/* Stops `f` where it is. Its record and stack stay until the run ends: waiter lists of objects that
 * outlive the host may still point into the stack; their claims fail. Nobody joins it: its scopes
 * are in frames of the same host. */
static void bury(struct sn_fiber *f)
{
    f->state = SN_FIBER_ZOMBIE;
    f->word = (f->word & ~3ull) + SN_WAIT_CLAIMED;
    if (f->timer.state) sn_timer_cancel(&f->timer);
    sn_rt.zombies++;
}

static void ready_drop_zombies(void)
{
    size_t n = 0;
    for (size_t i = 0; i < sim.n_ready; i++)
        if (sim.ready[i]->state != SN_FIBER_ZOMBIE) sim.ready[n++] = sim.ready[i];
    sim.n_ready = n;
}

void sn_sim_crash(struct sn_sim_host *h)
{
    struct sn_worker *w = sn_worker_cur();
    SN_ASSERT(sn_sim_on && !(w->cur && w->cur->host == h)); /* a host cannot crash itself */
    h->epoch++;
    sn_sim_trace(3, h->id);
    ready_collect(w);
    for (struct sn_chunk *c = sn_rt.chunks; c; c = c->next)
        for (uint32_t i = 0; i < c->used; i++) {
            struct sn_fiber *f = &c->rec[i];
            if (f->host == h && f->state != SN_FIBER_FREE && f->state != SN_FIBER_ZOMBIE) bury(f);
        }
    ready_drop_zombies();
    for (unsigned i = 0; i < n_parts; i++)
        if (parts[i]->crash) parts[i]->crash(h);
}

/* ---- faults ---- */

static struct sn_alloc_hooks sim_hooks;
static bool alloc_fault(size_t size)
{
    (void)size;
    return sn_self() && sn_sim_fault_take("alloc") != 0;
}

void sn_sim_fault(struct sn_sim_host *h, const char *op, int code, unsigned count)
{
    for (unsigned i = 0; i < FAULTS_MAX; i++) {
        struct fault *x = &sim.faults[i];
        if (x->count && !(x->host == h && strcmp(x->op, op) == 0)) continue;
        *x = (struct fault){.host = h, .code = code, .count = count};
        snprintf(x->op, sizeof(x->op), "%s", op);
        if (strcmp(op, "alloc") == 0 && !sim_hooks.fail) {
            sim_hooks.fail = alloc_fault;
            sn_alloc_set_hooks(&sim_hooks);
        }
        return;
    }
    SN_ASSERT(!"more than FAULTS_MAX faults armed at once");
}

int sn_sim_fault_take(const char *op)
{
    if (!sn_sim_on) return 0;
    const struct sn_sim_host *h = sn_sim_host_cur();
    for (unsigned i = 0; i < FAULTS_MAX; i++) {
        struct fault *x = &sim.faults[i];
        if (!x->count || x->host != h || strcmp(x->op, op) != 0) continue;
        x->count--;
        return x->code;
    }
    return 0;
}

/* ---- running ---- */

void sn_sim_begin_worker(struct sn_worker *w)
{
    w->now = 0;
    sn_timers_init(&w->timers, 0, true);
    sn_rand_seed(&w->rand, sim.opts.seed ^ 0x5eed);
}

int sn_sim_run(const struct sn_sim_opts *opts, int (*fn)(void *arg), void *arg, uint64_t *ret_hash)
{
    static const struct sn_sim_opts none;
    SN_ASSERT(!sn_sim_on);
    memset(&sim, 0, sizeof(sim));
    sim.opts = opts ? *opts : none;
    if (!sim.opts.time_limit_ns) sim.opts.time_limit_ns = TIME_LIMIT_DEFAULT;
    if (!sim.opts.steps_max) sim.opts.steps_max = STEPS_DEFAULT;
    if (!sim.opts.delay_max_ns) {
        sim.opts.delay_min_ns = 50 * SN_US;
        sim.opts.delay_max_ns = 2 * SN_MS;
    }
    if (!sim.opts.lookup_max_ns) sim.opts.lookup_max_ns = LOOKUP_NS_MAX_DEFAULT;
    sn_rand_seed(&sim.rand, sim.opts.seed);
    sim.main = sn_sim_host_new("main");
    if (!sim.main) return SN_E_NOMEM;
    sn_sim_on = true;
    for (unsigned i = 0; i < n_parts; i++)
        if (parts[i]->begin) parts[i]->begin();
    struct sn_rt_opts ro = {.workers = 1};
    int r = sn_rt_run(&ro, fn, arg);
    if (sim_hooks.fail) {
        sn_alloc_set_hooks(NULL);
        sim_hooks.fail = NULL;
    }
    sn_sim_trace(4, (uint64_t)(int64_t)r);
    if (ret_hash) *ret_hash = sim.hash;
    for (unsigned i = 0; i < n_parts; i++)
        if (parts[i]->done) parts[i]->done();
    sn_sim_on = false;
    sn_free(sim.ready);
    for (struct sn_sim_host *h = sim.hosts, *next; h; h = next) {
        next = h->next;
        sn_free(h);
    }
    sim.hosts = sim.main = NULL;
    return r;
}
