/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_channelz.c - grpc.channelz.v1: every gRPC server and channel of the process, the subchannels
 * and connections of each worker. Sockets of servers are the HTTP server's and not listed.
 * Source: gRFC A14. */
#include "grpc/channelz/v1/channelz.grpc.h"
#include "kit/grpc_client_int.h"

#define RESULTS_MAX 100

static struct {
    struct sn_mutex lock; /* held while a channel or server is looked at: neither ends meanwhile */
    struct sn_list servers, channels; /* by ascending id; .next NULL before the first */
    uint64_t last_id;                 /* __atomic */
} z;

uint64_t grpc_z_id(void) { return __atomic_add_fetch(&z.last_id, 1, __ATOMIC_RELAXED); }

static void enlist(struct sn_list *head, struct sn_list *link)
{
    sn_mutex_lock_always(&z.lock);
    if (!head->next) sn_list_init(head);
    sn_list_push_back(head, link);
    sn_mutex_unlock(&z.lock);
}
void grpc_z_add_server(struct sn_grpc_server *s)
{
    s->id = grpc_z_id();
    enlist(&z.servers, &s->link);
}
void grpc_z_add_channel(struct sn_grpc_channel *ch)
{
    ch->id = grpc_z_id();
    enlist(&z.channels, &ch->link);
}
void grpc_z_del(struct sn_list *link)
{
    sn_mutex_lock_always(&z.lock);
    sn_list_del(link);
    sn_mutex_unlock(&z.lock);
}

/* ---- what is told ----------------------------------------------------------------------------- */

static int not_found(struct sn_grpc_call *c, const char *what, int64_t id)
{
    return sn_grpc_fail(c, SN_E_NOT_FOUND, "no %s with id %lld", what, (long long)id);
}

static struct google_protobuf_timestamp *stamp(struct sn_arena *a, uint64_t wall_ns)
{
    struct google_protobuf_timestamp *t = wall_ns ? google_protobuf_timestamp_new(a) : NULL;
    if (!t) return NULL;
    t->seconds = (int64_t)(wall_ns / (uint64_t)SN_SEC);
    t->nanos = (int32_t)(wall_ns % (uint64_t)SN_SEC);
    return t;
}

static int fill_server(struct grpc_channelz_v1_server *to, struct sn_grpc_server *s, struct sn_arena *a)
{
    struct sn_grpc_server_stats n;
    struct grpc_channelz_v1_server_ref *ref = grpc_channelz_v1_server_mut_ref(to, a);
    struct grpc_channelz_v1_server_data *d = grpc_channelz_v1_server_mut_data(to, a);
    if (!ref || !d) return SN_E_NOMEM;
    sn_grpc_server_stats(s, &n);
    ref->server_id = (int64_t)s->id;
    d->calls_started = (int64_t)n.calls_started;
    d->calls_succeeded = (int64_t)n.calls_ok;
    d->calls_failed = (int64_t)n.calls_failed;
    d->last_call_started_timestamp = stamp(a, n.last_started_wall_ns);
    return 0;
}

/* A look at one channel, worker by worker; wanted ids are of a subchannel or a socket. */
struct look {
    struct sn_grpc_channel *ch;
    struct sn_arena *a;
    struct grpc_channelz_v1_channel *channel; /* gets references; NULL: not wanted */
    struct grpc_channelz_v1_subchannel *sub;
    struct grpc_channelz_v1_socket *socket;
    uint64_t id;
    bool found;
    int err;
    enum sn_grpc_state best;
    struct sn_event done;
};

static struct sn_str conn_name(struct gr_conn *c, struct sn_arena *a)
{
    char local[SN_ADDR_TEXT_MAX + 8], peer[SN_ADDR_TEXT_MAX + 8];
    if (c->closed || sn_stream_addr(c->st, false, local, sizeof(local)) < 0 ||
        sn_stream_addr(c->st, true, peer, sizeof(peer)) < 0)
        return SN_STR("closed");
    return sn_arena_printf(a, "%s -> %s", local, peer);
}

