/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_health.c - grpc.health.v1.Health. Source: grpc doc/health-checking.md. */
#include "core/alloc.h"
#include "grpc/health/v1/health.grpc.h"
#include "kit/grpc_int.h"

#define SERVICES_MAX 4096u

typedef struct grpc_health_v1_health_check_response response;

struct grpc_health {
    struct sn_mutex lock;
    struct sn_cond news;
    struct sn_map states; /* name -> (void *)state + 1 */
    bool down;            /* for good */
};

/* Under the lock. SERVICE_UNKNOWN where nobody has said anything. */
static int32_t state_of(struct grpc_health *h, struct sn_str service)
{
    uintptr_t v = (uintptr_t)sn_map_get(&h->states, service);
    if (!v) return GRPC_HEALTH_V1_HEALTH_CHECK_RESPONSE_SERVING_STATUS_SERVICE_UNKNOWN;
    return h->down ? SN_GRPC_NOT_SERVING : (int32_t)(v - 1);
}

static int check(struct sn_grpc_call *call, const struct grpc_health_v1_health_check_request *req,
                 response **ret)
{
    struct grpc_health *h = call->arg;
    sn_mutex_lock_always(&h->lock);
    int32_t state = state_of(h, req->service);
    sn_mutex_unlock(&h->lock);
    if (state == GRPC_HEALTH_V1_HEALTH_CHECK_RESPONSE_SERVING_STATUS_SERVICE_UNKNOWN)
        return sn_grpc_fail(call, SN_E_NOT_FOUND, "unknown service");
    *ret = grpc_health_v1_health_check_response_new(call->arena);
    if (!*ret) return SN_E_NOMEM;
    (*ret)->status = state;
    return 0;
}

static int list_add(struct grpc_health_v1_health_list_response *to, struct sn_arena *a,
                    struct sn_str name, int32_t state)
{
    struct grpc_health_v1_health_list_response_statuses_entry *e =
        grpc_health_v1_health_list_response_add_statuses(to, a);
    if (!e) return SN_E_NOMEM;
    e->key = sn_arena_str(a, name);
    e->value = grpc_health_v1_health_check_response_new(a);
    if (!e->key.ptr || !e->value) return SN_E_NOMEM;
    e->value->status = state;
    return 0;
}

static int list(struct sn_grpc_call *call, const struct grpc_health_v1_health_list_request *req,
                struct grpc_health_v1_health_list_response **ret)
{
    struct grpc_health *h = call->arg;
    *ret = grpc_health_v1_health_list_response_new(call->arena);
    int r = *ret ? 0 : SN_E_NOMEM;
    sn_mutex_lock_always(&h->lock);
    size_t it = 0;
    for (struct sn_map_slot *s; r == 0 && (s = sn_map_next(&h->states, &it));)
        r = list_add(*ret, call->arena, s->key, state_of(h, s->key));
    sn_mutex_unlock(&h->lock);
    return r;
}

static int watch(struct sn_grpc_call *call, const struct grpc_health_v1_health_check_request *req)
{
    struct grpc_health *h = call->arg;
    int32_t told = -1;
    for (;;) {
        int r = sn_mutex_lock(&h->lock);
        if (r < 0) return r;
        int32_t state;
        while ((state = state_of(h, req->service)) == told && r == 0)
            r = sn_cond_wait(&h->news, &h->lock);
        sn_mutex_unlock(&h->lock);
        if (r < 0) return r;
        response rep = {.status = told = state};
        r = grpc_health_v1_health_watch_reply(call, &rep);
        if (r < 0) return r;
    }
}

static const struct grpc_health_v1_health_handlers handlers = {
    .check = check, .list = list, .watch = watch};

int sn_grpc_health_set(struct sn_grpc_server *s, struct sn_str service, enum sn_grpc_serving state)
{
    struct grpc_health *h = s->health;
    if (!h) return sn_fail(SN_E_FAILED_PRECONDITION, "the server has no health service");
    sn_mutex_lock_always(&h->lock);
    int r = h->states.len < SERVICES_MAX || sn_map_find(&h->states, service) ? 0 : SN_E_TOO_LARGE;
    if (r == 0) r = sn_map_put(&h->states, service, (void *)((uintptr_t)state + 1), NULL);
    if (r >= 0) sn_cond_broadcast(&h->news);
    sn_mutex_unlock(&h->lock);
    return r < 0 ? r : 0;
}

void sn_grpc_health_shutdown(struct sn_grpc_server *s)
{
    struct grpc_health *h = s->health;
    if (!h) return;
    sn_mutex_lock_always(&h->lock);
    h->down = true;
    sn_cond_broadcast(&h->news);
    sn_mutex_unlock(&h->lock);
}

void grpc_health_free(struct grpc_health *h)
{
    if (!h) return;
    sn_map_done(&h->states);
    sn_free(h);
}

int sn_grpc_health_add(struct sn_grpc_server *s)
{
    struct grpc_health *h = SN_NEW(struct grpc_health);
    if (!h) return SN_E_NOMEM;
    sn_map_init(&h->states, sn_random(), true);
    int r = grpc_health_v1_health_register(s, &handlers, h);
    if (r < 0) {
        grpc_health_free(h);
        return r;
    }
    s->health = h;
    return sn_grpc_health_set(s, (struct sn_str){"", 0}, SN_GRPC_SERVING);
}
