/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/listeners.c - bound addresses through reloads. */
#include <fcntl.h>
#include <unistd.h>

#include "core/alloc.h"
#include "fiber/sim.h"
#include "gateway/gw_int.h"
#include "gateway/proxy_protocol.h"

#define OLD_POLL_NS (200 * SN_MS)

/* A Secret keeps its name when its content changes. */
static void pem_key(struct sn_buf *b, const struct sn_gw_conf_cert *c)
{
    const struct sn_str parts[] = {c->cert_pem, c->key_pem};
    for (size_t i = 0; i < SN_COUNT_OF(parts); i++)
        if (parts[i].len)
            sn_buf_printf(b, " %016llx",
                          (unsigned long long)sn_hash(parts[i].ptr, parts[i].len, 0));
}

static void listener_key(const struct sn_gw_conf *c, const struct sn_gw_conf_listener *l,
                         struct sn_buf *b)
{
    const struct sn_gw_conf_limits *m = &c->limits;
    sn_buf_printf(b, "%d %d %llu %llu %llu %llu %llu %lld %lld %lld", l->h2, l->tls.client_required,
                  (unsigned long long)m->head_bytes, (unsigned long long)m->headers,
                  (unsigned long long)m->body_bytes, (unsigned long long)m->connections,
                  (unsigned long long)m->h2_streams, (long long)m->head_timeout,
                  (long long)m->idle_timeout, (long long)m->stall_timeout);
    for (size_t i = 0; i < l->proxy_protocol.n_from; i++) {
        sn_buf_byte(b, ' ');
        sn_buf_str(b, l->proxy_protocol.from[i]);
    }
    sn_buf_printf(b, " %d %lld", l->proxy_protocol.enabled, (long long)l->proxy_protocol.timeout);
    pem_key(b, &l->tls.first);
    for (size_t i = 0; i < l->tls.n_more; i++) pem_key(b, &l->tls.more[i]);
    const struct sn_str parts[] = {l->tls.client_ca, l->tls.first.cert, l->tls.first.key};
    for (size_t i = 0; i < SN_COUNT_OF(parts); i++) {
        sn_buf_byte(b, 0);
        sn_buf_str(b, parts[i]);
    }
    for (size_t i = 0; i < l->tls.n_more; i++) {
        sn_buf_byte(b, 0);
        sn_buf_str(b, l->tls.more[i].cert);
        sn_buf_byte(b, 0);
        sn_buf_str(b, l->tls.more[i].key);
    }
}

/* ---- PROXY protocol ---- */

/* Reads exactly the header, so that what follows is the next reader's. */
static int proxy_header(struct sn_stream *st, struct sn_proxyp *ret)
{
    uint8_t buf[SN_PROXYP_V2_MAX];
    size_t n = 0, more;
    for (;;) {
        int r = sn_proxyp_parse(buf, n, ret, &more);
        if (r != SN_E_AGAIN) return r < 0 ? r : 0;
        r = sn_read_full(st, buf + n, more); /* never beyond the parser's own limits */
        if (r < 0) return r;
        n += more;
    }
}

static int proxy_first(struct sn_stream *st, void *arg, char **ret_peer)
{
    struct gw_listener *l = arg;
    char text[SN_ADDR_TEXT_MAX + 8];
    int n = sn_stream_addr(st, true, text, sizeof(text));
    struct sn_str peer = n < 0 ? (struct sn_str){0} : sn_str_of(text, (size_t)n);
    ssize_t colon = sn_str_rchr(peer, ':');
    if (colon >= 0) peer.len = (size_t)colon;
    if (!gw_cidr_holds(l->proxies, l->n_proxies, peer)) return 0;
    struct sn_proxyp p;
    int64_t prev = sn_deadline_tighten(sn_now() + l->proxy_timeout);
    int r = proxy_header(st, &p);
    sn_deadline_restore(prev);
    if (r == 0 && p.known && !(*ret_peer = sn_str_dup(sn_str(p.source)))) r = SN_E_NOMEM;
    return r;
}

static int proxies_copy(struct gw_listener *l, const struct sn_gw_conf_proxy_in *c)
{
    l->proxies = SN_NEW_ARRAY(struct gw_cidr, c->n_from + 1);
    if (!l->proxies) return SN_E_NOMEM;
    for (size_t i = 0; i < c->n_from; i++) {
        int r = gw_cidr_parse(c->from[i], &l->proxies[i]);
        if (r < 0) return r;
    }
    l->n_proxies = c->n_from;
    l->proxy_timeout = c->timeout;
    return 0;
}

