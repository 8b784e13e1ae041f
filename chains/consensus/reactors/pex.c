/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/reactors/pex.h"

#include "core/alloc.h"
#include "core/arena.h"
#include "core/buf.h"
#include "fiber/os.h"
#include "fiber/sync.h"
#include "kit/log.h"

SN_LOG_MODULE("pex");

/* What became of dialling an address. */
struct past {
    char id[SN_NODE_ID_LEN + 1];
    bool dialing;
    unsigned failed;
    int64_t at; /* of the last dial, or visit */
};
/* Of a peer, in its slot: this, and that it is there, is under the book's lock. */
struct pex_peer {
    struct sn_pex pex;
    bool answered;         /* by a seed: once is enough; the peer's reading fiber's */
    struct sn_event *over; /* of the visit it is part of; set when the peer goes */
};
struct sn_pex_reactor {
    struct sn_pex_reactor_opts o;
    struct sn_reactor reactor;
    int slot;
    unsigned n_seeds;
    struct sn_mutex lock; /* of what follows */
    struct sn_cond news;  /* hurry */
    bool hurry;           /* a seed has told addresses: dial them now */
    bool at_seeds;        /* somebody dials the seeds */
    unsigned dialing;
    unsigned n_past;
    struct past past[SN_PEX_HISTORY_MAX];
};
/* A dial, or a visit, in a fiber of its own. */
struct errand {
    struct sn_pex_reactor *x;
    struct sn_node_addr to;
    struct sn_event over;
};

/* ---- the book's file ---- */

int sn_pex_book_open(const char *path, const struct sn_book_opts *o, const char *const *private_ids,
                     struct sn_book **ret)
{
    struct sn_book *b;
    struct sn_arena a;
    struct sn_str text;
    int r = sn_book_new(o, &b);
    if (r < 0) return r;
    sn_arena_init(&a, NULL, SN_BOOK_FILE_MAX + (1u << 20));
    for (unsigned i = 0; r == 0 && private_ids && private_ids[i]; i++) {
        if (strlen(private_ids[i]) == SN_NODE_ID_LEN)
            r = sn_book_keep_out(b, private_ids[i]);
        else
            r = sn_fail(SN_E_SYNTAX, "private peer id \"%s\": expected %d digits", private_ids[i],
                        SN_NODE_ID_LEN);
    }
    if (r == 0) r = path ? sn_file_read(&a, path, SN_BOOK_FILE_MAX, &text) : SN_E_NOT_FOUND;
    if (r == SN_E_NOT_FOUND) {
        r = 0;
    } else if (r == 0) {
        r = sn_book_load(b, sn_wall_now(), text);
        if (r > 0)
            SN_LOG_WARN("addresses of the book are damaged", SN_L("path", path),
                        SN_L("left_out", r));
        r = r < 0 ? sn_wrap(r, "address book %s", path) : 0;
    }
    sn_arena_done(&a);
    if (r < 0) {
        sn_book_free(b);
        return r;
    }
    *ret = b;
    return 0;
}
static int save(void *arg)
{
    struct sn_pex_reactor *x = arg;
    struct sn_buf out = {0};
    if (!x->o.book_path) return 0;
    struct sn_book *b = sn_switch_book_lock(x->o.sw);
    int r = sn_book_save(b, &out);
    sn_switch_book_unlock(x->o.sw);
    if (r == 0) r = sn_file_write(x->o.book_path, sn_str_of((const char *)out.ptr, out.len), 0600);
    sn_buf_done(&out);
    if (r < 0 && r != SN_E_CANCELLED) SN_LOG_ERROR("cannot save the address book", SN_L_ERR(r));
    return 0;
}
static int save_now_and_then(void *arg)
{
    while (sn_sleep(SN_PEX_SAVE_NS) == 0) (void)save(arg);
    return 0;
}

/* ---- peers ---- */

/* Where a peer says it can be reached; what it does not know of itself is taken from where it
 * comes from. Returns whether there is such an address. */
