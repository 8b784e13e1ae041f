/* SPDX-License-Identifier: Apache-2.0 */
/* sennit serve - a small real HTTP server: the upstreams of the tour, and a peer for benches. */
#include <fcntl.h>
#include <linux/openat2.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/enc.h"
#include "fiber/os.h"
#include "kit/debug.h"
#include "kit/http.h"
#include "kit/prof.h"
#include "sennit/commands.h"
#include "wire/json.h"

/* A body of more than this is not made up by /bytes, kept by /echo, or asked for by --body-bytes.
 */
#define BODY_MAX (64u << 20)
#define SLOW_MS_MAX 60000u
/* Exponential latencies are cut here, so that one request cannot last for hours. */
#define LATENCY_TIMES_MAX 20.0

struct serve_opts {
    struct sn_str listen, name, instance, dir, debug;
    int64_t latency, grace;
    double error_percent;
    uint64_t body_bytes, workers;
    bool plain, io_uring;
};
static const struct sn_conf_field fields[] = {
    SN_CONF_STRING(struct serve_opts, listen, "listen", .letter = 'l', .def = "127.0.0.1:8081",
                   .metavar = "ADDRESS", .help = "Where to listen; port 0 takes a free one."),
    SN_CONF_STRING(struct serve_opts, name, "name", .def = "serve",
                   .help = "Name of the service, in answers."),
    SN_CONF_STRING(struct serve_opts, instance, "instance",
                   .help = "Name of this instance; by default the address."),
    SN_CONF_DURATION(struct serve_opts, latency, "latency", .max = 60000000000,
                     .help = "Mean of an exponentially distributed delay before each answer."),
    SN_CONF_DOUBLE(struct serve_opts, error_percent, "error-percent", .max_real = 100,
                   .metavar = "P", .help = "Share of the requests that are answered with 503."),
    SN_CONF_BYTES(struct serve_opts, body_bytes, "body-bytes", .max = BODY_MAX,
                  .help = "Pad the answer of / to this size."),
    SN_CONF_STRING(struct serve_opts, dir, "dir", .metavar = "FOLDER",
                   .help = "Serve the files below this folder at /files/."),
    SN_CONF_STRING(struct serve_opts, debug, "debug", .metavar = "ADDRESS",
                   .help = "Serve /debug/pprof/, /metrics and /healthz there, profiles to loopback "
                           "only; switches profiling on."),
    SN_CONF_BOOL(struct serve_opts, plain, "plain",
                 .help = "Answer every request with Hello, World!"),
    SN_CONF_UINT(struct serve_opts, workers, "workers", .letter = 'w', .max = 1024,
                 .help = "Worker threads; 0 = one per processor."),
    SN_CONF_BOOL(struct serve_opts, io_uring, "io-uring",
                 .help = "Learn of readiness by io_uring instead of epoll, where the kernel has it."),
    SN_CONF_DURATION(struct serve_opts, grace, "grace", .def = "5s",
                     .help = "How long requests in flight may take after SIGTERM."),
};
static const struct sn_conf_table table = SN_CONF_TABLE(struct serve_opts, fields);

struct serve {
    const struct serve_opts *o;
    struct sn_str instance;
    char addr[SN_ADDR_TEXT_MAX + 8];
    const char *dir, *debug; /* NULL = none */
    int dir_fd; /* -1 without --dir */
    _Atomic uint64_t served;
    struct sn_http_server *server;
    struct sn_listener *listener;
};

/* ---- answers ---- */

static int reply_text(struct sn_http_x *x, int status, struct sn_str text)
{
    return sn_http_reply(x, status, SN_STR("text/plain; charset=utf-8"), text);
}

