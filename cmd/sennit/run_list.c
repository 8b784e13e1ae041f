/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/run_list.c - sennit ps, logs, stop, rm, stats. */
#include <stdio.h>

#include "fiber/fiber.h"
#include "sennit/run_int.h"

#define MEGABYTE 1e6

/* ---- ps ---- */

/* "running", "exited (3)", "exited (137, out of memory)". */
static struct sn_str state_text(struct run_job *j, const struct runtime_v1_container *c)
{
    static const char *const states[] = {"created", "running", "exited", "unknown"};
    struct runtime_v1_container_status *st;
    if (c->state != RUNTIME_V1_CONTAINER_STATE_CONTAINER_EXITED || run_status(j, c->id, &st) < 0)
        return sn_str(states[c->state & 3]);
    if (sn_str_eqc(st->reason, "StartError")) return SN_STR("not started");
    return sn_arena_printf(j->a, "exited (%d%s)", st->exit_code,
                           sn_str_eqc(st->reason, "OOMKilled") ? ", out of memory" : "");
}

static int ps(struct run_job *j)
{
    struct runtime_v1_list_containers_response *all;
    int r = run_list(j, &all);
    if (r < 0) return r;
    printf("%-12s  %-20s  %-28s  %-8s  %s\n", "ID", "NAME", "STATE", "AGE", "IMAGE");
    for (uint32_t i = 0; i < all->containers.len; i++) {
        const struct runtime_v1_container *c = all->containers.ptr[i];
        const struct runtime_v1_image_spec *image = c->image;
        if (!j->o->all && c->state != RUNTIME_V1_CONTAINER_STATE_CONTAINER_RUNNING) continue;
        struct sn_str name = run_name(c), state = state_text(j, c),
                      age = run_since(j->a, c->created_at),
                      from = !image                             ? (struct sn_str){0}
                             : image->user_specified_image.len ? image->user_specified_image
                                                               : image->image;
        printf("%-12.12s  %-20.*s  %-28.*s  %-8.*s  %.*s\n", c->id.ptr, SN_STR_ARG(name),
               SN_STR_ARG(state), SN_STR_ARG(age), SN_STR_ARG(from));
    }
    return 0;
}

/* ---- stop, rm ---- */

/* Each name for itself: one that fails is told, and the others are served all the same. */
static int each(struct run_job *j, int (*fn)(struct run_job *j, struct sn_str name))
{
    int failed = 0;
    for (size_t i = 0; i < j->call->n_args; i++) {
        int r = fn(j, j->call->args[i]);
        if (r >= 0) {
            printf("%.*s\n", SN_STR_ARG(j->call->args[i]));
            continue;
        }
        fprintf(stderr, "sennit %s: %s\n", j->call->command->name, sn_diag_str(r));
        failed = 1;
    }
    return failed;
}

static int stop_one(struct run_job *j, struct sn_str name)
{
    struct runtime_v1_container *c;
    struct runtime_v1_stop_container_response *s;
    int r = run_find(j, name, &c);
    if (r < 0) return r;
    struct runtime_v1_stop_container_request q = {.container_id = c->id,
                                                  .timeout = j->o->time / SN_SEC};
    return runtime_v1_runtime_service_stop_container_call(j->ch, &q, j->a, &s, NULL);
}
static int stop(struct run_job *j) { return each(j, stop_one); }

static int rm_one(struct run_job *j, struct sn_str name)
{
    struct runtime_v1_container *c;
    int r = run_find(j, name, &c);
    if (r >= 0 && c->state == RUNTIME_V1_CONTAINER_STATE_CONTAINER_RUNNING && !j->o->all)
        r = sn_fail(SN_E_FAILED_PRECONDITION, "%.*s is running; stop it first, or rm -f",
                    SN_STR_ARG(name));
    return r < 0 ? r : run_remove_pod(j, c->pod_sandbox_id);
}
static int rm(struct run_job *j) { return each(j, rm_one); }

/* ---- logs ---- */

static int logs(struct run_job *j)
{
    struct runtime_v1_container *c;
    struct runtime_v1_container_status *st;
    int r = run_find(j, j->call->args[0], &c);
    if (r >= 0) r = run_status(j, c->id, &st);
    if (r < 0) return r;
    if (!st->log_path.len)
        return sn_fail(SN_E_FAILED_PRECONDITION, "%.*s was made without a log",
                       SN_STR_ARG(j->call->args[0]));
    return run_print_logs(
        &(struct run_follower){j, sn_arena_str(j->a, st->log_path), c->id, j->o->follow});
}

/* ---- stats ---- */

static uint64_t value(const struct runtime_v1_u_int64_value *v) { return v ? v->value : 0; }

