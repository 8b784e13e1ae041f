/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/up_conf.h - up.yaml: what `sennit up` runs on one node. */
#pragma once
#include "core/arena.h"
#include "core/buf.h"
#include "sennit/contracts.h"
#include "sennit/exhibit.h"
#include "sennit/supervise.h"

#define SN_UP_REPLICAS_MAX 64

struct sn_up_env {
    struct sn_str name, value;
};
struct sn_up_process {
    struct sn_str name;
    uint64_t replicas, port;
    struct sn_str *command;
    size_t n_command;
    struct sn_up_env *env;
    size_t n_env;
    enum sn_restart restart;
};
struct sn_up_exhibit {
    struct sn_str name, title;
    struct sn_str *command;
    size_t n_command;
    struct sn_exhibit_need *needs;
    size_t n_needs;
    struct sn_up_env *env;
    size_t n_env;
    int64_t every, timeout;
};
struct sn_up_conf {
    struct sn_str name, board, gateway;
    int64_t grace;
    struct sn_up_process *processes, *traffic;
    size_t n_processes, n_traffic;
    struct sn_up_exhibit *exhibits;
    size_t n_exhibits;
    struct sn_contract_conf *contracts;
    size_t n_contracts;
};

/* One process to start: sn_supervised and the port it is to listen on (0 = none). */
struct sn_up_unit {
    struct sn_supervised s;
    unsigned port;
};
struct sn_up_plan {
    struct sn_up_conf conf;
    struct sn_up_unit *processes, *traffic;
    size_t n_processes, n_traffic;
    struct sn_exhibit *exhibits;
    size_t n_exhibits;
};
/* What commands may name: {sennit}, {dir}, {data}, {examples}; beside {name}, {index}, {port}. */
struct sn_up_places {
    struct sn_str sennit, dir, data, examples;
    struct sn_str path; /* PATH of exhibits */
};

/* sn_up_plan_read - reads the text of `file` (as errors show it) and expands its processes:
 * replicas are numbered from 1, ports count up from the given one. Everything belongs to the arena;
 * out_fd and log_fd of each are -1. Returns 0; SN_E_INVALID_ARGUMENT or the parser's code, with
 * every problem a line of ret_errors; SN_E_NOMEM. Does not suspend. */
int sn_up_plan_read(struct sn_arena *a, const char *file, struct sn_str text,
                    const struct sn_up_places *places, struct sn_up_plan *ret,
                    struct sn_buf *ret_errors) SN_MUST_CHECK;
