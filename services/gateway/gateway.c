/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/gateway.c - the gateway's life: load, serve, reload, drain. */
#include "gateway/gateway.h"

#include <stdio.h>

#include "core/alloc.h"
#include "crypto/hash.h"
#include "gateway/config.h"
#include "gateway/gw_int.h"
#include "gateway/takeover.h"

#define TICK_NS SN_SEC
#define DRAIN_POLL_NS (10 * SN_MS)
/* On top of the grace: time to close what was cut. */
#define DRAIN_MORE_NS (10 * SN_SEC)

void gw_event(struct sn_gateway *gw, const char *level, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (gw->opts.on_event) gw->opts.on_event(gw->opts.arg, level, text);
}

static const char *config_name(const struct sn_gateway_opts *o)
{
    return o->config_path ? o->config_path : o->config_name ? o->config_name : "gateway.yaml";
}

int sn_gateway_check(const struct sn_gateway_opts *opts, struct sn_buf *ret_errors)
{
    struct gw_load load;
    int r = gw_load_run(opts, opts->config_text, sn_worker_count(), &load, ret_errors);
    if (r == 0) gw_load_done(&load);
    return r;
}

int sn_gateway_print(const struct sn_gateway_opts *opts, struct sn_buf *out)
{
    struct gw_load load;
    struct sn_buf errors = {0};
    int r = gw_load_run(opts, opts->config_text, sn_worker_count(), &load, &errors);
    if (r < 0) {
        r = sn_fail(r, "%.*s", (int)errors.len, (const char *)errors.ptr);
        sn_buf_done(&errors);
        return r;
    }
    struct sn_json tree;
    r = sn_conf_dump(&load.arena, &sn_gw_conf_table, load.conf, &tree);
    if (r == 0) r = sn_yaml_write(out, &tree, NULL);
    gw_load_done(&load);
    sn_buf_done(&errors);
    return r;
}

/* ---- loading -------------------------------------------------------------------------------- */

static void remember_error(struct sn_gateway *gw, const struct sn_buf *errors)
{
    sn_buf_reset(&gw->last_error);
    sn_buf_put(&gw->last_error, errors->ptr, errors->len);
    while (gw->last_error.len && gw->last_error.ptr[gw->last_error.len - 1] == '\n')
        gw->last_error.len--;
}

static int keep_text(struct sn_gateway *gw, struct sn_str text)
{
    char *p = sn_alloc(text.len + 1);
    if (!p) return SN_E_NOMEM;
    if (text.len) memcpy(p, text.ptr, text.len);
    sn_free((void *)(uintptr_t)gw->good.ptr);
    gw->good = sn_str_of(p, text.len);
    return 0;
}

/* Both stages and the listeners; publishes nothing. Under gw->reload. again: of the text in force,
 * and not of what the file says by now. */
static int build(struct sn_gateway *gw, bool again, struct gw_snap **ret,
                 struct gw_listener_plan *plan, struct gw_admin **ret_admin, struct sn_buf *errors)
{
    struct gw_load load;
    struct sn_gateway_opts opts = gw->opts;
    if (again && opts.config_path) {
        opts.config_name = opts.config_path;
        opts.config_path = NULL;
    }
    struct sn_buf objects = {0}, documents = {0};
    opts.ret_documents = gw->kube ? &documents : NULL;
    int r = gw->kube ? gw_kube_client_text(gw->kube, &objects) : 0;
    opts.kube_objects = sn_buf_view(&objects);
    if (r == 0) r = gw_load_run(&opts, again ? gw->good : gw->text, gw->workers, &load, errors);
    sn_buf_done(&objects); /* what is kept of them was copied */
    if (r < 0) {
        sn_buf_done(&documents);
        return r;
    }
    struct gw_snap *s = NULL;
    if (gw->opts.upgrade && !gw->generation) r = gw_inherit_begin(gw, load.conf->upgrade_socket);
    if (r == 0) r = gw_discover(gw, &load);
    if (r == 0 && !again) r = keep_text(gw, load.text);
    if (r == 0) r = gw_snap_new(gw, &load, &s);
    if (r < 0 && load.cf.n_errors) sn_conf_report(&load.cf, errors);
    if (r == 0) {
        r = gw_listeners_prepare(gw, s, plan);
        if (r == 0 && (r = gw_admin_prepare(gw, s, ret_admin)) < 0)
            gw_listeners_drop(plan, s->conf->n_listeners);
        if (r < 0) gw_snap_free(s);
    }
    if (r < 0 && !errors->len)
        sn_buf_printf(errors, "%s: %s\n", config_name(&gw->opts), sn_diag_str(r));
    gw_load_done(&load);
    if (r == 0 && gw->kube) gw_kube_client_documents(gw->kube, &documents);
    sn_buf_done(&documents);
    if (r < 0) return r;
    *ret = s;
    return 0;
}

