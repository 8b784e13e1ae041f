/* SPDX-License-Identifier: Apache-2.0 */
/* torture/gateway_torture_test.c - what the gateway does while the k-th allocation, or the k-th system
 * call on a socket, fails: for k = 0, 1, 2, ... until a run passes untouched. Client, gateway and
 * upstreams are one process, so every side gets its turn. After each failure the same request must
 * work, and at the end nothing has leaked. */
#include <errno.h>
#include <sys/socket.h>

#include "fiber/net_int.h"
#include "gateway/rig_test.h"
#include "harness/test.h"

/* ---- what fails ----------------------------------------------------------------------------- */

static int64_t left; /* until the one that fails; < 0: none. Atomic: reloads allocate off the fibers */
static int how;      /* FAULTS' row; -1: allocations */

static const struct {
    const char *name;
    int err;         /* 0: a short write */
} faults[] = {{"reset", ECONNRESET}, {"no buffers", ENOBUFS}, {"no memory", ENOMEM},
              {"EMFILE", EMFILE},    {"ENFILE", ENFILE},      {"interrupted", EINTR},
              {"broken pipe", EPIPE}, {"short", 0}};

static bool my_turn(void) { return __atomic_fetch_sub(&left, 1, __ATOMIC_RELAXED) == 0; }

static bool alloc_fail(size_t size) { return my_turn(); }
static const struct sn_alloc_hooks alloc_hooks = {.fail = alloc_fail};

static bool call_fail(void)
{
    if (!faults[how].err || !my_turn()) return false;
    errno = faults[how].err;
    return true;
}
static int f_socket(int d, int t, int p) { return call_fail() ? -1 : socket(d, t, p); }
static int f_accept4(int fd, struct sockaddr *a, socklen_t *len, int flags)
{
    return call_fail() ? -1 : accept4(fd, a, len, flags);
}
static int f_connect(int fd, const struct sockaddr *a, socklen_t len)
{
    return call_fail() ? -1 : connect(fd, a, len);
}
static ssize_t f_recv(int fd, void *buf, size_t n, int flags)
{
    return call_fail() ? -1 : recv(fd, buf, n, flags);
}
static ssize_t f_send(int fd, const void *buf, size_t n, int flags)
{
    if (call_fail()) return -1;
    return send(fd, buf, !faults[how].err && my_turn() ? SN_MIN(n, (size_t)3) : n, flags);
}
static ssize_t f_sendmsg(int fd, const struct msghdr *m, int flags)
{
    if (call_fail()) return -1;
    if (faults[how].err || !my_turn()) return sendmsg(fd, m, flags);
    return send(fd, m->msg_iov[0].iov_base, SN_MIN(m->msg_iov[0].iov_len, (size_t)3), flags);
}
static const struct sn_sock_sys call_hooks = {.socket = f_socket,   .accept4 = f_accept4,
                                              .connect = f_connect, .recv = f_recv,
                                              .send = f_send,       .sendmsg = f_sendmsg};

static void arm(int64_t k)
{
    __atomic_store_n(&left, k, __ATOMIC_RELAXED);
    if (how < 0)
        sn_alloc_set_hooks(&alloc_hooks);
    else
        sn_sock_sys_set(&call_hooks);
}
/* Returns whether nothing has failed. */
static bool disarm(void)
{
    sn_alloc_set_hooks(NULL);
    sn_sock_sys_set(NULL);
    return __atomic_load_n(&left, __ATOMIC_RELAXED) >= 0;
}

/* ---- what is done meanwhile ----------------------------------------------------------------- */

static const char config[] =
    "listeners: [{name: web, address: '127.0.0.1:0'}]\n"
    "upstreams:\n"
    "- {name: one, endpoints: [{address: '@0'}]}\n"
    "- {name: two, h2: true, endpoints: [{address: '@0'}]}\n"
    "routes:\n"
    "- {name: one, match: [{prefix: /one}], proxy: {to: [{upstream: one}]}}\n"
    "- {name: two, match: [{prefix: /two}], proxy: {to: [{upstream: two}]}}\n"
    "- {name: files, match: [{prefix: /files}], static: {root: '%s'}}\n"
    "- {name: fixed, match: [{prefix: /fixed}], respond: {body: fixed}}\n"
    "compress: {bytes_min: 1KiB}\n"
    "access_log: {format: json, path: '%s/access.log'}\n";
static char config_of_dir[2000];

static int ws_or_echo(struct sn_http_x *x, void *arg)
{
    struct sn_ws *ws;
    struct sn_buf m = {0};
    if (!sn_str_ends(x->req.path, S("/ws"))) return echo(x, arg);
    int r = sn_ws_accept(x, NULL, &ws);
    if (r < 0) return r;
    while ((r = sn_ws_read(ws, &m)) > 0)
        if (sn_ws_write(ws, (enum sn_ws_kind)r, sn_buf_view(&m)) < 0) break;
    sn_buf_done(&m);
    sn_ws_close(ws, 1000, (struct sn_str){0});
    return 0;
}

struct step {
    const char *path;
    enum { GET, POST, STREAM, WS, RELOAD } kind;
};
static const struct step steps[] = {{"/fixed", GET},    {"/one/x", GET},     {"/two/x", GET},
                                    {"/one/x", POST},   {"/two/x", POST},    {"/one/x", STREAM},
                                    {"/two/x", STREAM},  {"/files/big", GET}, {"/one/ws", WS},    {"/two/ws", WS},     {"/fixed", RELOAD}};

