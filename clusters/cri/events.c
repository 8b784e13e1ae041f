/* SPDX-License-Identifier: Apache-2.0 */
/* cri/events.c - what happens to containers and pods, to those who read GetContainerEvents. */
#include "clusters/cri/cri_int.h"
#include "fiber/chan.h"

#define EVENTS_MAX 1024u /* that one reader may lag behind; then its call ends and it lists anew \
                          */

void cri_event(struct sn_cri *s, struct cri_pod *p, const char *id, int type)
{
    struct sn_str *copy;
    struct sn_buf b = {0};
    struct sn_arena a;
    sn_mutex_lock_always(&s->mu);
    if (sn_list_empty(&s->watchers)) {
        sn_mutex_unlock(&s->mu);
        return;
    }
    sn_arena_init(&a, NULL, 0);
    struct runtime_v1_container_event_response ev = {.container_id = sn_str(id),
                                                     .container_event_type = type,
                                                     .created_at = sn_wall_now(),
                                                     .pod_sandbox_status = cri_pod_status(p, &a)};
    SN_LIST_EACH (&p->ctrs, it) {
        struct runtime_v1_container_status **at =
            sn_pb_array_add(&ev.containers_statuses, sizeof *at, &a);
        if (at) *at = cri_ctr_status(SN_LIST_ENTRY(it, struct cri_ctr, link), &a);
    }
    bool ok = sn_pb_encode(&runtime_v1_container_event_response_desc, &ev, &b) >= 0;
    SN_LIST_EACH (&s->watchers, it) {
        struct cri_watcher *w = SN_LIST_ENTRY(it, struct cri_watcher, link);
        copy = ok ? sn_alloc(sizeof *copy + b.len) : NULL;
        if (copy) {
            *copy = sn_str_of((char *)(copy + 1), b.len);
            memcpy(copy + 1, b.ptr, b.len);
        }
        if (!copy || sn_chan_try_send(w->queue, &copy) < 0) {
            sn_free(copy);
            w->overrun = true;
        }
    }
    sn_mutex_unlock(&s->mu);
    sn_buf_done(&b);
    sn_arena_done(&a);
}

static int get_container_events(struct sn_grpc_call *c,
                                const struct runtime_v1_get_events_request *q)
{
    struct sn_cri *s = c->arg;
    struct cri_watcher w = {.queue = sn_chan_new(sizeof(struct sn_str *), EVENTS_MAX)};
    struct sn_str *ev;
    if (!w.queue) return SN_E_NOMEM;
    sn_mutex_lock_always(&s->mu);
    sn_list_push_back(&s->watchers, &w.link);
    sn_mutex_unlock(&s->mu);
    int r = sn_grpc_send_head(c);
    while (r >= 0 && !w.overrun && (r = sn_chan_recv(w.queue, &ev)) >= 0) {
        r = sn_grpc_send_raw(c, *ev);
        sn_free(ev);
    }
    sn_mutex_lock_always(&s->mu);
    sn_list_del(&w.link);
    sn_mutex_unlock(&s->mu);
    while (sn_chan_try_recv(w.queue, &ev) == 0) sn_free(ev);
    sn_chan_free(w.queue);
    if (w.overrun)
        return sn_grpc_fail(c, SN_E_RESOURCE_EXHAUSTED, "more than %u events were not read",
                            EVENTS_MAX);
    return r;
}

void cri_handlers_events(struct runtime_v1_runtime_service_handlers *h)
{
    h->get_container_events = get_container_events;
}