static int retire_main(void *arg)
{
    gw_snap_retire(arg);
    return 0;
}

bool gw_go(struct sn_gateway *gw, const char *name, int (*fn)(void *arg), void *arg)
{
    int r;
    while ((r = sn_scope_go(gw->scope, name, fn, arg)) < 0 && r != SN_E_CANCELLED)
        if (sn_sleep(SN_MS) < 0) sn_yield();
    return r == 0;
}

/* From the store on nothing fails. */
static void publish(struct sn_gateway *gw, struct gw_snap *s, struct gw_listener_plan *plan,
                    struct gw_admin *admin)
{
    struct gw_snap *old = gw->snap;
    __atomic_store_n(&gw->snap, s, __ATOMIC_RELEASE);
    gw_listeners_commit(gw, s, plan);
    gw_admin_commit(gw, admin);
    gw_health_start(gw, s);
    gw_reflect_start(gw, s);
    gw_auth_start(gw, s);
    gw_trace_start(gw, s);
    gw_discover_start(gw);
    gw_takeover_start(gw);
    if (gw_go(gw, "gateway retire", retire_main, old)) return;
    s->older = old;
}

static int reload_locked(struct sn_gateway *gw)
{
    struct gw_snap *s = NULL;
    struct gw_listener_plan plan;
    struct gw_admin *admin = NULL;
    struct sn_buf errors = {0};
    int r = build(gw, false, &s, &plan, &admin, &errors);
    if (r == 0) publish(gw, s, &plan, admin);
    remember_error(gw, &errors);
    if (r == 0)
        gw_event(gw, "info", "%s: generation %llu in force, %zu routes, %zu upstreams",
                 config_name(&gw->opts), (unsigned long long)s->generation, s->conf->n_routes,
                 s->conf->n_upstreams);
    else
        gw_event(gw, "error", "configuration refused, the old one stays in force: %s",
                 sn_buf_cz(&gw->last_error));
    sn_buf_done(&errors);
    return r < 0 ? sn_fail(r, "%s", sn_buf_cz(&gw->last_error)) : 0;
}

int sn_gateway_reload(struct sn_gateway *gw)
{
    int r = sn_event_wait(&gw->started);
    if (r == 0) r = sn_mutex_lock(&gw->reload);
    if (r < 0) return r;
    r = gw->running && !gw->draining
            ? reload_locked(gw)
            : sn_fail(SN_E_FAILED_PRECONDITION, "the gateway is not running");
    sn_mutex_unlock(&gw->reload);
    return r;
}

int gw_rebuild(struct sn_gateway *gw)
{
    struct gw_snap *s = NULL;
    struct gw_listener_plan plan;
    struct gw_admin *admin = NULL;
    struct sn_buf errors = {0};
    int r = sn_mutex_lock(&gw->reload);
    if (r < 0) return r;
    if (gw->running && !gw->draining) {
        r = build(gw, true, &s, &plan, &admin, &errors);
        if (r == 0) publish(gw, s, &plan, admin);
        if (r == 0)
            gw_event(gw, "info", "endpoints changed, generation %llu",
                     (unsigned long long)s->generation);
        else
            gw_event(gw, "error", "new endpoints refused: %s", sn_buf_cz(&errors));
    }
    sn_mutex_unlock(&gw->reload);
    sn_buf_done(&errors);
    return r;
}

static int text_set(struct sn_gateway *gw, struct sn_str text)
{
    char *p = sn_alloc(text.len + 1);
    if (!p) return SN_E_NOMEM;
    if (text.len) memcpy(p, text.ptr, text.len);
    sn_free((void *)gw->text.ptr);
    gw->text = sn_str_of(p, text.len);
    return 0;
}

int sn_gateway_set_text(struct sn_gateway *gw, struct sn_str text)
{
    int r = sn_mutex_lock(&gw->reload);
    if (r < 0) return r;
    r = gw->opts.config_path
            ? sn_fail(SN_E_FAILED_PRECONDITION, "this gateway's configuration is a file")
            : text_set(gw, text);
    sn_mutex_unlock(&gw->reload);
    return r < 0 ? r : sn_gateway_reload(gw);
}

