/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_resolve.c - targets, and the resolvers every gRPC client has. Source: grpc doc/naming.md. */
#include "core/alloc.h"
#include "kit/grpc_client_int.h"

#define DNS_AGAIN_NS (30 * SN_SEC) /* between look-ups of one name that was found */
#define DNS_FAILED_NS (1 * SN_SEC)
#define NOMEM_AGAIN_NS (100 * SN_MS)
#define ADDRS_MAX 64 /* of a list */
#define DNS_ADDRS_MAX 32

/* ---- publishing ------------------------------------------------------------------------------- */

static bool has_endpoints(struct sn_grpc_channel *ch)
{
    sn_mutex_lock_always(&ch->lock);
    bool some = ch->snapshot && ch->snapshot->n;
    sn_mutex_unlock(&ch->lock);
    return some;
}

static int copy_addrs(struct gr_snapshot *s, const struct sn_grpc_address *addrs, unsigned n)
{
    s->addrs = SN_ARENA_ARRAY(&s->arena, struct sn_grpc_address, n + 1);
    if (!s->addrs) return SN_E_NOMEM;
    for (unsigned i = 0; i < n; i++) {
        struct sn_grpc_address *to = &s->addrs[i];
        *to = addrs[i];
        to->addr = sn_arena_str(&s->arena, addrs[i].addr);
        to->host = sn_arena_str(&s->arena, addrs[i].host);
        to->labels = sn_arena_str(&s->arena, addrs[i].labels);
        if (!to->addr.ptr || !to->host.ptr || !to->labels.ptr) return SN_E_NOMEM;
    }
    s->n = n;
    return 0;
}

