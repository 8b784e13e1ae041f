/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/stats.c - the gateway's part of the board. */
#include "gateway/gw_int.h"
#include "wire/json.h"

static void put_window(struct sn_jsonw *w, const struct sn_gw_window *win)
{
    sn_jsonw_kdouble(w, "rps", win->rps);
    sn_jsonw_ku64(w, "p50_us", win->p50_us);
    sn_jsonw_ku64(w, "p99_us", win->p99_us);
}

static void put_route(struct sn_jsonw *w, const struct gw_route *r)
{
    struct sn_gw_totals t;
    sn_gw_meter_totals(r->meter, &t);
    sn_jsonw_object(w);
    sn_jsonw_kstr(w, "name", r->conf->name);
    sn_jsonw_kstr(w, "match", r->match);
    sn_jsonw_kstr(w, "target", r->target);
    put_window(w, &r->meter->window);
    sn_jsonw_ki64(w, "inflight", t.inflight);
    sn_jsonw_ku64(w, "requests", t.requests);
    sn_jsonw_ku64(w, "s1xx", t.classes[1]);
    sn_jsonw_ku64(w, "s2xx", t.classes[2]);
    sn_jsonw_ku64(w, "s3xx", t.classes[3]);
    sn_jsonw_ku64(w, "s4xx", t.classes[4]);
    sn_jsonw_ku64(w, "s5xx", t.classes[5]);
    sn_jsonw_ku64(w, "unanswered", t.classes[0]);
    sn_jsonw_ku64(w, "retries", t.retries);
    sn_jsonw_ku64(w, "bytes_in", t.bytes_in);
    sn_jsonw_ku64(w, "bytes_out", t.bytes_out);
    if (r->conf->p99_budget) sn_jsonw_ki64(w, "budget_us", r->conf->p99_budget / SN_US);
    sn_jsonw_object_end(w);
}

static void put_upstream(struct sn_jsonw *w, const struct gw_pool *p, int64_t now)
{
    sn_jsonw_object(w);
    sn_jsonw_kstr(w, "name", p->conf->name);
    sn_jsonw_kstr(w, "policy", sn_str(sn_gw_balance_name(p->conf->balance)));
    sn_jsonw_key(w, SN_STR("endpoints"));
    sn_jsonw_array(w);
    for (uint32_t i = 0; i < p->pool->n; i++) {
        const struct sn_gw_endpoint *ep = p->pool->eps[i];
        struct sn_gw_totals t;
        sn_gw_meter_totals(ep->meter, &t);
        sn_jsonw_object(w);
        sn_jsonw_kstr(w, "addr", sn_str(ep->addr));
        sn_jsonw_kstr(w, "state", sn_str(sn_gw_endpoint_state(p->pool, ep, now)));
        put_window(w, &ep->meter->window);
        sn_jsonw_ki64(w, "inflight", __atomic_load_n(&ep->latency.inflight, __ATOMIC_RELAXED));
        sn_jsonw_ku64(w, "requests", t.requests);
        sn_jsonw_ku64(w, "ejections", __atomic_load_n(&ep->ejections, __ATOMIC_RELAXED));
        int64_t until = __atomic_load_n(&ep->ejected_until_ns, __ATOMIC_RELAXED);
        if (until > now) sn_jsonw_ki64(w, "ejected_ms", (until - now) / SN_MS);
        sn_jsonw_ku64(w, "failures_in_a_row", __atomic_load_n(&ep->fail_row, __ATOMIC_RELAXED));
        sn_jsonw_object_end(w);
    }
    sn_jsonw_array_end(w);
    sn_jsonw_object_end(w);
}

struct sums {
    struct sn_gw_totals all;
    struct sn_http_server_stats srv;
};

static void add_route(struct sums *s, const struct gw_route *r)
{
    struct sn_gw_totals t;
    sn_gw_meter_totals(r->meter, &t);
    s->all.requests += t.requests;
    s->all.inflight += t.inflight;
    s->all.bytes_in += t.bytes_in;
    s->all.bytes_out += t.bytes_out;
    s->all.classes[5] += t.classes[5];
    s->all.retries += t.retries;
}