static bool address_of(const struct sn_switch_peer *p, struct sn_node_addr *ret)
{
    struct sn_str id = sn_str(sn_switch_peer_id(p)), ip;
    struct sn_str at = sn_switch_peer_outbound(p) ? sn_str(sn_switch_peer_remote(p))
                                                  : sn_str(sn_switch_peer_info(p)->listen_addr);
    if (sn_str_starts(at, SN_STR("tcp://"))) at = sn_str_from(at, 6);
    ssize_t colon = sn_str_rchr(at, ':');
    uint64_t port;
    if (colon < 0 || sn_str_to_u64(sn_str_from(at, (size_t)colon + 1), &port) < 0) return false;
    ip = sn_str_sub(at, 0, (size_t)colon);
    if (ip.len > 2 && ip.ptr[0] == '[') ip = sn_str_sub(ip, 1, ip.len - 1);
    if (sn_node_addr_set(ret, id, ip, port) == 0 && sn_node_addr_is_valid(ret)) return true;
    ip = sn_str(sn_switch_peer_remote_ip(p));
    return sn_node_addr_set(ret, id, ip, port) == 0;
}
static bool is_seed(const struct sn_pex_reactor *x, const char *id)
{
    for (unsigned i = 0; i < x->n_seeds; i++) {
        struct sn_str s = sn_str(x->o.seeds[i]);
        if (sn_str_starts(s, SN_STR("tcp://"))) s = sn_str_from(s, 6);
        if (sn_str_starts(s, sn_str(id))) return true;
    }
    return false;
}
static bool wants_more(struct sn_book *b)
{
    struct sn_book_counts c;
    sn_book_counts(b, &c);
    return c.fresh + c.old < SN_BOOK_ENOUGH;
}
/* The request has not left: another may be made later. */
static void unask(struct sn_pex_reactor *x, struct sn_switch_peer *p)
{
    (void)sn_switch_book_lock(x->o.sw);
    struct pex_peer *pp = sn_switch_peer_get(p, x->slot);
    if (pp) pp->pex.asked = false;
    sn_switch_book_unlock(x->o.sw);
}
/* Asks a peer for addresses, unless an answer is due. */
static int ask(struct sn_pex_reactor *x, struct sn_switch_peer *p)
{
    struct sn_buf out = {0};
    (void)sn_switch_book_lock(x->o.sw);
    struct pex_peer *pp = sn_switch_peer_get(p, x->slot);
    int r = pp ? sn_pex_ask(&pp->pex, &out) : 0;
    sn_switch_book_unlock(x->o.sw);
    if (r > 0) {
        r = sn_switch_peer_try_send(p, SN_PEX_CHANNEL, out.ptr, out.len);
        if (r < 0) unask(x, p);
    }
    sn_buf_done(&out);
    return r;
}
static int on_add(void *arg, struct sn_switch_peer *p)
{
    struct sn_pex_reactor *x = arg;
    struct sn_node_addr addr;
    struct pex_peer *pp = SN_NEW(struct pex_peer);
    if (!pp) return SN_E_NOMEM;
    sn_switch_peer_set(p, x->slot, pp);
    bool known = address_of(p, &addr), outbound = sn_switch_peer_outbound(p);
    struct sn_book *b = sn_switch_book_lock(x->o.sw);
    int r = known ? sn_book_add(b, sn_wall_now(), &addr, &addr) : 0;
    if (r >= 0 && outbound) r = sn_book_good(b, sn_wall_now(), addr.id);
    bool more = wants_more(b);
    sn_switch_book_unlock(x->o.sw);
    if (r == SN_E_NOMEM) SN_LOG_WARN("no memory for an address", SN_L("id", sn_switch_peer_id(p)));
    /* What the book does not want (not routable, private, banned) is none the less a peer. */
    if (outbound && more && sn_switch_peer_has_channel(p, SN_PEX_CHANNEL)) (void)!ask(x, p);
    return 0;
}
static void on_remove(void *arg, struct sn_switch_peer *p, int why)
{
    struct sn_pex_reactor *x = arg;
    (void)sn_switch_book_lock(x->o.sw);
    struct pex_peer *pp = sn_switch_peer_get(p, x->slot);
    sn_switch_peer_set(p, x->slot, NULL);
    if (pp->over) sn_event_set(pp->over);
    sn_switch_book_unlock(x->o.sw);
    sn_free(pp);
}
static void hurry(struct sn_pex_reactor *x)
{
    sn_mutex_lock_always(&x->lock);
    x->hurry = true;
    sn_cond_signal(&x->news);
    sn_mutex_unlock(&x->lock);
}
static int on_message(void *arg, struct sn_switch_peer *p, uint8_t channel, struct sn_str m)
{
    struct sn_pex_reactor *x = arg;
    struct pex_peer *pp = sn_switch_peer_get(p, x->slot);
    struct sn_node_addr addr;
    struct sn_buf out = {0};
    if (pp->answered) return 0; /* the connection is being closed */
    if (!address_of(p, &addr)) memset(&addr, 0, sizeof(addr));
    struct sn_book *b = sn_switch_book_lock(x->o.sw);
    int r = sn_pex_receive(&pp->pex, b, sn_now(), &addr, m, &out);
    bool answer = out.len > 0, told = !answer && r >= 0;
    sn_switch_book_unlock(x->o.sw);
    if (r == SN_E_PROTOCOL || r == SN_E_RESOURCE_EXHAUSTED) {
        r = sn_wrap(r, "peer exchange");
        sn_switch_peer_stop(p, r, SN_PEX_BAN_NS);
    }
    if (r >= 0 && answer) r = sn_switch_peer_send(p, SN_PEX_CHANNEL, out.ptr, out.len);
    sn_buf_done(&out);
    if (r < 0) return r;
    /* A seed hangs up: on who asked, and on who has answered. */
    if (x->o.seed_mode && answer != sn_switch_peer_outbound(p)) {
        pp->answered = true;
        if (!sn_switch_peer_persistent(p)) sn_switch_peer_finish(p);
    }
    if (told && is_seed(x, sn_switch_peer_id(p))) hurry(x);
    return 0;
}

