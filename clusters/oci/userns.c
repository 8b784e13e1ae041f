/* SPDX-License-Identifier: Apache-2.0 */
/* oci/userns.c - parent: user namespaces' maps, by ourselves or by newuidmap, and namespaces of
 * nobody for idmapped mounts. Source: user_namespaces(7). */
#include <stdio.h>
#include <sys/wait.h>

#include "clusters/oci/parent_int.h"
#include "core/buf.h"

static int write_map(pid_t pid, const char *file, const struct sn_oci_id_maps *m)
{
    struct sn_buf text = {.limit = 64 << 10};
    char path[48];
    for (size_t i = 0; i < m->n; i++)
        sn_buf_printf(&text, "%u %u %u\n", m->ptr[i].inside, m->ptr[i].outside, m->ptr[i].size);
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
    int e = text.err < 0 ? E2BIG : -sn_oci_write_file(AT_FDCWD, path, text.ptr, text.len);
    sn_buf_done(&text);
    return e;
}

SN_NORETURN static void exec_tool(const char *tool, char *const *argv)
{
    static const char *const dirs[] = {"/usr/bin/", "/usr/local/bin/", "/bin/"};
    static char *const none[] = {NULL};
    char path[64];
    for (size_t i = 0; i < SN_COUNT_OF(dirs); i++) {
        snprintf(path, sizeof(path), "%s%s", dirs[i], tool);
        execve(path, argv, none);
    }
    _exit(127); /* banned: the child of a clone */
}

/* Only the set-user-id tools may map more than ourselves without privilege. */
static int map_by_tool(pid_t pid, const char *tool, const struct sn_oci_id_maps *m)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 1 << 20);
    char **argv = SN_ARENA_ARRAY(&a, char *, m->n * 3 + 3);
    size_t n = 0;
    int e = argv ? 0 : SN_E_NOMEM, pidfd = -1;
    if (argv) {
        argv[n++] = (char *)(uintptr_t)tool;
        argv[n++] = (char *)(uintptr_t)sn_arena_printf(&a, "%d", (int)pid).ptr;
    }
    for (size_t i = 0; argv && i < m->n; i++) {
        const uint32_t v[3] = {m->ptr[i].inside, m->ptr[i].outside, m->ptr[i].size};
        for (int k = 0; k < 3; k++)
            argv[n++] = (char *)(uintptr_t)sn_arena_printf(&a, "%u", v[k]).ptr;
    }
    for (size_t i = 0; i < n; i++)
        if (!argv[i]) e = SN_E_NOMEM;
    struct clone_args c = {.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND, .pidfd = (uintptr_t)&pidfd};
    pid_t child = e < 0 ? -1 : sn_oci_clone3(&c);
    if (child == 0) exec_tool(tool, argv);
    if (e == 0 && child < 0) e = sn_fail_errno(errno, "clone for %s", tool);
    siginfo_t si = {0};
    while (child > 0 && waitid((idtype_t)P_PIDFD, (id_t)pidfd, &si, WEXITED | __WALL) < 0 &&
           errno == EINTR)
        continue;
    sn_oci_close_fd(&pidfd);
    if (child > 0 && (si.si_code != CLD_EXITED || si.si_status != 0))
        e = sn_fail(SN_E_PERMISSION_DENIED,
                    "%s failed with %d: is it installed, does /etc/subuid allow the mapping?", tool,
                    si.si_status);
    sn_arena_done(&a);
    return e;
}

static int map_one(pid_t pid, const char *file, const char *tool, const struct sn_oci_id_maps *m,
                   uint32_t own)
{
    int e = write_map(pid, file, m);
    if (e == 0) return 0;
    if (e != EPERM) return sn_fail_errno(e, "write %s", file);
    if (m->n != 1 || m->ptr[0].size != 1 || m->ptr[0].outside != own)
        return map_by_tool(pid, tool, m);
    return sn_fail_errno(e, "write %s", file);
}

int sn_oci_userns_map(pid_t pid, const struct sn_oci_id_maps *uids,
                      const struct sn_oci_id_maps *gids)
{
    int e = map_one(pid, "uid_map", "newuidmap", uids, geteuid());
    if (e < 0) return sn_wrap(e, "linux.uidMappings");
    if (geteuid() != 0 && gids->n == 1 && gids->ptr[0].size == 1 &&
        gids->ptr[0].outside == getegid()) {
        char path[48];
        snprintf(path, sizeof(path), "/proc/%d/setgroups", (int)pid);
        int w = sn_oci_write_file(AT_FDCWD, path, "deny", 4);
        if (w < 0 && w != -ENOENT) return sn_fail_errno(-w, "deny setgroups");
    }
    e = map_one(pid, "gid_map", "newgidmap", gids, getegid());
    return e < 0 ? sn_wrap(e, "linux.gidMappings") : 0;
}

int sn_oci_userns_fd(const struct sn_oci_id_maps *uids, const struct sn_oci_id_maps *gids)
{
    int pidfd = -1, fd = -1;
    struct clone_args c = {.flags = CLONE_PIDFD | CLONE_NEWUSER | CLONE_CLEAR_SIGHAND,
                           .pidfd = (uintptr_t)&pidfd};
    pid_t child = sn_oci_clone3(&c);
    if (child == 0) {
        close_range(0, ~0u, 0);
        for (;;) pause();
    }
    if (child < 0) return sn_fail_errno(errno, "make a user namespace for an idmapped mount");
    int e = sn_oci_userns_map(child, uids, gids);
    char path[32];
    snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)child);
    if (e == 0 && (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        e = sn_fail_errno(errno, "open %s", path);
    siginfo_t si;
    sn_oci_pidfd_signal(pidfd, SIGKILL);
    while (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &si, WEXITED | __WALL) < 0 && errno == EINTR)
        continue;
    close(pidfd);
    return e < 0 ? e : fd;
}
