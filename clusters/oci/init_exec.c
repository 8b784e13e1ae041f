/* SPDX-License-Identifier: Apache-2.0 */
/* oci/init_exec.c - child: finding and executing the program. */
#include <limits.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "clusters/oci/init_int.h"

#define SN_OCI_PASSWD_MAX (64u << 10) /* bytes of /etc/passwd that are looked at */

static const char *env_of(const struct sn_oci_plan *p, const char *name)
{
    size_t n = strlen(name);
    for (const char **e = p->env; *e; e++)
        if (strncmp(*e, name, n) == 0 && (*e)[n] == '=') return *e + n + 1;
    return NULL;
}

/* The next candidate of PATH for `file` in p->part; *at moves on. False at the end. */
static bool next_candidate(struct sn_oci_plan *p, const char **at, const char *file)
{
    while (*at) {
        const char *end = strchrnul(*at, ':');
        int n = end == *at
                    ? snprintf(p->part, sizeof(p->part), "./%s", file)
                    : snprintf(p->part, sizeof(p->part), "%.*s/%s", (int)(end - *at), *at, file);
        *at = *end ? end + 1 : NULL;
        if (n > 0 && (size_t)n < sizeof(p->part)) return true;
    }
    return false;
}

static const char *search_path(const struct sn_oci_plan *p)
{
    const char *path = env_of(p, "PATH");
    return path && path[0] ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

/* 0, or why this file cannot be the program. */
static int check_file(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0) return errno;
    if (S_ISDIR(st.st_mode)) return EISDIR;
    return st.st_mode & 0111 ? 0 : EACCES;
}

/* Before `create` returns: a missing program is its error, not start's. */
void sn_oci_program_check(struct sn_oci_plan *p)
{
    const char *file = p->process->args.ptr[0];
    if (strchr(file, '/')) {
        int e = check_file(file);
        if (e) sn_oci_die(p, e, "exec: \"%.200s\": stat %.200s", file, file);
        return;
    }
    bool denied = false;
    for (const char *at = search_path(p); next_candidate(p, &at, file);) {
        int e = check_file(p->part);
        if (e == 0) return;
        denied |= e == EACCES;
    }
    if (denied) sn_oci_die(p, EACCES, "exec: \"%.200s\"", file);
    sn_oci_die(p, ENOENT, "exec: \"%.200s\": executable file not found in $PATH", file);
}

/* One line of /etc/passwd: the home of the program's user to p->link, if it is that. */
static bool home_of(struct sn_oci_plan *p, const char *line, size_t n)
{
    struct sn_str s = sn_str_of(line, n), part[6];
    uint64_t uid;
    for (int i = 0; i < 6; i++) part[i] = s.ptr ? sn_str_cut(&s, ':') : (struct sn_str){0};
    if (sn_str_to_u64(part[2], &uid) < 0 || uid != p->process->user.uid || !part[5].len ||
        part[5].len >= sizeof(p->link))
        return false;
    memcpy(p->link, part[5].ptr, part[5].len);
    p->link[part[5].len] = 0;
    return true;
}

static bool find_home(struct sn_oci_plan *p, int fd)
{
    char *text = p->dir;
    size_t have = 0;
    for (size_t seen = 0; seen < SN_OCI_PASSWD_MAX;) {
        ssize_t n = read(fd, text + have, sizeof(p->dir) - 1 - have);
        if (n < 0) return false;
        if (n == 0) return have && home_of(p, text, have); /* a last line without its end */
        have += (size_t)n;
        seen += (size_t)n;
        text[have] = 0;
        char *line = text, *end;
        for (; (end = strchr(line, '\n')); line = end + 1)
            if (home_of(p, line, (size_t)(end - line))) return true;
        have = (size_t)(text + have - line);
        memmove(text, line, have);
        if (have == sizeof(p->dir) - 1) return false; /* a line of that length is none */
    }
    return false;
}

/* HOME from /etc/passwd of the image where the environment has none. */
void sn_oci_home(struct sn_oci_plan *p)
{
    if (env_of(p, "HOME") || !p->home) return;
    size_t last = 0;
    while (p->env[last]) last++;
    int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    bool regular = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    const char *home = regular && find_home(p, fd) ? p->link : "/";
    if (fd >= 0) close(fd);
    memcpy(mempcpy(p->home, "HOME=", 5), home, strlen(home) + 1);
    p->env[last] = p->home;
    p->env[last + 1] = NULL;
}

static void keep_descriptors(struct sn_oci_plan *p)
{
    unsigned first = 3 + p->preserve_fds;
    for (unsigned fd = 3; fd < first; fd++) fcntl((int)fd, F_SETFD, 0);
    /* Nothing of the runtime may be reachable even for the moment of the execution, when a path
     * like /proc/self/fd/7/x would still resolve (CVE-2024-21626); what reports a failure stays. */
    int stay[2] = {SN_MIN(p->sock, p->lock), SN_MAX(p->sock, p->lock)};
    for (int i = 0; i < 2; i++) {
        if (stay[i] < (int)first) continue;
        if ((unsigned)stay[i] > first) close_range(first, (unsigned)stay[i] - 1, 0);
        first = (unsigned)stay[i] + 1;
    }
    close_range(first, UINT_MAX, 0);
}

static void report(struct sn_oci_plan *p, int err, const char *file)
{
    if (err == ENOENT && !strchr(file, '/'))
        sn_oci_die(p, err, "exec: \"%.200s\": executable file not found in $PATH", file);
    sn_oci_die(p, err, "exec %.300s", file);
}

void sn_oci_execute(struct sn_oci_plan *p, int cwd)
{
    const char *file = p->process->args.ptr[0];
    if (fchdir(cwd) < 0) sn_oci_die(p, errno, "chdir to cwd (\"%.200s\")", p->process->cwd);
    keep_descriptors(p);
    if (p->seccomp && p->process->no_new_privs) {
        int e = sn_seccomp_load(p->seccomp, NULL);
        if (e < 0) sn_oci_die(p, -e, "load the seccomp filter");
    }
    if (p->state)
        atomic_store_explicit(&p->state->phase, SN_OCI_PHASE_RUNNING, memory_order_release);
    char *const *argv = (char *const *)(uintptr_t)p->process->args.ptr,
                *const *env = (char *const *)(uintptr_t)p->env;
    if (strchr(file, '/')) {
        execve(file, argv, env);
        report(p, errno, file);
    }
    int err = ENOENT;
    for (const char *at = search_path(p); next_candidate(p, &at, file);) {
        execve(p->part, argv, env);
        if (errno != ENOENT && errno != ENOTDIR) err = errno;
    }
    report(p, err, file);
    __builtin_unreachable();
}