static int fill_sub(struct grpc_channelz_v1_subchannel *to, struct gr_sub *s, struct sn_arena *a)
{
    struct grpc_channelz_v1_subchannel_ref *ref = grpc_channelz_v1_subchannel_mut_ref(to, a);
    struct grpc_channelz_v1_channel_data *d = grpc_channelz_v1_subchannel_mut_data(to, a);
    struct grpc_channelz_v1_channel_connectivity_state *st =
        d ? grpc_channelz_v1_channel_data_mut_state(d, a) : NULL;
    if (!ref || !st) return SN_E_NOMEM;
    ref->subchannel_id = (int64_t)s->id;
    ref->name = sn_arena_str(a, s->ep.at.addr);
    st->state = s->ep.state;
    d->target = ref->name;
    d->calls_started = (int64_t)s->ep.started;
    d->calls_failed = (int64_t)s->ep.failed;
    d->calls_succeeded = (int64_t)(s->ep.started - s->ep.failed - s->ep.inflight);
    if (!s->conn) return 0;
    struct grpc_channelz_v1_socket_ref *sock = grpc_channelz_v1_subchannel_add_socket_ref(to, a);
    if (!sock) return SN_E_NOMEM;
    sock->socket_id = (int64_t)s->conn->id;
    sock->name = conn_name(s->conn, a);
    return 0;
}

static int fill_socket(struct grpc_channelz_v1_socket *to, struct gr_sub *s, struct sn_arena *a)
{
    struct gr_conn *c = s->conn;
    struct grpc_channelz_v1_socket_ref *ref = grpc_channelz_v1_socket_mut_ref(to, a);
    struct grpc_channelz_v1_socket_data *d = grpc_channelz_v1_socket_mut_data(to, a);
    if (!ref || !d) return SN_E_NOMEM;
    ref->socket_id = (int64_t)c->id;
    ref->name = conn_name(c, a);
    to->remote_name = sn_arena_str(a, s->ep.at.host.len ? s->ep.at.host : sn_str(s->w->ch->authority));
    d->streams_started = (int64_t)c->streams_started;
    d->streams_failed = (int64_t)s->ep.failed;
    d->streams_succeeded = (int64_t)(c->streams_started - SN_MIN(c->streams_started, s->ep.failed)) -
                           (int64_t)c->calls;
    d->keep_alives_sent = (int64_t)c->keepalives;
    return 0;
}

static void look_sub(struct look *l, struct gr_sub *s)
{
    if (l->channel) {
        struct grpc_channelz_v1_subchannel_ref *ref =
            grpc_channelz_v1_channel_add_subchannel_ref(l->channel, l->a);
        if (!ref) {
            l->err = SN_E_NOMEM;
            return;
        }
        ref->subchannel_id = (int64_t)s->id;
        ref->name = sn_arena_str(l->a, s->ep.at.addr);
    }
    if (l->sub && s->id == l->id) {
        l->found = true;
        l->err = fill_sub(l->sub, s, l->a);
    }
    if (l->socket && s->conn && s->conn->id == l->id) {
        l->found = true;
        l->err = fill_socket(l->socket, s, l->a);
    }
}

static void look_here(void *arg)
{
    struct look *l = arg;
    struct gr_worker *w = &l->ch->workers[sn_worker_id()];
    for (unsigned i = 0; i < w->lb.n && l->err == 0; i++)
        look_sub(l, SN_CONTAINER_OF(w->lb.eps[i], struct gr_sub, ep));
    /* READY on one worker is what the channel can do. */
    if (l->best != SN_GRPC_READY && w->state) l->best = w->state;
    sn_event_set(&l->done);
}

/* Under z.lock. One worker after another, so that the arena has one user at a time. */
static int look(struct look *l, struct sn_grpc_channel *ch)
{
    l->ch = ch;
    for (unsigned i = 0; i < ch->n_workers && l->err == 0 && !l->found; i++) {
        if (!__atomic_load_n(&ch->workers[i].started, __ATOMIC_SEQ_CST)) continue;
        l->done = (struct sn_event){0};
        int r = sn_go_on(i, "channelz", look_here, l);
        if (r < 0) return r;
        while (!sn_event_is_set(&l->done))
            if (sn_event_wait(&l->done) < 0) sn_yield(); /* it has our frame until then */
    }
    return l->err;
}

