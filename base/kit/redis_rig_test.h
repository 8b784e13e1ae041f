/* SPDX-License-Identifier: Apache-2.0 */
/* kit/redis_rig_test.h - a real redis-server on a Unix socket, for tests. */
#pragma once
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "fiber/net.h"
#include "fiber/os.h"
#include "kit/redis.h"

#define RIG_PASSWORD "open sesame"

struct redis_rig {
    struct sn_proc proc;
    char sock[200], addr[210];
};

static inline void rig_start(struct redis_rig *g)
{
    snprintf(g->sock, sizeof(g->sock), "%s/r.sock", sn_test_tmpdir());
    snprintf(g->addr, sizeof(g->addr), "unix:%s", g->sock);
    const char *argv[] = {"redis-server", "--port", "0", "--unixsocket", g->sock, "--requirepass",
                          RIG_PASSWORD,   "--save", "",  "--appendonly", "no",    NULL};
    int r = sn_proc_start(&(struct sn_proc_opts){.argv = argv,
                                                 .fds = {-1, -1, -1},
                                                 .die_with_parent = true},
                          &g->proc);
    if (r == SN_E_NOT_FOUND) sn_test_skip("redis-server is not installed");
    T_OK(r);
    for (int i = 0; i < 500; i++) {
        struct sn_stream *st;
        if (sn_dial(g->addr, NULL, &st) == 0) {
            sn_stream_close(st);
            return;
        }
        T_OK(sn_sleep(10 * SN_MS));
    }
    sn_test_fail(__FILE__, __LINE__, "redis-server did not come up");
}

static inline void rig_stop(struct redis_rig *g)
{
    int code;
    sn_proc_signal(&g->proc, SIGKILL);
    T_OK(sn_proc_wait(&g->proc, &code));
    unlink(g->sock);
}

/* call_ns: long where a slow machine must not decide. */
static inline struct sn_redis *rig_client(struct redis_rig *g, int64_t call_ns)
{
    struct sn_redis *r;
    T_OK(sn_redis_new(&(struct sn_redis_opts){.addr = g->addr,
                                              .password = SN_STR(RIG_PASSWORD),
                                              .call_ns_max = call_ns},
                      &r));
    return r;
}
