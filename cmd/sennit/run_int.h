/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/run_int.h - between the files of `sennit run|ps|logs|exec|stop|rm|stats`. They speak to
 * `sennit cri` over its socket, as a kubelet does: one process knows what runs, whoever asks. */
#pragma once
#include "clusters/cri/cri.h"
#include "kit/cli.h"
#include "kit/grpc.h"
#include "runtime/v1/api.grpc.h"
#include "sennit/commands.h"

#define RUN_LOG_DIR "/var/log/sennit/run"
#define RUN_LABEL "io.sennit.run"      /* its value is the container's name for people */
#define RUN_LOOK_NS (20 * SN_MS)       /* between two looks at something that does not tell */
#define RUN_EXIT_CANNOT_RUN 126        /* as shells and docker: not executable, */
#define RUN_EXIT_NOT_FOUND 127         /* not there */

struct run_opts {
    struct sn_str socket, image_root, certs, name, network, workdir, user, entrypoint;
    struct sn_str *ports, *volumes, *env;
    size_t n_ports, n_volumes, n_env;
    uint64_t memory;
    double cpus;
    int64_t time;
    bool input, tty, detach, rm, follow, all, privileged, read_only, plain_http;
};
#define RUN_SOCKET_FIELD                                                            \
    SN_CONF_STRING(struct run_opts, socket, "socket", .def = SN_CRI_SOCKET_DEFAULT, \
                   .metavar = "PATH", .help = "Where `sennit cri` serves.")

struct run_job {
    const struct sn_cli_call *call;
    const struct run_opts *o;
    struct sn_arena *a;
    struct sn_grpc_channel *ch;
    struct sn_http_client *http;
    int (*work)(struct run_job *j);
    bool may_start; /* a daemon, where none listens */
};

/* ---- the daemon (run_daemon.c) ---- */
/* run_job - a command's work with a channel to the daemon. Returns its exit status or error. */
int run_job(const struct sn_cli_call *call, int (*work)(struct run_job *j), bool may_start);
/* run_list - every container it has. run_find - one by name, or by the beginning of its id. */
int run_list(struct run_job *j, struct runtime_v1_list_containers_response **ret) SN_MUST_CHECK;
int run_find(struct run_job *j, struct sn_str what,
             struct runtime_v1_container **ret) SN_MUST_CHECK;
int run_status(struct run_job *j, struct sn_str id,
               struct runtime_v1_container_status **ret) SN_MUST_CHECK;
struct sn_str run_name(const struct runtime_v1_container *c);
int run_remove_pod(struct run_job *j, struct sn_str pod) SN_MUST_CHECK;

/* ---- output (run_logs.c) ---- */
struct run_follower {
    struct run_job *j;
    struct sn_str path, id;
    bool follow;
};
/* run_print_logs - what the log has; with `follow` until the container has ended and the log with
 * it. */
int run_print_logs(struct run_follower *f) SN_MUST_CHECK;
/* run_since - how long ago, in the largest unit: "3 min". */
struct sn_str run_since(struct sn_arena *a, int64_t unix_ns);

/* ---- terminals and streams (run_stream.c) ---- */
struct run_stream {
    struct sn_ws *ws;
    bool tty, in;
    struct sn_scope *scope;
    int code;
};
/* run_stream - carries standard streams to and from a URL of the daemon until the other side ends.
 */
int run_stream(struct run_job *j, struct sn_str url, struct run_stream *s) SN_MUST_CHECK;

/* ---- what `run` asks for (run_pod.c) ---- */
/* run_image - the image is there afterwards, pulled or loaded where it was not: here and not by the
 * daemon, so that progress is seen. *ret: what the daemon finds it by. */
int run_image(struct run_job *j, struct sn_str name, struct sn_str *ret) SN_MUST_CHECK;
int run_build_pod(struct run_job *j, struct sn_str name,
                  struct runtime_v1_pod_sandbox_config *pod) SN_MUST_CHECK;
int run_build_ctr(struct run_job *j, struct sn_str name,
                  struct runtime_v1_container_config *c) SN_MUST_CHECK;
