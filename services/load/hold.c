/* SPDX-License-Identifier: Apache-2.0 */
/* load/hold.c - holds many idle connections and uses a few of them.
 * A held connection is parked: this process keeps a pointer for it and the runtime its record, no
 * fiber and no buffer. Active requests follow the plan's schedule (open loop) on connections drawn
 * from the active share. */
#include "core/alloc.h"
#include "core/status.h"
#include "fiber/sync.h"
#include "load/engine_int.h"

#define OPENERS 64u /* connections being opened at once by one process */

struct held {
    struct holder *h;
    const struct sn_load_target *target;
    struct sn_stream *s; /* NULL: being opened, in use, or lost */
};
struct holder {
    struct sn_load_engine *e;
    struct held *held;
    unsigned opened; /* slots tried so far */
    unsigned active; /* the first `active` slots are the ones used */
    int64_t open_gap_ns;
    struct sn_scope *scope;
};
struct use { /* one active request */
    struct held *at;
    int64_t due_ns;
};

static void on_ready(struct sn_stream *s, void *arg, int why)
{
    struct held *at = arg;
    /* Nothing is due on an idle connection but its end. */
    at->s = NULL;
    sn_stream_close(s);
    at->h->e->stats.conns_open--;
    if (!at->h->e->over && why != SN_E_CANCELLED) sn_load_error(at->h->e, SN_LOAD_ERR_LOST);
}

static void park(struct held *at, struct sn_stream *s)
{
    at->s = s;
    sn_stream_park(s, SN_FOREVER, on_ready, at);
}

static int open_main(void *arg)
{
    struct holder *h = arg;
    struct sn_load_engine *e = h->e;
    while (!e->over && h->opened < e->conns) {
        unsigned i = h->opened++;
        /* In bursts: at a connection each, a hundred processes spend their time being woken. */
        int64_t due = e->start_ns + h->open_gap_ns * (int64_t)(i - i % OPENERS);
        if (h->open_gap_ns && sn_now() < due && sn_sleep_until(due) < 0) break;
        struct sn_load_conn c = {.e = e, .target = sn_load_pick(e)};
        h->held[i].target = c.target;
        if (sn_load_connect(&c) == 0) park(&h->held[i], c.s);
        else if (sn_cancelled()) break;
    }
    return 0;
}

static int use_main(void *arg)
{
    struct use u = *(struct use *)arg;
    sn_free(arg);
    struct sn_load_engine *e = u.at->h->e;
    struct sn_load_conn c = {.e = e, .target = u.at->target, .s = u.at->s};
    u.at->s = NULL;
    c.buf = sn_alloc(SN_LOAD_READ_BYTES);
    sn_arena_init(&c.arena, NULL, 0);
    bool keep = false;
    if (c.buf) {
        int64_t sent = sn_now(), prev = sn_deadline_tighten(sent + e->plan->timeout_ns);
        if (sn_load_send(&c, 1) == 0) {
            e->sent++;
            int status = sn_load_receive(&c, sent, &keep);
            if (status < 0) keep = false;
            else sn_load_record(e, status, u.due_ns, sent);
        }
        sn_deadline_restore(prev);
    }
    if (keep) park(u.at, c.s);
    else sn_load_disconnect(&c);
    sn_arena_done(&c.arena);
    sn_free(c.buf);
    return 0;
}

/* A parked connection of the active share, taken back; NULL when none was found in a few tries. */
static struct held *take_active(struct holder *h)
{
    unsigned n = SN_MIN(h->active, h->opened);
    for (int tries = 0; n && tries < 16; tries++) {
        struct held *at = &h->held[sn_random() % n];
        if (at->s && sn_stream_unpark(at->s)) return at;
    }
    return NULL;
}

#define OPENED_LOOK_NS (20 * SN_MS)

/* Within the warm-up nothing is asked before everything is open: on one machine the requests would
 * take half of what opening needs, and nobody looks at them. */
static int opened_wait(const struct holder *h)
{
    const struct sn_load_engine *e = h->e;
    while (h->opened < e->conns && sn_now() < e->measure_ns) {
        int r = sn_sleep(OPENED_LOOK_NS);
        if (r < 0) return r;
    }
    return 0;
}

static int use_loop(struct holder *h)
{
    struct sn_load_engine *e = h->e;
    int64_t at;
    if (opened_wait(h) < 0) return 0;
    int64_t from = sn_now();
    while (sn_load_schedule_take(&e->schedule, &at)) {
        int64_t due = e->start_ns + at;
        if (due < from && due < e->measure_ns) continue;
        int early = sn_load_wait_due(due);
        if (early < 0) return 0;
        if (early && due >= e->measure_ns)
            sn_hist_record(&e->stats.hist[SN_LOAD_LATE], (uint64_t)(sn_now() - due));
        struct held *slot = take_active(h);
        if (!slot) {
            if (due >= e->measure_ns) sn_load_error(e, SN_LOAD_ERR_UNSENT);
            continue;
        }
        struct use *u = sn_alloc(sizeof(*u));
        if (!u) return SN_E_NOMEM;
        *u = (struct use){slot, due};
        int r = sn_scope_go(h->scope, "load request", use_main, u);
        if (r < 0) {
            sn_free(u);
            return r;
        }
    }
    return e->end_ns == SN_FOREVER ? 0 : sn_sleep_until(e->end_ns);
}

static void close_all(struct holder *h)
{
    for (unsigned i = 0; i < h->e->conns; i++) {
        struct sn_stream *s = h->held[i].s;
        if (!s || !sn_stream_unpark(s)) continue;
        h->held[i].s = NULL;
        sn_stream_close(s);
        h->e->stats.conns_open--;
        if (i % 256 == 0) sn_yield(); /* ten microseconds of kernel time each */
    }
}

int sn_load_hold(struct sn_load_engine *e)
{
    struct holder h = {.e = e, .held = SN_NEW_ARRAY(struct held, e->conns)};
    if (!h.held) return SN_E_NOMEM;
    for (unsigned i = 0; i < e->conns; i++) h.held[i].h = &h;
    h.active = (unsigned)((double)e->conns * e->plan->active);
    if (h.active == 0 && e->plan->active > 0) h.active = 1;
    if (e->plan->open_rate > 0)
        h.open_gap_ns = (int64_t)((double)e->plan->procs * SN_SEC / e->plan->open_rate);
    struct sn_scope_storage mem;
    h.scope = sn_scope_begin(&mem);
    int r = 0;
    for (unsigned i = 0; r == 0 && i < SN_MIN(OPENERS, e->conns); i++)
        r = sn_scope_go(h.scope, "load open", open_main, &h);
    if (r == 0) r = e->schedule.n_steps ? use_loop(&h) : sn_sleep_until(e->end_ns);
    e->over = true;
    sn_scope_cancel(h.scope);
    (void)sn_scope_end(h.scope);
    close_all(&h);
    sn_yield(); /* ready functions already started for closed connections finish first */
    sn_free(h.held);
    return r == SN_E_CANCELLED ? 0 : r;
}