static int stats(struct run_job *j)
{
    struct runtime_v1_list_container_stats_request q = {0};
    struct runtime_v1_list_container_stats_response *s;
    /* Twice, so that there is a rate. */
    int r = runtime_v1_runtime_service_list_container_stats_call(j->ch, &q, j->a, &s, NULL);
    if (r >= 0) r = sn_sleep(500 * SN_MS);
    if (r >= 0) r = runtime_v1_runtime_service_list_container_stats_call(j->ch, &q, j->a, &s, NULL);
    if (r < 0) return r;
    printf("%-12s  %-20s  %8s  %11s  %11s\n", "ID", "NAME", "CPU", "MEMORY", "DISK");
    for (uint32_t i = 0; i < s->stats.len; i++) {
        const struct runtime_v1_container_stats *m = s->stats.ptr[i];
        double cpu = m->cpu ? (double)value(m->cpu->usage_nano_cores) / 1e7 : 0;
        double mem = m->memory ? (double)value(m->memory->working_set_bytes) / MEGABYTE : 0;
        double disk =
            m->writable_layer ? (double)value(m->writable_layer->used_bytes) / MEGABYTE : 0;
        struct sn_str name = m->attributes->metadata->name;
        printf("%-12.12s  %-20.*s  %6.2f %%  %8.2f MB  %8.2f MB\n", m->attributes->id.ptr,
               SN_STR_ARG(name), cpu, mem, disk);
    }
    return 0;
}

/* ---- tables ---- */

static const struct sn_conf_field plain_fields[] = {RUN_SOCKET_FIELD};
static const struct sn_conf_table plain_table = SN_CONF_TABLE(struct run_opts, plain_fields);
static const struct sn_conf_field ps_fields[] = {
    RUN_SOCKET_FIELD, SN_CONF_BOOL(struct run_opts, all, "all", .letter = 'a',
                                   .help = "Also those that have ended.")};
static const struct sn_conf_table ps_table = SN_CONF_TABLE(struct run_opts, ps_fields);
static const struct sn_conf_field rm_fields[] = {
    RUN_SOCKET_FIELD,
    SN_CONF_BOOL(struct run_opts, all, "force", .letter = 'f', .help = "Also what runs.")};
static const struct sn_conf_table rm_table = SN_CONF_TABLE(struct run_opts, rm_fields);
static const struct sn_conf_field logs_fields[] = {
    RUN_SOCKET_FIELD, SN_CONF_BOOL(struct run_opts, follow, "follow", .letter = 'f',
                                   .help = "Until the container ends.")};
static const struct sn_conf_table logs_table = SN_CONF_TABLE(struct run_opts, logs_fields);
static const struct sn_conf_field stop_fields[] = {
    RUN_SOCKET_FIELD, SN_CONF_DURATION(struct run_opts, time, "time", .letter = 't', .def = "10s",
                                       .help = "From the signal to SIGKILL.")};
static const struct sn_conf_table stop_table = SN_CONF_TABLE(struct run_opts, stop_fields);

static int ps_run(const struct sn_cli_call *c) { return run_job(c, ps, false); }
static int logs_run(const struct sn_cli_call *c) { return run_job(c, logs, false); }
static int stop_run(const struct sn_cli_call *c) { return run_job(c, stop, false); }
static int rm_run(const struct sn_cli_call *c) { return run_job(c, rm, false); }
static int stats_run(const struct sn_cli_call *c) { return run_job(c, stats, false); }

const struct sn_cli_command sn_cmd_ps = {.name = "ps",
                                         .brief = "List containers.",
                                         .table = &ps_table,
                                         .run = ps_run};
const struct sn_cli_command sn_cmd_logs = {.name = "logs",
                                           .brief = "Show what a container wrote.",
                                           .usage = "CONTAINER",
                                           .table = &logs_table,
                                           .args_min = 1,
                                           .args_max = 1,
                                           .run = logs_run};
const struct sn_cli_command sn_cmd_stop = {.name = "stop",
                                           .brief = "Stop containers.",
                                           .usage = "CONTAINER...",
                                           .table = &stop_table,
                                           .args_min = 1,
                                           .args_max = 256,
                                           .run = stop_run};
const struct sn_cli_command sn_cmd_rm = {.name = "rm",
                                         .brief = "Remove containers and their pods.",
                                         .usage = "CONTAINER...",
                                         .table = &rm_table,
                                         .args_min = 1,
                                         .args_max = 256,
                                         .run = rm_run};
const struct sn_cli_command sn_cmd_stats = {.name = "stats",
                                            .brief = "Show what containers use.",
                                            .table = &plain_table,
                                            .run = stats_run};
