/* SPDX-License-Identifier: Apache-2.0 */
#include "sennit-bpf/state.h"

#include <arpa/inet.h>
#include <unistd.h>

#include "core/map.h"
#include "core/status.h"
#include "sennit-bpf/tables.h"

#define COUNTERS_UNKNOWN UINT32_MAX
#define NEVER UINT64_MAX

/* ---- numbers of counters --------------------------------------------------------------------- */

static int counters_take(struct tk_state *s, uint32_t *ret)
{
    for (uint32_t i = 0; i < SN_TK_COUNTERS_MAX; i++) {
        if (s->counters_used[i / 64] >> (i % 64) & 1) continue;
        int r = tk_counters_clear(s->kernel, i);
        if (r < 0) return r;
        s->counters_used[i / 64] |= 1ull << (i % 64);
        *ret = i;
        return 0;
    }
    return sn_fail(SN_E_RESOURCE_EXHAUSTED, "%d services are counted already", SN_TK_COUNTERS_MAX);
}

static void counters_give(struct tk_state *s, uint32_t i)
{
    if (i != COUNTERS_UNKNOWN) s->counters_used[i / 64] &= ~(1ull << (i % 64));
}

/* ---- life ------------------------------------------------------------------------------------ */

int tk_state_init(struct tk_state *s, struct tk_kernel *k, bool found)
{
    *s = (struct tk_state){.kernel = k};
    int r = tk_control_get(k, &s->control);
    struct sn_tk_key key;
    for (bool more = found && tk_service_next(k, NULL, &key); r == 0 && more;
         more = tk_service_next(k, &key, &key)) {
        struct tk_service *v = sn_vec_add(&s->services);
        if (!v)
            r = SN_E_NOMEM;
        else
            *v = (struct tk_service){.key = key, .name = "?", .counters = COUNTERS_UNKNOWN};
    }
    if (r < 0) tk_state_done(s);
    return r;
}

void tk_state_done(struct tk_state *s) { sn_vec_done(&s->services); }

static int control_write(struct tk_state *s, uint64_t deadline_ns, uint32_t gateway)
{
    struct sn_tk_control c = s->control;
    c.deadline_ns = deadline_ns;
    c.gateway = gateway;
    int r = tk_control_set(s->kernel, &c);
    if (r == 0) s->control = c;
    return r;
}

int tk_state_beat(struct tk_state *s, uint32_t ttl_ms, int64_t now_ns)
{
    s->ttl_ms = ttl_ms;
    uint64_t at = ttl_ms ? (uint64_t)(now_ns + (int64_t)ttl_ms * SN_MS) : NEVER;
    return control_write(s, at, s->control.gateway);
}

int tk_state_gone(struct tk_state *s, int64_t now_ns)
{
    return control_write(s, s->ttl_ms ? (uint64_t)now_ns : NEVER, 0);
}

/* ---- applying a snapshot --------------------------------------------------------------------- */

/* What will become of one service of the snapshot. */
struct change {
    struct tk_service next;
    int fd; /* a new table, -1 where the one in the kernel is as wanted */
    bool fresh;
};

static struct tk_service *find(struct tk_state *s, const struct sn_tk_key *key)
{
    for (size_t i = 0; i < s->services.len; i++)
        if (memcmp(&s->services.ptr[i].key, key, sizeof(*key)) == 0) return &s->services.ptr[i];
    return NULL;
}

static int prepare(struct tk_state *s, const struct sn_tkw_service *v, struct sn_tk_table *t,
                   struct change *c)
{
    const struct sn_tk_key key = tk_key(v);
    const struct tk_service *old = find(s, &key);
    int r = 0;
    c->next = (struct tk_service){.key = key, .n_live = v->n_live, .n_direct = v->n_direct};
    memcpy(c->next.name, v->name.ptr, v->name.len);
    c->fresh = !old || old->counters == COUNTERS_UNKNOWN;
    if (c->fresh)
        r = counters_take(s, &c->next.counters);
    else
        c->next.counters = old->counters;
    if (r < 0) {
        c->fresh = false;
        return r;
    }
    r = tk_table_build(v, c->next.counters, t);
    if (r < 0) return r;
    c->next.hash[0] = sn_hash(t, sizeof(*t), 1);
    c->next.hash[1] = sn_hash(t, sizeof(*t), 2);
    if (old && memcmp(old->hash, c->next.hash, sizeof(old->hash)) == 0) return 0;
    r = tk_table_new(s->kernel, t);
    if (r < 0) return r;
    c->fd = r;
    return 0;
}

/* Services that the snapshot no longer has. First, so that their successors find room. */
static int remove_others(struct tk_state *s, const struct change *c, uint32_t n,
                         struct sn_tkw_applied *ret)
{
    struct sn_tk_key *gone = SN_NEW_ARRAY(struct sn_tk_key, s->services.len + 1);
    struct sn_map kept;
    sn_map_init(&kept, 0, false);
    int r = gone ? 0 : SN_E_NOMEM;
    for (uint32_t i = 0; r >= 0 && i < n; i++)
        r = sn_map_put(&kept, sn_str_of((const char *)&c[i].next.key, sizeof(c[i].next.key)),
                       (void *)(uintptr_t)&c[i], NULL);
    for (size_t i = s->services.len; r >= 0 && i-- > 0;) {
        const struct tk_service v = s->services.ptr[i];
        if (sn_map_find(&kept, sn_str_of((const char *)&v.key, sizeof(v.key)))) continue;
        gone[ret->removed++] = v.key;
        counters_give(s, v.counters);
        sn_vec_remove_swap(&s->services, i);
    }
    if (r >= 0) tk_services_del(s->kernel, gone, ret->removed);
    sn_map_done(&kept);
    sn_free(gone);
    return r < 0 ? r : 0;
}

