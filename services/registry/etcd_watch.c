/* SPDX-License-Identifier: Apache-2.0 */
/* registry/etcd_watch.c - etcd's Watch service. A stream has two fibers: one reads what the client
 * asks for, the handler's own sends. A watch holds no queue: it knows the revision it has to go on
 * from, and reads the store's history when a change has woken it; a client that is too slow for
 * that history is told so, by the revision from which on it may ask. */
#include "core/alloc.h"
#include "fiber/chan.h"
#include "registry/etcd_face.h"

#define PROGRESS_NS (10 * SN_MINUTE) /* how often a watch without events is told the revision */
#define NOTES_MAX 64u                /* answers to requests that wait for the sender */

typedef struct etcdserverpb_watch_response watch_response;
typedef struct etcdserverpb_watch_create_request create_request;

struct watch {
    struct reg_waiter w;
    struct sn_list node, dirty; /* of the stream */
    struct stream *st;
    int64_t id;
    uint64_t next; /* the revision to go on from */
    uint32_t skip; /* its events that are sent already: fragments */
    bool fragment, prev_kv, no_put, no_delete, progress, sent;
    struct sn_str key, end; /* behind the struct */
};
/* What the reader has done, for the sender to answer. */
struct note {
    int64_t id;
    bool created, canceled, progress;
    uint64_t rev;
    const char *reason;
};
struct stream {
    struct sn_regserver *s;
    struct sn_grpc_call *call;
    struct reg_stream reg;
    struct sn_chan *notes, *poke;
    struct sn_list watches, dirty; /* under the server's lock */
    unsigned n;
    int64_t next_id;
    bool progress_asked;
    int failed; /* the reader's; both fibers are of one worker */
};

static void poke(struct stream *st) { (void)!sn_chan_try_send(st->poke, NULL); }
static void poke_stream(struct reg_stream *reg) { poke(SN_CONTAINER_OF(reg, struct stream, reg)); }

/* Under the lock, perhaps in another worker's fiber. */
static void woken(struct reg_waiter *w)
{
    struct watch *x = SN_CONTAINER_OF(w, struct watch, w);
    if (!sn_list_linked(&x->dirty)) sn_list_push_back(&x->st->dirty, &x->dirty);
    poke(x->st);
}

/* ---- requests ------------------------------------------------------------------------------- */

static struct watch *watch_new(struct stream *st, const create_request *q)
{
    struct watch *w = sn_zalloc(1, sizeof(*w) + q->key.len + q->range_end.len + 2);
    if (!w) return NULL;
    char *mem = (char *)(w + 1);
    /* An empty key is the smallest there is; an end of "\0" no end. */
    if (q->key.len) memcpy(mem, q->key.ptr, q->key.len);
    w->key = sn_str_of(mem, SN_MAX(q->key.len, (size_t)1));
    mem += w->key.len;
    if (q->range_end.len) memcpy(mem, q->range_end.ptr, q->range_end.len);
    w->end = sn_str_of(mem, q->range_end.len);
    w->st = st;
    w->fragment = q->fragment;
    w->prev_kv = q->prev_kv;
    w->progress = q->progress_notify;
    for (uint32_t i = 0; i < q->filters.len; i++) {
        w->no_put |= q->filters.ptr[i] == ETCDSERVERPB_WATCH_CREATE_REQUEST_FILTER_TYPE_NOPUT;
        w->no_delete |= q->filters.ptr[i] == ETCDSERVERPB_WATCH_CREATE_REQUEST_FILTER_TYPE_NODELETE;
    }
    w->w = (struct reg_waiter){.kind = w->end.len ? REG_WAIT_RANGE : REG_WAIT_KEY,
                               .name = w->key,
                               .end = w->end,
                               .wake = woken};
    sn_list_init(&w->node);
    sn_list_init(&w->dirty);
    return w;
}

static struct watch *find(struct stream *st, int64_t id)
{
    SN_LIST_EACH (&st->watches, n) {
        struct watch *w = SN_LIST_ENTRY(n, struct watch, node);
        if (w->id == id) return w;
    }
    return NULL;
}

/* The lock is held. */
static void drop(struct stream *st, struct watch *w)
{
    reg_store_unwait(&st->s->store, &w->w);
    sn_list_del(&w->node);
    sn_list_del(&w->dirty);
    st->n--;
    sn_free(w);
}

