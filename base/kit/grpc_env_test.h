/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_env_test.h - a server and a channel to test against, real or simulated. */
#pragma once
#include "fiber/sync.h"
#include "grpc_test.grpc.h"
#include "kit/grpc.h"

typedef struct sennit_grpctest_ask ask_t;
typedef struct sennit_grpctest_said said_t;

struct grpc_env {
    struct sn_grpc_server_opts gso;
    struct sn_http_server_opts hso;
    struct sn_grpc_channel_opts co;
    struct sn_rt_opts rt;
    bool no_channel;
    int (*body)(struct grpc_env *e);
    struct sn_grpc_server *grpc;
    struct sn_http_server *http;
    struct sn_listener *listener;
    struct sn_grpc_channel *ch;
    char addr[64];
    struct sn_arena a;
    /* what handlers saw */
    int64_t deadline_left; /* __atomic */
    unsigned calls, cancelled, panics; /* __atomic */
    struct sn_event entered, served;
};
extern const struct sennit_grpctest_echo_handlers grpc_env_handlers;
/* grpc_env_run - runs e->body in a runtime with the server up; drains and frees afterwards. */
void grpc_env_run(struct grpc_env *e);
/* grpc_env_up, grpc_env_down - the same inside a running one. */
void grpc_env_up(struct grpc_env *e, const char *listen);
void grpc_env_down(struct grpc_env *e);
/* grpc_env_ask - a unary call; the text of the answer or NULL. */
int grpc_env_ask(struct grpc_env *e, const ask_t *q, said_t **ret, const struct sn_grpc_opts *o);