static int reply_root(struct serve *s, struct sn_http_x *x)
{
    struct sn_buf b;
    sn_buf_init(&b, BODY_MAX + 4096);
    sn_buf_cstr(&b, "{\"service\":");
    sn_json_write_string(&b, s->o->name);
    sn_buf_cstr(&b, ",\"instance\":");
    sn_json_write_string(&b, s->instance);
    sn_buf_cstr(&b, ",\"path\":");
    sn_json_write_string(&b, x->req.path);
    sn_buf_printf(&b, ",\"served\":%llu,\"pid\":%d",
                  (unsigned long long)atomic_load_explicit(&s->served, memory_order_relaxed),
                  (int)getpid());
    if (b.len + 12 < s->o->body_bytes) {
        size_t pad = (size_t)s->o->body_bytes - b.len - 12;
        sn_buf_cstr(&b, ",\"pad\":\"");
        if (sn_buf_reserve(&b, pad) == 0) {
            memset(b.ptr + b.len, '.', pad);
            b.len += pad;
        }
        sn_buf_byte(&b, '"');
    }
    sn_buf_cstr(&b, "}\n");
    int r = b.err;
    if (r >= 0) r = sn_http_reply(x, 200, SN_STR("application/json"), sn_buf_view(&b));
    sn_buf_done(&b);
    return r;
}

/* The value of `name` in a query of plain numbers. */
static bool query_u64(struct sn_str query, const char *name, uint64_t *ret)
{
    while (query.ptr) {
        struct sn_str value = sn_str_cut(&query, '&'), key = sn_str_cut(&value, '=');
        if (sn_str_eqc(key, name)) return value.ptr && sn_str_to_u64(value, ret) == 0;
    }
    return false;
}

static int reply_slow(struct sn_http_x *x)
{
    uint64_t ms;
    if (!query_u64(x->req.query, "ms", &ms) || ms > SLOW_MS_MAX)
        return reply_text(x, 400, SN_STR("expected ?ms=N, at most 60000\n"));
    int r = sn_sleep((int64_t)ms * SN_MS);
    return r < 0 ? r : reply_text(x, 200, SN_STR("done\n"));
}

static int reply_bytes(struct sn_http_x *x, struct sn_str count)
{
    static const char block[4096];
    uint64_t n;
    if (sn_str_to_u64(count, &n) < 0 || n > BODY_MAX)
        return reply_text(x, 400, SN_STR("expected /bytes/N, at most 67108864\n"));
    int r = sn_http_header_add(x, SN_STR("content-type"), SN_STR("application/octet-stream"));
    if (r >= 0) r = sn_http_start(x, 200, (int64_t)n);
    while (r >= 0 && n) {
        size_t part = SN_MIN(n, sizeof(block));
        r = sn_http_write(x, sn_str_of(block, part));
        n -= part;
    }
    return r < 0 ? r : sn_http_end(x);
}

static int reply_echo(struct sn_http_x *x)
{
    char part[2048];
    struct sn_str type = sn_http_headers_get(&x->req.headers, SN_STR("content-type"));
    if (!type.ptr) type = SN_STR("application/octet-stream");
    int r = sn_http_header_add(x, SN_STR("content-type"), type);
    if (r >= 0) r = sn_http_start(x, 200, x->req.content_length);
    for (;;) {
        ssize_t n = r < 0 ? r : sn_http_body_read(x, part, sizeof(part));
        if (n < 0) return (int)n;
        if (n == 0) return sn_http_end(x);
        r = sn_http_write(x, sn_str_of(part, (size_t)n));
    }
}

static int echo_messages(struct sn_http_x *x)
{
    struct sn_ws *ws;
    struct sn_ws_opts o = {.message_bytes_max = 1 << 20};
    int r = sn_ws_accept(x, &o, &ws);
    if (r < 0) return r;
    struct sn_buf message;
    sn_buf_init(&message, 0);
    while ((r = sn_ws_read(ws, &message)) >= 0) {
        r = sn_ws_write(ws, (enum sn_ws_kind)r, sn_buf_view(&message));
        if (r < 0) break;
    }
    sn_buf_done(&message);
    sn_ws_close(ws, r == SN_E_CANCELLED ? 1001 : 1000, SN_STR(""));
    return 0;
}

/* ---- files ---- */

