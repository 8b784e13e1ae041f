/* SPDX-License-Identifier: Apache-2.0 */
#include "exhibit/anvil.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "fiber/net.h"

#define READY_NS_MAX (20 * SN_SEC)

/* npm's `anvil` is a script around the program itself, which a SIGKILL of the script would leave
 * behind. So the node is ended by SIGTERM, also when whoever started us has died: the script passes
 * it on. */
static volatile pid_t child;
static void pass_on(int sig)
{
    if (child) kill(child, SIGTERM);
    signal(sig, SIG_DFL);
    raise(sig);
}

static int free_port(unsigned *port)
{
    char addr[64];
    struct sn_listener *l;
    snprintf(addr, sizeof(addr), "127.0.0.1:%u", *port);
    int r = sn_listen(addr, NULL, &l);
    if (r == SN_E_ALREADY_EXISTS)
        return sn_fail(r, "port %u, where anvil is to listen, is in use by another program", *port);
    if (r < 0) return r;
    r = sn_listener_addr(l, addr, sizeof(addr));
    sn_listener_close(l);
    uint64_t n = 0;
    struct sn_str text = sn_str(addr);
    if (r >= 0) r = sn_str_to_u64(sn_str_from(text, (size_t)(sn_str_rchr(text, ':') + 1)), &n);
    *port = (unsigned)n;
    return r < 0 ? r : 0;
}

static int wait_ready(struct anvil *a)
{
    int r = SN_E_UNAVAILABLE;
    for (int64_t until = sn_now() + READY_NS_MAX; sn_now() < until;) {
        struct sn_arena arena;
        const struct sn_json *v;
        sn_arena_init(&arena, NULL, 0);
        r = sn_eth_call(a->rpc, &arena, &v, NULL, "eth_chainId", "[]");
        sn_arena_done(&arena);
        if (r >= 0 || r == SN_E_CANCELLED) return r;
        int64_t prev = sn_deadline_tighten(sn_now() + 50 * SN_MS);
        int code = 0, ended = sn_proc_wait(&a->proc, &code);
        sn_deadline_restore(prev);
        if (ended >= 0) return sn_fail(SN_E_UNAVAILABLE, "anvil ended with status %d", code);
        if (ended == SN_E_CANCELLED) return ended;
    }
    return sn_fail(SN_E_UNAVAILABLE, "anvil did not answer within %lld s",
                   (long long)(READY_NS_MAX / SN_SEC));
}

int anvil_start(struct anvil *a, unsigned port)
{
    char number[16];
    const char *argv[] = {"anvil", "--silent", "--host", "127.0.0.1", "--port", number, NULL};
    *a = (struct anvil){0};
    int r = free_port(&port);
    if (r < 0) return r;
    snprintf(number, sizeof(number), "%u", port);
    snprintf(a->url, sizeof(a->url), "http://127.0.0.1:%u", port);
    signal(SIGTERM, pass_on);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    struct sn_eth_opts eo = {.url = sn_str(a->url), .retries_max = 1};
    r = sn_eth_open(&eo, &a->rpc);
    if (r < 0) return r;
    struct sn_proc_opts o = {.argv = argv, .fds = {-1, -1, -2}};
    r = sn_proc_start(&o, &a->proc);
    child = r < 0 ? 0 : a->proc.pid;
    if (r >= 0) r = wait_ready(a);
    if (r < 0) anvil_stop(a);
    return r;
}

void anvil_stop(struct anvil *a)
{
    int code;
    if (a->proc.pid) {
        child = 0;
        (void)sn_proc_signal(&a->proc, SIGTERM);
        int64_t prev = sn_deadline_tighten(sn_now() + 5 * SN_SEC);
        if (sn_proc_wait(&a->proc, &code) == SN_E_DEADLINE_EXCEEDED)
            (void)sn_proc_signal(&a->proc, SIGKILL);
        sn_deadline_restore(prev);
    }
    sn_eth_close(a->rpc);
    *a = (struct anvil){0};
}
