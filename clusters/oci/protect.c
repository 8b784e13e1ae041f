/* SPDX-License-Identifier: Apache-2.0 */
/* oci/protect.c - the runtime's own file out of the container's reach, without a second execution.
 *
 * A child that enters a container's namespaces can be seen there, and /proc/PID/exe would lead to
 * the runtime's binary on the host, to be overwritten (CVE-2019-5736); a program of
 * "/proc/self/exe" or with that as interpreter would even run it. Copying the binary into a sealed
 * memfd and executing that costs half a millisecond and a second start. Here the child maps its
 * text from such a copy in the place of the file, moves what was relocated or written into private
 * memory, and then tells the kernel by PR_SET_MM_MAP that its file is the copy. A daemon needs no
 * copy: protect_open.c. Source: prctl(2) PR_SET_MM_MAP; the kernel refuses the change while the old
 * file is mapped. */
#include <elf.h>
#include <link.h>
#include <linux/prctl.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>

#include "clusters/oci/container.h"
#include "clusters/oci/init_int.h"
#include "core/status.h"

#define MAPPINGS_MAX 64 /* of the program's file */
#define MAPPED_BYTES_MAX (64u << 20)
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

/* Where the program's text ends in its file: no more is mapped from the copy. */
static off_t text_end(void)
{
    const ElfW(Phdr) *p = (const ElfW(Phdr) *)getauxval(AT_PHDR);
    off_t end = 0;
    for (unsigned long i = 0; p && i < getauxval(AT_PHNUM); i++)
        if (p[i].p_type == PT_LOAD && (p[i].p_flags & PF_X))
            end = SN_MAX(end, (off_t)(p[i].p_offset + p[i].p_filesz));
    return end;
}