static struct sn_str type_of(struct sn_str path)
{
    static const struct {
        const char *ext;
        struct sn_str type;
    } types[] = {
        {".html", SN_STR_INIT("text/html; charset=utf-8")},
        {".css", SN_STR_INIT("text/css; charset=utf-8")},
        {".js", SN_STR_INIT("text/javascript; charset=utf-8")},
        {".json", SN_STR_INIT("application/json")},
        {".txt", SN_STR_INIT("text/plain; charset=utf-8")},
        {".svg", SN_STR_INIT("image/svg+xml")},
        {".png", SN_STR_INIT("image/png")},
    };
    for (size_t i = 0; i < SN_COUNT_OF(types); i++)
        if (sn_str_ends(path, sn_str(types[i].ext))) return types[i].type;
    return SN_STR("application/octet-stream");
}

struct open_call {
    int dir_fd, fd;
    const char *path;
    struct stat st;
};
/* The kernel keeps "..", absolute paths and links inside the folder. */
static int open_below(void *arg)
{
    struct open_call *c = arg;
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    c->fd = (int)syscall(SYS_openat2, c->dir_fd, c->path, &how, sizeof(how));
    if (c->fd < 0 || fstat(c->fd, &c->st) < 0 || !S_ISREG(c->st.st_mode)) {
        if (c->fd >= 0) close(c->fd);
        return SN_E_NOT_FOUND;
    }
    return 0;
}

static int reply_file(struct serve *s, struct sn_http_x *x, struct sn_str rest)
{
    char *path = sn_arena_alloc(x->arena, rest.len + 1);
    if (!path) return SN_E_NOMEM;
    ssize_t n = sn_pct_decode(rest, false, path);
    if (n <= 0 || memchr(path, 0, (size_t)n)) return reply_text(x, 404, SN_STR("not found\n"));
    path[n] = 0;
    struct open_call c = {.dir_fd = s->dir_fd, .path = path};
    int r = sn_offload(open_below, &c);
    if (r == SN_E_NOT_FOUND) return reply_text(x, 404, SN_STR("not found\n"));
    if (r < 0) return r;
    r = sn_http_header_add(x, SN_STR("content-type"), type_of(sn_str_of(path, (size_t)n)));
    if (r >= 0) r = sn_http_start(x, 200, c.st.st_size);
    if (r >= 0 && x->req.method != SN_HTTP_HEAD) r = sn_http_send_file(x, c.fd, 0, c.st.st_size);
    if (r >= 0) r = sn_http_end(x);
    close(c.fd);
    return r;
}

/* ---- the server ---- */

/* A uniform number in (0, 1]. */
static double uniform(void) { return (double)((sn_random() >> 11) + 1) * 0x1p-53; }

static int handle(struct sn_http_x *x, void *arg)
{
    struct serve *s = arg;
    atomic_fetch_add_explicit(&s->served, 1, memory_order_relaxed);
    if (s->o->plain) return sn_http_reply(x, 200, SN_STR("text/plain"), SN_STR("Hello, World!"));
    if (sn_str_eqc(x->req.path, "/healthz")) return reply_text(x, 200, SN_STR("ok\n"));
    if (s->o->latency) {
        double times = SN_MIN(-log(uniform()), LATENCY_TIMES_MAX);
        int r = sn_sleep((int64_t)((double)s->o->latency * times));
        if (r < 0) return r;
    }
    if (s->o->error_percent > 0 && uniform() * 100 <= s->o->error_percent)
        return reply_text(x, 503, SN_STR("this instance fails now and then, on purpose\n"));
    struct sn_str path = x->req.path;
    if (sn_str_eqc(path, "/slow")) return reply_slow(x);
    if (sn_str_starts(path, SN_STR("/bytes/"))) return reply_bytes(x, sn_str_from(path, 7));
    if (sn_str_eqc(path, "/echo")) return reply_echo(x);
    if (sn_str_eqc(path, "/ws")) return echo_messages(x);
    if (s->dir_fd >= 0 && sn_str_starts(path, SN_STR("/files/")))
        return reply_file(s, x, sn_str_from(path, 7));
    return reply_root(s, x);
}

