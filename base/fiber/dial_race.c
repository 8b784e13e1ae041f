/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/dial_race.c - several addresses of one name, tried with overlap.
 * Source: RFC 8305 (Happy Eyeballs version 2), section 5. */
#include "core/alloc.h"
#include "fiber/chan.h"
#include "fiber/net_int.h"
#include "fiber/sched_int.h"

struct race;
struct attempt {
    struct race *race;
    struct sn_stream *stream;
    int result;
    bool over;
};
/* All on one worker: plain fields do. */
struct race {
    int (*one)(void *arg, unsigned i, struct sn_stream **ret);
    void *arg;
    struct sn_chan *over; /* of uint32_t: attempts in the order of their end; has room for all */
    struct sn_scope *scope;
    unsigned n, begun, ended;
    struct sn_stream *won;
    int error;
    struct sn_diag why; /* of the last failure */
    struct attempt attempts[];
};

/* Never fails as a member of the scope: that would cancel the others. */
static int attempt_main(void *arg)
{
    struct attempt *a = arg;
    struct race *r = a->race;
    uint32_t i = (uint32_t)(a - r->attempts);
    a->result = r->one(r->arg, i, &a->stream);
    if (a->result < 0 && a->result != SN_E_CANCELLED) r->why = *sn_diag();
    a->over = true;
    (void)!sn_chan_try_send(r->over, &i);
    return 0;
}
static int attempt_begin(struct race *r)
{
    struct sn_worker *w = sn_worker_cur();
    struct attempt *a = &r->attempts[r->begun];
    a->race = r;
    int e = sn_spawn(w, r->scope, "dial", (void *)(uintptr_t)attempt_main, a,
                     SN_FF_INT | SN_FF_PINNED, (int)w->index, NULL);
    if (e == 0) r->begun++;
    return e;
}
static bool ends_race(int error) { return error == SN_E_FILES || error == SN_E_NOMEM; }

/* Until somebody has won, all have lost or there is no use in going on. */
static void race_run(struct race *r)
{
    int64_t next = sn_now();
    while (r->ended < r->n) {
        uint32_t i;
        bool more = r->begun < r->n;
        if (more && (r->begun == r->ended || sn_now() >= next)) {
            if ((r->error = attempt_begin(r)) < 0) return;
            next = sn_now() + SN_DIAL_STAGGER_NS;
            continue;
        }
        struct sn_select_case end = {.chan = r->over, .op = SN_SELECT_RECV, .elem = &i};
        int e = sn_select(&end, 1, more ? next : SN_FOREVER);
        if (e == SN_E_DEADLINE_EXCEEDED && more && sn_now() >= next && !sn_cancelled()) continue;
        if (e < 0) {
            r->error = e;
            return;
        }
        r->ended++;
        r->won = r->attempts[i].stream;
        r->error = r->attempts[i].result;
        if (r->won || ends_race(r->error)) return;
    }
}

int sn_dial_race(unsigned n, int (*one)(void *arg, unsigned i, struct sn_stream **ret), void *arg,
                 struct sn_stream **ret)
{
    struct sn_scope_storage mem;
    struct race *r = sn_zalloc(1, sizeof(*r) + n * sizeof(r->attempts[0]));
    if (!r) return SN_E_NOMEM;
    *r = (struct race){.one = one, .arg = arg, .n = n, .error = SN_E_UNAVAILABLE};
    r->over = sn_chan_new(sizeof(uint32_t), n);
    if (!r->over) {
        sn_free(r);
        return SN_E_NOMEM;
    }
    r->scope = sn_scope_begin(&mem);
    race_run(r);
    sn_scope_cancel(r->scope);
    (void)sn_scope_end(r->scope); /* joins all; its result is the cancellation */
    for (unsigned i = 0; i < r->begun; i++) {
        struct sn_stream *s = r->attempts[i].stream;
        if (s && s != r->won) sn_stream_close(s); /* second by a moment */
    }
    int e = r->won ? 0 : r->error;
    if (r->won)
        *ret = r->won;
    else if (r->why.code == e)
        *sn_diag() = r->why;
    sn_chan_free(r->over);
    sn_free(r);
    return e;
}