/* ---- dialling ---- */

/* With the lock: what is remembered of an address; a new record may take the place of the
 * oldest. */
static struct past *past_of(struct sn_pex_reactor *x, const char *id, bool add)
{
    struct past *oldest = &x->past[0];
    for (unsigned i = 0; i < x->n_past; i++) {
        if (strcmp(x->past[i].id, id) == 0) return &x->past[i];
        if (x->past[i].at < oldest->at) oldest = &x->past[i];
    }
    if (!add) return NULL;
    if (x->n_past < SN_PEX_HISTORY_MAX) oldest = &x->past[x->n_past++];
    *oldest = (struct past){0};
    memcpy(oldest->id, id, SN_NODE_ID_LEN + 1);
    return oldest;
}
/* Whether nobody dials it and its last failure is long enough ago: 2, 4, 8 ... seconds. Then it is
 * being dialled from here on, until `note`. */
static bool take_on(struct sn_pex_reactor *x, const char *id, int64_t now)
{
    sn_mutex_lock_always(&x->lock);
    struct past *h = past_of(x, id, true);
    bool may = !h->dialing &&
               (h->failed == 0 || now - h->at >= SN_SEC << SN_MIN(h->failed, SN_PEX_ATTEMPTS_MAX));
    if (may) h->dialing = true;
    sn_mutex_unlock(&x->lock);
    return may;
}
static void note(struct sn_pex_reactor *x, const char *id, int result)
{
    unsigned failed = 0;
    /* These say nothing about the address. */
    bool neither = result == SN_E_ALREADY_EXISTS || result == SN_E_CANCELLED ||
                   result == SN_E_CLOSED || result == SN_E_RESOURCE_EXHAUSTED;
    sn_mutex_lock_always(&x->lock);
    struct past *h = past_of(x, id, false);
    if (h) h->dialing = false;
    if (h && !neither) {
        h->failed = result < 0 ? h->failed + 1 : 0;
        h->at = sn_now();
        failed = h->failed;
        if (failed > SN_PEX_ATTEMPTS_MAX) h->failed = 0;
    }
    sn_mutex_unlock(&x->lock);
    if (failed <= SN_PEX_ATTEMPTS_MAX) return;
    struct sn_book *b = sn_switch_book_lock(x->o.sw);
    if (sn_book_ban(b, id, sn_wall_now() + SN_PEX_BAN_NS) < 0) sn_book_remove(b, id);
    sn_switch_book_unlock(x->o.sw);
}
static int connect_to(struct sn_pex_reactor *x, const struct sn_node_addr *to)
{
    char text[SN_NODE_ADDR_TEXT_MAX];
    (void)sn_node_addr_text(to, text);
    int r = sn_switch_connect(x->o.sw, text);
    note(x, to->id, r);
    return r;
}
static void errand_done(struct errand *e)
{
    sn_mutex_lock_always(&e->x->lock);
    e->x->dialing--;
    sn_cond_signal(&e->x->news);
    sn_mutex_unlock(&e->x->lock);
    sn_free(e);
}
static int dial(void *arg)
{
    struct errand *e = arg;
    (void)!connect_to(e->x, &e->to);
    errand_done(e);
    return 0;
}
static int send_out(struct sn_pex_reactor *x, int (*fn)(void *arg), const struct sn_node_addr *to)
{
    struct errand *e = SN_NEW(struct errand);
    if (!e) {
        note(x, to->id, SN_E_CANCELLED);
        return SN_E_NOMEM;
    }
    *e = (struct errand){.x = x, .to = *to};
    sn_mutex_lock_always(&x->lock);
    x->dialing++;
    sn_mutex_unlock(&x->lock);
    int r = sn_scope_go(sn_scope_current(), "pex-dial", fn, e);
    if (r == 0) return 0;
    note(x, to->id, SN_E_CANCELLED);
    errand_done(e);
    return r;
}
/* One seed after another, in no particular order, until one is reached. */
static int dial_seeds(void *arg)
{
    struct sn_pex_reactor *x = arg;
    unsigned first = x->n_seeds ? (unsigned)(sn_random() % x->n_seeds) : 0;
    for (unsigned i = 0; i < x->n_seeds; i++) {
        const char *at = x->o.seeds[(first + i) % x->n_seeds];
        int r = sn_switch_connect(x->o.sw, at);
        if (r == 0 || r == SN_E_ALREADY_EXISTS || r == SN_E_CANCELLED) break;
        SN_LOG_WARN("seed not reached", SN_L("seed", at), SN_L_ERR(r));
    }
    sn_mutex_lock_always(&x->lock);
    x->at_seeds = false;
    sn_mutex_unlock(&x->lock);
    return 0;
}
static int to_the_seeds(struct sn_pex_reactor *x)
{
    sn_mutex_lock_always(&x->lock);
    bool go = x->n_seeds > 0 && !x->at_seeds;
    if (go) x->at_seeds = true;
    sn_mutex_unlock(&x->lock);
    if (!go) return 0;
    int r = sn_scope_go(sn_scope_current(), "pex-seeds", dial_seeds, x);
    if (r < 0) x->at_seeds = false;
    return r;
}
struct choice {
    struct sn_switch_peer *peer;
    uint64_t seen;
};
/* Each peer as likely as the others, in one pass. */
static void choose(void *arg, struct sn_switch_peer *p)
{
    struct choice *c = arg;
    if (!sn_switch_peer_has_channel(p, SN_PEX_CHANNEL) || sn_random() % ++c->seen != 0) return;
    sn_switch_peer_unref(c->peer);
    c->peer = sn_switch_peer_ref(p);
}
static void ask_somebody(struct sn_pex_reactor *x)
{
    struct choice c = {0};
    sn_switch_each(x->o.sw, choose, &c);
    if (!c.peer) return;
    (void)!ask(x, c.peer);
    sn_switch_peer_unref(c.peer);
}
/* Dials what the number of outbound peers is short of. periodic: also asks somebody for more
 * addresses. Returns 0, SN_E_NOMEM and what keeps a fiber from starting. */