static const char *refusal(struct stream *st, const create_request *q)
{
    bool open_end = q->range_end.len == 1 && q->range_end.ptr[0] == 0;
    if (q->range_end.len && !open_end && sn_str_cmp(q->key, q->range_end) >= 0)
        return "etcdserver: mvcc: watcher range is empty";
    if (q->watch_id && find(st, q->watch_id))
        return "etcdserver: mvcc: duplicate watch ID provided on the WatchStream";
    if (st->n >= ETCD_WATCHES_MAX) return "etcdserver: too many watches on this stream";
    return NULL;
}

/* The note goes first: what the watch brings must not overtake it. */
static int create(struct stream *st, const create_request *q)
{
    struct sn_regserver *s = st->s;
    struct watch *w = watch_new(st, q);
    if (!w) return SN_E_NOMEM;
    reg_srv_lock(s);
    struct note n = {.created = true, .rev = s->store.rev, .reason = refusal(st, q)};
    if (!n.reason) {
        while (!q->watch_id && find(st, st->next_id)) st->next_id++;
        n.id = w->id = q->watch_id ? q->watch_id : st->next_id++;
        w->next = q->start_revision > 0 ? (uint64_t)q->start_revision : s->store.rev + 1;
    }
    reg_srv_unlock(s);
    if (n.reason) {
        n.id = -1;
        n.canceled = true;
        sn_free(w);
        return sn_chan_send(st->notes, &n);
    }
    int r = sn_chan_send(st->notes, &n);
    reg_srv_lock(s);
    sn_list_push_back(&st->watches, &w->node);
    sn_list_push_back(&st->dirty, &w->dirty);
    st->n++;
    reg_srv_unlock(s);
    poke(st);
    return r;
}

static int cancel(struct stream *st, int64_t id)
{
    reg_srv_lock(st->s);
    struct watch *w = find(st, id);
    struct note n = {.id = id, .canceled = true, .rev = st->s->store.rev};
    if (w) drop(st, w);
    reg_srv_unlock(st->s);
    return w ? sn_chan_send(st->notes, &n) : 0;
}

static int requests(void *arg)
{
    struct stream *st = arg;
    struct etcdserverpb_watch_request *q;
    struct note progress = {.progress = true};
    int r;
    while ((r = etcdserverpb_watch_watch_request(st->call, &q)) > 0) {
        r = 0;
        switch (q->request_union_case) {
        case 1: r = create(st, q->create_request); break;
        case 2: r = cancel(st, q->cancel_request->watch_id); break;
        case 3: r = sn_chan_send(st->notes, &progress); break;
        default: break;
        }
        if (r < 0) break;
    }
    /* A client that has asked for everything may close its side and go on listening. */
    if (r < 0) {
        st->failed = r;
        poke(st);
    }
    return 0;
}

/* ---- events --------------------------------------------------------------------------------- */

struct batch {
    struct watch *w;
    struct sn_arena *a;
    watch_response *rep;
    size_t bytes;
    uint64_t rev;  /* of the last event looked at */
    uint32_t seen; /* events of that revision */
};

static struct mvccpb_key_value *prev_of(const struct reg_event *e, struct sn_arena *a)
{
    struct mvccpb_key_value *p = mvccpb_key_value_new(a);
    if (!p) return NULL;
    p->key = sn_arena_str(a, sn_str_of(e->key, e->key_len));
    p->value = sn_arena_str(a, reg_value_str(e->prev));
    p->create_revision = (int64_t)e->prev_create_rev;
    p->mod_revision = (int64_t)e->prev_mod_rev;
    p->version = (int64_t)e->prev_version;
    p->lease = (int64_t)e->prev_lease;
    return p->key.ptr && p->value.ptr ? p : NULL;
}

static int add_event(struct batch *b, const struct reg_event *e)
{
    struct mvccpb_event *out = etcdserverpb_watch_response_add_events(b->rep, b->a);
    struct mvccpb_key_value *kv = out ? mvccpb_key_value_new(b->a) : NULL;
    if (!kv) return SN_E_NOMEM;
    out->kv = kv;
    out->type = e->deleted ? MVCCPB_EVENT_EVENT_TYPE_DELETE : MVCCPB_EVENT_EVENT_TYPE_PUT;
    kv->key = sn_arena_str(b->a, sn_str_of(e->key, e->key_len));
    kv->mod_revision = (int64_t)e->mod_rev;
    if (!e->deleted) {
        kv->value = sn_arena_str(b->a, reg_value_str(e->value));
        kv->create_revision = (int64_t)e->create_rev;
        kv->version = (int64_t)e->version;
        kv->lease = (int64_t)e->lease;
    }
    if (!kv->key.ptr || (!e->deleted && !kv->value.ptr)) return SN_E_NOMEM;
    if (b->w->prev_kv && e->prev && !(out->prev_kv = prev_of(e, b->a))) return SN_E_NOMEM;
    b->bytes += e->key_len + reg_value_str(e->value).len + 64;
    if (out->prev_kv) b->bytes += e->key_len + out->prev_kv->value.len + 64;
    return 0;
}

