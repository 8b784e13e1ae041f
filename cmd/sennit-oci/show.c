/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-oci/show.c - list and ps, and what the commands print and read. */
#include "show.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"
#include "core/buf.h"
#include "core/time.h"

int out_text(struct sn_str s)
{
    while (s.len) {
        ssize_t n = write(STDOUT_FILENO, s.ptr, s.len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return sn_fail_errno(errno, "write to standard output");
        s = sn_str_from(s, (size_t)n);
    }
    return 0;
}

int read_text(struct app *app, const char *path, struct sn_str *ret)
{
    struct sn_buf b = {.limit = SN_OCI_CONFIG_BYTES_MAX};
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return sn_fail_errno(errno, "open %s", path);
    ssize_t n = 1;
    while (n != 0 && sn_buf_reserve(&b, 4096) == 0) {
        n = read(fd, b.ptr + b.len, b.cap - b.len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) break;
        b.len += (size_t)n;
    }
    int e = n < 0       ? sn_fail_errno(errno, "read %s", path)
            : b.err < 0 ? sn_fail(b.err, "%s", path)
                        : 0;
    close(fd);
    if (e == 0 && !(*ret = sn_arena_str(&app->arena, sn_buf_view(&b))).ptr) e = SN_E_NOMEM;
    sn_buf_done(&b);
    return e;
}

/* The name of a uid by /etc/passwd; the number where there is none. */
static void owner_name(uint32_t uid, char out[64])
{
    char line[512];
    snprintf(out, 64, "#%u", uid);
    FILE *f = fopen("/etc/passwd", "re");
    while (f && fgets(line, sizeof(line), f)) {
        struct sn_str s = sn_str(line), name = sn_str_cut(&s, ':');
        uint64_t n;
        (void)sn_str_cut(&s, ':');
        if (s.ptr && sn_str_to_u64(sn_str_cut(&s, ':'), &n) == 0 && n == uid) {
            snprintf(out, 64, "%.*s", SN_STR_ARG(name));
            break;
        }
    }
    if (f) fclose(f);
}

void state_json(struct sn_jsonw *w, const struct sn_oci_state *s)
{
    char when[SN_RFC3339_MAX], owner[64];
    size_t n = sn_time_rfc3339(s->created_ns, -1, when);
    owner_name(s->owner, owner);
    sn_jsonw_object(w);
    sn_jsonw_kstr(w, "ociVersion", s->oci_version);
    sn_jsonw_kstr(w, "id", s->id);
    sn_jsonw_ki64(w, "pid", s->pid);
    sn_jsonw_kstr(w, "status", sn_str(sn_oci_status_name(s->status)));
    sn_jsonw_kstr(w, "bundle", s->bundle);
    sn_jsonw_kstr(w, "rootfs", s->rootfs);
    sn_jsonw_kstr(w, "created", sn_str_of(when, n));
    if (s->annotations.len) {
        sn_jsonw_key(w, SN_STR("annotations"));
        sn_jsonw_raw(w, s->annotations);
    }
    sn_jsonw_kstr(w, "owner", sn_str(owner));
    sn_jsonw_object_end(w);
}

static int collect(struct app *app, struct sn_oci_state **ret, size_t *ret_n)
{
    struct sn_oci_ids ids;
    int e = sn_oci_list(&app->host, &app->arena, &ids);
    if (e < 0) return e;
    *ret = SN_ARENA_ARRAY(&app->arena, struct sn_oci_state, ids.n ? ids.n : 1);
    *ret_n = 0;
    if (!*ret) return SN_E_NOMEM;
    for (size_t i = 0; i < ids.n; i++) {
        struct sn_oci_container *c;
        if ((e = open_container(app, ids.ptr[i].ptr, &c)) < 0) {
            /* Deleted since, or being made: not listed. */
            if (e != SN_E_NOT_FOUND) app_warn(app, sn_diag_str(e));
            continue;
        }
        e = sn_oci_state(c, &app->arena, &(*ret)[*ret_n]);
        sn_oci_close(c);
        if (e < 0) return e;
        ++*ret_n;
    }
    return 0;
}

static void table(struct sn_buf *b, const struct sn_oci_state *s, size_t n)
{
    const char *const head[] = {"ID", "PID", "STATUS", "BUNDLE", "CREATED"};
    size_t width[5] = {12, 12, 12, 12, 12};
    char when[SN_RFC3339_MAX], owner[64];
    for (size_t i = 0; i < n; i++) {
        width[0] = SN_MAX(width[0], s[i].id.len + 3);
        width[3] = SN_MAX(width[3], s[i].bundle.len + 3);
        width[4] = SN_MAX(width[4], sn_time_rfc3339(s[i].created_ns, -1, when) + 3);
    }
    for (int k = 0; k < 5; k++) sn_buf_printf(b, "%-*s", (int)width[k], head[k]);
    sn_buf_cstr(b, "OWNER\n");
    for (size_t i = 0; i < n; i++) {
        sn_time_rfc3339(s[i].created_ns, -1, when);
        owner_name(s[i].owner, owner);
        sn_buf_printf(b, "%-*s%-*d%-*s%-*s%-*s%s\n", (int)width[0], s[i].id.ptr, (int)width[1],
                      (int)s[i].pid, (int)width[2], sn_oci_status_name(s[i].status), (int)width[3],
                      s[i].bundle.ptr, (int)width[4], when, owner);
    }
}

static int unknown_format(const char *format)
{
    return sn_fail(SN_E_INVALID_ARGUMENT,
                   "invalid format option: \"%.32s\" is not one of table, json", format);
}

int cmd_list(struct app *app, int argc, char **argv)
{
    const char *format = "table";
    bool quiet = false;
    const struct opt opts[] = {{"format", 'f', OPT_STR, &format, "table or json"},
                               {"quiet", 'q', OPT_FLAG, &quiet, "only ids"},
                               {NULL, 0, OPT_FLAG, NULL, NULL}};
    if (help("list", opts, argc, argv)) return 0;
    argc--, argv++;
    struct sn_oci_state *s;
    size_t n;
    int e = opts_parse(opts, false, &argc, &argv);
    if (e < 0) return e;
    if (argc) return usage("list");
    bool json = strcmp(format, "json") == 0;
    if (!json && strcmp(format, "table") != 0) return unknown_format(format);
    if ((e = collect(app, &s, &n)) < 0) return e;
    struct sn_buf b = {0};
    struct sn_jsonw w;
    if (quiet) {
        for (size_t i = 0; i < n; i++) sn_buf_printf(&b, "%s\n", s[i].id.ptr);
    } else if (json) {
        sn_jsonw_init(&w, &b, NULL);
        if (n) sn_jsonw_array(&w);
        for (size_t i = 0; i < n; i++) state_json(&w, &s[i]);
        if (n)
            sn_jsonw_array_end(&w);
        else
            sn_jsonw_null(&w);
        sn_buf_cstr(&b, "\n");
    } else {
        table(&b, s, n);
    }
    e = b.err < 0 ? b.err : out_text(sn_buf_view(&b));
    sn_buf_done(&b);
    return e;
}

/* ---- ps ----------------------------------------------------------------------------------------
 */

/* Lines of `ps` whose PID column is one of ours: its options are the user's, so it is asked. */
static int filter(struct sn_str text, const struct sn_cgroup_pids *pids)
{
    struct sn_buf b = {0};
    struct sn_str head = sn_str_cut(&text, '\n'), words = head;
    size_t column = 0, pid_column = SIZE_MAX;
    while (words.ptr) {
        struct sn_str w = sn_str_cut(&words, ' ');
        if (!w.len) continue;
        if (sn_str_eqc(w, "PID")) pid_column = column;
        column++;
    }
    if (pid_column == SIZE_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "couldn't find PID field in ps output");
    sn_buf_printf(&b, "%.*s\n", SN_STR_ARG(head));
    while (text.ptr) {
        struct sn_str line = sn_str_cut(&text, '\n'), rest = line;
        uint64_t pid = 0;
        for (size_t k = 0; rest.ptr;) {
            struct sn_str w = sn_str_cut(&rest, ' ');
            if (!w.len) continue;
            if (k++ == pid_column && sn_str_to_u64(w, &pid) == 0) break;
        }
        for (size_t i = 0; pid && i < pids->n; i++)
            if ((uint64_t)pids->ptr[i] == pid) sn_buf_printf(&b, "%.*s\n", SN_STR_ARG(line));
    }
    int e = b.err < 0 ? b.err : out_text(sn_buf_view(&b));
    sn_buf_done(&b);
    return e;
}

static int run_ps(int argc, char **argv, const struct sn_cgroup_pids *pids)
{
    static char *const plain[] = {"ps", "-ef", NULL};
    int pipefd[2], status = 0;
    if (pipe2(pipefd, O_CLOEXEC) < 0) return sn_fail_errno(errno, "pipe");
    pid_t child = fork();
    if (child == 0) {
        dup2(pipefd[1], STDOUT_FILENO);
        argv[0] = "ps";
        execvp("ps", argc > 1 ? argv : plain);
        _exit(127);
    }
    close(pipefd[1]);
    struct sn_buf b = {.limit = 16u << 20};
    ssize_t n = 1;
    while (child > 0 && n != 0 && sn_buf_reserve(&b, 4096) == 0) {
        n = read(pipefd[0], b.ptr + b.len, b.cap - b.len);
        if (n < 0 && errno != EINTR) break;
        if (n > 0) b.len += (size_t)n;
    }
    close(pipefd[0]);
    int e = child < 0 ? sn_fail_errno(errno, "fork") : 0;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    if (e == 0 && status) e = sn_fail(SN_E_ABORTED, "ps failed: is it installed?");
    if (e == 0) e = filter(sn_buf_view(&b), pids);
    sn_buf_done(&b);
    return e;
}

int cmd_ps(struct app *app, int argc, char **argv)
{
    const char *format = "table";
    const struct opt opts[] = {{"format", 'f', OPT_STR, &format, "table or json"},
                               {NULL, 0, OPT_FLAG, NULL, NULL}};
    if (help("ps", opts, argc, argv)) return 0;
    argc--, argv++;
    struct sn_oci_container *c;
    struct sn_cgroup_pids pids = {0};
    int e = opts_parse(opts, false, &argc, &argv);
    if (e < 0) return e;
    if (argc < 1) return usage("ps");
    bool json = strcmp(format, "json") == 0;
    if (!json && strcmp(format, "table") != 0) return unknown_format(format);
    if ((e = open_container(app, argv[0], &c)) < 0) return e;
    e = sn_oci_pids(c, &app->arena, &pids);
    sn_oci_close(c);
    if (e < 0) return e;
    if (!json) return run_ps(argc, argv, &pids);
    struct sn_buf b = {0};
    sn_buf_cstr(&b, "[");
    for (size_t i = 0; i < pids.n; i++) sn_buf_printf(&b, "%s%d", i ? "," : "", (int)pids.ptr[i]);
    sn_buf_cstr(&b, "]\n");
    e = b.err < 0 ? b.err : out_text(sn_buf_view(&b));
    sn_buf_done(&b);
    return e;
}