int sn_grpc_resolved(struct sn_grpc_resolving *r, const struct sn_grpc_address *addrs, unsigned n,
                     bool certain, struct sn_str service_config, int err)
{
    if (n > SN_GRPC_ENDPOINTS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%u endpoints over %u", n, SN_GRPC_ENDPOINTS_MAX);
    /* An outage of the registry is not one of the services it knows. */
    if ((err < 0 || (n == 0 && !certain)) && has_endpoints(r->ch)) return 0;
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    struct gr_snapshot *s = SN_ARENA_NEW(&a, struct gr_snapshot);
    if (!s) return SN_E_NOMEM;
    s->arena = a;
    s->refs = 1;
    s->err = err < 0 ? err : SN_E_NOT_FOUND;
    int e = err < 0 ? 0 : copy_addrs(s, addrs, n);
    if (e == 0 && service_config.ptr && !r->ch->config)
        e = gr_config_parse(service_config, &s->config);
    if (e < 0) {
        gr_snapshot_unref(s);
        return e;
    }
    gr_publish(r->ch, s);
    return 0;
}

int sn_grpc_resolve_wait(struct sn_grpc_resolving *r, int64_t at_ns)
{
    int64_t prev = sn_deadline_tighten(at_ns);
    sn_mutex_lock_always(&r->lock);
    int e = 0;
    while (!r->stop && !r->again && e == 0) e = sn_cond_wait(&r->wanted, &r->lock);
    r->again = false;
    bool stop = r->stop;
    sn_mutex_unlock(&r->lock);
    sn_deadline_restore(prev);
    return stop || e == SN_E_CANCELLED ? SN_E_CANCELLED : 0;
}

static void resolver_main(void *arg)
{
    struct sn_grpc_resolving *r = arg;
    sn_fiber_set_name("grpc resolver");
    int e = r->how->run(r, r->target, r->how->arg);
    if (e < 0 && e != SN_E_CANCELLED)
        (void)!sn_grpc_resolved(r, NULL, 0, false, (struct sn_str){0}, e);
    sn_mutex_lock_always(&r->lock);
    r->ended = true;
    sn_cond_broadcast(&r->wanted);
    sn_mutex_unlock(&r->lock);
}

int gr_resolve_start(struct sn_grpc_channel *ch)
{
    struct sn_grpc_resolving *r = &ch->res;
    int e = 0;
    sn_mutex_lock_always(&r->lock);
    if (!r->started && !r->stop) {
        e = sn_stream_go(resolver_main, r);
        r->started = e == 0;
    }
    sn_mutex_unlock(&r->lock);
    return e;
}

void gr_resolve_again(struct sn_grpc_channel *ch)
{
    struct sn_grpc_resolving *r = &ch->res;
    /* Only a hint: where the lock is taken somebody else is giving it. */
    if (!sn_mutex_trylock(&r->lock)) return;
    if (!r->started && !r->stop) r->started = sn_stream_go(resolver_main, r) == 0;
    r->again = true;
    sn_cond_broadcast(&r->wanted);
    sn_mutex_unlock(&r->lock);
}

void gr_resolve_stop(struct sn_grpc_channel *ch)
{
    struct sn_grpc_resolving *r = &ch->res;
    sn_mutex_lock_always(&r->lock);
    r->stop = true;
    sn_cond_broadcast(&r->wanted);
    sn_mutex_unlock(&r->lock);
    for (;;) { /* whatever becomes of the caller, the fiber must be gone */
        sn_mutex_lock_always(&r->lock);
        bool over = !r->started || r->ended;
        sn_mutex_unlock(&r->lock);
        if (over) return;
        if (sn_sleep(SN_MS / 4) < 0) sn_yield();
    }
}

/* ---- fixed lists ------------------------------------------------------------------------------ */

static int publish_once(struct sn_grpc_resolving *r, const struct sn_grpc_address *addrs, unsigned n)
{
    int e;
    while ((e = sn_grpc_resolved(r, addrs, n, true, (struct sn_str){0}, 0)) == SN_E_NOMEM)
        if ((e = sn_grpc_resolve_wait(r, sn_now() + NOMEM_AGAIN_NS)) < 0) return e;
    while (e >= 0) e = sn_grpc_resolve_wait(r, SN_FOREVER);
    return e;
}

static int run_passthrough(struct sn_grpc_resolving *r, struct sn_str target, void *arg)
{
    struct sn_grpc_address a = {.addr = target};
    return publish_once(r, &a, 1);
}

static int run_list(struct sn_grpc_resolving *r, struct sn_str target, void *arg)
{
    struct sn_grpc_address a[ADDRS_MAX] = {{{0}}};
    unsigned n = 0;
    while (target.ptr && n < ADDRS_MAX) a[n++].addr = sn_str_trim(sn_str_cut(&target, ','));
    if (target.ptr) return sn_fail(SN_E_TOO_LARGE, "more than %d addresses", ADDRS_MAX);
    return publish_once(r, a, n);
}

static int run_unix(struct sn_grpc_resolving *r, struct sn_str target, void *arg)
{
    struct sn_arena mem;
    sn_arena_init(&mem, NULL, 0);
    struct sn_grpc_address a = {.host = SN_STR("localhost")};
    a.addr = sn_arena_printf(&mem, "unix:%s%.*s", (const char *)arg, SN_STR_ARG(target));
    int e = a.addr.ptr ? publish_once(r, &a, 1) : SN_E_NOMEM;
    sn_arena_done(&mem);
    return e;
}

/* ---- dns -------------------------------------------------------------------------------------- */

static struct sn_str dns_port(struct sn_str *host)
{
    struct sn_str port = SN_STR("443");
    ssize_t colon = sn_str_rchr(*host, ':'), bracket = sn_str_rchr(*host, ']');
    bool bare6 = bracket < 0 && sn_str_chr(*host, ':') != colon;
    if (colon > bracket && !bare6) {
        port = sn_str_from(*host, (size_t)colon + 1);
        host->len = (size_t)colon;
    }
    if (host->len >= 2 && host->ptr[0] == '[' && host->ptr[host->len - 1] == ']')
        *host = sn_str_sub(*host, 1, host->len - 1);
    return port;
}

static int dns_publish(struct sn_grpc_resolving *r, char (*found)[SN_ADDR_TEXT_MAX], int n,
                       struct sn_str port, struct sn_arena *mem)
{
    struct sn_grpc_address *a = SN_ARENA_ARRAY(mem, struct sn_grpc_address, (size_t)n);
    if (!a) return SN_E_NOMEM;
    for (int i = 0; i < n; i++) {
        bool v6 = strchr(found[i], ':') != NULL;
        a[i].addr = sn_arena_printf(mem, v6 ? "[%s]:%.*s" : "%s:%.*s", found[i], SN_STR_ARG(port));
        if (!a[i].addr.ptr) return SN_E_NOMEM;
    }
    return sn_grpc_resolved(r, a, (unsigned)n, true, (struct sn_str){0}, 0);
}

static int dns_once(struct sn_grpc_resolving *r, struct sn_str host, struct sn_str port)
{
    char found[DNS_ADDRS_MAX][SN_ADDR_TEXT_MAX];
    struct sn_arena mem;
    int n = sn_resolve(host, found, DNS_ADDRS_MAX);
    if (n == SN_E_CANCELLED) return n;
    if (n < 0) return sn_grpc_resolved(r, NULL, 0, false, (struct sn_str){0}, n);
    sn_arena_init(&mem, NULL, 0);
    int e = dns_publish(r, found, n, port, &mem);
    sn_arena_done(&mem);
    return e;
}

static int run_dns(struct sn_grpc_resolving *r, struct sn_str target, void *arg)
{
    struct sn_str host = target, port = dns_port(&host);
    int64_t earliest;
    do {
        int e = dns_once(r, host, port);
        if (e < 0 && e != SN_E_NOMEM) return e;
        bool known = has_endpoints(r->ch);
        int64_t again = e == SN_E_NOMEM ? NOMEM_AGAIN_NS : known ? DNS_AGAIN_NS : DNS_FAILED_NS;
        earliest = sn_now() + again;
        /* Who asks earlier has to wait: look-ups are not for hammering. */
        e = sn_grpc_resolve_wait(r, known ? SN_FOREVER : earliest);
        while (e == 0 && sn_now() < earliest) e = sn_grpc_resolve_wait(r, earliest);
        if (e < 0) return e;
    } while (!gr_closing(r->ch));
    return SN_E_CANCELLED;
}

/* ---- targets ---------------------------------------------------------------------------------- */

static const struct sn_grpc_resolver builtin[] = {
    {.scheme = "dns", .run = run_dns},
    {.scheme = "ipv4", .run = run_list},
    {.scheme = "ipv6", .run = run_list},
    {.scheme = "passthrough", .run = run_passthrough},
    {.scheme = "unix", .run = run_unix, .arg = ""},
    {.scheme = "unix-abstract", .run = run_unix, .arg = "@"},
};

static const struct sn_grpc_resolver *by_scheme(const struct sn_grpc_channel *ch, struct sn_str s)
{
    for (unsigned i = 0; i < ch->o.n_resolvers; i++)
        if (sn_str_eqc(s, ch->o.resolvers[i].scheme)) return &ch->o.resolvers[i];
    for (size_t i = 0; i < SN_COUNT_OF(builtin); i++)
        if (sn_str_eqc(s, builtin[i].scheme)) return &builtin[i];
    return NULL;
}

int gr_resolver_of(struct sn_grpc_channel *ch, struct sn_str target,
                   const struct sn_grpc_resolver **ret, struct sn_str *ret_rest,
                   struct sn_str *ret_authority)
{
    if (target.len == 0) return sn_fail(SN_E_SYNTAX, "empty gRPC target");
    ssize_t colon = sn_str_chr(target, ':');
    struct sn_str rest = target;
    const struct sn_grpc_resolver *how = NULL;
    if (colon > 0) {
        rest = sn_str_from(target, (size_t)colon + 1);
        how = by_scheme(ch, sn_str_sub(target, 0, (size_t)colon));
        if (!how && sn_str_starts(rest, SN_STR("//")))
            return sn_fail(SN_E_NOT_FOUND, "gRPC target %.*s: no resolver for this scheme",
                           SN_STR_ARG(target));
    }
    if (!how) {
        how = by_scheme(ch, SN_STR("dns"));
        rest = target;
    }
    bool is_unix = sn_str_starts(sn_str(how->scheme), SN_STR("unix"));
    if (sn_str_starts(rest, SN_STR("//"))) {
        rest = sn_str_from(rest, 2);
        ssize_t slash = sn_str_chr(rest, '/');
        if (slash != 0)
            return sn_fail(SN_E_SYNTAX, "gRPC target %.*s: expected three slashes",
                           SN_STR_ARG(target));
        if (!is_unix) rest = sn_str_from(rest, 1);
    }
    if (rest.len == 0) return sn_fail(SN_E_SYNTAX, "gRPC target %.*s names nothing", SN_STR_ARG(target));
    *ret = how;
    *ret_rest = rest;
    /* Of a list of addresses the first stands for all: a list is no host. */
    *ret_authority = is_unix ? SN_STR("localhost") : sn_str_cut(&rest, ',');
    return 0;
}