static int ensure_peers(struct sn_pex_reactor *x, bool periodic)
{
    struct sn_switch_counts c;
    sn_switch_counts(x->o.sw, &c);
    unsigned have = c.outbound + c.dialing, sent = 0;
    unsigned want = have < c.outbound_max ? c.outbound_max - have : 0;
    /* The fewer peers, the rather those we have met before. */
    unsigned bias = SN_MIN(c.outbound, 8u) * 10 + 10;
    for (unsigned i = 0; i < 3 * want && sent < want; i++) {
        struct sn_node_addr to;
        struct sn_book *b = sn_switch_book_lock(x->o.sw);
        bool any = sn_book_pick(b, bias, &to);
        sn_switch_book_unlock(x->o.sw);
        if (!any) break;
        struct sn_switch_peer *p = sn_switch_find(x->o.sw, to.id);
        sn_switch_peer_unref(p);
        if (p || !take_on(x, to.id, sn_now())) continue;
        int r = send_out(x, dial, &to);
        if (r < 0) return r;
        sent++;
    }
    if (want == 0) return 0;
    bool more = wants_more(sn_switch_book_lock(x->o.sw));
    sn_switch_book_unlock(x->o.sw);
    if (!more) return 0;
    if (periodic) ask_somebody(x);
    return sent == 0 ? to_the_seeds(x) : 0;
}