/* Under gw->reload: listeners come and go there. */
static void put_listeners(struct sn_gateway *gw, struct sn_jsonw *w, struct sums *sum)
{
    sn_jsonw_key(w, SN_STR("listeners"));
    sn_jsonw_array(w);
    for (size_t i = 0; i < gw->listeners.len; i++) {
        const struct gw_listener *l = gw->listeners.ptr[i];
        char addr[256];
        int n = l->l ? sn_listener_addr(l->l, addr, sizeof(addr)) : -1;
        struct sn_http_server_stats st;
        sn_http_server_stats(l->srv, &st);
        sum->srv.conns_open += st.conns_open;
        sum->srv.conns_parked += st.conns_parked;
        sum->srv.conns_total += st.conns_total;
        sum->srv.errors_parse += st.errors_parse;
        sum->srv.panics += st.panics;
        sn_jsonw_object(w);
        sn_jsonw_kstr(w, "name", sn_str(l->name));
        sn_jsonw_kstr(w, "addr", n > 0 ? sn_str_of(addr, (size_t)n) : sn_str(l->addr));
        sn_jsonw_ku64(w, "conns_open", st.conns_open);
        sn_jsonw_ku64(w, "conns_parked", st.conns_parked);
        sn_jsonw_ku64(w, "requests", st.requests);
        sn_jsonw_object_end(w);
    }
    sn_jsonw_array_end(w);
}

static void put_config(struct sn_gateway *gw, struct sn_jsonw *w, const struct gw_snap *s)
{
    sn_jsonw_key(w, SN_STR("config"));
    sn_jsonw_object(w);
    sn_jsonw_kstr(w, "file",
                  sn_str(gw->opts.config_path   ? gw->opts.config_path
                         : gw->opts.config_name ? gw->opts.config_name
                                                : "gateway.yaml"));
    sn_jsonw_ku64(w, "generation", s->generation);
    sn_jsonw_ki64(w, "age_s", (sn_now() - s->loaded_ns) / SN_SEC);
    if (gw->last_error.len) sn_jsonw_kstr(w, "error", sn_buf_view(&gw->last_error));
    sn_jsonw_object_end(w);
}

static void put_totals(struct sn_gateway *gw, struct sn_jsonw *w, const struct sums *sum)
{
    const struct sn_hist *h = &gw->all;
    sn_jsonw_key(w, SN_STR("totals"));
    sn_jsonw_object(w);
    sn_jsonw_kdouble(w, "rps", gw->all_rps);
    sn_jsonw_ku64(w, "p50_us", h->count ? sn_hist_percentile(h, 50) : 0);
    sn_jsonw_ku64(w, "p99_us", h->count ? sn_hist_percentile(h, 99) : 0);
    sn_jsonw_ku64(w, "requests", sum->all.requests);
    sn_jsonw_ki64(w, "inflight", sum->all.inflight);
    sn_jsonw_ku64(w, "errors", sum->all.classes[5]);
    sn_jsonw_kdouble(w, "err_pct",
                     sum->all.requests
                         ? 100.0 * (double)sum->all.classes[5] / (double)sum->all.requests
                         : 0);
    sn_jsonw_ku64(w, "retries", sum->all.retries);
    sn_jsonw_ku64(w, "bytes_in", sum->all.bytes_in);
    sn_jsonw_ku64(w, "bytes_out", sum->all.bytes_out);
    sn_jsonw_ku64(w, "conns_open", sum->srv.conns_open);
    sn_jsonw_ku64(w, "conns_parked", sum->srv.conns_parked);
    sn_jsonw_ku64(w, "conns_total", sum->srv.conns_total);
    sn_jsonw_ku64(w, "bad_requests", sum->srv.errors_parse);
    sn_jsonw_ku64(w, "panics", sum->srv.panics);
    sn_jsonw_ki64(w, "tunnels", __atomic_load_n(&gw->tunnels, __ATOMIC_RELAXED));
    sn_jsonw_object_end(w);
}

int sn_gateway_stats_json(struct sn_gateway *gw, struct sn_buf *out)
{
    int r = sn_mutex_lock(&gw->reload);
    if (r < 0) return r;
    r = sn_mutex_lock(&gw->tick);
    if (r < 0) {
        sn_mutex_unlock(&gw->reload);
        return r;
    }
    /* Under gw->reload the present snapshot stays published, so it needs no reference. */
    const struct gw_snap *s = gw->snap;
    struct sn_jsonw w;
    struct sums sum = {0};
    sn_jsonw_init(&w, out, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_key(&w, SN_STR("routes"));
    sn_jsonw_array(&w);
    for (size_t i = 0; i < s->conf->n_routes; i++) {
        put_route(&w, &s->routes[i]);
        add_route(&sum, &s->routes[i]);
    }
    sn_jsonw_array_end(&w);
    sn_jsonw_key(&w, SN_STR("upstreams"));
    sn_jsonw_array(&w);
    for (size_t i = 0; i < s->conf->n_upstreams; i++) put_upstream(&w, &s->pools[i], sn_now());
    sn_jsonw_array_end(&w);
    put_listeners(gw, &w, &sum);
    put_config(gw, &w, s);
    put_totals(gw, &w, &sum);
    sn_jsonw_object_end(&w);
    sn_mutex_unlock(&gw->tick);
    sn_mutex_unlock(&gw->reload);
    return out->err;
}