static int swap_tables(struct tk_state *s, const struct change *c, uint32_t n,
                       struct sn_tkw_applied *ret)
{
    struct sn_tk_key *keys = SN_NEW_ARRAY(struct sn_tk_key, n + 1);
    int *fds = SN_NEW_ARRAY(int, n + 1);
    int r = keys && fds ? 0 : SN_E_NOMEM;
    for (uint32_t i = 0; r == 0 && i < n; i++) {
        if (c[i].fd < 0) continue;
        keys[ret->changed] = c[i].next.key;
        fds[ret->changed++] = c[i].fd;
    }
    if (r == 0) r = tk_services_set(s->kernel, keys, fds, ret->changed);
    sn_free(keys);
    sn_free(fds);
    return r;
}

/* Whatever came of it, the state lists what may be in the kernel; where the tables are not known to
 * be as wanted their hash is nobody's, so that the next snapshot writes them again. */
static void settle(struct tk_state *s, struct change *c, uint32_t n, bool sure)
{
    for (uint32_t i = 0; i < n; i++) {
        struct tk_service *old = find(s, &c[i].next.key);
        c[i].fresh = false;
        if (!sure && c[i].fd >= 0) memset(c[i].next.hash, 0, sizeof(c[i].next.hash));
        if (old)
            *old = c[i].next;
        else
            (void)!sn_vec_push(&s->services, c[i].next); /* room was made before */
    }
}

static int commit(struct tk_state *s, const struct sn_tkw_snapshot *snap, struct change *c,
                  uint32_t gateway, int64_t now_ns, struct sn_tkw_applied *ret)
{
    uint64_t at = snap->ttl_ms ? (uint64_t)(now_ns + (int64_t)snap->ttl_ms * SN_MS) : NEVER;
    int r = remove_others(s, c, snap->n, ret);
    if (r == 0) r = control_write(s, at, gateway);
    if (r < 0) return r;
    s->ttl_ms = snap->ttl_ms;
    r = swap_tables(s, c, snap->n, ret);
    settle(s, c, snap->n, r == 0);
    if (r == 0) s->generation = ret->generation = snap->generation;
    return r;
}

int tk_state_apply(struct tk_state *s, const struct sn_tkw_snapshot *snap, uint32_t gateway,
                   int64_t now_ns, struct sn_tkw_applied *ret)
{
    struct sn_tkw_applied applied = {0};
    struct sn_tk_table *t = SN_NEW(struct sn_tk_table);
    struct change *c = SN_NEW_ARRAY(struct change, snap->n + 1);
    int r = t && c ? sn_vec_reserve(&s->services, s->services.len + snap->n) : SN_E_NOMEM;
    for (uint32_t i = 0; c && i < snap->n; i++) c[i].fd = -1;
    for (uint32_t i = 0; r == 0 && i < snap->n; i++) {
        r = prepare(s, &snap->services[i], t, &c[i]);
        if (r < 0) r = sn_wrap(r, "service %.*s", SN_STR_ARG(snap->services[i].name));
    }
    if (r == 0) r = commit(s, snap, c, gateway, now_ns, &applied);
    for (uint32_t i = 0; c && i < snap->n; i++) {
        if (c[i].fd >= 0) (void)close(c[i].fd);
        if (c[i].fresh) counters_give(s, c[i].next.counters);
    }
    sn_free(c);
    sn_free(t);
    if (r == 0) *ret = applied;
    return r;
}

/* ---- statistics ------------------------------------------------------------------------------ */

int tk_state_stats(struct tk_state *s, struct sn_arena *a, int64_t now_ns, struct sn_tkw_stats *ret)
{
    uint64_t at = s->control.deadline_ns;
    *ret = (struct sn_tkw_stats){.generation = s->generation, .n = (uint32_t)s->services.len};
    ret->left_ms = at == NEVER ? INT64_MAX : ((int64_t)at - now_ns) / SN_MS;
    if (at != NEVER && (int64_t)at <= now_ns && ret->left_ms == 0) ret->left_ms = -1;
    ret->services = SN_ARENA_ARRAY(a, struct sn_tkw_stat, s->services.len + 1);
    if (!ret->services) return SN_E_NOMEM;
    for (size_t i = 0; i < s->services.len; i++) {
        const struct tk_service *v = &s->services.ptr[i];
        struct sn_tkw_stat *t = &ret->services[i];
        struct sn_tk_counters c = {0};
        int r = v->counters == COUNTERS_UNKNOWN ? 0 : tk_counters_get(s->kernel, v->counters, &c);
        if (r < 0) return r;
        *t = (struct sn_tkw_stat){.name = sn_str(v->name),
                                  .port = ntohs(v->key.vip.port),
                                  .proto = (uint8_t)v->key.proto,
                                  .n_live = v->n_live,
                                  .n_direct = v->n_direct,
                                  .connects = c.connects,
                                  .datagrams = c.datagrams,
                                  .replies = c.replies,
                                  .refused = c.refused,
                                  .lapsed = c.lapsed};
        memcpy(t->ip, v->key.vip.ip, sizeof(t->ip));
    }
    return 0;
}
