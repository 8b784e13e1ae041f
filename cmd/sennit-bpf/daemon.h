/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-bpf/daemon.h - the loader's Unix socket, after it has given its privileges away. */
#pragma once
#include "sennit-bpf/state.h"

#define TK_CONNS_MAX 16

struct tk_daemon_opts {
    const char *socket; /* path */
    const char *cgroup; /* whose connections are redirected: a gateway inside would call itself */
    unsigned uid;       /* may connect, beside root */
    unsigned run_as;    /* user and group from here on */
};

/* tk_daemon_run - listens, drops every privilege but CAP_BPF, prints a line on stdout, and serves
 * until SIGTERM, SIGINT or an END frame. Returns 0 or SN_E_*. */
int tk_daemon_run(struct tk_state *state, const struct tk_daemon_opts *o) SN_MUST_CHECK;