static int server_new(struct sn_gateway *gw, const struct sn_gw_conf *c,
                      const struct sn_gw_conf_listener *conf, struct gw_listener *l)
{
    if (conf->tls.enabled) {
        int r = gw_tls_server(&conf->tls, conf->h2, &l->tls);
        if (r < 0) return r;
    }
    if (conf->proxy_protocol.enabled) {
        int r = proxies_copy(l, &conf->proxy_protocol);
        if (r < 0) return r;
    }
    struct sn_http_server_opts o = {
        .handler = gw_handle,
        .arg = l,
        .first = conf->proxy_protocol.enabled ? proxy_first : NULL,
        .tls = l->tls,
        .h2_off = !conf->h2,
        .head_bytes_max = c->limits.head_bytes,
        .headers_max = (unsigned)c->limits.headers,
        .body_bytes_max = c->limits.body_bytes,
        .idle_ns = c->limits.idle_timeout,
        .head_ns_max = c->limits.head_timeout,
        .write_stall_ns_max = c->limits.stall_timeout,
        .body_stall_ns_max = c->limits.stall_timeout,
        .h2_streams_max = (uint32_t)c->limits.h2_streams,
        .conns_max = c->limits.connections,
    };
    return sn_http_server_new(&o, &l->srv);
}

/* old: a listener on the same address whose socket the new one shares; may be NULL. */
static int socket_open(struct gw_listener *l, struct gw_listener *old)
{
    struct sn_listen_opts o = {0};
    if (old && old->l) {
        int fd = sn_sim_active() ? -1 : sn_listener_fd(old->l);
        if (fd >= 0) o.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (fd >= 0 && o.fd < 0) return sn_fail(SN_E_FILES, "listener %s: %m", l->addr);
        /* The simulator has no descriptors to share: there the old one closes first. */
        if (fd < 0) gw_listener_close(old);
    }
    int inherited = old ? -1 : gw_inherit_fd(l->gw, l->name, l->addr);
    if (inherited > 0) o.fd = inherited;
    int r = sn_listen(l->addr, &o, &l->l);
    if (r < 0 && o.fd > 0) (void)close(o.fd);
    return r;
}

static int slot_take(struct sn_gateway *gw, unsigned *ret)
{
    if (gw->slots_used == UINT64_MAX)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED,
                       "more than %u listeners, those still draining included", GW_LISTENERS_MAX);
    *ret = (unsigned)__builtin_ctzll(~gw->slots_used);
    gw->slots_used |= 1ull << *ret;
    return 0;
}

static int listener_new(struct sn_gateway *gw, struct gw_snap *s,
                        const struct sn_gw_conf_listener *conf, struct gw_listener *old,
                        struct gw_listener **ret)
{
    struct gw_listener *l = SN_NEW(struct gw_listener);
    if (!l) return SN_E_NOMEM;
    l->gw = gw;
    l->slot = old ? old->slot : GW_LISTENERS_MAX;
    l->name = sn_str_dup(conf->name);
    l->addr = sn_str_dup(conf->address);
    listener_key(s->conf, conf, &l->key);
    int r = l->name && l->addr ? l->key.err : SN_E_NOMEM;
    if (r == 0) r = server_new(gw, s->conf, conf, l);
    if (r == 0) r = socket_open(l, old);
    if (r == 0 && !old) r = slot_take(gw, &l->slot);
    if (r < 0) {
        gw_listener_free(l);
        return sn_wrap(r, "listener %.*s", SN_STR_ARG(conf->name));
    }
    *ret = l;
    return 0;
}

/* The slot is not given back here: a replaced listener's successor has it. */
void gw_listener_free(struct gw_listener *l)
{
    if (!l) return;
    gw_listener_close(l);
    sn_http_server_free(l->srv);
    gw_tls_free(l->tls);
    sn_free(l->proxies);
    sn_buf_done(&l->key);
    sn_free(l->name);
    sn_free(l->addr);
    sn_free(l);
}

static struct gw_listener *find_by_addr(struct sn_gateway *gw, struct sn_str addr,
                                        struct sn_str name)
{
    for (size_t i = 0; i < gw->listeners.len; i++) {
        struct gw_listener *l = gw->listeners.ptr[i];
        /* Port 0 may be asked for several times: there the name decides. */
        if (sn_str_eqc(addr, l->addr) &&
            (!sn_str_ends(addr, SN_STR(":0")) || sn_str_eqc(name, l->name)))
            return l;
    }
    return NULL;
}

int gw_listeners_prepare(struct sn_gateway *gw, struct gw_snap *s, struct gw_listener_plan *plan)
{
    memset(plan, 0, sizeof(*plan));
    int r = sn_vec_reserve(&plan->next, s->conf->n_listeners);
    for (size_t i = 0; r == 0 && i < s->conf->n_listeners; i++) {
        const struct sn_gw_conf_listener *conf = &s->conf->listeners[i];
        struct gw_listener *old = find_by_addr(gw, conf->address, conf->name);
        struct sn_buf key = {0};
        listener_key(s->conf, conf, &key);
        bool same = old && sn_str_eq(sn_buf_view(&key), sn_buf_view(&old->key));
        r = key.err;
        sn_buf_done(&key);
        if (r == 0 && same) {
            r = gw_tls_reload(old->tls); /* renewed certificates keep their file names */
            if (r < 0) r = sn_wrap(r, "listener %.*s", SN_STR_ARG(conf->name));
            plan->per_conf[i] = old;
        } else if (r == 0) {
            r = listener_new(gw, s, conf, old, &plan->per_conf[i]);
            plan->fresh[i] = r == 0;
        }
        if (r < 0)
            gw_listeners_abandon(plan, i);
        else
            s->by_slot[plan->per_conf[i]->slot] = &s->tables[i];
    }
    if (r < 0) sn_vec_done(&plan->next);
    return r;
}