int sn_oci_protect_file(void)
{
    int fd = memfd_create("sennit-oci", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
    if (fd < 0) fd = memfd_create("sennit-oci", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int exe = fd < 0 ? -1 : open("/proc/self/exe", O_RDONLY | O_CLOEXEC), e = exe < 0 ? -errno : 0;
    off_t end = text_end();
    for (off_t at = 0; e == 0 && at < end;)
        if (sendfile(fd, exe, &at, (size_t)(end - at)) <= 0) e = errno ? -errno : -EIO;
    if (e == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        e = -errno;
    sn_oci_close_fd(&exe);
    if (e < 0) sn_oci_close_fd(&fd);
    return e < 0 ? e : fd;
}

struct range {
    uintptr_t from, to;
    uint64_t offset;
    int prot;
};

static uint64_t hex(const char **at)
{
    uint64_t v = 0;
    for (;; (*at)++) {
        char c = **at;
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v << 4 | (uint64_t)(c - 'a' + 10);
        else
            return v;
    }
}

/* One line of /proc/self/maps: FROM-TO rwxp OFFSET MAJOR:MINOR INODE PATH. */
static bool parse_line(const char *line, const struct stat *exe, struct range *ret)
{
    const char *at = line;
    ret->from = hex(&at);
    if (*at++ != '-') return false;
    ret->to = hex(&at);
    if (strnlen(at, 6) < 6) return false;
    ret->prot = (at[1] == 'r' ? PROT_READ : 0) | (at[2] == 'w' ? PROT_WRITE : 0) |
                (at[3] == 'x' ? PROT_EXEC : 0);
    at += 6;
    ret->offset = hex(&at);
    if (*at++ != ' ') return false;
    hex(&at);
    if (*at++ != ':') return false;
    hex(&at);
    if (*at++ != ' ') return false;
    uint64_t inode = 0;
    for (; *at >= '0' && *at <= '9'; at++) inode = inode * 10 + (uint64_t)(*at - '0');
    /* The device of the table is the superblock's, which stat(2) does not always tell: too many are
     * moved rather than too few. */
    return inode == exe->st_ino;
}

static int move_range(const struct range *r, int file)
{
    size_t n = r->to - r->from;
    /* Text is as in the file. What is only readable may have been relocated before it became so. */
    if (r->prot == (PROT_READ | PROT_EXEC) &&
        mmap((void *)r->from, n, r->prot, MAP_PRIVATE | MAP_FIXED, file, (off_t)r->offset) !=
            MAP_FAILED)
        return 0;
    if (!(r->prot & PROT_READ) && mprotect((void *)r->from, n, r->prot | PROT_READ) < 0)
        return -errno;
    /* Populated at once: a fault for each page costs several times the copy. */
    void *copy =
        mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (copy == MAP_FAILED) return -errno;
    memcpy(copy, (void *)r->from, n);
    if (mprotect(copy, n, r->prot) < 0 ||
        mremap(copy, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)r->from) == MAP_FAILED)
        return -errno;
    return 0;
}

static int find_ranges(struct range *out, size_t *ret_n)
{
    char buf[1024];
    struct stat exe;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC), e = 0;
    if (fd < 0 || stat("/proc/self/exe", &exe) < 0) e = -errno;
    size_t have = 0, n = 0;
    ssize_t r;
    while (e == 0 && (r = read(fd, buf + have, sizeof(buf) - 1 - have)) > 0) {
        have += (size_t)r;
        buf[have] = 0;
        char *line = buf, *end;
        for (; (end = strchr(line, '\n')); line = end + 1) {
            *end = 0;
            if (n == MAPPINGS_MAX)
                e = -E2BIG;
            else if (parse_line(line, &exe, &out[n]))
                n++;
        }
        have = (size_t)(buf + have - line);
        memmove(buf, line, have);
        if (have == sizeof(buf) - 1) have = 0; /* the tail of a very long path */
    }
    if (fd >= 0) close(fd);
    *ret_n = n;
    return e;
}

/* Fields of /proc/self/stat that PR_SET_MM_MAP wants back. */
static int read_layout(struct prctl_mm_map *mm)
{
    char text[1024];
    uint64_t v[53] = {0};
    ssize_t n = sn_oci_read_file(AT_FDCWD, "/proc/self/stat", text, sizeof(text));
    if (n < 0) return (int)n;
    const char *p = strrchr(text, ')');
    if (!p) return -EIO;
    p += 2;
    for (int field = 3; field <= 52 && *p; field++) {
        for (v[field] = 0; *p >= '0' && *p <= '9'; p++)
            v[field] = v[field] * 10 + (uint64_t)(*p - '0');
        while (*p && *p != ' ') p++;
        while (*p == ' ') p++;
    }
    mm->start_code = v[26];
    mm->end_code = v[27];
    mm->start_stack = v[28];
    mm->start_data = v[45];
    mm->end_data = v[46];
    mm->start_brk = v[47];
    mm->arg_start = v[48];
    mm->arg_end = v[49];
    mm->env_start = v[50];
    mm->env_end = v[51];
    mm->brk = (uint64_t)syscall(SYS_brk, 0);
    return 0;
}

int sn_oci_protect_self(int fd)
{
    struct range r[MAPPINGS_MAX];
    struct prctl_mm_map mm = {0};
    size_t n, bytes = 0;
    int e = find_ranges(r, &n);
    if (e == 0) e = read_layout(&mm);
    for (size_t i = 0; i < n; i++) bytes += r[i].to - r[i].from;
    if (e == 0 && bytes > MAPPED_BYTES_MAX) e = -E2BIG;
    for (size_t i = 0; i < n && e == 0; i++) e = move_range(&r[i], fd);
    if (e < 0) return e;
    mm.exe_fd = (uint32_t)fd;
    return prctl(PR_SET_MM, PR_SET_MM_MAP, &mm, sizeof(mm), 0) < 0 ? -errno : 0;
}

bool sn_oci_protects(void)
{
#if defined(SN_ASAN) || defined(SN_TSAN)
    return false; /* their own memory is among what would have to move */
#endif
    unsigned size = 0;
    return prctl(PR_SET_MM, PR_SET_MM_MAP_SIZE, &size, 0, 0) == 0 &&
           size == sizeof(struct prctl_mm_map);
}
