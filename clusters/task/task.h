/* SPDX-License-Identifier: Apache-2.0 */
/* task/task.h - running containers as fiber calls: create, start, exec, wait, signals, statistics.
 *
 * A task is a container and its processes: the first one (id "") and any number that were added to
 * it ("execs"), each with its own standard streams. The calls here are those of clusters/oci made
 * fit for a daemon: what may take long runs beside the worker, exits are waited for on pidfds, the
 * streams are moved by one fiber each, and everything that happens to a task is told once, in
 * order, through the host's event function. The shim, the CRI service and the node agent stand on
 * it.
 *
 * A task is found by its id and referenced while in use; operations on one task exclude each other
 * where they must (create, start, delete), the rest run side by side. All calls suspend unless they
 * say otherwise, from any worker. */
#pragma once
#include "clusters/task/streams.h"
#include "core/arena.h"
#include "core/str.h"

struct sn_oci_criu_opts;
struct sn_oci_host;
struct sn_cgroup_stats;
struct sn_json;
struct sn_zygote;
struct sn_task;
struct sn_task_host;

#define SN_TASK_ID_MAX 128u      /* bytes of a task's or an exec's id */
#define SN_TASK_EXECS_MAX 4096u  /* processes added to one task and not yet deleted */
#define SN_TASK_TASKS_MAX 16384u /* tasks of one host */
#define SN_TASK_PIDS_MAX 65536u  /* listed by sn_task_pids */

enum sn_task_event_kind {
    SN_TASK_CREATED,
    SN_TASK_STARTED,
    SN_TASK_EXEC_ADDED,
    SN_TASK_EXEC_STARTED,
    SN_TASK_EXITED, /* of the first process or of an exec; never before its STARTED */
    SN_TASK_OOM,    /* the kernel killed a process of the task for memory */
    SN_TASK_PAUSED,
    SN_TASK_RESUMED,
    SN_TASK_DELETED, /* of the task, or of an exec */
};
struct sn_task_event {
    enum sn_task_event_kind kind;
    const char *id, *exec_id; /* exec_id "" for the first process; borrowed for the call */
    uint32_t pid;
    uint32_t status;            /* EXITED, DELETED: 0..255, 128 + signal where a signal ended it */
    int64_t at_ns;              /* EXITED, DELETED: when it ended, unix time */
    const struct sn_task *task; /* for sn_task_bundle and the like */
};

struct sn_task_host_opts {
    const struct sn_oci_host *oci; /* borrowed for the host's life */
    struct sn_zygote *zygote; /* starts the processes if given, else this process does; borrowed */
    /* Called for everything that happens, in order for each task, one call at a time for each
     * task; must not suspend and not call back. May be NULL. */
    void (*event)(void *arg, const struct sn_task_event *e);
    void *arg;
};
/* sn_task_host_open - Returns 0, SN_E_NOMEM. Owns: *ret is the caller's, for sn_task_host_close. */
int sn_task_host_open(const struct sn_task_host_opts *opts,
                      struct sn_task_host **ret) SN_MUST_CHECK;
/* sn_task_host_close - ends the host's fibers and forgets its tasks. Containers run on: they are
 * found again by sn_task_adopt. Accepts NULL. */
void sn_task_host_close(struct sn_task_host *h);

/* sn_task_host_reap - what containers in a shared pid namespace orphan becomes a child of this
 * process where it is a subreaper: those that have ended are reaped. For a process that has no other
 * children of its own, and nothing while calls of the host are under way. Returns whether there
 * may be more: some task shares its pid namespace. Does not suspend. */
bool sn_task_host_reap(struct sn_task_host *h);

struct sn_task_opts {
    const char *id, *bundle; /* bundle: folder with config.json, absolute */
    struct sn_str config;    /* the text of config.json; empty: read from the bundle */
    struct sn_stdio_opts io;
    bool no_pivot, no_new_keyring;
    /* Folder of a checkpoint's images, absolute: start restores it instead of running the bundle's
     * program, and the task has no process until then. NULL: a new container. */
    const char *restore_from;
    const char *restore_work; /* folder of criu's log, made (0700) if missing; NULL: the images' */
};
/* sn_task_create - makes the container up to, and not including, its program's execution.
 * Returns 0 and a reference; SN_E_ALREADY_EXISTS, SN_E_NOT_FOUND (bundle, stream), SN_E_SYNTAX and
 * SN_E_INVALID_ARGUMENT (config.json: field and value are named), SN_E_RESOURCE_EXHAUSTED
 * (SN_TASK_TASKS_MAX), failures of the kernel. On failure nothing is left behind. */
int sn_task_create(struct sn_task_host *h, const struct sn_task_opts *opts,
                   struct sn_task **ret) SN_MUST_CHECK;
/* sn_task_adopt - takes over a container that another process made: after a restart. Its exit is
 * seen through its pidfd; the status is known where the kernel tells it (Linux 6.15), else 255. Its
 * standard streams are not ours. Returns 0 and a reference; SN_E_NOT_FOUND, SN_E_ALREADY_EXISTS. */
