/* SPDX-License-Identifier: Apache-2.0 */
/* cri/keeper_int.h - the keeper: one small process for each pod.
 *
 * It holds what must outlive the daemon: the pod's namespaces, the containers as their parent (so
 * exit statuses are never lost), their standard streams and logs. Single-threaded around one epoll
 * set, it links the runtime and nothing else. The daemon talks to it by JSON messages over a
 * SOCK_SEQPACKET socket in the pod's folder, and connects again after a restart.
 *
 * Requests are {"seq", "op", ...}, the answer {"seq", "err", "msg", ...}; events have "event" and no
 * seq.
 *   create   id bundle runtime log tty stdin stdin_once, with the detached root -> pid
 *   start    id                     exec    id key process tty, with three descriptors (none with
 *                                           tty) -> pid; with tty the console
 *   kill     id key sig all         update  id resources       delete  id       reopen  id
 *   resize   id w h                 attach  id -> a socket      list -> containers       quit
 * Events: exit (id, key or "", code, at, oom). An attached socket carries messages of a kind's byte
 * and data: 0 stdin, 1 stdout, 2 stderr, 3 stdin ends. */
#pragma once
#include <sys/types.h>

#include "clusters/cgroup/cgroup.h"
#include "clusters/cri/keeper.h"
#include "clusters/cri/logline.h"
#include "clusters/oci/container.h"
#include "core/arena.h"
#include "core/buf.h"
#include "core/list.h"
#include "core/str.h"
#include "wire/json.h"

#define KEEPER_MESSAGE_MAX (160u << 10) /* bytes of one message: an exec's process is the largest \
                                         */
#define KEEPER_CLIENTS_MAX 8u
#define KEEPER_DIR_MAX 255u /* bytes of the path of the pod's folder */
#define KEEPER_CTRS_MAX 256u
#define KEEPER_EXECS_MAX 1024u
#define KEEPER_ATTACH_MAX 16u    /* of one container */
#define KEEPER_CHUNK (32u << 10) /* of output moved at a time */
#define KEEPER_ATTACH_BYTES \
    (1u << 20)              /* in flight to one who is attached; then the container waits */
#define KEEPER_RT_WAIT_S 60 /* a foreign runtime's command */

enum keeper_kind { K_LISTENER, K_CLIENT, K_SIGNALS, K_OUT, K_ATTACH, K_OOM, K_STDIN };
struct keeper_src { /* what an epoll event leads to */
    enum keeper_kind kind;
    int fd;
    void *owner;
};
struct keeper_ctr;
struct keeper_out { /* one output stream */
    struct keeper_src src;
    int which; /* 1, 2 */
    bool paused;
    struct sn_cri_logline log;
};
struct keeper_attach {
    struct keeper_src src;
    struct sn_buf pending; /* one message that did not fit */
};
enum keeper_state { KEEPER_CREATED, KEEPER_RUNNING, KEEPER_EXITED };
struct keeper_ctr {
    struct sn_list link;
    char *id, *bundle, *runtime, *log_path;
    struct sn_oci_container *oci; /* NULL: a foreign runtime has it */
    pid_t pid;
    enum keeper_state state;
    bool tty, stdin_once, oom, has_stdin;
    int code, log_fd;
    int64_t created_ns, started_ns, exited_ns;
    struct keeper_src in; /* our end of its stdin; the console with a terminal */
    struct sn_buf in_pending;
    struct keeper_out out[2];
    struct keeper_attach attach[KEEPER_ATTACH_MAX];
    struct keeper_src oom_src;
    struct sn_cgroup_watch watch;
};
struct keeper_exec {
    struct sn_list link;
    pid_t pid;
    char ctr[SN_OCI_ID_MAX], key[64];
};
struct keeper {
    const char *dir;
    int epoll;
    struct keeper_src listener, signals, client[KEEPER_CLIENTS_MAX];
    struct sn_list ctrs, execs;
    unsigned n_ctrs, n_execs;
    struct sn_cgroup_host cgroups;
    int shm;        /* the pod's /dev/shm; -1: none, or mounted in the folder */
    int protect_fd; /* stands for our file in containers; -1: made for each child */
    bool have_cgroups, quit;
    struct sn_buf scratch, log;
};

int64_t keeper_now(void);
int keeper_watch(struct keeper *k, struct keeper_src *s, uint32_t events);
void keeper_unwatch(struct keeper *k, struct keeper_src *s);
struct keeper_ctr *keeper_find(struct keeper *k, struct sn_str id);

/* keeper_ns.c - enters and makes the pod's namespaces. */
int keeper_namespaces(const struct sn_keeper_opts *o, pid_t *ret_pause) SN_MUST_CHECK;
/* keeper_shm - the pod's /dev/shm as a mount that is nowhere; its descriptor, or -1 where this kernel
 * cannot show such a one to containers (before Linux 6.15). */
int keeper_shm(const struct sn_keeper_opts *o);

/* keeper_rt.c - the runtime: built in, or a program. */
struct keeper_rt_create {
    int stdio[3];
    int *ret_console;     /* NULL without a terminal */
    const int *root_tree; /* the detached root; NULL: it is where the bundle says */
};
int keeper_rt_create(struct keeper *k, struct keeper_ctr *c,
                     const struct keeper_rt_create *o) SN_MUST_CHECK;
int keeper_rt_start(struct keeper *k, struct keeper_ctr *c) SN_MUST_CHECK;
int keeper_rt_kill(struct keeper *k, struct keeper_ctr *c, int sig, bool all) SN_MUST_CHECK;
int keeper_rt_update(struct keeper *k, struct keeper_ctr *c,
                     const struct sn_json *resources) SN_MUST_CHECK;
int keeper_rt_exec(struct keeper *k, struct keeper_ctr *c, struct sn_str process, const int *stdio,
                   int *ret_console, pid_t *ret_pid) SN_MUST_CHECK;
int keeper_rt_delete(struct keeper *k, struct keeper_ctr *c);

/* keeper_io.c - streams, logs, attached sockets. */
void keeper_io_event(struct keeper *k, struct keeper_src *s, uint32_t events);
void keeper_io_ended(
    struct keeper *k,
    struct keeper_ctr *c); /* the first process has ended: the rest of its output */
int keeper_log_open(struct keeper_ctr *c);
int keeper_attach(struct keeper *k, struct keeper_ctr *c, int *ret_fd) SN_MUST_CHECK;
void keeper_io_close(struct keeper *k, struct keeper_ctr *c);
