/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_retry.c - when a call is tried again, and what a stream keeps so that it can be.
 *
 * A stream may be tried again until anything but Trailers-Only has come. Until then what it sent is
 * kept, framed as it went out, and sent anew on the next attempt; beyond the limits below it is kept
 * no longer, and the attempt under way is the last. A stream has at most two fibers, one that sends
 * and one that receives: whichever finds the attempt ended begins the next, the other waits for it
 * (`retrying`). Source: gRFC A6. */
#include "kit/grpc_client_int.h"

/* ---- the policy ------------------------------------------------------------------------------- */

static bool throttled(const struct gr_worker *w)
{
    const struct gr_config *c = gr_config_of(w);
    return c && c->tokens_max > 0 && w->tokens <= c->tokens_max / 2;
}

static void count_tokens(struct gr_worker *w, bool failure)
{
    const struct gr_config *c = gr_config_of(w);
    if (!c || c->tokens_max <= 0) return;
    w->tokens = failure ? SN_MAX(w->tokens - 1, 0.0)
                        : SN_MIN(w->tokens + c->token_ratio, c->tokens_max);
}

/* The server's word on when to come again: ns, -1 never, -2 none. */
static int64_t pushback(const struct grpc_ccall *k)
{
    int64_t ms;
    struct sn_str v = sn_http_headers_get(&k->tail_in, SN_STR("grpc-retry-pushback-ms"));
    if (!v.ptr) v = sn_http_headers_get(&k->head.headers, SN_STR("grpc-retry-pushback-ms"));
    if (!v.ptr) return -2;
    if (sn_str_to_i64(v, &ms) < 0 || ms < 0 || ms > INT64_MAX / SN_MS) return -1;
    return ms * SN_MS;
}

static bool retryable(const struct grpc_ccall *k, int status)
{
    return status < 0 && k->config && k->config->retry.codes >> sn_status_canonical(status) & 1;
}

void gr_retry_tally(struct grpc_ccall *k, int status)
{
    if (k->tallied || !k->config || !k->config->retry.attempts_max || k->no_retry) return;
    k->tallied = true;
    if (status == 0 || retryable(k, status) || pushback(k) == -1) count_tokens(k->w, status != 0);
}

bool gr_committed(const struct grpc_ccall *k)
{
    return k->head_done && !(k->end && k->tail_in.len == 0);
}

/* Nothing of the attempt reached a handler. A stream's head alone may have begun one, so there only
 * the server's word counts. */
static bool unseen(const struct grpc_ccall *k, int status)
{
    bool refused = k->stream_closed && k->code == SN_H2_REFUSED_STREAM;
    return k->sub && !k->cancelled && (refused || (k->unary && !k->sent_any)) && !k->head_done &&
           status == SN_E_UNAVAILABLE;
}

int64_t gr_retry_after(struct grpc_ccall *k, int status)
{
    if (unseen(k, status) && k->transparent++ < GRPC_TRANSPARENT_MAX) return 0;
    const struct gr_retry *p = k->config ? &k->config->retry : NULL;
    if (!p || !p->attempts_max || k->no_retry) return -1;
    gr_retry_tally(k, status);
    int64_t push = pushback(k);
    if (!retryable(k, status) || gr_committed(k) || push == -1 || throttled(k->w)) return -1;
    if (++k->counted >= p->attempts_max) return -1;
    if (push >= 0) {
        k->backoffs = 0; /* the server's word begins the backoff anew */
        return push;
    }
    double ns = (double)p->backoff_ns;
    for (unsigned i = 0; i < k->backoffs; i++) ns *= p->multiplier;
    k->backoffs++;
    ns = SN_MIN(ns, (double)p->backoff_ns_max);
    return (int64_t)(ns * (0.8 + 0.4 * (double)(sn_random() >> 11) / (double)(1ull << 53)));
}

/* ---- what a stream keeps ---------------------------------------------------------------------- */

