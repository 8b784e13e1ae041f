/* What is yours of the service {{service}}: its configuration, and what its handlers share. */
#pragma once
#include "app/daemon.h"
#include "app/rpc.h"
#include "{{name}}_rpc.gen.h"

struct {{name}}_config {
    struct sn_daemon_conf base; /* listen, timeout, ...: app/daemon.h */
    /* Add fields here, and to the table in service.c; etc/{{name}}.yaml has their values. */
};
/* Made by {{name}}_open before the first call, ended after the last: clients, pools, stores. A handler finds
 * it by {{name}}_ctx(call). */
struct {{name}}_ctx {
    const struct {{name}}_config *config;
};
static inline struct {{name}}_ctx *{{name}}_ctx(struct sn_grpc_call *call) { return call->arg; }

extern const struct sn_daemon_app {{name}}_app;