/* Revisions stay whole unless the client asked for fragments. */
static int one_event(const struct reg_event *e, void *arg)
{
    struct batch *b = arg;
    struct watch *w = b->w;
    if (e->mod_rev != b->rev) {
        if (b->bytes >= ETCD_BATCH_BYTES) return SN_E_AGAIN;
        b->rev = e->mod_rev;
        b->seen = 0;
    } else if (w->fragment && b->bytes >= ETCD_BATCH_BYTES) {
        b->rep->fragment = true;
        return SN_E_AGAIN;
    }
    if (b->seen++ < w->skip && e->mod_rev == w->next) return 0;
    if (!reg_key_in_range(sn_str_of(e->key, e->key_len), w->key, w->end)) return 0;
    if (e->deleted ? w->no_delete : w->no_put) return 0;
    return add_event(b, e);
}

/* What there is for a watch, up to a message's worth. The lock is held. Returns 1 with a message,
 * 0 without; the watch is dirty still where there is more, or gone where it was cancelled. */
static int collect(struct stream *st, struct watch *w, struct sn_arena *a, watch_response *rep)
{
    struct reg_store *s = &st->s->store;
    struct batch b = {.w = w, .a = a, .rep = rep};
    sn_list_del(&w->dirty);
    rep->watch_id = w->id;
    int r = w->next > s->rev ? 0 : reg_store_events(s, w->next - 1, one_event, &b);
    if (r == SN_E_OUT_OF_RANGE) {
        rep->canceled = true;
        rep->compact_revision = etcd_compact_rev(s);
        rep->cancel_reason =
            SN_STR("etcdserver: mvcc: required revision has been compacted");
        drop(st, w);
    } else if (r == SN_E_AGAIN) {
        w->next = rep->fragment ? b.rev : b.rev + 1;
        w->skip = rep->fragment ? b.seen : 0;
        sn_list_push_back(&st->dirty, &w->dirty);
    } else if (r >= 0) {
        w->next = SN_MAX(w->next, s->rev + 1);
        w->skip = 0;
        r = sn_list_linked(&w->w.node) ? 0 : reg_store_wait(s, &w->w);
        if (r < 0) {
            rep->canceled = true;
            rep->cancel_reason = SN_STR("etcdserver: too many watches");
            drop(st, w);
        }
    }
    if (r == SN_E_NOMEM) return r;
    if (!(rep->header = etcd_header(st->s, a))) return SN_E_NOMEM;
    bool some = rep->events.len || rep->canceled;
    if (!rep->canceled) {
        rep->header->revision = SN_MIN(rep->header->revision, (int64_t)w->next - 1 + rep->fragment);
        w->sent |= some;
    }
    return some;
}

static int send_note(struct stream *st, const struct note *n)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    watch_response rep = {.watch_id = n->id,
                          .created = n->created,
                          .canceled = n->canceled,
                          .cancel_reason = n->reason ? sn_str(n->reason) : SN_STR("")};
    reg_srv_lock(st->s);
    rep.header = etcd_header(st->s, &a);
    reg_srv_unlock(st->s);
    int r = rep.header ? 0 : SN_E_NOMEM;
    if (r >= 0 && n->progress) {
        st->progress_asked = true;
    } else if (r >= 0) {
        rep.header->revision = (int64_t)n->rev;
        r = etcdserverpb_watch_watch_reply(st->call, &rep);
    }
    sn_arena_done(&a);
    return r;
}

/* An answer to a progress request says of all watches that they have seen everything. */
static int send_progress(struct stream *st, struct watch *w)
{
    struct sn_arena a;
    watch_response rep = {.watch_id = w ? w->id : -1};
    sn_arena_init(&a, NULL, 0);
    reg_srv_lock(st->s);
    bool behind = !sn_list_empty(&st->dirty);
    rep.header = etcd_header(st->s, &a);
    reg_srv_unlock(st->s);
    int r = 0;
    if (!behind) {
        if (!w) st->progress_asked = false;
        r = rep.header ? etcdserverpb_watch_watch_reply(st->call, &rep) : SN_E_NOMEM;
    }
    sn_arena_done(&a);
    return r;
}