bool gr_stream_keep(struct grpc_ccall *k)
{
    struct sn_buf *out = &k->g.out;
    size_t n = out->len, left = k->out.len;
    size_t max = k->w->ch->o.retry_bytes_max;
    if (k->may_retry &&
        (gr_committed(k) || n > max || k->kept.len > max - n ||
         k->w->kept_bytes + n > GRPC_KEPT_WORKER_MAX || sn_buf_put(&k->kept, out->ptr, n) < 0))
        k->may_retry = false;
    if (!k->may_retry) return false;
    k->w->kept_bytes += n;
    k->out = sn_str_from(sn_buf_view(&k->kept), k->kept.len - left - n);
    return true;
}

void gr_stream_forget(struct grpc_ccall *k)
{
    k->may_retry = false;
    if (k->out.len) return; /* perhaps a view of it: the sender forgets it when that has left */
    k->w->kept_bytes -= k->kept.len;
    sn_buf_done(&k->kept);
}

/* ---- another attempt -------------------------------------------------------------------------- */

static int pause_for(struct grpc_ccall *k, int64_t ns, struct h2_waiter *me)
{
    int64_t until = sn_now() + ns;
    while (!k->cancelled && !k->over_known && sn_now() < until) {
        int r = h2_wait(me, "grpc retry", until);
        if (r < 0 && (r != SN_E_DEADLINE_EXCEEDED || sn_now() < until)) return r;
    }
    return k->cancelled || k->over_known ? SN_E_CANCELLED : 0;
}

/* An attempt ended as *st says. Returns 1 with the next under way, or the status of the call, which
 * is in *st then. */
static int next_attempt(struct grpc_ccall *k, struct sn_grpc_status *st, struct h2_waiter *me)
{
    struct grpc_call *g = &k->g;
    for (;;) {
        int64_t wait = gr_retry_after(k, st->code);
        if (wait < 0 || wait >= g->c.deadline_ns - sn_now()) return st->code;
        gr_attempt_release(k, st->code);
        k->w->n.retries++;
        int r = pause_for(k, wait, me);
        if (r == 0) r = gr_attempt_begin(k);
        if (r == 0) {
            k->out = sn_buf_view(&k->kept);
            k->out_end = g->out_closed;
            return 1;
        }
        *st = (struct sn_grpc_status){.code = -sn_status_canonical(r)};
        if (sn_diag()->code == r) st->message = sn_arena_str(g->c.arena, sn_str(sn_diag_str(r)));
    }
}

static int again(struct grpc_ccall *k, struct sn_grpc_status *st, struct h2_waiter *me)
{
    k->retrying = true;
    int r = next_attempt(k, st, me);
    k->retrying = false;
    h2_wake(&k->reader);
    h2_wake(&k->writer);
    if (r == 1)
        (void)gr_conn_flush(k->conn); /* where it breaks the stream is closed, which is looked at */
    else
        k->may_retry = false;
    return r;
}

int gr_stream_again(struct grpc_ccall *k, struct h2_waiter *me)
{
    struct sn_grpc_status st;
    if (k->retrying) {
        int r = h2_wait(me, "grpc retry", k->g.c.deadline_ns);
        return r < 0 ? r : 1;
    }
    if (!k->may_retry || k->over_known) return 0;
    gr_call_status(k, &st);
    if (st.code == 0 || gr_committed(k)) {
        k->may_retry = false;
        return 0;
    }
    if (again(k, &st, me) == 1) return 1;
    /* Where the last attempt has a stream who receives reads how it ended. */
    if (!k->conn) (void)gr_call_finish(k, &st);
    return 0;
}

int gr_stream_begin(struct grpc_ccall *k)
{
    k->may_retry = true;
    int r = gr_attempt_begin(k);
    if (r == 0 && gr_conn_flush(k->conn) < 0) r = SN_E_UNAVAILABLE;
    if (r == 0) return 0;
    struct sn_grpc_status st = {.code = -sn_status_canonical(r)};
    if (sn_diag()->code == r)
        st.message = sn_arena_str(k->g.c.arena, sn_str(sn_diag_str(r)));
    r = again(k, &st, &k->reader);
    if (r == 1) return 0;
    return sn_fail(st.code, "%.*s", SN_STR_ARG(st.message));
}
