/* SPDX-License-Identifier: Apache-2.0 */
/* shim/events.c - what containerd is told: in order, one at a time, until it has taken it. The fiber that
 * forwards lives, and the connection is open, only while there is something to tell; a containerd that is
 * away finds everything when it is back. */
#include <stdio.h>

#include "clusters/shim/shim_int.h"
#include "core/alloc.h"

static const struct sn_ttrpc_method forward = {.name = "Forward",
                                               .in = &containerd_services_events_ttrpc_v1_forward_request_desc,
                                               .out = &google_protobuf_empty_desc};

static int forward_one(struct shim *s, struct sn_ttrpc_client **c, const struct shim_event *e)
{
    int r = 0;
    if (*c && !sn_ttrpc_client_alive(*c)) {
        sn_ttrpc_client_close(*c);
        *c = NULL;
    }
    char addr[SHIM_PATH_MAX];
    snprintf(addr, sizeof(addr), "unix:%s", s->ttrpc_address);
    if (!*c) r = sn_ttrpc_dial(addr, c);
    if (r < 0) return r;
    struct google_protobuf_timestamp at = {.seconds = e->at_ns / SN_SEC, .nanos = (int32_t)(e->at_ns % SN_SEC)};
    struct google_protobuf_any any = {.type_url = sn_str(e->type), .value = sn_str_of(e->data, e->len)};
    struct containerd_types_envelope env = {.timestamp = &at, .namespace = sn_str(s->ns),
                                            .topic = sn_str(e->topic), .event = &any};
    struct containerd_services_events_ttrpc_v1_forward_request req = {.envelope = &env};
    struct sn_arena a;
    void *rep;
    sn_arena_init(&a, NULL, 0);
    r = sn_ttrpc_invoke(*c, "containerd.services.events.ttrpc.v1.Events", &forward, &req, &a, &rep, NULL);
    sn_arena_done(&a);
    return r;
}

static void drop_first(struct shim *s)
{
    sn_free(SN_LIST_ENTRY(sn_list_pop_front(&s->events), struct shim_event, link));
    s->n_events--;
}

static void publish_main(void *arg)
{
    struct shim *s = arg;
    struct sn_ttrpc_client *c = NULL;
    int64_t pause = 50 * SN_MS;
    while (!sn_list_empty(&s->events)) {
        struct shim_event *e = SN_LIST_ENTRY(s->events.next, struct shim_event, link);
        int64_t before = sn_deadline_tighten(sn_now() + SN_SHIM_EVENT_NS_MAX);
        int r = forward_one(s, &c, e);
        sn_deadline_restore(before);
        if (r >= 0) {
            pause = 50 * SN_MS;
            /* The queue's limit may have dropped it meanwhile. */
            if (s->events.next == &e->link) drop_first(s);
            continue;
        }
        if (sn_cancelled()) break;
        if (pause == 50 * SN_MS) shim_log("event %s: %s: trying again", e->topic, sn_diag_str(r));
        if (sn_event_wait_until(&s->stop, sn_now() + pause) != SN_E_DEADLINE_EXCEEDED && sn_sleep(200 * SN_MS) < 0) break;
        pause = SN_MIN(pause * 2, SN_SHIM_RETRY_NS_MAX);
    }
    sn_ttrpc_client_close(c);
    s->publishing = false;
    if (s->flushed) sn_event_set(s->flushed);
}

static void publish_start(struct shim *s)
{
    if (s->publishing || !s->ttrpc_address || !s->ttrpc_address[0]) return;
    s->publishing = true;
    if (sn_go_cleanup((unsigned)sn_worker_id(), "events", publish_main, s) < 0) s->publishing = false;
}

void shim_publish(struct shim *s, const char *topic, const struct sn_pb_desc *d, const void *msg)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    ssize_t n = sn_pb_encode(d, msg, &b);
    struct shim_event *e = n < 0 ? NULL : sn_alloc(sizeof(*e) + b.len);
    if (e) {
        *e = (struct shim_event){.topic = topic, .type = d->full_name.ptr, .at_ns = sn_wall_now(), .len = b.len};
        if (b.len) memcpy(e->data, b.ptr, b.len);
        if (s->n_events >= SN_SHIM_EVENTS_MAX) {
            shim_log("%u events wait for containerd: the oldest is dropped", s->n_events);
            drop_first(s);
        }
        sn_list_push_back(&s->events, &e->link);
        s->n_events++;
        publish_start(s);
    } else {
        shim_log("event %s is lost: no memory", topic);
    }
    sn_buf_done(&b);
}