int sn_task_adopt(struct sn_task_host *h, const char *id, struct sn_task **ret) SN_MUST_CHECK;
/* sn_task_find - Returns 0 and a reference, or SN_E_NOT_FOUND. Does not suspend. */
int sn_task_find(struct sn_task_host *h, const char *id, struct sn_task **ret) SN_MUST_CHECK;
struct sn_task *sn_task_ref(struct sn_task *t);
void sn_task_unref(struct sn_task *t); /* accepts NULL */
const char *sn_task_id(const struct sn_task *t);
const char *sn_task_bundle(const struct sn_task *t);

struct sn_task_exec_opts {
    const char *exec_id;
    struct sn_str process; /* JSON text of a runtime-spec process; copied */
    struct sn_stdio_opts io;
};
/* sn_task_exec_add - a further process, not yet started. Returns 0, SN_E_ALREADY_EXISTS,
 * SN_E_NOT_FOUND (stream), SN_E_FAILED_PRECONDITION (the task has ended), SN_E_RESOURCE_EXHAUSTED.
 */
int sn_task_exec_add(struct sn_task *t, const struct sn_task_exec_opts *opts) SN_MUST_CHECK;
/* sn_task_start - runs the program of the first process ("") or of an exec. Returns the pid;
 * SN_E_NOT_FOUND (no such exec, no such program), SN_E_FAILED_PRECONDITION (started before, ended).
 */
int sn_task_start(struct sn_task *t, const char *exec_id) SN_MUST_CHECK;

enum sn_task_status {
    SN_TASK_IS_CREATED,
    SN_TASK_IS_RUNNING,
    SN_TASK_IS_PAUSED,
    SN_TASK_IS_STOPPED
};
struct sn_task_state {
    enum sn_task_status status;
    uint32_t pid; /* 0 before it has one */
    uint32_t exit_status;
    int64_t exited_at_ns, started_at_ns; /* unix time; 0 where it has not */
    bool terminal;
    const char *in, *out, *err; /* as given; borrowed from the task */
};
/* sn_task_state - Returns 0 or SN_E_NOT_FOUND (no such exec). Does not suspend. */
int sn_task_state(struct sn_task *t, const char *exec_id, struct sn_task_state *ret) SN_MUST_CHECK;
/* sn_task_wait - until the process has ended and its exit was told. ret may be NULL.
 * Returns 0, SN_E_NOT_FOUND, SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED. */
int sn_task_wait(struct sn_task *t, const char *exec_id, struct sn_task_state *ret) SN_MUST_CHECK;
/* sn_task_kill - `all`: every process of the container ("" only). Returns 0; SN_E_NOT_FOUND with
 * "process already finished" where it has ended. */
int sn_task_kill(struct sn_task *t, const char *exec_id, int sig, bool all) SN_MUST_CHECK;
/* sn_task_pause - until every process is frozen. Returns 0, SN_E_FAILED_PRECONDITION. */
int sn_task_pause(struct sn_task *t) SN_MUST_CHECK;
int sn_task_resume(struct sn_task *t) SN_MUST_CHECK;
/* sn_task_update - new limits, a runtime-spec linux.resources object. */
int sn_task_update(struct sn_task *t, const struct sn_json *resources) SN_MUST_CHECK;
/* sn_task_checkpoint - writes the processes to o->images; the exit is told as any other where they
 * do not go on. Returns as sn_oci_checkpoint. */
int sn_task_checkpoint(struct sn_task *t, const struct sn_oci_criu_opts *o) SN_MUST_CHECK;
/* sn_task_stats - of the container's cgroup; lists are the arena's. */
int sn_task_stats(struct sn_task *t, struct sn_arena *a, struct sn_cgroup_stats *ret) SN_MUST_CHECK;
/* sn_task_pids - all processes of the container, in `a`. Returns their number, SN_E_TOO_LARGE. */
ssize_t sn_task_pids(struct sn_task *t, struct sn_arena *a, uint32_t **ret) SN_MUST_CHECK;
/* sn_task_exec_of_pid - the id of the exec that is `pid`, "" for the first process, NULL for
 * another. Borrowed until the task changes. Does not suspend. */
const char *sn_task_exec_of_pid(struct sn_task *t, uint32_t pid);
/* sn_task_resize - the terminal's size in characters. Returns 0; SN_E_FAILED_PRECONDITION without
 * a terminal. Does not suspend. */
int sn_task_resize(struct sn_task *t, const char *exec_id, unsigned width,
                   unsigned height) SN_MUST_CHECK;
/* sn_task_console - the terminal's master end where the streams are the caller's (io.use_fds):
 * still the task's, so duplicate it to keep it. Returns the descriptor, SN_E_FAILED_PRECONDITION.
 * Does not suspend. */
int sn_task_console(struct sn_task *t, const char *exec_id) SN_MUST_CHECK;
/* sn_task_close_stdin - what was written before is still delivered; then the process reads end of
 * file. Returns 0, SN_E_NOT_FOUND. Does not suspend. */
int sn_task_close_stdin(struct sn_task *t, const char *exec_id) SN_MUST_CHECK;
/* sn_task_delete - an exec that has ended or was never started, or ("") the container with all that
 * it left: cgroups, state, mounts of the runtime. ret may be NULL; the streams' names are not in
 * it. force: kills what runs first. Returns 0; SN_E_NOT_FOUND, SN_E_FAILED_PRECONDITION (running).
 */
int sn_task_delete(struct sn_task *t, const char *exec_id, bool force,
                   struct sn_task_state *ret) SN_MUST_CHECK;