static int accept_main(void *arg)
{
    struct serve *s = arg;
    return sn_http_serve(s->server, s->listener);
}

static int serve_until_signal(struct serve *s)
{
    struct sn_scope_storage mem;
    struct sn_scope *scope = sn_scope_begin(&mem);
    int r = sn_scope_go(scope, "accept", accept_main, s);
    if (r >= 0) {
        printf("%.*s listens on http://%s/\n", SN_STR_ARG(s->o->name), s->addr);
        fflush(stdout);
        /* Cancelled when serving failed. */
        r = sn_signal_wait((const int[]){SIGTERM, SIGINT, 0});
        int64_t cut = sn_http_server_drain(s->server, s->o->grace);
        if (cut > 0)
            fprintf(stderr, "%.*s: %lld connections cut\n", SN_STR_ARG(s->o->name), (long long)cut);
    }
    int end = sn_scope_end(scope);
    return end < 0 ? end : SN_MIN(r, 0);
}

static int serve_main(void *arg)
{
    struct serve *s = arg;
    struct sn_http_server_opts o = {.handler = handle,
                                    .arg = s,
                                    .server_name = "sennit",
                                    .body_bytes_max = BODY_MAX};
    char addr[512];
    int r = sn_str_cz(s->o->listen, addr, sizeof(addr));
    if (r < 0) return sn_fail(SN_E_INVALID_ARGUMENT, "--listen: the address is too long");
    /* One socket for all workers: with one for each, a second server could take the port as well.
     */
    if (s->debug && (r = sn_cmd_debug(s->debug)) < 0) return r;
    r = sn_listen(addr, NULL, &s->listener);
    if (r == SN_E_ALREADY_EXISTS) return sn_fail(r, "%s is in use by another program", addr);
    if (r < 0) return r;
    sn_listener_addr(s->listener, s->addr, sizeof(s->addr));
    s->instance = s->o->instance.len ? s->o->instance : sn_str(s->addr);
    r = sn_http_server_new(&o, &s->server);
    if (r >= 0)
        r = serve_until_signal(s);
    else
        sn_listener_close(s->listener);
    sn_http_server_free(s->server);
    return r;
}

static int serve_run(const struct sn_cli_call *call)
{
    struct serve s = {.o = call->opts, .dir_fd = -1};
    if (s.o->dir.ptr) {
        s.dir = sn_arena_str(call->arena, s.o->dir).ptr;
        s.dir_fd = s.dir ? open(s.dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
        if (s.dir_fd < 0)
            return sn_fail(SN_E_NOT_FOUND, "--dir: no folder %.*s", SN_STR_ARG(s.o->dir));
    }
    sn_cmd_raise_files();
    struct sn_rt_opts rt = {.workers = (unsigned)s.o->workers, .io_uring = s.o->io_uring};
    if (s.o->debug.len && !(s.debug = sn_arena_str(call->arena, s.o->debug).ptr)) return SN_E_NOMEM;
    if (s.debug) sn_prof_start(NULL);
    int r = sn_rt_run(&rt, serve_main, &s);
    if (s.debug) sn_prof_stop();
    if (s.dir_fd >= 0) close(s.dir_fd);
    return r;
}

const struct sn_cli_command sn_cmd_serve = {
    .name = "serve",
    .brief = "A small HTTP server: upstreams of the tour, and a peer for benches.",
    .about = "Answers over HTTP/1.1 and, by prior knowledge, HTTP/2:\n"
             "  /           who answers, as JSON\n"
             "  /healthz    ok, without delay or fault\n"
             "  /slow?ms=N  an answer after N milliseconds\n"
             "  /bytes/N    N bytes\n"
             "  /echo       the request's body\n"
             "  /ws         WebSocket; every message comes back\n"
             "  /files/...  files below --dir\n"
             "SIGTERM ends it when the requests in flight are answered.",
    .table = &table,
    .run = serve_run,
};
