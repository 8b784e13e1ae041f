/* SPDX-License-Identifier: Apache-2.0 */
/* bench/p99/server.c - one handler, two ways to hold its memory: bench/p99.sh.
 *
 *   p99-server malloc|arena ADDRESS DATASET
 *
 * A request builds ROWS small objects of mixed sizes (a decoded message, rows of a query), keeps
 * one in KEEP of them in a session table where it replaces an older one, waits for a backend, reads
 * READS pages of a dataset file and answers a checksum. `malloc` allocates every object by itself
 * and the table keeps the object; `arena` bumps them in a request arena and the table copies into a
 * slab. Nothing else differs. docs: bench/NOTES.md, "p99". */
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/rand.h"
#include "fiber/os.h"
#include "kit/http.h"

#define ROWS 1500u
#define ROW_MIN 64u
#define ROW_MAX 512u
#define KEEP 10u
#define SESSIONS (1u << 17)
#define READS 4u
#define PAGE 4096u
#define BACKEND_NS (2 * SN_MS)
#define ARENA_CHUNK (512u << 10)
#define ARENA_CHUNKS_KEPT 16u
#define CLASS 64u
#define CLASSES (ROW_MAX / CLASS + 1)

struct row {
    struct row *next;
    uint32_t len; /* of the whole object */
    char data[];
};
struct app {
    const char *mode, *addr;
    bool arena;
    int fd;
    uint64_t pages;
    struct row *sessions[SESSIONS];
    struct sn_arena_pool pool;
    struct row *slab_free[CLASSES];
    char *slab_cur, *slab_end;
    struct sn_rand rand;
    struct sn_http_server *server;
    struct sn_listener *listener;
};
static struct app app;

/* ---- the slab of arena mode: size classes of 64 bytes over 1 MiB blocks ---- */

static struct row *slab_take(uint32_t len)
{
    unsigned c = (len + CLASS - 1) / CLASS;
    struct row *r = app.slab_free[c];
    if (r) {
        app.slab_free[c] = r->next;
        return r;
    }
    if ((size_t)(app.slab_end - app.slab_cur) < c * CLASS) {
        app.slab_cur = sn_alloc(1u << 20);
        if (!app.slab_cur) return NULL;
        app.slab_end = app.slab_cur + (1u << 20);
    }
    r = (struct row *)app.slab_cur;
    app.slab_cur += c * CLASS;
    return r;
}

static void slab_give(struct row *r)
{
    unsigned c = (r->len + CLASS - 1) / CLASS;
    r->next = app.slab_free[c];
    app.slab_free[c] = r;
}

/* ---- the handler ---- */

static struct row *row_new(struct sn_arena *a, uint32_t len)
{
    struct row *r = app.arena ? sn_arena_alloc(a, len) : sn_alloc(len);
    if (!r) return NULL;
    r->len = len;
    memset(r->data, (int)len, len - sizeof(*r));
    return r;
}

/* Stores `r` in the session table. True: the table now owns `r` itself. */
static bool session_keep(struct row *r)
{
    struct row **slot = &app.sessions[sn_rand_below(&app.rand, SESSIONS)], *old = *slot;
    if (!app.arena) {
        sn_free(old);
        *slot = r;
        return true;
    }
    if (old) slab_give(old);
    *slot = slab_take(r->len);
    if (*slot) memcpy(*slot, r, r->len);
    return false;
}

static int read_page(void *arg)
{
    void **p = arg;
    return (int)pread(app.fd, p[0], PAGE, (off_t)(uintptr_t)p[1]);
}

/* From the page cache without leaving the thread; from the disk on the blocking pool. */
static int dataset_read(char *buf)
{
    off_t off = (off_t)(sn_rand_below(&app.rand, app.pages) * PAGE);
    struct iovec iov = {buf, PAGE};
    if (preadv2(app.fd, &iov, 1, off, RWF_NOWAIT) == (ssize_t)PAGE) return 0;
    void *args[2] = {buf, (void *)(uintptr_t)off};
    return sn_offload(read_page, args) == (int)PAGE ? 0 : SN_E_IO;
}

static int handle(struct sn_http_x *x, void *arg)
{
    struct sn_arena arena;
    sn_arena_init(&arena, &app.pool, 0);
    struct row *head = NULL;
    uint64_t sum = 0;
    int r = 0;
    for (unsigned i = 0; i < ROWS && r == 0; i++) {
        struct row *row =
            row_new(&arena, ROW_MIN + (uint32_t)sn_rand_below(&app.rand, ROW_MAX - ROW_MIN));
        if (!row) {
            r = SN_E_NOMEM;
            break;
        }
        sum += (uint8_t)row->data[0];
        if (i % KEEP == 0 && session_keep(row)) continue;
        row->next = head;
        head = row;
    }
    if (r == 0) r = sn_sleep(BACKEND_NS);
    char *page = sn_arena_alloc(x->arena, PAGE);
    if (!page) r = SN_E_NOMEM;
    for (unsigned i = 0; i < READS && r == 0; i++) {
        r = dataset_read(page);
        sum += (uint8_t)page[0];
    }
    while (!app.arena && head) {
        struct row *next = head->next;
        sn_free(head);
        head = next;
    }
    sn_arena_done(&arena);
    if (r < 0) return r;
    struct sn_str text = sn_arena_printf(x->arena, "%llu\n", (unsigned long long)sum);
    return sn_http_reply(x, 200, SN_STR("text/plain"), text);
}

/* ---- the program ---- */

static int serve(void *arg) { return sn_http_serve(app.server, app.listener); }

static int app_main(void *arg)
{
    struct sn_http_server_opts o = {.handler = handle};
    int r = sn_listen(app.addr, &(struct sn_listen_opts){0}, &app.listener);
    if (r < 0) return r;
    r = sn_http_server_new(&o, &app.server);
    if (r < 0) return r;
    struct sn_scope_storage mem;
    struct sn_scope *scope = sn_scope_begin(&mem);
    r = sn_scope_go(scope, "serve", serve, NULL);
    static const int stop[] = {SIGTERM, SIGINT, 0};
    if (r >= 0) r = sn_signal_wait(stop);
    sn_http_server_drain(app.server, SN_SEC);
    return sn_scope_end(scope);
}

int main(int argc, char **argv)
{
    struct stat st;
    if (argc != 4 || (app.fd = open(argv[3], O_RDONLY | O_CLOEXEC)) < 0 || fstat(app.fd, &st) < 0) {
        fprintf(stderr, "usage: p99-server malloc|arena ADDRESS DATASET\n");
        return 2;
    }
    app.mode = argv[1];
    app.addr = argv[2];
    app.arena = strcmp(argv[1], "arena") == 0;
    app.pages = (uint64_t)st.st_size / PAGE;
    /* A chunk that leaves the pool goes back to the kernel, in both modes alike. */
    mallopt(M_MMAP_THRESHOLD, 256 << 10);
    sn_arena_pool_init(&app.pool, ARENA_CHUNK, ARENA_CHUNKS_KEPT);
    sn_rand_seed(&app.rand, 1);
    posix_fadvise(app.fd, 0, 0, POSIX_FADV_RANDOM); /* read-ahead would hide the misses */
    int r = sn_rt_run(&(struct sn_rt_opts){.workers = 1}, app_main, NULL);
    if (r < 0) fprintf(stderr, "p99-server: %s\n", sn_diag_str(r));
    return r < 0;
}