/* Everything there is to send at the moment. */
static int flush(struct stream *st)
{
    struct note n;
    struct sn_arena a;
    int r = 0;
    sn_arena_init(&a, NULL, 0);
    for (bool more = true; r >= 0 && more;) {
        while (r >= 0 && sn_chan_try_recv(st->notes, &n) >= 0) r = send_note(st, &n);
        if (r < 0) break;
        sn_arena_reset(&a);
        watch_response rep = {0};
        reg_srv_lock(st->s);
        /* What was noted before the watch became dirty has to be sent before. */
        more = !sn_list_empty(&st->dirty);
        bool noted = sn_chan_len(st->notes) != 0;
        if (more && !noted)
            r = collect(st, SN_LIST_ENTRY(st->dirty.next, struct watch, dirty), &a, &rep);
        reg_srv_unlock(st->s);
        if (r > 0) r = etcdserverpb_watch_watch_reply(st->call, &rep);
    }
    sn_arena_done(&a);
    if (r >= 0 && st->progress_asked) r = send_progress(st, NULL);
    return r < 0 ? r : 0;
}

/* Watches that asked for it and had nothing to tell. */
static int tell_progress(struct stream *st)
{
    int r = 0;
    int64_t last = -1;
    for (;;) {
        struct watch *next = NULL, copy;
        reg_srv_lock(st->s);
        SN_LIST_EACH (&st->watches, n) {
            struct watch *w = SN_LIST_ENTRY(n, struct watch, node);
            if (w->progress && !w->sent && w->id > last && (!next || w->id < next->id)) next = w;
        }
        if (next) copy = *next;
        reg_srv_unlock(st->s);
        if (!next || r < 0) break;
        last = copy.id;
        r = send_progress(st, &copy);
    }
    reg_srv_lock(st->s);
    SN_LIST_EACH (&st->watches, n) SN_LIST_ENTRY(n, struct watch, node)->sent = false;
    reg_srv_unlock(st->s);
    return r;
}

static int serve(struct stream *st)
{
    int64_t progress_at = sn_now() + PROGRESS_NS;
    int r = flush(st);
    while (r >= 0) {
        struct note n;
        struct sn_select_case c[] = {{.chan = st->poke, .op = SN_SELECT_RECV},
                                     {.chan = st->notes, .op = SN_SELECT_RECV, .elem = &n}};
        r = sn_select(c, 2, progress_at);
        if (sn_event_is_set(&st->s->stop)) return etcd_fail(st->call, ETCD_STOPPED);
        if (st->failed < 0) return st->failed;
        if (r == 1) r = send_note(st, &n);
        if (r == SN_E_DEADLINE_EXCEEDED && !sn_cancelled() && sn_now() >= progress_at) {
            progress_at = sn_now() + PROGRESS_NS;
            r = tell_progress(st);
        }
        if (r >= 0) r = flush(st);
    }
    return r;
}

static int watch(struct sn_grpc_call *call)
{
    struct stream st = {.s = call->arg, .call = call, .reg.poke = poke_stream, .next_id = 1};
    sn_list_init(&st.watches);
    sn_list_init(&st.dirty);
    st.notes = sn_chan_new(sizeof(struct note), NOTES_MAX);
    st.poke = sn_chan_new(0, 1);
    struct sn_scope_storage mem;
    struct sn_scope *scope = sn_scope_begin(&mem);
    int r = st.notes && st.poke ? 0 : SN_E_NOMEM;
    if (r >= 0) {
        reg_stream_add(st.s, &st.reg);
        r = sn_scope_go_on(scope, (unsigned)sn_worker_id(), "etcd watch", requests, &st);
        if (r >= 0) r = serve(&st);
        reg_stream_del(st.s, &st.reg);
    }
    sn_scope_cancel(scope);
    (void)!sn_scope_end(scope);
    reg_srv_lock(st.s);
    while (!sn_list_empty(&st.watches))
        drop(&st, SN_LIST_ENTRY(st.watches.next, struct watch, node));
    reg_srv_unlock(st.s);
    sn_chan_free(st.notes);
    sn_chan_free(st.poke);
    return r;
}

const struct etcdserverpb_watch_handlers etcd_watch_handlers = {.watch = watch};