void gw_listeners_abandon(struct gw_listener_plan *plan, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!plan->fresh[i]) continue;
        struct gw_listener *l = plan->per_conf[i];
        struct gw_listener *old = find_by_addr(l->gw, sn_str(l->addr), sn_str(l->name));
        if (!old && l->slot < GW_LISTENERS_MAX) l->gw->slots_used &= ~(1ull << l->slot);
        gw_listener_free(l);
        plan->fresh[i] = false;
    }
}

void gw_listeners_drop(struct gw_listener_plan *plan, size_t n)
{
    gw_listeners_abandon(plan, n);
    sn_vec_done(&plan->next);
}

static int serve_main(void *arg)
{
    struct gw_listener *l = arg;
    int r = sn_http_serve(l->srv, l->l);
    if (r < 0 && r != SN_E_CANCELLED)
        gw_event(l->gw, "error", "listener %s: %s", l->name, sn_diag_str(r));
    __atomic_store_n(&l->serving, false, __ATOMIC_RELEASE);
    return 0;
}

void gw_listener_serve(struct gw_listener *l)
{
    l->serving = true;
    if (!gw_go(l->gw, "gateway listener", serve_main, l)) l->serving = false;
}

static void wait_served(struct gw_listener *l)
{
    while (__atomic_load_n(&l->serving, __ATOMIC_ACQUIRE))
        if (sn_sleep(SN_MS) < 0) sn_yield();
}

void gw_listener_close(struct gw_listener *l)
{
    if (!l->l) return;
    sn_listener_close(l->l);
    l->l = NULL;
    wait_served(l);
}

/* A replaced listener serves the connections it has, as long as they last. */
static int outlive(void *arg)
{
    struct gw_listener *l = arg;
    struct sn_http_server_stats st = {.conns_open = 1};
    while (st.conns_open && !__atomic_load_n(&l->gw->draining, __ATOMIC_ACQUIRE)) {
        if (sn_sleep(OLD_POLL_NS) < 0) break;
        sn_http_server_stats(l->srv, &st);
    }
    if (st.conns_open && __atomic_load_n(&l->gw->gentle, __ATOMIC_ACQUIRE))
        (void)sn_http_server_wind_down(l->srv, gw_drain_grace(l->gw));
    if (st.conns_open) (void)sn_http_server_drain(l->srv, gw_drain_grace(l->gw));
    struct sn_gateway *gw = l->gw;
    gw_listener_free(l);
    __atomic_sub_fetch(&gw->old_listeners, 1, __ATOMIC_RELEASE);
    return 0;
}

/* A removed listener's connections are asked to end, and end after the grace. */
static int drain_removed(void *arg)
{
    struct gw_listener *l = arg;
    struct sn_gateway *gw = l->gw;
    (void)sn_http_server_drain(l->srv, gw_drain_grace(gw));
    sn_mutex_lock_always(&gw->reload);
    gw->slots_used &= ~(1ull << l->slot);
    sn_mutex_unlock(&gw->reload);
    gw_listener_free(l);
    __atomic_sub_fetch(&gw->old_listeners, 1, __ATOMIC_RELEASE);
    return 0;
}

static void let_go(struct sn_gateway *gw, struct gw_listener *l, bool replaced)
{
    gw_listener_close(l);
    __atomic_add_fetch(&gw->old_listeners, 1, __ATOMIC_RELAXED);
    if (gw_go(gw, replaced ? "gateway old listener" : "gateway drain",
              replaced ? outlive : drain_removed, l))
        return;
    (void)sn_http_server_drain(l->srv, gw->snap->conf->drain_grace);
    gw_listener_free(l);
    __atomic_sub_fetch(&gw->old_listeners, 1, __ATOMIC_RELEASE);
}

void gw_listeners_commit(struct sn_gateway *gw, struct gw_snap *s, struct gw_listener_plan *plan)
{
    struct gw_listener **before = gw->listeners.ptr;
    size_t n_before = gw->listeners.len;
    gw->listeners.ptr = plan->next.ptr;
    gw->listeners.cap = plan->next.cap;
    gw->listeners.len = s->conf->n_listeners;
    memset(&plan->next, 0, sizeof(plan->next));
    for (size_t i = 0; i < s->conf->n_listeners; i++) {
        gw->listeners.ptr[i] = plan->per_conf[i];
        if (plan->fresh[i] && gw->running) gw_listener_serve(plan->per_conf[i]);
    }
    for (size_t k = 0; k < n_before; k++) {
        bool kept = false, replaced = false;
        for (size_t i = 0; i < s->conf->n_listeners; i++) {
            kept |= plan->per_conf[i] == before[k];
            replaced |=
                plan->per_conf[i] != before[k] && plan->per_conf[i]->slot == before[k]->slot;
        }
        if (!kept) let_go(gw, before[k], replaced);
    }
    sn_free(before);
}