int sn_gateway_new(const struct sn_gateway_opts *opts, struct sn_gateway **ret,
                   struct sn_buf *ret_errors)
{
    struct sn_gateway *gw = SN_NEW(struct sn_gateway);
    if (!gw) return SN_E_NOMEM;
    gw->opts = *opts;
    gw->workers = sn_worker_count();
    gw->rate_seed = sn_random();
    int secret = sn_secret_bytes(gw->secret, sizeof(gw->secret));
    struct sn_buf errors = {0};
    struct gw_listener_plan plan;
    struct gw_admin *admin = NULL;
    struct gw_snap *s = NULL;
    int r = secret < 0 ? secret : sn_gw_hist_init(&gw->all);
    if (r == 0) r = gw_tunnels_init(gw);
    if (r == 0) r = text_set(gw, opts->config_text);
    if (r == 0) r = build(gw, false, &s, &plan, &admin, &errors);
    if (r == 0) {
        gw->snap = s;
        gw_listeners_commit(gw, s, &plan);
        gw_admin_commit(gw, admin);
    }
    if (r < 0) {
        if (ret_errors) sn_buf_put(ret_errors, errors.ptr, errors.len);
        if (errors.len) r = sn_fail(r, "%s", sn_buf_cz(&errors));
        sn_buf_done(&errors);
        sn_gateway_free(gw);
        return r;
    }
    sn_buf_done(&errors);
    *ret = gw;
    return 0;
}

void sn_gateway_free(struct sn_gateway *gw)
{
    if (!gw) return;
    gw_admin_free(gw->admin);
    for (size_t i = 0; i < gw->listeners.len; i++) gw_listener_free(gw->listeners.ptr[i]);
    sn_vec_done(&gw->listeners);
    for (struct gw_snap *s = gw->snap, *older; s; s = older) {
        older = s->older;
        gw_snap_free(s);
    }
    gw_sources_free(gw);
    gw_inherit_end(gw);
    sn_free(gw->tunnel_lists);
    sn_free(gw->upgrade_path);
    gw_takeover_free(gw->takeover);
    sn_free((void *)(uintptr_t)gw->good.ptr);
    sn_buf_done(&gw->last_error);
    sn_hist_done(&gw->all);
    sn_free((void *)gw->text.ptr);
    sn_free(gw);
}

/* ---- running -------------------------------------------------------------------------------- */

static void tick(struct sn_gateway *gw)
{
    unsigned w = (unsigned)sn_worker_id();
    int64_t now = sn_now();
    sn_mutex_lock_always(&gw->tick);
    struct gw_snap *s = gw_snap_enter(gw, w);
    sn_hist_reset(&gw->all);
    for (size_t i = 0; i < s->conf->n_routes; i++)
        sn_gw_meter_tick(s->routes[i].meter, now, &gw->all);
    for (size_t i = 0; i < s->conf->n_upstreams; i++)
        for (uint32_t e = 0; e < s->pools[i].pool->n; e++)
            sn_gw_meter_tick(s->pools[i].pool->eps[e]->meter, now, NULL);
    for (size_t i = 0; i < s->conf->n_upstreams; i++) {
        struct gw_pool *p = &s->pools[i];
        uint32_t out = sn_gw_pool_judge(p->pool, now);
        if (out)
            gw_event(gw, "warn", "upstream %.*s: %u endpoint%s ejected by success rate",
                     SN_STR_ARG(p->conf->name), out, out == 1 ? "" : "s");
    }
    if (gw->tick_ns && now > gw->tick_ns)
        gw->all_rps = (double)gw->all.count * 1e9 / (double)(now - gw->tick_ns);
    gw->tick_ns = now;
    if (s->log) gw_log_flush(s->log);
    gw_snap_leave(s, w);
    sn_mutex_unlock(&gw->tick);
}

static int ticker(void *arg)
{
    struct sn_gateway *gw = arg;
    int64_t at = sn_now();
    for (;;) {
        at += TICK_NS;
        int r = sn_sleep_until(at);
        if (r < 0) return 0;
        tick(gw);
    }
}