/* ---- a seed ---- */

static bool set_over(struct sn_pex_reactor *x, struct sn_switch_peer *p, struct sn_event *over)
{
    (void)sn_switch_book_lock(x->o.sw);
    struct pex_peer *pp = sn_switch_peer_get(p, x->slot);
    if (pp) pp->over = over;
    sn_switch_book_unlock(x->o.sw);
    return pp != NULL;
}
static int visit(void *arg)
{
    struct errand *e = arg;
    struct sn_pex_reactor *x = e->x;
    struct sn_switch_peer *p = connect_to(x, &e->to) < 0 ? NULL : sn_switch_find(x->o.sw, e->to.id);
    if (p && set_over(x, p, &e->over)) {
        (void)!ask(x, p); /* unless it was, as it joined */
        (void)!sn_event_wait_until(&e->over, sn_now() + SN_PEX_ANSWER_NS);
        (void)set_over(x, p, NULL);
        if (!sn_switch_peer_persistent(p)) sn_switch_peer_finish(p);
    }
    sn_switch_peer_unref(p);
    errand_done(e);
    return 0;
}
static bool visited(struct sn_pex_reactor *x, const char *id, int64_t now)
{
    sn_mutex_lock_always(&x->lock);
    struct past *h = past_of(x, id, true);
    bool yes = h->at && now - h->at < SN_PEX_VISIT_NS;
    if (!yes) h->at = now;
    sn_mutex_unlock(&x->lock);
    return yes;
}
static int await_visitor(struct sn_pex_reactor *x)
{
    int r = 0;
    sn_mutex_lock_always(&x->lock);
    while (r == 0 && x->dialing >= SN_PEX_VISITORS) r = sn_cond_wait(&x->news, &x->lock);
    sn_mutex_unlock(&x->lock);
    return r;
}
struct stayers {
    int64_t since;
    struct sn_switch_peer *peers[SN_SWITCH_PEERS_MAX];
    unsigned n;
};
static void collect(void *arg, struct sn_switch_peer *p)
{
    struct stayers *s = arg;
    if (sn_switch_peer_since(p) <= s->since && !sn_switch_peer_persistent(p) &&
        !sn_switch_peer_unconditional(p))
        s->peers[s->n++] = sn_switch_peer_ref(p);
}
/* Places at a seed are for who comes next. */
static void send_away(struct sn_pex_reactor *x)
{
    struct stayers s = {.since = sn_now() - SN_PEX_STAY_NS};
    sn_switch_each(x->o.sw, collect, &s);
    while (s.n--) {
        sn_switch_peer_finish(s.peers[s.n]);
        sn_switch_peer_unref(s.peers[s.n]);
    }
}
static int go_round(struct sn_pex_reactor *x)
{
    send_away(x);
    struct sn_node_addr *list = SN_NEW_ARRAY(struct sn_node_addr, SN_BOOK_SELECT_MAX);
    if (!list) return SN_E_NOMEM;
    struct sn_book *b = sn_switch_book_lock(x->o.sw);
    size_t n = sn_book_select(b, list);
    sn_switch_book_unlock(x->o.sw);
    int r = n == 0 ? to_the_seeds(x) : 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (visited(x, list[i].id, sn_now()) || !take_on(x, list[i].id, sn_now())) continue;
        r = await_visitor(x);
        if (r == 0)
            r = send_out(x, visit, &list[i]);
        else
            note(x, list[i].id, SN_E_CANCELLED);
    }
    sn_free(list);
    return r;
}

