/* SPDX-License-Identifier: Apache-2.0 */
/* shim/serve.c - the shim's own process, from its socket to its end. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "clusters/shim/shim_int.h"
#include "core/alloc.h"
#include "fiber/wait.h"

void shim_log(const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text) - 1, fmt, ap);
    va_end(ap);
    if (n < 0) return;
    n = SN_MIN(n, (int)sizeof(text) - 2);
    text[n++] = '\n';
    /* The log is a fifo of containerd's; one that nobody reads must not stop us. */
    if (write(STDERR_FILENO, text, (size_t)n) < 0) return;
}

static void open_log(void)
{
    int fd = open("log", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return;
    dup2(fd, STDERR_FILENO);
    close(fd);
}

/* ---- at rest -----------------------------------------------------------------------------------
 */

/* A shim works for milliseconds and rests for days, beside hundreds like it. A moment after its
 * last call it gives back what calls have left: the heap's free pages, and its claim on those of
 * the program, which stay in the page cache and are mapped again when they are run. */
#define QUIET_NS (1 * SN_SEC)

static void program_release(void)
{
    const ElfW(Phdr) *ph = (const void *)getauxval(AT_PHDR);
    uintptr_t base = 0, page = (uintptr_t)sysconf(_SC_PAGESIZE);
    size_t n = getauxval(AT_PHNUM);
    for (size_t i = 0; i < n; i++)
        if (ph[i].p_type == PT_PHDR) base = (uintptr_t)ph - ph[i].p_vaddr;
    for (size_t i = 0; i < n; i++) {
        if (ph[i].p_type != PT_LOAD || (ph[i].p_flags & PF_W)) continue;
        uintptr_t lo = (base + ph[i].p_vaddr) & ~(page - 1);
        uintptr_t hi = (base + ph[i].p_vaddr + ph[i].p_memsz + page - 1) & ~(page - 1);
        if (madvise((void *)lo, hi - lo, MADV_DONTNEED) < 0) return;
    }
}

/* A shim whose containerd was killed before it had asked for anything would wait for ever: nobody
 * knows of it. Without a container, a sandbox and a connection it ends after a while. */
#define ORPHAN_NS (10 * SN_SEC)

static struct {
    struct sn_timer quiet, orphan;
    struct shim *s;
} rest;

/* How often a shim looks for orphans while a container of it shares its pid namespace. */
#define ORPHANS_NS (5 * SN_SEC)

static void quiet_fired(struct sn_timer *t)
{
    struct shim *s = rest.s;
    if (s->tasks && sn_task_host_reap(s->tasks))
        sn_timer_arm(t, sn_now() + ORPHANS_NS, quiet_fired);
    malloc_trim(0);
    program_release();
}

static void orphan_fired(struct sn_timer *t)
{
    struct shim *s = rest.s;
    if (s->n_containers || s->sandbox_id)
        return; /* the reply that removes the last one begins anew */
    if (sn_ttrpc_server_conns(s->server))
        sn_timer_arm(t, sn_now() + ORPHAN_NS, orphan_fired);
    else
        sn_ttrpc_server_stop(s->server);
}

static void rest_begin(void *arg)
{
    sn_timer_arm(&rest.quiet, sn_now() + QUIET_NS, quiet_fired);
    sn_timer_arm(&rest.orphan, sn_now() + ORPHAN_NS, orphan_fired);
}

static void state_free(struct shim *s)
{
    sn_task_host_close(s->tasks);
    while (!sn_list_empty(&s->containers)) {
        struct shim_container *k = SN_LIST_ENTRY(s->containers.next, struct shim_container, link);
        sn_list_del(&k->link);
        sn_arena_done(&k->arena);
        sn_free(k);
    }
    shim_flush(s);
    sn_cgroup_host_done(&s->cgroups);
    if (s->protect_fd >= 0) close(s->protect_fd);
    sn_free(s->sandbox_id);
    sn_free(s->root);
}

struct serve {
    const struct sn_shim_opts *o;
    int fd, line;
    const char *socket;
};

static int serve_main(void *arg)
{
    struct serve *v = arg;
    struct shim s = {.id = v->o->id, .ns = v->o->ns, .ttrpc_address = v->o->ttrpc_address};
    struct sn_listener *l;
    char addr[128];
    sn_list_init(&s.containers);
    sn_list_init(&s.events);
    int r = sn_cgroup_probe(&s.cgroups, NULL);
    if (r < 0) return r;
    s.protect_fd = sn_oci_protect_open();
    snprintf(addr, sizeof(addr), "unix:%s", v->socket);
    r = sn_listen(addr, &(struct sn_listen_opts){.fd = v->fd}, &l);
    if (r >= 0) {
        r = sn_ttrpc_server_new(&s.server);
        if (r >= 0) r = sn_ttrpc_server_add(s.server, &shim_task_v2, &s);
        if (r >= 0) r = sn_ttrpc_server_add(s.server, &shim_task_v3, &s);
        if (r >= 0) r = sn_ttrpc_server_add(s.server, &shim_sandbox, &s);
        if (r >= 0) {
            rest.s = &s;
            sn_ttrpc_server_on_reply(s.server, rest_begin, NULL);
            rest_begin(NULL);
            if (shim_start_said(v->line)) r = sn_ttrpc_server_run(s.server, l);
        }
        sn_timer_cancel(&rest.quiet);
        sn_timer_cancel(&rest.orphan);
        sn_listener_close(l);
        sn_ttrpc_server_free(s.server);
    }
    unlink(v->socket);
    state_free(&s);
    return r;
}

int shim_serve(const struct sn_shim_opts *o, int listen_fd, int line, const char *socket)
{
    open_log();
    prctl(PR_SET_NAME, "containerd-shim");
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    /* The end of a shim is Shutdown, or SIGKILL: whoever means the container signals that. */
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, 64 << 10);
    mallopt(M_TRIM_THRESHOLD, 32 << 10);
    struct serve v = {o, listen_fd, line, socket};
    int r = sn_rt_run(&(struct sn_rt_opts){.workers = 1}, serve_main, &v);
    if (r < 0) shim_log("shim %s: %s", o->id, sn_diag_str(r));
    return r < 0;
}