/* Under gw->reload: what starts here may itself bring about the next snapshot. */
static int start_all(struct sn_gateway *gw)
{
    for (size_t i = 0; i < gw->listeners.len; i++) gw_listener_serve(gw->listeners.ptr[i]);
    gw_admin_start(gw);
    gw_health_start(gw, gw->snap);
    gw_reflect_start(gw, gw->snap);
    gw_auth_start(gw, gw->snap);
    gw_trace_start(gw, gw->snap);
    gw_discover_start(gw);
    gw_takeover_start(gw);
    int r = sn_scope_go(gw->scope, "gateway ticker", ticker, gw);
    if (r == 0) r = gw_inherit_ready(gw);
    if (r == 0) r = gw_kube_client_start(gw);
    if (r == 0 && gw->opts.config_path && !gw->opts.watch_off)
        r = sn_scope_go(gw->scope, "gateway watch", gw_watch, gw);
    return r;
}

int64_t gw_drain_grace(struct sn_gateway *gw)
{
    sn_mutex_lock_always(&gw->reload);
    int64_t grace = gw->snap->conf->drain_grace;
    sn_mutex_unlock(&gw->reload);
    return grace;
}

static int drain_all(void *arg)
{
    struct sn_gateway *gw = arg;
    int64_t at = sn_now() + gw->snap->conf->drain_grace, cut = 0;
    gw_takeover_stop(gw);
    for (size_t i = 0; i < gw->listeners.len; i++) gw_listener_close(gw->listeners.ptr[i]);
    for (size_t i = 0; gw->gentle && i < gw->listeners.len; i++)
        (void)sn_http_server_wind_down(gw->listeners.ptr[i]->srv, SN_MAX(0, at - sn_now()));
    for (size_t i = 0; i < gw->listeners.len; i++)
        cut += sn_http_server_drain(gw->listeners.ptr[i]->srv, SN_MAX(0, at - sn_now()));
    while ((__atomic_load_n(&gw->tunnels, __ATOMIC_ACQUIRE) ||
            __atomic_load_n(&gw->old_listeners, __ATOMIC_ACQUIRE)) &&
           sn_now() < at)
        if (sn_sleep(DRAIN_POLL_NS) < 0) break;
    cut += __atomic_load_n(&gw->tunnels, __ATOMIC_ACQUIRE);
    return (int)cut;
}

int64_t sn_gateway_run(struct sn_gateway *gw)
{
    struct sn_scope_storage mem;
    gw->scope = sn_scope_begin(&mem);
    sn_mutex_lock_always(&gw->reload);
    gw->running = true;
    int r = start_all(gw);
    sn_mutex_unlock(&gw->reload);
    sn_event_set(&gw->started);
    if (r == 0) (void)!sn_event_wait(&gw->stop);
    /* From here on the snapshot stays what it is. */
    sn_mutex_lock_always(&gw->reload);
    __atomic_store_n(&gw->draining, true, __ATOMIC_RELEASE);
    sn_mutex_unlock(&gw->reload);
    int cut = sn_shield(gw->snap->conf->drain_grace + DRAIN_MORE_NS, drain_all, gw);
    gw_admin_free(gw->admin);
    gw->admin = NULL;
    gw->running = false;
    sn_scope_cancel(gw->scope);
    sn_event_set(&gw->snap->retired);
    (void)!sn_scope_end(gw->scope);
    gw->scope = NULL;
    gw_kube_client_free(gw->kube);
    gw->kube = NULL;
    return r < 0 ? r : cut;
}

void sn_gateway_stop(struct sn_gateway *gw) { sn_event_set(&gw->stop); }

int sn_gateway_listener_addr(struct sn_gateway *gw, struct sn_str name, char *out, size_t cap)
{
    sn_mutex_lock_always(&gw->reload);
    int r = SN_E_NOT_FOUND;
    for (size_t i = 0; r == SN_E_NOT_FOUND && i < gw->listeners.len; i++)
        if (sn_str_eqc(name, gw->listeners.ptr[i]->name) && gw->listeners.ptr[i]->l)
            r = sn_listener_addr(gw->listeners.ptr[i]->l, out, cap);
    sn_mutex_unlock(&gw->reload);
    return r;
}

int sn_gateway_listeners(struct sn_gateway *gw, struct sn_buf *out)
{
    sn_mutex_lock_always(&gw->reload);
    for (size_t i = 0; i < gw->listeners.len; i++) {
        const struct gw_listener *l = gw->listeners.ptr[i];
        char addr[256];
        int n = l->l ? sn_listener_addr(l->l, addr, sizeof(addr)) : -1;
        sn_buf_printf(out, "%s%s %.*s", i ? ", " : "", l->name, n > 0 ? n : 0, addr);
    }
    sn_mutex_unlock(&gw->reload);
    return out->err;
}
