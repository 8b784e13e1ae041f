/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/zk_progress.c - the progress line of the zk commands, see zk_cmd.h. */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fiber/fiber.h"
#include "sennit/zk_cmd.h"

#define TICK_MS 100
#define BAR 24

/* A process runs one command, so there is one line. */
static struct {
    pthread_t thread;
    int stop_fd;
    bool running, verbose;
    int64_t start_ns, stage_ns;
    _Atomic(const char *) stage;
    _Atomic size_t jobs, done;
} line;

static void draw(struct sn_progress *p)
{
    char text[96];
    size_t jobs = atomic_load_explicit(&line.jobs, memory_order_relaxed);
    size_t done = atomic_load_explicit(&line.done, memory_order_relaxed);
    double seconds = (double)(sn_now() - line.start_ns) / 1e9;
    const char *stage = atomic_load_explicit(&line.stage, memory_order_relaxed);
    int filled = jobs ? (int)(SN_MIN(done, jobs) * BAR / jobs) : 0;
    if (jobs)
        (void)snprintf(text, sizeof(text), "%-18s [%.*s%*s] %6.1f s", stage, filled,
                       "########################", BAR - filled, "", seconds);
    else
        (void)snprintf(text, sizeof(text), "%-18s %6.1f s", stage, seconds);
    sn_progress_text(p, text);
}

static void *loop(void *unused)
{
    struct sn_progress p;
    sn_progress_begin(&p, "", 0);
    struct pollfd fd = {.fd = line.stop_fd, .events = POLLIN};
    while (poll(&fd, 1, TICK_MS) == 0) draw(&p); /* banned: a thread of its own, no runtime */
    sn_progress_end(&p);
    return NULL;
}

static void count(size_t n, size_t done)
{
    if (n) atomic_fetch_add_explicit(&line.jobs, n, memory_order_relaxed);
    if (done) atomic_fetch_add_explicit(&line.done, done, memory_order_relaxed);
}

void zk_progress_begin(const char *stage)
{
    line.start_ns = line.stage_ns = sn_now();
    zk_progress_stage(stage);
    if (!isatty(2) || line.running) return;
    line.stop_fd = eventfd(0, EFD_CLOEXEC);
    if (line.stop_fd < 0) return;
    zk_par_progress = count;
    line.running = pthread_create(&line.thread, NULL, loop, NULL) == 0;
    if (!line.running) (void)close(line.stop_fd);
}

void zk_progress_verbose(bool on) { line.verbose = on; }

/* Under --verbose the step that ends is said. */
static void say_stage(void)
{
    const char *stage = atomic_load_explicit(&line.stage, memory_order_relaxed);
    int64_t now = sn_now();
    zk_progress_clear();
    fprintf(stderr, "%-18s %9.3f ms\n", stage, (double)(now - line.stage_ns) / 1e6);
    line.stage_ns = now;
}

void zk_progress_stage(const char *stage)
{
    if (line.verbose) say_stage();
    atomic_store_explicit(&line.stage, stage, memory_order_relaxed);
    atomic_store_explicit(&line.jobs, 0, memory_order_relaxed);
    atomic_store_explicit(&line.done, 0, memory_order_relaxed);
}

void zk_progress_clear(void)
{
    if (line.running) fputs("\r\x1b[K", stderr);
}

void zk_progress_end(void)
{
    if (line.verbose) say_stage();
    line.verbose = false;
    if (!line.running) return;
    uint64_t one = 1;
    (void)!write(line.stop_fd, &one, sizeof(one));
    (void)pthread_join(line.thread, NULL);
    (void)close(line.stop_fd);
    line.running = false;
}