/* Returns 0 where all is well, SN_E_*, or a status that is not 200. */
static int do_ws(struct rig *g, const char *path)
{
    char url[160];
    struct sn_ws *ws;
    struct sn_buf m = {0};
    snprintf(url, sizeof(url), "ws://%s%s", g->addr, path);
    int r = sn_ws_dial(g->client, sn_str(url), NULL, &ws);
    if (r < 0) return r;
    r = sn_ws_write(ws, SN_WS_TEXT, S("through"));
    if (r >= 0) r = sn_ws_read(ws, &m);
    if (r >= 0) T_STR(sn_buf_view(&m), "through");
    sn_buf_done(&m);
    sn_ws_close(ws, 1000, (struct sn_str){0});
    return r < 0 ? r : 0;
}

static char upload[40000];

static int do_ask(struct rig *g, const struct step *s)
{
    static const struct sn_http_header gz = {SN_STR_INIT("Accept-Encoding"), SN_STR_INIT("gzip")};
    struct answer a = {0};
    struct sn_str body = s->kind == POST ? sn_str_of(upload, sizeof(upload)) : (struct sn_str){0};
    int r = ask(g, s->kind == POST ? "POST" : "GET", s->path, &gz, s->kind == GET, body, &a);
    if (r < 0) return r;
    if (a.status == 200 && s->kind == POST) T_ASSERT(a.text.len > sizeof(upload));
    DONE(a);
    return a.status == 200 ? 0 : a.status;
}

/* A body of unknown length, sent by a fiber of its own. */
static ssize_t pull(void *arg, void *buf, size_t cap)
{
    size_t *n = arg, take = SN_MIN(*n, cap);
    memset(buf, 's', take);
    *n -= take;
    return (ssize_t)take;
}
static int do_stream(struct rig *g, const char *path)
{
    char url[160];
    size_t n = 100000;
    struct sn_http_resp *resp;
    struct sn_str text;
    snprintf(url, sizeof(url), "http://%s%s", g->addr, path);
    struct sn_http_call call = {.method = S("POST"), .url = sn_str(url), .body_fn = pull,
                                .body_arg = &n, .body_length = -1};
    int r = sn_http_do(g->client, &call, &resp);
    if (r < 0) return r;
    int status = resp->status;
    r = sn_http_resp_all(resp, 1 << 20, &text);
    if (r == 0 && status == 200) T_ASSERT(text.len > 100000);
    sn_http_resp_close(resp);
    return r < 0 ? r : status == 200 ? 0 : status;
}

static int do_reload(struct rig *g)
{
    struct sn_buf text = {0};
    config_text(&text, config_of_dir, g);
    int r = text.err < 0 ? text.err : sn_gateway_set_text(g->gw, sn_buf_view(&text));
    sn_buf_done(&text);
    return r;
}

static int do_step(struct rig *g, const struct step *s)
{
    int64_t prev = sn_deadline_tighten(sn_now() + 20 * SN_SEC);
    int r = 0;
    switch (s->kind) {
    case GET:
    case POST: r = do_ask(g, s); break;
    case STREAM: r = do_stream(g, s->path); break;
    case WS: r = do_ws(g, s->path); break;
    case RELOAD: r = do_reload(g); break;
    }
    sn_deadline_restore(prev);
    return r;
}

static int torture(struct rig *g)
{
    for (size_t i = 0; i < SN_COUNT_OF(steps); i++)
        for (int k = 0;; k++) {
            const struct step *s = &steps[i];
            static const char *const kinds[] = {"GET", "POST", "stream to", "WebSocket", "reload, then"};
            sn_test_row("%s %s: %s %d", kinds[s->kind], s->path,
                        how < 0 ? "allocation" : faults[how].name, k);
            T_ASSERT(k < 3000);
            arm(k);
            int r = do_step(g, s);
            bool untouched = disarm();
            T_ASSERTF(r != SN_E_DEADLINE_EXCEEDED && r != 504, "hangs: %d", r);
            if (untouched) {
                T_EQ(r, 0);
                break;
            }
            /* What broke may be noticed by the next one only where that cannot be sent again. */
            r = do_step(g, s);
            for (int again = 0; r != 0 && again < 3; again++) r = do_step(g, s);
            T_EQ(r, 0);
        }
    return 0;
}

static int torture_main(void *arg)
{
    struct rig *g = calloc(1, sizeof(*g));
    struct sn_scope_storage mem;
    (void)sn_scope_begin(&mem);
    g->co.idle_per_addr_max = 1;
    upstream_start(&g->up[0], "zero", ws_or_echo);
    rig_start(g, config_of_dir);
    int first = arg ? 0 : -1, end = arg ? (int)SN_COUNT_OF(faults) : 0;
    for (how = first; how < end; how++) T_OK(torture(g));
    rig_stop(g);
    T_OK(sn_scope_end(sn_scope_current()));
    free(g);
    return 0;
}

static void run(void *calls)
{
    char path[600];
    const char *dir = sn_test_tmpdir();
    snprintf(path, sizeof(path), "%s/big", dir);
    FILE *f = fopen(path, "w");
    T_ASSERT(f != NULL);
    for (int i = 0; i < 20000; i++) fprintf(f, "line %d\n", i);
    fclose(f);
    memset(upload, 'u', sizeof(upload));
    snprintf(config_of_dir, sizeof(config_of_dir), config, dir, dir);
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, torture_main, calls));
}
SN_TEST_SLOW(gateway_survives_every_failed_allocation, 200) { run(NULL); }
SN_TEST_SLOW(gateway_survives_every_failed_call, 200) { run(&left); }