void shim_flush(struct shim *s)
{
    struct sn_event over = {0};
    s->flushed = &over;
    sn_event_set(&s->stop);
    if (s->publishing && sn_event_wait_until(&over, sn_now() + SN_SHIM_FLUSH_NS_MAX) < 0)
        shim_log("%u events could not be forwarded", s->n_events);
    s->flushed = NULL;
    while (!sn_list_empty(&s->events) && !s->publishing) drop_first(s);
}

/* ---- the task layer's -------------------------------------------------------------------------- */

static void created(struct shim *s, const struct sn_task_event *e)
{
    struct shim_container *c = shim_find(s, e->id);
    if (!c) return;
    const struct containerd_task_v2_create_task_request *q = c->req;
    struct containerd_events_task_io io = {.stdin_ = q->stdin_, .stdout_ = q->stdout_, .stderr_ = q->stderr_,
                                           .terminal = q->terminal};
    struct containerd_events_task_create m = {.container_id = sn_str(e->id), .bundle = q->bundle, .io = &io,
                                              .checkpoint = q->checkpoint, .pid = e->pid};
    m.rootfs.ptr = q->rootfs.ptr;
    m.rootfs.len = q->rootfs.len;
    shim_publish(s, "/tasks/create", &containerd_events_task_create_desc, &m);
}

static void exited(struct shim *s, const struct sn_task_event *e)
{
    struct sn_str id = sn_str(e->id);
    struct google_protobuf_timestamp at = {.seconds = e->at_ns / SN_SEC, .nanos = (int32_t)(e->at_ns % SN_SEC)};
    if (e->kind == SN_TASK_EXITED) {
        struct containerd_events_task_exit m = {.container_id = id, .id = e->exec_id[0] ? sn_str(e->exec_id) : id,
                                                .pid = e->pid, .exit_status = e->status, .exited_at = &at};
        shim_publish(s, "/tasks/exit", &containerd_events_task_exit_desc, &m);
    } else {
        struct containerd_events_task_delete m = {.container_id = id, .id = sn_str(e->exec_id), .pid = e->pid,
                                                  .exit_status = e->status, .exited_at = &at};
        shim_publish(s, "/tasks/delete", &containerd_events_task_delete_desc, &m);
    }
}

/* recorded - the exit outlives us: "delete" after a crash reports it. */
static void recorded(struct shim *s, const struct sn_task_event *e)
{
    struct shim_record r = {.pid = e->pid, .status = e->status, .exited_ns = e->kind == SN_TASK_EXITED ? e->at_ns : 0};
    snprintf(r.root, sizeof(r.root), "%s", s->root);
    if (shim_record_write(sn_task_bundle(e->task), &r) < 0) shim_log("%s", sn_diag_str(SN_E_IO));
}

void shim_task_event(void *arg, const struct sn_task_event *e)
{
    struct shim *s = arg;
    struct sn_str id = sn_str(e->id), exec = sn_str(e->exec_id);
    if (!exec.len && (e->kind == SN_TASK_EXITED || e->kind == SN_TASK_CREATED)) recorded(s, e);
    switch (e->kind) {
    case SN_TASK_CREATED: created(s, e); break;
    case SN_TASK_STARTED:
        shim_publish(s, "/tasks/start", &containerd_events_task_start_desc,
                     &(struct containerd_events_task_start){.container_id = id, .pid = e->pid});
        break;
    case SN_TASK_EXEC_ADDED:
        shim_publish(s, "/tasks/exec-added", &containerd_events_task_exec_added_desc,
                     &(struct containerd_events_task_exec_added){.container_id = id, .exec_id = exec});
        break;
    case SN_TASK_EXEC_STARTED:
        shim_publish(s, "/tasks/exec-started", &containerd_events_task_exec_started_desc,
                     &(struct containerd_events_task_exec_started){.container_id = id, .exec_id = exec, .pid = e->pid});
        break;
    case SN_TASK_EXITED: exited(s, e); break;
    case SN_TASK_DELETED:
        /* containerd is told of execs by the reply alone, as by its own shim. */
        if (!exec.len) exited(s, e);
        break;
    case SN_TASK_OOM:
        shim_publish(s, "/tasks/oom", &containerd_events_task_oom_desc,
                     &(struct containerd_events_task_oom){.container_id = id});
        break;
    case SN_TASK_PAUSED:
        shim_publish(s, "/tasks/paused", &containerd_events_task_paused_desc,
                     &(struct containerd_events_task_paused){.container_id = id});
        break;
    case SN_TASK_RESUMED:
        shim_publish(s, "/tasks/resumed", &containerd_events_task_resumed_desc,
                     &(struct containerd_events_task_resumed){.container_id = id});
        break;
    }
}