static int fill_channel(struct grpc_channelz_v1_channel *to, struct sn_grpc_channel *ch,
                        struct sn_arena *a)
{
    struct sn_grpc_channel_stats n;
    struct grpc_channelz_v1_channel_ref *ref = grpc_channelz_v1_channel_mut_ref(to, a);
    struct grpc_channelz_v1_channel_data *d = grpc_channelz_v1_channel_mut_data(to, a);
    struct grpc_channelz_v1_channel_connectivity_state *st =
        d ? grpc_channelz_v1_channel_data_mut_state(d, a) : NULL;
    if (!ref || !st) return SN_E_NOMEM;
    sn_grpc_channel_stats(ch, &n);
    ref->channel_id = (int64_t)ch->id;
    ref->name = sn_arena_str(a, sn_str(ch->target));
    d->target = ref->name;
    d->calls_started = (int64_t)n.calls_started;
    d->calls_succeeded = (int64_t)n.calls_ok;
    d->calls_failed = (int64_t)n.calls_failed;
    struct look l = {.a = a, .channel = to, .best = SN_GRPC_IDLE};
    int r = look(&l, ch);
    st->state = l.best;
    return r;
}

/* ---- the service ------------------------------------------------------------------------------ */

static int64_t results(int64_t wanted)
{
    return wanted > 0 && wanted < RESULTS_MAX ? wanted : RESULTS_MAX;
}

static int get_top_channels(struct sn_grpc_call *c,
                            const struct grpc_channelz_v1_get_top_channels_request *q,
                            struct grpc_channelz_v1_get_top_channels_response **ret)
{
    *ret = grpc_channelz_v1_get_top_channels_response_new(c->arena);
    if (!*ret) return SN_E_NOMEM;
    int64_t left = results(q->max_results);
    int r = 0;
    (*ret)->end = true;
    sn_mutex_lock_always(&z.lock);
    if (z.channels.next)
        SN_LIST_EACH (&z.channels, it) {
            struct sn_grpc_channel *ch = SN_LIST_ENTRY(it, struct sn_grpc_channel, link);
            if ((int64_t)ch->id < q->start_channel_id || r < 0) continue;
            (*ret)->end = left > 0;
            if (left-- <= 0) break;
            struct grpc_channelz_v1_channel *to =
                grpc_channelz_v1_get_top_channels_response_add_channel(*ret, c->arena);
            r = to ? fill_channel(to, ch, c->arena) : SN_E_NOMEM;
        }
    sn_mutex_unlock(&z.lock);
    return r;
}

static int get_servers(struct sn_grpc_call *c, const struct grpc_channelz_v1_get_servers_request *q,
                       struct grpc_channelz_v1_get_servers_response **ret)
{
    *ret = grpc_channelz_v1_get_servers_response_new(c->arena);
    if (!*ret) return SN_E_NOMEM;
    int64_t left = results(q->max_results);
    int r = 0;
    (*ret)->end = true;
    sn_mutex_lock_always(&z.lock);
    if (z.servers.next)
        SN_LIST_EACH (&z.servers, it) {
            struct sn_grpc_server *s = SN_LIST_ENTRY(it, struct sn_grpc_server, link);
            if ((int64_t)s->id < q->start_server_id || r < 0) continue;
            (*ret)->end = left > 0;
            if (left-- <= 0) break;
            struct grpc_channelz_v1_server *to =
                grpc_channelz_v1_get_servers_response_add_server(*ret, c->arena);
            r = to ? fill_server(to, s, c->arena) : SN_E_NOMEM;
        }
    sn_mutex_unlock(&z.lock);
    return r;
}

