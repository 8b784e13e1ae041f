/* SPDX-License-Identifier: Apache-2.0 */
/* abci/server_parallel.c - a connection whose pipelined requests may be in callbacks together.
 *
 * The connection's fiber reads and gives each request a place in a ring; requests the application
 * allows it for run in fibers of their own, the others after all before them and before all behind
 * them. A writer takes the answers from the ring in order. */
#include "abci/server_int.h"
#include "core/alloc.h"

struct place {
    struct ring *ring;
    struct sn_arena arena; /* of the request's copy and the answer */
    struct sn_buf out;
    enum sn_abci_method m;
    void *req;
    bool done, last; /* last: an exception; nothing goes out behind it */
};
struct ring {
    struct abci_conn *c;
    struct place *places;
    unsigned size, head, n; /* the oldest, and how many are taken */
    struct sn_mutex lock;
    struct sn_cond room, answered; /* a place was freed; the oldest may be done */
    struct sn_fiber *reader;
    bool closing;
};

static void finish(struct place *p, int r)
{
    sn_mutex_lock_always(&p->ring->lock);
    p->done = true;
    p->last = r < 0;
    sn_cond_broadcast(&p->ring->answered);
    sn_mutex_unlock(&p->ring->lock);
}

static int place_main(void *arg)
{
    struct place *p = arg;
    finish(p, abci_answer(abci_server_app(p->ring->c->s), p->m, p->req, &p->arena, &p->out));
    return 0;
}

/* Takes the answers that are done, in order. Returns 1 with them in `out`, 0 at the end. */
static int gather(struct ring *g, struct sn_buf *out, bool *ret_last)
{
    int r = 0;
    sn_mutex_lock_always(&g->lock);
    while (r >= 0 && !(g->n && g->places[g->head].done) && !(g->closing && !g->n))
        r = sn_cond_wait(&g->answered, &g->lock);
    bool any = g->n > 0;
    while (r >= 0 && g->n && g->places[g->head].done && !*ret_last && out->len < WRITE_BYTES) {
        struct place *p = &g->places[g->head];
        sn_buf_str(out, sn_buf_view(&p->out));
        *ret_last = p->last;
        sn_buf_done(&p->out);
        sn_arena_done(&p->arena);
        p->done = p->last = false;
        g->head = (g->head + 1) % g->size;
        g->n--;
    }
    sn_cond_broadcast(&g->room);
    sn_mutex_unlock(&g->lock);
    return r < 0 ? r : out->err < 0 ? out->err : any;
}

static int writer_main(void *arg)
{
    struct ring *g = arg;
    struct sn_buf out = {0};
    bool last = false;
    int r = 1;
    while (r > 0 && !last && (r = gather(g, &out, &last)) > 0) {
        if (sn_write(g->c->st, out.ptr, out.len) < 0) r = SN_E_CLOSED;
        if (out.cap > KEEP_BYTES)
            sn_buf_done(&out);
        else
            sn_buf_reset(&out);
    }
    sn_buf_done(&out);
    if (r != 0) sn_fiber_cancel(g->reader); /* it waits for the scope's end, so it is there */
    return 0;
}

/* The next place; waits for room, and with `alone` until all before it are answered and sent. */
static int take(struct ring *g, bool alone, struct place **ret)
{
    int r = sn_mutex_lock(&g->lock);
    if (r < 0) return r;
    while (r >= 0 && (alone ? g->n > 0 : g->n == g->size)) r = sn_cond_wait(&g->room, &g->lock);
    if (r >= 0) {
        *ret = &g->places[(g->head + g->n++) % g->size];
        (*ret)->ring = g;
        sn_arena_init(&(*ret)->arena, NULL, 0);
    }
    sn_mutex_unlock(&g->lock);
    return r;
}

static int handle(struct ring *g, struct sn_scope *sc, struct sn_str body)
{
    struct sn_abci_app *app = abci_server_app(g->c->s);
    struct place *p;
    struct sn_arena a;
    void *req;
    /* Parsed where it lies for its kind, and again from a copy that lives as long as its place. */
    sn_arena_init(&a, NULL, 0);
    int m = sn_abci_parse_request(body, 0, &a, &req);
    /* A Flush says nothing of its own here: its answer stands behind those before it. */
    bool quick = m == SN_ABCI_ECHO || m == SN_ABCI_FLUSH;
    bool alone = m < 0 || (!quick && !(app->concurrent & SN_ABCI_BIT(m)));
    int r = take(g, alone, &p);
    if (r < 0) {
        sn_arena_done(&a);
        return r;
    }
    if (alone || quick) {
        r = m < 0 ? abci_answer_failure(m, &p->out)
                  : abci_answer(app, (enum sn_abci_method)m, req, &a, &p->out);
        sn_arena_done(&a);
        finish(p, r);
        return r;
    }
    sn_arena_done(&a);
    p->m = (enum sn_abci_method)m;
    r = sn_abci_parse_request(body, SN_PB_COPY, &p->arena, &p->req);
    if (r >= 0) r = sn_scope_go(sc, "abci call", place_main, p);
    if (r >= 0) return 0;
    finish(p, abci_answer_failure(r, &p->out));
    return r;
}

static int read_all(struct ring *g, struct sn_scope *sc)
{
    struct sn_str body;
    for (;;) {
        int r = abci_conn_next(g->c, &body);
        if (r == 0)
            r = abci_conn_read(g->c);
        else if (r > 0)
            r = handle(g, sc, body);
        if (r < 0) return r;
    }
}

static void closing(struct ring *g)
{
    sn_mutex_lock_always(&g->lock);
    g->closing = true;
    sn_cond_broadcast(&g->answered);
    sn_mutex_unlock(&g->lock);
}

int abci_conn_parallel(struct abci_conn *c)
{
    struct sn_scope_storage mem;
    struct ring g = {.c = c, .size = abci_server_app(c->s)->parallel, .reader = sn_self()};
    g.places = SN_NEW_ARRAY(struct place, g.size);
    if (!g.places) return SN_E_NOMEM;
    struct sn_scope *sc = sn_scope_begin(&mem);
    int r = sn_scope_go(sc, "abci write", writer_main, &g);
    if (r >= 0) r = read_all(&g, sc);
    closing(&g); /* what was asked is still answered, whether or not anybody listens */
    if (r == SN_E_CANCELLED) sn_scope_cancel(sc);
    (void)sn_scope_end(sc);
    for (unsigned i = 0; i < g.size; i++) {
        sn_buf_done(&g.places[i].out);
        if (g.places[i].ring) sn_arena_done(&g.places[i].arena);
    }
    sn_free(g.places);
    return r;
}