/* ---- running ---- */

/* Until it is time, or there is a hurry: *ret_periodic says which. */
static int pause_until(struct sn_pex_reactor *x, int64_t at, bool *ret_periodic)
{
    int r = 0;
    sn_mutex_lock_always(&x->lock);
    int64_t before = sn_deadline_tighten(at);
    while (r == 0 && !x->hurry) r = sn_cond_wait(&x->news, &x->lock);
    sn_deadline_restore(before);
    x->hurry = false;
    sn_mutex_unlock(&x->lock);
    *ret_periodic = r == SN_E_DEADLINE_EXCEEDED;
    return *ret_periodic && !sn_cancelled() ? 0 : r;
}
static int keep_on(struct sn_pex_reactor *x)
{
    int64_t period = x->o.period_ns ? x->o.period_ns : SN_PEX_PERIOD_NS;
    struct sn_switch_counts c;
    bool periodic = true;
    sn_switch_counts(x->o.sw, &c);
    /* Nodes that are started together do not all ask at once. */
    int64_t at = sn_now();
    if (c.peers + c.dialing > 0) at += (int64_t)(sn_random() % (uint64_t)period);
    for (;;) {
        int r = pause_until(x, at, &periodic);
        if (r < 0) return r;
        if (periodic) at = sn_now() + period;
        r = x->o.seed_mode ? go_round(x) : ensure_peers(x, periodic);
        if (r < 0 && sn_cancelled()) return SN_E_CANCELLED;
        if (r < 0) SN_LOG_ERROR("cannot look for peers", SN_L_ERR(r));
    }
}
int sn_pex_reactor_run(struct sn_pex_reactor *x)
{
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    int r = sn_scope_go(s, "pex-save", save_now_and_then, x);
    if (r == 0) r = keep_on(x);
    sn_scope_cancel(s);
    (void)sn_scope_end(s);
    (void)sn_shield(10 * SN_SEC, save, x);
    return r;
}
int sn_pex_reactor_new(const struct sn_pex_reactor_opts *o, struct sn_pex_reactor **ret)
{
    static const struct sn_mconn_channel channels[] = {{.id = SN_PEX_CHANNEL,
                                                        .priority = 1,
                                                        .messages_max = 10,
                                                        .recv_bytes_max = SN_PEX_BYTES_MAX}};
    struct sn_pex_reactor *x = SN_NEW(struct sn_pex_reactor);
    if (!x) return SN_E_NOMEM;
    x->o = *o;
    x->reactor = (struct sn_reactor){.name = "pex",
                                     .channels = channels,
                                     .n_channels = 1,
                                     .arg = x,
                                     .add_peer = on_add,
                                     .receive = on_message,
                                     .remove_peer = on_remove};
    int r = 0;
    for (; r == 0 && o->seeds && o->seeds[x->n_seeds]; x->n_seeds++)
        r = sn_switch_addr_check(o->seeds[x->n_seeds]);
    if (r < 0) r = sn_wrap(r, "seed");
    if (r == 0) r = x->slot = sn_switch_add_reactor(o->sw, &x->reactor);
    if (r < 0) {
        sn_free(x);
        return r;
    }
    *ret = x;
    return 0;
}
void sn_pex_reactor_free(struct sn_pex_reactor *x) { sn_free(x); }