static int get_server(struct sn_grpc_call *c, const struct grpc_channelz_v1_get_server_request *q,
                      struct grpc_channelz_v1_get_server_response **ret)
{
    *ret = grpc_channelz_v1_get_server_response_new(c->arena);
    if (!*ret) return SN_E_NOMEM;
    int r = not_found(c, "server", q->server_id);
    sn_mutex_lock_always(&z.lock);
    if (z.servers.next)
        SN_LIST_EACH (&z.servers, it) {
            struct sn_grpc_server *s = SN_LIST_ENTRY(it, struct sn_grpc_server, link);
            if ((int64_t)s->id != q->server_id) continue;
            struct grpc_channelz_v1_server *to =
                grpc_channelz_v1_get_server_response_mut_server(*ret, c->arena);
            r = to ? fill_server(to, s, c->arena) : SN_E_NOMEM;
        }
    sn_mutex_unlock(&z.lock);
    return r;
}

static int get_server_sockets(struct sn_grpc_call *c,
                              const struct grpc_channelz_v1_get_server_sockets_request *q,
                              struct grpc_channelz_v1_get_server_sockets_response **ret)
{
    *ret = grpc_channelz_v1_get_server_sockets_response_new(c->arena);
    if (*ret) (*ret)->end = true;
    return *ret ? 0 : SN_E_NOMEM;
}

static int get_channel(struct sn_grpc_call *c, const struct grpc_channelz_v1_get_channel_request *q,
                       struct grpc_channelz_v1_get_channel_response **ret)
{
    *ret = grpc_channelz_v1_get_channel_response_new(c->arena);
    if (!*ret) return SN_E_NOMEM;
    int r = not_found(c, "channel", q->channel_id);
    sn_mutex_lock_always(&z.lock);
    if (z.channels.next)
        SN_LIST_EACH (&z.channels, it) {
            struct sn_grpc_channel *ch = SN_LIST_ENTRY(it, struct sn_grpc_channel, link);
            if ((int64_t)ch->id != q->channel_id) continue;
            struct grpc_channelz_v1_channel *to =
                grpc_channelz_v1_get_channel_response_mut_channel(*ret, c->arena);
            r = to ? fill_channel(to, ch, c->arena) : SN_E_NOMEM;
        }
    sn_mutex_unlock(&z.lock);
    return r;
}

static int look_everywhere(struct look *l)
{
    int r = 0;
    sn_mutex_lock_always(&z.lock);
    if (z.channels.next)
        SN_LIST_EACH (&z.channels, it)
            if (r == 0 && !l->found) r = look(l, SN_LIST_ENTRY(it, struct sn_grpc_channel, link));
    sn_mutex_unlock(&z.lock);
    return r;
}

static int get_subchannel(struct sn_grpc_call *c,
                          const struct grpc_channelz_v1_get_subchannel_request *q,
                          struct grpc_channelz_v1_get_subchannel_response **ret)
{
    *ret = grpc_channelz_v1_get_subchannel_response_new(c->arena);
    struct look l = {.a = c->arena, .id = (uint64_t)q->subchannel_id};
    if (!*ret || !(l.sub = grpc_channelz_v1_get_subchannel_response_mut_subchannel(*ret, c->arena)))
        return SN_E_NOMEM;
    int r = look_everywhere(&l);
    return r < 0 || l.found ? r : not_found(c, "subchannel", q->subchannel_id);
}

static int get_socket(struct sn_grpc_call *c, const struct grpc_channelz_v1_get_socket_request *q,
                      struct grpc_channelz_v1_get_socket_response **ret)
{
    *ret = grpc_channelz_v1_get_socket_response_new(c->arena);
    struct look l = {.a = c->arena, .id = (uint64_t)q->socket_id};
    if (!*ret || !(l.socket = grpc_channelz_v1_get_socket_response_mut_socket(*ret, c->arena)))
        return SN_E_NOMEM;
    int r = look_everywhere(&l);
    return r < 0 || l.found ? r : not_found(c, "socket", q->socket_id);
}

static const struct grpc_channelz_v1_channelz_handlers handlers = {
    .get_top_channels = get_top_channels,
    .get_servers = get_servers,
    .get_server = get_server,
    .get_server_sockets = get_server_sockets,
    .get_channel = get_channel,
    .get_subchannel = get_subchannel,
    .get_socket = get_socket,
};

int sn_grpc_channelz_add(struct sn_grpc_server *s)
{
    return grpc_channelz_v1_channelz_register(s, &handlers, NULL);
}
