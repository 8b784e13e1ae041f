/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/run_stream.c - this terminal and a process in a container: the Kubernetes streaming protocol
 * over WebSocket, as the daemon's URLs speak it; `sennit exec`. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "fiber/os.h"
#include "kit/http.h"
#include "sennit/run_int.h"
#include "wire/json.h"

static struct termios saved;
static bool is_raw;

static void restore_terminal(void)
{
    if (is_raw) (void)tcsetattr(0, TCSANOW, &saved);
    is_raw = false;
}

static void raw_terminal(void)
{
    struct termios t;
    if (tcgetattr(0, &saved) < 0) return;
    t = saved;
    cfmakeraw(&t);
    is_raw = tcsetattr(0, TCSANOW, &t) == 0;
    atexit(restore_terminal);
}

static void send_size(struct run_stream *s)
{
    struct winsize ws;
    char text[64];
    if (!s->tty || ioctl(0, TIOCGWINSZ, &ws) < 0) return;
    int n = snprintf(text, sizeof text, "%c{\"Width\":%u,\"Height\":%u}", 4, ws.ws_col, ws.ws_row);
    (void)!sn_ws_write(s->ws, SN_WS_BINARY, sn_str_of(text, (size_t)n));
}

static int resizer(void *arg)
{
    static const int wanted[] = {SIGWINCH, 0};
    struct run_stream *s = arg;
    send_size(s);
    while (sn_signal_wait(wanted) > 0) send_size(s);
    return 0;
}

static int typist(void *arg)
{
    struct run_stream *s = arg;
    char buf[2049] = {0};
    for (;;) {
        ssize_t n = read(0, buf + 1, sizeof buf - 1);
        if (n < 0 && errno == EAGAIN) {
            if (sn_fd_wait(0, EPOLLIN) < 0) break;
            continue;
        }
        if (n <= 0) break;
        if (sn_ws_write(s->ws, SN_WS_BINARY, sn_str_of(buf, (size_t)n + 1)) < 0) break;
    }
    static const char end[2] = {(char)255, 0};
    (void)!sn_ws_write(s->ws, SN_WS_BINARY, sn_str_of(end, 2));
    return 0;
}

static int read_status(struct run_stream *s, struct sn_str text)
{
    struct sn_arena a;
    const struct sn_json *v;
    sn_arena_init(&a, NULL, 0);
    int r = sn_json_parse(&a, text, NULL, &v);
    if (r >= 0 && !sn_str_eqc(sn_json_str(sn_json_get(v, "status")), "Success")) {
        uint64_t code;
        struct sn_str num = sn_json_str(sn_json_path(v, "details.causes.0.message")),
                      msg = sn_json_str(sn_json_get(v, "message")),
                      reason = sn_json_str(sn_json_get(v, "reason"));
        if (sn_str_to_u64(num, &code) == 0)
            s->code = (int)code;
        else
            r = sn_fail(sn_str_eqc(reason, "NotFound")    ? SN_E_NOT_FOUND
                        : sn_str_eqc(reason, "Forbidden") ? SN_E_PERMISSION_DENIED
                                                          : SN_E_UNAVAILABLE,
                        "%.*s", SN_STR_ARG(msg));
    }
    sn_arena_done(&a);
    return r;
}

int run_stream(struct run_job *j, struct sn_str url, struct run_stream *s)
{
    struct sn_scope_storage mem;
    struct sn_buf m = {0};
    struct sn_str ws_url = sn_arena_printf(j->a, "ws%.*s", (int)url.len - 4, url.ptr + 4);
    int r =
        j->http ? 0 : sn_http_client_new(&(struct sn_http_client_opts){.h2_off = true}, &j->http);
    if (r >= 0)
        r = sn_ws_dial(j->http, ws_url,
                       &(struct sn_ws_opts){.subprotocol = SN_STR("v5.channel.k8s.io"),
                                            .message_bytes_max = 1u << 20},
                       &s->ws);
    if (r < 0) return r;
    s->scope = sn_scope_begin(&mem);
    if (s->tty) {
        raw_terminal();
        r = sn_scope_go(s->scope, "resize", resizer, s);
    }
    int flags = fcntl(0, F_GETFL);
    if (s->in && r >= 0) {
        (void)fcntl(0, F_SETFL, flags | O_NONBLOCK);
        r = sn_scope_go(s->scope, "stdin", typist, s);
    }
    int end;
    while (r >= 0 && (end = sn_ws_read(s->ws, &m)) >= 0) {
        struct sn_str data = sn_str_from(sn_buf_view(&m), 1);
        if (!m.len) continue;
        if (m.ptr[0] == 3)
            r = read_status(s, data);
        else if (m.ptr[0] == 1 || m.ptr[0] == 2)
            (void)!write(m.ptr[0], data.ptr, data.len);
    }
    sn_scope_cancel(s->scope);
    (void)sn_scope_end(s->scope);
    if (s->in) (void)fcntl(0, F_SETFL, flags);
    restore_terminal();
    sn_ws_close(s->ws, 1000, (struct sn_str){0});
    sn_buf_done(&m);
    return r;
}

static int exec_in(struct run_job *j)
{
    struct runtime_v1_container *c;
    struct runtime_v1_exec_response *e;
    int r = run_find(j, j->call->args[0], &c);
    if (r < 0) return r;
    struct runtime_v1_exec_request q = {.container_id = c->id,
                                        .tty = j->o->tty,
                                        .stdin_ = j->o->input,
                                        .stdout_ = true,
                                        .stderr_ = !j->o->tty};
    q.cmd.ptr = j->call->args + 1;
    q.cmd.len = (uint32_t)j->call->n_args - 1;
    r = runtime_v1_runtime_service_exec_call(j->ch, &q, j->a, &e, NULL);
    struct run_stream s = {.tty = j->o->tty, .in = j->o->input};
    if (r >= 0) r = run_stream(j, e->url, &s);
    if (r != SN_E_NOT_FOUND && r != SN_E_PERMISSION_DENIED) return r < 0 ? r : s.code;
    fprintf(stderr, "sennit exec: %s\n", sn_diag_str(r));
    return r == SN_E_NOT_FOUND ? RUN_EXIT_NOT_FOUND : RUN_EXIT_CANNOT_RUN;
}

static const struct sn_conf_field exec_fields[] = {
    RUN_SOCKET_FIELD,
    SN_CONF_BOOL(struct run_opts, input, "interactive", .letter = 'i',
                 .help = "Standard input goes to the program."),
    SN_CONF_BOOL(struct run_opts, tty, "tty", .letter = 't',
                 .help = "The program gets a terminal.")};
static const struct sn_conf_table exec_table = SN_CONF_TABLE(struct run_opts, exec_fields);
static int exec_run(const struct sn_cli_call *c) { return run_job(c, exec_in, false); }
const struct sn_cli_command sn_cmd_exec = {.name = "exec",
                                           .brief = "Run a program in a running container.",
                                           .usage = "CONTAINER COMMAND [ARGUMENT]...",
                                           .table = &exec_table,
                                           .args_min = 2,
                                           .args_max = 256,
                                           .args_own = 1,
                                           .run = exec_run};
