/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/run_logs.c - what containers wrote, and when: logs, and lists for people. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "clusters/cri/logline.h"
#include "core/time.h"
#include "fiber/fiber.h"
#include "sennit/run_int.h"

static void print_log(struct sn_str *text)
{
    struct sn_cri_log_record rec;
    int r;
    while ((r = sn_cri_log_next(text, &rec)) != 0) {
        if (r < 0) continue;
        FILE *f = sn_str_eqc(rec.stream, "stderr") ? stderr : stdout;
        fwrite(rec.text.ptr, 1, rec.text.len, f);
        if (!rec.partial) fputc('\n', f);
        fflush(f);
    }
}

/* What the log has; with `follow` until the container has ended and the log with it. */
int run_print_logs(struct run_follower *f)
{
    struct sn_buf b = {0};
    int fd = -1, r = 0;
    bool over = !f->follow;
    for (;;) {
        if (fd < 0) fd = open(f->path.ptr, O_RDONLY | O_CLOEXEC);
        ssize_t n = 0;
        if (fd >= 0 && sn_buf_reserve(&b, 32u << 10) == 0)
            n = read(fd, b.ptr + b.len, b.cap - b.len);
        if (n > 0) {
            b.len += (size_t)n;
            struct sn_str rest = sn_buf_view(&b);
            print_log(&rest);
            sn_buf_consume(&b, b.len - rest.len);
            continue;
        }
        if (over) break;
        struct runtime_v1_container_status *st;
        struct sn_arena tmp, *keep = f->j->a;
        sn_arena_init(&tmp, NULL, 0);
        f->j->a = &tmp;
        r = run_status(f->j, f->id, &st);
        over = r < 0 || st->state == RUNTIME_V1_CONTAINER_STATE_CONTAINER_EXITED;
        f->j->a = keep;
        sn_arena_done(&tmp);
        if (!over && (r = sn_sleep(RUN_LOOK_NS)) < 0) break;
    }
    if (fd >= 0) close(fd);
    sn_buf_done(&b);
    return r == SN_E_NOT_FOUND ? 0 : r;
}

struct sn_str run_since(struct sn_arena *a, int64_t unix_ns)
{
    int64_t s = (sn_wall_now() - unix_ns) / SN_SEC;
    return s < 0            ? SN_STR("just now")
           : s < 90         ? sn_arena_printf(a, "%lld s", (long long)s)
           : s < 90 * 60    ? sn_arena_printf(a, "%lld min", (long long)(s / 60))
           : s < 36 * 3600  ? sn_arena_printf(a, "%lld h", (long long)(s / 3600))
                            : sn_arena_printf(a, "%lld d", (long long)(s / 86400));
}
